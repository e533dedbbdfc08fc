//! What tells one SmartCard-HSM from another: the firmware's version and the card's own mark.

use super::read::element_length;
use crate::format::tlv;

/// The last 256 bytes of the first certificate in 2F02: its signature, which no
/// other card has, and the name of its holder (CHR).
pub fn mark(device: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = element_length(device).unwrap_or(device.len()).min(device.len());
    let start = end.saturating_sub(256);
    Some((u16::try_from(start).ok()?, device.get(start..end)?.to_vec()))
}

/// Firmware version from the answer to SELECT: template 6F or 62, in it tag 85,
/// whose last two bytes are major and minor. Emulators differ in all the rest.
pub fn version(fci: &[u8]) -> Option<(u8, u8)> {
    let template = tlv::first(fci).filter(|element| matches!(element.tag, 0x6F | 0x62))?;
    let (_, &[major, minor]) = tlv::tagged(template.value, 0x85)?.split_last_chunk::<2>()?;
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn the_mark_is_the_end_of_the_first_certificate() {
        // A device certificate of 232 bytes, another behind it.
        let device = [&[0x7F, 0x21, 0x81, 0xE4][..], &[1; 0xE4], &[2; 232]].concat();
        let (offset, bytes) = mark(&device).unwrap();
        assert_eq!((offset, bytes.as_slice()), (0, &device[..232]));
        // A request of 418 bytes.
        let device = [&[0x67, 0x82, 0x01, 0x9E][..], &[1; 414], &[2; 380]].concat();
        let (offset, bytes) = mark(&device).unwrap();
        assert_eq!((offset, bytes), (162, vec![1; 256]));
        // Nothing that could be a certificate.
        assert_eq!(mark(&[0; 3]), Some((0, vec![0; 3])));
    }

    #[test]
    fn versions_in_the_answer_to_select() {
        // Nitrokey HSM 1.2, V2.0 with options, pico-hsm 5.6.
        assert_eq!(version(b"\x6F\x07\x82\x01\x78\x85\x02\x01\x02"), Some((1, 2)));
        assert_eq!(version(b"\x6F\x0A\x82\x01\x78\x85\x05\x00\x01\xFF\x03\x05"), Some((3, 5)));
        let pico = b"\x62\x22\x81\x02\0\0\x82\x01\x01\x83\x02\0\0\x84\x0B\x2B\x06\x01\x04\x01\x81\xC3\x1F\x02\x01\x30\x8A\x01\x05\x85\x05\0\x01\xFF\x05\x06";
        assert_eq!(version(pico), Some((5, 6)));
        for bad in [
            &b""[..],
            b"\x6F",
            b"\x6F\x05\x85",
            b"\x6F\x03\x85\x01\x02",
            b"\x6F\x02\x85\x05",
            b"\x61\x04\x85\x02\x01\x02",
        ] {
            assert_eq!(version(bad), None, "{bad:02X?}");
        }
    }
}
