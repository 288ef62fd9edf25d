//! Components (10 §2), by themselves and embedded in a new machine.

use super::context::{Ctx, Where};
use super::machine_children::{self, MachineChild, READERS, WRITERS};
use super::resource::{Attr, Compare, Def, Draft, Filter, Kind, Link, Rel, Resource, Rule, attributes};
use super::route::{Route, delete, get, patch, post};
use super::validation::{Change, Validation};
use super::{crud, licenses, list, nested};
use crate::auth::{Letters, letters::*};
use crate::http::error::Result;
use crate::http::params::{Member, Node};
use crate::json::Json;
use crate::model::{Column as _, Component, License, Machine, Policy, Product, UniquenessStrategy, Val};
use crate::store::Db;
use uuid::Uuid;

pub(super) const ROUTES: &[Route] = &[
    get("components", list::index::<Component>).can(&["component.read"]).allow(READERS),
    post("components", crud::create::<Component>).can(&["component.create"]).allow(WRITERS),
    get("components/{id}", crud::show::<Component>).can(&["component.read"]).allow(READERS),
    patch("components/{id}", crud::update::<Component>).can(&["component.update"]).allow(WRITERS.or(SU)),
    delete("components/{id}", crud::destroy::<Component>).can(&["component.delete"]).allow(WRITERS),
    get("components/{id}/product", nested::one::<Component, Product>).can(&["product.read"]).allow(READERS),
    get("components/{id}/license", nested::one::<Component, License>).can(&["license.read"]).allow(READERS),
    get("components/{id}/machine", nested::one::<Component, Machine>).can(&["machine.read"]).allow(READERS),
];

const ATTRIBUTES: &[Attr<Component>] = attributes![Component:
    fingerprint "fingerprint" (Kind::String) .required() .update(NONE) .rules(&[Rule::Reserved, Rule::MaxLength(4096)]);
    name "name" (Kind::String) .required() .rules(&[Rule::MaxLength(255)]);
    metadata "metadata" (Kind::Metadata) .update(A.or(D).or(S).or(SU).or(E).or(P));
];

static DEF: Def<Component> = Def {
    type_: "components",
    types: &["component", "components"],
    name: "machine component",
    role: "component",
    path: "components",
    event: "component",
    code: "MACHINE_COMPONENT",
    alias: None,
    client_id: NONE,
    attributes: ATTRIBUTES,
    relationships: &[
        Rel::one("product", "product", "products", Link::Own, |component: &Component| Some(component.product_id)),
        Rel::one("license", "license", "licenses", Link::Own, |component: &Component| Some(component.license_id)),
        Rel::one("machine", "machine", "machines", Link::Own, |component: &Component| Some(component.machine_id))
            .sent(ALL, &["machine", "machines"], "machine_id")
            .required(),
    ],
    filters: &[
        Filter { name: "product", compare: Compare::Id("machine_components.product_id") },
        Filter { name: "license", compare: Compare::Id("machine_components.license_id") },
        Filter { name: "machine", compare: Compare::Id("machine_components.machine_id") },
    ],
    order: &[],
    bare: false,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

impl MachineChild for Component {
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

impl Resource for Component {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        Component::new(id, cx.account.id, environment, cx.now)
    }

    fn scope(cx: &Ctx, filter: &mut Where) {
        licenses::scope_by_license(cx, filter, "machine_components.license_id", "machine_components.product_id");
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

    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        let component = change.record;
        let machine: Option<Machine> = change.must_exist(v, "machine", Some(component.machine_id))?;
        if let (Some(machine), None) = (&machine, change.before) {
            change.compatible(v, "machine", machine.environment_id, false)?;
            let policy: Option<Policy> = change.db.get(component.account_id, component.policy_id)?;
            if let Some(policy) = policy
                && let Some(detail) = taken(change.db, component, &policy)?
            {
                v.attribute("fingerprint", "TAKEN", detail);
            }
        }
        change.attributes(v);
        Ok(())
    }
}

/// The fingerprint is in use in the policy's scope (10 §2.4): the detail of the error.
fn taken(db: &Db<'_>, component: &Component, policy: &Policy) -> Result<Option<String>> {
    let fingerprint = || Val::Text(component.fingerprint.clone());
    let own = [component.machine_id.to_val(), fingerprint()];
    if db.exists("machine_components WHERE machine_id = ? AND fingerprint = ?", &own)? {
        return Ok(Some("has already been taken".to_owned()));
    }
    let (more, arg, scope) = match policy.component_uniqueness_strategy {
        UniquenessStrategy::PerMachine => return Ok(None),
        UniquenessStrategy::PerLicense => (" AND license_id = ?", Some(component.license_id), "license"),
        UniquenessStrategy::PerPolicy => (" AND policy_id = ?", Some(component.policy_id), "policy"),
        UniquenessStrategy::PerProduct => (" AND product_id = ?", Some(component.product_id), "product"),
        UniquenessStrategy::PerAccount => ("", None, "account"),
    };
    let mut args = vec![component.account_id.to_val(), fingerprint()];
    args.extend(arg.map(|id| id.to_val()));
    let found = db.exists(&format!("machine_components WHERE account_id = ? AND fingerprint = ?{more}"), &args)?;
    Ok(found.then(|| format!("has already been taken for this {scope}")))
}

/// `relationships.components` of a new machine (10 §1.4, §2.5).
pub(super) fn embedded_schema() -> Node {
    let attributes = vec![
        Member::new("fingerprint", Node::String).required(),
        Member::new("name", Node::String).required(),
        Member::new("metadata", Node::Metadata).blank(),
    ];
    let item = Node::Object(vec![
        Member::new("type", Node::OneOf(DEF.types.to_vec())).required(),
        Member::new("attributes", Node::Object(attributes)).required(),
    ]);
    Node::Object(vec![Member::new("data", Node::Array(Box::new(item), 0, usize::MAX)).required()])
}

/// The embedded components of a checked body.
pub(super) fn embedded(params: &Json) -> &[Json] {
    params.at(&["data", "relationships", "components", "data"]).and_then(Json::as_arr).unwrap_or_default()
}

fn from_item(item: &Json, machine: &Machine, cx: &Ctx) -> Component {
    let mut component = Component::fresh(cx, Uuid::now_v7(), machine.environment_id);
    component.place(machine);
    let wrapped = Json::obj([("data", item.clone())]);
    super::resource::apply(&mut component, &wrapped);
    component
}

/// Validates the components that a new machine brings along (10 §2.5).
pub(super) fn check_embedded(change: &Change<'_, Machine>, policy: &Policy, v: &mut Validation) -> Result<()> {
    let components: Vec<Component> =
        embedded(change.params).iter().map(|item| from_item(item, change.record, change.cx)).collect();
    for (i, component) in components.iter().enumerate() {
        let mut report = |name: &str, suffix: &str, detail: String| {
            let pointer = format!("/data/relationships/components/data/{i}/attributes/{name}");
            v.at(pointer, format!("COMPONENTS_{}_{suffix}", name.to_ascii_uppercase()), detail);
        };
        if let Some(detail) = taken(change.db, component, policy)? {
            report("fingerprint", "TAKEN", detail);
        }
        if components.iter().enumerate().any(|(j, other)| j != i && other.fingerprint == component.fingerprint) {
            report("fingerprint", "CONFLICT", "is duplicated".to_owned());
        }
        let mut own = Validation::new(DEF.path, DEF.code);
        let empty = Json::empty();
        let inner = Change { cx: change.cx, db: change.db, record: component, before: None, bad: &[], params: &empty };
        inner.attributes(&mut own);
        if own.failed() {
            for error in own.into_error().errors {
                let Some(pointer) = super::validation::pointer(&error) else { continue };
                let name = pointer.rsplit('/').next().unwrap_or("").to_owned();
                let code = error.code.as_deref().unwrap_or("");
                let suffix = code.strip_prefix(&format!("{}_", name.to_ascii_uppercase())).unwrap_or(code).to_owned();
                report(&name, &suffix, error.detail.to_string());
            }
        }
    }
    Ok(())
}

/// Stores the components that a new machine brings along; no events (10 §1.8).
pub(super) fn insert_embedded(machine: &Machine, cx: &Ctx, db: &Db<'_>, params: &Json) -> Result<()> {
    for item in embedded(params) {
        db.insert(&from_item(item, machine, cx))?;
    }
    Ok(())
}
