//! Objects for people: what the card holds beside what OpenSC shows of it.

use std::fmt::Write;

use super::findings::show_side;
use super::lines::{BOLD, DIM, wrap};
use crate::rules::sides::Sides;
use crate::text::key_reference;

/// Says which half of the picture never comes from a cache.
pub fn live_note(out: &mut String) {
    wrap(
        out,
        "",
        "",
        "The lines above come from the card itself: OpenSC never caches them. Key IDs, labels, public keys and \
         certificates are what OpenSC answers from its cache.",
    );
    out.push('\n');
}

/// Both views of objects.
pub fn sides(out: &mut String, objects: &[Sides]) {
    for object in objects {
        let reference = object
            .reference
            .map(|number| format!(", key reference {}", key_reference(number)))
            .unwrap_or_default();
        let _ = writeln!(out, "{BOLD}slot {}{reference}{BOLD:#} (token {})", object.slot, object.token);
        show_side(out, "on the card", &object.card);
        for shown in &object.shown {
            let who = if shown.program.is_empty() {
                format!("in {} (no program reads it today)", shown.directory)
            } else {
                format!("shown by {}", shown.program.join(", "))
            };
            if shown.side == object.card && !shown.entries.is_empty() {
                let _ = writeln!(out, "  {DIM}{who}{DIM:#}\n    the same");
            } else if shown.side != object.card {
                show_side(out, &who, &shown.side);
            }
            for entry in &shown.entries {
                let _ = writeln!(out, "    from {entry}");
            }
        }
        out.push('\n');
    }
}
