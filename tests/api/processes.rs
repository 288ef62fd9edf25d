//! Processes: documents, who may, attributes, limits (10 §3).

use crate::authentication::*;
use crate::authorization::*;
use crate::support::*;
use serde_json::{Value, json};

fn body(machine: &Value, attributes: Value) -> Value {
    let relationships = json!({ "machine": link(machine) });
    json!({ "data": { "type": "processes", "attributes": attributes, "relationships": relationships } })
}

fn update(attributes: Value) -> Value {
    json!({ "data": { "type": "process", "attributes": attributes } })
}

fn spawn(client: &Client, machine: &Value, pid: &str) -> Answer {
    client.post("processes", body(machine, json!({ "pid": pid })))
}

// 10 §3.1–§3.3: the whole document, from every route that gives it
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({ "heartbeatDuration": 60 }));
    let machine = admin.machine(&license, "m");
    let account = select(&server, "SELECT id FROM accounts");
    let answer = admin.post("processes", body(&machine, json!({ "pid": "1:a", "metadata": { "started_by": "x" } })));
    let mut record = answer.ok(201)["data"].clone();
    let created = text(&record["attributes"]["created"]).to_owned();
    let minute = format!("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', '{created}', '+60 seconds')");
    let own = format!("/v1/accounts/{account}/processes/{}", id(&record));
    let to_one = |name: &str, type_: &str, id: &Value| {
        let related = json!({ "related": format!("{own}/{name}") });
        json!({ "links": related, "data": { "type": type_, "id": id } })
    };
    let expected = json!({
        "id": record["id"],
        "type": "processes",
        "attributes": {
            "pid": "1:a", "metadata": { "startedBy": "x" }, "status": "ALIVE", "interval": 60, "lastHeartbeat": created,
            "nextHeartbeat": select(&server, &minute), "created": created, "updated": created
        },
        "relationships": {
            "account": {
                "links": { "related": format!("/v1/accounts/{account}") }, "data": { "type": "accounts", "id": account }
            },
            "environment": { "links": { "related": null }, "data": null },
            "product": to_one("product", "products", &license["relationships"]["product"]["data"]["id"]),
            "license": to_one("license", "licenses", &license["id"]),
            "machine": to_one("machine", "machines", &machine["id"])
        },
        "links": { "self": own }
    });
    assert_eq!(record.to_string(), expected.to_string());
    assert_eq!(answer.header("location"), format!("http://localhost:{}{own}", server.port));
    let path = format!("processes/{}", id(&record));
    for path in [path.clone(), format!("machines/m/{path}")] {
        assert_eq!(admin.get(&path).ok(200)["data"].to_string(), record.to_string(), "{path}");
    }
    for path in ["processes", "machines/m/processes"] {
        assert_eq!(admin.get(path).ok(200)["data"].to_string(), json!([record]).to_string(), "{path}");
    }
    // a UUID only, within its machine only
    let missing = |name: &str| format!("404 The requested machine process '{name}' was not found|NOT_FOUND|-");
    assert_eq!(admin.get("processes/1%3Aa").error(), missing("1:a"));
    admin.machine(&admin.quick_license(json!({})), "n");
    assert_eq!(admin.get(&format!("machines/n/{path}")).error(), missing(id(&record)));
    let updated = admin.patch(&path, update(json!({ "metadata": { "b": 2 } }))).ok(200)["data"].clone();
    record["attributes"]["metadata"] = json!({ "b": 2 });
    record["attributes"]["updated"] = updated["attributes"]["updated"].clone();
    assert_eq!(updated.to_string(), record.to_string());
    let mut with_id = update(json!({}));
    with_id["data"]["id"] = json!("anything");
    admin.put(&path, with_id).ok(200);
    let related = |name: &str| admin.get(&format!("{path}/{name}")).ok(200)["data"]["id"].clone();
    assert_eq!((related("license"), related("machine")), (license["id"].clone(), machine["id"].clone()));
    assert_eq!(related("product"), record["relationships"]["product"]["data"]["id"]);
    let gone = admin.delete(&path);
    assert_eq!((gone.status, gone.bytes.len()), (204, 0));
    assert_eq!(admin.get(&path).error(), missing(id(&record)));
    for (event, times) in [("created", "1"), ("updated", "2"), ("deleted", "1")] {
        assert_eq!(events(&server, &format!("process.{event}")), times, "{event}");
    }
    // it goes with its machine, without event
    let last = spawn(&admin, &machine, "last").ok(201);
    admin.delete("machines/m").ok(204);
    assert_eq!(admin.get(&format!("processes/{}", id(&last["data"]))).status, 404);
    assert_eq!(events(&server, "process.deleted"), "1");
    // without a policy's duration: ten minutes
    let process = spawn(&admin, &admin.machine(&admin.quick_license(json!({})), "o"), "1").ok(201);
    assert_eq!(process["data"]["attributes"]["interval"], 600);
}

// 10 §3.1
#[test]
fn who_may() {
    let cast = Cast::new(json!({}));
    let admin = cast.client("A");
    let record = spawn(admin, &cast.machine, "p").ok(201)["data"].clone();
    let path = format!("processes/{}", id(&record));
    assert_eq!(cast.outcome(|c| c.get("processes")), "ok: A D S Su R P L Uo Um Ua P2 L2 U; 401: X");
    for (name, seen) in [("R", 1), ("P", 1), ("L", 1), ("Uo", 1), ("Ua", 1), ("P2", 0), ("L2", 0), ("U", 0)] {
        let list = cast.client(name).get("processes").ok(200);
        assert_eq!(list["data"].as_array().unwrap().len(), seen, "{name}");
    }
    let readers = "ok: A D S Su R P L Uo Um Ua; 401: X; 404: P2 L2 U";
    for suffix in ["", "/license", "/machine"] {
        assert_eq!(cast.outcome(|c| c.get(&format!("{path}{suffix}"))), readers, "{suffix}");
    }
    assert_eq!(cast.outcome(|c| c.get(&format!("machines/cast/{path}"))), readers);
    let by_product = || cast.outcome(|c| c.get(&format!("{path}/product")));
    assert_eq!(by_product(), "ok: A D S Su R P; 401: X; 403: L Uo Um Ua; 404: P2 L2 U");
    let create = |machine: &Value| cast.outcome(|c| spawn(c, machine, &new_id()));
    let patch = || cast.outcome(|c| c.patch(&path, update(json!({}))));
    let ping = || cast.outcome(|c| c.post(&format!("{path}/actions/ping"), Value::Null));
    let delete = || {
        cast.outcome(|c| {
            let process = spawn(admin, &cast.machine, &new_id()).ok(201);
            c.delete(&format!("processes/{}", id(&process["data"])))
        })
    };
    for (protected, who, not) in [(false, "P L Uo Um", "Ua"), (true, "P L", "Uo Um Ua")] {
        cast.protect(protected);
        assert_eq!(create(&cast.machine), format!("ok: A D S {who}; 401: X; 403: Su R {not} P2 L2 U"));
        assert_eq!(patch(), format!("ok: A D S Su {who}; 401: X; 403: R {not}; 404: P2 L2 U"));
        assert_eq!(delete(), format!("ok: A D S {who}; 401: X; 403: Su R {not}; 404: P2 L2 U"));
        assert_eq!(ping(), format!("ok: A D {who}; 401: X; 403: S Su R {not}; 404: P2 L2 U"));
    }
    let unknown = json!({ "type": "machines", "id": new_id() });
    assert_eq!(create(&unknown), "401: X; 403: Su R P L Uo Um Ua P2 L2 U; 422: A D S");
    let error = "must exist|MACHINE_NOT_FOUND|/data/relationships/machine";
    assert_eq!(spawn(admin, &unknown, "x").errors()[0], error);
    assert_eq!(reason(&spawn(cast.client("L"), &unknown, "x")), NO_REASON);
    cast.grant_everything();
    assert_eq!(by_product(), readers);
    // there is no reset and no alias
    for action in ["reset", "ping-heartbeat"] {
        assert_eq!(admin.post(&format!("{path}/actions/{action}"), Value::Null).status, 404, "{action}");
    }
    // metadata: on create everybody, on update the vendor's side; users and licenses may send no attribute at all
    cast.protect(false);
    for name in ["A", "D", "S", "Su", "P", "L", "Uo", "Um"] {
        let client = cast.client(name);
        let answer = client.patch(&path, update(json!({ "metadata": { "by": name } })));
        if ["L", "Uo", "Um"].contains(&name) {
            assert_eq!(answer.error(), "400 unpermitted parameter|-|/data/attributes/metadata", "{name}");
        } else {
            assert_eq!(answer.ok(200)["data"]["attributes"]["metadata"], json!({ "by": name }));
        }
        if name != "Su" {
            let attributes = json!({ "pid": new_id(), "metadata": { "by": name } });
            client.post("processes", body(&cast.machine, attributes)).ok(201);
        }
    }
}

// 10 §3.2, §3.5
#[test]
fn attributes_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({ "floating": true, "maxProcesses": 1 }));
    let machine = admin.machine(&license, "m");
    let existing = spawn(&admin, &machine, "taken").ok(201)["data"].clone();
    server.sql("UPDATE policies SET max_processes = NULL");
    let wide: serde_json::Map<_, _> = (0..65).map(|i| (format!("k{i}"), json!(1))).collect();
    for (name, value, expected) in [
        ("pid", json!(null), "400 cannot be null|-"),
        ("pid", json!(""), "400 cannot be blank|-"),
        ("pid", json!(" \t"), "400 cannot be blank|-"),
        ("pid", json!(1), "400 type mismatch (received integer expected string)|-"),
        ("pid", json!("x".repeat(4097)), "422 is too long (maximum is 4096 characters)|PID_TOO_LONG"),
        ("pid", json!("action"), "422 is reserved|PID_NOT_ALLOWED"),
        ("pid", json!("actions"), "422 is reserved|PID_NOT_ALLOWED"),
        ("pid", json!("taken"), "422 has already been taken|PID_TAKEN"),
        ("metadata", json!([]), "400 type mismatch (received array expected object)|-"),
        ("metadata", json!(wide), "422 too many keys (exceeded limit of 64 keys)|METADATA_TOO_LONG"),
        ("status", json!("DEAD"), "400 unpermitted parameter|-"),
        ("interval", json!(1), "400 unpermitted parameter|-"),
    ] {
        let mut attributes = json!({ "pid": "fresh" });
        attributes[name] = value.clone();
        let answer = admin.post("processes", body(&machine, attributes));
        assert_eq!(answer.error(), format!("{expected}|/data/attributes/{name}"), "{name} {value}");
    }
    let answer = spawn(&admin, &machine, "taken");
    let about = "https://keygen.sh/docs/api/processes/#processes-object-attrs-pid";
    assert_eq!(answer.body["errors"][0]["links"]["about"], about);
    // the pid is unique on its machine only
    spawn(&admin, &admin.machine(&license, "n"), "taken").ok(201);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = body(&machine, json!({ "pid": "x" }));
        change(&mut body["data"]);
        let answer = admin.post("processes", body);
        if answer.status == 201 { id(&answer.body["data"]).to_owned() } else { answer.error() }
    };
    let mismatch = "400 type mismatch (received string expected UUID string)|-|/data";
    assert_eq!(with(&|data| data["id"] = json!("x")), format!("{mismatch}/id"));
    assert_eq!(
        with(&|data| data["id"] = existing["id"].clone()),
        "422 must not conflict with another process|ID_CONFLICT|/data/id"
    );
    assert_eq!(with(&|data| data["type"] = json!("threads")), "400 is invalid|-|/data/type");
    assert_eq!(with(&|data| data["attributes"] = json!({})), "400 is missing|-|/data/attributes/pid");
    assert_eq!(with(&|data| data["relationships"] = json!({})), "400 is missing|-|/data/relationships/machine");
    let by_fingerprint = with(&|data| data["relationships"]["machine"]["data"]["id"] = json!("m"));
    assert_eq!(by_fingerprint, format!("{mismatch}/relationships/machine/data/id"));
    let chosen = new_id();
    assert_eq!(with(&|data| data["id"] = json!(chosen.replace('-', ""))), chosen);
    // all errors, in order
    server.sql("UPDATE policies SET max_processes = 1");
    let mut all = body(&machine, json!({ "pid": "taken", "metadata": wide }));
    all["data"]["id"] = existing["id"].clone();
    let codes: Vec<_> =
        admin.post("processes", all).errors().iter().map(|e| e.split('|').nth(1).unwrap().to_owned()).collect();
    assert_eq!(codes, ["PID_TAKEN", "METADATA_TOO_LONG", "ID_CONFLICT", "MACHINE_PROCESS_LIMIT_EXCEEDED"]);
    // update
    let path = format!("processes/{}", id(&existing));
    let mut related = update(json!({}));
    related["data"]["relationships"] = json!({});
    for (body, expected) in [
        (update(json!({ "pid": "x" })), "400 unpermitted parameter|-|/data/attributes/pid"),
        (related, "400 unpermitted parameter|-|/data/relationships"),
        (json!({ "data": { "type": "processes" } }), "400 is missing|-|/data/attributes"),
    ] {
        assert_eq!(admin.patch(&path, body.clone()).error(), expected, "{body}");
    }
    // authorization before the body
    let reader = as_bearer(&server, &user(&server, "read-only", "ro@example.com"));
    assert_eq!(reader.patch(&path, json!({ "nope": 1 })).status, 403);
    assert_eq!(reader.post("processes", json!({ "nope": 1 })).status, 400);
}

// 10 §3.4
#[test]
fn limits_leasing_and_overage() {
    let cast = Cast::new(json!({ "floating": true }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let uo =
        json!({ "type": "users", "id": select(server, "SELECT owner_id FROM licenses WHERE owner_id IS NOT NULL") });
    let owned = |fingerprint: &str, owner: Option<&Value>| {
        let machine = admin.machine(&cast.license, fingerprint);
        if let Some(owner) = owner {
            server.sql(&format!("UPDATE machines SET owner_id = '{}' WHERE id = '{}'", id(owner), id(&machine)));
        }
        machine
    };
    // `um` has the first two machines, nobody the third, `uo` the fourth
    let machines = [cast.machine.clone(), owned("2", Some(&cast.um)), owned("3", None), owned("4", Some(&uo))];
    // how many processes fit on each machine, in that order
    let room = |most: usize| {
        server.sql("DELETE FROM machine_processes");
        let mut counts = Vec::new();
        let mut error = String::new();
        for machine in &machines {
            let mut count = 0;
            while count < most {
                let answer = spawn(admin, machine, &count.to_string());
                if answer.status != 201 {
                    error = answer.error();
                    break;
                }
                count += 1;
            }
            counts.push(count);
        }
        (counts, error)
    };
    let over = |whom: &str, max: u8| {
        format!(
            "422 process count has exceeded maximum allowed for {whom} ({max})|MACHINE_PROCESS_LIMIT_EXCEEDED|/data"
        )
    };
    for (leasing, overage, max, expected, error) in [
        ("PER_MACHINE", "NO_OVERAGE", "NULL", [9, 9, 9, 9], String::new()),
        ("PER_MACHINE", "NO_OVERAGE", "2", [2, 2, 2, 2], over("machine", 2)),
        ("PER_LICENSE", "NO_OVERAGE", "4", [4, 0, 0, 0], over("license", 4)),
        ("PER_USER", "NO_OVERAGE", "4", [4, 0, 4, 4], over("user", 4)),
        ("PER_MACHINE", "ALLOW_1_25X_OVERAGE", "4", [5, 5, 5, 5], over("machine", 4)),
        ("PER_LICENSE", "ALLOW_1_5X_OVERAGE", "4", [6, 0, 0, 0], over("license", 4)),
        ("PER_USER", "ALLOW_2X_OVERAGE", "3", [6, 0, 6, 6], over("user", 3)),
        ("PER_MACHINE", "ALWAYS_ALLOW_OVERAGE", "1", [9, 9, 9, 9], String::new()),
        // there is no first-one-free rule
        ("PER_MACHINE", "NO_OVERAGE", "0", [0, 0, 0, 0], over("machine", 0)),
    ] {
        server.sql(&format!(
            "UPDATE policies SET process_leasing_strategy = '{leasing}', overage_strategy = '{overage}', max_processes = {max}"
        ));
        assert_eq!(room(9), (expected.to_vec(), error), "{leasing} {overage} {max}");
    }
    // the license's own limit; zero is none
    server.sql("UPDATE policies SET overage_strategy = 'NO_OVERAGE', max_processes = 2");
    for (own, most) in [("1", 1), ("3", 3), ("0", 2), ("NULL", 2)] {
        server.sql(&format!("UPDATE licenses SET max_processes = {own}"));
        assert_eq!(room(9).0, [most; 4], "{own}");
    }
    // the dead count; a ping at the limit is fine
    server.sql("UPDATE policies SET max_processes = 1");
    room(9);
    server.sql(&format!("UPDATE machine_processes SET last_heartbeat_at = {}", ago(86_400)));
    assert_eq!(spawn(admin, &cast.machine, "new").error(), over("machine", 1));
    server.sql(&format!("UPDATE machine_processes SET last_heartbeat_at = {}", ago(0)));
    let process = select(server, "SELECT id FROM machine_processes LIMIT 1");
    admin.post(&format!("processes/{process}/actions/ping"), Value::Null).ok(200);
    let answer = spawn(admin, &cast.machine, "new");
    let about = "https://keygen.sh/docs/api/processes/#processes-object";
    assert_eq!(answer.body["errors"][0]["links"]["about"], about);
}

// 10 §3.5
#[test]
fn filters() {
    let server = Server::start();
    let admin = server.admin();
    let licenses = [(); 2].map(|()| admin.quick_license(json!({ "floating": true })));
    let machines = [(&licenses[0], "m0"), (&licenses[0], "m1"), (&licenses[1], "m2")]
        .map(|(license, fingerprint)| admin.machine(license, fingerprint));
    for (i, machine) in machines.iter().enumerate() {
        spawn(&admin, machine, &format!("p{i}")).ok(201);
    }
    let product = text(&licenses[0]["relationships"]["product"]["data"]["id"]);
    for (query, expected) in [
        ("".to_owned(), "p2 p1 p0"),
        ("order=asc".to_owned(), "p0 p1 p2"),
        (format!("product={product}"), "p1 p0"),
        (format!("license={}", id(&licenses[1])), "p2"),
        (format!("machine={}", id(&machines[1])), "p1"),
        (format!("machine={}&license={}", id(&machines[1]), id(&licenses[1])), ""),
        ("machine=m1".to_owned(), ""),
        ("machine=&license[]=x&pid=p0".to_owned(), "p2 p1 p0"),
    ] {
        let list = admin.get(&format!("processes?{query}")).ok(200);
        let list = list["data"].as_array().unwrap();
        let names: Vec<_> = list.iter().map(|c| text(&c["attributes"]["pid"])).collect();
        assert_eq!(names.join(" "), expected, "{query}");
    }
}
