//! Rules of a policy that bear on numbers or on several attributes (07 §2.2, §2.3, §2.5, §2.6, §2.8), and what creation fills
//! in. That enum values, presence and lengths are right is checked where attributes are read.

use super::{
    CheckInInterval, HeartbeatBasis, HeartbeatCullStrategy, HeartbeatResurrectionStrategy, KeyScheme, OverageStrategy,
    Policy,
};

/// One violated rule: 422, pointer `/data/attributes/<attribute>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The attribute in snake_case.
    pub attribute: &'static str,
    /// What follows the attribute's name in the code: `INVALID`, `NOT_ALLOWED`, `NOT_SUPPORTED`.
    pub suffix: &'static str,
    /// The error's detail.
    pub detail: String,
}

impl RuleError {
    /// The error's code: `MAX_MACHINES_INVALID`.
    pub fn code(&self) -> String {
        format!("{}_{}", self.attribute.to_ascii_uppercase(), self.suffix)
    }
}

/// The largest value of a four-byte integer.
const INT4_MAX: i64 = 2_147_483_647;

/// Fills in what creation decides from other attributes: the scheme of legacy encrypted policies (07 §2.2), one machine for
/// node-locked ones (§2.3), and, unless it was given, the heartbeat basis (§2.6).
pub fn apply_creation_defaults(policy: &mut Policy, heartbeat_basis_given: bool) {
    if policy.encrypted && policy.scheme.is_none() {
        policy.scheme = Some(KeyScheme::LegacyEncrypt);
    }
    if !policy.floating && policy.max_machines.is_none() {
        policy.max_machines = Some(1);
    }
    if !heartbeat_basis_given {
        policy.heartbeat_basis =
            if policy.require_heartbeat { HeartbeatBasis::FromCreation } else { HeartbeatBasis::FromFirstPing };
    }
}

/// Checks a policy as it is going to be stored, on create and update alike; errors come in the order of 07 §2.9, at most one
/// per attribute and suffix. `explicit_cull_strategy`: `heartbeatCullStrategy` was sent, now or in an earlier request (§2.6).
pub fn check(policy: &Policy, explicit_cull_strategy: bool) -> Vec<RuleError> {
    let mut rules = Rules(Vec::new());
    rules.duration(policy);
    rules.machines(policy);
    rules.range("max_cores", policy.max_cores, 1, INT4_MAX);
    rules.range("max_memory", policy.max_memory, 1, i64::MAX);
    rules.range("max_disk", policy.max_disk, 1, i64::MAX);
    rules.range("max_uses", policy.max_uses, 0, INT4_MAX);
    rules.check_in(policy);
    rules.encryption(policy);
    rules.cull_strategy(policy, explicit_cull_strategy);
    rules.positive("max_processes", policy.max_processes);
    rules.positive("max_users", policy.max_users);
    if let Some(detail) = incompatible_overage(policy) {
        rules.add("overage_strategy", "NOT_ALLOWED", detail);
    }
    rules.pool(policy);
    rules.grouped()
}

struct Rules(Vec<RuleError>);

impl Rules {
    fn add(&mut self, attribute: &'static str, suffix: &'static str, detail: impl Into<String>) {
        self.0.push(RuleError { attribute, suffix, detail: detail.into() });
    }

    fn invalid(&mut self, attribute: &'static str, detail: impl Into<String>) {
        self.add(attribute, "INVALID", detail);
    }

    /// Errors of one attribute stand together, where its first one stood (01 §10.1).
    fn grouped(self) -> Vec<RuleError> {
        let mut grouped: Vec<RuleError> = Vec::with_capacity(self.0.len());
        for error in self.0 {
            let last = grouped.iter().rposition(|e| e.attribute == error.attribute);
            grouped.insert(last.map_or(grouped.len(), |at| at + 1), error);
        }
        grouped
    }

    fn range(&mut self, attribute: &'static str, value: Option<i64>, min: i64, max: i64) {
        match value {
            Some(value) if value < min => {
                self.invalid(attribute, format!("must be greater than or equal to {min}"));
            }
            Some(value) if value > max => {
                self.invalid(attribute, format!("must be less than or equal to {max}"));
            }
            _ => {}
        }
    }

    fn positive(&mut self, attribute: &'static str, value: Option<i64>) {
        if value.is_some_and(|value| value <= 0) {
            self.invalid(attribute, "must be greater than 0");
        } else {
            self.range(attribute, value, 1, INT4_MAX);
        }
    }

    /// Seconds with a least value that is also given in words.
    fn seconds(&mut self, attribute: &'static str, value: Option<i64>, min: i64, words: &str) {
        match value {
            Some(value) if (1..min).contains(&value) => {
                self.invalid(attribute, format!("must be greater than or equal to {min} ({words})"));
            }
            _ => self.positive(attribute, value),
        }
    }

    /// 07 §2.1, §2.6
    fn duration(&mut self, policy: &Policy) {
        self.seconds("duration", policy.duration, 86_400, "1 day");
        self.seconds("heartbeat_duration", policy.heartbeat_duration, 60, "1 minute");
    }

    /// 07 §2.3
    fn machines(&mut self, policy: &Policy) {
        match policy.max_machines {
            Some(0) if policy.floating => {
                self.invalid("max_machines", "must be greater than or equal to 1 for floating policy");
            }
            Some(n) if !policy.floating && n != 1 && (0..=INT4_MAX).contains(&n) => {
                self.invalid("max_machines", "must be equal to 1 for non-floating policy");
            }
            value => self.range("max_machines", value, 0, INT4_MAX),
        }
    }

    /// 07 §2.5
    fn check_in(&mut self, policy: &Policy) {
        if !policy.require_check_in {
            return;
        }
        if policy.check_in_interval.as_deref().and_then(CheckInInterval::parse).is_none() {
            let detail = format!("must be one of: {}", CheckInInterval::NAMES.join(", "));
            self.add("check_in_interval", "NOT_ALLOWED", detail);
        }
        if !policy.check_in_interval_count.is_some_and(|count| (1..=365).contains(&count)) {
            let detail = "must be a number between 1 and 365 inclusive";
            self.add("check_in_interval_count", "NOT_ALLOWED", detail);
        }
    }

    /// 07 §2.2; an encrypted policy without scheme gets its scheme from `apply_creation_defaults`.
    fn encryption(&mut self, policy: &Policy) {
        let legacy = policy.scheme == Some(KeyScheme::LegacyEncrypt);
        if policy.encrypted && policy.scheme.is_some() && !legacy {
            let detail = "unsupported encryption scheme (scheme must be LEGACY_ENCRYPT for legacy encrypted policies)";
            self.add("scheme", "NOT_ALLOWED", detail);
        }
        if legacy && !policy.encrypted {
            self.invalid("scheme", "must be encrypted when using LEGACY_ENCRYPT scheme");
        }
    }

    /// 07 §2.6
    fn cull_strategy(&mut self, policy: &Policy, explicit: bool) {
        let revives = policy.heartbeat_resurrection_strategy == HeartbeatResurrectionStrategy::Always;
        let keeps = policy.heartbeat_cull_strategy == HeartbeatCullStrategy::KeepDead;
        if revives && !(explicit && keeps) {
            let detail =
                "incompatible heartbeat cull strategy (must be KEEP_DEAD when resurrection strategy is ALWAYS_REVIVE)";
            self.add("heartbeat_cull_strategy", "NOT_ALLOWED", detail);
        }
    }

    /// 07 §2.2: the rules of pools come last, the one on `encrypted` first.
    fn pool(&mut self, policy: &Policy) {
        if !policy.use_pool {
            return;
        }
        if policy.encrypted {
            self.add("encrypted", "NOT_SUPPORTED", "cannot be encrypted and use a pool");
        }
        if policy.scheme.is_some() {
            self.add("scheme", "NOT_SUPPORTED", "cannot use a scheme and use a pool");
        }
    }
}

/// The first overage cross-check that fails (07 §2.8).
fn incompatible_overage(policy: &Policy) -> Option<String> {
    let divisor = match policy.overage_strategy {
        OverageStrategy::Allow125 => 4,
        OverageStrategy::Allow150 => 2,
        OverageStrategy::Allow200 | OverageStrategy::AlwaysAllow | OverageStrategy::NoOverage => {
            return None;
        }
    };
    let strategy = policy.overage_strategy.as_str();
    if !policy.floating {
        return Some(format!("incompatible overage strategy (cannot use {strategy} for node-locked policy)"));
    }
    [
        ("max machines", policy.max_machines),
        ("max cores", policy.max_cores),
        ("max memory", policy.max_memory),
        ("max disk", policy.max_disk),
        ("max processes", policy.max_processes),
        ("max users", policy.max_users),
    ]
    .into_iter()
    .find(|(_, limit)| limit.is_some_and(|limit| limit % divisor != 0))
    .map(|(name, _)| {
        format!("incompatible overage strategy (cannot use {strategy} with a {name} value not divisible by {divisor})")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Time;
    use uuid::Uuid;

    type Change = fn(&mut Policy);

    /// A floating policy that violates nothing.
    fn policy(change: Change) -> Policy {
        let mut policy = Policy::new(Uuid::nil(), Uuid::nil(), None, Time(0));
        policy.floating = true;
        change(&mut policy);
        policy
    }

    /// "CODE detail" of every error.
    fn errors(change: Change) -> Vec<String> {
        check(&policy(change), false).into_iter().map(|error| format!("{} {}", error.code(), error.detail)).collect()
    }

    fn expect(cases: &[(Change, &[&str])]) {
        for (at, (change, expected)) in cases.iter().enumerate() {
            assert_eq!(errors(*change), *expected, "case {at}");
        }
    }

    // 07 §2.1, §2.6
    #[test]
    fn durations() {
        expect(&[
            (|_| (), &[]),
            (|p| p.duration = Some(0), &["DURATION_INVALID must be greater than 0"]),
            (|p| p.duration = Some(i64::MIN), &["DURATION_INVALID must be greater than 0"]),
            (|p| p.duration = Some(2_147_483_648), &["DURATION_INVALID must be less than or equal to 2147483647"]),
            (|p| p.duration = Some(2_147_483_647), &[]),
            (|p| p.duration = Some(86_399), &["DURATION_INVALID must be greater than or equal to 86400 (1 day)"]),
            (|p| p.duration = Some(1), &["DURATION_INVALID must be greater than or equal to 86400 (1 day)"]),
            (|p| p.duration = Some(86_400), &[]),
            (|p| p.heartbeat_duration = Some(0), &["HEARTBEAT_DURATION_INVALID must be greater than 0"]),
            (
                |p| p.heartbeat_duration = Some(59),
                &["HEARTBEAT_DURATION_INVALID must be greater than or equal to 60 (1 minute)"],
            ),
            (|p| p.heartbeat_duration = Some(60), &[]),
            (
                |p| p.heartbeat_duration = Some(2_147_483_648),
                &["HEARTBEAT_DURATION_INVALID must be less than or equal to 2147483647"],
            ),
        ]);
    }

    // 07 §2.3, maxMachines: the first that fails
    #[test]
    fn max_machines() {
        const LOW: &str = "MAX_MACHINES_INVALID must be greater than or equal to 0";
        const HIGH: &str = "MAX_MACHINES_INVALID must be less than or equal to 2147483647";
        const FLOATING: &str = "MAX_MACHINES_INVALID must be greater than or equal to 1 for floating policy";
        const LOCKED: &str = "MAX_MACHINES_INVALID must be equal to 1 for non-floating policy";
        for (floating, max, expected) in [
            (true, None, None),
            (true, Some(-1), Some(LOW)),
            (true, Some(0), Some(FLOATING)),
            (true, Some(1), None),
            (true, Some(2_147_483_647), None),
            (true, Some(2_147_483_648), Some(HIGH)),
            (false, None, None),
            (false, Some(-1), Some(LOW)),
            (false, Some(0), Some(LOCKED)),
            (false, Some(1), None),
            (false, Some(2), Some(LOCKED)),
            (false, Some(2_147_483_647), Some(LOCKED)),
            (false, Some(2_147_483_648), Some(HIGH)),
        ] {
            let mut policy = policy(|_| ());
            policy.floating = floating;
            policy.max_machines = max;
            let found: Vec<String> =
                check(&policy, false).iter().map(|e| format!("{} {}", e.code(), e.detail)).collect();
            assert_eq!(found, Vec::from_iter(expected), "{floating} {max:?}");
        }
    }

    // 07 §2.3, the other limits
    #[test]
    fn other_limits() {
        expect(&[
            (|p| p.max_processes = Some(0), &["MAX_PROCESSES_INVALID must be greater than 0"]),
            (|p| p.max_processes = Some(1), &[]),
            (
                |p| p.max_processes = Some(2_147_483_648),
                &["MAX_PROCESSES_INVALID must be less than or equal to 2147483647"],
            ),
            (|p| p.max_users = Some(-1), &["MAX_USERS_INVALID must be greater than 0"]),
            (|p| p.max_users = Some(2_147_483_648), &["MAX_USERS_INVALID must be less than or equal to 2147483647"]),
            (|p| p.max_cores = Some(0), &["MAX_CORES_INVALID must be greater than or equal to 1"]),
            (|p| p.max_cores = Some(2_147_483_648), &["MAX_CORES_INVALID must be less than or equal to 2147483647"]),
            (|p| p.max_memory = Some(0), &["MAX_MEMORY_INVALID must be greater than or equal to 1"]),
            (|p| p.max_memory = Some(i64::MAX), &[]),
            (|p| p.max_disk = Some(0), &["MAX_DISK_INVALID must be greater than or equal to 1"]),
            (|p| p.max_disk = Some(i64::MAX), &[]),
            (|p| p.max_uses = Some(-1), &["MAX_USES_INVALID must be greater than or equal to 0"]),
            (|p| p.max_uses = Some(0), &[]),
            (|p| p.max_uses = Some(2_147_483_648), &["MAX_USES_INVALID must be less than or equal to 2147483647"]),
        ]);
    }

    // 07 §2.5
    #[test]
    fn check_ins() {
        const INTERVAL: &str = "CHECK_IN_INTERVAL_NOT_ALLOWED must be one of: day, week, month, year";
        const COUNT: &str = "CHECK_IN_INTERVAL_COUNT_NOT_ALLOWED must be a number between 1 and 365 inclusive";
        for (required, interval, count, expected) in [
            (false, None, None, vec![]),
            (false, Some("hour"), Some(9999), vec![]),
            (true, None, None, vec![INTERVAL, COUNT]),
            (true, Some("hour"), Some(1), vec![INTERVAL]),
            (true, Some("Day"), Some(1), vec![INTERVAL]),
            (true, Some("day"), None, vec![COUNT]),
            (true, Some("week"), Some(0), vec![COUNT]),
            (true, Some("month"), Some(366), vec![COUNT]),
            (true, Some("month"), Some(365), vec![]),
            (true, Some("year"), Some(1), vec![]),
        ] {
            let mut policy = policy(|_| ());
            policy.require_check_in = required;
            policy.check_in_interval = interval.map(str::to_owned);
            policy.check_in_interval_count = count;
            let found: Vec<String> =
                check(&policy, false).iter().map(|e| format!("{} {}", e.code(), e.detail)).collect();
            assert_eq!(found, expected, "{interval:?} {count:?}");
        }
    }

    // 07 §2.2
    #[test]
    fn key_generation() {
        const POOLED_ENCRYPTED: &str = "ENCRYPTED_NOT_SUPPORTED cannot be encrypted and use a pool";
        const POOLED_SCHEME: &str = "SCHEME_NOT_SUPPORTED cannot use a scheme and use a pool";
        expect(&[
            (
                |p| (p.encrypted, p.scheme) = (true, Some(KeyScheme::Ed25519Sign)),
                &[
                    "SCHEME_NOT_ALLOWED unsupported encryption scheme (scheme must be LEGACY_ENCRYPT for legacy encrypted policies)",
                ],
            ),
            (|p| (p.encrypted, p.scheme) = (true, Some(KeyScheme::LegacyEncrypt)), &[]),
            (
                |p| p.scheme = Some(KeyScheme::LegacyEncrypt),
                &["SCHEME_INVALID must be encrypted when using LEGACY_ENCRYPT scheme"],
            ),
            (|p| p.scheme = Some(KeyScheme::Ed25519Sign), &[]),
            (|p| p.use_pool = true, &[]),
            (|p| (p.use_pool, p.encrypted) = (true, true), &[POOLED_ENCRYPTED]),
            (
                |p| {
                    (p.use_pool, p.encrypted) = (true, true);
                    apply_creation_defaults(p, false);
                },
                &[POOLED_ENCRYPTED, POOLED_SCHEME],
            ),
            (|p| (p.use_pool, p.scheme) = (true, Some(KeyScheme::Ed25519Sign)), &[POOLED_SCHEME]),
            // errors of one attribute stand together
            (
                |p| (p.use_pool, p.encrypted, p.scheme) = (true, true, Some(KeyScheme::RsaSign)),
                &[
                    "SCHEME_NOT_ALLOWED unsupported encryption scheme (scheme must be LEGACY_ENCRYPT for legacy encrypted policies)",
                    POOLED_SCHEME,
                    POOLED_ENCRYPTED,
                ],
            ),
        ]);
    }

    // 07 §2.6: ALWAYS_REVIVE needs an explicit KEEP_DEAD
    #[test]
    fn always_revive_keeps_the_dead() {
        use HeartbeatCullStrategy::*;
        use HeartbeatResurrectionStrategy as Revive;
        for (revive, cull, explicit, fails) in [
            (Revive::Always, KeepDead, true, false),
            (Revive::Always, KeepDead, false, true),
            (Revive::Always, DeactivateDead, true, true),
            (Revive::Always, DeactivateDead, false, true),
            (Revive::NoRevive, DeactivateDead, false, false),
            (Revive::FifteenMinutes, DeactivateDead, true, false),
        ] {
            let mut policy = policy(|_| ());
            policy.heartbeat_resurrection_strategy = revive;
            policy.heartbeat_cull_strategy = cull;
            let expected = fails.then(|| RuleError {
                attribute: "heartbeat_cull_strategy",
                suffix: "NOT_ALLOWED",
                detail: "incompatible heartbeat cull strategy (must be KEEP_DEAD when resurrection strategy is ALWAYS_REVIVE)".to_owned(),
            });
            assert_eq!(check(&policy, explicit), Vec::from_iter(expected));
        }
    }

    // 07 §2.8
    #[test]
    fn overage_divides_limits() {
        fn set(policy: &mut Policy, limits: [Option<i64>; 6]) {
            [
                policy.max_machines,
                policy.max_cores,
                policy.max_memory,
                policy.max_disk,
                policy.max_processes,
                policy.max_users,
            ] = limits;
        }
        let names = ["max machines", "max cores", "max memory", "max disk", "max processes", "max users"];
        for (strategy, divisor, good, bad) in
            [(OverageStrategy::Allow125, 4, 8, 6), (OverageStrategy::Allow150, 2, 6, 5)]
        {
            let mut policy = policy(|_| ());
            policy.overage_strategy = strategy;
            set(&mut policy, [None; 6]);
            assert_eq!(check(&policy, false), [], "null limits pass");
            set(&mut policy, [Some(good); 6]);
            assert_eq!(check(&policy, false), []);
            for (at, name) in names.iter().enumerate() {
                // only the first failing one is reported
                let mut limits = [Some(good); 6];
                limits[at..].fill(Some(bad));
                set(&mut policy, limits);
                let strategy = strategy.as_str();
                let detail = format!(
                    "incompatible overage strategy (cannot use {strategy} with a {name} value not divisible by {divisor})"
                );
                let expected = RuleError { attribute: "overage_strategy", suffix: "NOT_ALLOWED", detail };
                assert_eq!(check(&policy, false), [expected]);
            }
            policy.floating = false;
            set(&mut policy, [Some(1), Some(bad), None, None, None, None]);
            let found = check(&policy, false);
            assert_eq!(found.len(), 1);
            let strategy = strategy.as_str();
            assert_eq!(
                found[0].detail,
                format!("incompatible overage strategy (cannot use {strategy} for node-locked policy)")
            );
        }
        for strategy in [OverageStrategy::Allow200, OverageStrategy::AlwaysAllow, OverageStrategy::NoOverage] {
            let mut policy = policy(|_| ());
            policy.overage_strategy = strategy;
            set(&mut policy, [Some(7); 6]);
            assert_eq!(check(&policy, false), [], "{strategy:?}");
            policy.floating = false;
            policy.max_machines = Some(1);
            assert_eq!(check(&policy, false), [], "{strategy:?}");
        }
    }

    // 07 §2.9
    #[test]
    fn errors_keep_the_order_of_attributes() {
        let policy = policy(|p| {
            p.duration = Some(0);
            p.heartbeat_duration = Some(0);
            p.max_machines = Some(-1);
            p.max_cores = Some(0);
            p.max_memory = Some(0);
            p.max_disk = Some(0);
            p.max_uses = Some(-1);
            p.require_check_in = true;
            p.scheme = Some(KeyScheme::Ed25519Sign);
            p.encrypted = true;
            p.use_pool = true;
            p.heartbeat_resurrection_strategy = HeartbeatResurrectionStrategy::Always;
            p.max_processes = Some(0);
            p.max_users = Some(0);
            p.overage_strategy = OverageStrategy::Allow125;
        });
        let attributes: Vec<_> = check(&policy, false).iter().map(|e| e.attribute).collect();
        assert_eq!(
            attributes,
            [
                "duration",
                "heartbeat_duration",
                "max_machines",
                "max_cores",
                "max_memory",
                "max_disk",
                "max_uses",
                "check_in_interval",
                "check_in_interval_count",
                "scheme",
                "scheme",
                "heartbeat_cull_strategy",
                "max_processes",
                "max_users",
                "overage_strategy",
                "encrypted",
            ]
        );
    }

    // 07 §2.2, §2.3, §2.6
    #[test]
    fn creation_fills_in() {
        let created = |change: Change, given: bool| {
            let mut policy = policy(change);
            apply_creation_defaults(&mut policy, given);
            policy
        };
        assert_eq!(created(|p| p.encrypted = true, false).scheme, Some(KeyScheme::LegacyEncrypt));
        let other: Change = |p| (p.encrypted, p.scheme) = (true, Some(KeyScheme::RsaJwt));
        assert_eq!(created(other, false).scheme, Some(KeyScheme::RsaJwt));
        assert_eq!(created(|_| (), false).scheme, None);
        assert_eq!(created(|p| p.floating = false, false).max_machines, Some(1));
        let two: Change = |p| (p.floating, p.max_machines) = (false, Some(2));
        assert_eq!(created(two, false).max_machines, Some(2));
        assert_eq!(created(|_| (), false).max_machines, None);
        for (required, given, expected) in [
            (false, None, HeartbeatBasis::FromFirstPing),
            (true, None, HeartbeatBasis::FromCreation),
            (true, Some(HeartbeatBasis::FromFirstPing), HeartbeatBasis::FromFirstPing),
            (false, Some(HeartbeatBasis::FromCreation), HeartbeatBasis::FromCreation),
        ] {
            let mut policy = policy(|_| ());
            policy.require_heartbeat = required;
            policy.heartbeat_basis = given.unwrap_or_default();
            apply_creation_defaults(&mut policy, given.is_some());
            assert_eq!(policy.heartbeat_basis, expected);
        }
    }
}
