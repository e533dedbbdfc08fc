//! What time it is, as far as it can be written down, and what people here call it.
//!
//! Hides that a clock may be set to anything: what lies before 1970 or after the year 9999, where RFC 3339 and
//! the `time` crate end, is the nearest moment that has a name. Nothing may rely on it for the order of things.
//! Hides `jiff`, which knows the host's time zone (`TZ`, `/etc/localtime`) without the C library, whose `localtime`
//! must not run beside other threads.

use std::sync::OnceLock;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

/// The time now.
#[must_use]
pub fn now() -> OffsetDateTime {
    named(SystemTime::now())
}

/// A time in JSON to the second, which is all that `jq`'s `fromdate` takes.
pub mod whole_seconds {
    use serde::{Deserializer, Serializer};
    use time::OffsetDateTime;
    use time::serde::rfc3339;

    /// Without its fraction.
    ///
    /// # Errors
    /// Where RFC 3339 has no form for it.
    pub fn serialize<S: Serializer>(time: &Option<OffsetDateTime>, to: S) -> Result<S::Ok, S::Error> {
        rfc3339::option::serialize(&time.map(|time| time.replace_nanosecond(0).unwrap_or(time)), to)
    }

    /// With whatever fraction there is.
    ///
    /// # Errors
    /// When it is no time of RFC 3339.
    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<OffsetDateTime>, D::Error> {
        rfc3339::option::deserialize(from)
    }
}

/// The time zone of the host, which is looked for when the first time is written: that takes longer than most else.
#[derive(Debug, Clone)]
pub struct Zone(OnceLock<TimeZone>);

impl Zone {
    /// As the environment and the system say; UTC if they do not.
    #[must_use]
    pub const fn here() -> Self {
        Self(OnceLock::new())
    }

    /// UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self(OnceLock::from(TimeZone::UTC))
    }

    /// A moment in Unix seconds: `2026-11-23 07:53 CET`.
    #[must_use]
    pub fn written(&self, seconds: i64) -> String {
        Timestamp::from_second(seconds).map_or_else(
            |_| format!("{seconds} s"),
            |moment| moment.to_zoned_datetime(self.known().clone()).strftime("%Y-%m-%d %H:%M %Z").to_string(),
        )
    }

    fn known(&self) -> &TimeZone {
        self.0.get_or_init(|| TimeZone::try_system().unwrap_or(TimeZone::UTC))
    }
}

fn named(time: SystemTime) -> OffsetDateTime {
    let Ok(since) = time.duration_since(SystemTime::UNIX_EPOCH) else { return OffsetDateTime::UNIX_EPOCH };
    Duration::try_from(since)
        .ok()
        .and_then(|since| OffsetDateTime::UNIX_EPOCH.checked_add(since))
        .unwrap_or_else(|| PrimitiveDateTime::MAX.assume_utc())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    use super::{Zone, named};

    #[test]
    fn a_moment_is_written_in_the_zone_of_the_host() {
        assert_eq!(Zone::utc().written(1_672_675_083), "2023-01-02 15:58 UTC");
        assert_eq!(Zone::utc().written(i64::MAX), format!("{} s", i64::MAX));
    }

    #[test]
    fn a_clock_before_1970_or_beyond_the_year_9999_is_no_panic() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(named(at(0)), OffsetDateTime::UNIX_EPOCH);
        assert_eq!(named(SystemTime::UNIX_EPOCH - Duration::from_secs(5)), OffsetDateTime::UNIX_EPOCH);
        assert_eq!(named(at(1_700_000_000)).unix_timestamp(), 1_700_000_000);
        for beyond in [253_402_300_800, 400_000_000_000, i64::MAX as u64] {
            let text = named(at(beyond)).format(&Rfc3339);
            assert!(text.is_ok_and(|text| text.starts_with("9999-12-31T23:59:59")), "{beyond}");
        }
    }
}
