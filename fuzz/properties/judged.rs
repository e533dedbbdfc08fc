//! What holds for everything that is said of foreign bytes: no panic, no running on without end, and
//! nothing that acts on a terminal.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use stalecard::format::key::PublicKey;
use stalecard::host::clock::Zone;
use stalecard::judge::brief::{brief, lead};
use stalecard::judge::steps::cures;
use stalecard::judge::{Tally, judge_processes, tokens};
use stalecard::listing::cache_entries::inventory;
use stalecard::listing::objects::show;
use stalecard::observe::{each_in, parse_snapshot};
use stalecard::repair::flush::{Scope, flush_plan};
use stalecard::report::human;
use stalecard::report::lines::{Detail, Page, Screen};
use stalecard::snapshot::{CacheDir, Snapshot};
use stalecard::text::acts;
use stalecard::verdict::Verdict;
use stalecard::verdict::brief::{Brief, Purpose, Word};

/// Text for people may hold no character that acts, except for the ends of its lines and the
/// colours that we put there.
pub fn harmless(text: &str) {
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\x1b[") {
        assert_plain(before);
        let colour = behind.find(|c: char| !c.is_ascii_digit() && c != ';').expect("the end of a colour");
        assert!(behind[colour..].starts_with('m'), "{text:?}");
        rest = &behind[colour + 1..];
    }
    assert_plain(rest);
}

fn assert_plain(text: &str) {
    assert!(!text.chars().any(|c| acts(c) && c != '\n'), "{text:?}");
}

/// On which all is told.
pub fn screen() -> Screen {
    Screen {
        width: 80,
        is_ascii: false,
        detail: Detail::All,
        now: 1_800_000_000,
        zone: Zone::utc(),
        elsewhere: None,
        by_sudo: false,
        users: BTreeMap::new(),
    }
}

/// Everything that is said of a snapshot, and planned, for each of its users.
pub fn judged(snapshot: &Snapshot) {
    let mut host = snapshot.clone();
    let mut tally = Tally::new(None);
    let screen = screen();
    let mut text = Page::new(&screen);
    let each = &mut |snapshot: &mut Snapshot| {
        let verdict = tally.judge(snapshot);
        for item in inventory(snapshot, &verdict) {
            human::item(&mut text, &item);
        }
        for scope in [Scope::Stale, Scope::All, Scope::Serial("DENK0200834")] {
            for step in flush_plan(snapshot, &verdict, scope, snapshot.user.uid).steps {
                // Nothing that is not in a cache directory is ever taken.
                let known = |dir: &CacheDir| dir.entries.iter().any(|entry| *entry.name == step.name);
                assert!(snapshot.caches.iter().any(known));
                assert!(!step.name.0.contains(&b'/') && !step.name.0.is_empty());
            }
        }
        tally.add(snapshot, verdict);
        Ok(())
    };
    each_in(&mut host, each).unwrap();
    let (mut verdict, caches) = tally.verdict();
    judge_processes(&host, &mut verdict);
    let objects: Vec<_> = show(&tokens(snapshot)).into_iter().map(|listed| listed.sides).collect();
    human::sides(&mut text, &objects);
    let told = brief(&verdict);
    leads_to_one_act(&verdict, &told);
    text.push_str(&human::check(&screen, &verdict, &told, &caches));
    harmless(&text.text());
}

/// Whoever reads only the first line and the last does what belongs together: where nothing could be looked at, that is the
/// next thing to do; where the sentence is about something that can be cured, its cure is.
pub fn leads_to_one_act(verdict: &Verdict, told: &Brief) {
    let next = told.next();
    if told.headline.state == Word::Unread {
        assert_eq!(next.map(|step| step.purpose), Some(Purpose::Look), "{told:?}");
        return;
    }
    let Some(lead) = lead(verdict, &told.causes) else { return };
    let cures = cures(verdict, lead);
    let fits = next.as_ref().is_some_and(|next| cures.iter().any(|cure| cure.call() == next.call()));
    assert!(cures.is_empty() || fits, "{next:?} after {:?}", told.headline);
}

pub fn five_keys() -> Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    let parse = || parse_snapshot(include_str!("../../fixtures/snapshots/five-keys.json")).unwrap();
    SNAPSHOT.get_or_init(parse).clone()
}

/// Takes a piece off the front: a length in one byte, then so many bytes.
pub fn piece<'a>(data: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&length, rest) = data.split_first()?;
    let (piece, rest) = rest.split_at_checked(length.into()).unwrap_or((rest, &[]));
    *data = rest;
    Some(piece)
}

/// What is said of a public key.
pub fn key(key: &PublicKey) {
    harmless(&key.describe());
    let _ = (key.spki(), key.fingerprint(), key.intrinsic_id(), key.bits());
}
