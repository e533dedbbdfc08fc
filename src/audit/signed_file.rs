//! What was signed, where it is not in the artefact: the content of another file, or what OpenSSH makes of its digest.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;

use super::artefact::Over;
use super::content::IN_MEMORY;
use super::files::open;
use crate::crypto::{Hash, Signed};
use crate::format::ssh::signed_body;

/// What was signed, from the file of the same name without its last ending, as all tools call them.
pub fn signed_beside(path: &Path, over: &Over, follow: bool) -> Result<Vec<u8>, String> {
    let beside = path.with_extension("");
    let nothing = || {
        "what was signed is not in it, and not beside it in a file of the same name without its ending"
            .to_owned()
    };
    if beside == path {
        return Err(nothing());
    }
    let (file, _) = open(&beside, follow).ok().flatten().ok_or_else(nothing)?;
    over_content(over, &file)
}

/// What was signed, where its content is in this file.
pub fn over_content(over: &Over, file: &File) -> Result<Vec<u8>, String> {
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
        Over::Bytes(bytes) => Ok(bytes.clone()),
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
pub fn digest_of(file: &File, hash: Hash) -> io::Result<Vec<u8>> {
    let mut signed = Signed::file(file);
    let digest = signed.digest_by(Some(hash)).to_vec();
    signed.failure().map_or(Ok(digest), Err)
}
