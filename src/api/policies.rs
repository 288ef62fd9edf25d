//! Policies (07).

use super::context::{Ctx, Where};
use super::joins::{self, Join};
use super::resource::{Attr, Compare, Def, Draft, Filter, Kind, Link, Rel, Resource, Rule, Stance, attributes};
use super::route::{Route, delete, get, patch, post};
use super::validation::{Change, Validation};
use super::{crud, list, nested};
use crate::auth::{Bearer, Letters, letters::*};
use crate::http::error::Result;
use crate::json::Json;
use crate::model::{
    AuthenticationStrategy, Column as _, Entitlement, ExpirationBasis, ExpirationStrategy, HeartbeatBasis,
    HeartbeatCullStrategy, HeartbeatResurrectionStrategy, KeyScheme, License, MachineLeasingStrategy, MatchingStrategy,
    OverageStrategy, Policy, PolicyEntitlement, ProcessLeasingStrategy, Product, RenewalBasis, TransferStrategy,
    UniquenessStrategy,
};
use crate::store::Db;
use uuid::Uuid;

pub(super) const ROUTES: &[Route] = &[
    get("policies", list::index::<Policy>).can(&["policy.read"]).allow(STAFF.or(E).or(P).or(U).or(L)),
    post("policies", crud::create::<Policy>).can(&["policy.create"]).allow(A.or(D).or(S).or(E).or(P)),
    get("policies/{id}", crud::show::<Policy>).can(&["policy.read"]).allow(STAFF.or(E).or(P).or(U).or(L)),
    patch("policies/{id}", crud::update::<Policy>).can(&["policy.update"]).allow(A.or(D).or(S).or(E).or(P)),
    delete("policies/{id}", crud::destroy::<Policy>).can(&["policy.delete"]).allow(A.or(D).or(E).or(P)),
    get("policies/{id}/product", nested::one::<Policy, Product>).can(&["product.read"]).allow(STAFF.or(E).or(P)),
    get("policies/{id}/licenses", nested::index::<Policy, License>).can(&["license.read"]).allow(STAFF.or(E).or(P)),
    get("policies/{id}/licenses/{child+}", nested::show::<Policy, License>)
        .can(&["license.read"])
        .allow(STAFF.or(E).or(P)),
    get("policies/{id}/entitlements", nested::index::<Policy, Entitlement>)
        .can(&["entitlement.read"])
        .allow(STAFF.or(E).or(P)),
    get("policies/{id}/entitlements/{child}", nested::show::<Policy, Entitlement>)
        .can(&["entitlement.read"])
        .allow(STAFF.or(E).or(P)),
    post("policies/{id}/entitlements", joins::attach::<PolicyEntitlement>)
        .can(&["policy.entitlements.attach"])
        .allow(A.or(D).or(S).or(E).or(P)),
    delete("policies/{id}/entitlements", joins::detach::<PolicyEntitlement>)
        .can(&["policy.entitlements.detach"])
        .allow(A.or(D).or(S).or(E).or(P)),
];

const ATTRIBUTES: &[Attr<Policy>] = attributes![Policy:
    name "name" (Kind::String) .rules(&[Rule::Present, Rule::MaxLength(255)]);
    duration "duration" (Kind::Long) .nullable();
    strict "strict" (Kind::Boolean);
    floating "floating" (Kind::Boolean);
    use_pool "usePool" (Kind::Boolean) .update(NONE);
    max_machines "maxMachines" (Kind::Long) .nullable();
    max_processes "maxProcesses" (Kind::Long) .nullable();
    max_users "maxUsers" (Kind::Long) .nullable();
    max_cores "maxCores" (Kind::Long) .nullable();
    max_memory "maxMemory" (Kind::Long) .nullable() .rules(&[Rule::AtMost(i64::MAX)]);
    max_disk "maxDisk" (Kind::Long) .nullable() .rules(&[Rule::AtMost(i64::MAX)]);
    max_uses "maxUses" (Kind::Long) .nullable();
    machine_uniqueness_strategy "machineUniquenessStrategy" (Kind::Enum(UniquenessStrategy::NAMES))
        .rules(&[Rule::OneOf("unsupported machine uniqueness strategy")]);
    machine_matching_strategy "machineMatchingStrategy" (Kind::Enum(MatchingStrategy::NAMES))
        .rules(&[Rule::OneOf("unsupported machine matching strategy")]);
    component_uniqueness_strategy "componentUniquenessStrategy" (Kind::Enum(UniquenessStrategy::NAMES))
        .rules(&[Rule::OneOf("unsupported component uniqueness strategy")]);
    component_matching_strategy "componentMatchingStrategy" (Kind::Enum(MatchingStrategy::NAMES))
        .rules(&[Rule::OneOf("unsupported component matching strategy")]);
    expiration_strategy "expirationStrategy" (Kind::Enum(ExpirationStrategy::NAMES))
        .rules(&[Rule::OneOf("unsupported expiration strategy")]);
    expiration_basis "expirationBasis" (Kind::Enum(ExpirationBasis::NAMES))
        .rules(&[Rule::OneOf("unsupported expiration basis")]);
    renewal_basis "renewalBasis" (Kind::Enum(RenewalBasis::NAMES)) .rules(&[Rule::OneOf("unsupported renewal basis")]);
    transfer_strategy "transferStrategy" (Kind::Enum(TransferStrategy::NAMES))
        .rules(&[Rule::OneOf("unsupported transfer strategy")]);
    authentication_strategy "authenticationStrategy" (Kind::Enum(AuthenticationStrategy::NAMES))
        .rules(&[Rule::OneOf("unsupported authentication strategy")]);
    machine_leasing_strategy "machineLeasingStrategy" (Kind::Enum(MachineLeasingStrategy::NAMES))
        .rules(&[Rule::OneOf("unsupported machine leasing strategy")]);
    process_leasing_strategy "processLeasingStrategy" (Kind::Enum(ProcessLeasingStrategy::NAMES))
        .rules(&[Rule::OneOf("unsupported process leasing strategy")]);
    overage_strategy "overageStrategy" (Kind::Enum(OverageStrategy::NAMES))
        .rules(&[Rule::OneOf("unsupported overage strategy")]);
    scheme "scheme" (Kind::Enum(KeyScheme::NAMES)) .update(NONE);
    encrypted "encrypted" (Kind::Boolean) .update(NONE);
    protected "protected" (Kind::Boolean);
    require_product_scope "requireProductScope" (Kind::Boolean);
    require_policy_scope "requirePolicyScope" (Kind::Boolean);
    require_machine_scope "requireMachineScope" (Kind::Boolean);
    require_fingerprint_scope "requireFingerprintScope" (Kind::Boolean);
    require_components_scope "requireComponentsScope" (Kind::Boolean);
    require_user_scope "requireUserScope" (Kind::Boolean);
    require_checksum_scope "requireChecksumScope" (Kind::Boolean);
    require_version_scope "requireVersionScope" (Kind::Boolean);
    require_check_in "requireCheckIn" (Kind::Boolean);
    check_in_interval "checkInInterval" (Kind::String) .nullable();
    check_in_interval_count "checkInIntervalCount" (Kind::Integer) .nullable();
    heartbeat_duration "heartbeatDuration" (Kind::Long) .nullable();
    heartbeat_cull_strategy "heartbeatCullStrategy" (Kind::Enum(HeartbeatCullStrategy::NAMES))
        .rules(&[Rule::OneOf("unsupported heartbeat cull strategy")]);
    heartbeat_resurrection_strategy "heartbeatResurrectionStrategy" (Kind::Enum(HeartbeatResurrectionStrategy::NAMES))
        .rules(&[Rule::OneOf("unsupported heartbeat resurrection strategy")]);
    heartbeat_basis "heartbeatBasis" (Kind::Enum(HeartbeatBasis::NAMES))
        .rules(&[Rule::OneOf("unsupported heartbeat basis")]);
    require_heartbeat "requireHeartbeat" (Kind::Boolean);
    metadata "metadata" (Kind::Metadata);
];

/// 07 §2.9
const ORDER: &[&str] = &[
    "product",
    "environment",
    "name",
    "duration",
    "heartbeatDuration",
    "maxMachines",
    "maxCores",
    "maxMemory",
    "maxDisk",
    "maxUses",
    "checkInInterval",
    "checkInIntervalCount",
    "scheme",
    "machineUniquenessStrategy",
    "machineMatchingStrategy",
    "componentUniquenessStrategy",
    "componentMatchingStrategy",
    "expirationStrategy",
    "expirationBasis",
    "renewalBasis",
    "metadata",
    "authenticationStrategy",
    "heartbeatCullStrategy",
    "heartbeatResurrectionStrategy",
    "heartbeatBasis",
    "transferStrategy",
    "machineLeasingStrategy",
    "processLeasingStrategy",
    "maxProcesses",
    "maxUsers",
    "overageStrategy",
    "encrypted",
];

static DEF: Def<Policy> = Def {
    type_: "policies",
    types: &["policy", "policies"],
    name: "policy",
    role: "policy",
    path: "policies",
    event: "policy",
    code: "POLICY",
    alias: None,
    client_id: NONE,
    attributes: ATTRIBUTES,
    relationships: &[
        Rel::one("product", "product", "products", Link::Own, |policy: &Policy| Some(policy.product_id))
            .sent(ALL, &["product", "products"], "product_id")
            .required(),
        Rel::many("pool", "pool", "keys"),
        Rel::many("licenses", "licenses", "licenses"),
        Rel::many("entitlements", "entitlements", "entitlements"),
    ],
    filters: &[Filter { name: "product", compare: Compare::Id("policies.product_id") }],
    order: &[],
    bare: false,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

impl Resource for Policy {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        let mut policy = Policy::new(id, cx.account.id, environment, cx.now);
        policy.protected = cx.account.protected;
        policy.component_uniqueness_strategy = UniquenessStrategy::PerMachine;
        policy
    }

    /// Defaults that depend on other attributes (07 §2.2, §2.3, §2.6).
    fn prepare(draft: &mut Draft<Self>, _cx: &Ctx, _db: &Db<'_>) -> Result<()> {
        let basis_sent = draft.sent("heartbeat_basis");
        crate::model::policy_rules::apply_creation_defaults(&mut draft.record, basis_sent);
        Ok(())
    }

    fn parent_environment(&self, db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(db.get::<Product>(self.account_id, self.product_id)?.and_then(|product| product.environment_id))
    }

    /// 07 §1
    fn scope(cx: &Ctx, filter: &mut Where) {
        match &cx.subject.bearer {
            Bearer::Product(product) => filter.equals("policies.product_id", product.id),
            Bearer::License(bearer) => filter.equals("policies.id", bearer.license.policy_id),
            Bearer::Anonymous => filter.never(),
            bearer => {
                if let Some(user) = bearer.end_user() {
                    let sql =
                        format!("policies.id IN (SELECT policy_id FROM licenses WHERE {})", super::licenses::OF_USER);
                    filter.and(sql, [user.id.to_val(), user.id.to_val()]);
                }
            }
        }
    }

    fn letters(&self, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(match &cx.subject.bearer {
            Bearer::Product(product) if product.id != self.product_id => NONE,
            bearer => bearer.letters(),
        })
    }

    /// A license's list is its one policy or nothing (07 §1).
    fn stance_of_page(page: &[Self], cx: &Ctx) -> Stance {
        match &cx.subject.bearer {
            Bearer::License(_) if page.is_empty() => NONE.into(),
            bearer => bearer.letters().into(),
        }
    }

    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        let policy = change.record;
        if change.before.is_none() {
            let product: Option<Product> = change.must_exist(v, "product", Some(policy.product_id))?;
            if let Some(product) = product {
                change.compatible(v, "product", product.environment_id, false)?;
            }
        }
        change.attributes(v);
        // Machines are unique per license at the least; only components can be unique per machine (07 §2.7).
        if policy.machine_uniqueness_strategy == UniquenessStrategy::PerMachine {
            v.attribute("machineUniquenessStrategy", "NOT_ALLOWED", "unsupported machine uniqueness strategy");
        }
        let sent = |name: &str| change.params.at(&["data", "attributes", name]).is_some();
        let cull_sent = change.before.is_some() || sent("heartbeat_cull_strategy");
        let bad_scheme = change.bad.iter().any(|(name, _)| *name == "scheme");
        if bad_scheme && policy.encrypted {
            let detail = "unsupported encryption scheme (scheme must be LEGACY_ENCRYPT for legacy encrypted policies)";
            v.attribute("scheme", "NOT_ALLOWED", detail);
        } else if bad_scheme {
            v.attribute("scheme", "NOT_ALLOWED", "unsupported signing scheme");
        }
        if bad_scheme && policy.use_pool {
            v.attribute("scheme", "NOT_SUPPORTED", "cannot use a scheme and use a pool");
        }
        let refused = |name: &str| change.bad.iter().any(|(n, bad)| *n == name && *bad == super::resource::Bad::Name);
        for error in crate::model::policy_rules::check(policy, cull_sent) {
            // What the strategy's own rule refused already is not looked at again.
            if refused(error.attribute) {
                continue;
            }
            if let Some(attr) = DEF.attribute(error.attribute) {
                v.attribute(attr.json, error.suffix, error.detail);
            }
        }
        // Errors stand where their attribute's first one does (01 §10.1). The rules of pools come last, `encrypted` first
        // (07 §2.2): a scheme that only they refuse, because `encrypted` sets it, follows.
        let implied =
            policy.use_pool && policy.encrypted && policy.scheme == Some(KeyScheme::LegacyEncrypt) && !bad_scheme;
        let order: Vec<&str> = ORDER.iter().copied().filter(|name| !(implied && *name == "scheme")).collect();
        v.sort_by(&order);
        Ok(())
    }
}

impl nested::HasOne<Product> for Policy {
    fn related_id(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(Some(self.product_id))
    }
}

impl nested::Within<Policy> for License {
    const FILTERS: &'static [&'static str] = &["product", "user", "suspended"];

    fn within(parent: &Policy, filter: &mut Where) {
        filter.equals("licenses.policy_id", parent.id);
    }
}

impl nested::Within<Policy> for Entitlement {
    const BY_ID_ONLY: bool = true;

    fn within(parent: &Policy, filter: &mut Where) {
        let sql = "entitlements.id IN (SELECT entitlement_id FROM policy_entitlements WHERE policy_id = ?)";
        filter.and(sql, [parent.id.to_val()]);
    }
}

static ENTITLEMENT_DEF: Def<PolicyEntitlement> = Def {
    type_: "policy-entitlements",
    types: &[],
    name: "policy entitlement",
    role: "policy",
    path: "entitlements",
    event: "policy.entitlements",
    code: "POLICY_ENTITLEMENT",
    alias: None,
    client_id: NONE,
    attributes: &[],
    relationships: &[
        Rel::one("entitlement", "entitlement", "entitlements", Link::Target, |row| Some(row.entitlement_id)),
        Rel::one("policy", "policy", "policies", Link::Target, |row| Some(row.policy_id)),
    ],
    filters: &[],
    order: &[],
    bare: false,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

impl Resource for PolicyEntitlement {
    fn def() -> &'static Def<Self> {
        &ENTITLEMENT_DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        PolicyEntitlement::new(id, cx.account.id, environment, cx.now)
    }

    fn scope(_cx: &Ctx, _filter: &mut Where) {}

    fn letters(&self, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(cx.subject.bearer.letters())
    }

    fn links(&self, _path: String) -> Json {
        let path = format!(
            "/v1/accounts/{}/policies/{}/entitlements/{}",
            self.account_id, self.policy_id, self.entitlement_id
        );
        Json::obj([("related", Json::str(path))])
    }
}

impl Join for PolicyEntitlement {
    type Parent = Policy;
    type Target = Entitlement;
    const TARGET: &'static str = "entitlement";
    const PARENT_COLUMN: &'static str = "policy_id";
    const TARGET_COLUMN: &'static str = "entitlement_id";
    const EVENT: &'static str = "policy.entitlements";

    fn new_row(id: Uuid, parent: &Policy, target: Uuid, environment: Option<Uuid>, cx: &Ctx) -> Self {
        let mut row = Self::fresh(cx, id, environment);
        row.policy_id = parent.id;
        row.entitlement_id = target;
        row
    }

    fn log_metadata(db: &Db<'_>, targets: &[Uuid]) -> Result<Option<Json>> {
        entitlement_codes(db, targets)
    }
}

/// `{"codes": […]}` of the event log (13 §1.2).
pub(super) fn entitlement_codes(db: &Db<'_>, ids: &[Uuid]) -> Result<Option<Json>> {
    let mut codes = Vec::new();
    for id in ids {
        let sql = "SELECT code FROM entitlements WHERE id = ?";
        if let Some(code) = db.query_one(sql, &[id.to_val()], |row| row.get::<String>(0))? {
            codes.push(Json::from(code));
        }
    }
    Ok(Some(Json::obj([("codes", Json::Arr(codes))])))
}
