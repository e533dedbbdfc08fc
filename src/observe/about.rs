//! What this program was built of, and which OpenSC it would judge here. Neither a card nor a cache is looked at.

use serde::Serialize;

use super::ask::Asking;
use super::host::{Cards, ObserveOptions, host};
use super::progress::Progress;
use crate::error::Error;
use crate::opensc::config::Situation;
use crate::opensc::install;
use crate::patience::{SILENCE, within};
use crate::snapshot::{ByteString, Gap, GapKind, Snapshot};

/// The commit, as whoever built it said; the program itself cannot know it.
const COMMIT: Option<&str> = option_env!("STALECARD_COMMIT");

/// This program and its OpenSC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct About {
    /// The commit of its sources; null if whoever built it did not say.
    pub commit: Option<&'static str>,
    /// What it was built with beyond the usual.
    pub features: Vec<&'static str>,
    /// Processor architecture and system that it was built for.
    pub built_for: String,
    /// The version of the OpenSC that it would judge; null if there is none, or it does not tell.
    pub opensc: Option<String>,
    /// The library of that.
    #[cfg_attr(feature = "schema", schemars(with = "Option<ByteString>"))]
    pub library: Option<String>,
    /// The PKCS#11 module of that.
    #[cfg_attr(feature = "schema", schemars(with = "Option<ByteString>"))]
    pub module: Option<String>,
    /// Other libraries of OpenSC on this host, which the tools do not load.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<ByteString>"))]
    pub beside: Vec<String>,
}

/// This program and its OpenSC, and the host on which they are, with what could not be looked at.
///
/// # Errors
/// When the process runs with the rights of another user than the caller.
pub fn about() -> Result<(About, Snapshot), Error> {
    let options = ObserveOptions {
        cards: Cards::None,
        status: false,
        asking: Asking::Never,
        progress: Progress::new(|_| {}),
    };
    let mut snapshot = host(&options)?;
    let judged = Situation::of(&snapshot).installation.cloned();
    let library = judged.as_ref().map(|judged| judged.library.clone());
    let module = library.clone().and_then(|library| {
        within(SILENCE, move |_| install::module(&library)).unwrap_or_else(|overdue| {
            let what = "OpenSC's PKCS#11 module".to_owned();
            let why = overdue.to_string();
            snapshot.coverage.push(Gap { what, why, asked_for: true, kind: GapKind::OpenSc, reader: None });
            None
        })
    });
    let about = About {
        commit: COMMIT.filter(|commit| !commit.is_empty()),
        features: if cfg!(feature = "schema") { vec!["schema"] } else { Vec::new() },
        built_for: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        opensc: judged.as_ref().and_then(|judged| judged.version.clone()),
        library: library.as_ref().map(ByteString::to_string),
        module: module.map(|module| module.to_string()),
        beside: snapshot
            .opensc
            .iter()
            .map(|other| &other.library)
            .filter(|other| Some(*other) != library.as_ref())
            .map(ByteString::to_string)
            .collect(),
    };
    Ok((about, snapshot))
}
