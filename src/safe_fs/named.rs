//! Files that a person names on the command line. A pipe would be waited at for ever, a device
//! may act when it is opened: only regular files are, whatever leads to them.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::kind_words;
use crate::snapshot::FileKind;

/// Opens it for reading.
///
/// # Errors
/// The system's, or one that says what it is instead of a regular file.
pub fn open_named(path: &Path) -> Result<File> {
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
    let file = open_named(path)?;
    let mut bytes = Vec::new();
    file.take(largest.saturating_add(1)).read_to_end(&mut bytes)?;
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
