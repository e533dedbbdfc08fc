//! The kinds of directory files: what their entries look like, which of them OpenSC lists, and which files they name.

use crate::card::application::{Application, Link, links};
use crate::format::pkcs15::{self, Directory, Zeros};
use crate::format::tlv;
use crate::view::Named;

/// Does an entry of this kind of directory decode?
pub(super) fn decodes(kind: Directory, entry: &[u8]) -> Result<(), tlv::TlvError> {
    match kind {
        Directory::PrivateKeys => pkcs15::private_key(entry).map(drop),
        Directory::PublicKeys => pkcs15::public_key(entry).map(drop),
        Directory::Certificates => pkcs15::certificate(entry).map(drop),
        Directory::Data => pkcs15::data_object(entry).map(drop),
        Directory::Authentication => pkcs15::pin(entry).map(drop),
        Directory::SecretKeys => pkcs15::secret_key(entry).map(drop),
    }
}

/// The tags of the entries that OpenSC lists of a kind of directory.
pub(super) const fn listed_tags(kind: Directory) -> &'static [u32] {
    match kind {
        Directory::PrivateKeys | Directory::PublicKeys => &[0x30, 0xA0, 0xA4],
        Directory::SecretKeys => &[0x30, 0xA2, 0xA3, 0xA4],
        Directory::Certificates | Directory::Data | Directory::Authentication => &[0x30],
    }
}

/// All kinds of directories, the telling ones first.
pub(super) const KINDS: [Directory; 6] = [
    Directory::Authentication,
    Directory::PublicKeys,
    Directory::PrivateKeys,
    Directory::SecretKeys,
    Directory::Certificates,
    Directory::Data,
];

/// What kind of directory file begins so. An RSA private key's entry passes for a public
/// one, which names no file it should not.
pub(super) fn sniff(bytes: &[u8]) -> Option<Directory> {
    let first = tlv::first(bytes)?.raw;
    KINDS.into_iter().find(|kind| decodes(*kind, first).is_ok())
}

/// What kind of directory file it is, as far as its bytes alone tell, and how many entries it has; none if it is none.
#[must_use]
pub fn directory(bytes: &[u8]) -> Option<String> {
    let kind = sniff(bytes)?;
    let first = tlv::first(bytes)?.raw;
    let keys = [Directory::PrivateKeys, Directory::PublicKeys, Directory::SecretKeys];
    // Keys of different kinds are described alike: which they are only the card's object directory tells.
    let kinds = keys.into_iter().filter(|kind| decodes(*kind, first).is_ok()).count();
    let words = if keys.contains(&kind) && kinds > 1 { "directory of keys" } else { words(kind) };
    Some(counted_as(words, kind, bytes))
}

pub(super) fn counted(kind: Directory, bytes: &[u8]) -> String {
    counted_as(words(kind), kind, bytes)
}

fn counted_as(words: &str, kind: Directory, bytes: &[u8]) -> String {
    let mut count = 0_usize;
    pkcs15::directory(bytes, Zeros::End, |entry| decodes(kind, entry).map(|()| count += 1));
    format!("{words}: {}", crate::text::count(count, "entry", "entries"))
}

/// The files that a directory file names.
pub(super) fn named_by(kind: Directory, bytes: &[u8], application: &Application) -> Vec<Named> {
    let at =
        |link: Link| Some(Named { file: application.file(&link.path)?, private: link.private, id: link.id });
    links(kind, bytes).into_iter().filter_map(at).collect()
}

pub(super) const fn words(kind: Directory) -> &'static str {
    match kind {
        Directory::PrivateKeys => "directory of private keys",
        Directory::PublicKeys => "directory of public keys",
        Directory::SecretKeys => "directory of secret keys",
        Directory::Certificates => "directory of certificates",
        Directory::Data => "directory of data objects",
        Directory::Authentication => "directory of PINs",
    }
}
