//! The account: its document, who may change what, slugs, the pinned version, protection, recovery (05 §1). Settings:
//! `settings.rs`; several accounts: `multi_account.rs`.

use crate::authentication::*;
use crate::authorization::{NO_REASON, reason};
use crate::support::*;
use crate::users::person;
use base64::Engine as _;
use serde_json::{Value, json};

pub const ACCOUNT: &str = "/v1/accounts/acme";
pub const UNBOUND: &str = "record is not compatible with the current environment";

fn body(attributes: Value) -> Value {
    json!({ "data": { "type": "accounts", "attributes": attributes } })
}

fn decoded(value: &Value) -> String {
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text(value)).unwrap()).unwrap()
}

/// Everybody: staff by letter, environments inside of theirs, a product, a license, a user, nobody.
pub fn everybody(server: &Server) -> Vec<(&'static str, Client)> {
    let admin = server.admin();
    let mut clients = vec![("A", admin.clone())];
    for (name, role) in
        [("D", "developer"), ("S", "sales-agent"), ("Su", "support-agent"), ("R", "read-only"), ("U", "user")]
    {
        clients.push((name, as_bearer(server, &person(&admin, role, &format!("{role}@staff.io")))));
    }
    for (name, strategy) in [("Ei", "ISOLATED"), ("Es", "SHARED")] {
        let environment = environment(server, name, strategy);
        clients.push((name, server.token(&token_in(server, &environment, Some(id(&environment)))).environment(name)));
    }
    let license = admin.quick_license(json!({}));
    clients.push(("L", as_bearer(server, &license)));
    clients.push((
        "P",
        as_bearer(server, &json!({ "type": "products", "id": license["relationships"]["product"]["data"]["id"] })),
    ));
    clients.push(("X", server.anonymous()));
    clients
}

/// Who gets what: `200: A D; role: S`: statuses, and for 403 what refused.
pub fn outcome(clients: &[(&'static str, Client)], call: impl Fn(&Client) -> Answer) -> String {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, client) in clients {
        let answer = call(client);
        let result = match answer.status {
            403 => match reason(&answer) {
                why if why.ends_with("lacks permission to perform action") => "permission".to_owned(),
                why if why == NO_REASON => "role".to_owned(),
                why if why == UNBOUND => "environment".to_owned(),
                why => why,
            },
            status => status.to_string(),
        };
        match groups.iter_mut().find(|(r, _)| *r == result) {
            Some((_, names)) => names.push(name),
            None => groups.push((result, vec![name])),
        }
    }
    groups.iter().map(|(result, names)| format!("{result}: {}", names.join(" "))).collect::<Vec<_>>().join("; ")
}

// 05 §1.1, §1.2, §1.4, 02 §2
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let uuid = select(&server, "SELECT id FROM accounts");
    let shown = admin.get(ACCOUNT).ok(200)["data"].clone();
    let own = format!("/v1/accounts/{uuid}");
    let related = |path: &str| json!({ "links": { "related": format!("{own}/{path}") } });
    let expected = json!({
        "id": uuid,
        "type": "accounts",
        "attributes": {
            "name": shown["attributes"]["name"],
            "slug": "acme",
            "apiVersion": "1.8",
            "protected": false,
            "status": "SUBSCRIBED",
            "created": shown["attributes"]["created"],
            "updated": shown["attributes"]["updated"]
        },
        "relationships": {
            "settings": related("settings"),
            "webhookEndpoints": related("webhook-endpoints"),
            "webhookEvents": related("webhook-events"),
            "products": related("products"),
            "platforms": related("platforms"),
            "arches": related("arches"),
            "channels": related("channels"),
            "releases": related("releases"),
            "artifacts": related("artifacts"),
            "policies": related("policies"),
            "users": related("users"),
            "keys": related("keys"),
            "licenses": related("licenses"),
            "machines": related("machines"),
            "components": related("components"),
            "processes": related("processes"),
            "tokens": related("tokens")
        },
        "links": { "self": own },
        "meta": shown["meta"]
    });
    assert_eq!(shown.to_string(), expected.to_string());
    let meta = &shown["meta"];
    assert_eq!(meta.as_object().unwrap().keys().collect::<Vec<_>>(), ["publicKey", "keys"]);
    assert_eq!(meta["keys"].as_object().unwrap().keys().collect::<Vec<_>>(), ["ed25519", "rsa2048", "ecdsa"]);
    assert_eq!(meta["publicKey"], meta["keys"]["rsa2048"]);
    let ed25519 = decoded(&meta["keys"]["ed25519"]);
    assert!(ed25519.len() == 64 && ed25519.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
    for name in ["rsa2048", "ecdsa"] {
        let pem = decoded(&meta["keys"][name]);
        assert!(
            pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.trim_end().ends_with("-----END PUBLIC KEY-----")
        );
    }
    // by UUID, with or without dashes; never by another name
    for name in [uuid.clone(), uuid.replace('-', ""), uuid.to_uppercase()] {
        assert_eq!(admin.get(&format!("/v1/accounts/{name}")).ok(200)["data"], shown, "{name}");
    }
    for caller in [&admin, &server.anonymous(), &server.token("nope")] {
        for name in ["ACME", "nope", "0198f000-0000-7000-8000-000000000000"] {
            let answer = caller.get(&format!("/v1/accounts/{name}"));
            let expected = format!("404 The requested account '{name}' was not found|NOT_FOUND|-");
            assert_eq!(answer.error(), expected, "before authentication");
        }
        // no list, and none made here (D3)
        for answer in [caller.get("/v1/accounts"), caller.post("/v1/accounts", json!({}))] {
            assert_eq!((answer.status, answer.detail().contains("endpoint was not found")), (404, true));
        }
    }
    // 01 §3.1
    for path in [ACCOUNT, "settings"] {
        let answer = admin.header("Accept", "application/octet-stream").get(path);
        assert_eq!((answer.status, answer.code()), (400, "MIME_TYPE_INVALID"), "{path}");
    }
}

// 05 §1.1, §1.6, §1.7
#[test]
fn who_may() {
    let server = Server::start();
    let clients = everybody(&server);
    let show = |client: &Client| client.get(ACCOUNT);
    assert_eq!(outcome(&clients, show), "200: A D S Su R Ei Es P; permission: U L; 401: X");
    server.sql(
        "UPDATE users SET permissions = '[\"account.read\"]' WHERE role = 'user';
         UPDATE licenses SET permissions = '[\"account.read\"]'",
    );
    assert_eq!(outcome(&clients, show), "200: A D S Su R U Ei Es L P; 401: X");
    // authorization precedes the body
    for sent in [body(json!({})), json!({ "nope": 1 })] {
        let ok = if sent.get("nope").is_some() { 400 } else { 200 };
        for method in ["PATCH", "PUT"] {
            let got = outcome(&clients, |client| client.call(method, ACCOUNT, Some(sent.to_string().as_bytes())));
            assert_eq!(got, format!("{ok}: A D; role: S Su; permission: R U Ei Es L P; 401: X"));
        }
    }
    assert_eq!(
        outcome(&clients, |client| client.delete(ACCOUNT)),
        "role: A D S Su R U L P; environment: Ei Es; 401: X"
    );
    // in an environment: readable, not writable
    let inside = server.admin().environment("Es");
    show(&inside).ok(200);
    assert_eq!(reason(&inside.patch(ACCOUNT, body(json!({})))), UNBOUND);
    assert_eq!(inside.delete(ACCOUNT).status, 403);
    let local = person(&inside, "admin", "local@x.io");
    let environment = select(&server, "SELECT id FROM environments WHERE code = 'Es'");
    let local = server.token(&token_in(&server, &local, Some(&environment))).environment("Es");
    assert_eq!(reason(&local.patch(ACCOUNT, body(json!({})))), UNBOUND, "even an admin of it");
    let outside =
        server.token(&token_in(&server, &json!({ "type": "environments", "id": environment }), Some(&environment)));
    assert_eq!(outside.patch(ACCOUNT, body(json!({}))).code(), "TOKEN_INVALID");
    assert_eq!(select(&server, "SELECT count(*) FROM accounts"), "1");
}

// 05 §1.2, §1.3, §1.6, 01 §6
#[test]
fn updates() {
    let server = Server::start();
    let admin = server.admin();
    let uuid = select(&server, "SELECT id FROM accounts");
    let account = format!("/v1/accounts/{uuid}");
    let at = |name: &str| format!("/data/attributes/{name}");
    let (slug, version) = (at("slug"), at("apiVersion"));
    let shape = "can only contain lowercase letters, numbers and dashes (but cannot start with dash)";
    let invalid = format!("422 {shape}|SLUG_INVALID|{slug}");
    let uuid_like = format!("422 cannot resemble a UUID|SLUG_NOT_ALLOWED|{slug}");
    for (attributes, expected) in [
        (json!({ "name": "" }), format!("400 cannot be blank|-|{}", at("name"))),
        (json!({ "name": 1 }), format!("400 type mismatch (received integer expected string)|-|{}", at("name"))),
        (
            json!({ "name": "x".repeat(256) }),
            format!("422 is too long (maximum is 255 characters)|NAME_TOO_LONG|{}", at("name")),
        ),
        (
            json!({ "protected": "true" }),
            format!("400 type mismatch (received string expected boolean)|-|{}", at("protected")),
        ),
        (json!({ "status": "SUBSCRIBED" }), format!("400 unpermitted parameter|-|{}", at("status"))),
        (json!({ "apiVersion": "2.0" }), format!("400 is invalid|-|{version}")),
        (json!({ "apiVersion": "v1.7" }), format!("400 is invalid|-|{version}")),
        (json!({ "apiVersion": "" }), format!("400 cannot be blank|-|{version}")),
        (json!({ "apiVersion": 1.7 }), format!("400 type mismatch (received float expected string)|-|{version}")),
        (json!({ "slug": "" }), format!("400 cannot be blank|-|{slug}")),
        (json!({ "slug": "a" }), invalid.clone()),
        (json!({ "slug": "-ab" }), invalid.clone()),
        (json!({ "slug": "a_b" }), invalid.clone()),
        (json!({ "slug": "ab\n" }), invalid.clone()),
        (json!({ "slug": "äb" }), invalid.clone()),
        (json!({ "slug": "ACME" }), invalid),
        (json!({ "slug": "actions" }), format!("422 is reserved|SLUG_NOT_ALLOWED|{slug}")),
        (json!({ "slug": "action" }), format!("422 is reserved|SLUG_NOT_ALLOWED|{slug}")),
        (
            json!({ "slug": "x".repeat(256) }),
            format!("422 is too long (maximum is 255 characters)|SLUG_TOO_LONG|{slug}"),
        ),
        (json!({ "slug": "0123456789abcdef0123456789abcdef" }), uuid_like.clone()),
        (json!({ "slug": "0198f000-0000-7000-8000-000000000000" }), uuid_like.clone()),
        (json!({ "slug": "0-1-98f00000007000800000000000000-0" }), uuid_like),
    ] {
        assert_eq!(admin.patch(&account, body(attributes.clone())).error(), expected, "{attributes}");
    }
    let several =
        admin.patch(&account, body(json!({ "slug": format!("-{}", "X".repeat(300)), "name": "x".repeat(256) })));
    let codes: Vec<String> = several.errors().iter().map(|e| e.split('|').nth(1).unwrap().to_owned()).collect();
    assert_eq!(codes, ["NAME_TOO_LONG", "SLUG_INVALID", "SLUG_TOO_LONG"]);
    for (sent, expected) in [
        (json!({}), "400 is missing|-|/data"),
        (json!({ "data": { "type": "accounts" } }), "400 is missing|-|/data/attributes"),
        (json!({ "data": { "type": "users", "attributes": {} } }), "400 is invalid|-|/data/type"),
        (
            json!({ "data": { "type": "account", "attributes": {}, "relationships": {} } }),
            "400 unpermitted parameter|-|/data/relationships",
        ),
        (json!({ "data": { "type": "account", "attributes": {} }, "meta": {} }), "400 unpermitted parameter|-|/meta"),
    ] {
        assert_eq!(admin.patch(&account, sent).error(), expected);
    }
    assert_eq!(events(&server, "account.updated"), "0");
    // null is not sent; an id is ignored
    let sent = json!({ "data": { "type": "account", "id": "x", "attributes": {
        "name": null, "slug": null, "apiVersion": null, "protected": null
    } } });
    let before = admin.get(&account).ok(200)["data"]["attributes"].clone();
    let mut same = admin.patch(&account, sent).ok(200)["data"]["attributes"].clone();
    same["updated"] = before["updated"].clone();
    assert_eq!(same, before);
    let attributes = json!({ "name": "Acme & Söhne", "slug": "0-9", "protected": true });
    let got = admin.put(&account, body(attributes.clone())).ok(200)["data"].clone();
    for (name, value) in attributes.as_object().unwrap() {
        assert_eq!(got["attributes"][name], *value);
    }
    assert_eq!(got["links"]["self"], account, "links never name the slug");
    assert_eq!((events(&server, "account.updated"), admin.get(ACCOUNT).status), ("2".into(), 404));
    let told =
        select(&server, "SELECT resource_type || resource_id FROM event_logs WHERE event = 'account.updated' LIMIT 1");
    assert_eq!(told, format!("accounts{uuid}"));
    admin.get("/v1/accounts/0-9/me").ok(200);
    // the same slug again is not taken by itself
    admin.patch(&account, body(json!({ "slug": "0-9" }))).ok(200);
}

// 05 §1.2 (protected): new policies; what it does to users is in `user_access.rs`
#[test]
fn protection_is_inherited_by_new_policies() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let old = admin.policy(&product, json!({}));
    let protected = |policy: &Value| {
        admin.get(&format!("policies/{}", id(policy))).ok(200)["data"]["attributes"]["protected"].clone()
    };
    for flag in [true, false] {
        admin.patch(ACCOUNT, body(json!({ "protected": flag }))).ok(200);
        assert_eq!(protected(&admin.policy(&product, json!({}))), flag);
        assert_eq!(protected(&admin.policy(&product, json!({ "protected": !flag }))), !flag, "as sent");
        assert_eq!(protected(&old), false);
    }
}

// 05 §1.2 (apiVersion), 01 §13, 14 §2, §6
#[test]
fn the_version_of_an_account_is_its_requests() {
    let server = Server::start();
    let admin = server.admin();
    let wrong = server.with(&basic("admin@example.com:wrong"));
    let code = |client: &Client| client.post("tokens", Value::Null).code().to_owned();
    let version = |client: &Client| client.get("me").header("keygen-version").to_owned();
    assert_eq!((version(&admin), code(&wrong)), ("1.8".into(), "PASSWORD_INVALID".into()));
    let pinned = admin.patch(ACCOUNT, body(json!({ "apiVersion": "1.7" })));
    assert_eq!(pinned.ok(200)["data"]["attributes"]["apiVersion"], "1.7");
    assert_eq!(pinned.header("keygen-version"), "1.8", "the request itself was before");
    assert_eq!((version(&admin), code(&wrong)), ("1.7".into(), "CREDENTIALS_INVALID".into()));
    let newer = |client: &Client| client.header("Keygen-Version", "1.8");
    assert_eq!((version(&newer(&admin)), code(&newer(&wrong))), ("1.8".into(), "PASSWORD_INVALID".into()));
    assert_eq!(admin.get("/v1/me").header("keygen-version"), "1.7");
    admin.patch(ACCOUNT, body(json!({ "apiVersion": "1.3" }))).ok(200);
    let answer = admin.get("me");
    assert_eq!((answer.header("keygen-account"), answer.header("keygen-account-id").len()), ("", 36));
    for name in ["1.0", "1.1", "1.2", "1.4", "1.5", "1.6", "1.8"] {
        admin.patch(ACCOUNT, body(json!({ "apiVersion": name }))).ok(200);
        assert_eq!(version(&admin), name);
    }
}

// 05 §1.1, 03 §12.3, D12
#[test]
fn recovery_tells_nothing() {
    let server = Server::start();
    let ask = |sent: Value| server.anonymous().post("/v1/recover", sent);
    for email in [ADMIN_EMAIL, "nobody@example.com", "no address"] {
        let answer = ask(json!({ "meta": { "type": "account", "email": email } }));
        assert_eq!((answer.status, answer.bytes.len()), (204, 0), "{email}");
    }
    for (sent, expected) in [
        (json!({}), "400 is missing|-|/meta"),
        (json!({ "meta": { "email": "a@b.cd" } }), "400 is missing|-|/meta/type"),
        (json!({ "meta": { "type": "account" } }), "400 is missing|-|/meta/email"),
        (json!({ "meta": { "type": "user", "email": "a@b.cd" } }), "400 is invalid|-|/meta/type"),
        (json!({ "meta": { "type": "accounts", "email": "a@b.cd" } }), "400 is invalid|-|/meta/type"),
        (
            json!({ "meta": { "type": "account", "email": 1 } }),
            "400 type mismatch (received integer expected string)|-|/meta/email",
        ),
        (json!({ "meta": { "type": "account", "email": "" } }), "400 cannot be blank|-|/meta/email"),
        (json!({ "meta": { "type": "account", "email": null } }), "400 cannot be null|-|/meta/email"),
        (json!({ "meta": { "type": "account", "email": "a@b.cd", "x": 1 } }), "400 unpermitted parameter|-|/meta/x"),
        (json!({ "data": {} }), "400 unpermitted parameter|-|/data"),
    ] {
        assert_eq!(ask(sent.clone()).error(), expected, "{sent}");
    }
    assert_eq!(
        server.token("nope").post("/v1/recover", json!({ "meta": { "type": "account", "email": "a@b.cd" } })).status,
        204
    );
    assert_eq!(server.anonymous().post("recover", json!({})).status, 404, "no account in its path");
    assert_eq!(select(&server, "SELECT count(*) FROM event_logs"), "0");
}
