//! The order of checks and the shape of errors (01 §5, §9, §10).

use crate::protocol::*;
use crate::support::*;
use serde_json::{Value, json};

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
