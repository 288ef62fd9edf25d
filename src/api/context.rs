//! What lives as long as a request.

use super::app::{App, Entry, Keys};
use super::resource::Stance;
use crate::auth::{Access, Check, Records, Subject, authorize};
use crate::http::error::{ApiError, Result};
use crate::http::negotiate::ResponseType;
use crate::http::query::Query;
use crate::http::request::Request;
use crate::json::Json;
use crate::model::{Account, Column as _, Entity, IsolationStrategy, Time, Val};
use crate::versions::Version;
use std::sync::Arc;
use uuid::Uuid;

/// A request whose account, environment and bearer are known.
pub struct Ctx {
    /// The server.
    pub app: Arc<App>,
    /// The request.
    pub request: Arc<Request>,
    /// The matched route.
    pub entry: Arc<Entry>,
    /// Decoded path parameters.
    pub params: Vec<(&'static str, String)>,
    /// Query parameters.
    pub query: Query,
    /// The JSON body with normalized keys; `None` without one.
    pub body: Option<Json>,
    /// Type of JSON responses.
    pub response_type: ResponseType,
    /// The API version of request and response.
    pub version: Version,
    /// The account.
    pub account: Account,
    /// The account's keys.
    pub keys: Arc<Keys>,
    /// Bearer, token and environment.
    pub subject: Subject,
    /// The one reading of the clock for this request.
    pub now: Time,
}

impl Ctx {
    /// A path parameter; empty when the pattern has none of that name (a mistake in a route table).
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v.as_str())
    }

    /// Bits of the bearer's kind, for parameters that only some may send.
    pub fn who(&self) -> u32 {
        self.subject.bearer.kind_bits()
    }

    /// The body, or an empty object.
    pub fn body_or_empty(&self) -> Json {
        self.body.clone().unwrap_or(Json::empty())
    }

    /// Id of the current environment.
    pub fn environment_id(&self) -> Option<Uuid> {
        self.subject.environment_id()
    }

    /// Runs the authorization algorithm with the route's permissions and rule (03 §9.1).
    pub fn authorize(
        &self,
        parent: Option<(&str, Option<Uuid>)>,
        records: Records,
        stance: impl Into<Stance>,
    ) -> Result<()> {
        self.authorize_as(self.entry.route.access, parent, records, stance)
    }

    /// As [`Ctx::authorize`], with another environment rule than the route's.
    pub fn authorize_as(
        &self,
        access: Access,
        parent: Option<(&str, Option<Uuid>)>,
        records: Records,
        stance: impl Into<Stance>,
    ) -> Result<()> {
        let stance = stance.into();
        let also;
        let permissions = match stance.also {
            [] => &self.entry.permissions,
            more => {
                also = [&self.entry.permissions[..], &parse_permissions(more)].concat();
                &also
            }
        };
        let check = Check {
            permissions,
            access,
            parent,
            records,
            refusal: stance.refusal.as_deref(),
            letters: stance.letters,
            allow: self.entry.route.allow,
        };
        authorize(&self.subject, &check)
    }

    /// 403 unless bearer and token have these permissions too.
    pub fn also_needs(&self, names: &[&str]) -> Result<()> {
        let check = Check {
            permissions: &parse_permissions(names),
            access: Access::Read,
            parent: None,
            records: Records::None,
            refusal: None,
            letters: crate::auth::letters::ALL,
            allow: crate::auth::letters::ALL,
        };
        authorize(&self.subject, &check)
    }

    /// The filter that keeps records of other environments out of lookups and lists (05 §5.2), on `table`.
    pub fn environment_filter(&self, filter: &mut Where, table: &str) {
        match &self.subject.environment {
            None => filter.and(format!("{table}.environment_id IS NULL"), []),
            Some(e) if e.isolation_strategy == IsolationStrategy::Isolated => {
                filter.and(format!("{table}.environment_id = ?"), [e.id.to_val()]);
            }
            Some(e) => {
                filter.and(format!("({table}.environment_id = ? OR {table}.environment_id IS NULL)"), [e.id.to_val()]);
            }
        }
    }

    /// The records' environments, for authorization.
    pub fn environments_of<T: Entity>(records: &[T]) -> Records {
        match records {
            [] => Records::None,
            _ if !T::ENVIRONMENT_BOUND => Records::Unbound,
            records => Records::Many(records.iter().map(Entity::environment_id).collect()),
        }
    }

    /// The record's environment, for authorization.
    pub fn environment_of<T: Entity>(record: &T) -> Records {
        if T::ENVIRONMENT_BOUND { Records::One(record.environment_id()) } else { Records::Unbound }
    }

    /// `/v1/accounts/<uuid>`
    pub fn account_path(&self) -> String {
        format!("/v1/accounts/{}", self.account.id)
    }

    /// An internal error that names what was missing.
    pub fn broken(what: &str) -> ApiError {
        ApiError::internal(what)
    }
}

/// Names of the tables are in the catalogue (tested with the routes).
fn parse_permissions(names: &[&str]) -> Vec<crate::model::Permission> {
    names.iter().filter_map(|name| crate::model::Permission::parse(name)).collect()
}

/// Conditions of a query, joined with AND.
#[derive(Clone, Debug, Default)]
pub struct Where {
    conditions: Vec<String>,
    args: Vec<Val>,
}

impl Where {
    /// Adds a condition and its arguments.
    pub fn and(&mut self, condition: impl Into<String>, args: impl IntoIterator<Item = Val>) {
        self.conditions.push(condition.into());
        self.args.extend(args);
    }

    /// Adds `column = value`.
    pub fn equals(&mut self, column: &str, value: impl crate::model::Column) {
        self.and(format!("{column} = ?"), [value.to_val()]);
    }

    /// Nothing matches.
    pub fn never(&mut self) {
        self.and("1 = 0", []);
    }

    /// `WHERE …`, or nothing.
    pub fn sql(&self) -> String {
        if self.conditions.is_empty() { String::new() } else { format!("WHERE {}", self.conditions.join(" AND ")) }
    }

    /// The arguments.
    pub fn args(&self) -> &[Val] {
        &self.args
    }
}
