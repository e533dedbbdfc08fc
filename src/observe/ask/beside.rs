//! When a card may be asked that the user's own programs have open (`--beside`): a browser holds the card of an eID all day.
//!
//! OpenSC then asks between the commands of those programs, which wait for a whole list. It selects applications, which ends
//! a login on some cards; a program that has OpenSC loaded sends the PIN again by itself, if that keeps PINs. So: only own
//! programs with OpenSC, no reader that asks for the PIN on its own keys, no setting that forgets PINs, never as root.

use std::path::PathBuf;

use super::setting::Setting;
use crate::card::held::has_pad;
use crate::host::connections::{Clients, clients};
use crate::patience::{SILENCE, within};
use crate::text::escape;

/// Where the PC/SC service listens, if nothing says otherwise (`pcscd.socket`).
const SERVICE: &str = "/run/pcscd/pcscd.comm";
/// What says otherwise.
const VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// Programs beside which a card is asked.
#[derive(Debug)]
pub(super) struct Beside {
    first: Clients,
}

impl Beside {
    /// Looks whether that may be.
    pub(super) fn of(setting: &Setting, reader: &str) -> Result<Self, String> {
        if rustix::process::geteuid().is_root() {
            return Err("not as root: a login of somebody else's would end".to_owned());
        }
        if setting.forgets_pins() {
            return Err("use_pin_caching = false is set: a program could not send the PIN again".to_owned());
        }
        match has_pad(reader) {
            Some(false) => {}
            Some(true) => {
                return Err(
                    "the reader has keys of its own: somebody would have to type the PIN again".to_owned()
                );
            }
            None => return Err("whether the reader has keys of its own cannot be told".to_owned()),
        }
        let first = look()?;
        are_own(&first)?;
        Ok(Self { first })
    }

    /// Are they still the same, or fewer?
    pub(super) fn is_same(&self) -> Result<(), String> {
        let now = look()?;
        are_own(&now)?;
        match now.own.difference(&self.first.own).next() {
            Some(new) => Err(format!("{} came meanwhile", escape(new.name.as_bytes()))),
            None => Ok(()),
        }
    }

    /// Their names.
    pub(super) fn names(&self) -> String {
        let name = |client: &crate::host::connections::Client| {
            format!("{} ({})", escape(client.name.as_bytes()), client.pid)
        };
        self.first.own.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

fn look() -> Result<Clients, String> {
    let path = std::env::var_os(VARIABLE).map_or_else(|| PathBuf::from(SERVICE), PathBuf::from);
    let found = within(SILENCE, move |_| clients(&path).map_err(|why| why.to_string()));
    found
        .map_err(|why| why.to_string())?
        .map_err(|why| format!("who is connected to pcscd cannot be told: {why}"))
}

/// Is every connection one of the user's own programs that have OpenSC loaded?
fn are_own(clients: &Clients) -> Result<(), String> {
    if clients.others > 0 {
        return Err(
            "a program of another user, or one that cannot be seen, is connected to pcscd, too".to_owned()
        );
    }
    match clients.own.iter().find(|client| !client.has_opensc) {
        Some(other) => Err(format!(
            "{} ({}) talks to cards without OpenSC, and could not send the PIN again",
            escape(other.name.as_bytes()),
            other.pid
        )),
        None if clients.own.is_empty() => Err("whoever has the card cannot be seen".to_owned()),
        None => Ok(()),
    }
}
