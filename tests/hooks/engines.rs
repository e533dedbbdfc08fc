//! What Facter and shells get, without them; `tests/integrations` has the rest.

use std::path::Path;

use serde_json::Value;

use super::document;
use super::idempotent::stale;
use super::stand::{Host, Stand};

/// The host, with our program where everybody finds it.
fn with_program(host: &Host) -> Host {
    let folder = Path::new(env!("CARGO_BIN_EXE_stalecard")).parent().unwrap();
    host.clone().env("PATH", &format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()))
}

#[test]
fn the_fact_is_the_report_and_its_exit_code() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/puppet/facts.d/stalecard");
    let fact = |host: &Host| -> Value {
        let said = host.run(&[script]).ok().stdout;
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}\n{said}"))
    };
    let stand = Stand::start();
    let host = with_program(&stale(&stand));
    for inserted in [true, false] {
        if !inserted {
            stand.card().eject();
        }
        let check = host.stalecard(&["check", "--all-users", "--format", "json"]);
        let mut report = document(&check.stdout);
        report["exit_code"] = check.code().into();
        let mut told = fact(&host);
        // Each looked when it did.
        told["stalecard"]["checked_at"] = report["checked_at"].clone();
        assert_eq!(told, serde_json::json!({ "stalecard": report }));
        assert_eq!(report["tokens"].as_array().unwrap().len(), usize::from(inserted));
    }
    // No program, no fact.
    let without = stand.host("gamma").run(&[script]);
    assert!(without.stdout.is_empty() && without.code() != 0, "{without}");
}

/// The lines for a shell in docs/fleets.md repair what is stale, once, and fail where nothing can be read.
#[test]
fn the_docs_tell_shells_what_to_do() {
    let page = include_str!("../../docs/fleets.md");
    let lines = page.lines().skip_while(|line| !line.starts_with("**A shell**"));
    let block =
        lines.skip_while(|line| !line.starts_with("    ")).map_while(|line| line.strip_prefix("    "));
    let script = block.collect::<Vec<_>>().join("\n");
    assert!(script.contains("stalecard flush"), "{script}");
    let stand = Stand::start();
    let host = with_program(&stale(&stand));
    let operations = || -> usize {
        let list = host.stalecard(&["quarantine", "list", "--format", "json"]).ok();
        document(&list.stdout)["operations"].as_array().unwrap().len()
    };
    host.sh(&script).ok();
    assert_eq!(operations(), 1);
    host.pkcs15_list();
    host.sh(&script).ok();
    assert_eq!(operations(), 1);
    stand.card().eject();
    host.sh(&script).exits(3);
}

/// The collection and the module carry the version of the program that they are tried with.
#[test]
fn they_have_the_version_of_the_program() {
    let read =
        |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(read("packaging/ansible/galaxy.yml").lines().any(|line| line == format!("version: {version}")));
    let metadata: Value = serde_json::from_str(&read("packaging/puppet/metadata.json")).unwrap();
    assert_eq!(metadata["version"], version);
}
