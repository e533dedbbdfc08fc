//! What a verdict covers: whose caches, and which programs; and what nobody asked for, with the command that does.

use std::collections::BTreeSet;

use crate::case::tokens::Tokens;
use crate::opensc::config::Configuration;
use crate::opensc::{Program, Version, differences};
use crate::scconf::{Block, Body, Document};
use crate::snapshot::{CacheOrigin, Gap, GapKind, HomeState, OddHome, Snapshot, User, Whose};
use crate::text::{count, escape};
use crate::verdict::{NotAskedFor, Scope, user_name};

/// Names that are told one by one.
const MOST: usize = 8;

/// The scope of what is said about one user of a snapshot.
pub(super) fn scope(of: &Tokens<'_>) -> Scope {
    let snapshot = of.snapshot;
    // Whoever else was looked at is handed over as well, and adds his own.
    let users = vec![user_name(&snapshot.user)];
    let home = snapshot.home.as_ref().map(|home| odd(home, &snapshot.user));
    let named = snapshot.caches.iter().filter(|dir| dir.origin == CacheOrigin::Named);
    let directories = named.map(|dir| dir.path.to_string()).collect();
    let mut programs: Vec<String> = Vec::new();
    for program in &of.programs {
        if !programs.contains(&program.name) {
            programs.push(program.name.clone());
        }
    }
    let mut not_asked_for: Vec<NotAskedFor> = others(snapshot).into_iter().collect();
    not_asked_for.extend_from_slice(&of.unjudged);
    Scope { users, directories, home, programs, not_asked_for, is_recorded: false }
}

/// What is odd about a home, and what was done about it.
fn odd(home: &OddHome, user: &User) -> String {
    let said = home.said.as_ref().map(|said| format!(" {said}")).unwrap_or_default();
    let what = match (home.state, &home.owner) {
        (HomeState::Unset, _) => "HOME is not set".to_owned(),
        (HomeState::Missing, _) => format!("HOME{said} does not exist"),
        (HomeState::Foreign, owner) => {
            let owner = owner.as_ref().map_or_else(|| "another user".to_owned(), user_name);
            format!("HOME{said} is the home of {owner}")
        }
    };
    match &home.taken {
        None if home.said.is_none() && home.owner.is_some() => {
            let owner = home.owner.as_ref().map(user_name).unwrap_or_default();
            let path = user.env.get("HOME").map(ToString::to_string).unwrap_or_default();
            format!("The home of {}, {path}, is that of {owner}", user_name(user))
        }
        Some(taken) => format!("{what}, {taken} was looked at as that of {}", user_name(user)),
        None => format!("{what}, and the user database knows none"),
    }
}

/// The caches that were not looked at.
fn others(snapshot: &Snapshot) -> Option<NotAskedFor> {
    let what = match snapshot.whose {
        Whose::All => return None,
        Whose::Caller | Whose::User => "other users",
        Whose::Directories => "other directories",
    };
    let sudo = if snapshot.user.uid == 0 { "" } else { "sudo " };
    let option = "--all-users";
    let command = Some(format!("{sudo}stalecard check {option}"));
    Some(NotAskedFor { what: what.to_owned(), command, option: Some(option) })
}

/// Programs that cache by settings of their own and were not judged, because there are so many of them.
pub(super) fn left(left: usize) -> Option<Gap> {
    (left > 0).then(|| {
        Gap::new(
            GapKind::OpenSc,
            true,
            count(
                left,
                "further program with a cache of its own",
                "further programs with caches of their own",
            ),
            "more have a block of their own in opensc.conf than are judged; stalecard config show lists them"
                .to_owned(),
        )
    })
}

/// Programs whose view is not judged, although they are known to have another OpenSC or settings of their own.
pub(super) fn unjudged(
    snapshot: &Snapshot,
    configuration: &Configuration<'_>,
    programs: &[Program],
) -> Vec<NotAskedFor> {
    let mut unjudged = Vec::new();
    for other in snapshot.opensc.iter().skip(1).take(MOST) {
        let version =
            other.version.as_ref().map(|version| format!(" (OpenSC {})", escape(version.as_bytes())));
        let what = format!("programs that load {}{}", other.library, version.unwrap_or_default());
        unjudged.push(NotAskedFor { what, command: None, option: None });
    }
    let version: Option<Version> =
        snapshot.opensc.first().and_then(|own| own.version.as_deref()?.parse().ok());
    let parsed = configuration.parsed(version.unwrap_or(differences::HEAD));
    let document = parsed.and_then(|parsed| parsed.as_ref().ok());
    let blocks = document.map(Document::root).into_iter().flat_map(Body::all_blocks);
    let names: BTreeSet<&[u8]> = blocks.filter(|block| block.key.is("app")).map(Block::name).collect();
    let is_judged = |name: &[u8]| {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        is(b"default")
            || programs.iter().any(|program| {
                is(program.label.as_bytes()) || program.exe.as_ref().is_some_and(|exe| exe.0 == name)
            })
    };
    let own: Vec<String> =
        names.into_iter().filter(|name| !name.is_empty() && !is_judged(name)).map(escape).collect();
    if !own.is_empty() {
        let more = match own.len().checked_sub(MOST) {
            Some(more @ 1..) => format!(" and {}", count(more, "other", "others")),
            _ => String::new(),
        };
        let some = own.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
        let what = format!("programs with a block of their own in opensc.conf: {some}{more}");
        unjudged.push(NotAskedFor { what, command: Some("stalecard config show".to_owned()), option: None });
    }
    unjudged
}
