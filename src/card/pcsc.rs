//! Connections to cards over PC/SC, polite to every other program.
//!
//! - Connections are shared and always closed with `SCARD_LEAVE_CARD`: no reset, so nobody
//!   else's login ends. (`pcsc::Card` resets when dropped; [`Handle`] prevents that.)
//! - A scan is cut into short transactions with pauses in between. pcscd makes a waiting
//!   program ask again every 0.1 s, so a pause must be longer than that to be of use.
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

use pcsc::{Card, Context, Disposition, Protocols, Scope, ShareMode, Transaction};

use super::apdu::{self, EXTENDED_NE, Lengths, SHORT_NE, Transport, TransportError};
use super::pcsc_error::failure;
use super::readers::Reader;

/// Age at which a transaction is ended before the next file.
const REST_AFTER: Duration = Duration::from_millis(200);
/// Age at which it is ended before the next piece of a file.
const LONGEST_HOLD: Duration = Duration::from_millis(400);
/// How long the card is left to others. A program that waits asks every 100 ms.
const PAUSE: Duration = Duration::from_millis(120);
/// How long anything may take before it is given up.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection may take to close.
const CLOSING: Duration = Duration::from_secs(1);

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
    /// Why nothing more can be sent.
    dead: Option<TransportError>,
}

impl Session {
    /// Connects to the card that was seen in this reader.
    ///
    /// # Errors
    /// When there is no connection, or another card.
    pub fn open(reader: &Reader) -> Result<Self, TransportError> {
        let (jobs, todo) = channel();
        let (done, replies) = channel();
        let doing = Arc::new(AtomicU8::new(WAITING));
        let (shared, reader) = (Arc::clone(&doing), reader.clone());
        thread::spawn(move || {
            if let Err(error) = serve(&reader, &todo, &done, &shared) {
                // Nobody listens any more: the caller has given up.
                let _ = done.send(Reply::Failed(error));
            }
        });
        let mut session = Self {
            jobs: Some(jobs),
            replies,
            doing,
            lengths: Lengths::Short,
            interrupted: false,
            dead: None,
        };
        if let Reply::Opened(lengths) = session.reply()? {
            session.lengths = lengths;
        }
        Ok(session)
    }

    fn reply(&mut self) -> Result<Reply, TransportError> {
        let error = match self.replies.recv_timeout(DEADLINE) {
            Ok(Reply::Failed(error)) if matches!(error, TransportError::Reset | TransportError::LetGo) => {
                return Err(error);
            }
            Ok(Reply::Failed(error)) => error,
            Ok(reply) => return Ok(reply),
            Err(RecvTimeoutError::Timeout) if self.doing.load(Ordering::Relaxed) == WAITING => {
                TransportError::Busy(DEADLINE.as_secs())
            }
            Err(_) => TransportError::Silent(DEADLINE.as_secs()),
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
            Reply::Opened(_) | Reply::Failed(_) => Err(TransportError::Silent(0)),
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

    fn interrupted(&mut self) -> bool {
        std::mem::take(&mut self.interrupted)
    }
}

impl Drop for Session {
    /// Waits until the thread has closed the connection: a process that ends in the middle of
    /// a transaction makes pcscd reset the card, and with it everybody's login.
    fn drop(&mut self) {
        self.jobs = None;
        if self.dead.is_none() {
            let end = Instant::now() + CLOSING;
            while self.replies.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
        }
    }
}

/// A connection that is closed without touching the card.
struct Handle(Option<Card>);

impl Handle {
    fn card(&mut self) -> Result<&mut Card, TransportError> {
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
    let mut handle = Handle(Some(card));
    let card = handle.card()?;
    if card.status2_owned().map_err(failure)?.atr() != reader.atr {
        return Err(TransportError::Removed("another card is in the reader now"));
    }
    let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
    let _ = replies.send(Reply::Opened(lengths(card, &mut buffer)));
    let mut ended: Option<Instant> = None;
    let mut next = None;
    loop {
        let first = match next.take().map_or_else(|| jobs.recv(), Ok) {
            Ok(Job::Transmit(apdu)) => apdu,
            Ok(Job::Rest) => continue,
            Err(_) => return Ok(()),
        };
        if let Some(ended) = ended {
            thread::sleep(PAUSE.saturating_sub(ended.elapsed()));
        }
        let outcome = match card.transaction() {
            Ok(transaction) => {
                doing.store(TALKING, Ordering::Relaxed);
                if apdu::is_select(&first) {
                    // Somebody may have logged in since the PIN state was asked for.
                    let _ = transaction.end(Disposition::LeaveCard);
                    Err(TransportError::LetGo)
                } else {
                    hold(&transaction, first, ended.is_some(), jobs, replies, &mut buffer)
                        .map(|pending| next = pending)
                }
            }
            Err(error) => Err(failure(error)),
        };
        doing.store(WAITING, Ordering::Relaxed);
        ended = Some(Instant::now());
        match outcome {
            Ok(()) => {}
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

/// One transaction: from this command to the next pause. Gives the command that was not sent any more.
fn hold(
    transaction: &Transaction<'_>,
    first: Vec<u8>,
    mut interrupted: bool,
    jobs: &Receiver<Job>,
    replies: &Sender<Reply>,
    buffer: &mut [u8],
) -> Result<Option<Job>, TransportError> {
    let begun = Instant::now();
    let mut apdu = first;
    loop {
        // A buffer of full size, always: pcsc-lite finds out that it is too small only
        // after the card has done the work.
        let answer = transaction.transmit(&apdu, buffer).map_err(failure)?;
        let _ = replies.send(Reply::Answer(answer.to_vec(), std::mem::take(&mut interrupted)));
        apdu = loop {
            // If the program is stopped for long, the card is not.
            match jobs.recv_timeout(LONGEST_HOLD) {
                Ok(Job::Rest) if begun.elapsed() < REST_AFTER => {}
                Ok(Job::Transmit(apdu)) if begun.elapsed() >= LONGEST_HOLD && apdu::is_read_binary(&apdu) => {
                    return Ok(Some(Job::Transmit(apdu)));
                }
                Ok(Job::Transmit(apdu)) => break apdu,
                Ok(Job::Rest) | Err(_) => return Ok(None),
            }
        };
    }
}

/// Extended APDUs only where the reader announces them.
fn lengths(card: &Card, buffer: &mut [u8]) -> Lengths {
    match max_apdu_data_size(card, buffer) {
        Some(size) if size > SHORT_NE => Lengths::Extended(size.min(EXTENDED_NE)),
        _ => Lengths::Short,
    }
}

/// `dwMaxAPDUDataSize` of the reader; None if it does not say.
fn max_apdu_data_size(card: &Card, buffer: &mut [u8]) -> Option<u32> {
    let features = card.control(pcsc::ctl_code(GET_FEATURE_REQUEST.into()), &[], buffer).ok()?;
    let code = u32::from_be_bytes(tlv(features, GET_TLV_PROPERTIES)?.try_into().ok()?);
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
