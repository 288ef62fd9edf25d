//! Users (04): the resource, as far as tokens, licenses and machines refer to it.

use super::context::{Ctx, Where};
use super::resource::{Attr, Def, Kind, Link, Rel, Resource, attributes};
use crate::auth::{Bearer, Letters, letters::*};
use crate::http::error::Result;
use crate::json::Json;
use crate::model::{Column as _, Role, Time, User};
use crate::store::Db;
use uuid::Uuid;

const ATTRIBUTES: &[Attr<User>] = attributes![User:
    full_name "fullName" (Kind::Derived) show |user: &User, _| {
        let name = user.first_name.as_ref().zip(user.last_name.as_ref()).map(|(first, last)| format!("{first} {last}"));
        Ok(Some(name.into()))
    };;
    first_name "firstName" (Kind::String) .nullable() .blank();
    last_name "lastName" (Kind::String) .nullable() .blank();
    email "email" (Kind::String) .required();
    status "status" (Kind::Derived) show |user: &User, view| Ok(Some(status(user, view)?.into()));;
    role "role" (Kind::Enum(Role::NAMES)) .create(A) .update(A);
    permissions "permissions" (Kind::Permissions) .create(A.or(D).or(P).or(E)) .update(A.or(D).or(P).or(E));
    metadata "metadata" (Kind::Metadata);
];

static DEF: Def<User> = Def {
    type_: "users",
    types: &["user", "users"],
    name: "user",
    role: "user",
    path: "users",
    event: "user",
    code: "USER",
    alias: Some("email"),
    client_id: NONE,
    attributes: ATTRIBUTES,
    relationships: &[
        Rel::one("group", "group", "groups", Link::Own, |user| user.group_id),
        Rel::many("products", "products", "products"),
        Rel::many("licenses", "licenses", "licenses"),
        Rel::many("machines", "machines", "machines"),
        Rel::many("tokens", "tokens", "tokens"),
        Rel::many("secondFactors", "second_factors", "second-factors"),
    ],
    filters: &[],
    order: &[],
    bare: false,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

/// A user counts as active for this long after a sign of life (04 §5).
const ACTIVE_MS: i64 = 90 * 86_400_000;

/// 04 §5
fn status(user: &User, view: &super::render::View<'_>) -> Result<&'static str> {
    if user.banned_at.is_some() {
        return Ok("BANNED");
    }
    let since = Time(view.now.0 - ACTIVE_MS);
    if user.created_at >= since {
        return Ok("ACTIVE");
    }
    let from = format!(
        "licenses WHERE {} AND (created_at >= ? OR last_validated_at >= ? OR last_check_out_at >= ? OR last_check_in_at >= ?)",
        super::licenses::OF_USER
    );
    let (id, since) = (user.id.to_val(), since.to_val());
    let args = [id.clone(), id, since.clone(), since.clone(), since.clone(), since];
    Ok(if view.db.exists(&from, &args)? { "ACTIVE" } else { "INACTIVE" })
}

impl Resource for User {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        let mut user = User::new(id, cx.account.id, environment, cx.now);
        user.permissions = Role::User.default_permissions();
        user
    }

    /// 04 §1
    fn scope(cx: &Ctx, filter: &mut Where) {
        match &cx.subject.bearer {
            Bearer::Product(_) => filter.equals("users.role", Role::User),
            Bearer::License(bearer) => {
                let args = [bearer.license.owner_id.to_val(), bearer.license.id.to_val()];
                filter.and(
                    "(users.id = ? OR users.id IN (SELECT user_id FROM license_users WHERE license_id = ?))",
                    args,
                );
            }
            Bearer::Anonymous => filter.never(),
            bearer => {
                if let Some(user) = bearer.end_user() {
                    let of_user = super::licenses::OF_USER;
                    let sql = format!(
                        "(users.id = ? OR users.id IN (SELECT owner_id FROM licenses WHERE {of_user})
                          OR users.id IN (SELECT user_id FROM license_users WHERE license_id IN
                            (SELECT licenses.id FROM licenses WHERE {of_user})))"
                    );
                    let id = || user.id.to_val();
                    filter.and(sql, [id(), id(), id(), id(), id()]);
                }
            }
        }
    }

    fn letters(&self, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(cx.subject.bearer.letters())
    }

    fn links(&self, path: String) -> Json {
        Json::obj([("self", Json::str(path))])
    }
}
