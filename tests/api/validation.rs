//! Validation (09): its three requests, who may make them, and what they leave behind. The codes are in `verdicts`.

use crate::authentication::*;
use crate::authorization::*;
use crate::licenses::{ms, path, shown};
use crate::products::*;
use crate::support::*;
use serde_json::{Value, json};

/// The body of validation by key.
pub fn by_key(key: &str, scope: Value) -> Value {
    json!({ "meta": { "key": key, "scope": scope } })
}

// 09 §3, §5
#[test]
fn documents_and_echoes() {
    let server = Server::start_with(&[("KEYGEN_LITE_LICENSES_WAIT_FOR_VALIDATION_WRITES", "true")]);
    let admin = server.admin();
    let license = admin.quick_license(json!({ "requireProductScope": true }));
    let (quick, by_id) =
        (format!("{}/actions/validate", path(&license)), format!("{}/actions/validate", path(&license)));
    // the license as it was, but for what is being recorded
    let mut expected = license.clone();
    let (valid, required) = (
        r#""valid":true,"detail":"is valid","code":"VALID""#,
        r#""valid":false,"detail":"product scope is required","code":"PRODUCT_SCOPE_REQUIRED""#,
    );
    let by_its_key = by_key(key(&license), Value::Null);
    for (method, path, body, verdict) in [
        ("GET", quick.as_str(), Value::Null, valid),
        ("POST", &by_id, Value::Null, required),
        ("POST", &by_id, json!({ "meta": {} }), required),
        ("POST", "licenses/actions/validate-key", by_its_key, required),
    ] {
        let answer = if method == "GET" { admin.get(path) } else { admin.post(path, body) };
        let document = answer.ok(200);
        let ts = &document["meta"]["ts"];
        assert!(is_time(ts));
        expected["attributes"]["lastValidated"] = ts.clone();
        let meta: Value = serde_json::from_str(&format!("{{\"ts\":{ts},{verdict}}}")).unwrap();
        assert_eq!(document.to_string(), json!({ "data": expected, "meta": meta }).to_string());
        // the setting makes the answer wait: the record is there (D36)
        let now = shown(&server, &license);
        assert_eq!((&now["attributes"]["lastValidated"], &now["attributes"]["updated"]), (ts, ts));
        expected["attributes"]["updated"] = ts.clone();
    }
    let answer = admin.post("licenses/actions/validate-key", by_key("NOPE", json!({ "product": "x" })));
    let ts = answer.body["meta"]["ts"].clone();
    let meta = json!({
        "ts": ts, "valid": false, "detail": "does not exist", "code": "NOT_FOUND", "scope": { "product": "x" }
    });
    assert_eq!(answer.ok(200).to_string(), json!({ "data": null, "meta": meta }).to_string());
    // nonce and scope come back as they were sent
    for (sent, echo) in [
        (r#""nonce":0"#, r#","nonce":0}"#),
        (r#""nonce":-7"#, r#","nonce":-7}"#),
        (r#""nonce":123456789012345678901234567890"#, r#","nonce":123456789012345678901234567890}"#),
        (r#""nonce":null"#, "}"),
        (r#""scope":null"#, "}"),
        (r#""scope":{}"#, r#","scope":{}}"#),
        (r#""scope":{"product":null,"checksum":null}"#, r#","scope":{}}"#),
        (r#""scope":{"user":null,"environment":null}"#, r#","scope":{"user":null,"environment":null}}"#),
        (
            r#""scope":{"fingerprints":["a","a"],"fingerprint":"ü/\"🔑","entitlements":[]},"nonce":1"#,
            r#","nonce":1,"scope":{"fingerprints":["a","a"],"fingerprint":"ü/\"🔑","entitlements":[]}}"#,
        ),
        (r#""Scope":{"FINGERPRINTS":["x"]},"NONCE":1,"nonce":2"#, r#","nonce":2,"scope":{"fingerprints":["x"]}}"#),
    ] {
        for (path, key) in [
            (by_id.as_str(), String::new()),
            ("licenses/actions/validate-key", format!("\"key\":\"{}\",", key(&license))),
        ] {
            let answer = admin.call("POST", path, Some(format!("{{\"meta\":{{{key}{sent}}}}}").as_bytes()));
            assert_eq!(answer.status, 200, "{sent}");
            let body = String::from_utf8(answer.bytes).unwrap();
            let (_, end) = body.rsplit_once("\"code\":\"").unwrap();
            let (_, end) = end.split_once('"').unwrap();
            assert_eq!(end, format!("{echo}}}"), "{sent}");
        }
    }
    let answer = admin.get(&format!("{quick}?nonce=1&scope[product]=x"));
    assert_eq!(answer.ok(200)["meta"].as_object().unwrap().len(), 4);
}

// 09 §3: malformed requests
#[test]
fn bodies() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let by_id = format!("{}/actions/validate", path(&license));
    for (meta, expected) in [
        (json!({ "foo": 1 }), "unpermitted parameter|-|/meta/foo"),
        (json!({ "nonce": "1" }), "type mismatch (received string expected integer)|-|/meta/nonce"),
        (json!({ "nonce": 1.5 }), "type mismatch (received float expected integer)|-|/meta/nonce"),
        (json!({ "scope": [] }), "type mismatch (received array expected object)|-|/meta/scope"),
        (json!({ "scope": "x" }), "type mismatch (received string expected object)|-|/meta/scope"),
        (json!({ "scope": { "foo": null } }), "unpermitted parameter|-|/meta/scope/foo"),
        (json!({ "scope": { "users": ["x"] } }), "unpermitted parameter|-|/meta/scope/users"),
        (json!({ "scope": { "environment": "" } }), "cannot be blank|-|/meta/scope/environment"),
        (json!({ "scope": { "product": "" } }), "cannot be blank|-|/meta/scope/product"),
        (json!({ "scope": { "policy": 1 } }), "type mismatch (received integer expected string)|-|/meta/scope/policy"),
        (json!({ "scope": { "user": "" } }), "cannot be blank|-|/meta/scope/user"),
        (json!({ "scope": { "user": true } }), "type mismatch (received boolean expected string)|-|/meta/scope/user"),
        (json!({ "scope": { "machine": " " } }), "cannot be blank|-|/meta/scope/machine"),
        (
            json!({ "scope": { "fingerprint": ["a"] } }),
            "type mismatch (received array expected string)|-|/meta/scope/fingerprint",
        ),
        (
            json!({ "scope": { "fingerprints": "a" } }),
            "type mismatch (received string expected array)|-|/meta/scope/fingerprints",
        ),
        (json!({ "scope": { "fingerprints": [null] } }), "cannot be null|-|/meta/scope/fingerprints/0"),
        (json!({ "scope": { "fingerprints": ["a", ""] } }), "cannot be blank|-|/meta/scope/fingerprints/1"),
        (
            json!({ "scope": { "entitlements": ["a", 1] } }),
            "type mismatch (received integer expected string)|-|/meta/scope/entitlements/1",
        ),
        (json!({ "scope": { "components": [null] } }), "cannot be null|-|/meta/scope/components/0"),
        (json!({ "scope": { "checksum": "" } }), "cannot be blank|-|/meta/scope/checksum"),
        (
            json!({ "scope": { "version": {} } }),
            "type mismatch (received object expected string)|-|/meta/scope/version",
        ),
    ] {
        let answer = admin.post(&by_id, json!({ "meta": meta }));
        assert_eq!(answer.error(), format!("400 {expected}"), "{meta}");
        let mut with_key = meta.clone();
        with_key["key"] = json!(key(&license));
        let answer = server.anonymous().post("licenses/actions/validate-key", json!({ "meta": with_key }));
        assert_eq!(answer.error(), format!("400 {expected}"), "{meta}");
    }
    for (body, by_key, by_id_too) in [
        (Value::Null, "400 is missing|-|/meta", "ok"),
        (json!({}), "400 is missing|-|/meta", "ok"),
        (json!({ "meta": null }), "400 cannot be null|-|/meta", "ok"),
        (json!({ "meta": {} }), "400 is missing|-|/meta/key", "ok"),
        (
            json!({ "meta": [] }),
            "400 type mismatch (received array expected object)|-|/meta",
            "400 type mismatch (received array expected object)|-|/meta",
        ),
        (json!({ "meta": { "key": null } }), "400 cannot be null|-|/meta/key", "400 unpermitted parameter|-|/meta/key"),
        (json!({ "meta": { "key": "" } }), "400 cannot be blank|-|/meta/key", "400 unpermitted parameter|-|/meta/key"),
        (
            json!({ "meta": { "key": 1 } }),
            "400 type mismatch (received integer expected string)|-|/meta/key",
            "400 unpermitted parameter|-|/meta/key",
        ),
        (
            json!({ "meta": { "key": "x", "encrypted": 1 } }),
            "400 type mismatch (received integer expected boolean)|-|/meta/encrypted",
            "400 unpermitted parameter|-|/meta/key",
        ),
        (
            json!({ "meta": { "legacyEncrypted": "x", "key": "x" } }),
            "400 type mismatch (received string expected boolean)|-|/meta/legacyEncrypted",
            "400 unpermitted parameter|-|/meta/legacyEncrypted",
        ),
        (json!({ "data": {} }), "400 unpermitted parameter|-|/data", "400 unpermitted parameter|-|/data"),
        (
            json!({ "meta": { "key": key(&license), "encrypted": null, "legacyEncrypted": null } }),
            "ok",
            "400 unpermitted parameter|-|/meta/key",
        ),
    ] {
        assert_eq!(outcome(&server.anonymous().post("licenses/actions/validate-key", body.clone())), by_key, "{body}");
        assert_eq!(outcome(&admin.post(&by_id, body.clone())), by_id_too, "{body}");
    }
    let null = "400 The request could not be completed because it contains an unexpected null byte (check encoding)|ENCODING_INVALID|-";
    assert_eq!(server.anonymous().post("licenses/actions/validate-key", by_key("a\0b", Value::Null)).error(), null);
    // keys match exactly (09 §3.1)
    let code = |key: &str| text(&server.anonymous().validate_key(key, Value::Null)["meta"]["code"]).to_owned();
    let own = key(&license);
    for (key, expected) in [
        (own, "VALID"),
        (&own.to_lowercase(), "NOT_FOUND"),
        (&format!("{own} "), "NOT_FOUND"),
        (id(&license), "NOT_FOUND"),
    ] {
        assert_eq!(code(key), expected, "{key}");
    }
}

// 09 §2
#[test]
fn who_may() {
    let cast = Cast::new(json!({ "floating": true }));
    let server = &cast.server;
    let actions = format!("{}/actions/validate", path(&cast.license));
    let all = "ok: A D S Su R P L Uo Um Ua; 401: X; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.get(&actions)), all);
    assert_eq!(cast.outcome(|c| c.post(&actions, Value::Null)), all);
    assert_eq!(
        cast.outcome(|c| c.post(&format!("licenses/{}/actions/validate", key(&cast.license)), Value::Null)),
        all
    );
    assert_eq!(cast.client("X").get(&actions).code(), "TOKEN_MISSING");
    let validate = |client: &Client, key: &str| client.post("licenses/actions/validate-key", by_key(key, Value::Null));
    let own = key(&cast.license);
    assert_eq!(cast.outcome(|c| validate(c, own)), "ok: A D S Su R P L Uo Um Ua X; 403: P2 L2 U");
    assert_eq!(reason(&validate(cast.client("P2"), own)), NO_REASON);
    let everybody = "ok: A D S Su R P L Uo Um Ua P2 L2 U X";
    assert_eq!(cast.outcome(|c| validate(c, "NO-SUCH-KEY")), everybody);
    // anonymous callers see the whole license, too
    let answer = validate(cast.client("X"), own).ok(200);
    assert_eq!(answer["data"]["attributes"]["metadata"], json!({}));
    // protection has no say
    cast.protect(true);
    server.sql("UPDATE policies SET protected = 1");
    assert_eq!(cast.outcome(|c| c.post(&actions, Value::Null)), all);
    // permissions: of bearer and token, but not when the key names nothing; by id 403 before 400, by key 400 before 403
    let nonsense = json!({ "meta": { "nope": 1 } });
    for table in ["users", "products", "licenses"] {
        server.sql(&format!("UPDATE {table} SET permissions = '[]'"));
    }
    assert_eq!(cast.outcome(|c| validate(c, own)), "ok: X; 403: A D S Su R P L Uo Um Ua P2 L2 U");
    assert_eq!(cast.outcome(|c| validate(c, "NO-SUCH-KEY")), everybody);
    assert_eq!(
        cast.outcome(|c| c.post(&actions, nonsense.clone())),
        "401: X; 403: A D S Su R P L Uo Um Ua; 404: P2 L2 U"
    );
    let expected = "400: A D S Su R P L Uo Um Ua P2 L2 U X";
    assert_eq!(cast.outcome(|c| c.post("licenses/actions/validate-key", nonsense.clone())), expected);
    assert_eq!(reason(&cast.client("L").get(&actions)), "license lacks permission to perform action");
    // credentials that are sent are checked first
    let license = server.license_key(own);
    assert_eq!(validate(&server.token("prod-0v3"), own).code(), "TOKEN_INVALID");
    assert_eq!(validate(&server.license_key("NO-SUCH-KEY"), "NO-SUCH-KEY").code(), "LICENSE_INVALID");
    assert_eq!(validate(&license, own).code(), "LICENSE_NOT_ALLOWED");
    cast.grant_everything();
    server.sql("UPDATE policies SET authentication_strategy = 'MIXED'");
    assert_eq!(validate(&license, own).ok(200)["meta"]["code"], "VALID");
    let token = cast.client("L");
    for (sql, by_key, code) in [
        (format!("UPDATE licenses SET expires_at = {}", ago(9)), "ok EXPIRED", "EXPIRED"),
        ("UPDATE policies SET expiration_strategy = 'REVOKE_ACCESS'".to_owned(), "403 LICENSE_EXPIRED", "EXPIRED"),
        ("UPDATE licenses SET suspended = 1".to_owned(), "403 LICENSE_SUSPENDED", "SUSPENDED"),
        (
            "UPDATE users SET banned_at = 1 WHERE email = 'uo@example.com'".to_owned(),
            "403 LICENSE_BANNED",
            "USER_BANNED",
        ),
    ] {
        server.sql(&sql);
        let got = validate(&license, own);
        let got = if got.status == 200 {
            format!("ok {}", text(&got.body["meta"]["code"]))
        } else {
            format!("{} {}", got.status, got.code())
        };
        assert_eq!(got, by_key, "{sql}");
        // a token is refused for none of these but a ban, and reads them
        let answer = validate(token, own);
        assert_eq!(
            if answer.status == 200 { text(&answer.body["meta"]["code"]) } else { answer.code() },
            code,
            "{sql}"
        );
    }
    assert_eq!(validate(cast.client("X"), own).ok(200)["meta"]["code"], "BANNED");
    assert_eq!(validate(cast.client("Uo"), own).code(), "USER_BANNED");
}

// 09 §7, D36
#[test]
fn what_is_recorded() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let attributes = json!({
        "maxUsers": 1, "overageStrategy": "ALWAYS_ALLOW_OVERAGE", "expirationStrategy": "ALLOW_ACCESS", "floating": true
    });
    let policy = admin.policy(&product, attributes);
    let license = admin.license(&policy, json!({}));
    let quick = format!("{}/actions/validate", path(&license));
    // stored at the latest one second after the answer; nobody waits for it
    let recorded = |ts: &Value| {
        let patience = std::time::Instant::now();
        while shown(&server, &license)["attributes"]["lastValidated"] != *ts {
            assert!(patience.elapsed().as_secs() < 10, "never recorded");
            std::thread::yield_now();
        }
        let attributes = shown(&server, &license)["attributes"].clone();
        assert_eq!((&attributes["updated"], &attributes["version"]), (ts, &Value::Null));
    };
    let dashboard = "https://app.keygen.sh";
    recorded(&admin.get(&quick).ok(200)["meta"]["ts"]);
    recorded(&admin.header("Origin", "https://portal.keygen.sh").get(&quick).ok(200)["meta"]["ts"]);
    let before = shown(&server, &license);
    let looked = admin.header("Origin", dashboard).get(&quick).ok(200);
    assert!(ms(&looked["meta"]["ts"]) >= ms(&before["attributes"]["lastValidated"]));
    recorded(&admin.header("Origin", dashboard).post(&quick, Value::Null).ok(200)["meta"]["ts"]);
    recorded(&server.anonymous().validate_key(key(&license), Value::Null)["meta"]["ts"]);
    // every verdict on a license counts; the event goes by `valid`
    let (owner, mate) = (user(&server, "user", "o@example.com"), user(&server, "user", "m@example.com"));
    for sql in [
        format!("expires_at = {}", ago(9)),
        format!("owner_id = '{}', users_count = 1", id(&owner)),
        "suspended = 1".to_owned(),
    ] {
        server.sql(&format!("UPDATE licenses SET {sql}"));
        recorded(&admin.post(&quick, Value::Null).ok(200)["meta"]["ts"]);
    }
    server.sql(&format!("UPDATE users SET banned_at = 1 WHERE id = '{}'", id(&owner)));
    recorded(&as_bearer(&server, &product).validate_key(key(&license), Value::Null)["meta"]["ts"]);
    server.anonymous().validate_key("NO-SUCH-KEY", Value::Null);
    let event = |name: &str, code: &str| format!("; license.validation.{name} {{\"code\":\"{code}\"}}");
    let expected = [
        event("succeeded", "VALID"),
        event("succeeded", "VALID"),
        event("succeeded", "EXPIRED"),
        event("succeeded", "TOO_MANY_USERS"),
        event("failed", "SUSPENDED"),
        event("failed", "BANNED"),
    ];
    assert_eq!(events_of(&server, &license), format!("license.created{}", expected.concat()));
    let who = "SELECT group_concat(coalesce(whodunnit_type, '-')) FROM
        (SELECT * FROM event_logs WHERE event LIKE 'license.validation.%' ORDER BY created_at, id)";
    assert_eq!(select(&server, who), "users,-,users,users,users,products");
    assert_eq!(events_of(&server, &mate), "");
    assert_eq!(select(&server, "SELECT count(*) FROM event_logs WHERE event LIKE '%validat%'"), "6");
}

// 09 §2, §4.2 step 6, §8
#[test]
fn environments() {
    let server = Server::start();
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "pre", "SHARED"));
    environment(&server, "other", "SHARED");
    let inside = |environment: &Value, code: &str| {
        server.token(&token_in(&server, environment, Some(id(environment)))).environment(code)
    };
    let [g, i, s] =
        [server.admin(), inside(&iso, "iso"), inside(&pre, "pre")].map(|client| client.quick_license(json!({})));
    let code = |environment: &str, license: &Value, scope: Value| {
        let client =
            if environment.is_empty() { server.anonymous() } else { server.anonymous().environment(environment) };
        text(&client.validate_key(key(license), scope)["meta"]["code"]).to_owned()
    };
    for (environment, license, expected) in [
        ("", &g, "VALID"),
        ("", &i, "NOT_FOUND"),
        ("", &s, "NOT_FOUND"),
        ("iso", &g, "NOT_FOUND"),
        ("iso", &i, "VALID"),
        ("iso", &s, "NOT_FOUND"),
        ("pre", &g, "VALID"),
        ("pre", &i, "NOT_FOUND"),
        ("pre", &s, "VALID"),
        ("other", &s, "NOT_FOUND"),
    ] {
        assert_eq!(code(environment, license, Value::Null), expected, "{environment}");
    }
    // the scope compares, it does not select
    for (environment, license, named, expected) in [
        ("", &i, json!("iso"), "NOT_FOUND"),
        ("iso", &i, json!("iso"), "VALID"),
        ("iso", &i, iso["id"].clone(), "VALID"),
        ("iso", &i, json!("ISO"), "ENVIRONMENT_SCOPE_MISMATCH"),
        ("iso", &i, json!(null), "ENVIRONMENT_SCOPE_MISMATCH"),
        ("pre", &s, json!("pre"), "VALID"),
        ("pre", &s, json!("other"), "ENVIRONMENT_SCOPE_MISMATCH"),
        ("pre", &g, json!("pre"), "ENVIRONMENT_SCOPE_MISMATCH"),
        ("pre", &g, json!(null), "VALID"),
    ] {
        assert_eq!(code(environment, license, json!({ "environment": named })), expected, "{environment} {named}");
    }
    let answer =
        server.anonymous().environment("nope").post("licenses/actions/validate-key", by_key(key(&g), Value::Null));
    assert_eq!(answer.code(), "ENVIRONMENT_INVALID");
    // by id: what is out of sight is 404, and reading is lax
    let shared = inside(&pre, "pre");
    for (license, status) in [(&g, 200), (&s, 200), (&i, 404)] {
        assert_eq!(shared.post(&format!("{}/actions/validate", path(license)), Value::Null).status, status);
        assert_eq!(shared.get(&format!("{}/actions/validate", path(license))).status, status);
    }
}
