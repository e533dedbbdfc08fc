//! `verify`: proofs by signature. From the keys of a card, or of a signature or certificate in a file.

mod attribute;
mod keys;
mod pin;
mod prompt;

use std::path::PathBuf;

use clap_complete::ArgValueCandidates;

use super::args::{Facts, FailOn, Format};
use super::complete::known_keys;
use crate::error::{Error, Exit};
use crate::report::lines::Screen;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this key: its ID (in any spelling, or its first 6 digits), label, key reference, PKCS#11 URI or slot (a key with
    /// a use counter signs only if it is named)
    #[arg(long, value_name = "ID|LABEL|REF|URI", conflicts_with = "all", add = ArgValueCandidates::new(known_keys))]
    key: Option<String>,
    /// All keys, as without --key
    #[arg(long)]
    all: bool,
    /// How many tries a wrong PIN must leave; with fewer none is sent
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=15))]
    min_tries: u8,
    /// Read the PIN from this file (/dev/fd/N for a pipe) instead of asking
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    /// Read the PIN even from a file that others can read
    #[arg(long, requires = "pin_file")]
    insecure_pin_file: bool,
    /// Sign within the login that is open on the card, without a PIN
    #[arg(long, conflicts_with = "pin_file")]
    use_existing_login: bool,
    /// End a login that was left behind on the card; never one while another program has the card open
    #[arg(long, conflicts_with = "use_existing_login")]
    end_login: bool,
    /// Which key made the signature over this file? (needs --signature, but no card)
    #[arg(long, value_name = "FILE", requires = "signature", conflicts_with_all = CARD_ONLY)]
    data: Option<PathBuf>,
    /// The same for the hash itself, in hex
    #[arg(long, value_name = "HEX", requires = "signature", conflicts_with_all = CARD_ONLY, conflicts_with = "data")]
    digest: Option<String>,
    /// The signature: DER, r||s or RSA, as bytes, hex or base64; with --data also CMS (PKCS#7) or OpenSSH
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Which key signed each certificate and request in this file (PEM or DER)? (needs no card)
    #[arg(long, value_name = "FILE", conflicts_with_all = CARD_ONLY, conflicts_with_all = ["data", "digest", "signature"])]
    certificate: Option<PathBuf>,
    /// One more public key to try: a file (key, certificate or request; PEM, DER, OpenSSH, JWK), or an EC point in hex
    #[arg(long, value_name = "FILE|POINT")]
    pubkey: Vec<String>,
    #[command(flatten)]
    facts: Facts,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The least severity that makes the exit code 1
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    fail_on: FailOn,
}

/// What makes sense only for a card that is to sign.
const CARD_ONLY: [&str; 6] = ["key", "all", "min_tries", "pin_file", "use_existing_login", "end_login"];

pub fn run(args: &Args, screen: &Screen) -> Result<Exit, Error> {
    match (&args.data, &args.digest, &args.signature, &args.certificate) {
        (None, None, None, None) => keys::run(args, screen),
        _ => attribute::run(args, screen),
    }
}
