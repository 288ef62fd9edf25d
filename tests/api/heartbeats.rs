//! Heartbeats of machines and processes: status, ping, resurrection, reset (10 §4, without the background monitor).

use crate::authentication::*;
use crate::support::*;
use serde_json::{Value, json};

/// A license of a policy with these attributes; the dead are kept.
fn license(client: &Client, mut policy: Value) -> Value {
    policy["floating"] = json!(true);
    policy["heartbeatCullStrategy"] = json!("KEEP_DEAD");
    client.quick_license(policy)
}

fn ping(client: &Client, record: &Value) -> Answer {
    client.post(&format!("{}/{}/actions/ping", text(&record["type"]), id(record)), Value::Null)
}

/// Moves a machine's or process's times into the past; `None` is null.
fn age(server: &Server, record: &Value, created: i64, last: Option<i64>) {
    let table = if record["type"] == "machines" { "machines" } else { "machine_processes" };
    let last = last.map_or("NULL".to_owned(), |seconds| ago(seconds).to_string());
    server.sql(&format!(
        "UPDATE {table} SET created_at = {}, last_heartbeat_at = {last}, updated_at = 1 WHERE id = '{}'",
        ago(created),
        id(record)
    ));
}

fn shown(client: &Client, record: &Value) -> Value {
    client.get(&format!("{}/{}", text(&record["type"]), id(record))).ok(200)["data"]["attributes"].clone()
}

const DEAD: &str = "422 is dead|MACHINE_HEARTBEAT_DEAD|-";

// 10 §1.8, §4.1
#[test]
fn heartbeats_start_with_creation_or_the_first_ping() {
    let server = Server::start();
    let admin = server.admin();
    for (policy, starts, required) in [
        (json!({}), false, false),
        (json!({ "requireHeartbeat": true }), true, true),
        (json!({ "requireHeartbeat": false, "heartbeatBasis": "FROM_CREATION" }), true, true),
        (json!({ "requireHeartbeat": true, "heartbeatBasis": "FROM_FIRST_PING" }), false, true),
        (json!({ "heartbeatBasis": "FROM_FIRST_PING" }), false, false),
    ] {
        let machine = admin.machine(&license(&admin, policy.clone()), "m");
        let at = &machine["attributes"];
        let status = if starts { "ALIVE" } else { "NOT_STARTED" };
        assert_eq!((&at["heartbeatStatus"], &at["requireHeartbeat"]), (&json!(status), &json!(required)), "{policy}");
        let last = if starts { at["created"].clone() } else { Value::Null };
        assert_eq!(at["lastHeartbeat"], last, "{policy}");
        assert_eq!(at["nextHeartbeat"].is_null(), !starts, "{policy}");
        // a first ping starts it, whatever the policy says
        let beat = ping(&admin, &machine).ok(200)["data"]["attributes"].clone();
        assert_eq!((&beat["heartbeatStatus"], &beat["requireHeartbeat"]), (&json!("ALIVE"), &json!(true)), "{policy}");
        assert_eq!(beat["lastHeartbeat"], beat["updated"], "{policy}");
        let next = format!("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', '{}', '+600 seconds')", text(&beat["lastHeartbeat"]));
        assert_eq!(beat["nextHeartbeat"], select(&server, &next), "{policy}");
        assert_eq!(shown(&admin, &machine), beat, "{policy}");
    }
    assert_eq!(events(&server, "machine.heartbeat.ping"), "5");
    // the duration is read live; a change of `requireHeartbeat` does not touch the basis
    let machine = admin.machine(&license(&admin, json!({ "heartbeatDuration": 60 })), "m");
    assert_eq!(machine["attributes"]["heartbeatDuration"], 60);
    server.sql("UPDATE policies SET heartbeat_duration = 86400");
    assert_eq!(shown(&admin, &machine)["heartbeatDuration"], 86_400);
    let policy = json!({ "data": { "type": "policies", "attributes": { "requireHeartbeat": true } } });
    let of = license(&admin, json!({}));
    let policy =
        admin.patch(&format!("policies/{}", text(&of["relationships"]["policy"]["data"]["id"])), policy).ok(200);
    assert_eq!(policy["data"]["attributes"]["heartbeatBasis"], "FROM_FIRST_PING");
    let machine = admin.machine(&of, "m");
    let at = &machine["attributes"];
    assert_eq!((&at["heartbeatStatus"], &at["requireHeartbeat"]), (&json!("NOT_STARTED"), &json!(true)));
}

// 10 §4.2
#[test]
fn status_by_time() {
    let server = Server::start();
    let admin = server.admin();
    for (required, duration, created, last, expected) in [
        (false, 60, 0, None, "NOT_STARTED"),
        (false, 60, 86_400, None, "NOT_STARTED"),
        (true, 60, 30, None, "NOT_STARTED"),
        (true, 60, 90, None, "DEAD"),
        (true, 600, 90, None, "NOT_STARTED"),
        (true, 60, 86_400, Some(30), "ALIVE"),
        (true, 60, 86_400, Some(90), "DEAD"),
        (false, 60, 86_400, Some(90), "DEAD"),
        (false, 600, 86_400, Some(90), "ALIVE"),
    ] {
        let rules = json!({ "requireHeartbeat": required, "heartbeatDuration": duration });
        let machine = admin.machine(&license(&admin, rules), "m");
        age(&server, &machine, created, last);
        let status = shown(&admin, &machine)["heartbeatStatus"].clone();
        assert_eq!(status, expected, "{required} {duration} {created} {last:?}");
    }
}

// 10 §4.4
#[test]
fn the_dead_may_be_revived() {
    let server = Server::start();
    let admin = server.admin();
    let day = 86_400;
    for (strategy, late, revived) in [
        ("NO_REVIVE", 5, false),
        ("1_MINUTE_REVIVE", 30, true),
        ("1_MINUTE_REVIVE", 90, false),
        ("2_MINUTE_REVIVE", 90, true),
        ("2_MINUTE_REVIVE", 150, false),
        ("5_MINUTE_REVIVE", 270, true),
        ("5_MINUTE_REVIVE", 330, false),
        ("10_MINUTE_REVIVE", 570, true),
        ("10_MINUTE_REVIVE", 630, false),
        ("15_MINUTE_REVIVE", 870, true),
        ("15_MINUTE_REVIVE", 930, false),
        ("ALWAYS_REVIVE", 365 * day, true),
    ] {
        let rules = json!({ "heartbeatDuration": 60, "heartbeatResurrectionStrategy": strategy });
        let license = license(&admin, rules);
        let machine = admin.machine(&license, "m");
        let attributes = json!({ "pid": "1" });
        let process = admin.create("processes", attributes, json!({ "machine": link(&machine) }));
        for (record, table, status, event, code) in [
            (&machine, "machines", "heartbeatStatus", "machine", "MACHINE"),
            (&process, "machine_processes", "status", "process", "PROCESS"),
        ] {
            let case = format!("{event} {strategy} {late}");
            let emitted = || {
                let count = |what: &str| events(&server, &format!("{event}.heartbeat.{what}"));
                (count("ping"), count("resurrected"))
            };
            let mark =
                || select(&server, &format!("SELECT last_death_event_at FROM {table} WHERE id = '{}'", id(record)));
            // alive: any strategy; the death mark stays
            age(&server, record, day, Some(30));
            server.sql(&format!("UPDATE {table} SET last_death_event_at = 7"));
            let before = emitted();
            assert_eq!(ping(&admin, record).ok(200)["data"]["attributes"][status], "ALIVE", "{case}");
            assert_eq!(mark(), "7", "{case}");
            let after_ping = emitted();
            assert_ne!(before.0, after_ping.0, "{case}");
            // dead
            age(&server, record, day, Some(60 + late));
            let then = shown(&admin, record);
            assert_eq!(then[status], "DEAD", "{case}");
            let answer = ping(&admin, record);
            if revived {
                let at = answer.ok(200)["data"]["attributes"].clone();
                assert_eq!(at[status], "RESURRECTED", "{case}");
                assert_eq!(at["lastHeartbeat"], at["updated"], "{case}");
                let now = shown(&admin, record);
                assert_eq!((&now[status], &now["lastHeartbeat"]), (&json!("ALIVE"), &at["lastHeartbeat"]), "{case}");
                assert_eq!(mark(), "", "{case}: the mark is cleared");
                assert_eq!((&emitted().0, emitted().1 != after_ping.1), (&after_ping.0, true), "{case}");
            } else {
                assert_eq!(answer.error(), format!("422 is dead|{code}_HEARTBEAT_DEAD|-"), "{case}");
                assert_eq!(answer.body["errors"][0]["title"], "Unprocessable entity", "{case}");
                assert_eq!(shown(&admin, record), then, "{case}: nothing changes");
                assert_eq!((mark(), emitted()), ("7".to_owned(), after_ping), "{case}");
            }
        }
    }
}

// 10 §4.4: dead without ever having been pinged
#[test]
fn the_never_pinged_are_revived_only_always() {
    let server = Server::start();
    let admin = server.admin();
    for (strategy, revived) in [("ALWAYS_REVIVE", true), ("15_MINUTE_REVIVE", false), ("NO_REVIVE", false)] {
        let rules = json!({
            "requireHeartbeat": true, "heartbeatBasis": "FROM_FIRST_PING", "heartbeatDuration": 60,
            "heartbeatResurrectionStrategy": strategy
        });
        let machine = admin.machine(&license(&admin, rules), "m");
        age(&server, &machine, 30, None);
        assert_eq!(shown(&admin, &machine)["heartbeatStatus"], "NOT_STARTED");
        age(&server, &machine, 70, None);
        assert_eq!(shown(&admin, &machine)["heartbeatStatus"], "DEAD");
        let answer = ping(&admin, &machine);
        if revived {
            assert_eq!(answer.ok(200)["data"]["attributes"]["heartbeatStatus"], "RESURRECTED");
        } else {
            assert_eq!(answer.error(), DEAD, "{strategy}");
        }
    }
}

// 10 §4.5
#[test]
fn resets() {
    let server = Server::start();
    let admin = server.admin();
    for (rules, aged, expected, required) in [
        (json!({}), 86_400, "NOT_STARTED", false),
        (json!({ "requireHeartbeat": true }), 86_400, "DEAD", true),
        (json!({ "requireHeartbeat": true }), 30, "NOT_STARTED", true),
    ] {
        let machine = admin.machine(&license(&admin, rules.clone()), "m");
        // in any status: alive, dead, not started
        for last in [Some(0), Some(86_400), None] {
            age(&server, &machine, aged, last);
            server.sql("UPDATE machines SET last_death_event_at = 7");
            let path = format!("machines/{}/actions/reset", id(&machine));
            let at = admin.post(&path, Value::Null).ok(200)["data"]["attributes"].clone();
            assert_eq!((&at["lastHeartbeat"], &at["nextHeartbeat"]), (&Value::Null, &Value::Null), "{rules} {last:?}");
            let got = (at["heartbeatStatus"].clone(), at["requireHeartbeat"].clone());
            assert_eq!(got, (json!(expected), json!(required)), "{rules} {last:?}");
            assert_ne!(at["updated"], "1970-01-01T00:00:00.001Z");
            assert_eq!(shown(&admin, &machine), at, "{rules} {last:?}");
            let mark = format!("SELECT last_death_event_at FROM machines WHERE id = '{}'", id(&machine));
            assert_eq!(select(&server, &mark), "7", "the death mark stays");
        }
    }
    assert_eq!(events(&server, "machine.heartbeat.reset"), "9");
}

// 10 §4.6
#[test]
fn processes_beat_by_themselves() {
    let server = Server::start();
    let admin = server.admin();
    // always monitored, whatever the policy requires
    let license = license(&admin, json!({ "heartbeatDuration": 60, "heartbeatBasis": "FROM_FIRST_PING" }));
    let machine = admin.machine(&license, "m");
    let process = admin.create("processes", json!({ "pid": "1" }), json!({ "machine": link(&machine) }));
    assert_eq!(process["attributes"]["status"], "ALIVE");
    for (last, expected) in [(30, "ALIVE"), (90, "DEAD")] {
        age(&server, &process, 86_400, Some(last));
        let at = shown(&admin, &process);
        assert_eq!(at["status"], expected);
        let next = format!("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', '{}', '+60 seconds')", text(&at["lastHeartbeat"]));
        assert_eq!(at["nextHeartbeat"], select(&server, &next));
    }
    age(&server, &process, 86_400, Some(30));
    let before = shown(&admin, &machine);
    ping(&admin, &process).ok(200);
    assert_eq!(shown(&admin, &machine), before, "the machine's heartbeat is its own");
    assert_eq!(before["heartbeatStatus"], "NOT_STARTED");
    assert_eq!(
        (events(&server, "process.heartbeat.ping"), events(&server, "machine.heartbeat.ping")),
        ("1".into(), "0".into())
    );
    // an update of a dead one is no sign of life
    age(&server, &process, 86_400, Some(90));
    let body = json!({ "data": { "type": "processes", "attributes": {} } });
    let updated = admin.patch(&format!("processes/{}", id(&process)), body).ok(200);
    assert_eq!(updated["data"]["attributes"]["status"], "DEAD");
    assert_eq!(ping(&admin, &process).error(), "422 is dead|PROCESS_HEARTBEAT_DEAD|-");
}
