//! Commands (ISO/IEC 7816-3 and -4): what can be sent to a card.
//!
//! **Nothing is ever written to a card**, and the types say so: [`Command`] is
//! the closed list of what can be sent, every one of them only reads, and
//! [`Channel::send`] takes nothing else. [`is_on_the_list`] is the same rule over bytes,
//! for the place where they leave the program.
//!
//! Hidden here: the four ISO cases in short and extended form.

pub use super::channel::{Channel, Response, Transport, TransportError};
pub use super::status::StatusWord;
use crate::format::{piv, sc_hsm};
use crate::snapshot::{EfPath, Fid};

/// Application identifier of PIV, without its version.
pub const PIV_AID: [u8; 9] = [0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00];

/// Application identifier of OpenPGP cards, without version and serial number.
pub const OPENPGP_AID: [u8; 6] = [0xD2, 0x76, 0x00, 0x01, 0x24, 0x01];

/// Application identifier of the IsoApplet.
pub const ISO_APPLET_AID: [u8; 12] = [0xF2, 0x76, 0xA2, 0x88, 0xBC, 0xFB, 0xA6, 0x9D, 0x34, 0xF3, 0x10, 0x01];

/// Bytes in the longest short answer (Le = 00).
pub const SHORT_NE: u32 = 256;

/// The longest answer ever asked for in extended form. It is OpenSC's own buffer
/// for lists, fits every SmartCard-HSM chip (whole APDUs of 1232 bytes and more) and the
/// readers that break when one answer is longer than this.
pub const EXTENDED_NE: u32 = 1014;

/// `60 { 5C { 7F21 } }`: the tag list of SELECT DATA.
const CERTIFICATE_TAGS: [u8; 6] = [0x60, 0x04, 0x5C, 0x02, 0x7F, 0x21];

/// Everything that is ever sent to a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// SELECT the SmartCard-HSM application. Ends a login, so it is only sent when there is none.
    SelectScHsm,
    /// VERIFY without data: asks for the state of a PIN and never spends a try.
    VerifyStatus(Pin),
    /// READ BINARY (odd instruction) of a file named in the command, from an offset.
    ReadBinary(Fid, u16),
    /// ENUMERATE OBJECTS: the list of file identifiers.
    EnumerateObjects,
    /// The same, asked in extended form whatever the reader announces, as OpenSC always does.
    EnumerateManyObjects,
    /// Status of the device key encryption key.
    DkekStatus,
    /// SELECT a file by its path from the master file, which ends no login on cards with files of their own.
    SelectPath(EfPath),
    /// READ BINARY of the selected file: from an offset, so many bytes (at most 256).
    ReadSelected(u16, u16),
    /// GET DATA 01A0 of MyEID and OsEID: name, version, serial number, change counter.
    AppletInfo,
    /// GET DATA 01A4 or 01A5 of the same: the files of RSA keys, or of EC keys, in the selected directory.
    KeyFiles(KeyFiles),
    /// SELECT the IsoApplet. Ends a login, so it is only sent when no files answer on a card that has it.
    SelectIsoApplet,
    /// GET DATA 0101 of the IsoApplet: version of its interface, from 1.0 on.
    IsoAppletVersion,
    /// SELECT the PIV application. Ends a login in whatever is selected, so it is only sent when that is not PIV.
    SelectPiv,
    /// GET DATA of a PIV object that everybody may read.
    PivObject(piv::Tag),
    /// GET METADATA (Yubico's, firmware 5.3 on) of the key with this reference: kind, origin, policies and public key. It
    /// reads, takes no PIN and has no other form. Other makers may have given the number another meaning, so it is
    /// only sent to a card whose ATR names a YubiKey and that has answered as PIV; an older one of those answers
    /// 6D00, as to every number that it does not know.
    PivMetadata(u8),
    /// SELECT the OpenPGP application. As [`Command::SelectPiv`].
    SelectOpenPgp,
    /// GET DATA of an OpenPGP card.
    OpenPgpData(OpenPgpData),
    /// SELECT DATA of an OpenPGP card: which of its certificates (0 to 2) GET DATA gives from now on.
    OpenPgpCertificate(u8),
    /// GENERATE ASYMMETRIC KEY PAIR of an OpenPGP card in the form (P1 = 81) that makes nothing
    /// and gives the public key there is.
    OpenPgpPublicKey(OpenPgpKey),
}

/// What is asked of an OpenPGP card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum OpenPgpData {
    /// Application identifier, with version and serial number.
    Aid = 0x004F,
    /// Application related data: which keys there are, and of what kind.
    Application = 0x006E,
    /// Cardholder certificate.
    Certificate = 0x7F21,
    /// For private use; everybody may read it, the user write it.
    Private1 = 0x0101,
    /// For private use; everybody may read it, the administrator write it.
    Private2 = 0x0102,
}

/// A key of an OpenPGP card, by the tag (CRT) that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum OpenPgpKey {
    /// Signature key.
    Signature = 0xB6,
    /// Encryption key.
    Encryption = 0xB8,
    /// Authentication key.
    Authentication = 0xA4,
}

/// Which files of private keys a MyEID lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum KeyFiles {
    /// Of RSA keys.
    Rsa = 0xA4,
    /// Of keys on curves.
    Ec = 0xA5,
}

/// PIN references.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// The PIN of a PIV card (80).
    Piv,
    /// The user PIN of a SmartCard-HSM (81).
    User,
    /// The SO-PIN of a SmartCard-HSM, or initialisation code (88).
    So,
}

/// How long answers may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lengths {
    /// Short APDUs only; every card and reader takes them.
    #[default]
    Short,
    /// Extended APDUs, at most so many bytes in one answer.
    Extended(u32),
}

/// One command in ISO 7816-3 terms.
pub(in crate::card) struct Apdu<'a> {
    pub(in crate::card) header: [u8; 4],
    pub(in crate::card) data: &'a [u8],
    /// Length of the longest answer expected; 0: no Le field.
    pub(in crate::card) ne: u32,
}

impl Command {
    /// The bytes of the command.
    #[must_use]
    pub fn encode(self, lengths: Lengths) -> Vec<u8> {
        let (long, ne) = match lengths {
            Lengths::Extended(ne) => (true, ne),
            Lengths::Short => (false, SHORT_NE),
        };
        match self {
            // Always short, Le 00: old firmware wants it so, and OpenSC sends it so.
            Self::SelectScHsm => {
                Apdu { header: [0x00, 0xA4, 0x04, 0x00], data: &sc_hsm::AID, ne: SHORT_NE }.encode(false)
            }
            Self::VerifyStatus(pin) => {
                Apdu { header: [0x00, 0x20, 0x00, pin.reference()], data: &[], ne: 0 }.encode(false)
            }
            Self::ReadBinary(Fid(fid), offset) => {
                let ([p1, p2], [high, low]) = (fid.to_be_bytes(), offset.to_be_bytes());
                Apdu { header: [0x00, 0xB1, p1, p2], data: &[0x54, 0x02, high, low], ne }.encode(long)
            }
            Self::EnumerateObjects => Apdu { header: [0x80, 0x58, 0x00, 0x00], data: &[], ne }.encode(long),
            Self::EnumerateManyObjects => {
                Apdu { header: [0x80, 0x58, 0x00, 0x00], data: &[], ne: EXTENDED_NE }.encode(true)
            }
            Self::DkekStatus => {
                Apdu { header: [0x80, 0x52, 0x00, 0x00], data: &[], ne: SHORT_NE }.encode(false)
            }
            // Short, whatever the reader takes: these cards do not.
            Self::SelectPath(path) => {
                Apdu { header: [0x00, 0xA4, 0x08, 0x00], data: path.as_slice(), ne: SHORT_NE }.encode(false)
            }
            Self::ReadSelected(offset, ne) => {
                let [high, low] = offset.to_be_bytes();
                Apdu { header: [0x00, 0xB0, high & 0x7F, low], data: &[], ne: ne.into() }.encode(false)
            }
            Self::AppletInfo => {
                Apdu { header: [0x00, 0xCA, 0x01, 0xA0], data: &[], ne: SHORT_NE }.encode(false)
            }
            Self::KeyFiles(kind) => {
                Apdu { header: [0x00, 0xCA, 0x01, kind as u8], data: &[], ne: SHORT_NE }.encode(false)
            }
            Self::SelectIsoApplet => {
                Apdu { header: [0x00, 0xA4, 0x04, 0x00], data: &ISO_APPLET_AID, ne: SHORT_NE }.encode(false)
            }
            Self::IsoAppletVersion => {
                Apdu { header: [0x00, 0xCA, 0x01, 0x01], data: &[], ne: SHORT_NE }.encode(false)
            }
            // What follows is short, too: not every card takes extended APDUs because its reader does,
            // and all of them hand out long answers with 61xx.
            Self::SelectPiv => {
                Apdu { header: [0x00, 0xA4, 0x04, 0x00], data: &PIV_AID, ne: SHORT_NE }.encode(false)
            }
            Self::PivObject(tag) => {
                let [first, second] = piv::TAGS;
                let data: &[u8] = match tag {
                    piv::Tag::Usual(tag) => &[0x5C, 3, first, second, tag],
                    piv::Tag::Discovery => &[0x5C, 1, 0x7E],
                    piv::Tag::Biometrics => &[0x5C, 2, 0x7F, 0x61],
                };
                Apdu { header: [0x00, 0xCB, 0x3F, 0xFF], data, ne: SHORT_NE }.encode(false)
            }
            Self::PivMetadata(key) => {
                Apdu { header: [0x00, 0xF7, 0x00, key], data: &[], ne: SHORT_NE }.encode(false)
            }
            Self::SelectOpenPgp => {
                Apdu { header: [0x00, 0xA4, 0x04, 0x00], data: &OPENPGP_AID, ne: SHORT_NE }.encode(false)
            }
            Self::OpenPgpData(data) => {
                let [p1, p2] = (data as u16).to_be_bytes();
                Apdu { header: [0x00, 0xCA, p1, p2], data: &[], ne: SHORT_NE }.encode(false)
            }
            Self::OpenPgpCertificate(number) => {
                Apdu { header: [0x00, 0xA5, number, 0x04], data: &CERTIFICATE_TAGS, ne: 0 }.encode(false)
            }
            Self::OpenPgpPublicKey(key) => {
                Apdu { header: [0x00, 0x47, 0x81, 0x00], data: &[key as u8, 0x00], ne: SHORT_NE }
                    .encode(false)
            }
        }
    }

    /// The command once more, in short form with the Le that the card wants (00: 256).
    /// VERIFY without data has no Le, and its last byte must not be touched.
    pub(super) fn with_length(self, le: u8) -> Option<Vec<u8>> {
        let mut apdu = self.encode(Lengths::Short);
        match self {
            Self::VerifyStatus(_) | Self::EnumerateManyObjects | Self::OpenPgpCertificate(_) => return None,
            _ => *apdu.last_mut()? = le,
        }
        Some(apdu)
    }

    /// Length of the longest answer this command asks for.
    pub(super) const fn ne(self, lengths: Lengths) -> u32 {
        match (self, lengths) {
            (Self::ReadBinary(..) | Self::EnumerateObjects, Lengths::Extended(ne)) => ne,
            (Self::EnumerateManyObjects, _) => EXTENDED_NE,
            (Self::ReadSelected(_, ne), _) => ne as u32,
            _ => SHORT_NE,
        }
    }
}

impl Pin {
    /// The reference as it stands in P2.
    #[must_use]
    pub const fn reference(self) -> u8 {
        match self {
            Self::Piv => 0x80,
            Self::User => 0x81,
            Self::So => 0x88,
        }
    }
}

impl Apdu<'_> {
    /// ISO 7816-3 12.1: case 1 (header), 2 (+ Le), 3 (+ data), 4 (+ data, Le).
    /// The lengths are ours and small, so a length that does not fit is 0, which
    /// also is how 256 and 65536 are written.
    pub(in crate::card) fn encode(&self, long: bool) -> Vec<u8> {
        let mut bytes = self.header.to_vec();
        let long = long && !(self.data.is_empty() && self.ne == 0);
        if long {
            // One 00 announces that all lengths take two bytes.
            bytes.push(0);
            if !self.data.is_empty() {
                bytes.extend(u16::try_from(self.data.len()).unwrap_or(0).to_be_bytes());
                bytes.extend(self.data);
            }
            if self.ne > 0 {
                bytes.extend(u16::try_from(self.ne).unwrap_or(0).to_be_bytes());
            }
        } else {
            if !self.data.is_empty() {
                bytes.push(u8::try_from(self.data.len()).unwrap_or(0));
                bytes.extend(self.data);
            }
            if self.ne > 0 {
                bytes.push(u8::try_from(self.ne).unwrap_or(0));
            }
        }
        bytes
    }
}

/// GET RESPONSE: fetches the rest of an answer that the card announced with 61xx.
pub(super) const fn get_response(le: u8) -> [u8; 5] {
    [0x00, 0xC0, 0x00, 0x00, le]
}

/// True for the bytes of a command of the list (or of GET RESPONSE). Only the
/// header decides whether a command can change a card, except for VERIFY and
/// 80 52, which must carry no data.
#[must_use]
pub fn is_on_the_list(apdu: &[u8]) -> bool {
    match *apdu {
        [0x00, 0xA4, 0x04, 0x00, 0x0B, ref aid @ .., _] => aid == sc_hsm::AID,
        [0x00, 0xA4, 0x08, 0x00, length @ 2..=16, ref path @ .., 0x00] => path.len() == usize::from(length),
        [0x00, 0xA4, 0x04, 0x00, 0x09, ref aid @ .., _] => aid == PIV_AID,
        [0x00, 0xA4, 0x04, 0x00, 0x06, ref aid @ .., _] => aid == OPENPGP_AID,
        [0x00, 0xA4, 0x04, 0x00, 0x0C, ref aid @ .., _] => aid == ISO_APPLET_AID,
        [0x00, 0xCB, 0x3F, 0xFF, 0x05, 0x5C, 0x03, 0x5F, 0xC1, tag, _] => piv::is_public(tag),
        [0x00, 0xA5, 0..=2, 0x04, 0x06, ref tags @ ..] => *tags == CERTIFICATE_TAGS,
        [0x00, 0xF7, 0x00, key, _] => piv::is_key(key),
        // READ BINARY of the selected file; GET DATA of a MyEID, the IsoApplet, PIV and OpenPGP; an OpenPGP
        // key as it is (81, never 80, which makes a new one); VERIFY without data; DKEK status and
        // ENUMERATE OBJECTS; GET RESPONSE; READ BINARY.
        [0x00, 0xB0, 0x00..=0x7F, _, _]
        | [0x00, 0xCA, 0x01, 0xA0 | 0xA4 | 0xA5 | 0x01 | 0x02, _]
        | [0x00, 0xCB, 0x3F, 0xFF, 0x03, 0x5C, 0x01, 0x7E, _]
        | [0x00, 0xCB, 0x3F, 0xFF, 0x04, 0x5C, 0x02, 0x7F, 0x61, _]
        | [0x00, 0xCA, 0x00, 0x4F | 0x6E, _]
        | [0x00, 0xCA, 0x7F, 0x21, _]
        | [0x00, 0x47, 0x81, 0x00, 0x02, 0xB6 | 0xB8 | 0xA4, 0x00, _]
        | [0x00, 0x20, 0x00, 0x80 | 0x81 | 0x88]
        | [0x80, 0x52 | 0x58, 0x00, 0x00, _]
        | [0x80, 0x58, 0x00, 0x00, 0x00, _, _]
        | [0x00, 0xC0, 0x00, 0x00, _]
        | [0x00, 0xB1, _, _, 0x04, 0x54, 0x02, _, _, _]
        | [0x00, 0xB1, _, _, 0x00, 0x00, 0x04, 0x54, 0x02, _, _, _, _] => true,
        _ => false,
    }
}

/// True for SELECT of an application, which may only follow the question whether somebody is logged in.
#[must_use]
pub const fn is_select(apdu: &[u8]) -> bool {
    matches!(apdu, [_, 0xA4, 0x04, ..])
}

/// True for SELECT of a file, with which something begins that belongs into one transaction.
#[must_use]
pub const fn is_select_file(apdu: &[u8]) -> bool {
    matches!(apdu, [_, 0xA4, 0x08, ..])
}

/// True for a read of the selected file, or of the directory it is in: worth nothing if others have had the card since it was
/// selected.
#[must_use]
pub const fn is_read_selected(apdu: &[u8]) -> bool {
    matches!(apdu, [_, 0xB0, ..] | [_, 0xCA, 0x01, 0xA4 | 0xA5, ..])
}

/// True for the question whether somebody is logged in.
#[must_use]
pub const fn is_user_pin_status(apdu: &[u8]) -> bool {
    matches!(apdu, [0x00, 0x20, 0x00, 0x80 | 0x81])
}

/// True for a command in extended form: a length of two bytes stands behind a 00.
#[must_use]
pub const fn is_extended(apdu: &[u8]) -> bool {
    matches!(apdu, [_, _, _, _, 0, _, _, ..])
}

/// True for READ BINARY: what was read before stays good if others have the card in between.
#[must_use]
pub const fn is_read_binary(apdu: &[u8]) -> bool {
    matches!(apdu, [_, 0xB1, ..])
}

#[cfg(test)]
#[path = "apdu_tests.rs"]
mod tests;
