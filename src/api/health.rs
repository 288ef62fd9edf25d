//! Ping and health (01 §20).

use super::app::App;
use super::route::{Bare, Opened, Prefix, Reply, Route, open};
use crate::http::error::Result;
use crate::store::Db;

pub(super) const ROUTES: &[Route] =
    &[open("ping", ping).prefix(Prefix::Both), open("health", health), open("health/webhooks", health)];

fn ping(_: &App, _: &Db<'_>, _: Bare) -> Result<Opened> {
    Ok(Opened::Reply(Reply::empty(200)))
}

/// The database answers. (No webhook is delivered by this version, so none can be overdue.)
fn health(_: &App, db: &Db<'_>, _: Bare) -> Result<Opened> {
    db.exists("accounts", &[])?;
    Ok(Opened::Reply(Reply::empty(204)))
}
