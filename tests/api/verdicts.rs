//! The verdict (09 §4): its long list of cases has unit tests; here every code is seen over HTTP.

use crate::authentication::*;
use crate::licenses::path;
use crate::protocol::ZERO;
use crate::support::*;
use crate::validation::by_key;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// `valid code: detail`
fn verdict(answer: &Value) -> String {
    let meta = &answer["meta"];
    format!("{} {}: {}", meta["valid"], text(&meta["code"]), text(&meta["detail"]))
}

/// A server that remembers the codes it has given.
struct World {
    server: Server,
    product: Value,
    codes: RefCell<BTreeSet<String>>,
}

impl World {
    fn license(&self, policy: Value) -> Value {
        let admin = self.server.admin();
        admin.license(&admin.policy(&self.product, policy), json!({}))
    }

    /// The verdict by key and by id, which must agree.
    #[track_caller]
    fn judge(&self, license: &Value, scope: Value) -> String {
        let by_id = format!("{}/actions/validate", path(license));
        let by_id = self.server.admin().post(&by_id, json!({ "meta": { "scope": scope } })).ok(200);
        let answer = self.server.anonymous().post("licenses/actions/validate-key", by_key(key(license), scope)).ok(200);
        assert_eq!(verdict(&answer), verdict(&by_id));
        self.codes.borrow_mut().insert(text(&answer["meta"]["code"]).to_owned());
        verdict(&answer)
    }

    #[track_caller]
    fn expect(&self, license: &Value, cases: &[(Value, &str)]) {
        for (scope, expected) in cases {
            assert_eq!(self.judge(license, scope.clone()), *expected, "{scope}");
        }
    }

    #[track_caller]
    fn quick(&self, license: &Value, expected: &str) {
        let answer = self.server.admin().get(&format!("{}/actions/validate", path(license))).ok(200);
        assert_eq!(verdict(&answer), expected);
    }

    /// Changes a license behind the server's back.
    fn set(&self, license: &Value, what: &str) {
        self.server.sql(&format!("UPDATE licenses SET {what} WHERE id = '{}'", id(license)));
    }

    /// Changes a license's policy behind the server's back.
    fn rule(&self, license: &Value, what: &str) {
        let policy = id(&license["relationships"]["policy"]["data"]);
        self.server.sql(&format!("UPDATE policies SET {what} WHERE id = '{policy}'"));
    }
}

const VALID: &str = "true VALID: is valid";

// 09 §4, §6: every code that can occur
#[test]
fn every_code() {
    let server = Server::start();
    let product = server.admin().product();
    let world = World { server, product, codes: RefCell::default() };
    let admin = world.server.admin();
    let null = Value::Null;

    // §4.1: state
    let nothing = world.server.anonymous().validate_key("NO-SUCH-KEY", json!({ "product": "x" }));
    assert_eq!((verdict(&nothing).as_str(), &nothing["data"]), ("false NOT_FOUND: does not exist", &Value::Null));
    world.codes.borrow_mut().insert("NOT_FOUND".into());
    let license = world.license(json!({
        "requireProductScope": true, "requireCheckIn": true, "checkInInterval": "day", "checkInIntervalCount": 2
    }));
    let owner = user(&world.server, "user", "Owner@example.com");
    own(&world.server, &license, &owner);
    let product_scope = json!({ "product": world.product["id"] });
    for (set, judged, quick) in [
        ("expires_at = NULL".to_owned(), "false PRODUCT_SCOPE_REQUIRED: product scope is required", VALID),
        (
            format!("last_check_in_at = {}", ago(2 * 86_400 - 60)),
            "false PRODUCT_SCOPE_REQUIRED: product scope is required",
            VALID,
        ),
        (
            format!("last_check_in_at = {}", ago(2 * 86_400 + 60)),
            "false OVERDUE: is overdue for check in",
            "false OVERDUE: is overdue for check in",
        ),
        (
            format!("expires_at = {}", ago(1)),
            "false OVERDUE: is overdue for check in",
            "false OVERDUE: is overdue for check in",
        ),
    ] {
        world.set(&license, &set);
        assert_eq!(world.judge(&license, null.clone()), judged, "{set}");
        world.quick(&license, quick);
    }
    for (strategy, overdue, judged, quick) in [
        ("REVOKE_ACCESS", true, "false EXPIRED: is expired", "false EXPIRED: is expired"),
        ("REVOKE_ACCESS", false, "false EXPIRED: is expired", "false EXPIRED: is expired"),
        (
            "RESTRICT_ACCESS",
            false,
            "false PRODUCT_SCOPE_REQUIRED: product scope is required",
            "false EXPIRED: is expired",
        ),
        (
            "MAINTAIN_ACCESS",
            false,
            "false PRODUCT_SCOPE_REQUIRED: product scope is required",
            "true EXPIRED: is expired",
        ),
        ("ALLOW_ACCESS", false, "false PRODUCT_SCOPE_REQUIRED: product scope is required", "true EXPIRED: is expired"),
    ] {
        world.rule(&license, &format!("expiration_strategy = '{strategy}'"));
        world.set(&license, &format!("last_check_in_at = {}", ago(if overdue { 999_999 } else { 0 })));
        assert_eq!(world.judge(&license, null.clone()), judged, "{strategy}");
        world.quick(&license, quick);
        assert_eq!(world.judge(&license, product_scope.clone()), quick, "{strategy}");
    }
    world.set(&license, "suspended = 1");
    world.quick(&license, "false SUSPENDED: is suspended");
    world.expect(&license, &[(null.clone(), "false SUSPENDED: is suspended")]);
    world.server.sql("UPDATE users SET banned_at = 1 WHERE email LIKE 'owner%'");
    world.quick(&license, "false BANNED: is banned");
    world.expect(&license, &[(null.clone(), "false BANNED: is banned")]);

    // §4.2: what a policy requires, and quick validation does not ask for
    for (flag, code, scope) in [
        ("Product", "PRODUCT", "product"),
        ("Policy", "POLICY", "policy"),
        ("User", "USER", "user"),
        ("Machine", "MACHINE", "machine"),
        ("Fingerprint", "FINGERPRINT", "fingerprint"),
        ("Components", "COMPONENTS", "components"),
        ("Checksum", "CHECKSUM", "checksum"),
        ("Version", "VERSION", "version"),
    ] {
        let license = world.license(json!({ format!("require{flag}Scope"): true }));
        let required = format!("false {code}_SCOPE_REQUIRED: {scope} scope is required");
        let mut cases = vec![
            (null.clone(), required.as_str()),
            (json!({}), &required),
            (json!({ "environment": null }), &required),
        ];
        if scope != "user" {
            cases.push((json!({ scope: null }), &required));
        }
        world.expect(&license, &cases);
        world.quick(&license, VALID);
    }

    // §4.2: environment, product, policy, user, entitlements
    let license = world.license(json!({ "floating": true, "requireUserScope": true, "maxUsers": 2 }));
    let policy = &license["relationships"]["policy"]["data"]["id"];
    world.expect(
        &license,
        &[
            (json!({ "user": null }), VALID),
            (json!({ "user": "x" }), "false USER_SCOPE_MISMATCH: user scope does not match"),
        ],
    );
    let (owner, licensee) =
        (user(&world.server, "user", "boss@example.com"), user(&world.server, "user", "mate@example.com"));
    own(&world.server, &license, &owner);
    attach(&world.server, &license, &licensee);
    let entitlements = ["OWN", "POLICY"].map(|code| admin.entitlement(code));
    for (parent, entitlement) in
        [(path(&license), &entitlements[0]), (format!("policies/{}", text(policy)), &entitlements[1])]
    {
        let items = json!({ "data": [{ "type": "entitlements", "id": entitlement["id"] }] });
        admin.post(&format!("{parent}/entitlements"), items).ok(200);
    }
    let mate = |more: Value| {
        let mut scope = json!({ "user": licensee["id"] });
        more.as_object().unwrap().iter().for_each(|(name, value)| scope[name] = value.clone());
        scope
    };
    let user_mismatch = "false USER_SCOPE_MISMATCH: user scope does not match";
    let missing = "false ENTITLEMENTS_MISSING: is missing one or more required entitlements";
    world.expect(
        &license,
        &[
            (json!({ "environment": "prod" }), "false ENVIRONMENT_SCOPE_MISMATCH: environment scope does not match"),
            (mate(json!({ "environment": null })), VALID),
            (json!({ "product": ZERO }), "false PRODUCT_SCOPE_MISMATCH: product scope does not match"),
            (json!({ "product": "garbage" }), "false PRODUCT_SCOPE_MISMATCH: product scope does not match"),
            (mate(json!({ "product": world.product["id"] })), VALID),
            (json!({ "policy": ZERO }), "false POLICY_SCOPE_MISMATCH: policy scope does not match"),
            (mate(json!({ "policy": policy })), VALID),
            (json!({ "user": null }), user_mismatch),
            (json!({ "user": ZERO }), user_mismatch),
            (json!({ "user": "bos@example.com" }), user_mismatch),
            (json!({ "user": owner["id"] }), VALID),
            (json!({ "user": "BOSS@example.com" }), VALID),
            (json!({ "user": "Mate@Example.com" }), VALID),
            (mate(json!({ "entitlements": [] })), "false ENTITLEMENTS_SCOPE_EMPTY: entitlements scope is empty"),
            (mate(json!({ "entitlements": ["OWN", "POLICY", "OWN"] })), VALID),
            (mate(json!({ "entitlements": ["OWN", "own"] })), missing),
            (mate(json!({ "entitlements": ["NONE"] })), missing),
            (
                mate(json!({ "checksum": "abc" })),
                "false CHECKSUM_SCOPE_MISMATCH: checksum scope is not valid (does not match any accessible artifacts)",
            ),
            (
                mate(json!({ "version": "1.0.0" })),
                "false VERSION_SCOPE_MISMATCH: version scope is not valid (does not match any accessible releases)",
            ),
            // the first failing step answers
            (
                json!({ "environment": "x", "product": "x", "policy": "x", "user": "x" }),
                "false ENVIRONMENT_SCOPE_MISMATCH: environment scope does not match",
            ),
            (
                json!({ "version": "x", "policy": "x", "product": "x" }),
                "false PRODUCT_SCOPE_MISMATCH: product scope does not match",
            ),
        ],
    );
    // §4.7: users, also when the policy is not strict
    attach(&world.server, &license, &user(&world.server, "user", "third@example.com"));
    for (overage, expected) in [
        ("NO_OVERAGE", "false TOO_MANY_USERS: has too many associated users"),
        ("ALLOW_1_25X_OVERAGE", "false TOO_MANY_USERS: has too many associated users"),
        ("ALLOW_1_5X_OVERAGE", "true TOO_MANY_USERS: has too many associated users"),
        ("ALWAYS_ALLOW_OVERAGE", "true TOO_MANY_USERS: has too many associated users"),
    ] {
        world.rule(&license, &format!("overage_strategy = '{overage}'"));
        world.expect(&license, &[(mate(json!({})), expected)]);
        world.quick(&license, expected);
    }

    machines(&world);
    // §6: nothing was left out; no policy can require an environment (D27)
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/spec/09-license-validation.md")).unwrap();
    let section = document.split("## 6. All codes").nth(1).unwrap().split("## 7").next().unwrap();
    let mut all: BTreeSet<String> = section.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    all.remove("ENVIRONMENT_SCOPE_REQUIRED");
    assert_eq!(*world.codes.borrow(), all);
}

/// 09 §4.3–§4.5, §4.7
fn machines(world: &World) {
    let (server, admin) = (&world.server, world.server.admin());
    let machine = |license: &Value, fingerprint: &str| {
        admin.create(
            "machines",
            json!({ "fingerprint": fingerprint, "cores": 2, "memory": 2, "disk": 2 }),
            json!({ "license": link(license) }),
        )
    };
    let nothing = |what: &str| format!("false NO_MACHINE: {what} is not activated (has no associated machine)");
    let none = |what: &str| format!("false NO_MACHINES: {what} is not activated (has no associated machines)");
    let locked = world.license(json!({ "strict": true }));
    world.expect(
        &locked,
        &[
            (json!({ "machine": ZERO }), &nothing("machine")),
            (json!({ "fingerprint": "a" }), &nothing("fingerprint")),
            (json!({ "fingerprints": ["a"] }), &nothing("fingerprint")),
            (Value::Null, "false NO_MACHINE: must have exactly 1 associated machine"),
        ],
    );
    world.quick(&locked, "false NO_MACHINE: must have exactly 1 associated machine");
    machine(&locked, "only");
    world.expect(&locked, &[(json!({ "fingerprint": "only" }), VALID), (Value::Null, VALID)]);
    let license = world.license(json!({
        "strict": true, "floating": true, "maxMachines": 4, "heartbeatDuration": 600, "heartbeatCullStrategy": "KEEP_DEAD"
    }));
    world.expect(
        &license,
        &[
            (json!({ "machine": ZERO }), &none("machine")),
            (json!({ "fingerprint": "a" }), &none("fingerprint")),
            (Value::Null, "false NO_MACHINES: must have at least 1 associated machine"),
        ],
    );
    let (a, b) = (machine(&license, "a"), machine(&license, "b"));
    let other = admin.machine(&world.license(json!({})), "a");
    let (boss, mate) = (user(server, "user", "b@example.com"), user(server, "user", "m@example.com"));
    own(server, &license, &boss);
    attach(server, &license, &mate);
    server.sql(&format!("UPDATE machines SET owner_id = '{}' WHERE id = '{}'", id(&mate), id(&b)));
    admin.create("components", json!({ "name": "c", "fingerprint": "c1" }), json!({ "machine": link(&a) }));
    admin.create("components", json!({ "name": "c", "fingerprint": "c2" }), json!({ "machine": link(&a) }));
    admin.create("components", json!({ "name": "c", "fingerprint": "c3" }), json!({ "machine": link(&b) }));
    let no_such = "false MACHINE_SCOPE_MISMATCH: machine is not activated (does not match any associated machines)";
    let unknown =
        "false FINGERPRINT_SCOPE_MISMATCH: fingerprint is not activated (does not match any associated machines)";
    let any = "false FINGERPRINT_SCOPE_MISMATCH: one or more fingerprint is not activated (does not match any associated machines)";
    let component = |how: &str| {
        format!(
            "false COMPONENTS_SCOPE_MISMATCH: one or more component is not activated (does not match {how} associated components)"
        )
    };
    world.expect(
        &license,
        &[
            (json!({ "machine": a["id"] }), VALID),
            (json!({ "machine": other["id"] }), no_such),
            (json!({ "machine": "a" }), no_such),
            (
                json!({ "machine": b["id"], "user": boss["id"] }),
                "false USER_SCOPE_MISMATCH: user scope does not match (does not match associated machine owner)",
            ),
            (json!({ "machine": b["id"], "user": "m@example.com" }), VALID),
            (json!({ "machine": a["id"], "user": "m@example.com" }), VALID),
            (json!({ "fingerprints": [] }), "false FINGERPRINT_SCOPE_EMPTY: fingerprint scope is empty"),
            (json!({ "fingerprint": "a" }), VALID),
            (json!({ "fingerprint": "A" }), unknown),
            (json!({ "fingerprint": "x", "fingerprints": ["a"] }), unknown),
            (json!({ "fingerprints": ["x", "x"] }), unknown),
            (json!({ "fingerprints": ["x", "y"] }), any),
            (json!({ "fingerprints": ["x", "a"] }), VALID),
            (
                json!({ "fingerprints": ["a", "b"], "user": boss["id"] }),
                "false USER_SCOPE_MISMATCH: user scope does not match (does not match associated machine owners)",
            ),
            (
                json!({ "components": ["c1"] }),
                "false FINGERPRINT_SCOPE_REQUIRED: fingerprint scope is required when using the components scope",
            ),
            (
                json!({ "components": ["c1"], "fingerprints": ["a"] }),
                "false FINGERPRINT_SCOPE_REQUIRED: fingerprint scope is required when using the components scope",
            ),
            (
                json!({ "components": [], "fingerprint": "a" }),
                "false COMPONENTS_SCOPE_EMPTY: components scope is empty",
            ),
            (json!({ "components": ["c1", "x"], "fingerprint": "a" }), VALID),
            (json!({ "components": ["c3"], "fingerprint": "a" }), &component("any")),
        ],
    );
    for (strategy, found, components) in
        [("MATCH_TWO", "at least 2", "at least 2"), ("MATCH_MOST", "enough", "enough"), ("MATCH_ALL", "all", "all")]
    {
        world.rule(
            &license,
            &format!("machine_matching_strategy = '{strategy}', component_matching_strategy = '{strategy}'"),
        );
        let mismatch = format!(
            "false FINGERPRINT_SCOPE_MISMATCH: one or more fingerprint is not activated (does not match {found} associated machines)"
        );
        world.expect(
            &license,
            &[
                (json!({ "fingerprints": ["a", "x", "y"] }), &mismatch),
                (json!({ "fingerprints": ["a", "b", "a"] }), VALID),
                (json!({ "fingerprint": "a", "components": ["c1", "x", "y"] }), &component(components)),
                (json!({ "fingerprint": "a", "components": ["c1", "c2"] }), VALID),
            ],
        );
    }
    // heartbeats
    let dead = "false HEARTBEAT_DEAD: machine heartbeat is dead";
    let asleep = "false HEARTBEAT_NOT_STARTED: machine heartbeat is required";
    for (required, beat, by_machine, by_fingerprint) in [
        (0, "NULL".to_owned(), VALID, VALID),
        (1, "NULL".to_owned(), asleep, asleep),
        (1, ago(1).to_string(), VALID, VALID),
        (1, ago(700).to_string(), dead, dead),
        (0, ago(700).to_string(), dead, dead),
    ] {
        world.rule(&license, &format!("require_heartbeat = {required}"));
        server.sql(&format!("UPDATE machines SET last_heartbeat_at = {beat} WHERE id = '{}'", id(&a)));
        world.expect(
            &license,
            &[(json!({ "machine": a["id"] }), by_machine), (json!({ "fingerprint": "a" }), by_fingerprint)],
        );
    }
    world.rule(&license, "require_heartbeat = 0");
    server.sql("UPDATE machines SET last_heartbeat_at = NULL");
    // limits: two machines with two of everything, and a process each
    for machine in [&a, &b] {
        admin.create("processes", json!({ "pid": id(machine) }), json!({ "machine": link(machine) }));
    }
    world.expect(&license, &[(Value::Null, VALID)]);
    for (column, code, detail) in [
        ("max_machines", "TOO_MANY_MACHINES", "has too many associated machines"),
        ("max_cores", "TOO_MANY_CORES", "has too many associated machine cores"),
        ("max_memory", "TOO_MUCH_MEMORY", "has too much associated machine memory"),
        ("max_disk", "TOO_MUCH_DISK", "has too much associated machine disk"),
        ("max_processes", "TOO_MANY_PROCESSES", "has too many associated processes"),
    ] {
        let over = format!("{code}: {detail}");
        let fresh = "max_machines = NULL, max_processes = NULL, max_cores = NULL, max_memory = NULL, max_disk = NULL, \
            process_leasing_strategy = 'PER_LICENSE'";
        for (overage, strict, expected) in [
            ("NO_OVERAGE", 1, format!("false {over}")),
            ("ALLOW_1_5X_OVERAGE", 1, format!("false {over}")),
            (
                "ALLOW_2X_OVERAGE",
                1,
                if column.ends_with("machines") || column.ends_with("processes") {
                    format!("true {over}")
                } else {
                    format!("false {over}")
                },
            ),
            ("ALWAYS_ALLOW_OVERAGE", 1, format!("true {over}")),
            ("NO_OVERAGE", 0, VALID.to_owned()),
        ] {
            world.rule(&license, &format!("{fresh}, {column} = 1, strict = {strict}, overage_strategy = '{overage}'"));
            world.expect(&license, &[(Value::Null, &expected)]);
            world.quick(&license, &expected);
        }
        // a license's own limit counts before the policy's, unless it is zero (08 §2)
        world.rule(&license, &format!("{fresh}, {column} = 1, strict = 1, overage_strategy = 'NO_OVERAGE'"));
        for (own, expected) in [(0, format!("false {over}")), (4, VALID.to_owned())] {
            world.set(&license, &format!("{column} = {own}"));
            world.expect(&license, &[(Value::Null, &expected)]);
        }
        world.set(&license, &format!("{column} = NULL"));
    }
    // processes per machine: only of a machine that the scope names
    let too_many = "false TOO_MANY_PROCESSES: has too many associated processes";
    world.rule(&license, "process_leasing_strategy = 'PER_MACHINE', max_processes = 1");
    server.sql(&format!(
        "INSERT INTO machine_processes (id, account_id, created_at, updated_at, product_id, policy_id, license_id, machine_id, pid, last_heartbeat_at)
         SELECT '{}', account_id, 0, 0, product_id, policy_id, license_id, id, 'second', 0 FROM machines WHERE id = '{}'",
        new_id(),
        id(&b)
    ));
    world.expect(
        &license,
        &[
            (Value::Null, VALID),
            (json!({ "fingerprint": "a" }), VALID),
            (json!({ "machine": b["id"] }), too_many),
            (json!({ "fingerprint": "b" }), too_many),
        ],
    );
    // an allowed overage hides an expiry (09 §4.7)
    world.rule(&license, "max_processes = NULL, max_machines = 1, overage_strategy = 'ALWAYS_ALLOW_OVERAGE'");
    world.set(&license, &format!("expires_at = {}", ago(9)));
    world.quick(&license, "true TOO_MANY_MACHINES: has too many associated machines");
    world.rule(&license, "max_machines = NULL");
    world.quick(&license, "false EXPIRED: is expired");
}
