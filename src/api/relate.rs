//! `PUT` (`PATCH`) on a to-one relationship: sets or clears it and answers with the parent (04 §6.7, 08 §9.2–§9.4, 10 §1.12).
//! The last segment of the route's path names the event: `licenses/{id}/group` emits `license.group.updated`.

use super::context::Ctx;
use super::crud::{find, reload, show_reply, validate};
use super::events::emit_with;
use super::nested::{HasOne, of_parent};
use super::resource::{Deed, Resource};
use super::route::{Outcome, Reply};
use super::validation::Change;
use crate::auth::Records;
use crate::http::error::Result;
use crate::http::params::{Member, Schema, linkage};
use crate::json::Json;
use crate::model::Column as _;
use crate::store::Db;
use uuid::Uuid;

/// The record whose environment falls under the route's rule (05 §5.5, 08 §1.3); the parent's own must only be visible then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The parent itself.
    Parent,
    /// The related record of the body, which is therefore read before authorization (01 §5).
    New,
}

/// `Self` can be given another `Related`, or none.
pub trait Relate<Related: Resource>: HasOne<Related> {
    /// Column of the related record's id.
    const COLUMN: &'static str;
    /// What is authorized. A record that does not exist is as good as one of no environment: writable in global only.
    const SUBJECT: Subject;
}

/// `PUT` (`PATCH`) on a to-one relationship.
pub fn put<P: Relate<R>, R: Resource>(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let parent: P = find(cx, db, cx.param("id"))?;
    if P::SUBJECT != Subject::New {
        authorize::<P, R>(cx, db, &parent, None)?;
    }
    let data = Member::new("data", linkage(R::def().types)).required().nullable();
    let params = Schema::body(vec![data]).check(cx.body_or_empty(), cx.who())?;
    let new = params.at(&["data", "id"]).and_then(Json::as_str).and_then(crate::model::coerce::uuid_from_text);
    if P::SUBJECT == Subject::New {
        authorize::<P, R>(cx, db, &parent, related(cx, db, new)?.as_ref())?;
    }
    let id = parent.id();
    Outcome::write(move |cx, db| save::<P, R>(cx, db, id, new, &params))
}

/// In the writer: what was looked at may have changed since, so it is looked at again.
fn save<P: Relate<R>, R: Resource>(cx: &Ctx, db: &Db<'_>, id: Uuid, new: Option<Uuid>, params: &Json) -> Result<Reply> {
    let before: P = reload(cx, db, id)?;
    let related: Option<R> = related(cx, db, new)?;
    authorize::<P, R>(cx, db, &before, related.as_ref())?;
    let mut parent = before.clone();
    parent.set_value(P::COLUMN, &new.to_val());
    validate(&Change { cx, db, record: &parent, before: Some(&before), bad: &[], params })?;
    parent.touch(cx.now);
    db.update(&parent)?;
    parent.updated(&before, cx, db)?;
    let relationship = cx.entry.route.path.rsplit('/').next().unwrap_or_default();
    let event = format!("{}.{relationship}.updated", P::def().event);
    emit_with(cx, db, &event, &parent, super::diff::between(&before, &parent))?;
    show_reply(cx, db, &parent)
}

fn related<R: Resource>(cx: &Ctx, db: &Db<'_>, id: Option<Uuid>) -> Result<Option<R>> {
    Ok(match id {
        Some(id) => db.get(cx.account.id, id)?,
        None => None,
    })
}

fn authorize<P: Relate<R>, R: Resource>(cx: &Ctx, db: &Db<'_>, parent: &P, new: Option<&R>) -> Result<()> {
    let of = |record: Option<&R>| record.map_or(Records::Unbound, Ctx::environment_of);
    let (context, records) = match P::SUBJECT {
        Subject::Parent => (None, Ctx::environment_of(parent)),
        Subject::New => (of_parent(parent), of(new)),
    };
    cx.authorize(context, records, parent.stance(Deed::Act, cx, db)?)
}
