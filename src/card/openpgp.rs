//! Reading an OpenPGP card (functional specification 2.0 to 3.4): what OpenSC's driver reads, and
//! the public keys besides, which OpenSC asks for one by one when somebody wants them.
//!
//! A public key is kept as the file that OpenSC makes of it: `B601`, `B801`, `A401`, a PKCS#1 key for
//! RSA, a SubjectPublicKeyInfo for everything else. OpenSC asks for none of a key without a fingerprint; here it is asked for
//! as well, because only so the card tells that there is a key. Names and addresses are not read. Of the objects for
//! private use those are asked for that everybody may read, and only whether there is anything in them is kept:
//! OpenSC calls them private.

use super::apdu::{Channel, Command, OPENPGP_AID, OpenPgpData, OpenPgpKey, Transport};
use super::objects::{Application, Walk};
use super::scan_error::{ScanError, Stop, until_it_rests};
use crate::format::openpgp::{self, CERTIFICATES, Key, PRIVATE_USE};
use crate::format::tlv::first;
use crate::snapshot::{Answer, Bytes, Card, EfPath, Family, Gap};
use crate::text::hex;

const APPLICATION: Application = Application {
    card: "an OpenPGP card",
    select: Command::SelectOpenPgp,
    witness: Command::OpenPgpData(OpenPgpData::Aid),
    is_witness: |aid| aid.starts_with(&OPENPGP_AID) && aid.len() == openpgp::AID_LENGTH,
};

/// Reads the whole card, public objects only.
///
/// # Errors
/// When there is nothing that could be called a reading of this card.
pub fn scan(transport: &mut dyn Transport, reader: &str, atr: &[u8]) -> Result<(Card, Vec<Gap>), ScanError> {
    until_it_rests(transport, |channel| attempt(channel, reader, atr))
}

/// One walk through the card.
fn attempt(channel: &mut Channel<'_>, reader: &str, atr: &[u8]) -> Result<(Card, Vec<Gap>), Stop> {
    let mut walk = Walk::begin(channel, reader, &APPLICATION)?;
    let application = Command::OpenPgpData(OpenPgpData::Application);
    let answer = walk.read(None, application, "application related data (6E)", is_list)?;
    let related = walk.add(openpgp::APPLICATION, answer);
    let aid = related.as_deref().and_then(openpgp::aid).map(<[u8]>::to_vec);
    let places = related.as_deref().map(openpgp::places).unwrap_or_default();
    for key in &places {
        read_key(&mut walk, key)?;
    }
    for ((file, _), data) in PRIVATE_USE.into_iter().zip([OpenPgpData::Private1, OpenPgpData::Private2]) {
        let what = format!("object for private use {file}");
        let answer = match walk.read(None, Command::OpenPgpData(data), &what, |_| true)? {
            Answer::Content(bytes) if bytes.0.is_empty() => Answer::Absent,
            Answer::Content(_) => Answer::Withheld,
            answer => answer,
        };
        walk.add(file, answer);
    }
    read_certificates(&mut walk, aid.as_deref().is_some_and(openpgp::is_version_3))?;
    // Keys that were made meanwhile have other fingerprints.
    walk.check()?;
    let again = walk.read(None, application, "application related data (6E)", is_list)?;
    if let Answer::Content(again) = again
        && openpgp::places(again.as_slice()) != places
    {
        return Err(Stop::Moved("its keys are not those the scan began with"));
    }
    let card = Card {
        reader: reader.to_owned(),
        atr: Bytes(atr.to_vec()),
        family: Family::OpenPgp,
        driver: Some("openpgp".to_owned()),
        serial: aid.as_deref().and_then(openpgp::serial).map(hex),
        application: None,
        change_counter: None,
        key_list: Vec::new(),
        files: walk.files,
        status: None,
        keys: None,
        trials: Vec::new(),
    };
    Ok((card, walk.gaps))
}

/// The public half of a key, as the file that OpenSC makes of it.
fn read_key(walk: &mut Walk<'_, '_>, key: &Key) -> Result<(), Stop> {
    let name = match key.number {
        0 => OpenPgpKey::Signature,
        1 => OpenPgpKey::Encryption,
        _ => OpenPgpKey::Authentication,
    };
    let what = format!("public key {}", key.file());
    let command = Command::OpenPgpPublicKey(name);
    let is_whole = |bytes: &[u8]| first(bytes).is_some();
    if !key.is_named() {
        let Some(Answer::Content(template)) = walk.read_recorded(None, command, &what, is_whole)? else {
            return Ok(());
        };
        if let Some(encoded) = openpgp::public_key(template.as_slice(), &key.attributes) {
            walk.add(key.file(), Answer::Content(Bytes(encoded)));
        }
        return Ok(());
    }
    let answer = match walk.read(None, command, &what, is_whole)? {
        Answer::Content(template) => match openpgp::public_key(template.as_slice(), &key.attributes) {
            Some(encoded) => Answer::Content(Bytes(encoded)),
            None => {
                let why = "it is of a kind that this program does not know";
                walk.gap(&what, why);
                Answer::NotRead(why.to_owned())
            }
        },
        answer => answer,
    };
    walk.add(key.file(), answer);
    Ok(())
}

/// The certificates, the first of them last, so that the card stays with the one it began with.
fn read_certificates(walk: &mut Walk<'_, '_>, all: bool) -> Result<(), Stop> {
    let number_of = |index: usize| u8::try_from(index).unwrap_or_default();
    for (index, (path, ..)) in CERTIFICATES.iter().enumerate().rev() {
        let Some(file) = EfPath::new(path) else { continue };
        if index > 0 && !all {
            continue;
        }
        let before = all.then(|| Command::OpenPgpCertificate(number_of(index)));
        let command = Command::OpenPgpData(OpenPgpData::Certificate);
        let answer = walk.read(before, command, &format!("certificate {file}"), is_list)?;
        // No certificate is an object without content.
        let answer = match answer {
            Answer::Content(bytes) if bytes.0.is_empty() => Answer::Absent,
            answer => answer,
        };
        walk.add(file, answer);
    }
    Ok(())
}

/// Elements one after the other (version 2 leaves out what is around them), or nothing.
fn is_list(mut bytes: &[u8]) -> bool {
    while let Some(element) = first(bytes) {
        bytes = element.rest;
    }
    bytes.iter().all(|&byte| byte == 0)
}
