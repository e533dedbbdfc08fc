//! `config-setting-ignored`: a cache setting in opensc.conf that nobody reads
//!
//! OpenSC skips in silence what it does not look for. `use_file_caching=yes;` without
//! blanks is one word without meaning. The cache settings count only inside `framework
//! pkcs15` inside an `app` block; of two equal keys in a block only the first counts, and
//! of an `app` block with several names only the first name. A block for a name that no
//! program has is never read: the PKCS#11 module is `opensc-pkcs11` in every application,
//! `app pkcs11-tool` matters to nothing, `app onepin-opensc-pkcs11` to nothing from 0.24,
//! and the path of an executable to nothing before 0.24. `opensc-tool -S` reports success and
//! writes a line that nothing reads.
//!
//! Cure: put the setting where it is read; the corrected line is shown where there is one.

use crate::case::config::{ConfigCase, Dead, MOST, NOT_SHOWN, labels};
use crate::finding::{Deed, Finding, Id, Remedy};
use crate::opensc::program::{ONEPIN, PKCS11, PKCS11_TOOL};
use crate::opensc::{Program, Shadowed, WhyShadowed, differences};
use crate::scconf::{Block, Body, Statement};
use crate::text::escape;

const SETTINGS: [&str; 2] = ["use_file_caching", "file_cache_dir"];

/// Applies the rule to one configuration.
pub fn apply(case: &ConfigCase<'_>, sink: &mut Vec<Finding>) {
    let read = case.read();
    let (mut found, mut more) = (Vec::new(), 0);
    let mut say = |finding: &dyn Fn() -> Finding| {
        if found.len() < MOST { found.push(finding()) } else { more += 1 }
    };
    for dead in case.dead() {
        let is_read = read.range(dead.setting.range.clone()).next().is_some();
        if is_read && dead.setting.why != WhyShadowed::SecondName {
            continue;
        }
        if let Some(why) = why(case, dead.setting) {
            say(&|| finding(case, &dead, &why));
        }
    }
    for app in case.apps() {
        for assignment in app.body.assignments().filter(|assignment| assignment.key.is("framework")) {
            let why = "framework is the key of a block; opensc-tool -S writes this line, and none reads it";
            say(&|| unread(case, assignment.range.clone(), why));
        }
        if let Some(why) = nobody(case, app) {
            settings(&app.body, &mut |statement| {
                say(&|| unread(case, statement.range().clone(), &why));
            });
        }
    }
    if more > 0 {
        let summary = format!("{more} more settings of {} have no effect.", case.path);
        found.push(case.finding(Id::ConfigSettingIgnored, Vec::new(), summary, NOT_SHOWN.to_owned()));
    }
    sink.extend(found);
}

fn why(case: &ConfigCase<'_>, setting: &Shadowed) -> Option<String> {
    let block = case.app_around(setting.range.start);
    Some(match setting.why {
        WhyShadowed::LaterDuplicate => {
            "the same key stands before it in this block, and the first counts".into()
        }
        WhyShadowed::SecondName => {
            let first = block.map(|block| escape(block.name())).unwrap_or_default();
            format!("of the names of this block only the first counts, which is {first}")
        }
        WhyShadowed::OutsideFramework => "it is read only inside framework pkcs15".into(),
        WhyShadowed::OutsideApp if begins_with_mark(case) => {
            "a byte order mark at the start of the file is part of the word app".into()
        }
        WhyShadowed::OutsideApp => "it is read only inside an app block".into(),
        WhyShadowed::NotAnAssignment => "there is no = of its own: blanks belong around it".into(),
        WhyShadowed::OtherFramework(_) | WhyShadowed::DuplicateApp(_) => return None,
    })
}

fn begins_with_mark(case: &ConfigCase<'_>) -> bool {
    case.text.starts_with(b"\xEF\xBB\xBF")
}

fn finding(case: &ConfigCase<'_>, dead: &Dead<'_>, why: &str) -> Finding {
    let setting = dead.setting;
    let key = escape(&setting.key.0);
    let key = key.split('=').next().unwrap_or_default();
    let programs = labels(dead.programs.iter().copied());
    let mut finding = case.finding(
        Id::ConfigSettingIgnored,
        programs,
        format!("This {key} has no effect: {why}."),
        "OpenSC says nothing about it, and something else holds than the line seems to say.".to_owned(),
    );
    finding.evidence.push(case.source(&setting.range, "never read", corrected(case, setting)));
    if setting.why == WhyShadowed::OutsideApp && begins_with_mark(case) {
        let mark = 0..3;
        let corrected = case.corrected(&mark, b"");
        finding.evidence.push(case.source(&mark, "the byte order mark", corrected));
    }
    let what = match setting.why {
        WhyShadowed::LaterDuplicate => "remove this line, or the one before it",
        WhyShadowed::SecondName => "give each program a block of its own",
        WhyShadowed::OutsideFramework => "move the line into framework pkcs15 { … }",
        WhyShadowed::OutsideApp if begins_with_mark(case) => "remove the byte order mark",
        WhyShadowed::OutsideApp => "put it into app default { framework pkcs15 { … } }",
        _ => "write blanks around the =",
    };
    finding.fix.push(Remedy::new(what, Deed::EditConfiguration));
    finding
}

fn corrected(case: &ConfigCase<'_>, setting: &Shadowed) -> Option<String> {
    let text = case.piece(setting.range.clone());
    match setting.why {
        WhyShadowed::NotAnAssignment => {
            let equals = text.iter().position(|b| *b == b'=')?;
            let (key, value) = (text.get(..equals)?.trim_ascii(), text.get(equals + 1..)?.trim_ascii());
            // A brace that hung on the value goes back where it belongs.
            let fixed = match value.strip_suffix(b"}") {
                Some(value) => [key, b" = ", value, b"; }"].concat(),
                None => [key, b" = ", value].concat(),
            };
            case.corrected(&setting.range, &fixed)
        }
        WhyShadowed::OutsideFramework => {
            let app = case.app_around(setting.range.start)?;
            let fixed = [b"framework pkcs15 { ", text.trim_ascii(), b" }"].concat();
            // A second block of the same name would not be read, and neither would one inside another block.
            let is_inside_another = !app.body.assignments().any(|own| own.range == setting.range);
            if has_framework(app) || is_inside_another {
                None
            } else {
                case.corrected(&setting.range, &fixed)
            }
        }
        _ => None,
    }
}

fn has_framework(app: &Block) -> bool {
    app.body.blocks("framework", Some(b"pkcs15")).is_ok_and(|found| !found.is_empty())
}

/// Why no program looks for this block, if none does.
fn nobody(case: &ConfigCase<'_>, app: &Block) -> Option<String> {
    let name = app.name();
    if name.starts_with(b"/") {
        let counts = differences::has_executable_blocks(case.version);
        return (!counts).then(|| "blocks named after an executable are read from OpenSC 0.24 on".to_owned());
    }
    let text = std::str::from_utf8(name).unwrap_or_default().to_ascii_lowercase();
    if text == PKCS11_TOOL {
        return Some(format!("pkcs11-tool reads the block {PKCS11}, as every application of the module"));
    }
    if text == ONEPIN && differences::onepin_app_name(case.version) == PKCS11 {
        return Some(format!("from OpenSC 0.24 this module reads the block {PKCS11}"));
    }
    // Said of this setting already, with the program that would read it.
    let second = app.names.iter().skip(1).any(|word| {
        let word = std::str::from_utf8(&word.value).unwrap_or_default().to_ascii_lowercase();
        Program::called(&word, &std::collections::BTreeMap::new(), case.version).is_some()
    });
    let known = Program::called(&text, &std::collections::BTreeMap::new(), case.version).is_some();
    (!known && !second).then(|| {
        format!(
            "no program of OpenSC's is called {}; its PKCS#11 module is {PKCS11} in every application",
            escape(name)
        )
    })
}

/// The cache settings in `framework pkcs15` blocks of an `app` block.
fn settings(body: &Body, found: &mut impl FnMut(&Statement)) {
    for statement in &body.0 {
        match statement {
            Statement::Assignment(a) if SETTINGS.iter().any(|key| a.key.is(key)) => found(statement),
            Statement::Block(block) => {
                for statement in &block.body.0 {
                    if matches!(statement, Statement::Assignment(a) if SETTINGS.iter().any(|key| a.key.is(key)))
                    {
                        found(statement);
                    }
                }
            }
            _ => {}
        }
    }
}

fn unread(case: &ConfigCase<'_>, range: std::ops::Range<usize>, why: &str) -> Finding {
    let mut finding = case.finding(
        Id::ConfigSettingIgnored,
        Vec::new(),
        format!("This setting has no effect: {why}."),
        "OpenSC says nothing about it, and something else holds than the line seems to say.".to_owned(),
    );
    finding.evidence.push(case.source(&range, "never read", None));
    let what =
        format!("put it into app default, or into app {PKCS11} for applications of the PKCS#11 module");
    finding.fix.push(Remedy::new(what, Deed::EditConfiguration));
    finding
}
