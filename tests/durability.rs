//! What is acknowledged is stored, whole, and limits hold: under `kill -9`, under a stop, and when writers race.

#[path = "support/mod.rs"]
mod support;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};
use support::{Answer, Client, Server, id, key, link, text};

/// A request of our own making, so that a server that dies in the middle is an error and not a panic.
struct Caller {
    client: Client,
    authorization: String,
}

impl Caller {
    fn new(server: &Server) -> Caller {
        Caller { client: server.anonymous(), authorization: format!("Bearer {}", server.admin_token) }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Answer> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let text = format!(
            "{method} /v1/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\nConnection: close\r\nAccept: */*\r\n\
             Content-Type: application/vnd.api+json\r\nContent-Length: {}\r\n\r\n{body}",
            self.authorization,
            body.len()
        );
        self.client.try_raw(text.as_bytes())
    }
}

/// Small and good enough to vary moments and choices; its seed is printed, so that a failure can be looked at again.
struct Random(u64);

impl Random {
    fn seeded() -> Random {
        use std::hash::{BuildHasher as _, Hasher as _};
        let seed = std::collections::hash_map::RandomState::new().build_hasher().finish() | 1;
        eprintln!("seed {seed}");
        Random(seed)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// The database as it lies on disk, beside the server.
fn open(server: &Server) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(server.database(), flags).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}

/// The log is collected by a thread; what the server has written is in it a moment later.
fn wait_for_log(server: &Server, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !server.log().contains(what) {
        assert!(Instant::now() < deadline, "no {what} in the log: {}", server.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn texts(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn number(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Nothing is half there: the file is sound, references resolve, counters are what they count, limits hold, and every change
/// has its event.
#[track_caller]
fn assert_whole(server: &Server) {
    let db = open(server);
    assert_eq!(texts(&db, "PRAGMA integrity_check"), ["ok"]);
    assert_eq!(texts(&db, "SELECT \"table\" FROM pragma_foreign_key_check"), [] as [String; 0]);
    let counters =
        "SELECT l.id || ': ' || l.machines_count || ' ' || l.machines_cores || ' ' || l.machines_memory || ' ' ||
            l.machines_disk || ' but ' || count(m.id) || ' ' || coalesce(sum(m.cores), 0) || ' ' ||
            coalesce(sum(m.memory), 0) || ' ' || coalesce(sum(m.disk), 0)
        FROM licenses l LEFT JOIN machines m ON m.license_id = l.id GROUP BY l.id
        HAVING l.machines_count <> count(m.id) OR l.machines_cores <> coalesce(sum(m.cores), 0)
            OR l.machines_memory <> coalesce(sum(m.memory), 0) OR l.machines_disk <> coalesce(sum(m.disk), 0)";
    assert_eq!(texts(&db, counters), [] as [String; 0], "counters differ from what they count (10 §1.8)");
    let limits = "SELECT l.id || ': ' || l.machines_count || ' ' || l.machines_cores
        FROM licenses l JOIN policies p ON p.id = l.policy_id
        WHERE p.overage_strategy = 'NO_OVERAGE'
          AND (l.machines_count > coalesce(nullif(l.max_machines, 0), p.max_machines, 1000000)
            OR l.machines_cores > coalesce(nullif(l.max_cores, 0), p.max_cores, 1000000))";
    assert_eq!(texts(&db, limits), [] as [String; 0], "limits are exceeded (10 §1.6)");
    // A fingerprint of this file ends in the number of the machine's embedded components.
    let components = "SELECT m.fingerprint || ': ' || count(c.id) FROM machines m
        LEFT JOIN machine_components c ON c.machine_id = m.id WHERE m.fingerprint LIKE 'm-%'
        GROUP BY m.id HAVING count(c.id) <> CAST(substr(m.fingerprint, -1) AS INTEGER)";
    assert_eq!(texts(&db, components), [] as [String; 0], "components are missing (10 §1.8)");
    // Events are rows of the same transaction.
    let made = "SELECT id FROM machines EXCEPT SELECT resource_id FROM event_logs WHERE event = 'machine.created'";
    assert_eq!(texts(&db, made), [] as [String; 0], "machines without their event");
    let gone = "SELECT count(*) FROM event_logs WHERE event = 'machine.deleted'";
    let all = "SELECT count(*) FROM event_logs WHERE event = 'machine.created'";
    assert_eq!(number(&db, all) - number(&db, gone), number(&db, "SELECT count(*) FROM machines"), "events");
}

/// What the clients of a round were told.
#[derive(Default)]
struct Told {
    /// Fingerprint to id of machines whose creation was answered 201.
    created: BTreeMap<String, String>,
    /// Ids of machines whose deletion was asked for, and whether it was answered 204.
    deleted: BTreeMap<String, bool>,
    /// Answers that should not have been given.
    strange: Vec<String>,
}

/// Activates, and now and then deactivates, until the server is gone.
fn work(caller: &Caller, licenses: &[Value], name: &str, mut random: Random, told: &Mutex<Told>) {
    let mut mine: Vec<String> = Vec::new();
    for n in 0.. {
        if random.below(5) == 0
            && let Some(machine) = mine.pop()
        {
            told.lock().unwrap().deleted.insert(machine.clone(), false);
            match caller.send("DELETE", &format!("machines/{machine}"), &Value::Null) {
                Err(_) => return,
                Ok(answer) if answer.status == 204 => drop(told.lock().unwrap().deleted.insert(machine, true)),
                Ok(answer) => told.lock().unwrap().strange.push(format!("DELETE {answer:?}")),
            }
            continue;
        }
        let components = random.below(4);
        let fingerprint = format!("m-{name}-{n}-{components}");
        let embedded: Vec<Value> = (0..components)
            .map(|i| json!({ "type": "components", "attributes": { "fingerprint": format!("c-{i}"), "name": "Part" } }))
            .collect();
        let license = &licenses[usize::try_from(random.below(licenses.len() as u64)).unwrap()];
        let body = json!({ "data": {
            "type": "machines",
            "attributes": { "fingerprint": fingerprint, "cores": 1 + random.below(4), "memory": 1 + random.below(9) },
            "relationships": { "license": link(license), "components": { "data": embedded } },
        }});
        match caller.send("POST", "machines", &body) {
            Err(_) => return,
            Ok(answer) if answer.status == 201 => {
                let Some(machine) = answer.body["data"]["id"].as_str() else { return };
                mine.push(machine.to_owned());
                told.lock().unwrap().created.insert(fingerprint, machine.to_owned());
            }
            Ok(answer) if answer.status == 422 && answer.code().ends_with("LIMIT_EXCEEDED") => {}
            Ok(answer) => told.lock().unwrap().strange.push(format!("POST {answer:?}")),
        }
    }
}

/// Makes the body of the n-th of several competing requests.
type Body<'a> = Box<dyn Fn(usize) -> Value + 'a>;

#[test]
fn what_was_acknowledged_survives_kill_9() {
    const CLIENTS: usize = 64;
    const ROUNDS: usize = 20;
    let mut random = Random::seeded();
    let mut server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let wide = admin.policy(&product, json!({ "floating": true, "maxMachines": 100_000 }));
    let narrow = admin.policy(&product, json!({ "floating": true, "maxMachines": 5 }));
    let by_core = admin.policy(&product, json!({ "floating": true, "maxMachines": 100_000, "maxCores": 12 }));
    let locked = admin.policy(&product, json!({ "maxMachines": 1 }));
    let unlimited: Vec<Value> = (0..6).map(|_| admin.license(&wide, json!({}))).collect();
    let (mut machines, mut most) = (BTreeSet::new(), 0);
    for round in 0..ROUNDS {
        let admin = server.admin();
        // Fresh licenses with little room: the limits are reached in every round.
        let mut licenses = unlimited.clone();
        licenses.extend([&narrow, &by_core, &locked].map(|policy| admin.license(policy, json!({}))));
        let told = Arc::new(Mutex::new(Told::default()));
        let moment = Duration::from_millis(20 + random.below(200));
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (caller, licenses, told) = (Caller::new(&server), &licenses, told.clone());
                let random = Random(random.below(u64::MAX) | 1);
                scope.spawn(move || work(&caller, licenses, &format!("{round}-{client}"), random, &told));
            }
            std::thread::sleep(moment);
            server.kill();
        });
        server.restart();
        let told = std::mem::take(&mut *told.lock().unwrap());
        assert_eq!(told.strange, [] as [String; 0]);
        most = most.max(told.created.len());
        for (fingerprint, machine) in &told.created {
            match told.deleted.get(machine) {
                None => assert!(machines.insert((machine.clone(), fingerprint.clone()))),
                Some(true) => {}
                // Asked for and not answered: either is right.
                Some(false) => continue,
            }
        }
        let db = open(&server);
        let mut statement = db.prepare("SELECT id, fingerprint FROM machines").unwrap();
        let stored: BTreeSet<(String, String)> =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
        let lost: Vec<_> = machines.difference(&stored).collect();
        assert!(lost.is_empty(), "round {round}: {} acknowledged machines are lost: {lost:?}", lost.len());
        let back = told.deleted.iter().filter(|(id, told)| **told && stored.iter().any(|(s, _)| s == *id));
        assert_eq!(back.count(), 0, "round {round}: deleted machines are back");
        // Those that were stored without an answer stay, too.
        machines = stored;
        assert_whole(&server);
        let admin = server.admin();
        for (machine, fingerprint) in machines.iter().rev().take(3) {
            let shown = admin.get(&format!("machines/{machine}?include=")).ok(200);
            assert_eq!(shown["data"]["attributes"]["fingerprint"], json!(fingerprint));
            let parts = admin.get(&format!("machines/{machine}/components")).ok(200)["data"].as_array().unwrap().len();
            assert!(fingerprint.ends_with(&parts.to_string()), "{fingerprint} has {parts} components");
        }
    }
    assert!(most > CLIENTS / 4, "no round did much: at most {most} machines");
}

/// Runs `calls` at the same moment; their answers in order.
fn race(calls: Vec<Box<dyn FnOnce() -> Answer + Send>>) -> Vec<Answer> {
    let start = Arc::new(Barrier::new(calls.len()));
    let threads: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let start = start.clone();
            std::thread::spawn(move || {
                start.wait();
                call()
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// The answers that are `won`; all others must be 422 or 409 with one of `codes`.
#[track_caller]
fn winners(answers: &[Answer], won: u16, codes: &[&str]) -> usize {
    for answer in answers.iter().filter(|answer| answer.status != won) {
        let lost = answer.status == 409 || (answer.status == 422 && codes.contains(&answer.code()));
        assert!(lost, "{} {}", answer.status, String::from_utf8_lossy(&answer.bytes));
    }
    answers.iter().filter(|answer| answer.status == won).count()
}

type Call = Box<dyn FnOnce() -> Answer + Send>;

fn post(client: &Client, path: &str, body: Value) -> Call {
    let (client, path) = (client.clone(), path.to_owned());
    Box::new(move || client.post(&path, body))
}

// 10 §1.6: exactly as many win as there is room for.
#[test]
fn the_last_activations_go_to_exactly_as_many_as_there_is_room_for() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    for (rounds, attributes, racers, room, code) in [
        (40, json!({ "maxMachines": 1 }), 8, 1, "MACHINE_LIMIT_EXCEEDED"),
        (15, json!({ "floating": true, "maxMachines": 3 }), 10, 3, "MACHINE_LIMIT_EXCEEDED"),
        (15, json!({ "floating": true, "maxMachines": 50, "maxCores": 5 }), 9, 2, "MACHINE_CORE_LIMIT_EXCEEDED"),
        (
            5,
            json!({ "floating": true, "maxMachines": 2, "overageStrategy": "ALLOW_2X_OVERAGE" }),
            9,
            4,
            "MACHINE_LIMIT_EXCEEDED",
        ),
    ] {
        let mut settings = attributes.clone();
        settings["authenticationStrategy"] = json!("LICENSE");
        let policy = admin.policy(&product, settings);
        for round in 0..rounds {
            let license = admin.license(&policy, json!({}));
            // The vendor's side and the license itself, at once.
            let own = server.license_key(key(&license));
            let calls = (0..racers).map(|n| {
                let client = if n % 2 == 0 { &admin } else { &own };
                let data = json!({
                    "type": "machines", "attributes": { "fingerprint": format!("racer-{n}"), "cores": 2 },
                    "relationships": { "license": link(&license) }
                });
                post(client, "machines", json!({ "data": data }))
            });
            let answers = race(calls.collect());
            assert_eq!(winners(&answers, 201, &[code]), room, "{attributes} round {round}");
            let stored = admin.get(&format!("licenses/{}/machines", id(&license))).ok(200);
            assert_eq!(stored["data"].as_array().unwrap().len(), room);
        }
    }
    assert_whole(&server);
}

// A license token's activations are counted with the activation (10 §1.7).
#[test]
fn the_activations_of_a_token_are_not_overdrawn() {
    let server = Server::start();
    let admin = server.admin();
    for _ in 0..8 {
        let license = admin.quick_license(json!({ "floating": true, "maxMachines": 50 }));
        let body = json!({ "data": { "type": "tokens", "attributes": { "maxActivations": 2 } } });
        let token = admin.post(&format!("licenses/{}/tokens", id(&license)), body).ok(200);
        let client = server.token(text(&token["data"]["attributes"]["token"]));
        let calls = (0..8).map(|n| {
            let data = json!({
                "type": "machines", "attributes": { "fingerprint": format!("racer-{n}") },
                "relationships": { "license": link(&license) }
            });
            post(&client, "machines", json!({ "data": data }))
        });
        let answers = race(calls.collect());
        assert_eq!(winners(&answers, 201, &["ACTIVATIONS_LIMIT_EXCEEDED"]), 2);
        let token = admin.get(&format!("tokens/{}", id(&token["data"]))).ok(200);
        assert_eq!(token["data"]["attributes"]["activations"], 2);
    }
    assert_whole(&server);
}

// Unique keys: whoever is first has them; the others are told so (01 §10.3), and nobody gets a 500.
#[test]
fn unique_values_are_given_once() {
    const RACERS: usize = 8;
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(&product, json!({ "floating": true, "maxMachines": 1000, "maxProcesses": 1000 }));
    let license = admin.license(&policy, json!({}));
    let machine = admin.machine(&license, "host");
    let entitlement = || admin.entitlement(&format!("E{}", uuid::Uuid::new_v4().simple()));
    let document = |type_: &str, attributes: Value, relationships: Value| json!({ "data": { "type": type_, "attributes": attributes, "relationships": relationships } });
    for round in 0..6 {
        let unique = format!("unique-{round}");
        let chosen = uuid::Uuid::new_v4().to_string();
        let attached = entitlement();
        let with_id = |mut body: Value| {
            body["data"]["id"] = json!(chosen);
            body
        };
        let fresh = |n: usize| format!("other-{round}-{n}");
        let of_license = json!({ "license": link(&license) });
        let of_policy = json!({ "policy": link(&policy) });
        let of_machine = json!({ "machine": link(&machine) });
        let contested: [(&str, &str, &[&str], u16, Body<'_>); 9] = [
            ("license key", "licenses", &["KEY_TAKEN"], 201, {
                let (unique, of_policy) = (unique.clone(), of_policy.clone());
                Box::new(move |_| document("licenses", json!({ "key": unique }), of_policy.clone()))
            }),
            (
                "license id",
                "licenses",
                &["ID_CONFLICT"],
                201,
                Box::new(|_| with_id(document("licenses", json!({}), of_policy.clone()))),
            ),
            ("machine fingerprint", "machines", &["FINGERPRINT_TAKEN"], 201, {
                let (unique, of_license) = (unique.clone(), of_license.clone());
                Box::new(move |_| document("machines", json!({ "fingerprint": unique }), of_license.clone()))
            }),
            (
                "machine id",
                "machines",
                &["ID_CONFLICT"],
                201,
                Box::new(|n| with_id(document("machines", json!({ "fingerprint": fresh(n) }), of_license.clone()))),
            ),
            ("component fingerprint", "components", &["FINGERPRINT_TAKEN"], 201, {
                let (unique, of_machine) = (unique.clone(), of_machine.clone());
                Box::new(move |_| {
                    document("components", json!({ "fingerprint": unique, "name": "Part" }), of_machine.clone())
                })
            }),
            ("process pid", "processes", &["PID_TAKEN"], 201, {
                let (unique, of_machine) = (unique.clone(), of_machine.clone());
                Box::new(move |_| document("processes", json!({ "pid": unique }), of_machine.clone()))
            }),
            // Codes are compared without case.
            ("entitlement code", "entitlements", &["CODE_TAKEN"], 201, {
                let unique = unique.clone();
                Box::new(move |n| {
                    let code = if n % 2 == 0 { unique.to_uppercase() } else { unique.clone() };
                    document("entitlements", json!({ "name": "E", "code": code }), json!({}))
                })
            }),
            ("product code", "products", &["CODE_TAKEN"], 201, {
                let unique = unique.clone();
                Box::new(move |_| document("products", json!({ "name": "P", "code": unique }), json!({})))
            }),
            (
                "attachment",
                &format!("licenses/{}/entitlements", id(&license)),
                &["ENTITLEMENT_TAKEN"],
                200,
                Box::new(|_| json!({ "data": [{ "type": "entitlements", "id": attached["id"] }] })),
            ),
        ];
        for (what, path, codes, won, body) in &contested {
            let answers = race((0..RACERS).map(|n| post(&admin, path, body(n))).collect());
            assert_eq!(winners(&answers, *won, codes), 1, "{what} round {round}");
        }
    }
    assert_whole(&server);
}

// Parents vanish while children are made: a child is there with its parent or not at all, and nobody gets a 5xx.
#[test]
fn children_do_not_outlive_a_parent_that_is_deleted_meanwhile() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(&product, json!({ "floating": true, "maxMachines": 1000 }));
    for round in 0..10 {
        let license = admin.license(&policy, json!({}));
        let mut calls: Vec<Call> = (0..7)
            .map(|n| {
                let data = json!({
                    "type": "machines", "attributes": { "fingerprint": format!("child-{n}") },
                    "relationships": { "license": link(&license) }
                });
                post(&admin, "machines", json!({ "data": data }))
            })
            .collect();
        let (client, path) = (admin.clone(), format!("licenses/{}", id(&license)));
        calls.insert(round % 7, Box::new(move || client.delete(&path)));
        for answer in race(calls) {
            let fine =
                matches!(answer.status, 201 | 204) || (answer.status == 422 && answer.code().ends_with("NOT_FOUND"));
            assert!(fine, "{} {}", answer.status, String::from_utf8_lossy(&answer.bytes));
        }
        let left = format!("SELECT count(*) FROM machines WHERE license_id = '{}'", id(&license));
        assert_eq!(number(&open(&server), &left), 0);
    }
    assert_eq!(texts(&open(&server), "SELECT \"table\" FROM pragma_foreign_key_check"), [] as [String; 0]);
}

// D36: a validation is answered before it is recorded; a stop that an operator asks for loses none of the records.
#[test]
fn a_stop_loses_no_deferred_record() {
    const CLIENTS: usize = 8;
    let mut server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let answered: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (admin, license) = (admin.clone(), &license);
                scope.spawn(move || {
                    for _ in 0..25 {
                        let answer = admin.validate_key(key(license), Value::Null);
                        assert_eq!(answer["meta"]["code"], "VALID");
                    }
                    25
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    server.stop();
    let log = server.database().with_extension("db-wal");
    assert!(std::fs::metadata(&log).map_or(0, |file| file.len()) == 0, "the write-ahead log is checkpointed");
    let db = open(&server);
    let events = "SELECT count(*) FROM event_logs WHERE event = 'license.validation.succeeded'";
    assert_eq!(number(&db, events), i64::try_from(answered).unwrap());
    assert_eq!(number(&db, "SELECT count(*) FROM licenses WHERE last_validated_at IS NULL"), 0);
    drop(db);
    server.restart();
    let shown = server.admin().get(&format!("licenses/{}", id(&license))).ok(200);
    assert!(shown["data"]["attributes"]["lastValidated"].is_string());
}

// What was acknowledged before, or is answered during, a stop under load is stored; what is answered is answered whole.
#[test]
fn a_stop_under_load_finishes_what_it_answers() {
    let mut server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({ "floating": true, "maxMachines": 100_000 }));
    for round in 0..4 {
        let told = Arc::new(Mutex::new(Told::default()));
        let licenses = [license.clone()];
        std::thread::scope(|scope| {
            for client in 0..16 {
                let (caller, licenses, told) = (Caller::new(&server), &licenses, told.clone());
                let name = format!("{round}-{client}");
                scope.spawn(move || work(&caller, licenses, &name, Random(client * 2 + 1), &told));
            }
            std::thread::sleep(Duration::from_millis(60));
            server.stop();
        });
        wait_for_log(&server, "\"stopped\"");
        let told = std::mem::take(&mut *told.lock().unwrap());
        assert_eq!(told.strange, [] as [String; 0]);
        assert!(!told.created.is_empty());
        let stored: BTreeSet<String> = texts(&open(&server), "SELECT id FROM machines").into_iter().collect();
        for machine in told.created.values().filter(|machine| !told.deleted.contains_key(*machine)) {
            assert!(stored.contains(machine), "an acknowledged machine is lost");
        }
        assert!(told.deleted.iter().all(|(machine, told)| !told || !stored.contains(machine)));
        server.restart();
        assert_whole(&server);
    }
}
