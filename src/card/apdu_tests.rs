//! Encodings, the list of commands, and cards that never end their answers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::card::script::Script;
use crate::format::piv::Tag;

/// Every command there is. A new one does not compile until it stands here.
fn every_command() -> Vec<Command> {
    let all = vec![
        Command::SelectScHsm,
        Command::VerifyStatus(Pin::User),
        Command::VerifyStatus(Pin::So),
        Command::ReadBinary(Fid(0xCE01), 0x0102),
        Command::EnumerateObjects,
        Command::EnumerateManyObjects,
        Command::DkekStatus,
        Command::SelectPath(EfPath::new(&[0x50, 0x15, 0x44, 0x01]).unwrap()),
        Command::ReadSelected(0x0102, 256),
        Command::ReadSelected(0x0500, 0xFA),
        Command::AppletInfo,
        Command::KeyFiles(KeyFiles::Rsa),
        Command::KeyFiles(KeyFiles::Ec),
        Command::VerifyStatus(Pin::Piv),
        Command::SelectIsoApplet,
        Command::IsoAppletVersion,
        Command::SelectPiv,
        Command::PivObject(Tag::Discovery),
        Command::PivObject(Tag::Biometrics),
        Command::PivObject(Tag::Usual(0x05)),
        Command::PivMetadata(0x9A),
        Command::SelectOpenPgp,
        Command::OpenPgpData(OpenPgpData::Application),
        Command::OpenPgpData(OpenPgpData::Private2),
        Command::OpenPgpCertificate(2),
        Command::OpenPgpPublicKey(OpenPgpKey::Signature),
    ];
    for command in &all {
        match command {
            Command::SelectScHsm
            | Command::VerifyStatus(Pin::Piv | Pin::User | Pin::So)
            | Command::ReadBinary(..)
            | Command::EnumerateObjects
            | Command::EnumerateManyObjects
            | Command::DkekStatus
            | Command::SelectPath(_)
            | Command::ReadSelected(..)
            | Command::AppletInfo
            | Command::KeyFiles(KeyFiles::Rsa | KeyFiles::Ec)
            | Command::SelectIsoApplet
            | Command::IsoAppletVersion
            | Command::SelectPiv
            | Command::PivObject(_)
            | Command::PivMetadata(_)
            | Command::SelectOpenPgp
            | Command::OpenPgpData(_)
            | Command::OpenPgpCertificate(_)
            | Command::OpenPgpPublicKey(_) => {}
        }
    }
    all
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXUPPER.encode(bytes)
}

#[test]
fn everything_that_is_ever_sent() {
    let sent = |lengths| every_command().into_iter().map(|c| hex(&c.encode(lengths))).collect::<Vec<_>>();
    let select = "00A404000BE82B0601040181C31F020100";
    let many = "805800000003F6";
    // One form, whatever the reader takes.
    let others = [
        "00A40800045015440100",
        "00B0010200",
        "00B00500FA",
        "00CA01A000",
        "00CA01A400",
        "00CA01A500",
        "00200080",
        "00A404000CF276A288BCFBA69D34F3100100",
        "00CA010100",
        "00A4040009A0000003080000100000",
        "00CB3FFF035C017E00",
        "00CB3FFF045C027F6100",
        "00CB3FFF055C035FC10500",
        "00F7009A00",
        "00A4040006D2760001240100",
        "00CA006E00",
        "00CA010200",
        "00A502040660045C027F21",
        "0047810002B60000",
    ];
    let short = [select, "00200081", "00200088", "00B1CE01045402010200", "8058000000", many, "8052000000"];
    assert_eq!(sent(Lengths::Short), [&short[..], &others].concat());
    let long = [select, "00200081", "00200088", "00B1CE010000045402010203F6", many, many, "8052000000"];
    assert_eq!(sent(Lengths::Extended(EXTENDED_NE)), [&long[..], &others].concat());
    assert!(is_extended(&Command::EnumerateManyObjects.encode(Lengths::Short)));
    let short = every_command().into_iter().filter(|command| *command != Command::EnumerateManyObjects);
    assert!(short.into_iter().all(|command| !is_extended(&command.encode(Lengths::Short))));
    for lengths in [Lengths::Short, Lengths::Extended(EXTENDED_NE)] {
        assert!(every_command().into_iter().all(|command| is_on_the_list(&command.encode(lengths))));
    }
    assert!(is_on_the_list(&get_response(0)));
}

#[test]
fn nothing_else_passes_the_guard() {
    let refused = [
        "",
        "00",
        "0020008106313233343536",       // VERIFY with a PIN
        "00200085",                     // pin-pad and biometric references
        "0047800002B60000",             // make an OpenPGP key
        "0047009A05AC0380011100",       // make a PIV key
        "00F7009B00",                   // metadata of a YubiKey's management key
        "00F7019A00",                   // with a parameter that it does not have
        "00F7009A0101",                 // with data
        "00F9009A00",                   // attestation, which signs
        "00FA030300",                   // set the number of PIN tries
        "00CB3FFF055C035FC10900",       // PIV: printed information, which takes a PIN
        "00CB3FFF055C035FC10300",       // PIV: fingerprints
        "00DB3FFF055C035FC10500",       // PIV: PUT DATA
        "00CA01A600",                   // MyEID: the files of secret keys
        "00CA010300",                   // OpenPGP: private use
        "00DA006E01AA",                 // OpenPGP: PUT DATA
        "00A503040660045C027F21",       // OpenPGP: no such certificate
        "00D7CE0104540200005301AA",     // UPDATE BINARY
        "00E4020002CE01",               // DELETE
        "805000000B80020001810631",     // INITIALIZE
        "8050000000",                   // even without data
        "8052010000",                   // create a key domain
        "805200000101AA",               // import a DKEK share
        "8068017020",                   // SIGN
        "8058000001AA",                 // ENUMERATE with data
        "00A4040009A00000030800001000", // another application
        "00A4040007627601FF000000",
        "00A4000002CE0100", // select a file: others may rely on theirs
        "00B1CE0104530200000000",
        "00D6000001AA",           // UPDATE BINARY
        "00B0810000",             // a file by its short identifier
        "00CA01AA00",             // GET DATA of another object
        "00DA01E000",             // PUT DATA
        "00A40804045015440100",   // SELECT with another answer
        "00A408000450154401AA00", // and with data behind the path
    ];
    for apdu in refused {
        let bytes = data_encoding::HEXUPPER.decode(apdu.as_bytes()).unwrap();
        assert!(!is_on_the_list(&bytes), "{apdu}");
    }
}

#[test]
fn the_four_cases_in_both_forms() {
    let apdu = |data, ne, long| hex(&Apdu { header: [0, 1, 2, 3], data, ne }.encode(long));
    assert_eq!(apdu(&[], 0, false), "00010203");
    assert_eq!(apdu(&[], 0, true), "00010203");
    assert_eq!(apdu(&[], 256, false), "0001020300");
    assert_eq!(apdu(&[], 65536, true), "00010203000000");
    assert_eq!(apdu(&[], 1014, true), "000102030003F6");
    assert_eq!(apdu(&[0xAA, 0xBB], 0, false), "0001020302AABB");
    assert_eq!(apdu(&[0xAA, 0xBB], 0, true), "00010203000002AABB");
    assert_eq!(apdu(&[0xAA, 0xBB], 16, false), "0001020302AABB10");
    assert_eq!(apdu(&[0xAA, 0xBB], 16, true), "00010203000002AABB0010");
}

#[test]
fn a_chained_answer_is_put_together() {
    let mut script = Script::default();
    script.answers.insert(1, [vec![1; 256], vec![0x61, 0x00]].concat());
    script.answers.insert(2, [vec![2; 256], vec![0x61, 0x10]].concat());
    script.answers.insert(3, [vec![3; 16], vec![0x90, 0x00]].concat());
    let mut channel = Channel::new(&mut script);
    let response = channel.send(Command::EnumerateObjects).unwrap();
    assert_eq!((response.data.len(), response.status), (528, StatusWord::OK));
    assert_eq!(hex(&script.log[2]), "00C0000010");
}

#[test]
fn a_chain_that_is_not_handed_out_leaves_what_came() {
    for (first, expected) in [(vec![1; 256], StatusWord(0x61EA)), (Vec::new(), StatusWord(0x6D00))] {
        let mut script = Script::default();
        let length = first.len();
        script.answers.insert(1, [first, vec![0x61, 0xEA]].concat());
        let response = Channel::new(&mut script).send(Command::ReadBinary(Fid(0xCE01), 0)).unwrap();
        assert_eq!((response.data.len(), response.status), (length, expected));
    }
}

#[test]
fn the_right_length_is_tried_once_and_verify_never_changes() {
    let mut script = Script::default();
    script.answers.insert(1, vec![0x6C, 0x05]);
    script.answers.insert(2, vec![0x6C, 0x06]);
    let response = Channel::new(&mut script).send(Command::ReadBinary(Fid(0xCE01), 0)).unwrap();
    assert_eq!((response.status, script.log.len()), (StatusWord(0x6C06), 2));
    assert_eq!(hex(&script.log[1]), "00B1CE01045402000005");
    let mut script = Script { verify: [0x6C, 0x00], ..Script::default() };
    Channel::new(&mut script).send(Command::VerifyStatus(Pin::User)).unwrap();
    assert_eq!(script.log.len(), 1);
}

#[test]
fn endless_answers_end() {
    for answer in [vec![0x61, 0x00], vec![0x55, 0x61, 0x01], [vec![0x55; 256], vec![0x61, 0x00]].concat()] {
        let mut script = Script { always: Some(answer), ..Script::default() };
        let error = Channel::new(&mut script).send(Command::EnumerateObjects).unwrap_err();
        assert!(matches!(error, TransportError::Nonsense(_)) && script.log.len() < 310);
    }
}
