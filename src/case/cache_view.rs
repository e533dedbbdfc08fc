//! One token as seen through one cache directory: what is shown, and each way in which that is not what is on the card.
//!
//! Both views are compared once, when the cache view is made. Each discrepancy carries what rules ask of it: the
//! programs that show it, the cache entry that is its cause, whether that is damaged, and which of two public keys is
//! right. Rules pick from these and compare nothing again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::case::cache_index::CacheIndex;
use crate::case::dispute::{Dispute, Right};
use crate::opensc::{CacheName, Version};
use crate::snapshot::{CacheDir, CacheEntry, CacheOrigin, Card, Content, EfPath};
use crate::view::cached::Cached;
use crate::view::difference::{Difference, Kind, compare};
use crate::view::inventory::Inventory;
use crate::view::listed::Lists;
use crate::view::{Behaviour, Condition, Layout, Object, Place, View, pkcs11};

/// The token as seen through one cache directory.
pub struct CacheView<'a> {
    /// The programs that read this cache today; none: the cache is dormant.
    pub programs: Vec<String>,
    /// Whether some program reads it could not be told.
    pub undecided: bool,
    /// The directory.
    pub dir: &'a CacheDir,
    /// Which entries stand for which files.
    pub cached: Cached<'a>,
    /// What is on the card.
    pub live: Arc<View>,
    /// What the programs show, or would show if caching were on.
    pub shown: Arc<View>,
    /// What of it is in the lists that programs make.
    pub lists: Lists,
    /// Its family's layout.
    pub layout: &'static dyn Layout,
    /// The card behind it.
    pub card: &'a Card,
    inventory: Arc<Inventory<'a>>,
    index: Arc<CacheIndex<'a>>,
    found: Vec<Found<'a>>,
    disputes: BTreeMap<Place, Dispute>,
    mixes_ids: OnceLock<bool>,
}

/// The cache entry that is the cause of a discrepancy, with the file of the card that it stands for.
pub type Cause<'a> = (&'a CacheEntry, EfPath);

/// A difference between the two views, with the positions of its objects in place of themselves.
struct Found<'a> {
    place: Place,
    kind: Kind,
    live: Option<usize>,
    shown: Option<usize>,
    shown_by: Vec<String>,
    cause: Option<Cause<'a>>,
    condition: Condition,
}

/// One way in which what is shown is not what is on the card, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Discrepancy<'v> {
    /// Which object it concerns.
    pub place: &'v Place,
    /// In what they differ.
    pub kind: &'v Kind,
    /// The object on the card.
    pub live: Option<&'v Object>,
    /// The object shown.
    pub shown: Option<&'v Object>,
    /// The programs in which it can be seen.
    pub shown_by: &'v [String],
    /// The entry that is the cause. A description decides which further file is read, so it can be the cause of what is
    /// wrong with that one.
    pub cause: Option<Cause<'v>>,
    /// What the bytes of that entry are as such.
    pub condition: &'v Condition,
    /// If it is about a public key that the card does not name for the same key: which is right.
    pub dispute: Option<&'v Dispute>,
}

impl<'v> Discrepancy<'v> {
    /// Is the cause an entry whose bytes are damaged?
    #[must_use]
    pub fn is_of_damage(&self) -> bool {
        *self.condition == Condition::Undecodable
    }

    /// Is it wrong, or not known, that the cache is what is wrong here?
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.right().is_some_and(|right| *right != Right::Card)
    }

    /// Which of two public keys is right, if it is about that.
    #[must_use]
    pub fn right(&self) -> Option<&'v Right> {
        self.dispute.map(|dispute| &dispute.right)
    }

    /// The entry that is the cause.
    #[must_use]
    pub fn entry(&self) -> Option<&'v CacheEntry> {
        self.cause.map(|(entry, _)| entry)
    }
}

/// The programs that read a cache, for one token.
#[derive(Debug, Default)]
pub struct CachingPrograms {
    /// The programs that read it today.
    pub programs: Vec<String>,
    /// Whether some program reads it could not be told.
    pub undecided: bool,
}

/// What is on a card, and how a version of OpenSC sees it.
pub struct Behind<'a> {
    /// The card.
    pub card: &'a Card,
    /// Its lists.
    pub inventory: Arc<Inventory<'a>>,
    /// Its family's layout.
    pub layout: &'static dyn Layout,
    /// What is on it.
    pub live: Arc<View>,
    /// The version by which files are named.
    pub version: Version,
    /// How it lists cards.
    pub behaviour: Behaviour,
}

/// A label of the token that is not the card's.
pub struct OtherLabel<'a> {
    /// On the card.
    pub live: Option<Vec<u8>>,
    /// As it is shown.
    pub shown: Option<Vec<u8>>,
    /// The entry that makes the difference.
    pub entry: &'a CacheEntry,
    /// The file it stands for.
    pub file: EfPath,
}

impl<'a> CacheView<'a> {
    /// The label of the token on the card and as it is shown, and the entry that makes the difference; none if there is none,
    /// or if the label is in no file that OpenSC caches.
    #[must_use]
    pub fn other_label(&self) -> Option<OtherLabel<'a>> {
        let live = self.layout.label_in(self.card, self.card);
        let shown = self.layout.label_in(self.card, &self.cached);
        let text = |label: &Option<(Vec<u8>, EfPath)>| label.as_ref().map(|(text, _)| text.clone());
        if text(&live) == text(&shown) {
            return None;
        }
        let files = [&shown, &live].into_iter().flatten().map(|(_, file)| *file);
        let mut hits =
            files.filter_map(|file| Some((self.cached.hit(file, self.layout.buffer(file))?, file)));
        let (entry, file) = hits.next()?;
        Some(OtherLabel { live: text(&live), shown: text(&shown), entry, file })
    }

    /// The card behind this cache, as the programs that read it see it.
    #[must_use]
    pub fn new(behind: &Behind<'a>, index: &Arc<CacheIndex<'a>>, reading: CachingPrograms) -> Self {
        let Behind { card, layout, version, behaviour, .. } = *behind;
        let live = Arc::clone(&behind.live);
        let name_of = |file: EfPath| layout.cache_name(card, version, file).ok().map(|name| name.name());
        let prefix = layout.serial_in_names(card, version).map(|serial| [serial.as_bytes(), b"_"].concat());
        let candidates = prefix.map(|prefix| index.beginning_with(&prefix)).unwrap_or_default();
        let cached = Cached::of(card, candidates.iter().copied(), name_of);
        // Without a copy of any of its files there is nothing to be shown otherwise.
        let shown = if cached.is_empty() {
            Arc::clone(&live)
        } else {
            Arc::new(layout.decode(card, &cached, behaviour))
        };
        let mut view = Self {
            programs: reading.programs,
            undecided: reading.undecided,
            dir: index.dir,
            cached,
            live,
            shown,
            lists: Lists::default(),
            layout,
            card,
            inventory: Arc::clone(&behind.inventory),
            index: Arc::clone(index),
            found: Vec::new(),
            disputes: BTreeMap::new(),
            mixes_ids: OnceLock::new(),
        };
        view.compare();
        view
    }

    /// The one comparison of both views.
    fn compare(&mut self) {
        let (live, shown) = (Arc::clone(&self.live), Arc::clone(&self.shown));
        let differences = if Arc::ptr_eq(&live, &shown) { Vec::new() } else { compare(&live, &shown) };
        self.lists = Lists::of(&live, &shown, &differences);
        let mut conditions: BTreeMap<EfPath, Condition> = BTreeMap::new();
        self.found =
            differences.into_iter().map(|difference| self.find(difference, &mut conditions)).collect();
    }

    fn find(&self, difference: Difference<'_>, conditions: &mut BTreeMap<EfPath, Condition>) -> Found<'a> {
        let cause = self.cause(&difference);
        let condition = match cause {
            Some((CacheEntry { content: Content::Bytes(bytes), .. }, file)) => {
                let of_bytes = || self.inventory.condition(file, bytes.as_slice());
                match conditions.entry(file).or_insert_with(of_bytes) {
                    // What is shown for nothing is no older state of anything.
                    Condition::Empty if difference.shown.is_some_and(Object::is_broken_certificate) => {
                        Condition::Undecodable
                    }
                    condition => condition.clone(),
                }
            }
            _ => Condition::Whole,
        };
        let shows = |program: &&String| self.lists.show(program, &difference.place);
        Found {
            live: difference.live.and_then(|_| self.live.position(&difference.place)),
            shown: difference.shown.and_then(|_| self.shown.position(&difference.place)),
            shown_by: self.programs.iter().filter(shows).cloned().collect(),
            place: difference.place,
            kind: difference.kind,
            cause,
            condition,
        }
    }

    fn cause(&self, difference: &Difference<'_>) -> Option<Cause<'a>> {
        let files =
            [difference.live, difference.shown].into_iter().flatten().flat_map(|object| &object.files);
        let mut files: Vec<EfPath> = std::iter::once(difference.file).chain(files.copied()).collect();
        files.dedup();
        files.into_iter().find_map(|file| Some((self.hit(file)?, file)))
    }

    /// Adds which of two public keys is right, by the place of the object that is shown.
    pub fn settle(&mut self, disputes: BTreeMap<Place, Dispute>) {
        self.disputes = disputes;
    }

    /// Does a program read this cache today?
    #[must_use]
    pub fn in_use(&self) -> bool {
        !self.programs.is_empty()
    }

    /// Is it a directory that only OpenSC up to 0.21 reads, and nobody does?
    #[must_use]
    pub fn is_former(&self) -> bool {
        self.dir.origin == CacheOrigin::Former && !self.in_use()
    }

    /// All that is shown otherwise than it is on the card, whether anybody sees it or not.
    pub fn discrepancies(&self) -> impl Iterator<Item = Discrepancy<'_>> {
        self.found.iter().map(|found| {
            let Found { place, kind, shown_by, condition, cause, .. } = found;
            let is_of_content = match kind {
                Kind::PublicKey | Kind::Certificate | Kind::Ghost | Kind::Class => true,
                Kind::Attributes(_) | Kind::KeyId | Kind::Hidden => false,
            };
            Discrepancy {
                place,
                kind,
                live: found.live.and_then(|at| self.live.objects.get(at)),
                shown: found.shown.and_then(|at| self.shown.objects.get(at)),
                shown_by,
                cause: *cause,
                condition,
                dispute: self.disputes.get(place).filter(|_| is_of_content),
            }
        })
    }

    /// What one of the programs that read this cache lets its users see.
    pub fn seen(&self) -> impl Iterator<Item = Discrepancy<'_>> {
        self.discrepancies().filter(|discrepancy| !discrepancy.shown_by.is_empty())
    }

    /// Is the card's ID of one key shown as that of another? Then no ID is safe here.
    #[must_use]
    pub fn mixes_ids(&self) -> bool {
        *self.mixes_ids.get_or_init(|| {
            let keys = self.shown.objects.iter().filter(|object| object.is_private_key());
            let shown: BTreeSet<&[u8]> = keys.map(|key| key.id.as_slice()).collect();
            self.seen().any(|difference| {
                let live = difference.live.filter(|_| *difference.kind == Kind::KeyId);
                live.is_some_and(|live| shown.contains(live.id.as_slice()))
            })
        })
    }

    /// What is read otherwise although no program lists it today: the cache is dormant; or PKCS#11 shows one private key
    /// of several with the same ID, and no certificates behind a broken one; `pkcs15-tool -D` ends its lists.
    pub fn unseen(&self) -> impl Iterator<Item = Discrepancy<'_>> {
        self.discrepancies().filter(|discrepancy| discrepancy.shown_by.is_empty())
    }

    /// Which of two public keys is right, for the object that is shown in a place.
    #[must_use]
    pub fn dispute_at(&self, place: &Place) -> Option<&Dispute> {
        self.disputes.get(place)
    }

    /// Is there a public key in this cache that may be the right one, so that caching switched off takes it away from a
    /// program, or keeps it from all of them?
    #[must_use]
    pub fn holds_a_right_key(&self) -> bool {
        !self.is_former() && self.disputes.values().any(|dispute| dispute.right != Right::Card)
    }

    /// The programs that list an object of what is shown.
    #[must_use]
    pub fn listers(&self, object: &Object) -> Vec<String> {
        let place = object.place();
        self.programs.iter().filter(|program| self.lists.list(program, &place)).cloned().collect()
    }

    /// The card's certificates that the PKCS#11 module lists of the card, but not of what is shown, because of a broken
    /// one in this place.
    #[must_use]
    pub fn hidden_behind(&self, broken: &Place) -> Vec<&Object> {
        let Some(hidden) = self.lists.behind(broken) else { return Vec::new() };
        let listed = pkcs11::project(&self.live).into_iter().filter(|item| !item.from_certificate);
        listed.map(|item| item.object).filter(|object| hidden.contains(&object.place())).collect()
    }

    /// The cache entry that answers for a file of the card; `None` if the card is read.
    #[must_use]
    pub fn hit(&self, file: EfPath) -> Option<&'a CacheEntry> {
        self.cached.hit(file, self.layout.buffer(file))
    }

    /// The entries that a shown object was made of.
    pub fn cached_files(&self, object: &Object) -> impl Iterator<Item = (EfPath, &'a CacheEntry)> {
        object.files.iter().filter_map(|&file| Some((file, self.hit(file)?)))
    }

    /// The copies of files of the cards with this token's serial number, of whatever generation.
    #[must_use]
    pub fn of_serial(&self) -> &[(&'a CacheName, &'a CacheEntry)] {
        self.index.of_serial(self.card.serial.as_deref().unwrap_or_default())
    }
}
