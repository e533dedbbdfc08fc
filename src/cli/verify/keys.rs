//! The keys of a card: each signs a fresh challenge, and the signature is checked against every
//! public key that somebody takes for its own.

use std::path::Path;

use zeroize::Zeroizing;

use super::args::Args;
use super::{pin, prompt};
use crate::cli::args::{Format, typed_for_real};
use crate::cli::output;
use crate::error::{Error, Exit};
use crate::judge::ending::exit;
use crate::judge::proved::proved as in_brief;
use crate::naming::Naming;
use crate::observe::{Asking, holders};
use crate::prove::keys::{PinSource, Proved, Question, Request, prove, proved};
use crate::prove::named;
use crate::report::lines::Screen;
use crate::report::{json::Answer, json::Document, proofs};
use crate::text::{count, escape};

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    if args.facts.offline || args.facts.snapshot.is_some() {
        let why = "a key can only sign on its card: leave out --offline and --snapshot, or name a signature with \
                   --data and --signature";
        return Err(Error::Usage(why.to_owned()));
    }
    let key = args.key.as_deref().map(Naming::parse).transpose()?;
    pin::keep_from_dumps()?;
    let mut snapshot = args.facts.look(false, Asking::Found)?;
    let request = Request {
        key: key.as_ref(),
        min_tries: args.min_tries,
        has_pin: args.pin_file.is_some(),
        existing_login: args.use_existing_login,
        end_login: args.end_login,
        progress: output::PROGRESS,
    };
    prove(
        &mut snapshot,
        &request,
        &mut Person { file: args.pin_file.as_deref(), insecure: args.insecure_pin_file },
    )?;
    let unseen = holders::look(&mut snapshot)?;
    snapshot.coverage.extend(unseen.into_iter().filter(|gap| gap.asked_for));
    let Proved { verdict, whole, proofs, is_open } = proved(&snapshot, key.as_ref());
    let mut brief = in_brief(&verdict, &whole, &proofs, is_open);
    brief.look_again_by(&typed_for_real());
    match args.format {
        Format::Human => {
            output::print(&proofs::keys(screen, &verdict, &proofs, &brief))?;
        }
        Format::Json => {
            let answer = Answer::Keys { keys: &proofs };
            output::print_json(
                &Document::of(answer, &snapshot.host).verdict(&verdict).brief(&brief, snapshot.taken_at),
            )?;
        }
    }
    Ok(exit(&verdict, args.fail_on.severity(), false))
}

/// Whoever sits at the terminal, or has left the PIN in a file.
struct Person<'a> {
    file: Option<&'a Path>,
    /// Even if others can read it.
    insecure: bool,
}

impl PinSource for Person<'_> {
    fn pin(&mut self, question: &Question<'_>) -> Result<Zeroizing<Vec<u8>>, Error> {
        let Question { pin, pin_label, token, label, left } = question;
        if let Some(file) = self.file {
            return pin::from_file(file, self.insecure);
        }
        let left = left.map(|left| format!(" ({} left)", count(left.into(), "try", "tries")));
        let pin = pin_label.map_or_else(|| named(pin), |label| format!("PIN \"{label}\""));
        let label = label.as_ref().map(|label| format!("\"{}\", ", escape(label))).unwrap_or_default();
        let token = escape(token.as_bytes());
        prompt::pin(&format!("{pin} of token {label}{token}{}: ", left.unwrap_or_default()))
    }

    fn wants_login_ended(&mut self) -> Result<bool, Error> {
        prompt::wants_login_ended()
    }

    fn pin_goes_to_pad(&mut self) {
        output::note("enter the PIN on the reader's pin pad, as often as it asks");
    }
}
