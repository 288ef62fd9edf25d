//! What there is to walk on: in each environment a product with everything that hangs on it and belongs to the bearers (`Own`),
//! the same behind a protected policy (`Guarded`), and what belongs to strangers (`Other`); in the shared environment also what
//! hangs there on the global product of the global bearers (`Mixed`).

use crate::bearers::{Bearer, Kind, powers};
use crate::http::{Answer, Ask, Http};
use crate::leaks::{Mark, Marks};
use crate::oracle::Env;
use crate::support::{ADMIN_EMAIL, ADMIN_PASSWORD, Server};
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

/// The users of one environment that the bearers are, and those of the strangers.
#[derive(Clone, Debug, Default)]
struct People {
    by_kind: HashMap<Kind, String>,
    mate: (String, String),
    strangers: [(String, String); 3],
}

pub struct World {
    /// Lives as long as the world.
    _server: Server,
    http: Http,
    pub sql: rusqlite::Connection,
    /// Who makes things, by environment.
    root: HashMap<Env, String>,
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
    counter: u32,
}

fn link(type_: &str, id: &str) -> Value {
    json!({ "data": { "type": type_, "id": id } })
}

impl World {
    pub fn build() -> World {
        let server = Server::start();
        let sql = rusqlite::Connection::open(server.database()).expect("the database opens");
        sql.busy_timeout(std::time::Duration::from_secs(10)).expect("a timeout");
        let global = format!("Bearer {}", server.admin_token);
        let mut world = World {
            http: Http::new(server.port),
            _server: server,
            sql,
            root: HashMap::from([(Env::Global, global.clone()), (Env::Shared, global)]),
            account: String::new(),
            environments: HashMap::new(),
            environment_tokens: HashMap::new(),
            staff: HashMap::new(),
            spare: HashMap::new(),
            spare_entitlement: HashMap::new(),
            spare_group: HashMap::new(),
            factors: HashMap::new(),
            trees: Vec::new(),
            bearers: Vec::new(),
            powerless: Vec::new(),
            marks: Marks::default(),
            victims: HashMap::new(),
            troubles: RefCell::default(),
            counter: 0,
        };
        world.make_environments();
        let people: HashMap<Env, People> = Env::ALL.into_iter().map(|env| (env, world.make_people(env))).collect();
        for env in Env::ALL {
            for branch in [Branch::Own, Branch::Guarded, Branch::Other] {
                world.make_tree(Place { branch, env, home: env }, &people[&env]);
            }
        }
        world.make_tree(Place { branch: Branch::Mixed, env: Env::Shared, home: Env::Global }, &people[&Env::Global]);
        for env in Env::ALL {
            world.make_staff(env);
            world.make_bearers(env, &people[&env]);
        }
        world.anonymous();
        world
    }

    // ------------------------------------------------------------------------------------------------- how things are made

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

    // ------------------------------------------------------------------------------------------------- what is made

    fn make_environments(&mut self) {
        let account = self.api(Env::Global, "GET", "me", None);
        self.account = string(&account["data"]["relationships"]["account"]["data"]["id"]);
        let admin = string(&account["data"]["id"]);
        for (env, strategy) in [(Env::Isolated, "ISOLATED"), (Env::Shared, "SHARED")] {
            let attributes = json!({ "name": strategy, "code": env.code(), "isolationStrategy": strategy });
            let body = json!({ "data": { "type": "environments", "attributes": attributes } });
            let made = self.api(Env::Global, "POST", "environments", Some(body));
            self.environments.insert(env, string(&made["data"]["id"]));
        }
        self.note(&admin, "staff", Place { branch: Branch::Other, env: Env::Global, home: Env::Global });
        // 03 §10.6: a global administrator enters an isolated environment by a token made for it.
        let environment = link("environments", &self.environments[&Env::Isolated]);
        let data = json!({ "type": "tokens", "relationships": { "environment": environment } });
        let token = self.api(Env::Global, "POST", "tokens", Some(json!({ "data": data })));
        self.root.insert(Env::Isolated, format!("Bearer {}", string(&token["data"]["attributes"]["token"])));
    }

    fn make_people(&mut self, env: Env) -> People {
        let own = Place { branch: Branch::Own, env, home: env };
        let other = Place { branch: Branch::Other, env, home: env };
        let by_kind: HashMap<Kind, String> = Kind::USERS.into_iter().map(|kind| (kind, self.user(own).0)).collect();
        let mate = self.user(own);
        let strangers = std::array::from_fn(|_| self.user(other));
        let (spare, _) = self.user(other);
        self.spare.insert(env, spare);
        let entitlement = self.entitlement(other);
        self.spare_entitlement.insert(env, entitlement);
        let group = self.group(own);
        self.spare_group.insert(env, group);
        People { by_kind, mate, strangers }
    }

    fn make_tree(&mut self, place: Place, people: &People) {
        let env = place.env;
        let mut tree = Tree { place: Some(place), ..Tree::default() };
        let home = self.trees.iter().find(|t| t.branch() == Branch::Own && t.env() == place.home).cloned();
        match place.branch {
            Branch::Other => {
                let [owner, attached, mate] = &people.strangers;
                (tree.owner, tree.attached, tree.machine_owner) =
                    (owner.0.clone(), attached.0.clone(), attached.0.clone());
                (tree.mate, tree.mate_email) = mate.clone();
                (tree.member, tree.group_owner) = (mate.0.clone(), owner.0.clone());
            }
            branch => {
                let of = |kind| people.by_kind[&kind].clone();
                (tree.owner, tree.attached, tree.machine_owner) =
                    (of(Kind::Owner), of(Kind::Attached), of(Kind::MachineOwner));
                if branch == Branch::Own {
                    (tree.mate, tree.mate_email) = people.mate.clone();
                    (tree.member, tree.group_owner) = (of(Kind::Member), of(Kind::GroupOwner));
                }
            }
        }
        tree.product = match (place.branch, home) {
            (Branch::Guarded | Branch::Mixed, Some(home)) => home.product.clone(),
            _ => self.product(place),
        };
        tree.policy = self.policy(place, &tree.product, false);
        tree.pool = self.policy(place, &tree.product, true);
        tree.pool_key = self.pool_key(&tree);
        tree.group = self.group(place);
        if !tree.member.is_empty() {
            tree.group_owner = self.own_group(place, &tree.group, &tree.group_owner);
            self.execute("UPDATE users SET group_id = ?1 WHERE id = ?2", &[&tree.group, &tree.member]);
        }
        tree.license = self.license(&tree);
        let shown = self.api(env, "GET", &format!("licenses/{}", tree.license), None);
        tree.license_key = string(&shown["data"]["attributes"]["key"]);
        tree.machine = self.machine(&tree);
        let shown = self.api(env, "GET", &format!("machines/{}", tree.machine), None);
        tree.fingerprint = string(&shown["data"]["attributes"]["fingerprint"]);
        tree.component = self.component(&tree);
        tree.process = self.process(&tree);
        tree.entitlement = self.entitlement(place);
        self.attach_entitlement(env, "licenses", &tree.license, &tree.entitlement);
        tree.policy_entitlement = self.entitlement(place);
        self.attach_entitlement(env, "policies", &tree.policy, &tree.policy_entitlement);
        if !tree.mate.is_empty() {
            tree.factor = self.factor(place, &tree.mate.clone());
            (tree.mate_token, _) = self.token(env, "users", &tree.mate, json!({}));
            self.note_token(&tree.mate_token.clone(), place, &tree.mate);
        }
        if place.branch == Branch::Other {
            (tree.license_token, _) = self.token(env, "licenses", &tree.license, json!({}));
            (tree.product_token, _) = self.token(env, "products", &tree.product, json!({}));
            self.note_token(&tree.license_token.clone(), place, &tree.license);
            self.note_token(&tree.product_token.clone(), place, &tree.product);
        }
        self.trees.push(Rc::new(tree));
    }

    /// A user of a staff role whose password is the administrator's: id and email.
    pub fn staff_user(&mut self, env: Env, role: &str) -> (String, String) {
        let place = Place { branch: Branch::Other, env, home: env };
        let email = format!("{}@staff.test", self.text("staff", place));
        let body = json!({ "data": { "type": "users", "attributes": { "email": email, "role": role } } });
        let made = self.api(env, "POST", "users", Some(body));
        let id = string(&made["data"]["id"]);
        self.note(&id, "staff", place);
        let sql =
            "UPDATE users SET password_digest = (SELECT password_digest FROM users WHERE email = ?1) WHERE id = ?2";
        self.execute(sql, &[ADMIN_EMAIL, &id]);
        (id, email)
    }

    fn make_staff(&mut self, env: Env) {
        let place = Place { branch: Branch::Other, env, home: env };
        let mut staff = Staff::default();
        let (admin, email) = self.staff_user(env, "admin");
        (staff.admin_token, _) = self.login(env, &email, json!({}));
        let (developer, email) = self.staff_user(env, "developer");
        (staff.developer_token, _) = self.login(env, &email, json!({}));
        (staff.admin, staff.developer) = (admin, developer);
        for token in [&staff.admin_token, &staff.developer_token] {
            self.marks.add(token, Mark { kind: "staff", place, text: false, of: String::new() });
        }
        self.staff.insert(env, staff);
    }

    fn bearer(&mut self, kind: Kind, home: Env, env: Env, id: &str, token: (String, String), powerless: bool) {
        let place = Place { branch: Branch::Own, env, home };
        self.note_token(&token.0, place, id);
        let bearer = Bearer {
            kind,
            home,
            credential: env,
            authorization: format!("Bearer {}", token.1),
            id: id.to_owned(),
            token: token.0,
            powers: powers(kind, false),
            powerless,
        };
        let list = if powerless { &mut self.powerless } else { &mut self.bearers };
        list.push(Rc::new(bearer));
    }

    fn make_bearers(&mut self, env: Env, people: &People) {
        let roles = [
            (Kind::Admin, "admin"),
            (Kind::Developer, "developer"),
            (Kind::Sales, "sales-agent"),
            (Kind::Support, "support-agent"),
            (Kind::ReadOnly, "read-only"),
        ];
        let none = json!({ "permissions": [] });
        for (kind, role) in roles {
            let (id, email) = self.staff_user(env, role);
            let place = Place { branch: Branch::Own, env, home: env };
            self.factor(place, &id);
            let token = self.login(env, &email, json!({}));
            self.bearer(kind, env, env, &id, token, false);
            let token = self.login(env, &email, none.clone());
            self.bearer(kind, env, env, &id, token, true);
            if kind == Kind::Admin && env == Env::Global {
                for inside in [Env::Isolated, Env::Shared] {
                    let token = self.login(inside, &email, json!({}));
                    self.bearer(kind, env, inside, &id, token, false);
                }
            }
        }
        for kind in Kind::USERS {
            let id = people.by_kind[&kind].clone();
            let token = self.token(env, "users", &id, json!({}));
            self.bearer(kind, env, env, &id, token, false);
            let token = self.token(env, "users", &id, none.clone());
            self.bearer(kind, env, env, &id, token, true);
            self.factor(Place { branch: Branch::Own, env, home: env }, &id);
        }
        for branch in [Branch::Own, Branch::Guarded] {
            let at = self.trees.iter().position(|t| t.branch() == branch && t.env() == env).expect("there is one");
            let tree = self.trees[at].clone();
            let token = self.token(env, "licenses", &tree.license, json!({}));
            let kind = if branch == Branch::Own { Kind::License } else { Kind::GuardedLicense };
            let mut tree = (*tree).clone();
            tree.license_token = token.0.clone();
            self.bearer(kind, env, env, &tree.license, token, false);
            let token = self.token(env, "licenses", &tree.license, none.clone());
            self.bearer(kind, env, env, &tree.license, token, true);
            if branch == Branch::Own {
                let key = Bearer {
                    kind: Kind::LicenseKey,
                    authorization: format!("License {}", tree.license_key),
                    token: String::new(),
                    ..(**self.bearers.last().expect("just added")).clone()
                };
                self.bearers.push(Rc::new(key));
                let token = self.token(env, "products", &tree.product, json!({}));
                tree.product_token = token.0.clone();
                self.bearer(Kind::Product, env, env, &tree.product, token, false);
                let token = self.token(env, "products", &tree.product, none.clone());
                self.bearer(Kind::Product, env, env, &tree.product, token, true);
            }
            self.trees[at] = Rc::new(tree);
        }
        if env != Env::Global {
            let id = self.environments[&env].clone();
            let token = self.token(env, "environments", &id, json!({}));
            self.environment_tokens.insert(env, token.0.clone());
            self.bearer(Kind::Environment, env, env, &id, token, false);
            let token = self.token(env, "environments", &id, none);
            self.bearer(Kind::Environment, env, env, &id, token, true);
        }
    }

    fn anonymous(&mut self) {
        self.bearers.push(Rc::new(Bearer {
            kind: Kind::Anonymous,
            home: Env::Global,
            credential: Env::Global,
            authorization: String::new(),
            id: String::new(),
            token: String::new(),
            powers: powers(Kind::Anonymous, false),
            powerless: false,
        }));
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
