//! Activation and what follows: components, lists, heartbeats, deactivation, and the refusals in between (10).

use crate::support::*;
use crate::{World, api_error, refusal};
use keygen_rs::component::Component;
use keygen_rs::errors::{ApiErrorKind, Error};
use keygen_rs::license::{
    LicenseValidationCode as Code, LicenseValidationRequest as Request, LicenseValidationScope as Scope,
    PaginationOptions,
};
use keygen_rs::machine::HeartbeatStatus;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

fn component(fingerprint: &str, name: &str) -> Component {
    Component { fingerprint: fingerprint.to_owned(), name: name.to_owned(), ..Component::default() }
}

// 10 §1.4, §1.10, §2.5; 09 §4.4, §4.5: an app's first start, its days, and its end
#[tokio::test]
async fn an_activation_lives() {
    let world = World::new();
    let license = world.license(json!({ "strict": true, "maxMachines": 1 }), json!({}));
    let app = world.app(&license);
    let here = Request::for_fingerprint("52:54:00:ab".into());

    let first = app.validate(&here).await.unwrap();
    assert_eq!((first.meta.code_kind(), first.meta.valid), (Code::NoMachine, false));
    let read = first.license.unwrap();
    let parts = [component("cpu-1", "CPU"), component("disk/1", "Disk")];
    let machine = read.activate("52:54:00:ab", &parts).await.unwrap();
    assert_eq!(machine.fingerprint, "52:54:00:ab");
    assert_eq!(machine.license_id.as_deref(), Some(id(&license)));
    assert_eq!(machine.product_id.as_deref(), Some(id(&world.product)));
    assert_eq!(machine.platform, Some(format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH)));
    assert!(machine.hostname.is_some() && machine.cores.is_some_and(|n| n > 0));
    assert_eq!((machine.owner_id.as_deref(), machine.environment_id.as_deref()), (None, None));
    assert_eq!((machine.heartbeat_duration, machine.require_heartbeat), (Some(600), false));

    assert_eq!(app.validate(&here).await.unwrap().meta.code_kind(), Code::Valid);
    let with = |parts: &[&str]| {
        let components = Some(parts.iter().map(|p| (*p).to_owned()).collect());
        Request::new(Scope { fingerprint: Some("52:54:00:ab".into()), components, ..Scope::default() })
    };
    assert_eq!(app.validate(&with(&["cpu-1"])).await.unwrap().meta.code_kind(), Code::Valid);
    assert_eq!(app.validate(&with(&["gpu"])).await.unwrap().meta.code_kind(), Code::ComponentsScopeMismatch);

    let list = app.licenses().machines(id(&license), None).await.unwrap();
    assert_eq!(list.data.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), [machine.id.as_str()]);
    // By fingerprint as well as by id (10 §1.1)
    for name in [machine.id.as_str(), "52:54:00:ab"] {
        assert_eq!(app.licenses().machine(id(&license), name).await.unwrap().id, machine.id);
    }

    machine.deactivate().await.unwrap();
    assert_eq!(refusal(machine.deactivate().await), (404, "NOT_FOUND".into(), ApiErrorKind::NotFound));
    assert_eq!(app.validate(&here).await.unwrap().meta.code_kind(), Code::NoMachine);
    assert!(app.licenses().machines(id(&license), None).await.unwrap().data.is_empty());
    // Once more, and out by fingerprint
    app.licenses().activate(id(&license), "52:54:00:ab", &parts).await.unwrap();
    app.licenses().deactivate_machine(id(&license), "52:54:00:ab").await.unwrap();
    assert!(app.licenses().machines(id(&license), None).await.unwrap().data.is_empty());
}

// 01 §15: cursor pages as the SDK walks them
#[tokio::test]
async fn machine_pages() {
    let world = World::new();
    let license = world.license(json!({ "floating": true, "maxMachines": 10 }), json!({}));
    let app = world.app(&license);
    for n in 0..5 {
        world.admin.machine(&license, &format!("fp-{n}"));
    }
    let mut seen = vec![];
    let mut cursor = None;
    loop {
        let options = PaginationOptions { page_size: Some(2), page_cursor: cursor, ..PaginationOptions::default() };
        let page = app.licenses().machines(id(&license), Some(&options)).await.unwrap();
        assert!(page.data.len() <= 2 && seen.len() < 5, "{seen:?}");
        seen.extend(page.data.iter().map(|m| m.fingerprint.clone()));
        let links = page.typed_links().unwrap().unwrap();
        assert_eq!(links.has_next_page(), links.next_cursor().is_some());
        cursor = page.next_cursor();
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["fp-4", "fp-3", "fp-2", "fp-1", "fp-0"]);
    let limited = PaginationOptions { limit: Some(3), ..PaginationOptions::default() };
    let page = app.licenses().machines(id(&license), Some(&limited)).await.unwrap();
    assert_eq!(page.data.len(), 3);
}

// 10 §4: pings, the SDK's monitor, death and what follows
#[tokio::test]
async fn heartbeats() {
    let world = World::new();
    let policy = json!({ "floating": true, "maxMachines": 5, "requireHeartbeat": true, "heartbeatBasis": "FROM_FIRST_PING",
        "heartbeatDuration": 120, "heartbeatCullStrategy": "KEEP_DEAD", "heartbeatResurrectionStrategy": "ALWAYS_REVIVE" });
    let license = world.license(policy, json!({}));
    let app = world.app(&license);
    let status = |machine: &keygen_rs::machine::Machine| HeartbeatStatus::parse(&machine.heartbeat_status).unwrap();

    let machine = app.licenses().activate(id(&license), "aa", &[]).await.unwrap();
    assert_eq!((status(&machine), machine.heartbeat_duration), (HeartbeatStatus::NotStarted, Some(120)));
    let machine = machine.ping().await.unwrap();
    assert_eq!((status(&machine), machine.require_heartbeat), (HeartbeatStatus::Alive, true));

    // The monitor pings until it is told to stop.
    let (beats, mut heard) = mpsc::channel(8);
    let (stop, stopped) = mpsc::channel(1);
    let monitor = tokio::spawn(Arc::new(machine.clone()).monitor(Duration::from_millis(5), Some(beats), Some(stopped)));
    for _ in 0..3 {
        assert_eq!(status(&heard.recv().await.unwrap().unwrap()), HeartbeatStatus::Alive);
    }
    stop.send(()).await.unwrap();
    monitor.await.unwrap();

    world.server.sql("UPDATE machines SET last_heartbeat_at = last_heartbeat_at - 121000");
    let dead = app.licenses().machine(id(&license), "aa").await.unwrap();
    assert_eq!(status(&dead), HeartbeatStatus::Dead);
    assert_eq!(status(&dead.ping().await.unwrap()), HeartbeatStatus::Resurrected);
    let reset = world.vendor().licenses().machine(id(&license), "aa").await.unwrap().reset().await.unwrap();
    assert_eq!(status(&reset), HeartbeatStatus::NotStarted);
    // A license may not reset (10 §1.1).
    assert_eq!(refusal(dead.reset().await).0, 403);
    assert_eq!(status(&dead.ping().await.unwrap()), HeartbeatStatus::Alive);
    // Dead for good
    world.server.sql("UPDATE policies SET heartbeat_resurrection_strategy = 'NO_REVIVE'");
    world.server.sql("UPDATE machines SET last_heartbeat_at = last_heartbeat_at - 121000");
    let (status, code, _, detail, _) = api_error(dead.ping().await);
    assert_eq!((status, code.as_str(), detail.as_str()), (422, "MACHINE_HEARTBEAT_DEAD", "is dead"));
    machine.deactivate().await.unwrap();
    assert_eq!(refusal(machine.ping().await), (404, "NOT_FOUND".into(), ApiErrorKind::NotFound));
}

// 10 §1.5, §1.6, §2.5: refused activations, and nothing is left behind
#[tokio::test]
async fn refused_activations() {
    let world = World::new();
    let license = world.license(json!({ "floating": true, "maxMachines": 1 }), json!({}));
    let app = world.app(&license);
    let licenses = app.licenses();
    let activate = |fingerprint: &'static str| licenses.activate(id(&license), fingerprint, &[]);

    let twice = [component("cpu", "CPU"), component("cpu", "CPU again")];
    let (status, code, _, detail, pointer) = api_error(licenses.activate(id(&license), "aa", &twice).await);
    assert_eq!((status, code.as_str(), detail.as_str()), (422, "COMPONENTS_FINGERPRINT_CONFLICT", "is duplicated"));
    assert_eq!(pointer, "/data/relationships/components/data/0/attributes/fingerprint");
    let nameless = [component("cpu", "")];
    let (status, _, _, detail, pointer) = api_error(licenses.activate(id(&license), "aa", &nameless).await);
    assert_eq!((status, detail.as_str()), (400, "cannot be blank"));
    assert_eq!(pointer, "/data/relationships/components/data/0/attributes/name");
    let (status, _, _, detail, pointer) = api_error(activate("").await);
    assert_eq!((status, detail.as_str(), pointer.as_str()), (400, "cannot be blank", "/data/attributes/fingerprint"));
    assert!(licenses.machines(id(&license), None).await.unwrap().data.is_empty());

    let machine = activate("aa").await.unwrap();
    let taken = (422, "FINGERPRINT_TAKEN".to_owned(), ApiErrorKind::FingerprintTaken);
    let full = (422, "MACHINE_LIMIT_EXCEEDED".to_owned(), ApiErrorKind::MachineLimitExceeded);
    let errors = match activate("aa").await {
        Err(Error::Api(document)) => document,
        other => panic!("{other:?}"),
    };
    assert!(errors.contains_kind(taken.2), "{errors}");
    assert_eq!(refusal(activate("bb").await), full);
    let (_, _, _, detail, pointer) = api_error(activate("bb").await);
    assert_eq!(detail, "machine count has exceeded maximum allowed for license (1)");
    assert_eq!(pointer, "/data");
    machine.deactivate().await.unwrap();
    activate("bb").await.unwrap();
    assert_eq!(refusal(activate("bb").await).0, 422);

    // The policy's other limits and wider uniqueness
    let cores = world.license(json!({ "floating": true, "maxMachines": 9, "maxCores": 1 }), json!({}));
    world.server.sql(&format!("UPDATE licenses SET machines_cores = 1 WHERE id = '{}'", id(&cores)));
    let app = world.app(&cores);
    let (status, code, ..) = api_error(app.licenses().activate(id(&cores), "cc", &[]).await);
    assert_eq!((status, code.as_str()), (422, "MACHINE_CORE_LIMIT_EXCEEDED"));
    let unique = world.license(
        json!({ "machineUniquenessStrategy": "UNIQUE_PER_ACCOUNT", "overageStrategy": "NO_OVERAGE" }),
        json!({}),
    );
    let app = world.app(&unique);
    assert_eq!(refusal(app.licenses().activate(id(&unique), "bb", &[]).await), taken);

    // Somebody else's license, a machine that is none, no credential
    assert_eq!(refusal(app.licenses().activate(id(&license), "dd", &[]).await).0, 403);
    assert_eq!(
        refusal(app.licenses().machine(id(&unique), "bb").await),
        (404, "NOT_FOUND".into(), ApiErrorKind::NotFound)
    );
    let anonymous = world.sdk().build().unwrap();
    let (status, code, ..) = api_error(anonymous.licenses().activate(id(&unique), "ee", &[]).await);
    assert_eq!((status, code.as_str()), (401, "TOKEN_MISSING"));
}
