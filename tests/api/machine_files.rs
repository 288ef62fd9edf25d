//! Machine files: contents, encryption, algorithms, includes (10 §5, 02 §8).

use crate::authentication::*;
use crate::authorization::*;
use crate::machines::*;
use crate::support::*;
use serde_json::{Value, json};

/// The payload of a machine file.
fn payload(server: &Server, certificate: &str, secrets: &[&str]) -> Value {
    let account = server.admin().get("/v1/accounts/acme").ok(200);
    let keys = &account["data"]["meta"]["keys"];
    let decode = |name: &str| {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(text(&keys[name])).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let keys = keygen_lite::crypto::keys::PublicKeys {
        ed25519_hex: decode("ed25519"),
        rsa_pem: decode("rsa2048"),
        ecdsa_pem: decode("ecdsa"),
    };
    let text = keygen_lite::crypto::license_file::open_certificate(&keys, certificate, secrets).unwrap();
    serde_json::from_str(&text).unwrap()
}

// 10 §5, 02 §8
#[test]
fn machine_files() {
    let cast = Cast::new(json!({ "floating": true }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let account = select(server, "SELECT id FROM accounts");
    let shown = path(&cast.machine);
    let out = format!("{shown}/actions/check-out");
    let before = admin.get(&shown).ok(200)["data"].clone();

    // POST: the whole document
    let file = admin.post("machines/cast/actions/check-out", Value::Null).ok(200)["data"].clone();
    let attributes = &file["attributes"];
    let related = |type_: &str, record: &Value| {
        let link = format!("/v1/accounts/{account}/{type_}/{}", id(record));
        json!({ "links": { "related": link }, "data": { "type": type_, "id": record["id"] } })
    };
    let expected = json!({
        "id": file["id"],
        "type": "machine-files",
        "attributes": {
            "certificate": attributes["certificate"], "algorithm": "base64+ed25519", "includes": [], "ttl": 2_629_746,
            "expiry": attributes["expiry"], "issued": attributes["issued"]
        },
        "relationships": {
            "account": {
                "links": { "related": format!("/v1/accounts/{account}") }, "data": { "type": "accounts", "id": account }
            },
            "environment": { "links": { "related": null }, "data": null },
            "license": related("licenses", &cast.license),
            "machine": related("machines", &cast.machine)
        }
    });
    assert_eq!(file.to_string(), expected.to_string());
    // the machine as it was before, and what is recorded
    let content = payload(server, text(&attributes["certificate"]), &[]);
    let meta = json!({ "issued": attributes["issued"], "expiry": attributes["expiry"], "ttl": 2_629_746 });
    assert_eq!(content.to_string(), json!({ "data": before, "meta": meta }).to_string());
    let after = admin.get(&shown).ok(200)["data"]["attributes"].clone();
    assert_eq!((&after["lastCheckOut"], &after["updated"]), (&attributes["issued"], &attributes["issued"]));
    assert_eq!(select(server, "SELECT count(*) FROM licenses WHERE last_check_out_at IS NOT NULL"), "0");
    assert_eq!(events(server, "machine.checked-out"), "1");

    // GET: the certificate itself
    let raw = admin.get("machines/cast/actions/check-out?encrypt=true&ttl=");
    raw.ok(200);
    assert_eq!(raw.header("content-type"), "application/octet-stream");
    assert_eq!(raw.header("content-disposition"), format!("attachment; filename=\"{}.lic\"", id(&cast.machine)));
    let certificate = String::from_utf8(raw.bytes.clone()).unwrap();
    let content = payload(server, &certificate, &[key(&cast.license), "cast"]);
    assert_eq!((&content["meta"]["ttl"], &content["meta"]["expiry"]), (&Value::Null, &Value::Null));
    assert_eq!(content["data"]["attributes"]["lastCheckOut"], attributes["issued"], "of the check-out before");

    // parameters: query and body
    let got = |query: &str, body: Value| {
        let answer = admin.post(&format!("{out}{query}"), body);
        if answer.status != 200 {
            return answer.error();
        }
        let file = &answer.body["data"]["attributes"];
        format!("{} {} {}", text(&file["algorithm"]), file["ttl"], file["includes"])
    };
    let meta = |meta: Value| json!({ "meta": meta });
    for (query, body, expected) in [
        ("", json!({}), "base64+ed25519 2629746 []"),
        ("?encrypt=1", Value::Null, "aes-256-gcm+ed25519 2629746 []"),
        ("?encrypt=YES", Value::Null, "aes-256-gcm+ed25519 2629746 []"),
        ("?encrypt=Yes", Value::Null, "base64+ed25519 2629746 []"),
        ("?encrypt=", Value::Null, "base64+ed25519 2629746 []"),
        ("?encrypt=1", meta(json!({ "encrypt": false })), "base64+ed25519 2629746 []"),
        ("?encrypt=1", meta(json!({ "encrypt": null })), "aes-256-gcm+ed25519 2629746 []"),
        (
            "",
            meta(json!({ "encrypt": "true" })),
            "400 type mismatch (received string expected boolean)|-|/meta/encrypt",
        ),
        ("?ttl=3600", Value::Null, "base64+ed25519 3600 []"),
        ("?ttl=", Value::Null, "base64+ed25519 null []"),
        ("?ttl=3600", meta(json!({ "ttl": null })), "base64+ed25519 null []"),
        ("", meta(json!({ "ttl": "7200" })), "base64+ed25519 7200 []"),
        ("", meta(json!({ "ttl": 3600 })), "base64+ed25519 3600 []"),
        ("?algorithm=", Value::Null, "base64+ed25519 2629746 []"),
        ("?algorithm=aes-256-gcm%2Brsa-sha256", Value::Null, "aes-256-gcm+rsa-sha256 2629746 []"),
        ("?encrypt=1", meta(json!({ "algorithm": "base64+ecdsa-p256" })), "base64+ecdsa-p256 2629746 []"),
        ("", meta(json!({ "algorithm": "base64+rsa-pss-sha256" })), "base64+rsa-pss-sha256 2629746 []"),
        ("", meta(json!({ "algorithm": null })), "base64+ed25519 2629746 []"),
        ("?include=license,components", Value::Null, r#"base64+ed25519 2629746 ["license","components"]"#),
        ("?include[]=license&include[]=license", Value::Null, r#"base64+ed25519 2629746 ["license"]"#),
        ("?include=", Value::Null, "base64+ed25519 2629746 []"),
        ("?include=group", meta(json!({ "include": ["license.user"] })), r#"base64+ed25519 2629746 ["license.owner"]"#),
        (
            "",
            meta(json!({ "include": "license" })),
            "400 type mismatch (received string expected array)|-|/meta/include",
        ),
        ("", meta(json!({ "colour": 1 })), "400 unpermitted parameter|-|/meta/colour"),
        ("?colour=1", Value::Null, "base64+ed25519 2629746 []"),
    ] {
        assert_eq!(got(query, body.clone()), expected, "{query} {body}");
    }
    // a body of another type is read as JSON (01 §3.2)
    let plain = admin.header("Content-Type", "text/plain").post(&out, meta(json!({ "ttl": 3600 }))).ok(200);
    assert_eq!(plain["data"]["attributes"]["ttl"], 3600);
    // errors, in this order; the same for GET
    let (short, include) = (
        "400 must be greater than or equal to 3600 (1 hour)|CHECKOUT_TTL_INVALID|ttl",
        "400 invalid includes|CHECKOUT_INCLUDE_INVALID|include",
    );
    let (encoding, signing) = (
        "400 invalid encoding algorithm|CHECKOUT_ALGORITHM_INVALID|algorithm",
        "400 invalid signing algorithm|CHECKOUT_ALGORITHM_INVALID|algorithm",
    );
    let taken = events(server, "machine.checked-out");
    for (query, expected) in [
        ("?include=nope&ttl=1&algorithm=x", include),
        ("?include=product", include),
        ("?include=license.machines", include),
        ("?ttl=3599&algorithm=x", short),
        ("?ttl=0", short),
        ("?ttl=-1", short),
        ("?ttl=soon", short),
        ("?algorithm=x%2By", encoding),
        ("?algorithm=base64", signing),
        ("?algorithm=base64%2Bmd5", signing),
        ("?algorithm=base64+ed25519", encoding),
    ] {
        assert_eq!(got(query, Value::Null), expected, "{query}");
        let answer = admin.get(&format!("{out}{query}"));
        assert_eq!(answer.error(), expected, "GET {query}");
        assert!(answer.header("content-type").starts_with("application/vnd.api+json"));
    }
    // schema before authorization's 403; then 400 of the values; then the permissions of includes
    let read_only = cast.client("R");
    assert_eq!(read_only.post(&out, meta(json!({ "ttl": [] }))).status, 400);
    assert_eq!(read_only.post(&format!("{out}?ttl=1"), Value::Null).status, 403);
    let license = cast.client("L");
    assert_eq!(license.get(&format!("{out}?include=license.policy&ttl=1")).error(), short);
    for (include, permission) in [
        ("license", "license.read"),
        ("license.entitlements", "entitlement.read"),
        ("license.product", "product.read"),
        ("license.policy", "policy.read"),
        ("license.owner", "user.read"),
        ("license.users", "user.read"),
        ("owner", "user.read"),
        ("components", "component.read"),
        ("group", "group.read"),
    ] {
        let allow = |names: &str| {
            let set = format!("[\"machine.check-out\"{names}]");
            server.sql(&format!("UPDATE licenses SET owner_id = NULL, permissions = '{set}'"));
            license.get(&format!("{out}?include={include}")).status
        };
        assert_eq!(allow(&format!(", \"{permission}\"")), 403, "machine.read is missing");
        assert_eq!(allow(", \"machine.read\""), 403, "{include}");
        assert_eq!(allow(&format!(", \"machine.read\", \"{permission}\"")), 200, "{include}");
    }
    server.sql("UPDATE licenses SET permissions = '[\"*\"]'");
    let environment = license.get(&format!("{out}?include=environment"));
    assert_eq!(reason(&environment), "license lacks permission to perform action");
    let more: i64 = events(server, "machine.checked-out").parse::<i64>().unwrap() - taken.parse::<i64>().unwrap();
    assert_eq!(more, 9, "only what succeeded");
}

// 10 §5: includes and default algorithms
#[test]
fn machine_files_include() {
    let cast = Cast::new(json!({ "floating": true }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let entitlement = admin.entitlement("EXTRA");
    let attach = json!({ "data": [{ "type": "entitlements", "id": entitlement["id"] }] });
    admin.post(&format!("licenses/{}/entitlements", id(&cast.license)), attach).ok(200);
    let component = json!({ "fingerprint": "c", "name": "c" });
    let component = admin.create("components", component, json!({ "machine": link(&cast.machine) }));
    let content = |include: &str| {
        let file = admin.get(&format!("{}/actions/check-out?include={include}", path(&cast.machine)));
        file.ok(200);
        payload(server, std::str::from_utf8(&file.bytes).unwrap(), &[])
    };
    let types = |content: &Value| {
        let mut types: Vec<_> =
            content["included"].as_array().into_iter().flatten().map(|r| text(&r["type"]).to_owned()).collect();
        types.sort();
        types.join(" ")
    };
    for (include, expected) in [
        ("license", "licenses"),
        ("license.entitlements", "entitlements licenses"),
        ("license.product", "licenses products"),
        ("license.policy,license", "licenses policies"),
        ("license.owner", "licenses users"),
        ("license.users", "licenses users users users"),
        ("license.user,owner", "licenses users users"),
        ("components", "components"),
        ("owner", "users"),
        ("group,environment", ""),
        ("license.users,owner,components", "components licenses users users users"),
    ] {
        let content = content(include);
        assert_eq!(types(&content), expected, "{include}");
        assert_eq!(content.get("included").is_some(), !expected.is_empty(), "{include}");
    }
    // linkage is filled in only where it is included
    let all = content("components,license.users,license.entitlements");
    let linked = json!([{ "type": "components", "id": component["id"] }]);
    assert_eq!(all["data"]["relationships"]["components"]["data"], linked);
    let license = all["included"].as_array().unwrap().iter().find(|r| r["type"] == "licenses").unwrap();
    assert_eq!(license["relationships"]["users"]["data"].as_array().unwrap().len(), 3);
    assert_eq!(license["relationships"]["entitlements"]["data"][0]["id"], entitlement["id"]);
    let none = content("license");
    assert!(none["data"]["relationships"]["components"].get("data").is_none());
    assert!(none["included"][0]["relationships"]["users"].get("data").is_none());
    let shown = admin.get(&format!("components/{}", id(&component))).ok(200);
    assert_eq!(content("components")["included"][0].to_string(), shown["data"].to_string());
    // the policy's scheme chooses the signature
    for (scheme, algorithm) in [
        ("ED25519_SIGN", "ed25519"),
        ("RSA_2048_PKCS1_PSS_SIGN", "rsa-pss-sha256"),
        ("RSA_2048_PKCS1_PSS_SIGN_V2", "rsa-pss-sha256"),
        ("RSA_2048_PKCS1_SIGN", "rsa-sha256"),
        ("RSA_2048_PKCS1_SIGN_V2", "rsa-sha256"),
        ("RSA_2048_PKCS1_ENCRYPT", "rsa-sha256"),
        ("RSA_2048_JWT_RS256", "rsa-sha256"),
        ("ECDSA_P256_SIGN", "ecdsa-p256"),
    ] {
        server.sql(&format!("UPDATE policies SET scheme = '{scheme}'"));
        let file = admin.post(&format!("{}/actions/check-out?encrypt=1", path(&cast.machine)), Value::Null).ok(200);
        let file = &file["data"]["attributes"];
        assert_eq!(file["algorithm"], format!("aes-256-gcm+{algorithm}"), "{scheme}");
        payload(server, text(&file["certificate"]), &[key(&cast.license), "cast"]);
    }
}
