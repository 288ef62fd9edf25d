//! Cryptography on the wire (docs/spec/02-crypto.md): everything that is signed, encrypted, hashed or
//! randomly generated. Knows nothing of the rest of the program and never reads a clock.

pub mod encoding;
pub mod http_signature;
pub mod keys;
pub mod license_file;
pub mod license_key;
pub mod master_key;
pub mod password;
pub mod proof;
pub mod token;
pub mod totp;
mod work_memory;
