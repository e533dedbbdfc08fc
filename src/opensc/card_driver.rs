//! Which of its drivers OpenSC takes for a card, under the settings of a program (`ctx.c`, `card.c`).
//!
//! A list of drivers is asked in its order, and the first that knows the card takes it: some know
//! it by its answer to reset, others select their application to see. `card_drivers` and
//! `OPENSC_DRIVER` replace the list. A block `card_atr` gives a card to a driver of the list
//! whatever that says. The driver `default` takes every card, but only with `enable_default_driver`.
//! All `app` blocks of a program count, the last one most. `force_card_driver` is not read. (Watched: 0.21, 0.23,
//! 0.26.1, 0.27.1.) Pure.

use std::ops::Range;

use super::config::Configuration;
use super::effective::is_template;
use super::reading::Reading;
use super::{Program, differences};
use crate::format::sc_hsm;
use crate::scconf::{Block, Position, Setting, Trap};

/// OpenSC's own list, in its order. Not every version has all of them; where versions differ in the
/// order, none of those that can be told here is concerned.
const INTERNAL: &[&str] = &[
    "skeid",
    "dtrust",
    "cardos",
    "flex",
    "cyberflex",
    "gpk",
    "gemsafeV1",
    "asepcos",
    "starcos",
    "tcos",
    "oberthur",
    "authentic",
    "iasecc",
    "belpic",
    "incrypto34",
    "akis",
    "entersafe",
    "epass2003",
    "rutoken",
    "rutoken_ecp",
    "myeid",
    "dnie",
    "masktech",
    "atrust-acos",
    "westcos",
    "esteid2018",
    "idprime",
    "cedulauy",
    "edo",
    "lteid",
    "esteid2025",
    "srbeid",
    "coolkey",
    "muscle",
    sc_hsm::DRIVER,
    "mcrd",
    "setcos",
    "PIV-II",
    "cac",
    "itacns",
    "isoApplet",
    "gids",
    "openpgp",
    "jpki",
    "npa",
    "cac1",
    "nqapplet",
    "eOI",
    "default",
];

/// What the name `old` stands for.
const OLD: &[&str] = &["miocos", "jcop"];

/// Drivers that select their application to see whether a card is theirs, and take it for nothing else.
const BY_APPLICATION: [&str; 3] = ["PIV-II", "isoApplet", "openpgp"];

/// Characters of a list that are shown.
const SHOWN: usize = 120;

/// Drivers of a list that are looked at; OpenSC has room for 48, and for each once.
const ROOM: usize = 96;

/// What a program's settings make of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Who takes it.
    pub taken: Taken,
    /// The setting that decides, with its place; none: it is OpenSC's own list.
    pub by: Option<String>,
}

/// Who takes a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The driver of this name. That it was told by its application, the card has to confirm.
    By(String),
    /// Nobody: "Card is invalid or cannot be handled".
    ByNobody,
    /// It cannot be told without asking the card for one application after the other.
    Unknown,
}

/// What the settings of a program say of drivers.
#[derive(Default)]
struct DriverSettings {
    /// The list and what replaced OpenSC's own.
    list: Option<(Vec<String>, String)>,
    /// What switched the driver `default` on.
    default: Option<String>,
    rules: Vec<Rule>,
    /// Names of drivers that are to be loaded from elsewhere.
    modules: Vec<Vec<u8>>,
}

/// A `card_atr` block.
struct Rule {
    atr: Vec<u8>,
    mask: Option<Vec<u8>>,
    driver: Vec<u8>,
    /// It says of what type the card is, too, which changes what its driver does.
    typed: bool,
    at: String,
}

/// A name in the list of drivers that replaces OpenSC's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverName {
    /// As it is written, escaped.
    pub name: String,
    /// Its place in the file; none: `OPENSC_DRIVER` names it.
    pub at: Option<Range<usize>>,
    /// Does any OpenSC have such a driver, or does a block say where to load it from?
    pub known: bool,
    /// The driver that may be meant by a name that is not known.
    pub meant: Option<&'static str>,
}

impl DriverName {
    fn new(name: &[u8], at: Option<Range<usize>>, modules: &[Vec<u8>]) -> Self {
        let is = |known: &&'static str| known.as_bytes() == name;
        let known = INTERNAL.iter().chain(OLD).chain(&["internal", "old"]).any(is)
            || modules.iter().any(|module| module == name);
        let letters = |name: &[u8]| -> Vec<u8> {
            name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect()
        };
        let own = letters(name);
        let like = |other: &&&'static str| !own.is_empty() && letters(other.as_bytes()).starts_with(&own);
        let meant = INTERNAL.iter().find(like).copied().filter(|_| !known);
        Self { name: crate::text::escape(name), at, known, meant }
    }
}

impl Configuration<'_> {
    /// The names in the list that replaces OpenSC's own list of drivers for a program; empty if nothing does.
    #[must_use]
    pub fn driver_names(&self, program: &Program) -> Vec<DriverName> {
        let situation = self.situation();
        let version = situation.version().unwrap_or(differences::HEAD);
        let (mut words, mut modules) = (Vec::new(), Vec::new());
        if let (Some((path, _)), Some(Ok(document))) = (self.text(), self.parsed(version)) {
            let reading = Reading { situation, document, path, version };
            for app in reading.app_blocks(program).unwrap_or_default() {
                if let Ok(Some(setting)) = app.body.setting("card_drivers")
                    && setting.first.is_some()
                {
                    let all = setting.assignments.iter().flat_map(|assignment| &assignment.values);
                    words = all.map(|word| (word.value.clone(), Some(word.range.clone()))).collect();
                }
                let blocks = app.body.blocks("card_driver", None).unwrap_or_default();
                modules.extend(blocks.into_iter().map(|block| block.name().to_vec()));
            }
        }
        if let Some(name) = situation.user.env.get("OPENSC_DRIVER") {
            words = vec![(name.0.clone(), None)];
        }
        words.into_iter().take(ROOM).map(|(name, at)| DriverName::new(&name, at, &modules)).collect()
    }

    /// Which driver a program takes for a card with this ATR. `usual`: the driver that OpenSC's own list
    /// gives to it, if the ATR tells.
    #[must_use]
    pub fn driver(&self, program: &Program, atr: &[u8], usual: Option<&str>) -> Choice {
        match self.driver_settings(program) {
            Ok(said) => said.choose(atr, usual),
            // It dies of that, which is said elsewhere.
            Err(_) => Choice { taken: Taken::Unknown, by: None },
        }
    }

    /// The drivers that take a card by its application, in the order in which a program asks them, where nothing but that
    /// tells who takes it.
    #[must_use]
    pub fn by_application(&self, program: &Program, atr: &[u8]) -> Vec<&'static str> {
        let Ok(said) = self.driver_settings(program) else { return Vec::new() };
        if said.choose(atr, None).taken != Taken::Unknown || said.rules.iter().any(|rule| rule.matches(atr)) {
            return Vec::new();
        }
        let known = |name| BY_APPLICATION.into_iter().find(|known| *known == name);
        said.asked().into_iter().filter_map(known).collect()
    }

    fn driver_settings(&self, program: &Program) -> Result<DriverSettings, Trap> {
        let situation = self.situation();
        let version = situation.version().unwrap_or(differences::HEAD);
        let mut said = DriverSettings::default();
        // A file that is not there, or not understood, says nothing.
        if let (Some((path, _)), Some(Ok(document))) = (self.text(), self.parsed(version)) {
            let reading = Reading { situation, document, path, version };
            said = reading.drivers(program)?;
        }
        if let Some(name) = situation.user.env.get("OPENSC_DRIVER") {
            let text = String::from_utf8_lossy(&name.0).into_owned();
            said.list = Some((vec![text], format!("OPENSC_DRIVER = {name}")));
        }
        // OpenSC's own list, by its name: as if nothing were said.
        said.list = said.list.filter(|(names, _)| names.iter().any(|name| name != "internal"));
        Ok(said)
    }
}

impl Reading<'_> {
    fn drivers(&self, program: &Program) -> Result<DriverSettings, Trap> {
        let mut said = DriverSettings::default();
        for app in self.app_blocks(program)? {
            let body = &app.body;
            if let Some(setting) = body.setting("card_drivers")?.filter(|setting| setting.first.is_some()) {
                let values = setting.assignments.iter().flat_map(|assignment| &assignment.values);
                let names: Vec<_> =
                    values.map(|word| String::from_utf8_lossy(&word.value).into_owned()).collect();
                let shown = crate::text::escape(names.join(", ").as_bytes());
                let cut = if shown.chars().count() > SHOWN { "…" } else { "" };
                let shown: String = shown.chars().take(SHOWN).collect();
                let text = format!("card_drivers = {shown}{cut} in {}", self.place(&setting));
                said.list = Some((names, text));
            }
            if let Some(setting) = body.setting("enable_default_driver")?
                && matches!(value(&setting), Some([b't' | b'T' | b'y' | b'Y', ..]))
            {
                said.default.get_or_insert(format!("enable_default_driver in {}", self.place(&setting)));
            }
            for block in body.blocks("card_driver", None)? {
                said.modules.push(block.name().to_vec());
            }
            // OpenSC passes over shorter names.
            for block in body.blocks("card_atr", None)?.into_iter().filter(|block| block.name().len() >= 4) {
                said.rules.push(self.rule(block)?);
            }
        }
        Ok(said)
    }

    fn rule(&self, block: &Block) -> Result<Rule, Trap> {
        let text = |key: &str| -> Result<Option<Vec<u8>>, Trap> {
            Ok(block.body.setting(key)?.as_ref().and_then(value).map(<[u8]>::to_vec))
        };
        let at = format!("{}:{}", self.path, self.document.position(block.range.start));
        let name = crate::text::escape(block.name());
        Ok(Rule {
            atr: block.name().to_vec(),
            mask: text("atrmask")?,
            driver: text("driver")?.unwrap_or_else(|| b"default".to_vec()),
            typed: block.body.setting("type")?.is_some(),
            at: format!("card_atr {name} in {at}"),
        })
    }

    /// Where a setting has its first value.
    fn place(&self, setting: &Setting<'_>) -> String {
        let at: Position = self.document.position(setting.first.map_or(0, |word| word.range.start));
        format!("{}:{at}", self.path)
    }
}

impl DriverSettings {
    fn choose(&self, atr: &[u8], usual: Option<&str>) -> Choice {
        let asked = self.asked();
        for name in asked.iter().copied().filter(|name| *name != "default") {
            if let Some(rule) = self.rules.iter().find(|rule| rule.is_of(name) && rule.matches(atr)) {
                let taken = if rule.typed { Taken::Unknown } else { Taken::By(name.to_owned()) };
                return Choice { taken, by: Some(rule.at.clone()) };
            }
        }
        let by = self.list.as_ref().map(|(_, by)| by.clone());
        // Those who may take it, up to the one that will.
        let mut before: Vec<&str> = Vec::new();
        for name in asked {
            if Some(name) == usual {
                let taken = match (before.as_slice(), usual) {
                    ([], _) => Taken::By(name.to_owned()),
                    (["openpgp"], Some("PIV-II")) => Taken::By("openpgp".to_owned()),
                    _ => Taken::Unknown,
                };
                return Choice { taken, by };
            }
            if self.may_take(name, usual) {
                before.push(name);
            }
        }
        match before.as_slice() {
            [] => Choice { taken: Taken::ByNobody, by },
            // It takes all that nobody else does.
            ["default"] => Choice { taken: Taken::By("default".to_owned()), by },
            [name] if BY_APPLICATION.contains(name) || *name == sc_hsm::DRIVER => {
                Choice { taken: Taken::By((*name).to_owned()), by }
            }
            _ => Choice { taken: Taken::Unknown, by: by.or_else(|| self.default.clone()) },
        }
    }

    /// The drivers that are asked, in their order.
    fn asked(&self) -> Vec<&str> {
        let Some((list, _)) = &self.list else { return INTERNAL.to_vec() };
        let mut asked: Vec<&str> = Vec::new();
        for name in list.iter().map(String::as_str) {
            let names = match name {
                "internal" => INTERNAL,
                "old" => OLD,
                name => &[name],
            };
            for name in names {
                if asked.len() < ROOM && !asked.contains(name) {
                    asked.push(name);
                }
            }
        }
        asked
    }

    /// May this driver take a card that `usual` takes by its ATR, or that nobody is known to take so?
    fn may_take(&self, name: &str, usual: Option<&str>) -> bool {
        let rank = |name: &str| INTERNAL.iter().position(|known| *known == name);
        match (name, usual) {
            ("default", _) => self.default.is_some(),
            // By the ATR alone.
            ("myeid", _) => false,
            // These cards have no further application.
            (_, Some(sc_hsm::DRIVER | "myeid")) if BY_APPLICATION.contains(&name) => false,
            _ => match (rank(name), usual.and_then(rank)) {
                // In the usual list, too, they are asked before the one that takes it.
                (Some(name), Some(usual)) => name > usual,
                (Some(_), None) => true,
                // Nobody's name, unless a block says where to load it from.
                (None, _) => OLD.contains(&name) || self.modules.iter().any(|known| known == name.as_bytes()),
            },
        }
    }
}

impl Rule {
    /// Is it for this driver? One has another name in the list than it gives itself.
    fn is_of(&self, name: &str) -> bool {
        let own = if name == "masktech" { "MaskTech" } else { name };
        self.driver == own.as_bytes()
    }

    /// Does it mean a card with this ATR? Written with colons, of the same length, and compared as text
    /// unless there is a mask.
    fn matches(&self, atr: &[u8]) -> bool {
        let written: Vec<String> = atr.iter().map(|byte| format!("{byte:02X}")).collect();
        let written = written.join(":");
        if written.len() != self.atr.len() {
            return false;
        }
        let Some(mask) = &self.mask else { return self.atr.eq_ignore_ascii_case(written.as_bytes()) };
        match (bytes(&self.atr), bytes(mask)) {
            (Some(wanted), Some(mask)) if wanted.len() == atr.len() && mask.len() == atr.len() => {
                let all = atr.iter().zip(&wanted).zip(&mask);
                all.into_iter().all(|((atr, wanted), mask)| atr & mask == wanted & mask)
            }
            _ => false,
        }
    }
}

/// Bytes written in hex with colons between them.
fn bytes(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok().filter(|_| byte.len() == 2)).collect()
}

fn value<'a>(setting: &Setting<'a>) -> Option<&'a [u8]> {
    setting.first.map(|word| word.value.as_slice()).filter(|value| !is_template(value))
}

#[cfg(test)]
#[path = "card_driver_tests.rs"]
mod tests;
