//! Random histories of a card and two hosts: after each, the OpenSC view must equal what the real
//! tools print from a copy of the cache, the live view what they print without one, and a finding of
//! at least `error` must name a program exactly when what that program shows is not the card's.
//!
//! And random histories of foreign certificates, requests, imports and keys that are made anew: after any repair what
//! signed and verified before still does, and what did not either does or is not called cured ([`repaired`]).
//!
//! A few histories of each family in the ordinary run, two hundred with `STALECARD_LONG=1`, as many as
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

mod authority;
mod compare;
mod damage;
mod history;
mod many;
mod native;
mod openpgp;
mod piv;
mod play;
mod printed;
#[path = "../support/random.rs"]
mod random;
mod repaired;
mod run;
mod shown;
mod stage;
#[path = "../stand/mod.rs"]
mod stand;
use stand::listing;
#[path = "../support/native_listing.rs"]
mod native_listing;

#[test]
fn views_and_findings_are_what_the_real_tools_show() {
    run::all::<play::World>(6);
}

#[test]
fn views_and_findings_of_a_native_card_are_what_the_real_tools_show() {
    run::all::<native::World<native::MyEid>>(5);
}

#[test]
fn views_and_findings_of_a_card_with_the_isoapplet_are_what_the_real_tools_show() {
    run::all::<native::World<native::IsoApplet>>(4);
}

#[test]
fn views_and_findings_of_a_piv_card_are_what_the_real_tools_show() {
    run::all::<piv::World>(5);
}

#[test]
fn views_and_findings_of_an_openpgp_card_are_what_the_real_tools_show() {
    run::all::<openpgp::World>(5);
}

#[test]
fn no_repair_makes_a_working_host_worse() {
    run::repairs::<play::World>(3);
}

#[test]
fn no_repair_makes_a_host_with_a_native_card_worse() {
    run::repairs::<native::World<native::MyEid>>(2);
}

#[test]
fn no_repair_makes_a_host_with_a_piv_card_worse() {
    run::repairs::<piv::World>(2);
}

/// Two hosts of which neither saw the other's key: one key is listed nowhere, and its old description shows it.
#[test]
fn the_public_key_of_a_key_in_doubt_is_not_called_cured() {
    use native::Action::{Common, Generate};
    let actions = vec![
        Generate { host: 0, kind: 3, id: 69 },
        Common(stage::Event::List { host: 1, module: false }),
        Generate { host: 0, kind: 0, id: 70 },
        Common(stage::Event::Repair { host: 1, guarded: false }),
    ];
    let history = history::History { seed: 38, nature: 0, actions };
    run::known::<native::World<native::MyEid>>("doubt", history);
}
