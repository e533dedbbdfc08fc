//! What a comparison of hosts comes to: who shows something else than the card, and what is to be done there.

use std::collections::BTreeSet;
use std::mem::take;

use super::hosts::{Compared, Standing, TokenTable};
use crate::finding::{Finding, Id, Prose, Severity};
use crate::judge::brief::{brief, capital, lead, names, unsaid};
use crate::text::count;
use crate::verdict::Verdict;
use crate::verdict::brief::{Brief, CardStanding, Headline, Purpose, Step, Word};

impl Compared {
    /// With what is to be said of it first and last.
    pub(super) fn told(mut self) -> Self {
        // Of ten thousand hosts nothing is kept twice.
        let (findings, coverage) = (take(&mut self.findings), take(&mut self.coverage));
        let verdict = Verdict { findings, coverage, compared: true, ..Verdict::default() };
        self.brief = self.brief_of(&verdict);
        Self { findings: verdict.findings, coverage: verdict.coverage, ..self }
    }

    fn brief_of(&self, verdict: &Verdict) -> Brief {
        let mut told = brief(verdict);
        let what = format!(
            "{} of {} compared",
            count(self.snapshots, "snapshot", "snapshots"),
            count(self.tokens.len(), "token", "tokens")
        );
        let is_whole = !verdict.coverage.iter().any(|gap| gap.asked_for);
        // Only the card tells whether a cache is right.
        let unread = self.tokens.iter().filter(|token| token.read_by.is_none()).count();
        let known = match unread {
            0 => "nobody shows anything else than the card",
            all if all == self.tokens.len() => {
                "no snapshot holds a reading of a card, which alone could tell who is stale"
            }
            _ => "nobody shows anything else than the cards of which a snapshot holds a reading",
        };
        let is_bad = verdict.findings.iter().any(|finding| finding.severity >= Severity::Error);
        let (state, sentence) = if is_bad {
            let worst = lead(verdict, &told.causes).map(|cause| cause.summary.clone());
            let (state, sentence) =
                self.differs().unwrap_or((told.headline.state, worst.unwrap_or(told.headline.sentence)));
            (state, sentence.and(&format!(" {}.", capital(&what))))
        } else {
            match (self.tokens.is_empty(), is_whole) {
                (true, _) => (Word::Unread, format!("Nothing to compare: {what}.").into()),
                (false, true) if !self.has_reading() => {
                    (Word::Unread, format!("{}: {what}.", capital(known)).into())
                }
                (false, true) => {
                    let (state, more) = match self.to_come() {
                        Some(more) => (Word::Risk, more),
                        None if unread == 0 => (Word::Sound, String::new()),
                        None => (Word::Partly, String::new()),
                    };
                    (state, format!("{}: {what}.{more}", capital(known)).into())
                }
                (false, false) => {
                    let sentence = format!("Not everything could be read. In the rest {known}: {what}.");
                    (Word::Unread, sentence.into())
                }
            }
        };
        told.headline = Headline { state, sentence, card: CardStanding::NothingAgainst };
        told.unread = unsaid(verdict, &told.headline);
        // The snapshots are all that there is to look at.
        told.steps.retain(|step| step.purpose != Purpose::Look);
        self.steps_at_once(&verdict.findings, &mut told.steps);
        let is_unread = state == Word::Unread;
        let what = if is_unread && (!is_whole || self.tokens.is_empty()) {
            Some("compare again, with snapshots of every host that can be read")
        } else if is_unread || state == Word::Partly {
            Some("compare again, with a snapshot of a host that has the card in its reader")
        } else {
            None
        };
        if let Some(what) = what {
            told.steps.insert(0, Step::new(Purpose::Look, None, what));
        }
        told
    }

    /// What is to be done on many hosts, and for each of several tokens, is one step.
    fn steps_at_once(&self, findings: &[Finding], steps: &mut Vec<Step>) {
        if without(steps, findings, Id::CacheCannotNoticeChange) {
            let command = "stalecard config disable-cache".to_owned();
            let what = "on each host where caching is on for a card that never signals a change";
            // Not here: the line that says what is next has to say where.
            steps.push(Step { after: Some(what), ..Step::new(Purpose::Prevent, Some(command), what) });
        }
        let has = |token: &&TokenTable, wanted: Standing| {
            token.keys.iter().flat_map(|key| &key.states).any(|row| row.state == wanted)
        };
        let number = |wanted: Standing| self.tokens.iter().filter(|token| has(token, wanted)).count();
        if number(Standing::Stale) + number(Standing::Disputed) < 2 {
            return;
        }
        without(steps, findings, Id::HostsDisagree);
        let prove = "have the keys sign, on one of the hosts of each token: stalecard verify --serial SERIAL";
        let flush = "on each host that is named, as the user that is named: stalecard flush (cards in the reader), or \
                     stalecard flush --serial SERIAL";
        for (wanted, purpose, what) in
            [(Standing::Disputed, Purpose::Decide, prove), (Standing::Stale, Purpose::Mend, flush)]
        {
            if number(wanted) > 0 {
                steps.insert(0, Step::new(purpose, None, what));
            }
        }
    }

    /// Where caching is on for a card that never signals a change, though nothing is wrong today.
    fn to_come(&self) -> Option<String> {
        let who = self.fleet.next.iter().map(|user| format!("{} on {}", user.user, user.host));
        let who: Vec<String> = who.collect();
        (!who.is_empty()).then(|| {
            let (is, would) = ("caching is on", "the next change of their card would not show");
            format!(" But {is} for {}: {would}.", names(&who))
        })
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

/// Leaves out the steps that these findings took; whether there are such.
fn without(steps: &mut Vec<Step>, findings: &[Finding], id: Id) -> bool {
    let own = findings.iter().filter(|finding| finding.id == id).flat_map(|finding| &finding.fix);
    let own: BTreeSet<&str> = own.map(|fix| fix.what.as_str()).collect();
    steps.retain(|step| !own.contains(step.what.as_str()));
    !own.is_empty()
}
