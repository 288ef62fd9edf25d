//! One attempt at sending a mail: the message, the connection, and what can go wrong.

use super::{Mail, one_line};
use crate::config::{Config, SmtpConfig, SmtpTls};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::error::Error as _;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use uuid::Uuid;

/// Why a mail was not sent. `Display` and `Debug` are fit for a log: they have neither the address nor anything that the mail
/// server says, which may quote both the address and the mail.
#[derive(Clone, thiserror::Error)]
pub enum MailError {
    /// No address that mail can be sent to.
    #[error("the address cannot be sent to")]
    Address,
    /// The server said no.
    #[error("the mail server refused it ({status})")]
    Refused {
        /// Whether it may say yes later (4xx).
        transient: bool,
        /// Its code, with the enhanced one: `550 5.1.1`.
        status: String,
        /// What it said. Not for a log.
        reply: String,
    },
    /// There is no connection, or not the one that was asked for.
    #[error("the mail server cannot be reached: {0}")]
    Unreachable(String),
    /// It went quiet or broke off, or is no mail server.
    #[error("the mail server broke off, or is none")]
    Answer,
    /// It lacks what the configuration or the mail needs: STARTTLS, a way to log in, UTF-8 addresses.
    #[error("the mail server does not do what is needed: {0}")]
    Unsuitable(String),
    /// The attempt took too long.
    #[error("the mail server took longer than {} seconds", .0.as_secs())]
    TimedOut(Duration),
}

impl MailError {
    /// Whether another attempt may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            MailError::Refused { transient, .. } => *transient,
            MailError::Unreachable(_) | MailError::Answer | MailError::TimedOut(_) => true,
            MailError::Address | MailError::Unsuitable(_) => false,
        }
    }

    /// The whole story on one line, for the eyes of the one who sends: with what the server said, and what may help.
    pub fn explain(&self) -> String {
        match self {
            MailError::Refused { status, reply, .. } => {
                // The reply begins with the enhanced code itself.
                let code = status.split(' ').next().unwrap_or_default();
                let reply: String = one_line(reply).chars().take(300).collect();
                format!("the mail server refused it: {code} {reply}").trim_end().to_owned()
            }
            MailError::Unreachable(problem) if problem.contains("UnknownIssuer") => format!(
                "{self} (no authority that this system trusts vouches for its certificate; SSL_CERT_FILE can name a list of authorities)"
            ),
            MailError::Unreachable(_) | MailError::Answer | MailError::TimedOut(_) => {
                format!("{self}; check smtp.host, smtp.port and smtp.tls")
            }
            MailError::Address | MailError::Unsuitable(_) => self.to_string(),
        }
    }
}

impl fmt::Debug for MailError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The mail server, and who sends.
pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
    /// Host and port.
    pub server: String,
}

impl Smtp {
    /// None when no mail is to be sent.
    pub fn new(config: &Config) -> Result<Option<Smtp>, MailError> {
        let smtp = &config.smtp;
        let (Some(host), Some(from)) = (&smtp.host, &smtp.from) else {
            return Ok(None);
        };
        let port = smtp.effective_port();
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host.as_str())
            .port(port)
            .tls(tls(host, smtp)?)
            .hello_name(hello_name(config))
            // For one address of the host: the next one should get its turn within the attempt.
            .timeout(Some(smtp.timeout() / 3));
        if let (Some(username), Some(password)) = (&smtp.username, &smtp.password) {
            builder = builder.credentials(Credentials::new(username.clone(), password.expose().to_owned()));
        }
        let server = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let from = from.mailbox().clone();
        Ok(Some(Smtp { transport: builder.build(), from, timeout: smtp.timeout(), server }))
    }

    /// The message that a mail becomes, and the id that it has in every log.
    pub fn message(&self, mail: &Mail) -> Result<(Message, Uuid), MailError> {
        // Nothing may end the line of a command or a header.
        if mail.to.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(MailError::Address);
        }
        let to: Address = mail.to.parse().map_err(|_| MailError::Address)?;
        let id = Uuid::new_v4();
        // RFC 3834: nobody's holiday notice answers.
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&mail.subject))
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .raw_header(automatic)
            .singlepart(SinglePart::plain(mail.text.clone()))
            // Sender and recipient are there, so that only an address can be at fault.
            .map_err(|_| MailError::Address)?;
        Ok((message, id))
    }

    /// Hands a message to the server, over a connection of its own.
    pub async fn send(&self, message: &Message) -> Result<(), MailError> {
        let bytes = message.formatted();
        let sent = tokio::time::timeout(self.timeout, self.transport.send_raw(message.envelope(), &bytes));
        match sent.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(classify(&error)),
            Err(_) => Err(MailError::TimedOut(self.timeout)),
        }
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let from = self.from.to_string();
        f.debug_struct("Smtp").field("server", &self.server).field("from", &from).finish_non_exhaustive()
    }
}

fn tls(host: &str, smtp: &SmtpConfig) -> Result<Tls, MailError> {
    let parameters = || TlsParameters::new(host.to_owned()).map_err(|error| classify(&error));
    Ok(match smtp.tls {
        SmtpTls::StartTls => Tls::Required(parameters()?),
        SmtpTls::Tls => Tls::Wrapper(parameters()?),
        SmtpTls::None => Tls::None,
    })
}

/// What the server is greeted with: the name that callers know this one by, if it has one.
fn hello_name(config: &Config) -> ClientId {
    match config.server.public_url.as_ref().map(|url| url.host()) {
        Some(host) if host.contains('.') && host.parse::<IpAddr>().is_err() => ClientId::Domain(host.to_owned()),
        _ => ClientId::default(),
    }
}

/// What the library's error means here.
fn classify(error: &Error) -> MailError {
    let source = error.source();
    if let Some(code) = error.status() {
        let reply = source.map(ToString::to_string).unwrap_or_default();
        let status = match reply.split_whitespace().next().filter(|word| is_enhanced_code(word)) {
            Some(enhanced) => format!("{code} {enhanced}"),
            None => code.to_string(),
        };
        return MailError::Refused { transient: error.is_transient(), status, reply };
    }
    let mut cause = source;
    while let Some(deeper) = cause.and_then(|cause| cause.source()) {
        cause = Some(deeper);
    }
    let cause = cause.map(|cause| one_line(&cause.to_string())).unwrap_or_default();
    if error.is_response() {
        // Its cause quotes what the server said.
        MailError::Answer
    } else if error.is_client() {
        MailError::Unsuitable(cause)
    } else {
        MailError::Unreachable(cause)
    }
}

/// RFC 3463: `5.1.1`
fn is_enhanced_code(word: &str) -> bool {
    let parts: Vec<_> = word.split('.').collect();
    parts.len() == 3
        && parts.iter().all(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(settings: &[(&str, &str)]) -> Smtp {
        let base = [("smtp.host", "mail.example.com"), ("smtp.from", "Acme <licensing@example.com>")];
        let settings: Vec<_> = base.iter().chain(settings).map(|(path, value)| (*path, (*value).to_owned())).collect();
        let config = Config::load(None, std::iter::empty(), &settings).unwrap();
        Smtp::new(&config).unwrap().unwrap()
    }

    #[test]
    fn no_host_no_mail() {
        assert!(Smtp::new(&Config::default()).unwrap().is_none());
        assert_eq!(smtp(&[]).server, "mail.example.com:587");
        assert_eq!(smtp(&[("smtp.host", "::1"), ("smtp.tls", "none")]).server, "[::1]:25");
    }

    // Whatever stands in a mail, it is one header and one command.
    #[test]
    fn nothing_can_be_injected() {
        let smtp = smtp(&[]);
        let mail = |to: &str, subject: &str| Mail { to: to.into(), subject: subject.into(), text: "t".into() };
        for to in [
            "",
            "a",
            "a@b.c\r\nRCPT TO:<x@y.z>",
            "a@b.c\n",
            "\"a\r\nb\"@b.c",
            "a@b.c> NOTIFY=NEVER",
            "a b@c.d",
            "\"a b\"@c.d",
            "A <a@b.c>",
            "a@b.c, d@e.f",
            "a@b.c\0",
            "<a@b.c>",
        ] {
            assert!(matches!(smtp.message(&mail(to, "s")), Err(MailError::Address)), "{to:?}");
        }
        for subject in
            ["A\r\nBcc: x@y.z", "A\nBcc: x@y.z", "A\r\n\r\nBcc: x@y.z", "A\u{2028}Bcc: x\u{85}", "Ä\r\nBcc: x@y.z"]
        {
            let (message, _) = smtp.message(&mail("a@b.c", subject)).unwrap();
            let text = String::from_utf8(message.formatted()).unwrap();
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            assert!(!head.lines().any(|line| line.to_lowercase().starts_with("bcc")), "{head}");
            assert_eq!(message.envelope().to().len(), 1);
        }
        let (message, id) = smtp.message(&mail("a@b.c", "A")).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        for line in [
            "From: Acme <licensing@example.com>",
            "To: a@b.c",
            "Subject: A",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            &format!("Message-ID: <{id}@example.com>"),
        ] {
            assert!(text.lines().any(|l| l == line), "no {line} in {text}");
        }
    }

    #[test]
    fn greetings() {
        for (url, name) in [
            ("", "[127.0.0.1]"),
            ("https://keys.example.com:8443", "keys.example.com"),
            ("http://localhost:8080", "[127.0.0.1]"),
            ("http://10.0.0.1", "[127.0.0.1]"),
            ("http://[::1]:80", "[127.0.0.1]"),
        ] {
            let config = Config::load(None, std::iter::empty(), &[("server.public_url", url.to_owned())]).unwrap();
            assert_eq!(hello_name(&config).to_string(), name);
        }
    }

    #[test]
    fn what_is_said_of_errors() {
        let refused = |transient, status: &str, reply: &str| MailError::Refused {
            transient,
            status: status.to_owned(),
            reply: reply.to_owned(),
        };
        for (error, transient, explained) in [
            (
                refused(false, "550 5.1.1", "5.1.1 <a@b.c>:\u{1b}[1m no such\r\nuser"),
                false,
                "the mail server refused it: 550 5.1.1 <a@b.c>: [1m no such user",
            ),
            (refused(true, "421", ""), true, "the mail server refused it: 421"),
            (
                MailError::Unreachable("refused".to_owned()),
                true,
                "the mail server cannot be reached: refused; check smtp.host, smtp.port and smtp.tls",
            ),
            (MailError::Unsuitable("x".to_owned()), false, "the mail server does not do what is needed: x"),
            (MailError::Address, false, "the address cannot be sent to"),
        ] {
            assert_eq!((error.is_transient(), error.explain().as_str()), (transient, explained));
            assert!(!format!("{error} {error:?}").contains("a@b.c"));
        }
        for (word, enhanced) in
            [("5.1.1", true), ("4.7.999", true), ("5.1", false), ("5..1", false), ("5.1.1000", false), ("1.a.2", false)]
        {
            assert_eq!(is_enhanced_code(word), enhanced, "{word}");
        }
    }
}
