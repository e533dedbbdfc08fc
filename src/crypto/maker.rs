//! Which of some keys made an artefact: the one place where the answers of several keys become one.

use super::{Fit, Opened, Outcome, Reason};

/// Who made an artefact. That none of the keys did is an answer only if every one was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Maker<K> {
    /// This one, and how it signed.
    MadeBy(K, Fit),
    /// This one, but over other bytes or in another way.
    Otherwise(K, Opened),
    /// None of the keys that were tried.
    NotBy,
    /// None of those that could be decided; these could not, and why.
    Undecided(Vec<(K, Reason)>),
}

/// The first of these keys that the artefact fits, by what `outcome` says of each.
pub fn maker<K>(keys: impl IntoIterator<Item = K>, mut outcome: impl FnMut(&K) -> Outcome) -> Maker<K> {
    let mut undecided = Vec::new();
    let mut otherwise = None;
    for key in keys {
        match outcome(&key) {
            Outcome::Valid(fit) => return Maker::MadeBy(key, fit),
            Outcome::Otherwise(opened) if otherwise.is_none() => otherwise = Some((key, opened)),
            Outcome::Otherwise(_) | Outcome::Invalid => {}
            Outcome::NotDecidable(reason) => undecided.push((key, reason)),
        }
    }
    if let Some((key, opened)) = otherwise {
        return Maker::Otherwise(key, opened);
    }
    if undecided.is_empty() { Maker::NotBy } else { Maker::Undecided(undecided) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Scheme;
    use crate::format::signature::Encoding;

    #[test]
    fn what_one_key_leaves_open_is_open() {
        let fit = Fit { scheme: Scheme::Ed25519, encoding: Encoding::Plain };
        let answers =
            [Outcome::Invalid, Outcome::NotDecidable(Reason::UnknownCurve), Outcome::Valid(fit.clone())];
        let of = |keys: &[usize]| {
            maker(keys.to_vec(), |&key| answers.get(key).cloned().unwrap_or(Outcome::Invalid))
        };
        assert_eq!(of(&[0, 0]), Maker::NotBy);
        assert_eq!(of(&[0, 1, 0]), Maker::Undecided(vec![(1, Reason::UnknownCurve)]));
        assert_eq!(of(&[0, 1, 2]), Maker::MadeBy(2, fit));
    }
}
