//! Connections to cards over PC/SC, polite to every other program.
//!
//! - Connections are shared and always closed with `SCARD_LEAVE_CARD`: no reset, so nobody
//!   else's login ends. (`pcsc::Card` resets when dropped; `Handle` prevents that.)
//! - A scan is cut into short transactions with breaks in between. pcscd makes a waiting
//!   program ask again every 0.1 s, so a break must be longer than that to be of use. Nobody may
//!   be waiting, so a break is not idle: commands then go without a transaction, one by one, and
//!   whoever wants the card has it after the next answer.
//! - While somebody is logged in there are no transactions at all: a process that dies inside
//!   one (Ctrl-C, `kill`) makes pcscd reset the card, and the login would go with it. Every
//!   command then stands alone, which it can, because each names its file.
//! - `SCardBeginTransaction` and `SCardTransmit` cannot be interrupted. Each connection
//!   therefore lives in a thread of its own, and the caller waits for its
//!   answers with a deadline. A thread given up dies with the process; while it only *waits* for
//!   the card, pcscd then closes its handle without touching the card.
//! - What is sent must be on the list of reading commands ([`apdu::is_on_the_list`]), and
//!   SELECT is only sent in the transaction in which the PIN state was asked for.
//!
//! Names of functions and errors are PC/SC's own, so that people can search for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use pcsc::{Card, Context, Disposition, Protocols, ReaderState, Scope, ShareMode, State, Transaction};

use super::apdu::{self, EXTENDED_NE, Lengths, SHORT_NE, StatusWord, Transport, TransportError};
use super::pcsc_error::failure;
use super::readers::Reader;
use super::service;
use super::traced;
use crate::patience::{aside, lose};

/// Age at which a transaction is ended before the next file.
const REST_AFTER: Duration = Duration::from_millis(200);
/// Age at which it is ended before the next piece of a file.
const LONGEST_HOLD: Duration = Duration::from_millis(400);
/// How long the card stays without a transaction of ours. A program that waits asks every 100 ms.
const BREAK: Duration = Duration::from_millis(120);
/// How long to wait for the card. A program that signs in a loop lets go of it for moments only, and
/// pcscd gives us a look every 0.1 s: with a slow card it took up to 15 seconds to get in between.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait in all, when every single command gets in before that.
const PATIENCE_IN_ALL: Duration = Duration::from_secs(60);
/// What a command takes at most (on a slow reader) before it counts as waited for.
const UNHINDERED: Duration = Duration::from_millis(150);
/// How long an answer of the card may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long pcscd may take to notice that a card is gone (it looks every 0.4 s).
const NOTICE: Duration = Duration::from_secs(1);
/// How long a connection may take to close.
const CLOSING: Duration = Duration::from_secs(1);

/// What some readers give, as a success, when the card is pulled during a command.
pub(super) const NO_STATUS_WORD: &str = "an answer without a status word";

/// `CM_IOCTL_GET_FEATURE_REQUEST` (PC/SC part 10, 2.2).
const GET_FEATURE_REQUEST: u32 = 3400;
/// `FEATURE_GET_TLV_PROPERTIES` and, in its answer, `dwMaxAPDUDataSize` (PC/SC part 10, 2.6.14).
const GET_TLV_PROPERTIES: u8 = 0x12;
const MAX_APDU_DATA_SIZE: u8 = 0x0A;

/// What the connection's thread is told.
enum Job {
    Transmit(Vec<u8>),
    /// End the transaction if it is old.
    Rest,
    /// What follows until the next rest belongs into one transaction.
    Hold,
}

/// What it answers.
enum Reply {
    Opened(Lengths),
    /// True if other programs could have had the card before.
    Answer(Vec<u8>, bool),
    Failed(TransportError),
}

/// What it is doing, for the case that it does not come back.
const WAITING: u8 = 0;
const TALKING: u8 = 1;

/// A connection to one card.
pub struct Session {
    jobs: Option<Sender<Job>>,
    replies: Receiver<Reply>,
    doing: Arc<AtomicU8>,
    lengths: Lengths,
    interrupted: bool,
    /// When the time for this card is over.
    end: Option<Instant>,
    /// How long other programs had to be waited for.
    waited: Duration,
    /// Why nothing more can be sent.
    dead: Option<TransportError>,
}

impl Session {
    /// Connects to the card that was seen in this reader. `time` is what there is for all of it; none: no limit.
    ///
    /// # Errors
    /// When there is no connection, or another card.
    pub fn open(reader: &Reader, time: Option<Duration>) -> Result<Self, TransportError> {
        let (jobs, todo) = channel();
        let (done, replies) = channel();
        let doing = Arc::new(AtomicU8::new(WAITING));
        let (shared, reader) = (Arc::clone(&doing), reader.clone());
        aside(move || {
            if let Err(mut error) = serve(&reader, &todo, &done, &shared) {
                if let TransportError::Broken(code) = error
                    && is_gone(&reader)
                {
                    // No failure of PC/SC: the next call would be told its name.
                    let empty = code == NO_STATUS_WORD;
                    error = TransportError::Removed(if empty { "SCARD_W_REMOVED_CARD" } else { code });
                }
                // Nobody listens any more: the caller has given up.
                let _ = done.send(Reply::Failed(error));
            }
        })?;
        let mut session = Self {
            jobs: Some(jobs),
            replies,
            doing,
            lengths: Lengths::Short,
            interrupted: false,
            end: time.and_then(|time| Instant::now().checked_add(time)),
            waited: Duration::ZERO,
            dead: None,
        };
        if let Reply::Opened(lengths) = session.reply()? {
            session.lengths = lengths;
        }
        Ok(session)
    }

    /// What is left of the time for this card.
    fn left(&self) -> Duration {
        self.end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    fn reply(&mut self) -> Result<Reply, TransportError> {
        let begun = Instant::now();
        let error = loop {
            match self.replies.recv_timeout(DEADLINE.min(self.left())) {
                Ok(Reply::Failed(
                    error @ (TransportError::Reset | TransportError::LetGo | TransportError::TooLong),
                )) => return Err(error),
                Ok(Reply::Failed(error)) => break error,
                Ok(reply) => {
                    self.waited += begun.elapsed().saturating_sub(UNHINDERED);
                    if self.waited < PATIENCE_IN_ALL {
                        return Ok(reply);
                    }
                    break TransportError::Crowded(PATIENCE_IN_ALL.as_secs());
                }
                Err(RecvTimeoutError::Timeout) if self.left().is_zero() => {
                    lose();
                    break TransportError::GivenUp;
                }
                Err(RecvTimeoutError::Timeout) if !service::answers() => {
                    lose();
                    break TransportError::Stopped(begun.elapsed().as_secs());
                }
                Err(RecvTimeoutError::Timeout) if self.doing.load(Ordering::Relaxed) == WAITING => {
                    if begun.elapsed() >= PATIENCE {
                        break TransportError::Busy(PATIENCE.as_secs());
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break TransportError::BrokeOff,
                Err(RecvTimeoutError::Timeout) => break TransportError::Silent(DEADLINE.as_secs()),
            }
        };
        self.dead = Some(error.clone());
        Err(error)
    }
}

impl Transport for Session {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        if let Some(error) = &self.dead {
            return Err(error.clone());
        }
        if self.left().is_zero() {
            lose();
            return Err(TransportError::GivenUp);
        }
        if !apdu::is_on_the_list(apdu) {
            return Err(TransportError::NotOnTheList);
        }
        if let Some(jobs) = &self.jobs {
            // If the thread is gone, its last reply says why.
            let _ = jobs.send(Job::Transmit(apdu.to_vec()));
        }
        match self.reply()? {
            Reply::Answer(bytes, interrupted) => {
                self.interrupted |= interrupted;
                Ok(bytes)
            }
            Reply::Opened(_) | Reply::Failed(_) => Err(TransportError::BrokeOff),
        }
    }

    fn lengths(&self) -> Lengths {
        self.lengths
    }

    fn rest(&mut self) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(Job::Rest);
        }
    }

    fn hold(&mut self) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(Job::Hold);
        }
    }

    fn interrupted(&mut self) -> bool {
        std::mem::take(&mut self.interrupted)
    }
}

impl Drop for Session {
    /// Waits until the thread has closed the connection: a process that ends in the middle of
    /// a transaction makes pcscd reset the card, and with it everybody's login.
    fn drop(&mut self) {
        self.jobs = None;
        // A card that was only too slow may still let go in good order.
        if matches!(self.dead, None | Some(TransportError::GivenUp)) {
            let end = Instant::now() + CLOSING;
            while self.replies.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
        }
    }
}

/// A connection that is closed without touching the card.
pub(super) struct Handle(Option<Card>);

impl Handle {
    pub(super) const fn new(card: Card) -> Self {
        Self(Some(card))
    }

    pub(super) fn card(&mut self) -> Result<&mut Card, TransportError> {
        self.0.as_mut().ok_or(TransportError::Removed("SCARD_E_INVALID_HANDLE"))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(Err((card, _))) = self.0.take().map(|card| card.disconnect(Disposition::LeaveCard)) {
            // The handle is void already. Dropping it would try again, with a reset.
            std::mem::forget(card);
        }
    }
}

/// The thread of one connection.
fn serve(
    reader: &Reader,
    jobs: &Receiver<Job>,
    replies: &Sender<Reply>,
    doing: &AtomicU8,
) -> Result<(), TransportError> {
    let context = Context::establish(Scope::User).map_err(failure)?;
    let card = context.connect(&reader.id, ShareMode::Shared, Protocols::ANY).map_err(failure)?;
    let mut handle = Handle::new(card);
    let card = handle.card()?;
    if card.status2_owned().map_err(failure)?.atr() != reader.atr {
        return Err(TransportError::Removed("another card is in the reader now"));
    }
    let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
    let lengths = lengths(card, &mut buffer);
    let _ = replies.send(Reply::Opened(lengths));
    let mut talk = CardThread {
        reader,
        jobs,
        replies,
        doing,
        buffer,
        stretches: lengths == Lengths::Short,
        stretched: false,
        logged_in: false,
        interrupted: false,
    };
    // When the last transaction ended, and whether the next command must be in one.
    let mut ended: Option<Instant> = None;
    let mut together = false;
    let mut next = None;
    loop {
        let apdu = match next.take().map_or_else(|| jobs.recv(), Ok) {
            Ok(Job::Transmit(apdu)) => apdu,
            Ok(job) => {
                together = matches!(job, Job::Hold);
                continue;
            }
            Err(_) => return Ok(()),
        };
        talk.interrupted = ended.is_some();
        let left = ended.map_or(Duration::ZERO, |ended| BREAK.saturating_sub(ended.elapsed()));
        let in_break = !left.is_zero() && !together && !apdu::is_user_pin_status(&apdu);
        let outcome = if talk.logged_in || in_break {
            talk.alone(card, &apdu)
        } else {
            thread::sleep(left);
            let outcome = card
                .transaction()
                .map_err(failure)
                .and_then(|held| talk.hold(&held, apdu))
                .map(|pending| next = pending);
            ended = Some(Instant::now());
            outcome
        };
        doing.store(WAITING, Ordering::Relaxed);
        match outcome {
            Ok(()) => {}
            Err(TransportError::Broken(_) | TransportError::PcSc { .. }) if talk.stretched => {
                card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::LeaveCard).map_err(failure)?;
                let _ = replies.send(Reply::Failed(TransportError::TooLong));
            }
            Err(error @ TransportError::Reset) => {
                // The reset is somebody else's; LEAVE adds none. The scan begins anew.
                card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::LeaveCard).map_err(failure)?;
                let _ = replies.send(Reply::Failed(error));
            }
            Err(error @ TransportError::LetGo) => {
                let _ = replies.send(Reply::Failed(error));
            }
            Err(error) => return Err(error),
        }
    }
}

/// True if the card is gone, which pcscd notices only some time after the card stops to answer.
fn is_gone(reader: &Reader) -> bool {
    let Ok(context) = Context::establish(Scope::User) else { return true };
    let mut states = [ReaderState::new(reader.id.clone(), State::UNAWARE)];
    let end = Instant::now() + NOTICE;
    while context.get_status_change(end.saturating_duration_since(Instant::now()), &mut states).is_ok() {
        for state in &mut states {
            if !state.event_state().contains(State::PRESENT) {
                return true;
            }
            state.sync_current_state();
        }
    }
    false
}

/// What the thread with the card works on.
struct CardThread<'a> {
    reader: &'a Reader,
    jobs: &'a Receiver<Job>,
    replies: &'a Sender<Reply>,
    doing: &'a AtomicU8,
    /// Of full size, always: pcsc-lite finds out that a buffer is too small only after the
    /// card has done the work.
    buffer: Vec<u8>,
    /// The reader does not say that it takes extended APDUs, and one is on its way.
    stretches: bool,
    stretched: bool,
    /// The user PIN was entered by somebody.
    logged_in: bool,
    /// Others could have had the card before the next answer.
    interrupted: bool,
}

impl CardThread<'_> {
    /// One transaction: from this command to the next pause. Gives the command that was not sent any more.
    fn hold(&mut self, transaction: &Transaction<'_>, first: Vec<u8>) -> Result<Option<Job>, TransportError> {
        if apdu::is_select(&first) || apdu::is_read_selected(&first) {
            // Somebody may have logged in since the PIN state was asked for, or selected another file.
            return Err(TransportError::LetGo);
        }
        self.doing.store(TALKING, Ordering::Relaxed);
        let begun = Instant::now();
        let mut apdu = first;
        loop {
            self.exchange(transaction, &apdu)?;
            if apdu::is_user_pin_status(&apdu) && self.logged_in {
                return Ok(None);
            }
            apdu = loop {
                // If this program is stopped for long, the card is not.
                match self.jobs.recv_timeout(LONGEST_HOLD) {
                    Ok(Job::Hold) => {}
                    Ok(Job::Rest) if begun.elapsed() < REST_AFTER => {}
                    Ok(Job::Transmit(apdu))
                        if begun.elapsed() >= LONGEST_HOLD && apdu::is_read_binary(&apdu) =>
                    {
                        return Ok(Some(Job::Transmit(apdu)));
                    }
                    Ok(Job::Transmit(apdu))
                        if begun.elapsed() >= LONGEST_HOLD && apdu::is_read_selected(&apdu) =>
                    {
                        return Err(TransportError::LetGo);
                    }
                    Ok(Job::Transmit(apdu)) => break apdu,
                    Ok(Job::Rest) | Err(_) => return Ok(None),
                }
            };
        }
    }

    /// One command without a transaction, as soon as nobody else has one.
    fn alone(&mut self, card: &Card, apdu: &[u8]) -> Result<(), TransportError> {
        if apdu::is_select(apdu) || apdu::is_select_file(apdu) || apdu::is_read_selected(apdu) {
            return Err(TransportError::LetGo);
        }
        self.exchange(card, apdu)
    }

    fn exchange(&mut self, card: &Card, apdu: &[u8]) -> Result<(), TransportError> {
        self.stretched = self.stretches && apdu::is_extended(apdu);
        let answer = card.transmit(apdu, &mut self.buffer).map_err(failure)?;
        self.stretched = false;
        traced::exchange(self.reader, apdu, answer);
        if answer.len() < 2 {
            return Err(TransportError::Broken(NO_STATUS_WORD));
        }
        if apdu::is_user_pin_status(apdu) {
            self.logged_in = answer == StatusWord::OK.0.to_be_bytes();
        }
        // Nobody listens any more if the caller has given up.
        let _ = self.replies.send(Reply::Answer(answer.to_vec(), std::mem::take(&mut self.interrupted)));
        Ok(())
    }
}

/// Extended APDUs only where the reader announces them.
fn lengths(card: &Card, buffer: &mut [u8]) -> Lengths {
    match max_apdu_data_size(card, buffer) {
        Some(size) if size > SHORT_NE => Lengths::Extended(size.min(EXTENDED_NE)),
        _ => Lengths::Short,
    }
}

/// The control code of one of the reader's features (PC/SC part 10, 2.2); None if it has none.
pub(super) fn feature(card: &Card, wanted: u8, buffer: &mut [u8]) -> Option<u32> {
    let features = card.control(pcsc::ctl_code(GET_FEATURE_REQUEST.into()), &[], buffer).ok()?;
    Some(u32::from_be_bytes(tlv(features, wanted)?.try_into().ok()?))
}

/// `dwMaxAPDUDataSize` of the reader; None if it does not say.
fn max_apdu_data_size(card: &Card, buffer: &mut [u8]) -> Option<u32> {
    let code = feature(card, GET_TLV_PROPERTIES, buffer)?;
    let properties = card.control(code.into(), &[], buffer).ok()?;
    Some(u32::from_le_bytes(tlv(properties, MAX_APDU_DATA_SIZE)?.try_into().ok()?))
}

/// The value of a tag in a list of one-byte tags and lengths.
fn tlv(mut list: &[u8], wanted: u8) -> Option<&[u8]> {
    while let [tag, length, rest @ ..] = list {
        let value = rest.get(..usize::from(*length))?;
        if *tag == wanted {
            return Some(value);
        }
        list = rest.get(usize::from(*length)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_of_a_reader() {
        let list = [0x12, 4, 0x42, 0x33, 0, 1, 0x06, 4, 0, 0, 0, 0];
        assert_eq!(tlv(&list, GET_TLV_PROPERTIES), Some(&[0x42, 0x33, 0, 1][..]));
        assert_eq!(tlv(&list, MAX_APDU_DATA_SIZE), None);
        assert_eq!(tlv(&[0x12, 4, 0], GET_TLV_PROPERTIES), None);
    }
}
