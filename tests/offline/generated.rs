//! What `generate` gives packagers: a man page for every command, and completions that know them
//! all and nothing hidden. The three shells themselves complete in tests/integrations/package.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use stalecard::observe::load;
use stalecard::snapshot::Content;

fn stalecard(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stalecard")).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands below these words, as `--help` lists them.
fn below(words: &[&str]) -> Vec<String> {
    let help = stalecard(&[words, &["--help"]].concat());
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let lines = list.lines().take_while(|line| !line.is_empty());
    // What a description goes on with stands further in.
    let names = lines.filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// The pages of the questions, by their files in `docs/`: what is said of all commands stands in the commands' own.
fn pages() -> Vec<String> {
    let entries = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter_map(|name| name.strip_suffix(".md").map(str::to_owned));
    names.filter(|name| name != "commands").map(|name| format!("stalecard-{name}.7")).collect()
}

/// As a reader of man pages sees it: without requests, fonts and escapes.
fn read_as_text(page: &str) -> String {
    let mut text = String::new();
    for line in page.lines().filter(|line| !line.starts_with(['.', '\''])) {
        text.push_str(&line.replace("\\fB", "").replace("\\fI", "").replace("\\fR", "").replace("\\-", "-"));
        text.push(' ');
    }
    text.replace("\\*(Aq", "'").replace("\\&", "").replace("\\\\", "\\")
}

/// One text: whatever stands in a page of `docs/` stands in its man page, and what it says of all commands in theirs.
#[test]
fn man_pages_say_what_the_docs_say() {
    let folder = tempfile::tempdir().unwrap();
    stalecard(&["generate", folder.path().to_str().unwrap()]);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let docs = |name: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
    };
    let words = |text: &str| -> BTreeSet<String> {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.' | '$' | '~');
        let words =
            text.split(|c: char| !is_part(c)).map(|word| word.trim_matches(['.', '-', '/']).to_owned());
        words.filter(|word| word.chars().any(char::is_alphanumeric)).collect()
    };
    for page in pages() {
        let roff = read(&page);
        let source = docs(&page.replace("stalecard-", "").replace(".7", ".md"));
        // Where a link leads is said otherwise, and a heading is a request.
        let heads = source.lines().zip(source.lines().skip(1)).filter(|(_, below)| below.starts_with("|--"));
        let heads: BTreeSet<&str> = heads.map(|(head, _)| head).collect();
        let is_told = |line: &&str| !line.starts_with('#') && !line.contains("](") && !heads.contains(line);
        let prose: Vec<&str> = source.lines().filter(is_told).collect();
        let missing: Vec<String> =
            words(&prose.join(" ")).difference(&words(&read_as_text(&roff))).cloned().collect();
        assert!(missing.is_empty(), "{page} lacks {missing:?}");
        for heading in source.lines().filter_map(|line| line.strip_prefix("## ")) {
            assert!(
                roff.contains(&format!(".SH \"{heading}\"")) || roff.contains(&format!(".SH {heading}")),
                "{page}: {heading}"
            );
        }
        let name = page.strip_suffix(".7").unwrap().replace('-', "\\-");
        assert!(roff.contains(&format!(".SH NAME\n{name} \\- ")), "{page} has no name");
    }
    for (page, example) in [
        ("stalecard.1", "stalecard config disable-cache --dry-run --diff"),
        ("stalecard-flush.1", "stalecard flush --serial DENK0200834"),
        ("stalecard-config-show.1", "stalecard config show"),
    ] {
        let (roff, text) = (read(page), read_as_text(&read(page)));
        for part in [
            "NAME",
            "SYNOPSIS",
            "OPTIONS",
            "EXAMPLES",
            "FILES",
            "ENVIRONMENT",
            "\"EXIT STATUS\"",
            "\"SEE ALSO\"",
        ] {
            assert_eq!(roff.matches(&format!(".SH {part}\n")).count(), 1, "{page}: {part}");
        }
        for said in [example, "OPENSC_CONF", "/var/lib/stalecard", "would change", "stalecard-signatures"] {
            assert!(text.contains(said), "{page} does not say {said:?}:\n{text}");
        }
        let (_, examples) = roff.split_once(".SH EXAMPLES").unwrap();
        let own = page.strip_suffix(".1").unwrap().replace('-', " ");
        let told = examples.split(".TP").skip(1).count();
        assert!(told > 0 && told == read_as_text(examples).matches(&own).count().min(told), "{page}");
    }
}

#[test]
fn every_command_has_its_page_and_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    stalecard(&["generate", folder.path().to_str().unwrap()]);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let mut expected: BTreeSet<String> =
        ["_stalecard", "stalecard.bash", "stalecard.fish", "stalecard.1"].map(str::to_owned).into();
    for page in pages() {
        expected.insert(page);
    }
    let commands = below(&[]);
    assert!(commands.len() > 12, "{commands:?}");
    for command in &commands {
        expected.insert(format!("stalecard-{command}.1"));
        for name in below(&[command]) {
            let page = format!("stalecard-{command}-{name}.1");
            assert!(
                read(&page).replace("\\-", "-").contains(&format!("stalecard {command} {name}")),
                "{page}"
            );
            expected.insert(page);
        }
    }
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let names: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, expected);

    let offered = |home: &Path, words: &[&str]| -> Vec<String> {
        let last = words.len() - 1;
        let script = format!(
            ". ./stalecard.bash; COMP_WORDS=(stalecard {}) COMP_CWORD={}; _clap_complete_stalecard stalecard '{}' x; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words[..last].join(" "),
            words.len(),
            words[last]
        );
        let program = Path::new(env!("CARGO_BIN_EXE_stalecard")).parent().unwrap();
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
            .env("HOME", home)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.split(['\n', '\u{b}'])
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let home = tempfile::tempdir().unwrap();
    let mut all = offered(home.path(), &[""]);
    all.retain(|word| !word.starts_with('-'));
    assert_eq!(all, commands, "all commands, and nothing hidden");
    assert_eq!(offered(home.path(), &["explain", "stale-k"]), ["stale-key-id"]);
    assert!(offered(home.path(), &["check", "--user", "roo"]).contains(&"root".to_owned()));
    assert!(
        offered(home.path(), &["config", "show", "--for", "opensc-p"]).contains(&"opensc-pkcs11".to_owned())
    );
    assert_eq!(offered(home.path(), &["check", "--serial", ""]), [] as [&str; 0]);
    let cache = home.path().join(".cache/opensc");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(cache.join("DENK0200834_NODATE_C401"), b"").unwrap();
    for words in [&["check", "--serial", "DEN"][..], &["flush", "--serial", ""], &["show", "DENK"]] {
        assert_eq!(offered(home.path(), words), ["DENK0200834"], "{words:?}");
    }
    // What a real one knows: the ID and the label of its key.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/snapshots/seed-beta-stale.json");
    let snapshot = load(Path::new(path)).unwrap();
    for entry in snapshot.caches.iter().flat_map(|dir| &dir.entries) {
        let Content::Bytes(bytes) = &entry.content else { continue };
        std::fs::write(cache.join(entry.name.to_string()), bytes.as_slice()).unwrap();
    }
    let id = "370f650bfd11e2f861814a046af0c4317718f968";
    for words in [&["show", "370f"][..], &["flush", "370f"], &["verify", "--key", "370f"]] {
        assert_eq!(offered(home.path(), words), [id], "{words:?}");
    }
    assert!(offered(home.path(), &["show", "Priv"]).contains(&"Private Key".to_owned()));
}
