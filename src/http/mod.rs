//! HTTP and JSON:API, and no word of licensing: listener, router, negotiation, typed parameters, documents, pagination,
//! errors, headers, counters for rate limits.

pub mod error;
pub mod listener;
pub mod negotiate;
pub mod page;
pub mod params;
pub mod query;
pub mod request;
pub mod response;
pub mod router;
pub mod throttle;
