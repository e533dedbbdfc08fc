//! What was signed, where it is not in the artefact: the content of another file, or what OpenSSH makes of its digest.

use std::cell::{OnceCell, RefCell};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;

use super::artefact::{Content, Over};
use super::content::IN_MEMORY;
use super::files::open;
use super::mail::canonical;
use crate::crypto::{Hash, Signed};
use crate::format::ssh::signed_body;

/// What is hashed at most of it.
const HASHED: u64 = 1 << 30;

/// The file that was signed, found when it is asked for, read and hashed once.
pub struct Elsewhere<'f> {
    find: Box<dyn Fn() -> Result<File, String> + 'f>,
    file: OnceCell<Result<File, String>>,
    content: OnceCell<Result<Arc<[u8]>, String>>,
    digests: RefCell<Vec<(Hash, Vec<Vec<u8>>)>>,
}

impl<'f> Elsewhere<'f> {
    /// Where it is.
    pub fn new(find: impl Fn() -> Result<File, String> + 'f) -> Self {
        let (file, content) = (OnceCell::new(), OnceCell::new());
        Self { find: Box::new(find), file, content, digests: RefCell::default() }
    }

    /// The file of the same name without its last ending, as all tools call them.
    pub fn beside(path: Option<&'f Path>, follow: bool) -> Self {
        Self::new(move || {
            let Some(path) = path else { return Err("what was signed is not in it".to_owned()) };
            let beside = path.with_extension("");
            let file = if beside == path { None } else { open(&beside, follow).ok().flatten() };
            let nothing = "what was signed is not in it, and not beside it in a file of the same name without its ending";
            file.map(|(file, _)| file).ok_or_else(|| nothing.to_owned())
        })
    }

    fn file(&self) -> Result<&File, String> {
        self.file.get_or_init(|| (self.find)()).as_ref().map_err(Clone::clone)
    }

    /// Its content.
    pub fn content(&self) -> Result<&Arc<[u8]>, String> {
        let content = || Ok(over_content(&Over::Content, self.file()?)?.into());
        self.content.get_or_init(content).as_ref().map_err(Clone::clone)
    }

    /// What was signed with its content.
    pub fn over(&self, over: &Over) -> Result<Vec<u8>, String> {
        over_content(over, self.file()?)
    }

    /// Is it this content whose digest was signed, as it is, or as mail writes the ends of its lines (RFC 8551, 3.1.1)?
    pub fn has(&self, content: &Content) -> Result<bool, String> {
        let file = self.file()?;
        let wanted = match (&content.digest, &content.bytes) {
            (Some(digest), _) => digest.clone(),
            (None, bytes) => content.hash.digest(bytes.as_deref().unwrap_or_default()),
        };
        let mut digests = self.digests.borrow_mut();
        let place = digests.iter().position(|(hash, _)| *hash == content.hash);
        let known = match place.and_then(|place| digests.get(place)) {
            Some((_, known)) => known.clone(),
            None => {
                let known = digests_of(file, content.hash)?;
                digests.push((content.hash, known.clone()));
                known
            }
        };
        Ok(known.contains(&wanted))
    }
}

/// The digests of a file, as it is and with the ends of its lines as mail writes them.
fn digests_of(file: &File, hash: Hash) -> Result<Vec<Vec<u8>>, String> {
    let failed = |error: io::Error| format!("what was signed cannot be read: {error}");
    let length = file.metadata().map_err(failed)?.len();
    if length > HASHED {
        return Err("what was signed is larger than 1 GiB".to_owned());
    }
    let mut digests = vec![digest_of(file, hash).map_err(failed)?];
    if length <= IN_MEMORY {
        digests.push(hash.digest(&canonical(&over_content(&Over::Content, file)?)));
    }
    Ok(digests)
}

/// What was signed, where its content is in this file.
fn over_content(over: &Over, file: &File) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| format!("what was signed cannot be read: {error}");
    let content = || {
        let mut bytes = Vec::new();
        let mut file = file;
        file.rewind().and_then(|()| file.take(IN_MEMORY + 1).read_to_end(&mut bytes)).map_err(failed)?;
        match bytes.len() as u64 {
            ..=IN_MEMORY => Ok(bytes),
            _ => Err("what was signed is larger than 16 MiB".to_owned()),
        }
    };
    match over {
        Over::Bytes(bytes) => Ok(bytes.to_vec()),
        Over::Joined(before, shared) => Ok([before.as_slice(), shared].concat()),
        Over::Content => content(),
        Over::Payload { before, is_encoded: false } => Ok([before.as_slice(), &content()?].concat()),
        Over::Payload { before, is_encoded: true } => {
            Ok([before.as_slice(), BASE64URL_NOPAD.encode(&content()?).as_bytes()].concat())
        }
        Over::SshFile { hash: None, .. } => Err("its hash is not computed here".to_owned()),
        Over::SshFile { namespace, reserved, hash: Some(hash), hash_name, security_key } => {
            let digest = digest_of(file, *hash).map_err(failed)?;
            let body = signed_body(namespace, reserved, hash_name, &digest);
            Ok(match security_key {
                Some((application, counted)) => {
                    [application.as_slice(), counted, &Hash::Sha256.digest(&body)].concat()
                }
                None => body,
            })
        }
    }
}

/// The digest of a file, read in pieces.
fn digest_of(file: &File, hash: Hash) -> io::Result<Vec<u8>> {
    let mut signed = Signed::file(file);
    let digest = signed.digest_by(Some(hash)).to_vec();
    signed.failure().map_or(Ok(digest), Err)
}
