//! `/me` and `/profile` (03 §11): the bearer itself.

use super::context::Ctx;
use super::render::{View, render};
use super::resource::Stance;
use super::route::{Outcome, Reply, Route, get};
use crate::auth::{Bearer, Records, letters::*};
use crate::http::error::Result;
use crate::json::Json;
use crate::model::{Column as _, License, Role};
use crate::store::Db;

pub(super) const ROUTES: &[Route] = &[get("me", me).allow(ALL), get("profile", profile).allow(ALL)];

/// What showing the bearer asks for.
fn permissions(cx: &Ctx) -> &'static [&'static str] {
    match cx.subject.bearer.role() {
        Some(Role::Product) => &["product.read"],
        Some(Role::License) => &["license.read"],
        Some(Role::Environment) => &["environment.read"],
        _ => &["user.read"],
    }
}

fn document(cx: &Ctx, db: &Db<'_>) -> Result<Json> {
    let view = View::new(cx, db);
    match &cx.subject.bearer {
        Bearer::User(user) => render(user.as_ref(), &view),
        Bearer::Product(product) => render(product.as_ref(), &view),
        Bearer::License(bearer) => render::<License>(&bearer.license, &view),
        Bearer::Environment(environment) => render(environment.as_ref(), &view),
        Bearer::Anonymous => Ok(Json::Null),
    }
}

/// Only `/profile` has the environment rule of showing the bearer: a global admin inside an isolated environment has a `/me`.
fn authorize(cx: &Ctx, record: Records, also: &'static [&'static str]) -> Result<()> {
    cx.authorize(None, record, Stance { also, ..Stance::from(cx.subject.bearer.letters()) })
}

fn me(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    authorize(cx, Records::None, permissions(cx))?;
    let mut reply = Json::obj([("data", document(cx, db)?)]);
    if let Some(token) = &cx.subject.token {
        reply.set("included", Json::Arr(vec![render(token, &View::new(cx, db))?]));
    }
    Ok(Outcome::Reply(Reply::ok(reply)))
}

fn profile(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let admin = cx.subject.bearer.role() == Some(Role::Admin);
    let record = Records::One(cx.subject.bearer.environment_id());
    authorize(cx, record, if admin { &["user.read", "admin.read"] } else { permissions(cx) })?;
    let token = cx.subject.token.as_ref().map(|token| token.id);
    let meta = Json::obj([("tokenId", token.map_or(Json::Null, |id| id.to_json()))]);
    Ok(Outcome::Reply(Reply::ok(Json::obj([("data", document(cx, db)?), ("meta", meta)]))))
}
