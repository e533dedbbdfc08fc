//! Answers, and the one door that commands go through ([`Channel`]).
//!
//! Hidden here: GET RESPONSE after 61xx, the second try after 6Cxx (ISO/IEC 7816-3), and the limits that
//! end a talk with a card that never ends its answer.

use super::apdu::{Command, Lengths, get_response};
use super::status::StatusWord;
use crate::patience::NoThread;

/// Most commands sent in one scan. The largest card that can be listed (507
/// objects, RSA 4096) needs less than half.
const MAX_COMMANDS: u32 = 8192;

/// Most bytes taken from a card in one scan; the chips hold 144 KiB at most.
const MAX_BYTES: usize = 4 << 20;

/// Most GET RESPONSE commands for one answer, and most bytes in one answer.
const MAX_CHAIN: u32 = 300;
const MAX_ANSWER: usize = 0x1_0000;

/// What a card answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The data, without the status word.
    pub data: Vec<u8>,
    /// The status word.
    pub status: StatusWord,
}

impl Response {
    /// Splits the status word off.
    pub(in crate::card) fn parse(mut bytes: Vec<u8>) -> Result<Self, TransportError> {
        let (Some(sw2), Some(sw1)) = (bytes.pop(), bytes.pop()) else {
            return Err(TransportError::Nonsense("an answer without a status word"));
        };
        if bytes.len() > MAX_ANSWER {
            return Err(TransportError::Nonsense("an answer longer than any card can give"));
        }
        Ok(Self { data: bytes, status: StatusWord(u16::from_be_bytes([sw1, sw2])) })
    }
}

/// Why a card could not be talked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Another program reset the card; the connection stands again, the scan begins anew.
    #[error("another program reset the card (SCARD_W_RESET_CARD)")]
    Reset,
    /// The transaction ended before SELECT could be sent in it.
    #[error("other programs had the card before it could be selected")]
    LetGo,
    /// The reader failed at an extended APDU it had not announced; the connection stands again.
    #[error("the reader does not take extended APDUs")]
    TooLong,
    /// The card or the reader is gone.
    #[error("the card or its reader was taken out ({0}): put it back and run this again")]
    Removed(&'static str),
    /// Another program did not let go of the card.
    #[error(
        "another program has held the card for {0} seconds (SCardBeginTransaction): wait for it, or look for a \
         PIN dialogue or pin-pad that waits for somebody"
    )]
    Busy(u64),
    /// Other programs let go of the card for moments only.
    #[error(
        "other programs use the card without a pause, and {0} seconds of waiting were not enough to read it: run \
         this again when they have less to do"
    )]
    Crowded(u64),
    /// Time was over.
    #[error("the time that was given for it is over before it was read: give it more with --timeout")]
    GivenUp,
    /// The reader does not answer.
    #[error(
        "the reader has not answered for {0} seconds: take the card out and put it back, or restart pcscd"
    )]
    Silent(u64),
    /// The PC/SC service does not answer.
    #[error(
        "the PC/SC service has not answered for {0} seconds: restart it (systemctl restart pcscd), and see what it \
         logs (journalctl -u pcscd)"
    )]
    Stopped(u64),
    /// There is no answer, and a PIN was on its way.
    #[error(
        "there has been no answer for {0} seconds, and a PIN had been sent: nothing tells whether the card took it, and \
         a login may be open until the card is taken out or pcscd is restarted (systemctl restart pcscd). Look how \
         many tries are left before the next one: stalecard check"
    )]
    Unanswered(u64),
    /// The reader lost the card in the middle of a command.
    #[error(
        "the talk between reader and card failed ({0}): put the card back in; if this stays, plug the reader in \
         again or try another"
    )]
    Broken(&'static str),
    /// Any other failure of PC/SC.
    #[error("{what} ({code}): {advice}")]
    PcSc {
        /// What happened.
        what: &'static str,
        /// PC/SC's own name for it.
        code: String,
        /// What to do next.
        advice: &'static str,
    },
    /// The card broke the protocol.
    #[error("the card sent {0}: it is damaged, or not what it claims to be")]
    Nonsense(&'static str),
    /// A card image was asked for something that was never recorded.
    #[error("not recorded")]
    NotRecorded,
    /// Nothing was sent.
    #[error(transparent)]
    NoThread(#[from] NoThread),
    /// Whoever talked to the card is gone.
    #[error("the talk to the card broke off: this is a fault of stalecard, please report it")]
    BrokeOff,
    /// The bytes are not those of a command that only reads (an error in this program).
    #[error("a command that is not on the list of reading commands was stopped")]
    NotOnTheList,
}

impl TransportError {
    /// Has another program the card open, where it was wanted for this one alone?
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::PcSc { code, .. } if code == SHARING_VIOLATION)
    }
}

/// PC/SC's name for that.
pub(in crate::card) const SHARING_VIOLATION: &str = "SCARD_E_SHARING_VIOLATION";

/// Something that carries one command to a card and one answer back.
pub trait Transport {
    /// Sends these bytes; the answer ends with the status word.
    ///
    /// # Errors
    /// When there is no answer.
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransportError>;

    /// How long answers may be.
    fn lengths(&self) -> Lengths {
        Lengths::Short
    }

    /// A good moment (between two files) to let other programs have the card.
    fn rest(&mut self) {}

    /// What follows until the next [`Transport::rest`] belongs together: no other program
    /// should have the card in between.
    fn hold(&mut self) {}

    /// True once after other programs could have had the card.
    fn interrupted(&mut self) -> bool {
        false
    }
}

/// The door: sends commands of the list and hides 61xx and 6Cxx.
pub struct Channel<'a> {
    /// Where the bytes go.
    pub transport: &'a mut dyn Transport,
    /// An extended APDU that was not announced has failed already.
    pub short_only: bool,
    commands: u32,
    bytes: usize,
}

impl<'a> Channel<'a> {
    /// A door to this card.
    pub fn new(transport: &'a mut dyn Transport) -> Self {
        Self { transport, short_only: false, commands: 0, bytes: 0 }
    }

    /// Number of APDUs sent so far.
    #[must_use]
    pub const fn commands(&self) -> u32 {
        self.commands
    }

    /// Length of the longest answer to this command.
    #[must_use]
    pub fn ne(&self, command: Command) -> usize {
        usize::try_from(command.ne(self.transport.lengths())).unwrap_or(usize::MAX)
    }

    /// Sends a command and gives the whole answer. When the card announces more
    /// (61xx) and then does not hand it out, what came so far is given with
    /// 61xx: a file can be read on at the next offset, as OpenSC does.
    ///
    /// # Errors
    /// When there is no answer, or one without end.
    pub fn send(&mut self, command: Command) -> Result<Response, TransportError> {
        let mut response = self.exchange(&command.encode(self.transport.lengths()))?;
        if let Some(le) = response.status.right_length()
            && let Some(corrected) = command.with_length(le)
        {
            // Once: a card that corrects the corrected length is refused by its status word.
            response = self.exchange(&corrected)?;
        }
        self.finish(response)
    }

    /// Fetches what an answer announces (61xx).
    ///
    /// # Errors
    /// When there is no answer, or one without end.
    pub(in crate::card) fn finish(&mut self, mut response: Response) -> Result<Response, TransportError> {
        let mut links = 0;
        while let Some(le) = response.status.more() {
            let next = self.exchange(&get_response(le))?;
            if !next.status.carries_data() {
                if response.data.is_empty() {
                    response.status = next.status;
                }
                break;
            }
            links += 1;
            let endless = links > MAX_CHAIN || (next.data.is_empty() && next.status.more().is_some());
            if endless || response.data.len() + next.data.len() > MAX_ANSWER {
                return Err(TransportError::Nonsense("an answer without end (61xx)"));
            }
            response.data.extend(next.data);
            response.status = next.status;
        }
        Ok(response)
    }

    /// One exchange, counted.
    fn exchange(&mut self, apdu: &[u8]) -> Result<Response, TransportError> {
        self.commands += 1;
        if self.commands > MAX_COMMANDS {
            return Err(TransportError::Nonsense("more files than any card can hold"));
        }
        let response = Response::parse(self.transport.transmit(apdu)?)?;
        self.bytes += response.data.len();
        if self.bytes > MAX_BYTES {
            return Err(TransportError::Nonsense("more data than any card can hold"));
        }
        Ok(response)
    }
}
