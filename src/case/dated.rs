//! What a card itself tells of when it was changed: certificates are not older than the beginning of their validity
//! (RFC 5280), and lastUpdate (ISO 7816-15) is moved by what writes to the card, if it is moved at all.
//!
//! A date says that the card was changed then or later; that there is none says nothing.

use time::OffsetDateTime;
use time::macros::format_description;

use super::token::Case;
use crate::text::escape;
use crate::verdict::Dated;
use crate::view::Class;

/// The newest of a token that is not in the future.
#[must_use]
pub fn newest(case: &Case<'_>, now: OffsetDateTime) -> Option<Dated> {
    let token = escape(case.serial.as_bytes());
    let dated = |what: String, at: OffsetDateTime| Dated { token: token.clone(), what, at };
    let of_certificates = case.live.objects.iter().filter_map(|object| match &object.class {
        Class::Certificate { certificate: Some(certificate), .. } => {
            let at = OffsetDateTime::from_unix_timestamp(certificate.validity?.0).ok()?;
            Some(dated(format!("certificate \"{}\"", escape(&object.label)), at))
        }
        _ => None,
    });
    let last_update = case.layout.last_update(case.card);
    let last_update = last_update.and_then(|date| moment(&date)).map(|at| dated("lastUpdate".to_owned(), at));
    of_certificates.chain(last_update).filter(|dated| dated.at <= now).max_by_key(|dated| dated.at)
}

/// A GeneralizedTime in UTC, to the second.
fn moment(text: &str) -> Option<OffsetDateTime> {
    let format = format_description!("[year][month][day][hour][minute][second]");
    let digits = text.strip_suffix('Z')?;
    time::PrimitiveDateTime::parse(digits, format).ok().map(time::PrimitiveDateTime::assume_utc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_to_the_second_and_only_in_utc() {
        let seconds = |text| moment(text).map(OffsetDateTime::unix_timestamp);
        assert_eq!(seconds("20261123070000Z"), Some(1_795_417_200));
        for bad in ["20261123070000", "2026112307Z", "20261323070000Z", "", "Z"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
