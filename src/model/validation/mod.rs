//! The verdict on a license (09 §4): a list of steps of which the first that has something to say ends the evaluation.
//!
//! `facts` says what is known and how more is fetched, `scopes` and `counts` hold the steps 6–15 and 16–28.

mod counts;
mod facts;
mod scopes;
#[cfg(test)]
mod tests;

pub use facts::{Code, EnvironmentRef, Facts, Lookup, MachineFact, Scope, UserRef, Verdict};

use super::ExpirationStrategy;
use super::license_status::{check_in_overdue, is_expired};
use facts::{Findings, Step, Stop};

/// Judges a license (09 §4). That there is none at all is `Verdict::not_found` (step 1).
pub fn decide<L: Lookup>(facts: &Facts<'_, L>) -> Result<Verdict, L::Error> {
    let mut found = Findings::default();
    let (valid, detail, code) = match steps(facts, &mut found) {
        Ok(()) => (true, "is valid", Code::Valid),
        Err(Stop::Verdict(valid, detail, code)) => (valid, detail, code),
        Err(Stop::Failed(error)) => return Err(error),
    };
    Ok(Verdict { valid, detail, code, matched_version: found.version, matched_checksum: found.checksum })
}

fn steps<L: Lookup>(facts: &Facts<'_, L>, found: &mut Findings) -> Step<L::Error> {
    state(facts)?;
    if !facts.quick {
        scopes::check(facts, found)?;
    }
    counts::check(facts, found)
}

/// Steps 2–5 (09 §4.1).
fn state<L: Lookup>(facts: &Facts<'_, L>) -> Step<L::Error> {
    let revokes = facts.policy.expiration_strategy == ExpirationStrategy::RevokeAccess;
    if facts.owner.is_some_and(|owner| owner.banned) {
        Stop::invalid("is banned", Code::Banned)
    } else if facts.license.suspended {
        Stop::invalid("is suspended", Code::Suspended)
    } else if revokes && is_expired(facts.license, facts.now) {
        Stop::invalid("is expired", Code::Expired)
    } else if check_in_overdue(facts.license, facts.policy, facts.now) {
        Stop::invalid("is overdue for check in", Code::Overdue)
    } else {
        Ok(())
    }
}
