//! Values that arrive as another type: times in bodies, everything in query strings (01 §6.3, §8.1, §15.3).

use super::Time;
use super::duration::saturating_digits;
use crate::json::Json;
use chrono::NaiveDate;
use uuid::Uuid;

/// A time from text (01 §6.3, row "time"): ISO 8601 with any offset, without one UTC, a date alone is its midnight; digits
/// only are Unix seconds. Text without any date part is `Ok(None)`. `Err` is an impossible date, or a date that is not written
/// as ISO 8601. Times beyond what `chrono` can express are clamped.
#[allow(clippy::result_unit_err)] // there is nothing to tell beyond "no"
pub fn time_from_text(text: &str) -> Result<Option<Time>, ()> {
    let text = text.trim();
    if text.is_empty() {
        Ok(None)
    } else if text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(Some(unix(saturating_digits(text))))
    } else if has_date_part(text) {
        iso8601(text).map(Some).ok_or(())
    } else {
        Ok(None)
    }
}

/// A time from a body member (01 §6.3): `null`, a text as above, or an integer of Unix seconds. `Err` is the received type's
/// name for `failed to coerce <type> to time`.
pub fn time_from_json(value: &Json) -> Result<Option<Time>, &'static str> {
    let received = value.type_name();
    match value {
        Json::Null => Ok(None),
        Json::Str(text) => time_from_text(text).map_err(|()| received),
        Json::Int(seconds) => Ok(Some(unix(*seconds))),
        Json::Number(text) if received == "integer" => {
            // beyond 64 bits: only the sign matters
            Ok(Some(unix(if text.starts_with('-') { i64::MIN } else { i64::MAX })))
        }
        _ => Err(received),
    }
}

/// An integer in a query (01 §6.3): the text's leading integer, else 0; clamped to 64 bits. Blank is the caller's matter.
pub fn integer_from_query(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let value = saturating_digits(&digits[..end]);
    if negative { -value } else { value }
}

/// A boolean in a query (01 §6.3): a few words are true, everything else is false.
pub fn boolean_from_query(text: &str) -> bool {
    matches!(text, "1" | "true" | "TRUE" | "t" | "T" | "yes" | "YES" | "y" | "Y")
}

/// A boolean of a list filter (01 §15.3): a few words are false, every other one is true. Blank is the caller's matter.
pub fn filter_boolean(text: &str) -> bool {
    !matches!(text, "false" | "FALSE" | "f" | "F" | "0" | "off" | "OFF")
}

/// An id from text (01 §8.1): 32 hex digits in any case, each of the four dashes optional.
pub fn uuid_from_text(text: &str) -> Option<Uuid> {
    let mut value = 0u128;
    let mut digits = 0;
    let mut dash = false;
    for c in text.chars() {
        if c == '-' && !dash && matches!(digits, 8 | 12 | 16 | 20) {
            dash = true;
            continue;
        }
        let digit = c.to_digit(16)?;
        if digits == 32 {
            return None;
        }
        value = value << 4 | u128::from(digit);
        digits += 1;
        dash = false;
    }
    (digits == 32).then(|| Uuid::from_u128(value))
}

/// Unix seconds, clamped.
fn unix(seconds: i64) -> Time {
    clamped(seconds.saturating_mul(1000))
}

fn clamped(ms: i64) -> Time {
    Time::from_utc(Time(ms).to_utc())
}

/// The text names some day: four digits in a row (no fraction), numbers joined by `-` or `/`, or a month's name beside a digit.
/// Such a text must be understood; dropping it would turn a mistyped expiry into none.
fn has_date_part(text: &str) -> bool {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut run = 0;
    let mut fraction = false;
    for (at, byte) in bytes.iter().enumerate() {
        if byte.is_ascii_digit() {
            run += 1;
            if run == 4 && !fraction {
                return true;
            }
            continue;
        }
        if run > 0 && matches!(byte, b'-' | b'/') && digit(at + 1) && !text[..at].contains(':') {
            return true;
        }
        fraction = matches!(byte, b'.' | b',');
        run = 0;
    }
    let lower = text.to_ascii_lowercase();
    bytes.iter().any(u8::is_ascii_digit) && MONTHS.iter().any(|month| lower.contains(month))
}

/// `[±]YYYY-MM-DD` or `YYYYMMDD`, then perhaps `T` or a space and a time of day, then perhaps an offset.
fn iso8601(text: &str) -> Option<Time> {
    let mut scan = Scan { rest: text.as_bytes() };
    let days = date(&mut scan)?;
    let mut ms = 0;
    if !scan.rest.is_empty() {
        scan.one_of(b"Tt ")?;
        ms = time_of_day(&mut scan)? - offset(&mut scan)?;
    }
    let Some(days) = days else {
        // a year that chrono cannot express
        return Some(clamped(if text.starts_with('-') { i64::MIN } else { i64::MAX }));
    };
    scan.rest.is_empty().then(|| clamped(days * 86_400_000 + ms))
}

/// Days since 1970-01-01; inner `None` when the year is out of range. Days up to 31 overflow into the next month.
fn date(scan: &mut Scan<'_>) -> Option<Option<i64>> {
    let sign = scan.one_of(b"+-");
    let run = scan.run();
    let (year, month, day) = if run == 8 && sign.is_none() && scan.rest.get(8) != Some(&b'-') {
        (scan.number(4, 4)?, scan.number(2, 2)?, scan.number(2, 2)?)
    } else {
        let year = scan.number(4, run.max(4))?;
        scan.one_of(b"-")?;
        let month = scan.number(1, 2)?;
        scan.one_of(b"-")?;
        (year, month, scan.number(1, 2)?)
    };
    let month = u32::try_from(month).ok().filter(|month| (1..=12).contains(month))?;
    if !(1..=31).contains(&day) {
        return None;
    }
    let year = if sign == Some(b'-') { -year } else { year };
    let first = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month, 1));
    Some(first.map(|first| {
        let epoch = NaiveDate::default();
        first.signed_duration_since(epoch).num_days() + day - 1
    }))
}

/// Milliseconds since midnight of `hh[[:]mm[[:]ss[.fraction]]]`; 24:00 and the leap second are allowed.
fn time_of_day(scan: &mut Scan<'_>) -> Option<i64> {
    let hour = scan.number(1, 2)?;
    let colon = scan.one_of(b":").is_some();
    let minute = if colon || scan.run() > 0 { scan.number(2, 2)? } else { 0 };
    let more = if colon { scan.one_of(b":").is_some() } else { scan.run() > 0 };
    let second = if more { scan.number(2, 2)? } else { 0 };
    let mut ms = 0;
    if more && scan.one_of(b".,").is_some() {
        let digits = scan.run();
        if digits == 0 {
            return None;
        }
        ms = scan.number(1, digits.min(3))? * [100, 10, 1][digits.min(3) - 1];
        scan.rest = &scan.rest[scan.run()..];
    }
    let end_of_day = hour == 24 && minute == 0 && second == 0 && ms == 0;
    let valid = (hour <= 23 || end_of_day) && minute <= 59 && second <= 60;
    valid.then_some(((hour * 60 + minute) * 60 + second) * 1000 + ms)
}

/// Milliseconds of `Z`, `UTC`, `GMT`, `±hh`, `±hhmm`, `±hh:mm` or nothing, perhaps after a space.
fn offset(scan: &mut Scan<'_>) -> Option<i64> {
    if scan.rest.first() == Some(&b' ') {
        scan.rest = &scan.rest[1..];
        if scan.rest.is_empty() {
            return None;
        }
    }
    if scan.rest.is_empty() {
        return Some(0);
    }
    if [&b"Z"[..], b"UTC", b"GMT"].iter().any(|name| scan.rest.eq_ignore_ascii_case(name)) {
        scan.rest = &[];
        return Some(0);
    }
    let sign = scan.one_of(b"+-")?;
    let hours = scan.number(2, 2)?;
    let colon = scan.one_of(b":").is_some();
    let minutes = if colon || scan.run() > 0 { scan.number(2, 2)? } else { 0 };
    if hours > 23 || minutes > 59 || !scan.rest.is_empty() {
        return None;
    }
    let ms = (hours * 60 + minutes) * 60_000;
    Some(if sign == b'-' { -ms } else { ms })
}

/// What is left to read.
struct Scan<'a> {
    rest: &'a [u8],
}

impl Scan<'_> {
    /// Length of the run of digits ahead.
    fn run(&self) -> usize {
        self.rest.iter().take_while(|b| b.is_ascii_digit()).count()
    }

    /// A number of at least `min` and at most `max` digits; saturates.
    fn number(&mut self, min: usize, max: usize) -> Option<i64> {
        let length = self.run().min(max);
        if length < min {
            return None;
        }
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        // digits are ASCII
        std::str::from_utf8(digits).ok().map(saturating_digits)
    }

    fn one_of(&mut self, allowed: &[u8]) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        allowed.contains(&first).then(|| {
            self.rest = rest;
            first
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};

    fn last() -> Time {
        Time::from_utc(DateTime::<Utc>::MAX_UTC)
    }

    fn first() -> Time {
        Time::from_utc(DateTime::<Utc>::MIN_UTC)
    }

    // 01 §6.3, row "time"
    #[test]
    fn times_are_iso8601_or_unix_seconds() {
        for (text, expected) in [
            ("2024-03-15T09:26:53.589Z", "2024-03-15T09:26:53.589Z"),
            ("2024-03-15t09:26:53z", "2024-03-15T09:26:53.000Z"),
            ("2024-03-15T09:26:53", "2024-03-15T09:26:53.000Z"),
            ("2024-03-15 09:26:53", "2024-03-15T09:26:53.000Z"),
            ("2024-03-15 09:26:53 UTC", "2024-03-15T09:26:53.000Z"),
            ("2024-03-15 09:26:53 +0200", "2024-03-15T07:26:53.000Z"),
            ("2024-03-15T09:26:53+02:00", "2024-03-15T07:26:53.000Z"),
            ("2024-03-15T09:26:53-05", "2024-03-15T14:26:53.000Z"),
            ("2024-03-15T23:59:53+23:59", "2024-03-15T00:00:53.000Z"),
            ("2024-03-15T00:30:00+05:30", "2024-03-14T19:00:00.000Z"),
            ("2024-03-15T09:26", "2024-03-15T09:26:00.000Z"),
            ("2024-03-15T09", "2024-03-15T09:00:00.000Z"),
            ("20240315T092653Z", "2024-03-15T09:26:53.000Z"),
            ("20240315T0926+0100", "2024-03-15T08:26:00.000Z"),
            ("2024-03-15", "2024-03-15T00:00:00.000Z"),
            ("  2024-03-15\n", "2024-03-15T00:00:00.000Z"),
            ("2024-3-5", "2024-03-05T00:00:00.000Z"),
            // truncated, not rounded
            ("2024-03-15T09:26:53.9999999Z", "2024-03-15T09:26:53.999Z"),
            ("2024-03-15T09:26:53,5Z", "2024-03-15T09:26:53.500Z"),
            ("2024-03-15T09:26:53.05Z", "2024-03-15T09:26:53.050Z"),
            ("2024-12-31T24:00:00Z", "2025-01-01T00:00:00.000Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
            // day 29-31 in a shorter month overflows
            ("2024-02-30", "2024-03-01T00:00:00.000Z"),
            ("2023-02-29", "2023-03-01T00:00:00.000Z"),
            ("2023-02-31T10:00:00Z", "2023-03-03T10:00:00.000Z"),
            ("2024-04-31", "2024-05-01T00:00:00.000Z"),
            ("1710494813", "2024-03-15T09:26:53.000Z"),
            ("0", "1970-01-01T00:00:00.000Z"),
            ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
            ("0001-01-01", "0001-01-01T00:00:00.000Z"),
            ("+12024-01-01T00:00:00Z", "+12024-01-01T00:00:00.000Z"),
        ] {
            let time = time_from_text(text).unwrap().unwrap();
            assert_eq!(time.to_string(), expected, "{text}");
        }
    }

    // 01 §6.3: `""` or text without any date part = null
    #[test]
    fn text_without_a_date_is_no_time() {
        for text in [
            "",
            "   ",
            "never",
            "not-a-date",
            "soon",
            "30d",
            "90d",
            "P30D",
            "12:30",
            "T12:30:00.123456",
            "12:30-05",
            "-5",
            "next tuesday",
            "🦀",
            "1 apple",
            "5- apples",
            "may",
            "é",
        ] {
            assert_eq!(time_from_text(text), Ok(None), "{text:?}");
        }
    }

    // 01 §6.3: impossible date
    #[test]
    fn impossible_dates_are_refused() {
        for text in [
            "2024-13-45",
            "2024-13-01",
            "2024-00-10",
            "2024-01-00",
            "2024-01-32",
            "2024-03-15T25:00:00Z",
            "2024-03-15T24:00:01Z",
            "2024-03-15T09:60:00Z",
            "2024-03-15T09:26:61Z",
            "2024-03-15T09:26:53+24:00",
            "2024-03-15T09:26:53+00:60",
            "2024-03-15T",
            "2024-03-15T09:26:53.Z",
            "2024-03-15 ago",
            "2024-03",
            "2024-W11-5",
            "15/03/2024",
            "10/12",
            "5-3",
            "15 Mar 24",
            "20241301T000000Z",
            "2024-03-15T09:26:53X",
            "2024-03-15T09:26:53ZZ",
            "2024-02-30é",
        ] {
            assert_eq!(time_from_text(text), Err(()), "{text:?}");
        }
    }

    #[test]
    fn absurd_times_clamp() {
        assert_eq!(time_from_text(&"9".repeat(99)), Ok(Some(last())));
        assert_eq!(time_from_text("999999-01-01"), Ok(Some(last())));
        assert_eq!(time_from_text("-999999-01-01"), Ok(Some(first())));
        let year = format!("{}-01-01T00:00:00Z", "9".repeat(99));
        assert_eq!(time_from_text(&year), Ok(Some(last())));
        assert_eq!(time_from_json(&Json::Int(i64::MAX)), Ok(Some(last())));
        assert_eq!(time_from_json(&Json::Int(i64::MIN)), Ok(Some(first())));
        let huge = |text: &str| time_from_json(&Json::Number(text.into()));
        assert_eq!(huge("99999999999999999999"), Ok(Some(last())));
        assert_eq!(huge("-99999999999999999999"), Ok(Some(first())));
    }

    // 01 §6.3: accepted JSON types and the received type's name
    #[test]
    fn members_are_coerced_by_type() {
        let time = Time(1_710_494_813_000);
        for (value, expected) in [
            (Json::Null, Ok(None)),
            (Json::str(""), Ok(None)),
            (Json::str("1710494813"), Ok(Some(time))),
            (Json::str("2024-03-15T09:26:53Z"), Ok(Some(time))),
            (Json::Int(1_710_494_813), Ok(Some(time))),
            (Json::Int(-1), Ok(Some(Time(-1000)))),
            (Json::str("2024-13-45"), Err("string")),
            (Json::Bool(true), Err("boolean")),
            (Json::Number("1.5".into()), Err("float")),
            (Json::Arr(vec![]), Err("array")),
            (Json::empty(), Err("object")),
        ] {
            assert_eq!(time_from_json(&value), expected, "{value:?}");
        }
    }

    // 01 §6.3: leading integer, else 0
    #[test]
    fn query_integers_are_their_leading_digits() {
        for (text, expected) in [
            ("3600", 3600),
            ("3600s", 3600),
            ("-5", -5),
            ("+7", 7),
            (" 8", 8),
            ("1.9", 1),
            ("", 0),
            ("abc", 0),
            ("-", 0),
            ("--1", 0),
            ("x1", 0),
            ("9223372036854775807", i64::MAX),
            ("99999999999999999999", i64::MAX),
            ("-99999999999999999999", -i64::MAX),
        ] {
            assert_eq!(integer_from_query(text), expected, "{text:?}");
        }
    }

    // 01 §6.3: boolean in a query
    #[test]
    fn query_booleans_are_true_words() {
        for text in ["1", "true", "TRUE", "t", "T", "yes", "YES", "y", "Y"] {
            assert!(boolean_from_query(text), "{text}");
        }
        for text in ["", "0", "false", "True", "Yes", "on", "2", " 1"] {
            assert!(!boolean_from_query(text), "{text:?}");
        }
    }

    // 01 §15.3, 08 §3.1 note 2
    #[test]
    fn filter_booleans_are_false_words() {
        for text in ["false", "FALSE", "f", "F", "0", "off", "OFF"] {
            assert!(!filter_boolean(text), "{text}");
        }
        for text in ["true", "1", "yes", "no", "False", "x", "00"] {
            assert!(filter_boolean(text), "{text}");
        }
    }

    // 01 §8.1
    #[test]
    fn ids_take_any_case_and_optional_dashes() {
        let id = Uuid::from_u128(0x1fdd_cec8_8dd3_4d8d_9b16_215c_ac0f_9b52);
        for text in [
            "1fddcec8-8dd3-4d8d-9b16-215cac0f9b52",
            "1fddcec88dd34d8d9b16215cac0f9b52",
            "1FDDCEC8-8dd34d8d9B16-215cac0f9b52",
        ] {
            assert_eq!(uuid_from_text(text), Some(id), "{text}");
        }
        for text in [
            "",
            "garbage",
            "1fddcec8-8dd3-4d8d-9b16-215cac0f9b5",
            "1fddcec8-8dd3-4d8d-9b16-215cac0f9b522",
            "1fddcec8--8dd3-4d8d-9b16-215cac0f9b52",
            "1fdd-cec88dd34d8d9b16215cac0f9b52",
            "-1fddcec88dd34d8d9b16215cac0f9b52",
            "1fddcec88dd34d8d9b16215cac0f9b52-",
            "{1fddcec8-8dd3-4d8d-9b16-215cac0f9b52}",
            "1fddcec8-8dd3-4d8d-9b16-215cac0f9b5g",
            " 1fddcec88dd34d8d9b16215cac0f9b52",
        ] {
            assert_eq!(uuid_from_text(text), None, "{text:?}");
        }
    }
}
