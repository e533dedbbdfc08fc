//! What is wrong, for people: below each token its causes, one after the other. One key has a row for each thing that there
//! is to know of it, of several each has two lines, and of very many the first dozen are told.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::findings::{severity_name, severity_style};
use super::lines::{BOLD, Page, cut, padded, width, wrap};
use crate::finding::{ObjectClass, Severity};
use crate::text::count;
use crate::verdict::brief::{Cause, CauseKind};
use crate::verdict::{Token, Verdict};

/// Causes that are told one by one.
const MOST: usize = 12;
/// The least columns for a title beside an ID, or it stands below it.
const LEAST_TITLE: usize = 12;
const CARD: &str = "on the card   ";
const SHOWN: &str = "OpenSC shows  ";
const FROM: &str = "read from     ";

/// All causes that are worth a row.
pub(super) fn show(out: &mut Page<'_>, verdict: &Verdict, causes: &[Cause]) {
    let rows: Vec<&Cause> =
        causes.iter().filter(|cause| !(cause.kind.is_only_a_step() || cause.is_said)).collect();
    let told: Vec<&Cause> =
        rows.iter().copied().filter(|cause| cause.severity > Severity::Info).take(MOST).collect();
    let notes = rows.iter().filter(|cause| cause.severity == Severity::Info).count();
    let rest = rows.len() - told.len() - notes;
    let mut tokens: Vec<Option<&String>> = Vec::new();
    for cause in &told {
        let token = cause.token.as_ref().filter(|_| cause.on_card.is_some());
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    for serial in tokens {
        out.gap();
        let of: Vec<&Cause> = told
            .iter()
            .copied()
            .filter(|cause| cause.token.as_ref().filter(|_| cause.on_card.is_some()) == serial)
            .collect();
        match serial {
            Some(serial) => {
                let token = verdict.tokens.iter().find(|token| token.serial.as_ref() == Some(serial));
                head(out, serial, token);
                objects(out, &of, verdict.scope.users.first());
            }
            None => {
                // What is found of two objects of one file reads the same.
                let mut said = BTreeSet::new();
                for cause in of {
                    let whose = cause.user.as_ref().filter(|_| verdict.scope.users.len() > 1);
                    if said.insert((cause.severity, &cause.summary, cause.count, whose)) {
                        sentence(out, cause, whose);
                    }
                }
            }
        }
    }
    if rest > 0 {
        let _ = writeln!(out, "{} not told here: -v", count(rest, "more is", "more are"));
    }
}

fn head(out: &mut Page<'_>, serial: &str, token: Option<&Token>) {
    let Some(token) = token else {
        let _ =
            writeln!(out, "{BOLD}Token {}{BOLD:#}", cut(&out.shown(serial), out.width().saturating_sub(6)));
        return;
    };
    let label = token.label.as_ref().map(|label| format!("{label}, ")).unwrap_or_default();
    let firmware = token.status.get("firmware").map(|version| format!(" {version}")).unwrap_or_default();
    let name = cut(&out.shown(&format!("{label}{serial}")), out.width().saturating_sub(6));
    let about = out.shown(&format!(" ({}{firmware}, {})", token.family, token.reader)).into_owned();
    let room = out.width().saturating_sub(6 + width(&name));
    let about = if width(&about) <= room { about } else { String::new() };
    let _ = writeln!(out, "{BOLD}Token {name}{BOLD:#}{about}");
}

/// The objects of one token; `caller`: whose cache it is where nothing else is said. Of several users' caches each row says
/// whose it is from.
fn objects(out: &mut Page<'_>, causes: &[&Cause], caller: Option<&String>) {
    let whose = |cause: &Cause| cause.user.clone().or_else(|| caller.cloned()).unwrap_or_default();
    let users: BTreeSet<String> = causes.iter().map(|cause| whose(cause)).collect();
    match causes {
        [] => {}
        [one] => {
            titled(out, "  ", &one.title, one.severity);
            rows(out, one, "    ", "    ");
            from(out, &format!("    {FROM}"), &[one]);
        }
        several => {
            let mut above: Option<&Cause> = None;
            for cause in several {
                let is_known = above
                    .is_some_and(|above| (&above.on_card, &above.title) == (&cause.on_card, &cause.title));
                let to = if users.len() > 1 { format!(" to {}", whose(cause)) } else { String::new() };
                brief(out, cause, is_known, &to);
                above = Some(cause);
            }
            if users.len() > 1 {
                also_old(out, several);
            }
            let mut directories: Vec<(&Option<String>, Vec<&Cause>)> = Vec::new();
            for cause in several.iter().filter(|cause| cause.directory.is_some()) {
                match directories.iter_mut().find(|(known, _)| *known == &cause.directory) {
                    Some((_, of)) => of.push(cause),
                    None => directories.push((&cause.directory, vec![cause])),
                }
            }
            for (_, of) in directories {
                from(out, "  read from ", &of);
            }
        }
    }
}

/// A title with its severity at the end of the line.
fn titled(out: &mut Page<'_>, indent: &str, title: &str, severity: Severity) {
    let (style, name) = (severity_style(severity), severity_name(severity));
    let columns = out.width().saturating_sub(indent.len() + name.len() + 2);
    let _ = writeln!(
        out,
        "{indent}{}  {style}{name}{style:#}",
        padded(&cut(&out.shown(title), columns), columns)
    );
}

fn rows(out: &mut Page<'_>, cause: &Cause, first: &str, other: &str) {
    if let Some(card) = &cause.on_card {
        let lead = format!("{first}{CARD}");
        wrap(out, &lead, &" ".repeat(lead.len()), card);
    }
    if let Some(shown) = &cause.shown {
        let lead = format!("{other}{SHOWN}");
        let follow = " ".repeat(lead.len());
        let old = match cause.also_old.as_slice() {
            [] => String::new(),
            classes => {
                let names: Vec<&str> = classes.iter().map(|class| class.name()).collect();
                format!("old {} too", names.join(" and "))
            }
        };
        // With a comma it might not fit any more.
        let fits = width(&lead) + width(shown) < out.width();
        if fits && !old.is_empty() {
            wrap(out, &lead, &follow, &format!("{shown}, {old}"));
        } else {
            wrap(out, &lead, &follow, shown);
            if !old.is_empty() {
                wrap(out, &follow, &follow, &old);
            }
        }
    }
}

/// What else is shown as it was of several keys, in a line for all of them.
fn also_old(out: &mut Page<'_>, causes: &[&Cause]) {
    let mut old: Vec<(ObjectClass, usize)> = Vec::new();
    for &class in causes.iter().flat_map(|cause| &cause.also_old) {
        match old.iter_mut().find(|(known, _)| *known == class) {
            Some((_, number)) => *number += 1,
            None => old.push((class, 1)),
        }
    }
    let told = |(class, number): &(ObjectClass, usize)| {
        let which = if *number == causes.len() { "each".to_owned() } else { format!("{number} of them") };
        format!("old {class} of {which}")
    };
    let told: Vec<String> = old.iter().map(told).collect();
    if !told.is_empty() {
        wrap(out, "  and the       ", "                ", &told.join(", "));
    }
}

/// One of several keys: two lines, or one where the card's is the same as above.
fn brief(out: &mut Page<'_>, cause: &Cause, is_known: bool, to: &str) {
    let (style, name) = (severity_style(cause.severity), severity_name(cause.severity));
    let (Some(card), Some(shown)) = (&cause.on_card, &cause.shown) else { return };
    let [card, shown, title] = [card, shown, &cause.title].map(|text| out.shown(text).into_owned());
    let lead = format!("  {CARD}{card}");
    let room = out.width().saturating_sub(width(&lead) + 2);
    if is_known {
        // Above.
    } else if width(&lead) > out.width() {
        let _ = writeln!(out, "  {CARD}{}", cut(&title, out.width().saturating_sub(CARD.len() + 2)));
        wrap(out, "    ", "    ", &card);
    } else if room < LEAST_TITLE {
        let _ = writeln!(out, "{lead}");
        wrap(out, "    ", "    ", &title);
    } else {
        let _ = writeln!(out, "{lead}  {}", cut(&title, room));
    }
    let room = out.width().saturating_sub(name.len());
    let shown = out.shown(&format!("{shown}{to}")).into_owned();
    let beside = Some(format!("  {SHOWN}{shown}")).filter(|lead| width(lead) < room);
    let lead = beside.as_deref().unwrap_or("  OpenSC shows");
    let _ = writeln!(out, "{}{style}{name}{style:#}", padded(lead, room));
    if beside.is_none() {
        wrap(out, "    ", "    ", &shown);
    }
}

/// Where it was read from, and how old that is.
fn from(out: &mut Page<'_>, lead: &str, of: &[&Cause]) {
    let Some(directory) = of.iter().find_map(|cause| cause.directory.as_ref()) else { return };
    let mut files: Vec<&String> = of.iter().flat_map(|cause| &cause.files).collect();
    files.sort();
    files.dedup();
    let files = match files.as_slice() {
        few if few.len() <= 4 => few.iter().map(|file| file.as_str()).collect::<Vec<_>>().join(", "),
        many => count(many.len(), "file", "files"),
    };
    let newest = of.iter().filter_map(|cause| cause.cached_at).max();
    let age =
        newest.map(|at| format!(", cached {}", out.screen.age(at.unix_timestamp()))).unwrap_or_default();
    let follow = " ".repeat(lead.len());
    wrap(out, lead, &follow, &format!("{files} in {directory}{age}"));
}

/// What is no object of a token that was read.
fn sentence(out: &mut Page<'_>, cause: &Cause, whose: Option<&String>) {
    let (style, name) = (severity_style(cause.severity), severity_name(cause.severity));
    let more = if cause.count > 1 && cause.kind != CauseKind::Key {
        format!(" And {} of the kind.", cause.count - 1)
    } else {
        String::new()
    };
    let of = whose.map(|user| format!("Of {user}: ")).unwrap_or_default();
    let mut text = Page::new(out.screen);
    wrap(&mut text, &format!("{name}  "), "  ", &format!("{of}{}{more}", out.screen.prose(&cause.summary)));
    let text = text.text();
    let rest = text.get(name.len()..).unwrap_or_default();
    let _ = write!(out, "{style}{name}{style:#}{rest}");
}
