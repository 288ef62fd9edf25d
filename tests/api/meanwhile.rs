//! What a request decided with is read before its turn at the writer comes. Rights must not outlive a revocation, a ban, a
//! demotion or a deletion that is answered meanwhile (03 §3, §9.1, 04 §6), and nothing may fail for what has gone (D9).
//!
//! The tests hold the database's write lock, so that requests queue up behind each other in a known order.

use crate::authentication::select;
use crate::support::*;
use serde_json::{Value, json};
use std::time::Duration;

/// Runs the calls at once, each a little after the one before, all of them before the first may write; their answers.
fn queued<const N: usize>(server: &Server, calls: [&(dyn Fn() -> Answer + Sync); N]) -> [Answer; N] {
    let lock = rusqlite::Connection::open(server.database()).unwrap();
    lock.busy_timeout(Duration::from_secs(10)).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let threads = calls.map(|call| {
            let thread = scope.spawn(call);
            // Long enough to be read, decided and handed to the writer; a machine that is slower proves less.
            std::thread::sleep(Duration::from_millis(300));
            thread
        });
        lock.execute_batch("ROLLBACK").unwrap();
        threads.map(|thread| thread.join().unwrap())
    })
}

/// A user of that role with a token.
fn person(server: &Server, email: &str, role: &str) -> (Value, Client) {
    let attributes = json!({ "email": email, "role": role, "password": "a password" });
    let user = server.admin().create("users", attributes, Value::Null);
    let token = json!({ "data": { "type": "tokens", "relationships": { "bearer": link(&user) } } });
    let raw = match role {
        "user" => server.admin().post("tokens", token).ok(201),
        _ => {
            use base64::Engine as _;
            let basic = base64::engine::general_purpose::STANDARD.encode(format!("{email}:a password"));
            server.with(&format!("Basic {basic}")).post("tokens", Value::Null).ok(201)
        }
    };
    (user, server.token(text(&raw["data"]["attributes"]["token"])))
}

fn attributes(attributes: Value) -> Value {
    json!({ "data": { "type": "users", "attributes": attributes } })
}

#[test]
fn rights_end_with_the_answer_that_ends_them() {
    let server = Server::start();
    let root = server.admin();
    let product = root.product();

    // A demoted administrator does not promote itself again.
    let (user, client) = person(&server, "demoted@x.example", "admin");
    let path = format!("users/{}", id(&user));
    let again = attributes(json!({ "role": "admin", "permissions": ["*"] }));
    let [first, second] = queued(
        &server,
        [&|| root.patch(&path, attributes(json!({ "role": "user" }))), &|| client.patch(&path, again.clone())],
    );
    assert_eq!((first.status, second.status), (200, 401), "its tokens have ended: {}", second.body);
    assert_eq!(root.get(&path).ok(200)["data"]["attributes"]["role"], "user");

    // One whose permissions were narrowed does not widen them.
    let (user, client) = person(&server, "narrowed@x.example", "admin");
    let path = format!("users/{}", id(&user));
    let [first, second] = queued(
        &server,
        [&|| root.patch(&path, attributes(json!({ "permissions": ["user.read"] }))), &|| {
            client.patch(&path, attributes(json!({ "permissions": ["*"] })))
        }],
    );
    assert_eq!((first.status, second.status), (200, 409), "{}", second.body);
    assert_eq!(root.get(&path).ok(200)["data"]["attributes"]["permissions"], json!(["user.read"]));

    // A banned user changes nothing any more.
    let (user, client) = person(&server, "banned@x.example", "user");
    let path = format!("users/{}", id(&user));
    let [first, second] = queued(
        &server,
        [&|| root.post(&format!("{path}/actions/ban"), Value::Null), &|| {
            client.patch(&path, attributes(json!({ "firstName": "Mallory" })))
        }],
    );
    assert_eq!((first.status, second.status, second.code()), (200, 403, "USER_BANNED"));

    // What a revoked token has asked for is not done.
    let (user, client) = person(&server, "revoked@x.example", "developer");
    let tokens = root.get(&format!("users/{}/tokens", id(&user))).ok(200);
    let token = format!("tokens/{}", id(&tokens["data"][0]));
    let victim = format!("products/{}", id(&product));
    let [first, second] = queued(&server, [&|| root.delete(&token), &|| client.delete(&victim)]);
    assert_eq!((first.status, second.status, second.code()), (204, 401, "TOKEN_INVALID"));
    root.get(&victim).ok(200);

    // A deleted administrator makes no others, however long its requests have waited for their passwords.
    let (user, client) = person(&server, "deleted@x.example", "admin");
    let path = format!("users/{}", id(&user));
    let other = attributes(json!({ "email": "heir@x.example", "role": "admin", "password": "a password" }));
    let [first, second] = queued(&server, [&|| root.delete(&path), &|| client.post("users", other.clone())]);
    assert_eq!((first.status, second.status), (204, 401), "{}", second.body);
    assert_eq!(select(&server, "SELECT count(*) FROM users WHERE email = 'heir@x.example'"), "0");

    // A license whose owner is banned, by key and by token.
    let policy = root.policy(&product, json!({ "authenticationStrategy": "MIXED", "floating": true }));
    let owner = root.create("users", json!({ "email": "owner@x.example" }), Value::Null);
    let body = json!({ "policy": link(&policy), "owner": link(&owner) });
    let license = root.create("licenses", json!({}), body);
    for client in [server.license_key(key(&license)), server.token(&root.token_for(&license))] {
        let path = format!("users/{}/actions", id(&owner));
        let [first, second] = queued(
            &server,
            [&|| root.post(&format!("{path}/ban"), Value::Null), &|| client.activate(&license, "a machine")],
        );
        assert_eq!((first.status, second.status, second.code()), (200, 403, "USER_BANNED"));
        root.post(&format!("{path}/unban"), Value::Null).ok(200);
    }
    assert_eq!(select(&server, "SELECT count(*) FROM machines"), "0");
}

/// 05 §3.4: what is asked for in an environment that goes meanwhile is refused as if it had been gone; not a 500.
#[test]
fn an_environment_goes_while_others_write_in_it() {
    let server = Server::start();
    let root = server.admin();
    root.create("environments", json!({ "name": "Gone", "code": "gone", "isolationStrategy": "SHARED" }), Value::Null);
    let inside = root.environment("gone");
    let group = json!({ "data": { "type": "groups", "attributes": { "name": "Team" } } });
    let user = json!({ "data": { "type": "users", "attributes": { "email": "u@x.example" } } });
    let [first, second, third] = queued(
        &server,
        [&|| root.delete("environments/gone"), &|| inside.post("groups", group.clone()), &|| {
            inside.post("users", user.clone())
        }],
    );
    assert_eq!((first.status, second.code(), third.code()), (204, "ENVIRONMENT_INVALID", "ENVIRONMENT_INVALID"));
}

/// 05 §3.4, 04 §6.4: an environment does not take the last administrator with it.
#[test]
fn an_environment_keeps_the_last_administrator() {
    let server = Server::start();
    let root = server.admin();
    let admins = json!({ "admins": { "data": [{ "type": "users", "attributes": { "email": "in@x.example" } }] } });
    root.create("environments", json!({ "name": "Last", "code": "last", "isolationStrategy": "SHARED" }), admins);
    let (_, developer) = person(&server, "d@x.example", "developer");
    let me = root.get("me").ok(200);
    // There is another administrator, so this one may go.
    root.delete(&format!("users/{}", id(&me["data"]))).ok(204);
    let error = "422 account must have at least 1 admin user|ACCOUNT_ADMINS_REQUIRED|/data/relationships/account";
    assert_eq!(developer.delete("environments/last").error(), error);
    assert_eq!(select(&server, "SELECT count(*) FROM environments"), "1");
}

/// 05 §3.3, 04 §6.2: who makes administrators can itself do what they can, and so can its token.
#[test]
fn administrators_of_an_environment_are_made_by_those_who_can_do_as_much() {
    let server = Server::start();
    let root = server.admin();
    let narrow = json!({ "data": { "type": "tokens", "attributes": { "permissions": ["environment.create"] } } });
    let narrow = root.post("tokens", narrow).ok(201);
    let narrow = server.token(text(&narrow["data"]["attributes"]["token"]));
    let body = |code: &str, admins: Value| json!({ "data": { "type": "environments", "attributes": { "name": code, "code": code }, "relationships": { "admins": { "data": admins } } } });
    let admin = json!([{ "type": "users", "attributes": { "email": "a@x.example" } }]);
    let answer = narrow.post("environments", body("one", admin.clone()));
    assert!(answer.detail().contains("token lacks permission to perform action"), "{}", answer.detail());
    narrow.post("environments", body("one", json!([]))).ok(201);
    let (_, developer) = person(&server, "d@x.example", "developer");
    developer.post("environments", body("two", admin)).ok(201);
}

/// 03 §12: a reset that was asked for is void once the address or the password has changed.
#[test]
fn a_reset_ends_with_address_and_password() {
    let server = Server::start();
    let root = server.admin();
    for (n, change) in
        [json!({ "email": "new@x.example" }), json!({ "password": "another one" }), json!({ "password": null })]
            .into_iter()
            .enumerate()
    {
        let email = format!("u{n}@x.example");
        let user = root.create("users", json!({ "email": email, "password": "a password" }), Value::Null);
        let asked = || {
            select(&server, &format!("SELECT password_reset_digest IS NOT NULL FROM users WHERE id = '{}'", id(&user)))
        };
        server.anonymous().post("passwords", json!({ "meta": { "email": email } })).ok(204);
        assert_eq!(asked(), "1");
        root.patch(&format!("users/{}", id(&user)), attributes(json!({ "firstName": "Ada" }))).ok(200);
        assert_eq!(asked(), "1", "other changes leave it");
        root.patch(&format!("users/{}", id(&user)), attributes(change)).ok(200);
        assert_eq!(asked(), "0");
    }
}
