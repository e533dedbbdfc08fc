//! The page on several hosts: who is stale, who will be, what is about; then tokens by keys, of many hosts those that somebody
//! shows otherwise than they are.

use super::host::{at, coverage, end, finding, findings_head, head};
use super::{Block, Cell, Level, Page};
use crate::finding::Side;
use crate::listing::fleet::{Fleet, RiskyUser, Share, StaleUser};
use crate::listing::hosts::{Compared, Standing, StateRow, TokenTable};
use crate::text::{count, key_reference};

/// The page. What is told is not kept: of very many hosts both would be much.
#[must_use]
pub fn fleet(mut compared: Compared) -> Page {
    let hosts: Vec<String> =
        compared.sources.iter().map(|source| format!("{} of {}", source.user, source.host)).collect();
    let mut blocks = Vec::new();
    let brief = std::mem::take(&mut compared.brief);
    head(&mut blocks, &brief);
    summary(&mut blocks, &compared.fleet);
    let (told, sound) = compared.told_one_by_one();
    for token in told {
        table(&mut blocks, &token);
    }
    if sound > 0 {
        let text = format!(
            "Nothing else than what is on the card is shown of {}.",
            count(sound, "further token", "further tokens")
        );
        blocks.push(Block::Paragraph(Cell::fixed(text)));
    }
    for (number, each) in std::mem::take(&mut compared.findings).into_iter().enumerate() {
        if number == 0 {
            findings_head(&mut blocks);
        }
        finding(&mut blocks, &each, &[]);
    }
    coverage(&mut blocks, &compared.coverage);
    blocks.push(Block::Heading(1, Cell::fixed("About this report")));
    let seen = compared
        .sources
        .iter()
        .zip(hosts)
        .map(|(source, who)| Cell::words(format!("{who}, observed {}", at(source.taken))));
    blocks.push(Block::List(seen.collect()));
    blocks.push(Block::Facts(vec![("stalecard".to_owned(), Cell::fixed(env!("CARGO_PKG_VERSION")))]));
    end(&mut blocks, &brief, None);
    Page { title: Cell::fixed("OpenSC's caches, host by host"), blocks }
}

/// Who is stale, and who will be; which OpenSC and settings are about.
fn summary(blocks: &mut Vec<Block>, fleet: &Fleet) {
    let head = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
    blocks.push(Block::Heading(1, Cell::fixed("The fleet")));
    let mut facts = vec![
        ("hosts".to_owned(), Cell::fixed(fleet.hosts.to_string())),
        ("users that are stale".to_owned(), Cell::fixed(fleet.stale.len().to_string())),
        ("of whom no file tells whether they are".to_owned(), Cell::fixed(fleet.undecided.len().to_string())),
        (
            "that will be after the next change of a card".to_owned(),
            Cell::fixed(fleet.next.len().to_string()),
        ),
        ("OpenSC".to_owned(), Cell::words(shares(&fleet.opensc))),
        ("caching".to_owned(), Cell::words(shares(&fleet.caching))),
    ];
    if fleet.older > 0 {
        facts.push(("older snapshots of the same users".to_owned(), Cell::fixed(fleet.older.to_string())));
    }
    blocks.push(Block::Facts(facts));
    let of_users = |users: &[StaleUser], level: Level| {
        let row = |user: &StaleUser| {
            let tokens: Vec<String> = user.tokens.iter().cloned().collect();
            let cells = vec![
                Cell::words(&user.host),
                Cell::words(&user.user),
                Cell::fixed(at(user.written)),
                Cell::words(tokens.join(", ")),
                Cell::fixed(user.objects.to_string()),
            ];
            (level, cells)
        };
        let head = head(&["host", "user", "not read from the card since", "tokens", "objects"]);
        Block::Table { head, rows: users.iter().map(row).collect() }
    };
    if !fleet.stale.is_empty() {
        blocks.push(Block::Heading(2, Cell::fixed("Stale")));
        blocks.push(of_users(&fleet.stale, Level::Bad));
    }
    if !fleet.undecided.is_empty() {
        blocks.push(Block::Heading(2, Cell::fixed("Undecided")));
        let why = "What is cached is not what the card names, and no file tells which of the two is right.";
        blocks.push(Block::Paragraph(Cell::fixed(why)));
        blocks.push(of_users(&fleet.undecided, Level::Doubtful));
    }
    if !fleet.next.is_empty() {
        blocks.push(Block::Heading(2, Cell::fixed("Stale after the next change of a card")));
        let why = "Nothing is wrong there today. Caching is on for a card that never signals a change.";
        blocks.push(Block::Paragraph(Cell::fixed(why)));
        let row = |user: &RiskyUser| {
            let cells = vec![
                Cell::words(&user.host),
                Cell::words(&user.user),
                Cell::words(user.tokens.join(", ")),
                Cell::words(user.programs.join(", ")),
            ];
            (Level::Doubtful, cells)
        };
        let rows = fleet.next.iter().map(row).collect();
        blocks.push(Block::Table { head: head(&["host", "user", "tokens", "programs"]), rows });
    }
}

fn shares(shares: &[Share]) -> String {
    let of = |share: &Share| format!("{} on {}", share.what, count(share.hosts, "host", "hosts"));
    shares.iter().map(of).collect::<Vec<_>>().join("; ")
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
    let parts: Vec<&Side> =
        [&row.private, &row.public, &row.certificate].into_iter().flatten().map(AsRef::as_ref).collect();
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
