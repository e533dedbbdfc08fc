//! `audit`: which of the certificates, lists and signatures in files were made by another key than they name.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, macros::format_description};

use super::args::Facts;
use super::output;
use crate::audit::{Audited, Request, audit};
use crate::error::{Error, Exit};
use crate::observe::Asking;
use crate::report::audit::{csv, human};
use crate::report::lines::Screen;
use crate::report::{json::Answer, json::Document};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files and folders (folders with all below them); - is standard input: PEM, LDIF, or Base64, one a line
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// One more public key to try: a file (key, certificate or request; PEM, DER, OpenSSH, JWK), or an EC point in hex
    #[arg(long, value_name = "FILE|POINT")]
    pubkey: Vec<String>,
    /// Baselines, by which makers are told that are known from nowhere else: a file, or the directory they are in
    #[arg(long, value_name = "FILE|DIR")]
    against: Option<PathBuf>,
    /// Judge only files changed since (content, name or owner): a day (2026-11-30), a time (RFC 3339), or how long ago (90m, 36h, 7d); keys are taken from all
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<SystemTime>,
    /// Do not enter other file systems
    #[arg(long)]
    one_file_system: bool,
    /// Follow symbolic links
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    facts: Facts,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Human,
    /// For scripts: schema stalecard/1
    Json,
    /// For tables: a line for each artefact that is bad or not decided
    Csv,
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    let mut snapshot = args.facts.look_for_makers(Asking::Never)?;
    // No card is needed, so none is missing.
    for gap in &mut snapshot.coverage {
        gap.asked_for = false;
    }
    let request = Request {
        paths: &args.paths,
        public_keys: &args.pubkey,
        against: args.against.as_deref(),
        since: args.since,
        now: OffsetDateTime::now_utc().unix_timestamp(),
        one_file_system: args.one_file_system,
        follow: args.follow,
        progress: output::PROGRESS,
    };
    let Audited { audit, findings, coverage, exit } = audit(&snapshot, &request)?;
    match args.format {
        Format::Human => output::print(&human(screen, &audit, &findings, &coverage))?,
        Format::Csv => output::print(&csv(&audit).map_err(Error::unwritable("the table"))?)?,
        Format::Json => {
            let document = Document::of(Answer::Audit { audit: &audit }, &snapshot.host);
            let headline = audit.headline(&coverage);
            let document = document.headline(&headline, snapshot.taken_at);
            output::print_json(&document.findings(&findings).coverage(&coverage))?;
        }
    }
    Ok(exit)
}

/// A moment as it is typed.
fn moment(typed: &str) -> Result<SystemTime, String> {
    let day = || Date::parse(typed, format_description!("[year]-[month]-[day]")).ok();
    let at = OffsetDateTime::parse(typed, &Rfc3339).ok().or_else(|| Some(day()?.midnight().assume_utc()));
    if let Some(at) = at {
        // Today begins earlier in the east than in UTC.
        return match at > OffsetDateTime::now_utc() + time::Duration::DAY {
            true => Err("it lies in the future: nothing was changed since".to_owned()),
            false => Ok(at.into()),
        };
    }
    let seconds = typed.chars().last().and_then(|unit| {
        let seconds = match unit {
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        typed.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(seconds)
    });
    let ago = seconds.and_then(|seconds| SystemTime::now().checked_sub(Duration::from_secs(seconds)));
    ago.ok_or_else(|| {
        "give a day (2026-11-30), a time (2026-11-30T12:00:00Z), or how long ago (90m, 36h, 7d)".to_owned()
    })
}
