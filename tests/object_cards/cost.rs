//! What a check costs a card of data objects: APDUs, counted by the virtual card, beside those of the
//! real `pkcs15-tool -D` with an empty cache in the same run.

use std::collections::BTreeSet;

use crate::stand::{Host, Stand};
use crate::{openpgp, piv};

/// Most questions about what OpenSC does not look at: 25 keys, 20 retired slots, and some objects.
const BESIDE: usize = 50;

/// Bytes that a short answer holds.
const SHORT: usize = 256;

/// The commands of a program, each with what was answered (data and status).
fn exchanges(stand: &Stand, run: &dyn Fn()) -> Vec<(String, Vec<u8>)> {
    let before = stand.apdu_log().len();
    run();
    let log = stand.apdu_log();
    let said = |mark: &'static str| log[before..].iter().filter_map(move |line| line.strip_prefix(mark));
    let bytes = |hex: &str| data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap();
    said("> ").map(str::to_owned).zip(said("< ").map(bytes)).collect()
}

/// Each object is asked for once, and its answer goes on in full pieces until there is nothing left.
fn costs_little(stand: &Stand, host: &Host, family: &str) {
    stand.card().insert(stand.card().first());
    let ours = exchanges(stand, &|| drop(host.stalecard(&["check"]).ok()));
    // A new home, so its cache is empty.
    let theirs = exchanges(stand, &|| drop(stand.host("theirs").pkcs15_list()));
    println!("{family}: {} APDUs, pkcs15-tool -D {}", ours.len(), theirs.len());
    // Which keys there are, and what the key history passes over: OpenSC does not look at that.
    let without_le = |command: &str| command[..command.len() - 2].to_owned();
    let is_theirs = |command: &str| theirs.iter().any(|(known, _)| without_le(known) == without_le(command));
    let is_beside =
        |command: &str| command.starts_with("00f7") || (command.starts_with("00cb") && !is_theirs(command));
    let beside = ours.iter().filter(|(command, _)| is_beside(command)).count();
    assert!(beside <= BESIDE, "{beside} APDUs for what OpenSC does not look at");
    let alike = ours.len() - beside;
    assert!(alike <= theirs.len(), "{alike} APDUs, pkcs15-tool {}", theirs.len());
    let is_more = |command: &str| command[2..].starts_with("c0");
    // A5 says which of several the next command is about.
    let mut asked: Vec<String> = Vec::new();
    let mut which = "";
    for (command, _) in ours.iter().filter(|(command, _)| !is_more(command)) {
        if command[2..].starts_with("a5") {
            which = command;
        } else {
            asked.push(format!("{which}{command}"));
            which = "";
        }
    }
    // What only this application has, before and after it is selected and at the end; and, last of all, what tells
    // that it is still the same card. Everything else once.
    let (witness, mark) = (asked.first().unwrap(), asked.last().unwrap());
    let times = |wanted: &String| asked.iter().filter(|command| *command == wanted).count();
    assert_eq!((times(witness), times(mark)), (3, 2), "{asked:#?}");
    let others: Vec<&String> =
        asked.iter().filter(|command| *command != witness && *command != mark).collect();
    assert_eq!(others.iter().collect::<BTreeSet<_>>().len(), others.len(), "{asked:#?}");
    let mut pieces = 0;
    for pair in ours.windows(2) {
        let [(_, answer), (next, piece)] = pair else { unreachable!() };
        if is_more(next) {
            pieces += 1;
            assert_eq!(answer.len() - 2, SHORT, "a short piece before {next}");
            assert!(piece.len() > 2, "nothing was left to ask for with {next}");
        }
    }
    assert!(pieces > 0, "no answer was longer than one piece");
}

#[test]
fn a_check_of_a_piv_card() {
    let (stand, alpha) = piv::stand();
    alpha.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
    for slot in ["9a", "9c", "9d", "9e"] {
        alpha.piv_renew(slot, "RSA2048", "holder");
    }
    alpha.piv_renew("82", "ECCP256", "retired");
    costs_little(&stand, &alpha, "PIV, five keys");
}

#[test]
fn a_check_of_an_openpgp_card() {
    let (stand, alpha) = openpgp::stand("3.4");
    for key in 1..=3 {
        openpgp::generate(&stand, &alpha, key);
    }
    costs_little(&stand, &alpha, "OpenPGP, three keys");
}
