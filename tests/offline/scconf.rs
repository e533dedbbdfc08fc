//! What holds for every text, whoever made it: no byte is lost or nothing is accepted, and an edit does what it
//! promises or is refused. On generated texts, on the fixtures, and on what `make fuzz` has found.

#[path = "../../fuzz/properties/scconf.rs"]
mod any_text;
#[path = "../../fuzz/properties/edit.rs"]
mod edit;

use std::path::Path;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_kept_or_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        any_text::kept_or_refused(&text);
    }

    #[test]
    fn any_pieces_are_kept_or_refused(pieces in proptest::collection::vec(
        proptest::sample::select(vec![
            "a", "b ", "=", " = ", ";", ",", "{", " {", "}", "} ", "#", "# c\n", "\n", "\n\n", "\"", "\" x\"", "\0",
            "\r\n", "\t", "\u{e9}",
        ]), 0..60)
    ) {
        any_text::kept_or_refused(pieces.concat().as_bytes());
    }
}

/// Runs a property over the files of a folder; gives their number.
fn over(folder: &str, property: fn(&[u8])) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        let kept = std::panic::catch_unwind(|| property(&text));
        assert!(kept.is_ok(), "{}", path.display());
        files += 1;
    }
    files
}

#[test]
fn the_fuzzers_corpus_is_kept_or_refused() {
    let files = over("fixtures/config", any_text::kept_or_refused)
        + over("fuzz/corpus/scconf", any_text::kept_or_refused);
    println!("{files} files");
    assert!(files > 100, "{files}");
}

#[test]
fn the_fuzzers_corpus_is_switched_off_or_refused() {
    let files =
        over("fixtures/config", edit::off_or_refused) + over("fuzz/corpus/edit", edit::off_or_refused);
    println!("{files} files");
    assert!(files > 100, "{files}");
}
