//! Values that OpenSC takes for something else than they seem to say, of all settings but `use_file_caching` (what that
//! comes to: [`super::effective`]). Pure.

use super::Version;
use super::known::{self, Kind, Known, Room};
use crate::scconf::foreign::is_template;
use crate::scconf::glyphs::glyphs;
use crate::scconf::{Assignment, Body, Document, End, Quote, Spot, Statement, Word};

/// Values that say on, and off.
const ON: &[&str] = &["yes", "y", "true", "t", "on", "1", "enable", "enabled"];
const OFF: &[&str] = &["no", "n", "false", "f", "off", "0", "disable", "disabled", "none", "never", ""];

/// A value that is not taken for what it seems to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    /// The setting.
    pub known: &'static Known,
    /// The value, or what is left of it.
    pub at: Spot,
    /// The value as OpenSC takes it.
    pub value: Vec<u8>,
    /// What is to be replaced: the value, with the words behind it that belong to it.
    pub whole: Spot,
    /// Why.
    pub why: WhyMisread,
}

/// Why a value is not taken for what it seems to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyMisread {
    /// A switch that is on, or off.
    Switch(bool),
    /// A number that ends before the value does; the number.
    Number(String),
    /// None of the words that are known; the first of them holds.
    OneOf(&'static [&'static str]),
    /// No driver has this name; the one that may be meant.
    NoDriver(Option<&'static str>),
    /// No emulation has this name, which is much like that of this one.
    NoEmulation(&'static str),
    /// The value ends at a blank; what is behind it is forgotten.
    Cut,
    /// It ends with a colon where a semicolon is missing.
    Colon,
    /// A list where one is looked for.
    NoList,
    /// Nothing, which is not the same as no setting.
    Empty,
    /// Neither `~` nor variables are replaced.
    NotExpanded,
    /// There are characters in it that look like others.
    Glyphs,
    /// What a template engine should have replaced.
    Template,
}

/// The values of a file that are misread, in the blocks that OpenSC looks into.
#[must_use]
pub fn misread(document: &Document, version: Version) -> Vec<Misread> {
    let mut finder = Finder { document, version, modules: Vec::new(), found: Vec::new() };
    let apps = || document.root().all_blocks().filter(|block| block.key.is("app"));
    // Drivers that come from elsewhere.
    let drivers = apps().flat_map(|app| app.body.all_blocks()).filter(|block| block.key.is("card_driver"));
    finder.modules = drivers.map(|block| block.name().to_vec()).collect();
    apps().for_each(|app| finder.body(Room::App, &app.body));
    finder.found
}

/// The end of a value with the words behind it on its line that no comma, no `;` and no `=` of theirs parts from it.
#[must_use]
pub fn whole_value(document: &Document, assignment: &Assignment, next: Option<&Statement>) -> Option<Spot> {
    let (first, last) = (assignment.values.first()?, assignment.values.last()?);
    let end = match next {
        Some(Statement::Discarded(rest)) if assignment.range.end <= rest.range.start => {
            let between = document.text().get(assignment.range.end..rest.range.start).unwrap_or_default();
            let words = rest.words.last().map_or(rest.range.end, |word| word.range.end);
            let gap = !between.contains(&b'\n') && !between.contains(&b';');
            if gap { words } else { last.range.end }
        }
        _ => last.range.end,
    };
    Some(document.spot(&(first.range.start..end)))
}

/// The same of the setting whose first value begins at a byte.
#[must_use]
pub fn whole_value_at(document: &Document, start: usize) -> Option<Spot> {
    fn inside(document: &Document, body: &Body, start: usize) -> Option<Spot> {
        body.0.iter().enumerate().find_map(|(index, statement)| match statement {
            Statement::Assignment(a) if a.values.first().is_some_and(|word| word.range.start == start) => {
                whole_value(document, a, body.0.get(index + 1))
            }
            Statement::Block(block) if block.range.contains(&start) => inside(document, &block.body, start),
            Statement::Assignment(_) | Statement::Block(_) | Statement::Discarded(_) => None,
        })
    }
    inside(document, document.root(), start)
}

struct Finder<'a> {
    document: &'a Document,
    version: Version,
    modules: Vec<Vec<u8>>,
    found: Vec<Misread>,
}

impl Finder<'_> {
    fn body(&mut self, room: Room, body: &Body) {
        for (index, statement) in body.0.iter().enumerate() {
            match statement {
                Statement::Assignment(assignment) if !assignment.key.is_lost() => {
                    let known = known::setting(room, &assignment.key.word().value, self.version);
                    let whole = whole_value(self.document, assignment, body.0.get(index + 1));
                    if let (Some(known), Some(whole)) = (known, whole) {
                        self.values(known, assignment, whole);
                    }
                }
                Statement::Block(block) if !block.key.is_lost() => {
                    if let Some(inside) = known::block(room, &block.key.word().value, block.name()) {
                        self.body(inside, &block.body);
                    }
                }
                Statement::Assignment(_) | Statement::Block(_) | Statement::Discarded(_) => {}
            }
        }
    }

    fn values(&mut self, known: &'static Known, assignment: &Assignment, whole: Spot) {
        let Some(first) = assignment.values.first() else { return };
        let is_cut = assignment.values.last().is_some_and(|last| last.range.end < whole.end);
        let mut say = |word: &Word, why| {
            self.found.push(Misread {
                known,
                at: self.document.spot(&word.range),
                value: word.value.clone(),
                whole,
                why,
            });
        };
        let text = self.document.text();
        let reads_as_unset = first.value.first() == Some(&b'@') && first.value.last() == Some(&b'@');
        if is_template(text.get(whole.range()).unwrap_or_default()) && known.kind != Kind::Caching {
            return say(first, WhyMisread::Template);
        }
        let lower = String::from_utf8_lossy(&first.value).to_ascii_lowercase();
        match known.kind {
            Kind::Switch if !reads_as_unset => {
                let on = lower.starts_with(['t', 'y']);
                let says = if on { ON } else { OFF };
                if !says.contains(&lower.as_str()) {
                    say(first, WhyMisread::Switch(on));
                }
            }
            Kind::Number if !reads_as_unset => {
                let (number, whole) = number(&first.value);
                if !whole {
                    say(first, WhyMisread::Number(number));
                }
            }
            Kind::OneOf(words) if !reads_as_unset => {
                if !words.iter().any(|word| word.as_bytes() == first.value) {
                    say(first, WhyMisread::OneOf(words));
                }
            }
            Kind::Drivers => {
                for word in &assignment.values {
                    let is_known =
                        known::is_driver(&word.value, self.version) || self.modules.contains(&word.value);
                    if !is_known {
                        let near = known::nearest_driver(&word.value, self.version);
                        say(word, WhyMisread::NoDriver(near));
                    }
                }
                if is_cut {
                    say(first, WhyMisread::Cut);
                }
            }
            Kind::Emulations => {
                for word in &assignment.values {
                    let near = known::nearest_emulation(&word.value);
                    if let Some(near) = near.filter(|near| near.as_bytes() != word.value) {
                        say(word, WhyMisread::NoEmulation(near));
                    }
                }
                if is_cut {
                    say(first, WhyMisread::Cut);
                }
            }
            Kind::Driver if !reads_as_unset => {
                let is_known =
                    known::is_shown_driver(&first.value, self.version) || self.modules.contains(&first.value);
                if !is_known {
                    say(first, WhyMisread::NoDriver(known::nearest_driver(&first.value, self.version)));
                }
            }
            Kind::Path if first.value.is_empty() => say(first, WhyMisread::Empty),
            Kind::Path if assignment.values.len() > 1 => say(first, WhyMisread::NoList),
            Kind::Path | Kind::List | Kind::Texts => {
                let odd = assignment.values.iter().find(|word| !glyphs(text, word.range.clone()).is_empty());
                if let Some(odd) = odd {
                    say(odd, WhyMisread::Glyphs);
                } else if is_cut {
                    say(first, WhyMisread::Cut);
                } else if let Some(last) =
                    assignment.values.last().filter(|last| ends_wrongly(assignment, last))
                {
                    say(last, WhyMisread::Colon);
                } else if known.kind == Kind::Path && (lower.starts_with('~') || lower.contains('$')) {
                    say(first, WhyMisread::NotExpanded);
                }
            }
            Kind::Caching | Kind::Switch | Kind::Number | Kind::OneOf(_) | Kind::Driver | Kind::Text => {}
        }
    }
}

/// Does a value end with a colon, where a semicolon was meant to end the setting?
fn ends_wrongly(assignment: &Assignment, last: &Word) -> bool {
    assignment.end != End::Semicolon && last.quote == Quote::Bare && last.value.ends_with(b":")
}

/// The number that a value begins with, as `strtol` reads it, and whether that is all of it.
fn number(value: &[u8]) -> (String, bool) {
    let text = String::from_utf8_lossy(value);
    let (sign, rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (&text[..1], rest),
        None => ("", &*text),
    };
    let (prefix, digits, base) = match rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        Some(digits) => ("0x", digits, 16),
        None if rest.starts_with('0') => ("", rest, 8),
        None => ("", rest, 10),
    };
    let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    let number = digits.get(..end).unwrap_or_default();
    if number.is_empty() {
        ("0".to_owned(), false)
    } else {
        (format!("{sign}{prefix}{number}"), end == digits.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_strtol_reads_them() {
        for (text, expected) in [
            ("255", ("255", true)),
            ("-1", ("-1", true)),
            ("0x10", ("0x10", true)),
            ("0", ("0", true)),
            ("64k", ("64", false)),
            ("010", ("010", true)),
            ("09", ("0", false)),
            ("x", ("0", false)),
        ] {
            assert_eq!(number(text.as_bytes()), (expected.0.to_owned(), expected.1), "{text}");
        }
    }
}
