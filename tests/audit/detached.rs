//! Signatures over what is elsewhere: they are sound over that, and not by themselves.

use std::io::Write as _;
use std::process::Stdio;

use super::*;

const SIGNER: &str = "openssl req -new -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -subj /CN=signer \
                      -days 9 -out signer.pem 2>/dev/null; mkdir files; printf 'text\\nof two lines\\n' >files/data\n";

#[test]
fn a_digest_that_is_signed_is_held_against_the_file_beside_it() {
    let workshop = Workshop::new();
    workshop.sh(&format!(
        "{SIGNER}openssl cms -sign -binary -in files/data -signer signer.pem -inkey key -outform DER -out files/data.p7s
         openssl cms -sign -in files/data -signer signer.pem -inkey key -outform PEM -out text.p7s; cp files/data text
         openssl cms -verify -binary -noverify -inform DER -in files/data.p7s -content files/data >/dev/null"
    ));
    // As it is, and as mail writes the ends of its lines.
    for files in [["files/data.p7s"], ["text.p7s"]] {
        let (code, report) = workshop.audit(&files);
        assert_eq!((code, counted(&report, "signed-data", "sound")), (0, 1), "{report}");
    }
    // The same signature beside another file is another matter, though it was sound elsewhere.
    workshop.sh("mkdir files/other; cp files/data.p7s files/other/; echo changed >files/other/data
                 ! openssl cms -verify -binary -noverify -inform DER -in files/other/data.p7s -content files/other/data >/dev/null 2>&1");
    for _ in 0..3 {
        let (code, report) = workshop.audit(&["files"]);
        assert_eq!((code, counted(&report, "signed-data", "sound")), (3, 1), "{report}");
        assert_eq!(counted(&report, "signed-data", "not-decided"), 1, "{report}");
    }
    // What it is over is not here at all.
    workshop.sh("rm files/other/data");
    let (code, report) = workshop.audit(&["files/other"]);
    assert_eq!(
        (code, counted(&report, "signed-data", "sound"), report["audit"]["not_decided"].as_u64()),
        (3, 0, Some(1)),
        "{report}"
    );
    let mut child = workshop
        .program(&["--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&workshop.read("files/data.p7s")).unwrap();
    let (code, report) = document(&child.wait_with_output().unwrap());
    assert_eq!((code, report["audit"]["not_decided"].as_u64()), (3, Some(1)), "{report}");
}

#[test]
fn a_signed_message_brings_its_content_along() {
    let workshop = Workshop::new();
    workshop.sh(&format!(
        "{SIGNER}mkdir mail; openssl smime -sign -signer signer.pem -inkey key -in files/data -text -out mail/plain.eml
         openssl cms -sign -crlfeol -signer signer.pem -inkey key -in files/data -out mail/windows.eml
         for one in plain windows; do openssl smime -verify -noverify -in mail/$one.eml >/dev/null 2>&1; done"
    ));
    let (code, report) = workshop.audit(&["mail"]);
    assert_eq!((code, counted(&report, "signed-data", "sound")), (0, 2), "{report}");
    workshop.sh("sed -i 's/two lines/ten lines/' mail/plain.eml; ! openssl smime -verify -noverify -in mail/plain.eml >/dev/null 2>&1");
    let (code, report) = workshop.audit(&["mail"]);
    assert_eq!(
        (code, counted(&report, "signed-data", "sound"), counted(&report, "signed-data", "not-decided")),
        (3, 1, 1),
        "{report}"
    );
}

/// A bundle of certificates has the form of signed data, and nobody has signed it.
#[test]
fn a_bundle_is_no_signature_and_is_called_so() {
    let workshop = Workshop::new();
    workshop.sh(&format!("{SIGNER}openssl crl2pkcs7 -nocrl -certfile signer.pem -out bundle.p7b"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
    let words = ["verify", "--offline", "--data", "files/data", "--signature", "bundle.p7b"];
    let output = command.args(words).current_dir(workshop.path()).env("HOME", workshop.path()).output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("nobody has signed"), "{said}");
}
