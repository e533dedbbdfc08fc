//! What a native card says of itself: its application, TokenInfo and directory files, which are always its own.

use super::kinds::named_by;
use crate::card::application::Application;
use crate::format::pkcs15::{self, Directory, Path, TokenInfo};
use crate::format::tlv::Walk;
use crate::snapshot::{Card, EfPath};
use crate::view::{Named, Read, Source};

/// OpenSC takes memory as a file needs it.
pub(super) const ANY_SIZE: usize = usize::MAX;

/// What a card says of itself.
pub(super) struct Token {
    pub(super) application: Application,
    pub(super) info: Option<TokenInfo>,
    pub(super) directories: Vec<(Directory, EfPath)>,
}

impl Token {
    pub(super) fn of(card: &Card) -> Option<Self> {
        let application = Application::of(card)?;
        let named = pkcs15::object_directory(card.content(application.odf)?).unwrap_or_default();
        let at = |(kind, path): (Directory, Path)| Some((kind, application.directory(&path)?));
        let directories = named.into_iter().filter_map(at).collect();
        let info = card.content(application.token_info).and_then(|bytes| pkcs15::token_info(bytes).ok());
        Some(Self { application, info, directories })
    }

    pub(super) fn last_update(&self, card: &Card) -> Option<String> {
        let info = self.info.as_ref()?;
        let of_file = || {
            let file = self.application.directory(info.last_update_path.as_ref()?)?;
            match card.read(file, ANY_SIZE) {
                Read::Content(bytes) => Some(Walk::new(&bytes).ok()?.optional(0x18)?.to_vec()),
                Read::Absent | Read::Failed | Read::Unknown(_) => None,
            }
        };
        String::from_utf8(info.last_update.clone().or_else(of_file)?).ok()
    }

    pub(super) fn directory(&self, file: EfPath) -> Option<Directory> {
        self.directories.iter().find(|(_, path)| *path == file).map(|(kind, _)| *kind)
    }

    /// All that the directories of a card name, each with the kind of directory.
    pub(super) fn named(&self, card: &Card) -> Vec<(Directory, Named)> {
        let of_directory = |(kind, file): &(Directory, EfPath)| match card.read(*file, ANY_SIZE) {
            Read::Content(bytes) => named_by(*kind, &bytes, &self.application)
                .into_iter()
                .map(|named| (*kind, named))
                .collect::<Vec<_>>(),
            Read::Absent | Read::Failed | Read::Unknown(_) => Vec::new(),
        };
        self.directories.iter().flat_map(of_directory).collect()
    }
}
