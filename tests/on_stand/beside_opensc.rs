//! OpenSC at work while stalecard repairs its cache: neither makes the other fail, and what OpenSC
//! has just written is never taken away.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::stand::{Host, PIN, SO_PIN, Stand};
use serde_json::Value;

/// Repairs while OpenSC lists.
const ROUNDS: usize = 30;

#[test]
fn neither_disturbs_the_other() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    for _ in 0..2 {
        host.keypairgen("EC:prime256v1", &[]);
    }
    // What OpenSC itself makes of the card, in a home of its own.
    let clean = stand.host("clean");
    clean.pkcs15_list();
    clean.pkcs11_list();
    let fresh: BTreeSet<Vec<u8>> =
        clean.cache_files().into_values().filter(|content| !content.is_empty()).collect();
    assert!(fresh.len() >= 4, "{fresh:?}");
    let _ = std::fs::remove_dir_all(host.cache());

    let (stop, listings) = (AtomicBool::new(false), AtomicUsize::new(0));
    let moved = std::thread::scope(|scope| {
        let beside = host.clone();
        let (stop, listings) = (&stop, &listings);
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // Each fails the test if the tool fails.
                beside.pkcs15_list();
                beside.pkcs11_list();
                listings.fetch_add(1, Ordering::Relaxed);
            }
        });
        let repaired = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| repair(&host)));
        stop.store(true, Ordering::Relaxed);
        repaired.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let listings = listings.into_inner();
    eprintln!("{ROUNDS} repairs beside {listings} listings of each tool: {moved} stale entries moved");
    assert!(moved >= ROUNDS / 2 && listings > 1, "{moved} moved, {listings} listings: nothing was tested");
    let kept = stand.dir().join("homes/alpha/.local/state/stalecard");
    // Root's quarantine lies in the namespace's own /var/lib.
    let text = host.sh("find /var/lib/stalecard -path '*/files/*' -type f -exec cat {} + 2>/dev/null; true");
    for content in &fresh {
        assert!(!quarantined(&kept).contains(content), "a fresh entry was taken");
        assert!(!text.raw.windows(content.len()).any(|window| window == content), "a fresh entry was taken");
    }
    host.pkcs15_list();
    host.stalecard(&["check"]).ok();
}

/// Makes one entry stale again and again, and has it repaired.
fn repair(host: &Host) -> usize {
    let mut moved = 0;
    for round in 0..ROUNDS {
        let name = loop {
            let names = host.cache_names();
            match names.into_iter().find(|name| name.ends_with("_CE01")) {
                Some(name) => break name,
                // The last repair took it, and OpenSC has not brought it back yet.
                None => drop(host.pkcs15_list()),
            }
        };
        std::fs::write(host.cache().join(name), b"\x30\x03stale, and no certificate").unwrap();
        let command: &[&str] = if round % 2 == 0 { &["flush"] } else { &["fix"] };
        // The tools beside it may hold what they read before, and `fix` says so.
        let output = host.stalecard(&[command, &["--format", "json"]].concat());
        let fixed =
            command == ["fix"] && output.code() == 1 && output.stdout.contains("process-holds-old-view");
        let output = if fixed { output } else { output.ok() };
        let report: Value = serde_json::from_str(&output.stdout).unwrap();
        let operations = report["operations"].as_array().unwrap().iter();
        moved += operations
            .flat_map(|operation| operation["steps"].as_array().unwrap())
            .filter(|step| step["outcome"] == "moved")
            .count();
    }
    moved
}

fn quarantined(state: &Path) -> Vec<Vec<u8>> {
    let files = walkdir::WalkDir::new(state).into_iter().flatten().filter(|e| e.file_type().is_file());
    files.map(|entry| std::fs::read(entry.path()).unwrap()).collect()
}
