//! PC/SC's errors in words: what happened, PC/SC's own name for it, and what to do next.

use pcsc::Error;

use super::apdu::TransportError;
use super::channel::SHARING_VIOLATION;
use crate::host;
use crate::patience::Overdue;

/// Why there is nothing to talk to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PcscError {
    /// A failure of PC/SC.
    #[error("{what} ({code}): {advice}")]
    PcSc {
        /// What happened.
        what: &'static str,
        /// PC/SC's own name for it.
        code: String,
        /// What to do next.
        advice: &'static str,
    },
    /// The service takes calls and does not answer them.
    #[error("{}", unanswered(*.0))]
    Silent(#[from] Overdue),
    /// No reader of that name or number.
    #[error("there is no reader {0} (SCARD_E_UNKNOWN_READER); there are: {1}")]
    NoSuchReader(String, String),
}

/// A service that was not even asked is not said to be silent.
fn unanswered(why: Overdue) -> String {
    match why {
        Overdue::NoThread(_) | Overdue::BrokeOff => format!("the PC/SC service was not asked: {why}"),
        Overdue::Silent(_) | Overdue::NoTime => format!(
            "the PC/SC service does not answer ({why}): restart it (systemctl restart pcscd), and see what it logs \
             (journalctl -u pcscd)"
        ),
    }
}

impl From<Error> for PcscError {
    fn from(error: Error) -> Self {
        Self::of(error, host::in_container())
    }
}

impl PcscError {
    /// In a container there is no service to be started: the host has it, and the readers.
    fn of(error: Error, in_container: bool) -> Self {
        let (what, advice) = match error {
            Error::NoService | Error::ServiceStopped if in_container => {
                ("no PC/SC service in this container", IN_CONTAINER)
            }
            error => words(error),
        };
        Self::PcSc { what, code: name(error), advice }
    }
}

/// What to do in a container.
const IN_CONTAINER: &str = "the host's has to come in, whose readers they are: start pcscd on the host, and the container with \
    the host's socket (docker or podman run -v /run/pcscd:/run/pcscd)";

/// A failure during the talk with a card.
pub fn failure(error: Error) -> TransportError {
    match error {
        Error::ResetCard => TransportError::Reset,
        Error::RemovedCard => TransportError::Removed("SCARD_W_REMOVED_CARD"),
        Error::NoSmartcard => TransportError::Removed("SCARD_E_NO_SMARTCARD"),
        Error::ReaderUnavailable => TransportError::Removed("SCARD_E_READER_UNAVAILABLE"),
        Error::UnknownReader => TransportError::Removed("SCARD_E_UNKNOWN_READER"),
        Error::InvalidHandle => TransportError::Removed("SCARD_E_INVALID_HANDLE"),
        Error::NotTransacted => TransportError::Broken("SCARD_E_NOT_TRANSACTED"),
        Error::CommError => TransportError::Broken("SCARD_F_COMM_ERROR"),
        error => {
            let (what, advice) = words(error);
            TransportError::PcSc { what, code: name(error), advice }
        }
    }
}

/// What happened and what to do next.
const fn words(error: Error) -> (&'static str, &'static str) {
    match error {
        Error::NoService | Error::ServiceStopped => (
            "no PC/SC service",
            "install and start pcscd (Debian: apt install pcscd; Fedora: dnf install pcsc-lite pcsc-lite-ccid; \
             then systemctl start pcscd.socket)",
        ),
        Error::SecurityViolation | Error::NoAccess => (
            "the PC/SC service does not let this user in",
            "pcscd asks polkit (org.debian.pcsc-lite.access_pcsc, access_card): run this in a local session, as \
             root, or add a polkit rule",
        ),
        Error::NoReadersAvailable => (
            "no reader",
            "plug one in; if it is plugged in, install its driver (Debian: libccid; Fedora: pcsc-lite-ccid) and see \
             what pcscd logs (journalctl -u pcscd)",
        ),
        Error::SharingViolation => (
            "another program holds the card for itself alone",
            "usually GnuPG: gpgconf --kill scdaemon; else end the program, then run this again",
        ),
        Error::UnresponsiveCard | Error::UnpoweredCard | Error::UnsupportedCard | Error::ProtoMismatch => (
            "the card does not answer as a card should",
            "take it out and put it back the right way round; clean its contacts; try another reader",
        ),
        _ => ("PC/SC failed", "see what pcscd logs (journalctl -u pcscd), or restart it"),
    }
}

/// PC/SC's own name; a number for those nobody meets.
fn name(error: Error) -> String {
    let name = match error {
        Error::NoService => "SCARD_E_NO_SERVICE",
        Error::ServiceStopped => "SCARD_E_SERVICE_STOPPED",
        Error::SecurityViolation => "SCARD_W_SECURITY_VIOLATION",
        Error::NoAccess => "SCARD_E_NO_ACCESS",
        Error::NoReadersAvailable => "SCARD_E_NO_READERS_AVAILABLE",
        Error::SharingViolation => SHARING_VIOLATION,
        Error::UnresponsiveCard => "SCARD_W_UNRESPONSIVE_CARD",
        Error::UnpoweredCard => "SCARD_W_UNPOWERED_CARD",
        Error::UnsupportedCard => "SCARD_W_UNSUPPORTED_CARD",
        Error::ProtoMismatch => "SCARD_E_PROTO_MISMATCH",
        Error::InternalError => "SCARD_F_INTERNAL_ERROR",
        Error::NoMemory => "SCARD_E_NO_MEMORY",
        Error::Timeout => "SCARD_E_TIMEOUT",
        Error::InsufficientBuffer => "SCARD_E_INSUFFICIENT_BUFFER",
        Error::InvalidParameter => "SCARD_E_INVALID_PARAMETER",
        Error::InvalidValue => "SCARD_E_INVALID_VALUE",
        Error::Cancelled => "SCARD_E_CANCELLED",
        other => return format!("0x{:08X}, {other:?}", other as u32),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do_and_keep_their_names() {
        let text = PcscError::of(Error::NoService, false).to_string();
        assert!(text.contains("SCARD_E_NO_SERVICE") && text.contains("apt install pcscd"), "{text}");
        let text = PcscError::of(Error::NoService, true).to_string();
        assert!(text.contains("SCARD_E_NO_SERVICE") && text.contains("/run/pcscd:"), "{text}");
        assert!(!text.contains("install"), "{text}");
        let text = failure(Error::SharingViolation).to_string();
        assert!(text.contains("SCARD_E_SHARING_VIOLATION") && text.contains("scdaemon"), "{text}");
        assert_eq!(failure(Error::ResetCard), TransportError::Reset);
        assert!(failure(Error::RemovedCard).to_string().contains("SCARD_W_REMOVED_CARD"));
        assert!(failure(Error::NotReady).to_string().contains("0x80100010"));
    }
}
