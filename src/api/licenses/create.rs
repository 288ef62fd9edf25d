//! Creating a license (08 §4): derivations, and the key (08 §4.3, 02 §5–7).

use super::super::context::Ctx;
use super::super::crud;
use super::super::events::emit;
use super::super::pool;
use super::super::render::{View, render};
use super::super::resource::{Draft, Resource};
use super::super::route::{Outcome, Reply};
use super::super::validation::{Change, Validation};
use crate::auth::{Bearer, Letters, Records, letters::*};
use crate::crypto::license_key::{self as keys, KeyContext, KeyDataError, Scheme};
use crate::http::error::{ApiError, Result};
use crate::http::params::{Member, Node, linkage};
use crate::json::{Json, Text};
use crate::model::{Column as _, ExpirationBasis, License, Policy, User, Val, license_status};
use crate::store::Db;
use uuid::Uuid;

/// `POST /licenses`
pub(super) fn create(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let mut params = License::def().create_schema().check(cx.body_or_empty(), cx.who())?;
    // `user` is another name for `owner` (08 §4.1).
    if let Some(relationships) = params.get_mut("data").and_then(|data| data.get_mut("relationships"))
        && let Some(user) = relationships.remove("user")
    {
        relationships.set("owner", user);
    }
    let created = crud::build::<License>(cx, db, params)?;
    let license = &created.draft.record;
    let policy: Option<Policy> = db.get(cx.account.id, license.policy_id)?;
    let letters = may_create(cx, license, policy.as_ref());
    cx.authorize(None, Records::One(license.environment_id), letters)?;
    let owner: Option<User> = match license.owner_id {
        Some(id) => db.get(cx.account.id, id)?,
        None => None,
    };
    let Some(policy) = policy else {
        // Validation will refuse it.
        return Outcome::write(move |cx, db| insert(cx, db, created, Plan::Given(String::new()), None));
    };
    let requested = created.draft.attribute("key").and_then(Json::as_str).map(str::to_owned);
    let slow = policy.scheme.is_some();
    let go = move |cx: &Ctx| {
        let plan = plan(cx, &created.draft.record, &policy, owner.as_ref(), requested);
        Outcome::write(move |cx, db| insert(cx, db, created, plan, Some(policy)))
    };
    if slow { Outcome::blocking(go) } else { go(cx) }
}

/// `user`, the old name of `owner` (08 §4.1).
pub(super) fn more_relationships() -> Vec<Member> {
    let user = Node::Object(vec![Member::new("data", linkage(&["user", "users"])).required().nullable()]);
    vec![Member::new("user", user)]
}

/// 08 §1.1, §4.1
fn may_create(cx: &Ctx, license: &License, policy: Option<&Policy>) -> Letters {
    match &cx.subject.bearer {
        Bearer::Product(product) => {
            if policy.is_some_and(|policy| policy.product_id == product.id) {
                P
            } else {
                NONE
            }
        }
        bearer => match bearer.end_user() {
            Some(user) if license.owner_id != Some(user.id) || policy.is_some_and(|p| p.protected) => NONE,
            _ => bearer.letters(),
        },
    }
}

/// Derivations of 08 §4.2 that need only reads.
pub(super) fn prepare(draft: &mut Draft<License>, cx: &Ctx, db: &Db<'_>) -> Result<()> {
    let sent_permissions = draft.sent("permissions");
    let license = &mut draft.record;
    if !sent_permissions {
        license.permissions = super::default_permissions(db, cx.account.id)?;
    }
    if license.group_id.is_none()
        && let Some(owner) = license.owner_id
        && let Some(owner) = db.get::<User>(cx.account.id, owner)?
    {
        license.group_id = owner.group_id;
    }
    let Some(policy) = db.get::<Policy>(cx.account.id, license.policy_id)? else { return Ok(()) };
    license.product_id = policy.product_id;
    license.protected = license.protected.or(Some(policy.protected));
    if policy.require_check_in {
        license.last_check_in_at = Some(cx.now);
    }
    if license.expires_at.is_none() {
        license.expires_at = license_status::initial_expiry(&policy, cx.now, ExpirationBasis::FromCreation);
    }
    Ok(())
}

/// How the key comes about.
enum Plan {
    /// This is the key.
    Given(String),
    /// Generated in the writer, where its uniqueness can be seen.
    Generated,
    /// The next key of the pool.
    Pooled,
    /// Only the digest is stored; the raw key is shown once.
    Legacy { raw: String, digest: String },
    /// It cannot be made.
    Impossible(KeyDataError),
}

fn plan(cx: &Ctx, license: &License, policy: &Policy, owner: Option<&User>, requested: Option<String>) -> Plan {
    let Some(scheme) = policy.scheme.and_then(|scheme| Scheme::parse(scheme.as_str())) else {
        return match requested {
            Some(key) => Plan::Given(key),
            None if policy.use_pool => Plan::Pooled,
            None => Plan::Generated,
        };
    };
    if super::is_legacy(policy) {
        if let Some(key) = requested {
            // Validation will refuse it.
            return Plan::Given(key);
        }
        let raw = keys::generate_legacy_key(&license.id);
        let digest = keys::legacy_digest(&raw);
        return Plan::Legacy { raw, digest };
    }
    let text = |id: Uuid| id.to_string();
    let (account, product, policy_id, id) =
        (text(license.account_id), text(license.product_id), text(policy.id), text(license.id));
    let owner_id = owner.map(|owner| text(owner.id));
    let context = KeyContext {
        account_id: &account,
        product_id: &product,
        policy_id: &policy_id,
        duration: policy.duration,
        user: owner_id.as_deref().zip(owner).map(|(id, owner)| (id, owner.email.as_str())),
        license_id: &id,
        created: license.created_at.0,
        expiry: license.expires_at.map(|at| at.0),
    };
    let dataset = match requested {
        Some(key) => keys::expand_template(&key, &context),
        None => keys::default_dataset(scheme, &context, &Uuid::new_v4().to_string()),
    };
    match keys::signed_key(&cx.keys.private, scheme, &dataset) {
        Ok(key) => Plan::Given(key),
        Err(error) => Plan::Impossible(error),
    }
}

/// Checks on the key that the client asked for (08 §4.3).
pub(super) fn check_key(change: &Change<'_, License>, policy: Option<&Policy>, v: &mut Validation) -> Result<()> {
    let Some(key) = change.params.at(&["data", "attributes", "key"]).and_then(Json::as_str) else { return Ok(()) };
    if policy.is_some_and(super::is_legacy) {
        v.attribute("key", "NOT_SUPPORTED", "cannot be specified for a legacy encrypted license");
        return Ok(());
    }
    if key == "actions" || key == "action" {
        v.attribute("key", "NOT_ALLOWED", "is reserved");
    }
    if change.taken("key", key, false)? {
        v.attribute("key", "TAKEN", "has already been taken");
    }
    if let Some(id) = crate::model::coerce::uuid_from_text(key)
        && change.db.get::<License>(change.cx.account.id, id)?.is_some()
    {
        v.attribute("key", "CONFLICT", "must not conflict with another license's identifier (UUID)");
    }
    let length = key.chars().count();
    if policy.is_some_and(|policy| policy.scheme.is_none()) && length < 6 {
        v.attribute("key", "TOO_SHORT", "is too short (minimum is 6 characters)");
    }
    if length > 16384 {
        v.attribute("key", "TOO_LONG", "is too long (maximum is 16384 characters)");
    }
    Ok(())
}

fn insert(cx: &Ctx, db: &Db<'_>, created: crud::Created<License>, plan: Plan, policy: Option<Policy>) -> Result<Reply> {
    let crud::Created { draft: Draft { record: mut license, params }, bad } = created;
    let mut v = Validation::new(License::def().path, License::def().code);
    let change = Change { cx, db, record: &license, before: None, bad: &bad, params: &params };
    License::validate(&change, &mut v)?;
    check_id(&change, &mut v)?;
    if let Plan::Impossible(error) = &plan
        && !v.failed()
    {
        v.attribute("key", error.code_suffix(), error.detail());
    }
    if let (Plan::Pooled, Some(policy), false) = (&plan, &policy, v.failed()) {
        match pool::next(db, policy, pool::Taker::License)? {
            Some(key) => {
                db.delete(&key)?;
                license.key = key.key;
            }
            None => v.relationship("policy", "POOL_EMPTY", "pool is empty"),
        }
    }
    v.finish()?;
    let mut raw_key = None;
    match plan {
        Plan::Given(key) => license.key = key,
        Plan::Generated => license.key = unique_key(cx, db)?,
        Plan::Legacy { raw, digest } => {
            license.key = digest;
            raw_key = Some(raw);
        }
        Plan::Pooled => {}
        Plan::Impossible(_) => return Err(ApiError::internal("an impossible key passed validation")),
    }
    db.insert(&license)?;
    emit(cx, db, "license.created", &license)?;
    let view = View::new(cx, db);
    let mut data = render(&license, &view)?;
    if let Some(raw) = raw_key
        && let Some(Json::Obj(attributes)) = data.get_mut("attributes")
    {
        attributes.insert(1, (Text::Borrowed("key"), Json::str(raw)));
    }
    Ok(Reply::created(data))
}

/// A chosen id must be free (01 §10.3).
fn check_id(change: &Change<'_, License>, v: &mut Validation) -> Result<()> {
    if change.params.at(&["data", "id"]).is_some()
        && change.db.exists("licenses WHERE id = ?", &[change.record.id.to_val()])?
    {
        v.id("CONFLICT", "must not conflict with another license");
    }
    Ok(())
}

fn unique_key(cx: &Ctx, db: &Db<'_>) -> Result<String> {
    loop {
        let key = keys::generate_plain_key();
        let args = [cx.account.id.to_val(), Val::Text(key.clone())];
        if !db.exists("licenses WHERE account_id = ? AND key = ?", &args)? {
            return Ok(key);
        }
    }
}
