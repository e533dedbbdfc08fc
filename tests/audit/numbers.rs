//! What ECDSA tells and what it does not: another key and other bytes look the same to it.

use virtual_card::openssl::bn::BigNum;
use virtual_card::openssl::ecdsa::EcdsaSig;
use virtual_card::openssl::nid::Nid;

use super::*;

/// What is said to people, in one line.
fn told(workshop: &Workshop, files: &[&str]) -> (Option<i32>, String) {
    let output = workshop.program(files).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn changed_bytes_are_not_called_another_keys_and_what_is_invalid_is_no_matter_of_caches() {
    for (algorithm, is_open) in
        [("EC -pkeyopt ec_paramgen_curve:P-256", true), ("RSA -pkeyopt rsa_keygen_bits:2048", false)]
    {
        let workshop = Workshop::new();
        workshop.sh(&format!(
            "openssl genpkey -algorithm {algorithm} -out key 2>/dev/null
             openssl req -new -x509 -key key -subj /CN=signer -days 9 -out signer.pem
             printf content >data
             openssl cms -sign -binary -nodetach -noattr -in data -signer signer.pem -inkey key -outform DER -out whole.p7m"
        ));
        let mut der = workshop.read("whole.p7m");
        let place = der.windows(7).position(|part| part == b"content").unwrap();
        der[place] ^= 1;
        workshop.write("changed.p7m", der);
        workshop.sh("! openssl cms -verify -binary -noverify -inform DER -in changed.p7m >/dev/null 2>&1");
        let (code, text) = told(&workshop, &["changed.p7m"]);
        assert_eq!(code, Some(1), "{text}");
        assert_eq!(text.contains("another key made it, or they were changed since"), is_open, "{text}");
        assert_eq!(text.contains("was made by it over other bytes"), !is_open, "{text}");
        assert_eq!(text.contains("stalecard flush"), is_open, "{text}");
        assert!(!is_open || text.contains("if that finds its cache stale"), "{text}");
        let (_, report) = workshop.audit(&["changed.p7m"]);
        let fix = report["findings"][0]["fix"].as_array().unwrap();
        assert_eq!(fix.is_empty(), !is_open, "{report}");
    }
}

#[test]
fn numbers_that_no_key_gives_are_invalid_and_nobodys() {
    let workshop = Workshop::new();
    workshop.sh(
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key 2>/dev/null
         openssl req -new -x509 -key key -subj /CN=signer -days 9 -out signer.pem
         printf content >data
         openssl cms -sign -binary -nodetach -noattr -in data -signer signer.pem -inkey key -outform DER -out whole.p7m
         openssl dgst -sha256 -sign key -out signature data",
    );
    let group = virtual_card::openssl::ec::EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let (mut order, mut context) =
        (BigNum::new().unwrap(), virtual_card::openssl::bn::BigNumContext::new().unwrap());
    group.order(&mut order, &mut context).unwrap();
    let number = |number: u32| BigNum::from_u32(number).unwrap();
    let copy = |number: &BigNum| BigNum::from_slice(&number.to_vec()).unwrap();
    let whole = workshop.read("whole.p7m");
    // The signature is what the file ends with.
    let place = whole.iter().rposition(|byte| *byte == 0x30).unwrap();
    let begin = (0..=place).rev().find(|&at| {
        let length = usize::from(whole[at + 1]);
        whole[at] == 0x30 && at + 2 + length == whole.len() && EcdsaSig::from_der(&whole[at..]).is_ok()
    });
    let begin = begin.unwrap();
    for (name, r, s, is_nobodys) in [
        ("both zero", number(0), number(0), true),
        ("r zero", number(0), number(7), true),
        ("s zero", number(7), number(0), true),
        ("the order", copy(&order), number(7), true),
        ("both the order", copy(&order), copy(&order), true),
        ("small ones", number(7), number(7), false),
    ] {
        // As long as the one before, so that no length around it changes: a plain signature of two numbers.
        let der = EcdsaSig::from_private_components(r, s).unwrap().to_der().unwrap();
        let old = whole.len() - begin;
        let mut made = whole[..begin - 2].to_vec();
        made.extend([0x04, u8::try_from(der.len()).unwrap()]);
        made.extend(&der);
        // Lengths before it.
        shrink(&mut made, whole.len(), old, der.len());
        workshop.write("made.p7m", &made);
        let (code, report) = workshop.audit(&["made.p7m"]);
        let verdict = if is_nobodys { "invalid" } else { "made-by-another-key" };
        assert_eq!((code, counted(&report, "signed-data", verdict)), (1, 1), "{name}: {report}");
        let (_, text) = told(&workshop, &["made.p7m"]);
        assert_eq!(text.contains("stalecard flush"), !is_nobodys, "{name}: {text}");
    }
}

/// Makes all lengths of structures that end with the file so much shorter; it was so long before.
fn shrink(bytes: &mut [u8], whole: usize, old: usize, new: usize) {
    let mut at = 0;
    while at + 4 < bytes.len() {
        let (size, length) = match bytes[at + 1] {
            0x82 => (4, usize::from(bytes[at + 2]) << 8 | usize::from(bytes[at + 3])),
            0x81 => (3, usize::from(bytes[at + 2])),
            short @ 0..=0x7F => (2, usize::from(short)),
            _ => return,
        };
        if at + size + length != whole {
            // It does not go on to the end: what is behind it does.
            at += size + length;
            continue;
        }
        if bytes[at] == 0x04 {
            return;
        }
        let new = length + new - old;
        match size {
            4 => [bytes[at + 2], bytes[at + 3]] = u16::try_from(new).unwrap().to_be_bytes(),
            3 => bytes[at + 2] = u8::try_from(new).unwrap(),
            _ => bytes[at + 1] = u8::try_from(new).unwrap(),
        }
        at += size;
    }
}
