//! `config enable-cache`: on, but not on top of entries that are stale.

use clap::ValueEnum;

use super::edit;
use crate::error::{Error, Exit};
use crate::repair::config::Goal;
use crate::report::lines::Screen;

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

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    let goal = match args.value {
        Value::Public => Goal::Public,
        Value::Yes => Goal::Yes,
    };
    edit::run(&args.edit, goal, "config enable-cache", args.force, screen)
}
