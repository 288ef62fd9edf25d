//! 09 §4.2–4.6.

use super::world::{MINUTE, NOW, POLICY, PRODUCT, Release, VALID, World, ago, id, list, person, run, some};
use crate::model::validation::{Code, Scope};
use crate::model::{MatchingStrategy, Time};

type Outcome = (bool, &'static str, Code);

// steps 6–8
#[test]
fn environment_product_and_policy() {
    const ENVIRONMENT: Outcome = (false, "environment scope does not match", Code::EnvironmentScopeMismatch);
    const PRODUCT_OFF: Outcome = (false, "product scope does not match", Code::ProductScopeMismatch);
    const POLICY_OFF: Outcome = (false, "policy scope does not match", Code::PolicyScopeMismatch);
    run(
        |_| (),
        &[
            ("6 null, none", |w| w.scope().environment = Some(None), VALID),
            ("6 code, none", |w| w.scope().environment = Some(some("test")), ENVIRONMENT),
            (
                "6 null, some",
                |w| {
                    w.environment = Some((id(9), "test"));
                    w.scope().environment = Some(None);
                },
                ENVIRONMENT,
            ),
            (
                "6 code",
                |w| {
                    w.environment = Some((id(9), "test"));
                    w.scope().environment = Some(some("test"));
                },
                VALID,
            ),
            (
                "6 code in another case",
                |w| {
                    w.environment = Some((id(9), "test"));
                    w.scope().environment = Some(some("Test"));
                },
                ENVIRONMENT,
            ),
            (
                "6 id",
                |w| {
                    w.environment = Some((id(9), "test"));
                    w.scope().environment = Some(some(&id(9).to_string()));
                },
                VALID,
            ),
            (
                "6 another id",
                |w| {
                    w.environment = Some((id(9), "test"));
                    w.scope().environment = Some(some(&id(8).to_string()));
                },
                ENVIRONMENT,
            ),
            (
                "6 absent, some",
                |w| {
                    w.environment = Some((id(9), "test"));
                    w.scope();
                },
                VALID,
            ),
            ("7 matches", |w| w.scope().product = some(&id(PRODUCT).to_string()), VALID),
            (
                "7 upper case",
                |w| {
                    w.scope().product = some(&id(PRODUCT).simple().to_string().to_uppercase());
                },
                VALID,
            ),
            ("7 differs", |w| w.scope().product = some(&id(POLICY).to_string()), PRODUCT_OFF),
            ("7 garbage", |w| w.scope().product = some("garbage"), PRODUCT_OFF),
            ("8 matches", |w| w.scope().policy = some(&id(POLICY).to_string()), VALID),
            ("8 differs", |w| w.scope().policy = some(&id(PRODUCT).to_string()), POLICY_OFF),
            ("8 garbage", |w| w.scope().policy = some("garbage"), POLICY_OFF),
        ],
    );
}

// the "required" lines: without scope, with an empty one, with the member, and in quick validation
#[test]
fn required_members() {
    type Case = (fn(&mut World), fn(&mut Scope), &'static str, Code);
    let cases: &[Case] = &[
        (
            |w| w.policy.require_product_scope = true,
            |s| s.product = some(&id(PRODUCT).to_string()),
            "product scope is required",
            Code::ProductScopeRequired,
        ),
        (
            |w| w.policy.require_policy_scope = true,
            |s| s.policy = some(&id(POLICY).to_string()),
            "policy scope is required",
            Code::PolicyScopeRequired,
        ),
        (
            |w| w.policy.require_user_scope = true,
            |s| s.user = Some(None),
            "user scope is required",
            Code::UserScopeRequired,
        ),
        (
            |w| w.policy.require_machine_scope = true,
            |s| s.machine = some(&id(0x101).to_string()),
            "machine scope is required",
            Code::MachineScopeRequired,
        ),
        (
            |w| w.policy.require_fingerprint_scope = true,
            |s| s.fingerprint = some("f1"),
            "fingerprint scope is required",
            Code::FingerprintScopeRequired,
        ),
        (
            |w| w.policy.require_fingerprint_scope = true,
            |s| s.fingerprints = list(&["f1"]),
            "fingerprint scope is required",
            Code::FingerprintScopeRequired,
        ),
        (
            |w| w.policy.require_components_scope = true,
            |s| (s.fingerprint, s.components) = (some("f1"), list(&["c1"])),
            "components scope is required",
            Code::ComponentsScopeRequired,
        ),
        (
            |w| w.policy.require_checksum_scope = true,
            |s| s.checksum = some("abc"),
            "checksum scope is required",
            Code::ChecksumScopeRequired,
        ),
        (
            |w| w.policy.require_version_scope = true,
            |s| s.version = some("1.0.0"),
            "version scope is required",
            Code::VersionScopeRequired,
        ),
    ];
    for (require, give, detail, code) in cases {
        let world = || {
            let mut world = World::new();
            world.add(1)[0].components = vec!["c1"];
            world.releases = vec![Release { version: "1.0.0", checksum: "abc", dated: Time(0) }];
            require(&mut world);
            world
        };
        let outcome = |mut world: World| {
            let verdict = world.decide();
            (verdict.valid, verdict.detail, verdict.code)
        };
        assert_eq!(outcome(world()), (false, *detail, *code));
        let mut empty = world();
        empty.scope();
        assert_eq!(outcome(empty), (false, *detail, *code));
        let mut given = world();
        give(given.scope());
        assert_eq!(outcome(given), VALID, "{detail}");
        let mut quick = world();
        quick.quick = true;
        assert_eq!(outcome(quick), VALID, "{detail}");
    }
}

// the order of the "required" lines
#[test]
fn scopes_in_order() {
    let mut world = World::new();
    world.add(1)[0].components = vec!["c1"];
    world.releases = vec![Release { version: "1.0.0", checksum: "abc", dated: Time(0) }];
    let policy = &mut world.policy;
    policy.require_product_scope = true;
    policy.require_policy_scope = true;
    policy.require_user_scope = true;
    policy.require_machine_scope = true;
    policy.require_fingerprint_scope = true;
    policy.require_components_scope = true;
    policy.require_checksum_scope = true;
    policy.require_version_scope = true;
    world.scope().environment = Some(some("x"));
    world.scope().entitlements = list(&["x"]);
    type Mend = (Code, fn(&mut Scope));
    let steps: [Mend; 10] = [
        (Code::EnvironmentScopeMismatch, |s| s.environment = None),
        (Code::ProductScopeRequired, |s| s.product = some(&id(PRODUCT).to_string())),
        (Code::PolicyScopeRequired, |s| s.policy = some(&id(POLICY).to_string())),
        (Code::UserScopeRequired, |s| s.user = Some(None)),
        (Code::EntitlementsMissing, |s| s.entitlements = None),
        (Code::MachineScopeRequired, |s| s.machine = some(&id(0x101).to_string())),
        (Code::FingerprintScopeRequired, |s| s.fingerprint = some("f1")),
        (Code::ComponentsScopeRequired, |s| s.components = list(&["c1"])),
        (Code::ChecksumScopeRequired, |s| s.checksum = some("abc")),
        (Code::VersionScopeRequired, |s| s.version = some("1.0.0")),
    ];
    for (code, mend) in steps {
        let verdict = world.decide();
        assert_eq!((verdict.valid, verdict.code), (false, code));
        mend(world.scope());
    }
    assert_eq!(world.decide().code, Code::Valid);
}

// step 9
#[test]
fn users_by_id_or_email() {
    const OFF: Outcome = (false, "user scope does not match", Code::UserScopeMismatch);
    run(
        |w| {
            w.owned();
            w.attach();
        },
        &[
            ("owner's id", |w| w.scope().user = Some(some(&id(1).to_string())), VALID),
            ("owner's email", |w| w.scope().user = Some(some("ada@example.com")), VALID),
            ("owner's email, any case", |w| w.scope().user = Some(some("Ada@Example.com")), VALID),
            ("attached id", |w| w.scope().user = Some(some(&id(2).to_string())), VALID),
            ("attached email, any case", |w| w.scope().user = Some(some("BOB@example.com")), VALID),
            ("another id", |w| w.scope().user = Some(some(&id(3).to_string())), OFF),
            ("another email", |w| w.scope().user = Some(some("eve@example.com")), OFF),
            ("null with owner", |w| w.scope().user = Some(None), OFF),
            (
                "null without owner",
                |w| {
                    w.owner = None;
                    w.scope().user = Some(None);
                },
                VALID,
            ),
            (
                "attached without owner",
                |w| {
                    w.owner = None;
                    w.scope().user = Some(some("bob@example.com"));
                },
                VALID,
            ),
            (
                "former owner",
                |w| {
                    w.owner = None;
                    w.scope().user = Some(some("ada@example.com"));
                },
                OFF,
            ),
        ],
    );
}

// step 10
#[test]
fn entitlements_by_code() {
    const MISSING: Outcome = (false, "is missing one or more required entitlements", Code::EntitlementsMissing);
    run(
        |w| w.entitlements = vec!["A", "B"],
        &[
            (
                "absent",
                |w| {
                    w.scope();
                },
                VALID,
            ),
            (
                "empty",
                |w| w.scope().entitlements = list(&[]),
                (false, "entitlements scope is empty", Code::EntitlementsScopeEmpty),
            ),
            ("held", |w| w.scope().entitlements = list(&["A"]), VALID),
            ("held twice", |w| w.scope().entitlements = list(&["B", "A", "B"]), VALID),
            ("one missing", |w| w.scope().entitlements = list(&["A", "C"]), MISSING),
            ("exact", |w| w.scope().entitlements = list(&["a"]), MISSING),
            (
                "none held",
                |w| {
                    w.entitlements.clear();
                    w.scope().entitlements = list(&["A"]);
                },
                MISSING,
            ),
        ],
    );
}

// §4.3
#[test]
fn machine_scope() {
    const OFF: Outcome =
        (false, "machine is not activated (does not match any associated machines)", Code::MachineScopeMismatch);
    const OWNER: Outcome =
        (false, "user scope does not match (does not match associated machine owner)", Code::UserScopeMismatch);
    const REQUIRED: Outcome = (false, "machine heartbeat is required", Code::HeartbeatNotStarted);
    const DEAD: Outcome = (false, "machine heartbeat is dead", Code::HeartbeatDead);
    fn bobs(w: &mut World) {
        w.owned();
        w.attach();
        w.machines[0].owner = Some(person(2, "bob@example.com"));
    }
    run(
        |w| {
            w.add(2);
            w.scope().machine = some(&id(0x101).to_string());
        },
        &[
            (
                "none, node-locked",
                |w| {
                    w.machines.clear();
                    w.policy.floating = false;
                },
                (false, "machine is not activated (has no associated machine)", Code::NoMachine),
            ),
            (
                "none, floating",
                |w| w.machines.clear(),
                (false, "machine is not activated (has no associated machines)", Code::NoMachines),
            ),
            ("matches", |_| (), VALID),
            ("another id", |w| w.scope().machine = some(&id(0x999).to_string()), OFF),
            ("garbage", |w| w.scope().machine = some("garbage"), OFF),
            ("no fingerprint", |w| w.scope().machine = some("f1"), OFF),
            (
                "its owner's email",
                |w| {
                    bobs(w);
                    w.scope().user = Some(some("bob@example.com"));
                },
                VALID,
            ),
            (
                "its owner's id",
                |w| {
                    bobs(w);
                    w.scope().user = Some(some(&id(2).to_string()));
                },
                VALID,
            ),
            // passes step 9, but the comparison here is exact
            (
                "email in another case",
                |w| {
                    bobs(w);
                    w.scope().user = Some(some("Bob@example.com"));
                },
                OWNER,
            ),
            (
                "not its owner",
                |w| {
                    bobs(w);
                    w.scope().user = Some(some("ada@example.com"));
                },
                OWNER,
            ),
            ("no user scope", bobs, VALID),
            (
                "null user scope",
                |w| {
                    bobs(w);
                    w.owner = None;
                    w.scope().user = Some(None);
                },
                VALID,
            ),
            (
                "ownerless",
                |w| {
                    w.owned();
                    w.scope().user = Some(some("ada@example.com"));
                },
                VALID,
            ),
            ("not started, required", |w| w.policy.require_heartbeat = true, REQUIRED),
            (
                "never heard, required, too old",
                |w| {
                    w.policy.require_heartbeat = true;
                    w.machines[0].created = Time(NOW.0 - 10 * MINUTE - 1);
                },
                DEAD,
            ),
            (
                "alive, required",
                |w| {
                    w.policy.require_heartbeat = true;
                    w.machines[0].last = ago(10 * MINUTE);
                },
                VALID,
            ),
            ("dead, not required", |w| w.kill(0), DEAD),
            ("another one is dead", |w| w.kill(1), VALID),
            (
                "owner before heartbeat",
                |w| {
                    bobs(w);
                    w.kill(0);
                    w.scope().user = Some(some("ada@example.com"));
                },
                OWNER,
            ),
        ],
    );
}

const NO_FINGERPRINT: Outcome =
    (false, "fingerprint is not activated (does not match any associated machines)", Code::FingerprintScopeMismatch);
const ALL_DEAD: Outcome = (false, "machine heartbeat is dead", Code::HeartbeatDead);

// §4.4: nothing sent, no machines, dead ones, one fingerprint
#[test]
fn fingerprint_scope() {
    const NOT_STARTED: Outcome = (false, "machine heartbeat is required", Code::HeartbeatNotStarted);
    run(
        |w| {
            w.add(3);
            w.policy.machine_matching_strategy = MatchingStrategy::All;
        },
        &[
            (
                "empty",
                |w| w.scope().fingerprints = list(&[]),
                (false, "fingerprint scope is empty", Code::FingerprintScopeEmpty),
            ),
            (
                "empty before no machines",
                |w| {
                    w.machines.clear();
                    w.scope().fingerprints = list(&[]);
                },
                (false, "fingerprint scope is empty", Code::FingerprintScopeEmpty),
            ),
            (
                "none, node-locked",
                |w| {
                    w.machines.clear();
                    w.policy.floating = false;
                    w.scope().fingerprint = some("f1");
                },
                (false, "fingerprint is not activated (has no associated machine)", Code::NoMachine),
            ),
            (
                "none, floating",
                |w| {
                    w.machines.clear();
                    w.scope().fingerprint = some("f1");
                },
                (false, "fingerprint is not activated (has no associated machines)", Code::NoMachines),
            ),
            ("matches", |w| w.scope().fingerprint = some("f1"), VALID),
            ("exact", |w| w.scope().fingerprint = some("F1"), NO_FINGERPRINT),
            ("n = 1 in a list", |w| w.scope().fingerprints = list(&["x"]), NO_FINGERPRINT),
            ("n = 1 after distinct", |w| w.scope().fingerprints = list(&["x", "x"]), NO_FINGERPRINT),
            // whatever the strategy
            (
                "n = 1, MATCH_TWO",
                |w| {
                    w.policy.machine_matching_strategy = MatchingStrategy::Two;
                    w.scope().fingerprints = list(&["f1", "f1"]);
                },
                VALID,
            ),
            (
                "fingerprint wins",
                |w| {
                    w.scope().fingerprint = some("f1");
                    w.scope().fingerprints = list(&["x", "y"]);
                },
                VALID,
            ),
            (
                "dead",
                |w| {
                    w.kill(0);
                    w.scope().fingerprint = some("f1");
                },
                ALL_DEAD,
            ),
            (
                "all dead",
                |w| {
                    w.kill(0);
                    w.kill(1);
                    w.scope().fingerprints = list(&["f1", "f2"]);
                },
                ALL_DEAD,
            ),
            (
                "one dead of two under MATCH_ALL",
                |w| {
                    w.kill(0);
                    w.scope().fingerprints = list(&["f1", "f2"]);
                },
                (
                    false,
                    "one or more fingerprint is not activated (does not match all associated machines)",
                    Code::FingerprintScopeMismatch,
                ),
            ),
            (
                "one dead, one unknown",
                |w| {
                    w.kill(0);
                    w.policy.machine_matching_strategy = MatchingStrategy::Any;
                    w.scope().fingerprints = list(&["f1", "x"]);
                },
                (
                    false,
                    "one or more fingerprint is not activated (does not match any associated machines)",
                    Code::FingerprintScopeMismatch,
                ),
            ),
            (
                "heard of just in time",
                |w| {
                    w.machines[0].last = ago(10 * MINUTE);
                    w.scope().fingerprint = some("f1");
                },
                VALID,
            ),
            (
                "old, never heard of, not required",
                |w| {
                    w.machines[0].created = Time(0);
                    w.scope().fingerprint = some("f1");
                },
                VALID,
            ),
            (
                "old, never heard of, required",
                |w| {
                    w.machines[0].created = Time(NOW.0 - 10 * MINUTE - 1);
                    w.policy.require_heartbeat = true;
                    w.scope().fingerprint = some("f1");
                },
                ALL_DEAD,
            ),
            (
                "young, never heard of, required",
                |w| {
                    w.machines[0].created = Time(NOW.0 - 10 * MINUTE);
                    w.policy.require_heartbeat = true;
                    w.scope().fingerprint = some("f1");
                },
                NOT_STARTED,
            ),
            (
                "one of two not started",
                |w| {
                    w.machines[0].last = Some(NOW);
                    w.policy.require_heartbeat = true;
                    w.scope().fingerprints = list(&["f1", "f2"]);
                },
                NOT_STARTED,
            ),
            (
                "started, required",
                |w| {
                    w.machines[0].last = Some(NOW);
                    w.policy.require_heartbeat = true;
                    w.scope().fingerprint = some("f1");
                },
                VALID,
            ),
            (
                "the policy's duration",
                |w| {
                    w.policy.heartbeat_duration = Some(60);
                    w.machines[0].last = ago(MINUTE + 1);
                    w.scope().fingerprint = some("f1");
                },
                ALL_DEAD,
            ),
        ],
    );
}

// §4.4: n > 1 by strategy; `matching` of `sent` are alive machines
#[test]
fn fingerprints_by_strategy() {
    const TWO: &str = "one or more fingerprint is not activated (does not match at least 2 associated machines)";
    const ANY: &str = "one or more fingerprint is not activated (does not match any associated machines)";
    const MOST: &str = "one or more fingerprint is not activated (does not match enough associated machines)";
    const ALL: &str = "one or more fingerprint is not activated (does not match all associated machines)";
    for (strategy, sent, matching, detail) in [
        (MatchingStrategy::Any, 3, 0, Some(ANY)),
        (MatchingStrategy::Any, 3, 1, None),
        (MatchingStrategy::Two, 3, 1, Some(TWO)),
        (MatchingStrategy::Two, 3, 2, None),
        (MatchingStrategy::Most, 2, 0, Some(MOST)),
        (MatchingStrategy::Most, 2, 1, None),
        (MatchingStrategy::Most, 3, 1, Some(MOST)),
        (MatchingStrategy::Most, 3, 2, None),
        (MatchingStrategy::Most, 4, 2, None),
        (MatchingStrategy::Most, 5, 2, Some(MOST)),
        (MatchingStrategy::Most, 5, 3, None),
        (MatchingStrategy::All, 3, 2, Some(ALL)),
        (MatchingStrategy::All, 3, 3, None),
    ] {
        let mut world = World::new();
        // machines that are not asked for do not help
        world.add(9);
        world.policy.machine_matching_strategy = strategy;
        let texts = (0..sent).map(|n| format!("{}{}", if n < matching { "f" } else { "x" }, n + 1));
        world.scope().fingerprints = Some(texts.collect());
        let verdict = world.decide();
        let expected = match detail {
            Some(detail) => (false, detail, Code::FingerprintScopeMismatch),
            None => VALID,
        };
        let found = (verdict.valid, verdict.detail, verdict.code);
        assert_eq!(found, expected, "{strategy:?} {matching} of {sent}");
    }
}

// §4.4: the user among the owners
#[test]
fn fingerprints_of_users() {
    const OFF: Outcome =
        (false, "user scope does not match (does not match associated machine owners)", Code::UserScopeMismatch);
    run(
        |w| {
            // f1 is Ada's, f2 Bob's, f3 nobody's
            w.add_owned(1);
            w.attach();
            w.add(2)[1].owner = Some(person(2, "bob@example.com"));
            w.scope().user = Some(some("ada@example.com"));
        },
        &[
            ("own", |w| w.scope().fingerprint = some("f1"), VALID),
            ("own and ownerless", |w| w.scope().fingerprints = list(&["f1", "f3"]), VALID),
            ("another's", |w| w.scope().fingerprint = some("f2"), OFF),
            ("one of them another's", |w| w.scope().fingerprints = list(&["f1", "f2"]), OFF),
            (
                "another's is dead",
                |w| {
                    w.kill(1);
                    w.scope().fingerprints = list(&["f1", "f2"]);
                },
                VALID,
            ),
            (
                "by id",
                |w| {
                    w.scope().user = Some(some(&id(2).to_string()));
                    w.scope().fingerprint = some("f2");
                },
                VALID,
            ),
            (
                "by email in another case",
                |w| {
                    w.scope().user = Some(some("BOB@example.com"));
                    w.scope().fingerprint = some("f2");
                },
                VALID,
            ),
            (
                "absent",
                |w| {
                    w.scope().user = None;
                    w.scope().fingerprints = list(&["f1", "f2"]);
                },
                VALID,
            ),
            (
                "null",
                |w| {
                    w.owner = None;
                    w.scope().user = Some(None);
                    w.scope().fingerprints = list(&["f1", "f2"]);
                },
                VALID,
            ),
            (
                "owners before heartbeats",
                |w| {
                    w.policy.require_heartbeat = true;
                    w.scope().fingerprint = some("f2");
                },
                OFF,
            ),
        ],
    );
}

// §4.5
#[test]
fn components_scope() {
    const ANY: &str = "one or more component is not activated (does not match any associated components)";
    const TWO: &str = "one or more component is not activated (does not match at least 2 associated components)";
    const MOST: &str = "one or more component is not activated (does not match enough associated components)";
    const ALL: &str = "one or more component is not activated (does not match all associated components)";
    const ALONE: Outcome =
        (false, "fingerprint scope is required when using the components scope", Code::FingerprintScopeRequired);
    fn base(w: &mut World) {
        w.add(2)[0].components = vec!["c1", "c2", "c3", "c4"];
        w.machines[1].components = vec!["d1"];
        w.scope().fingerprint = some("f1");
    }
    run(
        base,
        &[
            (
                "alone",
                |w| {
                    w.scope().fingerprint = None;
                    w.scope().components = list(&["c1"]);
                },
                ALONE,
            ),
            (
                "with fingerprints",
                |w| {
                    w.scope().fingerprint = None;
                    w.scope().fingerprints = list(&["f1"]);
                    w.scope().components = list(&["c1"]);
                },
                ALONE,
            ),
            (
                "with machine",
                |w| {
                    w.scope().fingerprint = None;
                    w.scope().machine = some(&id(0x101).to_string());
                    w.scope().components = list(&[]);
                },
                ALONE,
            ),
            (
                "empty",
                |w| w.scope().components = list(&[]),
                (false, "components scope is empty", Code::ComponentsScopeEmpty),
            ),
            (
                "wrong fingerprint",
                |w| {
                    w.scope().fingerprint = some("x");
                    w.scope().components = list(&["c1"]);
                },
                NO_FINGERPRINT,
            ),
            (
                "another machine's component",
                |w| w.scope().components = list(&["d1"]),
                (false, ANY, Code::ComponentsScopeMismatch),
            ),
            (
                "twice the same is one",
                |w| {
                    w.policy.component_matching_strategy = MatchingStrategy::Two;
                    w.scope().components = list(&["c1", "c1"]);
                },
                (false, TWO, Code::ComponentsScopeMismatch),
            ),
        ],
    );
    for (strategy, sent, matching, detail) in [
        (MatchingStrategy::Any, 3, 0, Some(ANY)),
        (MatchingStrategy::Any, 3, 1, None),
        // also when one is sent
        (MatchingStrategy::Two, 1, 1, Some(TWO)),
        (MatchingStrategy::Two, 3, 1, Some(TWO)),
        (MatchingStrategy::Two, 2, 2, None),
        (MatchingStrategy::Most, 1, 0, Some(MOST)),
        (MatchingStrategy::Most, 3, 1, Some(MOST)),
        (MatchingStrategy::Most, 3, 2, None),
        (MatchingStrategy::Most, 4, 2, None),
        (MatchingStrategy::All, 3, 2, Some(ALL)),
        (MatchingStrategy::All, 4, 4, None),
    ] {
        let mut world = World::new();
        base(&mut world);
        world.policy.component_matching_strategy = strategy;
        let texts = (0..sent).map(|n| format!("{}{}", if n < matching { "c" } else { "x" }, n + 1));
        world.scope().components = Some(texts.collect());
        let verdict = world.decide();
        let expected = match detail {
            Some(detail) => (false, detail, Code::ComponentsScopeMismatch),
            None => VALID,
        };
        let found = (verdict.valid, verdict.detail, verdict.code);
        assert_eq!(found, expected, "{strategy:?} {matching} of {sent}");
    }
}

// §4.6 and what is recorded (§7)
#[test]
fn checksum_and_version_scopes() {
    const CHECKSUM: Outcome =
        (false, "checksum scope is not valid (does not match any accessible artifacts)", Code::ChecksumScopeMismatch);
    const VERSION: Outcome =
        (false, "version scope is not valid (does not match any accessible releases)", Code::VersionScopeMismatch);
    const EXPIRED: Outcome = (false, "is expired", Code::Expired);
    for (checksum, version, expired, expected, recorded) in [
        (None, None, false, VALID, (None, None)),
        (Some("abc"), None, false, VALID, (Some("2.0.0"), Some("abc"))),
        (Some("ABC"), None, false, CHECKSUM, (None, None)),
        (None, Some("1.0.0"), false, VALID, (Some("1.0.0"), None)),
        (None, Some("1.0"), false, VERSION, (None, None)),
        (Some("abc"), Some("1.0.0"), false, VALID, (Some("1.0.0"), Some("abc"))),
        (Some("x"), Some("1.0.0"), false, CHECKSUM, (None, None)),
        // recorded even if a later step failed
        (Some("abc"), Some("9.9.9"), false, VERSION, (Some("2.0.0"), Some("abc"))),
        (Some("abc"), Some("1.0.0"), true, EXPIRED, (Some("1.0.0"), Some("abc"))),
    ] {
        let mut world = World::new();
        world.releases =
            ["2.0.0", "1.0.0"].map(|version| Release { version, checksum: "abc", dated: Time(0) }).to_vec();
        world.license.expires_at = ago(1).filter(|_| expired);
        world.scope().checksum = checksum.and_then(some);
        world.scope().version = version.and_then(some);
        let verdict = world.decide();
        assert_eq!((verdict.valid, verdict.detail, verdict.code), expected);
        let found = (verdict.matched_version.as_deref(), verdict.matched_checksum.as_deref());
        assert_eq!(found, recorded, "{checksum:?} {version:?}");
    }
}
