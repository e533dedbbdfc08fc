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

/// From here on a key reference is one of PIV's, which people write in hex.
const OF_PIV: u8 = 0x80;

/// A key reference, in hex, too, where people know it so.
#[must_use]
pub fn key_reference(number: u8) -> String {
    if number < OF_PIV { number.to_string() } else { format!("{number} ({number:02X})") }
}

/// Is this what somebody types for a key reference?
#[must_use]
pub fn is_key_reference(number: u8, typed: &str) -> bool {
    typed == number.to_string() || (number >= OF_PIV && typed.eq_ignore_ascii_case(&format!("{number:02X}")))
}

/// As [`escape`], for a piece of a text file: tabs stay.
#[must_use]
pub fn escape_source(bytes: &[u8]) -> String {
    let pieces: Vec<String> = bytes.split(|b| *b == b'\t').map(escape).collect();
    pieces.join("\t")
}

fn push(out: &mut String, character: char) {
    let number = u32::from(character);
    match character {
        '\\' => out.push_str("\\\\"),
        '\0'..='\u{7f}' if acts(character) => {
            let _ = write!(out, "\\x{number:02x}");
        }
        _ if acts(character) => {
            let _ = write!(out, "\\u{{{number:x}}}");
        }
        _ => out.push(character),
    }
}

/// Does a character do anything but show itself: control characters, and those that
/// are invisible or change the direction of others?
#[must_use]
pub const fn acts(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
        // Delete and C1 controls; soft hyphen; marks of direction, zero-width and the like.
        | '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{ffff}'
        | '\u{e0000}'..
    )
}

/// Escapes like [`escape`] what acts, and nothing else: for text that is made of escaped
/// parts already, or that another program wrote. Doing it twice is doing it once.
#[must_use]
pub fn tame(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            push(&mut out, character);
        } else {
            out.push(character);
        }
    }
    out
}

/// As [`tame`], for text in which lines end: our own errors, which quote nothing that is not escaped.
#[must_use]
pub fn tame_lines(text: &str) -> String {
    text.lines().map(tame).collect::<Vec<_>>().join("\n")
}

/// The same in nothing but ASCII: dots for an ellipsis, and the number of any other character.
#[must_use]
pub fn in_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{2026}' => out.push_str("..."),
            _ if character.is_ascii() => out.push(character),
            _ => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
            }
        }
    }
    out
}

/// The same for XML 1.0, and HTML that is XML: nothing that means something there, in an attribute neither, and nothing
/// that it does not allow.
#[must_use]
pub fn in_xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // A reader makes a blank of one that stands bare in an attribute.
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            _ if acts(character) => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

/// A word for the shell: as it is where that is safe, else in single quotes.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@' | '+');
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// An option with its value for the shell, also if the value looks like an option.
#[must_use]
pub fn shell_option(option: &str, value: &str) -> String {
    let joint = if value.starts_with('-') { '=' } else { ' ' };
    format!("{option}{joint}{}", shell_word(value))
}

/// Is this serial number what somebody typed: the bytes, or the way we show them?
#[must_use]
pub fn is_typed(serial: &[u8], typed: &str) -> bool {
    serial == typed.as_bytes() || escape(serial) == typed
}

/// `1 finding`, `2 findings`.
#[must_use]
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Unix seconds as RFC 3339 writes them, in UTC: `2026-11-23T09:50:12Z`. What lies outside of the years that it knows is the
/// nearest moment that it does.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    // The years 0000 to 9999.
    let seconds = seconds.clamp(-62_167_219_200, 253_402_300_799);
    date(seconds).replace(' ', "T")
}

/// Unix seconds as people read them, where their zone is not known: `2026-11-23 09:50 UTC`.
#[must_use]
pub fn utc(seconds: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| {
            time.format(time::macros::format_description!("[year]-[month]-[day] [hour]:[minute] UTC")).ok()
        })
        .unwrap_or_else(|| format!("{seconds} s"))
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

/// Commands of ours within a text, as somebody has to type them who is root by `sudo` alone.
#[must_use]
pub fn by_sudo(text: &str) -> String {
    text.replace("`stalecard ", "`sudo stalecard ").replace(": stalecard undo", ": sudo stalecard undo")
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
    fn taming_changes_only_what_acts_and_only_once() {
        let text = "a\x1b[2J\\x1b Schlüssel\u{202e}\u{9b}\n";
        let tamed = tame(text);
        assert_eq!(tamed, "a\\x1b[2J\\x1b Schlüssel\\u{202e}\\u{9b}\\x0a");
        assert_eq!(tame(&tamed), tamed);
        assert_eq!(tame_lines("a\x1b\r\n\n  b"), "a\\x1b\n\n  b");
    }

    #[test]
    fn a_command_to_copy_is_never_more_than_one_command() {
        assert_eq!(shell_word("DENK0200834"), "DENK0200834");
        assert_eq!(shell_word("x;rm -rf ~"), "'x;rm -rf ~'");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_option("--serial", "A1"), "--serial A1");
        assert_eq!(shell_option("--serial", "--all"), "--serial='--all'");
        assert_eq!((shell_word(""), shell_word("--all")), ("''".to_owned(), "'--all'".to_owned()));
        assert!(is_typed(b"A\x1b", "A\\x1b") && is_typed(b"A\\", "A\\") && !is_typed(b"A", "a"));
    }

    #[test]
    fn xml_is_given_text_and_nothing_else() {
        assert_eq!(
            in_xml("<a b='\"'>&\n\t\u{1}\u{ffff}ü"),
            "&lt;a b=&#39;&quot;&#39;&gt;&amp;&#10;&#9;\u{fffd}\u{fffd}ü"
        );
    }

    #[test]
    fn tabs_of_a_source_stay() {
        assert_eq!(escape_source(b"\ta\t\x1b\r"), "\ta\t\\x1b\\x0d");
    }

    #[test]
    fn dates_are_utc() {
        assert_eq!(date(1_672_675_083), "2023-01-02 15:58:03Z");
        assert_eq!(utc(1_672_675_083), "2023-01-02 15:58 UTC");
        assert_eq!(utc(i64::MAX), format!("{} s", i64::MAX));
        assert_eq!(date(i64::MAX), format!("{} s", i64::MAX));
        assert_eq!(rfc3339(1_672_675_083), "2023-01-02T15:58:03Z");
        assert_eq!(rfc3339(i64::MAX), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(i64::MIN), "0000-01-01T00:00:00Z");
    }
}
