//! The stand: a private pcscd with a virtual reader, a software card in it, several hosts around
//! it, and the real OpenSC tools to run on them.
//!
//! What it hides: namespaces, daemons and their start-up, the temporary directory, and that
//! everything is gone afterwards, however the test ends. Any number of stands run side by side.
//!
//! ```ignore
//! mod stand;
//! let stand = Stand::start();                       // a factory-fresh SmartCard-HSM is in the reader
//! let alpha = stand.host("alpha");                  // own home, caching = yes
//! alpha.initialize("HSM-H1", PIN, SO_PIN, Some(1));
//! let key = alpha.keypairgen("EC:prime256v1", &[]);
//! assert_eq!(alpha.pkcs15_list().private_keys()[0].id, Some(key.id));
//! let report = alpha.with_cache_copy().stalecard(&["check"]);
//! ```
//!
//! The shell half is in `namespace` (also used by the demo) and `setup` (packages).

#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a library of the tests: each test uses a part of it, and failing loudly is its job"
)]

mod card;
mod file_card;
mod host;
pub mod listing;
mod namespace;
mod openpgp;
mod piv;
mod pkcs15_init;
mod process;
mod tools;

pub use card::{Card, CardFile, Family, Stats};
pub use file_card::{FileCard, Kind, Layout, Recipe};
pub use host::Host;
pub use namespace::opensc_module;
pub use openpgp::{PW1, PW3};
pub use piv::{PIV_PIN, YUBIKEY};
pub use pkcs15_init::{ISOAPPLET_PUK, NATIVE_SO_PIN, NATIVE_SO_PUK, PUK, generate_key, generate_key_under};
pub use process::{Output, Running};
pub use tools::{GeneratedKey, PIN, SO_PIN, secret};

pub use namespace::{opensc, opensc_root, opensc_version};

use namespace::Namespace;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the reader is called, and with the number of its slot.
const NAME: &str = "Virtual PCD";

/// The name of the reader that the card is in.
pub const READER: &str = "Virtual PCD 00 00";

/// The name of the second reader, empty unless [`Stand::second_card`] fills it.
pub const SECOND_READER: &str = "Virtual PCD 00 01";

/// The name of the reader with this number.
pub fn reader_name(number: u32) -> String {
    let slot = number % 2;
    match number / 2 {
        0 => format!("Virtual PCD 00 0{slot}"),
        copy => format!("Virtual PCD {copy} 00 0{slot}"),
    }
}

/// How a stand is to be; [`Stand::start`] takes the defaults.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The kind of all cards of this stand.
    pub family: Family,
    /// Switches of the first card, as for `virtual-card` and its family.
    pub switches: &'a [&'a str],
    /// Whether the first card is in the reader when the stand is ready.
    pub inserted: bool,
    /// How many readers with two slots each there are.
    pub readers: u32,
    /// In which of them, counted from 0 in PC/SC's order, the first card is.
    pub seat: u32,
    /// What the first reader is called: some programs talk to readers of one maker alone.
    pub name: &'a str,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { family: Family::ScHsm, switches: &[], inserted: true, readers: 1, seat: 0, name: NAME }
    }
}

/// A running stand. All programs end when it is dropped; its directory goes when no [`Host`] of it is left either.
pub struct Stand {
    namespace: Arc<Namespace>,
    card: Card,
}

impl Stand {
    /// A stand with a factory-fresh card (serial `DENK0200834`) in the reader.
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options<'_>) -> Self {
        let namespace = Arc::new(Namespace::start(
            options.readers,
            options.name,
            &reader_name(options.seat).replacen(NAME, options.name, 1),
        ));
        // The last one counts.
        let vpcd = format!("127.0.0.1:{}", 35963 + options.seat);
        let switches = [options.switches, &["--vpcd", &vpcd]].concat();
        let card = Card::start(&namespace, options.family, &switches);
        if options.inserted {
            card.insert(card.first());
        }
        Self { namespace, card }
    }

    /// The name of the reader that the first card is in.
    pub fn reader(&self) -> &str {
        self.namespace.reader()
    }

    /// The card slot: insert, eject, count, disturb.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Another card, not yet inserted. A card keeps the switches it was made with.
    pub fn new_card(&self, name: &str, switches: &[&str]) -> CardFile {
        self.card.create(name, switches)
    }

    /// Puts another, new card into the second reader, where it stays.
    pub fn second_card(&self, switches: &[&str]) -> CardFile {
        self.card.insert_beside(1, switches)
    }

    /// Puts another, new card into the reader of this number (counted from 0, in PC/SC's order), where it stays; its name.
    pub fn card_in(&self, number: u32, switches: &[&str]) -> String {
        self.card.insert_beside(number, switches);
        reader_name(number)
    }

    /// A host: a home directory of its own, with `use_file_caching = yes`. The same name is the same host.
    pub fn host(&self, name: &str) -> Host {
        Host::new(&self.namespace, name)
    }

    /// The temporary directory of this stand, for files of the test.
    pub fn dir(&self) -> &Path {
        self.namespace.dir()
    }

    /// What pcscd has logged so far.
    pub fn pcscd_log(&self) -> String {
        self.namespace.log()
    }

    /// Every APDU so far: `> HEX`, `< HEX`, `# power-on` and the like.
    pub fn apdu_log(&self) -> Vec<String> {
        self.card.apdu_log()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.namespace.end();
    }
}

/// A program of this workspace that belongs to the tests: beside the test's own binary, built when missing or older than its
/// sources. (Cargo tells tests only the programs of their own package.)
fn workspace_program(package: &str, sources: &str) -> PathBuf {
    let test = std::env::current_exe().expect("path of the test binary");
    let profile_dir = test
        .ancestors()
        .find(|dir| dir.join("deps").is_dir() && !dir.ends_with("deps"))
        .expect("target directory above the test binary");
    let program = profile_dir.join(package);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !is_fresh(&program, &root.join(sources)) {
        let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "test",
            Some(other) => other,
        };
        let status = std::process::Command::new(option_env!("CARGO").unwrap_or("cargo"))
            .args(["build", "--quiet", "--workspace", "--bin", package, "--profile", profile])
            .arg("--target-dir")
            .arg(profile_dir.parent().expect("target directory"))
            .current_dir(root)
            .status()
            .expect("cargo");
        assert!(
            status.success() && program.is_file(),
            "{package} could not be built into {}",
            profile_dir.display()
        );
    }
    program
}

fn is_fresh(program: &Path, sources: &Path) -> bool {
    let modified = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let Some(built) = modified(program) else {
        return false;
    };
    walkdir::WalkDir::new(sources)
        .into_iter()
        .flatten()
        .filter(|entry| {
            entry.path().extension().is_some_and(|extension| extension == "rs" || extension == "toml")
        })
        .all(|entry| modified(entry.path()).is_none_or(|changed| changed <= built))
}
