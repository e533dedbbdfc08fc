//! A card made from recordings of what a real program and a card said to each other.
//!
//! A recording (`.apdus`) has one line per message in hex: `> command`, `< answer`. What was
//! selected and read becomes file contents, and these answer our own commands,
//! which need not be the recorded ones. What was never recorded is
//! [`TransportError::NotRecorded`], which ends as coverage, never as "there is no such file".

use std::collections::BTreeMap;

use data_encoding::HEXLOWER_PERMISSIVE;

use super::apdu::{StatusWord, Transport, TransportError};
use crate::format::sc_hsm;
use crate::snapshot::{EfPath, Fid};

/// A card of which some files and answers are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    files: BTreeMap<Fid, File>,
    /// Whole answers to commands that do not read files, status word included.
    answers: BTreeMap<Question, Vec<u8>>,
    /// Whole answers to commands that name what they ask for (PIV, OpenPGP), by the command
    /// without its Le, which differs from program to program.
    objects: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Files that are selected by path, and read from there.
    tree: BTreeMap<EfPath, Selected>,
    /// What our own commands have selected of them.
    current: Option<EfPath>,
}

/// What is known of a file that is selected by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Selected {
    /// Whole answer to SELECT.
    answer: Vec<u8>,
    /// What came from which offset; never more than the card gave.
    content: BTreeMap<usize, Vec<u8>>,
}

/// What is known of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct File {
    content: Vec<u8>,
    /// The content is all there is.
    whole: bool,
    /// What the card said instead of giving content.
    refused: Option<StatusWord>,
}

/// Commands that are answered as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    SelectScHsm,
    Verify(u8),
    List,
    Dkek,
    AppletInfo,
}

/// What is selected while a recording is read.
#[derive(Debug, Default)]
struct Place {
    /// By its identifier.
    fid: Option<Fid>,
    /// By its path.
    path: Option<EfPath>,
}

/// What is wrong with a recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// A line is neither `> hex` nor `< hex`.
    #[error("line {0} of the recording is not \"> HEX\" or \"< HEX\"")]
    Line(usize),
    /// Commands and answers do not take turns, or an answer has no status word.
    #[error("line {0} of the recording is not the answer to a command")]
    Order(usize),
}

impl Image {
    /// Reads one or more recordings of the same card; what comes later counts.
    ///
    /// # Errors
    /// When a line is not a message, or does not follow its command.
    pub fn from_recordings<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, RecordingError> {
        let mut image = Self::default();
        for text in texts {
            image.take(text)?;
        }
        Ok(image)
    }

    fn take(&mut self, text: &str) -> Result<(), RecordingError> {
        let mut command: Option<Vec<u8>> = None;
        let mut selected = Place::default();
        let mut object: Option<Vec<u8>> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let Some((direction, hex)) = line.trim_end().split_once(' ') else {
                if line.trim().is_empty() {
                    continue;
                }
                return Err(RecordingError::Line(number));
            };
            let bytes =
                HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| RecordingError::Line(number))?;
            match (direction, command.take()) {
                (">", None) => command = Some(bytes),
                ("<", Some(command)) => {
                    let (data, &sw) = bytes.split_last_chunk::<2>().ok_or(RecordingError::Order(number))?;
                    self.learn_object(&command, &bytes, &mut object);
                    self.learn(&command, &bytes, data, StatusWord(u16::from_be_bytes(sw)), &mut selected);
                }
                (">" | "<", _) => return Err(RecordingError::Order(number)),
                _ => return Err(RecordingError::Line(number)),
            }
        }
        Ok(())
    }

    /// Takes in an answer, or the next piece of one, to a command that names an object.
    fn learn_object(&mut self, command: &[u8], answer: &[u8], object: &mut Option<Vec<u8>>) {
        if let [0x00, 0xC0, ..] = command {
            // In the place of the status word that announced it.
            if let Some(known) = object.as_ref().and_then(|object| self.objects.get_mut(object)) {
                known.truncate(known.len().saturating_sub(2));
                known.extend(answer);
            }
            return;
        }
        *object = object_of(command);
        if let Some(object) = object {
            self.objects.insert(object.clone(), answer.to_vec());
        }
    }

    /// Takes in one command and its answer.
    fn learn(
        &mut self,
        command: &[u8],
        answer: &[u8],
        data: &[u8],
        status: StatusWord,
        selected: &mut Place,
    ) {
        if self.learn_tree(command, answer, data, status, selected) {
            return;
        }
        let selected = &mut selected.fid;
        match *command {
            [0x00, 0xA4, 0x04, _, 0x0B, ref aid @ .., _] if aid == sc_hsm::AID => {
                *selected = None;
                self.answers.insert(Question::SelectScHsm, answer.to_vec());
            }
            // By identifier (P1 00), or by a path (08) of one identifier from the master file.
            [0x00, 0xA4, 0x00 | 0x08, _, 0x02, high, low, ..] => {
                let fid = Fid(u16::from_be_bytes([high, low]));
                *selected = status.carries_data().then_some(fid);
                if status == StatusWord::FILE_NOT_FOUND {
                    self.files.insert(fid, File { refused: Some(status), ..File::default() });
                }
            }
            [0x00, 0xA4, ..] => *selected = None,
            [0x00, 0x20, _, reference] => {
                self.answers.insert(Question::Verify(reference), answer.to_vec());
            }
            [0x00, 0xB1, p1, p2, 0x04, 0x54, 0x02, high, low, ..]
            | [0x00, 0xB1, p1, p2, 0x00, 0x00, 0x04, 0x54, 0x02, high, low, ..] => {
                let fid =
                    if (p1, p2) == (0, 0) { *selected } else { Some(Fid(u16::from_be_bytes([p1, p2]))) };
                if let Some(fid) = fid {
                    self.learn_piece(fid, usize::from(u16::from_be_bytes([high, low])), data, status);
                }
            }
            [0x80, 0x58, 0x00, 0x00, ..] => {
                self.answers.insert(Question::List, answer.to_vec());
            }
            [0x80, 0x52, 0x00, 0x00, _] => {
                self.answers.insert(Question::Dkek, answer.to_vec());
            }
            _ => {}
        }
    }

    /// Takes in what concerns files that are selected by path; false if it is nothing of the kind.
    fn learn_tree(
        &mut self,
        command: &[u8],
        answer: &[u8],
        data: &[u8],
        status: StatusWord,
        selected: &mut Place,
    ) -> bool {
        match *command {
            [0x00, 0xA4, 0x08, p2, length, ref path @ ..] => {
                selected.path = path.get(..usize::from(length)).and_then(EfPath::new);
                // Without the file's description (P2 0C) our own question is not answered.
                if let Some(path) = selected.path.filter(|_| p2 == 0) {
                    self.tree.insert(path, Selected { answer: answer.to_vec(), ..Selected::default() });
                }
                // A SmartCard-HSM's files have one identifier, and are read by it as well.
                length != 2
            }
            [0x00, 0xA4, ..] => {
                selected.path = None;
                false
            }
            [0x00, 0xB0, high @ 0..=0x7F, low, _] => {
                let file = selected.path.and_then(|path| self.tree.get_mut(&path));
                if let Some(file) = file.filter(|_| status.carries_data()) {
                    let offset = usize::from(u16::from_be_bytes([high, low]));
                    file.content.insert(offset, data.to_vec());
                }
                true
            }
            [0x00, 0xCA, 0x01, 0xA0, _] => {
                self.answers.insert(Question::AppletInfo, answer.to_vec());
                true
            }
            _ => false,
        }
    }

    fn select(&mut self, path: &[u8]) -> Option<Vec<u8>> {
        let path = EfPath::new(path)?;
        let file = self.tree.get(&path)?;
        self.current = Some(path);
        Some(file.answer.clone())
    }

    fn read_selected(&self, offset: usize, ne: usize) -> Option<Vec<u8>> {
        let file = self.tree.get(&self.current?)?;
        let (start, piece) = file.content.range(..=offset).next_back()?;
        let rest = piece.get(offset - start..).filter(|rest| !rest.is_empty())?;
        let piece = rest.get(..ne).unwrap_or(rest);
        Some([piece, &StatusWord::OK.0.to_be_bytes()].concat())
    }

    /// Takes in a piece of a file, if it joins what is known.
    fn learn_piece(&mut self, fid: Fid, offset: usize, data: &[u8], status: StatusWord) {
        let file = self.files.entry(fid).or_default();
        if !status.carries_data() {
            if offset == 0 {
                *file = File { refused: Some(status), ..File::default() };
            }
            return;
        }
        if offset == 0 {
            *file = File::default();
        }
        if offset == file.content.len() {
            file.content.extend(data);
            // Programs read until nothing comes any more, and only that proves the end.
            file.whole = data.is_empty();
        }
    }

    /// The whole content of a file, if it was recorded.
    #[must_use]
    pub fn file(&self, fid: Fid) -> Option<&[u8]> {
        self.files.get(&fid).filter(|file| file.whole).map(|file| file.content.as_slice())
    }

    fn read(&self, fid: Fid, offset: u16, ne: usize) -> Option<Vec<u8>> {
        let file = self.files.get(&fid)?;
        if let Some(StatusWord(sw)) = file.refused {
            return Some(sw.to_be_bytes().to_vec());
        }
        let rest = file.content.get(usize::from(offset)..).unwrap_or_default();
        if rest.is_empty() && !file.whole {
            return None;
        }
        let piece = rest.get(..ne).unwrap_or(rest);
        // A short piece with 9000 would say that the file ends here.
        let status = if piece.len() < ne && !file.whole { StatusWord::END_OF_FILE } else { StatusWord::OK };
        Some([piece, &status.0.to_be_bytes()].concat())
    }
}

/// What stands for an object in a command that asks for it; none for other commands.
fn object_of(command: &[u8]) -> Option<Vec<u8>> {
    let (without_le, _) = command.split_at_checked(match *command {
        [0x00, 0xCA, 0x01, 0xA0, _] => return None,
        [0x00, 0xCA, _, _, _] => 4,
        [0x00, 0xCB, _, _, length, ..] | [0x00, 0x47, 0x81, 0x00, length, ..] => 5 + usize::from(length),
        _ => return None,
    })?;
    Some(without_le.to_vec())
}

impl Transport for Image {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        if let Some(object) = object_of(apdu) {
            let whole = |answer: &&Vec<u8>| !matches!(***answer, [.., 0x61, _]);
            return self.objects.get(&object).filter(whole).cloned().ok_or(TransportError::NotRecorded);
        }
        let answer = match *apdu {
            [0x00, 0xA4, 0x08, 0x00, length, ref path @ ..] => {
                path.get(..usize::from(length)).and_then(|path| self.select(path))
            }
            [0x00, 0xA4, ..] => self.answers.get(&Question::SelectScHsm).cloned(),
            [0x00, 0xB0, high, low, le] => {
                let ne = if le == 0 { 256 } else { usize::from(le) };
                self.read_selected(usize::from(u16::from_be_bytes([high, low])), ne)
            }
            [0x00, 0xCA, ..] => self.answers.get(&Question::AppletInfo).cloned(),
            [0x00, 0x20, _, reference] => self.answers.get(&Question::Verify(reference)).cloned(),
            [0x80, 0x58, ..] => self.answers.get(&Question::List).cloned(),
            [0x80, 0x52, ..] => self.answers.get(&Question::Dkek).cloned(),
            [0x00, 0xB1, p1, p2, 0x04, 0x54, 0x02, high, low, le] => {
                let ne = if le == 0 { 256 } else { usize::from(le) };
                self.read(Fid(u16::from_be_bytes([p1, p2])), u16::from_be_bytes([high, low]), ne)
            }
            _ => None,
        };
        answer.ok_or(TransportError::NotRecorded)
    }
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
