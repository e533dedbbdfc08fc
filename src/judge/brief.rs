//! The verdict in brief: the sentence that is made of it, and what is said in which order.
//!
//! What binds here: the worst that is found is what the sentence is about; "the card is sound" is said only where it is
//! proven; and nothing is said to be right that was not looked at.

use std::collections::BTreeSet;

use super::cause::{causes, counted};
use super::steps::steps;
use crate::finding::{Danger, Finding, Id, Prose, Severity, Shows};
use crate::snapshot::{Gap, GapKind};
use crate::text::count;
use crate::verdict::brief::{Brief, CardStanding, Cause, CauseKind, Headline, Purpose, Step, Word};
use crate::verdict::{Scope, Token, Verdict};

/// Names in a sentence.
pub const MOST_NAMES: usize = 3;

/// A verdict as it is told.
#[must_use]
pub fn brief(verdict: &Verdict) -> Brief {
    let mut causes = causes(&verdict.findings);
    let headline = headline(verdict, &causes);
    for cause in causes.iter_mut().filter(|cause| cause.on_card.is_none() && cause.count == 1) {
        cause.is_said = headline.sentence.contains(&*cause.summary);
    }
    let mut steps = steps(verdict, &causes, lead(verdict, &causes));
    let mut headline = headline;
    flush_first(&mut headline, &steps);
    if headline.state == Word::Unread {
        steps.insert(0, look_again(&verdict.scope));
    }
    let seen = |finding: &&Finding| finding.severity >= Severity::Error;
    let mut consequences: Vec<String> = Vec::new();
    let mut dangers: Vec<&Danger> = Vec::new();
    for finding in &verdict.findings {
        if let Some(danger) = &finding.danger
            && !dangers.iter().any(|known| known.brief == danger.brief)
        {
            dangers.push(danger);
        }
    }
    let told = || verdict.findings.iter().filter(seen).filter(|finding| !finding.is_of_running_programs());
    // That something else is shown as it was is little beside what comes of a wrong key.
    let is_minor = |finding: &Finding| finding.id == Id::StaleObject;
    let has_major = told().any(|finding| finding.id.shows() != Shows::Other && !is_minor(finding));
    for finding in told().filter(|finding| !(has_major && is_minor(finding))) {
        if !consequences.contains(&finding.consequence) {
            consequences.push(finding.consequence.clone());
        }
    }
    let mut others: Vec<&Gap> = verdict.coverage.iter().filter(|gap| !gap.asked_for).collect();
    // What the sentence says is not said again.
    if let Some(told) = others.first().copied().filter(|gap| headline.sentence.contains(&gap.why)) {
        others.retain(|gap| *gap != told);
    }
    let unread = unsaid(verdict, &headline);
    Brief {
        headline,
        dangers: dangers.into_iter().map(|danger| danger.brief.clone()).collect(),
        causes,
        consequences,
        steps,
        unread,
        passed_over: others.len(),
        scope: verdict.scope.clone(),
    }
}

/// Says why the first step is not about what the sentence is about.
pub(super) fn flush_first(headline: &mut Headline, steps: &[Step]) {
    let is_first = steps.first().is_some_and(|step| step.purpose == Purpose::Flush);
    if headline.state == Word::Configuration && is_first {
        let why = " Flush before you mend it: then it would show what is stale.";
        headline.sentence = std::mem::take(&mut headline.sentence).and(why);
    }
}

/// What was asked for and could not be read, each with its reason, but what this sentence says.
#[must_use]
pub fn unsaid(verdict: &Verdict, headline: &Headline) -> Vec<String> {
    let is_said = |gap: &&Gap| {
        let why = gap.why.trim_end_matches('.');
        [gap.what.clone(), capital(&gap.what)]
            .iter()
            .any(|what| headline.sentence.contains(&format!("{what}: {why}")))
    };
    let asked = verdict.coverage.iter().filter(|gap| gap.asked_for);
    asked.filter(|gap| !is_said(gap)).map(|gap| format!("{}: {}", gap.what, gap.why)).collect()
}

/// What makes it possible to look.
fn look_again(scope: &Scope) -> Step {
    let command = if scope.is_recorded { "stalecard snapshot -o FILE" } else { "stalecard check" };
    Step::again(Purpose::Look, command, "when what was not read can be read")
}

/// Why no card was compared, if none was.
fn no_card(verdict: &Verdict) -> Option<&Gap> {
    let asked = || verdict.coverage.iter().filter(|gap| gap.asked_for && !verdict.compared);
    asked().find(|gap| gap.kind == GapKind::Card).or_else(|| asked().next())
}

/// The worst that is wrong.
fn worst(causes: &[Cause]) -> Option<&Cause> {
    let is_bad = |cause: &&Cause| cause.severity >= Severity::Error;
    let mut seen = causes.iter().filter(|cause| !cause.kind.is_only_a_step());
    seen.find(is_bad).or_else(|| causes.iter().find(is_bad))
}

/// What is a risk to come: what might come again after what is there.
fn risk(causes: &[Cause]) -> Option<&Cause> {
    // What a program misses is no risk to come, but not all is clear with it either.
    let misses = |cause: &Cause| !cause.programs.is_empty() && cause.kind != CauseKind::Process;
    let risks = causes.iter().filter(|cause| cause.severity == Severity::Warning || misses(cause));
    risks.min_by_key(|cause| cause.kind == CauseKind::Recurrence)
}

/// The cause that the sentence of a verdict is about, if it is about one.
#[must_use]
pub fn lead<'c>(verdict: &Verdict, causes: &'c [Cause]) -> Option<&'c Cause> {
    let is_whole = verdict.compared && !verdict.coverage.iter().any(|gap| gap.asked_for);
    worst(causes).or_else(|| risk(causes).filter(|_| is_whole))
}

/// The sentence of a verdict. What is odd about the home that it is about comes first: nobody would expect it.
#[must_use]
pub fn headline(verdict: &Verdict, causes: &[Cause]) -> Headline {
    let mut headline = plain_headline(verdict, causes);
    if let Some(home) = &verdict.scope.home {
        headline.sentence = Prose::from(format!("{home}: ")).then(&headline.sentence);
    }
    headline
}

fn plain_headline(verdict: &Verdict, causes: &[Cause]) -> Headline {
    let card = card(verdict);
    let said = |state, sentence: Prose| Headline { state, sentence, card };
    let missing = verdict.coverage.iter().find(|gap| gap.asked_for);
    if let Some(worst) = worst(causes) {
        let state = match worst.kind {
            CauseKind::Key
            | CauseKind::Certificate
            | CauseKind::Object
            | CauseKind::Hidden
            | CauseKind::Damaged
            | CauseKind::Dormant
            | CauseKind::Recurrence
            | CauseKind::Process => Word::Stale,
            CauseKind::Undecided => Word::Undecided,
            CauseKind::Token | CauseKind::Host => Word::Wrong,
            CauseKind::Configuration => Word::Configuration,
        };
        let sentence = if worst.kind.is_seen() {
            shown(verdict, causes, worst.kind).into()
        } else {
            worst.summary.clone()
        };
        let standing = match card {
            _ if state != Word::Stale => "",
            CardStanding::Proven => " The card is sound.",
            CardStanding::NothingAgainst => " Nothing speaks against the card.",
            CardStanding::Against | CardStanding::Unread => "",
        };
        let open = if missing.is_some() { " Not everything could be read: there may be more." } else { "" };
        return said(state, sentence.and(standing).and(open));
    }
    if !verdict.compared {
        let why = no_card(verdict)
            .map(|gap| format!(" {}: {}.", capital(&gap.what), gap.why.trim_end_matches('.')));
        let sentence = format!("No card was compared with its cache.{}", why.unwrap_or_default());
        return said(Word::Unread, sentence.into());
    }
    if missing.is_some() {
        let first = missing.map(|gap| format!("{}: {}", gap.what, gap.why.trim_end_matches('.')));
        let open = format!("Not everything that was asked for could be read: {}.", first.unwrap_or_default());
        let sentence = match risk(causes).filter(|risk| risk.kind != CauseKind::Recurrence) {
            Some(risk) => Prose::from(format!("{open} ")).then(&risk.summary),
            None => format!("{open} Nothing wrong in what could be.").into(),
        };
        return said(Word::Unread, sentence);
    }
    let (users, tokens) = (names(&verdict.scope.users), tokens(&verdict.tokens));
    let is_whole = verdict.coverage.is_empty();
    let mut sentence = if is_whole {
        let running = verdict.findings.iter().any(Finding::is_of_running_programs);
        let opensc = if running { "In a program that is started now OpenSC" } else { "OpenSC" };
        let opensc = format!("{opensc}{}", reading(&verdict.scope));
        format!("{opensc} shows {users} what is on the card: {tokens}.")
    } else {
        format!("Nothing wrong in what was looked at for {users}: {tokens}.")
    };
    if let Some(gap) = verdict.coverage.first() {
        sentence.push_str(&format!(" Not looked at: {}: {}.", gap.what, gap.why.trim_end_matches('.')));
    }
    let sentence = Prose::from(sentence);
    match risk(causes) {
        Some(risk) if risk.kind == CauseKind::Recurrence => {
            said(Word::Risk, sentence.and(" But caching is on: the next change would not show."))
        }
        Some(risk) => said(Word::Risk, sentence.and(" But: ").then(&risk.summary)),
        None => said(if is_whole { Word::Sound } else { Word::Partly }, sentence),
    }
}

/// What is shown to whom: `OpenSC shows root a key that is not on the card.`
fn shown(verdict: &Verdict, causes: &[Cause], kind: CauseKind) -> String {
    let same: Vec<&Cause> =
        causes.iter().filter(|cause| cause.kind == kind && cause.severity >= Severity::Error).collect();
    let caller = verdict.scope.users.first();
    let users: BTreeSet<&String> = same.iter().filter_map(|cause| cause.user.as_ref().or(caller)).collect();
    let users = names(&users.into_iter().cloned().collect::<Vec<_>>());
    let programs: BTreeSet<&String> = same.iter().flat_map(|cause| &cause.programs).collect();
    let all = verdict.programs.iter().filter(|program| program.caching.is_on());
    let who = if programs.is_empty() || all.clone().all(|program| programs.contains(&program.name)) {
        "OpenSC".to_owned()
    } else {
        names(&programs.into_iter().cloned().collect::<Vec<_>>())
    };
    let who = format!("{who}{}", reading(&verdict.scope));
    // One key that two users see is one key.
    let objects: BTreeSet<_> = same.iter().map(|cause| (&cause.token, &cause.title, &cause.files)).collect();
    let number = objects.len();
    let things = counted(kind, number);
    let (is, shows) = (if number == 1 { "is" } else { "are" }, "shows");
    match kind {
        CauseKind::Key | CauseKind::Certificate => {
            format!("{who} {shows} {users} {things} that {is} not on the card.")
        }
        CauseKind::Hidden => format!("{who} does not show {users} {things} on the card."),
        CauseKind::Undecided => {
            let which = if number == 1 { "which of the two is right" } else { "which are right" };
            format!(
                "{who} {shows} {users} {things} otherwise than the card names {}, and no file tells {which}.",
                if number == 1 { "it" } else { "them" }
            )
        }
        CauseKind::Damaged => format!("{who} {shows} {users} what {things} made of the card."),
        CauseKind::Object
        | CauseKind::Dormant
        | CauseKind::Recurrence
        | CauseKind::Process
        | CauseKind::Configuration
        | CauseKind::Token
        | CauseKind::Host => format!("{who} {shows} {users} {things} otherwise than on the card."),
    }
}

/// Which directories it is about, if these were named: nothing is said of a program's own.
fn reading(scope: &Scope) -> String {
    match scope.directories.as_slice() {
        [] => String::new(),
        named => format!(", reading {},", names(named)),
    }
}

/// What is known of the cards.
fn card(verdict: &Verdict) -> CardStanding {
    let is_unread = |gap: &Gap| gap.asked_for && gap.kind == GapKind::Card;
    let is_against = |finding: &Finding| {
        finding.severity >= Severity::Error
            && finding.token.is_some()
            && (finding.is_in_doubt() || finding.holds_its_entries() || finding.id.shows() == Shows::Other)
    };
    if !verdict.compared || verdict.coverage.iter().any(is_unread) {
        CardStanding::Unread
    } else if verdict.findings.iter().any(is_against) {
        CardStanding::Against
    } else if !verdict.unproven.iter().any(|key| key.is_listed) && verdict.asked.is_empty() {
        CardStanding::Proven
    } else {
        CardStanding::NothingAgainst
    }
}

/// `HSM-H1, DENK0200834, 1 key`.
#[must_use]
pub fn tokens(tokens: &[Token]) -> String {
    let mut told: Vec<String> = tokens.iter().take(MOST_NAMES).map(token).collect();
    if let Some(more) = tokens.len().checked_sub(MOST_NAMES).filter(|more| *more > 0) {
        told.push(format!("and {}", count(more, "further token", "further tokens")));
    }
    told.join("; ")
}

fn token(token: &Token) -> String {
    let parts = [
        token.label.clone().filter(|label| !label.is_empty()),
        token.serial.clone().or_else(|| Some("without serial number".to_owned())),
        token.private_keys.map(|keys| count(keys, "key", "keys")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `root`, `root and ca`, `root, ca, www-data and 7 others`; a user without a name by the number.
#[must_use]
pub fn names(all: &[String]) -> String {
    let told = |name: &String| {
        let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { format!("user {name}") } else { name.clone() }
    };
    let few: Vec<String> = all.iter().take(MOST_NAMES).map(told).collect();
    match (few.as_slice(), all.len().saturating_sub(MOST_NAMES)) {
        ([], _) => "nobody".to_owned(),
        ([one], _) => one.clone(),
        ([all_but_one @ .., last], 0) => format!("{} and {last}", all_but_one.join(", ")),
        (few, rest) => format!("{} and {}", few.join(", "), count(rest, "other", "others")),
    }
}

/// With a capital letter first.
#[must_use]
pub fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// Whose caches the sentence is about, as a line: `Looked at: root. Not asked for: other users (--all-users).` Of what
/// was not asked for the first `most`; of a command that is a check only what it takes besides.
#[must_use]
pub fn looked_at(scope: &Scope, most: usize) -> String {
    let looked_at = if scope.directories.is_empty() { &scope.users } else { &scope.directories };
    let mut line = format!("Looked at: {}.", names(looked_at));
    for other in scope.not_asked_for.iter().take(most) {
        let command = match (other.option, &other.command) {
            (Some(option), _) => format!(" ({option})"),
            (None, Some(command)) => format!(" (`{command}`)"),
            (None, None) => String::new(),
        };
        line.push_str(&format!(" Not asked for: {}{command}.", other.what));
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::finding::{Evidence, ObjectClass, ObjectName, Remedy, Side, SideState};
    use crate::snapshot::GapKind;
    use crate::verdict::{ProgramState, UnprovenKey};

    /// A host on which a key shows another ID and another public key than the card.
    fn stale() -> Verdict {
        let object = |class: ObjectClass| ObjectName {
            class,
            reference: Some(1),
            label: "Key".to_owned(),
            id: Some("22".to_owned()),
            shown_id: Some("11".to_owned()),
        };
        let finding = |id: Id, class: ObjectClass| {
            let mut finding = Finding::new(id, format!("{class} differs"), format!("{class} misleads."));
            finding.token = Some("T".to_owned());
            finding.object = Some(object(class));
            finding.program = vec!["pkcs15-tool".to_owned()];
            let side = Side { state: Some(SideState::Object(class)), ..Side::default() };
            finding.evidence.push(Evidence {
                shown: Some(side.clone()),
                card: Some(side),
                ..Evidence::default()
            });
            finding.fix.push(Remedy::flush("move them"));
            finding
        };
        Verdict {
            findings: vec![
                finding(Id::StaleKeyId, ObjectClass::PrivateKey),
                finding(Id::StalePublicKey, ObjectClass::PublicKey),
            ],
            compared: true,
            scope: Scope { users: vec!["ca".to_owned()], ..Scope::default() },
            ..Verdict::default()
        }
    }

    fn gap(asked_for: bool) -> Gap {
        Gap::new(GapKind::Card, asked_for, "file X".to_owned(), "no answer".to_owned())
    }

    #[test]
    fn one_key_in_one_cache_is_one_cause_whatever_is_found_of_it() {
        let told = brief(&stale());
        let [cause] = told.causes.as_slice() else { unreachable!("{:?}", told.causes) };
        assert_eq!((cause.kind, cause.severity), (CauseKind::Key, Severity::Critical));
        assert_eq!((cause.on_card.as_deref(), cause.shown.as_deref()), (Some("22"), Some("11")));
        assert_eq!(
            (cause.also_old.as_slice(), cause.findings.len()),
            ([ObjectClass::PublicKey].as_slice(), 2)
        );
        let purposes: Vec<Purpose> = told.steps.iter().map(|step| step.purpose).collect();
        let order = [Purpose::Flush, Purpose::Restart, Purpose::Verify, Purpose::Reissue];
        assert_eq!(purposes, order);
        assert_eq!(told.next().unwrap().call(), "stalecard flush");
        // Of another user it is another one, and each is told whose it is.
        let mut of_two = stale();
        let others = of_two
            .findings
            .clone()
            .into_iter()
            .map(|finding| Finding { user: Some("eve".to_owned()), ..finding });
        of_two.findings.extend(others.collect::<Vec<_>>());
        let told = brief(&of_two);
        assert_eq!(told.causes.len(), 2);
        assert!(
            told.headline.sentence.starts_with("OpenSC shows ca and eve a key that is not on the card."),
            "{told:?}"
        );
    }

    #[test]
    fn the_card_is_called_sound_only_where_that_is_proven() {
        let mut verdict = stale();
        let said = |verdict: &Verdict| brief(verdict).headline.sentence.to_string();
        assert_eq!(said(&verdict), "OpenSC shows ca a key that is not on the card. The card is sound.");
        let (token, id) = ("T".to_owned(), "33".to_owned());
        verdict.unproven.push(UnprovenKey { token, id, reference: Some(2), is_listed: true });
        assert!(said(&verdict).ends_with(" Nothing speaks against the card."), "{}", said(&verdict));
        verdict.coverage.push(gap(true));
        assert!(
            said(&verdict).ends_with(" Not everything could be read: there may be more."),
            "{}",
            said(&verdict)
        );
        assert!(!said(&verdict).contains("sound"), "{}", said(&verdict));
    }

    #[test]
    fn what_was_not_looked_at_is_never_said_to_be_right() {
        let mut verdict = Verdict { findings: Vec::new(), ..stale() };
        let state = |verdict: &Verdict| brief(verdict).headline.state;
        assert_eq!(state(&verdict), Word::Sound);
        verdict.coverage.push(gap(false));
        assert_eq!(state(&verdict), Word::Partly);
        verdict.coverage.push(gap(true));
        assert_eq!(state(&verdict), Word::Unread);
        let told = brief(&Verdict { compared: false, ..verdict.clone() });
        assert_eq!(told.headline.state, Word::Unread);
        assert_eq!(&*told.headline.sentence, "No card was compared with its cache. File X: no answer.");
        let mut recorded = Verdict { compared: false, ..verdict.clone() };
        recorded.scope.is_recorded = true;
        let again = "stalecard snapshot -o FILE";
        assert_eq!(brief(&recorded).next().unwrap().call(), again);
        // Said once, and what to do is not what would be done about something else.
        assert!(told.unread.is_empty(), "{told:?}");
        assert_eq!(told.next().unwrap().purpose, Purpose::Look);
    }

    #[test]
    fn a_program_that_shows_it_alone_is_named() {
        let mut verdict = stale();
        let state = |name: &str| ProgramState {
            name: name.to_owned(),
            caching: crate::verdict::CachingState::Public,
            caching_text: String::new(),
            set_at: None,
            cache_dir: None,
            opensc: None,
        };
        verdict.programs = vec![state("pkcs15-tool")];
        assert!(brief(&verdict).headline.sentence.starts_with("OpenSC shows "));
        verdict.programs.push(state("opensc-pkcs11"));
        assert!(brief(&verdict).headline.sentence.starts_with("pkcs15-tool shows ca a key"));
    }
}
