//! Requests and their refusals (01 §2–§10, §17–§20): prefixes, paths, methods, negotiation, JSON, order of checks, schemas, errors.

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
fn product_body(attributes: Value) -> Value {
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

const UNKNOWN: &str = "The requested endpoint was not found (check your HTTP method, Accept header, and URL path)";

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

const MIME: &str = "The mime type of the request is not acceptable (check content-type and accept headers)";
const BAD_BYTES: &str =
    "The request could not be completed because it contains an invalid byte sequence (check encoding)";
const NULL_BYTE: &str =
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

/// Texts that are no JSON, one a line; `\n` stands for a line feed.
const NO_JSON: &str = r#"
"ro\le" | "\x0d" | "\ud888" | "\udc00" | "\u12g4" | "a	b" | "a\nb" | 'x' | x | 01 | .5 | 1. | +1 | - | 1e | NaN | Infinity | tru | "open
"x", | [1,] | [,1] | {"a":1,} | {a:1} | {"a"} | {"a":} | {} {} | {}x | "x" /* c */ | /* c */ "x" | "x" // c | ,
"#;

// 01 §4.1, §8.5, D5, D16, D18
#[test]
fn json_is_strict() {
    let server = Server::start();
    let admin = server.admin();
    let post = |body: &[u8]| admin.call("POST", "products", Some(body));
    let document = |name: &str| format!(r#"{{"data":{{"type":"products","attributes":{{"name":{name}}}}}}}"#);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut texts: Vec<Vec<u8>> =
        vec![nested(101).into(), "[".repeat(100_000).into(), "{\"a\":".repeat(100_000).into()];
    for text in NO_JSON.lines().flat_map(|line| line.split(" | ")).filter(|text| !text.is_empty()) {
        let text = text.replace("a\\nb", "a\nb");
        texts.push(document(&text).into());
        texts.push(text.into());
    }
    texts.extend([" ", "\r\n\t", "\u{feff}{}", "\"\u{1}\"", "\"\0\""].map(|text| text.as_bytes().to_vec()));
    texts.extend([b"\"\xff\"".to_vec(), b"{\"\xc3\x28\":1}".to_vec()]);
    for body in texts {
        // Before anything about the account or the credentials, and without `meta`.
        for caller in [&admin, &server.token("x")] {
            let answer = caller.call("POST", "/v1/accounts/nope/licenses", Some(&body));
            let shown = String::from_utf8_lossy(&body[..body.len().min(90)]).into_owned();
            let detail =
                "The request could not be completed because it contains invalid JSON (check formatting/encoding)";
            assert_eq!(answer.error(), format!("400 {detail}|JSON_INVALID|-"), "{shown}");
            assert_eq!(answer.body.get("meta"), None);
        }
    }
    // What is not an object at the top is `{ "data": <value> }`; nothing is no parameters.
    for (body, error) in [
        ("", "is missing"),
        ("{}", "is missing"),
        ("null", "cannot be null"),
        ("[]", "type mismatch (received array expected object)"),
        ("\"x\"", "type mismatch (received string expected object)"),
        ("1", "type mismatch (received integer expected object)"),
        ("1.0", "type mismatch (received float expected object)"),
        ("true", "type mismatch (received boolean expected object)"),
        (&nested(100), "type mismatch (received array expected object)"),
    ] {
        assert_eq!(post(body.as_bytes()).error(), format!("400 {error}|-|/data"), "{body}");
    }
    let entitlement = admin.entitlement("A");
    let path = format!("licenses/{}/entitlements", id(&admin.quick_license(json!({}))));
    admin.post(&path, json!([{ "type": "entitlements", "id": entitlement["id"] }])).ok(200);
    // The last of equal keys wins, also after normalization.
    let twice = r#"{"data":{"type":"x","type":"products","attributes":{"name":"A","url":null,"Name":"B"}}}"#;
    assert_eq!(post(twice.as_bytes()).ok(201)["data"]["attributes"]["name"], "B");
    // Strings come back as they were sent, compact, escaping only what RFC 8259 demands.
    for (sent, raw) in [
        (r#""  <b>&\u003c \/ é \u00e9 \ud83d\ude00 \u2028 '""#, "\"  <b>&< / é é 😀 \u{2028} '\""),
        (r#""\"\\\n""#, r#""\"\\\n""#),
        ("\"\u{7f}\"", "\"\u{7f}\""),
    ] {
        let text = String::from_utf8(post(document(sent).as_bytes()).bytes).unwrap();
        assert!(text.contains(&format!(r#""attributes":{{"name":{raw},"code":null"#)), "{text}");
    }
    // Integers of any size are read; what no column holds is refused, after validation.
    let numbers = r#""N","metadata":{"big":123456789012345678901234567890,"neg":-7,"zero":0}"#;
    let text = String::from_utf8(post(document(numbers).as_bytes()).bytes).unwrap();
    assert!(text.contains(&numbers[4..]), "{text}");
    let product = admin.product();
    let policy = |attributes: Value| {
        let data =
            json!({ "type": "policies", "attributes": attributes, "relationships": { "product": link(&product) } });
        admin.post("policies", json!({ "data": data }))
    };
    for (attributes, errors) in [
        (
            json!({ "duration": u64::MAX }),
            &["must be less than or equal to 2147483647|DURATION_INVALID|/data/attributes/duration"][..],
        ),
        (json!({ "duration": i64::MIN }), &["must be greater than 0|DURATION_INVALID|/data/attributes/duration"]),
        (
            json!({ "maxMemory": u64::MAX }),
            &["must be less than or equal to 9223372036854775807|MAX_MEMORY_INVALID|/data/attributes/maxMemory"],
        ),
        (json!({ "maxMemory": i64::MAX }), &[]),
        (json!({ "checkInIntervalCount": 3_000_000_000_u64 }), &["integer is too large|-|-"]),
        (
            json!({ "checkInIntervalCount": 3_000_000_000_u64, "duration": -1 }),
            &["must be greater than 0|DURATION_INVALID|/data/attributes/duration"],
        ),
    ] {
        let mut attributes = attributes;
        attributes["name"] = json!("P");
        let answer = policy(attributes.clone());
        assert_eq!(if answer.status == 201 { Vec::new() } else { answer.errors() }, errors, "{attributes}");
    }
    // A null byte in a string that reaches storage, with `meta`.
    for body in [document("\"a\\u0000b\""), document(r#""x","metadata":{"k":["\u0000"]}"#)] {
        let answer = post(body.as_bytes());
        assert_eq!(answer.error(), format!("400 {NULL_BYTE}|ENCODING_INVALID|-"));
        assert_eq!(answer.body["meta"]["id"], answer.header("x-request-id"));
    }
}

// 01 §4.2
#[test]
fn keys_are_normalized_on_the_way_in_and_camelized_on_the_way_out() {
    let server = Server::start();
    let admin = server.admin();
    let table = [
        ("seat_no_1", "seat_no_1", "seatNo1"),
        ("SeatNo2", "seat_no2", "seatNo2"),
        ("seatNo3", "seat_no3", "seatNo3"),
        ("seat no 4", "seat_no_4", "seatNo4"),
        ("HTTPProxy", "http_proxy", "httpProxy"),
        ("orderID", "order_id", "orderId"),
        ("iOSBuild", "i_os_build", "iOsBuild"),
        ("rack-unit", "rack_unit", "rackUnit"),
        ("rack.unit", "rack_unit", "rackUnit"),
        ("rack__unit", "rack_unit", "rackUnit"),
        ("a/b", "a_b", "aB"),
        ("A::B", "a_b", "aB"),
        ("_row", "row", "row"),
        ("ROW", "row", "row"),
        ("é", "e", "e"),
        ("日本", "", ""),
    ];
    let pairs = |side: fn(&(&str, &str, &str)) -> String, value: Value| -> Vec<Value> {
        table.iter().map(|row| json!({ side(row): value })).collect()
    };
    let sent = json!({ "DeepList": pairs(|row| row.0.to_owned(), json!("As-Sent Value")) });
    let product =
        admin.post("products", product_body(json!({ "name": "A", "metadata": sent }))).ok(201)["data"].clone();
    let returned = json!({ "deepList": pairs(|row| row.2.to_owned(), json!("As-Sent Value")) });
    assert_eq!(product["attributes"]["metadata"], returned);
    let stored: String = rusqlite::Connection::open(server.database())
        .unwrap()
        .query_row("SELECT metadata FROM products WHERE id = ?", [id(&product)], |row| row.get(0))
        .unwrap();
    let expected = json!({ "deep_list": pairs(|row| row.1.to_owned(), json!("As-Sent Value")) });
    assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), expected);
    // One parameter, many spellings; values, such as enum names, are never changed.
    for key in ["maxUses", "max_uses", "max-uses", "MaxUses", "max uses", "MAX_USES"] {
        let license = admin.quick_license(json!({ key: 7 }));
        assert_eq!(license["attributes"]["maxUses"], 7, "{key}");
    }
    let wrong_case = json!({ "data": { "type": "Products", "attributes": { "name": "x" } } });
    assert_eq!(admin.post("products", wrong_case).error(), "400 is invalid|-|/data/type");
    let wrong_case = product_body(json!({ "name": "x", "distributionStrategy": "open" }));
    assert_eq!(admin.post("products", wrong_case).code(), "DISTRIBUTION_STRATEGY_NOT_ALLOWED");
}

/// Method, target, headers, body, expected. Headers: `a` the administrator, `g` a license key, `x` a wrong credential, `t` no
/// acceptable type, `c` no media type, `j` a JSON body, `v` a bad version, `e` a bad environment, `s` a bad signature request,
/// `o` and `p` a preflight's. `$l`: a license's path, `$0`: an unknown id, `$long`: 256 characters.
const ORDER: &str = r#"
# 0 preflight, 1 query
OPTIONS | /v1/nope?a=1&a[b]=2 | op | { | 200
# 1 query, 2 route
GET | /v1/nope?a=%4 | t | { | PARAMETERS_INVALID
BREW | /v1/me?a=%4 | | { | PARAMETERS_INVALID
# 2 method, route, media types; 3 JSON
BREW | /v1/nope | t | { | HTTP_METHOD_INVALID
POST | /v1/nope | tj | { | unknown route
POST | /v1/products | tj | { | MIME_TYPE_INVALID
POST | /v1/products | c | { | MIME_TYPE_INVALID
# 3 JSON, 4 version
POST | /v1/products | jv | { | JSON_INVALID
# 4 version, 5 account
GET | /v1/accounts/nope/me | ve | | INVALID_API_VERSION
# 5 account, 6 environment
GET | /v1/accounts/nope/me | esx | | The requested account 'nope' was not found
# 6 environment, 7 signature
GET | /v1/me | esx | | ENVIRONMENT_INVALID
GET | /v1/me?environment=nope | sx | | ENVIRONMENT_INVALID
# 7 signature, 8 authentication
GET | /v1/me | sx | | invalid accept-signature header (malformed)
# 8 authentication, 9 lookup
GET | /v1/products/nope | x | | TOKEN_INVALID
PATCH | /v1/products/nope | | {} | TOKEN_MISSING
# 9 lookup, 10 everything else
DELETE | /v1/products/nope | g | | The requested product 'nope' was not found
PATCH | /v1/licenses/nope | g | [] | The requested license 'nope' was not found
GET | /v1/licenses/nope/machines?limit=0 | g | | The requested license 'nope' was not found
# 10a list: pagination, then authorization
GET | /v1/policies?limit=0 | g | | limit must be a number between 1 and 100 (got 0)
GET | /v1/policies | g | | 403
# 10b create: schema, authorization, validation
POST | /v1/products | g | {} | is missing
POST | /v1/products | g | {"data":{"type":"products","attributes":{"name":"$long"}}} | 403
POST | /v1/products | a | {"data":{"type":"products","attributes":{"name":"$long"}}} | NAME_TOO_LONG
# 10c update: authorization, schema, validation
PATCH | $l | g | {} | 403
PATCH | $l | a | {} | is missing
PATCH | $l | a | {"data":{"type":"licenses","attributes":{"maxUses":-1}}} | MAX_USES_INVALID
# Schema first, although no plain create: attach, detach, check-out, validate-key, tokens of an owner
POST | $l/entitlements | g | {} | is missing
DELETE | $l/entitlements | g | {} | is missing
POST | $l/entitlements | g | {"data":[{"type":"entitlements","id":"$0"}]} | 403
POST | $l/actions/check-out | g | {"x":1} | unpermitted parameter
POST | $l/tokens | g | {"x":1} | unpermitted parameter
POST | $l/tokens | g | | 403
POST | /v1/licenses/actions/validate-key | | {} | is missing
POST | /v1/licenses/actions/validate-key | x | {} | TOKEN_INVALID
"#;

// 01 §5: each stage beats the next one; 01 §9.1: stages 0 to 3 have no `meta`, the later ones the request's id.
#[test]
fn checks_come_in_order() {
    let server = Server::start();
    let admin = admin_credential(&server);
    let license = server.admin().quick_license(json!({ "authenticationStrategy": "LICENSE" }));
    let guest = format!("License {}", key(&license));
    let own = format!("/v1/accounts/acme/licenses/{}", id(&license));
    let table = ORDER.replace("$long", &"x".repeat(256)).replace("$0", ZERO).replace("$l", &own);
    for [method, target, letters, body, expected] in rows(&table) {
        let mut headers = Vec::new();
        for letter in letters.chars() {
            headers.push(match letter {
                'a' => ("Authorization", admin.as_str()),
                'g' => ("Authorization", guest.as_str()),
                'x' => ("Authorization", "Bearer x"),
                't' => ("Accept", "text/html"),
                'c' => ("Content-Type", "json"),
                'j' => ("Content-Type", "application/json"),
                'v' => ("Keygen-Version", "9"),
                'e' => ("Keygen-Environment", "nope"),
                's' => ("Keygen-Accept-Signature", "<x>"),
                'o' => ("Origin", "https://a.b"),
                'p' => ("Access-Control-Request-Method", "GET"),
                _ => panic!("{letter}"),
            });
        }
        let answer = wire(&server, method, target, &headers, body.as_bytes());
        let case = format!("{method} {target} {letters} {body}: {}", String::from_utf8_lossy(&answer.bytes));
        let mut early = true;
        match expected {
            "200" => assert_eq!((answer.status, answer.bytes.len()), (200, 0), "{case}"),
            "unknown route" => assert_eq!(answer.detail(), UNKNOWN, "{case}"),
            "PARAMETERS_INVALID" | "HTTP_METHOD_INVALID" | "MIME_TYPE_INVALID" | "JSON_INVALID" => {
                assert_eq!(answer.code(), expected, "{case}");
            }
            later => {
                early = false;
                match later {
                    "403" => assert_eq!((answer.status, answer.code()), (403, "-"), "{case}"),
                    text if text.contains(' ') => assert_eq!(answer.detail(), text, "{case}"),
                    code => assert_eq!(answer.code(), code, "{case}"),
                }
            }
        }
        let meta = if early { None } else { Some(json!({ "id": answer.header("x-request-id") })) };
        assert_eq!(answer.body.get("meta"), meta.as_ref(), "{case}");
    }
}

/// Path, body, detail, pointer. `$0` is an unknown id, `$l` a license, `$L` and `$P` linkage of a license and a product.
const SCHEMAS: &str = r#"
# 1: unknown members in document order, depth first, before everything else
products | {"data":{"type":"x","attributes":{"name":1,"shelf_colour":"x"}}} | unpermitted parameter | /data/attributes/shelfColour
products | {"data":{"attributes":{"b":{"c":1},"a":1},"type":"products","z":1}} | unpermitted parameter | /data/attributes/b
products | {"zz":1,"data":{"y":1}} | unpermitted parameter | /zz
products | {"data":{"y":1},"zz":1} | unpermitted parameter | /data/y
products | {"data":{"type":"products","id":"$0"}} | unpermitted parameter | /data/id
products | {"data":{"type":"products","links":{}}} | unpermitted parameter | /data/links
products | {"meta":{},"data":{}} | unpermitted parameter | /meta
products | {"jsonapi":{}} | unpermitted parameter | /jsonapi
products | {"data":{"attributes":{"created":"x"}}} | unpermitted parameter | /data/attributes/created
policies | {"data":{"relationships":{"product":{"data":null,"links":{}}}}} | unpermitted parameter | /data/relationships/product/links
policies | {"data":{"relationships":{"product":{"data":{"type":"products","id":"$0","meta":1}}}}} | unpermitted parameter | /data/relationships/product/data/meta
policies | {"data":{"relationships":{"licenses":{}}}} | unpermitted parameter | /data/relationships/licenses
machines | {"data":{"relationships":{"components":{"data":[{"type":"x"},{"id":"$0"}]}}}} | unpermitted parameter | /data/relationships/components/data/1/id
licenses/$l/entitlements | {"data":[{"type":"entitlements","id":"$0","attributes":{}}]} | unpermitted parameter | /data/0/attributes
licenses/actions/validate-key | {"meta":{"key":"x","scope":{"colour":1}}} | unpermitted parameter | /meta/scope/colour
# 3: coercion before presence and types
licenses | {"data":{"attributes":{"name":1,"expiry":"2024-13-45"}}} | failed to coerce string to time | /data/attributes/expiry
licenses | {"data":{"attributes":{"expiry":true}}} | failed to coerce boolean to time | /data/attributes/expiry
# 4: in schema order: type, id, attributes, relationships; children before their parent
products | {"data":{}} | is missing | /data/type
products | {"data":{"type":"products"}} | is missing | /data/attributes
products | {"data":{"type":"products","attributes":{}}} | is missing | /data/attributes/name
products | {"data":{"attributes":{"name":1}}} | is missing | /data/type
products | {"data":{"type":"x","attributes":{"name":1}}} | is invalid | /data/type
products | {"data":{"type":"Products","attributes":{"name":"x"}}} | is invalid | /data/type
products | {"data":{"type":1,"attributes":1}} | type mismatch (received integer expected string) | /data/type
products | {"data":{"type":null}} | cannot be null | /data/type
products | {"data":{"type":"products","attributes":null}} | cannot be null | /data/attributes
products | {"data":{"type":"products","attributes":[]}} | type mismatch (received array expected object) | /data/attributes
products | {"data":{"type":"products","attributes":{"url":1,"name":1}}} | type mismatch (received integer expected string) | /data/attributes/name
products | {"data":{"type":"products","attributes":{"name":null}}} | cannot be null | /data/attributes/name
licenses | {"data":{"type":"licenses","id":"x","attributes":{"name":1}}} | type mismatch (received string expected UUID string) | /data/id
licenses | {"data":{"type":"licenses","attributes":{"name":1}}} | type mismatch (received integer expected string) | /data/attributes/name
licenses | {"data":{"type":"licenses"}} | is missing | /data/relationships
licenses | {"data":{"type":"licenses","relationships":{}}} | is missing | /data/relationships/policy
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{}}}} | is missing | /data/relationships/product/data
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{"data":null}}}} | cannot be null | /data/relationships/product/data
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{"data":{}}}}} | is missing | /data/relationships/product/data/type
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{"data":{"type":"x","id":"x"}}}}} | is invalid | /data/relationships/product/data/type
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{"data":{"type":"product","id":"x"}}}}} | type mismatch (received string expected UUID string) | /data/relationships/product/data/id
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{"data":{"type":"product","id":1}}}}} | type mismatch (received integer expected UUID string) | /data/relationships/product/data/id
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{"data":[]}}}} | type mismatch (received array expected object) | /data/relationships/product/data
# types
policies | {"data":{"type":"policy","attributes":{"strict":"true"},"relationships":$P}} | type mismatch (received string expected boolean) | /data/attributes/strict
policies | {"data":{"type":"policy","attributes":{"strict":0},"relationships":$P}} | type mismatch (received integer expected boolean) | /data/attributes/strict
policies | {"data":{"type":"policy","attributes":{"maxUses":[]},"relationships":$P}} | type mismatch (received array expected integer) | /data/attributes/maxUses
policies | {"data":{"type":"policy","attributes":{"maxUses":1.0},"relationships":$P}} | type mismatch (received float expected integer) | /data/attributes/maxUses
policies | {"data":{"type":"policy","attributes":{"maxUses":1e5},"relationships":$P}} | type mismatch (received float expected integer) | /data/attributes/maxUses
policies | {"data":{"type":"policy","attributes":{"maxUses":"1"},"relationships":$P}} | type mismatch (received string expected integer) | /data/attributes/maxUses
policies | {"data":{"type":"policy","attributes":{"scheme":{}},"relationships":$P}} | type mismatch (received object expected string) | /data/attributes/scheme
policies | {"data":{"type":"policy","attributes":{"name":false},"relationships":$P}} | type mismatch (received boolean expected string) | /data/attributes/name
products | {"data":{"type":"product","attributes":{"name":"x","platforms":"mac"}}} | type mismatch (received string expected array) | /data/attributes/platforms
products | {"data":{"type":"product","attributes":{"name":"x","platforms":["mac",1]}}} | type mismatch (received integer expected string) | /data/attributes/platforms/1
products | {"data":{"type":"product","attributes":{"name":"x","platforms":["mac",null]}}} | cannot be null | /data/attributes/platforms/1
products | {"data":{"type":"product","attributes":{"name":"x","metadata":[]}}} | type mismatch (received array expected object) | /data/attributes/metadata
products | {"data":{"type":"product","attributes":{"name":"x","metadata":"{}"}}} | type mismatch (received string expected object) | /data/attributes/metadata
# blanks
products | {"data":{"type":"product","attributes":{"name":""}}} | cannot be blank | /data/attributes/name
products | {"data":{"type":"product","attributes":{"name":" \t\n\u00a0\u3000"}}} | cannot be blank | /data/attributes/name
products | {"data":{"type":"product","attributes":{"name":"x","url":""}}} | cannot be blank | /data/attributes/url
licenses | {"data":{"type":"licenses","attributes":{"key":" "}}} | cannot be blank | /data/attributes/key
licenses/actions/validate-key | {"meta":{"key":""}} | cannot be blank | /meta/key
licenses/actions/validate-key | {"meta":{"key":1}} | type mismatch (received integer expected string) | /meta/key
licenses/actions/validate-key | {} | is missing | /meta
# 01 §8.4: depth
products | {"data":{"type":"product","attributes":{"name":"x","metadata":{"ports":[[0],[{"no":1}]]}}}} | maximum depth of 2 exceeded | /data/attributes/metadata/ports/1/0
products | {"data":{"type":"product","attributes":{"name":"x","metadata":{"a_b":{"c d":{"eF":{}}}}}}} | maximum depth of 2 exceeded | /data/attributes/metadata/aB/cD/eF
products | {"data":{"type":"product","attributes":{"name":"x","metadata":{"a":[[[]]]}}}} | maximum depth of 2 exceeded | /data/attributes/metadata/a/0/0
# lengths and items
licenses/$l/entitlements | {"data":[]} | length must be between 1 and 100 (inclusive) | /data
licenses/$l/entitlements | {"data":$101} | length must be between 1 and 100 (inclusive) | /data
licenses/$l/entitlements | {"data":{"type":"entitlements","id":"$0"}} | type mismatch (received object expected array) | /data
licenses/$l/entitlements | {"data":[null]} | cannot be null | /data/0
licenses/$l/entitlements | {"data":[{"type":"users","id":"$0"}]} | is invalid | /data/0/type
# embedded resources
machines | {"data":{"type":"machines","attributes":{"fingerprint":"f"},"relationships":{"license":$L,"components":{"data":[{"type":"components","attributes":{"name":"x"}}]}}}} | is missing | /data/relationships/components/data/0/attributes/fingerprint
machines | {"data":{"type":"machines","attributes":{"fingerprint":"f"},"relationships":{"license":$L,"components":{"data":[{"type":"machines"}]}}}} | is invalid | /data/relationships/components/data/0/type
machines | {"data":{"type":"machines","attributes":{"fingerprint":"f"},"relationships":{"license":$L,"components":{"data":{}}}}} | type mismatch (received object expected array) | /data/relationships/components/data
# no body where one is needed
machines | | is missing | /data
licenses/$l/entitlements | | is missing | /data
licenses/actions/validate-key | | is missing | /meta
"#;

// 01 §6.1, §6.4
#[test]
fn schemas_name_the_first_offence() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(&product, json!({ "authenticationStrategy": "MIXED" }));
    let license = admin.license(&policy, json!({}));
    let item = json!({ "type": "entitlement", "id": ZERO });
    let table = SCHEMAS
        .replace("$101", &json!(vec![item; 101]).to_string())
        .replace("$0", ZERO)
        .replace("$l", id(&license))
        .replace("$L", &link(&license).to_string())
        .replace("$P", &json!({ "product": link(&product) }).to_string());
    for [path, body, detail, pointer] in rows(&table) {
        let answer = admin.call("POST", path, Some(body.as_bytes()));
        assert_eq!(answer.error(), format!("400 {detail}|-|{pointer}"), "{path} {body}");
        assert_eq!(answer.body["errors"][0]["title"], "Bad request");
    }
    // 2: what the bearer's role may not send is unknown to it (01 §5, §22.10), after unknown members, before types.
    let vendor = server.token(&admin.token_for(&product));
    let path = format!("products/{}", id(&product));
    for (attributes, pointer) in [
        (json!({ "name": 1, "permissions": ["*"] }), "permissions"),
        (json!({ "permissions": ["*"], "name": 1, "colour": 1 }), "colour"),
    ] {
        let answer = vendor.patch(&path, product_body(attributes));
        assert_eq!(answer.error(), format!("400 unpermitted parameter|-|/data/attributes/{pointer}"));
    }
    // data.id on update: ignored, but a non-blank string.
    for (given, error) in [
        (json!("anything"), ""),
        (json!(ZERO), ""),
        (json!(null), ""),
        (json!(""), "400 cannot be blank|-|/data/id"),
        (json!(1), "400 type mismatch (received integer expected string)|-|/data/id"),
    ] {
        let answer = admin.patch(&path, json!({ "data": { "type": "product", "id": given, "attributes": {} } }));
        match error {
            "" => assert_eq!(answer.ok(200)["data"]["id"], product["id"]),
            error => assert_eq!(answer.error(), error),
        }
    }
    let moved = json!({ "data": { "type": "policies", "attributes": {}, "relationships": {} } });
    let refused = admin.patch(&format!("policies/{}", id(&policy)), moved);
    assert_eq!(refused.error(), "400 unpermitted parameter|-|/data/relationships");
    // What fits: two containers below metadata; `false`, 0 and empty metadata are not blank.
    for metadata in [
        json!({ "rack": { "unit": { "u": "4" } }, "ports": [{ "no": 1 }] }),
        json!({ "a": false, "b": 0, "c": "", "d": null, "e": [[]], "f": {} }),
        json!({}),
    ] {
        let made = admin.create("products", json!({ "name": "x", "metadata": metadata }), Value::Null);
        assert_eq!(made["attributes"]["metadata"], metadata);
    }
}

// 01 §6.2, §8.4
#[test]
fn null_is_dropped_stored_or_refused() {
    let server = Server::start();
    let admin = server.admin();
    let attributes = json!({ "name": "A", "code": "c", "url": "https://a.example.com", "platforms": ["x"], "metadata": { "a": 1, "b": 2 } });
    let product = admin.create("products", attributes, Value::Null);
    let path = format!("products/{}", id(&product));
    let patch = |attributes: Value| admin.patch(&path, product_body(attributes)).ok(200)["data"]["attributes"].clone();
    // Optional, not nullable: as if absent.
    let after = patch(json!({ "name": null, "code": null, "metadata": null, "permissions": null }));
    for name in ["name", "code", "metadata", "permissions"] {
        assert_eq!(after[name], product["attributes"][name], "{name}");
    }
    // Nullable: stored.
    let after = patch(json!({ "url": null, "platforms": null, "distributionStrategy": null }));
    assert_eq!(
        (&after["url"], &after["platforms"], &after["distributionStrategy"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    // Metadata is replaced as a whole; `{}` clears it.
    assert_eq!(patch(json!({ "metadata": { "c": 3 } }))["metadata"], json!({ "c": 3 }));
    assert_eq!(patch(json!({ "metadata": {} }))["metadata"], json!({}));
    assert_eq!(admin.product()["attributes"]["metadata"], json!({}));
    // 01 §8.4: the model's limits.
    let keys = |count: usize| (0..count).map(|i| (format!("k{i}"), json!(1))).collect::<serde_json::Map<_, _>>();
    let text = |length: usize| json!({ "k": "x".repeat(length) });
    for (metadata, detail) in [
        (json!({ "in": keys(63) }), ""),
        (json!({ "in": keys(64) }), "too many keys (exceeded limit of 64 keys)"),
        (json!(keys(65)), "too many keys (exceeded limit of 64 keys)"),
        (text(16384 - 8), ""),
        (text(16384 - 7), "too large (exceeded limit of 16384 bytes)"),
    ] {
        let answer = admin.patch(&path, product_body(json!({ "metadata": metadata })));
        if detail.is_empty() {
            answer.ok(200);
        } else {
            assert_eq!(answer.error(), format!("422 {detail}|METADATA_TOO_LONG|/data/attributes/metadata"));
        }
    }
}

// 01 §6.3
#[test]
fn values_are_coerced_where_the_documents_say_so() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let path = format!("licenses/{}", id(&license));
    for (sent, stored) in [
        (json!("2030-01-02T03:04:05.678Z"), json!("2030-01-02T03:04:05.678Z")),
        (json!("2030-01-02T03:04:05.6789Z"), json!("2030-01-02T03:04:05.678Z")),
        (json!("2030-01-02T03:04:05+02:30"), json!("2030-01-02T00:34:05.000Z")),
        (json!("2030-01-02T03:04:05"), json!("2030-01-02T03:04:05.000Z")),
        (json!("2030-01-02"), json!("2030-01-02T00:00:00.000Z")),
        (json!("2024-02-30"), json!("2024-03-01T00:00:00.000Z")),
        (json!("1700000000"), json!("2023-11-14T22:13:20.000Z")),
        (json!(1_700_000_000), json!("2023-11-14T22:13:20.000Z")),
        (json!("soon"), Value::Null),
        (json!(0), json!("1970-01-01T00:00:00.000Z")),
        (json!(""), Value::Null),
        (json!("2001-01-01T00:00:00Z"), json!("2001-01-01T00:00:00.000Z")),
        (Value::Null, Value::Null),
    ] {
        let body = json!({ "data": { "type": "licenses", "attributes": { "expiry": sent } } });
        assert_eq!(admin.patch(&path, body).ok(200)["data"]["attributes"]["expiry"], stored, "{sent}");
    }
    // In queries: integers by their leading digits, blank is null; booleans; lists by commas or brackets.
    let file = |query: &str| admin.post(&format!("{path}/actions/check-out?{query}"), Value::Null);
    let attributes = |query: &str| file(query).ok(200)["data"]["attributes"].clone();
    for (query, ttl) in [
        ("ttl=3600", json!(3600)),
        ("ttl=7200x", json!(7200)),
        ("ttl=", Value::Null),
        ("ttl", Value::Null),
        ("", json!(2_629_746)),
    ] {
        assert_eq!(attributes(query)["ttl"], ttl, "{query}");
    }
    for query in ["ttl=x", "ttl=-5", "ttl=3599.9"] {
        assert_eq!(file(query).error(), "400 must be greater than or equal to 3600 (1 hour)|CHECKOUT_TTL_INVALID|ttl");
    }
    for (values, algorithm) in [
        (&["1", "true", "TRUE", "t", "T", "yes", "YES", "y", "Y"][..], "aes-256-gcm+ed25519"),
        (&["0", "false", "on", "True", "Yes", "2", "", "x"], "base64+ed25519"),
    ] {
        for value in values {
            assert_eq!(attributes(&format!("encrypt={value}"))["algorithm"], algorithm, "{value}");
        }
    }
    for query in ["include=product,policy", "include[]=product&include[]=policy", "include=product%2Cpolicy"] {
        assert_eq!(attributes(query)["includes"], json!(["product", "policy"]), "{query}");
    }
    // A literal + must be escaped (01 §22.11).
    assert_eq!(attributes("algorithm=base64%2Brsa-sha256")["algorithm"], "base64+rsa-sha256");
    assert_eq!(file("algorithm=base64+rsa-sha256").detail(), "invalid encoding algorithm");
}

// 01 §9.1–§9.5
#[test]
fn errors_have_one_shape() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(&product, json!({ "authenticationStrategy": "MIXED", "scheme": "ED25519_SIGN" }));
    let license = admin.license(&policy, json!({ "key": "same dataset" }));
    let (l, p) = (server.license_key(key(&license)), server.token(&admin.token_for(&product)));
    let docs = "https://keygen.sh/docs/api";
    let shape = |answer: &Answer, status: u16, error: Value| {
        let expected = json!({ "meta": { "id": answer.header("x-request-id") }, "errors": [error] });
        assert_eq!((answer.status, &answer.body), (status, &expected));
        // A UUID v7 of the server's own (01 §11, D6).
        assert_eq!(answer.header("x-request-id").as_bytes()[14], b'7');
    };
    // 01 §9.2; the scheme is the request's own.
    let default = "You must be authenticated to complete the request";
    let format =
        "Token format is invalid (make sure that you're providing a token value, not a token's UUID identifier)";
    for (authorization, scheme, code, detail, about) in [
        ("", "Bearer", "TOKEN_MISSING", default, "authentication/"),
        ("Bearer x", "Bearer", "TOKEN_INVALID", default, "authentication/#token-authentication"),
        ("bearer x", "Bearer", "TOKEN_MISSING", default, "authentication/"),
        ("Token x", "Token", "TOKEN_INVALID", default, "authentication/#token-authentication"),
        ("BASIC eDo=", "Basic", "TOKEN_INVALID", default, "authentication/#token-authentication"),
        ("License x", "License", "LICENSE_INVALID", default, "authentication/#license-authentication"),
        ("Digest x", "Digest", "TOKEN_MISSING", default, "authentication/"),
        (
            "Bearer 0190a0b0-0000-7000-8000-000000000000",
            "Bearer",
            "TOKEN_FORMAT_INVALID",
            format,
            "authentication/#token-authentication",
        ),
    ] {
        let answer = server.with(authorization).header("X-Request-Id", "mine").get("me");
        assert_eq!(answer.header("www-authenticate"), format!("{scheme} realm=\"keygen\""), "{authorization}");
        let about = json!({ "about": format!("{docs}/{about}") });
        shape(&answer, 401, json!({ "title": "Unauthorized", "detail": detail, "code": code, "links": about }));
    }
    // 01 §4.4
    assert_eq!(server.with("Basic \"dG9r\u{e9}ZW4\"").get("me").code(), "TOKEN_INVALID");
    assert_eq!(server.with("Basic /w==").get("me").error(), format!("400 {BAD_BYTES}|ENCODING_INVALID|-"));
    // 01 §9.3
    server.sql(&format!("UPDATE licenses SET suspended = 1 WHERE id = '{}'", id(&license)));
    shape(
        &l.get("me"),
        403,
        json!({ "title": "Access denied", "detail": "License is suspended", "code": "LICENSE_SUSPENDED" }),
    );
    server.sql("UPDATE licenses SET suspended = 0; UPDATE policies SET authentication_strategy = 'TOKEN'");
    let about = json!({ "about": format!("{docs}/authentication/#license-authentication") });
    let detail = "License key authentication is not allowed by policy";
    shape(
        &l.get("me"),
        403,
        json!({ "title": "Access denied", "detail": detail, "code": "LICENSE_NOT_ALLOWED", "links": about }),
    );
    assert_eq!(l.get("me").header("www-authenticate"), "");
    server.sql("UPDATE policies SET authentication_strategy = 'MIXED'");
    let product_path = format!("products/{}", id(&product));
    for (caller, method, path, reason) in [
        (&l, "DELETE", format!("licenses/{}", id(&license)), "license lacks permission to perform action"),
        (&p, "DELETE", product_path.clone(), "product lacks permission to perform action"),
        (&p, "GET", "products".to_owned(), "ensure the token or license is allowed to access all resources"),
    ] {
        let detail = format!("You do not have permission to complete the request ({reason})");
        shape(&caller.call(method, &path, None), 403, json!({ "title": "Access denied", "detail": detail }));
    }
    // 01 §9.4
    let missing = |detail: &str| json!({ "title": "Not found", "detail": detail, "code": "NOT_FOUND" });
    shape(&admin.get("machines/a%0Ab"), 404, missing("The requested machine 'a\nb' was not found"));
    // 01 §9.5: a uniqueness rule that no validation covers
    let again = json!({ "data": { "type": "licenses", "attributes": { "key": "same dataset" }, "relationships": { "policy": link(&policy) } } });
    let conflict = admin.post("licenses", again);
    shape(
        &conflict,
        409,
        json!({ "title": "Conflict", "detail": "The request could not be completed because of a conflict" }),
    );
    // 422 of an action, and of too many embedded records
    let endless = admin.license(&admin.policy(&product, json!({})), json!({}));
    let renewed = admin.post(&format!("licenses/{}/actions/renew", id(&endless)), Value::Null);
    let detail = "cannot be renewed because the policy does not have a duration";
    shape(&renewed, 422, json!({ "title": "Unprocessable entity", "detail": detail }));
    let component =
        |i: usize| json!({ "type": "components", "attributes": { "fingerprint": i.to_string(), "name": "c" } });
    let components: Vec<Value> = (0..21).map(component).collect();
    let relationships = json!({ "license": link(&endless), "components": { "data": components } });
    let data = json!({ "type": "machines", "attributes": { "fingerprint": "f" }, "relationships": relationships });
    let many = admin.post("machines", json!({ "data": data }));
    assert_eq!(
        (many.status, many.detail(), &many.body["errors"][0]["title"]),
        (422, "too many records", &json!("Unprocessable entity"))
    );
}

/// Path, body, and for each error: code, rest of the pointer, anchor of the link, detail. `$x`: 256 characters; `$0`: an unknown
/// id; `$P`, `$L`, `$M`: linkage of a policy, a license, a machine; `$p`: a product.
const INVALID: &str = r#"
products | {"data":{"type":"products","attributes":{"name":"$x","code":"A","url":"/x","distributionStrategy":"open"}}}
  > NAME_TOO_LONG /attributes/name products -attrs-name is too long (maximum is 255 characters)
  > CODE_TAKEN /attributes/code products -attrs-code has already been taken
  > DISTRIBUTION_STRATEGY_NOT_ALLOWED /attributes/distributionStrategy products -attrs-distributionStrategy unsupported distribution strategy
  > URL_PROTOCOL_INVALID /attributes/url products -attrs-url must be a valid URL using one of the following protocols: https, http
  > URL_HOST_INVALID /attributes/url products -attrs-url must be a URL with a valid host
entitlements | {"data":{"type":"entitlements","attributes":{"name":"x","code":"0190a0b000007000800000000000000a"}}}
  > CODE_INVALID /attributes/code entitlements -attrs-code is invalid
policies | {"data":{"type":"policies","attributes":{"maxMachines":2,"maxUses":-1,"requireCheckIn":true},"relationships":{"product":{"data":{"type":"product","id":"$0"}}}}}
  > PRODUCT_NOT_FOUND /relationships/product policies -relationships-product must exist
  > NAME_MISSING /attributes/name policies -attrs-name can't be blank
  > MAX_MACHINES_INVALID /attributes/maxMachines policies -attrs-maxMachines must be equal to 1 for non-floating policy
  > MAX_USES_INVALID /attributes/maxUses policies -attrs-maxUses must be greater than or equal to 0
  > CHECK_IN_INTERVAL_NOT_ALLOWED /attributes/checkInInterval policies -attrs-checkInInterval must be one of: day, week, month, year
  > CHECK_IN_INTERVAL_COUNT_NOT_ALLOWED /attributes/checkInIntervalCount policies -attrs-checkInIntervalCount must be a number between 1 and 365 inclusive
licenses | {"data":{"type":"licenses","relationships":{"policy":{"data":{"type":"policy","id":"$0"}}}}}
  > POLICY_NOT_FOUND /relationships/policy licenses -relationships-policy must exist
licenses | {"data":{"type":"licenses","attributes":{"key":"12345"},"relationships":{"policy":$P}}}
  > KEY_TOO_SHORT /attributes/key licenses -attrs-key is too short (minimum is 6 characters)
licenses | {"data":{"type":"licenses","attributes":{"permissions":["product.create"]},"relationships":{"policy":$P}}}
  > PERMISSIONS_NOT_ALLOWED /attributes/permissions licenses -attrs-permissions unsupported permissions
machines | {"data":{"type":"machines","attributes":{"fingerprint":"f","name":"$x","cores":0},"relationships":{"license":$L,"components":{"data":[{"type":"components","attributes":{"fingerprint":"a","name":"$x"}}]}}}}
  > COMPONENTS_NAME_TOO_LONG /relationships/components/data/0/attributes/name machines -relationships-components is too long (maximum is 255 characters)
  > FINGERPRINT_TAKEN /attributes/fingerprint machines -attrs-fingerprint has already been taken
  > CORES_INVALID /attributes/cores machines -attrs-cores must be greater than or equal to 1
  > NAME_TOO_LONG /attributes/name machines -attrs-name is too long (maximum is 255 characters)
  > MACHINE_LIMIT_EXCEEDED - machines - machine count has exceeded maximum allowed for license (1)
machines | {"data":{"type":"machines","id":"$m","attributes":{"fingerprint":"g"},"relationships":{"license":$L}}}
  > ID_CONFLICT /id machines - must not conflict with another machine
  > MACHINE_LIMIT_EXCEEDED - machines - machine count has exceeded maximum allowed for license (1)
components | {"data":{"type":"components","attributes":{"fingerprint":"x","name":"$x"},"relationships":{"machine":$M}}}
  > NAME_TOO_LONG /attributes/name components -attrs-name is too long (maximum is 255 characters)
processes | {"data":{"type":"processes","attributes":{"pid":"actions"},"relationships":{"machine":$M}}}
  > PID_NOT_ALLOWED /attributes/pid processes -attrs-pid is reserved
products/$p/tokens | {"data":{"type":"tokens","attributes":{"name":"$x"}}}
  > NAME_TOO_LONG /attributes/name tokens -attrs-name is too long (maximum is 255 characters)
"#;

// 01 §10
#[test]
fn validation_errors_come_together() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.create("products", json!({ "name": "A", "code": "a" }), Value::Null);
    let policy = admin.policy(&product, json!({ "floating": true, "maxMachines": 1 }));
    let license = admin.license(&policy, json!({}));
    let machine = admin.machine(&license, "f");
    let table = INVALID
        .replace("$x", &"x".repeat(256))
        .replace("$0", ZERO)
        .replace("$p", id(&product))
        .replace("$m", id(&machine))
        .replace("$P", &link(&policy).to_string())
        .replace("$L", &link(&license).to_string())
        .replace("$M", &link(&machine).to_string());
    let mut cases: Vec<([&str; 2], Vec<Value>)> = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty()) {
        let Some(error) = line.strip_prefix("  > ") else {
            cases.extend(rows::<2>(line).map(|case| (case, Vec::new())));
            continue;
        };
        let [code, pointer, topic, anchor, detail] = *error.splitn(5, ' ').collect::<Vec<_>>() else {
            panic!("{line}")
        };
        let (pointer, anchor) = (pointer.trim_start_matches('-'), if anchor == "-" { "" } else { anchor });
        cases.last_mut().unwrap().1.push(json!({
            "title": "Unprocessable resource", "detail": detail, "code": code,
            "source": { "pointer": format!("/data{pointer}") },
            "links": { "about": format!("https://keygen.sh/docs/api/{topic}/#{topic}-object{anchor}") },
        }));
    }
    for ([path, body], errors) in cases {
        let answer = admin.call("POST", path, Some(body.as_bytes()));
        assert_eq!((answer.status, &answer.body["errors"]), (422, &json!(errors)), "{path} {body}");
        assert_eq!(answer.body["meta"]["id"], answer.header("x-request-id"));
    }
    // Lengths count characters (01 §8.5).
    admin.post("products", product_body(json!({ "name": "é".repeat(255) }))).ok(201);
    assert_eq!(admin.post("products", product_body(json!({ "name": "é".repeat(256) }))).code(), "NAME_TOO_LONG");
    // Equal code and source: the first alone (05 §5.7).
    environment(&server, "iso", "ISOLATED");
    server.sql(&format!(
        "INSERT INTO groups (id, account_id, created_at, updated_at, name) SELECT '{OTHER}', id, 0, 0, 'g' FROM accounts"
    ));
    let group = json!({ "data": { "type": "groups", "id": OTHER } });
    let data = json!({ "type": "licenses", "relationships": { "policy": link(&policy), "group": group } });
    let crossing = environment_admin(&server, "iso").post("licenses", json!({ "data": data }));
    let detail = "must be compatible with policy environment";
    assert_eq!(crossing.error(), format!("422 {detail}|ENVIRONMENT_NOT_ALLOWED|/data/relationships/environment"));
    let about = "https://keygen.sh/docs/api/licenses/#licenses-object-relationships-environment";
    assert_eq!(crossing.body["errors"][0]["links"]["about"], about);
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
