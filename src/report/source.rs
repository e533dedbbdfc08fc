//! A line of a configuration file with what is meant in it underlined.
//!
//! Hides `annotate-snippets`, which draws the frame and the marks, two for a wide character. Two things are done
//! here. The place: the crate would count its column in what was kept of a long line, and in characters, where
//! editors and OpenSC count the bytes of the file. The cut: the crate counts a combining mark as a column, and
//! cuts no marks that are less than twice too long. The frame is plain ASCII.

use std::fmt::Write;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};

use super::lines::{Page, USUAL_WIDTH, first_columns, last_columns, width, wrap};
use crate::finding::SourceLine;

const BLUE: Style = AnsiColor::Blue.on_default();
const MARK: Style = AnsiColor::Yellow.on_default().bold();
const INDENT: &str = "   ";
/// How much of a line that is too long is shown before what is marked.
const LEAD: usize = 16;
const DOTS: &str = "...";
/// Columns for the line of the file, on however narrow a screen.
const LEAST: usize = 24;

/// Shows the place, the line, what is to be said of it, and the line as it should be.
pub fn show(out: &mut Page<'_>, source: &SourceLine) {
    let gutter = format!("{INDENT}{}", " ".repeat(source.line.to_string().len()));
    let _ = writeln!(out, "{gutter}{BLUE}-->{BLUE:#} {}:{}:{}", source.file, source.line, source.column);
    let room = out.width().saturating_sub(gutter.len() + " | ".len()).max(LEAST);
    let beside = drawn(source, room, &source.note);
    // A note that does not fit beside the marks goes below them.
    if beside.lines().all(|line| width(line) <= out.width()) {
        out.push_str(&beside);
    } else {
        out.push_str(&drawn(source, room, ""));
        let first = format!("{gutter} = ");
        wrap(out, &first, &" ".repeat(first.len()), &source.note);
    }
    if let Some(corrected) = &source.corrected {
        let lines = source.last_line.map(|last| format!(", in place of lines {} to {last}", source.line));
        let lines = lines.unwrap_or_default();
        let _ = writeln!(out, "{gutter} {BLUE}={BLUE:#} corrected{lines}: {}", spread(corrected));
    }
}

/// The line and the marks, with a note behind them.
fn drawn(source: &SourceLine, room: usize, note: &str) -> String {
    let (before, marked, after) = window(source, room);
    let span = before.len()..before.len() + marked.len();
    let mark = AnnotationKind::Primary.span(span).label(note);
    let snippet = Snippet::source(before + &marked + &after).line_start(source.line).annotation(mark);
    // Wide enough that the crate does not cut again.
    let renderer = Renderer::plain().decor_style(DecorStyle::Ascii).term_width(100 * USUAL_WIDTH);
    let report = [Group::with_level(Level::WARNING).element(snippet)];
    let text = renderer.line_num(BLUE).warning(MARK).render(&report);
    // The first line of the frame is empty.
    text.lines().skip(1).map(|line| format!("{INDENT}{}\n", line.trim_end())).collect()
}

/// What fits of the line before what is marked, of that, and behind it.
fn window(source: &SourceLine, room: usize) -> (String, String, String) {
    let [before, marked, after] = [&source.before, &source.marked, &source.after].map(|text| spread(text));
    if width(&before) + width(&marked) + width(&after) <= room {
        return (before, marked, after);
    }
    let room = room - DOTS.len();
    let lead = if width(&before) + width(&marked) <= room {
        before
    } else {
        format!("{DOTS}{}", last_columns(&before, LEAD))
    };
    let mark = first_columns(&marked, room - width(&lead));
    let rest = first_columns(&after, if mark == marked { room - width(&lead) - width(mark) } else { 0 });
    let whole = mark == marked && rest == after;
    let rest = format!("{rest}{}", if whole { "" } else { DOTS });
    (lead, mark.to_owned(), rest)
}

/// Tabs as blanks, four for each wherever it stands.
fn spread(text: &str) -> String {
    text.replace('\t', "    ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::host::clock::Zone;
    use crate::report::lines::{Detail, Screen};
    use crate::text::escape_source;

    const WIDTH: usize = USUAL_WIDTH;

    fn source(before: &str, marked: &str, after: &str) -> SourceLine {
        SourceLine {
            file: "/etc/opensc.conf".into(),
            line: 12,
            column: 3,
            before: before.into(),
            marked: marked.into(),
            after: after.into(),
            note: "means off".into(),
            corrected: Some("use_file_caching = no;".into()),
            last_line: None,
        }
    }

    fn plain(source: &SourceLine) -> String {
        let screen = Screen {
            width: WIDTH,
            is_ascii: false,
            detail: Detail::Usual,
            now: 0,
            zone: Zone::utc(),
            users: BTreeMap::new(),
            elsewhere: None,
            by_sudo: false,
        };
        let mut out = Page::new(&screen);
        show(&mut out, source);
        anstream::adapter::strip_str(&out.text()).to_string()
    }

    #[test]
    fn what_is_meant_is_underlined() {
        let shown = plain(&source("\t\tuse_file_caching = ", "true", ";"));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines,
            [
                "     --> /etc/opensc.conf:12:3",
                "   12 |         use_file_caching = true;",
                "      |                            ^^^^ means off",
                "      = corrected: use_file_caching = no;",
            ]
        );
    }

    #[test]
    fn a_long_line_is_cut_around_what_is_meant() {
        for (before, marked, after) in
            [(0, 4, 200), (150, 4, 150), (150, 4, 0), (100, 300, 5), (70, 10, 0), (74, 0, 0)]
        {
            let shown = plain(&source(&"x".repeat(before), &"m".repeat(marked), &"y".repeat(after)));
            assert!(shown.lines().all(|line| width(line) <= WIDTH), "{shown}");
            let mut lines = shown.lines().skip(1);
            let (line, marks) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
            let column = |text: &str, what| text.chars().position(|c| c == what);
            if marked > 0 {
                assert_eq!(column(line, 'm'), column(marks, '^'), "{shown}");
            }
        }
    }
    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever a file holds: nothing acts on a terminal, no line is too wide, the marks begin under what
        /// is meant, and a note is whole.
        #[test]
        fn any_line_is_shown_in_eighty_columns_with_the_marks_where_they_belong(
            before in piece(), marked in piece(), after in piece(),
            number in 1_usize..3_000_000, note in "[a-z]{1,12}( [a-z]{1,12}){0,20}",
        ) {
            // A mark that can be found again.
            let source = SourceLine { line: number, note: note.clone(), corrected: None, ..source(&before, &format!("#{marked}"), &after) };
            let shown = plain(&source);
            prop_assert!(!shown.chars().any(|c| crate::text::acts(c) && c != '\n'), "{:?}", shown);
            for line in shown.lines() {
                prop_assert!(width(line) <= WIDTH, "{} columns\n{}", width(line), shown);
                prop_assert_eq!(line.trim_end(), line);
            }
            let lines: Vec<&str> = shown.lines().collect();
            let [place, line, marks, rest @ ..] = lines.as_slice() else {
                return Err(TestCaseError::fail(shown));
            };
            prop_assert!(place.ends_with(&format!("--> /etc/opensc.conf:{number}:3")), "{}", shown);
            let column = |text: &str, what| text.find(what).map(|at| width(&text[..at]));
            prop_assert_eq!(column(line, '#'), column(marks, '^'), "{}", shown);
            let said = [&[*marks], rest].concat().join(" ");
            let said = said.replace(['^', '|', '='], " ");
            let words: Vec<&str> = said.split_whitespace().collect();
            prop_assert_eq!(words.join(" "), note);
        }
    }

    /// Escaped bytes of a file: ASCII, tabs, wide characters, combining marks, what is escaped.
    fn piece() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => "[a-zA-Z0-9_/=;, ]{0,40}",
            1 => "\t{1,8}",
            1 => "[鍵あ한😀]{1,60}",
            1 => "(e\u{301}){1,60}",
            1 => "[\u{0}-\u{1f}\u{200d}\u{202e}\u{fe0f}\u{ad}]{0,8}",
            1 => "[^#\\PC]{0,30}",
        ];
        prop::collection::vec(part, 0..5)
            .prop_map(|parts| escape_source(parts.concat().as_bytes()).replace('#', "x"))
    }
}
