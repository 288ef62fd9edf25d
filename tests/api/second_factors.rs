//! Second factors: who may, how they are made, enabled and removed, and what a login asks for (03 §6, §13, 02 §12).

use crate::authentication::*;
use crate::authorization::*;
use crate::passwords::login;
use crate::support::*;
use crate::token_generation::cast_with_environment;
use crate::tokens::user_record;
use keygen_lite::crypto::totp::code_at;
use serde_json::{Value, json};

const INVALID: &str = "401 second factor must be valid|OTP_INVALID|/meta/otp";
const CONFLICT: &str = "409 The request could not be completed because of a conflict|-|-";
const WRONG_PASSWORD: &str = "401 password must be valid|PASSWORD_INVALID|/meta/password";

fn now() -> i64 {
    ago(0) / 1000
}

/// The code of a step, counted from the current one.
fn code(secret: &str, step: i64) -> String {
    code_at(secret, now() / 30 + step).unwrap()
}

/// Six digits that are no code of the steps around now.
fn no_code(secret: &str) -> String {
    let near: Vec<String> = (-2..=3).map(|step| code(secret, step)).collect();
    (0..).map(|n| format!("{n:06}")).find(|digits| !near.contains(digits)).unwrap()
}

/// Forgets which codes were used.
fn forget(server: &Server) {
    server.sql("UPDATE second_factors SET last_step_at = NULL");
}

fn below(user: &Value) -> String {
    format!("users/{}/second-factors", id(user))
}

fn member(user: &Value, factor: &Value) -> String {
    format!("{}/{}", below(user), id(factor))
}

fn by_password(password: &str) -> Value {
    json!({ "meta": { "password": password } })
}

fn by_code(code: &str) -> Value {
    json!({ "meta": { "otp": code } })
}

fn enable(enabled: bool, code: &str) -> Value {
    json!({ "data": { "type": "second-factors", "attributes": { "enabled": enabled } }, "meta": { "otp": code } })
}

/// A second factor of a user with the password `secret`, enabled or not: the resource object and the secret.
fn factor(server: &Server, user: &Value, enabled: bool) -> (Value, String) {
    let client = server.admin();
    let made = client.post(&below(user), by_password("secret")).ok(201)["data"].clone();
    let secret = text(&made["attributes"]["secret"]).to_owned();
    if enabled {
        client.patch(&member(user, &made), enable(true, &code(&secret, 0))).ok(200);
        forget(server);
    }
    (made, secret)
}

/// A login with a body's `meta`.
fn login_with(server: &Server, credentials: &str, meta: Value) -> Answer {
    let body = if meta.is_null() { Value::Null } else { json!({ "meta": meta }) };
    server.with(&basic(credentials)).post("tokens", body)
}

fn outcome(answer: &Answer) -> String {
    if answer.status < 300 { answer.status.to_string() } else { answer.error() }
}

// 03 §13.1
#[test]
fn who_may() {
    let (cast, _) = cast_with_environment();
    let server = &cast.server;
    let person = |email: &str| user_record(server, email);
    server.sql(
        "UPDATE users SET password_digest = (SELECT password_digest FROM users WHERE email = 'ua@example.com')
         WHERE role = 'admin'",
    );
    // the right to act shows in what is asked for next: a code, or that there is none yet
    let may = |mut answer: Answer| {
        if answer.code() == "OTP_INVALID" || answer.status == 409 {
            answer.status = 200;
        }
        answer
    };
    for (email, list, show, write) in [
        (
            "ua@example.com",
            "ok: A Uo Um Ua; 401: X; 403: D S Su R P L P2 E; 404: L2 U",
            "ok: A Ua; 401: X; 403: D S Su R P L Uo Um P2 E; 404: L2 U",
            "ok: A Ua; 401: X; 403: D S Su R P L Uo Um P2 E; 404: L2 U",
        ),
        (
            "sales-agent@example.com",
            "ok: A S; 401: X; 403: D Su R E; 404: P L Uo Um Ua P2 L2 U",
            "ok: A S; 401: X; 403: D Su R E; 404: P L Uo Um Ua P2 L2 U",
            "ok: A S; 401: X; 403: D Su R E; 404: P L Uo Um Ua P2 L2 U",
        ),
        (
            "read-only@example.com",
            "ok: A R; 401: X; 403: D S Su E; 404: P L Uo Um Ua P2 L2 U",
            "ok: A R; 401: X; 403: D S Su E; 404: P L Uo Um Ua P2 L2 U",
            "ok: A; 401: X; 403: D S Su R E; 404: P L Uo Um Ua P2 L2 U",
        ),
        (
            ADMIN_EMAIL,
            "ok: A; 401: X; 403: D S Su R E; 404: P L Uo Um Ua P2 L2 U",
            "ok: A; 401: X; 403: D S Su R E; 404: P L Uo Um Ua P2 L2 U",
            "ok: A; 401: X; 403: D S Su R E; 404: P L Uo Um Ua P2 L2 U",
        ),
    ] {
        let user = person(email);
        // an empty list is anybody's who may see the user and read second factors
        let empty = cast.outcome(|c| c.get(&below(&user)));
        assert!(empty.starts_with("ok: A D S Su R") && empty.contains(" E"), "{email} {empty}");
        let (made, secret) = factor(server, &user, true);
        let path = member(&user, &made);
        let wrong = no_code(&secret);
        assert_eq!(cast.outcome(|c| c.get(&below(&user))), list, "{email}");
        assert_eq!(cast.outcome(|c| c.get(&format!("users/{email}/second-factors"))), list, "{email}");
        assert_eq!(cast.outcome(|c| c.get(&path)), show, "{email}");
        assert_eq!(cast.outcome(|c| may(c.post(&below(&user), by_password("secret")))), write, "{email}");
        assert_eq!(cast.outcome(|c| may(c.patch(&path, enable(true, &wrong)))), write, "{email}");
        assert_eq!(cast.outcome(|c| may(c.put(&path, enable(true, &wrong)))), write, "{email}");
        assert_eq!(cast.outcome(|c| may(c.delete_with(&path, by_code(&wrong)))), write, "{email}");
        // refused before the body is read (03 §1 step 5)
        assert_eq!(cast.outcome(|c| may(c.post(&below(&user), json!(1)))).replace("400: ", "ok: "), write, "{email}");
        let count = |name: &str| cast.client(name).get(&below(&user)).ok(200)["data"].as_array().unwrap().len();
        assert_eq!(count("A"), 1);
        if email == "ua@example.com" {
            assert_eq!((count("Ua"), count("Uo")), (1, 0), "a teammate's list is empty");
        }
    }
    for (name, expected) in [
        ("R", "read only lacks permission to perform action"),
        ("P", "product lacks permission to perform action"),
        ("L", "license lacks permission to perform action"),
        ("D", NO_REASON),
        ("E", NO_REASON),
        ("Uo", NO_REASON),
    ] {
        let answer = cast.client(name).post(&below(&person("ua@example.com")), by_password("secret"));
        assert_eq!(reason(&answer), expected, "{name}");
    }
    // of another user, or of nobody: 404
    let (ua, sales) = (person("ua@example.com"), person("sales-agent@example.com"));
    let of_sales = cast.client("A").get(&below(&sales)).ok(200)["data"][0].clone();
    for name in [id(&of_sales), "nope"] {
        let answer = cast.client("A").get(&format!("{}/{name}", below(&ua)));
        assert_eq!(answer.error(), format!("404 The requested second factor '{name}' was not found|NOT_FOUND|-"));
    }
    // each permission of its own
    server.sql("UPDATE users SET permissions = '[\"user.second-factors.read\"]' WHERE email = 'ua@example.com'");
    let own = cast.client("Ua");
    let mine = own.get(&below(&ua)).ok(200)["data"][0].clone();
    own.get(&member(&ua, &mine)).ok(200);
    for answer in [
        own.post(&below(&ua), by_password("secret")),
        own.patch(&member(&ua, &mine), enable(true, "000000")),
        own.delete(&member(&ua, &mine)),
    ] {
        assert_eq!(reason(&answer), "user lacks permission to perform action");
    }
}

// 03 §13.2, §10.5, 02 §12: the whole document, and the secret as long as the factor is not enabled
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    let ada = user(&server, "user", "ada+2:x@example.com");
    let client = as_bearer(&server, &ada);
    let answer = client.post(&below(&ada), by_password("secret"));
    let made = answer.ok(201)["data"].clone();
    let own = format!("/v1/accounts/{account}/users/{}/second-factors/{}", id(&ada), id(&made));
    assert_eq!(answer.header("location"), format!("http://localhost:{}{own}", server.port));
    let secret = text(&made["attributes"]["secret"]).to_owned();
    assert!(secret.len() == 32 && secret.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)));
    let created = &made["attributes"]["created"];
    let document = |shown: Option<&str>, enabled: bool, updated: &Value| {
        let mut attributes = json!({ "enabled": enabled, "created": created, "updated": updated });
        if let Some(secret) = shown {
            let uri = format!(
                "otpauth://totp/Keygen:ada%2B2_x%40example.com?secret={secret}\
                 &image=https%3A%2F%2Fkeygen.sh%2Fimages%2Flogomark.png&issuer=Keygen"
            );
            attributes = json!({
                "uri": uri, "secret": secret, "enabled": enabled, "created": created, "updated": updated
            });
        }
        json!({
            "id": made["id"],
            "type": "second-factors",
            "attributes": attributes,
            "relationships": {
                "account": {
                    "links": { "related": format!("/v1/accounts/{account}") },
                    "data": { "type": "accounts", "id": account }
                },
                "environment": { "links": { "related": null }, "data": null },
                "user": {
                    "links": { "related": format!("/v1/accounts/{account}/users/{}", id(&ada)) },
                    "data": { "type": "users", "id": ada["id"] }
                }
            },
            "links": { "self": own }
        })
        .to_string()
    };
    assert_eq!(made.to_string(), document(Some(&secret), false, created));
    let shows = |expected: &str| {
        for client in [&client, &admin] {
            assert_eq!(client.get(&member(&ada, &made)).ok(200)["data"].to_string(), expected);
            assert_eq!(client.get(&below(&ada)).ok(200)["data"][0].to_string(), expected);
        }
    };
    shows(&document(Some(&secret), false, created));
    for (enabled, shown) in [(true, None), (true, None), (false, Some(secret.as_str())), (true, None)] {
        forget(&server);
        let answer = client.patch(&member(&ada, &made), enable(enabled, &code(&secret, 0)));
        let updated = answer.ok(200)["data"].clone();
        assert!(text(&updated["attributes"]["updated"]) > text(created));
        let expected = document(shown, enabled, &updated["attributes"]["updated"]);
        assert_eq!(updated.to_string(), expected);
        shows(&expected);
    }
    // a user shows nothing of it but the link
    let shown = admin.get(&format!("users/{}", id(&ada))).ok(200);
    assert!(!shown.to_string().contains(&secret));
    assert_eq!(
        shown["data"]["relationships"]["secondFactors"],
        json!({ "links": { "related": format!("/v1/accounts/{account}/users/{}/second-factors", id(&ada)) } })
    );
    // it goes with its user
    admin.delete(&format!("users/{}", id(&ada))).ok(204);
    assert_eq!(select(&server, "SELECT count(*) FROM second_factors"), "0");
}

// 03 §13.3: bodies, after authorization
#[test]
fn bodies() {
    let server = Server::start();
    let admin = server.admin();
    let ada = user(&server, "user", "ada@example.com");
    let create = below(&ada);
    for (body, expected) in [
        (Value::Null, "400 is missing|-|/meta"),
        (json!({ "data": { "type": "second-factors" } }), "400 is missing|-|/meta"),
        (json!({ "meta": null }), "400 cannot be null|-|/meta"),
        (json!({ "meta": { "password": 1 } }), "400 type mismatch (received integer expected string)|-|/meta/password"),
        (json!({ "meta": { "otp": 123_456 } }), "400 type mismatch (received integer expected string)|-|/meta/otp"),
        (json!({ "meta": { "code": "1" } }), "400 unpermitted parameter|-|/meta/code"),
        (json!({ "data": { "type": "users" }, "meta": {} }), "400 is invalid|-|/data/type"),
        (
            json!({ "data": { "type": "second-factors", "attributes": {} }, "meta": {} }),
            "400 unpermitted parameter|-|/data/attributes",
        ),
        (json!({ "meta": {} }), WRONG_PASSWORD),
        (by_password("wrong"), WRONG_PASSWORD),
        (by_code("000000"), WRONG_PASSWORD),
        (by_password(ADMIN_PASSWORD), WRONG_PASSWORD),
    ] {
        assert_eq!(outcome(&admin.post(&create, body.clone())), expected, "{body}");
    }
    for type_ in ["second-factor", "second-factors", "secondFactor", "secondFactors", "second_factor", "second_factors"]
    {
        let body = json!({ "data": { "type": type_ }, "meta": { "password": "secret" } });
        let made = admin.post(&create, body).ok(201)["data"].clone();
        admin.delete(&member(&ada, &made)).ok(204);
    }
    let (made, secret) = factor(&server, &ada, true);
    let path = member(&ada, &made);
    let data = |attributes: Value| json!({ "data": { "type": "second-factors", "attributes": attributes } });
    let with_code = |mut body: Value| {
        body["meta"] = json!({ "otp": no_code(&secret) });
        body
    };
    for (body, expected) in [
        (Value::Null, "400 is missing|-|/data"),
        (with_code(json!({})), "400 is missing|-|/data"),
        (data(json!({ "enabled": true })), "400 is missing|-|/meta"),
        (json!({ "data": data(json!({ "enabled": true }))["data"], "meta": {} }), "400 is missing|-|/meta/otp"),
        (with_code(data(json!({}))), "400 is missing|-|/data/attributes/enabled"),
        (with_code(data(json!({ "enabled": null }))), "400 cannot be null|-|/data/attributes/enabled"),
        (
            with_code(data(json!({ "enabled": "yes" }))),
            "400 type mismatch (received string expected boolean)|-|/data/attributes/enabled",
        ),
        (
            with_code(data(json!({ "enabled": true, "secret": "x" }))),
            "400 unpermitted parameter|-|/data/attributes/secret",
        ),
        (with_code(json!({ "data": { "attributes": { "enabled": true } } })), "400 is missing|-|/data/type"),
        (
            json!({ "data": data(json!({ "enabled": true }))["data"], "meta": { "otp": 123_456 } }),
            "400 type mismatch (received integer expected string)|-|/meta/otp",
        ),
        (with_code(data(json!({ "enabled": true }))), INVALID),
    ] {
        assert_eq!(outcome(&admin.patch(&path, body.clone())), expected, "{body}");
    }
    let numeric = "400 type mismatch (received integer expected string)|-|/meta/otp";
    for (body, expected) in [
        (json!({ "data": {} }), "400 unpermitted parameter|-|/data"),
        (json!({ "meta": { "otp": 1 } }), numeric),
        (json!({ "meta": {} }), INVALID),
        (Value::Null, INVALID),
        (by_code(&no_code(&secret)), INVALID),
    ] {
        assert_eq!(outcome(&admin.delete_with(&path, body.clone())), expected, "{body}");
    }
    // `data.id` is taken and ignored (01 §6.4)
    let mut body = enable(true, &code(&secret, 0));
    body["data"]["id"] = json!("whatever");
    admin.patch(&path, body).ok(200);
}

// 03 §13.3: what each step asks for, and its events
#[test]
fn from_creation_to_deletion() {
    let server = Server::start();
    let admin = server.admin();
    let ada = user(&server, "user", "ada@example.com");
    let client = as_bearer(&server, &ada);
    let bare = user(&server, "user", "bare@example.com");
    server.sql("UPDATE users SET password_digest = NULL WHERE email = 'bare@example.com'");
    for client in [&admin, &as_bearer(&server, &bare)] {
        for password in ["secret", "x"] {
            assert_eq!(outcome(&client.post(&below(&bare), by_password(password))), WRONG_PASSWORD, "has no password");
        }
    }
    let said = || {
        let sql = "SELECT group_concat(event, ' ') FROM (SELECT event FROM event_logs WHERE event LIKE 'second%' ORDER BY id)";
        select(&server, sql).replace("second-factor.", "")
    };
    // made by an administrator with that user's password
    let made = admin.post(&below(&ada), by_password("secret")).ok(201)["data"].clone();
    let secret = text(&made["attributes"]["secret"]).to_owned();
    let path = member(&ada, &made);
    assert_eq!(said(), "created");
    // a disabled one: the password decides, and there is one already
    assert_eq!(outcome(&client.post(&below(&ada), by_password("wrong"))), WRONG_PASSWORD);
    assert_eq!(outcome(&client.post(&below(&ada), by_code(&code(&secret, 0)))), WRONG_PASSWORD);
    let conflict = client.post(&below(&ada), by_password("secret"));
    assert_eq!(conflict.error(), CONFLICT);
    let error = conflict.body["errors"][0].as_object().unwrap();
    assert_eq!(
        (error.keys().map(String::as_str).collect::<Vec<_>>(), &error["title"]),
        (vec!["title", "detail"], &json!("Conflict"))
    );
    // a login does not ask for it yet
    assert_eq!(login(&server, "ada@example.com", "secret"), "201");
    // any change needs a code of this very factor, also of a disabled one
    for (enabled, code) in [(true, ""), (true, "12345"), (false, &no_code(&secret)), (true, "secret")] {
        let expected = if code.is_empty() { "400 cannot be blank|-|/meta/otp" } else { INVALID };
        assert_eq!(outcome(&client.patch(&path, enable(enabled, code))), expected, "{enabled} {code}");
    }
    assert_eq!(said(), "created");
    let good = code(&secret, 0);
    assert_eq!(outcome(&client.patch(&path, enable(true, &good))), "200");
    assert_eq!(said(), "created enabled");
    assert_eq!(outcome(&client.patch(&path, enable(true, &good))), INVALID, "each code works once");
    assert_eq!(login(&server, "ada@example.com", "secret"), "OTP_REQUIRED");
    // an enabled one: its code decides, and is used up
    forget(&server);
    assert_eq!(outcome(&client.post(&below(&ada), by_password("secret"))), INVALID);
    let good = code(&secret, 0);
    assert_eq!(outcome(&client.post(&below(&ada), by_code(&good))), CONFLICT);
    assert_eq!(outcome(&client.post(&below(&ada), by_code(&good))), INVALID);
    forget(&server);
    // unchanged values have their events, too
    for (enabled, expected) in [
        (true, "created enabled enabled"),
        (false, "created enabled enabled disabled"),
        (false, "created enabled enabled disabled disabled"),
        (true, "created enabled enabled disabled disabled enabled"),
    ] {
        forget(&server);
        client.put(&path, enable(enabled, &code(&secret, 0))).ok(200);
        assert_eq!(said(), expected);
    }
    // deletion: a code, or none when it is disabled
    forget(&server);
    assert_eq!(outcome(&admin.delete(&path)), INVALID, "ADM, too");
    let answer = client.delete_with(&path, by_code(&code(&secret, 0)));
    assert_eq!((answer.status, answer.bytes.len()), (204, 0));
    assert_eq!(client.get(&path).code(), "NOT_FOUND");
    assert_eq!(login(&server, "ada@example.com", "secret"), "201");
    let (made, _) = factor(&server, &ada, false);
    admin.delete(&member(&ada, &made)).ok(204);
    assert!(said().ends_with("enabled deleted created deleted"), "{}", said());
    // event logs name the user
    let of = "SELECT DISTINCT resource_type || ' ' || resource_id FROM event_logs WHERE event LIKE 'second%'";
    assert_eq!(select(&server, of), format!("users {}", id(&ada)));
    // one a user, also for two requests at the same time
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads = [client.clone(), admin.clone()].map(|client| {
            scope.spawn({
                let path = below(&ada);
                move || client.post(&path, by_password("secret")).status
            })
        });
        threads.map(|thread| thread.join().unwrap()).to_vec()
    });
    assert!(statuses.contains(&201) && statuses.contains(&409), "{statuses:?}");
}

// 03 §6, §13: a login asks for the code before it looks at the password
#[test]
fn logins() {
    let server = Server::start();
    let ada = user(&server, "user", "ada@example.com");
    let (made, secret) = factor(&server, &ada, true);
    let required = "401 second factor is required|OTP_REQUIRED|/meta/otp";
    let good = || code(&secret, 0);
    let otp = |code: &str| json!({ "otp": code });
    let (right, wrong) = ("ada@example.com:secret", "ada@example.com:wrong");
    for (credentials, meta, expected) in [
        (right, Value::Null, required),
        (wrong, Value::Null, required),
        (right, json!({ "otp": null }), required),
        ("ada@example.com:", otp(&good()), "401 password is required|PASSWORD_REQUIRED|Authorization"),
        ("eve@example.com:secret", otp(&good()), "401 email must be valid|EMAIL_INVALID|Authorization"),
        (right, otp(&no_code(&secret)), INVALID),
        (wrong, otp(&no_code(&secret)), INVALID),
        (right, otp(""), INVALID),
        (right, otp(&good()[1..]), INVALID),
        (right, otp(&format!(" {}", good())), INVALID),
        (right, json!({ "otp": true }), INVALID),
        (right, otp(&code(&secret, -2)), INVALID),
        (right, otp(&code(&secret, 2)), INVALID),
        (wrong, otp(&good()), "401 password must be valid|PASSWORD_INVALID|Authorization"),
    ] {
        let answer = login_with(&server, credentials, meta.clone());
        assert_eq!(outcome(&answer), expected, "{credentials} {meta}");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"keygen\"");
    }
    // the code of the wrong password's login is used up
    let step = now() / 30;
    let answer = login_with(&server, right, otp(&code_at(&secret, step).unwrap()));
    if now() / 30 == step && select(&server, "SELECT last_step_at FROM second_factors") == (step * 30_000).to_string() {
        assert_eq!(outcome(&answer), INVALID);
    }
    forget(&server);
    let used = good();
    let made_token = login_with(&server, right, otp(&used)).ok(201);
    assert_eq!(outcome(&login_with(&server, right, otp(&used))), INVALID, "no replay");
    assert_eq!(outcome(&server.admin().patch(&member(&ada, &made), enable(false, &used))), INVALID, "nor elsewhere");
    // no going back: the step before the accepted one, even while its time of grace runs
    assert_eq!(outcome(&login_with(&server, right, otp(&code(&secret, -1)))), INVALID);
    // tokens do not ask
    let client = server.token(text(&made_token["data"]["attributes"]["token"]));
    client.get("me").ok(200);
    client.post("tokens", Value::Null).ok(201);
    // users without one (or with a disabled one) may send a code all the same
    user(&server, "user", "bob@example.com");
    for meta in [Value::Null, otp("000000")] {
        login_with(&server, "bob@example.com:secret", meta).ok(201);
    }
    // the login of 1.7 renames the others' codes only (14 §2)
    let old = server.with(&basic(right)).header("Keygen-Version", "1.7").post("tokens", Value::Null);
    assert_eq!(old.error(), required);
    // a banned user is asked for it first
    server.sql("UPDATE users SET banned_at = 1 WHERE email = 'ada@example.com'");
    assert_eq!(outcome(&login_with(&server, right, Value::Null)), required);
    forget(&server);
    assert_eq!(reason(&login_with(&server, right, otp(&good()))), "user is banned");
    // a number is no code but its digits; the body is refused after the login (02 §12)
    server.sql("UPDATE users SET banned_at = NULL");
    // secrets whose code starts with a zero will not do here
    let number = std::iter::repeat_with(keygen_lite::crypto::totp::generate_secret)
        .find_map(|secret| {
            let code = code(&secret, 0);
            server.sql(&format!("UPDATE second_factors SET secret = '{secret}'"));
            (!code.starts_with('0')).then(|| code.parse::<u32>().unwrap())
        })
        .unwrap();
    forget(&server);
    let answer = login_with(&server, right, json!({ "otp": number }));
    assert_eq!(answer.error(), "400 type mismatch (received integer expected string)|-|/meta/otp");
    assert_eq!(outcome(&login_with(&server, right, json!({ "otp": number }))), INVALID);
}

// 03 §13: the step that contains now − 10 s; 02 §12. The clock decides which half of the rule is seen.
#[test]
fn the_previous_step_has_ten_seconds() {
    let server = Server::start();
    let ada = user(&server, "user", "ada@example.com");
    let (_, secret) = factor(&server, &ada, true);
    loop {
        forget(&server);
        let before = now();
        let previous = code_at(&secret, before / 30 - 1).unwrap();
        let answer = login_with(&server, "ada@example.com:secret", json!({ "otp": previous }));
        let after = now();
        let grace = |at: i64| at % 30 < 10;
        if before / 30 != after / 30 || grace(before) != grace(after) {
            continue;
        }
        assert_eq!(outcome(&answer), if grace(before) { "201" } else { INVALID }, "{}", before % 30);
        if grace(before) {
            // the current step's code is still good afterwards
            let current = code_at(&secret, before / 30).unwrap();
            let answer = login_with(&server, "ada@example.com:secret", json!({ "otp": current }));
            assert!(outcome(&answer) == "201" || now() / 30 != before / 30);
        }
        break;
    }
}

// 03 §13: a code works once, also for logins at the same time
#[test]
fn simultaneous_logins() {
    let server = Server::start();
    let ada = user(&server, "user", "ada@example.com");
    let (_, secret) = factor(&server, &ada, true);
    for _ in 0..4 {
        forget(&server);
        let good = code(&secret, 0);
        let mut outcomes: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| outcome(&login_with(&server, "ada@example.com:secret", json!({ "otp": good }))))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        outcomes.sort();
        assert_eq!(outcomes, ["201", INVALID, INVALID, INVALID]);
    }
    assert_eq!(events(&server, "token.generated"), "4");
}

// 03 §13.2, 05 §5.5, §5.6
#[test]
fn environments() {
    let server = Server::start();
    let admin = server.admin();
    let (isolated, shared) = (environment(&server, "isolated", "ISOLATED"), environment(&server, "shared", "SHARED"));
    let admin_user = user_record(&server, ADMIN_EMAIL);
    let inside = server.token(&token_in(&server, &admin_user, Some(id(&isolated)))).environment("isolated");
    let sharing = admin.environment("shared");
    let ada = user(&server, "user", "ada@example.com");
    let bob = user(&server, "user", "bob@example.com");
    let of_isolated = user_in(&server, "user", "i@example.com", Some(id(&isolated)));
    let of_shared = user_in(&server, "user", "s@example.com", Some(id(&shared)));
    let null = Value::Null;
    for (client, user, expected) in [
        (&admin, &bob, Some(&null)),
        (&admin, &of_isolated, None),
        (&admin, &of_shared, None),
        (&inside, &ada, None),
        (&inside, &of_isolated, Some(&isolated)),
        (&sharing, &of_shared, Some(&shared)),
        // a global user's made in a shared environment is that one's
        (&sharing, &ada, Some(&shared)),
    ] {
        let answer = client.post(&below(user), by_password("secret"));
        match expected {
            None => assert_eq!(answer.code(), "NOT_FOUND", "{user}"),
            Some(place) => {
                let made = answer.ok(201)["data"].clone();
                assert_eq!(made["relationships"]["environment"]["data"]["id"], place["id"], "{user}");
                client.get(&member(user, &made)).ok(200);
            }
        }
    }
    let ids = |client: &Client, user: &Value| {
        let list = client.get(&below(user)).ok(200);
        list["data"].as_array().unwrap().iter().map(|f| id(f).to_owned()).collect::<Vec<_>>()
    };
    // read from anywhere by id, listed and changed in its environment only
    let of_ada = ids(&sharing, &ada);
    assert_eq!((of_ada.len(), ids(&admin, &ada).len()), (1, 0));
    let of_ada = json!({ "id": of_ada[0] });
    let secret = text(&admin.get(&member(&ada, &of_ada)).ok(200)["data"]["attributes"]["secret"]).to_owned();
    let record = crate::token_generation::RECORD;
    assert_eq!(reason(&admin.patch(&member(&ada, &of_ada), enable(true, &code(&secret, 0)))), record);
    assert_eq!(reason(&admin.delete(&member(&ada, &of_ada))), record);
    // once enabled it is asked for wherever the user logs in
    sharing.patch(&member(&ada, &of_ada), enable(true, &code(&secret, 0))).ok(200);
    for code in ["", "shared"] {
        let client = server.with(&basic("ada@example.com:secret"));
        let client = if code.is_empty() { client } else { client.environment(code) };
        assert_eq!(client.post("tokens", Value::Null).code(), "OTP_REQUIRED", "{code}");
    }
    // a global one seen from a shared environment: to read
    let of_bob = json!({ "id": ids(&admin, &bob)[0] });
    assert_eq!(ids(&sharing, &bob).len(), 1);
    assert_eq!(reason(&sharing.delete(&member(&bob, &of_bob))), record);
    admin.delete(&member(&bob, &of_bob)).ok(204);
    // and it goes with its environment
    admin.delete(&format!("environments/{}", id(&shared))).ok(204);
    assert_eq!(select(&server, "SELECT count(*) FROM second_factors"), "1");
    assert_eq!(login(&server, "ada@example.com", "secret"), "201");
}
