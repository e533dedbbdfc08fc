//! What was typed: one file per command, each only wires the rooms together.

mod args;
mod audit;
mod check;
mod command;
mod compare;
mod complete;
mod config;
mod explain;
mod fault;
mod fix;
mod flush;
mod generate;
mod ls;
mod output;
mod quarantine;
mod report;
mod run;
mod screen;
mod show;
mod snapshot;
mod undo;
mod verify;
mod version;
mod watch;

use std::ffi::OsString;

use clap::{CommandFactory, Parser};
pub use command::Cli;
use command::Command;

use crate::error::{Error, Exit};
use crate::judge::ending::State;
use crate::log;
use crate::observe::{allow_aside, serve_aside, serve_module};
use crate::patience;
use crate::repair::config::keep_until;
use crate::report::json::Failure;
use crate::report::nagios;

/// What is said of what was typed wrongly, or is all that was asked for (help, version).
fn misunderstood(error: &clap::Error, format: Option<check::Format>) -> Exit {
    let exit = match (error.use_stderr(), format) {
        (false, _) => Exit::Clean,
        // Monitoring takes 2 for CRITICAL; what was typed wrongly is UNKNOWN.
        (true, Some(check::Format::Nagios)) => {
            let why = error.to_string();
            let line = nagios::failed(State::Unknown, why.lines().next().unwrap_or_default());
            // Nowhere to say that it could not be written.
            let _ = output::print(&(line + "\n"));
            Exit::NotRead
        }
        (true, json) => {
            if json == Some(check::Format::Json) {
                let message = crate::text::tame_lines(error.to_string().trim_end());
                output::print_failure(None, Failure { message, exit_code: Exit::Failed.code() });
            }
            Exit::Failed
        }
    };
    match output::written(error.print()) {
        Err(why) if exit == Exit::Clean => {
            output::complain(&why.to_string());
            why.exit()
        }
        // Nowhere to say that a complaint could not be written.
        _ => exit,
    }
}

/// With the options of all commands behind the command, where they stood before it: without a command they are options of `check`.
fn in_order(mut words: Vec<OsString>) -> Vec<OsString> {
    let mut leading = 0;
    while let Some(word) = words.get(leading + 1).and_then(|word| word.to_str()) {
        leading += match word {
            "-v" | "--verbose" | "-q" | "--quiet" => 1,
            "--color" | "--log" => 2,
            _ if word.starts_with("--color=") || word.starts_with("--log=") => 1,
            _ => break,
        };
    }
    let command = words.get(leading + 1).and_then(|word| Cli::command().find_subcommand(word).map(|_| ()));
    if let Some(place) = command.and_then(|()| words.get_mut(1..=leading + 1)) {
        place.rotate_right(1);
    }
    words
}

/// Runs the program: what was typed, done, and how it ended.
#[must_use]
pub fn run() -> Exit {
    fault::begin();
    fault::caught(done, || {
        let words: Vec<OsString> = std::env::args_os().collect();
        if wants_json(&words) {
            let message =
                "stalecard panicked; this is a fault of its own, please report it with what it said"
                    .to_owned();
            output::print_failure(None, Failure { message, exit_code: Exit::Failed.code() });
        }
    })
}

/// Is a document for scripts asked for, whatever comes of it? What follows some commands is not ours.
fn wants_json(words: &[OsString]) -> bool {
    let is_other = |word: &OsString| {
        word.to_str().is_some_and(|word| matches!(word, "run" | "explain" | "report" | "generate"))
    };
    check::Format::named_in(words) == Some(check::Format::Json)
        && !words.iter().skip(1).take_while(|word| *word != "--format").any(is_other)
}

fn done() -> Exit {
    complete::answer(Cli::command);
    let words = in_order(std::env::args_os().collect());
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => {
            return match version::wanted(&error, &words) {
                Some(wanted) => version::run(wanted),
                None => misunderstood(&error, check::Format::named_in(&words)),
            };
        }
    };
    allow_aside();
    if wants_json(&words) {
        patience::at_the_end(output::print_last);
    }
    output::tell_so(cli.verbosity.manner());
    let screen = &cli.verbosity.screen();
    let command = cli.command.unwrap_or(Command::Check(cli.check));
    // What follows these is not ours.
    let is_ours =
        !matches!(command, Command::Run(_) | Command::Explain(_) | Command::Report(_) | Command::Generate(_));
    let wants_json = is_ours && check::Format::named_in(&words) == Some(check::Format::Json);
    let name = command.name();
    let fail = |error: &Error| {
        output::complain(&error.to_string());
        if wants_json {
            output::print_failure(Some(name), Failure::of(error));
        }
        error.exit()
    };
    if let Err(error) = cli.everywhere.begin() {
        return fail(&error);
    }
    log::line(|| name.to_owned());
    if !matches!(command, Command::Watch(_) | Command::LookAside | Command::KeepAside { .. }) {
        // Whoever is told another time begins anew with it.
        args::Time::USUAL.begin();
    }
    let result = match command {
        Command::Check(args) => check::run(&args, screen),
        Command::Verify(args) => verify::run(&args, screen),
        Command::Audit(args) => audit::run(&args, screen),
        Command::Ls(args) => ls::run(&args, screen),
        Command::Show(args) => show::run(&args, screen),
        Command::Fix(args) => fix::run(&args, screen),
        Command::Flush(args) => flush::run(&args, screen),
        Command::Undo(args) => undo::run(&args, screen),
        Command::Quarantine(args) => quarantine::run(&args, screen),
        Command::Explain(args) => explain::run(&args, screen),
        Command::Config(command) => config::run(&command, screen),
        Command::Run(args) => run::run(&args),
        Command::Snapshot(args) => snapshot::run(&args, screen),
        Command::Compare(args) => compare::run(&args, screen),
        Command::Report(args) => report::run(&args, screen),
        Command::Watch(args) => watch::run(&args, screen),
        Command::Generate(args) => generate::run(&args, Cli::command()),
        Command::KeepAside { process, directory } => {
            keep_until(process, &directory, &mut std::io::stdout().lock());
            return Exit::Clean;
        }
        Command::ListModule { module } => {
            serve_module(&module);
            return Exit::Clean;
        }
        Command::LookAside => {
            serve_aside(std::io::stdin().lock(), std::io::stdout().lock());
            return Exit::Clean;
        }
    };
    let exit = match result {
        // Something did not answer, so not everything was looked at.
        Ok(Exit::Clean) if patience::was_lost() => {
            output::complain("not everything was looked at: see what is named as not read");
            Exit::NotRead
        }
        Ok(exit) => exit,
        Err(error) => fail(&error),
    };
    log::line(|| format!("exit code {}", exit.code()));
    exit
}

#[cfg(test)]
mod tests {
    use super::{OsString, in_order};

    #[test]
    fn how_much_is_told_may_be_said_before_the_command() {
        let ordered = |line: &str| {
            let words = in_order(line.split(' ').map(OsString::from).collect());
            words.join(&OsString::from(" ")).into_string().unwrap_or_default()
        };
        assert_eq!(ordered("stalecard -v flush --all"), "stalecard flush -v --all");
        assert_eq!(ordered("stalecard -q --verbose run -v x"), "stalecard run -q --verbose -v x");
        for line in ["stalecard", "stalecard -v", "stalecard -v --serial flush", "stalecard flush -v"] {
            assert_eq!(ordered(line), line);
        }
    }
}
