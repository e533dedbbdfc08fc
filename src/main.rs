//! The `stalecard` command.

fn main() {}
