//! The elliptic curves that OpenSC recognises in a SmartCard-HSM's certificate
//! requests: a request carries domain parameters, a listing wants a name.
//!
//! Up to 0.26 OpenSC compares the prime alone; from 0.27 the first coefficient
//! too, byte for byte with its length, which is what tells the twisted brainpool
//! curves (`t1`) from the others, and what makes a coefficient without its
//! padding unknown.

use hex_literal::hex;

/// A named curve.
#[derive(Debug, PartialEq, Eq)]
pub struct Curve {
    /// OpenSSL's name, which `pkcs11-tool --key-type EC:` takes.
    pub name: &'static str,
    /// Bits of the field.
    pub bits: usize,
    /// OID content.
    pub oid: &'static [u8],
    /// Prime of the field.
    pub prime: &'static [u8],
    /// First coefficient, padded to the length of the prime.
    pub a: &'static [u8],
}

/// The first curve with this prime, and with this first coefficient if one is given.
#[must_use]
pub fn by_prime(prime: &[u8], a: Option<&[u8]>) -> Option<&'static Curve> {
    CURVES.iter().find(|curve| curve.prime == prime && a.is_none_or(|a| curve.a == a))
}

/// The curve with this OID content.
#[must_use]
pub fn by_oid(oid: &[u8]) -> Option<&'static Curve> {
    CURVES.iter().find(|curve| curve.oid == oid)
}

/// P-224 (secp224r1), which OpenSC knows in certificates but not in requests.
const P224: &[u8] = &hex!("2b81040021");

/// Does OpenSC know the curve when a certificate names it? The twisted ones since they are
/// recognised in requests too. Without its curve it does not take a certificate at all.
#[must_use]
pub fn is_known_by_name(oid: &[u8], twisted: bool) -> bool {
    oid == P224 || by_oid(oid).is_some_and(|curve| twisted || !curve.name.ends_with("t1"))
}

/// Parameters as printed by `openssl ecparam -param_enc explicit -text`.
const CURVES: &[Curve] = &[
    Curve {
        name: "prime192v1",
        bits: 192,
        oid: &hex!("2a8648ce3d030101"),
        prime: &hex!("fffffffffffffffffffffffffffffffeffffffffffffffff"),
        a: &hex!("fffffffffffffffffffffffffffffffefffffffffffffffc"),
    },
    Curve {
        name: "prime256v1",
        bits: 256,
        oid: &hex!("2a8648ce3d030107"),
        prime: &hex!("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
        a: &hex!("ffffffff00000001000000000000000000000000fffffffffffffffffffffffc"),
    },
    Curve {
        name: "secp384r1",
        bits: 384,
        oid: &hex!("2b81040022"),
        prime: &hex!(
            "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff"
        ),
        a: &hex!(
            "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffc"
        ),
    },
    Curve {
        name: "secp521r1",
        bits: 521,
        oid: &hex!("2b81040023"),
        prime: &hex!(
            "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        ),
        a: &hex!(
            "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc"
        ),
    },
    Curve {
        name: "secp192k1",
        bits: 192,
        oid: &hex!("2b8104001f"),
        prime: &hex!("fffffffffffffffffffffffffffffffffffffffeffffee37"),
        a: &hex!("000000000000000000000000000000000000000000000000"),
    },
    Curve {
        name: "secp256k1",
        bits: 256,
        oid: &hex!("2b8104000a"),
        prime: &hex!("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f"),
        a: &hex!("0000000000000000000000000000000000000000000000000000000000000000"),
    },
    Curve {
        name: "brainpoolP192r1",
        bits: 192,
        oid: &hex!("2b2403030208010103"),
        prime: &hex!("c302f41d932a36cda7a3463093d18db78fce476de1a86297"),
        a: &hex!("6a91174076b1e0e19c39c031fe8685c1cae040e5c69a28ef"),
    },
    Curve {
        name: "brainpoolP224r1",
        bits: 224,
        oid: &hex!("2b2403030208010105"),
        prime: &hex!("d7c134aa264366862a18302575d1d787b09f075797da89f57ec8c0ff"),
        a: &hex!("68a5e62ca9ce6c1c299803a6c1530b514e182ad8b0042a59cad29f43"),
    },
    Curve {
        name: "brainpoolP256r1",
        bits: 256,
        oid: &hex!("2b2403030208010107"),
        prime: &hex!("a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377"),
        a: &hex!("7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9"),
    },
    Curve {
        name: "brainpoolP320r1",
        bits: 320,
        oid: &hex!("2b2403030208010109"),
        prime: &hex!("d35e472036bc4fb7e13c785ed201e065f98fcfa6f6f40def4f92b9ec7893ec28fcd412b1f1b32e27"),
        a: &hex!("3ee30b568fbab0f883ccebd46d3f3bb8a2a73513f5eb79da66190eb085ffa9f492f375a97d860eb4"),
    },
    Curve {
        name: "brainpoolP384r1",
        bits: 384,
        oid: &hex!("2b240303020801010b"),
        prime: &hex!(
            "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec53"
        ),
        a: &hex!(
            "7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787139165efba91f90f8aa5814a503ad4eb04a8c7dd22ce2826"
        ),
    },
    Curve {
        name: "brainpoolP512r1",
        bits: 512,
        oid: &hex!("2b240303020801010d"),
        prime: &hex!(
            "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f3"
        ),
        a: &hex!(
            "7830a3318b603b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94ca"
        ),
    },
    Curve {
        name: "brainpoolP192t1",
        bits: 192,
        oid: &hex!("2b2403030208010104"),
        prime: &hex!("c302f41d932a36cda7a3463093d18db78fce476de1a86297"),
        a: &hex!("c302f41d932a36cda7a3463093d18db78fce476de1a86294"),
    },
    Curve {
        name: "brainpoolP224t1",
        bits: 224,
        oid: &hex!("2b2403030208010106"),
        prime: &hex!("d7c134aa264366862a18302575d1d787b09f075797da89f57ec8c0ff"),
        a: &hex!("d7c134aa264366862a18302575d1d787b09f075797da89f57ec8c0fc"),
    },
    Curve {
        name: "brainpoolP256t1",
        bits: 256,
        oid: &hex!("2b2403030208010108"),
        prime: &hex!("a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377"),
        a: &hex!("a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5374"),
    },
    Curve {
        name: "brainpoolP320t1",
        bits: 320,
        oid: &hex!("2b240303020801010a"),
        prime: &hex!("d35e472036bc4fb7e13c785ed201e065f98fcfa6f6f40def4f92b9ec7893ec28fcd412b1f1b32e27"),
        a: &hex!("d35e472036bc4fb7e13c785ed201e065f98fcfa6f6f40def4f92b9ec7893ec28fcd412b1f1b32e24"),
    },
    Curve {
        name: "brainpoolP384t1",
        bits: 384,
        oid: &hex!("2b240303020801010c"),
        prime: &hex!(
            "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec53"
        ),
        a: &hex!(
            "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec50"
        ),
    },
    Curve {
        name: "brainpoolP512t1",
        bits: 512,
        oid: &hex!("2b240303020801010e"),
        prime: &hex!(
            "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f3"
        ),
        a: &hex!(
            "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f0"
        ),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twisted_curves_need_the_coefficient() {
        for curve in CURVES {
            assert_eq!(by_prime(curve.prime, Some(curve.a)), Some(curve));
            assert_eq!(by_oid(curve.oid), Some(curve));
            assert!(by_prime(curve.prime, None).is_some_and(|found| !found.name.ends_with("t1")));
            assert_eq!(curve.prime.len(), curve.a.len());
        }
        assert_eq!(by_prime(&[7], None), None);
    }
}
