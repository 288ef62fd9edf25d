//! Products and entitlements (06 §1, §2).

use super::attributes;
use crate::bearers::{Bearer, Kind};
use crate::oracle::{Env, Record};
use crate::row::{Row, Target, row};
use crate::targets::{fresh, held_by, is_to, lists, products, trees, with_child};
use crate::world::{Branch, Tree, World};
use serde_json::json;
use std::rc::Rc;

pub fn rows() -> Vec<Row> {
    let mut rows = of_products();
    rows.extend(below_products());
    rows.extend(entitlements());
    rows
}

fn of_products() -> Vec<Row> {
    vec![
        row("GET", "products", "06 §1.1").can(&["product.read"]).may("staff E U L").holds(|world, cell| {
            held_by(
                world,
                cell,
                |tree| &tree.product,
                |bearer, tree| tree.branch() != Branch::Mixed && !is_to(bearer, tree).is_empty(),
            )
        }),
        row("POST", "products", "06 §1.1")
            .at(fresh)
            .can(&["product.create"])
            .may("A D E")
            .creates()
            .body(|world, _| attributes("products", json!({ "name": format!("New {}", world.number()) })))
            .after(|world, _, _| world.execute("DELETE FROM products WHERE name LIKE 'New %'", &[])),
        row("GET", "products/{id}", "06 §1.1").at(products).can(&["product.read"]).may("staff E P Uo Ua L"),
        row("PATCH", "products/{id}", "06 §1.1").at(products).can(&["product.update"]).may("A D E P").body(
            |world, _| attributes("products", json!({ "url": format!("https://{}.example.com", world.number()) })),
        ),
        row("DELETE", "products/{id}", "06 §1.1")
            .at(products)
            .can(&["product.delete"])
            .may("A D E")
            .victim(|world, cell| world.product(cell.target.tree().place()))
            // Whoever sees a product because it is (or holds) its own has no other to lose.
            .unless(|cell| !cell.bearer.kind.sees_all()),
    ]
}

fn below_products() -> Vec<Row> {
    let list = |w: &World, b: &Bearer, c: Env| lists(products(w, b, c));
    vec![
        row("GET", "products/{id}/policies", "06 §1.4")
            .at(list)
            .can(&["policy.read"])
            .may("staff E P")
            .holds(|_, cell| vec![cell.target.tree().policy.clone()]),
        row("GET", "products/{id}/policies/{child}", "06 §1.4")
            .at(|w, b, c| with_child(w, products(w, b, c), |tree| &tree.policy))
            .can(&["policy.read"])
            .may("staff E P"),
        row("GET", "products/{id}/licenses", "06 §1.4")
            .at(list)
            .can(&["license.read"])
            .may("staff E P")
            .holds(|_, cell| vec![cell.target.tree().license.clone()]),
        row("GET", "products/{id}/licenses/{child}", "06 §1.4")
            .at(|w, b, c| {
                let mut all = with_child(w, products(w, b, c), |tree| &tree.license);
                all.extend(elsewhere(w, b, c, |tree| &tree.license));
                all
            })
            .can(&["license.read"])
            .may("staff E P"),
        row("GET", "products/{id}/machines", "06 §1.4")
            .at(list)
            .can(&["machine.read"])
            .may("staff E P")
            .holds(|_, cell| vec![cell.target.tree().machine.clone()]),
        row("GET", "products/{id}/machines/{child}", "06 §1.4")
            .at(|w, b, c| {
                let mut all = with_child(w, products(w, b, c), |tree| &tree.machine);
                all.extend(elsewhere(w, b, c, |tree| &tree.machine));
                all
            })
            .can(&["machine.read"])
            .may("staff E P"),
        row("GET", "products/{id}/users", "06 §1.4")
            .at(list)
            .can(&["user.read"])
            .may("staff E P")
            .holds(|_, cell| vec![cell.target.tree().mate.clone(), cell.target.tree().owner.clone()]),
        row("GET", "products/{id}/users/{child}", "06 §1.4")
            .at(|w, b, c| with_child(w, products(w, b, c), |tree| &tree.mate))
            .can(&["user.read"])
            .may("staff E P"),
        // "P for its own" (06 §1.4); of a product that it sees but is not, there is none
        row("GET", "products/{id}/tokens", "06 §1.5")
            .at(list)
            .can(&["token.read"])
            .may("staff E P")
            .holds(|_, cell| vec![cell.target.tree().product_token.clone()]),
        row("GET", "products/{id}/tokens/{child}", "06 §1.5")
            .at(|w, b, c| with_child(w, products(w, b, c), |tree| &tree.product_token))
            .can(&["token.read"])
            .may("staff E P"),
        // "the token's environment must be the current one" (06 §1.5)
        row("POST", "products/{id}/tokens", "06 §1.5")
            .at(|w, b, c| {
                let new = |target: Target| {
                    let env = if c == Env::Global { target.tree().env() } else { c };
                    Target { record: Record::Of(env), ..target }
                };
                products(w, b, c).into_iter().map(new).collect()
            })
            .can(&["product.tokens.generate"])
            .may("A D E"),
    ]
}

/// Members in the shared environment of a global product: "member lookups are not [filtered by environment], a mismatch is 403"
/// (06 §1.4); a global request may read them (05 §5.4).
fn elsewhere(world: &World, bearer: &Bearer, current: Env, child: fn(&Tree) -> &str) -> Vec<Target> {
    let mixed = world.trees.iter().find(|tree| tree.branch() == Branch::Mixed).expect("there is one");
    let own = products(world, bearer, current).into_iter().filter(|target| target.id == mixed.product);
    own.map(|target| Target {
        name: "Own@Global with a child in the shared environment".to_owned(),
        child: child(mixed).to_owned(),
        record: Record::Of(mixed.env()),
        tree: Some(mixed.clone()),
        ..target
    })
    .collect()
}

fn entitlements() -> Vec<Row> {
    vec![
        row("GET", "entitlements", "06 §2.1").can(&["entitlement.read"]).may("staff E P L U").holds(|world, cell| {
            let sees = |bearer: &Bearer, tree: &Tree| bearer.kind == Kind::Product || !is_to(bearer, tree).is_empty();
            let mut all = held_by(world, cell, |tree| &tree.entitlement, sees);
            all.extend(held_by(world, cell, |tree| &tree.policy_entitlement, sees));
            all
        }),
        row("POST", "entitlements", "06 §2.1")
            .at(fresh)
            .can(&["entitlement.create"])
            .may("A D E")
            .creates()
            .body(|world, _| attributes("entitlements", code(world)))
            .after(|world, _, _| world.execute("DELETE FROM entitlements WHERE name = 'New'", &[])),
        row("GET", "entitlements/{id}", "06 §2.1")
            .at(|w, b, c| {
                let mut all = of_trees(w, b, c, |tree| &tree.entitlement);
                all.extend(of_trees(w, b, c, |tree| &tree.policy_entitlement));
                all
            })
            .can(&["entitlement.read"])
            .may("staff E P Uo Ua L"),
        row("PATCH", "entitlements/{id}", "06 §2.1")
            .at(|w, b, c| of_trees(w, b, c, |tree| &tree.entitlement))
            .can(&["entitlement.update"])
            .may("A D E")
            .body(|world, _| attributes("entitlements", json!({ "name": format!("Renamed {}", world.number()) }))),
        row("DELETE", "entitlements/{id}", "06 §2.1")
            .at(|w, b, c| of_trees(w, b, c, |tree| &tree.entitlement))
            .can(&["entitlement.delete"])
            .may("A D E")
            .victim(|world, cell| {
                let tree = cell.target.tree().clone();
                let id = world.entitlement(tree.place());
                world.attach_entitlement(tree.env(), "licenses", &tree.license, &id);
                id
            }),
    ]
}

fn code(world: &mut World) -> serde_json::Value {
    json!({ "name": "New", "code": format!("NEW_{}", world.number()) })
}

/// "staff, E, P: all; L: entitlements of its license and of its policy; U: those of all licenses it owns or is attached to, and of
/// their policies" (06 §2.1)
fn of_trees(world: &World, bearer: &Bearer, current: Env, id: fn(&Tree) -> &str) -> Vec<Target> {
    let target = |tree: &Rc<Tree>| {
        let is = if bearer.kind == Kind::Product { "P" } else { is_to(bearer, tree) };
        Target {
            name: tree.name(),
            id: id(tree).to_owned(),
            found: !is.is_empty(),
            env: Some(tree.env()),
            record: Record::Of(tree.env()),
            is,
            tree: Some(tree.clone()),
            ..Target::default()
        }
    };
    trees(world, current).iter().map(target).collect()
}
