//! What `config lint` says, held against the real OpenSC, in both directions: where it is silent each setting about
//! caching, directories, drivers and readers has the effect that its plain reading promises, and where one has
//! not, something is said. And each correction that is shown, written into the file, does what it promises.
//!
//! The files are generated: a few settings, one of which is moved, misspelt, hidden, or given another value. What a
//! setting does is told by OpenSC itself: the level of caching and the directory by its log with a card in the reader,
//! the drivers and readers by `opensc-tool`. `STALECARD_LONG` asks for 2,000 files; which OpenSC is asked, see
//! `tests/asked`.

use std::collections::{BTreeMap, BTreeSet};

use crate::asked::{Asked, Seen, fixtures, is_long};
use crate::configurations::Random;
use crate::stand;
use crate::stand::Host;
use stalecard::finding::{Finding, Id};
use stalecard::judge::judge_config;
use stalecard::opensc::Version;
use stalecard::snapshot::{ByteString, ConfigFile, ConfigState, Installation, SCHEMA, Snapshot, User, Whose};

/// What a program is seen to do, by the setting that it is about.
type Effects = BTreeMap<&'static str, String>;

/// Name, block, and values with what each says to a reader.
type Drawn = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Where settings stand, and the values they are given with what they say to a reader; `?`: nothing that can be had.
const SETTINGS: &[Drawn] = &[
    (
        "use_file_caching",
        "framework pkcs15",
        &[
            ("yes", "2"),
            ("public", "1"),
            ("\"yes\"", "2"),
            ("no", "0"),
            ("false", "0"),
            ("off", "0"),
            ("no # not needed\n\t\t", "0"),
            ("true", "on"),
            ("on", "on"),
            ("Yes", "on"),
            ("'yes'", "on"),
            ("\u{201c}yes\u{201d}", "2"),
            ("\u{a0}yes", "2"),
            ("${CACHING}", "?"),
            ("<%= @x %>", "?"),
        ],
    ),
    (
        "file_cache_dir",
        "framework pkcs15",
        &[
            ("HOME/one", "HOME/one"),
            ("\"HOME/one\"", "HOME/one"),
            ("\"HOME/o n e\"", "HOME/o n e"),
            ("HOME/o n e", "HOME/o n e"),
            ("HOME/$USER", "?"),
            ("~/one", "?"),
            ("\u{201c}HOME/one\u{201d}", "HOME/one"),
            ("HOME/o\u{a0}ne", "HOME/o ne"),
            ("HOME/one#two", "HOME/one#two"),
        ],
    ),
    (
        "card_drivers",
        "",
        &[
            ("sc-hsm", "sc-hsm"),
            ("PIV-II, sc-hsm", "PIV-II sc-hsm"),
            ("sc-hsm,openpgp", "openpgp sc-hsm"),
            ("\"sc-hsm\", \"myeid\",", "myeid sc-hsm"),
            ("piv, sc-hsm", "PIV-II sc-hsm"),
            ("piv-II", "PIV-II"),
            ("SC-HSM", "sc-hsm"),
            ("sc-hsm PIV-II", "PIV-II sc-hsm"),
            ("sc\u{2013}hsm", "sc-hsm"),
            ("sc-hsm; PIV-II", "PIV-II sc-hsm"),
        ],
    ),
    (
        "ignored_readers",
        "",
        &[
            ("\"Virtual PCD\"", "hidden"),
            ("Virtual", "hidden"),
            ("Nothing, \"Virtual PCD\"", "hidden"),
            ("Nothing", "shown"),
            ("Virtual Nothing", "shown"),
            ("\u{201c}Virtual PCD\u{201d}", "hidden"),
        ],
    ),
    (
        "enable_pinpad",
        "reader_driver pcsc",
        &[
            ("false", "0"),
            ("no", "0"),
            ("off", "0"),
            ("true", "1"),
            ("yes", "1"),
            ("0", "0"),
            ("1", "1"),
            ("on", "1"),
            ("enabled", "1"),
            ("\"false\"", "0"),
        ],
    ),
    (
        "connect_exclusive",
        "reader_driver pcsc",
        &[("true", "1"), ("yes", "1"), ("\"true\"", "1"), ("false", "0"), ("on", "1"), ("disable", "0")],
    ),
    (
        "disconnect_action",
        "reader_driver pcsc",
        &[
            ("reset", "1"),
            ("unpower", "2"),
            ("\"reset\"", "1"),
            ("leave", "0"),
            ("Reset", "1"),
            ("eject", "?"),
        ],
    ),
];

/// A setting in a file to be written.
#[derive(Debug, Clone)]
struct Line {
    key: String,
    value: String,
    /// Between key and value, and behind it.
    equals: &'static str,
    end: &'static str,
    blocks: Vec<String>,
}

/// A file, and what its plain reading promises each program that is asked.
struct Case {
    text: String,
    promised: BTreeMap<&'static str, Effects>,
    how: &'static str,
}

fn line(key: &str, value: &str, blocks: &[&str]) -> Line {
    let blocks = blocks.iter().filter(|block| !block.is_empty()).map(|block| (*block).to_owned()).collect();
    Line { key: key.to_owned(), value: value.to_owned(), equals: " = ", end: ";", blocks }
}

/// A key that somebody mistyped.
fn misspelt(random: &mut Random, key: &str) -> String {
    let at = 1 + random.below(key.len() - 2);
    match random.below(6) {
        0 => [&key[..at], &key[at + 1..]].concat(),
        1 => [&key[..at], &key[at - 1..]].concat(),
        2 => key.replace('_', "-"),
        3 => key.replacen('_', "", 1),
        4 => format!("{key}\u{200b}"),
        _ => {
            key.replace("_caching", "_cache").replace("_drivers", "_driver").replace("ignored_", "ignore_")
                + "s"
        }
    }
}

fn value<'a>(random: &mut Random, values: &[(&'a str, &'a str)], plain: bool) -> (&'a str, &'a str) {
    loop {
        let chosen = values[random.below(values.len())];
        // The first three are written as everybody writes them, and do something.
        if !plain || values.iter().take(3).any(|usual| *usual == chosen) {
            return chosen;
        }
    }
}

/// One file of the family about caching or of the one about drivers and readers.
fn case(random: &mut Random) -> Case {
    let about_caching = random.below(2) == 0;
    let (family, programs): (Vec<_>, &[&'static str]) = if about_caching {
        (SETTINGS[..2].to_vec(), &["pkcs15-tool", "opensc-pkcs11"])
    } else {
        (SETTINGS[2..].to_vec(), &["opensc-tool"])
    };
    let mut chosen: Vec<Drawn> = Vec::new();
    for setting in family {
        // Without caching no directory is asked.
        if (about_caching && setting.0 == "use_file_caching") || random.below(2) == 0 {
            chosen.push(setting);
        }
    }
    if chosen.is_empty() {
        chosen.push(SETTINGS[2]);
    }
    let mut lines = Vec::new();
    let mut effects = Effects::new();
    for (key, room, values) in &chosen {
        let (written, says) = value(random, values, true);
        lines.push(line(key, written, &["app default", room]));
        effects.insert(key, says.to_owned());
    }
    let mut promised: BTreeMap<&'static str, Effects> =
        programs.iter().map(|program| (*program, effects.clone())).collect();
    let index = random.below(chosen.len());
    let (key, room, values) = chosen[index];
    let said = effects[key].clone();
    let mut app_name = "app default".to_owned();
    let mut head = "";
    let how = match random.below(20) {
        0 => "as it is",
        1 => {
            lines[index].blocks.clear();
            "outside of every block"
        }
        2 => {
            let others = [
                "framework pkcs15",
                "reader_driver pcsc",
                "pkcs11",
                "",
                "framework pkcs11",
                "card_driver sc-hsm",
            ];
            let other = loop {
                let other = random.one(&others);
                if other != room {
                    break other;
                }
            };
            lines[index].blocks = line("", "", &["app default", other]).blocks;
            "in another block"
        }
        3 => {
            let app = random.one(&["app firefox", "app pkcs11-tool", "apps default"]);
            lines[index].blocks = line("", "", &[app, room]).blocks;
            "in a block that nobody looks for"
        }
        4 | 5 => {
            lines[index].key = misspelt(random, key);
            "misspelt"
        }
        6 => {
            lines[index].key = key.to_ascii_uppercase();
            "in capitals"
        }
        7 | 8 => {
            let (written, says) = value(random, values, true);
            let other = Line { value: written.to_owned(), ..lines[index].clone() };
            lines.insert(index + 1, other);
            let joins = ["card_drivers", "ignored_readers"].contains(&key);
            let both = match (joins, key) {
                (true, "card_drivers") => {
                    let all: BTreeSet<&str> = said.split(' ').chain(says.split(' ')).collect();
                    all.into_iter().collect::<Vec<_>>().join(" ")
                }
                (true, _) if [said.as_str(), says].contains(&"hidden") => "hidden".to_owned(),
                _ if says == said => said.clone(),
                _ => "?".to_owned(),
            };
            promised.values_mut().for_each(|effects| drop(effects.insert(key, both.clone())));
            "twice in a block"
        }
        9 => {
            // Behind a block of the same name that holds something else.
            lines.insert(0, line("debug", "0", &["app default"]));
            lines[index + 1].blocks[0] = "app DEFAULT".to_owned();
            "in a second block of the name"
        }
        10 => {
            // Of these lists that of `default` counts, or both: what is wrong in the other does no harm, and is wrong.
            let is_list = ["card_drivers", "ignored_readers"].contains(&key);
            let (written, says) = value(random, values, is_list);
            let program = random.one(programs);
            lines.insert(0, line(key, written, &[&format!("app {program}"), room]));
            promised.get_mut(program).unwrap().insert(key, says.to_owned());
            "in a block of the program, too"
        }
        11 | 12 => {
            let (written, says) = value(random, values, false);
            lines[index].value = written.to_owned();
            promised.values_mut().for_each(|effects| drop(effects.insert(key, says.to_owned())));
            "with another value"
        }
        13 => {
            lines[index].equals = random.one(&[
                "=", ": ", " ", "=\u{a0}", "\u{a0}= ", " =", "\n= ", " =\n", "\t=\t", " == ", " := ", " += ",
                " => ",
            ]);
            if lines[index].equals == " => " {
                // The value is `>`: what that comes to is no more than an accident.
                promised.values_mut().for_each(|effects| drop(effects.insert(key, "?".to_owned())));
            }
            "with another joint"
        }
        14 => {
            lines[index].end = random.one(&["", " ;", ";;", "\r", "; # done", ",", ":"]);
            if lines[index].end == ":" {
                // It is the value's last letter: what that comes to is no more than an accident.
                promised.values_mut().for_each(|effects| drop(effects.insert(key, "?".to_owned())));
            }
            "with another end"
        }
        15 => {
            app_name = (random.one(&[
                "app other, default",
                "\"app\" \"default\"",
                "APP Default",
                "app default,other",
            ]))
            .to_owned();
            "in a block of several names"
        }
        16 => {
            head = random.one(&[
                "; made by hand\n",
                "-- made by hand\n",
                "// made by hand\n",
                "<!-- made by hand -->\n",
                "{\n",
                "<<<<<<< HEAD\n=======\n>>>>>>> theirs\n",
                "[opensc]\n",
            ]);
            "behind another language"
        }
        17 => {
            // The block names a program that has one of its own.
            let program = random.one(programs);
            let (written, says) = value(random, values, true);
            if says == said || ["card_drivers", "ignored_readers"].contains(&key) {
                "as it is"
            } else {
                lines.insert(0, line(key, written, &[&format!("app {program}"), room]));
                promised.get_mut(program).unwrap().insert(key, "?".to_owned());
                app_name = format!("app default, {program}");
                "in a block of the program, too, which another names second"
            }
        }
        18 => {
            // Settings whose names are open at their end stand beside one another.
            let pair = [("md_guid_as_id", "false"), ("md_guid_as_label", "true")];
            lines.extend(pair.map(|(key, value)| line(key, value, &["app default", "card_atr 3B:00"])));
            "beside settings of which there are many"
        }
        _ => {
            let outer = random.one(&["pkcs11", "reader_driver pcsc", "app default"]);
            lines[index].blocks.insert(1, outer.to_owned());
            "in a block inside another"
        }
    };
    let text = head.to_owned() + &written(random, &lines).replace("app default {", &format!("{app_name} {{"));
    Case { text, promised, how }
}

/// Lines in their blocks; neighbours share them.
fn written(random: &mut Random, lines: &[Line]) -> String {
    let end = if random.below(5) == 0 { "\r\n" } else { "\n" };
    let unit = random.one(&["\t", "  ", ""]);
    let mut text = String::new();
    if random.below(3) == 0 {
        text += "# made by hand";
        text += end;
    }
    let mut open: Vec<&str> = Vec::new();
    let close = |text: &mut String, open: &mut Vec<&str>, down: usize| {
        while open.len() > down {
            open.pop();
            *text += &format!("{}}}{end}", unit.repeat(open.len()));
        }
    };
    for line in lines {
        let common = open.iter().zip(&line.blocks).take_while(|(a, b)| **a == b.as_str()).count();
        close(&mut text, &mut open, common);
        for block in &line.blocks[common..] {
            text += &format!("{}{block} {{{end}", unit.repeat(open.len()));
            open.push(block);
        }
        let indent = unit.repeat(open.len());
        text += &format!("{indent}{}{}{}{}{end}", line.key, line.equals, line.value, line.end);
    }
    close(&mut text, &mut open, 0);
    text
}

/// The findings on a text, for the OpenSC that is asked.
fn lint(asked: &Asked, text: &[u8]) -> Vec<Finding> {
    let path = ByteString::from("/etc/opensc.conf");
    let installation = Installation {
        library: "/usr/lib/libopensc.so".into(),
        version: Some(asked.version.to_string()),
        config_path: Some(path.clone()),
    };
    let tool = |name: &str| (name.to_owned(), ByteString::from(format!("/usr/bin/{name}").as_str()));
    let env = BTreeMap::from([("HOME".to_owned(), ByteString::from("/home/u"))]);
    judge_config(&Snapshot {
        schema: SCHEMA.to_owned(),
        taken_at: time::OffsetDateTime::UNIX_EPOCH,
        host: "test".to_owned(),
        user: User { uid: 1000, name: None, env },
        opensc: vec![installation],
        executables: ["pkcs15-tool", "pkcs11-tool", "opensc-tool"].map(tool).into(),
        configs: vec![ConfigFile::new(path, ConfigState::Text(text.to_vec().into()))],
        cards: Vec::new(),
        asks: Vec::new(),
        providers: Vec::new(),
        caches: Vec::new(),
        others: Vec::new(),
        processes: Vec::new(),
        flushed: Vec::new(),
        quarantine: Vec::new(),
        whose: Whose::Caller,
        home: None,
        invoked_by: None,
        readers: Vec::new(),
        p11_kit: None,
        coverage: Vec::new(),
    })
}

/// What the file does not say as it seems to; that programs differ is another matter.
fn complaints(findings: Vec<Finding>) -> Vec<Finding> {
    let others = [Id::ConfigDiffersBetweenPrograms, Id::ConfigCachesForWriter];
    findings.into_iter().filter(|finding| !others.contains(&finding.id)).collect()
}

/// What a program does under a text.
fn effects(asked: &Asked, host: &Host, program: &str) -> Effects {
    let mut effects = Effects::new();
    if program == "opensc-tool" {
        let output =
            host.clone().env("OPENSC_DEBUG", "3").run(&["opensc-tool", "--list-drivers", "--list-readers"]);
        if output.code() == 139 {
            return effects;
        }
        let listed = output.stdout.split("Available card drivers:").nth(1).unwrap_or_default();
        let names = listed.lines().skip(1).map_while(|line| line.strip_prefix("  "));
        let names: BTreeSet<&str> = names.filter_map(|line| line.split_whitespace().next()).collect();
        // opensc-tool itself adds the driver for all other cards.
        let names: Vec<&str> = names.into_iter().filter(|name| *name != "default").collect();
        effects.insert("card_drivers", names.join(" "));
        let shown = if output.stdout.contains("Virtual PCD") { "shown" } else { "hidden" };
        effects.insert("ignored_readers", shown.to_owned());
        let options = output.stderr.split("PC/SC options: ").nth(1).unwrap_or_default();
        for key in ["enable_pinpad", "connect_exclusive", "disconnect_action"] {
            let value =
                options.split(&format!("{key}=")).nth(1).and_then(|rest| rest.split_whitespace().next());
            effects.insert(key, value.unwrap_or_default().to_owned());
        }
        return effects;
    }
    let words: &[&str] =
        if program == "pkcs15-tool" { &["pkcs15-tool", "-D"] } else { &["pkcs11-tool", "-O"] };
    if let (Seen::Ran { level, dirs, .. }, _) = asked.seen(host, words) {
        effects.insert("use_file_caching", level.to_string());
        // Where nothing is cached nobody asks where.
        if level > 0 {
            effects.insert("file_cache_dir", dirs.into_iter().collect::<Vec<_>>().join(" and "));
        }
    }
    effects
}

fn is_kept(promise: &str, seen: Option<&String>, key: &str) -> bool {
    match (promise, seen) {
        (_, None) => key == "file_cache_dir",
        ("on", Some(level)) => level != "0",
        (promise, Some(seen)) => promise == seen,
    }
}

#[test]
fn lint_is_silent_where_each_setting_does_what_it_says_and_only_there() {
    let asked = Asked::start();
    if asked.version < Version::of(23) {
        return println!("the words of 0.22 and before are others: see real_opensc_caching");
    }
    let cases = if is_long() { 2_000 } else { 40 };
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut wrong = 0;
    for seed in 0..cases {
        let Case { text, promised, how } = case(&mut Random(seed ^ 0x0011_4700));
        let name = format!("lint{seed}");
        let home = asked.stand.dir().join("homes").join(&name);
        let text = text.replace("HOME", home.to_str().unwrap());
        let host = asked.host(&name, text.as_bytes());
        let said = complaints(lint(&asked, text.as_bytes()));
        let mut broken = Vec::new();
        let mut sleeps = false;
        for (program, promises) in &promised {
            let seen = effects(&asked, &host, program);
            sleeps |= seen.get("use_file_caching").is_some_and(|level| level == "0");
            for (key, promise) in promises {
                let promise = promise.replace("HOME", home.to_str().unwrap());
                if !is_kept(&promise, seen.get(key), key) {
                    broken.push(format!("{program}: {key} is to be {promise}, and is {:?}", seen.get(key)));
                }
            }
        }
        // Of a program that does not cache it cannot be seen which directory it would have.
        let is_unseen = |finding: &Finding| {
            sleeps && finding.id == Id::ConfigBlockShadowed && finding.summary.contains("file_cache_dir")
        };
        let silent = said.iter().all(is_unseen);
        *counts.entry((how, if silent { "silent" } else { "told" })).or_default() += 1;
        if silent != broken.is_empty() {
            wrong += 1;
            let said: Vec<_> = said.iter().map(|finding| finding.summary.to_string()).collect();
            println!("DISAGREES: {name}, {how}: {said:?}, but {broken:?}, on {text:?}\n{text}");
        }
        let _ = std::fs::remove_dir_all(host.home());
    }
    println!("OpenSC {}, {cases} files, {wrong} wrong: {counts:?}", asked.version);
    assert_eq!(wrong, 0, "see DISAGREES above");
    assert!(
        counts.keys().any(|(_, what)| *what == "silent") && counts.keys().any(|(_, what)| *what == "told")
    );
}

/// The first correction that is shown, with the finding, written into the text.
fn corrected(text: &[u8], findings: &[Finding]) -> Option<(Id, usize, Vec<u8>, String)> {
    let shown = findings
        .iter()
        .flat_map(|finding| finding.evidence.iter().map(move |evidence| (finding.id, evidence)));
    shown.filter_map(|(id, evidence)| Some((id, evidence.source.as_ref()?))).find_map(|(id, source)| {
        let line = source.corrected.as_ref()?;
        let last = source.last_line.unwrap_or(source.line);
        let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        let old = lines[source.line - 1];
        let indent = old.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let end: &[u8] = if lines[last - 1].ends_with(b"\r\n") {
            b"\r\n"
        } else if lines[last - 1].ends_with(b"\n") {
            b"\n"
        } else {
            b""
        };
        let new = [
            &lines[..source.line - 1].concat(),
            &old[..indent],
            line.as_bytes(),
            end,
            &lines[last..].concat(),
        ]
        .concat();
        Some((id, source.line, new, line.clone()))
    })
}

/// What each fixture with a correction does when all that are shown are made.
const CORRECTED: &[(&str, &str, &str)] = &[
    ("action-not-known", "disconnect_action", "0"),
    ("byte-order-mark", "use_file_caching", "2"),
    ("byte-order-mark-inside", "use_file_caching", "2"),
    ("c-comment", "use_file_caching", "0"),
    ("cache-dir-with-blank", "file_cache_dir", "SHARED one"),
    ("comment-before-brace", "use_file_caching", "0"),
    ("comment-before-equals", "use_file_caching", "0"),
    ("comment-before-name", "use_file_caching", "0"),
    ("comment-before-value", "use_file_caching", "0"),
    ("comment-before-setting", "use_file_caching", "0"),
    ("comment-behind-brace", "use_file_caching", "0"),
    ("comment-behind-setting", "use_file_caching", "0"),
    ("comment-behind-value", "use_file_caching", "0"),
    ("comment-of-several-lines", "use_file_caching", "0"),
    ("driver-piv", "card_drivers", "PIV-II sc-hsm"),
    ("driver-piv-ii", "card_drivers", "PIV-II sc-hsm"),
    ("drivers-without-comma", "card_drivers", "PIV-II sc-hsm"),
    ("empty-line-before-value", "use_file_caching", "2"),
    ("force-card-driver", "card_drivers", "sc-hsm"),
    ("glued-assignment", "use_file_caching", "2"),
    ("glued-block", "use_file_caching", "0"),
    ("ini-section", "card_drivers", "sc-hsm"),
    ("key-use-caching", "use_file_caching", "2"),
    ("key-use-file-cache", "use_file_caching", "2"),
    ("key-with-dashes", "use_file_caching", "2"),
    ("no-break-space", "use_file_caching", "2"),
    ("no-break-space-before-brace", "use_file_caching", "0"),
    ("no-break-space-indent", "use_file_caching", "2"),
    ("pinpad-in-app", "enable_pinpad", "0"),
    ("pinpad-zero-one", "enable_pinpad", "0"),
    ("readers-without-quotes", "ignored_readers", "shown"),
    ("settings-outside-app", "card_drivers", "PIV-II"),
    ("slash-comment", "use_file_caching", "0"),
    ("slash-comment-with-setting", "use_file_caching", "0"),
    ("typographic-dash", "card_drivers", "PIV-II sc-hsm"),
    ("typographic-quotes", "use_file_caching", "2"),
    ("typographic-quotes-dir", "file_cache_dir", "SHARED"),
    ("value-glued-brace", "use_file_caching", "0"),
    ("value-glued-comment", "use_file_caching", "0"),
    ("value-not-needed", "use_file_caching", "0"),
    ("value-true", "use_file_caching", "0"),
    ("value-unclosed-quote", "use_file_caching", "0"),
    ("word-before-key", "use_file_caching", "2"),
    ("yaml-setting", "use_file_caching", "2"),
];

/// A text with all corrections made that are shown, one after the other, and the lines that were written.
struct Corrected {
    text: Vec<u8>,
    lines: Vec<String>,
    left: Vec<Finding>,
}

/// Makes them. Each has to end what it is shown for.
fn all_corrected(asked: &Asked, text: &[u8]) -> Result<Corrected, String> {
    let mut made = Corrected { text: text.to_vec(), lines: Vec::new(), left: lint(asked, text) };
    while let Some((id, line, new, written)) = corrected(&made.text, &made.left) {
        let now = lint(asked, &new);
        let at = |findings: &[Finding]| {
            let evidence =
                findings.iter().filter(|finding| finding.id == id).flat_map(|finding| &finding.evidence);
            evidence
                .filter(|e| e.source.as_ref().is_some_and(|s| s.line == line && s.corrected.is_some()))
                .count()
        };
        if at(&now) >= at(&made.left) || made.lines.len() > 8 {
            return Err(format!("line {line} is no better: {}", String::from_utf8_lossy(&new)));
        }
        made.lines.push(written);
        (made.text, made.left) = (new, now);
    }
    Ok(made)
}

/// What a corrected line promises, read plainly: its setting, and what a program is to be seen doing.
fn promise(line: &str) -> Option<(&'static str, Vec<String>)> {
    // Of a comment behind it nothing is promised.
    let (before, value) = line.split_once(" = ")?;
    let key = before.split_whitespace().last()?;
    let (key, ..) = SETTINGS.iter().find(|(known, ..)| *known == key)?;
    let value = value.split(" # ").next()?.trim_end_matches([' ', '}', ';']);
    let list = || value.split(',').map(|one| one.trim().trim_matches('"').to_owned());
    let one = list().next()?;
    Some((
        key,
        match *key {
            "use_file_caching" => {
                vec![["no", "public", "yes"].iter().position(|word| *word == one)?.to_string()]
            }
            "file_cache_dir" => vec![value.trim_matches('"').to_owned()],
            // opensc-tool itself adds the driver for all other cards.
            "card_drivers" => list().filter(|name| name != "default").collect(),
            "ignored_readers" => {
                vec![list().find(|name| stand::reader_name(0).contains(name)).map(|_| "hidden".to_owned())?]
            }
            "disconnect_action" => {
                vec![["leave", "reset", "unpower"].iter().position(|word| *word == one)?.to_string()]
            }
            _ => vec![u8::from(one.starts_with(['t', 'y'])).to_string()],
        },
    ))
}

/// What of the corrected lines does not hold in the real OpenSC.
fn broken(asked: &Asked, host: &Host, made: &Corrected) -> Vec<String> {
    let mut broken = Vec::new();
    let unreadable = made.left.iter().any(|finding| finding.id == Id::ConfigUnreadable);
    let crashes = made.left.iter().any(|finding| finding.id == Id::ConfigCrashesOpenSc);
    let text = String::from_utf8_lossy(&made.text);
    // Whether the card in the reader is still to be had, and the log to be read.
    let binds = !["card_drivers", "ignored_readers", "debug_file"].iter().any(|key| text.contains(key));
    let seen = if binds {
        asked.seen(host, &["pkcs15-tool", "-D"]).0
    } else {
        let output = host.clone().env("OPENSC_DEBUG", "3").run(&["opensc-tool", "-i"]);
        let dropped = output.stderr.contains("scconf_parse failed");
        if output.code() == 139 { Seen::Died } else { Seen::Ran { dropped, level: 0, dirs: BTreeSet::new() } }
    };
    match seen {
        Seen::Died if !crashes => broken.push("it kills OpenSC".to_owned()),
        Seen::Ran { dropped, .. } if dropped != unreadable => broken.push(format!("dropped: {dropped}")),
        Seen::Died | Seen::Ran { .. } => {}
    }
    // What OpenSC drops or dies of has no effect, which is said.
    if unreadable || crashes {
        return broken;
    }
    for line in &made.lines {
        let Some((key, promises)) = promise(line) else { continue };
        let programs: &[&str] = if SETTINGS[..2].iter().any(|(known, ..)| *known == key) {
            &["pkcs15-tool", "opensc-pkcs11"]
        } else {
            &["opensc-tool"]
        };
        let does = |program: &&str| {
            let seen = effects(asked, host, program);
            let Some(seen) = seen.get(key) else { return key == "file_cache_dir" };
            match key {
                "card_drivers" => promises.iter().all(|name| seen.split(' ').any(|one| one == name)),
                _ => promises.contains(seen),
            }
        };
        // It may stand in the block of one program.
        if !programs.iter().any(does) {
            broken.push(format!("`{line}` does not do what it says"));
        }
    }
    broken
}

#[test]
fn each_correction_that_is_shown_does_what_it_promises() {
    let asked = Asked::start();
    if asked.version < Version::of(23) {
        return println!("the words of 0.22 and before are others");
    }
    let mut wrong = Vec::new();
    let mut made = BTreeSet::new();
    for (name, text) in fixtures() {
        let home = asked.stand.dir().join("homes").join(&name).join("shared");
        let shared = home.to_str().unwrap();
        let text = String::from_utf8_lossy(&text).replace("/var/lib/opensc/cache", shared).into_bytes();
        let corrected = match all_corrected(&asked, &text) {
            Ok(corrected) if corrected.lines.is_empty() => continue,
            Ok(corrected) => corrected,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        made.insert(name.clone());
        let host = asked.host(&name, &corrected.text);
        let shown = String::from_utf8_lossy(&corrected.text);
        for broken in broken(&asked, &host, &corrected) {
            wrong.push(format!("{name}: {broken}:\n{shown}"));
        }
        if let Some((_, key, promise)) = CORRECTED.iter().find(|(known, ..)| *known == name) {
            let about_caching = SETTINGS[..2].iter().any(|(known, ..)| known == key);
            let program = if about_caching { "pkcs15-tool" } else { "opensc-tool" };
            let seen = effects(&asked, &host, program);
            let promise = promise.replace("SHARED", shared);
            if seen.get(key) != Some(&promise) {
                wrong.push(format!("{name}: {key} is to be {promise}, and is {:?}:\n{shown}", seen.get(key)));
            }
        }
        let _ = std::fs::remove_dir_all(host.home());
    }
    let expected: BTreeSet<String> = CORRECTED.iter().map(|(name, ..)| (*name).to_owned()).collect();
    println!("corrected: {made:?}; held by their lines alone: {:?}", made.difference(&expected));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let missing: Vec<_> = expected.difference(&made).collect();
    assert!(missing.is_empty(), "no correction is shown of {missing:?}");
}

#[test]
fn each_correction_of_a_generated_file_does_what_it_promises() {
    let asked = Asked::start();
    if asked.version < Version::of(23) {
        return println!("the words of 0.22 and before are others");
    }
    let cases = if is_long() { 2_000 } else { 60 };
    let (mut files, mut lines, mut wrong) = (0, 0, 0);
    for seed in 0..cases {
        let Case { text, how, .. } = case(&mut Random(seed ^ 0x0022_4700));
        let name = format!("corrected{seed}");
        let home = asked.stand.dir().join("homes").join(&name);
        let text = text.replace("HOME", home.to_str().unwrap());
        let said = match all_corrected(&asked, text.as_bytes()) {
            Ok(made) if made.lines.is_empty() => continue,
            Ok(made) => {
                files += 1;
                lines += made.lines.len();
                let host = asked.host(&name, &made.text);
                let broken = broken(&asked, &host, &made);
                let _ = std::fs::remove_dir_all(host.home());
                broken
                    .into_iter()
                    .map(|what| format!("{what}:\n{}", String::from_utf8_lossy(&made.text)))
                    .collect()
            }
            Err(error) => vec![error],
        };
        for what in said {
            wrong += 1;
            println!("DISAGREES: {name}, {how}: {what}\nof {text}");
        }
    }
    println!("OpenSC {}, {cases} files: {files} corrected in {lines} lines, {wrong} wrong", asked.version);
    assert_eq!(wrong, 0, "see DISAGREES above");
    assert!(lines >= 10, "{lines}");
}
