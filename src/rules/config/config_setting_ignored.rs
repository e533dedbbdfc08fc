//! `config-setting-ignored`: a setting in opensc.conf that nobody reads
//!
//! OpenSC skips in silence what it does not look for: a setting outside of every
//! `app` block, one in another block than its own (the cache settings count only
//! inside `framework pkcs15`, `enable_pinpad` only inside `reader_driver pcsc`), a
//! name that is misspelt or that other releases have, another file by `include`, a
//! word without `=`. `use_file_caching=yes;` without blanks is one word without
//! meaning. Of two equal keys in a block only the first counts, and of an `app`
//! block with several names only the first name. `card_drivers` in the block of
//! one program counts nothing beside one in `app default`. A block for a name that
//! no program has is never read: the PKCS#11 module is `opensc-pkcs11` in every
//! application, `app pkcs11-tool` matters to nothing, `app onepin-opensc-pkcs11`
//! to nothing from 0.24, and the path of an executable to nothing before 0.24.
//! `opensc-tool -S` reports success and writes a line that nothing reads.
//!
//! Cure: put the setting where it is read; the corrected line is shown where there
//! is one.

use crate::case::config::{ConfigCase, Correction, Dead, MOST, NOT_SHOWN, labels};
use crate::finding::{Deed, Finding, Id, Remedy};
use crate::opensc::known::{self, Known, Room};
use crate::opensc::program::{ONEPIN, PKCS11, PKCS11_TOOL};
use crate::opensc::{Program, Shadowed, Unread, WhyShadowed, WhyUnread, differences};
use crate::scconf::foreign::Foreign;
use crate::scconf::glyphs::plain;
use crate::scconf::{Assignment, Block, Body, Statement};
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
        let is_read = read.range(dead.setting.at.range()).next().is_some();
        if is_read && dead.setting.why != WhyShadowed::SecondName {
            continue;
        }
        if let Some(why) = why(case, dead.setting) {
            say(&|| finding(case, &dead, &why));
        }
    }
    for app in case.apps() {
        if let Some(why) = nobody(case, app) {
            let mut any = false;
            settings(&app.body, &mut |statement| {
                any = true;
                say(&|| unread(case, statement.range().clone(), &why));
            });
            if !any && !app.body.0.is_empty() {
                say(&|| unread(case, app.range.start..app.open, &why));
            }
        }
    }
    let passed_over = case.unread.iter().map(|unread| (unread, &[][..]));
    let by_some = case.unread_by_some.iter().map(|(unread, programs)| (unread, programs.as_slice()));
    for (unread, programs) in passed_over.chain(by_some) {
        if let Some(why) = why_passed_over(case, unread) {
            say(&|| passed_over_finding(case, unread, programs, &why));
        }
    }
    if more > 0 {
        let summary = format!("{more} more settings of {} have no effect.", case.path);
        found.push(case.finding(Id::ConfigSettingIgnored, Vec::new(), summary, NOT_SHOWN.to_owned()));
    }
    sink.extend(found);
}

fn why(case: &ConfigCase<'_>, setting: &Shadowed) -> Option<String> {
    let block = case.app_around(setting.at.start);
    Some(match setting.why {
        WhyShadowed::LaterDuplicate if is_empty(case, setting) => "it has no value".into(),
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
        WhyShadowed::NotAnAssignment => match case.language(&setting.at.range()) {
            Some(language) => format!("this is {}", language.name()),
            None => "there is no = of its own: blanks belong around it".into(),
        },
        WhyShadowed::OtherFramework(_) | WhyShadowed::DuplicateApp(_) => return None,
    })
}

/// `key = ;` is passed over, and the next line of the same key counts.
fn is_empty(case: &ConfigCase<'_>, setting: &Shadowed) -> bool {
    let text = case.piece(setting.at.range());
    let value = memchr::memchr(b'=', text).and_then(|at| text.get(at + 1..)).unwrap_or(text);
    value.iter().all(|byte| byte.is_ascii_whitespace() || *byte == b';')
}

fn begins_with_mark(case: &ConfigCase<'_>) -> bool {
    case.text.starts_with(b"\xEF\xBB\xBF")
}

fn finding(case: &ConfigCase<'_>, dead: &Dead<'_>, why: &str) -> Finding {
    let setting = dead.setting;
    let key = escape(plain(&setting.key.0).trim_ascii());
    let key = key.split(['=', ':']).next().unwrap_or_default();
    let programs = labels(dead.programs.iter().copied());
    let on = if setting.why == WhyShadowed::SecondName {
        format!(" on {}", case.who(&programs))
    } else {
        String::new()
    };
    let mut finding = case.finding(
        Id::ConfigSettingIgnored,
        programs,
        format!("This {key} has no effect{on}: {why}."),
        "OpenSC says nothing about it, and something else holds than the line seems to say.".to_owned(),
    );
    let fixed = corrected(case, setting).filter(|fixed| case.is_cured(&setting.at.range(), fixed));
    finding.evidence.push(case.source(&setting.at.range(), "never read", fixed));
    finding.evidence.extend(case.glyph_evidence(&setting.at.range()));
    if setting.why == WhyShadowed::OutsideApp && begins_with_mark(case) {
        let mark = 0..3;
        let corrected = case.corrected(&mark, b"");
        finding.evidence.push(case.source(&mark, "the byte order mark", corrected));
    }
    let what = match setting.why {
        WhyShadowed::LaterDuplicate if is_empty(case, setting) => "remove this line",
        WhyShadowed::LaterDuplicate => "remove this line, or the one before it",
        WhyShadowed::SecondName => "give each program a block of its own",
        WhyShadowed::OutsideFramework => "move the line into framework pkcs15 { … }",
        WhyShadowed::OutsideApp if begins_with_mark(case) => "remove the byte order mark",
        WhyShadowed::OutsideApp => "put it into app default { framework pkcs15 { … } }",
        WhyShadowed::NotAnAssignment => "write blanks around the =",
        // Other rules tell of these.
        WhyShadowed::OtherFramework(_) | WhyShadowed::DuplicateApp(_) => "take it out",
    };
    finding.fix.push(Remedy::new(what, Deed::EditConfiguration));
    finding
}

#[deny(clippy::wildcard_enum_match_arm, reason = "each reason has a correction of its own, or none")]
fn corrected(case: &ConfigCase<'_>, setting: &Shadowed) -> Option<Correction> {
    let range = setting.at.range();
    let text = plain(case.piece(range.clone()));
    match setting.why {
        WhyShadowed::NotAnAssignment => {
            // Another word may stand before it.
            let key = plain(&setting.key.0);
            let start = memchr::memmem::find(&text, &key)?;
            case.corrected(&range, &assigned(text.get(start..)?)?)
        }
        WhyShadowed::OutsideFramework => {
            let app = case.app_around(setting.at.start)?;
            let fixed = [b"framework pkcs15 { ", text.trim_ascii(), b" }"].concat();
            // A second block of the same name would not be read, and neither would one inside another block.
            let is_inside_another = !app.body.assignments().any(|own| own.range == setting.at.range());
            if has_framework(app) || is_inside_another { None } else { case.corrected(&range, &fixed) }
        }
        WhyShadowed::LaterDuplicate
        | WhyShadowed::OtherFramework(_)
        | WhyShadowed::DuplicateApp(_)
        | WhyShadowed::SecondName
        | WhyShadowed::OutsideApp => None,
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

/// `key=value;`, `key: value`, `key value;` as an assignment.
fn assigned(text: &[u8]) -> Option<Vec<u8>> {
    let at = text.iter().position(|b| matches!(b, b'=' | b':' | b' ' | b'\t'))?;
    let key = text.get(..at)?.trim_ascii();
    let value = text.get(at..)?;
    let value = value.get(value.iter().position(|b| !b"=: \t".contains(b))?..)?.trim_ascii();
    let value = value.strip_suffix(b";").unwrap_or(value);
    // A brace that hung on the value goes back where it belongs.
    let (value, end) = value.strip_suffix(b"}").map_or((value, &b";"[..]), |value| (value, &b"; }"[..]));
    (!key.is_empty() && !value.is_empty()).then(|| [key, b" = ", value.trim_ascii(), end].concat())
}

/// Why OpenSC passes over a statement, in words; what hides a block is told elsewhere.
fn why_passed_over(case: &ConfigCase<'_>, unread: &Unread) -> Option<String> {
    let key = escape(&unread.key.0);
    Some(match &unread.why {
        WhyUnread::OutsideApp(_) if begins_with_mark(case) => {
            "a byte order mark at the start of the file is part of the word app".to_owned()
        }
        WhyUnread::OutsideApp(Some(known)) if known.is_called(&unread.key.0) => {
            format!("nothing is read outside of app blocks; it is looked for {}", known.room.place())
        }
        WhyUnread::OutsideApp(Some(known)) => {
            let what =
                case.language(&unread.at.range()).map_or("no setting is called so".to_owned(), |language| {
                    format!("this is {}", language.name())
                });
            let (name, place) = (known.name, known.room.place());
            format!("nothing is read outside of app blocks, and {what}; {name} is looked for {place}")
        }
        WhyUnread::OutsideApp(None) => match case.language(&unread.at.range()) {
            Some(language) => {
                format!("nothing is read outside of app blocks, and this is {}", language.name())
            }
            None => "nothing is read outside of app blocks".to_owned(),
        },
        WhyUnread::OtherBlock(known) => format!("it is looked for {}", known.room.place()),
        WhyUnread::NoSuchSetting(_) if unread.key.0.eq_ignore_ascii_case(b"framework") => {
            "framework is the key of a block; opensc-tool -S writes this line, and none reads it".to_owned()
        }
        WhyUnread::NoSuchSetting(meant) => {
            let language = case.language(&unread.at.range()).map(Foreign::name);
            let what = match language {
                Some(language) => format!("this is {language}"),
                None if known::is_old(&unread.key.0) => "no OpenSC from 0.19 on looks for it".to_owned(),
                None => "OpenSC looks for no setting of this name".to_owned(),
            };
            match meant {
                Some(known) => format!("{what}; {} is looked for {}", known.name, known.room.place()),
                None => what,
            }
        }
        WhyUnread::OtherReleases(releases) if *releases.start() > case.version.minor => {
            format!("it is looked for from OpenSC 0.{} on", releases.start())
        }
        WhyUnread::OtherReleases(releases) => format!("it was looked for up to OpenSC 0.{}", releases.end()),
        WhyUnread::NoSuchBlock(near) => match (near, case.language(&unread.at.range())) {
            (Some(near), _) => format!("OpenSC looks for no block of this name here; the nearest is {near}"),
            (None, Some(language)) => format!("this is {}", language.name()),
            (None, None) => "OpenSC looks for no block of this name here".to_owned(),
        },
        WhyUnread::BlockOutsideApp => "nothing is read outside of app blocks".to_owned(),
        WhyUnread::NotAnAssignment(known) => {
            let what = match case.language(&unread.at.range()) {
                Some(language) => format!("this is {}", language.name()),
                None => "there is no = of its own: blanks belong around it".to_owned(),
            };
            if known.name.eq_ignore_ascii_case(key.split(['=', ':']).next().unwrap_or_default()) {
                what
            } else {
                format!("{what}; the setting is called {}", known.name)
            }
        }
        WhyUnread::Include => "OpenSC reads one file, and includes no other".to_owned(),
        WhyUnread::SecondName(name) => {
            format!("of the names of a block only the first counts, and {} is none", escape(&name.0))
        }
        WhyUnread::LaterDuplicate(first) => {
            format!("the same key stands before it, at line {}, and the first counts", first.position.line)
        }
        WhyUnread::SecondBlock(first) => {
            format!("the block of the same name at line {} is the one that counts", first.position.line)
        }
        WhyUnread::Overridden(by) => {
            format!("what stands at line {} decides for every program", by.position.line)
        }
        WhyUnread::HiddenBlock(_) => return None,
    })
}

fn passed_over_finding(case: &ConfigCase<'_>, unread: &Unread, programs: &[String], why: &str) -> Finding {
    let range = unread.at.range();
    let key = escape(plain(&unread.key.0).trim_ascii());
    // A key may be glued to what is behind it; of a block its names are shown, too.
    let is_block = matches!(
        unread.why,
        WhyUnread::NoSuchBlock(_)
            | WhyUnread::BlockOutsideApp
            | WhyUnread::SecondName(_)
            | WhyUnread::SecondBlock(_)
    );
    let key = if is_block { key.as_str() } else { key.split(['=', ':']).next().unwrap_or_default() };
    let mut finding = case.finding(
        Id::ConfigSettingIgnored,
        programs.to_vec(),
        format!("This {key} has no effect: {why}."),
        "OpenSC says nothing about it, and something else holds than the line seems to say.".to_owned(),
    );
    let corrected = moved(case, unread).filter(|corrected| case.is_cured(&range, corrected));
    finding.evidence.push(case.source(&range, "never read", corrected));
    finding.evidence.extend(case.glyph_evidence(&range));
    let what = match &unread.why {
        WhyUnread::OutsideApp(_) if begins_with_mark(case) => "remove the byte order mark".to_owned(),
        WhyUnread::OutsideApp(Some(known)) | WhyUnread::OtherBlock(known) => {
            format!("put it {}", known.room.place())
        }
        WhyUnread::NoSuchSetting(Some(known)) if has_list(case, range.start, known) => {
            format!("say in {}, which stands in this block, what is meant, and remove the line", known.name)
        }
        WhyUnread::NoSuchSetting(Some(known)) => format!("write {} {}", known.name, known.room.place()),
        WhyUnread::OutsideApp(None) | WhyUnread::NoSuchSetting(None) => "remove the line".to_owned(),
        WhyUnread::OtherReleases(_) => "remove the line, or use a release that looks for it".to_owned(),
        WhyUnread::NoSuchBlock(Some(near)) => format!("call the block {near}, or remove it"),
        WhyUnread::NoSuchBlock(None) => "remove the block".to_owned(),
        WhyUnread::BlockOutsideApp => "put it into app default { … }".to_owned(),
        WhyUnread::NotAnAssignment(known) => {
            format!("write {} = value; with blanks around the =", known.name)
        }
        WhyUnread::Include => "copy what the other file says into this one".to_owned(),
        WhyUnread::SecondName(_) => "give each a block of its own".to_owned(),
        WhyUnread::LaterDuplicate(_) => "remove this line, or the one before it".to_owned(),
        WhyUnread::SecondBlock(first) => format!("merge it into the block at line {}", first.position.line),
        WhyUnread::Overridden(by) => {
            format!("remove one of the two: the block default at line {} has the last word", by.position.line)
        }
        WhyUnread::HiddenBlock(_) => "merge the blocks".to_owned(),
    };
    finding.fix.push(Remedy::new(what, Deed::EditConfiguration));
    finding
}

/// The line as it would be read, where that can be had by changing it alone.
fn moved(case: &ConfigCase<'_>, unread: &Unread) -> Option<Correction> {
    let range = unread.at.range();
    let text = plain(case.piece(range.clone()));
    let text = text.trim_ascii();
    let statement = [text.strip_suffix(b";").unwrap_or(text).trim_ascii_end(), b";"].concat();
    let with_name = |name: &str| -> Option<Vec<u8>> {
        let equals = statement.iter().position(|b| *b == b'=')?;
        Some([name.as_bytes(), b" ", statement.get(equals..)?].concat())
    };
    let document = case.parsed.as_ref().ok()?;
    let app = case.app_around(range.start);
    let wrapped = |room: Room, statement: &[u8]| -> Option<Vec<u8>> {
        let mut inner = statement.to_vec();
        for block in room.wrapping()?.iter().rev() {
            inner = [block.as_bytes(), b" { ", &inner, b" }"].concat();
        }
        match app {
            None if has_default(document.root()) => None,
            None => Some([b"app default { ", &inner[..], b" }"].concat()),
            Some(app) => {
                // A second block of the same kind would not be read, and neither would one inside another block.
                let is_direct = app.body.0.iter().any(|own| own.range().start == range.start);
                let taken = app.body.all_blocks().any(|block| {
                    known::block(Room::App, &block.key.word().value, block.name()) == Some(room)
                });
                (is_direct && !taken).then_some(inner)
            }
        }
    };
    match &unread.why {
        WhyUnread::OutsideApp(_) if begins_with_mark(case) => None,
        WhyUnread::OutsideApp(Some(known)) => {
            case.corrected(&range, &wrapped(known.room, &with_name(known.name)?)?)
        }
        WhyUnread::OtherBlock(known) => case.corrected(&range, &wrapped(known.room, &statement)?),
        // A list beside another one would be added to it, and not hold alone.
        WhyUnread::NoSuchSetting(Some(known)) if has_list(case, range.start, known) => None,
        WhyUnread::NoSuchSetting(Some(known)) => {
            let renamed = with_name(known.name)?;
            let in_place = case.corrected(&range, &renamed).filter(|fixed| case.is_cured(&range, fixed));
            in_place.or_else(|| case.corrected(&range, &wrapped(known.room, &renamed)?))
        }
        WhyUnread::NotAnAssignment(known) => {
            let assigned = assigned(text)?;
            let equals = assigned.iter().position(|b| *b == b'=')?;
            let statement = [known.name.as_bytes(), b" ", assigned.get(equals..)?].concat();
            case.corrected(&range, &statement)
        }
        WhyUnread::OutsideApp(None)
        | WhyUnread::NoSuchSetting(None)
        | WhyUnread::OtherReleases(_)
        | WhyUnread::NoSuchBlock(_)
        | WhyUnread::BlockOutsideApp
        | WhyUnread::Include
        | WhyUnread::SecondName(_)
        | WhyUnread::LaterDuplicate(_)
        | WhyUnread::SecondBlock(_)
        | WhyUnread::Overridden(_)
        | WhyUnread::HiddenBlock(_) => None,
    }
}

/// Whether this list stands in the block already.
fn has_list(case: &ConfigCase<'_>, at: usize, known: &Known) -> bool {
    let is_own = |own: &Assignment| known.is_called(&own.key.word().value);
    known.kind.is_list() && case.app_around(at).is_some_and(|app| app.body.assignments().any(is_own))
}

fn has_default(root: &Body) -> bool {
    root.all_blocks().any(|block| block.key.is("app") && block.name().eq_ignore_ascii_case(b"default"))
}
