//! keygen-lite
pub mod json;
pub mod model;
