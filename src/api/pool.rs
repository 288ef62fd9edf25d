//! Pools (07 §7): the keys that wait for licenses of a policy, and which of them leaves next.

use super::context::{Ctx, Where};
use super::crud;
use super::events::emit_below;
use super::nested::{self, Within};
use super::render::{View, render};
use super::resource::Deed;
use super::route::{Outcome, Reply, Route, delete, get};
use crate::auth::letters::*;
use crate::http::error::{ApiError, Result};
use crate::model::{Column as _, Key, Policy};
use crate::store::Db;

pub(super) const ROUTES: &[Route] = &[
    get("policies/{id}/pool", nested::index::<Policy, Key>).can(&["key.read"]).allow(STAFF.or(E).or(P)),
    get("policies/{id}/pool/{child}", nested::show::<Policy, Key>).can(&["key.read"]).allow(STAFF.or(E).or(P)),
    // Lax: a shared environment may pop a global key of a global policy (05 §5.5).
    delete("policies/{id}/pool", pop).can(&["policy.pool.pop"]).allow(A.or(D).or(E).or(P)).lax(),
];

impl Within<Policy> for Key {
    fn within(parent: &Policy, filter: &mut Where) {
        filter.equals("keys.policy_id", parent.id);
    }
}

/// Who takes a key out of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taker {
    /// Somebody who empties the pool: any key will do.
    Popper,
    /// A new license. A key that another license was given meanwhile, explicitly, stays in the pool (07 §8.2) and is
    /// passed over: it must not block those behind it.
    License,
}

/// The key that leaves the pool next: the most recently created one, whatever its environment. The caller removes it, in
/// the same transaction: there is one writer, so nobody else gets the same one.
pub(super) fn next(db: &Db<'_>, policy: &Policy, taker: Taker) -> Result<Option<Key>> {
    let free = match taker {
        Taker::Popper => "",
        Taker::License => {
            "AND NOT EXISTS (SELECT 1 FROM licenses WHERE licenses.account_id = keys.account_id AND licenses.key = keys.key)"
        }
    };
    let condition = format!("WHERE policy_id = ? {free} ORDER BY created_at DESC, id DESC LIMIT 1");
    Ok(db.find(&condition, &[policy.id.to_val()])?)
}

/// `DELETE /policies/{id}/pool`
fn pop(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let policy: Policy = crud::authorized(cx, db)?;
    Outcome::write(move |cx, db| {
        let policy: Policy = crud::reload(cx, db, policy.id)?;
        crud::authorize(cx, db, &policy, Deed::Act)?;
        let refused = |detail: &'static str| ApiError::unprocessable(detail).pointer("/data/relationships/pool");
        if !policy.use_pool {
            return Err(refused("pool is not supported"));
        }
        let key = next(db, &policy, Taker::Popper)?.ok_or_else(|| refused("pool is empty"))?;
        emit_below(cx, db, "policy.pool.popped", &policy, &key)?;
        db.delete(&key)?;
        Ok(Reply::data(render(&key, &View::new(cx, db))?))
    })
}
