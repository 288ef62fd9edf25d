//! Making tokens for each kind of bearer: through `POST /tokens` and below users, products, licenses and environments
//! (03 §8.1, §10.1–§10.7). What license tokens alone have stands in `tokens.rs`.

use crate::authentication::*;
use crate::authorization::*;
use crate::support::*;
use crate::tokens::{body, for_bearer, user_record};
use serde_json::{Value, json};

/// The reason of the strict environment rule.
pub const RECORD: &str = "record environment is not compatible with the current environment";

/// `…/tokens` below a record.
pub fn below(record: &Value) -> String {
    format!("{}/{}/tokens", text(&record["type"]), id(record))
}

/// The cast, with an environment `E` that shares the global records.
pub fn cast_with_environment() -> (Cast, Value) {
    let mut cast = Cast::new(json!({}));
    let shared = environment(&cast.server, "shared", "SHARED");
    let client = cast.server.token(&token_in(&cast.server, &shared, Some(id(&shared)))).environment("shared");
    cast.clients.push(("E", client));
    (cast, shared)
}

/// A body that names the new token's environment; null is the global one.
fn in_environment(environment: &Value) -> Value {
    let linked = if environment.is_null() { json!({ "data": null }) } else { link(environment) };
    json!({ "data": { "type": "tokens", "relationships": { "environment": linked } } })
}

// 03 §10.1–§10.5: status, location and document, by route and kind of bearer
#[test]
fn answers_of_every_route() {
    let (cast, shared) = cast_with_environment();
    let server = &cast.server;
    let (admin, inside) = (cast.client("A"), cast.client("A").environment("shared"));
    let account = select(server, "SELECT id FROM accounts");
    server.sql(&format!("UPDATE products SET code = 'app' WHERE id = '{}'", id(&cast.product)));
    let [admin_user, developer, ua] =
        [ADMIN_EMAIL, "developer@example.com", "ua@example.com"].map(|email| user_record(server, email));
    let key = key(&cast.license);
    let users = |email: &str| format!("users/{email}/tokens");
    let mut made = 0;
    for (client, path, bearer, kind, status) in [
        (admin, "tokens".to_owned(), &admin_user, "admin-token", 201),
        (cast.client("D"), "tokens".to_owned(), &developer, "developer-token", 201),
        (cast.client("E"), "tokens".to_owned(), &shared, "environment-token", 201),
        (admin, below(&admin_user), &admin_user, "admin-token", 200),
        (admin, below(&ua), &ua, "user-token", 200),
        (admin, users("ua@example.com"), &ua, "user-token", 200),
        (admin, users("UA%40Example.com"), &ua, "user-token", 200),
        (admin, below(&cast.product), &cast.product, "product-token", 200),
        (admin, "products/app/tokens".to_owned(), &cast.product, "product-token", 200),
        (admin, below(&cast.license), &cast.license, "activation-token", 200),
        (admin, format!("licenses/{key}/tokens"), &cast.license, "activation-token", 200),
        (&inside, below(&shared), &shared, "environment-token", 201),
        (&inside, "environments/shared/tokens".to_owned(), &shared, "environment-token", 201),
        (&inside, below(&ua), &ua, "user-token", 200),
    ] {
        let answer = client.post(&path, Value::Null);
        let token = answer.ok(status)["data"].clone();
        made += 1;
        let own = format!("/v1/accounts/{account}/tokens/{}", id(&token));
        let location = if status == 201 { format!("http://localhost:{}{own}", server.port) } else { String::new() };
        assert_eq!(answer.header("location"), location, "{path}");
        assert_eq!(token["links"], json!({ "self": own }), "{path}");
        let place = answer.header("keygen-environment") == "shared";
        let environment = match place {
            true => json!({
                "links": { "related": format!("/v1/accounts/{account}/environments/{}", id(&shared)) },
                "data": { "type": "environments", "id": shared["id"] }
            }),
            false => json!({ "links": { "related": null }, "data": null }),
        };
        let type_ = text(&bearer["type"]);
        let relationships = json!({
            "account": {
                "links": { "related": format!("/v1/accounts/{account}") },
                "data": { "type": "accounts", "id": account }
            },
            "environment": environment,
            "bearer": {
                "links": { "related": format!("/v1/accounts/{account}/{type_}/{}", id(bearer)) },
                "data": { "type": type_, "id": bearer["id"] }
            }
        });
        assert_eq!(token["relationships"].to_string(), relationships.to_string(), "{path}");
        assert_eq!(token["attributes"]["kind"], kind, "{path}");
        assert_eq!(token["attributes"].get("activations").is_some(), kind == "activation-token", "{path}");
        assert_eq!(events(server, "token.generated"), made.to_string(), "{path}: one event");
        let raw = text(&token["attributes"]["token"]);
        let user = if place { server.token(raw).environment("shared") } else { server.token(raw) };
        let me = user.get("me");
        assert_eq!((me.status, me.header("keygen-token")), (200, id(&token)), "{path}");
        assert_eq!(me.body["data"]["id"], bearer["id"], "{path}");
        // the shape of a secret is never shown again
        assert!(me.body["included"][0]["attributes"].get("token").is_none(), "{path}");
        assert!(!client.get("tokens?limit=100").body.to_string().contains(raw), "{path}");
    }
    assert_eq!(admin.post("environments/Shared/tokens", Value::Null).status, 404, "codes are exact");
    assert_eq!(admin.post("users/nobody@example.com/tokens", Value::Null).code(), "NOT_FOUND");
    for path in ["tokens".to_owned(), below(&ua), below(&cast.product), below(&cast.license), below(&shared)] {
        let answer = server.anonymous().post(&path, json!({ "nope": 1 }));
        assert_eq!((answer.status, answer.code()), (401, "TOKEN_MISSING"), "{path}");
    }
}

// 03 §10.1, §10.7: `POST /users/{id}/tokens`
#[test]
fn who_generates_below_users() {
    let (cast, _) = cast_with_environment();
    let server = &cast.server;
    let person = |email: &str| user_record(server, email);
    user(server, "admin", "second@example.com");
    for (email, expected) in [
        // owner of the license of P; attached to it; of no license
        ("uo@example.com", "ok: A D P E; 401: X; 403: S Su R L Uo Um Ua P2; 404: L2 U"),
        ("ua@example.com", "ok: A D P E; 401: X; 403: S Su R L Uo Um Ua P2; 404: L2 U"),
        ("u@example.com", "ok: A D E; 401: X; 403: S Su R P P2 U; 404: L Uo Um Ua L2"),
        // staff: only ADM and DEV, for themselves
        ("developer@example.com", "ok: D; 401: X; 403: A S Su R E; 404: P L Uo Um Ua P2 L2 U"),
        (ADMIN_EMAIL, "ok: A; 401: X; 403: D S Su R E; 404: P L Uo Um Ua P2 L2 U"),
        ("sales-agent@example.com", "401: X; 403: A D S Su R E; 404: P L Uo Um Ua P2 L2 U"),
        ("read-only@example.com", "401: X; 403: A D S Su R E; 404: P L Uo Um Ua P2 L2 U"),
        ("second@example.com", "401: X; 403: A D S Su R E; 404: P L Uo Um Ua P2 L2 U"),
    ] {
        let path = below(&person(email));
        assert_eq!(cast.outcome(|c| c.post(&path, Value::Null)), expected, "{email}");
    }
    let uo = below(&person("uo@example.com"));
    for (name, expected) in [
        ("P2", NO_REASON),
        ("S", NO_REASON),
        ("R", "read only lacks permission to perform action"),
        ("Uo", "user lacks permission to perform action"),
        ("L", "license lacks permission to perform action"),
    ] {
        assert_eq!(reason(&cast.client(name).post(&uo, Value::Null)), expected, "{name}");
    }
    // 03 §1 step 4: out of scope 404, body 400, unknown names 422, then 403
    assert_eq!(cast.client("L2").post(&uo, json!({ "nope": 1 })).status, 404);
    assert_eq!(cast.client("Uo").post(&uo, json!({ "nope": 1 })).status, 400);
    let unknown = body(json!({ "permissions": ["license.fly"] }));
    assert_eq!(cast.client("P2").post(&uo, unknown).code(), "PERMISSIONS_NOT_ALLOWED");
    assert_eq!(cast.client("P2").post(&uo, body(json!({ "permissions": ["product.create"] }))).status, 403);
}

// 03 §10.6: environments and staff at `POST /tokens`
#[test]
fn who_generates_at_the_top() {
    let (cast, shared) = cast_with_environment();
    let server = &cast.server;
    let person = |email: &str| user_record(server, email);
    let other = environment(server, "other", "ISOLATED");
    let of_shared = user_in(server, "user", "us@example.com", Some(id(&shared)));
    let staff_of_shared = user_in(server, "developer", "ds@example.com", Some(id(&shared)));
    // E for itself and for role-`user` users, its own and global ones
    for (target, fine) in [
        (&shared, true),
        (&person("u@example.com"), true),
        (&of_shared, true),
        (&staff_of_shared, false),
        (&person(ADMIN_EMAIL), false),
        (&person("developer@example.com"), false),
        (&cast.product, false),
        (&cast.license, false),
        (&other, false),
    ] {
        let answer = cast.client("E").post("tokens", for_bearer(target));
        match fine {
            true => assert_eq!(answer.ok(201)["data"]["relationships"]["bearer"]["data"]["id"], target["id"]),
            false => assert_eq!(reason(&answer), NO_REASON, "{target}"),
        }
    }
    // nobody else for environments
    let expected = "ok: E; 401: X; 403: A D S Su R P L Uo Um Ua P2 L2 U";
    assert_eq!(cast.outcome(|c| c.post("tokens", for_bearer(&shared))), expected);
    // the type counts: singular or plural, and ids in any form (01 §8.1)
    let ua = person("ua@example.com");
    let written = id(&ua).replace('-', "").to_uppercase();
    for (type_, id, status) in
        [("user", id(&ua), 201), ("users", &written, 201), ("licenses", id(&ua), 403), ("environment", id(&ua), 403)]
    {
        let target = json!({ "type": type_, "id": id });
        assert_eq!(cast.client("A").post("tokens", for_bearer(&target)).status, status, "{type_}");
    }
    // a banned user keeps nothing but its password (03 §6): its token is refused before
    server.sql("UPDATE users SET banned_at = 1 WHERE email = 'ua@example.com'");
    assert_eq!(cast.client("Ua").post("tokens", Value::Null).code(), "USER_BANNED");
    let login = server.with(&basic("ua@example.com:secret"));
    assert_eq!(reason(&login.post("tokens", Value::Null)), "user is banned");
    // 400 of the body and a lacking permission come first
    assert_eq!(login.post("tokens", json!({ "nope": 1 })).status, 400);
    server.sql("UPDATE users SET permissions = '[\"license.read\"]' WHERE email = 'ua@example.com'");
    assert_eq!(reason(&login.post("tokens", Value::Null)), "user lacks permission to perform action");
    // others may still make tokens for it
    cast.client("A").post("tokens", for_bearer(&ua)).ok(201);
}

// 03 §10.1, §10.7, 05 §4: `/environments/{id}/tokens`
#[test]
fn below_environments() {
    let (cast, shared) = cast_with_environment();
    let server = &cast.server;
    let isolated = environment(server, "isolated", "ISOLATED");
    let path = below(&shared);
    let with = |c: &Client| c.environment("shared");
    // E stands in its environment already
    let inside: Vec<(&str, Client)> = cast
        .clients
        .iter()
        .map(|(name, client)| (*name, if *name == "E" { client.clone() } else { with(client) }))
        .collect();
    let outcome = |call: &dyn Fn(&Client) -> Answer| {
        let mut line = Vec::new();
        for (name, client) in &inside {
            line.push(format!("{name} {}", call(client).status));
        }
        line.join(" ")
    };
    let expected = "A 201 D 201 S 403 Su 403 R 403 P 404 L 404 Uo 404 Um 404 Ua 404 P2 404 L2 404 U 404 X 401 E 403";
    assert_eq!(outcome(&|c| c.post(&path, Value::Null)), expected);
    let expected = "A 200 D 200 S 200 Su 200 R 200 P 404 L 404 Uo 404 Um 404 Ua 404 P2 404 L2 404 U 404 X 401 E 200";
    assert_eq!(outcome(&|c| c.get(&path)), expected);
    let token = text(&with(cast.client("A")).get(&path).ok(200)["data"][0]["id"]).to_owned();
    assert_eq!(outcome(&|c| c.get(&format!("{path}/{token}"))), expected);
    let own = cast.client("E").post(&path, Value::Null);
    assert_eq!(reason(&own), "environment lacks permission to perform action");
    assert_eq!(reason(&with(cast.client("S")).post(&path, Value::Null)), NO_REASON);
    // another environment sees nothing of it
    let stranger = server.token(&token_in(server, &isolated, Some(id(&isolated)))).environment("isolated");
    for answer in [stranger.get(&path), stranger.post(&path, Value::Null), stranger.get(&format!("{path}/{token}"))] {
        let expected = format!("404 The requested environment '{}' was not found|NOT_FOUND|-", id(&shared));
        assert_eq!(answer.error(), expected);
    }
    // the request must be made in that environment
    let admin = cast.client("A");
    for (client, environment) in [
        (admin.clone(), None),
        (admin.clone(), Some(&shared)),
        (with(admin), Some(&Value::Null)),
        (with(admin), Some(&isolated)),
    ] {
        let body = environment.map_or(Value::Null, in_environment);
        assert_eq!(reason(&client.post(&path, body.clone())), RECORD, "{body}");
    }
    assert_eq!(with(admin).post(&path, in_environment(&shared)).status, 201);
    // an isolated one: by its own administrator, or by a global one whose token is of it
    let of_isolated = user_in(server, "admin", "ai@example.com", Some(id(&isolated)));
    let admin_user = user_record(server, ADMIN_EMAIL);
    for (bearer, place, status) in
        [(&of_isolated, Some(&isolated), 201), (&admin_user, Some(&isolated), 201), (&admin_user, None, 401)]
    {
        let raw = token_in(server, bearer, place.map(id));
        let answer = server.token(&raw).environment("isolated").post(&below(&isolated), Value::Null);
        assert_eq!(answer.status, status, "{bearer}");
    }
    // lists hold the environment's own tokens only, and none outside of it
    let count = |client: &Client| client.get(&format!("{path}?limit=100")).ok(200)["data"].as_array().unwrap().len();
    let held = format!("SELECT count(*) FROM tokens WHERE bearer_id = '{}'", id(&shared));
    assert_eq!(count(&with(admin)).to_string(), select(server, &held));
    assert_eq!(count(cast.client("E")).to_string(), select(server, &held));
    assert_eq!(count(admin), 0, "empty in the global environment");
    let global = select(server, "SELECT id FROM tokens WHERE environment_id IS NULL LIMIT 1");
    assert_eq!(with(admin).get(&format!("{path}/{global}")).status, 404, "not its token");
}

// 03 §10.2, §10.4: forms of the expiry, for a bearer whose tokens end by default
#[test]
fn expiries() {
    let server = Server::start();
    let admin = server.admin();
    let ada = user(&server, "user", "ada@example.com");
    let path = below(&ada);
    let expiry = |sent: Value| {
        let attributes = if sent == json!("absent") { json!({}) } else { json!({ "expiry": sent }) };
        let answer = admin.post(&path, body(attributes));
        match answer.status {
            200 => {
                let token = &answer.body["data"]["attributes"];
                let seconds = format!(
                    "SELECT CAST(strftime('%s', '{}') AS INTEGER) - CAST(strftime('%s', '{}') AS INTEGER)",
                    token["expiry"].as_str().unwrap_or(""),
                    text(&token["created"])
                );
                match select(&server, &seconds).as_str() {
                    "1209600" => "two weeks".to_owned(),
                    _ => token["expiry"].as_str().unwrap_or("never").to_owned(),
                }
            }
            _ => answer.error(),
        }
    };
    let cannot = |what: &str| format!("400 failed to coerce {what} to time|-|/data/attributes/expiry");
    for (sent, expected) in [
        (json!("absent"), "two weeks"),
        (Value::Null, "never"),
        (json!(""), "never"),
        (json!(" "), "never"),
        (json!("forever and a day"), "never"),
        (json!("2030-06-01"), "2030-06-01T00:00:00.000Z"),
        (json!("2024-02-30"), "2024-03-01T00:00:00.000Z"),
        (json!("2030-06-01T01:02:03-05:30"), "2030-06-01T06:32:03.000Z"),
        (json!("2030-06-01T01:02:03.4567Z"), "2030-06-01T01:02:03.456Z"),
        (json!("1999-12-31T23:59:59Z"), "1999-12-31T23:59:59.000Z"),
        (json!("0"), "1970-01-01T00:00:00.000Z"),
        (json!(0), "1970-01-01T00:00:00.000Z"),
        (json!(4_102_444_800_i64), "2100-01-01T00:00:00.000Z"),
        (json!("2030-13-45"), &cannot("string")),
        (json!(1.5), &cannot("float")),
        (json!(false), &cannot("boolean")),
        (json!(["2030-06-01"]), &cannot("array")),
        (json!({ "at": 1 }), &cannot("object")),
    ] {
        assert_eq!(expiry(sent.clone()), expected, "{sent}");
    }
    // a past expiry is accepted, and the token is expired at once
    let token = admin.post(&path, body(json!({ "expiry": "2001-01-01" }))).ok(200);
    let raw = text(&token["data"]["attributes"]["token"]);
    assert_eq!(server.token(raw).get("me").code(), "TOKEN_EXPIRED");
    // every other bearer: never, unless it is said (03 §10.4)
    for role in ["developer", "sales-agent", "support-agent", "read-only"] {
        let client = as_bearer(&server, &user(&server, role, &format!("{role}@example.com")));
        let own = |attributes: Value| client.post("tokens", body(attributes)).ok(201)["data"]["attributes"].clone();
        assert_eq!(own(json!({}))["expiry"], Value::Null, "{role}");
        assert_eq!(own(json!({ "expiry": "2099-01-01" }))["expiry"], "2099-01-01T00:00:00.000Z", "{role}");
    }
}

// 03 §8.1, §10.2, §10.5: which members each route takes, and from whom
#[test]
fn members_by_route() {
    let (cast, shared) = cast_with_environment();
    let uo = user_record(&cast.server, "uo@example.com");
    let (admin, inside) = (cast.client("A"), cast.client("A").environment("shared"));
    let routes = [
        (admin, "tokens".to_owned(), ""),
        (admin, below(&uo), "users"),
        (admin, below(&cast.product), "products"),
        (admin, below(&cast.license), "licenses"),
        (&inside, below(&shared), "environments"),
    ];
    let (long, most) = ("n".repeat(256), "n".repeat(255));
    for (client, path, parent) in &routes {
        let outcome = |attributes: Value| {
            let answer = client.post(path, body(attributes));
            if answer.status < 300 { "ok".to_owned() } else { answer.error() }
        };
        for name in ["maxActivations", "maxDeactivations"] {
            for value in [json!(1), json!(0), Value::Null] {
                let unpermitted = format!("400 unpermitted parameter|-|/data/attributes/{name}");
                let expected = if *parent == "licenses" { "ok" } else { &unpermitted };
                assert_eq!(outcome(json!({ name: value })), expected, "{path} {value}");
            }
        }
        for (attributes, expected) in [
            (json!({ "name": most }), "ok"),
            (json!({ "name": null }), "ok"),
            (
                json!({ "name": long }),
                "422 is too long (maximum is 255 characters)|NAME_TOO_LONG|/data/attributes/name",
            ),
            (json!({ "name": " " }), "400 cannot be blank|-|/data/attributes/name"),
            (json!({ "name": true }), "400 type mismatch (received boolean expected string)|-|/data/attributes/name"),
            (json!({ "bearerId": id(&uo) }), "400 unpermitted parameter|-|/data/attributes/bearerId"),
            (json!({ "kind": "admin-token" }), "400 unpermitted parameter|-|/data/attributes/kind"),
            (json!({ "deactivations": 1 }), "400 unpermitted parameter|-|/data/attributes/deactivations"),
            (
                json!({ "permissions": "*" }),
                "400 type mismatch (received string expected array)|-|/data/attributes/permissions",
            ),
            (
                json!({ "permissions": [1] }),
                "400 type mismatch (received integer expected string)|-|/data/attributes/permissions/0",
            ),
            (json!({ "permissions": [null] }), "400 cannot be null|-|/data/attributes/permissions/0"),
            (json!({ "permissions": ["*"] }), "ok"),
            (json!({ "permissions": null }), "ok"),
            (json!({ "permissions": [] }), "ok"),
        ] {
            assert_eq!(outcome(attributes.clone()), expected, "{path} {attributes}");
        }
        let of = |data: Value| {
            let answer = client.post(path, data);
            if answer.status < 300 { "ok".to_owned() } else { answer.error() }
        };
        let environment =
            |data: Value| json!({ "data": { "type": "token", "relationships": { "environment": data } } });
        let only_here = |fine: &str, pointer: &str| match parent.is_empty() {
            true => fine.to_owned(),
            false => format!("400 unpermitted parameter|-|{pointer}"),
        };
        let environment_id = "/data/relationships/environment/data/id";
        for (sent, expected) in [
            (json!({}), "ok".to_owned()),
            (json!({ "data": { "type": "tokens" } }), "ok".to_owned()),
            (json!({ "data": { "type": "tokens", "relationships": {} } }), "ok".to_owned()),
            (json!({ "data": { "type": "licenses" } }), "400 is invalid|-|/data/type".to_owned()),
            (json!({ "data": null }), "ok".to_owned()),
            (json!({ "data": [] }), "400 type mismatch (received array expected object)|-|/data".to_owned()),
            (json!({ "meta": { "otp": "000000" } }), only_here("ok", "/meta")),
            (
                json!({ "meta": { "otp": 0 } }),
                match parent.is_empty() {
                    true => "400 type mismatch (received integer expected string)|-|/meta/otp".to_owned(),
                    false => "400 unpermitted parameter|-|/meta".to_owned(),
                },
            ),
            (for_bearer(&uo), only_here("ok", "/data/relationships/bearer")),
            (
                json!({ "data": { "type": "token", "relationships": { "policy": {} } } }),
                "400 unpermitted parameter|-|/data/relationships/policy".to_owned(),
            ),
            (environment(json!({})), "400 is missing|-|/data/relationships/environment/data".to_owned()),
            (
                environment(json!({ "data": { "type": "environment", "id": "shared" } })),
                format!("400 type mismatch (received string expected UUID string)|-|{environment_id}"),
            ),
            (
                environment(json!({ "data": { "type": "products", "id": id(&shared) } })),
                "400 is invalid|-|/data/relationships/environment/data/type".to_owned(),
            ),
        ] {
            assert_eq!(of(sent.clone()), expected, "{path} {sent}");
        }
        // permissions below a parent: from A D P E only, whatever the value
        for (name, client) in &cast.clients {
            let client =
                if *parent == "environments" && *name != "E" { client.environment("shared") } else { client.clone() };
            let bare = client.post(path, Value::Null).status;
            for value in [json!(["license.read"]), Value::Null] {
                let answer = client.post(path, body(json!({ "permissions": value })));
                let may = parent.is_empty() || ["A", "D", "P", "P2", "E"].contains(name);
                let expected = if may || matches!(bare, 401 | 404) { bare } else { 400 };
                assert_eq!(answer.status, expected, "{name} {path} {value}");
                if expected == 400 {
                    assert_eq!(answer.error(), "400 unpermitted parameter|-|/data/attributes/permissions");
                }
            }
        }
    }
}

// 03 §8.1: a new token's set lies within its bearer's own, or within what its role may have
#[test]
fn permissions_of_new_tokens() {
    let (cast, shared) = cast_with_environment();
    let server = &cast.server;
    let (admin, inside) = (cast.client("A"), cast.client("A").environment("shared"));
    let ua = user_record(server, "ua@example.com");
    let refused = "422 unsupported permissions|PERMISSIONS_NOT_ALLOWED|/data/attributes/permissions";
    let shown = |client: &Client, path: &str, sent: Value| {
        let answer = client.post(path, body(json!({ "permissions": sent })));
        match answer.status {
            200 | 201 => answer.body["data"]["attributes"]["permissions"].to_string(),
            _ => {
                let error = &answer.body["errors"][0];
                assert_eq!(error["title"], "Unprocessable resource");
                let about = "https://keygen.sh/docs/api/tokens/#tokens-object-attrs-permissions";
                assert_eq!(error["links"]["about"], about);
                answer.error()
            }
        }
    };
    let set = |table: &str, set: &str| server.sql(&format!("UPDATE {table} SET permissions = '{set}'"));
    // name, allowed to the role, not allowed to the role
    for (client, bearer, table, own, allowed, forbidden) in [
        (admin, &ua, "users", "license.read", "product.read", "product.create"),
        (admin, &cast.product, "products", "license.read", "user.ban", "product.create"),
        (admin, &cast.license, "licenses", "license.read", "product.read", "product.create"),
    ] {
        let path = below(bearer);
        let quoted = format!("[\"{own}\"]");
        server.sql("UPDATE licenses SET owner_id = NULL");
        set(table, &quoted);
        server.sql("UPDATE users SET permissions = '[\"*\"]' WHERE role = 'admin'");
        for (sent, expected) in [
            (json!([own]), quoted.as_str()),
            (json!(["*"]), &quoted),
            (json!(["*", own]), &quoted),
            (json!([]), "[]"),
            (json!([allowed]), refused),
            (json!([own, allowed]), refused),
            (json!([own, own]), refused),
            (json!(["license.fly"]), refused),
            (json!(["LICENSE.READ"]), refused),
        ] {
            assert_eq!(shown(client, &path, sent.clone()), expected, "{path} {sent}");
        }
        set(table, "[\"*\"]");
        for (sent, expected) in [
            (json!([allowed]), format!("[\"{allowed}\"]")),
            (json!(["*"]), "[\"*\"]".to_owned()),
            (json!([forbidden]), refused.to_owned()),
        ] {
            assert_eq!(shown(client, &path, sent.clone()), expected, "{path} {sent}");
        }
    }
    // environments have the default set of their role, always
    let path = below(&shared);
    assert_eq!(shown(&inside, &path, json!(["user.ban", "license.read"])), "[\"license.read\",\"user.ban\"]");
    assert_eq!(shown(&inside, &path, json!(["environment.create"])), refused);
    let all: Vec<Value> = serde_json::from_str(&shown(&inside, &path, json!(["*"]))).unwrap();
    assert_eq!(all.len(), 127, "shown in full (03 §8.3)");
    // at `POST /tokens` too, for whoever makes it: the bearer's set counts, not the maker's
    let for_ua = |names: Value| {
        let mut body = for_bearer(&ua);
        body["data"]["attributes"] = json!({ "permissions": names });
        admin.post("tokens", body)
    };
    set("users", "[\"*\"]");
    assert_eq!(for_ua(json!(["product.create"])).error(), refused);
    for_ua(json!(["product.read"])).ok(201);
    // several errors come together, in the order of the attributes
    let answer = admin.post(
        &below(&cast.license),
        body(json!({ "name": "n".repeat(256), "maxActivations": -1, "permissions": ["product.create"] })),
    );
    let codes: Vec<String> = answer.errors().iter().map(|e| e.split('|').nth(1).unwrap().to_owned()).collect();
    assert_eq!(codes, ["NAME_TOO_LONG", "MAX_ACTIVATIONS_INVALID", "PERMISSIONS_NOT_ALLOWED"]);
    assert_eq!(answer.status, 422);
}

// 03 §10.6, §10.7, 05 §5.5, §5.6: where a token made below a parent ends up
#[test]
fn environments_below_parents() {
    let server = Server::start();
    let admin = server.admin();
    let (isolated, shared) = (environment(&server, "isolated", "ISOLATED"), environment(&server, "shared", "SHARED"));
    let admin_user = user_record(&server, ADMIN_EMAIL);
    let inside = server.token(&token_in(&server, &admin_user, Some(id(&isolated)))).environment("isolated");
    let in_shared = admin.environment("shared");
    let license = admin.quick_license(json!({}));
    let product = json!({ "type": "products", "id": license["relationships"]["product"]["data"]["id"] });
    let ada = user(&server, "user", "ada@example.com");
    let own = |client: &Client, place: &Value, email: &str| {
        let license = client.quick_license(json!({}));
        let product = json!({ "type": "products", "id": license["relationships"]["product"]["data"]["id"] });
        [user_in(&server, "user", email, Some(id(place))), product, license]
    };
    let of_isolated = own(&inside, &isolated, "i@example.com");
    let of_shared = own(&in_shared, &shared, "s@example.com");
    let incompatible =
        "422 must be compatible with bearer environment|ENVIRONMENT_NOT_ALLOWED|/data/relationships/environment";
    let missing = "422 must exist|ENVIRONMENT_NOT_FOUND|/data/relationships/environment";
    let unknown = json!({ "type": "environments", "id": new_id() });
    let null = Value::Null;
    let global = [ada, product, license];
    // what was sent; below users, products, licenses
    for (client, parents, sent, expected) in [
        (&admin, &global, None, ["global"; 3]),
        (&admin, &global, Some(&null), ["global"; 3]),
        // from global a user's token may be for any environment that fits the user; others' are strict
        (&admin, &global, Some(&shared), ["shared", RECORD, RECORD]),
        (&admin, &global, Some(&isolated), [incompatible, RECORD, RECORD]),
        (&admin, &global, Some(&unknown), [missing, RECORD, RECORD]),
        (&in_shared, &global, None, ["shared"; 3]),
        (&in_shared, &global, Some(&shared), ["shared"; 3]),
        (&in_shared, &global, Some(&null), [RECORD; 3]),
        (&in_shared, &global, Some(&isolated), [RECORD; 3]),
        (&in_shared, &of_shared, None, ["shared"; 3]),
        (&inside, &of_isolated, None, ["isolated"; 3]),
        (&inside, &of_isolated, Some(&isolated), ["isolated"; 3]),
        (&inside, &of_isolated, Some(&null), [RECORD; 3]),
        (&inside, &of_isolated, Some(&unknown), [RECORD; 3]),
        // out of sight
        (&admin, &of_shared, None, ["404"; 3]),
        (&admin, &of_isolated, None, ["404"; 3]),
        (&inside, &global, None, ["404"; 3]),
        (&in_shared, &of_isolated, None, ["404"; 3]),
    ] {
        let body = sent.map_or(Value::Null, in_environment);
        for (parent, expected) in parents.iter().zip(expected) {
            let answer = client.post(&below(parent), body.clone());
            let place = match answer.status {
                200 => {
                    let made = &answer.body["data"]["relationships"]["environment"]["data"]["id"];
                    let known = [(&isolated, "isolated"), (&shared, "shared")];
                    known.iter().find(|(e, _)| e["id"] == *made).map_or("global", |(_, name)| name).to_owned()
                }
                403 => reason(&answer),
                404 => "404".to_owned(),
                _ => answer.error(),
            };
            assert_eq!(place, expected, "{} {sent:?}", below(parent));
        }
    }
}

/// 03 §10.7: the log names the bearer of a token that is made below it; otherwise the token.
#[test]
fn what_the_log_names() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let user = admin.create("users", json!({ "email": "u@x.example" }), Value::Null);
    let row = "SELECT resource_type || ' ' || resource_id FROM event_logs WHERE event = 'token.generated' ORDER BY id DESC LIMIT 1";
    for record in [&license, &user, &admin.product()] {
        admin.post(&below(record), Value::Null).ok(200);
        assert_eq!(select(&server, row), format!("{} {}", text(&record["type"]), id(record)));
    }
    let token = admin.post("tokens", Value::Null).ok(201);
    assert_eq!(select(&server, row), format!("tokens {}", id(&token["data"])));
}
