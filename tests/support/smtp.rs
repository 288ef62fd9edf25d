//! A small mail server for tests: it speaks SMTP, with and without TLS, records what it gets, and can be told to refuse.
#![allow(dead_code)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The server's certificate, which only those trust who are told to (`SSL_CERT_FILE`).
pub const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/mail-server.pem");

/// How the server is reached.
#[derive(Clone, Copy, PartialEq)]
pub enum Encryption {
    /// In the clear.
    None,
    /// In the clear until STARTTLS.
    StartTls,
    /// From the first byte.
    Tls,
}

/// A message that the server has taken.
#[derive(Clone, Debug)]
pub struct Received {
    /// `MAIL FROM:<…>`
    pub from: String,
    /// `RCPT TO:<…>`, one for each.
    pub to: Vec<String>,
    /// Who was logged in.
    pub login: Option<(String, String)>,
    /// Whether it came through TLS.
    pub encrypted: bool,
    /// Headers and body as sent, without the dots that SMTP adds.
    pub raw: String,
}

#[derive(Default)]
struct State {
    messages: Vec<Received>,
    commands: Vec<String>,
    /// The next answers to a command, by its first word.
    answers: HashMap<String, VecDeque<String>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    encryption: Encryption,
    login: Option<(String, String)>,
}

/// A mail server on a free port of 127.0.0.1.
pub struct SmtpServer {
    /// Its port.
    pub port: u16,
    shared: Arc<Shared>,
}

impl SmtpServer {
    /// A server that takes everything from everybody, in the clear.
    pub fn start() -> SmtpServer {
        SmtpServer::start_with(Encryption::None, None)
    }

    /// A server with encryption, and with a name and a password that one has to log in with.
    pub fn start_with(encryption: Encryption, login: Option<(&str, &str)>) -> SmtpServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            encryption,
            login: login.map(|(name, password)| (name.to_owned(), password.to_owned())),
        });
        let of_thread = shared.clone();
        // Ends with the program.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = of_thread.clone();
                // A caller that hangs up in the middle is no failure of the server.
                std::thread::spawn(move || shared.talk(stream).err());
            }
        });
        SmtpServer { port, shared }
    }

    /// The variables that make keygen-lite send by this server.
    pub fn variables(&self) -> Vec<(String, String)> {
        let tls = match self.shared.encryption {
            Encryption::None => "none",
            Encryption::StartTls => "starttls",
            Encryption::Tls => "tls",
        };
        let mut variables = vec![
            ("HOST", "localhost".to_owned()),
            ("PORT", self.port.to_string()),
            ("TLS", tls.to_owned()),
            ("FROM", "Licensing <licensing@example.com>".to_owned()),
        ];
        if let Some((name, password)) = &self.shared.login {
            variables.extend([("USERNAME", name.clone()), ("PASSWORD", password.clone())]);
        }
        variables.into_iter().map(|(key, value)| (format!("KEYGEN_LITE_SMTP_{key}"), value)).collect()
    }

    /// Answers the next such command so instead of as usual, with a 4xx or 5xx line; an empty answer is silence. Beside the
    /// commands there are `CONNECT` (the greeting) and `MESSAGE` (the end of a message). Several answers queue up.
    pub fn answer(&self, command: &str, answer: &str) {
        self.lock().answers.entry(command.to_owned()).or_default().push_back(answer.to_owned());
    }

    /// The messages so far.
    pub fn messages(&self) -> Vec<Received> {
        self.lock().messages.clone()
    }

    /// Waits until there are so many messages.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        self.wait(|state| state.messages.len() >= count).messages.clone()
    }

    /// Every command so far, as sent.
    pub fn commands(&self) -> Vec<String> {
        self.lock().commands.clone()
    }

    /// How many such commands there have been.
    pub fn count(&self, command: &str) -> usize {
        self.lock().count(command)
    }

    /// Waits until there have been so many such commands.
    #[track_caller]
    pub fn wait_for_command(&self, command: &str, count: usize) {
        drop(self.wait(|state| state.count(command) >= count));
    }

    /// Waits until everything has been said that was to be said by [`SmtpServer::answer`].
    #[track_caller]
    pub fn wait_for_answers(&self) {
        drop(self.wait(|state| state.answers.values().all(VecDeque::is_empty)));
    }

    #[track_caller]
    fn wait(&self, enough: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut state = self.lock();
        while !enough(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "still waiting: {:?} {:?}", state.commands, state.messages);
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl State {
    fn count(&self, command: &str) -> usize {
        self.commands.iter().filter(|line| first_word(line) == command).count()
    }
}

fn first_word(line: &str) -> String {
    line.split([' ', ':']).next().unwrap_or_default().to_uppercase()
}

/// A connection, before or after STARTTLS.
enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    fn tls(stream: TcpStream) -> Wire {
        let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
        let key = PrivateKeyDer::from_pem_file(CERTIFICATE).unwrap();
        // Of the program's dependencies, some bring another provider.
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Wire::Tls(Box::new(StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream)))
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        let stream: &mut dyn Write = match self {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => stream,
        };
        stream.write_all(text.as_bytes())?;
        stream.flush()
    }

    /// A line without its end. Byte by byte: what follows STARTTLS is none of this reader's.
    fn read_line(&mut self) -> std::io::Result<String> {
        let stream: &mut dyn Read = match self {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => stream,
        };
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        line.truncate(line.len() - 2);
        Ok(String::from_utf8(line).expect("UTF-8"))
    }
}

impl Shared {
    /// A conversation, to its end.
    fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut wire = match self.encryption {
            Encryption::Tls => Wire::tls(stream),
            _ => Wire::Plain(stream),
        };
        let (mut from, mut to, mut login) = (String::new(), Vec::new(), None);
        if !self.reply(&mut wire, "CONNECT", "220 localhost ESMTP")? {
            return Ok(());
        }
        loop {
            let line = wire.read_line()?;
            let command = first_word(&line);
            {
                let mut state = self.state.lock().unwrap();
                state.commands.push(line.clone());
                self.changed.notify_all();
            }
            let encrypted = matches!(wire, Wire::Tls(_));
            let between = || line.split_once('<').unwrap().1.split_once('>').unwrap().0.to_owned();
            match command.as_str() {
                "EHLO" => {
                    let mut features = vec!["localhost", "8BITMIME"];
                    if self.encryption == Encryption::StartTls && !encrypted {
                        features.push("STARTTLS");
                    } else if self.login.is_some() {
                        features.push("AUTH PLAIN LOGIN");
                    }
                    let (last, first) = features.split_last().unwrap();
                    let first: String = first.iter().map(|feature| format!("250-{feature}\r\n")).collect();
                    self.reply(&mut wire, "EHLO", &format!("{first}250 {last}"))?;
                }
                "STARTTLS" if self.reply(&mut wire, "STARTTLS", "220 go ahead")? => match wire {
                    Wire::Plain(stream) => wire = Wire::tls(stream),
                    Wire::Tls(_) => return Ok(()),
                },
                "AUTH" => {
                    let plain = line.strip_prefix("AUTH PLAIN ").expect("AUTH PLAIN with the credentials");
                    let decoded = String::from_utf8(STANDARD.decode(plain).unwrap()).unwrap();
                    let parts: Vec<_> = decoded.split('\0').map(str::to_owned).collect();
                    let given = Some((parts[1].clone(), parts[2].clone()));
                    let good = given == self.login;
                    let usual = if good { "235 2.7.0 welcome" } else { "535 5.7.8 wrong name or password" };
                    if self.reply(&mut wire, "AUTH", usual)? && good {
                        login = given;
                    }
                }
                "MAIL" if self.login.is_some() && login.is_none() => wire.write("530 5.7.0 log in first\r\n")?,
                "MAIL" if self.reply(&mut wire, "MAIL", "250 2.1.0 ok")? => (from, to) = (between(), Vec::new()),
                "RCPT" if self.reply(&mut wire, "RCPT", "250 2.1.5 ok")? => to.push(between()),
                "DATA" if self.reply(&mut wire, "DATA", "354 end with a dot")? => {
                    let mut raw = String::new();
                    loop {
                        let line = wire.read_line()?;
                        if line == "." {
                            break;
                        }
                        raw += line.strip_prefix('.').unwrap_or(&line);
                        raw += "\r\n";
                    }
                    if self.reply(&mut wire, "MESSAGE", "250 2.0.0 taken")? {
                        let (from, to, login) = (from.clone(), to.clone(), login.clone());
                        self.state.lock().unwrap().messages.push(Received { from, to, login, encrypted, raw });
                        self.changed.notify_all();
                    }
                }
                "QUIT" => return wire.write("221 bye\r\n"),
                // They were answered by the condition of their line.
                "STARTTLS" | "MAIL" | "RCPT" | "DATA" => {}
                _ => wire.write("500 5.5.2 unknown command\r\n")?,
            }
        }
    }

    /// Answers as told, or as usual; whether as usual.
    fn reply(&self, wire: &mut Wire, command: &str, usual: &str) -> std::io::Result<bool> {
        let told = self.state.lock().unwrap().answers.get_mut(command).and_then(VecDeque::pop_front);
        self.changed.notify_all();
        match told.as_deref() {
            Some("") => {
                // Silence, until the caller hangs up.
                let _ = wire.read_line();
                Err(std::io::ErrorKind::TimedOut.into())
            }
            Some(answer) => wire.write(&format!("{answer}\r\n")).map(|()| false),
            None => wire.write(&format!("{usual}\r\n")).map(|()| true),
        }
    }
}

impl Received {
    /// A header, unfolded and decoded.
    #[track_caller]
    pub fn header(&self, name: &str) -> String {
        let (head, _) = self.raw.split_once("\r\n\r\n").expect("headers and a body");
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let found: Vec<_> = unfolded
            .lines()
            .filter_map(|line| line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)))
            .collect();
        assert_eq!(found.len(), 1, "one {name} in {head}");
        decode_words(found[0].1)
    }

    /// The text, decoded, with `\n` at the end of its lines.
    #[track_caller]
    pub fn text(&self) -> String {
        let (_, body) = self.raw.split_once("\r\n\r\n").expect("headers and a body");
        let bytes = match self.header("Content-Transfer-Encoding").as_str() {
            "7bit" => body.as_bytes().to_vec(),
            "quoted-printable" => quoted_printable(body, false),
            "base64" => STANDARD.decode(body.replace("\r\n", "")).unwrap(),
            other => panic!("Content-Transfer-Encoding: {other}"),
        };
        String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
    }
}

/// RFC 2047: `=?utf-8?b?…?=`; white space between two such words is not there.
fn decode_words(text: &str) -> String {
    let (mut out, mut rest, mut after_word) = (String::new(), text, false);
    while let Some((before, word)) = rest.split_once("=?") {
        let mut parts = word.splitn(4, '?');
        let (Some(charset), Some(encoding), Some(content), Some(end)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            break;
        };
        assert!(charset.eq_ignore_ascii_case("utf-8"), "{text}");
        let bytes = match encoding {
            "b" | "B" => STANDARD.decode(content).unwrap(),
            "q" | "Q" => quoted_printable(content, true),
            _ => panic!("{text}"),
        };
        if !(after_word && before.trim().is_empty()) {
            out += before;
        }
        out += &String::from_utf8(bytes).unwrap();
        rest = end.strip_prefix('=').expect("the end of the word");
        after_word = true;
    }
    out + rest
}

/// RFC 2045 §6.7; in headers an underscore is a space.
fn quoted_printable(text: &str, header: bool) -> Vec<u8> {
    let joined = text.replace("=\r\n", "");
    let (mut out, mut bytes) = (Vec::new(), joined.bytes());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'_' if header => b' ',
            b'=' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    out
}
