//! Black-box tests of the API: each starts the real binary with a fresh database and speaks HTTP.

#[path = "../support/mod.rs"]
mod support;

mod authentication;
mod authorization;
mod components;
mod entitlements;
mod environments;
mod group_members;
mod group_owners;
mod group_users;
mod groups;
mod hardening;
mod heartbeats;
mod keys;
mod license_access;
mod license_files;
mod license_keys;
mod licenses;
mod lists;
mod machines;
mod mail;
mod me;
mod passwords;
mod permissions;
mod policies;
mod policy_access;
mod policy_effects;
mod pools;
mod processes;
mod products;
mod products_nested;
mod protocol;
mod rate_limits;
mod second_factors;
mod signatures;
mod simple_resources;
mod straight_path;
mod token_generation;
mod token_lifecycle;
mod tokens;
mod validation;
mod verdicts;
