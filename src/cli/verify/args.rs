//! What `verify` is told.

use std::path::PathBuf;

use clap_complete::ArgValueCandidates;

use crate::cli::args::{Facts, FailOn, Format};
use crate::cli::complete::known_keys;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this key: its ID (in any spelling, or its first 6 digits), label, key reference, PKCS#11 URI or slot (a key with
    /// a use counter signs only if it is named)
    #[arg(long, value_name = "ID|LABEL|REF|URI", conflicts_with = "all", add = ArgValueCandidates::new(known_keys))]
    pub(super) key: Option<String>,
    /// All keys, as without --key
    #[arg(long)]
    pub(super) all: bool,
    /// How many tries a wrong PIN must leave; with fewer none is sent
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=15))]
    pub(super) min_tries: u8,
    /// Read the PIN from this file (/dev/fd/N for a pipe) instead of asking
    #[arg(long, value_name = "FILE")]
    pub(super) pin_file: Option<PathBuf>,
    /// Read the PIN even from a file that others can read
    #[arg(long, requires = "pin_file")]
    pub(super) insecure_pin_file: bool,
    /// Sign within the login that is open on the card, without a PIN
    #[arg(long, conflicts_with = "pin_file")]
    pub(super) use_existing_login: bool,
    /// End a login that was left behind on the card; never one while another program has the card open
    #[arg(long, conflicts_with = "use_existing_login")]
    pub(super) end_login: bool,
    /// Which key made the signature over this file? (needs --signature, but no card)
    #[arg(long, value_name = "FILE", requires = "signature", conflicts_with_all = CARD_ONLY)]
    pub(super) data: Option<PathBuf>,
    /// The same for the hash itself, in hex
    #[arg(long, value_name = "HEX", requires = "signature", conflicts_with_all = CARD_ONLY, conflicts_with = "data")]
    pub(super) digest: Option<String>,
    /// The signature: DER, r||s or RSA, as bytes, hex or base64; with --data also CMS (PKCS#7) or OpenSSH
    #[arg(long, value_name = "FILE")]
    pub(super) signature: Option<PathBuf>,
    /// Which key signed each certificate and request in this file (PEM or DER)? (needs no card)
    #[arg(long, value_name = "FILE", conflicts_with_all = CARD_ONLY, conflicts_with_all = ["data", "digest", "signature"])]
    pub(super) certificate: Option<PathBuf>,
    /// One more public key to try: a file (key, certificate or request; PEM, DER, OpenSSH, JWK), or an EC point in hex
    #[arg(long, value_name = "FILE|POINT")]
    pub(super) pubkey: Vec<String>,
    #[command(flatten)]
    pub(super) facts: Facts,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
    /// The least severity that makes the exit code 1
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    pub(super) fail_on: FailOn,
}

/// What makes sense only for a card that is to sign.
const CARD_ONLY: [&str; 6] = ["key", "all", "min_tries", "pin_file", "use_existing_login", "end_login"];
