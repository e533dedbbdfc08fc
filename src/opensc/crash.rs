//! When a configuration kills a program.
//!
//! A statement that lost its key to a comment or an empty line stays in OpenSC's
//! list with a null pointer for a key, and the first search that reaches it ends in a
//! segmentation fault. Which searches there are, and when, is written down here
//! (0.23.0; the others search at least for these).

use super::program::{ONEPIN, PKCS11, Program};
use crate::scconf::{Block, Body, Spot, Trap};
use crate::snapshot::ByteString;

/// A place in the configuration that kills a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{at}: a comment or an empty line takes the key `{key}` away, and OpenSC dies {when}")]
pub struct Crash {
    /// The configuration file.
    pub file: ByteString,
    /// The key of the statement.
    pub at: Spot,
    /// The comment, or the end of the empty line, that took the key.
    pub taken_by: Spot,
    /// The key that was meant.
    pub key: ByteString,
    /// When the program dies.
    pub when: When,
}

/// When a program dies of its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At its start, with or without a card.
    Start,
    /// As soon as it looks at a card.
    Bind,
    /// Not always: with cards that have applications to choose from (a SmartCard-HSM has
    /// none), or if the driver named in a `card_atr` block is one that is loaded.
    Sometimes,
}

impl std::fmt::Display for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Start => "at its start",
            Self::Bind => "when it reads a card",
            Self::Sometimes => "with some cards or drivers",
        })
    }
}

/// Searched in every `app` block of the program when a context starts (`ctx.c`).
const CONTEXT: &[&str] =
    &["debug", "debug_file", "disable_popups", "disable_colors", "enable_default_driver", "card_drivers"];
/// Searched in `reader_driver pcsc` (`reader-pcsc.c`).
const READER: &[&str] = &[
    "provider_library",
    "connect_exclusive",
    "disconnect_action",
    "transaction_end_action",
    "reconnect_action",
    "enable_pinpad",
    "fixed_pinlength",
    "enable_pace",
    "max_send_size",
    "max_recv_size",
];
/// Searched in every `card_atr` block with a name of at least four characters, but only if its
/// `driver` is loaded (`ctx.c`); without that setting it is.
const CARD_ATR: &[&str] = &["atrmask", "name", "type", "flags"];
/// Searched in the block `pkcs11` by the PKCS#11 module (`misc.c`).
const MODULE: &[&str] = &[
    "max_virtual_slots",
    "slots_per_card",
    "lock_login",
    "init_sloppy",
    "user_pin_unblock_style",
    "create_puk_slot",
    "create_slots_for_pins",
];
/// Searched in `framework pkcs15` when a card is bound (`pkcs15.c`).
const BIND: &[&str] = &[
    "use_file_caching",
    "use_pin_caching",
    "pin_cache_counter",
    "pin_cache_ignore_user_consent",
    "enable_pkcs15_emulation",
];

/// The searches of a starting program in its `app` blocks.
pub(super) fn at_start(apps: &[&Block], program: &Program) -> Result<(), Trap> {
    for app in apps {
        search(&app.body, CONTEXT)?;
        // This search looks at every block, whatever it finds.
        for card in app.body.blocks("card_atr", None)? {
            if card.name().len() >= 4 && card.body.setting("driver")?.is_none() {
                search(&card.body, CARD_ATR)?;
            }
        }
    }
    if let Some(reader) = first(apps, "reader_driver", Some(b"pcsc"))? {
        search(&reader.body, READER)?;
    }
    if matches!(program.app_name.as_str(), PKCS11 | ONEPIN)
        && let Some(module) = first(apps, "pkcs11", None)?
    {
        search(&module.body, MODULE)?;
    }
    Ok(())
}

/// The searches in the effective block when a card is bound.
pub(super) fn at_bind(framework: &Block) -> Result<(), Trap> {
    search(&framework.body, BIND)
}

/// Searches that are not always made: for `application` and `emulate` blocks, and behind the
/// `driver` of a `card_atr` block.
pub(super) fn sometimes(apps: &[&Block], framework: Option<&Block>) -> Option<Trap> {
    let cards = apps.iter().filter_map(|app| app.body.blocks("card_atr", None).ok()).flatten();
    let mut cards = cards.filter(|card| card.name().len() >= 4);
    framework
        .and_then(|framework| framework.body.blocks("application", None).err())
        .or_else(|| cards.find_map(|card| search(&card.body, CARD_ATR).err()))
}

/// The first block of this key and name over all `app` blocks (`sc_get_conf_block`).
fn first<'a>(apps: &[&'a Block], key: &str, name: Option<&[u8]>) -> Result<Option<&'a Block>, Trap> {
    for app in apps {
        if let Some(&found) = app.body.blocks(key, name)?.first() {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn search(body: &Body, settings: &[&str]) -> Result<(), Trap> {
    settings.iter().try_for_each(|setting| body.setting(setting).map(drop))
}
