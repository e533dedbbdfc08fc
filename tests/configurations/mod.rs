//! Makes configurations: plausible ones, most of them hurt in a few places. Seeded, so that a
//! failing case can be made again from its number.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/random.rs"]
mod random;

pub use random::Random;

/// What a configuration is made of.
pub struct Vocabulary {
    pub apps: &'static [&'static [u8]],
    pub keys: &'static [&'static [u8]],
    pub values: &'static [&'static [u8]],
    /// Values of `use_file_caching`.
    pub switch: &'static [&'static [u8]],
    pub blocks: &'static [&'static [u8]],
    pub pieces: &'static [&'static [u8]],
    /// One in so many begins with loose pieces, or is hurt.
    pub whole: usize,
}

/// Words without `/` and `.`: no directory outside the working directory can be named.
pub const SEALED: Vocabulary = Vocabulary {
    apps: APPS,
    keys: KEYS,
    values: VALUES,
    switch: VALUES,
    blocks: BLOCKS,
    pieces: PIECES,
    whole: 1,
};

const APPS: &[&[u8]] =
    &[b"default", b"default", b"pkcs15-tool", b"opensc-pkcs11", b"opensc-tool", b"DEFAULT"];
const FRAMEWORKS: &[&[u8]] = &[b"pkcs15", b"pkcs15", b"pkcs15", b"PKCS15", b"\"pkcs15\"", b"x"];
const NAMES: &[&[u8]] = &[b"pcsc", b"pkcs15", b"3B001122", b"3B00112233", b"x"];
const KEYS: &[&[u8]] = &[
    b"file_cache_dir",
    b"file_cache_dir",
    b"file_cache_dir",
    b"FILE_CACHE_DIR",
    b"use_file_caching",
    b"debug",
    b"max_send_size",
    b"lock_login",
];
const VALUES: &[&[u8]] = &[b"d1", b"d2", b"d3", b"\"d1\"", b"yes", b"@d1@", b"\"\"", b"d3", b"d1}", b"1"];
const BLOCKS: &[&[u8]] =
    &[b"framework", b"framework", b"framework", b"reader_driver", b"card_atr", b"pkcs11"];
const PIECES: &[&[u8]] = &[
    b"{",
    b"}",
    b"=",
    b";",
    b",",
    b"\n",
    b"\n\n",
    b" ",
    b"\t",
    b"\r\n",
    b"# c\n",
    b"\"",
    b"\0",
    b"#",
    b"d1",
    b"file_cache_dir",
    b"app",
    b"default",
    b"framework",
    b"\xEF\xBB\xBF",
    b"\n \n",
    b"};",
    b"\xFF",
    b"'",
];

/// White space, now and then one of the kinds that matter.
fn gap(random: &mut Random, text: &mut Vec<u8>, words: &Vocabulary) {
    let gaps: &[&[u8]] = &[b"\n", b"\t", b"  ", b"\r\n", b" # c\n", b"\n\n", b"\n \n"];
    text.extend_from_slice(if random.below(30 * words.whole) == 0 { random.one(gaps) } else { b" " });
}

fn assignment(random: &mut Random, text: &mut Vec<u8>, words: &Vocabulary) {
    let key = random.one(words.keys);
    let values = if key.eq_ignore_ascii_case(b"use_file_caching") { words.switch } else { words.values };
    text.extend_from_slice(key);
    gap(random, text, words);
    text.extend_from_slice(b"=");
    gap(random, text, words);
    text.extend_from_slice(random.one(values));
    for _ in 0..random.below(2) {
        text.extend_from_slice(b", ");
        text.extend_from_slice(random.one(values));
    }
    text.extend_from_slice(if random.below(12) == 0 { b"\n" } else { b";\n" });
}

fn block(
    random: &mut Random,
    text: &mut Vec<u8>,
    words: &Vocabulary,
    key: &[u8],
    names: &[&[u8]],
    depth: usize,
) {
    text.extend_from_slice(key);
    gap(random, text, words);
    text.extend_from_slice(random.one(names));
    if random.below(10) == 0 {
        text.extend_from_slice(b", ");
        text.extend_from_slice(random.one(names));
    }
    gap(random, text, words);
    text.extend_from_slice(b"{\n");
    for _ in 0..=random.below(4) {
        if depth > 0 && random.below(4) > 0 {
            let key = random.one(words.blocks);
            let names = if key == b"framework" { FRAMEWORKS } else { NAMES };
            block(random, text, words, key, names, depth - 1);
        } else {
            assignment(random, text, words);
        }
    }
    text.extend_from_slice(b"}\n");
}

/// A plausible configuration, most of the time hurt in a few places.
pub fn configuration(random: &mut Random, words: &Vocabulary) -> Vec<u8> {
    let mut text = Vec::new();
    if random.below(6 * words.whole) == 0 {
        (0..random.below(20)).for_each(|_| {
            text.extend_from_slice(random.one(words.pieces));
            gap(random, &mut text, words);
        });
    }
    // Something to shadow, to be shadowed by, or simply to be read.
    if words.whole > 1 && random.below(3) > 0 {
        let app: &[u8] = random.one(&[b"default", b"default", b"pkcs15-tool", b"opensc-pkcs11"]);
        text.extend([b"app ", app, b" {\n"].concat());
        block(random, &mut text, words, b"framework", &[b"pkcs15"], 0);
        text.extend_from_slice(b"}\n");
    }
    for _ in 0..=random.below(3) {
        match random.below(8) {
            0 if random.below(3) == 0 => assignment(random, &mut text, words),
            1 if random.below(3) == 0 => block(random, &mut text, words, b"framework", FRAMEWORKS, 0),
            2 if random.below(3) == 0 => {
                text.extend(b"app default { ".repeat(14 + random.below(5)));
            }
            _ => block(random, &mut text, words, b"app", words.apps, 1),
        }
    }
    for _ in 0..random.below(5 * words.whole).saturating_sub(5 * words.whole - 3) {
        let at = random.below(text.len() + 1);
        match random.below(3) {
            0 => {
                let end = (at + 1 + random.below(3)).min(text.len());
                text.drain(at.min(end)..end);
            }
            1 => {
                let piece = random.one(words.pieces);
                text.splice(at..at, piece.iter().copied());
            }
            _ => {
                let from = random.below(text.len() + 1);
                let copy = text[from..(from + random.below(20)).min(text.len())].to_vec();
                text.splice(at..at, copy);
            }
        }
    }
    assert!(!text.iter().any(|b| matches!(b, b'/' | b'.')), "nothing may lead out of the sandbox");
    text
}

/// For runs that remove nothing: values that matter, names of executables, directories. What
/// stands in capitals is replaced afterwards (see [`replaced`]), so that no mutation can make
/// another path of it.
pub const OPEN: Vocabulary = Vocabulary {
    apps: &[
        b"default",
        b"default",
        b"default",
        b"default",
        b"default",
        b"pkcs15-tool",
        b"opensc-pkcs11",
        b"pkcs15-tool",
        b"opensc-pkcs11",
        b"TOOL15",
        b"TOOL11",
        b"OpenSC-PKCS11",
        b"onepin-opensc-pkcs11",
        b"pkcs11-tool",
    ],
    keys: &[
        b"use_file_caching",
        b"use_file_caching",
        b"use_file_caching",
        b"use_file_caching",
        b"Use_File_Caching",
        b"file_cache_dir",
        b"file_cache_dir",
        b"FILE_CACHE_DIR",
        b"use_pin_caching",
        b"lock_login",
        b"enable_pinpad",
    ],
    values: &[
        b"d1",
        b"d1",
        b"\"d 2\"",
        b"ABSOLUTE",
        b"ABSOLUTE",
        b"~",
        b"$HOME",
        b"\"\"",
        b"@",
        b"@x@",
        b"d1}",
        b"yes",
        b"1",
    ],
    switch: &[
        b"yes",
        b"yes",
        b"yes",
        b"public",
        b"public",
        b"public",
        b"no",
        b"no",
        b"true",
        b"Yes",
        b"Public",
        b"\"yes\"",
        b"\"public\"",
        b"'yes'",
        b"yes}",
        b"@yes@",
        b"\"\"",
        b"t",
        b"1",
        b"\"yes",
    ],
    blocks: &[b"framework", b"framework", b"framework", b"framework", b"reader_driver", b"pkcs11"],
    pieces: OPEN_PIECES,
    whole: 4,
};
const OPEN_PIECES: &[&[u8]] = &[
    b"{",
    b"}",
    b"=",
    b";",
    b",",
    b"\n",
    b"\n\n",
    b" ",
    b"\r\n",
    b"# c\n",
    b"\"",
    b"\0",
    b"#",
    b"yes",
    b"use_file_caching",
    b"app",
    b"default",
    b"framework",
    b"\xEF\xBB\xBF",
    b"};",
    b"\xFF",
];

/// The text with paths in the places kept for them.
pub fn replaced(mut text: Vec<u8>, paths: &[(&str, &str)]) -> Vec<u8> {
    for (place, path) in paths {
        let mut done = Vec::new();
        while let Some(at) = text.windows(place.len()).position(|window| window == place.as_bytes()) {
            done.extend_from_slice(&text[..at]);
            done.extend_from_slice(path.as_bytes());
            text.drain(..at + place.len());
        }
        done.append(&mut text);
        text = done;
    }
    text
}
