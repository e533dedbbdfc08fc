//! Reading a SmartCard-HSM (CardContact; Nitrokey HSM and pico-hsm speak the same).
//!
//! What is read is what OpenSC's `pkcs15-sc-hsm.c` reads, each file addressed by
//! its identifier so that the selected file does not matter, and nothing twice.
//!
//! **Politeness.** SELECT ends the login of every program that uses the card, so the
//! state of the user PIN is asked first (VERIFY without data, which spends no
//! try). If somebody is logged in there is no SELECT at all. Otherwise there is
//! no login to lose, and SELECT makes sure that the right application answers.
//!
//! **One card, one moment.** Other programs have the card in between (see
//! [`super::pcsc`]). So at the end the key list is read again, and of the
//! device certificate the piece that holds its signature and the card's name
//! (CHR): a card that was swapped for its twin, or that changed, is noticed and the
//! scan begins anew. And a "no" heard after others had the card is asked for again, right after
//! the card has shown that it is still the same one with the same application selected (while
//! somebody is logged in it counts when the login still stands at the end, which no SELECT
//! would have left).
//!
//! Not noticed: a file that is rewritten during the scan without any change of the key list.

use std::collections::BTreeSet;

use super::apdu::{Channel, Command, Lengths, Pin, Response, StatusWord, Transport, TransportError};
use super::family;
pub use super::options::Options;
use super::read::{self, Shape};
use super::sc_hsm_identity::{mark, version};
pub use super::scan_error::ScanError;
use super::scan_error::{Stop, until_it_rests};
use crate::format::sc_hsm::{
    DEVICE_CERTIFICATE, DEVICE_CERTIFICATE_NAME, DRIVER, MAX_OBJECTS, TOKEN_INFO, fid, key_list, prefix,
    referenced, serial_of, split,
};
use crate::snapshot::{
    Answer, Bytes, Card, CardFile, Dkek, Family, Fid, Gap, GapKind, PinState, ScHsmStatus,
};
use crate::text::escape;

/// Reads the whole card, public files only.
///
/// # Errors
/// When there is nothing that could be called a reading of this card.
pub fn scan(
    transport: &mut dyn Transport,
    reader: &str,
    atr: &[u8],
    options: &Options<'_>,
) -> Result<(Card, Vec<Gap>), ScanError> {
    until_it_rests(transport, |channel| Attempt::new(channel, reader, options).run(atr))
}

/// One walk through the card.
struct Attempt<'a, 'c> {
    channel: &'a mut Channel<'c>,
    options: &'a Options<'a>,
    reader: &'a str,
    status: ScHsmStatus,
    key_list: Vec<Fid>,
    files: Vec<CardFile>,
    gaps: Vec<Gap>,
    /// Asked for already.
    seen: BTreeSet<Fid>,
    /// Where and what the card's own mark is: the end of the first certificate in 2F02.
    mark: Option<(u16, Vec<u8>)>,
    /// Other programs had the card since it last showed its mark.
    doubt: bool,
    /// Somebody was logged in when the attempt began.
    logged_in: bool,
    /// A "no" was believed because of that.
    login_must_stand: bool,
    /// How the key list is asked for.
    list_command: Command,
}

impl<'a, 'c> Attempt<'a, 'c> {
    fn new(channel: &'a mut Channel<'c>, reader: &'a str, options: &'a Options<'a>) -> Self {
        // Whatever happened before this attempt does not concern it.
        channel.transport.interrupted();
        Self {
            channel,
            options,
            reader,
            status: ScHsmStatus::default(),
            key_list: Vec::new(),
            files: Vec::new(),
            gaps: Vec::new(),
            seen: BTreeSet::new(),
            mark: None,
            doubt: false,
            logged_in: false,
            login_must_stand: false,
            list_command: Command::EnumerateObjects,
        }
    }

    fn run(mut self, atr: &[u8]) -> Result<(Card, Vec<Gap>), Stop> {
        self.logged_in = self.approach(family::of_atr(atr).family == Family::SmartCardHsm)?;
        let device = self.read(DEVICE_CERTIFICATE, Shape::Elements(2))?;
        if device.as_deref().and_then(read::element_length).is_none() {
            if self.logged_in {
                return Err(ScanError::LoggedInElsewhere.into());
            }
            self.gap(DEVICE_CERTIFICATE_NAME, "there is none: the card cannot be told from others");
        }
        let serial = device.as_deref().and_then(serial_of);
        if serial.is_none() && device.as_deref().and_then(read::element_length).is_some() {
            self.gap(
                DEVICE_CERTIFICATE_NAME,
                "it names no holder as OpenSC needs it, so cache files cannot be told to be this card's",
            );
        }
        self.mark = device.as_deref().and_then(mark);
        self.read(TOKEN_INFO, Shape::Elements(1))?;
        let list = self.list()?;
        self.take_list(&list);
        for fid in self.key_list.iter().copied().take(MAX_OBJECTS).collect::<Vec<_>>() {
            self.read_object(fid)?;
        }
        let mut card = Card {
            reader: self.reader.to_owned(),
            atr: Bytes(atr.to_vec()),
            family: Family::SmartCardHsm,
            driver: Some(DRIVER.to_owned()),
            serial,
            application: None,
            change_counter: None,
            key_list: self.key_list.clone(),
            files: self.files.clone(),
            status: None,
            keys: None,
            trials: Vec::new(),
        };
        if card.serial.is_some() {
            for (entry, target) in (self.options.cached_links)(&card) {
                if let (Some(entry), Some(target)) = (entry.fid(), target.fid())
                    && self.key_list.contains(&entry)
                {
                    self.read_target(target)?;
                }
            }
        }
        if self.options.status {
            self.ask_status()?;
        }
        if self.list()? != list {
            return Err(Stop::Moved("its key list is not the one the scan began with"));
        }
        self.check_mark()?;
        self.check_login()?;
        card.files = self.files;
        card.status = Some(self.status);
        Ok((card, self.gaps))
    }

    /// Asks for the user PIN and selects the application unless somebody is logged in.
    /// True if somebody is. Of a card that only the configuration calls a SmartCard-HSM, the PIN is asked
    /// for when it has given its device certificate.
    fn approach(&mut self, is_known: bool) -> Result<bool, Stop> {
        let asked = if is_known || self.gives_certificate()? {
            self.channel.send(Command::VerifyStatus(Pin::User))
        } else {
            Err(TransportError::NotRecorded)
        };
        let status = match asked {
            // 9000 with data is no PIN state, and must not pass for somebody's login.
            Ok(response) if !response.data.is_empty() => {
                return Err(Stop::Moved("it answered with data where none belong"));
            }
            Ok(response) => Some(response.status),
            Err(TransportError::NotRecorded) => None,
            Err(error) => return Err(error.into()),
        };
        let state = status.map(StatusWord::pin_state);
        if state == Some(PinState::LoggedIn) {
            self.status.user_pin = state;
            return Ok(true);
        }
        let response = self.channel.send(Command::SelectScHsm)?;
        if response.status != StatusWord::OK {
            return Err(ScanError::NoApplication(response.status.to_string()).into());
        }
        let Some(version) = version(&response.data) else {
            return Err(ScanError::NoApplication("an answer without a version (tag 85)".into()).into());
        };
        self.status.firmware = Some(version);
        // Any other status was that of some other application.
        self.status.user_pin = state.filter(|state| !matches!(state, PinState::Other(_)));
        Ok(false)
    }

    /// Is the application selected already?
    fn gives_certificate(&mut self) -> Result<bool, Stop> {
        let response = self.channel.send(Command::ReadBinary(DEVICE_CERTIFICATE, 0))?;
        let is_certificate = matches!(response.data.as_slice(), [0x67, ..] | [0x7F, 0x21, ..]);
        Ok(response.status.carries_data() && is_certificate)
    }

    /// The answer of ENUMERATE OBJECTS.
    ///
    /// 128 entries, which 42 keys have, fill a short answer. OpenSC sends this one
    /// command in extended form to every reader, so one that cannot take it is met rarely.
    fn list(&mut self) -> Result<Vec<u8>, Stop> {
        let mut response = self.ask(self.list_command)?;
        let full = response.data.len() == self.channel.ne(self.list_command);
        if full && self.channel.transport.lengths() == Lengths::Short && !self.channel.short_only {
            match self.ask(Command::EnumerateManyObjects) {
                Ok(longer) if longer.status.carries_data() => {
                    response = longer;
                    self.list_command = Command::EnumerateManyObjects;
                }
                Ok(_) => self.channel.short_only = true,
                Err(Stop::Failed(ScanError::Transport(TransportError::TooLong))) => {
                    self.channel.short_only = true;
                    self.doubt = true;
                }
                Err(stop) => return Err(stop),
            }
        }
        if response.status.carries_data() {
            Ok(response.data)
        } else {
            Err(ScanError::NoList(response.status).into())
        }
    }

    /// Makes file identifiers of the list.
    fn take_list(&mut self, list: &[u8]) {
        if !list.len().is_multiple_of(2) {
            self.gap("key list", "the card sent an odd number of bytes");
        }
        self.key_list = key_list(list).collect();
        if list.len() == self.channel.ne(self.list_command) {
            let why = if self.channel.short_only {
                "it may be cut: the reader takes no answers above 256 bytes. Use another reader"
            } else {
                "it may be cut, as it is for OpenSC"
            };
            self.gap("key list", why);
        }
        if self.key_list.len() > MAX_OBJECTS {
            self.gap("key list", "entries behind the 507th, which OpenSC does not see either, were not read");
        }
    }

    /// Reads what belongs to one entry of the key list.
    fn read_object(&mut self, object: Fid) -> Result<(), Stop> {
        match split(object) {
            (prefix::KEY, 0) => self.read_device_key(),
            (prefix::KEY, number) => {
                self.read(fid(prefix::PRIVATE_KEY, number), Shape::Elements(1))?;
                self.read(fid(prefix::CERTIFICATE, number), Shape::Elements(1))?;
                Ok(())
            }
            (prefix::CA_DESCRIPTION, _) => self.read_linked(object, prefix::CA_CERTIFICATE),
            (prefix::DATA_DESCRIPTION, _) => self.read_linked(object, prefix::DATA),
            _ => Ok(()),
        }
    }

    /// The device key's entry and public part, which only OpenSC up to 0.23 looks at.
    ///
    /// Every card lists the C4 files it has. If the list names those of all other keys
    /// and not this one, there is none, and the card need not be asked.
    fn read_device_key(&mut self) -> Result<(), Stop> {
        if !self.options.read_c400 {
            return Ok(());
        }
        let entry = fid(prefix::PRIVATE_KEY, 0);
        let unlisted = |object: &Fid| {
            let (kind, number) = split(*object);
            kind == prefix::KEY && number != 0 && !self.key_list.contains(&fid(prefix::PRIVATE_KEY, number))
        };
        if !self.key_list.contains(&entry) && !self.key_list.iter().any(unlisted) {
            self.files.push(CardFile { path: entry.into(), answer: Answer::Absent });
        } else if self.read(entry, Shape::Elements(1))?.is_some() {
            self.read(fid(prefix::CERTIFICATE, 0), Shape::Elements(1))?;
        }
        Ok(())
    }

    /// A description and the file it names, if that is of this kind and may be read without the PIN.
    fn read_linked(&mut self, entry: Fid, kind: u8) -> Result<(), Stop> {
        let Some(content) = self.read(entry, Shape::Elements(1))? else { return Ok(()) };
        for target in referenced(&content) {
            if split(target).0 != kind {
                self.gap(
                    &entry.to_string(),
                    &format!("it names {target}, which is no file of this kind; not read"),
                );
            } else {
                self.read_target(target)?;
            }
        }
        Ok(())
    }

    /// A CA certificate or public data.
    fn read_target(&mut self, target: Fid) -> Result<(), Stop> {
        match split(target).0 {
            prefix::DATA => self.read(target, Shape::Opaque)?,
            prefix::CA_CERTIFICATE => self.read(target, Shape::Elements(1))?,
            _ => None,
        };
        Ok(())
    }

    /// SO-PIN and DKEK, and the user PIN if it is not known yet.
    fn ask_status(&mut self) -> Result<(), Stop> {
        if !self.logged_in && self.status.user_pin.is_none() {
            self.status.user_pin =
                self.optional(Command::VerifyStatus(Pin::User))?.map(|r| r.status.pin_state());
        }
        self.status.so_pin = self.optional(Command::VerifyStatus(Pin::So))?.map(|r| r.status.pin_state());
        // Shares, outstanding shares, check value; more behind it with key domains.
        self.status.dkek =
            self.optional(Command::DkekStatus)?.filter(|r| r.status == StatusWord::OK).and_then(|r| {
                let (&[shares, outstanding], rest) = r.data.split_first_chunk::<2>()?;
                Some(Dkek { shares, outstanding, check_value: Bytes(rest.get(..8)?.to_vec()) })
            });
        Ok(())
    }

    /// A command whose answer an image may not have.
    fn optional(&mut self, command: Command) -> Result<Option<Response>, Stop> {
        match self.ask(command) {
            Err(Stop::Failed(ScanError::Transport(TransportError::NotRecorded))) => {
                self.gap("PIN and DKEK status", "not recorded");
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Sends a command; a "no" is only believed if the card is still the same.
    fn ask(&mut self, command: Command) -> Result<Response, Stop> {
        let mut response = self.channel.send(command)?;
        self.doubt |= self.channel.transport.interrupted();
        if !response.status.carries_data() {
            if self.logged_in {
                self.login_must_stand = true;
            } else if self.doubt {
                self.face_to_face()?;
                response = self.channel.send(command)?;
                self.settle()?;
            }
        }
        Ok(response)
    }

    /// Reads a file once, keeps it, and gives its content if there is any.
    fn read(&mut self, fid: Fid, shape: Shape) -> Result<Option<Vec<u8>>, Stop> {
        if !self.seen.insert(fid) {
            return Ok(None);
        }
        self.channel.transport.rest();
        // Firmware before 3.4 may send 6282 before the end.
        let end_is_end = self.status.firmware.is_some_and(|version| version >= (3, 4));
        let mut file = read::read_file(self.channel, fid, shape, end_is_end)?;
        self.doubt |= self.channel.transport.interrupted();
        let no = file.cut.is_some() || !matches!(file.answer, Answer::Content(_));
        if no && self.doubt && !self.logged_in {
            self.face_to_face()?;
            file = read::read_file(self.channel, fid, shape, end_is_end)?;
            self.settle()?;
        } else {
            // A bad contact, or a card that is not what it was. Whatever a card really says, it says twice.
            let odd = !shape.is_met(&file) && (file.answer != Answer::Absent || self.key_list.contains(&fid));
            if odd && read::read_file(self.channel, fid, shape, end_is_end)? != file {
                return Err(Stop::Moved("a file was not the same when it was read again"));
            }
            // Others have the card before every command while somebody is logged in, and the login
            // tells for all of them.
            self.login_must_stand |= no && self.logged_in;
        }
        if let Some(why) = &file.cut {
            self.gap(&format!("file {fid}"), &format!("only its beginning was read: {why}"));
        }
        match &file.answer {
            // Offset 0 is outside of it: an empty file. OpenSC cannot read it either.
            Answer::Refused(sw) if StatusWord(*sw) == StatusWord::WRONG_OFFSET => {}
            Answer::Refused(sw) => {
                self.gap(&format!("file {fid}"), &format!("refused ({})", StatusWord(*sw)));
            }
            Answer::NotRead(why) => self.gap(&format!("file {fid}"), why),
            Answer::Content(_) | Answer::Absent | Answer::Withheld => {}
        }
        let content =
            if let Answer::Content(Bytes(content)) = &file.answer { Some(content.clone()) } else { None };
        self.files.push(CardFile { path: fid.into(), answer: file.answer });
        Ok(content)
    }

    /// Makes sure, before a "no" is asked for again, that the card and application of the scan's
    /// beginning will answer, and keeps others out if that can be.
    fn face_to_face(&mut self) -> Result<(), Stop> {
        self.channel.transport.hold();
        self.check_mark()?;
        self.channel.transport.interrupted();
        Ok(())
    }

    /// The answer that came then counts, unless others could have had the card once more.
    fn settle(&mut self) -> Result<(), Stop> {
        if self.channel.transport.interrupted() {
            self.check_mark()?;
            self.channel.transport.interrupted();
        }
        self.doubt = false;
        Ok(())
    }

    /// Reads the card's mark again. A card without one cannot be told from its twin.
    fn check_mark(&mut self) -> Result<(), Stop> {
        let Some((offset, mark)) = &self.mark else { return Ok(()) };
        let response = self.channel.send(Command::ReadBinary(DEVICE_CERTIFICATE, *offset))?;
        if response.status.carries_data() && response.data.get(..mark.len()) == Some(mark) {
            Ok(())
        } else {
            Err(Stop::Moved("another card, or another application of it, answers now"))
        }
    }

    /// Selecting any application would have ended the login. If it still stands, all answers came from this one.
    fn check_login(&mut self) -> Result<(), Stop> {
        if self.login_must_stand {
            let state = self.channel.send(Command::VerifyStatus(Pin::User))?.status.pin_state();
            if state != PinState::LoggedIn {
                return Err(Stop::Moved("the program that was logged in is not any more"));
            }
        }
        Ok(())
    }

    fn gap(&mut self, what: &str, why: &str) {
        let what = format!("{what} of the card in reader {}", escape(self.reader.as_bytes()));
        let gap = Gap::new(GapKind::Card, true, what, why.to_owned()).in_reader(self.reader);
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }
}

#[cfg(test)]
#[path = "sc_hsm_tests.rs"]
mod tests;
