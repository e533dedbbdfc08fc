//! What was observed says what a name is: of each the pseudonym, by every text in which it may stand in a report.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::paths::{ending, is_common, is_entry, is_long_number, is_of_the_system, numbers_its_entries};
use crate::finding::{Finding, Side};
use crate::listing::fleet::{Fleet, NO_OPENSC, NO_VERSION};
use crate::listing::hosts::Compared;
use crate::listing::objects::ObjectComparison;
use crate::naming::uri::{escaped_id, escaped_text};
use crate::opensc::differences::HEAD;
use crate::opensc::known::{is_driver, is_word};
use crate::opensc::program::is_of_opensc;
use crate::scconf::{Quote, TokenKind, tokens};
use crate::snapshot::{ByteString, CacheDir, ConfigFile, ConfigState, Gap, Process, SCHEMA, Snapshot, User};
use crate::text::{escape, tame};
use crate::verdict::Verdict;

/// What `CK_TOKEN_INFO` and the like have room for: a longer label is cut there.
const LABEL_LENGTH: usize = 32;

/// Words of a configuration that name nobody, whatever they are the value of.
const OF_A_CONFIGURATION: [&str; 12] = [
    "yes",
    "no",
    "true",
    "false",
    "on",
    "off",
    "public",
    "ignored",
    "internal",
    "default",
    "opensc-pkcs11",
    "onepin-opensc-pkcs11",
];

/// Names, and what kind each is of.
#[derive(Debug, Default)]
pub struct Names {
    /// By the text that is looked for.
    pub(super) known: BTreeMap<Box<str>, Rc<str>>,
    /// By the text itself.
    pseudonyms: BTreeMap<Box<str>, Rc<str>>,
    counts: BTreeMap<&'static str, usize>,
}

impl Names {
    /// Of a host as one of its users sees it; call it for each of them, and for the facts on the host as a whole.
    pub fn see(&mut self, snapshot: &Snapshot) {
        self.host(&snapshot.host);
        let users = [Some(&snapshot.user), snapshot.invoked_by.as_ref()];
        let users = users.into_iter().flatten().chain(snapshot.others.iter().map(|other| &other.user));
        let odd = snapshot.home.iter();
        users.chain(odd.clone().filter_map(|home| home.owner.as_ref())).for_each(|user| self.person(user));
        for home in odd.flat_map(|home| home.said.iter().chain(&home.taken)) {
            self.path_of(home);
        }
        for card in &snapshot.cards {
            card.serial.iter().for_each(|serial| self.serial(serial));
            self.reader(&card.reader);
        }
        snapshot.readers.iter().for_each(|reader| self.reader(&reader.name));
        snapshot.asks.iter().for_each(|ask| self.reader(&ask.reader));
        for provider in &snapshot.providers {
            self.path_of(&provider.module);
            for token in &provider.tokens {
                self.reader(&token.reader);
                self.serial(&token.serial);
                self.text("label", &token.label);
                for object in &token.objects {
                    self.id(&crate::text::hex(object.id.as_slice()));
                    self.text("label", &String::from_utf8_lossy(&object.label.0));
                }
            }
        }
        self.files(snapshot);
        snapshot.processes.iter().for_each(|process| self.process(process));
        self.gaps(&snapshot.coverage);
    }

    fn files(&mut self, snapshot: &Snapshot) {
        for found in &snapshot.opensc {
            found.version.iter().for_each(|version| self.version(version));
            self.path_of(&found.library);
            found.config_path.iter().for_each(|path| self.path_of(path));
        }
        let p11_kit = snapshot.p11_kit.iter().flat_map(|found| found.system.iter().chain(&found.user));
        for file in p11_kit {
            self.path_of(&file.path);
        }
        let own: BTreeSet<&str> = snapshot.executables.keys().map(String::as_str).collect();
        snapshot.configs.iter().for_each(|file| self.configuration(file, &own));
        snapshot.executables.values().for_each(|path| self.path_of(path));
        let caches = snapshot.caches.iter().chain(snapshot.others.iter().flat_map(|other| &other.caches));
        caches.for_each(|dir| self.cache(dir));
        for dir in snapshot.flushed.iter().flat_map(|flushed| &flushed.stale) {
            self.path_of(dir);
        }
        snapshot.quarantine.iter().for_each(|kept| self.cache(&kept.directory));
    }

    fn cache(&mut self, dir: &CacheDir) {
        self.path_of(&dir.path);
        self.path_of(&dir.real_path());
        for entry in &dir.entries {
            if let Some(name) = entry.name.of_copy() {
                self.serial(&String::from_utf8_lossy(&name.serial.text()));
            }
            self.path_of(&dir.path_of(&entry.name));
            self.by_itself(entry.name.bytes());
        }
    }

    /// The file, what it names, and its name alone, as steps have it.
    fn configuration(&mut self, file: &ConfigFile, own: &BTreeSet<&str>) {
        self.path_of(&file.path);
        let name = file.path.as_path().file_name().map(|name| ByteString::from(name.to_owned()));
        name.iter().for_each(|name| self.by_itself(name));
        let ConfigState::Text(text) = &file.state else { return };
        let mut statement: Vec<Vec<u8>> = Vec::new();
        // A string that somebody began, and that goes on in the next lines, as they think.
        let mut is_open = false;
        for token in tokens(text.as_slice()) {
            match token.kind {
                TokenKind::Word { value, quote } => {
                    let word = String::from_utf8_lossy(&value);
                    let word = word.trim_end_matches(['\n', '\r', '\u{fffd}']).to_owned();
                    let is_name = statement.len() == 1
                        && statement.first().is_some_and(|key| key.eq_ignore_ascii_case(b"app"));
                    let goes_on = is_open && quote == Quote::Bare && !is_word(&value);
                    is_open = quote == Quote::Unclosed || (is_open && !value.contains(&b'"'));
                    let names = is_name || quote != Quote::Bare || word.contains(['/', '"']) || goes_on;
                    let is_known = OF_A_CONFIGURATION.contains(&word.as_str())
                        || own.contains(word.as_str())
                        || is_driver(&value, HEAD)
                        // What is wrong with it is the very thing to be told.
                        || statement.first().is_some_and(|key| key.eq_ignore_ascii_case(b"use_file_caching"));
                    if names && !is_known {
                        self.value(&word);
                    }
                    statement.push(value);
                }
                TokenKind::Punctuation(b'{' | b'}' | b';') => statement.clear(),
                TokenKind::Punctuation(_) | TokenKind::Space | TokenKind::Newline | TokenKind::Comment => {}
            }
        }
    }

    fn value(&mut self, word: &str) {
        let word = word.trim_matches('"');
        if word.contains('/') {
            self.path_of(&ByteString(word.as_bytes().to_vec()));
        } else {
            self.text("value", word);
        }
    }

    fn process(&mut self, process: &Process) {
        process.user.iter().for_each(|user| self.account(process.uid, user));
        self.path_of(&process.program);
        let program = process.program.to_string();
        if !is_of_the_system(&program) {
            let name = process.program.as_path().file_name();
            let name = name.map(|name| ByteString::from(name.to_owned()));
            name.iter().for_each(|name| self.by_itself(name));
        }
        if let Some(unit) = &process.unit {
            let name = unit.name.strip_suffix(".service").unwrap_or(&unit.name);
            let is_the_program = is_of_the_system(&program) && program.rsplit('/').next() == Some(name);
            if !is_common(name) && !is_the_program {
                self.text("unit", name);
            }
        }
    }

    fn person(&mut self, user: &User) {
        user.name.iter().for_each(|name| self.account(user.uid, name));
        for value in user.env.values().filter(|value| value.0.contains(&b'/')) {
            self.path_of(value);
        }
    }

    /// Of what is said of a host.
    pub fn hear(&mut self, verdict: &Verdict, objects: &[ObjectComparison]) {
        for token in &verdict.tokens {
            token.label.iter().for_each(|label| self.text("label", label));
            self.reader(&token.reader);
        }
        for object in objects {
            self.side(&object.card);
            object.shown.iter().for_each(|shown| self.side(&shown.side));
        }
        for user in &verdict.scope.users {
            self.account(u32::MAX, user);
        }
        for path in &verdict.scope.directories {
            self.path(path);
        }
        self.findings(&verdict.findings);
        self.gaps(&verdict.coverage);
    }

    /// Of what is said of several hosts.
    pub fn hear_of_fleet(&mut self, compared: &Compared) {
        for source in &compared.sources {
            self.host(&source.host);
            self.account(u32::MAX, &source.user);
        }
        for token in &compared.tokens {
            self.serial(&token.serial);
            token.label.iter().for_each(|label| self.text("label", label));
            for row in token.keys.iter().flat_map(|key| &key.states) {
                let sides = [&row.private, &row.public, &row.certificate];
                sides.into_iter().flatten().for_each(|side| self.side(side));
            }
        }
        self.fleet(&compared.fleet);
        self.findings(&compared.findings);
        self.gaps(&compared.coverage);
        for (file, why) in &compared.unreadable {
            self.path_of(file);
            quotations(why).into_iter().for_each(|word| self.value(word));
        }
    }

    fn fleet(&mut self, fleet: &Fleet) {
        for user in fleet.stale.iter().chain(&fleet.undecided) {
            user.tokens.iter().for_each(|token| self.serial(token));
        }
        fleet.next.iter().flat_map(|user| &user.tokens).for_each(|token| self.serial(token));
        fleet.programs.iter().for_each(|program| self.program(program));
        for version in fleet.opensc.iter().map(|share| share.what.as_str()) {
            if ![NO_OPENSC, NO_VERSION].contains(&version) {
                self.version(version);
            }
        }
    }

    /// Whoever builds OpenSC may write something of their own behind its number.
    fn version(&mut self, version: &str) {
        let own = version.trim_start_matches(|c: char| !c.is_alphabetic());
        let is_candidate =
            own.strip_prefix("rc").is_some_and(|number| number.bytes().all(|c| c.is_ascii_digit()));
        if !own.is_empty() && !is_candidate {
            let number = version.strip_suffix(own).unwrap_or_default();
            let name = format!("{number}{}", self.named("version", own)).into();
            self.learn(version, &name);
        }
    }

    /// By its name, or by its path.
    fn program(&mut self, name: &str) {
        if name.contains('/') {
            self.path(name);
        } else if !is_of_opensc(name) {
            self.text("program", name);
        }
    }

    fn findings(&mut self, findings: &[Finding]) {
        for finding in findings {
            finding.token.iter().for_each(|token| self.serial(token));
            finding.user.iter().for_each(|user| self.account(u32::MAX, user));
            finding.program.iter().for_each(|program| self.program(program));
            if let Some(object) = &finding.object {
                self.text("label", &object.label);
                object.id.iter().chain(&object.shown_id).for_each(|id| self.id(id));
            }
            for holder in &finding.processes {
                holder.user.iter().for_each(|user| self.account(holder.uid, user));
            }
            for evidence in &finding.evidence {
                evidence.card.iter().chain(&evidence.shown).for_each(|side| self.side(side));
                if let Some(file) = &evidence.file {
                    self.path_of(&file.directory);
                    self.path(&file.path);
                }
                evidence.source.iter().for_each(|line| self.path(&line.file));
            }
        }
    }

    /// What a gap is about ends with a path, blanks and all.
    fn gaps(&mut self, gaps: &[Gap]) {
        for gap in gaps {
            if let Some(path) = gap.what.find(" /").and_then(|at| gap.what.get(at + 1..)) {
                self.path(path);
            }
        }
    }

    fn side(&mut self, side: &Side) {
        side.id.iter().for_each(|id| self.id(id));
        side.label.iter().for_each(|label| self.text("label", label));
        side.public_key.iter().for_each(|key| self.text("key", key));
        side.subject.iter().for_each(|subject| {
            self.text("subject", subject);
            // Its common name, which may be a label somewhere else.
            let parts = subject.split([',', '+']).filter_map(|part| part.split_once('='));
            parts.for_each(|(_, value)| self.text("name", value.trim()));
        });
        side.certificate_serial.iter().for_each(|serial| self.text("certificate", serial));
    }

    /// The name in full, and what is before and behind its first dot.
    fn host(&mut self, name: &str) {
        self.text("host", name);
        if let Some((short, domain)) = name.split_once('.') {
            self.text("host", short);
            self.text("domain", domain);
        }
    }

    /// The superuser is the same everywhere; where a user has no name, a number is told.
    fn account(&mut self, uid: u32, name: &str) {
        if uid != 0 && name != "root" {
            self.text("account", name);
        }
    }

    /// Serial numbers are written in whatever case.
    fn serial(&mut self, serial: &str) {
        let name = self.named("serial", serial);
        for spelled in [serial.to_owned(), serial.to_lowercase(), serial.to_uppercase()] {
            self.learn(&spelled, &name);
        }
    }

    /// Of a reader only what is in brackets is its own: the number of the device.
    fn reader(&mut self, reader: &str) {
        for part in reader.split('(').skip(1).filter_map(|part| part.split(')').next()) {
            self.text("reader", part.trim());
        }
        let is_number = |word: &&str| word.bytes().filter(u8::is_ascii_digit).count() >= 6;
        reader.split_whitespace().filter(is_number).for_each(|word| self.text("reader", word));
    }

    /// An ID, as it is shown, as people write it, and as it stands in a URI.
    fn id(&mut self, id: &str) {
        let name = self.named("id", id);
        self.learn(id, &name);
        self.learn(&id.to_uppercase(), &name);
        if let Ok(bytes) = data_encoding::HEXLOWER_PERMISSIVE.decode(id.as_bytes()) {
            self.learn(&escaped_id(&bytes), &name);
            let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            if pairs.len() > 1 {
                self.learn(&pairs.join(":"), &name);
            }
        }
    }

    fn text(&mut self, kind: &'static str, text: &str) {
        if is_common(text) {
            return;
        }
        let name = self.named(kind, text);
        self.learn(text, &name);
        let cut = (0..=LABEL_LENGTH).rev().find_map(|end| text.get(..end)).unwrap_or_default().trim_end();
        if text.len() > LABEL_LENGTH && cut.len() > LABEL_LENGTH / 2 {
            self.learn(cut, &name);
        }
    }

    /// A path as it is, and as it is shown.
    fn path_of(&mut self, path: &ByteString) {
        let name: Rc<str> = self.pseudonym_of(&path.to_string()).into();
        for shown in [path.to_string(), escape(&path.0), String::from_utf8_lossy(&path.0).into_owned()] {
            self.learn(&shown, &name);
        }
    }

    fn path(&mut self, shown: &str) {
        let name: Rc<str> = self.pseudonym_of(shown).into();
        self.learn(shown, &name);
    }

    /// The name of a file where it stands without its directory.
    fn by_itself(&mut self, name: &ByteString) {
        let pseudonym: Rc<str> = self.component(&name.to_string(), true).into();
        for shown in [name.to_string(), escape(&name.0)] {
            if shown.chars().count() > 2 {
                self.learn(&shown, &pseudonym);
            }
        }
    }

    /// The pseudonym of a path, component by component, so that what lies below the same directory does so still.
    pub(super) fn pseudonym_of(&mut self, path: &str) -> String {
        if is_of_the_system(path) {
            return path.to_owned();
        }
        let last = path.split('/').count().saturating_sub(1);
        let mut begin = 0;
        let mut parts: Vec<String> = Vec::new();
        for (place, part) in path.split('/').enumerate() {
            let directory = path.get(..begin).unwrap_or_default().trim_end_matches('/');
            let is_number = part.bytes().all(|byte| byte.is_ascii_digit()) && numbers_its_entries(directory);
            parts.push(if is_number { part.to_owned() } else { self.component(part, place == last) });
            begin += part.len() + 1;
        }
        parts.join("/")
    }

    fn component(&mut self, part: &str, is_last: bool) -> String {
        if let Some(known) = self.pseudonyms.get(part) {
            return known.to_string();
        }
        if part.is_empty() || is_common(part) {
            return part.to_owned();
        }
        if is_entry(part) {
            let parts: Vec<String> = part.split('_').map(|part| self.of_entry(part)).collect();
            return parts.join("_");
        }
        let ending = ending(part);
        let kind = if is_last && !ending.is_empty() { "file" } else { "directory" };
        let name = format!("{}{ending}", self.named(kind, part.strip_suffix(ending).unwrap_or(part)));
        self.pseudonyms.insert(part.into(), name.as_str().into());
        name
    }

    /// A part of the name of a cache entry.
    fn of_entry(&mut self, part: &str) -> String {
        match self.known.get(part) {
            Some(known) => known.to_string(),
            None if is_long_number(part) => self.named("number", part).to_string(),
            None => part.to_owned(),
        }
    }

    /// The pseudonym of a text: always the same.
    pub(super) fn named(&mut self, kind: &'static str, text: &str) -> Rc<str> {
        if text.trim().is_empty() {
            return Rc::default();
        }
        if let Some(known) = self.pseudonyms.get(text) {
            return Rc::clone(known);
        }
        let number = self.counts.entry(kind).or_default();
        *number += 1;
        let name: Rc<str> = format!("{kind}-{number}").into();
        self.pseudonyms.insert(text.into(), Rc::clone(&name));
        name
    }

    /// This text stands for that name: as it is, escaped, in a command, in a URI.
    fn learn(&mut self, text: &str, name: &Rc<str>) {
        if text.trim().is_empty() {
            return;
        }
        let mut learn = |shown: String| {
            if !self.known.contains_key(shown.as_str()) {
                self.known.insert(shown.into(), Rc::clone(name));
            }
        };
        for shown in [text.to_owned(), tame(text), escape(text.as_bytes())] {
            learn(shown.replace('\'', "'\\''"));
            learn(shown);
        }
        learn(escaped_text(text.as_bytes()));
    }
}

/// What an error quotes of a file: in double quotes, in which there may be some more; or where it says that it knows no such
/// thing.
fn quotations(why: &str) -> Vec<&str> {
    let quoted = why.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"'));
    let is_own = |piece: &&str| piece.starts_with(", ") || *piece == SCHEMA;
    let pieces = quoted.into_iter().flat_map(|(inside, _)| inside.split('"')).filter(|piece| !is_own(piece));
    let unknown = why.split("unknown ").skip(1).filter_map(|rest| rest.split('`').nth(1));
    pieces.map(|piece| piece.trim_end_matches('\\')).chain(unknown).collect()
}
