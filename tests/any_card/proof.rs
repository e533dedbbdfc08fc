//! A flush of an asked card is tried on a copy first: what would not cure is not done, and never said to be cured.

use super::*;

/// Whatever is cached, this OpenSC shows another label as soon as caching is as it is configured: no flush cures that.
const FAKE: &str = r#"if grep -q 'use_file_caching = public' "$OPENSC_CONF"; then
    /usr/bin/pkcs15-tool "$@" | sed 's/\[two\]/[another name]/'
else
    exec /usr/bin/pkcs15-tool "$@"
fi"#;

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
    let inside = r#"mount -t tmpfs -o mode=0755 none /usr/local/bin && printf '#!/bin/sh\n%s\n' "$1" >/usr/local/bin/pkcs15-tool &&
        chmod 755 /usr/local/bin/pkcs15-tool && shift && exec "$@""#;
    for command in ["flush", "fix"] {
        let program = env!("CARGO_BIN_EXE_stalecard");
        let output = host.run(&["unshare", "-m", "sh", "-c", inside, "sh", FAKE, program, command]);
        assert_eq!(output.code(), 2, "{output}");
        assert!(output.stdout.starts_with("FAILED"), "{output}");
        let text = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("tried on a copy") && !text.contains("Cured"), "{output}");
        assert_eq!(host.cache_files(), before, "{output}");
    }
    // With the real one it cures.
    ours(&host, &["fix"]).ok();
    assert_ne!(host.cache_files(), before);
    assert_eq!(shown(&host.pkcs15_list()), real(&card));
}
