//! The walk through a native card, over a card in memory.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use super::*;
use crate::card::apdu::{is_on_the_list, is_read_selected, is_select};
use crate::format::tlv::encode;
use crate::snapshot::Family;

const KIND: Kind = Kind { family: Family::Pkcs15, driver: Some(MY_EID) };
const OTHER: Kind = Kind { family: Family::Pkcs15, driver: Some("other") };

/// A card with files, and ways to lie.
#[derive(Default)]
struct Plain {
    files: BTreeMap<Vec<u8>, Vec<u8>>,
    selected: Vec<u8>,
    counter: u16,
    /// Files of records: not for READ BINARY.
    of_records: Vec<Vec<u8>>,
    /// Before the command of that number the counter moves.
    changes: Vec<usize>,
    /// Before the command of that number the transaction ends.
    breaks: Vec<usize>,
    log: Vec<Vec<u8>>,
}

fn hex_bytes(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

impl Plain {
    /// The card of `facts`: one application, one EC key pair with its key in file 3300.
    fn new() -> Self {
        let files = [
            ("2f00", "611d4f0ca000000063504b43532d313550075465737441707051043f00501500000000"),
            ("50155031", "a00a300804063f0050154402a10a300804063f0050154403ffff"),
            ("50155032", "301102010004020a1b8004636172640302042000"),
            (
                "50154402",
                "a032300e0c0565636b657903020780040101300e04014503020520030203b8020101a110300e300804063f0050154b0102020100",
            ),
            ("50154403", "a02030070c0565636b6579300704014503020102a10c300a300804063f0050153300"),
        ];
        let mut files: BTreeMap<_, _> =
            files.map(|(path, content)| (hex_bytes(path), hex_bytes(content))).into();
        files.insert(hex_bytes("50153300"), vec![0x44; 600]);
        Self { files, ..Self::default() }
    }

    fn info(&self) -> Vec<u8> {
        [b"MyEID\x04\x05\x02", &[0; 9][..], &[7], &self.counter.to_be_bytes()].concat()
    }
}

impl Transport for Plain {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        assert!(is_on_the_list(apdu) && !is_select(apdu), "{apdu:02X?}");
        self.log.push(apdu.to_vec());
        let number = self.log.len();
        if self.changes.contains(&number) {
            self.counter += 1;
        }
        if self.breaks.contains(&number) && is_read_selected(apdu) {
            return Err(TransportError::LetGo);
        }
        let done = |data: &[u8]| [data, &[0x90, 0x00]].concat();
        Ok(match *apdu {
            [0x00, 0xA4, 0x08, 0x00, length, ref path @ ..] => {
                self.selected = path[..usize::from(length)].to_vec();
                match self.files.get(&self.selected) {
                    Some(file) => {
                        let [high, low] = u16::try_from(file.len()).unwrap().to_be_bytes();
                        done(&[0x6F, 0x07, 0x81, 0x02, high, low, 0x82, 0x01, 0x01])
                    }
                    None => vec![0x6A, 0x82],
                }
            }
            [0x00, 0xB0, ..] if self.of_records.contains(&self.selected) => vec![0x69, 0x81],
            [0x00, 0xB0, high, low, le] => {
                let offset = usize::from(u16::from_be_bytes([high, low]));
                let ne = if le == 0 { 256 } else { usize::from(le) };
                // More than there is: 6282, and nothing.
                match self.files[&self.selected].get(offset..offset + ne) {
                    Some(piece) => done(piece),
                    None => vec![0x62, 0x82],
                }
            }
            [0x00, 0xCA, 0x01, 0xA0, _] => done(&self.info()),
            _ => vec![0x6D, 0x00],
        })
    }
}

fn options() -> Options<'static> {
    Options {
        read_c400: false,
        status: false,
        cached_links: &|_| vec![(EfPath::default(), EfPath::new(&[0x50, 0x15, 0x33, 0x01]).unwrap())],
        cached_keys: &|_| Vec::new(),
    }
}

fn read(card: &mut Plain, kind: Kind) -> (Card, Vec<Gap>) {
    let (mut cards, gaps) = scan(card, "reader", b"atr", kind, &options()).unwrap();
    assert_eq!(cards.len(), 1);
    (cards.remove(0), gaps)
}

fn answer<'c>(card: &'c Card, path: &str) -> &'c Answer {
    let path = EfPath::try_from(path.to_owned()).unwrap();
    &card.files.iter().find(|file| file.path == path).unwrap().answer
}

#[test]
fn one_select_for_a_file_one_read_for_256_bytes_and_nothing_twice() {
    let mut plain = Plain::new();
    let (card, gaps) = read(&mut plain, KIND);
    assert_eq!(gaps, []);
    assert_eq!((card.serial.as_deref(), card.change_counter), (Some("0a1b"), Some(0)));
    assert_eq!(answer(&card, "50153300"), &Answer::Content(Bytes(vec![0x44; 600])));
    // What only the cache names is not there.
    assert_eq!(answer(&card, "50153301"), &Answer::Absent);
    let count = |first: &[u8]| plain.log.iter().filter(|apdu| apdu.starts_with(first)).count();
    assert_eq!(count(&[0x00, 0xA4]), 7);
    // Five files in one piece each, 600 bytes in three.
    assert_eq!(count(&[0x00, 0xB0]), 5 + 3);
    // The counter first and last, and the files of keys in the directory of TokenInfo, right behind that.
    assert_eq!(count(&[0x00, 0xCA]), 4);
    assert_eq!(plain.log.len(), 7 + 8 + 4);
}

#[test]
fn a_card_without_counter_shows_its_token_info_again() {
    let mut plain = Plain::new();
    let (card, gaps) = read(&mut plain, OTHER);
    assert_eq!((gaps, card.change_counter, card.serial.as_deref()), (vec![], None, Some("0a1b")));
    let last: Vec<_> = plain.log.iter().rev().take(2).rev().collect();
    assert_eq!(last, [&hex_bytes("00a40800045015503200"), &hex_bytes("00b0000014")]);
}

#[test]
fn a_change_during_the_scan_begins_it_anew() {
    let mut plain = Plain::new();
    plain.changes = vec![9];
    let (card, _) = read(&mut plain, KIND);
    assert_eq!((card.change_counter, plain.log.len()), (Some(1), 2 * 19));
    plain.changes = (1..2000).collect();
    let error = scan(&mut plain, "reader", b"atr", KIND, &options()).unwrap_err();
    assert!(matches!(error, ScanError::Restless(4, _)), "{error}");
}

#[test]
fn a_file_is_selected_again_when_others_had_the_card() {
    let mut plain = Plain::new();
    // The last piece of the long file, and the only one of another.
    plain.breaks = vec![3, 16];
    let (card, gaps) = read(&mut plain, KIND);
    assert_eq!(gaps, []);
    assert_eq!(answer(&card, "50153300"), &Answer::Content(Bytes(vec![0x44; 600])));
    assert_eq!(plain.log.len(), 17 + 2 + 2);
}

#[test]
fn a_blank_card_is_said_to_be_one() {
    let mut plain = Plain::default();
    let error = scan(&mut plain, "reader", b"atr", KIND, &options()).unwrap_err();
    assert!(error.to_string().contains("blank"), "{error}");
    // 5031 in directory 5015, then in the master file.
    assert_eq!(plain.log.len(), 4);
}

#[test]
fn every_application_with_a_place_is_read() {
    let mut plain = Plain::new();
    let record = |aid: &str, path: &str| {
        let inside = [encode(0x4F, &hex_bytes(aid)), encode(0x51, &hex_bytes(path))].concat();
        encode(0x61, &if path.is_empty() { encode(0x4F, &hex_bytes(aid)) } else { inside })
    };
    let dir = [
        record("a000000063504b43532d3135", "3f005015"),
        // With a serial number of its own; without; without TokenInfo; known by its name only; the first again.
        record("a00000006302", "3f005016"),
        record("a00000006303", "3f005017"),
        record("a00000006304", "3f005018"),
        record("a00000006305", ""),
        record("a00000006302", "3f005019"),
    ];
    plain.files.insert(hex_bytes("2f00"), dir.concat());
    for (base, serial) in [("5016", "04020c0d"), ("5017", "")] {
        // The third names the second's certificate directory: read once for both.
        let odf = format!(
            "a40a300804063f0050164403{}",
            if base == "5017" { "a70a300804063f0050174406" } else { "" }
        );
        plain.files.insert(hex_bytes(&format!("{base}5031")), hex_bytes(&odf));
        let info = [hex_bytes("020100"), hex_bytes(serial), hex_bytes("03020000")].concat();
        plain.files.insert(hex_bytes(&format!("{base}5032")), encode(0x30, &info));
    }
    plain.files.insert(hex_bytes("50164403"), hex_bytes("ffff"));
    plain.files.insert(hex_bytes("50174406"), hex_bytes("ffff"));
    plain.files.insert(hex_bytes("50185031"), hex_bytes("ffff"));
    let (cards, gaps) = scan(&mut plain, "reader", b"atr", KIND, &options()).unwrap();
    let told: Vec<_> = cards
        .iter()
        .map(|card| (card.application.as_ref().map(Bytes::hex), card.serial.clone().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (None, "0a1b".to_owned()),
            (Some("a00000006302".to_owned()), "0c0d".to_owned()),
            (Some("a00000006303".to_owned()), "00000000000000000007".to_owned()),
        ]
    );
    for card in &cards {
        assert!(matches!(answer(card, "2F00"), Answer::Content(_)));
    }
    for card in &cards[1..] {
        assert_eq!(answer(card, "50164403"), &Answer::Content(Bytes(vec![0xFF; 2])));
    }
    let selects: Vec<_> = plain.log.iter().filter(|apdu| apdu.starts_with(&[0x00, 0xA4])).collect();
    let different: BTreeSet<_> = selects.iter().collect();
    assert_eq!(selects.len(), different.len(), "{selects:02X?}");
    let told: Vec<_> = gaps.iter().map(|gap| (gap.what.as_str(), gap.asked_for)).collect();
    let of_card = "of EF.DIR of the card in reader reader";
    assert_eq!(
        told,
        [
            (&*format!("application A00000006304 {of_card}"), false),
            (&*format!("application A00000006305 {of_card}"), true)
        ]
    );
}

#[test]
fn an_application_known_by_name_only_is_never_selected() {
    let mut plain = Plain::new();
    plain.files.insert(vec![0x2F, 0x00], hex_bytes("610e4f0ca000000063504b43532d3135"));
    let error = scan(&mut plain, "reader", b"atr", KIND, &options()).unwrap_err();
    assert!(matches!(error, ScanError::NoPkcs15(_)), "{error}");
}

/// Watched with 0.21 to 0.27: "PKCS#15 binding failed".
#[test]
fn a_card_that_opensc_gives_up_is_said_to_be_one() {
    for info in [Some("ffff"), None] {
        let mut plain = Plain::new();
        plain.files.remove(&hex_bytes("50155032"));
        if let Some(info) = info {
            plain.files.insert(hex_bytes("50155032"), hex_bytes(info));
        }
        let (card, gaps) = read(&mut plain, KIND);
        assert_eq!(card.serial.as_deref(), Some("00000000000000000007"));
        let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
        assert!(gap.what.starts_with("TokenInfo") && gap.why.contains("gives the card up"), "{gap:?}");
        assert!(gap.asked_for);
    }
}

/// As OpenSC's drivers, which have no command for records, find it.
#[test]
fn a_file_of_records_is_one_that_the_card_does_not_give() {
    let mut plain = Plain::new();
    // EF.DIR too, without which the application is where it usually is.
    plain.of_records = vec![vec![0x2F, 0x00], hex_bytes("50153300")];
    let (card, gaps) = read(&mut plain, KIND);
    for file in ["2F00", "50153300"] {
        assert_eq!(answer(&card, file), &Answer::Refused(0x6981));
    }
    let told: Vec<_> = gaps.iter().map(|gap| (gap.what.as_str(), gap.asked_for)).collect();
    let of_card = "of the card in reader reader";
    assert_eq!(
        told,
        [(&*format!("file 2F00 {of_card}"), false), (&*format!("file 50153300 {of_card}"), false)]
    );
    assert_eq!(card.serial.as_deref(), Some("0a1b"));
}

#[test]
fn a_private_file_is_not_asked_for() {
    let mut plain = Plain::new();
    let odf = "a00a300804063f0050154402a70a300804063f0050154406";
    plain.files.insert(hex_bytes("50155031"), hex_bytes(odf));
    // A data object with flag private, in file 4501.
    let dodf = "301e300a0c04646174610302078030020c00a10c300a04063f00501545018001";
    plain.files.insert(hex_bytes("50154406"), hex_bytes(dodf));
    let (card, _) = read(&mut plain, KIND);
    let named = links(Directory::Data, &hex_bytes(dodf));
    assert_eq!(named.len(), 1, "{named:?}");
    assert!(matches!(answer(&card, "50154501"), Answer::NotRead(_)));
    assert!(!plain.log.contains(&hex_bytes("00a40800045015450100")));
}

const APPLET: Kind = Kind { family: Family::Pkcs15, driver: Some(ISO_APPLET) };

/// A Java Card with the IsoApplet and something else.
struct JavaCard {
    applet: Plain,
    is_selected: bool,
    /// Before the command of that number another program selects something else.
    thefts: Vec<usize>,
    interrupted: bool,
    log: Vec<Vec<u8>>,
}

impl JavaCard {
    fn new(is_selected: bool) -> Self {
        Self { applet: Plain::new(), is_selected, thefts: Vec::new(), interrupted: false, log: Vec::new() }
    }

    fn selects(&self) -> usize {
        self.log.iter().filter(|apdu| is_select(apdu)).count()
    }
}

impl Transport for JavaCard {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        assert!(is_on_the_list(apdu), "{apdu:02X?}");
        self.log.push(apdu.to_vec());
        if self.thefts.contains(&self.log.len()) {
            (self.is_selected, self.interrupted) = (false, true);
        }
        if is_select(apdu) {
            self.is_selected = true;
            return Ok(vec![0x00, 0x06, 0x06, 0x90, 0x00]);
        }
        if self.is_selected { self.applet.transmit(apdu) } else { Ok(vec![0x6D, 0x00]) }
    }

    fn interrupted(&mut self) -> bool {
        std::mem::take(&mut self.interrupted)
    }
}

#[test]
fn the_applet_is_selected_only_where_nothing_answers() {
    for is_selected in [true, false] {
        let mut card = JavaCard::new(is_selected);
        let (read, gaps) = scan(&mut card, "reader", b"atr", APPLET, &options()).unwrap();
        assert_eq!((gaps, card.selects()), (vec![], usize::from(!is_selected)));
        assert_eq!(read[0].driver.as_deref(), Some(ISO_APPLET));
        assert_eq!(answer(&read[0], "50153300"), &Answer::Content(Bytes(vec![0x44; 600])));
    }
    let mut card = JavaCard::new(false);
    let error = scan(&mut card, "reader", b"atr", OTHER, &options()).unwrap_err();
    assert!(matches!(error, ScanError::NoPkcs15(_)) && card.selects() == 0, "{error}");
}

/// Whenever another application is selected in between, the scan begins anew, and no file passes for one that is not there.
#[test]
fn no_other_application_s_answer_counts() {
    for theft in 2..=17 {
        let mut card = JavaCard::new(true);
        card.thefts = vec![theft];
        let (read, gaps) = scan(&mut card, "reader", b"atr", APPLET, &options()).unwrap();
        assert_eq!((gaps, card.selects()), (vec![], 1), "{theft}");
        assert_eq!(answer(&read[0], "50153300"), &Answer::Content(Bytes(vec![0x44; 600])), "{theft}");
        assert_eq!(answer(&read[0], "50153301"), &Answer::Absent, "{theft}");
    }
}

#[test]
fn the_file_of_a_key_that_only_a_cache_describes_is_selected_and_never_read() {
    let [there, gone] = [0x4B01, 0x4B02].map(|fid: u16| {
        let [high, low] = fid.to_be_bytes();
        EfPath::new(&[0x50, 0x15, high, low]).unwrap()
    });
    let keys = move |_: &Card| vec![there, gone];
    let options = Options { cached_keys: &keys, ..options() };
    let mut plain = Plain::new();
    plain.files.insert(there.as_slice().to_vec(), vec![0x4B; 64]);
    let (cards, gaps) = scan(&mut plain, "reader", b"atr", KIND, &options).unwrap();
    assert!(matches!(answer(&cards[0], "50154B01"), Answer::NotRead(_)));
    assert_eq!((gaps, answer(&cards[0], "50154B02")), (vec![], &Answer::Absent));
    let last = plain.log.iter().position(|apdu| apdu.ends_with(&[0x4B, 0x02, 0x00])).unwrap();
    assert!(plain.log[last + 1..].iter().all(|apdu| !is_read_selected(apdu)), "{:02X?}", plain.log);
    // Other cards may know keys by numbers, and a file that is not there says nothing.
    let (cards, _) = scan(&mut plain, "reader", b"atr", OTHER, &options).unwrap();
    assert!(cards[0].files.iter().all(|file| ![there, gone].contains(&file.path)));
}
