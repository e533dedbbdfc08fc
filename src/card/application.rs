//! Where the files of a native PKCS#15 card are (ISO 7816-15; OpenSC's `pkcs15.c`).
//!
//! EF.DIR says which applications there are; what it does not say follows from custom:
//! directory 5015, object directory 5031, TokenInfo 5032. `pkcs15-tool` takes the first of them, or
//! the one whose AID it is given; the PKCS#11 module makes a token of each.

use crate::format::pkcs15::{self, Directory, Path, Value, Zeros};
use crate::snapshot::{Bytes, Card, EfPath};

/// EF.DIR, in the master file.
pub const EF_DIR: EfPath = EfPath::at(0x2F00);

/// AIDs by which OpenSC knows a PKCS#15 application, and takes it before others. 0.21 knows the first four.
const KNOWN: [&[u8]; 8] = [
    b"\xA0\x00\x00\x00\x63PKCS-15",
    // Belgian and Portuguese eID.
    b"\xA0\x00\x00\x01\x77PKCS-15",
    b"DF issuer",
    // ESIGN, CPx (contact, contactless), ECC-eID (and its generic form).
    b"\xE8\x28\xBD\x08\x0F\xA0\x00\x00\x01\x67ESIGN",
    b"\xE8\x28\xBD\x08\x0F\x80\x25\x00\x00\x01\xFF\x00\x10",
    b"\xE8\x28\xBD\x08\x0F\x80\x25\x00\x00\x01\xFF\x00\x20",
    b"\xE8\x28\xBD\x08\x0F\xD2PECC-eID",
    b"\xE8\x28\xBD\x08\x0F\xD2PGeneric",
];

/// A PKCS#15 application and where its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// AID that EF.DIR gives it; empty for one that EF.DIR does not name.
    pub name: Vec<u8>,
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
    /// The applications by the content of EF.DIR, in the order in which OpenSC takes them; the usual one
    /// if there are none. Nothing if the paths of the first are too long.
    #[must_use]
    pub fn all(ef_dir: Option<&[u8]>) -> Vec<Self> {
        let mut entries = pkcs15::applications(ef_dir.unwrap_or_default());
        // As watched: each that it knows changes places with the foremost that has not done so.
        let mut front = 0;
        for place in 0..entries.len() {
            let is_known = |entry: &pkcs15::Application| KNOWN.contains(&entry.aid.as_slice());
            if place != front && entries.get(place).is_some_and(is_known) {
                entries.swap(front, place);
                front += 1;
            }
        }
        let mut all: Vec<Self> = Vec::new();
        for (place, entry) in entries.iter().enumerate() {
            // By an AID OpenSC finds the first that has it.
            if all.iter().any(|known| known.name == entry.aid) {
                continue;
            }
            match Self::of_entry(entry) {
                Some(application) => all.push(application),
                None if place == 0 => return Vec::new(),
                None => {}
            }
        }
        if entries.is_empty() {
            all.extend(Self::at(Vec::new(), Some(vec![0x50, 0x15]), Vec::new(), None, None));
        }
        all
    }

    fn of_entry(entry: &pkcs15::Application) -> Option<Self> {
        let below = |path: &[u8]| path.strip_prefix(&[0x3F, 0x00]).unwrap_or(path).to_vec();
        let (base, aid) = match (&entry.path, entry.object_aid.clone()) {
            (Some(path), aid) => (Some(below(path)), aid.unwrap_or_default()),
            (None, aid) => (None, aid.unwrap_or_else(|| entry.aid.clone())),
        };
        Self::at(entry.aid.clone(), base, aid, entry.odf.clone(), entry.token_info.clone())
    }

    /// The one whose files these are.
    #[must_use]
    pub fn of(card: &Card) -> Option<Self> {
        let dir = card.content(EF_DIR);
        let mut all = Self::all(dir).into_iter();
        let first = all.next()?;
        match &card.application {
            Some(Bytes(aid)) => all.find(|other| other.name == *aid),
            None if card.content(first.odf).is_some() => Some(first),
            None => Self::in_master_file().filter(|_| first.name.is_empty()).or(Some(first)),
        }
    }

    /// The one in the master file itself, for cards without directory 5015.
    #[must_use]
    pub fn in_master_file() -> Option<Self> {
        Self::at(Vec::new(), Some(Vec::new()), Vec::new(), None, None)
    }

    /// The one whose files are in this directory, or are known by this AID.
    #[must_use]
    pub fn below(directory: &[u8], aid: &[u8]) -> Option<Self> {
        let base = directory.strip_prefix(&[0x3F, 0x00]).unwrap_or(directory);
        Self::at(Vec::new(), Some(base.to_vec()), aid.to_vec(), None, None)
    }

    fn at(
        name: Vec<u8>,
        base: Option<Vec<u8>>,
        aid: Vec<u8>,
        odf: Option<Path>,
        token_info: Option<Path>,
    ) -> Option<Self> {
        let nowhere = EfPath::default();
        let mut application = Self { name, base, aid, odf: nowhere, token_info: nowhere };
        let own = |fid: u16| Path { bytes: fid.to_be_bytes().to_vec(), ..Path::default() };
        application.odf = application.directory(&odf.unwrap_or_else(|| own(0x5031)))?;
        application.token_info = application.directory(&token_info.unwrap_or_else(|| own(0x5032)))?;
        Some(application)
    }

    /// Is it known by its AID only?
    #[must_use]
    pub const fn is_by_aid(&self) -> bool {
        self.base.is_none()
    }

    /// Its directory; none if it is known by its AID only.
    #[must_use]
    pub fn directory_path(&self) -> Option<EfPath> {
        self.base.as_ref().filter(|base| !base.is_empty()).and_then(|base| EfPath::new(base))
    }

    /// How deep its directory is, if a file is in it.
    #[must_use]
    pub fn holds(&self, file: EfPath) -> Option<usize> {
        let base = self.base.as_ref()?;
        (file.aid().is_none() && file.as_slice().starts_with(base)).then_some(base.len())
    }

    /// Where a file is that tells of its objects (object directory, TokenInfo, directory file); none if the path is
    /// empty or too long.
    #[must_use]
    pub fn directory(&self, path: &Path) -> Option<EfPath> {
        match (&self.base, path.bytes.as_slice()) {
            (Some(_), [0x3F, 0x00, rest @ ..]) if path.aid.is_empty() && !rest.is_empty() => {
                EfPath::new(rest)
            }
            (Some(base), [_, ..]) if path.aid.is_empty() => {
                EfPath::new(&[base.as_slice(), &path.bytes].concat())
            }
            _ => self.file(path),
        }
    }

    /// Where the file is that a description of this application names; none if there is none, or the path is too long.
    #[must_use]
    pub fn file(&self, path: &Path) -> Option<EfPath> {
        let bytes = match path.bytes.as_slice() {
            [] => return None,
            [0x3F, 0x00, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        // With an AID its objects' files are named by that, wherever they are (watched with 0.21 to 0.27).
        match [&path.aid, &self.aid].into_iter().find(|aid| !aid.is_empty()) {
            Some(aid) => EfPath::within(aid, bytes),
            // Neither a place nor a name.
            None if self.base.is_none() => None,
            None => self.directory(path),
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
    use crate::format::tlv::encode;

    fn path(bytes: &[u8]) -> Path {
        Path { bytes: bytes.to_vec(), ..Path::default() }
    }

    #[test]
    fn files_are_where_their_application_is() {
        let [usual] = Application::all(None).try_into().unwrap();
        assert_eq!(usual.odf.to_string(), "50155031");
        let file = |path: &Path| usual.file(path).map(|file| file.to_string());
        assert_eq!(file(&path(&[0x44, 1])).as_deref(), Some("50154401"));
        assert_eq!(file(&path(&[0x3F, 0, 0x50, 0x15, 0x44, 1])).as_deref(), Some("50154401"));
        assert_eq!(file(&path(&[])), None);
        let aid = Path { aid: vec![0xA0; 5], ..path(&[0x44, 1]) };
        assert_eq!(file(&aid).as_deref(), Some("A0A0A0A0A0_4401"));
        assert_eq!(Application::in_master_file().unwrap().odf, EfPath::at(0x5031));
        assert_eq!(Application::all(Some(&[0x61, 0x02, 0x4F, 0x00])), []);
        // An AID in its description (DDO) is that of its objects' files, not of those that tell of them.
        let aid = encode(0x73, &encode(0x4F, &[0xA0; 6]));
        let inside = [encode(0x4F, &[0xA0; 5]), encode(0x51, &[0x3F, 0, 0x50, 0x16]), aid].concat();
        let [other] = Application::all(Some(&encode(0x61, &inside))).try_into().unwrap();
        assert_eq!(other.odf.to_string(), "50165031");
        for bytes in [&[0x3F, 0, 0x50, 0x16, 0x44, 3][..], &[0x44, 3]] {
            assert_eq!(other.directory(&path(bytes)).unwrap().to_string(), "50164403");
        }
        assert_eq!(other.file(&path(&[0x44, 3])).unwrap().to_string(), "A0A0A0A0A0A0_4403");
        let absolute = path(&[0x3F, 0, 0x50, 0x16, 0x45, 0]);
        assert_eq!(other.file(&absolute).unwrap().to_string(), "A0A0A0A0A0A0_50164500");
    }

    #[test]
    fn the_application_that_opensc_knows_comes_first() {
        let dir = b"\x61\x07\x4F\x05\xA0\x00\x00\x00\x01\x61\x0E\x4F\x0C\xA0\x00\x00\x00\x63PKCS-15";
        let [first, second] = Application::all(Some(dir)).try_into().unwrap();
        assert!(first.is_by_aid());
        assert_eq!(first.odf.to_string(), "A000000063504B43532D3135_5031");
        assert_eq!(second.name, b"\xA0\x00\x00\x00\x01");
    }

    /// As `pkcs15-tool --list-applications` lists them, watched with 0.21 to 0.27.
    #[test]
    fn known_applications_change_places_with_the_foremost() {
        let [one, two] = [KNOWN[0], KNOWN[1]];
        let order = |names: &[&[u8]]| -> Vec<Vec<u8>> {
            let entry = |name: &&[u8]| {
                let inside = [encode(0x4F, name), encode(0x51, &[0x3F, 0x00, 0x50, 0x15])].concat();
                encode(0x61, &inside)
            };
            let dir: Vec<u8> = names.iter().flat_map(entry).collect();
            Application::all(Some(&dir)).into_iter().map(|one| one.name).collect()
        };
        assert_eq!(order(&[b"aaaaa", b"bbbbb", one]), [one, b"bbbbb", b"aaaaa"]);
        assert_eq!(order(&[b"aaaaa", one, b"bbbbb", two]), [one, two, b"bbbbb", b"aaaaa"]);
        assert_eq!(order(&[b"aaaaa", one, two, b"bbbbb"]), [one, two, b"aaaaa", b"bbbbb"]);
        assert_eq!(order(&[one, b"aaaaa", two]), [two, b"aaaaa", one]);
        assert_eq!(order(&[one, two, b"aaaaa"]), [two, one, b"aaaaa"]);
        // The second of one AID is the first again.
        assert_eq!(order(&[b"aaaaa", one, one]), [one, b"aaaaa"]);
        assert_eq!(order(&[b"aaaaa".as_slice(); 9]).len(), 1);
    }
}
