//! OpenSSL's opinion of a certificate or request, as far as it has one.

use virtual_card::openssl::error::ErrorStack;

/// OpenSSL's number for a key that may not sign certificates.
pub const KEYUSAGE_NO_CERTSIGN: i32 = 32;

/// Is it signed by its own key, for OpenSSL? `None` if it cannot tell: there are algorithms that it signs
/// with and does not verify, RSA with SHA-512/256 for one.
pub fn opinion(verified: Result<bool, ErrorStack>) -> Option<bool> {
    let unknown = |error: &ErrorStack| {
        let mut reasons = error.errors().iter().filter_map(virtual_card::openssl::error::Error::reason);
        reasons.any(|reason| reason == "unknown signature algorithm")
    };
    match verified {
        Err(error) if unknown(&error) => None,
        verified => Some(verified.unwrap_or(false)),
    }
}
