//! Who made the signatures in files, in a sentence.

use super::given::Attributed;
use crate::case::attribution::{Attribution, Verdict as Came};
use crate::error::Exit;
use crate::judge::brief::{brief, unsaid};
use crate::verdict::Verdict;
use crate::verdict::brief::{Brief, Headline, Purpose, Step, Word};

/// First and last what matters.
#[must_use]
pub fn attributed(done: &Attributed) -> Brief {
    let verdict = Verdict {
        findings: done.findings.clone(),
        coverage: done.verdict.coverage.clone(),
        scope: done.verdict.scope.clone(),
        compared: true,
        ..Verdict::default()
    };
    let mut told = brief(&verdict);
    let state = match done.exit {
        Exit::Clean => Word::Sound,
        Exit::Findings => Word::Wrong,
        Exit::Failed | Exit::NotRead | Exit::WouldChange | Exit::CommandNotRun | Exit::NoCommand => {
            Word::Unread
        }
    };
    let sentence = match (done.findings.first(), done.answers.as_slice()) {
        (Some(finding), _) => finding.summary.clone(),
        (None, []) => "There is no signature in it.".into(),
        (None, [(_, only)]) => sentence(only).into(),
        (None, several) => {
            let good = several.iter().filter(|(_, answer)| answer.good).count();
            format!(
                "{good} of {} signatures are made by the keys that they should be made by.",
                several.len()
            )
            .into()
        }
    };
    // A right signature says nothing of what programs here show.
    let host = brief(&Verdict { coverage: Vec::new(), ..done.verdict.clone() }).headline;
    let is_shown_wrongly = matches!(host.state, Word::Stale | Word::Undecided | Word::Configuration);
    if state == Word::Sound && is_shown_wrongly {
        let sentence = sentence.and(" But on this host: ").then(&host.sentence);
        let what = "tells what programs show here, and what to do";
        told.steps = vec![Step::new(Purpose::Look, Some("stalecard check".to_owned()), what)];
        told.headline = Headline { state: Word::Risk, sentence, ..told.headline };
        return told;
    }
    told.headline = Headline { state, sentence, ..told.headline };
    told.unread = unsaid(&verdict, &told.headline);
    if state == Word::Sound {
        told.steps.clear();
    }
    told
}

fn sentence(answer: &Attribution) -> String {
    match &answer.made_by {
        Some(key) => {
            let place = key.places.first();
            let id = place.map_or(key.id.as_str(), |place| place.id.as_str());
            let place = place.map(|place| format!(" ({})", place.place)).unwrap_or_default();
            match answer.verdict {
                _ if answer.is_invalid => {
                    format!("The signature is invalid, though the key with ID {id}{place} made it.")
                }
                Some(Came::Sound) if !answer.good => {
                    format!("The signature fits the key with ID {id}{place}, which nobody here vouches for.")
                }
                _ => format!("The key with ID {id}{place} made the signature."),
            }
        }
        None if answer.undecided.is_empty() => "No key known here made the signature.".to_owned(),
        None => "Who made the signature was not decided.".to_owned(),
    }
}
