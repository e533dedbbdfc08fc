//! The commands that use a key, and the one place they go through.
//!
//! The list is closed like that of the reading commands ([`is_on_the_list`]), and longer by what a user
//! asks for with `verify`: VERIFY, its end, and a private key's work. None of them changes what is
//! on the card but counters of PIN tries and signatures.

use zeroize::Zeroizing;

use super::super::apdu::{
    Apdu, Channel, Command, Response, StatusWord, Transport, TransportError, is_on_the_list,
};
use super::super::held::Exclusive;
use super::error::SignError;
use super::pad;
use super::plan::Access;

/// Most data bytes in one short APDU.
const PIECE: usize = 255;
/// Bit of the class of a command of which more follows (ISO/IEC 7816-4, 5.3.3).
const MORE: u8 = 0x10;

/// How data longer than a short APDU go to a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Long {
    /// In several commands (command chaining).
    Chained,
    /// In one extended APDU, with room for so many bytes of answer.
    Extended(u32),
}

/// What uses a key goes through here.
pub(super) struct KeyChannel<'a> {
    pub link: &'a mut dyn Exclusive,
}

/// The same link for the commands that only read.
impl Transport for KeyChannel<'_> {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        if !is_on_the_list(apdu) {
            return Err(TransportError::NotOnTheList);
        }
        self.link.transmit(Zeroizing::new(apdu.to_vec()))
    }
}

impl KeyChannel<'_> {
    /// A command that only reads.
    pub fn plain(&mut self, command: Command) -> Result<Response, TransportError> {
        Channel::new(self).send(command)
    }

    /// VERIFY without data: the state of a PIN, at no cost.
    pub fn status(&mut self, reference: u8) -> Result<StatusWord, TransportError> {
        let apdu = Zeroizing::new(vec![0x00, 0x20, 0x00, reference]);
        Ok(Response::parse(self.link.transmit(apdu)?)?.status)
    }

    /// VERIFY with P1 = FF: ends the login of a reference (ISO/IEC 7816-4, 11.5.6).
    pub fn log_out(&mut self, reference: u8) -> Result<StatusWord, TransportError> {
        let apdu = Zeroizing::new(vec![0x00, 0x20, 0xFF, reference]);
        Ok(Response::parse(self.link.transmit(apdu)?)?.status)
    }

    /// VERIFY.
    pub fn verify(&mut self, access: &Access, typed: &[u8]) -> Result<Vec<u8>, SignError> {
        let length = access.pin.pad.map_or(typed.len(), |(_, length)| length.max(typed.len()));
        let (least, most) = access.pin.lengths;
        let lc = u8::try_from(length).map_err(|_| SignError::NotAPin { length: typed.len(), least, most })?;
        // Of full size at once: growing would leave copies behind.
        let mut apdu = Zeroizing::new(Vec::with_capacity(5 + length));
        apdu.extend([0x00, 0x20, 0x00, access.reference, lc]);
        apdu.extend(typed);
        let filling = access.pin.pad.map_or(0, |(byte, _)| byte);
        apdu.resize(5 + length, filling);
        Ok(self.link.transmit(apdu)?)
    }

    /// VERIFY by the reader's own pin pad.
    pub fn verify_on_pad(&mut self, access: &Access) -> Result<Vec<u8>, SignError> {
        Ok(self.link.verify_on_pad(pad::structure(access))?)
    }

    /// A command that uses a key, in a single APDU.
    pub fn single(&mut self, header: [u8; 4], data: &[u8], ne: u32) -> Result<Response, TransportError> {
        let long = data.len() > PIECE || ne > 256;
        self.pass(&Apdu { header, data, ne }, long)
    }

    /// A command that uses a key, with data of any length.
    pub fn whole(&mut self, header: [u8; 4], data: &[u8], long: Long) -> Result<Response, TransportError> {
        let ne = match long {
            Long::Extended(ne) if data.len() > PIECE || ne > 256 => return self.single(header, data, ne),
            Long::Extended(_) | Long::Chained => 256,
        };
        let mut rest = data;
        while let Some((piece, more)) = rest.split_at_checked(PIECE).filter(|(_, more)| !more.is_empty()) {
            let [class, ins, p1, p2] = header;
            let answer =
                self.pass(&Apdu { header: [class | MORE, ins, p1, p2], data: piece, ne: 0 }, false)?;
            if answer.status != StatusWord::OK {
                return Ok(answer);
            }
            rest = more;
        }
        self.pass(&Apdu { header, data: rest, ne }, false)
    }

    fn pass(&mut self, apdu: &Apdu<'_>, long: bool) -> Result<Response, TransportError> {
        if !uses_a_key(apdu.header) {
            return Err(TransportError::NotOnTheList);
        }
        let first = self.link.transmit(Zeroizing::new(apdu.encode(long)))?;
        Channel::new(self).finish(Response::parse(first)?)
    }
}

/// True for the header of a command that has a private key do its work, or leads to that.
const fn uses_a_key([class, ins, p1, p2]: [u8; 4]) -> bool {
    match (class, ins) {
        // SmartCard-HSM: SIGN.
        (0x80, 0x68) => matches!(p2, 0x33 | 0x70),
        // PIV: GENERAL AUTHENTICATE with a key of a slot, never with the management key (9B).
        (0x00 | MORE, 0x87) => matches!(p2, 0x9A | 0x9C..=0x9E | 0x82..=0x95),
        // GET METADATA of such a key (YubiKey): what kind it is.
        (0x00, 0xF7) => p1 == 0 && matches!(p2, 0x9A | 0x9C..=0x9E | 0x82..=0x95),
        // COMPUTE DIGITAL SIGNATURE, DECIPHER.
        (0x00 | MORE, 0x2A) => matches!((p1, p2), (0x9E, 0x9A) | (0x80, 0x86)),
        // OpenPGP: INTERNAL AUTHENTICATE. MyEID: key agreement. SmartCard-HSM: SELECT of a key, which tells its
        // use counter.
        (0x00 | MORE, 0x88) | (0x00, 0x86 | 0xA4) => p1 == 0 && p2 == 0,
        // GET DATA of an OpenPGP card's KDF-DO.
        (0x00, 0xCA) => p1 == 0 && p2 == 0xF9,
        // MyEID, IsoApplet: MANAGE SECURITY ENVIRONMENT (F3: one that nothing stores). MyEID: logout.
        (0x00, 0x22) => matches!((p1, p2), (0x41, 0xB6 | 0xA4) | (0xF3, 0x00)),
        (0x00, 0x2E) => p1 == 0 && matches!(p2, 1..=14),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_uses_a_key_passes() {
        let stopped = [
            [0x00, 0x87, 0x03, 0x9B], // the management key
            [0x00, 0x47, 0x80, 0x00], // a new key
            [0x00, 0x46, 0x00, 0x00],
            [0x00, 0xDA, 0x01, 0x01],
            [0x00, 0xDB, 0x3F, 0xFF],
            [0x80, 0x50, 0x00, 0x00], // wipes a SmartCard-HSM
            [0x00, 0x24, 0x00, 0x80],
            [0x00, 0x2C, 0x00, 0x80],
            [0x00, 0xFB, 0x00, 0x00],
            [0x00, 0xE4, 0x00, 0x00],
            [0x00, 0x20, 0x00, 0x80],
        ];
        for header in stopped {
            assert!(!uses_a_key(header), "{header:02X?}");
        }
    }
}
