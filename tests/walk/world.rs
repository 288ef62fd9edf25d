//! What there is to walk on: in each environment a product with everything that hangs on it and belongs to the bearers (`Own`),
//! the same behind a protected policy (`Guarded`), and what belongs to strangers (`Other`); in the shared environment also what
//! hangs there on the global product of the global bearers (`Mixed`).

use crate::bearers::{Bearer, powers};
use crate::http::{Answer, Ask, Http};
use crate::leaks::{Mark, Marks};
use crate::oracle::Env;
use crate::support::{ADMIN_PASSWORD, Server};
use base64::Engine as _;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Branch {
    Own,
    Guarded,
    Other,
    /// Records of the shared environment that hang on what the global bearers have in the global one.
    Mixed,
}

/// Where a record belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub branch: Branch,
    /// Environment of the record.
    pub env: Env,
    /// Environment of the bearers that it belongs to.
    pub home: Env,
}

/// A product (or another product's policy) and everything below it, by id.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub place: Option<Place>,
    pub product: String,
    pub policy: String,
    pub pool: String,
    pub pool_key: String,
    pub license: String,
    pub license_key: String,
    pub machine: String,
    pub fingerprint: String,
    pub component: String,
    pub process: String,
    /// Attached to the license.
    pub entitlement: String,
    /// Attached to the policy.
    pub policy_entitlement: String,
    /// Of the license, the machine and `member`.
    pub group: String,
    pub group_owner: String,
    pub member: String,
    pub owner: String,
    pub attached: String,
    pub machine_owner: String,
    /// Attached to the license of `Own` or `Other`, and not a bearer.
    pub mate: String,
    pub mate_email: String,
    pub factor: String,
    pub license_token: String,
    pub product_token: String,
    pub mate_token: String,
}

impl Tree {
    pub fn place(&self) -> Place {
        self.place.expect("every tree has its place")
    }

    pub fn env(&self) -> Env {
        self.place().env
    }

    pub fn branch(&self) -> Branch {
        self.place().branch
    }

    pub fn guarded(&self) -> bool {
        self.branch() == Branch::Guarded
    }

    pub fn name(&self) -> String {
        format!("{:?}@{:?}", self.branch(), self.env())
    }
}

/// Staff that is aimed at (not the bearers).
#[derive(Clone, Debug, Default)]
pub struct Staff {
    pub admin: String,
    pub admin_token: String,
    pub developer: String,
    pub developer_token: String,
}

pub struct World {
    /// Lives as long as the world.
    pub _server: Server,
    pub http: Http,
    pub sql: rusqlite::Connection,
    /// Who makes things, by environment.
    pub root: HashMap<Env, String>,
    pub account: String,
    pub environments: HashMap<Env, String>,
    pub environment_tokens: HashMap<Env, String>,
    pub staff: HashMap<Env, Staff>,
    /// A user of each environment that is attached, made owner … and taken away again.
    pub spare: HashMap<Env, String>,
    pub spare_entitlement: HashMap<Env, String>,
    pub spare_group: HashMap<Env, String>,
    /// Second factors by user.
    pub factors: HashMap<String, String>,
    pub trees: Vec<Rc<Tree>>,
    pub bearers: Vec<Rc<Bearer>>,
    /// The same bearers by tokens without permissions.
    pub powerless: Vec<Rc<Bearer>>,
    pub marks: Marks,
    pub victims: HashMap<(usize, String), String>,
    /// What could not be prepared.
    pub troubles: RefCell<Vec<String>>,
    pub counter: u32,
}

pub fn link(type_: &str, id: &str) -> Value {
    json!({ "data": { "type": type_, "id": id } })
}

impl World {
    pub fn call(&mut self, ask: &Ask<'_>) -> Answer {
        self.http.call(ask)
    }

    /// Does something as an administrator of the environment.
    pub fn api(&mut self, env: Env, method: &str, path: &str, body: Option<Value>) -> Value {
        let authorization = self.root[&env].clone();
        self.api_as(&authorization, env, method, path, body)
    }

    pub fn api_as(&mut self, authorization: &str, env: Env, method: &str, path: &str, body: Option<Value>) -> Value {
        let path = format!("/v1/accounts/acme/{path}");
        let ask = Ask { method, path: &path, authorization, environment: env.code(), body: body.as_ref() };
        self.http.call(&ask).good(&format!("{method} {path} in {env:?} with {body:?}"))
    }

    /// Changes the database behind the API's back; what fails is told with the cell (what a request has ruined may be missing).
    pub fn execute(&self, sql: &str, args: &[&str]) {
        let mut statement = self.sql.prepare_cached(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        if let Err(error) = statement.execute(rusqlite::params_from_iter(args)) {
            self.troubles.borrow_mut().push(format!("{sql} {args:?}: {error}"));
        }
    }

    /// A number that no other has.
    pub fn number(&mut self) -> u32 {
        self.counter += 1;
        self.counter
    }

    /// A text that is recognized wherever it turns up.
    pub fn text(&mut self, kind: &'static str, place: Place) -> String {
        let text = format!("wmk{:06}", self.number());
        self.marks.add(&text, Mark { kind, place, text: true, of: String::new() });
        text
    }

    pub fn note(&mut self, id: &str, kind: &'static str, place: Place) {
        self.marks.add(id, Mark { kind, place, text: false, of: String::new() });
    }

    /// Notes a token, and whose it is.
    pub fn note_token(&mut self, id: &str, place: Place, bearer: &str) {
        self.marks.add(id, Mark { kind: "tokens", place, text: false, of: bearer.to_owned() });
    }

    /// Creates a record; its id.
    pub fn create(&mut self, kind: &'static str, place: Place, attributes: Value, relationships: Value) -> String {
        let mut data = json!({ "type": kind, "attributes": attributes });
        if !relationships.is_null() {
            data["relationships"] = relationships;
        }
        let made = self.api(place.env, "POST", kind, Some(json!({ "data": data })));
        let id = string(&made["data"]["id"]);
        self.note(&id, kind, place);
        id
    }

    /// A user of role `user`, without password: id and email.
    pub fn user(&mut self, place: Place) -> (String, String) {
        let (name, local) = (self.text("users", place), self.text("users", place));
        let email = format!("{local}@walk.test");
        let id = self.create("users", place, json!({ "firstName": name, "email": email }), Value::Null);
        self.marks.of(&name, &id);
        self.marks.of(&local, &id);
        (id, email)
    }

    /// A token by a parent's route: its id and raw text.
    pub fn token(&mut self, env: Env, parent: &str, id: &str, attributes: Value) -> (String, String) {
        let body = json!({ "data": { "type": "tokens", "attributes": attributes } });
        let made = self.api(env, "POST", &format!("{parent}/{id}/tokens"), Some(body));
        (string(&made["data"]["id"]), string(&made["data"]["attributes"]["token"]))
    }

    /// A token of a staff user, by its password: id and raw text.
    pub fn login(&mut self, env: Env, email: &str, attributes: Value) -> (String, String) {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{email}:{ADMIN_PASSWORD}"));
        let body = json!({ "data": { "type": "tokens", "attributes": attributes } });
        let made = self.api_as(&format!("Basic {basic}"), env, "POST", "tokens", Some(body));
        (string(&made["data"]["id"]), string(&made["data"]["attributes"]["token"]))
    }

    /// A license and a machine, component and process of it: ids of license and machine.
    pub fn license(&mut self, tree: &Tree) -> String {
        let place = tree.place();
        let key = format!("{}-key", self.text("licenses", place));
        let name = self.text("licenses", place);
        let relationships = json!({
            "policy": link("policies", &tree.policy), "owner": link("users", &tree.owner), "group": link("groups", &tree.group)
        });
        let id = self.create("licenses", place, json!({ "name": name, "key": key }), relationships);
        for user in [&tree.attached, &tree.machine_owner, &tree.mate] {
            if !user.is_empty() {
                self.attach_user(&id, user, place.env);
            }
        }
        id
    }

    /// Behind the API's back: it is cheap, and the world stays apart from the routes that are walked.
    pub fn attach_user(&mut self, license: &str, user: &str, env: Env) {
        let env = self.environments.get(&env).cloned();
        let sql = "INSERT INTO license_users (id, account_id, created_at, updated_at, environment_id, license_id, user_id) \
                   VALUES (?1, ?2, 1, 1, nullif(?3, ''), ?4, ?5) ON CONFLICT DO NOTHING";
        let id = uuid::Uuid::now_v7().to_string();
        self.execute(sql, &[&id, &self.account, env.as_deref().unwrap_or_default(), license, user]);
        let sql = "UPDATE licenses SET users_count = (SELECT count(*) FROM license_users WHERE license_id = ?1) WHERE id = ?1";
        self.execute(sql, &[license]);
    }

    pub fn detach_user(&mut self, license: &str, user: &str) {
        self.execute("DELETE FROM license_users WHERE license_id = ?1 AND user_id = ?2", &[license, user]);
        let sql = "UPDATE licenses SET users_count = (SELECT count(*) FROM license_users WHERE license_id = ?1) WHERE id = ?1";
        self.execute(sql, &[license]);
    }

    pub fn machine(&mut self, tree: &Tree) -> String {
        let place = tree.place();
        let (fingerprint, name) = (self.text("machines", place), self.text("machines", place));
        let relationships = json!({
            "license": link("licenses", &tree.license), "owner": link("users", &tree.machine_owner),
            "group": link("groups", &tree.group)
        });
        self.create("machines", place, json!({ "fingerprint": fingerprint, "name": name }), relationships)
    }

    pub fn component(&mut self, tree: &Tree) -> String {
        let place = tree.place();
        let (fingerprint, name) = (self.text("components", place), self.text("components", place));
        let relationships = json!({ "machine": link("machines", &tree.machine) });
        self.create("components", place, json!({ "fingerprint": fingerprint, "name": name }), relationships)
    }

    pub fn process(&mut self, tree: &Tree) -> String {
        let place = tree.place();
        let pid = self.text("processes", place);
        let relationships = json!({ "machine": link("machines", &tree.machine) });
        self.create("processes", place, json!({ "pid": pid }), relationships)
    }

    pub fn entitlement(&mut self, place: Place) -> String {
        let (name, code) = (self.text("entitlements", place), self.text("entitlements", place));
        self.create("entitlements", place, json!({ "name": name, "code": code }), Value::Null)
    }

    pub fn attach_entitlement(&mut self, env: Env, parent: &str, id: &str, entitlement: &str) {
        let body = json!({ "data": [{ "type": "entitlements", "id": entitlement }] });
        self.api(env, "POST", &format!("{parent}/{id}/entitlements"), Some(body));
    }

    pub fn product(&mut self, place: Place) -> String {
        let (name, code) = (self.text("products", place), self.text("products", place));
        self.create("products", place, json!({ "name": name, "code": code }), Value::Null)
    }

    pub fn policy(&mut self, place: Place, product: &str, pool: bool) -> String {
        let attributes = json!({
            "name": self.text("policies", place), "authenticationStrategy": "MIXED", "floating": true, "usePool": pool,
            "protected": place.branch == Branch::Guarded, "duration": 86400 * 365, "requireCheckIn": true,
            "checkInInterval": "year", "checkInIntervalCount": 1
        });
        self.create("policies", place, attributes, json!({ "product": link("products", product) }))
    }

    pub fn group(&mut self, place: Place) -> String {
        let (id, name) = (uuid::Uuid::now_v7().to_string(), self.text("groups", place));
        let sql = "INSERT INTO groups (id, account_id, created_at, updated_at, environment_id, name) \
                   VALUES (?1, ?2, 1, 1, nullif(?3, ''), ?4)";
        self.execute(sql, &[&id, &self.account, &self.environment_id(place.env), &name]);
        self.note(&id, "groups", place);
        id
    }

    pub fn own_group(&mut self, place: Place, group: &str, user: &str) -> String {
        let id = uuid::Uuid::now_v7().to_string();
        let sql = "INSERT INTO group_owners (id, account_id, created_at, updated_at, environment_id, group_id, user_id) \
                   VALUES (?1, ?2, 1, 1, nullif(?3, ''), ?4, ?5)";
        self.execute(sql, &[&id, &self.account, &self.environment_id(place.env), group, user]);
        self.note(&id, "group-owners", place);
        id
    }

    pub fn pool_key(&mut self, tree: &Tree) -> String {
        let id = uuid::Uuid::now_v7().to_string();
        self.put_key(tree, &id, 1);
        id
    }

    /// A key in the pool, made at that time: the newest is popped first.
    pub fn put_key(&mut self, tree: &Tree, id: &str, made: u64) {
        let place = tree.place();
        let key = self.text("keys", place);
        let sql = "INSERT INTO keys (id, account_id, created_at, updated_at, environment_id, policy_id, product_id, key) \
                   VALUES (?1, ?2, CAST(?7 AS INTEGER), 1, nullif(?3, ''), ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let env = self.environment_id(place.env);
        let made = made.to_string();
        self.execute(sql, &[id, &self.account, &env, &tree.pool, &tree.product, &key, &made]);
        self.note(id, "keys", place);
    }

    /// A second factor that is not enabled.
    pub fn factor(&mut self, place: Place, user: &str) -> String {
        let id = uuid::Uuid::now_v7().to_string();
        self.put_factor(place, &id, user);
        self.note(&id, "second-factors", place);
        self.marks.of(&id, user);
        self.factors.insert(user.to_owned(), id.clone());
        id
    }

    pub fn put_factor(&mut self, place: Place, id: &str, user: &str) {
        let sql = "INSERT INTO second_factors (id, account_id, created_at, updated_at, environment_id, user_id, secret) \
                   VALUES (?1, ?2, 1, 1, nullif(?3, ''), ?4, 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP') ON CONFLICT DO NOTHING";
        self.execute(sql, &[id, &self.account, &self.environment_id(place.env), user]);
    }

    pub fn environment_id(&self, env: Env) -> String {
        self.environments.get(&env).cloned().unwrap_or_default()
    }

    /// Gives users and licenses the permissions that they may have but do not have by default.
    pub fn give_everything(&mut self) {
        for at in 0..self.bearers.len() {
            let bearer = self.bearers[at].clone();
            let body = |type_| json!({ "data": { "type": type_, "attributes": { "permissions": ["*"] } } });
            let type_ = match bearer.kind.letter() {
                "U" => "users",
                "L" => "licenses",
                _ => continue,
            };
            self.api(bearer.home, "PATCH", &format!("{type_}/{}", bearer.id), Some(body(type_)));
            self.bearers[at] = Rc::new(Bearer { powers: powers(bearer.kind, true), ..(*bearer).clone() });
        }
    }
}

#[track_caller]
pub fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}
