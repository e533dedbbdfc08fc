//! Bytes to values: BER-TLV, PKCS#15 entries, card-verifiable certificates,
//! X.509, public keys and signatures. Parsers keep raw bytes and have no opinions.

pub mod bare;
pub mod ber;
pub mod ca_index;
pub mod cms;
pub mod container;
pub mod crl;
pub mod curve;
pub mod cvc;
pub mod given;
pub mod jose;
pub mod key;
pub mod ocsp;
pub mod openpgp;
pub mod p11_kit;
pub mod pem;
pub mod piv;
pub mod pkcs11;
pub mod pkcs15;
pub mod sc_hsm;
pub mod signature;
pub mod ssh;
pub mod tlv;
pub mod x509;
