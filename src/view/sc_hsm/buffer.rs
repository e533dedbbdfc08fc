//! The buffers into which OpenSC reads the files of a SmartCard-HSM.

/// How many bytes OpenSC's buffer holds for the description and the certificate of a key.
pub(super) const KEY_BUFFER: usize = 4096;
/// The same for descriptions of certificates and data.
pub(super) const DESCRIPTION_BUFFER: usize = 512;
