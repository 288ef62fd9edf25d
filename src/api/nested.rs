//! Nested routes: a parent's children, one child, and to-one relationships (01 §7.2: the `related` path answers with the
//! resources themselves).

use super::context::{Ctx, Where};
use super::crud::{find, find_within, show_reply};
use super::list;
use super::resource::{Deed, Resource, Stance};
use super::route::{Outcome, Reply};
use crate::auth::{Letters, Records};
use crate::http::error::{ApiError, Result};
use crate::json::Json;
use crate::store::Db;
use uuid::Uuid;

/// `Self` is listed below `Parent`.
pub trait Within<Parent>: Resource {
    /// Conditions that leave the parent's children.
    fn within(parent: &Parent, filter: &mut Where);
    /// The filters of the nested list, by name; most nested lists have none.
    const FILTERS: &'static [&'static str] = &[];
    /// A member is looked up by its UUID only, whatever its alias (01 §2.3).
    const BY_ID_ONLY: bool = false;
    /// The route's permission is enough, whatever more the child's own routes ask for (`admin.read`, 04 §1).
    const ROUTE_ONLY: bool = false;

    /// Hides from the list what the bearer may not see; `letters`: what it is to the parent.
    fn hide(cx: &Ctx, _letters: Letters, filter: &mut Where) {
        Self::scope(cx, filter);
    }

    /// What the bearer is to one child that is asked for by name; `letters`: what it is to the parent.
    fn letters_within(&self, _parent: &Parent, letters: Letters, _cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(letters)
    }
}

/// `Self` has at most one `Related`.
pub trait HasOne<Related>: Resource {
    /// Its id.
    fn related_id(&self, db: &Db<'_>) -> Result<Option<Uuid>>;
    /// Without one the answer is 200 with `null`; otherwise 404.
    const NULL_IS_FINE: bool = false;
}

/// `GET` on a parent's children.
pub fn index<P: Resource, C: Within<P>>(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let parent: P = find(cx, db, cx.param("id"))?;
    let letters = parent.letters(cx, db)?;
    let mut filter = Where::default();
    C::hide(cx, letters, &mut filter);
    C::within(&parent, &mut filter);
    let listed = list::select::<C>(cx, db, filter, |name| C::FILTERS.contains(&name))?;
    let records = Ctx::environments_of(&listed.records);
    let stance = if C::ROUTE_ONLY { letters.into() } else { C::stance_of_page(&listed.records, cx) };
    let stance = Stance { letters, ..stance };
    cx.authorize(of_parent(&parent), records, stance)?;
    list::reply(cx, db, listed)
}

/// `GET` on one of a parent's children: looked up among the children only, then authorized (03 §9.2).
pub fn show<P: Resource, C: Within<P>>(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let parent: P = find(cx, db, cx.param("id"))?;
    let mut filter = Where::default();
    C::within(&parent, &mut filter);
    if C::BY_ID_ONLY && crate::model::coerce::uuid_from_text(cx.param("child")).is_none() {
        filter.never();
    }
    let child: C = find_within(cx, db, cx.param("child"), filter)?;
    let letters = child.letters_within(&parent, parent.letters(cx, db)?, cx, db)?;
    let stance = if C::ROUTE_ONLY { letters.into() } else { child.stance(Deed::Read, cx, db)? };
    let stance = Stance { letters, ..stance };
    cx.authorize(of_parent(&parent), Ctx::environment_of(&child), stance)?;
    Ok(Outcome::Reply(show_reply(cx, db, &child)?))
}

/// The parent of a nested route, for authorization; one without an environment of its own asks nothing.
pub fn of_parent<P: Resource>(parent: &P) -> Option<(&'static str, Option<Uuid>)> {
    P::ENVIRONMENT_BOUND.then(|| (P::def().role, parent.environment_id()))
}

/// `GET` on a to-one relationship.
pub fn one<P: HasOne<R>, R: Resource>(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let parent: P = find(cx, db, cx.param("id"))?;
    let related = match parent.related_id(db)? {
        Some(id) => db.get::<R>(cx.account.id, id)?,
        None => None,
    };
    if related.is_none() && !P::NULL_IS_FINE {
        return Err(ApiError::not_found(format!("The requested {} was not found", R::def().name)));
    }
    let records = related.as_ref().map_or(Records::None, Ctx::environment_of);
    cx.authorize(of_parent(&parent), records, parent.letters(cx, db)?)?;
    Ok(Outcome::Reply(match related {
        Some(related) => show_reply(cx, db, &related)?,
        None => Reply::data(Json::Null),
    }))
}
