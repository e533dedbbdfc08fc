//! One line for Nagios, Icinga and their kin, by the Monitoring Plugins Development Guidelines:
//! state, text, performance data.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::finding::{Finding, Severity};
use crate::judge::ending::State;
use crate::text::count;
use crate::verdict::Verdict;

const fn name(state: State) -> &'static str {
    match state {
        State::Ok => "OK",
        State::Warning => "WARNING",
        State::Critical => "CRITICAL",
        State::Unknown => "UNKNOWN",
    }
}

/// The line about a verdict.
#[must_use]
pub fn line(state: State, verdict: &Verdict, took: Duration) -> String {
    let number = |severity| verdict.findings.iter().filter(|finding| finding.severity == severity).count();
    let [critical, error, warning, info] =
        [Severity::Critical, Severity::Error, Severity::Warning, Severity::Info].map(number);
    let tokens = verdict.tokens.len();
    let performance = format!(
        "critical={critical};;0;0 error={error};;0;0 warning={warning};0;;0 info={info};;;0 tokens={tokens};;;0 \
         time={:.3}s;;;0",
        took.as_secs_f64()
    );
    format!("{} | {performance}", failed(state, &words(state, verdict)))
}

/// The line of a check that came to nothing, or the first part of any other.
#[must_use]
pub fn failed(state: State, why: &str) -> String {
    // The bar begins the performance data, and the line is all that is read.
    let why = crate::text::tame(why).replace('|', "/");
    format!("STALECARD {} - {why}", name(state))
}

fn words(state: State, verdict: &Verdict) -> String {
    let gap = verdict.coverage.iter().find(|gap| gap.asked_for);
    if let (State::Unknown, Some(gap)) = (state, gap) {
        return format!("not read: {}: {}", gap.what, gap.why);
    }
    let mut ids: BTreeMap<_, usize> = BTreeMap::new();
    let worth = |finding: &&Finding| finding.severity > Severity::Info;
    for finding in verdict.findings.iter().filter(worth) {
        let token = finding.token.as_deref().unwrap_or("host");
        *ids.entry((std::cmp::Reverse(finding.severity), token, finding.id)).or_default() += 1;
    }
    let mut of = "";
    let found = ids.iter().map(|((_, token, id), number)| {
        let head =
            if std::mem::replace(&mut of, token) == *token { String::new() } else { format!("{token}: ") };
        match number {
            1 => format!("{head}{}", id.name()),
            _ => format!("{head}{number} {}", id.name()),
        }
    });
    let mut parts: Vec<String> = found.collect();
    if parts.is_empty() {
        let serials: Vec<&str> = verdict.tokens.iter().filter_map(|token| token.serial.as_deref()).collect();
        let fine = if verdict.compared {
            "what OpenSC shows is what is on the card"
        } else {
            "no card was compared"
        };
        parts.push(fine.to_owned());
        parts.push(if serials.is_empty() { count(0, "token", "tokens") } else { serials.join(" ") });
    }
    parts.join(", ")
}
