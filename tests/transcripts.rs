//! What the program says on a screen: README's sample, and the commands of `tests/transcripts/`, over committed
//! files, so that no stand is needed.
//!
//! `TRYCMD=overwrite cargo test --test transcripts` writes them anew: read the difference before you commit it. A
//! line of three dots stands for any lines, `[..]` for any text of one line.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[test]
fn the_screens_are_what_is_said() {
    // A file without a command would be passed over.
    let files = std::fs::read_dir("tests/transcripts").unwrap().map(|entry| entry.unwrap().path());
    for file in files.chain(["README.md".into()]) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("\n```console\n$ stalecard "), "{} shows nothing", file.display());
    }
    trycmd::TestCases::new()
        .register_bin("stalecard", std::path::Path::new(env!("CARGO_BIN_EXE_stalecard")))
        .case("tests/transcripts/*.trycmd")
        .case("README.md");
}
