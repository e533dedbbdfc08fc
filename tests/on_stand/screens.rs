//! What every command says on the stand: one stale host, from the first look to the last undo; a healthy one, one whose card
//! can be read by halves only, one without a card, and one with a broken configuration. The text is committed in
//! `tests/transcripts`, with IDs, times and operations as they never are, and again as it is on a wide screen; in colour, and
//! in ASCII, it is the same text.
//! `SNAPSHOTS=overwrite cargo test --test on_stand screens::` writes it anew.

use std::collections::BTreeMap;
use std::path::Path;

use crate::stand::{Host, Output, PIN, SO_PIN, Stand, opensc_module};
use snapbox::data::DataFormat;
use snapbox::{Assert, Data};
use stalecard::text::in_ascii;

/// A home whose path is as long wherever the test runs: lines are broken at it.
const HOME: &str = "/run/pcscd/h";

/// What never ends by itself.
const FOR_EVER: i32 = -1;

/// Every command of the story with its exit code.
const STORY: &[(&str, i32)] = &[
    ("check", 1),
    ("audit ~/made", 1),
    ("watch", FOR_EVER),
    ("run -- pkcs15-tool --list-public-keys", 0),
    ("snapshot --output ~/alpha.json", 0),
    ("compare ~/alpha.json", 1),
    ("report --output ~/report.html", 0),
    ("verify --pin-file pin", 1),
    ("flush --dry-run", 0),
    ("flush --dry-run --exit-code", 4),
    ("flush", 0),
    ("flush", 0),
    ("flush --dry-run --exit-code", 0),
    ("verify --pin-file pin", 0),
    ("audit ~/made", 1),
    ("snapshot --baseline --output ~/alpha.toml", 0),
    ("snapshot --baseline --output ~/alpha.toml", 0),
    ("undo --dry-run", 0),
    ("undo --dry-run --exit-code", 4),
    ("undo", 0),
    ("undo", 0),
    ("fix --dry-run", 0),
    ("fix --dry-run --exit-code", 4),
    ("fix", 0),
    ("undo", 0),
    ("fix --guarded", 0),
    ("config enable-cache --dry-run", 0),
    ("check", 0),
    ("undo", 2),
    ("undo --force", 0),
    ("flush", 0),
    ("config disable-cache --dry-run --exit-code", 4),
    ("config disable-cache", 0),
    ("config disable-cache", 0),
    ("quarantine list", 0),
    ("quarantine purge --older-than 1d --dry-run --exit-code", 0),
];

/// A way to be told it.
#[derive(Clone, Copy)]
struct Way {
    columns: &'static str,
    locale: &'static str,
    colour: bool,
}

const USUAL: Way = Way { columns: "80", locale: "C.UTF-8", colour: false };
const WIDE: Way = Way { columns: "120", locale: "C.UTF-8", colour: true };
const ASCII: Way = Way { columns: "80", locale: "C", colour: true };

/// A host with a card of one key.
fn alpha(stand: &Stand, way: Way, caching: &str) -> (Host, String) {
    let host = stand.host("alpha").env("HOME", HOME).env("OPENSC_CONF", &format!("{HOME}/opensc.conf"));
    let host = host.env("TZ", "UTC").env("LC_ALL", way.locale).env("COLUMNS", way.columns);
    let host = if way.colour { host.env("CLICOLOR_FORCE", "1") } else { host };
    let text = format!(
        "app default {{\\n\\tframework pkcs15 {{\\n\\t\\tuse_file_caching = {caching};\\n\\t}}\\n}}\\n"
    );
    host.sh(&format!(
        "mkdir -p {HOME}/made && printf '{text}' > {HOME}/opensc.conf && printf '{PIN}\\n' > {HOME}/pin && chmod 600 {HOME}/pin"
    ))
    .ok();
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let key = host.keypairgen("EC:prime256v1", &[]);
    (host, key.id)
}

/// A CA certificate that says what this host believes, and is signed with what the card holds.
fn certify(host: &Host, id: &str) {
    let host = host.clone().env("PKCS11_MODULE_PATH", opensc_module().to_str().unwrap());
    let key = format!("-engine pkcs11 -keyform engine -passin pass:{PIN} -key id_{id}");
    let about = "-x509 -new -sha256 -subj /CN=ca.example -days 30 -set_serial 1";
    host.sh(&format!("openssl req {about} {key} -out {HOME}/made/ca.pem")).ok();
    // The engine's login would outlive it for a while.
    host.run(&["opensc-tool", "--reset"]).ok();
}

/// A host that shows a key that is not on the card any more.
fn stale(stand: &Stand, way: Way) -> Host {
    let (host, old) = alpha(stand, way, "yes");
    host.pkcs15_list();
    let live = stand.host("beta").live();
    live.delete_object("privkey", &old);
    live.keypairgen("EC:prime256v1", &[]);
    certify(&host, &old);
    host
}

/// What they say where all is well.
const HEALTHY: &[(&str, i32)] = &[
    ("check", 0),
    ("verify --pin-file pin", 0),
    ("audit ~/made", 0),
    ("watch", FOR_EVER),
    ("run -- pkcs15-tool --list-public-keys", 0),
    ("snapshot --output ~/alpha.json", 0),
    ("snapshot --baseline --output ~/alpha.toml", 0),
    ("check --against ~/alpha.toml", 0),
    ("compare ~/alpha.json", 0),
    ("report --output ~/report.html", 0),
    ("show", 0),
    ("ls", 0),
    ("flush --dry-run --exit-code", 0),
    ("flush", 0),
    ("fix --dry-run --exit-code", 0),
    ("fix", 0),
    ("undo --dry-run --exit-code", 0),
    ("undo", 0),
    ("config show", 0),
    ("config lint", 0),
    ("config disable-cache", 0),
    ("config enable-cache --dry-run", 0),
    ("quarantine list", 0),
    ("quarantine purge --older-than 1d", 0),
];

/// What they say where there is nothing to be read, or only half of it.
const WITHOUT_A_CARD: &[(&str, i32)] = &[
    ("check", 3),
    ("audit ~/made", 1),
    ("watch", FOR_EVER),
    ("snapshot --output ~/alpha.json", 3),
    ("compare ~/alpha.json", 3),
    ("report --output ~/report.html", 3),
    ("verify --pin-file pin", 3),
    ("show", 3),
    ("ls", 0),
    ("flush", 3),
    ("fix --dry-run", 3),
    ("fix", 3),
    ("undo", 0),
    ("config disable-cache --dry-run", 0),
    ("run -- /no/such/command", 127),
    ("run -- /etc/passwd", 126),
];
const HALF_READ: &[(&str, i32)] = &[
    ("check", 3),
    ("verify --pin-file pin", 3),
    ("audit ~/made", 1),
    ("watch", FOR_EVER),
    ("run -- true", 0),
    ("snapshot --output ~/alpha.json", 3),
    ("compare ~/alpha.json", 3),
    ("report --output ~/report.html", 3),
    ("show", 3),
    ("flush --dry-run", 3),
    ("flush", 3),
    ("fix --dry-run", 3),
    ("undo", 0),
    ("config show", 0),
    ("quarantine list", 0),
];

/// And where the configuration kills every program.
const BROKEN: &[(&str, i32)] = &[
    ("check", 1),
    ("audit ~/made", 1),
    ("watch", FOR_EVER),
    ("run -- pkcs15-tool --list-public-keys", 2),
    ("snapshot --output ~/alpha.json", 0),
    ("compare ~/alpha.json", 1),
    ("report --output ~/report.html", 3),
    ("show", 3),
    ("ls", 0),
    ("verify --pin-file pin", 1),
    ("flush --dry-run", 3),
    ("flush", 3),
    ("fix --dry-run", 3),
    ("config show", 0),
    ("config lint", 1),
    ("config disable-cache --dry-run", 2),
    ("undo", 0),
];

fn story(way: Way) {
    let stand = Stand::start();
    let host = stale(&stand, way);
    told(&host, "story", STORY, way);
}

#[test]
fn the_story_of_a_stale_host_is_told_as_it_was() {
    story(USUAL);
}

#[test]
fn the_story_fits_a_wide_screen_in_colour() {
    story(WIDE);
}

#[test]
fn the_story_is_the_same_in_ascii() {
    story(ASCII);
}

#[test]
fn where_all_is_well_every_command_says_so() {
    for way in [USUAL, WIDE, ASCII] {
        let stand = Stand::start();
        let (host, id) = alpha(&stand, way, "no");
        certify(&host, &id);
        told(&host, "healthy", HEALTHY, way);
    }
}

#[test]
fn what_cannot_be_read_is_told_first_too() {
    for way in [USUAL, WIDE, ASCII] {
        let stand = Stand::start();
        let host = stale(&stand, way);
        stand.card().fault("lie b1 changing");
        told(&host, "half-read", HALF_READ, way);
        stand.card().fault("none");
        stand.card().eject();
        stand.card().wait_removed();
        told(&host, "without-a-card", WITHOUT_A_CARD, way);
    }
}

#[test]
fn a_broken_configuration_is_told_first_too() {
    for way in [USUAL, WIDE, ASCII] {
        let stand = Stand::start();
        let host = stale(&stand, way);
        host.sh(&format!("printf 'app default\\n\\n{{\\n}}\\n' > {HOME}/opensc.conf")).ok();
        told(&host, "broken", BROKEN, way);
    }
}

/// Without the escapes for colour.
fn plain(text: &str) -> String {
    let mut pieces = text.split('\x1b');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |said, piece| said + piece.split_once('m').map_or("", |(_, rest)| rest))
}

/// The commands one after the other, with what they say on both ways out.
fn told(host: &Host, name: &str, commands: &[(&str, i32)], way: Way) {
    let mut known = BTreeMap::new();
    let mut story = String::new();
    let mut has_colour = false;
    for &(command, code) in commands {
        let words: Vec<String> = command
            .split(' ')
            .map(|word| if word == "pin" { format!("{HOME}/pin") } else { word.replace('~', HOME) })
            .collect();
        let output = if code == FOR_EVER { first_words(host, &words) } else { host.stalecard(&words) };
        has_colour |= output.stdout.contains('\x1b');
        assert!(way.locale != "C" || (output.stdout.is_ascii() && output.stderr.is_ascii()), "{output}");
        let said = as_never(&plain(&output.stdout), &mut known);
        assert!(
            !(said.contains("restored") && said.to_lowercase().contains("nothing was changed")),
            "{output}"
        );
        assert!(!(said.contains("put back") && said.contains("nothing changed")), "{output}");
        let code = if code == FOR_EVER { 0 } else { code };
        let end =
            if command == "watch" { "until it is stopped".to_owned() } else { output.code().to_string() };
        story.push_str(&format!("$ stalecard {command}\n? {end}\n{said}"));
        let complaints = as_never(&output.stderr, &mut known);
        // What is waited for depends on how long it takes.
        let is_waiting = |line: &str| line.ends_with('…') || line.ends_with(" ...");
        for line in complaints.lines().filter(|line| !line.is_empty() && !is_waiting(line)) {
            story.push_str(&format!("2> {line}\n"));
        }
        story.push('\n');
        if std::env::var_os("SNAPSHOTS").is_none() {
            assert_eq!(output.code(), code, "{command}: {output}");
        }
    }
    assert_eq!(has_colour, way.colour, "{story}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let wide = if way.columns == "80" { "" } else { ".120" };
    let committed = Data::read_from(&folder.join(format!("{name}{wide}.txt")), Some(DataFormat::Text)).raw();
    if way.locale == "C" {
        // Nothing of its own is committed: it is the usual text.
        assert_eq!(story, in_ascii(&committed.to_string()), "{name}");
    } else {
        Assert::new().action_env("SNAPSHOTS").eq(story, committed);
    }
}

/// Its first line: then it is stopped.
fn first_words(host: &Host, words: &[String]) -> Output {
    let program = env!("CARGO_BIN_EXE_stalecard");
    host.sh(&format!(
        "mkfifo said && {{ {program} {} >said 2>complaints & read -r line <said; echo \"$line\"; kill $!; wait; \
         cat complaints >&2; rm said complaints; }}",
        words.join(" ")
    ))
}

/// The same with one moment for all that are told in RFC 3339.
fn without_stamps(text: &str) -> String {
    const MOMENT: &str = "2026-01-01T00:00:00Z";
    let is_stamp = |piece: &[u8]| {
        let fits = |(byte, model): (&u8, u8)| {
            if model.is_ascii_digit() { byte.is_ascii_digit() } else { *byte == model }
        };
        piece.len() == MOMENT.len() && piece.iter().zip(MOMENT.bytes()).all(fits)
    };
    let mut said = text.as_bytes().to_vec();
    for start in 0..said.len().saturating_sub(MOMENT.len() - 1) {
        let place = start..start + MOMENT.len();
        if is_stamp(&said[place.clone()]) {
            said[place].copy_from_slice(MOMENT.as_bytes());
        }
    }
    String::from_utf8(said).unwrap()
}

/// The same with the IDs in PKCS#11 URIs by number, in the same width.
fn with_ids_of_uris(text: &str, known: &mut BTreeMap<String, usize>) -> String {
    const LENGTH: usize = 3 * 20;
    let mut pieces = text.split(";id=");
    let mut said = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (id, rest) = piece.split_at_checked(LENGTH).unwrap_or(("", piece));
        let digits = id.replace('%', "");
        said.push_str(";id=");
        if digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let next = known.len() + 1;
            let number = format!("{:040}", known.entry(digits).or_insert(next));
            for pair in 0..20 {
                said.push_str(&format!("%{}", &number[2 * pair..2 * pair + 2]));
            }
        } else {
            said.push_str(id);
        }
        said.push_str(rest);
    }
    said
}

/// With IDs by number and operations of one day: what differs from run to run, in the same width.
fn as_never(text: &str, known: &mut BTreeMap<String, usize>) -> String {
    let text = with_ids_of_uris(&without_stamps(text), known);
    let mut said = String::new();
    let mut word = String::new();
    for character in text.chars().chain([' ']) {
        if character.is_ascii_alphanumeric() {
            word.push(character);
            continue;
        }
        let is_id = matches!(word.len(), 40 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_day = word.len() == 16 && word.as_bytes()[8] == b'T' && word.ends_with('Z');
        if is_id {
            let next = known.len() + 1;
            let number = *known.entry(word.clone()).or_insert(next);
            said.push_str(&format!("{number:0width$}", width = word.len()));
        } else if is_day {
            said.push_str("20260101T000000Z");
        } else {
            said.push_str(&word);
        }
        word.clear();
        said.push(character);
    }
    // How long it took.
    for minutes in (2..60).rev() {
        said = said.replace(&format!("{minutes} minutes ago"), "just now");
    }
    said = said.replace("1 minute ago", "just now");
    let mut whole = String::new();
    let mut pieces = said.split(" UTC").peekable();
    while let Some(piece) = pieces.next() {
        let is_moment = pieces.peek().is_some() && piece.len() >= 16;
        let kept = if is_moment { &piece[..piece.len() - 16] } else { piece };
        whole.push_str(kept);
        if is_moment {
            whole.push_str("2026-01-01 00:00 UTC");
        }
    }
    whole.trim_end().to_owned() + "\n"
}
