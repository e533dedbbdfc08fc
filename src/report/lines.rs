//! Lines for people: how wide text is on a terminal, how it is broken at its width, and how a moment is told.
//!
//! Hides `textwrap` and `unicode-width`, and that a terminal may show nothing but ASCII. A column is what a terminal gives a character by UAX 11: two for an
//! East Asian wide one, none for a combining mark. Words are never broken, so that a key ID, a path or a
//! command can be copied: one that is too long where it stands has a line of its own, further out if that helps, and only a
//! word that is wider than the screen makes a line that is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};
use unicode_width::UnicodeWidthChar;

use crate::finding::Prose;
use crate::host::clock::Zone;
use crate::text::{by_sudo, count, escape, in_ascii};
use crate::verdict::brief::Step;

/// Columns of a line where nobody says otherwise.
pub const USUAL_WIDTH: usize = 80;
/// The narrowest and the widest line: whatever a terminal has.
pub const WIDTHS: std::ops::RangeInclusive<usize> = 40..=100;
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// What it comes to, and what to do next.
    Least,
    /// One screen.
    Usual,
    /// With all evidence.
    All,
}

/// What it is told on, and when.
#[derive(Debug, Clone)]
pub struct Screen {
    /// Columns of a line.
    pub width: usize,
    /// It can show nothing but ASCII.
    pub is_ascii: bool,
    /// How much is told.
    pub detail: Detail,
    /// The moment from which ages count, Unix seconds.
    pub now: i64,
    /// The time zone of whoever reads it.
    pub zone: Zone,
    /// The names of users that are known, by number. Escaped.
    pub users: BTreeMap<u32, String>,
    /// The host that it is about, if that is told from a snapshot: there is what to do, not here.
    pub elsewhere: Option<Elsewhere>,
    /// This process is root by way of `sudo`: whoever types the next command is not.
    pub by_sudo: bool,
}

/// Where a snapshot was taken, and by whom. Escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The host.
    pub host: String,
    /// The user whose caches and card they are, by name.
    pub user: Option<String>,
}

impl Elsewhere {
    /// `HOST`, or, of what makes a difference who does it, `HOST, as USER`.
    #[must_use]
    pub fn told(&self, as_user: bool) -> String {
        match self.user.as_ref().filter(|_| as_user) {
            Some(user) => format!("{}, as {user}", self.host),
            None => self.host.clone(),
        }
    }
}

impl Screen {
    /// The same for what is told from a snapshot of this host, and of this user first.
    #[must_use]
    pub fn of_recording(&self, host: &str, user: Option<&str>, taken_at: i64) -> Self {
        let user = user.map(|user| escape(user.as_bytes()));
        let elsewhere = Elsewhere { host: escape(host.as_bytes()), user };
        Self { elsewhere: Some(elsewhere), by_sudo: false, ..self.at(taken_at) }
    }

    /// A command as whoever reads it has to type it.
    #[must_use]
    pub fn command<'c>(&self, command: &'c str) -> Cow<'c, str> {
        // An agent is that of whoever is logged in.
        if self.by_sudo && !command.starts_with("ssh-add ") {
            format!("sudo {command}").into()
        } else {
            command.into()
        }
    }

    /// The same at another moment: that of a snapshot.
    #[must_use]
    pub fn at(&self, now: i64) -> Self {
        Self { now, ..self.clone() }
    }

    /// A user by name, or by number where there is none.
    #[must_use]
    pub fn user(&self, uid: u32) -> String {
        match self.users.get(&uid) {
            Some(name) => name.clone(),
            None if uid == 0 => "root".to_owned(),
            None => format!("user {uid}"),
        }
    }

    /// How long ago a moment was: `37 minutes ago`.
    #[must_use]
    pub fn age(&self, seconds: i64) -> String {
        let Some(passed) = self.now.checked_sub(seconds).filter(|passed| *passed >= 0) else {
            return "in the future".to_owned();
        };
        let passed = passed.unsigned_abs();
        let (unit, one, many) = match passed {
            0..60 => return "just now".to_owned(),
            60..3600 => (60, "minute", "minutes"),
            3600..172_800 => (3600, "hour", "hours"),
            _ => (86_400, "day", "days"),
        };
        let number = usize::try_from(passed / unit).unwrap_or(usize::MAX);
        format!("{} ago", count(number, one, many))
    }

    /// What a step does, or what a person has to do; how long ago it was since when, the causes tell.
    #[must_use]
    pub fn step(&self, step: &Step) -> String {
        told(step, |since| self.zone.written(since))
    }

    /// A sentence, with its moments as people here know them; one that is still to come has no age.
    #[must_use]
    pub fn prose(&self, prose: &Prose) -> String {
        prose.told(|at| if at > self.now { self.zone.written(at) } else { self.moment(at) })
    }

    /// A moment with its age: `2026-11-23 07:53 CET, 2 days ago`.
    #[must_use]
    pub fn moment(&self, seconds: i64) -> String {
        format!("{}, {}", self.zone.written(seconds), self.age(seconds))
    }
}

/// What a step does, with the moment since when, told in this way.
pub(super) fn told(step: &Step, moment: impl Fn(i64) -> String) -> String {
    match step.since {
        Some(since) => format!("{} since {}", step.what, moment(since)),
        None => step.what.clone(),
    }
}

/// A text that is being written for a screen.
#[derive(Debug, Clone)]
pub struct Page<'s> {
    /// What it is for.
    pub screen: &'s Screen,
    text: String,
}

impl<'s> Page<'s> {
    /// An empty one.
    #[must_use]
    pub const fn new(screen: &'s Screen) -> Self {
        Self { screen, text: String::new() }
    }

    /// Columns of a line.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.screen.width
    }

    /// Adds text as it is, but for what the screen cannot show.
    pub fn push_str(&mut self, text: &str) {
        if self.screen.is_ascii { self.text.push_str(&in_ascii(text)) } else { self.text.push_str(text) }
    }

    /// A text as the screen shows it: what is measured, padded or cut has to be that.
    #[must_use]
    pub fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.screen.is_ascii { in_ascii(text).into() } else { text.into() }
    }

    /// Begins a section: one empty line before it, unless it is the first.
    pub fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Adds a character.
    pub fn push(&mut self, character: char) {
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }

    /// What was written.
    #[must_use]
    pub fn text(self) -> String {
        self.text
    }
}

impl Write for Page<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

/// The columns that text takes.
pub(super) fn width(text: &str) -> usize {
    display_width(text)
}

/// As much of the beginning as these columns hold.
pub(super) fn first_columns(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let beyond = text.char_indices().find(|(_, character)| {
        used += character.width().unwrap_or(0);
        used > columns
    });
    text.get(..beyond.map_or(text.len(), |(at, _)| at)).unwrap_or_default()
}

/// As much of the end as these columns hold; it begins with no mark of a letter that was cut off.
pub(super) fn last_columns(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let beyond = text.char_indices().rev().find(|(_, character)| {
        used += character.width().unwrap_or(0);
        used > columns
    });
    let rest = text.get(beyond.map_or(0, |(at, character)| at + character.len_utf8())..).unwrap_or_default();
    if beyond.is_some() { rest.trim_start_matches(|c: char| c.width() == Some(0)) } else { rest }
}

/// Text with blanks up to this width.
pub(super) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// A name and its value, aligned.
pub(super) fn row(out: &mut Page<'_>, name: &str, value: &str) {
    let first = format!("  {} ", padded(name, 14));
    wrap(out, &first, &" ".repeat(17), value);
}

/// Writes text in lines, the first of which begins with `first` and each other with `other`.
pub fn wrap(out: &mut Page<'_>, first: &str, other: &str, text: &str) {
    let typed = out.screen.by_sudo.then(|| by_sudo(text));
    let text = typed.as_deref().unwrap_or(text);
    let ascii = out.screen.is_ascii.then(|| in_ascii(text));
    let text = ascii.as_deref().unwrap_or(text);
    let tied = together(text, out.width().saturating_sub(other.len()));
    let text = tied.as_deref().unwrap_or(text);
    let options = Options::new(out.width())
        .initial_indent(first)
        .subsequent_indent(other)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .break_words(false);
    let lines = if text.is_empty() { vec![first.into()] } else { textwrap::wrap(text, options) };
    for (place, line) in lines.iter().enumerate() {
        let lead = if place == 0 { first } else { other };
        match tied {
            Some(_) => placed(out, lead, &line.trim_end().replace(TIED, " ")),
            None => placed(out, lead, line.trim_end()),
        }
    }
}

/// A line that begins with this lead. Where its one word does not fit behind it, it stands below.
fn placed(out: &mut Page<'_>, lead: &str, line: &str) {
    let room = out.width();
    let body = line.get(lead.len()..).unwrap_or_default();
    if width(line) <= room || body.is_empty() {
        let _ = writeln!(out, "{line}");
        return;
    }
    if !lead.trim().is_empty() {
        let _ = writeln!(out, "{}", lead.trim_end());
    }
    // What is wider than the screen stays whole, too: it is there to be copied.
    let _ = writeln!(out, "{}{body}", " ".repeat(room.saturating_sub(width(body))));
}

/// A name of a file or a number, whole in one line, blanks and all: as far in as this, or as it fits.
pub(super) fn whole(out: &mut Page<'_>, indent: usize, text: &str) {
    let text = out.shown(text).into_owned();
    let indent = indent.min(out.width().saturating_sub(width(&text)));
    let _ = writeln!(out, "{}{text}", " ".repeat(indent));
}

/// The same in a style, which takes no column.
pub(super) fn wrap_in(out: &mut Page<'_>, style: Style, first: &str, other: &str, text: &str) {
    let mut plain = Page::new(out.screen);
    wrap(&mut plain, first, other, text);
    for line in plain.text().lines() {
        let body = line.trim_start();
        let indent = line.get(..line.len() - body.len()).unwrap_or_default();
        let _ = writeln!(out, "{indent}{style}{body}{style:#}");
    }
}

/// A blank at which no line ends: one column wide.
const TIED: char = '\u{e000}';

/// A command between backticks stays in one line where it fits into one: it is there to be pasted. So does a moment: half of
/// one is another one.
fn together(text: &str, columns: usize) -> Option<String> {
    if text.contains(TIED) {
        return None;
    }
    let tied = |(place, piece): (usize, &str)| {
        if place % 2 == 1 && width(piece) + 2 <= columns {
            piece.replace(' ', &TIED.to_string())
        } else {
            piece.to_owned()
        }
    };
    let commands = text.split('`').enumerate().map(tied).collect::<Vec<_>>().join("`");
    let mut out = String::with_capacity(commands.len());
    let mut words = commands.split(' ').peekable();
    // Of a moment the words that are still to come.
    let mut left = 0;
    while let Some(word) = words.next() {
        left = if is_like(word, "0000-00-00") && words.peek().is_some_and(|next| is_like(next, "00:00")) {
            2
        } else {
            left.max(1) - 1
        };
        out.push_str(word);
        if words.peek().is_some() {
            out.push(if left > 0 { TIED } else { ' ' });
        }
    }
    (out != text).then_some(out)
}

/// Has a word the digits and marks of a model?
fn is_like(word: &str, model: &str) -> bool {
    let fits = |(byte, model): (u8, u8)| if model == b'0' { byte.is_ascii_digit() } else { byte == model };
    word.len() == model.len() && word.bytes().zip(model.bytes()).all(fits)
}

/// As much of a text as fits into these columns; what is cut off is marked.
pub(super) fn cut(text: &str, columns: usize) -> String {
    const DOTS: &str = "...";
    if width(text) <= columns {
        return text.to_owned();
    }
    format!("{}{DOTS}", first_columns(text, columns.saturating_sub(DOTS.len())).trim_end())
}

/// `1 byte`, `2 bytes`.
pub(super) fn bytes(size: u64) -> String {
    format!("{size} {}", if size == 1 { "byte" } else { "bytes" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = USUAL_WIDTH;

    fn screen() -> Screen {
        Screen {
            width: WIDTH,
            is_ascii: false,
            detail: Detail::Usual,
            now: 1_000_000,
            zone: Zone::utc(),
            users: BTreeMap::new(),
            elsewhere: None,
            by_sudo: false,
        }
    }

    fn wrapped(first: &str, other: &str, text: &str) -> String {
        let screen = screen();
        let mut out = Page::new(&screen);
        wrap(&mut out, first, other, text);
        out.text()
    }

    #[test]
    fn an_age_is_told_in_the_unit_that_people_use() {
        let screen = screen();
        let ago = |seconds: i64| screen.age(1_000_000 - seconds);
        let ages = [0, 59, 60, 119, 37 * 60, 3600, 47 * 3600, 48 * 3600, 900_000].map(ago);
        let told = [
            "just now",
            "just now",
            "1 minute ago",
            "1 minute ago",
            "37 minutes ago",
            "1 hour ago",
            "47 hours ago",
            "2 days ago",
            "10 days ago",
        ];
        assert_eq!(ages, told);
        assert_eq!((ago(-1), screen.age(i64::MIN)), ("in the future".to_owned(), "in the future".to_owned()));
        assert_eq!(screen.moment(999_940), "1970-01-12 13:45 UTC, 1 minute ago");
    }

    #[test]
    fn a_screen_without_unicode_is_shown_none() {
        let screen = Screen { is_ascii: true, ..screen() };
        let mut out = Page::new(&screen);
        wrap(&mut out, "", "", "Schl\u{fc}ssel \u{2026}");
        out.push('\u{9375}');
        assert_eq!(out.text(), "Schl\\u{fc}ssel ...\n\\u{9375}");
    }

    #[test]
    fn what_is_cut_is_marked() {
        assert_eq!((cut("abcdef", 6), cut("abcdefg", 6)), ("abcdef".to_owned(), "abc...".to_owned()));
    }

    #[test]
    fn lines_are_short_and_ids_whole() {
        let id = "2caf2c01df2eb911514a169cc885c73d3a8dd07a";
        let text = format!("OpenSC shows ID {id} for key reference 1; the card's key there has ID {id}.");
        let out = wrapped("  ", "    ", &text);
        assert!(out.lines().all(|line| line.len() <= WIDTH), "{out}");
        assert_eq!(out.matches(id).count(), 2);
    }

    #[test]
    fn a_word_is_never_broken_however_it_is_made() {
        for word in ["x".repeat(200), "a-b/".repeat(60), "鍵".repeat(90), "a\u{301}é-".repeat(50)] {
            assert_eq!(wrapped("", "", &word), format!("{word}\n"));
            assert_eq!(wrapped("  ", "    ", &format!("in {word} now")), format!("  in\n{word}\n    now\n"));
        }
    }

    #[test]
    fn a_line_is_full_at_eighty_columns_not_at_eighty_characters() {
        // 26 keys of two columns and a blank fill 78 columns; a 27th would end in column 80.
        let wide = vec!["鍵"; 40].join(" ");
        let lines: Vec<usize> = wrapped("", "", &wide).lines().map(|line| line.chars().count()).collect();
        assert_eq!(lines, [27 + 26, 13 + 12]);
        // A letter with a combining mark is one column, though two characters.
        let marked = vec!["e\u{301}"; 41].join(" ");
        assert_eq!(wrapped("", "", &marked).lines().count(), 2);
        assert_eq!(wrapped("", "", &vec!["e\u{301}"; 40].join(" ")).lines().count(), 1);
    }

    #[test]
    fn a_column_of_a_table_is_as_wide_as_it_looks() {
        for name in ["key", "schlu\u{308}ssel", "鍵", "キー", ""] {
            assert_eq!(width(&padded(name, 14)), 14, "{name}");
        }
        assert_eq!(padded("longer than that", 14), "longer than that");
        let screen = screen();
        let mut out = Page::new(&screen);
        row(&mut out, "鍵", "value");
        row(&mut out, "key", "");
        assert_eq!(out.text(), "  鍵             value\n  key\n");
    }

    #[test]
    fn a_cut_is_made_between_letters() {
        assert_eq!((first_columns("鍵鍵鍵", 5), last_columns("鍵鍵鍵", 5)), ("鍵鍵", "鍵鍵"));
        assert_eq!((first_columns("ae\u{301}b", 2), last_columns("ae\u{301}b", 1)), ("ae\u{301}", "b"));
        assert_eq!((first_columns("ab", 0), last_columns("ab", 0)), ("", ""));
        assert_eq!((first_columns("ab", 9), last_columns("ab", 9)), ("ab", "ab"));
    }

    /// A command broken in two cannot be pasted.
    #[test]
    fn a_command_stays_in_one_line_where_it_fits() {
        let command = "`stalecard config disable-cache --app pkcs15-init`";
        let out = wrapped(
            "Note: ",
            "  ",
            &format!("it caches then, too, and that is not what it is for: {command} ends it."),
        );
        assert!(out.lines().any(|line| line.contains(command)), "{out}");
        let moment = "2026-11-23 06:53 UTC";
        for columns in 40..62 {
            let out = wrapped("", "", &format!("{} since {moment}, 2 days ago", "x".repeat(columns)));
            assert!(out.contains(moment), "{out}");
        }
        let long = format!("`stalecard flush {}`", "x ".repeat(60));
        assert!(wrapped("", "", &long).lines().count() > 1);
        assert_eq!(wrapped("", "", &format!("`a b` {TIED}")), format!("`a b` {TIED}\n"));
    }

    #[test]
    fn what_stands_on_several_lines_keeps_its_indent() {
        assert_eq!(wrapped("- ", "  ", "one\ntwo"), "- one\n  two\n");
        assert_eq!(wrapped("- ", "  ", ""), "-\n");
    }
}
