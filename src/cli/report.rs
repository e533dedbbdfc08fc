//! `report`: what is said of a host, or of several, for other eyes.

use std::path::PathBuf;

use clap::ValueEnum;

use super::args::{Asks, CachesOf, Facts};
use super::output::{self, is_stdout};
use crate::error::{Error, Exit};
use crate::judge::brief::brief;
use crate::judge::ending::exit_unread;
use crate::judge::written::report_written;
use crate::judge::{Tally, judge_processes};
use crate::listing::hosts::Compared;
use crate::listing::objects::show;
use crate::listing::settings::{Wanted, settings};
use crate::observe::{holders, write_whole};
use crate::report::human::{headline, next};
use crate::report::lines::{Page as Lines, Screen};
use crate::report::page::redact::{Names, redact};
use crate::report::page::{self, Page};
use crate::report::{html, markdown};
use crate::snapshot::ByteString;
use crate::verdict::brief::Brief;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Snapshots of several hosts, or folders that hold them: one page on all of them, tokens by hosts
    #[arg(value_name = "FILE|DIR", conflicts_with_all = ["snapshot", "offline", "reader", "serial", "all_users", "user", "cache_dir"])]
    files: Vec<PathBuf>,
    #[command(flatten)]
    facts: Facts,
    #[command(flatten)]
    whom: CachesOf,
    #[command(flatten)]
    asks: Asks,
    /// As what
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Put pseudonyms in the place of serial numbers, IDs, labels, names and paths; equal ones stay equal (Markdown: always,
    /// without --no-redact)
    #[arg(long, conflicts_with = "no_redact")]
    redact: bool,
    /// Leave the names in Markdown
    #[arg(long)]
    no_redact: bool,
    /// Write the report to this file, mode 0600, whole or not at all; - is standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What the report is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One file for a browser, which needs nothing else
    #[default]
    Html,
    /// For a forum or an issue tracker
    Markdown,
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    let (page, names, told, screen, exit) =
        if args.files.is_empty() { of_host(args, screen)? } else { of_fleet(&args.files, screen)? };
    let is_redacted = args.redact || (args.format == Format::Markdown && !args.no_redact);
    let page = if is_redacted { redact(page, names) } else { page };
    let text = match args.format {
        Format::Html => html::html(&page),
        Format::Markdown => markdown::markdown(&page),
    };
    match args.output.as_ref().filter(|path| !is_stdout(path)) {
        Some(path) => {
            write_whole(path, text.as_bytes(), 0o600)?;
            let told = report_written(&told, &ByteString::from(path.as_path()).to_string(), exit);
            let mut text = Lines::new(&screen);
            headline(&mut text, &told.headline, &told.dangers);
            next(&mut text, &told);
            output::print(&text.text())?;
        }
        None => output::print(&text)?,
    }
    Ok(exit)
}

/// The page, what is named in it, what it comes to, whom to tell that, and how the run ends.
type Made = (Page, Names, Brief, Screen, Exit);

fn of_host(args: &Args, screen: &Screen) -> Result<Made, Error> {
    let mut tally = Tally::new(args.facts.caller()?);
    let mut objects = Vec::new();
    let mut names = Names::default();
    let mut snapshot = args.facts.each(&args.whom, true, args.asks.usual(), &mut |snapshot| {
        names.see(snapshot);
        let tokens = tally.tokens(snapshot);
        // As the first user is shown them.
        if tokens.is_first {
            objects.extend(show(&tokens).into_iter().map(|listed| listed.sides));
        }
        let verdict = tally.judge_tokens(&tokens);
        tally.add(snapshot, verdict);
        Ok(())
    })?;
    let (mut verdict, _) = tally.verdict();
    if args.facts.snapshot.is_none() {
        let gaps = holders::look_beside(&verdict, &mut snapshot)?;
        verdict.coverage.extend(gaps);
    }
    judge_processes(&snapshot, &mut verdict);
    let settings = if snapshot.opensc.is_empty() { None } else { settings(&snapshot, &Wanted::All) };
    let told = brief(&verdict);
    let facts = page::Facts {
        snapshot: &snapshot,
        verdict: &verdict,
        brief: &told,
        objects: &objects,
        settings: settings.as_ref(),
    };
    let page = page::host(&facts);
    names.see(&snapshot);
    names.hear(&verdict, &objects);
    let exit = exit_unread(&verdict.coverage);
    Ok((page, names, told, args.facts.screen_of(screen, &snapshot), exit))
}

fn of_fleet(files: &[PathBuf], screen: &Screen) -> Result<Made, Error> {
    let compared: Compared = super::compare::compared(files)?;
    let told = compared.brief.clone();
    let exit = compared.exit_unread();
    Ok((page::fleet(&compared), Names::of_fleet(&compared), told, screen.clone(), exit))
}
