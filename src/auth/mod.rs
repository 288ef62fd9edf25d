//! Who is asking, and whether they may: credentials -> bearer; roles and permissions; the authorization algorithm (03).

mod authenticate;
mod authorize;
mod bearer;
mod credentials;
mod letter_set;

pub use authenticate::{Authenticated, Login, authenticate, environment_invalid, license_permissions, still_stands};
pub use authorize::{Access, Check, Records, authorize};
pub use bearer::{Bearer, LicenseBearer, Subject};
pub use credentials::{Credential, parse_credential};
pub use letter_set::{Letters, letters};
