//! Counters over fixed windows, for rate limits (01 §18). Nothing here knows what is counted, and the clock is passed in.
//!
//! A window of a period starts whenever the clock divides by it, so all counters of a [`Window`] end together and are dropped
//! together. Keys are kept as hashes under a key of this process: what callers send is not stored, and nobody can aim at
//! another's counter.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counters of one window at the most; they take a megabyte. Beyond, the lower half is forgotten: whoever makes up addresses
/// to fill the table counts to one with each, and what is close to its limit stays.
const MOST: usize = 56_000;

/// Tables that have grown beyond this are given back when their window ends.
const KEPT: usize = 1024;

/// So many requests of one key within a period.
pub struct Window {
    name: &'static str,
    period: i64,
    limit: u32,
    hasher: RandomState,
    counters: Mutex<Counters>,
}

#[derive(Default)]
struct Counters {
    /// Number of the window since the epoch that the counts are of.
    window: i64,
    counts: HashMap<u64, u32>,
}

/// Where a key stands in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Name of the window.
    pub window: &'static str,
    /// What was counted so far.
    pub count: u32,
    /// What is allowed.
    pub limit: u32,
    /// When the window ends, in Unix seconds.
    pub reset: i64,
    /// Seconds until then: the period − now mod period.
    pub wait: i64,
}

impl Window {
    /// A window of `period` seconds; a limit of 0 switches it off.
    pub fn new(name: &'static str, period: u32, limit: u32) -> Window {
        Window { name, period: i64::from(period.max(1)), limit, hasher: RandomState::new(), counters: Mutex::default() }
    }

    /// It has a limit.
    pub fn is_on(&self) -> bool {
        self.limit > 0
    }

    /// Counts one for the key, at `now` in Unix seconds; nothing when the window is switched off.
    pub fn hit(&self, key: impl Hash, now: i64) -> Option<Standing> {
        if !self.is_on() {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        let mut counters = self.at(now);
        if counters.counts.len() >= MOST && !counters.counts.contains_key(&hash) {
            counters.forget();
        }
        let count = counters.counts.entry(hash).or_default();
        *count = count.saturating_add(1);
        Some(self.standing(*count, now))
    }

    /// As [`Window::hit`], without counting.
    pub fn look(&self, key: impl Hash, now: i64) -> Option<Standing> {
        if !self.is_on() {
            return None;
        }
        let counters = self.at(now);
        let count = match counters.counts.is_empty() {
            true => 0,
            false => counters.counts.get(&self.hasher.hash_one(key)).copied().unwrap_or(0),
        };
        Some(self.standing(count, now))
    }

    /// The counters of the window that `now` lies in.
    fn at(&self, now: i64) -> MutexGuard<'_, Counters> {
        // A panic while the lock is held leaves counters as good as any.
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let window = now.div_euclid(self.period);
        // A request that read the clock just before the window ended belongs to the new one; a clock that was set back starts
        // afresh.
        if window > counters.window || window < counters.window - 1 {
            counters.window = window;
            match counters.counts.capacity() > KEPT {
                true => counters.counts = HashMap::new(),
                false => counters.counts.clear(),
            }
        }
        counters
    }

    fn standing(&self, count: u32, now: i64) -> Standing {
        let wait = self.period - now.rem_euclid(self.period);
        Standing { window: self.name, count, limit: self.limit, reset: now + wait, wait }
    }
}

impl Counters {
    /// Makes room by dropping the lower half.
    fn forget(&mut self) {
        let mut counts: Vec<u32> = self.counts.values().copied().collect();
        let middle = counts.len() / 2;
        let (_, median, _) = counts.select_nth_unstable(middle);
        let median = *median;
        self.counts.retain(|_, count| *count > median);
    }
}

impl Standing {
    /// More was counted than is allowed.
    pub fn over(&self) -> bool {
        self.count > self.limit
    }

    /// Nothing is left.
    pub fn spent(&self) -> bool {
        self.count >= self.limit
    }

    /// The fuller of two windows; of two that are over, the one that lasts longer.
    pub fn fuller(self, other: Standing) -> Standing {
        let (a, b) = if self.over() && other.over() {
            (self.wait.unsigned_abs(), other.wait.unsigned_abs())
        } else {
            (u64::from(self.count) * u64::from(other.limit), u64::from(other.count) * u64::from(self.limit))
        };
        if b > a { other } else { self }
    }

    /// `X-RateLimit-*` (01 §18).
    pub fn headers(&self) -> [(&'static str, String); 5] {
        [
            ("x-ratelimit-window", self.window.to_owned()),
            ("x-ratelimit-count", self.count.to_string()),
            ("x-ratelimit-limit", self.limit.to_string()),
            ("x-ratelimit-remaining", self.limit.saturating_sub(self.count).to_string()),
            ("x-ratelimit-reset", self.reset.to_string()),
        ]
    }
}

/// What an address counts as: an IPv4 address as itself, an IPv6 address as its /64, which is what one household or machine
/// is given.
pub fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z, where every period of 01 §18 starts anew.
    const START: i64 = 1_767_225_600;

    // 01 §18
    #[test]
    fn windows_are_fixed() {
        // period; seconds after the start, and what the count, the reset (after the start) and the wait are then
        type Step = (i64, u32, i64, i64);
        let cases: &[(u32, &[Step])] = &[
            (30, &[(0, 1, 30, 30), (1, 2, 30, 29), (29, 3, 30, 1), (30, 1, 60, 30), (95, 1, 120, 25)]),
            (60, &[(59, 1, 60, 1), (60, 1, 120, 60), (61, 2, 120, 59), (3600, 1, 3660, 60)]),
            (300, &[(7, 1, 300, 293), (299, 2, 300, 1), (301, 1, 600, 299)]),
            (600, &[(599, 1, 600, 1), (601, 1, 1200, 599)]),
            (3600, &[(0, 1, 3600, 3600), (3599, 2, 3600, 1), (3600, 1, 7200, 3600)]),
        ];
        for (period, steps) in cases {
            let window = Window::new("w", *period, 2);
            for (after, count, reset, wait) in *steps {
                let standing = window.hit("key", START + after).unwrap();
                let expected = Standing { window: "w", count: *count, limit: 2, reset: START + reset, wait: *wait };
                assert_eq!(standing, expected, "{period} {after}");
                assert_eq!((standing.spent(), standing.over()), (*count >= 2, *count > 2));
                assert_eq!(window.look("key", START + after), Some(standing), "looking does not count");
            }
        }
    }

    #[test]
    fn keys_are_counted_apart() {
        let window = Window::new("w", 60, 5);
        let address = |text: &str| network(text.parse().unwrap());
        for (key, count) in [
            (("192.0.2.1", "a"), 1),
            (("192.0.2.1", "b"), 1),
            (("192.0.2.1", "a"), 2),
            (("192.0.2.2", "a"), 1),
            (("::ffff:192.0.2.2", "a"), 2),
            (("2001:db8::1", "a"), 1),
            (("2001:db8::ffff:1", "a"), 2),
            (("2001:db8:0:1::1", "a"), 1),
        ] {
            assert_eq!(window.hit((address(key.0), key.1), START).unwrap().count, count, "{key:?}");
        }
        assert_eq!(window.look("another", START).unwrap().count, 0);
    }

    #[test]
    fn a_limit_of_0_is_none() {
        let window = Window::new("w", 60, 0);
        assert!(!window.is_on() && window.hit("key", START).is_none() && window.look("key", START).is_none());
        assert_eq!(window.counters.lock().unwrap().counts.len(), 0);
    }

    #[test]
    fn clocks_may_disagree() {
        let window = Window::new("w", 60, 5);
        assert_eq!(window.hit("key", START + 60).unwrap().count, 1);
        // Read before the window began, counted after.
        assert_eq!(window.hit("key", START + 59).unwrap().count, 2);
        assert_eq!(window.hit("key", START + 61).unwrap().count, 3);
        // Set back.
        assert_eq!(window.hit("key", START - 3600).unwrap().count, 1);
        assert_eq!(window.hit("key", -1).unwrap(), Standing { window: "w", count: 1, limit: 5, reset: 0, wait: 1 });
    }

    #[test]
    fn memory_is_bounded() {
        let window = Window::new("w", 60, 5);
        let size = || window.counters.lock().unwrap().counts.len();
        for _ in 0..5 {
            window.hit("guesser", START).unwrap();
        }
        for n in 0..3 * MOST {
            window.hit(n, START).unwrap();
            assert!(size() <= MOST);
        }
        assert!(window.hit("guesser", START).unwrap().over(), "junk does not push out what counts");
        assert_eq!(window.hit("other", START + 60).unwrap().count, 1);
        let counters = window.counters.lock().unwrap();
        assert!(counters.counts.len() == 1 && counters.counts.capacity() <= KEPT, "the old window is gone");
    }

    // 01 §18: the fullest window
    #[test]
    fn the_fullest_window_is_shown() {
        let standing = |window, count, limit, wait| Standing { window, count, limit, reset: wait, wait };
        for (short, long, fuller) in [
            ((1, 60), (1, 500), "30s"),
            ((1, 60), (9, 500), "5m"),
            ((6, 60), (50, 500), "30s"),
            ((61, 60), (400, 500), "30s"),
            ((10, 60), (501, 500), "5m"),
            ((100, 60), (501, 500), "5m"),
        ] {
            let a = standing("30s", short.0, short.1, 30);
            let b = standing("5m", long.0, long.1, 200);
            assert_eq!(a.fuller(b).window, fuller, "{short:?} {long:?}");
            if short != (6, 60) {
                assert_eq!(b.fuller(a).window, fuller, "{short:?} {long:?}");
            }
        }
        let headers = standing("30s", 61, 60, 7).headers();
        assert_eq!(headers.each_ref().map(|(_, value)| value.as_str()), ["30s", "61", "60", "0", "7"]);
    }
}
