//! Lists (01 §15): scope, environment, filters, order, pages, links; the same for every resource.

use super::context::{Ctx, Where};
use super::render::{View, render_all};
use super::resource::{Compare, Filter, Resource};
use super::route::{Outcome, Reply};
use crate::http::error::Result;
use crate::http::page::{Mode, Page};
use crate::http::query::QueryValue;
use crate::json::Json;
use crate::model::{Column as _, Time, Val};
use crate::store::Db;
use uuid::Uuid;

/// One page of records, and what its links need.
pub struct Listed<T> {
    /// The records.
    pub records: Vec<T>,
    page: Page,
    count: Option<i64>,
    last: Option<Uuid>,
}

/// `GET` on a collection.
pub fn index<T: Resource>(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let mut filter = Where::default();
    T::scope(cx, &mut filter);
    let listed = select::<T>(cx, db, filter, |_| true)?;
    cx.authorize(None, Ctx::environments_of(&listed.records), T::stance_of_page(&listed.records, cx))?;
    reply(cx, db, listed)
}

/// Reads one page of what `filter`, the environment and the query's filters (those whose name `applies`) leave.
pub fn select<T: Resource>(
    cx: &Ctx,
    db: &Db<'_>,
    mut filter: Where,
    applies: impl Fn(&str) -> bool,
) -> Result<Listed<T>> {
    filter.equals(&format!("{}.account_id", T::TABLE), cx.account.id);
    if T::ENVIRONMENT_BOUND {
        cx.environment_filter(&mut filter, T::TABLE);
    }
    for declared in T::def().filters.iter().filter(|declared| applies(declared.name)) {
        match (declared.compare, cx.query.get(declared.name)) {
            (Compare::Always(apply), value) => apply(cx, value, &mut filter),
            (_, Some(value)) => narrow(cx, declared, value, &mut filter),
            _ => {}
        }
    }
    let page = Page::from_query(&cx.query)?;
    let table = T::TABLE;
    let direction = if page.ascending { "ASC" } else { "DESC" };
    let order = format!("ORDER BY {table}.created_at {direction}, {table}.id {direction}");
    match page.mode {
        Mode::Limit => {
            let records = db.list(&format!("{} {order} LIMIT {}", filter.sql(), page.size), filter.args())?;
            Ok(Listed { records, page, count: None, last: None })
        }
        Mode::Offset(number) => {
            let count = db.count(&format!("{table} {}", filter.sql()), filter.args())?;
            let offset = (number - 1) * page.size;
            let sql = format!("{} {order} LIMIT {} OFFSET {offset}", filter.sql(), page.size);
            Ok(Listed { records: db.list(&sql, filter.args())?, page, count: Some(count), last: None })
        }
        Mode::Keyset(cursor) => {
            if let Some(id) = cursor {
                let mut one = filter.clone();
                one.equals(&format!("{table}.id"), id);
                let sql = format!("SELECT {table}.created_at FROM {table} {}", one.sql());
                let Some(at) = db.query_one(&sql, one.args(), |row| row.get::<Time>(0))? else {
                    return Ok(Listed { records: Vec::new(), page, count: None, last: None });
                };
                let comparison = if page.ascending { ">" } else { "<" };
                let condition = format!("({table}.created_at, {table}.id) {comparison} (?, ?)");
                filter.and(condition, [at.to_val(), id.to_val()]);
            }
            let mut records: Vec<T> =
                db.list(&format!("{} {order} LIMIT {}", filter.sql(), page.size + 1), filter.args())?;
            let more = records.len() as i64 > page.size;
            records.truncate(usize::try_from(page.size).unwrap_or(100));
            let last = records.last().map(|record| record.id()).filter(|_| more);
            Ok(Listed { records, page, count: None, last })
        }
    }
}

/// The document of a list.
pub fn reply<T: Resource>(cx: &Ctx, db: &Db<'_>, listed: Listed<T>) -> Result<Outcome> {
    let data = render_all(&listed.records, &View::new(cx, db))?;
    reply_with(cx, listed, data)
}

/// The document of a list whose resource objects are made already.
pub fn reply_with<T>(cx: &Ctx, listed: Listed<T>, data: Json) -> Result<Outcome> {
    let mut document = Json::obj([("data", data)]);
    let path = cx.request.path();
    if let Some(links) = listed.page.links(path, &cx.query, listed.count, listed.last) {
        document.set("links", links);
    }
    Ok(Outcome::Reply(Reply::ok(document)))
}

/// One filter (01 §15.3): blank values and values of the wrong shape are ignored, ill-formed ids match nothing.
fn narrow(cx: &Ctx, declared: &Filter, value: &QueryValue, filter: &mut Where) {
    match declared.compare {
        Compare::With(apply) => return apply(cx, value, filter),
        Compare::Metadata(column) => return by_metadata(column, value, filter),
        _ => {}
    }
    let Some(text) = value.as_str().filter(|text| !text.trim().is_empty()) else { return };
    let id = || crate::model::coerce::uuid_from_text(text);
    match declared.compare {
        Compare::Id(column) => match id() {
            Some(id) => filter.equals(column, id),
            None => filter.never(),
        },
        Compare::IdSql(sql) => match id() {
            Some(id) => filter.and(sql, [id.to_val()]),
            None => filter.never(),
        },
        Compare::Text(column) => filter.and(format!("{column} = ?"), [Val::Text(text.to_owned())]),
        Compare::Flag(column) => filter.equals(column, crate::model::coerce::filter_boolean(text)),
        Compare::With(_) | Compare::Always(_) | Compare::Metadata(_) => {}
    }
}

/// `metadata[key]=value` (01 §15.3); a scalar is ignored, and so are blank values.
fn by_metadata(column: &str, value: &QueryValue, filter: &mut Where) {
    fn text(value: &QueryValue) -> Json {
        match value {
            QueryValue::Scalar(text) => Json::str(text.clone()),
            QueryValue::Array(items) => Json::Arr(items.iter().map(text).collect()),
            QueryValue::Object(members) => {
                Json::Obj(members.iter().map(|(key, value)| (key.clone().into(), text(value))).collect())
            }
        }
    }
    let QueryValue::Object(members) = value else { return };
    let blank = |value: &QueryValue| value.as_str().is_some_and(|text| text.trim().is_empty());
    let pairs: Vec<_> = members.iter().filter(|(_, value)| !blank(value)).cloned().collect();
    if !pairs.is_empty() {
        let pairs = text(&QueryValue::Object(pairs)).to_string();
        filter.and(crate::store::metadata_contains(column), [Val::Text(pairs)]);
    }
}
