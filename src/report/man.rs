//! The pages of `docs/` as manual pages (man(7)): there is one text, and this is all that is made of it.
//!
//! Hides the little of Markdown that these pages are written in: headings, paragraphs, lists, tables, code, and within a line
//! code, weight, stress and links. A table becomes a list whose tags are its first column, which is read at any width.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// The name of a page and the question that it answers: `# Name: question?`
#[must_use]
pub fn title(text: &str) -> (&str, &str) {
    let line = text.lines().next().unwrap_or_default().trim_start_matches("# ");
    line.split_once(": ").unwrap_or((line, line))
}

/// What stands below the heading of this name.
#[must_use]
pub fn section<'t>(text: &'t str, name: &str) -> &'t str {
    let heading = format!("\n## {name}\n");
    let below = text.split_once(heading.as_str()).map_or("", |(_, below)| below);
    below.split("\n## ").next().unwrap_or_default()
}

/// The lines of code of a text.
pub fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("    "))
}

/// A whole page, by its file's name; `of` is the program with its version.
#[must_use]
pub fn page(name: &str, text: &str, of: &str) -> Roff {
    let mut out = Roff::new();
    let page = format!("stalecard-{name}");
    out.control("TH", [page.as_str(), "7", "", of, "stalecard"]);
    out.control("SH", ["NAME"]);
    let (_, question) = title(text);
    out.text([roman(format!("{page} - {}", question.trim_end_matches('?')))]);
    out.control("SH", ["DESCRIPTION"]);
    body(&mut out, text.split_once('\n').map_or("", |(_, rest)| rest));
    out.control("SH", ["SEE ALSO"]);
    out.text([bold("stalecard"), roman("(1)")]);
    out
}

/// Paragraphs, lists, tables and code.
pub fn body(out: &mut Roff, text: &str) {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let mut more = |is: &dyn Fn(&str) -> bool| {
            let mut all = vec![line];
            while let Some(next) = lines.next_if(|next| is(next)) {
                all.push(next);
            }
            all
        };
        if line.is_empty() {
            continue;
        } else if let Some(heading) = line.strip_prefix("## ") {
            out.control("SH", [heading]);
        } else if line.starts_with("    ") {
            verbatim(out, &more(&|next| next.starts_with("    ")));
        } else if line.starts_with("```") {
            let all = more(&|next| next != "```");
            verbatim(out, all.get(1..).unwrap_or_default());
            lines.next();
        } else if line.starts_with('|') {
            table(out, &more(&|next| next.starts_with('|')));
        } else if let Some(first) = line.strip_prefix("- ") {
            out.control("IP", [r"\(bu", "2"]);
            let rest = more(&|next| next.starts_with("  "));
            let rest = rest.iter().skip(1).map(|line| line.trim());
            out.text(inline(&std::iter::once(first).chain(rest).collect::<Vec<_>>().join(" ")));
        } else {
            let is_text =
                |next: &str| !(next.is_empty() || next.starts_with([' ', '|']) || next.starts_with("- "));
            out.control("PP", []);
            out.text(inline(&more(&is_text).join(" ")));
        }
    }
}

fn verbatim(out: &mut Roff, lines: &[&str]) {
    out.control("PP", []).control("RS", ["4"]).control("nf", []);
    for line in lines {
        out.text([roman(line.strip_prefix("    ").unwrap_or(line))]);
    }
    out.control("fi", []).control("RE", []);
}

fn table(out: &mut Roff, lines: &[&str]) {
    let cells = |line: &str| -> Vec<String> {
        let row = line.trim_matches('|');
        row.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let head = lines.first().map(|line| cells(line)).unwrap_or_default();
    for line in lines.iter().skip(2) {
        let cells = cells(line);
        let Some((first, others)) = cells.split_first() else { continue };
        out.control("TP", []);
        out.text(inline(first));
        let mut text = Vec::new();
        for (name, cell) in head.iter().skip(1).zip(others).filter(|(_, cell)| !cell.is_empty()) {
            if !text.is_empty() {
                text.push(roman("; "));
            }
            if others.len() > 1 {
                text.extend([italic(name.as_str()), roman(": ")]);
            }
            text.extend(inline(cell));
        }
        out.text(text);
    }
}

/// What stands in a line.
fn inline(text: &str) -> Vec<Inline> {
    let mut out = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let mark =
            if rest.starts_with("**") { "**" } else { rest.get(..character.len_utf8()).unwrap_or_default() };
        let after = rest.get(mark.len()..).unwrap_or_default();
        let (told, left) = match mark {
            "`" | "**" | "*" => match after.split_once(mark) {
                Some((told, left)) if mark == "*" => (italic(told), left),
                Some((told, left)) => (bold(told.replace('`', "")), left),
                None => (roman(mark), after),
            },
            "[" => match link(after) {
                Some((told, left)) => (roman(told), left),
                None => (roman(mark), after),
            },
            _ => {
                plain.push(character);
                rest = after;
                continue;
            }
        };
        if !plain.is_empty() {
            out.push(roman(std::mem::take(&mut plain)));
        }
        out.push(told);
        rest = left;
    }
    if !plain.is_empty() {
        out.push(roman(plain));
    }
    out
}

/// `name](place)`: another of these pages is called as a page, a file of the sources by its name.
fn link(text: &str) -> Option<(String, &str)> {
    let (name, rest) = text.split_once("](")?;
    let (place, left) = rest.split_once(')')?;
    let told = match place.strip_suffix(".md") {
        Some("commands") => format!("{name} (stalecard(1))"),
        Some(page) if !page.contains('/') => format!("{name} (stalecard-{page}(7))"),
        _ if place.starts_with("http") => format!("{name} ({place})"),
        _ => name.to_owned(),
    };
    Some((told, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roff(text: &str) -> String {
        let mut out = Roff::new();
        body(&mut out, text);
        out.to_roff()
    }

    #[test]
    fn a_page_is_told_whole() {
        assert_eq!(title("# Cards: what is read?\n\nx"), ("Cards", "what is read?"));
        assert_eq!(section("# A\n\n## B\n\nb\n\n## C\n\nc\n", "B"), "\nb\n");
        assert_eq!(section("# A\n", "B"), "");
        assert_eq!(
            roff("one\n*two* `c-d`\n\n- a **b**\n  c\n\n    .x\n    y\n"),
            ".PP\none \\fItwo\\fR \\fBc\\-d\\fR\n.IP \\(bu 2\na \\fBb\\fR c\n.PP\n.RS 4\n.nf\n\\&.x\ny\n.fi\n.RE\n"
        );
    }

    #[test]
    fn a_table_is_a_list_and_a_link_is_a_page() {
        assert_eq!(roff("| a | b |\n|---|---|\n| `x` | y |\n"), ".TP\n\\fBx\\fR\ny\n");
        assert_eq!(
            roff("| a | b | c |\n|---|---|---|\n| x | | z |\n| x | y | z |\n"),
            ".TP\nx\n\\fIc\\fR: z\n.TP\nx\n\\fIb\\fR: y; \\fIc\\fR: z\n"
        );
        assert_eq!(
            roff("see [users](many-users.md), [all](commands.md), [it](../x/y.md), a [b] and 2 * 3"),
            ".PP\nsee users (stalecard\\-many\\-users(7)), all (stalecard(1)), it, a [b] and 2 * 3\n"
        );
    }
}
