//! A page as Markdown (CommonMark with GitHub's tables), as forums and issue trackers take it.

use std::fmt::Write;

use super::page::{Block, Cell, Level, Page};

/// Renders a page.
#[must_use]
pub fn markdown(page: &Page) -> String {
    let mut out = format!("# {}\n\n", cell(&page.title));
    for block in &page.blocks {
        match block {
            Block::Heading(level, text) => {
                let _ = write!(out, "{} {}", "#".repeat(1 + usize::from(*level)), cell(text));
            }
            Block::Verdict(_, word, text) => {
                let _ = write!(out, "> **{word}** {}", cell(text));
            }
            Block::Banner(level, text) => {
                let mark = match level {
                    Level::Danger => "**DANGER** ",
                    Level::Bad => "**WRONG** ",
                    Level::Doubtful => "**CARE** ",
                    Level::Good => "**OK** ",
                    Level::Plain => "",
                };
                let _ = write!(out, "> {mark}{}", cell(text));
            }
            Block::Paragraph(text) => out.push_str(&cell(text)),
            Block::Facts(facts) => {
                let lines = facts.iter().map(|(name, value)| {
                    let name =
                        if name.is_empty() { String::new() } else { format!("**{}**: ", escape(name)) };
                    format!("- {name}{}", cell(value))
                });
                out.push_str(&lines.collect::<Vec<_>>().join("\n"));
            }
            Block::Table { head, rows } => {
                let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
                let names = head.iter().map(|name| escape(name)).collect();
                let mut lines = vec![line(names), line(vec!["---".to_owned(); head.len()])];
                lines.extend(rows.iter().map(|(level, cells)| {
                    let bold = |text: String| {
                        if *level == Level::Bad && !text.is_empty() { format!("**{text}**") } else { text }
                    };
                    line(cells.iter().map(|text| bold(cell(text))).collect())
                }));
                out.push_str(&lines.join("\n"));
            }
            Block::Steps(steps) => {
                let lines = steps.iter().enumerate().map(|(number, (how, what))| {
                    let line = format!("{}. {} {}", number + 1, cell(how), cell(what));
                    line.trim_end().to_owned()
                });
                out.push_str(&lines.collect::<Vec<_>>().join("\n"));
            }
            Block::List(items) => {
                let lines: Vec<String> = items.iter().map(|item| format!("- {}", cell(item))).collect();
                out.push_str(&lines.join("\n"));
            }
            Block::Lines(lines) => {
                // Indented, so that no line of a file can end the block.
                let lines: Vec<String> =
                    lines.iter().map(|line| format!("    {}", one_line(line.text()))).collect();
                out.push_str(&lines.join("\n"));
            }
        }
        out.push_str("\n\n");
    }
    out.trim_end().to_owned() + "\n"
}

fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).collect::<Vec<_>>().join(" ")
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Words(text) | Cell::Fixed(text) => escape(text),
        Cell::Code(text) if text.is_empty() => String::new(),
        Cell::Code(text) => {
            let text = one_line(text).replace('|', "\\|");
            // A fence of more backticks than stand in it (CommonMark, code spans).
            let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
            let fence = "`".repeat(longest + 1);
            let blank = if longest > 0 { " " } else { "" };
            format!("{fence}{blank}{text}{blank}{fence}")
        }
    }
}

/// Nothing in the text means anything to Markdown, or to the HTML in it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!' | '&'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
