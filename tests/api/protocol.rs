//! Requests and their refusals (01 §2, §3, §17–§20): prefixes, paths, methods, negotiation, limits, health.

use crate::support::*;
use serde_json::{Value, json};

/// Sends a request with nothing added but `Host` (unless given), `Connection` and the body's length.
pub fn wire(server: &Server, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: localhost:{}\r\n", server.port));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    server.anonymous().raw(&bytes)
}

/// The `Authorization` value of the administrator.
pub fn admin_credential(server: &Server) -> String {
    format!("Bearer {}", server.admin_token)
}

/// The id of the account, read off an answer.
pub fn account_id(server: &Server) -> String {
    server.admin().get("me").header("keygen-account").to_owned()
}

/// The Ed25519 seed of the second account, and its public key (02 §2, §3.5).
pub const OTHER_SEED: &str = "42b230e378320029c94bcc2ef9ace4ce82bc6db08f4631bd6d94dfed1ef94529";
pub const OTHER_PUBLIC: &str = "e99d293c70785efbf8e7cbbb5f2a44ad05140d976f1cacc7766f112a7043116f";
/// The id of the second account.
pub const OTHER: &str = "0190a0b0-0000-7000-8000-00000000beef";

/// Adds a second account, `beta`: the first one's administrator and token, another signing key.
pub fn second_account(server: &Server) {
    server.sql(&format!(
        "INSERT INTO accounts (id, account_id, created_at, updated_at, name, slug, api_version)
           SELECT '{OTHER}', '{OTHER}', created_at + 1000, updated_at, 'Beta', 'beta', api_version FROM accounts;
         INSERT INTO account_keys (id, account_id, created_at, updated_at, secret_key, ed25519_private_key, rsa2048_private_key, ecdsa_private_key)
           SELECT '{OTHER}', '{OTHER}', created_at, updated_at, secret_key, '{OTHER_SEED}', rsa2048_private_key, ecdsa_private_key FROM account_keys;
         INSERT INTO users (id, account_id, created_at, updated_at, email, role, permissions)
           SELECT '0190a0b0-0000-7000-8000-0000000000aa', '{OTHER}', created_at, updated_at, email, role, permissions FROM users;
         INSERT INTO tokens (id, account_id, created_at, updated_at, bearer_type, bearer_id, digest, permissions)
           SELECT '0190a0b0-0000-7000-8000-0000000000bb', '{OTHER}', created_at, updated_at, bearer_type,
                  '0190a0b0-0000-7000-8000-0000000000aa', digest, permissions FROM tokens WHERE name = 'First start';"
    ));
}

/// The id of nothing.
pub const ZERO: &str = "00000000-0000-7000-8000-000000000000";

/// The rows of a table that is written as text: cells between `|`; `#` starts a comment line.
pub fn rows<const N: usize>(table: &str) -> impl Iterator<Item = [&str; N]> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        cells.try_into().unwrap_or_else(|_| panic!("not {N} cells: {line}"))
    })
}

/// The body that creates a product.
pub fn product_body(attributes: Value) -> Value {
    json!({ "data": { "type": "products", "attributes": attributes } })
}

// 01 §2.1
#[test]
fn every_route_stands_under_both_prefixes() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.create("products", json!({ "name": "App", "code": "app" }), Value::Null);
    let (account, id) = (account_id(&server), id(&product));
    let long = format!("/v1/accounts/{account}");
    let undashed = format!("/v1/accounts/{}", account.replace('-', ""));
    let upper = format!("/v1/accounts/{}", account.to_uppercase());
    for prefix in ["/v1/accounts/acme", &long, &undashed, &upper, "/v1"] {
        let shown = admin.get(&format!("{prefix}/products/app")).ok(200);
        assert_eq!(shown["data"], product, "{prefix}");
        assert_eq!(shown["data"]["links"]["self"], format!("{long}/products/{id}"));
        let created = admin.post(&format!("{prefix}/products"), product_body(json!({ "name": "B" })));
        let made = created.ok(201)["data"]["id"].as_str().unwrap().to_owned();
        // 01 §7.3
        assert_eq!(created.header("location"), format!("http://localhost:{}{long}/products/{made}", server.port));
        assert_eq!(
            created.body["data"]["relationships"]["tokens"]["links"]["related"],
            format!("{long}/products/{made}/tokens")
        );
        admin.delete(&format!("{prefix}/products/{made}")).ok(204);
    }
    // The account itself has the long form only (01 §2.5); slugs are compared exactly; a dot is no part of a name.
    assert_eq!(admin.get("/v1/accounts/acme").ok(200)["data"]["id"], account);
    assert_eq!(admin.get("/v1").code(), "NOT_FOUND");
    for (path, detail) in [
        ("/v1/accounts/ACME/me", "The requested account 'ACME' was not found"),
        ("/v1/accounts/ac%2Eme/me", "The requested account 'ac.me' was not found"),
        ("/v1/accounts/acme%0A/me", "The requested account 'acme\n' was not found"),
        ("/v1/accounts/nope", "The requested account 'nope' was not found"),
        (
            "/v1/accounts/00000000-0000-0000-0000-000000000000/me",
            "The requested account '00000000-0000-0000-0000-000000000000' was not found",
        ),
        ("/v1/accounts/ac.me/me", UNKNOWN),
        ("/v1/accounts/acme.json", UNKNOWN),
        ("/v1/accounts/acme.xml", UNKNOWN),
        ("/v1/accounts", UNKNOWN),
    ] {
        assert_eq!(admin.get(path).error(), format!("404 {detail}|NOT_FOUND|-"), "{path}");
    }
}

pub const UNKNOWN: &str = "The requested endpoint was not found (check your HTTP method, Accept header, and URL path)";

// 01 §2.2, D3
#[test]
fn accounts_are_resolved_by_mode() {
    let server = Server::start();
    second_account(&server);
    let account = account_id(&server);
    for path in ["/v1/accounts/beta/me".to_owned(), format!("/v1/accounts/{OTHER}/me")] {
        // Before authentication, and signed by the default account; no Keygen-Account (01 §2.2).
        for caller in [server.admin(), server.anonymous(), server.token("nonsense")] {
            let answer = caller.get(&path);
            assert_eq!(answer.error(), format!("404 account is invalid (expected {account})|NOT_FOUND|-"));
            assert_eq!((answer.header("keygen-account"), answer.header("keygen-mode")), ("", "singleplayer"));
            assert!(answer.header("keygen-signature").contains(&account));
        }
    }
    assert_eq!(server.admin().get("/v1/me").ok(200)["data"]["relationships"]["account"]["data"]["id"], account);

    let server = Server::start_with(&[("KEYGEN_LITE_ACCOUNTS_MODE", "multi")]);
    second_account(&server);
    let admin = server.admin();
    for (name, expected) in
        [("acme", account.as_str()), ("beta", OTHER), (OTHER, OTHER), (&OTHER.to_uppercase(), OTHER)]
    {
        let me = admin.get(&format!("/v1/accounts/{name}/me"));
        assert_eq!(me.ok(200)["data"]["relationships"]["account"]["data"]["id"], expected, "{name}");
        assert_eq!((me.header("keygen-account"), me.header("keygen-mode")), (expected, "multiplayer"));
    }
    let product = admin.product();
    let path = format!("/v1/accounts/beta/products/{}", id(&product));
    let missing = format!("404 The requested product '{}' was not found|NOT_FOUND|-", id(&product));
    assert_eq!(admin.get(&path).error(), missing);
    for (path, detail) in [
        ("/v1/me", "account is required"),
        ("/v1/products/x", "account is required"),
        ("/v1/accounts/gamma/me", "The requested account 'gamma' was not found"),
    ] {
        let answer = server.anonymous().get(path);
        assert_eq!(answer.error(), format!("404 {detail}|NOT_FOUND|-"), "{path}");
        assert_eq!((answer.header("keygen-account"), answer.header("keygen-signature")), ("", ""), "{path}");
        assert_eq!(answer.body["meta"]["id"], answer.header("x-request-id"));
    }

    let multi = [("KEYGEN_LITE_ACCOUNTS_MODE", "multi"), ("KEYGEN_LITE_ACCOUNTS_DEFAULT_ACCOUNT", "acme")];
    let mut server = Server::start_with(&multi);
    second_account(&server);
    assert_eq!(server.admin().get("/v1/me").header("keygen-account"), account);
    server.sql(
        "UPDATE accounts SET slug = 'first' WHERE slug = 'acme'; UPDATE accounts SET slug = 'acme' WHERE slug = 'beta'",
    );
    server.restart();
    assert_eq!(server.admin().get("/v1/me").header("keygen-account"), OTHER);
    assert_eq!(server.admin().get("/v1/accounts/first/me").header("keygen-account"), account);
}

// 01 §2.3
#[test]
fn paths_are_split_decoded_and_looked_up() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.create("products", json!({ "name": "App", "code": "my.app" }), Value::Null);
    let policy = admin.policy(&product, json!({}));
    let keyed = |key: &str| admin.license(&policy, json!({ "key": key }));
    for path in ["/v1//me", "//v1/me/", "/v1/accounts//acme///me//", "/v1/me///"] {
        admin.get(path).ok(200);
    }
    // Keys may hold anything but an unescaped slash; segments are decoded once, after they are split.
    for (key, path) in [
        ("a/b/c/d/e", "a%2Fb%2Fc%2Fd%2fe"),
        ("100%2F off", "100%252F%20off"),
        ("a+b c+d", "a+b%20c%2Bd"),
        ("v1.2.json", "v1.2.json"),
        ("v1.2.3.exe", "v1.2.3.exe"),
        ("mail@host:1;x=y", "mail@host:1;x=y"),
        ("schlüssel 日本", "schl%C3%BCssel%20%E6%97%A5%E6%9C%AC"),
        ("line\nbreak", "line%0Abreak"),
        ("a?b#c&d", "a%3Fb%23c%26d"),
    ] {
        let license = keyed(key);
        let answer = admin.get(&format!("licenses/{path}"));
        assert_eq!(answer.ok(200)["data"]["id"], license["id"], "{path}");
        assert_eq!(answer.header("content-type"), "application/vnd.api+json; charset=utf-8");
        assert_eq!(admin.get(&format!("licenses/{path}/policy")).ok(200)["data"]["id"], policy["id"], "{path}");
    }
    // Elsewhere a dot starts a format suffix; %2E is a dot.
    let id = id(&product);
    for (suffix, content_type) in [(".json", "application/json"), (".jsonapi", "application/vnd.api+json")] {
        let staff = admin_credential(&server);
        for headers in [&[("Authorization", staff.as_str())][..], &[("Authorization", &staff), ("Accept", "*/*")]] {
            let answer = wire(&server, "GET", &format!("/v1/products/{id}{suffix}"), headers, b"");
            assert_eq!(answer.ok(200)["data"]["id"], *id);
            assert_eq!(answer.header("content-type"), format!("{content_type}; charset=utf-8"));
        }
        // What `Accept` lists comes first (01 §3.3).
        let answer = admin.get(&format!("products/{id}{suffix}"));
        assert_eq!(answer.header("content-type"), "application/vnd.api+json; charset=utf-8");
    }
    assert_eq!(admin.get("products/my%2Eapp").ok(200)["data"]["id"], *id);
    assert_eq!(admin.get("products/nope.json").error(), "404 The requested product 'nope' was not found|NOT_FOUND|-");
    for path in ["products/my.app", "products/my.json.xml", "policies/x.html", "tokens/x.", "entitlements/a.b"] {
        assert_eq!(admin.get(path).error(), format!("400 {MIME}|MIME_TYPE_INVALID|-"), "{path}");
        assert_eq!(admin.get(path).body["meta"], Value::Null);
    }
    assert_eq!(admin.get("products/my.app/policies").detail(), UNKNOWN);
    // Broken escapes.
    for path in ["licenses/%4", "licenses/%zz", "licenses/100%", "products/%G0/policies", "/v1/accounts/%/me"] {
        let answer = admin.get(path);
        let detail = "The request could not be completed because the URI was invalid (please ensure non-URL safe chars are properly encoded)";
        assert_eq!(answer.error(), format!("400 {detail}|URI_INVALID|-"), "{path}");
        assert_eq!(answer.body["meta"], Value::Null);
    }
    // 01 §4.4, §9.6: text that is no text.
    for (path, detail) in [
        ("licenses/%FF%FE", BAD_BYTES),
        ("products/%C3%28", BAD_BYTES),
        ("licenses/a%00b", NULL_BYTE),
        ("products/%00", NULL_BYTE),
    ] {
        assert_eq!(admin.get(path).error(), format!("400 {detail}|ENCODING_INVALID|-"), "{path}");
    }
}

pub const MIME: &str = "The mime type of the request is not acceptable (check content-type and accept headers)";
pub const BAD_BYTES: &str =
    "The request could not be completed because it contains an invalid byte sequence (check encoding)";
pub const NULL_BYTE: &str =
    "The request could not be completed because it contains an unexpected null byte (check encoding)";

// 01 §2.3, §8.1
#[test]
fn ids_and_aliases_name_records() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.create("products", json!({ "name": "App", "code": "App" }), Value::Null);
    let other = admin.product();
    let policy = admin.policy(&product, json!({ "floating": true }));
    let uuid = id(&product).to_owned();
    let name_of = |path: &str| admin.get(path).ok(200)["data"]["id"].as_str().unwrap().to_owned();
    let undashed = uuid.replace('-', "");
    let mixed = format!("{}-{}", &undashed[..8], undashed[8..].to_uppercase());
    for form in [&uuid, &undashed, &mixed, &uuid.to_uppercase()] {
        assert_eq!(name_of(&format!("products/{form}")), uuid);
        assert_eq!(admin.get(&format!("policies?order=asc&product={form}")).ok(200)["data"][0]["id"], policy["id"]);
        let body = json!({ "data": { "type": "policies", "attributes": { "name": "P" },
                                     "relationships": { "product": { "data": { "type": "products", "id": form } } } } });
        let made = admin.post("policies", body).ok(201);
        assert_eq!(made["data"]["relationships"]["product"]["data"]["id"], uuid);
    }
    // Exact, case included; the whole string must be a UUID; blank is not found.
    for (text, shown) in [
        ("app", "app"),
        (&format!("{uuid}%0A") as &str, &format!("{uuid}\n") as &str),
        (&undashed[1..], &undashed[1..]),
        (&format!("{{{uuid}}}"), &format!("{{{uuid}}}")),
        ("%20", " "),
    ] {
        let expected = format!("404 The requested product '{shown}' was not found|NOT_FOUND|-");
        assert_eq!(admin.get(&format!("products/{text}")).error(), expected);
    }
    // The oldest of several matches wins.
    let taken = "0190a0b0-1111-7000-8000-000000000001";
    let older = admin.license(&policy, json!({ "key": taken }));
    let data = json!({ "type": "licenses", "id": taken, "relationships": { "policy": link(&policy) } });
    let newer = admin.post("licenses", json!({ "data": data })).ok(201);
    assert_eq!(newer["data"]["id"], taken);
    assert_eq!(name_of(&format!("licenses/{taken}")), id(&older));
    // The second id of a nested path takes aliases too, below its parent only.
    let machine = admin.machine(&older, "aa:bb");
    assert_eq!(name_of(&format!("licenses/{}/machines/aa:bb", id(&older))), id(&machine));
    assert_eq!(admin.get(&format!("licenses/{}/machines/aa:bb", id(&admin.license(&policy, json!({}))))).status, 404);
    assert_eq!(name_of(&format!("products/App/policies/{}", id(&policy))), id(&policy));
    assert_eq!(admin.get(&format!("products/{}/policies/{}", id(&other), id(&policy))).status, 404);
    // `actions` and `action` can be no alias.
    for word in ["actions", "action"] {
        let reserved =
            |name: &str| vec![format!("is reserved|{}_NOT_ALLOWED|/data/attributes/{name}", name.to_uppercase())];
        let product = admin.post("products", product_body(json!({ "name": "x", "code": word })));
        assert_eq!((product.status, product.errors()), (422, reserved("code")));
        let entitlement = json!({ "data": { "type": "entitlements", "attributes": { "name": "x", "code": word } } });
        assert_eq!(admin.post("entitlements", entitlement).errors(), reserved("code"));
        assert_eq!(admin.activate(&older, word).errors(), reserved("fingerprint"));
        let data =
            json!({ "type": "licenses", "attributes": { "key": word }, "relationships": { "policy": link(&policy) } });
        assert_eq!(admin.post("licenses", json!({ "data": data })).errors(), reserved("key"));
    }
    // Where no alias exists, a text is not found (01 §2.3), under the long names of 01 §9.4.
    for (path, name) in [
        ("policies", "policy"),
        ("tokens", "token"),
        ("components", "machine component"),
        ("processes", "machine process"),
        ("licenses", "license"),
        ("machines", "machine"),
        ("entitlements", "entitlement"),
        (&format!("products/{uuid}/policies") as &str, "policy"),
        (&format!("products/{uuid}/tokens"), "token"),
        (&format!("policies/{}/entitlements", id(&policy)), "entitlement"),
        (&format!("licenses/{}/tokens", id(&older)), "token"),
        (&format!("machines/{}/components", id(&machine)), "machine component"),
        (&format!("machines/{}/processes", id(&machine)), "machine process"),
    ] {
        for id in [ZERO, "invalid"] {
            let expected = format!("404 The requested {name} '{id}' was not found|NOT_FOUND|-");
            assert_eq!(admin.get(&format!("{path}/{id}")).error(), expected, "{path}");
        }
    }
}

// 01 §2.4, §2.5
#[test]
fn methods_and_unknown_routes() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let path = format!("products/{}", id(&product));
    for method in ["PATCH", "PUT"] {
        let body = product_body(json!({ "name": method })).to_string();
        let answer = admin.call(method, &path, Some(body.as_bytes()));
        assert_eq!(answer.ok(200)["data"]["attributes"]["name"], method);
    }
    // There is no method override.
    let overridden = admin.header("X-HTTP-Method-Override", "DELETE").header("X-HTTP-Method", "DELETE");
    overridden.post(&format!("{path}/tokens?_method=DELETE"), Value::Null).ok(200);
    admin.get(&path).ok(200);
    for method in ["FOO", "get", "BREW", "X-Y"] {
        let answer = admin.call(method, &path, None);
        assert_eq!(
            answer.error(),
            "400 The HTTP method for the request is not valid|HTTP_METHOD_INVALID|-",
            "{method}"
        );
        assert_eq!(answer.body["meta"], Value::Null);
    }
    // A known path without the method, unknown paths, and what D11 keeps back: 404, in JSON, whatever `Accept` says.
    for (method, path) in [
        ("POST", path.as_str()),
        ("PATCH", "products"),
        ("DELETE", "products"),
        ("OPTIONS", "products"),
        ("TRACE", "products"),
        ("PROPFIND", "products"),
        ("GET", "licenses/actions/validate-key"),
        ("DELETE", "/v1/health"),
        ("GET", "nope"),
        ("GET", "/"),
        ("GET", "/v2/me"),
        ("GET", "/v1/products/a/b/c"),
        ("GET", "/-/sessions"),
        ("POST", "/-/csp/reports"),
        ("POST", "/v1/accounts"),
    ] {
        for accept in ["application/vnd.api+json", "application/json", "text/html", "image/png", "no type"] {
            let answer = admin.header("Accept", accept).header("Content-Type", "no type").call(method, path, None);
            let document = json!({ "errors": [{ "title": "Not found", "detail": UNKNOWN, "code": "NOT_FOUND" }] });
            assert_eq!((answer.status, &answer.body), (404, &document), "{method} {path} {accept}");
            assert_eq!(answer.header("content-type"), "application/vnd.api+json; charset=utf-8");
            assert_eq!(answer.header("allow"), "");
        }
    }
}

// 01 §3.1, §3.3
#[test]
fn accept_decides_the_type_of_answers() {
    let server = Server::start();
    let admin = admin_credential(&server);
    let (api, json) = ("application/vnd.api+json; charset=utf-8", "application/json; charset=utf-8");
    let refused = format!("400 {MIME}|MIME_TYPE_INVALID|-");
    let get =
        |path: &str, accept: &str| wire(&server, "GET", path, &[("Authorization", &admin), ("Accept", accept)], b"");
    for (accept, expected) in [
        ("application/vnd.api+json", api),
        ("application/vnd.keygen+json", api),
        ("application/json", json),
        ("text/x-json", json),
        ("application/jsonrequest", json),
        ("APPLICATION/JSON", json),
        ("*/*", api),
        ("*", api),
        ("application/*", api),
        ("text/*", api),
        ("application/json; charset=utf-8", json),
        ("application/vnd.api+json; ext=\"x\"", api),
        ("application/json, application/vnd.api+json", json),
        ("application/vnd.api+json, application/json", api),
        ("application/json;q=0.3, application/vnd.api+json;q=0.7", api),
        ("application/vnd.api+json;q=0.3, application/json", json),
        ("*/*;q=0.9, application/json;q=0.1", json),
        ("application/xml, application/json;q=0.1", json),
        ("*/*; q=0.5, application/xml", api),
        ("application/json;q=0", json),
        ("text/html, */*", api),
        ("", api),
        ("text/html", ""),
        ("text/plain", ""),
        ("application/xml", ""),
        ("application/xml, image/png;q=0.9", ""),
        ("json", ""),
        ("foo", ""),
        ("foo, */*", ""),
    ] {
        for path in ["/v1/me", "/v1/accounts/acme"] {
            let answer = get(path, accept);
            if expected.is_empty() {
                assert_eq!(answer.error(), refused, "{accept}");
                assert_eq!((answer.header("content-type"), &answer.body["meta"]), (api, &Value::Null));
            } else {
                assert_eq!((answer.status, answer.header("content-type")), (200, expected), "{path} {accept}");
            }
        }
    }
    // Octet streams are for all but the account routes; ping and health take anything.
    assert_eq!(get("/v1/me", "application/octet-stream").header("content-type"), api);
    assert_eq!(get("/v1/accounts/acme", "application/octet-stream").error(), refused);
    for accept in ["image/png", "foo", "text/html;q=0"] {
        assert_eq!(get("/v1/ping", accept).status, 200, "{accept}");
        assert_eq!(get("/v1/health", accept).status, 204, "{accept}");
    }
    // Errors after routing keep the type (01 §3.3); there is no 406.
    assert_eq!(get("/v1/products/nope", "application/json").header("content-type"), json);
    assert_eq!(get("/v1/products/nope?a=1&a[b]=2", "application/json").header("content-type"), api);
    // Two header lines are one list (RFC 9110 §5.3).
    let both = [("Authorization", admin.as_str()), ("Accept", "application/xml"), ("Accept", "application/json")];
    assert_eq!(wire(&server, "GET", "/v1/me", &both, b"").header("content-type"), json);
}

// 01 §3.1 (no Accept), §3.2, §22.2, §22.12
#[test]
fn content_types_decide_how_a_body_is_read() {
    let server = Server::start();
    let admin = admin_credential(&server);
    let (api, json) = ("application/vnd.api+json; charset=utf-8", "application/json; charset=utf-8");
    let body = product_body(json!({ "name": "App" })).to_string();
    let missing = "400 is missing|-|/data";
    let refused = format!("400 {MIME}|MIME_TYPE_INVALID|-");
    let send = |method: &str, path: &str, content_type: Option<&str>, accept: Option<&str>, body: &str| {
        let mut headers = vec![("Authorization", admin.as_str())];
        headers.extend(content_type.map(|value| ("Content-Type", value)));
        headers.extend(accept.map(|value| ("Accept", value)));
        wire(&server, method, path, &headers, body.as_bytes())
    };
    for content_type in [
        "application/vnd.api+json",
        "application/json",
        "application/vnd.keygen+json",
        "text/x-json",
        "application/jsonrequest",
        "Application/JSON; charset=iso-8859-1",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    ] {
        assert_eq!(send("POST", "/v1/products", Some(content_type), Some("*/*"), &body).status, 201, "{content_type}");
        let bad = send("POST", "/v1/products", Some(content_type), Some("*/*"), "{");
        assert_eq!(bad.code(), "JSON_INVALID", "{content_type}");
    }
    // Another type: the body counts as none, broken or not.
    for content_type in ["application/xml", "application/octet-stream", "image/png"] {
        assert_eq!(send("POST", "/v1/products", Some(content_type), Some("*/*"), &body).error(), missing);
        assert_eq!(send("POST", "/v1/products", Some(content_type), Some("*/*"), "{").error(), missing);
    }
    for method in ["PUT", "PATCH", "DELETE"] {
        for (content_type, code) in
            [("text/plain", "JSON_INVALID"), ("application/xml", "NOT_FOUND"), ("json", "MIME_TYPE_INVALID")]
        {
            assert_eq!(
                send(method, "/v1/products/x", Some(content_type), Some("*/*"), "{").code(),
                code,
                "{method} {content_type}"
            );
        }
    }
    for method in ["POST", "GET"] {
        for content_type in ["vnd.api+xml", "json", "application"] {
            let answer = send(method, "/v1/products", Some(content_type), Some("*/*"), "");
            assert_eq!(answer.error(), refused, "{method} {content_type}");
        }
    }
    // GET: a body is read only when its type is JSON.
    for (content_type, status) in
        [(None, 200), (Some("text/plain"), 200), (Some("application/xml"), 200), (Some("application/json"), 400)]
    {
        assert_eq!(send("GET", "/v1/products", content_type, Some("*/*"), "{").status, status, "{content_type:?}");
    }
    // No Accept: Content-Type stands in; with neither, POST answers plain JSON.
    for (method, content_type, expected) in [
        ("POST", None, json),
        ("POST", Some("application/json"), json),
        ("POST", Some("application/vnd.api+json"), api),
        ("POST", Some("application/x-www-form-urlencoded"), json),
        ("POST", Some("application/xml"), ""),
        ("GET", None, api),
        ("GET", Some("application/json"), json),
        ("GET", Some("text/plain"), ""),
        ("GET", Some("application/octet-stream"), api),
    ] {
        let answer = send(method, "/v1/products", content_type, None, if method == "POST" { &body } else { "" });
        if expected.is_empty() {
            assert_eq!(answer.error(), refused, "{method} {content_type:?}");
        } else {
            assert_eq!(answer.header("content-type"), expected, "{method} {content_type:?}");
            assert!(answer.status < 300);
        }
    }
    let octets = send("POST", "/v1/products", Some("application/octet-stream"), None, &body);
    assert_eq!(octets.error(), missing);
}

/// Adds an environment; its id.
pub fn environment(server: &Server, code: &str, strategy: &str) -> String {
    let id = format!("0190a0b0-0000-7000-8000-{:0>12}", code.bytes().map(|b| format!("{b:x}")).collect::<String>());
    server.sql(&format!(
        "INSERT INTO environments (id, account_id, created_at, updated_at, name, code, isolation_strategy)
           SELECT '{id}', id, created_at, updated_at, '{code}', '{code}', '{strategy}' FROM accounts WHERE slug = 'acme'"
    ));
    id
}

/// The global administrator with a token of that environment, in it (05 §5.3).
pub fn environment_admin(server: &Server, code: &str) -> Client {
    let id = format!("0190a0b0-0000-7000-8000-{:0>12}", code.bytes().map(|b| format!("{b:x}")).collect::<String>());
    let relationships = json!({ "environment": { "data": { "type": "environments", "id": id } } });
    let token = server.admin().create("tokens", json!({}), relationships);
    server.token(text(&token["attributes"]["token"])).environment(code)
}

// 01 §18, D18
#[test]
fn what_is_too_large_is_refused() {
    let server = Server::start_with(&[("KEYGEN_LITE_SERVER_MAX_BODY_BYTES", "2000")]);
    let admin = server.admin();
    let padded = |length: usize| {
        let body = product_body(json!({ "name": "x" })).to_string();
        body.clone() + &" ".repeat(length - body.len())
    };
    assert_eq!(admin.call("POST", "products", Some(padded(2000).as_bytes())).status, 201);
    let chunks = format!("7D1\r\n{}\r\n0\r\n\r\n", padded(2001));
    let json = ("Content-Type", "application/json");
    let declared = |target: &str| wire(&server, "POST", target, &[json, ("Content-Length", "2001")], b"");
    let chunked = [json, ("Transfer-Encoding", "chunked")];
    let raw = |target: &str| {
        let mut head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
        chunked.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        server.anonymous().raw(format!("{head}\r\n{chunks}").as_bytes())
    };
    for answer in [declared("/v1/products"), declared("/v1/accounts/nope/products"), raw("/v1/products")] {
        assert_eq!(answer.error(), "413 The request body is too large (limit is 2000 bytes)|-|-");
        assert_eq!(answer.body["errors"][0]["title"], "Payload too large");
        assert!(answer.header("keygen-signature").starts_with("keyid="));
        assert_eq!(answer.header("content-type"), "application/vnd.api+json; charset=utf-8");
    }
    // By default 4 MiB.
    let server = Server::start();
    let answer = wire(&server, "POST", "/v1/products", &[json, ("Content-Length", "4194305")], b"");
    assert_eq!(answer.error(), "413 The request body is too large (limit is 4194304 bytes)|-|-");
    assert_eq!(server.admin().call("POST", "products", Some(padded(4 << 20).as_bytes())).status, 201);
    // Request line and headers: 64 KiB together. 431 comes before there is a request: unsigned.
    let filler = "x".repeat(60_000);
    assert_eq!(wire(&server, "GET", "/v1/ping", &[("X-Filler", &filler)], b"").status, 200);
    let two = [("X-Filler", filler.as_str()), ("X-More", &filler[..7000])];
    let long = format!("/v1/ping?{filler}");
    for answer in [wire(&server, "GET", "/v1/ping", &two, b""), wire(&server, "GET", &long, &two[1..], b"")] {
        assert_eq!((answer.status, answer.header("keygen-signature")), (431, ""));
    }
    for broken in
        ["GET /v1/ping HTTP/1.1\r\nno header\r\n\r\n", "G@T /v1/ping HTTP/1.1\r\n\r\n", "GET /v1/a b HTTP/1.1\r\n\r\n"]
    {
        let answer = server.anonymous().raw(broken.as_bytes());
        assert_eq!((answer.status, answer.header("keygen-signature")), (400, ""));
    }
}

// Connections are kept, and requests may be sent before earlier ones are answered (RFC 9112 §9.3).
#[test]
fn a_connection_serves_many_requests() {
    use std::io::{Read as _, Write as _};
    let server = Server::start();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n");
    let post = "POST /v1/products HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n{";
    let all = [&get("/v1/ping", ""), post, &get("/v1/me", ""), &get("/v1/health", "Connection: close\r\n")].concat();
    stream.write_all(all.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "400", "401", "204"]);
}

// 01 §20, D35, D11
#[test]
fn ping_and_health_need_nothing() {
    let server = Server::start();
    for (path, status) in [
        ("/v1/ping", 200),
        ("/v1/accounts/acme/ping", 200),
        ("/v1/accounts/nope/ping", 200),
        ("/v1/health", 204),
        ("/v1/health/webhooks", 204),
        ("/v1/accounts/acme/health", 404),
    ] {
        for caller in [server.anonymous(), server.admin(), server.token("x").header("Accept", "image/png")] {
            for method in ["GET", "HEAD"] {
                let answer = caller.call(method, path, None);
                assert_eq!(answer.status, status, "{method} {path}");
                if status != 404 {
                    assert_eq!((answer.bytes.len(), answer.header("content-type")), (0, ""));
                    assert_eq!((answer.header("set-cookie"), answer.header("keygen-account")), ("", ""));
                }
            }
        }
    }
    // Cookies are ignored.
    assert_eq!(server.anonymous().header("Cookie", "session_id=x").get("me").code(), "TOKEN_MISSING");
}

/// Every permission that a route names is in the catalogue, and every route is reachable under the prefixes of 01 §2.1.
#[test]
fn the_route_table_names_real_permissions() {
    let catalogue: Value = serde_json::from_str(include_str!("../../docs/spec/data/permissions.json")).unwrap();
    let names: Vec<&str> = catalogue["permissions"].as_array().unwrap().iter().map(text).collect();
    let mut routes = 0;
    for route in keygen_lite::api::routes() {
        routes += 1;
        for name in route.permissions {
            assert!(names.contains(name), "{route:?} names {name}");
        }
        assert!(!route.path.starts_with('/') && !route.path.ends_with('/'), "{route:?}");
        // PUT beside PATCH and HEAD beside GET are implied.
        let alone = route.method == "PUT" && route.path.starts_with("tokens");
        assert!(alone || matches!(route.method, "GET" | "POST" | "PATCH" | "DELETE"), "{route:?}");
    }
    assert!(routes > 50);
}
