//! The walk through one environment, on a server of its own.

use crate::bearers::{Bearer, Kind};
use crate::http::{Answer, Ask};
use crate::oracle::{self, Env, Expect, Record};
use crate::row::{Auth, Cell, Prefix, Row, Sends, Target};
use crate::table;
use crate::world::{Branch, Place, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

/// What was found.
#[derive(Default)]
pub struct Tally {
    pub cells: usize,
    /// Routes that were walked.
    pub rows: BTreeSet<String>,
    /// Routes that answered a request with success.
    pub successes: BTreeSet<String>,
    /// Messages by route.
    pub failures: BTreeMap<String, Vec<String>>,
}

impl Tally {
    /// A few failures of every route.
    pub fn report(&self) -> String {
        let mut text = String::new();
        for (row, failures) in &self.failures {
            let _ = writeln!(text, "{row}: {} cells", failures.len());
            for failure in failures.iter().take(4) {
                let _ = writeln!(text, "    {failure}");
            }
        }
        text
    }
}

pub struct Walk {
    current: Env,
    world: World,
    rows: Vec<Row>,
    tally: Arc<Mutex<Tally>>,
    /// Cells so far.
    cells: usize,
}

impl Walk {
    /// Those rows that have a route.
    pub fn new(current: Env, routes: BTreeSet<String>, tally: Arc<Mutex<Tally>>) -> Walk {
        let only = std::env::var("WALK").unwrap_or_default();
        let rows = table::rows().into_iter().filter(|row| routes.contains(&row.key()) && row.key().contains(&only));
        Walk { current, world: World::build(), rows: rows.collect(), tally, cells: 0 }
    }

    /// Every bearer with what it can do by default.
    pub fn everybody(&mut self) {
        let bearers = self.world.bearers.clone();
        self.pass(&bearers, |_, _| true);
    }

    /// Tokens with `permissions: []`: every route that asks for a permission refuses, unless it does not get that far.
    pub fn without_permissions(&mut self) {
        let mut bearers = self.world.powerless.clone();
        bearers.retain(|bearer| bearer.home == self.current);
        let own = |_: &Row, target: &Target| target.tree.as_ref().is_none_or(|tree| tree.branch() == Branch::Own);
        self.pass(&bearers, own);
    }

    /// Users and licenses with `permissions: ["*"]`, where that makes a difference (03 §8.3, `○`).
    pub fn with_everything(&mut self) {
        self.world.give_everything();
        let bearers = self.world.bearers.clone();
        let bearers: Vec<Rc<Bearer>> =
            bearers.into_iter().filter(|b| b.kind.is_user() || b.kind.is_license()).collect();
        let by_default = |row: &Row, bearer: &Bearer| {
            let powers = crate::bearers::powers(bearer.kind, false);
            row.can.iter().all(|permission| powers.contains(*permission))
        };
        for bearer in bearers {
            let rows: Vec<Row> = self.rows.clone();
            for (at, row) in rows.iter().enumerate() {
                if !by_default(row, &bearer) && row.can.iter().all(|permission| bearer.can(permission)) {
                    self.row(at, row, &bearer, &|_, _| true);
                }
            }
        }
    }

    fn pass(&mut self, bearers: &[Rc<Bearer>], worth: impl Fn(&Row, &Target) -> bool) {
        let rows = self.rows.clone();
        for (at, row) in rows.iter().enumerate() {
            for bearer in bearers {
                self.row(at, row, bearer, &worth);
            }
        }
    }

    /// The cells of one route and one bearer.
    fn row(&mut self, at: usize, row: &Row, bearer: &Rc<Bearer>, worth: &dyn Fn(&Row, &Target) -> bool) {
        let mut targets = (row.at)(&self.world, bearer, self.current);
        targets.retain(|target| worth(row, target));
        // Protection matters to few rows, and strangers meet strangers elsewhere.
        let guarded = row.asks_for_protection() || bearer.kind == Kind::GuardedLicense;
        let at_home = |home: Env| bearer.kind.sees_all() || bearer.home == home;
        targets.retain(|target| match &target.tree {
            Some(tree) if tree.guarded() => guarded && at_home(tree.place().home),
            _ => true,
        });
        if row.creates {
            targets = targets.into_iter().flat_map(with_environments).collect();
        }
        assert!(!targets.is_empty(), "{} has no cell for {} in {:?}", row.key(), bearer.name(), self.current);
        // Who is not let in is not let in anywhere.
        let enters = row.auth == Auth::None || oracle::authenticates(bearer, self.current);
        let nobody = bearer.kind == Kind::Anonymous && row.auth == Auth::Optional;
        if !(enters || nobody) {
            targets.truncate(1);
        }
        let key = row.key();
        for target in targets {
            let cell = Cell { bearer: bearer.clone(), current: self.current, target };
            let (failure, good) = self.cell(at, row, cell);
            self.cells += 1;
            let mut tally = self.tally.lock().expect("nobody panics with it");
            tally.cells += 1;
            if !tally.rows.contains(&key) {
                tally.rows.insert(key.clone());
            }
            if good && !tally.successes.contains(&key) {
                tally.successes.insert(key.clone());
            }
            if let Some(failure) = failure {
                tally.failures.entry(key.clone()).or_default().push(failure);
            }
        }
    }

    /// Asks, and says what is wrong with the answer, and whether it was one of success.
    fn cell(&mut self, at: usize, row: &Row, mut cell: Cell) -> (Option<String>, bool) {
        let world = &mut self.world;
        let expect = oracle::expect(row, &cell);
        // Who is not let in needs nothing to be made.
        let enters = expect != Expect::status(401);
        let victim = row.victim.filter(|_| enters && !row.unless.is_some_and(|unless| unless(&cell))).map(|make| {
            let name = (at, format!("{} {}", cell.target.name, if cell.target.mine { &cell.bearer.token } else { "" }));
            let id = match world.victims.get(&name) {
                Some(id) => id.clone(),
                None => {
                    let id = make(world, &cell);
                    world.victims.insert(name.clone(), id.clone());
                    id
                }
            };
            cell.target.id = id;
            name
        });
        if enters && let Some(prepare) = row.prepare {
            prepare(world, &cell);
        }
        let mut body = row.body.map(|body| body(world, &cell));
        if let (Some(body), Sends::Environment(env)) = (&mut body, cell.target.sends) {
            let id = world.environments.get(&env);
            let data = id.map_or(Value::Null, |id| json!({ "type": "environments", "id": id }));
            body["data"]["relationships"]["environment"] = json!({ "data": data });
        }
        // Both prefixes, and both methods that update, take turns.
        let turn = self.cells.is_multiple_of(2);
        let mut path = path(row, &cell, turn);
        if row.holds.is_some() {
            path.push_str("?limit=100");
        }
        let method = if row.method == "PATCH" && turn { "PUT" } else { row.method };
        let ask = Ask {
            method,
            path: &path,
            authorization: &cell.bearer.authorization,
            environment: self.current.code(),
            body: body.as_ref(),
        };
        let answer = world.call(&ask);
        if enters && let Some(after) = row.after {
            after(world, &cell, &answer);
        }
        let good = (200..300).contains(&answer.status);
        if good && let Some(name) = victim {
            world.victims.remove(&name);
        }
        if answer.status == 201 {
            note(world, &cell, &answer);
        }
        let wrong = wrong(&expect, &answer).or_else(|| lists(world, row, &cell, &answer)).or_else(|| {
            let request = format!("{path} {}", body.map(|body| body.to_string()).unwrap_or_default());
            let leaked = world.marks.leaked(row, &cell, &request, &answer);
            (!leaked.is_empty()).then(|| format!("{} shows {}", answer.status, leaked.join(", ")))
        });
        let trouble = world.troubles.take().pop();
        let wrong = wrong.or(trouble);
        let told = wrong.map(|wrong| {
            let (who, target, env) = (cell.bearer.name(), &cell.target.name, self.current);
            format!("{who} in {env:?} on {target} ({}): {wrong}", row.cite)
        });
        (told, good)
    }
}

/// The target as it is, and with each environment named in the body, which the new record then is of (05 §5.6).
fn with_environments(target: Target) -> Vec<Target> {
    let strange = target.tree.as_ref().is_some_and(|tree| tree.branch() != Branch::Own);
    let mut all = vec![target.clone()];
    if !strange {
        all.extend(Env::ALL.map(|env| Target {
            name: format!("{} into {env:?}", target.name),
            sends: Sends::Environment(env),
            record: Record::Of(env),
            ..target.clone()
        }));
    }
    all
}

fn path(row: &Row, cell: &Cell, turn: bool) -> String {
    let prefix = match row.prefix {
        Prefix::Long => "/v1/accounts/acme",
        Prefix::Both if turn => "/v1/accounts/acme",
        _ => "/v1",
    };
    let mut names = [&cell.target.id, &cell.target.child].into_iter();
    let mut path = prefix.to_owned();
    for segment in row.path.split('/').filter(|segment| !segment.is_empty()) {
        let text = if segment.starts_with('{') { names.next().expect("two at most") } else { segment };
        path.push('/');
        path.push_str(text);
    }
    path
}

/// What is missing in a list, or not the parent's.
fn lists(world: &World, row: &Row, cell: &Cell, answer: &Answer) -> Option<String> {
    let holds = row.holds.filter(|_| answer.status == 200)?;
    let document = answer.json();
    let listed: Vec<&str> = document["data"].as_array()?.iter().filter_map(|record| record["id"].as_str()).collect();
    let missing: Vec<String> = holds(world, cell).into_iter().filter(|id| !listed.contains(&id.as_str())).collect();
    if !missing.is_empty() {
        return Some(format!("a list of {} without {missing:?}", listed.len()));
    }
    let tree = cell.target.tree.as_ref().filter(|_| !cell.target.id.is_empty())?;
    let foreign: Vec<&str> = listed.into_iter().filter(|id| world.marks.is_elsewhere(id, tree.place())).collect();
    (!foreign.is_empty()).then(|| format!("a list with what belongs elsewhere: {foreign:?}"))
}

/// Something new of the tree is known from now on.
fn note(world: &mut World, cell: &Cell, answer: &Answer) {
    let data = &answer.json()["data"];
    let kinds = ["policies", "keys", "licenses", "machines", "components", "processes"];
    let kind = kinds.into_iter().find(|kind| data["type"] == *kind);
    if let (Some(kind), Some(id), Some(tree)) = (kind, data["id"].as_str(), &cell.target.tree) {
        world.note(id, kind, Place { env: cell.current, ..tree.place() });
    }
}

fn wrong(expect: &Expect, answer: &Answer) -> Option<String> {
    if answer.status != expect.status {
        return Some(format!("{} instead of {}: {}", answer.status, expect.status, short(&answer.text())));
    }
    let reason = expect.reason.as_ref().filter(|reason| !answer.text().contains(reason.as_str()));
    reason.map(|reason| format!("{} but not because “{reason}”: {}", answer.status, short(&answer.text())))
}

fn short(text: &str) -> &str {
    let end = text.char_indices().nth(260).map_or(text.len(), |(at, _)| at);
    &text[..end]
}
