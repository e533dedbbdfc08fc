//! Characters that look like another one which the language knows: blanks that are none, quotes and dashes of
//! typesetters, marks that nobody sees. To OpenSC they are letters of a word. Word processors, mail programs and web
//! pages put them in.

use std::ops::Range;

/// Such a character in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glyph {
    /// Its bytes.
    pub range: Range<usize>,
    /// Which one.
    pub character: char,
    /// What it is.
    pub name: &'static str,
}

/// What a character is, and what stands in its place in plain text.
const fn looks_like(character: char) -> Option<(&'static str, &'static str)> {
    Some(match character {
        '\u{a0}' => ("a no-break space", " "),
        '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            ("a blank of typesetters", " ")
        }
        '\u{feff}' => ("a byte order mark", ""),
        '\u{ad}' => ("a soft hyphen, which is not shown", ""),
        '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' => {
            ("a character that is not shown", "")
        }
        '\u{ab}' | '\u{bb}' | '\u{2018}'..='\u{201f}' | '\u{2039}' | '\u{203a}' | '\u{ff02}' => {
            ("a quote of typesetters", "\"")
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff0d}' => ("a dash of typesetters", "-"),
        '\u{ff1d}' => ("a wide equals sign", "="),
        '\u{ff1b}' | '\u{37e}' => ("no semicolon", ";"),
        _ => return None,
    })
}

/// The characters of this kind in a part of a text.
#[must_use]
pub fn glyphs(text: &[u8], part: Range<usize>) -> Vec<Glyph> {
    let mut found = Vec::new();
    let mut at = part.start;
    for chunk in text.get(part).unwrap_or_default().utf8_chunks() {
        for character in chunk.valid().chars() {
            let end = at + character.len_utf8();
            if let Some((name, _)) = looks_like(character) {
                found.push(Glyph { range: at..end, character, name });
            }
            at = end;
        }
        at += chunk.invalid().len();
    }
    found
}

/// A line as it would be in plain text.
#[must_use]
pub fn plain(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    for chunk in line.utf8_chunks() {
        for character in chunk.valid().chars() {
            match looks_like(character) {
                Some((_, instead)) => out.extend_from_slice(instead.as_bytes()),
                None => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        out.extend_from_slice(chunk.invalid());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_found_and_replaced() {
        let text = "a\u{a0}= \u{201c}x\u{2013}y\u{201d}\u{feff};é".as_bytes();
        let found = glyphs(text, 1..text.len());
        let names: Vec<_> = found.iter().map(|glyph| (glyph.range.start, glyph.character)).collect();
        assert_eq!(
            names,
            [(1, '\u{a0}'), (5, '\u{201c}'), (9, '\u{2013}'), (13, '\u{201d}'), (16, '\u{feff}')]
        );
        assert_eq!(plain(text), "a = \"x-y\";é".as_bytes());
        assert_eq!(plain(b"\xff = x"), b"\xff = x");
    }
}
