//! What time it is, as far as it can be written down.
//!
//! Hides that a clock may be set to anything: what lies before 1970 or after the year 9999, where RFC 3339 and
//! the `time` crate end, is the nearest moment that has a name. Nothing may rely on it for the order of things.

use std::time::SystemTime;

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

    use super::named;

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
