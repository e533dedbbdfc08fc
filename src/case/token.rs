//! What every rule looks at: one token, its live view, and the views that
//! programs get through a cache.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::case::cache_view::{CacheView, Discrepancy};
use crate::case::kin::Beside;
use crate::crypto::same_form;
use crate::finding::{
    Evidence, FileEvidence, Finding, Id, ObjectName, Prose, Remedy, Severity, Side, SideState,
};
use crate::format::x509::Certificate;
use crate::opensc::Version;
use crate::snapshot::{CacheDir, CacheEntry, Card, Content, EfPath};
use crate::text::{date, escape, hex, key_reference, rfc3339};
use crate::view::difference::Kind;
use crate::view::inventory::Inventory;
use crate::view::unlisted::Unlisted;
use crate::view::{Class, Layout, Object, View};

/// One token under judgement.
pub struct Case<'a> {
    /// The card as it answered.
    pub card: &'a Card,
    /// Its lists.
    pub inventory: Arc<Inventory<'a>>,
    /// What else was read of the same card.
    pub beside: Beside<'a>,
    /// The lists of that, as far as it has the same serial number.
    pub inventories_beside: Vec<Inventory<'a>>,
    /// Another card of the host has the same name in caches, and other files.
    pub twin: bool,
    /// What is known of cards of its family.
    pub layout: &'static dyn Layout,
    /// Its serial as it stands in cache file names.
    pub serial: &'a str,
    /// The OpenSC that is judged; the newest if none is known.
    pub version: Version,
    /// Who runs stalecard: whose caches may be repaired without further consent.
    pub uid: u32,
    /// What is on the card.
    pub live: Arc<View>,
    /// What else it holds, and OpenSC lists nowhere.
    pub unlisted: Vec<Unlisted>,
    /// The views through caches.
    pub cache_views: Vec<CacheView<'a>>,
}

impl Case<'_> {
    /// Is this file of this token, and not of another application of the same card?
    #[must_use]
    pub fn owns(&self, file: EfPath) -> bool {
        match &self.beside {
            Beside::Beyond(_) => false,
            Beside::Cards(others) => {
                self.layout.is_surely_own(self.card, file) && self.layout.owns(self.card, others, file)
            }
        }
    }

    /// Does another application of the same card with the same serial number list this file?
    #[must_use]
    pub fn is_listed_beside(&self, file: EfPath) -> bool {
        self.inventories_beside.iter().any(|other| other.is_listed(file))
    }

    /// What the card answered for a file.
    #[must_use]
    pub fn on_card(&self, file: EfPath) -> Option<&[u8]> {
        self.card.content(file)
    }

    /// A finding about a difference, with token, object, programs, evidence and
    /// repair filled in.
    #[must_use]
    pub fn finding(
        &self,
        id: Id,
        cache_view: &CacheView<'_>,
        difference: &Discrepancy<'_>,
        summary: impl Into<Prose>,
        consequence: String,
    ) -> Finding {
        let mut finding = Finding::new(id, summary, consequence);
        finding.token = Some(escape(self.serial.as_bytes()));
        finding.program = difference.shown_by.to_vec();
        finding.object = self.object_name(cache_view, difference.live, difference.shown);
        let cause = difference.cause;
        let (mut shown, mut card) = (side(difference.shown), side(difference.live));
        // Attributes that are not in question would only hide what is.
        if !matches!(difference.kind, Kind::Attributes(_) | Kind::Class) {
            shown.attributes.clear();
            card.attributes.clear();
        }
        finding.evidence.push(Evidence {
            first_difference: cause.and_then(|(entry, file)| self.first_difference(entry, file)),
            file: cause.map(|(entry, file)| file_evidence(cache_view.dir, entry, Some(file))),
            shown: Some(shown),
            card: Some(card),
            source: None,
        });
        // What it was shown with is another object's now, or nobody's.
        if let (Kind::Ghost, Some(object)) = (difference.kind, difference.shown) {
            for (file, entry) in cache_view.cached_files(object) {
                let named = cause.is_some_and(|(known, _)| known.name == entry.name);
                let first = self.first_difference(entry, file);
                if !named && (first.is_some() || self.on_card(file).is_none()) {
                    finding.evidence.push(Evidence {
                        first_difference: first,
                        file: Some(file_evidence(cache_view.dir, entry, Some(file))),
                        ..Evidence::default()
                    });
                }
            }
        }
        self.repairable(&mut finding, cache_view.dir);
        finding
    }

    /// Which object it is, by both names it has.
    #[must_use]
    pub fn object_name(
        &self,
        cache_view: &CacheView<'_>,
        live: Option<&Object>,
        shown: Option<&Object>,
    ) -> Option<ObjectName> {
        let (view, object) =
            live.map(|live| (&self.live, live)).or(shown.map(|shown| (&cache_view.shown, shown)))?;
        let id = |object: Option<&Object>| object.filter(|o| !o.id.is_empty()).map(|o| hex(&o.id));
        Some(ObjectName { id: id(live), shown_id: id(shown), ..object_name(view, object) })
    }

    /// A finding about a cache entry as such.
    #[must_use]
    pub fn entry_finding(
        &self,
        id: Id,
        cache_view: &CacheView<'_>,
        entry: &CacheEntry,
        file: Option<EfPath>,
        summary: impl Into<Prose>,
        consequence: String,
    ) -> Finding {
        let mut finding = Finding::new(id, summary, consequence);
        finding.token = Some(escape(self.serial.as_bytes()));
        finding.program.clone_from(&cache_view.programs);
        finding.evidence.push(Evidence {
            first_difference: file.and_then(|file| self.first_difference(entry, file)),
            file: Some(file_evidence(cache_view.dir, entry, file)),
            shown: None,
            card: None,
            source: None,
        });
        self.repairable(&mut finding, cache_view.dir);
        finding
    }

    /// Where a cache entry begins to differ from the card's file.
    #[must_use]
    pub fn first_difference(&self, entry: &CacheEntry, file: EfPath) -> Option<usize> {
        let Content::Bytes(cached) = &entry.content else { return None };
        first_difference(cached.as_slice(), self.on_card(file)?)
    }

    /// Says who may repair it and how.
    pub fn repairable(&self, finding: &mut Finding, dir: &CacheDir) {
        let other = finding
            .evidence
            .iter()
            .filter_map(|evidence| evidence.file.as_ref())
            .any(|file| file.owner != self.uid);
        finding.fix.push(Remedy::flush(format!("move the stale entries of {} to the quarantine", dir.path)));
        if other {
            finding.takes_consent();
        }
    }
}

/// The offset of the first byte in which two contents differ; `None` if they are equal.
#[must_use]
pub fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    (common < a.len() || common < b.len()).then_some(common)
}

/// Is a key used for signing? Only then does a wrong public key make bad signatures.
#[must_use]
pub fn signs(object: Option<&Object>) -> bool {
    // sign, signRecover, nonRepudiation
    const SIGNING: u32 = 1 << 2 | 1 << 3 | 1 << 9;
    object.is_some_and(|object| match object.class {
        Class::PrivateKey { usage, .. } => usage & SIGNING != 0,
        _ => false,
    })
}

/// Severity of a stale key: critical if what it signs will be bad.
#[must_use]
pub fn key_severity(case: &Case<'_>, object: &Object) -> Severity {
    if signs(case.live.private_key_of(object)) { Severity::Critical } else { Severity::Error }
}

/// A key as people name it: by its reference, where the card has one.
#[must_use]
pub fn which_key(view: &View, object: &Object) -> String {
    match view.reference(object) {
        Some(reference) => format!("key reference {}", key_reference(reference)),
        None => format!("key {}", hex(&object.id)),
    }
}

/// A cache entry as evidence.
#[must_use]
pub fn file_evidence(dir: &CacheDir, entry: &CacheEntry, file: Option<EfPath>) -> FileEvidence {
    let sha256 = match &entry.content {
        Content::Bytes(bytes) => Some(hex(&Sha256::digest(bytes.as_slice()))),
        _ => None,
    };
    FileEvidence {
        path: dir.path_of(&entry.name).to_string(),
        directory: dir.path.clone(),
        name: entry.name.bytes().clone(),
        card_file: file.map(|file| file.to_string()),
        inode: entry.inode,
        owner: entry.inode.uid,
        modified: rfc3339(entry.inode.mtime),
        size: entry.inode.size,
        sha256,
    }
}

/// An object of a view by its name.
#[must_use]
pub fn object_name(view: &View, object: &Object) -> ObjectName {
    ObjectName {
        class: object.class.kind(),
        reference: view.reference(object),
        label: escape(&object.label),
        id: (!object.id.is_empty()).then(|| hex(&object.id)),
        shown_id: None,
    }
}

/// A certificate as one side of a comparison.
#[must_use]
pub fn certificate_side(certificate: &Certificate) -> Side {
    Side {
        key: Some(certificate.key.describe()),
        public_key: Some(hex(&same_form(&certificate.key).fingerprint())),
        subject: Some(escape(certificate.subject().as_bytes())),
        certificate_serial: Some(hex(&certificate.serial)),
        valid_from: certificate.validity.map(|(from, _)| rfc3339(from)),
        valid_until: certificate.validity.map(|(_, to)| rfc3339(to)),
        validity: certificate
            .validity
            .map(|(from, to)| Prose::default().moment(from, &date(from)).and(" to ").moment(to, &date(to))),
        ..Side::default()
    }
}

/// One side of a comparison.
#[must_use]
pub fn side(object: Option<&Object>) -> Side {
    let Some(object) = object else {
        return Side::absent();
    };
    let mut side = Side {
        state: Some(SideState::Object(object.class.kind())),
        id: (!object.id.is_empty()).then(|| hex(&object.id)),
        label: Some(escape(&object.label)),
        ..Side::default()
    };
    if let Some(key) = object.public_key() {
        side.key = Some(key.describe());
        side.public_key = Some(hex(&same_form(key).fingerprint()));
    }
    match &object.class {
        Class::Certificate { certificate: Some(certificate), .. } => {
            let Side { state, id, label, key, public_key, .. } = side;
            side = Side { state, id, label, key, public_key, ..certificate_side(certificate) };
        }
        Class::Certificate { certificate: None, .. } => {
            side.state = Some(SideState::Undecodable);
        }
        Class::PrivateKey { key_type, bits, usage, access, flags, .. } => {
            side.attributes = vec![
                format!("{} {bits} bits", key_type.name()),
                format!("usage {usage:#x}, access {access:#x}, flags {flags:#x}"),
            ];
        }
        Class::Data { content: Some(content), .. } => {
            side.attributes =
                vec![format!("{} bytes, SHA-256 {}", content.len(), hex(&Sha256::digest(content)))];
        }
        _ => {}
    }
    side
}
