//! The page on several hosts: tokens by keys, and who is stale.

use super::host::{at, coverage, end, findings, head};
use super::{Block, Cell, Level, Page};
use crate::finding::Side;
use crate::listing::hosts::{Compared, Standing, StateRow, TokenTable};
use crate::text::key_reference;

/// The page.
#[must_use]
pub fn fleet(compared: &Compared) -> Page {
    let hosts: Vec<String> =
        compared.sources.iter().map(|source| format!("{} of {}", source.user, source.host)).collect();
    let mut blocks = Vec::new();
    let brief = compared.brief();
    head(&mut blocks, &brief);
    for token in &compared.tokens {
        table(&mut blocks, token);
    }
    findings(&mut blocks, &compared.findings, &[]);
    coverage(&mut blocks, &compared.coverage);
    blocks.push(Block::Heading(1, Cell::fixed("About this report")));
    let seen = compared
        .sources
        .iter()
        .zip(hosts)
        .map(|(source, who)| Cell::words(format!("{who}, observed {}", at(source.taken))));
    blocks.push(Block::List(seen.collect()));
    blocks.push(Block::Facts(vec![("stalecard".to_owned(), Cell::fixed(env!("CARGO_PKG_VERSION")))]));
    end(&mut blocks, &brief);
    Page { title: Cell::fixed("OpenSC's caches, host by host"), blocks }
}

fn table(blocks: &mut Vec<Block>, token: &TokenTable) {
    blocks.push(Block::Heading(1, Cell::words(format!("Token {}", token.serial))));
    let read = token.read_by.as_ref().map_or_else(
        || "no snapshot holds a reading of the card".to_owned(),
        |source| format!("read on {} by {}, {}", source.host, source.user, at(source.taken)),
    );
    let label = token.label.iter().map(|label| ("label".to_owned(), Cell::words(label)));
    blocks.push(Block::Facts(label.chain([("card".to_owned(), Cell::words(read))]).collect()));
    let mut rows = Vec::new();
    for key in &token.keys {
        let name = key.reference.map_or_else(
            || format!("EF {}", key.ef),
            |number| format!("key reference {}", key_reference(number)),
        );
        rows.extend(key.states.iter().map(|state| row(&name, state)));
    }
    let head = ["key", "state", "ID", "label", "fingerprint of the public key", "shown to"];
    blocks.push(Block::Table { head: head.map(str::to_owned).to_vec(), rows });
}

fn row(key: &str, row: &StateRow) -> (Level, Vec<Cell>) {
    let (level, state) = match row.state {
        Standing::Current => (Level::Good, "on the card"),
        Standing::Former => (Level::Plain, "on the card earlier"),
        Standing::Stale => (Level::Bad, "STALE"),
        Standing::Disputed => (Level::Bad, "disputed"),
        Standing::Orphan => (Level::Doubtful, "only in caches"),
        Standing::Unknown => (Level::Doubtful, "card not read"),
    };
    let parts: Vec<&Side> = [&row.private, &row.public, &row.certificate].into_iter().flatten().collect();
    let first =
        |of: fn(&Side) -> &Option<String>| parts.iter().find_map(|side| of(side).clone()).unwrap_or_default();
    let shown: Vec<String> = row
        .shown_by
        .iter()
        .map(|shown| {
            let (source, programs) = (&shown.source, shown.programs.join(", "));
            format!("{} of {} by {programs}, since {}", source.user, source.host, at(shown.written))
        })
        .collect();
    let cells = vec![
        Cell::fixed(key),
        Cell::fixed(state),
        Cell::code(first(|side| &side.id)),
        Cell::words(first(|side| &side.label)),
        Cell::code(first(|side| &side.public_key)),
        Cell::words(shown.join("; ")),
    ];
    (level, cells)
}
