//! What a user's `ssh-agent` offers: the public keys that programs are given by it.
//!
//! Hides its protocol (draft-miller-ssh-agent): one question, which it answers from memory. It is put only to an agent that
//! is known by the process at the other end of the socket (`SO_PEERCRED`, unix(7)): another kind of agent, as GnuPG's, opens
//! the card to answer it, and one that was forwarded is another host's.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::format::key::PublicKey;
use crate::format::ssh::identities;
use crate::patience::{Overdue, SILENCE, within};

/// Where programs find the agent: ssh(1).
const VARIABLE: &str = "SSH_AUTH_SOCK";
/// Its length, and SSH_AGENTC_REQUEST_IDENTITIES.
const QUESTION: [u8; 5] = [0, 0, 0, 1, 11];
/// The longest answer: OpenSSH's own limit.
const LONGEST: u32 = 256 << 10;
/// It answers from memory.
const AT_ONCE: Duration = Duration::from_secs(3);

/// The keys that the calling user's agent offers, if the process that is meant is behind its socket; those of kinds that
/// are not known here left out. None if there is no such agent, or it does not say.
///
/// # Errors
/// When it does not answer.
pub fn offered(is_meant: impl Fn(u32) -> bool + Send + 'static) -> Result<Option<Vec<PublicKey>>, Overdue> {
    let Some(socket) = std::env::var_os(VARIABLE).map(PathBuf::from).filter(|path| path.is_absolute()) else {
        return Ok(None);
    };
    within(SILENCE, move |_| ask(&socket, is_meant))
}

fn ask(socket: &Path, is_meant: impl Fn(u32) -> bool) -> Option<Vec<PublicKey>> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(AT_ONCE)).ok()?;
    stream.set_write_timeout(Some(AT_ONCE)).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    if !is_meant(u32::try_from(peer.pid.as_raw_nonzero().get()).ok()?) {
        return None;
    }
    stream.write_all(&QUESTION).ok()?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return None;
    }
    let mut answer = Vec::new();
    stream.take(length.into()).read_to_end(&mut answer).ok()?;
    identities(&answer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::os::unix::net::UnixListener;

    /// Somebody at the other end of a socket, and what was asked of him.
    fn answering(answer: &'static [u8], is_meant: bool) -> (Option<Vec<PublicKey>>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        let listener = UnixListener::bind(&path).unwrap();
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 5];
            let heard = stream.read(&mut asked).unwrap();
            let _ = stream.write_all(answer);
            asked.get(..heard).unwrap().to_vec()
        });
        let own = std::process::id();
        let offered = ask(&path, |pid| (pid == own) == is_meant);
        (offered, peer.join().unwrap())
    }

    #[test]
    fn only_the_agent_that_is_meant_is_asked_and_a_lie_is_no_answer() {
        assert_eq!(answering(&[0, 0, 0, 5, 12, 0, 0, 0, 0], true), (Some(Vec::new()), QUESTION.to_vec()));
        assert_eq!(answering(&[0, 0, 0, 5, 12, 0, 0, 0, 0], false), (None, Vec::new()));
        for lie in [&[][..], &[0xFF; 4], &[0, 0, 0, 9, 12, 0, 0, 0, 1], &[0, 0, 0, 1, 5]] {
            assert_eq!(answering(lie, true), (None, QUESTION.to_vec()), "{lie:?}");
        }
    }
}
