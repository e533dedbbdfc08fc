//! Choices that the stand (`tests/real_opensc/card_drivers.rs`) has no card or no module for.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use super::*;
use crate::opensc::Situation;
use crate::snapshot::{ByteString, Bytes, ConfigFile, ConfigState, Installation, User};

const ATR: &[u8] = b"\x3B\x80\x80\x01\x01";

fn choice(version: &str, text: &str, usual: Option<&str>) -> Choice {
    let path = ByteString::from("/etc/opensc.conf");
    let user = User { uid: 0, name: None, env: BTreeMap::new() };
    let installation = Installation {
        library: ByteString::from("libopensc.so"),
        version: Some(version.to_owned()),
        config_path: Some(path.clone()),
    };
    let configs = [ConfigFile::new(path, ConfigState::Text(Bytes(text.as_bytes().to_vec())))];
    let situation = Situation { user: &user, installation: Some(&installation), configs: &configs };
    situation.configuration().driver(
        &Program::pkcs15_tool(Some(ByteString::from("/usr/bin/tool"))),
        ATR,
        usual,
    )
}

fn taken(text: &str, usual: Option<&str>) -> Taken {
    choice("0.26.1", text, usual).taken
}

#[test]
fn without_a_setting_the_atr_decides_if_it_can() {
    let by_itself = choice("0.23.0", "app default { }", Some("PIV-II"));
    assert_eq!(by_itself, Choice { taken: Taken::By("PIV-II".to_owned()), by: None });
    assert_eq!(choice("0.23.0", "", None), Choice { taken: Taken::Unknown, by: None });
}

#[test]
fn the_setting_is_named_with_its_place() {
    let of = |text| choice("0.26.1", text, None);
    let single = of("app default {\n  card_drivers = isoApplet;\n}");
    let by = "card_drivers = isoApplet in /etc/opensc.conf:2:18".to_owned();
    assert_eq!(single, Choice { taken: Taken::By("isoApplet".to_owned()), by: Some(by) });
    let switched_on = of("app default { enable_default_driver = true; }");
    assert_eq!(switched_on.taken, Taken::Unknown);
    assert_eq!(switched_on.by.unwrap(), "enable_default_driver in /etc/opensc.conf:1:39");
}

/// From 0.24 a block may be named after the executable.
#[test]
fn the_block_of_the_executable_counts_where_it_is_known() {
    let text = "app /usr/bin/tool { card_drivers = isoApplet; }";
    assert_eq!(choice("0.26.1", text, None).taken, Taken::By("isoApplet".to_owned()));
    assert_eq!(choice("0.23.0", text, None), Choice { taken: Taken::Unknown, by: None });
}

#[test]
fn a_driver_from_elsewhere_may_take_anything() {
    let named = "app default { card_drivers = mine, sc-hsm; }";
    assert_eq!(taken(named, Some("sc-hsm")), Taken::By("sc-hsm".to_owned()));
    let loaded =
        "app default { card_driver mine { module = /usr/lib/mine.so; } card_drivers = mine, sc-hsm; }";
    assert_eq!(taken(loaded, Some("sc-hsm")), Taken::Unknown);
}

/// A YubiKey has both; which of them `gids` would find is not known.
#[test]
fn the_first_of_two_applications_counts() {
    let of = |list| taken(&format!("app default {{ card_drivers = {list}; }}"), Some("PIV-II"));
    assert_eq!(of("openpgp, PIV-II"), Taken::By("openpgp".to_owned()));
    assert_eq!(of("PIV-II, openpgp"), Taken::By("PIV-II".to_owned()));
    assert_eq!(of("gids, PIV-II"), Taken::Unknown);
    assert_eq!(of("sc-hsm, myeid"), Taken::ByNobody);
}

#[test]
fn masks_and_spellings_of_an_atr() {
    let of = |rule| taken(&format!("app default {{ card_atr {rule} driver = cardos; }} }}"), None);
    let cardos = Taken::By("cardos".to_owned());
    assert_eq!(of("3b:80:80:01:01 {"), cardos);
    assert_eq!(of("3B:80:80:01:FF { atrmask = ff:ff:ff:ff:00;"), cardos);
    for other in
        ["3B:80:80:01:02 {", "3B80800101 {", "3B:80:80:01 {", "3B:80:80:01:FF { atrmask = ff:ff:ff:ff;"]
    {
        assert_eq!(of(other), Taken::Unknown, "{other}");
    }
    assert_eq!(taken("app default { card_atr 3B:80:80:01:01 { } }", None), Taken::Unknown);
}
