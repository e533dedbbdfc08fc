//! What a comparison of hosts comes to: who shows something else than the card, and what is to be done there.

use std::collections::BTreeSet;

use super::hosts::{Compared, Standing};
use crate::finding::Prose;
use crate::judge::brief::{brief, capital, lead, names, unsaid};
use crate::text::count;
use crate::verdict::Verdict;
use crate::verdict::brief::{Brief, CardStanding, Headline, Purpose, Step, Word};

impl Compared {
    /// First and last what matters.
    #[must_use]
    pub fn brief(&self) -> Brief {
        let (findings, coverage) = (self.findings.clone(), self.coverage.clone());
        let verdict = Verdict { findings, coverage, compared: true, ..Verdict::default() };
        let mut told = brief(&verdict);
        let what = format!(
            "{} of {} compared",
            count(self.snapshots, "snapshot", "snapshots"),
            count(self.tokens.len(), "token", "tokens")
        );
        let is_whole = !self.coverage.iter().any(|gap| gap.asked_for);
        // Only the card tells whether a cache is right.
        let unread = self.tokens.iter().filter(|token| token.read_by.is_none()).count();
        let known = match unread {
            0 => "nobody shows anything else than the card",
            all if all == self.tokens.len() => {
                "no snapshot holds a reading of a card, which alone could tell who is stale"
            }
            _ => "nobody shows anything else than the cards of which a snapshot holds a reading",
        };
        let (state, sentence) = if self.findings.is_empty() {
            match (self.tokens.is_empty(), is_whole) {
                (true, _) => (Word::Unread, format!("Nothing to compare: {what}.").into()),
                (false, true) => {
                    let state = if unread == 0 { Word::Sound } else { Word::Partly };
                    (state, format!("{}: {what}.", capital(known)).into())
                }
                (false, false) => {
                    let sentence = format!("Not everything could be read. In the rest {known}: {what}.");
                    (Word::Unread, sentence.into())
                }
            }
        } else {
            let worst = lead(&verdict, &told.causes).map(|cause| cause.summary.clone());
            let (state, sentence) =
                self.differs().unwrap_or((told.headline.state, worst.unwrap_or(told.headline.sentence)));
            (state, sentence.and(&format!(" {}.", capital(&what))))
        };
        told.headline = Headline { state, sentence, card: CardStanding::NothingAgainst };
        told.unread = unsaid(&verdict, &told.headline);
        // The snapshots are all that there is to look at.
        told.steps.retain(|step| step.purpose != Purpose::Look);
        if state == Word::Unread {
            let what = "compare again, with snapshots of every host that can be read";
            told.steps.push(Step::new(Purpose::Look, None, what));
        } else if state == Word::Partly {
            let what = "compare again, with a snapshot of a host that has the card in its reader";
            told.steps.push(Step::new(Purpose::Look, None, what));
        }
        told
    }

    /// Who shows what the card does not have.
    fn differs(&self) -> Option<(Word, Prose)> {
        let rows = |wanted: Standing| {
            let keys = self.tokens.iter().flat_map(|token| &token.keys);
            keys.flat_map(|key| &key.states).filter(move |row| row.state == wanted)
        };
        let who = |wanted: Standing| {
            let shown = rows(wanted).flat_map(|row| &row.shown_by);
            let who: BTreeSet<String> =
                shown.map(|one| format!("{} on {}", one.source.user, one.source.host)).collect();
            names(&who.into_iter().collect::<Vec<_>>())
        };
        let (stale, disputed) = (rows(Standing::Stale).count(), rows(Standing::Disputed).count());
        if stale > 0 {
            let what = if stale == 1 { "a key that is".to_owned() } else { format!("{stale} keys that are") };
            let text = format!("OpenSC shows {} {what} not on the card.", who(Standing::Stale));
            Some((Word::Stale, text.into()))
        } else if disputed > 0 {
            let text = format!(
                "OpenSC shows {} another key than the card's certificate names.",
                who(Standing::Disputed)
            );
            Some((Word::Undecided, text.into()))
        } else {
            None
        }
    }
}
