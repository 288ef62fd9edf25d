//! Show, create, update, destroy: the same for every declared resource, in the order of checks of 01 §5.

use super::context::{Ctx, Where};
use super::events::{emit, emit_with};
use super::render::{View, render};
use super::resource::{Bad, Deed, Draft, Resource, apply, check_permission_names};
use super::route::{Outcome, Reply};
use super::validation::{Change, Validation};
use crate::http::error::{ApiError, Result};
use crate::json::Json;
use crate::model::{Column as _, Val};
use crate::store::Db;
use uuid::Uuid;

/// The record that `text` names, by id or alias, as far as bearer and environment may see it (01 §2.3, 03 §9.2).
pub fn find<T: Resource>(cx: &Ctx, db: &Db<'_>, text: &str) -> Result<T> {
    let mut filter = Where::default();
    T::scope(cx, &mut filter);
    if T::ENVIRONMENT_BOUND {
        cx.environment_filter(&mut filter, T::TABLE);
    }
    find_within(cx, db, text, filter)
}

/// The record that `text` names among what `filter` leaves; the oldest if several match.
pub fn find_within<T: Resource>(cx: &Ctx, db: &Db<'_>, text: &str, mut filter: Where) -> Result<T> {
    let def = T::def();
    let table = T::TABLE;
    let missing = || ApiError::no_such(def.name, text);
    let id = crate::model::coerce::uuid_from_text(text);
    let named = || Val::Text(if T::ANY_CASE { text.to_lowercase() } else { text.to_owned() });
    match (id, def.alias) {
        _ if text.trim().is_empty() => return Err(missing()),
        (Some(id), None) => filter.equals(&format!("{table}.id"), id),
        (Some(id), Some(alias)) => {
            let either = format!("({table}.id = ? OR {table}.{alias} = ?)");
            filter.and(either, [id.to_val(), named()]);
        }
        (None, Some(alias)) => filter.and(format!("{table}.{alias} = ?"), [named()]),
        (None, None) => return Err(missing()),
    }
    filter.equals(&format!("{table}.account_id"), cx.account.id);
    let order = format!("ORDER BY {table}.created_at, {table}.id LIMIT 1");
    db.find(&format!("{} {order}", filter.sql()), filter.args())?.ok_or_else(missing)
}

/// The record again, inside the writer: it may have gone since it was looked up.
pub fn reload<T: Resource>(cx: &Ctx, db: &Db<'_>, id: Uuid) -> Result<T> {
    db.get(cx.account.id, id)?.ok_or_else(|| ApiError::no_such(T::def().name, cx.param("id")))
}

/// The record of `{id}`: in scope, or in the whole account where the resource says so.
pub fn lookup<T: Resource>(cx: &Ctx, db: &Db<'_>) -> Result<T> {
    let id = cx.param("id");
    let id = if T::ANY_CASE { id.to_lowercase() } else { id.to_owned() };
    match T::FOUND_BY_ALL {
        true => find_within(cx, db, &id, Where::default()),
        false => find(cx, db, &id),
    }
}

/// Looks the record of `{id}` up and authorizes the route for it.
pub fn authorized<T: Resource>(cx: &Ctx, db: &Db<'_>) -> Result<T> {
    authorized_for(cx, db, Deed::Act)
}

fn authorized_for<T: Resource>(cx: &Ctx, db: &Db<'_>, deed: Deed<'_, T>) -> Result<T> {
    let record: T = lookup(cx, db)?;
    authorize(cx, db, &record, deed)?;
    Ok(record)
}

/// Authorizes the route for a record; once more inside the writer, as what the bearer is to the record may have changed since it
/// was looked up (a license moved to a protected policy, a licensee detached, a user promoted).
pub fn authorize<T: Resource>(cx: &Ctx, db: &Db<'_>, record: &T, deed: Deed<'_, T>) -> Result<()> {
    cx.authorize(None, Ctx::environment_of(record), record.stance(deed, cx, db)?)
}

/// The answer with one record.
pub fn show_reply<T: Resource>(cx: &Ctx, db: &Db<'_>, record: &T) -> Result<Reply> {
    Ok(Reply::data(render(record, &View::new(cx, db))?))
}

/// `GET` on a member.
pub fn show<T: Resource>(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let record: T = authorized_for(cx, db, Deed::Read)?;
    Ok(Outcome::Reply(show_reply(cx, db, &record)?))
}

/// A new (or changed) record that has passed everything up to authorization.
pub struct Created<T> {
    /// The record and the checked body.
    pub draft: Draft<T>,
    /// Sent values that the record cannot hold.
    pub bad: Vec<(&'static str, Bad)>,
}

/// Body schema, permission names, environment and authorization of a create; `authorize` gets the record.
pub fn build<T: Resource>(cx: &Ctx, db: &Db<'_>, params: Json) -> Result<Created<T>> {
    check_permission_names::<T>(&params)?;
    let id = params.at(&["data", "id"]).and_then(Json::as_str).and_then(crate::model::coerce::uuid_from_text);
    let sent_environment = super::resource::linked(&params, "environment");
    let environment = sent_environment.unwrap_or(cx.environment_id());
    let mut record = T::fresh(cx, id.unwrap_or_else(Uuid::now_v7), environment);
    let bad = apply(&mut record, &params);
    for rel in T::def().relationships {
        if let Some(id) = super::resource::linked(&params, rel.name)
            && !rel.column.is_empty()
        {
            record.set_value(rel.column, &id.to_val());
        }
    }
    let mut draft = Draft { record, params };
    if sent_environment.is_none() && environment.is_none() {
        let parent = draft.record.parent_environment(db)?;
        draft.record.set_value("environment_id", &parent.to_val());
    }
    T::prepare(&mut draft, cx, db)?;
    Ok(Created { draft, bad })
}

/// `POST` on a collection.
pub fn create<T: Resource>(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let created = creating::<T>(cx, db)?;
    Outcome::write(move |cx, db| insert(cx, db, created))
}

/// Body and authorization of a create.
pub fn creating<T: Resource>(cx: &Ctx, db: &Db<'_>) -> Result<Created<T>> {
    let params = T::def().create_schema().check(cx.body_or_empty(), cx.who())?;
    let created = build::<T>(cx, db, params)?;
    authorize(cx, db, &created.draft.record, Deed::Create)?;
    Ok(created)
}

/// Validation of a create ahead of slow work: what will be refused is not worth its price. The writer looks again.
pub fn check_created<T: Resource>(cx: &Ctx, db: &Db<'_>, created: &Created<T>) -> Result<()> {
    let Created { draft: Draft { record, params }, bad } = created;
    validate(&Change { cx, db, record, before: None, bad, params })
}

/// The same of an update.
pub fn check_update<T: Resource>(cx: &Ctx, db: &Db<'_>, id: Uuid, params: &Json) -> Result<()> {
    let before: T = reload(cx, db, id)?;
    let Created { draft, bad } = changed(cx, db, &before, params.clone())?;
    validate(&Change { cx, db, record: &draft.record, before: Some(&before), bad: &bad, params })
}

/// Validation, insertion, event and answer of a create, in the writer.
pub fn insert<T: Resource>(cx: &Ctx, db: &Db<'_>, created: Created<T>) -> Result<Reply> {
    let Created { draft: Draft { mut record, params }, bad } = created;
    let change = Change { cx, db, record: &record, before: None, bad: &bad, params: &params };
    validate(&change)?;
    db.insert(&record)?;
    record.inserted(cx, db, &params)?;
    emit(cx, db, &format!("{}.created", T::def().event), &record)?;
    Ok(Reply::created(render(&record, &View::new(cx, db))?))
}

/// Runs a resource's validation, in the order of errors that the resource declares.
pub fn validate<T: Resource>(change: &Change<'_, T>) -> Result<()> {
    let def = T::def();
    let mut v = Validation::new(def.path, def.code);
    T::validate(change, &mut v)?;
    if !def.order.is_empty() {
        v.sort_by(def.order);
    }
    v.finish()
}

/// `PATCH` (`PUT`) on a member.
pub fn update<T: Resource>(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let (id, params) = updating::<T>(cx, db)?;
    Outcome::write(move |cx, db| save::<T>(cx, db, id, params, |_| {}))
}

/// Lookup, authorization and body of an update (01 §5): the record's id and the checked body.
pub fn updating<T: Resource>(cx: &Ctx, db: &Db<'_>) -> Result<(Uuid, Json)> {
    let record: T = lookup(cx, db)?;
    if !T::BODY_FIRST {
        authorize(cx, db, &record, Deed::Update(&record))?;
    }
    let params = T::def().update_schema().check(cx.body_or_empty(), cx.who())?;
    check_permission_names::<T>(&params)?;
    let id = record.id();
    if T::BODY_FIRST {
        let after = changed(cx, db, &record, params.clone())?.draft.record;
        authorize(cx, db, &after, Deed::Update(&record))?;
    }
    Ok((id, params))
}

/// A copy of the record with the sent attributes set, and what did not fit.
fn changed<T: Resource>(cx: &Ctx, db: &Db<'_>, before: &T, params: Json) -> Result<Created<T>> {
    let mut draft = Draft { record: before.clone(), params };
    let bad = apply(&mut draft.record, &draft.params);
    T::changing(&mut draft, before, cx, db)?;
    Ok(Created { draft, bad })
}

/// Stores an update in the writer: reloads, changes, asks for authorization again, validates, emits and answers with the
/// record. `more` sets what the body's attributes do not.
pub fn save<T: Resource>(cx: &Ctx, db: &Db<'_>, id: Uuid, params: Json, more: impl FnOnce(&mut T)) -> Result<Reply> {
    let before: T = reload(cx, db, id)?;
    if !T::BODY_FIRST {
        authorize(cx, db, &before, Deed::Update(&before))?;
    }
    let Created { mut draft, bad } = changed(cx, db, &before, params)?;
    more(&mut draft.record);
    if T::BODY_FIRST {
        authorize(cx, db, &draft.record, Deed::Update(&before))?;
    }
    let change = Change { cx, db, record: &draft.record, before: Some(&before), bad: &bad, params: &draft.params };
    validate(&change)?;
    let mut record = draft.record;
    record.touch(cx.now);
    db.update(&record)?;
    record.updated(&before, cx, db)?;
    emit_with(cx, db, &format!("{}.updated", T::def().event), &record, super::diff::between(&before, &record))?;
    show_reply(cx, db, &record)
}

/// `DELETE` on a member.
pub fn destroy<T: Resource>(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let record: T = authorized_for(cx, db, Deed::Delete)?;
    let event = format!("{}.deleted", T::def().event);
    let id = record.id();
    Outcome::write(move |cx, db| remove::<T>(cx, db, id, &event))
}

/// Event and removal, in the writer.
pub fn remove<T: Resource>(cx: &Ctx, db: &Db<'_>, id: Uuid, event: &str) -> Result<Reply> {
    let record: T = reload(cx, db, id)?;
    authorize(cx, db, &record, Deed::Delete)?;
    record.removing(cx, db)?;
    emit(cx, db, event, &record)?;
    db.delete(&record)?;
    Ok(Reply::empty(204))
}

/// An action on a member that changes some columns: looks up, authorizes, then in the writer reloads, changes with
/// `change`, stores, emits and answers with the record.
pub fn act<T: Resource>(
    cx: &Ctx,
    db: &Db<'_>,
    change: impl FnOnce(&mut T, &Ctx, &Db<'_>) -> Result<String> + Send + 'static,
) -> Result<Outcome> {
    let record: T = authorized(cx, db)?;
    let id = record.id();
    Outcome::write(move |cx, db| {
        let mut record: T = reload(cx, db, id)?;
        authorize(cx, db, &record, Deed::Act)?;
        let event = change(&mut record, cx, db)?;
        store(cx, db, record, &event)
    })
}

/// Stores a changed record, emits and answers with it.
pub fn store<T: Resource>(cx: &Ctx, db: &Db<'_>, mut record: T, event: &str) -> Result<Reply> {
    record.touch(cx.now);
    db.update(&record)?;
    emit(cx, db, event, &record)?;
    show_reply(cx, db, &record)
}
