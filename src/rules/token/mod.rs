//! Rules about a token and what OpenSC shows of it.

pub mod cache_cannot_notice_change;
pub mod damaged_entry;
pub mod dormant_stale_entry;
pub mod duplicate_key_id;
pub mod ghost_object;
pub mod hidden_object;
pub mod key_not_listed;
pub mod key_without_public_part;
pub mod old_generation;
pub mod orphan_entry;
pub mod ripening_entry;
pub mod shared_identity;
pub mod stale_certificate;
pub mod stale_key_id;
pub mod stale_object;
pub mod stale_public_key;
