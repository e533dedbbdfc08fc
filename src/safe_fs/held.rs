//! A regular file that is held open: reading it, and knowing it again.
//!
//! Hides that a file may grow, shrink or be written while it is looked at:
//! every read has a bound, and every comparison works on the handle.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::fstat;
use sha2::{Digest, Sha256};

use super::Error;
use super::facts::Facts;
use crate::snapshot::{ByteString, Bytes, Inode};

/// A regular file held open for reading.
#[derive(Debug)]
pub struct HeldFile {
    pub(super) file: File,
    pub(super) facts: Facts,
    pub(super) path: ByteString,
}

impl HeldFile {
    /// What the system said of it when it was opened.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Its path when it was opened, for messages.
    #[must_use]
    pub const fn path(&self) -> &ByteString {
        &self.path
    }

    /// Its first bytes, at most `limit` of them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, limit: u64) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        self.each_block(limit, |block| {
            content.extend_from_slice(block);
            Ok(())
        })?;
        Ok(content)
    }

    /// SHA-256 of its content, up to one byte more than `size`: a file that has
    /// grown gives another digest, and an endless one ends.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn sha256(&self, size: u64) -> Result<Bytes, Error> {
        let mut digest = Sha256::new();
        self.each_block(size.saturating_add(1), |block| {
            digest.update(block);
            Ok(())
        })?;
        Ok(Bytes(digest.finalize().to_vec()))
    }

    /// Whether the open file has changed since it was opened.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn is_unchanged(&self) -> Result<bool, Error> {
        let now = Facts::of(&fstat(&self.file).map_err(|e| Error::io("look at", self.path.clone(), e))?);
        Ok(now.inode.size == self.facts.inode.size && now.times[1] == self.facts.times[1])
    }

    /// Why this is not the file that was meant; `None` if it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn differs(&self, meant: &Inode, sha256: Option<&Bytes>) -> Result<Option<&'static str>, Error> {
        let is = &self.facts.inode;
        if (is.dev, is.ino) != (meant.dev, meant.ino) {
            return Ok(Some("a newer file took its place"));
        }
        if is.uid != meant.uid {
            return Ok(Some("its owner changed"));
        }
        if is.size != meant.size {
            return Ok(Some("its size changed"));
        }
        match sha256 {
            Some(sha256) if self.sha256(meant.size)? != *sha256 => Ok(Some("its content changed")),
            // Content that may not be read is known by its time alone.
            None if is.mtime != meant.mtime => Ok(Some("it was written again")),
            Some(_) | None => Ok(None),
        }
    }

    /// Whether two files have the same content.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn same_content(&self, other: &Self) -> Result<bool, Error> {
        let size = self.facts.inode.size;
        Ok(size == other.facts.inode.size && self.sha256(size)? == other.sha256(size)?)
    }

    pub(super) fn each_block(
        &self,
        limit: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        // A cache file has some hundred bytes, and there are many.
        let mut buffer = vec![0; usize::try_from(limit).unwrap_or(usize::MAX).min(64 * 1024)];
        let mut offset = 0;
        while offset < limit {
            let want = usize::try_from(limit - offset).unwrap_or(usize::MAX).min(buffer.len());
            let Some(room) = buffer.get_mut(..want) else { break };
            let got = match self.file.read_at(room, offset) {
                Ok(0) => break,
                Ok(got) => got,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Error::io("read", self.path.clone(), e)),
            };
            take(buffer.get(..got).unwrap_or_default())?;
            offset += got as u64;
        }
        Ok(offset)
    }
}
