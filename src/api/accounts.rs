//! Accounts (05 §1).

use super::context::Ctx;
use super::render::relationship;
use super::route::{Outcome, Prefix, Reply, Route, get};
use crate::auth::{Records, letters::*};
use crate::http::error::Result;
use crate::http::negotiate::Accepts;
use crate::json::{Json, Text};
use crate::model::Column as _;
use crate::store::Db;

pub(super) const ROUTES: &[Route] =
    &[get("", show).can(&["account.read"]).allow(ALL).prefix(Prefix::Long).accepts(Accepts::Json)];

/// Relationships of an account and their paths (05 §1.4).
const RELATED: &[(&str, &str)] = &[
    ("settings", "settings"),
    ("webhookEndpoints", "webhook-endpoints"),
    ("webhookEvents", "webhook-events"),
    ("products", "products"),
    ("platforms", "platforms"),
    ("arches", "arches"),
    ("channels", "channels"),
    ("releases", "releases"),
    ("artifacts", "artifacts"),
    ("policies", "policies"),
    ("users", "users"),
    ("keys", "keys"),
    ("licenses", "licenses"),
    ("machines", "machines"),
    ("components", "components"),
    ("processes", "processes"),
    ("tokens", "tokens"),
];

fn show(cx: &Ctx, _db: &Db<'_>) -> Result<Outcome> {
    cx.authorize(None, Records::Unbound, cx.subject.bearer.letters())?;
    Ok(Outcome::Reply(Reply::data(document(cx))))
}

/// The resource object of the request's account.
pub(super) fn document(cx: &Ctx) -> Json {
    let account = &cx.account;
    let path = cx.account_path();
    let relationships = RELATED
        .iter()
        .map(|(name, below)| (Text::Borrowed(*name), relationship(Some(format!("{path}/{below}")), None)))
        .collect();
    let public = &cx.keys.public;
    Json::obj([
        ("id", account.id.to_json()),
        ("type", "accounts".into()),
        (
            "attributes",
            Json::obj([
                ("name", account.name.to_json()),
                ("slug", account.slug.to_json()),
                ("apiVersion", account.api_version.to_json()),
                ("protected", account.protected.to_json()),
                ("status", "SUBSCRIBED".into()),
                ("created", account.created_at.to_json()),
                ("updated", account.updated_at.to_json()),
            ]),
        ),
        ("relationships", Json::Obj(relationships)),
        ("links", Json::obj([("self", Json::str(path))])),
        (
            "meta",
            Json::obj([
                ("publicKey", Json::str(public.rsa_b64())),
                (
                    "keys",
                    Json::obj([
                        ("ed25519", Json::str(public.ed25519_b64())),
                        ("rsa2048", Json::str(public.rsa_b64())),
                        ("ecdsa", Json::str(public.ecdsa_b64())),
                    ]),
                ),
            ]),
        ),
    ])
}
