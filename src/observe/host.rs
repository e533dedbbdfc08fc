//! The host, but for its caches: who asks, which OpenSC is installed and configured how, and which cards are there.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::ask::Asking;
use super::cards::read_cards;
use super::p11_kit::p11_kit;
use super::progress::Progress;
use crate::error::Error;
use crate::host::{Caller, hostname};
use crate::opensc::config::{Situation, Source};
use crate::opensc::{install, program};
use crate::patience::{self, SILENCE, within};
use crate::snapshot::{ByteString, Gap, GapKind, SCHEMA, Snapshot, Whose};

/// What to observe.
#[derive(Debug, Clone, Copy)]
pub struct ObserveOptions<'a> {
    /// Which cards.
    pub cards: Cards<'a>,
    /// Ask for SO-PIN and DKEK too.
    pub status: bool,
    /// Of which of them OpenSC is asked.
    pub asking: Asking,
    /// Who is told what is waited for.
    pub progress: Progress,
}

/// Which cards to read.
#[derive(Debug, Clone, Copy)]
pub enum Cards<'a> {
    /// None: PC/SC is not opened.
    None,
    /// All, or the one in the reader that is named.
    In(Option<&'a str>),
}

/// Everything but the caches. They come after the cards: what OpenSC writes in the meantime is then seen.
pub(super) fn host(options: &ObserveOptions<'_>) -> Result<Snapshot, Error> {
    let caller = Caller::current()?;
    let mut snapshot = Snapshot {
        schema: SCHEMA.to_owned(),
        taken_at: now(),
        host: hostname(),
        user: caller.user,
        whose: Whose::Caller,
        home: caller.odd_home,
        invoked_by: None,
        opensc: Vec::new(),
        executables: BTreeMap::new(),
        configs: Vec::new(),
        readers: Vec::new(),
        p11_kit: None,
        cards: Vec::new(),
        asks: Vec::new(),
        providers: Vec::new(),
        caches: Vec::new(),
        others: Vec::new(),
        processes: Vec::new(),
        flushed: Vec::new(),
        quarantine: Vec::new(),
        coverage: Vec::new(),
    };
    if patience::was_lost() {
        snapshot.coverage.push(Gap::new(
            GapKind::Cache,
            true,
            "the user database".to_owned(),
            patience::why_lost().to_string(),
        ));
    }
    let programs = within(SILENCE, |_| {
        let tools = program::tools();
        let found = install::find(tools.get(program::PKCS15_TOOL).map(ByteString::as_path));
        (tools, found)
    });
    let (tools, found) = programs.unwrap_or_else(|overdue| {
        snapshot.coverage.push(Gap::new(
            GapKind::OpenSc,
            true,
            "OpenSC's programs and libraries".to_owned(),
            overdue.to_string(),
        ));
        Default::default()
    });
    snapshot.executables = tools;
    snapshot.opensc = found.installations;
    for (path, why) in found.problems {
        snapshot.coverage.push(Gap::new(
            GapKind::OpenSc,
            false,
            format!("OpenSC library {}", ByteString::from(path)),
            why,
        ));
    }
    snapshot.configs = match Situation::of(&snapshot).source() {
        Source::Environment(path) | Source::Compiled(path) => vec![install::observe_config(&path)],
        Source::Unknown => Vec::new(),
    };
    let what = "the configuration of p11-kit";
    let gap = |what: String, why: String| Gap::new(GapKind::OpenSc, false, what, why);
    match p11_kit(&snapshot.user) {
        Ok((found, left)) => {
            snapshot.p11_kit = found;
            let left = left
                .into_iter()
                .map(|(folder, why)| gap(format!("{what} in {}", ByteString::from(folder)), why));
            snapshot.coverage.extend(left);
        }
        Err(overdue) => snapshot.coverage.push(gap(what.to_owned(), overdue.to_string())),
    }
    if let Cards::In(reader) = options.cards {
        let read = || read_cards(&snapshot, reader, options.status, options.asking != Asking::Never);
        let reading = options.progress.during("reading the card", read);
        snapshot.readers = reading.readers;
        snapshot.cards = reading.cards;
        snapshot.coverage.extend(reading.gaps);
    }
    snapshot.taken_at = now();
    Ok(snapshot)
}

fn now() -> OffsetDateTime {
    let now = crate::host::clock::now();
    now.replace_nanosecond(0).unwrap_or(now)
}
