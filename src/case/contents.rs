//! What all tokens hold, whoever reads their cards: stalecard itself, or OpenSC for it.

use super::asked::AskedCase;
use super::asked_content;
use super::token::Case;
use super::token_content::{TokenContent, held_by};
use super::tokens::Tokens;

/// What each token holds, and whether its card told of a DKEK.
#[must_use]
pub fn contents(tokens: &Tokens<'_>) -> Vec<(TokenContent, bool)> {
    let is_told = |case: &Case<'_>| case.card.status.as_ref().is_some_and(|status| status.dkek.is_some());
    let read = held_by(&tokens.cases).into_iter().map(|(case, held)| (held, is_told(case)));
    read.chain(AskedCase::all(tokens).map(|case| (asked_content::held(&case), false))).collect()
}
