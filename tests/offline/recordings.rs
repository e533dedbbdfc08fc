//! What real tools and cards once said, judged again: the recorded exchanges become a card in
//! memory, the recorded cache directories stand in front of it, and what our own code makes of the
//! two is compared with what the real tools printed on that day. The snapshots made of it are
//! committed, with what every reading command says of them (`fixtures/snapshots/`).
//!
//! `SNAPSHOTS=overwrite` writes those files anew: read the difference before you commit it.

use crate::listing::{Pkcs11Listing, Pkcs15Listing};
use crate::recorded::{CACHE, cache_of, committed_outputs, fixtures, recording_of, snapshot, stalecard};
use serde_json::{Value, json};
use stalecard::card::Options;
use stalecard::card::image::Image;
use stalecard::card::sc_hsm::scan;
use stalecard::finding::{Id, Severity};
use stalecard::format::key::PublicKey;
use stalecard::judge::judge;
use stalecard::opensc::Version;
use stalecard::opensc::cache_name::CacheName;
use stalecard::snapshot::{Answer, CacheDir, Card, CardFile, Content, Fid, Gap, Snapshot};
use stalecard::view::cached::Cached;
use stalecard::view::sc_hsm::decode;
use stalecard::view::{Behaviour, Class, View};

const SERIAL: &str = "DENK0200834";
const ATR: &[u8] =
    b"\x3B\xFE\x18\x00\x00\x81\x31\xFE\x45\x80\x31\x81\x54\x48\x53\x4D\x31\x73\x80\x21\x40\x81\x07\xFA";

/// OpenSC 0.23.0, which the recordings were made with.
fn opensc_0_23() -> Behaviour {
    Behaviour::of(Some(Version::of(23)))
}

fn recording(name: &str) -> String {
    recording_of("sc-hsm", name)
}

fn cache(name: &str) -> CacheDir {
    cache_of("sc-hsm", name)
}

/// Our own scan over a card made of these exchanges.
fn scanned(recordings: &[&str]) -> (Card, Vec<Gap>) {
    let texts: Vec<String> = recordings.iter().map(|name| recording(name)).collect();
    let mut image = Image::from_recordings(texts.iter().map(String::as_str)).unwrap();
    let options = Options {
        read_c400: true,
        status: true,
        cached_links: &|_| Vec::new(),
        cached_keys: &|_| Vec::new(),
    };
    scan(&mut image, "Virtual PCD 00 00", ATR, &options).unwrap()
}

/// The seed's card as far as it is known: the files that a fresh cache of that moment held.
fn seed_card(fresh: &str) -> (Card, Vec<Gap>) {
    let (mut card, gaps) = scanned(&["5-keys-live.apdus", "5-keys-sc-hsm-tool.apdus"]);
    card.key_list = [0xCC00, 0xCC01, 0xC401].map(Fid).into();
    card.files.retain(|file| matches!(file.path.fid(), Some(Fid(0x2F02 | 0x2F03))));
    for entry in cache(fresh).entries {
        let (Some(name), Content::Bytes(bytes)) = (entry.name.of_copy(), &entry.content) else {
            panic!("{}", entry.name);
        };
        // OpenSC keeps an empty file for "there is none".
        let answer = if bytes.0.is_empty() { Answer::Absent } else { Answer::Content(bytes.clone()) };
        card.files.push(CardFile { path: name.ef().unwrap(), answer });
    }
    (card, gaps)
}

/// The IDs that were generated in the seed's story, in order.
fn generated() -> [String; 3] {
    let transcript = recording("seed-transcript.txt");
    let ids: Vec<String> = transcript
        .split("Key pair generated:\n")
        .skip(1)
        .map(|rest| Pkcs11Listing::parse(rest.split("\n\n").next().unwrap()))
        .map(|listing| listing.public_keys()[0].id.clone().unwrap())
        .collect();
    ids.try_into().unwrap()
}

fn opensc_view(card: &Card, dir: &CacheDir) -> View {
    let name = |fid| CacheName::for_sc_hsm(SERIAL, None, fid).ok().map(|name| name.name());
    decode(&card.key_list, &Cached::new(card, dir, name), opensc_0_23())
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// `[0x10C], sign, signRecover, derive`
fn flags(listed: Option<&str>) -> u32 {
    let text = listed.unwrap();
    let digits = text.strip_prefix("[0x").unwrap().split(']').next().unwrap();
    u32::from_str_radix(digits, 16).unwrap()
}

/// Every key of `pkcs15-tool -D`, attribute for attribute.
#[track_caller]
fn same_as_pkcs15(view: &View, listing: &Pkcs15Listing) {
    assert_eq!(*view.unknown, []);
    let listed = listing.private_keys();
    assert_eq!(view.private_keys().count(), listed.len());
    for (object, listed) in view.private_keys().zip(listed) {
        let Class::PrivateKey {
            reference, key_type, bits, usage, access, flags: object_flags, native, ..
        } = object.class
        else {
            panic!("{object:?}");
        };
        assert_eq!(String::from_utf8(object.label.clone()).unwrap(), listed.label);
        assert_eq!(Some(hex(&object.id)), listed.id);
        assert_eq!(reference.map(u32::from), listed.key_ref);
        assert_eq!(Some(key_type.name()), listed.key_type.as_deref());
        assert_eq!(u32::try_from(bits).ok(), listed.bits);
        assert_eq!(usage, flags(listed.usage.as_deref()));
        assert_eq!(access, flags(listed.block.get("Access Flags")));
        assert_eq!(object_flags, flags(listed.block.get("Object Flags")));
        assert_eq!(Some(if native { "yes" } else { "no" }), listed.block.get("Native"));
    }
    let public: Vec<_> = view.objects.iter().filter(|o| matches!(o.class, Class::PublicKey { .. })).collect();
    let listed = listing.public_keys();
    assert_eq!(public.len(), listed.len());
    for (object, listed) in public.iter().zip(listed) {
        assert_eq!(String::from_utf8(object.label.clone()).unwrap(), listed.label);
        assert_eq!(Some(hex(&object.id)), listed.id);
        assert_eq!(object.public_key().and_then(|key| u32::try_from(key.bits()).ok()), listed.bits);
    }
    assert_eq!(view.objects.len(), listing.private_keys().len() + public.len());
}

/// Every public key of `pkcs11-tool -O`, byte for byte.
#[track_caller]
fn same_as_pkcs11(view: &View, listing: &Pkcs11Listing) {
    let point = |key: &PublicKey| match key {
        PublicKey::Ec { point, .. } => Some(hex(point)),
        _ => None,
    };
    let ours: Vec<_> = view
        .objects
        .iter()
        .filter(|object| matches!(object.class, Class::PublicKey { .. }))
        .map(|object| {
            let label = String::from_utf8(object.label.clone()).unwrap();
            (label, Some(hex(&object.id)), object.public_key().and_then(point))
        })
        .collect();
    let theirs: Vec<_> = listing
        .public_keys()
        .iter()
        .map(|key| (key.label.clone(), key.id.clone(), key.ec_point.clone()))
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn five_keys_live() {
    for exchange in ["5-keys-live.apdus", "5-keys-live-pkcs11.apdus", "5-keys-cached-cold.apdus"] {
        let (card, gaps) = scanned(&[exchange, "5-keys-sc-hsm-tool.apdus"]);
        assert_eq!(gaps, [], "{exchange}");
        assert_eq!(card.serial.as_deref(), Some(SERIAL));
        let view = decode(&card.key_list, &card, opensc_0_23());
        same_as_pkcs15(&view, &Pkcs15Listing::parse(&recording("5-keys-live.txt")).unwrap());
        same_as_pkcs11(&view, &Pkcs11Listing::parse(&recording("5-keys-live-pkcs11.txt")));
    }
}

#[test]
fn five_keys_through_the_cache() {
    let (card, _) = scanned(&["5-keys-live.apdus"]);
    let view = opensc_view(&card, &cache("5-keys-cache"));
    for listing in ["5-keys-cached-cold.txt", "5-keys-cached-warm.txt"] {
        same_as_pkcs15(&view, &Pkcs15Listing::parse(&recording(listing)).unwrap());
    }
}

/// With a warm cache the real tool asked the card for almost nothing. So the card is hardly known, what OpenSC
/// showed is, and nobody may call the one the other.
#[test]
fn what_was_never_recorded_is_coverage() {
    let (card, gaps) = scanned(&["5-keys-cached-warm.apdus"]);
    let dir = cache("5-keys-cache");
    same_as_pkcs15(
        &opensc_view(&card, &dir),
        &Pkcs15Listing::parse(&recording("5-keys-cached-warm.txt")).unwrap(),
    );
    let live = decode(&card.key_list, &card, opensc_0_23());
    assert_eq!(*live.objects, []);
    assert_eq!(live.unknown.len(), 5, "{:?}", live.unknown);
    for number in 1..=5 {
        let file = format!("file C40{number} ");
        assert!(gaps.iter().any(|gap| gap.what.starts_with(&file) && gap.why == "not recorded"), "{gaps:#?}");
    }
    let verdict = judge(&snapshot("ca-alpha", (card, gaps), dir));
    assert!(verdict.findings.iter().all(|finding| finding.severity <= Severity::Warning));
    assert!(verdict.findings.iter().all(|finding| finding.id == Id::CacheCannotNoticeChange));
    assert_eq!(verdict.tokens[0].objects.as_deref(), Some("5 not known"));
    assert!(verdict.coverage.iter().any(|gap| gap.what.contains("CC03") && gap.why == "not recorded"));
    assert!(verdict.coverage.iter().any(|gap| gap.what.contains("DKEK status") && gap.why == "not recorded"));
}

/// Each host of the seed's story at each moment: what it shows, what the card has, and that this is what is found.
#[test]
fn the_seeds_caches_give_the_seeds_findings() {
    let [first, second, third] = generated();
    let moments = [
        ("seed-alpha-5-back", "seed-beta-4-key2", &first, &second),
        ("seed-alpha-5-back", "seed-alpha-8-flushed", &first, &third),
        ("seed-beta-4-key2", "seed-alpha-8-flushed", &second, &third),
    ];
    for (shown, on_card, old, new) in moments {
        let (card, gaps) = seed_card(on_card);
        assert_eq!(gaps, []);
        let dir = cache(shown);
        let id = |view: &View| view.private_keys().map(|key| hex(&key.id)).collect::<Vec<_>>();
        assert_eq!(id(&opensc_view(&card, &dir)), std::slice::from_ref(old));
        assert_eq!(id(&decode(&card.key_list, &card, opensc_0_23())), std::slice::from_ref(new));

        let verdict = judge(&snapshot("ca-alpha", (card, gaps), dir));
        let errors: Vec<_> = verdict.findings.iter().filter(|f| f.severity >= Severity::Error).collect();
        let told: Vec<_> = errors
            .iter()
            .map(|finding| {
                let evidence = &finding.evidence[0];
                (
                    finding.id,
                    evidence.file.as_ref().unwrap().card_file.as_deref().unwrap(),
                    evidence.shown.as_ref().unwrap().id.as_deref().unwrap(),
                    evidence.card.as_ref().unwrap().id.as_deref().unwrap(),
                )
            })
            .collect();
        let (old, new) = (old.as_str(), new.as_str());
        assert_eq!(
            told,
            [(Id::StaleKeyId, "C401", old, new), (Id::StalePublicKey, "CE01", old, new)],
            "{shown}"
        );
        for finding in errors {
            assert_eq!(finding.severity, Severity::Critical);
            assert!(finding.danger.as_ref().unwrap().text.contains(old), "{finding:#?}");
        }
    }
}

#[test]
fn a_cache_of_its_own_moment_is_not_stale() {
    for moment in ["seed-alpha-1-key1", "seed-beta-4-key2", "seed-alpha-8-flushed"] {
        let verdict = judge(&snapshot("ca-alpha", seed_card(moment), cache(moment)));
        let ids: Vec<_> = verdict.findings.iter().map(|finding| finding.id).collect();
        assert_eq!((ids, verdict.coverage), (vec![Id::CacheCannotNoticeChange], vec![]), "{moment}");
    }
}

/// The committed snapshots, with the exit code that `check` has for them.
fn committed() -> Vec<(&'static str, Snapshot, i32)> {
    let five = || scanned(&["5-keys-live.apdus", "5-keys-sc-hsm-tool.apdus"]);
    vec![
        ("five-keys", snapshot("ca-alpha", five(), cache("5-keys-cache")), 0),
        (
            "five-keys-hardly-recorded",
            snapshot("ca-alpha", scanned(&["5-keys-cached-warm.apdus"]), cache("5-keys-cache")),
            3,
        ),
        (
            "seed-alpha-back",
            snapshot("ca-alpha", seed_card("seed-beta-4-key2"), cache("seed-alpha-5-back")),
            1,
        ),
        (
            "seed-beta-stale",
            snapshot("ca-beta", seed_card("seed-alpha-8-flushed"), cache("seed-beta-4-key2")),
            1,
        ),
        (
            "seed-alpha-flushed",
            snapshot("ca-alpha", seed_card("seed-alpha-8-flushed"), cache("seed-alpha-8-flushed")),
            0,
        ),
    ]
}

#[test]
fn every_reading_command_on_the_committed_snapshots() {
    committed_outputs(&committed());
}

/// Nothing of an ID is ever left out: people copy it from here.
#[test]
fn full_ids_are_shown_to_people() {
    let [first, second, _] = generated();
    let path = fixtures().join("snapshots/seed-alpha-back.json");
    for command in ["check", "ls", "show"] {
        let said = stalecard(&[command, "--snapshot", path.to_str().unwrap()]);
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains(&first), "{said}");
        // The list is of cache entries, and the card's own ID is in none of them.
        assert_eq!(said.contains(&second), command != "ls", "{said}");
    }
}

/// One key, by whatever a person has at hand.
#[test]
fn show_finds_a_key_by_every_name_it_has() {
    let [first, second, _] = generated();
    let path = fixtures().join("snapshots/seed-alpha-back.json");
    let file = path.to_str().unwrap();
    let entry = format!("{SERIAL}_NODATE_E82B0601040181C31F0201_C401");
    let full = format!("{CACHE}/{entry}");
    for name in
        [&first, &second, &first.to_uppercase(), "1", "CC01", "cc01", "Private Key", SERIAL, &entry, &full]
    {
        let said = stalecard(&["show", name, "--snapshot", file]);
        assert_eq!(said.status.code(), Some(0), "{name}: {said:?}");
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains(&first) && said.contains(&second), "{name}: {said}");
    }
    let nothing = stalecard(&["show", "no such thing", "--snapshot", file]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(String::from_utf8(nothing.stderr).unwrap().contains("\"no such thing\""));
}

#[test]
fn selection_works_on_a_snapshot_too() {
    let path = fixtures().join("snapshots/seed-alpha-back.json");
    let file = path.to_str().unwrap();
    let code = |arguments: &[&str]| {
        let said = stalecard(&[&["check", "--snapshot", file], arguments].concat());
        (said.status.code().unwrap(), String::from_utf8(said.stdout).unwrap())
    };
    assert_eq!(code(&["--serial", SERIAL]).0, 1);
    assert_eq!(code(&["--reader", "Virtual PCD 00 00"]).0, 1);
    assert_eq!(code(&["--reader", "0"]).0, 1);
    assert_eq!(code(&["--fail-on", "critical"]).0, 1);
    for missing in [["--serial", "DENK0000000"], ["--reader", "7"], ["--reader", "another"]] {
        let (exit, said) = code(&missing);
        assert_eq!(exit, 3, "{said}");
        assert!(said.contains(missing[1]), "{said}");
    }
}

/// What went wrong with a card counts for it, however the gap is worded; what no reader is named with counts for any.
#[test]
fn a_gap_of_the_selected_card_stays_whatever_it_says() {
    let path = fixtures().join("snapshots/seed-alpha-back.json");
    let folder = tempfile::tempdir().unwrap();
    let left = |gap: Value| {
        let mut snapshot: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        snapshot["coverage"] = json!([gap]);
        snapshot["readers"] =
            json!([{"name": "Virtual PCD 00 00", "card": true}, {"name": "Another", "card": true}]);
        let file = folder.path().join("snapshot.json");
        std::fs::write(&file, snapshot.to_string()).unwrap();
        let said = stalecard(&[
            "check",
            "--format",
            "json",
            "--serial",
            SERIAL,
            "--snapshot",
            file.to_str().unwrap(),
        ]);
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        let is_it = |told: &&Value| told["why"] == "made for this test";
        said["coverage"].as_array().unwrap().iter().find(is_it).map(|told| told["reader"].clone())
    };
    let gap = |what: &str, reader: Option<&str>| {
        let mut gap = json!({"what": what, "why": "made for this test", "asked_for": true, "kind": "card"});
        if let Some(reader) = reader {
            gap["reader"] = json!(reader);
        }
        gap
    };
    let (own, other) = ("Virtual PCD 00 00", "Another");
    assert_eq!(left(gap("its PIN", Some(own))), Some(json!(own)));
    assert_eq!(left(gap("its PIN", Some(other))), None);
    // A sentence is no evidence where the reader is told.
    assert_eq!(left(gap("card in reader Another", Some(own))), Some(json!(own)));
    // Older versions told it in the sentence alone.
    assert_eq!(left(gap("file CE01 of the card in reader Virtual PCD 00 00", None)), Some(Value::Null));
    assert_eq!(left(gap("card in reader Another", None)), None);
    for open in ["reader Another: its PIN", "reader Virtual PCD 00 00: its PIN", "reader Unplugged", "cards"]
    {
        assert_eq!(left(gap(open, None)), Some(Value::Null), "{open}");
    }
}
