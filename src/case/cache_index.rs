//! The entries of one cache directory, found by name and by card.
//!
//! A cache directory may hold a hundred thousand of them and a snapshot thousands of cards, so they are put in order once,
//! and no card looks at those of all the others.

use std::cmp::Ordering;

use crate::opensc::CacheName;
use crate::opensc::cache_name::Serial;
use crate::snapshot::{CacheDir, CacheEntry};

/// A cache directory in order.
pub struct CacheIndex<'a> {
    /// The directory.
    pub dir: &'a CacheDir,
    by_name: Vec<&'a CacheEntry>,
    /// Those with the name of a copy that has a serial number, by that.
    by_serial: Vec<(&'a CacheName, &'a CacheEntry)>,
}

impl<'a> CacheIndex<'a> {
    /// Puts it in order.
    #[must_use]
    pub fn of(dir: &'a CacheDir) -> Self {
        let mut by_name: Vec<&CacheEntry> = dir.entries.iter().collect();
        by_name.sort_by(|a, b| a.name.bytes().cmp(b.name.bytes()));
        let named = |entry: &'a CacheEntry| Some((entry.name.of_copy()?, entry));
        let mut by_serial: Vec<_> = dir.entries.iter().filter_map(named).collect();
        by_serial.retain(|(name, _)| text(name).is_some());
        by_serial.sort_by(|(a, _), (b, _)| in_any_case(text(a), text(b)));
        Self { dir, by_name, by_serial }
    }

    /// The entries whose names begin with this.
    #[must_use]
    pub fn beginning_with(&self, prefix: &[u8]) -> &[&'a CacheEntry] {
        let start = self.by_name.partition_point(|entry| entry.name.0.as_slice() < prefix);
        let rest = self.by_name.get(start..).unwrap_or_default();
        let end = rest.partition_point(|entry| entry.name.0.starts_with(prefix));
        rest.get(..end).unwrap_or_default()
    }

    /// The copies of files of the cards with this serial number, in whatever case it is written, by any generation's name.
    #[must_use]
    pub fn of_serial(&self, serial: &str) -> &[(&'a CacheName, &'a CacheEntry)] {
        let order = |name: &CacheName| in_any_case(text(name), Some(serial.as_bytes()));
        let start = self.by_serial.partition_point(|(name, _)| order(name) == Ordering::Less);
        let rest = self.by_serial.get(start..).unwrap_or_default();
        let end = rest.partition_point(|(name, _)| order(name) == Ordering::Equal);
        rest.get(..end).unwrap_or_default()
    }
}

fn text(name: &CacheName) -> Option<&[u8]> {
    match &name.serial {
        Serial::Text(text) => Some(text),
        Serial::Uid(_) => None,
    }
}

fn in_any_case(a: Option<&[u8]>, b: Option<&[u8]>) -> Ordering {
    let lower =
        |text: Option<&[u8]>| text.map(|text| text.iter().map(u8::to_ascii_lowercase).collect::<Vec<_>>());
    lower(a).cmp(&lower(b))
}
