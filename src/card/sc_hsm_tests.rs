//! The walk through a card, over a card in memory.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use super::*;
use crate::card::script::{Eof, Files, Script};
use crate::format::tlv::encode;
use crate::snapshot::EfPath;
use std::collections::BTreeMap;

/// A BER element of this size with a mark in it.
fn element(size: u16, mark: u8) -> Vec<u8> {
    let mut bytes = if size < 130 {
        vec![0x30, u8::try_from(size - 2).unwrap()]
    } else {
        [&[0x30, 0x82], &(size - 4).to_be_bytes()[..]].concat()
    };
    bytes.resize(size.into(), mark);
    bytes
}

/// A device certificate of this size with a mark in its signature.
fn device(size: usize, mark: u8) -> Vec<u8> {
    let key = encode(0x7F49, &encode(0x06, &[4, 0]));
    let body = [encode(0x5F29, &[0]), key, encode(0x5F20, b"DENK040414400000")].concat();
    let signed_by = |signature: usize| {
        let content = [encode(0x7F4E, &body), encode(0x5F37, &vec![mark; signature])].concat();
        encode(0x7F21, &content)
    };
    (0..size).map(signed_by).find(|certificate| certificate.len() == size).unwrap()
}

/// The description of a certificate (`data`: of a data object) in the file with this identifier.
fn description(data: bool, file: u16) -> Vec<u8> {
    let path = encode(0x30, &encode(0x04, &file.to_be_bytes()));
    let own = encode(0x30, &if data { Vec::new() } else { encode(0x04, &[1]) });
    let value = if data { path } else { encode(0x30, &path) };
    encode(0x30, &[encode(0x30, &[]), own, encode(0xA1, &value)].concat())
}

/// The files and the list of a card as hardware has them, with this many P-256 keys.
fn card(keys: u8, mark: u8) -> (Files, Vec<u8>) {
    // 2F02: two certificates of 232 bytes, as on a Nitrokey HSM 2.
    let mut files = Files::from([
        (DEVICE_CERTIFICATE, [device(232, mark), element(232, 0)].concat()),
        (TOKEN_INFO, element(19, 1)),
    ]);
    let mut list = vec![0xCC, 0x00];
    for id in 1..=keys {
        files.insert(fid(prefix::PRIVATE_KEY, id), element(68, id));
        files.insert(fid(prefix::CERTIFICATE, id), element(490, id));
        list.extend([prefix::KEY, id, prefix::PRIVATE_KEY, id]);
    }
    (files, list)
}

/// Of a GoID.
const ATR: &[u8] = b"\x3B\x84\x80\x01GoID\x99";

fn script(keys: u8) -> Script {
    let (files, list) = card(keys, 7);
    Script { files, list, ..Script::default() }
}

fn options(read_c400: bool) -> Options<'static> {
    Options { read_c400, status: false, cached_links: &|_| Vec::new(), cached_keys: &|_| Vec::new() }
}

fn read(script: &mut Script) -> Result<(Card, Vec<Gap>), ScanError> {
    scan(script, "reader", ATR, &options(true))
}

fn answer(card: &Card, fid: u16) -> &Answer {
    &card.files.iter().find(|file| file.path == EfPath::at(fid)).unwrap().answer
}

#[test]
fn the_budget_is_kept() {
    for keys in [0, 1, 5, 20, 60] {
        for eof in [Eof::Silent, Eof::Warning, Eof::WarningAlthoughMore] {
            let mut script = script(keys);
            script.eof = eof;
            // Above 127 entries a list does not fit a short answer; emulators send 61xx then.
            let (card, gaps) = read(&mut script).unwrap();
            assert_eq!(gaps, []);
            assert_eq!(card.files.len(), 3 + 2 * usize::from(keys));
            assert!(script.log.len() <= 3 * usize::from(keys) + 10, "{keys} {eof:?}: {}", script.log.len());
            assert_eq!(script.log.len(), 3 * usize::from(keys) + 8);
            if eof != Eof::WarningAlthoughMore {
                script.lengths = Lengths::Extended(1014);
                script.log.clear();
                read(&mut script).unwrap();
                assert_eq!(script.log.len(), 2 * usize::from(keys) + 7, "{keys} {eof:?}");
            }
        }
    }
}

#[test]
fn the_budget_is_kept_where_emulators_differ() {
    // A longer 2F02, the device key's entry not listed although it is asked about.
    let mut script = script(5);
    script.files.insert(DEVICE_CERTIFICATE, [device(418, 7), element(380, 0)].concat());
    read(&mut script).unwrap();
    assert_eq!(script.log.len(), 3 * 5 + 10);
    // A C400 that is there: one command more for it, and its public part.
    script.files.insert(Fid(0xC400), element(28, 0));
    script.list.extend([0xC4, 0x00]);
    script.log.clear();
    let (card, _) = read(&mut script).unwrap();
    assert_eq!(script.log.len(), 3 * 5 + 12);
    assert!(matches!(answer(&card, 0xC400), Answer::Content(_)));
    assert_eq!(answer(&card, 0xCE00), &Answer::Absent);
    // A list that names no C4 at all says nothing about C400.
    script.list = vec![0xCC, 0x00, 0xCC, 0x01];
    script.log.clear();
    read(&mut script).unwrap();
    assert!(script.log.contains(&Command::ReadBinary(Fid(0xC400), 0).encode(Lengths::Short)));
}

#[test]
fn without_read_c400_the_device_key_is_left_out() {
    let mut script = script(1);
    let (card, _) = scan(&mut script, "reader", ATR, &options(false)).unwrap();
    assert!(!card.files.iter().any(|file| file.path == EfPath::at(0xC400)));
}

#[test]
fn a_logged_in_program_stays_logged_in() {
    let mut script = script(2);
    script.verify = [0x90, 0x00];
    let (card, _) = read(&mut script).unwrap();
    assert_eq!(script.count(0xA4), 0);
    let status = card.status.unwrap();
    assert_eq!((status.user_pin, status.firmware), (Some(PinState::LoggedIn), None));
    // Somebody is logged in to some other application: hands off.
    script.files.clear();
    script.log.clear();
    assert_eq!(read(&mut script), Err(ScanError::LoggedInElsewhere));
    assert_eq!(script.count(0xA4), 0);
}

#[test]
fn beside_a_logged_in_program_a_no_is_believed_if_the_login_stands_at_the_end() {
    // Others have the card before every command then, so there is no quiet moment to ask again.
    let mut script = script(1);
    script.verify = [0x90, 0x00];
    script.interruptions = (1..100).collect();
    script.files.remove(&Fid(0xCE01));
    let status = Options { status: true, ..options(true) };
    let (card, _) = scan(&mut script, "reader", ATR, &status).unwrap();
    assert_eq!((answer(&card, 0xCE01), script.count(0xA4)), (&Answer::Absent, 0));
    assert_eq!(script.count(0x20), 3);
    // It ended on the way: somebody selected something, and the scan begins anew.
    let mut script = self::script(1);
    script.files.remove(&Fid(0xCE01));
    script.answers.insert(1, vec![0x90, 0x00]);
    let (card, gaps) = read(&mut script).unwrap();
    assert_eq!((script.count(0xA4), gaps.len()), (1, 0));
    assert_eq!(card.status.unwrap().user_pin, Some(PinState::Tries(3)));
}

#[test]
fn any_other_pin_state_leads_to_select() {
    for (verify, state) in [
        ([0x63, 0xC2], Some(PinState::Tries(2))),
        ([0x69, 0x83], Some(PinState::Blocked)),
        ([0x69, 0x84], Some(PinState::NotInitialised)),
        ([0x6A, 0x88], Some(PinState::NotInitialised)),
        ([0x6E, 0x00], None),
        ([0x6D, 0x00], None),
    ] {
        let mut script = script(1);
        script.verify = verify;
        let (card, _) = read(&mut script).unwrap();
        assert_eq!((script.count(0xA4), card.status.unwrap().user_pin), (1, state), "{verify:02X?}");
    }
}

#[test]
fn certificates_and_data_are_followed_but_nothing_private_is_read() {
    let mut script = script(0);
    script.list.extend([0xC8, 0x00, 0xC8, 0x01, 0xC9, 0x01, 0xC9, 0x02]);
    script.files.insert(Fid(0xC800), description(false, 0xCA03));
    script.files.insert(Fid(0xC801), description(false, 0x2F03));
    script.files.insert(Fid(0xC901), description(true, 0xCF03));
    script.files.insert(Fid(0xC902), description(true, 0xCD03));
    script.files.insert(Fid(0xCA03), element(600, 1));
    script.files.insert(Fid(0xCF03), vec![0x30, 0x01, 0x02, 0x03]);
    script.files.insert(Fid(0xCD03), vec![1, 2, 3]);
    let (card, gaps) = read(&mut script).unwrap();
    assert!(matches!(answer(&card, 0xCA03), Answer::Content(Bytes(content)) if content.len() == 600));
    assert!(matches!(answer(&card, 0xCF03), Answer::Content(Bytes(content)) if content.len() == 4));
    assert!(!card.files.iter().any(|file| file.path == EfPath::at(0xCD03)));
    assert!(!script.log.iter().any(|apdu| apdu[1] == 0xB1 && matches!(apdu[2], 0xCD | 0xCC)));
    assert!(gaps.iter().any(|gap| gap.why.contains("2F03")), "{gaps:?}");
}

#[test]
fn a_swapped_card_is_noticed_at_any_moment() {
    let total = {
        let mut script = script(3);
        read(&mut script).unwrap();
        script.log.len()
    };
    for at in 1..=total {
        let mut script = script(3);
        // Its twin: same list, other keys.
        let (mut files, list) = card(3, 8);
        for file in files.values_mut() {
            *file.last_mut().unwrap() ^= 0x80;
        }
        script.swaps.insert(at, (files.clone(), list));
        let (card, _) = read(&mut script).unwrap();
        let Answer::Content(Bytes(device)) = answer(&card, 0x2F02) else { panic!() };
        // All files are the twin's, or all were read before.
        for (fid, content) in &files {
            let same = answer(&card, fid.0) == &Answer::Content(Bytes(content.clone()));
            assert_eq!(same, device == &files[&DEVICE_CERTIFICATE], "APDU {at}, {fid}");
        }
    }
}

#[test]
fn a_moving_card_is_given_up_after_three_restarts() {
    let mut script = script(1);
    let (files, list) = card(1, 7);
    // Every second list differs.
    for at in 1..200 {
        let mut list = list.clone();
        list.extend([0xCB, u8::try_from(at).unwrap()]);
        script.swaps.insert(at, (files.clone(), list));
    }
    assert!(matches!(read(&mut script), Err(ScanError::Restless(4, _))));
    assert_eq!(script.count(0xA4), 4);
}

#[test]
fn a_reset_begins_anew_and_a_removal_ends() {
    let mut script = script(2);
    script.failures.insert(7, TransportError::Reset);
    let (_, gaps) = read(&mut script).unwrap();
    assert_eq!((script.count(0xA4), gaps.len()), (2, 0));
    for at in 1..=14 {
        let mut script = self::script(2);
        script.failures.insert(at, TransportError::Removed("SCARD_W_REMOVED_CARD"));
        assert!(matches!(read(&mut script), Err(ScanError::Transport(TransportError::Removed(_)))), "{at}");
        assert_eq!(script.log.len(), at);
    }
}

#[test]
fn a_no_after_others_had_the_card_is_checked() {
    // CE02 is missing, and before it is asked for, others had the card: the mark, and asked again.
    let mut script = script(2);
    script.files.remove(&Fid(0xCE02));
    script.interruptions = vec![11];
    let (card, _) = read(&mut script).unwrap();
    assert_eq!(answer(&card, 0xCE02), &Answer::Absent);
    assert_eq!(script.log.len(), 3 * 2 + 8 - 1 + 2);
    // They have it all the time, as while somebody is logged in: the mark once more.
    script.log.clear();
    script.interruptions = (1..100).collect();
    let (card, gaps) = read(&mut script).unwrap();
    assert_eq!(answer(&card, 0xCE02), &Answer::Absent);
    assert_eq!((script.log.len(), gaps.len()), (3 * 2 + 8 - 1 + 3, 0));
    // A "no" of their application that is gone when it is asked for again.
    let mut script = self::script(2);
    script.interruptions = vec![9];
    script.answers = BTreeMap::from([(9, vec![0x6A, 0x82])]);
    let (card, _) = read(&mut script).unwrap();
    assert!(matches!(answer(&card, 0xCE01), Answer::Content(_)));
    assert_eq!(script.count(0xA4), 1);
    // They selected another application: it says no to everything, and the scan begins anew.
    let mut script = self::script(2);
    script.interruptions = vec![9];
    script.answers = BTreeMap::from([(9, vec![0x6A, 0x82]), (10, vec![0x6D, 0x00])]);
    let (card, gaps) = read(&mut script).unwrap();
    assert!(matches!(answer(&card, 0xCE01), Answer::Content(_)));
    assert_eq!((script.count(0xA4), gaps.len()), (2, 0));
}

/// Found by `show` on a card that somebody was logged in to: every "no" began the scan anew.
#[test]
fn a_no_while_somebody_is_logged_in_is_believed_as_long_as_the_login_lasts() {
    let mut script = script(2);
    script.verify = [0x90, 0x00];
    script.files.remove(&Fid(0xCE02));
    script.interruptions = (1..500).collect();
    let (card, gaps) = scan(&mut script, "reader", ATR, &Options { status: true, ..options(true) }).unwrap();
    assert_eq!((answer(&card, 0xCE02), gaps), (&Answer::Absent, vec![]));
    assert_eq!(script.count(0xA4), 0);
}

#[test]
fn a_list_that_fills_a_short_answer_is_asked_for_in_extended_form() {
    let cut = |script: &Script| [&script.list[..256], &[0x90, 0x00]].concat();
    let mut script = script(70);
    script.answers.insert(6, cut(&script));
    let (card, gaps) = read(&mut script).unwrap();
    assert_eq!((card.key_list.len(), gaps.len()), (141, 0));
    assert_eq!(script.log[6], b"\x80\x58\x00\x00\x00\x03\xF6");
    assert_eq!(script.log.len(), 3 * 70 + 8 + 1);
    // A reader or a card that does not take it: what came is read, and not all is said to be there.
    // The 64th key is the last entry, and its C4 is cut off: C400 may be, too, and is asked for.
    // After a failure the card shows its mark, and C400 is asked for again.
    let last = 7 + 1 + 3 * 64 + 1;
    for (refusal, last) in [(None, last + 2), (Some(vec![0x67, 0x00]), last)] {
        let mut script = self::script(70);
        script.answers = BTreeMap::from([(6, cut(&script)), (last, cut(&script))]);
        match refusal {
            None => drop(script.failures.insert(7, TransportError::TooLong)),
            Some(answer) => drop(script.answers.insert(7, answer)),
        }
        let (card, gaps) = read(&mut script).unwrap();
        assert_eq!((card.key_list.len(), script.count(0x58)), (128, 3));
        assert!(gaps[0].why.contains("256 bytes"), "{gaps:?}");
    }
}

#[test]
fn cards_that_lie_end_within_bounds() {
    let answers: [&[u8]; 7] = [
        &[0x61, 0x00],
        &[0x6C, 0x10],
        &[0x90, 0x00],
        &[0x90],
        &[],
        &[0x30, 0x61, 0x00],
        &[0x30, 0x80, 0x62, 0x82],
    ];
    for answer in answers {
        let mut script = script(3);
        script.always = Some(answer.to_vec());
        assert!(read(&mut script).is_err(), "{answer:02X?}");
        assert!(script.log.len() < 1000, "{answer:02X?}: {}", script.log.len());
    }
    // Passes for a card, then lists 32767 keys and gives 64 KiB for each file.
    let mut script = script(0);
    script.list = vec![0xCC; 65534];
    read(&mut script).unwrap();
    script.list = (1..=0x7FFFu16).flat_map(|n| [prefix::KEY, n.to_be_bytes()[1]]).collect();
    for id in 0..=255 {
        script.files.insert(fid(prefix::CERTIFICATE, id), element(65535, 1));
    }
    script.log.clear();
    let error = read(&mut script).unwrap_err();
    assert!(matches!(error, ScanError::Transport(TransportError::Nonsense(_))), "{error}");
    assert!(script.log.len() <= 8192 * 4);
}

#[test]
fn entries_that_opensc_does_not_see_are_not_read() {
    let mut script = script(1);
    let late = script.list.split_off(2);
    script.list.extend([0xCB, 0x00].repeat(506));
    script.list.extend(late);
    let (card, gaps) = read(&mut script).unwrap();
    assert_eq!(card.key_list.len(), 509);
    assert!(!card.files.iter().any(|file| file.path == EfPath::at(0xC401)));
    assert!(gaps.iter().any(|gap| gap.why.contains("507th")), "{gaps:?}");
}

#[test]
fn a_list_that_may_be_cut_is_coverage() {
    let mut script = script(0);
    for (entries, cut) in [(128, false), (506, false), (507, true)] {
        script.lengths = if entries > 500 { Lengths::Extended(1014) } else { Lengths::Short };
        script.list = [0xCC, 0x00].repeat(entries);
        let (_, gaps) = read(&mut script).unwrap();
        assert_eq!(gaps.iter().any(|gap| gap.why.contains("may be cut")), cut, "{gaps:?}");
    }
}

#[test]
fn refusals_are_coverage_and_absence_is_not() {
    let mut script = script(1);
    script.files.remove(&TOKEN_INFO);
    // VERIFY, SELECT, 2F02 in two, 2F03, list, C401, and that again.
    script.answers = BTreeMap::from([(7, vec![0x69, 0x82]), (8, vec![0x69, 0x82])]);
    let (card, gaps) = read(&mut script).unwrap();
    assert_eq!(answer(&card, 0x2F03), &Answer::Absent);
    assert_eq!(answer(&card, 0xC401), &Answer::Refused(0x6982));
    assert!(
        gaps.len() == 1 && gaps[0].what.contains("C401") && gaps[0].why.contains("a PIN is needed"),
        "{gaps:?}"
    );
}

#[test]
fn what_a_card_says_of_a_file_only_once_is_not_believed() {
    let (truth, _) = read(&mut script(1)).unwrap();
    let whole_but_strange = [&[0x5A, 0x05][..], &[0; 5], &[0x90, 0x00]].concat();
    let with_a_tail = [element(68, 9), vec![1, 2, 0x90, 0x00]].concat();
    let bad: [&[u8]; 7] = [
        &[0x69, 0x82],
        &[0x6F, 0x00],
        &[0x6D, 0x00],
        // The list names C401.
        &[0x6A, 0x82],
        // Empty: for OpenSC there is no key then.
        &[0x90, 0x00],
        &whole_but_strange,
        &with_a_tail,
    ];
    for bad in bad {
        let mut script = script(1);
        script.answers.insert(7, bad.to_vec());
        let (card, gaps) = read(&mut script).unwrap();
        assert_eq!((card, gaps), (truth.clone(), vec![]), "{bad:02X?}");
    }
    // Said twice, it is so: a file whose label was rewritten keeps the old end.
    let mut script = script(1);
    script.files.insert(Fid(0xC401), with_a_tail[..70].to_vec());
    let (card, gaps) = read(&mut script).unwrap();
    assert_eq!(answer(&card, 0xC401), &Answer::Content(Bytes(with_a_tail[..70].to_vec())));
    assert_eq!((gaps, script.log.len()), (vec![], 3 + 8 + 1));
}

#[test]
fn data_in_place_of_a_pin_state_is_no_login() {
    let mut script = script(1);
    script.answers.insert(1, vec![0x01, 0x02, 0x90, 0x00]);
    let (card, _) = read(&mut script).unwrap();
    assert_eq!((card.status.unwrap().user_pin, script.count(0xA4)), (Some(PinState::Tries(3)), 1));
}

#[test]
fn a_device_certificate_without_a_holder_is_coverage() {
    let mut script = script(1);
    script.files.insert(DEVICE_CERTIFICATE, [element(232, 7), element(232, 0)].concat());
    let (card, gaps) = read(&mut script).unwrap();
    assert_eq!(card.serial, None);
    assert!(gaps.len() == 1 && gaps[0].asked_for && gaps[0].why.contains("no holder"), "{gaps:?}");
}

/// A card that only the configuration calls a SmartCard-HSM is asked for no PIN before it has shown that it is one.
#[test]
fn an_unknown_card_is_asked_for_its_pin_only_when_it_has_given_its_certificate() {
    let sent = |mut script: Script| {
        scan(&mut script, "reader", b"\x3B\x80\x80\x01\x01", &options(true)).unwrap();
        script.log.iter().take(2).map(|command| command[1]).collect::<Vec<_>>()
    };
    let first = |answer: &[u8]| Script { answers: [(1, answer.to_vec())].into(), ..script(1) };
    assert_eq!(sent(first(b"\x7F\x21\x01\x00\x90\x00")), [0xB1, 0x20]);
    assert_eq!(sent(first(b"\x6A\x82")), [0xB1, 0xA4]);
    assert_eq!(sent(first(b"\x41\x42\x90\x00")), [0xB1, 0xA4]);
}
