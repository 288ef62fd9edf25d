//! Licenses (08) and their validation (09).

use super::{attributes, entries, link, related};
use crate::bearers::{Bearer, Kind};
use crate::oracle::{Env, Expect, Record};
use crate::row::{Auth, Cell, Row, Target, row};
use crate::targets::{below, entered, entry, held, licenses, lists, unfit, with_child};
use crate::world::World;
use serde_json::{Value, json};

pub fn rows() -> Vec<Row> {
    let mut rows = of_licenses();
    rows.extend(actions());
    rows.extend(validation());
    rows.extend(relationships());
    rows.extend(joins());
    rows.extend(tokens());
    rows
}

fn of_licenses() -> Vec<Row> {
    vec![
        row("GET", "licenses", "08 §1.1")
            .can(&["license.read"])
            .may("staff E P U")
            .holds(|world, cell| held(world, cell, |tree| &tree.license)),
        // "A D S E P; U if `owner` = self and the policy is not protected"
        row("POST", "licenses", "08 §1.1")
            .at(|w, b, c| {
                let mut all = below(licenses(w, b, c), c);
                if b.kind.is_user() {
                    all.iter_mut().for_each(|target| target.is = "U");
                    let unowned = |target: &Target| Target {
                        name: format!("{} for nobody", target.name),
                        form: "for nobody",
                        is: "",
                        ..target.clone()
                    };
                    all.extend(all.iter().map(unowned).collect::<Vec<_>>());
                }
                all
            })
            .can(&["license.create"])
            .may("A D S E P U!p")
            .then(unfit)
            .creates()
            .body(|world, cell| {
                let mut relationships = json!({ "policy": link("policies", &cell.target.tree().policy) });
                if cell.bearer.kind.is_user() && cell.target.form.is_empty() {
                    relationships["owner"] = link("users", &cell.bearer.id);
                }
                related("licenses", json!({ "name": format!("New {}", world.number()) }), relationships)
            })
            // The bearers go on holding what they held.
            .after(|world, _, _| world.execute("DELETE FROM licenses WHERE name LIKE 'New %'", &[])),
        row("GET", "licenses/{id}", "08 §1.1").at(by_id_or_key).can(&["license.read"]).may("staff E P Uo Ua L"),
        row("PATCH", "licenses/{id}", "08 §1.1")
            .at(licenses)
            .can(&["license.update"])
            .may("A D S Su E P")
            .body(|world, _| attributes("licenses", json!({ "metadata": { "n": world.number() } }))),
        row("DELETE", "licenses/{id}", "08 §1.1")
            .at(licenses)
            .can(&["license.delete"])
            .may("A D S E P Uo!p")
            .victim(|world, cell| world.license(&cell.target.tree().clone()))
            // A license is the only one that it sees.
            .unless(|cell| cell.bearer.kind.is_license()),
        row("DELETE", "licenses/{id}/actions/revoke", "08 §1.1")
            .at(licenses)
            .can(&["license.revoke"])
            .may("A D S E P Uo!p")
            .victim(|world, cell| world.license(&cell.target.tree().clone()))
            // A license is the only one that it sees.
            .unless(|cell| cell.bearer.kind.is_license()),
    ]
}

/// The licenses by id, and by key as well (08 §0).
fn by_id_or_key(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let mut all = licenses(world, bearer, current);
    let by_key = |target: &Target| {
        let (name, id) = (format!("{} by key", target.name), target.tree().license_key.clone());
        Target { name, id, ..target.clone() }
    };
    all.extend(all.iter().map(by_key).collect::<Vec<_>>());
    all
}

fn actions() -> Vec<Row> {
    vec![
        row("POST", "licenses/{id}/actions/renew", "08 §1.1")
            .at(licenses)
            .can(&["license.renew"])
            .may("A D S E P Uo!p")
            // Or else the years add up.
            .after(|world, _, _| world.execute("UPDATE licenses SET expires_at = 2000000000000", &[])),
        row("POST", "licenses/{id}/actions/suspend", "08 §1.1")
            .at(licenses)
            .can(&["license.suspend"])
            .may("A D S Su E P")
            .after(|world, cell, _| suspend(world, cell, "0")),
        row("POST", "licenses/{id}/actions/reinstate", "08 §1.1")
            .at(|w, b, c| {
                // Its key does not open a suspended license (03 §4).
                let others = b.kind != Kind::LicenseKey;
                licenses(w, b, c).into_iter().filter(|target| others || target.is != "L").collect()
            })
            .can(&["license.reinstate"])
            .may("A D S Su E P")
            .prepare(|world, cell| suspend(world, cell, "1"))
            .after(|world, cell, _| suspend(world, cell, "0")),
        row("POST", "licenses/{id}/actions/check-in", "08 §1.1")
            .at(licenses)
            .can(&["license.check-in"])
            .may("A D S Su E P L Uo!p"),
        row("POST", "licenses/{id}/actions/check-out", "08 §1.1, §8.4")
            .at(licenses)
            .can(&["license.check-out", "license.read"])
            .may("A D S Su E P L Uo!p Ua!p"),
        row("GET", "licenses/{id}/actions/check-out", "08 §1.1, §8.4")
            .at(licenses)
            .can(&["license.check-out", "license.read"])
            .may("A D S Su E P L Uo!p Ua!p")
            .strict(),
        row("POST", "licenses/{id}/actions/increment-usage", "08 §1.1")
            .at(licenses)
            .can(&["license.usage.increment"])
            .may("A D S Su E P L Uo!p"),
        row("POST", "licenses/{id}/actions/decrement-usage", "08 §1.1")
            .at(licenses)
            .can(&["license.usage.decrement"])
            .may("A D S Su E P")
            .prepare(|world, cell| {
                world.execute("UPDATE licenses SET uses = 5 WHERE id = ?1", &[&cell.target.tree().license]);
            }),
        row("POST", "licenses/{id}/actions/reset-usage", "08 §1.1")
            .at(licenses)
            .can(&["license.usage.reset"])
            .may("A D S Su E P"),
    ]
}

fn suspend(world: &mut World, cell: &Cell, suspended: &str) {
    let sql = "UPDATE licenses SET suspended = CAST(?1 AS INTEGER) WHERE id = ?2";
    world.execute(sql, &[suspended, &cell.target.tree().license]);
}

fn validation() -> Vec<Row> {
    vec![
        row("GET", "licenses/{id}/actions/validate", "09 §2")
            .at(licenses)
            .can(&["license.validate"])
            .may("staff E P Uo Ua L"),
        row("POST", "licenses/{id}/actions/validate", "09 §2")
            .at(licenses)
            .can(&["license.validate"])
            .may("staff E P Uo Ua L")
            .lax(),
        // "other product's license → 403"; what the environment does not see does not exist: 200 `NOT_FOUND` for everybody
        row("POST", "licenses/actions/validate-key", "09 §2")
            .auth(Auth::Optional)
            .at(|w, b, c| {
                let found = |target: Target| {
                    let is = if b.kind == Kind::Anonymous { "X" } else { target.is };
                    Target { id: String::new(), is, ..target }
                };
                let (seen, unseen): (Vec<Target>, Vec<Target>) =
                    licenses(w, b, c).into_iter().map(found).partition(|target| c.sees(target.tree().env()));
                let unseen =
                    unseen.into_iter().map(|target| Target { record: Record::Nothing, form: "unseen", ..target });
                seen.into_iter().chain(unseen).collect()
            })
            .lax()
            .early(|cell| (cell.target.form == "unseen").then(|| Expect::status(200)))
            .can(&["license.validate"])
            .may("staff E P Uo Ua L X")
            .body(|_, cell| json!({ "meta": { "key": cell.target.tree().license_key } })),
    ]
}

fn relationships() -> Vec<Row> {
    vec![
        row("GET", "licenses/{id}/product", "08 §1.2").at(licenses).can(&["product.read"]).may("staff E P Uo Ua L"),
        row("GET", "licenses/{id}/policy", "08 §1.2").at(licenses).can(&["policy.read"]).may("staff E P Uo Ua L"),
        // "A D S E; P if it also owns the new policy; Uo if neither the license nor the new policy is protected"; the environment
        // rule is the new policy's, which is the tree's
        row("PATCH", "licenses/{id}/policy", "08 §1.2")
            .at(licenses)
            .can(&["license.policy.update"])
            .may("A D S E P Uo!p")
            .body(|_, cell| link("policies", &cell.target.tree().policy)),
        row("GET", "licenses/{id}/group", "08 §1.2").at(licenses).can(&["group.read"]).may("staff E P Uo Ua L"),
        row("PATCH", "licenses/{id}/group", "08 §1.2")
            .at(licenses)
            .can(&["license.group.update"])
            .may("A D S E P")
            .body(|_, cell| link("groups", &cell.target.tree().group)),
        row("GET", "licenses/{id}/owner", "08 §1.2").at(licenses).can(&["user.read"]).may("staff E P Uo Ua L"),
        row("PATCH", "licenses/{id}/owner", "08 §1.2")
            .at(of_owner)
            .can(&["license.owner.update"])
            .may("A D S E P")
            .body(|_, cell| link("users", &cell.target.tree().owner)),
        row("GET", "licenses/{id}/user", "08 §1.2").at(licenses).can(&["user.read"]).may("staff E P Uo L"),
        row("PATCH", "licenses/{id}/user", "08 §1.2")
            .at(of_owner)
            .can(&["license.user.update"])
            .may("A D S E P")
            .body(|_, cell| link("users", &cell.target.tree().owner)),
        row("GET", "licenses/{id}/machines", "08 §1.2")
            .at(|w, b, c| lists(licenses(w, b, c)))
            .can(&["machine.read"])
            .may("staff E P Uo Ua L")
            .holds(|_, cell| vec![cell.target.tree().machine.clone()]),
        row("GET", "licenses/{id}/machines/{child}", "08 §1.2")
            .at(|w, b, c| {
                let mut all = with_child(w, licenses(w, b, c), |tree| &tree.machine);
                all.extend(with_child(w, licenses(w, b, c), |tree| &tree.fingerprint));
                all
            })
            .can(&["machine.read"])
            .may("staff E P Uo Ua L"),
    ]
}

/// "the strict rule bears on … owner = the license's **current** owner" (08 §1.3)
fn of_owner(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let all = licenses(world, bearer, current).into_iter();
    all.map(|target| Target { record: Record::Of(target.tree().place().home), ..target }).collect()
}

fn joins() -> Vec<Row> {
    vec![
        row("GET", "licenses/{id}/users", "08 §1.2")
            .at(|w, b, c| lists(licenses(w, b, c)))
            .can(&["user.read"])
            .may("staff E P Uo Ua L")
            .holds(|_, cell| vec![cell.target.tree().owner.clone(), cell.target.tree().attached.clone()]),
        row("GET", "licenses/{id}/users/{child}", "08 §1.2")
            .at(|w, b, c| {
                let mut all = with_child(w, licenses(w, b, c), |tree| &tree.attached);
                all.extend(with_child(w, licenses(w, b, c), |tree| &tree.owner));
                let of_user = |target: Target| Target { record: Record::Of(target.tree().place().home), ..target };
                all.into_iter().map(of_user).collect()
            })
            .can(&["user.read"])
            .may("staff E P Uo Ua L"),
        // "A D S Su E P; Uo² if license is not protected"
        row("POST", "licenses/{id}/users", "08 §1.2, §9.5")
            .at(|w, b, c| entered(licenses(w, b, c), c))
            .can(&["license.users.attach"])
            .may("A D S Su E P Uo!p")
            .prepare(leave)
            .body(|world, cell| entries("users", &world.spare[&entry(cell)].clone()))
            .after(|world, cell, _| leave(world, cell)),
        row("DELETE", "licenses/{id}/users", "08 §1.2, §9.5")
            .at(|w, b, c| entered(licenses(w, b, c), c))
            .can(&["license.users.detach"])
            .may("A D S Su E P Uo!p")
            .prepare(|world, cell| {
                let (user, env) = (world.spare[&entry(cell)].clone(), entry(cell));
                world.attach_user(&cell.target.tree().license, &user, env);
            })
            .body(|world, cell| entries("users", &world.spare[&entry(cell)].clone()))
            .after(|world, cell, _| leave(world, cell)),
        row("GET", "licenses/{id}/entitlements", "08 §1.2")
            .at(|w, b, c| lists(licenses(w, b, c)))
            .can(&["entitlement.read"])
            .may("staff E P Uo Ua L")
            .holds(|_, cell| {
                vec![cell.target.tree().entitlement.clone(), cell.target.tree().policy_entitlement.clone()]
            }),
        row("GET", "licenses/{id}/entitlements/{child}", "08 §1.2")
            .at(|w, b, c| {
                let mut all = with_child(w, licenses(w, b, c), |tree| &tree.entitlement);
                all.extend(with_child(w, licenses(w, b, c), |tree| &tree.policy_entitlement));
                all
            })
            .can(&["entitlement.read"])
            .may("staff E P Uo Ua L"),
        row("POST", "licenses/{id}/entitlements", "08 §1.2, §9.6")
            .at(|w, b, c| entered(licenses(w, b, c), c))
            .can(&["license.entitlements.attach"])
            .may("A D S E P")
            .prepare(lose)
            .body(entitlement)
            .after(|world, cell, _| lose(world, cell)),
        row("DELETE", "licenses/{id}/entitlements", "08 §1.2, §9.6")
            .at(|w, b, c| entered(licenses(w, b, c), c))
            .can(&["license.entitlements.detach"])
            .may("A D S E P")
            .prepare(|world, cell| {
                lose(world, cell);
                let (entitlement, env) =
                    (world.spare_entitlement[&entry(cell)].clone(), world.environment_id(entry(cell)));
                let sql = "INSERT INTO license_entitlements (id, account_id, created_at, updated_at, environment_id, \
                           license_id, entitlement_id) VALUES (?1, ?2, 1, 1, nullif(?3, ''), ?4, ?5)";
                let id = uuid::Uuid::now_v7().to_string();
                world.execute(sql, &[&id, &world.account, &env, &cell.target.tree().license, &entitlement]);
            })
            .body(entitlement)
            .after(|world, cell, _| lose(world, cell)),
    ]
}

fn leave(world: &mut World, cell: &Cell) {
    let user = world.spare[&entry(cell)].clone();
    world.detach_user(&cell.target.tree().license, &user);
}

fn lose(world: &mut World, cell: &Cell) {
    let entitlement = world.spare_entitlement[&entry(cell)].clone();
    world.execute("DELETE FROM license_entitlements WHERE entitlement_id = ?1", &[&entitlement]);
}

fn entitlement(world: &mut World, cell: &Cell) -> Value {
    entries("entitlements", &world.spare_entitlement[&entry(cell)].clone())
}

fn tokens() -> Vec<Row> {
    // "not the license itself, not its users" (03 §10.1)
    vec![
        row("GET", "licenses/{id}/tokens", "08 §1.2")
            .at(|w, b, c| lists(licenses(w, b, c)))
            .can(&["token.read"])
            .may("staff E P")
            .holds(|_, cell| {
                Some(cell.target.tree().license_token.clone()).filter(|id| !id.is_empty()).into_iter().collect()
            }),
        row("GET", "licenses/{id}/tokens/{child}", "08 §1.2")
            .at(|w, b, c| {
                let with_token = |target: &Target| !target.tree().license_token.is_empty();
                let all = licenses(w, b, c).into_iter().filter(with_token).collect();
                with_child(w, all, |tree| &tree.license_token)
            })
            .can(&["token.read"])
            .may("staff E P"),
        row("POST", "licenses/{id}/tokens", "08 §1.2, §9.9")
            .at(|w, b, c| {
                let new = |target: Target| {
                    let env = if c == Env::Global { target.tree().env() } else { c };
                    Target { record: Record::Of(env), ..target }
                };
                licenses(w, b, c).into_iter().map(new).collect()
            })
            .can(&["license.tokens.generate"])
            .may("A D S E P"),
    ]
}
