//! Ping and health (01 §20).

use super::app::App;
use super::route::{Prefix, Reply, Route, open};
use crate::http::error::Result;
use crate::store::Db;

pub(super) const ROUTES: &[Route] = &[
    open("ping", ping),
    open("health", health).prefix(Prefix::Bare),
    open("health/webhooks", health).prefix(Prefix::Bare),
];

fn ping(_: &App, _: &Db<'_>) -> Result<Reply> {
    Ok(Reply::empty(200))
}

/// The database answers. (No webhook is delivered by this version, so none can be overdue.)
fn health(_: &App, db: &Db<'_>) -> Result<Reply> {
    db.exists("accounts", &[])?;
    Ok(Reply::empty(204))
}
