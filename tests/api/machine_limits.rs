//! Activation: uniqueness, limits, counters, order of errors, races (10 §1.4–§1.8).

use crate::authentication::*;
use crate::authorization::*;
use crate::machines::*;
use crate::support::*;
use serde_json::{Value, json};

// 10 §1.5
#[test]
fn fingerprints_are_unique_within_a_scope() {
    let server = Server::start();
    let admin = server.admin();
    let taken =
        |scope: &str| format!("422 has already been taken{scope}|FINGERPRINT_TAKEN|/data/attributes/fingerprint");
    let free = || "201".to_owned();
    for (strategy, expected) in [
        ("UNIQUE_PER_LICENSE", [taken(""), free(), free(), free()]),
        ("UNIQUE_PER_POLICY", [taken(""), taken(" for this policy"), free(), free()]),
        ("UNIQUE_PER_PRODUCT", [taken(""), taken(" for this product"), taken(" for this product"), free()]),
        (
            "UNIQUE_PER_ACCOUNT",
            [taken(""), taken(" for this account"), taken(" for this account"), taken(" for this account")],
        ),
    ] {
        let fingerprint = format!("Finger {strategy}");
        let rules = json!({ "floating": true, "machineUniquenessStrategy": strategy });
        let product = admin.product();
        let policy = admin.policy(&product, rules.clone());
        let first = admin.license(&policy, json!({}));
        admin.machine(&first, &fingerprint);
        let same_policy = admin.license(&policy, json!({}));
        let same_product = admin.license(&admin.policy(&product, rules.clone()), json!({}));
        let elsewhere = admin.license(&admin.policy(&admin.product(), rules), json!({}));
        for (license, expected) in [first.clone(), same_policy, same_product, elsewhere].iter().zip(expected) {
            let answer = admin.activate(license, &fingerprint);
            let outcome = if answer.status == 201 { free() } else { answer.error() };
            assert_eq!(outcome, expected, "{strategy}");
        }
        admin.activate(&first, &fingerprint.to_lowercase()).ok(201);
    }
}

// 10 §1.6
#[test]
fn limits_overage_and_leasing() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    // how many machines of one core, one byte of memory, one of disk fit
    let room = |policy: Value, own: Value, most: usize| {
        let license = admin.license(&admin.policy(&product, policy), own);
        for n in 1..=most + 1 {
            let attributes = json!({ "fingerprint": format!("{n}"), "cores": 1, "memory": 1, "disk": 1 });
            let answer = admin.post("machines", machine(&license, attributes));
            if answer.status != 201 {
                return (n - 1, answer.errors());
            }
        }
        (most + 1, vec![])
    };
    for (overage, limit, most) in [
        ("NO_OVERAGE", 4, 4),
        ("ALLOW_1_25X_OVERAGE", 4, 5),
        ("ALLOW_1_5X_OVERAGE", 4, 6),
        ("ALLOW_2X_OVERAGE", 3, 6),
        ("ALWAYS_ALLOW_OVERAGE", 1, usize::MAX),
    ] {
        for (attribute, what, code) in [
            ("maxMachines", "machine count", "MACHINE_LIMIT_EXCEEDED"),
            ("maxCores", "machine core count", "MACHINE_CORE_LIMIT_EXCEEDED"),
            ("maxMemory", "machine memory", "MACHINE_MEMORY_LIMIT_EXCEEDED"),
            ("maxDisk", "machine disk", "MACHINE_DISK_LIMIT_EXCEEDED"),
        ] {
            let policy = json!({ "floating": true, "overageStrategy": overage, attribute: limit });
            let expected = if most == usize::MAX {
                (9, vec![])
            } else {
                (most, vec![format!("{what} has exceeded maximum allowed for license ({limit})|{code}|/data")])
            };
            assert_eq!(room(policy, json!({}), most.min(8)), expected, "{overage} {attribute}");
        }
    }
    // overrides; a node-locked policy has room for one; without a limit it has room for all
    let over = |n: u8| {
        vec![format!("machine count has exceeded maximum allowed for license ({n})|MACHINE_LIMIT_EXCEEDED|/data")]
    };
    let floating = json!({ "floating": true, "maxMachines": 2 });
    assert_eq!(room(floating.clone(), json!({ "maxMachines": 3 }), 5), (3, over(3)));
    assert_eq!(room(floating, json!({ "maxMachines": 0 }), 5), (2, over(2)));
    assert_eq!(room(json!({}), json!({}), 5), (1, over(1)));
    assert_eq!(room(json!({ "floating": true }), json!({}), 5), (6, vec![]));
    // the first machine is never refused
    let none = admin.license(&admin.policy(&product, json!({ "floating": true })), json!({}));
    server.sql(&format!(
        "UPDATE policies SET max_machines = 0 WHERE id = '{}'",
        id(&none["relationships"]["policy"]["data"])
    ));
    admin.machine(&none, "first");
    let answer = admin.activate(&none, "second");
    assert_eq!(answer.error(), format!("422 {}", over(0)[0]));
    assert_eq!(answer.body["errors"][0]["links"]["about"], "https://keygen.sh/docs/api/machines/#machines-object");
}

// 10 §1.6: leasing by user; every save counts
#[test]
fn limits_by_user_and_on_every_save() {
    let cast = Cast::new(json!({ "floating": true, "machineLeasingStrategy": "PER_USER" }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let uo =
        json!({ "type": "users", "id": select(server, "SELECT owner_id FROM licenses WHERE owner_id IS NOT NULL") });
    let add = |fingerprint: &str, owner: Option<&Value>, cores: i64| {
        let mut body = machine(&cast.license, json!({ "fingerprint": fingerprint, "cores": cores }));
        if let Some(owner) = owner {
            body["data"]["relationships"]["owner"] = link(owner);
        }
        let answer = admin.post("machines", body);
        if answer.status == 201 { "ok".to_owned() } else { answer.error() }
    };
    let over =
        |what: &str, code: &str, n: u8| format!("422 {what} has exceeded maximum allowed for user ({n})|{code}|/data");
    server.sql("UPDATE policies SET max_machines = 2");
    // `um` has one already
    assert_eq!(add("1", Some(&cast.um), 1), "ok");
    assert_eq!(add("2", Some(&cast.um), 1), over("machine count", "MACHINE_LIMIT_EXCEEDED", 2));
    assert_eq!((add("3", Some(&uo), 1), add("4", Some(&uo), 1)), ("ok".into(), "ok".into()));
    assert_eq!((add("5", None, 1), add("6", None, 1)), ("ok".into(), "ok".into()), "no owner: a bucket of its own");
    assert_eq!(add("7", None, 1), over("machine count", "MACHINE_LIMIT_EXCEEDED", 2));
    server.sql("UPDATE policies SET max_machines = NULL, max_cores = 2");
    let core = over("machine core count", "MACHINE_CORE_LIMIT_EXCEEDED", 2);
    assert_eq!(add("8", Some(&uo), 1), core);
    assert_eq!(add("8", Some(&cast.um), 1), "ok");
    assert_eq!(admin.patch("machines/8", update(json!({ "cores": 2 }))).error(), core);
    assert_eq!(counters(server, &cast.license), r#"{"cores":6,"memory":0,"disk":0,"count":7}"#);

    // a license that is over its limit refuses every save of every machine, also one without cores
    server.sql("UPDATE policies SET machine_leasing_strategy = 'PER_LICENSE'");
    let core = core.replace("user", "license");
    let shown = path(&cast.machine);
    assert_eq!(admin.patch(&shown, update(json!({ "name": "x" }))).error(), core);
    for action in ["ping", "reset", "check-out"] {
        assert_eq!(admin.post(&format!("{shown}/actions/{action}"), Value::Null).error(), core, "{action}");
    }
    assert_eq!(admin.get(&format!("{shown}/actions/check-out")).error(), core);
    let stored = select(
        server,
        "SELECT count(*) FROM machines WHERE last_check_out_at IS NOT NULL OR last_heartbeat_at IS NOT NULL",
    );
    assert_eq!((stored.as_str(), events(server, "machine.checked-out").as_str()), ("0", "0"));
    server.sql("UPDATE policies SET overage_strategy = 'ALWAYS_ALLOW_OVERAGE'");
    admin.post(&format!("{shown}/actions/ping"), Value::Null).ok(200);
    // the machine limit is a matter of creation only
    server.sql("UPDATE policies SET overage_strategy = 'NO_OVERAGE', max_cores = NULL, max_machines = 1");
    admin.patch(&shown, update(json!({ "name": "x" }))).ok(200);
    assert_eq!(admin.activate(&cast.license, "9").code(), "MACHINE_LIMIT_EXCEEDED");
}

// 10 §1.7 steps 2–5
#[test]
fn errors_come_in_order() {
    let cast = Cast::new(json!({ "floating": true, "maxMachines": 1, "maxCores": 1, "maxMemory": 1, "maxDisk": 1 }));
    let (server, admin) = (&cast.server, cast.client("A"));
    server.sql(
        "UPDATE machines SET cores = 5; UPDATE licenses SET machines_cores = 5, machines_memory = 5, machines_disk = 5",
    );
    let unknown = |type_: &str| json!({ "data": { "type": type_, "id": new_id() } });
    let long = "x".repeat(256);
    let wide: serde_json::Map<_, _> = (0..65).map(|i| (format!("k{i}"), json!(1))).collect();
    let component = json!({ "type": "components", "attributes": { "fingerprint": "c", "name": "c" } });
    let mut body = machine(
        &cast.license,
        json!({
            "fingerprint": "actions", "name": long, "ip": long, "hostname": long, "platform": long, "cores": 0, "memory": 0,
            "disk": 0, "metadata": wide
        }),
    );
    body["data"]["id"] = cast.machine["id"].clone();
    body["data"]["relationships"]["owner"] = unknown("users");
    body["data"]["relationships"]["group"] = unknown("groups");
    body["data"]["relationships"]["components"] = json!({ "data": [component, component] });
    let codes = |answer: &Answer| -> Vec<String> {
        unprocessable(answer).iter().map(|error| error.split('|').nth(1).unwrap().to_owned()).collect()
    };
    let expected = [
        "COMPONENTS_FINGERPRINT_CONFLICT",
        "COMPONENTS_FINGERPRINT_CONFLICT",
        "OWNER_NOT_FOUND",
        "GROUP_NOT_FOUND",
        "FINGERPRINT_NOT_ALLOWED",
        "METADATA_TOO_LONG",
        "CORES_INVALID",
        "MEMORY_INVALID",
        "DISK_INVALID",
        "IP_TOO_LONG",
        "HOSTNAME_TOO_LONG",
        "PLATFORM_TOO_LONG",
        "NAME_TOO_LONG",
        "ID_CONFLICT",
        "MACHINE_LIMIT_EXCEEDED",
        "MACHINE_CORE_LIMIT_EXCEEDED",
        "MACHINE_MEMORY_LIMIT_EXCEEDED",
        "MACHINE_DISK_LIMIT_EXCEEDED",
    ];
    assert_eq!(codes(&admin.post("machines", body.clone())), expected);
    // an unknown license goes first, with its policy; what needs neither still shows
    body["data"]["relationships"]["license"] = unknown("licenses");
    let got = codes(&admin.post("machines", body.clone()));
    assert_eq!(got[..2], ["LICENSE_NOT_FOUND", "POLICY_NOT_FOUND"]);
    assert!(
        ["OWNER_NOT_FOUND", "FINGERPRINT_NOT_ALLOWED", "NAME_TOO_LONG"].iter().all(|c| got.iter().any(|g| g == c)),
        "{got:?}"
    );
    // 403 before all of that, and before it 422 for too many components, and before that 400
    let denied = cast.client("Ua").post("machines", body.clone());
    assert_eq!(denied.error(), "400 unpermitted parameter|-|/data/relationships/group");
    body["data"]["relationships"].as_object_mut().unwrap().shift_remove("group");
    assert_eq!(cast.client("Ua").post("machines", body.clone()).status, 403);
    body["data"]["relationships"]["components"] = json!({ "data": vec![component; 21] });
    let many = cast.client("Ua").post("machines", body.clone());
    assert_eq!(many.error(), "422 too many records|-|-");
    assert_eq!(many.body["errors"][0]["title"], "Unprocessable entity");

    // a taken fingerprint on a full license: TAKEN first; taken elsewhere: the limit first
    let limits = [
        "MACHINE_LIMIT_EXCEEDED",
        "MACHINE_CORE_LIMIT_EXCEEDED",
        "MACHINE_MEMORY_LIMIT_EXCEEDED",
        "MACHINE_DISK_LIMIT_EXCEEDED",
    ];
    let with = |first: &[&'static str], last: &[&'static str]| [first, &limits, last].concat();
    assert_eq!(codes(&admin.activate(&cast.license, "cast")), with(&["FINGERPRINT_TAKEN"], &[]));
    server.sql("UPDATE policies SET machine_uniqueness_strategy = 'UNIQUE_PER_ACCOUNT'");
    let other = admin.quick_license(json!({}));
    admin.machine(&other, "elsewhere");
    assert_eq!(codes(&admin.activate(&cast.license, "elsewhere")), with(&[], &["FINGERPRINT_TAKEN"]));
    assert_eq!(
        codes(&admin.activate(&cast.license, "cast")),
        with(&["FINGERPRINT_TAKEN"], &[]),
        "one code, one pointer"
    );
    // a fingerprint that failed already is joined
    let fingerprint = id(&cast.machine).to_owned();
    server.sql(&format!("UPDATE machines SET fingerprint = '{fingerprint}' WHERE fingerprint = 'elsewhere'"));
    let expected = with(&["FINGERPRINT_CONFLICT", "FINGERPRINT_TAKEN"], &[]);
    assert_eq!(codes(&admin.activate(&cast.license, &fingerprint)), expected);
}

// 10 §1.4, §1.7: groups and owners
#[test]
fn groups_and_owners_of_new_machines() {
    let cast = Cast::new(json!({ "floating": true }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let group = |max: &str| {
        let id = new_id();
        server.sql(&format!(
            "INSERT INTO groups (id, account_id, created_at, updated_at, name, max_machines)
             SELECT '{id}', id, 1, 1, 'g', {max} FROM accounts"
        ));
        json!({ "type": "groups", "id": id })
    };
    let (of_license, of_owner, named, full) = (group("NULL"), group("NULL"), group("9"), group("0"));
    let create = |group: Option<&Value>, owner: Option<&Value>| {
        let mut body = machine(&cast.license, json!({ "fingerprint": new_id() }));
        if let Some(owner) = owner {
            body["data"]["relationships"]["owner"] = link(owner);
        }
        if let Some(group) = group {
            body["data"]["relationships"]["group"] =
                if group.is_null() { json!({ "data": null }) } else { link(group) };
        }
        admin.post("machines", body)
    };
    let group_of = |answer: Answer| answer.ok(201)["data"]["relationships"]["group"]["data"]["id"].clone();
    server.sql(&format!("UPDATE users SET group_id = '{}' WHERE id = '{}'", id(&of_owner), id(&cast.um)));
    assert_eq!(group_of(create(None, Some(&cast.um))), of_owner["id"]);
    assert_eq!(group_of(create(None, None)), Value::Null, "the license owner's group is not inherited");
    server.sql(&format!("UPDATE licenses SET group_id = '{}'", id(&of_license)));
    assert_eq!(group_of(create(None, Some(&cast.um))), of_license["id"]);
    assert_eq!(group_of(create(Some(&Value::Null), None)), of_license["id"]);
    assert_eq!(group_of(create(Some(&named), Some(&cast.um))), named["id"]);
    let limit = "machine count has exceeded maximum allowed by current group (0)|GROUP_MACHINE_LIMIT_EXCEEDED|/data/relationships/group";
    assert_eq!(create(Some(&full), None).error(), format!("422 {limit}"));
    let stranger =
        json!({ "type": "users", "id": select(server, "SELECT id FROM users WHERE email = 'u@example.com'") });
    let invalid = "must be a valid license user|OWNER_INVALID|/data/relationships/owner";
    assert_eq!(create(Some(&full), Some(&stranger)).errors(), [limit, invalid]);
    server.sql(&format!("UPDATE licenses SET group_id = '{}'", id(&full)));
    assert_eq!(create(None, None).error(), format!("422 {limit}"), "also through inheritance");
}

// 10 §1.7 step 6, §1.10
#[test]
fn license_tokens_count() {
    let cast = Cast::new(json!({ "floating": true, "authenticationStrategy": "MIXED", "maxCores": 4 }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let token = |attributes: Value| {
        let body = json!({ "data": { "type": "tokens", "attributes": attributes } });
        let token = admin.post(&format!("licenses/{}/tokens", id(&cast.license)), body).ok(200)["data"].clone();
        let client = server.token(text(&token["attributes"]["token"]));
        (id(&token).to_owned(), client)
    };
    let counted = |token: &str| {
        let token = admin.get(&format!("tokens/{token}")).ok(200)["data"]["attributes"].clone();
        format!("{} {}", token["activations"], token["deactivations"])
    };
    let (limited, app) = token(json!({ "maxActivations": 2, "maxDeactivations": 1 }));
    cast.protect(true);
    app.activate(&cast.license, "1").ok(201);
    assert_eq!(counted(&limited), "1 0", "protected or not");
    // refused requests do not count
    assert_eq!(app.activate(&cast.license, "1").code(), "FINGERPRINT_TAKEN");
    let too_big = app.post("machines", machine(&cast.license, json!({ "fingerprint": "big", "cores": 5 })));
    assert_eq!(too_big.code(), "MACHINE_CORE_LIMIT_EXCEEDED");
    assert_eq!(app.post("machines", machine(&cast.license, json!({}))).status, 400);
    assert_eq!(counted(&limited), "1 0");
    app.activate(&cast.license, "2").ok(201);
    let answer = app.activate(&cast.license, "3");
    assert_eq!(
        answer.error(),
        "422 exceeds maximum allowed (2)|ACTIVATIONS_LIMIT_EXCEEDED|/data/attributes/activations"
    );
    let about = "https://keygen.sh/docs/api/tokens/#tokens-object-attrs-activations";
    assert_eq!(answer.body["errors"][0]["links"]["about"], about);
    // validation goes first
    assert_eq!(app.activate(&cast.license, "1").code(), "FINGERPRINT_TAKEN");
    app.delete("machines/1").ok(204);
    assert_eq!(counted(&limited), "2 1");
    let answer = app.delete("machines/2");
    assert_eq!(
        answer.error(),
        "422 exceeds maximum allowed (1)|DEACTIVATIONS_LIMIT_EXCEEDED|/data/attributes/deactivations"
    );
    app.get("machines/2").ok(200);
    assert_eq!((counted(&limited).as_str(), events(server, "machine.deleted").as_str()), ("2 1", "1"));
    assert_eq!(
        counters(server, &cast.license),
        r#"{"cores":0,"memory":0,"disk":0,"count":2}"#,
        "what failed moved nothing"
    );
    // without maximum they are counted, too; keys and other bearers are not
    let (free, app) = token(json!({}));
    app.activate(&cast.license, "4").ok(201);
    app.delete("machines/4").ok(204);
    assert_eq!(counted(&free), "1 1");
    let by_key = server.license_key(key(&cast.license));
    by_key.activate(&cast.license, "5").ok(201);
    by_key.delete("machines/5").ok(204);
    cast.client("P").activate(&cast.license, "6").ok(201);
    cast.client("P").delete("machines/6").ok(204);
    assert_eq!((counted(&limited), counted(&free)), ("2 1".into(), "1 1".into()));
    assert_eq!(select(server, "SELECT sum(activations) FROM tokens"), "3");
    // the end of the counter
    server.sql(&format!("UPDATE tokens SET activations = 2147483647, deactivations = 2147483647 WHERE id = '{free}'"));
    assert_eq!(app.activate(&cast.license, "7").error(), "400 integer is too large|-|/data/attributes/activations");
    assert_eq!(app.delete("machines/2").error(), "400 integer is too large|-|/data/attributes/deactivations");
    admin.get("machines/2").ok(200);
}

// 10 §1.6, §1.7: limits and counters hold when activations race
#[test]
fn races() {
    let server = Server::start();
    let admin = server.admin();
    let by_limit = admin.quick_license(json!({ "floating": true, "maxMachines": 5 }));
    let by_token = admin.quick_license(json!({ "floating": true }));
    let attributes = json!({ "data": { "type": "tokens", "attributes": { "maxActivations": 5 } } });
    let token = admin.post(&format!("licenses/{}/tokens", id(&by_token)), attributes).ok(200);
    let counting = server.token(text(&token["data"]["attributes"]["token"]));
    for (client, license, code) in
        [(&admin, &by_limit, "MACHINE_LIMIT_EXCEEDED"), (&counting, &by_token, "ACTIVATIONS_LIMIT_EXCEEDED")]
    {
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let start = |i| scope.spawn(move || client.activate(license, &format!("{i}")));
            let started: Vec<_> = (0..16).map(start).collect();
            started.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 5, "{code}");
        assert_eq!(answers.iter().filter(|answer| answer.code() == code).count(), 11, "{code}");
        assert_eq!(counters(&server, license), r#"{"cores":0,"memory":0,"disk":0,"count":5}"#, "{code}");
    }
    // one fingerprint, many at once: one gets it
    let license = admin.quick_license(json!({ "floating": true }));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..8).map(|_| scope.spawn(|| admin.activate(&license, "same").status)).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1);
    assert!(statuses.iter().all(|status| [201, 422].contains(status)), "{statuses:?}");
}

// 10 §1.8: the first activation starts the license
#[test]
fn first_activation() {
    let server = Server::start();
    let admin = server.admin();
    let expiry = |license: &Value| {
        let license = admin.get(&format!("licenses/{}", id(license))).ok(200);
        license["data"]["attributes"]["expiry"].as_str().unwrap_or("-").to_owned()
    };
    for (basis, starts) in [
        ("FROM_FIRST_ACTIVATION", true),
        ("FROM_FIRST_VALIDATION", false),
        ("FROM_FIRST_USE", false),
        ("FROM_FIRST_DOWNLOAD", false),
    ] {
        let license = admin.quick_license(json!({ "floating": true, "duration": 864_000, "expirationBasis": basis }));
        assert_eq!(expiry(&license), "-");
        let machine = admin.machine(&license, "1");
        let days = format!(
            "SELECT julianday('{}') - julianday('{}')",
            expiry(&license),
            text(&machine["attributes"]["created"])
        );
        let days = if starts { select(&server, &days) } else { expiry(&license) };
        assert_eq!(days, if starts { "10.0" } else { "-" }, "{basis}");
        let before = expiry(&license);
        admin.machine(&license, "2");
        assert_eq!(expiry(&license), before, "only the first");
    }
    let own = admin.quick_license(json!({ "expirationBasis": "FROM_FIRST_ACTIVATION" }));
    admin.machine(&own, "1");
    assert_eq!(expiry(&own), "-", "no duration, no expiry");
    assert_eq!(events(&server, "license.updated"), "0");
}
