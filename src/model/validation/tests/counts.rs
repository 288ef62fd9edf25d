//! 09 §4.7.

use super::world::{NOW, Row, VALID, World, ago, person, run, some};
use crate::model::validation::Code;
use crate::model::{ExpirationStrategy, MachineLeasingStrategy, OverageStrategy, ProcessLeasingStrategy, Time};

const USERS: &str = "has too many associated users";
const MACHINES: &str = "has too many associated machines";
const CORES: &str = "has too many associated machine cores";
const MEMORY: &str = "has too much associated machine memory";
const DISK: &str = "has too much associated machine disk";
const PROCESSES: &str = "has too many associated processes";

/// The overage strategies, and the highest count that each allows with limit 4.
const OVERAGES: [(OverageStrategy, i64); 5] = [
    (OverageStrategy::NoOverage, 4),
    (OverageStrategy::Allow125, 5),
    (OverageStrategy::Allow150, 6),
    (OverageStrategy::Allow200, 8),
    (OverageStrategy::AlwaysAllow, i64::MAX),
];

/// For limit 4, counts 4–9 and every strategy: up to the limit valid, up to the overage valid with the code, then invalid.
fn overages(base: fn(&mut World), set: fn(&mut World, i64), detail: &'static str, code: Code) {
    for (strategy, most) in OVERAGES {
        for count in 4..=9 {
            let mut world = World::new();
            base(&mut world);
            world.policy.overage_strategy = strategy;
            set(&mut world, count);
            let verdict = world.decide();
            let expected = if count <= 4 { VALID } else { (count <= most, detail, code) };
            let found = (verdict.valid, verdict.detail, verdict.code);
            assert_eq!(found, expected, "{strategy:?} {count}");
        }
    }
}

// steps 16, 22–26
#[test]
fn overages_of_every_limit() {
    fn strict(w: &mut World) {
        w.policy.strict = true;
        w.add(1);
    }
    let attach = |w: &mut World, count: i64| {
        for n in 0..count {
            w.attached.push(person(0x200 + n as u128, "x@example.com"));
        }
    };
    overages(|w| w.policy.max_users = Some(4), attach, USERS, Code::TooManyUsers);
    overages(
        |w| (w.policy.strict, w.policy.max_machines) = (true, Some(4)),
        |w, count| {
            w.add(count as usize);
        },
        MACHINES,
        Code::TooManyMachines,
    );
    overages(
        |w| {
            strict(w);
            w.policy.max_cores = Some(4);
        },
        |w, count| w.machines[0].cores = count,
        CORES,
        Code::TooManyCores,
    );
    overages(
        |w| {
            strict(w);
            w.policy.max_memory = Some(4);
        },
        |w, count| w.machines[0].memory = count,
        MEMORY,
        Code::TooMuchMemory,
    );
    overages(
        |w| {
            strict(w);
            w.policy.max_disk = Some(4);
        },
        |w, count| w.machines[0].disk = count,
        DISK,
        Code::TooMuchDisk,
    );
    overages(
        |w| {
            strict(w);
            w.policy.max_processes = Some(4);
            w.policy.process_leasing_strategy = ProcessLeasingStrategy::PerLicense;
        },
        |w, count| w.machines[0].processes = count,
        PROCESSES,
        Code::TooManyProcesses,
    );
}

// step 16
#[test]
fn users_are_attached_and_owner() {
    const TOO_MANY: (bool, &str, Code) = (false, USERS, Code::TooManyUsers);
    run(
        |w| w.policy.max_users = Some(1),
        &[
            ("none", |_| (), VALID),
            (
                "owner",
                |w| {
                    w.owned();
                },
                VALID,
            ),
            ("attached", |w| w.attach(), VALID),
            (
                "both",
                |w| {
                    w.owned();
                    w.attach();
                },
                TOO_MANY,
            ),
            (
                "override",
                |w| {
                    w.owned();
                    w.attach();
                    w.license.max_users = Some(2);
                },
                VALID,
            ),
            (
                "zero override",
                |w| {
                    w.owned();
                    w.attach();
                    w.license.max_users = Some(0);
                },
                TOO_MANY,
            ),
            (
                "quick, not strict, expired",
                |w| {
                    w.owned();
                    w.attach();
                    w.quick = true;
                    w.license.expires_at = ago(1);
                },
                TOO_MANY,
            ),
        ],
    );
}

// steps 17, 18, 27, 28
#[test]
fn expiry_by_strategy() {
    use ExpirationStrategy::*;
    for (strategy, valid) in
        [(RestrictAccess, false), (RevokeAccess, false), (MaintainAccess, true), (AllowAccess, true)]
    {
        for strict in [false, true] {
            for (expiry, expired) in [
                (None, false),
                (ago(1), true),
                (Some(NOW), false),
                (Some(Time(i64::MAX)), false),
                (Some(Time(i64::MIN)), true),
            ] {
                let mut world = World::new();
                world.add(1);
                world.policy.strict = strict;
                world.policy.expiration_strategy = strategy;
                world.license.expires_at = expiry;
                let verdict = world.decide();
                let expected = if expired { (valid, "is expired", Code::Expired) } else { VALID };
                assert_eq!((verdict.valid, verdict.detail, verdict.code), expected, "{strategy:?}");
            }
        }
    }
}

// the consequences under the table
#[test]
fn what_hides_what() {
    let rows: &[Row] = &[
        (
            "an allowed overage hides an expiry",
            |w| {
                w.policy.strict = true;
                w.policy.max_machines = Some(4);
                w.policy.overage_strategy = OverageStrategy::Allow125;
                w.add(5);
            },
            (true, MACHINES, Code::TooManyMachines),
        ),
        (
            "users before expiry when not strict",
            |w| {
                w.policy.max_users = Some(1);
                w.policy.overage_strategy = OverageStrategy::AlwaysAllow;
                w.owned();
                w.attach();
            },
            (true, USERS, Code::TooManyUsers),
        ),
        (
            "machine limits do not count when not strict",
            |w| {
                w.policy.max_machines = Some(1);
                w.policy.max_cores = Some(1);
                w.policy.max_processes = Some(1);
                w.add(5)[0].cores = 100;
            },
            (false, "is expired", Code::Expired),
        ),
        (
            "a scope before the expiry of RESTRICT_ACCESS",
            |w| {
                w.add(1);
                w.scope().fingerprint = some("x");
            },
            (
                false,
                "fingerprint is not activated (does not match any associated machines)",
                Code::FingerprintScopeMismatch,
            ),
        ),
        (
            "a scope after the expiry of REVOKE_ACCESS",
            |w| {
                w.policy.expiration_strategy = ExpirationStrategy::RevokeAccess;
                w.add(1);
                w.scope().fingerprint = some("x");
            },
            (false, "is expired", Code::Expired),
        ),
        (
            "maxUses plays no part",
            |w| {
                w.policy.max_uses = Some(1);
                w.license.uses = 100;
                w.license.expires_at = None;
            },
            VALID,
        ),
    ];
    run(|w| w.license.expires_at = ago(1), rows);
}

// steps 19–22
#[test]
fn strict_wants_machines() {
    const MANY: (bool, &str, Code) = (false, MACHINES, Code::TooManyMachines);
    const MANY_ALLOWED: (bool, &str, Code) = (true, MACHINES, Code::TooManyMachines);
    run(
        |w| (w.policy.strict, w.policy.floating) = (true, false),
        &[
            ("19", |_| (), (false, "must have exactly 1 associated machine", Code::NoMachine)),
            (
                "one",
                |w| {
                    w.add(1);
                },
                VALID,
            ),
            (
                "20, no limit is 1",
                |w| {
                    w.add(2);
                },
                MANY,
            ),
            (
                "20, limit 2",
                |w| {
                    w.add(2);
                    w.license.max_machines = Some(2);
                },
                VALID,
            ),
            (
                "20, limit 2, three",
                |w| {
                    w.add(3);
                    w.license.max_machines = Some(2);
                },
                MANY,
            ),
            (
                "20, one over 0 is not looked at",
                |w| {
                    w.add(1);
                    w.policy.max_machines = Some(0);
                },
                VALID,
            ),
            (
                "20, dead ones count",
                |w| {
                    w.add(2);
                    w.kill(0);
                },
                MANY,
            ),
            (
                "20, always",
                |w| {
                    w.add(9);
                    w.policy.overage_strategy = OverageStrategy::AlwaysAllow;
                },
                MANY_ALLOWED,
            ),
            (
                "20, x2 of 1",
                |w| {
                    w.add(2);
                    w.policy.overage_strategy = OverageStrategy::Allow200;
                },
                MANY_ALLOWED,
            ),
            (
                "20, x2 of 1, three",
                |w| {
                    w.add(3);
                    w.policy.overage_strategy = OverageStrategy::Allow200;
                },
                MANY,
            ),
            (
                "20, x1.5 is not for node-locked",
                |w| {
                    w.add(3);
                    w.license.max_machines = Some(2);
                    w.policy.overage_strategy = OverageStrategy::Allow150;
                },
                MANY,
            ),
            (
                "20, x1.25 is not for node-locked",
                |w| {
                    w.add(5);
                    w.license.max_machines = Some(4);
                    w.policy.overage_strategy = OverageStrategy::Allow125;
                },
                MANY,
            ),
            ("21", |w| w.policy.floating = true, (false, "must have at least 1 associated machine", Code::NoMachines)),
            (
                "21 whatever the limit",
                |w| (w.policy.floating, w.policy.max_machines) = (true, Some(5)),
                (false, "must have at least 1 associated machine", Code::NoMachines),
            ),
            (
                "22, no limit",
                |w| {
                    w.add(20);
                    w.policy.floating = true;
                },
                VALID,
            ),
            (
                "22, one over 0 is not looked at",
                |w| {
                    w.add(1);
                    (w.policy.floating, w.policy.max_machines) = (true, Some(0));
                },
                VALID,
            ),
            (
                "22, policy zero is a real zero",
                |w| {
                    w.add(2);
                    (w.policy.floating, w.policy.max_machines) = (true, Some(0));
                },
                MANY,
            ),
            (
                "quick",
                |w| {
                    w.add(2);
                    w.quick = true;
                },
                MANY,
            ),
        ],
    );
}

// steps 22–26 in order
#[test]
fn limits_in_order() {
    run(
        |w| {
            w.policy.strict = true;
            w.policy.process_leasing_strategy = ProcessLeasingStrategy::PerLicense;
            w.policy.max_machines = Some(1);
            w.policy.max_cores = Some(1);
            w.policy.max_memory = Some(1);
            w.policy.max_disk = Some(1);
            w.policy.max_processes = Some(1);
            w.license.expires_at = ago(1);
            for machine in w.add(2) {
                machine.cores = 1;
                machine.memory = 1;
                machine.disk = 1;
                machine.processes = 1;
            }
        },
        &[
            ("22", |_| (), (false, MACHINES, Code::TooManyMachines)),
            ("23", |w| w.license.max_machines = Some(2), (false, CORES, Code::TooManyCores)),
            (
                "24",
                |w| (w.license.max_machines, w.license.max_cores) = (Some(2), Some(2)),
                (false, MEMORY, Code::TooMuchMemory),
            ),
            (
                "25",
                |w| (w.policy.max_machines, w.policy.max_cores, w.policy.max_memory) = (None, None, None),
                (false, DISK, Code::TooMuchDisk),
            ),
            (
                "26",
                |w| {
                    (w.policy.max_machines, w.policy.max_cores, w.policy.max_memory) = (None, None, None);
                    w.license.max_disk = Some(2);
                },
                (false, PROCESSES, Code::TooManyProcesses),
            ),
            (
                "27",
                |w| {
                    (w.policy.max_machines, w.policy.max_cores, w.policy.max_memory) = (None, None, None);
                    (w.policy.max_disk, w.policy.max_processes) = (None, None);
                },
                (false, "is expired", Code::Expired),
            ),
        ],
    );
}

/// Three machines of the owner with 2 of everything, one of an attached user, two ownerless with 1; limits between.
fn leased(w: &mut World) {
    w.policy.strict = true;
    w.policy.machine_leasing_strategy = MachineLeasingStrategy::PerUser;
    w.policy.process_leasing_strategy = ProcessLeasingStrategy::PerUser;
    w.attach();
    w.add_owned(3);
    w.add(3)[3].owner = Some(person(2, "bob@example.com"));
    for (at, machine) in w.machines.iter_mut().enumerate() {
        let each = if at < 3 { 2 } else { 1 };
        machine.cores = each;
        machine.memory = each;
        machine.disk = each;
        machine.processes = each;
    }
}

// the bucket of PER_USER, for machines and for processes
#[test]
fn leasing_per_user() {
    fn ada(w: &mut World) {
        w.scope().user = Some(some("ADA@example.com"));
    }
    run(
        leased,
        &[
            (
                "owner's machines",
                |w| {
                    ada(w);
                    w.policy.max_machines = Some(2);
                },
                (false, MACHINES, Code::TooManyMachines),
            ),
            (
                "owner's machines fit",
                |w| {
                    ada(w);
                    w.policy.max_machines = Some(3);
                },
                VALID,
            ),
            (
                "attached user's",
                |w| {
                    w.scope().user = Some(some("bob@example.com"));
                    w.policy.max_machines = Some(1);
                },
                VALID,
            ),
            ("ownerless without scope", |w| w.policy.max_machines = Some(2), VALID),
            ("too many ownerless", |w| w.policy.max_machines = Some(1), (false, MACHINES, Code::TooManyMachines)),
            (
                "quick: ownerless",
                |w| {
                    ada(w);
                    w.quick = true;
                    w.policy.max_machines = Some(2);
                },
                VALID,
            ),
            (
                "cores",
                |w| {
                    ada(w);
                    w.policy.max_cores = Some(5);
                },
                (false, CORES, Code::TooManyCores),
            ),
            (
                "cores fit",
                |w| {
                    ada(w);
                    w.policy.max_cores = Some(6);
                },
                VALID,
            ),
            ("ownerless cores", |w| w.policy.max_cores = Some(2), VALID),
            (
                "memory",
                |w| {
                    ada(w);
                    w.policy.max_memory = Some(5);
                },
                (false, MEMORY, Code::TooMuchMemory),
            ),
            (
                "disk",
                |w| {
                    ada(w);
                    w.policy.max_disk = Some(5);
                },
                (false, DISK, Code::TooMuchDisk),
            ),
            (
                "processes",
                |w| {
                    ada(w);
                    w.policy.max_processes = Some(5);
                },
                (false, PROCESSES, Code::TooManyProcesses),
            ),
            (
                "processes fit",
                |w| {
                    ada(w);
                    w.policy.max_processes = Some(6);
                },
                VALID,
            ),
            ("ownerless processes", |w| w.policy.max_processes = Some(2), VALID),
            (
                "too many ownerless processes",
                |w| w.policy.max_processes = Some(1),
                (false, PROCESSES, Code::TooManyProcesses),
            ),
            (
                "the zero test counts all",
                |w| {
                    w.machines.retain(|m| m.owner.is_some());
                    w.policy.max_machines = Some(1);
                },
                VALID,
            ),
            (
                "the gate counts all",
                |w| {
                    w.machines.truncate(1);
                    ada(w);
                    w.policy.max_machines = Some(0);
                },
                VALID,
            ),
            (
                "node-locked counts the bucket too",
                |w| {
                    w.machines.truncate(4);
                    w.policy.floating = false;
                },
                VALID,
            ),
        ],
    );
}

// step 26, PER_MACHINE and PER_LICENSE
#[test]
fn processes_by_scope() {
    const MANY: (bool, &str, Code) = (false, PROCESSES, Code::TooManyProcesses);
    fn machine(w: &mut World, at: usize) {
        w.scope().machine = some(&w.machines[at].id.to_string());
    }
    run(
        |w| {
            w.policy.strict = true;
            w.policy.max_processes = Some(2);
            w.add(2)[0].processes = 3;
            w.machines[1].processes = 2;
        },
        &[
            ("no scope", |_| (), VALID),
            (
                "quick",
                |w| {
                    w.scope().fingerprint = some("f1");
                    w.quick = true;
                },
                VALID,
            ),
            ("fingerprint", |w| w.scope().fingerprint = some("f1"), MANY),
            ("fingerprint of the other", |w| w.scope().fingerprint = some("f2"), VALID),
            ("fingerprints", |w| w.scope().fingerprints = super::world::list(&["f1", "x"]), MANY),
            (
                "fingerprints, a dead one does not count",
                |w| {
                    w.kill(0);
                    w.scope().fingerprints = super::world::list(&["f1", "f2"]);
                },
                VALID,
            ),
            ("machine", |w| machine(w, 0), MANY),
            ("machine, the other", |w| machine(w, 1), VALID),
            (
                "both: the fingerprint's",
                |w| {
                    machine(w, 0);
                    w.scope().fingerprint = some("f2");
                },
                VALID,
            ),
            (
                "override",
                |w| {
                    machine(w, 0);
                    w.license.max_processes = Some(3);
                },
                VALID,
            ),
            (
                "no limit",
                |w| {
                    machine(w, 0);
                    w.policy.max_processes = None;
                },
                VALID,
            ),
            ("per license", |w| w.policy.process_leasing_strategy = ProcessLeasingStrategy::PerLicense, MANY),
            (
                "per license, limit of all",
                |w| {
                    w.policy.process_leasing_strategy = ProcessLeasingStrategy::PerLicense;
                    w.policy.max_processes = Some(5);
                },
                VALID,
            ),
        ],
    );
}
