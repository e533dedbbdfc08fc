//! Reading one file of a SmartCard-HSM in as few commands as can be.
//!
//! READ BINARY gives a file in pieces, and where it ends is said in three ways:
//! current firmware adds the status 6282 to a short piece, emulators send a
//! short piece with 9000, and firmware before 3.4 may send 6282 *although more
//! follows*. OpenSC asks once more after every file to be sure. Here the
//! content itself says when it is whole: a PKCS#15 entry, a request and a
//! certificate are one BER element, whose length stands in front.
//!
//! What is given up: bytes *behind* a whole element are seen only as far as they came
//! with the piece that ended it. No decoder of OpenSC looks at them, and
//! they matter to nobody but someone who compares a cache file byte for
//! byte; entries shorter than one piece, which an OpenSC that rewrote a label left a stale tail
//! behind, are always whole, tail included.

use super::apdu::{Channel, Command, StatusWord, TransportError};
use crate::format::tlv;
use crate::snapshot::{Answer, Bytes, Fid};

/// Longest file: the offset in READ BINARY has two bytes.
const MAX_FILE: usize = 0xFFFF;

/// The longest element that is believed in: its length has three bytes.
const LONGEST: usize = 0xFF_FFFF;

/// Most READ BINARY commands for one file: 64 KiB in pieces of 256, and some.
const MAX_READS: u32 = 300;

/// What tells that a file is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// So many BER elements, one after the other.
    Elements(u32),
    /// Nothing but the card's word: the content of a data object.
    Opaque,
}

/// One file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRead {
    /// What the card gave.
    pub answer: Answer,
    /// Why the end is missing, if it is.
    pub cut: Option<String>,
}

/// Reads a file. `end_is_end`: the firmware is known to send 6282 at the end only.
///
/// What was read before a later piece is refused is kept, as OpenSC does, and
/// [`FileRead::cut`] says so.
///
/// # Errors
/// When the card cannot be talked to any more.
pub fn read_file(
    channel: &mut Channel<'_>,
    fid: Fid,
    shape: Shape,
    end_is_end: bool,
) -> Result<FileRead, TransportError> {
    let mut content: Vec<u8> = Vec::new();
    for _ in 0..MAX_READS {
        let Ok(offset) = u16::try_from(content.len()) else { break };
        let command = Command::ReadBinary(fid, offset);
        let response = match channel.send(command) {
            Ok(response) => response,
            Err(TransportError::NotRecorded) if content.is_empty() => {
                return Ok(FileRead { answer: Answer::NotRead("not recorded".into()), cut: None });
            }
            Err(TransportError::NotRecorded) => return Ok(cut(content, "the rest was not recorded".into())),
            Err(error) => return Err(error),
        };
        if !response.status.carries_data() {
            return Ok(match response.status {
                status if !content.is_empty() => {
                    cut(content, format!("the next piece was refused ({status})"))
                }
                StatusWord::FILE_NOT_FOUND => FileRead { answer: Answer::Absent, cut: None },
                StatusWord(sw) => FileRead { answer: Answer::Refused(sw), cut: None },
            });
        }
        if response.data.len() > MAX_FILE - content.len() {
            break;
        }
        let short = response.data.len() < channel.ne(command);
        let ended = response.data.is_empty()
            || match response.status {
                StatusWord::OK => short,
                StatusWord::END_OF_FILE => short && end_is_end,
                _ => false,
            };
        content.extend(response.data);
        if ended || shape.is_whole(&content) {
            return Ok(FileRead { answer: Answer::Content(Bytes(content)), cut: None });
        }
    }
    Ok(cut(content, "the card gives more than a file can hold".into()))
}

/// A file without its end.
fn cut(content: Vec<u8>, why: String) -> FileRead {
    FileRead { answer: Answer::Content(Bytes(content)), cut: Some(why) }
}

impl Shape {
    /// True if a file is as it should be: nothing missing, nothing behind the last element, no
    /// tag that begins no such file.
    #[must_use]
    pub fn is_met(self, file: &FileRead) -> bool {
        match (&file.answer, self) {
            (Answer::NotRead(_) | Answer::Withheld, _) => true,
            (Answer::Absent | Answer::Refused(_), _) => false,
            (Answer::Content(_), Self::Opaque) => file.cut.is_none(),
            (Answer::Content(Bytes(content)), Self::Elements(_)) => {
                // Request, certificate; SEQUENCE; entries of EC and of secret keys.
                matches!(content.first(), Some(0x67 | 0x7F | 0x30 | 0xA0 | 0xA8))
                    && self.behind(content) == Some(&[])
            }
        }
    }

    /// True if the content holds all its elements.
    fn is_whole(self, content: &[u8]) -> bool {
        self.behind(content).is_some()
    }

    /// What stands behind the last element, if all of them are there.
    fn behind(self, content: &[u8]) -> Option<&[u8]> {
        let Self::Elements(count) = self else { return None };
        (0..count).try_fold(content, |rest, _| rest.get(element_length(rest)?..))
    }
}

/// Length of the BER element (ITU-T X.690 8.1) at the start, header included,
/// whether its content is there or not. None if the header is not whole, is
/// of indefinite length or longer than anything on a card, or does not begin an element of these cards, whose tags have two
/// bytes at most (7F21).
#[must_use]
pub fn element_length(bytes: &[u8]) -> Option<usize> {
    let header = tlv::header(bytes)?;
    let is_meant = !header.indefinite && header.length <= LONGEST && header.tag <= 0xFFFF;
    is_meant.then_some(header.size + header.length)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::card::apdu::Lengths;
    use crate::card::script::{Eof, Script};

    fn element(size: usize) -> Vec<u8> {
        let mut bytes =
            if size < 130 { vec![0x30, u8::try_from(size - 2).unwrap()] } else { vec![0x30, 0x82] };
        if size >= 130 {
            bytes.extend(u16::try_from(size - 4).unwrap().to_be_bytes());
        }
        bytes.resize(size, 0x55);
        bytes
    }

    fn read(script: &mut Script, shape: Shape, end_is_end: bool) -> (FileRead, u32) {
        let mut channel = Channel::new(script);
        let read = read_file(&mut channel, Fid(0xCE01), shape, end_is_end).unwrap();
        (read, channel.commands())
    }

    #[test]
    fn one_command_per_piece_whatever_the_end_looks_like() {
        for eof in [Eof::Silent, Eof::Warning, Eof::WarningAlthoughMore] {
            for size in [2, 42, 255, 256, 257, 490, 511, 512, 513, 1300] {
                let mut script = Script { eof, ..Script::default() };
                script.files.insert(Fid(0xCE01), element(size));
                let (file, commands) = read(&mut script, Shape::Elements(1), false);
                assert_eq!(
                    file,
                    FileRead { answer: Answer::Content(Bytes(element(size))), cut: None },
                    "{eof:?} {size}"
                );
                assert_eq!(commands as usize, size.div_ceil(256), "{eof:?} {size}");
                script.lengths = Lengths::Extended(1014);
                let (file, commands) = read(&mut script, Shape::Elements(1), false);
                assert_eq!(file.answer, Answer::Content(Bytes(element(size))), "{eof:?} {size}");
                let pieces = if eof == Eof::WarningAlthoughMore { 256 } else { 1014 };
                assert_eq!(commands as usize, size.div_ceil(pieces), "{eof:?} {size}");
            }
        }
    }

    #[test]
    fn opaque_content_is_read_to_the_end_the_card_gives() {
        for eof in [Eof::Silent, Eof::Warning, Eof::WarningAlthoughMore] {
            for size in [0, 1, 255, 256, 300, 512] {
                let mut script = Script { eof, ..Script::default() };
                // Looks like a short element, and is none.
                script.files.insert(Fid(0xCE01), [vec![0x30, 0x01], vec![0; size]].concat());
                let (file, _) = read(&mut script, Shape::Opaque, eof == Eof::Warning);
                assert_eq!(
                    file.answer,
                    Answer::Content(Bytes(script.files[&Fid(0xCE01)].clone())),
                    "{eof:?} {size}"
                );
                assert_eq!(file.cut, None);
            }
        }
    }

    #[test]
    fn a_stale_tail_in_the_same_piece_is_kept() {
        let mut script = Script::default();
        let content = [element(40), vec![0x77; 20]].concat();
        script.files.insert(Fid(0xCE01), content.clone());
        let (file, commands) = read(&mut script, Shape::Elements(1), false);
        assert_eq!((file.answer, commands), (Answer::Content(Bytes(content)), 1));
    }

    #[test]
    fn a_refused_piece_keeps_what_was_read() {
        let mut script = Script::default();
        script.files.insert(Fid(0xCE01), element(490));
        script.answers.insert(2, vec![0x6F, 0x00]);
        let (file, _) = read(&mut script, Shape::Elements(1), true);
        assert_eq!(file.answer, Answer::Content(Bytes(element(490)[..256].to_vec())));
        assert!(file.cut.unwrap().contains("6F00"));
    }

    #[test]
    fn refusals_and_empty_files() {
        let mut script = Script::default();
        let (file, commands) = read(&mut script, Shape::Elements(1), true);
        assert_eq!((file.answer, commands), (Answer::Absent, 1));
        script.files.insert(Fid(0xCE01), Vec::new());
        let (file, commands) = read(&mut script, Shape::Elements(1), true);
        assert_eq!((file.answer, commands), (Answer::Content(Bytes::default()), 1));
        let mut script = Script::default();
        script.answers.insert(1, vec![0x69, 0x82]);
        let (file, _) = read(&mut script, Shape::Elements(1), true);
        assert_eq!(file.answer, Answer::Refused(0x6982));
    }

    #[test]
    fn cards_that_lie_are_left_after_a_bounded_number_of_commands() {
        // One byte at a time, for ever; full pieces for ever; 64 KiB at once.
        for (answer, most) in [(vec![0x55, 0x62, 0x82], 300), (vec![0x55; 258], 300), (vec![0x55; 65538], 3)]
        {
            let mut answer = answer;
            let length = answer.len();
            answer[length - 2..].copy_from_slice(if length == 3 { &[0x62, 0x82] } else { &[0x90, 0x00] });
            let mut script = Script { always: Some(answer), ..Script::default() };
            let (file, commands) = read(&mut script, Shape::Opaque, false);
            assert!(file.cut.is_some() && commands <= most, "{commands}");
        }
    }

    #[test]
    fn element_lengths() {
        assert_eq!(element_length(b"\x30\x00"), Some(2));
        assert_eq!(element_length(b"\x7F\x21\x81\xE4"), Some(4 + 0xE4));
        assert_eq!(element_length(b"\x67\x82\x01\xE6"), Some(490));
        for bad in [
            &b""[..],
            b"\x30",
            b"\x30\x80",
            b"\x30\x82\x01",
            b"\x30\x84\xFF\xFF\xFF\xFF",
            b"\x00\x00",
            b"\xFF\xFF",
            b"\x7F\xA1\x02",
        ] {
            assert_eq!(element_length(bad), None, "{bad:02X?}");
        }
    }
}
