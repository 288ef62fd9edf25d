//! Join rows: attaching and detaching related records of a parent (01 §6.4, 06 §3.4, 07 §6, 08 §9.5, §9.6).

use super::context::Ctx;
use super::crud::find;
use super::events::Origin;
use super::render::{View, render_all};
use super::resource::Resource;
use super::route::{Outcome, Reply};
use super::validation::Validation;
use crate::auth::{Access, Records};
use crate::http::error::{ApiError, Result};
use crate::http::params::{Member, Node, Schema, linkage};
use crate::json::Json;
use crate::model::{Column as _, Entity};
use crate::store::Db;
use uuid::Uuid;

/// A row that joins a `Parent` to a `Target`.
pub trait Join: Resource {
    /// What owns the row.
    type Parent: Resource;
    /// What the row attaches.
    type Target: Resource;
    /// Name of the target in messages and pointers, e.g. `entitlement`.
    const TARGET: &'static str;
    /// Column of the parent's id.
    const PARENT_COLUMN: &'static str;
    /// Column of the target's id.
    const TARGET_COLUMN: &'static str;
    /// Prefix of the events, e.g. `policy.entitlements`.
    const EVENT: &'static str;
    /// How many targets a body may name, at least and at most (01 §6.4).
    const LENGTH: (usize, usize) = (1, 100);
    /// A target that cannot be attached takes those before it back; otherwise they stay.
    const ALL_OR_NOTHING: bool = true;

    /// A row.
    fn new_row(id: Uuid, parent: &Self::Parent, target: Uuid, environment: Option<Uuid>, cx: &Ctx) -> Self;

    /// The target is attached in another way: code suffix and detail of the 422 on attach.
    fn also_attached(_db: &Db<'_>, _parent: &Self::Parent, _target: Uuid) -> Result<Option<(&'static str, String)>> {
        Ok(None)
    }

    /// Topic of the documentation that errors link to (01 §10.1).
    fn topic() -> &'static str {
        Self::Target::def().path
    }

    /// Why a target that is not attached cannot be detached.
    fn not_attached(target: Uuid) -> String {
        format!("cannot detach {0} '{target}' ({0} is not attached)", Self::TARGET)
    }

    /// Details for the event log.
    fn log_metadata(_db: &Db<'_>, _targets: &[Uuid]) -> Result<Option<Json>> {
        Ok(None)
    }

    /// Follows the attachment of all rows.
    fn attached(_parent: &Self::Parent, _count: usize, _cx: &Ctx, _db: &Db<'_>) -> Result<()> {
        Ok(())
    }
}

fn schema<J: Join>() -> Schema {
    let (item, (least, most)) = (linkage(J::Target::def().types), J::LENGTH);
    Schema::body(vec![Member::new("data", Node::Array(Box::new(item), least, most)).required()])
}

fn targets(params: &Json) -> Vec<Uuid> {
    let items = params.get("data").and_then(Json::as_arr).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.get("id").and_then(Json::as_str).and_then(crate::model::coerce::uuid_from_text))
        .collect()
}

/// Body, then authorization: strict when the parent is global, lax otherwise (05 §5.5).
fn check<J: Join>(cx: &Ctx, db: &Db<'_>) -> Result<(J::Parent, Vec<Uuid>)> {
    let parent: J::Parent = find(cx, db, cx.param("id"))?;
    let params = schema::<J>().check(cx.body_or_empty(), cx.who())?;
    let ids = targets(&params);
    let mut environments = Vec::new();
    for id in &ids {
        if let Some(target) = db.get::<J::Target>(cx.account.id, *id)? {
            environments.push(Entity::environment_id(&target));
        }
    }
    let access = if parent.environment_id().is_none() { Access::Write } else { Access::Read };
    let of_parent = Some((J::Parent::def().role, parent.environment_id()));
    cx.authorize_as(access, of_parent, Records::Many(environments), parent.letters(cx, db)?)?;
    Ok((parent, ids))
}

fn row<J: Join>(db: &Db<'_>, parent: Uuid, target: Uuid) -> Result<Option<J>> {
    let condition = format!("WHERE {} = ? AND {} = ?", J::PARENT_COLUMN, J::TARGET_COLUMN);
    Ok(db.find(&condition, &[parent.to_val(), target.to_val()])?)
}

/// `POST` on a to-many relationship.
pub fn attach<J: Join>(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let (parent, ids) = check::<J>(cx, db)?;
    Outcome::write(move |cx, db| {
        let parent: J::Parent = super::crud::reload(cx, db, parent.id())?;
        let environment = cx.environment_id().or(parent.environment_id());
        let mut rows: Vec<J> = Vec::new();
        for target in &ids {
            let mut v = Validation::new(J::topic(), J::def().code);
            if db.get::<J::Target>(cx.account.id, *target)?.is_none() {
                v.relationship(J::TARGET, "NOT_FOUND", "must exist");
            } else if row::<J>(db, parent.id(), *target)?.is_some() {
                v.relationship(J::TARGET, "TAKEN", "already exists");
            } else if let Some((suffix, detail)) = J::also_attached(db, &parent, *target)? {
                v.relationship(J::TARGET, suffix, detail);
            }
            if let Err(error) = v.finish() {
                if J::ALL_OR_NOTHING {
                    return Err(error);
                }
                J::attached(&parent, rows.len(), cx, db)?;
                return Ok(Reply::failure(error));
            }
            let row = J::new_row(Uuid::now_v7(), &parent, *target, environment, cx);
            db.insert(&row)?;
            rows.push(row);
        }
        J::attached(&parent, rows.len(), cx, db)?;
        emit::<J>(cx, db, "attached", &parent, &ids)?;
        Ok(Reply::data(render_all(&rows, &View::new(cx, db))?))
    })
}

/// `DELETE` on a to-many relationship.
pub fn detach<J: Join>(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let (parent, ids) = check::<J>(cx, db)?;
    Outcome::write(move |cx, db| {
        let parent: J::Parent = super::crud::reload(cx, db, parent.id())?;
        let mut rows: Vec<J> = Vec::new();
        for (i, target) in ids.iter().enumerate() {
            if let Some((_, detail)) = J::also_attached(db, &parent, *target)? {
                let how = detail.trim_start_matches("already exists ");
                let detail = format!("cannot detach {} '{target}' {how}", J::TARGET);
                return Err(ApiError::forbidden(detail).pointer(format!("/data/{i}")));
            }
        }
        for (i, target) in ids.iter().enumerate() {
            match row::<J>(db, parent.id(), *target)? {
                Some(row) => rows.push(row),
                None => {
                    let error = ApiError::unprocessable(J::not_attached(*target));
                    return Err(error.pointer(format!("/data/{i}")));
                }
            }
        }
        let metadata_first = J::log_metadata(db, &ids)?;
        for row in &rows {
            db.delete(row)?;
        }
        let resource = (J::Parent::def().type_, parent.id(), parent.environment_id());
        Origin::of(cx).emit(db, &format!("{}.detached", J::EVENT), resource, metadata_first)?;
        Ok(Reply::empty(204))
    })
}

fn emit<J: Join>(cx: &Ctx, db: &Db<'_>, what: &str, parent: &J::Parent, ids: &[Uuid]) -> Result<()> {
    let resource = (J::Parent::def().type_, parent.id(), parent.environment_id());
    let metadata = J::log_metadata(db, ids)?;
    Ok(Origin::of(cx).emit(db, &format!("{}.{what}", J::EVENT), resource, metadata)?)
}
