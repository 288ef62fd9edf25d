//! The reader: strict RFC 8259, bounded depth, normalized keys (01 §4.1, §4.2, D5, D18).

use super::{Json, case::normalize_key};
use std::borrow::Cow;
use std::collections::HashMap;

/// Containers may be nested this deep (D18).
const MAX_DEPTH: usize = 100;

/// The text is not a JSON document, or is nested too deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON at byte {at}")]
pub struct ParseError {
    /// Offset of the byte that could not be accepted.
    pub at: usize,
}

/// Reads one JSON document with normalized object keys (01 §4.2); of two equal keys the last wins.
pub fn parse(input: &[u8]) -> Result<Json, ParseError> {
    read(input, true)
}

/// Reads one JSON document and keeps its keys as they are (stored metadata).
pub fn parse_verbatim(input: &str) -> Result<Json, ParseError> {
    read(input.as_bytes(), false)
}

fn read(input: &[u8], normalize: bool) -> Result<Json, ParseError> {
    let text = std::str::from_utf8(input).map_err(|e| ParseError { at: e.valid_up_to() })?;
    let mut reader = Reader { text, bytes: input, at: 0, normalize };
    reader.space();
    let value = reader.value(0)?;
    reader.space();
    if reader.at == input.len() { Ok(value) } else { reader.fail() }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    normalize: bool,
}

impl Reader<'_> {
    fn fail<T>(&self) -> Result<T, ParseError> {
        Err(ParseError { at: self.at })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, literal: &str) -> Result<(), ParseError> {
        if self.bytes[self.at..].starts_with(literal.as_bytes()) {
            self.at += literal.len();
            Ok(())
        } else {
            self.fail()
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, ParseError> {
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => Ok(Json::Str(Cow::Owned(self.string()?))),
            Some(b't') => self.expect("true").map(|()| Json::Bool(true)),
            Some(b'f') => self.expect("false").map(|()| Json::Bool(false)),
            Some(b'n') => self.expect("null").map(|()| Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.fail(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, ParseError> {
        if depth > MAX_DEPTH {
            return self.fail();
        }
        self.at += 1;
        let mut members: Vec<(Cow<'static, str>, Json)> = Vec::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Obj(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return self.fail();
            }
            let key = self.string()?;
            let key = if self.normalize { normalize_key(&key) } else { key };
            self.space();
            self.expect(":")?;
            self.space();
            let value = self.value(depth)?;
            members.push((Cow::Owned(key), value));
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Obj(last_wins(members)));
                }
                _ => return self.fail(),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, ParseError> {
        if depth > MAX_DEPTH {
            return self.fail();
        }
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Arr(items));
        }
        loop {
            self.space();
            items.push(self.value(depth)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Arr(items));
                }
                _ => return self.fail(),
            }
        }
    }

    fn number(&mut self) -> Result<Json, ParseError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return self.fail(),
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        // Beyond the range of a double: what we store and show, most readers could not read.
        if self.normalize && !integer && text.parse::<f64>().is_ok_and(f64::is_infinite) {
            return self.fail();
        }
        Ok(match text.parse::<i64>() {
            Ok(value) if integer => Json::Int(value),
            _ => Json::Number(text.into()),
        })
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.fail() } else { Ok(()) }
    }

    fn string(&mut self) -> Result<String, ParseError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while matches!(self.peek(), Some(b) if b != b'"' && b != b'\\' && b >= 0x20) {
                self.at += 1;
            }
            // The run ends before an ASCII byte, so this is a character boundary.
            out.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut out)?;
                }
                _ => return self.fail(),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), ParseError> {
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                let high = self.hex4()?;
                let code = match high {
                    0xD800..=0xDBFF => {
                        self.expect("\\u")?;
                        let low = self.hex4()?;
                        if !(0xDC00..=0xDFFF).contains(&low) {
                            return self.fail();
                        }
                        0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
                    }
                    code => code,
                };
                // A lone low surrogate is no character.
                let Some(c) = char::from_u32(code) else { return self.fail() };
                out.push(c);
                return Ok(());
            }
            _ => return self.fail(),
        };
        self.at += 1;
        out.push(c);
        Ok(())
    }

    fn hex4(&mut self) -> Result<u32, ParseError> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|b| (b as char).to_digit(16)) else {
                return self.fail();
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

/// Drops all but the last of equal keys; the survivor stands where the first stood.
fn last_wins(members: Vec<(Cow<'static, str>, Json)>) -> Vec<(Cow<'static, str>, Json)> {
    let duplicated = if members.len() <= 16 {
        members.iter().enumerate().any(|(i, (k, _))| members[..i].iter().any(|(other, _)| other == k))
    } else {
        let mut seen = std::collections::HashSet::with_capacity(members.len());
        members.iter().any(|(k, _)| !seen.insert(k.as_ref()))
    };
    if !duplicated {
        return members;
    }
    let mut places: HashMap<Cow<'static, str>, usize> = HashMap::with_capacity(members.len());
    let mut out: Vec<(Cow<'static, str>, Json)> = Vec::with_capacity(members.len());
    for (key, value) in members {
        match places.get(&key) {
            Some(&place) => out[place].1 = value,
            None => {
                places.insert(key.clone(), out.len());
                out.push((key, value));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // 01 §4.1
    #[test]
    fn refuses_everything_outside_rfc_8259() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{'a':1}",
            "{a:1}",
            "01",
            ".5",
            "1.",
            "+1",
            "NaN",
            "Infinity",
            "-",
            "1e",
            "1e400",
            "-0.1e9999999999999999999",
            "{\"a\"}",
            "{\"a\":}",
            "{} {}",
            "{}x",
            "/* c */ {}",
            "// c\n{}",
            "\"ro\\le\"",
            "\"\\x0d\"",
            "\"a\nb\"",
            "\"\\ud888\"",
            "\"\\udc00\"",
            "\"\\ud888\\u0041\"",
            "\"\\u12g4\"",
            "\"open",
            "nul",
            "tru",
            "[1 2]",
            "\u{feff}{}",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "accepted {text:?}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        assert!(parse("[".repeat(101).as_bytes()).is_err());
        let deep = "[".repeat(101) + &"]".repeat(101);
        assert!(parse(deep.as_bytes()).is_err());
        let fits = "[".repeat(100) + &"]".repeat(100);
        assert!(parse(fits.as_bytes()).is_ok());
    }

    // 01 §4.1, §6.1
    #[test]
    fn tells_integers_from_floats_by_how_they_are_written() {
        for (text, name) in [
            ("1", "integer"),
            ("-7", "integer"),
            ("123456789012345678901234567890", "integer"),
            ("1.0", "float"),
            ("1e5", "float"),
            ("-0.5", "float"),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap().type_name(), name, "{text}");
        }
    }

    // 01 §4.1: duplicate keys, also after normalization
    #[test]
    fn the_last_of_equal_keys_wins() {
        let value = parse(br#"{"maxUses":1,"b":2,"max_uses":3}"#).unwrap();
        assert_eq!(value.to_string(), r#"{"max_uses":3,"b":2}"#);
        let many = (0..40).map(|i| format!("\"k{i}\":0")).collect::<Vec<_>>().join(",");
        let value = parse(format!("{{{many},\"k3\":9}}").as_bytes()).unwrap();
        assert_eq!(value.as_obj().unwrap().len(), 40);
        assert_eq!(value.get("k3"), Some(&Json::Int(9)));
    }

    #[test]
    fn strings_are_unescaped() {
        let value = parse(br#""\u00e9\ud83d\ude00\n\/\"""#).unwrap();
        assert_eq!(value.as_str(), Some("é😀\n/\""));
    }
}
