//! Account settings: the resource, who may, and what they do (05 §2).

use crate::accounts::*;
use crate::authentication::*;
use crate::authorization::reason;
use crate::support::*;
use crate::users::{self, catalogue, person};
use serde_json::{Value, json};

fn body(attributes: Value) -> Value {
    json!({ "data": { "type": "settings", "attributes": attributes } })
}

const USERS: &str = "default_user_permissions";
const LICENSES: &str = "default_license_permissions";

// 05 §2.1, §2.2
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    assert_eq!(admin.get("settings").ok(200), json!({ "data": [] }));
    // each write touches the account
    let untouched = || server.sql("UPDATE accounts SET updated_at = 0");
    let touched = || assert_ne!(select(&server, "SELECT updated_at FROM accounts"), "0");
    untouched();
    let answer = admin.post("settings", body(json!({ "key": "defaultUserPermissions", "value": ["user.read", "*"] })));
    let setting = answer.ok(201)["data"].clone();
    let own = format!("/v1/accounts/{account}/settings/{}", id(&setting));
    let expected = json!({
        "id": setting["id"],
        "type": "settings",
        "attributes": {
            "key": USERS,
            "value": ["user.read", "*"],
            "created": setting["attributes"]["created"],
            "updated": setting["attributes"]["created"]
        },
        "relationships": { "account": {
            "links": { "related": format!("/v1/accounts/{account}") },
            "data": { "type": "accounts", "id": account }
        } },
        "links": { "self": own }
    });
    assert_eq!(setting.to_string(), expected.to_string());
    assert_eq!(answer.header("location"), format!("http://localhost:{}{own}", server.port));
    touched();
    // by UUID or key, exactly
    for name in [id(&setting), &id(&setting).replace('-', ""), USERS] {
        assert_eq!(admin.get(&format!("settings/{name}")).ok(200)["data"].to_string(), expected.to_string());
    }
    for name in ["defaultUserPermissions", LICENSES, "Default_user_permissions", "actions"] {
        for answer in [admin.get(&format!("settings/{name}")), admin.delete(&format!("settings/{name}"))] {
            let missing = format!("404 The requested account setting '{name}' was not found|NOT_FOUND|-");
            assert_eq!(answer.error(), missing);
        }
    }
    let other = admin.create("settings", json!({ "key": LICENSES, "value": ["license.validate"] }), Value::Null);
    let listed = admin.get("settings").ok(200);
    let keys: Vec<&str> =
        listed["data"].as_array().unwrap().iter().map(|one| text(&one["attributes"]["key"])).collect();
    assert_eq!(keys, [LICENSES, USERS]);
    let page = admin.get("settings?page[number]=2&page[size]=1&key=nope").ok(200);
    assert_eq!((&page["data"][0]["id"], &page["links"]["meta"]["count"]), (&setting["id"], &json!(2)));
    // no short form
    for path in ["/v1/settings", "/v1/settings/default_user_permissions"] {
        assert!(admin.get(path).detail().contains("endpoint was not found"), "{path}");
    }
    let value = |value: Value| body(json!({ "value": value }));
    untouched();
    let changed = admin.patch("settings/default_user_permissions", value(json!(["user.update"]))).ok(200);
    assert_eq!(changed["data"]["attributes"]["value"], json!(["user.update"]));
    touched();
    let sent = json!({ "data": { "type": "setting", "id": "x", "attributes": { "value": ["arch.read"] } } });
    admin.put(&format!("settings/{}", id(&setting)), sent).ok(200);
    untouched();
    let answer = admin.delete(&format!("settings/{}", id(&other)));
    assert_eq!((answer.status, answer.bytes.len()), (204, 0));
    touched();
    let told = ["created", "updated", "deleted"].map(|what| events(&server, &format!("account.settings.{what}")));
    assert_eq!(told, ["2", "2", "1"]);
}

// 05 §2.2
#[test]
fn values_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let (key, value) = ("/data/attributes/key", "/data/attributes/value");
    let unknown = format!("must be one of: {LICENSES}, {USERS}|KEY_NOT_ALLOWED|{key}");
    let no_setting = format!("must be a valid setting|VALUE_NOT_ALLOWED|{value}");
    let not = |whose: &str| format!("must be an array of valid {whose} permissions|VALUE_NOT_ALLOWED|{value}");
    for (attributes, status, errors) in [
        (json!({}), 400, vec![format!("is missing|-|{key}")]),
        (json!({ "key": USERS }), 400, vec![format!("is missing|-|{value}")]),
        (json!({ "key": null, "value": [] }), 400, vec![format!("cannot be null|-|{key}")]),
        (json!({ "key": "", "value": [] }), 400, vec![format!("cannot be blank|-|{key}")]),
        (
            json!({ "key": 1, "value": [] }),
            400,
            vec![format!("type mismatch (received integer expected string)|-|{key}")],
        ),
        (json!({ "key": USERS, "value": null }), 400, vec![format!("cannot be null|-|{value}")]),
        (json!({ "key": USERS, "value": "" }), 400, vec![format!("cannot be blank|-|{value}")]),
        (json!({ "key": USERS, "value": [] }), 400, vec![format!("cannot be blank|-|{value}")]),
        (json!({ "key": USERS, "value": {} }), 400, vec![format!("cannot be blank|-|{value}")]),
        (
            json!({ "key": USERS, "value": ["*"], "created": 1 }),
            400,
            vec!["unpermitted parameter|-|/data/attributes/created".into()],
        ),
        (json!({ "key": "foo", "value": "bar" }), 422, vec![unknown.clone(), no_setting.clone()]),
        (json!({ "key": "foo", "value": ["user.read"] }), 422, vec![unknown, no_setting.clone()]),
        (json!({ "key": USERS, "value": "user.read" }), 422, vec![no_setting.clone()]),
        (json!({ "key": USERS, "value": false }), 422, vec![no_setting.clone()]),
        (json!({ "key": USERS, "value": 0 }), 422, vec![no_setting.clone()]),
        (json!({ "key": USERS, "value": { "a": "user.read" } }), 422, vec![no_setting]),
        (json!({ "key": USERS, "value": ["user.read", "user.read"] }), 422, vec![not("user")]),
        (json!({ "key": USERS, "value": ["user.read", null] }), 422, vec![not("user")]),
        (json!({ "key": USERS, "value": ["user.read", 1] }), 422, vec![not("user")]),
        (json!({ "key": USERS, "value": [["user.read"]] }), 422, vec![not("user")]),
        (json!({ "key": USERS, "value": ["user.nope"] }), 422, vec![not("user")]),
        (json!({ "key": USERS, "value": ["user.create"] }), 422, vec![not("user")]),
        (json!({ "key": LICENSES, "value": ["license.delete"] }), 422, vec![not("license")]),
        (json!({ "key": "default-license-permissions", "value": ["nope"] }), 422, vec![not("license")]),
    ] {
        let answer = admin.post("settings", body(attributes.clone()));
        assert_eq!((answer.status, answer.errors()), (status, errors), "{attributes}");
    }
    let error = &admin.post("settings", body(json!({ "key": USERS, "value": "x" }))).body["errors"][0];
    assert_eq!(error["title"], "Unprocessable resource");
    for (sent, expected) in [
        (json!({}), "400 is missing|-|/data"),
        (
            json!({ "data": { "type": "keys", "attributes": { "key": USERS, "value": ["*"] } } }),
            "400 is invalid|-|/data/type",
        ),
        (json!({ "data": { "type": "settings" } }), "400 is missing|-|/data/attributes"),
    ] {
        assert_eq!(admin.post("settings", sent).error(), expected);
    }
    // the whole allowed sets, and the star
    for (name, role) in [(USERS, "user"), (LICENSES, "license")] {
        let mut all = catalogue(role, "allowed");
        all.as_array_mut().unwrap().push(json!("*"));
        let setting = admin.create("settings", json!({ "key": name, "value": all }), Value::Null);
        assert_eq!(setting["attributes"]["value"], all);
        let again = admin.post("settings", body(json!({ "key": name, "value": ["*"] })));
        assert_eq!(again.error(), format!("422 has already been taken|KEY_TAKEN|{key}"));
        let both = admin.post("settings", body(json!({ "key": name, "value": "x" }))).errors();
        assert_eq!(both.len(), 2);
        // updates: the value alone, and it is required
        let path = format!("settings/{name}");
        let update = |attributes: Value| admin.patch(&path, body(attributes)).error();
        assert_eq!(update(json!({})), format!("400 is missing|-|{value}"));
        assert_eq!(update(json!({ "value": null })), format!("400 cannot be null|-|{value}"));
        assert_eq!(update(json!({ "value": [] })), format!("400 cannot be blank|-|{value}"));
        assert_eq!(update(json!({ "key": name, "value": ["*"] })), format!("400 unpermitted parameter|-|{key}"));
        assert_eq!(update(json!({ "value": ["product.create"] })), format!("422 {}", not(role)));
        assert_eq!(admin.get(&path).ok(200)["data"], setting);
    }
}

// 05 §2.1
#[test]
fn who_may() {
    let server = Server::start();
    let clients = everybody(&server);
    let admin = server.admin();
    // also those with the permission to read the account
    server.sql(
        "UPDATE users SET permissions = '[\"account.read\"]' WHERE role = 'user';
         UPDATE licenses SET permissions = '[\"account.read\"]'",
    );
    let create = || body(json!({ "key": USERS, "value": ["user.read"] }));
    let nobody = "role: S Su R U Ei Es L P; 401: X";
    assert_eq!(outcome(&clients, |client| client.get("settings")), format!("200: A D; {nobody}"));
    let created = outcome(&clients, |client| {
        let answer = client.post("settings", create());
        if answer.status == 201 {
            admin.delete("settings/default_user_permissions").ok(204);
        }
        answer
    });
    assert_eq!(created, "201: A D; role: S Su; permission: R U Ei Es L P; 401: X");
    let bad = outcome(&clients, |client| client.post("settings", json!({})));
    assert_eq!(bad, "400: A D S Su R U Ei Es L P; 401: X", "the body comes first");
    admin.post("settings", create()).ok(201);
    let one = "settings/default_user_permissions";
    let hidden = "404: S Su R U Ei Es L P; 401: X";
    assert_eq!(outcome(&clients, |client| client.get(one)), format!("200: A D; {hidden}"));
    let change = body(json!({ "value": ["user.read"] }));
    assert_eq!(outcome(&clients, |client| client.patch(one, change.clone())), format!("200: A D; {hidden}"));
    let deleted = outcome(&clients, |client| {
        let answer = client.delete(one);
        if answer.status == 204 {
            admin.post("settings", create()).ok(201);
        }
        answer
    });
    assert_eq!(deleted, format!("204: A D; {hidden}"));
    // read in every environment, written in the global one
    let inside = admin.environment("Es");
    inside.get("settings").ok(200);
    inside.get(one).ok(200);
    let license = body(json!({ "key": LICENSES, "value": ["license.read"] }));
    for answer in [inside.post("settings", license), inside.patch(one, change.clone()), inside.delete(one)] {
        assert_eq!(reason(&answer), UNBOUND);
    }
    // update: authorization before the body
    assert_eq!(inside.patch(one, json!({ "nope": 1 })).status, 403);
    // the permissions of the routes
    server.sql("UPDATE users SET permissions = '[\"account.read\"]' WHERE role = 'developer'");
    let developer = &clients[1].1;
    developer.get(one).ok(200);
    assert_eq!(reason(&developer.delete(one)), "developer lacks permission to perform action");
    server.sql("UPDATE users SET permissions = '[\"account.update\"]' WHERE role = 'developer'");
    assert_eq!(reason(&developer.get("settings")), "developer lacks permission to perform action");
    developer.patch(one, change).ok(200);
}

// 05 §2.3, 03 §8.1, 04 §6.3, 08 §2.3
#[test]
fn settings_decide_the_permissions_of_what_is_new() {
    let server = Server::start();
    let admin = server.admin();
    let policy = admin.policy(&admin.product(), json!({}));
    let shown = |record: &Value| {
        let path = format!("{}/{}", text(&record["type"]), id(record));
        admin.get(&path).ok(200)["data"]["attributes"]["permissions"].clone()
    };
    let (old_user, old_license) = (person(&admin, "user", "old@x.io"), admin.license(&policy, json!({})));
    let users_set = json!(["account.read", "user.read", "user.update"]);
    let licenses_set = json!(["license.read", "user.read"]);
    admin.create("settings", json!({ "key": USERS, "value": users_set }), Value::Null);
    admin.create("settings", json!({ "key": LICENSES, "value": licenses_set }), Value::Null);
    // existing ones keep what they have
    assert_eq!(shown(&old_user), catalogue("user", "default"));
    assert_eq!(shown(&old_license), catalogue("license", "default"));
    let user = person(&admin, "user", "new@x.io");
    assert_eq!(shown(&user), users_set);
    let own = server.anonymous().post("users", users::body(json!({ "email": "own@x.io" }))).ok(201);
    assert_eq!(own["data"]["attributes"]["permissions"], users_set);
    assert_eq!(shown(&admin.license(&policy, json!({}))), licenses_set);
    // the role decides, and what is sent
    let developer = person(&admin, "developer", "dev@x.io");
    assert_eq!(shown(&developer), catalogue("developer", "default"));
    let explicit = json!({ "email": "explicit@x.io", "permissions": ["license.read"] });
    assert_eq!(shown(&admin.create("users", explicit, Value::Null)), json!(["license.read"]));
    assert_eq!(shown(&admin.license(&policy, json!({ "permissions": ["machine.read"] }))), json!(["machine.read"]));
    // a change back to `user`
    admin.patch(&users::path(&developer), users::body(json!({ "role": "user" }))).ok(200);
    assert_eq!(shown(&developer), users_set);
    admin.patch(&users::path(&old_user), users::body(json!({ "role": "user" }))).ok(200);
    assert_eq!(shown(&old_user), json!(["user.read", "user.update"]), "the default set cuts what is there");
    admin.patch("settings/default_user_permissions", body(json!({ "value": ["*"] }))).ok(200);
    assert_eq!(shown(&person(&admin, "user", "star@x.io")), json!(["*"]));
    // without the settings: the built-in sets
    for key in [USERS, LICENSES] {
        admin.delete(&format!("settings/{key}")).ok(204);
    }
    assert_eq!(shown(&person(&admin, "user", "last@x.io")), catalogue("user", "default"));
    assert_eq!(shown(&admin.license(&policy, json!({}))), catalogue("license", "default"));
    assert_eq!(shown(&user), users_set);
}
