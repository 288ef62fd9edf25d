//! Accounts, settings, environments (05); health (01 §20); the bearer itself (03 §11).

use super::attributes;
use crate::bearers::{Bearer, Kind};
use crate::oracle::{Env, Expect, Record};
use crate::row::{Auth, Cell, Row, Target, row};
use crate::world::World;
use serde_json::json;

pub fn rows() -> Vec<Row> {
    vec![
        // 01 §20
        row("GET", "ping", "01 §20").auth(Auth::None).may("anybody").rule(anybody),
        row("GET", "health", "01 §20").bare().rule(anybody).ok(204),
        row("GET", "health/webhooks", "01 §20").bare().rule(anybody).ok(204),
        // 05 §1.1; a server in single mode has no `POST /v1/accounts`
        row("POST", "accounts", "05 §1.1").bare().rule(anybody).ok(404),
        row("POST", "recover", "05 §1.1")
            .bare()
            .rule(anybody)
            .ok(204)
            .body(|_, _| json!({ "meta": { "type": "account", "email": "nobody@walk.test" } })),
        row("GET", "", "05 §1.1").long().at(unbound).can(&["account.read"]).may("staff E P L U"),
        row("PATCH", "", "05 §1.1, §1.6")
            .long()
            .at(unbound)
            .can(&["account.update"])
            .may("A D")
            .body(|world, _| attributes("accounts", json!({ "name": format!("Acme {}", world.number()) }))),
        row("DELETE", "", "05 §1.7").long().at(unbound).may("nobody"),
        // 05 §2.1
        row("GET", "settings", "05 §2.1").long().at(unbound).can(&["account.read"]).may("A D"),
        row("POST", "settings", "05 §2.1")
            .long()
            .at(unbound)
            .can(&["account.update"])
            .may("A D")
            .ok(201)
            .prepare(|world, _| world.execute("DELETE FROM account_settings", &[]))
            .body(|_, _| attributes("settings", json!({ "key": SETTING, "value": ["user.read"] }))),
        row("GET", "settings/{id}", "05 §2.1").long().at(setting).can(&["account.read"]).may("A D").prepare(set),
        row("PATCH", "settings/{id}", "05 §2.1")
            .long()
            .at(setting)
            .can(&["account.update"])
            .may("A D")
            .prepare(set)
            .body(|_, _| attributes("settings", json!({ "value": ["license.read"] }))),
        row("DELETE", "settings/{id}", "05 §2.1")
            .long()
            .at(setting)
            .can(&["account.update"])
            .may("A D")
            .prepare(set)
            .after(|world, _, _| world.execute("DELETE FROM account_settings", &[])),
        // 05 §3.1
        row("GET", "environments", "05 §3.1")
            .at(unbound)
            .can(&["environment.read"])
            .may("staff")
            .holds(|world, _| world.environments.values().cloned().collect()),
        row("POST", "environments", "05 §3.1")
            .at(unbound)
            .can(&["environment.create"])
            .may("A D")
            .ok(201)
            .body(|world, _| attributes("environments", environment(world, "New")))
            .after(|world, _, _| world.execute("DELETE FROM environments WHERE name = 'New'", &[])),
        row("GET", "environments/{id}", "05 §3.1").at(environments).can(&["environment.read"]).may("staff E"),
        row("PATCH", "environments/{id}", "05 §3.1")
            .at(environments)
            .can(&["environment.update"])
            .may("A D")
            .body(|world, _| attributes("environments", json!({ "name": format!("Renamed {}", world.number()) }))),
        row("DELETE", "environments/{id}", "05 §3.1")
            .at(environments)
            .can(&["environment.delete"])
            .may("A D")
            .victim(|world, _| {
                let body = attributes("environments", environment(world, "Victim"));
                crate::world::string(&world.api(Env::Global, "POST", "environments", Some(body))["data"]["id"])
            })
            // An environment sees itself only.
            .unless(|cell| cell.bearer.kind == Kind::Environment),
        // 05 §4, 03 §10.1
        row("GET", "environments/{id}/tokens", "05 §4")
            .at(environment_list)
            .can(&["token.read"])
            .may("staff E")
            // "only those visible in the current environment"
            .holds(|world, cell| {
                let current = world.environments.get(&cell.current).is_some_and(|id| *id == cell.target.id);
                if current { vec![world.environment_tokens[&cell.current].clone()] } else { vec![] }
            }),
        row("GET", "environments/{id}/tokens/{child}", "05 §4")
            .at(environment_token)
            .can(&["token.read"])
            .may("staff E"),
        row("POST", "environments/{id}/tokens", "05 §4")
            .at(new_environment_token)
            .can(&["environment.tokens.generate"])
            .may("A D")
            .ok(201),
        // 03 §11
        row("GET", "me", "03 §11").at(me).may("staff E P L U"),
        row("GET", "profile", "03 §11").at(profile).may("staff E P L U"),
        // 03 §12.1
        row("POST", "passwords", "03 §12.1")
            .auth(Auth::None)
            .rule(anybody)
            .ok(204)
            .body(|_, _| json!({ "meta": { "email": "nobody@walk.test" } })),
    ]
}

const SETTING: &str = "default_user_permissions";

fn anybody(_: &Cell) -> Option<Expect> {
    None
}

fn environment(world: &mut World, name: &str) -> serde_json::Value {
    json!({ "name": name, "code": format!("{name}-{}", world.number()) })
}

/// What no environment owns (05 §5.5).
fn unbound(_: &World, bearer: &Bearer, _: Env) -> Vec<Target> {
    vec![Target { record: Record::Unbound, is: bearer.kind.letter(), ..Target::default() }]
}

/// "`{id}` routes → 404 (nothing is visible to them)" (05 §2.1)
fn setting(_: &World, bearer: &Bearer, _: Env) -> Vec<Target> {
    let is = bearer.kind.letter();
    let found = ["A", "D"].contains(&is);
    vec![Target { id: SETTING.to_owned(), found, record: Record::Unbound, is, ..Target::default() }]
}

fn set(world: &mut World, _: &Cell) {
    let sql = "INSERT INTO account_settings (id, account_id, created_at, updated_at, key, value) \
               VALUES (?1, ?2, 1, 1, ?3, '[\"user.read\"]') ON CONFLICT DO NOTHING";
    let id = uuid::Uuid::now_v7().to_string();
    world.execute(sql, &[&id, &world.account, SETTING]);
}

/// "Visible set: staff all environments, E itself, others none" (05 §3.1)
fn environments(world: &World, bearer: &Bearer, _: Env) -> Vec<Target> {
    Env::NAMED
        .into_iter()
        .map(|env| Target {
            name: format!("{env:?}"),
            id: world.environments[&env].clone(),
            found: bearer.kind.is_staff() || (bearer.kind == Kind::Environment && bearer.home == env),
            record: Record::Unbound,
            is: bearer.kind.letter(),
            ..Target::default()
        })
        .collect()
}

fn environment_list(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    crate::targets::lists(environments(world, bearer, current))
}

/// A token of the environment, and the bearer's, which is another's unless the bearer is the environment.
fn environment_token(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let mut all = Vec::new();
    for (target, env) in environments(world, bearer, current).into_iter().zip(Env::NAMED) {
        let record = Record::Of(env);
        if !bearer.token.is_empty() {
            let (name, child) = (format!("{} with the bearer's token", target.name), bearer.token.clone());
            let child_found = bearer.kind == Kind::Environment;
            all.push(Target { name, child, child_found, record, ..target.clone() });
        }
        all.push(Target { child: world.environment_tokens[&env].clone(), record, ..target });
    }
    all
}

/// "The request must be made in that environment" (05 §4)
fn new_environment_token(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let targets = environments(world, bearer, current);
    targets.into_iter().zip(Env::NAMED).map(|(target, env)| Target { record: Record::Of(env), ..target }).collect()
}

/// The bearer's own show permission (03 §11).
fn me(_: &World, bearer: &Bearer, _: Env) -> Vec<Target> {
    let can: &[&str] = match bearer.kind.letter() {
        "E" => &["environment.read"],
        "P" => &["product.read"],
        "L" => &["license.read"],
        _ => &["user.read"],
    };
    vec![Target { can, is: bearer.kind.letter(), ..Target::default() }]
}

/// As the bearer's show action, with its environment rule (03 §11).
fn profile(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let record = if bearer.kind == Kind::Environment { Record::Unbound } else { Record::Of(bearer.home) };
    me(world, bearer, current).into_iter().map(|target| Target { record, ..target }).collect()
}
