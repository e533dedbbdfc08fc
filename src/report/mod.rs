//! Renderers: each shows what it is given in one format and decides nothing.

pub mod human;
pub mod json;
