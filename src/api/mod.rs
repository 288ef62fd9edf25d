//! The API: the table of routes, the resources, and the machinery that they share.
//!
//! - [`route`]: what a route line says; [`routes`] gathers the lines of all resources.
//! - [`app`]: what lives as long as the server. [`context`]: what lives as long as a request.
//! - [`dispatch`]: the order of checks (01 §5); `respond`: from a result to a signed response.
//! - [`rate_limits`]: who is told to slow down.
//! - [`resource`] (and [`declare`]): how a resource is declared; [`crud`], [`list`], [`nested`], [`joins`], [`validation`],
//!   [`render`], [`events`]: what declarations give. [`relate`]: setting to-one relationships.
//! - one file (or folder) a resource.

pub mod app;
pub mod context;
pub mod crud;
pub mod declare;
pub mod dispatch;
pub mod events;
pub mod joins;
pub mod list;
pub mod nested;
pub mod rate_limits;
pub mod relate;
pub mod render;
pub mod resource;
mod respond;
pub mod route;
pub mod validation;

pub(crate) mod accounts;
mod check_out;
mod components;
mod diff;
pub(crate) mod embedded;
mod entitlements;
mod environments;
mod group_owners;
mod groups;
mod health;
pub(crate) mod keys;
mod licenses;
mod machine_children;
mod machines;
mod me;
pub(crate) mod passwords;
mod policies;
mod pool;
mod processes;
mod products;
mod second_factors;
pub(crate) mod settings;
pub(crate) mod tokens;
mod users;

pub use app::App;
pub use route::Route;

use crate::http::error::ApiError;
use crate::store::StoreError;

/// Every route of the API, resource by resource (01 §2.5).
pub fn routes() -> impl Iterator<Item = &'static Route> {
    [
        health::ROUTES,
        accounts::ROUTES,
        me::ROUTES,
        tokens::ROUTES,
        settings::ROUTES,
        environments::ROUTES,
        users::ROUTES,
        passwords::ROUTES,
        products::ROUTES,
        entitlements::ROUTES,
        groups::ROUTES,
        policies::ROUTES,
        pool::ROUTES,
        keys::ROUTES,
        licenses::ROUTES,
        machines::ROUTES,
        components::ROUTES,
        processes::ROUTES,
    ]
    .into_iter()
    .flatten()
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        match error {
            StoreError::Conflict(_) => ApiError::conflict(),
            StoreError::Closed | StoreError::Unavailable(_) => {
                ApiError { internal: Some(error.to_string()), ..ApiError::unavailable() }
            }
            error => ApiError::internal(error),
        }
    }
}
