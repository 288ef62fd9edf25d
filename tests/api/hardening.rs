//! What a review found that ordinary use does not: numbers at the end of their range, chosen ids that coincide, lists of
//! everything at once.

use crate::support::*;
use serde_json::{Value, json};

// 10 §1.6: sums beyond 64 bits stay at the end of the range, and fail nothing
#[test]
fn sums_of_machines_may_exceed_64_bits() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    for leasing in ["PER_USER", "PER_LICENSE"] {
        let attributes =
            json!({ "floating": true, "strict": true, "maxMachines": 10, "machineLeasingStrategy": leasing });
        let license = admin.license(&admin.policy(&product, attributes), json!({}));
        let activate = |fingerprint: &str, memory: i64| {
            let attributes = json!({ "fingerprint": fingerprint, "memory": memory });
            admin.create("machines", attributes, json!({ "license": link(&license) }))
        };
        let large = activate("a", i64::MAX);
        let small = activate("b", 5);
        let third = activate("c", 7);
        admin.post(&format!("machines/{}/actions/ping", id(&third)), Value::Null).ok(200);
        assert_eq!(admin.validate_key(key(&license), Value::Null)["meta"]["code"], "VALID", "{leasing}");
        let memory = || {
            let shown = admin.get(&format!("licenses/{}", id(&license))).ok(200);
            shown["data"]["relationships"]["machines"]["meta"]["memory"].clone()
        };
        assert_eq!(memory(), i64::MAX);
        admin.delete(&format!("machines/{}", id(&large))).ok(204);
        assert_eq!(memory(), 12, "{leasing}");
        admin.delete(&format!("machines/{}", id(&small))).ok(204);
        assert_eq!(memory(), 7, "{leasing}");
    }
}

// 03 §10.6: a license whose chosen id is the caller's own is still a license
#[test]
fn an_id_alone_is_nobody() {
    let server = Server::start();
    let admin = server.admin();
    let me = admin.get("me").ok(200);
    let product = admin.product();
    let policy = admin.policy(&product, json!({}));
    let data = json!({ "type": "licenses", "id": me["data"]["id"], "relationships": { "policy": link(&policy) } });
    let twin = admin.post("licenses", json!({ "data": data })).ok(201);
    let bearer = json!({ "data": { "type": "tokens", "relationships": { "bearer": link(&twin["data"]) } } });
    assert_eq!(admin.post("tokens", bearer).status, 403);
}

// 03 §10.10, 09 §3: long lists of what may repeat
#[test]
fn long_lists_are_answered() {
    let server = Server::start();
    let admin = server.admin();
    let roles = vec!["bearer[role][]=product"; 1500].join("&");
    assert_eq!(admin.get(&format!("tokens?{roles}")).ok(200)["data"], json!([]));
    let license = admin.quick_license(json!({ "floating": true, "machineMatchingStrategy": "MATCH_ANY" }));
    admin.machine(&license, "fp-77");
    let many: Vec<String> = (0..3000).map(|n| format!("fp-{n}")).collect();
    let verdict = admin.validate_key(key(&license), json!({ "fingerprints": many }));
    assert_eq!(verdict["meta"]["code"], "VALID");
    let all: Vec<String> = (1000..4000).map(|n| format!("fp-{n}")).collect();
    let verdict = admin.validate_key(key(&license), json!({ "fingerprints": all }));
    assert_eq!(verdict["meta"]["code"], "FINGERPRINT_SCOPE_MISMATCH");
}

// 10 §1.11
#[test]
fn machines_are_found_by_the_key_of_their_license() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let machine = admin.machine(&license, "a");
    let found = admin.get(&format!("machines?key={}", key(&license))).ok(200);
    assert_eq!(found["data"][0]["id"], machine["id"]);
    assert_eq!(admin.get("machines?key=nope").ok(200)["data"], json!([]));
}
