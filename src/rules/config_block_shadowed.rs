//! `config-block-shadowed`: a block of opensc.conf hides cache settings of another
//!
//! Of a program's `app` blocks (its executable from 0.24, its name, `default`) the first that holds a
//! `framework pkcs15` block wins whole: nothing is merged. A block that sets only
//! `use_file_caching` for one program therefore takes `file_cache_dir` away from it, and
//! the program uses the default directory. And of two blocks with the same name only the first is ever
//! looked at. A plain override, in which the winner sets the same key, is not reported.
//!
//! Cure: copy what is missing into the block that wins, or merge the two.

use super::config_case::{ConfigCase, Dead, Row, labels};
use crate::finding::{Finding, Fix, Id};
use crate::opensc::WhyShadowed;
use crate::scconf::Position;
use crate::text::escape;

/// Applies the rule to one configuration.
pub fn apply(case: &ConfigCase<'_>, sink: &mut Vec<Finding>) {
    for dead in case.dead() {
        match dead.setting.why {
            WhyShadowed::DuplicateApp(first) => {
                sink.push(finding(case, &dead, first, &dead.programs, "an app block of the same name"));
            }
            WhyShadowed::OtherFramework(winner) => {
                let same = case.app_around(dead.setting.range.start).map(|app| app.range.start)
                    == case.app_around(case.offset(winner)).map(|app| app.range.start);
                if same {
                    sink.push(finding(case, &dead, winner, &dead.programs, "another framework pkcs15 block"));
                    continue;
                }
                let losing: Vec<&Row> =
                    dead.programs.iter().copied().filter(|row| lacks(case, row, &dead)).collect();
                if !losing.is_empty() {
                    sink.push(finding(
                        case,
                        &dead,
                        winner,
                        &losing,
                        "a framework pkcs15 block that wins whole",
                    ));
                }
            }
            _ => {}
        }
    }
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

fn finding(case: &ConfigCase<'_>, dead: &Dead<'_>, winner: Position, rows: &[&Row], by: &str) -> Finding {
    let programs = labels(rows.iter().copied());
    let key = escape(&dead.setting.key.0);
    let mut finding = case.finding(
        Id::ConfigBlockShadowed,
        programs.clone(),
        format!("This {key} does not hold for {}: {by} stands at line {}.", case.who(&programs), winner.line),
        "The blocks are not merged: what stands here has no effect there.".to_owned(),
    );
    finding.evidence.push(case.source(&dead.setting.range, "hidden", None));
    finding.evidence.push(case.source(&case.token(winner), "by the block that begins here", None));
    finding.fix.push(Fix {
        what: format!("write the setting into the block at line {} too, or merge the blocks", winner.line),
        command: None,
    });
    finding
}
