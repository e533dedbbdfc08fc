//! Random histories of cards that are read here: what OpenSC tells of the entries when it is asked is what is decoded.
//!
//! A card is filled and listed, and changed behind that: keys made anew and deleted, certificates renewed, as another host
//! does it. How many of the looks, and of the histories, had something wrong is printed.
//!
//! `STALECARD_OPINIONS_COUNT`: how many of each family. `STALECARD_OPINIONS_SEED`: the first of them.

use super::histories::{number, side_by_side};
use super::second::{self, agrees};
use super::*;
use crate::random::Random;
use crate::stand::{Family, Options, PIN, PIV_PIN, PW3, SO_PIN, YUBIKEY, generate_key_under};
use std::panic::catch_unwind;
use std::sync::Mutex;

/// How often something happens in one history.
const EVENTS: usize = 6;

fn count() -> u64 {
    number("STALECARD_OPINIONS_COUNT", 1)
}

fn first() -> u64 {
    number("STALECARD_OPINIONS_SEED", 0)
}

/// What happens to a card.
pub type Happening = fn(&Stand, &Host, &mut Random, usize);

/// A card, how it is changed by the number of an event, and how it is filled first.
pub struct Play {
    pub stand: Stand,
    pub host: Host,
    pub happens: Happening,
}

pub fn play(family: Family) -> Play {
    let of_openpgp = second::openpgp();
    let switches: &[&str] = match family {
        Family::Piv => &YUBIKEY,
        Family::OpenPgp => &of_openpgp,
        _ => &[],
    };
    let stand = Stand::with(Options { family, switches, ..Options::default() });
    let host = host(&stand);
    let (host, happens): (Host, Happening) = match family {
        Family::ScHsm => {
            host.initialize("HSM-H1", PIN, SO_PIN, None);
            (host, sc_hsm)
        }
        Family::Piv => {
            let host = host.with_pin(PIV_PIN);
            host.live().piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
            (host, piv)
        }
        Family::OpenPgp => (host, openpgp),
        Family::MyEid => {
            host.live().personalise();
            (host, myeid)
        }
        Family::IsoApplet => {
            let host = host.env("OPENSC_DRIVER", "isoApplet");
            host.live().personalise_isoapplet();
            (host, iso_applet)
        }
        Family::Files => panic!("those are not read here"),
    };
    Play { stand, host, happens }
}

fn sc_hsm(_: &Stand, host: &Host, random: &mut Random, _step: usize) {
    let live = host.live();
    let listing = live.pkcs11_list_logged_in();
    let keys: Vec<String> = listing.private_keys().iter().filter_map(|key| key.id.clone()).collect();
    match random.below(3) {
        0 if !keys.is_empty() => {
            let id = keys[random.below(keys.len())].clone();
            live.run(&[
                "pkcs11-tool",
                "--login",
                "--pin",
                PIN,
                "--delete-object",
                "--type",
                "privkey",
                "--id",
                &id,
            ]);
        }
        1 if !keys.is_empty() => {
            let id = &keys[random.below(keys.len())];
            // A second one under the same ID is refused (the ID is not unique): the old one goes first.
            if listing.certificates().iter().any(|certificate| certificate.id.as_ref() == Some(id)) {
                live.delete_object("cert", id);
            }
            live.write_cert(&live.foreign_certificate("another"), id, "x");
        }
        _ if keys.len() < 4 => {
            live.keypairgen("EC:prime256v1", &[]);
        }
        _ => {}
    }
}

fn piv(_: &Stand, host: &Host, random: &mut Random, step: usize) {
    let slot = ["9a", "9c", "9d", "9e"][random.below(4)];
    host.live().piv_renew(slot, "ECCP256", &format!("holder {step}"));
}

fn openpgp(stand: &Stand, host: &Host, random: &mut Random, step: usize) {
    // No tool makes a key on a curve where there is one, or another in its place; nor one to decipher a second time.
    let key = random.one(&[1u8, 3]);
    let number = key.to_string();
    host.live().run(&["openpgp-tool", "--verify", "CHV3", "--pin", PW3, "--gen-key", &number]).ok();
    // With extended commands the tool fails to write the fingerprint.
    stand.card().tamper_path(&[0xC6 + key], Some(&[u8::try_from(step + 1).unwrap(); 20]));
}

fn myeid(_: &Stand, host: &Host, random: &mut Random, step: usize) {
    let label = format!("key {step}");
    if random.below(3) > 0 {
        host.live().generate_key("ec/prime256v1", &format!("{:02x}", step + 1), &label);
    }
}

/// `pkcs15-init` moves `lastUpdate`, which is in the names of cached files: as long as it does, nothing is stale. Whoever leaves
/// it as it is, or a second card of the same second, is shown from the old files: so here, but for one change in four.
fn iso_applet(stand: &Stand, host: &Host, random: &mut Random, step: usize) {
    let live = host.live();
    let info = file(stand, ISO_TOKEN_INFO);
    let listing = live.pkcs15_list();
    let keys: Vec<String> = listing.private_keys().iter().filter_map(|key| key.id.clone()).collect();
    match random.below(4) {
        0 if !keys.is_empty() => {
            let id = &keys[random.below(keys.len())];
            live.delete_objects("privkey,pubkey", id);
        }
        1 | 2 if !keys.is_empty() => {
            let id = &keys[random.below(keys.len())];
            if listing.certificates().iter().any(|certificate| certificate.id.as_ref() == Some(id)) {
                live.delete_objects("cert", id);
            }
            let der = live.foreign_certificate(&format!("holder {step}"));
            let path = live.scratch("certificate", &der);
            let path = path.to_str().unwrap();
            live.pkcs15_init(&[
                "--store-certificate",
                path,
                "--format",
                "der",
                "--auth-id",
                "FF",
                "--id",
                id,
            ])
            .ok();
        }
        _ if keys.len() < 4 => {
            let id = format!("{:02x}", step + 1);
            live.pkcs15_init(&generate_key_under("FF", "ec/prime256v1", &id, &id)).ok();
        }
        _ => {}
    }
    if random.below(4) > 0 {
        stand.card().tamper_path(&[0x50, 0x15, 0x50, 0x32], Some(&info));
    }
}

/// EF(TokenInfo), as the card's dump calls it.
const ISO_TOKEN_INFO: &str = "3F0050155032";

fn file(stand: &Stand, path: &str) -> Vec<u8> {
    let content = stand.card().dump()["files"][path].as_str().unwrap().to_owned();
    data_encoding::HEXLOWER_PERMISSIVE.decode(content.as_bytes()).unwrap()
}

/// One history of a family; how many of the looks had something to convict.
fn one(family: Family, seed: u64) -> usize {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9) ^ 0x0817_0000 ^ u64::from(family as u8));
    let Play { stand, host, happens } = play(family);
    // What is there and was listed can be old afterwards.
    for step in 0..2 {
        happens(&stand, &host, &mut random, EVENTS + step);
    }
    host.pkcs15_list();
    host.pkcs11_list();
    let mut wrong = 0;
    for step in 0..EVENTS {
        match random.below(4) {
            0 => drop(host.pkcs15_list()),
            1 => drop(host.pkcs11_list()),
            _ => happens(&stand, &host, &mut random, step),
        }
        if step % 2 == 1 {
            let (code, _) = agrees(&host);
            wrong += usize::from(code == 1);
        }
    }
    assert_eq!(left_behind(&stand), Vec::<String>::new());
    wrong
}

/// All histories of a family. One that fails is told, and the others go on.
fn all(family: Family) {
    let all: Vec<u64> = (first()..first() + count()).collect();
    let played = Mutex::new(Vec::new());
    side_by_side(&all, |&seed| {
        let wrong = catch_unwind(|| one(family, seed)).ok();
        println!("{family:?} {seed}: wrong looks={wrong:?}");
        played.lock().unwrap().push((seed, wrong));
    });
    let played = played.into_inner().unwrap();
    let looks: usize = played.iter().filter_map(|(_, wrong)| *wrong).sum();
    let stale = played.iter().filter(|(_, wrong)| wrong.is_some_and(|looks| looks > 0)).count();
    println!(
        "opinions: OpenSC {} {family:?}: histories={} wrong looks={looks} stale histories={stale}",
        stand::opensc_version(),
        played.len()
    );
    let failed: Vec<u64> =
        played.iter().filter(|(_, wrong)| wrong.is_none()).map(|(seed, _)| *seed).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn on_smartcard_hsms() {
    all(Family::ScHsm);
}

#[test]
fn on_piv_cards() {
    all(Family::Piv);
}

#[test]
fn on_openpgp_cards() {
    all(Family::OpenPgp);
}

#[test]
fn on_myeids() {
    all(Family::MyEid);
}

#[test]
fn on_iso_applets() {
    all(Family::IsoApplet);
}
