//! The names under which versions of OpenSC look for their copies (`pkcs15-cache.c`, `generate_cache_filename`), and the
//! files that such names stand for. How a name is read: [`EntryName`](crate::snapshot::EntryName).

use super::{Version, differences};
use crate::format::sc_hsm;
use crate::snapshot::EfPath;
pub use crate::snapshot::{CacheName, LastUpdate, Recognised, Serial};

/// Why OpenSC would have no cache file for something, or none with a name we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCached {
    /// This version does not cache such a path.
    #[error("this version of OpenSC does not cache such a path")]
    Version,
    /// Neither a serial nor a usable UID.
    #[error("the card has no serial number to name a file by")]
    NoSerial,
    /// Shorter than a file identifier or longer than OpenSC's 16 bytes.
    #[error("the path is too short or too long to be cached")]
    Path,
    /// A serial or date with `/`, `..` or NUL, or a name that is too long.
    #[error("serial number and date do not make a file name")]
    NotAFileName,
}

impl CacheName {
    /// The name of a SmartCard-HSM's file, in every version from 0.17.
    ///
    /// # Errors
    /// [`NotCached`] if the serial does not make a file name.
    pub fn for_sc_hsm(serial: &str, last_update: Option<&str>, file: EfPath) -> Result<Self, NotCached> {
        let serial = Serial::Text(serial.as_bytes().to_vec());
        let version = Version::of(17);
        Self::generate(version, &serial, last_update, None, Some(&sc_hsm::AID), file.as_slice())
    }

    /// The name under which a version looks for a file.
    ///
    /// `path` is absolute, or a file identifier within `aid`; the counter is used by versions that know it.
    ///
    /// # Errors
    /// [`NotCached`] if the version would not cache it, or if the name would not be one
    /// file name: serial and date come from the card, and OpenSC does not check them.
    pub fn generate(
        version: Version,
        serial: &Serial,
        last_update: Option<&str>,
        counter: Option<u16>,
        aid: Option<&[u8]>,
        path: &[u8],
    ) -> Result<Self, NotCached> {
        match serial {
            Serial::Uid(_) if !differences::names_hold_uid(version) => return Err(NotCached::Version),
            // A first byte 08 marks a UID that is new at every power-up.
            Serial::Uid(uid) if uid.first().is_none_or(|&b| b == 0x08) || uid.len() > 10 => {
                return Err(NotCached::NoSerial);
            }
            Serial::Text(text) if text.is_empty() => return Err(NotCached::NoSerial),
            Serial::Uid(_) | Serial::Text(_) => {}
        }
        let aid = aid.filter(|aid| !aid.is_empty());
        if aid.is_some() && !differences::names_hold_aid(version) {
            return Err(NotCached::Version);
        }
        if !(2..=16).contains(&path.len()) || aid.is_some_and(|aid| aid.len() > 16) {
            return Err(NotCached::Path);
        }
        let below_master_file = path.strip_prefix(&[0x3F, 0x00]).filter(|rest| !rest.is_empty());
        let name = Self {
            serial: serial.clone(),
            last_update: match last_update {
                Some(date) => LastUpdate::Date(date.to_string()),
                None if differences::names_hold_aid(version) => LastUpdate::NoDate,
                None => LastUpdate::OldDate,
            },
            counter: counter.filter(|_| differences::names_hold_counter(version)),
            aid: aid.map(<[u8]>::to_vec),
            path: Some(below_master_file.unwrap_or(path).to_vec()),
        };
        if name.is_file_name() { Ok(name) } else { Err(NotCached::NotAFileName) }
    }

    /// Which file it stands for, if the name says so.
    #[must_use]
    pub fn ef(&self) -> Option<EfPath> {
        // A SmartCard-HSM has one application, and that goes without saying.
        let aid = self.aid.as_deref().filter(|_| !self.is_sc_hsm()).unwrap_or_default();
        EfPath::within(aid, self.path.as_deref()?)
    }

    /// The name of another file of the same card in the same generation.
    #[must_use]
    pub fn at(&self, file: EfPath) -> Self {
        let aid = if self.is_sc_hsm() { self.aid.clone() } else { file.aid().map(<[u8]>::to_vec) };
        Self { aid, path: Some(file.as_slice().to_vec()), ..self.clone() }
    }

    /// Whether it names a file of the SmartCard-HSM applet.
    #[must_use]
    pub fn is_sc_hsm(&self) -> bool {
        self.aid.as_deref() == Some(&sc_hsm::AID[..])
    }

    /// The driver for its card, if the name tells.
    #[must_use]
    pub fn driver(&self) -> Option<&'static str> {
        self.is_sc_hsm().then_some(sc_hsm::DRIVER)
    }
}

#[cfg(test)]
#[path = "cache_name_tests.rs"]
mod tests;
