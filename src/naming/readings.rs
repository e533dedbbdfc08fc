//! The readings of a text: an ID in any spelling, or the beginning of one, and what other programs call keys: libp11's engine,
//! strongSwan and ykman.

use super::uri::Uri;
use crate::text::escape;

/// The shortest beginning of an ID, or of a serial number, that counts as one: in hex digits, or characters.
pub(super) const SHORTEST_BEGINNING: usize = 6;

/// One way to read a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// An ID.
    Id(Vec<u8>),
    /// The beginning of an ID, lower-case hex.
    Beginning(String),
    /// A label.
    Label(String),
    /// A key reference.
    Reference(u8),
    /// A PKCS#11 URI.
    Uri(Uri),
}

/// What other programs call a key.
pub(super) fn of_other_programs(typed: &str) -> Vec<Reading> {
    let mut readings = Vec::new();
    let id = |text: &str| hex_digits(text).map(Reading::Id);
    // strongSwan: `%smartcard[<slot>[@<module>]]:<ID>`.
    if let Some((slot, keyid)) = typed.strip_prefix("%smartcard").and_then(|rest| rest.split_once(':')) {
        let slot = slot.split_once('@').map_or(slot, |(slot, _)| slot);
        readings.extend(id(keyid).filter(|_| slot.bytes().all(|byte| byte.is_ascii_digit())));
        return readings;
    }
    // libp11's engine: `[slot_<slot>-]id_<ID>`, `[slot_<slot>-]label_<label>`, `<slot>:<ID>`. The number of a slot says
    // nothing of a token: it depends on what else is plugged in.
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let key = match typed.strip_prefix("slot_").and_then(|rest| rest.split_once('-')) {
        Some((slot, key)) if number(slot) => key,
        _ => typed,
    };
    if let Some(text) = key.strip_prefix("id_") {
        readings.extend(id(text));
    }
    if let Some(label) = key.strip_prefix("label_") {
        readings.push(Reading::Label(escape(label.as_bytes())));
    }
    if let Some((slot, text)) = typed.split_once(':').filter(|(slot, _)| number(slot)) {
        // Two digits on either side are an ID that is written with colons.
        readings.extend(id(text).filter(|_| slot.len() != 2 || text.len() != 2));
    }
    readings.extend(yubikey_slot(typed).map(Reading::Reference));
    readings
}

/// The key reference of a PIV slot as ykman names it.
pub(super) fn yubikey_slot(typed: &str) -> Option<u8> {
    let name = typed.to_ascii_uppercase().replace('-', "_");
    let digits = name.strip_prefix("SLOT_").or_else(|| name.strip_prefix("SLOT "));
    if let Some(digits) = digits.or_else(|| name.strip_prefix("0X")) {
        return u8::from_str_radix(digits, 16).ok().filter(|number| digits.len() == 2 && *number >= 0x80);
    }
    Some(match name.as_str() {
        "AUTHENTICATION" => 0x9A,
        "SIGNATURE" => 0x9C,
        "KEY_MANAGEMENT" => 0x9D,
        "CARD_AUTH" => 0x9E,
        "ATTESTATION" => 0xF9,
        _ => {
            let number: u8 = name.strip_prefix("RETIRED")?.parse().ok()?;
            (1..=20).contains(&number).then_some(0x81_u8)?.checked_add(number)?
        }
    })
}

/// An ID in another spelling than ours, or the beginning of one.
pub(super) fn spelled(typed: &str) -> Vec<Reading> {
    let Some(digits) = digits(typed) else { return Vec::new() };
    let whole = data_encoding::HEXLOWER.decode(digits.as_bytes()).ok().filter(|id| !id.is_empty());
    let mut readings: Vec<Reading> = whole.map(Reading::Id).into_iter().collect();
    if digits.len() >= SHORTEST_BEGINNING {
        readings.push(Reading::Beginning(digits));
    }
    readings
}

/// The hex digits of an ID, without what people put before and between them: `0x`, colons, blanks, dashes.
fn digits(typed: &str) -> Option<String> {
    let typed = typed.trim();
    let rest = typed.strip_prefix("0x").or_else(|| typed.strip_prefix("0X")).unwrap_or(typed);
    let digits: String = rest.chars().filter(|c| !matches!(c, ':' | ' ' | '-' | '\t')).collect();
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| digits.to_ascii_lowercase())
}

/// The bytes of an ID in any spelling.
pub(super) fn hex_digits(text: &str) -> Option<Vec<u8>> {
    let id = data_encoding::HEXLOWER.decode(digits(text)?.as_bytes()).ok()?;
    (!id.is_empty()).then_some(id)
}
