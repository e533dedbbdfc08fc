//! Text that came from a card, a file name or a configuration is hostile: this
//! is the one place where it is made fit for a terminal, a log or JSON.

use std::fmt::Write;

/// Shows bytes as text: UTF-8 where it is valid and printable; control
/// characters, invisible and direction-changing characters, the backslash and
/// invalid bytes as `\xNN` or `\u{NNNN}`. At most 300 characters are shown.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push(&mut out, character);
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    match out.char_indices().nth(300) {
        Some((end, _)) => format!("{}… ({} bytes)", out.get(..end).unwrap_or_default(), bytes.len()),
        None => out,
    }
}

fn push(out: &mut String, character: char) {
    let number = u32::from(character);
    match character {
        '\\' => out.push_str("\\\\"),
        '\0'..='\u{1f}' | '\u{7f}' => {
            let _ = write!(out, "\\x{number:02x}");
        }
        // C1 controls, soft hyphen, marks of direction, zero-width and the like.
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{ffff}'
        | '\u{e0000}'.. => {
            let _ = write!(out, "\\u{{{number:x}}}");
        }
        _ => out.push(character),
    }
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Unix seconds as `2026-11-23 09:50:12Z`.
#[must_use]
pub fn date(seconds: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| {
            time.format(time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z"))
                .ok()
        })
        .unwrap_or_else(|| format!("{seconds} s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_as_a_command() {
        assert_eq!(escape("Schlüssel №1".as_bytes()), "Schlüssel №1");
        assert_eq!(escape(b"a\x1b[2J\x07\n\\"), "a\\x1b[2J\\x07\\x0a\\\\");
        assert_eq!(escape("\u{9b}31m\u{202e}x".as_bytes()), "\\u{9b}31m\\u{202e}x");
        assert_eq!(escape(&[0xff, b'a']), "\\xffa");
        assert!(escape(&[b'a'; 70_000]).len() < 400);
    }

    #[test]
    fn dates_are_utc() {
        assert_eq!(date(1_672_675_083), "2023-01-02 15:58:03Z");
        assert_eq!(date(i64::MAX), format!("{} s", i64::MAX));
    }
}
