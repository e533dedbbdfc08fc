//! What a comparison of hosts comes to: who shows something else than the card, and what is to be done there.

use std::collections::BTreeSet;
use std::mem::take;

use super::fleet::newest;
use super::hosts::{Compared, Source, Standing, TokenTable};
use crate::finding::{Finding, Id, Prose, Remedy, Severity};
use crate::judge::brief::{MOST_NAMES, brief, capital, lead, names, unsaid};
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
            let open = if is_whole { "" } else { " Not everything could be read: there may be more." };
            (state, sentence.and(&format!(" {}.{open}", capital(&what))))
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
        told.steps.extend(self.older_is_stale());
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

    /// Of whoever is stale in older snapshots only: two hosts may have one name, and so it is not passed over.
    fn older_is_stale(&self) -> Option<Step> {
        let key = |source: &Source| (source.host.clone(), source.user.clone(), source.taken);
        let newest = newest(&self.sources).into_iter().filter_map(|index| self.sources.get(index));
        let newest: BTreeSet<(String, String, i64)> = newest.map(key).collect();
        let of_newest = |source: &Source| newest.contains(&key(source));
        let shown =
            self.tokens.iter().flat_map(|token| token.rows(Standing::Stale)).flat_map(|row| &row.shown_by);
        let (of_now, of_then): (Vec<&Source>, Vec<&Source>) =
            shown.map(|shown| &shown.source).partition(|source| of_newest(source));
        let who = |source: &Source| format!("{} on {}", source.user, source.host);
        let now: BTreeSet<String> = of_now.into_iter().map(who).collect();
        let then: BTreeSet<String> = of_then.into_iter().map(who).filter(|who| !now.contains(who)).collect();
        (!then.is_empty()).then(|| {
            let who = names(&then.into_iter().collect::<Vec<_>>());
            let what =
                format!("without the older snapshots of {who}, if those are of the same host: compare again");
            Step::new(Purpose::Verify, None, what)
        })
    }

    /// What is to be done on many hosts, and for each of several tokens, is one step.
    fn steps_at_once(&self, findings: &[Finding], steps: &mut Vec<Step>) {
        if without(steps, findings, Id::CacheCannotNoticeChange) {
            let command = "stalecard config disable-cache".to_owned();
            let of = |finding: &&Finding| finding.id == Id::CacheCannotNoticeChange;
            let has_waiting =
                findings.iter().filter(of).flat_map(|finding| &finding.fix).any(|fix| fix.waits);
            let what = if has_waiting {
                "on each other host where caching is on for a card that never signals a change"
            } else {
                "on each host where caching is on for a card that never signals a change"
            };
            // Not here: the line that says what is next has to say where.
            steps.push(Step { after: Some(what), ..Step::new(Purpose::Prevent, Some(command), what) });
        }
        let number = |is: &dyn Fn(&TokenTable) -> bool| self.tokens.iter().filter(|token| is(token)).count();
        let stale = number(&|token| token.has(Standing::Stale));
        let disputed = number(&|token| token.has(Standing::Disputed) && !token.shared);
        let shared = number(&|token| token.has(Standing::Disputed) && token.shared);
        if stale + disputed + shared < 2 {
            return;
        }
        without(steps, findings, Id::HostsDisagree);
        let share = "give each card a serial number of its own, or switch caching off where both are used: nothing else \
                     tells their caches apart";
        let prove = "have the keys sign, on one of the hosts of each token: stalecard verify --serial SERIAL";
        let flush = if disputed + shared == 0 {
            "on each host that is named, as the user that is named: stalecard flush (cards in the reader), or \
             stalecard flush --serial SERIAL"
        } else {
            // By its serial number a flush takes what may be right, too.
            "on each host that is named as stale, as the user that is named: stalecard flush, with the card in its reader"
        };
        let all = [
            (disputed, Purpose::Decide, prove),
            (shared, Purpose::Decide, share),
            (stale, Purpose::Mend, flush),
        ];
        let all = all.into_iter().filter(|(number, ..)| *number > 0);
        // Whoever flushes before it is decided may lose what is right.
        steps.splice(0..0, all.map(|(_, purpose, what)| Step::new(purpose, None, what)));
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
        let rows = |wanted: Standing| self.tokens.iter().flat_map(move |token| token.rows(wanted));
        let who = |wanted: Standing| -> Vec<String> {
            let shown = rows(wanted).flat_map(|row| &row.shown_by);
            let who: BTreeSet<String> =
                shown.map(|one| format!("{} on {}", one.source.user, one.source.host)).collect();
            who.into_iter().collect()
        };
        let (stale, disputed) = (rows(Standing::Stale).count(), rows(Standing::Disputed).count());
        if stale > 0 {
            let what = if stale == 1 { "a key that is".to_owned() } else { format!("{stale} keys that are") };
            let who = who(Standing::Stale);
            let told = names(&who);
            // "1 other 4 keys" nobody reads at once.
            let text = if who.len() > MOST_NAMES {
                format!("OpenSC shows {what} not on the card: to {told}.")
            } else {
                format!("OpenSC shows {told} {what} not on the card.")
            };
            Some((Word::Stale, text.into()))
        } else if disputed > 0 {
            let has = |token: &&TokenTable| token.has(Standing::Disputed);
            let what = if self.tokens.iter().filter(has).all(|token| token.shared) {
                "something else than the card that was read last, and other cards have its serial number, too"
            } else {
                "another key than the card's certificate names"
            };
            let text = format!("OpenSC shows {} {what}.", names(&who(Standing::Disputed)));
            Some((Word::Undecided, text.into()))
        } else {
            None
        }
    }
}

/// Leaves out the steps that these findings took, but those before which something else comes; whether there are such.
fn without(steps: &mut Vec<Step>, findings: &[Finding], id: Id) -> bool {
    let own = findings.iter().filter(|finding| finding.id == id).flat_map(|finding| &finding.fix);
    let own = own.filter(|fix: &&Remedy| !fix.waits);
    let own: BTreeSet<&str> = own.map(|fix| fix.what.as_str()).collect();
    steps.retain(|step| !own.contains(step.what.as_str()));
    !own.is_empty()
}
