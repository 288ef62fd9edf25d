//! The records of the database, one declaration each. Column = attribute in snake_case; times end in `_at`, references in `_id`.
//! The declarations are the twin of `schema.sql`; a test compares the two.

use super::column::{Metadata, Strings, entity, wire_enum};
use super::permissions::{PermissionSet, Role};
use super::time::Time;
use uuid::Uuid;

wire_enum! {
    /// How an environment sees global records (05 §5.2).
    IsolationStrategy { Isolated = "ISOLATED", Shared = "SHARED" }
}
wire_enum! {
    /// Who may get a product's releases (06 §1.2).
    DistributionStrategy { Licensed = "LICENSED", Open = "OPEN", Closed = "CLOSED" }
}
wire_enum! {
    /// Scope in which a fingerprint must be unique (07 §2.7), from narrow to wide.
    UniquenessStrategy {
        PerLicense = "UNIQUE_PER_LICENSE",
        PerMachine = "UNIQUE_PER_MACHINE",
        PerPolicy = "UNIQUE_PER_POLICY",
        PerProduct = "UNIQUE_PER_PRODUCT",
        PerAccount = "UNIQUE_PER_ACCOUNT",
    }
}
wire_enum! {
    /// How many of several fingerprints must match (07 §2.7).
    MatchingStrategy { Any = "MATCH_ANY", Two = "MATCH_TWO", Most = "MATCH_MOST", All = "MATCH_ALL" }
}
wire_enum! {
    /// What an expired license may still do (07 §2.7).
    ExpirationStrategy {
        RestrictAccess = "RESTRICT_ACCESS",
        RevokeAccess = "REVOKE_ACCESS",
        MaintainAccess = "MAINTAIN_ACCESS",
        AllowAccess = "ALLOW_ACCESS",
    }
}
wire_enum! {
    /// From when a license's duration counts (07 §2.7).
    ExpirationBasis {
        FromCreation = "FROM_CREATION",
        FromFirstValidation = "FROM_FIRST_VALIDATION",
        FromFirstActivation = "FROM_FIRST_ACTIVATION",
        FromFirstDownload = "FROM_FIRST_DOWNLOAD",
        FromFirstUse = "FROM_FIRST_USE",
    }
}
wire_enum! {
    /// From when a renewal counts (07 §2.7).
    RenewalBasis { FromExpiry = "FROM_EXPIRY", FromNow = "FROM_NOW", FromNowIfExpired = "FROM_NOW_IF_EXPIRED" }
}
wire_enum! {
    /// What a move to another policy does to the expiry (07 §2.7).
    TransferStrategy { KeepExpiry = "KEEP_EXPIRY", ResetExpiry = "RESET_EXPIRY" }
}
wire_enum! {
    /// Which credentials of a license are accepted (03 §4).
    AuthenticationStrategy { Token = "TOKEN", License = "LICENSE", Session = "SESSION", Mixed = "MIXED", None = "NONE" }
}
wire_enum! {
    /// What machine limits count (07 §2.7).
    MachineLeasingStrategy { PerLicense = "PER_LICENSE", PerUser = "PER_USER" }
}
wire_enum! {
    /// What process limits count (07 §2.7).
    ProcessLeasingStrategy { PerMachine = "PER_MACHINE", PerLicense = "PER_LICENSE", PerUser = "PER_USER" }
}
wire_enum! {
    /// How far limits may be exceeded (07 §2.7).
    OverageStrategy {
        NoOverage = "NO_OVERAGE",
        AlwaysAllow = "ALWAYS_ALLOW_OVERAGE",
        Allow125 = "ALLOW_1_25X_OVERAGE",
        Allow150 = "ALLOW_1_5X_OVERAGE",
        Allow200 = "ALLOW_2X_OVERAGE",
    }
}
wire_enum! {
    /// How license keys are made (07 §2.2, 02 §5).
    KeyScheme {
        LegacyEncrypt = "LEGACY_ENCRYPT",
        RsaEncrypt = "RSA_2048_PKCS1_ENCRYPT",
        RsaSign = "RSA_2048_PKCS1_SIGN",
        RsaPssSign = "RSA_2048_PKCS1_PSS_SIGN",
        RsaJwt = "RSA_2048_JWT_RS256",
        RsaSignV2 = "RSA_2048_PKCS1_SIGN_V2",
        RsaPssSignV2 = "RSA_2048_PKCS1_PSS_SIGN_V2",
        Ed25519Sign = "ED25519_SIGN",
        EcdsaP256Sign = "ECDSA_P256_SIGN",
    }
}
wire_enum! {
    /// Unit of the check-in interval (07 §2.5).
    CheckInInterval { Day = "day", Week = "week", Month = "month", Year = "year" }
}
wire_enum! {
    /// What happens to dead machines (07 §2.6).
    HeartbeatCullStrategy { DeactivateDead = "DEACTIVATE_DEAD", KeepDead = "KEEP_DEAD" }
}
wire_enum! {
    /// How long a dead machine may come back (07 §2.6).
    HeartbeatResurrectionStrategy {
        NoRevive = "NO_REVIVE",
        OneMinute = "1_MINUTE_REVIVE",
        TwoMinutes = "2_MINUTE_REVIVE",
        FiveMinutes = "5_MINUTE_REVIVE",
        TenMinutes = "10_MINUTE_REVIVE",
        FifteenMinutes = "15_MINUTE_REVIVE",
        Always = "ALWAYS_REVIVE",
    }
}
wire_enum! {
    /// From when heartbeats are expected (07 §2.6).
    HeartbeatBasis { FromFirstPing = "FROM_FIRST_PING", FromCreation = "FROM_CREATION" }
}
wire_enum! {
    /// The kinds of records that can act (03 §7), as stored beside an id.
    BearerType { User = "users", Product = "products", License = "licenses", Environment = "environments" }
}

entity! {
    /// A tenant (05 §1). `account_id` is its own id.
    Account, "accounts", unbound, {
        name: Option<String>,
        slug: String,
        api_version: String,
        protected: bool,
    }
}
entity! {
    /// The secret material of an account (02 §2), apart from the account so that it is read only where it is needed.
    /// `id` is the account's. The four texts are sealed when a master key is configured.
    AccountKeyMaterial, "account_keys", unbound, {
        secret_key: String,
        ed25519_private_key: String,
        rsa2048_private_key: String,
        ecdsa_private_key: String,
    }
}
entity! {
    /// A setting of an account (05 §2). `value` is JSON.
    Setting, "account_settings", unbound, {
        key: String,
        value: String,
    }
}
entity! {
    /// An environment (05 §3).
    Environment, "environments", unbound, {
        name: String,
        code: String,
        isolation_strategy: IsolationStrategy,
    }
}
entity! {
    /// A group of users, licenses and machines (06 §3).
    Group, "groups", {
        name: String,
        max_users: Option<i64>,
        max_licenses: Option<i64>,
        max_machines: Option<i64>,
        metadata: Metadata,
    }
}
entity! {
    /// A person (04).
    User, "users", {
        group_id: Option<Uuid>,
        first_name: Option<String>,
        last_name: Option<String>,
        email: String,
        password_digest: Option<String>,
        role: Role,
        permissions: PermissionSet,
        metadata: Metadata,
        banned_at: Option<Time>,
        password_reset_digest: Option<String>,
        password_reset_at: Option<Time>,
    }
}
entity! {
    /// A user's second factor (03 §13). `last_step_at`: start of the time step whose code was last accepted.
    SecondFactor, "second_factors", {
        user_id: Uuid,
        secret: String,
        enabled: bool,
        last_step_at: Option<Time>,
    }
}
entity! {
    /// A user that owns a group (06 §3.4).
    GroupOwner, "group_owners", { group_id: Uuid, user_id: Uuid }
}
entity! {
    /// A product (06 §1).
    Product, "products", {
        name: String,
        code: Option<String>,
        distribution_strategy: Option<DistributionStrategy>,
        url: Option<String>,
        platforms: Option<Strings>,
        permissions: PermissionSet,
        metadata: Metadata,
    }
}
entity! {
    /// A named feature (06 §2).
    Entitlement, "entitlements", {
        name: String,
        code: String,
        metadata: Metadata,
    }
}
entity! {
    /// The rules that licenses obey (07 §2).
    Policy, "policies", {
        product_id: Uuid,
        name: String,
        duration: Option<i64>,
        strict: bool,
        floating: bool,
        protected: bool,
        use_pool: bool,
        scheme: Option<KeyScheme>,
        encrypted: bool,
        max_machines: Option<i64>,
        max_processes: Option<i64>,
        max_users: Option<i64>,
        max_cores: Option<i64>,
        max_memory: Option<i64>,
        max_disk: Option<i64>,
        max_uses: Option<i64>,
        machine_uniqueness_strategy: UniquenessStrategy,
        machine_matching_strategy: MatchingStrategy,
        component_uniqueness_strategy: UniquenessStrategy,
        component_matching_strategy: MatchingStrategy,
        expiration_strategy: ExpirationStrategy,
        expiration_basis: ExpirationBasis,
        renewal_basis: RenewalBasis,
        transfer_strategy: TransferStrategy,
        authentication_strategy: AuthenticationStrategy,
        machine_leasing_strategy: MachineLeasingStrategy,
        process_leasing_strategy: ProcessLeasingStrategy,
        overage_strategy: OverageStrategy,
        require_product_scope: bool,
        require_policy_scope: bool,
        require_machine_scope: bool,
        require_fingerprint_scope: bool,
        require_components_scope: bool,
        require_user_scope: bool,
        require_checksum_scope: bool,
        require_version_scope: bool,
        require_check_in: bool,
        check_in_interval: Option<String>,
        check_in_interval_count: Option<i64>,
        require_heartbeat: bool,
        heartbeat_duration: Option<i64>,
        heartbeat_cull_strategy: HeartbeatCullStrategy,
        heartbeat_resurrection_strategy: HeartbeatResurrectionStrategy,
        heartbeat_basis: HeartbeatBasis,
        metadata: Metadata,
    }
}
entity! {
    /// A key of a policy's pool (07 §8).
    Key, "keys", {
        policy_id: Uuid,
        product_id: Uuid,
        key: String,
    }
}
entity! {
    /// A license (08). The `max_*` columns are overrides of the policy's limits; `*_count` and the sums are counters kept
    /// by every write to machines and license users.
    License, "licenses", {
        product_id: Uuid,
        policy_id: Uuid,
        owner_id: Option<Uuid>,
        group_id: Option<Uuid>,
        name: Option<String>,
        key: String,
        expires_at: Option<Time>,
        suspended: bool,
        protected: Option<bool>,
        uses: i64,
        max_machines: Option<i64>,
        max_processes: Option<i64>,
        max_users: Option<i64>,
        max_cores: Option<i64>,
        max_memory: Option<i64>,
        max_disk: Option<i64>,
        max_uses: Option<i64>,
        permissions: PermissionSet,
        metadata: Metadata,
        last_validated_at: Option<Time>,
        last_validated_version: Option<String>,
        last_validated_checksum: Option<String>,
        last_check_in_at: Option<Time>,
        last_check_out_at: Option<Time>,
        last_expired_event_at: Option<Time>,
        last_expiring_soon_event_at: Option<Time>,
        last_check_in_overdue_event_at: Option<Time>,
        last_check_in_soon_event_at: Option<Time>,
        machines_count: i64,
        machines_cores: i64,
        machines_memory: i64,
        machines_disk: i64,
        users_count: i64,
    }
}
entity! {
    /// A user attached to a license (08 §9.5).
    LicenseUser, "license_users", { license_id: Uuid, user_id: Uuid }
}
entity! {
    /// An entitlement attached to a license (08 §9.6).
    LicenseEntitlement, "license_entitlements", { license_id: Uuid, entitlement_id: Uuid }
}
entity! {
    /// An entitlement attached to a policy (07 §6).
    PolicyEntitlement, "policy_entitlements", { policy_id: Uuid, entitlement_id: Uuid }
}
entity! {
    /// An activated machine (10 §1). `policy_id` and `product_id` repeat its license's.
    Machine, "machines", {
        product_id: Uuid,
        policy_id: Uuid,
        license_id: Uuid,
        owner_id: Option<Uuid>,
        group_id: Option<Uuid>,
        fingerprint: String,
        name: Option<String>,
        ip: Option<String>,
        hostname: Option<String>,
        platform: Option<String>,
        cores: Option<i64>,
        memory: Option<i64>,
        disk: Option<i64>,
        metadata: Metadata,
        last_heartbeat_at: Option<Time>,
        last_death_event_at: Option<Time>,
        last_check_out_at: Option<Time>,
    }
}
entity! {
    /// A component of a machine (10 §2).
    Component, "machine_components", {
        product_id: Uuid,
        policy_id: Uuid,
        license_id: Uuid,
        machine_id: Uuid,
        fingerprint: String,
        name: String,
        metadata: Metadata,
    }
}
entity! {
    /// A process of a machine (10 §3).
    Process, "machine_processes", {
        product_id: Uuid,
        policy_id: Uuid,
        license_id: Uuid,
        machine_id: Uuid,
        pid: String,
        metadata: Metadata,
        last_heartbeat_at: Time,
        last_death_event_at: Option<Time>,
    }
}
entity! {
    /// An API token (03 §10). Only its digest is stored.
    Token, "tokens", {
        bearer_type: BearerType,
        bearer_id: Uuid,
        name: Option<String>,
        digest: String,
        expires_at: Option<Time>,
        permissions: PermissionSet,
        max_activations: Option<i64>,
        activations: i64,
        max_deactivations: Option<i64>,
        deactivations: i64,
    }
}
entity! {
    /// One emitted event (13 §1, §5.3): the row that is written with the change itself.
    EventLog, "event_logs", {
        event: String,
        resource_type: Option<String>,
        resource_id: Option<Uuid>,
        whodunnit_type: Option<BearerType>,
        whodunnit_id: Option<Uuid>,
        request_log_id: Option<Uuid>,
        idempotency_token: String,
        metadata: Option<String>,
    }
}
