//! What OpenSC's tools print, as blocks of text that can be compared: nothing is parsed into a meaning.
//!
//! Hides what of it differs from one run to the next (handles, the reader), what would be private (the content of data
//! objects), and that the text comes from a card.

use super::digest::Digester;
use crate::text::escape;

/// What begins the block in which `pkcs15-tool` describes a card: without it nothing was listed.
const TOKEN: &str = "PKCS#15 Card [";
/// What `pkcs15-tool` says of a data object, before the content in hex.
const CONTENT: &str = "Data (";
/// More blocks than any card has objects.
const MOST: usize = 4096;

/// The list of `pkcs15-tool -D`: blocks between empty lines. None if there is no card in it.
pub(super) fn of_pkcs15(printed: &[u8], digester: &Digester) -> Option<Vec<String>> {
    let mut blocks: Vec<Vec<String>> = vec![Vec::new()];
    for line in lines(printed) {
        if line.is_empty() {
            blocks.push(Vec::new());
        } else if let Some(block) = blocks.last_mut() {
            block.push(masked(line, digester));
        }
    }
    let blocks = told(blocks.into_iter().map(|block| block.join("\n")));
    blocks.iter().any(|block| block.starts_with(TOKEN)).then_some(blocks)
}

/// The list of `pkcs11-tool -O`: a line without indent begins a block. None if there is nothing.
pub(super) fn of_pkcs11(printed: &[u8]) -> Option<Vec<String>> {
    let mut blocks: Vec<String> = Vec::new();
    for line in lines(printed) {
        let text = without_handle(&shown(line));
        match blocks.last_mut() {
            Some(block) if line.starts_with(b" ") || line.starts_with(b"\t") => {
                block.push('\n');
                block.push_str(&text);
            }
            _ if line.is_empty() => {}
            _ => blocks.push(text),
        }
    }
    let blocks = told(blocks.into_iter());
    (!blocks.is_empty()).then_some(blocks)
}

/// What a tool complained about, as the end of a sentence: its last line, which says how it ended.
pub(super) fn complaint(said: &[u8]) -> String {
    let last = lines(said).filter(|line| !line.is_empty()).last();
    last.map(|line| format!(": {}", escape(line))).unwrap_or_default()
}

/// Does a tool say that no card is in the reader? (That of a card which it does not support is another word.)
pub(super) fn says_absent(said: &[u8]) -> bool {
    let absent: [&[u8]; 2] = [b"Card not present", b"No slot with a token was found."];
    lines(said).any(|line| absent.iter().any(|words| line.ends_with(words)))
}

fn told(blocks: impl Iterator<Item = String>) -> Vec<String> {
    let is_told = |block: &String| !block.is_empty() && !block.starts_with("Using ");
    let mut blocks: Vec<String> = blocks.filter(is_told).take(MOST).collect();
    blocks.sort();
    blocks
}

fn lines(printed: &[u8]) -> impl Iterator<Item = &[u8]> {
    printed
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .filter(|line| !line.starts_with(b"Using "))
}

fn shown(line: &[u8]) -> String {
    let depth = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let blanks = if depth > 0 { "  " } else { "" };
    format!("{blanks}{}", escape(line.get(depth..).unwrap_or_default()))
}

/// The line with the content of a data object replaced by its digest.
fn masked(line: &[u8], digester: &Digester) -> String {
    let text = line.trim_ascii_start();
    if let Some(at) =
        text.iter().position(|&byte| byte == b':').filter(|_| text.starts_with(CONTENT.as_bytes()))
    {
        let (head, content) = text.split_at(at + 1);
        return format!("  {} digest {}", escape(head), digester.short(content));
    }
    shown(line)
}

/// `Profile object 94` and `Data object 12`: the number is a handle.
fn without_handle(text: &str) -> String {
    for kind in ["Profile object ", "Data object "] {
        if let Some(rest) = text.strip_prefix(kind) {
            return format!(
                "{kind}{}",
                rest.trim_start_matches(|digit: char| digit.is_ascii_digit()).trim_start()
            );
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn blocks_are_compared_and_what_is_private_is_not_kept() {
        let digester = Digester::new().unwrap();
        let text = b"Using reader with a card: X\nPKCS#15 Card [a]:\n\tVersion        : 0\n\n\
            Data object 'Name'\n\tPath : 3f00\n\tData (4 bytes): 41646121\n\n\nX.509 Certificate [\x1b[1mC]\n\tID : 01\n";
        let blocks = of_pkcs15(text, &digester).unwrap();
        assert_eq!(blocks.len(), 3, "{blocks:?}");
        let all = blocks.join("\n");
        assert!(
            !all.contains("41646121") && !all.contains('\x1b') && all.contains("Data (4 bytes): digest "),
            "{all}"
        );
        assert_eq!(of_pkcs15(text, &digester).unwrap(), blocks);
        assert_eq!(of_pkcs15(b"Using reader with a card: X\n", &digester), None);
        assert_eq!(of_pkcs15(b"", &digester), None);
    }

    #[test]
    fn handles_do_not_count() {
        let blocks = |handle: &str| {
            let text = format!(
                "Using slot 0 with a present token (0x0)\nPublic Key Object; RSA 2048 bits\n  label: a\n\
                 Profile object {handle}\n  profile_id: '4'\nData object {handle}\n  label: 'x'\n"
            );
            of_pkcs11(text.as_bytes()).unwrap()
        };
        assert_eq!(blocks("12"), blocks("3007"));
        assert_eq!(blocks("1").len(), 3);
        assert_eq!(of_pkcs11(b"Using slot 0 with a present token (0x0)\n"), None);
    }
}
