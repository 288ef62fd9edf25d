//! Groups (06 §3), and what belongs to them: users, licenses and machines. Their owners: `group_owners`.

use super::context::{Ctx, Where};
use super::resource::{Attr, Def, Kind, Rel, Resource, Rule, attributes};
use super::route::{Route, delete, get, patch, post};
use super::{crud, joins, list, nested};
use crate::auth::{Bearer, Letters, letters::*};
use crate::http::error::Result;
use crate::model::{Column as _, Group, GroupOwner, License, Machine, Product, User};
use crate::store::Db;
use uuid::Uuid;

const READERS: Letters = STAFF.or(E).or(P).or(U).or(L);
const WRITERS: Letters = A.or(D).or(E).or(P);
/// Whose lists of members they are (06 §3.5).
const VIEWERS: Letters = STAFF.or(E).or(P).or(GO_ANY);

pub(super) const ROUTES: &[Route] = &[
    get("groups", list::index::<Group>).can(&["group.read"]).allow(READERS),
    post("groups", crud::create::<Group>).can(&["group.create"]).allow(WRITERS),
    get("groups/{id}", crud::show::<Group>).can(&["group.read"]).allow(READERS),
    patch("groups/{id}", crud::update::<Group>).can(&["group.update"]).allow(WRITERS),
    delete("groups/{id}", crud::destroy::<Group>).can(&["group.delete"]).allow(WRITERS),
    get("groups/{id}/owners", nested::index::<Group, GroupOwner>).can(&["group.owners.read"]).allow(READERS),
    get("groups/{id}/owners/{child}", nested::show::<Group, GroupOwner>).can(&["group.owners.read"]).allow(READERS),
    post("groups/{id}/owners", joins::attach::<GroupOwner>).can(&["group.owners.attach"]).allow(WRITERS),
    delete("groups/{id}/owners", joins::detach::<GroupOwner>).can(&["group.owners.detach"]).allow(WRITERS),
    get("groups/{id}/users", nested::index::<Group, User>).can(&["group.users.read"]).allow(VIEWERS),
    get("groups/{id}/users/{child+}", nested::show::<Group, User>).can(&["group.users.read"]).allow(VIEWERS),
    get("groups/{id}/licenses", nested::index::<Group, License>).can(&["group.licenses.read"]).allow(VIEWERS),
    get("groups/{id}/licenses/{child+}", nested::show::<Group, License>).can(&["group.licenses.read"]).allow(VIEWERS),
    get("groups/{id}/machines", nested::index::<Group, Machine>).can(&["group.machines.read"]).allow(VIEWERS),
    get("groups/{id}/machines/{child+}", nested::show::<Group, Machine>).can(&["group.machines.read"]).allow(VIEWERS),
];

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
    /// A group that the bearer may not read is 403 on its own routes (06 §3.1).
    const FOUND_BY_ALL: bool = true;

    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, environment: Option<Uuid>) -> Self {
        Group::new(id, cx.account.id, environment, cx.now)
    }

    /// 06 §3.1: users and licenses see the group that they are in, users also those that they own.
    fn scope(cx: &Ctx, filter: &mut Where) {
        match &cx.subject.bearer {
            Bearer::License(bearer) => filter.and("groups.id = ?", [bearer.license.group_id.to_val()]),
            Bearer::Anonymous => filter.never(),
            bearer => {
                if let Some(user) = bearer.end_user() {
                    let sql = "(groups.id = ? OR groups.id IN (SELECT group_id FROM group_owners WHERE user_id = ?))";
                    filter.and(sql, [user.group_id.to_val(), user.id.to_val()]);
                }
            }
        }
    }

    fn letters(&self, cx: &Ctx, db: &Db<'_>) -> Result<Letters> {
        let bearer = &cx.subject.bearer;
        if let Bearer::License(bearer) = bearer {
            return Ok(if bearer.license.group_id == Some(self.id) { L } else { NONE });
        }
        let Some(user) = bearer.end_user() else { return Ok(bearer.letters()) };
        if db.exists("group_owners WHERE user_id = ? AND group_id = ?", &[user.id.to_val(), self.id.to_val()])? {
            return Ok(U | GO | GO_ANY);
        }
        if user.group_id != Some(self.id) {
            return Ok(NONE);
        }
        let owns_another = db.exists("group_owners WHERE user_id = ?", &[user.id.to_val()])?;
        Ok(if owns_another { U | GO_ANY } else { U })
    }
}

/// What can belong to a group (06 §3.3).
trait Member: nested::Within<Product> {
    /// A product's token may look at it (06 §3.5).
    fn seen_by(&self, product: &Product) -> bool;
}

impl Member for User {
    fn seen_by(&self, _product: &Product) -> bool {
        true
    }
}

impl Member for License {
    fn seen_by(&self, product: &Product) -> bool {
        self.product_id == product.id
    }
}

impl Member for Machine {
    fn seen_by(&self, product: &Product) -> bool {
        self.product_id == product.id
    }
}

/// 06 §3.5
impl<M: Member> nested::Within<Group> for M {
    const ROUTE_ONLY: bool = true;

    fn within(parent: &Group, filter: &mut Where) {
        filter.equals(&format!("{}.group_id", M::TABLE), parent.id);
    }

    fn hide(cx: &Ctx, letters: Letters, filter: &mut Where) {
        match &cx.subject.bearer {
            Bearer::Product(product) => <M as nested::Within<Product>>::within(product, filter),
            _ if letters.intersects(U) && !letters.intersects(GO) => filter.never(),
            _ => {}
        }
    }

    fn letters_within(&self, _parent: &Group, letters: Letters, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        let seen = match &cx.subject.bearer {
            Bearer::Product(product) => self.seen_by(product),
            _ => !letters.intersects(U) || letters.intersects(GO),
        };
        Ok(if seen { letters } else { NONE })
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
