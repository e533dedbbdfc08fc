//! `config enable-cache`: on, but not on top of entries that are stale.

use clap::ValueEnum;

use super::edit::{self, Guard};
use crate::error::{Error, Exit};
use crate::observe::{Cards, Wish, observe};
use crate::opensc::Recognised;
use crate::opensc::cache_name::{self, Serial};
use crate::opensc::config::{Situation, Source};
use crate::repair::config::Goal;
use crate::repair::flush::FLUSHED;
use crate::report::edited::Revived;
use crate::rules::judge;
use crate::snapshot::{Bytes, ConfigFile, ConfigState, Snapshot};
use crate::view::layout;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    edit: edit::EditArgs,
    /// What to cache
    #[arg(long, value_enum, default_value_t)]
    value: Value,
    /// Even if stale entries come back to life
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Value {
    /// Everything but objects flagged private (OpenSC 0.23 and later)
    #[default]
    Public,
    /// Private objects too: they are kept unprotected
    Yes,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let goal = match args.value {
        Value::Public => Goal::Public,
        Value::Yes => Goal::Yes,
    };
    edit::run(&args.edit, goal, "config enable-cache", &Guard::Stale { force: args.force, revived: &revived })
}

/// The cache entries that programs would show again under the new text although they are stale, or
/// although nobody can tell because their card was not read.
fn revived(snapshot: &Snapshot, new: &[u8]) -> Result<Vec<Revived>, Error> {
    let has_entries = snapshot
        .caches
        .iter()
        .flat_map(|dir| &dir.entries)
        .any(|entry| matches!(cache_name::parse(&entry.name), Recognised::Entry(_)));
    if !has_entries {
        return Ok(Vec::new());
    }
    let snapshot = observe(&Wish { cards: Cards::In(None), status: false })?;
    let (Source::Environment(path) | Source::Compiled(path)) = Situation::of(&snapshot).source() else {
        return Ok(Vec::new());
    };
    let before = judge(&snapshot);
    let mut edited = snapshot.clone();
    edited.configs = vec![ConfigFile { path, state: ConfigState::Text(Bytes(new.to_vec())) }];
    let after = judge(&edited);

    let mut revived = Vec::new();
    for dir in snapshot.caches.iter().filter(|dir| after.cache_in_use(&dir.path)) {
        for entry in &dir.entries {
            let Recognised::Entry(name) = cache_name::parse(&entry.name) else { continue };
            let stale =
                after.findings.iter().filter(|finding| FLUSHED.contains(&finding.id)).find(|finding| {
                    let mut files = finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref());
                    files.any(|file| file.directory == dir.path && file.name == entry.name)
                });
            let was_read = snapshot.cards.iter().any(|card| match (&name.serial, &card.serial) {
                (Serial::Text(text), Some(serial)) => {
                    layout(card.family).is_some() && serial.as_bytes().eq_ignore_ascii_case(text)
                }
                _ => false,
            });
            let why = match stale {
                Some(finding) => finding.id.name().to_owned(),
                None if !was_read && !before.cache_in_use(&dir.path) => "its card was not read".to_owned(),
                None => continue,
            };
            revived.push(Revived { directory: dir.path.clone(), name: entry.name.clone(), why });
        }
    }
    Ok(revived)
}
