//! Status words (ISO/IEC 7816-4, 5.6) as a SmartCard-HSM uses them. The one place with their numbers.

use std::fmt;

use crate::snapshot::PinState;

/// Status word SW1-SW2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// Normal end.
    pub const OK: Self = Self(0x9000);
    /// The file ended before Le bytes were read; old firmware also says so when more follows.
    pub const END_OF_FILE: Self = Self(0x6282);
    /// Wrong length.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// A PIN is needed first.
    pub const SECURITY_STATUS: Self = Self(0x6982);
    /// The PIN is blocked.
    pub const BLOCKED: Self = Self(0x6983);
    /// SmartCard-HSM: not initialised (1.2), or the transport PIN stands (2.0 and later).
    pub const NOT_INITIALISED: Self = Self(0x6984);
    /// The command is for files of another structure: READ BINARY meets a file of records.
    pub const WRONG_STRUCTURE: Self = Self(0x6981);
    /// A key or the state of the card does not allow it.
    pub const CONDITIONS: Self = Self(0x6985);
    /// Data that the command cannot be carried out with.
    pub const WRONG_DATA: Self = Self(0x6A80);
    /// P1 or P2, which often name an algorithm.
    pub const WRONG_PARAMETERS: Self = Self(0x6A86);
    /// No such file.
    pub const FILE_NOT_FOUND: Self = Self(0x6A82);
    /// The offset is outside of the file.
    pub const WRONG_OFFSET: Self = Self(0x6B00);
    /// No such reference (PIN, key domain).
    pub const NO_SUCH_REFERENCE: Self = Self(0x6A88);
    /// Instruction not supported: another application is selected.
    pub const NO_SUCH_INSTRUCTION: Self = Self(0x6D00);
    /// Class not supported: another application is selected.
    pub const NO_SUCH_CLASS: Self = Self(0x6E00);

    /// 61xx: that many bytes (0: 256 or more) are still to be fetched.
    pub(super) const fn more(self) -> Option<u8> {
        let [sw1, sw2] = self.0.to_be_bytes();
        if sw1 == 0x61 { Some(sw2) } else { None }
    }

    /// 6Cxx: the command must be repeated with this Le.
    pub(super) const fn right_length(self) -> Option<u8> {
        let [sw1, sw2] = self.0.to_be_bytes();
        if sw1 == 0x6C { Some(sw2) } else { None }
    }

    /// True if data that came with it is good.
    #[must_use]
    pub const fn carries_data(self) -> bool {
        matches!(self, Self::OK | Self::END_OF_FILE) || self.more().is_some()
    }

    /// What it says as the answer to [`Command::VerifyStatus`](super::apdu::Command::VerifyStatus).
    #[must_use]
    pub fn pin_state(self) -> PinState {
        match self {
            Self::OK => PinState::LoggedIn,
            Self::BLOCKED => PinState::Blocked,
            Self::NOT_INITIALISED | Self::NO_SUCH_REFERENCE => PinState::NotInitialised,
            Self(sw) if sw & 0xFFF0 == 0x63C0 => PinState::Tries(sw.to_be_bytes()[1] & 0x0F),
            Self(sw) => PinState::Other(sw),
        }
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match *self {
            Self::OK => "done",
            Self::END_OF_FILE => "end of file",
            Self::WRONG_LENGTH => "wrong length",
            Self::SECURITY_STATUS => "a PIN is needed",
            Self::BLOCKED => "PIN blocked",
            Self::NOT_INITIALISED => "not initialised",
            Self::WRONG_STRUCTURE => "a file of another structure",
            Self::CONDITIONS => "conditions of use not satisfied",
            Self::WRONG_DATA => "wrong data",
            Self::WRONG_PARAMETERS => "wrong parameters P1, P2",
            Self::FILE_NOT_FOUND => "no such file",
            Self::NO_SUCH_REFERENCE => "no such reference",
            Self::NO_SUCH_INSTRUCTION => "instruction not supported",
            Self::NO_SUCH_CLASS => "class not supported",
            _ => return write!(f, "{:04X}", self.0),
        };
        write!(f, "{:04X}, {meaning}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_words_in_words() {
        assert_eq!(StatusWord(0x6A82).to_string(), "6A82, no such file");
        assert_eq!(StatusWord(0x6F00).to_string(), "6F00");
        assert_eq!(StatusWord(0x63C0).pin_state(), PinState::Tries(0));
        assert_eq!(StatusWord(0x6E00).pin_state(), PinState::Other(0x6E00));
    }
}
