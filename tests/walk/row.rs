//! A row of the table: what a document says about one route.

use crate::bearers::Bearer;
use crate::http::Answer;
use crate::oracle::{Env, Expect, Record};
use crate::world::{Tree, World};
use serde_json::Value;
use std::rc::Rc;

/// How a route treats credentials.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    Required,
    Optional,
    /// They are not read.
    None,
}

/// Under which paths a route exists (01 §2.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    Both,
    Long,
    Bare,
}

/// `relationships.environment` of a create (05 §5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    Nothing,
    /// `null` is the global environment.
    Environment(Env),
}

/// What a request is aimed at.
#[derive(Clone)]
pub struct Target {
    /// For messages, and to tell victims apart.
    pub name: String,
    /// `{id}`; empty when the route has none.
    pub id: String,
    /// `{child}`
    pub child: String,
    /// The bearer's scope holds `{id}` (environment apart).
    pub found: bool,
    /// `{id}` is looked up in the whole account (groups, 06 §3.1).
    pub anywhere: bool,
    /// Environment of `{id}`; `None` when no environment owns it.
    pub env: Option<Env>,
    /// `{child}` hangs on `{id}`.
    pub child_found: bool,
    /// What the environment rule looks at.
    pub record: Record,
    /// The letter of the bearer towards the record; empty for none.
    pub is: &'static str,
    /// The license (or policy) is protected.
    pub guarded: bool,
    /// Permissions beside the route's.
    pub can: &'static [&'static str],
    /// Where the record hangs.
    pub tree: Option<Rc<Tree>>,
    /// Of users and tokens: the role of the user or of the token's bearer.
    pub role: &'static str,
    /// The user is the bearer, the token is the bearer's.
    pub mine: bool,
    /// Environment that the body of a create names.
    pub sends: Sends,
    /// A form of the request that the row tells apart.
    pub form: &'static str,
}

impl Default for Target {
    fn default() -> Target {
        Target {
            name: "-".to_owned(),
            id: String::new(),
            child: String::new(),
            found: true,
            anywhere: false,
            env: None,
            child_found: true,
            record: Record::Nothing,
            is: "",
            guarded: false,
            can: &[],
            tree: None,
            role: "",
            mine: false,
            sends: Sends::Nothing,
            form: "",
        }
    }
}

impl Target {
    pub fn tree(&self) -> &Rc<Tree> {
        self.tree.as_ref().expect("the row aims at trees")
    }
}

/// Route × bearer × environment × target.
pub struct Cell {
    pub bearer: Rc<Bearer>,
    pub current: Env,
    pub target: Target,
}

pub type Targets = fn(&World, &Bearer, Env) -> Vec<Target>;
pub type Judge = fn(&Cell) -> Option<Expect>;
pub type Maker = fn(&mut World, &Cell) -> String;

/// One route, as its document has it.
#[derive(Clone, Copy)]
pub struct Row {
    pub method: &'static str,
    pub path: &'static str,
    /// Section of the specification.
    pub cite: &'static str,
    pub prefix: Prefix,
    pub auth: Auth,
    /// Permissions of bearer and token.
    pub can: &'static [&'static str],
    /// Who may, in the words of the document's table.
    pub may: &'static str,
    /// The lax environment rule (05 §5.5).
    pub lax: bool,
    /// Status of success.
    pub ok: u16,
    pub at: Targets,
    pub body: Option<fn(&mut World, &Cell) -> Value>,
    /// Before the lookup.
    pub early: Option<Judge>,
    /// In place of `may`.
    pub rule: Option<Judge>,
    /// After authorization: what validation says.
    pub then: Option<Judge>,
    /// A record made for the purpose, in place of `{id}` (or `{child}`, if there is one), until it is used up.
    pub victim: Option<Maker>,
    /// Who has nothing but the record itself (and could not end it).
    pub unless: Option<fn(&Cell) -> bool>,
    /// A create that takes `relationships.environment` (05 §5.6).
    pub creates: bool,
    /// Of lists: ids that must be in it.
    pub holds: Option<fn(&World, &Cell) -> Vec<String>>,
    /// Brings about the state that the request needs.
    pub prepare: Option<fn(&mut World, &Cell)>,
    /// Puts right what the request may have changed.
    pub after: Option<fn(&mut World, &Cell, &Answer)>,
}

/// A row with the usual rules of its method.
pub fn row(method: &'static str, path: &'static str, cite: &'static str) -> Row {
    Row {
        method,
        path,
        cite,
        prefix: Prefix::Both,
        auth: Auth::Required,
        can: &[],
        may: "",
        lax: method == "GET",
        ok: if method == "DELETE" { 204 } else { 200 },
        at: |_, bearer, _| vec![Target { is: bearer.kind.letter(), ..Target::default() }],
        body: None,
        early: None,
        rule: None,
        then: None,
        victim: None,
        unless: None,
        creates: false,
        holds: None,
        prepare: None,
        after: None,
    }
}

impl Row {
    pub fn can(self, can: &'static [&'static str]) -> Row {
        Row { can, ..self }
    }

    pub fn may(self, may: &'static str) -> Row {
        Row { may, ..self }
    }

    pub fn at(self, at: Targets) -> Row {
        Row { at, ..self }
    }

    pub fn ok(self, ok: u16) -> Row {
        Row { ok, ..self }
    }

    pub fn lax(self) -> Row {
        Row { lax: true, ..self }
    }

    pub fn strict(self) -> Row {
        Row { lax: false, ..self }
    }

    pub fn long(self) -> Row {
        Row { prefix: Prefix::Long, ..self }
    }

    pub fn bare(self) -> Row {
        Row { prefix: Prefix::Bare, auth: Auth::None, ..self }
    }

    pub fn auth(self, auth: Auth) -> Row {
        Row { auth, ..self }
    }

    pub fn body(self, body: fn(&mut World, &Cell) -> Value) -> Row {
        Row { body: Some(body), ..self }
    }

    pub fn early(self, early: Judge) -> Row {
        Row { early: Some(early), ..self }
    }

    pub fn rule(self, rule: Judge) -> Row {
        Row { rule: Some(rule), ..self }
    }

    pub fn then(self, then: Judge) -> Row {
        Row { then: Some(then), ..self }
    }

    pub fn victim(self, victim: Maker) -> Row {
        Row { victim: Some(victim), ..self }
    }

    pub fn unless(self, unless: fn(&Cell) -> bool) -> Row {
        Row { unless: Some(unless), ..self }
    }

    /// 201, and the body may name an environment.
    pub fn creates(self) -> Row {
        Row { creates: true, ok: 201, ..self }
    }

    pub fn holds(self, holds: fn(&World, &Cell) -> Vec<String>) -> Row {
        Row { holds: Some(holds), ..self }
    }

    pub fn prepare(self, prepare: fn(&mut World, &Cell)) -> Row {
        Row { prepare: Some(prepare), ..self }
    }

    pub fn after(self, after: fn(&mut World, &Cell, &Answer)) -> Row {
        Row { after: Some(after), ..self }
    }

    /// Method and path with the parameters' names made equal, as the table of routes is compared.
    pub fn key(&self) -> String {
        key(self.method, self.path)
    }

    /// Whether `may` asks for licenses that are not protected.
    pub fn asks_for_protection(&self) -> bool {
        self.may.contains("!p")
    }
}

/// The first parameter of a path is `{id}`, the second `{child}`, whatever they are called and may contain.
pub fn key(method: &str, path: &str) -> String {
    let mut names = ["{id}", "{child}"].into_iter();
    let segments: Vec<&str> = path
        .split('/')
        .map(|segment| if segment.starts_with('{') { names.next().expect("two parameters at most") } else { segment })
        .collect();
    format!("{method} {}", segments.join("/"))
}
