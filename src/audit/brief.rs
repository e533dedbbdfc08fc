//! What an audit comes to, first and last: a sentence, and the first thing to do.

use super::told::Audit;
use crate::snapshot::Gap;
use crate::text::count;
use crate::verdict::brief::{Headline, Word};

impl Audit {
    /// In a sentence; `coverage`: what could not be decided.
    #[must_use]
    pub fn headline(&self, coverage: &[Gap]) -> Headline {
        let artefacts = count(self.artefacts, "signed artefact", "signed artefacts");
        let (state, sentence) = match (self.bad, self.artefacts, is_open(coverage)) {
            (0, 0, false) if self.older > 0 => {
                let sentence = "Nothing signed in what was named was changed since the time that was given.";
                (Word::Partly, sentence.to_owned())
            }
            (0, 0, false) => {
                (Word::Partly, "Nothing in what was named is signed in a form that is known here.".to_owned())
            }
            (0, _, false) if self.revoked > 0 => {
                let are = match self.revoked {
                    1 => "1 is bad, and its CA has revoked it".to_owned(),
                    revoked => format!("{revoked} are bad, and their CA has revoked them"),
                };
                (Word::Partly, format!("Of {artefacts} {are}; nothing else is to be made again."))
            }
            (0, _, false) if self.sound == 0 => {
                let sentence = format!("Of none of {artefacts} the issuer is known here: nothing is proved.");
                (Word::Partly, sentence)
            }
            (0, _, false) => {
                let is_all = self.issuer_not_known == 0 && self.passed == 0;
                let state = if is_all { Word::Sound } else { Word::Partly };
                let sound = format!("({} proved sound)", self.sound);
                (state, format!("Of {artefacts} none was made by another key than it names {sound}."))
            }
            (0, _, true) => {
                (Word::Unread, format!("Nothing bad in {artefacts}, but not everything could be decided."))
            }
            (bad, ..) => {
                let are = if bad == 1 { "is" } else { "are" };
                (Word::Wrong, format!("{bad} of {artefacts} {are} bad."))
            }
        };
        // What is no text and begins like nothing that is signed was not looked through.
        let passed = match self.passed {
            0 => String::new(),
            1 => " 1 file over 16 MiB was not looked at.".to_owned(),
            passed => format!(" {passed} files over 16 MiB were not looked at."),
        };
        Headline { state, sentence: format!("{sentence}{passed}").into(), ..Headline::default() }
    }

    /// The first thing to do.
    #[must_use]
    pub fn next(&self, coverage: &[Gap]) -> Option<&str> {
        let of_bad = self.steps.first().map(|step| step.what.as_str());
        let of_open = || {
            is_open(coverage).then_some("the same again, when what is named as not decided can be decided")
        };
        let of_unknown = || {
            let name = "the same with --pubkey FILE: the certificate of each issuer that is not known here";
            (self.issuer_not_known > 0).then_some(name)
        };
        of_bad.or_else(of_open).or_else(of_unknown)
    }
}

fn is_open(coverage: &[Gap]) -> bool {
    coverage.iter().any(|gap| gap.asked_for)
}
