//! The recordings of a card with five keys, read as if the card were here.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::path::PathBuf;

use super::*;
use crate::card::sc_hsm::{Options, scan};
use crate::snapshot::{Answer, Bytes, Dkek, EfPath, PinState};

fn recordings() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings/sc-hsm")
}

fn recording(name: &str) -> String {
    std::fs::read_to_string(recordings().join(name)).unwrap()
}

fn options(status: bool) -> Options<'static> {
    Options { read_c400: true, status, cached_links: &|_| Vec::new(), cached_keys: &|_| Vec::new() }
}

#[test]
fn the_files_of_the_image_are_those_in_the_recorded_cache() {
    for name in ["5-keys-live.apdus", "5-keys-live-pkcs11.apdus"] {
        let mut image = Image::from_recordings([recording(name).as_str()]).unwrap();
        let (card, gaps) = scan(&mut image, "recording", &[], &options(false)).unwrap();
        assert_eq!(gaps, []);
        assert_eq!(card.key_list.len(), 11);
        assert_eq!(card.status.unwrap().firmware, Some((5, 6)));
        let mut compared = 0;
        for entry in std::fs::read_dir(recordings().join("5-keys-cache")).unwrap() {
            let path = entry.unwrap().path();
            let fid =
                EfPath::try_from(path.to_str().unwrap().rsplit_once('_').unwrap().1.to_owned()).unwrap();
            let file = card.files.iter().find(|file| file.path == fid).unwrap();
            let cached = std::fs::read(&path).unwrap();
            // OpenSC keeps an empty file for "there is none".
            let expected = if cached.is_empty() { Answer::Absent } else { Answer::Content(Bytes(cached)) };
            assert_eq!(file.answer, expected, "{fid}");
            compared += 1;
        }
        assert_eq!(compared, 11);
        let device = card.files.iter().find(|file| file.path == EfPath::at(0x2F02)).unwrap();
        assert!(matches!(&device.answer, Answer::Content(Bytes(content)) if content.len() == 798));
    }
}

#[test]
fn the_status_comes_from_the_recording_of_sc_hsm_tool() {
    let texts = [recording("5-keys-live.apdus"), recording("5-keys-sc-hsm-tool.apdus")];
    let mut image = Image::from_recordings(texts.iter().map(String::as_str)).unwrap();
    let (card, gaps) = scan(&mut image, "recording", &[], &options(true)).unwrap();
    assert_eq!(gaps, []);
    let status = card.status.unwrap();
    assert_eq!((status.user_pin, status.so_pin), (Some(PinState::Tries(3)), Some(PinState::Tries(15))));
    assert_eq!(status.dkek, Some(Dkek { shares: 1, outstanding: 1, check_value: Bytes(vec![0; 8]) }));
}

#[test]
fn what_was_not_recorded_is_coverage() {
    let live = recording("5-keys-live.apdus");
    let at = live.find("> 00a4000002ce0300").unwrap();
    let end = live.find("> 00a4000002c40400").unwrap();
    let without = [&live[..at], &live[end..]].concat();
    let mut image = Image::from_recordings([without.as_str()]).unwrap();
    let (card, gaps) = scan(&mut image, "recording", &[], &options(false)).unwrap();
    let file = card.files.iter().find(|file| file.path == EfPath::at(0xCE03)).unwrap();
    assert_eq!(file.answer, Answer::NotRead("not recorded".into()));
    assert!(gaps.len() == 1 && gaps[0].what.contains("CE03"), "{gaps:?}");
}

#[test]
fn a_file_recorded_in_part_is_given_in_part() {
    let live = recording("5-keys-live.apdus");
    let at = live.find("> 00a4000002ce0500").unwrap();
    let cut = live[at..].lines().take(4).collect::<Vec<_>>().join("\n");
    let text = [&live[..at], &cut].concat();
    let mut image = Image::from_recordings([text.as_str()]).unwrap();
    let (card, gaps) = scan(&mut image, "recording", &[], &options(false)).unwrap();
    let file = card.files.iter().find(|file| file.path == EfPath::at(0xCE05)).unwrap();
    assert!(matches!(&file.answer, Answer::Content(Bytes(content)) if content.len() == 256));
    assert!(gaps.len() == 1 && gaps[0].why.contains("not recorded"), "{gaps:?}");
}

#[test]
fn broken_recordings_are_refused() {
    assert_eq!(Image::from_recordings(["hello"]), Err(RecordingError::Line(1)));
    assert_eq!(Image::from_recordings(["> 00zz"]), Err(RecordingError::Line(1)));
    assert_eq!(Image::from_recordings(["< 9000"]), Err(RecordingError::Order(1)));
    assert_eq!(Image::from_recordings(["> 00200081\n< 90"]), Err(RecordingError::Order(2)));
    assert_eq!(Image::from_recordings(["> 00200081\n> 00200081"]), Err(RecordingError::Order(2)));
}
