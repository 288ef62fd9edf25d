//! What becomes of tokens: regeneration, revocation, what else ends them, and who sees them in lists (03 §10.1, §10.8–§10.10).

use crate::authentication::*;
use crate::authorization::*;
use crate::passwords::give_reset_token;
use crate::support::*;
use crate::token_generation::{RECORD, below, cast_with_environment};
use crate::tokens::{body, for_bearer, user_record};
use serde_json::{Value, json};

const NOT_FOUND: &str = "404 The requested token was not found|NOT_FOUND|-";

/// Id of the token that a caller uses; empty for none.
fn token_id(client: &Client) -> String {
    client.get("me").header("keygen-token").to_owned()
}

fn raw(token: &Value) -> String {
    text(&token["data"]["attributes"]["token"]).to_owned()
}

/// `200`, or the code of the refusal.
fn state(client: &Client) -> String {
    let answer = client.get("me");
    if answer.status == 200 { "200".to_owned() } else { answer.code().to_owned() }
}

// 03 §10.8: the token in use
#[test]
fn regenerating_the_token_in_use() {
    let (cast, _) = cast_with_environment();
    let server = &cast.server;
    for (name, prefix) in [
        ("A", "admin"),
        ("D", "dev"),
        ("S", "sales"),
        ("Su", "spprt"),
        ("P", "prod"),
        ("L", "activ"),
        ("Ua", "user"),
        ("E", "env"),
    ] {
        let client = cast.client(name);
        let id = token_id(client);
        let before = client.get(&format!("tokens/{id}")).ok(200)["data"].clone();
        let answer = client.put("tokens", json!({ "whatever": ["is", "ignored"] }));
        let mut token = answer.ok(200)["data"].clone();
        assert_eq!(answer.header("location"), "", "{name}");
        let secret = text(&token["attributes"]["token"]).to_owned();
        assert!(secret.starts_with(&format!("{prefix}-")) && secret.ends_with("v3"), "{name}");
        assert_eq!(state(client), "TOKEN_INVALID", "{name}: the old one is void at once");
        let fresh = match name {
            "E" => server.token(&secret).environment("shared"),
            _ => server.token(&secret),
        };
        assert_eq!(token_id(&fresh), id, "{name}: the same token");
        // nothing else changes, and the secret is not shown again
        let attributes = token["attributes"].as_object_mut().unwrap();
        attributes.shift_remove("token");
        assert!(text(&attributes["updated"]) > text(&before["attributes"]["updated"]), "{name}");
        attributes["updated"] = before["attributes"]["updated"].clone();
        assert_eq!(token.to_string(), before.to_string(), "{name}");
        let shown = fresh.get(&format!("tokens/{id}")).ok(200);
        assert!(shown["data"]["attributes"].get("token").is_none(), "{name}");
        // once more, by id: everybody may its own
        let again = fresh.put(&format!("tokens/{id}"), Value::Null).ok(200);
        assert_eq!((state(&fresh).as_str(), id_of(&again)), ("TOKEN_INVALID", id.as_str()), "{name}");
    }
    assert_eq!(events(server, "token.regenerated"), "16");
    // reading only is no permission to do this
    let lacking = "read only lacks permission to perform action";
    let own = format!("tokens/{}", token_id(cast.client("R")));
    assert_eq!(reason(&cast.client("R").put("tokens", Value::Null)), lacking);
    assert_eq!(reason(&cast.client("R").put(&own, Value::Null)), lacking);
    server.sql("UPDATE tokens SET permissions = '[\"token.read\"]'");
    let um = cast.client("Um");
    assert_eq!(reason(&um.put("tokens", Value::Null)), "token lacks permission to perform action");
    // no token in use
    server.sql("UPDATE policies SET authentication_strategy = 'MIXED'");
    assert_eq!(server.license_key(key(&cast.license)).put("tokens", Value::Null).error(), NOT_FOUND);
    assert_eq!(server.anonymous().put("tokens", Value::Null).code(), "TOKEN_MISSING");
    let login = server.with(&basic("um@example.com:secret"));
    assert_eq!(login.put("tokens", Value::Null).code(), "TOKEN_INVALID", "03 §2.1: a password is for `POST /tokens`");
    assert_eq!(cast.client("Um").call("PUT", "tokens", Some(b"{")).code(), "JSON_INVALID");
}

fn id_of(document: &Value) -> &str {
    id(&document["data"])
}

// 03 §10.8: what stays and what starts anew
#[test]
fn what_regeneration_keeps() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({ "maxMachines": 9, "floating": true }));
    let attributes = json!({
        "name": "kiosk", "expiry": "2099-01-01", "maxActivations": 7, "maxDeactivations": 3,
        "permissions": ["machine.create", "machine.delete", "token.regenerate", "license.read"]
    });
    let made = admin.post(&below(&license), body(attributes)).ok(200);
    let kiosk = server.token(&raw(&made));
    let machine = kiosk.activate(&license, "a").ok(201)["data"].clone();
    kiosk.delete(&format!("machines/{}", id(&machine))).ok(204);
    let renewed = kiosk.put("tokens", Value::Null).ok(200);
    let attributes = &renewed["data"]["attributes"];
    for (name, expected) in [
        ("name", json!("kiosk")),
        ("kind", json!("activation-token")),
        ("maxActivations", json!(7)),
        ("activations", json!(1)),
        ("maxDeactivations", json!(3)),
        ("deactivations", json!(1)),
        ("permissions", json!(["license.read", "machine.create", "machine.delete", "token.regenerate"])),
        ("created", made["data"]["attributes"]["created"].clone()),
    ] {
        assert_eq!(attributes[name], expected, "{name}");
    }
    assert_eq!(renewed["data"]["relationships"], made["data"]["relationships"]);
    let weeks = |token: &Value, from: &str| {
        let seconds = |name: &str| {
            let value = text(&token["data"]["attributes"][name]).to_owned();
            select(&server, &format!("SELECT CAST(strftime('%s', '{value}') AS INTEGER)")).parse::<i64>().unwrap()
        };
        seconds("expiry") - seconds(from)
    };
    assert_eq!(weeks(&renewed, "updated"), 14 * 86_400, "an expiry becomes two weeks from now");
    // an expired token cannot help itself; somebody else may
    let sleeper = server.token(&raw(&renewed));
    server.sql(&format!("UPDATE tokens SET expires_at = 1000 WHERE id = '{}'", id_of(&made)));
    assert_eq!(sleeper.put("tokens", Value::Null).code(), "TOKEN_EXPIRED");
    assert_eq!(sleeper.put(&format!("tokens/{}", id_of(&made)), Value::Null).code(), "TOKEN_EXPIRED");
    let woken = admin.put(&format!("tokens/{}", id_of(&made)), Value::Null).ok(200);
    assert_eq!(weeks(&woken, "updated"), 14 * 86_400);
    assert_eq!((state(&sleeper).as_str(), state(&server.token(&raw(&woken))).as_str()), ("TOKEN_INVALID", "200"));
    // one without expiry gets none
    let forever = admin.post(&below(&license), Value::Null).ok(200);
    let renewed = admin.put(&format!("tokens/{}", id_of(&forever)), Value::Null).ok(200);
    assert_eq!(renewed["data"]["attributes"]["expiry"], Value::Null);
    // 02 §10: the prefix is that of the bearer's present role
    let ada = user(&server, "user", "ada@example.com");
    let token = admin.post("tokens", for_bearer(&ada)).ok(201);
    server.sql("UPDATE users SET role = 'sales-agent', permissions = '[\"*\"]' WHERE email = 'ada@example.com'");
    let renewed = server.token(&raw(&token)).put("tokens", Value::Null).ok(200);
    assert!(raw(&renewed).starts_with("sales-"));
    assert_eq!(renewed["data"]["attributes"]["kind"], "sales-token");
    // a token that is gone
    admin.delete(&format!("tokens/{}", id_of(&token))).ok(204);
    assert_eq!(admin.put(&format!("tokens/{}", id_of(&token)), Value::Null).code(), "NOT_FOUND");
    assert_eq!(admin.delete(&format!("tokens/{}", id_of(&token))).code(), "NOT_FOUND");
    assert_eq!(
        admin.put("tokens/nope", Value::Null).error(),
        "404 The requested token 'nope' was not found|NOT_FOUND|-"
    );
}

// 03 §10.8, §10.9: whose tokens each bearer regenerates and revokes
#[test]
fn who_regenerates_and_revokes() {
    let (cast, shared) = cast_with_environment();
    let server = &cast.server;
    let person = |email: &str| user_record(server, email);
    let second = user(server, "admin", "second@example.com");
    let (developer, sales) = (person("developer@example.com"), person("sales-agent@example.com"));
    // the sales agent holds a license of P
    attach(server, &cast.license, &sales);
    // a new token for each caller that ended the last one
    let matrix = |bearer: &Value, place: Option<&str>, act: &dyn Fn(&Client, &str) -> Answer| {
        let make = || {
            let user = server.token(&token_in(server, bearer, place));
            let user = if place.is_some() { user.environment("shared") } else { user };
            let path = format!("tokens/{}", token_id(&user));
            (user, path)
        };
        let current = std::cell::RefCell::new(make());
        cast.outcome(|c| {
            let (user, path) = current.borrow().clone();
            let answer = act(c, &path);
            let ended = answer.status < 300;
            assert_eq!(state(&user), if ended { "TOKEN_INVALID" } else { "200" });
            if ended {
                current.replace(make());
            }
            answer
        })
    };
    let regenerate = |c: &Client, path: &str| c.put(path, Value::Null);
    let revoke = |c: &Client, path: &str| c.delete(path);
    // E may not write global tokens: 403, or 404 for an administrator's
    for (bearer, regenerated, revoked) in [
        (
            &cast.license,
            "ok: A D P L; 401: X; 403: S Su R E; 404: Uo Um Ua P2 L2 U",
            "ok: A D P L; 401: X; 403: S Su R E; 404: Uo Um Ua P2 L2 U",
        ),
        (
            &cast.product,
            "ok: A D P; 401: X; 403: S Su R E; 404: L Uo Um Ua P2 L2 U",
            "ok: A D P; 401: X; 403: S Su R E; 404: L Uo Um Ua P2 L2 U",
        ),
        (
            &person("uo@example.com"),
            "ok: A D P Uo; 401: X; 403: S Su R E; 404: L Um Ua P2 L2 U",
            "ok: A D P Uo; 401: X; 403: S Su R E; 404: L Um Ua P2 L2 U",
        ),
        (
            &person("ua@example.com"),
            "ok: A D P Ua; 401: X; 403: S Su R E; 404: L Uo Um P2 L2 U",
            "ok: A D P Ua; 401: X; 403: S Su R E; 404: L Uo Um P2 L2 U",
        ),
        (
            &person("u@example.com"),
            "ok: A D U; 401: X; 403: S Su R E; 404: P L Uo Um Ua P2 L2",
            "ok: A D U; 401: X; 403: S Su R E; 404: P L Uo Um Ua P2 L2",
        ),
        // staff: nobody regenerates another's, ADM and DEV revoke it
        (
            &sales,
            "ok: S; 401: X; 403: A D Su R P E; 404: L Uo Um Ua P2 L2 U",
            "ok: A D S; 401: X; 403: Su R P E; 404: L Uo Um Ua P2 L2 U",
        ),
        (
            &developer,
            "ok: D; 401: X; 403: A S Su R E; 404: P L Uo Um Ua P2 L2 U",
            "ok: A D; 401: X; 403: S Su R E; 404: P L Uo Um Ua P2 L2 U",
        ),
        (
            &second,
            "401: X; 403: A D S Su R; 404: P L Uo Um Ua P2 L2 U E",
            "ok: A D; 401: X; 403: S Su R; 404: P L Uo Um Ua P2 L2 U E",
        ),
    ] {
        assert_eq!(matrix(bearer, None, &regenerate), regenerated, "regenerating {bearer}");
        assert_eq!(matrix(bearer, None, &revoke), revoked, "revoking {bearer}");
    }
    // tokens of the shared environment: out of sight elsewhere, and E's to handle
    let place = Some(id(&shared));
    let of_shared = user_in(server, "admin", "as@example.com", place);
    let elsewhere = "404: A D S Su R P L Uo Um Ua P2 L2 U";
    for (bearer, regenerates, revokes) in [
        (&shared, true, true),
        (&cast.license, true, true),
        (&cast.product, true, true),
        (&person("u@example.com"), true, true),
        (&developer, false, true),
    ] {
        let expected = |may: bool| match may {
            true => format!("ok: E; 401: X; {elsewhere}"),
            false => format!("401: X; 403: E; {elsewhere}"),
        };
        assert_eq!(matrix(bearer, place, &regenerate), expected(regenerates), "regenerating {bearer}");
        assert_eq!(matrix(bearer, place, &revoke), expected(revokes), "revoking {bearer}");
    }
    for act in [&regenerate as &dyn Fn(&Client, &str) -> Answer, &revoke] {
        assert_eq!(matrix(&of_shared, place, act), format!("401: X; {elsewhere} E"), "an administrator's");
    }
    let inside = cast.client("A").environment("shared");
    for (bearer, place, expected) in [
        (&shared, place, "200"),
        (&cast.license, place, "200"),
        (&of_shared, place, NO_REASON),
        (&cast.license, None, RECORD),
    ] {
        let user = server.token(&token_in(server, bearer, place)).environment("shared");
        let answer = inside.put(&format!("tokens/{}", token_id(&user)), Value::Null);
        let got = if answer.status == 200 { "200".to_owned() } else { reason(&answer) };
        assert_eq!(got, expected, "{bearer}");
    }
    // the token's own permissions count
    server.sql("UPDATE tokens SET permissions = '[\"token.read\", \"token.regenerate\"]'");
    let target = format!("tokens/{}", token_id(&server.token(&token_in(server, &cast.product, None))));
    assert_eq!(cast.client("D").put(&target, Value::Null).status, 200);
    assert_eq!(reason(&cast.client("D").delete(&target)), "token lacks permission to perform action");
}

// 03 §10.9: what else ends tokens, and what does not; none of it emits `token.revoked`
#[test]
fn what_ends_tokens() {
    let server = Server::start();
    let admin = server.admin();
    let person = |role: &str| {
        let person = user(&server, role, &format!("{}@example.com", new_id()));
        let clients = [as_bearer(&server, &person), as_bearer(&server, &person)];
        (person, clients)
    };
    let states = |clients: &[Client]| clients.iter().map(state).collect::<Vec<_>>().join(" ");
    let update = |client: &Client, user: &Value, attributes: Value| {
        let body = json!({ "data": { "type": "users", "attributes": attributes } });
        client.patch(&format!("users/{}", id(user)), body).ok(200)
    };
    // a role change: all but the one in use
    let (ada, clients) = person("user");
    update(&admin, &ada, json!({ "role": "user", "firstName": "Ada" }));
    assert_eq!(states(&clients), "200 200", "the same role changes nothing");
    update(&admin, &ada, json!({ "role": "developer" }));
    assert_eq!(states(&clients), "TOKEN_INVALID TOKEN_INVALID");
    let (eve, clients) = person("admin");
    update(&clients[0], &eve, json!({ "role": "developer" }));
    assert_eq!(states(&clients), "200 TOKEN_INVALID");
    let kept = clients[0].get("me").ok(200);
    assert_eq!(kept["included"][0]["attributes"]["kind"], "developer-token");
    assert_eq!(state(&admin), "200", "nobody else's");
    // a refused change ends nothing (04 §6.4)
    let only = user_record(&server, ADMIN_EMAIL);
    let other = as_bearer(&server, &only);
    let body = json!({ "data": { "type": "users", "attributes": { "role": "user" } } });
    assert_eq!(admin.patch(&format!("users/{}", id(&only)), body).code(), "ACCOUNT_ADMINS_REQUIRED");
    assert_eq!(state(&other), "200");
    // passwords: changed by oneself, reset, set by somebody else
    let (bob, clients) = person("user");
    let change = |password: &str| json!({ "meta": { "oldPassword": "secret", "newPassword": password } });
    let path = format!("users/{}/actions/update-password", id(&bob));
    assert_eq!(clients[1].post(&path, change("short")).status, 422);
    assert_eq!(states(&clients), "200 200");
    clients[1].post(&path, change("a new password")).ok(200);
    assert_eq!(states(&clients), "TOKEN_INVALID 200");
    update(&admin, &bob, json!({ "password": "another password" }));
    assert_eq!(state(&clients[1]), "200", "04 §2.1: set by an administrator");
    let email = select(&server, &format!("SELECT email FROM users WHERE id = '{}'", id(&bob)));
    give_reset_token(&server, &email, "known", 60);
    let reset = json!({ "meta": { "passwordResetToken": "known", "newPassword": "yet another" } });
    clients[1].post(&format!("users/{}/actions/reset-password", id(&bob)), reset).ok(200);
    assert_eq!(state(&clients[1]), "TOKEN_INVALID", "the one that was sent along, too");
    // a ban and a suspension refuse, and revoke nothing
    let (cid, clients) = person("user");
    for (action, expected) in [("ban", "USER_BANNED USER_BANNED"), ("unban", "200 200")] {
        admin.post(&format!("users/{}/actions/{action}", id(&cid)), Value::Null).ok(200);
        assert_eq!(states(&clients), expected);
    }
    let license = admin.quick_license(json!({}));
    let app = server.token(&admin.token_for(&license));
    admin.post(&format!("licenses/{}/actions/suspend", id(&license)), Value::Null).ok(200);
    assert_eq!(state(&app), "200");
    // deleted bearers; a product takes its licenses along
    let product = json!({ "type": "products", "id": license["relationships"]["product"]["data"]["id"] });
    let (dan, by_user) = person("user");
    let by_product = server.token(&admin.token_for(&product));
    admin.delete(&format!("users/{}", id(&dan))).ok(204);
    admin.delete(&format!("products/{}", id(&product))).ok(204);
    for client in [&by_user[0], &by_user[1], &by_product, &app] {
        assert_eq!(state(client), "TOKEN_INVALID");
    }
    let license = admin.quick_license(json!({}));
    let app = server.token(&admin.token_for(&license));
    admin.delete(&format!("licenses/{}", id(&license))).ok(204);
    assert_eq!(state(&app), "TOKEN_INVALID");
    // a deleted environment: all in it, also those of global bearers
    let place = environment(&server, "doomed", "SHARED");
    let (fay, outside) = person("developer");
    let inside = [&fay, &place, &only]
        .map(|bearer| server.token(&token_in(&server, bearer, Some(id(&place)))).environment("doomed"));
    assert_eq!(states(&inside), "200 200 200");
    admin.delete(&format!("environments/{}", id(&place))).ok(204);
    let left = format!("SELECT count(*) FROM tokens WHERE environment_id = '{0}' OR bearer_id = '{0}'", id(&place));
    assert_eq!(select(&server, &left), "0");
    assert_eq!(states(&inside), "ENVIRONMENT_INVALID ENVIRONMENT_INVALID ENVIRONMENT_INVALID");
    assert_eq!(states(&outside), "200 200");
    assert_eq!(events(&server, "token.revoked"), "0");
    // 03 §10.9: revocation proper has its event, written before the token is gone
    let id = token_id(&outside[0]);
    outside[0].delete(&format!("tokens/{id}")).ok(204);
    assert_eq!(events(&server, "token.revoked"), "1");
    assert_eq!(select(&server, "SELECT resource_id FROM event_logs WHERE event = 'token.revoked'"), id);
}

// 03 §10.1, §10.10: nested lists and members below users and products
#[test]
fn nested_lists() {
    let (cast, _) = cast_with_environment();
    let server = &cast.server;
    let person = |email: &str| user_record(server, email);
    let sales = person("sales-agent@example.com");
    attach(server, &cast.license, &sales);
    let token_of =
        |bearer: &Value| select(server, &format!("SELECT id FROM tokens WHERE bearer_id = '{}'", id(bearer)));
    for (bearer, listed, shown) in [
        // PRD lists every role-`user` user, but is shown tokens of those that hold its licenses only
        (
            person("uo@example.com"),
            "ok: A D S Su R P Uo P2 E; 401: X; 403: L Um Ua; 404: L2 U",
            "ok: A D S Su R P Uo E; 401: X; 403: L Um Ua P2; 404: L2 U",
        ),
        (
            person("u@example.com"),
            "ok: A D S Su R P P2 U E; 401: X; 404: L Uo Um Ua L2",
            "ok: A D S Su R U E; 401: X; 403: P P2; 404: L Uo Um Ua L2",
        ),
        (
            sales.clone(),
            "ok: A D S Su R; 401: X; 403: L Uo Um Ua E; 404: P P2 L2 U",
            "ok: A D S Su R; 401: X; 403: L Uo Um Ua E; 404: P P2 L2 U",
        ),
        (
            cast.product.clone(),
            "ok: A D S Su R P E; 401: X; 403: L Uo Um Ua; 404: P2 L2 U",
            "ok: A D S Su R P E; 401: X; 403: L Uo Um Ua; 404: P2 L2 U",
        ),
        (
            cast.license.clone(),
            "ok: A D S Su R P E; 401: X; 403: L Uo Um Ua; 404: P2 L2 U",
            "ok: A D S Su R P E; 401: X; 403: L Uo Um Ua; 404: P2 L2 U",
        ),
    ] {
        let path = below(&bearer);
        assert_eq!(cast.outcome(|c| c.get(&path)), listed, "{path}");
        assert_eq!(cast.outcome(|c| c.get(&format!("{path}/{}", token_of(&bearer)))), shown, "{path}/…");
        let strange = cast.client("A").get(&format!("{path}/{}", token_of(&person(ADMIN_EMAIL))));
        assert_eq!(strange.code(), "NOT_FOUND", "of another parent");
        assert_eq!(cast.client("A").get(&format!("{path}/nope")).detail(), "The requested token 'nope' was not found");
    }
    // the list's own scope
    let count = |name: &str, path: &str| cast.client(name).get(path).ok(200)["data"].as_array().unwrap().len();
    let (uo, u) = (below(&person("uo@example.com")), below(&person("u@example.com")));
    for (name, path, expected) in
        [("A", &uo, 1), ("P", &uo, 1), ("P2", &uo, 0), ("P", &u, 0), ("Uo", &uo, 1), ("E", &u, 1)]
    {
        assert_eq!(count(name, path), expected, "{name} {path}");
    }
    let email = "users/uo@example.com/tokens?bearer[id]=nope";
    assert_eq!(count("A", email), 1, "by e-mail, and without filters");
    // staff see everyone's, also an administrator's
    assert_eq!(count("R", &below(&person(ADMIN_EMAIL))), 1);
}

// 03 §10.10, 01 §15: order and pages; what an environment, a product, a user and a license see
#[test]
fn lists() {
    let (cast, shared) = cast_with_environment();
    let server = &cast.server;
    let ids = |client: &Client, query: &str| {
        let list = client.get(&format!("tokens?{query}")).ok(200);
        list["data"].as_array().unwrap().iter().map(|t| id(t).to_owned()).collect::<Vec<_>>()
    };
    let admin = cast.client("A");
    let mut all = ids(admin, "limit=100");
    let by_age = select(
        server,
        "SELECT group_concat(id) FROM (SELECT id FROM tokens WHERE environment_id IS NULL ORDER BY created_at DESC, id DESC)",
    );
    assert_eq!(all.join(","), by_age, "newest first");
    assert_eq!(ids(admin, "limit=3"), all[..3]);
    assert_eq!(ids(admin, ""), all[..10.min(all.len())]);
    assert_eq!(ids(admin, "page[number]=2&page[size]=4"), all[4..8]);
    let page = admin.get("tokens?page[number]=1&page[size]=4&bearer[type]=user").ok(200);
    assert!(text(&page["links"]["next"]).contains("bearer%5Btype%5D=user"), "{}", page["links"]);
    all.reverse();
    assert_eq!(ids(admin, "limit=100&order=asc"), all);
    // nobody's secret
    let list = admin.get("tokens?limit=100").ok(200);
    assert!(list["data"].as_array().unwrap().iter().all(|t| t["attributes"].get("token").is_none()));
    // E: everyone but administrators, global ones and its own
    token_in(server, &user_record(server, ADMIN_EMAIL), Some(id(&shared)));
    token_in(server, &cast.product, Some(id(&shared)));
    let environment = cast.client("E");
    for (query, expected) in [
        ("limit=100", 14),
        ("limit=100&bearer[role]=admin", 0),
        ("limit=100&bearer[role]=environment", 1),
        ("limit=100&bearer[type]=environments", 1),
        ("limit=100&bearer[role][]=environment&bearer[role][]=product", 4),
        ("limit=100&bearer[type]=environment&bearer[role]=product", 0),
    ] {
        assert_eq!(ids(environment, query).len(), expected, "E {query}");
    }
    assert_eq!(ids(&admin.environment("shared"), "limit=100").len(), 16, "staff there: with administrators");
    // each token that is listed can be shown, and no other
    let every = select(server, "SELECT group_concat(id) FROM tokens");
    for (name, client) in cast.clients.iter().filter(|(name, _)| !["X"].contains(name)) {
        let seen = ids(client, "limit=100");
        for id in every.split(',') {
            let status = client.get(&format!("tokens/{id}")).status;
            assert_eq!(status == 200, seen.iter().any(|s| s == id), "{name} {id} {status}");
            assert!(status != 403, "{name} {id}");
        }
    }
    assert_eq!(server.anonymous().get("tokens").code(), "TOKEN_MISSING");
}

// 03 §10.9: tokens that expired more than 90 days ago go, also at a start; none of it is an event
#[test]
fn pruning() {
    let mut server = Server::start();
    let admin = user_record(&server, ADMIN_EMAIL);
    let made = [("old", 91), ("recent", 89)]
        .map(|(name, days)| (name, days, token_id(&server.token(&token_in(&server, &admin, None)))));
    // The pruning of this start may come late.
    server.stop();
    for (name, days, id) in made {
        let expiry = ago(days * 86_400);
        server.sql(&format!("UPDATE tokens SET name = '{name}', expires_at = {expiry} WHERE id = '{id}'"));
    }
    let left =
        |server: &Server| select(server, "SELECT group_concat(name, ' ') FROM (SELECT name FROM tokens ORDER BY id)");
    assert_eq!(left(&server), "First start old recent");
    server.restart();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while left(&server) != "First start recent" {
        assert!(std::time::Instant::now() < deadline, "{}", left(&server));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(events(&server, "token.revoked"), "0");
    assert_eq!(server.admin().get("tokens").ok(200)["data"].as_array().unwrap().len(), 2);
}

// D9, 03 §10.6, §10.7: a bearer that goes while a token is made for it leaves neither a token nor a 500
#[test]
fn bearers_that_go_meanwhile() {
    let server = Server::start();
    let admin = server.admin();
    let policy = admin.policy(&admin.product(), json!({}));
    for _ in 0..10 {
        let license = admin.license(&policy, json!({}));
        let ada = user(&server, "user", &format!("{}@example.com", new_id()));
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let makers = (0..6).map(|n| {
                let (path, body) = match n % 3 {
                    0 => (below(&license), Value::Null),
                    1 => (below(&ada), Value::Null),
                    _ => ("tokens".to_owned(), for_bearer(&ada)),
                };
                let admin = admin.clone();
                scope.spawn(move || admin.post(&path, body).status)
            });
            let makers: Vec<_> = makers.collect();
            for record in [&license, &ada] {
                admin.delete(&format!("{}/{}", text(&record["type"]), id(record))).ok(204);
            }
            makers.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(statuses.iter().all(|status| [200, 201, 403, 404].contains(status)), "{statuses:?}");
    }
    let orphans = "SELECT count(*) FROM tokens WHERE bearer_type IN ('users', 'licenses')
                   AND bearer_id NOT IN (SELECT id FROM users UNION SELECT id FROM licenses)";
    assert_eq!(select(&server, orphans), "0");
    assert!(!server.log().contains("\"ERROR\""), "{}", server.log());
}

// 03 §10.8, §10.9, §12.2: when a reset is answered, no token is left, and none appears: not of a login that had begun before, nor
// of a token that was in use
#[test]
fn nothing_outlives_its_credential() {
    let server = Server::start();
    let ada = user(&server, "user", "ada@example.com");
    let count = format!("SELECT count(*) FROM tokens WHERE bearer_id = '{}'", id(&ada));
    let reset = |password: &str| {
        give_reset_token(&server, "ada@example.com", "reset", 0);
        let body = json!({ "meta": { "passwordResetToken": "reset", "newPassword": password } });
        server.anonymous().post("users/ada@example.com/actions/reset-password", body).ok(200);
    };
    // more logins than are looked at at once: some wait with what they have read
    for round in 0..2 {
        let (old, new) = (format!("password {round}"), format!("password {}", round + 1));
        reset(&old);
        std::thread::scope(|scope| {
            let login = server.with(&basic(&format!("ada@example.com:{old}")));
            for _ in 0..8 {
                let login = login.clone();
                scope.spawn(move || {
                    let answer = login.post("tokens", Value::Null);
                    assert!(answer.status == 201 || answer.code() == "PASSWORD_INVALID", "{}", answer.detail());
                });
            }
            while select(&server, &count) == "0" {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            reset(&new);
        });
        assert_eq!(select(&server, &count), "0", "a login outlived its password");
    }
    // a token that makes tokens while it is revoked
    for _ in 0..4 {
        let client = as_bearer(&server, &ada);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let client = client.clone();
                scope.spawn(move || while client.post("tokens", Value::Null).status == 201 {});
            }
            let client = client.clone();
            while select(&server, &count) == "1" {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            client.delete(&format!("tokens/{}", token_id(&client))).ok(204);
            let left = select(&server, &count);
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert_eq!(select(&server, &count), left, "a token outlived its maker's");
        });
        server.sql(&format!("DELETE FROM tokens WHERE bearer_id = '{}'", id(&ada)));
    }
    // a string is replaced once
    for _ in 0..4 {
        let client = as_bearer(&server, &ada);
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| client.put("tokens", Value::Null).status)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401, 401]);
    }
}
