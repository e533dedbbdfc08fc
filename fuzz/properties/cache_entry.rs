//! Any content of a cache directory.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::judged::{five_keys, judged, piece};
use stalecard::snapshot::{ByteString, Bytes, CacheEntry, Content, FileKind, Inode};

/// A cache directory: the content of some entries exchanged, some added.
pub fn cache_entry(mut data: &[u8]) {
    let mut snapshot = five_keys();
    let dir = &mut snapshot.caches[0];
    while let (Some((&which, rest)), true) = (data.split_first(), dir.entries.len() < 64) {
        data = rest;
        let content = |data: &mut &[u8]| {
            let bytes: Vec<u8> =
                [piece(data), piece(data)].into_iter().flatten().flatten().copied().collect();
            Content::Bytes(Bytes(bytes))
        };
        if let Some(entry) = dir.entries.get_mut(usize::from(which)) {
            entry.content = content(&mut data);
        } else {
            let name = ByteString(piece(&mut data).unwrap_or_default().to_vec());
            let inode =
                Inode { dev: 1, ino: 2, nlink: 1, uid: 1000, gid: 1000, mode: 0o644, size: 0, mtime: 0 };
            let content = content(&mut data);
            dir.entries.push(CacheEntry { name: name.into(), kind: FileKind::File, inode, content });
        }
    }
    judged(&snapshot);
}
