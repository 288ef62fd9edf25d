//! 09 §4.1, §6, and what a validation fetches.

use super::world::{DAY, NOW, VALID, World, ago, id, list, run, some};
use crate::model::validation::{Code, Verdict};
use crate::model::{ExpirationStrategy, MachineLeasingStrategy, ProcessLeasingStrategy, Time};

const BANNED: (bool, &str, Code) = (false, "is banned", Code::Banned);
const SUSPENDED: (bool, &str, Code) = (false, "is suspended", Code::Suspended);
const EXPIRED: (bool, &str, Code) = (false, "is expired", Code::Expired);
const OVERDUE: (bool, &str, Code) = (false, "is overdue for check in", Code::Overdue);

fn overdue(w: &mut World) {
    w.policy.require_check_in = true;
    w.policy.check_in_interval = Some("day".to_owned());
    w.policy.check_in_interval_count = Some(1);
    w.license.last_check_in_at = ago(DAY + 1);
}

fn revoked(w: &mut World) {
    w.policy.expiration_strategy = ExpirationStrategy::RevokeAccess;
    w.license.expires_at = ago(1);
}

// 09 §4.1
#[test]
fn the_state_comes_first() {
    run(
        |_| (),
        &[
            ("nothing wrong", |_| (), VALID),
            ("2", |w| w.owned().banned = true, BANNED),
            (
                "2 is about the owner",
                |w| {
                    w.attach();
                    w.attached[0].banned = true;
                },
                VALID,
            ),
            ("3", |w| w.license.suspended = true, SUSPENDED),
            ("4", revoked, EXPIRED),
            (
                "4 expires now",
                |w| {
                    revoked(w);
                    w.license.expires_at = Some(NOW);
                },
                VALID,
            ),
            ("5", overdue, OVERDUE),
            (
                "5 due now",
                |w| {
                    overdue(w);
                    w.license.last_check_in_at = ago(DAY);
                },
                VALID,
            ),
            (
                "5 never checked in",
                |w| {
                    overdue(w);
                    w.license.last_check_in_at = None;
                },
                VALID,
            ),
            (
                "2 before 3",
                |w| {
                    w.owned().banned = true;
                    w.license.suspended = true;
                },
                BANNED,
            ),
            (
                "3 before 4",
                |w| {
                    revoked(w);
                    w.license.suspended = true;
                },
                SUSPENDED,
            ),
            (
                "4 before 5",
                |w| {
                    overdue(w);
                    revoked(w);
                },
                EXPIRED,
            ),
            (
                "5 before 17: only REVOKE_ACCESS is looked at in step 4",
                |w| {
                    overdue(w);
                    w.license.expires_at = ago(1);
                },
                OVERDUE,
            ),
            (
                "5 before scopes",
                |w| {
                    overdue(w);
                    w.scope().product = some("garbage");
                },
                OVERDUE,
            ),
            (
                "quick sees the state",
                |w| {
                    overdue(w);
                    w.quick = true;
                },
                OVERDUE,
            ),
        ],
    );
}

// 09 §4.1 step 1
#[test]
fn no_license_does_not_exist() {
    let verdict = Verdict::not_found();
    assert_eq!((verdict.valid, verdict.detail), (false, "does not exist"));
    assert_eq!(verdict.code.as_str(), "NOT_FOUND");
}

// 09 §6
#[test]
fn codes_are_those_of_the_list() {
    let text = include_str!("../../../../docs/spec/09-license-validation.md");
    let section = text.split("## 6. All codes").nth(1).unwrap();
    let section = section.split("## 7.").next().unwrap();
    let mut listed: Vec<&str> = section.split('`').skip(1).step_by(2).collect();
    let mut known = Code::NAMES.to_vec();
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, listed);
}

// A plain validation needs nothing but license and policy.
#[test]
fn steps_fetch_only_what_they_need() {
    type Row = (&'static str, fn(&mut World), &'static [&'static str]);
    let rows: &[Row] = &[
        ("plain", |_| (), &[]),
        ("strict, limited per license", strict, &[]),
        (
            "quick ignores the scope",
            |w| {
                full_scope(w);
                w.quick = true;
            },
            &[],
        ),
        (
            "owner by email",
            |w| {
                w.owned();
                w.scope().user = Some(some("ada@example.com"));
            },
            &[],
        ),
        (
            "another user",
            |w| {
                w.owned();
                w.attach();
                w.scope().user = Some(some("bob@example.com"));
            },
            &["attached_user"],
        ),
        (
            "a machine that is no id",
            |w| {
                w.add(1);
                w.scope().machine = some("garbage");
            },
            &[],
        ),
        ("no machines", |w| w.scope().fingerprint = some("f1"), &[]),
        ("empty entitlements", |w| w.scope().entitlements = list(&[]), &[]),
        (
            "everything",
            full_scope,
            &[
                "entitlement_codes",
                "machine",
                "machines_by_fingerprint",
                "components_matching",
                "release_by_checksum",
                "release_by_version",
            ],
        ),
        (
            "per user, counted once",
            |w| {
                strict(w);
                w.policy.machine_leasing_strategy = MachineLeasingStrategy::PerUser;
            },
            &["counts_for_owner"],
        ),
        (
            "per user without limits",
            |w| {
                w.add(2);
                w.policy.strict = true;
                w.policy.machine_leasing_strategy = MachineLeasingStrategy::PerUser;
            },
            &[],
        ),
        (
            "processes per machine",
            |w| {
                strict(w);
                w.policy.max_processes = Some(1);
            },
            &[],
        ),
        (
            "processes per license",
            |w| {
                strict(w);
                w.policy.max_processes = Some(1);
                w.policy.process_leasing_strategy = ProcessLeasingStrategy::PerLicense;
            },
            &["process_count_of_license"],
        ),
        (
            "processes per user",
            |w| {
                strict(w);
                w.policy.max_processes = Some(1);
                w.policy.process_leasing_strategy = ProcessLeasingStrategy::PerUser;
            },
            &["process_count_of_owner"],
        ),
    ];
    for (name, change, calls) in rows {
        let mut world = World::new();
        change(&mut world);
        world.decide();
        assert_eq!(world.calls.take(), *calls, "{name}");
    }
}

fn strict(w: &mut World) {
    w.add(2);
    w.policy.strict = true;
    w.policy.max_machines = Some(5);
    w.policy.max_cores = Some(5);
    w.policy.max_memory = Some(5);
    w.policy.max_disk = Some(5);
}

fn full_scope(w: &mut World) {
    w.add(1)[0].components = vec!["c1"];
    w.entitlements = vec!["A"];
    w.releases = vec![super::world::Release { version: "1.0.0", checksum: "abc", dated: Time(0) }];
    let scope = w.scope();
    scope.entitlements = list(&["A"]);
    scope.machine = some(&id(0x101).to_string());
    scope.fingerprint = some("f1");
    scope.components = list(&["c1"]);
    scope.checksum = some("abc");
    scope.version = some("1.0.0");
}

// A failing lookup is no verdict.
#[test]
fn errors_of_lookups_are_passed_on() {
    let mut world = World::new();
    full_scope(&mut world);
    world.broken = true;
    assert_eq!(world.try_decide(), Err("entitlement_codes"));
}
