//! Random histories of a card and two hosts: after each, the OpenSC view must equal what the real
//! tools print from a copy of the cache, the live view what they print without one, and a finding of
//! at least `error` must name a program exactly when what that program shows is not the card's.
//!
//! Twenty-four histories in the ordinary run, 240 with `STALECARD_LONG=1`, as many as
//! `STALECARD_FIDELITY_COUNT` says, or the one that `STALECARD_FIDELITY_SEED` names. The first that fails is made
//! shorter as long as it still fails, and printed with its seed; with `STALECARD_FIDELITY_ALL` all
//! are played to the end instead.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "tests"
)]

mod compare;
mod damage;
mod history;
mod many;
mod play;
mod printed;
#[path = "../support/random.rs"]
mod random;
#[path = "../stand/mod.rs"]
mod stand;

use compare::Tally;
use history::History;
use play::World;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// Histories side by side, each on a stand of its own.
const STANDS: usize = 2;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn seeds() -> Vec<u64> {
    if let Some(seed) = variable("STALECARD_FIDELITY_SEED") {
        return vec![seed];
    }
    let long = std::env::var_os("STALECARD_LONG").is_some_and(|value| value != "0");
    let count = variable("STALECARD_FIDELITY_COUNT").unwrap_or(if long { 240 } else { 24 });
    let first = variable("STALECARD_FIDELITY_FIRST").unwrap_or(1);
    (first..first + count).collect()
}

#[test]
fn views_and_findings_are_what_the_real_tools_show() {
    let seeds = seeds();
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failures: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let tallies: Mutex<Vec<Tally>> = Mutex::new(Vec::new());
    let started = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..STANDS.min(seeds.len()) {
            let (seeds, next, stop, failures, tallies) = (&seeds, &next, &stop, &failures, &tallies);
            scope.spawn(move || {
                let mut world = World::new(&format!("nature-{number}-"));
                while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let history = History::random(seed);
                    if let Err(why) = world.play(&history) {
                        let all = std::env::var_os("STALECARD_FIDELITY_ALL").is_some();
                        stop.store(!all, Ordering::Relaxed);
                        let report = report(&mut world, history, why, !all);
                        eprintln!("{report}\n");
                        failures.lock().unwrap().push(report);
                    }
                }
                tallies.lock().unwrap().push(world.tally);
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
    assert!(failures.is_empty(), "{} histories disagree", failures.len());
}

/// The failure with the shortest history that still fails.
fn report(world: &mut World, full: History, why: String, shorter: bool) -> String {
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

fn shrink(world: &mut World, mut history: History, mut why: String) -> (History, String) {
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
