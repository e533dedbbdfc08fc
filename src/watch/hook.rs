//! The program that is run after each event.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use crate::patience::{NoThread, aside};

/// How many runs of the program may wait for their turn.
const WAITING: usize = 64;

/// What a program is told in its environment.
pub type Environment = Vec<(&'static str, String)>;

/// The program that is run after each event: in a thread of its own, one after the other, so that it can
/// neither hold up the watch nor overtake itself.
pub struct Hook {
    queue: SyncSender<Environment>,
    complain: fn(&str),
}

impl Hook {
    /// Starts the thread. `complain` is told why a program failed.
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn start(program: &Path, complain: fn(&str)) -> Result<Self, NoThread> {
        let (queue, todo) = sync_channel::<Environment>(WAITING);
        let program = program.to_owned();
        aside(move || {
            for environment in todo {
                // Standard output belongs to the watch.
                let status = Command::new(&program)
                    .envs(environment)
                    .stdin(Stdio::null())
                    .stdout(Stdio::from(std::io::stderr()))
                    .status();
                match status {
                    Ok(status) if status.success() => {}
                    Ok(status) => complain(&format!("{}: {status}", program.display())),
                    Err(error) => complain(&format!("cannot run {}: {error}", program.display())),
                }
            }
        })?;
        Ok(Self { queue, complain })
    }

    /// Runs the program once it is its turn; of too many events it is told that they were not run.
    pub fn run(&self, environment: Environment) {
        match self.queue.try_send(environment) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => (self.complain)(&format!(
                "the program of --exec is still busy with {WAITING} earlier events: not run"
            )),
            Err(TrySendError::Disconnected(_)) => {
                (self.complain)(
                    "the program of --exec is not run any more: this is a fault of stalecard, please report it",
                );
            }
        }
    }
}
