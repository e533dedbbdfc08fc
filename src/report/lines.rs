//! Lines for people: how wide text is on a terminal, and how it is broken at 80 columns.
//!
//! Hides `textwrap` and `unicode-width`. A column is what a terminal gives a character by UAX 11: two for an
//! East Asian wide one, none for a combining mark. Words are never broken, so that a key ID, a path or a
//! command can be copied; a line with one that is too long is as long as that.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};
use unicode_width::UnicodeWidthChar;

/// Columns of a line.
pub(super) const WIDTH: usize = 80;
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();

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
pub(super) fn row(out: &mut String, name: &str, value: &str) {
    let first = format!("  {} ", padded(name, 14));
    wrap(out, &first, &" ".repeat(17), value);
}

/// Writes text in lines of at most 80 columns, the first of which begins with `first` and each other with `other`.
pub fn wrap(out: &mut String, first: &str, other: &str, text: &str) {
    let options = Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(other)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .break_words(false);
    let lines = if text.is_empty() { vec![first.into()] } else { textwrap::wrap(text, options) };
    for line in lines {
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// `1 byte`, `2 bytes`.
pub(super) fn bytes(size: u64) -> String {
    format!("{size} {}", if size == 1 { "byte" } else { "bytes" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(first: &str, other: &str, text: &str) -> String {
        let mut out = String::new();
        wrap(&mut out, first, other, text);
        out
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
            assert_eq!(
                wrapped("  ", "    ", &format!("in {word} now")),
                format!("  in\n    {word}\n    now\n")
            );
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
        let mut out = String::new();
        row(&mut out, "鍵", "value");
        row(&mut out, "key", "");
        assert_eq!(out, "  鍵             value\n  key\n");
    }

    #[test]
    fn a_cut_is_made_between_letters() {
        assert_eq!((first_columns("鍵鍵鍵", 5), last_columns("鍵鍵鍵", 5)), ("鍵鍵", "鍵鍵"));
        assert_eq!((first_columns("ae\u{301}b", 2), last_columns("ae\u{301}b", 1)), ("ae\u{301}", "b"));
        assert_eq!((first_columns("ab", 0), last_columns("ab", 0)), ("", ""));
        assert_eq!((first_columns("ab", 9), last_columns("ab", 9)), ("ab", "ab"));
    }

    #[test]
    fn what_stands_on_several_lines_keeps_its_indent() {
        assert_eq!(wrapped("- ", "  ", "one\ntwo"), "- one\n  two\n");
        assert_eq!(wrapped("- ", "  ", ""), "-\n");
    }
}
