//! APDUs as they stand in a log (ISO/IEC 7816-4), without what must not leave the machine.
//!
//! Only what is on a list is shown, so that a command nobody thought of is masked: headers and status words always, the data
//! of commands that choose or ask (SELECT, READ BINARY with an offset, GET DATA with a tag list), answers to SELECT and the
//! list of a SmartCard-HSM's files. A file's content is told by its length: whether it is private, or a card access number,
//! is known only after it was read, and a snapshot holds what may be shown of it. A PIN, a challenge and what a key
//! answered are told by their length, too.

use super::readers::Reader;
use crate::log;
use crate::text::hex;

/// SELECT.
const SELECT: u8 = 0xA4;
/// READ BINARY with an offset in its data, and GET DATA with tags in its data.
const ASKING: [u8; 3] = [SELECT, 0xB1, 0xCB];
/// SELECT, and ENUMERATE OBJECTS of a SmartCard-HSM: control information and file identifiers.
const TELLING: [u8; 2] = [SELECT, 0x58];

/// Logs a command to the card in a reader and its answer: readers are talked to side by side.
pub(super) fn exchange(reader: &Reader, apdu: &[u8], answer: &[u8]) {
    log::line(|| format!("{} > {}", reader.shown(), command(apdu)));
    log::line(|| format!("{} < {}", reader.shown(), response(apdu.get(1).copied(), answer)));
}

/// Logs what the reader's own pin pad was asked: nothing of it is shown.
pub(super) fn pad(reader: &Reader, answer: &[u8]) {
    log::line(|| format!("{} > VERIFY by the reader's pin pad", reader.shown()));
    log::line(|| format!("{} < {}", reader.shown(), response(None, answer)));
}

fn command(apdu: &[u8]) -> String {
    let Some((header, rest)) = apdu.split_at_checked(4) else { return format!("({} bytes)", apdu.len()) };
    let shown = apdu.get(1).is_some_and(|ins| ASKING.contains(ins)) || rest.len() <= 1;
    match rest {
        [] => hex(header),
        _ if shown => format!("{} {}", hex(header), hex(rest)),
        _ => format!("{} ({} bytes, masked)", hex(header), rest.len()),
    }
}

fn response(ins: Option<u8>, answer: &[u8]) -> String {
    let Some((data, status)) = answer.len().checked_sub(2).and_then(|at| answer.split_at_checked(at)) else {
        return format!("({} bytes)", answer.len());
    };
    let shown = ins.is_some_and(|ins| TELLING.contains(&ins));
    match data {
        [] => hex(status),
        _ if shown => format!("{} {}", hex(data), hex(status)),
        _ => format!("({} bytes) {}", data.len(), hex(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_and_the_content_of_a_file_are_told_by_their_length() {
        let verify = [&[0x00, 0x20, 0x00, 0x81, 0x06][..], b"648219"].concat();
        assert_eq!(command(&verify), "00200081 (7 bytes, masked)");
        // The state of a PIN has no data; a length alone tells nothing.
        assert_eq!(command(&[0x00, 0x20, 0x00, 0x81]), "00200081");
        assert_eq!(command(&[0x00, 0xB0, 0x00, 0x00, 0x00]), "00b00000 00");
        assert_eq!(command(&[0x00, 0xA4, 0x04, 0x00, 0x02, 0xA0, 0x01]), "00a40400 02a001");
        let sign = [&[0x80, 0x68, 0x01, 0x70, 0x20][..], &[0x5A; 32], &[0x00]].concat();
        assert_eq!(command(&sign), "80680170 (34 bytes, masked)");
        let change = [&[0x00, 0x24, 0x00, 0x81, 0x02][..], b"12"].concat();
        assert!(command(&change).contains("masked"));
        // A PIN of one digit in a short field, too.
        assert!(command(&[0x00, 0x20, 0x00, 0x81, 0x01, b'1']).contains("masked"));
        assert_eq!(response(Some(0xB0), b"secret\x90\x00"), "(6 bytes) 9000");
        assert_eq!(response(Some(SELECT), &[0x6F, 0x00, 0x90, 0x00]), "6f00 9000");
        assert_eq!(response(Some(0x20), &[0x63, 0xC2]), "63c2");
        assert_eq!((response(None, &[1]), command(&[1])), ("(1 bytes)".to_owned(), "(1 bytes)".to_owned()));
    }
}
