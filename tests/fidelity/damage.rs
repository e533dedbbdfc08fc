//! What goes wrong with cache entries, and what is done to a card behind everybody's back.

use crate::history::{Damage, Random, Tamper};
use crate::play::World;
use stalecard::format::tlv;
use std::fs;

impl World {
    pub fn damage(&self, side: usize, nth: usize, how: Damage) {
        let host = &self.stage.eye.hosts[side];
        let names: Vec<String> =
            host.cache_names().into_iter().filter(|name| !name.ends_with("_C400")).collect();
        if names.is_empty() {
            return;
        }
        let name = &names[nth % names.len()];
        let path = host.cache().join(name);
        let content = fs::read(&path).unwrap_or_default();
        let prefix = name.rsplit('_').next().map(|fid| fid[..2].to_owned()).unwrap_or_default();
        let new = match how {
            Damage::Truncate(at) => Some(content[..at.min(content.len())].to_vec()),
            Damage::Empty => Some(Vec::new()),
            Damage::Random(seed) => {
                let mut random = Random(seed);
                Some((0..1 + random.below(100)).map(|_| random.next() as u8).collect())
            }
            Damage::Begin30 => Some(changed(&content, 0, |_| 0x30)),
            Damage::Zeros(count) => Some([content, vec![0; count]].concat()),
            Damage::Doubled => Some([content.clone(), content].concat()),
            Damage::Huge => {
                let mut long = content;
                long.resize(8192, 0);
                Some(long)
            }
            Damage::Directory | Damage::Missing => None,
            Damage::OtherSlot(nth) => {
                let same: Vec<&String> = names
                    .iter()
                    .filter(|other| other.rsplit('_').next().is_some_and(|fid| fid.starts_with(&prefix)))
                    .collect();
                fs::read(host.cache().join(same[nth % same.len()])).ok()
            }
            Damage::Older(nth) => self
                .stage
                .old
                .get(&(side, name.clone()))
                .map(|versions| versions[nth % versions.len()].clone()),
            Damage::Flip(at, bit) => {
                let at = at % content.len().max(1);
                Some(changed(&content, at, |byte| byte ^ bit))
            }
        };
        if path.is_dir() {
            let _ = fs::remove_dir(&path);
        } else {
            let _ = fs::remove_file(&path);
        }
        match new {
            Some(content) => fs::write(&path, content).unwrap(),
            None if how == Damage::Directory => fs::create_dir(&path).unwrap(),
            None => {}
        }
    }

    pub fn tamper(&self, nth: usize, how: Tamper) {
        let dump = self.stage.stand.card().dump();
        let files: Vec<(u16, Vec<u8>)> = dump["files"]
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(fid, content)| {
                let fid = u16::from_str_radix(fid, 16).ok()?;
                let content = data_encoding::HEXLOWER_PERMISSIVE.decode(content.as_str()?.as_bytes()).ok()?;
                Some((fid, content))
            })
            .filter(|(fid, _)| matches!(fid >> 8, 0xC4 | 0xC8 | 0xC9 | 0xCA | 0xCE | 0xCF) && *fid != 0xC400)
            .collect();
        if how == Tamper::LastUpdate {
            let time = tlv::encode(0xA5, &tlv::encode(0x18, b"20260131080000Z"));
            let info = [&[2, 1, 0, 4, 0][..], &tlv::encode(0x80, b"dated"), &[3, 2, 5, 0x20], &time].concat();
            self.stage.stand.card().tamper(0x2F03, Some(&tlv::encode(0x30, &info)));
            return;
        }
        let requests: Vec<&(u16, Vec<u8>)> =
            files.iter().filter(|(_, content)| content.first() == Some(&0x67)).collect();
        let all: Vec<&(u16, Vec<u8>)> = files.iter().collect();
        let descriptions: Vec<&(u16, Vec<u8>)> = files.iter().filter(|(fid, _)| fid >> 8 == 0xC4).collect();
        let wanted = match how {
            Tamper::Description(_) => &descriptions,
            Tamper::PlainCertificate | Tamper::NoInnerCar | Tamper::UnknownCurve => &requests,
            _ => &all,
        };
        if wanted.is_empty() {
            return;
        }
        let (fid, content) = wanted[nth % wanted.len()];
        let new = match how {
            Tamper::Delete | Tamper::LastUpdate => None,
            Tamper::Description(left) => left.map(|left| content[..left.min(content.len())].to_vec()),
            Tamper::Empty => Some(Vec::new()),
            Tamper::PlainCertificate => plain(content),
            Tamper::NoInnerCar => without_car(content),
            Tamper::UnknownCurve => Some(unknown_curve(content)),
            Tamper::Truncate(at) => Some(content[..at.min(content.len())].to_vec()),
            Tamper::Flip(at, bit) => {
                let at = at % content.len().max(1);
                Some(changed(content, at, |byte| byte ^ bit))
            }
            Tamper::CopyOfOther(nth) => {
                let same: Vec<_> = files.iter().filter(|(other, _)| other >> 8 == fid >> 8).collect();
                Some(same[nth % same.len()].1.clone())
            }
        };
        self.stage.stand.card().tamper(*fid, new.as_deref());
    }
}

fn changed(content: &[u8], at: usize, change: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut content = content.to_vec();
    if let Some(byte) = content.get_mut(at) {
        *byte = change(*byte);
    }
    content
}

/// The request without its outer signature.
fn plain(request: &[u8]) -> Option<Vec<u8>> {
    Some(tlv::first(tlv::first(request)?.value)?.raw.to_vec())
}

fn without_car(request: &[u8]) -> Option<Vec<u8>> {
    let outer = tlv::first(request)?.value;
    let certificate = tlv::first(outer)?;
    let body = tlv::first(certificate.value)?;
    let version = tlv::first(body.value)?;
    let rest = tlv::first(version.rest)?.rest;
    let body = [tlv::encode(0x7F4E, &[version.raw, rest].concat()), body.rest.to_vec()].concat();
    Some(tlv::encode(0x67, &[tlv::encode(0x7F21, &body), certificate.rest.to_vec()].concat()))
}

/// The request with another prime.
fn unknown_curve(request: &[u8]) -> Vec<u8> {
    let at = request.windows(2).position(|pair| pair == [0x81, 0x20]).unwrap_or(60);
    changed(request, at + 5, |byte| byte ^ 1)
}
