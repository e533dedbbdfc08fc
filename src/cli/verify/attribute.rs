//! A signature or certificate in files: which key made it? Needs no card; what can be read is asked too.

use std::io::Read;
use std::path::Path;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde_json::json;

use super::Args;
use crate::cli::args::Format;
use crate::cli::output;
use crate::crypto::{Signed, given};
use crate::error::{Error, Exit};
use crate::format::given::structures;
use crate::format::key::PublicKey;
use crate::report::{human, json::Document, json::SCHEMA, proofs};
use crate::rules::judge;
use crate::rules::signed_by_other_key::{self, Attribution};
use crate::snapshot::Snapshot;
use crate::text::escape;

/// The largest file whose signature is checked, and the largest signature or certificate.
const LARGEST_DATA: u64 = 1 << 30;
const LARGEST_PROOF: u64 = 1 << 20;

pub fn run(args: &Args) -> Result<Exit, Error> {
    let given = args.pubkey.iter().map(|what| public_key(what)).collect::<Result<Vec<_>, _>>()?;
    let input = Input::read(args)?;
    let mut snapshot = args.facts.look(false)?;
    // No card is needed, so none is missing.
    for gap in &mut snapshot.coverage {
        gap.asked_for = false;
    }
    let attribution = input.attribute(&snapshot, &given)?;
    let findings: Vec<_> =
        signed_by_other_key::finding(&attribution, !given.is_empty()).into_iter().collect();
    let verdict = judge(&snapshot);
    match args.format {
        Format::Human => {
            let mut text = proofs::attribution(&attribution);
            text.push('\n');
            human::findings(&mut text, &findings, false);
            human::coverage(&mut text, &snapshot.coverage);
            output::print(&text)?;
        }
        Format::Json => {
            let document = Document {
                schema: SCHEMA,
                command: "verify",
                changed: false,
                host: &snapshot.host,
                tokens: &verdict.tokens,
                programs: &verdict.programs,
                findings: &findings,
                coverage: &verdict.coverage,
            };
            output::print_json(&document.with(json!({ "attribution": attribution })))?;
        }
    }
    Ok(match (attribution.good, &attribution.issuer) {
        (true, _) => Exit::Clean,
        // Whoever issued it is not here to be asked.
        (false, Some(_)) => Exit::NotRead,
        (false, None) => Exit::Findings,
    })
}

enum Input {
    Data(Vec<u8>, Vec<u8>),
    Digest(Vec<u8>, Vec<u8>),
    Certificate(String, Vec<u8>),
}

impl Input {
    fn read(args: &Args) -> Result<Self, Error> {
        if let Some(path) = &args.certificate {
            return Ok(Self::Certificate(shown(path), read(path, LARGEST_PROOF)?));
        }
        let Some(path) = &args.signature else {
            return Err(Error::Usage("--data and --digest need --signature FILE".to_owned()));
        };
        let signature = signature(read(path, LARGEST_PROOF)?);
        match (&args.data, &args.digest) {
            (Some(data), _) => Ok(Self::Data(read(data, LARGEST_DATA)?, signature)),
            (None, Some(digest)) => match HEXLOWER_PERMISSIVE.decode(digest.as_bytes()) {
                Ok(digest) if (1..=64).contains(&digest.len()) => Ok(Self::Digest(digest, signature)),
                _ => Err(Error::Usage("--digest takes a hash in hex, at most 64 bytes".to_owned())),
            },
            (None, None) => {
                Err(Error::Usage("--signature needs what was signed: --data FILE or --digest HEX".to_owned()))
            }
        }
    }

    fn attribute(&self, snapshot: &Snapshot, given: &[(String, PublicKey)]) -> Result<Attribution, Error> {
        Ok(match self {
            Self::Data(data, signature) => {
                signed_by_other_key::of_signature(snapshot, given, &Signed::message(data), signature)
            }
            Self::Digest(digest, signature) => {
                signed_by_other_key::of_signature(snapshot, given, &Signed::digest(digest), signature)
            }
            Self::Certificate(name, bytes) => {
                let blocks = structures(bytes).map_err(|error| Error::Usage(format!("{name} {error}")))?;
                let found = blocks
                    .iter()
                    .find_map(|block| signed_by_other_key::of_certificate(snapshot, given, &block.contents));
                found.ok_or_else(|| {
                    Error::Usage(format!(
                        "{name} is neither a certificate nor a certificate request (PEM or DER)"
                    ))
                })?
            }
        })
    }
}

/// Bytes as they are, or as hex or base64 digits with blanks and line breaks.
fn signature(bytes: Vec<u8>) -> Vec<u8> {
    let digits: Vec<u8> =
        bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != b':').collect();
    let text = !digits.is_empty() && digits.iter().all(u8::is_ascii_graphic);
    let decoded =
        text.then(|| HEXLOWER_PERMISSIVE.decode(&digits).ok().or_else(|| BASE64.decode(&digits).ok()));
    decoded.flatten().unwrap_or(bytes)
}

/// A key as it was named, with its name.
fn public_key(what: &str) -> Result<(String, PublicKey), Error> {
    let failed = |error: given::Error| Error::Usage(format!("--pubkey {} {error}", escape(what.as_bytes())));
    let path = Path::new(what);
    let key = if path.exists() {
        given::public_key(&read(path, LARGEST_PROOF)?, None).map_err(failed)?
    } else if what.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':') {
        given::public_key(what.as_bytes(), None).map_err(failed)?
    } else {
        return Err(Error::Usage(format!(
            "--pubkey {}: no such file, and no point in hex",
            escape(what.as_bytes())
        )));
    };
    let short = if what.len() > 80 { what.get(..80).map(|start| format!("{start}…")) } else { None };
    Ok((short.unwrap_or_else(|| what.to_owned()), key))
}

/// The whole of a file that is not too large.
fn read(path: &Path, largest: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Io { what: "cannot read", path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > largest {
        return Err(Error::Usage(format!("{} is larger than {largest} bytes", shown(path))));
    }
    Ok(bytes)
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}
