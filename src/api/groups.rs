//! Groups (06 §3): the resource, as far as members refer to it.

use super::context::{Ctx, Where};
use super::resource::{Attr, Def, Kind, Rel, Resource, Rule, attributes};
use crate::auth::{Bearer, Letters, letters::*};
use crate::http::error::Result;
use crate::model::{Column as _, Group};
use crate::store::Db;
use uuid::Uuid;

const ATTRIBUTES: &[Attr<Group>] = attributes![Group:
    name "name" (Kind::String) .required() .rules(&[Rule::MaxLength(255)]);
    max_users "maxUsers" (Kind::Integer) .nullable();
    max_licenses "maxLicenses" (Kind::Integer) .nullable();
    max_machines "maxMachines" (Kind::Integer) .nullable();
    metadata "metadata" (Kind::Metadata);
];

static DEF: Def<Group> = Def {
    type_: "groups",
    types: &["group", "groups"],
    name: "group",
    role: "group",
    path: "groups",
    event: "group",
    code: "GROUP",
    alias: None,
    client_id: NONE,
    attributes: ATTRIBUTES,
    relationships: &[
        Rel::many("owners", "owners", "group-owners"),
        Rel::many("users", "users", "users"),
        Rel::many("licenses", "licenses", "licenses"),
        Rel::many("machines", "machines", "machines"),
    ],
    filters: &[],
    order: &[],
    bare: false,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

impl Resource for Group {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        Group::new(id, cx.account.id, environment, cx.now)
    }

    /// 06 §3.1: users and licenses see the group that they are a member of.
    fn scope(cx: &Ctx, filter: &mut Where) {
        match &cx.subject.bearer {
            Bearer::License(bearer) => filter.and("groups.id = ?", [bearer.license.group_id.to_val()]),
            Bearer::Anonymous => filter.never(),
            bearer => {
                if let Some(user) = bearer.end_user() {
                    filter.and("groups.id = ?", [user.group_id.to_val()]);
                }
            }
        }
    }

    fn letters(&self, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(cx.subject.bearer.letters())
    }
}

/// `<MEMBER> count has exceeded …` when the group is full (06 §3.3). `table`: the members' table, `kind`: user, license or
/// machine.
pub(super) fn check_room(
    db: &Db<'_>,
    v: &mut super::validation::Validation,
    group: &Group,
    table: &str,
    kind: &str,
    limit: Option<i64>,
) -> Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    if db.count(&format!("{table} WHERE group_id = ?"), &[group.id.to_val()])? >= limit {
        let code = format!("GROUP_{}_LIMIT_EXCEEDED", kind.to_ascii_uppercase());
        let detail = format!("{kind} count has exceeded maximum allowed by current group ({limit})");
        v.at("/data/relationships/group".to_owned(), code, detail);
    }
    Ok(())
}
