//! Black-box tests of the API: each starts the real binary with a fresh database and speaks HTTP.

#[path = "../support/mod.rs"]
mod support;

mod authentication;
mod authorization;
mod components;
mod entitlements;
mod environments;
mod hardening;
mod heartbeats;
mod license_access;
mod license_files;
mod license_keys;
mod licenses;
mod lists;
mod machines;
mod me;
mod passwords;
mod permissions;
mod policies;
mod processes;
mod products;
mod protocol;
mod rate_limits;
mod second_factors;
mod signatures;
mod straight_path;
mod timing;
mod token_generation;
mod token_lifecycle;
mod tokens;
mod validation;
mod verdicts;
