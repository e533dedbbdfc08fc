//! Random histories of cards of files: certificates renewed, longer and shorter, more of them and fewer, several in one file,
//! two cards with one serial number, entries that are gone. What is convicted is exactly what makes the real tool's view wrong now,
//! or within eight readings, by experiment; a flush takes exactly that, and the view is right for as many.
//!
//! `STALECARD_ASKED_COUNT`: how many of each kind. `STALECARD_ASKED_SEED`: the first of them. `STALECARD_ASKED_KIND`: of this
//! kind alone, as it is called here (`Tcos`).

use super::*;
use crate::file_histories::{History, World};
use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Histories that are played side by side: each waits for its reader most of the time.
const AT_ONCE: usize = 4;

pub fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|count| count.parse().ok()).unwrap_or(otherwise)
}

/// Whether something was wrong, and whether some of it only later.
fn one(kind: Kind, seed: u64) -> (bool, bool) {
    let history = History::random(kind, seed);
    let by_default = stand::opensc_version() >= Version::of(24) && seed.is_multiple_of(2);
    let text =
        if by_default { "" } else { "app default { framework pkcs15 { use_file_caching = public; } }" };
    let mut world = World::start(&history, text);
    world.host = host_of(&world);
    for event in &history.events {
        world.play(*event);
    }
    let before = world.host.cache_files();
    let guilty = world.guilty();
    let (output, report) = check(&world.host, &[]);
    let told = convicted(&report);
    let named: BTreeSet<String> = told.values().flatten().cloned().collect();
    assert_eq!(world.host.cache_files(), before, "{output}");
    assert_eq!(
        named,
        guilty,
        "seed {seed}, by default {by_default}: {told:?}\n{:?}\n{output}",
        gaps(&report)
    );
    assert_eq!(told.is_empty(), guilty.is_empty(), "{output}");
    ours(&world.host, &["flush"]).ok();
    let kept = world.host.cache_files();
    let gone: BTreeSet<String> = before.keys().filter(|name| !kept.contains_key(*name)).cloned().collect();
    let named: BTreeSet<String> = all_named(&report);
    assert!(guilty.is_subset(&gone) && gone.is_subset(&named), "{gone:?} went, of {guilty:?} and {named:?}");
    let live = world.live();
    assert_eq!(world.first_wrong_reading(&live, |_| true), None, "after the flush of {gone:?}");
    assert_eq!(left_behind(&world.stand), Vec::<String>::new());
    (!guilty.is_empty(), told.contains_key("ripening-entry"))
}

/// The entries that any finding names: dormant ones go, too.
fn all_named(report: &Value) -> BTreeSet<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let evidence = findings.flat_map(|finding| finding["evidence"].as_array().unwrap());
    let paths = evidence.filter_map(|one| one["file"]["path"].as_str());
    paths.map(|path| path.rsplit('/').next().unwrap().to_owned()).collect()
}

pub fn host_of(world: &World) -> Host {
    let runtime = runtime(&world.stand);
    std::fs::create_dir(&runtime).unwrap();
    std::fs::set_permissions(&runtime, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    world.host.clone().env("XDG_RUNTIME_DIR", runtime.to_str().unwrap())
}

#[test]
fn exactly_what_makes_the_real_tool_s_view_wrong_is_convicted() {
    let (count, first) = (number("STALECARD_ASKED_COUNT", 1), number("STALECARD_ASKED_SEED", 0));
    let only = std::env::var("STALECARD_ASKED_KIND").ok();
    let is_meant = |kind: &Kind| only.as_ref().is_none_or(|only| *only == format!("{kind:?}"));
    // The kinds in turn, so that a run that is ended has played as many of each.
    let kinds: Vec<Kind> = kinds().filter(is_meant).collect();
    let all: Vec<(Kind, u64)> =
        (first..first + count).flat_map(|seed| kinds.iter().map(move |&kind| (kind, seed))).collect();
    let tally = Mutex::new(Tally::default());
    side_by_side(&all, |&(kind, seed)| {
        let played = catch_unwind(|| one(kind, seed));
        tally.lock().unwrap().count(kind, seed, played.ok());
    });
    let Tally { histories, wrong, ripening, failed } = tally.into_inner().unwrap();
    println!(
        "asked: OpenSC {}: histories={histories} wrong={wrong} ripening={ripening}",
        stand::opensc_version()
    );
    assert!(failed.is_empty(), "{} of {histories}: {failed:?}", failed.len());
    assert!(wrong > 0 && (wrong < histories || only.is_some()));
}

/// Plays all of these, a few at once.
pub fn side_by_side<T: Sync>(all: &[T], play: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    play(one);
                }
            });
        }
    });
}

/// What came of the histories that were played; one that fails is counted, and the others go on.
#[derive(Default)]
struct Tally {
    histories: usize,
    wrong: usize,
    ripening: usize,
    failed: Vec<(Kind, u64)>,
}

impl Tally {
    fn count(&mut self, kind: Kind, seed: u64, played: Option<(bool, bool)>) {
        self.histories += 1;
        let (is_wrong, is_ripening) = played.unwrap_or_default();
        self.wrong += usize::from(is_wrong);
        self.ripening += usize::from(is_ripening);
        if played.is_none() {
            self.failed.push((kind, seed));
        }
        let Self { histories, wrong, ripening, failed } = self;
        let failed = failed.len();
        println!("{kind:?} {seed}: {histories} played, wrong={wrong} ripening={ripening} failed={failed}");
    }
}
