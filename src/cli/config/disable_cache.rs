//! `config disable-cache`: off for every program concerned, in every version.

use super::edit;
use crate::error::{Error, Exit};
use crate::repair::config::Goal;
use crate::report::lines::Screen;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    edit: edit::EditArgs,
    /// Even if programs then do not see a public key any more that is, or may be, the right one and in the cache only
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    edit::run(&args.edit, Goal::Off, "config disable-cache", args.force, screen)
}
