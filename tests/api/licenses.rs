//! Licenses (08 §2–§7, §10): documents, attributes, creation, lookups, actions. Bearers, keys of schemes, validation and
//! license files have files of their own.

use crate::authentication::*;
use crate::products::*;
use crate::protocol::{ZERO, rows};
use crate::support::*;
use serde_json::{Value, json};

/// Milliseconds of a time as the API writes it.
#[track_caller]
pub fn ms(value: &Value) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text(value)).unwrap_or_else(|e| panic!("{value}: {e}")).timestamp_millis()
}

/// A group with room for that many licenses.
pub fn group(server: &Server, room: Option<i64>) -> Value {
    let id = new_id();
    let room = room.map_or("NULL".to_owned(), |room| room.to_string());
    server.sql(&format!(
        "INSERT INTO groups (id, account_id, created_at, updated_at, name, max_licenses)
         SELECT '{id}', id, {now}, {now}, 'g', {room} FROM accounts",
        now = ago(0)
    ));
    json!({ "type": "groups", "id": id })
}

/// The body that creates a license.
pub fn of(policy: &Value, attributes: Value, relationships: Value) -> Value {
    let mut data = json!({ "type": "licenses", "attributes": attributes, "relationships": { "policy": link(policy) } });
    for (name, value) in relationships.as_object().into_iter().flatten() {
        data["relationships"][name] = value.clone();
    }
    json!({ "data": data })
}

/// `licenses/<id>`
pub fn path(license: &Value) -> String {
    format!("licenses/{}", id(license))
}

/// A license as it is now.
#[track_caller]
pub fn shown(server: &Server, license: &Value) -> Value {
    server.admin().get(&path(license)).ok(200)["data"].clone()
}

/// A whole license: `links` lists its to-one relationships but `account` and `environment`, in order.
fn document(account: &str, license: &Value, attributes: Value, links: [Value; 4]) -> String {
    let path = path(license);
    let mut relationships = global_relationships(account);
    for (name, data) in ["product", "policy", "group", "owner"].into_iter().zip(links) {
        relationships[name] = related(account, &format!("{path}/{name}"), Some(data));
    }
    for name in ["users", "machines", "tokens", "entitlements"] {
        relationships[name] = related(account, &format!("{path}/{name}"), None);
    }
    relationships["users"]["meta"] = license["relationships"]["users"]["meta"].clone();
    relationships["machines"]["meta"] = license["relationships"]["machines"]["meta"].clone();
    json!({
        "id": license["id"], "type": "licenses", "attributes": attributes, "relationships": relationships,
        "links": { "self": format!("/v1/accounts/{account}/{path}") }
    })
    .to_string()
}

fn identifier(record: &Value) -> Value {
    json!({ "type": record["type"], "id": record["id"] })
}

// 08 §2, §2.1, §14: the whole document, from every route that gives it
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    let product = admin.product();
    let policy = admin.policy(&product, json!({ "floating": true, "maxMachines": 5 }));
    // without `attributes` (08 §2.2)
    let linkage = json!({ "data": { "type": "policy", "id": policy["id"] } });
    let data = json!({ "type": "license", "relationships": { "policy": linkage } });
    let answer = admin.post("licenses", json!({ "data": data }));
    let bare = answer.ok(201)["data"].clone();
    assert_eq!(
        answer.header("location"),
        format!("http://localhost:{}/v1/accounts/{account}/{}", server.port, path(&bare))
    );
    let attributes = json!({
        "name": null, "key": bare["attributes"]["key"], "expiry": null, "status": "ACTIVE", "uses": 0,
        "suspended": false, "scheme": null, "encrypted": false, "strict": false, "floating": true, "protected": false,
        "version": null, "maxMachines": 5, "maxProcesses": null, "maxUsers": null, "maxCores": null, "maxMemory": null,
        "maxDisk": null, "maxUses": null, "requireHeartbeat": false, "requireCheckIn": false, "lastValidated": null,
        "lastCheckIn": null, "nextCheckIn": null, "lastCheckOut": null, "permissions": default_permissions("license"),
        "metadata": {}, "created": "T", "updated": "T"
    });
    let links = [identifier(&product), identifier(&policy), Value::Null, Value::Null];
    assert_eq!(timeless(&bare).to_string(), document(&account, &bare, attributes, links));
    assert_eq!(bare["relationships"]["users"]["meta"].to_string(), r#"{"count":0}"#);
    let none = r#"{"cores":0,"memory":0,"disk":0,"count":0}"#;
    assert_eq!(bare["relationships"]["machines"]["meta"].to_string(), none);

    // everything that can be said on create
    let policy = admin.policy(
        &product,
        json!({
            "duration": 86_400, "requireCheckIn": true, "checkInInterval": "week", "checkInIntervalCount": 2,
            "requireHeartbeat": true, "strict": true, "maxUses": 3, "maxCores": 3, "floating": true, "protected": true
        }),
    );
    let (owner, licensee, group) =
        (user(&server, "user", "o@example.com"), user(&server, "user", "l@example.com"), group(&server, None));
    let chosen = "0190a0b0-0000-4000-8000-00000000abcd";
    let mut create = of(
        &policy,
        json!({
            "name": "Ünï", "key": "My Key/1.0", "expiry": "2030-05-06T07:08:09.123456+02:00", "suspended": true,
            "protected": false, "maxMachines": 1, "maxProcesses": 2, "maxUsers": 3, "maxCores": 4, "maxMemory": 5,
            "maxDisk": 9_223_372_036_854_775_807i64, "maxUses": 7, "metadata": { "orderID": 1 },
            "permissions": ["token.read", "license.validate", "account.read"]
        }),
        json!({ "owner": link(&owner), "group": link(&group), "environment": { "data": null } }),
    );
    create["data"]["id"] = json!(chosen.to_uppercase());
    let full = admin.post("licenses", create).ok(201)["data"].clone();
    assert_eq!(id(&full), chosen);
    let next = chrono::DateTime::from_timestamp_millis(ms(&full["attributes"]["created"]) + 14 * 86_400_000).unwrap();
    let attributes = json!({
        "name": "Ünï", "key": "My Key/1.0", "expiry": "2030-05-06T05:08:09.123Z", "status": "SUSPENDED", "uses": 0,
        "suspended": true, "scheme": null, "encrypted": false, "strict": true, "floating": true, "protected": false,
        "version": null, "maxMachines": 1, "maxProcesses": 2, "maxUsers": 3, "maxCores": 4, "maxMemory": 5,
        "maxDisk": 9_223_372_036_854_775_807i64, "maxUses": 7, "requireHeartbeat": true, "requireCheckIn": true,
        "lastValidated": null, "lastCheckIn": full["attributes"]["created"],
        "nextCheckIn": next.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(), "lastCheckOut": null,
        // effective: what the owner has too (08 §2.3)
        "permissions": ["license.validate", "token.read"], "metadata": { "orderId": 1 }, "created": "T", "updated": "T"
    });
    let links = [identifier(&product), identifier(&policy), identifier(&group), identifier(&owner)];
    assert_eq!(timeless(&full).to_string(), document(&account, &full, attributes, links));

    // counters
    attach(&server, &full, &licensee);
    for (fingerprint, cores, memory) in [("a", json!(2), json!(3)), ("b", json!(null), json!(4))] {
        admin.create(
            "machines",
            json!({ "fingerprint": fingerprint, "cores": cores, "memory": memory }),
            json!({ "license": link(&bare) }),
        );
    }
    let counted = shown(&server, &bare)["relationships"].clone();
    assert_eq!(counted["machines"]["meta"].to_string(), r#"{"cores":2,"memory":7,"disk":0,"count":2}"#);
    let full = shown(&server, &full);
    assert_eq!(full["relationships"]["users"]["meta"], json!({ "count": 2 }));

    // the same from everywhere; links know nothing of how the license was named
    let by_key = "licenses/My%20Key%2F1.0";
    for path in [
        &path(&full),
        by_key,
        &path(&full).to_uppercase().replace("LICENSES", "licenses"),
        &path(&full).replace('-', ""),
    ] {
        assert_eq!(admin.get(path).ok(200).to_string(), json!({ "data": full }).to_string(), "{path}");
    }
    let bare = shown(&server, &bare);
    assert_eq!(admin.get("licenses").ok(200).to_string(), json!({ "data": [full, bare] }).to_string());
    let listed = admin.get(&format!("policies/{}/licenses", id(&policy))).ok(200);
    assert_eq!(listed.to_string(), json!({ "data": [full] }).to_string());
    assert_eq!(
        admin.get(&format!("policies/{}/licenses/My%20Key%2F1.0", id(&policy))).ok(200)["data"].to_string(),
        full.to_string()
    );
    let unchanged = json!({ "data": { "type": "licenses", "id": "anything", "attributes": {} } });
    for answer in [admin.patch(by_key, unchanged.clone()), admin.put(by_key, unchanged)] {
        assert_eq!(timeless(&answer.ok(200)["data"]).to_string(), timeless(&full).to_string());
    }
    assert_eq!(events_of(&server, &full), "license.created; license.updated; license.updated");
    // to-one relationships answer with the resources themselves (08 §9.1, §9.2)
    assert_eq!(admin.get(&format!("{by_key}/product")).ok(200).to_string(), json!({ "data": product }).to_string());
    assert_eq!(admin.get(&format!("{by_key}/policy")).ok(200).to_string(), json!({ "data": policy }).to_string());
}

/// Attributes of a node-locked policy's license | member | code, or `-` for 400 | detail.
const REFUSED: &str = r#"
{"name": "$1025"} | name | NAME_TOO_LONG | is too long (maximum is 1024 characters)
{"name": 7} | name | - | type mismatch (received integer expected string)
{"protected": "yes"} | protected | - | type mismatch (received string expected boolean)
{"suspended": 1} | suspended | - | type mismatch (received integer expected boolean)
{"expiry": "2024-13-45"} | expiry | - | failed to coerce string to time
{"expiry": true} | expiry | - | failed to coerce boolean to time
{"maxMachines": -1} | maxMachines | MAX_MACHINES_INVALID | must be greater than or equal to 0
{"maxMachines": 2147483648} | maxMachines | MAX_MACHINES_INVALID | must be less than or equal to 2147483647
{"maxMachines": 99999999999999999999} | maxMachines | MAX_MACHINES_INVALID | must be less than or equal to 2147483647
{"maxMachines": 2} | maxMachines | MAX_MACHINES_INVALID | must be equal to 1 for non-floating policy
{"maxMachines": "2"} | maxMachines | - | type mismatch (received string expected integer)
{"maxProcesses": -1} | maxProcesses | MAX_PROCESSES_INVALID | must be greater than or equal to 0
{"maxProcesses": 2147483648} | maxProcesses | MAX_PROCESSES_INVALID | must be less than or equal to 2147483647
{"maxUsers": -1} | maxUsers | MAX_USERS_INVALID | must be greater than or equal to 0
{"maxUsers": 2147483648} | maxUsers | MAX_USERS_INVALID | must be less than or equal to 2147483647
{"maxUses": -1} | maxUses | MAX_USES_INVALID | must be greater than or equal to 0
{"maxUses": 2147483648} | maxUses | MAX_USES_INVALID | must be less than or equal to 2147483647
{"maxCores": -1} | maxCores | MAX_CORES_INVALID | must be greater than or equal to 1
{"maxCores": 2147483648} | maxCores | MAX_CORES_INVALID | must be less than or equal to 2147483647
{"maxMemory": -1} | maxMemory | MAX_MEMORY_INVALID | must be greater than or equal to 1
{"maxMemory": 9223372036854775808} | maxMemory | MAX_MEMORY_INVALID | must be less than or equal to 9223372036854775807
{"maxDisk": -9223372036854775809} | maxDisk | MAX_DISK_INVALID | must be greater than or equal to 1
{"maxDisk": 9223372036854775808} | maxDisk | MAX_DISK_INVALID | must be less than or equal to 9223372036854775807
{"metadata": "x"} | metadata | - | type mismatch (received string expected object)
{"metadata": {"a": [[{}]]}} | metadata/a/0/0 | - | maximum depth of 2 exceeded
{"metadata": {"a": "$16384"}} | metadata | METADATA_TOO_LONG | too large (exceeded limit of 16384 bytes)
{"permissions": "*"} | permissions | - | type mismatch (received string expected array)
{"permissions": ["license.read", "nope"]} | permissions | PERMISSIONS_NOT_ALLOWED | unsupported permissions
{"permissions": ["license.read", "license.read"]} | permissions | PERMISSIONS_NOT_ALLOWED | unsupported permissions
{"permissions": ["license.create"]} | permissions | PERMISSIONS_NOT_ALLOWED | unsupported permissions
{"uses": 1} | uses | - | unpermitted parameter
{"status": "ACTIVE"} | status | - | unpermitted parameter
{"scheme": "ED25519_SIGN"} | scheme | - | unpermitted parameter
{"lastValidated": null} | lastValidated | - | unpermitted parameter
{"version": "1.0.0"} | version | - | unpermitted parameter
"#;

// 08 §2.2, §5
#[test]
fn attributes_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let (locked, floating) = (
        admin.policy(&product, json!({})),
        admin.policy(&product, json!({ "floating": true, "maxUses": 9, "maxCores": 8 })),
    );
    let (target, roomy) = (admin.license(&locked, json!({})), admin.license(&floating, json!({})));
    let before = shown(&server, &target);
    let table = REFUSED.replace("$1025", &"ß".repeat(1025)).replace("$16384", &"x".repeat(16_384));
    for [attributes, name, code, detail] in rows(&table) {
        // Sent as written: numbers beyond 64 bits are no Rust numbers.
        let send = |method: &str, path: &str, more: &str| {
            let body = format!("{{\"data\": {{\"type\": \"licenses\", \"attributes\": {attributes} {more}}}}}");
            outcome(&admin.call(method, path, Some(body.as_bytes())))
        };
        let expected = format!("{} {detail}|{code}|/data/attributes/{name}", if code == "-" { 400 } else { 422 });
        let policy = format!(", \"relationships\": {{\"policy\": {}}}", link(&locked));
        assert_eq!(send("POST", "licenses", &policy), expected, "create {attributes}");
        assert_eq!(send("PATCH", &path(&target), ""), expected, "update {attributes}");
    }
    assert_eq!(shown(&server, &target).to_string(), before.to_string());
    assert_eq!(counts(&server, &["licenses"]), "licenses 2");
    // one error for each code and pointer, the first; several attributes together
    let update = json!({ "maxMachines": -1, "maxUses": -1, "name": "x".repeat(1025), "maxCores": -5 });
    let codes: Vec<String> = admin
        .patch(&path(&target), body("licenses", update))
        .errors()
        .iter()
        .map(|e| e.split('|').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(codes, ["NAME_TOO_LONG", "MAX_MACHINES_INVALID", "MAX_CORES_INVALID", "MAX_USES_INVALID"]);
    let answer = admin.patch(&path(&target), body("licenses", json!({ "permissions": ["nope"] })));
    let about = "https://keygen.sh/docs/api/licenses/#licenses-object-attrs-permissions";
    assert_eq!(answer.body["errors"][0]["links"]["about"], about);
    let answer = admin.patch(&path(&target), body("licenses", json!({ "name": "a\0b" })));
    let null = "The request could not be completed because it contains an unexpected null byte (check encoding)";
    assert_eq!(answer.error(), format!("400 {null}|ENCODING_INVALID|-"));
    // what is accepted, one after the other, and what it shows as
    for (attributes, name, expected) in [
        (json!({ "name": "" }), "name", json!("")),
        (json!({ "name": "ß".repeat(1024) }), "name", json!("ß".repeat(1024))),
        (json!({ "name": null }), "name", json!(null)),
        (json!({ "expiry": "2020-02-30" }), "expiry", json!("2020-03-01T00:00:00.000Z")),
        (json!({ "expiry": 1_700_000_000 }), "expiry", json!("2023-11-14T22:13:20.000Z")),
        (json!({ "expiry": "1700000000" }), "expiry", json!("2023-11-14T22:13:20.000Z")),
        (json!({ "expiry": "" }), "expiry", json!(null)),
        (json!({ "expiry": "2030-01-01T00:00:00+01:00" }), "expiry", json!("2029-12-31T23:00:00.000Z")),
        (json!({ "expiry": "whenever" }), "expiry", json!(null)),
        (json!({ "expiry": 1_700_000_000, "suspended": true }), "status", json!("SUSPENDED")),
        (json!({ "expiry": null, "suspended": false }), "expiry", json!(null)),
        (json!({ "suspended": null }), "suspended", json!(false)),
        (json!({ "protected": true }), "protected", json!(true)),
        (json!({ "protected": null }), "protected", json!(true)),
        // a limit of zero is no override; null takes the override away
        (json!({ "maxUses": 0 }), "maxUses", json!(9)),
        (json!({ "maxUses": 12 }), "maxUses", json!(12)),
        (json!({ "maxUses": null }), "maxUses", json!(9)),
        (json!({ "maxCores": 0 }), "maxCores", json!(8)),
        (json!({ "maxCores": 1 }), "maxCores", json!(1)),
        (json!({ "maxMachines": 0 }), "maxMachines", json!(null)),
        (json!({ "maxMachines": 7 }), "maxMachines", json!(7)),
        (json!({ "maxDisk": 0, "maxMemory": 0, "maxProcesses": 0, "maxUsers": 0 }), "maxDisk", json!(null)),
        (json!({ "metadata": { "a": { "b": [1, 2] } } }), "metadata", json!({ "a": { "b": [1, 2] } })),
        (json!({ "metadata": null }), "metadata", json!({ "a": { "b": [1, 2] } })),
        (json!({ "metadata": {} }), "metadata", json!({})),
        (json!({ "permissions": ["license.read", "*"] }), "permissions", json!(["*", "license.read"])),
        (json!({ "permissions": null }), "permissions", json!(["*", "license.read"])),
        (json!({ "permissions": [] }), "permissions", json!([])),
    ] {
        let updated =
            admin.patch(&path(&roomy), body("licenses", attributes.clone())).ok(200)["data"]["attributes"].clone();
        assert_eq!(updated[name], expected, "{attributes}");
        assert!(ms(&updated["updated"]) >= ms(&updated["created"]));
    }
    let zero = json!({ "maxMachines": 0, "maxUses": 0 });
    assert_eq!(admin.license(&locked, zero)["attributes"]["maxMachines"], 1);
    // the envelope of an update
    for (body, expected) in [
        (Value::Null, "400 is missing|-|/data"),
        (json!({ "data": { "type": "licenses" } }), "400 is missing|-|/data/attributes"),
        (json!({ "data": { "attributes": {} } }), "400 is missing|-|/data/type"),
        (body("policies", json!({})), "400 is invalid|-|/data/type"),
        (body("licenses", json!({ "key": "NEW-KEY" })), "400 unpermitted parameter|-|/data/attributes/key"),
        (body("licenses", json!({ "key": null })), "400 unpermitted parameter|-|/data/attributes/key"),
        (of(&locked, json!({}), json!({})), "400 unpermitted parameter|-|/data/relationships"),
    ] {
        assert_eq!(outcome(&admin.patch(&path(&target), body.clone())), expected, "{body}");
    }
    // limits are looked at on every save: an override that the policy no longer allows (08 §2.2)
    admin.patch(&path(&roomy), body("licenses", json!({ "maxMachines": 10 }))).ok(200);
    admin
        .patch(&format!("policies/{}", id(&floating)), body("policies", json!({ "floating": false, "maxMachines": 1 })))
        .ok(200);
    let expected = "422 must be equal to 1 for non-floating policy|MAX_MACHINES_INVALID|/data/attributes/maxMachines";
    assert_eq!(admin.patch(&path(&roomy), body("licenses", json!({ "name": "n" }))).error(), expected);
    admin.patch(&path(&roomy), body("licenses", json!({ "maxMachines": null }))).ok(200);
}

// 08 §4.1–§4.3
#[test]
fn creation() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(&product, json!({}));
    let first = admin.license(&policy, json!({ "key": "TAKEN-1" }));
    let uuid = "0190a0b0-2222-7000-8000-000000000002";
    let at = |rest: &str, member: &str| format!("{rest}|/data/attributes/{member}");
    // the generated key, and given ones
    let shape = |key: &str| key.chars().map(|c| if c.is_ascii_hexdigit() { 'X' } else { c }).collect::<String>();
    let (one, two) = (admin.license(&policy, json!({})), admin.license(&policy, json!({ "key": null })));
    for license in [&one, &two] {
        assert_eq!(shape(key(license)), "XXXXXX-XXXXXX-XXXXXX-XXXXXX-XXXXXX-VX");
        assert!(key(license).ends_with("V3"));
        assert_eq!(key(license), key(license).to_uppercase());
    }
    assert_ne!(key(&one), key(&two));
    for given in ["{{id}}-{{expiry}}", "taken-1", uuid, "  six  ", "Actions", "ключ-🔑", &"k".repeat(16_384)] {
        assert_eq!(key(&admin.license(&policy, json!({ "key": given }))), given, "verbatim");
    }
    let short = "422 is too short (minimum is 6 characters)|KEY_TOO_SHORT";
    for (given, expected) in [
        (json!(""), at("400 cannot be blank|-", "key")),
        (json!(" "), at("400 cannot be blank|-", "key")),
        (json!(123_456), at("400 type mismatch (received integer expected string)|-", "key")),
        (json!("ключ!"), at(short, "key")),
        (json!("k".repeat(16_385)), at("422 is too long (maximum is 16384 characters)|KEY_TOO_LONG", "key")),
        (json!("actions"), at("422 is reserved|KEY_NOT_ALLOWED", "key")),
        (json!("action"), at("422 is reserved|KEY_NOT_ALLOWED", "key")),
        (json!("TAKEN-1"), at("422 has already been taken|KEY_TAKEN", "key")),
        (first["id"].clone(), at("422 must not conflict with another license's identifier (UUID)|KEY_CONFLICT", "key")),
    ] {
        assert_eq!(outcome(&admin.post("licenses", of(&policy, json!({ "key": given }), json!({})))), expected);
    }
    // client-chosen ids
    let with_id = |id: Value| {
        let mut create = of(&policy, json!({}), json!({}));
        create["data"]["id"] = id;
        admin.post("licenses", create)
    };
    let taken = "422 must not conflict with another license|ID_CONFLICT|/data/id";
    for (id, expected) in [
        (json!("x"), "400 type mismatch (received string expected UUID string)|-|/data/id"),
        (json!(1), "400 type mismatch (received integer expected UUID string)|-|/data/id"),
        (first["id"].clone(), taken),
        (json!(id(&first).to_uppercase().replace('-', "")), taken),
        (json!(null), "ok"),
        (json!("0190a0b0333370008000000000000003"), "ok"),
    ] {
        assert_eq!(outcome(&with_id(id)), expected);
    }
    // relationships
    let person = user(&server, "user", "p@example.com");
    let (full, empty) = (group(&server, Some(0)), group(&server, Some(1)));
    let nobody = |type_: &str| json!({ "data": { "type": type_, "id": ZERO } });
    let pointer = |rest: &str, name: &str| format!("{rest}|/data/relationships/{name}");
    let group_full = "422 license count has exceeded maximum allowed by current group";
    for (relationships, expected) in [
        (json!({ "policy": nobody("policies") }), pointer("422 must exist|POLICY_NOT_FOUND", "policy")),
        (json!({ "policy": null }), pointer("400 cannot be null|-", "policy")),
        (json!({ "policy": {} }), pointer("400 is missing|-", "policy/data")),
        (json!({ "policy": { "data": null } }), pointer("400 cannot be null|-", "policy/data")),
        (json!({ "policy": { "data": { "type": "policies" } } }), pointer("400 is missing|-", "policy/data/id")),
        (json!({ "owner": nobody("users") }), pointer("422 must exist|OWNER_NOT_FOUND", "owner")),
        (json!({ "user": nobody("user") }), pointer("422 must exist|OWNER_NOT_FOUND", "owner")),
        (json!({ "owner": {} }), pointer("400 is missing|-", "owner/data")),
        (json!({ "user": {} }), pointer("400 is missing|-", "user/data")),
        (json!({ "owner": 1 }), pointer("400 type mismatch (received integer expected object)|-", "owner")),
        (
            json!({ "owner": { "data": { "type": "licenses", "id": ZERO } } }),
            pointer("400 is invalid|-", "owner/data/type"),
        ),
        (json!({ "owner": null }), "ok".to_owned()),
        (json!({ "owner": { "data": null }, "group": { "data": null } }), "ok".to_owned()),
        (json!({ "group": nobody("groups") }), pointer("422 must exist|GROUP_NOT_FOUND", "group")),
        (json!({ "group": {} }), pointer("400 is missing|-", "group/data")),
        (json!({ "group": link(&full) }), pointer(&format!("{group_full} (0)|GROUP_LICENSE_LIMIT_EXCEEDED"), "group")),
        (json!({ "group": link(&empty) }), "ok".to_owned()),
        (json!({ "group": link(&empty) }), pointer(&format!("{group_full} (1)|GROUP_LICENSE_LIMIT_EXCEEDED"), "group")),
        (json!({ "product": link(&product) }), pointer("400 unpermitted parameter|-", "product")),
        (json!({ "users": { "data": [] } }), pointer("400 unpermitted parameter|-", "users")),
        (
            json!({ "policy": nobody("policies"), "owner": nobody("users") }),
            pointer("422 must exist|POLICY_NOT_FOUND|/data/relationships/policy; must exist|OWNER_NOT_FOUND", "owner"),
        ),
    ] {
        assert_eq!(
            outcome(&admin.post("licenses", of(&policy, json!({}), relationships.clone()))),
            expected,
            "{relationships}"
        );
    }
    let envelope = |data: Value| outcome(&admin.post("licenses", json!({ "data": data })));
    assert_eq!(outcome(&admin.post("licenses", Value::Null)), "400 is missing|-|/data");
    assert_eq!(envelope(json!({ "type": "licenses" })), "400 is missing|-|/data/relationships");
    assert_eq!(envelope(json!({ "type": "licenses", "relationships": {} })), pointer("400 is missing|-", "policy"));
    // the owner's group is taken when none is given, and must have room (08 §4.2)
    server.sql(&format!("UPDATE users SET group_id = '{}' WHERE id = '{}'", id(&empty), id(&person)));
    let owned = |relationships: Value| admin.post("licenses", of(&policy, json!({}), relationships));
    assert_eq!(
        owned(json!({ "owner": link(&person), "group": { "data": null } })).code(),
        "GROUP_LICENSE_LIMIT_EXCEEDED"
    );
    server.sql("UPDATE groups SET max_licenses = 2 WHERE max_licenses = 1");
    let made = owned(json!({ "user": link(&person) })).ok(201)["data"]["relationships"].clone();
    assert_eq!((&made["group"]["data"]["id"], &made["owner"]["data"]["id"]), (&empty["id"], &person["id"]));
    // `maxUsers` is not enforced here
    assert_eq!(admin.license(&policy, json!({ "maxUsers": 1 }))["attributes"]["maxUsers"], 1);
}

// 08 §0: `{license}` is a UUID or a key
#[test]
fn lookups() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(&product, json!({ "floating": true }));
    for (given, written) in [
        ("a.b.json", "a.b.json"),
        ("a/b/c-d", "a%2Fb%2Fc-d"),
        ("with space", "with%20space"),
        ("plus+plus", "plus+plus"),
        ("100%25!", "100%2525!"),
        ("?query#x", "%3Fquery%23x"),
        ("line\nfeed", "line%0Afeed"),
        ("ключ-🔑-x", "%D0%BA%D0%BB%D1%8E%D1%87-%F0%9F%94%91-x"),
        ("a:b@c;d,e", "a:b@c;d,e"),
        (".hidden", "%2Ehidden"),
        ("actions.", "actions."),
    ] {
        let license = admin.license(&policy, json!({ "key": given }));
        for suffix in ["", "/policy", "/entitlements", "/machines", "/tokens", "/actions/validate"] {
            admin.get(&format!("licenses/{written}{suffix}")).ok(200);
        }
        assert_eq!(admin.get(&format!("licenses/{written}")).ok(200)["data"]["id"], license["id"], "{given}");
        assert_eq!(
            admin.get(&format!("licenses/{}", written.to_uppercase().replace("ACTIONS", "Actions"))).status,
            if written.to_uppercase() == written { 200 } else { 404 },
            "{given}: exactly"
        );
    }
    for text in ["NOPE-NOPE", ZERO] {
        let expected = format!("404 The requested license '{text}' was not found|NOT_FOUND|-");
        for answer in [
            admin.get(&format!("licenses/{text}")),
            admin.patch(&format!("licenses/{text}"), Value::Null),
            admin.delete(&format!("licenses/{text}")),
            admin.post(&format!("licenses/{text}/actions/suspend"), Value::Null),
            admin.delete(&format!("licenses/{text}/actions/revoke")),
            admin.get(&format!("licenses/{text}/policy")),
            admin.post(&format!("licenses/{text}/actions/check-out"), json!({ "nope": 1 })),
        ] {
            assert_eq!(answer.error(), expected);
        }
    }
}

// 08 §10
#[test]
fn statuses() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let (owner, licensee) = (user(&server, "user", "o@example.com"), user(&server, "user", "l@example.com"));
    own(&server, &license, &owner);
    attach(&server, &license, &licensee);
    let (hour, day) = (3600, 86_400);
    let old = format!("created_at = {}", ago(91 * day));
    for (set, expected) in [
        ("expires_at = NULL".to_owned(), "ACTIVE"),
        (format!("expires_at = {}", ago(-73 * hour)), "ACTIVE"),
        (format!("expires_at = {}", ago(-71 * hour)), "EXPIRING"),
        (format!("expires_at = {}", ago(1)), "EXPIRED"),
        ("suspended = 1".to_owned(), "SUSPENDED"),
        (format!("suspended = 0, expires_at = {}, {old}", ago(-71 * hour)), "EXPIRING"),
        (format!("expires_at = NULL, {old}"), "INACTIVE"),
        (format!("last_validated_at = {}", ago(91 * day)), "INACTIVE"),
        (format!("last_validated_at = {}", ago(89 * day)), "ACTIVE"),
        (format!("last_validated_at = NULL, last_check_in_at = {}", ago(89 * day)), "ACTIVE"),
        (format!("last_check_in_at = NULL, last_check_out_at = {}", ago(89 * day)), "ACTIVE"),
        (format!("last_check_out_at = {}", ago(91 * day)), "INACTIVE"),
    ] {
        server.sql(&format!("UPDATE licenses SET {set}"));
        assert_eq!(shown(&server, &license)["attributes"]["status"], expected, "{set}");
    }
    server.sql(&format!("UPDATE users SET banned_at = 1 WHERE id = '{}'", id(&licensee)));
    assert_eq!(shown(&server, &license)["attributes"]["status"], "INACTIVE", "a licensee's ban bans nobody else");
    server
        .sql(&format!("UPDATE users SET banned_at = 1 WHERE id = '{}'; UPDATE licenses SET suspended = 1", id(&owner)));
    assert_eq!(shown(&server, &license)["attributes"]["status"], "BANNED");
}

// 08 §6, §7
#[test]
fn actions() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(&product, json!({ "duration": 2_629_746 }));
    let license = admin.license(&policy, json!({ "expiry": "2024-01-31T10:20:30.456Z" }));
    let act = |license: &Value, action: &str| admin.post(&format!("{}/actions/{action}", path(license)), Value::Null);
    // suspend and reinstate
    for (action, refused, suspended) in [
        ("suspend", "is already suspended", true),
        ("reinstate", "is not suspended", false),
        ("suspend", "is already suspended", true),
    ] {
        let mut expected = shown(&server, &license);
        let changed = act(&license, action).ok(200)["data"].clone();
        assert!(ms(&changed["attributes"]["updated"]) >= ms(&expected["attributes"]["updated"]));
        expected["attributes"]["suspended"] = json!(suspended);
        expected["attributes"]["status"] = json!(if suspended { "SUSPENDED" } else { "EXPIRED" });
        assert_eq!(timeless(&changed).to_string(), timeless(&expected).to_string());
        let answer = act(&license, action);
        assert_eq!(answer.error(), format!("422 {refused}|-|/data/attributes/suspended"));
        assert_eq!(answer.body["errors"][0]["title"], "Unprocessable entity");
    }
    // renew: a month on the calendar, from where the policy says (01 §8.3); a suspended license too
    for expected in ["2024-02-29T10:20:30.456Z", "2024-03-29T10:20:30.456Z"] {
        assert_eq!(act(&license, "renew").ok(200)["data"]["attributes"]["expiry"], expected);
    }
    let expected =
        "license.created; license.suspended; license.reinstated; license.suspended; license.renewed; license.renewed";
    assert_eq!(events_of(&server, &license), expected);
    let week = 604_800_000;
    for (basis, expiry, from_now) in [
        ("FROM_EXPIRY", ago(-86_400), false),
        ("FROM_EXPIRY", ago(86_400), false),
        ("FROM_NOW", ago(-86_400), true),
        ("FROM_NOW", ago(86_400), true),
        ("FROM_NOW_IF_EXPIRED", ago(-86_400), false),
        ("FROM_NOW_IF_EXPIRED", ago(86_400), true),
    ] {
        server.sql(&format!("UPDATE policies SET renewal_basis = '{basis}', duration = 604800"));
        server.sql(&format!("UPDATE licenses SET expires_at = {expiry}"));
        let renewed = act(&license, "renew").ok(200)["data"]["attributes"].clone();
        let from = if from_now { ms(&renewed["updated"]) } else { expiry };
        assert_eq!(ms(&renewed["expiry"]), from + week, "{basis}");
    }
    for (sql, detail) in [
        ("UPDATE licenses SET expires_at = NULL", "cannot be renewed because it does not have an expiry"),
        ("UPDATE policies SET duration = NULL", "cannot be renewed because the policy does not have a duration"),
    ] {
        server.sql(sql);
        let answer = act(&license, "renew");
        assert_eq!(answer.error(), format!("422 {detail}|-|-"));
        assert_eq!(answer.body["errors"][0]["title"], "Unprocessable entity");
    }
    // destroy and revoke take everything along and differ in the event
    let holder = admin.policy(&product, json!({ "floating": true }));
    let tables =
        ["machines", "machine_components", "machine_processes", "tokens", "license_users", "license_entitlements"];
    let entitlement = admin.entitlement("e");
    let person = user(&server, "user", "p@example.com");
    for (suffix, event) in [("", "license.deleted"), ("/actions/revoke", "license.revoked")] {
        let license = admin.license(&holder, json!({}));
        let before = counts(&server, &tables);
        attach(&server, &license, &person);
        let machine = admin.machine(&license, "fp");
        admin.create("components", json!({ "name": "c", "fingerprint": "c" }), json!({ "machine": link(&machine) }));
        admin.create("processes", json!({ "pid": "1" }), json!({ "machine": link(&machine) }));
        let token = admin.token_for(&license);
        let items = json!({ "data": [{ "type": "entitlements", "id": entitlement["id"] }] });
        admin.post(&format!("{}/entitlements", path(&license)), items).ok(200);
        assert_ne!(counts(&server, &tables), before);
        let answer = admin.delete(&format!("{}{suffix}", path(&license)));
        assert_eq!((answer.status, answer.bytes.len(), answer.header("content-type")), (204, 0, ""));
        assert_eq!(counts(&server, &tables), before);
        assert!(events_of(&server, &license).ends_with(&format!("; {event}")));
        assert_eq!(server.token(&token).get("me").code(), "TOKEN_INVALID");
        assert_eq!(admin.delete(&format!("{}{suffix}", path(&license))).status, 404);
    }
    let gone = "SELECT group_concat(event) FROM event_logs WHERE event LIKE '%.deleted' OR event LIKE '%.revoked'";
    assert_eq!(select(&server, gone), "license.deleted,license.revoked", "none for what went along");
}

// 08 §4.2, §4.5, D36, D37
#[test]
fn expiry_comes_with_its_basis() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let with = |basis: &str, attributes: Value| {
        let policy = admin.policy(&product, json!({ "duration": 604_800, "expirationBasis": basis, "floating": true }));
        admin.license(&policy, attributes)
    };
    let expiry = |license: &Value| shown(&server, license)["attributes"]["expiry"].clone();
    let week = 604_800_000;
    let given = "2040-01-01T00:00:00.000Z";
    for attributes in [json!({}), json!({ "expiry": null }), json!({ "expiry": "" })] {
        let made = with("FROM_CREATION", attributes)["attributes"].clone();
        assert_eq!(ms(&made["expiry"]), ms(&made["created"]) + week);
    }
    assert_eq!(with("FROM_CREATION", json!({ "expiry": given }))["attributes"]["expiry"], given);
    let perpetual = admin.license(&admin.policy(&product, json!({})), json!({}));
    assert_eq!(perpetual["attributes"]["expiry"], Value::Null);
    for basis in ["FROM_FIRST_VALIDATION", "FROM_FIRST_ACTIVATION", "FROM_FIRST_USE", "FROM_FIRST_DOWNLOAD"] {
        let license = with(basis, json!({}));
        assert_eq!(license["attributes"]["expiry"], Value::Null, "{basis}");
        // a look is no validation
        admin.get(&format!("{}/actions/validate", path(&license))).ok(200);
        assert_eq!(expiry(&license), Value::Null, "{basis}");
        // by anybody, and the answer does not show it yet
        let answer = server.anonymous().validate_key(key(&license), Value::Null);
        assert_eq!(answer["data"]["attributes"]["expiry"], Value::Null, "{basis}");
        if basis == "FROM_FIRST_VALIDATION" {
            assert_eq!(ms(&expiry(&license)), ms(&answer["meta"]["ts"]) + week);
        } else {
            assert_eq!(expiry(&license), Value::Null, "{basis}");
        }
        let machine = admin.machine(&license, "fp");
        if basis == "FROM_FIRST_ACTIVATION" {
            assert_eq!(ms(&expiry(&license)), ms(&machine["attributes"]["created"]) + week);
        }
        // set once: neither a second trigger nor another one moves it
        let before = expiry(&license);
        admin.post(&format!("{}/actions/validate", path(&license)), Value::Null).ok(200);
        admin.machine(&license, "fp2");
        assert_eq!(expiry(&license), before, "{basis}");
        assert!(!events_of(&server, &license).contains("license.updated"));
    }
    // also when the verdict is bad; a given expiry is never touched; one that is removed may come again (08 §5)
    let license = with("FROM_FIRST_VALIDATION", json!({ "suspended": true }));
    let answer = admin.post(&format!("{}/actions/validate", path(&license)), Value::Null).ok(200);
    assert_eq!(
        (&answer["meta"]["code"], ms(&expiry(&license))),
        (&json!("SUSPENDED"), ms(&answer["meta"]["ts"]) + week)
    );
    admin.patch(&path(&license), body("licenses", json!({ "expiry": given }))).ok(200);
    server.anonymous().validate_key(key(&license), Value::Null);
    assert_eq!(expiry(&license), given);
    admin.patch(&path(&license), body("licenses", json!({ "expiry": null }))).ok(200);
    assert_eq!(expiry(&license), Value::Null);
    server.anonymous().validate_key(key(&license), Value::Null);
    assert!(is_time(&expiry(&license)));
}
