//! `verify`: proofs by signature. From the keys of a card, or of a signature or certificate in a file.

mod args;
mod attribute;
mod keys;
mod pin;
mod prompt;

pub use args::Args;

use crate::error::{Error, Exit};
use crate::report::lines::Screen;

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    match (&args.data, &args.digest, &args.signature, &args.certificate) {
        (None, None, None, None) => keys::run(args, screen),
        _ => attribute::run(args, screen),
    }
}
