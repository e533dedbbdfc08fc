//! What two kinds of native cards differ in for the tools.

use crate::stand::{Family, Host};

/// A kind of native card.
pub trait Kind {
    /// Its name in the table of `tests/matrix`.
    const NAME: &str;
    const FAMILY: Family;
    /// OpenSC's driver, if the card's answer to reset does not tell it.
    const DRIVER: Option<&str>;
    /// The PIN that keys are made under.
    const AUTH_ID: &str;
    /// Keys that it can make.
    const KEYS: [&str; 4];
    /// As the tools make it (0); with further applications behind it (1); with one of them in front in EF.DIR, and files of
    /// records (2). The more often one is named the more of the histories have it.
    const NATURES: &[usize];

    fn personalise(host: &Host);
}

pub struct MyEid;

impl Kind for MyEid {
    const NAME: &str = "myeid";
    const FAMILY: Family = Family::MyEid;
    const DRIVER: Option<&str> = None;
    const AUTH_ID: &str = "01";
    const KEYS: [&str; 4] = ["ec/prime256v1", "ec/prime256v1", "ec/secp384r1", "rsa/1024"];
    const NATURES: &[usize] = &[0, 0, 1, 2];

    fn personalise(host: &Host) {
        host.personalise();
    }
}

pub struct IsoApplet;

impl Kind for IsoApplet {
    const NAME: &str = "isoapplet";
    const FAMILY: Family = Family::IsoApplet;
    const DRIVER: Option<&str> = Some("isoApplet");
    const AUTH_ID: &str = "FF";
    const KEYS: [&str; 4] = ["ec/prime256v1", "ec/prime256v1", "ec/secp384r1", "rsa/2048"];
    const NATURES: &[usize] = &[0];

    fn personalise(host: &Host) {
        host.personalise_isoapplet();
    }
}
