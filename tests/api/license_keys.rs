//! License keys (02 §5–§7, 08 §4.3): every scheme, datasets and templates, legacy encrypted keys, pools.

use crate::authentication::*;
use crate::authorization::reason;
use crate::licenses::*;
use crate::products::*;
use crate::support::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use keygen_lite::crypto::keys::PublicKeys;
use keygen_lite::crypto::license_key::{Scheme, verify_signed_key};
use serde_json::{Value, json};

/// The account's public keys, as a client is configured with them (02 §2).
pub fn public_keys(server: &Server) -> PublicKeys {
    let account = server.admin().get("/v1/accounts/acme").ok(200);
    let keys = &account["data"]["meta"]["keys"];
    let decode = |name: &str| String::from_utf8(STANDARD.decode(text(&keys[name])).unwrap()).unwrap();
    PublicKeys { ed25519_hex: decode("ed25519"), rsa_pem: decode("rsa2048"), ecdsa_pem: decode("ecdsa") }
}

/// The dataset of a key, once its signature is verified.
#[track_caller]
fn dataset(keys: &PublicKeys, scheme: &str, key: &str) -> String {
    let scheme = Scheme::parse(scheme).unwrap();
    let dataset = verify_signed_key(keys, scheme, key).unwrap_or_else(|| panic!("{scheme:?} does not verify: {key}"));
    // not a key of anybody else's
    let mut broken = key.to_owned().into_bytes();
    let middle = broken.len() / 4;
    broken[middle] = if broken[middle] == b'A' { b'B' } else { b'A' };
    let broken = String::from_utf8(broken).unwrap();
    assert_ne!(verify_signed_key(keys, scheme, &broken).as_ref(), Some(&dataset), "{scheme:?}");
    String::from_utf8(dataset).unwrap()
}

const SIGNING: [&str; 6] = [
    "ED25519_SIGN",
    "ECDSA_P256_SIGN",
    "RSA_2048_PKCS1_SIGN_V2",
    "RSA_2048_PKCS1_PSS_SIGN_V2",
    "RSA_2048_PKCS1_SIGN",
    "RSA_2048_PKCS1_PSS_SIGN",
];

// 02 §5.1, §5.2
#[test]
fn default_datasets() {
    let server = Server::start();
    let admin = server.admin();
    let keys = public_keys(&server);
    let account = select(&server, "SELECT id FROM accounts");
    let (product, owner) = (admin.product(), user(&server, "user", "ö@example.com"));
    for scheme in SIGNING.into_iter().chain(["RSA_2048_PKCS1_ENCRYPT", "RSA_2048_JWT_RS256"]) {
        for (duration, owned, basis, expiry) in [
            (json!(86_400), true, "FROM_CREATION", Value::Null),
            (json!(null), false, "FROM_CREATION", json!("2040-01-02T03:04:05.678Z")),
            (json!(31_556_952), false, "FROM_FIRST_VALIDATION", Value::Null),
        ] {
            let attributes = json!({
                "scheme": scheme, "duration": duration, "expirationBasis": basis, "authenticationStrategy": "LICENSE"
            });
            let policy = admin.policy(&product, attributes);
            let relationships = if owned { json!({ "owner": link(&owner) }) } else { json!({}) };
            let license =
                admin.post("licenses", of(&policy, json!({ "expiry": expiry }), relationships)).ok(201)["data"].clone();
            let shown = &license["attributes"];
            assert_eq!(shown["scheme"], scheme);
            let (created, expiry) = (&shown["created"], &shown["expiry"]);
            assert_eq!(expiry.is_null(), basis == "FROM_FIRST_VALIDATION");
            let got = dataset(&keys, scheme, key(&license));
            let expected = match scheme {
                "RSA_2048_PKCS1_ENCRYPT" => {
                    json!({ "id": license["id"], "created": created, "duration": duration, "expiry": expiry })
                }
                "RSA_2048_JWT_RS256" => {
                    let got: Value = serde_json::from_str(&got).unwrap();
                    let created = ms(created).div_euclid(1000);
                    let mut claims = json!({
                        "jti": got["jti"], "iss": "https://keygen.sh", "aud": account, "sub": license["id"],
                        "iat": created, "nbf": created
                    });
                    assert!(uuid::Uuid::parse_str(text(&got["jti"])).is_ok());
                    if !expiry.is_null() {
                        claims["exp"] = json!(ms(expiry).div_euclid(1000));
                    }
                    claims
                }
                _ => json!({
                    "account": { "id": account }, "product": { "id": product["id"] },
                    "policy": { "id": policy["id"], "duration": duration },
                    "user": if owned { json!({ "id": owner["id"], "email": "ö@example.com" }) } else { Value::Null },
                    "license": { "id": license["id"], "created": created, "expiry": expiry }
                }),
            };
            assert_eq!(got, expected.to_string(), "{scheme}");
            // the form (02 §5.1)
            let key = key(&license);
            let parts: Vec<&str> = key.split('.').collect();
            match scheme {
                "RSA_2048_PKCS1_ENCRYPT" => assert_eq!((key.len(), parts.len()), (344, 1)),
                "RSA_2048_JWT_RS256" => {
                    assert_eq!(parts.len(), 3);
                    assert_eq!(URL_SAFE_NO_PAD.decode(parts[0]).unwrap(), br#"{"alg":"RS256"}"#);
                    assert_eq!(URL_SAFE_NO_PAD.decode(parts[1]).unwrap(), got.as_bytes());
                }
                "RSA_2048_PKCS1_SIGN" | "RSA_2048_PKCS1_PSS_SIGN" => {
                    assert_eq!((parts.len(), parts[0]), (2, URL_SAFE.encode(&got).as_str()));
                }
                _ => assert_eq!((parts.len(), parts[0]), (2, format!("key/{}", URL_SAFE.encode(&got)).as_str())),
            }
            // it is a key like any other: it finds the license, validates it, authenticates
            let encoded = key.replace('/', "%2F").replace('=', "%3D");
            assert_eq!(admin.get(&format!("licenses/{encoded}")).ok(200)["data"]["id"], license["id"]);
            assert_eq!(server.anonymous().validate_key(key, Value::Null)["meta"]["code"], "VALID");
            assert_eq!(server.license_key(key).get("me").ok(200)["data"]["id"], license["id"]);
        }
    }
}

// 02 §5: made once, never again
#[test]
fn keys_never_change() {
    let server = Server::start();
    let admin = server.admin();
    let policy = admin.policy(
        &admin.product(),
        json!({ "scheme": "ED25519_SIGN", "duration": 86_400, "authenticationStrategy": "LICENSE" }),
    );
    let license = admin.license(&policy, json!({}));
    admin.patch(&path(&license), body("licenses", json!({ "expiry": "2040-01-01", "name": "n" }))).ok(200);
    admin.patch(&format!("policies/{}", id(&policy)), body("policies", json!({ "duration": 172_800 }))).ok(200);
    for action in ["renew", "suspend", "reinstate", "validate", "check-out"] {
        admin.post(&format!("{}/actions/{action}", path(&license)), Value::Null).ok(200);
    }
    assert_eq!(key(&shown(&server, &license)), key(&license));
}

// 02 §5.3, §7; 08 §4.3
#[test]
fn given_datasets_and_templates() {
    let server = Server::start();
    let admin = server.admin();
    let keys = public_keys(&server);
    let account = select(&server, "SELECT id FROM accounts");
    let (product, owner) = (admin.product(), user(&server, "user", "o@example.com"));
    admin.license(&admin.policy(&product, json!({})), json!({ "key": "PLAIN-KEY" }));
    let everything = "{{account}} {{product}} {{policy}} {{id}} {{user}} {{email}} {{created}} {{expiry}} {{duration}}";
    for scheme in SIGNING.into_iter().chain(["RSA_2048_PKCS1_ENCRYPT"]) {
        let policy = admin.policy(&product, json!({ "scheme": scheme, "duration": 86_400 }));
        let make = |given: &str, relationships: Value| {
            admin.post("licenses", of(&policy, json!({ "key": given }), relationships))
        };
        let dataset_of = |given: &str| dataset(&keys, scheme, key(&make(given, json!({})).ok(201)["data"]));
        // one character is enough, and anything goes
        for given in ["x", "дата 🔑 \"\\\n", "key/not.a.key", "{{ id }}", "{id}", "{{id-}}", "{{i d}}"] {
            assert_eq!(dataset_of(given), given, "{scheme}");
        }
        for (given, expected) in [
            ("{{{{secret}}}}", "{{}}"),
            ("[{{nope}}|{{user}}|{{email}}|{{key}}]", "[|||]"),
            ("{{DURATION}}/{{Duration}}", "86400/86400"),
            ("{{duration}}{{duration}}", "8640086400"),
            ("{{{duration}}}", "{86400}"),
            ("a {{duration", "a {{duration"),
        ] {
            assert_eq!(dataset_of(given), expected, "{scheme} {given}");
        }
        if scheme == "RSA_2048_PKCS1_ENCRYPT" {
            continue;
        }
        let license = make(everything, json!({ "owner": link(&owner) })).ok(201)["data"].clone();
        let attributes = &license["attributes"];
        let expected = format!(
            "{account} {} {} {} {} o@example.com {} {} 86400",
            id(&product),
            id(&policy),
            id(&license),
            id(&owner),
            text(&attributes["created"]),
            text(&attributes["expiry"])
        );
        assert_eq!(dataset(&keys, scheme, key(&license)), expected, "{scheme}");
        // a client-chosen id, and no expiry
        let perpetual = admin.policy(&product, json!({ "scheme": scheme }));
        let mut chosen = of(&perpetual, json!({ "key": "{{id}}:{{expiry}}:{{duration}}" }), json!({}));
        chosen["data"]["id"] = json!(new_id());
        let made = admin.post("licenses", chosen).ok(201)["data"].clone();
        assert_eq!(dataset(&keys, scheme, key(&made)), format!("{}::", id(&made)));
        // the given text is checked as given
        for (given, expected) in [
            ("actions", "422 is reserved|KEY_NOT_ALLOWED|/data/attributes/key"),
            ("PLAIN-KEY", "422 has already been taken|KEY_TAKEN|/data/attributes/key"),
            (&"k".repeat(16_385), "422 is too long (maximum is 16384 characters)|KEY_TOO_LONG|/data/attributes/key"),
        ] {
            assert_eq!(outcome(&make(given, json!({}))), expected, "{scheme}");
        }
        // the same dataset again: a deterministic signature gives the same key, which is a conflict (01 §9.5)
        let again = make("x", json!({}));
        if scheme.contains("PSS") {
            assert_eq!(again.status, 201, "{scheme}");
        } else if scheme != "ECDSA_P256_SIGN" {
            assert_eq!(again.error(), "409 The request could not be completed because of a conflict|-|-", "{scheme}");
            assert_eq!(again.body["errors"][0]["title"], "Conflict");
        }
    }
    // RSA_2048_PKCS1_ENCRYPT: 245 bytes at the most, after expansion
    let policy = admin.policy(&product, json!({ "scheme": "RSA_2048_PKCS1_ENCRYPT", "duration": 86_400 }));
    let make = |given: &str| admin.post("licenses", of(&policy, json!({ "key": given }), json!({})));
    let too_large =
        "422 key exceeds maximum byte length (max size of 245 bytes)|KEY_BYTE_SIZE_EXCEEDED|/data/attributes/key";
    for (given, expected) in [
        ("k".repeat(245), "ok"),
        ("k".repeat(246), too_large),
        ("ü".repeat(122), "ok"),
        ("ü".repeat(123), too_large),
        ("{{id}}".repeat(6), "ok"),
        ("{{id}}".repeat(7), too_large),
        ("{{nope}}".repeat(1000) + "y", "ok"),
    ] {
        assert_eq!(outcome(&make(&given)), expected, "{given}");
    }
    // RSA_2048_JWT_RS256: claims
    let policy = admin.policy(&product, json!({ "scheme": "RSA_2048_JWT_RS256", "duration": 86_400 }));
    let make = |given: &str| admin.post("licenses", of(&policy, json!({ "key": given }), json!({})));
    let license = make("{ \"z\": [1, {\"b\": null}], \"a\": \"{{duration}}\", \"exp\": 1.5 }").ok(201)["data"].clone();
    assert_eq!(dataset(&keys, "RSA_2048_JWT_RS256", key(&license)), r#"{"z":[1,{"b":null}],"a":"86400","exp":1.5}"#);
    let bad = |why: &str| {
        format!("422 key is not a valid JWT claims payload ({why})|KEY_JWT_CLAIMS_INVALID|/data/attributes/key")
    };
    let not_numeric =
        |claim: &str, kind: &str| bad(&format!("{claim} claim must be a numeric value but it is a {kind}"));
    for (given, expected) in [
        ("not json", bad("must be a valid JSON encoded string")),
        ("{\"a\":}", bad("must be a valid JSON encoded string")),
        (r#"{"exp":"soon"}"#, not_numeric("exp", "string")),
        (r#"{"exp":[]}"#, not_numeric("exp", "array")),
        (r#"{"exp":{}}"#, not_numeric("exp", "hash")),
        (r#"{"exp":null}"#, not_numeric("exp", "nilclass")),
        (r#"{"iat":true}"#, not_numeric("iat", "trueclass")),
        (r#"{"nbf":false}"#, not_numeric("nbf", "falseclass")),
        (r#"{"nbf":"x","iat":"x","exp":"x"}"#, not_numeric("exp", "string")),
        (r#"{"nbf":"x","iat":"x","exp":1}"#, not_numeric("iat", "string")),
        (r#"{"exp":1,"iat":2,"nbf":3}"#, "ok".to_owned()),
    ] {
        assert_eq!(outcome(&make(given)), expected, "{given}");
    }
}

// 02 §6.2, 08 §2, §4.3, 09 §3.1
#[test]
fn legacy_encrypted_keys() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let attributes = json!({
        "encrypted": true, "authenticationStrategy": "MIXED", "duration": 604_800,
        "expirationBasis": "FROM_FIRST_VALIDATION"
    });
    let policy = admin.policy(&product, attributes);
    let made = admin.license(&policy, json!({}));
    let raw = key(&made).to_owned();
    let groups: Vec<&str> = raw.split('-').collect();
    assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [32; 4]);
    assert_eq!(groups[0], id(&made).replace('-', ""));
    assert!(raw.ends_with("v1") && raw[..raw.len() - 2].chars().all(|c| "0123456789abcdef-".contains(c)), "{raw}");
    let names: Vec<&String> = made["attributes"].as_object().unwrap().keys().collect();
    assert_eq!(names[..3], ["name", "key", "expiry"]);
    assert_eq!(
        (&made["attributes"]["scheme"], &made["attributes"]["encrypted"]),
        (&json!("LEGACY_ENCRYPT"), &json!(true))
    );
    let stored = select(&server, "SELECT key FROM licenses");
    assert!(stored.starts_with("$2") && stored.contains("$12$"), "{stored}");
    let digest = hex(&<sha2::Sha256 as sha2::Digest>::digest(&raw));
    assert!(bcrypt::verify(&digest, &stored).unwrap(), "bcrypt of the hex SHA-256");
    // the member is absent ever after
    let act = format!("{}/actions", path(&made));
    let file = admin.post(&format!("{act}/check-out"), Value::Null).ok(200);
    assert!(text(&file["data"]["attributes"]["certificate"]).starts_with("-----BEGIN LICENSE FILE-----"));
    for answer in [
        admin.get(&path(&made)),
        admin.patch(&path(&made), body("licenses", json!({ "name": "n" }))),
        admin.post(&format!("{act}/suspend"), Value::Null),
        admin.post(&format!("{act}/reinstate"), Value::Null),
        admin.get(&format!("{act}/validate")),
        admin.post(&format!("{act}/validate"), Value::Null),
    ] {
        let attributes = &answer.ok(200)["data"]["attributes"];
        assert!(attributes.get("key").is_none() && attributes.get("name").is_some());
    }
    assert!(admin.get("licenses").ok(200)["data"][0]["attributes"].get("key").is_none());
    // neither raw key nor digest is a name or a credential
    for text in [&raw, &stored] {
        assert_eq!(server.license_key(text).get("me").code(), "LICENSE_INVALID");
    }
    assert_eq!(admin.get(&format!("licenses/{raw}")).status, 404);
    // validation by key: only when it is said to be one
    server.sql("UPDATE licenses SET expires_at = NULL");
    let plain = admin.quick_license(json!({}));
    let (other, broken) =
        (admin.license(&policy, json!({})), format!("{}{}", &raw[..130], if raw.ends_with('1') { "2" } else { "1" }));
    let verdict = |client: &Client, key: &str, flags: Value| {
        let mut meta = json!({ "key": key });
        flags.as_object().unwrap().iter().for_each(|(name, value)| meta[name] = value.clone());
        client.post("licenses/actions/validate-key", json!({ "meta": meta })).ok(200)
    };
    let anonymous = server.anonymous();
    let mixed = format!("{}-{}", id(&other).replace('-', ""), &raw[33..]);
    for (key, flags, code) in [
        (raw.as_str(), json!({}), "NOT_FOUND"),
        (&raw, json!({ "legacyEncrypted": false }), "NOT_FOUND"),
        (&stored, json!({}), "NOT_FOUND"),
        (&stored, json!({ "legacyEncrypted": true }), "NOT_FOUND"),
        (&broken, json!({ "legacyEncrypted": true }), "NOT_FOUND"),
        (&mixed, json!({ "legacyEncrypted": true }), "NOT_FOUND"),
        (&raw.to_uppercase(), json!({ "legacyEncrypted": true }), "NOT_FOUND"),
        (&raw[..32], json!({ "legacyEncrypted": true }), "NOT_FOUND"),
        ("x-y", json!({ "legacyEncrypted": true }), "NOT_FOUND"),
        (&format!("{}-x", id(&plain).replace('-', "")), json!({ "encrypted": true }), "NOT_FOUND"),
        (key(&plain), json!({ "legacyEncrypted": true }), "NOT_FOUND"),
        (key(&plain), json!({ "encrypted": false }), "VALID"),
        (&raw, json!({ "legacyEncrypted": true, "nonce": 5, "scope": {} }), "VALID"),
        (&raw, json!({ "encrypted": true }), "VALID"),
        (&raw, json!({ "encrypted": true, "legacyEncrypted": false }), "VALID"),
        (key(&other), json!({ "encrypted": true }), "VALID"),
    ] {
        let answer = verdict(&anonymous, key, flags.clone());
        assert_eq!(answer["meta"]["code"], code, "{key} {flags}");
        if code == "VALID" && flags != json!({ "encrypted": false }) {
            assert!(answer["data"]["attributes"].get("key").is_none());
        }
    }
    // it is a validation like any other: recorded, and the first one sets the expiry
    let after = shown(&server, &made)["attributes"].clone();
    assert_eq!(ms(&after["expiry"]) > ms(&after["created"]), is_time(&after["lastValidated"]));
    assert_eq!(events_of(&server, &made).matches(r#"license.validation.succeeded {"code":"VALID"}"#).count(), 4);
    let answer = verdict(&anonymous, &raw, json!({ "encrypted": true, "nonce": 5, "scope": { "product": "x" } }));
    assert_eq!((&answer["meta"]["code"], &answer["meta"]["nonce"]), (&json!("PRODUCT_SCOPE_MISMATCH"), &json!(5)));
    // who may: another product may not, once the key is right
    let foreign = as_bearer(&server, &admin.product());
    let body = |key: &str| json!({ "meta": { "key": key, "legacyEncrypted": true } });
    assert!(reason(&foreign.post("licenses/actions/validate-key", body(&raw))).starts_with("ensure the token"));
    assert_eq!(foreign.post("licenses/actions/validate-key", body(&broken)).ok(200)["meta"]["code"], "NOT_FOUND");
    // a given key is refused
    let answer = admin.post("licenses", of(&policy, json!({ "key": "GIVEN-KEY" }), json!({})));
    let expected = "422 cannot be specified for a legacy encrypted license|KEY_NOT_SUPPORTED|/data/attributes/key";
    assert_eq!(answer.error(), expected);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// 07 §7, 08 §4.3
#[test]
fn pools() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let (policy, other) =
        (admin.policy(&product, json!({ "usePool": true })), admin.policy(&product, json!({ "usePool": true })));
    let stock = |policy: &Value, key: &str, at: i64| {
        server.sql(&format!(
            "INSERT INTO keys (id, account_id, created_at, updated_at, policy_id, product_id, key)
             SELECT '{}', account_id, {at}, {at}, id, product_id, '{key}' FROM policies WHERE id = '{}'",
            new_id(),
            id(policy)
        ));
    };
    let make = |attributes: Value| admin.post("licenses", of(&policy, attributes, json!({})));
    let empty = "422 pool is empty|POLICY_POOL_EMPTY|/data/relationships/policy";
    stock(&other, "POOL-OTHER", 9);
    assert_eq!(make(json!({})).error(), empty);
    assert_eq!(make(json!({})).body["errors"][0]["title"], "Unprocessable resource");
    assert_eq!(counts(&server, &["licenses", "keys"]), "licenses 0, keys 1");
    // the newest first; an explicit key leaves the pool alone, even one that sits in it
    [("POOL-A", 1), ("POOL-C", 3), ("POOL-B", 2)].iter().for_each(|(key, at)| stock(&policy, key, *at));
    assert_eq!(key(&make(json!({ "key": "EXPLICIT" })).ok(201)["data"]), "EXPLICIT");
    assert_eq!(key(&make(json!({ "key": "POOL-B" })).ok(201)["data"]), "POOL-B");
    assert_eq!(counts(&server, &["licenses", "keys"]), "licenses 2, keys 4");
    // a create that fails for another reason pops nothing
    assert_eq!(make(json!({ "maxUses": -1 })).status, 422);
    assert_eq!(counts(&server, &["keys"]), "keys 4");
    let popped = make(json!({ "key": null })).ok(201)["data"].clone();
    assert_eq!((key(&popped), &popped["attributes"]["scheme"]), ("POOL-C", &Value::Null));
    assert_eq!(events_of(&server, &popped), "license.created");
    // a pooled key that a license has meanwhile is passed over: it must not block those behind it
    assert_eq!(key(&make(json!({})).ok(201)["data"]), "POOL-A");
    assert_eq!(make(json!({})).error(), empty);
    assert_eq!(
        select(&server, "SELECT group_concat(key) FROM (SELECT key FROM keys ORDER BY key)"),
        "POOL-B,POOL-OTHER"
    );
    server.sql("DELETE FROM keys WHERE key = 'POOL-B'");
    // at the same time: every key goes out once, and a given key belongs to one (07 §7, 01 §19)
    (0..6).for_each(|i| stock(&policy, &format!("RACE-{i}"), 10));
    let race = |attributes: Value| {
        let made: Vec<Answer> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| make(attributes.clone()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut outcomes: Vec<String> = made
            .iter()
            .map(|answer| if answer.status == 201 { key(&answer.body["data"]).to_owned() } else { outcome(answer) })
            .collect();
        outcomes.sort();
        outcomes
    };
    let mut expected = vec![empty.to_owned(); 2];
    expected.extend((0..6).map(|i| format!("RACE-{i}")));
    assert_eq!(race(json!({})), expected);
    let mut expected = vec!["422 has already been taken|KEY_TAKEN|/data/attributes/key".to_owned(); 7];
    expected.push("SAME-KEY".to_owned());
    assert_eq!(race(json!({ "key": "SAME-KEY" })), expected);
    let pool_events = "SELECT count(*) FROM event_logs WHERE event LIKE '%pool%' OR event LIKE 'key.%'";
    assert_eq!(select(&server, pool_events), "0");
    assert_eq!(server.anonymous().validate_key("POOL-A", Value::Null)["meta"]["code"], "VALID");
}
