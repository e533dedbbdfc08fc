//! The programs whose view is judged, and the names under which OpenSC looks for
//! their `app` block (`ctx.c`: the path of the executable from 0.24, the
//! application name, then `default`).

use std::path::{Path, PathBuf};

use crate::snapshot::Name;

/// Folders searched for OpenSC's tools, in the order of a usual `PATH`. The user's own
/// `PATH` is not asked: what it holds should not decide what is judged.
const TOOL_DIRS: &[&str] = &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// What an application that loads OpenSC's PKCS#11 module is called in reports, and its
/// `app` block.
pub const PKCS11: &str = "opensc-pkcs11";

/// A program as OpenSC's configuration knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What it is called in reports.
    pub label: String,
    /// The name of its `app` block.
    pub app_name: String,
    /// The real path of its executable, which names a block of its own from 0.24.
    pub exe: Option<Name>,
}

impl Program {
    /// `pkcs15-tool`, with the executable if it is known.
    #[must_use]
    pub fn pkcs15_tool(exe: Option<Name>) -> Self {
        Self { label: "pkcs15-tool".into(), app_name: "pkcs15-tool".into(), exe }
    }

    /// Any application that loads `opensc-pkcs11`, with its executable if one is meant.
    #[must_use]
    pub fn pkcs11(exe: Option<Name>) -> Self {
        Self { label: PKCS11.into(), app_name: PKCS11.into(), exe }
    }

    /// Another of OpenSC's programs, by its application name.
    #[must_use]
    pub fn named(app_name: &str, exe: Option<Name>) -> Self {
        Self { label: app_name.into(), app_name: app_name.into(), exe }
    }
}

/// The two programs every token is judged for: `pkcs15-tool`, and any application that
/// loads `opensc-pkcs11`. Looks for the executable of the first.
#[must_use]
pub fn programs() -> [Program; 2] {
    [Program::pkcs15_tool(find_tool("pkcs15-tool").map(Name::from)), Program::pkcs11(None)]
}

/// The real path of one of OpenSC's tools, as `/proc/self/exe` would show it.
pub(super) fn find_tool(name: &str) -> Option<PathBuf> {
    let found = TOOL_DIRS.iter().map(|dir| Path::new(dir).join(name)).find(|path| path.is_file())?;
    found.canonicalize().ok()
}
