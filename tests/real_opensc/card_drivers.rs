//! Which driver OpenSC takes for a card under `card_drivers`, `card_atr`, `enable_default_driver` and
//! `OPENSC_DRIVER`: what `stalecard` says of each program beside what the real tools do with the same card,
//! whose caches they have filled before it changed. All settings with `STALECARD_LONG=1`, else one of three.

use crate::stand;
use crate::stand::listing::{Kind, Pkcs15Listing};
use crate::stand::{Family, Host, Options, PIN, SO_PIN, Stand};
use stalecard::finding::{Finding, Id};
use stalecard::judge::{judge, tokens};
use stalecard::snapshot::Snapshot;
use stalecard::view::{Class, View};
use std::fmt::Write;

/// What is said of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// It shows the card, with the objects of its cache.
    Shows,
    /// It has no driver for it.
    Refuses,
    /// It cannot be told, or is not known.
    Open,
}
use Said::{Open, Refuses, Shows};

/// A configuration, and what is to be said of `pkcs15-tool` and of PKCS#11 applications.
struct Setting {
    /// In `app default`.
    text: String,
    /// Before that.
    apps: &'static str,
    driver: Option<&'static str>,
    said: [Said; 2],
}

fn both(text: &str, said: Said) -> Setting {
    Setting { text: text.to_owned(), apps: "", driver: None, said: [said, said] }
}

fn variable(driver: &'static str, said: Said) -> Setting {
    Setting { text: String::new(), apps: "", driver: Some(driver), said: [said, said] }
}

fn apps(apps: &'static str, text: &str, said: [Said; 2]) -> Setting {
    Setting { text: text.to_owned(), apps, driver: None, said }
}

impl Setting {
    fn host(&self, stand: &Stand, number: usize) -> Host {
        let host = stand.host(&format!("host{number}"));
        let caching = "framework pkcs15 { use_file_caching = yes; }";
        host.configure(&format!("{}\napp default {{\n\t{}\n\t{caching}\n}}\n", self.apps, self.text));
        match self.driver {
            Some(driver) => host.env("OPENSC_DRIVER", driver),
            None => host,
        }
    }
}

/// The objects by kind, label and ID; not PINs, which are not listed of every family.
fn of_listing(listing: &Pkcs15Listing) -> Vec<String> {
    let object =
        |kind: Kind, label: &str, id: Option<&str>| format!("{kind:?} {label} {}", id.unwrap_or("-"));
    let objects = listing.objects.iter().filter(|known| known.kind != Kind::Pin);
    sorted(objects.map(|known| object(known.kind, &known.label, known.id.as_deref())))
}

fn of_view(view: &View) -> Vec<String> {
    let line = |object: &stalecard::view::Object| {
        let kind = match object.class {
            Class::PrivateKey { .. } => Kind::PrivateKey,
            Class::PublicKey { .. } => Kind::PublicKey,
            Class::Certificate { .. } => Kind::Certificate,
            Class::SecretKey(_) => Kind::SecretKey,
            Class::Pin(_) => Kind::Pin,
            Class::Data { .. } => Kind::Data,
        };
        let id = data_encoding::HEXLOWER.encode(&object.id);
        let id = if id.is_empty() { "-".to_owned() } else { id };
        format!("{kind:?} {} {id}", String::from_utf8_lossy(&object.label))
    };
    sorted(view.objects.iter().filter(|object| !matches!(object.class, Class::Pin(_))).map(line))
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

fn snapshot(host: &Host) -> Snapshot {
    let output = host.stalecard(&["snapshot"]);
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// What `stalecard` says of a program, with what it would show.
fn said(snapshot: &Snapshot, program: &str) -> (Said, Vec<String>) {
    let shown = tokens(snapshot)
        .cases
        .iter()
        .flat_map(|case| &case.cache_views)
        .find(|cache_view| cache_view.programs.iter().any(|known| known == program))
        .map(|cache_view| of_view(&cache_view.shown));
    let verdict = judge(snapshot);
    let what = format!("{program}, what it shows of the card");
    let gap = verdict.coverage.iter().find(|gap| gap.what.starts_with(&what));
    let hides = |finding: &Finding| {
        finding.id == Id::TokenNotVisible && finding.program.iter().any(|known| known == program)
    };
    let is_hidden = verdict.findings.iter().any(hides);
    match (shown, gap) {
        (Some(shown), None) => (Shows, shown),
        (None, None) if is_hidden => (Refuses, Vec::new()),
        (None, Some(_)) => (Open, Vec::new()),
        other => panic!("{program}: {other:?}\n{:#?}", verdict.coverage),
    }
}

/// Fills a cache under each setting, changes the card, and holds what is said beside what is shown. How many
/// caches are stale then.
fn compare(stand: &Stand, settings: &[Setting], change: impl FnOnce(&Host)) -> usize {
    let long = std::env::var_os("STALECARD_LONG").is_some_and(|value| value != "0");
    let step = if long || settings.len() < 8 { 1 } else { 3 };
    let settings: Vec<&Setting> = settings.iter().step_by(step).collect();
    let hosts: Vec<Host> =
        settings.iter().enumerate().map(|(number, setting)| setting.host(stand, number)).collect();
    for host in &hosts {
        host.run(&["pkcs15-tool", "-D"]);
    }
    let maker = stand.host("maker");
    change(&maker);
    let fresh = of_listing(&maker.pkcs15_list());
    let (mut wrong, mut stale) = (String::new(), 0);
    for (setting, host) in settings.into_iter().zip(&hosts) {
        let observed = snapshot(host);
        let [of_tool, of_module] = ["pkcs15-tool", "opensc-pkcs11"].map(|program| said(&observed, program));
        let host = host.with_cache_copy();
        let tool = host.run(&["pkcs15-tool", "-D"]);
        let listed =
            Pkcs15Listing::parse(&tool.stdout).map(|listing| of_listing(&listing)).unwrap_or_default();
        let module = host.run(&["pkcs11-tool", "-L"]).stdout.contains("token label");
        let refused = format!("{tool}").contains("Card is invalid or cannot be handled");
        let agrees = [of_tool.0, of_module.0] == setting.said
            && match of_tool.0 {
                Shows => listed == of_tool.1 && !listed.is_empty(),
                Refuses => refused && listed.is_empty(),
                Open => true,
            }
            && match of_module.0 {
                Shows => module,
                Refuses => !module,
                Open => true,
            };
        stale += usize::from(of_tool.0 == Shows && listed != fresh);
        if !agrees {
            let name = format!("{} {} {:?}", setting.apps, setting.text, setting.driver);
            writeln!(wrong, "{name}\n  said {of_tool:?}, {of_module:?}\n  module {module} {tool}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    stale
}

fn atr(host: &Host) -> String {
    let output = host.run(&["opensc-tool", "--atr"]).ok();
    output.stdout.lines().last().unwrap().trim().to_owned()
}

#[test]
fn a_smart_card_hsm() {
    let stand = Stand::start();
    let maker = stand.host("maker");
    maker.caching("no");
    maker.initialize("HSM-H1", PIN, SO_PIN, None);
    maker.keypairgen("EC:prime256v1", &["--label", "first", "--id", "01"]);
    let atr = atr(&maker);
    let upper = atr.to_uppercase();
    let bare = atr.replace(':', "");
    let mask = format!("{}00", "ff:".repeat(23));
    let masked = format!("{}00", &atr[..atr.len() - 2]);
    let settings = [
        both("", Shows),
        both("card_drivers = PIV-II;", Refuses),
        both("card_drivers = sc-hsm;", Shows),
        both("card_drivers = \"sc-hsm, myeid\";", Refuses),
        both("card_drivers = openpgp, sc-hsm;", Shows),
        both("card_drivers = gids, sc-hsm;", Open),
        both("card_drivers = muscle, internal;", Shows),
        both("card_drivers = nonesuch;\n\tcard_drivers = sc-hsm;", Shows),
        both("card_drivers = SC-HSM;", Refuses),
        both("card_drivers = \"\";", Refuses),
        both("card_drivers = ;", Shows),
        both("card_drivers = default;", Refuses),
        both("card_drivers = default; enable_default_driver = true;", Open),
        both("enable_default_driver = true;", Shows),
        both("force_card_driver = PIV-II;", Shows),
        apps("app pkcs15-tool { card_drivers = PIV-II; }", "", [Refuses, Shows]),
        apps("app opensc-pkcs11 { card_drivers = PIV-II; }", "", [Shows, Refuses]),
        apps("app pkcs15-tool { card_drivers = PIV-II; }", "card_drivers = internal;", [Shows, Shows]),
        apps("app pkcs15-tool { card_drivers = sc-hsm; }", "card_drivers = PIV-II;", [Refuses, Refuses]),
        both(&format!("card_atr {atr} {{ driver = PIV-II; }}"), Open),
        both(&format!("card_atr {upper} {{ driver = PIV-II; }}"), Open),
        both(&format!("card_atr {bare} {{ driver = PIV-II; }}"), Shows),
        both(&format!("card_atr {masked} {{ atrmask = \"{mask}\"; driver = PIV-II; }}"), Open),
        both(&format!("card_atr {atr} {{ driver = default; }}"), Shows),
        both(&format!("card_atr {atr} {{ driver = sc-hsm; name = \"x\"; }}"), Shows),
        both(&format!("card_atr {atr} {{ driver = sc-hsm; type = 26000; }}"), Open),
        both(&format!("card_drivers = sc-hsm; card_atr {atr} {{ driver = PIV-II; }}"), Shows),
        variable("sc-hsm", Shows),
        variable("PIV-II", Refuses),
        variable("internal", Shows),
        variable("old", Open),
        variable("sc-hsm,myeid", Refuses),
        variable("", Refuses),
        Setting { driver: Some("sc-hsm"), ..both("card_drivers = PIV-II;", Shows) },
    ];
    let stale = compare(&stand, &settings, |maker| {
        maker.delete_object("privkey", "01");
        maker.keypairgen("EC:prime256v1", &["--label", "second", "--id", "02"]);
    });
    assert!(stale > 1, "{stale}");
}

/// One that its answer to reset does not tell, as some samples and emulators are.
#[test]
fn a_smart_card_hsm_that_only_the_configuration_knows() {
    let switches = &["--atr", "3BF81300008131FE454A434F5076323431B7"];
    let stand = Stand::with(Options { switches, ..Options::default() });
    let maker = stand.host("maker");
    maker.configure("app default { card_drivers = sc-hsm;\nframework pkcs15 { use_file_caching = no; } }");
    maker.initialize("HSM-H1", PIN, SO_PIN, None);
    maker.keypairgen("EC:prime256v1", &["--label", "first", "--id", "01"]);
    let atr = atr(&maker);
    let settings = [
        both("card_drivers = sc-hsm;", Shows),
        both("card_drivers = myeid, sc-hsm;", Shows),
        variable("sc-hsm", Shows),
        both(&format!("card_atr {atr} {{ driver = sc-hsm; }}"), Shows),
        apps("app pkcs15-tool { card_drivers = sc-hsm; }", "", [Shows, Open]),
    ];
    let stale = compare(&stand, &settings, |maker| {
        maker.delete_object("privkey", "01");
        maker.keypairgen("EC:prime256v1", &["--label", "second", "--id", "02"]);
    });
    assert!(stale > 1, "{stale}");
}

#[test]
fn a_native_card() {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let maker = stand.host("maker");
    maker.caching("no");
    maker.personalise();
    maker.generate_key("ec/prime256v1", "45", "first");
    let atr = atr(&maker);
    let settings = [
        both("card_drivers = default; enable_default_driver = yes;", Shows),
        both("", Shows),
        both("card_drivers = myeid;", Shows),
        both("card_drivers = isoApplet, myeid;", Shows),
        both("card_drivers = isoApplet;", Refuses),
        both("card_drivers = default;", Refuses),
        both("enable_default_driver = true;", Shows),
        apps(
            "app pkcs15-tool { enable_default_driver = on; }",
            "card_drivers = default;",
            [Refuses, Refuses],
        ),
        apps("app pkcs15-tool { card_drivers = default; enable_default_driver = true; }", "", [Open, Shows]),
        both(&format!("card_atr {atr} {{ driver = starcos; }}"), Open),
        both(&format!("card_atr {atr} {{ driver = myeid; }}"), Shows),
        variable("myeid", Shows),
        variable("openpgp", Refuses),
    ];
    let stale = compare(&stand, &settings, |maker| {
        maker.delete_objects("privkey,pubkey", "45");
        maker.generate_key("ec/prime256v1", "46", "second");
    });
    // From 0.24 on a MyEID's counter is in the names, but not where the driver `default` makes them.
    assert!(stale > 0, "{stale}");
}

/// Nothing but the settings tells what it is.
#[test]
fn a_card_with_the_isoapplet() {
    let stand = Stand::with(Options { family: Family::IsoApplet, ..Options::default() });
    let maker = stand.host("maker").env("OPENSC_DRIVER", "isoApplet");
    maker.caching("no");
    maker.personalise_isoapplet();
    let generate = |host: &Host, id| {
        host.pkcs15_init(&stand::generate_key_under("FF", "ec/prime256v1", id, id)).ok();
    };
    generate(&maker, "45");
    let atr = atr(&maker);
    let settings = [
        both("card_drivers = isoApplet;", Shows),
        both("card_drivers = isoApplet, myeid, default;", Shows),
        both(&format!("card_atr {atr} {{ driver = isoApplet; }}"), Shows),
        both("card_drivers = myeid; card_drivers = isoApplet;", Shows),
        variable("isoApplet", Shows),
        apps("app opensc-pkcs11 { card_drivers = isoApplet; }", "", [Open, Shows]),
        apps("app opensc-pkcs11 { card_drivers = isoApplet; }", "card_drivers = isoApplet;", [Shows, Shows]),
    ];
    // Its caches do not grow stale: the date of the last update is in their names.
    compare(&stand, &settings, |maker| generate(maker, "46"));
}

/// A YubiKey 5 whose OpenPGP application is meant, which OpenSC by itself passes over for its PIV.
#[test]
fn an_openpgp_card_that_passes_for_piv() {
    let switches = &["--atr", "3BFD1300008131FE158073C021C057597562694B657940", "--apdu", "extended"];
    let stand = Stand::with(Options { family: Family::OpenPgp, switches, ..Options::default() });
    let maker = stand.host("maker");
    maker.configure("app default { card_drivers = openpgp;\nframework pkcs15 { use_file_caching = no; } }");
    maker.openpgp_generate_ec(1, "prime256v1");
    let atr = atr(&maker);
    let settings = [
        both("card_drivers = openpgp;", Shows),
        both("card_drivers = openpgp, PIV-II;", Shows),
        both(&format!("card_atr {atr} {{ driver = openpgp; }}"), Shows),
        variable("openpgp", Shows),
    ];
    compare(&stand, &settings, |maker| drop(maker.openpgp_generate_ec(3, "prime256v1")));
}

/// What is shown as the corrected line, put in its place, leaves the card to be seen, and nothing to be said of it.
#[test]
fn a_corrected_list_of_emulations_leaves_the_card_to_be_seen() {
    let stand = Stand::start();
    let host = stand.host("alpha").live();
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    host.keypairgen("EC:prime256v1", &["--label", "first", "--id", "01"]);
    let lists_key = || host.run(&["pkcs15-tool", "-D"]).stdout.contains("first");
    let lint = |text: &str| -> Vec<serde_json::Value> {
        host.configure(text);
        let path = host.conf().to_str().unwrap().to_owned();
        let said = host.stalecard(&["config", "lint", "--format", "json", &path]).stdout;
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        report["findings"].as_array().unwrap().clone()
    };
    for (value, is_seen) in [("sc-hsm PIV-II", true), ("piv, SC-HSM", false), ("PIV-II, sc_hsm", false)] {
        let mut text =
            format!("app default {{\n\tframework pkcs15 {{\n\t\tbuiltin_emulators = {value};\n\t}}\n}}\n");
        let mut findings = lint(&text);
        assert_eq!(lists_key(), is_seen, "{value}");
        assert!(!findings.is_empty(), "{value}");
        for _ in 0..3 {
            let Some(finding) = findings.first() else { break };
            let source = &finding["evidence"][0]["source"];
            let corrected = source["corrected"].as_str().unwrap_or_else(|| panic!("{value}: {finding}"));
            let line = usize::try_from(source["line"].as_u64().unwrap()).unwrap();
            let mut lines: Vec<&str> = text.lines().collect();
            lines[line - 1] = corrected;
            text = lines.join("\n") + "\n";
            findings = lint(&text);
        }
        assert!(findings.is_empty() && lists_key(), "{value}: {text}{findings:?}");
    }
    // A name of another card's driver: what is meant by it does not help this one.
    let check = |drivers: &str| {
        host.configure(&format!("app default {{\n\tcard_drivers = {drivers};\n}}\n"));
        host.stalecard(&["check", "--no-ask"]).stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let said = check("piv");
    assert!(said.contains("Next: add sc-hsm to the list, or internal for OpenSC's own list"), "{said}");
    assert!(!lists_key());
    let said = check("PIV-II, sc-hsm");
    assert!(said.starts_with("OK") && lists_key(), "{said}");
}
