//! Rules about a cache directory, whatever the card.

pub mod foreign_owner;
pub mod secret_in_cache;
pub mod symlinked_cache;
pub mod unexpected_file;
pub mod unsafe_permissions;
