//! Our reading of configurations against the real OpenSC with a card in the reader: which
//! programs die, which files are dropped, what `use_file_caching` comes to and which directory is
//! asked for cached files, as OpenSC's own debug log says it.
//!
//! For `pkcs15-tool` and for `opensc-pkcs11` (`pkcs11-tool -O`; with the onepin module where a text names it), on generated configurations and on
//! the fixtures. Seeded: a failing case prints its text. `STALECARD_LONG` asks for more cases; which OpenSC is
//! asked, see `tests/asked`.

use std::collections::BTreeMap;

use crate::asked::{Asked, Seen, TOOL11, TOOL15, fixtures, generated, is_long, summary};
use crate::configurations::{OPEN, Random, configuration};
use stalecard::opensc::Program;

/// The programs on one text; counts what happened.
fn compare(asking: &Asked, case: &str, text: &[u8], counts: &mut BTreeMap<&'static str, usize>) {
    let host = asking.host(case, text);
    let onepin = Program { exe: Some(TOOL11.into()), ..Program::onepin(asking.version) };
    let mut asked: Vec<(&[&str], Program)> = vec![
        (&["pkcs15-tool", "-D"], Program::of_executable(TOOL15.into())),
        (&["pkcs11-tool", "-O"], Program::of_executable(TOOL11.into())),
    ];
    // The module that had a name of its own up to 0.23, where it makes a difference.
    if text.windows(6).any(|window| window == b"onepin") {
        asked.push((&["pkcs11-tool", "--module", "onepin-opensc-pkcs11.so", "-O"], onepin));
    }
    for (words, program) in asked {
        let expected = asking.expected(&host, text, &program);
        let Some(expected) = expected else {
            *counts.entry("open").or_default() += 1;
            continue;
        };
        let (seen, output) = asking.seen(&host, words);
        if seen != expected {
            let shown = String::from_utf8_lossy(text);
            println!(
                "DISAGREES: {case}: {words:?}: OpenSC {}: {seen:?}, we: {expected:?}, on {text:?}:\n{shown}\n{output}",
                asking.version
            );
            *counts.entry("disagreed").or_default() += 1;
        }
        let label = match seen {
            Seen::Died => "died",
            Seen::Ran { dropped: true, .. } => "refused",
            Seen::Ran { level: 0, .. } => "off",
            Seen::Ran { level: 1, .. } => "on (1)",
            Seen::Ran { .. } => "on (2)",
        };
        *counts.entry(label).or_default() += 1;
    }
    let _ = std::fs::remove_dir_all(host.home());
}

#[test]
fn caching_and_its_directory_are_what_the_real_opensc_logs() {
    let asked = Asked::start();
    let mut counts = BTreeMap::new();
    let cases = if is_long() { 600 } else { 50 };
    for seed in 0..cases {
        let text = configuration(&mut Random(seed ^ 0x5EED_0000), &OPEN);
        let case = format!("case{seed}");
        compare(&asked, &case, &generated(&asked, &case, text), &mut counts);
    }
    summary(&asked, "generated", usize::try_from(cases).unwrap(), &counts);
    for label in ["died", "refused", "off", "on (1)"] {
        assert!(counts.contains_key(label), "no case of {label:?} in {counts:?}");
    }
}

#[test]
fn the_fixtures_mean_what_the_real_opensc_makes_of_them() {
    let asked = Asked::start();
    let mut counts = BTreeMap::new();
    let fixtures = fixtures();
    for (name, text) in &fixtures {
        compare(&asked, &format!("fixture-{name}"), text, &mut counts);
    }
    summary(&asked, "fixtures", fixtures.len(), &counts);
}
