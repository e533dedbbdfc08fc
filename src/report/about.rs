//! For people: what this program was built of, and which OpenSC it would judge.

use std::fmt::Write;

use super::lines::{Page, Screen, row};
use crate::observe::About;
use crate::snapshot::Gap;

/// A line each, below what `--version` says alone.
#[must_use]
pub fn about(screen: &Screen, about: &About, coverage: &[Gap]) -> String {
    let mut out = Page::new(screen);
    let _ = writeln!(out, "stalecard {}", env!("CARGO_PKG_VERSION"));
    row(
        &mut out,
        "commit",
        about.commit.unwrap_or("not known: whoever built it did not say (STALECARD_COMMIT)"),
    );
    row(
        &mut out,
        "features",
        &if about.features.is_empty() { "none".to_owned() } else { about.features.join(", ") },
    );
    row(&mut out, "built for", &about.built_for);
    match &about.library {
        Some(library) => {
            let version = about.opensc.as_deref().unwrap_or("of unknown version");
            row(&mut out, "OpenSC", &format!("{version} ({library})"));
            let module = about.module.as_deref().unwrap_or("none beside that library");
            row(&mut out, "PKCS#11 module", module);
        }
        None => row(&mut out, "OpenSC", "none found here: none was judged"),
    }
    for other in &about.beside {
        row(&mut out, "beside it", other);
    }
    for gap in coverage {
        row(&mut out, "not read", &format!("{}: {}", gap.what, gap.why));
    }
    out.text()
}
