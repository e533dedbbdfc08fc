//! Gathers the facts of this host: the only place that knows cards and files both.
//!
//! Strictly read-only. What cannot be observed becomes a gap. One file for each thing that is observed.

mod about;
mod aside;
mod ask;
mod baselines;
mod caches;
mod cards;
mod files;
pub mod holders;
mod host;
mod look;
mod others;
mod p11_kit;
mod places;
mod privacy;
mod progress;
mod quarantine;
mod select;
mod signing;
mod snapshot_file;

pub use about::{About, about};
pub use aside::{COMMAND as LOOK_ASIDE, allow as allow_aside, serve as serve_aside};
pub use ask::provider::{COMMAND as LIST_MODULE, ask_providers, serve as serve_module};
pub use ask::{Asking, NextEntry, NextListing, Taken, ask_again, next_listing};
pub use baselines::{Written, all_baselines, baselines, baselines_of, keep_baselines, the_baseline};
pub use caches::{Kept, observe_again, observe_more_caches, with_returning};
pub use files::{snapshot_files, write_whole};
pub use host::{Cards, ObserveOptions};
pub use others::{CacheOwners, as_seen_by, each_in, observe, observe_all, observe_each};
pub use progress::Progress;
pub use quarantine::look_into_quarantine;
pub use select::{Each, select_entries, select_serial, selecting};
pub use signing::{Asked, end_login, hold, pin_state, prove, random, wait_for_power_off};
pub use snapshot_file::{load, parse_snapshot, save};
