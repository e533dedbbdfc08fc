//! A signature or certificate in files: which key made it? Needs no card; what can be read is asked too.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER_PERMISSIVE;

use crate::audit::{Certificates, Contained, NamedKeys};
use crate::case::attribution::Attribution;
use crate::case::bare_signature::of_signature;
use crate::case::tokens::Tokens;
use crate::crypto::{IN_MEMORY, Signed};
use crate::error::{Error, Exit};
use crate::finding::Finding;
use crate::format::bare;
use crate::format::container::{self, Container};
use crate::format::given::{MAX_STRUCTURES, parts};
use crate::format::key::PublicKey;
use crate::format::x509;
use crate::judge;
use crate::rules::signature::signed_by_other_key;
use crate::safe_fs::{open_named, read_named};
use crate::snapshot::{Gap, GapKind, Snapshot};
use crate::text::escape;
use crate::verdict::Verdict;

/// The largest signature or certificate.
const LARGEST_PROOF: u64 = 1 << 20;

/// What is to be attributed to a key, as it was named.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What was signed: a file, or its hash in hex.
    pub data: Option<&'a Path>,
    /// See [`Request::data`].
    pub digest: Option<&'a str>,
    /// The signature over it.
    pub signature: Option<&'a Path>,
    /// Or certificates and requests, which say themselves what was signed.
    pub certificate: Option<&'a Path>,
    /// More public keys to try: files, or points in hex.
    pub public_keys: &'a [String],
}

/// What was read of it.
pub struct Given {
    input: Input,
    keys: NamedKeys,
}

/// Which keys it was.
#[derive(Debug)]
pub struct Attributed {
    /// Each signature, and who made it.
    pub answers: Vec<(String, Attribution)>,
    /// What is wrong with them.
    pub findings: Vec<Finding>,
    /// What is said of the host besides; with everything that could not be decided.
    pub verdict: Verdict,
    /// How the run ends.
    pub exit: Exit,
}

impl Given {
    /// Reads the files that are named.
    ///
    /// # Errors
    /// When one cannot be read, or is not what it should be.
    pub fn read(request: &Request<'_>) -> Result<Self, Error> {
        Ok(Self { keys: NamedKeys::read(request.public_keys)?, input: Input::read(request)? })
    }

    /// Finds the keys that made the signatures, among all that the host and the request know.
    ///
    /// # Errors
    /// When a file that is not held in memory cannot be read any more.
    pub fn attribute(&self, snapshot: &mut Snapshot) -> Result<Attributed, Error> {
        // No card is needed, so none is missing.
        for gap in &mut snapshot.coverage {
            gap.asked_for = false;
        }
        let tokens = judge::tokens(snapshot);
        let answers = self.input.attribute(&tokens, &self.keys)?;
        let named = !self.keys.keys().is_empty();
        let finding = |answer: &Attribution| signed_by_other_key::finding(answer, named);
        let mut verdict = judge::verdict(&tokens);
        let gaps = answers.iter().flat_map(|(what, answer)| {
            let gap = |why: &String| Gap::new(GapKind::Signature, true, what.clone(), why.clone());
            answer.undecided.iter().map(gap)
        });
        verdict.coverage.extend(gaps.chain(self.input.left_out()));
        // Nobody's signature is a finding, unless it may be that of whoever could not be asked.
        let exit = |answer: &Attribution| match answer {
            answer if answer.good => Exit::Clean,
            answer if finding(answer).is_some() || !answer.is_open() => Exit::Findings,
            _ => Exit::NotRead,
        };
        let exits: Vec<Exit> = answers.iter().map(|(_, answer)| exit(answer)).collect();
        let left_out = self.input.left_out().any(|gap| gap.asked_for);
        let exit = match exits {
            exits if exits.contains(&Exit::Findings) => Exit::Findings,
            exits if left_out || exits.contains(&Exit::NotRead) => Exit::NotRead,
            _ => Exit::Clean,
        };
        let findings = answers.iter().filter_map(|(_, answer)| finding(answer)).collect();
        Ok(Attributed { answers, findings, verdict, exit })
    }
}

enum Input {
    /// What was signed, and what the signature may be.
    Data(String, Vec<u8>, Vec<Vec<u8>>),
    /// One that is not held in memory.
    Large(String, PathBuf, File, Vec<Vec<u8>>),
    Digest(String, Vec<u8>, Vec<Vec<u8>>),
    /// What says itself how it was signed, and by whom.
    Contained(String, Contained, File),
    /// The name of the file, the certificates and requests in it, the names of what else is in it, what may
    /// have been one and could not be read, and whether that is all.
    Certificates {
        name: String,
        found: Vec<Vec<u8>>,
        others: Vec<String>,
        missing: Vec<String>,
        is_all: bool,
    },
}

impl Input {
    fn read(request: &Request<'_>) -> Result<Self, Error> {
        if let Some(path) = request.certificate {
            return Self::certificates(shown(path), &read(path, LARGEST_PROOF)?);
        }
        let Some(path) = request.signature else {
            return Err(Error::Usage("--data and --digest need --signature FILE".to_owned()));
        };
        if let Some(data) = request.data {
            open_named(data).map_err(|source| read_error(data, source))?;
        }
        let content = read(path, LARGEST_PROOF)?;
        let refused = |what: &str| {
            Error::Usage(format!(
                "--signature {} is {what}: what is checked here is a bare signature (DER, r||s or RSA), and with --data \
                 one in CMS (PKCS#7) or of OpenSSH",
                shown(path)
            ))
        };
        if let Some(data) = request.data
            && let Some(contained) = Contained::read(&content).map_err(refused)?
        {
            let file = open_named(data).map_err(|source| read_error(data, source))?;
            return Ok(Self::Contained(format!("signature {}", shown(path)), contained, file));
        }
        let signature = bare::signature(&content).map_err(|what| refused(&what))?;
        let what = format!("signature {}", shown(path));
        match (request.data, request.digest) {
            (Some(data), _) => {
                let failed = |source| read_error(data, source);
                let file = open_named(data).map_err(failed)?;
                if file.metadata().map_err(failed)?.len() > IN_MEMORY {
                    return Ok(Self::Large(what, data.to_owned(), file, signature));
                }
                Ok(Self::Data(what, read(data, IN_MEMORY)?, signature))
            }
            (None, Some(digest)) => match HEXLOWER_PERMISSIVE.decode(digest.as_bytes()) {
                Ok(digest) if (1..=64).contains(&digest.len()) => Ok(Self::Digest(what, digest, signature)),
                _ => Err(Error::Usage("--digest takes a hash in hex, at most 64 bytes".to_owned())),
            },
            (None, None) => {
                Err(Error::Usage("--signature needs what was signed: --data FILE or --digest HEX".to_owned()))
            }
        }
    }

    fn certificates(name: String, bytes: &[u8]) -> Result<Self, Error> {
        let (blocks, damaged) = parts(bytes).map_err(|error| Error::Usage(format!("{name} {error}")))?;
        let is_all = blocks.len() + damaged.len() < MAX_STRUCTURES;
        let (mut found, mut others, mut missing) = (Vec::new(), Vec::new(), damaged);
        for block in blocks {
            if x509::decode(&block.contents).is_some() || x509::decode_request(&block.contents).is_ok() {
                found.push(block.contents);
                continue;
            }
            let other = Container::of(&block.contents);
            let of_label = || container::of_label(&block.label).filter(|_| !is_certificate(&block.label));
            match other.or_else(of_label) {
                // What may hold certificates, or should be one.
                Some(other) if other.holds_certificates() => {
                    missing.push(other.to_string());
                }
                Some(other) => others.push(other.to_string()),
                None if is_certificate(&block.label) => {
                    missing
                        .push(format!("a PEM block {} that does not decode", escape(block.label.as_bytes())));
                }
                None if block.label.is_empty() => {
                    missing.push("a structure that is no certificate".to_owned());
                }
                None => others.push(format!("a PEM block {}", escape(block.label.as_bytes()))),
            }
        }
        if found.is_empty() {
            let what = others.first().or_else(|| missing.first().filter(|_| Container::of(bytes).is_none()));
            let what = what.cloned().or_else(|| Container::of(bytes).map(|known| known.to_string()));
            let what = what.map(|what| format!("is {what}: it ")).unwrap_or_default();
            return Err(Error::Usage(format!(
                "{name} {what}is neither a certificate nor a certificate request (PEM or DER)"
            )));
        }
        Ok(Self::Certificates { name, found, others, missing, is_all })
    }

    /// Who made each of them, and what each is called.
    fn attribute(&self, tokens: &Tokens<'_>, named: &NamedKeys) -> Result<Vec<(String, Attribution)>, Error> {
        let given = named.keys();
        Ok(match self {
            Self::Large(what, path, file, signature) => {
                let mut signed = Signed::file(file);
                let answer = of_readings(tokens, given, &signed, signature);
                if let Some(source) = signed.failure() {
                    return Err(read_error(path, source));
                }
                vec![(what.clone(), answer)]
            }
            Self::Data(what, data, signature) => {
                vec![(what.clone(), of_readings(tokens, given, &Signed::message(data), signature))]
            }
            Self::Digest(what, digest, signature) => {
                vec![(what.clone(), of_readings(tokens, given, &Signed::digest(digest), signature))]
            }
            Self::Contained(what, contained, file) => {
                let answers = contained.attribute(tokens, named, file, what);
                answers.into_iter().map(|answer| (what.clone(), answer)).collect()
            }
            Self::Certificates { name, found, .. } => {
                let answers = Certificates::read(found).attribute(tokens, named);
                let what = |index: usize| match found.len() {
                    1 => name.clone(),
                    count => format!("{name}, {} of {count}", index + 1),
                };
                answers.into_iter().enumerate().map(|(index, answer)| (what(index), answer)).collect()
            }
        })
    }

    /// What is in the file and was not judged.
    fn left_out(&self) -> impl Iterator<Item = Gap> {
        let (name, others, missing, is_all) = match self {
            Self::Certificates { name, others, missing, is_all, .. } => {
                (name.as_str(), others.as_slice(), missing.as_slice(), *is_all)
            }
            Self::Data(what, ..)
            | Self::Large(what, ..)
            | Self::Digest(what, ..)
            | Self::Contained(what, ..) => (what.as_str(), &[][..], &[][..], true),
        };
        let gap =
            |why: String, asked_for: bool| Gap::new(GapKind::Signature, asked_for, name.to_owned(), why);
        let others = others.iter().map(move |other| gap(format!("{other} in it was not judged"), false));
        let rest =
            (!is_all).then(|| gap(format!("only its first {MAX_STRUCTURES} structures were judged"), true));
        let missing = missing.iter().map(move |part| gap(format!("{part} in it was not judged"), true));
        others.chain(missing).chain(rest).collect::<Vec<_>>().into_iter()
    }
}

/// Who made the signature, whichever of these it is.
fn of_readings(
    tokens: &Tokens<'_>,
    given: &[(String, PublicKey)],
    signed: &Signed<'_>,
    readings: &[Vec<u8>],
) -> Attribution {
    let mut answers = readings.iter().map(|signature| of_signature(tokens, given, signed, signature));
    let likely = answers.next().unwrap_or_default();
    if likely.made_by.is_some() {
        return likely;
    }
    // What another reading leaves open is not decided by the likelier one.
    let is_better = |other: &Attribution| other.made_by.is_some() || (other.is_open() && !likely.is_open());
    answers.find(is_better).unwrap_or(likely)
}

/// Is a PEM block with this label said to be a certificate or a request?
fn is_certificate(label: &str) -> bool {
    label.contains("CERTIFICATE")
}

/// The whole of a regular file that is not too large.
fn read(path: &Path, largest: u64) -> Result<Vec<u8>, Error> {
    read_named(path, largest).map_err(|source| read_error(path, source))
}

fn read_error(path: &Path, source: std::io::Error) -> Error {
    match source.kind() {
        ErrorKind::FileTooLarge | ErrorKind::InvalidInput => {
            Error::Usage(format!("{}: {source}", shown(path)))
        }
        _ => Error::Io { what: "cannot read", path: path.to_owned(), source },
    }
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}
