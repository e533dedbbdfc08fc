//! The tables of `compare`: tokens and keys by what is shown, and who shows it; of many hosts only with all evidence.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::findings::findings;
use super::fleet::fleet;
use super::human::{coverage, ending, headline};
use super::lines::{BOLD, Detail, Page, Screen, wrap, wrap_in};
use crate::finding::Side;
use crate::listing::hosts::{Compared, Standing, StateRow, TokenTable};
use crate::text::{key_reference, shell_word};
use crate::verdict::brief::Brief;

/// The report of `compare`.
#[must_use]
pub fn comparison(screen: &Screen, compared: &Compared, brief: &Brief) -> String {
    let mut out = Page::new(screen);
    headline(&mut out, &brief.headline, &brief.dangers);
    if screen.detail >= Detail::Usual && compared.is_fleet() {
        out.gap();
        fleet(&mut out, &compared.fleet);
    }
    if screen.detail == Detail::All || (screen.detail == Detail::Usual && !compared.is_fleet()) {
        for token in &compared.tokens {
            out.gap();
            table(&mut out, token);
        }
    }
    if screen.detail == Detail::All {
        out.gap();
        findings(&mut out, &compared.findings, false);
        coverage(&mut out, &compared.coverage);
    }
    ending(&mut out, brief);
    out.text()
}

fn table(out: &mut Page<'_>, token: &TokenTable) {
    let label = token.label.as_ref().map(|label| format!(" \"{label}\"")).unwrap_or_default();
    let _ = writeln!(out, "{BOLD}Token {}{BOLD:#}{label}", shell_word(&token.serial));
    match &token.read_by {
        Some(source) => {
            let text = format!(
                "newest reading of the card: on {} by {}, {}",
                source.host,
                source.user,
                out.screen.moment(source.taken)
            );
            wrap(out, "  ", "    ", &text);
        }
        None => out.push_str("  no snapshot holds a reading of the card\n"),
    }
    for key in &token.keys {
        let name = match key.reference {
            Some(reference) => format!("key reference {}", key_reference(reference)),
            None => format!("EF {}", key.ef),
        };
        let _ = writeln!(out, "  {BOLD}{name}{BOLD:#}");
        for row in &key.states {
            state(out, token.shared, key.id.as_deref(), row);
        }
    }
}

fn state(out: &mut Page<'_>, shared: bool, listed: Option<&str>, row: &StateRow) {
    let (style, words) = match row.state {
        Standing::Current => (AnsiColor::Green.on_default(), "on the card"),
        Standing::Former => (Style::new(), "on the card when it was read earlier"),
        Standing::Stale => (AnsiColor::Red.on_default().bold(), "STALE: not on the card now"),
        Standing::Disputed if shared => {
            (AnsiColor::Red.on_default().bold(), "DISPUTED: old, or of another card with this serial number")
        }
        Standing::Disputed => {
            (AnsiColor::Red.on_default().bold(), "DISPUTED: this, or the card's certificate")
        }
        Standing::Orphan => (AnsiColor::Yellow.on_default(), "in caches; the card has nothing here any more"),
        Standing::Unknown => (Style::new(), "in caches; no snapshot holds a reading of the card"),
    };
    wrap_in(out, style, "    ", "      ", words);
    let parts: Vec<&Side> =
        [&row.private, &row.public, &row.certificate].into_iter().flatten().map(AsRef::as_ref).collect();
    if parts.is_empty() {
        out.push_str("      nothing is shown\n");
    }
    let mut named = None;
    for part in parts {
        // The objects of a key share ID and label: once is enough.
        let name = (&part.id, &part.label);
        if named.replace(name) != Some(name) {
            let label = part.label.as_ref().map(|label| format!(" \"{label}\"")).unwrap_or_default();
            let id = part.id.as_deref().or(listed).unwrap_or("without ID");
            wrap(out, "      ", "        ", &format!("{id}{label}"));
        }
        if let (Some(key), Some(print)) = (&part.key, &part.public_key) {
            let _ = writeln!(out, "      {key}");
            if out.screen.detail == Detail::All {
                wrap(out, "      ", "      ", print);
            }
        }
        if let Some(serial) = &part.certificate_serial {
            let valid = part.validity.as_ref().map(|valid| format!(", valid {}", out.screen.prose(valid)));
            let valid = valid.unwrap_or_default();
            wrap(out, "      ", "        ", &format!("certificate no. {serial}{valid}"));
        }
    }
    for source in &row.read_by {
        wrap(
            out,
            "      ",
            "        ",
            &format!("read on {} by {}, {}", source.host, source.user, out.screen.moment(source.taken)),
        );
    }
    for shown in &row.shown_by {
        let text = format!(
            "shown on {} to {} by {}, not read from the card since {}",
            shown.source.host,
            shown.source.user,
            shown.programs.join(", "),
            out.screen.moment(shown.written)
        );
        wrap(out, "      ", "        ", &text);
    }
}
