//! Entitlements (06 §2).

use super::context::{Ctx, Where};
use super::resource::{Attr, Def, Kind, Resource, Rule, attributes};
use super::route::{Route, delete, get, patch, post};
use super::validation::{Change, Validation};
use super::{crud, list};
use crate::auth::{Bearer, Letters, letters::*};
use crate::http::error::Result;
use crate::model::{Column as _, Entitlement};
use crate::store::Db;
use uuid::Uuid;

pub(super) const ROUTES: &[Route] = &[
    get("entitlements", list::index::<Entitlement>).can(&["entitlement.read"]).allow(STAFF.or(E).or(P).or(L).or(U)),
    post("entitlements", crud::create::<Entitlement>).can(&["entitlement.create"]).allow(A.or(D).or(E)),
    get("entitlements/{id}", crud::show::<Entitlement>).can(&["entitlement.read"]).allow(STAFF.or(E).or(P).or(L).or(U)),
    patch("entitlements/{id}", crud::update::<Entitlement>).can(&["entitlement.update"]).allow(A.or(D).or(E)),
    delete("entitlements/{id}", crud::destroy::<Entitlement>).can(&["entitlement.delete"]).allow(A.or(D).or(E)),
];

const ATTRIBUTES: &[Attr<Entitlement>] = attributes![Entitlement:
    name "name" (Kind::String) .required() .rules(&[Rule::MaxLength(255)]);
    code "code" (Kind::String) .required() .rules(&[Rule::Reserved, Rule::MaxLength(255)]);
    metadata "metadata" (Kind::Metadata);
];

static DEF: Def<Entitlement> = Def {
    type_: "entitlements",
    types: &["entitlement", "entitlements"],
    name: "entitlement",
    role: "entitlement",
    path: "entitlements",
    event: "entitlement",
    code: "ENTITLEMENT",
    alias: Some("code"),
    client_id: NONE,
    attributes: ATTRIBUTES,
    relationships: &[],
    filters: &[],
    order: &[],
    bare: false,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

impl Resource for Entitlement {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        Entitlement::new(id, cx.account.id, environment, cx.now)
    }

    /// 06 §2.1: licenses and users see those of their licenses and policies.
    fn scope(cx: &Ctx, filter: &mut Where) {
        match &cx.subject.bearer {
            Bearer::License(bearer) => {
                let args = [bearer.license.id.to_val(), bearer.license.policy_id.to_val()];
                filter.and(
                    "entitlements.id IN (SELECT entitlement_id FROM license_entitlements WHERE license_id = ?
                     UNION SELECT entitlement_id FROM policy_entitlements WHERE policy_id = ?)",
                    args,
                );
            }
            Bearer::Anonymous => filter.never(),
            bearer => {
                if let Some(user) = bearer.end_user() {
                    let of_user = super::licenses::OF_USER;
                    let sql = format!(
                        "entitlements.id IN (SELECT entitlement_id FROM license_entitlements WHERE license_id IN
                           (SELECT licenses.id FROM licenses WHERE {of_user})
                         UNION SELECT entitlement_id FROM policy_entitlements WHERE policy_id IN
                           (SELECT licenses.policy_id FROM licenses WHERE {of_user}))"
                    );
                    filter.and(sql, [user.id.to_val(), user.id.to_val(), user.id.to_val(), user.id.to_val()]);
                }
            }
        }
    }

    fn letters(&self, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(cx.subject.bearer.letters())
    }

    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        change.attribute(v, "name");
        change.attribute(v, "code");
        check_code(change, v, Some(&change.record.code))?;
        change.attribute(v, "metadata");
        Ok(())
    }
}

/// What codes of products and entitlements share (06 §1.2, §2.2): unique ignoring case, and no UUID.
pub(super) fn check_code<T: Resource>(change: &Change<'_, T>, v: &mut Validation, code: Option<&str>) -> Result<()> {
    let Some(code) = code else { return Ok(()) };
    if change.taken("code", code, true)? {
        v.attribute("code", "TAKEN", "has already been taken");
    }
    if crate::model::coerce::uuid_from_text(code).is_some() {
        v.attribute("code", "INVALID", "is invalid");
    }
    Ok(())
}
