//! The API: the table of routes, the resources, and the machinery that they share.
//!
//! - [`route`]: what a route line says; [`routes`] gathers the lines of all resources.
//! - [`app`]: what lives as long as the server. [`context`]: what lives as long as a request.
//! - [`dispatch`]: the order of checks (01 §5), from bytes to a signed response.
//! - [`resource`]: how a resource is declared; [`crud`], [`list`], [`nested`], [`joins`], [`validation`], [`render`], [`events`]: what
//!   declarations give. [`relate`]: setting to-one relationships.
//! - one file (or folder) a resource.

pub mod app;
pub mod context;
pub mod crud;
pub mod dispatch;
pub mod events;
pub mod joins;
pub mod list;
pub mod nested;
pub mod relate;
pub mod render;
pub mod resource;
pub mod route;
pub mod validation;

mod accounts;
mod check_out;
mod components;
mod entitlements;
mod environments;
mod group_owners;
mod groups;
mod health;
mod licenses;
mod machine_children;
mod machines;
mod me;
mod policies;
mod processes;
mod products;
mod tokens;
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
        products::ROUTES,
        entitlements::ROUTES,
        groups::ROUTES,
        policies::ROUTES,
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
