//! A public key that a cache names for a private key of the card, and the card does not: which of the two is right. How that
//! is found out stands in [`right_key`](mod@super::right_key).

/// Which is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Right {
    /// The card's: the cache is stale, and a flush cures it.
    Card,
    /// The cache's: what the card holds is another key's, or nothing. Why, as the rest of a sentence.
    Cache(String),
    /// No file tells.
    Undecided,
}

/// What is said of one object that is shown, and is another one or gone on the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// Which is right.
    pub right: Right,
    /// The same without a fresh signature: what the next look, which has none, will say.
    pub by_files: Right,
}
