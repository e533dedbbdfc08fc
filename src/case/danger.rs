//! What not to do, where doing it destroys something. A warning that stands everywhere warns of nothing, so there is one
//! place that says it, and mostly it says nothing.

use crate::case::cache_view::{CacheView, Discrepancy};
use crate::case::token::Case;
use crate::finding::Danger;
use crate::text::{escape, hex};
use crate::view::{Class, Object, Part};

/// Whoever deletes or re-initialises by an ID that is shown and is another key's now loses that one. No danger where the
/// ID is the same, where there is none, or where it belongs to the place and not to the key.
#[must_use]
pub fn of_id(shown: &str, live: &str, which: &str) -> Option<Danger> {
    (!shown.is_empty() && !live.is_empty() && shown != live).then(|| Danger {
        text: format!(
            "Do not delete or re-initialise by ID {shown}: it names {which}, whose live key is {live}."
        ),
        brief: "Do not delete by the ID shown: that would hit the new key.".to_owned(),
    })
}

/// The same for an object that is shown, and the one on the card that its ID stands for.
#[must_use]
pub fn of_deleting(
    case: &Case<'_>,
    cache_view: &CacheView<'_>,
    shown: &Object,
    live: &Object,
    which: &str,
) -> Option<Danger> {
    let danger = of_id(&hex(&shown.id), &hex(&live.id), which).filter(|_| case.layout.keeps_ids())?;
    // Then the ID of the card hits another key here, as well.
    let brief = "Delete by no ID before the flush: here IDs name other keys.";
    Some(if cache_view.mixes_ids() { Danger { brief: brief.to_owned(), ..danger } } else { danger })
}

/// The same for a certificate or data object of its own EF, in which the card has another one by now: whoever deletes it
/// by the ID, or by the label if it has no other name, loses that. No danger where both sides have the same content.
#[must_use]
pub fn of_deleting_object(case: &Case<'_>, difference: &Discrepancy<'_>) -> Option<Danger> {
    let (shown, live) = difference.shown.zip(difference.live)?;
    if difference.place.part != Part::Whole || !case.layout.keeps_ids() {
        return None;
    }
    let ef = difference.place.ef;
    match (&shown.class, &live.class) {
        (Class::Certificate { certificate: old, .. }, Class::Certificate { certificate: new, .. }) => {
            let name = |object: &Object| Some(hex(&object.id)).filter(|id| !id.is_empty());
            let (shown, live) = name(shown).zip(name(live))?;
            (old != new && shown != live).then(|| Danger {
                text: format!(
                    "Do not delete by ID {shown}: it names EF {ef}, where the card has another certificate, {live}."
                ),
                brief: "Do not delete by the ID shown: that would hit the new certificate.".to_owned(),
            })
        }
        (Class::Data { content: Some(old), .. }, Class::Data { content: Some(new), .. }) => {
            let name = |object: &Object| escape(&object.label);
            (old != new && shown.label != live.label).then(|| {
                let (shown, live) = (name(shown), name(live));
                Danger {
                    text: format!(
                        "Do not delete the data object \"{shown}\": it stands for EF {ef}, where the card has another \
                         one, \"{live}\"."
                    ),
                    brief: "Do not delete a data object by the label shown: that would hit another one.".to_owned(),
                }
            })
        }
        _ => None,
    }
}

/// Where OpenSC writes a directory anew out of what it shows, whatever it does not show, or shows otherwise, is lost with
/// the next object that is written from this host.
#[must_use]
pub fn of_writing(case: &Case<'_>, difference: &Discrepancy<'_>) -> Option<Danger> {
    let is_at_stake = difference.live.is_some()
        && difference.cause.is_some_and(|(_, file)| case.layout.is_written_from_view(case.card, file));
    is_at_stake.then(|| Danger {
        text: "Write nothing to this card from this host before the flush, no key, certificate or data, and delete \
               nothing: OpenSC writes the whole directory back as it shows it here, and what it does not show is gone \
               from the card."
            .to_owned(),
        brief: "Write nothing to the card before the flush: that would delete keys.".to_owned(),
    })
}
