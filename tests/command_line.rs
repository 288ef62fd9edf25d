//! `keygen-lite account …` and `keygen-lite user …`: the real program on the file of a server that runs or has stopped.

#[path = "support/mod.rs"]
mod support;

use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};
use support::{ADMIN_EMAIL, Server, text};

/// Exit code, standard output and standard error of a command on the server's database.
fn run(server: &Server, arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keygen-lite"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEYGEN_LITE_")) {
        command.env_remove(name);
    }
    command.args(arguments).arg("--database").arg(server.database()).current_dir(server.directory.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn done(server: &Server, arguments: &[&str], input: &str) -> String {
    let (code, out, err) = run(server, arguments, input);
    assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}: {out}");
    out
}

/// The error line of a refused command, which exits with 2.
#[track_caller]
fn refused(server: &Server, arguments: &[&str], input: &str) -> String {
    let (code, out, err) = run(server, arguments, input);
    assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
    err.strip_prefix("error: ").unwrap_or(&err).trim_end().to_owned()
}

/// The value beside a label of the output.
fn labelled(output: &str, label: &str) -> String {
    let line = output.lines().find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("no {label}: {output}"));
    line[label.len()..].trim().to_owned()
}

fn login(server: &Server, path: &str, email: &str, password: &str) -> support::Answer {
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{email}:{password}"));
    server.with(&format!("Basic {basic}")).post(path, Value::Null)
}

// 05 §1, D3: accounts are made beside a running server, which serves them at once.
#[test]
fn accounts_are_made_changed_and_deleted() {
    let server = Server::start_with(&[
        ("KEYGEN_LITE_ACCOUNTS_MODE", "multi"),
        ("KEYGEN_LITE_ACCOUNTS_DEFAULT_ACCOUNT", "acme"),
        ("KEYGEN_LITE_ACCOUNTS_REGISTRATION", "false"),
    ]);
    assert_eq!(done(&server, &["account", "list"], "").lines().count(), 1);
    let made = done(&server, &["account", "create", "--admin-email", "Eve@Initech.example", "--protected"], "");
    let (account, token) = (labelled(&made, "Account"), labelled(&made, "Admin token"));
    assert!(account.ends_with("(slug: initech-example)"), "{made}");
    assert_eq!(labelled(&made, "Admin e-mail"), "eve@initech.example");
    let me = server.token(&token).get("/v1/accounts/initech-example/me").ok(200);
    assert_eq!(
        (text(&me["data"]["attributes"]["role"]), me["data"]["attributes"]["permissions"].as_array().unwrap().len()),
        ("admin", 144)
    );
    let password = labelled(&made, "Password");
    login(&server, "/v1/accounts/initech-example/tokens", "eve@initech.example", &password).ok(201);
    // A password of one's own is not shown.
    let made = done(
        &server,
        &[
            "account",
            "create",
            "--admin-email",
            "bob@gmail.com",
            "--slug",
            "hooli",
            "--name",
            "Hooli",
            "--password-stdin",
        ],
        "correct horse\n",
    );
    assert_eq!(labelled(&made, "Password"), "(as given)");
    assert!(!made.contains("correct horse"));
    login(&server, "/v1/accounts/hooli/tokens", "bob@gmail.com", "correct horse").ok(201);
    let list = done(&server, &["account", "list"], "");
    assert_eq!(list.lines().count(), 3);
    assert!(
        list.contains("  acme  ") && list.contains("  hooli  Hooli\n") && list.contains("  initech-example  "),
        "{list}"
    );

    for (arguments, input, error) in [
        (&["account", "create", "--admin-email", "x"][..], "", "email is invalid"),
        (&["account", "create", "--admin-email", "a@b.example", "--slug", "hooli"], "", "slug has already been taken"),
        (
            &["account", "create", "--admin-email", "eve@initech.example"],
            "",
            "slug already exists for this domain (please use a different domain or use account recovery); --slug chooses another",
        ),
        (
            &["account", "create", "--admin-email", "a@b.example", "--password-stdin"],
            "short\n",
            "the password is too short (minimum is 6 characters)",
        ),
        (
            &["account", "create", "--admin-email", "a@b.example", "--password-stdin"],
            "\n",
            "the password is too short (minimum is 6 characters)",
        ),
        (&["account", "delete", "nope", "--yes"], "", "there is no account 'nope' in the database"),
        (&["account", "show", "--account", "nope"], "", "--account: there is no account 'nope' in the database"),
        (&["account", "update", "--account", "hooli", "--slug", "acme"], "", "slug has already been taken"),
        (
            &["account", "update", "--api-version", "9"],
            "",
            "--api-version: '9' is none of 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8",
        ),
        (
            &["account", "set", "default_user_permissions", "[\"*\""],
            "",
            "the value of default_user_permissions is not JSON (write such as '[\"license.read\",\"user.read\"]'): [\"*\"",
        ),
        (
            &["account", "set", "default_user_permissions", "[\"account.update\"]"],
            "",
            "value must be an array of valid user permissions",
        ),
        (&["account", "set", "default_user_permissions", "[]"], "", "value cannot be blank"),
        (&["account", "set", "default_license_permissions", "{}"], "", "value cannot be blank"),
        (&["account", "set", "default_user_permissions", "\"\""], "", "value cannot be blank"),
        (
            &["account", "unset", "default_user_permissions"],
            "",
            "The requested account setting 'default_user_permissions' was not found",
        ),
    ] {
        assert_eq!(refused(&server, arguments, input), error, "{arguments:?}");
    }

    let shown = done(
        &server,
        &[
            "account",
            "update",
            "--account",
            "hooli",
            "--slug",
            "hooli-xyz",
            "--api-version",
            "1.7",
            "--protected",
            "true",
        ],
        "",
    );
    assert_eq!(
        (labelled(&shown, "Slug"), labelled(&shown, "API version"), labelled(&shown, "Protected")),
        ("hooli-xyz".into(), "1.7".into(), "true".into())
    );
    assert!(shown.contains("-----BEGIN PUBLIC KEY-----"));
    assert_eq!(server.anonymous().get("/v1/accounts/hooli-xyz/me").header("keygen-version"), "1.7");
    server.anonymous().get("/v1/accounts/hooli/me").ok(404);

    // Settings take effect at once (05 §2.3).
    let set = done(&server, &["account", "set", "defaultUserPermissions", "[\"user.read\"]"], "");
    assert_eq!(set, "default_user_permissions = [\"user.read\"]\n");
    let user = server.admin().create("users", json!({ "email": "u@x.example" }), Value::Null);
    assert_eq!(user["attributes"]["permissions"], json!(["user.read"]));
    assert_eq!(
        done(&server, &["account", "unset", "default_user_permissions"], ""),
        "(no settings: the defaults hold)\n"
    );

    // Deletion asks first.
    let (code, _, err) = run(&server, &["account", "delete", "hooli-xyz"], "no\n");
    assert!(code == 2 && err.contains("nothing was deleted"), "{err}");
    assert!(
        done(&server, &["account", "delete", "hooli-xyz", "--yes"], "").starts_with("deleted the account 'hooli-xyz'")
    );
    server.anonymous().get("/v1/accounts/hooli-xyz/me").ok(404);
    server.token(&token).get("/v1/accounts/initech-example/me").ok(200);
    // The same id again is another account, with other keys, for a running server too.
    let id = "01a1feb0-23ef-7269-9588-a32d16c3a9bf";
    let mut keys = Vec::new();
    for _ in 0..2 {
        let made =
            done(&server, &["account", "create", "--admin-email", "z@z.example", "--slug", "zz", "--id", id], "");
        server.token(&labelled(&made, "Admin token")).get("/v1/accounts/zz/me").ok(200);
        keys.push(done(&server, &["account", "show", "--account", "zz"], ""));
        done(&server, &["account", "delete", "zz", "--yes"], "");
    }
    assert_ne!(keys[0], keys[1]);
    // Nobody makes accounts over the API while registration is closed.
    let body = json!({ "data": { "type": "accounts", "relationships": { "admins": { "data": [] } } } });
    server.anonymous().post("/v1/accounts", body).ok(404);
}

// 03 §12: the way back in where no mail can be sent.
#[test]
fn users_are_let_in_again() {
    let server = Server::start();
    let before = server.admin().get("me").ok(200);
    assert_eq!(
        done(&server, &["user", "set-password", "ADMIN@example.com", "--password-stdin"], "new password\n"),
        format!("The password of {ADMIN_EMAIL} is set\n")
    );
    // Every token has ended with the old password.
    assert_eq!(server.admin().get("me").code(), "TOKEN_INVALID");
    assert_eq!(login(&server, "tokens", ADMIN_EMAIL, support::ADMIN_PASSWORD).code(), "PASSWORD_INVALID");
    login(&server, "tokens", ADMIN_EMAIL, "new password").ok(201);
    let made = done(&server, &["user", "set-password", ADMIN_EMAIL], "");
    let password = made.trim_end().rsplit(' ').next().unwrap().to_owned();
    login(&server, "tokens", ADMIN_EMAIL, &password).ok(201);
    let token = done(&server, &["user", "token", ADMIN_EMAIL], "").trim_end().to_owned();
    assert_eq!(server.token(&token).get("me").ok(200)["data"]["id"], before["data"]["id"]);

    // Of an isolated environment, into which an administrator's global token does not lead (05 §5.3).
    let environment = json!({ "name": "Staging", "code": "staging" });
    server.token(&token).create("environments", environment, Value::Null);
    let inside = done(&server, &["user", "token", ADMIN_EMAIL, "--environment", "staging"], "").trim_end().to_owned();
    server.token(&inside).environment("staging").get("me").ok(200);
    assert_eq!(server.token(&inside).get("me").code(), "TOKEN_INVALID");
    let error = refused(&server, &["user", "token", ADMIN_EMAIL, "--environment", "nope"], "");
    assert_eq!(error, "The requested environment 'nope' was not found");

    let id = text(&before["data"]["id"]);
    let factor = json!({ "meta": { "password": password } });
    let factor = server.token(&token).post(&format!("users/{id}/second-factors"), factor).ok(201);
    let secret = text(&factor["data"]["attributes"]["secret"]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let code = keygen_lite::crypto::totp::code_at(secret, now / 30).unwrap();
    let path = format!("users/{id}/second-factors/{}", text(&factor["data"]["id"]));
    let enable =
        json!({ "data": { "type": "second-factors", "attributes": { "enabled": true } }, "meta": { "otp": code } });
    server.token(&token).patch(&path, enable).ok(200);
    assert_eq!(login(&server, "tokens", ADMIN_EMAIL, &password).code(), "OTP_REQUIRED");
    assert_eq!(
        done(&server, &["user", "remove-second-factor", ADMIN_EMAIL], ""),
        format!("{ADMIN_EMAIL} has no second factor any more\n")
    );
    login(&server, "tokens", ADMIN_EMAIL, &password).ok(201);

    let (longest, too_long) = ("é".repeat(255), "é".repeat(256));
    done(&server, &["user", "token", ADMIN_EMAIL, "--name", &longest], "");
    for (arguments, input, error) in [
        (&["user", "token", ADMIN_EMAIL, "--name", &too_long][..], "", "name is too long (maximum is 255 characters)"),
        (&["user", "token", "nobody@x.example"], "", "there is no user 'nobody@x.example' in the account 'acme'"),
        (&["user", "set-password", ADMIN_EMAIL, "--password-stdin"], "      \n", "the password cannot be blank"),
        (
            &["user", "token", ADMIN_EMAIL, "--account", "nope"],
            "",
            "--account: there is no account 'nope' in the database",
        ),
    ] {
        assert_eq!(refused(&server, arguments, input), error, "{arguments:?}");
    }
}

/// A server of an older version may be at work on the file: only a server's start changes the schema.
#[test]
fn only_the_server_brings_a_file_up_to_date() {
    let mut server = Server::start();
    let token = done(&server, &["user", "token", ADMIN_EMAIL], "").trim_end().to_owned();
    server.stop();
    let current = server.database();
    let aside = current.with_extension("aside");
    std::fs::rename(&current, &aside).unwrap();
    let older = rusqlite::Connection::open(&current).unwrap();
    older.execute_batch(include_str!("../src/store/migrations/001.sql")).unwrap();
    older.execute_batch("PRAGMA application_id = 0x4B474C54; PRAGMA user_version = 1;").unwrap();
    older.close().unwrap();
    let before = std::fs::read(&current).unwrap();
    for arguments in [
        &["account", "list"][..],
        &["account", "create", "--admin-email", "a@b.example"],
        &["user", "token", ADMIN_EMAIL],
        &["keys", "import", "--policy", "0197f2a0-6d5c-7b3a-9f57-2d0c6f2c1e11", "keys.txt"],
    ] {
        assert_eq!(
            refused(&server, arguments, ""),
            "the database is of an older version of this program: start the server once to bring it up to date"
        );
    }
    assert!(std::fs::read(&current).unwrap() == before, "the file was changed");
    std::fs::write(&current, "").unwrap();
    let error = refused(&server, &["account", "list"], "");
    assert_eq!(error, format!("the database {} is empty: start the server once to set it up", current.display()));
    assert_eq!(std::fs::metadata(&current).unwrap().len(), 0);

    std::fs::rename(&aside, &current).unwrap();
    assert_eq!(done(&server, &["account", "list"], "").lines().count(), 1);
    server.restart();
    server.token(&token).get("me").ok(200);
}
