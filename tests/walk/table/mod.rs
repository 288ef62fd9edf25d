//! The table: every route as its document describes it, one file for a few documents' sections.

mod accounts;
mod groups;
mod licenses;
mod machines;
mod policies;
mod products;
mod tokens;
mod users;

use crate::row::Row;
use crate::world::link;
use serde_json::{Value, json};

/// Every row.
pub fn rows() -> Vec<Row> {
    let mut rows = accounts::rows();
    rows.extend(tokens::rows());
    rows.extend(users::rows());
    rows.extend(products::rows());
    rows.extend(groups::rows());
    rows.extend(policies::rows());
    rows.extend(licenses::rows());
    rows.extend(machines::rows());
    rows
}

/// A document with attributes only.
fn attributes(type_: &str, attributes: Value) -> Value {
    json!({ "data": { "type": type_, "attributes": attributes } })
}

/// A document that relates.
fn related(type_: &str, attributes: Value, relationships: Value) -> Value {
    json!({ "data": { "type": type_, "attributes": attributes, "relationships": relationships } })
}

/// The body of attach and detach actions.
fn entries(type_: &str, id: &str) -> Value {
    json!({ "data": [{ "type": type_, "id": id }] })
}
