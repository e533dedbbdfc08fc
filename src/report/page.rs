//! A report for other eyes (`stalecard report`): what is said of a host, or of a fleet, as blocks of text that
//! [`html`](super::html) and [`markdown`](super::markdown) put on paper.
//!
//! Hides nothing but the order: the verdict first, then what to do, then the findings with both sides and their evidence,
//! what every program shows, the configuration with the line that decides, what was looked at. A block is data, so that
//! [`redact`] may take names out of it before anything is rendered.

mod blocks;
mod fleet;
mod host;
pub mod redact;

pub use blocks::{Block, Cell, Level, Page};
pub use fleet::fleet;
pub use host::{Facts, host};
