//! What SECURITY.md answers to RUSTSEC-2023-0071 (timing of private-key operations in the crate `rsa`), held: that crate
//! is nowhere in what is built, and there is no RSA private key in this program that an operation could use.

use std::path::Path;

use stalecard::format::key::PublicKey;

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_crate_rsa_is_nowhere_in_what_is_built() {
    for name in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let lock: toml::Table = file(name).parse().unwrap();
        let packages = lock["package"].as_array().unwrap();
        let named = |wanted: &str| packages.iter().any(|package| package["name"].as_str() == Some(wanted));
        // The arithmetic that is used in its place.
        assert!(packages.len() > 50 && named("crypto-bigint"), "{name}");
        assert!(!named("rsa"), "{name}: the crate rsa has come in: see RUSTSEC-2023-0071 in SECURITY.md");
    }
    let bans: toml::Table = file("deny.toml").parse().unwrap();
    let denied = bans["bans"]["deny"].as_array().unwrap();
    assert!(denied.iter().any(|ban| ban["crate"].as_str() == Some("rsa")), "make lint would let it in");
    for name in ["SECURITY.md", "deny.toml"] {
        assert!(file(name).contains("RUSTSEC-2023-0071"), "{name} does not answer it");
    }
}

/// The only RSA key that this program knows has two public numbers, and the only power that is taken modulo one of them
/// is the public exponent's.
#[test]
fn an_rsa_key_here_has_no_private_number() {
    let key = PublicKey::Rsa { modulus: vec![33], exponent: vec![3] };
    // Without `..`: another member would be an error of the compiler.
    let PublicKey::Rsa { modulus, exponent } = &key else { unreachable!() };
    assert_eq!((modulus.as_slice(), exponent.as_slice()), (&[33][..], &[3][..]));

    let mut powers = Vec::new();
    for entry in walkdir::WalkDir::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let path = entry.unwrap().into_path();
        if path.extension().is_none_or(|kind| kind != "rs") {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let lines = source.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        for line in lines
            .filter(|line| [".power(", "pow_bounded_exp(", ".pow("].iter().any(|call| line.contains(call)))
        {
            powers.push((name.to_owned(), line.to_owned()));
        }
    }
    let of = |wanted: &str| -> Vec<&str> {
        powers.iter().filter(|(name, _)| name == wanted).map(|(_, line)| line.as_str()).collect()
    };
    // Where big numbers are raised, who has them raised, and to what.
    assert_eq!(of("rsa.rs"), ["let raised = self.modulus.power(number, &self.exponent);"]);
    assert_eq!(of("modular.rs").len(), 1, "{powers:?}");
    let elsewhere: Vec<_> = powers
        .iter()
        .filter(|(name, line)| {
            !["rsa.rs", "modular.rs", "dsa.rs"].contains(&name.as_str()) && line.contains(".power(")
        })
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}
