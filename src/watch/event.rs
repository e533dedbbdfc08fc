//! What the threads that wait tell the one that decides.

use crate::card::presence::Seen;

/// What the threads tell.
pub(super) enum Event {
    /// What is in the readers.
    Readers(Vec<Seen>),
    /// There is no PC/SC service.
    Lost(String),
    /// Something was written into a cache directory.
    Cache,
    /// Somebody read OpenSC's configuration.
    Used,
    /// PC/SC's socket was made.
    Socket,
    /// Readers are not watched any more.
    Over,
}
