//! What cures a finding, as a value: the commands that people see, what a repair takes, and the data for
//! scripts are all made from it.
//!
//! Hides how a command line of ours, or of another tool, is written: nothing else builds one or reads one.

use serde::{Serialize, Serializer};

use super::{Finding, Safety};
use crate::text::{shell_option, shell_word};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// What it does, in words.
    pub what: String,
    /// What is to be done.
    pub deed: Deed,
    /// The consent that its command gives beside being typed.
    pub consent: Safety,
    /// Whose caches it is about, if not the calling user's: login name, or number. Escaped. Takes consent.
    pub user: Option<String>,
    /// The cache directory it is about, as it was named, if only named ones are looked at. Escaped.
    pub cache_dir: Option<String>,
    /// The configuration that it edits, as it was named, if that is not the one that OpenSC reads. Escaped.
    pub configuration: Option<String>,
    /// Its card was asked about beside other programs that have it open, and has to be once more.
    pub beside: bool,
    /// Something else comes first, as `what` says: no command is shown yet.
    pub waits: bool,
}

/// What is to be done about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Move the entries that the finding names out of the cache; private data is removed.
    Move {
        /// How people ask for it.
        how: How,
        /// What does it without being told which entries.
        unasked: Unasked,
    },
    /// Write the right certificate of a key to the card, by hand. Until that is done the entries that the finding
    /// names stay, whatever else is wrong with them: they may be all that is left of the right public key.
    WriteCertificate,
    /// Put back on the card what is missing there of something that it holds, by hand. Until that is done the entries that
    /// the finding names stay as well: they are a copy of it.
    Restore,
    /// Have the keys of the token with this serial number sign.
    Prove(String),
    /// Look at this host.
    Check,
    /// Hold it against what somebody has written down of the token.
    HoldAgainst,
    /// Switch caching off for every program.
    SwitchCachingOff,
    /// Switch it off for the programs with this application name alone.
    SwitchCachingOffFor(&'static str),
    /// Edit the configuration by hand.
    EditConfiguration,
    /// Restart a service of systemd.
    RestartService {
        /// Its unit.
        unit: String,
        /// Whose it is.
        manager: Manager,
    },
    /// End the processes with these numbers and start their program again.
    RestartProgram(Vec<u32>),
    /// Take this PKCS#11 module, its path as it is shown, out of the user's `ssh-agent`, and add it again.
    ReloadAgent(String),
    /// Give a file or directory, its path as it is shown, to the user with this number.
    ChangeOwner(u32, String),
    /// Take all rights of others on a directory, its path as it is shown, away.
    CloseToOthers(String),
    /// Something else that only a person can do.
    ByHand,
}

/// How people ask for entries to be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// With `flush`: all that are stale.
    Flush,
    /// With `flush --serial`: all of the card with this serial number.
    FlushCard(String),
    /// With `flush` and the path of the entry as it is shown.
    FlushEntry(String),
    /// With `fix`: all that findings call for.
    Fix,
}

/// Which command moves entries of itself, without being told which: each does what those before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unasked {
    /// None.
    Never,
    /// `fix`.
    ByFix,
    /// `flush`, and so `fix`.
    ByFlush,
    /// The same, but with consent only, whatever else is wrong with the entries: no file tells whether they are stale.
    InDoubt,
}

/// Who manages a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// The system.
    System,
    /// The calling user.
    Caller,
    /// The user with this number.
    User(u32),
}

impl Deed {
    /// Its name for scripts.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Move { how: How::Flush, .. } => "flush",
            Self::Move { how: How::FlushCard(_), .. } => "flush-card",
            Self::Move { how: How::FlushEntry(_), .. } => "flush-entry",
            Self::Move { how: How::Fix, .. } => "fix",
            Self::WriteCertificate => "write-certificate",
            Self::Restore => "restore",
            Self::Prove(_) => "verify",
            Self::Check => "check",
            Self::HoldAgainst => "check-against",
            Self::SwitchCachingOff => "disable-cache",
            Self::SwitchCachingOffFor(_) => "disable-cache-for-program",
            Self::EditConfiguration => "edit-configuration",
            Self::RestartService { .. } => "restart-service",
            Self::RestartProgram(_) => "restart-program",
            Self::ReloadAgent(_) => "reload-agent",
            Self::ChangeOwner(..) => "change-owner",
            Self::CloseToOthers(_) => "change-mode",
            Self::ByHand => "by-hand",
        }
    }

    /// Who does it, if nothing else is said.
    const fn usual_consent(&self) -> Safety {
        match self {
            Self::Move { .. } | Self::Prove(_) | Self::Check => Safety::Safe,
            Self::SwitchCachingOff => Safety::Guarded,
            Self::WriteCertificate
            | Self::Restore
            | Self::HoldAgainst
            | Self::EditConfiguration
            | Self::SwitchCachingOffFor(_)
            | Self::RestartService { .. }
            | Self::RestartProgram(_)
            | Self::ReloadAgent(_)
            | Self::ChangeOwner(..)
            | Self::CloseToOthers(_)
            | Self::ByHand => Safety::Manual,
        }
    }
}

impl Remedy {
    /// With the consent that is usual for it.
    #[must_use]
    pub fn new(what: impl Into<String>, deed: Deed) -> Self {
        let consent = deed.usual_consent();
        Self {
            what: what.into(),
            consent,
            deed,
            user: None,
            cache_dir: None,
            configuration: None,
            beside: false,
            waits: false,
        }
    }

    /// Something that only a person can do, and that the words say.
    #[must_use]
    pub fn by_hand(what: impl Into<String>) -> Self {
        Self::new(what, Deed::ByHand)
    }

    /// The finding's entries are stale: any flush takes them.
    #[must_use]
    pub fn flush(what: impl Into<String>) -> Self {
        Self::new(what, Deed::Move { how: How::Flush, unasked: Unasked::ByFlush })
    }

    /// With other consent.
    #[must_use]
    pub fn with(self, consent: Safety) -> Self {
        Self { consent, ..self }
    }

    /// With the card asked about beside other programs, if it was so before.
    #[must_use]
    pub fn asked_beside(self, beside: bool) -> Self {
        Self { beside, ..self }
    }

    /// When something else was done first.
    #[must_use]
    pub fn waiting(self) -> Self {
        Self { waits: true, ..self }
    }

    /// It is about another user's caches, if it is about caches.
    pub fn belongs_to(&mut self, user: &str) {
        if matches!(self.deed, Deed::Move { .. }) {
            self.user = Some(user.to_owned());
        }
    }

    /// Only this cache directory was looked at, and is meant.
    pub fn lies_in(&mut self, directory: &str) {
        if matches!(self.deed, Deed::Move { .. }) {
            self.cache_dir = Some(directory.to_owned());
        }
    }

    /// The consent that its command gives: what is another user's always takes some.
    #[must_use]
    pub fn agreed_to(&self) -> Safety {
        if self.user.is_some() { self.consent.max(Safety::Guarded) } else { self.consent }
    }

    /// Only this configuration was looked at, and is meant.
    pub fn stands_in(&mut self, configuration: &str) {
        if matches!(self.deed, Deed::SwitchCachingOff | Deed::SwitchCachingOffFor(_)) {
            self.configuration = Some(configuration.to_owned());
        }
    }

    /// What a finding's entries are taken by, if it says that they are to be moved.
    #[must_use]
    pub const fn moves(&self) -> Option<Unasked> {
        match self.deed {
            Deed::Move { unasked, .. } => Some(unasked),
            _ => None,
        }
    }

    /// The exact command, if there is one.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        if self.waits {
            return None;
        }
        Some(match &self.deed {
            Deed::Move { how, .. } => {
                let command = match how {
                    How::Flush => "stalecard flush".to_owned(),
                    How::FlushCard(serial) => format!("stalecard flush {}", shell_option("--serial", serial)),
                    How::FlushEntry(path) => format!("stalecard flush {}", shell_word(path)),
                    How::Fix => "stalecard fix".to_owned(),
                };
                let asks = self.beside && matches!(how, How::Flush | How::Fix);
                self.agreed(command + if asks { " --beside" } else { "" })
            }
            Deed::Prove(serial) => format!("stalecard verify {}", shell_option("--serial", serial)),
            Deed::Check => "stalecard check".to_owned(),
            Deed::HoldAgainst => "stalecard check --against FILE".to_owned(),
            Deed::SwitchCachingOff => self.edits("stalecard config disable-cache".to_owned()),
            Deed::SwitchCachingOffFor(app) => {
                self.edits(format!("stalecard config disable-cache {}", shell_option("--app", app)))
            }
            Deed::RestartService { unit, manager } => {
                let unit = shell_word(unit);
                match manager {
                    Manager::System => format!("systemctl restart {unit}"),
                    Manager::Caller => format!("systemctl --user restart {unit}"),
                    Manager::User(uid) => format!("systemctl --user --machine={uid}@.host restart {unit}"),
                }
            }
            Deed::ReloadAgent(module) => {
                let module = shell_word(module);
                format!("ssh-add -e {module}; ssh-add -s {module}")
            }
            Deed::ChangeOwner(uid, path) => format!("chown {uid} {}", shell_word(path)),
            Deed::CloseToOthers(path) => format!("chmod 700 {}", shell_word(path)),
            Deed::WriteCertificate
            | Deed::Restore
            | Deed::EditConfiguration
            | Deed::RestartProgram(_)
            | Deed::ByHand => return None,
        })
    }

    /// An edit with the file that is meant.
    fn edits(&self, command: String) -> String {
        match &self.configuration {
            Some(file) => format!("{command} {}", shell_option("--file", file)),
            None => command,
        }
    }

    /// A command on caches with its consent; those of another user always take `--guarded`.
    fn agreed(&self, mut command: String) -> String {
        // The directory says whose it is; both at once no command takes.
        let whose = match (&self.cache_dir, &self.user) {
            (Some(directory), _) => Some(shell_option("--cache-dir", directory)),
            (None, Some(user)) => Some(shell_option("--user", user)),
            (None, None) => None,
        };
        if let Some(whose) = whose {
            command = format!("{command} {whose}");
        }
        if self.consent == Safety::Unsafe {
            command.push_str(" --unsafe");
        }
        if self.user.is_some() || self.consent == Safety::Guarded {
            command.push_str(" --guarded");
        }
        command
    }

    /// Does its command all that the other's does to the entries of the other's findings, if it takes these entries?
    #[must_use]
    pub fn does(&self, other: &Self) -> bool {
        let is_flush = |remedy: &Self| matches!(remedy.deed, Deed::Move { how: How::Flush, .. });
        let is_unnamed = |remedy: &Self| matches!(remedy.deed, Deed::Move { how: How::Flush | How::Fix, .. });
        is_flush(self)
            && is_unnamed(other)
            && (&self.user, &self.cache_dir) == (&other.user, &other.cache_dir)
            && (self.beside || !other.beside)
            && other.agreed_to() <= self.agreed_to()
            && self.agreed_to() <= Safety::Guarded
    }
}

/// A remedy as scripts see it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Data<'r> {
    /// What it does, in words.
    what: &'r str,
    /// The exact command, fit for a shell, if there is one.
    command: Option<String>,
    /// What is to be done, for those who do not want to read the command. New ones may come.
    kind: &'static str,
    /// The consent that the command gives, or manual for what stalecard does not do. What the repair takes is the
    /// finding's safety.
    consent: Safety,
    /// Whose caches it is about, if not the calling user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'r str>,
    /// The cache directory it is about, if only named ones were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_dir: Option<&'r str>,
    /// Something else comes first, as what says; there is no command yet. Absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    waits: bool,
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Remedy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Remedy".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Data::json_schema(generator)
    }
}

impl Serialize for Remedy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = Data {
            what: &self.what,
            command: self.command(),
            kind: self.deed.kind(),
            consent: self.agreed_to(),
            user: self.user.as_deref(),
            cache_dir: self.cache_dir.as_deref(),
            waits: self.waits,
        };
        data.serialize(serializer)
    }
}

impl Finding {
    /// May an entry that it names be all that is left of a right public key, or of a description? Then that stays.
    #[must_use]
    pub fn holds_its_entries(&self) -> bool {
        self.fix.iter().any(|remedy| matches!(remedy.deed, Deed::WriteCertificate | Deed::Restore))
    }

    /// Does no file tell whether the entries that it names are stale?
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.is_moved(Unasked::InDoubt)
    }

    /// Does a command move the entries that it names of itself: `flush` ([`Unasked::ByFlush`]) or `fix`?
    #[must_use]
    pub fn is_moved(&self, by: Unasked) -> bool {
        self.fix.iter().filter_map(Remedy::moves).any(|unasked| unasked >= by)
    }

    /// The edit of the configuration that a repair makes for it, with consent.
    #[must_use]
    pub fn edit(&self) -> Option<&Remedy> {
        let is_edit =
            |remedy: &&Remedy| remedy.deed == Deed::SwitchCachingOff && remedy.consent < Safety::Manual;
        self.fix.iter().find(is_edit)
    }

    /// Entries that it names belong to somebody else than whoever is asked about: whatever moves them takes consent.
    pub fn takes_consent(&mut self) {
        self.safety = self.safety.max(Safety::Guarded);
        for remedy in self.fix.iter_mut().filter(|remedy| remedy.moves().is_some()) {
            remedy.consent = remedy.consent.max(Safety::Guarded);
        }
    }

    /// Is it about programs that have to be started again?
    #[must_use]
    pub const fn is_of_running_programs(&self) -> bool {
        !self.processes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn moved(how: How) -> Remedy {
        Remedy::new("", Deed::Move { how, unasked: Unasked::Never })
    }

    #[test]
    fn a_command_says_whose_cache_it_is_about_and_what_was_agreed_to() {
        let of_bob = |mut remedy: Remedy| {
            remedy.belongs_to("bob");
            remedy.command()
        };
        let said = |command: &str| Some(command.to_owned());
        assert_eq!(Remedy::flush("").command(), said("stalecard flush"));
        assert_eq!(of_bob(Remedy::flush("")), said("stalecard flush --user bob --guarded"));
        let guarded = || Remedy::flush("").with(Safety::Guarded);
        assert_eq!(guarded().command(), said("stalecard flush --guarded"));
        assert_eq!(of_bob(guarded()), said("stalecard flush --user bob --guarded"));
        let dangerous = || moved(How::FlushEntry("/a b/c".to_owned())).with(Safety::Unsafe);
        assert_eq!(dangerous().command(), said("stalecard flush '/a b/c' --unsafe"));
        assert_eq!(of_bob(dangerous()), said("stalecard flush '/a b/c' --user bob --unsafe --guarded"));
        let of_card = || moved(How::FlushCard("-1".to_owned()));
        assert_eq!(of_card().command(), said("stalecard flush --serial='-1'"));
        assert_eq!(of_bob(moved(How::Fix)), said("stalecard fix --user bob --guarded"));
        // Of a directory that was named the command names it, too: nothing else is meant.
        let in_dir = |mut remedy: Remedy| {
            remedy.lies_in("/x/opensc");
            remedy
        };
        let stale = || in_dir(Remedy::flush(""));
        assert_eq!(stale().command(), said("stalecard flush --cache-dir /x/opensc"));
        assert_eq!(of_bob(stale()), said("stalecard flush --cache-dir /x/opensc --guarded"));
        assert_eq!(in_dir(guarded()).command(), said("stalecard flush --cache-dir /x/opensc --guarded"));
        // The configuration is everybody's, and so is a card.
        let one = in_dir(Remedy::new("", Deed::SwitchCachingOffFor("pkcs15-init")));
        assert_eq!(of_bob(one), said("stalecard config disable-cache --app pkcs15-init"));
        let off = || Remedy::new("", Deed::SwitchCachingOff);
        assert_eq!(of_bob(off()), said("stalecard config disable-cache"));
        assert_eq!(of_bob(Remedy::new("", Deed::Prove("7".to_owned()))), said("stalecard verify --serial 7"));
        assert_eq!(off().waiting().command(), None);
        let mut named = off();
        named.stands_in("/a b/x.conf");
        assert_eq!(named.command(), said("stalecard config disable-cache --file '/a b/x.conf'"));
    }

    #[test]
    fn a_flush_does_what_one_with_less_consent_does_for_the_same_user() {
        let of = |mut remedy: Remedy, user: &str| {
            remedy.belongs_to(user);
            remedy
        };
        let (flush, guarded) = (|| Remedy::flush(""), || Remedy::flush("").with(Safety::Guarded));
        let fix = || moved(How::Fix).with(Safety::Guarded);
        assert!(guarded().does(&flush()) && !flush().does(&guarded()));
        assert!(of(flush(), "bob").does(&of(guarded(), "bob")) && of(flush(), "bob").does(&of(fix(), "bob")));
        assert!(!guarded().does(&of(flush(), "bob")) && !of(flush(), "eve").does(&of(flush(), "bob")));
        assert!(!fix().does(&flush()) && !flush().does(&moved(How::FlushCard("7".to_owned()))));
        assert!(!guarded().does(&moved(How::Fix).with(Safety::Unsafe)));
    }

    #[test]
    fn scripts_are_told_what_a_command_does_without_reading_it() {
        let mut remedy = Remedy::flush("move them");
        let data = |remedy: &Remedy| serde_json::to_value(remedy).unwrap();
        let expected = serde_json::json!({
            "what": "move them", "command": "stalecard flush", "kind": "flush", "consent": "safe",
        });
        assert_eq!(data(&remedy), expected);
        remedy.belongs_to("bob");
        assert_eq!(data(&remedy).get("consent").unwrap(), "guarded");
        assert_eq!(data(&remedy).get("user").unwrap(), "bob");
    }

    /// The plan withholds what belongs to somebody else: a command without consent would do nothing.
    #[test]
    fn a_flush_of_foreign_files_shows_its_consent() {
        let mut finding = Finding::new(super::super::Id::StaleKeyId, String::new(), String::new());
        finding.fix = vec![Remedy::flush(""), moved(How::Fix).with(Safety::Unsafe), Remedy::by_hand("x")];
        finding.takes_consent();
        let commands: Vec<_> = finding.fix.iter().map(Remedy::command).collect();
        let said = |command: &str| Some(command.to_owned());
        assert_eq!(commands, [said("stalecard flush --guarded"), said("stalecard fix --unsafe"), None]);
        assert_eq!(finding.safety, Safety::Guarded);
    }

    #[test]
    fn what_flush_takes_fix_takes_too() {
        let with = |unasked| {
            let mut finding = Finding::new(super::super::Id::StaleKeyId, String::new(), String::new());
            finding.fix.push(Remedy::new("", Deed::Move { how: How::Flush, unasked }));
            finding
        };
        let takes = |unasked| {
            [Unasked::ByFix, Unasked::ByFlush, Unasked::InDoubt].map(|by| with(unasked).is_moved(by))
        };
        assert_eq!(takes(Unasked::Never), [false, false, false]);
        assert_eq!(takes(Unasked::ByFix), [true, false, false]);
        assert_eq!(takes(Unasked::ByFlush), [true, true, false]);
        assert_eq!(takes(Unasked::InDoubt), [true, true, true]);
    }
}
