//! What a check costs the card: APDUs, counted by the virtual card, beside those of the real
//! `pkcs15-tool -D` with an empty cache in the same run.
//!
//! Counts only, so a busy machine changes nothing. Times and memory: `make bench`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::stand::{PIN, SO_PIN, Stand};
use stalecard::card::Options;
use stalecard::card::apdu::{EXTENDED_NE, Lengths, Transport, TransportError};
use stalecard::card::sc_hsm::scan;
use stalecard::snapshot::Answer;
use virtual_card::Card;
use virtual_card::sc_hsm::{ATR, SmartCardHsm};

/// Numbers of P-256 keys.
const SIZES: [usize; 4] = [1, 5, 20, 60];

#[test]
fn a_check_asks_the_card_for_little() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    let mut keys = 0;
    for wanted in SIZES {
        while keys < wanted {
            alpha.keypairgen("EC:prime256v1", &[]);
            keys += 1;
        }
        let commands = commands_of_check(&stand, keys);
        assert!(commands.len() <= 3 * keys + 10, "{} APDUs for {keys} keys", commands.len());
        assert_nothing_twice(&commands);

        stand.card().reset_stats();
        // A new home, so its cache is empty.
        stand.host(&format!("theirs-{keys}")).pkcs15_list();
        let theirs = usize::try_from(stand.card().stats().apdus).unwrap();
        assert!(2 * commands.len() <= theirs + 8, "{} APDUs, pkcs15-tool {theirs}", commands.len());

        let extended = count_extended(stand.card().first().path(), keys);
        assert!(extended <= 2 * keys + 7, "{extended} extended APDUs for {keys} keys");
        println!(
            "{keys:2} keys: {:3} APDUs, {extended:3} if extended; pkcs15-tool -D {theirs:3}",
            commands.len()
        );
    }
}

/// The commands of `check` over the real pcscd, whose virtual reader announces no extended APDUs.
fn commands_of_check(stand: &Stand, keys: usize) -> Vec<String> {
    let before = stand.apdu_log().len();
    stand.card().reset_stats();
    let report = stand.host("ours").stalecard(&["check", "--format", "json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(report["coverage"], serde_json::json!([]), "not everything was read of {keys} keys");
    let log = stand.apdu_log();
    let commands: Vec<_> =
        log[before..].iter().filter_map(|line| line.strip_prefix("> ")).map(str::to_owned).collect();
    let stats = stand.card().stats();
    assert_eq!(stats.apdus, commands.len() as u64);
    assert!(stats.select_aid <= 1, "{} times selected", stats.select_aid);
    assert_eq!((stats.verify, stats.writes, stats.signatures), (0, 0, 0));
    commands
}

/// Nothing is asked twice, but the key list at both ends, and last of all the card's mark.
fn assert_nothing_twice(commands: &[String]) {
    let (mark, walk) = commands.split_last().unwrap();
    assert!(mark.starts_with("00b12f02"), "{mark}");
    let (lists, others): (Vec<_>, Vec<_>) = walk.iter().partition(|command| command.starts_with("8058"));
    // Beyond 128 entries once in short form first.
    assert!(lists.len() == 2 || (lists.len() == 3 && lists[1].len() == 14), "{lists:?}");
    assert_eq!(walk.last(), lists.last().copied());
    let different: BTreeSet<_> = others.iter().collect();
    assert_eq!(different.len(), others.len(), "{others:?}");
}

/// APDUs for the same card in a reader that announces extended ones: there is no virtual one,
/// so the card is asked in this process.
fn count_extended(state: &Path, keys: usize) -> usize {
    let mut reader = Reader { card: SmartCardHsm::load(state).unwrap(), apdus: 0 };
    let options = Options {
        read_c400: true,
        status: false,
        cached_links: &|_| Vec::new(),
        cached_keys: &|_| Vec::new(),
    };
    let (card, gaps) = scan(&mut reader, "in this process", ATR, &options).unwrap();
    assert_eq!(gaps, []);
    let read = card.files.iter().filter(|file| matches!(file.answer, Answer::Content(_))).count();
    assert_eq!(read, 2 + 2 * keys);
    reader.apdus
}

/// A reader without pcscd.
struct Reader {
    card: SmartCardHsm,
    apdus: usize,
}

impl Transport for Reader {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        self.apdus += 1;
        Ok(self.card.execute(apdu))
    }

    fn lengths(&self) -> Lengths {
        Lengths::Extended(EXTENDED_NE)
    }
}
