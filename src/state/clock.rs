//! The clock: the only place that asks the system for the time. Tests set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::lang::schema::quantity::day_of;

/// A clock in a time zone.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: TimeZone,
    start: Instant,
    /// Milliseconds since 1970 that it stands at; negative when it runs.
    fixed_ms: Arc<AtomicI64>,
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
        Self { zone, start: Instant::now(), fixed_ms: Arc::new(AtomicI64::new(-1)) }
    }

    /// The time since the clock was made; it never goes back.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn instant(&self) -> Duration {
        Instant::now().duration_since(self.start)
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
