//! What the mails say.

use super::{Mail, one_line};
use crate::config::{Config, RESET_URL_PLACEHOLDERS};
use crate::model::Account;

/// What a mail about a forgotten password needs to know (03 §12.1). No `Debug`: it holds the token.
pub struct PasswordReset<'a> {
    /// The user's account.
    pub account: &'a Account,
    /// Code of the user's environment; none is the global one.
    pub environment: Option<&'a str>,
    /// The user's address, to which the mail goes.
    pub email: &'a str,
    /// The token itself, valid for 24 hours from now on.
    pub token: &'a str,
}

/// The mail with a reset token (03 §12.1): with a link when `smtp.password_reset_url` is set, otherwise with the request that
/// sets the password (03 §12.2).
pub fn password_reset(config: &Config, reset: &PasswordReset) -> Mail {
    let PasswordReset { account, environment, email, token } = reset;
    let name = display_name(account);
    let how = match &config.smtp.password_reset_url {
        Some(template) => {
            let values = [*token, *email, account.slug.as_str(), environment.unwrap_or_default()];
            // Encoded values have no braces: nothing is replaced twice.
            let link = RESET_URL_PLACEHOLDERS
                .iter()
                .zip(values)
                .fold(template.clone(), |link, (placeholder, value)| link.replace(placeholder, &percent_encode(value)));
            format!("To choose it, open this link within 24 hours:\n\n{link}\n")
        }
        None => {
            let base = config.server.public_url.as_ref().map_or("", |url| url.as_str());
            let path = format!("/v1/accounts/{}/users/{}/actions/reset-password", account.id, percent_encode(email));
            let header = match environment {
                Some(code) => format!("Keygen-Environment: {}\n", one_line(code)),
                None => String::new(),
            };
            format!(
                "To choose it, give this token to the application within 24 hours:\n\n\
                 {token}\n\n\
                 The application sets the new password with this request:\n\n\
                 POST {base}{path}\n\
                 Content-Type: application/json\n\
                 {header}\n\
                 {{\"meta\":{{\"passwordResetToken\":\"<the token>\",\"newPassword\":\"<the new password>\"}}}}\n"
            )
        }
    };
    let email = one_line(email);
    Mail {
        to: reset.email.to_owned(),
        subject: format!("Reset your password for {name}"),
        text: format!(
            "Hello,\n\n\
             somebody, probably you, asked for a new password:\n\n  \
             account: {name}\n  \
             user:    {email}\n\n\
             {how}\n\
             If it was not you, ignore this mail, and nothing changes.\n"
        ),
    }
}

/// The mail with the accounts in which that address is a user (05 §1.1); none when there is none.
pub fn account_recovery(config: &Config, email: &str, accounts: &[Account]) -> Option<Mail> {
    if accounts.is_empty() {
        return None;
    }
    let list: String = accounts
        .iter()
        .map(|account| format!("{}\n  slug: {}\n  id:   {}\n\n", display_name(account), account.slug, account.id))
        .collect();
    let place = match &config.server.public_url {
        Some(url) => format!(" on {url}"),
        None => String::new(),
    };
    Some(Mail {
        to: email.to_owned(),
        subject: "Your accounts".to_owned(),
        text: format!(
            "Hello,\n\n\
             somebody, probably you, asked for the accounts of {}{place}:\n\n\
             {list}\
             If it was not you, ignore this mail.\n",
            one_line(email)
        ),
    })
}

/// The mail of `keygen-lite mail test`.
pub fn test(to: &str) -> Mail {
    Mail {
        to: to.to_owned(),
        subject: "Test mail of keygen-lite".to_owned(),
        text: "Hello,\n\nthis mail shows that keygen-lite can send mail with its configuration.\n".to_owned(),
    }
}

/// What people know an account by.
fn display_name(account: &Account) -> String {
    let name = one_line(account.name.as_deref().unwrap_or_default());
    if name.is_empty() { account.slug.clone() } else { name }
}

/// For any part of a URL: everything but RFC 3986's unreserved characters is escaped.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::query::percent_decode;
    use crate::model::Time;
    use uuid::Uuid;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdefv3";

    fn account(name: Option<&str>, slug: &str) -> Account {
        let id = Uuid::from_u128(0x0190_b4f2_7c9e_7cc3_a5b1_2f6d_1f0e_8a42);
        let mut account = Account::new(id, id, Time::now());
        account.name = name.map(str::to_owned);
        account.slug = slug.to_owned();
        account
    }

    fn config(settings: &[(&str, &str)]) -> Config {
        let settings: Vec<_> = settings.iter().map(|(path, value)| (*path, (*value).to_owned())).collect();
        Config::load(None, std::iter::empty(), &settings).unwrap()
    }

    fn reset(settings: &[(&str, &str)], name: Option<&str>, environment: Option<&str>, email: &str) -> Mail {
        let account = account(name, "acme");
        password_reset(&config(settings), &PasswordReset { account: &account, environment, email, token: TOKEN })
    }

    // 03 §12.1, §12.2
    #[test]
    fn a_reset_without_a_page_names_the_request() {
        let mail = reset(&[], Some("Acme, Inc."), None, "ada+x@example.com");
        assert_eq!(
            (mail.to.as_str(), mail.subject.as_str()),
            ("ada+x@example.com", "Reset your password for Acme, Inc.")
        );
        assert_eq!(
            mail.text,
            format!(
                "Hello,\n\n\
                 somebody, probably you, asked for a new password:\n\n  \
                 account: Acme, Inc.\n  \
                 user:    ada+x@example.com\n\n\
                 To choose it, give this token to the application within 24 hours:\n\n\
                 {TOKEN}\n\n\
                 The application sets the new password with this request:\n\n\
                 POST /v1/accounts/0190b4f2-7c9e-7cc3-a5b1-2f6d1f0e8a42/users/ada%2Bx%40example.com/actions/reset-password\n\
                 Content-Type: application/json\n\n\
                 {{\"meta\":{{\"passwordResetToken\":\"<the token>\",\"newPassword\":\"<the new password>\"}}}}\n\n\
                 If it was not you, ignore this mail, and nothing changes.\n"
            )
        );
        let public = [("server.public_url", "https://keys.example.com")];
        let mail = reset(&public, None, Some("sandbox"), "a@b.c");
        assert_eq!(mail.subject, "Reset your password for acme");
        for line in [
            "POST https://keys.example.com/v1/accounts/0190b4f2-7c9e-7cc3-a5b1-2f6d1f0e8a42/users/a%40b.c/actions/reset-password",
            "Keygen-Environment: sandbox",
            TOKEN,
        ] {
            assert!(mail.text.lines().any(|l| l == line), "no {line} in {}", mail.text);
        }
    }

    // 03 §12.1
    #[test]
    fn a_reset_with_a_page_is_a_link() {
        let email = "a&b+c=ü%20{token}@example.com";
        for (template, link) in [
            ("https://a.example/r?t={token}", format!("https://a.example/r?t={TOKEN}")),
            (
                "app://{account}/{environment}/{email}#{token}",
                format!("app://acme/sandbox/a%26b%2Bc%3D%C3%BC%2520%7Btoken%7D%40example.com#{TOKEN}"),
            ),
        ] {
            let mail = reset(&[("smtp.password_reset_url", template)], Some("Ünïcode"), Some("sandbox"), email);
            assert!(mail.text.lines().any(|line| line == link), "no {link} in {}", mail.text);
            assert_eq!(mail.text.matches(TOKEN).count(), 1, "the link is all: {}", mail.text);
            assert!(!mail.text.contains("POST"), "{}", mail.text);
            assert_eq!(mail.subject, "Reset your password for Ünïcode");
        }
        assert_eq!(percent_decode(&percent_encode(email), false).as_deref(), Some(email));
        let every: String = RESET_URL_PLACEHOLDERS.concat();
        let mail = reset(&[("smtp.password_reset_url", &format!("a://{every}"))], None, None, "a@b.c");
        assert!(mail.text.contains(&format!("\na://{TOKEN}a%40b.cacme\n")), "{}", mail.text);
    }

    // 05 §1.1
    #[test]
    fn recovery_lists_accounts() {
        assert!(account_recovery(&config(&[]), "a@b.c", &[]).is_none());
        let accounts = [account(Some("Acme, Inc."), "acme"), account(None, "büro")];
        let mail = account_recovery(&config(&[]), "a@b.c", &accounts).unwrap();
        assert_eq!((mail.to.as_str(), mail.subject.as_str()), ("a@b.c", "Your accounts"));
        assert_eq!(
            mail.text,
            "Hello,\n\n\
             somebody, probably you, asked for the accounts of a@b.c:\n\n\
             Acme, Inc.\n  slug: acme\n  id:   0190b4f2-7c9e-7cc3-a5b1-2f6d1f0e8a42\n\n\
             büro\n  slug: büro\n  id:   0190b4f2-7c9e-7cc3-a5b1-2f6d1f0e8a42\n\n\
             If it was not you, ignore this mail.\n"
        );
        let public = config(&[("server.public_url", "https://keys.example.com")]);
        let mail = account_recovery(&public, "a@b.c", &accounts).unwrap();
        assert!(mail.text.contains("the accounts of a@b.c on https://keys.example.com:\n"), "{}", mail.text);
    }

    // A name cannot begin a header, or a line of the text.
    #[test]
    fn names_stay_on_their_line() {
        let name = "Acme\r\nBcc: x@y.z\r\n\r\nClick\u{2028}here\0\u{85}now";
        let mails = [
            reset(&[], Some(name), Some("a\nb"), "a@b.c"),
            reset(&[("smtp.password_reset_url", "a://b/{token}")], Some(name), None, "a@b.c"),
            account_recovery(&config(&[]), "a@b.c", &[account(Some(name), "acme")]).unwrap(),
        ];
        for mail in &mails {
            for text in [&mail.subject, &mail.text] {
                assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
                assert!(!text.lines().any(|line| line.starts_with("Bcc") || line.starts_with("Click")), "{text:?}");
            }
            assert!(!mail.subject.contains('\n'), "{:?}", mail.subject);
            assert!(mail.text.contains("Acme Bcc: x@y.z Click here now"), "{:?}", mail.text);
        }
        assert!(!format!("{mails:?}").contains(TOKEN));
        assert_eq!(format!("{:?}", test("secret@example.com")), "Mail { subject: \"Test mail of keygen-lite\", .. }");
    }
}
