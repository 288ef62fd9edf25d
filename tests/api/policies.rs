//! Policies (07 §2, §3): documents, attributes, errors. Who may is in `policy_access`, what changes do to licenses in
//! `policy_effects`, their entitlements in `entitlements`, their pools in `pools`.

use crate::authentication::*;
use crate::products::*;
use crate::protocol::{ZERO, rows};
use crate::support::*;
use serde_json::{Value, json};

/// The attributes of a policy that was created with nothing but its name (07 §2).
fn defaults() -> Value {
    serde_json::from_str(
        r#"{
        "name": "P", "duration": null, "strict": false, "floating": false, "usePool": false, "maxMachines": 1,
        "maxProcesses": null, "maxUsers": null, "maxCores": null, "maxMemory": null, "maxDisk": null, "maxUses": null,
        "machineUniquenessStrategy": "UNIQUE_PER_LICENSE", "machineMatchingStrategy": "MATCH_ANY",
        "componentUniquenessStrategy": "UNIQUE_PER_MACHINE", "componentMatchingStrategy": "MATCH_ANY",
        "expirationStrategy": "RESTRICT_ACCESS", "expirationBasis": "FROM_CREATION", "renewalBasis": "FROM_EXPIRY",
        "transferStrategy": "KEEP_EXPIRY", "authenticationStrategy": "TOKEN", "machineLeasingStrategy": "PER_LICENSE",
        "processLeasingStrategy": "PER_MACHINE", "overageStrategy": "NO_OVERAGE", "scheme": null, "encrypted": false,
        "protected": false, "requireProductScope": false, "requirePolicyScope": false, "requireMachineScope": false,
        "requireFingerprintScope": false, "requireComponentsScope": false, "requireUserScope": false,
        "requireChecksumScope": false, "requireVersionScope": false, "requireCheckIn": false, "checkInInterval": null,
        "checkInIntervalCount": null, "heartbeatDuration": null, "heartbeatCullStrategy": "DEACTIVATE_DEAD",
        "heartbeatResurrectionStrategy": "NO_REVIVE", "heartbeatBasis": "FROM_FIRST_PING", "requireHeartbeat": false,
        "metadata": {}, "created": "T", "updated": "T"
    }"#,
    )
    .unwrap()
}

/// The same with another value everywhere.
fn others() -> Value {
    serde_json::from_str(
        r#"{
        "name": "Q", "duration": 86400, "strict": true, "floating": true, "usePool": false, "maxMachines": 4,
        "maxProcesses": 2147483644, "maxUsers": 8, "maxCores": 12, "maxMemory": 9223372036854775804,
        "maxDisk": 16, "maxUses": 0, "machineUniquenessStrategy": "UNIQUE_PER_ACCOUNT",
        "machineMatchingStrategy": "MATCH_MOST", "componentUniquenessStrategy": "UNIQUE_PER_PRODUCT",
        "componentMatchingStrategy": "MATCH_ALL", "expirationStrategy": "MAINTAIN_ACCESS",
        "expirationBasis": "FROM_FIRST_DOWNLOAD", "renewalBasis": "FROM_NOW_IF_EXPIRED",
        "transferStrategy": "RESET_EXPIRY", "authenticationStrategy": "MIXED", "machineLeasingStrategy": "PER_USER",
        "processLeasingStrategy": "PER_USER", "overageStrategy": "ALLOW_1_25X_OVERAGE", "scheme": "ED25519_SIGN",
        "encrypted": false, "protected": true, "requireProductScope": true, "requirePolicyScope": true,
        "requireMachineScope": true, "requireFingerprintScope": true, "requireComponentsScope": true,
        "requireUserScope": true, "requireChecksumScope": true, "requireVersionScope": true, "requireCheckIn": true,
        "checkInInterval": "month", "checkInIntervalCount": 365, "heartbeatDuration": 60,
        "heartbeatCullStrategy": "KEEP_DEAD", "heartbeatResurrectionStrategy": "ALWAYS_REVIVE",
        "heartbeatBasis": "FROM_FIRST_PING", "requireHeartbeat": true, "metadata": { "tier": [1, { "a": "b" }] },
        "created": "T", "updated": "T"
    }"#,
    )
    .unwrap()
}

/// Those of the attributes that a body may hold.
fn writable(attributes: &Value, update: bool) -> Value {
    let mut attributes = attributes.clone();
    let fields = attributes.as_object_mut().unwrap();
    fields.retain(|name, _| !["created", "updated"].contains(&name.as_str()));
    fields.retain(|name, _| !update || !["usePool", "scheme", "encrypted"].contains(&name.as_str()));
    attributes
}

/// The body that creates a policy.
pub fn of(product: &Value, attributes: Value) -> Value {
    json!({ "data": { "type": "policies", "attributes": attributes, "relationships": { "product": link(product) } } })
}

// 07 §1.1, §2, §3: the whole document, from every route that gives it
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    let product = admin.product();
    let expected = |policy: &Value, attributes: Value| {
        let path = format!("policies/{}", id(policy));
        let mut relationships = global_relationships(&account);
        let linkage = json!({ "type": "products", "id": product["id"] });
        relationships["product"] = related(&account, &format!("{path}/product"), Some(linkage));
        for name in ["pool", "licenses", "entitlements"] {
            relationships[name] = related(&account, &format!("{path}/{name}"), None);
        }
        json!({
            "id": policy["id"], "type": "policies", "attributes": attributes, "relationships": relationships,
            "links": { "self": format!("/v1/accounts/{account}/{path}") }
        })
        .to_string()
    };
    let answer = admin.post("policies", of(&product, json!({ "name": "P" })));
    let bare = answer.ok(201)["data"].clone();
    let location = format!("http://localhost:{}/v1/accounts/{account}/policies/{}", server.port, id(&bare));
    assert_eq!(answer.header("location"), location);
    assert_eq!(timeless(&bare).to_string(), expected(&bare, defaults()));
    let data = json!({ "type": "policy", "attributes": writable(&others(), false), "relationships": {
        "product": { "data": { "type": "product", "id": product["id"] } }, "environment": { "data": null } } });
    let full = admin.post("policies", json!({ "data": data })).ok(201)["data"].clone();
    assert_eq!(timeless(&full).to_string(), expected(&full, others()));
    let path = format!("policies/{}", id(&full));
    assert_eq!(admin.get(&path).ok(200).to_string(), json!({ "data": full }).to_string());
    for list in ["policies".to_owned(), format!("products/{}/policies", id(&product))] {
        assert_eq!(admin.get(&list).ok(200).to_string(), json!({ "data": [full, bare] }).to_string(), "{list}");
    }
    let member = format!("products/{}/policies/{}", id(&product), id(&full));
    assert_eq!(admin.get(&member).ok(200)["data"].to_string(), full.to_string());
    let shown = admin.get(&format!("{path}/product")).ok(200);
    assert_eq!(shown.to_string(), json!({ "data": product }).to_string());
    // updates: one attribute at a time, nothing else moves
    let bare_path = format!("policies/{}", id(&bare));
    let mut current = defaults();
    for (name, value) in writable(&others(), true).as_object().unwrap() {
        if ["requireCheckIn", "maxMachines", "floating", "overageStrategy", "heartbeatResurrectionStrategy"]
            .contains(&name.as_str())
        {
            continue; // with what they depend on, below
        }
        current[name] = value.clone();
        let updated = admin.patch(&bare_path, body("policies", json!({ name: value }))).ok(200);
        assert_eq!(timeless(&updated["data"]).to_string(), expected(&bare, current.clone()), "{name}");
    }
    let all = json!({ "data": { "type": "policy", "id": "x", "attributes": writable(&others(), true) } });
    let updated = admin.put(&bare_path, all).ok(200);
    current = others();
    current["scheme"] = Value::Null;
    assert_eq!(timeless(&updated["data"]).to_string(), expected(&bare, current.clone()));
    // null: stored where the table says so, ignored elsewhere
    let nullable = [
        "duration",
        "maxMachines",
        "maxProcesses",
        "maxUsers",
        "maxCores",
        "maxMemory",
        "maxDisk",
        "maxUses",
        "checkInInterval",
        "checkInIntervalCount",
        "heartbeatDuration",
    ];
    let mut nulls = writable(&others(), true);
    nulls.as_object_mut().unwrap().values_mut().for_each(|value| *value = Value::Null);
    nulls["requireCheckIn"] = json!(false);
    let updated = admin.patch(&bare_path, body("policies", nulls)).ok(200);
    nullable.iter().for_each(|name| current[*name] = Value::Null);
    current["requireCheckIn"] = json!(false);
    assert_eq!(timeless(&updated["data"]).to_string(), expected(&bare, current));
    admin.patch(&bare_path, body("policies", json!({ "metadata": {} }))).ok(200);
    // the list's filter (07 §1)
    let count = |query: &str| admin.get(&format!("policies?{query}")).ok(200)["data"].as_array().unwrap().len();
    assert_eq!((count(&format!("product={}", id(&product))), count(&format!("product={ZERO}"))), (2, 0));
    // {id} is a UUID
    for name in ["P", ZERO, "x%2Ey"] {
        let expected = format!("404 The requested policy '{}' was not found|NOT_FOUND|-", name.replace("%2E", "."));
        assert_eq!(admin.get(&format!("policies/{name}")).error(), expected);
    }
    admin.delete(&path).ok(204);
    assert_eq!(admin.get(&path).status, 404);
    assert_eq!(events_of(&server, &full), "policy.created; policy.deleted");
    assert!(events_of(&server, &bare).ends_with("policy.updated; policy.updated"));
}

/// Attributes of a create | name | code, or `-` for 400 | detail.
const REFUSED: &str = r#"
{"name": 1} | name | - | type mismatch (received integer expected string)
{"name": ""} | name | - | cannot be blank
{"name": "$256"} | name | NAME_TOO_LONG | is too long (maximum is 255 characters)
{"duration": 0} | duration | DURATION_INVALID | must be greater than 0
{"duration": -1} | duration | DURATION_INVALID | must be greater than 0
{"duration": 86399} | duration | DURATION_INVALID | must be greater than or equal to 86400 (1 day)
{"duration": 2147483648} | duration | DURATION_INVALID | must be less than or equal to 2147483647
{"duration": 99999999999999999999} | duration | DURATION_INVALID | must be less than or equal to 2147483647
{"duration": -99999999999999999999} | duration | DURATION_INVALID | must be greater than 0
{"duration": "86400"} | duration | - | type mismatch (received string expected integer)
{"duration": 86400.0} | duration | - | type mismatch (received float expected integer)
{"strict": "true"} | strict | - | type mismatch (received string expected boolean)
{"floating": 1} | floating | - | type mismatch (received integer expected boolean)
# keys (07 §2.2)
{"scheme": "ED448"} | scheme | SCHEME_NOT_ALLOWED | unsupported signing scheme
{"scheme": "ed25519_sign"} | scheme | SCHEME_NOT_ALLOWED | unsupported signing scheme
{"scheme": "ED448", "encrypted": true} | scheme | SCHEME_NOT_ALLOWED | unsupported encryption scheme (scheme must be LEGACY_ENCRYPT for legacy encrypted policies)
{"scheme": "ED25519_SIGN", "encrypted": true} | scheme | SCHEME_NOT_ALLOWED | unsupported encryption scheme (scheme must be LEGACY_ENCRYPT for legacy encrypted policies)
{"scheme": "LEGACY_ENCRYPT"} | scheme | SCHEME_INVALID | must be encrypted when using LEGACY_ENCRYPT scheme
{"scheme": "LEGACY_ENCRYPT", "encrypted": false} | scheme | SCHEME_INVALID | must be encrypted when using LEGACY_ENCRYPT scheme
{"scheme": "ED25519_SIGN", "usePool": true} | scheme | SCHEME_NOT_SUPPORTED | cannot use a scheme and use a pool
# limits (07 §2.3)
{"maxMachines": -1, "floating": true} | maxMachines | MAX_MACHINES_INVALID | must be greater than or equal to 0
{"maxMachines": -1} | maxMachines | MAX_MACHINES_INVALID | must be greater than or equal to 0
{"maxMachines": 0, "floating": true} | maxMachines | MAX_MACHINES_INVALID | must be greater than or equal to 1 for floating policy
{"maxMachines": 0} | maxMachines | MAX_MACHINES_INVALID | must be equal to 1 for non-floating policy
{"maxMachines": 2} | maxMachines | MAX_MACHINES_INVALID | must be equal to 1 for non-floating policy
{"maxMachines": 2147483648} | maxMachines | MAX_MACHINES_INVALID | must be less than or equal to 2147483647
{"maxMachines": 2147483648, "floating": true} | maxMachines | MAX_MACHINES_INVALID | must be less than or equal to 2147483647
{"maxProcesses": 0} | maxProcesses | MAX_PROCESSES_INVALID | must be greater than 0
{"maxProcesses": 2147483648} | maxProcesses | MAX_PROCESSES_INVALID | must be less than or equal to 2147483647
{"maxUsers": 0} | maxUsers | MAX_USERS_INVALID | must be greater than 0
{"maxUsers": 2147483648} | maxUsers | MAX_USERS_INVALID | must be less than or equal to 2147483647
{"maxCores": 0} | maxCores | MAX_CORES_INVALID | must be greater than or equal to 1
{"maxCores": 2147483648} | maxCores | MAX_CORES_INVALID | must be less than or equal to 2147483647
{"maxMemory": 0} | maxMemory | MAX_MEMORY_INVALID | must be greater than or equal to 1
{"maxMemory": 9223372036854775808} | maxMemory | MAX_MEMORY_INVALID | must be less than or equal to 9223372036854775807
{"maxDisk": -9223372036854775809} | maxDisk | MAX_DISK_INVALID | must be greater than or equal to 1
{"maxDisk": 9223372036854775808} | maxDisk | MAX_DISK_INVALID | must be less than or equal to 9223372036854775807
{"maxUses": -1} | maxUses | MAX_USES_INVALID | must be greater than or equal to 0
{"maxUses": 2147483648} | maxUses | MAX_USES_INVALID | must be less than or equal to 2147483647
{"maxUses": true} | maxUses | - | type mismatch (received boolean expected integer)
# check-in (07 §2.5)
{"requireCheckIn": true, "checkInInterval": "fortnight", "checkInIntervalCount": 1} | checkInInterval | CHECK_IN_INTERVAL_NOT_ALLOWED | must be one of: day, week, month, year
{"requireCheckIn": true, "checkInInterval": "Day", "checkInIntervalCount": 1} | checkInInterval | CHECK_IN_INTERVAL_NOT_ALLOWED | must be one of: day, week, month, year
{"requireCheckIn": true, "checkInInterval": "day"} | checkInIntervalCount | CHECK_IN_INTERVAL_COUNT_NOT_ALLOWED | must be a number between 1 and 365 inclusive
{"requireCheckIn": true, "checkInInterval": "day", "checkInIntervalCount": 0} | checkInIntervalCount | CHECK_IN_INTERVAL_COUNT_NOT_ALLOWED | must be a number between 1 and 365 inclusive
{"requireCheckIn": true, "checkInInterval": "day", "checkInIntervalCount": 366} | checkInIntervalCount | CHECK_IN_INTERVAL_COUNT_NOT_ALLOWED | must be a number between 1 and 365 inclusive
{"checkInInterval": 1} | checkInInterval | - | type mismatch (received integer expected string)
# heartbeat (07 §2.6)
{"heartbeatDuration": 0} | heartbeatDuration | HEARTBEAT_DURATION_INVALID | must be greater than 0
{"heartbeatDuration": 59} | heartbeatDuration | HEARTBEAT_DURATION_INVALID | must be greater than or equal to 60 (1 minute)
{"heartbeatDuration": 2147483648} | heartbeatDuration | HEARTBEAT_DURATION_INVALID | must be less than or equal to 2147483647
{"heartbeatCullStrategy": "X"} | heartbeatCullStrategy | HEARTBEAT_CULL_STRATEGY_NOT_ALLOWED | unsupported heartbeat cull strategy
{"heartbeatResurrectionStrategy": "X"} | heartbeatResurrectionStrategy | HEARTBEAT_RESURRECTION_STRATEGY_NOT_ALLOWED | unsupported heartbeat resurrection strategy
{"heartbeatBasis": "X"} | heartbeatBasis | HEARTBEAT_BASIS_NOT_ALLOWED | unsupported heartbeat basis
{"heartbeatResurrectionStrategy": "ALWAYS_REVIVE"} | heartbeatCullStrategy | HEARTBEAT_CULL_STRATEGY_NOT_ALLOWED | incompatible heartbeat cull strategy (must be KEEP_DEAD when resurrection strategy is ALWAYS_REVIVE)
{"heartbeatResurrectionStrategy": "ALWAYS_REVIVE", "heartbeatCullStrategy": "DEACTIVATE_DEAD"} | heartbeatCullStrategy | HEARTBEAT_CULL_STRATEGY_NOT_ALLOWED | incompatible heartbeat cull strategy (must be KEEP_DEAD when resurrection strategy is ALWAYS_REVIVE)
# strategies (07 §2.7)
{"machineUniquenessStrategy": "X"} | machineUniquenessStrategy | MACHINE_UNIQUENESS_STRATEGY_NOT_ALLOWED | unsupported machine uniqueness strategy
{"machineUniquenessStrategy": "UNIQUE_PER_MACHINE"} | machineUniquenessStrategy | MACHINE_UNIQUENESS_STRATEGY_NOT_ALLOWED | unsupported machine uniqueness strategy
{"machineMatchingStrategy": "X"} | machineMatchingStrategy | MACHINE_MATCHING_STRATEGY_NOT_ALLOWED | unsupported machine matching strategy
{"componentUniquenessStrategy": "X"} | componentUniquenessStrategy | COMPONENT_UNIQUENESS_STRATEGY_NOT_ALLOWED | unsupported component uniqueness strategy
{"componentMatchingStrategy": "X"} | componentMatchingStrategy | COMPONENT_MATCHING_STRATEGY_NOT_ALLOWED | unsupported component matching strategy
{"expirationStrategy": "X"} | expirationStrategy | EXPIRATION_STRATEGY_NOT_ALLOWED | unsupported expiration strategy
{"expirationBasis": "X"} | expirationBasis | EXPIRATION_BASIS_NOT_ALLOWED | unsupported expiration basis
{"renewalBasis": "X"} | renewalBasis | RENEWAL_BASIS_NOT_ALLOWED | unsupported renewal basis
{"transferStrategy": "X"} | transferStrategy | TRANSFER_STRATEGY_NOT_ALLOWED | unsupported transfer strategy
{"authenticationStrategy": "X"} | authenticationStrategy | AUTHENTICATION_STRATEGY_NOT_ALLOWED | unsupported authentication strategy
{"machineLeasingStrategy": "X"} | machineLeasingStrategy | MACHINE_LEASING_STRATEGY_NOT_ALLOWED | unsupported machine leasing strategy
{"machineLeasingStrategy": "PER_MACHINE"} | machineLeasingStrategy | MACHINE_LEASING_STRATEGY_NOT_ALLOWED | unsupported machine leasing strategy
{"processLeasingStrategy": "X"} | processLeasingStrategy | PROCESS_LEASING_STRATEGY_NOT_ALLOWED | unsupported process leasing strategy
{"overageStrategy": "X"} | overageStrategy | OVERAGE_STRATEGY_NOT_ALLOWED | unsupported overage strategy
{"overageStrategy": "no_overage"} | overageStrategy | OVERAGE_STRATEGY_NOT_ALLOWED | unsupported overage strategy
{"expirationStrategy": ""} | expirationStrategy | - | cannot be blank
# overage (07 §2.8)
{"overageStrategy": "ALLOW_1_25X_OVERAGE"} | overageStrategy | OVERAGE_STRATEGY_NOT_ALLOWED | incompatible overage strategy (cannot use ALLOW_1_25X_OVERAGE for node-locked policy)
{"overageStrategy": "ALLOW_1_5X_OVERAGE", "maxCores": 3} | overageStrategy | OVERAGE_STRATEGY_NOT_ALLOWED | incompatible overage strategy (cannot use ALLOW_1_5X_OVERAGE for node-locked policy)
{"overageStrategy": "ALLOW_1_25X_OVERAGE", "floating": true, "maxMachines": 6, "maxCores": 6} | overageStrategy | OVERAGE_STRATEGY_NOT_ALLOWED | incompatible overage strategy (cannot use ALLOW_1_25X_OVERAGE with a max machines value not divisible by 4)
{"overageStrategy": "ALLOW_1_5X_OVERAGE", "floating": true, "maxMachines": 6, "maxCores": 3, "maxUsers": 3} | overageStrategy | OVERAGE_STRATEGY_NOT_ALLOWED | incompatible overage strategy (cannot use ALLOW_1_5X_OVERAGE with a max cores value not divisible by 2)
{"overageStrategy": "ALLOW_1_5X_OVERAGE", "floating": true, "maxMachines": null, "maxMemory": 3, "maxDisk": 3} | overageStrategy | OVERAGE_STRATEGY_NOT_ALLOWED | incompatible overage strategy (cannot use ALLOW_1_5X_OVERAGE with a max memory value not divisible by 2)
{"overageStrategy": "ALLOW_1_5X_OVERAGE", "floating": true, "maxMachines": null, "maxDisk": 3, "maxProcesses": 3} | overageStrategy | OVERAGE_STRATEGY_NOT_ALLOWED | incompatible overage strategy (cannot use ALLOW_1_5X_OVERAGE with a max disk value not divisible by 2)
{"overageStrategy": "ALLOW_1_25X_OVERAGE", "floating": true, "maxMachines": null, "maxProcesses": 2, "maxUsers": 2} | overageStrategy | OVERAGE_STRATEGY_NOT_ALLOWED | incompatible overage strategy (cannot use ALLOW_1_25X_OVERAGE with a max processes value not divisible by 4)
{"overageStrategy": "ALLOW_1_25X_OVERAGE", "floating": true, "maxMachines": null, "maxUsers": 2} | overageStrategy | OVERAGE_STRATEGY_NOT_ALLOWED | incompatible overage strategy (cannot use ALLOW_1_25X_OVERAGE with a max users value not divisible by 4)
# metadata, strangers, older versions' names (07 §1.1)
{"metadata": {"a": [[[1]]]}} | metadata/a/0/0 | - | maximum depth of 2 exceeded
{"metadata": {"a": [[1]], "b": [[{}]]}} | metadata/b/0/0 | - | maximum depth of 2 exceeded
{"leasingStrategy": "PER_LICENSE"} | leasingStrategy | - | unpermitted parameter
{"fingerprintUniquenessStrategy": "UNIQUE_PER_LICENSE"} | fingerprintUniquenessStrategy | - | unpermitted parameter
{"fingerprintMatchingStrategy": "MATCH_ANY"} | fingerprintMatchingStrategy | - | unpermitted parameter
{"concurrent": true} | concurrent | - | unpermitted parameter
{"requireEnvironmentScope": true} | requireEnvironmentScope | - | unpermitted parameter
"#;

// 07 §2
#[test]
fn attributes_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let target = admin.policy(&product, json!({ "maxMachines": null }));
    let path = format!("policies/{}", id(&target));
    let table = REFUSED.replace("$256", &"x".repeat(256));
    for [attributes, name, code, detail] in rows(&table) {
        // Sent as written: numbers beyond 64 bits are no Rust numbers.
        let send = |method: &str, path: &str, attributes: &str, more: &str| {
            let body = format!("{{\"data\": {{\"type\": \"policies\", \"attributes\": {attributes} {more}}}}}");
            outcome(&admin.call(method, path, Some(body.as_bytes())))
        };
        let status = if code == "-" { 400 } else { 422 };
        let expected = format!("{status} {detail}|{code}|/data/attributes/{name}");
        let named = if attributes.contains("\"name\"") {
            attributes.to_owned()
        } else {
            attributes.replacen('{', "{\"name\": \"x\", ", 1)
        };
        let product = format!(", \"relationships\": {{\"product\": {}}}", link(&product));
        assert_eq!(send("POST", "policies", &named, &product), expected, "create {attributes}");
        let create_only =
            ["scheme", "usePool", "encrypted"].iter().find(|name| attributes.contains(&format!("\"{name}\"")));
        match create_only {
            Some(_) => assert!(
                send("PATCH", &path, attributes, "").starts_with("400 unpermitted parameter|-|/data/attributes/")
            ),
            None => assert_eq!(send("PATCH", &path, attributes, ""), expected, "update {attributes}"),
        }
    }
    let shown = admin.get(&path).ok(200)["data"].clone();
    assert_eq!(shown.to_string(), target.to_string(), "refused updates leave no trace");
    assert_eq!(counts(&server, &["policies"]), "policies 1");
    // names of values, each accepted
    for (name, values) in [
        (
            "machineUniquenessStrategy",
            &["UNIQUE_PER_ACCOUNT", "UNIQUE_PER_PRODUCT", "UNIQUE_PER_POLICY", "UNIQUE_PER_LICENSE"][..],
        ),
        ("machineMatchingStrategy", &["MATCH_ANY", "MATCH_TWO", "MATCH_MOST", "MATCH_ALL"]),
        (
            "componentUniquenessStrategy",
            &[
                "UNIQUE_PER_ACCOUNT",
                "UNIQUE_PER_PRODUCT",
                "UNIQUE_PER_POLICY",
                "UNIQUE_PER_LICENSE",
                "UNIQUE_PER_MACHINE",
            ],
        ),
        ("componentMatchingStrategy", &["MATCH_ANY", "MATCH_TWO", "MATCH_MOST", "MATCH_ALL"]),
        ("expirationStrategy", &["RESTRICT_ACCESS", "REVOKE_ACCESS", "MAINTAIN_ACCESS", "ALLOW_ACCESS"]),
        (
            "expirationBasis",
            &[
                "FROM_CREATION",
                "FROM_FIRST_VALIDATION",
                "FROM_FIRST_ACTIVATION",
                "FROM_FIRST_DOWNLOAD",
                "FROM_FIRST_USE",
            ],
        ),
        ("renewalBasis", &["FROM_EXPIRY", "FROM_NOW", "FROM_NOW_IF_EXPIRED"]),
        ("transferStrategy", &["RESET_EXPIRY", "KEEP_EXPIRY"]),
        ("authenticationStrategy", &["TOKEN", "LICENSE", "SESSION", "MIXED", "NONE"]),
        ("machineLeasingStrategy", &["PER_LICENSE", "PER_USER"]),
        ("processLeasingStrategy", &["PER_LICENSE", "PER_MACHINE", "PER_USER"]),
        ("overageStrategy", &["ALWAYS_ALLOW_OVERAGE", "ALLOW_2X_OVERAGE", "NO_OVERAGE"]),
        ("heartbeatCullStrategy", &["DEACTIVATE_DEAD", "KEEP_DEAD"]),
        (
            "heartbeatResurrectionStrategy",
            &[
                "NO_REVIVE",
                "1_MINUTE_REVIVE",
                "2_MINUTE_REVIVE",
                "5_MINUTE_REVIVE",
                "10_MINUTE_REVIVE",
                "15_MINUTE_REVIVE",
                "ALWAYS_REVIVE",
            ],
        ),
        ("heartbeatBasis", &["FROM_CREATION", "FROM_FIRST_PING"]),
        ("checkInInterval", &["day", "week", "month", "year", "never checked"]),
    ] {
        for value in values {
            let updated = admin.patch(&path, body("policies", json!({ name: value }))).ok(200);
            assert_eq!(updated["data"]["attributes"][name], *value);
        }
    }
    // unchecked while `requireCheckIn` is false, but for the column's range
    admin.patch(&path, body("policies", json!({ "checkInIntervalCount": 0 }))).ok(200);
    let answer = admin.patch(&path, body("policies", json!({ "checkInIntervalCount": 2_147_483_648i64 })));
    assert_eq!(answer.error(), "400 integer is too large|-|-");
    let answer = admin.patch(&path, body("policies", json!({ "requireCheckIn": true })));
    let expected = [
        "must be one of: day, week, month, year|CHECK_IN_INTERVAL_NOT_ALLOWED|/data/attributes/checkInInterval",
        "must be a number between 1 and 365 inclusive|CHECK_IN_INTERVAL_COUNT_NOT_ALLOWED|/data/attributes/checkInIntervalCount",
    ];
    assert_eq!((answer.status, answer.errors()), (422, expected.map(str::to_owned).to_vec()));
}

// 07 §2: types are never converted, bounds belong to what they bound, and what is fixed at creation cannot be sent again
#[test]
fn types_and_bounds() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let path = format!("policies/{}", id(&admin.policy(&product, json!({ "floating": true }))));
    let create_only = ["usePool", "scheme", "encrypted"];
    for (name, value) in writable(&others(), false).as_object().unwrap() {
        let (expected, wrong) = match value {
            Value::Bool(_) => ("boolean", vec![json!("true"), json!(1), json!([true])]),
            Value::Number(_) => ("integer", vec![json!("1"), json!(1.5), json!(true), json!({ "a": 1 })]),
            Value::String(_) => ("string", vec![json!(1), json!(false), json!(["TOKEN"])]),
            _ => ("object", vec![json!("{}"), json!(1), json!([1])]),
        };
        for value in wrong {
            let received = match &value {
                Value::Number(number) if number.is_i64() => "integer",
                Value::Number(_) => "float",
                Value::String(_) => "string",
                Value::Bool(_) => "boolean",
                Value::Array(_) => "array",
                _ => "object",
            };
            let mut attributes = json!({ "name": "x" });
            attributes[name] = value.clone();
            let error = format!("type mismatch (received {received} expected {expected})|-|/data/attributes/{name}");
            assert_eq!(
                admin.post("policies", of(&product, attributes)).error(),
                format!("400 {error}"),
                "create {name}"
            );
            let answer = admin.patch(&path, body("policies", json!({ name: value })));
            if create_only.contains(&name.as_str()) {
                assert_eq!(answer.error(), format!("400 unpermitted parameter|-|/data/attributes/{name}"));
            } else {
                assert_eq!(answer.error(), format!("400 {error}"), "update {name}");
            }
        }
    }
    for name in create_only.into_iter().chain(["created", "updated", "id"]) {
        let expected = format!("400 unpermitted parameter|-|/data/attributes/{name}");
        assert_eq!(admin.patch(&path, body("policies", json!({ name: null }))).error(), expected);
    }
    let most = 2_147_483_647i64;
    for (name, values) in [
        ("duration", &[86_400, most][..]),
        ("maxMachines", &[1, most]),
        ("maxProcesses", &[1, most]),
        ("maxUsers", &[1, most]),
        ("maxCores", &[1, most]),
        ("maxMemory", &[1, i64::MAX]),
        ("maxDisk", &[1, i64::MAX]),
        ("maxUses", &[0, most]),
        ("heartbeatDuration", &[60, most]),
        ("checkInIntervalCount", &[1, 365]),
    ] {
        for value in values {
            let attributes = json!({ "requireCheckIn": true, "checkInInterval": "year", "checkInIntervalCount": 2 });
            let mut attributes = if name.starts_with("checkIn") { attributes } else { json!({}) };
            attributes[name] = json!(value);
            let updated = admin.patch(&path, body("policies", attributes)).ok(200);
            assert_eq!(updated["data"]["attributes"][name], *value);
        }
    }
    // every scheme; `encrypted` belongs to one of them, and a pool to none (§2.2)
    for scheme in [
        "RSA_2048_PKCS1_ENCRYPT",
        "RSA_2048_PKCS1_SIGN",
        "RSA_2048_PKCS1_PSS_SIGN",
        "RSA_2048_JWT_RS256",
        "RSA_2048_PKCS1_SIGN_V2",
        "RSA_2048_PKCS1_PSS_SIGN_V2",
        "ED25519_SIGN",
        "ECDSA_P256_SIGN",
    ] {
        let made = admin.policy(&product, json!({ "scheme": scheme, "encrypted": false }));
        assert_eq!((&made["attributes"]["scheme"], &made["attributes"]["encrypted"]), (&json!(scheme), &json!(false)));
    }
    let encrypted = "cannot be encrypted and use a pool|ENCRYPTED_NOT_SUPPORTED|/data/attributes/encrypted";
    let schemed = "cannot use a scheme and use a pool|SCHEME_NOT_SUPPORTED|/data/attributes/scheme";
    let signing = "unsupported signing scheme|SCHEME_NOT_ALLOWED|/data/attributes/scheme";
    let legacy = "unsupported encryption scheme (scheme must be LEGACY_ENCRYPT for legacy encrypted policies)|SCHEME_NOT_ALLOWED|/data/attributes/scheme";
    let overage = "unsupported overage strategy|OVERAGE_STRATEGY_NOT_ALLOWED|/data/attributes/overageStrategy";
    // errors stand where their attribute's first one does (§2.9, 01 §10.1): the scheme's own before the pool's
    for (attributes, expected) in [
        (json!({ "encrypted": true }), vec![encrypted, schemed]),
        (json!({ "encrypted": true, "scheme": "LEGACY_ENCRYPT" }), vec![encrypted, schemed]),
        (json!({ "scheme": "X" }), vec![signing, schemed]),
        (json!({ "scheme": "X", "encrypted": true }), vec![legacy, schemed, encrypted]),
        (json!({ "scheme": "ED25519_SIGN", "encrypted": true }), vec![legacy, schemed, encrypted]),
        (json!({ "scheme": "ED25519_SIGN", "overageStrategy": "X" }), vec![schemed, overage]),
        (json!({ "encrypted": true, "overageStrategy": "X" }), vec![overage, encrypted, schemed]),
    ] {
        let mut pooled = attributes.clone();
        pooled["name"] = json!("x");
        pooled["usePool"] = json!(true);
        let answer = admin.post("policies", of(&product, pooled));
        assert_eq!(
            (answer.status, answer.errors()),
            (422, expected.into_iter().map(str::to_owned).collect()),
            "{attributes}"
        );
    }
}

// 07 §1.1, §2.2, §2.9
#[test]
fn bodies_and_the_order_of_errors() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let linked = |product: Value| {
        let relationships = json!({ "product": product });
        json!({ "data": { "type": "policies", "attributes": { "name": "x" }, "relationships": relationships } })
    };
    let mut chosen = linked(link(&product));
    chosen["data"]["id"] = json!(ZERO);
    for (body, expected) in [
        (body("policies", json!({ "name": "x" })), "400 is missing|-|/data/relationships"),
        (
            json!({ "data": { "type": "policies", "attributes": {}, "relationships": {} } }),
            "400 is missing|-|/data/relationships/product",
        ),
        (linked(json!(null)), "400 cannot be null|-|/data/relationships/product"),
        (linked(json!({})), "400 is missing|-|/data/relationships/product/data"),
        (linked(json!({ "data": null })), "400 cannot be null|-|/data/relationships/product/data"),
        (
            linked(json!({ "data": { "type": "policies", "id": ZERO } })),
            "400 is invalid|-|/data/relationships/product/data/type",
        ),
        (
            linked(json!({ "data": { "type": "products", "id": "x" } })),
            "400 type mismatch (received string expected UUID string)|-|/data/relationships/product/data/id",
        ),
        (
            linked(json!({ "data": { "type": "products", "id": ZERO } })),
            "422 must exist|PRODUCT_NOT_FOUND|/data/relationships/product",
        ),
        (
            of(&json!({ "type": "products", "id": ZERO }), json!({})),
            "422 must exist|PRODUCT_NOT_FOUND|/data/relationships/product; can't be blank|NAME_MISSING|/data/attributes/name",
        ),
        (of(&product, json!({})), "422 can't be blank|NAME_MISSING|/data/attributes/name"),
        (of(&product, json!({ "name": null })), "422 can't be blank|NAME_MISSING|/data/attributes/name"),
        (chosen, "400 unpermitted parameter|-|/data/id"),
    ] {
        assert_eq!(outcome(&admin.post("policies", body.clone())), expected, "{body}");
    }
    let answer = admin.patch(&format!("policies/{}", id(&admin.policy(&product, json!({})))), linked(link(&product)));
    assert_eq!(answer.error(), "400 unpermitted parameter|-|/data/relationships");
    let many: serde_json::Map<_, _> = (0..65).map(|i| (format!("k{i}"), json!(i))).collect();
    let everything = json!({
        "scheme": "X", "overageStrategy": "X", "maxUsers": 0,
        "maxProcesses": 0, "processLeasingStrategy": "X", "machineLeasingStrategy": "X", "transferStrategy": "X",
        "heartbeatBasis": "X", "heartbeatResurrectionStrategy": "X", "heartbeatCullStrategy": "X",
        "authenticationStrategy": "X", "metadata": many, "renewalBasis": "X", "expirationBasis": "X",
        "expirationStrategy": "X", "componentMatchingStrategy": "X", "componentUniquenessStrategy": "X",
        "machineMatchingStrategy": "X", "machineUniquenessStrategy": "X", "requireCheckIn": true, "maxUses": -1,
        "maxDisk": 0, "maxMemory": 0, "maxCores": 0, "maxMachines": -1, "heartbeatDuration": 0, "duration": 0
    });
    let answer = admin.post("policies", of(&json!({ "type": "products", "id": ZERO }), everything));
    let codes: Vec<&str> = answer.body["errors"].as_array().unwrap().iter().map(|e| text(&e["code"])).collect();
    let expected = "PRODUCT_NOT_FOUND NAME_MISSING DURATION_INVALID HEARTBEAT_DURATION_INVALID MAX_MACHINES_INVALID \
        MAX_CORES_INVALID MAX_MEMORY_INVALID MAX_DISK_INVALID MAX_USES_INVALID CHECK_IN_INTERVAL_NOT_ALLOWED \
        CHECK_IN_INTERVAL_COUNT_NOT_ALLOWED SCHEME_NOT_ALLOWED \
        MACHINE_UNIQUENESS_STRATEGY_NOT_ALLOWED MACHINE_MATCHING_STRATEGY_NOT_ALLOWED \
        COMPONENT_UNIQUENESS_STRATEGY_NOT_ALLOWED COMPONENT_MATCHING_STRATEGY_NOT_ALLOWED \
        EXPIRATION_STRATEGY_NOT_ALLOWED EXPIRATION_BASIS_NOT_ALLOWED RENEWAL_BASIS_NOT_ALLOWED METADATA_TOO_LONG \
        AUTHENTICATION_STRATEGY_NOT_ALLOWED HEARTBEAT_CULL_STRATEGY_NOT_ALLOWED \
        HEARTBEAT_RESURRECTION_STRATEGY_NOT_ALLOWED HEARTBEAT_BASIS_NOT_ALLOWED TRANSFER_STRATEGY_NOT_ALLOWED \
        MACHINE_LEASING_STRATEGY_NOT_ALLOWED PROCESS_LEASING_STRATEGY_NOT_ALLOWED MAX_PROCESSES_INVALID \
        MAX_USERS_INVALID OVERAGE_STRATEGY_NOT_ALLOWED";
    assert_eq!(codes.join(" "), expected);
    let error = json!({
        "title": "Unprocessable resource", "detail": "must be greater than 0", "code": "DURATION_INVALID",
        "source": { "pointer": "/data/attributes/duration" },
        "links": { "about": "https://keygen.sh/docs/api/policies/#policies-object-attrs-duration" }
    });
    assert_eq!(answer.body["errors"][2].to_string(), error.to_string());
}

// 07 §2.1–§2.3, §2.6, §9: what a value depends on
#[test]
fn defaults_depend_on_each_other() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let make = |attributes: Value| admin.policy(&product, attributes);
    for (attributes, name, expected) in [
        (json!({ "maxMachines": null }), "maxMachines", json!(1)),
        (json!({ "floating": true }), "maxMachines", json!(null)),
        (json!({ "floating": true, "maxMachines": 3 }), "maxMachines", json!(3)),
        (json!({ "requireHeartbeat": true }), "heartbeatBasis", json!("FROM_CREATION")),
        (json!({ "requireHeartbeat": true, "heartbeatBasis": null }), "heartbeatBasis", json!("FROM_CREATION")),
        (
            json!({ "requireHeartbeat": true, "heartbeatBasis": "FROM_FIRST_PING" }),
            "heartbeatBasis",
            json!("FROM_FIRST_PING"),
        ),
        (json!({ "heartbeatBasis": "FROM_CREATION" }), "heartbeatBasis", json!("FROM_CREATION")),
        (json!({ "encrypted": true }), "scheme", json!("LEGACY_ENCRYPT")),
        (json!({ "encrypted": true, "scheme": null }), "scheme", json!("LEGACY_ENCRYPT")),
        (json!({ "encrypted": true, "scheme": "LEGACY_ENCRYPT" }), "encrypted", json!(true)),
        (json!({ "usePool": true }), "usePool", json!(true)),
        (json!({ "strict": null, "expirationBasis": null }), "expirationBasis", json!("FROM_CREATION")),
        (
            json!({ "heartbeatResurrectionStrategy": "ALWAYS_REVIVE", "heartbeatCullStrategy": "KEEP_DEAD" }),
            "heartbeatResurrectionStrategy",
            json!("ALWAYS_REVIVE"),
        ),
    ] {
        assert_eq!(make(attributes.clone())["attributes"][name], expected, "{attributes}");
    }
    // updates are judged by the merged record
    let floating = format!("policies/{}", id(&make(json!({ "floating": true, "maxMachines": 5 }))));
    let node_locked = format!("policies/{}", id(&make(json!({}))));
    let heartbeat = format!("policies/{}", id(&make(json!({ "heartbeatCullStrategy": "KEEP_DEAD" }))));
    let locked = "422 must be equal to 1 for non-floating policy|MAX_MACHINES_INVALID|/data/attributes/maxMachines";
    let overage = "422 incompatible overage strategy (cannot use ALLOW_1_5X_OVERAGE with a max machines value not divisible by 2)|OVERAGE_STRATEGY_NOT_ALLOWED|/data/attributes/overageStrategy";
    for (path, attributes, expected) in [
        (&floating, json!({ "floating": false }), locked),
        (&floating, json!({ "floating": false, "maxMachines": null }), "ok"),
        (&floating, json!({ "floating": true, "maxMachines": 5 }), "ok"),
        (&floating, json!({ "floating": false, "maxMachines": 1 }), "ok"),
        (&floating, json!({ "floating": true, "maxMachines": 5 }), "ok"),
        (&floating, json!({ "overageStrategy": "ALLOW_1_5X_OVERAGE" }), overage),
        (&floating, json!({ "overageStrategy": "ALLOW_1_5X_OVERAGE", "maxMachines": 6 }), "ok"),
        (&floating, json!({ "maxMachines": 5 }), overage),
        (&node_locked, json!({ "maxMachines": 2 }), locked),
        (&node_locked, json!({ "maxMachines": null }), "ok"),
        (&node_locked, json!({ "requireHeartbeat": true }), "ok"),
        // an explicit KEEP_DEAD of an earlier request counts
        (&heartbeat, json!({ "heartbeatResurrectionStrategy": "ALWAYS_REVIVE" }), "ok"),
    ] {
        assert_eq!(outcome(&admin.patch(path, body("policies", attributes.clone()))), expected, "{attributes}");
    }
    let shown = admin.get(&node_locked).ok(200)["data"]["attributes"].clone();
    assert_eq!((&shown["maxMachines"], &shown["heartbeatBasis"]), (&json!(null), &json!("FROM_FIRST_PING")));
    // the account's protection is the default of new policies, and of nothing else (07 §2.1)
    server.sql("UPDATE accounts SET protected = 1");
    assert_eq!(make(json!({}))["attributes"]["protected"], true);
    assert_eq!(make(json!({ "protected": false }))["attributes"]["protected"], false);
    assert_eq!(admin.get(&node_locked).ok(200)["data"]["attributes"]["protected"], false);
}
