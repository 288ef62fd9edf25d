//! A small HTTP client that keeps its connection: the walk makes tens of thousands of requests.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// What is asked.
pub struct Ask<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// The `Authorization` header; empty for nobody.
    pub authorization: &'a str,
    /// The `Keygen-Environment` header.
    pub environment: Option<&'a str>,
    pub body: Option<&'a Value>,
}

/// What is answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// The document, when the status is one of success.
    #[track_caller]
    pub fn good(&self, what: &str) -> Value {
        assert!((200..300).contains(&self.status), "{what}: {} {}", self.status, self.text());
        self.json()
    }
}

/// A caller with one connection.
pub struct Http {
    port: u16,
    stream: Option<BufReader<TcpStream>>,
}

impl Http {
    pub fn new(port: u16) -> Http {
        Http { port, stream: None }
    }

    pub fn call(&mut self, ask: &Ask<'_>) -> Answer {
        let body = ask.body.map(Value::to_string);
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nHost: localhost\r\nAccept: application/vnd.api+json\r\n", ask.method, ask.path);
        if !ask.authorization.is_empty() {
            bytes.push_str(&format!("Authorization: {}\r\n", ask.authorization));
        }
        if let Some(code) = ask.environment {
            bytes.push_str(&format!("Keygen-Environment: {code}\r\n"));
        }
        if let Some(body) = &body {
            bytes.push_str(&format!("Content-Type: application/vnd.api+json\r\nContent-Length: {}\r\n", body.len()));
        }
        bytes.push_str("\r\n");
        bytes.push_str(body.as_deref().unwrap_or_default());
        // A connection may have been closed meanwhile: one more try, on a new one.
        for _ in 0..2 {
            match self.exchange(bytes.as_bytes()) {
                Ok(answer) => return answer,
                Err(_) => self.stream = None,
            }
        }
        panic!("no answer to {} {}", ask.method, ask.path)
    }

    fn exchange(&mut self, request: &[u8]) -> std::io::Result<Answer> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(("127.0.0.1", self.port))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(Duration::from_secs(60)))?;
                self.stream.insert(BufReader::new(stream))
            }
        };
        stream.get_mut().write_all(request)?;
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let bad = || std::io::Error::other("not an answer");
        let status = line.split(' ').nth(1).and_then(|text| text.parse().ok()).ok_or_else(bad)?;
        let mut length = 0;
        let mut close = false;
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Err(bad());
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(|_| bad())?;
            }
            close |= name.eq_ignore_ascii_case("connection") && value.trim().eq_ignore_ascii_case("close");
        }
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes)?;
        if close {
            self.stream = None;
        }
        Ok(Answer { status, bytes })
    }
}
