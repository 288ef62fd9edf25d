//! Checking out license and machine files (02 §8, 08 §8, 10 §5).

use super::context::Ctx;
use super::crud;
use super::events::emit;
use super::nested::Within;
use super::render::{View, account_relationship, environment_relationship, identifier, relationship, render};
use super::resource::Resource;
use super::route::{Content, Outcome, Reply};
use crate::auth::Records;
use crate::crypto::keys::SignatureAlgorithm;
use crate::crypto::license_file::{self, FileAlgorithm, FileKind};
use crate::crypto::license_key::Scheme;
use crate::http::error::{ApiError, Result};
use crate::http::params::{Member, Node, Schema};
use crate::http::query::QueryValue;
use crate::json::Json;
use crate::model::{
    Column as _, Component, Entitlement, Entity as _, Environment, Group, License, Machine, Policy, Product, Time,
    User, coerce, duration,
};
use crate::store::Db;
use std::collections::HashSet;
use uuid::Uuid;

/// What a check-out asks for (08 §8.1).
struct Wanted {
    encrypt: bool,
    algorithm: Option<String>,
    ttl: Option<i64>,
    include: Vec<String>,
}

/// One month (02 §8.3)
const DEFAULT_TTL: i64 = 2_629_746;
const LEAST_TTL: i64 = 3600;

/// An include: what clients call it, the permission that it needs, and the relationships whose linkage it fills in.
struct Include {
    name: &'static str,
    permission: &'static str,
    linkage: &'static [&'static str],
}

const LICENSE_INCLUDES: &[Include] = &[
    Include { name: "entitlements", permission: "entitlement.read", linkage: &["licenses.entitlements"] },
    Include { name: "environment", permission: "environment.read", linkage: &[] },
    Include { name: "product", permission: "product.read", linkage: &[] },
    Include { name: "policy", permission: "policy.read", linkage: &[] },
    Include { name: "group", permission: "group.read", linkage: &[] },
    Include { name: "owner", permission: "user.read", linkage: &[] },
    Include { name: "users", permission: "user.read", linkage: &["licenses.users"] },
];

const MACHINE_INCLUDES: &[Include] = &[
    Include { name: "license", permission: "license.read", linkage: &[] },
    Include { name: "license.entitlements", permission: "entitlement.read", linkage: &["licenses.entitlements"] },
    Include { name: "license.product", permission: "product.read", linkage: &[] },
    Include { name: "license.policy", permission: "policy.read", linkage: &[] },
    Include { name: "license.owner", permission: "user.read", linkage: &[] },
    Include { name: "license.users", permission: "user.read", linkage: &["licenses.users"] },
    Include { name: "components", permission: "component.read", linkage: &["machines.components"] },
    Include { name: "environment", permission: "environment.read", linkage: &[] },
    Include { name: "group", permission: "group.read", linkage: &[] },
    Include { name: "owner", permission: "user.read", linkage: &[] },
];

/// `GET licenses/{id}/actions/check-out`
pub(super) fn license_file(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    license(cx, db, true)
}

/// `POST licenses/{id}/actions/check-out`
pub(super) fn license_document(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    license(cx, db, false)
}

/// `GET machines/{id}/actions/check-out`
pub(super) fn machine_file(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    machine(cx, db, true)
}

/// `POST machines/{id}/actions/check-out`
pub(super) fn machine_document(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    machine(cx, db, false)
}

fn license(cx: &Ctx, db: &Db<'_>, raw: bool) -> Result<Outcome> {
    let license: License = crud::find(cx, db, cx.param("id"))?;
    let wanted = wanted(cx, raw, "user", "owner")?;
    cx.authorize(None, Records::One(license.environment_id), license.letters(cx, db)?)?;
    let policy = policy_of(cx, db, &license)?;
    let (algorithm, linkage) = check(cx, &wanted, LICENSE_INCLUDES, &policy, "license.read")?;
    let view = View::new(cx, db).including(&linkage);
    let mut included = Included::default();
    for name in &wanted.include {
        license_include(&license, name, &view, &mut included)?;
    }
    let data = render(&license, &view)?;
    let file = File {
        kind: FileKind::License,
        id: license.id,
        license_id: license.id,
        algorithm,
        secrets: vec![license.key.clone()],
        raw,
    };
    file.finish(cx, wanted, data, included, move |cx, db| {
        let mut license: License = crud::reload(cx, db, license.id)?;
        license.last_check_out_at = Some(cx.now);
        license.updated_at = cx.now;
        let args = [cx.now.to_val(), cx.now.to_val(), license.id.to_val()];
        db.execute("UPDATE licenses SET last_check_out_at = ?, updated_at = ? WHERE id = ?", &args)?;
        emit(cx, db, "license.checked-out", &license)
    })
}

fn machine(cx: &Ctx, db: &Db<'_>, raw: bool) -> Result<Outcome> {
    let machine: Machine = crud::find(cx, db, cx.param("id"))?;
    let wanted = wanted(cx, raw, "license.user", "license.owner")?;
    cx.authorize(None, Records::One(machine.environment_id), machine.letters(cx, db)?)?;
    let license: License =
        db.get(cx.account.id, machine.license_id)?.ok_or_else(|| Ctx::broken("a machine without its license"))?;
    let policy = policy_of(cx, db, &license)?;
    let (algorithm, linkage) = check(cx, &wanted, MACHINE_INCLUDES, &policy, "machine.read")?;
    let view = View::new(cx, db).including(&linkage);
    let mut included = Included::default();
    for name in &wanted.include {
        machine_include(&machine, &license, name, &view, &mut included)?;
    }
    let data = render(&machine, &view)?;
    let file = File {
        kind: FileKind::Machine,
        id: machine.id,
        license_id: license.id,
        algorithm,
        secrets: vec![license.key, machine.fingerprint],
        raw,
    };
    let id = machine.id;
    file.finish(cx, wanted, data, included, move |cx, db| {
        let before: Machine = crud::reload(cx, db, id)?;
        let mut machine = before.clone();
        machine.last_check_out_at = Some(cx.now);
        machine.updated_at = cx.now;
        let params = Json::empty();
        // Like every save of a machine this re-checks its limits (10 §1.6).
        crud::validate(&super::validation::Change {
            cx,
            db,
            record: &machine,
            before: Some(&before),
            bad: &[],
            params: &params,
        })?;
        let args = [cx.now.to_val(), cx.now.to_val(), id.to_val()];
        db.execute("UPDATE machines SET last_check_out_at = ?, updated_at = ? WHERE id = ?", &args)?;
        emit(cx, db, "machine.checked-out", &machine)
    })
}

fn policy_of(cx: &Ctx, db: &Db<'_>, license: &License) -> Result<Policy> {
    db.get(cx.account.id, license.policy_id)?.ok_or_else(|| Ctx::broken("a license without its policy"))
}

/// Reads query and body; the body wins per member (08 §8.1). `alias` in `include` is read as `name`, moved to the end.
fn wanted(cx: &Ctx, raw: bool, alias: &str, name: &str) -> Result<Wanted> {
    let mut wanted = from_query(cx);
    if !raw {
        let meta = vec![
            Member::new("encrypt", Node::Boolean),
            Member::new("algorithm", Node::String).nullable().blank(),
            Member::new("ttl", Node::CoercedInteger).nullable(),
            Member::new("include", Node::Strings).blank(),
        ];
        let schema = Schema::body(vec![Member::new("meta", Node::Object(meta))]);
        let params = schema.check(cx.body_or_empty(), cx.who())?;
        let meta = params.get("meta");
        let member = |name: &str| meta.and_then(|meta| meta.get(name));
        if let Some(flag) = member("encrypt").and_then(Json::as_bool) {
            wanted.encrypt = flag;
        }
        if let Some(text) = member("algorithm").and_then(Json::as_str).filter(|text| !text.trim().is_empty()) {
            wanted.algorithm = Some(text.to_owned());
        }
        match member("ttl") {
            Some(Json::Null) => wanted.ttl = None,
            Some(Json::Int(ttl)) => wanted.ttl = Some(*ttl),
            Some(Json::Number(_)) => return Err(ApiError::bad_request("integer is too large").pointer("/meta/ttl")),
            _ => {}
        }
        if let Some(items) = member("include").and_then(Json::as_arr) {
            wanted.include = items.iter().filter_map(Json::as_str).map(str::to_owned).collect();
        }
    }
    wanted.include.retain(|item| !item.trim().is_empty());
    if wanted.include.iter().any(|item| item == alias) {
        wanted.include.retain(|item| item != alias);
        wanted.include.push(name.to_owned());
    }
    let mut seen = Vec::new();
    wanted.include.retain(|item| {
        let fresh = !seen.contains(item);
        seen.push(item.clone());
        fresh
    });
    Ok(wanted)
}

fn from_query(cx: &Ctx) -> Wanted {
    let include = match cx.query.get("include") {
        Some(QueryValue::Scalar(text)) => text.split(',').map(|item| item.trim().to_owned()).collect(),
        Some(QueryValue::Array(items)) => items.iter().filter_map(QueryValue::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    Wanted {
        encrypt: cx.query.str("encrypt").is_some_and(coerce::boolean_from_query),
        algorithm: cx.query.str("algorithm").filter(|text| !text.trim().is_empty()).map(str::to_owned),
        ttl: match cx.query.get("ttl") {
            None => Some(DEFAULT_TTL),
            Some(QueryValue::Scalar(text)) if text.trim().is_empty() => None,
            Some(QueryValue::Scalar(text)) => Some(coerce::integer_from_query(text)),
            Some(_) => Some(DEFAULT_TTL),
        },
        include,
    }
}

/// The errors of 08 §8.3 in their order, then the permissions of §8.4.
fn check(
    cx: &Ctx,
    wanted: &Wanted,
    includes: &'static [Include],
    policy: &Policy,
    read: &'static str,
) -> Result<(FileAlgorithm, Vec<&'static str>)> {
    let find = |name: &String| includes.iter().find(|include| include.name == name);
    let chosen: Option<Vec<&Include>> = wanted.include.iter().map(find).collect();
    let Some(chosen) = chosen else {
        return Err(ApiError::bad_request("invalid includes").code("CHECKOUT_INCLUDE_INVALID").parameter("include"));
    };
    if wanted.ttl.is_some_and(|ttl| ttl < LEAST_TTL) {
        let detail = "must be greater than or equal to 3600 (1 hour)";
        return Err(ApiError::bad_request(detail).code("CHECKOUT_TTL_INVALID").parameter("ttl"));
    }
    let algorithm = match &wanted.algorithm {
        Some(text) => FileAlgorithm::parse(text).map_err(|error| {
            ApiError::bad_request(error.detail()).code("CHECKOUT_ALGORITHM_INVALID").parameter("algorithm")
        })?,
        None => {
            let scheme = policy.scheme.and_then(|scheme| Scheme::parse(scheme.as_str()));
            FileAlgorithm::default_for(wanted.encrypt, scheme)
        }
    };
    let mut needed = vec![read];
    needed.extend(chosen.iter().map(|include| include.permission));
    cx.also_needs(&needed)?;
    Ok((algorithm, chosen.iter().flat_map(|include| include.linkage.iter().copied()).collect()))
}

/// `included`: each resource once (02 §8.3).
#[derive(Default)]
struct Included {
    seen: HashSet<(&'static str, Uuid)>,
    items: Vec<Json>,
}

impl Included {
    fn add<T: Resource>(&mut self, record: Option<T>, view: &View<'_>) -> Result<()> {
        if let Some(record) = record
            && self.seen.insert((T::TABLE, record.id()))
        {
            self.items.push(render(&record, view)?);
        }
        Ok(())
    }

    fn add_all<T: Resource>(&mut self, records: Vec<T>, view: &View<'_>) -> Result<()> {
        records.into_iter().try_for_each(|record| self.add(Some(record), view))
    }

    fn add_by_id<T: Resource>(&mut self, id: Option<Uuid>, view: &View<'_>) -> Result<()> {
        match id {
            Some(id) => self.add(view.db.get::<T>(view.account, id)?, view),
            None => Ok(()),
        }
    }

    fn add_environment(&mut self, id: Option<Uuid>, view: &View<'_>) -> Result<()> {
        if let Some(id) = id
            && let Some(environment) = view.db.get::<Environment>(view.account, id)?
            && self.seen.insert((Environment::TABLE, id))
        {
            self.items.push(render(&environment, view)?);
        }
        Ok(())
    }
}

fn license_include(license: &License, name: &str, view: &View<'_>, included: &mut Included) -> Result<()> {
    match name {
        "entitlements" => {
            let mut filter = super::context::Where::default();
            <Entitlement as Within<License>>::within(license, &mut filter);
            let order = "ORDER BY entitlements.created_at, entitlements.id";
            included.add_all::<Entitlement>(view.db.list(&format!("{} {order}", filter.sql()), filter.args())?, view)
        }
        "product" => included.add_by_id::<Product>(Some(license.product_id), view),
        "policy" => included.add_by_id::<Policy>(Some(license.policy_id), view),
        "group" => included.add_by_id::<Group>(license.group_id, view),
        "owner" => included.add_by_id::<User>(license.owner_id, view),
        "users" => {
            included.add_by_id::<User>(license.owner_id, view)?;
            let condition =
                "WHERE id IN (SELECT user_id FROM license_users WHERE license_id = ?) ORDER BY created_at, id";
            included.add_all::<User>(view.db.list(condition, &[license.id.to_val()])?, view)
        }
        _ => included.add_environment(license.environment_id, view),
    }
}

fn machine_include(
    machine: &Machine,
    license: &License,
    name: &str,
    view: &View<'_>,
    included: &mut Included,
) -> Result<()> {
    if let Some(inner) = name.strip_prefix("license.") {
        included.add(Some(license.clone()), view)?;
        return license_include(license, inner, view, included);
    }
    match name {
        "license" => included.add(Some(license.clone()), view),
        "components" => {
            let condition = "WHERE machine_id = ? ORDER BY created_at, id";
            included.add_all::<Component>(view.db.list(condition, &[machine.id.to_val()])?, view)
        }
        "group" => included.add_by_id::<Group>(machine.group_id, view),
        "owner" => included.add_by_id::<User>(machine.owner_id, view),
        _ => included.add_environment(machine.environment_id, view),
    }
}

/// A file about to be made.
struct File {
    kind: FileKind,
    id: Uuid,
    license_id: Uuid,
    algorithm: FileAlgorithm,
    secrets: Vec<String>,
    raw: bool,
}

impl File {
    /// Signs (and encrypts) the payload, records the check-out, answers.
    fn finish(
        self,
        cx: &Ctx,
        wanted: Wanted,
        data: Json,
        included: Included,
        record: impl FnOnce(&Ctx, &Db<'_>) -> Result<()> + Send + 'static,
    ) -> Result<Outcome> {
        let expiry: Option<Time> = wanted.ttl.map(|ttl| duration::add(cx.now, ttl));
        let mut payload = Json::obj([("data", data)]);
        if !included.items.is_empty() {
            payload.set("included", Json::Arr(included.items));
        }
        let meta = [("issued", cx.now.to_json()), ("expiry", expiry.to_json()), ("ttl", wanted.ttl.to_json())];
        payload.set("meta", Json::obj(meta));
        crate::versions::rewrite_file(cx.version, &mut payload);
        let slow = matches!(self.algorithm.signing, SignatureAlgorithm::RsaSha256 | SignatureAlgorithm::RsaPssSha256);
        let sign = move |cx: &Ctx| {
            let parts: Vec<&str> = self.secrets.iter().map(String::as_str).collect();
            let text = payload.to_string();
            let certificate = license_file::certificate(&cx.keys.private, self.kind, self.algorithm, &text, &parts);
            let reply = self.reply(cx, wanted, expiry, certificate);
            Outcome::write(move |cx, db| record(cx, db).map(|()| reply))
        };
        if slow { Outcome::blocking(sign) } else { sign(cx) }
    }

    /// 02 §8.4
    fn reply(&self, cx: &Ctx, wanted: Wanted, expiry: Option<Time>, certificate: String) -> Reply {
        if self.raw {
            let content = Content::File { bytes: certificate.into(), name: format!("{}.lic", self.id) };
            return Reply { status: 200, content, location: None, then: None };
        }
        let related = |type_: &'static str, id: Uuid| {
            let path = format!("{}/{type_}/{id}", cx.account_path());
            relationship(Some(path), Some(identifier(type_, id)))
        };
        let mut relationships = Json::obj([
            ("account", account_relationship(cx.account.id)),
            ("environment", environment_relationship(cx.account.id, cx.environment_id())),
            ("license", related("licenses", self.license_id)),
        ]);
        let type_ = match self.kind {
            FileKind::License => "license-files",
            FileKind::Machine => {
                relationships.set("machine", related("machines", self.id));
                "machine-files"
            }
        };
        Reply::data(Json::obj([
            ("id", Uuid::new_v4().to_json()),
            ("type", type_.into()),
            (
                "attributes",
                Json::obj([
                    ("certificate", Json::str(certificate)),
                    ("algorithm", Json::str(self.algorithm.name())),
                    ("includes", wanted.include.into()),
                    ("ttl", wanted.ttl.to_json()),
                    ("expiry", expiry.to_json()),
                    ("issued", cx.now.to_json()),
                ]),
            ),
            ("relationships", relationships),
        ]))
    }
}
