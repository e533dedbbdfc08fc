//! `generate`: man pages and shell completions, from the one definition of the command line and the pages of `docs/`. Hidden:
//! packagers use it.

use std::path::{Path, PathBuf};

use clap_complete::env::Shells;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::complete::VARIABLE;
use crate::error::{Error, Exit};
use crate::report::man::{body, code, page, section};

/// Shells, the files they look for, and what is added. zsh runs the file at the first Tab, as a function of its name.
const SCRIPTS: [(&str, &str, &str); 3] = [
    ("bash", "stalecard.bash", ""),
    (
        "zsh",
        "_stalecard",
        "\nif [ \"$funcstack[1]\" = \"_stalecard\" ]; then _clap_dynamic_completer_stalecard \"$@\"; fi\n",
    ),
    ("fish", "stalecard.fish", ""),
];

/// What is said of all commands, in parts of their pages.
const COMMANDS: &str = include_str!("../../docs/commands.md");

/// The other pages, each by its question.
const PAGES: [(&str, &str); 10] = [
    ("signatures", include_str!("../../docs/signatures.md")),
    ("audit", include_str!("../../docs/audit.md")),
    ("many-users", include_str!("../../docs/many-users.md")),
    ("fleets", include_str!("../../docs/fleets.md")),
    ("configuration", include_str!("../../docs/configuration.md")),
    ("any-card", include_str!("../../docs/any-card.md")),
    ("providers", include_str!("../../docs/providers.md")),
    ("compatibility", include_str!("../../docs/compatibility.md")),
    ("findings", include_str!("../../docs/findings.md")),
    ("packages", include_str!("../../docs/packages.md")),
];

/// Whose pages they are.
const SOURCE: &str = concat!("stalecard ", env!("CARGO_PKG_VERSION"));

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to write to
    folder: PathBuf,
}

/// Of what may be typed.
pub fn run(args: &Args, typed: clap::Command) -> Result<Exit, Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { what: "cannot write to", path, source }
    };
    std::fs::create_dir_all(&args.folder).map_err(failed(&args.folder))?;
    let mut command = typed.disable_help_subcommand(true);
    command.build();
    commands(&command, &[], &args.folder).map_err(failed(&args.folder))?;
    for (name, text) in PAGES {
        let path = args.folder.join(format!("stalecard-{name}.7"));
        std::fs::write(&path, page(name, text, SOURCE).render()).map_err(failed(&path))?;
    }
    // Each script asks the program itself, which knows the serial numbers, labels and users of the host.
    for (shell, file, end) in SCRIPTS {
        let path = args.folder.join(file);
        let mut script = Vec::new();
        let shells = Shells::builtins();
        let Some(shell) = shells.completer(shell) else { continue };
        shell
            .write_registration(VARIABLE, "stalecard", "stalecard", "stalecard", &mut script)
            .and_then(|()| std::fs::write(&path, [&script, end.as_bytes()].concat()))
            .map_err(failed(&path))?;
    }
    Ok(Exit::Clean)
}

/// The page of a command and of those below it; `words` call it.
fn commands(command: &clap::Command, words: &[&str], folder: &Path) -> std::io::Result<()> {
    let man = Man::new(command.clone()).source(SOURCE).manual("stalecard");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let shown = || command.get_subcommands().filter(|below| !below.is_hide_set());
    if shown().next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    of_all(words).to_writer(&mut page)?;
    std::fs::write(folder.join(man.get_filename()), page)?;
    shown().try_for_each(|below| commands(below, &[words, &[below.get_name()]].concat(), folder))
}

/// The parts that are about all commands; the examples are those of one.
fn of_all(words: &[&str]) -> Roff {
    let mut out = Roff::new();
    for name in ["Exit status", "Environment", "Files"] {
        out.control("SH", [name.to_uppercase().as_str()]);
        body(&mut out, section(COMMANDS, name));
    }
    out.control("SH", ["EXAMPLES"]);
    for line in code(section(COMMANDS, "Examples")) {
        let (example, what) = line.split_once(" # ").unwrap_or((line, ""));
        let mut typed = example.split_whitespace().skip(1);
        if words.iter().all(|word| typed.next() == Some(word)) {
            out.control("TP", []);
            out.text([bold(example.trim())]);
            out.text([roman(what.trim())]);
        }
    }
    out.control("SH", ["SEE ALSO"]);
    let own = (!words.is_empty()).then(|| ("stalecard".to_owned(), "(1)"));
    let pages = PAGES.iter().map(|(name, _)| (format!("stalecard-{name}"), "(7)"));
    let told: Vec<_> = own.into_iter().chain(pages).collect();
    for (place, (name, section)) in (1..).zip(&told) {
        let end = if place < told.len() { "," } else { "" };
        out.text([bold(name.as_str()), roman(format!("{section}{end}"))]);
    }
    out
}
