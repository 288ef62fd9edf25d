//! Environments (05 §3): looking them up by id or code.

use crate::http::error::Result;
use crate::model::{Column as _, Environment, Val};
use crate::store::Db;
use uuid::Uuid;

/// An environment of the account by UUID or exact code; the oldest if both match.
pub(super) fn find(db: &Db<'_>, account: Uuid, name: &str) -> Result<Option<Environment>> {
    let code = Val::Text(name.to_owned());
    Ok(match crate::model::coerce::uuid_from_text(name) {
        Some(id) => {
            let args = [account.to_val(), id.to_val(), code];
            db.find("WHERE account_id = ? AND (id = ? OR code = ?) ORDER BY created_at, id LIMIT 1", &args)?
        }
        None => db.find(
            "WHERE account_id = ? AND lower(code) = lower(?) AND code = ?",
            &[account.to_val(), code.clone(), code],
        )?,
    })
}
