//! Machines (10 §1, §4).

use super::components;
use super::context::{Ctx, Where};
use super::events::emit;
use super::render::{View, render};
use super::resource::{Attr, Compare, Def, Draft, Filter, Kind, Link, Rel, Resource, Rule, attributes};
use super::route::{Outcome, Reply, Route, delete, get, patch, post};
use super::validation::{Change, Validation};
use super::{check_out, crud, groups, licenses, list, nested, relate};
use crate::auth::{Bearer, Letters, Records, letters::*};
use crate::http::error::{ApiError, Result};
use crate::http::params::Member;
use crate::http::query::QueryValue;
use crate::json::Json;
use crate::model::heartbeat::{self, HeartbeatStatus, Ping};
use crate::model::limits::{self, EffectiveLimits, MachineCounts};
use crate::model::{
    Column as _, Component, ExpirationBasis, Group, HeartbeatBasis, License, Machine, MachineLeasingStrategy, Policy,
    Process, Product, Role, Token, UniquenessStrategy, User, Val, license_status,
};
use crate::store::Db;
use uuid::Uuid;

const READERS: Letters = STAFF.or(E).or(P).or(L).or(USERS);
const CHECK_OUT: Letters = A.or(D).or(S).or(SU).or(E).or(P).or(L).or(UO_NP).or(UM_NP).or(UA_NP);
const PINGERS: Letters = A.or(D).or(E).or(P).or(L).or(UO_NP).or(UM_NP);
const RESETTERS: Letters = A.or(D).or(S).or(E).or(P);

pub(super) const ROUTES: &[Route] = &[
    get("machines", list::index::<Machine>).can(&["machine.read"]).allow(READERS),
    post("machines", create).can(&["machine.create"]).allow(A.or(D).or(S).or(E).or(P).or(L).or(UO_NP).or(UA_NP)),
    get("machines/{id+}", crud::show::<Machine>).can(&["machine.read"]).allow(READERS),
    patch("machines/{id+}", crud::update::<Machine>)
        .can(&["machine.update"])
        .allow(A.or(D).or(S).or(SU).or(E).or(P).or(L_NP).or(UO_NP).or(UM_NP)),
    delete("machines/{id+}", crud::destroy::<Machine>)
        .can(&["machine.delete"])
        .allow(A.or(D).or(S).or(E).or(P).or(L).or(UO_NP).or(UM_NP)),
    get("machines/{id+}/product", nested::one::<Machine, Product>).can(&["product.read"]).allow(READERS),
    get("machines/{id+}/license", nested::one::<Machine, License>).can(&["license.read"]).allow(READERS),
    get("machines/{id+}/group", nested::one::<Machine, Group>).can(&["group.read"]).allow(READERS),
    patch("machines/{id+}/group", relate::put::<Machine, Group>).can(&["machine.group.update"]).allow(VENDOR),
    get("machines/{id+}/components", nested::index::<Machine, Component>).can(&["component.read"]).allow(READERS),
    get("machines/{id+}/components/{child}", nested::show::<Machine, Component>)
        .can(&["component.read"])
        .allow(READERS),
    get("machines/{id+}/processes", nested::index::<Machine, Process>).can(&["process.read"]).allow(READERS),
    get("machines/{id+}/processes/{child}", nested::show::<Machine, Process>).can(&["process.read"]).allow(READERS),
    post("machines/{id+}/actions/ping", ping).can(&["machine.heartbeat.ping"]).allow(PINGERS).lax(),
    post("machines/{id+}/actions/ping-heartbeat", ping).can(&["machine.heartbeat.ping"]).allow(PINGERS).lax(),
    post("machines/{id+}/actions/reset", reset).can(&["machine.heartbeat.reset"]).allow(RESETTERS).lax(),
    post("machines/{id+}/actions/reset-heartbeat", reset).can(&["machine.heartbeat.reset"]).allow(RESETTERS).lax(),
    get("machines/{id+}/actions/check-out", check_out::machine_file)
        .can(&["machine.check-out"])
        .allow(CHECK_OUT)
        .strict(),
    post("machines/{id+}/actions/check-out", check_out::machine_document).can(&["machine.check-out"]).allow(CHECK_OUT),
];

/// Who may change what only the vendor's side may (10 §1.2).
const VENDOR: Letters = A.or(D).or(S).or(E).or(P);

const SHORT: &[Rule] = &[Rule::MaxLength(255)];
const INTEGER: &[Rule] = &[Rule::AtLeast(1), Rule::AtMost(i32::MAX as i64)];
const LONG: &[Rule] = &[Rule::AtLeast(1), Rule::AtMost(i64::MAX)];

const ATTRIBUTES: &[Attr<Machine>] = attributes![Machine:
    fingerprint "fingerprint" (Kind::String) .required() .update(NONE) .rules(&[Rule::Reserved, Rule::MaxLength(4096)]);
    name "name" (Kind::String) .nullable() .blank() .rules(SHORT);
    ip "ip" (Kind::String) .nullable() .blank() .rules(SHORT);
    hostname "hostname" (Kind::String) .nullable() .blank() .rules(SHORT);
    platform "platform" (Kind::String) .nullable() .blank() .rules(SHORT);
    cores "cores" (Kind::Long) .nullable() .update(VENDOR) .rules(INTEGER);
    memory "memory" (Kind::Long) .nullable() .update(VENDOR) .rules(LONG);
    disk "disk" (Kind::Long) .nullable() .update(VENDOR) .rules(LONG);
    metadata "metadata" (Kind::Metadata) .update(VENDOR);
    max_processes "maxProcesses" (Kind::Derived) show |machine: &Machine, view| {
        let policy = view.policy(machine.policy_id)?;
        let own = match policy_and_license_limit(machine, view)? { Some(own) => Some(own), None => policy.max_processes };
        Ok(Some(own.to_json()))
    };;
    require_heartbeat "requireHeartbeat" (Kind::Derived) show |machine: &Machine, view| {
        Ok(Some(Json::Bool(heartbeat::requires_heartbeat(machine, &*view.policy(machine.policy_id)?))))
    };;
    heartbeat_status "heartbeatStatus" (Kind::Derived) show |machine: &Machine, view| {
        Ok(Some(heartbeat::machine_status(machine, &*view.policy(machine.policy_id)?, view.now).to_json()))
    };;
    heartbeat_duration "heartbeatDuration" (Kind::Derived) show |machine: &Machine, view| {
        Ok(Some(Json::Int(heartbeat::duration(&*view.policy(machine.policy_id)?))))
    };;
    last_heartbeat "lastHeartbeat" (Kind::Derived) show |machine: &Machine, _| Ok(Some(machine.last_heartbeat_at.to_json()));;
    next_heartbeat "nextHeartbeat" (Kind::Derived) show |machine: &Machine, view| {
        Ok(Some(heartbeat::next_heartbeat(machine, &*view.policy(machine.policy_id)?).to_json()))
    };;
    last_check_out "lastCheckOut" (Kind::Derived) show |machine: &Machine, _| Ok(Some(machine.last_check_out_at.to_json()));;
];

fn policy_and_license_limit(machine: &Machine, view: &View<'_>) -> Result<Option<i64>> {
    let license = view.license(machine.license_id)?;
    Ok(license.max_processes.filter(|&own| own != 0))
}

static DEF: Def<Machine> = Def {
    type_: "machines",
    types: &["machine", "machines"],
    name: "machine",
    role: "machine",
    path: "machines",
    event: "machine",
    code: "MACHINE",
    alias: Some("fingerprint"),
    client_id: ALL,
    attributes: ATTRIBUTES,
    relationships: &[
        Rel::one("product", "product", "products", Link::Own, |machine: &Machine| Some(machine.product_id)),
        Rel::one("group", "group", "groups", Link::Own, |machine: &Machine| machine.group_id)
            .sent(VENDOR.or(SU), &["group", "groups"], "group_id")
            .nullable(),
        Rel::one("license", "license", "licenses", Link::Own, |machine: &Machine| Some(machine.license_id))
            .sent(ALL, &["license", "licenses"], "license_id")
            .required(),
        Rel::one("owner", "owner", "users", Link::Own, |machine: &Machine| machine.owner_id)
            .sent(ALL, &["user", "users"], "owner_id")
            .nullable(),
        Rel::many("components", "components", "components").members(|machine: &Machine, view| {
            let sql = "SELECT id FROM machine_components WHERE machine_id = ? ORDER BY created_at, id";
            Ok(view.db.query(sql, &[machine.id.to_val()], |row| row.get::<Uuid>(0))?)
        }),
        Rel::many("processes", "processes", "processes"),
    ],
    filters: &[
        Filter { name: "fingerprint", compare: Compare::Text("machines.fingerprint") },
        Filter { name: "ip", compare: Compare::Text("machines.ip") },
        Filter { name: "hostname", compare: Compare::Text("machines.hostname") },
        Filter { name: "product", compare: Compare::Id("machines.product_id") },
        Filter { name: "policy", compare: Compare::Id("machines.policy_id") },
        Filter { name: "license", compare: Compare::Id("machines.license_id") },
        Filter { name: "group", compare: Compare::Id("machines.group_id") },
        Filter { name: "key", compare: Compare::With(filter_by_key) },
        Filter { name: "owner", compare: Compare::With(filter_by_owner) },
        Filter { name: "user", compare: Compare::With(filter_by_user) },
    ],
    order: &[],
    bare: false,
    more: || vec![Member::new("components", components::embedded_schema())],
    schemas: super::resource::Schemas::new(),
};

fn filter_by_key(cx: &Ctx, value: &QueryValue, filter: &mut Where) {
    if let Some(key) = value.as_str().filter(|key| !key.trim().is_empty()) {
        let sql = "machines.license_id IN (SELECT id FROM licenses WHERE account_id = ? AND key = ?)";
        filter.and(sql, [cx.account.id.to_val(), Val::Text(key.to_owned())]);
    }
}

fn filter_by_owner(cx: &Ctx, value: &QueryValue, filter: &mut Where) {
    licenses::by_user(cx, value, filter, str::to_owned, "machines.owner_id = {user}");
}

fn filter_by_user(cx: &Ctx, value: &QueryValue, filter: &mut Where) {
    let sql = format!("machines.license_id IN ({})", licenses::OF_NAMED_USER);
    licenses::by_user(cx, value, filter, str::to_owned, &sql);
}

impl Resource for Machine {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        Machine::new(id, cx.account.id, environment, cx.now)
    }

    fn scope(cx: &Ctx, filter: &mut Where) {
        licenses::scope_by_license(cx, filter, "machines.license_id", "machines.product_id");
    }

    fn letters(&self, cx: &Ctx, db: &Db<'_>) -> Result<Letters> {
        if cx.subject.bearer.is_staff() {
            return Ok(cx.subject.bearer.letters());
        }
        match db.get::<License>(self.account_id, self.license_id)? {
            Some(license) => licenses::relation(cx, db, &license, self.owner_id),
            None => Ok(NONE),
        }
    }

    fn parent_environment(&self, db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(db.get::<License>(self.account_id, self.license_id)?.and_then(|license| license.environment_id))
    }

    /// What a machine takes from its license and owner (10 §1.4, §1.8).
    fn prepare(draft: &mut Draft<Self>, cx: &Ctx, db: &Db<'_>) -> Result<()> {
        let machine = &mut draft.record;
        let Some(license) = db.get::<License>(cx.account.id, machine.license_id)? else { return Ok(()) };
        machine.product_id = license.product_id;
        machine.policy_id = license.policy_id;
        machine.group_id = machine.group_id.or(license.group_id);
        if let (None, Some(owner)) = (machine.group_id, machine.owner_id) {
            machine.group_id = db.get::<User>(cx.account.id, owner)?.and_then(|owner| owner.group_id);
        }
        if let Some(policy) = db.get::<Policy>(cx.account.id, license.policy_id)?
            && policy.heartbeat_basis == HeartbeatBasis::FromCreation
        {
            machine.last_heartbeat_at = Some(cx.now);
        }
        Ok(())
    }

    /// The order is 10 §1.7 step 5.
    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        let (machine, db, account) = (change.record, change.db, change.record.account_id);
        let creating = change.before.is_none();
        let license: Option<License> = db.get(account, machine.license_id)?;
        let family = match license {
            Some(license) => {
                let policy: Policy =
                    db.get(account, license.policy_id)?.ok_or_else(|| Ctx::broken("a license without its policy"))?;
                Some((license, policy))
            }
            None => {
                v.relationship("license", "NOT_FOUND", "must exist");
                v.relationship("policy", "NOT_FOUND", "must exist");
                None
            }
        };
        if let (true, Some((license, policy))) = (creating, &family) {
            components::check_embedded(change, policy, v)?;
            change.compatible(v, "license", license.environment_id, false)?;
        }
        let owner: Option<User> = change.must_exist(v, "owner", machine.owner_id)?;
        let group: Option<Group> = change.must_exist(v, "group", machine.group_id)?;
        let owner = owner.filter(|_| change.changes(|machine| machine.owner_id));
        if let Some(owner) = &owner {
            change.compatible(v, "owner", owner.environment_id, owner.role == Role::Admin)?;
        }
        let group = group.filter(|_| change.changes(|machine| machine.group_id));
        if let Some(group) = &group {
            change.compatible(v, "group", group.environment_id, false)?;
        }
        if creating {
            let args = [machine.license_id.to_val(), Val::Text(machine.fingerprint.clone())];
            if db.exists("machines WHERE license_id = ? AND fingerprint = ?", &args)? {
                v.attribute("fingerprint", "TAKEN", "has already been taken");
            }
        }
        for name in ["fingerprint", "metadata", "cores", "memory", "disk", "ip", "hostname", "platform", "name"] {
            change.attribute(v, name);
        }
        if creating {
            check_ids(change, v)?;
        }
        if let Some((license, policy)) = &family {
            let limits = EffectiveLimits::of(license, policy);
            let others = others(db, license, policy, &limits, machine, change.before)?;
            for error in limits::check_machine(policy, &limits, &others, machine, creating) {
                v.base(error.code, error.detail);
            }
            if creating {
                check_wider(change, policy, v)?;
            }
        }
        if let Some(group) = group {
            groups::check_room(db, v, &group, "machines", "machine", group.max_machines)?;
        }
        if let (Some(owner), Some((license, _))) = (owner, &family) {
            let args = [license.id.to_val(), owner.id.to_val()];
            let belongs = license.owner_id == Some(owner.id)
                || db.exists("license_users WHERE license_id = ? AND user_id = ?", &args)?;
            if !belongs {
                v.relationship("owner", "INVALID", "must be a valid license user");
            }
        }
        Ok(())
    }

    /// Counters, components and the first activation (10 §1.8).
    fn inserted(&mut self, cx: &Ctx, db: &Db<'_>, params: &Json) -> Result<()> {
        components::insert_embedded(self, cx, db, params)?;
        count(db, self.license_id, None, 1, [self.cores, self.memory, self.disk])?;
        licenses_first_activation(cx, db, self)
    }

    fn updated(&mut self, before: &Self, _cx: &Ctx, db: &Db<'_>) -> Result<()> {
        let difference = |now: Option<i64>, then: Option<i64>| Some(now.unwrap_or(0).saturating_sub(then.unwrap_or(0)));
        let cores = difference(self.cores, before.cores);
        let memory = difference(self.memory, before.memory);
        let disk = difference(self.disk, before.disk);
        if (cores, memory, disk) == (Some(0), Some(0), Some(0)) {
            return Ok(());
        }
        count(db, self.license_id, None, 0, [cores, memory, disk])
    }

    fn removing(&self, cx: &Ctx, db: &Db<'_>) -> Result<()> {
        count_use(cx, db, "deactivations")?;
        let minus = |value: Option<i64>| value.map(|n| -n);
        count(db, self.license_id, Some(self.id), -1, [minus(self.cores), minus(self.memory), minus(self.disk)])
    }
}

/// Moves a license's counters by so many machines and their cores, memory and disk. Sums stay at the largest value that the
/// column holds; from there they are counted anew, without the machine that is about to be `removed`.
fn count(
    db: &Db<'_>,
    license: Uuid,
    removed: Option<Uuid>,
    machines: i64,
    [cores, memory, disk]: [Option<i64>; 3],
) -> Result<()> {
    let sql = "SELECT machines_count, machines_cores, machines_memory, machines_disk FROM licenses WHERE id = ?";
    let before =
        db.query_one(sql, &[license.to_val()], |row| Ok([row.get::<i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
    let Some(before) = before else { return Ok(()) };
    let more = [machines, cores.unwrap_or(0), memory.unwrap_or(0), disk.unwrap_or(0)];
    let after = if before.contains(&i64::MAX) {
        let counts = licenses::sums(db, license, None, removed)?;
        [before[0].saturating_add(machines), counts.cores, counts.memory, counts.disk]
    } else {
        std::array::from_fn(|i| before[i].saturating_add(more[i]))
    };
    let mut args: Vec<Val> = after.iter().map(|n| n.to_val()).collect();
    args.push(license.to_val());
    db.execute(
        "UPDATE licenses SET machines_count = ?, machines_cores = ?, machines_memory = ?, machines_disk = ? WHERE id = ?",
        &args,
    )?;
    Ok(())
}

/// `FROM_FIRST_ACTIVATION` (10 §1.8)
fn licenses_first_activation(cx: &Ctx, db: &Db<'_>, machine: &Machine) -> Result<()> {
    let Some(policy) = db.get::<Policy>(cx.account.id, machine.policy_id)? else { return Ok(()) };
    if let Some(expiry) = license_status::initial_expiry(&policy, cx.now, ExpirationBasis::FromFirstActivation) {
        let args = [expiry.to_val(), cx.now.to_val(), machine.license_id.to_val()];
        db.execute("UPDATE licenses SET expires_at = ?, updated_at = ? WHERE id = ? AND expires_at IS NULL", &args)?;
    }
    Ok(())
}

/// The machines that share the limits with this one (10 §1.6).
fn others(
    db: &Db<'_>,
    license: &License,
    policy: &Policy,
    limits: &EffectiveLimits,
    machine: &Machine,
    before: Option<&Machine>,
) -> Result<MachineCounts> {
    if policy.machine_leasing_strategy == MachineLeasingStrategy::PerUser {
        let EffectiveLimits { max_machines, max_cores, max_memory, max_disk, .. } = limits;
        if [max_machines, max_cores, max_memory, max_disk].iter().all(|limit| limit.is_none()) {
            return Ok(MachineCounts::default());
        }
        return Ok(licenses::sums(db, license.id, Some(machine.owner_id), Some(machine.id))?);
    }
    let own = |get: fn(&Machine) -> Option<i64>| before.and_then(get).unwrap_or(0);
    Ok(MachineCounts {
        machines: license.machines_count - i64::from(before.is_some()),
        cores: license.machines_cores.saturating_sub(own(|m| m.cores)),
        memory: license.machines_memory.saturating_sub(own(|m| m.memory)),
        disk: license.machines_disk.saturating_sub(own(|m| m.disk)),
    })
}

/// Ids and fingerprints that look like ids (10 §1.2).
fn check_ids(change: &Change<'_, Machine>, v: &mut Validation) -> Result<()> {
    let (machine, db) = (change.record, change.db);
    if change.params.at(&["data", "id"]).is_some() && db.exists("machines WHERE id = ?", &[machine.id.to_val()])? {
        v.id("CONFLICT", "must not conflict with another machine");
    }
    if let Some(id) = crate::model::coerce::uuid_from_text(&machine.fingerprint)
        && db.get::<Machine>(machine.account_id, id)?.is_some()
    {
        v.attribute("fingerprint", "CONFLICT", "must not conflict with another machine's identifier (UUID)");
    }
    Ok(())
}

/// Uniqueness beyond the license (10 §1.5).
fn check_wider(change: &Change<'_, Machine>, policy: &Policy, v: &mut Validation) -> Result<()> {
    let machine = change.record;
    let (more, arg, scope) = match policy.machine_uniqueness_strategy {
        UniquenessStrategy::PerLicense | UniquenessStrategy::PerMachine => return Ok(()),
        UniquenessStrategy::PerPolicy => (" AND policy_id = ?", Some(machine.policy_id), "policy"),
        UniquenessStrategy::PerProduct => (" AND product_id = ?", Some(machine.product_id), "product"),
        UniquenessStrategy::PerAccount => ("", None, "account"),
    };
    let mut args = vec![machine.account_id.to_val(), Val::Text(machine.fingerprint.clone())];
    args.extend(arg.map(|id| id.to_val()));
    if change.db.exists(&format!("machines WHERE account_id = ? AND fingerprint = ?{more}"), &args)? {
        v.attribute("fingerprint", "TAKEN", format!("has already been taken for this {scope}"));
    }
    Ok(())
}

/// Counts an activation or deactivation on the license token that asks for it (10 §1.7 step 6, §1.10).
fn count_use(cx: &Ctx, db: &Db<'_>, column: &'static str) -> Result<()> {
    let (Bearer::License(_), Some(token)) = (&cx.subject.bearer, &cx.subject.token) else { return Ok(()) };
    let Some(token) = db.get::<Token>(cx.account.id, token.id)? else { return Ok(()) };
    let (used, most) = match column {
        "activations" => (token.activations, token.max_activations),
        _ => (token.deactivations, token.max_deactivations),
    };
    let Some(next) = used.checked_add(1).filter(|next| i32::try_from(*next).is_ok() || most.is_some()) else {
        return Err(ApiError::bad_request("integer is too large").pointer(format!("/data/attributes/{column}")));
    };
    if let Some(most) = most.filter(|&most| next > most) {
        let mut v = Validation::new("tokens", "TOKEN");
        v.attribute(column, "LIMIT_EXCEEDED", format!("exceeds maximum allowed ({most})"));
        return v.finish();
    }
    let sql = format!("UPDATE tokens SET {column} = ?, updated_at = ? WHERE id = ?");
    db.execute(&sql, &[next.to_val(), cx.now.to_val(), token.id.to_val()])?;
    Ok(())
}

/// `POST /machines` (10 §1.7)
fn create(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let params = Machine::def().create_schema().check(cx.body_or_empty(), cx.who())?;
    let embedded = components::embedded(&params).len();
    if embedded > 20 {
        return Err(ApiError::unprocessable("too many records"));
    }
    let created = crud::build::<Machine>(cx, db, params)?;
    let machine = &created.draft.record;
    let license: Option<License> = db.get(cx.account.id, machine.license_id)?;
    let letters = match &license {
        Some(license) => {
            let letters = licenses::relation(cx, db, license, machine.owner_id)?;
            // A licensee may activate only for itself (10 §1.4).
            let user = cx.subject.bearer.end_user().map(|user| user.id);
            let own = user.is_some() && machine.owner_id == user;
            if own { letters } else { Letters(letters.0 & !UA_NP.0) }
        }
        None if cx.subject.bearer.letters().intersects(VENDOR) && !matches!(cx.subject.bearer, Bearer::Product(_)) => {
            cx.subject.bearer.letters()
        }
        None => NONE,
    };
    cx.authorize(None, Records::One(machine.environment_id), letters)?;
    if embedded > 0 {
        cx.also_needs(&["component.create"])?;
    }
    Outcome::write(move |cx, db| {
        let crud::Created { draft: Draft { record: mut machine, params }, bad } = created;
        let change = Change { cx, db, record: &machine, before: None, bad: &bad, params: &params };
        crud::validate(&change)?;
        count_use(cx, db, "activations")?;
        db.insert(&machine)?;
        machine.inserted(cx, db, &params)?;
        emit(cx, db, "machine.created", &machine)?;
        Ok(Reply::created(render(&machine, &View::new(cx, db))?))
    })
}

/// `POST …/actions/ping` (10 §4.4)
fn ping(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let machine: Machine = crud::authorized(cx, db)?;
    let id = machine.id;
    Outcome::write(move |cx, db| {
        let before: Machine = crud::reload(cx, db, id)?;
        let policy: Policy =
            db.get(cx.account.id, before.policy_id)?.ok_or_else(|| Ctx::broken("a machine without its policy"))?;
        let outcome = heartbeat::machine_ping(&before, &policy, cx.now);
        if outcome == Ping::Dead {
            return Err(ApiError::unprocessable("is dead").code("MACHINE_HEARTBEAT_DEAD"));
        }
        let mut machine = before.clone();
        machine.last_heartbeat_at = Some(cx.now);
        if outcome == Ping::Revive {
            machine.last_death_event_at = None;
        }
        save_heartbeat(cx, db, &mut machine, &before)?;
        let revived = outcome == Ping::Revive;
        emit(cx, db, if revived { "machine.heartbeat.resurrected" } else { "machine.heartbeat.ping" }, &machine)?;
        let view = View::new(cx, db);
        view.know_policy(policy);
        let mut data = render(&machine, &view)?;
        if revived && let Some(attributes) = data.get_mut("attributes") {
            attributes.set("heartbeatStatus", HeartbeatStatus::Resurrected.to_json());
        }
        Ok(Reply::data(data))
    })
}

/// `POST …/actions/reset` (10 §4.5)
fn reset(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let machine: Machine = crud::authorized(cx, db)?;
    let id = machine.id;
    Outcome::write(move |cx, db| {
        let before: Machine = crud::reload(cx, db, id)?;
        let mut machine = before.clone();
        machine.last_heartbeat_at = None;
        save_heartbeat(cx, db, &mut machine, &before)?;
        emit(cx, db, "machine.heartbeat.reset", &machine)?;
        crud::show_reply(cx, db, &machine)
    })
}

/// Stores the heartbeat columns alone; like every save it re-checks the limits (10 §1.6).
fn save_heartbeat(cx: &Ctx, db: &Db<'_>, machine: &mut Machine, before: &Machine) -> Result<()> {
    let params = Json::empty();
    crud::validate(&Change { cx, db, record: machine, before: Some(before), bad: &[], params: &params })?;
    machine.updated_at = cx.now;
    let args = [
        machine.last_heartbeat_at.to_val(),
        machine.last_death_event_at.to_val(),
        machine.updated_at.to_val(),
        machine.id.to_val(),
    ];
    db.execute(
        "UPDATE machines SET last_heartbeat_at = ?, last_death_event_at = ?, updated_at = ? WHERE id = ?",
        &args,
    )?;
    Ok(())
}

impl nested::HasOne<Product> for Machine {
    fn related_id(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(Some(self.product_id))
    }
}

impl nested::HasOne<License> for Machine {
    fn related_id(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(Some(self.license_id))
    }
}

impl nested::HasOne<Group> for Machine {
    fn related_id(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(self.group_id)
    }
}

/// 10 §1.12
impl relate::Relate<Group> for Machine {
    const COLUMN: &'static str = "group_id";
    const SUBJECT: relate::Subject = relate::Subject::New;
}

impl nested::Within<Machine> for Component {
    fn within(parent: &Machine, filter: &mut Where) {
        filter.equals("machine_components.machine_id", parent.id);
    }
}

impl nested::Within<Machine> for Process {
    fn within(parent: &Machine, filter: &mut Where) {
        filter.equals("machine_processes.machine_id", parent.id);
    }
}
