//! Second factors of users (03 §13): time-based one-time codes.

use super::context::{Ctx, Where};
use super::crud::{self, find};
use super::events::Origin;
use super::render::{View, render};
use super::resource::{Attr, Def, Kind, Link, Rel, Resource, attributes};
use super::route::{Outcome, Reply};
use super::{list, nested};
use crate::auth::{Bearer, Letters, letters::*};
use crate::crypto::{password, totp};
use crate::http::error::{ApiError, Result};
use crate::http::params::{Member, Node, Schema};
use crate::json::{Json, Text};
use crate::model::{Column as _, SecondFactor, Time, User};
use crate::store::{Db, StoreError};
use std::sync::LazyLock;
use uuid::Uuid;
use zeroize::Zeroizing;

const ATTRIBUTES: &[Attr<SecondFactor>] = attributes![SecondFactor:
    enabled "enabled" (Kind::Boolean);
];

static DEF: Def<SecondFactor> = Def {
    type_: "second-factors",
    types: &["second-factor", "second-factors", "second_factor", "second_factors", "secondFactor", "secondFactors"],
    name: "second factor",
    role: "second factor",
    path: "second-factors",
    event: "second-factor",
    code: "SECOND_FACTOR",
    alias: None,
    client_id: NONE,
    attributes: ATTRIBUTES,
    relationships: &[Rel::one("user", "user", "users", Link::Target, |factor| Some(factor.user_id))],
    filters: &[],
    order: &[],
    bare: true,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

impl Resource for SecondFactor {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        SecondFactor::new(id, cx.account.id, environment, cx.now)
    }

    /// Users of role `user` see their own, and other kinds of bearers none (03 §13.1).
    fn scope(cx: &Ctx, filter: &mut Where) {
        match &cx.subject.bearer {
            Bearer::User(_) => {
                if let Some(user) = cx.subject.bearer.end_user() {
                    filter.equals("second_factors.user_id", user.id);
                }
            }
            _ => filter.never(),
        }
    }

    fn letters(&self, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(cx.subject.bearer.letters())
    }

    fn links(&self, _path: String) -> Json {
        let path = format!("/v1/accounts/{}/users/{}/second-factors/{}", self.account_id, self.user_id, self.id);
        Json::obj([("self", Json::str(path))])
    }
}

impl nested::Within<User> for SecondFactor {
    fn within(parent: &User, filter: &mut Where) {
        filter.equals("second_factors.user_id", parent.id);
    }
}

/// `GET …/second-factors`: an empty list is anybody's who may see the user, but no outsider's (03 §13.1).
pub(super) fn index(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let user: User = find(cx, db, cx.param("id"))?;
    let mut filter = Where::default();
    SecondFactor::scope(cx, &mut filter);
    <SecondFactor as nested::Within<User>>::within(&user, &mut filter);
    let listed = list::select::<SecondFactor>(cx, db, filter, |_| false)?;
    let letters = user.letters(cx, db)?;
    let may = listed.records.is_empty() || letters.intersects(A | SELF);
    let letters = if may { letters } else { NONE };
    cx.authorize(nested::of_parent(&user), Ctx::environments_of(&listed.records), letters)?;
    let mut data = Vec::new();
    for factor in &listed.records {
        data.push(document(cx, db, &user, factor)?);
    }
    list::reply_with(cx, listed, Json::Arr(data))
}

/// `GET …/second-factors/{id}`
pub(super) fn show(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let (user, factor) = found(cx, db)?;
    Ok(Outcome::Reply(Reply::data(document(cx, db, &user, &factor)?)))
}

/// The user of the path and its second factor, authorized.
fn found(cx: &Ctx, db: &Db<'_>) -> Result<(User, SecondFactor)> {
    let user: User = find(cx, db, cx.param("id"))?;
    let mut filter = Where::default();
    <SecondFactor as nested::Within<User>>::within(&user, &mut filter);
    let factor: SecondFactor = crud::find_within(cx, db, cx.param("child"), filter)?;
    cx.authorize(nested::of_parent(&user), Ctx::environment_of(&factor), user.letters(cx, db)?)?;
    Ok((user, factor))
}

/// The resource object; secret and URI as long as the factor is not enabled (03 §13.2).
fn document(cx: &Ctx, db: &Db<'_>, user: &User, factor: &SecondFactor) -> Result<Json> {
    let mut data = render(factor, &View::new(cx, db))?;
    if !factor.enabled
        && let Some(Json::Obj(attributes)) = data.get_mut("attributes")
    {
        let secret = open(cx, factor)?;
        let uri = totp::provisioning_uri(&user.email, &secret);
        attributes.insert(0, (Text::Borrowed("uri"), Json::str(uri)));
        attributes.insert(1, (Text::Borrowed("secret"), Json::str(secret.as_str().to_owned())));
    }
    Ok(data)
}

fn open(cx: &Ctx, factor: &SecondFactor) -> Result<Zeroizing<String>> {
    cx.app.open_secret(factor.account_id, SEALED_AS, &factor.secret).map(Zeroizing::new).map_err(ApiError::internal)
}

/// What a sealed secret is tied to.
const SEALED_AS: &str = "second factor";

/// A user's second factor.
pub(super) fn of_user(db: &Db<'_>, user: Uuid) -> std::result::Result<Option<SecondFactor>, StoreError> {
    db.find("WHERE user_id = ?", &[user.to_val()])
}

/// Accepts a code in the writer: every step once, also for two requests at the same time (03 §13).
pub(super) fn accept(app: &super::App, db: &Db<'_>, factor: &SecondFactor, code: &str, now: Time) -> Result<bool> {
    let secret = app.open_secret(factor.account_id, SEALED_AS, &factor.secret).map_err(ApiError::internal)?;
    let secret = Zeroizing::new(secret);
    let current: Option<SecondFactor> = db.get(factor.account_id, factor.id)?;
    let Some(current) = current else { return Ok(false) };
    let last = current.last_step_at.map(Time::seconds);
    let Some(step) = totp::verify(&secret, code, now.seconds(), last) else { return Ok(false) };
    let args = [Time(step * 1000).to_val(), current.id.to_val()];
    db.execute("UPDATE second_factors SET last_step_at = ? WHERE id = ?", &args)?;
    Ok(true)
}

/// 401 `OTP_INVALID` (03 §13.3)
fn otp_invalid() -> ApiError {
    ApiError::unauthorized("OTP_INVALID", "second factor must be valid").pointer("/meta/otp")
}

fn meta(required: bool, members: Vec<Member>) -> Member {
    let member = Member::new("meta", Node::Object(members));
    if required { member.required() } else { member }
}

fn data(attributes: Option<Member>) -> Member {
    let mut members = vec![Member::new("type", Node::OneOf(DEF.types.to_vec()))];
    match attributes {
        None => Member::new("data", Node::Object(members)),
        Some(attributes) => {
            members[0].required = true;
            members.push(Member::new("id", Node::String));
            members.push(attributes);
            Member::new("data", Node::Object(members)).required()
        }
    }
}

static CREATE: LazyLock<Schema> = LazyLock::new(|| {
    let members = vec![Member::new("password", Node::String), Member::new("otp", Node::String)];
    Schema::body(vec![data(None), meta(true, members)])
});
static UPDATE: LazyLock<Schema> = LazyLock::new(|| {
    let enabled = Member::new("enabled", Node::Boolean).required();
    let attributes = Member::new("attributes", Node::Object(vec![enabled])).required();
    Schema::body(vec![data(Some(attributes)), meta(true, vec![Member::new("otp", Node::String).required()])])
});
static DELETE: LazyLock<Schema> =
    LazyLock::new(|| Schema::body(vec![meta(false, vec![Member::new("otp", Node::String)])]));

fn text(params: &Json, name: &str) -> Option<Zeroizing<String>> {
    params.at(&["meta", name]).and_then(Json::as_str).map(|text| Zeroizing::new(text.to_owned()))
}

/// Events name the user as their resource (03 §13.3).
fn emit(cx: &Ctx, db: &Db<'_>, event: &str, factor: &SecondFactor) -> Result<()> {
    let resource = ("users", factor.user_id, factor.environment_id);
    Ok(Origin::of(cx).emit(db, event, resource, None)?)
}

/// `POST …/second-factors`
pub(super) fn create(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let user: User = find(cx, db, cx.param("id"))?;
    let environment = cx.environment_id().or(user.environment_id);
    let factor = SecondFactor::fresh(cx, Uuid::now_v7(), environment);
    cx.authorize(nested::of_parent(&user), Ctx::environment_of(&factor), user.letters(cx, db)?)?;
    let params = CREATE.check(cx.body_or_empty(), cx.who())?;
    let id = user.id;
    if let Some(known) = of_user(db, user.id)?.filter(|known| known.enabled) {
        // A good code is used up by the refusal that follows; so it is recorded in a write of its own.
        return Outcome::blocking(move |cx| {
            let (app, now) = (cx.app.clone(), cx.now);
            let code = text(&params, "otp").unwrap_or_default();
            let accepted = cx.app.store.write_blocking(move |db| accept(&app, db, &known, &code, now))?;
            Err(if accepted { ApiError::conflict() } else { otp_invalid() })
        });
    }
    let store = move || {
        Outcome::write(move |cx, db| {
            let user: User = crud::reload(cx, db, id)?;
            if of_user(db, id)?.is_some() {
                return Err(ApiError::conflict());
            }
            let mut factor = factor;
            factor.user_id = id;
            let secret = Zeroizing::new(totp::generate_secret());
            factor.secret = cx.app.seal_secret(factor.account_id, SEALED_AS, &secret);
            db.insert(&factor)?;
            emit(cx, db, "second-factor.created", &factor)?;
            Ok(Reply::created(document(cx, db, &user, &factor)?))
        })
    };
    Outcome::blocking(move |_| {
        let wrong = || ApiError::unauthorized("PASSWORD_INVALID", "password must be valid").pointer("/meta/password");
        let stored = user.password_digest.as_deref().ok_or_else(wrong)?;
        let given = text(&params, "password").unwrap_or_default();
        if !password::verify_password(&given, stored) {
            return Err(wrong());
        }
        store()
    })
}

/// `PATCH …/second-factors/{id}`
pub(super) fn update(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let (user, factor) = found(cx, db)?;
    let params = UPDATE.check(cx.body_or_empty(), cx.who())?;
    Outcome::write(move |cx, db| {
        let code = text(&params, "otp").unwrap_or_default();
        if !accept(&cx.app, db, &factor, &code, cx.now)? {
            return Err(otp_invalid());
        }
        let mut factor: SecondFactor = crud::reload(cx, db, factor.id)?;
        factor.enabled = params.at(&["data", "attributes", "enabled"]).and_then(Json::as_bool) == Some(true);
        factor.updated_at = cx.now;
        db.update(&factor)?;
        emit(cx, db, if factor.enabled { "second-factor.enabled" } else { "second-factor.disabled" }, &factor)?;
        Ok(Reply::data(document(cx, db, &user, &factor)?))
    })
}

/// `DELETE …/second-factors/{id}`
pub(super) fn delete(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let (_, factor) = found(cx, db)?;
    let params = DELETE.check(cx.body_or_empty(), cx.who())?;
    Outcome::write(move |cx, db| {
        let factor: SecondFactor = crud::reload(cx, db, factor.id)?;
        let code = text(&params, "otp").unwrap_or_default();
        if factor.enabled && !accept(&cx.app, db, &factor, &code, cx.now)? {
            return Err(otp_invalid());
        }
        emit(cx, db, "second-factor.deleted", &factor)?;
        db.delete(&factor)?;
        Ok(Reply::empty(204))
    })
}
