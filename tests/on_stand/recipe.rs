//! `packaging/recipes/ca.md` is run as it stands: its commands are taken out of the page and done by a
//! shell on the stand, with the real tools. On a host with a stale cache it succeeds; with its
//! protection left out it stops.

use std::path::Path;

use crate::stand;
use crate::stand::{Host, Output, PIN, SO_PIN, Stand};

const PAGE: &str = include_str!("../../packaging/recipes/ca.md");

/// The block of this language in the section whose title begins with these words.
fn block<'a>(title: &str, language: &str) -> &'a str {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(title)).expect(title);
    let (_, code) = section.split_once(&format!("\n```{language}\n")).expect("a block");
    code.split_once("```").expect("its end").0
}

/// A host for a ceremony: the PINs in its home, which is the working directory, and our program in the path.
fn ceremony(stand: &Stand, name: &str) -> Host {
    let host = stand.host(name);
    stand::secret(host.home().join("pin"), PIN);
    std::fs::write(host.home().join("so-pin"), SO_PIN).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_stalecard")).parent().unwrap().to_str().unwrap();
    let path = host.run(&["printenv", "PATH"]).ok().stdout;
    host.env("PATH", &format!("{program}:{}", path.trim()))
}

/// Does what a section says, as an administrator would who stops at the first failure.
fn section(host: &Host, title: &str) -> Output {
    done(host, block(title, "sh"))
}

fn done(host: &Host, commands: &str) -> Output {
    host.sh(&format!("set -eu\n{}\n{commands}", block("What is needed", "sh")))
}

/// A key on the token, with the ID that the recipe gives to its own, is in this host's cache.
fn has_seen_the_tokens_former_life(host: &Host) {
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host.keypairgen("EC:prime256v1", &["--id", "01", "--label", "former"]);
    host.pkcs15_list();
    assert_ne!(host.cache_files().len(), 0);
}

/// The public key of the certificate that was made, and the one that this host shows for the key.
fn keys(host: &Host, maker: &Host) -> [String; 2] {
    let certificate = maker.home().join("root.pem");
    let named =
        host.run(&["openssl", "x509", "-pubkey", "-noout", "-in", certificate.to_str().unwrap()]).ok();
    [named.stdout, host.public_key("01")]
}

#[test]
fn on_a_fresh_host_and_on_one_with_a_past() {
    let stand = Stand::start();
    let (alpha, beta) = (ceremony(&stand, "alpha"), ceremony(&stand, "beta"));
    has_seen_the_tokens_former_life(&beta);
    for title in ["1.", "2.", "3.", "4.", "5."] {
        section(&alpha, title).ok();
    }
    let baselines = alpha.home().join("baselines");
    assert!(
        std::fs::read_to_string(baselines.join("DENK0200834.toml")).unwrap().contains("label = \"Root CA\"")
    );

    // The other host is caught by what keeps its service from starting, until it does its section.
    let command = block("7.", "ini").split_once("ExecStartPre=/usr/bin/").unwrap().1.trim();
    let service = command.replace("/etc/stalecard/baselines/", baselines.to_str().unwrap());
    let caught = done(&beta, &service).exits(1);
    assert!(caught.stdout.starts_with("STALE") && !caught.stdout.contains("baseline"), "{caught}");
    let copied = beta.sh(&format!("cp -r {} .", baselines.display()));
    copied.ok();
    section(&beta, "6.").ok();
    done(&beta, &service).ok();
    for host in [&alpha, &beta] {
        let [certificate, shown] = keys(host, &alpha);
        assert_eq!(certificate, shown, "on {}", host.name());
    }
}

#[test]
fn a_stale_cache_does_not_get_into_the_certificate() {
    let stand = Stand::start();
    let host = ceremony(&stand, "alpha");
    has_seen_the_tokens_former_life(&host);
    let cache = host.cache_files();
    section(&host, "1.").ok();
    section(&host, "2.").ok();
    // Nobody has touched the cache, and it is still stale.
    assert_eq!(host.cache_files(), cache);
    let [certificate, shown] = keys(&host.with_cache_copy(), &host);
    assert_ne!(certificate, shown);
    let flushed = section(&host, "3.").ok();
    assert!(flushed.stdout.contains("quarantine"), "{flushed}");
    section(&host, "4.").ok();
    section(&host, "5.").ok();
    let [certificate, shown] = keys(&host, &host);
    assert_eq!(certificate, shown);
}

#[test]
fn without_its_protection_it_stops_before_the_baseline() {
    let stand = Stand::start();
    let host = ceremony(&stand, "alpha");
    has_seen_the_tokens_former_life(&host);
    section(&host, "1.").ok();
    let protected = block("2.", "sh");
    let naked = protected.replace("stalecard run -- ", "");
    assert_ne!(naked, protected);
    done(&host, &naked).ok();
    // Stale, and the certificate is the former key's: each by itself says so.
    host.stalecard(&["check"]).exits(1);
    section(&host, "3.").ok();
    let commands: Vec<&str> = block("4.", "sh").lines().collect();
    let [openssl, keys, certificate] = commands[..] else { panic!("{commands:?}") };
    done(&host, openssl).exits(2);
    done(&host, keys).exits(1);
    let said = done(&host, certificate).exits(1);
    assert!(said.stdout.contains("signed-by-other-key"), "{said}");
    assert!(!section(&host, "4.").success());
}

#[test]
fn what_openssl_ca_issues_is_audited_where_it_is_made() {
    const CARD: &str = "-config ca.conf -engine pkcs11 -keyform engine -keyfile 'pkcs11:id=%01;type=private' -passin env:PIN \
                        -cert root.pem";
    let stand = Stand::start();
    let (alpha, beta) = (ceremony(&stand, "alpha"), stand.host("beta"));
    for title in ["1.", "2.", "8."] {
        section(&alpha, title).ok();
    }
    std::fs::write(
        alpha.home().join("ca.conf"),
        "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nnew_certs_dir = newcerts\nserial = serial\n\
         default_md = sha256\ndefault_days = 30\npolicy = any\n[any]\ncommonName = supplied\n",
    )
    .unwrap();
    let listed = || done(&alpha, &format!("./ca-sign {CARD} -gencrl -crldays 7 -out crl.pem"));
    let issued = |name: &str| {
        let request = format!(
            "openssl req -newkey rsa:2048 -nodes -keyout {name}.key -subj /CN={name} -out {name}.csr"
        );
        let sign = format!("./ca-sign {CARD} -batch -in {name}.csr -out {name}.pem");
        done(&alpha, &format!("{request}\n{sign}"))
    };
    done(&alpha, "mkdir newcerts; : >index.txt; echo 01 >serial").ok();
    issued("fresh").ok();
    listed().ok();
    alpha.pkcs15_list();
    // Elsewhere the token gets another key; the CA's host does not notice.
    beta.initialize("HSM-H1", PIN, SO_PIN, None);
    beta.keypairgen("EC:prime256v1", &["--id", "01", "--label", "root"]);
    // The hook looks at what was made since it began, to the second.
    let said = issued("stale").exits(1);
    assert!(
        said.stdout.starts_with("WRONG  1 of 1 signed artefact is bad.")
            && said.stdout.contains("newcerts/02.pem")
            && !said.stdout.contains("01.pem"),
        "{said}"
    );
    // The same from a timer, and nothing of what is older.
    let timer = "stalecard audit --since 26h root.pem newcerts";
    assert!(PAGE.contains(&format!("`{timer}`")));
    done(&alpha, timer).exits(1);
    let now = timer.replace("26h", "\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"");
    done(&alpha, &format!("sleep 1.1\n{now}")).ok();
    // A list names nothing in the folder: it is where -out says.
    let said = listed().exits(1);
    assert!(said.stdout.contains("1 certificate revocation list"), "{said}");
}
