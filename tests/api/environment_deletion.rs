//! What goes with an environment, and what stays (05 §3.4, D8).

use crate::authentication::*;
use crate::support::*;
use crate::users::{group, person};
use serde_json::{Value, json};

/// One of everything, made in the environment of `client`; names carry the suffix.
struct Records {
    product: Value,
    policy: Value,
    license: Value,
    machine: Value,
    user: Value,
    entitlement: Value,
}

impl Records {
    fn new(server: &Server, client: &Client, suffix: &str, environment: Option<&str>) -> Records {
        let product = client.product();
        let policy = client.policy(&product, json!({ "floating": true, "authenticationStrategy": "MIXED" }));
        let user = person(client, "user", &format!("user-{suffix}@x.io"));
        let attached = person(client, "user", &format!("attached-{suffix}@x.io"));
        let license = client.create("licenses", json!({}), json!({ "policy": link(&policy), "owner": link(&user) }));
        let machine = client.machine(&license, "print");
        client.create(
            "components",
            json!({ "name": "c", "fingerprint": "part" }),
            json!({ "machine": link(&machine) }),
        );
        client.create("processes", json!({ "pid": "1" }), json!({ "machine": link(&machine) }));
        let entitlement = client.entitlement(&format!("CODE-{suffix}"));
        let body = json!({ "data": [{ "type": "entitlements", "id": entitlement["id"] }] });
        client.post(&format!("policies/{}/entitlements", id(&policy)), body).ok(200);
        let second = client.entitlement(&format!("SECOND-{suffix}"));
        let body = json!({ "data": [{ "type": "entitlements", "id": second["id"] }] });
        client.post(&format!("licenses/{}/entitlements", id(&license)), body).ok(200);
        client.token_for(&license);
        client.token_for(&product);
        client.post(&format!("users/{}/tokens", id(&user)), Value::Null).ok(200);
        let group = group(server, None, environment);
        // what no route makes yet
        let column = environment.map_or("NULL".to_owned(), |id| format!("'{id}'"));
        let rows = [
            ("license_users", "license_id, user_id", format!("'{}', '{}'", id(&license), id(&attached))),
            ("group_owners", "group_id, user_id", format!("'{}', '{}'", id(&group), id(&user))),
            ("second_factors", "user_id, secret", format!("'{}', 'x'", id(&user))),
            ("keys", "policy_id, product_id, key", format!("'{}', '{}', 'k-{suffix}'", id(&policy), id(&product))),
        ];
        for (table, columns, values) in rows {
            server.sql(&format!(
                "INSERT INTO {table} (id, account_id, created_at, updated_at, environment_id, {columns})
                 SELECT '{}', id, 0, 0, {column}, {values} FROM accounts",
                new_id()
            ));
        }
        Records { product, policy, license, machine, user, entitlement }
    }
}

/// Where the test makes rows.
const TABLES: [&str; 17] = [
    "entitlements",
    "event_logs",
    "group_owners",
    "groups",
    "keys",
    "license_entitlements",
    "license_users",
    "licenses",
    "machine_components",
    "machine_processes",
    "machines",
    "policies",
    "policy_entitlements",
    "products",
    "second_factors",
    "tokens",
    "users",
];

/// Tables whose rows belong to environments, with how many rows do to this one.
fn counts(server: &Server, environment: &str) -> Vec<(String, i64)> {
    let connection = rusqlite::Connection::open(server.database()).unwrap();
    let sql = "SELECT m.name FROM sqlite_schema m, pragma_table_info(m.name) c
               WHERE m.type = 'table' AND c.name = 'environment_id' ORDER BY m.name";
    let tables: Vec<String> =
        connection.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    tables
        .into_iter()
        .map(|table| {
            let sql =
                format!("SELECT count(*) FROM {table} WHERE coalesce(environment_id, 'global') = '{environment}'");
            (table, connection.query_row(&sql, [], |row| row.get(0)).unwrap())
        })
        .collect()
}

// 05 §3.4
#[test]
fn everything_of_an_environment_goes_with_it() {
    let server = Server::start();
    let admin = server.admin();
    let codes = ["shared", "isolated", "other"];
    let strategies = ["SHARED", "ISOLATED", "SHARED"];
    let environments = [0, 1, 2].map(|at: usize| environment(&server, codes[at], strategies[at]));
    let inside = |at: usize| {
        let named = json!({ "type": "environments", "id": environments[at]["id"] });
        let body = json!({ "data": { "type": "tokens", "relationships": { "environment": { "data": named } } } });
        let token = admin.post("tokens", body).ok(201)["data"]["attributes"]["token"].clone();
        server.token(text(&token)).environment(codes[at])
    };
    let clients = [0, 1, 2].map(inside);
    for (at, client) in clients.iter().enumerate() {
        Records::new(&server, client, codes[at], Some(id(&environments[at])));
        client.post(&format!("environments/{}/tokens", codes[at]), Value::Null).ok(201);
    }
    Records::new(&server, &admin, "global", None);
    let all = |environment: &str| counts(&server, environment);
    for environment in &environments {
        let counts = all(id(environment));
        let some = |table: &&str| counts.iter().any(|(name, n)| name == table && *n > 0);
        assert_eq!(TABLES.iter().filter(|table| !some(table)).count(), 0, "the test must make one of each: {counts:?}");
    }
    let mut kept = [all(id(&environments[2])), all("global")];
    let event =
        |kept: &mut Vec<(String, i64)>| kept.iter_mut().find(|(table, _)| table == "event_logs").unwrap().1 += 1;
    for (name, environment, client) in
        [("shared", &environments[0], &clients[0]), (id(&environments[1]), &environments[1], &clients[1])]
    {
        let before = events(&server, "environment.deleted").parse::<i64>().unwrap();
        let answer = admin.delete(&format!("environments/{name}"));
        assert_eq!((answer.status, answer.bytes.len()), (204, 0));
        // code, id and credentials are unknown at once
        assert_eq!(client.get("me").code(), "ENVIRONMENT_INVALID");
        assert_eq!(admin.environment(id(environment)).get("me").code(), "ENVIRONMENT_INVALID");
        assert_eq!(admin.get(&format!("environments/{name}")).status, 404);
        assert!(all(id(environment)).iter().all(|(_, n)| *n == 0), "{:?}", all(id(environment)));
        assert_eq!(events(&server, "environment.deleted"), (before + 1).to_string());
        event(&mut kept[1]);
        // no other event, and nothing else is touched
        assert_eq!([all(id(&environments[2])), all("global")], kept);
    }
    let told = select(
        &server,
        "SELECT resource_id || coalesce(environment_id, '') FROM event_logs WHERE event = 'environment.deleted' ORDER BY id LIMIT 1",
    );
    assert_eq!(told, id(&environments[0]));
    assert_eq!(events(&server, "user.deleted"), "0");
    clients[2].get("me").ok(200);
    // names are free again
    environment(&server, "SHARED", "ISOLATED");
    person(&admin, "user", "user-shared@x.io");
    admin.entitlement("CODE-shared");
    assert_eq!(admin.delete("environments/shared").status, 404, "another code now");
}

// 05 §3.4, 08 (counters): global records that records of the environment hung on
#[test]
fn global_records_forget_an_environment() {
    let server = Server::start();
    let admin = server.admin();
    let shared = environment(&server, "shared", "SHARED");
    environment(&server, "other", "SHARED");
    let global = Records::new(&server, &admin, "global", None);
    let (here, there) = (admin.environment("shared"), admin.environment("other"));
    let local = Records::new(&server, &here, "shared", Some(id(&shared)));
    let activate = |client: &Client, fingerprint: &str, cores: i64| {
        let attributes = json!({ "fingerprint": fingerprint, "cores": cores, "memory": 10, "disk": 100 });
        client.create("machines", attributes, json!({ "license": link(&global.license) }))
    };
    activate(&here, "one", 1);
    activate(&here, "two", 2);
    activate(&there, "three", 4);
    // attached in the environment: a user of it, and a global one
    let visitor = person(&admin, "user", "visitor@x.io");
    for user in [&local.user, &visitor] {
        server.sql(&format!(
            "INSERT INTO license_users (id, account_id, created_at, updated_at, environment_id, license_id, user_id)
             SELECT '{}', id, 0, 0, '{}', '{}', '{}' FROM accounts",
            new_id(),
            id(&shared),
            id(&global.license),
            id(user)
        ));
    }
    server.sql(&format!("UPDATE licenses SET users_count = 3 WHERE id = '{}'", id(&global.license)));
    // entitlements of it on a global policy, a license of it for a global policy and owner
    let body = json!({ "data": [{ "type": "entitlements", "id": local.entitlement["id"] }] });
    here.post(&format!("policies/{}/entitlements", id(&global.policy)), body).ok(200);
    let linked = json!({ "policy": link(&global.policy), "owner": link(&global.user) });
    let borrowed = here.create("licenses", json!({}), linked);
    let own = here.policy(&global.product, json!({}));
    let shown = || admin.get(&format!("licenses/{}", id(&global.license))).ok(200)["data"]["relationships"].clone();
    let machines = |cores: i64, count: i64| {
        // the first machine has neither
        json!({ "cores": cores, "memory": (count - 1) * 10, "disk": (count - 1) * 100, "count": count })
    };
    assert_eq!(shown()["machines"]["meta"], machines(7, 4));
    assert_eq!(shown()["users"]["meta"]["count"], 4);
    let held = |client: &Client| {
        let listed = client.get(&format!("users/{}/licenses", id(&global.user))).ok(200);
        listed["data"].as_array().unwrap().len()
    };
    assert_eq!((held(&here), held(&there)), (2, 1));

    admin.delete("environments/shared").ok(204);

    assert_eq!(shown()["machines"]["meta"], machines(4, 2));
    assert_eq!(shown()["users"]["meta"]["count"], 2, "its owner, and whom it had attached before");
    assert_eq!(held(&there), 1);
    for (table, gone) in [
        ("licenses", &borrowed),
        ("policies", &own),
        ("entitlements", &local.entitlement),
        ("machines", &local.machine),
    ] {
        let left = select(&server, &format!("SELECT count(*) FROM {table} WHERE id = '{}'", id(gone)));
        assert_eq!(left, "0", "{table}");
    }
    for path in [
        format!("products/{}", id(&global.product)),
        format!("policies/{}", id(&global.policy)),
        format!("licenses/{}", id(&global.license)),
        format!("machines/{}", id(&global.machine)),
        format!("users/{}", id(&global.user)),
        format!("users/{}", id(&visitor)),
        format!("entitlements/{}", id(&global.entitlement)),
    ] {
        admin.get(&path).ok(200);
    }
    let attached = admin.get(&format!("policies/{}/entitlements", id(&global.policy))).ok(200);
    let attached: Vec<&str> = attached["data"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(attached, [id(&global.entitlement)]);
    // the freed room can be used
    let two = json!({ "data": { "type": "policies", "attributes": { "maxMachines": 3 } } });
    admin.patch(&format!("policies/{}", id(&global.policy)), two).ok(200);
    assert_eq!(admin.activate(&global.license, "four").status, 201);
    assert_eq!(admin.activate(&global.license, "five").code(), "MACHINE_LIMIT_EXCEEDED");
    assert_eq!(select(&server, "SELECT count(*) FROM users WHERE environment_id IS NOT NULL"), "0");
}
