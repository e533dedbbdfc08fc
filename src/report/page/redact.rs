//! Takes names out of a page before it is rendered, and puts pseudonyms in their place that show which are equal.
//!
//! What was observed says what a name is ([`Names::of`]): serial numbers, IDs, labels, subjects of certificates, hosts,
//! users, homes. They are found wherever they stand, also in prose and in PKCS#11 URIs, as whole words, the longest first.
//! Besides, whatever looks like a path outside of the system's own directories, or like a long number in hex, gets a
//! pseudonym, whether it is known or not.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Cell, Page};
use crate::finding::Side;
use crate::listing::hosts::Compared;
use crate::listing::objects::ObjectComparison;
use crate::naming::uri::{escaped_id, escaped_text};
use crate::snapshot::{Snapshot, UserCaches};
use crate::text::escape;
use crate::verdict::Verdict;

/// Hex digits that name something.
const LONG: usize = 16;

/// Below these, paths are the same on every machine and name nobody.
const OF_THE_SYSTEM: [&str; 8] =
    ["/usr/", "/lib/", "/etc/opensc/", "/bin/", "/sbin/", "/root/.cache/opensc", "/root/.eid", "/dev/"];

/// Names, and what kind each is of.
#[derive(Debug, Default)]
pub struct Names {
    /// By the text that is looked for.
    known: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Names {
    /// Of what was observed on a host.
    #[must_use]
    pub fn of(snapshot: &Snapshot, verdict: &Verdict, objects: &[ObjectComparison]) -> Self {
        let mut names = Self::default();
        for serial in snapshot.cards.iter().filter_map(|card| card.serial.as_ref()) {
            names.add("serial", &escape(serial.as_bytes()));
        }
        let others = snapshot.others.iter();
        let caches = || snapshot.caches.iter().chain(others.clone().flat_map(|other| &other.caches));
        for entry in caches().flat_map(|dir| &dir.entries) {
            if let Some(name) = entry.name.of_copy() {
                names.add("serial", &escape(&name.serial.text()));
            }
        }
        for card in &snapshot.cards {
            // Of a reader only the number in brackets is its own.
            let reader = escape(card.reader.as_bytes());
            for part in reader.split('(').skip(1).filter_map(|part| part.split(')').next()) {
                if part.bytes().filter(u8::is_ascii_digit).count() >= 4 {
                    names.add("reader", part.trim());
                }
            }
        }
        names.add("host", &snapshot.host);
        names.user(
            snapshot.user.uid,
            snapshot.user.name.as_deref(),
            snapshot.user.env.get("HOME").map(ToString::to_string),
        );
        for UserCaches { user, .. } in &snapshot.others {
            names.user(user.uid, user.name.as_deref(), user.env.get("HOME").map(ToString::to_string));
        }
        for label in verdict.tokens.iter().filter_map(|token| token.label.as_ref()) {
            names.add("label", label);
        }
        for object in objects {
            names.side(&object.card);
            object.shown.iter().for_each(|shown| names.side(&shown.side));
        }
        names.verdict(verdict);
        names
    }

    /// Of several hosts.
    #[must_use]
    pub fn of_fleet(compared: &Compared) -> Self {
        let mut names = Self::default();
        for source in &compared.sources {
            names.add("host", &source.host);
            names.user(u32::MAX, Some(&source.user), None);
        }
        for token in &compared.tokens {
            names.add("serial", &token.serial);
            token.label.iter().for_each(|label| names.add("label", label));
            for row in token.keys.iter().flat_map(|key| &key.states) {
                [&row.private, &row.public, &row.certificate]
                    .into_iter()
                    .flatten()
                    .for_each(|side| names.side(side));
            }
        }
        names.findings(&compared.findings);
        names
    }

    fn verdict(&mut self, verdict: &Verdict) {
        self.findings(&verdict.findings);
    }

    fn findings(&mut self, findings: &[crate::finding::Finding]) {
        for finding in findings {
            finding.token.iter().for_each(|token| self.add("serial", token));
            finding.user.iter().for_each(|user| self.add("account", user));
            if let Some(object) = &finding.object {
                self.add("label", &object.label);
                object.id.iter().chain(&object.shown_id).for_each(|id| self.id(id));
            }
            for holder in &finding.processes {
                holder.user.iter().for_each(|user| self.user(holder.uid, Some(user), None));
            }
            for evidence in &finding.evidence {
                evidence.card.iter().chain(&evidence.shown).for_each(|side| self.side(side));
            }
        }
    }

    fn side(&mut self, side: &Side) {
        side.id.iter().for_each(|id| self.id(id));
        side.label.iter().for_each(|label| self.add("label", label));
        side.public_key.iter().for_each(|key| self.add("key", key));
        side.subject.iter().for_each(|subject| {
            self.add("subject", subject);
            // Its common name, which may be a label somewhere else.
            subject
                .split(", ")
                .filter_map(|part| part.split_once('='))
                .for_each(|(_, value)| self.add("name", value));
        });
        side.certificate_serial.iter().for_each(|serial| self.add("certificate", serial));
    }

    /// The superuser is the same everywhere.
    fn user(&mut self, uid: u32, name: Option<&str>, home: Option<String>) {
        if uid == 0 || name == Some("root") {
            return;
        }
        name.into_iter().for_each(|name| self.add("account", name));
        home.into_iter().for_each(|home| self.add("home", &home));
    }

    /// An ID, as it is shown and as it stands in a URI.
    fn id(&mut self, id: &str) {
        let name = self.named("id", id);
        if let Ok(bytes) = data_encoding::HEXLOWER.decode(id.as_bytes()) {
            self.known.entry(escaped_id(&bytes)).or_insert(name);
        }
    }

    fn add(&mut self, kind: &'static str, text: &str) {
        let name = self.named(kind, text);
        let escaped = escaped_text(text.as_bytes());
        if !text.trim().is_empty() && escaped != text {
            self.known.entry(escaped).or_insert(name);
        }
    }

    /// The pseudonym of a text: always the same.
    fn named(&mut self, kind: &'static str, text: &str) -> String {
        if text.trim().is_empty() {
            return String::new();
        }
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let number = self.counts.entry(kind).or_default();
        *number += 1;
        let name = format!("{kind}-{number}");
        self.known.insert(text.to_owned(), name.clone());
        name
    }
}

/// The page without names.
#[must_use]
pub fn redact(page: Page, names: Names) -> Page {
    let mut longest: Vec<String> = names.known.keys().cloned().collect();
    longest.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let names = RefCell::new(names);
    page.map(&|cell| match cell {
        Cell::Words(text) => Cell::Words(without(&text, &longest, &names)),
        Cell::Code(text) => Cell::Code(without(&text, &longest, &names)),
        Cell::Fixed(text) => Cell::Fixed(text),
    })
}

fn without(text: &str, longest: &[String], names: &RefCell<Names>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before: Option<char> = None;
    while let Some(first) = rest.chars().next() {
        let known =
            longest.iter().find(|name| rest.starts_with(name.as_str()) && is_whole(before, name, rest));
        let (taken, name) = if let Some(known) = known {
            (known.len(), names.borrow().known.get(known).cloned().unwrap_or_default())
        } else if let Some(length) = path(before, rest) {
            // The name of a file is looked at by itself: it says which entry it is.
            let path = rest.get(..length).unwrap_or_default();
            let directory = path.rsplit_once('/').map_or(path, |(directory, _)| directory);
            if OF_THE_SYSTEM.iter().any(|start| path.starts_with(start)) {
                (directory.len(), directory.to_owned())
            } else {
                (directory.len(), format!("/{}", names.borrow_mut().named("directory", directory)))
            }
        } else if let Some(length) = number(before, rest) {
            (length, names.borrow_mut().named("number", rest.get(..length).unwrap_or_default()))
        } else {
            (first.len_utf8(), first.to_string())
        };
        out.push_str(&name);
        let (gone, left) = rest.split_at_checked(taken.max(1)).unwrap_or((rest, ""));
        before = gone.chars().next_back();
        rest = left;
    }
    out
}

/// Does a name begin and end here as a word? A short one has to stand by itself.
fn is_whole(before: Option<char>, name: &str, rest: &str) -> bool {
    let after = rest.get(name.len()..).and_then(|rest| rest.chars().next());
    let part_of_word =
        |c: char| c.is_alphanumeric() || (name.len() < 4 && matches!(c, ':' | '-' | '.' | '+'));
    let starts =
        name.chars().next().is_none_or(|c| !c.is_alphanumeric()) || !before.is_some_and(part_of_word);
    let ends =
        name.chars().next_back().is_none_or(|c| !c.is_alphanumeric()) || !after.is_some_and(part_of_word);
    starts && ends
}

/// The length of an absolute path that begins here.
fn path(before: Option<char>, rest: &str) -> Option<usize> {
    let is_begun =
        before.is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | '=' | '[' | ',' | ':'));
    let length = rest
        .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | ',' | ';' | ']'))
        .unwrap_or(rest.len());
    let path = rest.get(..length)?.trim_end_matches([':', '.']);
    (is_begun && path.starts_with('/') && path.len() > 2 && path.rfind('/')? > 0).then_some(path.len())
}

/// The length of a long number in hex that begins here.
fn number(before: Option<char>, rest: &str) -> Option<usize> {
    let length = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
    let after = rest.get(length..).and_then(|rest| rest.chars().next());
    let is_apart = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    (length >= LONG && is_apart(before) && is_apart(after)).then_some(length)
}
