//! `watch`: check whenever a card comes, a program lets go of one, or a cache changes.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use time::OffsetDateTime;

use super::args::{Asks, Format, Time};
use super::output;
use crate::error::{Error, Exit};
use crate::fix::flush::flush_proven;
use crate::host::Caller;
use crate::judge::brief::brief;
use crate::judge::steps::{proof, restart_of_the_unseen};
use crate::judge::{Tally, judge_processes};
use crate::observe::{Asking, CacheOwners, Cards, ObserveOptions, holders, observe_each};
use crate::opensc::install;
use crate::patience::undisturbed;
use crate::repair::{Applied, Outcome, Refilled};
use crate::report::json::{Answer, Document, Event};
use crate::report::lines::Screen;
use crate::report::watch::{Line, line};
use crate::snapshot::{ByteString, Snapshot};
use crate::verdict::Verdict;
use crate::verdict::brief::{Brief, Purpose};
use crate::watch::{Hook, Occurrence, Watch};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Move what is proven stale, and safe to move, to the quarantine at once
    #[arg(long)]
    flush_stale: bool,
    /// With --flush-stale: put what OpenSC itself writes of the card today in place of it, so that the next listing is as
    /// quick as it was. The installed OpenSC lists the card for that a few times, on a copy, and only while nobody else
    /// has the card open
    #[arg(long, requires = "flush_stale", conflicts_with = "no_ask")]
    refill: bool,
    /// Run this program after each event; STALECARD_EVENT, _READER, _TOKEN, _FINDINGS, _WORST and
    /// _CHANGED in its environment say what happened. No shell is involved
    #[arg(long, value_name = "PROGRAM")]
    exec: Option<PathBuf>,
    #[command(flatten)]
    time: Time,
    #[command(flatten)]
    asks: Asks,
    /// How to print: one line, or one JSON document on a line, for each event
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What came of one event.
struct Checked {
    snapshot: Snapshot,
    verdict: Verdict,
    brief: Brief,
    operations: Vec<Applied>,
    refilled: Option<Refilled>,
    places: Places,
}

/// What a check was about.
#[derive(Default)]
struct Places {
    /// Cache directories, of all who were looked at.
    directories: Vec<PathBuf>,
    /// Configuration files.
    configurations: Vec<PathBuf>,
}

#[deny(clippy::wildcard_enum_match_arm, reason = "a new occurrence is to say what is looked at then")]
pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    let asking = args.asks.if_said()?;
    let hook = args.exec.as_deref().map(|program| Hook::start(program, output::complain)).transpose()?;
    // Whoever waits for OpenSC's configuration to be read, another watch, is not to be woken by this one for nothing.
    install::remember_configurations();
    let (mut watch, why) = Watch::begin()?;
    if let Some(why) = why {
        output::complain(&format!("caches cannot be watched, only cards (inotify: {why})"));
    }
    let wait = |watch: &mut Watch| {
        let _undisturbed = undisturbed();
        watch.wait()
    };
    while let Some(occurrence) = wait(&mut watch) {
        let cards = match &occurrence {
            Occurrence::Inserted(reader) => Some(Cards::In(Some(reader))),
            Occurrence::Started | Occurrence::Released | Occurrence::CacheChanged => Some(Cards::In(None)),
            Occurrence::Removed(_) | Occurrence::ServiceLost(_) | Occurrence::ServiceBack => None,
        };
        let checked = cards.map(|cards| {
            watch.check(|| {
                args.time.begin();
                let mut checked = check(cards, asking, args.flush_stale, args.refill);
                let places = checked.as_mut().map(|checked| std::mem::take(&mut checked.places));
                let Places { directories, configurations } = places.unwrap_or_default();
                (directories, configurations, checked)
            })
        });
        let checked = match checked.transpose() {
            Ok(checked) => checked,
            Err(error) => {
                output::complain(&error.to_string());
                continue;
            }
        };
        let now = crate::host::clock::now();
        let text = match args.format {
            Format::Human => line(screen, &summary(&occurrence, checked.as_ref(), now)),
            Format::Json => document(&occurrence, checked.as_ref(), now)?,
        };
        let _undisturbed = undisturbed();
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            // Nobody listens any more.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Exit::Clean),
            Err(source) => {
                return Err(Error::Io { what: "cannot write to", path: "standard output".into(), source });
            }
            Ok(()) => {}
        }
        if let Some(hook) = &hook {
            hook.run(summary(&occurrence, checked.as_ref(), now).environment());
        }
    }
    Err(Error::BrokeOff)
}

/// One check; with consent also the flush that it calls for.
fn check(cards: Cards<'_>, asking: Asking, flush: bool, refill: bool) -> Result<Checked, Error> {
    let wish = ObserveOptions { cards, status: false, asking, progress: output::PROGRESS };
    let mut tally = Tally::new(Some(Caller::uid()?));
    let (mut operations, mut places) = (Vec::new(), Places::default());
    let mut refilled: Option<Refilled> = None;
    let mut snapshot = observe_each(&wish, &CacheOwners::Caller, &mut |snapshot| {
        let verdict = if flush {
            let done = flush_proven(snapshot, refill)?;
            operations.extend(done.operations);
            if let Some(new) = done.refilled {
                refilled.get_or_insert_default().join(new);
            }
            done.after
        } else {
            tally.judge(snapshot)
        };
        tally.add(snapshot, verdict);
        places.add(snapshot);
        Ok(())
    })?;
    let (mut verdict, _) = tally.verdict();
    let gaps = holders::look_beside(&verdict, &mut snapshot)?;
    verdict.coverage.extend(gaps);
    judge_processes(&snapshot, &mut verdict);
    let mut brief = brief(&verdict);
    // Whoever read the entries before they were moved still has them, though nobody may be seen who does.
    let is_moved = operations.iter().any(|applied: &Applied| applied.changed);
    if is_moved && !brief.steps.iter().any(|step| step.purpose == Purpose::Restart) {
        brief.steps.insert(0, restart_of_the_unseen());
        // What OpenSC alone told of is not asked to sign.
        if verdict.tokens.len() > verdict.asked.len() {
            brief.steps.insert(1, proof());
        }
    }
    Ok(Checked { snapshot, brief, verdict, operations, refilled, places })
}

impl Places {
    /// Those of the next user.
    fn add(&mut self, snapshot: &Snapshot) {
        let own = |name: &ByteString| name.as_path().to_owned();
        self.directories.extend(snapshot.caches.iter().map(|dir| own(&dir.path)));
        for file in &snapshot.configs {
            if !self.configurations.contains(&own(&file.path)) {
                self.configurations.push(own(&file.path));
            }
        }
    }
}

fn summary<'a>(occurrence: &'a Occurrence, checked: Option<&'a Checked>, time: OffsetDateTime) -> Line<'a> {
    let steps = checked.iter().flat_map(|checked| &checked.operations).flat_map(|applied| &applied.steps);
    Line {
        time,
        occurrence,
        verdict: checked.map(|checked| &checked.verdict),
        brief: checked.map(|checked| &checked.brief),
        moved: steps.filter(|step| step.outcome == Outcome::Moved).count(),
        refilled: checked.and_then(|checked| checked.refilled.as_ref()),
    }
}

fn document(
    occurrence: &Occurrence,
    checked: Option<&Checked>,
    time: OffsetDateTime,
) -> Result<String, Error> {
    let operations = checked.map_or(&[][..], |checked| checked.operations.as_slice());
    let why = match occurrence {
        Occurrence::ServiceLost(why) => Some(why.as_str()),
        _ => None,
    };
    let hostname = crate::host::hostname();
    let host = checked.map_or(&hostname, |checked| &checked.snapshot.host);
    let event = Event {
        kind: occurrence.kind(),
        time: crate::text::rfc3339(time.unix_timestamp()),
        reader: occurrence.reader().map(|reader| crate::text::escape(reader.as_bytes())),
        why,
    };
    let document = Document::of(
        Answer::Watch { event, operations, refilled: checked.and_then(|checked| checked.refilled.as_ref()) },
        host,
    );
    let mut document = document.changed(operations.iter().any(|applied| applied.changed));
    if let Some(checked) = checked {
        document = document.verdict(&checked.verdict).brief(&checked.brief, checked.snapshot.taken_at);
    }
    output::json_line(&document)
}
