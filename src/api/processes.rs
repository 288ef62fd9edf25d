//! Processes (10 §3, §4.6).

use super::context::{Ctx, Where};
use super::events::emit;
use super::machine_children::{self, MachineChild, READERS, WRITERS};
use super::render::{View, render};
use super::resource::{Attr, Compare, Def, Draft, Filter, Kind, Link, Rel, Resource, Rule, attributes};
use super::route::{Outcome, Reply, Route, delete, get, patch, post};
use super::validation::{Change, Validation};
use super::{crud, licenses, list, nested};
use crate::auth::{Letters, letters::*};
use crate::http::error::{ApiError, Result};
use crate::json::Json;
use crate::model::heartbeat::{self, HeartbeatStatus, Ping};
use crate::model::{Column as _, License, Machine, Policy, Process, ProcessLeasingStrategy, Product, Val, limits};
use crate::store::Db;
use uuid::Uuid;

pub(super) const ROUTES: &[Route] = &[
    get("processes", list::index::<Process>).can(&["process.read"]).allow(READERS),
    post("processes", crud::create::<Process>).can(&["process.create"]).allow(WRITERS),
    get("processes/{id}", crud::show::<Process>).can(&["process.read"]).allow(READERS),
    patch("processes/{id}", crud::update::<Process>).can(&["process.update"]).allow(WRITERS.or(SU)),
    delete("processes/{id}", crud::destroy::<Process>).can(&["process.delete"]).allow(WRITERS),
    post("processes/{id}/actions/ping", ping)
        .can(&["process.heartbeat.ping"])
        .allow(A.or(D).or(E).or(P).or(L).or(UO_NP).or(UM_NP))
        .lax(),
    get("processes/{id}/product", nested::one::<Process, Product>).can(&["product.read"]).allow(READERS),
    get("processes/{id}/license", nested::one::<Process, License>).can(&["license.read"]).allow(READERS),
    get("processes/{id}/machine", nested::one::<Process, Machine>).can(&["machine.read"]).allow(READERS),
];

const ATTRIBUTES: &[Attr<Process>] = attributes![Process:
    pid "pid" (Kind::String) .required() .update(NONE) .rules(&[Rule::Reserved, Rule::MaxLength(4096)]);
    metadata "metadata" (Kind::Metadata) .update(A.or(D).or(S).or(SU).or(E).or(P));
    status "status" (Kind::Derived) show |process: &Process, view| {
        Ok(Some(heartbeat::process_status(process, &*view.policy(process.policy_id)?, view.now).to_json()))
    };;
    interval "interval" (Kind::Derived) show |process: &Process, view| {
        Ok(Some(Json::Int(heartbeat::duration(&*view.policy(process.policy_id)?))))
    };;
    last_heartbeat "lastHeartbeat" (Kind::Derived) show |process: &Process, _| Ok(Some(process.last_heartbeat_at.to_json()));;
    next_heartbeat "nextHeartbeat" (Kind::Derived) show |process: &Process, view| {
        Ok(Some(heartbeat::process_next_heartbeat(process, &*view.policy(process.policy_id)?).to_json()))
    };;
];

static DEF: Def<Process> = Def {
    type_: "processes",
    types: &["process", "processes"],
    name: "machine process",
    role: "process",
    path: "processes",
    event: "process",
    code: "MACHINE_PROCESS",
    alias: None,
    client_id: ALL,
    attributes: ATTRIBUTES,
    relationships: &[
        Rel::one("product", "product", "products", Link::Own, |process: &Process| Some(process.product_id)),
        Rel::one("license", "license", "licenses", Link::Own, |process: &Process| Some(process.license_id)),
        Rel::one("machine", "machine", "machines", Link::Own, |process: &Process| Some(process.machine_id))
            .sent(ALL, &["machine", "machines"], "machine_id")
            .required(),
    ],
    filters: &[
        Filter { name: "product", compare: Compare::Id("machine_processes.product_id") },
        Filter { name: "license", compare: Compare::Id("machine_processes.license_id") },
        Filter { name: "machine", compare: Compare::Id("machine_processes.machine_id") },
    ],
    order: &[],
    bare: false,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

impl MachineChild for Process {
    fn machine_id(&self) -> Uuid {
        self.machine_id
    }

    fn license_id(&self) -> Uuid {
        self.license_id
    }

    fn product_id(&self) -> Uuid {
        self.product_id
    }

    fn place(&mut self, machine: &Machine) {
        self.machine_id = machine.id;
        self.license_id = machine.license_id;
        self.policy_id = machine.policy_id;
        self.product_id = machine.product_id;
    }
}

impl Resource for Process {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        let mut process = Process::new(id, cx.account.id, environment, cx.now);
        process.last_heartbeat_at = cx.now;
        process
    }

    fn scope(cx: &Ctx, filter: &mut Where) {
        licenses::scope_by_license(cx, filter, "machine_processes.license_id", "machine_processes.product_id");
    }

    fn letters(&self, cx: &Ctx, db: &Db<'_>) -> Result<Letters> {
        machine_children::letters(self, cx, db)
    }

    fn parent_environment(&self, db: &Db<'_>) -> Result<Option<Uuid>> {
        machine_children::parent_environment(self, db)
    }

    fn prepare(draft: &mut Draft<Self>, cx: &Ctx, db: &Db<'_>) -> Result<()> {
        machine_children::prepare(draft, cx, db)
    }

    /// The order is 10 §3.5.
    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        let (process, db) = (change.record, change.db);
        let machine: Option<Machine> = change.must_exist(v, "machine", Some(process.machine_id))?;
        let creating = change.before.is_none();
        if creating {
            if let Some(machine) = &machine {
                change.compatible(v, "machine", machine.environment_id, false)?;
            }
            let args = [process.machine_id.to_val(), Val::Text(process.pid.clone())];
            if db.exists("machine_processes WHERE machine_id = ? AND pid = ?", &args)? {
                v.attribute("pid", "TAKEN", "has already been taken");
            }
        }
        change.attributes(v);
        if creating {
            let chosen = change.params.at(&["data", "id"]).is_some();
            if chosen && db.exists("machine_processes WHERE id = ?", &[process.id.to_val()])? {
                v.id("CONFLICT", "must not conflict with another process");
            }
            if let Some(machine) = &machine {
                check_limit(db, machine, v)?;
            }
        }
        Ok(())
    }
}

/// 10 §3.4
fn check_limit(db: &Db<'_>, machine: &Machine, v: &mut Validation) -> Result<()> {
    let license: License =
        db.get(machine.account_id, machine.license_id)?.ok_or_else(|| Ctx::broken("a machine without its license"))?;
    let policy: Policy =
        db.get(machine.account_id, machine.policy_id)?.ok_or_else(|| Ctx::broken("a machine without its policy"))?;
    let max = limits::effective(license.max_processes, policy.max_processes);
    if max.is_none() {
        return Ok(());
    }
    let count = match policy.process_leasing_strategy {
        ProcessLeasingStrategy::PerMachine => {
            db.count("machine_processes WHERE machine_id = ?", &[machine.id.to_val()])?
        }
        ProcessLeasingStrategy::PerLicense => {
            db.count("machine_processes WHERE license_id = ?", &[machine.license_id.to_val()])?
        }
        ProcessLeasingStrategy::PerUser => {
            let mut args = vec![machine.license_id.to_val()];
            args.extend(machine.owner_id.map(|owner| owner.to_val()));
            let owner = if machine.owner_id.is_some() { "owner_id = ?" } else { "owner_id IS NULL" };
            let from = format!(
                "machine_processes WHERE machine_id IN (SELECT id FROM machines WHERE license_id = ? AND {owner})"
            );
            db.count(&from, &args)?
        }
    };
    if let Some(error) = limits::check_process(&policy, max, count) {
        v.base(error.code, error.detail);
    }
    Ok(())
}

/// `POST …/actions/ping` (10 §4.6)
fn ping(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let process: Process = crud::authorized(cx, db)?;
    let id = process.id;
    Outcome::write(move |cx, db| {
        let mut process: Process = crud::reload(cx, db, id)?;
        let policy: Policy =
            db.get(cx.account.id, process.policy_id)?.ok_or_else(|| Ctx::broken("a process without its policy"))?;
        let outcome = heartbeat::process_ping(&process, &policy, cx.now);
        if outcome == Ping::Dead {
            return Err(ApiError::unprocessable("is dead").code("PROCESS_HEARTBEAT_DEAD"));
        }
        let revived = outcome == Ping::Revive;
        process.last_heartbeat_at = cx.now;
        process.updated_at = cx.now;
        if revived {
            process.last_death_event_at = None;
        }
        db.update(&process)?;
        emit(cx, db, if revived { "process.heartbeat.resurrected" } else { "process.heartbeat.ping" }, &process)?;
        let mut data = render(&process, &View::new(cx, db))?;
        if revived && let Some(attributes) = data.get_mut("attributes") {
            attributes.set("status", HeartbeatStatus::Resurrected.to_json());
        }
        Ok(Reply::data(data))
    })
}
