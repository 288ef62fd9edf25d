//! Machines: documents, who may, attributes, lookup, lists (10 §1).

use crate::authentication::*;
use crate::authorization::*;
use crate::support::*;
use serde_json::{Value, json};

/// A create body.
pub fn machine(license: &Value, attributes: Value) -> Value {
    json!({ "data": {
        "type": "machines", "attributes": attributes, "relationships": { "license": link(license) }
    } })
}

pub fn update(attributes: Value) -> Value {
    json!({ "data": { "type": "machine", "attributes": attributes } })
}

pub fn path(machine: &Value) -> String {
    format!("machines/{}", id(machine))
}

/// `relationships.machines.meta` of a license.
pub fn counters(server: &Server, license: &Value) -> String {
    let license = server.admin().get(&format!("licenses/{}", id(license))).ok(200);
    license["data"]["relationships"]["machines"]["meta"].to_string()
}

pub fn unprocessable(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 422, "{}", String::from_utf8_lossy(&answer.bytes));
    answer.errors()
}

// 10 §1.2, §1.4: the whole document, from every route that gives it
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({ "floating": true, "maxProcesses": 9, "heartbeatDuration": 120 }));
    let account = select(&server, "SELECT id FROM accounts");
    let attributes = json!({
        "fingerprint": "AA:bb", "name": "", "ip": "not an address", "hostname": "h", "platform": "p", "cores": 4,
        "memory": 9_007_199_254_740_993_i64, "disk": 9_223_372_036_854_775_807_i64, "metadata": { "rack_no": { "Unit": [1] } }
    });
    let answer = admin.post("machines", machine(&license, attributes));
    let mut record = answer.ok(201)["data"].clone();
    let created = record["attributes"]["created"].clone();
    let related = |to: &str| format!("/v1/accounts/{account}{to}");
    let own = related(&format!("/machines/{}", id(&record)));
    let to_one = |name: &str, data: Value| json!({ "links": { "related": format!("{own}/{name}") }, "data": data });
    let product = license["relationships"]["product"]["data"].clone();
    let expected = json!({
        "id": record["id"],
        "type": "machines",
        "attributes": {
            "fingerprint": "AA:bb", "name": "", "ip": "not an address", "hostname": "h", "platform": "p",
            "cores": 4, "memory": 9_007_199_254_740_993_i64, "disk": 9_223_372_036_854_775_807_i64,
            "metadata": { "rackNo": { "unit": [1] } },
            "maxProcesses": 9, "requireHeartbeat": false, "heartbeatStatus": "NOT_STARTED", "heartbeatDuration": 120,
            "lastHeartbeat": null, "nextHeartbeat": null, "lastCheckOut": null, "created": created, "updated": created
        },
        "relationships": {
            "account": { "links": { "related": related("") }, "data": { "type": "accounts", "id": account } },
            "environment": { "links": { "related": null }, "data": null },
            "product": to_one("product", product),
            "group": to_one("group", Value::Null),
            "license": to_one("license", json!({ "type": "licenses", "id": license["id"] })),
            "owner": to_one("owner", Value::Null),
            "components": { "links": { "related": format!("{own}/components") } },
            "processes": { "links": { "related": format!("{own}/processes") } }
        },
        "links": { "self": own }
    });
    assert_eq!(record.to_string(), expected.to_string());
    assert_eq!(answer.header("location"), format!("http://localhost:{}{own}", server.port));
    assert_eq!(
        counters(&server, &license),
        r#"{"cores":4,"memory":9007199254740993,"disk":9223372036854775807,"count":1}"#
    );
    for path in [path(&record), "machines/AA:bb".to_owned(), format!("licenses/{}/machines/AA%3Abb", id(&license))] {
        assert_eq!(admin.get(&path).ok(200)["data"].to_string(), record.to_string(), "{path}");
    }
    for path in ["machines".to_owned(), format!("licenses/{}/machines", key(&license))] {
        assert_eq!(admin.get(&path).ok(200)["data"], json!([record]), "{path}");
    }
    // updates: merged, metadata replaced whole, null stored; `id` ignored; an event even when nothing changes
    let attributes = json!({ "name": "n", "cores": null, "memory": null, "disk": 1, "metadata": {}, "ip": null });
    let mut body = update(attributes);
    body["data"]["id"] = json!("anything");
    let updated = admin.patch("machines/AA:bb", body).ok(200)["data"].clone();
    for (name, value) in [("name", json!("n")), ("cores", json!(null)), ("memory", json!(null)), ("disk", json!(1))] {
        record["attributes"][name] = value;
    }
    record["attributes"]["metadata"] = json!({});
    record["attributes"]["ip"] = json!(null);
    record["attributes"]["updated"] = updated["attributes"]["updated"].clone();
    assert_eq!(updated.to_string(), record.to_string());
    assert_eq!(counters(&server, &license), r#"{"cores":0,"memory":0,"disk":1,"count":1}"#);
    admin.put(&path(&record), update(json!({ "metadata": null }))).ok(200);
    admin.patch(&path(&record), update(json!({}))).ok(200);
    assert_eq!(events(&server, "machine.updated"), "3");
    // relationships
    let shown = |name: &str| admin.get(&format!("{}/{name}", path(&record))).ok(200)["data"].clone();
    assert_eq!(
        (&shown("product")["id"], &shown("license")["id"]),
        (&record["relationships"]["product"]["data"]["id"], &license["id"])
    );
    assert_eq!((shown("components"), shown("processes")), (json!([]), json!([])));
    let gone = admin.delete("machines/AA%3Abb");
    assert_eq!((gone.status, gone.bytes.len()), (204, 0));
    assert_eq!(counters(&server, &license), r#"{"cores":0,"memory":0,"disk":0,"count":0}"#);
    let answer = admin.get("machines/AA%3Abb");
    assert_eq!(answer.error(), "404 The requested machine 'AA:bb' was not found|NOT_FOUND|-");
    for event in ["machine.created", "machine.deleted"] {
        assert_eq!(events(&server, event), "1", "{event}");
    }
}

// 10 §1.1
#[test]
fn who_may() {
    let cast = Cast::new(json!({ "floating": true }));
    let shown = path(&cast.machine);
    let get = |suffix: &str| cast.outcome(|c| c.get(&format!("{shown}{suffix}")));
    let readers = "ok: A D S Su R P L Uo Um Ua; 401: X; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.get("machines")), "ok: A D S Su R P L Uo Um Ua P2 L2 U; 401: X");
    for (name, seen) in [("P", 1), ("L", 1), ("Uo", 1), ("Um", 1), ("Ua", 1), ("P2", 0), ("L2", 0), ("U", 0)] {
        let list = cast.client(name).get("machines").ok(200);
        assert_eq!(list["data"].as_array().unwrap().len(), seen, "{name}");
    }
    for suffix in ["", "/license", "/components", "/processes"] {
        assert_eq!(get(suffix), readers, "{suffix}");
    }
    assert_eq!(get("/product"), "ok: A D S Su R P; 401: X; 403: L Uo Um Ua; 404: P2 L2 U");
    let answer = cast.client("L").get(&format!("{shown}/product"));
    assert_eq!(reason(&answer), "license lacks permission to perform action");

    let patch = || cast.outcome(|c| c.patch(&shown, update(json!({ "name": "x" }))));
    let delete = || cast.outcome(|c| c.delete(&path(&cast.fresh_machine())));
    let act = |action: &str| cast.outcome(|c| c.post(&format!("{shown}/actions/{action}"), Value::Null));
    let take = || cast.outcome(|c| c.get(&format!("{shown}/actions/check-out")));
    let outcome = |who: &str, not: &str| format!("ok: {who}; 401: X; 403: {not}; 404: P2 L2 U");
    cast.protect(false);
    assert_eq!(patch(), outcome("A D S Su P L Uo Um", "R Ua"));
    assert_eq!(delete(), outcome("A D S P L Uo Um", "Su R Ua"));
    assert_eq!([act("ping"), act("ping-heartbeat")], [(); 2].map(|()| outcome("A D P L Uo Um", "S Su R Ua")));
    assert_eq!([act("check-out"), take()], [(); 2].map(|()| outcome("A D S Su P L Uo Um Ua", "R")));
    cast.protect(true);
    assert_eq!(patch(), outcome("A D S Su P", "R L Uo Um Ua"));
    assert_eq!(delete(), outcome("A D S P L", "Su R Uo Um Ua"));
    assert_eq!([act("ping"), act("ping-heartbeat")], [(); 2].map(|()| outcome("A D P L", "S Su R Uo Um Ua")));
    assert_eq!([act("check-out"), take()], [(); 2].map(|()| outcome("A D S Su P L", "R Uo Um Ua")));
    assert_eq!([act("reset"), act("reset-heartbeat")], [(); 2].map(|()| outcome("A D S P", "Su R L Uo Um Ua")));
    cast.protect(false);
    cast.grant_everything();
    assert_eq!(get("/product"), readers);
    assert_eq!(
        reason(&cast.client("L").post(&format!("{shown}/actions/reset"), Value::Null)),
        "license lacks permission to perform action"
    );
    // a policy's protection counts where the license has none of its own
    cast.server.sql("UPDATE licenses SET protected = NULL; UPDATE policies SET protected = 1");
    assert_eq!(patch(), outcome("A D S Su P", "R L Uo Um Ua"));
}

// 10 §0, §1.4: activation
#[test]
fn who_activates() {
    let cast = Cast::new(json!({ "floating": true }));
    let create = |license: &Value, owner: Option<Value>| {
        cast.outcome(|c| {
            let mut body = machine(license, json!({ "fingerprint": new_id() }));
            if let Some(owner) = &owner {
                body["data"]["relationships"]["owner"] = owner.clone();
            }
            c.post("machines", body)
        })
    };
    let by_email = |email: &str| {
        let id = select(&cast.server, &format!("SELECT id FROM users WHERE email = '{email}@example.com'"));
        Some(json!({ "data": { "type": "users", "id": id } }))
    };
    let unknown = json!({ "type": "licenses", "id": new_id() });
    for (protected, owner, expected) in [
        (false, None, "ok: A D S P L Uo; 401: X; 403: Su R Um Ua P2 L2 U"),
        (false, Some(json!({ "data": null })), "ok: A D S P L Uo; 401: X; 403: Su R Um Ua P2 L2 U"),
        (false, Some(json!(null)), "ok: A D S P L Uo; 401: X; 403: Su R Um Ua P2 L2 U"),
        (false, by_email("uo"), "ok: A D S P L Uo; 401: X; 403: Su R Um Ua P2 L2 U"),
        (false, by_email("ua"), "ok: A D S P L Uo Ua; 401: X; 403: Su R Um P2 L2 U"),
        (false, by_email("u"), "401: X; 403: Su R Um Ua P2 L2 U; 422: A D S P L Uo"),
        (true, None, "ok: A D S P L; 401: X; 403: Su R Uo Um Ua P2 L2 U"),
        (true, by_email("ua"), "ok: A D S P L; 401: X; 403: Su R Uo Um Ua P2 L2 U"),
    ] {
        cast.protect(protected);
        assert_eq!(create(&cast.license, owner.clone()), expected, "{protected} {owner:?}");
    }
    assert_eq!(create(&unknown, None), "401: X; 403: Su R P L Uo Um Ua P2 L2 U; 422: A D S");
    let activate = |name: &str| cast.client(name).activate(&cast.license, "x");
    assert_eq!(reason(&activate("Ua")), NO_REASON);
    assert_eq!(reason(&activate("R")), "read only lacks permission to perform action");
    let answer = cast.client("A").activate(&unknown, "x");
    let expected = ["license", "policy"]
        .map(|name| format!("must exist|{}_NOT_FOUND|/data/relationships/{name}", name.to_uppercase()));
    assert_eq!(unprocessable(&answer), expected);
    // the owner is never filled in; a group only for the vendor's side
    cast.protect(false);
    let mine = cast.client("Uo").activate(&cast.license, "mine").ok(201);
    assert_eq!(mine["data"]["relationships"]["owner"]["data"], Value::Null);
    let mut body = machine(&cast.license, json!({ "fingerprint": "g" }));
    body["data"]["relationships"]["group"] = json!({ "data": null });
    let refused = |name: &str| cast.client(name).post("machines", body.clone()).status;
    assert_eq!(["L", "Uo", "R", "Su", "P"].map(refused), [400, 400, 400, 403, 201]);
    let answer = cast.client("L").post("machines", body.clone());
    assert_eq!(answer.error(), "400 unpermitted parameter|-|/data/relationships/group");
    // activation looks neither at expiry nor at suspension
    cast.server.sql("UPDATE licenses SET expires_at = 1, suspended = 1");
    cast.client("L").activate(&cast.license, "late").ok(201);
}

// 10 §1.2: create
#[test]
fn attributes_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({ "floating": true }));
    let existing = admin.machine(&license, "taken");
    let (long, longer) = ("é".repeat(256), "x".repeat(4097));
    let wide: serde_json::Map<_, _> = (0..65).map(|i| (format!("k{i}"), json!(1))).collect();
    let absent = json!("(absent)");
    let integer = "400 type mismatch (received integer expected string)|-";
    let (low, high) = ("422 must be greater than or equal to 1", "422 must be less than or equal to 2147483647");
    let uuid_taken = "422 must not conflict with another machine's identifier (UUID)|FINGERPRINT_CONFLICT";
    for (name, value, expected) in [
        ("fingerprint", absent.clone(), "400 is missing|-"),
        ("fingerprint", json!(null), "400 cannot be null|-"),
        ("fingerprint", json!(""), "400 cannot be blank|-"),
        ("fingerprint", json!(" \n"), "400 cannot be blank|-"),
        ("fingerprint", json!(1), integer),
        ("fingerprint", json!(longer), "422 is too long (maximum is 4096 characters)|FINGERPRINT_TOO_LONG"),
        ("fingerprint", json!("actions"), "422 is reserved|FINGERPRINT_NOT_ALLOWED"),
        ("fingerprint", json!("action"), "422 is reserved|FINGERPRINT_NOT_ALLOWED"),
        ("fingerprint", json!("taken"), "422 has already been taken|FINGERPRINT_TAKEN"),
        ("fingerprint", json!(id(&existing).to_uppercase()), uuid_taken),
        ("name", json!(long), "422 is too long (maximum is 255 characters)|NAME_TOO_LONG"),
        ("ip", json!(long), "422 is too long (maximum is 255 characters)|IP_TOO_LONG"),
        ("hostname", json!(long), "422 is too long (maximum is 255 characters)|HOSTNAME_TOO_LONG"),
        ("platform", json!(long), "422 is too long (maximum is 255 characters)|PLATFORM_TOO_LONG"),
        ("platform", json!(1), integer),
        ("cores", json!("1"), "400 type mismatch (received string expected integer)|-"),
        ("cores", json!(0), &format!("{low}|CORES_INVALID")),
        ("cores", json!(1_i64 << 31), &format!("{high}|CORES_INVALID")),
        ("memory", json!(-1), &format!("{low}|MEMORY_INVALID")),
        ("disk", json!(0), &format!("{low}|DISK_INVALID")),
        ("disk", json!(1.5), "400 type mismatch (received float expected integer)|-"),
        ("metadata", json!([]), "400 type mismatch (received array expected object)|-"),
        ("metadata", json!(wide), "422 too many keys (exceeded limit of 64 keys)|METADATA_TOO_LONG"),
        (
            "metadata",
            json!({ "a": "x".repeat(16_384) }),
            "422 too large (exceeded limit of 16384 bytes)|METADATA_TOO_LONG",
        ),
        ("maxProcesses", json!(1), "400 unpermitted parameter|-"),
        ("lastHeartbeat", json!(null), "400 unpermitted parameter|-"),
    ] {
        let mut attributes = json!({ "fingerprint": "fresh" });
        attributes[name] = value.clone();
        if value == absent {
            attributes = json!({});
        }
        let answer = admin.post("machines", machine(&license, attributes));
        assert_eq!(answer.error(), format!("{expected}|/data/attributes/{name}"), "{name} {value}");
    }
    let deep = json!({ "fingerprint": "x", "metadata": { "a": { "b": { "c": {} } } } });
    let answer = admin.post("machines", machine(&license, deep));
    assert_eq!(answer.error(), "400 maximum depth of 2 exceeded|-|/data/attributes/metadata/a/b/c");
    // beyond 64 bits
    let huge = machine(&license, json!({ "fingerprint": "f", "memory": 777 })).to_string();
    let huge = huge.replace("777", "9223372036854775808");
    let most = "422 must be less than or equal to 9223372036854775807|MEMORY_INVALID|/data/attributes/memory";
    assert_eq!(admin.call("POST", "machines", Some(huge.as_bytes())).error(), most);
    let answer = admin.post("machines", machine(&license, json!({ "fingerprint": "f", "ip": long })));
    let about = "https://keygen.sh/docs/api/machines/#machines-object-attrs-ip";
    assert_eq!(answer.body["errors"][0]["links"]["about"], about);
    assert_eq!(answer.body["errors"][0]["title"], "Unprocessable resource");

    // the body around them
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = machine(&license, json!({ "fingerprint": "x" }));
        change(&mut body);
        admin.post("machines", body).error()
    };
    let mismatch = "400 type mismatch (received string expected UUID string)|-|";
    assert_eq!(with(&|b| b["data"]["id"] = json!("x")), format!("{mismatch}/data/id"));
    assert_eq!(
        with(&|b| b["data"]["id"] = existing["id"].clone()),
        "422 must not conflict with another machine|ID_CONFLICT|/data/id"
    );
    assert_eq!(with(&|b| b["data"]["type"] = json!("computers")), "400 is invalid|-|/data/type");
    assert_eq!(with(&|b| b["data"]["links"] = json!({})), "400 unpermitted parameter|-|/data/links");
    assert_eq!(with(&|b| b["meta"] = json!({})), "400 unpermitted parameter|-|/meta");
    let relationships = "/data/relationships";
    assert_eq!(with(&|b| b["data"]["relationships"] = json!({})), format!("400 is missing|-|{relationships}/license"));
    let without = |name: &str| {
        with(&|body| {
            body["data"].as_object_mut().unwrap().shift_remove(name);
        })
    };
    assert_eq!(without("relationships"), format!("400 is missing|-|{relationships}"));
    assert_eq!(without("attributes"), "400 is missing|-|/data/attributes");
    assert_eq!(
        with(&|b| b["data"]["relationships"]["license"] = json!({ "data": null })),
        format!("400 cannot be null|-|{relationships}/license/data")
    );
    assert_eq!(
        with(&|b| b["data"]["relationships"]["license"]["data"]["id"] = json!(key(&license))),
        format!("{mismatch}{relationships}/license/data/id")
    );
    assert_eq!(admin.post("machines", Value::Null).error(), "400 is missing|-|/data");
    let unknown = json!({ "data": { "type": "users", "id": new_id() } });
    let error = with(&|b| b["data"]["relationships"]["owner"] = unknown.clone());
    assert_eq!(error, format!("422 must exist|OWNER_NOT_FOUND|{relationships}/owner"));
    // a chosen id is kept, whatever its form
    let chosen = "0F1E2D3C4B5A49788796A5B4C3D2E1F0";
    let mut body = machine(&license, json!({ "fingerprint": "chosen", "name": null, "cores": null, "metadata": null }));
    body["data"]["id"] = json!(chosen);
    let made = admin.post("machines", body).ok(201);
    assert_eq!(made["data"]["id"], "0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0");
    assert_eq!(made["data"]["attributes"]["metadata"], json!({}));
}

// 10 §1.2, §1.9: who may change what
#[test]
fn updates_by_bearer() {
    let cast = Cast::new(json!({}));
    let shown = path(&cast.machine);
    for (name, status) in
        [("A", 200), ("D", 200), ("S", 200), ("P", 200), ("Su", 400), ("L", 400), ("Uo", 400), ("Um", 400)]
    {
        let client = cast.client(name);
        for attribute in ["cores", "memory", "disk", "metadata"] {
            let value = if attribute == "metadata" { json!({ "by": name }) } else { json!(2) };
            let answer = client.patch(&shown, update(json!({ attribute: value })));
            assert_eq!(answer.status, status, "{name} {attribute}");
            if status == 400 {
                let error = format!("400 unpermitted parameter|-|/data/attributes/{attribute}");
                assert_eq!(answer.error(), error);
                let null = client.patch(&shown, update(json!({ attribute: null })));
                assert_eq!(null.error(), error, "null counts as sent");
            }
        }
        for attribute in ["name", "ip", "hostname", "platform"] {
            let value = format!("by {name}");
            let changed = client.patch(&shown, update(json!({ attribute: value }))).ok(200);
            assert_eq!(changed["data"]["attributes"][attribute], value);
            let cleared = client.patch(&shown, update(json!({ attribute: null }))).ok(200);
            assert_eq!(cleared["data"]["attributes"][attribute], Value::Null);
        }
        client.patch(&shown, update(json!({}))).ok(200);
    }
    let admin = cast.client("A");
    let mut related = update(json!({}));
    related["data"]["relationships"] = json!({});
    for (body, expected) in [
        (update(json!({ "fingerprint": "x" })), "400 unpermitted parameter|-|/data/attributes/fingerprint"),
        (update(json!({ "maxProcesses": 1 })), "400 unpermitted parameter|-|/data/attributes/maxProcesses"),
        (related, "400 unpermitted parameter|-|/data/relationships"),
        (json!({ "data": { "type": "machines" } }), "400 is missing|-|/data/attributes"),
        (json!({ "data": { "attributes": {} } }), "400 is missing|-|/data/type"),
        (update(json!({ "cores": 0 })), "422 must be greater than or equal to 1|CORES_INVALID|/data/attributes/cores"),
        (Value::Null, "400 is missing|-|/data"),
    ] {
        assert_eq!(admin.patch(&shown, body.clone()).error(), expected, "{body}");
    }
    // create takes everything from everybody
    let attributes = json!({ "fingerprint": "all", "cores": 1, "memory": 1, "disk": 1, "metadata": { "a": 1 } });
    cast.server.sql("UPDATE policies SET floating = 1, max_machines = NULL");
    let made = cast.client("L").post("machines", machine(&cast.license, attributes)).ok(201);
    assert_eq!(made["data"]["attributes"]["metadata"], json!({ "a": 1 }));
    // the license's own limit on processes goes before the policy's; zero is none
    let shown_max = || admin.get(&shown).ok(200)["data"]["attributes"]["maxProcesses"].clone();
    for (own, policy, expected) in
        [("NULL", "NULL", json!(null)), ("NULL", "7", json!(7)), ("3", "7", json!(3)), ("0", "7", json!(7))]
    {
        cast.server
            .sql(&format!("UPDATE licenses SET max_processes = {own}; UPDATE policies SET max_processes = {policy}"));
        assert_eq!(shown_max(), expected, "{own} {policy}");
    }
}

// 10 §1.1: `{id}`
#[test]
fn lookups() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(&product, json!({ "floating": true }));
    let license = admin.license(&policy, json!({}));
    for (fingerprint, path) in [
        ("a.b.json", "a.b.json"),
        ("4d:Eq:UV", "4d:Eq:UV"),
        ("sp ace+%", "sp%20ace+%25"),
        ("slash/ed", "slash%2Fed"),
        ("line\n", "line%0A"),
        ("ключ", "%D0%BA%D0%BB%D1%8E%D1%87"),
    ] {
        let made = admin.machine(&license, fingerprint);
        assert_eq!(admin.get(&format!("machines/{path}")).ok(200)["data"]["id"], made["id"], "{fingerprint}");
        admin.post(&format!("machines/{path}/actions/ping"), Value::Null).ok(200);
    }
    for (path, decoded) in [("4d%3Aeq%3Auv", "4d:eq:uv"), ("line", "line"), ("4d:Eq:UV%0A", "4d:Eq:UV\n")] {
        let answer = admin.get(&format!("machines/{path}"));
        assert_eq!(answer.error(), format!("404 The requested machine '{decoded}' was not found|NOT_FOUND|-"));
    }
    // shaped like a UUID: id and fingerprint; the oldest wins
    let old = admin.machine(&license, "old");
    let dashless = id(&old).replace('-', "").to_uppercase();
    assert_eq!(admin.get(&format!("machines/{dashless}")).ok(200)["data"]["id"], old["id"]);
    let fingerprint = new_id();
    let first = admin.machine(&license, &fingerprint);
    let mut body = machine(&license, json!({ "fingerprint": "second" }));
    body["data"]["id"] = json!(fingerprint);
    admin.post("machines", body).ok(201);
    assert_eq!(admin.get(&format!("machines/{fingerprint}")).ok(200)["data"]["id"], first["id"]);
    // the same fingerprint on several licenses: the oldest in the bearer's scope
    let other = admin.license(&policy, json!({}));
    let copy = admin.machine(&other, "old");
    assert_eq!(admin.get("machines/old").ok(200)["data"]["id"], old["id"]);
    let app = server.token(&admin.token_for(&other));
    assert_eq!(app.get("machines/old").ok(200)["data"]["id"], copy["id"]);
    app.delete("machines/old").ok(204);
    assert_eq!(app.get("machines/old").status, 404);
    let nested = admin.get(&format!("licenses/{}/machines/old", id(&other)));
    assert_eq!(nested.error(), "404 The requested machine 'old' was not found|NOT_FOUND|-");
}

// 10 §1.11
#[test]
fn filters_and_pages() {
    let server = Server::start();
    let admin = server.admin();
    let licenses = [(); 2].map(|()| admin.quick_license(json!({ "floating": true })));
    let mut made = Vec::new();
    for (i, license) in [&licenses[0], &licenses[0], &licenses[1]].into_iter().enumerate() {
        let attributes =
            json!({ "fingerprint": format!("f{i}"), "ip": format!("10.0.0.{i}"), "hostname": format!("h{i}") });
        made.push(admin.post("machines", machine(license, attributes)).ok(201)["data"].clone());
    }
    let found = |query: &str| {
        let list = admin.get(&format!("machines?{query}")).ok(200);
        let names: Vec<_> =
            list["data"].as_array().unwrap().iter().map(|m| text(&m["attributes"]["fingerprint"]).to_owned()).collect();
        names.join(" ")
    };
    let linked = |name: &str| text(&licenses[0]["relationships"][name]["data"]["id"]).to_owned();
    for (query, expected) in [
        ("".to_owned(), "f2 f1 f0"),
        ("order=asc&limit=2".to_owned(), "f0 f1"),
        ("fingerprint=f1".to_owned(), "f1"),
        ("fingerprint=F1".to_owned(), ""),
        ("ip=10.0.0.2".to_owned(), "f2"),
        ("hostname=h0".to_owned(), "f0"),
        (format!("license={}", id(&licenses[0])), "f1 f0"),
        (format!("license={}", id(&licenses[0]).replace('-', "").to_uppercase()), "f1 f0"),
        (format!("policy={}", linked("policy")), "f1 f0"),
        (format!("product={}", linked("product")), "f1 f0"),
        (format!("key={}", key(&licenses[1])), "f2"),
        (format!("key={}&fingerprint=f0", key(&licenses[1])), ""),
        (format!("license={}", key(&licenses[0])), ""),
        ("group=nope".to_owned(), ""),
        ("license=&ip=%20&hostname[]=h0&colour=red".to_owned(), "f2 f1 f0"),
    ] {
        assert_eq!(found(&query), expected, "{query}");
    }
    let page = admin.get("machines?page[number]=2&page[size]=2").ok(200);
    assert_eq!(page["data"], json!([made[0]]));
    assert_eq!(page["links"]["meta"], json!({ "pages": 2, "count": 3 }));
    // below a license: `fingerprint` and few others (08 §9.8)
    for (query, expected) in [("fingerprint=f1", 1), ("ip=10.0.0.1", 2), ("hostname=h0&key=x", 2)] {
        let list = admin.get(&format!("licenses/{}/machines?{query}", id(&licenses[0]))).ok(200);
        assert_eq!(list["data"].as_array().unwrap().len(), expected, "{query}");
    }
    // 400 before 403
    let reader = as_bearer(&server, &user(&server, "user", "ada@example.com"));
    server.sql("UPDATE users SET permissions = '[]' WHERE role = 'user'");
    assert_eq!((reader.get("machines?limit=0").status, reader.get("machines").status), (400, 403));
}
