//! `compare`: what hosts and users show of the same tokens.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::args::{FailOn, Format};
use super::output;
use crate::error::{Error, Exit};
use crate::host::hostname;
use crate::listing::hosts::{Compared, Comparison};
use crate::observe::{each_in, load, snapshot_files};
use crate::patience::anew;
use crate::report::lines::Screen;
use crate::report::{comparison::comparison, json::Answer, json::Document};
use crate::snapshot::{ByteString, Snapshot};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Snapshots of hosts (`stalecard snapshot -o FILE` on each of them), or folders that hold them
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The least severity that makes the exit code 1
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    fail_on: FailOn,
}

/// What the snapshots in these files come to; `see` sees each user's as one of the sources, in their order, with its file.
pub fn compared(files: &[PathBuf], see: &mut dyn FnMut(&Path, &Snapshot)) -> Result<Compared, Error> {
    let mut comparison_of = Comparison::default();
    let found = snapshot_files(files);
    for path in &found.passed_over {
        comparison_of.passed_over(ByteString::from(path.as_path()));
    }
    for path in &found.files {
        // However many there are: what does not answer is one of them.
        anew();
        // One that cannot be read must not hide the others.
        match load(path) {
            Ok(mut snapshot) => {
                let mut is_first = true;
                each_in(&mut snapshot, &mut |user| {
                    comparison_of.add(user, std::mem::take(&mut is_first));
                    see(path, user);
                    Ok(())
                })?;
            }
            Err(error) => {
                let why = crate::text::tame(&error.to_string());
                comparison_of.unreadable(ByteString::from(path.as_path()), &why);
            }
        }
    }
    Ok(comparison_of.conclude())
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    let compared = compared(&args.files, &mut |_, _| {})?;
    // Ages count from the newest of them.
    let newest = compared.sources.iter().map(|source| source.taken).max();
    match args.format {
        Format::Human => output::print(&comparison(
            &newest.map_or_else(|| screen.clone(), |at| screen.at(at)),
            &compared,
            &compared.brief,
        ))?,
        Format::Json => {
            let host = hostname();
            let answer = Answer::Compare { comparison: &compared };
            let document = Document::of(answer, &host).findings(&compared.findings);
            let taken = newest.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
            let document = document.brief(&compared.brief, taken.unwrap_or_else(crate::host::clock::now));
            output::stream_json(&document.coverage(&compared.coverage))?;
        }
    }
    Ok(compared.exit(args.fail_on.severity()))
}
