//! What a license is at a given moment: status, expiry, check-in, and what its policy lets it do (08 §2, §4.5, §7, §10).

use super::column::wire_enum;
use super::{
    AuthenticationStrategy, CheckInInterval, ExpirationBasis, License, Policy, RenewalBasis, Time, TransferStrategy,
    duration,
};

wire_enum! {
    /// The serialized `status` of a license (08 §10).
    LicenseStatus {
        Active = "ACTIVE",
        Inactive = "INACTIVE",
        Expiring = "EXPIRING",
        Expired = "EXPIRED",
        Suspended = "SUSPENDED",
        Banned = "BANNED",
    }
}

/// A license is `EXPIRING` for this many seconds before its expiry.
pub const EXPIRING_WITHIN: i64 = 72 * 3600;
/// A license is `INACTIVE` after this many seconds without any sign of life.
pub const INACTIVE_AFTER: i64 = 90 * 86_400;

/// The license's status (08 §10), first match. `owner_banned`: it has an owner, who is banned.
pub fn status(license: &License, owner_banned: bool, now: Time) -> LicenseStatus {
    if owner_banned {
        LicenseStatus::Banned
    } else if license.suspended {
        LicenseStatus::Suspended
    } else if is_expired(license, now) {
        LicenseStatus::Expired
    } else if is_expiring(license, now) {
        LicenseStatus::Expiring
    } else if is_inactive(license, now) {
        LicenseStatus::Inactive
    } else {
        LicenseStatus::Active
    }
}

/// The expiry has passed. A license that expires at this very moment has not.
pub fn is_expired(license: &License, now: Time) -> bool {
    license.expires_at.is_some_and(|expiry| expiry < now)
}

/// now < expiry < now + 72 h.
fn is_expiring(license: &License, now: Time) -> bool {
    let soon = now.plus_seconds(EXPIRING_WITHIN);
    license.expires_at.is_some_and(|expiry| now < expiry && expiry < soon)
}

fn is_inactive(license: &License, now: Time) -> bool {
    let since = now.plus_seconds(-INACTIVE_AFTER);
    let silent = |at: Option<Time>| at.is_none_or(|at| at < since);
    license.created_at < since
        && silent(license.last_validated_at)
        && silent(license.last_check_out_at)
        && silent(license.last_check_in_at)
}

/// Interval, count and last check-in, when the policy requires check-ins and all three are there.
fn check_in(license: &License, policy: &Policy) -> Option<(CheckInInterval, i64, Time)> {
    if !policy.require_check_in {
        return None;
    }
    let interval = CheckInInterval::parse(policy.check_in_interval.as_deref()?)?;
    Some((interval, policy.check_in_interval_count?, license.last_check_in_at?))
}

/// When the license must check in next (08 §2); `None` when it need not.
pub fn next_check_in(license: &License, policy: &Policy) -> Option<Time> {
    let (interval, count, last) = check_in(license, policy)?;
    Some(duration::add_interval(last, interval, count))
}

/// The last check-in lies more than count × interval before `now` (08 §10). The interval is subtracted from `now`, which on
/// the calendar is not the same as adding it to the check-in.
pub fn check_in_overdue(license: &License, policy: &Policy, now: Time) -> bool {
    check_in(license, policy).is_some_and(|(interval, count, last)| last < duration::sub_interval(now, interval, count))
}

/// The expiry that an occurrence of `basis` gives (07 §2.7, 08 §4.2, §4.5): now + duration when that is the policy's basis and
/// it has a duration. For licenses without expiry only.
pub fn initial_expiry(policy: &Policy, now: Time, basis: ExpirationBasis) -> Option<Time> {
    let seconds = policy.duration.filter(|_| policy.expiration_basis == basis)?;
    Some(duration::add(now, seconds))
}

/// The expiry after a renewal (08 §7, D25), or the detail of the 422 without code and source.
pub fn renewed_expiry(license: &License, policy: &Policy, now: Time) -> Result<Time, &'static str> {
    let seconds = policy.duration.ok_or("cannot be renewed because the policy does not have a duration")?;
    let expiry = license.expires_at.ok_or("cannot be renewed because it does not have an expiry")?;
    let start = match policy.renewal_basis {
        RenewalBasis::FromExpiry => expiry,
        RenewalBasis::FromNow => now,
        RenewalBasis::FromNowIfExpired if expiry < now => now,
        RenewalBasis::FromNowIfExpired => expiry,
    };
    Ok(duration::add(start, seconds))
}

/// The expiry after a move to `policy` (07 §2.7, 08 §9.2).
pub fn transferred_expiry(license: &License, policy: &Policy, now: Time) -> Option<Time> {
    match policy.transfer_strategy {
        TransferStrategy::KeepExpiry => license.expires_at,
        TransferStrategy::ResetExpiry => policy.duration.map(|seconds| duration::add(now, seconds)),
    }
}

/// The license is protected: its own flag, else its policy's (08 §2).
pub fn protected(license: &License, policy: &Policy) -> bool {
    license.protected.unwrap_or(policy.protected)
}

/// The credentials with which a license can authenticate (03 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A token of the license.
    Token,
    /// The license key.
    Key,
    /// A session cookie.
    Session,
}

/// The policy accepts this credential of its licenses (03 §4, the table).
pub fn authentication_allows(policy: &Policy, credential: Credential) -> bool {
    match policy.authentication_strategy {
        AuthenticationStrategy::Token => credential == Credential::Token,
        AuthenticationStrategy::License => credential == Credential::Key,
        AuthenticationStrategy::Session => credential == Credential::Session,
        AuthenticationStrategy::Mixed => true,
        AuthenticationStrategy::None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::coerce::time_from_text;
    use uuid::Uuid;

    const DAY: i64 = 86_400_000;
    const HOUR: i64 = 3_600_000;
    const NOW: Time = Time(1_710_494_813_589);

    fn policy() -> Policy {
        Policy::new(Uuid::nil(), Uuid::nil(), None, NOW)
    }

    fn license() -> License {
        License::new(Uuid::nil(), Uuid::nil(), None, NOW)
    }

    fn at(ms: i64) -> Option<Time> {
        Some(Time(NOW.0 + ms))
    }

    fn time(text: &str) -> Time {
        time_from_text(text).unwrap().unwrap()
    }

    // 08 §10
    #[test]
    fn status_is_the_first_match() {
        type Change = fn(&mut License);
        use LicenseStatus::*;
        let cases: [(&str, bool, Change, LicenseStatus); 20] = [
            ("fresh", false, |_| (), Active),
            ("owner banned", true, |_| (), Banned),
            ("banned before suspended", true, |l| l.suspended = true, Banned),
            ("suspended", false, |l| l.suspended = true, Suspended),
            ("suspended before expired", false, |l| (l.suspended, l.expires_at) = (true, at(-1)), Suspended),
            ("expired", false, |l| l.expires_at = at(-1), Expired),
            ("expires now", false, |l| l.expires_at = at(0), Active),
            ("expires next", false, |l| l.expires_at = at(1), Expiring),
            ("expires in less than 72 h", false, |l| l.expires_at = at(72 * HOUR - 1), Expiring),
            ("expires in 72 h", false, |l| l.expires_at = at(72 * HOUR), Active),
            ("expiring before inactive", false, |l| (l.expires_at, l.created_at) = (at(1), Time(0)), Expiring),
            ("old and silent", false, |l| l.created_at = Time(NOW.0 - 90 * DAY - 1), Inactive),
            ("90 days old", false, |l| l.created_at = Time(NOW.0 - 90 * DAY), Active),
            (
                "old, all signs old",
                false,
                |l| {
                    l.created_at = Time(0);
                    l.last_validated_at = at(-90 * DAY - 1);
                    l.last_check_out_at = at(-90 * DAY - 1);
                    l.last_check_in_at = at(-90 * DAY - 1);
                },
                Inactive,
            ),
            ("validated", false, |l| (l.created_at, l.last_validated_at) = (Time(0), at(-90 * DAY)), Active),
            ("checked out", false, |l| (l.created_at, l.last_check_out_at) = (Time(0), at(-90 * DAY)), Active),
            ("checked in", false, |l| (l.created_at, l.last_check_in_at) = (Time(0), at(-90 * DAY)), Active),
            ("far future", false, |l| l.expires_at = Some(Time(i64::MAX)), Active),
            ("far past", false, |l| l.expires_at = Some(Time(i64::MIN)), Expired),
            ("inactive, expires now", false, |l| (l.expires_at, l.created_at) = (at(0), Time(0)), Inactive),
        ];
        for (name, banned, change, expected) in cases {
            let mut license = license();
            change(&mut license);
            assert_eq!(status(&license, banned, NOW), expected, "{name}");
        }
        for now in [Time(i64::MAX), Time(i64::MIN)] {
            status(&license(), false, now);
        }
    }

    // 08 §2 `nextCheckIn`, §10 overdue
    #[test]
    fn check_ins_are_calendar_units() {
        let last = "2024-01-31T10:00:00Z";
        for (interval, count, next, overdue_from) in [
            // `overdue_from`: the last moment at which it is not overdue
            ("day", 3, "2024-02-03T10:00:00Z", "2024-02-03T10:00:00Z"),
            ("week", 2, "2024-02-14T10:00:00Z", "2024-02-14T10:00:00Z"),
            // due on 29 February, but not overdue before 1 March: see `overdue_subtracts_from_now`
            ("month", 1, "2024-02-29T10:00:00Z", "2024-02-29T10:00:00Z"),
            ("year", 1, "2025-01-31T10:00:00Z", "2025-01-31T10:00:00Z"),
        ] {
            let mut policy = policy();
            policy.require_check_in = true;
            policy.check_in_interval = Some(interval.to_owned());
            policy.check_in_interval_count = Some(count);
            let mut license = license();
            license.last_check_in_at = Some(time(last));
            assert_eq!(next_check_in(&license, &policy), Some(time(next)), "{interval}");
            let edge = time(overdue_from);
            assert!(!check_in_overdue(&license, &policy, edge), "{interval}");
            if interval != "month" {
                assert!(check_in_overdue(&license, &policy, Time(edge.0 + 1)), "{interval}");
            }
        }
    }

    // 08 §10, §12: the interval is subtracted from now
    #[test]
    fn overdue_subtracts_from_now() {
        let mut policy = policy();
        policy.require_check_in = true;
        policy.check_in_interval = Some("month".to_owned());
        policy.check_in_interval_count = Some(1);
        let mut license = license();
        license.last_check_in_at = Some(time("2024-01-31T10:00:00Z"));
        for (now, overdue) in [
            // 2024-03-01 − 1 month = 2024-02-01 > 31 January, while 29 February − 1 month = 29 January
            ("2024-02-29T23:00:00Z", false),
            ("2024-03-01T00:00:00Z", true),
        ] {
            assert_eq!(check_in_overdue(&license, &policy, time(now)), overdue, "{now}");
        }
    }

    // 08 §2, §10: "requires check-in, has interval and count, and lastCheckIn is set; else null"
    #[test]
    fn check_in_needs_everything() {
        type Change = fn(&mut License, &mut Policy);
        let cases: [(&str, Change); 5] = [
            ("not required", |_, p| p.require_check_in = false),
            ("no interval", |_, p| p.check_in_interval = None),
            ("unknown interval", |_, p| p.check_in_interval = Some("hour".to_owned())),
            ("no count", |_, p| p.check_in_interval_count = None),
            ("never checked in", |l, _| l.last_check_in_at = None),
        ];
        let mut complete = (license(), policy());
        complete.0.last_check_in_at = Some(Time(0));
        complete.1.require_check_in = true;
        complete.1.check_in_interval = Some("day".to_owned());
        complete.1.check_in_interval_count = Some(1);
        assert!(next_check_in(&complete.0, &complete.1).is_some());
        assert!(check_in_overdue(&complete.0, &complete.1, NOW));
        for (name, change) in cases {
            let (mut license, mut policy) = complete.clone();
            change(&mut license, &mut policy);
            assert_eq!(next_check_in(&license, &policy), None, "{name}");
            assert!(!check_in_overdue(&license, &policy, NOW), "{name}");
        }
    }

    // 08 §4.2, §4.5
    #[test]
    fn the_policys_basis_starts_the_expiry() {
        for &basis in ExpirationBasis::ALL {
            let policy = Policy { expiration_basis: basis, duration: Some(2_629_746), ..policy() };
            for &occurred in ExpirationBasis::ALL {
                let expiry = initial_expiry(&policy, time("2024-01-31T00:00:00Z"), occurred);
                let expected = (basis == occurred).then(|| time("2024-02-29T00:00:00Z"));
                assert_eq!(expiry, expected, "{basis:?} {occurred:?}");
            }
            let perpetual = Policy { duration: None, ..policy };
            assert_eq!(initial_expiry(&perpetual, NOW, basis), None);
        }
    }

    // 08 §7 renew, 07 §2.7
    #[test]
    fn renewals_start_at_expiry_or_now() {
        let (past, now, future) = ("2024-01-10T00:00:00Z", "2024-03-10T00:00:00Z", "2024-05-10T00:00:00Z");
        for (basis, expiry, expected) in [
            // may stay in the past
            (RenewalBasis::FromExpiry, past, "2024-02-10T00:00:00Z"),
            (RenewalBasis::FromExpiry, future, "2024-06-10T00:00:00Z"),
            (RenewalBasis::FromNow, past, "2024-04-10T00:00:00Z"),
            (RenewalBasis::FromNow, future, "2024-04-10T00:00:00Z"),
            (RenewalBasis::FromNowIfExpired, past, "2024-04-10T00:00:00Z"),
            (RenewalBasis::FromNowIfExpired, future, "2024-06-10T00:00:00Z"),
            (RenewalBasis::FromNowIfExpired, now, "2024-04-10T00:00:00Z"),
        ] {
            let policy = Policy { renewal_basis: basis, duration: Some(2_629_746), ..policy() };
            let license = License { expires_at: Some(time(expiry)), ..license() };
            let renewed = renewed_expiry(&license, &policy, time(now));
            assert_eq!(renewed, Ok(time(expected)), "{basis:?} {expiry}");
        }
        let no_duration = Err("cannot be renewed because the policy does not have a duration");
        let no_expiry = Err("cannot be renewed because it does not have an expiry");
        for (seconds, expiry, expected) in
            [(None, Some(NOW), no_duration), (None, None, no_duration), (Some(86_400), None, no_expiry)]
        {
            let policy = Policy { duration: seconds, ..policy() };
            let license = License { expires_at: expiry, ..license() };
            assert_eq!(renewed_expiry(&license, &policy, NOW), expected);
        }
    }

    // 08 §9.2, 07 §2.7
    #[test]
    fn transfers_keep_or_reset() {
        use TransferStrategy::*;
        for (strategy, seconds, expected) in [
            (KeepExpiry, Some(86_400), at(5)),
            (KeepExpiry, None, at(5)),
            (ResetExpiry, Some(86_400), at(DAY)),
            (ResetExpiry, None, None),
        ] {
            let policy = Policy { transfer_strategy: strategy, duration: seconds, ..policy() };
            let license = License { expires_at: at(5), ..license() };
            assert_eq!(transferred_expiry(&license, &policy, NOW), expected);
        }
    }

    // 08 §2 `protected`
    #[test]
    fn protection_falls_back_to_the_policy() {
        for (own, inherited, expected) in
            [(None, false, false), (None, true, true), (Some(false), true, false), (Some(true), false, true)]
        {
            let policy = Policy { protected: inherited, ..policy() };
            let license = License { protected: own, ..license() };
            assert_eq!(protected(&license, &policy), expected);
        }
    }

    // 03 §4, the table
    #[test]
    fn the_strategy_chooses_credentials() {
        use AuthenticationStrategy as S;
        for (strategy, token, key, session) in [
            (S::Token, true, false, false),
            (S::License, false, true, false),
            (S::Session, false, false, true),
            (S::Mixed, true, true, true),
            (S::None, false, false, false),
        ] {
            let policy = Policy { authentication_strategy: strategy, ..policy() };
            assert_eq!(authentication_allows(&policy, Credential::Token), token, "{strategy:?}");
            assert_eq!(authentication_allows(&policy, Credential::Key), key, "{strategy:?}");
            assert_eq!(authentication_allows(&policy, Credential::Session), session, "{strategy:?}");
        }
    }
}
