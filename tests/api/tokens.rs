//! Tokens: generation, kinds, expiry, permissions, lists, revocation (03 §8.1, §10).

use crate::authentication::*;
use crate::authorization::*;
use crate::support::*;
use serde_json::{Value, json};

/// A generation body with these attributes.
pub fn body(attributes: Value) -> Value {
    json!({ "data": { "type": "tokens", "attributes": attributes } })
}

/// A generation body that names the bearer.
pub fn for_bearer(bearer: &Value) -> Value {
    json!({ "data": { "type": "token", "relationships": { "bearer": link(bearer) } } })
}

/// Type and id of a user.
pub fn user_record(server: &Server, email: &str) -> Value {
    json!({ "type": "users", "id": select(server, &format!("SELECT id FROM users WHERE email = '{email}'")) })
}

// 03 §10.2, §10.5: the whole document, with and without the secret
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let account = select(&server, "SELECT id FROM accounts");
    let attributes = json!({
        "name": "CI", "expiry": "2099-01-02T03:04:05Z", "maxActivations": 5, "maxDeactivations": 0,
        "permissions": ["machine.read", "license.read"]
    });
    let answer = admin.post(&format!("licenses/{}/tokens", id(&license)), body(attributes));
    let mut token = answer.ok(200)["data"].clone();
    assert_eq!(answer.header("location"), "");
    let raw = text(&token["attributes"]["token"]).to_owned();
    let created = token["attributes"]["created"].clone();
    assert_eq!(token["attributes"]["updated"], created);
    let expected = json!({
        "id": token["id"],
        "type": "tokens",
        "attributes": {
            "kind": "activation-token",
            "token": raw,
            "expiry": "2099-01-02T03:04:05.000Z",
            "name": "CI",
            "maxActivations": 5,
            "activations": 0,
            "maxDeactivations": 0,
            "deactivations": 0,
            "permissions": ["license.read", "machine.read"],
            "created": created,
            "updated": created
        },
        "relationships": {
            "account": {
                "links": { "related": format!("/v1/accounts/{account}") },
                "data": { "type": "accounts", "id": account }
            },
            "environment": { "links": { "related": null }, "data": null },
            "bearer": {
                "links": { "related": format!("/v1/accounts/{account}/licenses/{}", id(&license)) },
                "data": { "type": "licenses", "id": license["id"] }
            }
        },
        "links": { "self": format!("/v1/accounts/{account}/tokens/{}", id(&token)) }
    });
    assert_eq!(token.to_string(), expected.to_string());
    assert_eq!(events(&server, "token.generated"), "1");
    // never again
    token["attributes"].as_object_mut().unwrap().shift_remove("token");
    let shown = admin.get(&format!("tokens/{}", id(&token))).ok(200);
    assert_eq!(shown["data"].to_string(), token.to_string());
    for path in ["tokens".to_owned(), format!("licenses/{}/tokens", id(&license))] {
        let list = admin.get(&path).ok(200);
        assert_eq!(list["data"][0].to_string(), token.to_string(), "{path}: newest first");
    }
    let nested = admin.get(&format!("licenses/{}/tokens/{}", id(&license), id(&token))).ok(200);
    assert_eq!(nested["data"].to_string(), token.to_string());
    assert!(!select(&server, "SELECT group_concat(digest) FROM tokens").contains(&raw), "only a digest is kept");

    let answer = admin.post("tokens", body(json!({ "name": null })));
    let own = answer.ok(201)["data"].clone();
    let path = format!("/v1/accounts/{account}/tokens/{}", id(&own));
    assert_eq!(answer.header("location"), format!("http://localhost:{}{path}", server.port));
    let names: Vec<_> = own["attributes"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        names,
        ["kind", "token", "expiry", "name", "permissions", "created", "updated"],
        "counters: licenses only"
    );
    // there is no update; ids are UUIDs
    assert_eq!(admin.patch(&format!("tokens/{}", id(&own)), body(json!({ "name": "x" }))).status, 404);
    let answer = admin.get("tokens/invalid");
    assert_eq!(answer.error(), "404 The requested token 'invalid' was not found|NOT_FOUND|-");
    assert_eq!(admin.get(&format!("tokens/{}", id(&own).replace('-', ""))).status, 200);
}

// 03 §10.3, §10.4
#[test]
fn kinds_prefixes_and_default_expiry() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let product = json!({ "type": "products", "id": license["relationships"]["product"]["data"]["id"] });
    let check = |token: &Value, kind: &str, prefix: &str, digits: usize, ends: bool| {
        let token = &token["data"]["attributes"];
        assert_eq!(token["kind"], kind);
        let raw = text(&token["token"]).strip_prefix(&format!("{prefix}-")).and_then(|raw| raw.strip_suffix("v3"));
        let hex = raw.unwrap_or_else(|| panic!("{token}"));
        assert!(hex.len() == digits && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{hex}");
        if ends {
            let seconds = |name: &str| {
                let text = format!("SELECT CAST(strftime('%s', '{}') AS INTEGER)", text(&token[name]));
                select(&server, &text).parse::<i64>().unwrap()
            };
            assert_eq!(seconds("expiry") - seconds("created"), 14 * 86_400, "{kind}");
        } else {
            assert_eq!(token["expiry"], Value::Null, "{kind}");
        }
    };
    for (role, kind, prefix) in [
        ("admin", "admin-token", "admin"),
        ("developer", "developer-token", "dev"),
        ("sales-agent", "sales-token", "sales"),
        ("support-agent", "support-token", "spprt"),
        ("read-only", "read-only-token", "read"),
        ("user", "user-token", "user"),
    ] {
        let person = user(&server, role, &format!("{role}@example.org"));
        let client = as_bearer(&server, &person);
        let made = client.post("tokens", Value::Null).ok(201);
        check(&made, kind, prefix, 64, role == "user");
        let forever = client.post("tokens", body(json!({ "expiry": null }))).ok(201);
        check(&forever, kind, prefix, 64, false);
        // the kind follows the present role
        server.sql(&format!("UPDATE users SET role = 'support-agent' WHERE id = '{}'", id(&person)));
        let shown = admin.get(&format!("tokens/{}", id(&made["data"]))).ok(200);
        assert_eq!(shown["data"]["attributes"]["kind"], "support-token");
    }
    let made =
        |record: &Value| admin.post(&format!("{}/{}/tokens", text(&record["type"]), id(record)), Value::Null).ok(200);
    check(&made(&license), "activation-token", "activ", 32, false);
    check(&made(&product), "product-token", "prod", 64, false);
    let shared = environment(&server, "shared", "SHARED");
    let inside = server.token(&token_in(&server, &shared, Some(id(&shared)))).environment("shared");
    check(&inside.post("tokens", Value::Null).ok(201), "environment-token", "env", 64, false);
    // an administrator's token for a user ends, too
    check(
        &admin.post("tokens", for_bearer(&user(&server, "user", "u@example.org"))).ok(201),
        "user-token",
        "user",
        64,
        true,
    );
}

// 03 §10.2, 01 §6
#[test]
fn attributes_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let path = format!("licenses/{}/tokens", id(&license));
    for (expiry, expected) in [
        (json!("2030-06-01"), "2030-06-01T00:00:00.000Z"),
        (json!("2030-06-01T12:00:00"), "2030-06-01T12:00:00.000Z"),
        (json!("2030-06-01T12:00:00.25+02:00"), "2030-06-01T10:00:00.250Z"),
        (json!("1893456000"), "2030-01-01T00:00:00.000Z"),
        (json!(1_893_456_000), "2030-01-01T00:00:00.000Z"),
        (json!("2001-01-01T00:00:00Z"), "2001-01-01T00:00:00.000Z"),
        (json!(""), "null"),
        (json!("never"), "null"),
        (json!(null), "null"),
    ] {
        let token = admin.post(&path, body(json!({ "expiry": expiry }))).ok(200);
        let got = token["data"]["attributes"]["expiry"].as_str().unwrap_or("null");
        assert_eq!(got, expected, "{expiry}");
    }
    let long = "x".repeat(256);
    let (name, most, least) =
        ("/data/attributes/name", "/data/attributes/maxActivations", "/data/attributes/maxDeactivations");
    let negative =
        |what: &str, pointer: &str| format!("422 must be greater than or equal to 0|{what}_INVALID|{pointer}");
    for (attributes, expected) in [
        (json!({ "expiry": "2030-13-45" }), "400 failed to coerce string to time|-|/data/attributes/expiry".to_owned()),
        (json!({ "expiry": true }), "400 failed to coerce boolean to time|-|/data/attributes/expiry".to_owned()),
        (json!({ "expiry": {} }), "400 failed to coerce object to time|-|/data/attributes/expiry".to_owned()),
        (json!({ "name": long }), format!("422 is too long (maximum is 255 characters)|NAME_TOO_LONG|{name}")),
        (json!({ "name": "" }), format!("400 cannot be blank|-|{name}")),
        (json!({ "name": 1 }), format!("400 type mismatch (received integer expected string)|-|{name}")),
        (json!({ "maxActivations": -1 }), negative("MAX_ACTIVATIONS", most)),
        (json!({ "maxDeactivations": -1 }), negative("MAX_DEACTIVATIONS", least)),
        (json!({ "maxActivations": "1" }), format!("400 type mismatch (received string expected integer)|-|{most}")),
        (json!({ "bearerId": "x" }), "400 unpermitted parameter|-|/data/attributes/bearerId".to_owned()),
        (json!({ "activations": 1 }), "400 unpermitted parameter|-|/data/attributes/activations".to_owned()),
        (json!({ "token": "x" }), "400 unpermitted parameter|-|/data/attributes/token".to_owned()),
    ] {
        assert_eq!(admin.post(&path, body(attributes.clone())).error(), expected, "{attributes}");
    }
    let answer = admin.post(&path, body(json!({ "maxActivations": -1 })));
    let about = "https://keygen.sh/docs/api/tokens/#tokens-object-attrs-maxActivations";
    assert_eq!(answer.body["errors"][0]["links"]["about"], about);
    // §10.5: the rest of the body; limits and bearers have their routes
    let product = json!({ "type": "products", "id": license["relationships"]["product"]["data"]["id"] });
    let products = format!("products/{}/tokens", id(&product));
    let bearer = "/data/relationships/bearer";
    for (path, body, expected) in [
        ("tokens", body(json!({ "maxActivations": 1 })), "400 unpermitted parameter|-|/data/attributes/maxActivations"),
        (
            &products,
            body(json!({ "maxDeactivations": 1 })),
            "400 unpermitted parameter|-|/data/attributes/maxDeactivations",
        ),
        (&path, for_bearer(&license), &format!("400 unpermitted parameter|-|{bearer}")),
        (&path, json!({ "meta": { "otp": "1" } }), "400 unpermitted parameter|-|/meta"),
        ("tokens", json!({ "meta": {} }), "400 is missing|-|/meta/otp"),
        ("tokens", json!({ "data": {} }), "400 is missing|-|/data/type"),
        ("tokens", json!({ "data": { "type": "keys" } }), "400 is invalid|-|/data/type"),
        ("tokens", json!({ "data": { "type": "tokens", "id": "x" } }), "400 unpermitted parameter|-|/data/id"),
        (
            "tokens",
            json!({ "data": { "type": "tokens", "relationships": { "bearer": { "data": null } } } }),
            &format!("400 cannot be null|-|{bearer}/data"),
        ),
        (
            "tokens",
            for_bearer(&json!({ "type": "machines", "id": license["id"] })),
            &format!("400 is invalid|-|{bearer}/data/type"),
        ),
        (
            "tokens",
            for_bearer(&json!({ "type": "user", "id": "x" })),
            &format!("400 type mismatch (received string expected UUID string)|-|{bearer}/data/id"),
        ),
    ] {
        assert_eq!(admin.post(path, body.clone()).error(), expected, "{path} {body}");
    }
    // an empty body and empty members are fine
    for fine in [Value::Null, json!({}), json!({ "data": { "type": "token" } }), body(json!({}))] {
        admin.post("tokens", fine.clone()).ok(201);
        admin.post(&path, fine).ok(200);
    }
}

// 03 §8.1
#[test]
fn permissions_narrow() {
    let cast = Cast::new(json!({}));
    let (server, admin) = (&cast.server, cast.client("A"));
    let path = format!("licenses/{}/tokens", id(&cast.license));
    let refused = "422 unsupported permissions|PERMISSIONS_NOT_ALLOWED|/data/attributes/permissions";
    server.sql("UPDATE licenses SET owner_id = NULL, permissions = '[\"license.read\", \"machine.read\"]'");
    let effective = |sent: Value| {
        let answer = admin.post(&path, body(json!({ "permissions": sent })));
        if answer.status != 200 {
            let about = "https://keygen.sh/docs/api/tokens/#tokens-object-attrs-permissions";
            assert_eq!(answer.body["errors"][0]["links"]["about"], about);
            assert_eq!(answer.error(), refused);
            return "422".to_owned();
        }
        answer.body["data"]["attributes"]["permissions"].to_string()
    };
    // the bearer has a set of its own
    assert_eq!(effective(json!(null)), r#"["license.read","machine.read"]"#, "null is as if absent");
    assert_eq!(effective(json!(["*"])), r#"["license.read","machine.read"]"#);
    assert_eq!(effective(json!(["machine.read"])), r#"["machine.read"]"#);
    assert_eq!(effective(json!([])), "[]");
    assert_eq!(effective(json!(["machine.create"])), "422", "outside of the bearer's own set");
    assert_eq!(effective(json!(["machine.read", "machine.read"])), "422");
    assert_eq!(effective(json!(["machine.fly"])), "422");
    // the bearer has everything that its role may have
    server.sql("UPDATE licenses SET permissions = '[\"*\"]'");
    assert_eq!(effective(json!(["product.read", "machine.create"])), r#"["machine.create","product.read"]"#);
    assert_eq!(effective(json!(["*"])), r#"["*"]"#);
    assert_eq!(effective(json!(["product.create"])), "422");
    // later changes of the bearer show (the intersection)
    let made = admin.post(&path, body(json!({ "permissions": ["product.read", "machine.read"] }))).ok(200);
    server.sql("UPDATE licenses SET permissions = '[\"license.read\", \"machine.read\"]'");
    let shown = admin.get(&format!("tokens/{}", id(&made["data"]))).ok(200);
    assert_eq!(shown["data"]["attributes"]["permissions"], json!(["machine.read"]));

    // who may send them: below a parent A D P E; at POST /tokens everybody
    let sent = body(json!({ "permissions": [] }));
    assert_eq!(
        cast.client("S").post(&path, sent.clone()).error(),
        "400 unpermitted parameter|-|/data/attributes/permissions"
    );
    assert_eq!(
        cast.client("L").post(&path, sent.clone()).error(),
        "400 unpermitted parameter|-|/data/attributes/permissions"
    );
    for name in ["D", "P"] {
        cast.client(name).post(&path, sent.clone()).ok(200);
    }
    for name in ["D", "S", "Su", "R", "Ua"] {
        let token = cast.client(name).post("tokens", body(json!({ "permissions": ["license.read"] }))).ok(201);
        assert_eq!(token["data"]["attributes"]["permissions"], json!(["license.read"]), "{name}");
    }
    // unknown names before authorization, names outside the set only at save
    let product = format!("products/{}/tokens", id(&cast.product));
    let product_token = |name: &str, permission: &str| {
        cast.client(name).post(&product, body(json!({ "permissions": [permission] }))).status
    };
    assert_eq!((product_token("P", "nope"), product_token("P", "product.create")), (422, 403));
    assert_eq!(cast.client("A").post(&product, body(json!({ "permissions": ["product.create"] }))).error(), refused);
    let own = |name: &str, permission: &str| {
        let answer = cast.client(name).post("tokens", body(json!({ "permissions": [permission] })));
        answer.status
    };
    assert_eq!((own("L", "nope"), own("L", "license.read"), own("Ua", "product.read")), (422, 403, 422));
}

// 03 §10.6
#[test]
fn who_generates_for_whom() {
    let cast = Cast::new(json!({}));
    let server = &cast.server;
    let [uo, ua, u] = ["uo", "ua", "u"].map(|name| user_record(server, &format!("{name}@example.com")));
    let second_admin = user(server, "admin", "second@example.com");
    let developer = user_record(server, "developer@example.com");
    let unknown = json!({ "type": "users", "id": new_id() });
    let wrong_type = json!({ "type": "products", "id": uo["id"] });
    for (target, expected) in [
        (Value::Null, "ok: A D S Su R Uo Um Ua U; 401: X; 403: P L P2 L2"),
        (uo.clone(), "ok: A D P Uo; 401: X; 403: S Su R L Um Ua P2 L2 U"),
        (ua, "ok: A D P Ua; 401: X; 403: S Su R L Uo Um P2 L2 U"),
        (u, "ok: A D U; 401: X; 403: S Su R P L Uo Um Ua P2 L2"),
        (developer, "ok: D; 401: X; 403: A S Su R P L Uo Um Ua P2 L2 U"),
        (second_admin, "401: X; 403: A D S Su R P L Uo Um Ua P2 L2 U"),
        (cast.product.clone(), "401: X; 403: A D S Su R P L Uo Um Ua P2 L2 U"),
        (cast.license.clone(), "ok: P; 401: X; 403: A D S Su R L Uo Um Ua P2 L2 U"),
        (unknown, "401: X; 403: A D S Su R P L Uo Um Ua P2 L2 U"),
        (wrong_type, "401: X; 403: A D S Su R P L Uo Um Ua P2 L2 U"),
    ] {
        let body = if target.is_null() { Value::Null } else { for_bearer(&target) };
        assert_eq!(cast.outcome(|c| c.post("tokens", body.clone())), expected, "{target}");
    }
    assert_eq!(reason(&cast.client("A").post("tokens", for_bearer(&cast.product))), NO_REASON);
    let answer = cast.client("L").post("tokens", Value::Null);
    assert_eq!(reason(&answer), "license lacks permission to perform action");
    assert_eq!(cast.client("X").post("tokens", Value::Null).code(), "TOKEN_MISSING");
    // 400 before 403
    assert_eq!(cast.client("L").post("tokens", json!({ "nope": 1 })).status, 400);
}

// 03 §10.7
#[test]
fn who_generates_below_products_and_licenses() {
    let cast = Cast::new(json!({}));
    let (product, license) =
        (format!("products/{}/tokens", id(&cast.product)), format!("licenses/{}/tokens", id(&cast.license)));
    cast.grant_everything();
    let expected = "ok: A D; 401: X; 403: S Su R P L Uo Um Ua; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.post(&product, Value::Null)), expected);
    let expected = "ok: A D S P; 401: X; 403: Su R L Uo Um Ua; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.post(&license, Value::Null)), expected);
    assert_eq!(cast.outcome(|c| c.post(&format!("licenses/{}/tokens", key(&cast.license)), Value::Null)), expected);
    assert_eq!(reason(&cast.client("L").post(&license, Value::Null)), "license lacks permission to perform action");
    assert_eq!(reason(&cast.client("Su").post(&license, Value::Null)), NO_REASON);
    cast.server.sql(&format!("UPDATE products SET code = 'app' WHERE id = '{}'", id(&cast.product)));
    cast.client("A").post("products/app/tokens", Value::Null).ok(200);
    // 400 before 403, after 404
    assert_eq!(cast.client("L").post(&license, json!({ "nope": 1 })).status, 400);
    assert_eq!(cast.client("L2").post(&license, json!({ "nope": 1 })).status, 404);
}

// 03 §10.1, §10.10: what each bearer sees
#[test]
fn lists_and_shows() {
    let cast = Cast::new(json!({}));
    let server = &cast.server;
    // the developer holds the license, too
    let developer = user_record(server, "developer@example.com");
    attach(server, &cast.license, &developer);
    let bearers = |client: &Client, path: &str| {
        let list = client.get(path).ok(200);
        let mut ids: Vec<String> = Vec::new();
        for token in list["data"].as_array().unwrap() {
            ids.push(text(&token["relationships"]["bearer"]["data"]["id"]).to_owned());
        }
        ids.sort();
        ids
    };
    let ids = |records: &[&Value]| {
        let mut ids: Vec<String> = records.iter().map(|record| id(record).to_owned()).collect();
        ids.sort();
        ids
    };
    let [uo, um, ua] = ["uo", "um", "ua"].map(|name| user_record(server, &format!("{name}@example.com")));
    for name in ["A", "D", "S", "Su", "R"] {
        assert_eq!(bearers(cast.client(name), "tokens?limit=100").len(), 13, "{name}");
    }
    let seen = ids(&[&cast.product, &cast.license, &uo, &um, &ua, &developer]);
    assert_eq!(bearers(cast.client("P"), "tokens"), seen);
    assert_eq!(bearers(cast.client("L"), "tokens"), ids(&[&cast.license]));
    assert_eq!(bearers(cast.client("Ua"), "tokens"), ids(&[&ua]));
    // nested lists: parents by role, then the same scope
    let (license, product) =
        (format!("licenses/{}/tokens", id(&cast.license)), format!("products/{}/tokens", id(&cast.product)));
    assert_eq!(bearers(cast.client("P"), &license), ids(&[&cast.license]));
    assert_eq!(bearers(cast.client("R"), &product), ids(&[&cast.product]));
    let filtered = format!("{license}?bearer[role]=admin");
    assert_eq!(bearers(cast.client("A"), &filtered), ids(&[&cast.license]), "nested lists take no filter");
    let expected = "ok: A D S Su R P; 401: X; 403: L Uo Um Ua; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.get(&license)), expected);
    let of = |bearer: &Value| {
        let id = select(server, &format!("SELECT id FROM tokens WHERE bearer_id = '{}'", id(bearer)));
        format!("tokens/{id}")
    };
    assert_eq!(cast.outcome(|c| c.get(&format!("licenses/{}/{}", id(&cast.license), of(&cast.license)))), expected);
    let answer = cast.client("A").get(&format!("licenses/{}/{}", id(&cast.license), of(&cast.product)));
    assert_eq!(answer.status, 404, "a token of another parent");
    for (bearer, expected) in [
        (&cast.license, "ok: A D S Su R P L; 401: X; 404: Uo Um Ua P2 L2 U"),
        (&cast.product, "ok: A D S Su R P; 401: X; 404: L Uo Um Ua P2 L2 U"),
        (&uo, "ok: A D S Su R P Uo; 401: X; 404: L Um Ua P2 L2 U"),
        // a product stops at users with a role in the staff
        (&developer, "ok: A D S Su R; 401: X; 403: P; 404: L Uo Um Ua P2 L2 U"),
    ] {
        assert_eq!(cast.outcome(|c| c.get(&of(bearer))), expected, "{bearer}");
    }
}

// 03 §10.10: filters
#[test]
fn filters() {
    let cast = Cast::new(json!({}));
    let client = cast.client("A");
    let count = |client: &Client, query: &str| {
        let list = client.get(&format!("tokens?limit=100&{query}")).ok(200);
        list["data"].as_array().unwrap().len()
    };
    let developer = user_record(&cast.server, "developer@example.com");
    let developer_id = id(&developer);
    for (query, expected) in [
        ("", 13),
        ("bearer[type]=user", 9),
        ("bearer[type]=users", 9),
        ("bearer[type]=products", 2),
        ("bearer[type]=license", 2),
        ("bearer[type]=environments", 0),
        ("bearer[type]=machines", 0),
        ("bearer[type]=userss", 0),
        (&format!("bearer[id]={developer_id}"), 1),
        ("bearer[id]=nope", 0),
        ("bearer[role]=user", 4),
        ("bearer[role]=developer", 1),
        ("bearer[role]=product", 2),
        ("bearer[role]=license", 2),
        ("bearer[role]=environment", 0),
        ("bearer[role]=read-only", 1),
        ("bearer[role]=nobody", 0),
        ("bearer[role][]=admin&bearer[role][]=product&bearer[role][]=nobody", 3),
        ("bearer[type]=products&bearer[role]=product", 2),
        ("bearer[type]=products&bearer[role]=user", 0),
        (&format!("bearer[type]=licenses&bearer[id]={developer_id}"), 0),
        // blank members are dropped; what is no object is ignored; only unknown members match nothing
        ("bearer[type]=&bearer[role]=developer", 1),
        ("bearer[type]=", 13),
        ("bearer=user", 13),
        ("bearer[name]=x", 0),
        ("bearer[name]=x&bearer[role]=developer", 1),
    ] {
        assert_eq!(count(client, query), expected, "{query}");
    }
    assert_eq!(count(cast.client("Ua"), "bearer[role]=admin"), 0, "outside of the scope: empty");
    let answer = client.get("tokens?limit=0");
    assert_eq!(answer.error(), "400 limit must be a number between 1 and 100 (got 0)|-|limit");
}

// 03 §10.9
#[test]
fn who_revokes() {
    let cast = Cast::new(json!({}));
    let server = &cast.server;
    let developer = user_record(server, "developer@example.com");
    attach(server, &cast.license, &developer);
    let uo = user_record(server, "uo@example.com");
    for (bearer, expected) in [
        (&cast.license, "ok: A D P L; 401: X; 403: S Su R; 404: Uo Um Ua P2 L2 U"),
        (&cast.product, "ok: A D P; 401: X; 403: S Su R; 404: L Uo Um Ua P2 L2 U"),
        (&uo, "ok: A D P Uo; 401: X; 403: S Su R; 404: L Um Ua P2 L2 U"),
        (&developer, "ok: A D; 401: X; 403: S Su R P; 404: L Uo Um Ua P2 L2 U"),
    ] {
        let got = cast.outcome(|c| {
            let raw = token_in(server, bearer, None);
            let me = server.token(&raw).get("me");
            let answer = c.delete(&format!("tokens/{}", me.header("keygen-token")));
            let after = server.token(&raw).get("me");
            assert_eq!(after.code(), if answer.status == 204 { "TOKEN_INVALID" } else { "-" });
            assert_eq!(answer.bytes.is_empty(), answer.status == 204);
            answer
        });
        assert_eq!(got, expected, "{bearer}");
    }
    assert_eq!(events(server, "token.revoked"), "13");
    let own = cast.client("R").get("me").header("keygen-token").to_owned();
    assert_eq!(
        reason(&cast.client("R").delete(&format!("tokens/{own}"))),
        "read only lacks permission to perform action"
    );
    // everybody else may revoke the token in use
    let own = cast.client("S").get("me").header("keygen-token").to_owned();
    cast.client("S").delete(&format!("tokens/{own}")).ok(204);
    assert_eq!(cast.client("S").get("me").code(), "TOKEN_INVALID");
    // a deleted bearer takes its tokens along, without events
    cast.client("A").delete(&format!("licenses/{}", id(&cast.license))).ok(204);
    assert_eq!(cast.client("L").get("me").code(), "TOKEN_INVALID");
    assert_eq!(events(server, "token.revoked"), "14");
}

// 03 §10.6, §10.7, 05 §5.5–§5.7: environments of new tokens
#[test]
fn environments_of_new_tokens() {
    let server = Server::start();
    let admin = server.admin();
    let isolated = environment(&server, "isolated", "ISOLATED");
    let shared = environment(&server, "shared", "SHARED");
    let license = admin.quick_license(json!({}));
    let licenses = format!("licenses/{}/tokens", id(&license));
    let admin_user = user_record(&server, ADMIN_EMAIL);
    let ada = user(&server, "user", "ada@example.com");
    let shared_user = user_in(&server, "user", "s@example.com", Some(id(&shared)));
    let inside = server.token(&token_in(&server, &admin_user, Some(id(&isolated)))).environment("isolated");
    let in_shared = admin.environment("shared");
    let unknown = json!({ "type": "environments", "id": new_id() });
    let request = |bearer: &Value, environment: Option<&Value>| {
        let mut data = json!({ "type": "tokens", "relationships": {} });
        if !bearer.is_null() {
            data["relationships"]["bearer"] = link(bearer);
        }
        if let Some(environment) = environment {
            let linked = if environment.is_null() { json!({ "data": null }) } else { link(environment) };
            data["relationships"]["environment"] = linked;
        }
        json!({ "data": data })
    };
    let name = |answer: &Answer| match answer.status {
        200 | 201 => {
            let made = &answer.body["data"]["relationships"]["environment"]["data"]["id"];
            let known = [(&isolated, "isolated"), (&shared, "shared")];
            known.iter().find(|(e, _)| e["id"] == *made).map_or("global", |(_, name)| name).to_owned()
        }
        403 => reason(answer),
        _ => answer.error(),
    };
    let record = "record environment is not compatible with the current environment";
    let incompatible =
        "422 must be compatible with bearer environment|ENVIRONMENT_NOT_ALLOWED|/data/relationships/environment";
    let missing = "422 must exist|ENVIRONMENT_NOT_FOUND|/data/relationships/environment";
    let (none, null) = (Value::Null, Value::Null);
    for (client, bearer, environment, expected) in [
        // from global any environment is accepted, as far as the bearer fits it
        (&admin, &none, None, "global"),
        (&admin, &none, Some(&null), "global"),
        (&admin, &none, Some(&isolated), "isolated"),
        (&admin, &none, Some(&shared), "shared"),
        (&admin, &none, Some(&unknown), missing),
        (&admin, &ada, Some(&shared), "shared"),
        (&admin, &ada, Some(&isolated), incompatible),
        (&admin, &shared_user, Some(&null), incompatible),
        (&admin, &shared_user, Some(&shared), "shared"),
        (&admin, &shared_user, None, "shared"),
        // inside an environment the token ends up there
        (&in_shared, &none, None, "shared"),
        (&in_shared, &none, Some(&shared), "shared"),
        (&in_shared, &none, Some(&null), record),
        (&in_shared, &none, Some(&isolated), record),
        (&in_shared, &none, Some(&unknown), record),
        (&in_shared, &ada, None, "shared"),
        (&in_shared, &shared_user, None, "shared"),
        (&inside, &none, None, "isolated"),
        (&inside, &none, Some(&null), record),
        (&inside, &ada, None, incompatible),
    ] {
        let body = request(bearer, environment);
        let answer = client.post("tokens", body.clone());
        assert_eq!(name(&answer), expected, "{body}");
        if answer.status == 201 {
            let token = answer.body["data"]["attributes"]["token"].as_str().unwrap();
            let client =
                if expected == "global" { server.token(token) } else { server.token(token).environment(expected) };
            client.get("me").ok(200);
        }
    }
    // below a parent the rule is strict
    for (client, environment, expected) in [
        (&admin, None, "global"),
        (&admin, Some(&null), "global"),
        (&admin, Some(&shared), record),
        (&admin, Some(&unknown), record),
        (&in_shared, None, "shared"),
        (&in_shared, Some(&shared), "shared"),
        (&in_shared, Some(&null), record),
    ] {
        let body = request(&none, environment);
        assert_eq!(name(&client.post(&licenses, body.clone())), expected, "{body}");
    }
    assert_eq!(inside.post(&licenses, Value::Null).status, 404, "a global license is out of sight");
    // an environment's own tokens
    let own = server.token(&token_in(&server, &shared, Some(id(&shared)))).environment("shared");
    assert_eq!(name(&own.post("tokens", Value::Null)), "shared");
    assert_eq!(name(&own.post("tokens", request(&ada, None))), "shared");
    assert_eq!(name(&own.post("tokens", request(&admin_user, None))), NO_REASON);
    assert_eq!(name(&own.post(&licenses, Value::Null)), "shared");
    // what it sees: everyone's but admins', of its own environment and global ones
    let kinds = |client: &Client| {
        let list = client.get("tokens?limit=100").ok(200);
        let mut kinds: Vec<String> = Vec::new();
        for token in list["data"].as_array().unwrap() {
            kinds.push(text(&token["attributes"]["kind"]).to_owned());
        }
        kinds.sort();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(&own), ["activation-token", "environment-token", "user-token"]);
    assert_eq!(kinds(&inside), ["admin-token"]);
    // a global token is read only in a shared environment
    let global = select(&server, "SELECT id FROM tokens WHERE environment_id IS NULL AND license_id IS NOT NULL");
    in_shared.get(&format!("tokens/{global}")).ok(200);
    assert_eq!(reason(&in_shared.delete(&format!("tokens/{global}"))), record);
    assert_eq!(admin.environment("shared").get(&format!("tokens/{global}")).header("keygen-environment"), "shared");
}
