//! Cards that lie, again and again: answers without end, without anything, and never twice the same; lists
//! and files of nonsense. What is said of them is true or that nothing could be read, and it is said soon.

use std::time::Duration;

use crate::stand::{Host, PIN, SO_PIN, Stand};
use crate::support::*;

/// The longest anybody has to wait for the end.
const LIMIT: Duration = Duration::from_secs(10);
/// What is said of a card only when it was read and agrees, with OK as with RISK.
const HEALTHY: &str = "what is on the card:";

/// A card with one key, known to the cache.
fn scene() -> (Stand, Host) {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host.keypairgen("EC:prime256v1", &[]);
    host.pkcs15_list();
    let said = human(&host, &["check"]).ok();
    let words = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(HEALTHY), "these are the words: {said}");
    (stand, host)
}

/// `check` with these lies, for people and for scripts: its exit code, and what it said without line breaks.
fn check(stand: &Stand, host: &Host, lies: &[String]) -> (i32, String) {
    for lie in lies {
        stand.card().fault(&format!("lie {lie}"));
    }
    stand.card().reset_stats();
    let said = human(host, &["check"]);
    let (apdus, what) = (stand.card().stats().apdus, lies.concat());
    println!("{:.60}: exit code {}, {apdus} APDUs, {:?}", what, said.code(), said.duration);
    assert!(said.duration < LIMIT && !said.timed_out, "{said}");
    let (code, _) = json(host, &["check"]);
    assert_eq!(code, said.code(), "{said}");
    stand.card().fault("none");
    let stats = stand.card().stats();
    assert_eq!((stats.writes, stats.verify, stats.verify_wrong), (0, 0, 0), "{what}");
    (said.code(), said.stdout.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn answers_that_never_end_or_never_stay_the_same_are_given_up() {
    let (stand, host) = scene();
    let before = host.cache_files();
    for (lies, expected) in [
        (&["any more"][..], "an answer without end (61xx)"),
        (&["b1 more", "c0 more"], "an answer without end (61xx)"),
        (&["58 more", "c0 more"], "an answer without end (61xx)"),
        (&["b1 more", "c0 nothing"], ""),
        (&["any length"], "selecting that gives 6C"),
        (&["b1 length"], "not the same when it was read again"),
        (&["58 length"], "6C"),
        (&["any nothing"], ""),
        (&["b1 nothing"], "2F02"),
        (&["any answer 41"], ""),
        (&["b1 changing"], "not the same when it was read again"),
        (&["58 changing"], "its key list is not the one the scan began with"),
        (&["b1 answer 3084ffffffff"], "2F02"),
        (&["b1 answer 7f218400ffffff"], "2F02"),
    ] {
        let lies: Vec<String> = lies.iter().map(|&lie| lie.to_owned()).collect();
        let (code, said) = check(&stand, &host, &lies);
        assert_eq!(code, 3, "{lies:?}: {said}");
        assert!(said.contains(expected) && !said.contains(HEALTHY), "{lies:?}: {said}");
    }
    assert_eq!(host.cache_files(), before);
    human(&host, &["check"]).ok();
}

/// Files that have no end: as many bytes as are asked for, for every offset.
#[test]
fn files_without_end_are_cut() {
    let (stand, host) = scene();
    for byte in ["30", "67", "ff", "00"] {
        let piece = byte.repeat(256);
        let (code, said) = check(&stand, &host, &[format!("b1 answer {piece}")]);
        assert!(code == 3 && !said.contains(HEALTHY), "{byte}: {said}");
    }
    human(&host, &["check"]).ok();
}

/// The most that OpenSC looks at: 507 entries, of files that are not there, are no files, or are
/// the same again, with honest and with endless content.
#[test]
fn key_lists_of_nonsense_are_walked_to_their_end() {
    let (stand, host) = scene();
    let list =
        |entry: &dyn Fn(u16) -> u16| -> String { (0..507).map(|n| format!("{:04x}", entry(n))).collect() };
    let lists = [
        list(&|n| 0xCC00 + n % 256),
        list(&|n| 0xC800 + n),
        list(&|n| n.wrapping_mul(40_503)),
        list(&|_| 0xCC01),
        list(&|_| 0xFFFF),
        list(&|n| 0xCC00 + n % 256) + "cc",
    ];
    for list in &lists {
        // The command whose answer may be that long is asked in extended form.
        let (_, said) = check(&stand, &host, &[format!("58 answer {list}")]);
        // A list of descriptions that the card does not have afterwards names nothing that anybody could miss: then the
        // leftovers in the cache are all there is to say, which is no all-clear.
        assert!(!said.contains("OK OpenSC shows") || list.starts_with("cc01cc01"), "{list}: {said}");
        for content in ["b1 answer 30", "b1 nothing", "b1 answer 3003020105"] {
            let (code, said) = check(&stand, &host, &[format!("58 answer {list}"), content.to_owned()]);
            assert!(code == 3 && !said.contains(HEALTHY), "{said}");
        }
        let endless = format!("b1 answer {}", "41".repeat(256));
        let (code, _) = check(&stand, &host, &[format!("58 answer {list}"), endless]);
        assert_eq!(code, 3);
    }
    human(&host, &["check"]).ok();
}

/// Labels as long as a file can be, of bytes that would act on a terminal.
#[test]
fn labels_of_64_kib_are_shown_shortened_and_tame() {
    let (stand, host) = scene();
    let label: Vec<u8> = b"\x1b]0;owned\x07\x1b[2J\r\n\xc2\x9b31m\xe2\x80\xae".repeat(2700);
    let label = &label[..64_000];
    let info = [tlv(&[2], &[0]), tlv(&[4], b"x"), tlv(&[0x0C], label), tlv(&[0x80], label)].concat();
    for (fid, content) in [(0x2F03, tlv(&[0x30], &info[..65_000])), (0xC401, description(label, b"\x01"))] {
        stand.card().tamper(fid, Some(&content));
        for arguments in [&["check"][..], &["show"], &["ls"]] {
            let said = human(&host, arguments);
            assert!(said.duration < LIMIT && said.stdout.len() < 20_000, "{}", said.stdout.len());
            json(&host, arguments);
        }
    }
    let (code, said) = check(&stand, &host, &[]);
    assert!(code != 0 && !said.contains(HEALTHY), "{said}");
}

/// A request whose key lies on no curve that there is: nothing is computed with it.
#[test]
fn requests_with_absurd_domain_parameters_are_read_in_no_time() {
    let (stand, host) = scene();
    let point = [&[4][..], &[7; 64]].concat();
    let long = vec![0xFF; 8_000];
    for (prime, a, order) in [
        (&[][..], &[][..], &[][..]),
        (&[0], &[0], &[0]),
        (&[1], &[1], &[1]),
        (&[0xFF; 32], &[0; 32], &[0; 32]),
        (&long, &[1], &long),
        (&[2; 1024], &long, &[0xFF; 1024]),
    ] {
        for point in [&point[..], &[], &[0], &long] {
            let oid = [4, 0, 0x7F, 0, 7, 2, 2, 2, 2, 3];
            let fields = [
                (0x81, prime),
                (0x82, a),
                (0x83, a),
                (0x84, point),
                (0x85, order),
                (0x86, point),
                (0x87, &[1]),
            ];
            let key: Vec<u8> = fields.iter().flat_map(|(tag, value)| tlv(&[*tag], value)).collect();
            let key = tlv(&[0x7F, 0x49], &[tlv(&[6], &oid), key].concat());
            let body =
                [tlv(&[0x5F, 0x29], &[0]), tlv(&[0x42], b"DECA00001"), key, tlv(&[0x5F, 0x20], b"X00001")];
            let request = [tlv(&[0x7F, 0x4E], &body.concat()), tlv(&[0x5F, 0x37], &[1; 64])].concat();
            let request = tlv(&[0x67], &[tlv(&[0x7F, 0x21], &request), tlv(&[0x42], b"X00001")].concat());
            stand.card().tamper(0xCE01, Some(&request));
            let (code, said) = check(&stand, &host, &[]);
            assert!(matches!(code, 1 | 3) && !said.contains(HEALTHY), "{said}");
            human(&host, &["show"]);
        }
    }
}
