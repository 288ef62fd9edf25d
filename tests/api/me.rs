//! `/me` and `/profile` for every kind of bearer (03 §11).

use crate::authentication::*;
use crate::authorization::*;
use crate::support::*;
use crate::token_generation::cast_with_environment;
use crate::tokens::user_record;
use serde_json::{Value, json};

// 03 §11: the bearer's own type and usual attributes, the token without its secret
#[test]
fn every_bearer_sees_itself() {
    let (cast, shared) = cast_with_environment();
    let server = &cast.server;
    let user = |email: &str| user_record(server, email);
    let before = select(server, "SELECT count(*) FROM event_logs");
    for (name, record, kind) in [
        ("A", user(ADMIN_EMAIL), "admin-token"),
        ("D", user("developer@example.com"), "developer-token"),
        ("S", user("sales-agent@example.com"), "sales-token"),
        ("Su", user("support-agent@example.com"), "support-token"),
        ("R", user("read-only@example.com"), "read-only-token"),
        ("P", cast.product.clone(), "product-token"),
        ("L", cast.license.clone(), "activation-token"),
        ("Uo", user("uo@example.com"), "user-token"),
        ("E", shared.clone(), "environment-token"),
    ] {
        let client = cast.client(name);
        let type_ = text(&record["type"]);
        let shown = match name {
            "E" => cast.client("A").get(&format!("environments/{}", id(&record))),
            _ => cast.client("A").get(&format!("{type_}/{}", id(&record))),
        };
        let shown = shown.ok(200)["data"].to_string();
        for method in ["GET", "HEAD"] {
            assert_eq!(client.call(method, "me", None).status, 200, "{name}");
        }
        let answer = client.get("me?limit=0&order=x");
        let me = answer.ok(200);
        assert_eq!(
            me.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["data", "included"],
            "{name}: no filters, no meta"
        );
        assert_eq!(me["data"].to_string(), shown, "{name}");
        let tokens = me["included"].as_array().unwrap();
        assert_eq!((tokens.len(), id(&tokens[0])), (1, answer.header("keygen-token")), "{name}");
        let token = client.get(&format!("tokens/{}", id(&tokens[0]))).ok(200)["data"].to_string();
        assert_eq!(tokens[0].to_string(), token, "{name}");
        assert_eq!(tokens[0]["attributes"]["kind"], kind);
        assert!(tokens[0]["attributes"].get("token").is_none());
        let profile = client.get("profile").ok(200);
        assert_eq!(profile.as_object().unwrap().keys().collect::<Vec<_>>(), ["data", "meta"], "{name}");
        assert_eq!(profile["data"].to_string(), shown, "{name}");
        assert_eq!(profile["meta"], json!({ "tokenId": tokens[0]["id"] }), "{name}");
        // under both prefixes (01 §2.1)
        for path in ["/v1/me", "/v1/profile", "/v1/accounts/acme/me"] {
            assert_eq!(client.get(path).ok(200)["data"]["id"], record["id"], "{name} {path}");
        }
        for method in ["POST", "PATCH", "PUT", "DELETE"] {
            assert_eq!(client.call(method, "me", None).status, 404, "{name} {method}");
        }
    }
    assert_eq!(select(server, "SELECT count(*) FROM event_logs"), before, "no events");
    for path in ["me", "profile"] {
        assert_eq!(server.anonymous().get(path).code(), "TOKEN_MISSING");
        assert_eq!(server.with(&basic(&format!("{ADMIN_EMAIL}:{ADMIN_PASSWORD}"))).get(path).code(), "TOKEN_INVALID");
    }
}

// 03 §11, §9.1: permission of bearer, then of token, then the environment of `/profile`
#[test]
fn permissions_and_environments() {
    let (cast, shared) = cast_with_environment();
    let server = &cast.server;
    let isolated = environment(server, "isolated", "ISOLATED");
    for (name, table, role, permission) in [
        ("D", "users", "developer", "user.read"),
        ("Su", "users", "support agent", "user.read"),
        ("Ua", "users", "user", "user.read"),
        ("P", "products", "product", "product.read"),
        ("L", "licenses", "license", "license.read"),
        ("E", "", "environment", "environment.read"),
    ] {
        let client = cast.client(name);
        let id = client.get("me").ok(200)["data"]["id"].clone();
        let token = client.get("me").header("keygen-token").to_owned();
        let set = |table: &str, id: &str, set: Value| {
            server.sql(&format!("UPDATE {table} SET permissions = '{set}' WHERE id = '{id}'"));
        };
        for path in ["me", "profile"] {
            if !table.is_empty() {
                set(table, text(&id), json!(["token.read"]));
                assert_eq!(reason(&client.get(path)), format!("{role} lacks permission to perform action"), "{path}");
                set(table, text(&id), json!([permission]));
                client.get(path).ok(200);
            }
            set("tokens", &token, json!(["token.read"]));
            assert_eq!(reason(&client.get(path)), "token lacks permission to perform action", "{name} {path}");
            set("tokens", &token, json!([permission]));
            client.get(path).ok(200);
            set("tokens", &token, json!(["*"]));
        }
    }
    // a global bearer in a shared environment reads itself there
    for name in ["A", "D", "P", "L", "Uo"] {
        for path in ["me", "profile"] {
            if name == "D" || name == "P" || name == "L" {
                server.sql("UPDATE users SET permissions = '[\"*\"]'; UPDATE products SET permissions = '[\"*\"]'");
                server.sql("UPDATE licenses SET permissions = '[\"*\"]'");
            }
            cast.client(name).environment("shared").get(path).ok(200);
        }
    }
    // only an administrator needs `admin.read` for its profile, and nobody for `/me`
    let admin = user_record(server, ADMIN_EMAIL);
    let inside = server.token(&token_in(server, &admin, Some(id(&isolated)))).environment("isolated");
    let set = |set: Value| server.sql(&format!("UPDATE users SET permissions = '{set}' WHERE id = '{}'", id(&admin)));
    let environment = "record environment is not compatible with the current environment";
    for (permissions, me, profile, profile_inside) in [
        (json!(["user.read", "admin.read"]), "200", "200", environment),
        (json!(["*"]), "200", "200", environment),
        (
            json!(["user.read"]),
            "200",
            "admin lacks permission to perform action",
            "admin lacks permission to perform action",
        ),
        (
            json!(["admin.read"]),
            "admin lacks permission to perform action",
            "admin lacks permission to perform action",
            "admin lacks permission to perform action",
        ),
    ] {
        set(permissions);
        let outcome = |client: &Client, path: &str| {
            let answer = client.get(path);
            if answer.status == 200 { "200".to_owned() } else { reason(&answer) }
        };
        assert_eq!(outcome(cast.client("A"), "me"), me);
        assert_eq!(outcome(cast.client("A"), "profile"), profile);
        assert_eq!(outcome(&inside, "me"), me);
        assert_eq!(outcome(&inside, "profile"), profile_inside);
    }
    // users and environments of an environment see themselves in it
    let of_shared = user_in(server, "developer", "s@example.com", Some(id(&shared)));
    let of_isolated = user_in(server, "user", "i@example.com", Some(id(&isolated)));
    for (bearer, place, code) in [
        (&of_shared, &shared, "shared"),
        (&of_isolated, &isolated, "isolated"),
        (&isolated, &isolated, "isolated"),
        (&shared, &shared, "shared"),
    ] {
        let client = server.token(&token_in(server, bearer, Some(id(place)))).environment(code);
        for path in ["me", "profile"] {
            assert_eq!(client.get(path).ok(200)["data"]["id"], bearer["id"], "{code} {path}");
        }
    }
}

// 03 §11: without a token
#[test]
fn by_license_key() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({ "authenticationStrategy": "LICENSE" }));
    for client in [server.license_key(key(&license)), server.with(&basic(&format!("license:{}", key(&license))))] {
        let answer = client.get("me");
        let me = answer.ok(200);
        assert_eq!(me.as_object().unwrap().keys().collect::<Vec<_>>(), ["data"]);
        assert_eq!((id(&me["data"]), answer.header("keygen-token")), (id(&license), ""));
        assert_eq!(client.get("profile").ok(200)["meta"].to_string(), r#"{"tokenId":null}"#);
    }
}
