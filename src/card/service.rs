//! Is the PC/SC service itself still there? A call that waits for a card or for another program cannot be told from
//! one whose service was stopped; a new connection (`SCardEstablishContext`) is answered at once or not at all.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use pcsc::{Context, Scope};

/// How long a service that is there may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Does it answer, be it with a failure?
pub(super) fn answers() -> bool {
    let (done, answered) = channel();
    // If nobody waits any more, nobody misses it.
    thread::spawn(move || {
        let _ = done.send(Context::establish(Scope::User).is_ok());
    });
    answered.recv_timeout(PATIENCE).is_ok()
}
