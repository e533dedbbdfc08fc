//! Files that a person names on the command line. A pipe would be waited at for ever, a device
//! may act when it is opened: only regular files are, whatever leads to them. A file system that does not answer is
//! left after a while ([`crate::patience`]).

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::kind_words;
use crate::patience::{Pulse, answered};
use crate::snapshot::FileKind;

/// What is read between two signs of life.
const PIECE: u64 = 1 << 20;

/// Opens it for reading.
///
/// # Errors
/// The system's, or one that says what it is instead of a regular file.
pub fn open_named(path: &Path) -> Result<File> {
    let path = path.to_owned();
    answered(move |_| open(&path))
}

fn open(path: &Path) -> Result<File> {
    refuse_others(std::fs::metadata(path)?.file_type())?;
    // It may have been exchanged since.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    refuse_others(file.metadata()?.file_type())?;
    Ok(file)
}

/// The whole of it.
///
/// # Errors
/// As [`open_named`]; [`ErrorKind::FileTooLarge`] if it has more than `largest` bytes.
pub fn read_named(path: &Path, largest: u64) -> Result<Vec<u8>> {
    let path = path.to_owned();
    answered(move |pulse| read(&path, largest, pulse))
}

fn read(path: &Path, largest: u64, pulse: &Pulse) -> Result<Vec<u8>> {
    let mut file = open(path)?;
    let mut bytes = Vec::new();
    let mut left = largest.saturating_add(1);
    while left > 0 {
        let read = (&mut file).take(left.min(PIECE)).read_to_end(&mut bytes)?;
        if read == 0 {
            break;
        }
        left -= read as u64;
        pulse.beat();
    }
    if bytes.len() as u64 > largest {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it is larger than {largest} bytes")));
    }
    Ok(bytes)
}

fn refuse_others(kind: std::fs::FileType) -> Result<()> {
    let kind = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => FileKind::Directory,
        kind if kind.is_fifo() => FileKind::Fifo,
        kind if kind.is_socket() => FileKind::Socket,
        _ => FileKind::Device,
    };
    let why = format!("it is {}, not a regular file", kind_words(kind));
    Err(Error::new(ErrorKind::InvalidInput, why))
}
