//! Users (04): the resource, its filters, and who may do what to whom. Passwords: [`super::passwords`].

use super::context::{Ctx, Where};
use super::crud::{self, Created};
use super::rate_limits::Limiter;
use super::relate::{self, Relate, Subject};
use super::resource::{Attr, Compare, Deed, Def, Draft, Filter, Kind, Link, Rel, Resource, Stance, attributes};
use super::route::{Auth, Outcome, Route, delete, get, patch, post};
use super::validation::{Change, Validation};
use super::{groups, licenses, list, nested, passwords, second_factors, settings, tokens};
use crate::auth::{Bearer, Letters, letters::*};
use crate::http::error::Result;
use crate::http::query::QueryValue;
use crate::json::Json;
use crate::model::privileges;
use crate::model::{Column as _, Group, License, Machine, PermissionSet, Product, Role, Time, Token, User, Val, email};
use crate::store::Db;
use uuid::Uuid;

/// Who may read what hangs on a user: not its licenses, and a user of role `user` only for itself (04 §1).
const READERS: Letters = STAFF.or(E).or(P).or(UO);
/// Its tokens: environments stop at users of role `user` (03 §10.1).
const TOKENS: Letters = STAFF.or(E_USER).or(P).or(UO);
const BANNERS: Letters = A.or(D).or(S).or(SU).or(P).or(E);
/// Second factors: administrators, and everybody its own (03 §13.1).
const FACTORS: Letters = A.or(SELF);

pub(super) const ROUTES: &[Route] = &[
    get("users", list::index::<User>).can(&["user.read"]).allow(STAFF.or(E).or(P).or(U).or(L)),
    post("users", create)
        .can(&["user.create"])
        .allow(A.or(D).or(S).or(P).or(E).or(X))
        .auth(Auth::Optional)
        .limit(Limiter::Registration),
    get("users/{id+}", crud::show::<User>).can(&["user.read"]).allow(STAFF.or(E).or(P).or(UO).or(UA).or(L)),
    patch("users/{id+}", update).can(&["user.update"]).allow(A.or(D).or(S).or(P).or(E).or(UO)),
    delete("users/{id+}", crud::destroy::<User>).can(&["user.delete"]).allow(A.or(D).or(E).or(P)),
    post("users/{id+}/actions/ban", ban).can(&["user.ban"]).allow(BANNERS),
    post("users/{id+}/actions/unban", unban).can(&["user.unban"]).allow(BANNERS),
    post("users/{id+}/actions/update-password", passwords::update)
        .can(&["user.password.update"])
        .allow(SELF)
        .limit(Limiter::MutatePassword),
    post("users/{id+}/actions/reset-password", passwords::reset)
        .allow(ALL)
        .auth(Auth::None)
        .limit(Limiter::MutatePassword),
    get("users/{id+}/products", nested::index::<User, Product>).can(&["product.read"]).allow(READERS),
    get("users/{id+}/products/{child}", nested::show::<User, Product>).can(&["product.read"]).allow(READERS),
    get("users/{id+}/licenses", nested::index::<User, License>).can(&["license.read"]).allow(READERS),
    get("users/{id+}/licenses/{child+}", nested::show::<User, License>).can(&["license.read"]).allow(READERS),
    get("users/{id+}/machines", nested::index::<User, Machine>).can(&["machine.read"]).allow(READERS),
    get("users/{id+}/machines/{child+}", nested::show::<User, Machine>).can(&["machine.read"]).allow(READERS),
    get("users/{id+}/group", nested::one::<User, Group>).can(&["group.read"]).allow(READERS),
    patch("users/{id+}/group", relate::put::<User, Group>).can(&["user.group.update"]).allow(A.or(D).or(S).or(E).or(P)),
    get("users/{id+}/tokens", nested::index::<User, Token>).can(&["token.read"]).allow(TOKENS),
    get("users/{id+}/tokens/{child}", nested::show::<User, Token>).can(&["token.read"]).allow(TOKENS),
    post("users/{id+}/tokens", tokens::generate_for::<User>).can(&["user.tokens.generate"]).allow(A.or(D).or(E).or(P)),
    get("users/{id+}/second-factors", second_factors::index).can(&["user.second-factors.read"]).allow(STAFF.or(U)),
    get("users/{id+}/second-factors/{child}", second_factors::show).can(&["user.second-factors.read"]).allow(FACTORS),
    post("users/{id+}/second-factors", second_factors::create)
        .can(&["user.second-factors.create"])
        .allow(FACTORS)
        .limit(Limiter::SecondFactor),
    patch("users/{id+}/second-factors/{child}", second_factors::update)
        .can(&["user.second-factors.update"])
        .allow(FACTORS)
        .limit(Limiter::SecondFactor),
    delete("users/{id+}/second-factors/{child}", second_factors::delete)
        .can(&["user.second-factors.delete"])
        .allow(FACTORS)
        .limit(Limiter::SecondFactor),
];

/// The roles that users can have (03 §7).
const ROLES: &[&str] = &["user", "admin", "developer", "sales-agent", "support-agent", "read-only"];

const ATTRIBUTES: &[Attr<User>] = attributes![User:
    full_name "fullName" (Kind::Derived) show |user: &User, _| {
        let name = user.first_name.as_ref().zip(user.last_name.as_ref()).map(|(first, last)| format!("{first} {last}"));
        Ok(Some(name.into()))
    };;
    first_name "firstName" (Kind::String) .nullable() .blank();
    last_name "lastName" (Kind::String) .nullable() .blank();
    email "email" (Kind::String) .required();
    password "password" (Kind::Password) show |_: &User, _| Ok(None);
        .nullable() .update(A.or(D).or(P).or(E));
    status "status" (Kind::Derived) show |user: &User, view| Ok(Some(status(user, view)?.into()));;
    role "role" (Kind::Choice(ROLES)) .create(A) .update(A);
    permissions "permissions" (Kind::Permissions) .create(A.or(D).or(P).or(E)) .update(A.or(D).or(P).or(E));
    metadata "metadata" (Kind::Metadata) .update(A.or(D).or(S).or(P).or(E));
];

static DEF: Def<User> = Def {
    type_: "users",
    types: &["user", "users"],
    name: "user",
    role: "user",
    path: "users",
    event: "user",
    code: "USER",
    alias: Some("email"),
    client_id: NONE,
    attributes: ATTRIBUTES,
    relationships: &[
        Rel::one("group", "group", "groups", Link::Own, |user: &User| user.group_id)
            .sent(A.or(D).or(S).or(SU).or(P).or(E), &["group", "groups"], "group_id")
            .nullable(),
        Rel::many("products", "products", "products"),
        Rel::many("licenses", "licenses", "licenses"),
        Rel::many("machines", "machines", "machines"),
        Rel::many("tokens", "tokens", "tokens"),
        Rel::many("secondFactors", "second_factors", "second-factors"),
    ],
    filters: &[
        Filter { name: "roles", compare: Compare::Always(filter_by_roles) },
        Filter { name: "status", compare: Compare::With(filter_by_status) },
        Filter { name: "assigned", compare: Compare::With(filter_by_assigned) },
        Filter { name: "active", compare: Compare::With(filter_by_assigned) },
        Filter { name: "product", compare: Compare::With(filter_by_product) },
        Filter {
            name: "license",
            compare: Compare::IdSql("users.id IN (SELECT user_id FROM user_licenses WHERE license_id = ?)"),
        },
        Filter { name: "group", compare: Compare::Id("users.group_id") },
        Filter { name: "metadata", compare: Compare::Metadata("users.metadata") },
    ],
    order: &[],
    bare: false,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

/// A user counts as active for this long after a sign of life (04 §5).
const ACTIVE_MS: i64 = 90 * 86_400_000;

/// 04 §5
fn status(user: &User, view: &super::render::View<'_>) -> Result<&'static str> {
    if user.banned_at.is_some() {
        return Ok("BANNED");
    }
    let since = Time(view.now.0 - ACTIVE_MS);
    if user.created_at >= since {
        return Ok("ACTIVE");
    }
    let from = format!(
        "licenses WHERE {} AND (created_at >= ? OR last_validated_at >= ? OR last_check_out_at >= ? OR last_check_in_at >= ?)",
        licenses::OF_USER
    );
    let (id, since) = (user.id.to_val(), since.to_val());
    let args = [id.clone(), id, since.clone(), since.clone(), since.clone(), since];
    Ok(if view.db.exists(&from, &args)? { "ACTIVE" } else { "INACTIVE" })
}

/// 04 §4: users of role `user` unless roles are named; a scalar, or only blanks, switches the filter off.
fn filter_by_roles(_cx: &Ctx, value: Option<&QueryValue>, filter: &mut Where) {
    let Some(value) = value else { return filter.equals("users.role", Role::User) };
    let QueryValue::Array(items) = value else { return };
    let named: Vec<&str> = items.iter().filter_map(QueryValue::as_str).filter(|text| !text.trim().is_empty()).collect();
    if named.is_empty() {
        return;
    }
    let wanted = |role: &&&str| named.iter().any(|name| name.replace('_', "-") == ***role);
    let roles: Vec<Val> = ROLES.iter().filter(wanted).map(|role| Val::Text((*role).to_owned())).collect();
    if roles.is_empty() {
        return filter.never();
    }
    let marks = vec!["?"; roles.len()].join(", ");
    filter.and(format!("users.role IN ({marks})"), roles);
}

/// 04 §4, §5. A banned owner's license keeps nobody active.
fn filter_by_status(cx: &Ctx, value: &QueryValue, filter: &mut Where) {
    let Some(text) = value.as_str().filter(|text| !text.trim().is_empty()) else { return };
    let since = Time(cx.now.0 - ACTIVE_MS).to_val();
    let alive = "(users.created_at >= ? OR EXISTS (
        SELECT 1 FROM user_licenses JOIN licenses ON licenses.id = user_licenses.license_id
        WHERE user_licenses.user_id = users.id
          AND (licenses.created_at >= ? OR licenses.last_validated_at >= ? OR licenses.last_check_out_at >= ?
            OR licenses.last_check_in_at >= ?)
          AND NOT EXISTS (SELECT 1 FROM users owners WHERE owners.id = licenses.owner_id AND owners.banned_at IS NOT NULL)))";
    let args = [since.clone(), since.clone(), since.clone(), since.clone(), since];
    match text.to_ascii_uppercase().as_str() {
        "BANNED" => filter.and("users.banned_at IS NOT NULL", []),
        "ACTIVE" => filter.and(format!("users.banned_at IS NULL AND {alive}"), args),
        "INACTIVE" => filter.and(format!("users.banned_at IS NULL AND NOT {alive}"), args),
        _ => filter.never(),
    }
}

/// SQL that is true when `{user}` holds a license of the product of one argument. User by user: a product can have more of them
/// than are worth listing for a page.
pub(super) const HOLDS_OF_PRODUCT: &str = "EXISTS
    (SELECT 1 FROM user_licenses WHERE user_licenses.user_id = {user} AND user_licenses.product_id = ?)";

fn filter_by_product(_cx: &Ctx, value: &QueryValue, filter: &mut Where) {
    let Some(text) = value.as_str().filter(|text| !text.trim().is_empty()) else { return };
    match crate::model::coerce::uuid_from_text(text) {
        Some(product) => of_product(product, filter),
        None => filter.never(),
    }
}

/// Leaves the users that hold a license of the product.
pub(super) fn of_product(product: Uuid, filter: &mut Where) {
    filter.and(HOLDS_OF_PRODUCT.replace("{user}", "users.id"), [product.to_val()]);
}

/// Owning counts, being attached does not (04 §4).
fn filter_by_assigned(_cx: &Ctx, value: &QueryValue, filter: &mut Where) {
    let Some(text) = value.as_str().filter(|text| !text.trim().is_empty()) else { return };
    let not = if crate::model::coerce::filter_boolean(text) { "" } else { "NOT " };
    filter.and(format!("{not}EXISTS (SELECT 1 FROM licenses WHERE licenses.owner_id = users.id)"), []);
}

impl Resource for User {
    const BODY_FIRST: bool = true;
    const BARE_UPDATE: bool = true;
    const ANY_CASE: bool = true;

    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        User::new(id, cx.account.id, environment, cx.now)
    }

    /// 04 §1
    fn scope(cx: &Ctx, filter: &mut Where) {
        match &cx.subject.bearer {
            Bearer::Product(_) => filter.equals("users.role", Role::User),
            Bearer::License(bearer) => {
                let args = [bearer.license.owner_id.to_val(), bearer.license.id.to_val()];
                filter.and(
                    "(users.id = ? OR users.id IN (SELECT user_id FROM license_users WHERE license_id = ?))",
                    args,
                );
            }
            Bearer::Anonymous => filter.never(),
            bearer => {
                if let Some(user) = bearer.end_user() {
                    let sql = "(users.id = ? OR users.id IN (SELECT user_id FROM user_licenses WHERE license_id IN
                         (SELECT license_id FROM user_licenses WHERE user_id = ?)))";
                    filter.and(sql, [user.id.to_val(), user.id.to_val()]);
                }
            }
        }
    }

    /// `UO`: itself, of role `user`; `UA`: a teammate; `SELF`: itself, of any role; `E_USER`: an environment, to a
    /// user of role `user`.
    fn letters(&self, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        let bearer = &cx.subject.bearer;
        Ok(match bearer {
            Bearer::Product(_) if self.role != Role::User => NONE,
            Bearer::Environment(_) if self.role == Role::User => E | E_USER,
            Bearer::User(user) => match (user.role == Role::User, user.id == self.id) {
                (true, true) => U | UO | SELF,
                (true, false) => U | UA,
                (false, true) => bearer.letters() | SELF,
                (false, false) => bearer.letters(),
            },
            bearer => bearer.letters(),
        })
    }

    fn stance(&self, deed: Deed<'_, Self>, cx: &Ctx, db: &Db<'_>) -> Result<Stance> {
        let mut stance = Stance::from(self.letters(cx, db)?);
        if self.role == Role::Admin {
            stance.also = match deed {
                Deed::Read => &["admin.read"],
                Deed::Create => &["admin.create"],
                Deed::Update(_) => &["admin.update"],
                Deed::Delete => &["admin.delete"],
                Deed::Act => &[],
            };
        }
        let bearer = &cx.subject.bearer;
        if matches!(bearer, Bearer::Environment(_)) && self.role != Role::User && !matches!(deed, Deed::Act) {
            stance.letters = NONE;
        }
        if !matches!(deed, Deed::Read | Deed::Act) {
            let sales = matches!(bearer, Bearer::User(user) if user.role == Role::SalesAgent);
            if sales && self.role != Role::User {
                stance.letters = NONE;
            }
            if let Some(role) = bearer.role().filter(|role| !privileges::may_handle(*role, bearer.permissions(), self))
            {
                stance.refusal = Some(format!("{} lacks privileges to perform action on user", role.words()));
            }
        }
        match (deed, bearer) {
            (Deed::Create, Bearer::Anonymous) if cx.account.protected => stance.letters = NONE,
            (Deed::Delete, Bearer::Product(product)) if belongs_elsewhere(db, self, product)? => {
                stance.refusal = Some("user cannot belong to another product".to_owned());
            }
            _ => {}
        }
        Ok(stance)
    }

    /// 04 §4: a page with an administrator needs `admin.read`, and environments see users of role `user` only.
    fn stance_of_page(page: &[Self], cx: &Ctx) -> Stance {
        let bearer = &cx.subject.bearer;
        let mut stance = Stance::from(bearer.letters());
        if page.iter().any(|user| user.role == Role::Admin) {
            stance.also = &["admin.read"];
        }
        let outsider = matches!(bearer, Bearer::Environment(_) | Bearer::Product(_));
        if outsider && page.iter().any(|user| user.role != Role::User) {
            stance.letters = NONE;
        }
        stance
    }

    fn prepare(draft: &mut Draft<Self>, cx: &Ctx, db: &Db<'_>) -> Result<()> {
        draft.record.email = email::normalize(&draft.record.email);
        if !draft.sent("permissions") {
            draft.record.permissions = default_permissions(db, cx.account.id, draft.record.role)?;
        }
        Ok(())
    }

    /// A sent role, even the same one, cuts the permissions down to that role's defaults (03 §8.1).
    fn changing(draft: &mut Draft<Self>, before: &Self, cx: &Ctx, db: &Db<'_>) -> Result<()> {
        draft.record.email = email::normalize(&draft.record.email);
        if draft.sent("role") {
            let defaults = default_permissions(db, cx.account.id, draft.record.role)?;
            let user = &mut draft.record;
            user.permissions = user.permissions.intersection(defaults.union(PermissionSet::wildcard()));
        }
        if draft.attribute("password").is_some_and(Json::is_null) {
            draft.record.password_digest = None;
        }
        // A reset that was mailed to the old address, or for the old password, is void (D41).
        if draft.record.email != before.email || draft.attribute("password").is_some() {
            draft.record.password_reset_digest = None;
            draft.record.password_reset_at = None;
        }
        Ok(())
    }

    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        let user = change.record;
        let group: Option<Group> = change.must_exist(v, "group", user.group_id)?;
        let group = group.filter(|_| change.changes(|user| user.group_id));
        if let Some(group) = &group {
            change.compatible(v, "group", group.environment_id, false)?;
        }
        let password = change.params.at(&["data", "attributes", "password"]).and_then(Json::as_str);
        let taken = change.before.is_none_or(|before| before.email != user.email)
            && change.taken("email", &user.email, false)?;
        for (attribute, suffix, detail) in problems(user, password, taken) {
            v.attribute(attribute, suffix, detail);
        }
        super::resource::check_permission_set(v, user.permissions, user.role);
        if let Some(group) = group {
            groups::check_room(change.db, v, &group, "users", "user", group.max_users)?;
        }
        let sent = |name: &str| change.params.at(&["data", "attributes", name]).is_some();
        if let Some(before) = change.before
            && (sent("role") || sent("permissions"))
        {
            check_admins(change.db, before, Some(user), v)?;
        }
        Ok(())
    }

    /// A change of the role ends every other token (03 §10.9).
    fn updated(&mut self, before: &Self, cx: &Ctx, db: &Db<'_>) -> Result<()> {
        if self.role == before.role {
            return Ok(());
        }
        tokens::revoke_all(db, self.id, cx.subject.token.as_ref().map(|token| token.id))
    }

    /// What hangs on licenses of others goes first, so that their counters can follow (04 §6.5).
    fn removing(&self, _cx: &Ctx, db: &Db<'_>) -> Result<()> {
        let mut v = Validation::new(DEF.path, DEF.code);
        check_admins(db, self, None, &mut v)?;
        v.finish()?;
        let id = || self.id.to_val();
        let sql = "SELECT license_id FROM machines WHERE owner_id = ? UNION SELECT license_id FROM license_users WHERE user_id = ?";
        let touched: Vec<Uuid> = db.query(sql, &[id(), id()], |row| row.get(0))?;
        db.execute("DELETE FROM machines WHERE owner_id = ?", &[id()])?;
        db.execute("DELETE FROM license_users WHERE user_id = ?", &[id()])?;
        licenses::recount(db, &touched)
    }
}

/// What is wrong with a user's own attributes, as attribute, code suffix and detail (04 §2.1, §2.2). `taken`: another user of
/// the account has the address.
pub(super) fn problems(user: &User, password: Option<&str>, taken: bool) -> Vec<(&'static str, &'static str, String)> {
    const LONGEST: usize = 255;
    let mut found = Vec::new();
    let mut bad = |attribute, suffix, detail: &str| found.push((attribute, suffix, detail.to_owned()));
    let too_long = "is too long (maximum is 255 characters)";
    for (attribute, name) in [("firstName", &user.first_name), ("lastName", &user.last_name)] {
        if name.as_ref().is_some_and(|name| name.chars().count() > LONGEST) {
            bad(attribute, "TOO_LONG", too_long);
        }
    }
    if !email::is_valid(&user.email) {
        bad("email", "INVALID", "is invalid");
    }
    if user.email.chars().count() > LONGEST {
        bad("email", "TOO_LONG", too_long);
    }
    if taken {
        bad("email", "TAKEN", "has already been taken");
    }
    if let Some((suffix, detail)) = password.and_then(passwords::length_problem) {
        bad("password", suffix, detail);
    }
    if let Err(detail) = user.metadata.check_size() {
        bad("metadata", "TOO_LONG", &detail);
    }
    found
}

/// The permissions of a new user of that role, or of one that changes to it (03 §8.1, 05 §2.3).
pub(super) fn default_permissions(db: &Db<'_>, account: Uuid, role: Role) -> Result<PermissionSet> {
    let set = match role {
        Role::User => settings::permissions(db, account, settings::USER_PERMISSIONS)?,
        _ => None,
    };
    Ok(set.unwrap_or_else(|| role.default_permissions()))
}

/// The user holds licenses, and not of this product alone (04 §6.5).
fn belongs_elsewhere(db: &Db<'_>, user: &User, product: &Product) -> Result<bool> {
    let sql = "SELECT DISTINCT product_id FROM user_licenses WHERE user_id = ?";
    let products: Vec<Uuid> = db.query(sql, &[user.id.to_val()], |row| row.get(0))?;
    Ok(!products.is_empty() && products != [product.id])
}

/// The last-admin rules (04 §6.4); `after` is `None` for a deletion.
fn check_admins(db: &Db<'_>, before: &User, after: Option<&User>, v: &mut Validation) -> Result<()> {
    let (was, is) = (before.role == Role::Admin, after.is_some_and(|user| user.role == Role::Admin));
    if !was && !is {
        return Ok(());
    }
    let others: Vec<User> = db.list(
        "WHERE account_id = ? AND role = ? AND id <> ?",
        &[before.account_id.to_val(), Role::Admin.to_val(), before.id.to_val()],
    )?;
    let changes_role = after.is_some_and(|user| user.role != before.role);
    let mut number = others.len() as i64 + i64::from(after.is_some());
    if changes_role {
        number += if is { 1 } else { -1 };
    }
    let own = after.unwrap_or(before).permissions;
    let nobody_full = number == 1 || (number > 1 && !others.iter().any(|user| privileges::is_full(user.permissions)));
    let detail = if !changes_role && !privileges::is_full(own) && nobody_full {
        "account must have at least 1 admin user with a full permission set"
    } else if number < 1 && (after.is_none() || changes_role) {
        "account must have at least 1 admin user"
    } else {
        return Ok(());
    };
    admins_required(v, detail);
    Ok(())
}

/// 422 `ACCOUNT_ADMINS_REQUIRED` (04 §6.4)
pub(super) fn admins_required(v: &mut Validation, detail: &str) {
    v.at("/data/relationships/account".to_owned(), "ACCOUNT_ADMINS_REQUIRED".to_owned(), detail);
}

/// `POST /users` (04 §6.1). Passwords are hashed outside of the writer.
fn create(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let created = crud::creating::<User>(cx, db)?;
    match passwords::sent(&created.draft.params) {
        None => Outcome::write(move |cx, db| crud::insert(cx, db, created)),
        Some(password) => {
            crud::check_created(cx, db, &created)?;
            Outcome::blocking(move |_| {
                let Created { mut draft, bad } = created;
                draft.record.password_digest = Some(crate::crypto::password::hash_password(&password));
                Outcome::write(move |cx, db| crud::insert(cx, db, Created { draft, bad }))
            })
        }
    }
}

/// `PATCH /users/{id}` (04 §6.3)
fn update(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let (id, params) = crud::updating::<User>(cx, db)?;
    match passwords::sent(&params) {
        None => Outcome::write(move |cx, db| crud::save::<User>(cx, db, id, params, |_| {})),
        Some(password) => {
            crud::check_update::<User>(cx, db, id, &params)?;
            Outcome::blocking(move |_| {
                let digest = crate::crypto::password::hash_password(&password);
                Outcome::write(move |cx, db| {
                    crud::save::<User>(cx, db, id, params, move |user| user.password_digest = Some(digest))
                })
            })
        }
    }
}

fn ban(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    set_ban(cx, db, "user.banned", |user, cx| user.banned_at = Some(cx.now))
}

fn unban(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    set_ban(cx, db, "user.unbanned", |user, _| user.banned_at = None)
}

/// 04 §6.6
fn set_ban(cx: &Ctx, db: &Db<'_>, event: &'static str, set: fn(&mut User, &Ctx)) -> Result<Outcome> {
    let may = |cx: &Ctx, db: &Db<'_>, user: &User| {
        let mut stance = Stance::from(user.letters(cx, db)?);
        if user.role != Role::User {
            stance.refusal = Some("must have a user role".to_owned());
        }
        cx.authorize(None, Ctx::environment_of(user), stance)
    };
    let user: User = crud::lookup(cx, db)?;
    may(cx, db, &user)?;
    let id = user.id;
    Outcome::write(move |cx, db| {
        let mut user: User = crud::reload(cx, db, id)?;
        may(cx, db, &user)?;
        set(&mut user, cx);
        crud::store(cx, db, user, event)
    })
}

/// `Self` hangs on licenses: of those of a user, a product sees its own only (04 §7).
fn of_own_product(cx: &Ctx, product: Uuid, letters: Letters) -> Letters {
    match &cx.subject.bearer {
        Bearer::Product(bearer) if bearer.id != product => NONE,
        _ => letters,
    }
}

impl nested::Within<User> for Product {
    const BY_ID_ONLY: bool = true;

    fn within(parent: &User, filter: &mut Where) {
        filter.and("products.id IN (SELECT product_id FROM user_licenses WHERE user_id = ?)", [parent.id.to_val()]);
    }

    fn letters_within(&self, _parent: &User, letters: Letters, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(of_own_product(cx, self.id, letters))
    }
}

impl nested::Within<User> for License {
    const FILTERS: &'static [&'static str] = &["product", "policy", "suspended"];

    fn within(parent: &User, filter: &mut Where) {
        filter.and(licenses::OF_USER, [parent.id.to_val(), parent.id.to_val()]);
    }

    fn letters_within(&self, _parent: &User, letters: Letters, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(of_own_product(cx, self.product_id, letters))
    }
}

impl nested::Within<User> for Machine {
    const FILTERS: &'static [&'static str] = &["fingerprint", "product", "license"];

    fn within(parent: &User, filter: &mut Where) {
        let sql = "machines.license_id IN (SELECT license_id FROM user_licenses WHERE user_id = ?)";
        filter.and(sql, [parent.id.to_val()]);
    }

    fn letters_within(&self, _parent: &User, letters: Letters, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(of_own_product(cx, self.product_id, letters))
    }
}

impl Relate<Group> for User {
    const COLUMN: &'static str = "group_id";
    const SUBJECT: Subject = Subject::Parent;
}

impl nested::HasOne<Group> for User {
    const NULL_IS_FINE: bool = true;

    fn related_id(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(self.group_id)
    }
}
