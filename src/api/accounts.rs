//! Accounts (05 §1).

use super::app::{App, Keys};
use super::context::{Ctx, Where};
use super::embedded::{self, NewAdmin};
use super::rate_limits::Limiter;
use super::render::{View, relationship};
use super::resource::{Attr, Def, Kind, Resource, attributes};
use super::route::{Bare, Opened, Outcome, Prefix, Reply, Route, bare, delete, get, patch};
use super::validation::{Change, Validation};
use crate::auth::{Letters, Records, letters::*};
use crate::http::error::{ApiError, Result};
use crate::http::negotiate::Accepts;
use crate::http::params::{Member, Node, Schema};
use crate::json::{Json, Text};
use crate::mail::texts;
use crate::model::{Account, Column as _, Time, User, Val, slug};
use crate::store::Db;
use crate::versions::Version;
use std::sync::LazyLock;
use uuid::Uuid;

pub(super) const ROUTES: &[Route] = &[
    bare("POST", "accounts", create).accepts(Accepts::Json).multi().limit(Limiter::Registration),
    bare("POST", "recover", recover).accepts(Accepts::Json).limit(Limiter::ResetPassword),
    get("", show).can(&["account.read"]).allow(ALL).prefix(Prefix::Long).accepts(Accepts::Json),
    patch("", update).can(&["account.update"]).allow(A.or(D)).prefix(Prefix::Long).accepts(Accepts::Json),
    // Nobody may (05 §1.7).
    delete("", destroy).allow(NONE).prefix(Prefix::Long).accepts(Accepts::Json),
];

/// Relationships of an account and their paths (05 §1.4).
const RELATED: &[(&str, &str)] = &[
    ("settings", "settings"),
    ("webhookEndpoints", "webhook-endpoints"),
    ("webhookEvents", "webhook-events"),
    ("products", "products"),
    ("platforms", "platforms"),
    ("arches", "arches"),
    ("channels", "channels"),
    ("releases", "releases"),
    ("artifacts", "artifacts"),
    ("policies", "policies"),
    ("users", "users"),
    ("keys", "keys"),
    ("licenses", "licenses"),
    ("machines", "machines"),
    ("components", "components"),
    ("processes", "processes"),
    ("tokens", "tokens"),
];

const ATTRIBUTES: &[Attr<Account>] = attributes![Account:
    name "name" (Kind::String);
    slug "slug" (Kind::String);
    api_version "apiVersion" (Kind::Choice(Version::NAMES)) .create(NONE);
    protected "protected" (Kind::Boolean);
];

static DEF: Def<Account> = Def {
    type_: "accounts",
    types: &["account", "accounts"],
    name: "account",
    role: "account",
    path: "accounts",
    event: "account",
    code: "ACCOUNT",
    alias: None,
    client_id: NONE,
    attributes: ATTRIBUTES,
    relationships: &[],
    filters: &[],
    order: &[],
    bare: true,
    more: super::resource::no_more,
    schemas: super::resource::Schemas::new(),
};

impl Resource for Account {
    fn def() -> &'static Def<Self> {
        &DEF
    }

    fn fresh(cx: &Ctx, id: Uuid, _environment: Option<Uuid>) -> Self {
        Account::new(id, id, cx.now)
    }

    fn scope(_cx: &Ctx, _filter: &mut Where) {}

    fn letters(&self, cx: &Ctx, _db: &Db<'_>) -> Result<Letters> {
        Ok(cx.subject.bearer.letters())
    }

    fn validate(change: &Change<'_, Self>, v: &mut Validation) -> Result<()> {
        check_name(change.record.name.as_deref().unwrap_or_default(), v);
        if change.before.is_none_or(|before| before.slug != change.record.slug) {
            check_slug(change.db, change.record, v)?;
        }
        Ok(())
    }

    fn document(&self, view: &View<'_>) -> Result<Json> {
        match view.app.keys(view.db, self.id) {
            Ok(keys) => Ok(document(self, &keys)),
            Err(error) => Err(ApiError::internal(error)),
        }
    }
}

/// 05 §1.3
fn check_slug(db: &Db<'_>, account: &Account, v: &mut Validation) -> Result<()> {
    let condition = crate::store::case_insensitive_equals("slug");
    let args = [Val::Text(account.slug.clone()), account.id.to_val()];
    let taken = db.exists(&format!("accounts WHERE {condition} AND id <> ?"), &args)?;
    for (suffix, detail) in slug::problems(&account.slug, taken) {
        v.attribute("slug", suffix, detail);
    }
    Ok(())
}

fn show(cx: &Ctx, _db: &Db<'_>) -> Result<Outcome> {
    cx.authorize(None, Records::Unbound, cx.subject.bearer.letters())?;
    Ok(Outcome::Reply(Reply::data(document(&cx.account, &cx.keys))))
}

/// `PATCH` (05 §1.6)
fn update(cx: &Ctx, _db: &Db<'_>) -> Result<Outcome> {
    cx.authorize(None, Records::Unbound, cx.subject.bearer.letters())?;
    let params = DEF.update_schema().check(cx.body_or_empty(), cx.who())?;
    Outcome::write(move |cx, db| super::crud::save::<Account>(cx, db, cx.account.id, params, |_| {}))
}

/// `DELETE` (05 §1.7): the command line can, the API cannot.
fn destroy(cx: &Ctx, _db: &Db<'_>) -> Result<Outcome> {
    cx.authorize(None, Records::Unbound, NONE)?;
    Err(Ctx::broken("an account deletion that was authorized"))
}

/// What a new account is made of.
pub struct NewAccount {
    /// Absent: from the last administrator's address.
    pub name: Option<String>,
    /// Absent: from the last administrator's address.
    pub slug: Option<String>,
    /// Chosen id.
    pub id: Option<Uuid>,
    /// 05 §1.2
    pub protected: bool,
    /// Version of requests that name none.
    pub version: Version,
    /// Its administrators, at least one.
    pub admins: Vec<NewAdmin>,
}

/// Makes an account with its keys and administrators (05 §1.5). Slow: keys and passwords. The errors are the API's.
pub fn found(app: &App, new: NewAccount) -> Result<(Account, Vec<User>)> {
    let now = Time::now();
    let id = new.id.unwrap_or_else(Uuid::now_v7);
    let Some(last) = new.admins.last() else {
        let mut v = Validation::new(DEF.path, DEF.code);
        let pointer = "/data/relationships/users".to_owned();
        v.at(pointer, "USERS_TOO_SHORT".to_owned(), "must have at least one admin user");
        return Err(v.into_error());
    };
    let derived = slug::derive(&last.email);
    let given_slug = new.slug.is_some();
    let mut account = Account::new(id, id, now);
    account.name = Some(new.name.unwrap_or(derived.name));
    account.slug = new.slug.unwrap_or(derived.slug);
    account.api_version = new.version.name().to_owned();
    account.protected = new.protected;
    let mut users = embedded::users(id, None, &new.admins, now);
    let check = move |db: &Db<'_>, account: &mut Account, users: &[User], admins: &[NewAdmin]| -> Result<()> {
        let mut v = Validation::new(DEF.path, DEF.code);
        check_name(account.name.as_deref().unwrap_or_default(), &mut v);
        if given_slug {
            check_slug(db, account, &mut v)?;
        } else {
            settle_slug(db, account, derived.public, &mut v)?;
        }
        embedded::check(db, users, admins, &mut v, true)?;
        v.finish()
    };
    // What is refused is not worth the price of keys and passwords; the writer looks again.
    app.store.read(|db| check(db, &mut account.clone(), &users, &new.admins))?;
    embedded::set_passwords(&mut users, &new.admins);
    let keys = app.make_keys(id, now);
    app.store.write_blocking(move |db| {
        check(db, &mut account, &users, &new.admins)?;
        db.insert(&account)?;
        db.insert(&keys)?;
        for user in &users {
            db.insert(user)?;
        }
        Ok::<_, ApiError>((account, users))
    })
}

/// Changes an account from the command line, by the rules of the API.
pub fn change(
    app: &App,
    id: Uuid,
    name: Option<String>,
    slug: Option<String>,
    protected: Option<bool>,
    version: Option<Version>,
) -> Result<Account> {
    app.store.write_blocking(move |db| {
        let mut account: Account = db.get(id, id)?.ok_or_else(|| ApiError::no_such("account", &id.to_string()))?;
        let mut v = Validation::new(DEF.path, DEF.code);
        if let Some(name) = name {
            check_name(&name, &mut v);
            account.name = Some(name);
        }
        if let Some(slug) = slug.filter(|slug| *slug != account.slug) {
            account.slug = slug;
            check_slug(db, &account, &mut v)?;
        }
        v.finish()?;
        account.protected = protected.unwrap_or(account.protected);
        account.api_version = version.map_or(account.api_version, |version| version.name().to_owned());
        account.updated_at = Time::now();
        db.update(&account)?;
        Ok::<_, ApiError>(account)
    })
}

fn check_name(name: &str, v: &mut Validation) {
    if name.chars().count() > slug::LONGEST {
        v.attribute("name", "TOO_LONG", "is too long (maximum is 255 characters)");
    }
}

/// A derived slug that is taken: another one for those of a public mail provider, refused for others (05 §1.5).
fn settle_slug(db: &Db<'_>, account: &mut Account, public: bool, v: &mut Validation) -> Result<()> {
    if slug::resembles_uuid(&account.slug) {
        v.attribute("slug", "NOT_ALLOWED", "cannot resemble a UUID");
        return Ok(());
    }
    let free =
        |slug: &str| -> Result<bool> { Ok(!db.exists("accounts WHERE slug = ?", &[Val::Text(slug.to_owned())])?) };
    // A derived slug of less than two characters, or a reserved one, gets a suffix, too.
    let fine = |slug: &str| slug::problems(slug, false).is_empty();
    if fine(&account.slug) && free(&account.slug)? {
        return Ok(());
    }
    if fine(&account.slug) && !public {
        let detail = "already exists for this domain (please use a different domain or use account recovery)";
        v.attribute("slug", "NOT_ALLOWED", detail);
        return Ok(());
    }
    let stem: String = account.slug.chars().take(slug::LONGEST - 9).collect();
    loop {
        let suffix = hex::encode(crate::crypto::token::random_bytes::<4>());
        let candidate = format!("{stem}-{suffix}").trim_start_matches('-').to_owned();
        if free(&candidate)? {
            account.slug = candidate;
            return Ok(());
        }
    }
}

static CREATE: LazyLock<Schema> = LazyLock::new(|| {
    let attributes = vec![
        Member::new("name", Node::String),
        Member::new("slug", Node::String),
        Member::new("protected", Node::Boolean),
    ];
    let relationships =
        vec![Member::new("plan", Node::Any).blank(), Member::new("admins", embedded::schema()).required()];
    let data = vec![
        Member::new("type", Node::OneOf(DEF.types.to_vec())).required(),
        Member::new("attributes", Node::Object(attributes)),
        Member::new("relationships", Node::Object(relationships)).required(),
    ];
    Schema::body(vec![
        Member::new("data", Node::Object(data)).required(),
        Member::new("meta", Node::Object(vec![Member::new("referral", Node::String).nullable().blank()])),
    ])
});

/// `POST /v1/accounts` (05 §1.5)
fn create(_app: &App, _db: &Db<'_>, request: Bare) -> Result<Opened> {
    let params = CREATE.check(request.body.unwrap_or(Json::empty()), u32::MAX)?;
    let text = |name: &str| params.at(&["data", "attributes", name]).and_then(Json::as_str).map(str::to_owned);
    let new = NewAccount {
        name: text("name"),
        slug: text("slug"),
        id: None,
        protected: params.at(&["data", "attributes", "protected"]).and_then(Json::as_bool) == Some(true),
        version: request.version,
        admins: embedded::read(&params)?,
    };
    Ok(Opened::Blocking(Box::new(move |app| {
        let (account, _) = found(app, new)?;
        let keys = app.store.read(|db| app.keys(db, account.id).map_err(ApiError::internal))?;
        Ok(Reply::created(document(&account, &keys)))
    })))
}

static RECOVER: LazyLock<Schema> = LazyLock::new(|| {
    let members = vec![
        Member::new("type", Node::OneOf(vec!["account"])).required(),
        Member::new("email", Node::String).required(),
    ];
    Schema::body(vec![Member::new("meta", Node::Object(members)).required()])
});

/// So many accounts are listed in a mail at the most.
const MOST_RECOVERED: usize = 100;

/// `POST /v1/recover` (05 §1.1): the answer tells nothing.
fn recover(app: &App, db: &Db<'_>, request: Bare) -> Result<Opened> {
    let params = RECOVER.check(request.body.unwrap_or(Json::empty()), u32::MAX)?;
    let reply = Reply::empty(204);
    let Some(mailer) = app.mailer.clone() else { return Ok(Opened::Reply(reply)) };
    let email = params.at(&["meta", "email"]).and_then(Json::as_str).unwrap_or_default();
    let email = crate::model::email::normalize(email);
    let condition = format!(
        "WHERE id IN (SELECT account_id FROM users WHERE email = ?) ORDER BY created_at, id LIMIT {MOST_RECOVERED}"
    );
    let accounts: Vec<Account> = db.list(&condition, &[Val::Text(email.clone())])?;
    Ok(Opened::Reply(reply.then(move |app| {
        if let Some(mail) = texts::account_recovery(&app.config, &email, &accounts) {
            mailer.deliver(mail);
        }
    })))
}

/// The resource object of an account (05 §1.4).
pub(super) fn document(account: &Account, keys: &Keys) -> Json {
    let path = format!("/v1/accounts/{}", account.id);
    let relationships = RELATED
        .iter()
        .map(|(name, below)| (Text::Borrowed(*name), relationship(Some(format!("{path}/{below}")), None)))
        .collect();
    let public = &keys.public;
    Json::obj([
        ("id", account.id.to_json()),
        ("type", "accounts".into()),
        (
            "attributes",
            Json::obj([
                ("name", account.name.to_json()),
                ("slug", account.slug.to_json()),
                ("apiVersion", account.api_version.to_json()),
                ("protected", account.protected.to_json()),
                ("status", "SUBSCRIBED".into()),
                ("created", account.created_at.to_json()),
                ("updated", account.updated_at.to_json()),
            ]),
        ),
        ("relationships", Json::Obj(relationships)),
        ("links", Json::obj([("self", Json::str(path))])),
        (
            "meta",
            Json::obj([
                ("publicKey", Json::str(public.rsa_b64())),
                (
                    "keys",
                    Json::obj([
                        ("ed25519", Json::str(public.ed25519_b64())),
                        ("rsa2048", Json::str(public.rsa_b64())),
                        ("ecdsa", Json::str(public.ecdsa_b64())),
                    ]),
                ),
            ]),
        ),
    ])
}
