//! Recorded exchanges and caches, the host they are put on, and the committed snapshots (`fixtures/snapshots/`).
//!
//! `SNAPSHOTS=overwrite` writes those files anew: read the difference before you commit it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{schema, text};
use serde_json::Value;
use snapbox::data::DataFormat;
use snapbox::{Assert, Data};
use stalecard::opensc::Version;
use stalecard::snapshot::{
    ByteString, Bytes, CacheDir, CacheEntry, CacheOrigin, Card, ConfigFile, ConfigState, Content, DirState,
    FileKind, Gap, Inode, Installation, SCHEMA, Snapshot, User, Whose,
};

pub const CACHE: &str = "/home/ca/.cache/opensc";
pub const CONF: &str = "/etc/opensc/opensc.conf";

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

pub fn recording_of(family: &str, name: &str) -> String {
    let path = fixtures().join("recordings").join(family).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A recorded cache directory as our own code would have found it.
pub fn cache_of(family: &str, name: &str) -> CacheDir {
    let folder = fixtures().join("recordings").join(family).join(name);
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    let inode = |ino, size, mode| Inode {
        dev: 1,
        ino,
        nlink: 1,
        uid: 1000,
        gid: 1000,
        mode,
        size,
        // 2026-11-23 06:53:00Z
        mtime: 1_795_416_780,
    };
    let entries = (2..).zip(names).map(|(ino, name)| {
        let content = std::fs::read(folder.join(&name)).unwrap();
        CacheEntry {
            name: ByteString::from(name).into(),
            kind: FileKind::File,
            inode: inode(ino, content.len() as u64, 0o644),
            content: Content::Bytes(Bytes(content)),
        }
    });
    CacheDir {
        path: CACHE.into(),
        origin: CacheOrigin::Default,
        state: DirState::Present(inode(1, 4096, 0o700)),
        entries: entries.collect(),
    }
}

/// A host with OpenSC 0.23.0 and caching `yes`.
pub fn snapshot(host: &str, (card, coverage): (Card, Vec<Gap>), cache: CacheDir) -> Snapshot {
    let text = "app default {\n\tframework pkcs15 {\n\t\tuse_file_caching = yes;\n\t}\n}\n";
    Snapshot {
        schema: SCHEMA.into(),
        taken_at: time::macros::datetime!(2026-11-25 08:00 UTC),
        host: host.into(),
        user: User {
            uid: 1000,
            name: Some("ca".into()),
            env: BTreeMap::from([("HOME".into(), "/home/ca".into())]),
        },
        opensc: vec![Installation {
            library: "/usr/lib/x86_64-linux-gnu/libopensc.so.8.1.0".into(),
            version: Some(Version { major: 0, minor: 23, patch: 0 }.to_string()),
            config_path: Some(CONF.into()),
        }],
        executables: BTreeMap::from([("pkcs15-tool".into(), "/usr/bin/pkcs15-tool".into())]),
        configs: vec![ConfigFile::new(CONF.into(), ConfigState::Text(Bytes(text.into())))],
        cards: vec![card],
        asks: Vec::new(),
        providers: Vec::new(),
        caches: vec![cache],
        others: Vec::new(),
        processes: Vec::new(),
        flushed: Vec::new(),
        quarantine: Vec::new(),
        whose: Whose::Caller,
        home: None,
        invoked_by: None,
        readers: Vec::new(),
        p11_kit: None,
        coverage,
    }
}

pub fn stalecard(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
    // The same screen wherever the test runs.
    command.env("TZ", "UTC").env("LC_ALL", "C.UTF-8").env_remove("COLUMNS");
    command.args(arguments).output().unwrap()
}

/// Compares with a committed file, or writes it.
#[track_caller]
fn same_as_committed(name: &str, text: &str) {
    let path = fixtures().join("snapshots").join(name);
    // Byte for byte: without the patterns that a transcript may have.
    let committed = Data::read_from(&path, Some(DataFormat::Text)).raw();
    Assert::new().action_env("SNAPSHOTS").eq(text, committed);
}

/// What every reading command says of these snapshots; each with the exit code that `check` has for it.
pub fn committed_outputs(committed: &[(&str, Snapshot, i32)]) {
    for (name, snapshot, code) in committed {
        let text = serde_json::to_string_pretty(snapshot).unwrap() + "\n";
        same_as_committed(&format!("{name}.json"), &text);
        schema::is_snapshot(&serde_json::from_str(&text).unwrap());
        let path = fixtures().join("snapshots").join(format!("{name}.json"));
        let file = path.to_str().unwrap();
        let gap = if *code == 3 { 3 } else { 0 };
        for (command, expected) in [("check", *code), ("ls", 0), ("show", gap)] {
            let human = stalecard(&[command, "--snapshot", file]);
            let said = String::from_utf8(human.stdout).unwrap();
            assert_eq!(human.status.code(), Some(expected), "{command} {name}: {said}");
            assert_eq!(String::from_utf8(human.stderr).unwrap(), "");
            text::readable(&said);
            same_as_committed(&format!("{name}.{command}.txt"), &said);

            let json = stalecard(&[command, "--snapshot", file, "--format", "json"]);
            assert_eq!(json.status.code(), Some(expected));
            let said = String::from_utf8(json.stdout).unwrap();
            let value: Value = serde_json::from_str(&said).unwrap();
            assert_eq!(value["command"], command);
            schema::is_output(&value);
            if command == "check" {
                same_as_committed(&format!("{name}.{command}.json"), &said);
            }
        }
    }
}
