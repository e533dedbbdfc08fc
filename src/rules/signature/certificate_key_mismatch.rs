//! `certificate-key-mismatch`: a certificate on the card is not its private key's
//!
//! A certificate carries the ID of a private key, and programs pair the two by that ID, but
//! the public key in it is another one. Proven either by a fresh signature (`stalecard
//! verify`), which the certificate does not verify; or without a PIN, because the key's own
//! request on the card names another public key and holds a valid proof of possession, because
//! kind or size of the keys differ, or because a cache on this host has the right public key still: the one whose
//! hash the key's ID is, with or without the request that proved possession of it. Then do not flush that cache:
//! neither `flush` nor `fix` does.
//!
//! Or the key's own public key on the card, which OpenPGP cards work out themselves, contradicts the certificate: then one of
//! both is another key's, and it says which, if anything tells.
//!
//! What you see: TLS handshakes and signatures that fail although the cache is fresh;
//! a listing that looks right.
//!
//! How it comes about: a certificate was written with the ID of the wrong key, or the key
//! was generated anew and its old certificate left in place. On a SmartCard-HSM writing a
//! certificate also replaces the request, and with it the only proof which key it was.
//!
//! Cure: only a person can decide: write the right certificate over it (`pkcs11-tool
//! --login --write-object FILE --type cert --id ID`, or the tool that fills such cards, as
//! yubico-piv-tool), or have one issued.

use std::collections::BTreeSet;

use crate::case::cache_view::CacheView;
use crate::case::dispute::Right;
use crate::case::possession::{Device, Possession, possession};
use crate::case::proofs::{fits, is_certificate, made, named_by_card, trial_of};
use crate::case::right_key::{is_id_of, leading};
use crate::case::token::{Case, object_name, side, which_key};
use crate::crypto::same_form;
use crate::finding::{Deed, Evidence, Finding, Id, Remedy};
use crate::format::key::PublicKey;
use crate::format::pkcs15::KeyType;
use crate::snapshot::TrialOutcome;
use crate::text::{escape, hex, shell_word};
use crate::view::{Class, Object, Place};

/// Applies the rule to one token.
pub fn apply(case: &Case<'_>, sink: &mut Vec<Finding>) {
    let mut told: BTreeSet<(Place, Option<PublicKey>)> = BTreeSet::new();
    for cache_view in case.cache_views.iter().filter(|cache_view| !cache_view.is_former()) {
        by_cache(case, cache_view, &mut told, sink);
    }
    for key in case.live.private_keys() {
        for certificate in named_by_card(case, key).filter(|object| is_certificate(object)) {
            if told.contains(&(key.place(), certificate.public_key().cloned())) {
                continue;
            }
            let finding = match mismatch(case, key, certificate) {
                Some((proven, other)) => {
                    let summary =
                        format!("The certificate with ID {} is another key's: {proven}.", hex(&key.id));
                    let consequence = "Programs take it for this key's: what they sign does not verify with it, and TLS fails.";
                    let mut finding = on_card(case, key, certificate, summary, consequence, other);
                    finding.fix.push(write_it(key));
                    finding
                }
                None => match contradiction(case, key, certificate) {
                    Some(finding) => finding,
                    None => continue,
                },
            };
            sink.push(finding);
        }
    }
}

/// A finding about a certificate and its key on the card, whatever any cache holds.
fn on_card(
    case: &Case<'_>,
    key: &Object,
    certificate: &Object,
    summary: String,
    consequence: &str,
    own: Option<String>,
) -> Finding {
    let mut finding = Finding::new(Id::CertificateKeyMismatch, summary, consequence.to_owned());
    finding.token = Some(escape(case.serial.as_bytes()));
    finding.object = Some(object_name(&case.live, key));
    let mut card = side(Some(certificate));
    card.attributes.extend(own.map(|own| format!("the key's own fingerprint is {own}")));
    finding.evidence.push(Evidence { card: Some(card), ..Evidence::default() });
    finding
}

/// The key's own public key on the card and a certificate with its ID name two keys, and nothing proves the certificate
/// wrong: what can be said all the same.
fn contradiction(case: &Case<'_>, key: &Object, certificate: &Object) -> Option<Finding> {
    let has_signed =
        trial_of(case, key).is_some_and(|trial| matches!(trial.outcome, TrialOutcome::Signed(_)));
    let own = own_public(case, key)?;
    let (public, named) = (own.public_key()?, certificate.public_key()?);
    if has_signed || same_form(public) == same_form(named) {
        return None;
    }
    let id = hex(&key.id);
    let is_own_wrong = is_id_of(key, named);
    let summary = if is_own_wrong {
        format!(
            "The public key with ID {id} on the card is another key's than the certificate's, of which the key's ID is the \
             hash."
        )
    } else {
        format!(
            "The public key and the certificate with ID {id} on the card contradict each other: one of them is another \
             key's, and no file tells which."
        )
    };
    let consequence = "Programs take both for this key's: what they sign does not verify with one of them, and TLS may fail.";
    let mut finding = on_card(case, key, certificate, summary, consequence, None);
    finding.evidence.push(Evidence { card: Some(side(Some(own))), ..Evidence::default() });
    finding.fix.push(prove_it(case));
    if !is_own_wrong {
        finding.fix.push(Remedy::by_hand(format!("then {}", write_it(key).what)));
    }
    Some(finding)
}

/// The key's own public key on the card, that is no certificate.
fn own_public<'a>(case: &'a Case<'_>, key: &'a Object) -> Option<&'a Object> {
    named_by_card(case, key).find(|object| !is_certificate(object))
}

fn prove_it(case: &Case<'_>) -> Remedy {
    let what = "to have it proved, have the key sign, which takes the PIN";
    Remedy::new(what, Deed::Prove(escape(case.serial.as_bytes())))
}

fn write_it(key: &Object) -> Remedy {
    let what = format!(
        "write the right certificate: pkcs11-tool --login --write-object FILE --type cert --id {} (or \
         the tool that fills such cards)",
        shell_word(&hex(&key.id))
    );
    Remedy::new(what, Deed::WriteCertificate)
}

/// What a cache proves: it names the key's own public key, and the card another one.
fn by_cache(
    case: &Case<'_>,
    cache_view: &CacheView<'_>,
    told: &mut BTreeSet<(Place, Option<PublicKey>)>,
    sink: &mut Vec<Finding>,
) {
    let mut seen = BTreeSet::new();
    for difference in cache_view.discrepancies() {
        let Some(Right::Cache(why)) = difference.right() else { continue };
        let (Some(live), cause) = (difference.live, difference.entry().map(|entry| &entry.name)) else {
            continue;
        };
        let Some(key) = case.live.private_key_of(live).filter(|_| !seen.contains(&cause)) else { continue };
        // A public key that a signature refutes is `signature-fails-with-live-key`.
        let has_signed = || trial_of(case, key).is_some_and(|t| matches!(t.outcome, TrialOutcome::Signed(_)));
        if !is_certificate(live) && has_signed() {
            continue;
        }
        seen.insert(cause);
        told.insert((key.place(), live.public_key().cloned()));
        let (what, consequence) = if cache_view.in_use() {
            let consequence = "What is signed here verifies with the public key that OpenSC shows from its cache, and \
                               with no fresh cache any more. A flush would take the right public key away.";
            (live.class.name(), consequence)
        } else {
            let consequence = "What programs sign does not verify with the public key that they show. The right one is in a \
                               cache that no program reads today: do not flush that before it is saved.";
            (live.class.name(), consequence)
        };
        let mut finding = leading(
            case,
            cache_view,
            Id::CertificateKeyMismatch,
            &difference,
            format!("The {what} with ID {} on the card is another key's: {why}.", hex(&key.id)),
            consequence.to_owned(),
        );
        finding.object = Some(object_name(&case.live, key));
        finding.fix.push(write_it(key));
        finding.fix.push(prove_it(case));
        sink.push(finding);
    }
}

/// Why a certificate is not this key's, and the fingerprint of the key's own, if it is known.
fn mismatch(case: &Case<'_>, key: &Object, certificate: &Object) -> Option<(String, Option<String>)> {
    let Class::PrivateKey { key_type, bits, .. } = key.class else { return None };
    let name = which_key(&case.live, key);
    let public = certificate.public_key()?;
    let print = |key: &PublicKey| hex(&same_form(key).fingerprint());
    let own = own_public(case, key).and_then(Object::public_key);
    // A fresh signature is the last word, in either direction.
    let trial = trial_of(case, key);
    if let Some(TrialOutcome::Signed(signature)) = trial.map(|trial| &trial.outcome) {
        let fits = |public| trial.and_then(|trial| fits(public, trial, signature.as_slice()));
        let noun = trial.map_or("A signature", made).replacen('A', "a", 1);
        let why = format!("{noun} that {name} made just now does not verify with it");
        let others = fits(public) == Some(false);
        return others.then(|| (why, own.filter(|own| fits(own) == Some(true)).map(print)));
    }
    if let Some(own) = own.filter(|own| same_form(own) != same_form(public))
        && matches!(
            possession(case, Device::of(case).as_ref(), key),
            Possession::Here | Possession::Elsewhere(_)
        )
    {
        let why = format!("{name} has proved possession of another one");
        return Some((why, Some(print(own))));
    }
    if let Some(own) = own.filter(|own| same_form(own) != same_form(public)) {
        if case.layout.computes_public_keys() {
            let why = format!("the card works out the public key of {name} itself, and it is another one");
            return Some((why, Some(print(own))));
        }
        if is_id_of(key, own) && !is_id_of(key, public) {
            let why = format!(
                "the ID of {name} is the hash of its own public key on the card, which is another one"
            );
            return Some((why, Some(print(own))));
        }
    }
    let kind = match public {
        PublicKey::Rsa { .. } => KeyType::Rsa,
        PublicKey::Ec { .. } => KeyType::Ec,
        PublicKey::Other(_) => return None,
    };
    let same = |bits: usize| bits.next_multiple_of(8);
    let size = usize::try_from(bits).ok().filter(|&bits| bits > 0)?;
    (kind != key_type || same(size) != same(public.bits())).then(|| {
        let why =
            format!("it is for {}, and {name} is {} with {bits} bits", public.describe(), key_type.name());
        (why, None)
    })
}
