//! `key-not-listed`: the card holds a key or certificate that no program lists
//!
//! OpenSC finds a key by what describes it, and passes over one that nothing describes without a word: `pkcs15-tool -D`
//! and `pkcs11-tool -O` list nothing, with or without a cache, and programs say "object not found". **It is not lost**: it
//! lies on the card. Do not generate, delete or initialise anything because of it. What is missing depends on the card:
//!
//! - SmartCard-HSM: the key's description (EF C4nn) is empty, missing or damaged, as after an unwrap that was
//!   interrupted. Unwrap the key once more from its backup, or write the description anew. The same holds for
//!   the descriptions of certificates (C8nn) and data (C9nn).
//! - PIV: a key without a certificate, or with one that cannot be read: write its certificate. (Which keys
//!   there are, a YubiKey tells from firmware 5.3 on; of other cards nobody can say.) Or a certificate in a retired slot
//!   (82 to 95) that the key history object (5FC10C) does not count: OpenSC looks at no more than that says,
//!   and most tools that fill such cards do not write it. Write it anew, with the right number.
//! - OpenPGP: a key without a fingerprint, which the program that made the key writes, not the card: OpenSC takes its place for
//!   empty. Write the fingerprint.
//! - PKCS#15 (MyEID, IsoApplet and others): a directory file with an entry that does not decode; OpenSC ends its list there, and
//!   at zeros before 0.26. Or, on a MyEID, the file of a private key that no directory describes, as after a directory was written
//!   back from a stale cache. Write nothing to the card with OpenSC before that is mended: it writes directories back as it shows
//!   them.
//!
//! And a certificate on the card whose bytes are none: PKCS#11 applications list neither it nor any certificate behind it,
//! while `pkcs15-tool` lists all of them.
//!
//! A cache that is older than the damage may have what is missing: then programs of that host go on, and neither `flush`
//! nor `fix` takes it away.
//!
//! Not meant: the device's own keys and certificates, what only the PIN shows, and what OpenSC lists of no card, as AES keys of a
//! SmartCard-HSM. `stalecard show` names these, too.

use crate::case::token::{Case, file_evidence};
use crate::case::unlisted::is_kept;
use crate::crypto::same_form;
use crate::finding::{Deed, Evidence, Finding, Id, ObjectName, Remedy, Side, SideState};
use crate::opensc::program::PKCS11;
use crate::text::{count, escape, hex};
use crate::view::unlisted::{Cure, Unlisted};
use crate::view::{Object, pkcs11};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    for unlisted in &case.unlisted {
        if let Some(cure) = unlisted.cure() {
            sink.push(finding(case, unlisted, cure));
        }
    }
    if let Some((broken, behind)) =
        pkcs11::broken(&case.live).filter(|(one, _)| !case.live.is_unknown(&one.place()))
    {
        sink.push(of_certificates(case, broken, behind.len()));
    }
}

/// One certificate on the card whose bytes are none hides all behind it from applications.
fn of_certificates(case: &Case<'_>, broken: &Object, behind: usize) -> Finding {
    let (label, ef) = (escape(&broken.label), broken.ef);
    let more = match behind {
        0 => String::new(),
        some => format!(", and so not the {} behind it", count(some, "certificate", "certificates")),
    };
    let summary = format!(
        "{PKCS11} does not list the certificate \"{label}\" (EF {ef}){more}: what the card holds in its place is none."
    );
    let consequence = "PKCS#11 applications end their list of certificates there, however sound the others are; pkcs15-tool lists \
                       them.";
    let mut finding = Finding::new(Id::KeyNotListed, summary, consequence.to_owned());
    finding.token = Some(escape(case.serial.as_bytes()));
    let state = Some(SideState::WithoutContent);
    finding.evidence.push(Evidence { card: Some(Side { state, ..Side::default() }), ..Evidence::default() });
    finding.object = Some(ObjectName {
        class: broken.class.kind(),
        reference: None,
        label,
        id: Some(hex(&broken.id)).filter(|id| !id.is_empty()),
        shown_id: None,
    });
    finding.fix.push(Remedy::by_hand(
        "write the certificate to the card once more, or delete it there if nobody misses it",
    ));
    finding
}

fn finding(case: &Case<'_>, unlisted: &Unlisted, cure: &Cure) -> Finding {
    let Unlisted { class, what, why, .. } = unlisted;
    let mut finding = Finding::new(Id::KeyNotListed, String::new(), String::new());
    finding.token = Some(escape(case.serial.as_bytes()));
    let mut label = String::new();
    finding.evidence.push(Evidence { card: Some(side(unlisted)), ..Evidence::default() });
    for cache_view in case.cache_views.iter().filter(|cache_view| !cache_view.is_former()) {
        let shown = cache_view
            .shown
            .of_ef(unlisted.ef)
            .filter(|shown| is_kept(&case.unlisted, &case.live, &cache_view.shown, shown));
        for object in shown {
            if label.is_empty() {
                label = escape(&object.label);
            }
            for (file, entry) in cache_view.cached_files(object) {
                let file = file_evidence(cache_view.dir, entry, Some(file));
                let is_known =
                    |known: &Evidence| known.file.as_ref().is_some_and(|one| one.path == file.path);
                if !finding.evidence.iter().any(is_known) {
                    finding.evidence.push(Evidence { file: Some(file), ..Evidence::default() });
                }
            }
            let new = cache_view.programs.iter().filter(|name| !finding.program.contains(name));
            let new: Vec<String> = new.cloned().collect();
            finding.program.extend(new);
        }
    }
    let is_kept = finding.evidence.iter().any(|evidence| evidence.file.is_some());
    let listed = match (is_kept, finding.program.as_slice()) {
        (true, []) | (false, _) => "No program lists".to_owned(),
        (true, programs) => format!("Only from a cache {} can list", programs.join(" and ")),
    };
    finding.summary = format!("{listed} {what}: {why}.").into();
    finding.consequence = if is_kept {
        "It is not lost. Programs without this cache do not see it, and here a flush would take away what is missing on the \
         card: neither flush nor fix does."
    } else {
        "It is not lost, and lies on the card. Programs behave as if it did not exist."
    }
    .to_owned();
    finding.object =
        Some(ObjectName { class: *class, reference: unlisted.reference, label, id: None, shown_id: None });
    let deed = if is_kept { Deed::Restore } else { Deed::ByHand };
    finding.fix.push(Remedy::new(cure.what.clone(), deed));
    finding
}

fn side(unlisted: &Unlisted) -> Side {
    Side {
        state: Some(SideState::NotListed(unlisted.class)),
        key: unlisted.key.as_ref().map(crate::format::key::PublicKey::describe),
        public_key: unlisted.key.as_ref().map(|key| hex(&same_form(key).fingerprint())),
        ..Side::default()
    }
}
