//! stalecard finds, explains and repairs stale OpenSC file caches.

fn main() {}
