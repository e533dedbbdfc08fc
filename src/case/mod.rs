//! What rules look at: facts put side by side once, without an opinion.
//!
//! [`token`]: one token, its live view and the views through caches ([`cache_view`]); [`cache`]: one cache directory;
//! [`asked`]: one card as OpenSC tells of it; [`config`]: one configuration under one version. Beside them what rules ask of a token more than once:
//! [`possession`], [`proofs`], [`known_keys`], what a token holds ([`token_content`]), and which cache a running program
//! reads ([`own_cache`]).

pub mod asked;
pub mod asked_blocks;
pub mod asked_content;
pub mod attribution;
pub mod bare_signature;
pub mod cache;
pub mod cache_index;
pub mod cache_view;
pub mod claim;
pub mod config;
pub mod contents;
pub mod crowd;
pub mod danger;
pub mod dated;
pub mod dispute;
pub mod entry_defect;
pub mod hosts;
pub mod identity;
pub mod kin;
pub mod known_keys;
pub mod offerable;
pub mod own_cache;
pub mod possession;
pub mod proofs;
pub mod right_key;
pub mod token;
pub mod token_content;
pub mod tokens;
pub mod unlisted;
pub mod visibility;
