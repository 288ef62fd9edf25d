//! Outgoing mail (D12): password resets (03 §12.1) and account recovery (05 §1.1).
//!
//! | module | what it is |
//! |---|---|
//! | [`texts`] | what the mails say, as pure functions |
//! | `mailer` | [`Mailer`]: sends in the background, tries again, drains at the end |
//! | `smtp` | one attempt: message, connection, and [`MailError`] for what went wrong |
//!
//! ```text
//! if let Some(mailer) = &app.mailer {
//!     mailer.deliver(texts::password_reset(&app.config, &PasswordReset { account, environment, email, token }));
//! }
//! ```

mod mailer;
mod smtp;
pub mod texts;

pub use mailer::{Mailer, Schedule};
pub use smtp::MailError;

use std::fmt;

/// A mail to one address. What it says may be a secret: `Debug` shows the subject and nothing else.
#[derive(Clone)]
pub struct Mail {
    /// The address, without a name.
    pub to: String,
    /// The subject. White space and control characters become single spaces on the way.
    pub subject: String,
    /// The text, with `\n` at the end of its lines.
    pub text: String,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Mail").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// With white space and control characters as single spaces: what others have written must not begin a line of its own.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}
