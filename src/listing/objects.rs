//! Both views of a token's objects, side by side.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::case::cache_view::CacheView;
use crate::case::possession::{Device, possession_in};
use crate::case::token::{Case, side};
use crate::case::tokens::Tokens;
use crate::crypto::same_form;
use crate::finding::{ObjectClass, Side};
use crate::naming::{self, Names, Naming, TokenNames};
use crate::snapshot::{Card, DirState, EfPath, Snapshot};
use crate::text::{escape, hex, key_reference};
use crate::view::listed::omitted;
use crate::view::pkcs11_names::{self, ModuleNames};
use crate::view::{KeyInPlace, Object, Place, Read, Source, View, layout, unlisted};

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
    /// Its PKCS#11 URI (RFC 7512) where OpenSC's module lists it, with caching off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// What the card itself tells of a private key beside its files: where it was made, what its use takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
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
    /// Whose programs, if not the calling user's: login name, or number. Escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The directory.
    #[cfg_attr(feature = "schema", schemars(with = "crate::snapshot::ByteString"))]
    pub directory: String,
    /// What is shown.
    pub side: Side,
    /// Its PKCS#11 URI (RFC 7512) where OpenSC's module lists it through this cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
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

/// Something that a card holds and no program lists, whatever the caches have. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotListed {
    /// Serial of the token.
    pub token: String,
    /// Its class.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub class: ObjectClass,
    /// Key reference, for keys.
    pub reference: Option<u8>,
    /// What and where it is.
    pub what: String,
    /// Why it is not listed.
    pub why: String,
    /// What makes it visible; none if it is not meant to be.
    pub cure: Option<String>,
    /// SHA-256 of its SubjectPublicKeyInfo, if the card tells its public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Sha256>"))]
    pub public_key: Option<String>,
}

/// What the programs leave out of their lists, of the card and of what is shown through each cache.
struct Omissions {
    live: Omitted,
    shown: Vec<Omitted>,
}

/// By program and place.
type Omitted = BTreeMap<&'static str, BTreeMap<Place, String>>;

/// All programs that leave this object out.
fn left_out(omitted: &Omitted, place: &Place) -> Vec<Unlisted> {
    let of_program = |(program, places): (&&'static str, &BTreeMap<Place, String>)| {
        Some(Unlisted { program: (*program).to_owned(), why: places.get(place)?.clone() })
    };
    omitted.iter().filter_map(of_program).collect()
}

/// An object of a token, and all that it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    place: Place,
    /// Both views of it.
    pub sides: ObjectComparison,
    /// Its names.
    pub names: Names,
}

/// Both views of the objects of every token that was read, with all that they go by.
#[must_use]
pub fn show(tokens: &Tokens<'_>) -> Vec<Listed> {
    tokens.cases.iter().flat_map(sides).collect()
}

/// Adds what another user is shown of the same tokens.
pub fn beside(all: &mut Vec<Listed>, more: Vec<Listed>, user: &str) {
    for mut one in more {
        one.sides.shown.iter_mut().for_each(|shown| shown.user = Some(user.to_owned()));
        let same = |known: &&mut Listed| known.place == one.place && known.sides.token == one.sides.token;
        match all.iter_mut().find(same) {
            Some(known) => {
                known.sides.equal &= one.sides.equal;
                known.sides.shown.append(&mut one.sides.shown);
                known.sides.reference = known.sides.reference.or(one.sides.reference);
                known.names.add(one.names);
            }
            None => all.push(one),
        }
    }
}

/// The objects of one token.
fn sides(case: &Case<'_>) -> Vec<Listed> {
    let omissions = Omissions {
        live: omitted(&case.live),
        shown: case.cache_views.iter().map(|cache_view| omitted(&cache_view.shown)).collect(),
    };
    let called = Called::of(case);
    let token = called.token(case);
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
        let sides = one(case, &place, &omissions, &called);
        let names = names(case, &place, &sides, token.clone());
        found.push(Listed { place, sides, names });
    }
    found
}

/// What the tokens of these cards go by.
#[must_use]
pub fn token_names(snapshot: &Snapshot) -> Vec<TokenNames> {
    let token = |card: &Card| {
        let layout = layout(card.family);
        let label = layout.and_then(|layout| layout.label(card));
        let labels = label.iter().map(|label| escape(label)).filter(|label| !label.is_empty()).collect();
        let maker = layout.map(|layout| layout.maker(card));
        Some(TokenNames { serial: card.serial.clone()?, labels, maker })
    };
    snapshot.cards.iter().filter_map(token).collect()
}

/// What the cards of the tokens hold and no program lists, with all that it goes by.
#[must_use]
pub fn not_listed(tokens: &Tokens<'_>) -> Vec<(NotListed, Names)> {
    let of_case = |case| -> Vec<_> {
        let token = Called::of(case).token(case);
        case.unlisted.iter().map(|unlisted| apart(case, unlisted, token.clone())).collect()
    };
    tokens.cases.iter().flat_map(of_case).collect()
}

fn apart(case: &Case<'_>, unlisted: &unlisted::Unlisted, token: TokenNames) -> (NotListed, Names) {
    let told = NotListed {
        token: escape(case.serial.as_bytes()),
        class: unlisted.class,
        reference: unlisted.reference,
        what: unlisted.what.clone(),
        why: unlisted.why.clone(),
        cure: unlisted.cure().map(|cure| cure.what.clone()),
        public_key: unlisted.key.as_ref().map(|key| hex(&same_form(key).fingerprint())),
    };
    let words = std::iter::once(unlisted.ef.to_string()).chain(told.public_key.clone());
    let names = Names {
        what: format!("{} of token {}", told.what, told.token),
        reference: told.reference,
        words: words.collect(),
        token,
        ..Names::default()
    };
    (told, names)
}

/// Objects, and what no program lists.
pub type Shelf = (Vec<ObjectComparison>, Vec<NotListed>);

/// All of it.
#[must_use]
pub fn everything(all: Vec<Listed>, apart: Vec<(NotListed, Names)>) -> Shelf {
    let sides = all.into_iter().map(|listed| listed.sides).collect();
    (sides, apart.into_iter().map(|(told, _)| told).collect())
}

/// What is meant: nothing, if a token without any of it is.
///
/// # Errors
/// When nothing is called so, or it could be any of several keys.
pub fn pick(
    all: Vec<Listed>,
    apart: Vec<(NotListed, Names)>,
    tokens: &[TokenNames],
    naming: &Naming,
) -> Result<Shelf, naming::Error> {
    let (sides, mut names): (Vec<ObjectComparison>, Vec<Names>) =
        all.into_iter().map(|listed| (listed.sides, listed.names)).unzip();
    let (apart, further): (Vec<NotListed>, Vec<Names>) = apart.into_iter().unzip();
    names.extend(further);
    let picked = naming.pick(&names)?;
    if picked.is_empty() && (naming.is_of_object() || naming.token(tokens)?.is_empty()) {
        let known = names.into_iter().map(|names| names.what).chain(tokens.iter().map(TokenNames::what));
        return Err(naming.nothing("token, key, label or cache entry", known));
    }
    let is_picked = |place: usize| picked.binary_search(&place).is_ok();
    let number = sides.len();
    let sides = sides.into_iter().enumerate().filter(|(place, _)| is_picked(*place));
    let apart = apart.into_iter().enumerate().filter(|(place, _)| is_picked(number + place));
    Ok((sides.map(|(_, sides)| sides).collect(), apart.map(|(_, told)| told).collect()))
}

/// What the PKCS#11 module calls the objects, of the card and of what is shown through each cache.
struct Called {
    live: ModuleNames,
    shown: Vec<ModuleNames>,
}

impl Called {
    fn of(case: &Case<'_>) -> Self {
        let of = |view: &View| ModuleNames::of(case.card, case.layout, view);
        let shown = case.cache_views.iter().map(|cache_view| of(&cache_view.shown)).collect();
        Self { live: of(&case.live), shown }
    }

    /// What the token goes by.
    fn token(&self, case: &Case<'_>) -> TokenNames {
        let own = case.layout.label(case.card);
        let of_module = self.shown.iter().chain([&self.live]).flat_map(|names| &names.tokens);
        let mut labels: Vec<String> = own.iter().chain(of_module).map(|label| escape(label)).collect();
        let mut seen = BTreeSet::new();
        labels.retain(|label| !label.is_empty() && seen.insert(label.clone()));
        TokenNames { serial: case.serial.to_owned(), labels, maker: Some(case.layout.maker(case.card)) }
    }
}

/// What an object goes by, on the card and wherever it is shown.
fn names(case: &Case<'_>, place: &Place, sides: &ObjectComparison, token: TokenNames) -> Names {
    let live = case.live.at(place);
    let shown = case.cache_views.iter().filter_map(|cache_view| cache_view.shown.at(place));
    let objects: Vec<&Object> = live.into_iter().chain(shown).collect();
    let mut ids: Vec<Vec<u8>> = objects.iter().map(|object| object.id.clone()).collect();
    let mut seen = BTreeSet::new();
    ids.retain(|id| !id.is_empty() && seen.insert(id.clone()));
    let all = || std::iter::once(&sides.card).chain(sides.shown.iter().map(|shown| &shown.side));
    let entries = sides.shown.iter().flat_map(|shown| &shown.entries);
    // In full, and as a check shows them: the file of the card alone.
    let entry_names = entries.clone().filter_map(|path| path.rsplit('/').next());
    let file_names = entries.clone().filter_map(|path| path.rsplit(['/', '_']).next());
    let words = std::iter::once(sides.ef.to_string())
        .chain(entries.cloned())
        .chain(entry_names.map(str::to_owned))
        .chain(file_names.map(str::to_owned))
        .chain(all().filter_map(|side| side.public_key.clone()));
    let label = all().find_map(|side| side.label.clone()).unwrap_or_default();
    let what = match (sides.reference, ids.first()) {
        (Some(reference), _) => format!("key reference {}", key_reference(reference)),
        (None, Some(_)) => "object".to_owned(),
        (None, None) => format!("EF {}", sides.ef),
    };
    let spoken: Vec<String> = ids.iter().map(|id| hex(id)).collect();
    let id = if spoken.is_empty() { String::new() } else { format!(", ID {}", spoken.join(" or ")) };
    Names {
        what: format!("{what} \"{label}\"{id} of token {}", sides.token),
        reference: sides.reference,
        ids,
        labels: all().filter_map(|side| side.label.clone()).collect(),
        words: words.collect(),
        class: objects.first().and_then(|object| pkcs11_names::class(object)),
        token,
    }
}

fn one(case: &Case<'_>, place: &Place, omissions: &Omissions, called: &Called) -> ObjectComparison {
    let uri = |names: &ModuleNames| names.uris.get(place).map(ToString::to_string);
    let live = case.live.at(place);
    let request = case.layout.request(place.ef);
    // What no directory holds nobody shows.
    let is_there = |cache_view: &CacheView<'_>| cache_view.dir.state != DirState::Missing;
    let shown: Vec<(Option<&Object>, Shown)> = case
        .cache_views
        .iter()
        .zip(omissions.shown.iter().zip(&called.shown))
        .filter(|(cache_view, _)| is_there(cache_view))
        .map(|(cache_view, (omitted, called))| {
            let mut unlisted = left_out(omitted, place);
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
                user: None,
                directory: cache_view.dir.path.to_string(),
                side: known(&cache_view.shown, place, with_proof(case, object, request, content)),
                uri: uri(called),
                entries,
                unlisted,
            };
            (object, shown)
        })
        .collect();
    let reference = |view: &View| view.at(place).and_then(|object| view.reference(object));
    let told = match case.layout.key_in(case.card, place.ef) {
        KeyInPlace::Told(facts) if live.is_some_and(Object::is_private_key) => facts.words,
        _ => Vec::new(),
    };
    ObjectComparison {
        token: escape(case.serial.as_bytes()),
        ef: place.ef,
        reference: reference(&case.live)
            .or_else(|| case.cache_views.iter().find_map(|cache_view| reference(&cache_view.shown))),
        card: known(
            &case.live,
            place,
            with_proof(case, live, request, |file| case.on_card(file).unwrap_or_default().to_vec()),
        ),
        uri: uri(&called.live),
        told,
        unlisted: left_out(&omissions.live, place),
        equal: shown.iter().all(|(object, _)| *object == live),
        shown: shown.into_iter().map(|(_, shown)| shown).collect(),
    }
}

/// One side of a view, which cannot tell that something is absent where it was not read.
fn known(view: &View, place: &Place, side: Side) -> Side {
    if side.is_absent() && view.is_unknown(place) { Side::unread() } else { side }
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
