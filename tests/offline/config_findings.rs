//! What `config lint` says of every trap under `fixtures/config/`: the rules on the configuration,
//! their lines and corrections, on three versions and where none is known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use stalecard::finding::{Finding, Severity};
use stalecard::judge::judge_config;
use stalecard::scconf;
use stalecard::snapshot::{ByteString, ConfigFile, ConfigState, Installation, SCHEMA, Snapshot, User, Whose};

/// Fixture; findings on 0.22, 0.23 and 0.27.1. What is not here has none.
const TABLE: &[(&str, [&[&str]; 3])] = &[
    ("action-not-known", [&[VALUE]; 3]),
    ("arrow-for-equals", [&[VALUE]; 3]),
    ("blank-of-typesetters", [&[IGNORED]; 3]),
    ("block-misspelt", [&[IGNORED]; 3]),
    ("block-shadows-default", [&[SHADOW, DIFFERS]; 3]),
    ("blocks-at-the-end", [&[DIFFERS]; 3]),
    ("blocks-outside-app", [&[IGNORED, IGNORED]; 3]),
    ("brace-without-key", [&[UNREADABLE]; 3]),
    ("byte-order-mark", [&[IGNORED]; 3]),
    ("byte-order-mark-inside", [&[IGNORED]; 3]),
    ("c-comment", [&[UNREADABLE]; 3]),
    ("cache-dir-environment", [&[VALUE]; 3]),
    ("cache-dir-of-user", [&[VALUE]; 3]),
    ("cache-dir-tilde", [&[VALUE]; 3]),
    ("cache-dir-with-blank", [&[VALUE]; 3]),
    ("cache-dir-with-colon", [&[VALUE]; 3]),
    ("closed-once-too-often", [&[UNREADABLE]; 3]),
    ("colon-for-semicolon", [&[VALUE]; 3]),
    ("comma-for-semicolon", [&[UNREADABLE]; 3]),
    ("comment-before-brace", [&[CRASH]; 3]),
    ("comment-before-equals", [&[CRASH]; 3]),
    ("comment-before-name", [&[CRASH]; 3]),
    ("comment-before-setting", [&[UNREADABLE]; 3]),
    ("comment-behind-brace", [&[UNREADABLE]; 3]),
    ("comment-behind-setting", [&[UNREADABLE]; 3]),
    ("comment-behind-value", [&[UNREADABLE]; 3]),
    ("comment-of-several-lines", [&[UNREADABLE]; 3]),
    ("comment-before-value", [&[UNREADABLE]; 3]),
    ("comment-of-ini", [&[UNREADABLE]; 3]),
    ("comment-of-sql", [&[UNREADABLE]; 3]),
    ("conflict", [&[UNREADABLE]; 3]),
    ("driver-list-of-one-program", [&[IGNORED]; 3]),
    ("driver-of-other-release", [&[], &[], &[VALUE]]),
    ("driver-piv", [&[VALUE]; 3]),
    ("driver-piv-ii", [&[VALUE]; 3]),
    ("driver-piv-in-card-atr", [&[VALUE]; 3]),
    ("drivers-in-framework", [&[IGNORED]; 3]),
    ("drivers-without-comma", [&[VALUE]; 3]),
    ("duplicate-app", [&[SHADOW]; 3]),
    ("duplicate-framework", [&[SHADOW]; 3]),
    ("duplicate-key", [&[IGNORED]; 3]),
    ("empty-line-before-brace", [&[CRASH]; 3]),
    ("empty-line-before-equals", [&[CRASH]; 3]),
    ("empty-line-before-name", [&[CRASH]; 3]),
    ("empty-line-before-value", [&[], &[UNREADABLE], &[UNREADABLE]]),
    ("executable-block", [&[IGNORED], &[IGNORED], &[DIFFERS]]),
    ("force-card-driver", [&[IGNORED]; 3]),
    ("force-card-driver-beside-list", [&[IGNORED]; 3]),
    ("framework-of-another-name", [&[IGNORED]; 3]),
    ("framework-outside-app", [&[IGNORED]; 3]),
    ("glued-assignment", [&[IGNORED]; 3]),
    ("glued-block", [&[UNREADABLE]; 3]),
    ("guard-caches", [&[VALUE, VALUE], &[], &[]]),
    ("include", [&[IGNORED]; 3]),
    ("ini", [&[UNREADABLE]; 3]),
    ("ini-section", [&[IGNORED]; 3]),
    ("json", [&[UNREADABLE]; 3]),
    ("key-alone", [&[IGNORED]; 3]),
    ("key-use-caching", [&[IGNORED]; 3]),
    ("key-use-file-cache", [&[IGNORED]; 3]),
    ("key-with-dashes", [&[IGNORED]; 3]),
    ("missing-semicolon-at-end", [&[IGNORED]; 3]),
    ("names-without-comma", [&[UNREADABLE]; 3]),
    ("no-break-space", [&[IGNORED]; 3]),
    ("no-break-space-before-brace", [&[UNREADABLE]; 3]),
    ("no-break-space-indent", [&[IGNORED]; 3]),
    ("onepin-block", [&[DIFFERS], &[DIFFERS], &[IGNORED]]),
    ("opensc-tool-S", [&[IGNORED]; 3]),
    ("operator-of-make", [&[UNREADABLE]; 3]),
    ("padding-in-app", [&[IGNORED], &[IGNORED], &[]]),
    ("pinpad-in-app", [&[IGNORED]; 3]),
    ("pinpad-in-pkcs11", [&[IGNORED]; 3]),
    ("pinpad-zero-one", [&[VALUE]; 3]),
    ("pkcs11-tool-block", [&[IGNORED]; 3]),
    ("reader-block-hides-default", [&[SHADOW]; 3]),
    ("readers-without-quotes", [&[VALUE]; 3]),
    ("redhat-public", [&[VALUE], &[], &[]]),
    ("redhat-true", [&[], &[VALUE], &[VALUE]]),
    ("return-in-comment", [&[VALUE]; 3]),
    ("second-name", [&[IGNORED]; 3]),
    ("second-name-with-own-block", [&[IGNORED]; 3]),
    ("setting-of-later-release", [&[IGNORED], &[IGNORED], &[]]),
    ("setting-of-older-release", [&[], &[], &[IGNORED]]),
    ("setting-outside-framework", [&[IGNORED, IGNORED]; 3]),
    ("settings-outside-app", [&[IGNORED, IGNORED]; 3]),
    ("seventeen-blocks", [&[IGNORED], &[UNREADABLE], &[UNREADABLE]]),
    ("shell", [&[IGNORED]; 3]),
    ("slash-comment", [&[UNREADABLE]; 3]),
    ("slash-comment-with-setting", [&[UNREADABLE]; 3]),
    ("template-dir", [&[VALUE]; 3]),
    ("template-erb", [&[VALUE]; 3]),
    ("template-jinja", [&[UNREADABLE]; 3]),
    ("template-shell", [&[VALUE]; 3]),
    ("tokend-score", [&[], &[], &[IGNORED]]),
    ("trap-in-foreign-app", [&[CRASH]; 3]),
    ("two-equals", [&[UNREADABLE]; 3]),
    ("typographic-dash", [&[VALUE]; 3]),
    ("typographic-quotes", [&[VALUE]; 3]),
    ("typographic-quotes-dir", [&[VALUE]; 3]),
    ("value-all", [&[VALUE]; 3]),
    ("value-capital-yes", [&[], &[VALUE], &[VALUE]]),
    ("value-glued-brace", [&[VALUE]; 3]),
    ("value-glued-comment", [&[VALUE]; 3]),
    ("value-not-needed", [&[VALUE]; 3]),
    ("value-on", [&[VALUE]; 3]),
    ("value-one", [&[VALUE]; 3]),
    ("value-public", [&[VALUE], &[], &[]]),
    ("value-single-quotes", [&[VALUE]; 3]),
    ("value-true", [&[], &[VALUE], &[VALUE]]),
    ("value-unclosed-quote", [&[VALUE]; 3]),
    ("value-upper-case-true", [&[], &[VALUE], &[VALUE]]),
    ("value-y", [&[], &[VALUE], &[VALUE]]),
    ("word-before-key", [&[IGNORED]; 3]),
    ("writer-alone-caches", [&[DIFFERS]; 3]),
    ("xml", [&[UNREADABLE]; 3]),
    ("yaml", [&[UNREADABLE]; 3]),
    ("yaml-setting", [&[IGNORED]; 3]),
    ("zero-width-in-key", [&[IGNORED]; 3]),
];
const CRASH: &str = "config-crashes-opensc";
const UNREADABLE: &str = "config-unreadable";
const VALUE: &str = "config-value-not-understood";
const IGNORED: &str = "config-setting-ignored";
const SHADOW: &str = "config-block-shadowed";
const DIFFERS: &str = "config-differs-between-programs";
const WRITER: &str = "config-caches-for-writer";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config")
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.conf"))).unwrap()
}

/// A host with three of OpenSC's tools and this configuration.
fn host(version: Option<&str>, text: &[u8]) -> Snapshot {
    let path = ByteString::from("/etc/opensc.conf");
    let installation = Installation {
        library: "/usr/lib/libopensc.so".into(),
        version: version.map(Into::into),
        config_path: Some(path.clone()),
    };
    let tool = |name: &str| (name.to_owned(), ByteString::from(format!("/usr/bin/{name}").as_str()));
    Snapshot {
        schema: SCHEMA.to_owned(),
        taken_at: time::OffsetDateTime::UNIX_EPOCH,
        host: "test".to_owned(),
        user: User {
            uid: 0,
            name: None,
            env: BTreeMap::from([("HOME".to_owned(), ByteString::from("/home/u"))]),
        },
        opensc: vec![installation],
        executables: ["pkcs15-tool", "pkcs15-init", "pkcs11-tool"].map(tool).into(),
        configs: vec![ConfigFile::new(path, ConfigState::Text(text.to_vec().into()))],
        cards: Vec::new(),
        asks: Vec::new(),
        providers: Vec::new(),
        caches: Vec::new(),
        others: Vec::new(),
        processes: Vec::new(),
        flushed: Vec::new(),
        quarantine: Vec::new(),
        whose: Whose::Caller,
        home: None,
        invoked_by: None,
        readers: Vec::new(),
        p11_kit: None,
        coverage: Vec::new(),
    }
}

fn on(version: &str, name: &str) -> Vec<Finding> {
    judge_config(&host(Some(version), &fixture(name)))
}

fn corrections(findings: &[Finding]) -> Vec<String> {
    let sources = findings.iter().flat_map(|f| &f.evidence).filter_map(|e| e.source.as_ref());
    sources.filter_map(|source| source.corrected.clone()).collect()
}

#[test]
fn every_trap_is_found_where_it_is_one() {
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        let expected = TABLE.iter().find(|(known, _)| *known == name).map_or([&[][..]; 3], |(_, ids)| *ids);
        for (version, expected) in ["0.22.0", "0.23.0", "0.27.1"].into_iter().zip(expected) {
            let seen: Vec<&str> =
                on(version, &name).iter().map(|f| f.id.name()).filter(|id| *id != WRITER).collect();
            if seen != expected {
                wrong.push(format!("{name} on {version}: {seen:?}, expected {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_corrected_line_is_the_whole_line_as_it_should_be() {
    for (name, line) in [
        ("c-comment", "# caching off"),
        ("slash-comment", "# caching off"),
        ("glued-block", "app default {"),
        ("comment-before-value", "use_file_caching = no;"),
        ("empty-line-before-value", "use_file_caching = yes;"),
        ("comment-before-brace", "app default {"),
        ("comment-before-name", "app default {"),
        ("comment-before-equals", "use_file_caching = no;"),
        ("glued-assignment", "use_file_caching = yes;"),
        ("value-true", "use_file_caching = no;"),
        ("value-glued-brace", "use_file_caching = no; }"),
        ("value-glued-comment", "use_file_caching = no; # off;"),
        ("value-upper-case-true", "use_file_caching = no;"),
        ("empty-line-before-name", "app default {"),
        ("value-unclosed-quote", "use_file_caching = no;"),
        ("byte-order-mark", "app default {"),
        ("arrow-for-equals", "use_file_caching = no;"),
        ("cache-dir-with-colon", "file_cache_dir = /var/lib/opensc/cache;"),
        ("colon-for-semicolon", "use_file_caching = no;"),
        (
            "comma-for-semicolon",
            "app default { framework pkcs15 { use_file_caching = no; use_pin_caching = false; } }",
        ),
        ("comment-of-ini", "# the comment of INI files"),
        ("comment-of-sql", "# the comment of SQL and Lua"),
        ("comment-before-setting", "use_file_caching = no; # off"),
        ("comment-behind-brace", "app default { # all programs"),
        ("comment-behind-setting", "use_file_caching = no; # off for this host"),
        ("comment-behind-value", "use_file_caching = no; # off"),
        ("comment-of-several-lines", "# off for this host"),
        ("operator-of-make", "use_file_caching = no;"),
        ("two-equals", "use_file_caching = no;"),
    ] {
        assert_eq!(corrections(&on("0.23.0", name)), [line], "{name}");
    }
    // A second list would be added to the first, and not hold alone.
    assert_eq!(corrections(&on("0.23.0", "force-card-driver-beside-list")), [""; 0]);
    // What is written in another language is called so, and not corrected by half.
    for (name, language) in [("json", "JSON"), ("xml", "XML"), ("conflict", "a merge that was not settled")] {
        let findings = on("0.23.0", name);
        let notes: Vec<&str> = findings
            .iter()
            .flat_map(|finding| &finding.evidence)
            .filter_map(|evidence| Some(evidence.source.as_ref()?.note.as_str()))
            .collect();
        assert!(notes.iter().any(|note| note.contains(language)), "{name}: {notes:?}");
        assert_eq!(corrections(&findings), [""; 0], "{name}");
    }
    // A block inside another is not read: there is no line that could be corrected alone.
    assert_eq!(corrections(&on("0.23.0", "framework-of-another-name")), [""; 0]);
    assert_eq!(corrections(&on("0.22.0", "value-public")), ["use_file_caching = no;"]);
    assert_eq!(corrections(&on("0.22.0", "value-glued-brace")), ["use_file_caching = yes; }"]);
}

#[test]
fn who_is_concerned_is_told() {
    let programs = |name: &str| on("0.23.0", name).iter().map(|f| f.program.join(" ")).collect::<Vec<_>>();
    let shadowed = "opensc-pkcs11 pkcs11-tool";
    assert_eq!(programs("block-shadows-default")[0], shadowed);
    assert_eq!(programs("trap-in-foreign-app"), ["pkcs15-init"]);
    let summary = |name: &str| on("0.23.0", name).remove(0).summary;
    assert!(summary("blocks-at-the-end").contains("pkcs15-tool: on in the default directory"));
    assert!(summary("onepin-block").contains("onepin-opensc-pkcs11: on"));
    let newer = on("0.27.1", "onepin-block").remove(0);
    assert!(
        newer.summary.contains("from OpenSC 0.24 this module reads the block opensc-pkcs11"),
        "{newer:?}"
    );
}

#[test]
fn a_dropped_file_switches_caching_on_and_it_is_said() {
    let consequence = |version| on(version, "slash-comment").remove(0).consequence;
    assert!(consequence("0.23.0").contains("caching is off"), "{}", consequence("0.23.0"));
    assert!(consequence("0.27.1").contains("Caching is on (public)"), "{}", consequence("0.27.1"));
    assert!(consequence("0.27.1").contains("dtrust"));
}

/// Red Hat's guard is right as it is; a tool that changes cards and caches is not.
#[test]
fn only_a_writing_tool_that_caches_is_told_of() {
    let told = |text: &str, version| {
        let findings = judge_config(&host(Some(version), text.as_bytes()));
        findings.iter().map(|f| f.id.name()).collect::<Vec<_>>()
    };
    let block = |app: &str, value: &str| {
        format!("app {app} {{ framework pkcs15 {{ use_file_caching = {value}; }} }}\n")
    };
    for version in ["0.23.0", "0.27.1"] {
        assert_eq!(told(&block("default", "public"), version), [WRITER]);
        for guard in ["pkcs15-init", "/usr/bin/pkcs15-init", "PKCS15-INIT"] {
            let of_path = guard.starts_with('/') && version == "0.23.0";
            let expected: &[&str] = if of_path { &[IGNORED, WRITER] } else { &[] };
            assert_eq!(
                told(&(block("default", "public") + &block(guard, "false")), version),
                expected,
                "{guard}"
            );
        }
        let guards = block("default", "public") + &block("pkcs15-init", "no");
        assert_eq!(told(&(guards.clone() + &block("piv-tool", "no")), version), [""; 0]);
        assert_eq!(told(&(guards + &block("opensc-pkcs11", "no")), version), [DIFFERS]);
        assert_eq!(
            told(&(block("default", "no") + &block("pkcs15-init", "yes")), version),
            [DIFFERS, WRITER]
        );
        assert_eq!(told("", version), [""; 0]);
    }
}

#[test]
fn blocks_that_nobody_reads_are_named() {
    let app = |name: &str| {
        let text = format!("app {name} {{ framework pkcs15 {{ use_file_caching = no; }} }}");
        let findings = judge_config(&host(Some("0.23.0"), text.as_bytes()));
        findings.iter().map(|f| f.summary.to_string()).collect::<Vec<_>>()
    };
    assert!(app("pkcs11-tool")[0].contains("pkcs11-tool reads the block opensc-pkcs11"));
    assert!(app("firefox")[0].contains("no program of OpenSC's is called firefox"));
    for known in ["PKCS15-Init", "default", "cardmod", "opensc-pkcs11", "sc-hsm-tool"] {
        assert_eq!(app(known), [""; 0], "{known}");
    }
}

#[test]
fn without_a_known_version_every_release_is_judged() {
    let all = |name: &str| {
        let findings = judge_config(&host(None, &fixture(name)));
        let others = findings.iter().filter(|f| f.id.name() != WRITER);
        others.map(|f| (f.id.name(), f.consequence.clone())).collect::<Vec<_>>()
    };
    let value = all("value-public");
    assert_eq!(value.len(), 1);
    assert!(value[0].1.ends_with("Concerns OpenSC 0.19 to 0.22."), "{value:?}");
    let value = all("value-true");
    assert!(value[0].1.ends_with("Concerns OpenSC 0.23 and later."), "{value:?}");
    let crash = all("comment-before-brace");
    assert!(crash.len() == 1 && !crash[0].1.contains("Concerns"), "{crash:?}");
    assert_eq!(all("value-no"), []);
}

/// Hostile bytes reach neither a terminal nor JSON, whatever is in the file, and nothing panics.
#[test]
fn hostile_bytes_are_escaped() {
    let hostile =
        b"app default { framework pkcs15 { use_file_caching = \x1b[2J\xff\xe2\x80\xae; } }\n// \x07 x y\n";
    for text in
        [&hostile[..], b"app \x1b[31m { framework pkcs15 { use_file_caching = no; } }", b"\0{\0}=\xff;,\""]
    {
        for version in ["0.22.0", "0.23.0", "0.27.1"] {
            let json = serde_json::to_string(&judge_config(&host(Some(version), text))).unwrap();
            assert!(!json.bytes().any(|b| b < 0x20 && b != b'\n') && !json.contains('\u{202e}'), "{json}");
            assert!(!json.contains("\\u001b"), "{json}");
        }
    }
}

/// The rules never panic and never correct a line to something OpenSC refuses at the same place:
/// all fixtures with a byte taken away, and with a line end put in.
#[test]
fn mutated_fixtures_are_judged_without_panic() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        for at in (0..text.len()).step_by(3) {
            let mut shorter = text.clone();
            shorter.remove(at);
            let mut longer = text.clone();
            longer.splice(at..at, *b"\n\n");
            for text in [shorter, longer] {
                let findings = judge_config(&host(Some("0.23.0"), &text));
                let refused = scconf::parse(&text, scconf::Dialect::Since023).is_err();
                let said = findings.iter().any(|f| f.id.name() == UNREADABLE);
                assert_eq!(refused, said, "{}", String::from_utf8_lossy(&text));
            }
        }
    }
}

/// A long file full of settings that nobody reads, takes time in proportion.
#[test]
fn a_huge_file_is_judged_in_time() {
    let clock = std::time::Instant::now();
    let setting = "use_file_caching = yes;\n";
    let mut text = "app default { framework pkcs15 { use_file_caching = no;\n".to_owned();
    text.push_str(&setting.repeat(5_000));
    text.push_str("} }\napp default { framework pkcs15 {\n");
    text.push_str(&setting.repeat(5_000));
    let findings = judge_config(&host(Some("0.23.0"), text.as_bytes()));
    assert_eq!(findings.len(), 2 * 51);
    assert_eq!(findings.iter().filter(|f| f.summary.starts_with("4950 more settings")).count(), 2);

    assert!(clock.elapsed() < std::time::Duration::from_secs(60), "{:?}", clock.elapsed());
}

/// Positions found by the table of lines are those counted in the text.
#[test]
fn positions_are_the_same_both_ways() {
    for text in [&b"a = 1;\n\n b\r\n= 2;"[..], b"", b"\n", b"x"] {
        let document = scconf::parse(text, scconf::Dialect::Until022).unwrap();
        for at in 0..=text.len() + 2 {
            assert_eq!(document.position(at), scconf::Position::of(text, at), "{at} in {text:?}");
        }
    }
}

fn lint(args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
    let output = command.args(["config", "lint"]).args(args).env_remove("OPENSC_CONF").output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// The file that is on trial here need not be the one of this host: that is not to be edited in its place.
#[test]
fn what_cures_a_file_that_was_named_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("on trial.conf");
    std::fs::write(&file, "app default { framework pkcs15 { use_file_caching = yes; } }\n").unwrap();
    let named = file.to_str().unwrap();
    let json: serde_json::Value = serde_json::from_str(&lint(&[named, "--format", "json"]).1).unwrap();
    let commands: Vec<&str> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["fix"][0]["command"].as_str())
        .collect();
    let expected = format!("stalecard config disable-cache --app pkcs15-init --file '{named}'");
    assert_eq!(commands, [expected.as_str()], "{json}");
    assert!(lint(&[named]).1.ends_with(&format!("Next: {expected}\n")), "{}", lint(&[named]).1);
}

#[test]
fn lint_ends_with_the_codes_of_the_contract() {
    let at = |name: &str| folder().join(format!("{name}.conf")).to_str().unwrap().to_owned();
    assert_eq!(lint(&[&at("value-no")]).0, 0);
    assert_eq!(lint(&[&at("glued-assignment")]).0, 0, "a warning");
    assert_eq!(lint(&[&at("glued-assignment"), "--fail-on", "warning"]).0, 1);
    assert_eq!(lint(&[&at("slash-comment")]).0, 1);
    assert_eq!(lint(&["/nowhere/opensc.conf"]).0, 3);
    assert_eq!(lint(&[&at("slash-comment"), "/nowhere/opensc.conf"]).0, 1, "findings come first");
    assert_eq!(lint(&["--nonsense"]).0, 2);
    let (code, text) = lint(&[&at("value-no"), &at("c-comment"), &at("comment-before-brace")]);
    assert_eq!(code, 1);
    assert!(text.contains("And 1 more. Judged for OpenSC 0."), "{text}");
    // Commands and paths are never broken, everything else keeps to 80 columns.
    for line in text.lines().filter(|line| !line.contains("-->") && !line.contains("/config/")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&lint(&[&at("value-no"), "--format", "json"]).1).unwrap();
    assert_eq!(
        (json["schema"].as_str(), json["command"].as_str()),
        (Some("stalecard/1"), Some("config lint"))
    );
    let severities: BTreeSet<Severity> = on("0.23.0", "c-comment").iter().map(|f| f.severity).collect();
    assert_eq!(severities, BTreeSet::from([Severity::Error]));
}

/// The same findings stand in `check`, beside what concerns cards, where an OpenSC is installed.
#[test]
fn check_tells_them_too() {
    let check = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
        command.args(["check", "--offline", "--format", "json"]);
        command.env("OPENSC_CONF", folder().join(format!("{name}.conf")));
        let output = command.env("HOME", "/nowhere").env_remove("XDG_CACHE_HOME").output().unwrap();
        (output.status.code().unwrap(), serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap())
    };
    let (code, report) = check("slash-comment");
    assert_eq!(code, 1);
    let finding = &report["findings"][0];
    assert_eq!((finding["id"].as_str(), finding["severity"].as_str()), (Some(UNREADABLE), Some("error")));
    let source = &finding["evidence"][0]["source"];
    assert_eq!((source["line"].as_u64(), source["column"].as_u64()), (Some(1), Some(12)));
    assert_eq!(finding["evidence"][1]["source"]["corrected"], "# caching off");
    let (code, report) = check("value-no");
    assert_eq!((code, report["findings"].as_array().unwrap().len()), (0, 0), "{report}");
}
