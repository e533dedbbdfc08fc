//! What fresh signatures came to, in the sentence of a verdict. "The card is sound" and "not proved" never stand side by
//! side: what the card's own keys proved is said of the card, and what is shown instead of OpenSC.

use super::brief::{brief, flush_first, unsaid};
use crate::case::proofs::{Conclusion, Proof};
use crate::finding::Prose;
use crate::snapshot::GapKind;
use crate::text::{count, key_reference};
use crate::verdict::Verdict;
use crate::verdict::brief::{Brief, Cause, CauseKind, Purpose, Step, Word};

/// Of a verdict with the proofs of its keys, as a part of the `whole` one on the host. `is_open`: of some key in question no
/// signature could be had.
#[must_use]
pub fn proved(verdict: &Verdict, whole: &Verdict, proofs: &[Proof], is_open: bool) -> Brief {
    let mut told = brief(verdict);
    let all = proofs.len();
    let number = |is: fn(Conclusion) -> bool| proofs.iter().filter(|proof| is(proof.conclusion)).count();
    let sound = number(|conclusion| conclusion == Conclusion::Sound);
    let of_card = number(|conclusion| matches!(conclusion, Conclusion::Sound | Conclusion::StaleCache));
    let of_all = |some: usize| {
        if some == all {
            count(all, "key", "keys")
        } else {
            format!("{some} of {}", count(all, "key", "keys"))
        }
    };
    let is_bad = is_wrong(told.headline.state);
    // Keys that are shown wrongly and were not asked.
    let is_asked = |cause: &&Cause| {
        let object = cause.object.as_ref();
        proofs.iter().any(|proof| {
            cause.token.as_ref().is_none_or(|token| *token == proof.token)
                && object.is_none_or(|object| object.reference == Some(proof.reference))
        })
    };
    let shown = told.causes.iter().filter(|cause| cause.kind == CauseKind::Key);
    let unproved: Vec<&Cause> = shown.filter(|cause| !is_asked(cause)).collect();
    let open = if is_open { " Of what could not be asked, see below." } else { "" };
    let mut cures: Vec<Step> = Vec::new();
    let headline = &mut told.headline;
    if all == 0 {
        let none = "No key was asked for a signature";
        let why = verdict.coverage.iter().find(|gap| gap.asked_for && gap.kind == GapKind::Signature);
        // Which PIN was refused, and how many tries are left.
        let none = match why {
            Some(gap) => Prose::from(format!("{none}: {}.", gap.why.trim_end_matches('.'))),
            None => Prose::from(format!("{none}.")),
        };
        headline.sentence = match (why, is_bad) {
            (None, _) | (_, true) => none.and(" ").then(&headline.sentence),
            (Some(_), false) => none,
        };
        headline.state = if is_bad { headline.state } else { Word::Unread };
        let host = brief(&Verdict { coverage: Vec::new(), compared: false, ..whole.clone() });
        if !is_bad && why.is_some() && is_wrong(host.headline.state) {
            headline.sentence = headline.sentence.clone().and(" ").then(&host.headline.sentence);
            // What is wrong is cured without a PIN, and before one more try is spent on it.
            told.dangers = host.dangers;
            cures = host.steps.into_iter().filter(|step| step.purpose != Purpose::Look).collect();
        }
    } else if is_bad {
        // What is wrong is said; here is what is right.
        let named = proofs.first().filter(|_| !unproved.is_empty());
        let proof = match (of_card, all) {
            (0, _) => String::new(),
            (1, 1) => match named {
                Some(proof) => format!(
                    " A fresh signature proves key reference {} on the card; what is wrong is of another.",
                    key_reference(proof.reference)
                ),
                None => " A fresh signature proves the key on the card.".to_owned(),
            },
            (some, all) if some == all => format!(" Fresh signatures prove all {all} keys on the card."),
            (some, _) => format!(" Fresh signatures prove {} on the card.", of_all(some)),
        };
        headline.sentence = headline.sentence.clone().and(&proof).and(open);
    } else if sound == all {
        // All is not well where something that was asked for was not read: so the run ends, too.
        let is_unread = verdict.coverage.iter().any(|gap| gap.asked_for);
        headline.state = match (is_unread, is_open) {
            (true, false) => Word::Unread,
            (_, true) => Word::Partly,
            (false, false) => Word::Sound,
        };
        let sentence = match (all, is_open) {
            (1, false) => "The key is proved sound.".to_owned(),
            (_, false) => format!("All {all} keys are proved sound."),
            (1, true) => format!("The key that was asked is proved sound.{open}"),
            (_, true) => format!("All {all} keys that were asked are proved sound.{open}"),
        };
        let unread =
            if is_unread && !is_open { " But not everything that was asked for could be read." } else { "" };
        headline.sentence = Prose::from(sentence).and(unread);
        // Today all is right; that it stays so no signature proves.
        let to_come = brief(whole).causes.into_iter().find(|cause| cause.kind == CauseKind::Recurrence);
        if let Some(to_come) = to_come.filter(|_| !is_unread) {
            headline.sentence = headline.sentence.clone().and(" ").then(&to_come.summary);
        }
    } else {
        headline.state = Word::Unread;
        let proved = if sound == 0 {
            "No key is proved".to_owned()
        } else {
            format!("Proved sound: {}", of_all(sound))
        };
        headline.sentence = format!("{proved}; of the others, see below.{open}").into();
    }
    if is_bad {
        let is_left = |step: &Step| step.purpose != Purpose::Verify || sound < all || !unproved.is_empty();
        told.steps = brief(whole).steps.into_iter().filter(is_left).collect();
        flush_first(&mut told.headline, &told.steps);
    }
    // What was not proved is to be tried again, whatever else there is to do.
    let looks = told.steps.first().is_some_and(|step| step.purpose == Purpose::Look);
    let refused =
        all == 0 && verdict.coverage.iter().any(|gap| gap.asked_for && gap.kind == GapKind::Signature);
    if told.headline.state == Word::Unread && (!looks || refused) {
        told.steps.retain(|step| step.purpose != Purpose::Look);
        let again = Step::again(Purpose::Look, "stalecard verify", "when what stood in the way is mended");
        told.steps.insert(0, again);
        told.steps.retain(|step| !cures.iter().any(|cure| cure.call() == step.call()));
        told.steps.splice(0..0, cures);
    }
    told.unread = unsaid(verdict, &told.headline);
    told
}

/// Is something wrong, and not only a risk or not read?
const fn is_wrong(state: Word) -> bool {
    match state {
        Word::Stale | Word::Undecided | Word::Wrong | Word::Configuration => true,
        Word::Risk
        | Word::Unread
        | Word::Partly
        | Word::Sound
        | Word::Done
        | Word::Planned
        | Word::Unchanged
        | Word::Failed => false,
    }
}
