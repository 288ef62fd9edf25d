//! Machines: documents, who may, attributes, lookup, uniqueness, limits, counters, machine files (10 §1, §5).

use crate::authentication::*;
use crate::authorization::*;
use crate::support::*;
use serde_json::{Value, json};

/// A create body.
fn machine(license: &Value, attributes: Value) -> Value {
    json!({ "data": {
        "type": "machines", "attributes": attributes, "relationships": { "license": link(license) }
    } })
}

fn update(attributes: Value) -> Value {
    json!({ "data": { "type": "machine", "attributes": attributes } })
}

fn path(machine: &Value) -> String {
    format!("machines/{}", id(machine))
}

/// `relationships.machines.meta` of a license.
fn counters(server: &Server, license: &Value) -> String {
    let license = server.admin().get(&format!("licenses/{}", id(license))).ok(200);
    license["data"]["relationships"]["machines"]["meta"].to_string()
}

fn unprocessable(answer: &Answer) -> Vec<String> {
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
