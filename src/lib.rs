//! stalecard finds, explains and repairs stale OpenSC file caches.
//!
//! The rooms, from the top down: [`cli`] what was typed; [`observe`] the facts of
//! this host in one [`snapshot`], [`watch`] when to look again; [`rules`] the opinions about them, each a
//! [`finding`]; [`repair`] what is done about it; [`report`] how it is shown.
//! [`baseline`] is what a token is meant to hold. Below: [`view`] what a program shows, [`opensc`] what OpenSC would do,
//! [`scconf`] its configuration language, [`card`] talking to a card, [`crypto`] which
//! key made a signature, [`format`](mod@format) bytes to values, [`safe_fs`] [`host`]
//! the system underneath, and [`patience`] how long it may take.

pub mod baseline;
pub mod card;
pub mod cli;
pub mod crypto;
pub mod error;
pub mod finding;
pub mod format;
pub mod host;
pub mod observe;
pub mod opensc;
pub mod patience;
pub mod repair;
pub mod report;
pub mod rules;
pub mod safe_fs;
pub mod scconf;
pub mod snapshot;
pub mod text;
pub mod view;
pub mod watch;
