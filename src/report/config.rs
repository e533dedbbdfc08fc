//! For people: the effective configuration, as a table or for one program.

use std::fmt::Write;

use super::human::{ask, ask_check, ending, headline};
use super::lines::{BOLD, Detail, Page, Screen, padded, row, width, wrap, wrap_in};
use crate::finding::Finding;
use crate::listing::settings::{FileOrigin, Place, ProgramSettings, Settings};
use crate::verdict::brief::Brief;

/// On a screen with fewer columns the table is a list.
const NARROW: usize = 64;

/// The table over all programs.
#[must_use]
pub fn table(screen: &Screen, settings: &Settings) -> String {
    let mut out = Page::new(screen);
    if screen.detail < Detail::Usual {
        least(&mut out, settings);
        return out.text();
    }
    head(&mut out, settings);
    let is_narrow = screen.width < NARROW;
    if !is_narrow {
        let _ = writeln!(out, "{BOLD}{:<24}{:<11}{:<8}means{BOLD:#}", "program", "value", "line");
    }
    for program in &settings.programs {
        let value = program.use_file_caching.as_ref().and_then(|place| place.value.as_deref());
        let value = value.unwrap_or("-");
        let line = program.use_file_caching.as_ref().map_or_else(|| "-".to_owned(), position);
        if is_narrow {
            wrap_in(&mut out, BOLD, "", "  ", &program.name);
            wrap(&mut out, "  ", "    ", &format!("{value}, line {line}: {}", program.meaning));
            continue;
        }
        let cells = [(program.name.as_str(), 24), (value, 11), (line.as_str(), 8)];
        let first = cells.map(|(text, columns)| cell(&out.shown(text), columns)).concat();
        wrap(&mut out, &first, &" ".repeat(43), &program.meaning);
    }
    out.push('\n');
    directories(&mut out, settings);
    let mut said: Vec<(String, Vec<&str>)> = Vec::new();
    for program in &settings.programs {
        for dead in &program.without_effect {
            let value = dead.value.as_ref().map(|value| format!(" = {value}")).unwrap_or_default();
            let text = format!("{}:{} {}{value}: {}", dead.line, dead.column, dead.key, dead.why);
            match said.iter_mut().find(|(known, _)| *known == text) {
                Some((_, programs)) => programs.push(&program.name),
                None => said.push((text, vec![&program.name])),
            }
        }
    }
    if !said.is_empty() {
        let _ = writeln!(out, "{BOLD}Without effect{BOLD:#}");
        for (text, programs) in said {
            let who = if programs.len() == settings.programs.len() {
                "every program".to_owned()
            } else {
                programs.join(", ")
            };
            wrap(&mut out, "  ", "    ", &format!("{text} (for {who})"));
        }
        out.push('\n');
    }
    ask_lint(&mut out, settings);
    out.text()
}

/// What is to be done about a file that does not do what it says.
fn ask_lint(out: &mut Page<'_>, settings: &Settings) {
    if settings.is_questionable {
        ask(out, "stalecard config lint");
    } else if settings.programs.iter().any(|one| one.caching.is_on() || one.caching_by_default_list.is_on()) {
        ask_check(out);
    }
}

/// The report of `config lint`: here the lines of the file are what it is about.
#[must_use]
pub fn lint(screen: &Screen, findings: &[Finding], brief: &Brief) -> String {
    let mut out = Page::new(screen);
    headline(&mut out, &brief.headline, &brief.dangers);
    if screen.detail >= Detail::Usual && !findings.is_empty() {
        out.gap();
        super::findings::findings(&mut out, findings, false);
    }
    ending(&mut out, brief);
    out.text()
}

/// One program in detail.
#[must_use]
pub fn one(screen: &Screen, settings: &Settings) -> String {
    let mut out = Page::new(screen);
    if screen.detail < Detail::Usual {
        least(&mut out, settings);
        return out.text();
    }
    head(&mut out, settings);
    for program in &settings.programs {
        let _ = writeln!(out, "{BOLD}{}{BOLD:#}", program.name);
        detail(&mut out, settings, program);
    }
    ask_lint(&mut out, settings);
    out.text()
}

fn detail(out: &mut Page<'_>, settings: &Settings, program: &ProgramSettings) {
    if let Some(executable) = program.executable.as_ref().filter(|path| **path != program.name) {
        row(out, "executable", executable);
    }
    let file = settings.file.as_deref().unwrap_or_default();
    let at = |place: &Place| {
        let value = place.value.as_deref().unwrap_or("nothing, which counts as not set");
        format!("{value} ({file}:{}:{})", place.line, place.column)
    };
    let block = program.block.as_ref().map_or_else(
        || format!("no framework pkcs15 in app {} or app default", program.app),
        |block| format!("framework pkcs15 in app {} ({file}:{}:{})", block.app, block.line, block.column),
    );
    row(out, "block", &block);
    let value = program.use_file_caching.as_ref().map_or_else(|| "not set".to_owned(), at);
    row(out, "file caching", &value);
    row(out, "means", &program.meaning);
    if program.caching != program.caching_by_default_list {
        row(out, "drivers", &settings.cached_by_default.join(", "));
    }
    if let Some(place) = &program.file_cache_dir {
        row(out, "file_cache_dir", &at(place));
    }
    match &program.cache_dir {
        Some(dir) => row(out, "cache", &format!("{dir} ({})", program.cache_dir_note)),
        None => row(out, "cache", &program.cache_dir_note),
    }
    for dead in &program.without_effect {
        let value = dead.value.as_ref().map(|value| format!(" = {value}")).unwrap_or_default();
        let text = format!("{}{value} ({file}:{}:{}): {}", dead.key, dead.line, dead.column, dead.why);
        row(out, "without effect", &text);
    }
    out.push('\n');
}

fn summary(out: &mut Page<'_>, settings: &Settings) {
    wrap_in(out, BOLD, "", "       ", &settings.summary());
}

/// Which OpenSC and which file.
fn head(out: &mut Page<'_>, settings: &Settings) {
    summary(out, settings);
    out.push('\n');
    let version = settings.opensc.as_deref().unwrap_or("of unknown version");
    let library = settings.library.as_ref().map(|path| format!(" ({path})")).unwrap_or_default();
    wrap(out, "", "  ", &format!("OpenSC {version}{library}"));
    let origin = match settings.file_origin {
        Some(FileOrigin::Environment) => " (named by OPENSC_CONF)",
        Some(FileOrigin::CompiledIn) | None => "",
    };
    match &settings.file {
        Some(file) => wrap(out, "", "  ", &format!("configuration {file}{origin}")),
        None => out.push_str("no configuration file is known\n"),
    }
    if let Some(note) = &settings.file_note {
        wrap(out, "  ", "  ", note);
    }
    out.push('\n');
}

/// What it comes to, and nothing more.
fn least(out: &mut Page<'_>, settings: &Settings) {
    summary(out, settings);
    ask_lint(out, settings);
}

fn directories(out: &mut Page<'_>, settings: &Settings) {
    let mut dirs: Vec<(String, Vec<&str>)> = Vec::new();
    for program in &settings.programs {
        let text = match &program.cache_dir {
            Some(dir) => format!("{dir} ({})", program.cache_dir_note),
            None => program.cache_dir_note.clone(),
        };
        match dirs.iter_mut().find(|(known, _)| *known == text) {
            Some((_, programs)) => programs.push(&program.name),
            None => dirs.push((text, vec![&program.name])),
        }
    }
    let _ = writeln!(out, "{BOLD}Cache directory{BOLD:#}");
    let only = dirs.len() == 1;
    for (dir, programs) in dirs {
        wrap(out, "  ", "    ", &dir);
        if !only {
            wrap(out, "    for ", "        ", &programs.join(", "));
        }
    }
    out.push('\n');
}

fn position(place: &Place) -> String {
    format!("{}:{}", place.line, place.column)
}

/// A column of a table; what is wider keeps one blank behind it.
fn cell(text: &str, columns: usize) -> String {
    padded(text, columns.max(width(text) + 1))
}
