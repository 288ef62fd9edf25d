//! Licenses (08): the resource and its routes. Creation and keys: [`create`]; actions: [`actions`]; validation: [`validate`].

mod actions;
mod create;
mod validate;

use super::context::{Ctx, Where};
use super::joins::{self, Join};
use super::rate_limits::Limiter;
use super::render::View;
use super::resource::{Attr, Compare, Def, Draft, Filter, Kind, Link, Rel, Resource, Rule, attributes};
use super::route::{Auth, Route, delete, get, patch, post};
use super::validation::{Change, Validation};
use super::{check_out, crud, groups, list, nested, relate, tokens};
use crate::auth::{Bearer, Letters, letters::*, license_permissions};
use crate::http::error::Result;
use crate::http::query::QueryValue;
use crate::json::Json;
use crate::model::limits::MachineCounts;
use crate::model::{
    Column as _, ColumnError, Entitlement, Group, KeyScheme, License, LicenseEntitlement, Machine, PermissionSet,
    Policy, Product, Role, Token, User, Val, license_status, limits,
};
use crate::store::{Db, StoreError};
use uuid::Uuid;

const READERS: Letters = STAFF.or(E).or(P).or(USERS).or(L);

pub(super) const ROUTES: &[Route] = &[
    get("licenses", list::index::<License>).can(&["license.read"]).allow(STAFF.or(E).or(P).or(USERS)),
    post("licenses", create::create).can(&["license.create"]).allow(A.or(D).or(S).or(E).or(P).or(U)),
    post("licenses/actions/validate-key", validate::by_key)
        .can(&["license.validate"])
        .allow(READERS.or(X))
        .auth(Auth::Optional)
        .limit(Limiter::LicenseKey)
        .lax(),
    get("licenses/{id+}", crud::show::<License>).can(&["license.read"]).allow(READERS),
    patch("licenses/{id+}", crud::update::<License>).can(&["license.update"]).allow(A.or(D).or(S).or(SU).or(E).or(P)),
    delete("licenses/{id+}", crud::destroy::<License>)
        .can(&["license.delete"])
        .allow(A.or(D).or(S).or(E).or(P).or(UO_POLICY_NP)),
    delete("licenses/{id+}/actions/revoke", actions::revoke)
        .can(&["license.revoke"])
        .allow(A.or(D).or(S).or(E).or(P).or(UO_POLICY_NP)),
    post("licenses/{id+}/actions/renew", actions::renew)
        .can(&["license.renew"])
        .allow(A.or(D).or(S).or(E).or(P).or(UO_POLICY_NP)),
    post("licenses/{id+}/actions/suspend", actions::suspend)
        .can(&["license.suspend"])
        .allow(A.or(D).or(S).or(SU).or(E).or(P)),
    post("licenses/{id+}/actions/reinstate", actions::reinstate)
        .can(&["license.reinstate"])
        .allow(A.or(D).or(S).or(SU).or(E).or(P)),
    get("licenses/{id+}/actions/validate", validate::quick).can(&["license.validate"]).allow(READERS),
    post("licenses/{id+}/actions/validate", validate::by_id).can(&["license.validate"]).allow(READERS).lax(),
    get("licenses/{id+}/actions/check-out", check_out::license_file)
        .can(&["license.check-out"])
        .allow(CHECK_OUT)
        .strict(),
    post("licenses/{id+}/actions/check-out", check_out::license_document).can(&["license.check-out"]).allow(CHECK_OUT),
    get("licenses/{id+}/product", nested::one::<License, Product>).can(&["product.read"]).allow(READERS),
    get("licenses/{id+}/policy", nested::one::<License, Policy>).can(&["policy.read"]).allow(READERS),
    get("licenses/{id+}/group", nested::one::<License, Group>).can(&["group.read"]).allow(READERS),
    patch("licenses/{id+}/group", relate::put::<License, Group>).can(&["license.group.update"]).allow(CREATORS),
    get("licenses/{id+}/machines", nested::index::<License, Machine>).can(&["machine.read"]).allow(READERS),
    get("licenses/{id+}/machines/{child+}", nested::show::<License, Machine>).can(&["machine.read"]).allow(READERS),
    get("licenses/{id+}/entitlements", nested::index::<License, Entitlement>).can(&["entitlement.read"]).allow(READERS),
    get("licenses/{id+}/entitlements/{child}", nested::show::<License, Entitlement>)
        .can(&["entitlement.read"])
        .allow(READERS),
    post("licenses/{id+}/entitlements", joins::attach::<LicenseEntitlement>)
        .can(&["license.entitlements.attach"])
        .allow(A.or(D).or(S).or(E).or(P)),
    delete("licenses/{id+}/entitlements", joins::detach::<LicenseEntitlement>)
        .can(&["license.entitlements.detach"])
        .allow(A.or(D).or(S).or(E).or(P)),
    get("licenses/{id+}/tokens", nested::index::<License, Token>).can(&["token.read"]).allow(STAFF.or(E).or(P)),
    get("licenses/{id+}/tokens/{child}", nested::show::<License, Token>).can(&["token.read"]).allow(STAFF.or(E).or(P)),
    post("licenses/{id+}/tokens", tokens::generate_for::<License>)
        .can(&["license.tokens.generate"])
        .allow(A.or(D).or(S).or(E).or(P)),
];

const CHECK_OUT: Letters = A.or(D).or(S).or(SU).or(E).or(P).or(L).or(UO_NP).or(UA_NP);

/// SQL that leaves the licenses that a user owns or is attached to; two arguments, the user's id.
pub(super) const OF_USER: &str =
    "(licenses.owner_id = ? OR licenses.id IN (SELECT license_id FROM license_users WHERE user_id = ?))";

/// Who may send what only staff-like bearers may (08 §2.2).
const CREATORS: Letters = A.or(D).or(S).or(E).or(P);

/// 32-bit limits; a zero override is no override (08 §2.2).
const FROM_ZERO: &[Rule] = &[Rule::UnlessZero, Rule::AtLeast(0), Rule::AtMost(i32::MAX as i64)];
const FROM_ONE: &[Rule] = &[Rule::UnlessZero, Rule::AtLeast(1), Rule::AtMost(i32::MAX as i64)];
const BYTES: &[Rule] = &[Rule::UnlessZero, Rule::AtLeast(1), Rule::AtMost(i64::MAX)];

const ATTRIBUTES: &[Attr<License>] = attributes![License:
    name "name" (Kind::String) .nullable() .blank() .rules(&[Rule::MaxLength(1024)]);
    key "key" (Kind::String) show |license: &License, view| {
        let policy = view.policy(license.policy_id)?;
        Ok((!is_legacy(&policy)).then(|| license.key.to_json()))
    }; .update(NONE);
    expiry "expiry" (Kind::Time) show |license: &License, _| Ok(Some(license.expires_at.to_json()));
        .nullable() .column("expires_at") .create(CREATORS);
    status "status" (Kind::Derived) show |license: &License, view| {
        let banned = view.user(license.owner_id)?.is_some_and(|owner| owner.banned_at.is_some());
        Ok(Some(license_status::status(license, banned, view.now).to_json()))
    };;
    uses "uses" (Kind::Derived) show |license: &License, _| Ok(Some(license.uses.to_json()));;
    suspended "suspended" (Kind::Boolean) .create(CREATORS);
    scheme "scheme" (Kind::Derived) show |license: &License, view| of_policy(license, view, |p| p.scheme.to_json());;
    encrypted "encrypted" (Kind::Derived) show |license: &License, view| of_policy(license, view, |p| p.encrypted.to_json());;
    strict "strict" (Kind::Derived) show |license: &License, view| of_policy(license, view, |p| p.strict.to_json());;
    floating "floating" (Kind::Derived) show |license: &License, view| of_policy(license, view, |p| p.floating.to_json());;
    protected "protected" (Kind::Boolean) show |license: &License, view| {
        of_policy(license, view, |policy| license_status::protected(license, policy).to_json())
    }; .create(CREATORS);
    version "version" (Kind::Derived) show |license: &License, _| Ok(Some(license.last_validated_version.to_json()));;
    max_machines "maxMachines" (Kind::Long) show |license: &License, view| limit(license.max_machines, license, view, |p| p.max_machines);
        .nullable() .rules(FROM_ZERO) .create(CREATORS);
    max_processes "maxProcesses" (Kind::Long) show |license: &License, view| limit(license.max_processes, license, view, |p| p.max_processes);
        .nullable() .rules(FROM_ZERO) .create(CREATORS);
    max_users "maxUsers" (Kind::Long) show |license: &License, view| limit(license.max_users, license, view, |p| p.max_users);
        .nullable() .rules(FROM_ZERO) .create(CREATORS);
    max_cores "maxCores" (Kind::Long) show |license: &License, view| limit(license.max_cores, license, view, |p| p.max_cores);
        .nullable() .rules(FROM_ONE) .create(CREATORS);
    max_memory "maxMemory" (Kind::Long) show |license: &License, view| limit(license.max_memory, license, view, |p| p.max_memory);
        .nullable() .rules(BYTES) .create(CREATORS);
    max_disk "maxDisk" (Kind::Long) show |license: &License, view| limit(license.max_disk, license, view, |p| p.max_disk);
        .nullable() .rules(BYTES) .create(CREATORS);
    max_uses "maxUses" (Kind::Long) show |license: &License, view| limit(license.max_uses, license, view, |p| p.max_uses);
        .nullable() .rules(FROM_ZERO) .create(CREATORS);
    require_heartbeat "requireHeartbeat" (Kind::Derived) show |license: &License, view| of_policy(license, view, |p| p.require_heartbeat.to_json());;
    require_check_in "requireCheckIn" (Kind::Derived) show |license: &License, view| of_policy(license, view, |p| p.require_check_in.to_json());;
    last_validated "lastValidated" (Kind::Derived) show |license: &License, _| Ok(Some(license.last_validated_at.to_json()));;
    last_check_in "lastCheckIn" (Kind::Derived) show |license: &License, _| Ok(Some(license.last_check_in_at.to_json()));;
    next_check_in "nextCheckIn" (Kind::Derived) show |license: &License, view| {
        of_policy(license, view, |policy| license_status::next_check_in(license, policy).to_json())
    };;
    last_check_out "lastCheckOut" (Kind::Derived) show |license: &License, _| Ok(Some(license.last_check_out_at.to_json()));;
    permissions "permissions" (Kind::Permissions) show |license: &License, view| {
        Ok(Some(license_permissions(license, view.user(license.owner_id)?.as_deref()).to_json()))
    }; .create(A.or(D).or(E).or(P)) .update(A.or(D).or(E).or(P));
    metadata "metadata" (Kind::Metadata);
];

fn of_policy(license: &License, view: &View<'_>, get: impl Fn(&Policy) -> Json) -> Result<Option<Json>> {
    Ok(Some(get(&*view.policy(license.policy_id)?)))
}

fn limit(
    own: Option<i64>,
    license: &License,
    view: &View<'_>,
    policy: fn(&Policy) -> Option<i64>,
) -> Result<Option<Json>> {
    let policy = policy(&*view.policy(license.policy_id)?);
    Ok(Some(limits::effective(own, policy).to_json()))
}

/// Only the digest of the key is known (08 §2).
pub(super) fn is_legacy(policy: &Policy) -> bool {
    policy.encrypted && policy.scheme == Some(KeyScheme::LegacyEncrypt)
}

static DEF: Def<License> = Def {
    type_: "licenses",
    types: &["license", "licenses"],
    name: "license",
    role: "license",
    path: "licenses",
    event: "license",
    code: "LICENSE",
    alias: Some("key"),
    client_id: CREATORS,
    attributes: ATTRIBUTES,
    relationships: &[
        Rel::one("product", "product", "products", Link::Own, |license: &License| Some(license.product_id)),
        Rel::one("policy", "policy", "policies", Link::Own, |license: &License| Some(license.policy_id))
            .sent(ALL, &["policy", "policies"], "policy_id")
            .required(),
        Rel::one("group", "group", "groups", Link::Own, |license: &License| license.group_id)
            .sent(CREATORS.or(SU), &["group", "groups"], "group_id")
            .nullable(),
        Rel::one("owner", "owner", "users", Link::Own, |license: &License| license.owner_id)
            .sent(ALL, &["user", "users"], "owner_id")
            .nullable(),
        Rel::many("users", "users", "users").members(members_users).meta(|license: &License| {
            Json::obj([("count", Json::Int(license.users_count + i64::from(license.owner_id.is_some())))])
        }),
        Rel::many("machines", "machines", "machines").meta(|license: &License| {
            Json::obj([
                ("cores", Json::Int(license.machines_cores)),
                ("memory", Json::Int(license.machines_memory)),
                ("disk", Json::Int(license.machines_disk)),
                ("count", Json::Int(license.machines_count)),
            ])
        }),
        Rel::many("tokens", "tokens", "tokens"),
        Rel::many("entitlements", "entitlements", "entitlements").members(members_entitlements),
    ],
    filters: &[
        Filter { name: "product", compare: Compare::Id("licenses.product_id") },
        Filter { name: "policy", compare: Compare::Id("licenses.policy_id") },
        Filter { name: "group", compare: Compare::Id("licenses.group_id") },
        Filter {
            name: "machine",
            compare: Compare::IdSql("licenses.id IN (SELECT license_id FROM machines WHERE machines.id = ?)"),
        },
        Filter { name: "owner", compare: Compare::With(filter_by_owner) },
        Filter { name: "user", compare: Compare::With(filter_by_user) },
        Filter { name: "suspended", compare: Compare::Flag("licenses.suspended") },
    ],
    order: &[],
    bare: true,
    more: create::more_relationships,
    schemas: super::resource::Schemas::new(),
};

/// 08 §3.1: emails in any case.
fn filter_by_owner(cx: &Ctx, value: &QueryValue, filter: &mut Where) {
    by_user(cx, value, filter, |email| email.to_lowercase(), "licenses.owner_id = {user}");
}

/// 08 §3.1: a user's own scope stands in for it.
fn filter_by_user(cx: &Ctx, value: &QueryValue, filter: &mut Where) {
    if cx.subject.bearer.end_user().is_none() {
        by_user(cx, value, filter, |email| email.to_lowercase(), &format!("licenses.id IN ({OF_NAMED_USER})"));
    }
}

/// SQL that selects the licenses that the user of a filter owns or is attached to.
pub(super) const OF_NAMED_USER: &str = "SELECT id FROM licenses WHERE owner_id = {user}
     UNION SELECT license_id FROM license_users WHERE user_id = {user}";

/// A filter that names a user by id or by email (`fold` makes the stored form of what was sent); `{user}` in `sql` is the id.
pub(super) fn by_user(cx: &Ctx, value: &QueryValue, filter: &mut Where, fold: fn(&str) -> String, sql: &str) {
    let Some(text) = value.as_str().filter(|text| !text.trim().is_empty()) else { return };
    let (user, args) = match crate::model::coerce::uuid_from_text(text) {
        Some(id) => ("?", vec![id.to_val()]),
        None => {
            let args = vec![cx.account.id.to_val(), Val::Text(fold(text))];
            ("(SELECT users.id FROM users WHERE users.account_id = ? AND users.email = ?)", args)
        }
    };
    let args = sql.matches("{user}").flat_map(|_| args.clone());
    filter.and(sql.replace("{user}", user), args);
}

fn members_users(license: &License, view: &View<'_>) -> Result<Vec<Uuid>> {
    let sql = "SELECT user_id FROM license_users WHERE license_id = ? ORDER BY created_at, id";
    let mut ids: Vec<Uuid> = license.owner_id.into_iter().collect();
    ids.extend(view.db.query(sql, &[license.id.to_val()], |row| row.get::<Uuid>(0))?);
    Ok(ids)
}

fn members_entitlements(license: &License, view: &View<'_>) -> Result<Vec<Uuid>> {
    let mut filter = Where::default();
    <Entitlement as nested::Within<License>>::within(license, &mut filter);
    let sql = format!(
        "SELECT entitlements.id FROM entitlements {} ORDER BY entitlements.created_at, entitlements.id",
        filter.sql()
    );
    Ok(view.db.query(&sql, filter.args(), |row| row.get::<Uuid>(0))?)
}

/// Adds the conditions that leave what hangs on licenses that the bearer may see (08 §3.2): `license` and `product` are
/// the columns that hold the ids of license and product.
pub(super) fn scope_by_license(cx: &Ctx, filter: &mut Where, license: &str, product: &str) {
    match &cx.subject.bearer {
        Bearer::Product(bearer) => filter.equals(product, bearer.id),
        Bearer::License(bearer) => filter.equals(license, bearer.license.id),
        Bearer::Anonymous => filter.never(),
        bearer => {
            if let Some(user) = bearer.end_user() {
                let sql = format!(
                    "{license} IN (SELECT id FROM licenses WHERE owner_id = ?
                     UNION SELECT license_id FROM license_users WHERE user_id = ?)"
                );
                filter.and(sql, [user.id.to_val(), user.id.to_val()]);
            }
        }
    }
}

/// Number and sums of a license's machines: of all, or of those with this owner (or without one); all but `except`. Sums
/// saturate: the engine's own would fail beyond 64 bits.
pub(super) fn sums(
    db: &Db<'_>,
    license: Uuid,
    owner: Option<Option<Uuid>>,
    except: Option<Uuid>,
) -> std::result::Result<MachineCounts, StoreError> {
    let mut filter = Where::default();
    filter.equals("license_id", license);
    match owner {
        Some(Some(owner)) => filter.equals("owner_id", owner),
        Some(None) => filter.and("owner_id IS NULL", []),
        None => {}
    }
    if let Some(except) = except {
        filter.and("id <> ?", [except.to_val()]);
    }
    // High and low halves, so that no partial sum overflows.
    let halves =
        |column: &str| format!("coalesce(sum({column} / 4294967296), 0), coalesce(sum({column} % 4294967296), 0)");
    let columns = ["cores", "memory", "disk"].map(halves).join(", ");
    let counts =
        db.query_one(&format!("SELECT count(*), {columns} FROM machines {}", filter.sql()), filter.args(), |row| {
            let sum = |at: usize| -> std::result::Result<i64, ColumnError> {
                let (high, low): (i64, i64) = (row.get(at)?, row.get(at + 1)?);
                Ok(i64::try_from(i128::from(high) * 4_294_967_296 + i128::from(low)).unwrap_or(i64::MAX))
            };
            Ok(MachineCounts { machines: row.get(0)?, cores: sum(1)?, memory: sum(3)?, disk: sum(5)? })
        })?;
    Ok(counts.unwrap_or_default())
}

/// Counts machines and attached users of these licenses anew, after some went with another record.
pub(super) fn recount(db: &Db<'_>, licenses: &[Uuid]) -> Result<()> {
    for id in licenses {
        let counts = sums(db, *id, None, None)?;
        let users = db.count("license_users WHERE license_id = ?", &[id.to_val()])?;
        let args = [counts.machines, counts.cores, counts.memory, counts.disk, users];
        let mut args: Vec<_> = args.iter().map(|n| n.to_val()).collect();
        args.push(id.to_val());
        let sql = "UPDATE licenses SET machines_count = ?, machines_cores = ?, machines_memory = ?, machines_disk = ?,
             users_count = ? WHERE id = ?";
        db.execute(sql, &args)?;
    }
    Ok(())
}

/// What the bearer is to a license, and to a machine of it with that owner (08 §0, 10 §0).
pub(super) fn relation(cx: &Ctx, db: &Db<'_>, license: &License, machine_owner: Option<Uuid>) -> Result<Letters> {
    let bearer = &cx.subject.bearer;
    let policy = |db: &Db<'_>| -> Result<Policy> {
        db.get(license.account_id, license.policy_id)?.ok_or_else(|| Ctx::broken("a license without its policy"))
    };
    Ok(match bearer {
        Bearer::Product(product) => {
            if product.id == license.product_id {
                P
            } else {
                NONE
            }
        }
        Bearer::License(bearer) if bearer.license.id == license.id => {
            let protected = license_status::protected(license, &bearer.policy);
            if protected { L } else { L | L_NP }
        }
        Bearer::License(_) => NONE,
        Bearer::User(user) if user.role == Role::User => {
            let owns = license.owner_id == Some(user.id);
            let args = [license.id.to_val(), user.id.to_val()];
            let attached = !owns && db.exists("license_users WHERE license_id = ? AND user_id = ?", &args)?;
            if !owns && !attached {
                return Ok(NONE);
            }
            let policy = policy(db)?;
            let free = !license_status::protected(license, &policy);
            let mut letters = U;
            if owns {
                letters = letters | UO | if free { UO_NP } else { NONE };
                letters = letters | if policy.protected { NONE } else { UO_POLICY_NP };
            } else {
                letters = letters | UA | if free { UA_NP } else { NONE };
                if machine_owner == Some(user.id) {
                    letters = letters | UM | if free { UM_NP } else { NONE };
                }
            }
            letters
        }
        bearer => bearer.letters(),
    })
}

impl Resource for License {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        let mut license = License::new(id, cx.account.id, environment, cx.now);
        license.permissions = Role::License.default_permissions();
        license
    }

    fn scope(cx: &Ctx, filter: &mut Where) {
        scope_by_license(cx, filter, "licenses.id", "licenses.product_id");
    }

    fn letters(&self, cx: &Ctx, db: &Db<'_>) -> Result<Letters> {
        relation(cx, db, self, None)
    }

    fn parent_environment(&self, db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(db.get::<Policy>(self.account_id, self.policy_id)?.and_then(|policy| policy.environment_id))
    }

    fn prepare(draft: &mut Draft<Self>, cx: &Ctx, db: &Db<'_>) -> Result<()> {
        create::prepare(draft, cx, db)
    }

    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        let license = change.record;
        let policy: Option<Policy> = change.must_exist(v, "policy", Some(license.policy_id))?;
        let group: Option<Group> = change.must_exist(v, "group", license.group_id)?;
        let owner: Option<User> = change.must_exist(v, "owner", license.owner_id)?;
        if let Some(policy) = policy.as_ref().filter(|_| change.changes(|license| license.policy_id)) {
            change.compatible(v, "policy", policy.environment_id, false)?;
        }
        let group = group.filter(|_| change.changes(|license| license.group_id));
        if let Some(group) = &group {
            change.compatible(v, "group", group.environment_id, false)?;
        }
        if let Some(owner) = owner.filter(|_| change.changes(|license| license.owner_id)) {
            change.compatible(v, "owner", owner.environment_id, owner.role == Role::Admin)?;
        }
        change.attribute(v, "name");
        if change.before.is_none() {
            create::check_key(change, policy.as_ref(), v)?;
        }
        for name in ["max_machines", "max_processes", "max_users", "max_cores", "max_memory", "max_disk", "max_uses"] {
            change.attribute(v, name);
        }
        if let (Some(policy), Some(most)) = (&policy, license.max_machines.filter(|&most| most != 0)) {
            if policy.floating && most < 1 {
                v.attribute("maxMachines", "INVALID", "must be greater than or equal to 1 for floating policy");
            } else if !policy.floating && most != 1 {
                v.attribute("maxMachines", "INVALID", "must be equal to 1 for non-floating policy");
            }
        }
        change.attribute(v, "metadata");
        super::resource::check_permission_set(v, license.permissions, Role::License);
        if let Some(group) = group {
            groups::check_room(change.db, v, &group, "licenses", "license", group.max_licenses)?;
        }
        Ok(())
    }
}

impl nested::HasOne<Product> for License {
    fn related_id(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(Some(self.product_id))
    }
}

impl nested::HasOne<Policy> for License {
    fn related_id(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(Some(self.policy_id))
    }
}

impl nested::HasOne<Group> for License {
    fn related_id(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(self.group_id)
    }
}

/// 08 §1.3, §9.3
impl relate::Relate<Group> for License {
    const COLUMN: &'static str = "group_id";
    const SUBJECT: relate::Subject = relate::Subject::New;
}

impl nested::Within<License> for Machine {
    const FILTERS: &'static [&'static str] = &["fingerprint", "product", "user"];

    fn within(parent: &License, filter: &mut Where) {
        filter.equals("machines.license_id", parent.id);
    }
}

/// Its own entitlements and its policy's (08 §9.6).
impl nested::Within<License> for Entitlement {
    const BY_ID_ONLY: bool = true;

    fn within(parent: &License, filter: &mut Where) {
        filter.and(
            "entitlements.id IN (SELECT entitlement_id FROM license_entitlements WHERE license_id = ?
             UNION SELECT entitlement_id FROM policy_entitlements WHERE policy_id = ?)",
            [parent.id.to_val(), parent.policy_id.to_val()],
        );
    }
}

static ENTITLEMENT_DEF: Def<LicenseEntitlement> = Def {
    type_: "license-entitlements",
    types: &[],
    name: "license entitlement",
    role: "license",
    path: "entitlements",
    event: "license.entitlements",
    code: "LICENSE_ENTITLEMENT",
    alias: None,
    client_id: NONE,
    attributes: &[],
    relationships: &[
        Rel::one("entitlement", "entitlement", "entitlements", Link::Target, |row| Some(row.entitlement_id)),
        Rel::one("license", "license", "licenses", Link::Target, |row| Some(row.license_id)),
    ],
    filters: &[],
    order: &[],
    bare: false,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

impl Resource for LicenseEntitlement {
    fn def() -> &'static Def<Self> {
        &ENTITLEMENT_DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        LicenseEntitlement::new(id, cx.account.id, environment, cx.now)
    }

    fn scope(_cx: &Ctx, _filter: &mut Where) {}

    fn letters(&self, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(cx.subject.bearer.letters())
    }

    fn links(&self, _path: String) -> Json {
        let path = format!(
            "/v1/accounts/{}/licenses/{}/entitlements/{}",
            self.account_id, self.license_id, self.entitlement_id
        );
        Json::obj([("related", Json::str(path))])
    }
}

impl Join for LicenseEntitlement {
    type Parent = License;
    type Target = Entitlement;
    const TARGET: &'static str = "entitlement";
    const PARENT_COLUMN: &'static str = "license_id";
    const TARGET_COLUMN: &'static str = "entitlement_id";
    const EVENT: &'static str = "license.entitlements";

    fn new_row(id: Uuid, parent: &License, target: Uuid, environment: Option<Uuid>, cx: &Ctx) -> Self {
        let mut row = Self::fresh(cx, id, environment);
        row.license_id = parent.id;
        row.entitlement_id = target;
        row
    }

    fn also_attached(db: &Db<'_>, parent: &License, target: Uuid) -> Result<Option<(&'static str, String)>> {
        let args = [parent.policy_id.to_val(), target.to_val()];
        let attached = db.exists("policy_entitlements WHERE policy_id = ? AND entitlement_id = ?", &args)?;
        let detail = || "already exists (entitlement is attached through policy)".to_owned();
        Ok(attached.then(|| ("CONFLICT", detail())))
    }

    fn log_metadata(db: &Db<'_>, targets: &[Uuid]) -> Result<Option<Json>> {
        super::policies::entitlement_codes(db, targets)
    }
}

/// The default permissions of a new license (08 §2.3, 05 §2.3).
fn default_permissions(db: &Db<'_>, account: Uuid) -> Result<PermissionSet> {
    let set = super::settings::permissions(db, account, super::settings::LICENSE_PERMISSIONS)?;
    Ok(set.unwrap_or_else(|| Role::License.default_permissions()))
}
