//! Every configuration trap under `fixtures/config/`, with what it means to a program.
//!
//! Columns: the file, then for OpenSC 0.22, 0.23 and 0.27 what `pkcs15-tool` does with a
//! SmartCard-HSM, and what an application with `opensc-pkcs11` does in 0.23.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use stalecard::opensc::config::{FileUse, Situation};
use stalecard::opensc::{CacheLocation, Caching, Outcome, Program, When, WhyShadowed};
use stalecard::snapshot::{ByteString, ConfigFile, ConfigState, Installation, User};

const TABLE: &[(&str, [&str; 4])] = &[
    ("action-not-known", ["no", "no", "no", "no"]),
    ("arrow-for-equals", ["no", "no", "no", "no"]),
    ("blank-of-typesetters", ["no", "no", "no", "no"]),
    ("block-misspelt", ["no", "no", "no", "no"]),
    ("block-shadows-default", ["all", "all", "all", "no"]),
    ("block-without-framework", ["all", "all", "all", "all"]),
    ("blocks-at-the-end", ["all", "all", "all", "no"]),
    ("blocks-outside-app", ["no", "no", "no", "no"]),
    ("brace-without-key", ["dropped", "dropped", "dropped", "dropped"]),
    ("byte-order-mark", ["no", "no", "no", "no"]),
    ("byte-order-mark-inside", ["no", "no", "no", "no"]),
    ("c-comment", ["dropped", "dropped", "dropped", "dropped"]),
    ("cache-dir-environment", ["all", "all", "all", "all"]),
    ("cache-dir-of-user", ["all", "all", "all", "all"]),
    ("cache-dir-template", ["all", "all", "all", "all"]),
    ("cache-dir-tilde", ["all", "all", "all", "all"]),
    ("cache-dir-with-blank", ["all", "all", "all", "all"]),
    ("cache-dir-with-colon", ["all", "all", "all", "all"]),
    ("closed-once-too-often", ["dropped", "dropped", "dropped", "dropped"]),
    ("colon-for-semicolon", ["no", "no", "no", "no"]),
    ("comma-for-semicolon", ["dropped", "dropped", "dropped", "dropped"]),
    ("comment-before-brace", ["dies at start", "dies at start", "dies at start", "dies at start"]),
    ("comment-before-equals", ["dies at bind", "dies at bind", "dies at bind", "dies at bind"]),
    ("comment-before-name", ["dies at start", "dies at start", "dies at start", "dies at start"]),
    ("comment-before-value", ["undecided", "dropped", "dropped", "dropped"]),
    ("comment-of-ini", ["dropped", "dropped", "dropped", "dropped"]),
    ("comment-of-sql", ["dropped", "dropped", "dropped", "dropped"]),
    ("commented-setting", ["no", "no", "no", "no"]),
    ("conflict", ["dropped", "dropped", "dropped", "dropped"]),
    ("crlf", ["all", "all", "all", "all"]),
    ("driver-list-of-one-program", ["no", "no", "no", "no"]),
    ("driver-of-other-release", ["no", "no", "no", "no"]),
    ("driver-piv", ["no", "no", "no", "no"]),
    ("driver-piv-ii", ["no", "no", "no", "no"]),
    ("driver-piv-in-card-atr", ["no", "no", "no", "no"]),
    ("drivers-in-framework", ["no", "no", "no", "no"]),
    ("drivers-without-comma", ["no", "no", "no", "no"]),
    ("duplicate-app", ["all", "all", "all", "all"]),
    ("duplicate-framework", ["all", "all", "all", "all"]),
    ("duplicate-key", ["all", "all", "all", "all"]),
    ("empty", ["no", "no", "no", "no"]),
    ("empty-line-before-brace", ["dies at start", "dies at start", "dies at start", "dies at start"]),
    ("empty-line-before-equals", ["dies at bind", "dies at bind", "dies at bind", "dies at bind"]),
    ("empty-line-before-name", ["dies at start", "dies at start", "dies at start", "dies at start"]),
    ("empty-line-before-value", ["no", "dropped", "dropped", "dropped"]),
    ("executable-block", ["no", "no", "all", "no"]),
    ("force-card-driver", ["no", "no", "no", "no"]),
    ("force-card-driver-beside-list", ["no", "no", "no", "no"]),
    ("framework-of-another-name", ["no", "no", "no", "no"]),
    ("framework-outside-app", ["no", "no", "no", "no"]),
    ("glued-assignment", ["no", "no", "no", "no"]),
    ("glued-block", ["dropped", "dropped", "dropped", "dropped"]),
    ("guard-caches", ["no", "public", "public", "public"]),
    ("guard-of-another-tool", ["all", "all", "all", "all"]),
    ("half-glued-assignment", ["all", "all", "all", "all"]),
    ("include", ["all", "all", "all", "all"]),
    ("ini", ["dropped", "dropped", "dropped", "dropped"]),
    ("ini-section", ["no", "no", "no", "no"]),
    ("json", ["dropped", "dropped", "dropped", "dropped"]),
    ("key-alone", ["no", "no", "no", "no"]),
    ("key-use-caching", ["no", "no", "no", "no"]),
    ("key-use-file-cache", ["no", "no", "no", "no"]),
    ("key-with-dashes", ["no", "no", "no", "no"]),
    ("missing-semicolon-at-end", ["no", "no", "no", "no"]),
    ("names-without-comma", ["dropped", "dropped", "dropped", "dropped"]),
    ("newline-before-brace", ["all", "all", "all", "all"]),
    ("no-break-space", ["no", "no", "no", "no"]),
    ("no-break-space-before-brace", ["dropped", "dropped", "dropped", "dropped"]),
    ("no-break-space-indent", ["no", "no", "no", "no"]),
    ("no-final-newline", ["all", "all", "all", "all"]),
    ("one-line", ["all", "all", "all", "all"]),
    ("onepin-block", ["no", "no", "no", "no"]),
    ("opensc-tool-S", ["all", "all", "all", "all"]),
    ("operator-of-make", ["dropped", "dropped", "dropped", "dropped"]),
    ("padding-in-app", ["no", "no", "no", "no"]),
    ("pinpad-in-app", ["no", "no", "no", "no"]),
    ("pinpad-in-pkcs11", ["no", "no", "no", "no"]),
    ("pinpad-zero-one", ["no", "no", "no", "no"]),
    ("pkcs11-tool-block", ["all", "all", "all", "all"]),
    ("quoted-keys", ["all", "all", "all", "all"]),
    ("reader-block-hides-default", ["no", "no", "no", "no"]),
    ("readers-without-quotes", ["no", "no", "no", "no"]),
    ("redhat-public", ["no", "public", "public", "public"]),
    ("redhat-true", ["all", "no", "no", "no"]),
    ("return-in-comment", ["all", "all", "all", "all"]),
    ("returns-alone", ["all", "all", "all", "all"]),
    ("second-name", ["no", "no", "no", "no"]),
    ("second-name-with-own-block", ["all", "all", "all", "all"]),
    ("sed-on-one-line", ["no", "no", "no", "no"]),
    ("setting-of-later-release", ["no", "no", "no", "no"]),
    ("setting-of-older-release", ["no", "no", "no", "no"]),
    ("setting-outside-framework", ["no", "no", "no", "no"]),
    ("settings-of-open-names", ["no", "no", "no", "no"]),
    ("settings-outside-app", ["no", "no", "no", "no"]),
    ("settings-without-semicolons", ["all", "all", "all", "all"]),
    ("seventeen-blocks", ["no", "dropped", "dropped", "dropped"]),
    ("shell", ["no", "no", "no", "no"]),
    ("slash-comment", ["dropped", "dropped", "dropped", "dropped"]),
    ("slash-comment-with-setting", ["dropped", "dropped", "dropped", "dropped"]),
    ("comment-before-setting", ["dropped", "dropped", "dropped", "dropped"]),
    ("comment-behind-brace", ["dropped", "dropped", "dropped", "dropped"]),
    ("comment-behind-setting", ["dropped", "dropped", "dropped", "dropped"]),
    ("comment-behind-value", ["dropped", "dropped", "dropped", "dropped"]),
    ("comment-of-several-lines", ["dropped", "dropped", "dropped", "dropped"]),
    ("stray-semicolons", ["all", "all", "all", "all"]),
    ("template-dir", ["all", "all", "all", "all"]),
    ("template-erb", ["no", "no", "no", "no"]),
    ("template-jinja", ["dropped", "dropped", "dropped", "dropped"]),
    ("template-shell", ["no", "no", "no", "no"]),
    ("tokend-score", ["no", "no", "no", "no"]),
    ("trap-in-foreign-app", ["all", "all", "all", "all"]),
    ("two-equals", ["dropped", "dropped", "dropped", "dropped"]),
    ("typographic-dash", ["no", "no", "no", "no"]),
    ("typographic-quotes", ["no", "no", "no", "no"]),
    ("typographic-quotes-dir", ["all", "all", "all", "all"]),
    ("unclosed-block", ["all", "all", "all", "all"]),
    ("upper-case-keys", ["all", "all", "all", "all"]),
    ("value-absent", ["no", "no", "no", "no"]),
    ("value-all", ["no", "no", "no", "no"]),
    ("value-capital-yes", ["all", "no", "no", "no"]),
    ("value-empty-string", ["no", "no", "no", "no"]),
    ("value-false", ["no", "no", "no", "no"]),
    ("value-glued-brace", ["all", "no", "no", "no"]),
    ("value-glued-comment", ["no", "no", "no", "no"]),
    ("value-list", ["all", "all", "all", "all"]),
    ("value-missing-semicolon", ["all", "all", "all", "all"]),
    ("value-no", ["no", "no", "no", "no"]),
    ("value-not-needed", ["no", "no", "no", "no"]),
    ("value-nothing", ["no", "no", "no", "no"]),
    ("value-off", ["no", "no", "no", "no"]),
    ("value-on", ["no", "no", "no", "no"]),
    ("value-one", ["no", "no", "no", "no"]),
    ("value-public", ["no", "public", "public", "public"]),
    ("value-quoted-yes", ["all", "all", "all", "all"]),
    ("value-single-quotes", ["no", "no", "no", "no"]),
    ("value-template", ["no", "no", "no", "no"]),
    ("value-trailing-comma", ["all", "all", "all", "all"]),
    ("value-true", ["all", "no", "no", "no"]),
    ("value-two-words", ["all", "all", "all", "all"]),
    ("value-unclosed-quote", ["all", "no", "no", "no"]),
    ("value-upper-case-true", ["all", "no", "no", "no"]),
    ("value-y", ["all", "no", "no", "no"]),
    ("value-yes", ["all", "all", "all", "all"]),
    ("value-zero", ["no", "no", "no", "no"]),
    ("word-before-key", ["no", "no", "no", "no"]),
    ("writer-alone-caches", ["no", "no", "no", "no"]),
    ("xml", ["dropped", "dropped", "dropped", "dropped"]),
    ("yaml", ["dropped", "dropped", "dropped", "dropped"]),
    ("yaml-setting", ["no", "no", "no", "no"]),
    ("zero-width-in-key", ["no", "no", "no", "no"]),
];

/// A host with one OpenSC and one configuration file.
struct Host {
    user: User,
    installation: Installation,
    configs: Vec<ConfigFile>,
}

impl Host {
    fn new(version: Option<&str>, state: ConfigState) -> Self {
        let env = BTreeMap::from([("HOME".to_string(), ByteString::from("/home/u"))]);
        let path = ByteString::from("/etc/opensc.conf");
        let installation = Installation {
            library: "/usr/lib/libopensc.so".into(),
            version: version.map(Into::into),
            config_path: Some(path.clone()),
        };
        let configs = vec![ConfigFile::new(path, state)];
        Self { user: User { uid: 1000, name: None, env }, installation, configs }
    }

    fn with(version: &str, fixture: &str) -> Self {
        let path = folder().join(format!("{fixture}.conf"));
        Self::new(Some(version), ConfigState::Text(std::fs::read(path).unwrap().into()))
    }

    fn outcome(&self, program: &Program, driver: Option<&str>) -> Outcome {
        let (user, configs) = (&self.user, self.configs.as_slice());
        Situation { user, installation: Some(&self.installation), configs }.outcome(program, driver)
    }

    fn runs(&self, program: &Program, driver: Option<&str>) -> stalecard::opensc::Effective {
        match self.outcome(program, driver) {
            Outcome::Runs(effective) => *effective,
            Outcome::Crashes(crash) => panic!("{crash}"),
        }
    }
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config")
}

fn tool() -> Program {
    Program::pkcs15_tool(Some("/usr/bin/pkcs15-tool".into()))
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Crashes(crash) if crash.when == When::Start => "dies at start",
        Outcome::Crashes(_) => "dies at bind",
        Outcome::Runs(effective) => match (&effective.file, &effective.caching) {
            (FileUse::Dropped(..), Caching::No) => "dropped",
            (_, Caching::No) => "no",
            (_, Caching::Public) => "public",
            (_, Caching::All) => "all",
            (_, Caching::Undecided(_)) => "undecided",
        },
    }
}

#[test]
fn every_trap_means_what_it_means_to_opensc() {
    for (fixture, expected) in TABLE {
        let on = |version, program| word(&Host::with(version, fixture).outcome(&program, Some("sc-hsm")));
        let seen = [
            on("0.22.0", tool()),
            on("0.23.0", tool()),
            on("0.27.1", tool()),
            on("0.23.0", Program::pkcs11(None)),
        ];
        assert_eq!(seen, *expected, "{fixture}");
    }
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, TABLE.iter().map(|(name, _)| (*name).to_string()).collect());
}

#[test]
fn a_dropped_file_switches_caching_on_for_drivers_of_the_list() {
    for (version, caching) in
        [("0.23.0", Caching::No), ("0.24.0", Caching::Public), ("0.27.1", Caching::Public)]
    {
        for fixture in ["slash-comment", "value-absent", "value-nothing", "value-template", "empty"] {
            let effective = Host::with(version, fixture).runs(&tool(), Some("cac"));
            assert_eq!(effective.caching, caching, "{fixture} {version}");
        }
    }
    // A value that is not understood is off, whatever the list says.
    assert_eq!(Host::with("0.27.1", "value-true").runs(&tool(), Some("cac")).caching, Caching::No);
}

#[test]
fn the_origin_is_told_with_its_place() {
    let effective = Host::with("0.23.0", "block-shadows-default").runs(&tool(), Some("sc-hsm"));
    let written = effective.use_file_caching.unwrap();
    assert_eq!((written.at.to_string().as_str(), written.value), ("3:22", Some("yes".into())));
    let dir = effective.file_cache_dir.unwrap();
    assert_eq!(dir.at.to_string(), "4:20");
    assert_eq!(effective.cache_dir.path(), Some(&"/var/lib/opensc/cache".into()));
    assert_eq!(effective.block.unwrap().app, "default".into());

    let module = Host::with("0.23.0", "block-shadows-default").runs(&Program::pkcs11(None), Some("sc-hsm"));
    assert_eq!(module.cache_dir.path(), Some(&"/home/u/.cache/opensc".into()));
    assert_eq!(module.file_cache_dir, None);
    let why: Vec<_> = module.shadowed.iter().map(|s| (s.at.to_string(), s.why)).collect();
    let winner = module.block.unwrap().at;
    assert_eq!(winner.to_string(), "8:2");
    assert_eq!(
        why,
        [
            ("3:3".to_string(), WhyShadowed::OtherFramework(winner)),
            ("4:3".to_string(), WhyShadowed::OtherFramework(winner)),
        ]
    );
    assert_eq!(
        Host::with("0.21.0", "empty").runs(&tool(), None).cache_dir.path(),
        Some(&"/home/u/.eid/cache".into())
    );
}

#[test]
fn what_is_shadowed_says_why() {
    let why = |fixture: &str| -> Vec<WhyShadowed> {
        let effective = Host::with("0.23.0", fixture).runs(&tool(), Some("sc-hsm"));
        effective.shadowed.iter().map(|s| s.why).collect()
    };
    assert_eq!(why("duplicate-key"), [WhyShadowed::LaterDuplicate]);
    assert!(matches!(why("duplicate-framework").as_slice(), [WhyShadowed::OtherFramework(_)]));
    assert!(matches!(why("duplicate-app").as_slice(), [WhyShadowed::DuplicateApp(_)]));
    assert_eq!(why("second-name"), [WhyShadowed::SecondName]);
    assert_eq!(why("setting-outside-framework"), [WhyShadowed::OutsideFramework; 2]);
    assert_eq!(why("framework-outside-app"), [WhyShadowed::OutsideApp]);
    assert_eq!(why("glued-assignment"), [WhyShadowed::NotAnAssignment]);
    for fixture in ["value-yes", "redhat-true", "value-list", "value-nothing", "commented-setting"] {
        assert_eq!(why(fixture), [], "{fixture}");
    }
}

#[test]
fn directories_that_are_not_what_they_seem() {
    let dir = |fixture| Host::with("0.23.0", fixture).runs(&tool(), Some("sc-hsm")).cache_dir;
    let relative = |path: &str| CacheLocation::At { path: path.into(), relative: true, configured: true };
    assert_eq!(dir("cache-dir-tilde"), relative("~/cache"));
    assert_eq!(dir("cache-dir-environment"), relative("$HOME/cache"));
    assert_eq!(dir("cache-dir-template").path(), Some(&"/home/u/.cache/opensc".into()));
}

#[test]
fn what_is_not_known_is_not_guessed() {
    let text = |text: &str| ConfigState::Text(text.as_bytes().to_vec().into());
    let caching = |host: &Host, driver| host.runs(&Program::pkcs11(None), driver).caching;
    let yes = text("app default { framework pkcs15 { use_file_caching = yes; } }");
    assert_eq!(caching(&Host::new(None, yes), None), Caching::All);
    let public = text("app default { framework pkcs15 { use_file_caching = public; } }");
    assert!(matches!(caching(&Host::new(None, public), Some("sc-hsm")), Caching::Undecided(_)));
    assert_eq!(caching(&Host::new(None, ConfigState::Missing), Some("sc-hsm")), Caching::No);
    assert!(matches!(caching(&Host::new(Some("0.27.1"), ConfigState::Missing), None), Caching::Undecided(_)));
    assert_eq!(caching(&Host::new(Some("0.23.0"), ConfigState::Missing), None), Caching::No);
    let unreadable = Host::new(Some("0.23.0"), ConfigState::Unreadable("permission denied".into()));
    assert!(matches!(caching(&unreadable, None), Caching::Undecided(_)));
    let mut nowhere = Host::new(Some("0.23.0"), ConfigState::Missing);
    nowhere.installation.config_path = None;
    assert!(matches!(caching(&nowhere, None), Caching::Undecided(_)));
    // OPENSC_CONF is believed even when it is empty: no fallback to the compiled path.
    nowhere.user.env.insert("OPENSC_CONF".into(), "".into());
    assert_eq!(caching(&nowhere, None), Caching::No);
    nowhere.user.env.insert("OPENSC_CONF".into(), "/not/looked/at".into());
    assert!(matches!(caching(&nowhere, None), Caching::Undecided(_)));
    // A block named after an executable we do not know may be the program's own, from 0.24.
    let host =
        |version| Host::with(version, "executable-block").runs(&Program::pkcs15_tool(None), Some("sc-hsm"));
    assert_eq!(host("0.23.0").caching, Caching::No);
    assert!(matches!(host("0.24.0").caching, Caching::Undecided(_)));
}
