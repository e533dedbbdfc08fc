//! The card slot: which card is in the reader, and the strings the tests pull behind it.
//!
//! What it hides: the `virtual-card` process and its control socket, one line asked and one
//! answered, and that pcscd polls its virtual reader: a card counts as inserted or removed when
//! pcscd's log says so, because only then the tools see it.

use super::namespace::{Namespace, PATIENCE};
use super::{reader_name, workspace_program};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

/// A card in a drawer: its whole state is this file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardFile {
    path: PathBuf,
}

impl CardFile {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A second card that is this one's exact twin from now on.
    pub fn twin(&self, name: &str) -> Self {
        let path = self.path.with_file_name(format!("{name}.json"));
        std::fs::copy(&self.path, &path).expect("copy of the card's state");
        Self { path }
    }
}

/// What the card has counted since its start or [`Card::reset_stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub apdus: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub verify: u64,
    pub verify_wrong: u64,
    pub select_aid: u64,
    pub writes: u64,
    pub signatures: u64,
}

/// The kinds of cards that `virtual-card` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    ScHsm,
    MyEid,
    Piv,
    OpenPgp,
    IsoApplet,
    /// Made of files alone: see `file_card.rs`.
    Files,
}

impl Family {
    /// The subcommand of `virtual-card`.
    const fn name(self) -> &'static str {
        match self {
            Self::ScHsm => "sc-hsm",
            Self::MyEid => "myeid",
            Self::Piv => "piv",
            Self::OpenPgp => "openpgp",
            Self::IsoApplet => "isoapplet",
            Self::Files => "files",
        }
    }
}

pub struct Card {
    namespace: Arc<Namespace>,
    family: Family,
    slot: Arc<Slot>,
    log: PathBuf,
    first: CardFile,
}

/// A `virtual-card` process and the card that it holds, whether it is in the reader or was taken out of it.
pub(super) struct Slot {
    socket: PathBuf,
    holds: Mutex<CardFile>,
}

impl Slot {
    fn new(socket: PathBuf, card: &CardFile) -> Arc<Self> {
        Arc::new(Self { socket, holds: Mutex::new(card.clone()) })
    }

    /// One line of the control protocol: what follows `ok`, or what follows `error`.
    fn try_ask(&self, request: &str) -> Result<String, String> {
        let io = |e: std::io::Error| format!("control socket: {e}");
        let stream = UnixStream::connect(&self.socket).map_err(io)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(io)?;
        (&stream).write_all(format!("{request}\n").as_bytes()).map_err(io)?;
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer).map_err(io)?;
        let answer = answer.trim_end();
        match answer.strip_prefix("ok") {
            Some(rest) => Ok(rest.trim_start().to_owned()),
            None => Err(answer.strip_prefix("error").unwrap_or(answer).trim_start().to_owned()),
        }
    }

    /// If it holds this card, whose state file has been written anew, it shall know.
    pub(super) fn renewed(&self, card: &CardFile) {
        if *self.holds.lock().unwrap() == *card {
            let request = format!("become {}", card.path.display());
            self.try_ask(&request).unwrap_or_else(|error| panic!("`{request}`: {error}"));
        }
    }
}

impl Card {
    pub(super) fn start(namespace: &Arc<Namespace>, family: Family, switches: &[&str]) -> Self {
        let first = state_file(namespace, "card");
        let socket = namespace.dir().join("card.sock");
        let log = namespace.dir().join("card.apdus");
        let mut command = namespace.command(program());
        command.args(arguments(family, &first, &socket, switches)).arg("--log").arg(&log);
        namespace.adopt(spawn_ready(command));
        let slot = Slot::new(socket, &first);
        Self { namespace: Arc::clone(namespace), family, slot, log, first }
    }

    /// The card the stand was started with.
    pub fn first(&self) -> &CardFile {
        &self.first
    }

    /// Puts this card into the reader, another one being taken out first, and waits until pcscd knows it.
    pub fn insert(&self, card: &CardFile) {
        self.eject();
        let before = self.namespace.seen().insertions;
        let request = format!("insert {}", card.path.display());
        // A reader that has just lost a card may hang up on the next one.
        while let Err(error) = self.try_ask(&request) {
            assert!(error.contains("closed the connection"), "the virtual card refused `{request}`: {error}");
            std::thread::yield_now();
        }
        *self.slot.holds.lock().unwrap() = card.clone();
        self.namespace.wait_until("pcscd has seen the card", |seen| seen.present && seen.insertions > before);
    }

    /// Takes the card out and waits until pcscd knows it. An empty reader is fine.
    pub fn eject(&self) {
        let answer = self.try_ask("eject");
        if self.namespace.seen().present {
            self.wait_removed();
        } else {
            drop(answer);
        }
    }

    /// Waits for a removal that a fault has caused.
    pub fn wait_removed(&self) {
        self.namespace.wait_until("pcscd has seen the removal", |seen| !seen.present);
    }

    pub fn is_inserted(&self) -> bool {
        self.namespace.seen().present
    }

    pub fn stats(&self) -> Stats {
        let answer = self.ask("stats");
        let value = |name: &str| {
            answer
                .split_whitespace()
                .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
                .and_then(|number| number.parse().ok())
                .unwrap_or_else(|| panic!("no {name} in the card's statistics: {answer}"))
        };
        Stats {
            apdus: value("apdus"),
            bytes_in: value("bytes_in"),
            bytes_out: value("bytes_out"),
            verify: value("verify"),
            verify_wrong: value("verify_wrong"),
            select_aid: value("select_aid"),
            writes: value("writes"),
            signatures: value("signatures"),
        }
    }

    pub fn reset_stats(&self) {
        self.ask("reset-stats");
    }

    /// `none`, `die-at K`, `garbage-at K`, `status-at K SW`, `swap-at K STATEFILE`, `wait-at K MILLISECONDS`, and what
    /// lasts until `none`: `lie INS|any more|length|nothing|changing|answer HEX|status SW`.
    pub fn fault(&self, fault: &str) {
        self.ask(&format!("fault {fault}"));
    }

    /// Replaces a file of the card, or deletes it, behind everybody's back.
    pub fn tamper(&self, fid: u16, content: Option<&[u8]>) {
        self.tamper_path(&fid.to_be_bytes(), content);
    }

    /// The same for a card that names its files by paths or tags.
    pub fn tamper_path(&self, path: &[u8], content: Option<&[u8]>) {
        let content = content.map_or_else(|| "-".to_owned(), hex);
        self.ask(&format!("tamper {} {content}", hex(path)));
    }

    /// Replaces a file of the card by one of records; the descriptor byte is 02 linear fixed, 04 linear variable, 06 cyclic.
    pub fn records(&self, path: &[u8], descriptor: u8, records: &[&[u8]]) {
        let records: String = records.iter().map(|record| format!(" {}", hex(record))).collect();
        self.ask(&format!("records {} {descriptor:02x}{records}", hex(path)));
    }

    /// All files and counters of the card.
    pub fn dump(&self) -> serde_json::Value {
        let answer = self.ask("dump");
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("the card's dump is no JSON: {e}: {answer}"))
    }

    pub fn apdu_log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// One line of the control protocol; fails the test unless the answer is `ok`.
    #[track_caller]
    pub fn ask(&self, request: &str) -> String {
        self.try_ask(request).unwrap_or_else(|error| panic!("the virtual card refused `{request}`: {error}"))
    }

    /// One line of the control protocol: what follows `ok`, or what follows `error`.
    pub fn try_ask(&self, request: &str) -> Result<String, String> {
        self.slot.try_ask(request)
    }

    /// A further process with a new card of its own, on another slot of vpcd.
    pub(super) fn insert_beside(&self, number: u32, switches: &[&str]) -> CardFile {
        let card = state_file(&self.namespace, &format!("beside-{number}"));
        self.hold_beside(number, &card, switches);
        card
    }

    /// A further process on another slot of vpcd, with this card; one that does not exist yet is made by these switches.
    pub(super) fn hold_beside(&self, number: u32, card: &CardFile, switches: &[&str]) -> Arc<Slot> {
        let socket = self.namespace.dir().join(format!("beside-{number}.sock"));
        let mut command = self.namespace.command(program());
        command.args(arguments(self.family, card, &socket, switches));
        // The last one counts.
        command.args(["--vpcd", &format!("127.0.0.1:{}", 35963 + number), "--insert"]);
        self.namespace.adopt(spawn_ready(command));
        let inserted = format!("Card inserted into {}", reader_name(number));
        self.namespace.wait_until("pcscd has seen the further card", |seen| seen.log.contains(&inserted));
        Slot::new(socket, card)
    }

    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// A place in the drawer for a card of this name; nothing is there yet.
    pub(super) fn place(&self, name: &str) -> CardFile {
        let card = state_file(&self.namespace, name);
        assert!(!card.path.exists(), "there is a card named {name} already");
        card
    }

    /// Makes a card without inserting it: the program writes the state file at its start.
    pub(super) fn create(&self, name: &str, switches: &[&str]) -> CardFile {
        let card = self.place(name);
        let socket = self.namespace.dir().join(format!("{name}.sock"));
        let mut command = Command::new(program());
        command.args(arguments(self.family, &card, &socket, switches));
        let mut child = spawn_ready(command);
        let _ = child.kill();
        let _ = child.wait();
        let _ = std::fs::remove_file(socket);
        assert!(card.path.is_file(), "virtual-card wrote no {}", card.path.display());
        card
    }
}

fn arguments(family: Family, card: &CardFile, socket: &Path, switches: &[&str]) -> Vec<String> {
    let mut arguments = vec![family.name().to_owned()];
    for (option, value) in [("--state", card.path.as_path()), ("--control", socket)] {
        arguments.extend([option.to_owned(), value.to_str().expect("UTF-8 path").to_owned()]);
    }
    arguments.extend(["--vpcd", "127.0.0.1:35963"].map(str::to_owned));
    arguments.extend(switches.iter().map(|&switch| switch.to_owned()));
    arguments
}

fn spawn_ready(mut command: Command) -> std::process::Child {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("virtual-card");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdout.read_line(&mut line).expect("first line of virtual-card");
    assert_eq!(line.trim_end(), "ready", "first line of virtual-card");
    // Nobody reads what follows; the pipe must stay open or be drained.
    std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    child
}

fn state_file(namespace: &Namespace, name: &str) -> CardFile {
    let drawer = namespace.dir().join("cards");
    std::fs::create_dir_all(&drawer).expect("directory of the cards");
    CardFile { path: drawer.join(format!("{name}.json")) }
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| workspace_program("virtual-card", "fixtures/virtual-card/src"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}
