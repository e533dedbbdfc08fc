//! Random histories of cards of files: certificates renewed, longer and shorter, more of them and fewer, two cards with one
//! serial number. An error is told exactly where what the real tool shows is wrong now, or within eight readings; and after a
//! flush it is right for as many.
//!
//! `STALECARD_ASKED_COUNT`: how many of each kind.

use super::*;
use crate::random::Random;

/// Lists that are looked at for what comes later.
const READINGS: usize = 8;

/// Is what the tool shows wrong now, or will it be? The host's own cache is left alone.
fn goes_wrong(host: &Host, card: &FileCard) -> bool {
    let copy = host.with_cache_copy();
    (0..READINGS).any(|_| shown(&copy.pkcs15_list()) != real(card))
}

fn one(kind: Kind, seed: u64) -> (bool, bool) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9) ^ 0xA5CE_D000 ^ kind as u64);
    let (stand, mut card) = Stand::with_file_card(kind, &["one", "two"]);
    let host = host(&stand);
    let by_default = stand::opensc_version() >= Version::of(24) && random.below(2) == 0;
    host.configure(if by_default {
        ""
    } else {
        "app default { framework pkcs15 { use_file_caching = public; } }"
    });
    let mut history = vec![format!("{kind:?}, by default {by_default}")];
    for step in 0..6 {
        match random.below(8) {
            0 | 1 => {
                host.pkcs15_list();
                history.push("listed".to_owned());
            }
            2 | 3 => {
                let (nth, longer_by) = (random.below(card.len()), [0, 40, -40, 400][random.below(4)]);
                card.renew(nth, longer_by);
                history.push(format!("renewed {nth} by {longer_by}"));
            }
            4 => {
                card.renew_all(0);
                history.push("renewed all".to_owned());
            }
            5 => history.push(format!("added {}", card.add(&format!("new {step}")))),
            6 if card.len() > 1 => {
                let nth = random.below(card.len());
                history.push(format!("removed {nth}: {}", card.remove(nth)));
            }
            _ => {
                host.pkcs11_list();
                history.push("listed by the module".to_owned());
            }
        }
    }
    let before = host.cache_files();
    let wrong = goes_wrong(&host, &card);
    let (output, report) = check(&host, &[]);
    let told = convicted(&report);
    assert_eq!(host.cache_files(), before);
    assert_eq!(!told.is_empty(), wrong, "seed {seed}: {history:?}\n{told:?}\n{:?}\n{output}", gaps(&report));
    ours(&host, &["flush"]).ok();
    let kept = host.cache_files();
    // What went was named by what was found, and is not what the card holds.
    let gone: Vec<&String> = before.keys().filter(|name| !kept.contains_key(*name)).collect();
    assert_eq!(
        gone.is_empty(),
        report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["evidence"].as_array().unwrap().is_empty()),
        "seed {seed}: {history:?} {gone:?}\n{output}"
    );
    assert!(
        !goes_wrong(&host, &card),
        "seed {seed}: {history:?}\nafter the flush of {gone:?}: {:?}",
        kept.keys()
    );
    assert_eq!(left_behind(&stand), Vec::<String>::new());
    (wrong, told.contains_key("ripening-entry"))
}

#[test]
fn errors_are_told_exactly_where_the_real_tool_shows_something_wrong() {
    let count = std::env::var("STALECARD_ASKED_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(1);
    let (mut all, mut wrong, mut ripening) = (0, 0, 0);
    for kind in kinds() {
        for seed in 0..count {
            let (is_wrong, is_ripening) = one(kind, seed);
            all += 1;
            wrong += usize::from(is_wrong);
            ripening += usize::from(is_ripening);
        }
    }
    println!("asked: OpenSC {}: histories={all} wrong={wrong} ripening={ripening}", stand::opensc_version());
    assert!(wrong > 0 && wrong < all);
}
