//! For people: what fresh signatures prove, key by key, and who made a signature.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::causes;
use super::findings::findings;
use super::human::{coverage, ending, headline, tokens};
use super::lines::{BOLD, Detail, GREEN, Page, Screen, row, wrap, wrap_in};
use crate::case::attribution::{Attributed, Attribution};
use crate::case::proofs::{Conclusion, Proof, Source};
use crate::text::key_reference;
use crate::verdict::Verdict;
use crate::verdict::brief::Brief;

const RED: Style = AnsiColor::Red.on_default().bold();

/// The report of `verify` on the keys of cards.
#[must_use]
pub fn keys(screen: &Screen, verdict: &Verdict, proofs: &[Proof], brief: &Brief) -> String {
    let mut out = Page::new(screen);
    headline(&mut out, &brief.headline, &brief.dangers);
    if screen.detail >= Detail::Usual {
        show(&mut out, proofs);
        causes::show(&mut out, verdict, &brief.causes);
    }
    if screen.detail == Detail::All {
        out.gap();
        tokens(&mut out, &verdict.tokens);
        findings(&mut out, &verdict.findings, verdict.tokens.len() > 1);
        coverage(&mut out, &verdict.coverage);
    }
    ending(&mut out, brief);
    out.text()
}

/// One paragraph for each key.
fn show(out: &mut Page<'_>, proofs: &[Proof]) {
    for proof in proofs {
        out.gap();
        let _ = writeln!(
            out,
            "{BOLD}Key reference {}{BOLD:#} \"{}\"",
            key_reference(proof.reference),
            proof.label
        );
        row(out, "ID", &proof.id);
        row(out, "signed", &proof.signed);
        for tried in &proof.tried {
            let (style, word) = match tried.answer() {
                Some(true) => (GREEN, "fits"),
                Some(false) => (RED, "DOES NOT FIT"),
                None => (BOLD, "cannot be checked here"),
            };
            let who = match tried.source {
                Source::Card => "public key on the card".to_owned(),
                Source::Certificate => "certificate on the card".to_owned(),
                Source::OpenSc => format!("key shown by {}", tried.program.join(", ")),
            };
            wrap_in(out, style, "  ", "    ", &format!("{word}: {who}"));
            if out.screen.detail == Detail::All {
                wrap(out, "    ", "      ", &format!("ID {}, {}", tried.id, tried.key));
                wrap(out, "    fingerprint ", "    ", &tried.public_key);
            }
        }
        candidates(out, proof.candidates.iter().map(|key| (key, None, None)));
        let style = if proof.conclusion == Conclusion::Sound { GREEN } else { BOLD };
        let _ = write!(out, "{style}");
        wrap(out, "  ", "  ", words(proof.conclusion));
        let _ = write!(out, "{style:#}");
    }
}

/// What a conclusion means, in a sentence or two.
const fn words(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Sound => "Sound: the private key on the card belongs to every public key named for it.",
        Conclusion::StaleCache => {
            "Stale cache: the card is sound, and this host shows another public key. Flush, then sign again."
        }
        Conclusion::StaleCacheAndWrongCertificate => {
            "Stale cache, and a certificate on the card that is another key's: flush, then have the certificate \
             issued anew."
        }
        Conclusion::WrongCertificate => {
            "Wrong certificate: the key is sound, the certificate on the card belongs to another one. No flush \
             cures that."
        }
        Conclusion::WrongPublicObject => {
            "The public key on the card is not this private key's, and another one known here is. Do not flush \
             first: what fits is worth keeping."
        }
        Conclusion::NothingFits => {
            "No public key known here fits. That is not a cache problem: look at how the key came onto the card, \
             and at driver and mechanism."
        }
        Conclusion::NoPublicKey => "The key signs, but nothing names a public key for it.",
        Conclusion::NotSigned => "Nothing is proved: there is no signature.",
        Conclusion::NotDecided => {
            "Not decided: a public key that is named for it cannot be computed with here (its curve or size)."
        }
    }
}

/// The report of `verify` on files.
#[must_use]
pub fn attributions(
    screen: &Screen,
    answers: &[(String, Attribution)],
    verdict: &Verdict,
    brief: &Brief,
) -> String {
    let mut out = Page::new(screen);
    headline(&mut out, &brief.headline, &brief.dangers);
    if screen.detail >= Detail::Usual {
        for (what, answer) in answers {
            out.gap();
            if answers.len() > 1 {
                let _ = writeln!(out, "{BOLD}{what}{BOLD:#}");
            }
            attribution(&mut out, answer);
        }
    }
    if screen.detail == Detail::All {
        out.gap();
        coverage(&mut out, &verdict.coverage);
    }
    ending(&mut out, brief);
    out.text()
}

/// Who made a signature or signed a certificate.
fn attribution(out: &mut Page<'_>, attribution: &Attribution) {
    if let Some(subject) = &attribution.subject {
        row(out, "subject", subject);
    }
    if let Some(issuer) = &attribution.issuer {
        row(out, "issuer", issuer);
    }
    if let Some(names) = &attribution.names {
        key(out, "It names the public key", names);
    }
    match &attribution.made_by {
        Some(made_by) => {
            let title =
                if attribution.names.is_some() { "It is signed by" } else { "The signature was made by" };
            key(out, title, made_by);
            if let Some(how) = &attribution.how {
                row(out, "how", how);
            }
        }
        None => {
            out.push_str(match (attribution.undecided.is_empty(), &attribution.names) {
                (false, _) => "Who made the signature was not decided.\n",
                (true, Some(_)) => "No key known here made the signature.\n",
                (true, None) => {
                    "No key known here made the signature over these bytes in any way computed here.\n"
                }
            });
            for why in &attribution.undecided {
                wrap(out, "  ", "    ", why);
            }
            if let Some(assumed) = attribution.assumed.as_ref().filter(|_| !attribution.candidates.is_empty())
            {
                wrap(
                    out,
                    "",
                    "",
                    &format!(
                        "It was made by one of these, {assumed}. A second signature of the same key, or any of \
                         these IDs in a listing, tells which:"
                    ),
                );
            }
            let keys = attribution.candidates.iter().map(|one| (&one.key, one.hash, one.known_id.as_deref()));
            candidates(out, keys);
        }
    }
    if let Some(note) = &attribution.note {
        wrap(out, "", "", note);
    }
}

fn key(out: &mut Page<'_>, title: &str, key: &Attributed) {
    let _ = writeln!(out, "{BOLD}{title}{BOLD:#}");
    for place in &key.places {
        row(out, "ID", &place.id);
        row(out, "known", &place.place);
    }
    if key.places.is_empty() {
        row(out, "ID", &format!("{} (as OpenSC would make it)", key.id));
        row(out, "known", "nowhere here");
    }
    row(out, "key", &key.key);
    row(out, "fingerprint", &key.public_key);
}

fn candidates<'a>(
    out: &mut Page<'_>,
    keys: impl Iterator<Item = (&'a crate::case::proofs::Candidate, Option<&'a str>, Option<&'a str>)>,
) {
    for (key, hash, known) in keys {
        let _ = writeln!(out, "  {BOLD}could be{BOLD:#} ID {}", key.id);
        if let Some(known) = known {
            wrap(out, "    ", "      ", &format!("a private key with this ID is {known}"));
        }
        let hash = hash.map(|hash| format!(", if hashed with {hash}")).unwrap_or_default();
        wrap(out, "    ", "      ", &format!("{}{hash}", key.key));
        wrap(out, "    fingerprint ", "    ", &key.public_key);
    }
}
