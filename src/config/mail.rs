//! Who sends mail, and what a link in it is made of.

use std::fmt;

use lettre::message::Mailbox;

use super::value::Text;

/// What stands in `smtp.password_reset_url` for the parts of a link.
pub(crate) const RESET_URL_PLACEHOLDERS: [&str; 4] = ["{token}", "{email}", "{account}", "{environment}"];

/// Who sends mail: `licensing@example.com` or `Acme Licensing <licensing@example.com>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSender(Mailbox);

impl MailSender {
    /// As the mail library wants it.
    pub(crate) fn mailbox(&self) -> &Mailbox {
        &self.0
    }
}

impl fmt::Display for MailSender {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Text for MailSender {
    fn parse(text: &str) -> Result<Self, String> {
        let parsed = text.parse().ok().filter(|_| !text.contains(char::is_control));
        parsed.map(MailSender).ok_or_else(|| {
            "must be an e-mail address, such as licensing@example.com or \"Acme, Inc.\" <licensing@example.com>"
                .to_owned()
        })
    }
    fn text(&self) -> String {
        self.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders() {
        for (text, name, address) in [
            ("a@b.c", None, "a@b.c"),
            ("root@localhost", None, "root@localhost"),
            ("<a@b.c>", None, "a@b.c"),
            ("Acme Licensing <a@b.c>", Some("Acme Licensing"), "a@b.c"),
            ("\"Acme, Inc.\" <a@b.c>", Some("Acme, Inc."), "a@b.c"),
            ("Ärger & Söhne <a@b.c>", Some("Ärger & Söhne"), "a@b.c"),
        ] {
            let sender = MailSender::parse(text).unwrap();
            assert_eq!((sender.mailbox().name.as_deref(), sender.mailbox().email.as_ref()), (name, address), "{text}");
            assert_eq!(MailSender::parse(&sender.text()).unwrap(), sender, "{text}");
        }
        for text in
            ["", "a", "a@", "@b.c", "a@b.c, d@e.f", "a b@c.d", "A <a@b.c", "a@b.c\nBcc: d@e.f", "A\r\nB <a@b.c>"]
        {
            assert!(MailSender::parse(text).is_err(), "{text:?}");
        }
    }
}
