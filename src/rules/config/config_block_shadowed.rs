//! `config-block-shadowed`: a block of opensc.conf hides settings of another
//!
//! Of a program's `app` blocks (its executable from 0.24, its name, `default`) the
//! first that holds a `framework pkcs15` block wins whole: nothing is merged. A
//! block that sets only `use_file_caching` for one program therefore takes
//! `file_cache_dir` away from it, and the program uses the default directory. So
//! do `reader_driver pcsc` and `pkcs11`. And of two blocks with the same name only
//! the first is ever looked at. A plain override, in which the winner sets the
//! same key, is not reported.
//!
//! Cure: copy what is missing into the block that wins, or merge the two.

use crate::case::config::{ConfigCase, Dead, MOST, NOT_SHOWN, Row, labels};
use crate::finding::{Deed, Finding, Id, Remedy};
use crate::opensc::{WhyShadowed, WhyUnread};
use crate::scconf::Spot;
use crate::text::escape;

/// Applies the rule to one configuration.
#[deny(clippy::wildcard_enum_match_arm, reason = "a new reason is to say whether a block hides it")]
pub fn apply(case: &ConfigCase<'_>, sink: &mut Vec<Finding>) {
    let (mut found, mut more) = (Vec::new(), 0);
    for dead in case.dead() {
        let hidden = match dead.setting.why {
            WhyShadowed::DuplicateApp(first) => {
                Some((first, dead.programs.clone(), "an app block of the same name"))
            }
            WhyShadowed::OtherFramework(winner) if same_app(case, &dead, winner) => {
                Some((winner, dead.programs.clone(), "another framework pkcs15 block"))
            }
            WhyShadowed::OtherFramework(winner) => {
                let losing: Vec<&Row> =
                    dead.programs.iter().copied().filter(|row| lacks(case, row, &dead)).collect();
                let by = "a framework pkcs15 block that wins whole";
                (!losing.is_empty()).then_some((winner, losing, by))
            }
            WhyShadowed::LaterDuplicate
            | WhyShadowed::SecondName
            | WhyShadowed::OutsideFramework
            | WhyShadowed::OutsideApp
            | WhyShadowed::NotAnAssignment => None,
        };
        match hidden {
            Some((winner, rows, by)) if found.len() < MOST => {
                found.push(finding(case, &dead, winner, &rows, by));
            }
            Some(_) => more += 1,
            None => {}
        }
    }
    for (unread, programs) in &case.unread_by_some {
        let WhyUnread::HiddenBlock(winner) = unread.why else { continue };
        if found.len() < MOST {
            let by = "a block of the same kind that wins whole";
            found.push(told(case, &unread.key.0, unread.at, winner, programs, by));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        let summary = format!("{more} more settings of {} are hidden by other blocks.", case.path);
        found.push(case.finding(Id::ConfigBlockShadowed, Vec::new(), summary, NOT_SHOWN.to_owned()));
    }
    sink.extend(found);
}

/// Do both stand in one `app` block?
fn same_app(case: &ConfigCase<'_>, dead: &Dead<'_>, winner: Spot) -> bool {
    let around = |offset| case.app_around(offset).map(|app| app.range.start);
    around(dead.setting.at.start) == around(winner.start)
}

/// Does the program's own block say nothing about this key?
fn lacks(case: &ConfigCase<'_>, row: &Row, dead: &Dead<'_>) -> bool {
    let key = &dead.setting.key.0;
    case.running().filter(|(known, _)| known.program == row.program).any(|(_, effective)| {
        let own = if key.eq_ignore_ascii_case(b"file_cache_dir") {
            &effective.file_cache_dir
        } else {
            &effective.use_file_caching
        };
        own.is_none()
    })
}

fn finding(case: &ConfigCase<'_>, dead: &Dead<'_>, winner: Spot, rows: &[&Row], by: &str) -> Finding {
    told(case, &dead.setting.key.0, dead.setting.at, winner, &labels(rows.iter().copied()), by)
}

fn told(
    case: &ConfigCase<'_>,
    key: &[u8],
    hidden: Spot,
    winner: Spot,
    programs: &[String],
    by: &str,
) -> Finding {
    let (key, line) = (escape(key), winner.position.line);
    let mut finding = case.finding(
        Id::ConfigBlockShadowed,
        programs.to_vec(),
        format!("This {key} does not hold for {}: {by} stands at line {line}.", case.who(programs)),
        "The blocks are not merged: what stands here has no effect there.".to_owned(),
    );
    finding.evidence.push(case.source(&hidden.range(), "hidden", None));
    finding.evidence.push(case.source(&winner.range(), "by the block that begins here", None));
    finding.fix.push(Remedy::new(
        format!("write the setting into the block at line {line} too, or merge the blocks"),
        Deed::EditConfiguration,
    ));
    finding
}
