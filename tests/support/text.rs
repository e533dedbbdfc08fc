//! What may stand in a text for people.

use textwrap::core::display_width;

/// Fails the test if the text could act on a terminal, or is wider than 80 columns. Lines that hold a
/// path or another long word may be wider: those are copied, so they are never broken.
#[track_caller]
pub fn readable(text: &str) {
    harmless(text);
    for line in text.lines() {
        let word = line.split(' ').map(display_width).max().unwrap_or_default();
        // A path or an ID of many bytes is one word.
        assert!(
            display_width(line) <= 80 || line.contains('/') || word > 63,
            "wider than 80 columns: {line}\n{text}"
        );
        assert_eq!(line.trim_end(), line, "blanks at the end of a line:\n{text}");
    }
}

/// Fails the test if the text holds a control character other than the end of line, or a
/// character that hides or reorders others.
#[track_caller]
pub fn harmless(text: &str) {
    let bad = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}' | '\u{e0000}'..='\u{e007f}')
    };
    if let Some((at, found)) = text.char_indices().find(|(_, c)| bad(*c)) {
        let start = (0..=at.saturating_sub(100)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        panic!(
            "{found:?} reaches the reader: …{}",
            text[start..].chars().take(200).collect::<String>().escape_debug()
        );
    }
}
