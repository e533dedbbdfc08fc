//! No `undo` without `--force` makes entries alive that were not: not by switching caching on over what it brings
//! back in the same stroke, nor by bringing back what nobody read when it was taken. Nothing is read of a card
//! here, so every entry of a card counts as one that may be stale.

use std::fs;

use serde_json::Value;

use crate::command::{DISABLE, ENABLE, User};
use crate::files::OLD;
use crate::random::Random;

const ENTRY: &str = "DENK0200834_NODATE_E82B0601040181C31F0201_C401";
const FIX: [&str; 3] = ["fix", "--offline", "--guarded"];

impl User {
    fn entry(&self) -> std::path::PathBuf {
        self.path("cache/opensc").join(ENTRY)
    }

    fn is_on(&self) -> bool {
        self.text().contains("= yes") || self.text().contains("= public")
    }

    fn is_alive(&self) -> bool {
        self.is_on() && self.entry().exists()
    }

    fn refused(&self, operation: Option<&str>) -> String {
        let arguments: Vec<&str> = ["undo"].into_iter().chain(operation).collect();
        let (code, said) = self.json(&arguments);
        assert_eq!(
            (code, &said["undo"]["state"], &said["changed"]),
            (2, &"refused".into(), &Value::Bool(false)),
            "{said:#}"
        );
        let revived = said["revived"].to_string();
        assert!(revived.contains(ENTRY), "what would come back is named: {revived}");
        let (code, out, _) = self.stalecard(&arguments);
        assert_eq!(code, 2);
        assert!(out.contains(ENTRY) && out.contains("--force"), "{out}");
        out
    }
}

fn operation(document: &Value) -> String {
    let operations = document["operations"].as_array();
    let moved = operations.and_then(|all| all.iter().find_map(|one| one["operation"].as_str()));
    moved.or(document["edit"]["operation"].as_str()).unwrap().to_owned()
}

fn stale() -> User {
    let user = User::new(OLD);
    fs::write(user.entry(), b"old").unwrap();
    user
}

#[test]
fn undo_of_a_fix_that_moved_and_edited_does_not_switch_caching_on_over_what_it_brings_back() {
    let user = stale();
    let (code, fixed) = user.json(&FIX);
    assert!(code == 0 && !fixed["edit"].is_null(), "{fixed:#}");
    assert!(!user.entry().exists() && !user.is_on());
    user.refused(None);
    assert!(!user.entry().exists() && !user.is_on(), "nothing moved");
    let (code, said) = user.json(&["undo", "--force"]);
    assert_eq!((code, &said["undo"]["state"]), (0, &"undone".into()), "{said:#}");
    assert!(said["revived"].to_string().contains(ENTRY), "{said:#}");
    assert!(user.is_alive());
}

#[test]
fn undo_of_an_edit_sees_what_an_earlier_undo_brought_back() {
    let user = stale();
    let (_, flushed) = user.json(&["flush", "--all"]);
    let (_, disabled) = user.json(&DISABLE);
    // Caching is off: the entry may come back, and programs do not see it.
    assert_eq!(user.json(&["undo", &operation(&flushed)]).0, 0);
    assert!(user.entry().exists() && !user.is_alive());
    user.refused(Some(&operation(&disabled)));
    assert!(!user.is_alive());
}

#[test]
fn undo_of_a_flush_while_caching_was_off_is_refused_once_it_is_on() {
    let user = stale();
    let (_, disabled) = user.json(&DISABLE);
    let (_, flushed) = user.json(&["flush", "--all"]);
    assert_eq!(user.json(&["undo", &operation(&disabled)]).0, 0, "the cache is empty");
    assert!(user.is_on());
    user.refused(Some(&operation(&flushed)));
    assert!(!user.is_alive());
    assert_eq!(user.json(&["undo", "--force", &operation(&flushed)]).0, 0);
    assert!(user.is_alive());
}

#[test]
fn undo_of_a_flush_before_caching_was_switched_off_and_on_is_refused() {
    let user = stale();
    let (_, flushed) = user.json(&["flush", "--all"]);
    user.json(&DISABLE);
    let (code, said) = user.json(&ENABLE);
    assert_eq!(code, 0, "{said:#}");
    user.refused(Some(&operation(&flushed)));
}

/// Repeated calls walk back, over an edit, too: what was taken back is as if it had not been.
#[test]
fn undo_walks_back_over_an_edit_and_the_flush_before_it() {
    let user = stale();
    user.json(&["flush", "--all"]);
    user.json(&DISABLE);
    for _ in 0..2 {
        let (code, said) = user.json(&["undo"]);
        assert_eq!((code, &said["undo"]["state"]), (0, &"undone".into()), "{said:#}");
    }
    assert!(user.is_alive() && user.is_on());
}

/// What it takes back is what was there: as before.
#[test]
fn undo_of_a_flush_alone_brings_back_what_programs_saw() {
    let user = stale();
    user.json(&["flush", "--all"]);
    let (code, said) = user.json(&["undo"]);
    assert_eq!((code, said["revived"].as_array().map(Vec::len)), (0, Some(0)), "{said:#}");
    assert!(user.is_alive());
}

/// In any order, with any operation named.
#[test]
fn no_order_of_undos_brings_entries_to_life() {
    let sequences = if std::env::var_os("STALECARD_LONG").is_some() { 500 } else { 12 };
    let (mut undos, mut refusals, mut exempt) = (0, 0, 0);
    for seed in 0..sequences {
        let mut random = Random(seed);
        let user = stale();
        // Operation, and whether it was a flush of what programs read.
        let mut made: Vec<(String, bool)> = Vec::new();
        // The places of edits that were not taken back.
        let mut edits: Vec<usize> = Vec::new();
        let mut told = Vec::new();
        for _ in 0..8 {
            let (was_alive, was_on) = (user.is_alive(), user.is_on());
            let choice = random.below(8);
            match choice {
                0 | 1 => {
                    let (_, said) = user.json(&["flush", "--all"]);
                    if said["changed"] == true {
                        made.push((operation(&said), was_on));
                    }
                }
                2 | 3 => {
                    let (_, said) = user.json(if choice == 2 { &DISABLE } else { &ENABLE });
                    if let Some(id) = said["edit"]["operation"].as_str() {
                        edits.push(made.len());
                        made.push((id.to_owned(), false));
                    }
                    if choice == 3 {
                        assert!(was_alive || !user.is_alive(), "seed {seed}: {told:?}");
                    }
                }
                _ => {
                    let at = random.below(made.len() + 1);
                    let named = made.get(at).map(|(id, _)| id.clone());
                    let arguments: Vec<&str> = ["undo"].into_iter().chain(named.as_deref()).collect();
                    let (code, said) = user.json(&arguments);
                    undos += 1;
                    refusals += usize::from(said["undo"]["state"] == "refused");
                    assert!(code == 0 || code == 2, "seed {seed}: {said:#}");
                    let id = said["undo"]["operation"].as_str();
                    let at = id.and_then(|id| made.iter().position(|(made, _)| made == id));
                    if said["undo"]["state"] == "undone" {
                        edits.retain(|edit| Some(*edit) != at);
                    }
                    if !was_alive && user.is_alive() {
                        let at = at.unwrap();
                        // The one that takes back what it took from programs a moment ago.
                        let is_as_it_was = edits.iter().all(|edit| *edit < at);
                        assert!(made[at].1 && is_as_it_was, "seed {seed}: {told:?} {said:#}");
                        exempt += 1;
                    }
                }
            }
            told.push((choice, user.is_on(), user.entry().exists()));
        }
    }
    println!(
        "{sequences} sequences, {undos} undos, {refusals} refused, {exempt} took back a flush as it was"
    );
    assert!(refusals > 0 && exempt > 0);
}
