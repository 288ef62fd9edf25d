//! Limits and expiry (09 §4.7, steps 16–27). What has passed them is valid.

use super::facts::{Code, Facts, Findings, Lookup, Step, Stop};
use crate::model::license_status::is_expired;
use crate::model::limits::{EffectiveLimits, MachineCounts, overage_allowed};
use crate::model::{ExpirationStrategy, MachineLeasingStrategy, OverageStrategy, ProcessLeasingStrategy};

/// All steps in order.
pub(super) fn check<L: Lookup>(facts: &Facts<'_, L>, found: &Findings) -> Step<L::Error> {
    let limits = EffectiveLimits::of(facts.license, facts.policy);
    users(facts, &limits)?;
    if facts.policy.strict {
        let mut leased = Leased { facts, found, counts: None };
        machines(facts, &limits, &mut leased)?;
        resources(facts, &limits, &mut leased)?;
        processes(facts, &limits, found)?;
    }
    expiry(facts)
}

/// Stops when `count` is over the limit; an allowed overage is a valid verdict with the code all the same.
fn over<E>(strategy: OverageStrategy, count: i64, limit: i64, detail: &'static str, code: Code) -> Step<E> {
    if count <= limit {
        return Ok(());
    }
    Err(Stop::Verdict(overage_allowed(strategy, count, limit), detail, code))
}

/// Step 16.
fn users<L: Lookup>(facts: &Facts<'_, L>, limits: &EffectiveLimits) -> Step<L::Error> {
    let Some(limit) = limits.max_users else {
        return Ok(());
    };
    let owner = i64::from(facts.license.owner_id.is_some());
    over(
        facts.policy.overage_strategy,
        facts.license.users_count.saturating_add(owner),
        limit,
        "has too many associated users",
        Code::TooManyUsers,
    )
}

/// The machines that count against the limits, by `machineLeasingStrategy`; fetched at most once.
struct Leased<'f, 'a, L> {
    facts: &'f Facts<'a, L>,
    found: &'f Findings,
    counts: Option<MachineCounts>,
}

impl<L: Lookup> Leased<'_, '_, L> {
    fn counts(&mut self) -> Result<MachineCounts, L::Error> {
        if let Some(counts) = self.counts {
            return Ok(counts);
        }
        let license = self.facts.license;
        let counts = match self.facts.policy.machine_leasing_strategy {
            MachineLeasingStrategy::PerLicense => MachineCounts {
                machines: license.machines_count,
                cores: license.machines_cores,
                memory: license.machines_memory,
                disk: license.machines_disk,
            },
            MachineLeasingStrategy::PerUser => self.facts.lookup.counts_for_owner(self.found.user)?,
        };
        self.counts = Some(counts);
        Ok(counts)
    }
}

/// Steps 19–22.
fn machines<L: Lookup>(
    facts: &Facts<'_, L>,
    limits: &EffectiveLimits,
    leased: &mut Leased<'_, '_, L>,
) -> Step<L::Error> {
    let policy = facts.policy;
    let total = facts.license.machines_count;
    if total == 0 {
        return if policy.floating {
            Stop::invalid("must have at least 1 associated machine", Code::NoMachines)
        } else {
            Stop::invalid("must have exactly 1 associated machine", Code::NoMachine)
        };
    }
    let (limit, strategy) = match (limits.max_machines, policy.overage_strategy) {
        (limit, strategy) if policy.floating => (limit, strategy),
        // A node-locked policy cannot have a fraction of a machine more (07 §2.8).
        (limit, OverageStrategy::Allow125 | OverageStrategy::Allow150) => {
            (limit.or(Some(1)), OverageStrategy::NoOverage)
        }
        (limit, strategy) => (limit.or(Some(1)), strategy),
    };
    match limit {
        Some(limit) if total > 1 => {
            over(strategy, leased.counts()?.machines, limit, "has too many associated machines", Code::TooManyMachines)
        }
        _ => Ok(()),
    }
}

/// Steps 23–25.
fn resources<L: Lookup>(
    facts: &Facts<'_, L>,
    limits: &EffectiveLimits,
    leased: &mut Leased<'_, '_, L>,
) -> Step<L::Error> {
    let strategy = facts.policy.overage_strategy;
    if let Some(limit) = limits.max_cores {
        let count = leased.counts()?.cores;
        over(strategy, count, limit, "has too many associated machine cores", Code::TooManyCores)?;
    }
    if let Some(limit) = limits.max_memory {
        let count = leased.counts()?.memory;
        over(strategy, count, limit, "has too much associated machine memory", Code::TooMuchMemory)?;
    }
    if let Some(limit) = limits.max_disk {
        let count = leased.counts()?.disk;
        over(strategy, count, limit, "has too much associated machine disk", Code::TooMuchDisk)?;
    }
    Ok(())
}

/// Step 26.
fn processes<L: Lookup>(facts: &Facts<'_, L>, limits: &EffectiveLimits, found: &Findings) -> Step<L::Error> {
    let Some(limit) = limits.max_processes else {
        return Ok(());
    };
    let lookup = facts.lookup;
    let count = match (facts.policy.process_leasing_strategy, found.machine) {
        (ProcessLeasingStrategy::PerMachine, Some(machine)) => lookup.process_count_of_machine(machine)?,
        (ProcessLeasingStrategy::PerMachine, None) => return Ok(()),
        (ProcessLeasingStrategy::PerLicense, _) => lookup.process_count_of_license()?,
        (ProcessLeasingStrategy::PerUser, _) => lookup.process_count_of_owner(found.user)?,
    };
    over(facts.policy.overage_strategy, count, limit, "has too many associated processes", Code::TooManyProcesses)
}

/// Steps 17 and 27.
fn expiry<L: Lookup>(facts: &Facts<'_, L>) -> Step<L::Error> {
    if !is_expired(facts.license, facts.now) {
        return Ok(());
    }
    let valid = matches!(
        facts.policy.expiration_strategy,
        ExpirationStrategy::AllowAccess | ExpirationStrategy::MaintainAccess
    );
    Err(Stop::Verdict(valid, "is expired", Code::Expired))
}
