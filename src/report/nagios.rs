//! For Nagios, Icinga and their kin, by the Monitoring Plugins Development Guidelines: one line of state, text and
//! performance data, which says the key and the cure, and the steps below it.

use std::time::Duration;

use super::lines::Screen;
use crate::finding::Severity;
use crate::judge::brief::names;
use crate::judge::ending::State;
use crate::judge::steps::cures;
use crate::text::{count, tame};
use crate::verdict::brief::{Brief, Cause, Step, Word};
use crate::verdict::{Scope, Verdict};

/// Causes in the first line: it may be all that is shown.
const MOST_CAUSES: usize = 3;
/// Lines below it.
const MOST_STEPS: usize = 9;

const fn name(state: State) -> &'static str {
    match state {
        State::Ok => "OK",
        State::Warning => "WARNING",
        State::Critical => "CRITICAL",
        State::Unknown => "UNKNOWN",
    }
}

/// What monitoring reads of a verdict: the key and the cure with the performance data, and below them the steps.
#[must_use]
pub fn line(screen: &Screen, state: State, verdict: &Verdict, brief: &Brief, took: Duration) -> String {
    let number = |severity| verdict.findings.iter().filter(|finding| finding.severity == severity).count();
    let [critical, error, warning, info] =
        [Severity::Critical, Severity::Error, Severity::Warning, Severity::Info].map(number);
    let tokens = verdict.tokens.len();
    let performance = format!(
        "critical={critical};;0;0 error={error};;0;0 warning={warning};0;;0 info={info};;;0 tokens={tokens};;;0 \
         time={:.3}s;;;0",
        took.as_secs_f64()
    );
    let mut text = format!("{} | {performance}", failed(state, &words(state, verdict, brief)));
    let steps = brief.steps.iter().take(MOST_STEPS).filter(|_| state != State::Ok);
    for (number, step) in (1..).zip(steps) {
        let what = step.command.as_ref().map(|_| format!(": {}", screen.step(step))).unwrap_or_default();
        text.push_str(&format!("\n{number}. {}", tame(&format!("{}{what}", step.call()))));
    }
    text
}

/// The line of a check that came to nothing, or the first part of any other.
#[must_use]
pub fn failed(state: State, why: &str) -> String {
    // The bar begins the performance data, and the line is all that is read.
    let why = tame(why).replace('|', "/");
    format!("STALECARD {} - {why}", name(state))
}

fn words(state: State, verdict: &Verdict, brief: &Brief) -> String {
    let gap = verdict.coverage.iter().find(|gap| gap.asked_for);
    if let (State::Unknown, Some(gap)) = (state, gap) {
        return format!("not read: {}: {}", gap.what, gap.why);
    }
    let Scope { users, directories, home, .. } = &brief.scope;
    let whom = if directories.is_empty() { users } else { directories };
    let home = home.as_ref().map(|home| format!("{home}: ")).unwrap_or_default();
    let told: Vec<&Cause> = brief.causes.iter().filter(|cause| cause.severity > Severity::Info).collect();
    // What a program misses, or what was not looked at, is no trouble for whoever watches; but not all is clear with it.
    if told.is_empty() && verdict.compared && brief.headline.state != Word::Sound {
        return brief.headline.sentence.trim_end_matches('.').to_owned();
    }
    if told.is_empty() {
        let serials: Vec<&str> = verdict.tokens.iter().filter_map(|token| token.serial.as_deref()).collect();
        let fine = if verdict.compared {
            format!("what OpenSC shows {} is what is on the card", names(whom))
        } else {
            "no card was compared".to_owned()
        };
        let of = if serials.is_empty() { count(0, "token", "tokens") } else { serials.join(" ") };
        return format!("{home}{fine}, {of}");
    }
    // Each with its own cure: what helps against one does nothing about the other.
    let mut parts: Vec<(String, String)> = Vec::new();
    for cause in &told {
        let part = (named(cause), cure(verdict, brief, cause));
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    let mut text = home;
    let mut shown = parts.iter().take(MOST_CAUSES).peekable();
    while let Some((what, cure)) = shown.next() {
        text.push_str(what);
        match shown.peek() {
            Some((_, next)) if next == cure => text.push_str(", "),
            Some(_) => text.push_str(&format!("{cure}; ")),
            None => text.push_str(cure),
        }
    }
    if let Some(more) = parts.len().checked_sub(MOST_CAUSES).filter(|more| *more > 0) {
        text.push_str(&format!("; and {more} more"));
    }
    format!("{text}; looked at: {}", names(whom))
}

/// What helps against a cause, of what is to be done the first.
fn cure(verdict: &Verdict, brief: &Brief, cause: &Cause) -> String {
    let cures = cures(verdict, cause);
    let is_cure = |step: &&Step| cures.iter().any(|cure| cure.call() == step.call());
    let step = brief.steps.iter().find(is_cure).or_else(|| cures.first());
    step.map(|step| format!(": {}", step.call())).unwrap_or_default()
}

/// `DENK0200834 key 1 "Private Key" (stale-key-id, stale-public-key)`.
fn named(cause: &Cause) -> String {
    let ids: Vec<&str> = cause.findings.iter().map(|id| id.name()).collect();
    let of = cause.token.as_deref().unwrap_or("host");
    let user = cause.user.as_ref().map(|user| format!(" of {user}")).unwrap_or_default();
    if cause.title.is_empty() {
        format!("{of} {}{user}", ids.join(", "))
    } else {
        format!("{of} {} ({}){user}", cause.title, ids.join(", "))
    }
}
