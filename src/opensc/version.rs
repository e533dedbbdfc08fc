//! OpenSC's version number, as it stands in its library (`0.23.0`, `0.27.0-rc1`).

use std::fmt;
use std::str::FromStr;

/// An OpenSC version. What follows the three numbers (`-rc1`) is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Still 0.
    pub major: u16,
    /// What changes with every release.
    pub minor: u16,
    /// Corrections.
    pub patch: u16,
}

/// A text that is not an OpenSC version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an OpenSC version: {0}")]
pub struct BadVersion(pub String);

impl Version {
    /// The first release of a series: `Version::of(23)` is 0.23.0.
    #[must_use]
    pub const fn of(minor: u16) -> Self {
        Self { major: 0, minor, patch: 0 }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let bad = || BadVersion(text.chars().take(40).collect());
        let numbers = text.split(['-', '~', '+', ' ']).next().unwrap_or_default();
        let mut parts = numbers.split('.').map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse::<u16>().ok()).flatten().ok_or_else(bad)
        });
        let mut next = || parts.next().ok_or_else(bad)?;
        let version = Self { major: next()?, minor: next()?, patch: next()? };
        if parts.next().is_some() { Err(bad()) } else { Ok(version) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn parses_what_libraries_carry() {
        let version: Version = "0.23.0".parse().unwrap();
        assert_eq!(version, Version::of(23));
        assert_eq!(version.to_string(), "0.23.0");
        assert_eq!("0.27.0-rc1".parse(), Ok(Version::of(27)));
        assert!("0.26.1".parse::<Version>().unwrap() > Version::of(26));
        assert!(Version::of(9) < Version::of(10));
        for bad in ["", "0.23", "1.2.840.10045", "0.x.1", "0..1", "+0.1.2", "0.99999.1", "0.23.0.1"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
