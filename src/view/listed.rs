//! Which objects of a card the programs list: the one door for rules and listings.
//!
//! No program lists all. `pkcs15-tool -D` ends the list of a class ([`super::pkcs15`]), OpenSC's PKCS#11 module has no room for
//! more, or drops what stands behind something broken ([`super::pkcs11`]). Where an object is in no list, neither is what
//! is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::Difference;
use super::{Place, View, pkcs11, pkcs15};
use crate::opensc::program::{PKCS11, PKCS15_TOOL};

/// How the lists that programs make of a view differ from those they would make of the card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lists {
    /// What `pkcs15-tool` lists, of either view.
    pkcs15: BTreeSet<Place>,
    /// The units of which PKCS#11 applications see something else than the card's.
    pkcs11: BTreeSet<Place>,
    /// Is one of them alike in both views, so that it suffers from another?
    follows: bool,
    /// What each program leaves out of the list that it makes of what is shown.
    omitted: [BTreeSet<Place>; 2],
    /// The certificates that PKCS#11 applications do not see behind a broken one, by the place of that.
    behind: BTreeMap<Place, BTreeSet<Place>>,
}

impl Lists {
    /// Of a card and what is shown of it, where these are all the differences.
    #[must_use]
    pub fn of(live: &View, shown: &View, differences: &[Difference<'_>]) -> Self {
        let both = pkcs15::listed(live).chain(pkcs15::listed(shown));
        let differing: BTreeSet<Place> =
            differences.iter().map(|difference| difference.place.unit()).collect();
        let left_out = pkcs11::omitted(shown);
        let mut behind: BTreeMap<Place, BTreeSet<Place>> = BTreeMap::new();
        for (object, why) in &left_out {
            if let pkcs11::Omitted::Behind(broken) = why {
                behind.entry(broken.place()).or_default().insert(object.place());
            }
        }
        let pkcs11: BTreeSet<Place> = pkcs11::differing(live, shown).into_iter().collect();
        Self {
            pkcs15: both.map(super::Object::place).collect(),
            omitted: [
                pkcs15::list(shown)
                    .into_iter()
                    .filter(|(_, omitted)| omitted.is_some())
                    .map(|(object, _)| object.place())
                    .collect(),
                left_out.into_iter().map(|(object, _)| object.place()).collect(),
            ],
            behind,
            follows: pkcs11.iter().any(|unit| !differing.contains(unit)),
            pkcs11,
        }
    }

    /// Is the object shown in this place in the list of a program?
    #[must_use]
    pub fn list(&self, program: &str, place: &Place) -> bool {
        let [of_tool, of_module] = &self.omitted;
        match program {
            PKCS11 => !of_module.contains(place),
            PKCS15_TOOL => !of_tool.contains(place),
            _ => true,
        }
    }

    /// The certificates that PKCS#11 applications do not see because of a broken one in this place.
    #[must_use]
    pub fn behind(&self, broken: &Place) -> Option<&BTreeSet<Place>> {
        self.behind.get(broken)
    }

    /// Can a difference in this place be seen in what a program lists?
    #[must_use]
    pub fn show(&self, program: &str, place: &Place) -> bool {
        match program {
            // A EF whose own objects are alike and that is shown differently all the same suffers from
            // another: from any of those that differ.
            PKCS11 => self.follows || self.pkcs11.contains(&place.unit()),
            PKCS15_TOOL => self.pkcs15.contains(place),
            _ => true,
        }
    }
}

/// The objects that each program leaves out of its list, by program, with the reason.
#[must_use]
pub fn omitted(view: &View) -> BTreeMap<&'static str, BTreeMap<Place, String>> {
    let of_tool =
        pkcs15::list(view).into_iter().filter_map(|(object, omitted)| Some((object, omitted?.words())));
    let of_module = pkcs11::omitted(view).into_iter().map(|(object, omitted)| (object, omitted.words()));
    BTreeMap::from([
        (PKCS15_TOOL, of_tool.map(|(object, why)| (object.place(), why)).collect()),
        (PKCS11, of_module.map(|(object, why)| (object.place(), why)).collect()),
    ])
}
