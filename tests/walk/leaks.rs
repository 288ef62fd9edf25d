//! Nothing may turn up in an answer that its reader has no business to see: ids and texts of the world are known, and so is where
//! they belong.

use crate::bearers::{Bearer, Kind};
use crate::http::Answer;
use crate::oracle::Env;
use crate::row::{Cell, Row};
use crate::world::{Branch, Place};
use std::collections::HashMap;

/// An id or a text that stands in one record only.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Type of the record (`staff` for users of other roles than `user`, and their tokens).
    pub kind: &'static str,
    pub place: Place,
    /// A name, e-mail address, key …; else an id.
    pub text: bool,
    /// Whose it is: the bearer of a token, the user of a second factor or of an e-mail address.
    pub of: String,
}

impl Mark {
    /// Users of other roles than `user`, and their tokens.
    fn of_staff(&self) -> bool {
        self.kind == "staff"
    }
}

#[derive(Default)]
pub struct Marks {
    all: HashMap<String, Mark>,
}

impl Marks {
    pub fn add(&mut self, text: &str, mark: Mark) {
        self.all.insert(text.to_owned(), mark);
    }

    /// Says whose a text is.
    pub fn of(&mut self, text: &str, of: &str) {
        if let Some(mark) = self.all.get_mut(text) {
            mark.of = of.to_owned();
        }
    }

    /// Whether what it names hangs on the strangers' product while the place is not theirs, or the other way round.
    pub fn is_elsewhere(&self, id: &str, place: Place) -> bool {
        let stranger = |place: Place| place.branch == Branch::Other;
        self.all.get(id).is_some_and(|mark| {
            !mark.of_staff() && (mark.place.home != place.home || stranger(mark.place) != stranger(place))
        })
    }

    /// What stands in the answer and is not the reader's to know; what the request itself named is.
    pub fn leaked(&self, row: &Row, cell: &Cell, request: &str, answer: &Answer) -> Vec<String> {
        // Tokens are shown once, to whom they are made for or made new (03 §10.2).
        let mints = row.method != "GET" && row.path.contains("tokens");
        let mut found: Vec<&str> = candidates(&answer.bytes);
        found.sort_unstable();
        found.dedup();
        if found.contains(&RAW) && !mints {
            return vec!["a token's secret".to_owned()];
        }
        found
            .into_iter()
            .filter_map(|text| self.all.get(text).map(|mark| (text, mark)))
            .filter(|(text, mark)| !may_know(cell, text, mark, answer.status) && !request.contains(text))
            .map(|(text, mark)| format!("{text} ({} {:?}@{:?})", mark.kind, mark.place.branch, mark.place.env))
            .collect()
    }
}

/// Before the raw text of a token.
const RAW: &str = "\"token\":\"";

/// Everything that looks like a UUID or a marked text.
fn candidates(bytes: &[u8]) -> Vec<&str> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (start, length) = match bytes[at] {
            b'-' if at >= 8 && bytes.get(at + 15) == Some(&b'-') && bytes.get(at + 5) == Some(&b'-') => (at - 8, 36),
            b'"' if bytes[at..].starts_with(RAW.as_bytes()) => (at, RAW.len()),
            b'w' if bytes[at..].starts_with(b"wmk") => (at, 9),
            _ => {
                at += 1;
                continue;
            }
        };
        if let Some(text) = bytes.get(start..start + length).and_then(|text| std::str::from_utf8(text).ok()) {
            found.push(text);
        }
        at = start + length;
    }
    found
}

fn may_know(cell: &Cell, text: &str, mark: &Mark, status: u16) -> bool {
    let bearer = &*cell.bearer;
    if text == bearer.id || (!mark.of.is_empty() && mark.of == bearer.id) {
        return true;
    }
    // `Mixed` hangs on what is `Own` of its home.
    let aimed_at = cell.target.tree.as_ref().is_some_and(|tree| {
        let (place, branch) = (tree.place(), mark.place.branch);
        place.home == mark.place.home
            && (place.branch == branch || !mark.text && place.branch == Branch::Mixed && branch == Branch::Own)
    });
    match status {
        // Validation by key answers whoever knows the key (09 §2); global requests may read members of other environments
        // (05 §5.4).
        200 if aimed_at && (bearer.kind == Kind::Anonymous || cell.current == Env::Global) => return true,
        // What one has made is linked to what it was made of.
        201 if aimed_at && !mark.text => return true,
        _ => {}
    }
    if bearer.kind.sees_all() {
        // A global administrator stands behind tokens and second factors inside environments.
        return mark.of_staff() || cell.current.sees(mark.place.env);
    }
    !mark.of_staff() && cell.current.sees(mark.place.env) && belongs(bearer, mark) && may_read(bearer, mark)
}

/// Whether the record is in the bearer's reach (scopes of 03 §10.10, 04 §1, 06 §1.1, §2.1, §3.1, 07 §1, 08 §3.2, 10 §0).
fn belongs(bearer: &Bearer, mark: &Mark) -> bool {
    let (branch, kind) = (mark.place.branch, mark.kind);
    let home = mark.place.home == bearer.home;
    match bearer.kind {
        Kind::Product => {
            let theirs = branch != Branch::Other && home;
            theirs || ["users", "entitlements", "groups", "group-owners"].contains(&kind)
        }
        // The owner and the product of `Own` are those of `Guarded` too.
        Kind::GuardedLicense => home && (branch == Branch::Guarded || ["users", "products"].contains(&kind)),
        Kind::License | Kind::LicenseKey => home && branch == Branch::Own && kind != "tokens",
        Kind::Owner | Kind::Attached | Kind::MachineOwner => home && branch != Branch::Other && kind != "tokens",
        Kind::GroupOwner => home && branch == Branch::Own && kind != "tokens",
        Kind::Member => home && branch == Branch::Own && ["groups", "group-owners", "users"].contains(&kind),
        _ => false,
    }
}

/// Texts are shown to those who can read the resource; ids are shown by what is linked to it.
fn may_read(bearer: &Bearer, mark: &Mark) -> bool {
    let singular = match mark.kind {
        "policies" => "policy",
        "processes" => "process",
        kind => kind.trim_end_matches('s'),
    };
    !mark.text || !bearer.powerless && bearer.can(&format!("{singular}.read"))
}
