//! The scopes (09 §4.2–4.6, steps 6–15): what the client says about the place where it runs.

use super::facts::{Code, Facts, Findings, Lookup, MachineFact, Scope, Step, Stop, UserRef};
use crate::model::coerce::uuid_from_text;
use crate::model::heartbeat::{self, HeartbeatStatus};
use crate::model::{MatchingStrategy, Policy, Time};
use uuid::Uuid;

/// All scopes in order.
pub(super) fn check<L: Lookup>(facts: &Facts<'_, L>, found: &mut Findings) -> Step<L::Error> {
    let none = Scope::default();
    let scope = facts.scope.unwrap_or(&none);
    environment(facts, scope)?;
    product_and_policy(facts, scope)?;
    user(facts, scope, found)?;
    entitlements(facts, scope)?;
    machine(facts, scope, found)?;
    let matched = fingerprints(facts, scope, found)?;
    components(facts, scope, matched)?;
    checksum(facts, scope, found)?;
    version(facts, scope, found)
}

/// The "required" line of a step: the member is absent and the policy's flag is set.
fn required<E>(flag: bool, detail: &'static str, code: Code) -> Step<E> {
    if flag { Stop::invalid(detail, code) } else { Ok(()) }
}

/// The text is this id (01 §8.1).
fn is_id(text: &str, id: Uuid) -> bool {
    uuid_from_text(text) == Some(id)
}

/// Each text once, in order.
fn distinct<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    let mut seen = std::collections::HashSet::new();
    texts.into_iter().map(String::as_str).filter(|text| seen.insert(*text)).collect()
}

/// Step 6.
fn environment<L: Lookup>(facts: &Facts<'_, L>, scope: &Scope) -> Step<L::Error> {
    let matches = match (&scope.environment, facts.environment) {
        (None, _) => return Ok(()), // nothing can require it (D27)
        (Some(None), _) => facts.license.environment_id.is_none(),
        (Some(Some(text)), Some(environment)) => text == environment.code || is_id(text, environment.id),
        (Some(Some(_)), None) => false,
    };
    if matches {
        return Ok(());
    }
    Stop::invalid("environment scope does not match", Code::EnvironmentScopeMismatch)
}

/// Steps 7 and 8.
fn product_and_policy<L: Lookup>(facts: &Facts<'_, L>, scope: &Scope) -> Step<L::Error> {
    match &scope.product {
        Some(text) if !is_id(text, facts.license.product_id) => {
            Stop::invalid("product scope does not match", Code::ProductScopeMismatch)?;
        }
        Some(_) => {}
        None => required(facts.policy.require_product_scope, "product scope is required", Code::ProductScopeRequired)?,
    }
    match &scope.policy {
        Some(text) if !is_id(text, facts.license.policy_id) => {
            Stop::invalid("policy scope does not match", Code::PolicyScopeMismatch)
        }
        Some(_) => Ok(()),
        None => required(facts.policy.require_policy_scope, "policy scope is required", Code::PolicyScopeRequired),
    }
}

/// Step 9.
fn user<L: Lookup>(facts: &Facts<'_, L>, scope: &Scope, found: &mut Findings) -> Step<L::Error> {
    let matches = match &scope.user {
        None => {
            return required(facts.policy.require_user_scope, "user scope is required", Code::UserScopeRequired);
        }
        Some(None) => facts.license.owner_id.is_none(),
        Some(Some(text)) => {
            found.user = match facts.owner.filter(|owner| is_user(text, owner)) {
                Some(owner) => Some(owner.id),
                None => facts.lookup.attached_user(text)?,
            };
            found.user.is_some()
        }
    };
    if matches {
        return Ok(());
    }
    Stop::invalid("user scope does not match", Code::UserScopeMismatch)
}

fn is_user(text: &str, user: &UserRef<'_>) -> bool {
    is_id(text, user.id) || text.to_lowercase() == user.email
}

/// Step 10.
fn entitlements<L: Lookup>(facts: &Facts<'_, L>, scope: &Scope) -> Step<L::Error> {
    let Some(codes) = &scope.entitlements else {
        return Ok(()); // no policy can require them
    };
    if codes.is_empty() {
        Stop::invalid("entitlements scope is empty", Code::EntitlementsScopeEmpty)?;
    }
    let held = facts.lookup.entitlement_codes()?;
    if codes.iter().all(|code| held.contains(code)) {
        return Ok(());
    }
    Stop::invalid("is missing one or more required entitlements", Code::EntitlementsMissing)
}

/// Step 11 (§4.3).
fn machine<L: Lookup>(facts: &Facts<'_, L>, scope: &Scope, found: &mut Findings) -> Step<L::Error> {
    let Some(text) = &scope.machine else {
        return required(facts.policy.require_machine_scope, "machine scope is required", Code::MachineScopeRequired);
    };
    if facts.license.machines_count == 0 {
        return if facts.policy.floating {
            Stop::invalid("machine is not activated (has no associated machines)", Code::NoMachines)
        } else {
            Stop::invalid("machine is not activated (has no associated machine)", Code::NoMachine)
        };
    }
    let machine = match uuid_from_text(text) {
        Some(id) => facts.lookup.machine(id)?,
        None => None,
    };
    let Some(machine) = machine else {
        return Stop::invalid(
            "machine is not activated (does not match any associated machines)",
            Code::MachineScopeMismatch,
        );
    };
    if let Some(Some(text)) = &scope.user
        && let Some(owner) = machine.owner_id
        && !is_id(text, owner)
        // Unlike step 9, letter case matters here.
        && machine.owner_email.as_ref() != Some(text)
    {
        return Stop::invalid(
            "user scope does not match (does not match associated machine owner)",
            Code::UserScopeMismatch,
        );
    }
    match status(&machine, facts.policy, facts.now) {
        HeartbeatStatus::NotStarted if facts.policy.require_heartbeat => {
            Stop::invalid("machine heartbeat is required", Code::HeartbeatNotStarted)
        }
        HeartbeatStatus::Dead => Stop::invalid("machine heartbeat is dead", Code::HeartbeatDead),
        _ => {
            found.machine = Some(machine.id);
            Ok(())
        }
    }
}

fn status(machine: &MachineFact, policy: &Policy, now: Time) -> HeartbeatStatus {
    heartbeat::status(machine.last_heartbeat_at, machine.created_at, policy, now)
}

/// Step 12 (§4.4); yields the oldest alive machine that matches.
fn fingerprints<L: Lookup>(
    facts: &Facts<'_, L>,
    scope: &Scope,
    found: &mut Findings,
) -> Result<Option<Uuid>, Stop<L::Error>> {
    let sent = match (&scope.fingerprint, &scope.fingerprints) {
        (Some(one), _) => vec![one.as_str()],
        (None, Some(several)) => distinct(several),
        (None, None) => {
            required(
                facts.policy.require_fingerprint_scope,
                "fingerprint scope is required",
                Code::FingerprintScopeRequired,
            )?;
            return Ok(None);
        }
    };
    if sent.is_empty() {
        Stop::invalid("fingerprint scope is empty", Code::FingerprintScopeEmpty)?;
    }
    if facts.license.machines_count == 0 {
        if facts.policy.floating {
            Stop::invalid("fingerprint is not activated (has no associated machines)", Code::NoMachines)?;
        }
        Stop::invalid("fingerprint is not activated (has no associated machine)", Code::NoMachine)?;
    }
    // The dead and the alive of §4.4 are those of the heartbeat status.
    let of = |machine: &MachineFact| status(machine, facts.policy, facts.now);
    let (dead, alive): (Vec<_>, Vec<_>) = facts
        .lookup
        .machines_by_fingerprint(&sent)?
        .into_iter()
        .partition(|machine| of(machine) == HeartbeatStatus::Dead);
    if dead.len() == sent.len() {
        Stop::invalid("machine heartbeat is dead", Code::HeartbeatDead)?;
    }
    if let Some(detail) = unmatched_fingerprints(facts.policy.machine_matching_strategy, sent.len(), alive.len()) {
        Stop::invalid(detail, Code::FingerprintScopeMismatch)?;
    }
    // Step 9 has found the user of a scope that names one.
    if let Some(user) = found.user
        && alive.iter().any(|machine| machine.owner_id.is_some_and(|owner| owner != user))
    {
        Stop::invalid("user scope does not match (does not match associated machine owners)", Code::UserScopeMismatch)?;
    }
    if facts.policy.require_heartbeat && alive.iter().any(|machine| of(machine) == HeartbeatStatus::NotStarted) {
        Stop::invalid("machine heartbeat is required", Code::HeartbeatNotStarted)?;
    }
    let matched = alive.first().map(|machine| machine.id);
    found.machine = matched.or(found.machine);
    Ok(matched)
}

/// Too few of `sent` fingerprints are those of alive machines. One fingerprint must match whatever the strategy.
fn unmatched_fingerprints(strategy: MatchingStrategy, sent: usize, alive: usize) -> Option<&'static str> {
    let (least, detail) = match strategy {
        _ if sent == 1 => (1, "fingerprint is not activated (does not match any associated machines)"),
        MatchingStrategy::Any => {
            (1, "one or more fingerprint is not activated (does not match any associated machines)")
        }
        MatchingStrategy::Two => {
            (2, "one or more fingerprint is not activated (does not match at least 2 associated machines)")
        }
        MatchingStrategy::Most => {
            (sent.div_ceil(2), "one or more fingerprint is not activated (does not match enough associated machines)")
        }
        MatchingStrategy::All => {
            (sent, "one or more fingerprint is not activated (does not match all associated machines)")
        }
    };
    (alive < least).then_some(detail)
}

/// Step 13 (§4.5). `machine`: the one that step 12 has matched.
fn components<L: Lookup>(facts: &Facts<'_, L>, scope: &Scope, machine: Option<Uuid>) -> Step<L::Error> {
    let Some(components) = &scope.components else {
        return required(
            facts.policy.require_components_scope,
            "components scope is required",
            Code::ComponentsScopeRequired,
        );
    };
    if scope.fingerprint.is_none() {
        return Stop::invalid(
            "fingerprint scope is required when using the components scope",
            Code::FingerprintScopeRequired,
        );
    }
    let sent = distinct(components);
    if sent.is_empty() {
        return Stop::invalid("components scope is empty", Code::ComponentsScopeEmpty);
    }
    let matching = match machine {
        Some(machine) => facts.lookup.components_matching(machine, &sent)?,
        None => 0,
    };
    let (least, detail) = match facts.policy.component_matching_strategy {
        MatchingStrategy::Any => {
            (1, "one or more component is not activated (does not match any associated components)")
        }
        MatchingStrategy::Two => {
            (2, "one or more component is not activated (does not match at least 2 associated components)")
        }
        MatchingStrategy::Most => (
            sent.len().div_ceil(2),
            "one or more component is not activated (does not match enough associated components)",
        ),
        MatchingStrategy::All => {
            (sent.len(), "one or more component is not activated (does not match all associated components)")
        }
    };
    if matching < least {
        return Stop::invalid(detail, Code::ComponentsScopeMismatch);
    }
    Ok(())
}

/// Step 14 (§4.6).
fn checksum<L: Lookup>(facts: &Facts<'_, L>, scope: &Scope, found: &mut Findings) -> Step<L::Error> {
    let Some(checksum) = &scope.checksum else {
        return required(
            facts.policy.require_checksum_scope,
            "checksum scope is required",
            Code::ChecksumScopeRequired,
        );
    };
    let Some(version) = facts.lookup.release_by_checksum(checksum)? else {
        return Stop::invalid(
            "checksum scope is not valid (does not match any accessible artifacts)",
            Code::ChecksumScopeMismatch,
        );
    };
    found.version = Some(version);
    found.checksum = Some(checksum.clone());
    Ok(())
}

/// Step 15 (§4.6).
fn version<L: Lookup>(facts: &Facts<'_, L>, scope: &Scope, found: &mut Findings) -> Step<L::Error> {
    let Some(version) = &scope.version else {
        return required(facts.policy.require_version_scope, "version scope is required", Code::VersionScopeRequired);
    };
    if !facts.lookup.release_by_version(version)? {
        return Stop::invalid(
            "version scope is not valid (does not match any accessible releases)",
            Code::VersionScopeMismatch,
        );
    }
    found.version = Some(version.clone());
    Ok(())
}
