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

/// What the program said to the fact, and how it ended, is written down on the way: a second run may see something else.
#[test]
fn the_fact_is_the_report_and_its_exit_code() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/puppet/facts.d/stalecard");
    let stand = Stand::start();
    let host = stale(&stand);
    let (folder, said) = (stand.dir().join("bin"), stand.dir().join("said"));
    std::fs::create_dir(&folder).unwrap();
    let program = env!("CARGO_BIN_EXE_stalecard");
    let recorder = format!(
        "#!/bin/sh\n{program} \"$@\" >'{0}'; code=$?\ncat '{0}'\necho $code >'{0}.code'\nexit $code\n",
        said.display()
    );
    let path = folder.join("stalecard");
    std::fs::write(&path, recorder).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let host = host.env("PATH", &format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()));
    for inserted in [true, false] {
        if !inserted {
            stand.card().eject();
        }
        let told: Value = serde_json::from_str(&host.run(&[script]).ok().stdout).unwrap();
        let mut report = document(&std::fs::read_to_string(&said).unwrap());
        let code: i32 = std::fs::read_to_string(said.with_extension("code")).unwrap().trim().parse().unwrap();
        report["exit_code"] = code.into();
        assert_eq!(told, serde_json::json!({ "stalecard": report }));
        assert_eq!(code, if inserted { 1 } else { 3 });
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
