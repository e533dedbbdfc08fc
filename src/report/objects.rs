//! Objects for people: what the card holds beside what OpenSC shows of it.

use std::fmt::Write;

use super::findings::show_side;
use super::lines::{BOLD, DIM, Page, wrap, wrap_in};
use crate::listing::asked::AskedObject;
use crate::listing::objects::{NotListed, ObjectComparison, Unlisted};
use crate::text::key_reference;
use crate::verdict::Token;

/// Says which half of the picture never comes from a cache.
pub fn live_note(out: &mut Page<'_>, tokens: &[Token]) {
    // Where a token has the name of its certificate.
    let but = if tokens.iter().any(|token| token.shown_label.is_some()) {
        ", but for a label that is the name on a certificate"
    } else {
        ""
    };
    let note = format!(
        "The lines above come from the card itself: OpenSC never caches them{but}. Key IDs, labels, public keys and \
         certificates are what OpenSC answers from its cache."
    );
    wrap(out, "", "", &note);
    out.push('\n');
}

/// Both views of objects.
pub fn sides(out: &mut Page<'_>, objects: &[ObjectComparison]) {
    for object in objects {
        let reference = object
            .reference
            .map(|number| format!(", key reference {}", key_reference(number)))
            .unwrap_or_default();
        wrap_in(out, BOLD, "", "  ", &format!("EF {}{reference} (token {})", object.ef, object.token));
        show_side(out, "on the card", &object.card);
        show_uri(out, object.uri.as_deref());
        if !object.told.is_empty() {
            wrap(out, "    told        ", &" ".repeat(16), &object.told.join("; "));
        }
        // What is said of each cache is not said twice.
        let everywhere = object.shown.iter().any(|shown| !shown.program.is_empty());
        if !everywhere {
            show_unlisted(out, &object.unlisted);
        }
        for shown in &object.shown {
            let lists = |program: &&String| shown.unlisted.iter().all(|one| one.program != **program);
            let lists: Vec<&str> = shown.program.iter().filter(lists).map(String::as_str).collect();
            let of_user = shown.user.as_ref().map(|user| format!(" of user {user}")).unwrap_or_default();
            let who = if shown.program.is_empty() {
                format!("in {} (no program reads it today)", shown.directory)
            } else if lists.is_empty() {
                format!("read by {}{of_user}", shown.program.join(", "))
            } else {
                format!("shown by {}{of_user}", lists.join(", "))
            };
            if shown.side == object.card && !shown.entries.is_empty() {
                wrap_in(out, DIM, "  ", "  ", &who);
                out.push_str("    the same\n");
            } else if shown.side != object.card {
                show_side(out, &who, &shown.side);
            }
            show_uri(out, shown.uri.as_deref().filter(|_| shown.uri != object.uri));
            for entry in &shown.entries {
                wrap(out, "    from ", "    ", entry);
            }
            show_unlisted(out, &shown.unlisted);
        }
        out.push('\n');
    }
}

/// What OpenSC lists of cards that are not read here; of what it shows otherwise both.
pub fn asked(out: &mut Page<'_>, objects: &[AskedObject]) {
    for object in objects {
        let _ = writeln!(
            out,
            "{BOLD}{} \"{}\"{BOLD:#} (token {}, as OpenSC lists it)",
            object.class, object.label, object.token
        );
        text(out, "on the card", object.card.as_deref());
        for shown in &object.shown {
            let who = format!("shown by {}", shown.program.join(", "));
            if shown.text == object.card {
                let _ = writeln!(out, "  {DIM}{who}{DIM:#}\n    the same");
            } else {
                text(out, &who, shown.text.as_deref());
            }
        }
        out.push('\n');
    }
}

fn text(out: &mut Page<'_>, who: &str, text: Option<&str>) {
    let _ = writeln!(out, "  {DIM}{who}{DIM:#}");
    for line in text.unwrap_or("nothing of it").lines() {
        wrap(out, "    ", "      ", line.trim());
    }
}

/// Never wrapped: it is there to be pasted.
fn show_uri(out: &mut Page<'_>, uri: Option<&str>) {
    if let Some(uri) = uri {
        let _ = writeln!(out, "    {uri}");
    }
}

/// What no program lists.
pub fn not_listed(out: &mut Page<'_>, unlisted: &[NotListed]) {
    for one in unlisted {
        wrap_in(out, BOLD, "", "  ", &format!("Listed by no program (token {})", one.token));
        wrap(out, "  ", "    ", &format!("{}: {}", one.what, one.why));
        if let Some(cure) = &one.cure {
            wrap(out, "  ", "    ", &format!("to make it visible: {cure}"));
        }
        out.gap();
    }
}

fn show_unlisted(out: &mut Page<'_>, unlisted: &[Unlisted]) {
    for Unlisted { program, why } in unlisted {
        wrap(out, "    ", "      ", &format!("not listed by {program}: {why}"));
    }
}
