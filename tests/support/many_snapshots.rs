//! Snapshots of very many hosts, each with a card of its own: recorded ones with another host, serial number, IDs of keys, version and
//! settings.

use std::fs;
use std::path::Path;

/// Recorded snapshots, and the IDs of keys in them.
const RECORDED: [(&str, &[&str]); 4] = [
    ("seed-beta-stale", &[OLD, NEW]),
    ("seed-alpha-flushed", &[OLD, NEW]),
    ("myeid-stale", &[]),
    ("openpgp-stale", &[]),
];
const OLD: &str = "370f650bfd11e2f861814a046af0c4317718f968";
const NEW: &str = "be24d3acfab60bc6fdc8bee24d1a37e6c8132cf0";
/// `yes;` and `no; ` in a configuration.
const SETTINGS: [&str; 2] = ["7965733b", "6e6f3b20"];
const VERSIONS: [&str; 3] = ["0.23.0", "0.25.1", "0.26.1"];

/// Writes so many into a folder, a hundred into one below it.
pub fn write(folder: &Path, count: usize) {
    let recorded = RECORDED.map(|(name, ids)| {
        let path = format!("{}/fixtures/snapshots/{name}.json", env!("CARGO_MANIFEST_DIR"));
        (fs::read_to_string(path).unwrap(), ids)
    });
    for number in 0..count {
        let (text, ids) = &recorded[number % recorded.len()];
        let below = folder.join(format!("{:03}", number / 100));
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join(format!("{number:05}.json")), another(text, ids, number)).unwrap();
    }
}

/// The same of another host and card.
fn another(text: &str, ids: &[&str], number: usize) -> String {
    let value = |name: &str| {
        let rest = text.split_once(&format!("\"{name}\": \"")).unwrap().1;
        rest.split_once('"').unwrap().0.to_owned()
    };
    let (host, serial) = (value("host"), value("serial"));
    let own = format!("{}{number:06}", &serial[..serial.len() - 6]);
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut text =
        text.replacen(&format!("\"host\": \"{host}\""), &format!("\"host\": \"host{number:05}\""), 1);
    for (old, new) in [
        (serial.clone(), own.clone()),
        (hex(&serial), hex(&own)),
        (serial.to_lowercase(), own.to_lowercase()),
    ] {
        text = text.replace(&old, &new);
    }
    for id in ids {
        text = text.replace(id, &format!("{}{number:06}", &id[..id.len() - 6]));
    }
    text = text.replace(VERSIONS[0], VERSIONS[number / 7 % VERSIONS.len()]);
    if number % 10 == 9 { text.replace(SETTINGS[0], SETTINGS[1]) } else { text }
}
