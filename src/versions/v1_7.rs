//! Version 1.7 and older: one generic code for bad credentials at `POST /tokens` (14 §2).

use super::Target;
use crate::http::error::ApiError;

const CODES: &[&str] =
    &["EMAIL_REQUIRED", "EMAIL_INVALID", "PASSWORD_REQUIRED", "PASSWORD_INVALID", "PASSWORD_NOT_SUPPORTED"];

pub(super) fn error(target: &Target<'_>, error: &mut ApiError) {
    if target.method != "POST" || target.path != "tokens" || error.status != 401 {
        return;
    }
    for object in &mut error.errors {
        if object.code.as_deref().is_some_and(|code| CODES.contains(&code)) {
            object.code = Some("CREDENTIALS_INVALID".into());
            object.detail = "email and password must be valid".into();
        }
    }
}
