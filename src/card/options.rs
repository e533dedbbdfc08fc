//! What to read of cards, and what only a decoder knows: the way up from [`super`] to the views.

use crate::snapshot::{Card, EfPath};

/// A description and a file that it names.
pub type Link = (EfPath, EfPath);

/// What to read, and what only a decoder knows.
pub struct Options<'a> {
    /// SmartCard-HSM: read the device key's entry C400 as OpenSC up to 0.23 does.
    pub read_c400: bool,
    /// SmartCard-HSM: ask for SO-PIN and DKEK too.
    pub status: bool,
    /// The files that cached copies of a card's descriptions name, by what is known of the card so far, each
    /// with the file of that description: what OpenSC reads if it believes them.
    pub cached_links: &'a (dyn Fn(&Card) -> Vec<Link> + Sync),
    /// The files of private keys that cached copies of a card's directories describe, and the card itself does not: whether
    /// they are still there is asked, where that tells something. They are selected and never read.
    pub cached_keys: &'a (dyn Fn(&Card) -> Vec<EfPath> + Sync),
}
