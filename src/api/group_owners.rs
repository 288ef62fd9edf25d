//! Owners of groups (06 §3.4): users that see who and what is in a group.

use super::context::{Ctx, Where};
use super::joins::Join;
use super::nested::Within;
use super::resource::{Def, Link, Rel, Resource, Schemas, no_more};
use crate::auth::{Letters, letters::*};
use crate::http::error::Result;
use crate::json::Json;
use crate::model::{Group, GroupOwner, User};
use crate::store::Db;
use uuid::Uuid;

static DEF: Def<GroupOwner> = Def {
    type_: "group-owners",
    types: &[],
    name: "group owner",
    role: "group",
    path: "owners",
    event: "group.owners",
    code: "GROUP_OWNER",
    alias: None,
    client_id: NONE,
    attributes: &[],
    relationships: &[
        Rel::one("group", "group", "groups", Link::Target, |row| Some(row.group_id)),
        Rel::one("user", "user", "users", Link::Target, |row| Some(row.user_id)),
    ],
    filters: &[],
    order: &[],
    bare: false,
    more: no_more,
    schemas: Schemas::new(),
};

impl Resource for GroupOwner {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        GroupOwner::new(id, cx.account.id, environment, cx.now)
    }

    /// Whoever sees the group sees its owners.
    fn scope(_cx: &Ctx, _filter: &mut Where) {}

    fn letters(&self, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(cx.subject.bearer.letters())
    }

    fn links(&self, _path: String) -> Json {
        let path = format!("/v1/accounts/{}/groups/{}/owners/{}", self.account_id, self.group_id, self.id);
        Json::obj([("self", Json::str(path))])
    }
}

impl Within<Group> for GroupOwner {
    fn within(parent: &Group, filter: &mut Where) {
        filter.equals("group_owners.group_id", parent.id);
    }
}

impl Join for GroupOwner {
    type Parent = Group;
    type Target = User;
    const TARGET: &'static str = "user";
    const PARENT_COLUMN: &'static str = "group_id";
    const TARGET_COLUMN: &'static str = "user_id";
    const EVENT: &'static str = "group.owners";
    const LENGTH: (usize, usize) = (0, 1000);
    const ALL_OR_NOTHING: bool = false;

    fn new_row(id: Uuid, parent: &Group, target: Uuid, environment: Option<Uuid>, cx: &Ctx) -> Self {
        let mut row = Self::fresh(cx, id, environment);
        row.group_id = parent.id;
        row.user_id = target;
        row
    }

    fn topic() -> &'static str {
        "group-owners"
    }

    fn not_attached(target: Uuid) -> String {
        format!("owner relationship for user '{target}' not found")
    }
}
