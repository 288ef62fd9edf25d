//! The authorization algorithm (03 §9.1) and the environment rules of records (05 §5.5).

use super::bearer::{Bearer, Subject};
use super::letter_set::{Letters, letters};
use crate::http::error::{ApiError, Result};
use crate::model::{IsolationStrategy, Permission, Role};
use uuid::Uuid;

/// Which environment rule the record of an action falls under (05 §5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Lax: lists, shows, validations, pings.
    Read,
    /// Strict: everything else.
    Write,
}

/// The records that an action is about, as far as environments matter.
#[derive(Clone, Debug)]
pub enum Records {
    /// None to look at (an empty list).
    None,
    /// One record of that environment.
    One(Option<Uuid>),
    /// Several records of those environments.
    Many(Vec<Option<Uuid>>),
    /// A record that has no environment of its own (account, environment …).
    Unbound,
}

/// One authorization question.
#[derive(Clone, Debug)]
pub struct Check<'a> {
    /// Permissions that bearer and token must have.
    pub permissions: &'a [Permission],
    /// Environment rule of the records.
    pub access: Access,
    /// The parent resource of a nested route: its name in messages and its environment.
    pub parent: Option<(&'a str, Option<Uuid>)>,
    /// The records.
    pub records: Records,
    /// Why the record itself refuses (privileges, 04 §6.2), asked after the environments and before the rule.
    pub refusal: Option<&'a str>,
    /// What the bearer is to the record (or the parent).
    pub letters: Letters,
    /// Who may.
    pub allow: Letters,
}

/// Runs the checks in order; the first failure answers (03 §9.1).
pub fn authorize(subject: &Subject, check: &Check<'_>) -> Result<()> {
    let anonymous = matches!(subject.bearer, Bearer::Anonymous);
    if anonymous && !check.allow.intersects(letters::X) {
        return Err(ApiError::denied("authentication is required"));
    }
    if let Some(role) = subject.bearer.role() {
        if !check.permissions.iter().all(|&p| subject.bearer_can(p)) {
            return Err(ApiError::denied(&format!("{} lacks permission to perform action", role.words())));
        }
        if !check.permissions.iter().all(|&p| subject.token_can(p)) {
            return Err(ApiError::denied("token lacks permission to perform action"));
        }
        if !bearer_fits(subject, role) {
            let reason = format!("{} environment is not compatible with the current environment", role.words());
            return Err(ApiError::denied(&reason));
        }
        if let Some(token) = &subject.token
            && !fits(subject, Access::Read, token.environment_id, true)
        {
            return Err(ApiError::denied("token environment is not compatible with the current environment"));
        }
    }
    if let Some((name, environment)) = check.parent
        && !fits(subject, Access::Read, environment, true)
    {
        return Err(ApiError::denied(&format!("{name} environment is not compatible with the current environment")));
    }
    records_fit(subject, check.access, &check.records)?;
    if let Some(reason) = check.refusal {
        return Err(ApiError::denied(reason));
    }
    if check.letters.intersects(check.allow) {
        return Ok(());
    }
    Err(ApiError::denied(if anonymous {
        "ensure a token or license is present and valid"
    } else {
        "ensure the token or license is allowed to access all resources"
    }))
}

fn bearer_fits(subject: &Subject, role: Role) -> bool {
    let environment = subject.bearer.environment_id();
    match &subject.environment {
        None => environment.is_none(),
        Some(current) => match current.isolation_strategy {
            IsolationStrategy::Isolated => {
                environment == Some(current.id) || (environment.is_none() && role == Role::Admin)
            }
            IsolationStrategy::Shared => environment == Some(current.id) || environment.is_none(),
        },
    }
}

/// `exact`: in the global environment only global records fit, also when reading (tokens, parents).
fn fits(subject: &Subject, access: Access, record: Option<Uuid>, exact: bool) -> bool {
    match &subject.environment {
        None => record.is_none() || (access == Access::Read && !exact),
        Some(current) => match (access, current.isolation_strategy) {
            (Access::Read, IsolationStrategy::Shared) => record.is_none() || record == Some(current.id),
            _ => record == Some(current.id),
        },
    }
}

fn records_fit(subject: &Subject, access: Access, records: &Records) -> Result<()> {
    let (fit, reason) = match records {
        Records::None => (true, ""),
        Records::One(environment) => (
            fits(subject, access, *environment, false),
            "record environment is not compatible with the current environment",
        ),
        Records::Many(environments) => (
            environments.iter().all(|e| fits(subject, access, *e, false)),
            "a record's environment is not compatible with the current environment",
        ),
        Records::Unbound => (
            access == Access::Read || subject.environment.is_none(),
            "record is not compatible with the current environment",
        ),
    };
    if fit { Ok(()) } else { Err(ApiError::denied(reason)) }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::model::{Environment, Time, User};

    fn environment(strategy: IsolationStrategy) -> Environment {
        let mut e = Environment::new(Uuid::from_u128(7), Uuid::from_u128(1), Time(0));
        e.isolation_strategy = strategy;
        e
    }

    fn subject(role: Role, own: Option<u128>, current: Option<IsolationStrategy>) -> Subject {
        let mut user = User::new(Uuid::from_u128(2), Uuid::from_u128(1), own.map(Uuid::from_u128), Time(0));
        user.role = role;
        user.permissions = role.default_permissions();
        Subject { bearer: Bearer::User(Box::new(user)), token: None, environment: current.map(environment) }
    }

    fn outcome(subject: &Subject, access: Access, record: Option<u128>) -> &'static str {
        let check = Check {
            permissions: &[],
            access,
            parent: None,
            records: Records::One(record.map(Uuid::from_u128)),
            refusal: None,
            letters: letters::A,
            allow: letters::A,
        };
        match authorize(subject, &check) {
            Ok(()) => "ok",
            Err(e) if e.errors[0].detail.contains("(record environment") => "record",
            Err(e) if e.errors[0].detail.contains("environment is not compatible") => "bearer",
            Err(_) => "rule",
        }
    }

    // 03 §9.1 "Environment fit", 05 §5.5
    #[test]
    fn environments_decide_what_may_be_read_and_written() {
        use Access::{Read, Write};
        use IsolationStrategy::{Isolated, Shared};
        for (role, own, current, access, record, expected) in [
            (Role::Admin, None, None, Write, None, "ok"),
            (Role::Admin, None, None, Write, Some(7), "record"),
            (Role::Admin, None, None, Read, Some(7), "ok"),
            (Role::Admin, Some(7), None, Read, None, "bearer"),
            (Role::Admin, None, Some(Isolated), Write, Some(7), "ok"),
            (Role::Developer, None, Some(Isolated), Write, Some(7), "bearer"),
            (Role::Developer, Some(7), Some(Isolated), Write, Some(7), "ok"),
            (Role::Developer, Some(7), Some(Isolated), Read, None, "record"),
            (Role::Developer, None, Some(Shared), Read, None, "ok"),
            (Role::Developer, None, Some(Shared), Write, None, "record"),
            (Role::Developer, None, Some(Shared), Write, Some(7), "ok"),
            (Role::Developer, None, Some(Shared), Read, Some(8), "record"),
        ] {
            let subject = subject(role, own, current);
            assert_eq!(
                outcome(&subject, access, record),
                expected,
                "{role:?} {own:?} {current:?} {access:?} {record:?}"
            );
        }
    }

    // 03 §9.1: permission before environment before rule, and the texts of §9.3
    #[test]
    fn the_first_failure_answers() {
        let permission = Permission::parse("account.update").unwrap();
        let check = Check {
            permissions: &[permission],
            access: Access::Write,
            parent: None,
            records: Records::One(Some(Uuid::from_u128(9))),
            refusal: None,
            letters: letters::R,
            allow: letters::A,
        };
        let detail =
            |subject: &Subject, check: &Check<'_>| authorize(subject, check).unwrap_err().errors[0].detail.to_string();
        let prefix = "You do not have permission to complete the request";
        let read_only = subject(Role::ReadOnly, None, None);
        assert_eq!(detail(&read_only, &check), format!("{prefix} (read only lacks permission to perform action)"));
        let free = Check { permissions: &[], records: Records::None, ..check.clone() };
        assert_eq!(
            detail(&read_only, &free),
            format!("{prefix} (ensure the token or license is allowed to access all resources)")
        );
        let nobody = Subject { bearer: Bearer::Anonymous, token: None, environment: None };
        assert_eq!(detail(&nobody, &free), format!("{prefix} (authentication is required)"));
        let unbound = Check { records: Records::Unbound, letters: letters::A, ..free };
        let inside = subject(Role::Admin, None, Some(IsolationStrategy::Shared));
        assert_eq!(
            detail(&inside, &unbound),
            format!("{prefix} (record is not compatible with the current environment)")
        );
    }
}
