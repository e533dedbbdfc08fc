//! Any answers of a card.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::sync::OnceLock;

use super::judged::{five_keys, harmless, judged, piece};
use stalecard::card::apdu::{Transport, TransportError};
use stalecard::card::image::Image;
use stalecard::card::sc_hsm::{Options, scan};

/// A recorded card that begins to lie: each answer takes one byte of the data, which says how it
/// is spoilt. When the data are at an end, the card is honest again.
pub struct Liar<'a> {
    pub honest: Image,
    pub script: &'a [u8],
}

impl Transport for Liar<'_> {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        let honest = self.honest.transmit(apdu).unwrap_or_else(|_| vec![0x6A, 0x82]);
        let Some((&how, rest)) = self.script.split_first() else { return Ok(honest) };
        self.script = rest;
        let status = |data: &[u8], sw: [u8; 2]| [data, &sw[..]].concat();
        Ok(match how {
            0..=0x7F => honest,
            // Bytes of its own, with or without a status.
            0x80..=0x8F => piece(&mut self.script).unwrap_or_default().to_vec(),
            0x90..=0x97 => status(piece(&mut self.script).unwrap_or_default(), [0x90, 0x00]),
            0x98..=0x9F => status(piece(&mut self.script).unwrap_or_default(), [0x62, 0x82]),
            0xA0..=0xA7 => status(&honest[..honest.len().saturating_sub(2)], [0x61, how]),
            0xA8..=0xAF => status(&[], [0x6C, how]),
            // Cut short, one byte changed, doubled.
            0xB0..=0xBF => status(&honest[..honest.len() * usize::from(how & 15) / 16], [0x90, 0x00]),
            0xC0..=0xCF => {
                let mut changed = honest;
                if let (Some((&at, rest)), true) = (self.script.split_first(), changed.len() > 2) {
                    self.script = rest;
                    let at = (usize::from(at) + 256 * usize::from(how & 3)) % (changed.len() - 2);
                    changed[at] ^= 1 << (how & 7);
                }
                changed
            }
            0xD0..=0xD7 => [&honest[..honest.len().saturating_sub(2)], &honest].concat(),
            0xD8..=0xDF => status(&vec![how; 1014], [0x90, 0x00]),
            0xE0..=0xEF => return Err(TransportError::Reset),
            0xF0..=0xF7 => vec![0x69, how],
            0xF8..=0xFF => vec![0x90, 0x00],
        })
    }
}

/// A whole card, by its answers.
pub fn card(data: &[u8]) {
    static HONEST: OnceLock<Image> = OnceLock::new();
    let recorded = || {
        Image::from_recordings([
            include_str!("../../fixtures/recordings/sc-hsm/5-keys-live.apdus"),
            include_str!("../../fixtures/recordings/sc-hsm/5-keys-sc-hsm-tool.apdus"),
        ])
        .unwrap()
    };
    let (&first, script) = data.split_first().unwrap_or((&0, &[]));
    let mut liar = Liar { honest: HONEST.get_or_init(recorded).clone(), script };
    let options = Options {
        read_c400: first & 1 != 0,
        status: first & 2 != 0,
        cached_links: &|_| Vec::new(),
        cached_keys: &|_| Vec::new(),
    };
    let mut snapshot = five_keys();
    let atr = snapshot.cards[0].atr.clone();
    snapshot.cards.clear();
    match scan(&mut liar, "Virtual PCD 00 00", atr.as_slice(), &options) {
        Ok((card, gaps)) => {
            snapshot.cards.push(card);
            snapshot.coverage.extend(gaps);
        }
        Err(error) => harmless(&error.to_string()),
    }
    judged(&snapshot);
}
