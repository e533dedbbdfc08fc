//! What is secret in a cache directory appears nowhere: not in a snapshot, an answer, a complaint.

use std::os::unix::fs::PermissionsExt;

use crate::stand::{PIN, SO_PIN, Stand};
use crate::support::*;

/// Each of them once, and found again in any spelling.
const CAN: &[u8] = b"493827";
const SECRETS: [&[u8]; 6] = [
    b"private data of the token",
    b"private as its neighbour says",
    b"private as the card says",
    b"a stranger's file",
    b"the file of a card of another kind",
    b"a file elsewhere, linked to",
];

#[test]
fn secrets_stay_where_they_are() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host.keypairgen("EC:prime256v1", &[]);
    // Private on the card itself, written by the real tool.
    host.write_data(b"private on the card", "mine", true);
    host.pkcs15_list();
    stand.card().tamper(0xC907, Some(&data_description("seven", true, 0xCF07)));
    stand.card().tamper(0xCF07, Some(b"private as the card says"));
    // What it takes to list it is read from the card, not from the cache.
    put(&host, format!("{PREFIX}_CD01"), SECRETS[0]);
    put(&host, format!("{PREFIX}_C906"), &data_description("six", true, 0xCF06));
    put(&host, format!("{PREFIX}_CF06"), SECRETS[1]);
    put(&host, format!("{PREFIX}_CF07"), SECRETS[2]);
    put(&host, "notes.txt", SECRETS[3]);
    put(&host, format!("{PREFIX}_cd01"), SECRETS[3]);
    put(&host, "0123456789_NODATE_A000000308000010000100_5FC1", SECRETS[4]);
    std::fs::write(host.home().join("elsewhere"), SECRETS[5]).unwrap();
    std::os::unix::fs::symlink("../../elsewhere", host.cache().join(format!("{PREFIX}_CF08"))).unwrap();
    for can in ["x_20240101120000Z_CA4E", "lteid_can", "DENK0200834_NODATE_CA4E"] {
        put(&host, can, CAN);
    }
    // A stale entry beside it, so that there is something to say.
    put(&host, format!("{PREFIX}_C401"), &description(b"stale", b"\x01"));

    let mut said: Vec<(String, Vec<u8>)> = Vec::new();
    let mut take = |arguments: &[&str]| {
        let output = host.stalecard(arguments);
        decent(&output);
        said.push((output.command.clone(), output.raw));
        said.push((output.command, output.stderr.into_bytes()));
    };
    for format in ["human", "json"] {
        for command in ["check", "ls", "show"] {
            take(&[command, "--format", format]);
            take(&[command, "--offline", "--format", format]);
        }
        take(&["check", "--fail-on", "info", "--format", format]);
        take(&["show", "mine", "--format", format]);
        take(&["flush", "--all", "--dry-run", "--unsafe", "--format", format]);
        take(&["fix", "--dry-run", "--guarded", "--unsafe", "--format", format]);
        take(&["quarantine", "list", "--format", format]);
    }
    take(&["snapshot"]);
    take(&["snapshot", "--offline"]);
    take(&["snapshot", "--output", "snapshot.json"]);
    let file = host.home().join("snapshot.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let kept = std::fs::read(&file).unwrap();
    crate::schema::is_snapshot(&serde_json::from_slice(&kept).unwrap());
    for format in ["human", "json"] {
        for command in ["check", "ls", "show"] {
            take(&[command, "--snapshot", "snapshot.json", "--format", format]);
        }
        take(&["fix", "--format", format]);
        take(&["undo", "--format", format]);
        take(&["flush", "--format", format]);
        take(&["flush", "--all", "--format", format]);
        take(&["quarantine", "list", "--format", format]);
        take(&["undo", "--format", format]);
    }
    said.push(("the snapshot file".into(), kept));

    let holds = |text: &[u8], secret: &[u8]| text.windows(secret.len()).any(|window| window == secret);
    for (what, text) in &said {
        let lower = text.to_ascii_lowercase();
        for secret in SECRETS.iter().copied().chain([
            &b"private on the card"[..],
            CAN,
            PIN.as_bytes(),
            SO_PIN.as_bytes(),
        ]) {
            use sha2::Digest;
            let hex = data_encoding::HEXLOWER.encode(secret);
            let base64 = data_encoding::BASE64_NOPAD.encode(secret);
            let sha256 = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(secret));
            let name = String::from_utf8_lossy(secret);
            assert!(!holds(text, secret), "{what} tells {name}");
            assert!(!holds(&lower, hex.as_bytes()), "{what} tells {name} in hex");
            assert!(!holds(text, base64.as_bytes()), "{what} tells {name} in base64");
            // Six digits are found by trying.
            assert!(!holds(&lower, sha256.as_bytes()), "{what} tells the SHA-256 of {name}");
        }
    }
    let everything: usize = said.iter().map(|(_, text)| text.len()).sum();
    assert!(everything > 20_000, "there was something to look through");
    // They are all still there.
    for name in ["x_20240101120000Z_CA4E", "lteid_can", "notes.txt"] {
        assert!(host.cache_names().contains(&name.to_owned()));
    }
    assert!(!stand.pcscd_log().contains("493827"));
}
