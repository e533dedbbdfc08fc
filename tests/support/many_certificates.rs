//! Very many certificates of one CA on P-256, of which every hundredth was made by another key.

use std::fs;
use std::path::Path;

use virtual_card::openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use virtual_card::openssl::bn::BigNum;
use virtual_card::openssl::hash::{MessageDigest, hash};
use virtual_card::openssl::pkey::{PKey, PKeyRef, Private};
use virtual_card::openssl::x509::extension::BasicConstraints;
use virtual_card::openssl::x509::{X509, X509Extension, X509Name, X509NameRef};

/// A name with one part.
pub fn name(text: &str) -> X509Name {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", text).unwrap();
    name.build()
}

/// A certificate in PEM; the one with the serial number 1 is a CA's.
pub fn certificate(
    serial: u32,
    subject: &X509NameRef,
    issuer: &X509NameRef,
    key: &PKeyRef<Private>,
    by: &PKeyRef<Private>,
) -> Vec<u8> {
    naming(serial, subject, issuer, key, by, by)
}

/// The same, with the identifier of this key as the one that should have made it.
fn naming(
    serial: u32,
    subject: &X509NameRef,
    issuer: &X509NameRef,
    key: &PKeyRef<Private>,
    named: &PKeyRef<Private>,
    by: &PKeyRef<Private>,
) -> Vec<u8> {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(serial).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(subject).unwrap();
    builder.set_issuer_name(issuer).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(30).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    if serial == 1 {
        // What is no CA's is refused before its signature is looked at.
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    }
    // Whose keys they are, by the hashes of their points.
    let identifier = |of: &PKeyRef<Private>| {
        let spki = of.public_key_to_der().unwrap();
        hash(MessageDigest::sha1(), &spki[spki.len() - 65..]).unwrap().to_vec()
    };
    let mut add = |oid: &str, start: &[u8], of: &PKeyRef<Private>| {
        let value = [start, &identifier(of)].concat();
        let value = Asn1OctetString::new_from_bytes(&value).unwrap();
        let oid = Asn1Object::from_str(oid).unwrap();
        builder.append_extension(X509Extension::new_from_der(&oid, false, &value).unwrap()).unwrap();
    };
    add("2.5.29.14", &[4, 20], key);
    add("2.5.29.35", &[0x30, 22, 0x80, 20], named);
    builder.sign(by, MessageDigest::sha256()).unwrap();
    builder.build().to_pem().unwrap()
}

/// The CA, and the other key.
pub struct Issuer {
    ca: PKey<Private>,
    /// The key that has made every hundredth.
    pub other: PKey<Private>,
}

impl Issuer {
    /// A CA whose certificate is `ca.pem` in this folder.
    pub fn new(folder: &Path) -> Self {
        let [ca, other] = [(); 2].map(|()| PKey::<Private>::ec_gen("prime256v1").unwrap());
        fs::write(folder.join("ca.pem"), certificate(1, &name("CA"), &name("CA"), &ca, &ca)).unwrap();
        fs::create_dir(folder.join("many")).unwrap();
        Self { ca, other }
    }

    /// The certificates from the one number up to the other, each with a key of its own, in `many` in this folder. How many
    /// of them were made by the other key?
    pub fn issue(&self, folder: &Path, from: u32, to: u32) -> u64 {
        let issuer = name("CA");
        let mut bad = 0;
        for number in from..to {
            let is_bad = number % 100 == 7;
            bad += u64::from(is_bad);
            let leaf = PKey::<Private>::ec_gen("prime256v1").unwrap();
            let by = if is_bad { &self.other } else { &self.ca };
            let pem = naming(number + 2, &name(&format!("leaf {number}")), &issuer, &leaf, &self.ca, by);
            fs::write(folder.join(format!("many/{number}.pem")), pem).unwrap();
        }
        bad
    }
}
