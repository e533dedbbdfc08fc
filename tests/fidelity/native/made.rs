//! Applications beside the one that `pkcs15-init` makes: written by hand behind everybody's back, with all that
//! the directory files of a native card may hold (ISO 7816-15) and the padding that cards put behind it.

use crate::history::Random;
use crate::stand::Card;
use stalecard::format::key::PublicKey;
use stalecard::format::tlv::encode;
use stalecard::format::x509;
use std::cell::RefCell;

/// What an entry describes: which tag its directory has in the ODF, and which file it is.
pub const CLASSES: &[(u32, u16)] = &[
    (0xA4, 0x4403), // certificates
    (0xA5, 0x4405), // trusted
    (0xA6, 0x4408), // useful
    (0xA1, 0x4404), // public keys
    (0xA2, 0x4409), // trusted
    (0xA7, 0x4406), // data
    (0xA0, 0x4402), // private keys
    (0xA3, 0x4407), // secret keys
];
/// Where a value stands: in a file, in one named by its identifier alone, in a part of one, in the entry itself; in a file
/// of which an index is named without a length, in a part that reaches beyond the end, in one of several parts of a file.
const VALUES: [usize; 9] = [0, 0, 0, 1, 2, DIRECT, 4, 5, 6];
const DIRECT: usize = 3;
/// The file that holds several values.
const SHARED: u16 = 0x45FF;
/// What stands behind the entries: nothing, zeros, FF, zeros with an entry behind them, something else.
pub const PADDINGS: usize = 5;

/// One object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub class: usize,
    pub value: usize,
    pub id: u8,
    pub label: u8,
    pub content: usize,
}

impl Entry {
    pub fn random(random: &mut Random) -> Self {
        Self {
            class: [0, 0, 0, 1, 2, 3, 3, 4, 5, 5, 6, 7][random.below(12)],
            value: VALUES[random.below(VALUES.len())],
            id: [0x45, 0x46, 0x47][random.below(3)],
            label: random.below(3) as u8,
            content: random.below(3),
        }
    }
}

/// When a TokenInfo says that its card was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Updated {
    Never,
    Said(u8),
    InFile(u8),
}

/// Where the values of an application's objects are put.
struct Files<'a> {
    put: &'a dyn Fn(u16, &[u8]),
    shared: &'a RefCell<Vec<u8>>,
}

/// An application.
#[derive(Clone, Debug)]
pub struct Made {
    pub directory: u16,
    pub name: &'static str,
    pub serial: Option<&'static [u8]>,
    pub updated: Updated,
    pub padding: usize,
    pub entries: Vec<Entry>,
}

impl Made {
    fn aid(&self) -> Vec<u8> {
        [b"\xA0\x00\x00\x00\x63".as_slice(), &self.directory.to_be_bytes()].concat()
    }

    pub fn aid_text(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.aid())
    }

    /// Its record in EF.DIR.
    pub fn record(&self) -> Vec<u8> {
        let [high, low] = self.directory.to_be_bytes();
        let parts = [
            encode(0x4F, &self.aid()),
            encode(0x50, self.name.as_bytes()),
            encode(0x51, &[0x3F, 0x00, high, low]),
        ];
        encode(0x61, &parts.concat())
    }

    /// Writes all its files anew.
    pub fn write(&self, card: &Card, certificates: &[Vec<u8>]) {
        let put = |fid: u16, content: &[u8]| card.tamper_path(&self.path(fid), Some(content));
        let reference =
            |&(tag, fid): &(u32, u16)| encode(tag, &encode(0x30, &encode(0x04, &self.absolute(fid))));
        let mut odf: Vec<u8> = CLASSES.iter().flat_map(reference).collect();
        odf.extend(reference(&(0xA8, 0x4401)));
        odf.extend([0xFF; 6]);
        put(0x5031, &odf);
        put(0x5032, &self.token_info(&put));
        // The user PIN of the card, as pkcs15-init describes it.
        put(
            0x4401,
            &[
                encode(
                    0x30,
                    &[
                        encode(0x30, &[encode(0x0C, b"user"), encode(0x03, &[6, 0xC0])].concat()),
                        encode(0x30, &encode(0x04, &[1])),
                        encode(
                            0xA1,
                            &encode(
                                0x30,
                                &[
                                    encode(0x03, &[2, 0x0C]),
                                    encode(0x0A, &[1]),
                                    encode(0x02, &[4]),
                                    encode(0x02, &[8]),
                                    encode(0x02, &[8]),
                                    encode(0x80, &[1]),
                                    encode(0x04, &[0xFF]),
                                ]
                                .concat(),
                            ),
                        ),
                    ]
                    .concat(),
                ),
                vec![0; 4],
            ]
            .concat(),
        );
        let shared = RefCell::new(vec![0x55; 3]);
        let files = Files { put: &put, shared: &shared };
        for (class, (_, fid)) in CLASSES.iter().enumerate() {
            let mut entries: Vec<Vec<u8>> = Vec::new();
            for (place, entry) in self.entries.iter().enumerate().filter(|(_, entry)| entry.class == class) {
                entries.push(self.entry(entry, 0x4600 + place as u16, certificates, &files));
            }
            let last = entries.pop().unwrap_or_default();
            let mut content = entries.concat();
            match self.padding {
                0 => content.extend(&last),
                1 => content.extend([&last[..], &[0; 7]].concat()),
                2 => content.extend([&last[..], &[0xFF; 7]].concat()),
                3 => content.extend([&[0; 3][..], &last].concat()),
                _ => content.extend([&last[..], &[0x31, 0x01, 0x00]].concat()),
            }
            if content.is_empty() {
                content = vec![0xFF; 16];
            }
            put(*fid, &content);
        }
        put(SHARED, &shared.into_inner());
    }

    fn path(&self, fid: u16) -> Vec<u8> {
        [self.directory.to_be_bytes(), fid.to_be_bytes()].concat()
    }

    fn absolute(&self, fid: u16) -> Vec<u8> {
        [vec![0x3F, 0x00], self.path(fid)].concat()
    }

    fn token_info(&self, put: &dyn Fn(u16, &[u8])) -> Vec<u8> {
        let date = |number: u8| encode(0x18, format!("202001010000{number:02}Z").as_bytes());
        let updated = match self.updated {
            Updated::Never => Vec::new(),
            Updated::Said(number) => encode(0xA5, &date(number)),
            Updated::InFile(number) => {
                put(0x4400, &date(number));
                encode(0xA5, &encode(0x30, &encode(0x04, &self.absolute(0x4400))))
            }
        };
        let serial = self.serial.map(|serial| encode(0x04, serial)).unwrap_or_default();
        let name = encode(0x80, self.name.as_bytes());
        let parts = [encode(0x02, &[0]), serial, name, encode(0x03, &[0, 0]), updated];
        encode(0x30, &parts.concat())
    }

    fn entry(&self, entry: &Entry, fid: u16, certificates: &[Vec<u8>], files: &Files<'_>) -> Vec<u8> {
        let label = encode(0x0C, format!("{} {}", self.name, entry.label).as_bytes());
        let id = encode(0x04, &[entry.id]);
        let common = encode(0x30, &label);
        let assembled = |tag: u32, class: &[u8], subclass: &[u8], kind: &[u8]| {
            encode(tag, &[&common[..], &encode(0x30, class), subclass, &encode(0xA1, kind)].concat())
        };
        let certificate = &certificates[entry.content % certificates.len()];
        match entry.class {
            0..=2 => {
                assembled(0x30, &id, &[], &encode(0x30, &self.value(entry.value, fid, certificate, files)))
            }
            3 | 4 => {
                let key = x509::decode(certificate).unwrap().key;
                // In a file an EC key is whole (SPKI), in an entry there is its point alone.
                let is_direct = entry.value == DIRECT;
                let (tag, key, bits) = match &key {
                    PublicKey::Ec { point, .. } if is_direct => (0xA0, encode(0x04, point), Vec::new()),
                    PublicKey::Ec { curve_oid, point } => {
                        let algorithm =
                            [encode(0x06, b"\x2A\x86\x48\xCE\x3D\x02\x01"), encode(0x06, curve_oid)].concat();
                        let point = encode(0x03, &[&[0], &point[..]].concat());
                        let spki = encode(0x30, &[encode(0x30, &algorithm), point].concat());
                        (0xA0, spki, Vec::new())
                    }
                    PublicKey::Rsa { modulus, exponent } => {
                        let numbers =
                            [encode(0x02, &[&[0], &modulus[..]].concat()), encode(0x02, exponent)].concat();
                        (0x30, encode(0x30, &numbers), encode(0x02, &[0x04, 0x00]))
                    }
                    PublicKey::Other(_) => unreachable!("certificates are of EC and RSA keys"),
                };
                let usage = encode(0x03, &[1, 2]);
                let kind = encode(0x30, &[self.value(entry.value, fid, &key, files), bits].concat());
                assembled(tag, &[id, usage].concat(), &[], &kind)
            }
            5 => {
                let name = encode(0x0C, b"test");
                let content = vec![b'a' + entry.content as u8; 40 + 300 * entry.content];
                // An OCTET STRING, as an entry can hold nothing else.
                assembled(0x30, &name, &[], &self.value(entry.value, fid, &encode(0x04, &content), files))
            }
            6 => {
                let class = [id, encode(0x03, &[2, 4]), encode(0x02, &[entry.content as u8])].concat();
                let path = encode(0x30, &encode(0x04, &self.absolute(0x4B00 + entry.content as u16)));
                assembled(0xA0, &class, &[], &encode(0x30, &[path, encode(0x02, &[1, 0])].concat()))
            }
            _ => {
                let class = [id, encode(0x03, &[6, 0xC0]), encode(0x02, &[entry.content as u8])].concat();
                let bits = encode(0xA0, &encode(0x02, &[0, 0x80]));
                let path = encode(0x30, &encode(0x04, &self.absolute(0x4D00 + entry.content as u16)));
                assembled(0x30, &class, &bits, &encode(0x30, &path))
            }
        }
    }

    /// The value of an object in one of the ways of [`VALUES`], and the file it may stand in.
    fn value(&self, how: usize, fid: u16, content: &[u8], files: &Files<'_>) -> Vec<u8> {
        let put = files.put;
        let absolute = encode(0x04, &self.absolute(fid));
        let part = |path: Vec<u8>, index: usize, length: usize| {
            let [index, length] = [index, length].map(|number| (number as u16).to_be_bytes());
            encode(0x30, &[path, encode(0x02, &index), encode(0x80, &length)].concat())
        };
        match how {
            0 => {
                put(fid, &[content, &[0; 5]].concat());
                encode(0x30, &absolute)
            }
            1 => {
                put(fid, content);
                encode(0x30, &encode(0x04, &fid.to_be_bytes()))
            }
            2 => {
                put(fid, &[&[0x77; 9], content, &[0xFF; 5]].concat());
                part(absolute, 9, content.len())
            }
            DIRECT => encode(0xA0, content),
            4 => {
                put(fid, content);
                encode(0x30, &[absolute, encode(0x02, &[9])].concat())
            }
            5 => {
                put(fid, content);
                part(absolute, 0, content.len() + 20)
            }
            _ => {
                let mut shared = files.shared.borrow_mut();
                let index = shared.len();
                shared.extend(content);
                part(encode(0x04, &self.absolute(SHARED)), index, content.len())
            }
        }
    }
}
