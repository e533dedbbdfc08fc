//! Other PKCS#11 modules for people: what each lists, and how that stands to what is on the cards.

use super::lines::{BOLD, Page, wrap, wrap_in};
use crate::listing::provided::{OnCard, ProvidedObject, ProvidedState, ProviderListing};

/// What these modules list.
pub fn providers(out: &mut Page<'_>, providers: &[ProviderListing]) {
    for ProviderListing { module, library, tokens, missing } in providers {
        let library = library.as_ref().map(|library| format!(" ({library})")).unwrap_or_default();
        wrap_in(out, BOLD, "", "  ", &format!("PKCS#11 module {module}{library}, without a login"));
        if tokens.is_empty() {
            wrap(out, "  ", "    ", "lists no token");
        }
        for token in tokens {
            let reader =
                if token.reader.is_empty() { String::new() } else { format!(", in {}", token.reader) };
            let what = format!("token \"{}\", serial number {}{reader}", token.label, token.serial);
            wrap(out, "  ", "    ", &what);
            if token.objects.is_empty() {
                wrap(out, "    ", "      ", "no key and no certificate");
            }
            for object in &token.objects {
                let name = format!("{} \"{}\", ID {}", object.class.words(), object.label, id(&object.id));
                wrap(out, "    ", "      ", &name);
                if let Some(key) = &object.key {
                    wrap(out, "      ", "        ", key);
                }
                wrap(out, "      ", "        ", &standing(object));
            }
        }
        for card in missing {
            wrap(out, "  ", "    ", &format!("not listed: {}", on_card(card)));
        }
        out.gap();
    }
}

/// How it stands to what is on the cards.
fn standing(object: &ProvidedObject) -> String {
    let card = object.card.as_ref();
    let told = card.map(on_card).unwrap_or_default();
    match (object.state, card) {
        (ProvidedState::Same, Some(OnCard { id: None, .. })) => {
            "on the card, where OpenSC lists no such object".to_owned()
        }
        (ProvidedState::Same, _) => "the same on the card".to_owned(),
        (ProvidedState::OtherName, _) => {
            format!("the same key under another {}: on the card {told}", object.differs.join(" and "))
        }
        (ProvidedState::OtherCertificate, _) => {
            "another certificate of the same key than the one on the card".to_owned()
        }
        (ProvidedState::Stale, None) => "STALE: it is not on the card; a cache of OpenSC has it".to_owned(),
        (ProvidedState::Stale, Some(_)) => {
            format!("STALE: it is not on the card; a cache of OpenSC has it. There is now {told}")
        }
        (ProvidedState::OtherKey, _) => format!("not the key that has this ID on the card: {told}"),
        (ProvidedState::NotOnCard, _) => "on no card that was read".to_owned(),
        (ProvidedState::NotCompared, _) => "cannot be compared with what is on the cards".to_owned(),
    }
}

fn on_card(card: &OnCard) -> String {
    let label = card.label.as_ref().map(|label| format!(" \"{label}\"")).unwrap_or_default();
    let id = card.id.as_ref().map(|own| format!(", ID {}", id(own))).unwrap_or_default();
    format!("{}{label}{id} (token {})", card.class.words(), card.token)
}

fn id(id: &str) -> &str {
    if id.is_empty() { "none" } else { id }
}
