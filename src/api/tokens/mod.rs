//! Tokens (03 §10): the resource, regeneration and revocation. Generation: [`generate`].

mod generate;

use generate::default_expiry;
pub use generate::{generate_for, mint};

use super::context::{Ctx, Where};
use super::crud::{self, find, reload};
use super::events::emit;
use super::render::{View, render};
use super::resource::{Attr, Compare, Data, Def, Filter, Kind, Link, Rel, Resource, Rule, attributes};
use super::route::{Auth, Outcome, Reply, Route, delete, get, post, put};
use super::validation::{Change, Validation, compatible};
use super::{list, nested};
use crate::auth::{Bearer, Letters, Records, letters::*, license_permissions};
use crate::crypto::token::{self as secrets, TokenKind};
use crate::http::error::{ApiError, Result};
use crate::http::query::QueryValue;
use crate::json::{Json, Text};
use crate::model::{
    BearerType, Column as _, Entity, Environment, License, PermissionSet, Product, Role, Token, User, Val,
};
use crate::store::Db;
use uuid::Uuid;

pub(super) const ROUTES: &[Route] = &[
    get("tokens", list::index::<Token>).can(&["token.read"]).allow(STAFF.or(E).or(P).or(L).or(U)),
    post("tokens", generate::generate).can(&["token.generate"]).allow(ALL).auth(Auth::Login),
    put("tokens", regenerate_current).can(&["token.regenerate"]).allow(OWNERS),
    get("tokens/{id}", crud::show::<Token>).can(&["token.read"]).allow(STAFF.or(E).or(P).or(L).or(U)),
    put("tokens/{id}", regenerate).can(&["token.regenerate"]).allow(OWNERS),
    delete("tokens/{id}", revoke).can(&["token.revoke"]).allow(OWNERS),
];

/// Everybody can have tokens; whose tokens a bearer may touch depends on the token.
const OWNERS: Letters = STAFF.or(E).or(P).or(L).or(U);

/// Shown for license tokens only (03 §10.2).
fn counter(token: &Token, value: Json) -> Result<Option<Json>> {
    Ok((token.bearer_type == BearerType::License).then_some(value))
}

const ATTRIBUTES: &[Attr<Token>] = attributes![Token:
    kind "kind" (Kind::Derived) show |token: &Token, view| Ok(Some(holder(token, view)?.kind().name().into()));;
    expiry "expiry" (Kind::Time) show |token: &Token, _| Ok(Some(token.expires_at.to_json()));
        .nullable() .column("expires_at");
    name "name" (Kind::String) .nullable() .rules(&[Rule::MaxLength(255)]);
    max_activations "maxActivations" (Kind::Long) show |token: &Token, _| counter(token, token.max_activations.to_json());
        .nullable() .rules(&[Rule::AtLeast(0)]);
    activations "activations" (Kind::Derived) show |token: &Token, _| counter(token, token.activations.to_json());;
    max_deactivations "maxDeactivations" (Kind::Long) show |token: &Token, _| counter(token, token.max_deactivations.to_json());
        .nullable() .rules(&[Rule::AtLeast(0)]);
    deactivations "deactivations" (Kind::Derived) show |token: &Token, _| counter(token, token.deactivations.to_json());;
    permissions "permissions" (Kind::Permissions) show |token: &Token, view| {
        Ok(Some(token.permissions.narrow(holder(token, view)?.permissions()).to_json()))
    };;
];

static DEF: Def<Token> = Def {
    type_: "tokens",
    types: &["token", "tokens"],
    name: "token",
    role: "token",
    path: "tokens",
    event: "token",
    code: "TOKEN",
    alias: None,
    client_id: NONE,
    attributes: ATTRIBUTES,
    relationships: &[Rel {
        data: Data::Typed(|token| (token.bearer_type.as_str(), token.bearer_id)),
        ..Rel::one("bearer", "bearer", "", Link::Target, |_| None)
    }],
    filters: &[Filter { name: "bearer", compare: Compare::With(filter_by_bearer) }],
    order: &[],
    bare: true,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

/// A token's bearer, read once more.
enum Holder {
    User(Box<User>),
    Product(Box<Product>),
    License(Box<License>, Option<Box<User>>),
    Environment(Box<Environment>),
}

impl Holder {
    fn read(db: &Db<'_>, account: Uuid, type_: BearerType, id: Uuid) -> Result<Option<Holder>> {
        Ok(match type_ {
            BearerType::User => db.get(account, id)?.map(|user| Holder::User(Box::new(user))),
            BearerType::Product => db.get(account, id)?.map(|product| Holder::Product(Box::new(product))),
            BearerType::Environment => {
                db.get(account, id)?.map(|environment| Holder::Environment(Box::new(environment)))
            }
            BearerType::License => match db.get::<License>(account, id)? {
                None => None,
                Some(license) => {
                    let owner = match license.owner_id {
                        Some(owner) => db.get(account, owner)?.map(Box::new),
                        None => None,
                    };
                    Some(Holder::License(Box::new(license), owner))
                }
            },
        })
    }

    fn role(&self) -> Role {
        match self {
            Holder::User(user) => user.role,
            Holder::Product(_) => Role::Product,
            Holder::License(..) => Role::License,
            Holder::Environment(_) => Role::Environment,
        }
    }

    /// 03 §10.3
    fn kind(&self) -> TokenKind {
        match self.role() {
            Role::Admin => TokenKind::Admin,
            Role::Developer => TokenKind::Developer,
            Role::SalesAgent => TokenKind::Sales,
            Role::SupportAgent => TokenKind::Support,
            Role::ReadOnly => TokenKind::ReadOnly,
            Role::User => TokenKind::User,
            Role::Product => TokenKind::Product,
            Role::License => TokenKind::Activation,
            Role::Environment => TokenKind::Environment,
        }
    }

    fn permissions(&self) -> PermissionSet {
        match self {
            Holder::User(user) => user.permissions,
            Holder::Product(product) => product.permissions,
            Holder::License(license, owner) => license_permissions(license, owner.as_deref()),
            Holder::Environment(_) => Role::Environment.default_permissions(),
        }
    }

    /// The stored set, which a token's set must lie within (08 §9.9).
    fn own_permissions(&self) -> PermissionSet {
        match self {
            Holder::License(license, _) => license.permissions,
            other => other.permissions(),
        }
    }

    fn environment_id(&self) -> Option<Uuid> {
        match self {
            Holder::User(user) => user.environment_id,
            Holder::Product(product) => product.environment_id,
            Holder::License(license, _) => license.environment_id,
            Holder::Environment(environment) => Some(environment.id),
        }
    }

    fn reference(&self) -> (BearerType, Uuid) {
        match self {
            Holder::User(user) => (BearerType::User, user.id),
            Holder::Product(product) => (BearerType::Product, product.id),
            Holder::License(license, _) => (BearerType::License, license.id),
            Holder::Environment(environment) => (BearerType::Environment, environment.id),
        }
    }
}

fn holder(token: &Token, view: &View<'_>) -> Result<Holder> {
    Holder::read(view.db, view.account, token.bearer_type, token.bearer_id)?
        .ok_or_else(|| Ctx::broken("a token without its bearer"))
}

impl Resource for Token {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        let mut token = Token::new(id, cx.account.id, environment, cx.now);
        token.permissions = PermissionSet::wildcard();
        token
    }

    /// 03 §10.10
    fn scope(cx: &Ctx, filter: &mut Where) {
        match &cx.subject.bearer {
            Bearer::Anonymous => filter.never(),
            Bearer::User(user) if user.role != Role::User => {}
            Bearer::Environment(_) => {
                let sql = "(tokens.user_id IS NULL
                     OR tokens.user_id NOT IN (SELECT id FROM users WHERE account_id = ? AND role = ?))";
                filter.and(sql, [cx.account.id.to_val(), Role::Admin.to_val()]);
            }
            Bearer::Product(product) => {
                // Token by token: a product can have more licenses than are worth listing for a page.
                let sql = format!(
                    "(tokens.product_id = ? OR EXISTS
                       (SELECT 1 FROM licenses WHERE licenses.id = tokens.license_id AND licenses.product_id = ?)
                     OR {})",
                    super::users::HOLDS_OF_PRODUCT.replace("{user}", "tokens.user_id")
                );
                filter.and(sql, std::iter::repeat_n(product.id.to_val(), 3));
            }
            Bearer::User(user) => filter.equals("tokens.user_id", user.id),
            Bearer::License(bearer) => filter.equals("tokens.license_id", bearer.license.id),
        }
    }

    /// 03 §10.1, §10.9: products stop at users with a role in the staff.
    fn letters(&self, cx: &Ctx, db: &Db<'_>) -> Result<Letters> {
        let letters = cx.subject.bearer.letters();
        let own = self.is_of(&cx.subject.bearer);
        Ok(match &cx.subject.bearer {
            Bearer::Product(_) if !own && self.bearer_type == BearerType::User => {
                let user: Option<User> = db.get(cx.account.id, self.bearer_id)?;
                if user.is_some_and(|user| user.role == Role::User) { letters } else { NONE }
            }
            _ => letters,
        })
    }

    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        change.attributes(v);
        let token = change.record;
        let holder = Holder::read(change.db, token.account_id, token.bearer_type, token.bearer_id)?
            .ok_or_else(|| Ctx::broken("a token without its bearer"))?;
        let own = holder.own_permissions();
        let allowed = if own.has_wildcard() { holder.role().allowed() } else { own };
        if !token.permissions.is_subset(allowed.union(PermissionSet::wildcard())) {
            v.attribute("permissions", "NOT_ALLOWED", "unsupported permissions");
        }
        check_environment(change, &holder, v)
    }
}

/// 03 §10.6: the token's environment must fit its bearer's.
fn check_environment(change: &Change<'_, Token>, holder: &Holder, v: &mut Validation) -> Result<()> {
    if let Some(id) = change.record.environment_id
        && change.db.get::<Environment>(change.cx.account.id, id)?.is_none()
    {
        v.relationship("environment", "NOT_FOUND", "must exist");
        return Ok(());
    }
    if matches!(holder, Holder::Environment(_)) {
        return Ok(());
    }
    let admin = holder.role() == Role::Admin;
    if !compatible(change.cx, change.db, change.record.environment_id, holder.environment_id(), admin)? {
        v.relationship("environment", "NOT_ALLOWED", "must be compatible with bearer environment");
    }
    Ok(())
}

fn filter_by_bearer(cx: &Ctx, value: &QueryValue, filter: &mut Where) {
    let QueryValue::Object(members) = value else { return };
    let texts = |value: &QueryValue| -> Vec<String> {
        let items = match value {
            QueryValue::Scalar(text) => vec![text.clone()],
            QueryValue::Array(items) => items.iter().filter_map(QueryValue::as_str).map(str::to_owned).collect(),
            QueryValue::Object(_) => Vec::new(),
        };
        items.into_iter().filter(|text| !text.trim().is_empty()).collect()
    };
    let members: Vec<(&str, Vec<String>)> = members
        .iter()
        .map(|(name, value)| (name.as_str(), texts(value)))
        .filter(|(_, texts)| !texts.is_empty())
        .collect();
    if members.is_empty() {
        return;
    }
    let mut known = false;
    for (name, texts) in &members {
        match *name {
            "type" => {
                known = true;
                let wanted = texts[0].strip_suffix('s').unwrap_or(&texts[0]);
                match BearerType::ALL.iter().find(|t| t.as_str().strip_suffix('s') == Some(wanted)) {
                    Some(type_) => filter.equals("tokens.bearer_type", *type_),
                    None => filter.never(),
                }
            }
            "id" => {
                known = true;
                match crate::model::coerce::uuid_from_text(&texts[0]) {
                    Some(id) => filter.equals("tokens.bearer_id", id),
                    None => filter.never(),
                }
            }
            "role" => {
                known = true;
                let mut parts = Vec::new();
                let mut args: Vec<Val> = Vec::new();
                for role in Role::ALL.iter().copied().filter(|role| texts.iter().any(|text| text == role.as_str())) {
                    let type_ = match role {
                        Role::Product => BearerType::Product,
                        Role::License => BearerType::License,
                        Role::Environment => BearerType::Environment,
                        role => {
                            parts.push("tokens.user_id IN (SELECT id FROM users WHERE account_id = ? AND role = ?)");
                            args.extend([cx.account.id.to_val(), role.to_val()]);
                            continue;
                        }
                    };
                    parts.push("tokens.bearer_type = ?");
                    args.push(type_.to_val());
                }
                if parts.is_empty() { filter.never() } else { filter.and(format!("({})", parts.join(" OR ")), args) }
            }
            _ => {}
        }
    }
    if !known {
        filter.never();
    }
}

impl Token {
    /// The token belongs to this bearer. Ids alone do not tell: clients choose those of licenses.
    fn is_of(&self, bearer: &Bearer) -> bool {
        bearer.bearer_type().zip(bearer.id()) == Some((self.bearer_type, self.bearer_id))
    }
}

impl nested::Within<Product> for Token {
    fn within(parent: &Product, filter: &mut Where) {
        filter.equals("tokens.product_id", parent.id);
    }
}
impl nested::Within<License> for Token {
    fn within(parent: &License, filter: &mut Where) {
        filter.equals("tokens.license_id", parent.id);
    }
}
impl nested::Within<User> for Token {
    fn within(parent: &User, filter: &mut Where) {
        filter.equals("tokens.user_id", parent.id);
    }

    /// A product sees those of users that hold one of its licenses (03 §10.1).
    fn letters_within(&self, parent: &User, letters: Letters, cx: &Ctx, db: &Db<'_>) -> Result<Letters> {
        Ok(match &cx.subject.bearer {
            Bearer::Product(product) if !holds_of(db, parent.id, product.id)? => NONE,
            _ => letters,
        })
    }
}

/// The user holds a license of the product.
fn holds_of(db: &Db<'_>, user: Uuid, product: Uuid) -> Result<bool> {
    Ok(db.exists("user_licenses WHERE user_id = ? AND product_id = ?", &[user.to_val(), product.to_val()])?)
}

/// `PUT /tokens` (03 §10.8)
fn regenerate_current(cx: &Ctx, _db: &Db<'_>) -> Result<Outcome> {
    let Some(token) = &cx.subject.token else {
        return Err(ApiError::not_found("The requested token was not found"));
    };
    cx.authorize(None, Records::One(token.environment_id), cx.subject.bearer.letters())?;
    renew(token.id)
}

/// `PUT /tokens/{id}` (03 §10.8)
fn regenerate(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let token: Token = find(cx, db, cx.param("id"))?;
    let holder = Holder::read(db, cx.account.id, token.bearer_type, token.bearer_id)?;
    let holder = holder.ok_or_else(|| Ctx::broken("a token without its bearer"))?;
    let end_user = holder.role() == Role::User;
    let may = token.is_of(&cx.subject.bearer)
        || match &cx.subject.bearer {
            Bearer::User(user) if matches!(user.role, Role::Admin | Role::Developer) => {
                end_user || !matches!(holder, Holder::User(_))
            }
            Bearer::Environment(_) => end_user || matches!(holder, Holder::Product(_) | Holder::License(..)),
            // Those of its licenses and their users are in its scope.
            Bearer::Product(_) => end_user || matches!(holder, Holder::License(..)),
            _ => false,
        };
    let letters = if may { cx.subject.bearer.letters() } else { NONE };
    cx.authorize(None, Records::One(token.environment_id), letters)?;
    renew(token.id)
}

/// Replaces the secret; the old one is void with the commit (03 §10.8).
fn renew(id: Uuid) -> Result<Outcome> {
    Outcome::write(move |cx, db| {
        let mut token: Token = reload(cx, db, id)?;
        let holder = Holder::read(db, cx.account.id, token.bearer_type, token.bearer_id)?
            .ok_or_else(|| Ctx::broken("a token without its bearer"))?;
        let secret = secrets::generate_token(holder.kind());
        token.digest = secrets::digest(&cx.keys.secret_key, &secret);
        token.expires_at = token.expires_at.map(|_| default_expiry(cx.now));
        token.touch(cx.now);
        db.update(&token)?;
        emit(cx, db, "token.regenerated", &token)?;
        Ok(Reply::data(with_secret(cx, db, &token, secret)?))
    })
}

/// The token's document with its secret, which is shown this once.
fn with_secret(cx: &Ctx, db: &Db<'_>, token: &Token, secret: String) -> Result<Json> {
    let mut data = render(token, &View::new(cx, db))?;
    if let Some(Json::Obj(attributes)) = data.get_mut("attributes") {
        attributes.insert(1, (Text::Borrowed("token"), Json::str(secret)));
    }
    Ok(data)
}

/// Ends all tokens of a user but one (03 §10.9).
pub(super) fn revoke_all(db: &Db<'_>, user: Uuid, except: Option<Uuid>) -> Result<()> {
    let except = except.unwrap_or(Uuid::nil());
    db.execute("DELETE FROM tokens WHERE user_id = ? AND id <> ?", &[user.to_val(), except.to_val()])?;
    Ok(())
}

/// `DELETE /tokens/{id}` (03 §10.9)
fn revoke(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let token: Token = find(cx, db, cx.param("id"))?;
    let own = token.is_of(&cx.subject.bearer);
    let any = cx.subject.bearer.letters().intersects(A | D | E | P);
    let letters = if own || any { token.letters(cx, db)? } else { NONE };
    cx.authorize(None, Records::One(token.environment_id), letters)?;
    let id = token.id;
    Outcome::write(move |cx, db| {
        let token: Token = reload(cx, db, id)?;
        emit(cx, db, "token.revoked", &token)?;
        db.delete(&token)?;
        Ok(Reply::empty(204))
    })
}
