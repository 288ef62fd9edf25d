//! What rows aim at, what the bearer is to it, and whether its scope holds it: the scope tables of the documents.

use crate::bearers::{Bearer, Kind};
use crate::oracle::{Env, Record};
use crate::row::{Cell, Target};
use crate::world::{Branch, Tree, World};
use std::rc::Rc;

/// What the bearer is to licenses and policies of the tree (08 §0, §3.2; 07 §1); empty: nothing, and out of its scope.
pub fn is_to(bearer: &Bearer, tree: &Tree) -> &'static str {
    let (branch, home) = (tree.branch(), tree.place().home == bearer.home);
    let theirs = home && branch != Branch::Other;
    match bearer.kind {
        kind if kind.sees_all() => kind.letter(),
        Kind::Product if theirs => "P",
        Kind::License | Kind::LicenseKey if home && branch == Branch::Own => "L",
        Kind::GuardedLicense if home && branch == Branch::Guarded => "L",
        Kind::Owner if theirs => "Uo",
        Kind::Attached | Kind::MachineOwner if theirs => "Ua",
        _ => "",
    }
}

/// The same for machines and what they have (10 §0): whoever owns the machine is `Um`.
pub fn is_to_machine(bearer: &Bearer, tree: &Tree) -> &'static str {
    match is_to(bearer, tree) {
        "Ua" if bearer.kind == Kind::MachineOwner => "Um",
        is => is,
    }
}

/// All trees of the current environment's view, and one of every environment outside of it.
pub fn trees(world: &World, current: Env) -> Vec<Rc<Tree>> {
    let outside = |branch: Branch| branch == Branch::Own || (branch == Branch::Mixed && current == Env::Global);
    let worth = |tree: &&Rc<Tree>| current.sees(tree.env()) || (outside(tree.branch()) && current.aims_at(tree.env()));
    world.trees.iter().filter(worth).cloned().collect()
}

fn on_tree(tree: &Rc<Tree>, id: &str, is: &'static str) -> Target {
    Target {
        name: tree.name(),
        id: id.to_owned(),
        found: !is.is_empty(),
        env: Some(tree.env()),
        record: Record::Of(tree.env()),
        is,
        guarded: tree.guarded(),
        tree: Some(tree.clone()),
        ..Target::default()
    }
}

pub fn products(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    let trees = trees(world, current).into_iter().filter(|tree| [Branch::Own, Branch::Other].contains(&tree.branch()));
    trees
        .map(|tree| {
            // 06 §1.1: the product is a licensed one, so that its licenses and their users see it.
            let licensed = bearer.kind == Kind::GuardedLicense && tree.place().home == bearer.home;
            let is = if licensed && tree.branch() == Branch::Own { "L" } else { is_to(bearer, &tree) };
            on_tree(&tree, &tree.product, is)
        })
        .collect()
}

pub fn policies(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    trees(world, current).iter().map(|tree| on_tree(tree, &tree.policy, is_to(bearer, tree))).collect()
}

pub fn licenses(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    trees(world, current).iter().map(|tree| on_tree(tree, &tree.license, is_to(bearer, tree))).collect()
}

pub fn machines(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    trees(world, current).iter().map(|tree| on_tree(tree, &tree.machine, is_to_machine(bearer, tree))).collect()
}

pub fn components(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    trees(world, current).iter().map(|tree| on_tree(tree, &tree.component, is_to_machine(bearer, tree))).collect()
}

pub fn processes(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    trees(world, current).iter().map(|tree| on_tree(tree, &tree.process, is_to_machine(bearer, tree))).collect()
}

/// A new record of the current environment that has no parent (05 §5.6).
pub fn fresh(_: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    vec![Target { record: Record::Of(current), is: bearer.kind.letter(), ..Target::default() }]
}

/// A new record below what the body names, which is not looked up through the bearer's scope: its environment is the current one, or
/// in a global request its parent's (05 §5.6).
pub fn below(targets: Vec<Target>, current: Env) -> Vec<Target> {
    let new = |target: Target| {
        let parent = target.tree().env();
        let record = Record::Of(if current == Env::Global { parent } else { current });
        Target { id: String::new(), found: true, env: None, record, ..target }
    };
    targets.into_iter().map(new).collect()
}

/// 05 §5.7: what such a record may not belong to is 422.
pub fn unfit(cell: &Cell) -> Option<crate::oracle::Expect> {
    (!cell.current.sees(cell.target.tree().env())).then(|| crate::oracle::Expect::status(422))
}

/// The targets with a list below them: only the parent is looked up (its environment fits when it is found).
pub fn lists(targets: Vec<Target>) -> Vec<Target> {
    targets.into_iter().map(|target| Target { record: Record::Nothing, ..target }).collect()
}

/// The targets with a child, and, where there is a stranger, one with a child that is not theirs (404 before authorization,
/// 03 §9.2).
pub fn with_child(world: &World, targets: Vec<Target>, child: fn(&Tree) -> &str) -> Vec<Target> {
    let mut all = Vec::new();
    for target in targets {
        let tree = target.tree().clone();
        if tree.branch() == Branch::Own {
            let of_them = |other: &&Rc<Tree>| other.branch() == Branch::Other && other.env() == tree.env();
            let other = world.trees.iter().find(of_them).expect("there are strangers everywhere");
            let name = format!("{} with a stranger's child", target.name);
            all.push(Target { name, child: child(other).to_owned(), child_found: false, ..target.clone() });
        }
        all.push(Target { child: child(&tree).to_owned(), ..target });
    }
    all
}

/// The targets, once for each environment that the entries may come from.
pub fn entered(targets: Vec<Target>, current: Env) -> Vec<Target> {
    let envs = if current == Env::Shared { vec![Env::Shared, Env::Global] } else { vec![current] };
    let entry = |target: &Target, of: Env| Target {
        name: format!("{} with an entry of {of:?}", target.name),
        record: Record::Entries { of, parent: target.tree().env() },
        ..target.clone()
    };
    targets.iter().flat_map(|target| envs.iter().map(|&of| entry(target, of)).collect::<Vec<_>>()).collect()
}

/// Environment of the entries.
pub fn entry(cell: &Cell) -> Env {
    match cell.target.record {
        Record::Entries { of, .. } => of,
        _ => cell.current,
    }
}

/// In a list of the whole environment: what hangs on the trees to which the bearer is something.
pub fn held(world: &World, cell: &Cell, id: fn(&Tree) -> &str) -> Vec<String> {
    held_by(world, cell, id, |bearer, tree| !is_to(bearer, tree).is_empty())
}

/// The same by another rule than that of licenses.
pub fn held_by(world: &World, cell: &Cell, id: fn(&Tree) -> &str, sees: fn(&Bearer, &Tree) -> bool) -> Vec<String> {
    let trees = world.trees.iter().filter(|tree| cell.current.sees(tree.env()) && sees(&cell.bearer, tree));
    trees.map(|tree| id(tree).to_owned()).filter(|id| !id.is_empty()).collect()
}
