//! Any answers of a native card, a PIV card or an OpenPGP card, beside the cache of one.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::path::Path;
use std::sync::OnceLock;

use super::card::Liar;
use super::judged::{five_keys, harmless, judged};
use stalecard::card::image::Image;
use stalecard::card::{Options, family, native, openpgp, piv};
use stalecard::snapshot::{ByteString, Bytes, CacheEntry, Content, FileKind, Snapshot};

/// What was recorded of a family: the card, and a host that has its files in the cache.
struct Recorded {
    image: Image,
    atr: &'static [u8],
    host: Snapshot,
}

/// MyEID, a YubiKey 5, and an OpenPGP card 3.4 of ZeitControl.
const FAMILIES: [(&str, &[u8]); 3] = [
    ("myeid", b"\x3B\xF5\x18\x00\x00\x81\x31\xFE\x45MyEID\x9A"),
    ("piv", b"\x3B\xFD\x13\x00\x00\x81\x31\xFE\x15\x80\x73\xC0\x21\xC0\x57\x59\x75\x62\x69\x4B\x65\x79\x40"),
    ("openpgp", b"\x3B\xDA\x18\xFF\x81\xB1\xFE\x75\x1F\x03\x00\x31\xF5\x73\xC0\x01\x60\x00\x90\x00\x1C"),
];

fn recorded(name: &str, atr: &'static [u8]) -> Recorded {
    // The fuzzer is a package of its own, in a folder of its own.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = format!("fixtures/recordings/{name}");
    let folder =
        [here.join(&folder), here.join("..").join(&folder)].into_iter().find(|path| path.exists()).unwrap();
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let texts = [text("2-live.apdus"), text("2-live-pkcs11.apdus")];
    let image = Image::from_recordings(texts.iter().map(String::as_str)).unwrap();
    let mut host = five_keys();
    host.cards.clear();
    let cache = host.caches.first_mut().unwrap();
    let like = cache.entries.first().unwrap().inode;
    let mut names: Vec<_> = std::fs::read_dir(folder.join("1-cache")).unwrap().map(Result::unwrap).collect();
    names.sort_by_key(std::fs::DirEntry::file_name);
    let entries = names.into_iter().map(|entry| {
        let content = std::fs::read(entry.path()).unwrap();
        let mut inode = like;
        inode.size = content.len() as u64;
        CacheEntry {
            name: ByteString::from(entry.file_name()).into(),
            kind: FileKind::File,
            inode,
            content: Content::Bytes(Bytes(content)),
        }
    });
    cache.entries = entries.collect();
    Recorded { image, atr, host }
}

/// A whole card, by its answers; the first byte says of which family.
pub fn family_card(data: &[u8]) {
    static RECORDED: OnceLock<Vec<Recorded>> = OnceLock::new();
    let all = RECORDED.get_or_init(|| FAMILIES.map(|(name, atr)| recorded(name, atr)).into_iter().collect());
    let (&first, script) = data.split_first().unwrap_or((&0, &[]));
    let Recorded { image, atr, host } = &all[usize::from(first) % all.len()];
    let mut liar = Liar { honest: image.clone(), script };
    let options = Options {
        read_c400: true,
        status: false,
        cached_links: &|_| Vec::new(),
        cached_keys: &|_| Vec::new(),
    };
    let reader = "Virtual PCD 00 00";
    let alone = |(card, gaps)| (vec![card], gaps);
    let scanned = match usize::from(first) % all.len() {
        0 => native::scan(&mut liar, reader, atr, family::of_atr(atr), &options),
        1 => piv::scan(&mut liar, reader, atr).map(alone),
        _ => openpgp::scan(&mut liar, reader, atr).map(alone),
    };
    let mut snapshot = host.clone();
    match scanned {
        Ok((cards, gaps)) => {
            snapshot.cards.extend(cards);
            snapshot.coverage.extend(gaps);
        }
        Err(error) => harmless(&error.to_string()),
    }
    judged(&snapshot);
}
