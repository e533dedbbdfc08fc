//! The URIs that `show` prints, beside what `pkcs11-tool` says of tokens and objects: through a stale cache, and of the card.

use std::collections::BTreeSet;

use serde_json::Value;

use super::json;
use crate::stand::listing::{Pkcs11Listing, blocks};
use crate::stand::{Family, Host, Options, PIN, PIV_PIN, PW1, PW3, SO_PIN, Stand, YUBIKEY};

/// `token label`, `serial num`, class, ID and label of every key and certificate that `pkcs11-tool` lists.
fn listed(host: &Host) -> BTreeSet<[String; 5]> {
    let slots = host.run(&["pkcs11-tool", "-L"]).ok().stdout;
    let mut found = BTreeSet::new();
    for slot in blocks(&slots).into_iter().filter(|block| block.get("token label").is_some()) {
        let number = slot.head.split_whitespace().nth(1).unwrap();
        let all = host.run(&["pkcs11-tool", "--login", "--pin", host.pin(), "--slot", number, "-O"]).ok();
        for object in Pkcs11Listing::parse(&all.stdout).objects {
            let field = |name: &str| slot.get(name).unwrap_or_default().to_owned();
            let class = match object.class.as_str() {
                "Private Key" => "private",
                // One that came with a certificate has no place of its own.
                "Certificate" => "cert",
                _ => continue,
            };
            let id = object.id.clone().unwrap_or_default();
            found.insert([
                field("token label"),
                field("serial num"),
                class.to_owned(),
                id,
                object.label.clone(),
            ]);
        }
    }
    found
}

/// The same out of URIs.
fn told(uris: &[String]) -> BTreeSet<[String; 5]> {
    let part = |uri: &str, name: &str| {
        let start = format!("{name}=");
        let value = uri["pkcs11:".len()..].split(';').find_map(|part| part.strip_prefix(&start));
        let mut bytes = Vec::new();
        let mut rest = value.unwrap_or_default().as_bytes();
        while let Some((&first, others)) = rest.split_first() {
            let escaped = (first == b'%').then(|| std::str::from_utf8(&others[..2]).unwrap());
            bytes.push(escaped.map_or(first, |hex| u8::from_str_radix(hex, 16).unwrap()));
            rest = &others[if escaped.is_some() { 2 } else { 0 }..];
        }
        bytes
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    uris.iter()
        .filter(|uri| uri.contains("type=private") || uri.contains("type=cert"))
        .map(|uri| {
            [
                text(part(uri, "token")),
                text(part(uri, "serial")),
                text(part(uri, "type")),
                hex(part(uri, "id")),
                text(part(uri, "object")),
            ]
        })
        .collect()
}

/// Of the card, and as shown.
fn uris(host: &Host) -> [Vec<String>; 2] {
    let document = json(host.stalecard(&["show", "--format", "json"]).stdout.as_bytes());
    let all = document["objects"].as_array().unwrap();
    let uri = |value: &Value| value["uri"].as_str().map(str::to_owned);
    let shown = all.iter().filter_map(|object| {
        object["shown"]
            .as_array()
            .unwrap()
            .iter()
            .find(|shown| !shown["program"].as_array().unwrap().is_empty())
    });
    [all.iter().filter_map(uri).collect(), shown.filter_map(uri).collect()]
}

/// URIs of tokens and of whatever is on them as p11tool writes them, of what the module says: taken as they are. With another
/// maker they name nothing.
fn takes_what_the_module_says(host: &Host) {
    let escaped = |text: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        text.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    let slots = host.with_cache_copy().run(&["pkcs11-tool", "-L"]).ok().stdout;
    let mut tokens = 0;
    for slot in blocks(&slots).into_iter().filter(|block| block.get("token label").is_some()) {
        let field = |name: &str| escaped(slot.get(name).unwrap_or_default());
        let (model, maker) = (field("token model"), field("token manufacturer"));
        let (serial, token) = (field("serial num"), field("token label"));
        assert!(!model.is_empty() && !maker.is_empty(), "{slots}");
        let uri = format!("pkcs11:model={model};manufacturer={maker};serial={serial};token={token}");
        for typed in
            [uri.clone(), format!("{uri};type=private"), format!("pkcs11:model={model};serial={serial}")]
        {
            let said = host.stalecard(&["show", &typed, "--format", "json"]);
            let found = json(said.stdout.as_bytes())["objects"].as_array().unwrap().len();
            assert!(said.code() == 0 && found > 0, "{typed}: {said}");
        }
        let other = uri.replace(&format!("model={model}"), "model=another");
        let said = host.stalecard(&["show", &other]);
        assert!(said.code() == 2 && said.stderr.contains("model=\"another\""), "{other}: {said}");
        let by_token = host.stalecard(&["check", "--serial", &uri]);
        assert_ne!(by_token.code(), 3, "{uri}: {by_token}");
        let by_label = host.stalecard(&["check", "--serial", slot.get("token label").unwrap()]);
        assert_ne!(by_label.code(), 3, "{by_label}");
        tokens += 1;
    }
    assert!(tokens > 0, "{slots}");
}

/// What stalecard prints is what the module says, of both views; and what it prints it takes.
fn hold(stale: &Host, pin: &str) {
    let stale = stale.clone().with_pin(pin);
    let [live, shown] = uris(&stale);
    assert!(!live.is_empty() && live != shown, "nothing is stale: {live:?}");
    for uri in live.iter().chain(&shown) {
        let said = stale.stalecard(&["show", uri, "--format", "json"]);
        assert_eq!(json(said.stdout.as_bytes())["objects"].as_array().unwrap().len(), 1, "{uri}: {said}");
    }
    takes_what_the_module_says(&stale);
    assert_eq!(told(&live), listed(&stale.live()), "of the card");
    assert_eq!(told(&shown), listed(&stale.with_cache_copy()), "through the cache");
}

#[test]
fn of_a_smartcard_hsm() {
    let stand = Stand::start();
    let alpha = stand.host("alpha");
    alpha.initialize("HSM-H1 (test)", PIN, SO_PIN, None);
    alpha.keypairgen("EC:prime256v1", &["--label", "Schlüssel; 1"]);
    alpha.pkcs15_list();
    let beta = alpha.with_cache_copy();
    alpha.initialize("HSM-H1 (test)", PIN, SO_PIN, None);
    alpha.keypairgen("EC:prime256v1", &["--label", "Schlüssel; 1"]);
    hold(&beta, PIN);
}

#[test]
fn of_a_piv_card_whose_label_is_old_too() {
    let stand = Stand::with(Options { family: Family::Piv, switches: &YUBIKEY, ..Options::default() });
    let alpha = stand.host("alpha").with_pin(PIV_PIN);
    alpha.piv(&["--action", "set-chuid", "--action", "set-ccc"]).ok();
    alpha.piv_renew("9a", "ECCP256", "old holder");
    alpha.piv_renew("9d", "ECCP256", "decipherer");
    alpha.pkcs15_list();
    alpha.piv_renew("9a", "ECCP256", "new holder");
    hold(&alpha, PIV_PIN);
}

#[test]
fn of_a_card_with_pkcs15_files() {
    let stand = Stand::with(Options { family: Family::MyEid, ..Options::default() });
    let maker = stand.host("maker");
    maker.caching("no");
    maker.personalise();
    maker.generate_key("ec/prime256v1", "45", "key");
    let office = maker.with_cache_copy();
    office.caching("yes");
    office.run(&["pkcs15-tool", "-D"]).ok();
    maker.pkcs15_init(&["--delete-objects", "privkey,pubkey", "--id", "45"]).ok();
    maker.generate_key("ec/prime256v1", "46", "new key");
    hold(&office, PIN);
}

/// Two tokens of one card: keys behind two PINs.
#[test]
fn of_an_openpgp_card() {
    let switches = ["--card-version", "3.4", "--apdu", "extended"];
    let stand = Stand::with(Options { family: Family::OpenPgp, switches: &switches, ..Options::default() });
    let alpha = stand.host("alpha").with_pin(PW1);
    for key in 1..=3_u8 {
        let number = key.to_string();
        alpha.run(&["openpgp-tool", "--verify", "CHV3", "--pin", PW3, "--gen-key", &number]).ok();
        stand.card().tamper_path(&[0xC6 + key], Some(&[key; 20]));
    }
    takes_what_the_module_says(&alpha);
    let [live, _] = uris(&alpha);
    assert_eq!(told(&live), listed(&alpha.live()), "of the card");
}
