//! What there is to say of an edit of the configuration. Pure.

use super::{again, check, undo_of};
use crate::fix::config::Programs;
use crate::repair::config::{EditReport, Goal};
use crate::verdict::brief::{Brief, Headline, Purpose, Step, Word};

/// Of an edit of the configuration for these programs. `typed`: the command, without `--dry-run`.
#[must_use]
pub fn edited(report: &EditReport, goal: Goal, programs: Programs<'_>, typed: &str) -> Brief {
    let file = &report.file;
    let is_off = goal == Goal::Off;
    let switched = format!("{}{}", if is_off { "off" } else { "on" }, programs.told());
    let (state, sentence) = match (report.refused, report.changes.is_empty(), report.created, report.dry_run)
    {
        (true, ..) => (Word::Failed, format!("{file}: not edited.")),
        (false, true, ..) => {
            (Word::Unchanged, format!("{file}: nothing to change, the cache is {switched} already."))
        }
        (false, false, true, true) => {
            (Word::Planned, format!("{file}: would be created, to switch the cache {switched}."))
        }
        (false, false, false, true) => {
            (Word::Planned, format!("{file}: would be edited, to switch the cache {switched}."))
        }
        (false, false, true, false) => (Word::Done, format!("{file}: created; the cache is {switched}.")),
        (false, false, false, false) => (Word::Done, format!("{file}: edited; the cache is {switched}.")),
    };
    let mut steps = Vec::new();
    if report.refused && is_off {
        steps.push(check("tells what is wrong with these entries"));
    } else if report.refused {
        let flush = |options: &str, what: &str| {
            Step::new(Purpose::Flush, Some(format!("stalecard flush{options}")), what)
        };
        steps.push(flush("", "with the card in a reader: moves what is stale"));
        steps.push(flush(" --all", "instead, without the card: moves all entries"));
        steps.push(Step::again(Purpose::Mend, typed, "when they are gone"));
    } else if let Some(operation) = &report.operation {
        let what = "restart running programs (browsers, signing services): they have read the old file";
        let done = "when running programs (browsers, signing services) were restarted";
        steps.push(Step::by_hand(Purpose::Restart, what, done));
        if is_off {
            let what = "or what is in the caches is read again once caching is ever on";
            steps.push(Step::new(Purpose::Flush, Some("stalecard flush".to_owned()), what));
        } else {
            steps.push(check("tells what programs show now"));
        }
        steps.push(undo_of(operation));
    } else if report.dry_run && !report.changes.is_empty() {
        steps.push(again(typed));
    }
    let headline = Headline { state, sentence: sentence.into(), ..Headline::default() };
    Brief { headline, steps, ..Brief::default() }
}
