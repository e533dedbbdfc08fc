//! stalecard finds, explains and repairs stale OpenSC file caches.

pub mod card;
pub mod error;
pub mod host;
pub mod opensc;
pub mod repair;
pub mod safe_fs;
pub mod scconf;
pub mod snapshot;
