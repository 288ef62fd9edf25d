//! The world is made: environments, users, the trees, and those who will ask.

use crate::bearers::{Bearer, Kind, powers};
use crate::http::Http;
use crate::leaks::{Mark, Marks};
use crate::oracle::Env;
use crate::support::{ADMIN_EMAIL, Server};
use crate::world::{Branch, Place, Staff, Tree, World, link, string};
use serde_json::json;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The users of one environment that the bearers are, and those of the strangers.
#[derive(Clone, Debug, Default)]
struct People {
    by_kind: HashMap<Kind, String>,
    mate: (String, String),
    strangers: [(String, String); 3],
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
            root: HashMap::from([(Env::Global, global.clone()), (Env::Shared, global.clone()), (Env::Another, global)]),
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

    fn make_environments(&mut self) {
        let account = self.api(Env::Global, "GET", "me", None);
        self.account = string(&account["data"]["relationships"]["account"]["data"]["id"]);
        let admin = string(&account["data"]["id"]);
        for (env, strategy) in [(Env::Isolated, "ISOLATED"), (Env::Shared, "SHARED"), (Env::Another, "SHARED")] {
            let attributes = json!({ "name": format!("{env:?}"), "code": env.code(), "isolationStrategy": strategy });
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

    /// A bearer with a token made below a parent, and with one that has no permissions; id of the first.
    fn bearer_below(&mut self, kind: Kind, env: Env, parent: &str, id: &str) -> String {
        let token = self.token(env, parent, id, json!({}));
        let first = token.0.clone();
        self.bearer(kind, env, env, id, token, false);
        let token = self.token(env, parent, id, json!({ "permissions": [] }));
        self.bearer(kind, env, env, id, token, true);
        first
    }

    /// Of the environment that is only looked at from outside, a few are enough to be told apart.
    fn make_bearers(&mut self, env: Env, people: &People) {
        let few = env == Env::Another;
        let mut roles = vec![Kind::Admin, Kind::Developer, Kind::Sales, Kind::Support, Kind::ReadOnly];
        roles.truncate(if few { 1 } else { 5 });
        for kind in roles {
            let (id, email) = self.staff_user(env, kind.role());
            self.factor(Place { branch: Branch::Own, env, home: env }, &id);
            let token = self.login(env, &email, json!({}));
            self.bearer(kind, env, env, &id, token, false);
            let token = self.login(env, &email, json!({ "permissions": [] }));
            self.bearer(kind, env, env, &id, token, true);
            if kind == Kind::Admin && env == Env::Global {
                for inside in [Env::Isolated, Env::Shared] {
                    let token = self.login(inside, &email, json!({}));
                    self.bearer(kind, env, inside, &id, token, false);
                }
            }
        }
        for kind in Kind::USERS.into_iter().take(if few { 1 } else { 6 }) {
            let id = people.by_kind[&kind].clone();
            self.bearer_below(kind, env, "users", &id);
            self.factor(Place { branch: Branch::Own, env, home: env }, &id);
        }
        for branch in [Branch::Own, Branch::Guarded] {
            let at = self.trees.iter().position(|t| t.branch() == branch && t.env() == env).expect("there is one");
            let mut tree = (*self.trees[at]).clone();
            let kind = if branch == Branch::Own { Kind::License } else { Kind::GuardedLicense };
            tree.license_token = self.bearer_below(kind, env, "licenses", &tree.license);
            if branch == Branch::Own {
                let key = Bearer {
                    kind: Kind::LicenseKey,
                    authorization: format!("License {}", tree.license_key),
                    token: String::new(),
                    ..(**self.bearers.last().expect("just added")).clone()
                };
                self.bearers.push(Rc::new(key));
                tree.product_token = self.bearer_below(Kind::Product, env, "products", &tree.product);
            }
            self.trees[at] = Rc::new(tree);
        }
        if env != Env::Global {
            let id = self.environments[&env].clone();
            let token = self.bearer_below(Kind::Environment, env, "environments", &id);
            self.environment_tokens.insert(env, token);
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
}
