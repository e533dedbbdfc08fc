//! A message that is signed in parts (RFC 1847, RFC 8551, 3.5.3): the first part is what the signature in the second is over.
//! Only the outermost parts are looked at.

use std::sync::Arc;

use memchr::memmem;

use super::recognise::Found;

/// Bytes of a header.
const MOST_HEADER: usize = 64 << 10;

/// The signed part of a message, with the ends of its lines as they are signed. `None` if it is no such message.
#[must_use]
pub fn signed_part(text: &[u8]) -> Option<Vec<u8>> {
    let start = text.get(..MOST_HEADER).unwrap_or(text);
    let end = [&b"\n\n"[..], b"\n\r\n"].iter().filter_map(|end| memmem::find(start, end)).min()?;
    let header = start.get(..end)?.to_ascii_lowercase();
    memmem::find(&header, b"multipart/signed")?;
    let place = memmem::find(&header, b"boundary=")? + 9;
    let value = start.get(place..end)?;
    let boundary = match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|&byte| byte == b'"').next()?,
        None => value.split(|byte| byte.is_ascii_whitespace() || *byte == b';').next()?,
    };
    let line = [b"\n--", boundary].concat();
    let mut places = memmem::find_iter(text.get(end..)?, &line).map(|place| end + place);
    let (first, second) = (places.next()?, places.next()?);
    let begin = first + line.len();
    let begin = begin + memchr::memchr(b'\n', text.get(begin..second)?)? + 1;
    let part = text.get(begin..second)?;
    Some(canonical(part.strip_suffix(b"\r").unwrap_or(part)))
}

/// The same, with the signed part as the content of what is about it.
#[must_use]
pub fn with_part(mut found: Found, part: Option<&Arc<[u8]>>) -> Found {
    if let (Found::Artefact(artefact), Some(part)) = (&mut found, part) {
        for content in artefact.signatures.iter_mut().filter_map(|one| one.content.as_mut()?.as_mut().ok()) {
            let is_about =
                || content.digest.as_ref().is_some_and(|digest| content.hash.digest(part) == *digest);
            // Of a message within the message it is another part, and nothing is decided of that.
            if content.bytes.is_none() && is_about() {
                content.bytes = Some(Arc::clone(part));
            }
        }
    }
    found
}

/// A text with the ends of its lines as mail writes them.
pub fn canonical(text: &[u8]) -> Vec<u8> {
    let mut canonical = Vec::with_capacity(text.len() + text.len() / 16);
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        if number > 0 {
            canonical.extend_from_slice(b"\r\n");
        }
        canonical.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
    }
    canonical
}
