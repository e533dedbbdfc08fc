//! Why a program sees no card: what `pkcs11-tool -L` and `pkcs15-tool` list under settings that hide it, and what is said of that.
//! Six readers, cards in the first and in the fifth, for which OpenSC by default has no slot.

use serde_json::Value;

use super::{check, found, said};
use crate::random::Random;
use crate::stand::{Family, Host, Options, PIN, PW1, READER, SO_PIN, Stand};

const FINDING: &str = "token-not-visible";
const FIRST: &str = "DENK0200834";
const FIFTH: &str = "DENK0200999";

struct Scene {
    _stand: Stand,
    host: Host,
    /// Serial and reader of each card.
    cards: [(&'static str, String); 2],
}

impl Scene {
    fn new() -> Self {
        let stand = Stand::with(Options { readers: 3, ..Options::default() });
        let host = stand.host("alpha");
        host.caching("no");
        host.initialize("HSM-H1", PIN, SO_PIN, None);
        host.keypairgen("EC:prime256v1", &[]);
        let fifth = stand.card_in(4, &["--serial", FIFTH]);
        let cards = [(FIRST, READER.to_owned()), (FIFTH, fifth)];
        Self { _stand: stand, host, cards }
    }

    /// The cards that each program does not see, by the real tools: program and serial.
    fn not_seen(&self) -> Vec<(String, String)> {
        let slots = self.host.run(&["pkcs11-tool", "-L"]).stdout;
        let mut missed = Vec::new();
        for (serial, reader) in &self.cards {
            let listed = self.host.run(&["pkcs15-tool", "--reader", reader, "-D"]).stdout;
            if !listed.contains(serial) {
                missed.push(("pkcs15-tool".to_owned(), (*serial).to_owned()));
            }
            if !slots.contains(serial) {
                missed.push(("opensc-pkcs11".to_owned(), (*serial).to_owned()));
            }
        }
        missed.sort();
        missed
    }

    /// The same as it is told.
    fn told(report: &Value) -> Vec<(String, String)> {
        let mut told = Vec::new();
        for finding in found(report, FINDING) {
            for program in finding["program"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                told.push((text(program), text(&finding["token"])));
            }
        }
        told.sort();
        told
    }

    /// Under these settings what is told is what the tools show; gives the exit code and the report.
    fn agrees(&self, configuration: &str) -> (i32, Value) {
        self.host.configure(configuration);
        let (code, report) = check(&self.host, &[]);
        assert_eq!(Self::told(&report), self.not_seen(), "{configuration}\n{report:#}");
        // Nothing is well while a program misses a card.
        let all_clear = self.host.stalecard(&["check"]).stdout.starts_with("OK");
        let missed = !found(&report, FINDING).is_empty();
        assert!(!(missed && all_clear), "{configuration}");
        (code, report)
    }
}

/// Seen: the card in the fifth reader is in no application's list, and all was well.
#[test]
fn settings_hide_a_card_as_the_tools_say() {
    let scene = Scene::new();
    let severity = |report: &Value| found(report, FINDING)[0]["severity"].as_str().unwrap().to_owned();
    let fix = |report: &Value| found(report, FINDING)[0]["fix"][0]["what"].as_str().unwrap().to_owned();
    let line = |report: &Value| found(report, FINDING)[0]["evidence"][0]["source"]["line"].as_u64();

    // By default, and what is to be changed does it.
    let (code, report) = scene.agrees("app default {\n}\n");
    assert_eq!((code, severity(&report).as_str()), (1, "error"), "{report:#}");
    assert!(fix(&report).contains("max_virtual_slots = 20;"), "{report:#}");
    let enough = "app opensc-pkcs11 {\n\tpkcs11 {\n\t\tmax_virtual_slots = 20;\n\t}\n}\n";
    let (code, report) = scene.agrees(enough);
    assert_eq!((code, found(&report, FINDING).len()), (0, 0), "{report:#}");

    // One program's setting that does what it says, and the same for all.
    let with = |app: &str, setting: &str| {
        format!(
            "app {app} {{\n\t{setting}\n}}\napp default {{\n\tpkcs11 {{\n\t\tmax_virtual_slots = 24;\n\t}}\n}}\n"
        )
    };
    let (code, report) = scene.agrees(&with("opensc-pkcs11", "ignored_readers = \"PCD 00\", \"PCD 2\";"));
    assert_eq!((code, severity(&report).as_str(), line(&report)), (0, "info", Some(2)), "{report:#}");
    let all = "app default {\n\tignored_readers = \"Virtual\";\n}\n";
    let (code, report) = scene.agrees(all);
    assert_eq!((code, severity(&report).as_str(), line(&report)), (1, "error", Some(2)), "{report:#}");

    // A name that no OpenSC has.
    let (code, report) = scene.agrees(
        &with("default", "card_drivers = piv;").replace("app default {\n\tpkcs11", "app x {\n\tpkcs11"),
    );
    assert_eq!((code, severity(&report).as_str()), (1, "error"), "{report:#}");
    assert!(fix(&report).starts_with("add sc-hsm to the list"), "{report:#}");
    // One that is there, and not this card's: what it says, for one program.
    let (code, report) = scene.agrees(&with("opensc-pkcs11", "card_drivers = openpgp;"));
    assert_eq!((code, severity(&report).as_str()), (0, "info"), "{report:#}");
    // The driver that takes all, if it is switched on.
    let (code, report) = scene.agrees(&with("opensc-pkcs11", "card_drivers = default;"));
    assert_eq!((code, severity(&report).as_str()), (1, "error"), "{report:#}");
    assert!(fix(&report).contains("enable_default_driver = true;"), "{report:#}");

    for setting in [
        "slots_per_card = 1;",
        "slots_per_card = 0;",
        "max_virtual_slots = 4;",
        "max_virtual_slots = 17;",
        "max_virtual_slots = many;",
        "max_virtual_slots = -1;",
        "slots_per_card = 0x8; max_virtual_slots = 010;",
    ] {
        scene.agrees(&format!("app opensc-pkcs11 {{\n\tpkcs11 {{\n\t\t{setting}\n\t}}\n}}\n"));
    }
    // What makes a token of a card that has no PKCS#15 files, and slots for its PIN.
    for (setting, name) in [
        ("enable_pkcs15_emulation = no;", "enable_pkcs15_emulation"),
        ("enable_builtin_emulation = false;", "enable_builtin_emulation"),
        ("builtin_emulators = PIV-II, openpgp;", "builtin_emulators"),
        ("builtin_emulators = SC-HSM;", "builtin_emulators"),
    ] {
        let (code, report) =
            scene.agrees(&format!("app default {{\n\tframework pkcs15 {{\n\t\t{setting}\n\t}}\n}}\n"));
        assert_eq!((code, severity(&report).as_str(), line(&report)), (1, "error", Some(3)), "{report:#}");
        assert!(found(&report, FINDING)[0]["summary"].to_string().contains(name), "{report:#}");
    }
    for setting in
        ["builtin_emulators = PIV-II, sc-hsm;", "builtin_emulators = ;", "enable_pkcs15_emulation = yes;"]
    {
        scene.agrees(&format!("app default {{\n\tframework pkcs15 {{\n\t\t{setting}\n\t}}\n}}\n"));
    }
    for setting in ["sign", "nothing", "User", "user", "sign,user", "all"] {
        scene.agrees(&format!(
            "app opensc-pkcs11 {{\n\tpkcs11 {{\n\t\tcreate_slots_for_pins = \"{setting}\";\n\t}}\n}}\n"
        ));
    }
    for setting in ["ignored_readers = \"\";", "ignored_readers = pcd;", "card_drivers = piv, sc-hsm;"] {
        scene.agrees(&format!("app default {{\n\t{setting}\n}}\n"));
    }
}

/// A property: whatever settings hide of whatever reader, what is told is what the tools show.
#[test]
fn random_settings_hide_what_the_tools_do_not_show() {
    let scene = Scene::new();
    let count = if std::env::var_os("STALECARD_LONG").is_some() { 200 } else { 6 };
    for seed in 0..count {
        let mut random = Random(seed);
        let mut text = String::new();
        for app in ["pkcs15-tool", "opensc-pkcs11", "default"] {
            if random.chance(30) {
                continue;
            }
            text.push_str(&format!("app {app} {{\n"));
            if random.chance(40) {
                let words = ["PCD 00", "PCD 1", "PCD 2 00 00", "00 01", "Virtual", "virtual", ""];
                let words: Vec<String> =
                    (0..=random.below(2)).map(|_| format!("\"{}\"", random.one(&words))).collect();
                text.push_str(&format!("\tignored_readers = {};\n", words.join(", ")));
            }
            if random.chance(30) {
                let drivers = ["piv", "sc-hsm", "openpgp", "internal", "default", "sc_hsm", "PIV-II"];
                let drivers: Vec<&str> = (0..=random.below(2)).map(|_| random.one(&drivers)).collect();
                text.push_str(&format!("\tcard_drivers = {};\n", drivers.join(", ")));
            }
            if random.chance(25) {
                let settings = [
                    "enable_pkcs15_emulation = no;",
                    "builtin_emulators = openpgp;",
                    "builtin_emulators = openpgp, sc-hsm;",
                    "enable_builtin_emulation = no;",
                ];
                text.push_str(&format!("\tframework pkcs15 {{\n\t\t{}\n\t}}\n", random.one(&settings)));
            }
            if random.chance(50) {
                let pins = random.one(&["all", "user", "sign", "sign, user", "", "none"]);
                let (per, most) = (random.one(&[1, 2, 4, 8]), random.one(&[1, 4, 7, 16, 17, 40]));
                text.push_str(&format!(
                    "\tpkcs11 {{\n\t\tslots_per_card = {per};\n\t\tmax_virtual_slots = {most};\n\
                     \t\tcreate_slots_for_pins = \"{pins}\";\n\t}}\n"
                ));
            }
            text.push_str("}\n");
        }
        scene.agrees(&text);
    }
}

/// An OpenPGP card is two tokens, one for each of its PINs; a setting leaves one of them out.
#[test]
fn a_token_of_an_openpgp_card_that_has_no_slot_is_told() {
    let switches = ["--card-version", "3.4", "--apdu", "extended"];
    let stand = Stand::with(Options { family: Family::OpenPgp, switches: &switches, ..Options::default() });
    let host = stand.host("alpha").with_pin(PW1);
    host.caching("no");
    for key in [1, 3] {
        host.openpgp_generate_ec(key, "prime256v1");
    }
    let labels = ["OpenPGP card (User PIN)", "OpenPGP card (User PIN (sig))"];
    for (pins, severity) in [
        ("all", None),
        ("sign,user", None),
        ("user", Some("info")),
        ("sign", Some("info")),
        ("none", Some("error")),
    ] {
        host.configure(&format!(
            "app default {{\n\tpkcs11 {{\n\t\tcreate_slots_for_pins = \"{pins}\";\n\t}}\n}}\n"
        ));
        let slots = host.run(&["pkcs11-tool", "-L"]).stdout;
        let is_there = |label: &&str| slots.lines().any(|line| line.ends_with(&format!(": {label}")));
        let missed: Vec<&str> = labels.iter().filter(|label| !is_there(label)).copied().collect();
        let (code, report) = check(&host, &[]);
        let told = found(&report, FINDING);
        assert_eq!(told.first().map(|finding| finding["severity"].as_str().unwrap()), severity, "{report:#}");
        assert_eq!(code, i32::from(severity == Some("error")));
        match &missed[..] {
            [] => assert!(told.is_empty(), "{slots}"),
            [one] => assert!(
                told[0]["summary"].as_str().unwrap().contains(&format!("no slot for {one} of")),
                "{report:#}"
            ),
            _ => assert!(told[0]["summary"].as_str().unwrap().contains("no slot for the card"), "{report:#}"),
        }
    }
}

/// What p11-kit gives a program that names no module: the oracle is `p11-kit list-modules`.
#[test]
fn p11_kit_keeps_the_module_from_programs() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    if !Host::can_switch_users() {
        return println!("not root: nobody else to be");
    }
    // p11-kit passes over what root has in his home.
    let host = host.for_user(4711);
    let listed =
        |host: &Host| host.run(&["p11-kit", "list-modules"]).ok().stdout.contains("opensc-pkcs11.so");
    if !listed(&host) {
        return println!("OpenSC's module is not registered on this machine");
    }
    assert_eq!(found(&check(&host, &[]).1, FINDING).len(), 0);
    let folder = host.home().join(".config/pkcs11/modules");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("opensc-pkcs11.module");
    for (line, expected) in [
        ("disable-in: firefox, p11-kit", "does not give OpenSC's module to firefox, p11-kit (disable-in)"),
        ("enable-in: firefox", "gives OpenSC's module to firefox only (enable-in)"),
    ] {
        std::fs::write(&file, format!("# mine\n{line}\n")).unwrap();
        let host = host.clone().for_user(4711);
        assert!(!listed(&host), "{line}");
        let (code, report) = check(&host, &[]);
        let [finding] = &found(&report, FINDING)[..] else { panic!("{report:#}") };
        assert_eq!((code, &finding["severity"]), (0, &"info".into()), "{finding}");
        assert!(finding["summary"].as_str().unwrap().contains(expected), "{finding}");
        assert_eq!(finding["evidence"][0]["source"]["line"], 2, "{finding}");
        assert_eq!(finding["evidence"][0]["source"]["file"], file.to_str().unwrap(), "{finding}");
    }
    std::fs::write(&file, "disable-in: firefox\nenable-in: p11-kit\n").unwrap();
    assert!(listed(&host));
    std::fs::remove_file(&file).unwrap();
    // The user's own configuration takes the place of the host's, and has no module in it.
    let own = host.home().join(".config/pkcs11/pkcs11.conf");
    std::fs::write(&own, "user-config: only\n").unwrap();
    let host = host.for_user(4711);
    assert!(!listed(&host));
    let (code, report) = check(&host, &[]);
    assert_eq!((code, found(&report, FINDING).len()), (0, 1), "{report:#}");
    std::fs::remove_file(&own).unwrap();
    // Nobody has registered it.
    let host = stand.host("root");
    let bare = |command: &str| {
        let line = format!("mount -t tmpfs tmpfs /usr/share/p11-kit/modules && exec {command}");
        host.run(&["unshare", "--mount", "sh", "-c", &line])
    };
    assert!(!bare("p11-kit list-modules").stdout.contains("opensc"));
    let output = bare(&format!("{} check", env!("CARGO_BIN_EXE_stalecard"))).exits(0);
    assert!(said(&output).contains("p11-kit knows no module of OpenSC"), "{output}");
    assert!(said(&output).contains("write a file /etc/pkcs11/modules/opensc.module"), "{output}");
}
