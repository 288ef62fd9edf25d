//! Resource objects (01 §7): from a record and its declaration to JSON.

use super::app::App;
use super::context::Ctx;
use super::resource::{Data, Link, Rel, Resource};
use crate::auth::Bearer;
use crate::http::error::Result;
use crate::http::response::uuid_text;
use crate::json::{Json, Text};
use crate::model::{Column as _, License, Policy, Time, User};
use crate::store::Db;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use uuid::Uuid;

/// What rendering may look at beside the record: related records, each read once.
pub struct View<'a> {
    /// The server.
    pub app: Arc<App>,
    /// Where related records are read.
    pub db: &'a Db<'a>,
    /// The account whose documents are made.
    pub account: Uuid,
    /// The time of the request.
    pub now: Time,
    /// Relationships whose members are listed because a file includes them, as `type.name`.
    pub included: &'a [&'static str],
    /// `/v1/accounts/<uuid>`
    prefix: String,
    /// The one that was asked for last stands last: a record's attributes ask for the same one again and again.
    policies: RefCell<Vec<Rc<Policy>>>,
    users: RefCell<HashMap<Uuid, Option<Rc<User>>>>,
    licenses: RefCell<HashMap<Uuid, Rc<License>>>,
}

impl<'a> View<'a> {
    /// A view for a request.
    pub fn new(cx: &Ctx, db: &'a Db<'a>) -> View<'a> {
        let view = View {
            app: cx.app.clone(),
            db,
            account: cx.account.id,
            now: cx.now,
            included: &[],
            prefix: cx.account_path(),
            policies: RefCell::default(),
            users: RefCell::default(),
            licenses: RefCell::default(),
        };
        if let Bearer::License(bearer) = &cx.subject.bearer {
            view.know_policy(bearer.policy.clone());
        }
        view
    }

    /// The same, with members of these relationships listed.
    pub fn including(mut self, included: &'a [&'static str]) -> View<'a> {
        self.included = included;
        self
    }

    /// Members of this relationship are listed.
    fn includes(&self, type_: &str, name: &str) -> bool {
        self.included.iter().any(|key| key.split_once('.') == Some((type_, name)))
    }

    /// `/v1/accounts/<uuid>/<collection>/<uuid>`
    fn path(&self, collection: &str, id: Uuid) -> String {
        let mut buffer = Uuid::encode_buffer();
        [&self.prefix, "/", collection, "/", uuid_text(&id, &mut buffer)].concat()
    }

    /// A policy by id.
    pub fn policy(&self, id: Uuid) -> Result<Rc<Policy>> {
        let mut policies = self.policies.borrow_mut();
        if let Some(at) = policies.iter().rposition(|policy| policy.id == id) {
            let last = policies.len() - 1;
            policies.swap(at, last);
            return Ok(policies[last].clone());
        }
        let policy: Policy =
            self.db.get(self.account, id)?.ok_or_else(|| Ctx::broken("a record without its policy"))?;
        let policy = Rc::new(policy);
        policies.push(policy.clone());
        Ok(policy)
    }

    /// A license by id.
    pub fn license(&self, id: Uuid) -> Result<Rc<License>> {
        if let Some(license) = self.licenses.borrow().get(&id) {
            return Ok(license.clone());
        }
        let license: License =
            self.db.get(self.account, id)?.ok_or_else(|| Ctx::broken("a record without its license"))?;
        let license = Rc::new(license);
        self.licenses.borrow_mut().insert(id, license.clone());
        Ok(license)
    }

    /// Hands over a policy that was read already.
    pub fn know_policy(&self, policy: Policy) {
        self.policies.borrow_mut().push(Rc::new(policy));
    }

    /// A user by id.
    pub fn user(&self, id: Option<Uuid>) -> Result<Option<Rc<User>>> {
        let Some(id) = id else { return Ok(None) };
        if let Some(user) = self.users.borrow().get(&id) {
            return Ok(user.clone());
        }
        let user: Option<Rc<User>> = self.db.get::<User>(self.account, id)?.map(Rc::new);
        self.users.borrow_mut().insert(id, user.clone());
        Ok(user)
    }
}

/// `{ "type", "id" }`
pub fn identifier(type_: impl Into<Text>, id: Uuid) -> Json {
    Json::obj([("type", Json::Str(type_.into())), ("id", id.to_json())])
}

/// `{ "links": { "related": … } }`, with `data` when given.
pub fn relationship(related: Option<String>, data: Option<Json>) -> Json {
    // Room for `data` and `meta`.
    let mut members = Vec::with_capacity(3);
    members.push((Text::Borrowed("links"), Json::obj([("related", related.into())])));
    members.extend(data.map(|data| (Text::Borrowed("data"), data)));
    Json::Obj(members)
}

/// The `account` relationship of every resource.
pub fn account_relationship(account: Uuid) -> Json {
    let mut buffer = Uuid::encode_buffer();
    let path = ["/v1/accounts/", uuid_text(&account, &mut buffer)].concat();
    relationship(Some(path), Some(identifier("accounts", account)))
}

/// The `environment` relationship (05 §5.8).
pub fn environment_relationship(account: Uuid, environment: Option<Uuid>) -> Json {
    match environment {
        Some(id) => relationship(
            Some(format!("/v1/accounts/{account}/environments/{id}")),
            Some(identifier("environments", id)),
        ),
        None => relationship(None, Some(Json::Null)),
    }
}

/// The resource object of a record.
pub fn render<T: Resource>(record: &T, view: &View<'_>) -> Result<Json> {
    record.document(view)
}

/// The resource object that the declaration gives.
pub fn declared<T: Resource>(record: &T, view: &View<'_>) -> Result<Json> {
    let def = T::def();
    let path = view.path(def.path, record.id());
    let mut attributes: Vec<(Text, Json)> = Vec::with_capacity(def.attributes.len() + 2);
    for attr in def.attributes {
        if let Some(value) = (attr.show)(record, view)? {
            attributes.push((Text::Borrowed(attr.json), value));
        }
    }
    attributes.push((Text::Borrowed("created"), record.created_at().to_json()));
    attributes.push((Text::Borrowed("updated"), record.updated_at().to_json()));
    let mut relationships: Vec<(Text, Json)> = Vec::with_capacity(def.relationships.len() + 2);
    relationships.push((Text::Borrowed("account"), account_relationship(view.account)));
    if T::ENVIRONMENT_BOUND {
        let environment = environment_relationship(view.account, record.environment_id());
        relationships.push((Text::Borrowed("environment"), environment));
    }
    for rel in def.relationships {
        relationships.push((Text::Borrowed(rel.json), related(record, rel, &path, view)?));
    }
    Ok(Json::Obj(vec![
        (Text::Borrowed("id"), record.id().to_json()),
        (Text::Borrowed("type"), def.type_.into()),
        (Text::Borrowed("attributes"), Json::Obj(attributes)),
        (Text::Borrowed("relationships"), Json::Obj(relationships)),
        (Text::Borrowed("links"), record.links(path)),
    ]))
}

fn related<T: Resource>(record: &T, rel: &Rel<T>, path: &str, view: &View<'_>) -> Result<Json> {
    let own = || match rel.name.contains('_') {
        true => [path, "/", &rel.name.replace('_', "-")].concat(),
        false => [path, "/", rel.name].concat(),
    };
    let mut object = match &rel.data {
        Data::One(id) => {
            let id = id(record);
            let link = match rel.link {
                Link::Own => Some(own()),
                Link::Target => id.map(|id| view.path(rel.target, id)),
            };
            relationship(link, Some(id.map_or(Json::Null, |id| identifier(rel.target, id))))
        }
        Data::Typed(id) => {
            let (type_, id) = id(record);
            relationship(Some(view.path(type_, id)), Some(identifier(type_, id)))
        }
        Data::Many(members) => {
            let data = match members {
                Some(members) if view.includes(T::def().type_, rel.name) => {
                    let ids = members(record, view)?;
                    Some(Json::Arr(ids.into_iter().map(|id| identifier(rel.target, id)).collect()))
                }
                _ => None,
            };
            relationship(Some(own()), data)
        }
    };
    if let Some(meta) = rel.meta {
        object.set("meta", meta(record));
    }
    Ok(object)
}

/// Several records at once.
pub fn render_all<T: Resource>(records: &[T], view: &View<'_>) -> Result<Json> {
    records.iter().map(|record| render(record, view)).collect::<Result<Vec<_>>>().map(Json::Arr)
}
