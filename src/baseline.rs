//! A baseline: what a token is meant to hold, in a small TOML file that people review and keep
//! under version control.
//!
//! Hides the form of that file (schema `stalecard-baseline/1`). It holds nothing that changes by
//! itself: no date of writing, no PIN tries, so that the same token gives the same bytes. What a
//! person takes out of it is not compared.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use toml::value::Datetime;

use crate::text::tame;

/// Name and version of the file's schema.
pub const SCHEMA: &str = "stalecard-baseline/1";

const HEAD: &str = "\
# What this token is meant to hold, as it was read from the card. Review it and keep it under
# version control. `stalecard check --against FILE` (or the directory it is in) compares.
";

/// The baselines that were found.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Where, fit to be shown.
    pub place: String,
    /// Is the place one file? Then its token is the one that is meant.
    pub single: bool,
    /// They themselves.
    pub baselines: Vec<Baseline>,
    /// Why these are not all that lie in the place, if they are not.
    pub left: Option<String>,
}

impl Known {
    /// That of the token with this serial number, as it is shown.
    #[must_use]
    pub fn of(&self, serial: &str) -> Option<&Baseline> {
        self.baselines.iter().find(|baseline| baseline.serial == serial)
    }
}

/// What one token is meant to hold. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The serial as in cache file names.
    pub serial: String,
    /// Label of the token.
    pub label: Option<String>,
    /// Firmware, "3.5".
    pub firmware: Option<String>,
    /// DKEK key check value, upper-case hex; none while there is no DKEK.
    pub dkek_key_check_value: Option<String>,
    /// Its private keys.
    #[serde(default, rename = "key", skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
    /// When it was written down, where that is known: not part of the file.
    #[serde(skip)]
    pub written_at: Option<OffsetDateTime>,
}

/// One private key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// ID (`CKA_ID`), hex.
    pub id: String,
    /// Label.
    pub label: Option<String>,
    /// RSA or EC.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Curve of an EC key, OpenSSL's name.
    pub curve: Option<String>,
    /// Size in bits of any other key.
    pub bits: Option<u32>,
    /// SHA-256 of its SubjectPublicKeyInfo, hex; none if nothing on the token says its public key.
    pub public_key_sha256: Option<String>,
    /// Its certificate.
    pub certificate: Option<Certificate>,
    /// Key reference, for messages: not part of the file.
    #[serde(skip)]
    pub reference: Option<u8>,
}

/// The certificate of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// SHA-256 of its DER encoding, hex.
    pub sha256: String,
    /// Beginning of its validity.
    pub not_before: Option<Datetime>,
    /// End of its validity.
    pub not_after: Option<Datetime>,
}

impl Baseline {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut baseline: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if baseline.schema != SCHEMA {
            return Err(format!("its schema is \"{}\", not \"{SCHEMA}\"", tame(&baseline.schema)));
        }
        // A file may come from anywhere, and what it says is shown.
        let heads = [&mut baseline.label, &mut baseline.firmware, &mut baseline.dkek_key_check_value];
        for text in heads.into_iter().flatten().chain([&mut baseline.serial]) {
            *text = tame(text);
        }
        for key in &mut baseline.keys {
            for text in [&mut key.label, &mut key.kind, &mut key.curve].into_iter().flatten() {
                *text = tame(text);
            }
            key.id = tame(&key.id.to_ascii_lowercase());
            let certificate = key.certificate.as_mut().map(|certificate| &mut certificate.sha256);
            for digits in key.public_key_sha256.as_mut().into_iter().chain(certificate) {
                *digits = tame(&digits.to_ascii_lowercase());
            }
        }
        Ok(baseline)
    }

    /// The text of a file.
    ///
    /// # Errors
    /// When it has no form in TOML: then there is no text, and no empty one in its place.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        Ok(format!("{HEAD}{}", toml::to_string(self)?))
    }

    /// The name of a token's file in a directory of baselines; none for a serial number that
    /// makes no plain file name.
    #[must_use]
    pub fn file_name(serial: &str) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = (1..=100).contains(&serial.len()) && !serial.starts_with('.') && serial.chars().all(plain);
        fits.then(|| format!("{serial}.toml"))
    }
}

impl Key {
    /// Type with curve or size: "EC prime256v1", "RSA 2048"; none if the baseline does not say it.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
        let kind = self.kind.as_ref()?;
        Some(match (&self.curve, self.bits) {
            (Some(curve), _) => format!("{kind} {curve}"),
            (None, Some(bits)) => format!("{kind} {bits}"),
            (None, None) => kind.clone(),
        })
    }
}

/// Unix seconds as TOML writes them; none if that is beyond its calendar.
#[must_use]
pub fn datetime(seconds: i64) -> Option<Datetime> {
    crate::text::date(seconds).parse().ok()
}

/// The same back; none if it has no zone.
#[must_use]
pub fn seconds(time: Datetime) -> Option<i64> {
    OffsetDateTime::parse(&time.to_string(), &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn sample() -> Baseline {
        let certificate = Certificate {
            sha256: "ab".repeat(32),
            not_before: datetime(1_672_675_083),
            not_after: datetime(253_402_300_799),
        };
        let key = Key {
            id: "6e51".into(),
            label: Some("a\\x1b[2J \"quoted\" Schlüssel".into()),
            kind: Some("EC".into()),
            curve: Some("prime256v1".into()),
            bits: None,
            public_key_sha256: Some("cd".repeat(32)),
            certificate: Some(certificate),
            reference: None,
        };
        let plain = Key { id: "02".into(), certificate: None, ..key.clone() };
        Baseline {
            schema: SCHEMA.into(),
            serial: "DENK0200834".into(),
            label: None,
            firmware: Some("5.6".into()),
            dkek_key_check_value: None,
            keys: vec![key, plain],
            written_at: None,
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = sample().text().unwrap();
        assert_eq!(Baseline::parse(&text).unwrap(), sample());
        assert!(text.contains("\nnot_before = 2023-01-02T15:58:03Z\n"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_mistake_in_a_file_is_said() {
        let text = sample().text().unwrap();
        for (from, to, said) in [
            ("firmware", "firmwear", "unknown field `firmwear`"),
            ("stalecard-baseline/1", "stalecard-baseline/9", "stalecard-baseline/9"),
            ("\"02\"", "2", "expected a string"),
        ] {
            let error = Baseline::parse(&text.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn digits_may_be_written_in_either_case() {
        let shouted =
            sample().text().unwrap().replace("cdcd", "CDCD").replace("abab", "ABAB").replace("6e51", "6E51");
        assert_eq!(Baseline::parse(&shouted).unwrap(), sample());
    }

    #[test]
    fn a_serial_number_is_no_path() {
        assert_eq!(Baseline::file_name("DENK0200834").as_deref(), Some("DENK0200834.toml"));
        for serial in ["", "..", ".x", "a/b", "a\u{1b}", "ä"] {
            assert_eq!(Baseline::file_name(serial), None, "{serial}");
        }
    }
}
