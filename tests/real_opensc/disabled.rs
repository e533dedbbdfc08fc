//! What `config disable-cache` makes of a text, read by the real OpenSC: both programs say of themselves
//! that they do not cache, the programs that were not meant do what they did, and nothing else has changed.
//!
//! The installed OpenSC has every fixture edited by the command itself (`real_opensc_edit`). Here it is the planner
//! that is asked, so that the OpenSC of every suite in `tests/matrix` can read what is written for it, for
//! OpenSC 0.23, and for a host where no version is known. What is refused has to be as broken as that says.

use std::collections::BTreeMap;

use crate::asked::{Asked, Seen, TOOL11, TOOL15, fixtures, generated, is_long, summary};
use crate::configurations::{OPEN, Random, configuration};
use stalecard::opensc::{Program, Version, differences};
use stalecard::repair::config::{Goal, Note, Planned, Refusal, Request, Scope, plan};
use stalecard::scconf::{self, TokenKind, Why};

type Counts = BTreeMap<&'static str, usize>;

/// The programs that are asked, and how.
const ASKED: [(&str, &[&str]); 2] = [(TOOL15, &["pkcs15-tool", "-D"]), (TOOL11, &["pkcs11-tool", "-O"])];

/// One text, and what the programs do under it or under what is made of it.
struct Case<'a> {
    asked: &'a Asked,
    name: &'a str,
    text: &'a [u8],
    /// Each text is asked once.
    seen: BTreeMap<Vec<u8>, [Seen; 2]>,
    counts: &'a mut Counts,
}

impl Case<'_> {
    fn seen(&mut self, text: &[u8]) -> [Seen; 2] {
        if let Some(seen) = self.seen.get(text) {
            return seen.clone();
        }
        let host = self.asked.host(self.name, text);
        let seen = ASKED.map(|(_, words)| self.asked.seen(&host, words).0);
        let _ = std::fs::remove_dir_all(host.home());
        self.seen.insert(text.to_vec(), seen.clone());
        seen
    }

    fn planned(&self, scope: &Scope, installed: Option<Version>) -> Result<Planned, Refusal> {
        plan(
            Some(self.text),
            &Request { path: &"/etc/opensc.conf".into(), goal: Goal::Off, scope, installed },
        )
    }

    fn count(&mut self, label: &'static str) {
        *self.counts.entry(label).or_default() += 1;
    }

    fn expect(&mut self, right: bool, what: &str, label: &'static str) {
        self.count(label);
        if !right {
            println!(
                "DISAGREES: {}: OpenSC {}: {what}, on:\n{}",
                self.name,
                self.asked.version,
                String::from_utf8_lossy(self.text)
            );
            self.count("disagreed");
        }
    }

    /// Off for all programs.
    fn for_all(&mut self) {
        let version = self.asked.version;
        let mut known = vec![Some(version), Some(Version::of(23)), None];
        known.dedup();
        for installed in known {
            match self.planned(&Scope::All, installed) {
                Ok(planned) => {
                    let excepted = |note: &Note| match note {
                        Note::NotIn { versions, .. } => versions.iter().any(|v| v.minor == version.minor),
                        _ => false,
                    };
                    if planned.notes.iter().any(excepted) {
                        // A trap in a block that only other versions read, or blocks too deep for them.
                        assert_ne!(installed, Some(version), "{planned:?}");
                        self.count("open");
                        continue;
                    }
                    let seen = self.seen(&planned.new);
                    let label = if planned.edits.is_empty() { "off already" } else { "edited" };
                    self.expect(seen.iter().all(is_off), &format!("for {installed:?}: {seen:?}"), label);
                    let strange = strange(self.text, &planned.new, &["app", "default"], &[]);
                    assert_eq!(strange, [""; 0], "{}: more than intended", self.name);
                }
                Err(error) if installed == Some(version) => self.refusal(&error),
                // The other versions refuse for reasons of their own.
                Err(_) => {}
            }
        }
    }

    /// What is not edited is as broken as that says.
    fn refusal(&mut self, error: &Refusal) {
        match error {
            Refusal::Unparsable { error, .. } if matches!(error.why, Why::Undefined(_)) => self.count("open"),
            Refusal::Unparsable { .. } => {
                let seen = self.seen(self.text);
                let dropped = |seen: &Seen| matches!(seen, Seen::Ran { dropped: true, .. });
                self.expect(seen.iter().all(dropped), &format!("{error}, but {seen:?}"), "refused");
            }
            Refusal::Crashes(_) => {
                let host = self.asked.host(self.name, self.text);
                let program = |exe: &str| Program::of_executable(exe.into());
                let expected = ASKED.map(|(exe, _)| self.asked.expected(&host, self.text, &program(exe)));
                let seen = self.seen(self.text);
                for (expected, seen) in
                    expected.into_iter().zip(&seen).filter(|(expected, _)| expected.is_some())
                {
                    let dies = *seen == Seen::Died;
                    let label = if dies { "died" } else { "another dies" };
                    self.expect(expected.as_ref() == Some(seen), &format!("{error}, but {seen:?}"), label);
                }
            }
            error => {
                println!("given up: {error}");
                self.count("open");
            }
        }
    }

    /// Off for one program; the other does what it did.
    fn for_one(&mut self) {
        let module = Scope::App("opensc-pkcs11".into());
        let tool = Scope::App("pkcs15-tool".into());
        let exe = |path: &str| Scope::Exe(path.into());
        for (scope, name, meant) in [
            (tool, "pkcs15-tool", 0),
            (module, "opensc-pkcs11", 1),
            (exe(TOOL15), TOOL15, 0),
            (exe(TOOL11), TOOL11, 1),
        ] {
            let planned = match self.planned(&scope, Some(self.asked.version)) {
                Ok(planned) => planned,
                Err(Refusal::NoExecutableBlocks(version)) => {
                    assert!(!differences::has_executable_blocks(version));
                    continue;
                }
                // Said of the text by `for_all`, or given up because others would not keep what they have.
                Err(_) => continue,
            };
            let (before, after) = (self.seen(self.text), self.seen(&planned.new));
            let other = 1 - meant;
            let what = format!("{scope:?}: {after:?}, before {before:?}");
            let label = if planned.edits.is_empty() { "one, off already" } else { "one" };
            self.expect(is_off(&after[meant]) && after[other] == before[other], &what, label);
            let strange = strange(self.text, &planned.new, &["app", name], self.text);
            assert_eq!(strange, [""; 0], "{}: more than intended", self.name);
        }
    }
}

fn is_off(seen: &Seen) -> bool {
    matches!(seen, Seen::Ran { dropped: false, level: 0, .. })
}

/// The words and punctuation that came or went and have no business to: the setting may come, with the blocks
/// around it and `copied` settings of the block it hides; the old value may go, with what was glued to it.
fn strange(old: &[u8], new: &[u8], blocks: &[&str], copied: &[u8]) -> Vec<String> {
    let (mut gone, mut came) = (counted(old), counted(new));
    for (token, number) in &mut gone {
        let both = (*number).min(came.get(token).copied().unwrap_or_default());
        *number -= both;
        came.entry(token.clone()).and_modify(|number| *number -= both);
    }
    let setting = ["use_file_caching", "=", "no", "\"no\"", ";", "framework", "pkcs15", "{", "}"];
    let quoted = blocks.iter().map(|block| format!("\"{block}\""));
    let may_come: Vec<String> =
        setting.iter().chain(blocks).map(|word| (*word).to_owned()).chain(quoted).collect();
    let values = values(old);
    let may_go = |token: &String| {
        values.contains(token)
            || token.to_ascii_lowercase().starts_with("use_file_caching")
            // Behind a key that was glued to its `=`, the value and its end go and come anew.
            || [";", "="].contains(&token.as_str())
    };
    let copied = counted(copied);
    let came = came
        .into_iter()
        .filter(|(token, n)| *n > 0 && !may_come.contains(token) && !copied.contains_key(token));
    let gone = gone.into_iter().filter(|(token, n)| *n > 0 && !may_go(token));
    gone.chain(came).map(|(token, _)| token).collect()
}

fn counted(text: &[u8]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for token in scconf::tokens(text) {
        if matches!(token.kind, TokenKind::Word { .. } | TokenKind::Punctuation(_) | TokenKind::Comment) {
            // What an unclosed quote has swallowed is a part of the value.
            let shown = String::from_utf8_lossy(&text[token.range]).trim_end().to_owned();
            *counted.entry(shown).or_default() += 1;
        }
    }
    counted
}

/// The words that stand where the value of `use_file_caching` may stand.
fn values(text: &[u8]) -> Vec<String> {
    let mut before = [String::new(), String::new()];
    let mut values = Vec::new();
    for token in scconf::tokens(text) {
        if !matches!(token.kind, TokenKind::Word { .. } | TokenKind::Punctuation(_)) {
            continue;
        }
        let shown = String::from_utf8_lossy(&text[token.range]).trim_end().to_owned();
        let key = |word: &String| word.to_ascii_lowercase().trim_matches('"').starts_with("use_file_caching");
        if before.iter().any(key) {
            values.push(shown.clone());
        }
        before.rotate_left(1);
        before[1] = shown;
    }
    values
}

fn ask(asked: &Asked, name: &str, text: &[u8], counts: &mut Counts) {
    let mut case = Case { asked, name, text, seen: BTreeMap::new(), counts };
    case.for_all();
    case.for_one();
}

#[test]
fn generated_texts_are_off_where_that_was_meant() {
    let asked = Asked::start();
    let mut counts = BTreeMap::new();
    let cases = if is_long() { 250 } else { 15 };
    for seed in 0..cases {
        let text = configuration(&mut Random(seed ^ 0x0FF0_0000), &OPEN);
        let case = format!("off{seed}");
        ask(&asked, &case, &generated(&asked, &case, text), &mut counts);
    }
    summary(&asked, "off-generated", usize::try_from(cases).unwrap(), &counts);
    for label in ["edited", "one"] {
        assert!(counts.contains_key(label), "no case of {label:?} in {counts:?}");
    }
}

#[test]
fn the_fixtures_are_off_where_that_was_meant() {
    let asked = Asked::start();
    if asked.root.is_none() && !is_long() {
        return println!("the installed OpenSC is asked by real_opensc_edit");
    }
    let mut counts = BTreeMap::new();
    let fixtures = fixtures();
    for (name, text) in &fixtures {
        ask(&asked, name, text, &mut counts);
    }
    summary(&asked, "off-fixtures", fixtures.len(), &counts);
    assert!(counts["edited"] >= 60 && counts["refused"] >= 4 && counts["died"] >= 8, "{counts:?}");
}

/// The look at what has changed sees what it is to see.
#[test]
fn a_change_that_was_not_meant_is_strange() {
    let old =
        b"app default {\n\tframework pkcs15 {\n\t\tuse_file_caching = yes; # all\n\t\tdebug = 1;\n\t}\n}\n";
    let strange = |from: &str, to: &str| {
        let new = String::from_utf8(old.to_vec()).unwrap().replace(from, to);
        strange(old, new.as_bytes(), &["app", "default"], &[])
    };
    assert_eq!(strange("yes", "no"), [""; 0]);
    assert_eq!(strange("yes;", "no; x = y;"), ["x", "y"]);
    assert_eq!(strange(" # all", ""), ["# all"]);
    assert_eq!(strange("debug = 1;", ""), ["1", "debug"]);
    assert_eq!(strange("framework", "Framework"), ["framework", "Framework"]);
}
