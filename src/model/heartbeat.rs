//! Heartbeats of machines and processes (10 §4).

use super::column::wire_enum;
use super::{HeartbeatResurrectionStrategy, Machine, Policy, Process, Time};

wire_enum! {
    /// A machine's `heartbeatStatus`, a process's `status` (10 §4.2). `RESURRECTED` is never computed: the answer to the ping
    /// that revived says it.
    HeartbeatStatus {
        NotStarted = "NOT_STARTED",
        Alive = "ALIVE",
        Dead = "DEAD",
        Resurrected = "RESURRECTED",
    }
}

/// Seconds between heartbeats when the policy says nothing (10 §4.1).
pub const DEFAULT_DURATION: i64 = 600;

/// Seconds in which the next heartbeat is due.
pub fn duration(policy: &Policy) -> i64 {
    policy.heartbeat_duration.unwrap_or(DEFAULT_DURATION)
}

/// A machine's status (10 §4.2).
pub fn machine_status(machine: &Machine, policy: &Policy, now: Time) -> HeartbeatStatus {
    status(machine.last_heartbeat_at, machine.created_at, policy, now)
}

/// The status of a machine of which only the two times are at hand (10 §4.2).
pub fn status(last_heartbeat: Option<Time>, created: Time, policy: &Policy, now: Time) -> HeartbeatStatus {
    let since = now.plus_seconds(duration(policy).saturating_neg());
    match last_heartbeat {
        None if !policy.require_heartbeat || created >= since => HeartbeatStatus::NotStarted,
        Some(last) if last >= since => HeartbeatStatus::Alive,
        _ => HeartbeatStatus::Dead,
    }
}

/// When a machine's next heartbeat is due; `None` before the first (10 §1.2).
pub fn next_heartbeat(machine: &Machine, policy: &Policy) -> Option<Time> {
    Some(machine.last_heartbeat_at?.plus_seconds(duration(policy)))
}

/// The machine's `requireHeartbeat` (10 §1.2): the policy demands it, or it was started.
pub fn requires_heartbeat(machine: &Machine, policy: &Policy) -> bool {
    policy.require_heartbeat || machine.last_heartbeat_at.is_some()
}

/// What a ping does (10 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// The heartbeat is recorded; the answer says `ALIVE`.
    Beat,
    /// It was dead and comes back: the death mark is cleared; the answer says `RESURRECTED`.
    Revive,
    /// It is dead and stays so: 422, nothing changes.
    Dead,
}

/// What a ping does to a machine (10 §4.4).
pub fn machine_ping(machine: &Machine, policy: &Policy, now: Time) -> Ping {
    match machine_status(machine, policy, now) {
        HeartbeatStatus::Dead => ping_of_the_dead(machine.last_heartbeat_at, policy, now),
        _ => Ping::Beat,
    }
}

fn ping_of_the_dead(last: Option<Time>, policy: &Policy, now: Time) -> Ping {
    if can_revive(last, policy, now) { Ping::Revive } else { Ping::Dead }
}

/// Something dead whose last heartbeat was then may come back at `now` (10 §4.4, §4.7): always, never, or until N minutes
/// after the missed heartbeat was due.
pub fn can_revive(last_heartbeat: Option<Time>, policy: &Policy, now: Time) -> bool {
    use HeartbeatResurrectionStrategy as Strategy;
    let minutes = match policy.heartbeat_resurrection_strategy {
        Strategy::Always => return true,
        Strategy::NoRevive => return false,
        Strategy::OneMinute => 1,
        Strategy::TwoMinutes => 2,
        Strategy::FiveMinutes => 5,
        Strategy::TenMinutes => 10,
        Strategy::FifteenMinutes => 15,
    };
    last_heartbeat.is_some_and(|last| now <= last.plus_seconds(duration(policy)).plus_seconds(minutes * 60))
}

/// A process's status (10 §4.6): it is always monitored.
pub fn process_status(process: &Process, policy: &Policy, now: Time) -> HeartbeatStatus {
    if process_next_heartbeat(process, policy) >= now { HeartbeatStatus::Alive } else { HeartbeatStatus::Dead }
}

/// When a process's next heartbeat is due (10 §3.2).
pub fn process_next_heartbeat(process: &Process, policy: &Policy) -> Time {
    process.last_heartbeat_at.plus_seconds(duration(policy))
}

/// What a ping does to a process (10 §4.6).
pub fn process_ping(process: &Process, policy: &Policy, now: Time) -> Ping {
    match process_status(process, policy, now) {
        HeartbeatStatus::Dead => ping_of_the_dead(Some(process.last_heartbeat_at), policy, now),
        _ => Ping::Beat,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HeartbeatStatus::{Alive, Dead, NotStarted};
    use uuid::Uuid;

    const NOW: Time = Time(1_710_494_813_589);

    fn policy() -> Policy {
        Policy::new(Uuid::nil(), Uuid::nil(), None, NOW)
    }

    /// Created and last heard of that many milliseconds ago.
    fn machine(created: i64, last: Option<i64>) -> Machine {
        let mut machine = Machine::new(Uuid::nil(), Uuid::nil(), None, Time(NOW.0 - created));
        machine.last_heartbeat_at = last.map(|ms| Time(NOW.0 - ms));
        machine
    }

    fn process(last: i64) -> Process {
        let mut process = Process::new(Uuid::nil(), Uuid::nil(), None, Time(0));
        process.last_heartbeat_at = Time(NOW.0 - last);
        process
    }

    // 10 §4.2
    #[test]
    fn machine_status_by_rule() {
        for (required, duration, created, last, expected) in [
            // 1
            (false, None, 0, None, NotStarted),
            (false, None, 10_000_000, None, NotStarted),
            (true, None, 0, None, NotStarted),
            (true, None, 600_000, None, NotStarted),
            // 3, never pinged
            (true, None, 600_001, None, Dead),
            (true, Some(60), 60_001, None, Dead),
            (true, Some(60), 60_000, None, NotStarted),
            // 2, whatever the policy requires
            (false, None, 10_000_000, Some(0), Alive),
            (false, None, 10_000_000, Some(600_000), Alive),
            (true, None, 10_000_000, Some(600_000), Alive),
            (true, Some(3600), 10_000_000, Some(3_600_000), Alive),
            // 3
            (false, None, 10_000_000, Some(600_001), Dead),
            (true, Some(3600), 10_000_000, Some(3_600_001), Dead),
        ] {
            let policy = Policy { require_heartbeat: required, heartbeat_duration: duration, ..policy() };
            let status = machine_status(&machine(created, last), &policy, NOW);
            assert_eq!(status, expected, "{required} {duration:?} {created} {last:?}");
        }
    }

    // 10 §1.2
    #[test]
    fn derived_attributes() {
        assert_eq!(duration(&policy()), 600);
        let minute = Policy { heartbeat_duration: Some(60), ..policy() };
        assert_eq!(duration(&minute), 60);
        assert_eq!(next_heartbeat(&machine(0, None), &minute), None);
        assert_eq!(next_heartbeat(&machine(0, Some(5000)), &minute), Some(Time(NOW.0 + 55_000)));
        assert_eq!(next_heartbeat(&machine(0, Some(0)), &policy()), Some(Time(NOW.0 + 600_000)));
        for (required, last, expected) in
            [(false, None, false), (false, Some(0), true), (true, None, true), (true, Some(0), true)]
        {
            let policy = Policy { require_heartbeat: required, ..policy() };
            assert_eq!(requires_heartbeat(&machine(0, last), &policy), expected);
        }
    }

    // 10 §4.4, and for processes §4.6
    #[test]
    fn pings_beat_revive_or_fail() {
        use HeartbeatResurrectionStrategy::*;
        for (strategy, late_by, expected) in [
            (NoRevive, 0, Ping::Beat),
            (Always, 0, Ping::Beat),
            (FiveMinutes, 0, Ping::Beat),
            (NoRevive, 1, Ping::Dead),
            (OneMinute, 1, Ping::Revive),
            (OneMinute, 60_000, Ping::Revive),
            (OneMinute, 60_001, Ping::Dead),
            (TwoMinutes, 120_000, Ping::Revive),
            (TwoMinutes, 120_001, Ping::Dead),
            (FiveMinutes, 300_000, Ping::Revive),
            (FiveMinutes, 300_001, Ping::Dead),
            (TenMinutes, 600_000, Ping::Revive),
            (TenMinutes, 600_001, Ping::Dead),
            (FifteenMinutes, 900_000, Ping::Revive),
            (FifteenMinutes, 900_001, Ping::Dead),
            (Always, 1, Ping::Revive),
            (Always, 1_000_000_000_000, Ping::Revive),
        ] {
            let policy = Policy { heartbeat_resurrection_strategy: strategy, ..policy() };
            let last = 600_000 + late_by;
            let ping = machine_ping(&machine(last, Some(last)), &policy, NOW);
            assert_eq!(ping, expected, "{strategy:?} {late_by}");
            assert_eq!(process_ping(&process(last), &policy, NOW), expected, "{strategy:?} {late_by}");
        }
    }

    // 10 §4.4: never pinged
    #[test]
    fn pings_of_the_never_heard() {
        use HeartbeatResurrectionStrategy::*;
        for (required, strategy, expected) in [
            (false, NoRevive, Ping::Beat),
            (true, Always, Ping::Revive),
            (true, FifteenMinutes, Ping::Dead),
            (true, NoRevive, Ping::Dead),
        ] {
            let policy = Policy { require_heartbeat: required, heartbeat_resurrection_strategy: strategy, ..policy() };
            assert_eq!(machine_ping(&machine(600_001, None), &policy, NOW), expected);
        }
        let required = Policy { require_heartbeat: true, ..policy() };
        assert_eq!(machine_ping(&machine(600_000, None), &required, NOW), Ping::Beat);
    }

    // 10 §3.2, §4.6
    #[test]
    fn process_status_by_next_heartbeat() {
        for required in [false, true] {
            let policy = Policy { require_heartbeat: required, heartbeat_duration: Some(60), ..policy() };
            assert_eq!(process_next_heartbeat(&process(0), &policy), Time(NOW.0 + 60_000));
            assert_eq!(process_status(&process(0), &policy, NOW), Alive);
            assert_eq!(process_status(&process(60_000), &policy, NOW), Alive);
            assert_eq!(process_status(&process(60_001), &policy, NOW), Dead);
        }
    }

    #[test]
    fn absurd_numbers_do_not_panic() {
        for seconds in [i64::MAX, i64::MIN] {
            let policy = Policy {
                heartbeat_duration: Some(seconds),
                heartbeat_resurrection_strategy: HeartbeatResurrectionStrategy::OneMinute,
                ..policy()
            };
            for time in [Time(i64::MAX), Time(i64::MIN)] {
                let mut machine = machine(0, Some(0));
                machine_ping(&machine, &policy, time);
                machine.last_heartbeat_at = Some(time);
                machine_ping(&machine, &policy, NOW);
                next_heartbeat(&machine, &policy);
            }
        }
    }
}
