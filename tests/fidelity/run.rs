//! Plays many histories side by side, and makes the first that fails shorter as long as it still fails.

use crate::compare::Tally;
use crate::history::History;
use crate::stand::opensc_version;
use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Histories side by side, each on a stand of its own.
pub const STANDS: usize = 2;

/// Histories of a family in a long run.
const LONG: u64 = 200;

/// A family of cards and what can happen to them.
pub trait World {
    type Action: Clone + Debug;

    /// The family's name in the table of `tests/matrix`.
    const FAMILY: &str;

    /// In which reader, counted from 0, the card is: of histories with even seeds, and of those with odd ones.
    const SEATS: [u32; STANDS];

    /// A stand with everything that can be prepared, its card in this reader.
    fn new(name: &str, seat: u32) -> Self;

    fn random(seed: u64) -> History<Self::Action>;

    /// A history of keys, certificates and repairs.
    fn repaired(seed: u64) -> History<Self::Action> {
        Self::random(seed)
    }

    /// Plays a history from a clean card and clean hosts; the first disagreement ends it.
    fn play(&mut self, history: &History<Self::Action>) -> Result<(), String>;

    fn tally(self) -> Tally;
}

/// How many readers, with two slots each, there have to be: each costs every tool some time.
pub const fn readers(seat: u32) -> u32 {
    seat / 2 + 1
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn seeds(usual: u64) -> Vec<u64> {
    if let Some(seed) = variable("STALECARD_FIDELITY_SEED") {
        return vec![seed];
    }
    let long = std::env::var_os("STALECARD_LONG").is_some_and(|value| value != "0");
    let count = variable("STALECARD_FIDELITY_COUNT").unwrap_or(if long { LONG } else { usual });
    let first = variable("STALECARD_FIDELITY_FIRST").unwrap_or(1);
    (first..first + count).collect()
}

/// Plays as many histories as are asked for, at least one of `usual` many.
pub fn all<W: World>(usual: u64) {
    play::<W>(usual, W::random, W::SEATS);
}

/// The same for histories of repairs.
pub fn repairs<W: World>(usual: u64) {
    play::<W>(usual, W::repaired, [0; STANDS]);
}

/// One history that failed once.
pub fn known<W: World>(name: &str, history: History<W::Action>) {
    let mut world = W::new(&format!("nature-{name}-"), 0);
    if let Err(why) = world.play(&history) {
        panic!("{}", report(&mut world, history, why, false));
    }
}

fn play<W: World>(usual: u64, random: fn(u64) -> History<W::Action>, seats: [u32; STANDS]) {
    let seeds = seeds(usual);
    let stop = AtomicBool::new(false);
    let failures: Mutex<Vec<Disagreement>> = Mutex::new(Vec::new());
    let tallies: Mutex<Vec<Tally>> = Mutex::new(Vec::new());
    let started = Instant::now();
    std::thread::scope(|scope| {
        for (number, seat) in seats.into_iter().enumerate() {
            // A seed tells the reader, too.
            let is_own = |seed: &u64| seed % STANDS as u64 == number as u64;
            let seeds: Vec<u64> = seeds.iter().copied().filter(is_own).collect();
            if seeds.is_empty() {
                continue;
            }
            let (stop, failures, tallies) = (&stop, &failures, &tallies);
            scope.spawn(move || {
                let mut world = W::new(&format!("nature-{number}-"), seat);
                for seed in seeds {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let history = random(seed);
                    if let Err(why) = world.play(&history) {
                        let all = std::env::var_os("STALECARD_FIDELITY_ALL").is_some();
                        stop.store(!all, Ordering::Relaxed);
                        failures.lock().unwrap().push(Disagreement::of(&why));
                        eprintln!("{}\n", report(&mut world, history, why, !all));
                    }
                }
                tallies.lock().unwrap().push(world.tally());
            });
        }
    });
    eprintln!(
        "{} histories in {:.1} s: {:#?}",
        seeds.len(),
        started.elapsed().as_secs_f64(),
        tallies.lock().unwrap()
    );
    let failures = failures.into_inner().unwrap();
    let agreed = |what| seeds.len() - failures.iter().filter(|failure| **failure == what).count();
    let tallies = tallies.into_inner().unwrap();
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    // One line for `tests/matrix`.
    println!(
        "compared: OpenSC {} family {}: histories={} live={} opensc={} findings={} looks={} undecided={}",
        opensc_version(),
        W::FAMILY,
        seeds.len(),
        agreed(Disagreement::Live),
        agreed(Disagreement::OpenSc),
        agreed(Disagreement::Findings),
        sum(|tally| tally.observations),
        sum(|tally| tally.unknown),
    );
    assert!(failures.is_empty(), "{} histories disagree", failures.len());
}

/// What the first disagreement of a history was about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disagreement {
    Live,
    OpenSc,
    Findings,
}

impl Disagreement {
    fn of(why: &str) -> Self {
        match kind(why) {
            Some(kind) if kind.starts_with("live view") => Self::Live,
            Some(kind) if kind.starts_with("OpenSC view") => Self::OpenSc,
            _ => Self::Findings,
        }
    }
}

/// The failure with the shortest history that still fails.
fn report<W: World>(world: &mut W, full: History<W::Action>, why: String, shorter: bool) -> String {
    let seed = full.seed;
    let (history, why) = if shorter { shrink(world, full, why) } else { (full, why) };
    let actions: String = history.actions.iter().map(|action| format!("  {action:?}\n")).collect();
    format!(
        "STALECARD_FIDELITY_SEED={seed}, card nature {}{}:\n{actions}{why}",
        history.nature,
        if shorter { ", shortest history that fails" } else { "" },
    )
}

/// What disagrees, without host, place and content: a shorter history has to fail in the same way.
fn kind(why: &str) -> Option<&str> {
    why.lines().next()?.split(": ").nth(2)
}

fn shrink<W: World>(
    world: &mut W,
    mut history: History<W::Action>,
    mut why: String,
) -> (History<W::Action>, String) {
    loop {
        let mut shorter = None;
        for left_out in (0..history.actions.len()).rev() {
            let mut candidate = history.clone();
            candidate.actions.remove(left_out);
            if let Err(reason) = world.play(&candidate)
                && kind(&reason) == kind(&why)
            {
                shorter = Some((candidate, reason));
                break;
            }
        }
        match shorter {
            Some((candidate, reason)) => (history, why) = (candidate, reason),
            None => return (history, why),
        }
    }
}
