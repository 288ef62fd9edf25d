//! Passwords of users (03 §12): asking for a reset, resetting with the mailed token, changing.

use super::context::{Ctx, Where};
use super::crud;
use super::events;
use super::nested::of_parent;
use super::rate_limits::Limiter;
use super::resource::Resource;
use super::route::{Auth, Outcome, Reply, Route, post};
use super::tokens;
use super::validation::Validation;
use crate::crypto::{password, token as secrets};
use crate::http::error::{ApiError, Result};
use crate::http::params::{Member, Node, Schema};
use crate::json::Json;
use crate::mail::texts::{self, PasswordReset};
use crate::model::{Column as _, Environment, Role, User, Val};
use crate::store::Db;
use std::sync::LazyLock;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

pub(super) const ROUTES: &[Route] =
    &[post("passwords", forgot).allow(crate::auth::letters::ALL).auth(Auth::None).limit(Limiter::ResetPassword)];

/// Length of a password in characters (03 §12).
const SHORTEST: usize = 6;
const LONGEST: usize = 72;

/// A reset token is good for this long.
const RESET_SECONDS: i64 = 24 * 3600;

/// A password that a body sends and that may be stored; anything else is validation's to refuse.
pub(super) fn sent(params: &Json) -> Option<Zeroizing<String>> {
    let text = params.at(&["data", "attributes", "password"])?.as_str()?;
    fits(text).then(|| Zeroizing::new(text.to_owned()))
}

/// The text can be a password.
pub fn fits(text: &str) -> bool {
    length_problem(text).is_none()
}

/// Code suffix and detail of a password of the wrong length (04 §2.1).
pub fn length_problem(text: &str) -> Option<(&'static str, &'static str)> {
    match text.chars().count() {
        n if n < SHORTEST => Some(("TOO_SHORT", "is too short (minimum is 6 characters)")),
        n if n > LONGEST => Some(("TOO_LONG", "is too long (maximum is 72 characters)")),
        _ => None,
    }
}

fn of_meta(members: Vec<Member>) -> Schema {
    Schema::body(vec![Member::new("meta", Node::Object(members)).required()])
}

static FORGOT: LazyLock<Schema> = LazyLock::new(|| {
    of_meta(vec![Member::new("email", Node::String).required(), Member::new("deliver", Node::Boolean)])
});
static RESET: LazyLock<Schema> = LazyLock::new(|| {
    of_meta(vec![
        Member::new("password_reset_token", Node::String).required(),
        Member::new("new_password", Node::String).required(),
    ])
});
static UPDATE: LazyLock<Schema> = LazyLock::new(|| {
    of_meta(vec![
        Member::new("old_password", Node::String).required(),
        Member::new("new_password", Node::String).required(),
    ])
});

fn meta(params: &Json, name: &str) -> Zeroizing<String> {
    Zeroizing::new(params.at(&["meta", name]).and_then(Json::as_str).unwrap_or_default().to_owned())
}

/// `POST /passwords` (03 §12.1). The answer never tells whether the address is known.
fn forgot(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let params = FORGOT.check(cx.body_or_empty(), cx.who())?;
    let address = crate::model::email::normalize(&meta(&params, "email"));
    let deliver = params.at(&["meta", "deliver"]).and_then(Json::as_bool) != Some(false);
    let args = [cx.account.id.to_val(), Val::Text(address)];
    let Some(user) = db.find::<User>("WHERE account_id = ? AND email = ?", &args)? else {
        return Ok(Outcome::Reply(Reply::empty(204)));
    };
    let id = user.id;
    Outcome::write(move |cx, db| {
        // Gone meanwhile is unknown.
        let Some(mut user) = db.get::<User>(cx.account.id, id)? else { return Ok(Reply::empty(204)) };
        let token = Zeroizing::new(secrets::generate_reset_token());
        user.password_reset_digest = Some(secrets::digest(&cx.keys.secret_key, &token));
        user.password_reset_at = Some(cx.now);
        db.update(&user)?;
        events::emit(cx, db, "user.password-reset", &user)?;
        let reply = Reply::empty(204);
        let Some(mailer) = cx.app.mailer.clone().filter(|_| deliver) else { return Ok(reply) };
        let environment = match user.environment_id {
            Some(id) => db.get::<Environment>(cx.account.id, id)?.map(|environment| environment.code),
            None => None,
        };
        let account = cx.account.clone();
        Ok(reply.then(move |app| {
            let environment = environment.as_deref();
            let mail = PasswordReset { account: &account, environment, email: &user.email, token: &token };
            mailer.deliver(texts::password_reset(&app.config, &mail));
        }))
    })
}

/// `POST /users/{id}/actions/reset-password` (03 §12.2)
pub(super) fn reset(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let named = cx.param("id");
    // In the whole account: a user of another environment is refused below.
    let user: User = crud::find_within(cx, db, named, Where::default())?;
    let record = Ctx::environment_of(&user);
    cx.authorize(of_parent(&user), record, crate::auth::letters::ALL)?;
    if user.role == Role::User && user.password_digest.is_none() && cx.account.protected {
        return Err(ApiError::denied("ensure a token or license is present and valid"));
    }
    let params = RESET.check(cx.body_or_empty(), cx.who())?;
    check_reset(cx, &user, &params)?;
    let new = meta(&params, "new_password");
    check_new(&new)?;
    Outcome::blocking(move |_| {
        let digest = password::hash_password(&new);
        Outcome::write(move |cx, db| {
            let mut user: User = crud::reload(cx, db, user.id)?;
            // The token works once: another request may have used it meanwhile.
            check_reset(cx, &user, &params)?;
            set(cx, db, &mut user, digest)?;
            tokens::revoke_all(db, user.id, None)?;
            crud::show_reply(cx, db, &user)
        })
    })
}

fn check_reset(cx: &Ctx, user: &User, params: &Json) -> Result<()> {
    let given = secrets::digest(&cx.keys.secret_key, &meta(params, "password_reset_token"));
    let known = user.password_reset_digest.as_deref().unwrap_or_default();
    let sent_at = user.password_reset_at.filter(|_| bool::from(given.as_bytes().ct_eq(known.as_bytes())));
    let Some(sent_at) = sent_at else { return Err(ApiError::no_such(User::def().name, cx.param("id"))) };
    if sent_at.plus_seconds(RESET_SECONDS) < cx.now {
        return Err(ApiError::refused("is expired").pointer("/meta/passwordResetToken"));
    }
    Ok(())
}

/// `POST /users/{id}/actions/update-password` (03 §12.3)
pub(super) fn update(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let user: User = crud::authorized(cx, db)?;
    let params = UPDATE.check(cx.body_or_empty(), cx.who())?;
    Outcome::blocking(move |_| {
        let wrong = || ApiError::refused("is not valid").pointer("/meta/oldPassword");
        let stored = user.password_digest.clone().ok_or_else(wrong)?;
        if !password::verify_password(&meta(&params, "old_password"), &stored) {
            return Err(wrong());
        }
        let new = meta(&params, "new_password");
        check_new(&new)?;
        let digest = password::hash_password(&new);
        Outcome::write(move |cx, db| {
            let mut user: User = crud::reload(cx, db, user.id)?;
            if user.password_digest.as_deref() != Some(&stored) {
                return Err(wrong());
            }
            set(cx, db, &mut user, digest)?;
            tokens::revoke_all(db, user.id, cx.subject.token.as_ref().map(|token| token.id))?;
            crud::show_reply(cx, db, &user)
        })
    })
}

fn check_new(text: &str) -> Result<()> {
    let mut v = Validation::new(User::def().path, User::def().code);
    if let Some((suffix, detail)) = length_problem(text) {
        v.attribute("password", suffix, detail);
    }
    v.finish()
}

/// Stores a password; an outstanding reset is void with it.
fn set(cx: &Ctx, db: &Db<'_>, user: &mut User, digest: String) -> Result<()> {
    user.password_digest = Some(digest);
    user.password_reset_digest = None;
    user.password_reset_at = None;
    user.updated_at = cx.now;
    Ok(db.update(user)?)
}
