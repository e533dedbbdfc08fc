//! A page as one HTML file that needs nothing else: no script, no font, no picture, nothing from a network. It is well-formed
//! XML, too, so that any tool can read it.
//!
//! Light and dark follow the reader's system (`prefers-color-scheme`); on paper it is black on white and no row is
//! cut in two. Long IDs and paths wrap anywhere, so that nothing is cut off on a telephone; tables become blocks there.

use std::fmt::Write;

use super::page::{Block, Cell, Level, Page};
use crate::text::in_xml as escape;

const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#fff;--text:#1b1f24;--quiet:#57606a;--line:#d0d7de;--bad:#b3261e;--badground:#fdecea;\
--doubtful:#7a4d00;--doubtfulground:#fff4db;--good:#1a6b34;--goodground:#e6f4ea;--code:#f3f5f7}\
@media(prefers-color-scheme:dark){:root{--ground:#14171b;--text:#e6e9ec;--quiet:#a0a9b2;--line:#39424c;--bad:#ffb4ab;\
--badground:#3d1613;--doubtful:#ffd58a;--doubtfulground:#3a2a05;--good:#8ddba4;--goodground:#12301c;--code:#20262c}}\
*{box-sizing:border-box}\
body{margin:0 auto;padding:1.5rem 1rem 3rem;max-width:76rem;background:var(--ground);color:var(--text);\
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}\
h1{font-size:1.6rem;margin:0 0 1rem}h2{font-size:1.2rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}\
h3{font-size:1rem;margin:1.5rem 0 .25rem}\
code,pre{font-family:ui-monospace,monospace;font-size:.9em;background:var(--code);border-radius:.2rem;padding:.1em .3em;\
white-space:pre-wrap;overflow-wrap:anywhere}\
pre{padding:.5rem .75rem}\
.banner{padding:.6rem .9rem;border-left:.3rem solid var(--line);margin:.5rem 0}\
.bad{color:var(--bad)}.banner.bad{background:var(--badground);border-color:var(--bad)}\
.doubtful{color:var(--doubtful)}.banner.doubtful{background:var(--doubtfulground);border-color:var(--doubtful)}\
.good{color:var(--good)}.banner.good{background:var(--goodground);border-color:var(--good)}\
.mark{font-weight:700}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.5rem 0}dt{color:var(--quiet)}dd{margin:0;min-width:0}\
table{width:100%;border-collapse:collapse;margin:.5rem 0}\
th,td{text-align:left;vertical-align:top;padding:.35rem .5rem;border-bottom:1px solid var(--line);min-width:4rem}\
th{color:var(--quiet);font-weight:600}\
@media(max-width:48rem){table,tbody,tr,td{display:block}thead{display:none}tr{border-bottom:1px solid var(--line);\
padding:.4rem 0}td{border:0;padding:.1rem 0}td[data-name]::before{content:attr(data-name) \": \";color:var(--quiet)}\
dl{grid-template-columns:1fr}dd{margin-bottom:.4rem}}\
@media print{:root{--ground:#fff;--text:#000;--quiet:#333;--line:#999;--bad:#900;--badground:#fff;--doubtful:#640;\
--doubtfulground:#fff;--good:#050;--goodground:#fff;--code:#fff}body{padding:0;max-width:none;font-size:10pt}\
tr,dl,.banner,li{break-inside:avoid}h2,h3{break-after:avoid}}";

/// Renders a page.
#[must_use]
pub fn html(page: &Page) -> String {
    let title = escape(page.title.text());
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n"
    );
    for block in &page.blocks {
        self::block(&mut out, block);
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn block(out: &mut String, block: &Block) {
    let _ = match block {
        Block::Heading(level, text) => {
            let level = (level + 1).min(6);
            writeln!(out, "<h{level}>{}</h{level}>", cell(text))
        }
        Block::Verdict(level, word, text) => {
            let (class, _) = marked(*level);
            writeln!(
                out,
                "<p class=\"banner {class}\"><span class=\"mark\">{word}:</span> {}</p>",
                cell(text)
            )
        }
        Block::Banner(level, text) => {
            let (class, mark) = marked(*level);
            writeln!(out, "<p class=\"banner {class}\">{mark}{}</p>", cell(text))
        }
        Block::Paragraph(text) => writeln!(out, "<p>{}</p>", cell(text)),
        Block::Facts(facts) => {
            let row = |(name, value): &(String, Cell)| {
                format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), cell(value))
            };
            writeln!(out, "<dl>\n{}</dl>", facts.iter().map(row).collect::<String>())
        }
        Block::Table { head, rows } => {
            let names: String =
                head.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
            let rows: String = rows.iter().map(|(level, cells)| row(head, *level, cells)).collect();
            writeln!(out, "<table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>")
        }
        Block::Steps(steps) => {
            let step = |(how, what): &(Cell, Cell)| format!("<li>{} {}</li>\n", cell(how), cell(what));
            writeln!(out, "<ol>\n{}</ol>", steps.iter().map(step).collect::<String>())
        }
        Block::List(all) => writeln!(out, "<ul>\n{}</ul>", items(all)),
        Block::Lines(lines) => {
            let lines: Vec<String> = lines.iter().map(|line| escape(line.text())).collect();
            writeln!(out, "<pre>{}</pre>", lines.join("\n"))
        }
    };
}

fn items(all: &[Cell]) -> String {
    all.iter().map(|item| format!("<li>{}</li>\n", cell(item))).collect()
}

fn row(head: &[String], level: Level, cells: &[Cell]) -> String {
    let (class, _) = marked(level);
    let cells = cells.iter().zip(head).map(|(text, name)| {
        let name =
            if text.text().is_empty() { String::new() } else { format!(" data-name=\"{}\"", escape(name)) };
        format!("<td{name}>{}</td>", cell(text))
    });
    format!("<tr class=\"{class}\">{}</tr>\n", cells.collect::<String>())
}

/// Its class, and a word for those who see no colours.
const fn marked(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Danger => ("bad", "<span class=\"mark\">Danger:</span> "),
        Level::Bad => ("bad", "<span class=\"mark\">Wrong:</span> "),
        Level::Doubtful => ("doubtful", "<span class=\"mark\">Take care:</span> "),
        Level::Good => ("good", "<span class=\"mark\">OK:</span> "),
        Level::Plain => ("plain", ""),
    }
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Words(text) | Cell::Fixed(text) => escape(text),
        Cell::Code(text) if text.is_empty() => String::new(),
        Cell::Code(text) => format!("<code>{}</code>", escape(text)),
    }
}
