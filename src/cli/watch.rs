//! `watch`: check whenever a card comes, a program lets go of one, or a cache changes.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};

use time::OffsetDateTime;

use super::args::{Format, Time};
use super::output;
use crate::error::{Error, Exit};
use crate::fix::caches::{Agreed, Repair};
use crate::judge::judge;
use crate::observe::{Cards, Wish, observe};
use crate::patience::undisturbed;
use crate::repair::flush::{Scope, flush_plan};
use crate::repair::{Applied, Outcome, Plan};
use crate::report::watch::{Line, line};
use crate::report::{json::Answer, json::Document, json::Event, json::SCHEMA};
use crate::snapshot::{Name, Snapshot};
use crate::verdict::Verdict;
use crate::watch::{Occurrence, Watch};

/// How many runs of the program may wait for their turn.
const WAITING: usize = 64;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Move what is proven stale, and safe to move, to the quarantine at once
    #[arg(long)]
    flush_stale: bool,
    /// Run this program after each event; STALECARD_EVENT, _READER, _TOKEN, _FINDINGS, _WORST and
    /// _CHANGED in its environment say what happened. No shell is involved
    #[arg(long, value_name = "PROGRAM")]
    exec: Option<PathBuf>,
    #[command(flatten)]
    time: Time,
    /// How to print: one line, or one JSON document on a line, for each event
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What came of one event.
struct Checked {
    snapshot: Snapshot,
    verdict: Verdict,
    operations: Vec<Applied>,
}

pub fn run(args: &Args) -> Result<Exit, Error> {
    let hook = args.exec.as_deref().map(Hook::start);
    let (mut watch, why) = Watch::begin();
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
            _ => None,
        };
        let checked = cards.map(|cards| {
            watch.check(|| {
                args.time.begin();
                let checked = check(cards, args.flush_stale);
                let (directories, configurations) = checked.as_ref().map(places).unwrap_or_default();
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
            Format::Human => line(&summary(&occurrence, checked.as_ref(), now)),
            Format::Json => document(&occurrence, checked.as_ref(), now),
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
            hook.run(&summary(&occurrence, checked.as_ref(), now));
        }
    }
    Ok(Exit::NotRead)
}

/// One check; with consent also the flush that it calls for.
fn check(cards: Cards<'_>, flush: bool) -> Result<Checked, Error> {
    let mut snapshot = observe(&Wish { cards, status: false })?;
    if !flush {
        let verdict = judge(&snapshot);
        return Ok(Checked { snapshot, verdict, operations: Vec::new() });
    }
    // What is safe, and nothing else.
    let mut repair = Repair::new(Agreed::default())?;
    let done = repair.user(&mut snapshot, &|snapshot, verdict, caller| {
        // Without a card nothing is proven stale.
        if verdict.compared { flush_plan(snapshot, verdict, Scope::Stale, caller) } else { Plan::default() }
    })?;
    Ok(Checked { snapshot, verdict: done.after, operations: repair.results })
}

/// The cache directories and the configuration files that a check was about.
fn places(checked: &Checked) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let own = |name: &Name| name.as_path().to_owned();
    let Snapshot { caches, configs, .. } = &checked.snapshot;
    (caches.iter().map(|dir| own(&dir.path)).collect(), configs.iter().map(|file| own(&file.path)).collect())
}

fn summary<'a>(occurrence: &'a Occurrence, checked: Option<&'a Checked>, time: OffsetDateTime) -> Line<'a> {
    let steps = checked.iter().flat_map(|checked| &checked.operations).flat_map(|applied| &applied.steps);
    Line {
        time,
        occurrence,
        verdict: checked.map(|checked| &checked.verdict),
        moved: steps.filter(|step| step.outcome == Outcome::Moved).count(),
    }
}

fn document(occurrence: &Occurrence, checked: Option<&Checked>, time: OffsetDateTime) -> String {
    let operations = checked.map_or(&[][..], |checked| checked.operations.as_slice());
    let verdict = checked.map(|checked| &checked.verdict);
    let why = match occurrence {
        Occurrence::ServiceLost(why) => Some(why.as_str()),
        _ => None,
    };
    let hostname = crate::host::hostname();
    let event = Event {
        kind: occurrence.kind(),
        time: crate::text::date(time.unix_timestamp()),
        reader: occurrence.reader().map(|reader| crate::text::escape(reader.as_bytes())),
        why,
    };
    let document = Document {
        schema: SCHEMA,
        changed: operations.iter().any(|applied| applied.changed),
        host: checked.map_or(&hostname, |checked| &checked.snapshot.host),
        tokens: verdict.map_or(&[], |verdict| &verdict.tokens),
        programs: verdict.map_or(&[], |verdict| &verdict.programs),
        findings: verdict.map_or(&[], |verdict| &verdict.findings),
        coverage: verdict.map_or(&[], |verdict| &verdict.coverage),
        answer: Answer::Watch { event, operations },
    };
    output::json_line(&document.value())
}

/// The program that is run after each event: in a thread of its own, one after the other, so that it can
/// neither hold up the watch nor overtake itself.
struct Hook(SyncSender<Vec<(&'static str, String)>>);

impl Hook {
    fn start(program: &Path) -> Self {
        let (queue, todo) = sync_channel::<Vec<(&'static str, String)>>(WAITING);
        let program = program.to_owned();
        std::thread::spawn(move || {
            for environment in todo {
                // Standard output belongs to the watch.
                let status = Command::new(&program)
                    .envs(environment)
                    .stdin(Stdio::null())
                    .stdout(Stdio::from(std::io::stderr()))
                    .status();
                match status {
                    Ok(status) if status.success() => {}
                    Ok(status) => output::complain(&format!("{}: {status}", program.display())),
                    Err(error) => output::complain(&format!("cannot run {}: {error}", program.display())),
                }
            }
        });
        Self(queue)
    }

    fn run(&self, line: &Line<'_>) {
        if self.0.try_send(line.environment()).is_err() {
            output::complain(&format!(
                "the program of --exec is still busy with {WAITING} earlier events: not run"
            ));
        }
    }
}
