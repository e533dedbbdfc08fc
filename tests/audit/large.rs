//! Nothing that is signed vanishes: what is too large, too many or cut off is said, and no all-clear is given.

use super::*;

/// A CA, and content that is larger than what is held in memory.
const LARGE: &str = "openssl req -new -x509 -newkey rsa:2048 -nodes -keyout key -subj /CN=CA -days 9 -out ca.pem 2>/dev/null\n";

/// Exit code and the first line for people.
fn first_line(workshop: &Workshop, files: &[&str]) -> (Option<i32>, String) {
    let output = workshop.program(files).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text.lines().next().unwrap_or_default().to_owned())
}

#[test]
fn what_is_signed_and_too_large_is_not_covered_in_any_form() {
    let workshop = Workshop::new();
    workshop.sh(&format!(
        "{LARGE}head -c 20000000 /dev/zero >content
         openssl cms -sign -binary -nodetach -in content -signer ca.pem -inkey key -outform DER -out der
         openssl cms -sign -binary -nodetach -in content -signer ca.pem -inkey key -outform PEM -out pem
         openssl base64 -in der -out lines; base64 -w0 der >line; {{ printf 'a:: '; cat line; }} >ldif
         {{ printf 'eyJhbGciOiJSUzI1NiJ9.'; base64 -w0 content; printf '.AAAA'; }} >jws
         {{ printf '{{\"payload\":\"'; base64 -w0 content; printf '\",\n\"signature\":\"AAAA\",\"protected\":\"eyJhbGciOiJSUzI1NiJ9\"}}'; }} >json
         {{ printf 'To: a\nMIME-Version: 1.0\n\n'; cat lines; }} >mail"
    ));
    for form in ["der", "pem", "lines", "line", "ldif", "jws", "json", "mail"] {
        let (code, line) = first_line(&workshop, &["ca.pem", form]);
        assert!(code == Some(3) && line.starts_with("UNREAD"), "{form}: {code:?} {line}");
        let (_, report) = workshop.audit(&[form]);
        assert!(report["coverage"][0]["why"].as_str().unwrap().contains("too large"), "{form}: {report}");
    }
}

#[test]
fn text_of_any_length_is_looked_through_and_other_large_files_are_said_not_to_be() {
    let workshop = Workshop::new();
    workshop.sh(&format!(
        "{LARGE}yes 'a line of a log' | head -c 18000000 >log; {{ cat log; echo; cat ca.pem; }} >late
         {{ printf 'PK\\003\\004'; cat log; }} >archive; {{ printf '\\001\\000'; cat log; }} >image"
    ));
    let (code, report) = workshop.audit(&["late"]);
    assert_eq!((code, report["audit"]["sound"].as_u64()), (0, Some(1)), "{report}");
    let (code, line) = first_line(&workshop, &["ca.pem", "log", "archive"]);
    assert!(code == Some(0) && line.starts_with("OK"), "{line}");
    let (_, report) = workshop.audit(&["archive"]);
    assert_eq!(report["audit"]["not_opened"]["ZIP archives"], 1, "{report}");
    let (_, line) = first_line(&workshop, &["ca.pem", "image"]);
    assert!(line.starts_with("PARTLY"), "{line}");
    let output = workshop.program(&["ca.pem", "image"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let start = text.split("\n\n").next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(start.contains("1 file over 16 MiB was not looked at"), "{text}");
}

#[test]
fn what_is_cut_off_or_too_many_is_said() {
    let workshop = Workshop::new();
    workshop.sh(&format!(
        "{LARGE}echo x >content; openssl x509 -in ca.pem -outform DER -out whole; head -c 400 whole >certificate
         openssl cms -sign -binary -nodetach -in content -signer ca.pem -inkey key -outform DER | head -c 900 >cms
         {{ echo '-----BEGIN CERTIFICATE-----'; openssl base64 -in certificate; echo '-----END CERTIFICATE-----'; }} >pem
         for i in $(seq 1001); do cat ca.pem; done >bundle; openssl crl2pkcs7 -nocrl -certfile bundle -outform DER -out bag"
    ));
    let one = serde_json::json!({ "protected": "eyJhbGciOiJSUzI1NiJ9", "signature": "AAAA" });
    workshop.write("json", serde_json::json!({ "payload": "", "signatures": vec![one; 1_001] }).to_string());
    for (file, why) in [
        ("certificate", "cut off"),
        ("cms", "cut off"),
        ("pem", "cut off"),
        ("bag", "only the first 1000"),
        ("json", "only the first 1000"),
    ] {
        let (code, report) = workshop.audit(&[file]);
        let coverage = report["coverage"].as_array().unwrap();
        assert_eq!(code, 3, "{file}: {report}");
        assert!(
            coverage.iter().any(|gap| gap["why"].as_str().unwrap().contains(why)),
            "{file}: {coverage:?}"
        );
    }
}

/// Whoever writes to a directory of baselines chooses how many files there are: no more are looked at than so many, and that
/// is told.
#[test]
fn of_a_directory_of_too_many_baselines_a_gap_tells() {
    let workshop = Workshop::new();
    workshop.write("signed", "");
    std::fs::create_dir(workshop.path().join("baselines")).unwrap();
    let audit = || workshop.audit(&["--against", "baselines", "signed"]);
    (0..10_000).for_each(|n| workshop.write(&format!("baselines/{n}.bak"), ""));
    let (code, report) = audit();
    assert_eq!((code, &report["coverage"]), (0, &serde_json::json!([])), "{report}");
    workshop.write("baselines/more.bak", "");
    let (code, report) = audit();
    assert_eq!(code, 3, "{report}");
    assert!(report["coverage"][0]["why"].as_str().unwrap().contains("more than 10000"), "{report}");
}

/// Of CAs that count alike only so many are remembered: what is revoked counts for nothing then, and that is said.
#[test]
fn notes_of_cas_that_are_not_remembered_are_said() {
    let workshop = Workshop::new();
    workshop.sh(LARGE);
    for (rows, code) in [(16, 0), (17, 3)] {
        let row = |number| format!("R\t361231000000Z\t260101000000Z\t05\tunknown\t/CN=leaf {number}\n");
        workshop.write("index.txt", (0..rows).map(row).collect::<String>());
        let (came, report) = workshop.audit(&["ca.pem", "index.txt"]);
        assert_eq!(came, code, "{report}");
    }
}
