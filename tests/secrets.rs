//! No secret in the log, whatever the log level: tokens, passwords, license keys, private keys.

#[path = "support/mod.rs"]
mod support;

use base64::Engine as _;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::{Server, id, key, text};

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

    // The log is collected by a thread; that error is its last line.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !server.log().contains("\"ERROR\"") {
        assert!(Instant::now() < deadline, "{}", server.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    let log = server.log();
    assert!(log.contains("\"TRACE\""));
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
