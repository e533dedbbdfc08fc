//! Reports for other eyes: HTML that any browser and any XML reader takes, Markdown that means nothing but what it says, no
//! name left in what is redacted; SARIF and JUnit as their schemas want them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use proptest::prelude::*;
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::Value;
use stalecard::report::html::html;
use stalecard::report::markdown::markdown;
use stalecard::report::page::{Block, Cell, Level, Page};

const SNAPSHOTS: [&str; 8] = [
    "five-keys",
    "myeid-fresh",
    "myeid-stale",
    "openpgp-stale",
    "piv-stale",
    "seed-alpha-back",
    "seed-alpha-flushed",
    "seed-beta-stale",
];

fn stalecard(words: &[&str]) -> Output {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
    command.args(words).env_clear().env("HOME", "/nonexistent").current_dir(root).output().unwrap()
}

fn path(snapshot: &str) -> String {
    format!("fixtures/snapshots/{snapshot}.json")
}

fn said(words: &[&str]) -> String {
    let output = stalecard(words);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn report(snapshot: &str, more: &[&str]) -> String {
    said(&[&["report", "--snapshot", &path(snapshot)], more].concat())
}

/// Well-formed, of these elements only, each where it may stand; nothing is loaded and nothing runs.
fn is_valid_html(text: &str) {
    assert!(text.starts_with("<!DOCTYPE html>\n<html lang=\"en\""));
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text, options).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let inside: &[(&str, &[&str])] = &[
        ("html", &["head", "body"]),
        ("head", &["meta", "title", "style"]),
        ("body", &["main"]),
        ("main", &["h1", "h2", "h3", "p", "dl", "table", "ol", "ul", "pre"]),
        ("dl", &["dt", "dd"]),
        ("table", &["thead", "tbody"]),
        ("thead", &["tr"]),
        ("tbody", &["tr"]),
        ("tr", &["th", "td"]),
        ("ol", &["li"]),
        ("ul", &["li"]),
        ("p", &["span", "code"]),
    ];
    let phrasing = ["code"];
    for node in document.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        let allowed =
            inside.iter().find(|(outer, _)| *outer == name).map_or(&phrasing[..], |(_, inner)| inner);
        for child in node.children().filter(Node::is_element) {
            let inner = child.tag_name().name();
            assert!(allowed.contains(&inner), "<{inner}> in <{name}>");
        }
        for attribute in node.attributes() {
            let known = ["lang", "charset", "name", "content", "class", "scope", "data-name"];
            assert!(known.contains(&attribute.name()), "{} of <{name}>", attribute.name());
        }
    }
    let rows = document
        .descendants()
        .filter(|node| node.has_tag_name((document.root_element().tag_name().namespace().unwrap(), "tr")));
    for table in rows {
        assert!(table.children().filter(Node::is_element).count() > 1);
    }
    let style =
        document.descendants().find(|node| node.tag_name().name() == "style").unwrap().text().unwrap();
    for loading in ["url(", "@import", "http"] {
        assert!(!style.contains(loading), "{loading}");
    }
    for needed in ["prefers-color-scheme:dark", "@media print", "max-width:48rem"] {
        assert!(style.contains(needed), "{needed}");
    }
    assert_eq!(style.matches('{').count(), style.matches('}').count());
}

#[test]
fn html_is_valid_and_says_what_check_says() {
    for snapshot in SNAPSHOTS {
        let text = report(snapshot, &[]);
        is_valid_html(&text);
        let check = stalecard(&["check", "--snapshot", &path(snapshot), "--format", "json"]);
        let check: Value = serde_json::from_slice(&check.stdout).unwrap();
        for finding in check["findings"].as_array().unwrap() {
            let summary = finding["summary"].as_str().unwrap();
            let summary = summary
                .replace('&', "&amp;")
                .replace('"', "&quot;")
                .replace('\'', "&#39;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            assert!(text.contains(&summary), "{snapshot}: {summary}");
        }
    }
    let fleet = said(&[
        "report",
        "fixtures/snapshots/seed-alpha-flushed.json",
        "fixtures/snapshots/seed-beta-stale.json",
    ]);
    is_valid_html(&fleet);
    // "Wrong: Do not delete" would say the opposite of what is meant.
    for text in [&fleet, &report("seed-beta-stale", &[])] {
        assert!(
            text.contains("Danger:</span> Do not delete") && !text.contains("Wrong:</span> Do not"),
            "{text}"
        );
    }
    let text = report("seed-beta-stale", &["--format", "markdown"]);
    assert!(text.contains("**DANGER** Do not delete"), "{text}");
    assert!(fleet.contains("STALE") && fleet.contains("beta"), "{fleet}");
}

/// The superuser, the label that OpenSC gives to every OpenPGP card, and what many PINs are called.
const SAME_EVERYWHERE: [&str; 3] = ["root", "OpenPGP card", "user"];

/// All that names somebody or something in a snapshot, as `show` and the snapshot itself have it.
fn names(snapshot: &str) -> BTreeSet<String> {
    let raw: Value = serde_json::from_str(
        &std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path(snapshot))).unwrap(),
    )
    .unwrap();
    let shown: Value =
        serde_json::from_str(&said(&["show", "--snapshot", &path(snapshot), "--format", "json"])).unwrap();
    let mut names = BTreeSet::new();
    let mut add = |value: &Value| {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty() && !SAME_EVERYWHERE.contains(text))
        {
            names.insert(text.to_owned());
        }
    };
    add(&raw["host"]);
    add(&raw["user"]["name"]);
    add(&raw["user"]["env"]["HOME"]);
    raw["cards"].as_array().unwrap().iter().for_each(|card| add(&card["serial"]));
    shown["tokens"].as_array().unwrap().iter().for_each(|token| add(&token["label"]));
    for object in shown["objects"].as_array().unwrap() {
        let sides =
            object["shown"].as_array().unwrap().iter().map(|shown| &shown["side"]).chain([&object["card"]]);
        for side in sides {
            ["id", "label", "public_key", "subject", "certificate_serial"]
                .iter()
                .for_each(|name| add(&side[name]));
        }
    }
    names
}

/// Does a name stand there as a word?
fn stands(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let around = |c: Option<char>| {
            c.is_some_and(|c| c.is_alphanumeric() || (name.len() < 4 && "-:.+".contains(c)))
        };
        !around(text[..at].chars().next_back()) && !around(text[at + name.len()..].chars().next())
    })
}

#[test]
fn no_name_is_left_in_what_is_redacted_and_what_is_equal_stays_equal() {
    for snapshot in SNAPSHOTS {
        let names = names(snapshot);
        assert!(names.len() > 4, "{snapshot}: {names:?}");
        for more in [&["--format", "markdown"][..], &["--redact"]] {
            let text = report(snapshot, more).replace('\\', "");
            let body = text.split_once("</head>").map_or(text.as_str(), |(_, body)| body);
            for name in &names {
                assert!(!stands(body, name), "{snapshot} {more:?}: {name} is left in\n{body}");
            }
            assert!(body.contains("serial-1") && body.contains("id-1"), "{snapshot}");
        }
        // Without it they are there.
        let open = report(snapshot, &["--format", "markdown", "--no-redact"]).replace('\\', "");
        assert!(names.iter().filter(|name| stands(&open, name)).count() > 3, "{snapshot}");
    }
    // The stale ID and the live one are two, and each is the same wherever it stands.
    let text = report("seed-beta-stale", &["--format", "markdown"]);
    let ids: BTreeSet<&str> = text
        .split(|c: char| !c.is_alphanumeric() && c != '-')
        .filter(|word| word.starts_with("id-"))
        .collect();
    assert_eq!(ids.len(), 2, "{ids:?}\n{text}");
    let fleet = said(&[
        "report",
        "--format",
        "markdown",
        "fixtures/snapshots/seed-alpha-flushed.json",
        "fixtures/snapshots/seed-beta-stale.json",
    ]);
    assert!(
        !fleet.contains("DENK0200834") && fleet.contains("host-1") && fleet.contains("host-2"),
        "{fleet}"
    );
}

/// A report is written whatever it tells, and whoever asks for one learns that nothing could be looked at.
#[test]
fn a_report_of_what_could_not_be_read_ends_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let file = file.to_str().unwrap();
    let no_card = "tests/transcripts/hosts/no-card.json";
    let good = "fixtures/snapshots/seed-beta-stale.json";
    for (words, code) in [
        (&["report", "/nonexistent"][..], 3),
        (&["report", good, "/nonexistent"], 3),
        (&["report", good], 0),
        (&["report", "--snapshot", no_card], 3),
        (&["report", "--snapshot", no_card, "-o", file], 3),
        (&["report", "--snapshot", no_card, "--format", "markdown"], 3),
        (&["report", "--snapshot", good, "-o", file], 0),
    ] {
        let output = stalecard(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        assert!(!output.stdout.is_empty(), "{words:?}");
    }
    is_valid_html(&std::fs::read_to_string(file).unwrap());
}

#[test]
fn a_report_is_written_whole_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    said(&["report", "--snapshot", &path("piv-stale"), "-o", file.to_str().unwrap()]);
    is_valid_html(&std::fs::read_to_string(&file).unwrap());
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(report("piv-stale", &["-o", "-"]), report("piv-stale", &[]));
}

fn page(text: &str) -> Page {
    let cells = || vec![Cell::words(text), Cell::code(text), Cell::fixed(text)];
    Page {
        title: Cell::words(text),
        blocks: vec![
            Block::Heading(1, Cell::words(text)),
            Block::Verdict(Level::Bad, "STALE", Cell::words(text)),
            Block::Banner(Level::Bad, Cell::words(text)),
            Block::Paragraph(Cell::words(text)),
            Block::Facts(vec![(text.to_owned(), Cell::code(text))]),
            Block::Table {
                head: vec![text.to_owned(); 3],
                rows: vec![(Level::Bad, cells()), (Level::Good, cells())],
            },
            Block::Steps(vec![(Cell::code(text), Cell::words(text))]),
            Block::List(cells()),
            Block::Lines(cells()),
        ],
    }
}

#[test]
fn what_a_card_says_is_text_and_nothing_else() {
    let hostile = "</style><script>alert(1)</script>\u{202e}\u{0}\n\r|`` ` &lt; \" ' --> ]]> | # * _x_ <!--";
    is_valid_html(&html(&page(hostile)));
    let text = markdown(&page(hostile));
    // No tag, no table that another bar would break, no line of its own.
    assert!(
        !text
            .replace("\\<", "")
            .lines()
            .filter(|line| !line.starts_with("    ") && !line.contains('`'))
            .any(|line| line.contains('<')),
        "{text}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_makes_valid_html(text in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
        is_valid_html(&html(&page(&text)));
    }
}

/// One pattern of the schema, of languages, which are not used here, has a bracket too much and is no regular expression.
fn without_bad_patterns(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.retain(|name, value| {
                name != "pattern" || !value.as_str().is_some_and(|text| text.contains("{2}]?"))
            });
            members.values_mut().for_each(without_bad_patterns);
        }
        Value::Array(items) => items.iter_mut().for_each(without_bad_patterns),
        _ => {}
    }
}

#[test]
fn sarif_is_what_its_schema_says() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schema/others/sarif-2.1.0.json");
    let mut schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    without_bad_patterns(&mut schema);
    let schema = jsonschema::validator_for(&schema).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut results = 0;
    for (name, text) in [
        ("ok.conf", "app default {\n\tframework pkcs15 {\n\t\tuse_file_caching = no;\n\t}\n}\n"),
        ("ümlaut file.conf", "app default {\n\tframework pkcs15 { # ü\n\t\tuse_file_cachng = yes;\n\t}\n}\n"),
        ("broken.conf", "app default {\n"),
        ("missing.conf", ""),
    ] {
        let file = folder.path().join(name);
        if !text.is_empty() {
            std::fs::write(&file, text).unwrap();
        }
        let output = stalecard(&[
            "config",
            "lint",
            "--format",
            "sarif",
            "--fail-on",
            "warning",
            file.to_str().unwrap(),
        ]);
        let log: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let errors: Vec<String> =
            schema.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:?}\n{log:#}");
        let found = log["runs"][0]["results"].as_array().unwrap();
        results += found.len();
        assert_eq!(
            found.is_empty() && log["runs"][0]["invocations"][0]["executionSuccessful"] == true,
            output.status.success(),
            "{name}: {log:#}"
        );
        for result in found {
            let place = &result["locations"][0]["physicalLocation"];
            assert!(place["artifactLocation"]["uri"].as_str().unwrap().starts_with("file:///"), "{result:#}");
            assert!(place["region"]["startLine"].as_u64().unwrap() > 0, "{result:#}");
        }
    }
    assert!(results > 0);
}

/// What an attribute holds.
#[derive(Clone, Copy)]
enum Holds {
    Text,
    Name,
    Number,
    Seconds,
    Moment,
}

/// An element of JUnit's format as the schemas have it that Jenkins' xUnit plugin (`junit-10.xsd`) and Maven's Surefire publish:
/// its attributes, those that it must have first, with their number; what may stand in it; and whether text may.
struct Element {
    name: &'static str,
    attributes: &'static [(&'static str, Holds)],
    required: usize,
    inside: &'static [&'static str],
    text: bool,
}

const JUNIT: [Element; 7] = [
    Element {
        name: "testsuites",
        attributes: &[
            ("name", Holds::Text),
            ("time", Holds::Seconds),
            ("tests", Holds::Number),
            ("failures", Holds::Number),
            ("disabled", Holds::Number),
            ("errors", Holds::Number),
        ],
        required: 0,
        inside: &["testsuite"],
        text: false,
    },
    Element {
        name: "testsuite",
        attributes: &[
            ("name", Holds::Name),
            ("tests", Holds::Number),
            ("failures", Holds::Number),
            ("errors", Holds::Number),
            ("time", Holds::Seconds),
            ("skipped", Holds::Number),
            ("timestamp", Holds::Moment),
            ("hostname", Holds::Name),
            ("id", Holds::Text),
            ("package", Holds::Text),
        ],
        required: 4,
        inside: &["testsuite", "properties", "testcase", "system-out", "system-err"],
        text: false,
    },
    Element {
        name: "testcase",
        attributes: &[
            ("name", Holds::Name),
            ("classname", Holds::Name),
            ("time", Holds::Seconds),
            ("group", Holds::Text),
        ],
        // Surefire's wants both: readers group cases by their class.
        required: 3,
        inside: &["skipped", "error", "failure", "system-out", "system-err"],
        text: false,
    },
    Element {
        name: "failure",
        attributes: &[("type", Holds::Name), ("message", Holds::Text)],
        required: 1,
        inside: &[],
        text: true,
    },
    Element {
        name: "error",
        attributes: &[("type", Holds::Name), ("message", Holds::Text)],
        required: 1,
        inside: &[],
        text: true,
    },
    Element {
        name: "skipped",
        attributes: &[("message", Holds::Text), ("type", Holds::Text)],
        required: 0,
        inside: &[],
        text: true,
    },
    Element { name: "system-out", attributes: &[], required: 0, inside: &[], text: true },
];

fn holds(what: Holds, value: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match what {
        Holds::Text => true,
        Holds::Name => !value.trim().is_empty(),
        Holds::Number => digits(value),
        // At most three digits behind the point.
        Holds::Seconds => {
            let (whole, rest) = value.split_once('.').unwrap_or((value, "0"));
            digits(whole) && digits(rest) && rest.len() <= 3
        }
        // ISO 8601 without a zone, in UTC.
        Holds::Moment => {
            let model = b"0000-00-00T00:00:00";
            let fits = |(byte, model): (u8, &u8)| {
                if *model == b'0' { byte.is_ascii_digit() } else { byte == *model }
            };
            value.len() == model.len() && value.bytes().zip(model).all(fits)
        }
    }
}

/// What is wrong with an element and all below it.
fn against_schema(node: Node<'_, '_>) -> Result<(), String> {
    let name = node.tag_name().name();
    let element = JUNIT.iter().find(|element| element.name == name).ok_or(format!("there is no <{name}>"))?;
    for (attribute, _) in element.attributes.iter().take(element.required) {
        node.attribute(*attribute).ok_or(format!("<{name}> without {attribute}"))?;
    }
    for attribute in node.attributes() {
        let known = element.attributes.iter().find(|(known, _)| *known == attribute.name());
        let (_, what) = known.ok_or(format!("<{name}> has no {}", attribute.name()))?;
        if !holds(*what, attribute.value()) {
            return Err(format!("{} of <{name}> is {:?}", attribute.name(), attribute.value()));
        }
    }
    let mut endings = 0;
    for child in node.children() {
        if child.is_element() {
            let inner = child.tag_name().name();
            if !element.inside.contains(&inner) {
                return Err(format!("<{inner}> in <{name}>"));
            }
            endings += usize::from(["skipped", "error", "failure"].contains(&inner));
            against_schema(child)?;
        } else if !element.text && child.is_text() && !child.text().unwrap_or_default().trim().is_empty() {
            return Err(format!("text in <{name}>"));
        }
    }
    if name == "testcase" && endings > 1 { Err("a case that ends twice".to_owned()) } else { Ok(()) }
}

#[test]
fn junit_is_what_its_schema_says() {
    let transcripts = "tests/transcripts/hosts";
    for (snapshot, code) in [
        (path("seed-beta-stale"), 1),
        (path("seed-alpha-flushed"), 0),
        (path("piv-stale"), 1),
        (path("five-keys-hardly-recorded"), 3),
        (format!("{transcripts}/no-card.json"), 3),
        (format!("{transcripts}/eight-stale-keys.json"), 1),
        (format!("{transcripts}/broken-configuration.json"), 1),
    ] {
        let output = stalecard(&["check", "--snapshot", &snapshot, "--format", "junit"]);
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"), "{text}");
        let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "testsuites");
        against_schema(root).unwrap_or_else(|why| panic!("{snapshot}: {why}\n{text}"));
        let count = |node: Node<'_, '_>, name: &str| {
            node.descendants().filter(|inner| inner.has_tag_name(name)).count()
        };
        let number = |node: Node<'_, '_>, name: &str| node.attribute(name).unwrap().parse::<usize>().unwrap();
        for suite in root.children().filter(Node::is_element).chain([root]) {
            assert_eq!(number(suite, "tests"), count(suite, "testcase"), "{text}");
            assert_eq!(number(suite, "failures"), count(suite, "failure"), "{text}");
            assert_eq!(number(suite, "errors"), count(suite, "error"), "{text}");
            assert!(suite == root || number(suite, "skipped") == count(suite, "skipped"), "{text}");
        }
        // What fails the run fails the pipeline, and nothing else does.
        assert_eq!(output.status.code(), Some(code), "{snapshot}");
        assert_eq!(count(root, "failure") > 0, code == 1, "{snapshot}: {text}");
        assert!(code != 3 || count(root, "error") > 0, "{snapshot}: {text}");
    }
}

/// The check of the schema finds what is wrong: it can fail.
#[test]
fn what_is_no_junit_is_told_apart() {
    let wrong = |inner: &str| {
        let text = format!(
            "<testsuites><testsuite name=\"a\" tests=\"1\" failures=\"0\" errors=\"0\">{inner}</testsuite></testsuites>"
        );
        against_schema(Document::parse(&text).unwrap().root_element()).err()
    };
    let case = |more: &str, inner: &str| {
        format!("<testcase name=\"a\" classname=\"b\" time=\"0\"{more}>{inner}</testcase>")
    };
    assert_eq!(wrong(&case("", "")), None);
    assert_eq!(wrong(&case("", "<failure type=\"x\">why</failure>")), None);
    for inner in [
        "<testcase name=\"a\"/>".to_owned(),
        "text".to_owned(),
        case(" status=\"x\"", ""),
        case("", "<b/>"),
        case("", "<skipped/><failure type=\"x\"/>"),
        case("", "<failure/>"),
        "<testcase name=\"a\" classname=\"b\" time=\"0.1234\"/>".to_owned(),
    ] {
        assert!(wrong(&inner).is_some(), "{inner}");
    }
}

/// Bytes as a snapshot writes the names of files.
fn file_name(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'\\' => out.push_str("\\x5c"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
        out
    })
}

/// A snapshot in which everything that names somebody has a marker in it: `Zq` and a letter, on both sides of what is
/// troublesome in names.
fn marked(joint: &str) -> Value {
    let raw = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/snapshots/seed-beta-stale.json"),
    )
    .unwrap();
    // In the bytes of the card's files, too, where nothing may change its length.
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut raw = raw.replace("DENK0200834", "ZqA02008345");
    for (old, new) in [("Private Key", "ZqB it's Zq"), ("HSM-H1", "Zq\"CZq")] {
        raw = raw.replace(&hex(old), &hex(new));
    }
    let mut snapshot: Value = serde_json::from_str(&raw).unwrap();
    snapshot["host"] = format!("ZqD{joint}ZqE.zqf.example").into();
    let home = format!("/home/ZqG{joint}ZqH");
    snapshot["user"]["name"] = format!("ZqG{joint}ZqH").into();
    snapshot["user"]["env"]["HOME"] = file_name(&home).into();
    let named = format!("/srv/ZqI{joint}ZqJ/ZqK{joint}ZqL");
    snapshot["caches"][0]["path"] = file_name(&named).into();
    snapshot["caches"][0]["origin"] = "named".into();
    snapshot["whose"] = "directories".into();
    snapshot["configs"][0]["path"] = file_name(&format!("/etc/ZqM{joint}ZqN.conf")).into();
    snapshot["user"]["env"]["OPENSC_CONF"] = snapshot["configs"][0]["path"].clone();
    let text = format!(
        "app default {{\n\tframework pkcs15 {{\n\t\tuse_file_caching = yes; # for ZqO ZqP\n\t\tuse_file_cachng = yes; \
         # of ZqO ZqP\n\t}}\n\tfile_cache_dir = \"{}\";\n\tprofile_dir = \"/srv/Zqd Zqe\nZqf/x\"; # of Zqg\n\
         debug_file = \"Zqh\nZqi\" # of Zqj\n;\n}}\napp ZqQ {{\n}}\n",
        named.replace(['\n', '"'], " ")
    );
    snapshot["configs"][0]["state"]["text"] = hex(&text).into();
    let reader = format!("Virtual PCD [CCID Interface] (ZqR{joint}ZqS) (70120939305234) 00 00");
    snapshot["cards"][0]["reader"] = reader.into();
    snapshot["others"] = serde_json::json!([
        { "user": { "uid": 1007, "name": "ZqT", "env": { "HOME": "/home/ZqT" } }, "caches": [] },
        { "user": { "uid": 1011, "name": "70234567", "env": { "HOME": "/home/70234567" } }, "caches": [] },
    ]);
    snapshot["invoked_by"] = serde_json::json!({ "uid": 1008, "name": "ZqU", "env": {} });
    snapshot["coverage"] = serde_json::json!([{
        "what": format!("cache directory /home/{}/.cache/opensc", file_name(&format!("ZqV{joint}ZqW"))),
        "why": "Permission denied; ask ZqX@zqx.example",
        "asked_for": false,
        "kind": "cache",
    }]);
    snapshot["opensc"][0]["version"] = "0.23.0-Zqc".into();
    snapshot["processes"] = serde_json::json!([{
        "pid": 812, "uid": 1009, "user": "ZqY", "program": "/opt/ZqZ/zqa-signer",
        "started_at": "2026-11-23T06:00:00Z", "modules": { "loaded": ["/usr/lib/opensc-pkcs11.so"] },
        "unit": { "name": "zqb-ca.service", "of_user": false },
    }]);
    snapshot
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn no_marked_word_is_left_in_what_is_redacted_whatever_is_in_names(
        joint in proptest::sample::select(&[" ", "'", "\"", "é", "\n", "-", ".", "\\", "(", ";", "$", ": ", "&", "#", ","][..]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("snapshot.json");
        std::fs::write(&file, marked(joint).to_string()).unwrap();
        let file = file.to_str().unwrap();
        for more in [&["--format", "markdown"][..], &["--redact"]] {
            let output = stalecard(&[&["report", "--snapshot", file], more].concat());
            let text = String::from_utf8(output.stdout).unwrap().replace('\\', "");
            let left = marked_lines(&text);
            prop_assert!(left.is_empty(), "{joint:?} {more:?}: {left:#?}");
            // Logins and devices may be numbers.
            for number in ["70234567", "70120939305234"] {
                prop_assert!(!text.contains(number), "{joint:?} {more:?}: {number} in\n{text}");
            }
            // What is everybody's stays, and what it is of use for.
            for kept in ["C401", "serial-1_NODATE_", "use", "stalecard flush", "/srv/directory-", "id-1"] {
                prop_assert!(text.contains(kept), "{joint:?} {more:?}: no {kept} in\n{text}");
            }
        }
        // All of them are there where nothing is taken out: the test can fail.
        let open = stalecard(&["report", "--snapshot", file]);
        let open = String::from_utf8(open.stdout).unwrap();
        for letter in ["ZqA", "ZqB", "ZqD", "ZqG", "ZqI", "ZqK", "ZqM", "ZqO", "ZqR", "ZqV"] {
            prop_assert!(open.contains(letter), "{letter} is not told:\n{open}");
        }
    }
}

/// Lines that hold a planted word.
fn marked_lines(text: &str) -> Vec<&str> {
    let is_marked = |three: &[u8]| three[..2].eq_ignore_ascii_case(b"zq") && three[2].is_ascii_alphabetic();
    text.lines().filter(|line| line.as_bytes().windows(3).any(is_marked)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn no_marked_word_of_any_snapshot_is_left_in_what_is_redacted_of_several_hosts(
        joint in proptest::sample::select(&[" ", "'", "\"", "é", "\n", "-", ".", "\\", "(", ";", "$", ": ", "&", "#", ","][..]),
        hosts in 2_usize..8,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join(format!("Zqk{joint}Zql"));
        std::fs::create_dir(&below).unwrap();
        for host in 0..hosts {
            let mut snapshot = marked(joint);
            snapshot["host"] = format!("ZqD{joint}ZqE{host}.zqf.example").into();
            snapshot["user"]["name"] = format!("ZqG{joint}ZqH{host}").into();
            if host % 3 == 1 {
                // As it would be after a flush: nothing is wrong, and the next change does not show.
                snapshot["caches"][0]["entries"] = serde_json::json!([]);
                snapshot["coverage"] = serde_json::json!([]);
            }
            if host % 3 == 2 {
                // A program of somebody's own caches, and nobody else does.
                let text = "app default {\n}\napp Zqm {\n\tframework pkcs15 {\n\t\tuse_file_caching = yes;\n\t}\n}\n";
                let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
                snapshot["configs"][0]["state"]["text"] = hex.into();
            }
            std::fs::write(below.join(format!("Zqn{host}.json")), snapshot.to_string()).unwrap();
        }
        // What is no snapshot is named, and quoted.
        let broken = |member: &str, value: &str| {
            let mut snapshot = marked(joint);
            snapshot[member] = value.into();
            snapshot.to_string()
        };
        for (name, text) in [
            ("Zqo", "{\"schema\": \"Zqp\"".to_owned()),
            ("Zqq", broken("schema", &format!("Zqr{joint}Zqs"))),
            ("Zqt", broken("cards", &format!("Zqu{joint}Zqv"))),
            ("Zqw", broken("whose", "Zqy")),
        ] {
            std::fs::write(below.join(format!("{name}{joint}Zqx.json")), text).unwrap();
        }
        let reported = |more: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_stalecard"));
            // Also by a path that does not begin at the root.
            let command = command.arg("report").args(more).arg(below.file_name().unwrap()).current_dir(folder.path());
            let output = command.env_clear().env("HOME", "/nonexistent").output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        for more in [&["--format", "markdown"][..], &["--redact"]] {
            let text = reported(more).replace('\\', "");
            let left = marked_lines(&text);
            prop_assert!(left.is_empty(), "{joint:?} {more:?}: {left:#?}");
            for kept in ["The fleet", "host-1", "0.23", "file-"] {
                prop_assert!(text.contains(kept), "{joint:?} {more:?}: no {kept} in\n{text}");
            }
        }
        // They are there where nothing is taken out: the test can fail.
        let open = reported(&[]);
        for word in ["ZqA", "ZqD", "ZqG", "Zqc", "Zqk", "Zqo", "Zqr", "Zqu"] {
            prop_assert!(open.contains(word), "{word} is not told:\n{open}");
        }
    }
}

/// A command with a pseudonym in it is the command still, and a path below another is below it still.
#[test]
fn a_redacted_command_is_still_one_and_paths_keep_what_is_opensc_s_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("snapshot.json");
    let mut snapshot = marked(" ");
    snapshot["coverage"][0]["why"] = "run podman run -v /run/pcscd:/run/pcscd".into();
    std::fs::write(&file, snapshot.to_string()).unwrap();
    let output = stalecard(&["report", "--snapshot", file.to_str().unwrap(), "--format", "markdown"]);
    let text = String::from_utf8(output.stdout).unwrap().replace('\\', "");
    let entry = text.lines().find(|line| line.contains("_C401`")).unwrap();
    let directory = entry.split_once('`').unwrap().1.rsplit_once('/').unwrap().0;
    assert!(text.contains(&format!("--cache-dir '{directory}'")), "{directory}\n{text}");
    assert!(text.contains("-v /run/pcscd:/run/pcscd") && text.contains("/.cache/opensc:"), "{text}");
}
