//! A flush of an asked card is tried on a copy first: what would not cure is not done, and never said to be cured.

use super::*;

/// Whatever is cached, this OpenSC shows another label as soon as caching is as it is configured: no flush cures that.
const FAKE: &str = r#"if grep -q 'use_file_caching = public' "$OPENSC_CONF"; then
    /usr/bin/pkcs15-tool "$@" | sed 's/\[two\]/[another name]/'
else
    exec /usr/bin/pkcs15-tool "$@"
fi"#;

/// A command on this host, whose `pkcs15-tool` is [`FAKE`].
fn with_fake(host: &Host, command: &str) -> Output {
    let inside = r#"mount -t tmpfs -o mode=0755 none /usr/local/bin && printf '#!/bin/sh\n%s\n' "$1" >/usr/local/bin/pkcs15-tool &&
        chmod 755 /usr/local/bin/pkcs15-tool && shift && exec "$@""#;
    host.run(&["unshare", "-m", "sh", "-c", inside, "sh", FAKE, env!("CARGO_BIN_EXE_stalecard"), command])
}

fn words(output: &Output) -> String {
    output.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_a_copy_does_not_show_to_be_cured_is_not_moved() {
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    if !Host::can_switch_users() || stand::opensc_root().is_some() {
        return;
    }
    host.pkcs15_list();
    card.renew(0, 40);
    let before = host.cache_files();
    for command in ["flush", "fix"] {
        let output = with_fake(&host, command);
        assert_eq!(output.code(), 2, "{output}");
        assert!(output.stdout.starts_with("FAILED"), "{output}");
        let text = words(&output);
        assert!(text.contains("tried on a copy") && !text.contains("Cured"), "{output}");
        assert_eq!(host.cache_files(), before, "{output}");
    }
    // With the real one it cures.
    ours(&host, &["fix"]).ok();
    assert_ne!(host.cache_files(), before);
    assert_eq!(shown(&host.pkcs15_list()), real(&card));
}

/// All files are the card's, and what is shown is not: it is said that no entry is to blame, and none is moved.
#[test]
fn a_list_for_which_no_entry_is_to_blame_is_told_and_nothing_is_moved() {
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    if !Host::can_switch_users() || stand::opensc_root().is_some() {
        return;
    }
    host.pkcs15_list();
    let before = host.cache_files();
    let output = with_fake(&host, "check").exits(3);
    assert!(words(&output).contains("and no entry of it is to blame"), "{output}");
    for command in ["flush", "fix"] {
        let output = with_fake(&host, command);
        assert_ne!(output.code(), 0, "{output}");
        assert_eq!(host.cache_files(), before, "{output}");
    }
}
