//! The files of p11-kit (pkcs11.conf(5)): a line is `key: value`, a comment begins with `#`.

use std::ops::Range;

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// Its value, without blanks at its ends.
    pub value: &'a [u8],
    /// Where the value stands.
    pub range: Range<usize>,
}

/// The settings of a file, in order.
#[must_use]
pub fn lines(text: &[u8]) -> Vec<Line<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let at = start;
        start += line.len();
        let Some(colon) = memchr::memchr(b':', line).filter(|_| !line.trim_ascii().starts_with(b"#")) else {
            continue;
        };
        let (key, rest) = (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
        let value = rest.trim_ascii();
        let from = at + colon + 1 + (rest.len() - rest.trim_ascii_start().len());
        found.push(Line { key: key.trim_ascii(), value, range: from..from + value.len() });
    }
    found
}

/// The words of a value that is a list: between them stand commas and blanks.
pub fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',' || byte.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_key_and_a_value() {
        let text = b"# module: no\nmodule:  a.so \n\ndisable-in: one, two\r\nbad\nlast:";
        let found: Vec<_> = lines(text).into_iter().map(|line| (line.key, line.value, line.range)).collect();
        let expected: [(&[u8], &[u8], _); 3] =
            [(b"module", b"a.so", 22..26), (b"disable-in", b"one, two", 41..49), (b"last", b"", 60..60)];
        assert_eq!(found, expected);
        assert_eq!(words(b"one, two three,").count(), 3);
    }
}
