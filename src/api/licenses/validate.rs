//! Validation (09): quick, by id, by key. The verdict is `model::validation`; here its facts are fetched and what it leaves
//! behind is recorded.

use super::super::context::Ctx;
use super::super::crud;
use super::super::events::Origin;
use super::super::render::{View, render};
use super::super::resource::Resource;
use super::super::route::{Outcome, Reply};
use crate::auth::{Bearer, Records};
use crate::http::error::{ApiError, Result};
use crate::http::params::{Member, Node, Schema};
use crate::json::Json;
use crate::model::limits::MachineCounts;
use crate::model::validation::{EnvironmentRef, Facts, Lookup, MachineFact, Scope, UserRef, Verdict, decide};
use crate::model::{Column as _, Environment, ExpirationBasis, License, Policy, Time, Val, license_status};
use crate::store::{Db, StoreError};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::LazyLock;
use uuid::Uuid;

/// A dashboard looking at a license is not a use of it (09 §1).
const DASHBOARD: &str = "https://app.keygen.sh";

/// `GET licenses/{id}/actions/validate`
pub(super) fn quick(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let license: License = crud::authorized(cx, db)?;
    let (reply, verdict) = judge(cx, db, license.clone(), None, None, true)?;
    if cx.request.header("origin") != Some(DASHBOARD) {
        return record(cx, reply, &license, &verdict, None);
    }
    Ok(Outcome::Reply(reply))
}

/// `POST licenses/{id}/actions/validate`
pub(super) fn by_id(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let license: License = crud::authorized(cx, db)?;
    let params = BY_ID.check(cx.body_or_empty(), cx.who())?;
    found(cx, db, license, &params)
}

/// `POST licenses/actions/validate-key`
pub(super) fn by_key(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let params = BY_KEY.check(cx.body_or_empty(), cx.who())?;
    let meta = params.get("meta").unwrap_or(&Json::Null);
    let key = meta.get("key").and_then(Json::as_str).unwrap_or("");
    let flag = |name: &str| meta.get(name).and_then(Json::as_bool) == Some(true);
    if flag("encrypted") || flag("legacy_encrypted") {
        return legacy(cx, db, key, params.clone());
    }
    let license = match &cx.subject.bearer {
        // The bearer itself was read a moment ago, in the same snapshot.
        Bearer::License(bearer) if bearer.license.key == key => Some(bearer.license.clone()),
        _ => lookup(cx, db, "licenses.key = ?", Val::Text(key.to_owned()))?,
    };
    let license = match license {
        Some(license) if !super::is_legacy(&*View::new(cx, db).policy(license.policy_id)?) => license,
        _ => return Ok(Outcome::Reply(not_found(cx, &params))),
    };
    authorize(cx, db, &license)?;
    found(cx, db, license, &params)
}

/// A legacy encrypted key names its license; the rest is compared with a slow digest (09 §3.1).
fn legacy(cx: &Ctx, db: &Db<'_>, key: &str, params: Json) -> Result<Outcome> {
    use crate::crypto::license_key::{legacy_license_id, legacy_verify};
    let license = match legacy_license_id(key) {
        Some(id) => lookup(cx, db, "licenses.id = ?", id.to_val())?,
        None => None,
    };
    let license = match license {
        Some(license) if super::is_legacy(&*View::new(cx, db).policy(license.policy_id)?) => license,
        _ => return Ok(Outcome::Reply(not_found(cx, &params))),
    };
    let key = key.to_owned();
    Outcome::blocking(move |_| {
        let matches = legacy_verify(&key, &license.key);
        Outcome::write(move |cx, db| {
            if !matches {
                return Ok(not_found(cx, &params));
            }
            let license: License = crud::reload(cx, db, license.id)?;
            authorize(cx, db, &license)?;
            let scope = scope(&params);
            let (reply, verdict) = judge(cx, db, license.clone(), scope.as_ref(), Some(&params), false)?;
            Effects::of(cx, &license, &verdict, true).store(db)?;
            first_validation(cx, db, &license)?;
            Ok(reply)
        })
    })
}

/// A license in the account and the current environment, whoever asks.
fn lookup(cx: &Ctx, db: &Db<'_>, condition: &str, value: Val) -> Result<Option<License>> {
    let mut filter = super::super::context::Where::default();
    filter.equals("licenses.account_id", cx.account.id);
    filter.and(condition, [value]);
    cx.environment_filter(&mut filter, "licenses");
    Ok(db.find(&filter.sql(), filter.args())?)
}

/// By key the permission is not asked of anonymous callers (09 §2).
fn authorize(cx: &Ctx, db: &Db<'_>, license: &License) -> Result<()> {
    cx.authorize(None, Records::One(license.environment_id), license.letters(cx, db)?)
}

fn found(cx: &Ctx, db: &Db<'_>, license: License, params: &Json) -> Result<Outcome> {
    let scope = scope(params);
    let (reply, verdict) = judge(cx, db, license.clone(), scope.as_ref(), Some(params), false)?;
    record(cx, reply, &license, &verdict, Some(db))
}

static BY_ID: LazyLock<Schema> = LazyLock::new(|| {
    let meta = vec![Member::new("nonce", Node::Integer), scope_member()];
    Schema::body(vec![Member::new("meta", Node::Object(meta))])
});

static BY_KEY: LazyLock<Schema> = LazyLock::new(|| {
    let meta = vec![
        Member::new("key", Node::String).required(),
        Member::new("encrypted", Node::Boolean),
        Member::new("legacy_encrypted", Node::Boolean),
        Member::new("nonce", Node::Integer),
        scope_member(),
    ];
    Schema::body(vec![Member::new("meta", Node::Object(meta)).required()])
});

/// `meta.scope` (09 §3)
fn scope_member() -> Member {
    let text = |name| Member::new(name, Node::String);
    let list = |name| Member::new(name, Node::Strings).blank();
    Member::new(
        "scope",
        Node::Object(vec![
            text("environment").nullable(),
            text("product"),
            text("policy"),
            text("user").nullable(),
            list("entitlements"),
            text("machine"),
            text("fingerprint"),
            list("fingerprints"),
            list("components"),
            text("checksum"),
            text("version"),
        ]),
    )
}

fn scope(params: &Json) -> Option<Scope> {
    let scope = params.at(&["meta", "scope"])?;
    let text = |name: &str| scope.get(name).and_then(Json::as_str).map(str::to_owned);
    let nullable = |name: &str| scope.get(name).map(|value| value.as_str().map(str::to_owned));
    let list = |name: &str| -> Option<Vec<String>> {
        Some(scope.get(name)?.as_arr()?.iter().filter_map(Json::as_str).map(str::to_owned).collect())
    };
    Some(Scope {
        environment: nullable("environment"),
        product: text("product"),
        policy: text("policy"),
        user: nullable("user"),
        entitlements: list("entitlements"),
        machine: text("machine"),
        fingerprint: text("fingerprint"),
        fingerprints: list("fingerprints"),
        components: list("components"),
        checksum: text("checksum"),
        version: text("version"),
    })
}

/// The verdict and the answer (09 §5).
fn judge(
    cx: &Ctx,
    db: &Db<'_>,
    mut license: License,
    scope: Option<&Scope>,
    params: Option<&Json>,
    quick: bool,
) -> Result<(Reply, Verdict)> {
    let view = View::new(cx, db);
    let policy: Rc<Policy> = view.policy(license.policy_id)?;
    let owner = view.user(license.owner_id)?;
    let owner_ref =
        owner.as_ref().map(|owner| UserRef { id: owner.id, email: &owner.email, banned: owner.banned_at.is_some() });
    let environment: Option<Environment> = match license.environment_id {
        Some(id) if scope.is_some_and(|scope| scope.environment.is_some()) => db.get(cx.account.id, id)?,
        _ => None,
    };
    let verdict = decide(&Facts {
        now: cx.now,
        policy: &policy,
        license: &license,
        owner: owner_ref,
        environment: environment.as_ref().map(|e| EnvironmentRef { id: e.id, code: &e.code }),
        scope,
        quick,
        lookup: &Rows { db, license: &license },
    })
    .map_err(ApiError::from)?;
    license.last_validated_at = Some(cx.now);
    if verdict.matched_version.is_some() {
        license.last_validated_version.clone_from(&verdict.matched_version);
    }
    let data = render(&license, &view)?;
    let meta = meta(cx, &verdict, params);
    Ok((Reply::ok(Json::obj([("data", data), ("meta", meta)])), verdict))
}

fn not_found(cx: &Ctx, params: &Json) -> Reply {
    let meta = meta(cx, &Verdict::not_found(), Some(params));
    Reply::ok(Json::obj([("data", Json::Null), ("meta", meta)]))
}

/// `meta` of the answer (09 §5); quick validation has neither nonce nor scope.
fn meta(cx: &Ctx, verdict: &Verdict, params: Option<&Json>) -> Json {
    let mut meta = Json::obj([
        ("ts", cx.now.to_json()),
        ("valid", Json::Bool(verdict.valid)),
        ("detail", verdict.detail.into()),
        ("code", verdict.code.as_str().into()),
    ]);
    let sent = |name: &str| params.and_then(|params| params.at(&["meta", name]));
    if let Some(nonce) = sent("nonce") {
        meta.set("nonce", nonce.clone());
    }
    if let Some(scope) = sent("scope") {
        meta.set("scope", scope.camelized());
    }
    meta
}

/// What a validation leaves behind (09 §7).
struct Effects {
    origin: Origin,
    license: Uuid,
    environment: Option<Uuid>,
    now: Time,
    version: Option<String>,
    checksum: Option<String>,
    event: Option<(&'static str, &'static str)>,
}

impl Effects {
    fn of(cx: &Ctx, license: &License, verdict: &Verdict, emits: bool) -> Effects {
        let name = if verdict.valid { "license.validation.succeeded" } else { "license.validation.failed" };
        Effects {
            origin: Origin::of(cx),
            license: license.id,
            environment: license.environment_id,
            now: cx.now,
            version: verdict.matched_version.clone(),
            checksum: verdict.matched_checksum.clone(),
            event: emits.then_some((name, verdict.code.as_str())),
        }
    }

    fn store(self, db: &Db<'_>) -> std::result::Result<(), StoreError> {
        let now = self.now.to_val();
        if self.version.is_some() || self.checksum.is_some() {
            let sql = "UPDATE licenses SET last_validated_at = ?, updated_at = ?,
                 last_validated_version = coalesce(?, last_validated_version),
                 last_validated_checksum = coalesce(?, last_validated_checksum) WHERE id = ?";
            let args = [now.clone(), now, self.version.to_val(), self.checksum.to_val(), self.license.to_val()];
            db.execute(sql, &args)?;
        } else {
            let sql = "UPDATE licenses SET last_validated_at = ?, updated_at = ? WHERE id = ?";
            db.execute(sql, &[now.clone(), now, self.license.to_val()])?;
        }
        if let Some((event, code)) = self.event {
            let resource = (License::def().type_, self.license, self.environment);
            self.origin.emit(db, event, resource, Some(Json::obj([("code", code.into())])))?;
        }
        Ok(())
    }
}

/// Hands the effects to the writer; the answer waits for them only when a later answer depends on them, or when the
/// configuration says so (D36). `emits` is given by the forms that emit events.
fn record(cx: &Ctx, reply: Reply, license: &License, verdict: &Verdict, emits: Option<&Db<'_>>) -> Result<Outcome> {
    let effects = Effects::of(cx, license, verdict, emits.is_some());
    let sets_expiry = match emits {
        Some(db) => {
            license.expires_at.is_none()
                && View::new(cx, db).policy(license.policy_id)?.expiration_basis == ExpirationBasis::FromFirstValidation
        }
        None => false,
    };
    if sets_expiry || cx.app.config.licenses.wait_for_validation_writes || !cx.app.store.has_room() {
        let license = license.clone();
        return Outcome::write(move |cx, db| {
            effects.store(db)?;
            if sets_expiry {
                first_validation(cx, db, &license)?;
            }
            Ok(reply)
        });
    }
    cx.app.store.defer(move |db| effects.store(db));
    Ok(Outcome::Reply(reply))
}

/// `FROM_FIRST_VALIDATION` (08 §4.5)
fn first_validation(cx: &Ctx, db: &Db<'_>, license: &License) -> Result<()> {
    let Some(policy) = db.get::<Policy>(cx.account.id, license.policy_id)? else { return Ok(()) };
    if let Some(expiry) = license_status::initial_expiry(&policy, cx.now, ExpirationBasis::FromFirstValidation) {
        let args = [expiry.to_val(), license.id.to_val()];
        db.execute("UPDATE licenses SET expires_at = ? WHERE id = ? AND expires_at IS NULL", &args)?;
    }
    Ok(())
}

/// What single steps of the verdict read.
struct Rows<'a> {
    db: &'a Db<'a>,
    license: &'a License,
}

impl Rows<'_> {
    fn id(&self) -> Val {
        self.license.id.to_val()
    }

    fn machines(&self, condition: &str, args: &[Val]) -> std::result::Result<Vec<MachineFact>, StoreError> {
        let sql = format!(
            "SELECT machines.id, machines.owner_id, users.email, machines.created_at, machines.last_heartbeat_at
             FROM machines LEFT JOIN users ON users.id = machines.owner_id
             WHERE machines.license_id = ? AND {condition} ORDER BY machines.created_at, machines.id"
        );
        let args: Vec<Val> = std::iter::once(self.id()).chain(args.iter().cloned()).collect();
        self.db.query(&sql, &args, |row| {
            Ok(MachineFact {
                id: row.get(0)?,
                owner_id: row.get(1)?,
                owner_email: row.get(2)?,
                created_at: row.get(3)?,
                last_heartbeat_at: row.get(4)?,
            })
        })
    }

    /// Those of many fingerprints that stand in the rows of `from`. What a client sends can be much more than what there is:
    /// then one pass over the rows is cheaper than asking for each.
    fn present<'t>(&self, sent: &[&'t str], from: &str, args: &[Val]) -> std::result::Result<Vec<&'t str>, StoreError> {
        if sent.len() <= MOST_MARKS {
            return Ok(sent.to_vec());
        }
        let stored = self.db.query(&format!("SELECT fingerprint FROM {from}"), args, |row| row.get::<String>(0))?;
        let stored: HashSet<&str> = stored.iter().map(String::as_str).collect();
        Ok(sent.iter().copied().filter(|text| stored.contains(text)).collect())
    }

    fn owned_by(&self, owner: Option<Uuid>) -> (&'static str, Vec<Val>) {
        match owner {
            Some(owner) => ("owner_id = ?", vec![self.id(), owner.to_val()]),
            None => ("owner_id IS NULL", vec![self.id()]),
        }
    }
}

/// Texts asked for in one statement at the most.
const MOST_MARKS: usize = 128;

/// `?, ?, …` for a list of at most [`MOST_MARKS`] texts, padded with the last one to a few sizes, so that statements are few.
fn placeholders(texts: &[&str]) -> (String, Vec<Val>) {
    let size = [1, 8, MOST_MARKS].into_iter().find(|size| *size >= texts.len()).unwrap_or(texts.len());
    let padded = texts.iter().chain(std::iter::repeat_n(&texts[texts.len() - 1], size - texts.len()));
    (vec!["?"; size].join(", "), padded.map(|text| Val::Text((*text).to_owned())).collect())
}

impl Lookup for Rows<'_> {
    type Error = StoreError;

    fn entitlement_codes(&self) -> std::result::Result<Vec<String>, StoreError> {
        let sql = "SELECT code FROM entitlements WHERE id IN
             (SELECT entitlement_id FROM license_entitlements WHERE license_id = ?
              UNION SELECT entitlement_id FROM policy_entitlements WHERE policy_id = ?)";
        self.db.query(sql, &[self.id(), self.license.policy_id.to_val()], |row| row.get(0))
    }

    fn attached_user(&self, id_or_email: &str) -> std::result::Result<Option<Uuid>, StoreError> {
        let (condition, arg) = match crate::model::coerce::uuid_from_text(id_or_email) {
            Some(id) => ("users.id = ?", id.to_val()),
            None => ("users.email = ?", Val::Text(id_or_email.to_lowercase())),
        };
        let sql = format!(
            "SELECT users.id FROM users JOIN license_users ON license_users.user_id = users.id
             WHERE license_users.license_id = ? AND {condition}"
        );
        self.db.query_one(&sql, &[self.id(), arg], |row| row.get(0))
    }

    fn machine(&self, id: Uuid) -> std::result::Result<Option<MachineFact>, StoreError> {
        Ok(self.machines("machines.id = ?", &[id.to_val()])?.into_iter().next())
    }

    fn machines_by_fingerprint(&self, fingerprints: &[&str]) -> std::result::Result<Vec<MachineFact>, StoreError> {
        let mut found = Vec::new();
        for chunk in self.present(fingerprints, "machines WHERE license_id = ?", &[self.id()])?.chunks(MOST_MARKS) {
            let (marks, args) = placeholders(chunk);
            found.extend(self.machines(&format!("machines.fingerprint IN ({marks})"), &args)?);
        }
        Ok(found)
    }

    fn components_matching(&self, machine: Uuid, fingerprints: &[&str]) -> std::result::Result<usize, StoreError> {
        let mut count = 0;
        let of_machine = "machine_components WHERE machine_id = ?";
        for chunk in self.present(fingerprints, of_machine, &[machine.to_val()])?.chunks(MOST_MARKS) {
            let (marks, more) = placeholders(chunk);
            let args: Vec<Val> = std::iter::once(machine.to_val()).chain(more).collect();
            let from = format!("{of_machine} AND fingerprint IN ({marks})");
            count += usize::try_from(self.db.count(&from, &args)?).unwrap_or(0);
        }
        Ok(count)
    }

    fn counts_for_owner(&self, owner: Option<Uuid>) -> std::result::Result<MachineCounts, StoreError> {
        super::sums(self.db, self.license.id, Some(owner), None)
    }

    fn process_count_of_machine(&self, machine: Uuid) -> std::result::Result<i64, StoreError> {
        self.db.count("machine_processes WHERE machine_id = ?", &[machine.to_val()])
    }

    fn process_count_of_license(&self) -> std::result::Result<i64, StoreError> {
        self.db.count("machine_processes WHERE license_id = ?", &[self.id()])
    }

    fn process_count_of_owner(&self, owner: Option<Uuid>) -> std::result::Result<i64, StoreError> {
        let (condition, args) = self.owned_by(owner);
        let from = format!(
            "machine_processes WHERE machine_id IN (SELECT id FROM machines WHERE license_id = ? AND {condition})"
        );
        self.db.count(&from, &args)
    }

    /// There are no releases in this database yet, so none is accessible.
    fn release_by_checksum(&self, _checksum: &str) -> std::result::Result<Option<String>, StoreError> {
        Ok(None)
    }

    fn release_by_version(&self, _version: &str) -> std::result::Result<bool, StoreError> {
        Ok(false)
    }
}
