//! No secret in the log, whatever the log level: tokens, passwords, license keys, private keys, reset tokens, second factors.
//! Nor in errors, lists, event rows, or (but for digests) in the database.

#[path = "support/mod.rs"]
mod support;

use base64::Engine as _;
use keygen_lite::crypto::{token::digest, totp::code_at};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::time::{Duration, Instant};
use support::{Answer, Client, Server, id, key, text};

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

// Every way in which a credential or a secret travels, good and bad ones, and an error of the server's own.
#[test]
fn secrets_are_not_logged() {
    let server = Server::start_with(&[("KEYGEN_LITE_LOG_LEVEL", "trace")]);
    let admin = server.admin();
    let license = admin.quick_license(json!({ "authenticationStrategy": "MIXED", "floating": true, "maxMachines": 9 }));
    let legacy = admin.quick_license(json!({ "encrypted": true, "scheme": "LEGACY_ENCRYPT" }));
    let signed = admin.quick_license(json!({ "scheme": "ED25519_SIGN", "authenticationStrategy": "LICENSE" }));
    let license_token = admin.token_for(&license);
    let product_token = {
        let product = admin.product();
        admin.token_for(&product)
    };
    let wrong = "admin-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefv3";
    let (mine, wrong_password) = (key(&license), "a wrong password");
    let login = basic(support::ADMIN_EMAIL, support::ADMIN_PASSWORD);
    let fresh = server.with(&login).post("tokens", Value::Null).ok(201);
    let fresh = text(&fresh["data"]["attributes"]["token"]).to_owned();
    assert_eq!(server.with(&basic(support::ADMIN_EMAIL, wrong_password)).post("tokens", Value::Null).status, 401);
    for (who, status) in [
        (format!("Bearer {fresh}"), 200),
        (format!("Bearer {license_token}"), 200),
        (format!("Bearer {product_token}"), 200),
        (format!("License {mine}"), 200),
        (format!("License {}", key(&signed)), 200),
        (basic("license", mine), 200),
        (basic(&fresh, ""), 200),
        (format!("Bearer {wrong}"), 401),
    ] {
        assert_eq!(server.with(&who).get("me").status, status, "{who}");
    }
    let nobody = server.anonymous();
    nobody.get(&format!("me?token={fresh}")).ok(200);
    nobody.get(&format!("me?auth=license:{mine}")).ok(200);
    nobody.get(&format!("me?token={wrong}"));
    nobody.get(&format!("licenses/{}?auth=token:{fresh}", escape(mine))).ok(200);
    nobody.call("POST", "tokens", Some(format!("{{\"meta\":{{\"password\":\"{wrong_password}\"}}").as_bytes()));
    nobody.raw(format!("GET /v1/{fresh} HTTP/9.9\r\nAuthorization: Bearer {fresh}\r\n\r\n").as_bytes());
    assert_eq!(admin.validate_key(mine, Value::Null)["meta"]["code"], "VALID");
    admin
        .post("licenses/actions/validate-key", json!({ "meta": { "key": key(&legacy), "legacyEncrypted": true } }))
        .ok(200);
    assert_eq!(server.license_key(mine).activate(&license, "fp").status, 201);
    admin.post(&format!("licenses/{}/actions/check-out", id(&license)), json!({ "meta": { "encrypt": true } })).ok(200);
    h2(&server, &fresh, mine);
    server.sql("DROP TABLE event_logs");
    // An error of the server's own, which is logged with its cause.
    assert_eq!(
        admin.post("products", json!({ "data": { "type": "products", "attributes": { "name": "P" } } })).status,
        500
    );

    let log = whole_log(&server);
    let encoded: Vec<String> =
        [&login, &basic("license", mine), &basic(&fresh, "")].iter().map(|b| b[6..].to_owned()).collect();
    let mut secrets = vec![
        fresh.as_str(),
        &license_token,
        &product_token,
        &server.admin_token,
        mine,
        key(&legacy),
        key(&signed),
        wrong,
    ];
    secrets.extend([support::ADMIN_PASSWORD, wrong_password, "PRIVATE KEY"]);
    secrets.extend(encoded.iter().map(String::as_str));
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} is logged: {}", line.unwrap_or_default());
    }
}

/// The log up to the last line, an error of the server's own: it is collected by a thread.
fn whole_log(server: &Server) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !server.log().contains("\"ERROR\"") {
        assert!(Instant::now() < deadline, "{}", server.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    let log = server.log();
    assert!(log.contains("\"TRACE\""));
    log
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// A request over HTTP/2, whose frames have a log of their own.
fn h2(server: &Server, token: &str, key: &str) {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::post(format!("http://h/v1/licenses/actions/validate-key?token={token}"))
            .header("authorization", format!("Bearer {token}"))
            .body(http_body_util::Full::new(hyper::body::Bytes::from(json!({ "meta": { "key": key } }).to_string())))
            .unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    });
}

/// What must not be seen again, and where answers end up that must not show it.
#[derive(Default)]
struct Watch {
    secrets: RefCell<Vec<String>>,
    codes: RefCell<Vec<String>>,
    answers: RefCell<Vec<String>>,
}

impl Watch {
    /// A secret, and what `Basic` makes of it beside that name.
    fn secret(&self, text: &str) -> String {
        self.secrets.borrow_mut().push(text.to_owned());
        text.to_owned()
    }

    /// A one-time code of now; `None` for one that is wrong.
    fn code(&self, secret: Option<&str>) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let code = match secret {
            Some(secret) => code_at(secret, now as i64 / 30).unwrap(),
            None => "083475".to_owned(),
        };
        self.codes.borrow_mut().push(code.clone());
        code
    }

    /// An answer that shows nothing.
    #[track_caller]
    fn quiet(&self, answer: Answer, status: u16) -> Answer {
        assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.bytes));
        let body = String::from_utf8_lossy(&answer.bytes);
        self.answers.borrow_mut().push(format!("{:?} {body}", answer.headers));
        answer
    }

    /// The token that an answer shows this once.
    #[track_caller]
    fn token(&self, answer: Answer) -> String {
        assert!([200, 201].contains(&answer.status), "{}", String::from_utf8_lossy(&answer.bytes));
        self.secret(text(&answer.body["data"]["attributes"]["token"]))
    }

    #[track_caller]
    fn assert_absent(&self, place: &str, content: &str) {
        for secret in self.secrets.borrow().iter() {
            let at = content.find(secret.as_str());
            assert!(at.is_none(), "{secret} in {place}: {}", around(content, at.unwrap_or(0)));
        }
        // Six digits are anywhere by chance; a code stands for itself.
        for code in self.codes.borrow().iter() {
            let alone = |at: usize| {
                let outside = |byte: Option<&u8>| byte.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'.');
                let bytes = content.as_bytes();
                outside(at.checked_sub(1).and_then(|i| bytes.get(i))) && outside(bytes.get(at + 6))
            };
            let found = content.match_indices(code.as_str()).find(|(at, _)| alone(*at));
            assert!(found.is_none(), "{code} in {place}: {}", around(content, found.unwrap_or_default().0));
        }
    }
}

fn around(text: &str, at: usize) -> String {
    String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(80)..(at + 120).min(text.len())]).into_owned()
}

/// Every value of every table, as text; the column of the second factors' secrets apart.
fn dump(server: &Server) -> (String, String) {
    let connection = rusqlite::Connection::open(server.database()).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let (mut all, mut secrets) = (String::new(), String::new());
    for table in names("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'") {
        for column in names(&format!("SELECT name FROM pragma_table_info('{table}')")) {
            let values = names(&format!("SELECT coalesce(CAST({column} AS TEXT), '') FROM {table}")).join("\n");
            match (table.as_str(), column.as_str()) {
                ("second_factors", "secret") => secrets = values,
                _ => all.push_str(&format!("{table}.{column}:\n{values}\n")),
            }
        }
    }
    assert!(all.contains("event_logs.metadata") && all.contains("users.password_digest"));
    (all, secrets)
}

/// The bytes of the database and its log, with what is no text left out.
fn files(server: &Server) -> String {
    let mut bytes = Vec::new();
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", server.database().display());
        bytes.extend(std::fs::read(path).unwrap_or_default());
    }
    assert!(bytes.len() > 100_000);
    bytes.into_iter().map(|b| if b.is_ascii() { char::from(b) } else { ' ' }).collect()
}

/// No reset token that the server made: they have no prefix, so each text of their form is tried (02 §11).
fn assert_no_reset_token(place: &str, content: &str, key: &str, digests: &[String]) {
    let hex = |text: &[u8]| text.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b));
    for (at, _) in content.match_indices("v3").filter(|(at, _)| *at >= 48) {
        let bytes = content.as_bytes();
        if hex(&bytes[at - 48..at]) {
            let found = digests.contains(&digest(key, &content[at - 48..at + 2]));
            assert!(!found, "a reset token in {place}: {}", around(content, at));
        }
    }
}

// 03 §10.2, §12, §13: everything that a user's secrets go through, good and bad, with a master key and without one
#[test]
fn secrets_of_users_leave_no_trace() {
    for master_key in [None, Some("a master key of a test")] {
        let mut settings = vec![("KEYGEN_LITE_LOG_LEVEL", "trace")];
        settings.extend(master_key.map(|key| ("KEYGEN_LITE_MASTER_KEY", key)));
        let server = Server::start_with(&settings);
        let account_key = sql(&server, "SELECT secret_key FROM account_keys");
        let watch = Watch::default();
        watch.secret(&server.admin_token);
        watch.secret(support::ADMIN_PASSWORD);
        let totp = act(&server, &watch, &account_key);
        let digests: Vec<String> = sql(&server, "SELECT group_concat(password_reset_digest) FROM users")
            .split(',')
            .map(str::to_owned)
            .collect();
        assert!(digests.len() == 2 && digests.iter().all(|digest| digest.len() == 64));
        // an answer, a row, a byte
        for answer in watch.answers.borrow().iter() {
            watch.assert_absent("an answer", answer);
            assert!(!totp.iter().any(|secret| answer.contains(secret.as_str())), "{answer}");
            assert_no_reset_token("an answer", answer, &account_key, &digests);
        }
        let (rows, sealed) = dump(&server);
        watch.assert_absent("the rows", &rows);
        assert!(!totp.iter().any(|secret| rows.contains(secret.as_str())));
        let kept = totp.iter().filter(|secret| sealed.contains(secret.as_str())).count();
        assert_eq!(kept, if master_key.is_some() { 0 } else { 2 }, "secrets of codes are in their column or sealed");
        // an error of the server's own, which is logged with its cause
        server.sql("DROP TABLE event_logs");
        let nobody = server.anonymous();
        let ask = json!({ "meta": { "email": "eve@example.com" } });
        assert_eq!(nobody.post("passwords", ask).status, 500);
        let log = whole_log(&server);
        watch.assert_absent("the log", &log);
        assert!(!totp.iter().any(|secret| log.contains(secret.as_str())));
        assert_no_reset_token("the log", &log, &account_key, &digests);
        // codes are six digits, which some bytes are; their rows were looked at
        watch.codes.borrow_mut().clear();
        let mut server = server;
        for stopped in [false, true] {
            if stopped {
                server.stop();
            }
            let bytes = files(&server);
            watch.assert_absent("the file", &bytes);
            assert_no_reset_token("the file", &bytes, &account_key, &digests);
            if master_key.is_some() {
                assert!(!totp.iter().any(|secret| bytes.contains(secret.as_str())));
            }
        }
    }
}

fn sql(server: &Server, query: &str) -> String {
    let connection = rusqlite::Connection::open(server.database()).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection.query_row(query, [], |row| row.get::<_, Option<String>>(0)).unwrap().unwrap_or_default()
}

/// Lets secrets through every route that takes or makes one. Gives the secrets of second factors, of which two are kept.
fn act(server: &Server, watch: &Watch, account_key: &str) -> Vec<String> {
    let admin = server.admin();
    let nobody = server.anonymous();
    let data = |type_: &str, attributes: Value| json!({ "data": { "type": type_, "attributes": attributes } });
    let login = |email: &str, password: &str, meta: Value| {
        let credentials = basic(email, password);
        watch.secret(&credentials[6..]);
        server.with(&credentials).post("tokens", if meta.is_null() { meta } else { json!({ "meta": meta }) })
    };

    // passwords: created, too long, too short, of the wrong type, in broken JSON, set, of embedded administrators
    let first = watch.secret("the first password");
    let create = |email: &str, password: &str| {
        admin.post("users", data("users", json!({ "email": email, "password": password })))
    };
    let ada = watch.quiet(create("ada@example.com", &first), 201).body["data"].clone();
    watch.quiet(create("eve@example.com", &first), 201);
    watch.quiet(create("bob@example.com", &watch.secret("tiny!")), 422);
    watch.quiet(create("bob@example.com", &watch.secret(&"far too long ".repeat(6))), 422);
    let path = format!("users/{}", id(&ada));
    let listed = json!({ "password": [watch.secret("a listed password")] });
    watch.quiet(admin.patch(&path, data("users", listed)), 400);
    let broken = format!("{{\"data\":{{\"attributes\":{{\"password\":\"{}\"", watch.secret("a broken password"));
    watch.quiet(admin.call("PATCH", &path, Some(broken.as_bytes())), 400);
    let second = watch.secret("the second password");
    watch.quiet(admin.patch(&path, data("users", json!({ "password": second }))), 200);
    let mut place = data("environments", json!({ "name": "Stage", "code": "stage", "isolationStrategy": "SHARED" }));
    let embedded = watch.secret("an embedded password");
    place["data"]["relationships"] = json!({ "admins": { "data": [
        { "type": "users", "attributes": { "email": "root@example.com", "password": embedded } }
    ] } });
    let place = watch.quiet(admin.post("environments", place), 201).body["data"].clone();

    // logins and tokens of every kind of bearer, made again, revoked
    watch.quiet(login("ada@example.com", &watch.secret("a wrong password"), Value::Null), 401);
    watch.quiet(login("nobody@example.com", &second, Value::Null), 401);
    let mine = watch.token(login("ada@example.com", &second, Value::Null));
    let own = server.token(&mine);
    let license = admin.quick_license(json!({ "authenticationStrategy": "TOKEN" }));
    let product = admin.product();
    let inside = admin.environment("stage");
    let mut clients: Vec<Client> = Vec::new();
    for (client, path) in [
        (&admin, format!("{path}/tokens")),
        (&admin, format!("products/{}/tokens", id(&product))),
        (&admin, format!("licenses/{}/tokens", id(&license))),
        (&inside, format!("environments/{}/tokens", id(&place))),
    ] {
        let made = watch.token(client.post(&path, Value::Null));
        let bearer = |raw: &str| match path.starts_with("environments") {
            true => server.token(raw).environment("stage"),
            false => server.token(raw),
        };
        let token = bearer(&made).get("me").header("keygen-token").to_owned();
        let again = watch.token(bearer(&made).put("tokens", Value::Null));
        watch.quiet(bearer(&made).get("me"), 401);
        let last = watch.token(bearer(&again).put(&format!("tokens/{token}"), Value::Null));
        clients.push(bearer(&last));
        watch.quiet(client.get(&format!("{path}/{token}")), 200);
        watch.quiet(client.get(&path), 200);
    }
    h2(server, &server.admin_token, key(&license));
    for client in &clients {
        for path in ["me", "profile", "tokens"] {
            watch.quiet(client.get(path), 200);
        }
    }
    // a token where an id belongs comes back to its sender (03 §10.1), and goes nowhere else
    assert_eq!(admin.get(&format!("tokens/{mine}")).status, 404);
    assert_eq!(nobody.get(&format!("nowhere/{mine}?token={mine}")).status, 404);

    // changing the password
    let change = |old: &str, new: &str| {
        let body = json!({ "meta": { "oldPassword": old, "newPassword": new } });
        own.post(&format!("{path}/actions/update-password"), body)
    };
    let third = watch.secret("the third password");
    watch.quiet(change(&watch.secret("a wrong old password"), &third), 401);
    watch.quiet(change(&second, "tiny!"), 422);
    watch.quiet(change(&second, &third), 200);

    // resetting it: with tokens that the server made and told nobody, and with one that is known
    for email in ["ada@example.com", "eve@example.com", "nobody@example.com"] {
        watch.quiet(nobody.post("passwords", json!({ "meta": { "email": email } })), 204);
    }
    let known = watch.secret(&format!("{}v3", "5ec4e7".repeat(8)));
    let of_eve = digest(account_key, &known);
    let keep = sql(server, "SELECT password_reset_digest FROM users WHERE email = 'eve@example.com'");
    server.sql(&format!("UPDATE users SET password_reset_digest = '{of_eve}' WHERE email = 'eve@example.com'"));
    let reset = |token: &str, password: &str| {
        let body = json!({ "meta": { "passwordResetToken": token, "newPassword": password } });
        nobody.post("users/eve@example.com/actions/reset-password", body)
    };
    let fourth = watch.secret("the fourth password");
    watch.quiet(reset(&watch.secret(&format!("{}v3", "badbad".repeat(8))), &fourth), 404);
    watch.quiet(reset(&known, "tiny!"), 422);
    watch.quiet(reset(&known, &fourth), 200);
    watch.quiet(reset(&known, &fourth), 404);
    // back to the one that the server made, which is looked for
    server.sql(&format!(
        "UPDATE users SET password_reset_digest = '{keep}', password_reset_at = 1 WHERE email = 'eve@example.com'"
    ));
    watch.quiet(reset(&watch.secret("no reset token"), &fourth), 404);
    watch.quiet(nobody.post("passwords", json!({ "meta": { "email": "ada@example.com" } })), 204);

    // second factors: the secret is shown until it is enabled
    let mut totp = Vec::new();
    let forget = || server.sql("UPDATE second_factors SET last_step_at = NULL");
    let factors = format!("{path}/second-factors");
    let make = |password: &str| own.post(&factors, json!({ "meta": { "password": password } }));
    watch.quiet(make("a wrong password"), 401);
    let made = make(&third);
    let shown = |made: &Answer| text(&made.ok(201)["data"]["attributes"]["secret"]).to_owned();
    totp.push(shown(&made));
    watch.quiet(make(&third), 409);
    let factor = format!("{factors}/{}", id(&made.body["data"]));
    let enable = |code: &str| {
        let mut body = data("second-factors", json!({ "enabled": true }));
        body["meta"] = json!({ "otp": code });
        own.patch(&factor, body)
    };
    watch.quiet(enable(&watch.code(None)), 401);
    watch.quiet(enable(&watch.code(Some(&totp[0]))), 200);
    watch.quiet(own.get(&factors), 200);
    watch.quiet(own.get(&factor), 200);
    watch.quiet(admin.get(&path), 200);
    forget();
    let (good, wrong) = (watch.code(Some(&totp[0])), watch.code(None));
    watch.quiet(login("ada@example.com", &third, Value::Null), 401);
    watch.quiet(login("ada@example.com", &third, json!({ "otp": wrong })), 401);
    watch.token(login("ada@example.com", &third, json!({ "otp": good })));
    watch.quiet(login("ada@example.com", &third, json!({ "otp": good })), 401);
    watch.quiet(login("ada@example.com", &third, json!({ "otp": [good] })), 401);
    forget();
    watch.quiet(own.post(&factors, json!({ "meta": { "otp": watch.code(Some(&totp[0])) } })), 409);
    forget();
    watch.quiet(own.delete_with(&factor, json!({ "meta": { "otp": wrong } })), 401);
    watch.quiet(own.delete_with(&factor, json!({ "meta": { "otp": watch.code(Some(&totp[0])) } })), 204);
    // two that stay: one shows its secret, the other is enabled
    totp.clear();
    totp.push(shown(&make(&third)));
    let of_eve = admin.post("users/eve@example.com/second-factors", json!({ "meta": { "password": fourth } }));
    totp.push(shown(&of_eve));
    let factor = format!("users/eve@example.com/second-factors/{}", id(&of_eve.body["data"]));
    let mut body = data("second-factors", json!({ "enabled": true }));
    body["meta"] = json!({ "otp": watch.code(Some(&totp[1])) });
    watch.quiet(admin.patch(&factor, body), 200);

    // lists of everything, and a last revocation
    for path in ["users?limit=100", "tokens?limit=100", "environments", "users/eve@example.com/second-factors"] {
        watch.quiet(admin.get(path), 200);
    }
    let last = own.get("me").header("keygen-token").to_owned();
    watch.quiet(own.delete(&format!("tokens/{last}")), 204);
    watch.quiet(own.get("me"), 401);
    totp
}
