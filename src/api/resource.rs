//! How a resource is declared: its attributes, relationships and filters stand once, and serve parsing, validation, update,
//! filtering and serialization (01 §6, §7, §10, §15.3).

pub(crate) use super::declare::attributes;
pub use super::declare::*;

use super::context::{Ctx, Where};
use super::render::View;
use super::validation::{Change, Validation};
use crate::auth::{Letters, letters};
use crate::http::error::{ApiError, Result};
use crate::http::params::{Member, Node, Schema, linkage};
use crate::json::Json;
use crate::model::{Entity, Val};
use crate::store::Db;
use std::sync::OnceLock;
use uuid::Uuid;

/// A declared resource.
pub struct Def<T: 'static> {
    /// JSON:API type.
    pub type_: &'static str,
    /// Accepted values of `data.type`.
    pub types: &'static [&'static str],
    /// Name in 404 messages (01 §9.4).
    pub name: &'static str,
    /// Name in authorization messages about a parent.
    pub role: &'static str,
    /// Path below the account, also the documentation topic.
    pub path: &'static str,
    /// Prefix of its events.
    pub event: &'static str,
    /// Code of errors about the resource as a whole.
    pub code: &'static str,
    /// Column that `{id}` may name instead of the id.
    pub alias: Option<&'static str>,
    /// Who may choose the id on create.
    pub client_id: Letters,
    /// Attributes in document order.
    pub attributes: &'static [Attr<T>],
    /// Relationships in document order.
    pub relationships: &'static [Rel<T>],
    /// List filters.
    pub filters: &'static [Filter],
    /// Order of attributes in several 422 errors; empty: declaration order.
    pub order: &'static [&'static str],
    /// `data.attributes` may be left out on create.
    pub bare: bool,
    /// Relationships that a create body may name beside the declared to-one ones.
    pub more: fn() -> Vec<Member>,
    /// The schemas of create and update bodies, built when they are first needed.
    pub schemas: Schemas,
}

/// Schemas that are built once.
pub struct Schemas {
    create: OnceLock<Schema>,
    update: OnceLock<Schema>,
}

impl Schemas {
    /// Nothing built yet.
    pub const fn new() -> Schemas {
        Schemas { create: OnceLock::new(), update: OnceLock::new() }
    }
}

impl Default for Schemas {
    fn default() -> Self {
        Schemas::new()
    }
}

/// No further relationships.
pub fn no_more() -> Vec<Member> {
    Vec::new()
}

/// A record that is being created, with what was wrong in its attributes.
pub struct Draft<T> {
    /// The record.
    pub record: T,
    /// The checked body.
    pub params: Json,
}

impl<T> Draft<T> {
    /// A sent attribute.
    pub fn attribute(&self, name: &str) -> Option<&Json> {
        self.params.at(&["data", "attributes", name])
    }

    /// The attribute was sent and is not null.
    pub fn sent(&self, name: &str) -> bool {
        self.attribute(name).is_some_and(|value| !value.is_null())
    }

    /// The id of a sent to-one relationship: `None` absent, `Some(None)` null.
    pub fn relationship(&self, name: &str) -> Option<Option<Uuid>> {
        linked(&self.params, name)
    }
}

/// The id of a sent to-one relationship: `None` absent, `Some(None)` null.
pub fn linked(params: &Json, name: &str) -> Option<Option<Uuid>> {
    let value = params.at(&["data", "relationships", name])?;
    let Some(data) = value.get("data") else { return Some(None) };
    Some(data.get("id").and_then(Json::as_str).and_then(crate::model::coerce::uuid_from_text))
}

/// What a route is about to do with a record.
#[derive(Clone, Copy)]
pub enum Deed<'a, T> {
    /// Show it.
    Read,
    /// Create it.
    Create,
    /// Change it; it was this before.
    Update(&'a T),
    /// Remove it.
    Delete,
    /// Anything else.
    Act,
}

/// What a resource adds to an authorization question (03 §9.1).
#[derive(Clone, Debug)]
pub struct Stance {
    /// What the bearer is to the record.
    pub letters: Letters,
    /// Permissions that it needs beside the route's.
    pub also: &'static [&'static str],
    /// Why the record itself refuses (step 9); a reason of the rule itself (step 10) stands here too.
    pub refusal: Option<String>,
}

impl From<Letters> for Stance {
    fn from(letters: Letters) -> Stance {
        Stance { letters, also: &[], refusal: None }
    }
}

/// A resource: what the declarations cannot say.
pub trait Resource: Entity {
    /// The declaration.
    fn def() -> &'static Def<Self>;

    /// A new record with the resource's defaults.
    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self;

    /// Adds the conditions that hide what the bearer may not see (03 §9.2). Staff see everything.
    fn scope(cx: &Ctx, filter: &mut Where);

    /// What the bearer is to this record.
    fn letters(&self, cx: &Ctx, db: &Db<'_>) -> Result<Letters>;

    /// What the record adds to the authorization of a deed.
    fn stance(&self, _deed: Deed<'_, Self>, cx: &Ctx, db: &Db<'_>) -> Result<Stance> {
        Ok(self.letters(cx, db)?.into())
    }

    /// What a page of a list adds to its authorization.
    fn stance_of_page(_page: &[Self], cx: &Ctx) -> Stance {
        cx.subject.bearer.letters().into()
    }

    /// Its own routes look `{id}` up in the whole account; what the bearer may not see is 403, not 404 (05 §5.4).
    const FOUND_BY_ALL: bool = false;

    /// Aliases are compared in lower case, and a 404 of its own routes echoes the id so (04 §1).
    const ANY_CASE: bool = false;

    /// An update checks its body before it is authorized, and authorizes the changed record (04 §6.3).
    const BODY_FIRST: bool = false;

    /// An update may leave `data.attributes` out (04 §2).
    const BARE_UPDATE: bool = false;

    /// Environment of the parent that supplies it to a new record (05 §5.6).
    fn parent_environment(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(None)
    }

    /// Completes a new record after its attributes are set and before anything is checked; reads only.
    fn prepare(_draft: &mut Draft<Self>, _cx: &Ctx, _db: &Db<'_>) -> Result<()> {
        Ok(())
    }

    /// Completes a changed record after its attributes are set and before anything is checked; reads only.
    fn changing(_draft: &mut Draft<Self>, _before: &Self, _cx: &Ctx, _db: &Db<'_>) -> Result<()> {
        Ok(())
    }

    /// Model validation (422) of a new or changed record, inside the writer.
    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        change.attributes(v);
        Ok(())
    }

    /// Follows an insert, in its transaction.
    fn inserted(&mut self, _cx: &Ctx, _db: &Db<'_>, _params: &Json) -> Result<()> {
        Ok(())
    }

    /// Follows an update, in its transaction.
    fn updated(&mut self, _before: &Self, _cx: &Ctx, _db: &Db<'_>) -> Result<()> {
        Ok(())
    }

    /// Precedes a deletion, in its transaction.
    fn removing(&self, _cx: &Ctx, _db: &Db<'_>) -> Result<()> {
        Ok(())
    }

    /// `links` of the resource object, given its path.
    fn links(&self, path: String) -> Json {
        Json::obj([("self", Json::str(path))])
    }

    /// The resource object, where the declaration does not give it.
    fn document(&self, view: &View<'_>) -> Result<Json> {
        super::render::declared(self, view)
    }
}

fn node(kind: Kind) -> Node {
    match kind {
        Kind::String | Kind::Enum(_) => Node::String,
        Kind::Integer | Kind::Long => Node::Integer,
        Kind::Boolean => Node::Boolean,
        Kind::Time => Node::Time,
        Kind::Metadata => Node::Metadata,
        Kind::Strings | Kind::Permissions => Node::Strings,
        Kind::Choice(names) => Node::OneOf(names.to_vec()),
        Kind::Password => Node::String,
        Kind::Json => Node::Any,
        Kind::Derived => Node::Any,
    }
}

impl<T: Resource> Def<T> {
    fn attribute_members(&self, creating: bool) -> Vec<Member> {
        let who = |a: &Attr<T>| if creating { a.create } else { a.update };
        self.attributes
            .iter()
            .filter(|a| a.kind != Kind::Derived && who(a) != letters::NONE)
            .map(|a| Member {
                name: a.name,
                node: node(a.kind),
                required: a.required && (creating || a.required_always),
                nullable: a.nullable,
                blank: a.blank,
                who: who(a).0,
            })
            .collect()
    }

    fn relationship_members(&self) -> Vec<Member> {
        let to_one = |types: &[&'static str], nullable: bool| {
            let mut data = Member::new("data", linkage(types)).required();
            data.nullable = nullable;
            Node::Object(vec![data])
        };
        let mut members: Vec<Member> = self
            .relationships
            .iter()
            .filter(|r| r.create != letters::NONE)
            .map(|r| Member {
                name: r.name,
                node: to_one(r.types, r.nullable),
                required: r.required,
                nullable: false,
                blank: false,
                who: r.create.0,
            })
            .collect();
        if T::ENVIRONMENT_BOUND {
            members.push(Member::new("environment", to_one(&["environment", "environments"], true)));
        }
        members
    }

    /// The schema of a create body.
    pub fn create_schema(&self) -> &Schema {
        self.schemas.create.get_or_init(|| self.build_create_schema())
    }

    /// The schema of an update body.
    pub fn update_schema(&self) -> &Schema {
        self.schemas.update.get_or_init(|| self.build_update_schema())
    }

    fn build_create_schema(&self) -> Schema {
        let mut relationships = self.relationship_members();
        relationships.extend((self.more)());
        let mut data = vec![Member::new("type", Node::OneOf(self.types.to_vec())).required()];
        if self.client_id != letters::NONE {
            data.push(Member::new("id", Node::Uuid).only(self.client_id.0));
        }
        let mut attributes = Member::new("attributes", Node::Object(self.attribute_members(true)));
        attributes.required = !self.bare;
        data.push(attributes);
        let mut linked = Member::new("relationships", Node::Object(relationships));
        linked.required = self.relationships.iter().any(|r| r.required);
        data.push(linked);
        Schema::body(vec![Member::new("data", Node::Object(data)).required()])
    }

    fn build_update_schema(&self) -> Schema {
        let mut attributes = Member::new("attributes", Node::Object(self.attribute_members(false)));
        attributes.required = !T::BARE_UPDATE;
        Schema::body(vec![
            Member::new(
                "data",
                Node::Object(vec![
                    Member::new("type", Node::OneOf(self.types.to_vec())).required(),
                    Member::new("id", Node::String),
                    attributes,
                ]),
            )
            .required(),
        ])
    }

    /// The attribute of that parameter name.
    pub fn attribute(&self, name: &str) -> Option<&Attr<T>> {
        self.attributes.iter().find(|a| a.name == name)
    }

    /// Path of a record: `/v1/accounts/<uuid>/<path>/<uuid>`.
    pub fn path_of(&self, account: Uuid, id: Uuid) -> String {
        format!("/v1/accounts/{account}/{}/{id}", self.path)
    }
}

/// What could not be stored of a sent attribute, to be reported by validation.
#[derive(Clone, Debug, PartialEq)]
pub enum Bad {
    /// Not one of the names of an enum.
    Name,
    /// An integer beyond the column's range; `true` when negative.
    Range(bool),
}

/// Sets the sent attributes on a record; gives what did not fit.
pub fn apply<T: Resource>(record: &mut T, params: &Json) -> Vec<(&'static str, Bad)> {
    let mut bad = Vec::new();
    let sent = params.at(&["data", "attributes"]).and_then(Json::as_obj).unwrap_or_default();
    for attr in T::def().attributes {
        let Some((_, value)) = sent.iter().find(|(name, _)| name == attr.name) else { continue };
        let stored = match value {
            _ if attr.kind == Kind::Password => continue,
            _ if attr.kind == Kind::Json => Val::Text(value.to_string()),
            Json::Null => Val::Null,
            Json::Bool(flag) => Val::Int(i64::from(*flag)),
            Json::Int(number) => {
                if attr.kind == Kind::Integer && i32::try_from(*number).is_err() {
                    bad.push((attr.name, Bad::Range(*number < 0)));
                }
                Val::Int(*number)
            }
            // Beyond 64 bits: the nearest integer stands in, so that every rule sees a value that is out of its range.
            Json::Number(text) => {
                let negative = text.starts_with('-');
                bad.push((attr.name, Bad::Range(negative)));
                Val::Int(if negative { i64::MIN } else { i64::MAX })
            }
            Json::Str(text) => Val::Text(text.to_string()),
            other => Val::Text(other.to_string()),
        };
        if !record.set_value(attr.column, &stored) {
            bad.push((attr.name, Bad::Name));
        }
    }
    bad
}

/// Checks sent permission names, which precedes authorization (03 §8.1): unknown and repeated names are 422.
pub fn check_permission_names<T: Resource>(params: &Json) -> Result<()> {
    let Some(names) = params.at(&["data", "attributes", "permissions"]).and_then(Json::as_arr) else { return Ok(()) };
    match crate::model::PermissionSet::from_names(names.iter().filter_map(Json::as_str)) {
        Some(_) => Ok(()),
        None => Err(unsupported_permissions(T::def().path)),
    }
}

/// 422 `PERMISSIONS_NOT_ALLOWED` (03 §8.1).
pub fn unsupported_permissions(topic: &'static str) -> ApiError {
    let mut v = Validation::new(topic, "");
    v.attribute("permissions", "NOT_ALLOWED", "unsupported permissions");
    v.into_error()
}

/// A stored set must lie within what its role may have (03 §8.1); the wildcard always may.
pub fn check_permission_set(v: &mut Validation, set: crate::model::PermissionSet, role: crate::model::Role) {
    let allowed = role.allowed().union(crate::model::PermissionSet::wildcard());
    if !set.is_subset(allowed) {
        v.attribute("permissions", "NOT_ALLOWED", "unsupported permissions");
    }
}
