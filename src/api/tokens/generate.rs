//! Making tokens (03 §10.6, §10.7): through `POST /tokens`, below their bearers, and from the command line.

use super::super::context::Ctx;
use super::super::crud;
use super::super::events::Origin;
use super::super::nested;
use super::super::resource::{Resource, linked};
use super::super::route::{Outcome, Reply};
use super::super::validation::{Change, Validation};
use super::{Holder, holds_of, with_secret};
use crate::auth::{Access, Bearer, Letters, Records, letters::*};
use crate::crypto::token as secrets;
use crate::http::error::{ApiError, Result};
use crate::http::params::{Member, Node, Schema, linkage};
use crate::json::Json;
use crate::model::{
    BearerType, Entity, Environment, IsolationStrategy, License, PermissionSet, Product, Role, Time, Token, User,
};
use crate::store::Db;
use uuid::Uuid;

/// Records that can be the bearer of tokens made below them.
pub trait TokenParent: Resource {
    /// The kind of bearer.
    const TYPE: BearerType;
    /// Status of a generation (03 §10.1).
    const STATUS: u16 = 200;

    /// What the bearer of the request is to it when a token is made.
    fn letters_to_generate(&self, cx: &Ctx, db: &Db<'_>) -> Result<Letters> {
        self.letters(cx, db)
    }

    /// Environment rule of the new token (03 §10.7).
    fn access(_cx: &Ctx) -> Access {
        Access::Write
    }

    /// The environment that its tokens belong to whatever the current one is.
    fn own_environment(&self) -> Option<Uuid> {
        None
    }
}

impl TokenParent for Product {
    const TYPE: BearerType = BearerType::Product;
}
impl TokenParent for License {
    const TYPE: BearerType = BearerType::License;
}
impl TokenParent for User {
    const TYPE: BearerType = BearerType::User;
    /// 03 §10.1: not everybody's who may see the user.
    fn letters_to_generate(&self, cx: &Ctx, db: &Db<'_>) -> Result<Letters> {
        let may = may_generate(cx, db, &Holder::User(Box::new(self.clone())))?;
        Ok(if may { self.letters(cx, db)? } else { NONE })
    }
    /// From the global environment a token for any environment may be made (05 §5.5).
    fn access(cx: &Ctx) -> Access {
        if cx.subject.environment.is_none() { Access::Read } else { Access::Write }
    }
}
impl TokenParent for Environment {
    const TYPE: BearerType = BearerType::Environment;
    const STATUS: u16 = 201;
    fn own_environment(&self) -> Option<Uuid> {
        Some(self.id)
    }
}

/// The body of token generation (03 §10.5).
fn schema(parent: Option<BearerType>) -> Schema {
    let mut attributes =
        vec![Member::new("name", Node::String).nullable(), Member::new("expiry", Node::Time).nullable()];
    let mut permissions = Member::new("permissions", Node::Strings).blank();
    if parent.is_some() {
        permissions = permissions.only(A.or(D).or(P).or(E).0);
    }
    attributes.push(permissions);
    if parent == Some(BearerType::License) {
        attributes.push(Member::new("max_activations", Node::Integer).nullable());
        attributes.push(Member::new("max_deactivations", Node::Integer).nullable());
    }
    let environment = Member::new(
        "environment",
        Node::Object(vec![Member::new("data", linkage(&["environment", "environments"])).required().nullable()]),
    );
    let mut relationships = vec![environment];
    let mut members = Vec::new();
    if parent.is_none() {
        let types = &["environment", "environments", "product", "products", "user", "users", "license", "licenses"];
        relationships.push(Member::new("bearer", Node::Object(vec![Member::new("data", linkage(types)).required()])));
        members.push(Member::new("meta", Node::Object(vec![Member::new("otp", Node::String).required()])));
    }
    members.insert(
        0,
        Member::new(
            "data",
            Node::Object(vec![
                Member::new("type", Node::OneOf(vec!["token", "tokens"])).required(),
                Member::new("attributes", Node::Object(attributes)),
                Member::new("relationships", Node::Object(relationships)),
            ]),
        ),
    );
    Schema::body(members)
}

/// `POST /tokens` (03 §10.6)
pub(super) fn generate(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let params = schema(None).check(cx.body_or_empty(), cx.who())?;
    super::super::resource::check_permission_names::<Token>(&params)?;
    let bearer = &cx.subject.bearer;
    let target = match params.at(&["data", "relationships", "bearer", "data"]) {
        None => bearer.bearer_type().zip(bearer.id()),
        Some(data) => {
            let name = data.get("type").and_then(Json::as_str).unwrap_or("").trim_end_matches('s');
            let type_ = BearerType::ALL.iter().find(|t| t.as_str().trim_end_matches('s') == name).copied();
            type_.zip(data.get("id").and_then(Json::as_str).and_then(crate::model::coerce::uuid_from_text))
        }
    };
    let holder = match target {
        Some((type_, id)) => Holder::read(db, cx.account.id, type_, id)?,
        None => None,
    };
    let of_holder = holder.as_ref().and_then(Holder::environment_id);
    let environment = linked(&params, "environment").unwrap_or(cx.environment_id().or(of_holder));
    authorize_generation(cx, db, holder.as_ref(), environment)?;
    let target = target.ok_or_else(|| Ctx::broken("an authorized token without bearer"))?;
    make(target, environment, params, (201, false), move |cx, db, holder| {
        authorize_generation(cx, db, holder, environment)
    })
}

/// May the request make a token for this bearer (`None`: there is none), in this environment (03 §10.6)?
fn authorize_generation(cx: &Ctx, db: &Db<'_>, holder: Option<&Holder>, environment: Option<Uuid>) -> Result<()> {
    let bearer = &cx.subject.bearer;
    let allowed = match holder {
        Some(holder) => may_generate(cx, db, holder)?,
        None => false,
    };
    let letters = if allowed { bearer.letters() } else { NONE };
    let access = if cx.subject.environment.is_none() { Access::Read } else { Access::Write };
    cx.authorize_as(access, None, Records::One(environment), letters)?;
    match bearer {
        Bearer::User(user) if user.banned_at.is_some() => Err(ApiError::denied("user is banned")),
        _ => Ok(()),
    }
}

/// 03 §10.6, the table of rules
fn may_generate(cx: &Ctx, db: &Db<'_>, holder: &Holder) -> Result<bool> {
    let bearer = &cx.subject.bearer;
    let itself = bearer.bearer_type().zip(bearer.id()) == Some(holder.reference());
    let end_user = matches!(holder, Holder::User(user) if user.role == Role::User);
    Ok(match bearer {
        Bearer::Anonymous | Bearer::License(_) => false,
        Bearer::Environment(_) => itself || end_user,
        Bearer::User(user) => itself || (matches!(user.role, Role::Admin | Role::Developer) && end_user),
        Bearer::Product(product) => match holder {
            Holder::License(license, _) => license.product_id == product.id,
            Holder::User(user) if end_user => holds_of(db, user.id, product.id)?,
            _ => false,
        },
    })
}

/// `POST` below a user, product, license or environment (03 §10.7)
pub fn generate_for<Parent: TokenParent>(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let parent: Parent = crud::find(cx, db, cx.param("id"))?;
    let params = schema(Some(Parent::TYPE)).check(cx.body_or_empty(), cx.who())?;
    super::super::resource::check_permission_names::<Token>(&params)?;
    let of_request = || parent.own_environment().or(cx.environment_id()).or(Entity::environment_id(&parent));
    let environment = linked(&params, "environment").unwrap_or_else(of_request);
    authorize_below(cx, db, &parent, environment)?;
    let id = parent.id();
    make((Parent::TYPE, id), environment, params, (Parent::STATUS, true), move |cx, db, _| {
        authorize_below::<Parent>(cx, db, &crud::reload(cx, db, id)?, environment)
    })
}

fn authorize_below<P: TokenParent>(cx: &Ctx, db: &Db<'_>, parent: &P, environment: Option<Uuid>) -> Result<()> {
    let letters = parent.letters_to_generate(cx, db)?;
    // An environment's tokens are made in that environment, whatever is asked for (05 §4).
    let judged = match parent.own_environment() {
        own @ Some(_) if own != cx.environment_id() => own,
        _ => environment,
    };
    cx.authorize_as(P::access(cx), nested::of_parent(parent), Records::One(judged), letters)
}

/// Stores the new token and answers with its secret, which is shown this once. `authorize` is asked once more in the writer:
/// the bearer may have gone meanwhile, or become somebody that the request may make no token for.
fn make(
    target: (BearerType, Uuid),
    environment: Option<Uuid>,
    params: Json,
    (status, below): (u16, bool),
    authorize: impl FnOnce(&Ctx, &Db<'_>, Option<&Holder>) -> Result<()> + Send + 'static,
) -> Result<Outcome> {
    Outcome::write(move |cx, db| {
        let (type_, id) = target;
        let holder = Holder::read(db, cx.account.id, type_, id)?;
        authorize(cx, db, holder.as_ref())?;
        let holder = holder.ok_or_else(|| Ctx::broken("an authorized token without bearer"))?;
        let mut token = Token::fresh(cx, Uuid::now_v7(), environment);
        token.bearer_type = type_;
        token.bearer_id = id;
        if holder.role() == Role::User {
            token.expires_at = Some(default_expiry(cx.now));
        }
        let bad = super::super::resource::apply(&mut token, &params);
        let secret = secrets::generate_token(holder.kind());
        token.digest = secrets::digest(&cx.keys.secret_key, &secret);
        let change = Change { cx, db, record: &token, before: None, bad: &bad, params: &params };
        crud::validate(&change)?;
        db.insert(&token)?;
        // Below a bearer the log names the bearer (03 §10.7).
        let resource = match below {
            true => (type_.as_str(), id, token.environment_id),
            false => (Token::def().type_, token.id, token.environment_id),
        };
        Origin::of(cx).emit(db, "token.generated", resource, None)?;
        let mut reply = Reply::created(with_secret(cx, db, &token, secret)?);
        if status != 201 {
            reply.status = status;
            reply.location = None;
        }
        Ok(reply)
    })
}

/// Two weeks (03 §10.4)
pub(super) fn default_expiry(now: Time) -> Time {
    now.plus_seconds(14 * 86_400)
}

/// An environment that the user can have a token of (03 §10.6): its own; any as a global administrator; shared ones as
/// another global user.
fn usable_environment(db: &Db<'_>, user: &User, code: &str) -> Result<Uuid> {
    let found = super::super::environments::find(db, user.account_id, code)?;
    let environment = found.ok_or_else(|| ApiError::no_such("environment", code))?;
    let fits = match user.environment_id {
        Some(own) => own == environment.id,
        None => user.role == Role::Admin || environment.isolation_strategy == IsolationStrategy::Shared,
    };
    if fits { Ok(environment.id) } else { Err(ApiError::unprocessable("must be compatible with bearer environment")) }
}

/// Makes a token of a user from the command line; gives its secret.
pub fn mint(app: &super::super::App, user: &User, environment: Option<&str>, name: &str) -> Result<String> {
    let keys = app.store.read(|db| app.keys(db, user.account_id).map_err(ApiError::internal))?;
    let environment = match environment {
        None => user.environment_id,
        Some(code) => Some(app.store.read(|db| usable_environment(db, user, code))?),
    };
    let holder = Holder::User(Box::new(user.clone()));
    let secret = secrets::generate_token(holder.kind());
    let mut token = Token::new(Uuid::now_v7(), user.account_id, environment, Time::now());
    token.name = Some(name.to_owned());
    (token.bearer_type, token.bearer_id) = holder.reference();
    token.permissions = PermissionSet::wildcard();
    let mut v = Validation::new(Token::def().path, Token::def().code);
    Change::check_rules(&token, &[], &mut v, "name");
    v.finish()?;
    token.digest = secrets::digest(&keys.secret_key, &secret);
    if user.role == Role::User {
        token.expires_at = Some(default_expiry(token.created_at));
    }
    app.store.write_blocking(move |db| Ok::<_, ApiError>(db.insert(&token)?))?;
    Ok(secret)
}
