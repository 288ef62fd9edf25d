//! Black-box tests of the API: each starts the real binary with a fresh database and speaks HTTP.

#[path = "../support/mod.rs"]
mod support;

mod account_creation;
mod accounts;
mod authentication;
mod authorization;
mod components;
mod entitlements;
mod environment_deletion;
mod environment_records;
mod environments;
mod hardening;
mod heartbeats;
mod license_access;
mod license_files;
mod license_keys;
mod licenses;
mod lists;
mod machines;
mod multi_account;
mod policies;
mod processes;
mod products;
mod protocol;
mod rate_limits;
mod settings;
mod signatures;
mod straight_path;
mod tokens;
mod user_access;
mod user_deletion;
mod user_lists;
mod user_nested;
mod user_privileges;
mod users;
mod validation;
mod verdicts;
