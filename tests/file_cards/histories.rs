//! Random histories: which cached files are to blame is known by experiment, and it is those that differ from what OpenSC
//! would cache of the card today, but for several copies of just that.
//!
//! One of each kind in the ordinary run, fifty with `STALECARD_LONG=1`, or as many as `STALECARD_FIDELITY_COUNT` says.

use crate::file_histories::{History, World};
use crate::kinds;
use crate::stand::{Kind, opensc_version};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const PUBLIC: &str = "app default { framework pkcs15 { use_file_caching = public; } }\n";
/// Histories that are played side by side.
const AT_ONCE: usize = 4;

#[derive(Default)]
struct Tally {
    histories: AtomicUsize,
    stale: AtomicUsize,
    innocent: AtomicUsize,
}

/// How many of each kind.
fn count() -> u64 {
    let given = std::env::var("STALECARD_FIDELITY_COUNT").ok().map(|text| text.parse().unwrap());
    let long = std::env::var_os("STALECARD_LONG").is_some_and(|value| value != "0");
    given.unwrap_or(if long { 50 } else { 1 })
}

#[test]
fn what_differs_from_today_s_files_makes_a_view_wrong_and_nothing_else_does() {
    let all: Vec<(Kind, u64)> = kinds().flat_map(|kind| (0..count()).map(move |seed| (kind, seed))).collect();
    let (next, tally) = (AtomicUsize::new(0), Tally::default());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((kind, seed)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    compare(*kind, *seed, &tally);
                }
            });
        }
    });
    let [histories, stale, innocent] =
        [tally.histories, tally.stale, tally.innocent].map(AtomicUsize::into_inner);
    let (version, kinds) = (opensc_version(), kinds().count());
    println!(
        "cards of files: OpenSC {version}: kinds={kinds} histories={histories} stale={stale} innocent={innocent}"
    );
    assert!(histories == all.len() && stale > 0, "{histories} of {} histories, {stale} stale", all.len());
}

fn compare(kind: Kind, seed: u64, tally: &Tally) {
    let history = History::random(kind, seed);
    let mut world = World::start(&history, PUBLIC);
    for event in &history.events {
        world.play(*event);
    }
    let (guilty, fresh) = (world.guilty(), world.fresh());
    for (name, content) in world.host.cache_files() {
        let differs = fresh.get(&name).is_some_and(|today| *today != content);
        match (guilty.contains(&name), differs) {
            (true, true) => _ = tally.stale.fetch_add(1, Ordering::Relaxed),
            (true, false) => panic!("{name} makes a view wrong and is as today"),
            (false, true) => {
                // As a CAC's grow that was not renewed.
                let mut copies = content.chunks(fresh[&name].len());
                assert!(copies.all(|copy| copy == fresh[&name]), "{name} differs and makes no view wrong");
                tally.innocent.fetch_add(1, Ordering::Relaxed);
            }
            (false, false) => {}
        }
    }
    tally.histories.fetch_add(1, Ordering::Relaxed);
}
