//! License files: checking out by `POST` and `GET`, parameters, algorithms, includes (08 §8, 02 §8).

use crate::authentication::*;
use crate::authorization::*;
use crate::license_keys::public_keys;
use crate::licenses::{ms, path, shown};
use crate::products::*;
use crate::support::*;
use keygen_lite::crypto::license_file::{FileError, open_certificate};
use serde_json::{Value, json};

/// `licenses/<id>/actions/check-out`
fn out(license: &Value) -> String {
    format!("{}/actions/check-out", path(license))
}

/// The payload of a file, its signature verified, decrypted with `secret` where it is encrypted.
#[track_caller]
fn payload(server: &Server, certificate: &str, secret: &str) -> Value {
    let text = open_certificate(&public_keys(server), certificate, &[secret]).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The certificate in the answer to a `POST`.
#[track_caller]
fn certificate(answer: &Answer) -> String {
    text(&answer.ok(200)["data"]["attributes"]["certificate"]).to_owned()
}

// 08 §8.1, §8.5, 02 §8, §8.3, §8.4
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    let license = admin.quick_license(json!({}));
    let file = admin.post(&out(&license), Value::Null).ok(200)["data"].clone();
    let attributes = &file["attributes"];
    let linkage = json!({ "type": "licenses", "id": license["id"] });
    let mut relationships = global_relationships(&account);
    relationships["license"] = related(&account, &path(&license), Some(linkage));
    let expected = json!({
        "id": file["id"], "type": "license-files",
        "attributes": {
            "certificate": attributes["certificate"], "algorithm": "base64+ed25519", "includes": [], "ttl": 2_629_746,
            "expiry": attributes["expiry"], "issued": attributes["issued"]
        },
        "relationships": relationships
    });
    assert_eq!(file.to_string(), expected.to_string());
    assert!(uuid::Uuid::parse_str(id(&file)).is_ok() && file["id"] != license["id"]);
    // one month on the calendar (01 §8.3)
    let month = |issued: &Value| {
        let issued = chrono::DateTime::from_timestamp_millis(ms(issued)).unwrap();
        issued.checked_add_months(chrono::Months::new(1)).unwrap().timestamp_millis()
    };
    assert_eq!(ms(&attributes["expiry"]), month(&attributes["issued"]));
    // the text (02 §8): lines of 60 characters, a newline at the end
    let text = text(&attributes["certificate"]);
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(
        (lines[0], lines[lines.len() - 2], lines[lines.len() - 1]),
        ("-----BEGIN LICENSE FILE-----", "-----END LICENSE FILE-----", "")
    );
    let inner = &lines[1..lines.len() - 2];
    assert!(
        inner[..inner.len() - 1].iter().all(|line| line.len() == 60)
            && (1..=60).contains(&inner[inner.len() - 1].len())
    );
    let document = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, inner.concat()).unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    assert_eq!(document.as_object().unwrap().keys().collect::<Vec<_>>(), ["enc", "sig", "alg"]);
    assert_eq!(document["alg"], "base64+ed25519");
    // the license as it was before
    let content = payload(&server, text, "");
    let meta = json!({ "issued": attributes["issued"], "expiry": attributes["expiry"], "ttl": 2_629_746 });
    assert_eq!(content.to_string(), json!({ "data": license, "meta": meta }).to_string());
    let after = shown(&server, &license);
    assert_eq!(
        (&after["attributes"]["lastCheckOut"], &after["attributes"]["updated"]),
        (&attributes["issued"], &attributes["issued"])
    );
    // GET: the file itself, by key too
    let raw = admin.get(&format!("licenses/{}/actions/check-out", key(&license)));
    raw.ok(200);
    assert_eq!(raw.header("content-type"), "application/octet-stream");
    assert_eq!(raw.header("content-disposition"), format!("attachment; filename=\"{}.lic\"", id(&license)));
    let content = payload(&server, &String::from_utf8(raw.bytes).unwrap(), "");
    assert_eq!(content["data"].to_string(), after.to_string(), "with the check-out before");
    assert_eq!(ms(&content["meta"]["expiry"]), month(&content["meta"]["issued"]));
    assert_eq!(shown(&server, &license)["attributes"]["lastCheckOut"], content["meta"]["issued"]);
    // errors are JSON whatever was asked for
    let refused = admin.header("Accept", "application/octet-stream").get(&format!("{}?ttl=1", out(&license)));
    assert_eq!(refused.header("content-type"), "application/vnd.api+json; charset=utf-8");
    assert_eq!(refused.code(), "CHECKOUT_TTL_INVALID");
    // nothing about the license's state stops it
    server.sql(&format!("UPDATE licenses SET suspended = 1, expires_at = {}", ago(9)));
    let content = payload(&server, &certificate(&admin.post(&out(&license), Value::Null)), "");
    assert_eq!(content["data"]["attributes"]["status"], "SUSPENDED");
    assert_eq!(
        events_of(&server, &license),
        "license.created; license.checked-out; license.checked-out; license.checked-out"
    );
}

// 08 §8.1–§8.3
#[test]
fn parameters() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let out = out(&license);
    let meta = |meta: Value| json!({ "meta": meta });
    let got = |query: &str, body: Value| {
        let answer = admin.post(&format!("{out}{query}"), body);
        if answer.status != 200 {
            return answer.error();
        }
        let file = &answer.body["data"]["attributes"];
        assert_eq!(file["ttl"].is_null(), file["expiry"].is_null());
        format!("{} {} {}", text(&file["algorithm"]), file["ttl"], file["includes"])
    };
    let plain = "base64+ed25519 2629746 []";
    let encrypted = "aes-256-gcm+ed25519 2629746 []";
    let ttl = "400 must be greater than or equal to 3600 (1 hour)|CHECKOUT_TTL_INVALID|ttl";
    let encoding = "400 invalid encoding algorithm|CHECKOUT_ALGORITHM_INVALID|algorithm";
    let signing = "400 invalid signing algorithm|CHECKOUT_ALGORITHM_INVALID|algorithm";
    let include = "400 invalid includes|CHECKOUT_INCLUDE_INVALID|include";
    for (query, body, expected) in [
        ("", json!({}), plain),
        ("", meta(json!({})), plain),
        ("?unknown=1&meta[ttl]=1", Value::Null, plain),
        // encrypt
        ("?encrypt=1", Value::Null, encrypted),
        ("?encrypt=TRUE", Value::Null, encrypted),
        ("?encrypt=y", Value::Null, encrypted),
        ("?encrypt=True", Value::Null, plain),
        ("?encrypt=on", Value::Null, plain),
        ("?encrypt=", Value::Null, plain),
        ("", meta(json!({ "encrypt": true })), encrypted),
        ("?encrypt=1", meta(json!({ "encrypt": false })), plain),
        ("?encrypt=1", meta(json!({ "encrypt": null })), encrypted),
        (
            "",
            meta(json!({ "encrypt": "true" })),
            "400 type mismatch (received string expected boolean)|-|/meta/encrypt",
        ),
        // algorithm
        ("?algorithm=base64%2Brsa-sha256&encrypt=1", Value::Null, "base64+rsa-sha256 2629746 []"),
        ("?algorithm=aes-256-gcm%2Becdsa-p256", Value::Null, "aes-256-gcm+ecdsa-p256 2629746 []"),
        (
            "?algorithm=base64%2Brsa-sha256",
            meta(json!({ "algorithm": "base64+rsa-pss-sha256" })),
            "base64+rsa-pss-sha256 2629746 []",
        ),
        ("?algorithm=base64%2Brsa-sha256", meta(json!({ "algorithm": "" })), "base64+rsa-sha256 2629746 []"),
        ("?algorithm=base64%2Brsa-sha256", meta(json!({ "algorithm": null })), "base64+rsa-sha256 2629746 []"),
        ("?algorithm=", Value::Null, plain),
        ("?algorithm=base64+ed25519", Value::Null, encoding),
        ("?algorithm=ed25519", Value::Null, encoding),
        ("?algorithm=Base64%2Bed25519", Value::Null, encoding),
        ("?algorithm=x%2By", Value::Null, encoding),
        ("?algorithm=base64", Value::Null, signing),
        ("?algorithm=base64%2B", Value::Null, signing),
        ("?algorithm=base64%2Bsha256", Value::Null, signing),
        ("?algorithm=base64%2Bed25519%2Bed25519", Value::Null, signing),
        ("", meta(json!({ "algorithm": "base64+ED25519" })), signing),
        ("", meta(json!({ "algorithm": 1 })), "400 type mismatch (received integer expected string)|-|/meta/algorithm"),
        // ttl
        ("?ttl=3600", Value::Null, "base64+ed25519 3600 []"),
        ("?ttl=3600.9s", Value::Null, "base64+ed25519 3600 []"),
        ("?ttl=", Value::Null, "base64+ed25519 null []"),
        ("?ttl", Value::Null, "base64+ed25519 null []"),
        ("?ttl=3599", Value::Null, ttl),
        ("?ttl=-1", Value::Null, ttl),
        ("?ttl=abc", Value::Null, ttl),
        ("", meta(json!({ "ttl": 3600 })), "base64+ed25519 3600 []"),
        ("", meta(json!({ "ttl": "7200" })), "base64+ed25519 7200 []"),
        ("?ttl=7200", meta(json!({ "ttl": null })), "base64+ed25519 null []"),
        ("", meta(json!({ "ttl": 0 })), ttl),
        ("?ttl=7200", meta(json!({ "ttl": -7200 })), ttl),
        ("", meta(json!({ "ttl": 3_155_695_200i64 })), "base64+ed25519 3155695200 []"),
        ("", meta(json!({ "ttl": true })), "400 type mismatch (received boolean expected integer)|-|/meta/ttl"),
        // include
        ("?include=", Value::Null, plain),
        ("?include=product,policy", Value::Null, "base64+ed25519 2629746 [\"product\",\"policy\"]"),
        ("?include[]=policy&include[]=product", Value::Null, "base64+ed25519 2629746 [\"policy\",\"product\"]"),
        ("?include=user,product", Value::Null, "base64+ed25519 2629746 [\"product\",\"owner\"]"),
        ("?include=product", meta(json!({ "include": ["policy"] })), "base64+ed25519 2629746 [\"policy\"]"),
        ("?include=product", meta(json!({ "include": [] })), plain),
        ("?include=product", meta(json!({ "include": null })), "base64+ed25519 2629746 [\"product\"]"),
        ("?include=product,nope", Value::Null, include),
        ("?include=Product", Value::Null, include),
        ("?include=machines", Value::Null, include),
        ("?include=license", Value::Null, include),
        ("", meta(json!({ "include": ["tokens"] })), include),
        (
            "",
            meta(json!({ "include": "product" })),
            "400 type mismatch (received string expected array)|-|/meta/include",
        ),
        ("", meta(json!({ "include": [1] })), "400 type mismatch (received integer expected string)|-|/meta/include/0"),
        // strangers
        ("", meta(json!({ "foo": 1 })), "400 unpermitted parameter|-|/meta/foo"),
        ("", json!({ "data": {} }), "400 unpermitted parameter|-|/data"),
        // the order: schema, include, ttl, algorithm
        (
            "?include=x&ttl=1&algorithm=x",
            meta(json!({ "encrypt": 1 })),
            "400 type mismatch (received integer expected boolean)|-|/meta/encrypt",
        ),
        ("?include=x&ttl=1&algorithm=x", Value::Null, include),
        ("?ttl=1&algorithm=x", Value::Null, ttl),
    ] {
        assert_eq!(got(query, body.clone()), expected, "{query} {body}");
    }
    let source = admin.post(&out, meta(json!({ "ttl": 1 }))).body["errors"][0]["source"].clone();
    assert_eq!(source, json!({ "parameter": "ttl" }), "a parameter, though it stood in the body");
    // what is beyond all calendars is no accident of ours (D9)
    for ttl in ["9223372036854775807", "99999999999999999999"] {
        assert!(admin.get(&format!("{out}?ttl={ttl}")).status < 500, "{ttl}");
    }
    // GET reads the query alone
    let raw = admin.call("GET", &format!("{out}?encrypt=1"), Some(br#"{"meta":{"encrypt":false,"foo":1}}"#));
    let content = payload(&server, &String::from_utf8(raw.bytes).unwrap(), key(&license));
    assert_eq!(content["data"]["id"], license["id"]);
    // what failed left no trace
    let successes = select(&server, "SELECT count(*) FROM event_logs WHERE event = 'license.checked-out'");
    let fresh = admin.quick_license(json!({}));
    for query in ["?include=x", "?ttl=1", "?algorithm=x"] {
        assert_eq!(admin.post(&format!("{}{query}", self::out(&fresh)), Value::Null).status, 400);
        assert_eq!(admin.get(&format!("{}{query}", self::out(&fresh))).status, 400);
    }
    assert_eq!(shown(&server, &fresh).to_string(), fresh.to_string());
    assert_eq!(select(&server, "SELECT count(*) FROM event_logs WHERE event = 'license.checked-out'"), successes);
}

// 02 §8.1, §8.2, 08 §8.2
#[test]
fn algorithms() {
    let server = Server::start();
    let admin = server.admin();
    let keys = public_keys(&server);
    let product = admin.product();
    // the default goes by the scheme
    for (scheme, signing) in [
        (json!(null), "ed25519"),
        (json!("ED25519_SIGN"), "ed25519"),
        (json!("ECDSA_P256_SIGN"), "ecdsa-p256"),
        (json!("RSA_2048_PKCS1_SIGN"), "rsa-sha256"),
        (json!("RSA_2048_PKCS1_SIGN_V2"), "rsa-sha256"),
        (json!("RSA_2048_PKCS1_PSS_SIGN"), "rsa-pss-sha256"),
        (json!("RSA_2048_PKCS1_PSS_SIGN_V2"), "rsa-pss-sha256"),
        (json!("RSA_2048_PKCS1_ENCRYPT"), "rsa-sha256"),
        (json!("RSA_2048_JWT_RS256"), "rsa-sha256"),
        (json!("LEGACY_ENCRYPT"), "ed25519"),
    ] {
        let policy = admin.policy(&product, json!({ "scheme": scheme, "encrypted": scheme == "LEGACY_ENCRYPT" }));
        let license = admin.license(&policy, json!({}));
        for (query, encoding) in [("", "base64"), ("?encrypt=true", "aes-256-gcm")] {
            let answer = admin.post(&format!("{}{query}", out(&license)), Value::Null);
            assert_eq!(answer.ok(200)["data"]["attributes"]["algorithm"], format!("{encoding}+{signing}"), "{scheme}");
            // the secret is the key as it is stored: for legacy ones a digest that clients never see
            let secret = select(&server, &format!("SELECT key FROM licenses WHERE id = '{}'", id(&license)));
            assert_eq!(secret == key(&license), scheme != "LEGACY_ENCRYPT");
            let content = payload(&server, &certificate(&answer), &secret);
            assert_eq!(content["data"]["id"], license["id"]);
            assert_eq!(content["data"]["attributes"].get("key").is_some(), scheme != "LEGACY_ENCRYPT");
        }
    }
    // each of the eight, with the wrong secret and a broken signature
    let license = admin.quick_license(json!({}));
    for encoding in ["base64", "aes-256-gcm"] {
        for signing in ["ed25519", "rsa-pss-sha256", "rsa-sha256", "ecdsa-p256"] {
            let wanted = json!({ "meta": { "algorithm": format!("{encoding}+{signing}") } });
            let certificate = certificate(&admin.post(&out(&license), wanted));
            assert_eq!(payload(&server, &certificate, key(&license))["data"]["id"], license["id"]);
            if encoding == "aes-256-gcm" {
                assert_eq!(open_certificate(&keys, &certificate, &["WRONG"]), Err(FileError::WrongSecret));
            }
            let mut other = public_keys(&server);
            other.ed25519_hex = "e99d293c70785efbf8e7cbbb5f2a44ad05140d976f1cacc7766f112a7043116f".to_owned();
            let fails = open_certificate(&other, &certificate, &[key(&license)]) == Err(FileError::InvalidSignature);
            assert_eq!(fails, signing == "ed25519", "{signing} is what it says");
        }
    }
}

// 08 §8.4, §8.5, 02 §8.3
#[test]
fn includes() {
    let cast = Cast::new(json!({ "authenticationStrategy": "MIXED" }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let group = crate::licenses::group(server, None);
    let sql = format!("UPDATE licenses SET group_id = '{}' WHERE id = '{}'", id(&group), id(&cast.license));
    server.sql(&sql);
    let (own, of_policy) = (admin.entitlement("own"), admin.entitlement("policy"));
    for (parent, entitlement) in [(path(&cast.license), &own), (format!("policies/{}", id(&cast.policy)), &of_policy)] {
        let items = json!({ "data": [{ "type": "entitlements", "id": entitlement["id"] }] });
        admin.post(&format!("{parent}/entitlements"), items).ok(200);
    }
    let file =
        |client: &Client, include: &str| client.post(&format!("{}?include={include}", out(&cast.license)), Value::Null);
    let open = |include: &str| payload(server, &certificate(&file(admin, include)), "");
    let owner = shown(server, &cast.license)["relationships"]["owner"]["data"]["id"].clone();
    let users =
        select(server, "SELECT group_concat(user_id) FROM (SELECT * FROM license_users ORDER BY created_at, id)");
    let users: Vec<Value> = std::iter::once(owner.clone()).chain(users.split(',').map(|id| json!(id))).collect();
    // nothing to include: no member
    for include in ["", "environment"] {
        assert_eq!(open(include).as_object().unwrap().keys().collect::<Vec<_>>(), ["data", "meta"], "{include}");
    }
    // one at a time: what is included, and nothing else changes but the linkage
    for (include, expected) in [
        ("product", vec![cast.product["id"].clone()]),
        ("policy", vec![cast.policy["id"].clone()]),
        ("group", vec![group["id"].clone()]),
        ("owner", vec![owner.clone()]),
        ("user", vec![owner.clone()]),
        ("users", users.clone()),
        ("entitlements", vec![own["id"].clone(), of_policy["id"].clone()]),
    ] {
        let mut before = shown(server, &cast.license);
        let content = open(include);
        assert_eq!(content.as_object().unwrap().keys().collect::<Vec<_>>(), ["data", "included", "meta"], "{include}");
        let included = content["included"].as_array().unwrap();
        assert_eq!(included.iter().map(|r| r["id"].clone()).collect::<Vec<_>>(), expected, "{include}");
        if ["users", "entitlements"].contains(&include) {
            let data: Vec<Value> = expected.iter().map(|id| json!({ "type": include, "id": id })).collect();
            let meta = before["relationships"][include].as_object_mut().unwrap().shift_remove("meta");
            before["relationships"][include]["data"] = json!(data);
            if let Some(meta) = meta {
                before["relationships"][include]["meta"] = meta;
            }
        }
        assert_eq!(content["data"].to_string(), before.to_string(), "{include}");
    }
    // the resources as the API shows them
    let content = open("product,policy,entitlements");
    let shown_at = |path: String| admin.get(&path).ok(200)["data"].clone();
    let expected = json!([
        shown_at(format!("products/{}", id(&cast.product))),
        shown_at(format!("policies/{}", id(&cast.policy))),
        own,
        of_policy
    ]);
    assert_eq!(content["included"].to_string(), expected.to_string());
    let content = open("owner,group");
    assert_eq!(
        (&content["included"][0]["attributes"]["email"], &content["included"][1]["attributes"]["name"]),
        (&json!("uo@example.com"), &json!("g"))
    );
    // each once
    let everything = open("users,entitlements,environment,product,policy,group,owner");
    assert_eq!(everything["included"].as_array().unwrap().len(), 3 + 2 + 1 + 1 + 1);
    // permissions: of the license, by default and with all; and of a token (08 §8.4)
    let statuses = |client: &Client| {
        ["entitlements", "group", "product", "policy", "owner", "users", "environment"]
            .map(|include| file(client, include).status.to_string())
            .join(" ")
    };
    assert_eq!(statuses(cast.client("L")), "200 200 403 403 403 403 403");
    assert_eq!(statuses(cast.client("Uo")), "200 200 403 403 200 200 403");
    assert_eq!(statuses(cast.client("P")), "200 200 200 200 200 200 403");
    assert_eq!(statuses(cast.client("Su")), "200 200 200 200 200 200 200");
    assert_eq!(reason(&file(cast.client("L"), "product")), "license lacks permission to perform action");
    cast.grant_everything();
    assert_eq!(statuses(cast.client("L")), "200 200 200 200 200 200 403");
    server.sql("UPDATE tokens SET permissions = '[\"license.check-out\",\"license.read\"]'");
    assert_eq!(statuses(cast.client("D")), "403 403 403 403 403 403 403");
    assert_eq!(reason(&file(cast.client("D"), "policy")), "token lacks permission to perform action");
    file(cast.client("D"), "").ok(200);
    // they come last: after include, ttl and algorithm
    for (query, code) in [
        ("include=policy,x", "CHECKOUT_INCLUDE_INVALID"),
        ("include=policy&ttl=1", "CHECKOUT_TTL_INVALID"),
        ("include=policy&algorithm=x", "CHECKOUT_ALGORITHM_INVALID"),
    ] {
        assert_eq!(cast.client("D").get(&format!("{}?{query}", out(&cast.license))).code(), code);
    }
    // reading the license is always needed
    server.sql("UPDATE tokens SET permissions = '[\"license.check-out\"]'");
    assert_eq!(reason(&file(cast.client("D"), "")), "token lacks permission to perform action");
}

// 08 §1.1, §8.3
#[test]
fn who_checks_out() {
    let cast = Cast::new(json!({ "authenticationStrategy": "MIXED" }));
    let out = out(&cast.license);
    for (protected, expected) in [
        (false, "ok: A D S Su P L Uo Um Ua; 401: X; 403: R; 404: P2 L2 U"),
        (true, "ok: A D S Su P L; 401: X; 403: R Uo Um Ua; 404: P2 L2 U"),
    ] {
        cast.protect(protected);
        assert_eq!(cast.outcome(|c| c.post(&out, Value::Null)), expected);
        assert_eq!(cast.outcome(|c| c.get(&out)), expected);
        // types first (400), then who may (403), then the rest (400)
        let nonsense = json!({ "meta": { "encrypt": 1 } });
        let expected = "400: A D S Su R P L Uo Um Ua; 401: X; 404: P2 L2 U";
        assert_eq!(cast.outcome(|c| c.post(&out, nonsense.clone())), expected);
    }
    let expected = "400: A D S Su P L; 401: X; 403: R Uo Um Ua; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.post(&format!("{out}?include=x"), Value::Null)), expected);
    assert_eq!(cast.outcome(|c| c.get(&format!("{out}?include=x"))), expected);
    assert_eq!(reason(&cast.client("R").get(&out)), "read only lacks permission to perform action");
    assert_eq!(reason(&cast.client("Uo").get(&out)), NO_REASON);
    // with its key, the license opens its own file
    let app = cast.server.license_key(key(&cast.license));
    let certificate = certificate(&app.post(&format!("{out}?encrypt=1"), Value::Null));
    assert_eq!(payload(&cast.server, &certificate, key(&cast.license))["data"]["id"], cast.license["id"]);
}

// 05 §5.5, §5.8, 08 §8.5
#[test]
fn environments() {
    let server = Server::start();
    let pre = environment(&server, "pre", "SHARED");
    let shared = server.token(&token_in(&server, &pre, Some(id(&pre)))).environment("pre");
    let license = shared.quick_license(json!({}));
    let file = shared.post(&format!("{}?include=environment", out(&license)), Value::Null);
    let account = select(&server, "SELECT id FROM accounts");
    let linkage = json!({ "type": "environments", "id": pre["id"] });
    let expected = related(&account, &format!("environments/{}", id(&pre)), Some(linkage));
    assert_eq!(file.ok(200)["data"]["relationships"]["environment"], expected);
    let content = payload(&server, &certificate(&file), "");
    assert_eq!((id(&content["included"][0]), &content["included"][0]["attributes"]["code"]), (id(&pre), &json!("pre")));
    // a check-out writes: not to a global license from inside
    let global = server.admin().quick_license(json!({}));
    for answer in [shared.get(&out(&global)), shared.post(&out(&global), Value::Null)] {
        assert_eq!(reason(&answer), "record environment is not compatible with the current environment");
    }
    assert_eq!(server.admin().get(&out(&license)).status, 404);
}
