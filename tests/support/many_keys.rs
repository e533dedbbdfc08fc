//! Snapshots of a SmartCard-HSM with many keys, made of a recorded one with five.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a library of the tests")]

use serde_json::{Value, json};

/// As many keys as such a card can list.
pub const MOST: usize = 255;

/// The recorded one.
pub fn recorded() -> Value {
    serde_json::from_str(include_str!("../../fixtures/snapshots/five-keys.json")).unwrap()
}

/// What the card of a snapshot gave as the content of a file.
pub fn content(snapshot: &Value, path: &str) -> String {
    let files = snapshot["cards"][0]["files"].as_array().unwrap();
    let file = files.iter().find(|file| file["path"] == path).unwrap();
    file["answer"]["content"].as_str().unwrap().to_owned()
}

/// A cache entry of a card.
pub fn entry(snapshot: &Value, serial: &str, path: &str, content: &str) -> Value {
    let mut entry = snapshot["caches"][0]["entries"][0].clone();
    entry["name"] = json!(format!("{serial}_NODATE_E82B0601040181C31F0201_{path}"));
    entry["inode"]["size"] = json!(content.len() / 2);
    entry["content"] = json!({ "bytes": content });
    entry
}

/// A card with so many keys, and a cache that has another key's files for each of them, or its own.
pub fn keys(number: usize, is_stale: bool) -> Value {
    let known = recorded();
    let mut snapshot = known.clone();
    let (mut files, mut entries) = (Vec::new(), Vec::new());
    for key in 1..=number {
        for kind in ["C4", "CE"] {
            let of = |key: usize| content(&known, &format!("{kind}{:02}", 1 + key % 5));
            let path = format!("{kind}{key:02X}");
            files.push(json!({ "path": path, "answer": { "content": of(key) } }));
            entries.push(entry(&known, "DENK0200834", &path, &of(key + usize::from(is_stale))));
        }
    }
    let list = (1..=number).map(|key| format!("CC{key:02X}")).collect::<Vec<_>>();
    snapshot["cards"][0]["key_list"] = json!(list);
    snapshot["cards"][0]["files"] = json!(files);
    snapshot["caches"][0]["entries"] = json!(entries);
    snapshot
}
