//! Tokens (03 §10).

use crate::bearers::{Bearer, Kind};
use crate::oracle::{Env, Expect, Record};
use crate::row::{Cell, Row, Target, row};
use crate::targets::is_to;
use crate::world::{Branch, World};
use serde_json::json;

pub fn rows() -> Vec<Row> {
    vec![
        row("GET", "tokens", "03 §10.1").can(&["token.read"]).may("staff E P L U").holds(|_, cell| in_list(cell)),
        row("GET", "tokens/{id}", "03 §10.1").at(tokens).can(&["token.read"]).rule(show),
        row("POST", "tokens", "03 §10.6")
            .at(holders)
            .can(&["token.generate"])
            .lax()
            .ok(201)
            .rule(generate)
            .then(generated)
            .body(|_, cell| match cell.target.form {
                "self" => json!({ "data": { "type": "tokens", "attributes": { "name": "Another" } } }),
                type_ => {
                    let bearer = json!({ "data": { "type": type_, "id": cell.target.child } });
                    json!({ "data": { "type": "tokens", "relationships": { "bearer": bearer } } })
                }
            }),
        // 03 §10.8; with a license key there is no token in use
        row("PUT", "tokens", "03 §10.8")
            .at(in_use)
            .can(&["token.regenerate"])
            .may("staff E P L U")
            .early(|cell| (cell.bearer.kind == Kind::LicenseKey).then(|| Expect::status(404)))
            .prepare(|world, cell| save(world, &cell.bearer.token.clone()))
            .after(|world, cell, _| restore(world, &cell.bearer.token.clone())),
        row("PUT", "tokens/{id}", "03 §10.8")
            .at(tokens)
            .can(&["token.regenerate"])
            .rule(regenerate)
            .prepare(|world, cell| save(world, &cell.target.id))
            .after(|world, cell, _| restore(world, &cell.target.id)),
        row("DELETE", "tokens/{id}", "03 §10.9")
            .at(tokens)
            .can(&["token.revoke"])
            .rule(revoke)
            .victim(|world, cell| twin(world, &cell.target.id)),
    ]
}

/// The token in use (with a license key there is none).
fn in_list(cell: &Cell) -> Vec<String> {
    Some(cell.bearer.token.clone()).filter(|token| !token.is_empty()).into_iter().collect()
}

/// Tokens of every kind of bearer, of the environments in view and some of others; scope: 03 §10.10.
fn tokens(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let mut all = Vec::new();
    for tree in &world.trees {
        let tokens = [
            ("license", &tree.license, &tree.license_token),
            ("user", &tree.mate, &tree.mate_token),
            ("product", &tree.product, &tree.product_token),
        ];
        for (role, holder, token) in tokens {
            let worth = current.sees(tree.env())
                || (tree.branch() == Branch::Own && role == "license" && current.aims_at(tree.env()));
            if !token.is_empty() && worth {
                let mine = *holder == bearer.id;
                let found = bearer.kind.sees_all() || mine || is_to(bearer, tree) == "P";
                let name = format!("token of the {role} of {}", tree.name());
                all.push(target(name, token, tree.env(), role, found, mine, bearer));
            }
        }
    }
    for env in Env::ALL.into_iter().filter(|env| current.aims_at(*env)) {
        let staff = &world.staff[&env];
        for (role, token) in [("admin", &staff.admin_token), ("developer", &staff.developer_token)] {
            // "ENV: everyone, except admins"
            let found = bearer.kind.is_staff() || (bearer.kind == Kind::Environment && role != "admin");
            all.push(target(format!("token of a {role}@{env:?}"), token, env, role, found, false, bearer));
        }
        if let Some(token) = world.environment_tokens.get(&env) {
            let mine = world.environments[&env] == bearer.id;
            let found = bearer.kind.sees_all();
            let name = format!("token of the environment {env:?}");
            all.push(target(name, token, env, "environment", found, mine, bearer));
        }
    }
    if !bearer.token.is_empty() {
        let role = bearer.kind.role();
        let name = "the token in use".to_owned();
        all.push(target(name, &bearer.token, bearer.credential, role, true, true, bearer));
    }
    all
}

fn target(name: String, id: &str, env: Env, role: &'static str, found: bool, mine: bool, bearer: &Bearer) -> Target {
    Target {
        name,
        id: id.to_owned(),
        found,
        env: Some(env),
        record: Record::Of(env),
        is: bearer.kind.letter(),
        role,
        mine,
        ..Target::default()
    }
}

/// "STAFF, ENV; PRD: own, its licenses', its users' (role `user`); LIC, USR: own": what the scope leaves.
fn show(_: &Cell) -> Option<Expect> {
    None
}

/// 03 §10.8
fn regenerate(cell: &Cell) -> Option<Expect> {
    let target = &cell.target;
    let may = match target.is {
        _ if target.mine => true,
        "A" | "D" => ["environment", "product", "license", "user"].contains(&target.role),
        "E" => ["product", "license", "user"].contains(&target.role),
        "P" => ["license", "user"].contains(&target.role),
        _ => false,
    };
    (!may).then(Expect::refused)
}

/// 03 §10.9
fn revoke(cell: &Cell) -> Option<Expect> {
    let target = &cell.target;
    let may = target.mine
        || match target.is {
            "A" | "D" | "E" => true,
            "P" => ["license", "user"].contains(&target.role),
            _ => false,
        };
    (!may).then(Expect::refused)
}

/// Strict (05 §5.5): a global token is not changed from a shared environment.
fn in_use(_: &World, bearer: &Bearer, _: Env) -> Vec<Target> {
    vec![Target { record: Record::Of(bearer.credential), is: bearer.kind.letter(), ..Target::default() }]
}

/// Whom a token is asked for (03 §10.6): the bearer itself, users of role `user`, licenses, staff. There is no lookup.
fn holders(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let new = |holder: Env| Record::Of(if current == Env::Global { holder } else { current });
    let is = bearer.kind.letter();
    let myself = Target {
        name: "for itself".to_owned(),
        form: "self",
        record: new(bearer.home),
        is,
        role: bearer.kind.role(),
        mine: true,
        env: Some(bearer.home),
        ..Target::default()
    };
    let mut all = vec![myself];
    for tree in world.trees.iter().filter(|tree| current.aims_at(tree.env())) {
        let holders = [("users", "user", &tree.mate), ("licenses", "license", &tree.license)];
        for (form, role, id) in holders {
            if !id.is_empty() {
                all.push(Target {
                    name: format!("for the {role} of {}", tree.name()),
                    form,
                    child: id.clone(),
                    record: new(tree.env()),
                    is: if is_to(bearer, tree) == "P" { "P of the holder" } else { is },
                    role,
                    env: Some(tree.env()),
                    mine: *id == bearer.id,
                    ..Target::default()
                });
            }
        }
    }
    for env in Env::ALL.into_iter().filter(|env| current.aims_at(*env)) {
        let child = world.staff[&env].admin.clone();
        let name = format!("for an admin@{env:?}");
        all.push(Target { name, form: "users", child, record: new(env), is, role: "admin", ..Target::default() });
    }
    all
}

/// 03 §10.6
fn generate(cell: &Cell) -> Option<Expect> {
    let may = match (cell.target.is, cell.target.role) {
        ("P" | "P of the holder", _) if cell.target.mine => false,
        _ if cell.target.mine => true,
        ("A" | "D" | "E", "user") => true,
        ("P of the holder", "user" | "license") => true,
        _ => false,
    };
    (!may).then(Expect::refused)
}

/// "Then 422 … unless" (03 §10.6)
fn generated(cell: &Cell) -> Option<Expect> {
    let holder = cell.target.env?;
    let token = if cell.current == Env::Global { holder } else { cell.current };
    let global_admin = cell.target.role == "admin" && holder == Env::Global;
    let fits = match token {
        Env::Global => holder == Env::Global,
        Env::Isolated => holder == Env::Isolated || global_admin,
        Env::Shared | Env::Another => holder == token || holder == Env::Global,
    };
    (!fits && cell.target.role != "environment").then(|| Expect::status(422))
}

/// Remembers the digest of a token, …
fn save(world: &mut World, id: &str) {
    let sql = "CREATE TABLE IF NOT EXISTS temp.saved AS SELECT id, digest, expires_at FROM tokens WHERE 0; \
               DELETE FROM temp.saved";
    world.sql.execute_batch(sql).expect("a temporary table");
    world.execute("INSERT INTO temp.saved SELECT id, digest, expires_at FROM tokens WHERE id = ?1", &[id]);
}

/// … so that the token works again after it has been regenerated.
fn restore(world: &mut World, id: &str) {
    let sql = "UPDATE tokens SET digest = saved.digest, expires_at = saved.expires_at FROM temp.saved \
               WHERE saved.id = tokens.id AND tokens.id = ?1";
    world.execute(sql, &[id]);
}

/// Another token of the same bearer, that nobody knows.
fn twin(world: &mut World, id: &str) -> String {
    let twin = uuid::Uuid::now_v7().to_string();
    let digest = uuid::Uuid::new_v4().simple().to_string();
    let sql = "INSERT INTO tokens (id, account_id, created_at, updated_at, environment_id, bearer_type, bearer_id, digest, \
               permissions) SELECT ?2, account_id, 1, 1, environment_id, bearer_type, bearer_id, ?3, permissions \
               FROM tokens WHERE id = ?1";
    world.execute(sql, &[id, &twin, &digest]);
    twin
}
