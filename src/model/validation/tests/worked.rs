//! 09 §8, every row.

use super::world::{DAY, NOW, Release, VALID, World, ago, id, list, person, run, some};
use crate::model::validation::{Code, Verdict};
use crate::model::{ExpirationStrategy, MachineLeasingStrategy, MatchingStrategy, OverageStrategy};

const ALLOWED: (bool, &str, Code) = (true, "has too many associated machines", Code::TooManyMachines);
const REFUSED: (bool, &str, Code) = (false, "has too many associated machines", Code::TooManyMachines);

fn strict(w: &mut World, max: Option<i64>, overage: OverageStrategy) {
    w.policy.strict = true;
    w.policy.max_machines = max;
    w.policy.overage_strategy = overage;
}

fn locked(w: &mut World) {
    strict(w, Some(1), OverageStrategy::Allow200);
    w.policy.floating = false;
}

fn leased(w: &mut World, owned: usize, ownerless: usize) {
    strict(w, Some(2), OverageStrategy::Allow200);
    w.policy.machine_leasing_strategy = MachineLeasingStrategy::PerUser;
    w.add_owned(owned);
    w.add(ownerless);
}

fn by_owner(w: &mut World) {
    w.scope().user = Some(some("ada@example.com"));
}

/// `user: null` matches only a license without owner; its former owner's machines stay.
fn by_nobody(w: &mut World) {
    w.owner = None;
    w.scope().user = Some(None);
}

fn processes(w: &mut World) {
    strict(w, None, OverageStrategy::NoOverage);
    w.policy.max_processes = Some(5);
    w.add(1)[0].processes = 7;
}

fn releases(w: &mut World) {
    w.releases = ["4.0.2+rebuild", "4.0.2", "4.0.0", "3.1.4", "3.1.0"]
        .map(|version| Release { version, checksum: "abc", dated: NOW })
        .to_vec();
    w.scope().checksum = some("abc");
}

#[test]
fn machine_rows() {
    use OverageStrategy::*;
    run(
        |_| (),
        &[
            (
                "5 of 4, x1.25",
                |w| {
                    strict(w, Some(4), Allow125);
                    w.add(5);
                },
                ALLOWED,
            ),
            (
                "6 of 4, x1.25",
                |w| {
                    strict(w, Some(4), Allow125);
                    w.add(6);
                },
                REFUSED,
            ),
            (
                "11, unlimited",
                |w| {
                    strict(w, None, NoOverage);
                    w.add(11);
                },
                VALID,
            ),
            (
                "6, policy 5, override 10",
                |w| {
                    strict(w, Some(5), NoOverage);
                    w.license.max_machines = Some(10);
                    w.add(6);
                },
                VALID,
            ),
            (
                "node-locked x2, 2",
                |w| {
                    locked(w);
                    w.add(2);
                },
                ALLOWED,
            ),
            (
                "node-locked x2, 3",
                |w| {
                    locked(w);
                    w.add(3);
                },
                REFUSED,
            ),
            (
                "user owns 4",
                |w| {
                    leased(w, 4, 4);
                    by_owner(w);
                },
                ALLOWED,
            ),
            (
                "ownerless 4",
                |w| {
                    leased(w, 4, 4);
                    by_nobody(w);
                },
                ALLOWED,
            ),
            (
                "user owns 5",
                |w| {
                    leased(w, 5, 4);
                    by_owner(w);
                },
                REFUSED,
            ),
            (
                "ownerless 5",
                |w| {
                    leased(w, 4, 5);
                    by_nobody(w);
                },
                REFUSED,
            ),
        ],
    );
}

#[test]
fn process_rows() {
    run(
        processes,
        &[
            ("no scope", |_| (), VALID),
            (
                "scope fingerprint, always allowed",
                |w| {
                    w.policy.overage_strategy = OverageStrategy::AlwaysAllow;
                    w.scope().fingerprint = some("f1");
                },
                (true, "has too many associated processes", Code::TooManyProcesses),
            ),
        ],
    );
}

#[test]
fn scope_rows() {
    run(
        |w| w.attach(),
        &[
            (
                "requireProductScope, GET",
                |w| {
                    w.policy.require_product_scope = true;
                    w.quick = true;
                },
                VALID,
            ),
            (
                "requireProductScope, POST",
                |w| w.policy.require_product_scope = true,
                (false, "product scope is required", Code::ProductScopeRequired),
            ),
            (
                "requireUserScope, owner, null",
                |w| {
                    w.policy.require_user_scope = true;
                    w.owned();
                    w.scope().user = Some(None);
                },
                (false, "user scope does not match", Code::UserScopeMismatch),
            ),
            (
                "requireUserScope, no owner, null",
                |w| {
                    w.policy.require_user_scope = true;
                    w.scope().user = Some(None);
                },
                VALID,
            ),
            (
                "owner is not the machine's",
                |w| {
                    w.owned();
                    w.add(1)[0].owner = Some(person(2, "bob@example.com"));
                    w.scope().fingerprint = some("f1");
                    w.scope().user = Some(some("ada@example.com"));
                },
                (
                    false,
                    "user scope does not match (does not match associated machine owners)",
                    Code::UserScopeMismatch,
                ),
            ),
            (
                "shared license, another environment",
                |w| {
                    w.environment = Some((id(9), "shared"));
                    w.scope().environment = Some(some("another"));
                },
                (false, "environment scope does not match", Code::EnvironmentScopeMismatch),
            ),
        ],
    );
    // The last row is one of the lookup: nothing is found.
    assert!(!Verdict::not_found().valid);
}

#[test]
fn fingerprint_rows() {
    const ENOUGH: (bool, &str, Code) = (
        false,
        "one or more fingerprint is not activated (does not match enough associated machines)",
        Code::FingerprintScopeMismatch,
    );
    run(
        |w| {
            w.add(3);
            w.policy.machine_matching_strategy = MatchingStrategy::Most;
        },
        &[
            ("1 of 3", |w| w.scope().fingerprints = list(&["f1", "x", "y"]), ENOUGH),
            ("2 of 4", |w| w.scope().fingerprints = list(&["f1", "f2", "x", "y"]), VALID),
            ("3 of 5", |w| w.scope().fingerprints = list(&["f1", "f2", "f3", "x", "y"]), VALID),
            (
                "4 times the same",
                |w| {
                    w.policy.machine_matching_strategy = MatchingStrategy::All;
                    w.scope().fingerprints = list(&["f1", "f1", "f1", "f1"]);
                },
                VALID,
            ),
        ],
    );
}

#[test]
fn release_rows() {
    run(
        |w| {
            w.policy.expiration_strategy = ExpirationStrategy::MaintainAccess;
            w.license.expires_at = ago(365 * DAY);
            w.releases = vec![Release { version: "2.0.0", checksum: "abc", dated: NOW }];
            w.scope().version = some("2.0.0");
        },
        &[
            (
                "created now",
                |_| (),
                (
                    false,
                    "version scope is not valid (does not match any accessible releases)",
                    Code::VersionScopeMismatch,
                ),
            ),
            (
                "backdated before expiry",
                |w| w.releases[0].dated = w.license.expires_at.unwrap(),
                (true, "is expired", Code::Expired),
            ),
        ],
    );
    let mut world = World::new();
    releases(&mut world);
    let verdict = world.decide();
    assert_eq!((verdict.valid, verdict.matched_version.as_deref()), (true, Some("4.0.2+rebuild")));
    assert_eq!(verdict.matched_checksum.as_deref(), Some("abc"));
    world.scope().version = some("3.1.4");
    let verdict = world.decide();
    assert_eq!((verdict.valid, verdict.matched_version.as_deref()), (true, Some("3.1.4")));
}
