//! stalecard finds, explains and repairs stale OpenSC file caches.
//!
//! The rooms, from the top down: [`cli`] what was typed; [`fix`] look, plan, act, look again; [`prove`] have keys sign;
//! [`observe`] the facts of this host in one [`snapshot`], [`watch`] when to look again, [`audit`] what was signed; [`repair`] what is done; [`report`] how it is shown;
//! [`judge`] what gathers a [`verdict`], [`listing`] what lists; [`rules`] the opinions, each a [`finding`]; [`case`] what
//! they look at. [`baseline`] is what a token is meant to hold. Below: [`view`] what a program shows, [`opensc`] what OpenSC
//! would do, [`scconf`] its configuration language, [`card`] talking to a card, [`crypto`] which key made a signature,
//! [`format`](mod@format) bytes to values, [`safe_fs`], [`host`] and [`patience`] the system underneath.

pub mod audit;
pub mod baseline;
pub mod card;
pub mod case;
pub mod cli;
pub mod crypto;
pub mod error;
pub mod exit;
pub mod finding;
pub mod fix;
pub mod format;
pub mod host;
pub mod judge;
pub mod listing;
pub mod log;
pub mod naming;
pub mod observe;
pub mod opensc;
pub mod patience;
pub mod prove;
pub mod repair;
pub mod report;
pub mod rules;
pub mod safe_fs;
pub mod scconf;
#[cfg(feature = "schema")]
pub mod schema;
pub mod snapshot;
pub mod text;
pub mod verdict;
pub mod view;
pub mod watch;
