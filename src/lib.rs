//! stalecard finds, explains and repairs stale OpenSC file caches.

pub mod error;
pub mod snapshot;
