//! Our reading of configurations against the installed OpenSC, without any card.
//!
//! `pkcs15-tool --clear-cache` removes the cache directory it finds before it asks for a
//! card: that tells which block and value won. Its log tells whether the file was
//! parsed, its exit whether it died; `opensc-tool` and the PKCS#11 module answer the
//! last two for their own blocks. Every generated text is made of words without `/`
//! and `.`, and every run has a directory and an environment of its own, so nothing outside it
//! can be removed. Seeded: a failing case prints its text. `STALECARD_CONFIG_CASES`
//! asks for more cases.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::configurations::{Random, SEALED, configuration};
use stalecard::opensc::{CacheLocation, Outcome, Program, Situation, Version, When, differences, install};
use stalecard::scconf::{self, Body, Statement, TokenKind};
use stalecard::snapshot::{ByteString, ConfigFile, ConfigState, Installation, User};

/// The world of one case: directories that may be removed, and only them.
struct Sandbox(tempfile::TempDir);

const DIRS: &[&str] = &["d1", "d2", "d3", "yes", "1"];

impl Sandbox {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn fill(&self, predicted: Option<&Path>) {
        for dir in DIRS.iter().map(|dir| self.path(dir)).chain([self.path("xdg/opensc")]) {
            std::fs::create_dir_all(dir).unwrap();
        }
        if let Some(predicted) = predicted {
            std::fs::create_dir_all(self.0.path().join(predicted)).unwrap();
        }
    }

    fn user(&self) -> User {
        let config = ByteString::from(self.path("conf"));
        let env = [("OPENSC_CONF", config), ("XDG_CACHE_HOME", self.path("xdg").into())];
        let env: BTreeMap<String, ByteString> = env
            .into_iter()
            .chain([("HOME", self.path("home").into())])
            .map(|(k, v)| (k.to_string(), v))
            .collect();
        User { uid: 0, name: None, env }
    }

    fn run(&self, program: &str, args: &[&str]) -> Output {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("OPENSC_DEBUG", "9");
        // Its own, absent, reader service: a card on the machine has nothing to do with this.
        command.env("PCSCLITE_CSOCK_NAME", self.path("no-pcscd"));
        for (variable, value) in &self.user().env {
            command.env(variable, value.as_os_str());
        }
        command.output().expect("OpenSC is installed")
    }
}

/// What the real program did.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Died,
    /// With the line it names.
    Refused(String),
    Accepted,
}

fn seen(output: &Output) -> Seen {
    if output.status.signal() == Some(11) {
        return Seen::Died;
    }
    let log = String::from_utf8_lossy(&output.stderr);
    match log.split("scconf_parse failed: Line ").nth(1) {
        Some(rest) => Seen::Refused(rest.split(':').next().unwrap_or_default().to_string()),
        None => {
            assert!(log.contains("Used configuration file"), "{:?} {log}", output.status);
            Seen::Accepted
        }
    }
}

fn expected(text: &[u8], version: Version, crashes: bool) -> Seen {
    match scconf::parse(text, differences::dialect(version)) {
        // OpenSC does not count a line end that an unclosed quote has swallowed.
        Err(error) => {
            let before = scconf::tokens(text).into_iter().take_while(|t| t.range.start < error.range.start);
            let lines = before.filter(|t| t.kind == TokenKind::Newline).count() + 1;
            Seen::Refused(lines.to_string())
        }
        Ok(_) if crashes => Seen::Died,
        Ok(_) => Seen::Accepted,
    }
}

/// `--clear-cache` reads only `file_cache_dir` from the block that binding a card reads more of.
fn dies_looking_for_the_directory(text: &[u8], version: Version, at: usize) -> bool {
    fn inside(body: &Body, at: usize) -> Option<&Body> {
        body.0.iter().find_map(|statement| match statement {
            Statement::Block(b) if b.range.contains(&at) => inside(&b.body, at).or(Some(&b.body)),
            _ => None,
        })
    }
    let document = scconf::parse(text, differences::dialect(version)).unwrap();
    inside(document.root(), at).is_some_and(|body| body.setting("file_cache_dir").is_err())
}

fn installed() -> (Installation, Version) {
    let installation = install::find(None).installations.into_iter().next().expect("OpenSC is installed");
    let version = installation.version.as_deref().unwrap().parse().unwrap();
    (installation, version)
}

/// Programs that only start: parsed, refused or dead?
fn compare_start(text: &[u8], sandbox: &Sandbox, situation: &Situation<'_>, version: Version, module: &str) {
    for (program, tool, args) in [
        (Program::named("opensc-tool", None), "opensc-tool", vec!["-i"]),
        (Program::pkcs11(None), "pkcs11-tool", vec!["--module", module, "-I"]),
    ] {
        let crashes = matches!(
            situation.outcome(&program, Some("sc-hsm")), Outcome::Crashes(crash) if crash.when == When::Start);
        let real = seen(&sandbox.run(tool, &args));
        let shown = String::from_utf8_lossy(text);
        assert_eq!(real, expected(text, version, crashes), "{tool} on {text:?}:\n{shown}");
    }
}

/// Returns a label of what happened, for the statistics.
fn compare(text: &[u8], installation: &Installation, version: Version, module: &str) -> &'static str {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("conf"), text).unwrap();
    let user = sandbox.user();
    let configs = [ConfigFile::new(sandbox.path("conf").into(), ConfigState::Text(text.to_vec().into()))];
    let situation = Situation { user: &user, installation: Some(installation), configs: &configs };
    let shown = String::from_utf8_lossy(text);

    compare_start(text, &sandbox, &situation, version, module);

    let outcome = situation.outcome(&Program::pkcs15_tool(None), Some("sc-hsm"));
    let (crashes, predicted) = match &outcome {
        Outcome::Crashes(crash) if crash.when == When::Start => (true, None),
        Outcome::Crashes(crash) => {
            let dies = dies_looking_for_the_directory(text, version, crash.at.start);
            if !dies {
                // It would die later, with a card; which directory it then had in mind is not told.
                assert_eq!(seen(&sandbox.run("pkcs15-tool", &["--clear-cache"])), Seen::Accepted, "{shown}");
                return "dies with a card";
            }
            (true, None)
        }
        Outcome::Runs(effective) => match &effective.cache_dir {
            CacheLocation::At { path, .. } => (false, Some(path.as_path().to_path_buf())),
            other => panic!("{other:?} for\n{shown}"),
        },
    };
    // The empty directory is `/` for file names but nothing for `--clear-cache`.
    let predicted = predicted.filter(|path| path != Path::new("/"));
    sandbox.fill(predicted.as_deref());
    let real = seen(&sandbox.run("pkcs15-tool", &["--clear-cache"]));
    assert_eq!(real, expected(text, version, crashes), "pkcs15-tool on {text:?}:\n{shown}");
    for dir in DIRS.iter().map(|dir| sandbox.path(dir)).chain([sandbox.path("xdg/opensc")]) {
        let cleared = predicted.as_ref().is_some_and(|path| sandbox.path("").join(path) == dir);
        assert_eq!(!dir.exists(), cleared, "{dir:?} under {text:?}:\n{shown}");
    }
    if let Some(predicted) = &predicted {
        assert!(!sandbox.path("").join(predicted).exists(), "{predicted:?} under {text:?}:\n{shown}");
    }
    match (real, predicted) {
        (Seen::Died, _) => "dies",
        (Seen::Refused(_), _) => "refused",
        (Seen::Accepted, Some(path)) if path.is_absolute() => "default directory",
        (Seen::Accepted, Some(_)) => "configured directory",
        (Seen::Accepted, None) => "empty directory",
    }
}

fn module() -> String {
    let (installation, _) = installed();
    let beside = installation.library.as_path().parent().unwrap().join("opensc-pkcs11.so");
    beside.to_str().unwrap().to_string()
}

#[test]
fn generated_configurations_mean_to_us_what_they_mean_to_opensc() {
    let cases = std::env::var("STALECARD_CONFIG_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let (installation, version) = installed();
    let module = module();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..cases {
        let text = configuration(&mut Random(seed), &SEALED);
        *counts.entry(compare(&text, &installation, version, &module)).or_default() += 1;
    }
    println!("OpenSC {version}, {cases} configurations: {counts:?}");
    for label in ["dies", "refused", "default directory", "configured directory"] {
        assert!(counts.contains_key(label), "no case of {label:?} in {counts:?}");
    }
}

#[test]
fn the_traps_among_the_fixtures_are_opensc_s() {
    let (installation, version) = installed();
    let module = module();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config")).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        let sandbox = Sandbox::new();
        std::fs::write(sandbox.path("conf"), &text).unwrap();
        let state = ConfigState::Text(text.clone().into());
        let configs = [ConfigFile::new(sandbox.path("conf").into(), state)];
        let user = sandbox.user();
        let situation = Situation { user: &user, installation: Some(&installation), configs: &configs };
        // Never `--clear-cache` here: some fixtures name directories outside the sandbox.
        compare_start(&text, &sandbox, &situation, version, &module);
    }
}

/// Files that are not files: what we observe and what OpenSC does with them.
#[test]
fn strange_files_are_observed_as_opensc_opens_them() {
    let (installation, version) = installed();
    let sandbox = Sandbox::new();
    for (path, parsed) in
        [("/dev/null", true), (sandbox.path("").to_str().unwrap(), true), ("/nowhere", false)]
    {
        let config = install::observe_config(&path.into());
        assert_eq!(config.state == ConfigState::Text(Vec::new().into()), parsed, "{path}");
        assert_eq!(config.state == ConfigState::Missing, !parsed, "{path}");
        let log = Command::new("opensc-tool")
            .arg("-i")
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("OPENSC_DEBUG", "9"), ("OPENSC_CONF", path)])
            .output()
            .unwrap()
            .stderr;
        assert_eq!(
            String::from_utf8_lossy(&log).contains("Used configuration file"),
            parsed,
            "{path} {version}"
        );
    }
    assert!(matches!(
        install::observe_config(installation.config_path.as_ref().unwrap()).state,
        ConfigState::Text(_)
    ));
}
