//! What `ls`, `show`, `config show`, `compare` and `verify` list: tables made of cases, without a verdict.

pub mod asked;
pub mod cache_entries;
mod compared;
pub mod fleet;
pub mod hosts;
pub mod objects;
mod own_findings;
pub mod provided;
pub mod providers;
pub mod settings;
pub mod signing_requests;
