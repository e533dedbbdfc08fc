//! Arguments that several commands share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::complete::{known_readers, known_serials, users};
use super::output::PROGRESS;
use crate::error::{Error, Exit};
use crate::finding::Severity;
use crate::fix::{Agreed, Subject};
use crate::observe::{
    self, Asking, CacheOwners, Cards, Each, ObserveOptions, each_in, observe, observe_each, select_serial,
    selecting,
};
use crate::patience;
use crate::repair::Consent;
use crate::report::lines::Screen;
use crate::snapshot::Snapshot;
use crate::text::{escape, shell_word};

/// Which cards, and whether they are there at all.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// Only the card in this reader (its name, or its number counted from 0)
    #[arg(long, value_name = "NAME|N", add = ArgValueCandidates::new(known_readers))]
    pub reader: Option<String>,
    /// Only the card with this serial number
    #[arg(long, value_name = "SERIAL", add = ArgValueCandidates::new(known_serials))]
    pub serial: Option<String>,
}

/// How long to look.
#[derive(Debug, Clone, Copy, Args)]
pub struct Time {
    /// Wait no longer than this, all in all, for readers, cards, file systems and the user database: what has not
    /// answered by then, or shows no sign of life for 10 seconds, is not read (exit code 3). Repairs are
    /// never interrupted
    #[arg(long, value_name = "SECONDS", default_value_t = Self::USUAL.timeout, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

impl Time {
    /// When nothing is said.
    pub const USUAL: Self = Self { timeout: 300 };

    /// It counts from now.
    pub fn begin(self) -> Duration {
        let limit = Duration::from_secs(self.timeout);
        patience::begin(limit);
        limit
    }
}

/// Where the facts come from.
#[derive(Debug, Clone, Args)]
pub struct Facts {
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub time: Time,
    /// Do not open PC/SC: look at caches and configuration only
    #[arg(long, conflicts_with_all = ["reader", "snapshot"])]
    pub offline: bool,
    /// Judge this snapshot file instead of this machine; - is standard input
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
}

/// Whether OpenSC is asked about cards.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Asks {
    /// Ask the installed OpenSC about every card, in child processes and without writing anything of anybody's: also about
    /// those that stalecard reads itself, for a second opinion
    #[arg(long, conflicts_with = "no_ask")]
    ask: bool,
    /// Never do; without either it is asked about cards that stalecard does not read, while no other program has them
    #[arg(long)]
    no_ask: bool,
    /// Ask about a card that stalecard does not read also while your own programs that have OpenSC loaded (a browser, an
    /// agent) have it open: they wait for it meanwhile. Never beside a program that has the card for itself alone or has no
    /// OpenSC, at a reader with a pin pad, under use_pin_caching = false, or as root
    #[arg(long, conflicts_with_all = ["ask", "no_ask"])]
    beside: bool,
}

impl Asks {
    /// About which cards, where people look.
    pub const fn usual(self) -> Asking {
        match (self.no_ask, self.beside) {
            (true, _) => Asking::Never,
            (false, true) => Asking::Beside,
            (false, false) => self.only_asked(Asking::Unread),
        }
    }

    /// The same where nobody looks: only if it is said, and never beside other programs.
    ///
    /// # Errors
    /// When that is what was typed.
    pub fn if_said(self) -> Result<Asking, Error> {
        if self.beside {
            let why = "--beside makes people's programs wait: it is for whoever looks, not for a watch or a monitor";
            return Err(Error::Usage(why.to_owned()));
        }
        Ok(self.only_asked(Asking::Never))
    }

    const fn only_asked(self, usual: Asking) -> Asking {
        if self.ask { Asking::All } else { usual }
    }
}

/// Whose caches.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub struct CachesOf {
    /// The caches of all users of this host, and those that belong to no home
    #[arg(long)]
    all_users: bool,
    /// The caches of this user
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(users))]
    user: Option<String>,
    /// This cache directory, as your own OpenSC would read it; may be repeated
    #[arg(long, value_name = "DIR")]
    cache_dir: Vec<PathBuf>,
}

/// Whether anything is done at all.
#[derive(Debug, Clone, Copy, Args)]
pub struct Rehearsal {
    /// Say what would be done, and do nothing. Fails as the real run would for want of permission or of room in the
    /// quarantine; only what writing alone can tell is not known
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: exit code 4 if something would change
    #[arg(long, requires = "dry_run")]
    exit_code: bool,
}

impl Rehearsal {
    /// How a run ends that ends so, and changed something or not.
    pub const fn exit(self, exit: Exit, changed: bool) -> Exit {
        exit.rehearsed(self.exit_code, changed)
    }
}

/// What was typed, fit for a shell, without what makes it a rehearsal, and however it was to be printed.
pub fn typed_for_real() -> String {
    for_real(&typed())
}

/// The same for a look that is to be taken again, at the card, too: without one it would come to the same.
pub fn typed_again() -> String {
    for_real(&online(typed()))
}

/// A check of what a repair was asked for: of the same card and caches, without what a check does not take.
pub fn typed_as_check() -> String {
    as_check(typed())
}

fn typed() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

fn for_real(words: &[String]) -> String {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let (options, rest) = words.split_at(end);
    let mut is_value = false;
    let is_kept = |word: &&String| {
        let is_format = std::mem::replace(&mut is_value, *word == "--format") || word.starts_with("--format");
        !is_format && !matches!(word.as_str(), "--dry-run" | "--exit-code")
    };
    let kept = options.iter().filter(is_kept).chain(rest).map(|word| quoted(word));
    std::iter::once("stalecard".to_owned()).chain(kept).collect::<Vec<_>>().join(" ")
}

fn online(mut words: Vec<String>) -> Vec<String> {
    words.retain(|word| word != "--offline");
    words
}

fn as_check(words: Vec<String>) -> String {
    let mut words = online(words);
    words.retain(|word| !matches!(word.as_str(), "--guarded" | "--unsafe" | "--refill" | "--diff"));
    if let Some(command) = words.iter_mut().find(|word| *word == "fix") {
        "check".clone_into(command);
    }
    for_real(&words)
}

/// Fit for a shell; an option, which is no name that has to be told from one, as it is.
fn quoted(word: &str) -> String {
    let is_option =
        |word: &str| word.starts_with('-') && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match word.split_once('=') {
        Some((name, value)) if is_option(name) => format!("{name}={}", shell_word(value)),
        None if is_option(word) => word.to_owned(),
        _ => shell_word(word),
    }
}

/// How far a repair may go.
#[derive(Debug, Clone, Copy, Args)]
pub struct AgreedArgs {
    #[command(flatten)]
    pub rehearsal: Rehearsal,
    /// Also what belongs to another user, and public keys of which no file tells whether they are stale; with `fix`
    /// also the edit of opensc.conf that a finding calls for, which concerns every user (a copy is kept)
    #[arg(long)]
    guarded: bool,
    /// Also private data (which is removed and not kept), and files that OpenSC did not make
    #[arg(long = "unsafe")]
    dangerous: bool,
}

impl AgreedArgs {
    /// The same as a repair takes it.
    pub const fn plain(self) -> Agreed {
        let mut consent = Consent::safe();
        if self.guarded {
            consent = consent.and_guarded();
        }
        if self.dangerous {
            consent = consent.and_unsafe();
        }
        Agreed { dry_run: self.rehearsal.dry_run, consent, refill: false }
    }
}

/// Whether caches are filled anew.
#[derive(Debug, Clone, Copy, Args)]
pub struct Fills {
    /// Put what OpenSC itself writes of the card today in place of what goes, so that the next listing is as quick as it was.
    /// The installed OpenSC lists the card for that a few times, on a copy; nobody else may have the card open. Nothing
    /// that is flagged private is put there
    #[arg(long, conflicts_with = "no_ask")]
    pub refill: bool,
}

impl Fills {
    /// With that.
    pub const fn agreed(self, agreed: Agreed) -> Agreed {
        Agreed { refill: self.refill, ..agreed }
    }
}

impl CachesOf {
    /// Whose caches are meant.
    pub fn whose(&self) -> CacheOwners {
        match &self.user {
            Some(name) => CacheOwners::User(name.clone()),
            None if self.all_users => CacheOwners::All,
            None if self.cache_dir.is_empty() => CacheOwners::Caller,
            None => CacheOwners::Directories(self.cache_dir.clone()),
        }
    }
}

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Human,
    /// For scripts: schema stalecard/1
    Json,
}

/// The least severity that makes the exit code 1.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FailOn {
    Critical,
    Error,
    Warning,
    Info,
}

impl FailOn {
    /// The severity that is meant.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Critical => Severity::Critical,
            Self::Error => Severity::Error,
            Self::Warning => Severity::Warning,
            Self::Info => Severity::Info,
        }
    }
}

impl Selection {
    /// Which cards to read.
    pub fn cards(&self, offline: bool) -> Cards<'_> {
        if offline { Cards::None } else { Cards::In(self.reader.as_deref()) }
    }

    /// The cards, and whose caches, as a repair takes it.
    pub fn subject(&self, whom: &CachesOf, offline: bool, asking: Asking) -> Subject<'_> {
        let wish = ObserveOptions { cards: self.cards(offline), status: false, asking, progress: PROGRESS };
        Subject { wish, whose: whom.whose(), serial: self.serial.as_deref() }
    }
}

/// Looks at this host and its caches, without a card.
pub fn look_at_host() -> Result<Snapshot, Error> {
    observe(&ObserveOptions { cards: Cards::None, status: false, asking: Asking::Never, progress: PROGRESS })
}

/// The same, unless there is a snapshot file to be looked at.
pub fn host_or(snapshot: Option<&Path>) -> Result<Snapshot, Error> {
    snapshot.map_or_else(look_at_host, observe::load)
}

/// The screen for what is said of a snapshot: if it was read from a file with its host, and its moment from which ages count.
pub fn screen_of(screen: &Screen, file: Option<&Path>, snapshot: &Snapshot) -> Screen {
    match file {
        Some(_) => {
            let user = snapshot.user.name.as_deref();
            screen.of_recording(&snapshot.host, user, snapshot.taken_at.unix_timestamp())
        }
        None => screen.clone(),
    }
}

impl Facts {
    /// See [`screen_of`]; with the users that are known.
    pub fn screen_of(&self, screen: &Screen, snapshot: &Snapshot) -> Screen {
        let mut screen = screen_of(screen, self.snapshot.as_deref(), snapshot);
        let users = std::iter::once(&snapshot.user).chain(snapshot.others.iter().map(|other| &other.user));
        for user in users {
            if let Some(name) = &user.name {
                screen.users.insert(user.uid, escape(name.as_bytes()));
            }
        }
        screen
    }

    /// Gets the facts about each user, one after the other; those in a snapshot file are all there is.
    /// `status` asks the card for SO-PIN and DKEK as well.
    pub fn each(
        &self,
        whom: &CachesOf,
        status: bool,
        asking: Asking,
        each: Each<'_>,
    ) -> Result<Snapshot, Error> {
        self.time.begin();
        let selection = &self.selection;
        let each = &mut selecting(selection.serial.as_deref(), self.offline, each);
        let Some(path) = &self.snapshot else {
            let cards = selection.cards(self.offline);
            let wish = ObserveOptions { cards, status, asking, progress: PROGRESS };
            return observe_each(&wish, &whom.whose(), each);
        };
        let mut snapshot = observe::load(path)?;
        if let Some(reader) = &selection.reader {
            snapshot.select_reader(reader);
        }
        each_in(&mut snapshot, each)?;
        Ok(snapshot)
    }

    /// The user who may change the caches that are looked at; with a snapshot that of the snapshot.
    pub fn caller(&self) -> Result<Option<u32>, Error> {
        match self.snapshot {
            Some(_) => Ok(None),
            None => Ok(Some(crate::host::Caller::uid()?)),
        }
    }

    /// The facts about who may have made a signature: with what flushes took out of caches.
    pub fn look_for_makers(&self, asking: Asking) -> Result<Snapshot, Error> {
        let mut snapshot = self.look(false, asking)?;
        if self.snapshot.is_none() {
            observe::look_into_quarantine(&mut snapshot);
        }
        Ok(snapshot)
    }

    /// Gets the facts; `status` asks the card for SO-PIN and DKEK as well.
    pub fn look(&self, status: bool, asking: Asking) -> Result<Snapshot, Error> {
        self.time.begin();
        let mut snapshot = match &self.snapshot {
            Some(path) => observe::load(path)?,
            None => {
                let cards = self.selection.cards(self.offline);
                observe(&ObserveOptions { cards, status, asking, progress: PROGRESS })?
            }
        };
        if let Some(serial) = &self.selection.serial {
            select_serial(&mut snapshot, serial, self.offline)?;
        }
        if let (Some(reader), Some(_)) = (&self.selection.reader, &self.snapshot) {
            snapshot.select_reader(reader);
        }
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::{as_check, for_real};

    /// A rehearsal ends with the very command: whoever copies it gets what was rehearsed, and nothing else.
    #[test]
    fn a_rehearsal_names_the_command_that_was_typed_without_what_makes_it_one() {
        let typed =
            |words: &[&str]| for_real(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let cases: [(&[&str], &str); 8] = [
            (&["flush", "--dry-run"], "stalecard flush"),
            (
                &["flush", "--user", "ca", "--dry-run", "--exit-code", "--guarded"],
                "stalecard flush --user ca --guarded",
            ),
            (
                &["-q", "flush", "Private Key", "--dry-run", "--cache-dir=/a b"],
                "stalecard -q flush 'Private Key' --cache-dir='/a b'",
            ),
            (
                &["undo", "--dry-run", "--force", "20260101T000000Z-1"],
                "stalecard undo --force 20260101T000000Z-1",
            ),
            (&["flush", "--dry-run", "--", "--dry-run", "a'b"], "stalecard flush -- --dry-run 'a'\\''b'"),
            (&["flush", "--dry-run", "-$(x)"], "stalecard flush '-$(x)'"),
            (&["flush", "--format", "json", "--all", "--dry-run"], "stalecard flush --all"),
            (&["flush", "--format=json", "--dry-run", "x"], "stalecard flush x"),
        ];
        for (words, expected) in cases {
            assert_eq!(typed(words), expected);
        }
    }

    /// What could not be looked at is looked at by a check, not by the repair that could not: that would only say so again.
    #[test]
    fn a_check_of_what_a_repair_was_asked_for_looks_at_no_less() {
        let words = ["-q", "fix", "--user", "ca", "--guarded", "--dry-run", "--serial", "fix", "--diff"];
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        assert_eq!(as_check(words), "stalecard -q check --user ca --serial fix");
        assert_eq!(as_check(vec!["fix".to_owned(), "--offline".to_owned()]), "stalecard check");
    }
}
