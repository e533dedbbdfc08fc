//! BER-TLV (ITU-T X.690) read the way OpenSC reads it.
//!
//! OpenSC walks a SEQUENCE with a list of expected tags in a fixed order. An
//! optional element that is not next is skipped over in that list, a mandatory
//! one that is not next is an error, and whatever follows the last expected
//! element is ignored. A header that does not parse or a length beyond the end
//! counts as "not there". A structure that begins with 00 or FF has ended.
//! These rules decide what a listing shows of a damaged file, so they are kept
//! here and not left to a stricter DER library.

/// Why a structure could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlvError {
    /// The structure begins with 00 or FF (OpenSC: `SC_ERROR_ASN1_END_OF_CONTENTS`).
    #[error("it is empty or begins with 00 or FF")]
    EndOfContents,
    /// A mandatory element is not there (OpenSC: `SC_ERROR_ASN1_OBJECT_NOT_FOUND`).
    #[error("the element with tag {0:X} is missing, cut off or out of order")]
    Missing(u32),
    /// An element has a value that does not fit its type.
    #[error("the element with tag {0:X} has an impossible value")]
    Invalid(u32),
}

/// One element at the start of a byte string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The tag's bytes as one number: `30`, `7F4E`.
    pub tag: u32,
    /// The value.
    pub value: &'a [u8],
    /// Header and value.
    pub raw: &'a [u8],
    /// What follows.
    pub rest: &'a [u8],
}

/// What stands in front of an element's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The tag's bytes as one number.
    pub tag: u32,
    /// How long the header itself is.
    pub size: usize,
    /// How long it says the value is. An indefinite length (80) is 0 to OpenSC.
    pub length: usize,
    /// Is the length indefinite?
    pub indefinite: bool,
}

/// Reads the header at the start of `bytes`, whether its value is there or not; `None` if there is none or it is
/// malformed. Lengths are in short form or have up to four bytes; tags have up to three bytes.
#[must_use]
pub fn header(bytes: &[u8]) -> Option<Header> {
    let (&lead, mut rest) = bytes.split_first()?;
    if lead == 0x00 || lead == 0xFF {
        return None;
    }
    let mut tag = u32::from(lead);
    if lead & 0x1F == 0x1F {
        for more in 1.. {
            let (&byte, tail) = rest.split_first()?;
            rest = tail;
            tag = tag << 8 | u32::from(byte);
            if byte & 0x80 == 0 {
                break;
            }
            if more == 2 {
                return None;
            }
        }
    }
    let (&short, mut rest) = rest.split_first()?;
    let length = if short & 0x80 == 0 {
        usize::from(short)
    } else {
        let count = usize::from(short & 0x7F);
        if count > 4 {
            return None;
        }
        let (digits, tail) = rest.split_at_checked(count)?;
        rest = tail;
        digits.iter().fold(0, |length, &byte| length << 8 | usize::from(byte))
    };
    Some(Header { tag, size: bytes.len() - rest.len(), length, indefinite: short == 0x80 })
}

/// Reads the element at the start of `bytes`; `None` if it has no [`header`] or its length goes beyond the end.
#[must_use]
pub fn first(bytes: &[u8]) -> Option<Element<'_>> {
    let Header { tag, size, length, .. } = header(bytes)?;
    let (raw, rest) = bytes.split_at_checked(size.checked_add(length)?)?;
    Some(Element { tag, value: raw.get(size..)?, raw, rest })
}

/// The value of the first element with this tag, wherever it stands in a structure.
#[must_use]
pub fn tagged(mut content: &[u8], tag: u32) -> Option<&[u8]> {
    while let Some(element) = first(content) {
        if element.tag == tag {
            return Some(element.value);
        }
        content = element.rest;
    }
    None
}

/// Walks the elements of one structure in the order OpenSC expects them.
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    rest: &'a [u8],
}

impl<'a> Walk<'a> {
    /// Starts on the content of a structure.
    ///
    /// # Errors
    /// [`TlvError::EndOfContents`] if it begins with 00 or FF. An empty one is
    /// fine as long as nothing mandatory is asked of it.
    pub fn new(content: &'a [u8]) -> Result<Self, TlvError> {
        match content {
            [0x00 | 0xFF, _, ..] => Err(TlvError::EndOfContents),
            _ => Ok(Self { rest: content }),
        }
    }

    /// The value of the next element if it has this tag.
    pub fn optional(&mut self, tag: u32) -> Option<&'a [u8]> {
        self.optional_element(tag).map(|element| element.value)
    }

    /// The next element if it has this tag.
    pub fn optional_element(&mut self, tag: u32) -> Option<Element<'a>> {
        let element = first(self.rest).filter(|element| element.tag == tag)?;
        self.rest = element.rest;
        Some(element)
    }

    /// The value of the next element, which must have this tag.
    ///
    /// # Errors
    /// [`TlvError::Missing`] if it has not.
    pub fn required(&mut self, tag: u32) -> Result<&'a [u8], TlvError> {
        self.optional(tag).ok_or(TlvError::Missing(tag))
    }

    /// The next element, which must have this tag.
    ///
    /// # Errors
    /// [`TlvError::Missing`] if it has not.
    pub fn required_element(&mut self, tag: u32) -> Result<Element<'a>, TlvError> {
        self.optional_element(tag).ok_or(TlvError::Missing(tag))
    }

    /// What has not been read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// An INTEGER of up to four bytes, with its sign.
///
/// # Errors
/// [`TlvError::Invalid`] if it is empty or longer.
pub fn integer(tag: u32, value: &[u8]) -> Result<i32, TlvError> {
    let (&lead, _) = value.split_first().ok_or(TlvError::Invalid(tag))?;
    if value.len() > 4 {
        return Err(TlvError::Invalid(tag));
    }
    let sign = if lead & 0x80 == 0 { 0 } else { -1 };
    Ok(value.iter().fold(sign, |number, &byte| number << 8 | i32::from(byte)))
}

/// A BIT STRING of up to 32 named bits; bit 0 is the most significant bit of
/// the first byte, as in PKCS#15 `KeyUsageFlags`.
///
/// # Errors
/// [`TlvError::Invalid`] if it is empty or longer.
pub fn bit_field(tag: u32, value: &[u8]) -> Result<u32, TlvError> {
    let (&unused, octets) = value.split_first().ok_or(TlvError::Invalid(tag))?;
    if octets.len() > 4 || (octets.is_empty() && unused & 7 != 0) {
        return Err(TlvError::Invalid(tag));
    }
    let last = octets.len().checked_sub(1);
    let field = octets.iter().enumerate().fold(0, |field, (index, &octet)| {
        let keep = if Some(index) == last { 0xFF << (unused & 7) } else { 0xFF };
        field | u32::from((octet & keep).reverse_bits()) << (8 * index)
    });
    Ok(field)
}

/// Writes one element in DER.
#[must_use]
pub fn encode(tag: u32, value: &[u8]) -> Vec<u8> {
    let strip = |bytes: [u8; 8]| bytes.into_iter().skip_while(|&byte| byte == 0);
    let mut element: Vec<u8> = strip(u64::from(tag).to_be_bytes()).collect();
    let length: Vec<u8> = strip((value.len() as u64).to_be_bytes()).collect();
    match length.as_slice() {
        [] => element.push(0),
        [short @ 0..=0x7F] => element.push(*short),
        long => {
            // At most eight bytes of length, so the cast cannot lose any.
            #[expect(clippy::cast_possible_truncation, reason = "at most 8")]
            element.push(0x80 | long.len() as u8);
            element.extend_from_slice(long);
        }
    }
    element.extend_from_slice(value);
    element
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn reads_short_and_long_forms() {
        let element = first(&[0x7F, 0x4E, 0x81, 0x02, 1, 2, 9]).unwrap();
        assert_eq!((element.tag, element.value, element.rest), (0x7F4E, &[1, 2][..], &[9][..]));
        assert_eq!(first(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0]), None);
        assert_eq!(first(&[0x30, 0x85, 0, 0, 0, 0, 0]), None);
        assert_eq!(first(&[0x00, 0x00]), None);
        assert_eq!(first(&[0x7F, 0xFF, 0xFF, 0xFF, 0x01, 0x00]), None);
        assert_eq!(first(&[0x30]), None);
    }

    #[test]
    fn a_header_needs_no_value() {
        let read = |bytes| header(bytes).map(|header| (header.tag, header.size, header.length));
        assert_eq!(read(&[0x7F, 0x21, 0x81, 0xE4]), Some((0x7F21, 4, 0xE4)));
        assert_eq!(read(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]), Some((0x30, 6, 0xFFFF_FFFF)));
        assert_eq!((read(&[0x30, 0x82, 1]), read(&[0x30]), read(&[])), (None, None, None));
        assert!(header(&[0x30, 0x80]).unwrap().indefinite && !header(&[0x30, 0x00]).unwrap().indefinite);
    }

    #[test]
    fn walks_in_order_and_ignores_the_tail() {
        let mut walk = Walk::new(&[0x04, 1, 0x45, 0x02, 1, 5, 0x99, 0]).unwrap();
        assert_eq!(walk.optional(0x03), None);
        assert_eq!(walk.required(0x04), Ok(&[0x45][..]));
        assert_eq!(walk.required(0x30), Err(TlvError::Missing(0x30)));
        assert_eq!(walk.optional(0x02), Some(&[5][..]));
        assert_eq!(Walk::new(&[0xFF, 0]).unwrap_err(), TlvError::EndOfContents);
        assert!(Walk::new(&[]).is_ok());
    }

    #[test]
    fn numbers_and_bits() {
        assert_eq!(integer(2, &[0x02, 0x09]), Ok(521));
        assert_eq!(integer(2, &[0x82]), Ok(-126));
        assert!(integer(2, &[]).is_err());
        assert!(integer(2, &[0; 5]).is_err());
        // Usage of a key made by OpenSC: sign, signRecover, derive.
        assert_eq!(bit_field(3, &[0x07, 0x30, 0x80]), Ok(0x10C));
        assert_eq!(bit_field(3, &[0x06, 0xC0]), Ok(0b11));
        assert_eq!(bit_field(3, &[0x00]), Ok(0));
        assert!(bit_field(3, &[]).is_err());
        assert!(bit_field(3, &[7]).is_err());
    }

    #[test]
    fn writes_what_it_reads() {
        for length in [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x1_0000] {
            let value = vec![0xAB; length];
            let raw = encode(0x7F49, &value);
            let element = first(&raw).unwrap();
            assert_eq!((element.tag, element.value, element.rest.len()), (0x7F49, value.as_slice(), 0));
        }
    }
}
