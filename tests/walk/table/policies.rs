//! Policies, their entitlements and pools, and keys (07).

use super::{attributes, entries, related};
use crate::bearers::Bearer;
use crate::oracle::Env;
use crate::row::{Cell, Row, Target, row};
use crate::targets::{below, entered, entry, held, lists, policies, products, unfit, with_child};
use crate::world::{Tree, World};
use serde_json::json;

pub fn rows() -> Vec<Row> {
    let mut rows = of_policies();
    rows.extend(below_policies());
    rows.extend(keys());
    rows
}

fn of_policies() -> Vec<Row> {
    vec![
        // "L's list: allowed only when the page is exactly its one policy", which it is
        row("GET", "policies", "07 §1")
            .can(&["policy.read"])
            .may("staff E P U L")
            .holds(|world, cell| held(world, cell, |tree| &tree.policy)),
        row("POST", "policies", "07 §1, §1.1")
            .at(|w, b, c| below(products(w, b, c), c))
            .can(&["policy.create"])
            .may("A D S E P")
            .then(unfit)
            .creates()
            .body(|world, cell| {
                let product = super::link("products", &cell.target.tree().product);
                related("policies", json!({ "name": format!("New {}", world.number()) }), json!({ "product": product }))
            })
            // The bearers' lists stay what they are.
            .after(|world, _, _| world.execute("DELETE FROM policies WHERE name LIKE 'New %'", &[])),
        row("GET", "policies/{id}", "07 §1").at(policies).can(&["policy.read"]).may("staff E P Uo Ua L"),
        row("PATCH", "policies/{id}", "07 §1")
            .at(policies)
            .can(&["policy.update"])
            .may("A D S E P")
            .body(|world, _| attributes("policies", json!({ "metadata": { "n": world.number() } }))),
        row("DELETE", "policies/{id}", "07 §1")
            .at(policies)
            .can(&["policy.delete"])
            .may("A D E P")
            .victim(|world, cell| {
                let tree = cell.target.tree().clone();
                world.policy(tree.place(), &tree.product, false)
            })
            // Licenses and users see the policies of their licenses only.
            .unless(|cell| ["L", "Uo", "Ua"].contains(&cell.target.is)),
        row("GET", "policies/{id}/product", "07 §1").at(policies).can(&["product.read"]).may("staff E P"),
    ]
}

fn below_policies() -> Vec<Row> {
    let list = |w: &World, b: &Bearer, c: Env| lists(policies(w, b, c));
    vec![
        row("GET", "policies/{id}/licenses", "07 §1")
            .at(list)
            .can(&["license.read"])
            .may("staff E P")
            .holds(|_, cell| vec![cell.target.tree().license.clone()]),
        row("GET", "policies/{id}/licenses/{child}", "07 §1")
            .at(|w, b, c| with_child(w, policies(w, b, c), |tree| &tree.license))
            .can(&["license.read"])
            .may("staff E P"),
        row("GET", "policies/{id}/entitlements", "07 §6")
            .at(list)
            .can(&["entitlement.read"])
            .may("staff E P")
            .holds(|_, cell| vec![cell.target.tree().policy_entitlement.clone()]),
        row("GET", "policies/{id}/entitlements/{child}", "07 §6")
            .at(|w, b, c| with_child(w, policies(w, b, c), |tree| &tree.policy_entitlement))
            .can(&["entitlement.read"])
            .may("staff E P"),
        row("POST", "policies/{id}/entitlements", "07 §6")
            .at(joined)
            .can(&["policy.entitlements.attach"])
            .may("A D S E P")
            .prepare(detach)
            .body(|world, cell| entries("entitlements", &spare(world, cell)))
            .after(|world, cell, _| detach(world, cell)),
        row("DELETE", "policies/{id}/entitlements", "07 §6")
            .at(joined)
            .can(&["policy.entitlements.detach"])
            .may("A D S E P")
            .prepare(|world, cell| {
                detach(world, cell);
                let (entitlement, env) = (spare(world, cell), world.environment_id(entry(cell)));
                let sql = "INSERT INTO policy_entitlements (id, account_id, created_at, updated_at, environment_id, \
                           policy_id, entitlement_id) VALUES (?1, ?2, 1, 1, nullif(?3, ''), ?4, ?5)";
                let id = uuid::Uuid::now_v7().to_string();
                world.execute(sql, &[&id, &world.account, &env, &cell.target.id, &entitlement]);
            })
            .body(|world, cell| entries("entitlements", &spare(world, cell)))
            .after(|world, cell, _| detach(world, cell)),
        row("GET", "policies/{id}/pool", "07 §7")
            .at(|w, b, c| lists(pools(w, b, c)))
            .can(&["key.read"])
            .may("staff E P")
            .holds(|_, cell| vec![cell.target.tree().pool_key.clone()]),
        row("GET", "policies/{id}/pool/{child}", "07 §7")
            .at(|w, b, c| with_child(w, pools(w, b, c), |tree| &tree.pool_key))
            .can(&["key.read"])
            .may("staff E P"),
        // lax (05 §5.5)
        row("DELETE", "policies/{id}/pool", "07 §7")
            .at(pools)
            .can(&["policy.pool.pop"])
            .may("A D E P")
            .lax()
            .ok(200)
            .prepare(|world, cell| {
                let tree = cell.target.tree().clone();
                world.execute("DELETE FROM keys WHERE created_at = 2", &[]);
                let id = uuid::Uuid::now_v7().to_string();
                world.put_key(&tree, &id, 2);
            }),
    ]
}

/// The policies with pools. Licenses and users have no license of them, so that they see none.
fn pools(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let all = policies(world, bearer, current).into_iter();
    all.map(|target| {
        let held = ["L", "Uo", "Ua"].contains(&target.is);
        Target { id: target.tree().pool.clone(), found: target.found && !held, ..target }
    })
    .collect()
}

/// Entitlements of the current environment (and, in a shared one, a global one) as entries (05 §5.5, join rows).
fn joined(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    entered(policies(world, bearer, current), current)
}

fn spare(world: &World, cell: &Cell) -> String {
    world.spare_entitlement[&entry(cell)].clone()
}

fn detach(world: &mut World, cell: &Cell) {
    let entitlement = spare(world, cell);
    world.execute("DELETE FROM policy_entitlements WHERE entitlement_id = ?1", &[&entitlement]);
}

fn keys() -> Vec<Row> {
    vec![
        row("GET", "keys", "07 §8.1")
            .can(&["key.read"])
            .may("staff E P")
            .holds(|world, cell| held(world, cell, |tree| &tree.pool_key)),
        row("POST", "keys", "07 §8.1")
            .at(|w, b, c| below(of_keys(w, b, c), c))
            .can(&["key.create"])
            .may("A D E P")
            .then(unfit)
            .creates()
            .body(|world, cell| {
                let policy = super::link("policies", &cell.target.tree().pool);
                related("keys", json!({ "key": format!("new-key-{}", world.number()) }), json!({ "policy": policy }))
            })
            .after(|world, _, _| world.execute("DELETE FROM keys WHERE key LIKE 'new-key-%'", &[])),
        row("GET", "keys/{id}", "07 §8.1").at(of_keys).can(&["key.read"]).may("staff E P"),
        row("PATCH", "keys/{id}", "07 §8.1")
            .at(of_keys)
            .can(&["key.update"])
            .may("A D E P")
            .victim(|world, cell| world.pool_key(&cell.target.tree().clone()))
            .body(|world, _| attributes("keys", json!({ "key": format!("renamed-key-{}", world.number()) }))),
        row("DELETE", "keys/{id}", "07 §8.1")
            .at(of_keys)
            .can(&["key.delete"])
            .may("A D E P")
            .victim(|world, cell| world.pool_key(&cell.target.tree().clone())),
        row("GET", "keys/{id}/product", "07 §8.1").at(of_keys).can(&["product.read"]).may("staff E P"),
        row("GET", "keys/{id}/policy", "07 §8.1").at(of_keys).can(&["policy.read"]).may("staff E P"),
    ]
}

/// "staff, E all; P those of its policies; L, U none" (07 §8.1)
fn of_keys(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let key = |tree: &Tree| tree.pool_key.clone();
    let all = policies(world, bearer, current).into_iter();
    all.map(|target| {
        let is = if ["L", "Uo", "Ua"].contains(&target.is) { "" } else { target.is };
        Target { id: key(target.tree()), found: !is.is_empty(), is, ..target }
    })
    .collect()
}
