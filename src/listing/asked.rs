//! What OpenSC lists of cards that are not read here, beside what it shows through each cache: as text, both sides.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use serde::Serialize;

use crate::case::asked::{AskedCache, AskedCase};
use crate::case::asked_blocks::{Block, Change};
use crate::case::asked_content::certificates;
use crate::case::tokens::Tokens;
use crate::crypto::same_form;
use crate::finding::ObjectClass;
use crate::format::x509::Certificate;
use crate::naming::{Maker, Names, TokenNames};
use crate::text::{date, escape, hex};

/// One object as OpenSC describes it. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AskedObject {
    /// Serial of the token.
    pub token: String,
    /// Its class.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub class: ObjectClass,
    /// Its label.
    pub label: String,
    /// Its ID on the card, hex, and as it is shown.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::Hex>"))]
    pub ids: Vec<String>,
    /// Its key reference.
    #[serde(skip)]
    pub reference: Option<u8>,
    /// Where it lies, as it stands in cache names.
    #[serde(skip)]
    pub path: Option<Vec<u8>>,
    /// What OpenSC lists of the card; none: it is not there.
    pub card: Option<String>,
    /// What is shown through each cache that OpenSC answers from.
    pub shown: Vec<AskedShown>,
    /// The same everywhere?
    pub equal: bool,
}

/// What is shown through one cache directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AskedShown {
    /// The programs that read it today.
    pub program: Vec<String>,
    /// The directory.
    #[cfg_attr(feature = "schema", schemars(with = "crate::snapshot::ByteString"))]
    pub directory: String,
    /// What is shown; none: nothing of it.
    pub text: Option<String>,
}

/// The objects of all cards that OpenSC alone told of.
#[must_use]
pub fn asked(tokens: &Tokens<'_>) -> Vec<AskedObject> {
    let cases: Vec<AskedCase<'_>> = AskedCase::all(tokens).filter(|case| !case.is_unstable).collect();
    cases.iter().flat_map(objects).collect()
}

fn objects(case: &AskedCase<'_>) -> Vec<AskedObject> {
    let in_use: Vec<&AskedCache<'_>> =
        case.caches.iter().filter(|cache| !cache.programs.is_empty()).collect();
    let certificates = certificates(case);
    let one = |block: Block<'_>, live: Option<Block<'_>>| {
        let listed = live.and_then(|live| certificates.iter().find(|listed| listed.block == live));
        let shown: Vec<AskedShown> = in_use
            .iter()
            .map(|cache| AskedShown {
                program: cache.programs.clone(),
                directory: cache.dir.path.to_string(),
                text: through(cache, block, live).map(|shown| {
                    let text = shown.text().to_owned();
                    match listed {
                        Some(listed) => text + &content(cache.certificate_at(listed.ef, &listed.certificate)),
                        None => text,
                    }
                }),
            })
            .collect();
        let card = live.map(|block| {
            let content = listed.map(|listed| content(Some(Cow::Borrowed(&listed.certificate))));
            block.text().to_owned() + &content.unwrap_or_default()
        });
        let seen = in_use.iter().filter_map(|cache| through(cache, block, live));
        let mut ids: Vec<String> = live.into_iter().chain(seen).filter_map(Block::id).collect();
        ids.dedup();
        AskedObject {
            token: case.serial.clone(),
            class: block.class(),
            label: block.label(),
            ids,
            reference: block.reference(),
            path: block.path(),
            equal: shown.iter().all(|shown| shown.text == card),
            card,
            shown,
        }
    };
    let mut all: Vec<AskedObject> = case.objects().map(|block| one(block, Some(block))).collect();
    for change in in_use.iter().flat_map(|cache| &cache.changes) {
        if let Change::Ghost(block) = change {
            all.push(one(*block, None));
        }
    }
    all
}

/// What is in the file of a certificate, which OpenSC's list does not tell: lines as it prints them.
fn content(certificate: Option<Cow<'_, Certificate>>) -> String {
    let Some(certificate) = certificate else { return "\n\tContent        : no certificate".to_owned() };
    let until = certificate.validity.map_or_else(|| "?".to_owned(), |(_, end)| date(end));
    format!(
        "\n\tSubject        : {}\n\tSerial number  : {}\n\tValid until    : {until}\n\tPublic key     : {}",
        escape(certificate.subject().as_bytes()),
        hex(&certificate.serial),
        hex(&same_form(&certificate.key).fingerprint())
    )
}

/// All that an object goes by.
#[must_use]
pub fn names(object: &AskedObject) -> Names {
    let bytes = |id: &String| HEXLOWER.decode(id.as_bytes()).ok();
    Names {
        what: format!("{} \"{}\" of token {}", object.class, object.label, object.token),
        reference: object.reference,
        ids: object.ids.iter().filter_map(bytes).collect(),
        labels: vec![object.label.clone()],
        token: TokenNames { serial: object.token.clone(), labels: Vec::new(), maker: Some(Maker::default()) },
        ..Names::default()
    }
}

/// What is shown of an object through a cache.
fn through<'a>(cache: &AskedCache<'a>, block: Block<'a>, live: Option<Block<'a>>) -> Option<Block<'a>> {
    let found = cache.changes.iter().find_map(|change| match change {
        Change::Hidden(hidden) if Some(*hidden) == live => Some(None),
        Change::Other { live: listed, shown } if Some(*listed) == live => Some(Some(*shown)),
        Change::Ghost(ghost) if live.is_none() && *ghost == block => Some(Some(*ghost)),
        Change::Hidden(_) | Change::Other { .. } | Change::Ghost(_) => None,
    });
    found.unwrap_or(live)
}
