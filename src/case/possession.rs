//! What the card's own files say about whose key has a key reference, without a PIN.
//!
//! A SmartCard-HSM answers a key generation with a request that carries two signatures: the
//! inner one by the new key (proof of possession), the outer one by the device. They
//! prove that this device once made that key; that it is there still, only a fresh
//! signature proves, because all of these files can be written by whoever has the PIN.

use crate::case::token::Case;
use crate::crypto::{Outcome, Reason, cvc as signatures};
use crate::format::cvc;
use crate::text::escape;
use crate::view::Object;

/// What proves that a private key belongs to the public key shown for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Possession {
    /// Both signatures are good: generated on this device.
    Here,
    /// The inner signature is good, the outer one is this other device's: imported.
    Elsewhere(String),
    /// The inner signature is good, and there is no outer one.
    Unattested,
    /// The inner signature is not by the key that the request names.
    BadInner,
    /// The inner signature is good, the outer one names this device and is not by it.
    BadOuter,
    /// There is no request: a certificate has taken its place, or there is nothing.
    NoRequest,
    /// The request cannot be judged.
    NotDecidable(String),
}

impl Possession {
    /// Does it prove that somebody had the private key of this public key?
    #[must_use]
    pub const fn is_proved(&self) -> bool {
        matches!(self, Self::Here | Self::Elsewhere(_) | Self::Unattested)
    }

    /// In a few words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Here => {
                "generated on this device: proof of possession and device signature are good".to_owned()
            }
            Self::Elsewhere(device) => {
                format!("proof of possession is good; generated on another device ({device}) and imported")
            }
            Self::Unattested => "proof of possession is good; no device signature".to_owned(),
            Self::BadInner => "BAD proof of possession: not signed by the key it names".to_owned(),
            Self::BadOuter => "proof of possession is good, but the device signature is BAD".to_owned(),
            Self::NoRequest => "no proof of possession (no certificate request on the card)".to_owned(),
            Self::NotDecidable(why) => format!("cannot be judged: {why}"),
        }
    }
}

/// What the card's request for a private key proves.
#[must_use]
pub fn possession(case: &Case<'_>, device: Option<&Device>, key: &Object) -> Possession {
    possession_in(device, case.layout.request(key.ef).and_then(|file| case.on_card(file)))
}

/// What the content of a request file proves, on this card.
#[must_use]
pub fn possession_in(device: Option<&Device>, content: Option<&[u8]>) -> Possession {
    let Some(bytes) = content.filter(|bytes| bytes.first() == Some(&0x67)) else {
        return Possession::NoRequest;
    };
    let request = match cvc::decode(bytes) {
        Ok(request) => request,
        Err(error) => return Possession::NotDecidable(error.to_string()),
    };
    match signatures::possession(&request) {
        Outcome::Valid(_) => {}
        Outcome::Invalid | Outcome::Otherwise(_) => return Possession::BadInner,
        Outcome::NotDecidable(why) => return Possession::NotDecidable(why.to_string()),
    }
    let Some(outer) = &request.outer else { return Possession::Unattested };
    let Some(device) = device else {
        return Possession::NotDecidable("no device certificate".to_owned());
    };
    if outer.car != device.chr {
        return Possession::Elsewhere(escape(outer.car));
    }
    match device.signer.as_ref().map(|signer| signatures::made_by(&request, signer)) {
        Ok(Some(Outcome::Valid(_))) => Possession::Here,
        Ok(Some(Outcome::Invalid | Outcome::Otherwise(_))) => Possession::BadOuter,
        Ok(None) => Possession::Unattested,
        Ok(Some(Outcome::NotDecidable(why))) => Possession::NotDecidable(why.to_string()),
        Err(why) => Possession::NotDecidable(why.to_string()),
    }
}

/// The device that signs the requests it makes.
#[derive(Debug, Clone)]
pub struct Device {
    chr: Vec<u8>,
    signer: Result<signatures::Signer, Reason>,
}

impl Device {
    /// As its certificate says; where that leads is another question.
    #[must_use]
    pub fn of(case: &Case<'_>) -> Option<Self> {
        let certificate = cvc::decode(case.on_card(case.layout.device_certificate()?)?).ok()?;
        Some(Self { chr: certificate.chr.to_vec(), signer: signatures::Signer::new(&certificate.key) })
    }
}
