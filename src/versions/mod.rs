//! API versions (14): one file per older version says how its responses differ. A response is made in the newest version
//! and rewritten downwards, one version after the other.

mod v1_7;

use crate::http::error::ApiError;
use crate::json::Json;

/// A supported API version, by its place in [`Version::NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u8);

impl Version {
    /// Supported versions, oldest first.
    pub const NAMES: &'static [&'static str] = &["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8"];
    /// The newest version, which everything is written in.
    pub const CURRENT: Version = Version(8);

    /// The version of that exact name (14 §1.1).
    pub fn parse(name: &str) -> Option<Version> {
        Version::NAMES.iter().position(|n| *n == name).map(|at| Version(at as u8))
    }

    /// The version that a header names: one leading `v` is dropped (14 §1.1).
    pub fn named(text: &str) -> Option<Version> {
        Version::parse(text.strip_prefix('v').unwrap_or(text))
    }

    /// The version's name.
    pub fn name(self) -> &'static str {
        Version::NAMES[self.0 as usize]
    }

    /// `self` is `name` or older.
    fn at_most(self, name: &str) -> bool {
        Version::parse(name).is_some_and(|bound| self <= bound)
    }
}

/// Which response is to be rewritten.
pub struct Target<'a> {
    /// Method of the route.
    pub method: &'a str,
    /// Path pattern of the route.
    pub path: &'a str,
    /// Status of the response.
    pub status: u16,
}

/// Rewrites a document of the newest version for an older one (14 §1.3).
pub fn rewrite(version: Version, _target: &Target<'_>, _document: &mut Json) {
    debug_assert!(version <= Version::CURRENT);
}

/// Rewrites the document inside a license or machine file, by its shape alone (14 §1.3).
pub fn rewrite_file(version: Version, _document: &mut Json) {
    debug_assert!(version <= Version::CURRENT);
}

/// Rewrites an error of the newest version for an older one.
pub fn rewrite_error(version: Version, target: &Target<'_>, error: &mut ApiError) {
    if version.at_most("1.7") {
        v1_7::error(target, error);
    }
}

/// Rewrites response header names for an older version (14 §6).
pub fn header_name(version: Version, name: &'static str) -> &'static str {
    if version.at_most("1.3") {
        match name {
            "keygen-account" => return "keygen-account-id",
            "keygen-bearer" => return "keygen-bearer-id",
            "keygen-token" => return "keygen-token-id",
            _ => {}
        }
    }
    name
}
