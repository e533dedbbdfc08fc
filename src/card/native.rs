//! Reading a native PKCS#15 card: the files that OpenSC's generic code (`pkcs15.c`) reads.
//!
//! Every file costs one SELECT, which tells its size, and one READ BINARY for 256 bytes; nothing is
//! read twice, and the end is not probed. What is read follows from the card: EF.DIR, the object
//! directory, TokenInfo, the directory files, and the public files that these name, now or in their
//! cached copies. The file of a private key that only a cached copy describes is selected, to know whether it is there.
//!
//! **Files of records.** OpenSC's drivers of these cards have no command for records: it reads EF.DIR and all
//! other files as if they were transparent, and what the card then refuses (6981) it does without.
//!
//! **Politeness.** A file is selected by its path, which ends no login; an application is never selected
//! by name, which would. The selected file is everybody's, so SELECT and the reads that follow
//! are one transaction. If that grows too long it ends, and the file is selected once more.
//! The one exception is the IsoApplet, which answers only when it is selected: where EF.DIR does
//! not answer, it is not, and so nobody is logged in to it.
//!
//! **One card, one moment.** A MyEID counts its changes; asked first and last, the counter and the serial
//! number beside it say whether all came from one card in one state. Of other cards TokenInfo is read
//! again. Not noticed on those: a change that leaves TokenInfo as it is.

use std::collections::{BTreeMap, BTreeSet};

use super::apdu::{Channel, Command, KeyFiles, StatusWord, Transport, TransportError};
use super::application::{Application, EF_DIR, links};
use super::family::Kind;
use super::fci;
use super::options::Options;
use super::scan_error::{ScanError, Stop, until_it_rests};
use crate::format::pkcs15::{self, Directory};
use crate::snapshot::{Answer, Bytes, Card, CardFile, EfPath, Gap, GapKind};
use crate::text::{escape, hex};

/// The longest file that READ BINARY reaches: its offset has 15 bits.
const LONGEST: usize = 0x7FFF;
/// Bytes in one READ BINARY.
const PIECE: usize = 256;
/// How often one file is selected again because the transaction grew too long.
const SELECTS: u32 = 200;

/// Why a private file is not read.
const PRIVATE: &str = "the card gives it only after the PIN";
/// Why the file of a private key is not read, which is there whether the card lists the key or not.
pub(crate) const KEY_IS_THERE: &str = "the file of a private key, which nothing reads";
/// The driver for MyEID and OsEID cards.
pub(super) const MY_EID: &str = "myeid";
/// The driver for cards with the IsoApplet.
pub(super) const ISO_APPLET: &str = "isoApplet";

/// Reads the public files of the whole card: what comes back is one card for each application that OpenSC makes
/// a token of, the one first that `pkcs15-tool` takes.
///
/// # Errors
/// When there is nothing that could be called a reading of this card.
pub fn scan(
    transport: &mut dyn Transport,
    reader: &str,
    atr: &[u8],
    kind: Kind,
    options: &Options<'_>,
) -> Result<(Vec<Card>, Vec<Gap>), ScanError> {
    until_it_rests(transport, |channel| {
        let card = Card {
            reader: reader.to_owned(),
            atr: Bytes(atr.to_vec()),
            family: kind.family,
            driver: kind.driver.map(str::to_owned),
            application: None,
            serial: None,
            change_counter: None,
            key_list: Vec::new(),
            files: Vec::new(),
            status: None,
            keys: None,
            trials: Vec::new(),
        };
        let (answers, seen, private) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Attempt { channel, options, card, gaps: Vec::new(), answers, seen, private }.run(kind)
    })
}

/// One walk through the card.
struct Attempt<'a, 'c> {
    channel: &'a mut Channel<'c>,
    options: &'a Options<'a>,
    /// The application that is being read.
    card: Card,
    gaps: Vec<Gap>,
    /// Of the whole card: what was asked for is not asked again.
    answers: BTreeMap<EfPath, Answer>,
    /// Of the application.
    seen: BTreeSet<EfPath>,
    /// What any application calls private.
    private: BTreeSet<EfPath>,
}

impl Attempt<'_, '_> {
    fn run(mut self, kind: Kind) -> Result<(Vec<Card>, Vec<Gap>), Stop> {
        let info = if kind.driver == Some(MY_EID) { self.applet_info()? } else { None };
        self.card.change_counter = info.as_deref().and_then(counter_of);
        self.card.serial = info.as_deref().and_then(serial_of).map(|serial| hex(serial).to_uppercase());
        let mut dir = self.read(EF_DIR)?;
        if dir.is_none() && self.is_iso_applet() {
            self.select_iso_applet()?;
            dir = self.read(EF_DIR)?;
        }
        let blank = self.card.clone();
        let mut all = Application::all(dir.as_deref()).into_iter();
        let no_place = || ScanError::NoPkcs15("EF.DIR (2F00) names no place where it could be".to_owned());
        let first = all.next().ok_or_else(no_place)?;
        if first.is_by_aid() {
            let why = "EF.DIR knows it by its name only, and to select it could end a login";
            return Err(ScanError::NoPkcs15(why.to_owned()).into());
        }
        let mut token_infos = vec![self.first(first)?];
        let mut cards = vec![std::mem::replace(&mut self.card, blank.clone())];
        for application in all {
            let name = format!("application {} of EF.DIR", hex(&application.name).to_uppercase());
            if application.is_by_aid() {
                self.gap(&name, "known by its name only, and to select it could end a login: not read");
                continue;
            }
            self.card = Card { application: Some(Bytes(application.name.clone())), ..blank.clone() };
            self.seen = std::iter::once(EF_DIR).collect();
            let token_info = application.token_info;
            let odf = self.read(application.odf)?.filter(|odf| pkcs15::object_directory(odf).is_ok());
            let whole = match odf {
                Some(odf) => self.read_application(&application, &odf)?,
                None => false,
            };
            if whole {
                token_infos.push(token_info);
                cards.push(self.card.clone());
            } else {
                self.note(
                    &name,
                    "without object directory or TokenInfo that decode, so OpenSC makes no token of it",
                );
            }
        }
        // What one application has read another may call private.
        let files = cards.iter_mut().flat_map(|card| &mut card.files);
        for file in files.filter(|file| self.private.contains(&file.path)) {
            file.answer = Answer::NotRead(PRIVATE.to_owned());
        }
        self.check(info.as_deref(), &token_infos)?;
        Ok((cards, self.gaps))
    }

    /// The application that OpenSC takes first, or the one in the master file; gives its TokenInfo.
    fn first(&mut self, usual: Application) -> Result<EfPath, Stop> {
        let mut application = usual;
        let mut odf = self.read(application.odf)?;
        if odf.is_none()
            && application.name.is_empty()
            && let Some(other) = Application::in_master_file()
        {
            odf = self.read(other.odf)?;
            application = other;
        }
        let no_odf = || {
            let odf = application.odf;
            ScanError::NoPkcs15(format!("no object directory ({odf}) could be read; the card may be blank"))
        };
        let odf = odf.ok_or_else(no_odf)?;
        let whole = self.read_application(&application, &odf)?;
        let given =
            matches!(self.answers.get(&application.token_info), Some(Answer::Content(_) | Answer::Absent));
        if !whole && given {
            self.gap("TokenInfo", "it is missing or does not decode: OpenSC gives the card up");
        }
        Ok(application.token_info)
    }

    /// Reads what an object directory leads to; false if there is no TokenInfo, without which OpenSC takes no further
    /// application.
    fn read_application(&mut self, application: &Application, odf: &[u8]) -> Result<bool, Stop> {
        let is_asked = self.answers.contains_key(&application.token_info);
        let token_info = self.read(application.token_info)?;
        self.list_keys(application, !is_asked)?;
        let known = token_info.as_deref().and_then(|bytes| pkcs15::token_info(bytes).ok());
        if let Some(serial) = known.as_ref().and_then(|known| known.serial.as_ref())
            && !serial.is_empty()
        {
            self.card.serial = Some(hex(serial));
        }
        let updated = known.as_ref().and_then(|known| known.last_update_path.as_ref());
        if let Some(file) = updated.and_then(|path| application.directory(path)) {
            self.read(file)?;
        }
        let directories = pkcs15::object_directory(odf).unwrap_or_else(|error| {
            self.gap("object directory", &format!("OpenSC gives the card up: {error}"));
            Vec::new()
        });
        self.read_directories(application, &directories)?;
        for (_, file) in (self.options.cached_links)(&self.card) {
            self.read(file)?;
        }
        for file in (self.options.cached_keys)(&self.card) {
            self.look_for_key(file)?;
        }
        Ok(known.is_some())
    }

    /// The directory files, then the public files they name.
    fn read_directories(
        &mut self,
        application: &Application,
        directories: &[(Directory, pkcs15::Path)],
    ) -> Result<(), Stop> {
        let mut named = Vec::new();
        for (kind, path) in directories {
            let content = application.directory(path).map(|file| self.read(file)).transpose()?.flatten();
            if let Some(content) = content {
                named.extend(links(*kind, &content));
            }
        }
        // One description that calls a file private is enough.
        let private = named.iter().filter(|link| link.private);
        self.private.extend(private.filter_map(|link| application.file(&link.path)));
        for file in named.iter().filter_map(|link| application.file(&link.path)) {
            if !self.private.contains(&file) {
                self.read(file)?;
            } else if self.seen.insert(file) {
                self.card.files.push(CardFile { path: file, answer: Answer::NotRead(PRIVATE.to_owned()) });
            }
        }
        Ok(())
    }

    /// The serial number and change counter of a MyEID.
    fn applet_info(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        self.channel.transport.rest();
        let response = self.channel.send(Command::AppletInfo)?;
        if response.status == StatusWord::OK {
            return Ok(Some(response.data));
        }
        self.gap("serial number and change counter of the applet", &response.status.to_string());
        Ok(None)
    }

    fn is_iso_applet(&self) -> bool {
        self.card.driver.as_deref() == Some(ISO_APPLET)
    }

    /// Selects the applet, and forgets what something else has answered before.
    fn select_iso_applet(&mut self) -> Result<(), Stop> {
        let response = self.channel.send(Command::SelectIsoApplet)?;
        if response.status != StatusWord::OK {
            let status = response.status.to_string();
            return Err(ScanError::NotThere { card: "a card with the IsoApplet", status }.into());
        }
        self.channel.transport.interrupted();
        self.seen.clear();
        self.answers.clear();
        self.card.files.clear();
        self.gaps.clear();
        Ok(())
    }

    /// What a card with several applications says of a file. A "no" heard after others had the card may be
    /// another application's, so it is asked for again when EF.DIR has answered.
    fn fetch_sure(&mut self, file: EfPath) -> Result<Answer, Stop> {
        let answer = self.fetch(file)?;
        let no = matches!(answer, Answer::Absent | Answer::Refused(_));
        if !(no && file != EF_DIR && self.is_iso_applet() && self.channel.transport.interrupted()) {
            return Ok(answer);
        }
        match self.fetch(EF_DIR)? {
            Answer::Content(_) => self.fetch(file),
            _ => Err(Stop::Moved("another application has been selected on it")),
        }
    }

    /// Reads a file once, keeps it, and gives its content if there is any.
    fn read(&mut self, file: EfPath) -> Result<Option<Vec<u8>>, Stop> {
        if !self.seen.insert(file) {
            return Ok(None);
        }
        if let Some(answer) = self.answers.get(&file).cloned() {
            let content =
                if let Answer::Content(Bytes(content)) = &answer { Some(content.clone()) } else { None };
            self.card.files.push(CardFile { path: file, answer });
            return Ok(content);
        }
        if file.aid().is_some() {
            let why = "it belongs to an application that is known by its name only; not selected".to_owned();
            self.gap(&format!("file {file}"), &why);
            self.card.files.push(CardFile { path: file, answer: Answer::NotRead(why) });
            return Ok(None);
        }
        let answer = self.fetch_sure(file)?;
        self.answers.insert(file, answer.clone());
        match &answer {
            Answer::Refused(sw) if StatusWord(*sw) == StatusWord::WRONG_STRUCTURE => {
                self.note(
                    &format!("file {file}"),
                    "a file of records, which OpenSC does not read of such a card",
                );
            }
            // Offset 0 is outside of it.
            Answer::Refused(sw) if StatusWord(*sw) == StatusWord::WRONG_OFFSET => {
                self.note(&format!("file {file}"), "empty, and the card refuses to read it, to OpenSC, too");
            }
            Answer::Refused(sw) => {
                self.gap(&format!("file {file}"), &format!("refused ({})", StatusWord(*sw)));
            }
            Answer::NotRead(why) => self.gap(&format!("file {file}"), &why.clone()),
            Answer::Content(_) | Answer::Absent | Answer::Withheld => {}
        }
        let content =
            if let Answer::Content(Bytes(content)) = &answer { Some(content.clone()) } else { None };
        self.card.files.push(CardFile { path: file, answer });
        Ok(content)
    }

    /// Is there still the file of a private key that the card does not list any more? It is selected, and never read. Only of
    /// a MyEID, whose keys are files: another card may know its keys by their numbers, and then that there is no file says
    /// nothing.
    fn look_for_key(&mut self, file: EfPath) -> Result<(), Stop> {
        if self.card.driver.as_deref() != Some(MY_EID) || file.aid().is_some() || !self.seen.insert(file) {
            return Ok(());
        }
        self.channel.transport.rest();
        let answer = match self.channel.send(Command::SelectPath(file)) {
            Ok(response) if response.status.carries_data() => Answer::NotRead(KEY_IS_THERE.to_owned()),
            Ok(response) if response.status == StatusWord::FILE_NOT_FOUND => Answer::Absent,
            Ok(response) => Answer::Refused(response.status.0),
            Err(TransportError::NotRecorded) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.card.files.push(CardFile { path: file, answer });
        Ok(())
    }

    /// The files of private keys in the directory of an application, whether anything describes them or not. A MyEID lists
    /// them, to everybody; what it answers otherwise is no list. `is_there`: a file of that directory was selected just now.
    fn list_keys(&mut self, application: &Application, is_there: bool) -> Result<(), Stop> {
        let Some(directory) = application.directory_path() else { return Ok(()) };
        if self.card.driver.as_deref() != Some(MY_EID) {
            return Ok(());
        }
        let is_there =
            is_there && application.holds(application.token_info) == Some(directory.as_slice().len());
        // Whenever others had the card meanwhile, the directory is selected once more.
        let mut answers = (0..SELECTS).map(|time| self.ask_for_keys(directory, is_there && time == 0));
        let listed = match answers.find(|answer| !matches!(answer, Err(TransportError::LetGo))) {
            Some(Ok(listed)) => listed,
            Some(Err(TransportError::NotRecorded)) => return Ok(()),
            Some(Err(error)) => return Err(error.into()),
            None => return Err(Stop::Moved("other programs came in between")),
        };
        for fid in listed.chunks_exact(2) {
            let Some(file) = EfPath::new(&[directory.as_slice(), fid].concat()) else { continue };
            if self.seen.insert(file) {
                let answer = Answer::NotRead(KEY_IS_THERE.to_owned());
                self.card.files.push(CardFile { path: file, answer });
            }
        }
        Ok(())
    }

    /// Their identifiers, one after the other.
    fn ask_for_keys(&mut self, directory: EfPath, is_there: bool) -> Result<Vec<u8>, TransportError> {
        if !is_there {
            self.channel.transport.rest();
            self.channel.transport.hold();
            if !self.channel.send(Command::SelectPath(directory))?.status.carries_data() {
                return Ok(Vec::new());
            }
        }
        let mut listed = Vec::new();
        for kind in [KeyFiles::Rsa, KeyFiles::Ec] {
            let response = self.channel.send(Command::KeyFiles(kind))?;
            if response.status == StatusWord::OK {
                listed.extend(response.data);
            }
        }
        Ok(listed)
    }

    fn fetch(&mut self, file: EfPath) -> Result<Answer, Stop> {
        let mut content = Vec::new();
        for _ in 0..SELECTS {
            self.channel.transport.rest();
            self.channel.transport.hold();
            let selected = match self.channel.send(Command::SelectPath(file)) {
                Ok(response) => response,
                Err(TransportError::NotRecorded) => return Ok(Answer::NotRead("not recorded".to_owned())),
                Err(error) => return Err(error.into()),
            };
            if !selected.status.carries_data() {
                return Ok(match selected.status {
                    StatusWord::FILE_NOT_FOUND => Answer::Absent,
                    StatusWord(sw) => Answer::Refused(sw),
                });
            }
            let Some(fci) = fci::parse(&selected.data) else {
                return Ok(Answer::NotRead("the card does not say how long it is".to_owned()));
            };
            if !fci.is_working_file() {
                return Ok(Answer::NotRead("a directory or key file, which has no content".to_owned()));
            }
            match self.read_pieces(fci.size.min(LONGEST), &mut content) {
                Ok(None) => return Ok(Answer::Content(Bytes(content))),
                Ok(Some(answer)) => return Ok(answer),
                Err(TransportError::LetGo) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Stop::Moved("other programs came in between"))
    }

    /// Reads the selected file on from where it was left; gives an answer if there is no content. OpenSC asks an empty
    /// file, too, and fails where the card refuses.
    fn read_pieces(&mut self, size: usize, content: &mut Vec<u8>) -> Result<Option<Answer>, TransportError> {
        while content.len() < size || size == 0 {
            let wanted = if size == 0 { PIECE } else { (size - content.len()).min(PIECE) };
            let (Ok(offset), Ok(ne)) = (u16::try_from(content.len()), u16::try_from(wanted)) else { break };
            let response = match self.channel.send(Command::ReadSelected(offset, ne)) {
                Ok(response) => response,
                Err(TransportError::NotRecorded) => {
                    return Ok(Some(Answer::NotRead("not recorded".to_owned())));
                }
                Err(error) => return Err(error),
            };
            match response.status {
                status if status.carries_data() => {}
                // It ends before the size it tells: OpenSC takes what came.
                _ if !content.is_empty() => break,
                StatusWord(sw) => return Ok(Some(Answer::Refused(sw))),
            }
            if response.data.is_empty() {
                break;
            }
            content.extend(response.data.iter().take(wanted));
            if size == 0 {
                break;
            }
        }
        Ok(None)
    }

    /// Is it still the card, and the state of it, that the scan began with?
    fn check(&mut self, info: Option<&[u8]>, token_infos: &[EfPath]) -> Result<(), Stop> {
        if info.is_some() {
            return match self.applet_info()?.as_deref() == info {
                true => Ok(()),
                false => {
                    Err(Stop::Moved("its serial number or change counter is not the one the scan began with"))
                }
            };
        }
        for &file in token_infos {
            let before = self.answers.get(&file).cloned();
            match (self.fetch(file)?, before) {
                (now @ Answer::Content(_), Some(before)) if now == before => {}
                (Answer::Content(_), _) | (_, Some(Answer::Content(_))) => {
                    return Err(Stop::Moved("its TokenInfo is not the one the scan began with"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What was asked for and could not be read.
    fn gap(&mut self, what: &str, why: &str) {
        self.say(what, why, true);
    }

    /// What OpenSC does not show either.
    fn note(&mut self, what: &str, why: &str) {
        self.say(what, why, false);
    }

    fn say(&mut self, what: &str, why: &str, asked_for: bool) {
        let what = format!("{what} of the card in reader {}", escape(self.card.reader.as_bytes()));
        let gap = Gap::new(GapKind::Card, asked_for, what, why.to_owned()).in_reader(&self.card.reader);
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }
}

/// GET DATA 01A0: eight bytes of name and version, ten of serial number, two of change counter.
fn serial_of(info: &[u8]) -> Option<&[u8]> {
    info.get(8..18)
}

pub(super) fn counter_of(info: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(info.get(18..20)?.try_into().ok()?))
}

#[cfg(test)]
#[path = "native_tests.rs"]
mod tests;
