//! One card as OpenSC tells of it: what it lists of the card today beside what it shows through each cache, and each cache
//! entry beside the file that OpenSC would write today.
//!
//! No model of names or of a kind of card is in this: an entry is held against the *fresh* file of its name. One that OpenSC
//! really read, and that is something else, is why what is shown is old; one that it did not read does no harm yet.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::case::asked_blocks::{Block, Change, changes};
use crate::case::token::{certificate_side, file_evidence};
use crate::case::tokens::Tokens;
use crate::finding::{
    Deed, Evidence, FileEvidence, Finding, Id, ObjectClass, ObjectName, Prose, Remedy, Safety, Side,
    SideState,
};
use crate::format::x509::{self, Certificate};
use crate::snapshot::{
    Against, Ask, AskKind, AskTool, AskedFile, CacheDir, CacheEntry, CacheName, Card, EfPath, FileKind,
    LARGEST_ENTRY, Ripening, Snapshot,
};
use crate::text::escape;
use crate::view::layout;

/// One card that OpenSC was asked about.
pub struct AskedCase<'a> {
    /// The card.
    pub card: &'a Card,
    /// Its serial number, as it stands in cache file names; fit to be shown.
    pub serial: String,
    /// Who runs stalecard.
    uid: u32,
    /// What OpenSC lists of the card: with caching off, or with a new cache where it lists more with one.
    listed: &'a [String],
    /// What it writes with a new cache.
    fresh: &'a Ask,
    /// OpenSC's cache is wrong even when it is new: nothing can be told by files.
    pub is_unstable: bool,
    /// The reader of another card of which OpenSC caches other content by the same names.
    pub twin: Option<&'a str>,
    /// The caches that hold entries of it.
    pub caches: Vec<AskedCache<'a>>,
}

/// One cache directory with entries of the card.
pub struct AskedCache<'a> {
    /// The directory.
    pub dir: &'a CacheDir,
    /// The programs that answer from it.
    pub programs: Vec<String>,
    /// The entries of this card of which OpenSC writes one today.
    pub entries: Vec<AskedEntry<'a>>,
    /// In what its list differs from the card's.
    pub changes: Vec<Change<'a>>,
    /// How many entries of this card there are of which OpenSC writes none without a PIN.
    pub undecided: usize,
    /// Entries that are larger than anything that OpenSC writes: they were not copied, and are no copies of the card's files.
    pub oversized: Vec<&'a CacheEntry>,
}

/// A cache entry beside what OpenSC would write today.
pub struct AskedEntry<'a> {
    /// The entry.
    pub entry: &'a CacheEntry,
    /// What was seen of it when it was copied.
    kept: &'a AskedFile,
    /// What OpenSC writes today.
    fresh: &'a AskedFile,
    /// What follows.
    pub standing: Standing<'a>,
}

/// What a cache entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing<'a> {
    /// It is what the card holds, or enough of it.
    Right,
    /// OpenSC answers from it, and it is something else.
    Stale,
    /// OpenSC answers from it, and it is only the beginning, or has something behind it that is not the card's.
    Damaged,
    /// It is something else, and OpenSC will answer from it.
    Ripening(&'a Ripening),
    /// It is something else, and nobody answers from it.
    Dormant,
}

impl<'a> AskedCase<'a> {
    /// What OpenSC told of this card; none if it was not asked, or told nothing.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot, card: &'a Card) -> Option<Self> {
        let asks: Vec<&Ask> = snapshot.asks.iter().filter(|ask| ask.is_of(card)).collect();
        let done = |kind: AskKind| {
            asks.iter()
                .copied()
                .filter(move |ask| ask.kind == kind && ask.is_done() && ask.tool == AskTool::Pkcs15)
        };
        let (fresh, live) = (done(AskKind::Fresh).next()?, done(AskKind::Live).next_back()?);
        let is_settled = fresh.settled == Some(true);
        let is_unstable = fresh.blocks != live.blocks && !is_settled;
        let listed = if is_settled { &fresh.blocks } else { &live.blocks };
        let serial = card.serial.as_deref().unwrap_or_default();
        let cache = |dir: &'a CacheDir| {
            let of_dir = asks.iter().copied().filter(|ask| ask.kind == AskKind::Shown);
            let shown: Vec<&Ask> = of_dir.filter(|ask| ask.directory.as_ref() == Some(&dir.path)).collect();
            AskedCache::of(dir, fresh, &shown, &asks, listed)
        };
        let caches = snapshot.caches.iter().filter_map(cache).collect();
        Some(Self {
            card,
            serial: escape(serial.as_bytes()),
            uid: snapshot.user.uid,
            listed,
            fresh,
            is_unstable,
            twin: twin(snapshot, card, fresh),
            caches,
        })
    }

    /// The cards of a snapshot that are not read here and of which OpenSC told.
    pub fn all(tokens: &Tokens<'a>) -> impl Iterator<Item = Self> {
        let unread = tokens.cards.iter().copied().filter(|card| layout(card.family).is_none());
        unread.filter_map(|card| Self::of(tokens.snapshot, card))
    }

    /// The files that OpenSC writes with a new cache.
    #[must_use]
    pub fn fresh(&self) -> &'a [AskedFile] {
        &self.fresh.files
    }

    /// The objects that OpenSC lists of the card.
    pub fn objects(&self) -> impl Iterator<Item = Block<'a>> {
        self.listed.iter().map(|text| Block::of(text))
    }

    /// A finding about an object, with what everything of its kind has in common.
    #[must_use]
    pub fn finding(
        &self,
        id: Id,
        cache: &AskedCache<'_>,
        object: Option<ObjectName>,
        evidence: Vec<Evidence>,
        summary: impl Into<Prose>,
        consequence: &str,
    ) -> Finding {
        let mut finding = Finding::new(id, summary, consequence.to_owned());
        finding.token = Some(self.serial.clone()).filter(|serial| !serial.is_empty());
        finding.object = object;
        finding.program.clone_from(&cache.programs);
        let is_others =
            evidence.iter().filter_map(|evidence| evidence.file.as_ref()).any(|file| file.owner != self.uid);
        finding.evidence = evidence;
        if self.twin.is_some() && !cache.programs.is_empty() {
            // What is taken out comes back with the next listing of the other card.
            let what = "switch caching off: another card here has the same serial number, and OpenSC shows one for both";
            finding.fix.push(Remedy::new(what, Deed::SwitchCachingOff));
            finding.safety = Safety::Guarded;
            return finding;
        }
        let what = format!("move the stale entries of {} to the quarantine", cache.dir.path);
        finding.fix.push(Remedy::flush(what).asked_beside(self.fresh.beside));
        if is_others {
            finding.takes_consent();
        }
        finding
    }

    /// The object that lies in this entry's file, by what OpenSC lists of it.
    #[must_use]
    pub fn object_in(&self, entry: &AskedEntry<'_>) -> Option<Block<'a>> {
        let at: Vec<Block<'a>> = self.objects().filter(|block| entry.is_at(block)).collect();
        // A key and its certificate may lie in one file.
        let is_it = |block: &&Block<'_>| block.is_certificate() == entry.is_certificate();
        at.iter().find(is_it).or_else(|| at.first()).copied()
    }
}

/// The reader of another card with the same serial number, of which OpenSC writes other content by the same names.
fn twin<'a>(snapshot: &'a Snapshot, card: &Card, fresh: &Ask) -> Option<&'a str> {
    let serial = card.serial.as_ref()?;
    let is_other = |other: &&Card| {
        other.reader != card.reader
            && layout(other.family).is_none()
            && other.serial.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(serial))
    };
    let own: BTreeMap<_, _> = fresh.files.iter().map(|file| (&file.name, &file.digest)).collect();
    let differs = |file: &AskedFile| own.get(&file.name).is_some_and(|digest| **digest != file.digest);
    let is_fresh = |ask: &&Ask| ask.kind == AskKind::Fresh && ask.is_done() && ask.tool == AskTool::Pkcs15;
    snapshot.cards.iter().filter(is_other).find_map(|other| {
        let ask = snapshot.asks.iter().filter(is_fresh).find(|ask| ask.is_of(other))?;
        ask.files.iter().any(differs).then_some(other.reader.as_str())
    })
}

impl<'a> AskedCache<'a> {
    fn of(
        dir: &'a CacheDir,
        fresh: &'a Ask,
        shown: &[&'a Ask],
        asks: &[&'a Ask],
        listed: &'a [String],
    ) -> Option<Self> {
        let first = shown.first()?;
        let used: Vec<&Ask> = shown.iter().copied().filter(|ask| ask.cached && ask.is_done()).collect();
        let live = |ask: &Ask| -> Option<&'a [String]> {
            if ask.tool == AskTool::Pkcs15 {
                return Some(listed);
            }
            let mut of_tool = asks.iter().filter(|live| live.kind == AskKind::Live && live.tool == ask.tool);
            of_tool.next_back().map(|live| live.blocks.as_slice())
        };
        let mut told: Vec<Change<'a>> = Vec::new();
        for ask in &used {
            if let Some(live) = live(ask).filter(|_| told.is_empty()) {
                told = changes(live, &ask.blocks);
            }
        }
        let read: BTreeSet<_> = used.iter().flat_map(|ask| &ask.read).collect();
        // A snapshot may hold as many as somebody likes.
        let written: BTreeMap<_, _> = fresh.files.iter().map(|file| (&file.name, file)).collect();
        let there: BTreeMap<_, _> = dir.entries.iter().map(|entry| (&entry.name, entry)).collect();
        let ripe: BTreeMap<_, _> = used
            .iter()
            .flat_map(|ask| ask.ripening.iter().chain(&ask.later))
            .flat_map(|ripening| ripening.entries.iter().map(move |name| (name, ripening)))
            .collect();
        let mut undecided = 0;
        let mut entries = Vec::new();
        for kept in &first.files {
            let (Some(against), Some(fresh)) = (kept.against, written.get(&kept.name).copied()) else {
                undecided += 1;
                continue;
            };
            let Some(&entry) = there.get(&kept.name) else { continue };
            let is_read = read.contains(&kept.name);
            let standing = match (against, ripe.get(&kept.name).copied()) {
                // Certificates behind which another one was put: OpenSC reads that from the card.
                (Against::Prefix, _)
                    if is_read && kept.content.is_some() && kept.content == fresh.content =>
                {
                    Standing::Right
                }
                // A directory to which something was added since.
                (Against::Prefix, _) if is_read && !told.is_empty() => Standing::Stale,
                (Against::Cut, _) if is_read && !told.is_empty() => Standing::Damaged,
                // Today's certificate, and something behind it.
                (Against::Differs(_), _)
                    if is_read && kept.content.is_some() && kept.content == fresh.content =>
                {
                    Standing::Damaged
                }
                (Against::Differs(_), _) if is_read => Standing::Stale,
                (Against::Differs(_) | Against::Prefix | Against::Cut, Some(ripening)) => {
                    Standing::Ripening(ripening)
                }
                (Against::Differs(_), None) => Standing::Dormant,
                (Against::Equal | Against::Copies(_) | Against::Prefix | Against::Cut, _) => Standing::Right,
            };
            entries.push(AskedEntry { entry, kept, fresh, standing });
        }
        let mut programs: Vec<String> = Vec::new();
        for program in used.iter().flat_map(|ask| &ask.programs) {
            if !programs.contains(program) {
                programs.push(program.clone());
            }
        }
        let is_oversized = |entry: &&CacheEntry| {
            entry.kind == FileKind::File
                && entry.inode.size > LARGEST_ENTRY
                && written.get(&entry.name).is_some_and(|fresh| fresh.size <= LARGEST_ENTRY)
        };
        let oversized = dir.entries.iter().filter(is_oversized).collect();
        Some(Self { dir, programs, entries, changes: told, undecided, oversized })
    }

    /// The entries that OpenSC answers from and that are not what the card holds.
    pub fn guilty(&self) -> impl Iterator<Item = &AskedEntry<'a>> {
        self.entries.iter().filter(|entry| matches!(entry.standing, Standing::Stale | Standing::Damaged))
    }

    /// The certificate that OpenSC shows of this file, of which the card holds `live`; none if what it shows is none.
    #[must_use]
    pub fn certificate_at<'c>(&self, file: EfPath, live: &'c Certificate) -> Option<Cow<'c, Certificate>> {
        let is_at = |entry: &&AskedEntry<'_>| {
            let path = entry.entry.name.of_copy().and_then(|name| name.path.as_deref());
            path == Some(file.as_slice())
        };
        match self.guilty().find(is_at) {
            Some(entry) => {
                let [shown, _] = entry.certificates();
                shown.map(Cow::Owned)
            }
            None => Some(Cow::Borrowed(live)),
        }
    }

    /// Those of them that are to blame for an object that is missing, too much, or described otherwise: what is no
    /// certificate, as far as there is any.
    #[must_use]
    pub fn descriptions(&self) -> Vec<&AskedEntry<'a>> {
        // What a damaged entry hides is told with that.
        let stale = || self.entries.iter().filter(|entry| entry.standing == Standing::Stale);
        let all: Vec<&AskedEntry<'a>> = stale().filter(|entry| !entry.is_certificate()).collect();
        if all.is_empty() { stale().collect() } else { all }
    }

    /// These entries as evidence, the first with both sides.
    #[must_use]
    pub fn evidence(&self, entries: &[&AskedEntry<'a>], sides: Option<(Side, Side)>) -> Vec<Evidence> {
        let mut sides = sides;
        let of = |entry: &&AskedEntry<'a>| {
            let (shown, card) = sides.take().unzip();
            Evidence {
                file: Some(entry.file(self.dir)),
                first_difference: entry.first(),
                shown,
                card,
                source: None,
            }
        };
        entries.iter().map(of).collect()
    }
}

impl AskedEntry<'_> {
    /// Is it only the beginning of what OpenSC would write today?
    #[must_use]
    pub const fn is_beginning(&self) -> bool {
        matches!(self.kept.against, Some(Against::Prefix | Against::Cut))
    }

    /// Is it of a certificate, as it is cached or as it is on the card?
    #[must_use]
    pub const fn is_certificate(&self) -> bool {
        self.kept.content.is_some() || self.fresh.content.is_some()
    }

    /// The certificates in it: the cached one, and the card's.
    #[must_use]
    pub fn certificates(&self) -> [Option<Certificate>; 2] {
        [self.kept, self.fresh]
            .map(|file| file.content.as_ref().and_then(|content| x509::decode(content.as_slice())))
    }

    /// Both sides of a certificate.
    #[must_use]
    pub fn sides(&self) -> (Side, Side) {
        let [shown, card] = self.certificates().map(|certificate| match certificate {
            Some(certificate) => {
                let state = Some(SideState::Object(ObjectClass::Certificate));
                Side { state, ..certificate_side(&certificate) }
            }
            None => Side { state: Some(SideState::NoCertificate), ..Side::default() },
        });
        (shown, card)
    }

    /// How many bytes stand behind the card's certificate in it; none if it is none.
    #[must_use]
    pub fn behind(&self) -> Option<u64> {
        let certificate =
            self.kept.content.as_ref().filter(|own| self.fresh.content.as_ref() == Some(*own))?;
        self.kept.size.checked_sub(certificate.0.len() as u64).filter(|rest| *rest > 0)
    }

    /// Where it begins to differ.
    fn first(&self) -> Option<usize> {
        match self.kept.against? {
            Against::Differs(at) => usize::try_from(at).ok(),
            Against::Prefix | Against::Cut => usize::try_from(self.kept.size).ok(),
            Against::Equal | Against::Copies(_) => None,
        }
    }

    fn file(&self, dir: &CacheDir) -> FileEvidence {
        file_evidence(dir, self.entry, self.entry.name.of_copy().and_then(CacheName::ef))
    }

    /// The file on the card that it is a copy of, as it stands in its name.
    #[must_use]
    pub fn path(&self) -> String {
        let ef = self.entry.name.of_copy().and_then(CacheName::ef);
        ef.map_or_else(|| self.entry.name.to_string(), |ef| ef.to_string())
    }

    /// Is this where an object of a list lies?
    #[must_use]
    pub fn is_at(&self, block: &Block<'_>) -> bool {
        let path = self.entry.name.of_copy().and_then(|name| name.path.as_deref());
        path.is_some_and(|path| block.is_at(path))
    }
}
