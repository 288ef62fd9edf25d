//! A request as the rest of the server sees it.

use hyper::HeaderMap;
use hyper::body::Bytes;
use std::net::IpAddr;
use uuid::Uuid;

/// A received request; the body is complete.
pub struct Request {
    /// Request id (UUID v7): `X-Request-Id` and `meta.id` of errors.
    pub id: Uuid,
    /// Method, upper case.
    pub method: String,
    /// Path and query exactly as received; what is signed (02 §3.2).
    pub target: String,
    /// `Host` header or `:authority`, as received.
    pub host: String,
    /// `http` or `https`, as the client sees it (D17).
    pub scheme: &'static str,
    /// The client's address (D17).
    pub client: IpAddr,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Request {
    /// The path, undecoded.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The query string, undecoded.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// A header as text; `None` when absent or not visible ASCII/UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }
}
