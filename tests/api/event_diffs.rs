//! What event logs say of updates: `metadata.diff` (13 §6, 04 §6.3, 06 §0, 07 §1).

use crate::authentication::select;
use crate::support::*;
use serde_json::{Value, json};

/// The metadata of the last event of that name.
fn logged(server: &Server, event: &str) -> Value {
    let sql =
        format!("SELECT coalesce(metadata, '{{}}') FROM event_logs WHERE event = '{event}' ORDER BY id DESC LIMIT 1");
    serde_json::from_str(&select(server, &sql)).unwrap()
}

#[test]
fn updates_are_logged_with_what_they_changed() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(&product, json!({ "usePool": true }));
    let plain = admin.policy(&product, json!({}));
    let license = admin.license(&plain, json!({}));
    let machine = admin.machine(&license, "fingerprint");
    let group = admin.create("groups", json!({ "name": "Team" }), Value::Null);
    let user = admin.create("users", json!({ "email": "ada@x.example", "password": "correct horse" }), Value::Null);
    let environment = admin.create("environments", json!({ "name": "Old", "code": "e" }), Value::Null);
    let pooled = admin.create("keys", json!({ "key": "AAAA-BBBB-CCCC-DDDD-EEEE" }), json!({ "policy": link(&policy) }));
    let entitlement = admin.entitlement("FEATURE");
    for (record, event, change, expected) in [
        (&product, "product.updated", json!({ "name": "New" }), json!({ "name": ["App", "New"] })),
        (
            &plain,
            "policy.updated",
            json!({ "floating": true, "maxMachines": 3 }),
            json!({ "floating": [false, true], "maxMachines": [1, 3] }),
        ),
        (
            &plain,
            "policy.updated",
            json!({ "authenticationStrategy": "LICENSE" }),
            json!({ "authenticationStrategy": ["T...N", "L...E"] }),
        ),
        (
            &entitlement,
            "entitlement.updated",
            json!({ "metadata": { "apiKey": "abc", "plain": { "x": 1 } } }),
            json!({ "metadata": [{}, { "apiKey": "a...c", "plain": { "x": 1 } }] }),
        ),
        (&environment, "environment.updated", json!({ "name": "New" }), json!({ "name": ["Old", "New"] })),
        (
            &pooled,
            "key.updated",
            json!({ "key": "FFFF-GGGG-HHHH-IIII-JJJJ" }),
            json!({ "key": ["AAAA...EEEE", "FFFF...JJJJ"] }),
        ),
        (
            &license,
            "license.updated",
            json!({ "expiry": "2030-01-02T03:04:05.000Z" }),
            json!({ "expiry": [null, "2030-01-02T03:04:05.000Z"] }),
        ),
        (
            &machine,
            "machine.updated",
            json!({ "name": "Box", "cores": 4 }),
            json!({ "name": [null, "Box"], "cores": [null, 4] }),
        ),
        (&user, "user.updated", json!({ "firstName": "Ada" }), json!({ "firstName": [null, "Ada"] })),
        // Nothing changed but the time.
        (&user, "user.updated", json!({ "firstName": "Ada" }), json!({})),
    ] {
        let type_ = text(&record["type"]);
        let path = format!("{type_}/{}", id(record));
        admin.patch(&path, json!({ "data": { "type": type_, "attributes": change } })).ok(200);
        let mut diff = logged(&server, event)["diff"].take();
        let updated = diff.as_object_mut().unwrap().remove("updated");
        assert_eq!(updated.as_ref().and_then(|pair| pair[1].as_str()).map(str::len), Some(24), "{event} {diff}");
        assert_eq!(diff, expected, "{event}");
    }
    // A password shows the ends of its digests, and an address the reset that it ends not at all.
    admin
        .patch(
            &format!("users/{}", id(&user)),
            json!({ "data": { "type": "users", "attributes": { "password": "another one" } } }),
        )
        .ok(200);
    let diff = logged(&server, "user.updated")["diff"].take();
    let members: Vec<&String> = diff.as_object().unwrap().keys().collect();
    assert_eq!(members, ["updated", "password"]);
    assert!(text(&diff["password"][1]).starts_with("$arg...") && text(&diff["password"][1]).len() == 11, "{diff}");

    // Relationships are ids under their stored names.
    for (record, event) in
        [(&user, "user.group.updated"), (&license, "license.group.updated"), (&machine, "machine.group.updated")]
    {
        let path = format!("{}/{}/group", text(&record["type"]), id(record));
        admin.put(&path, link(&group)).ok(200);
        assert_eq!(logged(&server, event)["diff"]["groupId"], json!([null, id(&group)]), "{event}");
    }
    // Groups are logged without (06 §0), and so is everything that is no update.
    let path = format!("groups/{}", id(&group));
    admin.patch(&path, json!({ "data": { "type": "groups", "attributes": { "name": "Other" } } })).ok(200);
    admin.post(&format!("users/{}/actions/ban", id(&user)), Value::Null).ok(200);
    assert_eq!((logged(&server, "group.updated"), logged(&server, "user.banned")), (json!({}), json!({})));
}
