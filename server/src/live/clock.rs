//! The clock of all live streams: the time of the wall when the server began, and since then that of a clock that never jumps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reelway_core::time::Moment;
use tokio::time::Instant;

/// A clock that is set once.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Microseconds since 1970 at `since`.
    base: i64,
    since: Instant,
}

impl Default for Clock {
    /// Set by the wall.
    fn default() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { base: i64::try_from(wall.as_micros()).unwrap_or(0), since: Instant::now() }
    }
}

impl Clock {
    /// One by which it is `moment` now, whatever the wall says.
    pub fn beginning(moment: Moment) -> Self {
        Self { base: moment.0, since: Instant::now() }
    }

    /// What time it is.
    pub fn now(&self) -> Moment {
        let passed = i64::try_from(self.since.elapsed().as_micros()).unwrap_or(i64::MAX);
        Moment(self.base.saturating_add(passed))
    }

    /// When it will be `moment`; now, if it has been.
    pub fn instant(&self, moment: Moment) -> Instant {
        let ahead = u64::try_from(moment.0.saturating_sub(self.base)).unwrap_or(0);
        // Nothing here waits longer than a day, and an instant must not overflow.
        self.since + Duration::from_micros(ahead).min(self.since.elapsed() + Duration::from_hours(24))
    }
}
