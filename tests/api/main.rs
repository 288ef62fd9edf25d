//! Black-box tests of the API: each starts the real binary with a fresh database and speaks HTTP.

#[path = "../support/mod.rs"]
mod support;

mod authentication;
mod authorization;
mod components;
mod processes;
mod protocol;
mod straight_path;
mod tokens;
