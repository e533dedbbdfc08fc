//! One card, held from the first command to the last: for signing.
//!
//! Reading is polite and cut into pieces ([`super::pcsc`]); a login must not be. Between the
//! question how many tries a PIN has left and the logout no other program may have the card,
//! so everything happens in one transaction (`SCardBeginTransaction`). If this
//! process dies in it, pcscd resets the card, and the login goes with it: nothing stays open.
//!
//! The connection lives in a thread of its own, because nothing of PC/SC can be
//! interrupted. Whoever waits for it looks from time to time whether the service is there at all (`super::service`):
//! before a PIN was sent that is the end, and after it the end with a warning. PINs are in buffers that are wiped; the answer buffer always has full size, since
//! pcsc-lite finds a smaller one too small only after the card has done the work (and counted the try).

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use pcsc::{Context, Disposition, Protocols, Scope, ShareMode, Transaction};
use zeroize::Zeroizing;

use super::apdu::TransportError;
use super::pcsc::{Handle, NO_STATUS_WORD, feature};
use super::pcsc_error::failure;
use super::readers::{Reader, list};
use super::service;
use super::traced;
use crate::patience::{SILENCE, aside, left, lose, within};

/// How long to wait for others to let go of the card.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer may take: a signature with RSA 8192, a person at a pin pad.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long the end of the transaction may take.
const CLOSING: Duration = Duration::from_secs(2);
/// How often a connection is renewed because somebody reset the card before anything was sent.
const RESETS: u32 = 5;

/// `FEATURE_VERIFY_PIN_DIRECT` (PC/SC part 10, 2.2).
const VERIFY_PIN_DIRECT: u8 = 0x06;

/// A way to a card that nobody else can use meanwhile.
pub trait Exclusive {
    /// Sends these bytes as they are; the answer ends with the status word.
    ///
    /// # Errors
    /// When there is no answer.
    fn transmit(&mut self, apdu: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, TransportError>;

    /// Lets the reader's own pin pad ask for the PIN; `structure` is a `PIN_VERIFY_STRUCTURE`.
    ///
    /// # Errors
    /// When the reader has none, or there is no answer.
    fn verify_on_pad(&mut self, structure: Vec<u8>) -> Result<Vec<u8>, TransportError>;

    /// Had another program the card open when it was taken?
    fn is_shared(&self) -> bool;
}

/// Has the reader of this name a pin pad that can ask for a PIN? None if that cannot be told. No command is sent.
#[must_use]
pub fn has_pad(reader: &str) -> Option<bool> {
    let name = reader.to_owned();
    within(SILENCE, move |_| pad_of(&name)).ok().flatten()
}

fn pad_of(reader: &str) -> Option<bool> {
    let context = Context::establish(Scope::User).ok()?;
    let id = list(&context).ok()?.into_iter().find(|id| id.to_string_lossy() == reader)?;
    let mut handle = Handle::new(context.connect(&id, ShareMode::Shared, Protocols::ANY).ok()?);
    let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
    Some(feature(handle.card().ok()?, VERIFY_PIN_DIRECT, &mut buffer).is_some())
}

enum Job {
    Transmit(Zeroizing<Vec<u8>>),
    Pad(Vec<u8>),
}

enum Reply {
    /// The transaction has begun; true: the reader has a pin pad.
    Held(bool),
    Answer(Vec<u8>),
    Failed(TransportError),
}

/// A card in a transaction that ends when this is dropped.
pub struct HeldCard {
    jobs: Option<Sender<Job>>,
    replies: Receiver<Reply>,
    pad: bool,
    shared: bool,
    /// A PIN was sent, or asked for on a pin pad.
    entered: bool,
    dead: Option<TransportError>,
}

impl HeldCard {
    /// Connects to the card that was seen in this reader and takes it.
    ///
    /// # Errors
    /// When there is no connection, another card, or somebody else who does not let go.
    pub fn take(reader: &Reader) -> Result<Self, TransportError> {
        Self::connect(reader, ShareMode::Shared, reader.in_use)
    }

    /// The same, and no other program can open the card meanwhile.
    ///
    /// # Errors
    /// As for [`Self::take`], and if another program has the card open.
    pub fn take_alone(reader: &Reader) -> Result<Self, TransportError> {
        Self::connect(reader, ShareMode::Exclusive, false)
    }

    fn connect(reader: &Reader, mode: ShareMode, shared: bool) -> Result<Self, TransportError> {
        let (jobs, todo) = channel();
        let (done, replies) = channel();
        let to_open = reader.clone();
        aside(move || {
            if let Err(error) = serve(&to_open, mode, &todo, &done) {
                // Nobody listens any more: the caller has given up.
                let _ = done.send(Reply::Failed(error));
            }
        })?;
        let mut held = Self { jobs: Some(jobs), replies, pad: false, shared, entered: false, dead: None };
        // A thread that waits for the transaction dies with the process, without touching the card.
        match held.reply(PATIENCE, TransportError::Busy(PATIENCE.as_secs())) {
            Ok(Reply::Held(pad)) => held.pad = pad,
            Ok(_) => return Err(TransportError::BrokeOff),
            Err(error) => {
                held.dead = Some(error.clone());
                return Err(error);
            }
        }
        Ok(held)
    }

    /// The next reply, with this failure if there is none in `most`. The time of the whole command counts only
    /// until the card is ours: after that an end in the middle would reset it.
    fn reply(&self, most: Duration, too_late: TransportError) -> Result<Reply, TransportError> {
        let begun = Instant::now();
        let mut step = left().map_or(SILENCE, |left| left.min(SILENCE));
        loop {
            match self.replies.recv_timeout(step.min(most.saturating_sub(begun.elapsed()))) {
                Ok(Reply::Failed(error)) => return Err(error),
                Ok(reply) => return Ok(reply),
                Err(RecvTimeoutError::Disconnected) => return Err(TransportError::BrokeOff),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if !service::answers() {
                lose();
                return Err(TransportError::Stopped(begun.elapsed().as_secs()));
            }
            if begun.elapsed() >= most {
                return Err(too_late);
            }
            if matches!(too_late, TransportError::Busy(_)) && left().is_some_and(|left| left.is_zero()) {
                lose();
                return Err(TransportError::GivenUp);
            }
            step = SILENCE;
        }
    }

    /// Has the reader a pin pad that can ask for a PIN?
    #[must_use]
    pub const fn has_pad(&self) -> bool {
        self.pad
    }

    fn ask(&mut self, job: Job) -> Result<Vec<u8>, TransportError> {
        if let Some(error) = &self.dead {
            return Err(error.clone());
        }
        if let Some(jobs) = &self.jobs {
            // If the thread is gone, its last reply says why.
            let _ = jobs.send(job);
        }
        let error = match self.reply(DEADLINE, TransportError::Silent(DEADLINE.as_secs())) {
            Ok(Reply::Answer(bytes)) => return Ok(bytes),
            Ok(_) | Err(TransportError::BrokeOff) if self.entered => TransportError::Unanswered(0),
            Ok(_) => TransportError::BrokeOff,
            Err(TransportError::Stopped(seconds) | TransportError::Silent(seconds)) if self.entered => {
                TransportError::Unanswered(seconds)
            }
            Err(error) => error,
        };
        self.dead = Some(error.clone());
        Err(error)
    }
}

impl Exclusive for HeldCard {
    fn transmit(&mut self, apdu: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, TransportError> {
        // VERIFY with data (ISO 7816-4, 11.6.6).
        self.entered |= matches!(apdu.as_slice(), [_, 0x20, _, _, _, ..]);
        self.ask(Job::Transmit(apdu))
    }

    fn verify_on_pad(&mut self, structure: Vec<u8>) -> Result<Vec<u8>, TransportError> {
        self.entered = true;
        self.ask(Job::Pad(structure))
    }

    fn is_shared(&self) -> bool {
        self.shared
    }
}

impl Drop for HeldCard {
    /// Waits until the transaction has ended.
    fn drop(&mut self) {
        self.jobs = None;
        if self.dead.is_none() {
            let end = Instant::now() + CLOSING;
            while self.replies.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
        }
    }
}

/// The thread of the connection.
fn serve(
    reader: &Reader,
    mode: ShareMode,
    jobs: &Receiver<Job>,
    replies: &Sender<Reply>,
) -> Result<(), TransportError> {
    let context = Context::establish(Scope::User).map_err(failure)?;
    let card = context.connect(&reader.id, mode, Protocols::ANY).map_err(failure)?;
    let mut handle = Handle::new(card);
    let mut card = handle.card()?;
    if card.status2_owned().map_err(failure)?.atr() != reader.atr {
        return Err(TransportError::Removed("another card is in the reader now"));
    }
    let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
    let pad = feature(card, VERIFY_PIN_DIRECT, &mut buffer);
    for _ in 0..=RESETS {
        match card.transaction2() {
            Ok(transaction) => return obey(reader, transaction, pad, jobs, replies, &mut buffer),
            // Nothing was sent yet: the reset is somebody else's, and LEAVE adds none.
            Err((same, pcsc::Error::ResetCard)) => {
                same.reconnect(mode, Protocols::ANY, Disposition::LeaveCard).map_err(failure)?;
                card = same;
            }
            Err((_, error)) => return Err(failure(error)),
        }
    }
    Err(TransportError::Reset)
}

/// Does what it is told until nobody is there any more to tell it.
fn obey(
    reader: &Reader,
    transaction: Transaction<'_>,
    pad: Option<u32>,
    jobs: &Receiver<Job>,
    replies: &Sender<Reply>,
    buffer: &mut [u8],
) -> Result<(), TransportError> {
    let _ = replies.send(Reply::Held(pad.is_some()));
    for job in jobs {
        let answer = match job {
            Job::Transmit(apdu) => {
                let answer = transaction.transmit(&apdu, buffer);
                answer.inspect(|answer| traced::exchange(reader, &apdu, answer))
            }
            Job::Pad(structure) => match pad {
                Some(code) => transaction
                    .control(code.into(), &structure, buffer)
                    .inspect(|answer| traced::pad(reader, answer)),
                None => Err(pcsc::Error::UnsupportedFeature),
            },
        };
        let answer = answer.map_err(failure)?;
        if answer.len() < 2 {
            return Err(TransportError::Broken(NO_STATUS_WORD));
        }
        let _ = replies.send(Reply::Answer(answer.to_vec()));
    }
    // Whoever comes next finds the card as it is.
    transaction.end(Disposition::LeaveCard).map_err(|(_, error)| failure(error))
}
