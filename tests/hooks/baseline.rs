//! `snapshot --baseline` and `check --against`: what changed on a token since it was provisioned.

use std::path::Path;

use super::stand::{Host, PIN, SO_PIN, Stand};
use super::{document, fixture, stalecard, summaries, text};

const ID: &str = "baseline-mismatch";

fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The summaries of what is different, with the exit code that goes with them.
#[track_caller]
fn mismatches(host: &Host, arguments: &[&str]) -> Vec<String> {
    let output = host.stalecard(&[&["check", "--format", "json"], arguments].concat());
    let found = summaries(&document(&output.stdout), ID);
    assert_eq!(output.code(), i32::from(!found.is_empty()), "{output}");
    found
}

/// One that is not wrong for another reason: caching is off.
fn provisioned(stand: &Stand) -> Host {
    let host = stand.host("provisioning").live();
    host.initialize("HSM-H1", PIN, SO_PIN, Some(1));
    host.keypairgen("EC:brainpoolP256r1", &["--id", "01", "--label", "root"]);
    host.keypairgen("rsa:2048", &["--id", "02", "--label", "signer"]);
    host.keypairgen("EC:prime256v1", &["--id", "03", "--label", "third"]);
    host.sh("openssl ecparam -name prime256v1 -genkey -noout -out certified.pem").ok();
    certify(&host, "CA 1");
    host
}

/// A certificate for the third key: of a key that openssl made, always the same one.
fn certify(host: &Host, name: &str) {
    let line = format!("openssl req -x509 -key certified.pem -days 3650 -subj '/CN={name}' -outform DER");
    host.write_cert(&host.sh(&line).ok().raw, "03", "third");
}

#[test]
fn every_change_of_a_token_is_told() {
    let stand = Stand::start();
    let host = provisioned(&stand);
    let folder = stand.dir().join("baselines");
    std::fs::create_dir(&folder).unwrap();
    let against = ["--against", word(&folder)];
    assert_eq!(
        mismatches(&host, &against),
        [format!("No baseline is known for token DENK0200834: there is none for it in {}.", word(&folder))]
    );

    // The same bytes, whether in a directory, in a file or on standard output, and as often as one likes.
    host.stalecard(&["snapshot", "--baseline", "-o", word(&folder)]).ok();
    let file = folder.join("DENK0200834.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(host.stalecard(&["snapshot", "--baseline"]).ok().stdout, written);
    text::harmless(&written);
    for line in [
        "serial = \"DENK0200834\"",
        "label = \"HSM-H1\"",
        "firmware = \"",
        "id = \"01\"",
        "type = \"EC\"",
        "curve = \"prime256v1\"",
        "curve = \"brainpoolP256r1\"",
        "type = \"RSA\"",
        "bits = 2048",
        "not_after = 20",
    ] {
        assert!(written.contains(&format!("\n{line}")), "no {line} in\n{written}");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o644);
    assert_eq!(mismatches(&host, &against), [""; 0]);
    assert_eq!(mismatches(&host, &["--against", word(&file)]), [""; 0]);

    // Another key in the place of the first, the second gone, a fourth there, another certificate for the third.
    host.delete_object("privkey", "01");
    host.keypairgen("EC:prime256v1", &["--id", "01", "--label", "root"]);
    host.delete_object("privkey", "02");
    host.keypairgen("EC:prime256v1", &["--id", "04", "--label", "new"]);
    host.delete_object("cert", "03");
    certify(&host, "CA 2");
    let found = mismatches(&host, &against);
    let expected = [
        "Key 03 has another certificate: SHA-256 ",
        "The key with ID 01 was replaced: the SHA-256 of its public key is ",
        "The key with ID 02 \"signer\" (RSA 2048, SHA-256 ",
        "The key with ID 04 \"new\" (EC prime256v1, SHA-256 ",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for expected in expected {
        assert!(found.iter().any(|found| found.starts_with(expected)), "{expected} not in {found:#?}");
    }
    assert!(found.iter().any(|found| found.ends_with("is not on the card.")), "{found:#?}");

    // A snapshot of now says the same as the card, years later also that the certificate has expired.
    let snapshot = stand.dir().join("now.json");
    host.stalecard(&["snapshot", "-o", word(&snapshot)]).ok();
    let on_snapshot = ["--snapshot", word(&snapshot), "--against", word(&folder)];
    assert_eq!(mismatches(&host, &on_snapshot), found);
    let taken = std::fs::read_to_string(&snapshot).unwrap();
    let date = taken.split("\"taken_at\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    std::fs::write(&snapshot, taken.replacen(&date, "2100-01-01T00:00:00Z", 1)).unwrap();
    let later = mismatches(&host, &on_snapshot);
    assert_eq!(later.len(), found.len() + 1, "{later:#?}");
    assert!(
        later.iter().any(|found| found.starts_with("The certificate of key 03 has expired")),
        "{later:#?}"
    );

    // The change was meant: written anew, nothing is left.
    host.stalecard(&["snapshot", "--baseline", "-o", word(&file)]).ok();
    assert_eq!(mismatches(&host, &against), [""; 0]);
    let human = host.stalecard(&["check", "--against", word(&folder)]).ok();
    text::readable(&human.stdout);
}

#[test]
fn what_a_baseline_says_differently_is_told() {
    let stand = Stand::start();
    let host = provisioned(&stand);
    let file = stand.dir().join("token.toml");
    host.stalecard(&["snapshot", "--baseline", "-o", word(&file)]).ok();
    let written = std::fs::read_to_string(&file).unwrap();
    for (from, to, said) in [
        ("id = \"01\"", "id = \"0a\"", "The ID of the key with ID 01 \"root\""),
        (
            "label = \"HSM-H1\"",
            "label = \"HSM\\u001b[2J\"",
            "The label of the token is HSM-H1; in the baseline it is HSM\\x1b[2J.",
        ),
        (
            "label = \"root\"",
            "label = \"leaf\"",
            "The label of key 01 is \"root\"; in the baseline it is \"leaf\".",
        ),
        ("bits = 2048", "bits = 4096", "Key 02 is RSA 2048; in the baseline it is RSA 4096."),
        ("firmware = \"", "firmware = \"9", "The firmware of the token is "),
        ("serial = \"DENK0200834\"", "serial = \"DENK0200835\"", "Token DENK0200835 of the baseline "),
        (
            "label = \"HSM-H1\"",
            "dkek_key_check_value = \"0011223344556677\"",
            "The DKEK key check value of the token is none; in the baseline it is 0011223344556677.",
        ),
    ] {
        assert!(written.contains(from), "{written}");
        std::fs::write(&file, written.replacen(from, to, 1)).unwrap();
        let found = mismatches(&host, &["--against", word(&file)]);
        assert!(found.len() == 1 && found[0].starts_with(said), "{said}: {found:#?}");
    }
    // What is left out is not compared.
    let lines = ["label = ", "firmware = ", "public_key_sha256 = "];
    let less: Vec<&str> =
        written.lines().filter(|line| !lines.iter().any(|gone| line.starts_with(gone))).collect();
    std::fs::write(&file, less.join("\n")).unwrap();
    assert_eq!(mismatches(&host, &["--against", word(&file)]), [""; 0]);

    // Neither a mistake in the file nor a file that is none passes for agreement.
    for bad in ["", "nonsense", "schema = \"stalecard-baseline/1\"\nserial = 3\n"] {
        std::fs::write(&file, bad).unwrap();
        let output = host.stalecard(&["check", "--against", word(&file)]).exits(2);
        assert!(output.stderr.contains("is not a baseline"), "{output}");
    }
    host.stalecard(&["check", "--against", "/nonexistent"]).exits(2);
}

/// Without the card a cache tells what it shows, and that is all that is said.
#[test]
fn offline_the_cache_is_compared() {
    let stand = Stand::start();
    let (alpha, beta) = (stand.host("alpha"), stand.host("beta"));
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = alpha.keypairgen("EC:prime256v1", &[]).id;
    alpha.pkcs15_list();
    beta.live().delete_object("privkey", &old);
    let new = beta.live().keypairgen("EC:prime256v1", &[]).id;
    let file = stand.dir().join("token.toml");
    beta.stalecard(&["snapshot", "--baseline", "-o", word(&file)]).ok();
    beta.pkcs15_list();

    let before = alpha.cache_files();
    let arguments = ["check", "--offline", "--format", "json", "--against", word(&file)];
    let output = alpha.stalecard(&arguments).exits(1);
    let report = document(&output.stdout);
    let found = summaries(&report, ID);
    assert!(found.len() == 1 && found[0].contains(&old) && !found[0].contains(&new), "{found:#?}");
    let gaps = report["coverage"].to_string();
    assert!(gaps.contains("the card was not read") && gaps.contains("shows 0 of 1 keys"), "{gaps}");
    assert_eq!(alpha.cache_files(), before);

    let output = beta.stalecard(&arguments).ok();
    let report = document(&output.stdout);
    assert_eq!(summaries(&report, ID), [""; 0]);
    assert!(report["coverage"].to_string().contains("shows 1 of 1 keys"), "{output}");
}

#[test]
fn a_baseline_is_of_one_whole_token() {
    let stand = Stand::start();
    stand.second_card(&["--serial", "DENK0200999"]);
    let host = stand.host("provisioning").live();
    let several = host.stalecard(&["snapshot", "--baseline"]).exits(2);
    assert!(several.stderr.contains("--serial") && several.stdout.is_empty(), "{several}");
    host.stalecard(&["snapshot", "--baseline", "--serial", "DENK0200999"]).ok();
    let folder = stand.dir().join("baselines");
    std::fs::create_dir(&folder).unwrap();
    host.stalecard(&["snapshot", "--baseline", "-o", word(&folder)]).ok();
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["DENK0200834.toml", "DENK0200999.toml"]);
    assert_eq!(mismatches(&host, &["--against", word(&folder)]), [""; 0]);

    stand.card().eject();
    let gone =
        host.stalecard(&["snapshot", "--baseline", "--serial", "DENK0200834", "-o", "none.toml"]).exits(3);
    assert!(gone.stderr.contains("nothing was written") && !host.home().join("none.toml").exists(), "{gone}");
}

#[test]
fn recorded_tokens_have_baselines_too() {
    let folder = tempfile::tempdir().unwrap();
    let text = "schema = \"stalecard-baseline/1\"\nserial = \"DENK0200834\"\nlabel = \"HSM-H1\"\n\n[[key]]\nid = \
                \"6e51\"\n";
    let file = folder.path().join("DENK0200834.toml");
    std::fs::write(&file, text).unwrap();
    let snapshot = fixture("five-keys.json");
    let (code, said) = stalecard(&["check", "--snapshot", &snapshot, "--against", word(folder.path())]);
    assert!(code == 1 && said.starts_with("WRONG") && said.contains("baseline"), "{code}: {said}");
    let (code, said) = stalecard(&["check", "-v", "--snapshot", &snapshot, "--against", word(folder.path())]);
    assert_eq!(code, 1, "{said}");
    text::readable(&said);
    assert_eq!(said.matches("ERROR  baseline-mismatch").count(), 6, "{said}");
    // What was hardly recorded is not missing: it is not known.
    let snapshot = fixture("five-keys-hardly-recorded.json");
    let (_, said) = stalecard(&["check", "-v", "--snapshot", &snapshot, "--against", word(folder.path())]);
    assert!(!said.contains("is not on the card."), "{said}");
    assert!(said.contains("baseline of token DENK0200834, key 6e51: it was not found, but"), "{said}");
}
