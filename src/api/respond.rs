//! From the result of a request to a response with all its headers (01 §11, 02 §3).

use super::app::{App, Keys};
use super::context::Ctx;
use super::rate_limits::Guess;
use super::route::{Content, Reply};
use crate::crypto::http_signature::{self as signatures, AcceptedSignature};
use crate::crypto::keys::SignatureAlgorithm;
use crate::http::error::{ApiError, Result};
use crate::http::negotiate::ResponseType;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::throttle::Standing;
use crate::model::Time;
use crate::versions::{self, Version};
use std::sync::Arc;
use uuid::Uuid;

/// What is known of a request while it is being answered; it decides the headers of the response.
#[derive(Default)]
pub(super) struct Head {
    /// Account and keys that sign (D2).
    pub(super) signer: Option<(Uuid, Arc<Keys>)>,
    pub(super) signature: AcceptedSignature,
    pub(super) account: Option<Uuid>,
    pub(super) version: Option<Version>,
    pub(super) environment: Option<String>,
    pub(super) bearer: Option<Uuid>,
    pub(super) token: Option<Uuid>,
    pub(super) response_type: Option<ResponseType>,
    pub(super) route: Option<(&'static str, &'static str)>,
    /// Where the caller stands with a rate limit.
    pub(super) rate: Option<Standing>,
    /// For whom a wrong credential counts.
    pub(super) guess: Option<Guess>,
}

impl Head {
    pub(super) fn of(&mut self, cx: &Ctx) {
        self.bearer = cx.subject.bearer.id();
        self.token = cx.subject.token.as_ref().map(|token| token.id);
    }
}

impl App {
    /// From a result to a response with all its headers.
    pub(super) fn finish(&self, request: &Request, mut head: Head, result: Result<Reply>) -> Response {
        if result.as_ref().is_err_and(|error| error.status == 429) {
            // Stage 0: nothing is known of the request yet, and nothing is signed.
            head = Head { rate: head.rate, ..Head::default() };
        }
        let version = head.version.unwrap_or(Version::CURRENT);
        let (method, path) = head.route.unwrap_or(("", ""));
        let mut response = match result {
            Ok(reply) => {
                let target = versions::Target { method, path, status: reply.status };
                self.success(request, &head, version, &target, reply)
            }
            Err(mut error) => {
                let target = versions::Target { method, path, status: error.status };
                versions::rewrite_error(version, &target, &mut error);
                failure(request, &head, error)
            }
        };
        let renamed = |name| versions::header_name(version, name);
        let mut buffer = Uuid::encode_buffer();
        for (name, id) in
            [("keygen-account", head.account), ("keygen-bearer", head.bearer), ("keygen-token", head.token)]
        {
            if let Some(id) = id {
                response.header(renamed(name), crate::http::response::uuid_text(&id, &mut buffer));
            }
        }
        if let Some(code) = &head.environment {
            response.header("keygen-environment", code);
        }
        if let Some(version) = head.version {
            response.fixed("keygen-version", version.name());
        }
        if let Some(rate) = &head.rate {
            for (name, value) in rate.headers() {
                response.header(name, &value);
            }
            if response.status == 429 {
                response.header("retry-after", &rate.wait.to_string());
            }
        }
        response.standard(request, self.mode());
        if let Some((account, keys)) = &head.signer {
            sign(&mut response, request, *account, keys, &head.signature);
        }
        response
    }

    fn success(
        &self,
        request: &Request,
        head: &Head,
        version: Version,
        target: &versions::Target<'_>,
        reply: Reply,
    ) -> Response {
        let mut response = Response::new(reply.status);
        if let Some(path) = &reply.location {
            let base = self.base_url(request);
            response.header("location", &format!("{base}{path}"));
        }
        match reply.content {
            // `step` has made an error of a failure.
            Content::Empty | Content::Failure(_) => response,
            Content::Document(mut document) => {
                if version < Version::CURRENT {
                    versions::rewrite(version, target, &mut document);
                }
                let mut text = String::with_capacity(4096);
                document.write(&mut text);
                let content_type = head.response_type.unwrap_or(ResponseType::JsonApi).header();
                response.with_body(content_type, text)
            }
            Content::File { bytes, name } => {
                response.header("content-disposition", &format!("attachment; filename=\"{name}\""));
                response.with_body("application/octet-stream", bytes)
            }
        }
    }
}

fn failure(request: &Request, head: &Head, error: ApiError) -> Response {
    if let Some(cause) = &error.internal {
        let path = head.route.map_or("(none)", |(_, path)| path);
        tracing::error!(request = %request.id, method = request.method, route = path, status = error.status, cause, "a request failed");
    }
    let mut response = Response::new(error.status);
    if error.status == 401 {
        let scheme =
            request.header("authorization").map(|a| a.trim_start().split(' ').next().unwrap_or("")).unwrap_or("");
        response.header("www-authenticate", &format!("{} realm=\"keygen\"", capitalized(scheme)));
    }
    let mut buffer = Uuid::encode_buffer();
    let document = error.document(crate::http::response::uuid_text(&request.id, &mut buffer));
    let content_type =
        if error.with_meta { head.response_type } else { None }.unwrap_or(ResponseType::JsonApi).header();
    response.with_body(content_type, document.to_string())
}

/// First letter upper, rest lower (03 §3); `Bearer` for none, and for text that is no scheme.
fn capitalized(scheme: &str) -> String {
    let mut chars = scheme.chars();
    match chars.next() {
        Some(first) if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
            first.to_ascii_uppercase().to_string() + &chars.as_str().to_ascii_lowercase()
        }
        _ => "Bearer".to_owned(),
    }
}

/// Adds `Date`, `Digest` and the signature (02 §3).
fn sign(response: &mut Response, request: &Request, account: Uuid, keys: &Keys, wanted: &AcceptedSignature) {
    let date = signatures::http_date(Time::now().seconds());
    let digest = signatures::digest_header(&response.body);
    let method = request.method.to_ascii_lowercase();
    let target = signatures::signed_target(&request.target);
    let data = signatures::signing_data(&method, target, &request.host, &date, &digest);
    let make = || keys.private.sign(wanted.algorithm, data.as_bytes());
    let signature = match wanted.algorithm {
        SignatureAlgorithm::Ed25519 | SignatureAlgorithm::EcdsaP256 => make(),
        // RSA takes milliseconds: let the runtime move other work off this thread.
        _ => tokio::task::block_in_place(make),
    };
    let mut buffer = Uuid::encode_buffer();
    let key_id = crate::http::response::uuid_text(&account, &mut buffer);
    response.header_twice(["date", "keygen-date"], date);
    response.header_twice(["digest", "keygen-digest"], digest);
    response.header("keygen-signature", &signatures::signature_header(key_id, &wanted.name, &signature));
}
