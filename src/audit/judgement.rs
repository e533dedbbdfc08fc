//! What came of a signature: the verdict, who made it, and what else to know, as data.

use std::fmt::{Display, Formatter};

use super::artefact::{Claimed, Content};
use crate::case::attribution::Verdict;
use crate::format::key::PublicKey;

/// Who made a signature.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Maker {
    /// A key that is known, by its number in the ring.
    Known(usize),
    /// A key that is known from nowhere, and made several.
    Unknown(PublicKey),
    /// One of these.
    OneOf(Vec<PublicKey>),
    /// It was not found.
    NotFound,
}

/// The answer about a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What came of it.
    pub verdict: Verdict,
    /// The key that it names, if that is known.
    pub named: Option<PublicKey>,
    /// Who made it.
    pub maker: Maker,
    /// What else to know.
    pub why: Option<Why>,
}

/// What else to know of a signature.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It could not be computed, and why.
    NotComputed(String),
    /// How names and keys go together.
    Is(Ground),
}

impl Display for Why {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::NotComputed(why) => why,
            Self::Is(ground) => ground.words(),
        })
    }
}

impl serde::Serialize for Why {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// How names, keys and what is signed go together, where that is more than the verdict says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    /// No key makes such a signature.
    Nobodys,
    /// The key that it names made it, over other bytes or with another algorithm.
    OtherBytes,
    /// The key that it names made it, and it is not written as it has to be.
    OtherForm,
    /// A key of its issuer made it, and not the one whose identifier it carries.
    Elsewhere,
    /// A key of its issuer made it, and it names another certificate than the one of that key.
    OtherCertificate,
    /// Issuer and subject have one name, and another key than its own, which was not found, made it.
    Unsaid,
    /// Issuer and subject have one name, and another key, which is known, made it.
    ByAnother,
    /// It is self-issued, and carries the identifier of a key that is not known here.
    SelfIssued,
    /// It is self-issued, and another key of its name made it.
    Rollover,
    /// Its own key made it, and it names another issuer.
    UnderAnotherName,
    /// It carries another identifier than that of the key of its issuer's name.
    OtherIdentifier,
    /// A known key made it, and it carries the identifier of an unknown one.
    UnknownIdentifier,
    /// A known key made it, and nothing says that it should have.
    NobodySays,
    /// The key made it whose identifier it carries, and that has another name.
    CalledOtherwise,
    /// Its issuer is named by nothing but a name, which other keys may have had.
    NameOnly,
    /// The key is named by what others may be called, too.
    ReferenceOnly,
    /// A key that is gone is called the same.
    StaleReference,
    /// The file beside it is not what was signed with the key that it names.
    Beside,
    /// The key that it names made it, over the digest of another content.
    OtherContent,
}

impl Ground {
    /// In words, as they follow a colon.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Nobodys => {
                "its signature is invalid: one of the two numbers of an ECDSA signature is zero or too large, and no key makes such"
            }
            Self::OtherBytes => {
                "its signature is invalid, though the key that it names made it: the bytes or the algorithm are not those that were \
     signed"
            }
            Self::OtherForm => {
                "the key that it names made it, but its signature is not written as it has to be there (two numbers in DER in X.509 and \
     CMS, side by side and on the curve of the algorithm in a JSON Web Signature, RSA as long as the modulus): programs \
     that check it refuse it"
            }
            Self::Elsewhere => {
                "made by a key of its issuer that has another identifier than it carries: programs that compare the two (OpenSSL does) \
     refuse it"
            }
            Self::OtherCertificate => {
                "made by a key of its issuer, and it names another certificate (by serial number) than the one of that key that is here; \
     if the one that it names is for the same key, it is sound, and if not, OpenSSL and others refuse it: put that \
     certificate beside it"
            }
            Self::Unsaid => {
                "its own key did not sign it, and it does not say whose key should have: issuer and subject have one name, as of a \
     CA's new key that the old one certified, and as of a self-signed one that was made through a stale cache; the CA's \
     other certificate, put beside it or named with --pubkey, decides"
            }
            Self::ByAnother => {
                "issuer and subject have one name, and it is signed by another key than it names: that is as it should be if a CA has \
     certified a new key with its old one, and wrong if it was to be self-signed: then it was made through a stale cache; \
     the CA's other certificate, put beside it or named with --pubkey, decides"
            }
            Self::SelfIssued => {
                "it is self-issued, not self-signed: it carries the identifier of another key of that name, which is not known here"
            }
            Self::Rollover => {
                "it is self-issued, not self-signed: issuer and subject have one name, and another key of that name has signed it, as when a \
     CA gets a new key"
            }
            Self::UnderAnotherName => {
                "it names another issuer than its subject, and is signed by the key that it names: self-signed under another name, or \
     issued by somebody who has the same key; the issuer's certificate, put beside it or named with --pubkey, decides"
            }
            Self::OtherIdentifier => {
                "a key with its issuer's name is known here, and it carries the identifier of another one"
            }
            Self::UnknownIdentifier => {
                "a key that is known here made it, and it carries the identifier of one that is not known here: name the issuer's \
     certificate, or put it beside it"
            }
            Self::NobodySays => {
                "a key that is known here made it, and nothing here says that it should have: it carries no identifier of the \
     key, and whoever it names is not known here; the certificate of that, put beside it or named with --pubkey, decides"
            }
            Self::CalledOtherwise => {
                "the key whose identifier it carries made it, and that key is known here under another name than its issuer's: the \
     issuer's certificate, put beside it or named with --pubkey, decides"
            }
            Self::NameOnly => {
                "no key with its issuer's name that is known here made it, and it carries no identifier of the key: a CA has often had \
     another key under the same name; that issuer's other certificate, put beside it, decides"
            }
            Self::ReferenceOnly => {
                "the key that is called as it says did not make it, and others may be called the same: names, numbers and identifiers \
     that are not made of a key are given again, by a CA that begins again and elsewhere; the certificate or the key itself, \
     put beside it, decides"
            }
            Self::StaleReference => {
                "a key that is called as it says made it, and a key that is gone from the card is called the same: which of them was \
     meant is not told"
            }
            Self::Beside => {
                "the file beside it, of the same name without its ending, is not what the key that it names has signed: it was changed, \
     or another key signed it"
            }
            Self::OtherContent => {
                "the key that it names made it, but its content is not the one that was signed"
            }
        }
    }
}

impl Judgement {
    /// By nobody that was found.
    pub const fn new(verdict: Verdict) -> Self {
        Self { verdict, named: None, maker: Maker::NotFound, why: None }
    }

    /// With this to know.
    pub fn why(self, ground: Ground) -> Self {
        Self { why: Some(Why::Is(ground)), ..self }
    }

    /// It cannot be told, because of this.
    pub fn open(why: impl Into<String>) -> Self {
        Self { why: Some(Why::NotComputed(why.into())), ..Self::new(Verdict::NotDecided) }
    }

    /// Is it undecided since nothing but a name tells which key should have made it?
    pub fn is_by_name_only(&self) -> bool {
        let is_it = matches!(self.why, Some(Why::Is(Ground::NameOnly | Ground::ReferenceOnly)));
        is_it && self.verdict == Verdict::NotDecided
    }

    /// The same, if this is the content that was signed with it.
    pub fn with_content<'c>(self, claimed: &'c Claimed, is_it: impl FnOnce(&'c Content) -> bool) -> Self {
        match &claimed.content {
            _ if self.verdict != Verdict::Sound => self,
            None => self,
            Some(Err(why)) => {
                Self { verdict: Verdict::NotDecided, why: Some(Why::NotComputed((*why).to_owned())), ..self }
            }
            Some(Ok(content)) if is_it(content) => self,
            Some(Ok(_)) => Self { verdict: Verdict::Invalid, ..self }.why(Ground::OtherContent),
        }
    }

    /// What it is about is elsewhere, and was signed by its digest. `is_it`: is the file beside it that?
    pub fn with_content_beside(self, is_it: Result<bool, String>) -> Self {
        match is_it {
            _ if self.verdict != Verdict::Sound => self,
            Ok(true) => self,
            Ok(false) => Self { verdict: Verdict::NotDecided, ..self }.why(Ground::Beside),
            Err(why) => Self { verdict: Verdict::NotDecided, why: Some(Why::NotComputed(why)), ..self },
        }
    }

    /// What was signed was guessed by the name of a file: only a key that is known says that it was this.
    pub fn of_what_is_beside(self) -> Self {
        match (self.verdict, &self.maker) {
            (Verdict::MadeByAnotherKey, Maker::NotFound | Maker::OneOf(_)) | (Verdict::Invalid, _) => {
                Self { verdict: Verdict::NotDecided, ..self }.why(Ground::Beside)
            }
            _ => self,
        }
    }
}
