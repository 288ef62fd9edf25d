//! Groups and what belongs to them (06 §3).

use super::{attributes, entries};
use crate::bearers::{Bearer, Kind};
use crate::oracle::{Env, Expect, Record};
use crate::row::{Cell, Row, Target, row};
use crate::targets::{entered, entry, fresh, held_by, is_to, lists, trees, with_child};
use crate::world::{Branch, Tree, World};
use serde_json::json;

pub fn rows() -> Vec<Row> {
    let mut rows = of_groups();
    rows.extend(owners());
    rows.extend(members());
    rows
}

fn of_groups() -> Vec<Row> {
    vec![
        row("GET", "groups", "06 §3.1")
            .can(&["group.read"])
            .may("staff E P U L")
            .holds(|world, cell| held_by(world, cell, |tree| &tree.group, |bearer, tree| !is(bearer, tree).is_empty())),
        row("POST", "groups", "06 §3.1")
            .at(fresh)
            .can(&["group.create"])
            .may("A D E P")
            .creates()
            .body(|world, _| attributes("groups", json!({ "name": format!("New {}", world.number()) })))
            .after(|world, _, _| world.execute("DELETE FROM groups WHERE name LIKE 'New %'", &[])),
        // "These three `{id}` routes look the group up in the whole account"
        row("GET", "groups/{id}", "06 §3.1").at(anywhere).can(&["group.read"]).may("staff E P Gm Go L"),
        row("PATCH", "groups/{id}", "06 §3.1")
            .at(anywhere)
            .can(&["group.update"])
            .may("A D E P")
            .body(|world, _| attributes("groups", json!({ "metadata": { "n": world.number() } }))),
        row("DELETE", "groups/{id}", "06 §3.1")
            .at(anywhere)
            .can(&["group.delete"])
            .may("A D E P")
            .victim(|world, cell| world.group(cell.target.tree().place()))
            .unless(|cell| ["Gm", "Go", "L"].contains(&cell.target.is)),
    ]
}

/// What the bearer is to the tree's group: member, owner … (06 §3.1)
fn is(bearer: &Bearer, tree: &Tree) -> &'static str {
    let own = tree.branch() == Branch::Own && tree.place().home == bearer.home;
    match bearer.kind {
        Kind::Product => "P",
        Kind::Member if own => "Gm",
        Kind::GroupOwner if own => "Go",
        kind if kind.is_user() => "",
        _ => is_to(bearer, tree),
    }
}

fn groups(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let all = trees(world, current).into_iter();
    all.map(|tree| {
        let is = is(bearer, &tree);
        Target {
            name: tree.name(),
            id: tree.group.clone(),
            found: !is.is_empty(),
            env: Some(tree.env()),
            record: Record::Of(tree.env()),
            is,
            tree: Some(tree),
            ..Target::default()
        }
    })
    .collect()
}

fn anywhere(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    groups(world, bearer, current).into_iter().map(|target| Target { anywhere: true, ..target }).collect()
}

/// The groups that have owners and members among the users.
fn peopled(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let all = groups(world, bearer, current).into_iter();
    all.filter(|target| !target.tree().member.is_empty()).collect()
}

fn owners() -> Vec<Row> {
    vec![
        row("GET", "groups/{id}/owners", "06 §3.4")
            .at(|w, b, c| lists(groups(w, b, c)))
            .can(&["group.owners.read"])
            .may("staff E P Gm Go L")
            .holds(|_, cell| {
                Some(cell.target.tree().group_owner.clone()).filter(|id| !id.is_empty()).into_iter().collect()
            }),
        row("GET", "groups/{id}/owners/{child}", "06 §3.4")
            .at(|w, b, c| with_child(w, peopled(w, b, c), |tree| &tree.group_owner))
            .can(&["group.owners.read"])
            .may("staff E P Gm Go L"),
        row("POST", "groups/{id}/owners", "06 §3.4")
            .at(joined)
            .can(&["group.owners.attach"])
            .may("A D E P")
            .prepare(disown)
            .body(|world, cell| entries("users", &spare(world, cell)))
            .after(|world, cell, _| disown(world, cell)),
        row("DELETE", "groups/{id}/owners", "06 §3.4")
            .at(joined)
            .can(&["group.owners.detach"])
            .may("A D E P")
            .prepare(|world, cell| {
                disown(world, cell);
                let place = crate::world::Place { env: entry(cell), ..cell.target.tree().place() };
                let user = spare(world, cell);
                world.own_group(place, &cell.target.id, &user);
            })
            .body(|world, cell| entries("users", &spare(world, cell)))
            .after(|world, cell, _| disown(world, cell)),
    ]
}

/// Users of the current environment (and, in a shared one, a global user too) as entries (05 §5.5, join rows).
fn joined(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    entered(groups(world, bearer, current), current)
}

fn spare(world: &World, cell: &Cell) -> String {
    world.spare[&entry(cell)].clone()
}

fn disown(world: &mut World, cell: &Cell) {
    let user = spare(world, cell);
    world.execute("DELETE FROM group_owners WHERE user_id = ?1", &[&user]);
}

fn members() -> Vec<Row> {
    let list = |w: &World, b: &Bearer, c: Env| lists(groups(w, b, c));
    vec![
        // "U that owns at least one group: members of this group if it owns this one; U member, owner of nothing: 403" (06 §3.5)
        row("GET", "groups/{id}/users", "06 §3.5").at(list).can(&["group.users.read"]).may("staff E P Go").holds(
            |_, cell| {
                let all = cell.target.is != "P" && !cell.target.tree().member.is_empty();
                if all { vec![cell.target.tree().member.clone()] } else { vec![] }
            },
        ),
        row("GET", "groups/{id}/users/{child}", "06 §3.5")
            .at(|w, b, c| with_child(w, peopled(w, b, c), |tree| &tree.member))
            .can(&["group.users.read"])
            .may("staff E P Go"),
        row("GET", "groups/{id}/licenses", "06 §3.5")
            .at(list)
            .can(&["group.licenses.read"])
            .may("staff E P Go")
            .holds(|_, cell| of_group(cell, |tree| &tree.license)),
        row("GET", "groups/{id}/licenses/{child}", "06 §3.5")
            .at(|w, b, c| with_child(w, groups(w, b, c), |tree| &tree.license))
            .can(&["group.licenses.read"])
            .rule(member_rule),
        row("GET", "groups/{id}/machines", "06 §3.5")
            .at(list)
            .can(&["group.machines.read"])
            .may("staff E P Go")
            .holds(|_, cell| of_group(cell, |tree| &tree.machine)),
        row("GET", "groups/{id}/machines/{child}", "06 §3.5")
            .at(|w, b, c| with_child(w, groups(w, b, c), |tree| &tree.machine))
            .can(&["group.machines.read"])
            .rule(member_rule),
    ]
}

/// "P: only those of its own licenses; none → `[]`" (06 §3.5)
fn of_group(cell: &Cell, id: fn(&Tree) -> &str) -> Vec<String> {
    if member_rule(cell).is_none() { vec![id(cell.target.tree()).to_owned()] } else { vec![] }
}

/// "P: licenses, machines: of the product, else 403" (06 §3.5)
fn member_rule(cell: &Cell) -> Option<Expect> {
    let may = match cell.target.is {
        "P" => is_to(&cell.bearer, cell.target.tree()) == "P",
        "Go" => true,
        _ => cell.bearer.kind.sees_all(),
    };
    (!may).then(Expect::refused)
}
