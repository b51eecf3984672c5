//! The clock: the only place that asks the system for the time. Tests set it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::lang::schema::quantity::day_of;
use crate::state::ledger::Periods;

/// A clock in a time zone.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: TimeZone,
    /// When it was made; none of one that is only set.
    start: Option<Instant>,
    /// Milliseconds since 1970 that it stands at; negative when it runs.
    fixed_ms: Arc<AtomicI64>,
    /// As they were when somebody asked last.
    periods: Arc<Mutex<Option<Periods>>>,
}

/// A moment, as rules see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Minutes since midnight.
    pub minute: i64,
    /// From Monday, 0.
    pub weekday: i64,
    /// Days since 1970-01-01.
    pub day: i64,
}

impl Clock {
    /// The system's clock, in a named time zone or in the system's. A name that is not known was refused before.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn of_system(zone: Option<&str>) -> Self {
        let named = zone.and_then(|name| TimeZone::get(name).ok());
        let zone = named.unwrap_or_else(TimeZone::system);
        Self { zone, start: Some(Instant::now()), fixed_ms: Arc::new(AtomicI64::new(-1)), periods: Arc::default() }
    }

    /// A clock that shows what it is set to, and nothing else.
    pub fn that_is_set(zone: Option<&str>, unix_ms: i64) -> Self {
        let clock = Self { start: None, ..Self::of_system(zone) };
        clock.stop_at(unix_ms);
        clock
    }

    /// The time since the clock was made; it never goes back. Of one that is only set, the time since 1970.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn instant(&self) -> Duration {
        match self.start {
            Some(start) => Instant::now().duration_since(start),
            None => Duration::from_millis(u64::try_from(self.fixed_ms.load(Ordering::Relaxed)).unwrap_or(0)),
        }
    }

    /// The moment that tests start from, Wednesday 2025-01-15 at 12:00 in a time zone, in milliseconds since 1970.
    pub fn noon_of_tests(zone: Option<&str>) -> i64 {
        let zone = Self::of_system(zone).zone;
        let noon = jiff::civil::date(2025, 1, 15).at(12, 0, 0, 0).to_zoned(zone);
        noon.map_or(0, |noon| noon.timestamp().as_millisecond())
    }

    /// Now, in the clock's time zone.
    pub fn zoned(&self) -> Zoned {
        let fixed = self.fixed_ms.load(Ordering::Relaxed);
        let stamp = if fixed >= 0 { Timestamp::from_millisecond(fixed).unwrap_or_default() } else { Timestamp::now() };
        stamp.to_zoned(self.zone.clone())
    }

    /// Now, as rules see it.
    pub fn now(&self) -> Now {
        let zoned = self.zoned();
        Now {
            minute: i64::from(zoned.hour()) * 60 + i64::from(zoned.minute()),
            weekday: i64::from(zoned.weekday().to_monday_zero_offset()),
            day: day_of(zoned.date()),
        }
    }

    /// Seconds since 1970.
    pub fn unix_seconds(&self) -> i64 {
        self.zoned().timestamp().as_second()
    }

    /// The hour, day, week and month of now, in the clock's time zone. They change once an hour.
    pub fn periods(&self) -> Periods {
        let mut known = self.periods.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.unix_nanos() / 1_000_000_000;
        match *known {
            Some(periods) if periods.hold(now) => periods,
            _ => {
                let periods = Periods::at(&self.zoned());
                *known = Some(periods);
                periods
            }
        }
    }

    /// Milliseconds since 1970.
    pub fn unix_ms(&self) -> i64 {
        self.unix_nanos() / 1_000_000
    }

    /// Nanoseconds since 1970.
    pub fn unix_nanos(&self) -> i64 {
        let fixed = self.fixed_ms.load(Ordering::Relaxed);
        if fixed >= 0 {
            return fixed.saturating_mul(1_000_000);
        }
        i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
    }

    /// The day of a moment (milliseconds since 1970) in the clock's time zone: `2026-01-31`.
    pub fn day(&self, unix_ms: i64) -> String {
        let stamp = Timestamp::from_millisecond(unix_ms).unwrap_or_default();
        stamp.to_zoned(self.zone.clone()).date().to_string()
    }

    /// A moment (seconds since 1970) in the clock's time zone: `2026-01-31T00:00:00+01:00`.
    pub fn stamp(&self, unix_seconds: i64) -> String {
        let stamp = Timestamp::from_second(unix_seconds).unwrap_or_default();
        stamp.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// A moment of the past, in milliseconds since 1970: `90min`, `24h`, `7d`, or a day, from its beginning.
    pub fn since(&self, text: &str) -> Option<i64> {
        if let Ok(date) = text.parse::<jiff::civil::Date>() {
            return Some(date.to_zoned(self.zone.clone()).ok()?.timestamp().as_millisecond());
        }
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at_checked(digits)?;
        let units = [("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        let unit = units.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms)?;
        self.unix_ms().checked_sub(number.parse::<i64>().ok()?.checked_mul(unit)?)
    }

    /// Stands still at a moment, in milliseconds since 1970.
    pub fn stop_at(&self, unix_ms: i64) {
        self.fixed_ms.store(unix_ms, Ordering::Relaxed);
    }
}

impl Clock {
    /// The moment that comes after this long.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn moment(&self, after: Duration) -> Instant {
        Instant::now() + after
    }
}
