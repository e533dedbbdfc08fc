//! Which of OpenSC's emulations a program's settings leave it (`pkcs15.c`, `pkcs15-syn.c`): what makes a PKCS#15 token of a card
//! that has no PKCS#15 files of its own.
//!
//! `enable_pkcs15_emulation` and `enable_builtin_emulation` switch all of them off; `builtin_emulators` is a list of those
//! that are left, names as OpenSC writes them, letter by letter. All stand in the `framework pkcs15` block that wins.
//! (Watched: 0.23.) Pure.

use std::ops::Range;

use super::Program;
use super::config::Configuration;
use super::differences;
use super::reading::Reading;
use crate::scconf::Trap;

/// The switches of all emulations.
const SWITCHES: [&str; 2] = ["enable_pkcs15_emulation", "enable_builtin_emulation"];

/// A setting that takes emulations away, and its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Its key.
    pub key: &'static str,
    /// Its value, or the first.
    pub value: Vec<u8>,
    /// Its place.
    pub at: Range<usize>,
}

impl Configuration<'_> {
    /// The setting that takes this emulation from a program; none if it has it, or dies of its settings, which is said
    /// elsewhere.
    #[must_use]
    pub fn denies(&self, program: &Program, emulation: &str) -> Option<Denied> {
        let situation = self.situation();
        let version = situation.version().unwrap_or(differences::HEAD);
        let (Some((path, _)), Some(Ok(document))) = (self.text(), self.parsed(version)) else { return None };
        Reading { situation, document, path, version }.denies(program, emulation).ok().flatten()
    }
}

impl Reading<'_> {
    fn denies(&self, program: &Program, emulation: &str) -> Result<Option<Denied>, Trap> {
        for app in self.app_blocks(program)? {
            let Some(&framework) = app.body.blocks("framework", Some(b"pkcs15"))?.first() else { continue };
            for key in SWITCHES {
                let first = framework.body.setting(key)?.and_then(|setting| setting.first);
                if let Some(word) = first.filter(|word| !is_on(&word.value)) {
                    return Ok(Some(Denied { key, value: word.value.clone(), at: word.range.clone() }));
                }
            }
            let key = "builtin_emulators";
            let Some(setting) = framework.body.setting(key)? else { return Ok(None) };
            let mut words = setting.assignments.iter().flat_map(|assignment| &assignment.values);
            let is_left = words.any(|word| word.value == emulation.as_bytes());
            let first = setting.first.filter(|_| !is_left);
            return Ok(first.map(|word| Denied { key, value: word.value.clone(), at: word.range.clone() }));
        }
        Ok(None)
    }
}

/// As OpenSC reads a truth value.
const fn is_on(value: &[u8]) -> bool {
    matches!(value, [b't' | b'T' | b'y' | b'Y', ..])
}
