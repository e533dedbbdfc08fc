//! A line of a configuration file with what is meant in it underlined, in 80 columns.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::lines::{WIDTH, wrap};
use crate::finding::SourceLine;

const BLUE: Style = AnsiColor::Blue.on_default();
const MARK: Style = AnsiColor::Yellow.on_default().bold();
/// How much of a line that is too long is shown before what is marked.
const LEAD: usize = 16;

/// Shows the place, the line, what is to be said of it, and the line as it should be.
pub fn show(out: &mut String, source: &SourceLine) {
    let number = source.line.to_string();
    let gutter = " ".repeat(number.len());
    let _ = writeln!(out, "   {gutter}{BLUE}-->{BLUE:#} {}:{}:{}", source.file, source.line, source.column);
    let (line, start, length) = window(source, WIDTH.saturating_sub(number.len() + 6));
    let _ = writeln!(out, "   {BLUE}{number} |{BLUE:#} {line}");
    let (indent, marks) = (" ".repeat(start), "^".repeat(length));
    let head = format!("   {gutter} | {indent}");
    // A note that would not fit beside the marks goes below them.
    let beside = head.chars().count() + length + 1 + source.note.chars().count() <= WIDTH;
    let note = if beside { format!(" {}", source.note) } else { String::new() };
    let _ = writeln!(out, "   {gutter} {BLUE}|{BLUE:#} {indent}{MARK}{marks}{note}{MARK:#}");
    if !beside {
        let first = format!("   {gutter} = ");
        wrap(out, &first, &" ".repeat(first.len()), &source.note);
    }
    if let Some(corrected) = &source.corrected {
        let _ = writeln!(out, "   {gutter} {BLUE}={BLUE:#} corrected: {}", corrected.replace('\t', "    "));
    }
}

/// The part of the line that fits, and where in it the marks begin and how many they are.
fn window(source: &SourceLine, width: usize) -> (String, usize, usize) {
    let expand = |text: &str| text.replace('\t', "    ").chars().collect::<Vec<char>>();
    let (before, marked, after) = (expand(&source.before), expand(&source.marked), expand(&source.after));
    let total = before.len() + marked.len() + after.len();
    // Room for the dots on both sides.
    let room = width.saturating_sub(2);
    let first = if total <= width || before.len() + marked.len() <= room {
        0
    } else {
        before.len().saturating_sub(LEAD)
    };
    let (start, count) = (before.len() - first, marked.len());
    let all = before.into_iter().chain(marked).chain(after);
    let taken = if total <= width { width } else { room };
    let mut line: String = all.skip(first).take(taken).collect();
    let shown = line.chars().count();
    let mut at = start;
    if first > 0 {
        line.insert(0, '…');
        at += 1;
    }
    if first + shown < total {
        line.push('…');
    }
    (line.trim_end().to_owned(), at, count.clamp(1, shown.saturating_sub(start).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        }
    }

    fn plain(source: &SourceLine) -> String {
        let mut out = String::new();
        show(&mut out, source);
        anstream::adapter::strip_str(&out).to_string()
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
            assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
            let mut lines = shown.lines().skip(1);
            let (line, marks) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
            let column = |text: &str, what| text.chars().position(|c| c == what);
            if marked > 0 {
                assert_eq!(column(line, 'm'), column(marks, '^'), "{shown}");
            }
        }
    }
}
