//! A verdict in the order in which a tired person needs it: one sentence, the danger, what is wrong by its causes, what
//! that does to them, what to do, one step after the other, and what was looked at.
//!
//! Plain data, made in `judge` (and, of a change, in `fix`): a renderer only sets it.

use serde::Serialize;
use time::OffsetDateTime;

use super::Scope;
use crate::finding::{Id, ObjectClass, ObjectName, Prose, Safety, Severity};

/// What there is to say first, and in which order the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brief {
    /// The first sentence.
    pub headline: Headline,
    /// What not to do, each in a line.
    pub dangers: Vec<String>,
    /// What is wrong, worst first.
    pub causes: Vec<Cause>,
    /// What it does to whoever works here.
    pub consequences: Vec<String>,
    /// What to do, in this order.
    pub steps: Vec<Step>,
    /// What could not be read though it was asked for, each with the reason; then how much else was not looked at.
    pub unread: Vec<String>,
    /// How much else was not looked at.
    pub passed_over: usize,
    /// Whose caches the sentence is about.
    pub scope: Scope,
}

/// The sentence of a verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Headline {
    /// In one word.
    pub state: Word,
    /// The same as a sentence or two. Escaped.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub sentence: Prose,
    /// What is known of the cards themselves.
    pub card: CardStanding,
}

/// A verdict in one word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// OpenSC shows what is not on the card.
    Stale,
    /// OpenSC shows something else than the card, and no file tells which is right.
    Undecided,
    /// What the card itself names, or what was signed, is wrong.
    Wrong,
    /// The configuration does not do what it says.
    Configuration,
    /// Nothing wrong is shown, but something is a risk.
    Risk,
    /// It could not be looked at.
    #[default]
    Unread,
    /// Nothing is wrong in what was looked at, and something was not looked at.
    Partly,
    /// All that was looked at is as it should be.
    Sound,
    /// Something was changed, as it was asked for.
    Done,
    /// Something would be changed.
    Planned,
    /// There was nothing to change.
    Unchanged,
    /// A change was not made, or did not help.
    Failed,
}

impl Word {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Stale,
        Self::Undecided,
        Self::Wrong,
        Self::Configuration,
        Self::Risk,
        Self::Unread,
        Self::Partly,
        Self::Sound,
        Self::Done,
        Self::Planned,
        Self::Unchanged,
        Self::Failed,
    ];

    /// What it says, and what to do about it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Stale => {
                "OpenSC shows what is not on the card (any more). Trust no listing and sign nothing here until \
                 `stalecard flush` has moved the old files aside and programs that hold them were restarted."
            }
            Self::Undecided => {
                "OpenSC shows something else than the card, and no file tells which of them is right. Flush nothing \
                 before the step that decides it, which the report names: mostly `stalecard verify`."
            }
            Self::Wrong => {
                "What the card itself names, what another program shows, or what was signed is wrong. No flush cures \
                 that; the report names what does."
            }
            Self::Configuration => {
                "opensc.conf does not do what it says, or OpenSC does not survive it. The report names file, line and \
                 what to write; `stalecard config lint` shows it."
            }
            Self::Risk => {
                "Nothing wrong is shown today, but something makes it likely to come: mostly that caching is on for a card \
                 that signals no change."
            }
            Self::Unread => {
                "Something that was asked for could not be read. That is no verdict on the card or the cache: mend what \
                 the report names, and look again."
            }
            Self::Partly => {
                "Nothing is wrong in what was looked at, and something that nobody asked for was not looked at; the report \
                 names it."
            }
            Self::Sound => "All that was looked at is as it should be.",
            Self::Done => {
                "What was asked for was changed; `stalecard undo` takes back what moved files or edited one."
            }
            Self::Planned => "A rehearsal: that would be changed. Nothing was.",
            Self::Unchanged => "There was nothing to change.",
            Self::Failed => {
                "A change was not made, or did not help. What it had begun was put back or is named; mend the cause that \
                 the report names first."
            }
        }
    }

    /// As the first word of a report.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Stale => "STALE",
            Self::Undecided => "UNDECIDED",
            Self::Wrong => "WRONG",
            Self::Configuration => "CONFIG",
            Self::Risk => "RISK",
            Self::Unread => "UNREAD",
            Self::Partly => "PARTLY",
            Self::Sound => "OK",
            Self::Done => "DONE",
            Self::Planned => "PLAN",
            Self::Unchanged => "SAME",
            Self::Failed => "FAILED",
        }
    }
}

/// What is known of the cards themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CardStanding {
    /// Every public key that they name is proven to be its private key's.
    Proven,
    /// Nothing speaks against them.
    NothingAgainst,
    /// Something does.
    Against,
    /// None was read, or not all of one.
    #[default]
    Unread,
}

/// One thing that is wrong, as people count: what is shown of one key from one cache is one, however many findings
/// tell of it. Text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cause {
    /// What is wrong.
    pub kind: CauseKind,
    /// The worst of its findings.
    pub severity: Severity,
    /// Serial of the token, if it concerns one.
    pub token: Option<String>,
    /// Whose cache it is, if not the calling user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The object, with its ID on the card and the one shown.
    pub object: Option<ObjectName>,
    /// Its title: the object by name and type.
    pub title: String,
    /// In a sentence.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub summary: Prose,
    /// What the card has, in a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_card: Option<String>,
    /// What is shown instead, in a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// What else of it is shown as it was: classes of objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub also_old: Vec<ObjectClass>,
    /// The cache directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The files of the card whose cached copies are to blame.
    pub files: Vec<String>,
    /// When the newest of these was written.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub cached_at: Option<OffsetDateTime>,
    /// The programs that show it.
    pub programs: Vec<String>,
    /// What is found of it: the findings are further down.
    pub findings: Vec<Id>,
    /// How many findings of one kind it stands for.
    pub count: usize,
    /// Where these stand among the findings of the verdict.
    #[serde(skip)]
    pub places: Vec<usize>,
    /// The sentence of the verdict says it already.
    #[serde(skip)]
    pub is_said: bool,
}

/// What a cause is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// A key is shown that is not on the card.
    Key,
    /// A certificate is shown that is not on the card.
    Certificate,
    /// Another object is shown otherwise than it is on the card.
    Object,
    /// Something on the card is not shown.
    Hidden,
    /// Two public keys for one key, and no file tells which is right.
    Undecided,
    /// A cache entry is damaged.
    Damaged,
    /// Something is wrong in a cache, and no program shows it today.
    Dormant,
    /// It would come again: there is nothing to see today.
    Recurrence,
    /// A running program goes on with what it read.
    Process,
    /// A configuration.
    Configuration,
    /// The token itself, or what it signed.
    Token,
    /// Something else on this host.
    Host,
}

impl CauseKind {
    /// Is it something that OpenSC shows wrongly today?
    #[must_use]
    pub const fn is_seen(self) -> bool {
        match self {
            Self::Key | Self::Certificate | Self::Object | Self::Hidden | Self::Undecided | Self::Damaged => {
                true
            }
            Self::Dormant
            | Self::Recurrence
            | Self::Process
            | Self::Configuration
            | Self::Token
            | Self::Host => false,
        }
    }

    /// Is all that there is to say of it a step?
    #[must_use]
    pub const fn is_only_a_step(self) -> bool {
        matches!(self, Self::Recurrence | Self::Process)
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Step {
    /// What for.
    pub purpose: Purpose,
    /// The exact command, fit for a shell, if there is one.
    pub command: Option<String>,
    /// What it does, or what a person has to do. Escaped.
    pub what: String,
    /// Since when what it is about may be wrong.
    #[serde(serialize_with = "in_rfc3339", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Rfc3339>"))]
    pub since: Option<i64>,
    /// What has to be so before the command helps: who reads only the command would run in a circle.
    #[serde(skip)]
    pub after: Option<&'static str>,
    /// Of something that a person does and no command: what is so when it is done ("when …"). Then the next command
    /// can follow.
    #[serde(skip)]
    pub done: Option<&'static str>,
    /// Of a flush: the consent that it gives.
    #[serde(skip)]
    pub gives: Option<Safety>,
}

fn in_rfc3339<S: serde::Serializer>(seconds: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
    seconds.map(crate::text::rfc3339).serialize(to)
}

impl Step {
    /// With the command that does it, if there is one.
    #[must_use]
    pub fn new(purpose: Purpose, command: Option<String>, what: impl Into<String>) -> Self {
        Self { purpose, command, what: what.into(), since: None, after: None, done: None, gives: None }
    }

    /// The same command once more, after something that only a person can do ("when …").
    #[must_use]
    pub fn again(purpose: Purpose, command: impl Into<String>, after: &'static str) -> Self {
        Self { after: Some(after), ..Self::new(purpose, Some(command.into()), format!("again, {after}")) }
    }

    /// Something that a person does, and what is so when it is done ("when …").
    #[must_use]
    pub fn by_hand(purpose: Purpose, what: impl Into<String>, done: &'static str) -> Self {
        Self { done: Some(done), ..Self::new(purpose, None, what) }
    }

    /// Does it make a difference who types it: is it about the caches, or the card, of one user? An edit of the
    /// configuration and a restart are everybody's.
    #[must_use]
    pub fn is_of_one_user(&self) -> bool {
        match self.purpose {
            // Their commands are all ours.
            Purpose::Look | Purpose::Decide | Purpose::Flush | Purpose::Verify => self.command.is_some(),
            Purpose::Restart | Purpose::Mend | Purpose::Reissue | Purpose::Prevent | Purpose::Undo => false,
        }
    }

    /// In one line: the command, or what is to be done.
    #[must_use]
    pub fn call(&self) -> &str {
        self.command.as_deref().unwrap_or(&self.what)
    }

    /// As the one thing to do: with what has to be so before.
    #[must_use]
    pub fn in_a_line(&self) -> String {
        match self.after {
            Some(after) => format!("{}, {after}", self.call()),
            None => self.call().to_owned(),
        }
    }
}

impl Brief {
    /// What has to be looked at again is what was asked for: the command as it was typed, and none that looks at less.
    pub fn look_again_by(&mut self, typed: &str) {
        let again = |step: &&mut Step| step.purpose == Purpose::Look && step.after.is_some();
        for step in self.steps.iter_mut().filter(again) {
            step.command = Some(typed.to_owned());
        }
    }

    /// The first thing to do; to take a change back is none, and where all is well nothing has to be done. What a person does
    /// and no command is told as what has to be so before the next command, if there is one: that can be typed.
    #[must_use]
    pub fn next(&self) -> Option<Step> {
        let is_due = |step: &&Step| self.headline.state != Word::Sound && step.purpose != Purpose::Undo;
        let mut due = self.steps.iter().filter(is_due);
        let first = due.next()?;
        let tells = |step: &&Step| match step.purpose {
            Purpose::Look | Purpose::Flush | Purpose::Verify => {
                step.command.is_some() && step.after.is_none()
            }
            Purpose::Decide
            | Purpose::Restart
            | Purpose::Mend
            | Purpose::Reissue
            | Purpose::Prevent
            | Purpose::Undo => false,
        };
        let follows = first.done.zip(due.find(tells));
        Some(match follows {
            Some((done, step)) => Step { after: Some(done), ..step.clone() },
            None => first.clone(),
        })
    }
}

/// What a step is for. The steps come in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To make it possible to look at all.
    Look,
    /// To know which of two is right, before anything is taken away.
    Decide,
    /// To take what is stale, or otherwise wrong, out of the cache.
    Flush,
    /// To end what goes on with the old view.
    Restart,
    /// To mend what no flush cures.
    Mend,
    /// To prove that it is cured.
    Verify,
    /// To find what was signed with it.
    Reissue,
    /// To keep it from coming back.
    Prevent,
    /// To take a change back.
    Undo,
}
