//! Every row of the traps that OpenSC's parser has. The promise to lose no byte: `tests/offline/scconf.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

fn read(text: &str) -> Document {
    parse(text.as_bytes(), Dialect::Since023).unwrap()
}

fn refused(text: &str) -> (Position, Why) {
    let error = parse(text.as_bytes(), Dialect::Since023).unwrap_err();
    (error.position, error.why)
}

const fn at(line: usize, column: usize) -> Position {
    Position { line, column }
}

/// The first value of `a` in a text.
fn value(text: &str) -> Option<String> {
    let document = read(text);
    let setting = document.root().setting("a").unwrap();
    setting.and_then(|s| s.first).map(|word| String::from_utf8_lossy(&word.value).into_owned())
}

#[test]
fn scalars_take_the_first_value() {
    for (text, expected) in [
        ("a = x;", Some("x")),
        ("A = x;", Some("x")),
        ("a =x;", Some("x")),
        ("\"a\"=\"x y\";", Some("x y")),
        ("a = x y;", Some("x")),
        ("a = x, y,;", Some("x")),
        ("a = x b = y", Some("x")),
        ("a = x; a = y;", Some("x")),
        ("a = ; a = y;", Some("y")),
        ("a = ;", None),
        ("a=x;", None),
        ("a;", None),
        ("a foo = x;", Some("x")),
        ("a\r\n=\tx\r\n;\r\n", Some("x")),
        ("a = \"x;\n", Some("x;\n")),
        ("a = \"x", Some("x\u{FFFD}")),
        ("a = 'x';", Some("'x'")),
        ("a = x#y;", Some("x#y")),
        ("a = x # y\n;", Some("x")),
        ("# a = x;\n", None),
        ("\u{FEFF}a = x;", None),
        (";;; a = x;;;", Some("x")),
        ("include \"y\"; a = x;", Some("x")),
    ] {
        assert_eq!(value(text).as_deref(), expected, "{text:?}");
    }
}

#[test]
fn duplicates_join_their_lists() {
    let document = read("a = 1, 2; b = 3; A = 4;");
    let setting = document.root().setting("a").unwrap().unwrap();
    let all: Vec<_> = setting.assignments.iter().flat_map(|a| &a.values).map(|w| w.value.clone()).collect();
    assert_eq!(all, [b"1", b"2", b"4"]);
}

#[test]
fn blocks_are_found_by_key_and_first_name() {
    let document = read("app one, two { a = 1; }; APP ONE { a = 2; } app { } app three {");
    let root = document.root();
    let starts = |name: &str| -> Vec<usize> {
        root.blocks("app", Some(name.as_bytes())).unwrap().iter().map(|b| b.range.start).collect()
    };
    assert_eq!(starts("one"), [0, 25]);
    assert!(starts("two").is_empty());
    assert_eq!(starts(""), [44]);
    assert_eq!(root.blocks("app", None).unwrap().len(), 4);
    assert_eq!(root.all_blocks().last().unwrap().close, None);
}

#[test]
fn what_opensc_refuses_is_refused_in_its_place() {
    for (text, position, why) in [
        ("app default{\n a = 1;\n}", at(2, 2), Why::Word),
        ("// x\napp default { }", at(2, 1), Why::Word),
        ("/* x */ app default { }", at(1, 6), Why::Word),
        ("a { } }", at(1, 7), Why::Unmatched),
        ("{ }", at(1, 1), Why::Punctuation('{')),
        ("a = {", at(1, 5), Why::Punctuation('{')),
        ("a b c { }", at(1, 5), Why::Word),
        ("a = b = c;", at(1, 7), Why::Punctuation('=')),
        ("a { b = }", at(1, 9), Why::Punctuation('}')),
        ("a { b = c, }", at(1, 12), Why::Punctuation('}')),
        ("a { b }", at(1, 7), Why::Punctuation('}')),
        (", a", at(1, 1), Why::Punctuation(',')),
        ("= a", at(1, 1), Why::Punctuation('=')),
        ("a = # c\n x;", at(2, 2), Why::ValueAfterComment),
        ("a =\n\n x;", at(3, 2), Why::ValueAfterComment),
        ("a = x, # c\n y;", at(2, 2), Why::ValueAfterComment),
    ] {
        assert_eq!(refused(text), (position, why), "{text:?}");
    }
}

#[test]
fn sixteen_blocks_are_the_limit_since_023() {
    let deep = |n: usize| "a {".repeat(n);
    assert!(parse(deep(16).as_bytes(), Dialect::Since023).is_ok());
    assert_eq!(refused(&deep(17)).1, Why::TooDeep);
    assert_eq!(refused(&format!("{} b = 1, 2;", deep(16))), (at(1, 55), Why::TooDeep));
    assert!(parse(deep(17).as_bytes(), Dialect::Until022).is_ok());
    let error = parse(deep(100_000).as_bytes(), Dialect::Until022).unwrap_err();
    assert!(matches!(error.why, Why::Undefined(_)));
}

#[test]
fn comments_and_empty_lines_take_keys_away() {
    for text in ["a # c\n= x;", "a\n\n= x;", "a\n \t\n= x;", "a\r\n\r\n= x;", "\n\n\na # c\n# d\n = x;"] {
        let document = read(text);
        let trap = document.root().setting("b").unwrap_err();
        assert_eq!((trap.kind, trap.key.value.as_slice()), (TrapKind::Assignment, &b"a"[..]), "{text:?}");
    }
    for text in ["app default\n\n{ }", "app # c\n default { }", "app default # c\n{ }"] {
        let trap = read(text).root().blocks("app", None).unwrap_err();
        assert_eq!(trap.kind, TrapKind::Block, "{text:?}");
    }
    assert!(read("app default\n{ }").root().blocks("app", None).is_ok());
    assert!(read("a # c\n;").root().setting("b").is_ok());
    // A search ends at its match, and assignments without key never join.
    let document = read("b = 1; a # c\n = x; b = 2;");
    assert_eq!(document.root().setting("b").unwrap().unwrap().assignments.len(), 2);
    assert!(document.root().setting("c").is_err());
}

#[test]
fn before_023_a_value_behind_an_empty_line_is_lost() {
    let old = |text: &str| parse(text.as_bytes(), Dialect::Until022);
    let document = old("a =\n\n x; b = y;").unwrap();
    assert_eq!(document.root().setting("a").unwrap().unwrap().first, None);
    assert!(document.root().setting("b").unwrap().unwrap().first.is_some());
    assert!(matches!(old("a = # c\n x;").unwrap_err().why, Why::Undefined(_)));
}
