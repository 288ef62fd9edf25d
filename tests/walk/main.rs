//! A walk over every route × every kind of bearer × what is its own, and what is others' × every environment: each answer's status
//! (and the reason of a 403) against a table that follows the specification (03–10), lists that hold what they must, and nothing
//! in any answer that the bearer has no business to see.
//!
//! - `table`: a row a route, in the words of its document. `targets`: what rows aim at, and the scope tables.
//! - `oracle`: 03 §9.1 and 05 §5 once more. It reads the rows; neither shares anything with the server.
//! - `world`, `build`, `bearers`: what there is, and who asks. `leaks`: what may turn up where. `walk`: the walk.
//!
//! `WALK='licenses/{id}' cargo test --test walk` walks only routes that have that in their name.

mod bearers;
mod build;
mod http;
mod leaks;
mod oracle;
mod row;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod targets;
mod walk;
mod world;

use oracle::Env;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use walk::{Tally, Walk};

/// Rows of routes that are still to come.
const COMING: &[&str] = &[
    "DELETE licenses/{id}/users",
    "GET licenses/{id}/owner",
    "GET licenses/{id}/user",
    "GET licenses/{id}/users",
    "GET licenses/{id}/users/{child}",
    "GET machines/{id}/owner",
    "GET machines/{id}/user",
    "PATCH licenses/{id}/owner",
    "PATCH licenses/{id}/policy",
    "PATCH licenses/{id}/user",
    "PATCH machines/{id}/owner",
    "POST licenses/{id}/actions/check-in",
    "POST licenses/{id}/actions/decrement-usage",
    "POST licenses/{id}/actions/increment-usage",
    "POST licenses/{id}/actions/reset-usage",
    "POST licenses/{id}/users",
    "POST machines/{id}/actions/generate-offline-proof",
];

/// Rows in which nobody gets as far as to a success: nobody may, or it would take a password, a code or another mode.
const NO_SUCCESS: &[&str] = &[
    "DELETE ",
    "PATCH users/{id}/second-factors/{child}",
    "POST accounts",
    "POST users/{id}/actions/reset-password",
    "POST users/{id}/actions/update-password",
    "POST users/{id}/second-factors",
];

/// 01 §2.5: what the server routes and what the documents list is the same.
#[test]
fn every_route_has_its_row() {
    let routes: BTreeSet<String> = keygen_lite::api::routes().map(|route| row::key(route.method, route.path)).collect();
    let mut rows = BTreeMap::new();
    for row in table::rows() {
        assert!(rows.insert(row.key(), row).is_none(), "two rows for {}", row.key());
        assert!(row.can.iter().all(|name| bearers::exists(name)), "{}: no such permission in {:?}", row.key(), row.can);
    }
    let without_row: Vec<&String> = routes.iter().filter(|route| !rows.contains_key(*route)).collect();
    assert!(without_row.is_empty(), "routes without a row: {without_row:#?}");
    let missing = |row: &&String| !routes.contains(*row) && !COMING.contains(&row.as_str());
    let without_route: Vec<&String> = rows.keys().filter(missing).collect();
    assert!(without_route.is_empty(), "rows without a route: {without_route:#?}");
    let names: Vec<&&str> = COMING.iter().filter(|name| !rows.contains_key(**name)).collect();
    assert!(names.is_empty(), "no rows: {names:?}");
}

#[test]
fn every_cell_is_as_the_documents_say() {
    // Durability is tested elsewhere: in memory the walk waits for no disk.
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() {
        let _ = tempfile::env::override_temp_dir(memory);
    }
    let routes: BTreeSet<String> = keygen_lite::api::routes().map(|route| row::key(route.method, route.path)).collect();
    let total = Arc::new(Mutex::new(Tally::default()));
    let walkers: Vec<_> = Env::WALKED
        .into_iter()
        .map(|current| {
            let (routes, total) = (routes.clone(), total.clone());
            std::thread::spawn(move || {
                let mut walk = Walk::new(current, routes, total);
                walk.everybody();
                walk.without_permissions();
                walk.with_everything();
            })
        })
        .collect();
    let ended: Vec<bool> = walkers.into_iter().map(|walker| walker.join().is_ok()).collect();
    let total = total.lock().expect("the walkers are gone");
    println!("{} routes, {} cells", total.rows.len(), total.cells);
    assert!(total.failures.is_empty(), "{}", total.report());
    assert!(ended.iter().all(|ended| *ended), "a walk did not come to its end");
    if std::env::var_os("WALK").is_some() {
        return;
    }
    let without: Vec<&str> = total.rows.difference(&total.successes).map(String::as_str).collect();
    assert_eq!(without, NO_SUCCESS, "rows without a success");
}
