//! What OpenSC would do on this host: which library and version, which
//! configuration, which cache directory, which file names.
//!
//! Everything that differs between versions stands in [`differences`], as data
//! with lookups by [`Version`]. Nothing here runs a program, talks to a card or
//! has opinions; only [`install`] and [`program`](mod@program) look at the file system.

pub mod atr_tables;
pub mod cache_dir;
pub mod cache_name;
pub mod card_driver;
pub mod config;
mod crash;
pub mod differences;
pub mod effective;
pub mod emulation;
pub mod install;
pub mod known;
pub mod launchers;
pub mod misread;
pub mod p11_kit;
pub mod program;
mod reading;
mod shadowed;
pub mod slots;
mod strings;
pub mod unread;
mod version;

pub use cache_dir::CacheLocation;
pub use cache_name::{CacheName, Recognised};
pub use crash::{Crash, When};
pub use effective::{Caching, Effective, Outcome, Situation};
pub use program::Program;
pub use shadowed::{Shadowed, WhyShadowed};
pub use unread::{Unread, WhyUnread};
pub use version::{BadVersion, Version};
