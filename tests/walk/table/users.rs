//! Users (04), their passwords and second factors (03 §12, §13), and what they hold (04 §7).

use super::{attributes, link};
use crate::bearers::{Bearer, Kind, rank};
use crate::oracle::{Env, Expect, Record};
use crate::row::{Auth, Cell, Row, Target, row};
use crate::targets::{fresh, held_by, is_to, lists};
use crate::world::{Branch, Place, Tree, World};
use serde_json::json;
use std::rc::Rc;

pub fn rows() -> Vec<Row> {
    let mut rows = of_users();
    rows.extend(below_users());
    rows.extend(second_factors());
    rows
}

fn of_users() -> Vec<Row> {
    vec![
        row("GET", "users", "04 §1").can(&["user.read"]).may("staff E P U L").holds(|world, cell| {
            held_by(
                world,
                cell,
                |tree| &tree.mate,
                |bearer, tree| bearer.kind == Kind::Product || !is_to(bearer, tree).is_empty(),
            )
        }),
        row("POST", "users", "04 §1, §6.1")
            .auth(Auth::Optional)
            .at(fresh)
            .can(&["user.create"])
            .may("A D S P E X")
            .creates()
            .body(|world, _| attributes("users", json!({ "email": format!("new{}@walk.test", world.number()) })))
            .after(|world, _, _| world.execute("DELETE FROM users WHERE email LIKE 'new%'", &[])),
        row("GET", "users/{id}", "04 §1").at(|w, b, c| people(w, b, c, &["admin.read"])).can(&["user.read"]).rule(show),
        row("PATCH", "users/{id}", "04 §6.3")
            .at(|w, b, c| people(w, b, c, &["admin.update"]))
            .can(&["user.update"])
            .rule(update)
            .body(|world, _| attributes("users", json!({ "lastName": format!("Renamed {}", world.number()) }))),
        row("DELETE", "users/{id}", "04 §6.5")
            .at(|w, b, c| {
                // Bearers do not end here; users of role `user` cannot end themselves.
                let all = people(w, b, c, &["admin.delete"]);
                all.into_iter().filter(|target| !target.mine || b.kind.is_user()).collect()
            })
            .can(&["user.delete"])
            .rule(delete)
            .victim(victim)
            .unless(|cell| cell.target.mine),
        row("POST", "users/{id}/actions/ban", "04 §6.6")
            .at(|w, b, c| people(w, b, c, &[]))
            .can(&["user.ban"])
            .rule(ban)
            .victim(victim)
            .unless(|cell| cell.target.mine),
        row("POST", "users/{id}/actions/unban", "04 §6.6")
            .at(|w, b, c| people(w, b, c, &[]))
            .can(&["user.unban"])
            .rule(ban)
            .victim(victim)
            .unless(|cell| cell.target.mine),
        // The bearers' passwords are none, or another: 401 is as far as one gets.
        row("POST", "users/{id}/actions/update-password", "03 §12.3")
            .at(|w, b, c| people(w, b, c, &[]))
            .can(&["user.password.update"])
            .rule(itself)
            .then(|_| Some(Expect { status: 401, reason: Some("is not valid".to_owned()) }))
            .body(|_, _| json!({ "meta": { "oldPassword": "not the old one", "newPassword": "a new one" } })),
        // "Credentials are not read"; 404 is what a wrong reset token gives.
        row("POST", "users/{id}/actions/reset-password", "03 §12.2")
            .auth(Auth::None)
            .at(|w, b, c| {
                let found = |target: Target| Target { anywhere: true, record: Record::Nothing, ..target };
                people(w, b, c, &[]).into_iter().map(found).collect()
            })
            .rule(|cell| {
                let reason = "environment is not compatible with the current environment";
                let fits = cell.target.env.is_none_or(|env| cell.current.writes(env));
                (!fits).then(|| Expect::denied(reason))
            })
            .then(|_| Some(Expect::status(404)))
            .body(|_, _| json!({ "meta": { "passwordResetToken": "nonsense", "newPassword": "a new one" } })),
    ]
}

/// Users of every kind: the bearer itself, those who hold what is `Own` and `Other`, an admin and a developer. Scope: 04 §1.
/// `admin` is what is asked for besides when the user is an admin.
fn people(world: &World, bearer: &Bearer, current: Env, admin: &'static [&'static str]) -> Vec<Target> {
    let mut all = Vec::new();
    let kind = bearer.kind;
    for tree in &world.trees {
        let worth = current.sees(tree.env()) || (tree.branch() == Branch::Own && current.aims_at(tree.env()));
        if tree.mate.is_empty() || !worth {
            continue;
        }
        let is = is_to(bearer, tree);
        let name = format!("user of {}", tree.name());
        let found = kind.sees_all() || kind == Kind::Product || ["Uo", "Ua", "L"].contains(&is);
        all.push(user(name, &tree.mate, "user", tree.env(), found, bearer, Some(tree.clone())));
    }
    for env in Env::ALL.into_iter().filter(|env| current.aims_at(*env)) {
        let staff = &world.staff[&env];
        for (role, id) in [("admin", &staff.admin), ("developer", &staff.developer)] {
            let target = user(format!("{role}@{env:?}"), id, role, env, kind.sees_all(), bearer, None);
            all.push(Target { can: if role == "admin" { admin } else { &[] }, ..target });
        }
    }
    if kind.is_staff() || kind.is_user() {
        // What the bearer holds: the license of `Own`.
        let own = world.trees.iter().find(|t| t.branch() == Branch::Own && t.env() == bearer.home).cloned();
        let target = user("itself".to_owned(), &bearer.id, kind.role(), bearer.home, true, bearer, own);
        all.push(Target { can: if kind == Kind::Admin { admin } else { &[] }, mine: true, ..target });
    }
    all
}

fn user(
    name: String,
    id: &str,
    role: &'static str,
    env: Env,
    found: bool,
    bearer: &Bearer,
    tree: Option<Rc<Tree>>,
) -> Target {
    Target {
        name,
        id: id.to_owned(),
        found,
        env: Some(env),
        record: Record::Of(env),
        is: bearer.kind.letter(),
        role,
        tree,
        ..Target::default()
    }
}

/// "STAFF; ENV, PRD: role `user`; USR: itself, teammates; LIC: its owner and users": users and licenses by their scope.
fn show(cell: &Cell) -> Option<Expect> {
    (cell.target.is == "E" && cell.target.role != "user").then(Expect::refused)
}

/// The first two of 04 §6.2: nobody here has less than the default set of its role.
fn privileges(cell: &Cell) -> Option<Expect> {
    let role = cell.bearer.kind.role();
    let reason = || format!("{} lacks privileges to perform action on user", role.replace('-', " "));
    (rank(role) < rank(cell.target.role)).then(|| Expect::denied(reason()))
}

/// "ADM, DEV; SAL, PRD, ENV: role `user`; USR: itself" (04 §1)
fn update(cell: &Cell) -> Option<Expect> {
    privileges(cell).or_else(|| {
        let may = match cell.target.is {
            "A" | "D" => true,
            "S" | "P" | "E" => cell.target.role == "user",
            "U" => cell.target.mine,
            _ => false,
        };
        (!may).then(Expect::refused)
    })
}

/// "ADM, DEV; ENV: role `user`; PRD: role `user` without products, or with this product as only one" (04 §1, §6.5)
fn delete(cell: &Cell) -> Option<Expect> {
    privileges(cell).or_else(|| {
        let may = match cell.target.is {
            "A" | "D" => true,
            "E" => cell.target.role == "user",
            "P" if !holds_theirs(cell) => return Some(Expect::denied("user cannot belong to another product")),
            "P" => true,
            _ => false,
        };
        (!may).then(Expect::refused)
    })
}

/// The user holds a license of the product that asks.
fn holds_theirs(cell: &Cell) -> bool {
    cell.target.tree.as_ref().is_some_and(|tree| is_to(&cell.bearer, tree) == "P")
}

/// "target must have role `user`" (04 §1), "after permission and environment checks" (04 §6.6)
fn ban(cell: &Cell) -> Option<Expect> {
    if cell.target.role != "user" {
        return Some(Expect::denied("must have a user role"));
    }
    (!["A", "D", "S", "Su", "P", "E"].contains(&cell.target.is)).then(Expect::refused)
}

fn itself(cell: &Cell) -> Option<Expect> {
    (!cell.target.mine).then(Expect::refused)
}

/// Another user of that role and environment, attached to what the user is attached to.
fn victim(world: &mut World, cell: &Cell) -> String {
    let env = cell.target.env.expect("users have an environment");
    match &cell.target.tree {
        Some(tree) => {
            let (id, _) = world.user(tree.place());
            world.attach_user(&tree.license, &id, env);
            id
        }
        None => world.staff_user(env, cell.target.role).0,
    }
}

fn below_users() -> Vec<Row> {
    vec![
        row("GET", "users/{id}/products", "04 §1")
            .at(list)
            .can(&["product.read"])
            .rule(read)
            .holds(|_, cell| of_holder(cell, |tree| &tree.product)),
        row("GET", "users/{id}/products/{child}", "04 §1")
            .at(|w, b, c| children(w, b, c, |tree| tree.product.clone()))
            .can(&["product.read"])
            .rule(read_child),
        row("GET", "users/{id}/licenses", "04 §1")
            .at(list)
            .can(&["license.read"])
            .rule(read)
            .holds(|_, cell| of_holder(cell, |tree| &tree.license)),
        row("GET", "users/{id}/licenses/{child}", "04 §1")
            .at(|w, b, c| children(w, b, c, |tree| tree.license.clone()))
            .can(&["license.read"])
            .rule(read_child),
        row("GET", "users/{id}/machines", "04 §1")
            .at(list)
            .can(&["machine.read"])
            .rule(read)
            .holds(|_, cell| of_holder(cell, |tree| &tree.machine)),
        row("GET", "users/{id}/machines/{child}", "04 §1")
            .at(|w, b, c| children(w, b, c, |tree| tree.machine.clone()))
            .can(&["machine.read"])
            .rule(read_child),
        row("GET", "users/{id}/group", "04 §6.7").at(list).can(&["group.read"]).rule(|cell| {
            // "PRD: role-`user` users"
            if cell.target.is == "P" { None } else { read(cell) }
        }),
        row("PATCH", "users/{id}/group", "04 §6.7")
            .at(|w, b, c| people(w, b, c, &[]))
            .can(&["user.group.update"])
            .may("A D S E P")
            .victim(victim)
            .unless(|cell| cell.target.mine)
            .body(|world, cell| {
                link("groups", &world.spare_group[&cell.target.env.expect("users have an environment")])
            })
            .after(|world, cell, _| {
                if cell.target.mine {
                    let group = if cell.bearer.kind == Kind::Member { &cell.target.tree().group } else { "" };
                    world
                        .execute("UPDATE users SET group_id = nullif(?1, '') WHERE id = ?2", &[group, &cell.target.id]);
                }
            }),
        row("GET", "users/{id}/tokens", "03 §10.1").at(list).can(&["token.read"]).rule(tokens).holds(|_, cell| {
            match cell.target.mine {
                true => vec![cell.bearer.token.clone()],
                false => of_holder(cell, |tree| &tree.mate_token),
            }
        }),
        row("GET", "users/{id}/tokens/{child}", "03 §10.1").at(token_children).can(&["token.read"]).rule(token),
        row("POST", "users/{id}/tokens", "03 §10.7")
            .at(|w, b, c| {
                let new = |target: Target| {
                    let env = if c == Env::Global { target.env.unwrap_or(c) } else { c };
                    Target { record: Record::Of(env), ..target }
                };
                people(w, b, c, &[]).into_iter().map(new).collect()
            })
            .can(&["user.tokens.generate"])
            .rule(generate),
    ]
}

fn list(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    lists(people(world, bearer, current, &[]))
}

/// Whether the user holds what the tree has: those that are aimed at do, of the bearers only a few.
fn holds(cell: &Cell) -> bool {
    let bearer = [Kind::Owner, Kind::Attached, Kind::MachineOwner].contains(&cell.bearer.kind);
    cell.target.tree.is_some() && (bearer || !cell.target.mine)
}

/// What a list below the user must have: "PRD sees its own product's rows only" (04 §7).
fn of_holder(cell: &Cell, id: fn(&Tree) -> &str) -> Vec<String> {
    let theirs = cell.bearer.kind != Kind::Product || holds_theirs(cell);
    if holds(cell) && theirs { vec![id(cell.target.tree()).to_owned()] } else { vec![] }
}

/// What the user holds, and what it does not hold.
fn children(world: &World, bearer: &Bearer, current: Env, child: fn(&Tree) -> String) -> Vec<Target> {
    let mut all = Vec::new();
    for target in people(world, bearer, current, &[]) {
        if target.mine && bearer.home == Env::Global && [Kind::Owner, Kind::Attached].contains(&bearer.kind) {
            // Of the shared environment: "a read in the global environment may return a member of any environment" (05 §5.4).
            let mixed = world.trees.iter().find(|t| t.branch() == Branch::Mixed).expect("there is one");
            let name = format!("{} with what it holds elsewhere", target.name);
            let (child, record) = (child(mixed), Record::Of(mixed.env()));
            all.push(Target { name, child, record, tree: Some(mixed.clone()), ..target.clone() });
        }
        let of = |branch: Branch, env: Env| {
            world.trees.iter().find(|t| t.branch() == branch && t.env() == env).expect("there is one")
        };
        let env = target.env.expect("users have an environment");
        let holds = match (&target.tree, target.mine) {
            (Some(_), true) => [Kind::Owner, Kind::Attached, Kind::MachineOwner].contains(&bearer.kind),
            (tree, _) => tree.is_some(),
        };
        let held = target.tree.clone().unwrap_or_else(|| of(Branch::Own, env).clone());
        let other = if held.branch() == Branch::Other { Branch::Own } else { Branch::Other };
        let name = format!("{} with what it does not hold", target.name);
        let foreign = child(of(other, env));
        all.push(Target { child: child(&held), child_found: holds, ..target.clone() });
        all.push(Target { name, child: foreign, child_found: false, ..target });
    }
    all
}

/// "STAFF, ENV; PRD (its rows only); USR: itself" (04 §1, §7); a license's own users: 403.
fn read(cell: &Cell) -> Option<Expect> {
    let may = match cell.target.is {
        "A" | "D" | "S" | "Su" | "R" | "E" | "P" => true,
        "U" => cell.target.mine,
        _ => false,
    };
    (!may).then(Expect::refused)
}

/// "a single foreign `{id2}` that belongs to the user: 403" (04 §7)
fn read_child(cell: &Cell) -> Option<Expect> {
    if cell.target.is == "P" && !holds_theirs(cell) { Some(Expect::refused()) } else { read(cell) }
}

/// "STAFF; ENV, PRD if the user has role `user`; USR: self" (03 §10.1)
fn tokens(cell: &Cell) -> Option<Expect> {
    let may = match cell.target.is {
        "A" | "D" | "S" | "Su" | "R" => true,
        "E" | "P" => cell.target.role == "user",
        "U" => cell.target.mine,
        _ => false,
    };
    (!may).then(Expect::refused)
}

/// "(show, PRD: only a user holding one of its licenses)" (03 §10.1)
fn token(cell: &Cell) -> Option<Expect> {
    if cell.target.is == "P" && !holds_theirs(cell) { Some(Expect::refused()) } else { tokens(cell) }
}

fn token_children(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let of = |target: &Target| match (target.role, target.env) {
        _ if target.mine => bearer.token.clone(),
        ("admin", Some(env)) => world.staff[&env].admin_token.clone(),
        ("developer", Some(env)) => world.staff[&env].developer_token.clone(),
        _ => target.tree().mate_token.clone(),
    };
    let mut all = Vec::new();
    for target in people(world, bearer, current, &[]) {
        let token = of(&target);
        // The token in use may be of another environment than its user.
        let env = if target.mine { Some(bearer.credential) } else { target.env };
        let record = Record::Of(env.expect("users have an environment"));
        if target.role == "user" && !target.mine {
            let name = format!("{} with a token of its license", target.name);
            let child = target.tree().license_token.clone();
            all.push(Target { name, child, child_found: false, ..target.clone() });
        }
        all.push(Target { child: token, record, ..target });
    }
    all
}

/// "ADM, DEV: self or a role-`user` user; ENV: role-`user` user; PRD: role-`user` user holding one of its licenses" (03 §10.1)
fn generate(cell: &Cell) -> Option<Expect> {
    let target = &cell.target;
    let may = match target.is {
        "A" | "D" => target.mine || target.role == "user",
        "E" => target.role == "user",
        "P" => holds_theirs(cell),
        _ => false,
    };
    (!may).then(Expect::refused)
}

fn second_factors() -> Vec<Row> {
    vec![
        // "DEV, SAL, SUP, RO on others: 403, but an empty list is 200"; "USR on a teammate: list is 200 and empty" (03 §13.1)
        row("GET", "users/{id}/second-factors", "03 §13.1")
            .at(list)
            .can(&["user.second-factors.read"])
            .rule(|cell| {
                let may = match cell.target.is {
                    "A" | "U" => true,
                    "D" | "S" | "Su" | "R" => cell.target.mine || cell.target.role != "user",
                    _ => false,
                };
                (!may).then(Expect::refused)
            })
            .holds(|world, cell| match (cell.target.mine, cell.target.is) {
                (true, _) => vec![world.factors[&cell.bearer.id].clone()],
                (false, "A") => cell.target.tree.iter().map(|tree| tree.factor.clone()).collect(),
                _ => vec![],
            })
            .prepare(renew_own),
        row("GET", "users/{id}/second-factors/{child}", "03 §13.1")
            .at(factors)
            .can(&["user.second-factors.read"])
            .rule(own_factor)
            .prepare(renew),
        // Without the password (or a code) 401 is as far as one gets.
        row("POST", "users/{id}/second-factors", "03 §13.3")
            .at(|w, b, c| {
                // "environment = E, else the user's" (03 §13.2)
                let new = |target: Target| {
                    let env = if c == Env::Global { target.env.unwrap_or(c) } else { c };
                    Target { record: Record::Of(env), ..target }
                };
                people(w, b, c, &[]).into_iter().map(new).collect()
            })
            .can(&["user.second-factors.create"])
            .rule(own_factor)
            .then(|_| Some(Expect { status: 401, reason: Some("password must be valid".to_owned()) }))
            .body(|_, _| json!({ "meta": { "password": "not the password" } })),
        row("PATCH", "users/{id}/second-factors/{child}", "03 §13.3")
            .at(factors)
            .can(&["user.second-factors.update"])
            .rule(own_factor)
            .then(|_| Some(Expect { status: 401, reason: Some("second factor must be valid".to_owned()) }))
            .prepare(renew)
            .body(|_, _| {
                let data = json!({ "type": "second-factors", "attributes": { "enabled": true } });
                json!({ "data": data, "meta": { "otp": "no code" } })
            }),
        row("DELETE", "users/{id}/second-factors/{child}", "03 §13.3")
            .at(factors)
            .can(&["user.second-factors.delete"])
            .rule(own_factor)
            .prepare(renew),
    ]
}

/// "ADM; DEV, SAL, SUP, RO, USR: own" (03 §13.1)
fn own_factor(cell: &Cell) -> Option<Expect> {
    (cell.target.is != "A" && !cell.target.mine).then(Expect::refused)
}

/// The user's factor; staff that is aimed at has none.
fn factors(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let all = people(world, bearer, current, &[]).into_iter();
    all.map(|target| match &target.tree {
        _ if target.mine => Target { child: world.factors[&bearer.id].clone(), ..target },
        Some(tree) => Target { child: tree.factor.clone(), ..target },
        None => {
            let child = world.trees[0].factor.clone();
            Target { child, child_found: false, ..target }
        }
    })
    .collect()
}

/// The same for a list.
fn renew_own(world: &mut World, cell: &Cell) {
    let child = match &cell.target.tree {
        _ if cell.target.mine => world.factors[&cell.bearer.id].clone(),
        Some(tree) => tree.factor.clone(),
        None => return,
    };
    let target = Target { child, ..cell.target.clone() };
    renew(world, &Cell { bearer: cell.bearer.clone(), current: cell.current, target });
}

/// Puts a factor back that was deleted.
fn renew(world: &mut World, cell: &Cell) {
    let target = &cell.target;
    if target.child_found {
        let env = target.env.expect("users have an environment");
        let place = Place { branch: Branch::Own, env, home: env };
        world.put_factor(place, &target.child, &target.id);
    }
}
