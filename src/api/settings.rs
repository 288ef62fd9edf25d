//! Account settings (05 §2).

use super::app::App;
use super::context::{Ctx, Where};
use super::resource::{Attr, Def, Draft, Kind, Resource, attributes};
use super::route::{Prefix, Route, delete, get, patch, post};
use super::validation::{Change, Validation};
use super::{crud, list};
use crate::auth::{Letters, letters::*};
use crate::http::error::{ApiError, Result};
use crate::http::negotiate::Accepts;
use crate::json::{self, Json};
use crate::model::{Account, Column as _, PermissionSet, Role, Setting, Time, Val};
use crate::store::Db;
use uuid::Uuid;

const WRITERS: Letters = A.or(D);

pub(super) const ROUTES: &[Route] = &[
    of_settings(get("settings", list::index::<Setting>).can(&["account.read"])),
    of_settings(post("settings", crud::create::<Setting>).can(&["account.update"])),
    of_settings(get("settings/{id}", crud::show::<Setting>).can(&["account.read"])),
    of_settings(patch("settings/{id}", crud::update::<Setting>).can(&["account.update"])),
    of_settings(delete("settings/{id}", crud::destroy::<Setting>).can(&["account.update"])),
];

/// What all routes have in common: no short form (05 §2.1), and no binary answers (01 §3.1).
const fn of_settings(route: Route) -> Route {
    route.allow(WRITERS).prefix(Prefix::Long).accepts(Accepts::Json)
}

/// Permissions of new licenses (05 §2.3).
pub(super) const LICENSE_PERMISSIONS: &str = "default_license_permissions";
/// Permissions of new users of role `user` (05 §2.3).
pub(super) const USER_PERMISSIONS: &str = "default_user_permissions";

const ATTRIBUTES: &[Attr<Setting>] = attributes![Setting:
    key "key" (Kind::String) .required() .update(NONE);
    value "value" (Kind::Json) show |setting: &Setting, _| Ok(Some(Json::Raw(setting.value.clone().into())));
        .required_always();
];

static DEF: Def<Setting> = Def {
    type_: "settings",
    types: &["setting", "settings"],
    name: "account setting",
    role: "account setting",
    path: "settings",
    event: "account.settings",
    code: "SETTING",
    alias: Some("key"),
    client_id: NONE,
    attributes: ATTRIBUTES,
    relationships: &[],
    filters: &[],
    order: &[],
    bare: false,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

impl Resource for Setting {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, _environment: Option<Uuid>) -> Self {
        Setting::new(id, cx.account.id, cx.now)
    }

    /// Administrators and developers see them, others nothing (05 §2.1).
    fn scope(cx: &Ctx, filter: &mut Where) {
        if !cx.subject.bearer.letters().intersects(WRITERS) {
            filter.never();
        }
    }

    fn letters(&self, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(cx.subject.bearer.letters())
    }

    /// The key is stored in snake case (05 §2.2).
    fn prepare(draft: &mut Draft<Self>, _cx: &Ctx, _db: &Db<'_>) -> Result<()> {
        draft.record.key = json::normalize_key(&draft.record.key);
        Ok(())
    }

    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        let taken = change.before.is_none() && change.taken("key", &change.record.key, false)?;
        check(change.record, taken, v);
        Ok(())
    }

    fn inserted(&mut self, cx: &Ctx, db: &Db<'_>, _params: &Json) -> Result<()> {
        touch_account(db, cx.account.id, cx.now)
    }

    fn updated(&mut self, _before: &Self, cx: &Ctx, db: &Db<'_>) -> Result<()> {
        touch_account(db, cx.account.id, cx.now)
    }

    fn removing(&self, cx: &Ctx, db: &Db<'_>) -> Result<()> {
        touch_account(db, cx.account.id, cx.now)
    }
}

/// 05 §2.2. `taken`: another setting has the key.
fn check(setting: &Setting, taken: bool, v: &mut Validation) {
    let known = [LICENSE_PERMISSIONS, USER_PERMISSIONS].contains(&setting.key.as_str());
    if !known {
        let detail = "must be one of: default_license_permissions, default_user_permissions";
        v.attribute("key", "NOT_ALLOWED", detail);
    } else if taken {
        v.attribute("key", "TAKEN", "has already been taken");
    }
    let value = json::parse_verbatim(&setting.value).unwrap_or(Json::Null);
    let items = value.as_arr();
    let (role, what) = match setting.key.as_str() {
        LICENSE_PERMISSIONS => (Role::License, "license"),
        _ => (Role::User, "user"),
    };
    let allowed = role.allowed().union(PermissionSet::wildcard());
    match items {
        Some(items) if known => {
            if !permissions_of(items).is_some_and(|set| set.is_subset(allowed)) {
                v.attribute("value", "NOT_ALLOWED", format!("must be an array of valid {what} permissions"));
            }
        }
        _ => v.attribute("value", "NOT_ALLOWED", "must be a valid setting"),
    }
}

/// Each write shows in the account's `updated` (05 §2.2).
fn touch_account(db: &Db<'_>, account: Uuid, now: Time) -> Result<()> {
    let args = [now.to_val(), account.to_val()];
    db.execute("UPDATE accounts SET updated_at = ? WHERE id = ?", &args)?;
    Ok(())
}

fn permissions_of(items: &[Json]) -> Option<PermissionSet> {
    let names: Option<Vec<&str>> = items.iter().map(Json::as_str).collect();
    PermissionSet::from_names(names?)
}

/// The permission set of a setting; `None` when it is not set.
pub(super) fn permissions(db: &Db<'_>, account: Uuid, key: &str) -> Result<Option<PermissionSet>> {
    let value = of_key(db, account, key)?.and_then(|setting| json::parse_verbatim(&setting.value).ok());
    Ok(value.as_ref().and_then(Json::as_arr).filter(|items| !items.is_empty()).and_then(permissions_of))
}

/// The settings of an account.
pub fn all(db: &Db<'_>, account: Uuid) -> Result<Vec<Setting>> {
    Ok(db.list("WHERE account_id = ? ORDER BY key", &[account.to_val()])?)
}

fn of_key(db: &Db<'_>, account: Uuid, key: &str) -> Result<Option<Setting>> {
    Ok(db.find("WHERE account_id = ? AND key = ?", &[account.to_val(), Val::Text(key.to_owned())])?)
}

/// Creates or changes a setting from the command line, by the rules of the API.
pub fn put(app: &App, account: &Account, key: &str, value: Json) -> Result<()> {
    if value.is_blank() {
        return Err(ApiError::bad_request("cannot be blank").pointer("/data/attributes/value"));
    }
    let (account, key, now) = (account.id, json::normalize_key(key), Time::now());
    app.store.write_blocking(move |db| {
        let known = of_key(db, account, &key)?;
        let mut setting = known.clone().unwrap_or_else(|| Setting::new(Uuid::now_v7(), account, now));
        setting.key = key;
        setting.value = value.to_string();
        setting.updated_at = now;
        let mut v = Validation::new(DEF.path, DEF.code);
        check(&setting, false, &mut v);
        v.finish()?;
        if known.is_some() {
            db.update(&setting)?
        } else {
            db.insert(&setting)?
        }
        touch_account(db, account, now)
    })
}

/// Removes a setting from the command line.
pub fn unset(app: &App, account: &Account, key: &str) -> Result<()> {
    let (account, key) = (account.id, json::normalize_key(key));
    app.store.write_blocking(move |db| {
        let setting = of_key(db, account, &key)?.ok_or_else(|| ApiError::no_such(DEF.name, &key))?;
        db.delete(&setting)?;
        touch_account(db, account, Time::now())
    })
}
