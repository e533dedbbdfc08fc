//! Cache directories and their entries for people: whose they are, who reads them, what is found in them.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::lines::{BOLD, Page, bytes, width, wrap, wrap_in};
use crate::judge::tally::{Cache, UseToday};
use crate::listing::cache_entries::Item;
use crate::text::count;

/// Caches that a check lists one by one.
const MOST_CACHES: usize = 40;

/// One line for a cache directory: whose it is, and who reads it.
pub fn cache(out: &mut Page<'_>, cache: &Cache) {
    indented(out, "", cache);
}

fn indented(out: &mut Page<'_>, indent: &str, cache: &Cache) {
    let (state, used) = (&cache.state, cache.use_today.words());
    wrap(out, indent, "    ", &format!("{} ({state}, {used})", cache.path));
    let whose = cache.user.as_ref().map_or_else(String::new, |user| format!("of {user}"));
    let programs = if cache.programs.is_empty() {
        String::new()
    } else {
        format!("read by {}", cache.programs.join(", "))
    };
    let parts: Vec<String> = [whose, programs].into_iter().filter(|part| !part.is_empty()).collect();
    if !parts.is_empty() {
        wrap(out, "    ", "    ", &parts.join(", "));
    }
}

/// Caches of several users; of very many only how many there are.
pub(super) fn cache_list(out: &mut Page<'_>, caches: &[Cache]) {
    if caches.is_empty() {
        return;
    }
    let in_use = caches.iter().filter(|cache| cache.use_today == UseToday::InUse).count();
    let entries = caches.iter().map(|cache| cache.entries).sum();
    let _ = writeln!(
        out,
        "{BOLD}{}{BOLD:#}, {}, {in_use} in use",
        count(caches.len(), "cache", "caches"),
        count(entries, "entry", "entries")
    );
    if caches.len() <= MOST_CACHES {
        for known in caches {
            indented(out, "  ", known);
        }
    } else {
        wrap(out, "  ", "  ", "`stalecard ls` with the same options lists them.");
    }
    out.push('\n');
}

/// One line or two for a cache entry.
pub fn item(out: &mut Page<'_>, item: &Item) {
    let ids: Vec<&str> = item.findings.iter().map(|id| id.name()).collect();
    let style = if ids.is_empty() { Style::new() } else { AnsiColor::Yellow.on_default() };
    // A name that begins or ends with blanks cannot be seen without quotes.
    let quote = if item.name.trim() == item.name { "" } else { "\"" };
    let name = out.shown(&format!("{quote}{}{quote}", item.name)).into_owned();
    let indent = " ".repeat(out.width().saturating_sub(width(&name)).min(2));
    let _ = writeln!(out, "{indent}{BOLD}{name}{BOLD:#}");
    let label = item.label.as_ref().map(|label| format!(" \"{label}\"")).unwrap_or_default();
    wrap(out, "      ", "      ", &format!("{}{label}", item.object));
    if let Some(id) = &item.id {
        wrap(out, "      ID ", "      ", id);
    }
    if let Some(key) = &item.public_key {
        wrap(out, "      key ", "      ", key);
    }
    let (written, owner) = (out.screen.moment(item.modified_at), out.screen.user(item.owner));
    let what = format!("{}, written {written}, owner {owner}", bytes(item.size));
    wrap(out, "      ", "      ", &what);
    let found = if ids.is_empty() { String::new() } else { format!(": {}", ids.join(", ")) };
    wrap_in(out, style, "      ", "        ", &format!("{}{found}", item.state.words()));
}
