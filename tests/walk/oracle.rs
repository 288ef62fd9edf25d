//! What the specification expects: the environment rules of 05 §5 and the order of checks of 01 §5 and 03 §9.1, written down a
//! second time, apart from the server.

use crate::bearers::{Bearer, Kind};
use crate::row::{Auth, Cell, Row};

/// The three kinds of environments (05 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Env {
    Global,
    Isolated,
    Shared,
    /// Another shared environment, that is only looked at from outside.
    Another,
}

impl Env {
    pub const ALL: [Env; 4] = [Env::Global, Env::Isolated, Env::Shared, Env::Another];
    /// Those that are walked.
    pub const WALKED: [Env; 3] = [Env::Global, Env::Isolated, Env::Shared];
    /// Those that are records.
    pub const NAMED: [Env; 3] = [Env::Isolated, Env::Shared, Env::Another];

    /// Its code, as the header names it.
    pub fn code(self) -> Option<&'static str> {
        match self {
            Env::Global => None,
            Env::Isolated => Some("walk-isolated"),
            Env::Shared => Some("walk-shared"),
            Env::Another => Some("walk-another"),
        }
    }

    /// Whether a request in this environment sees what belongs to that one (05 §5.2); also which credentials work in it (05
    /// §5.3), which parents fit (05 §5.5), and to what a record of this environment may belong (05 §5.7).
    pub fn sees(self, other: Env) -> bool {
        other == self || (self.is_shared() && other == Env::Global)
    }

    fn is_shared(self) -> bool {
        matches!(self, Env::Shared | Env::Another)
    }

    /// Whether it is worth to aim at what is there: outside of the view, the other shared environment differs from the first one
    /// only when one stands in that.
    pub fn aims_at(self, other: Env) -> bool {
        other != Env::Another || self == Env::Shared
    }

    /// The lax rule for records (05 §5.5).
    pub fn reads(self, record: Env) -> bool {
        self == Env::Global || self.sees(record)
    }

    /// The strict rule (05 §5.5).
    pub fn writes(self, record: Env) -> bool {
        self == record
    }
}

/// What the environment rule looks at (05 §5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// Nothing: a list, the bearer itself.
    Nothing,
    /// A record of that environment.
    Of(Env),
    /// Entries of that environment, attached to or detached from a parent of the other.
    Entries { of: Env, parent: Env },
    /// A record that no environment owns.
    Unbound,
}

/// An expected answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    pub status: u16,
    /// What the detail must contain.
    pub reason: Option<String>,
}

impl Expect {
    pub fn status(status: u16) -> Expect {
        Expect { status, reason: None }
    }

    /// 403 for that reason.
    pub fn denied(reason: impl Into<String>) -> Expect {
        Expect { status: 403, reason: Some(reason.into()) }
    }

    /// 403 by the rule of the endpoint (03 §9.1, 10).
    pub fn refused() -> Expect {
        Expect::denied("ensure the token or license is allowed to access all resources")
    }
}

/// Whether the credential is found in the current environment (03 §5).
pub fn authenticates(bearer: &Bearer, current: Env) -> bool {
    bearer.kind != Kind::Anonymous && current.sees(bearer.credential)
}

/// The answer that the specification expects.
pub fn expect(row: &Row, cell: &Cell) -> Expect {
    let (bearer, target) = (&*cell.bearer, &cell.target);
    // 01 §5, stage 8
    if row.auth != Auth::None {
        let anonymous = bearer.kind == Kind::Anonymous;
        if anonymous && row.auth == Auth::Required || !anonymous && !authenticates(bearer, cell.current) {
            return Expect::status(401);
        }
    }
    // stage 9
    if let Some(expect) = row.early.and_then(|early| early(cell)) {
        return expect;
    }
    if !target.id.is_empty() {
        let visible = target.env.is_none_or(|env| cell.current.sees(env));
        let known = target.anywhere || target.found && visible;
        if !known || !target.child_found {
            return Expect::status(404);
        }
    }
    // stage 10, 03 §9.1
    if row.auth != Auth::None && bearer.kind != Kind::Anonymous {
        let needed = || row.can.iter().chain(target.can);
        if !needed().all(|permission| bearer.can(permission)) {
            let role = bearer.kind.role().replace('-', " ");
            return Expect::denied(format!("{role} lacks permission to perform action"));
        }
        if bearer.powerless && needed().next().is_some() {
            return Expect::denied("token lacks permission to perform action");
        }
    }
    if let Some(expect) = environment_rule(row, cell) {
        return expect;
    }
    if let Some(expect) = row.rule.and_then(|rule| rule(cell)) {
        return expect;
    }
    if row.rule.is_none() && !allowed(row.may, cell) {
        return Expect::refused();
    }
    row.then.and_then(|then| then(cell)).unwrap_or(Expect::status(row.ok))
}

/// 05 §5.5
fn environment_rule(row: &Row, cell: &Cell) -> Option<Expect> {
    let (fits, reason) = match cell.target.record {
        Record::Nothing => (true, ""),
        Record::Of(env) => (
            if row.lax { cell.current.reads(env) } else { cell.current.writes(env) },
            "record environment is not compatible with the current environment",
        ),
        Record::Entries { of, parent } => (
            if parent == Env::Global { cell.current.writes(of) } else { cell.current.reads(of) },
            "a record's environment is not compatible with the current environment",
        ),
        Record::Unbound => {
            (row.lax || cell.current == Env::Global, "record is not compatible with the current environment")
        }
    };
    (!fits).then(|| Expect::denied(reason))
}

/// Whether what the bearer is to the record stands in the cell of the table: `staff` is A D S Su R, `!p` asks for a license that is
/// not protected.
pub fn allowed(may: &str, cell: &Cell) -> bool {
    let is = cell.target.is;
    may.split_whitespace().any(|word| match word.strip_suffix("!p") {
        Some(letter) => letter == is && !cell.target.guarded,
        None => word == is || (word == "staff" && ["A", "D", "S", "Su", "R"].contains(&is)),
    })
}
