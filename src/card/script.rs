//! A card in memory for tests: enough of a SmartCard-HSM to be read, and every
//! way to lie.

use std::collections::BTreeMap;

use super::apdu::{Lengths, Transport, TransportError};
use crate::snapshot::Fid;

/// What a card says at the end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eof {
    /// A short piece with 9000 (emulators).
    Silent,
    /// 6282 with the last piece.
    Warning,
    /// 6282 with every piece (firmware before 3.4), never more than 256 bytes.
    WarningAlthoughMore,
}

/// The content of files.
pub type Files = BTreeMap<Fid, Vec<u8>>;

/// The card.
pub struct Script {
    pub files: Files,
    pub list: Vec<u8>,
    pub eof: Eof,
    pub lengths: Lengths,
    pub verify: [u8; 2],
    pub select: Vec<u8>,
    /// Answers by APDU number (from 1) instead of the card's own.
    pub answers: BTreeMap<usize, Vec<u8>>,
    /// Failures by APDU number.
    pub failures: BTreeMap<usize, TransportError>,
    /// Before that APDU, these files and this list take the place of the card's.
    pub swaps: BTreeMap<usize, (Files, Vec<u8>)>,
    /// Before these APDUs other programs had the card.
    pub interruptions: Vec<usize>,
    /// One answer to everything.
    pub always: Option<Vec<u8>>,
    pub log: Vec<Vec<u8>>,
    pub interrupted: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            files: BTreeMap::new(),
            list: Vec::new(),
            eof: Eof::Silent,
            lengths: Lengths::Short,
            verify: [0x63, 0xC3],
            select: b"\x6F\x07\x82\x01\x78\x85\x02\x03\x05".to_vec(),
            answers: BTreeMap::new(),
            failures: BTreeMap::new(),
            swaps: BTreeMap::new(),
            interruptions: Vec::new(),
            always: None,
            log: Vec::new(),
            interrupted: false,
        }
    }
}

impl Script {
    /// Which commands came, by instruction byte.
    pub fn count(&self, instruction: u8) -> usize {
        self.log.iter().filter(|apdu| apdu.get(1) == Some(&instruction)).count()
    }

    fn read(&self, fid: u16, offset: usize, ne: usize) -> Vec<u8> {
        let Some(rest) = self.files.get(&Fid(fid)).map(|file| file.get(offset..).unwrap_or_default()) else {
            return vec![0x6A, 0x82];
        };
        let limit = if self.eof == Eof::WarningAlthoughMore { ne.min(256) } else { ne };
        let piece = rest.get(..limit).unwrap_or(rest);
        let warn = match self.eof {
            Eof::Silent => false,
            Eof::Warning => rest.len() < ne,
            Eof::WarningAlthoughMore => true,
        };
        [piece, if warn { &[0x62, 0x82] } else { &[0x90, 0x00] }].concat()
    }
}

impl Transport for Script {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        assert!(super::apdu::is_on_the_list(apdu), "{apdu:02X?}");
        self.log.push(apdu.to_vec());
        let number = self.log.len();
        self.interrupted |= self.interruptions.contains(&number);
        if let Some((files, list)) = self.swaps.remove(&number) {
            (self.files, self.list) = (files, list);
        }
        if let Some(failure) = self.failures.remove(&number) {
            return Err(failure);
        }
        if let Some(answer) = self.answers.remove(&number).or_else(|| self.always.clone()) {
            return Ok(answer);
        }
        Ok(match *apdu {
            [0x00, 0xA4, ..] => [&self.select[..], &[0x90, 0x00]].concat(),
            [0x00, 0x20, ..] => self.verify.to_vec(),
            [0x00, 0xB1, p1, p2, 4, 0x54, 2, high, low, le] => self.read(
                u16::from_be_bytes([p1, p2]),
                u16::from_be_bytes([high, low]).into(),
                if le == 0 { 256 } else { le.into() },
            ),
            [0x00, 0xB1, p1, p2, 0, 0, 4, 0x54, 2, high, low, a, b] => self.read(
                u16::from_be_bytes([p1, p2]),
                u16::from_be_bytes([high, low]).into(),
                u16::from_be_bytes([a, b]).into(),
            ),
            [0x80, 0x58, ..] => [&self.list[..], &[0x90, 0x00]].concat(),
            [0x80, 0x52, ..] => vec![1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x90, 0x00],
            _ => vec![0x6D, 0x00],
        })
    }

    fn lengths(&self) -> Lengths {
        self.lengths
    }

    fn interrupted(&mut self) -> bool {
        std::mem::take(&mut self.interrupted)
    }
}
