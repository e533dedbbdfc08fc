//! Where the files of a native PKCS#15 card are (ISO 7816-15; OpenSC's `pkcs15.c`).
//!
//! EF.DIR says which applications there are; what it does not say follows from custom:
//! directory 5015, object directory 5031, TokenInfo 5032.

use crate::format::pkcs15::{self, Directory, Path, Value, Zeros};
use crate::snapshot::EfPath;

/// EF.DIR, in the master file.
pub const EF_DIR: EfPath = EfPath::at(0x2F00);

/// AIDs by which OpenSC knows a PKCS#15 application, and takes it first.
const KNOWN: [&[u8]; 2] = [
    b"\xA0\x00\x00\x00\x63PKCS-15",
    // Belgian eID.
    b"\xA0\x00\x00\x01\x77PKCS-15",
];

/// A PKCS#15 application and where its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Path of its directory, without the master file; none if it is known by its AID only.
    base: Option<Vec<u8>>,
    /// AID that its files are known by.
    aid: Vec<u8>,
    /// Object directory.
    pub odf: EfPath,
    /// TokenInfo.
    pub token_info: EfPath,
}

impl Application {
    /// The application that OpenSC takes, from EF.DIR's content, and how many others there are; none if
    /// its paths are too long.
    #[must_use]
    pub fn first(ef_dir: Option<&[u8]>) -> Option<(Self, usize)> {
        let mut all = pkcs15::applications(ef_dir.unwrap_or_default());
        if let Some(place) = all.iter().position(|one| KNOWN.contains(&one.aid.as_slice())) {
            all.swap(0, place);
        }
        let others = all.len().saturating_sub(1);
        let Some(entry) = all.into_iter().next() else {
            return Some((Self::at(Some(vec![0x50, 0x15]), Vec::new(), None, None)?, 0));
        };
        let below = |path: Vec<u8>| match path.strip_prefix(&[0x3F, 0x00]) {
            Some(rest) => rest.to_vec(),
            None => path,
        };
        let (base, aid) = match (entry.path, entry.object_aid) {
            (Some(path), aid) => (Some(below(path)), aid.unwrap_or_default()),
            (None, aid) => (None, aid.unwrap_or(entry.aid)),
        };
        Some((Self::at(base, aid, entry.odf, entry.token_info)?, others))
    }

    /// The one in the master file itself, for cards without directory 5015.
    #[must_use]
    pub fn in_master_file() -> Option<Self> {
        Self::at(Some(Vec::new()), Vec::new(), None, None)
    }

    /// The one whose files are in this directory, or are known by this AID.
    #[must_use]
    pub fn below(directory: &[u8], aid: &[u8]) -> Option<Self> {
        let base = directory.strip_prefix(&[0x3F, 0x00]).unwrap_or(directory);
        Self::at(Some(base.to_vec()), aid.to_vec(), None, None)
    }

    fn at(base: Option<Vec<u8>>, aid: Vec<u8>, odf: Option<Path>, token_info: Option<Path>) -> Option<Self> {
        let nowhere = EfPath::default();
        let mut application = Self { base, aid, odf: nowhere, token_info: nowhere };
        let own = |fid: u16| Path { bytes: fid.to_be_bytes().to_vec(), ..Path::default() };
        application.odf = application.file(&odf.unwrap_or_else(|| own(0x5031)))?;
        application.token_info = application.file(&token_info.unwrap_or_else(|| own(0x5032)))?;
        Some(application)
    }

    /// Is it known by its AID only?
    #[must_use]
    pub const fn is_by_aid(&self) -> bool {
        self.base.is_none()
    }

    /// Where the file is that a description of this application names; none if there is none, or the path is too long.
    #[must_use]
    pub fn file(&self, path: &Path) -> Option<EfPath> {
        if path.bytes.is_empty() {
            return None;
        }
        if !path.aid.is_empty() {
            return EfPath::within(&path.aid, &path.bytes);
        }
        if let [0x3F, 0x00, rest @ ..] = path.bytes.as_slice()
            && !rest.is_empty()
        {
            return EfPath::new(rest);
        }
        match &self.base {
            // With an AID its files are named by that, not by where they are.
            Some(base) if self.aid.is_empty() => EfPath::new(&[base.as_slice(), &path.bytes].concat()),
            _ => EfPath::within(&self.aid, &path.bytes),
        }
    }
}

/// What an entry of a directory file says of the file that holds its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it is.
    pub path: Path,
    /// Is the object private?
    pub private: bool,
    /// Its ID; empty if it has none.
    pub id: Vec<u8>,
}

/// The files that a directory file names.
#[must_use]
pub fn links(kind: Directory, bytes: &[u8]) -> Vec<Link> {
    let mut found = Vec::new();
    let mut add = |value: Value, flags: u32, id: Vec<u8>| {
        if let Value::Path(path) = value {
            found.push(Link { path, private: flags & pkcs15::FLAG_PRIVATE != 0, id });
        }
    };
    // What one version passes over another reads.
    pkcs15::directory(bytes, Zeros::Skipped, |entry| match kind {
        // A key itself cannot be read, a PIN has no content.
        Directory::PrivateKeys | Directory::SecretKeys | Directory::Authentication => Ok(()),
        Directory::PublicKeys => {
            pkcs15::public_key(entry).map(|key| add(key.value, key.common.flags, key.id))
        }
        Directory::Certificates => pkcs15::certificate(entry)
            .map(|certificate| add(certificate.value, certificate.common.flags, certificate.id)),
        Directory::Data => {
            pkcs15::data_object(entry).map(|data| add(data.value, data.common.flags, Vec::new()))
        }
    });
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn path(bytes: &[u8]) -> Path {
        Path { bytes: bytes.to_vec(), ..Path::default() }
    }

    #[test]
    fn files_are_where_their_application_is() {
        let (usual, others) = Application::first(None).unwrap();
        assert_eq!((usual.odf.to_string().as_str(), others), ("50155031", 0));
        let file = |path: &Path| usual.file(path).map(|file| file.to_string());
        assert_eq!(file(&path(&[0x44, 1])).as_deref(), Some("50154401"));
        assert_eq!(file(&path(&[0x3F, 0, 0x50, 0x15, 0x44, 1])).as_deref(), Some("50154401"));
        assert_eq!(file(&path(&[])), None);
        let aid = Path { aid: vec![0xA0; 5], ..path(&[0x44, 1]) };
        assert_eq!(file(&aid).as_deref(), Some("A0A0A0A0A0_4401"));
        assert_eq!(Application::in_master_file().unwrap().odf, EfPath::at(0x5031));
    }

    #[test]
    fn the_application_that_opensc_knows_comes_first() {
        let dir = b"\x61\x07\x4F\x05\xA0\x00\x00\x00\x01\x61\x0E\x4F\x0C\xA0\x00\x00\x00\x63PKCS-15";
        let (first, others) = Application::first(Some(dir)).unwrap();
        assert!(first.is_by_aid());
        assert_eq!(first.odf.to_string(), "A000000063504B43532D3135_5031");
        assert_eq!(others, 1);
    }
}
