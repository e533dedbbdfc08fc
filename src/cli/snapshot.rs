//! `snapshot`: everything observed, in a file; or what is to be remembered of each token.

use std::path::PathBuf;

use super::args::{Asks, CachesOf, Format, Selection, Time, typed_for_real};
use super::output;
use crate::error::{Error, Exit};
use crate::judge::tokens;
use crate::judge::written::{AskedFor, written};
use crate::observe::holders;
use crate::observe::{
    ObserveOptions, Written, ask_providers, baselines_of, keep_baselines, observe_all, save, select_serial,
    the_baseline,
};
use crate::report::human::{headline, next};
use crate::report::json::{Answer, Document};
use crate::report::lines::{Page, Screen, wrap};
use crate::snapshot::{ByteString, Snapshot};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    whom: CachesOf,
    #[command(flatten)]
    asks: Asks,
    #[command(flatten)]
    time: Time,
    /// Keep also what this PKCS#11 module lists without a login, as `show --provider` has it listed; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with_all = ["offline", "baseline"])]
    provider: Vec<PathBuf>,
    /// Do not open PC/SC: caches and configuration only
    #[arg(long, conflicts_with = "reader")]
    offline: bool,
    /// Write what the tokens hold as baselines, for `check --against`: to be reviewed and committed
    #[arg(long, conflicts_with = "offline")]
    baseline: bool,
    /// The file to write, mode 0600 (a baseline: 0644, or in a directory SERIAL.toml for each
    /// token); without it, or as -, standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to say which baselines were written
    #[arg(long, value_enum, default_value_t, requires_all = ["baseline", "output"])]
    format: Format,
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    args.time.begin();
    let wish = ObserveOptions {
        cards: args.selection.cards(args.offline),
        status: true,
        asking: args.asks.usual(),
        progress: output::PROGRESS,
    };
    let mut snapshot = observe_all(&wish, &args.whom.whose())?;
    ask_providers(&mut snapshot, &args.provider, output::PROGRESS);
    let gaps = holders::look(&mut snapshot)?;
    snapshot.coverage.extend(gaps);
    if let Some(serial) = &args.selection.serial {
        select_serial(&mut snapshot, serial, args.offline)?;
    }
    if args.baseline {
        return baseline(&snapshot, args, screen);
    }
    let file = args.output.as_ref().filter(|path| !output::is_stdout(path));
    match file {
        Some(path) => save(&snapshot, path)?,
        None => output::print_value("the snapshot", &snapshot)?,
    }
    for gap in &snapshot.coverage {
        output::complain(&format!("not read: {}: {}", gap.what, gap.why));
    }
    let name = file.map(|path| ByteString::from(path.as_path()).to_string()).unwrap_or_default();
    let asked = AskedFor { modules: !args.provider.is_empty() };
    let (brief, exit) = written(&snapshot, &name, asked, &typed_for_real());
    if file.is_some() {
        let mut text = Page::new(screen);
        headline(&mut text, &brief.headline, &brief.dangers);
        next(&mut text, &brief);
        output::print(&text.text())?;
    }
    Ok(exit)
}

/// Writes what each token holds, where it is not written yet.
fn baseline(snapshot: &Snapshot, args: &Args, screen: &Screen) -> Result<Exit, Error> {
    let all = baselines_of(&tokens(snapshot))?;
    let Some(path) = args.output.as_ref().filter(|path| !output::is_stdout(path)) else {
        if let Some(one) = the_baseline(&all)? {
            output::print(&one.text().map_err(Error::unwritable("the baseline"))?)?;
        }
        return Ok(Exit::Clean);
    };
    let written = keep_baselines(&all, path)?;
    match args.format {
        Format::Human => {
            let mut text = Page::new(screen);
            for Written { file, token, changed } in &written {
                let what = if *changed { "written" } else { "already as the token is, not touched" };
                wrap(&mut text, "", "  ", &format!("{file}: baseline of token {token}, {what}"));
            }
            output::print(&text.text())?;
        }
        Format::Json => {
            let document = Document::of(Answer::Snapshot { baselines: &written }, &snapshot.host);
            let document = document.changed(written.iter().any(|written| written.changed));
            output::print_json(&document.coverage(&snapshot.coverage))?;
        }
    }
    Ok(Exit::Clean)
}
