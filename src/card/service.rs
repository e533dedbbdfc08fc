//! Is the PC/SC service itself still there? A call that waits for a card or for another program cannot be told from
//! one whose service was stopped; a new connection (`SCardEstablishContext`) is answered at once or not at all.

use std::sync::mpsc::channel;
use std::time::Duration;

use pcsc::{Context, Scope};

use crate::patience::aside;

/// How long a service that is there may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Does it answer, be it with a failure?
pub(super) fn answers() -> bool {
    let (done, answered) = channel();
    let asked = aside(move || {
        // If nobody waits any more, nobody misses it.
        let _ = done.send(Context::establish(Scope::User).is_ok());
    });
    // Where it cannot be asked, nothing says that it does not.
    asked.is_err() || answered.recv_timeout(PATIENCE).is_ok()
}
