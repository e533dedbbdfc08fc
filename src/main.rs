//! The `stalecard` program: everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    stalecard::cli::run().into()
}
