//! Machines, components and processes (10).

use super::{attributes, link, related};
use crate::bearers::{Bearer, Kind};
use crate::oracle::{Env, Record};
use crate::row::{Cell, Row, Target, row};
use crate::targets::{below, components, held, lists, machines, processes, unfit, with_child};
use crate::world::World;
use serde_json::{Value, json};

const READERS: &str = "staff E P L Uo Um Ua";

pub fn rows() -> Vec<Row> {
    let mut rows = of_machines();
    rows.extend(below_machines());
    rows.extend(actions());
    rows.extend(of_components());
    rows.extend(of_processes());
    rows
}

fn of_machines() -> Vec<Row> {
    vec![
        row("GET", "machines", "10 §1.1")
            .can(&["machine.read"])
            .may("staff E P L U")
            .holds(|world, cell| held(world, cell, |tree| &tree.machine)),
        // "a foreign parent is 403" (10 §0); "the license owner; a licensee, only when the request names itself as owner" (10 §1.4)
        row("POST", "machines", "10 §1.1, §1.4")
            .at(|w, b, c| {
                let mut all = below(machines(w, b, c), c);
                if [Kind::Attached, Kind::MachineOwner, Kind::Owner].contains(&b.kind) {
                    let unnamed = |target: &Target| Target {
                        name: format!("{} without owner", target.name),
                        form: "without owner",
                        is: if target.is == "Uo" { "Uo" } else { "" },
                        ..target.clone()
                    };
                    all.extend(all.iter().map(unnamed).collect::<Vec<_>>());
                }
                all
            })
            .can(&["machine.create"])
            .may("A D S E P L Uo!p Um!p Ua!p")
            .then(unfit)
            .creates()
            .body(|world, cell| {
                let mut relationships = json!({ "license": link("licenses", &cell.target.tree().license) });
                if cell.bearer.kind.is_user() && cell.target.form.is_empty() {
                    relationships["owner"] = link("users", &cell.bearer.id);
                }
                related("machines", json!({ "fingerprint": format!("new-{}", world.number()) }), relationships)
            })
            .after(|world, _, _| world.execute("DELETE FROM machines WHERE fingerprint LIKE 'new-%'", &[])),
        row("GET", "machines/{id}", "10 §1.1")
            .at(|w, b, c| {
                let mut all = machines(w, b, c);
                let by_fingerprint = |target: &Target| {
                    let (name, id) = (format!("{} by fingerprint", target.name), target.tree().fingerprint.clone());
                    Target { name, id, ..target.clone() }
                };
                all.extend(all.iter().map(by_fingerprint).collect::<Vec<_>>());
                all
            })
            .can(&["machine.read"])
            .may(READERS),
        row("PATCH", "machines/{id}", "10 §1.1")
            .at(machines)
            .can(&["machine.update"])
            .may("A D S Su E P L!p Uo!p Um!p")
            .body(|world, _| attributes("machines", json!({ "hostname": format!("host-{}", world.number()) }))),
        row("DELETE", "machines/{id}", "10 §1.1")
            .at(machines)
            .can(&["machine.delete"])
            .may("A D S E P L Uo!p Um!p")
            .victim(|world, cell| world.machine(&cell.target.tree().clone())),
    ]
}

fn below_machines() -> Vec<Row> {
    vec![
        row("GET", "machines/{id}/product", "10 §1.1").at(machines).can(&["product.read"]).may(READERS),
        row("GET", "machines/{id}/license", "10 §1.1").at(machines).can(&["license.read"]).may(READERS),
        row("GET", "machines/{id}/owner", "10 §1.1").at(machines).can(&["user.read"]).may(READERS),
        // "the *subject* of the check is, for owner, the machine's **current** owner" (10 §1.12)
        row("PATCH", "machines/{id}/owner", "10 §1.1, §1.12")
            .at(|w, b, c| {
                let of_owner = |target: Target| Target { record: Record::Of(target.tree().place().home), ..target };
                machines(w, b, c).into_iter().map(of_owner).collect()
            })
            .can(&["machine.owner.update"])
            .may("A D S E P")
            .body(|_, cell| link("users", &cell.target.tree().machine_owner)),
        row("GET", "machines/{id}/group", "10 §1.1").at(machines).can(&["group.read"]).may(READERS),
        // "and for group, the **new** group", which is the tree's
        row("PATCH", "machines/{id}/group", "10 §1.1, §1.12")
            .at(machines)
            .can(&["machine.group.update"])
            .may("A D S E P")
            .body(|_, cell| link("groups", &cell.target.tree().group)),
        row("GET", "machines/{id}/components", "10 §1.1")
            .at(list)
            .can(&["component.read"])
            .may(READERS)
            .holds(|_, cell| vec![cell.target.tree().component.clone()]),
        row("GET", "machines/{id}/components/{child}", "10 §1.1")
            .at(|w, b, c| with_child(w, machines(w, b, c), |tree| &tree.component))
            .can(&["component.read"])
            .may(READERS),
        row("GET", "machines/{id}/processes", "10 §1.1")
            .at(list)
            .can(&["process.read"])
            .may(READERS)
            .holds(|_, cell| vec![cell.target.tree().process.clone()]),
        row("GET", "machines/{id}/processes/{child}", "10 §1.1")
            .at(|w, b, c| with_child(w, machines(w, b, c), |tree| &tree.process))
            .can(&["process.read"])
            .may(READERS),
        // the license's owner; "Um, Ua: 403"
        row("GET", "machines/{id}/user", "10 §1.1").at(machines).can(&["user.read"]).may("staff E P L Uo"),
    ]
}

fn list(world: &World, bearer: &Bearer, current: Env) -> Vec<Target> {
    lists(machines(world, bearer, current))
}

fn actions() -> Vec<Row> {
    let ping =
        |path| row("POST", path, "10 §1.1").at(machines).can(&["machine.heartbeat.ping"]).may("A D E P L Uo!p Um!p");
    let reset = |path| row("POST", path, "10 §1.1").at(machines).can(&["machine.heartbeat.reset"]).may("A D S E P");
    vec![
        // lax (05 §5.5)
        ping("machines/{id}/actions/ping").lax(),
        ping("machines/{id}/actions/ping-heartbeat").lax(),
        reset("machines/{id}/actions/reset").lax(),
        reset("machines/{id}/actions/reset-heartbeat").lax(),
        row("POST", "machines/{id}/actions/check-out", "10 §5")
            .at(machines)
            .can(&["machine.check-out", "machine.read"])
            .may("A D S Su E P L Uo!p Um!p Ua!p"),
        row("GET", "machines/{id}/actions/check-out", "10 §5")
            .at(machines)
            .can(&["machine.check-out", "machine.read"])
            .may("A D S Su E P L Uo!p Um!p Ua!p")
            .strict(),
        row("POST", "machines/{id}/actions/generate-offline-proof", "10 §5b")
            .at(machines)
            .can(&["machine.proofs.generate"])
            .may("A D S E P L Uo!p")
            .lax(),
    ]
}

fn below_machine(type_: &str, attributes: Value, cell: &Cell) -> Value {
    related(type_, attributes, json!({ "machine": link("machines", &cell.target.tree().machine) }))
}

fn of_components() -> Vec<Row> {
    vec![
        row("GET", "components", "10 §2.1")
            .can(&["component.read"])
            .may("staff E P L U")
            .holds(|world, cell| held(world, cell, |tree| &tree.component)),
        row("POST", "components", "10 §2.1")
            .at(|w, b, c| below(machines(w, b, c), c))
            .can(&["component.create"])
            .may("A D S E P L Uo!p Um!p")
            .then(unfit)
            .creates()
            .body(|world, cell| {
                let attributes = json!({ "fingerprint": format!("new-{}", world.number()), "name": "New" });
                below_machine("components", attributes, cell)
            })
            .after(|world, _, _| world.execute("DELETE FROM machine_components WHERE name = 'New'", &[])),
        row("GET", "components/{id}", "10 §2.1").at(components).can(&["component.read"]).may(READERS),
        row("PATCH", "components/{id}", "10 §2.1")
            .at(components)
            .can(&["component.update"])
            .may("A D S Su E P L Uo!p Um!p")
            .body(|world, _| attributes("components", json!({ "name": format!("Renamed {}", world.number()) }))),
        row("DELETE", "components/{id}", "10 §2.1")
            .at(components)
            .can(&["component.delete"])
            .may("A D S E P L Uo!p Um!p")
            .victim(|world, cell| world.component(&cell.target.tree().clone())),
        row("GET", "components/{id}/product", "10 §2.1").at(components).can(&["product.read"]).may(READERS),
        row("GET", "components/{id}/license", "10 §2.1").at(components).can(&["license.read"]).may(READERS),
        row("GET", "components/{id}/machine", "10 §2.1").at(components).can(&["machine.read"]).may(READERS),
    ]
}

fn of_processes() -> Vec<Row> {
    vec![
        row("GET", "processes", "10 §3.1")
            .can(&["process.read"])
            .may("staff E P L U")
            .holds(|world, cell| held(world, cell, |tree| &tree.process)),
        row("POST", "processes", "10 §3.1")
            .at(|w, b, c| below(machines(w, b, c), c))
            .can(&["process.create"])
            .may("A D S E P L Uo!p Um!p")
            .then(unfit)
            .creates()
            .body(|world, cell| {
                let pid = format!("new-{}", world.number());
                below_machine("processes", json!({ "pid": pid }), cell)
            })
            .after(|world, _, _| world.execute("DELETE FROM machine_processes WHERE pid LIKE 'new-%'", &[])),
        row("GET", "processes/{id}", "10 §3.1").at(processes).can(&["process.read"]).may(READERS),
        // "users and licenses may send `attributes: {}`" (10 §3.2)
        row("PATCH", "processes/{id}", "10 §3.1")
            .at(processes)
            .can(&["process.update"])
            .may("A D S Su E P L Uo!p Um!p")
            .body(|_, _| attributes("processes", json!({}))),
        row("DELETE", "processes/{id}", "10 §3.1")
            .at(processes)
            .can(&["process.delete"])
            .may("A D S E P L Uo!p Um!p")
            .victim(|world, cell| world.process(&cell.target.tree().clone())),
        // lax (05 §5.5)
        row("POST", "processes/{id}/actions/ping", "10 §3.1")
            .at(processes)
            .can(&["process.heartbeat.ping"])
            .may("A D E P L Uo!p Um!p")
            .lax(),
        row("GET", "processes/{id}/product", "10 §3.1").at(processes).can(&["product.read"]).may(READERS),
        row("GET", "processes/{id}/license", "10 §3.1").at(processes).can(&["license.read"]).may(READERS),
        row("GET", "processes/{id}/machine", "10 §3.1").at(processes).can(&["machine.read"]).may(READERS),
    ]
}
