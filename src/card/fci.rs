//! File control information, the answer of SELECT (ISO 7816-4, 7.4.3), as far as reading needs it.

use crate::format::tlv::first;

/// What a card says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fci {
    /// Its length.
    pub size: usize,
    /// Descriptor byte (82), if there is one.
    descriptor: Option<u8>,
}

impl Fci {
    /// Is it an elementary file with content of its own, not a directory or a key?
    #[must_use]
    pub const fn is_working_file(&self) -> bool {
        match self.descriptor {
            Some(descriptor) => descriptor >> 3 & 7 == 0 && descriptor & 0x40 == 0,
            None => true,
        }
    }
}

/// Reads `6F` or `62`; none if it tells no size.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Fci> {
    let mut template = first(bytes).filter(|element| matches!(element.tag, 0x62 | 0x6F | 0x64))?.value;
    if let Some(inner) = first(template).filter(|element| element.tag == 0x64) {
        template = inner.value;
    }
    let (mut size, mut descriptor) = (None, None);
    let mut rest = template;
    while let Some(element) = first(rest) {
        match element.tag {
            // The size with everything (81) counts where that of the content (80) is not told.
            0x80 => size = number(element.value),
            0x81 if size.is_none() => size = number(element.value),
            0x82 => descriptor = element.value.first().copied(),
            _ => {}
        }
        rest = element.rest;
    }
    Some(Fci { size: size?, descriptor })
}

fn number(bytes: &[u8]) -> Option<usize> {
    (bytes.len() <= 3).then(|| bytes.iter().fold(0, |number, &byte| number << 8 | usize::from(byte)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn answers_of_cards() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let file = parse(&hex("6f178002008082010183022f008603033fff850200008a0107")).unwrap();
        assert_eq!((file.size, file.is_working_file()), (128, true));
        let directory =
            parse(&hex("6f2581027fff820138830250158603111fff850200028a0107840ca000000063504b43532d3135"))
                .unwrap();
        assert!(!directory.is_working_file());
        let records = parse(&hex("62088002002a820204ff")).unwrap();
        assert_eq!((records.size, records.is_working_file()), (42, true));
        assert_eq!(parse(&hex("6f00")), None);
        assert_eq!(parse(&[]), None);
    }
}
