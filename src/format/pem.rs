//! PEM (RFC 7468), as OpenSSL reads it: anything may stand before a block, after it and between
//! blocks; a byte order mark, blanks and line breaks of any kind do not matter; headers as in
//! RFC 1421 are skipped.

use data_encoding::BASE64;

/// More structures than this in one file are not looked at.
pub const MAX_STRUCTURES: usize = 1_000;

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What it is said to be: "CERTIFICATE". Empty for a file that is not PEM.
    pub label: String,
    /// What it holds.
    pub contents: Vec<u8>,
}

/// Which lines of a block are headers (RFC 1421, 4.6): those with a colon, which no digit is, and those behind one that are
/// indented deeper than the block, with which it goes on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers {
    indentation: usize,
    is_in_one: bool,
}

impl Headers {
    /// Of the block that this line begins.
    #[must_use]
    pub fn of_block(begin: &[u8]) -> Self {
        Self { indentation: indentation(begin), is_in_one: false }
    }

    /// Is the next line of the block a part of them?
    pub fn has(&mut self, line: &[u8]) -> bool {
        let text = line.trim_ascii();
        let is_folded = self.is_in_one && indentation(line) > self.indentation;
        self.is_in_one = !text.is_empty() && (text.contains(&b':') || is_folded);
        self.is_in_one
    }
}

fn indentation(line: &[u8]) -> usize {
    line.len() - line.trim_ascii_start().len()
}

/// The blocks of a file, in order; those that do not decode are left out.
#[must_use]
pub fn blocks(bytes: &[u8]) -> Vec<Block> {
    parts(bytes).0
}

/// The same, and of those that are cut off or do not decode the labels.
#[must_use]
pub fn parts(bytes: &[u8]) -> (Vec<Block>, Vec<String>) {
    let mut blocks = Vec::new();
    let mut damaged: Vec<String> = Vec::new();
    // The label of the block that we are in, and its digits.
    let mut open: Option<(&str, Vec<u8>)> = None;
    let mut headers = Headers::default();
    for raw in raw_lines(bytes) {
        let line = raw.trim_ascii();
        match (label(line, "BEGIN"), label(line, "END"), &mut open) {
            (Some(label), ..) => {
                damaged.extend(open.take().map(|(label, _)| label.to_owned()));
                open = Some((label, Vec::new()));
                headers = Headers::of_block(raw);
            }
            (_, Some(_), Some(_)) => {
                if let Some((label, digits)) = open.take() {
                    match block(label, &digits) {
                        Some(block) => blocks.push(block),
                        None => damaged.push(label.to_owned()),
                    }
                }
            }
            (None, None, Some((_, digits))) => {
                if !headers.has(raw) {
                    digits.extend(line.iter().filter(|byte| !byte.is_ascii_whitespace()));
                }
            }
            (None, ..) => {}
        }
        if blocks.len() + damaged.len() == MAX_STRUCTURES {
            return (blocks, damaged);
        }
    }
    damaged.extend(open.map(|(label, _)| label.to_owned()));
    (blocks, damaged)
}

fn block(label: &str, digits: &[u8]) -> Option<Block> {
    let contents = BASE64.decode(digits).ok()?;
    Some(Block { label: label.to_owned(), contents })
}

/// The labels of all blocks, decodable or not.
pub fn labels(bytes: &[u8]) -> impl Iterator<Item = &str> {
    lines(bytes).filter_map(|line| label(line, "BEGIN"))
}

/// Lines without what surrounds them.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    raw_lines(bytes).map(<[u8]>::trim_ascii)
}

fn raw_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    // Of an end as on Windows one end, so that no empty line comes of it.
    text.split(|&byte| byte == b'\n')
        .flat_map(|line| line.strip_suffix(b"\r").unwrap_or(line).split(|&byte| byte == b'\r'))
}

/// The label of a line (without what surrounds it) that begins ("BEGIN") or ends ("END") a block.
#[must_use]
pub fn label<'a>(line: &'a [u8], which: &str) -> Option<&'a str> {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    let within = line.strip_prefix(b"-----")?.strip_suffix(b"-----")?;
    std::str::from_utf8(within).ok()?.strip_prefix(which)?.strip_prefix(' ').map(str::trim)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn as_openssl_reads_it() {
        let expected = vec![Block { label: "X".to_owned(), contents: b"stalecard".to_vec() }];
        for text in [
            "-----BEGIN X-----\nc3RhbGVjYXJk\n-----END X-----\n",
            "\u{feff}-----BEGIN X-----\r\nc3Rh\r\nbGVjYXJk\r\n-----END X-----",
            "Bag Attributes\n    friendlyName: a\n  -----BEGIN X-----\n\n  c3Rh bGVj\n\tYXJk \n  -----END X----- \nafter",
            "-----BEGIN X-----\nProc-Type: 4\n\nc3RhbGVjYXJk\n-----END X-----\n",
            "-----BEGIN X-----\r\nDEK-Info: A,\r\n B\r\n\r\nc3Rh\r\n bGVjYXJk\r\n-----END X-----\r\n",
            "-----BEGIN X-----\rc3RhbGVjYXJk\r-----END X-----\r",
            "  -----BEGIN X-----\n  Proc-Type: 4\n  c3Rh\n  bGVjYXJk\n  -----END X-----\n",
            "  key:\n    Proc-Type: 4\n  -----BEGIN X-----\n  c3Rh\n  bGVjYXJk\n  -----END X-----\n",
            "  -----BEGIN X-----\n  DEK-Info: A,\n   B\n  c3Rh\n  bGVjYXJk\n  -----END X-----\n",
        ] {
            assert_eq!(blocks(text.as_bytes()), expected, "{text:?}");
        }
        let two = "-----BEGIN X-----\n!\n-----END X-----\n-----BEGIN X-----\nc3RhbGVjYXJk\n-----END X-----\n";
        assert_eq!(blocks(two.as_bytes()), expected);
        assert!(blocks(b"-----BEGIN X-----\nc3RhbGVjYXJk").is_empty());
        assert_eq!(
            blocks("-----BEGIN X-----\nAA==\n-----END X-----\n".repeat(2_000).as_bytes()).len(),
            MAX_STRUCTURES
        );
    }
}
