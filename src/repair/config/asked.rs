//! The configuration under which OpenSC is asked about one card: the effective one, made harmless in every block that
//! can win for anybody.
//!
//! What the user's file would have OpenSC write, or do to others, goes: its cache directory, its log, another readers'
//! card, the reader's PIN pad, a reset of the card at the end, a login that is locked. Whether it caches is as it is
//! wanted; everything else (drivers, their access numbers, applications) stays. Comments do not: the text is written anew
//! from what has an effect, so nothing in it can be taken away by them. Pure.

use std::path::Path;

use super::layout::{Inside, Piece, printed, rewritten};
use super::{Error, Goal, Refusal};
use crate::opensc::{Outcome, Program, Situation, Version, differences};
use crate::scconf::{self, Block, Body, ParseError, Why};
use crate::snapshot::{ByteString, ConfigFile, ConfigState, Installation, User};

/// How the configuration of an ask is to be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Whether OpenSC caches; none: as it is configured.
    pub caching: Option<Goal>,
    /// The only directory that it may cache in.
    pub cache: &'a Path,
    /// The reader whose card is meant.
    pub reader: &'a str,
    /// All other readers.
    pub others: &'a [String],
}

/// What says that OpenSC does nothing to a reader or its card that others would feel.
const POLITE: [(&str, &str); 5] = [
    ("connect_exclusive", "false"),
    ("disconnect_action", "leave"),
    ("transaction_end_action", "leave"),
    ("reconnect_action", "leave"),
    ("enable_pinpad", "false"),
];

/// The configuration of an ask, made of the text of this file (`None`: there is none), for the installed OpenSC.
///
/// # Errors
/// When OpenSC dies of the file, a statement of it has lost its key, or a reader's name cannot be written.
pub fn asked(
    path: &ByteString,
    text: Option<&[u8]>,
    installed: Option<Version>,
    wanted: &Wanted<'_>,
) -> Result<Vec<u8>, Error> {
    let version = installed.unwrap_or(differences::HEAD);
    let refused = |why: String| Error::Private { what: "ask under", path: path.clone(), why };
    let ignored = ignored(wanted).map_err(&refused)?;
    let cache = word(wanted.cache.as_os_str().as_encoded_bytes())
        .ok_or_else(|| refused("the private directory has a name that cannot be written".to_owned()))?;
    let parsed = scconf::parse(text.unwrap_or_default(), differences::dialect(version));
    let document = match parsed {
        Ok(document) => document,
        Err(ParseError { why: Why::Undefined(_), .. }) => {
            return Err(refused("what OpenSC makes of it cannot be told".to_owned()));
        }
        // OpenSC drops it whole.
        Err(_) => match scconf::parse(b"", differences::dialect(version)) {
            Ok(nothing) => nothing,
            Err(error) => return Err(Error::NotDerived(Refusal::Unparsable { path: path.clone(), error })),
        },
    };
    let maker = Maker { text: document.text(), wanted, ignored, cache };
    let new = maker.whole(document.root()).map_err(|at| {
        Error::NotDerived(Refusal::LostKey { path: path.clone(), at: document.position(at) })
    })?;
    is_private(&new, version, wanted).map_err(refused)?;
    Ok(new)
}

/// Looks whether the new text does what it is for, for both programs.
fn is_private(new: &[u8], version: Version, wanted: &Wanted<'_>) -> Result<(), String> {
    let path = ByteString::from("opensc.conf");
    let configs = [ConfigFile::new(path.clone(), ConfigState::Text(new.to_vec().into()))];
    let env = [("HOME".to_owned(), ByteString::from("/")), ("OPENSC_CONF".to_owned(), path)];
    let user = User { uid: 0, name: None, env: env.into() };
    let installation = Installation {
        library: ByteString::default(),
        version: Some(version.to_string()),
        config_path: None,
    };
    let situation = Situation { user: &user, installation: Some(&installation), configs: &configs };
    let parsed = scconf::parse(new, differences::dialect(version)).map_err(|error| error.to_string())?;
    // A block may be an executable's own; no block can be named after nothing.
    let named = parsed.root().all_blocks().map(Block::name).filter(|name| name.first() == Some(&b'/'));
    let own: Vec<Program> = named.map(|name| Program::of_executable(ByteString(name.to_vec()))).collect();
    let none = || Some(ByteString(vec![0]));
    let configuration = situation.configuration();
    for program in [Program::pkcs15_tool(none()), Program::pkcs11(none())].into_iter().chain(own) {
        match configuration.outcome(&program, Some(differences::OTHER_DRIVER)) {
            Outcome::Crashes(crash) => return Err(crash.to_string()),
            Outcome::Runs(effective) => {
                let is_there = effective.cache_dir.path().is_some_and(|path| path.as_path() == wanted.cache);
                if !is_there && differences::has_cache_dir_setting(version) {
                    return Err(format!("{} would not keep to the private directory", program.label));
                }
            }
        }
    }
    Ok(())
}

/// The words that keep OpenSC from every other reader. It looks for them anywhere in a name.
fn ignored(wanted: &Wanted<'_>) -> Result<Vec<u8>, String> {
    let mut words = Vec::new();
    for other in wanted.others.iter().filter(|other| *other != wanted.reader) {
        if wanted.reader.contains(other.as_str()) {
            return Err(
                "the name of another reader is part of this one's, so OpenSC cannot be kept from that one \
                        alone"
                    .to_owned(),
            );
        }
        let word = word(other.as_bytes()).ok_or_else(|| {
            "another reader has a name that cannot be written in a configuration".to_owned()
        })?;
        words.push(word);
    }
    Ok(words.join(&b", "[..]))
}

/// A word in quotes; none if it cannot be written.
fn word(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_plain = !bytes.is_empty() && bytes.iter().all(|byte| !byte.is_ascii_control() && *byte != b'"');
    is_plain.then(|| [b"\"", bytes, b"\""].concat())
}

struct Maker<'d> {
    text: &'d [u8],
    wanted: &'d Wanted<'d>,
    ignored: Vec<u8>,
    cache: Vec<u8>,
}

impl Maker<'_> {
    fn whole(&self, root: &Body) -> Result<Vec<u8>, usize> {
        // Only the first block of a name counts; what has to be there for everybody goes into that.
        let is_app = |block: &Block| block.key.is("app");
        let is_default = |block: &&Block| is_app(block) && block.name().eq_ignore_ascii_case(b"default");
        let first = root.all_blocks().find(is_default).map(|block| block.range.start);
        let inside = |block: &Block| -> Inside {
            is_app(block).then(|| self.app(&block.body, Some(block.range.start) == first))
        };
        let mut pieces = rewritten(self.text, root, &[], &inside)?;
        if first.is_none() {
            pieces.push(Piece::Block(b"app default".to_vec(), self.app(&Body::default(), true)?));
        }
        Ok(printed(&pieces))
    }

    /// What is in an `app` block; in the one for everybody is all that has to be somewhere.
    fn app(&self, body: &Body, is_for_all: bool) -> Result<Vec<Piece>, usize> {
        let is_framework = |b: &Block| b.key.is("framework") && b.name().eq_ignore_ascii_case(b"pkcs15");
        let is_pcsc = |b: &Block| b.key.is("reader_driver") && b.name().eq_ignore_ascii_case(b"pcsc");
        let mut pieces = vec![line("debug", b"0")];
        if is_for_all && !self.ignored.is_empty() {
            pieces.push(line("ignored_readers", &self.ignored));
        }
        if is_for_all && !body.all_blocks().any(is_framework) {
            pieces.push(Piece::Block(b"framework pkcs15".to_vec(), self.framework(&Body::default())?));
        }
        if is_for_all && !body.all_blocks().any(is_pcsc) {
            pieces.push(Piece::Block(b"reader_driver pcsc".to_vec(), self.pcsc(&Body::default())?));
        }
        let inside = |block: &Block| -> Inside {
            if is_framework(block) {
                Some(self.framework(&block.body))
            } else if is_pcsc(block) {
                Some(self.pcsc(&block.body))
            } else if block.key.is("pkcs11") {
                Some(self.pkcs11(&block.body))
            } else {
                None
            }
        };
        pieces.extend(rewritten(self.text, body, &["debug", "debug_file"], &inside)?);
        Ok(pieces)
    }

    fn framework(&self, body: &Body) -> Result<Vec<Piece>, usize> {
        let mut omit = vec!["file_cache_dir"];
        let mut pieces = vec![line("file_cache_dir", &self.cache)];
        if let Some(goal) = self.wanted.caching {
            omit.push("use_file_caching");
            pieces.push(line("use_file_caching", goal.word().as_bytes()));
        }
        pieces.extend(rewritten(self.text, body, &omit, &|_| None)?);
        Ok(pieces)
    }

    fn pcsc(&self, body: &Body) -> Result<Vec<Piece>, usize> {
        let mut pieces: Vec<Piece> = POLITE.iter().map(|(key, value)| line(key, value.as_bytes())).collect();
        pieces.extend(rewritten(self.text, body, &POLITE.map(|(key, _)| key), &|_| None)?);
        Ok(pieces)
    }

    fn pkcs11(&self, body: &Body) -> Result<Vec<Piece>, usize> {
        let mut pieces = vec![line("lock_login", b"false")];
        pieces.extend(rewritten(self.text, body, &["lock_login"], &|_| None)?);
        Ok(pieces)
    }
}

fn line(key: &str, value: &[u8]) -> Piece {
    Piece::Line([key.as_bytes(), b" = ", value, b";"].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::opensc::{Caching, Effective};

    const OTHERS: &[&str] = &["Other 00", "Third"];

    fn made(text: &str, caching: Option<Goal>) -> Result<String, Error> {
        let others: Vec<String> = OTHERS.iter().map(|name| (*name).to_owned()).collect();
        let wanted = Wanted { caching, cache: Path::new("/private/c"), reader: "Own 00", others: &others };
        let text = asked(&"/etc/opensc.conf".into(), Some(text.as_bytes()), Some(Version::of(26)), &wanted)?;
        Ok(String::from_utf8(text).unwrap())
    }

    fn effective(text: &str, program: &Program) -> Effective {
        let path = ByteString::from("/x");
        let configs = [ConfigFile::new(path.clone(), ConfigState::Text(text.as_bytes().to_vec().into()))];
        let env = [("HOME".to_owned(), ByteString::from("/h")), ("OPENSC_CONF".to_owned(), path)];
        let user = User { uid: 0, name: None, env: env.into() };
        let version = Some("0.26.1".to_owned());
        let installation = Installation { library: "/l".into(), version, config_path: None };
        let situation = Situation { user: &user, installation: Some(&installation), configs: &configs };
        let Outcome::Runs(effective) = situation.outcome(program, Some("cac")) else {
            unreachable!("{text}")
        };
        *effective
    }

    /// For every program that a text names, and for those that it does not.
    fn programs() -> Vec<Program> {
        let tool = Program::pkcs15_tool(Some("/usr/bin/pkcs15-tool".into()));
        let others = ["/usr/bin/pkcs11-tool", "/usr/lib/firefox/firefox"];
        others.map(|exe| Program::pkcs11(Some(exe.into()))).into_iter().chain([tool]).collect()
    }

    const ODD: &[&str] = &[
        "",
        "app default {\n}\n",
        "app default {\n\tdebug = 9;\n\tdebug_file = /home/u/log;\n\tframework pkcs15 {\n\t\tuse_file_caching = yes;\n\
         \t\tfile_cache_dir = /home/u/cache;\n\t\tapplication E8 {\n\t\t\tdisable = true;\n\t\t}\n\t}\n}\n",
        "app opensc-pkcs11 {\n\tpkcs11 {\n\t\tlock_login = true;\n\t\tatomic = true;\n\t}\n\tframework pkcs15 {\n\
         \t\tfile_cache_dir = /a, /b;\n\t}\n}\napp default {\n\treader_driver pcsc {\n\t\tdisconnect_action = reset;\n\
         \t\tenable_pinpad = true;\n\t\tmax_send_size = 255;\n\t}\n}\n",
        "app /usr/bin/pkcs15-tool {\n\tdebug_file = \"/l o g\";\n\tframework PKCS15 {\n\t\tFILE_CACHE_DIR = /z;\n\t}\n}\n\
         app default {\n\tframework pkcs15 {\n\t\tfile_cache_dir = /y;\n\t}\n}\napp default {\n\tdebug_file = /never;\n}\n",
        "app default {\n\tframework pkcs15 {\n\t\tfile_cache_dir = /y;\n\t\tfile_cache_dir = /second;\n",
        "// broken\napp default { framework pkcs15 { file_cache_dir = /y; } }",
    ];

    #[test]
    fn no_text_has_anything_written_but_in_the_private_directory() {
        for text in ODD {
            for caching in [None, Some(Goal::Off), Some(Goal::Yes)] {
                let new = made(text, caching).unwrap();
                for program in programs() {
                    let effective = effective(&new, &program);
                    assert_eq!(effective.cache_dir.path().unwrap(), &"/private/c".into(), "{text}\n{new}");
                    let wanted = match caching {
                        Some(Goal::Off) => Caching::No,
                        Some(_) => Caching::All,
                        None => self::effective(text, &program).caching,
                    };
                    assert_eq!(effective.caching, wanted, "{text}\n{new}");
                }
                assert!(
                    !new.contains("debug_file")
                        && !new.contains("= reset")
                        && !new.contains("true;\n\t\tatomic")
                );
                assert_eq!(
                    new.matches("lock_login").count(),
                    new.matches("lock_login = false").count(),
                    "{new}"
                );
                assert!(new.contains("ignored_readers = \"Other 00\", \"Third\";"), "{new}");
                assert!(
                    new.contains("enable_pinpad = false;") && !new.contains("enable_pinpad = true"),
                    "{new}"
                );
            }
        }
    }

    #[test]
    fn what_does_nobody_harm_stays() {
        let new = made(ODD.get(2).unwrap(), None).unwrap();
        assert!(new.contains("application E8 {\n\t\t\tdisable = true;"), "{new}");
        assert!(new.contains("use_file_caching = yes;"), "{new}");
        let new = made(ODD.get(3).unwrap(), Some(Goal::Off)).unwrap();
        assert!(new.contains("max_send_size = 255;") && new.contains("atomic = true;"), "{new}");
        let new = made(
            "app default {\n\tcard_drivers = mcrd, internal;\n\tcard_atr 3b:00 {\n\t\tdriver = \"x\";\n\t}\n}\n",
            None,
        );
        let new = new.unwrap();
        assert!(new.contains("card_drivers = mcrd, internal;") && new.contains("driver = \"x\";"), "{new}");
    }

    #[test]
    fn what_cannot_be_made_harmless_is_refused() {
        let refused = |reader: &str, other: &str| {
            let others = [other.to_owned()];
            let wanted = Wanted { caching: None, cache: Path::new("/p"), reader, others: &others };
            asked(&"/x".into(), None, Some(Version::of(26)), &wanted).unwrap_err().to_string()
        };
        assert!(refused("ACS ACR 38U 00 00", "ACS ACR 38U").contains("part of this one's"));
        assert!(refused("A", "B\"").contains("cannot be written"));
        let lost = "app default\n\n{\n}\n";
        assert!(
            matches!(made(lost, None), Err(Error::NotDerived(Refusal::LostKey { .. } | Refusal::Crashes(_)))),
            "{lost}"
        );
    }
}
