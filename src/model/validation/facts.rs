//! What goes into a verdict, how more of it is fetched, and what comes out.

use crate::model::column::wire_enum;
use crate::model::limits::MachineCounts;
use crate::model::{License, Policy, Time};
use uuid::Uuid;

wire_enum! {
    /// The codes of verdicts (09 §6).
    Code {
        Valid = "VALID",
        Banned = "BANNED",
        ChecksumScopeMismatch = "CHECKSUM_SCOPE_MISMATCH",
        ChecksumScopeRequired = "CHECKSUM_SCOPE_REQUIRED",
        ComponentsScopeEmpty = "COMPONENTS_SCOPE_EMPTY",
        ComponentsScopeMismatch = "COMPONENTS_SCOPE_MISMATCH",
        ComponentsScopeRequired = "COMPONENTS_SCOPE_REQUIRED",
        EntitlementsMissing = "ENTITLEMENTS_MISSING",
        EntitlementsScopeEmpty = "ENTITLEMENTS_SCOPE_EMPTY",
        EnvironmentScopeMismatch = "ENVIRONMENT_SCOPE_MISMATCH",
        EnvironmentScopeRequired = "ENVIRONMENT_SCOPE_REQUIRED",
        Expired = "EXPIRED",
        FingerprintScopeEmpty = "FINGERPRINT_SCOPE_EMPTY",
        FingerprintScopeMismatch = "FINGERPRINT_SCOPE_MISMATCH",
        FingerprintScopeRequired = "FINGERPRINT_SCOPE_REQUIRED",
        HeartbeatDead = "HEARTBEAT_DEAD",
        HeartbeatNotStarted = "HEARTBEAT_NOT_STARTED",
        MachineScopeMismatch = "MACHINE_SCOPE_MISMATCH",
        MachineScopeRequired = "MACHINE_SCOPE_REQUIRED",
        NoMachine = "NO_MACHINE",
        NoMachines = "NO_MACHINES",
        NotFound = "NOT_FOUND",
        Overdue = "OVERDUE",
        PolicyScopeMismatch = "POLICY_SCOPE_MISMATCH",
        PolicyScopeRequired = "POLICY_SCOPE_REQUIRED",
        ProductScopeMismatch = "PRODUCT_SCOPE_MISMATCH",
        ProductScopeRequired = "PRODUCT_SCOPE_REQUIRED",
        Suspended = "SUSPENDED",
        TooManyCores = "TOO_MANY_CORES",
        TooManyMachines = "TOO_MANY_MACHINES",
        TooManyProcesses = "TOO_MANY_PROCESSES",
        TooManyUsers = "TOO_MANY_USERS",
        TooMuchDisk = "TOO_MUCH_DISK",
        TooMuchMemory = "TOO_MUCH_MEMORY",
        UserScopeMismatch = "USER_SCOPE_MISMATCH",
        UserScopeRequired = "USER_SCOPE_REQUIRED",
        VersionScopeMismatch = "VERSION_SCOPE_MISMATCH",
        VersionScopeRequired = "VERSION_SCOPE_REQUIRED",
    }
}

/// `meta.scope` of a request (09 §3). `None` is an absent member; `Some(None)` is `null`, where null means something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Code or id of the license's environment; null: it has none.
    pub environment: Option<Option<String>>,
    /// Id of the product.
    pub product: Option<String>,
    /// Id of the policy.
    pub policy: Option<String>,
    /// Id or email of the owner or of an attached user; null: the license has no owner.
    pub user: Option<Option<String>>,
    /// Entitlement codes.
    pub entitlements: Option<Vec<String>>,
    /// Id of a machine.
    pub machine: Option<String>,
    /// One machine fingerprint; wins over `fingerprints`.
    pub fingerprint: Option<String>,
    /// Several machine fingerprints.
    pub fingerprints: Option<Vec<String>>,
    /// Component fingerprints of the machine that `fingerprint` names.
    pub components: Option<Vec<String>>,
    /// Checksum of an artifact.
    pub checksum: Option<String>,
    /// Version of a release.
    pub version: Option<String>,
}

/// What matters of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRef<'a> {
    /// The user's id.
    pub id: Uuid,
    /// The user's email as stored, lower case.
    pub email: &'a str,
    /// The user is banned.
    pub banned: bool,
}

/// What matters of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvironmentRef<'a> {
    /// The environment's id.
    pub id: Uuid,
    /// The environment's code.
    pub code: &'a str,
}

/// What matters of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineFact {
    /// The machine's id.
    pub id: Uuid,
    /// The machine's owner, if it has one.
    pub owner_id: Option<Uuid>,
    /// The email of the machine's owner as stored, lower case.
    pub owner_email: Option<String>,
    /// When the machine was created.
    pub created_at: Time,
    /// When the machine was last heard of.
    pub last_heartbeat_at: Option<Time>,
}

/// Everything that is known from the start, and `lookup` for the rest.
#[derive(Debug)]
pub struct Facts<'a, L> {
    /// The one instant of the evaluation.
    pub now: Time,
    /// The license's policy.
    pub policy: &'a Policy,
    /// The license; its counters stand for its machines and attached users.
    pub license: &'a License,
    /// The license's owner; must be given when it has one.
    pub owner: Option<UserRef<'a>>,
    /// The license's environment; must be given when it has one and the scope has an `environment`.
    pub environment: Option<EnvironmentRef<'a>>,
    /// The scope of the request, if it has one.
    pub scope: Option<&'a Scope>,
    /// Quick validation: neither the scope nor the policy's `require*Scope` counts.
    pub quick: bool,
    /// Where steps get what only they need.
    pub lookup: &'a L,
}

/// Fetches what a step needs, about the license in question. A method is called only when its answer is needed; a validation
/// without scope under a policy without limits calls none.
pub trait Lookup {
    /// Why something could not be fetched.
    type Error;

    /// The codes of the license's entitlements: its own and its policy's.
    fn entitlement_codes(&self) -> Result<Vec<String>, Self::Error>;

    /// The **attached** user (not the owner) with this id (`coerce::uuid_from_text`) or this email in any case.
    fn attached_user(&self, id_or_email: &str) -> Result<Option<Uuid>, Self::Error>;

    /// The machine of the license with this id.
    fn machine(&self, id: Uuid) -> Result<Option<MachineFact>, Self::Error>;

    /// The machines of the license with one of these fingerprints, oldest first. The fingerprints are distinct.
    fn machines_by_fingerprint(&self, fingerprints: &[&str]) -> Result<Vec<MachineFact>, Self::Error>;

    /// How many of these distinct fingerprints are components of that machine.
    fn components_matching(&self, machine: Uuid, fingerprints: &[&str]) -> Result<usize, Self::Error>;

    /// The machines of the license with this owner, or without owner, and their sums; dead ones count.
    fn counts_for_owner(&self, owner: Option<Uuid>) -> Result<MachineCounts, Self::Error>;

    /// The number of processes of this machine; dead ones count, here and below.
    fn process_count_of_machine(&self, machine: Uuid) -> Result<i64, Self::Error>;

    /// The number of processes of all machines of the license.
    fn process_count_of_license(&self) -> Result<i64, Self::Error>;

    /// The number of processes of the license's machines with this owner, or without owner.
    fn process_count_of_owner(&self, owner: Option<Uuid>) -> Result<i64, Self::Error>;

    /// The version of the highest release, by semver with a build tag above none, that the license can access (09 §4.6) and
    /// that has an uploaded artifact with exactly this checksum.
    fn release_by_checksum(&self, checksum: &str) -> Result<Option<String>, Self::Error>;

    /// There is a release of exactly this version that the license can access (09 §4.6).
    fn release_by_version(&self, version: &str) -> Result<bool, Self::Error>;
}

/// The outcome of a validation (09 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `meta.valid`; not always what the code suggests.
    pub valid: bool,
    /// `meta.detail`
    pub detail: &'static str,
    /// `meta.code`
    pub code: Code,
    /// The version to record, whatever the verdict (09 §4.6, §7).
    pub matched_version: Option<String>,
    /// The checksum to record, whatever the verdict.
    pub matched_checksum: Option<String>,
}

impl Verdict {
    /// Step 1: no such license.
    pub const fn not_found() -> Verdict {
        Verdict {
            valid: false,
            detail: "does not exist",
            code: Code::NotFound,
            matched_version: None,
            matched_checksum: None,
        }
    }
}

/// Why no further step is taken.
pub(super) enum Stop<E> {
    /// A step has returned (`valid`, `detail`, `code`).
    Verdict(bool, &'static str, Code),
    /// Something could not be fetched.
    Failed(E),
}

impl<E> Stop<E> {
    /// Returns a verdict with `valid` false.
    pub(super) fn invalid(detail: &'static str, code: Code) -> Step<E> {
        Err(Stop::Verdict(false, detail, code))
    }
}

impl<E> From<E> for Stop<E> {
    fn from(error: E) -> Stop<E> {
        Stop::Failed(error)
    }
}

/// `Ok` when the next step is to be taken.
pub(super) type Step<E> = Result<(), Stop<E>>;

/// What the scopes lead to and later steps need.
#[derive(Default)]
pub(super) struct Findings {
    /// The user of `scope.user`.
    pub(super) user: Option<Uuid>,
    /// The machine whose processes count: of the `fingerprint(s)` scope, else of the `machine` scope.
    pub(super) machine: Option<Uuid>,
    /// The version to record.
    pub(super) version: Option<String>,
    /// The checksum to record.
    pub(super) checksum: Option<String>,
}
