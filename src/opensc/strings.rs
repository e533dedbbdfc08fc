//! The strings of a library or program, found piece by piece: two megabytes of code are not worth
//! the memory, and touching so much of it takes longer than everything else a check without a card does.
//!
//! A string is what stands between two NUL bytes, or behind the last one.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memchr::{memchr, memmem, memrchr};

use super::Version;
use crate::snapshot::ByteString;

/// Largest file that is looked at.
const LARGEST: u64 = 64 << 20;
/// Longest string that is looked at; a path cannot be longer.
const LONGEST: usize = 4096;
/// How much is read at once.
const PIECE: usize = 32 << 10;
/// How far from the configuration path the version is looked for first, and then; both are string constants.
const NEAR: [u64; 2] = [512, 8 << 10];

/// A file to look for strings in.
pub struct Strings {
    file: File,
    length: u64,
}

impl Strings {
    /// Opens a regular file.
    pub fn open(path: &Path) -> Result<Self> {
        // Before it is opened: a FIFO would wait for a writer.
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::InvalidInput, "not a regular file"));
        }
        if metadata.len() > LARGEST {
            return Err(Error::new(ErrorKind::FileTooLarge, "larger than 64 MiB"));
        }
        Ok(Self { file: File::open(path)?, length: metadata.len() })
    }

    /// Version and configuration path, if this is `libopensc.so.N`.
    ///
    /// A library may carry other version numbers (zlib's is one): the one nearest to the path
    /// is OpenSC's, since both come from the same source file's strings.
    pub fn identify(&self) -> Result<(Option<Version>, Option<ByteString>)> {
        let path =
            |string: &[u8]| if is_config_path(string) { Some(ByteString(string.to_vec())) } else { None };
        let Some((near, path)) = self.first_with(b".conf", path)? else {
            // Every OpenSC so far is a 0.x; nothing else in it is.
            let mut versions = self.versions(0..self.length)?.into_iter();
            return Ok((versions.find(|(_, version)| version.major == 0).map(|(_, version)| version), None));
        };
        let parts = NEAR.map(|most| near.saturating_sub(most)..(near + most).min(self.length));
        let mut versions = Vec::new();
        for part in parts.into_iter().chain(std::iter::once(0..self.length)) {
            versions = self.versions(part)?;
            if !versions.is_empty() {
                break;
            }
        }
        let nearest = versions.into_iter().min_by_key(|(at, _)| at.abs_diff(near));
        Ok((nearest.map(|(_, version)| version), Some(path)))
    }

    /// The first string that holds this text and is accepted, with its place.
    pub fn first_with<T>(
        &self,
        text: &[u8],
        accept: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Option<(u64, T)>> {
        let mut found = None;
        let everything = 0..self.length;
        for part in self.data()?.into_iter().flatten().chain([everything]) {
            self.each_in(part, text, &mut |at, string| {
                found = accept(string).map(|value| (at, value));
                found.is_none()
            })?;
            if found.is_some() {
                break;
            }
        }
        Ok(found)
    }

    /// What stands before and behind the machine code, by the program headers of a 64-bit
    /// little-endian ELF file that keeps the two apart. None for every other file.
    fn data(&self) -> Result<Option<[Range<u64>; 2]>> {
        let mut head = [0; 4096];
        let read = self.file.read_at(&mut head, 0)?;
        Ok(head.get(..read).and_then(code).map(|code| [0..code.start, code.end..self.length]))
    }

    /// Shows each string that holds this text, with its place, as long as the answer is true.
    pub fn each_with(&self, text: &[u8], look: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<()> {
        self.each_in(0..self.length, text, look)
    }

    fn each_in(&self, part: Range<u64>, text: &[u8], look: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<()> {
        let finder = memmem::Finder::new(text);
        self.pieces(part, &mut |at, piece| {
            finder.find_iter(piece).all(|hit| {
                let (before, behind) = piece.split_at_checked(hit).unwrap_or_default();
                let start = memrchr(0, before).map_or(0, |end| end + 1);
                let end = hit + memchr(0, behind).unwrap_or(behind.len());
                look(at + start as u64, piece.get(start..end).unwrap_or_default())
            })
        })
    }

    /// All version numbers in a part, with their places.
    fn versions(&self, part: Range<u64>) -> Result<Vec<(u64, Version)>> {
        let mut versions = Vec::new();
        self.pieces(part, &mut |mut at, piece| {
            for string in piece.split(|byte| *byte == 0) {
                versions.extend(as_version(string).map(|version| (at, version)));
                at += string.len() as u64 + 1;
            }
            true
        })?;
        Ok(versions)
    }

    /// Shows a part in pieces of whole strings, with their places, as long as the answer is true.
    /// Strings that reach out of the part, and those that are too long, are left out.
    fn pieces(&self, part: Range<u64>, look: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<()> {
        let length = usize::try_from(part.end.saturating_sub(part.start)).unwrap_or(usize::MAX);
        let most = length.min(PIECE);
        let mut buffer = vec![0; LONGEST + most];
        // So much at the beginning of the buffer was read already: an unfinished string.
        let mut kept = 0;
        let mut at = part.start;
        // The string at the beginning of the buffer lacks its own beginning.
        let mut headless = part.start > 0;
        loop {
            let room = usize::try_from(part.end.saturating_sub(at)).unwrap_or(usize::MAX).min(most);
            let read = match self.file.read_at(buffer.get_mut(kept..kept + room).unwrap_or_default(), at) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read?,
            };
            at += read as u64;
            let filled = kept + read;
            let content = buffer.get(..filled).unwrap_or_default();
            let last = read == 0 && at >= self.length;
            let whole = if last { filled } else { memrchr(0, content).map_or(0, |end| end + 1) };
            let skipped = if headless { memchr(0, content).map_or(whole, |end| end + 1) } else { 0 };
            let strings = content.get(skipped..whole).unwrap_or_default();
            if !strings.is_empty() && !look(at - filled as u64 + skipped as u64, strings) || read == 0 {
                return Ok(());
            }
            headless &= whole == 0;
            kept = filled - whole;
            if kept > LONGEST {
                (kept, headless) = (0, true);
            }
            buffer.copy_within(filled - kept..filled, 0);
        }
    }
}

/// Where the machine code is in a file that begins so (ELF-64, program headers).
fn code(head: &[u8]) -> Option<Range<u64>> {
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = head.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    if !head.starts_with(b"\x7FELF\x02\x01") {
        return None;
    }
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    (0..count).find_map(|index| {
        let at = usize::try_from(table.checked_add(index * size)?).ok()?;
        let (kind, flags, offset, length) =
            (number(at, 4)?, number(at + 4, 4)?, number(at + 8, 8)?, number(at + 32, 8)?);
        // PT_LOAD with PF_X; one that begins with the file holds everything else, too.
        let is_code = kind == 1 && flags & 1 != 0 && offset > 0;
        if is_code { Some(offset..offset.checked_add(length)?) } else { None }
    })
}

/// `/etc/opensc/opensc.conf`, `/etc/opensc-i386.conf` and the like, as a whole string.
fn is_config_path(string: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_graphic();
    let file = string.rsplit(|b| *b == b'/').next().unwrap_or_default();
    string.first() == Some(&b'/')
        && string.len() <= LONGEST
        && string.iter().all(plain)
        && file.starts_with(b"opensc")
        && file.ends_with(b".conf")
}

fn as_version(string: &[u8]) -> Option<Version> {
    if !(5..=40).contains(&string.len()) || !string.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(string).ok()?;
    if text.contains(' ') { None } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// A file in which so many bytes of code stand between the strings.
    fn strings(strings: &[&str], code: usize) -> Strings {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        for string in strings {
            bytes.push(0);
            bytes.extend(vec![0x90; code]);
            bytes.push(0);
            bytes.extend_from_slice(string.as_bytes());
        }
        bytes.push(0);
        of(&bytes)
    }

    fn of(bytes: &[u8]) -> Strings {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        Strings { file, length: bytes.len() as u64 }
    }

    #[test]
    fn the_version_near_the_path_is_opensc_s() {
        let texts = [
            "1.3.132.0.33",
            "0.26.1",
            "called",
            "/etc/opensc/opensc.conf",
            "Oberthur 64k v4/2.1.1",
            "some text between the two, as there always is",
            "1.3.1",
        ];
        for code in [0, 1, 100, LONGEST, PIECE - 1, PIECE, PIECE + LONGEST, 3 * PIECE] {
            let (version, path) = strings(&texts, code).identify().unwrap();
            assert_eq!(version, Some(Version { major: 0, minor: 26, patch: 1 }), "{code}");
            assert_eq!(path, Some("/etc/opensc/opensc.conf".into()), "{code}");
        }
    }

    #[test]
    fn what_is_missing_stays_unknown() {
        let identify = |texts: &[&str]| strings(texts, 0).identify().unwrap();
        assert_eq!(identify(&["1.2.13", "no /etc/opensc.conf here"]), (None, None));
        assert_eq!(identify(&["1.2.13", "0.22.0"]), (Some(Version::of(22)), None));
        assert_eq!(identify(&["/etc/opensc-i386.conf"]), (None, Some("/etc/opensc-i386.conf".into())));
        assert_eq!(of(b"").identify().unwrap(), (None, None));
    }

    #[test]
    fn machine_code_is_passed_over() {
        // Of the real thing: the path is behind the code.
        let library = super::super::install::find(None).installations.remove(0).library;
        let mut head = vec![0; 4096];
        let file = File::open(library.as_path()).unwrap();
        file.read_exact_at(&mut head, 0).unwrap();
        let code = code(&head).unwrap();
        assert!(code.start > 0 && code.end < file.metadata().unwrap().len(), "{code:?}");
        // No part of a broken header is believed.
        for length in 0..64 {
            assert_eq!(super::code(head.get(..length).unwrap()), None);
        }
        for wild in [&[0xFF; 8][..], &[0; 8], &[0xF0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]] {
            let mut head = head.clone();
            head.splice(32..40, wild.iter().copied());
            let _ = super::code(&head);
        }
        // What is only in the code is found all the same.
        let mut bytes = vec![0; 4096];
        bytes.splice(0..6, *b"\x7FELF\x02\x01");
        bytes.splice(32..40, 64_u64.to_le_bytes());
        bytes.splice(54..58, [56, 0, 1, 0]);
        bytes.splice(64..72, [1, 0, 0, 0, 5, 0, 0, 0]);
        bytes.splice(72..80, 1000_u64.to_le_bytes());
        bytes.splice(96..104, 3000_u64.to_le_bytes());
        assert_eq!(super::code(&bytes), Some(1000..4000));
        bytes.splice(2000..2020, *b"/etc/opensc-old.conf");
        assert_eq!(of(&bytes).identify().unwrap().1, Some("/etc/opensc-old.conf".into()));
    }

    #[test]
    fn strings_are_seen_whole_or_not_at_all() {
        // At every place around the border between two pieces; the first and the last need no NUL.
        for place in PIECE - 30..PIECE + 5 {
            let mut bytes = vec![0x90; place];
            *bytes.last_mut().unwrap() = 0;
            bytes.extend(b"libopensc.so.8\0xlibopensc.so.9");
            let mut seen = Vec::new();
            let look = &mut |at, string: &[u8]| {
                seen.push((usize::try_from(at).unwrap(), string.to_vec()));
                true
            };
            of(&bytes).each_with(b"opensc", look).unwrap();
            assert_eq!(
                seen,
                [(place, b"libopensc.so.8".to_vec()), (place + 15, b"xlibopensc.so.9".to_vec())]
            );
        }
        // A part begins and ends in the middle of a number.
        let file = of(b"10.24.0\x000.22.0\x000.23.0\x000.24.01\0");
        assert_eq!(file.versions(1..25).unwrap(), [(8, Version::of(22)), (15, Version::of(23))]);
        // The end of a string that is too long is not one.
        let mut bytes = vec![b'1'; 3 * PIECE];
        bytes.extend(b"0.22.0\x000.23.0");
        let file = of(&bytes);
        assert_eq!(file.versions(0..file.length).unwrap(), [(3 * PIECE as u64 + 7, Version::of(23))]);
    }
}
