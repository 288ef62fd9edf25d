//! What goes with a user, and what a ban stops (04 §6.5, §6.6, §7).

use crate::authentication::*;
use crate::support::*;
use crate::users::*;
use serde_json::{Value, json};

fn exists(server: &Server, table: &str, record: &Value) -> bool {
    select(server, &format!("SELECT count(*) FROM {table} WHERE id = '{}'", id(record))) == "1"
}

/// `machines users`: the counters that a license's document shows, with the sums of cores.
fn counters(admin: &Client, license: &Value) -> (Value, Value) {
    let shown = admin.get(&format!("licenses/{}", id(license))).ok(200);
    let of = |name: &str| shown["data"]["relationships"][name]["meta"].clone();
    (of("machines"), of("users"))
}

// 04 §6.5, D8
#[test]
fn what_goes_with_a_user() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(&product, json!({ "floating": true, "authenticationStrategy": "MIXED" }));
    let [ada, bob] = ["ada@x.io", "bob@x.io"].map(|email| person(&admin, "user", email));
    let [own_license, bobs, nobodys] = [(); 3].map(|()| admin.license(&policy, json!({})));
    own(&server, &own_license, &ada);
    own(&server, &bobs, &bob);
    attach(&server, &bobs, &ada);
    attach(&server, &nobodys, &ada);
    attach(&server, &nobodys, &bob);
    let machine = |license: &Value, owner: Option<&Value>, cores: i64| {
        let mut linked = json!({ "license": link(license) });
        if let Some(owner) = owner {
            linked["owner"] = link(owner);
        }
        let attributes = json!({ "fingerprint": new_id(), "cores": cores, "memory": 10, "disk": 100 });
        admin.create("machines", attributes, linked)
    };
    let below = [machine(&own_license, None, 1), machine(&own_license, Some(&ada), 1)];
    let hers = [machine(&bobs, Some(&ada), 2), machine(&nobodys, Some(&ada), 4)];
    let stay = [machine(&bobs, Some(&bob), 8), machine(&bobs, None, 16), machine(&nobodys, Some(&bob), 32)];
    let on = |type_: &str, machine: &Value| {
        let attributes = match type_ {
            "components" => json!({ "name": "part", "fingerprint": new_id() }),
            _ => json!({ "pid": new_id() }),
        };
        admin.create(type_, attributes, json!({ "machine": link(machine) }))
    };
    let parts = [&below[0], &hers[0]].map(|machine| on("components", machine));
    let kept = on("components", &stay[0]);
    let processes = [&below[1], &hers[1]].map(|machine| on("processes", machine));
    let tokens = [&ada, &bob].map(|user| token_in(&server, user, None));
    let license_token = admin.token_for(&own_license);
    let group = group(&server, None, None);
    server.sql(&format!(
        "UPDATE users SET group_id = '{group}' WHERE role = 'user';
         INSERT INTO group_owners (id, account_id, created_at, updated_at, group_id, user_id)
           SELECT users.id, account_id, 0, 0, '{group}', users.id FROM users WHERE role = 'user';
         INSERT INTO second_factors (id, account_id, created_at, updated_at, user_id, secret)
           SELECT users.id, account_id, 0, 0, users.id, 'x' FROM users WHERE role = 'user'",
        group = id(&group)
    ));
    let entitlement = admin.entitlement("E");
    let body = json!({ "data": [{ "type": "entitlements", "id": entitlement["id"] }] });
    admin.post(&format!("licenses/{}/entitlements", id(&own_license)), body).ok(200);
    let meta =
        |count: i64, cores: i64| json!({ "cores": cores, "memory": count * 10, "disk": count * 100, "count": count });
    assert_eq!(counters(&admin, &bobs), (meta(3, 26), json!({ "count": 2 })));
    assert_eq!(counters(&admin, &nobodys), (meta(2, 36), json!({ "count": 2 })));
    let logged = || select(&server, "SELECT count(*) FROM event_logs").parse::<i64>().unwrap();
    let before = logged();

    admin.delete("users/ADA@x.io").ok(204);

    assert_eq!(logged(), before + 1, "one event, and the logs stay");
    assert_eq!(events(&server, "user.deleted"), "1");
    for (table, gone) in [
        ("users", vec![&ada]),
        ("licenses", vec![&own_license]),
        ("machines", vec![&below[0], &below[1], &hers[0], &hers[1]]),
        ("machine_components", vec![&parts[0], &parts[1]]),
        ("machine_processes", vec![&processes[0], &processes[1]]),
        ("second_factors", vec![&ada]),
        ("group_owners", vec![&ada]),
    ] {
        assert!(gone.iter().all(|record| !exists(&server, table, record)), "{table}");
    }
    for (table, left) in [
        ("users", vec![&bob]),
        ("licenses", vec![&bobs, &nobodys]),
        ("machines", vec![&stay[0], &stay[1], &stay[2]]),
        ("machine_components", vec![&kept]),
        ("second_factors", vec![&bob]),
        ("group_owners", vec![&bob]),
        ("groups", vec![&group]),
        ("products", vec![&product]),
        ("policies", vec![&policy]),
        ("entitlements", vec![&entitlement]),
    ] {
        assert!(left.iter().all(|record| exists(&server, table, record)), "{table}");
    }
    assert_eq!(select(&server, "SELECT count(*) FROM license_entitlements"), "0");
    assert_eq!(server.token(&tokens[0]).get("me").code(), "TOKEN_INVALID");
    server.token(&tokens[1]).get("me").ok(200);
    assert_eq!(server.token(&license_token).get("me").code(), "TOKEN_INVALID");
    assert_eq!(server.license_key(key(&own_license)).get("me").code(), "LICENSE_INVALID");
    // the licenses of others show what is left
    assert_eq!(counters(&admin, &bobs), (meta(2, 24), json!({ "count": 1 })));
    assert_eq!(counters(&admin, &nobodys), (meta(1, 32), json!({ "count": 1 })));
    assert_eq!(admin.delete(&path(&ada)).status, 404);
    // and its address is free again
    person(&admin, "user", "ada@x.io");
    // freed room can be used
    admin
        .patch(
            &format!("policies/{}", id(&policy)),
            json!({ "data": { "type": "policies", "attributes": { "maxMachines": 2 } } }),
        )
        .ok(200);
    assert_eq!(admin.activate(&nobodys, "again").status, 201);
    assert_eq!(admin.activate(&bobs, "again").code(), "MACHINE_LIMIT_EXCEEDED");
}

// 04 §6.6, §5, §7; 03 §3, §4, §6
#[test]
fn what_a_ban_stops() {
    let server = Server::start();
    let admin = server.admin();
    let policy = admin.policy(&admin.product(), json!({ "authenticationStrategy": "MIXED" }));
    let [owned, attached] = [(); 2].map(|()| admin.license(&policy, json!({})));
    let ada = admin.create("users", json!({ "email": "ada@x.io", "password": "secret" }), Value::Null);
    own(&server, &owned, &ada);
    attach(&server, &attached, &ada);
    let user = server.token(&token_in(&server, &ada, None));
    let [owned_token, attached_token] = [&owned, &attached].map(|license| server.token(&admin.token_for(license)));
    let login = server.with(&basic("ada@x.io:secret"));
    let answers = || {
        let one = |answer: Answer| match answer.status {
            200 | 201 => "ok".to_owned(),
            status if answer.code() == "-" => format!("{status} {}", answer.detail()),
            status => format!("{status} {}", answer.code()),
        };
        [
            user.get("me"),
            login.post("tokens", Value::Null),
            server.license_key(key(&owned)).get("me"),
            owned_token.get("me"),
            server.license_key(key(&attached)).get("me"),
            attached_token.get("me"),
        ]
        .map(one)
        .join("; ")
    };
    let status = |license: &Value| {
        admin.get(&format!("licenses/{}", id(license))).ok(200)["data"]["attributes"]["status"].clone()
    };
    let verdict = |license: &Value| admin.validate_key(key(license), Value::Null)["meta"]["code"].clone();
    let all_fine = "ok; ok; ok; ok; ok; ok";
    assert_eq!(answers(), all_fine);
    let stored = || select(&server, "SELECT count(*) FROM tokens");
    let tokens = stored();
    let ban = admin.post("users/ada@x.io/actions/ban", Value::Null);
    assert_eq!(ban.ok(200)["data"]["attributes"]["status"], "BANNED");
    assert_eq!(ban.body["data"]["id"], ada["id"]);
    let banned = "403 USER_BANNED; 403 You do not have permission to complete the request (user is banned); \
                  403 LICENSE_BANNED; 403 USER_BANNED; ok; ok";
    assert_eq!(answers(), banned);
    assert_eq!((status(&owned), status(&attached)), (json!("BANNED"), json!("ACTIVE")));
    assert_eq!((verdict(&owned), verdict(&attached)), (json!("BANNED"), json!("VALID")));
    assert_eq!(stored(), tokens, "nothing is deleted");
    // a second ban is fine, too; a body is not read
    let at = || select(&server, "SELECT banned_at FROM users WHERE email = 'ada@x.io'");
    admin.call("POST", "users/ada@x.io/actions/ban", Some(b"{\"nope\":1}")).ok(200);
    assert!(!at().is_empty());
    assert_eq!(answers(), banned);
    let unbanned = admin.post("users/ada@x.io/actions/unban", Value::Null).ok(200);
    assert_eq!(unbanned["data"]["attributes"]["status"], "ACTIVE");
    assert_eq!(at(), "");
    assert_eq!(answers(), all_fine);
    assert_eq!((status(&owned), verdict(&owned)), (json!("ACTIVE"), json!("VALID")));
    let told = ["user.banned", "user.unbanned"].map(|event| events(&server, event));
    assert_eq!(told, ["2", "1"]);
}
