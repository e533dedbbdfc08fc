//! For people: the verdict first, the exact command to run next last, and between them one screen. The evidence is told
//! to whoever asks for more.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

pub use super::cache_entries::{cache, item};
pub use super::findings::findings;
pub use super::objects::{asked, live_note, not_listed, sides};
pub use super::providers::providers;

use super::cache_entries::cache_list;
use super::causes;
use super::lines::{BOLD, Detail, Elsewhere, GREEN, Page, Screen, padded, row, width, wrap};
use crate::finding::{Prose, Severity, Window};
use crate::judge::brief::{capital, looked_at};
use crate::judge::tally::Cache;
use crate::snapshot::Gap;
use crate::text::{count, shell_word};
use crate::verdict::brief::{Brief, Headline, Step, Word};
use crate::verdict::{ProgramState, Token, Verdict};

/// Steps of one report.
const MOST_STEPS: usize = 9;
/// What could not be read, one by one.
const MOST_UNREAD: usize = 3;
/// The least columns of the first word, so that most sentences begin in one place.
const HEAD: usize = 7;
/// The widest command that has what it does beside it.
const WIDEST_COMMAND: usize = 38;
/// The least columns for what a command does, or it stands below it.
const LEAST_BESIDE: usize = 30;
/// What keeps a report on one screen.
const MOST_CONSEQUENCES: usize = 2;

/// The report of `check`; `caches` of several users are listed with the evidence.
#[must_use]
pub fn check(screen: &Screen, verdict: &Verdict, brief: &Brief, caches: &[Cache]) -> String {
    let mut out = Page::new(screen);
    report(&mut out, verdict, brief, |out| {
        tokens(out, &verdict.tokens);
        programs(out, &verdict.programs);
        cache_list(out, caches);
        if let Some(window) = Window::of(&verdict.findings) {
            doubtful(out, window);
            out.gap();
        }
    });
    out.text()
}

/// Between when and when this host may have signed for a key that is gone.
pub fn doubtful(out: &mut Page<'_>, window: Window) {
    let screen = out.screen;
    let flushed = match window.flushed_at {
        // That was a moment ago.
        Some(at) => format!("flushed {}", screen.zone.written(at)),
        None => "not flushed yet".to_owned(),
    };
    let text = Prose::from("Signed meanwhile: cached ").at(window.cached_at);
    let text = text.and("; key replaced not before ").at(window.replaced_not_before);
    wrap(out, "  ", "    ", &screen.prose(&text.and(&format!("; {flushed}."))));
}

/// Any report on a verdict: the sentence, the danger, the causes, what they do, what to do, what was looked at. `more`
/// is told with the evidence.
pub fn report(out: &mut Page<'_>, verdict: &Verdict, brief: &Brief, more: impl FnOnce(&mut Page<'_>)) {
    headline(out, &brief.headline, &brief.dangers);
    let detail = out.screen.detail;
    if detail >= Detail::Usual {
        causes::show(out, verdict, &brief.causes);
        consequences(out, &brief.consequences);
    }
    if detail == Detail::All {
        out.gap();
        more(out);
        findings(out, &verdict.findings, verdict.tokens.len() > 1);
        coverage(out, &verdict.coverage);
    }
    ending(out, brief);
}

/// The steps, what was looked at, and what to do next.
pub fn ending(out: &mut Page<'_>, brief: &Brief) {
    let detail = out.screen.detail;
    if detail >= Detail::Usual {
        unread(out, brief);
        steps(out, &brief.steps);
        looked(out, brief);
    }
    next(out, brief);
}

/// The first line or two: what it comes to, and what not to do.
pub fn headline(out: &mut Page<'_>, headline: &Headline, dangers: &[String]) {
    let style = style(headline.state);
    let word = headline.state.text();
    let columns = HEAD.max(word.len() + 2);
    let indent = " ".repeat(columns);
    // Styled by hand: what a style is made of takes no column.
    let mut text = Page::new(out.screen);
    wrap(&mut text, &padded(word, columns), &indent, &out.screen.prose(&headline.sentence));
    let text = text.text();
    let rest = text.get(word.len()..).unwrap_or_default();
    let _ = write!(out, "{style}{word}{style:#}{rest}");
    for danger in dangers {
        wrap(out, &indent, &indent, danger);
    }
}

const fn style(word: Word) -> Style {
    match word {
        Word::Stale | Word::Undecided | Word::Wrong | Word::Configuration | Word::Failed => {
            AnsiColor::Red.on_default().bold()
        }
        Word::Risk | Word::Unread | Word::Partly | Word::Planned => AnsiColor::Yellow.on_default().bold(),
        Word::Sound | Word::Done | Word::Unchanged => AnsiColor::Green.on_default().bold(),
    }
}

fn consequences(out: &mut Page<'_>, consequences: &[String]) {
    if consequences.is_empty() {
        return;
    }
    out.gap();
    let told: Vec<String> = consequences.iter().take(MOST_CONSEQUENCES).map(|text| capital(text)).collect();
    wrap(out, "", "", &told.join(" "));
}

/// What was asked for and could not be read.
fn unread(out: &mut Page<'_>, brief: &Brief) {
    if brief.unread.is_empty() {
        return;
    }
    out.gap();
    let _ = writeln!(out, "{BOLD}Not read{BOLD:#}");
    for what in brief.unread.iter().take(MOST_UNREAD) {
        wrap(out, "  ", "    ", what);
    }
    if let Some(more) = brief.unread.len().checked_sub(MOST_UNREAD).filter(|more| *more > 0) {
        let _ = writeln!(out, "  and {more} more: -v");
    }
}

/// What to do, in this order.
pub fn steps(out: &mut Page<'_>, steps: &[Step]) {
    // One step alone is said below.
    if steps.len() < 2 {
        return;
    }
    out.gap();
    match &out.screen.elsewhere {
        Some(elsewhere) => {
            let title = format!("Do on {}", elsewhere.told(steps.iter().any(Step::is_of_one_user)));
            let _ = writeln!(out, "{BOLD}{title}{BOLD:#}");
        }
        None => {
            let _ = writeln!(out, "{BOLD}Do now{BOLD:#}");
        }
    }
    let shown: Vec<&Step> = steps.iter().take(MOST_STEPS).collect();
    let typed = |step: &Step| step.command.as_ref().map(|command| out.screen.command(command).into_owned());
    let shown: Vec<(&Step, Option<String>)> = shown.into_iter().map(|step| (step, typed(step))).collect();
    let commands = shown.iter().filter_map(|(_, command)| command.as_ref()).map(|command| width(command));
    let widest = WIDEST_COMMAND.min(out.width().saturating_sub(LEAST_BESIDE + 7));
    let column = commands.filter(|columns| *columns <= widest).max().unwrap_or(0);
    for (number, (step, command)) in (1..).zip(&shown) {
        match command {
            Some(command) if width(command) <= column => {
                let blanks = " ".repeat(column - width(command));
                let indent = " ".repeat(5 + column + 2);
                let lead = format!("  {number}. {command}");
                let mut text = Page::new(out.screen);
                wrap(&mut text, &format!("{lead}{blanks}  "), &indent, &out.screen.step(step));
                let text = text.text();
                let rest = text.get(lead.len()..).unwrap_or("\n");
                let _ = write!(out, "  {number}. {GREEN}{command}{GREEN:#}{rest}");
            }
            Some(command) => {
                let _ = writeln!(out, "  {number}. {GREEN}{command}{GREEN:#}");
                wrap(out, "     ", "     ", &out.screen.step(step));
            }
            None => wrap(out, &format!("  {number}. "), "     ", &out.screen.step(step)),
        }
    }
    if let Some(more) = steps.len().checked_sub(MOST_STEPS).filter(|more| *more > 0) {
        let _ = writeln!(out, "  and {}: --format json", count(more, "more", "more"));
    }
}

/// Whose caches it is about, and where more stands; and the first thing to do, if that is all there is to say.
fn looked(out: &mut Page<'_>, brief: &Brief) {
    if brief.scope.users.is_empty() {
        if brief.passed_over > 0 {
            let more = if out.screen.detail < Detail::All { " More: -v" } else { "" };
            let things = count(brief.passed_over, "thing", "things");
            wrap(out, "", "", &format!("Not looked at: {things}.{more}"));
        }
        return;
    }
    let mut line = match &out.screen.elsewhere {
        // What was not recorded nobody can ask for here.
        Some(Elsewhere { host, .. }) => {
            let written = out.screen.zone.written(out.screen.now);
            format!("{} As recorded on {host}, {written}.", looked_at(&brief.scope, 0))
        }
        None => looked_at(&brief.scope, if out.screen.detail == Detail::All { usize::MAX } else { 1 }),
    };
    let notes = brief.causes.iter().filter(|cause| cause.severity == Severity::Info).count();
    if notes > 0 {
        line.push_str(&format!(" {}.", count(notes, "note", "notes")));
    }
    if brief.passed_over > 0 {
        line.push_str(&format!(" Not looked at: {}.", count(brief.passed_over, "thing", "things")));
    }
    let worst =
        brief.causes.iter().find(|cause| cause.severity > Severity::Info && !cause.kind.is_only_a_step());
    if out.screen.detail < Detail::All && (worst.is_some() || notes + brief.passed_over > 0) {
        line.push_str(" More: -v");
        if worst.is_some() {
            line.push_str(", explain");
        }
    }
    let indent = if brief.steps.len() < 2 && worst.is_none() && brief.unread.is_empty() {
        " ".repeat(HEAD)
    } else {
        String::new()
    };
    wrap(out, &indent, &indent, &line);
}

/// The last line: the first thing to do.
pub fn next(out: &mut Page<'_>, brief: &Brief) {
    let Some(step) = brief.next() else { return };
    let as_user = step.is_of_one_user();
    match (&step.command, step.after) {
        (Some(command), None) => ask_for(out, command, as_user),
        (Some(command), Some(after)) => {
            let command = out.screen.command(command).into_owned();
            let lead = lead_of(out, &command, as_user);
            wrap(out, &lead, "  ", &format!("{command}, {after}"));
        }
        (None, _) => {
            let lead = next_lead(out.screen, as_user);
            wrap(out, &lead, "  ", &out.screen.step(&step));
        }
    }
}

/// The last line of a list in which something is not as it should be, or that is not whole: it says what there is, and a check
/// what to do.
pub fn ask_check(out: &mut Page<'_>) {
    ask(out, "stalecard check");
}

/// The last line of a list: the command that says what to do.
pub(super) fn ask(out: &mut Page<'_>, command: &str) {
    ask_for(out, command, true);
}

/// The same; `as_user`: it makes a difference who does it.
fn ask_for(out: &mut Page<'_>, command: &str, as_user: bool) {
    let command = out.screen.command(command).into_owned();
    let lead = lead_of(out, &command, as_user);
    let _ = writeln!(out, "{lead}{GREEN}{command}{GREEN:#}");
}

/// What stands before it in the last line. A command is not cut: where there is no room for it, that has a line of its own.
fn lead_of(out: &mut Page<'_>, command: &str, as_user: bool) -> String {
    let lead = next_lead(out.screen, as_user);
    if out.screen.elsewhere.is_none() || width(&lead) + width(command) <= out.width() {
        return lead;
    }
    let _ = writeln!(out, "{}", lead.trim_end());
    "  ".to_owned()
}

/// Where the first thing is to be done, if not here, and as whom.
fn next_lead(screen: &Screen, as_user: bool) -> String {
    let there = screen.elsewhere.as_ref().map(|elsewhere| format!("on {}: ", elsewhere.told(as_user)));
    format!("Next: {}", there.unwrap_or_default())
}

/// One paragraph for each token.
pub fn tokens(out: &mut Page<'_>, tokens: &[Token]) {
    for token in tokens {
        let serial = token.serial.as_deref().map_or_else(|| "without serial number".to_owned(), shell_word);
        let label = token.label.as_ref().map(|label| format!("\"{label}\""));
        let most = out.width().saturating_sub(10);
        let fits = |label: &&String| width(&serial) + width(label) < most;
        let beside = label.as_ref().filter(fits).map(|label| format!(" {label}")).unwrap_or_default();
        let _ = writeln!(out, "{BOLD}Token {serial}{BOLD:#}{beside}");
        if let Some(label) = label.as_ref().filter(|label| !fits(label)) {
            row(out, "label", label);
        }
        if let Some(shown) = token.shown_label.as_ref().filter(|shown| token.label.as_ref() != Some(*shown)) {
            row(out, "shown label", &format!("\"{shown}\", by programs on this host"));
        }
        row(out, "reader", &token.reader);
        row(out, "card", &token.family);
        for (name, value) in &token.status {
            row(out, name, value);
        }
        if let Some(objects) = &token.objects {
            row(out, "objects", objects);
        }
        out.push('\n');
    }
}

/// How each program caches.
pub fn programs(out: &mut Page<'_>, programs: &[ProgramState]) {
    if programs.is_empty() {
        return;
    }
    for program in programs {
        let _ = writeln!(out, "{BOLD}{}{BOLD:#}", program.name);
        row(out, "caching", &program.caching_text);
        if let Some(dir) = &program.cache_dir {
            row(out, "cache", dir);
        }
    }
    out.push('\n');
}

/// What was not looked at.
pub fn coverage(out: &mut Page<'_>, gaps: &[Gap]) {
    if gaps.is_empty() {
        return;
    }
    let _ = writeln!(out, "{BOLD}Not looked at{BOLD:#}");
    for gap in gaps {
        wrap(out, "  ", "    ", &format!("{}: {}", gap.what, gap.why));
    }
    out.push('\n');
}
