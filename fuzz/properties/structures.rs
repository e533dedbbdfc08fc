//! Any file of a native card, a PIV card or an OpenPGP card, and what a PKCS#11 module tells of a key.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use stalecard::card::application::{Application, links};
use stalecard::format::key::PublicKey;
use stalecard::format::pkcs15::{self, Directory};
use stalecard::format::{openpgp, piv, pkcs11, tlv};

use super::judged::{key, piece};

/// Native cards (PKCS#15): where applications and directories are, and what stands in them.
fn native(data: &[u8]) {
    let _ = pkcs15::applications(data);
    for application in [Application::all(Some(data)), Application::all(None)].into_iter().flatten() {
        for (_, path) in pkcs15::object_directory(data).unwrap_or_default() {
            let _ = application.file(&path);
        }
    }
    let mut seen = 0;
    pkcs15::directory(data, pkcs15::Zeros::Skipped, |entry| {
        seen += entry.len();
        let _ = pkcs15::private_key(entry);
        let _ = pkcs15::public_key(entry);
        let _ = pkcs15::secret_key(entry);
        let _ = pkcs15::certificate(entry);
        let _ = pkcs15::data_object(entry);
        let _ = pkcs15::pin(entry);
        Ok(())
    });
    // Never the same bytes twice.
    assert!(seen <= data.len());
    for kind in [Directory::PublicKeys, Directory::Certificates, Directory::Data, Directory::PrivateKeys] {
        assert!(links(kind, data).len() <= data.len());
    }
    let _ = pkcs15::token_info(data);
}

/// PIV and OpenPGP: data objects.
fn objects(data: &[u8]) {
    if let Some(content) = piv::content(data) {
        assert!(content.len() < data.len());
    }
    // What is compressed may not unpack without end.
    if let Ok(Some(certificate)) = piv::certificate(data) {
        assert!(certificate.len() <= 1 << 16);
    }
    let _ = piv::key_history(data);
    for zeros in [false, true] {
        assert!(piv::serial(data, zeros).is_none_or(|serial| matches!(serial.len(), 16 | 25)));
    }
    let _ = openpgp::aid(data).and_then(openpgp::serial);
    for found in openpgp::keys(data) {
        let _ = (found.curve(), found.bits());
    }
    let mut rest = data;
    if let (Some(attributes), template) = (piece(&mut rest), rest)
        && let Some(file) = openpgp::public_key(template, attributes)
    {
        let _ = openpgp::decode_public_key(&file);
    }
    if let Some(found) = openpgp::decode_public_key(data) {
        key(&found);
    }
}

/// PKCS#11: the parameters of a curve, and a point on it.
fn attributes(data: &[u8]) {
    let mut rest = data;
    if let (Some(parameters), point) = (piece(&mut rest), rest)
        && let Some(found) = pkcs11::key_of_point(parameters, point)
    {
        key(&found);
        // Wrapped as it is to be, it is the same key.
        if let PublicKey::Ec { point, .. } = &found {
            let wrapped = tlv::encode(0x04, point);
            assert!(
                pkcs11::key_of_point(parameters, &wrapped).is_some_and(|again| again.kind() == found.kind())
            );
        }
    }
}

/// Whatever family it is of.
pub fn structures(data: &[u8]) {
    native(data);
    objects(data);
    attributes(data);
}
