//! A signature or certificate in files: which key made it? Needs no card; what can be read is asked too.

use super::args::Args;
use crate::case::attribution::Attribution;
use crate::cli::args::Format;
use crate::cli::output;
use crate::error::{Error, Exit};
use crate::observe::Asking;
use crate::prove::brief::attributed;
use crate::prove::given::{Given, Request};
use crate::report::lines::Screen;
use crate::report::{json::Answer, json::Document, proofs};

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    let given = Given::read(&Request {
        data: args.data.as_deref(),
        digest: args.digest.as_deref(),
        signature: args.signature.as_deref(),
        certificate: args.certificate.as_deref(),
        public_keys: &args.pubkey,
    })?;
    let mut snapshot = args.facts.look_for_makers(Asking::Unread)?;
    let done = given.attribute(&mut snapshot)?;
    let brief = attributed(&done);
    match args.format {
        Format::Human => {
            output::print(&proofs::attributions(screen, &done.answers, &done.verdict, &brief))?;
        }
        Format::Json => {
            let all: Vec<&Attribution> = done.answers.iter().map(|(_, answer)| answer).collect();
            let answer = Answer::Attribution { attribution: all.first().copied(), attributions: &all };
            let document = Document::of(answer, &snapshot.host).verdict(&done.verdict);
            output::print_json(&document.findings(&done.findings))?;
        }
    }
    Ok(done.exit)
}
