//! Limits of machines, processes and users, and how far they may be exceeded (08 §2, §9.7, 10 §1.6, §3.4).

use super::{License, Machine, MachineLeasingStrategy, OverageStrategy, Policy, ProcessLeasingStrategy};

/// The limit that holds (08 §2): the license's own non-zero one, else the policy's. `None` is unlimited.
pub fn effective(license_override: Option<i64>, policy: Option<i64>) -> Option<i64> {
    license_override.filter(|&limit| limit != 0).or(policy)
}

/// The limits that hold for a license (08 §2). `None` is unlimited. A machine's `maxProcesses` is that of its license
/// (10 §1.2). Memory and disk are bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // named as the attributes
pub struct EffectiveLimits {
    pub max_machines: Option<i64>,
    pub max_processes: Option<i64>,
    pub max_users: Option<i64>,
    pub max_cores: Option<i64>,
    pub max_memory: Option<i64>,
    pub max_disk: Option<i64>,
    pub max_uses: Option<i64>,
}

impl EffectiveLimits {
    /// The limits of a license under its policy.
    pub fn of(license: &License, policy: &Policy) -> EffectiveLimits {
        EffectiveLimits {
            max_machines: effective(license.max_machines, policy.max_machines),
            max_processes: effective(license.max_processes, policy.max_processes),
            max_users: effective(license.max_users, policy.max_users),
            max_cores: effective(license.max_cores, policy.max_cores),
            max_memory: effective(license.max_memory, policy.max_memory),
            max_disk: effective(license.max_disk, policy.max_disk),
            max_uses: effective(license.max_uses, policy.max_uses),
        }
    }
}

/// `count` is within `limit` stretched by the strategy (08 §9.7, 09 §4): ×1.25, ×1.5, ×2 inclusive, without bound, or not
/// at all.
pub fn overage_allowed(strategy: OverageStrategy, count: i64, limit: i64) -> bool {
    let (count, limit) = (i128::from(count), i128::from(limit));
    match strategy {
        OverageStrategy::NoOverage => count <= limit,
        OverageStrategy::AlwaysAllow => true,
        OverageStrategy::Allow125 => count * 4 <= limit * 5,
        OverageStrategy::Allow150 => count * 2 <= limit * 3,
        OverageStrategy::Allow200 => count <= limit * 2,
    }
}

/// How many machines there are and the sums of what they declare, null as 0. Memory and disk are bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct MachineCounts {
    pub machines: i64,
    pub cores: i64,
    pub memory: i64,
    pub disk: i64,
}

/// A limit is exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitError {
    /// The error's code.
    pub code: &'static str,
    /// The error's detail.
    pub detail: String,
}

/// The error of a count that is over its limit, stretched by the policy's overage.
fn exceeded(
    policy: &Policy,
    count: i64,
    limit: Option<i64>,
    code: &'static str,
    what: &str,
    whom: &str,
) -> Option<LimitError> {
    let limit = limit?;
    if overage_allowed(policy.overage_strategy, count, limit) {
        return None;
    }
    Some(LimitError { code, detail: format!("{what} has exceeded maximum allowed for {whom} ({limit})") })
}

/// The limits on saving a machine (10 §1.6), pointer `/data`, in the order machines, cores, memory, disk. `others` are the
/// other machines of the bucket: of the license, or under `PER_USER` those of the license with the same owner. The number of
/// machines is judged only when `creating`, and never for the first of a bucket.
pub fn check_machine(
    policy: &Policy,
    limits: &EffectiveLimits,
    others: &MachineCounts,
    machine: &Machine,
    creating: bool,
) -> Vec<LimitError> {
    let whom = match policy.machine_leasing_strategy {
        MachineLeasingStrategy::PerLicense => "license",
        MachineLeasingStrategy::PerUser => "user",
    };
    let sum = |others: i64, own: Option<i64>| others.saturating_add(own.unwrap_or(0));
    let max_machines = limits.max_machines.filter(|_| creating && others.machines > 0);
    [
        (sum(others.machines, Some(1)), max_machines, "MACHINE_LIMIT_EXCEEDED", "machine count"),
        (sum(others.cores, machine.cores), limits.max_cores, "MACHINE_CORE_LIMIT_EXCEEDED", "machine core count"),
        (sum(others.memory, machine.memory), limits.max_memory, "MACHINE_MEMORY_LIMIT_EXCEEDED", "machine memory"),
        (sum(others.disk, machine.disk), limits.max_disk, "MACHINE_DISK_LIMIT_EXCEEDED", "machine disk"),
    ]
    .into_iter()
    .filter_map(|(count, limit, code, what)| exceeded(policy, count, limit, code, what, whom))
    .collect()
}

/// The limit on creating a process (10 §3.4), pointer `/data`. `max` is the machine's effective `maxProcesses`;
/// `count_others` the processes that exist on the machine, the license, or the license's machines with the same owner,
/// by `processLeasingStrategy`.
pub fn check_process(policy: &Policy, max: Option<i64>, count_others: i64) -> Option<LimitError> {
    let whom = match policy.process_leasing_strategy {
        ProcessLeasingStrategy::PerMachine => "machine",
        ProcessLeasingStrategy::PerLicense => "license",
        ProcessLeasingStrategy::PerUser => "user",
    };
    let count = count_others.saturating_add(1);
    exceeded(policy, count, max, "MACHINE_PROCESS_LIMIT_EXCEEDED", "process count", whom)
}

/// The limit on the users of a license (08 §9.4, §9.5, §9.7), pointer `/data/relationships/users`. `max` is the effective
/// `maxUsers`; `count` the users after the change, attached ones and the owner.
pub fn check_users(policy: &Policy, max: Option<i64>, count: i64) -> Option<LimitError> {
    exceeded(policy, count, max, "USER_LIMIT_EXCEEDED", "user count", "license")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Time;
    use OverageStrategy::*;
    use uuid::Uuid;

    fn policy() -> Policy {
        Policy::new(Uuid::nil(), Uuid::nil(), None, Time(0))
    }

    fn license() -> License {
        License::new(Uuid::nil(), Uuid::nil(), None, Time(0))
    }

    fn machine(cores: Option<i64>, memory: Option<i64>, disk: Option<i64>) -> Machine {
        let base = Machine::new(Uuid::nil(), Uuid::nil(), None, Time(0));
        Machine { cores, memory, disk, ..base }
    }

    // 08 §2: "override if it is set and non-zero, else the policy's"; policy zeros are real
    #[test]
    fn a_zero_override_is_none() {
        for (own, policy, expected) in [
            (None, None, None),
            (None, Some(5), Some(5)),
            (Some(10), Some(5), Some(10)),
            (Some(10), None, Some(10)),
            (Some(0), Some(5), Some(5)),
            (Some(0), None, None),
            (None, Some(0), Some(0)),
        ] {
            assert_eq!(effective(own, policy), expected);
        }
    }

    // 08 §2: each limit by its own columns
    #[test]
    fn limits_of_a_license_come_from_both() {
        let mut policy = policy();
        let mut license = license();
        policy.max_machines = Some(1);
        policy.max_processes = Some(2);
        policy.max_users = Some(3);
        policy.max_cores = Some(4);
        policy.max_memory = Some(5);
        policy.max_disk = Some(6);
        policy.max_uses = Some(7);
        let expected = EffectiveLimits {
            max_machines: Some(1),
            max_processes: Some(2),
            max_users: Some(3),
            max_cores: Some(4),
            max_memory: Some(5),
            max_disk: Some(6),
            max_uses: Some(7),
        };
        assert_eq!(EffectiveLimits::of(&license, &policy), expected);
        license.max_machines = Some(11);
        license.max_processes = Some(12);
        license.max_users = Some(13);
        license.max_cores = Some(14);
        license.max_memory = Some(15);
        license.max_disk = Some(16);
        license.max_uses = Some(17);
        let expected = EffectiveLimits {
            max_machines: Some(11),
            max_processes: Some(12),
            max_users: Some(13),
            max_cores: Some(14),
            max_memory: Some(15),
            max_disk: Some(16),
            max_uses: Some(17),
        };
        assert_eq!(EffectiveLimits::of(&license, &policy), expected);
    }

    // 08 §9.7, 09 §4
    #[test]
    fn overage_is_exact() {
        for (strategy, limit, most) in [
            (NoOverage, 4, 4),
            (Allow125, 4, 5),
            // 1.25 × 5 = 6.25
            (Allow125, 5, 6),
            (Allow150, 4, 6),
            (Allow150, 5, 7),
            (Allow200, 4, 8),
            (Allow200, 0, 0),
            (NoOverage, i64::MAX - 1, i64::MAX - 1),
        ] {
            assert!(overage_allowed(strategy, most, limit), "{strategy:?} {limit}");
            assert!(!overage_allowed(strategy, most + 1, limit), "{strategy:?} {limit}");
        }
        // beyond what a double can tell apart: 1.25 × 4·10^18 = 5·10^18
        assert!(overage_allowed(Allow125, 5_000_000_000_000_000_000, 4_000_000_000_000_000_000));
        assert!(!overage_allowed(Allow125, 5_000_000_000_000_000_001, 4_000_000_000_000_000_000));
        assert!(overage_allowed(Allow200, i64::MAX, i64::MAX));
        assert!(overage_allowed(AlwaysAllow, i64::MAX, 0));
    }

    // 10 §1.6, the table
    #[test]
    fn machine_limits_in_order() {
        let mut policy = policy();
        let limits = EffectiveLimits {
            max_machines: Some(2),
            max_cores: Some(8),
            max_memory: Some(100),
            max_disk: Some(1000),
            ..Default::default()
        };
        let others = MachineCounts { machines: 2, cores: 6, memory: 60, disk: 600 };
        let large = machine(Some(3), Some(41), Some(401));
        let details = |errors: Vec<LimitError>| -> Vec<String> {
            errors.into_iter().map(|e| format!("{} {}", e.code, e.detail)).collect()
        };
        assert_eq!(
            details(check_machine(&policy, &limits, &others, &large, true)),
            [
                "MACHINE_LIMIT_EXCEEDED machine count has exceeded maximum allowed for license (2)",
                "MACHINE_CORE_LIMIT_EXCEEDED machine core count has exceeded maximum allowed for license (8)",
                "MACHINE_MEMORY_LIMIT_EXCEEDED machine memory has exceeded maximum allowed for license (100)",
                "MACHINE_DISK_LIMIT_EXCEEDED machine disk has exceeded maximum allowed for license (1000)",
            ]
        );
        policy.machine_leasing_strategy = MachineLeasingStrategy::PerUser;
        assert_eq!(
            details(check_machine(&policy, &limits, &others, &large, false)),
            [
                "MACHINE_CORE_LIMIT_EXCEEDED machine core count has exceeded maximum allowed for user (8)",
                "MACHINE_MEMORY_LIMIT_EXCEEDED machine memory has exceeded maximum allowed for user (100)",
                "MACHINE_DISK_LIMIT_EXCEEDED machine disk has exceeded maximum allowed for user (1000)",
            ]
        );
        let fitting = machine(Some(2), Some(40), Some(400));
        assert_eq!(check_machine(&policy, &limits, &others, &fitting, false), []);
    }

    // 10 §1.6, the notes
    #[test]
    fn machine_limits_by_case() {
        let bare = machine(None, None, None);
        let count = |machines| MachineCounts { machines, ..Default::default() };
        let machines = |max| EffectiveLimits { max_machines: max, ..Default::default() };
        for (name, strategy, limits, others, expected) in [
            ("null is unlimited", NoOverage, machines(None), count(1000), 0),
            ("exceeded means more than max", NoOverage, machines(Some(2)), count(1), 0),
            ("one too many", NoOverage, machines(Some(2)), count(2), 1),
            ("the first of a bucket, max 0", NoOverage, machines(Some(0)), count(0), 0),
            ("the second, max 0", NoOverage, machines(Some(0)), count(1), 1),
            ("x1.25 inclusive", Allow125, machines(Some(4)), count(4), 0),
            ("beyond x1.25", Allow125, machines(Some(4)), count(5), 1),
            ("x1.5 inclusive", Allow150, machines(Some(4)), count(5), 0),
            ("beyond x1.5", Allow150, machines(Some(4)), count(6), 1),
            ("x2 inclusive", Allow200, machines(Some(4)), count(7), 0),
            ("beyond x2", Allow200, machines(Some(4)), count(8), 1),
            ("always", AlwaysAllow, machines(Some(1)), count(i64::MAX), 0),
            (
                "already over, though this machine has none",
                NoOverage,
                EffectiveLimits { max_cores: Some(4), ..Default::default() },
                MachineCounts { machines: 1, cores: 5, ..Default::default() },
                1,
            ),
            (
                "always skips cores too",
                AlwaysAllow,
                EffectiveLimits { max_cores: Some(4), ..Default::default() },
                MachineCounts { machines: 1, cores: 5, ..Default::default() },
                0,
            ),
            (
                "saturates",
                NoOverage,
                EffectiveLimits { max_memory: Some(1), ..machines(Some(1)) },
                MachineCounts { machines: i64::MAX, memory: i64::MAX, ..Default::default() },
                2,
            ),
        ] {
            let policy = Policy { overage_strategy: strategy, ..policy() };
            let errors = check_machine(&policy, &limits, &others, &bare, true);
            assert_eq!(errors.len(), expected, "{name}");
        }
    }

    // 10 §1.6: the first machine's cores are judged all the same
    #[test]
    fn the_first_machine_is_free_of_the_machine_limit_only() {
        let limits = EffectiveLimits { max_machines: Some(0), max_cores: Some(1), ..Default::default() };
        let others = MachineCounts::default();
        let errors = check_machine(&policy(), &limits, &others, &machine(Some(2), None, None), true);
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].code, "MACHINE_CORE_LIMIT_EXCEEDED");
    }

    // 10 §3.4
    #[test]
    fn process_limit_by_case() {
        use ProcessLeasingStrategy::*;
        for (leasing, strategy, max, others, expected) in [
            (PerMachine, NoOverage, None, 1000, None),
            (PerMachine, NoOverage, Some(5), 4, None),
            (PerMachine, NoOverage, Some(5), 5, Some("machine (5)")),
            (PerLicense, NoOverage, Some(5), 5, Some("license (5)")),
            (PerUser, NoOverage, Some(5), 5, Some("user (5)")),
            (PerMachine, AlwaysAllow, Some(5), 500, None),
            (PerMachine, Allow125, Some(4), 4, None),
            (PerMachine, Allow125, Some(4), 5, Some("machine (4)")),
            (PerMachine, Allow150, Some(4), 5, None),
            (PerMachine, Allow150, Some(4), 6, Some("machine (4)")),
            (PerMachine, Allow200, Some(4), 7, None),
            (PerMachine, Allow200, Some(4), 8, Some("machine (4)")),
            // no first-one-free rule
            (PerMachine, NoOverage, Some(0), 0, Some("machine (0)")),
            (PerMachine, NoOverage, Some(1), i64::MAX, Some("machine (1)")),
        ] {
            let policy = Policy { process_leasing_strategy: leasing, overage_strategy: strategy, ..policy() };
            let expected = expected.map(|whom| LimitError {
                code: "MACHINE_PROCESS_LIMIT_EXCEEDED",
                detail: format!("process count has exceeded maximum allowed for {whom}"),
            });
            assert_eq!(check_process(&policy, max, others), expected);
        }
    }

    // 08 §9.4, §9.5, §9.7
    #[test]
    fn user_limit_by_strategy() {
        for (strategy, max, count, allowed) in [
            (NoOverage, None, 1000, true),
            (NoOverage, Some(2), 2, true),
            (NoOverage, Some(2), 3, false),
            (Allow125, Some(4), 5, true),
            (Allow125, Some(4), 6, false),
            (Allow150, Some(2), 3, true),
            (Allow150, Some(2), 4, false),
            (Allow200, Some(2), 4, true),
            (Allow200, Some(2), 5, false),
            (AlwaysAllow, Some(2), 5000, true),
        ] {
            let policy = Policy { overage_strategy: strategy, ..policy() };
            let error = check_users(&policy, max, count);
            assert_eq!(error.is_none(), allowed, "{strategy:?} {max:?} {count}");
            if let (Some(error), Some(max)) = (error, max) {
                assert_eq!(error.code, "USER_LIMIT_EXCEEDED");
                let detail = format!("user count has exceeded maximum allowed for license ({max})");
                assert_eq!(error.detail, detail);
            }
        }
    }
}
