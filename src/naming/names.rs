//! What a key or a token goes by, and whether a PKCS#11 URI means it: what it says it has to say as OpenSC would.

use super::uri::{self, Type, Uri};
use crate::text::escape;

/// Characters of a manufacturer that `CK_TOKEN_INFO` has room for.
const MAKER_LENGTH: usize = 32;

/// All that a key, or another object of a token, goes by. Text is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// What to call it where it has to be told from others.
    pub what: String,
    /// Its key reference.
    pub reference: Option<u8>,
    /// Its IDs, in whatever view: people know the one that they are shown.
    pub ids: Vec<Vec<u8>>,
    /// Its labels, escaped.
    pub labels: Vec<String>,
    /// Further words that name it as they are, whatever the case of their letters: files, fingerprints.
    pub words: Vec<String>,
    /// Its class, as PKCS#11 URIs tell them apart.
    pub class: Option<Type>,
    /// Its token.
    pub token: TokenNames,
}

impl Names {
    /// It goes by what the other goes by, too, which is the same as somebody else sees it.
    pub fn add(&mut self, other: Self) {
        fn add<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
            for one in more {
                if !all.contains(&one) {
                    all.push(one);
                }
            }
        }
        add(&mut self.ids, other.ids);
        add(&mut self.labels, other.labels);
        add(&mut self.words, other.words);
        add(&mut self.token.labels, other.token.labels);
        self.token.maker = self.token.maker.take().or(other.token.maker);
    }
}

/// All that a token goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenNames {
    /// Serial number, as it was read.
    pub serial: String,
    /// Its labels, escaped: its own, and what PKCS#11 makes of it.
    pub labels: Vec<String>,
    /// Who made it, if it is known what kind of token it is.
    pub maker: Option<Maker>,
}

/// Who made a token, as PKCS#11 tells it (`CK_TOKEN_INFO`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maker {
    /// As OpenSC calls them; none: it is not known here, and may be any.
    pub manufacturer: Option<Vec<u8>>,
    /// The model, as OpenSC calls it; none, as above.
    pub model: Option<&'static str>,
    /// How what other modules call the manufacturer and the model of such tokens begins.
    pub elsewhere: Option<(&'static str, &'static str)>,
}

impl Maker {
    /// The attribute of a URI that says otherwise, with what it says and what OpenSC says.
    pub(super) fn contradicts(&self, uri: &Uri) -> Option<(&'static str, Vec<u8>, Vec<u8>)> {
        let (manufacturer, model) = self.elsewhere.unwrap_or_default();
        let attributes = [
            ("manufacturer", &uri.manufacturer, self.manufacturer.clone(), manufacturer),
            ("model", &uri.model, self.model.map(|model| model.as_bytes().to_vec()), model),
        ];
        attributes.into_iter().find_map(|(name, said, own, elsewhere)| {
            let (said, own) = (said.as_ref()?, own?);
            // Both are filled up with blanks, and cut where their field ends.
            let is_own = said.trim_ascii_end() == own.get(..MAKER_LENGTH).unwrap_or(&own).trim_ascii_end();
            let is_elsewhere = !elsewhere.is_empty() && said.starts_with(elsewhere.as_bytes());
            (!is_own && !is_elsewhere).then(|| (name, said.clone(), own))
        })
    }
}

impl TokenNames {
    /// As people are told of it.
    #[must_use]
    pub fn what(&self) -> String {
        let serial = escape(self.serial.as_bytes());
        match self.labels.first() {
            Some(label) => format!("{serial} ({label})"),
            None => serial,
        }
    }

    /// Is it typed so, which is shown so?
    pub(super) fn is_called(&self, typed: &str, shown: &str) -> bool {
        self.serial.eq_ignore_ascii_case(typed) || self.labels.iter().any(|label| label == shown)
    }

    /// Does the URI mean it?
    pub(super) fn is_called_by(&self, uri: &Uri) -> bool {
        let names_maker = uri.manufacturer.is_some() || uri.model.is_some();
        let is_made_so = self.maker.as_ref().is_some_and(|maker| maker.contradicts(uri).is_none());
        (uri.serial.is_none() || names_serial(uri, self.serial.as_bytes()))
            && (!names_maker || is_made_so)
            && uri.token.as_ref().is_none_or(|label| self.labels.contains(&escape(label)))
    }
}

impl Names {
    /// Does the URI mean it?
    pub(super) fn is_called_by(&self, uri: &Uri) -> bool {
        let class = |class: Type| self.class.is_none_or(|own| own == class);
        self.token.is_called_by(uri)
            && uri.id.as_ref().is_none_or(|id| self.ids.contains(id))
            && uri.object.as_ref().is_none_or(|label| self.labels.contains(&escape(label)))
            && uri.class.is_none_or(class)
    }
}

/// Is it this serial number that the URI says, or the end of it that PKCS#11 has room for?
pub(super) fn names_serial(uri: &Uri, serial: &[u8]) -> bool {
    let last = serial.get(serial.len().saturating_sub(uri::SERIAL_LENGTH)..).unwrap_or(serial);
    uri.serial.as_ref().is_some_and(|typed| [serial, last].iter().any(|own| own.eq_ignore_ascii_case(typed)))
}
