//! `config lint`: the findings on configuration files, without a card.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::args::{FailOn, Time, host_or, screen_of};
use crate::cli::output;
use crate::error::{Error, Exit};
use crate::finding::Finding;
use crate::judge::ending::exit_of;
use crate::judge::{config_coverage, judge_config, lint_brief, sleeps};
use crate::listing::settings::{Wanted, settings};
use crate::opensc::install::observe_config;
use crate::report::lines::Screen;
use crate::report::{config, json::Answer, json::Document, sarif};
use crate::rules::manual;
use crate::snapshot::{Gap, Snapshot};
use crate::text::escape;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The files to look at; without any, the one that OpenSC reads
    #[arg(value_name = "FILE", conflicts_with = "snapshot")]
    files: Vec<PathBuf>,
    /// Look at the configuration in this snapshot file
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    #[command(flatten)]
    time: Time,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: LintFormat,
    /// The least severity that makes the exit code 1
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    fail_on: FailOn,
}

/// How to print what is wrong with configuration files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum LintFormat {
    /// For people
    #[default]
    Human,
    /// For scripts: schema stalecard/1
    Json,
    /// For code scanning: SARIF 2.1.0
    Sarif,
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    args.time.begin();
    let host = host_or(args.snapshot.as_deref())?;
    let snapshots = if args.files.is_empty() {
        vec![host.clone()]
    } else {
        args.files.iter().map(|file| in_place_of_its_own(&host, file.clone())).collect()
    };
    let mut findings: Vec<Finding> = Vec::new();
    for (place, snapshot) in snapshots.iter().enumerate() {
        let named = args.files.get(place).map(|file| escape(file.as_os_str().as_bytes()));
        findings.extend(judge_config(snapshot).into_iter().map(|mut finding| {
            if let Some(file) = &named {
                finding.fix.iter_mut().for_each(|remedy| remedy.stands_in(file));
            }
            finding
        }));
    }
    let named = !args.files.is_empty();
    let coverage: Vec<Gap> = snapshots.iter().flat_map(|snapshot| config_coverage(snapshot, named)).collect();
    let version = host.opensc.first().and_then(|found| found.version.as_deref());
    let caching = match (snapshots.as_slice(), version) {
        ([one], Some(_)) => settings(one, &Wanted::All).map(|settings| settings.warning()),
        _ => None,
    };
    // A file that was named is not the one by which the caches here are read.
    let sleeps = !named && sleeps(&host, &findings);
    let brief = lint_brief(&findings, &coverage, version, caching.as_deref(), sleeps);
    match args.format {
        LintFormat::Human => {
            let screen = &screen_of(screen, args.snapshot.as_deref(), &host);
            output::print(&config::lint(screen, &findings, &brief))?;
        }
        LintFormat::Sarif => {
            let log = sarif::log(&findings, &coverage, |finding| manual(finding.id));
            output::print_value("the log", &log)?;
        }
        LintFormat::Json => {
            let answer = Answer::ConfigLint { opensc: version };
            let document = Document::of(answer, &host.host).findings(&findings).coverage(&coverage);
            output::print_json(&document.brief(&brief, host.taken_at))?;
        }
    }
    Ok(exit_of(&findings, &coverage, args.fail_on.severity()))
}

/// The host as it would be if this were the file that OpenSC opens.
fn in_place_of_its_own(host: &Snapshot, file: PathBuf) -> Snapshot {
    let mut snapshot = host.clone();
    let config = observe_config(&file.into());
    snapshot.user.env.insert("OPENSC_CONF".to_owned(), config.path.clone());
    snapshot.configs = vec![config];
    snapshot
}
