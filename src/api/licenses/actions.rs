//! Actions that change a license (08 §6, §7).

use super::super::context::Ctx;
use super::super::crud;
use super::super::route::Outcome;
use crate::http::error::{ApiError, Result};
use crate::model::{License, Policy, license_status};
use crate::store::Db;

/// `POST …/actions/suspend`
pub(super) fn suspend(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    crud::act::<License>(cx, db, |license, _, _| {
        if license.suspended {
            return Err(ApiError::unprocessable("is already suspended").pointer("/data/attributes/suspended"));
        }
        license.suspended = true;
        Ok("license.suspended".to_owned())
    })
}

/// `POST …/actions/reinstate`
pub(super) fn reinstate(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    crud::act::<License>(cx, db, |license, _, _| {
        if !license.suspended {
            return Err(ApiError::unprocessable("is not suspended").pointer("/data/attributes/suspended"));
        }
        license.suspended = false;
        Ok("license.reinstated".to_owned())
    })
}

/// `POST …/actions/renew`
pub(super) fn renew(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    crud::act::<License>(cx, db, |license, cx, db| {
        let policy: Policy =
            db.get(cx.account.id, license.policy_id)?.ok_or_else(|| Ctx::broken("a license without its policy"))?;
        let expiry = license_status::renewed_expiry(license, &policy, cx.now).map_err(ApiError::unprocessable)?;
        license.expires_at = Some(expiry);
        Ok("license.renewed".to_owned())
    })
}

/// `DELETE …/actions/revoke`
pub(super) fn revoke(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let license: License = crud::authorized(cx, db)?;
    Outcome::write(move |cx, db| crud::remove::<License>(cx, db, license.id, "license.revoked"))
}
