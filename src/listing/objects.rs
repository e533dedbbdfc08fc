//! Both views of a token's objects, side by side.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::case::possession::{Device, possession_in};
use crate::case::token::{Case, side};
use crate::case::tokens::Tokens;
use crate::finding::Side;
use crate::snapshot::EfPath;
use crate::text::{escape, hex, is_key_reference};
use crate::view::listed::omitted;
use crate::view::{Object, Place, Read, Source};

/// One object as it is on the card and as each cache shows it. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObjectComparison {
    /// Serial of the token.
    pub token: String,
    /// Entry of the key list it comes from.
    #[serde(rename = "slot")]
    pub ef: EfPath,
    /// Key reference, for keys.
    pub reference: Option<u8>,
    /// What is on the card.
    pub card: Side,
    /// The programs that do not list it even without a cache, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<Unlisted>,
    /// What is shown through each cache directory: by whom, which directory, what.
    pub shown: Vec<Shown>,
    /// The same everywhere?
    pub equal: bool,
}

/// What is shown through one cache directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Shown {
    /// The programs that read it today; none: it is dormant.
    pub program: Vec<String>,
    /// The directory.
    #[cfg_attr(feature = "schema", schemars(with = "crate::snapshot::ByteString"))]
    pub directory: String,
    /// What is shown.
    pub side: Side,
    /// The cache entries that make it, full paths.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::snapshot::ByteString>"))]
    pub entries: Vec<String>,
    /// Those of the programs that do not list it, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<Unlisted>,
}

/// A program that leaves an object out of its list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unlisted {
    /// The program.
    pub program: String,
    /// Why, in words.
    pub why: String,
}

/// What the programs leave out of their lists, of the card and of what is shown through each cache.
struct Omissions {
    live: Omitted,
    shown: Vec<Omitted>,
}

/// By program and place.
type Omitted = BTreeMap<&'static str, BTreeMap<Place, String>>;

/// All programs that leave this object out.
fn unlisted(omitted: &Omitted, place: &Place) -> Vec<Unlisted> {
    let of_program = |(program, places): (&&'static str, &BTreeMap<Place, String>)| {
        Some(Unlisted { program: (*program).to_owned(), why: places.get(place)?.clone() })
    };
    omitted.iter().filter_map(of_program).collect()
}

/// What to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Everything.
    All,
    /// What has this ID, label, key reference, serial or cache entry name.
    Named(&'a str),
}

/// Both views of the objects that are wanted, for every token that was read.
#[must_use]
pub fn show(tokens: &Tokens<'_>, wanted: &Wanted<'_>) -> Vec<ObjectComparison> {
    tokens.cases.iter().flat_map(|case| sides(case, wanted)).collect()
}

/// The objects of one token that are wanted.
fn sides(case: &Case<'_>, wanted: &Wanted<'_>) -> Vec<ObjectComparison> {
    let omissions = Omissions {
        live: omitted(&case.live),
        shown: case.cache_views.iter().map(|cache_view| omitted(&cache_view.shown)).collect(),
    };
    let mut found = Vec::new();
    let mut seen: BTreeSet<Place> = BTreeSet::new();
    let shown = case.cache_views.iter().flat_map(|cache_view| &cache_view.shown.objects);
    let mut objects: Vec<&Object> = case.live.objects.iter().chain(shown).collect();
    objects.sort_by_key(|object| case.layout.order(object));
    for object in objects {
        let place = object.place();
        if !seen.insert(place.clone()) {
            continue;
        }
        let sides = one(case, &place, &omissions);
        if is_wanted(case, &sides, wanted) {
            found.push(sides);
        }
    }
    found
}

fn one(case: &Case<'_>, place: &Place, omissions: &Omissions) -> ObjectComparison {
    let live = case.live.at(place);
    let request = case.layout.request(place.ef);
    let shown: Vec<(Option<&Object>, Shown)> = case
        .cache_views
        .iter()
        .zip(&omissions.shown)
        .map(|(cache_view, omitted)| {
            let mut unlisted = unlisted(omitted, place);
            unlisted.retain(|unlisted| cache_view.programs.contains(&unlisted.program));
            let object = cache_view.shown.at(place);
            let files = object.iter().flat_map(|object| object.files.clone());
            let entries = files
                .filter_map(|file| cache_view.cached.hit(file, case.layout.buffer(file)))
                .map(|entry| crate::case::token::file_evidence(cache_view.dir, entry, None).path)
                .collect();
            let content = |file| match cache_view.cached.read(file, case.layout.buffer(file)) {
                Read::Content(bytes) => bytes,
                _ => Vec::new(),
            };
            let shown = Shown {
                program: cache_view.programs.clone(),
                directory: cache_view.dir.path.to_string(),
                side: with_proof(case, object, request, content),
                entries,
                unlisted,
            };
            (object, shown)
        })
        .collect();
    let reference = |view: &crate::view::View| view.at(place).and_then(|object| view.reference(object));
    ObjectComparison {
        token: escape(case.serial.as_bytes()),
        ef: place.ef,
        reference: reference(&case.live)
            .or_else(|| case.cache_views.iter().find_map(|cache_view| reference(&cache_view.shown))),
        card: with_proof(case, live, request, |file| case.on_card(file).unwrap_or_default().to_vec()),
        unlisted: unlisted(&omissions.live, place),
        equal: shown.iter().all(|(object, _)| *object == live),
        shown: shown.into_iter().map(|(_, shown)| shown).collect(),
    }
}

/// One side; of a key's public part also what the key's request proves, in families that keep one.
fn with_proof(
    case: &Case<'_>,
    object: Option<&Object>,
    request: Option<EfPath>,
    content: impl Fn(EfPath) -> Vec<u8>,
) -> Side {
    let mut side = side(object);
    if let Some(request) = request
        && object.is_some_and(|object| object.public_key().is_some())
    {
        side.proof = Some(possession_in(Device::of(case).as_ref(), Some(&content(request))).words());
    }
    side
}

fn is_wanted(case: &Case<'_>, sides: &ObjectComparison, wanted: &Wanted<'_>) -> bool {
    let Wanted::Named(name) = wanted else { return true };
    let all = || std::iter::once(&sides.card).chain(sides.shown.iter().map(|shown| &shown.side));
    let entries = || sides.shown.iter().flat_map(|shown| &shown.entries);
    crate::text::is_typed(case.serial.as_bytes(), name)
        || sides.reference.is_some_and(|reference| is_key_reference(reference, name))
        || name.eq_ignore_ascii_case(&sides.ef.to_string())
        || all().any(|side| side.id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(name)))
        || all().any(|side| side.label.as_deref() == Some(&escape(name.as_bytes())))
        || entries().any(|path| path == name || path.rsplit('/').next() == Some(name))
        || all().any(|side| side.public_key.as_deref() == Some(&hex_of(name)))
}

/// A fingerprint as typed, in lower case.
fn hex_of(name: &str) -> String {
    match data_encoding::HEXLOWER_PERMISSIVE.decode(name.as_bytes()) {
        Ok(bytes) => hex(&bytes),
        Err(_) => name.to_owned(),
    }
}
