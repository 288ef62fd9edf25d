//! Offline proofs of machines (02 §9, 10 §5b).

use serde_json::json;

use super::encoding::{b64u, b64u_decode};
use super::keys::{AccountKeys, PublicKeys, SignatureAlgorithm};
use super::license_key::iso8601;

/// The prefix of every proof, signed with it (02 §9).
const PROOF_PREFIX: &str = "proof/";

/// What the default dataset of a proof tells (02 §9). Times are in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct ProofContext<'a> {
    /// The account's id.
    pub account_id: &'a str,
    /// The product's id.
    pub product_id: &'a str,
    /// The policy's id.
    pub policy_id: &'a str,
    /// The policy's duration in seconds.
    pub duration: Option<i64>,
    /// The license's id.
    pub license_id: &'a str,
    /// The license's `key` attribute as stored.
    pub license_key: &'a str,
    /// The license's expiry.
    pub license_expiry: Option<i64>,
    /// The machine's id.
    pub machine_id: &'a str,
    /// The machine's fingerprint.
    pub fingerprint: &'a str,
    /// When the machine was created.
    pub machine_created: i64,
}

/// The dataset of a proof for which the client gave none, issued at `now` (02 §9).
pub fn default_proof_dataset(context: &ProofContext<'_>, now: i64) -> String {
    // The order of members holds because of serde_json's `preserve_order`.
    json!({
        "account": { "id": context.account_id },
        "product": { "id": context.product_id },
        "policy": { "id": context.policy_id, "duration": context.duration },
        "license": {
            "id": context.license_id,
            "key": context.license_key,
            "expiry": context.license_expiry.map(iso8601),
        },
        "machine": {
            "id": context.machine_id,
            "fingerprint": context.fingerprint,
            "created": iso8601(context.machine_created),
        },
        "ts": iso8601(now),
    })
    .to_string()
}

/// The proof of a dataset: compact JSON, its keys already in snake_case (02 §9).
pub fn offline_proof(keys: &AccountKeys, dataset_json: &str) -> String {
    let signed = format!("{PROOF_PREFIX}{}", b64u(dataset_json.as_bytes()));
    let signature = keys.sign(SignatureAlgorithm::RsaSha256, signed.as_bytes());
    format!("{signed}.{}", b64u(&signature))
}

/// Checks a proof as a client would, and returns its dataset (02 §9).
pub fn verify_proof(keys: &PublicKeys, proof: &str) -> Option<Vec<u8>> {
    let (signed, signature) = proof.split_once('.')?;
    let dataset = b64u_decode(signed.strip_prefix(PROOF_PREFIX)?)?;
    keys.verify(SignatureAlgorithm::RsaSha256, signed.as_bytes(), &b64u_decode(signature)?).then_some(dataset)
}

#[cfg(test)]
mod tests {
    use super::super::license_key::fixtures::*;
    use super::*;

    /// 02 §9 with `offlineProofs`.
    #[test]
    fn proof_vectors() {
        let vectors = vectors();
        let keys = account_keys();
        let entries = vectors["offlineProofs"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        for entry in entries {
            let dataset = text(entry, "/dataset");
            let proof = offline_proof(&keys, dataset);
            assert_eq!(proof, text(entry, "/proof"));
            assert_eq!(verify_proof(&keys.public(), &proof).as_deref(), Some(dataset.as_bytes()));
        }
    }

    fn milliseconds(time: &str) -> i64 {
        chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis()
    }

    /// 02 §9: the default dataset, byte for byte.
    #[test]
    fn default_dataset_vector() {
        let vectors = vectors();
        let expected = text(&vectors, "/offlineProofs/0/dataset");
        let parsed: serde_json::Value = serde_json::from_str(expected).unwrap();
        let mut context = ProofContext {
            account_id: text(&parsed, "/account/id"),
            product_id: text(&parsed, "/product/id"),
            policy_id: text(&parsed, "/policy/id"),
            duration: parsed["policy"]["duration"].as_i64(),
            license_id: text(&parsed, "/license/id"),
            license_key: text(&parsed, "/license/key"),
            license_expiry: Some(milliseconds(text(&parsed, "/license/expiry"))),
            machine_id: text(&parsed, "/machine/id"),
            fingerprint: text(&parsed, "/machine/fingerprint"),
            machine_created: milliseconds(text(&parsed, "/machine/created")),
        };
        let now = milliseconds(text(&parsed, "/ts"));
        assert_eq!(default_proof_dataset(&context, now), expected);

        context.duration = None;
        context.license_expiry = None;
        let bare = default_proof_dataset(&context, now);
        assert!(bare.contains(r#""duration":null}"#) && bare.contains(r#""expiry":null}"#));
    }

    #[test]
    fn wrong_proofs_are_refused() {
        let keys = account_keys();
        let public = keys.public();
        let proof = offline_proof(&keys, "{}");
        assert_eq!(verify_proof(&public, &proof), Some(b"{}".to_vec()));
        assert_eq!(verify_proof(&public, &proof.replace("proof/", "key/")), None);
        assert_eq!(verify_proof(&public, &proof.replace("e30=", "e30K")), None);
        assert_eq!(verify_proof(&public, ""), None);
        assert_eq!(verify_proof(&AccountKeys::generate().public(), &proof), None);
    }
}
