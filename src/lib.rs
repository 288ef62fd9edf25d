//! keygen-lite: a licensing server that speaks the Keygen API, in one binary and one SQLite file.
//!
//! # The map
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`] | the command line, one file a command |
//! | [`config`] | `keygen-lite.toml`, `KEYGEN_LITE_*` variables and flags -> one typed configuration |
//! | [`server`], [`bootstrap`] | start-up, first run, shutdown |
//! | [`http`] | HTTP and JSON:API, and no word of licensing: listener, router, negotiation, typed parameters, pages, errors |
//! | [`auth`] | credentials -> bearer; roles, permissions; may this bearer do this to that |
//! | [`api`] | the table of routes; one file a resource; the machinery that all resources share |
//! | [`model`] | entities and rules of licensing, without I/O |
//! | [`store`] | all SQL: schema, migrations, read pool, the one group-committing writer |
//! | [`crypto`] | keys, signatures, license keys and files, tokens, passwords |
//! | [`jobs`] | what runs behind requests |
//! | [`mail`] | outgoing mail: password resets, account recovery |
//! | [`versions`] | how older API versions differ |
//! | [`json`] | the JSON dialect of the API; a leaf |
//!
//! # The way of a request
//!
//! [`http::listener`] (bytes -> [`http::request::Request`]) -> [`api::dispatch`] (route, version, account, environment, [`auth`])
//! -> a handler in [`api`] (parameters -> authorization -> [`model`] decides, [`store`] reads) -> perhaps a step in the writer
//! -> a document -> [`versions`] -> signed response. Nothing points backwards.
//!
//! The specification is `docs/spec`; code and tests cite it as `01 §4.2`. `docs/ARCHITECTURE.md` says where to add things.

pub mod api;
pub mod auth;
pub mod bootstrap;
pub mod cli;
pub mod config;
pub mod crypto;
pub mod http;
pub mod jobs;
pub mod json;
pub mod mail;
pub mod model;
pub mod server;
pub mod store;
pub mod versions;
