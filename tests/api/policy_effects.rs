//! What a change of a policy does to the licenses that it has (07 §4), and what goes with it (07 §5).

use crate::authentication::*;
use crate::authorization::*;
use crate::keys::*;
use crate::products::*;
use crate::support::*;
use serde_json::{Value, json};

// 07 §4, §5: what a change of a policy does to its licenses, and what goes with it
#[test]
fn licenses_follow_their_policy() {
    let cast = Cast::new(json!({ "floating": true, "maxMachines": 3, "maxUses": 7 }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let path = format!("policies/{}", id(&cast.policy));
    let own = admin.license(&cast.policy, json!({ "maxMachines": 9, "protected": false }));
    let attributes =
        |license: &Value| admin.get(&format!("licenses/{}", id(license))).ok(200)["data"]["attributes"].clone();
    let before = attributes(&own);
    let update = json!({
        "strict": true, "maxMachines": 5, "maxUses": null, "maxCores": 8, "maxMemory": 9, "maxDisk": 10, "maxUsers": 11,
        "maxProcesses": 12, "requireHeartbeat": true, "requireCheckIn": true, "checkInInterval": "day",
        "checkInIntervalCount": 1, "protected": true, "duration": 86_400, "name": "new", "metadata": { "a": 1 }
    });
    admin.patch(&path, body("policies", update)).ok(200);
    let mut expected = before;
    for (name, value) in json!({
        "strict": true, "maxUses": null, "maxCores": 8, "maxMemory": 9, "maxDisk": 10, "maxUsers": 11,
        "maxProcesses": 12, "requireHeartbeat": true, "requireCheckIn": true
    })
    .as_object()
    .unwrap()
    {
        expected[name] = value.clone();
    }
    assert_eq!(attributes(&own).to_string(), expected.to_string(), "override, expiry and protection stay");
    assert_eq!(
        (&expected["maxMachines"], &expected["lastCheckIn"], &expected["nextCheckIn"]),
        (&json!(9), &json!(null), &json!(null))
    );
    assert_eq!(attributes(&cast.license)["maxMachines"], 5);
    assert_eq!(events_of(server, &own), "license.created");
    let new = admin.license(&cast.policy, json!({}));
    assert_eq!((&new["attributes"]["protected"], is_time(&new["attributes"]["expiry"])), (&json!(true), true));
    assert_eq!(events_of(server, &own), "license.created", "a policy's update is no license's");
    let updates = "SELECT count(*) FROM event_logs WHERE event = 'policy.updated'";
    assert_eq!(select(server, updates), "1");
    // values that no license would pass are accepted all the same (07 §4)
    for attributes in [
        json!({ "maxMachines": 1, "maxCores": 1, "maxUsers": 1, "maxUses": 0, "strict": true }),
        json!({ "floating": false }),
    ] {
        admin.patch(&path, body("policies", attributes)).ok(200);
    }
}

// 07 §5, §1: one transaction, one event
#[test]
fn deletion_takes_everything_along() {
    let cast = Cast::new(json!({ "floating": true }));
    let (server, admin) = (&cast.server, cast.client("A"));
    server.sql("UPDATE policies SET use_pool = 1");
    stock(admin, &cast.policy, "POOL-KEY-1");
    let kept = admin.policy(&cast.product, json!({ "usePool": true }));
    stock(admin, &kept, "POOL-KEY-2");
    let (a, b) = (admin.entitlement("a"), admin.entitlement("b"));
    let attach = |parent: &Value, entitlement: &Value| {
        let items = json!({ "data": [{ "type": "entitlements", "id": entitlement["id"] }] });
        admin.post(&format!("{}/{}/entitlements", text(&parent["type"]), id(parent)), items).ok(200);
    };
    attach(&cast.policy, &a);
    attach(&kept, &a);
    attach(&cast.license, &b);
    let machine = json!({ "machine": link(&cast.machine) });
    admin.create("components", json!({ "fingerprint": "c", "name": "c" }), machine.clone());
    admin.create("processes", json!({ "pid": "1" }), machine);
    admin.token_for(&cast.license);
    let tables = [
        "policies",
        "licenses",
        "machines",
        "machine_components",
        "machine_processes",
        "license_users",
        "policy_entitlements",
        "license_entitlements",
        "keys",
        "tokens",
        "products",
        "users",
        "entitlements",
    ];
    assert_eq!(
        counts(server, &tables),
        "policies 3, licenses 2, machines 1, machine_components 1, machine_processes 1, license_users 2, \
         policy_entitlements 2, license_entitlements 1, keys 2, tokens 14, products 2, users 9, entitlements 2"
    );
    let (answer, path) = (cast.client("P").delete(&format!("policies/{}", id(&cast.policy))), id(&cast.policy));
    assert_eq!((answer.status, answer.bytes.len()), (204, 0));
    assert_eq!(
        counts(server, &tables),
        "policies 2, licenses 1, machines 0, machine_components 0, machine_processes 0, license_users 0, \
         policy_entitlements 1, license_entitlements 0, keys 1, tokens 12, products 2, users 9, entitlements 2"
    );
    let deleted = "SELECT group_concat(event) FROM event_logs WHERE event LIKE '%deleted'";
    assert_eq!(select(server, deleted), "policy.deleted");
    assert_eq!(admin.get(&format!("policies/{path}")).status, 404);
    assert_eq!(cast.client("L").get("me").status, 401, "its licenses' tokens are gone");
}

/// A policy that changes, and a license of it.
struct Ground {
    server: Server,
    admin: Client,
    policy: Value,
    license: Value,
}

impl Ground {
    fn new(attributes: Value) -> Ground {
        let server = Server::start();
        let admin = server.admin();
        let policy = admin.policy(&admin.product(), attributes);
        let license = admin.license(&policy, json!({}));
        Ground { server, admin, policy, license }
    }

    /// Changes the policy over the API.
    #[track_caller]
    fn set(&self, attributes: Value) {
        self.admin.patch(&format!("policies/{}", id(&self.policy)), body("policies", attributes)).ok(200);
    }

    /// `valid` and code of a validation.
    #[track_caller]
    fn verdict(&self, scope: Value) -> (bool, String) {
        let meta = self.admin.validate_key(key(&self.license), scope)["meta"].clone();
        (meta["valid"].as_bool().unwrap(), text(&meta["code"]).to_owned())
    }

    #[track_caller]
    fn code(&self) -> String {
        self.verdict(Value::Null).1
    }

    /// Seconds from now until the license's expiry.
    #[track_caller]
    fn rest(&self) -> i64 {
        let license = self.admin.get(&format!("licenses/{}", id(&self.license))).ok(200);
        (crate::licenses::ms(&license["data"]["attributes"]["expiry"]) - ago(0)) / 1000
    }

    fn expire(&self) {
        self.server.sql(&format!("UPDATE licenses SET expires_at = {}", ago(3600)));
    }
}

// 07 §4, §2.4, §2.5, §2.7: what is used from the next request on
#[test]
fn validation_follows_at_once() {
    let ground = Ground::new(json!({ "floating": true, "duration": 864_000 }));
    assert_eq!(ground.code(), "VALID");
    ground.set(json!({ "strict": true }));
    assert_eq!(ground.code(), "NO_MACHINES");
    ground.set(json!({ "strict": false }));
    // each required scope
    let names = [
        ("requireProductScope", "PRODUCT_SCOPE_REQUIRED"),
        ("requirePolicyScope", "POLICY_SCOPE_REQUIRED"),
        ("requireMachineScope", "MACHINE_SCOPE_REQUIRED"),
        ("requireFingerprintScope", "FINGERPRINT_SCOPE_REQUIRED"),
        ("requireComponentsScope", "COMPONENTS_SCOPE_REQUIRED"),
        ("requireUserScope", "USER_SCOPE_REQUIRED"),
        ("requireChecksumScope", "CHECKSUM_SCOPE_REQUIRED"),
        ("requireVersionScope", "VERSION_SCOPE_REQUIRED"),
    ];
    for (name, code) in names {
        ground.set(json!({ name: true }));
        assert_eq!(ground.verdict(Value::Null), (false, code.to_owned()), "{name}");
        ground.set(json!({ name: false }));
        assert_eq!(ground.code(), "VALID", "{name}");
    }
    // check-in: not overdue until the first one; licenses that are created now start with one
    ground.set(json!({ "requireCheckIn": true, "checkInInterval": "day", "checkInIntervalCount": 1 }));
    assert_eq!(ground.code(), "VALID");
    let late = ground.admin.license(&ground.policy, json!({}));
    assert!(is_time(&late["attributes"]["lastCheckIn"]) && is_time(&late["attributes"]["nextCheckIn"]));
    ground.server.sql(&format!("UPDATE licenses SET last_check_in_at = {}", ago(5 * 86_400)));
    assert_eq!(ground.code(), "OVERDUE");
    ground.set(json!({ "checkInInterval": "week" }));
    assert_eq!(ground.code(), "VALID");
    ground.set(json!({ "requireCheckIn": false, "checkInInterval": "day" }));
    assert_eq!(ground.code(), "VALID");
    // matching
    let (_one, _two) = (ground.admin.machine(&ground.license, "one"), ground.admin.machine(&ground.license, "two"));
    let scope = json!({ "fingerprints": ["one", "two", "three", "four"] });
    for (strategy, valid) in [("MATCH_ANY", true), ("MATCH_TWO", true), ("MATCH_MOST", true), ("MATCH_ALL", false)] {
        ground.set(json!({ "machineMatchingStrategy": strategy }));
        assert_eq!(ground.verdict(scope.clone()).0, valid, "{strategy}");
    }
    // a lowered limit removes nothing: validation sees it, and so do later activations
    ground.set(json!({ "maxMachines": 1, "strict": true }));
    assert_eq!(ground.code(), "TOO_MANY_MACHINES");
    assert_eq!(ground.admin.activate(&ground.license, "three").code(), "MACHINE_LIMIT_EXCEEDED");
    assert_eq!(counts(&ground.server, &["machines"]), "machines 2");
    // overage: allowed or not, the code tells of it (09 §5)
    for (attributes, valid, code) in [
        (json!({ "overageStrategy": "ALLOW_2X_OVERAGE" }), true, "TOO_MANY_MACHINES"),
        (json!({ "overageStrategy": "NO_OVERAGE" }), false, "TOO_MANY_MACHINES"),
        (json!({ "overageStrategy": "ALLOW_1_5X_OVERAGE", "maxMachines": 2 }), true, "VALID"),
    ] {
        ground.set(attributes.clone());
        assert_eq!(ground.verdict(Value::Null), (valid, code.to_owned()), "{attributes}");
    }
    assert_eq!(ground.admin.activate(&ground.license, "three").status, 201);
    assert_eq!(ground.admin.activate(&ground.license, "four").code(), "MACHINE_LIMIT_EXCEEDED");
    ground.set(json!({ "overageStrategy": "ALWAYS_ALLOW_OVERAGE" }));
    assert_eq!(ground.admin.activate(&ground.license, "four").status, 201);
    // the license's own limit wins over the policy's, whatever becomes of that
    ground.server.sql("UPDATE licenses SET max_machines = 4");
    ground.set(json!({ "overageStrategy": "NO_OVERAGE", "maxMachines": 3 }));
    assert_eq!(ground.code(), "VALID");
    // expiration
    ground.expire();
    for (strategy, verdict) in [
        ("RESTRICT_ACCESS", (false, "EXPIRED")),
        ("MAINTAIN_ACCESS", (true, "EXPIRED")),
        ("ALLOW_ACCESS", (true, "EXPIRED")),
        ("REVOKE_ACCESS", (false, "EXPIRED")),
    ] {
        ground.set(json!({ "expirationStrategy": strategy }));
        assert_eq!(ground.verdict(Value::Null), (verdict.0, verdict.1.to_owned()), "{strategy}");
    }
    assert!(!events_of(&ground.server, &ground.license).contains("license.updated"));
}

// 07 §4: durations and bases are used when an expiry is made, and not before
#[test]
fn expiries_stay_until_they_are_made_anew() {
    const DAY: i64 = 86_400;
    let ground = Ground::new(json!({ "duration": 10 * DAY }));
    let near = |rest: i64| (ground.rest() - rest).abs() < 600;
    let renew =
        || drop(ground.admin.post(&format!("licenses/{}/actions/renew", id(&ground.license)), Value::Null).ok(200));
    assert!(near(10 * DAY));
    ground.set(json!({ "duration": 20 * DAY }));
    ground.set(json!({ "expirationBasis": "FROM_FIRST_VALIDATION" }));
    assert!(near(10 * DAY));
    assert_eq!(ground.code(), "VALID");
    assert!(near(10 * DAY), "it has an expiry");
    renew();
    assert!(near(30 * DAY), "from the expiry, by the new duration");
    ground.set(json!({ "renewalBasis": "FROM_NOW", "duration": 5 * DAY }));
    renew();
    assert!(near(5 * DAY));
    ground.set(json!({ "renewalBasis": "FROM_NOW_IF_EXPIRED" }));
    renew();
    assert!(near(10 * DAY));
    ground.expire();
    renew();
    assert!(near(5 * DAY));
    ground.set(json!({ "renewalBasis": "FROM_EXPIRY" }));
    ground.expire();
    renew();
    assert!(near(5 * DAY - 3600));
    // a pending event takes duration and basis as they are when it happens
    let pending = ground.admin.license(&ground.policy, json!({}));
    assert_eq!(pending["attributes"]["expiry"], Value::Null);
    ground.set(json!({ "duration": 3 * DAY }));
    let ground = Ground { license: pending, ..ground };
    assert_eq!(ground.code(), "VALID");
    assert!((ground.rest() - 3 * DAY).abs() < 600);
    ground.set(json!({ "duration": null }));
    assert!((ground.rest() - 3 * DAY).abs() < 600);
    let perpetual = ground.admin.license(&ground.policy, json!({}));
    ground.admin.validate_key(key(&perpetual), Value::Null);
    let shown = ground.admin.get(&format!("licenses/{}", id(&perpetual))).ok(200);
    assert_eq!(shown["data"]["attributes"]["expiry"], Value::Null);
}

// 07 §4: credentials, heartbeats, uniqueness, leasing
#[test]
fn machines_and_credentials_follow_at_once() {
    let ground = Ground::new(json!({ "floating": true }));
    let (server, admin) = (&ground.server, &ground.admin);
    let (by_key, by_token) =
        (server.license_key(key(&ground.license)), server.token(&admin.token_for(&ground.license)));
    for (strategy, key, token) in [
        ("TOKEN", "LICENSE_NOT_ALLOWED", "-"),
        ("LICENSE", "-", "TOKEN_NOT_ALLOWED"),
        ("MIXED", "-", "-"),
        ("NONE", "LICENSE_NOT_ALLOWED", "TOKEN_NOT_ALLOWED"),
        ("SESSION", "LICENSE_NOT_ALLOWED", "TOKEN_NOT_ALLOWED"),
    ] {
        ground.set(json!({ "authenticationStrategy": strategy }));
        assert_eq!((by_key.get("me").code(), by_token.get("me").code()), (key, token), "{strategy}");
    }
    // an expired license keeps its credentials, unless access is revoked
    ground.set(json!({ "authenticationStrategy": "MIXED" }));
    ground.expire();
    for (strategy, code) in [("RESTRICT_ACCESS", "-"), ("REVOKE_ACCESS", "LICENSE_EXPIRED"), ("ALLOW_ACCESS", "-")] {
        ground.set(json!({ "expirationStrategy": strategy }));
        assert_eq!(by_key.get("me").code(), code, "{strategy}");
    }
    server.sql("UPDATE licenses SET expires_at = NULL");
    // heartbeats
    let machine = admin.machine(&ground.license, "same");
    let shown = || admin.get(&format!("machines/{}", id(&machine))).ok(200)["data"]["attributes"].clone();
    assert_eq!((&shown()["requireHeartbeat"], &shown()["heartbeatDuration"]), (&json!(false), &json!(600)));
    ground.set(json!({ "requireHeartbeat": true, "heartbeatDuration": 60 }));
    assert_eq!((&shown()["requireHeartbeat"], &shown()["heartbeatDuration"]), (&json!(true), &json!(60)));
    let policy = admin.get(&format!("policies/{}", id(&ground.policy))).ok(200);
    assert_eq!(policy["data"]["attributes"]["heartbeatBasis"], "FROM_FIRST_PING", "07 §2.6: untouched");
    ground.set(json!({ "requireHeartbeat": false, "heartbeatDuration": null }));
    // uniqueness: new machines only, those that are there are not looked at again
    let second = admin.license(&ground.policy, json!({}));
    assert_eq!(admin.activate(&second, "same").status, 201);
    let third = admin.license(&ground.policy, json!({}));
    for strategy in ["UNIQUE_PER_POLICY", "UNIQUE_PER_PRODUCT", "UNIQUE_PER_ACCOUNT"] {
        ground.set(json!({ "machineUniquenessStrategy": strategy }));
        assert_eq!(admin.activate(&third, "same").code(), "FINGERPRINT_TAKEN", "{strategy}");
    }
    admin.patch(&format!("machines/{}", id(&machine)), body("machines", json!({ "name": "x" }))).ok(200);
    ground.set(json!({ "machineUniquenessStrategy": "UNIQUE_PER_LICENSE" }));
    let third = admin.activate(&third, "same").ok(201)["data"].clone();
    let part = |machine: &Value| {
        let data = json!({ "type": "components", "attributes": { "fingerprint": "part", "name": "x" },
            "relationships": { "machine": link(machine) } });
        admin.post("components", json!({ "data": data }))
    };
    assert_eq!((part(&machine).status, part(&third).status), (201, 201));
    let fourth = admin.machine(&ground.license, "fourth");
    for strategy in ["UNIQUE_PER_LICENSE", "UNIQUE_PER_POLICY", "UNIQUE_PER_ACCOUNT"] {
        ground.set(json!({ "componentUniquenessStrategy": strategy }));
        assert_eq!(part(&fourth).code(), "FINGERPRINT_TAKEN", "{strategy}");
    }
    ground.set(json!({ "componentUniquenessStrategy": "UNIQUE_PER_MACHINE" }));
    assert_eq!(part(&fourth).status, 201);
    // leasing: per license, then per owner
    let owner = user(server, "user", "owner@example.com");
    own(server, &ground.license, &owner);
    ground.set(json!({ "maxMachines": 2 }));
    let of_owner = || {
        let data = json!({ "type": "machines", "attributes": { "fingerprint": "owned" },
            "relationships": { "license": link(&ground.license), "owner": link(&owner) } });
        admin.post("machines", json!({ "data": data }))
    };
    assert_eq!(of_owner().code(), "MACHINE_LIMIT_EXCEEDED");
    ground.set(json!({ "machineLeasingStrategy": "PER_USER" }));
    assert_eq!(of_owner().status, 201);
    let process = |pid: &str| {
        let data = json!({ "type": "processes", "attributes": { "pid": pid }, "relationships": { "machine": link(&machine) } });
        admin.post("processes", json!({ "data": data }))
    };
    ground.set(json!({ "maxProcesses": 1 }));
    assert_eq!((process("1").status, process("2").code()), (201, "MACHINE_PROCESS_LIMIT_EXCEEDED"));
    ground.set(json!({ "maxProcesses": 2 }));
    assert_eq!(process("2").status, 201);
}

// 07 §4: `protected` is copied to new licenses; the rules that ask the policy itself follow it at once
#[test]
fn protection_of_the_policy_is_live() {
    let cast = Cast::new(json!({ "duration": 86_400 }));
    let admin = cast.client("A");
    let (path, policy) = (format!("licenses/{}", id(&cast.license)), format!("policies/{}", id(&cast.policy)));
    let owner = cast.client("Uo");
    let renew = || owner.post(&format!("{path}/actions/renew"), Value::Null).status;
    let me = owner.get("me").ok(200)["data"].clone();
    let mine = crate::licenses::of(&cast.policy, json!({}), json!({ "owner": link(&me) }));
    let protect =
        |protected: bool| drop(admin.patch(&policy, body("policies", json!({ "protected": protected }))).ok(200));
    let copied = |license: &Value| {
        admin.get(&format!("licenses/{}", id(license))).ok(200)["data"]["attributes"]["protected"].clone()
    };
    assert_eq!((renew(), owner.post("licenses", mine.clone()).status), (200, 201));
    protect(true);
    assert_eq!((renew(), owner.post("licenses", mine.clone()).status), (403, 403));
    assert_eq!((owner.delete(&path).status, owner.delete(&format!("{path}/actions/revoke")).status), (403, 403));
    assert_eq!(copied(&cast.license), false, "existing licenses keep theirs");
    assert_eq!(owner.activate(&cast.license, "mine").code(), "MACHINE_LIMIT_EXCEEDED", "which machines go by");
    let late = admin.license(&cast.policy, json!({}));
    assert_eq!(copied(&late), true);
    protect(false);
    assert_eq!((copied(&late), renew()), (json!(true), 200));
    assert_eq!(owner.delete(&path).status, 204);
}

// 07 §4, §6: entitlements of the policy count for all its licenses, from the next request on
#[test]
fn entitlements_follow_at_once() {
    let ground = Ground::new(json!({}));
    let entitlement = ground.admin.entitlement("PRO");
    let path = format!("policies/{}/entitlements", id(&ground.policy));
    let items = json!({ "data": [{ "type": "entitlement", "id": entitlement["id"] }] });
    let scope = || ground.verdict(json!({ "entitlements": ["PRO"] })).1;
    assert_eq!(scope(), "ENTITLEMENTS_MISSING");
    ground.admin.post(&path, items.clone()).ok(200);
    assert_eq!(scope(), "VALID");
    ground.admin.delete_with(&path, items).ok(204);
    assert_eq!(scope(), "ENTITLEMENTS_MISSING");
}
