//! Environments (05 §3).

use super::context::{Ctx, Where};
use super::crud::{self, Created};
use super::resource::{Attr, Def, Kind, Resource, Rule, attributes};
use super::route::{Outcome, Route, delete, get, patch, post};
use super::validation::{Change, Validation};
use super::{embedded, licenses, list, nested, tokens};
use crate::auth::{Bearer, Letters, letters::*};
use crate::http::error::Result;
use crate::http::params::Member;
use crate::model::{Column as _, Environment, IsolationStrategy, Role, Token, Val};
use crate::store::Db;
use uuid::Uuid;

pub(super) const ROUTES: &[Route] = &[
    get("environments", list::index::<Environment>).can(&["environment.read"]).allow(STAFF),
    post("environments", create).can(&["environment.create"]).allow(A.or(D)),
    get("environments/{id}", crud::show::<Environment>).can(&["environment.read"]).allow(STAFF.or(E)),
    patch("environments/{id}", crud::update::<Environment>).can(&["environment.update"]).allow(A.or(D)),
    delete("environments/{id}", crud::destroy::<Environment>).can(&["environment.delete"]).allow(A.or(D)),
    get("environments/{id}/tokens", nested::index::<Environment, Token>).can(&["token.read"]).allow(STAFF.or(E)),
    get("environments/{id}/tokens/{child}", nested::show::<Environment, Token>).can(&["token.read"]).allow(STAFF.or(E)),
    post("environments/{id}/tokens", tokens::generate_for::<Environment>)
        .can(&["environment.tokens.generate"])
        .allow(A.or(D)),
];

const ATTRIBUTES: &[Attr<Environment>] = attributes![Environment:
    name "name" (Kind::String) .required() .rules(&[Rule::MaxLength(255)]);
    code "code" (Kind::String) .required() .rules(&[Rule::Reserved, Rule::MaxLength(255)]);
    isolation_strategy "isolationStrategy" (Kind::Enum(IsolationStrategy::NAMES)) .update(NONE)
        .rules(&[Rule::OneOf("unsupported isolation strategy")]);
];

static DEF: Def<Environment> = Def {
    type_: "environments",
    types: &["environment", "environments"],
    name: "environment",
    role: "environment",
    path: "environments",
    event: "environment",
    code: "ENVIRONMENT",
    alias: Some("code"),
    client_id: NONE,
    attributes: ATTRIBUTES,
    relationships: &[],
    filters: &[],
    order: &[],
    bare: false,
    more: || vec![Member::new("admins", embedded::schema())],
    schemas: super::resource::Schemas::new(),
};

impl Resource for Environment {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, _environment: Option<Uuid>) -> Self {
        Environment::new(id, cx.account.id, cx.now)
    }

    /// Staff see all, an environment itself, others none (05 §3.1).
    fn scope(cx: &Ctx, filter: &mut Where) {
        match &cx.subject.bearer {
            Bearer::Environment(environment) => filter.equals("environments.id", environment.id),
            bearer if bearer.is_staff() => {}
            _ => filter.never(),
        }
    }

    fn letters(&self, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(cx.subject.bearer.letters())
    }

    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        change.attribute(v, "name");
        change.attribute(v, "code");
        super::entitlements::check_code(change, v, Some(&change.record.code))?;
        change.attribute(v, "isolation_strategy");
        Ok(())
    }

    /// Everything of the environment goes with it by the schema; what its machines and users counted for on licenses that
    /// stay is moved first (05 §3.4).
    fn removing(&self, _cx: &Ctx, db: &Db<'_>) -> Result<()> {
        let id = || self.id.to_val();
        // An administrator must be left (D40).
        let outside = "users WHERE account_id = ? AND role = ? AND (environment_id IS NULL OR environment_id <> ?)";
        if !db.exists(outside, &[self.account_id.to_val(), Role::Admin.to_val(), id()])? {
            let mut v = Validation::new(DEF.path, DEF.code);
            super::users::admins_required(&mut v, "account must have at least 1 admin user");
            return v.finish();
        }
        let sql = "SELECT license_id FROM machines WHERE environment_id = ?
             UNION SELECT license_id FROM machines WHERE owner_id IN (SELECT id FROM users WHERE environment_id = ?)
             UNION SELECT license_id FROM license_users WHERE environment_id = ?
             UNION SELECT license_id FROM license_users WHERE user_id IN (SELECT id FROM users WHERE environment_id = ?)";
        let touched: Vec<Uuid> = db.query(sql, &[id(), id(), id(), id()], |row| row.get(0))?;
        db.execute("DELETE FROM licenses WHERE environment_id = ?", &[id()])?;
        db.execute("DELETE FROM machines WHERE environment_id = ?", &[id()])?;
        db.execute("DELETE FROM license_users WHERE environment_id = ?", &[id()])?;
        db.execute("DELETE FROM users WHERE environment_id = ?", &[id()])?;
        licenses::recount(db, &touched)
    }
}

impl nested::Within<Environment> for Token {
    fn within(parent: &Environment, filter: &mut Where) {
        filter.equals("tokens.bearer_environment_id", parent.id);
    }
}

/// `POST /environments` with its administrators (05 §3.3)
fn create(cx: &Ctx, db: &Db<'_>) -> Result<Outcome> {
    let created = crud::creating::<Environment>(cx, db)?;
    let admins = embedded::read(&created.draft.params)?;
    if !admins.is_empty() {
        // They can do everything; so must whoever makes them, its token included (D40).
        cx.also_needs(&Role::Admin.default_permissions().names())?;
    }
    Outcome::blocking(move |cx| {
        let environment = &created.draft.record;
        let mut users = embedded::users(cx.account.id, Some(environment), &admins, cx.now);
        embedded::set_passwords(&mut users, &admins);
        Outcome::write(move |cx, db| {
            let Created { draft, bad } = created;
            let environment = draft.record.clone();
            let change = Change { cx, db, record: &environment, before: None, bad: &bad, params: &draft.params };
            let mut v = Validation::new(DEF.path, DEF.code);
            Environment::validate(&change, &mut v)?;
            embedded::check(db, &users, &admins, &mut v, false)?;
            v.finish()?;
            db.insert(&environment)?;
            for user in &users {
                db.insert(user)?;
            }
            super::events::emit(cx, db, "environment.created", &environment)?;
            let data = super::render::render(&environment, &super::render::View::new(cx, db))?;
            Ok(super::route::Reply::created(data))
        })
    })
}

/// An environment of the account by UUID or exact code; the oldest if both match.
pub(super) fn find(db: &Db<'_>, account: Uuid, name: &str) -> Result<Option<Environment>> {
    let code = Val::Text(name.to_owned());
    Ok(match crate::model::coerce::uuid_from_text(name) {
        Some(id) => {
            let args = [account.to_val(), id.to_val(), code];
            db.find("WHERE account_id = ? AND (id = ? OR code = ?) ORDER BY created_at, id LIMIT 1", &args)?
        }
        None => db.find(
            "WHERE account_id = ? AND lower(code) = lower(?) AND code = ?",
            &[account.to_val(), code.clone(), code],
        )?,
    })
}
