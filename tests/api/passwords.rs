//! Passwords: how they are stored, asking for a reset, resetting, changing (03 §12, 04 §2.1, 02 §11).

use crate::authentication::*;
use crate::authorization::*;
use crate::support::*;
use crate::token_generation::{RECORD, cast_with_environment};
use crate::tokens::user_record;
use keygen_lite::crypto::token;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What every digest of ours starts with (02 §11).
pub const OURS: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// The stored digest of a user's password; empty for none.
pub fn stored(server: &Server, email: &str) -> String {
    select(server, &format!("SELECT password_digest FROM users WHERE email = '{email}'"))
}

/// Logs in; `201`, or the code of the refusal.
pub fn login(server: &Server, email: &str, password: &str) -> String {
    let answer = server.with(&basic(&format!("{email}:{password}"))).post("tokens", Value::Null);
    if answer.status == 201 { "201".to_owned() } else { answer.code().to_owned() }
}

/// Gives a user a reset token that was sent so many seconds ago. The real ones leave the server in mails and webhooks only.
pub fn give_reset_token(server: &Server, email: &str, raw: &str, seconds: i64) {
    let digest = token::digest(&select(server, "SELECT secret_key FROM account_keys"), raw);
    server.sql(&format!(
        "UPDATE users SET password_reset_digest = '{digest}', password_reset_at = {} WHERE email = '{email}'",
        ago(seconds)
    ));
}

fn outstanding(server: &Server, email: &str) -> String {
    select(server, &format!("SELECT password_reset_digest FROM users WHERE email = '{email}'"))
}

fn new_password(token: &str, password: &str) -> Value {
    json!({ "meta": { "passwordResetToken": token, "newPassword": password } })
}

fn change(old: &str, new: &str) -> Value {
    json!({ "meta": { "oldPassword": old, "newPassword": new } })
}

const SHORT: &str = "422 is too short (minimum is 6 characters)|PASSWORD_TOO_SHORT|/data/attributes/password";
const LONG: &str = "422 is too long (maximum is 72 characters)|PASSWORD_TOO_LONG|/data/attributes/password";

/// What each way of setting a password says to each length.
fn lengths() -> [(String, Option<&'static str>); 7] {
    [
        ("12345".to_owned(), Some(SHORT)),
        ("é".repeat(5), Some(SHORT)),
        ("x".repeat(73), Some(LONG)),
        ("é".repeat(73), Some(LONG)),
        ("123456".to_owned(), None),
        ("é".repeat(72), None),
        (" pass word ".to_owned(), None),
    ]
}

// 03 §12, 04 §2.1, 02 §11, D22: argon2id whichever way a password is set, 6 to 72 characters, all of which count
#[test]
fn every_way_of_setting_a_password() {
    let server = Server::start();
    let admin = server.admin();
    let data = |attributes: Value| json!({ "data": { "type": "users", "attributes": attributes } });
    let email = "ada@example.com";
    admin.post("users", data(json!({ "email": email, "password": "first one" }))).ok(201);
    let ada = user_record(&server, email);
    let client = as_bearer(&server, &ada);
    let path = format!("users/{}", id(&ada));
    type Way<'a> = (&'a str, &'a dyn Fn(&str) -> Answer, u16);
    let ways: [Way<'_>; 4] = [
        (
            "create",
            &|password| {
                let email = format!("{}@example.com", new_id());
                let answer = admin.post("users", data(json!({ "email": email, "password": password })));
                if answer.status == 201 {
                    server.sql(&format!(
                        "UPDATE users SET password_digest = (SELECT password_digest FROM users WHERE email = '{email}')
                     WHERE email = 'ada@example.com'"
                    ));
                }
                answer
            },
            201,
        ),
        ("update", &|password| admin.patch(&path, data(json!({ "password": password }))), 200),
        (
            "update-password",
            &|password| {
                admin.patch(&path, data(json!({ "password": "the old one" }))).ok(200);
                client.post(&format!("{path}/actions/update-password"), change("the old one", password))
            },
            200,
        ),
        (
            "reset-password",
            &|password| {
                give_reset_token(&server, email, "reset", 0);
                server.anonymous().post(&format!("{path}/actions/reset-password"), new_password("reset", password))
            },
            200,
        ),
    ];
    for (name, set, status) in ways {
        for (password, error) in lengths() {
            let answer = set(&password);
            match error {
                Some(error) => {
                    assert_eq!(answer.error(), error, "{name} {password}");
                    let about = "https://keygen.sh/docs/api/users/#users-object-attrs-password";
                    assert_eq!(answer.body["errors"][0]["links"]["about"], about, "{name}");
                }
                None => {
                    let document = answer.ok(status);
                    assert_eq!(document["data"]["type"], "users", "{name}");
                    assert!(!document.to_string().contains("argon2") && !document.to_string().contains(&password));
                    let digest = stored(&server, email);
                    assert!(digest.starts_with(OURS), "{name} {digest}");
                    assert_eq!(login(&server, email, &password), "201", "{name} {password}");
                    let mut other: Vec<char> = password.chars().collect();
                    *other.last_mut().unwrap() = '!';
                    let other: String = other.into_iter().collect();
                    assert_eq!(login(&server, email, &other), "PASSWORD_INVALID", "{name}: the last one counts");
                }
            }
        }
        for blank in ["", "      "] {
            let answer = set(blank);
            assert_eq!((answer.status, answer.detail()), (400, "cannot be blank"), "{name}");
        }
    }
    // salts: the same password twice gives different digests
    let digests = ["a@example.com", "b@example.com"].map(|email| {
        admin.post("users", data(json!({ "email": email, "password": "the same" }))).ok(201);
        stored(&server, email)
    });
    assert_ne!(digests[0], digests[1]);
    // none, and none any more
    admin.post("users", data(json!({ "email": "none@example.com", "password": null }))).ok(201);
    admin.patch(&path, data(json!({ "password": null }))).ok(200);
    for email in ["none@example.com", email] {
        assert_eq!(login(&server, email, "whatever"), "PASSWORD_NOT_SUPPORTED");
    }
}

// 02 §11, D22: digests of an import, and of weaker parameters, are replaced at the next good login
#[test]
fn old_digests_are_replaced() {
    let server = Server::start();
    let vectors: Value = serde_json::from_str(include_str!("../../docs/spec/vectors/crypto.json")).unwrap();
    let vectors = vectors["passwords"].as_array().unwrap().iter().filter(|entry| entry["match"] == true);
    let mut cases: Vec<(String, String)> =
        vectors.map(|e| (text(&e["password"]).to_owned(), text(&e["bcrypt"]).to_owned())).collect();
    let cheap = bcrypt::hash("correct horse", 4).unwrap();
    cases.push(("correct horse".to_owned(), cheap.replacen("$2b$", "$2y$", 1)));
    // argon2id with less memory and fewer passes
    let weaker = {
        use argon2::password_hash::{PasswordHasher as _, SaltString};
        let params = argon2::Params::new(64, 1, 1, None).unwrap();
        let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        hasher.hash_password(b"password", &SaltString::encode_b64(b"sixteen bytes ok").unwrap()).unwrap().to_string()
    };
    cases.push(("password".to_owned(), weaker));
    assert!(cases.len() > 2);
    user(&server, "user", "ada@example.com");
    let id = id(&user_record(&server, "ada@example.com")).to_owned();
    for (password, digest) in cases {
        server.sql(&format!("UPDATE users SET password_digest = '{digest}' WHERE id = '{id}'"));
        let updated = select(&server, &format!("SELECT updated_at FROM users WHERE id = '{id}'"));
        assert_eq!(login(&server, "ada@example.com", "wrong one"), "PASSWORD_INVALID", "{digest}");
        assert_eq!(stored(&server, "ada@example.com"), digest, "a wrong password replaces nothing");
        assert_eq!(login(&server, "ada@example.com", &password), "201", "{digest}");
        // stored behind the answer
        let deadline = Instant::now() + Duration::from_secs(10);
        while !stored(&server, "ada@example.com").starts_with(OURS) {
            assert!(Instant::now() < deadline, "{digest} stays");
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(select(&server, &format!("SELECT updated_at FROM users WHERE id = '{id}'")), updated);
        assert_eq!(login(&server, "ada@example.com", &password), "201");
        assert_eq!(login(&server, "ada@example.com", "wrong one"), "PASSWORD_INVALID");
    }
    // good for changing it, too
    let digest = bcrypt::hash("from elsewhere", 4).unwrap();
    server.sql(&format!("UPDATE users SET password_digest = '{digest}' WHERE id = '{id}'"));
    let client = as_bearer(&server, &json!({ "type": "users", "id": id }));
    let path = format!("users/{id}/actions/update-password");
    assert_eq!(client.post(&path, change("from nowhere", "123456")).status, 401);
    client.post(&path, change("from elsewhere", "123456")).ok(200);
    assert_eq!(login(&server, "ada@example.com", "123456"), "201");
}

// 03 §12.1
#[test]
fn asking_for_a_reset() {
    let server = Server::start();
    let isolated = environment(&server, "isolated", "ISOLATED");
    user(&server, "user", "ada@example.com");
    user_in(&server, "developer", "dev@example.com", Some(id(&isolated)));
    user(&server, "user", "invited@example.com");
    server.sql("UPDATE users SET password_digest = NULL WHERE email = 'invited@example.com'");
    let nobody = server.anonymous();
    let ask = |email: &str| json!({ "meta": { "email": email } });
    for (body, expected) in [
        (Value::Null, "400 is missing|-|/meta"),
        (json!({}), "400 is missing|-|/meta"),
        (json!({ "meta": null }), "400 cannot be null|-|/meta"),
        (json!({ "meta": {} }), "400 is missing|-|/meta/email"),
        (json!({ "meta": { "deliver": true } }), "400 is missing|-|/meta/email"),
        (json!({ "meta": { "email": null } }), "400 cannot be null|-|/meta/email"),
        (json!({ "meta": { "email": " " } }), "400 cannot be blank|-|/meta/email"),
        (json!({ "meta": { "email": 1 } }), "400 type mismatch (received integer expected string)|-|/meta/email"),
        (
            json!({ "meta": { "email": "ada@example.com", "deliver": "no" } }),
            "400 type mismatch (received string expected boolean)|-|/meta/deliver",
        ),
        (json!({ "meta": { "email": "ada@example.com", "x": 1 } }), "400 unpermitted parameter|-|/meta/x"),
        (json!({ "data": {}, "meta": { "email": "ada@example.com" } }), "400 unpermitted parameter|-|/data"),
    ] {
        assert_eq!(nobody.post("passwords", body.clone()).error(), expected, "{body}");
    }
    assert_eq!(events(&server, "user.password-reset"), "0");
    // unknown: the same answer, and nothing happens
    for email in ["eve@example.com", "no address", "ada@example.co"] {
        let answer = nobody.post("passwords", ask(email));
        assert_eq!((answer.status, answer.bytes.len()), (204, 0), "{email}");
    }
    assert_eq!(select(&server, "SELECT count(*) FROM users WHERE password_reset_digest IS NOT NULL"), "0");
    assert_eq!(events(&server, "user.password-reset"), "0");
    // known, in whichever environment and casing, with a password or without, whatever `deliver` says
    let inside = nobody.environment("isolated");
    let mut count = 0;
    for (client, body, email) in [
        (&nobody, ask("ada@example.com"), "ada@example.com"),
        (&nobody, ask("ADA@Example.COM"), "ada@example.com"),
        (&nobody, ask("dev@example.com"), "dev@example.com"),
        (&inside, ask("ada@example.com"), "ada@example.com"),
        (&inside, ask("dev@example.com"), "dev@example.com"),
        (&nobody, ask("invited@example.com"), "invited@example.com"),
        (&nobody, json!({ "meta": { "email": "ada@example.com", "deliver": false } }), "ada@example.com"),
        (&nobody, json!({ "meta": { "email": "ada@example.com", "deliver": true } }), "ada@example.com"),
        (&nobody, json!({ "meta": { "email": "ada@example.com", "deliver": null } }), "ada@example.com"),
        // nobody needs to be anybody: a bad credential is not read
        (&server.token("nope"), ask("ada@example.com"), "ada@example.com"),
        (&server.admin(), ask(ADMIN_EMAIL), ADMIN_EMAIL),
    ] {
        let before = outstanding(&server, email);
        let answer = client.post("passwords", body.clone());
        assert_eq!((answer.status, answer.bytes.len()), (204, 0), "{body}");
        assert_eq!(answer.header("keygen-bearer"), "", "{body}");
        count += 1;
        let after = outstanding(&server, email);
        assert!(after.len() == 64 && after != before, "{body}: a new one, and the previous is void");
        assert_eq!(events(&server, "user.password-reset"), count.to_string(), "{body}");
        let age = format!("SELECT {} - password_reset_at FROM users WHERE email = '{email}'", ago(0));
        assert!(select(&server, &age).parse::<i64>().unwrap().abs() < 60_000, "{body}");
        let resource = select(
            &server,
            "SELECT resource_id FROM event_logs WHERE event = 'user.password-reset' ORDER BY id DESC LIMIT 1",
        );
        assert_eq!(resource, id(&user_record(&server, email)), "{body}");
    }
    // the password works as before, and the raw token is nowhere in what the API tells of the user
    assert_eq!(login(&server, "ada@example.com", "secret"), "201");
    let shown = server.admin().get("users/ada@example.com").ok(200);
    let names: Vec<_> = shown["data"]["attributes"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "fullName",
        "firstName",
        "lastName",
        "email",
        "status",
        "role",
        "permissions",
        "metadata",
        "created",
        "updated",
    ];
    assert_eq!((names.as_slice(), shown["data"].get("meta")), (&expected[..], None));
    assert_eq!(nobody.environment("nope").post("passwords", ask("ada@example.com")).code(), "ENVIRONMENT_INVALID");
    assert_eq!(nobody.get("passwords").status, 404);
    // 03 §12.3, 05 §1.1: accounts of an address
    for (body, status) in [
        (json!({ "meta": { "type": "account", "email": "ada@example.com" } }), 204),
        (json!({ "meta": { "type": "account", "email": "eve@example.com" } }), 204),
        (json!({ "meta": { "type": "user", "email": "ada@example.com" } }), 400),
        (json!({ "meta": { "type": "account" } }), 400),
        (Value::Null, 400),
    ] {
        assert_eq!(nobody.post("/v1/recover", body.clone()).status, status, "{body}");
    }
    assert_eq!(events(&server, "user.password-reset"), count.to_string());
}

// 03 §12.2: each request fails everything that comes later, too
#[test]
fn resetting_in_order() {
    let server = Server::start();
    let admin = server.admin();
    let (isolated, shared) = (environment(&server, "isolated", "ISOLATED"), environment(&server, "shared", "SHARED"));
    user(&server, "user", "ada@example.com");
    user(&server, "developer", "dev@example.com");
    user_in(&server, "user", "i@example.com", Some(id(&isolated)));
    user_in(&server, "user", "s@example.com", Some(id(&shared)));
    server.sql("UPDATE users SET password_digest = NULL WHERE email IN ('ada@example.com', 'dev@example.com')");
    let nobody = server.anonymous();
    let (inside, sharing) = (nobody.environment("isolated"), nobody.environment("shared"));
    let path = |user: &str| format!("users/{user}/actions/reset-password");
    // 1
    for (client, name) in [(&nobody, "Eve@Example.com"), (&inside, "nope"), (&nobody, new_id().as_str())] {
        let expected = format!("404 The requested user '{name}' was not found|NOT_FOUND|-");
        assert_eq!(client.post(&path(name), Value::Null).error(), expected);
    }
    // 2
    let user = "user environment is not compatible with the current environment";
    for (client, name, expected) in [
        (&nobody, "i@example.com", user),
        (&nobody, "s@example.com", user),
        (&inside, "ada@example.com", user),
        (&inside, "s@example.com", user),
        (&sharing, "i@example.com", user),
        (&sharing, "ada@example.com", RECORD),
    ] {
        assert_eq!(reason(&client.post(&path(name), Value::Null)), expected, "{name}");
    }
    // 3
    let protect = |protected: bool| {
        let body = json!({ "data": { "type": "accounts", "attributes": { "protected": protected } } });
        admin.patch("/v1/accounts/acme", body).ok(200);
    };
    protect(true);
    assert_eq!(
        reason(&nobody.post(&path("ada@example.com"), Value::Null)),
        "ensure a token or license is present and valid"
    );
    for name in ["dev@example.com", ADMIN_EMAIL] {
        assert_eq!(nobody.post(&path(name), Value::Null).status, 400, "{name}: has a role in the staff");
    }
    assert_eq!(inside.post(&path("i@example.com"), Value::Null).status, 400, "has a password");
    protect(false);
    // 4
    for (body, expected) in [
        (Value::Null, "400 is missing|-|/meta"),
        (json!({ "meta": {} }), "400 is missing|-|/meta/passwordResetToken"),
        (json!({ "meta": { "passwordResetToken": "x" } }), "400 is missing|-|/meta/newPassword"),
        (json!({ "meta": { "newPassword": "x" } }), "400 is missing|-|/meta/passwordResetToken"),
        (new_password("", "x"), "400 cannot be blank|-|/meta/passwordResetToken"),
        (new_password("x", ""), "400 cannot be blank|-|/meta/newPassword"),
        (
            json!({ "meta": { "passwordResetToken": 1, "newPassword": 1 } }),
            "400 type mismatch (received integer expected string)|-|/meta/passwordResetToken",
        ),
        (
            json!({ "meta": { "passwordResetToken": "x", "newPassword": "x", "oldPassword": "x" } }),
            "400 unpermitted parameter|-|/meta/oldPassword",
        ),
    ] {
        assert_eq!(nobody.post(&path("ada@example.com"), body.clone()).error(), expected, "{body}");
    }
    // 5: none outstanding, another one, another user's, another's digest
    let wrong = |name: &str, token: &str| {
        let expected = format!("404 The requested user '{name}' was not found|NOT_FOUND|-");
        assert_eq!(nobody.post(&path(name), new_password(token, "x")).error(), expected, "{name} {token}");
    };
    wrong("ada@example.com", "x");
    give_reset_token(&server, "dev@example.com", "dev's", 90_000);
    give_reset_token(&server, "ada@example.com", "ada's", 90_000);
    wrong("ada@example.com", "x");
    wrong("Ada@example.com", "dev's");
    wrong("ada@example.com", "ADA's");
    wrong("ada@example.com", &outstanding(&server, "ada@example.com"));
    // 6
    let expired = "401 is expired|-|/meta/passwordResetToken";
    for seconds in [86_401, 90_000] {
        give_reset_token(&server, "ada@example.com", "ada's", seconds);
        let answer = nobody.post(&path("ada@example.com"), new_password("ada's", "x"));
        assert_eq!(answer.error(), expired);
        assert_eq!(answer.body["errors"][0]["title"], "Unauthorized");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"keygen\"", "03 §3");
    }
    // 7: and the token is still good
    give_reset_token(&server, "ada@example.com", "ada's", 86_000);
    assert_eq!(nobody.post(&path("ada@example.com"), new_password("ada's", "x")).error(), SHORT);
    // 8: credentials are not read, good or bad
    let bad = server.token("nope");
    let done = bad.post(&path("ada@example.com"), new_password("ada's", "a new one")).ok(200);
    assert_eq!(done["data"]["attributes"]["email"], "ada@example.com");
    assert_eq!(login(&server, "ada@example.com", "a new one"), "201");
    wrong("ada@example.com", "ada's");
    assert_eq!(outstanding(&server, "ada@example.com"), "");
    for (client, name) in [(&inside, "i@example.com"), (&sharing, "s@example.com"), (&nobody, "dev@example.com")] {
        give_reset_token(&server, name, "theirs", 0);
        let user = user_record(&server, name);
        let tokens = [token_in(&server, &user, None), token_in(&server, &user, None)];
        client.post(&path(id(&user)), new_password("theirs", "their own")).ok(200);
        let left = format!("SELECT count(*) FROM tokens WHERE bearer_id = '{}'", id(&user));
        assert_eq!(select(&server, &left), "0", "{name}");
        assert_eq!(server.token(&tokens[0]).get("me").code(), "TOKEN_INVALID", "{name}");
    }
    assert_eq!(select(&server, "SELECT count(*) FROM event_logs WHERE event LIKE 'user.%'"), "0");
}

// 03 §12.2: a token works once, also for two requests at the same time
#[test]
fn a_reset_token_works_once() {
    let server = Server::start();
    user(&server, "user", "ada@example.com");
    give_reset_token(&server, "ada@example.com", "once", 0);
    let answers: Vec<(u16, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let client = server.anonymous();
                scope.spawn(move || {
                    let password = format!("password {n}");
                    let body = new_password("once", &password);
                    (client.post("users/ada@example.com/actions/reset-password", body).status, password)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let winners: Vec<&String> = answers.iter().filter(|(status, _)| *status == 200).map(|(_, p)| p).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|(status, _)| [200, 404].contains(status)), "{answers:?}");
    assert_eq!(login(&server, "ada@example.com", winners[0]), "201");
}

// 03 §12.3
#[test]
fn changing_in_order() {
    let (mut cast, _) = cast_with_environment();
    let outsider = user(&cast.server, "user", "passive@example.com");
    cast.clients.push(("None", as_bearer(&cast.server, &outsider)));
    let server = &cast.server;
    server.sql("UPDATE users SET password_digest = NULL WHERE email = 'passive@example.com'");
    let path = |user: &str| format!("users/{user}/actions/update-password");
    // 401, 404, 403 come before the body
    let of = |email: &str| cast.outcome(|c| c.post(&path(email), json!({ "meta": { "oldPassword": 1 } })));
    for (email, expected) in [
        ("ua@example.com", "400: Ua; 401: X; 403: A D S Su R P L Uo Um P2 E; 404: L2 U None"),
        ("u@example.com", "400: U; 401: X; 403: A D S Su R P P2 E; 404: L Uo Um Ua L2 None"),
        ("read-only@example.com", "400: R; 401: X; 403: A D S Su E; 404: P L Uo Um Ua P2 L2 U None"),
        (ADMIN_EMAIL, "400: A; 401: X; 403: D S Su R E; 404: P L Uo Um Ua P2 L2 U None"),
    ] {
        assert_eq!(of(email), expected, "{email}");
    }
    let body = change("secret", "a new one");
    for (name, expected) in [
        ("A", NO_REASON),
        ("Uo", NO_REASON),
        ("P", "product lacks permission to perform action"),
        ("L", "license lacks permission to perform action"),
    ] {
        assert_eq!(reason(&cast.client(name).post(&path("ua@example.com"), body.clone())), expected, "{name}");
    }
    let ua = cast.client("Ua");
    assert_eq!(reason(&ua.environment("shared").post(&path("ua@example.com"), body.clone())), RECORD);
    let wrong = "401 is not valid|-|/meta/oldPassword";
    for (client, email, body, expected) in [
        (ua, "ua@example.com", Value::Null, "400 is missing|-|/meta"),
        (ua, "ua@example.com", json!({ "meta": { "newPassword": "x" } }), "400 is missing|-|/meta/oldPassword"),
        (ua, "ua@example.com", json!({ "meta": { "oldPassword": "x" } }), "400 is missing|-|/meta/newPassword"),
        (ua, "ua@example.com", change("", "x"), "400 cannot be blank|-|/meta/oldPassword"),
        (ua, "ua@example.com", change("secret", ""), "400 cannot be blank|-|/meta/newPassword"),
        (
            ua,
            "ua@example.com",
            json!({ "meta": { "oldPassword": "x", "newPassword": "x", "otp": "x" } }),
            "400 unpermitted parameter|-|/meta/otp",
        ),
        (ua, "ua@example.com", change("Secret", "x"), wrong),
        (ua, "UA%40example.com", change("secret ", "x"), wrong),
        (cast.client("None"), "passive@example.com", change("secret", "x"), wrong),
        (ua, "ua@example.com", change("secret", "x"), SHORT),
    ] {
        assert_eq!(client.post(&path(email), body.clone()).error(), expected, "{email} {body}");
    }
    assert_eq!(login(server, "ua@example.com", "secret"), "201");
    // done: reset token void, the token in use stays, no event
    give_reset_token(server, "ua@example.com", "reset", 0);
    let other = as_bearer(server, &user_record(server, "ua@example.com"));
    let before = select(server, "SELECT count(*) FROM event_logs");
    let done = ua.post(&path("ua@example.com"), body.clone()).ok(200);
    assert_eq!(done["data"]["attributes"]["email"], "ua@example.com");
    assert_eq!(select(server, "SELECT count(*) FROM event_logs"), before);
    assert_eq!(outstanding(server, "ua@example.com"), "");
    assert_eq!((ua.get("me").status, other.get("me").code()), (200, "TOKEN_INVALID"));
    assert_eq!(login(server, "ua@example.com", "secret"), "PASSWORD_INVALID");
    assert_eq!(login(server, "ua@example.com", "a new one"), "201");
    assert_eq!(ua.post(&path("ua@example.com"), body.clone()).error(), wrong, "it is the old one no more");
    // RO may, and whoever has lost the permission may not
    let read_only = cast.client("R");
    read_only.post(&path("read-only@example.com"), body.clone()).ok(200);
    server.sql("UPDATE users SET permissions = '[\"user.read\"]' WHERE email = 'uo@example.com'");
    let answer = cast.client("Uo").post(&path("uo@example.com"), body);
    assert_eq!(reason(&answer), "user lacks permission to perform action");
    // two changes at the same time: the second one's old password is wrong
    let second = as_bearer(server, &user_record(server, "u@example.com"));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads = [cast.client("U"), &second].map(|client| {
            let client = client.clone();
            let path = path("u@example.com");
            scope.spawn(move || client.post(&path, change("secret", "one of two")).status)
        });
        threads.map(|thread| thread.join().unwrap()).to_vec()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 1, "{statuses:?}");
}
