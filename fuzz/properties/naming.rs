//! Whatever somebody types for a key or a token.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::judged::harmless;
use stalecard::naming::uri::{Type, Uri};
use stalecard::naming::{Names, Naming, TokenNames};

/// What is typed, held against two keys.
pub fn naming(data: &[u8]) {
    let Ok(typed) = std::str::from_utf8(data) else { return };
    if let Ok(uri) = Uri::parse(typed) {
        // Written anew it says the same.
        let written = Uri { bare_id: None, ..uri };
        assert_eq!(Uri::parse(&written.to_string()), Ok(written));
    }
    let token = TokenNames {
        serial: "DENK0200834".to_owned(),
        labels: vec!["HSM-H1".to_owned()],
        ..TokenNames::default()
    };
    let key = |reference: u8, id: &[u8]| Names {
        what: format!("key reference {reference}"),
        reference: Some(reference),
        ids: vec![id.to_vec()],
        labels: vec!["Private Key".to_owned()],
        class: Some(Type::Private),
        token: token.clone(),
        ..Names::default()
    };
    let keys = [key(1, &[0x6E, 0x51, 0x82, 0xB9]), key(0x9A, &[1])];
    match Naming::parse(typed) {
        Err(error) => harmless(&error.to_string()),
        Ok(naming) => {
            match naming.one("key", &keys) {
                Ok(one) => assert!(naming.pick(&keys).unwrap().contains(&one)),
                Err(error) => harmless(&error.to_string()),
            }
            let _ = naming.token(std::slice::from_ref(&token));
        }
    }
}
