//! Rules about which key made a signature.

pub mod certificate_key_mismatch;
pub mod possession_not_proved;
pub mod public_key_undecided;
pub mod signature_fails_with_cached_key;
pub mod signature_fails_with_live_key;
pub mod signed_by_other_key;
