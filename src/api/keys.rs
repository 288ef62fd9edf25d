//! Keys of pools (07 §8). The pool itself is in [`super::pool`].

use super::context::{Ctx, Where};
use super::resource::{Attr, Compare, Def, Draft, Filter, Kind, Link, Rel, Resource, Rule, attributes};
use super::route::{Route, delete, get, patch, post};
use super::validation::{Change, Validation};
use super::{crud, list, nested};
use crate::auth::{Bearer, Letters, letters::*};
use crate::http::error::Result;
use crate::model::{Column as _, Key, License, Policy, Product, Val};
use crate::store::{Db, StoreError};
use uuid::Uuid;

const READERS: Letters = STAFF.or(E).or(P);
const WRITERS: Letters = A.or(D).or(E).or(P);

pub(super) const ROUTES: &[Route] = &[
    get("keys", list::index::<Key>).can(&["key.read"]).allow(READERS),
    post("keys", crud::create::<Key>).can(&["key.create"]).allow(WRITERS),
    get("keys/{id}", crud::show::<Key>).can(&["key.read"]).allow(READERS),
    patch("keys/{id}", crud::update::<Key>).can(&["key.update"]).allow(WRITERS),
    delete("keys/{id}", crud::destroy::<Key>).can(&["key.delete"]).allow(WRITERS),
    get("keys/{id}/product", nested::one::<Key, Product>).can(&["product.read"]).allow(READERS),
    get("keys/{id}/policy", nested::one::<Key, Policy>).can(&["policy.read"]).allow(READERS),
];

const ATTRIBUTES: &[Attr<Key>] = attributes![Key:
    key "key" (Kind::String) .required() .rules(&[Rule::Reserved, Rule::MinLength(8), Rule::MaxLength(1024)]);
];

static DEF: Def<Key> = Def {
    type_: "keys",
    types: &["key", "keys"],
    name: "key",
    role: "key",
    path: "keys",
    event: "key",
    code: "KEY",
    alias: None,
    client_id: NONE,
    attributes: ATTRIBUTES,
    relationships: &[
        Rel::one("product", "product", "products", Link::Own, |key: &Key| Some(key.product_id)),
        Rel::one("policy", "policy", "policies", Link::Own, |key: &Key| Some(key.policy_id))
            .sent(ALL, &["policy", "policies"], "policy_id")
            .required(),
    ],
    filters: &[
        Filter { name: "product", compare: Compare::Id("keys.product_id") },
        Filter { name: "policy", compare: Compare::Id("keys.policy_id") },
    ],
    order: &[],
    bare: false,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

impl Resource for Key {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        Key::new(id, cx.account.id, environment, cx.now)
    }

    /// The product is the policy's; an unknown policy leaves it unset, and is nobody's.
    fn prepare(draft: &mut Draft<Self>, cx: &Ctx, db: &Db<'_>) -> Result<()> {
        if let Some(policy) = db.get::<Policy>(cx.account.id, draft.record.policy_id)? {
            draft.record.product_id = policy.product_id;
        }
        Ok(())
    }

    fn parent_environment(&self, db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(db.get::<Policy>(self.account_id, self.policy_id)?.and_then(|policy| policy.environment_id))
    }

    /// 07 §8.1: licenses and users see no key.
    fn scope(cx: &Ctx, filter: &mut Where) {
        match &cx.subject.bearer {
            Bearer::Product(product) => filter.equals("keys.product_id", product.id),
            Bearer::License(_) | Bearer::Anonymous => filter.never(),
            bearer => {
                if bearer.end_user().is_some() {
                    filter.never();
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

    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        let key = change.record;
        if change.before.is_none() {
            let policy: Option<Policy> = change.must_exist(v, "policy", Some(key.policy_id))?;
            if let Some(policy) = policy {
                if !policy.use_pool {
                    v.relationship("policy", "NOT_SUPPORTED", "cannot be added to an unpooled policy");
                }
                change.compatible(v, "policy", policy.environment_id, false)?;
            }
        }
        Ok(check(change.db, key, v)?)
    }
}

/// The codes with which [`check`] says that the account has the key already.
pub(crate) const DUPLICATE: &[&str] = &["KEY_TAKEN", "KEY_CONFLICT"];

/// What a key must be, by whichever way it comes in (07 §8.2): no other key and no license of the account has it, whatever
/// their environments.
pub(crate) fn check(db: &Db<'_>, key: &Key, v: &mut Validation) -> std::result::Result<(), StoreError> {
    let text = || Val::Text(key.key.clone());
    let args = [key.account_id.to_val(), text(), key.id.to_val()];
    if db.exists("keys WHERE account_id = ? AND key = ? AND id <> ?", &args)? {
        v.attribute("key", "TAKEN", "has already been taken");
    }
    Change::check_rules(key, &[], v, "key");
    if let Some(id) = crate::model::coerce::uuid_from_text(&key.key)
        && db.get::<License>(key.account_id, id)?.is_some()
    {
        v.attribute("key", "CONFLICT", "must not conflict with another license's identifier (UUID)");
    }
    if db.exists("licenses WHERE account_id = ? AND key = ?", &[key.account_id.to_val(), text()])? {
        v.attribute("key", "CONFLICT", "is already being used as a license's key");
    }
    Ok(())
}

impl nested::HasOne<Product> for Key {
    fn related_id(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(Some(self.product_id))
    }
}

impl nested::HasOne<Policy> for Key {
    fn related_id(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(Some(self.policy_id))
    }
}
