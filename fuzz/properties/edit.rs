//! What holds for the edit of every text: for the fuzzer and for `tests/offline/scconf.rs`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

use stalecard::opensc::Version;
use stalecard::repair::config::{Goal, Refusal, Request, Scope, check, plan};
use stalecard::scconf::{Dialect, parse};

/// Whatever is planned is what was promised, by the check that is also made after writing; and planned
/// again it is nothing. What is refused for its grammar does not parse.
pub fn off_or_refused(text: &[u8]) {
    for installed in [Some(Version::of(23)), Some(Version::of(27)), None] {
        for scope in [Scope::All, Scope::App("opensc-pkcs11".into())] {
            let path = "/etc/opensc.conf".into();
            let request = Request { path: &path, goal: Goal::Off, scope: &scope, installed };
            match plan(Some(text), &request) {
                Ok(planned) => {
                    assert_eq!(planned.edits.apply(text), planned.new);
                    check(&request, Some(text), &planned.new).unwrap();
                    let again = plan(Some(&planned.new), &request).unwrap();
                    assert!(again.edits.is_empty(), "{text:?}: {again:?}");
                }
                Err(Refusal::Unparsable { error, .. }) => {
                    let since_023 = parse(text, Dialect::Since023);
                    let until_022 = parse(text, Dialect::Until022);
                    assert!(since_023.is_err() || installed.is_none() && until_022.is_err(), "{error}");
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}
