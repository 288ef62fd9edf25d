//! Credentials: where they may stand, what they may look like, how each kind is refused (03 §1–§6). Also people, tokens and
//! environments in a line each, for the other files.

use crate::support::*;
use base64::Engine as _;
use keygen_lite::crypto::{password::hash_password, token::digest};
use keygen_lite::model::Role;
use serde_json::{Value, json};

/// The first column of the first row, as text; empty when there is none.
pub fn select(server: &Server, sql: &str) -> String {
    let connection = rusqlite::Connection::open(server.database()).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let value =
        connection.query_row(&format!("SELECT CAST(({sql}) AS TEXT)"), [], |row| row.get::<_, Option<String>>(0));
    value.unwrap().unwrap_or_default()
}

/// An id that no record has.
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Milliseconds since the epoch, that many seconds ago.
pub fn ago(seconds: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_millis() as i64 - seconds * 1000
}

/// How often an event was emitted.
pub fn events(server: &Server, event: &str) -> String {
    select(server, &format!("SELECT count(*) FROM event_logs WHERE event = '{event}'"))
}

fn quoted(text: Option<&str>) -> String {
    text.map_or("NULL".to_owned(), |text| format!("'{text}'"))
}

/// A user with its role's default permissions and the password `secret`.
pub fn user_in(server: &Server, role: &str, email: &str, environment: Option<&str>) -> Value {
    let id = new_id();
    let set = Role::ALL.iter().find(|r| r.as_str() == role).unwrap().default_permissions().to_json_text();
    server.sql(&format!(
        "INSERT INTO users (id, account_id, created_at, updated_at, environment_id, email, password_digest, role, permissions)
         SELECT '{id}', id, {now}, {now}, {environment}, '{email}', '{digest}', '{role}', '{set}' FROM accounts",
        now = ago(0),
        environment = quoted(environment),
        digest = hash_password("secret"),
    ));
    json!({ "type": "users", "id": id })
}

/// A global user.
pub fn user(server: &Server, role: &str, email: &str) -> Value {
    user_in(server, role, email, None)
}

/// An environment.
pub fn environment(server: &Server, code: &str, strategy: &str) -> Value {
    let attributes = json!({ "name": code, "code": code, "isolationStrategy": strategy });
    server.admin().create("environments", attributes, Value::Null)
}

/// A token of any bearer, in any environment.
pub fn token_in(server: &Server, bearer: &Value, environment: Option<&str>) -> String {
    let id = new_id();
    let raw = format!("test-{}v3", id.replace('-', ""));
    let digest = digest(&select(server, "SELECT secret_key FROM account_keys"), &raw);
    server.sql(&format!(
        "INSERT INTO tokens (id, account_id, created_at, updated_at, environment_id, bearer_type, bearer_id, digest, permissions)
         SELECT '{id}', id, {now}, {now}, {environment}, '{type_}', '{bearer}', '{digest}', '[\"*\"]' FROM accounts",
        now = ago(0),
        environment = quoted(environment),
        type_ = text(&bearer["type"]),
        bearer = id_of(bearer),
    ));
    raw
}

/// A caller with a global token of that bearer.
pub fn as_bearer(server: &Server, bearer: &Value) -> Client {
    server.token(&token_in(server, bearer, None))
}

/// Makes a user the owner of a license.
pub fn own(server: &Server, license: &Value, user: &Value) {
    server.sql(&format!("UPDATE licenses SET owner_id = '{}' WHERE id = '{}'", id_of(user), id_of(license)));
}

/// Attaches a user to a license.
pub fn attach(server: &Server, license: &Value, user: &Value) {
    server.sql(&format!(
        "INSERT INTO license_users (id, account_id, created_at, updated_at, license_id, user_id)
         SELECT '{row}', id, {now}, {now}, '{license}', '{user}' FROM accounts;
         UPDATE licenses SET users_count = users_count + 1 WHERE id = '{license}'",
        row = new_id(),
        now = ago(0),
        license = id_of(license),
        user = id_of(user),
    ));
}

fn id_of(record: &Value) -> &str {
    id(record)
}

/// `Authorization: Basic` for that text.
pub fn basic(text: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
}

/// Who an answer of `/me` says the caller is: `token`, `key`, `admin`, or status, code and `WWW-Authenticate`.
fn who(answer: &Answer) -> String {
    if answer.status != 200 {
        let scheme = answer.header("www-authenticate").trim_end_matches(" realm=\"keygen\"");
        return format!("{} {} {scheme}", answer.status, answer.code()).trim_end().to_owned();
    }
    match (text(&answer.body["data"]["type"]), answer.header("keygen-token").is_empty()) {
        ("users", false) => "admin",
        ("licenses", false) => "token",
        ("licenses", true) => "key",
        _ => "somebody else",
    }
    .to_owned()
}

// 03 §2.1–§2.5
#[test]
fn credentials_are_read_where_they_stand() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({ "authenticationStrategy": "MIXED" }));
    let (k, t, a) = (key(&license).to_owned(), admin.token_for(&license), server.admin_token.clone());
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let pair = encoded(&format!("license:{k}"));
    let broken = format!("Basic \"{} {}\"", &pair[..8], pair[8..].trim_end_matches('='));
    let spaced = admin.create(
        "licenses",
        json!({ "key": "A KEY: with spaces" }),
        json!({ "policy": { "data": license["relationships"]["policy"]["data"] } }),
    );
    for (header, query, expected) in [
        // row 1: Bearer and Token
        (format!("Bearer {t}"), String::new(), "token"),
        (format!("Token {t}"), String::new(), "token"),
        (format!("Token token=\"{t}\", foo=\"x\""), String::new(), "token"),
        (format!("Bearer \"{t}\""), String::new(), "token"),
        (format!("Bearer token={t}"), String::new(), "token"),
        (format!("Bearer  ; {t};x"), String::new(), "token"),
        (format!("Bearer {t}\tx"), String::new(), "token"),
        (format!("bearer {t}"), String::new(), "401 TOKEN_MISSING Bearer"),
        (format!("TOKEN {t}"), String::new(), "401 TOKEN_MISSING Token"),
        ("Bearer".into(), String::new(), "401 TOKEN_MISSING Bearer"),
        ("Bearer ,;".into(), String::new(), "401 TOKEN_MISSING Bearer"),
        ("Token \"\"".into(), String::new(), "401 TOKEN_MISSING Token"),
        // row 2: Basic
        (basic(&format!("{t}:")), String::new(), "token"),
        (basic(&t), String::new(), "token"),
        (basic(&format!("{t}:whatever")), String::new(), "token"),
        (basic(&format!("token:{t}")), String::new(), "token"),
        (basic(&format!("license:{k}")), String::new(), "key"),
        (basic(&format!("license:{}", key(&spaced))), String::new(), "key"),
        (format!("BASIC {pair}"), String::new(), "key"),
        (broken, String::new(), "key"),
        (basic(&format!("License:{k}")), String::new(), "401 TOKEN_INVALID Basic"),
        (basic(&format!("Token:{t}")), String::new(), "401 TOKEN_INVALID Basic"),
        (basic(&format!("{k}:")), String::new(), "401 TOKEN_INVALID Basic"),
        (basic(":"), String::new(), "401 TOKEN_INVALID Basic"),
        (basic("license:"), String::new(), "401 TOKEN_INVALID Basic"),
        (basic("token: "), String::new(), "401 TOKEN_INVALID Basic"),
        ("Basic".into(), String::new(), "401 TOKEN_INVALID Basic"),
        // e-mail and password: on POST /tokens only
        (basic(&format!("{ADMIN_EMAIL}:{ADMIN_PASSWORD}")), String::new(), "401 TOKEN_INVALID Basic"),
        // row 3: License
        (format!("License {k}"), String::new(), "key"),
        (format!("LICENSE   {k}"), String::new(), "key"),
        (format!("License {}", key(&spaced)), String::new(), "key"),
        ("License nope".into(), String::new(), "401 LICENSE_INVALID License"),
        (format!("License {t}"), String::new(), "401 LICENSE_INVALID License"),
        ("license ".into(), String::new(), "401 TOKEN_MISSING License"),
        // row 5: the query
        (String::new(), format!("?token={t}"), "token"),
        (String::new(), format!("?auth={t}"), "token"),
        (String::new(), format!("?token={t}:x"), "token"),
        (String::new(), format!("?token=token:{t}"), "token"),
        (String::new(), format!("?token=license:{k}"), "key"),
        (String::new(), format!("?auth=license:{k}"), "key"),
        (String::new(), format!("?auth={t}&token={a}"), "admin"),
        (String::new(), "?token=nope&auth=x".into(), "401 TOKEN_INVALID Bearer"),
        (String::new(), "?token=license:nope".into(), "401 LICENSE_INVALID Bearer"),
        (String::new(), "?auth=".into(), "401 TOKEN_MISSING Bearer"),
        (String::new(), String::new(), "401 TOKEN_MISSING Bearer"),
        ("Digest x".into(), format!("?token={t}"), "token"),
        ("Digest x".into(), String::new(), "401 TOKEN_MISSING Digest"),
        // no fall-through from a bad credential
        ("Bearer nope".into(), format!("?token={a}"), "401 TOKEN_INVALID Bearer"),
        (format!("bearer {t}"), format!("?token={a}"), "401 TOKEN_MISSING Bearer"),
        ("License".into(), format!("?token={a}"), "401 TOKEN_MISSING License"),
        (basic(":"), format!("?token={a}"), "401 TOKEN_INVALID Basic"),
        // not UTF-8 (01 §4.4)
        ("Basic /w==".into(), String::new(), "400 ENCODING_INVALID"),
    ] {
        let answer = server.with(&header).get(&format!("me{query}"));
        assert_eq!(who(&answer), expected, "{header} {query}");
    }
    // D11: cookies are not read, none is set
    let cookie = server.anonymous().header("Cookie", "session_id=x").header("Origin", "https://portal.localhost");
    assert_eq!(who(&cookie.get("me")), "401 TOKEN_MISSING Bearer");
    let login =
        server.with(&basic(&format!("{ADMIN_EMAIL}:{ADMIN_PASSWORD}"))).header("Origin", "https://portal.localhost");
    assert_eq!(login.post("tokens", Value::Null).header("set-cookie"), "");
    // 03 §2.1: links do not carry the credential on
    let page = server.anonymous().get(&format!("licenses?token={a}&page[number]=1&page[size]=1&auth=y"));
    let page = page.ok(200);
    assert_eq!(page["links"]["next"], "/v1/accounts/acme/licenses?page%5Bnumber%5D=2&page%5Bsize%5D=1");
}

// 03 §1 step 2, §2: optional authentication takes no credential for nobody, a bad one for an error
#[test]
fn optional_authentication() {
    let server = Server::start();
    let license = server.admin().quick_license(json!({}));
    let body = json!({ "meta": { "key": key(&license) } });
    for (header, expected) in [
        ("".to_owned(), "200 -"),
        ("bearer x".to_owned(), "200 -"),
        ("Bearer ".to_owned(), "200 -"),
        ("License ".to_owned(), "200 -"),
        ("Digest x".to_owned(), "200 -"),
        (basic(":"), "200 -"),
        (basic("license:"), "200 -"),
        ("Bearer x".to_owned(), "401 TOKEN_INVALID"),
        (basic("x:"), "401 TOKEN_INVALID"),
        ("License x".to_owned(), "401 LICENSE_INVALID"),
        (format!("License {}", key(&license)), "403 LICENSE_NOT_ALLOWED"),
    ] {
        let answer = server.with(&header).post("licenses/actions/validate-key", body.clone());
        assert_eq!(format!("{} {}", answer.status, answer.code()), expected, "{header}");
    }
}

/// `status|title|detail|code|about|WWW-Authenticate` of the only error.
fn whole(answer: &Answer) -> String {
    assert_eq!(answer.body["errors"].as_array().map(Vec::len), Some(1));
    let error = &answer.body["errors"][0];
    assert_eq!(answer.body["meta"]["id"], answer.header("x-request-id"), "01 §9.1");
    assert!(error.get("source").is_none());
    let part = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let about = part(&error["links"]["about"]).replace("https://keygen.sh/docs/api/authentication/", "docs/");
    let scheme = answer.header("www-authenticate");
    format!(
        "{}|{}|{}|{}|{about}|{scheme}",
        answer.status,
        part(&error["title"]),
        part(&error["detail"]),
        part(&error["code"])
    )
}

const DEFAULT: &str = "You must be authenticated to complete the request";

// 03 §3
#[test]
fn tokens_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({ "authenticationStrategy": "MIXED" }));
    let token = |expiry: Value| {
        let body = json!({ "data": { "type": "tokens", "attributes": { "expiry": expiry } } });
        admin.post(&format!("licenses/{}/tokens", id(&license)), body).ok(200)["data"].clone()
    };
    let raw = |token: &Value| text(&token["attributes"]["token"]).to_owned();
    let expired = token(json!("2020-01-01T00:00:00Z"));
    let revoked = token(Value::Null);
    admin.delete(&format!("tokens/{}", id(&revoked))).ok(204);
    let invalid =
        format!("401|Unauthorized|{DEFAULT}|TOKEN_INVALID|docs/#token-authentication|Bearer realm=\"keygen\"");
    let format_invalid = "401|Unauthorized|Token format is invalid (make sure that you're providing a token value, not a \
                          token's UUID identifier)|TOKEN_FORMAT_INVALID|docs/#token-authentication|Bearer realm=\"keygen\"";
    for (token, expected) in [
        (id(&expired).to_owned(), format_invalid),
        (id(&expired).replace('-', "").to_uppercase(), format_invalid),
        (raw(&revoked), &invalid),
        (raw(&expired).replace("v3", ""), &invalid),
        (raw(&expired).to_uppercase(), &invalid),
        (format!("{}.x", raw(&expired)), &invalid),
        ("0f1e-2d3c.v1".to_owned(), &invalid),
        (key(&license).to_owned(), &invalid),
        (raw(&expired), "401|Unauthorized|Token is expired|TOKEN_EXPIRED|-|Bearer realm=\"keygen\""),
    ] {
        assert_eq!(whole(&server.token(&token).get("me")), expected, "{token}");
    }
    let missing = format!("401|Unauthorized|{DEFAULT}|TOKEN_MISSING|docs/|Bearer realm=\"keygen\"");
    assert_eq!(whole(&server.anonymous().get("me")), missing);

    // rows 3 and 4, and the order of rows 4 and 5; suspension and expiry do not matter
    let live = token(json!("2099-01-01T00:00:00Z"));
    let app = server.token(&raw(&live));
    admin.post(&format!("licenses/{}/actions/suspend", id(&license)), Value::Null).ok(200);
    let past = json!({ "data": { "type": "licenses", "attributes": { "expiry": "2020-01-01T00:00:00Z" } } });
    admin.patch(&format!("licenses/{}", id(&license)), past).ok(200);
    app.get("me").ok(200);
    let owner = user(&server, "user", "owner@example.com");
    own(&server, &license, &owner);
    app.get("me").ok(200);
    server.sql("UPDATE users SET banned_at = 1 WHERE role = 'user'");
    server.sql("UPDATE policies SET authentication_strategy = 'NONE'");
    assert_eq!(whole(&app.get("me")), "403|Access denied|User is banned|USER_BANNED|-|");
    assert_eq!(whole(&as_bearer(&server, &owner).get("me")), "403|Access denied|User is banned|USER_BANNED|-|");
    server.sql("UPDATE users SET banned_at = NULL");
    let refused =
        "403|Access denied|Token authentication is not allowed by policy|TOKEN_NOT_ALLOWED|docs/#token-authentication|";
    assert_eq!(whole(&app.get("me")), refused);
    // an expired token is that, whatever else is wrong
    server.sql("UPDATE tokens SET expires_at = 1");
    server.sql("UPDATE users SET banned_at = 1 WHERE role = 'user'");
    assert_eq!(app.get("me").code(), "TOKEN_EXPIRED");
    assert_eq!(app.environment("nowhere").get("me").code(), "ENVIRONMENT_INVALID");
}

// 03 §4
#[test]
fn license_keys_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    // the table of strategies
    for (strategy, token, by_key) in [
        ("TOKEN", "200 -", "403 LICENSE_NOT_ALLOWED"),
        ("LICENSE", "403 TOKEN_NOT_ALLOWED", "200 -"),
        ("SESSION", "403 TOKEN_NOT_ALLOWED", "403 LICENSE_NOT_ALLOWED"),
        ("MIXED", "200 -", "200 -"),
        ("NONE", "403 TOKEN_NOT_ALLOWED", "403 LICENSE_NOT_ALLOWED"),
    ] {
        let license = admin.license(&admin.policy(&product, json!({ "authenticationStrategy": strategy })), json!({}));
        let outcome = |client: Client| {
            let answer = client.get("me");
            format!("{} {}", answer.status, answer.code())
        };
        assert_eq!(outcome(server.token(&admin.token_for(&license))), token, "{strategy}");
        assert_eq!(outcome(server.license_key(key(&license))), by_key, "{strategy}");
    }
    // an expired license: only REVOKE_ACCESS refuses
    for (strategy, status) in
        [("RESTRICT_ACCESS", 200), ("REVOKE_ACCESS", 403), ("MAINTAIN_ACCESS", 200), ("ALLOW_ACCESS", 200)]
    {
        let policy = json!({ "authenticationStrategy": "LICENSE", "expirationStrategy": strategy });
        let license = admin.license(&admin.policy(&product, policy), json!({ "expiry": "2020-01-01T00:00:00Z" }));
        assert_eq!(server.license_key(key(&license)).get("me").status, status, "{strategy}");
    }
    // the order of the conditions, peeled off one by one
    let policy =
        admin.policy(&product, json!({ "authenticationStrategy": "NONE", "expirationStrategy": "REVOKE_ACCESS" }));
    let license = admin.license(&policy, json!({ "expiry": "2020-01-01T00:00:00Z", "suspended": true }));
    let app = server.license_key(key(&license));
    let (owner, licensee) = (user(&server, "user", "o@example.com"), user(&server, "user", "l@example.com"));
    own(&server, &license, &owner);
    attach(&server, &license, &licensee);
    server.sql("UPDATE users SET banned_at = 1 WHERE role = 'user'");
    let check = |expected: &str| assert_eq!(whole(&app.get("me")), expected);
    check("403|Access denied|License is banned|LICENSE_BANNED|-|");
    // a banned licensee bans nothing
    server.sql("UPDATE users SET banned_at = NULL WHERE email = 'o@example.com'");
    check("403|Access denied|License is suspended|LICENSE_SUSPENDED|-|");
    admin.post(&format!("licenses/{}/actions/reinstate", id(&license)), Value::Null).ok(200);
    check("403|Access denied|License is expired|LICENSE_EXPIRED|-|");
    server.sql("UPDATE licenses SET expires_at = NULL");
    check(
        "403|Access denied|License key authentication is not allowed by policy|LICENSE_NOT_ALLOWED|docs/#license-authentication|",
    );
    let body = json!({ "data": { "type": "policies", "attributes": { "authenticationStrategy": "LICENSE" } } });
    admin.patch(&format!("policies/{}", id(&policy)), body).ok(200);
    assert_eq!(app.get("me").ok(200)["data"]["id"], license["id"]);
    // matched exactly
    let invalid =
        format!("401|Unauthorized|{DEFAULT}|LICENSE_INVALID|docs/#license-authentication|License realm=\"keygen\"");
    for wrong in [key(&license).to_lowercase(), format!("{}x", key(&license)), id(&license).to_owned()] {
        assert_eq!(whole(&server.license_key(&wrong).get("me")), invalid, "{wrong}");
    }
}

// 03 §6
#[test]
fn people_log_in_with_email_and_password() {
    let server = Server::start();
    user(&server, "user", "ada@example.com");
    user(&server, "user", "banned@example.com");
    user(&server, "developer", "nobody@example.com");
    server.sql("UPDATE users SET banned_at = 1 WHERE email = 'banned@example.com'");
    server.sql("UPDATE users SET password_digest = NULL WHERE email = 'nobody@example.com'");
    let denied = "403 You do not have permission to complete the request (user is banned)|-|-";
    for (credentials, expected) in [
        ("ada@example.com:secret", "201"),
        ("Ada@EXAMPLE.com:secret", "201"),
        ("ada@example:secret", "401 email is required|EMAIL_REQUIRED|Authorization"),
        ("@example.com:secret", "401 email is required|EMAIL_REQUIRED|Authorization"),
        ("a da@example.com:secret", "401 email is required|EMAIL_REQUIRED|Authorization"),
        ("ada@example.c:secret", "401 email is required|EMAIL_REQUIRED|Authorization"),
        ("ada@example.com\0:secret", "401 email is required|EMAIL_REQUIRED|Authorization"),
        ("eve@example.com:secret", "401 email must be valid|EMAIL_INVALID|Authorization"),
        ("eve@example.com:", "401 email must be valid|EMAIL_INVALID|Authorization"),
        ("nobody@example.com:", "401 password is unsupported|PASSWORD_NOT_SUPPORTED|Authorization"),
        ("nobody@example.com:secret", "401 password is unsupported|PASSWORD_NOT_SUPPORTED|Authorization"),
        ("ada@example.com:", "401 password is required|PASSWORD_REQUIRED|Authorization"),
        ("ada@example.com:  ", "401 password is required|PASSWORD_REQUIRED|Authorization"),
        ("ada@example.com:Secret", "401 password must be valid|PASSWORD_INVALID|Authorization"),
        ("ada@example.com:secret:", "401 password must be valid|PASSWORD_INVALID|Authorization"),
        ("ada@example.com:sec\0ret", "401 password must be valid|PASSWORD_INVALID|Authorization"),
        ("banned@example.com:wrong", "401 password must be valid|PASSWORD_INVALID|Authorization"),
        ("banned@example.com:secret", denied),
        // no `:` or no `@`: a token
        ("ada@example.com", "401 You must be authenticated to complete the request|TOKEN_INVALID|-"),
        ("ada:secret", "401 You must be authenticated to complete the request|TOKEN_INVALID|-"),
    ] {
        let answer = server.with(&basic(credentials)).post("tokens", Value::Null);
        let outcome = if answer.status == 201 { "201".to_owned() } else { answer.error() };
        assert_eq!(outcome, expected, "{credentials}");
        let scheme = if answer.status == 401 { "Basic realm=\"keygen\"" } else { "" };
        assert_eq!(answer.header("www-authenticate"), scheme, "{credentials}");
        if answer.status == 401 {
            assert_eq!(answer.body["errors"][0]["title"], "Unauthorized");
        }
    }
    let coded = |bytes: &[u8]| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(bytes));
    for bytes in [&b"a\xff@example.com:x"[..], b"a\0b@example.com:x"] {
        let answer = server.with(&coded(bytes)).post("tokens", Value::Null);
        assert_eq!((answer.status, answer.code()), (400, "ENCODING_INVALID"));
    }
    // the token that a login makes works, and the login itself names the bearer but no token (01 §11)
    let login = server.with(&basic("ada@example.com:secret")).post("tokens", Value::Null);
    let made = login.ok(201);
    assert_eq!(login.header("keygen-bearer"), text(&made["data"]["relationships"]["bearer"]["data"]["id"]));
    assert_eq!(login.header("keygen-token"), "");
    let me = server.token(text(&made["data"]["attributes"]["token"])).get("me");
    assert_eq!(me.ok(200)["data"]["attributes"]["email"], "ada@example.com");
    assert_eq!(me.header("keygen-token"), id(&made["data"]));
    // permissions of a login are the user's: a body may still be refused
    let body = json!({ "data": { "type": "tokens", "attributes": { "maxActivations": 1 } } });
    let answer = server.with(&basic("ada@example.com:secret")).post("tokens", body);
    assert_eq!(answer.error(), "400 unpermitted parameter|-|/data/attributes/maxActivations");
}

// 14 §2: versions before 1.8 do not tell what was wrong
#[test]
fn older_versions_tell_less() {
    let server = Server::start();
    user(&server, "user", "none@example.com");
    server.sql("UPDATE users SET password_digest = NULL WHERE email = 'none@example.com'");
    let blurred = "401 email and password must be valid|CREDENTIALS_INVALID|Authorization";
    for (credentials, plain) in [
        ("ada@example:x", "401 email is required|EMAIL_REQUIRED|Authorization"),
        ("ada@example.com:x", "401 email must be valid|EMAIL_INVALID|Authorization"),
        ("none@example.com:x", "401 password is unsupported|PASSWORD_NOT_SUPPORTED|Authorization"),
        (&format!("{ADMIN_EMAIL}:"), "401 password is required|PASSWORD_REQUIRED|Authorization"),
        (&format!("{ADMIN_EMAIL}:x"), "401 password must be valid|PASSWORD_INVALID|Authorization"),
    ] {
        let login = server.with(&basic(credentials));
        for (version, expected) in [("1.8", plain), ("1.7", blurred), ("1.0", blurred)] {
            let answer = login.header("Keygen-Version", version).post("tokens", Value::Null);
            assert_eq!(answer.error(), expected, "{credentials} {version}");
            assert_eq!(answer.body["errors"][0]["title"], "Unauthorized");
        }
    }
    let answer = server.token("nope").header("Keygen-Version", "1.7").post("tokens", Value::Null);
    assert_eq!(answer.code(), "TOKEN_INVALID");
}

// 03 §5: what an environment finds
#[test]
fn credentials_belong_to_environments() {
    let server = Server::start();
    let admin = server.admin();
    let isolated = environment(&server, "isolated", "ISOLATED");
    let shared = environment(&server, "shared", "SHARED");
    environment(&server, "other", "SHARED");
    let license = admin.quick_license(json!({ "authenticationStrategy": "MIXED" }));
    let admin_user = json!({ "type": "users", "id": select(&server, "SELECT id FROM users") });
    let (i, s) = (id(&isolated), id(&shared));
    let developer = user(&server, "developer", "dev@example.com");
    user_in(&server, "admin", "admin-i@example.com", Some(i));
    user_in(&server, "user", "user-s@example.com", Some(s));
    let spot = |client: &Client, code: &str| {
        let client = if code.is_empty() { client.clone() } else { client.environment(code) };
        let answer = client.get("me");
        format!("{} {}", answer.status, answer.code()).replace("200 -", "ok")
    };
    // tokens: of the admin and of the license, by the token's environment
    for (environment, expected) in [
        (None, ["ok", "401 TOKEN_INVALID", "ok", "ok"]),
        (Some(i), ["401 TOKEN_INVALID", "ok", "401 TOKEN_INVALID", "401 TOKEN_INVALID"]),
        (Some(s), ["401 TOKEN_INVALID", "401 TOKEN_INVALID", "ok", "401 TOKEN_INVALID"]),
    ] {
        let client = server.token(&token_in(&server, &admin_user, environment));
        let outcome = ["", "isolated", "shared", "other"].map(|code| spot(&client, code));
        assert_eq!(outcome, expected, "{environment:?}");
    }
    // a global developer cannot enter an isolated environment, whatever its token says (05 §5.3)
    let client = server.token(&token_in(&server, &developer, Some(i))).environment("isolated");
    let expected = "403 You do not have permission to complete the request (developer environment is not compatible with \
                    the current environment)|-|-";
    assert_eq!(client.get("tokens").error(), expected);
    // license keys: by the license's environment
    for (environment, expected) in [
        ("NULL", ["ok", "401 LICENSE_INVALID", "ok", "ok"]),
        (&format!("'{i}'"), ["401 LICENSE_INVALID", "ok", "401 LICENSE_INVALID", "401 LICENSE_INVALID"]),
        (&format!("'{s}'"), ["401 LICENSE_INVALID", "401 LICENSE_INVALID", "ok", "401 LICENSE_INVALID"]),
    ] {
        server.sql(&format!("UPDATE licenses SET environment_id = {environment}"));
        let client = server.license_key(key(&license));
        assert_eq!(["", "isolated", "shared", "other"].map(|code| spot(&client, code)), expected, "{environment}");
    }
    // people
    for (credentials, expected) in [
        (format!("{ADMIN_EMAIL}:{ADMIN_PASSWORD}"), ["ok", "ok", "ok"]),
        ("dev@example.com:secret".to_owned(), ["ok", "401 EMAIL_INVALID", "ok"]),
        ("admin-i@example.com:secret".to_owned(), ["401 EMAIL_INVALID", "ok", "401 EMAIL_INVALID"]),
        ("user-s@example.com:secret".to_owned(), ["401 EMAIL_INVALID", "401 EMAIL_INVALID", "ok"]),
    ] {
        let outcome = ["", "isolated", "shared"].map(|code| {
            let client = server.with(&basic(&credentials));
            let client = if code.is_empty() { client } else { client.environment(code) };
            let answer = client.post("tokens", Value::Null);
            format!("{} {}", answer.status, answer.code()).replace("201 -", "ok")
        });
        assert_eq!(outcome, expected, "{credentials}");
    }
}

// 03 §3 row 2, 05 §1.1: credentials and records of another account, even under the same secret
#[test]
fn accounts_are_apart() {
    let server = Server::start_with(&[("KEYGEN_LITE_ACCOUNTS_MODE", "multi")]);
    let admin = server.admin();
    let license = admin.quick_license(json!({ "authenticationStrategy": "MIXED" }));
    let machine = admin.machine(&license, "m");
    let token = admin.token_for(&license);
    let other = new_id();
    server.sql(&format!(
        "INSERT INTO accounts (id, account_id, created_at, updated_at, slug, api_version)
         SELECT '{other}', '{other}', 1, 1, 'other', api_version FROM accounts;
         INSERT INTO account_keys SELECT '{other}', '{other}', 1, 1, secret_key, ed25519_private_key, rsa2048_private_key,
           ecdsa_private_key FROM account_keys;
         INSERT INTO users (id, account_id, created_at, updated_at, email, role, permissions)
         SELECT '{other}', '{other}', 1, 1, 'a@other.example', role, permissions FROM users"
    ));
    for (client, code) in [
        (server.token(&token), "TOKEN_INVALID"),
        (admin.clone(), "TOKEN_INVALID"),
        (server.license_key(key(&license)), "LICENSE_INVALID"),
    ] {
        assert_eq!(client.get("/v1/accounts/acme/me").status, 200);
        assert_eq!(client.get("/v1/accounts/other/me").code(), code);
    }
    let login = server.with(&basic(&format!("{ADMIN_EMAIL}:{ADMIN_PASSWORD}")));
    assert_eq!(login.post("/v1/accounts/other/tokens", Value::Null).code(), "EMAIL_INVALID");
    // its own administrator sees and reaches nothing of the first account
    let raw = "test-otherv3";
    let digest = digest(&select(&server, "SELECT secret_key FROM account_keys LIMIT 1"), raw);
    server.sql(&format!(
        "INSERT INTO tokens (id, account_id, created_at, updated_at, bearer_type, bearer_id, digest, permissions)
         VALUES ('{other}', '{other}', 1, 1, 'users', '{other}', '{digest}', '[\"*\"]')"
    ));
    let stranger = server.token(raw);
    assert_eq!(stranger.get("/v1/accounts/other/me").ok(200)["data"]["id"], other.as_str());
    assert_eq!(stranger.get("/v1/accounts/other/machines").ok(200)["data"], json!([]));
    for path in [format!("machines/{}", id(&machine)), "machines/m".to_owned(), format!("licenses/{}", key(&license))] {
        assert_eq!(stranger.get(&format!("/v1/accounts/other/{path}")).status, 404, "{path}");
    }
    let body = json!({ "data": {
        "type": "machines", "attributes": { "fingerprint": "x" }, "relationships": { "license": link(&license) }
    } });
    assert_eq!(stranger.post("/v1/accounts/other/machines", body).code(), "LICENSE_NOT_FOUND");
}

// 03 §1, 05 §0, 01 §5
#[test]
fn checks_come_in_order() {
    let server = Server::start();
    let bad = server.token("nope");
    let accept = |client: &Client| client.header("Keygen-Accept-Signature", "algorithm=\"md5\"");
    let (missing, machine) = ("/v1/accounts/nobody/me", "machines/none");
    // each request fails everything that comes later, too
    let answer = accept(&bad.environment("none")).get(missing);
    assert_eq!(answer.error(), "404 The requested account 'nobody' was not found|NOT_FOUND|-");
    let answer = accept(&bad.environment("none")).get(machine);
    assert_eq!(answer.error(), "400 environment is invalid|ENVIRONMENT_INVALID|Keygen-Environment");
    assert_eq!(accept(&bad).get(machine).status, 400);
    assert_eq!(bad.get(machine).code(), "TOKEN_INVALID");
    assert_eq!(bad.post("machines", json!({ "nope": 1 })).code(), "TOKEN_INVALID");
    let reader = as_bearer(&server, &user(&server, "read-only", "ro@example.com"));
    let not_found = "404 The requested machine 'none' was not found|NOT_FOUND|-";
    assert_eq!(reader.delete(machine).error(), not_found, "lookup before authorization");
    let answer = reader.post("machines", json!({ "nope": 1 }));
    assert_eq!(answer.error(), "400 unpermitted parameter|-|/nope", "create: body before authorization");
    let machine = server.admin().machine(&server.admin().quick_license(json!({})), "aa");
    let answer = reader.patch(&format!("machines/{}", id(&machine)), json!({ "nope": 1 }));
    assert_eq!(answer.status, 403, "update: authorization before body");
}
