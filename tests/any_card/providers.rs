//! `show --provider`: other PKCS#11 modules beside the card, the real ones and such as are broken.

use super::*;
use crate::stand::{Family, Options, PIN, SO_PIN, YUBIKEY, opensc_module};
use std::os::unix::fs::{PermissionsExt, chown};
use std::time::{Duration, Instant};

/// Another suite's modules are none of this system's.
fn is_elsewhere() -> bool {
    stand::opensc_root().is_some()
}

/// A module beside OpenSC's.
fn beside(name: &str) -> String {
    let path = opensc_module().parent().unwrap().join(name);
    assert!(path.exists(), "no {}: run tests/stand/setup", path.display());
    path.to_str().unwrap().to_owned()
}

fn opensc() -> String {
    beside("opensc-pkcs11.so")
}

/// What `show` says, for people and for scripts, with these modules; nothing of anybody's was written.
fn show(stand: &Stand, host: &Host, options: &[&str], modules: &[&str]) -> (Output, Output, Value) {
    let mut words = vec!["show"];
    words.extend(options);
    words.extend(modules.iter().flat_map(|module| ["--provider", module]));
    let before = everything(host.home());
    let human = host.stalecard(&words);
    words.extend(["--format", "json"]);
    let output = host.stalecard(&words);
    assert_eq!(everything(host.home()), before);
    assert_eq!(left_behind(stand), Vec::<String>::new());
    assert_eq!(human.code(), output.code(), "{human}\n{output}");
    for text in [&human.stdout, &human.stderr, &output.stdout] {
        assert!(text.chars().all(|c| !c.is_control() || c == '\n'), "{text:?}");
    }
    let report = document(&output);
    (human, output, report)
}

/// The objects of a module: class, ID, label, state.
fn objects(report: &Value, module: usize) -> Vec<[String; 4]> {
    let tokens = report["providers"][module]["tokens"].as_array().unwrap();
    let all = tokens.iter().flat_map(|token| token["objects"].as_array().unwrap());
    all.map(|object| ["class", "id", "label", "state"].map(|name| object[name].as_str().unwrap().to_owned()))
        .collect()
}

fn states(report: &Value, module: usize) -> Vec<String> {
    objects(report, module).into_iter().map(|[_, _, _, state]| state).collect()
}

/// Nobody has sent a PIN: a VERIFY without one only asks how often it may be tried.
fn no_login_since(stand: &Stand, lines: usize) {
    let log = stand.apdu_log();
    let new = log.get(lines..).unwrap();
    assert!(new.iter().any(|line| line.starts_with("> 00a4")), "{new:?}");
    let with_pin = |line: &&String| line.starts_with("> 0020") && line.len() > "> 0020008100".len();
    assert_eq!(new.iter().filter(with_pin).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// A SmartCard-HSM with two keys, one with a certificate, and the card as it was cached.
fn smartcard_hsm() -> (Stand, Host) {
    let stand = Stand::start();
    let host = host(&stand);
    let live = host.live();
    live.initialize("HSM-H1", PIN, SO_PIN, None);
    live.keypairgen("EC:prime256v1", &["--label", "one", "--id", "01"]);
    let second = live.keypairgen("rsa:2048", &["--label", "two", "--id", "02"]);
    live.write_cert(&live.foreign_certificate("two"), &second.id, "two");
    host.pkcs15_list();
    host.pkcs11_list();
    (stand, host)
}

/// OpenSC's own module says what is on the card, loaded by itself or by p11-kit's.
#[test]
fn modules_of_opensc_list_the_card_as_it_is() {
    if is_elsewhere() {
        return;
    }
    let (stand, host) = smartcard_hsm();
    let lines = stand.apdu_log().len();
    let (human, _, report) = show(&stand, &host, &[], &[&opensc(), &beside("p11-kit-proxy.so")]);
    assert_eq!(human.code(), 0, "{human}");
    no_login_since(&stand, lines);
    for module in [0, 1] {
        let listed = objects(&report, module);
        assert!(listed.len() >= 3, "{human}");
        assert!(listed.iter().all(|[.., state]| state == "same"), "{listed:?}\n{human}");
        assert_eq!(report["providers"][module].get("missing"), None, "{human}");
        assert_eq!(report["providers"][module]["tokens"][0]["serial"], "DENK0200834", "{human}");
    }
    assert!(human.stdout.contains("the same on the card"), "{human}");
}

/// A module that is OpenSC's shows what is in the cache, as it does to applications: that is told from what is on the card.
#[test]
fn what_a_module_has_from_a_cache_is_told_from_the_card() {
    if is_elsewhere() {
        return;
    }
    let (stand, host) = smartcard_hsm();
    let live = host.live();
    live.delete_object("privkey", "01");
    live.keypairgen("EC:prime256v1", &["--label", "one", "--id", "01"]);
    let (human, _, report) = show(&stand, &host, &[], &[&opensc()]);
    assert!(states(&report, 0).contains(&"stale".to_owned()), "{human}");
    let missing = report["providers"][0]["missing"].as_array().unwrap();
    assert!(missing.iter().any(|one| one["id"] == "01"), "{human}");
    assert!(human.stdout.contains("STALE") && human.stdout.contains("stalecard check"), "{human}");
    // Without caching it shows the card's.
    host.caching("no");
    let (human, _, report) = show(&stand, &host, &[], &[&opensc()]);
    assert!(states(&report, 0).iter().all(|state| state == "same"), "{human}");
}

/// "You might get different key/slot IDs using different PKCS #11 providers": the same keys, under names of its own.
#[test]
fn another_provider_has_other_names_for_the_same_keys() {
    if is_elsewhere() {
        return;
    }
    // Yubico's module talks to Yubico's readers alone.
    let name = "Yubico YubiKey CCID";
    let stand = Stand::with(Options { family: Family::Piv, switches: &YUBIKEY, name, ..Options::default() });
    let host = host(&stand);
    host.caching("no");
    host.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
    host.piv_renew("9a", "RSA2048", "holder");
    host.piv_renew("9c", "ECCP256", "signer");
    host.piv_renew("83", "ECCP256", "retired");
    let lines = stand.apdu_log().len();
    let (human, _, report) = show(&stand, &host, &[], &[&opensc(), &beside("libykcs11.so.2")]);
    no_login_since(&stand, lines);
    assert_eq!(human.code(), 0, "{human}");
    assert!(states(&report, 0).iter().all(|state| state == "same"), "{human}");
    let other = objects(&report, 1);
    println!("{human}\n{other:?}");
    let of = |report: &Value, module: usize| -> BTreeMap<String, [String; 3]> {
        let objects = report["providers"][module]["tokens"][0]["objects"].as_array().unwrap();
        let certificates = objects.iter().filter(|object| object["class"] == "certificate");
        certificates
            .map(|one| {
                (
                    one["public_key"].as_str().unwrap().to_owned(),
                    ["id", "label", "state"].map(|name| one[name].as_str().unwrap().to_owned()),
                )
            })
            .collect()
    };
    let (opensc, yubico) = (of(&report, 0), of(&report, 1));
    assert_eq!(opensc.len(), 3, "{human}");
    for (key, [_, label, _]) in &opensc {
        let [_, other, state] = &yubico[key];
        assert!(other != label && state == "other-name", "{human}");
    }
    // Whoever names a key by one of its names is shown both.
    let [.., label, _] = yubico.values().next().unwrap();
    let (human, _, report) = show(&stand, &host, &[label], &[&beside("libykcs11.so.2")]);
    assert_eq!(human.code(), 0, "{human}");
    assert!(objects(&report, 0).iter().any(|[_, _, own, _]| own == label), "{human}");
}

/// What a module told is in a snapshot, and shown of it on another host.
#[test]
fn a_snapshot_holds_what_modules_list() {
    if is_elsewhere() {
        return;
    }
    let (stand, host) = smartcard_hsm();
    let file = stand.dir().join("alpha.json");
    let file = file.to_str().unwrap();
    host.stalecard(&["snapshot", "--provider", &opensc(), "-o", file]).ok();
    let report = document(&host.stalecard(&["show", "--snapshot", file, "--format", "json"]).ok());
    assert!(states(&report, 0).len() >= 3 && states(&report, 0).iter().all(|state| state == "same"));
    let broken = module(&stand, "crashes");
    let output = host.stalecard(&["snapshot", "--provider", &broken, "-o", file]).exits(3);
    assert!(output.stderr.contains("it broke the process that had loaded it"), "{output}");
}

/// A card that is not read here: OpenSC is asked, and its module beside it.
#[test]
fn the_module_is_shown_beside_what_opensc_was_asked() {
    if is_elsewhere() {
        return;
    }
    let (stand, _card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    let (human, _, report) = show(&stand, &host, &[], &[&opensc()]);
    println!("{human}");
    assert_eq!(human.code(), 0, "{human}");
    let certificates: Vec<[String; 4]> =
        objects(&report, 0).into_iter().filter(|[class, ..]| class == "certificate").collect();
    assert_eq!(certificates.len(), 2, "{human}");
    assert!(certificates.iter().all(|[.., state]| state == "same"), "{human}");
}

/// Builds a module that does this.
fn module(stand: &Stand, how: &str) -> String {
    let path = stand.dir().join(format!("{how}.so"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/any_card/module.c");
    let how = format!("-DHOW=\"{how}\"");
    let built = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-Wall", "-Werror", &how, "-o"])
        .arg(&path)
        .arg(source)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    path.to_str().unwrap().to_owned()
}

/// The lines of coverage about modules.
fn gaps_of_modules(report: &Value) -> Vec<String> {
    gaps(report).into_iter().filter(|gap| gap.starts_with("PKCS#11 module ")).collect()
}

/// Whatever a module does costs one line of coverage and no more: the card is shown all the same.
#[test]
fn a_module_that_breaks_costs_one_line() {
    if is_elsewhere() {
        return;
    }
    let (stand, host) = smartcard_hsm();
    let file = |name: &str, content: &[u8]| {
        let path = stand.dir().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut foreign = std::fs::read(module(&stand, "good")).unwrap();
    // e_machine: an IBM S/370, for which nobody builds.
    foreign[18..20].copy_from_slice(&[9, 0]);
    let pipe = stand.dir().join("pipe").to_str().unwrap().to_owned();
    host.run(&["mkfifo", &pipe]).ok();
    for (path, expected) in [
        (module(&stand, "crashes"), "it broke the process that had loaded it (signal 11)"),
        (module(&stand, "aborts"), "it broke the process that had loaded it (signal 6)"),
        (module(&stand, "exits"), "with exit code 0, before all was told"),
        (module(&stand, "refuses"), "C_Initialize fails with DeviceError"),
        (module(&stand, "crashes-last"), "signal 11"),
        (file("foreign.so", &foreign), "it cannot be loaded"),
        (file("text.so", b"no module"), "it cannot be loaded"),
        (file("empty.so", b""), "it cannot be loaded"),
        (beside("libpcsclite.so.1"), "it is no PKCS#11 module: it has no C_GetFunctionList"),
        (stand.dir().to_str().unwrap().to_owned(), "it is no file"),
        (pipe, "it is no file"),
        ("/nowhere/module.so".to_owned(), "No such file"),
    ] {
        let (human, _, report) = show(&stand, &host, &[], &[&path]);
        assert_eq!(human.code(), 3, "{path}: {human}");
        let told = gaps_of_modules(&report);
        assert!(told.len() == 1 && told[0].contains(expected), "{path}: {told:?}");
        assert!(report["objects"].as_array().unwrap().len() >= 3, "{human}");
    }
}

/// What it prints is no answer, what it lists is bounded and escaped, and nobody logs in, writes or asks for a secret: each
/// of that would end this one.
#[test]
fn what_a_module_says_is_taken_with_care() {
    if is_elsewhere() {
        return;
    }
    let (stand, host) = smartcard_hsm();
    let (human, _, report) = show(&stand, &host, &[], &[&module(&stand, "prints")]);
    assert_eq!(human.code(), 0, "{human}");
    assert_eq!(objects(&report, 0).len(), 3, "{human}");
    assert_eq!(
        objects(&report, 0)[0],
        ["public-key", "0102", "\\x0d\\x1b[2Klabel", "not-compared"],
        "{human}"
    );
    // More than any pipe takes, in the place of an answer and of a complaint.
    let (human, _, report) = show(&stand, &host, &[], &[&module(&stand, "floods")]);
    assert_eq!((human.code(), objects(&report, 0).len()), (0, 3), "{human}");
    let (human, _, report) = show(&stand, &host, &[], &[&module(&stand, "endless")]);
    let told = gaps_of_modules(&report);
    assert!(human.code() == 3 && told[0].contains("more than 1024 objects"), "{human}");
    assert_eq!(objects(&report, 0).len(), 1024);
}

/// It is waited for as long as there is time.
#[test]
fn a_module_that_hangs_is_left() {
    if is_elsewhere() {
        return;
    }
    let (stand, host) = smartcard_hsm();
    let module = module(&stand, "hangs");
    let words = ["show", "--provider", &module, "--format", "json", "--timeout", "30"];
    let output = host.stalecard(&words).exits(3);
    let told = gaps_of_modules(&document(&output));
    assert!(told.len() == 1 && told[0].contains("did not end within"), "{output}");
    assert_eq!(left_behind(&stand), Vec::<String>::new());
    let words = ["show", "--provider", &module, "--format", "json", "--timeout", "12"];
    let told = gaps_of_modules(&document(&host.stalecard(&words).exits(3)));
    assert!(told[0].contains("too little time is left"), "{told:?}");
}

/// As root only what is root's on the whole way, since it runs with all of root's rights.
#[test]
fn root_loads_no_module_that_somebody_else_can_change() {
    if is_elsewhere() || !Host::can_switch_users() {
        return;
    }
    let (stand, host) = smartcard_hsm();
    let dir = stand.dir().join("modules");
    std::fs::create_dir(&dir).unwrap();
    let module = dir.join("good.so");
    std::fs::rename(self::module(&stand, "good"), &module).unwrap();
    let link = stand.dir().join("link.so");
    std::os::unix::fs::symlink(&module, &link).unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let told = |path: &Path| {
        let (human, _, report) = show(&stand, &host, &[], &[path.to_str().unwrap()]);
        assert_eq!(human.code(), if gaps_of_modules(&report).is_empty() { 0 } else { 3 }, "{human}");
        gaps_of_modules(&report).join("\n")
    };
    for (path, usual) in [(&dir, 0o755), (&module, 0o644)] {
        mode(path, usual);
        assert_eq!(told(&link), "");
        mode(path, usual | 0o002);
        let refused =
            format!("{} can be changed by others than root, so root does not load it", path.display());
        assert!(told(&link).ends_with(&refused));
        mode(path, usual);
        chown(path, Some(4711), None).unwrap();
        assert!(told(&module).ends_with(&refused));
        chown(path, Some(0), None).unwrap();
    }
    // Everybody else may load what they like.
    chown(&module, Some(4711), None).unwrap();
    let user = host.clone().for_user(4711).without_env("XDG_RUNTIME_DIR");
    let output = user.stalecard(&["show", "--provider", module.to_str().unwrap()]).ok();
    assert!(output.stdout.contains("token "), "{output}");
}

/// A program that has a card open keeps every module away, also from the cards of others.
#[test]
fn no_module_is_loaded_while_a_program_has_a_card_open() {
    if is_elsewhere() {
        return;
    }
    let (stand, host) = smartcard_hsm();
    let pipe = host.home().join("typed");
    host.run(&["mkfifo", pipe.to_str().unwrap()]).ok();
    let script = format!("exec opensc-explorer < {}", pipe.display());
    let holder = host.spawn(&["sh", "-c", &script]);
    let typed = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let module = module(&stand, "good");
    let end = Instant::now() + Duration::from_secs(30);
    let told = loop {
        let output = host.stalecard(&["show", "--provider", &module, "--format", "json"]);
        let told = gaps_of_modules(&document(&output)).join("\n");
        if output.code() == 3 && !told.is_empty() {
            break told;
        }
        assert!(Instant::now() < end, "it was loaded all the same: {output}");
    };
    assert!(told.contains("it is loaded only while nobody has a card open"), "{told}");
    assert!(told.contains("opensc-explorer"), "{told}");
    drop(typed);
    holder.stop();
}
