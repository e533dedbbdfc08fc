//! One round: OpenSC is asked about one card as often as it takes, and all of it counts only if the card stayed the same.
//!
//! *Fresh* comes first: its files tell the names under which OpenSC caches this card, and a card that OpenSC does not know
//! costs no more than that. Then *shown* over copies of the caches, and *live* at the end: that it equals what *fresh*
//! listed tells that the card was the same from the first to the last. Where it does not, both are asked once more. Some
//! OpenSC cannot read with caching off what it reads with it (0.27.1, an Estonian card): then what is listed with a new cache
//! stands for the card. If that is another list the second time, OpenSC's cache is wrong even when it is new.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::digest::{Digester, against};
use super::entries::{self, Files, Which};
use super::idle::{Idle, Stop};
use super::place::{Copy, Done, Place, Room};
use super::setting::{Setting, Speaker, arguments, tool_name};
use super::{listing, run};
use crate::repair::config::Goal;
use crate::snapshot::{
    Against, Ask, AskEnd, AskKind, AskTool, ByteString, Bytes, CacheDir, EntryName, Ripening,
};

/// How often the same copy is asked whether it turns.
const MOST_READINGS: u32 = 8;

/// How long pcscd may take to notice that a card is gone (it looks every 0.4 s).
const NOTICE: Duration = Duration::from_millis(600);

/// One card, and how OpenSC is asked about it.
pub(super) struct Round<'a> {
    pub(super) setting: &'a Setting,
    pub(super) place: &'a mut Place,
    pub(super) digester: &'a Digester,
    pub(super) idle: &'a Idle<'a>,
    /// What OpenSC needs besides the card, for caches that are to be empty.
    pub(super) needed: &'a Files,
    pub(super) asks: Vec<Ask>,
    /// What could not be compared, in words.
    pub(super) left: Vec<String>,
    /// Was it listed by any tool? Then it is a card that OpenSC takes.
    pub(super) is_listed: Cell<bool>,
}

/// What a round ends with, if it does not go on.
pub(super) enum End {
    /// The card moved: everything anew.
    Again(Stop),
    /// For good.
    For(AskEnd),
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        Self::Again(stop)
    }
}

impl From<std::io::Error> for End {
    fn from(why: std::io::Error) -> Self {
        Self::For(AskEnd::Failed(format!("the private directory cannot be used: {why}")))
    }
}

/// Why a tool listed nothing.
struct Unlisted {
    /// There is no reason for that in the card: it was listed before, or it is said not to be there, and is.
    is_odd: bool,
    end: End,
}

impl From<End> for Unlisted {
    fn from(end: End) -> Self {
        Self { is_odd: false, end }
    }
}

impl From<Stop> for Unlisted {
    fn from(stop: Stop) -> Self {
        End::from(stop).into()
    }
}

impl From<std::io::Error> for Unlisted {
    fn from(why: std::io::Error) -> Self {
        End::from(why).into()
    }
}

/// What OpenSC writes of a card into an empty cache.
pub(super) struct Fresh {
    files: Files,
    blocks: Vec<String>,
    room: Room,
    /// Whether the second tool was asked, too, and what it alone has written.
    is_whole: bool,
    of_second: BTreeSet<EntryName>,
    /// Where the card is listed otherwise with caching off: whether its list is the same once more.
    settled: Option<bool>,
}

impl Fresh {
    /// The serial numbers that stand in the names.
    pub(super) fn serials(&self) -> BTreeSet<Vec<u8>> {
        let names = self.files.iter().filter_map(|(name, _)| name.of_copy());
        names.map(|name| name.serial.text().into_owned()).collect()
    }

    fn content(&self, name: &EntryName) -> Option<&[u8]> {
        let at = self.files.binary_search_by(|(known, _)| known.cmp(name)).ok()?;
        self.files.get(at).map(|(_, content)| content.as_slice())
    }
}

impl Round<'_> {
    /// All of it, for these caches. `known`: what was fresh when it was asked before.
    pub(super) fn all(
        &mut self,
        known: Option<Fresh>,
        caches: &[(&CacheDir, Vec<Speaker>)],
    ) -> Result<Fresh, End> {
        let is_first = known.is_none();
        let mut fresh = match known {
            Some(fresh) => fresh,
            None => self.fresh()?,
        };
        let which = Which::Of(fresh.serials());
        let mut tools = BTreeSet::from([AskTool::Pkcs15]);
        let mut shown: Vec<(Room, Option<Goal>, Ask)> = Vec::new();
        for (dir, speakers) in caches {
            let (files, left) = entries::read(dir, &which);
            let irregular = entries::irregular(dir, &which);
            let irregular = irregular.filter(|_| speakers.iter().any(|speaker| speaker.may_cache));
            self.left.extend(left.into_iter().chain(irregular).map(|why| format!("{}: {why}", dir.path)));
            if files.is_empty() {
                continue;
            }
            // What the first tool never reads the second may.
            let is_unknown = |(name, _): &(EntryName, Vec<u8>)| fresh.content(name).is_none();
            if !fresh.is_whole && files.iter().any(is_unknown) {
                self.whole(&mut fresh)?;
            }
            let both = files.iter().any(|(name, _)| fresh.of_second.contains(name));
            if speakers.is_empty() {
                let ask =
                    self.ask(AskKind::Shown, AskTool::Pkcs15, Vec::new(), Some(&dir.path), AskEnd::NoProgram);
                self.asks.push(self.compared(ask, &files, &fresh));
            }
            for speaker in speakers {
                let second = (both && speaker.tool == AskTool::Pkcs15 && speaker.programs.len() > 1)
                    .then_some(AskTool::Pkcs11);
                for tool in [Some(speaker.tool), second].into_iter().flatten() {
                    tools.insert(tool);
                    shown.push(self.shown(dir, tool, speaker, &files, &fresh)?);
                }
            }
        }
        if is_first || !shown.is_empty() {
            self.live(&tools, &mut fresh)?;
        }
        let mut is_repeated = false;
        for (room, goal, mut ask) in shown {
            let mut ripening = self.ripening(&room, goal, &ask, &fresh)?.into_iter();
            ask.ripening = ripening.next();
            ask.later = ripening.collect();
            is_repeated |= ask.ripening.is_some();
            self.asks.push(ask);
        }
        if is_repeated {
            self.is_as_before()?;
        }
        if is_first {
            self.tell_fresh(&fresh);
        }
        Ok(fresh)
    }

    fn fresh(&mut self) -> Result<Fresh, End> {
        let needed: Vec<Copy<'_>> = copies(self.needed);
        let room = self.place.room(&needed)?;
        let (blocks, _) = self.listed(&room, AskTool::Pkcs15, Some(Goal::Yes))?;
        let files = self.written(&room)?;
        Ok(Fresh { files, blocks, room, is_whole: false, of_second: BTreeSet::new(), settled: None })
    }

    /// With what the second tool writes besides.
    fn whole(&mut self, fresh: &mut Fresh) -> Result<(), End> {
        fresh.is_whole = true;
        self.listed(&fresh.room, AskTool::Pkcs11, Some(Goal::Yes))?;
        let mut files = self.written(&fresh.room)?;
        for (name, content) in &mut files {
            match fresh.content(name) {
                // What the first has written stays as it was after the first.
                Some(known) => *content = known.to_vec(),
                None => {
                    fresh.of_second.insert(name.clone());
                }
            }
        }
        fresh.files = files;
        Ok(())
    }

    /// The files that OpenSC has put into a cache, without what it needed.
    pub(super) fn written(&self, room: &Room) -> Result<Files, End> {
        let mut files = room.files()?;
        files.retain(|(name, _)| name.of_copy().is_some());
        Ok(files)
    }

    fn shown(
        &mut self,
        dir: &CacheDir,
        tool: AskTool,
        speaker: &Speaker,
        files: &Files,
        fresh: &Fresh,
    ) -> Result<(Room, Option<Goal>, Ask), End> {
        let all: Vec<Copy<'_>> = copies(files).into_iter().chain(copies(self.needed)).collect();
        let room = self.place.room(&all)?;
        let goal = self.setting.goal(speaker);
        let (blocks, done) = self.listed(&room, tool, goal)?;
        let ask = self.ask(AskKind::Shown, tool, speaker.programs.clone(), Some(&dir.path), AskEnd::Done);
        let mut ask = self.compared(ask, files, fresh);
        ask.blocks = blocks;
        ask.cached = done.is_used;
        ask.read =
            done.read.into_iter().map(EntryName::from).filter(|name| name.of_copy().is_some()).collect();
        Ok((room, goal, ask))
    }

    /// Asks the card itself, with each of the tools, and looks whether it is what it was at first.
    fn live(&mut self, tools: &BTreeSet<AskTool>, fresh: &mut Fresh) -> Result<(), End> {
        for &tool in tools {
            let blocks = self.of_card(tool)?;
            // Not the same as at first: is it the card, or OpenSC?
            if tool == AskTool::Pkcs15 && blocks != fresh.blocks {
                if self.of_card(tool)? != blocks {
                    return Err(Stop::Moved("the card was changed meanwhile".to_owned()).into());
                }
                if fresh.settled.is_none() {
                    let (again, _) = self.listed(&fresh.room, tool, Some(Goal::Yes))?;
                    fresh.settled = Some(again == fresh.blocks);
                }
            }
            let programs = Vec::new();
            let mut ask = self.ask(AskKind::Live, tool, programs, None, AskEnd::Done);
            ask.blocks = blocks;
            self.asks.push(ask);
        }
        Ok(())
    }

    pub(super) fn of_card(&mut self, tool: AskTool) -> Result<Vec<String>, End> {
        let room = self.place.room(&copies(self.needed))?;
        Ok(self.listed(&room, tool, Some(Goal::Off))?.0)
    }

    /// Is the card listed as it was?
    fn is_as_before(&mut self) -> Result<(), End> {
        let blocks = self.of_card(AskTool::Pkcs15)?;
        let is_same = self
            .asks
            .iter()
            .any(|ask| ask.kind == AskKind::Live && ask.tool == AskTool::Pkcs15 && ask.blocks == blocks);
        if is_same { Ok(()) } else { Err(Stop::Moved("the card was changed meanwhile".to_owned()).into()) }
    }

    /// Asks the same copy again and again, where an entry is not what is on the card (or only its beginning, behind which the
    /// whole is put) and nothing was answered from it yet, until it is answered from. What was answered from already and is
    /// not what is on the card is taken out of it meanwhile: it may be why another entry is not asked for.
    fn ripening(
        &self,
        room: &Room,
        goal: Option<Goal>,
        ask: &Ask,
        fresh: &Fresh,
    ) -> Result<Vec<Ripening>, End> {
        let live = self.asks.iter().find(|live| live.kind == AskKind::Live && live.tool == ask.tool);
        let Some(mut live) = live.map(|live| &live.blocks) else { return Ok(Vec::new()) };
        if ask.tool == AskTool::Pkcs15 && fresh.settled == Some(true) {
            live = &fresh.blocks;
        }
        let is_right = ask.blocks == *live;
        let (mut waiting, mut answering): (Vec<EntryName>, Vec<EntryName>) = Default::default();
        for file in &ask.files {
            match file.against {
                Some(Against::Differs(_) | Against::Prefix | Against::Cut)
                    if file.size > 0 && !ask.read.contains(&file.name) =>
                {
                    waiting.push(file.name.clone());
                }
                Some(Against::Differs(_) | Against::Prefix | Against::Cut)
                    if !is_right && ask.read.contains(&file.name) =>
                {
                    answering.push(file.name.clone());
                }
                _ => {}
            }
        }
        if !ask.cached || waiting.is_empty() {
            return Ok(Vec::new());
        }
        let tool = ask.tool;
        let first: Sizes = ask
            .files
            .iter()
            .map(|file| (file.name.clone(), usize::try_from(file.size).unwrap_or(usize::MAX)))
            .collect();
        let mut before = self.written(room)?;
        let mut known = sizes(&before);
        let mut grown: BTreeSet<EntryName> =
            grown_since(&first, &known).filter(|name| waiting.contains(name)).collect();
        if grown.is_empty() && answering.is_empty() {
            return Ok(Vec::new());
        }
        room.without(&answering)?;
        let mut is_new = !answering.is_empty();
        let mut all: Vec<Ripening> = Vec::new();
        for readings in 2..=MOST_READINGS {
            let (_, done) = self.listed(room, tool, goal)?;
            let read: BTreeSet<EntryName> = done.read.into_iter().map(EntryName::from).collect();
            let (turned, still): (Vec<EntryName>, Vec<EntryName>) =
                waiting.into_iter().partition(|name| read.contains(name));
            waiting = still;
            // What was put behind a beginning may have made it what the card holds.
            let wrong = turned.iter().filter(|name| !is_right_in(&before, name, fresh)).cloned();
            let (later, behind): (Vec<EntryName>, Vec<EntryName>) =
                wrong.partition(|name| grown.contains(name));
            for (entries, behind) in [(later, false), (behind, true)] {
                if !entries.is_empty() {
                    all.push(Ripening { readings, turned: true, behind, entries });
                }
            }
            room.without(&turned)?;
            before = self.written(room)?;
            let now = sizes(&before);
            let new: Vec<EntryName> =
                grown_since(&known, &now).filter(|name| waiting.contains(name)).collect();
            // A reading that changes nothing is as every further one.
            if waiting.is_empty() || (new.is_empty() && turned.is_empty() && !is_new) {
                return Ok(all);
            }
            is_new = false;
            grown.extend(new.iter().cloned());
            known = now;
            if readings == MOST_READINGS && !new.is_empty() {
                all.push(Ripening { readings, turned: false, behind: false, entries: new });
            }
        }
        Ok(all)
    }

    /// What a tool lists in a room, and what it did to the cache there. On a busy host a tool now and then sees no card where
    /// there is one (0.27.1's `pkcs11-tool` one time in fifty): then it is run once more.
    pub(super) fn listed(
        &self,
        room: &Room,
        tool: AskTool,
        caching: Option<Goal>,
    ) -> Result<(Vec<String>, Done), End> {
        match self.listed_once(room, tool, caching) {
            Err(Unlisted { is_odd: true, .. }) => self.listed_once(room, tool, caching),
            told => told,
        }
        .map_err(|unlisted| unlisted.end)
    }

    fn listed_once(
        &self,
        room: &Room,
        tool: AskTool,
        caching: Option<Goal>,
    ) -> Result<(Vec<String>, Done), Unlisted> {
        let failed = |why: String| End::For(AskEnd::Failed(why));
        self.idle.is_still()?;
        let text = self.setting.configuration(&room.cache, self.idle.reader, caching).map_err(failed)?;
        let path = room.configure(&text)?;
        let watched = room.watch()?;
        let program: &Path = self.setting.path(tool).map_err(failed)?;
        let ran = run::run(program, arguments(tool), room, &path);
        // Before anything is made of what it said: a card that was pulled is the better reason.
        self.idle.is_still()?;
        let ran = ran.map_err(failed)?;
        let done = watched.done(room);
        let blocks = match tool {
            AskTool::Pkcs15 => listing::of_pkcs15(&ran.stdout, self.digester),
            AskTool::Pkcs11 => listing::of_pkcs11(&ran.stdout),
        };
        let said = listing::complaint(&ran.stderr);
        if blocks.is_none() || !ran.status.success() {
            // That the card is gone is noticed later than what came of it.
            std::thread::sleep(NOTICE);
            self.idle.is_still()?;
        }
        match (blocks, ran.status.code()) {
            (Some(blocks), Some(0)) => {
                self.is_listed.set(true);
                Ok((blocks, done))
            }
            (Some(_), Some(code)) => {
                Err(failed(format!("{} ended with exit code {code}{said}", tool_name(tool))).into())
            }
            (_, None) => Err(failed(format!("{} crashed ({}){said}", tool_name(tool), ran.status)).into()),
            (None, Some(_)) => Err(Unlisted {
                is_odd: self.is_listed.get() || listing::says_absent(&ran.stderr),
                end: End::For(AskEnd::ListsNothing(format!("{} lists no card{said}", tool_name(tool)))),
            }),
        }
    }

    fn tell_fresh(&mut self, fresh: &Fresh) {
        let mut ask = self.ask(AskKind::Fresh, AskTool::Pkcs15, Vec::new(), None, AskEnd::Done);
        ask.blocks.clone_from(&fresh.blocks);
        ask.settled = fresh.settled;
        ask.files =
            fresh.files.iter().map(|(name, content)| self.digester.file(name, content, None)).collect();
        self.asks.insert(0, ask);
    }

    /// With how each entry compares.
    fn compared(&self, mut ask: Ask, files: &Files, fresh: &Fresh) -> Ask {
        let compare = |(name, content): &(EntryName, Vec<u8>)| {
            let against = fresh.content(name).map(|fresh| against(content, fresh));
            self.digester.file(name, content, against)
        };
        ask.files = files.iter().map(compare).collect();
        ask
    }

    fn ask(
        &self,
        kind: AskKind,
        tool: AskTool,
        programs: Vec<String>,
        directory: Option<&ByteString>,
        ended: AskEnd,
    ) -> Ask {
        let atr = Bytes(self.idle.atr.to_vec());
        let ask = self.setting.ask(self.idle.reader, &atr, kind, tool, programs, directory, ended);
        Ask { beside: self.idle.beside().is_some(), ..ask }
    }
}

pub(super) fn copies(files: &Files) -> Vec<Copy<'_>> {
    files.iter().map(|(name, content)| (name.bytes(), content.as_slice())).collect()
}

/// Is this one of the files, in a copy, as many copies of the fresh one as you like?
fn is_right_in(files: &Files, name: &EntryName, fresh: &Fresh) -> bool {
    let content = files.iter().find(|(known, _)| known == name).map(|(_, content)| content.as_slice());
    let against = content.zip(fresh.content(name)).map(|(content, fresh)| against(content, fresh));
    matches!(against, Some(Against::Equal | Against::Copies(_)))
}

/// Names of files, and how long they are.
type Sizes = Vec<(EntryName, usize)>;

fn sizes(files: &Files) -> Sizes {
    files.iter().map(|(name, content)| (name.clone(), content.len())).collect()
}

fn grown_since<'n>(
    before: &'n [(EntryName, usize)],
    now: &'n [(EntryName, usize)],
) -> impl Iterator<Item = EntryName> + 'n {
    now.iter()
        .filter(|(name, size)| before.iter().any(|(known, old)| known == name && size > old))
        .map(|(name, _)| name.clone())
}
