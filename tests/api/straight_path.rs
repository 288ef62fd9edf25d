//! A vendor issues a license; an app validates it, activates itself, beats, checks out a file, and leaves.

use crate::support::*;
use serde_json::{Value, json};

#[test]
fn a_license_lives() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(
        &product,
        json!({ "maxMachines": 1, "strict": true, "authenticationStrategy": "LICENSE", "duration": 2629746 }),
    );
    let license = admin.license(&policy, json!({}));
    let app = server.license_key(key(&license));

    let verdict = app.validate_key(key(&license), json!({ "product": product["id"], "fingerprint": "aa:bb" }));
    assert_eq!(verdict["meta"]["code"], "NO_MACHINE");
    let machine = app.machine(&license, "aa:bb");
    let verdict = app.validate_key(key(&license), json!({ "product": product["id"], "fingerprint": "aa:bb" }));
    assert_eq!((&verdict["meta"]["code"], &verdict["meta"]["valid"]), (&json!("VALID"), &json!(true)));
    let again = app.activate(&license, "cc");
    assert_eq!(
        again.error(),
        "422 machine count has exceeded maximum allowed for license (1)|MACHINE_LIMIT_EXCEEDED|/data"
    );

    let beat = app.post(&format!("machines/{}/actions/ping", id(&machine)), Value::Null).ok(200);
    assert_eq!(beat["data"]["attributes"]["heartbeatStatus"], "ALIVE");
    let file = app.post(&format!("machines/{}/actions/check-out?include=license", id(&machine)), Value::Null).ok(200);
    assert!(text(&file["data"]["attributes"]["certificate"]).starts_with("-----BEGIN MACHINE FILE-----"));
    app.delete("machines/aa:bb").ok(204);
    let shown = admin.get(&format!("licenses/{}", id(&license))).ok(200);
    assert_eq!(shown["data"]["relationships"]["machines"]["meta"]["count"], 0);
}
