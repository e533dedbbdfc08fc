//! The programs whose view is judged, and the names under which OpenSC looks for
//! their `app` block (`ctx.c`: the path of the executable from 0.24, the
//! application name, then `default`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Version, differences};
use crate::scconf::{Body, Document};
use crate::snapshot::ByteString;

/// Folders searched for OpenSC's tools, in the order of a usual `PATH`. The user's own
/// `PATH` is not asked: what it holds should not decide what is judged.
const TOOL_DIRS: &[&str] = &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// OpenSC's own programs that make a context under their own name. `dtrust-tool`, `netkey-tool`
/// and `westcos-tool` use the name they were called by, which usually is this one.
const TOOLS: &[&str] = &[
    "cardos-tool",
    "cryptoflex-tool",
    "dnie-tool",
    "dtrust-tool",
    "egk-tool",
    "eidenv",
    "gids-tool",
    "goid-tool",
    "iasecc-tool",
    "lteid-tool",
    "netkey-tool",
    "npa-tool",
    "openpgp-tool",
    "opensc-explorer",
    "opensc-tool",
    "piv-tool",
    "pkcs15-crypt",
    "pkcs15-init",
    "pkcs15-tool",
    "sc-hsm-tool",
    "westcos-tool",
];

/// Names of OpenSC on other systems (minidriver, tokend, CryptoTokenKit), and what an
/// application gets that names nothing.
const OTHER_APP_NAMES: &[&str] = &["cardmod", "tokend", "cryptotokenkit", "default"];

/// The tool that lists a card as PKCS#15 has it.
pub const PKCS15_TOOL: &str = "pkcs15-tool";

/// The tool that makes objects on a card as PKCS#15 has them. Before it writes it reads the directories of the card,
/// and from a cache it reads old ones.
pub const PKCS15_INIT: &str = "pkcs15-init";

/// Tools that change cards: Red Hat's configuration keeps the first from caching.
const WRITERS: &[&str] =
    &[PKCS15_INIT, "gids-tool", "iasecc-tool", "openpgp-tool", "piv-tool", "sc-hsm-tool"];

/// Programs beside applications of the modules that read a card as PKCS#15 has it, and so from a cache: the others of
/// OpenSC's own ask the card itself.
const OF_PKCS15: &[&str] = &[PKCS15_TOOL, PKCS15_INIT, "pkcs15-crypt", "cardmod", "tokend", "cryptotokenkit"];

/// Is this the name of a program of OpenSC's own, or one that every application of a module has?
#[must_use]
pub fn is_of_opensc(name: &str) -> bool {
    TOOLS.contains(&name) || OTHER_APP_NAMES.contains(&name) || [PKCS11, ONEPIN, PKCS11_TOOL].contains(&name)
}

/// What every application that loads the PKCS#11 module is called.
pub const PKCS11: &str = "opensc-pkcs11";
/// The file of that module.
pub const PKCS11_FILE: &str = "opensc-pkcs11.so";
/// Where the PKCS#11 module of a library is: beside it, or in the folder for such modules there.
#[must_use]
pub fn module_places(library: &ByteString) -> Vec<ByteString> {
    let folder = library.as_path().parent();
    let places = folder.map(|folder| [folder.join(PKCS11_FILE), folder.join("pkcs11").join(PKCS11_FILE)]);
    places.into_iter().flatten().map(ByteString::from).collect()
}

/// The module that shows one PIN only.
pub const ONEPIN: &str = "onepin-opensc-pkcs11";
/// OpenSC's own application of the PKCS#11 module; it makes no context of its own.
pub const PKCS11_TOOL: &str = "pkcs11-tool";

/// A program as OpenSC's configuration knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What it is called in reports.
    pub label: String,
    /// The name of its `app` block.
    pub app_name: String,
    /// The real path of its executable, which names a block of its own from 0.24.
    pub exe: Option<ByteString>,
}

impl Program {
    /// `pkcs15-tool`, with the executable if it is known.
    #[must_use]
    pub fn pkcs15_tool(exe: Option<ByteString>) -> Self {
        Self::named(PKCS15_TOOL, exe)
    }

    /// Any application that loads `opensc-pkcs11`, with its executable if one is meant.
    #[must_use]
    pub fn pkcs11(exe: Option<ByteString>) -> Self {
        Self::named(PKCS11, exe)
    }

    /// The programs whose views of a card are judged: `pkcs15-tool`, and all that load the module. The
    /// real paths of OpenSC's own tools go by their names.
    #[must_use]
    pub fn judged(executables: &BTreeMap<String, ByteString>) -> [Self; 2] {
        [Self::pkcs15_tool(executables.get(PKCS15_TOOL).cloned()), Self::pkcs11(None)]
    }

    /// Another of OpenSC's programs, by its application name.
    #[must_use]
    pub fn named(app_name: &str, exe: Option<ByteString>) -> Self {
        Self { label: app_name.into(), app_name: app_name.into(), exe }
    }

    /// Any application that loads the module which shows one PIN only.
    #[must_use]
    pub fn onepin(version: Version) -> Self {
        Self { label: ONEPIN.into(), app_name: differences::onepin_app_name(version).into(), exe: None }
    }

    /// The program with this executable: one of OpenSC's own by its name, else an
    /// application of the PKCS#11 module.
    #[must_use]
    pub fn of_executable(exe: ByteString) -> Self {
        let file = exe.0.rsplit(|b| *b == b'/').next().unwrap_or_default();
        let own = TOOLS.iter().find(|tool| tool.as_bytes() == file);
        Self { label: exe.to_string(), app_name: (*own.unwrap_or(&PKCS11)).into(), exe: Some(exe) }
    }

    /// Does it look for what applications of a PKCS#11 module look for?
    #[must_use]
    pub fn is_module(&self) -> bool {
        [PKCS11, ONEPIN].iter().any(|name| self.app_name.eq_ignore_ascii_case(name))
    }

    /// Does it read a card as PKCS#15 has it?
    #[must_use]
    pub fn reads_pkcs15(&self) -> bool {
        self.is_module() || OF_PKCS15.iter().any(|name| self.app_name.eq_ignore_ascii_case(name))
    }

    /// Whether it changes cards.
    #[must_use]
    pub fn is_writer(&self) -> bool {
        WRITERS.iter().any(|writer| self.app_name.eq_ignore_ascii_case(writer))
    }

    /// The program that is called this, with its executable among `found`; `None` for a name
    /// under which OpenSC never looks for a block.
    #[must_use]
    pub fn called(name: &str, found: &BTreeMap<String, ByteString>, version: Version) -> Option<Self> {
        let exe = found.get(name).cloned();
        if name == ONEPIN {
            Some(Self::onepin(version))
        } else if name == PKCS11_TOOL {
            Some(Self { label: name.into(), app_name: PKCS11.into(), exe })
        } else if name == PKCS11 || TOOLS.contains(&name) || OTHER_APP_NAMES.contains(&name) {
            Some(Self::named(name, exe))
        } else {
            None
        }
    }
}

/// The programs that matter: any application of the PKCS#11 modules, OpenSC's own on this
/// host, and whatever the file has a block for.
#[must_use]
pub fn that_matter(
    found: &BTreeMap<String, ByteString>,
    version: Version,
    document: Option<&Document>,
) -> Vec<Program> {
    let names = [PKCS15_TOOL, PKCS11, ONEPIN, PKCS11_TOOL].into_iter();
    let names = names.filter(|name| *name != PKCS11_TOOL || found.contains_key(*name));
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    let mut executables = Vec::new();
    for block in document.map(Document::root).into_iter().flat_map(Body::all_blocks) {
        let name = block.name();
        match std::str::from_utf8(name) {
            _ if !block.key.is("app") => {}
            _ if name.starts_with(b"/") && differences::has_executable_blocks(version) => {
                executables.push(ByteString(name.to_vec()));
            }
            Ok(text) if !text.eq_ignore_ascii_case("default") => names.push(text.to_ascii_lowercase()),
            _ => {}
        }
    }
    names.extend(found.keys().cloned());
    let mut programs: Vec<Program> = Vec::new();
    let named = names.iter().filter_map(|name| Program::called(name, found, version));
    for program in named.chain(executables.into_iter().map(Program::of_executable)) {
        let same = |known: &Program| {
            known.label == program.label
                || (program.exe.is_some() && known.exe == program.exe && known.app_name == program.app_name)
        };
        if !programs.iter().any(same) {
            programs.push(program);
        }
    }
    programs
}

/// OpenSC's own programs on this host, by name, with their real paths.
#[must_use]
pub fn tools() -> BTreeMap<String, ByteString> {
    // The real paths of the folders, each once: of a file in one of them it need not be asked again.
    let mut dirs = Vec::new();
    for dir in TOOL_DIRS.iter().filter_map(|dir| Path::new(dir).canonicalize().ok()) {
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    let named = |name: &&str| Some(((*name).to_owned(), ByteString::from(find_in(&dirs, name)?)));
    TOOLS.iter().chain([&PKCS11_TOOL]).filter_map(named).collect()
}

fn find_in(dirs: &[PathBuf], name: &str) -> Option<PathBuf> {
    dirs.iter().map(|dir| dir.join(name)).find_map(|path| match path.symlink_metadata().ok()?.file_type() {
        kind if kind.is_file() => Some(path),
        kind if kind.is_symlink() => path.canonicalize().ok().filter(|real| real.is_file()),
        _ => None,
    })
}

/// The path of an executable as `/proc/self/exe` would show it; as it is where nothing is there.
#[must_use]
pub fn real_path(path: &Path) -> ByteString {
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_program_is_known_by_its_name_or_its_executable() {
        let found = BTreeMap::from([("pkcs11-tool".to_owned(), ByteString::from("/usr/bin/pkcs11-tool"))]);
        let called = |name| Program::called(name, &found, Version::of(23));
        let pkcs11_tool = called("pkcs11-tool").unwrap();
        assert_eq!(pkcs11_tool.app_name, "opensc-pkcs11");
        assert_eq!(pkcs11_tool.exe, Some("/usr/bin/pkcs11-tool".into()));
        assert_eq!(called("onepin-opensc-pkcs11").unwrap().app_name, "onepin-opensc-pkcs11");
        let newer = Program::called(ONEPIN, &found, Version::of(24)).unwrap();
        assert_eq!((newer.label.as_str(), newer.app_name.as_str()), (ONEPIN, PKCS11));
        assert_eq!(called("firefox"), None);
        assert_eq!(Program::of_executable("/opt/bin/pkcs15-init".into()).app_name, "pkcs15-init");
        assert_eq!(Program::of_executable("/usr/lib/firefox/firefox".into()).app_name, "opensc-pkcs11");
    }
}
