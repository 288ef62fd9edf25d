//! Duration arithmetic on the calendar (01 §8.3) and the durations of list filters (08 §3.1, 01 §15.3).

use super::{CheckInInterval, Time};
use chrono::{DateTime, Months, TimeDelta, Utc};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// A twelfth of a mean Gregorian year.
const MONTH: i64 = 2_629_746;
/// A mean Gregorian year.
const YEAR: i64 = 31_556_952;

/// A duration in calendar units. Adding it moves years and months on the calendar, then weeks and days, then the rest exactly.
/// All parts have the same sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CalendarDuration {
    /// Years.
    pub years: i64,
    /// Months.
    pub months: i64,
    /// Weeks of seven days.
    pub weeks: i64,
    /// Days.
    pub days: i64,
    /// Hours, minutes, seconds and their fraction, in milliseconds.
    pub milliseconds: i64,
}

impl CalendarDuration {
    /// Splits `seconds` greedily into calendar units (01 §8.3); a negative number gives negative parts.
    pub fn from_seconds(seconds: i64) -> CalendarDuration {
        // `/` and `%` round toward zero, so that |seconds| is split and every part takes the sign.
        let (years, rest) = (seconds / YEAR, seconds % YEAR);
        let (months, rest) = (rest / MONTH, rest % MONTH);
        let (weeks, rest) = (rest / WEEK, rest % WEEK);
        let (days, rest) = (rest / DAY, rest % DAY);
        CalendarDuration { years, months, weeks, days, milliseconds: rest * 1000 }
    }

    /// Exactly that many seconds.
    pub fn exact_seconds(seconds: i64) -> CalendarDuration {
        CalendarDuration { milliseconds: seconds.saturating_mul(1000), ..Default::default() }
    }

    /// The same duration in the other direction.
    pub fn negated(self) -> CalendarDuration {
        CalendarDuration {
            years: self.years.saturating_neg(),
            months: self.months.saturating_neg(),
            weeks: self.weeks.saturating_neg(),
            days: self.days.saturating_neg(),
            milliseconds: self.milliseconds.saturating_neg(),
        }
    }

    /// `start` plus this duration (01 §8.3); the years and the months each clamp the day to the month's end. Results beyond
    /// what `chrono` can express are clamped to its first or last instant.
    pub fn add_to(self, start: Time) -> Time {
        let days = self.weeks.saturating_mul(7).saturating_add(self.days);
        let at = shift_months(start.to_utc(), self.years.saturating_mul(12));
        let at = shift_months(at, self.months);
        let at = shift(at, TimeDelta::try_days(days), days < 0);
        let exact = TimeDelta::try_milliseconds(self.milliseconds);
        Time::from_utc(shift(at, exact, self.milliseconds < 0))
    }

    /// `start` minus this duration.
    pub fn subtract_from(self, start: Time) -> Time {
        self.negated().add_to(start)
    }
}

/// The last or first instant that can be expressed.
fn end_of_time(backward: bool) -> DateTime<Utc> {
    if backward { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC }
}

fn shift_months(at: DateTime<Utc>, months: i64) -> DateTime<Utc> {
    let count = u32::try_from(months.unsigned_abs()).ok().map(Months::new);
    let moved =
        count.and_then(|count| if months < 0 { at.checked_sub_months(count) } else { at.checked_add_months(count) });
    moved.unwrap_or(end_of_time(months < 0))
}

fn shift(at: DateTime<Utc>, by: Option<TimeDelta>, backward: bool) -> DateTime<Utc> {
    by.and_then(|by| at.checked_add_signed(by)).unwrap_or(end_of_time(backward))
}

/// `start` plus `seconds` by calendar arithmetic (01 §8.3): license expiries, renewals, file TTLs. Negative numbers go back.
pub fn add(start: Time, seconds: i64) -> Time {
    CalendarDuration::from_seconds(seconds).add_to(start)
}

/// `start` plus `count` check-in intervals (07 §2.5), the day clamped to the month's last day (08 §12).
pub fn add_interval(start: Time, interval: CheckInInterval, count: i64) -> Time {
    let parts = CalendarDuration::default();
    match interval {
        CheckInInterval::Day => CalendarDuration { days: count, ..parts },
        CheckInInterval::Week => CalendarDuration { weeks: count, ..parts },
        CheckInInterval::Month => CalendarDuration { months: count, ..parts },
        CheckInInterval::Year => CalendarDuration { years: count, ..parts },
    }
    .add_to(start)
}

/// `start` minus `count` check-in intervals (08 §10, §12).
pub fn sub_interval(start: Time, interval: CheckInInterval, count: i64) -> Time {
    add_interval(start, interval, count.saturating_neg())
}

/// A duration as list filters take it (08 §3.1 "D"): all digits are exact seconds; else an ISO 8601 duration in any case whose
/// leading `P` may be missing (`2w`, `P3DT4H`, `t12h`). The last part may have a fraction, unless it is years or months.
pub fn parse_iso8601_duration(text: &str) -> Option<CalendarDuration> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(CalendarDuration::exact_seconds(saturating_digits(text)));
    }
    let upper = text.to_ascii_uppercase();
    let body = upper.strip_prefix('P').unwrap_or(&upper);
    let (date, time) = match body.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (body, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let mut duration = CalendarDuration::default();
    let fraction = read_parts(date, "YMWD", |unit, number| match unit {
        'Y' => number.whole().map(|n| duration.years = n),
        'M' => number.whole().map(|n| duration.months = n),
        'W' => {
            duration.weeks = number.integer;
            duration.milliseconds = number.fraction_of(WEEK * 1000);
            Some(())
        }
        _ => {
            duration.days = number.integer;
            duration.milliseconds = number.fraction_of(DAY * 1000);
            Some(())
        }
    })?;
    if fraction && !time.is_empty() {
        return None;
    }
    read_parts(time, "HMS", |unit, number| {
        let unit = match unit {
            'H' => HOUR,
            'M' => MINUTE,
            _ => 1,
        } * 1000;
        let exact = number.integer.saturating_mul(unit).saturating_add(number.fraction_of(unit));
        duration.milliseconds = duration.milliseconds.saturating_add(exact);
        Some(())
    })?;
    Some(duration)
}

/// A non-negative decimal number: `integer + fraction / 1_000_000_000`.
struct Number {
    integer: i64,
    fraction: Option<i64>,
}

impl Number {
    fn whole(&self) -> Option<i64> {
        self.fraction.is_none().then_some(self.integer)
    }

    /// The fraction of `unit`, rounded down. `unit` is at most a week in milliseconds, so that the product fits.
    fn fraction_of(&self, unit: i64) -> i64 {
        self.fraction.unwrap_or(0) * unit / 1_000_000_000
    }
}

/// Reads `number designator` pairs whose designators stand in the order of `units`, each at most once. Yes with "the last one
/// had a fraction"; nothing may follow a fraction.
fn read_parts(mut text: &str, units: &str, mut take: impl FnMut(char, Number) -> Option<()>) -> Option<bool> {
    let mut units = units.chars();
    let mut fraction = false;
    while !text.is_empty() {
        if fraction {
            return None;
        }
        let end = text.find(|c: char| c.is_ascii_uppercase())?;
        let unit = char::from(text.as_bytes()[end]);
        units.find(|&u| u == unit)?;
        let number = read_number(&text[..end])?;
        fraction = number.fraction.is_some();
        take(unit, number)?;
        text = &text[end + 1..];
    }
    Some(fraction)
}

fn read_number(text: &str) -> Option<Number> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (integer, fraction) = match text.split_once(['.', ',']) {
        Some((integer, fraction)) => (integer, Some(fraction)),
        None => (text, None),
    };
    if !digits(integer) || !fraction.is_none_or(digits) {
        return None;
    }
    let fraction = fraction.map(|text| {
        let nanos: String = text.chars().chain("000000000".chars()).take(9).collect();
        saturating_digits(&nanos)
    });
    Some(Number { integer: saturating_digits(integer), fraction })
}

/// A text of digits as a number; `i64::MAX` when it is larger.
pub(super) fn saturating_digits(text: &str) -> i64 {
    text.bytes().fold(0i64, |n, b| n.saturating_mul(10).saturating_add(i64::from(b.wrapping_sub(b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        let parsed = DateTime::parse_from_rfc3339(text).unwrap();
        Time::from_utc(parsed.to_utc())
    }

    // 01 §8.3, vectors/crypto.json
    #[test]
    fn seconds_are_added_on_the_calendar() {
        let vectors = include_str!("../../docs/spec/vectors/crypto.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let cases = vectors["durationArithmetic"].as_array().unwrap();
        assert!(cases.len() >= 9);
        for case in cases {
            let start = time(case["start"].as_str().unwrap());
            let seconds = case["seconds"].as_i64().unwrap();
            assert_eq!(add(start, seconds).to_string(), case["end"].as_str().unwrap());
            let part = |name: &str| case["parts"][name].as_i64().unwrap_or(0);
            let exact = part("hours") * 3600 + part("minutes") * 60 + part("seconds");
            assert_eq!(
                CalendarDuration::from_seconds(seconds),
                CalendarDuration {
                    years: part("years"),
                    months: part("months"),
                    weeks: part("weeks"),
                    days: part("days"),
                    milliseconds: exact * 1000,
                }
            );
        }
    }

    // 01 §8.3: the table of the text, sub-seconds kept, each calendar step clamps, negative numbers go back
    #[test]
    fn calendar_steps_clamp_one_by_one() {
        for (start, seconds, end) in [
            ("2023-05-17T09:30:15.678Z", 2_629_746, "2023-06-17T09:30:15.678Z"),
            ("2024-02-29T12:00:00.000Z", YEAR + MONTH, "2025-03-28T12:00:00.000Z"),
            ("2023-01-31T00:00:00.000Z", MONTH, "2023-02-28T00:00:00.000Z"),
            ("2024-03-31T00:00:00.000Z", -MONTH, "2024-02-29T00:00:00.000Z"),
            ("2024-02-29T00:00:00.000Z", -YEAR, "2023-02-28T00:00:00.000Z"),
            ("2024-03-01T00:00:00.000Z", -86_401, "2024-02-28T23:59:59.000Z"),
            ("2024-03-01T00:00:00.000Z", 0, "2024-03-01T00:00:00.000Z"),
            ("2024-12-31T23:59:59.999Z", 1, "2025-01-01T00:00:00.999Z"),
        ] {
            assert_eq!(add(time(start), seconds).to_string(), end, "{start} {seconds}");
        }
    }

    // 07 §2.5, 08 §12
    #[test]
    fn intervals_are_calendar_units() {
        use CheckInInterval::*;
        for (start, interval, count, end) in [
            ("2024-02-28T01:00:00.000Z", Day, 2, "2024-03-01T01:00:00.000Z"),
            ("2024-02-28T01:00:00.000Z", Week, 1, "2024-03-06T01:00:00.000Z"),
            ("2024-01-31T01:00:00.000Z", Month, 1, "2024-02-29T01:00:00.000Z"),
            ("2024-01-31T01:00:00.000Z", Month, 13, "2025-02-28T01:00:00.000Z"),
            ("2024-02-29T01:00:00.000Z", Year, 1, "2025-02-28T01:00:00.000Z"),
            ("2024-02-29T01:00:00.000Z", Year, 0, "2024-02-29T01:00:00.000Z"),
        ] {
            assert_eq!(add_interval(time(start), interval, count).to_string(), end);
        }
        for (start, interval, count, end) in [
            ("2024-03-01T01:00:00.000Z", Day, 1, "2024-02-29T01:00:00.000Z"),
            ("2024-03-08T01:00:00.000Z", Week, 1, "2024-03-01T01:00:00.000Z"),
            ("2024-03-31T01:00:00.000Z", Month, 1, "2024-02-29T01:00:00.000Z"),
            ("2024-02-29T01:00:00.000Z", Year, 1, "2023-02-28T01:00:00.000Z"),
        ] {
            assert_eq!(sub_interval(time(start), interval, count).to_string(), end);
        }
    }

    #[test]
    fn absurd_numbers_clamp() {
        let last = Time::from_utc(DateTime::<Utc>::MAX_UTC);
        let first = Time::from_utc(DateTime::<Utc>::MIN_UTC);
        for start in [Time(0), Time(i64::MAX), Time(i64::MIN), last, first] {
            assert_eq!(add(start, i64::MAX), last);
            assert_eq!(add(start, i64::MIN), first);
            for &interval in CheckInInterval::ALL {
                assert_eq!(add_interval(start, interval, i64::MAX), last);
                assert_eq!(sub_interval(start, interval, i64::MAX), first);
                assert_eq!(sub_interval(start, interval, i64::MIN), last);
            }
            assert_eq!(CalendarDuration::exact_seconds(i64::MAX).add_to(start), last);
            assert_eq!(CalendarDuration::exact_seconds(i64::MAX).subtract_from(start), first);
        }
    }

    // 08 §3.1 "D"
    #[test]
    fn filter_durations_are_seconds_or_iso8601() {
        let none = CalendarDuration::default();
        let ms = |milliseconds| CalendarDuration { milliseconds, ..none };
        for (text, duration) in [
            ("0", none),
            ("3600", ms(3_600_000)),
            // exact seconds, not a month
            ("2629746", ms(2_629_746_000)),
            ("2w", CalendarDuration { weeks: 2, ..none }),
            ("30d", CalendarDuration { days: 30, ..none }),
            ("P30D", CalendarDuration { days: 30, ..none }),
            ("1y", CalendarDuration { years: 1, ..none }),
            ("p1y2m", CalendarDuration { years: 1, months: 2, ..none }),
            ("P3DT4H", CalendarDuration { days: 3, milliseconds: 14_400_000, ..none }),
            ("t12h", ms(43_200_000)),
            ("T1H", ms(3_600_000)),
            ("PT5M", ms(300_000)),
            (
                "P1Y2M3W4DT5H6M7.5S",
                CalendarDuration { years: 1, months: 2, weeks: 3, days: 4, milliseconds: 18_367_500 },
            ),
            ("PT0,25S", ms(250)),
            ("0.5d", ms(43_200_000)),
            ("0.5w", ms(302_400_000)),
            ("PT1.5H", ms(5_400_000)),
        ] {
            assert_eq!(parse_iso8601_duration(text), Some(duration), "{text}");
        }
        for text in [
            "",
            "P",
            "T",
            "PT",
            "P1DT",
            "12h",
            "P12H",
            "5s",
            "d",
            "1",
            " 1d",
            "1d ",
            "-1d",
            "P-1D",
            "1x",
            "1d2",
            "P1D1Y",
            "P1D1D",
            "PT1S1M",
            "1.d",
            ".5d",
            "1.5y",
            "1.5m",
            "1.5dT1H",
            "PT1.5H1M",
            "PP1D",
            "1dT1HT1M",
            "soon",
            "2024-01-01",
            "1²d",
            "é",
        ] {
            let expected = (text == "1").then_some(ms(1000));
            assert_eq!(parse_iso8601_duration(text), expected, "{text:?}");
        }
        let huge = format!("{}y", "9".repeat(400));
        assert_eq!(parse_iso8601_duration(&huge), Some(CalendarDuration { years: i64::MAX, ..none }));
        let huge = "9".repeat(400);
        assert_eq!(parse_iso8601_duration(&huge), Some(ms(i64::MAX)));
    }

    // 08 §3.1: "years to days by calendar"
    #[test]
    fn filter_durations_move_on_the_calendar() {
        for (start, text, end) in [
            ("2024-03-31T06:00:00.000Z", "1m", "2024-02-29T06:00:00.000Z"),
            ("2024-02-29T06:00:00.000Z", "1y", "2023-02-28T06:00:00.000Z"),
            ("2024-03-01T06:00:00.000Z", "P1DT7H", "2024-02-28T23:00:00.000Z"),
            ("2024-03-01T06:00:00.000Z", "2w", "2024-02-16T06:00:00.000Z"),
        ] {
            let duration = parse_iso8601_duration(text).unwrap();
            assert_eq!(duration.subtract_from(time(start)).to_string(), end);
        }
        let duration = parse_iso8601_duration("1m").unwrap();
        let end = duration.add_to(time("2024-01-31T06:00:00.000Z"));
        assert_eq!(end.to_string(), "2024-02-29T06:00:00.000Z");
    }
}
