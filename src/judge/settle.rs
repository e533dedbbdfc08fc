//! What a baseline decides that files do not: it names the key, so one of two public keys is right.

use crate::baseline::Known;
use crate::case::right_key::for_those_who_know;
use crate::finding::{Deed, Evidence, Finding, How, Id, Remedy, Safety, Side, Unasked};

/// A baseline that names the key decides which public key is right, also against what files say.
pub fn settle(finding: &mut Finding, known: &Known) {
    let (shown, card) = match (finding.id, finding.evidence.first()) {
        (
            Id::PublicKeyUndecided | Id::CertificateKeyMismatch,
            Some(Evidence { file: Some(_), shown, card, .. }),
        ) => {
            let print = |side: &Option<Side>| side.as_ref().and_then(|side| side.public_key.clone());
            (print(shown), print(card))
        }
        _ => return,
    };
    let id = finding.object.as_ref().and_then(|object| object.id.as_ref());
    let baseline = finding.token.as_ref().and_then(|token| known.of(token));
    let keys = baseline.iter().flat_map(|baseline| &baseline.keys);
    let mut named = keys.filter(|key| Some(&key.id) == id).filter_map(|key| key.public_key_sha256.as_ref());
    let Some(named) = named.next() else { return };
    let path = finding.evidence.iter().find_map(|evidence| Some(evidence.file.as_ref()?.path.clone()));
    if Some(named) == card.as_ref() {
        const MOVE: &str = "move the stale entry to the quarantine";
        let mut remedy = if finding.is_in_doubt() {
            for_those_who_know(MOVE, Unasked::ByFlush)
        } else {
            let how = How::FlushEntry(path.unwrap_or_default());
            Remedy::new(MOVE, Deed::Move { how, unasked: Unasked::Never })
        };
        finding.user.iter().for_each(|user| remedy.belongs_to(user));
        finding.summary =
            "OpenSC shows a public key from its cache that is not the card's: the baseline names the one on the card."
                .into();
        "Signatures made here do not verify with the public key shown; certificates made here are invalid."
            .clone_into(&mut finding.consequence);
        (finding.id, finding.severity) = (Id::StalePublicKey, Id::StalePublicKey.severity());
        finding.safety = Safety::Guarded;
        finding.fix = vec![remedy];
    } else if Some(named) == shown.as_ref() && finding.id == Id::PublicKeyUndecided {
        finding.summary =
            "What the card names for the key is another key's: the baseline names the public key that \
                           OpenSC shows from its cache."
                .into();
        "A flush would take the right public key away.".clone_into(&mut finding.consequence);
        finding.id = Id::CertificateKeyMismatch;
        finding.safety = Id::CertificateKeyMismatch.safety();
        finding.fix = vec![Remedy::new("write the right certificate to the card", Deed::WriteCertificate)];
    }
}
