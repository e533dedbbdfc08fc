//! The screen of `compare` on many hosts: counts, and the first dozen of those that need somebody.

use std::fmt::Write;

use super::lines::{BOLD, Page, wrap};
use crate::judge::brief::names;
use crate::listing::fleet::{Fleet, RiskyUser, Share, StaleUser};
use crate::text::count;

/// Who is told one by one.
const DOZEN: usize = 12;
/// Versions and settings that are told.
const MOST_SHARES: usize = 4;
/// Where the others are.
const ALL: &str = "--format json, or stalecard report";

/// The fleet.
pub(super) fn fleet(out: &mut Page<'_>, fleet: &Fleet) {
    let of = count(fleet.hosts, "host", "hosts");
    let users = |number| count(number, "user", "users");
    let _ = writeln!(out, "{BOLD}Stale: {} of {of}{BOLD:#}", users(fleet.stale.len()));
    for user in fleet.stale.iter().take(DOZEN) {
        stale(out, user);
    }
    more(out, fleet.stale.len(), DOZEN);
    let room = DOZEN.saturating_sub(fleet.stale.len());
    if !fleet.undecided.is_empty() {
        let _ = writeln!(out, "{BOLD}Undecided: {}{BOLD:#}", users(fleet.undecided.len()));
        out.push_str("  no file tells whether the cache or the card is right\n");
        let name = |user: &StaleUser| format!("{} on {}", user.user, user.host);
        if room == 0 {
            let all: Vec<String> = fleet.undecided.iter().map(name).collect();
            wrap(out, "  ", "    ", &names(&all));
        } else {
            for user in fleet.undecided.iter().take(room) {
                let since = out.screen.moment(user.written);
                let text = format!("{}: {}, cached since {since}", name(user), tokens(user));
                wrap(out, "  ", "    ", &text);
            }
            more(out, fleet.undecided.len(), room);
        }
    }
    let room = room.saturating_sub(fleet.undecided.len());
    if !fleet.next.is_empty() {
        let number = users(fleet.next.len());
        let _ = writeln!(out, "{BOLD}Stale after the next change of the card: {number}{BOLD:#}");
        out.push_str("  caching is on, and the card never signals a change\n");
        let name = |user: &RiskyUser| format!("{} on {}", user.user, user.host);
        if room == 0 {
            let all: Vec<String> = fleet.next.iter().map(name).collect();
            wrap(out, "  ", "    ", &names(&all));
        } else {
            for user in fleet.next.iter().take(room) {
                wrap(out, "  ", "    ", &format!("{}: {}", name(user), names(&user.tokens)));
            }
            more(out, fleet.next.len(), room);
        }
    }
    shares(out, "OpenSC", &fleet.opensc);
    shares(out, "Caching", &fleet.caching);
    if fleet.older > 0 {
        let older = count(fleet.older, "older snapshot", "older snapshots");
        wrap(out, "", "  ", &format!("{older} of the same users: the newest says how OpenSC is set."));
    }
}

fn stale(out: &mut Page<'_>, user: &StaleUser) {
    let since = out.screen.moment(user.written);
    let text = format!("{} on {} since {since}: {}", user.user, user.host, tokens(user));
    wrap(out, "  ", "    ", &text);
}

fn tokens(user: &StaleUser) -> String {
    names(&user.tokens.iter().cloned().collect::<Vec<_>>())
}

fn more(out: &mut Page<'_>, all: usize, shown: usize) {
    if let Some(more) = all.checked_sub(shown).filter(|more| *more > 0) {
        wrap(out, "  ", "    ", &format!("and {more} more: {ALL}"));
    }
}

/// What is about, on how many hosts.
fn shares(out: &mut Page<'_>, name: &str, shares: &[Share]) {
    if shares.is_empty() {
        return;
    }
    let of = |share: &Share| format!("{} on {}", share.what, count(share.hosts, "host", "hosts"));
    let mut told: Vec<String> = shares.iter().take(MOST_SHARES).map(of).collect();
    if let Some(more) = shares.len().checked_sub(MOST_SHARES).filter(|more| *more > 0) {
        told.push(count(more, "other", "others"));
    }
    wrap(out, &format!("{name}: "), "  ", &told.join("; "));
}
