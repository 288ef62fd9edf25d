//! Outgoing mail (D12) through a real SMTP conversation: sent once, tried again, given up, encrypted, and without a secret in
//! any log or error.

#[path = "support/mod.rs"]
mod support;

use keygen_lite::config::{Config, effective_toml};
use keygen_lite::mail::texts::{self, PasswordReset};
use keygen_lite::mail::{Mail, MailError, Mailer, Schedule};
use keygen_lite::model::{Account, Time};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::Server;
use support::smtp::{CERTIFICATE, Encryption, Received, SmtpServer};
use uuid::Uuid;

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefv3";
const HOUR: Duration = Duration::from_secs(3600);
/// As long as it takes: nothing here should.
const LIMIT: Duration = Duration::from_secs(20);

fn config(server: &SmtpServer, more: &[(&str, &str)]) -> Config {
    let more: Vec<_> = more.iter().map(|(path, value)| (*path, (*value).to_owned())).collect();
    Config::load(None, server.variables().into_iter(), &more).unwrap()
}

/// A mailer with these pauses.
fn mailer(server: &SmtpServer, queue: usize, pauses: &[Duration]) -> Mailer {
    let schedule = Schedule { queue, pauses: pauses.to_vec() };
    Mailer::start_with(&config(server, &[]), schedule).unwrap().unwrap()
}

const SOON: Duration = Duration::from_millis(1);

fn mail(to: &str, subject: &str, text: &str) -> Mail {
    Mail { to: to.to_owned(), subject: subject.to_owned(), text: text.to_owned() }
}

fn account(name: &str) -> Account {
    let id = Uuid::now_v7();
    let mut account = Account::new(id, id, Time::now());
    (account.name, account.slug) = (Some(name.to_owned()), "acme".to_owned());
    account
}

fn subjects(messages: &[Received]) -> Vec<String> {
    let mut subjects: Vec<_> = messages.iter().map(|message| message.header("Subject")).collect();
    subjects.sort();
    subjects
}

// ------------------------------------------------------------------------------------------------------------------- sending

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_a_host_there_is_no_mailer() {
    assert!(Mailer::start(&Config::default()).unwrap().is_none());
}

// 03 §12.1, 05 §1.1
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn mails_arrive_once_and_as_they_were_written() {
    let server = SmtpServer::start();
    let config = config(&server, &[("smtp.password_reset_url", "https://example.com/reset/{account}?t={token}")]);
    let mailer = Mailer::start(&config).unwrap().unwrap();
    let (account, email) =
        (account("Ärger & Söhne GmbH, Übersee – eine Firma mit langem Namen und 日本語"), "ada@example.com");
    let mails = [
        texts::password_reset(&config, &PasswordReset { account: &account, environment: None, email, token: TOKEN }),
        texts::account_recovery(&config, email, &[account]).unwrap(),
        mail(email, "plain", "A\n.\n.dot\n..\nQUIT\n"),
        mail(email, "umlauts = _ ?", &format!("{}\n\näöü = _ \u{1f511}  \n", "ä long line ".repeat(200))),
        mail(email, "日本語", &"鍵".repeat(3000)),
        // 04 §2.1 allows such addresses; a server that does not take them gets none of the mail.
        mail("büro@bücher.example", "utf-8 address", "x"),
    ];
    for mail in &mails {
        mailer.deliver(mail.clone());
    }
    let taken = &mails[..5];
    server.wait_for(taken.len());
    mailer.drain(LIMIT).await;
    let messages = server.messages();
    assert_eq!(messages.len(), taken.len(), "each once: {messages:?}");
    assert_eq!(server.count("MAIL"), taken.len());
    for mail in taken {
        let found = messages.iter().find(|message| message.header("Subject") == mail.subject);
        let message = found.unwrap_or_else(|| panic!("no {:?} in {:?}", mail.subject, subjects(&messages)));
        assert_eq!(message.text().trim_end_matches('\n'), mail.text.trim_end_matches('\n'));
        assert_eq!((message.from.as_str(), message.to.as_slice()), ("licensing@example.com", &[email.to_owned()][..]));
        assert_eq!(
            (message.header("From").as_str(), message.header("To").as_str()),
            ("Licensing <licensing@example.com>", email)
        );
        assert_eq!(message.header("Auto-Submitted"), "auto-generated");
        assert!(message.header("Message-ID").ends_with("@example.com>") && !message.header("Date").is_empty());
        assert!(message.raw.is_ascii() && message.raw.lines().all(|line| line.len() <= 998), "{}", message.raw);
        assert_eq!((message.encrypted, &message.login), (false, &None));
    }
    let reset = messages.iter().find(|message| message.text().contains(TOKEN)).expect("the token");
    assert!(reset.text().contains(&format!("\nhttps://example.com/reset/acme?t={TOKEN}\n")), "{}", reset.text());
}

// Names and addresses are what others have written.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nothing_can_be_injected() {
    let server = SmtpServer::start();
    let mailer = mailer(&server, 10, &[]);
    let name = "Acme\r\nBcc: victim@example.com\r\n\r\nHello";
    let account = account(name);
    let reset = PasswordReset { account: &account, environment: None, email: "ada@example.com", token: TOKEN };
    mailer.send(&texts::password_reset(&Config::default(), &reset)).await.unwrap();
    mailer.send(&mail("ada@example.com", name, "x")).await.unwrap();
    for message in server.messages() {
        assert_eq!(message.to, ["ada@example.com"]);
        assert!(message.header("Subject").ends_with("Acme Bcc: victim@example.com Hello"), "{}", message.raw);
        assert!(!message.raw.lines().any(|line| line.starts_with("Bcc")), "{}", message.raw);
    }
    for to in ["a@b.c>\r\nRCPT TO:<victim@example.com", "a@b.c\r\nBcc: victim@example.com", "a@b.c, victim@example.com"]
    {
        let error = mailer.send(&mail(to, "s", "x")).await.unwrap_err();
        assert!(matches!(error, MailError::Address), "{error}");
    }
    assert_eq!((server.messages().len(), server.count("RCPT")), (2, 2));
}

// --------------------------------------------------------------------------------------------------------------------- again

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_may_pass_is_tried_again() {
    for (command, answer) in [
        ("RCPT", "451 4.7.1 greylisted, come back later"),
        ("CONNECT", "421 too busy"),
        ("MAIL", "452 4.3.1 full"),
        ("MESSAGE", "450-4.2.0 not\r\n450 4.2.0 now"),
        ("EHLO", "421 4.3.2 shutting down"),
        ("CONNECT", "this is no mail server"),
    ] {
        let server = SmtpServer::start();
        server.answer(command, answer);
        server.answer(command, answer);
        let mailer = mailer(&server, 10, &[SOON; 2]);
        mailer.deliver(mail("a@b.c", "s", "x"));
        let messages = server.wait_for(1);
        mailer.drain(LIMIT).await;
        assert_eq!((messages.len(), server.messages().len()), (1, 1), "{command} {answer}");
        // As often as was planned, and no more: a fourth attempt would succeed.
        for _ in 0..3 {
            server.answer(command, answer);
        }
        let mailer = self::mailer(&server, 10, &[SOON; 2]);
        mailer.deliver(mail("a@b.c", "s", "x"));
        server.wait_for_answers();
        mailer.drain(LIMIT).await;
        assert_eq!(server.messages().len(), 1, "{command} {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_same_mail_keeps_its_id() {
    let server = SmtpServer::start();
    // Taken, but the answer is lost: what comes twice can be told.
    server.answer("MESSAGE", "451 4.3.0 lost");
    let mailer = mailer(&server, 10, &[SOON]);
    mailer.deliver(mail("a@b.c", "one", "x"));
    mailer.deliver(mail("a@b.c", "two", "x"));
    let messages = server.wait_for(2);
    assert_ne!(messages[0].header("Message-ID"), messages[1].header("Message-ID"));
    assert_eq!((server.count("MAIL"), subjects(&messages)), (3, vec!["one".to_owned(), "two".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_cannot_pass_is_given_up() {
    for (command, answer, status) in [
        ("RCPT", "550 5.1.1 <a@b.c> no such user", "550 5.1.1"),
        ("MAIL", "553 sender unknown", "553"),
        ("MESSAGE", "554-5.7.1 this is\r\n554 5.7.1 spam", "554 5.7.1"),
        ("CONNECT", "554 5.7.0 go away", "554 5.7.0"),
    ] {
        let server = SmtpServer::start();
        server.answer(command, answer);
        let mailer = mailer(&server, 10, &[SOON; 3]);
        let mail = mail("a@b.c", "s", "x");
        mailer.deliver(mail.clone());
        // Before the end, which lets nothing be tried again.
        server.wait_for_answers();
        mailer.drain(LIMIT).await;
        // Another attempt would have succeeded.
        assert_eq!(server.messages().len(), 0, "{command} {answer}");
        server.answer(command, answer);
        let error = mailer.send(&mail).await.unwrap_err();
        assert!(matches!(&error, MailError::Refused { status: given, .. } if given == status), "{error}");
        mailer.send(&mail).await.unwrap();
    }
    // And so it is told.
    let server = SmtpServer::start();
    server.answer("RCPT", "550 5.1.1 <a@b.c> no such user");
    let error = mailer(&server, 1, &[]).send(&mail("a@b.c", "s", "x")).await.unwrap_err();
    assert_eq!(format!("{error} {error:?}"), ["the mail server refused it (550 5.1.1)"; 2].join(" "));
    assert_eq!(error.explain(), "the mail server refused it: 550 5.1.1 <a@b.c> no such user");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_that_waits_holds_up_no_other() {
    let server = SmtpServer::start();
    let mailer = mailer(&server, 10, &[HOUR]);
    for _ in 0..5 {
        server.answer("RCPT", "451 later");
        mailer.deliver(mail("a@b.c", "waits", "x"));
    }
    server.wait_for_command("RCPT", 5);
    mailer.deliver(mail("a@b.c", "passes", "x"));
    assert_eq!(subjects(&server.wait_for(1)), ["passes"]);
    // The end cuts the pauses short: everything gets one more attempt.
    mailer.drain(LIMIT).await;
    assert_eq!(subjects(&server.messages()), ["passes", "waits", "waits", "waits", "waits", "waits"]);
    mailer.deliver(mail("a@b.c", "too late", "x"));
    mailer.drain(LIMIT).await;
    assert_eq!(server.messages().len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_full_queue_drops() {
    let server = SmtpServer::start();
    let mailer = mailer(&server, 2, &[HOUR]);
    for subject in ["one", "two"] {
        server.answer("RCPT", "451 later");
        mailer.deliver(mail("a@b.c", subject, "x"));
    }
    mailer.deliver(mail("a@b.c", "dropped", "x"));
    server.wait_for_command("RCPT", 2);
    mailer.drain(LIMIT).await;
    assert_eq!(subjects(&server.messages()), ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_silent_server_is_not_waited_for() {
    for command in ["CONNECT", "RCPT", "MESSAGE"] {
        let server = SmtpServer::start();
        server.answer(command, "");
        let config = config(&server, &[("smtp.timeout_seconds", "1")]);
        let schedule = Schedule { queue: 1, pauses: vec![SOON] };
        let mailer = Mailer::start_with(&config, schedule).unwrap().unwrap();
        let error = mailer.send(&mail("a@b.c", "s", "x")).await.unwrap_err();
        assert!(matches!(error, MailError::TimedOut(_)) && error.is_transient(), "{command}: {error}");
        // It is tried again; nor does the end wait for such a server.
        mailer.deliver(mail("a@b.c", "again", "x"));
        assert_eq!(subjects(&server.wait_for(1)), ["again"]);
        for _ in 0..2 {
            server.answer(command, "");
        }
        mailer.drain(LIMIT).await;
    }
    let server = SmtpServer::start();
    server.answer("CONNECT", "");
    let mailer = mailer(&server, 1, &[]);
    mailer.deliver(mail("a@b.c", "s", "x"));
    mailer.drain(Duration::ZERO).await;
    assert_eq!(server.messages().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn delivering_works_from_any_thread() {
    let server = SmtpServer::start();
    let mailer = mailer(&server, 10, &[]);
    let other = mailer.clone();
    std::thread::spawn(move || other.deliver(mail("a@b.c", "s", "x"))).join().unwrap();
    mailer.drain(LIMIT).await;
    assert_eq!(server.messages().len(), 1);
}

// ----------------------------------------------------------------------------------------------------- login and encryption

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn it_logs_in() {
    let server = SmtpServer::start_with(Encryption::None, Some(("licensing", "hunter2 ä")));
    let good = mailer(&server, 1, &[]);
    good.send(&mail("a@b.c", "s", "x")).await.unwrap();
    let login = server.messages()[0].login.clone();
    assert_eq!(login, Some(("licensing".to_owned(), "hunter2 ä".to_owned())));
    let schedule = Schedule { queue: 1, pauses: vec![SOON; 3] };
    let bad = Mailer::start_with(&config(&server, &[("smtp.password", "wrong")]), schedule).unwrap().unwrap();
    let error = bad.send(&mail("a@b.c", "s", "x")).await.unwrap_err();
    assert_eq!(error.explain(), "the mail server refused it: 535 5.7.8 wrong name or password");
    // A wrong password stays wrong: one attempt.
    bad.deliver(mail("a@b.c", "s", "x"));
    server.wait_for_command("AUTH", 3);
    bad.drain(LIMIT).await;
    assert_eq!((server.count("AUTH"), server.messages().len()), (3, 1));
}

// Somebody on the way may have taken STARTTLS out of the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_starttls_nothing_is_sent() {
    let server = SmtpServer::start_with(Encryption::None, Some(("licensing", "hunter2")));
    let config = config(&server, &[("smtp.tls", "starttls")]);
    let schedule = Schedule { queue: 1, pauses: vec![SOON; 3] };
    let mailer = Mailer::start_with(&config, schedule).unwrap().unwrap();
    let error = mailer.send(&mail("a@b.c", "s", "x")).await.unwrap_err();
    assert!(matches!(&error, MailError::Unsuitable(what) if what.contains("STARTTLS")), "{error}");
    mailer.deliver(mail("a@b.c", "s", "x"));
    server.wait_for_command("EHLO", 2);
    mailer.drain(LIMIT).await;
    assert_eq!(server.count("EHLO"), 2, "it is not tried again");
    assert!(server.commands().iter().all(|line| line.starts_with("EHLO") || line == "QUIT"), "{:?}", server.commands());
}

/// Exit code, standard output and standard error of `keygen-lite mail test`.
fn mail_test(variables: &[(String, String)], more: &[(&str, &str)], address: &str) -> (i32, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_keygen-lite"));
    for (name, _) in std::env::vars() {
        if name.starts_with("KEYGEN_LITE_") || name.starts_with("SSL_CERT_") {
            command.env_remove(name);
        }
    }
    command.args(["mail", "test", address]).current_dir(directory.path()).stdin(Stdio::null());
    command.envs(variables.iter().map(|(name, value)| (name, value))).envs(more.iter().copied());
    let output = command.output().unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn encrypted_servers_need_a_certificate_that_is_trusted() {
    assert!(Path::new(CERTIFICATE).exists());
    let trusted = [("SSL_CERT_FILE", CERTIFICATE)];
    for encryption in [Encryption::StartTls, Encryption::Tls] {
        let server = SmtpServer::start_with(encryption, Some(("licensing", "hunter2")));
        let variables = server.variables();
        let (code, out, err) = mail_test(&variables, &trusted, "ada@example.com");
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert_eq!(out, format!("The test mail to ada@example.com was accepted by localhost:{}.\n", server.port));
        let messages = server.messages();
        assert!(messages.len() == 1 && messages[0].encrypted && messages[0].login.is_some(), "{messages:?}");
        let before = server.commands();
        assert!(before.iter().any(|line| line.starts_with("AUTH")), "{before:?}");

        // A certificate of nobody that one knows; one for another name.
        let other_name = [trusted[0], ("KEYGEN_LITE_SMTP_HOST", "127.0.0.1")];
        for (more, part) in [(&[][..], "SSL_CERT_FILE"), (&other_name, "certificate not valid for name")] {
            let (code, out, err) = mail_test(&variables, more, "ada@example.com");
            assert_eq!((code, out.as_str()), (1, ""));
            assert!(err.starts_with("error: the test mail was not sent: ") && err.lines().count() == 1, "{err}");
            assert!(err.contains("certificate") && err.contains(part), "{err}");
        }
        let after = server.commands()[before.len()..].to_vec();
        let harmless = |line: &String| line.starts_with("EHLO") || line == "STARTTLS" || line == "QUIT";
        assert!(after.iter().all(harmless), "{after:?}");
        assert_eq!(server.messages().len(), 1);
    }
}

#[test]
fn the_command_says_what_happened() {
    let server = SmtpServer::start();
    let variables = server.variables();
    let (code, out, err) = mail_test(&variables, &[], "ada@example.com");
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, format!("The test mail to ada@example.com was accepted by localhost:{}.\n", server.port));
    assert_eq!(server.messages()[0].header("Subject"), "Test mail of keygen-lite");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    server.answer("RCPT", "550 5.1.1 no such user\x1b[2J");
    server.answer("MAIL", "451 4.3.0 later");
    let refused = "the mail server refused it: ";
    for (more, address, expected, parts) in [
        (&[][..], "ada@example.com", 1, &[&format!("localhost:{}: {refused}451 4.3.0 later\n", server.port)[..]][..]),
        (&[], "ada@example.com", 1, &[refused, "550 5.1.1 no such user [2J\n"]),
        (&[("KEYGEN_LITE_SMTP_PORT", nobody.as_str())], "ada@example.com", 1, &["cannot be reached", "smtp.port"]),
        (&[("KEYGEN_LITE_SMTP_TLS", "starttls")], "ada@example.com", 1, &["STARTTLS"]),
        (
            &[("KEYGEN_LITE_SMTP_TLS", "tls"), ("KEYGEN_LITE_SMTP_TIMEOUT_SECONDS", "5")],
            "ada@example.com",
            1,
            &["cannot be reached", "smtp.tls"],
        ),
        (&[], "ada", 2, &["\"ada\" is no e-mail address"]),
        (&[("KEYGEN_LITE_SMTP_HOST", "")], "ada@example.com", 2, &["no mail server is configured; set smtp.host"]),
        (&[("KEYGEN_LITE_SMTP_FROM", "")], "ada@example.com", 2, &["KEYGEN_LITE_SMTP_HOST: smtp.host", "smtp.from"]),
        (&[("KEYGEN_LITE_SMTP_HOST", "smtp://x")], "ada@example.com", 2, &["smtp.host = \"smtp://x\": must be"]),
    ] {
        let (code, out, err) = mail_test(&variables, more, address);
        assert_eq!((code, out.as_str()), (expected, ""), "{more:?} {err}");
        assert!(err.starts_with("error: ") && err.lines().count() == 1 && err.is_ascii(), "{err}");
        assert!(parts.iter().all(|part| err.contains(part)), "{more:?} {err}");
    }
    assert_eq!(server.messages().len(), 1);
}

// ------------------------------------------------------------------------------------------------------------------- secrets

/// Where the log of a test goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What is logged at that level, or above, while `work` runs.
    fn of(level: tracing::Level, work: impl Future<Output = ()>) -> String {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // One thread runs everything: what it logs comes here.
        tracing::subscriber::with_default(subscriber, || runtime.block_on(work));
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn no_log_shows_a_secret() {
    let address = "ada@example.com";
    for (level, shows_address) in [(tracing::Level::TRACE, true), (tracing::Level::INFO, false)] {
        let log = Log::of(level, async {
            let server = Arc::new(SmtpServer::start_with(Encryption::None, Some(("licensing", "hunter2"))));
            // A server that repeats what it is told.
            for answer in [format!("451 4.0.0 <{address}> {TOKEN}"), format!("550 5.0.0 <{address}> {TOKEN}")] {
                server.answer("MESSAGE", &answer);
            }
            server.answer("AUTH", "454 4.7.0 not now, AGxpY2Vuc2luZwBodW50ZXIy");
            server.answer("EHLO", &format!("??? {TOKEN} {address}"));
            let config = config(&server, &[]);
            let account = account("Acme");
            let reset = PasswordReset { account: &account, environment: None, email: address, token: TOKEN };
            for mail in [texts::password_reset(&config, &reset), mail("no address", "Reset", TOKEN)] {
                let mailer =
                    Mailer::start_with(&config, Schedule { queue: 1, pauses: vec![SOON; 9] }).unwrap().unwrap();
                mailer.deliver(mail.clone());
                // The queue is full.
                mailer.deliver(mail.clone());
                // Before the end, which lets nothing be tried again; without blocking the thread that sends.
                let waiting = server.clone();
                tokio::task::spawn_blocking(move || waiting.wait_for_answers()).await.unwrap();
                mailer.drain(LIMIT).await;
                mailer.deliver(mail);
            }
        });
        let too_many = "dropped: too many";
        for part in [
            "(454 4.7.0)",
            "(451 4.0.0)",
            "(550 5.0.0)",
            "broke off",
            "given up",
            too_many,
            "dropped: the server is stopping",
        ] {
            assert!(log.contains(part), "no {part} in {log}");
        }
        for secret in [TOKEN, "hunter2", "AGxpY2Vuc2luZwBodW50ZXIy", "passwordResetToken"] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
        assert_eq!(log.contains(address), shows_address, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn debug_shows_no_secret() {
    let server = SmtpServer::start_with(Encryption::None, Some(("licensing", "hunter2")));
    let config = config(&server, &[]);
    let mailer = Mailer::start(&config).unwrap().unwrap();
    let mail = mail("ada@example.com", "Reset", TOKEN);
    assert_eq!(format!("{mail:?}"), "Mail { subject: \"Reset\", .. }");
    let shown = format!("{mailer:?} {mailer:#?} {config:?} {config:#?} {}", effective_toml(&config));
    assert!(shown.contains(&format!("localhost:{}", server.port)), "{shown}");
    for secret in ["hunter2", TOKEN, "AGxpY2Vuc2luZwBodW50ZXIy"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("password = \"(not shown)\""));
}

// A server with mail starts, stops, and keeps the password to itself.
#[test]
fn a_server_with_mail_starts_and_stops() {
    let smtp = SmtpServer::start_with(Encryption::StartTls, Some(("licensing", "hunter2")));
    let variables = smtp.variables();
    let mut variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    variables.push(("KEYGEN_LITE_LOG_LEVEL", "trace"));
    let mut server = Server::start_with(&variables);
    server.admin().get("me").ok(200);
    server.stop();
    assert!(!server.log().contains("hunter2"));
    assert_eq!(smtp.commands(), Vec::<String>::new(), "nobody asked for mail");
}
