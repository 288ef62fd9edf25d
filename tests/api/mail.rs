//! What is mailed when SMTP is configured (D12, 03 §12.1, 05 §1.1): a real conversation with a mail server.

use crate::support::smtp::{Encryption, SmtpServer};
use crate::support::{Server, id};
use serde_json::{Value, json};

fn server(mail: &SmtpServer, more: &[(&str, &str)]) -> Server {
    let mut variables = mail.variables();
    variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Server::start_with(&variables)
}

/// 03 §12.1: the token of the mail resets the password, once.
#[test]
fn a_mailed_token_resets_the_password() {
    let mail = SmtpServer::start_with(Encryption::None, None);
    let server =
        server(&mail, &[("KEYGEN_LITE_SMTP_PASSWORD_RESET_URL", "https://x.example/reset?t={token}&e={email}")]);
    let user = server.admin().create("users", json!({ "email": "ada@example.com" }), Value::Null);
    let ask = |body: Value| server.anonymous().post("passwords", json!({ "meta": body })).ok(204);
    ask(json!({ "email": "nobody@example.com" }));
    ask(json!({ "email": "ada@example.com", "deliver": false }));
    ask(json!({ "email": "ADA@example.com", "deliver": true }));
    let first = mail.wait_for(1);
    ask(json!({ "email": "ada@example.com" }));
    let mails = mail.wait_for(2);
    assert_eq!((first.len(), mails.len()), (1, 2), "neither the unknown address nor deliver: false is mailed");
    let token = |text: &str| {
        let at = text.find("reset?t=").unwrap_or_else(|| panic!("no link: {text}")) + "reset?t=".len();
        text[at..at + 50].to_owned()
    };
    assert_eq!(mails[1].header("to"), "ada@example.com");
    let (old, new) = (token(&mails[0].text()), token(&mails[1].text()));
    let path = format!("users/{}/actions/reset-password", id(&user));
    let reset = |token: &str| {
        let meta = json!({ "passwordResetToken": token, "newPassword": "a new password" });
        server.anonymous().post(&path, json!({ "meta": meta }))
    };
    // Only the last one is good, and once.
    reset(&old).ok(404);
    reset(&new).ok(200);
    reset(&new).ok(404);
    // Secrets are in the mail and nowhere else.
    assert!(!server.log().contains(&new) && !server.log().contains("a new password"), "{}", server.log());
}

/// 05 §1.1: recovery lists the accounts of an address, in both modes, and never tells whether there are any.
#[test]
fn recovery_lists_accounts() {
    let mail = SmtpServer::start_with(Encryption::None, None);
    let server =
        server(&mail, &[("KEYGEN_LITE_ACCOUNTS_MODE", "multi"), ("KEYGEN_LITE_ACCOUNTS_DEFAULT_ACCOUNT", "acme")]);
    let admins = json!({ "data": [{ "type": "users", "attributes": { "email": "admin@example.com" } }] });
    let body = json!({ "data": { "type": "accounts", "attributes": { "slug": "second", "name": "Second" }, "relationships": { "admins": admins } } });
    server.anonymous().post("/v1/accounts", body).ok(201);
    let recover = |meta: Value| server.anonymous().post("/v1/recover", json!({ "meta": meta }));
    recover(json!({ "type": "account", "email": "nobody@example.com" })).ok(204);
    recover(json!({ "type": "account", "email": " Admin@Example.com " })).ok(204);
    let mails = mail.wait_for(1);
    assert_eq!((mails.len(), mails[0].header("to").as_str()), (1, "admin@example.com"));
    let text = mails[0].text();
    assert!(text.contains("acme") && text.contains("second") && text.contains("Second"), "{text}");
    for (meta, error) in [
        (json!({ "email": "a@b.cd" }), "400 is missing|-|/meta/type"),
        (json!({ "type": "user", "email": "a@b.cd" }), "400 is invalid|-|/meta/type"),
        (json!({ "type": "account" }), "400 is missing|-|/meta/email"),
    ] {
        assert_eq!(recover(meta).error(), error);
    }
}

/// What is set going goes on when the caller does not wait for the answer.
#[test]
fn a_caller_that_goes_away_is_mailed_all_the_same() {
    use std::io::Write as _;
    let mail = SmtpServer::start_with(Encryption::None, None);
    let server = server(&mail, &[]);
    server.admin().create("users", json!({ "email": "ada@example.com" }), Value::Null);
    let lock = rusqlite::Connection::open(server.database()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let body = r#"{"meta":{"email":"ada@example.com"}}"#;
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    write!(
        stream,
        "POST /v1/passwords HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    // The request is read before the caller hangs up, and waits for the lock; then the server has noticed.
    std::thread::sleep(std::time::Duration::from_millis(300));
    drop(stream);
    std::thread::sleep(std::time::Duration::from_millis(300));
    lock.execute_batch("ROLLBACK").unwrap();
    assert_eq!(mail.wait_for(1)[0].header("to"), "ada@example.com");
}
