//! keygen-lite
pub mod json;
pub mod model;
pub mod store;
