//! A curve with a name, as the table has them.

/// A named curve. Its cofactor is 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Curve {
    /// OpenSSL's name, which `pkcs11-tool --key-type EC:` takes.
    pub name: &'static str,
    /// Bits of the field, and of the order.
    pub bits: usize,
    /// OID content.
    pub oid: &'static [u8],
    /// Prime of the field.
    pub prime: &'static [u8],
    /// First coefficient, padded to the length of the prime.
    pub a: &'static [u8],
    /// Second coefficient, padded likewise.
    pub b: &'static [u8],
    /// Base point, uncompressed.
    pub base_point: &'static [u8],
    /// Order of the base point.
    pub order: &'static [u8],
}
