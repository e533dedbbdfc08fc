//! What is kept of an audit: numbers of all, and of what is not sound one record each.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use super::artefact::{About, Artefact, Kind, Name};
use super::files::Came;
use super::judgement::Judgement;
use crate::case::attribution::Verdict;
use crate::format::ca_index::State;
use crate::format::x509::{canonical_name, is_one_line};
use crate::text::escape;

/// Records that are kept; of more only the number is known.
const MOST_RECORDS: usize = 100_000;
/// Reasons of one kind that are told one by one.
const MOST_REASONS: usize = 1_000;
/// Files in which CAs have noted certificates.
const MOST_INDEXES: usize = 1_000;
/// Certificates that CAs have noted.
const MOST_NOTED: usize = 1_000_000;
/// Of them those with one serial number and one end of validity.
const MOST_ALIKE: usize = 16;
/// Holders whose newest sound certificate is remembered.
const MOST_HOLDERS: usize = 1_000_000;

/// An artefact that is not sound.
#[derive(Debug, Clone)]
pub struct Record {
    /// The file.
    pub file: String,
    /// Which of its artefacts.
    pub place: usize,
    /// What it is.
    pub kind: Kind,
    /// By which it is told from others.
    pub digest: [u8; 16],
    /// What people know it by.
    pub about: About,
    /// What came of it.
    pub judgement: Judgement,
    /// What its CA has noted of it.
    pub state: Option<State>,
}

/// Why something could not be looked at, how often, and the first of them.
#[derive(Debug, Clone)]
pub struct Open {
    /// How many.
    pub count: usize,
    /// The first.
    pub first: String,
}

/// A certificate that a CA has noted.
#[derive(Debug)]
pub struct Noted {
    /// What it has noted.
    pub state: State,
    /// Its subject, as it is written.
    pub subject: Vec<u8>,
    /// Where it is noted. Escaped.
    pub index: Arc<str>,
    /// Was it among the files?
    pub is_here: bool,
}

/// What is kept of an audit.
#[derive(Debug, Default)]
pub struct Tally {
    /// Files that were read.
    pub files: usize,
    /// Files in which nothing is signed.
    pub others: usize,
    /// Links that were not followed.
    pub links: usize,
    /// What was not opened because it is no file.
    pub special: usize,
    /// Folders on file systems that the kernel makes up, which were not entered.
    pub kernels: usize,
    /// Files that were not changed since.
    pub older: usize,
    /// Large files that do not begin like anything signed.
    pub passed: usize,
    /// How many of each kind came to what.
    pub counts: BTreeMap<(Kind, Verdict), usize>,
    /// What was met again.
    pub again: usize,
    /// What is not sound.
    pub records: Vec<Record>,
    /// Bad ones whose records were not kept.
    pub lost: usize,
    /// Of the files of these records those that hold other artefacts, too.
    pub crowded: HashSet<String>,
    /// What could not be looked at, by reason.
    pub open: BTreeMap<String, Open>,
    /// What is not opened, by name.
    pub not_opened: BTreeMap<&'static str, usize>,
    /// What CAs have noted, by serial number and end of validity: several, where CAs count alike.
    pub noted: HashMap<(Vec<u8>, i64), Vec<Noted>>,
    /// The files in which they are noted.
    indexes: Vec<Arc<str>>,
    /// When the newest sound certificate of each holder was made, by holder and issuer.
    holders: HashMap<u64, i64>,
    /// Were there more than are remembered?
    pub is_full: Full,
    /// What the time is, Unix seconds.
    now: i64,
}

/// Of what there was more than is remembered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Full {
    /// What CAs have noted: some of it counts for nothing.
    pub noted: bool,
    /// Holders of sound certificates: what they replace is not told.
    pub holders: bool,
}

impl Tally {
    /// Nothing yet. `now`: Unix seconds.
    pub fn new(now: i64) -> Self {
        Self { now, ..Self::default() }
    }

    /// What came of a file.
    pub fn came(&mut self, file: &str, came: Came) {
        match came {
            Came::Read => self.files += 1,
            Came::Special => self.special += 1,
            Came::Link => self.links += 1,
            Came::Kernels => self.kernels += 1,
            Came::Older => self.older += 1,
            Came::Passed => self.passed += 1,
            Came::Failed(why) => self.not_computed(file, &why),
        }
    }

    /// Something could not be looked at.
    pub fn not_computed(&mut self, what: &str, why: &str) {
        let is_known = self.open.contains_key(why);
        let why = if is_known || self.open.len() < MOST_REASONS { why } else { "for other reasons" };
        match self.open.get_mut(why) {
            Some(open) => open.count += 1,
            None => drop(self.open.insert(why.to_owned(), Open { count: 1, first: what.to_owned() })),
        }
    }

    /// Something is not opened.
    pub fn not_opened(&mut self, what: &'static str) {
        *self.not_opened.entry(what).or_default() += 1;
    }

    /// Something is known, and not signed.
    pub fn other(&mut self) {
        self.others += 1;
    }

    /// A CA has noted a certificate.
    pub fn noted(&mut self, serial: Vec<u8>, until: i64, state: State, subject: &[u8], index: Option<&Path>) {
        let index = index.map(|path| escape(path.as_os_str().as_encoded_bytes())).unwrap_or_default();
        let place = self.indexes.iter().position(|known| **known == index);
        let index = match place.and_then(|place| self.indexes.get(place)) {
            Some(known) => Arc::clone(known),
            None if self.indexes.len() >= MOST_INDEXES => {
                self.is_full.noted = true;
                return;
            }
            None => {
                let index: Arc<str> = index.into();
                self.indexes.push(Arc::clone(&index));
                index
            }
        };
        let subject = subject.to_vec();
        let is_full = self.noted.len() >= MOST_NOTED;
        let noted = self.noted.entry((serial, until)).or_default();
        let count = noted.len();
        match noted.iter_mut().find(|noted| noted.subject == subject) {
            // An older copy beside it (index.txt.old) has what was revoked since as valid.
            Some(same) if state > same.state => {
                *same = Noted { state, subject, index, is_here: same.is_here }
            }
            Some(same) if state == same.state && index < same.index => same.index = index,
            None if !is_full && count < MOST_ALIKE => {
                noted.push(Noted { state, subject, index, is_here: false });
            }
            None => self.is_full.noted = true,
            Some(_) => {}
        }
    }

    /// What its CA has noted of a certificate, which is here.
    fn state(&mut self, artefact: &Artefact) -> Option<State> {
        let is_certificate =
            matches!(artefact.kind, Kind::CaCertificate | Kind::OcspSigner | Kind::Certificate);
        if self.noted.is_empty() || !is_certificate {
            return None;
        }
        let serial = crate::format::curve::significant(artefact.about.serial.as_deref()?).to_vec();
        let Some(Name::Distinguished(subject)) = &artefact.about.subject else { return None };
        let noted = self.noted.get_mut(&(serial, artefact.about.until?))?;
        // Other CAs count alike: what they have noted is about somebody else.
        let same = noted.iter_mut().filter(|noted| is_one_line(subject, &noted.subject));
        same.map(|noted| {
            noted.is_here = true;
            noted.state
        })
        .min()
    }

    /// An artefact that was sound is there again.
    pub fn again(&mut self, artefact: &Artefact) {
        self.again += 1;
        let _ = self.state(artefact);
    }

    /// There is more than one artefact in this file.
    pub fn crowded(&mut self, file: &str) {
        if self.crowded.len() < MOST_RECORDS {
            self.crowded.insert(file.to_owned());
        }
    }

    /// An artefact was judged. Is a record of it kept?
    pub fn judged(&mut self, file: &str, place: usize, artefact: &Artefact, judgement: Judgement) -> bool {
        let state = self.state(artefact);
        *self.counts.entry((artefact.kind, judgement.verdict)).or_default() += 1;
        let is_kept = match judgement.verdict {
            Verdict::Sound => {
                // What is revoked or has run out is in nobody's place.
                let is_over = artefact.about.until.is_some_and(|until| until < self.now);
                if state != Some(State::Revoked) && !is_over {
                    self.remember(artefact);
                }
                return false;
            }
            Verdict::IssuerNotKnown => return false,
            Verdict::NotDecided
            | Verdict::SoundUnderAnotherCertificate
            | Verdict::Invalid
            | Verdict::MadeByAnotherKey => self.records.len() < MOST_RECORDS,
        };
        if !is_kept {
            self.lost += usize::from(judgement.verdict.is_bad());
            if judgement.verdict == Verdict::NotDecided {
                let why = judgement.why.as_ref().map(ToString::to_string).unwrap_or_default();
                self.not_computed(file, &why);
            }
            return false;
        }
        self.records.push(Record {
            file: file.to_owned(),
            place,
            kind: artefact.kind,
            digest: artefact.digest,
            about: artefact.about.clone(),
            judgement,
            state,
        });
        true
    }

    fn remember(&mut self, artefact: &Artefact) {
        if let (Some(holder), Some(made)) = (holder(artefact.kind, &artefact.about), artefact.about.made) {
            if self.holders.len() >= MOST_HOLDERS && !self.holders.contains_key(&holder) {
                self.is_full.holders = true;
                return;
            }
            let newest = self.holders.entry(holder).or_insert(made);
            *newest = made.max(*newest);
        }
    }

    /// Is there a sound one of the same holder and issuer, for the same, that is as new or newer?
    #[must_use]
    pub fn is_replaced(&self, record: &Record) -> bool {
        let newest = holder(record.kind, &record.about).and_then(|holder| self.holders.get(&holder));
        newest.zip(record.about.made).is_some_and(|(newest, made)| *newest >= made)
    }
}

/// Whose it is, what for, and whose signature it should have, in one number.
fn holder(kind: Kind, about: &About) -> Option<u64> {
    let name = |name: &Option<Name>| match name {
        Some(Name::Distinguished(der)) => canonical_name(der),
        Some(Name::Text(text)) => text.clone(),
        None => Vec::new(),
    };
    let is_of_somebody = match kind {
        Kind::CaCertificate
        | Kind::RevocationList
        | Kind::OcspSigner
        | Kind::OcspResponse
        | Kind::Certificate
        | Kind::SshCertificate
        | Kind::CvCertificate => true,
        Kind::Request
        | Kind::CvRequest
        | Kind::SignedData
        | Kind::TimeStamp
        | Kind::Jws
        | Kind::SshSignature => false,
    };
    is_of_somebody.then(|| {
        let mut hasher = DefaultHasher::new();
        (kind, name(&about.issuer), name(&about.subject), &about.scope).hash(&mut hasher);
        hasher.finish()
    })
}
