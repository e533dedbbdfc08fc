//! `config show`: what holds for each program, in words and as JSON, from a snapshot file.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::schema;
use serde_json::Value;
use stalecard::snapshot::{ByteString, ConfigFile, ConfigState, Installation, SCHEMA, Snapshot, User, Whose};

const TOOLS: [&str; 3] = ["pkcs11-tool", "pkcs15-init", "pkcs15-tool"];

fn snapshot(version: &str, state: ConfigState) -> Snapshot {
    let path = ByteString::from("/etc/opensc.conf");
    Snapshot {
        schema: SCHEMA.to_owned(),
        taken_at: time::OffsetDateTime::UNIX_EPOCH,
        host: "test".to_owned(),
        user: User {
            uid: 0,
            name: None,
            env: BTreeMap::from([("HOME".to_owned(), ByteString::from("/home/u"))]),
        },
        opensc: vec![Installation {
            library: "/usr/lib/libopensc.so.8".into(),
            version: Some(version.to_owned()),
            config_path: Some(path.clone()),
        }],
        executables: TOOLS.map(|name| (name.to_owned(), format!("/usr/bin/{name}").as_str().into())).into(),
        configs: vec![ConfigFile::new(path, state)],
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

fn fixture(name: &str) -> ConfigState {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/config/{name}.conf"));
    ConfigState::Text(std::fs::read(path).unwrap().into())
}

fn text(text: &str) -> ConfigState {
    ConfigState::Text(text.as_bytes().to_vec().into())
}

/// Exit code and output of `config show` on a snapshot file.
fn show(snapshot: &Snapshot, arguments: &[&str]) -> (i32, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), serde_json::to_string(snapshot).unwrap()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
    command.args(["config", "show", "--snapshot"]).arg(file.path()).args(arguments);
    let output = command.output().unwrap();
    let both = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(both).unwrap())
}

fn json(snapshot: &Snapshot, arguments: &[&str]) -> BTreeMap<String, Value> {
    let (_, text) = show(snapshot, &[arguments, &["--format", "json"]].concat());
    let document: Value = serde_json::from_str(&text).unwrap();
    schema::is_output(&document);
    assert_eq!(document["command"], "config show");
    let programs = document["config"]["programs"].as_array().unwrap();
    assert_eq!(document["programs"].as_array().unwrap().len(), programs.len());
    programs.iter().map(|p| (p["name"].as_str().unwrap().to_owned(), p.clone())).collect()
}

#[test]
fn the_table_has_every_program_that_matters() {
    let programs = json(&snapshot("0.23.0", fixture("redhat-public")), &[]);
    let names: Vec<&str> = programs.keys().map(String::as_str).collect();
    assert_eq!(names, ["onepin-opensc-pkcs11", "opensc-pkcs11", "pkcs11-tool", "pkcs15-init", "pkcs15-tool"]);
    let (tool, init) = (&programs["pkcs15-tool"], &programs["pkcs15-init"]);
    assert_eq!((&tool["caching"], &init["caching"]), (&"public".into(), &"no".into()));
    assert_eq!(tool["use_file_caching"]["line"], 3);
    assert_eq!(tool["block"]["app"], "default");
    assert_eq!(tool["cache_dir"], "/home/u/.cache/opensc");
    assert_eq!(init["block"]["app"], "pkcs15-init");
    assert!(init["without_effect"][0]["why"].as_str().unwrap().contains("wins whole"), "{init}");
    // The same file, where `public` means nothing yet.
    let older = json(&snapshot("0.21.0", fixture("redhat-public")), &[]);
    assert_eq!(older["pkcs15-tool"]["caching"], "no");
    assert_eq!(older["pkcs15-tool"]["cache_dir"], "/home/u/.eid/cache");
}

#[test]
fn blocks_of_executables_are_programs_from_0_24() {
    let conf = "app /opt/firefox { framework pkcs15 { use_file_caching = yes; } }\n\
                app /usr/bin/pkcs15-tool { framework pkcs15 { use_file_caching = no; } }\n\
                app default { framework pkcs15 { use_file_caching = public; } }\n";
    let newer = json(&snapshot("0.26.1", text(conf)), &[]);
    assert_eq!(newer["/opt/firefox"]["caching"], "yes");
    assert_eq!(newer["/opt/firefox"]["app"], "opensc-pkcs11");
    assert_eq!(newer["pkcs15-tool"]["caching"], "no");
    assert_eq!(newer["opensc-pkcs11"]["caching"], "public");
    assert!(!newer.contains_key("/usr/bin/pkcs15-tool"), "it is pkcs15-tool");
    let older = json(&snapshot("0.23.0", text(conf)), &[]);
    assert!(!older.contains_key("/opt/firefox"));
    assert_eq!(older["pkcs15-tool"]["caching"], "public");
    let (code, told) = show(&snapshot("0.26.1", text(conf)), &["--exe", "/opt/firefox"]);
    assert_eq!(code, 0);
    assert!(told.contains("file caching   yes (/etc/opensc.conf:1:58)"), "{told}");
    assert!(told.contains("public (/etc/opensc.conf:3:34)"), "{told}");
}

#[test]
fn what_is_not_set_means_what_the_version_makes_of_it() {
    let default = |version| json(&snapshot(version, ConfigState::Missing), &["--for", "opensc-pkcs11"]);
    let of = |version| {
        let program = &default(version)["opensc-pkcs11"];
        let word = |key: &str| program[key].as_str().unwrap().to_owned();
        (word("caching"), word("caching_by_default_list"), word("meaning"))
    };
    assert_eq!(of("0.23.0"), ("no".into(), "no".into(), "default: off".into()));
    let (caching, listed, meaning) = of("0.27.1");
    assert_eq!((caching.as_str(), listed.as_str()), ("no", "public"));
    assert_eq!(meaning, "default: off; on (public) for 21 drivers, cac for one");
    let (code, told) = show(&snapshot("0.27.1", ConfigState::Missing), &["--for", "pkcs15-tool"]);
    assert_eq!(code, 0);
    assert!(told.contains("there is no such file") && told.contains("esteid2025"), "{told}");
}

#[test]
fn programs_that_die_and_files_that_are_dropped_are_told() {
    let (code, told) = show(&snapshot("0.23.0", fixture("trap-in-foreign-app")), &[]);
    assert_eq!(code, 0);
    assert!(told.contains("dies at its start of line 7:2"), "{told}");
    let (_, told) = show(&snapshot("0.23.0", fixture("slash-comment")), &[]);
    assert!(told.contains("OpenSC cannot parse it at 1:12"), "{told}");
    for name in ["block-shadows-default", "setting-outside-framework", "duplicate-key", "cache-dir-tilde"] {
        let (_, told) = show(&snapshot("0.23.0", fixture(name)), &[]);
        assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
        assert!(name == "cache-dir-tilde" || told.contains("Without effect"), "{told}");
    }
}

#[test]
fn what_cannot_be_told_is_exit_code_3_and_a_name_nobody_has_is_2() {
    let unreadable = snapshot("0.23.0", ConfigState::Unreadable("permission denied".into()));
    let (code, told) = show(&unreadable, &[]);
    assert_eq!(code, 3);
    assert!(told.contains("permission denied"), "{told}");
    let (code, told) = show(&snapshot("0.23.0", ConfigState::Missing), &["--for", "firefox"]);
    assert_eq!(code, 2);
    assert!(told.contains("opensc-pkcs11"), "{told}");
    assert_eq!(show(&snapshot("0.23.0", ConfigState::Missing), &["--for", "a", "--exe", "b"]).0, 2);
}

/// More programs with a cache of their own than are judged: how many are left is a gap, and nothing is called healthy.
#[test]
fn programs_beyond_those_that_are_judged_are_counted() {
    let coverage = |number: usize| {
        let block = |nth| {
            format!(
                "app /opt/app-{nth} {{ framework pkcs15 {{ use_file_caching = yes; file_cache_dir = /var/app-{nth}; }} }}\n"
            )
        };
        let conf: String = (0..number).map(block).collect();
        let verdict = stalecard::judge::judge(&snapshot("0.26.1", text(&conf)));
        let own = verdict.programs.iter().filter(|program| program.name.starts_with("/opt/")).count();
        let gaps = verdict.coverage.iter().map(|gap| gap.what.clone());
        let gaps: Vec<String> = gaps.filter(|what| what.contains("further program")).collect();
        let told =
            verdict.scope.not_asked_for.iter().map(|one| one.what.clone()).collect::<Vec<_>>().join("; ");
        (own, gaps, told)
    };
    assert_eq!(coverage(8), (8, Vec::new(), coverage(8).2));
    let (own, gaps, told) = coverage(9);
    assert_eq!((own, gaps), (8, vec!["1 further program with a cache of its own".to_owned()]));
    assert!(told.contains("/opt/app-8"), "{told}");
    let (own, gaps, told) = coverage(18);
    assert_eq!((own, gaps), (8, vec!["10 further programs with caches of their own".to_owned()]));
    assert!(told.contains("and 2 others"), "{told}");
}

/// Every member that `config show` prints for every fixture is in the schema, and the schema would miss each.
#[test]
fn the_schema_tells_all_of_it() {
    let (mut members, mut documents) = (0, 0);
    let document = |snapshot: &Snapshot| -> Value {
        serde_json::from_str(&show(snapshot, &["--format", "json"]).1).unwrap()
    };
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        for version in ["0.22.0", "0.23.0", "0.27.1"] {
            schema::is_output(&document(&snapshot(version, fixture(name))));
            documents += 1;
        }
    }
    // A default, a directory, a block, something without effect; a crash; no file; nothing installed.
    let mut nothing = snapshot("0.23.0", ConfigState::Missing);
    nothing.opensc.clear();
    for told in [
        snapshot("0.27.1", fixture("block-shadows-default")),
        snapshot("0.23.0", fixture("second-name")),
        snapshot("0.23.0", fixture("comment-before-brace")),
        snapshot("0.27.1", ConfigState::Missing),
        nothing,
    ] {
        members += schema::is_told_exactly(&document(&told), "/config", &[]);
    }
    println!("{documents} documents, {members} members left out, renamed and mistaken");
    assert!(members > 200, "{members}");
}
