//! `baseline-mismatch`: the token does not hold what its baseline says
//!
//! `stalecard snapshot --baseline` writes down what a token holds once it is provisioned;
//! `stalecard check --against` compares, with an earlier snapshot too. A key is missing, new, replaced under the same ID, or
//! has another ID; its certificate has expired or is another one; the token's label, firmware
//! or DKEK key check value is another; or no baseline is known for the token at all.
//!
//! What is compared is the card itself, not what OpenSC shows of it. Of a card that is not there
//! only a cache can tell, and then this finding means: the cache shows a key that the baseline
//! does not have.
//!
//! Cure: find out who changed the card, and when. If the change was meant, write the baseline
//! anew with `stalecard snapshot --baseline`, review the difference and commit it. If it was
//! not, treat the key as replaced: what it signed since then is not what you think it is.

use toml::value::Datetime;

use crate::baseline::{Baseline, Certificate, Key, Known, seconds};
use crate::case::contents::contents;
use crate::case::token_content::{self, TokenContent};
use crate::case::tokens::Tokens;
use crate::finding::{Evidence, Finding, Id, ObjectClass, ObjectName, Prose, Remedy, Side, SideState};
use crate::snapshot::{Gap, GapKind};
use crate::text::{date, escape, shell_option};
use crate::verdict::Earlier;

/// What is said of tokens and their baselines.
#[derive(Debug, Default)]
pub struct Mismatches {
    /// What is not as a baseline has it.
    pub findings: Vec<Finding>,
    /// What could not be compared.
    pub gaps: Vec<Gap>,
    /// The tokens that were compared with one whose moment is known.
    pub compared: Vec<Earlier>,
}

/// Compares tokens with their baselines; `absent`: those of cards that are not there, as far as names in caches tell.
#[must_use]
pub fn apply(tokens: &Tokens<'_>, absent: &Tokens<'_>, known: &Known) -> Mismatches {
    let (mut findings, mut gaps, mut compared) = (Vec::new(), Vec::new(), Vec::new());
    let held = contents(tokens);
    let serials: Vec<String> = held.iter().map(|(held, _)| held.now.serial.clone()).collect();
    for ((now, tells_dkek), serial) in held.iter().zip(&serials) {
        match known.of(serial) {
            Some(expected) => {
                let before = findings.len();
                compare(expected, now, *tells_dkek, &mut findings, &mut gaps);
                let is_same = findings.len() == before && now.unknown.is_empty();
                let (token, place) = (serial.clone(), known.place.clone());
                compared.extend(expected.written_at.map(|at| Earlier { token, place, at, is_same }));
                expired(&now.now, tokens.snapshot.taken_at.unix_timestamp(), &mut findings);
            }
            None if !known.single => findings.push(unknown_token(serial, known)),
            None => {}
        }
    }
    for baseline in known.baselines.iter().filter(|_| known.single) {
        if serials.contains(&baseline.serial) {
        } else if serials.is_empty() {
            gaps.push(gap(&baseline.serial, "what is on the card", "it was not read"));
        } else {
            findings.push(another_token(baseline, &serials, known));
        }
    }
    through_caches(absent, known, &mut findings, &mut gaps);
    Mismatches { findings, gaps, compared }
}

/// Compares the keys of cards that are not there, as far as a cache shows them.
fn through_caches(absent: &Tokens<'_>, known: &Known, findings: &mut Vec<Finding>, gaps: &mut Vec<Gap>) {
    for case in &absent.cases {
        let Some(expected) = known.of(&escape(case.serial.as_bytes())) else { continue };
        for cache_view in case.cache_views.iter().filter(|cache_view| !cache_view.shown.objects.is_empty()) {
            let shown = token_content::keys(case.layout, &cache_view.shown);
            for key in &shown {
                let same = |known: &&Key| {
                    known.id == key.id && agrees(&known.public_key_sha256, &key.public_key_sha256)
                };
                if expected.keys.iter().any(|known| same(&known)) {
                    continue;
                }
                let mut finding = finding(
                    expected,
                    Some(key),
                    format!(
                        "The cache {} shows the {}, which the baseline does not have.",
                        cache_view.dir.path,
                        words(key)
                    ),
                    "Either the card has been changed, or this cache is stale: only the card can tell.",
                );
                finding.program.clone_from(&cache_view.programs);
                finding.evidence = vec![Evidence { shown: Some(side(key)), ..Evidence::default() }];
                findings.push(finding);
            }
            let seen =
                expected.keys.iter().filter(|known| shown.iter().any(|key| key.id == known.id)).count();
            let why = format!(
                "the card was not read; {} shows {seen} of {} keys of the baseline",
                cache_view.dir.path,
                expected.keys.len()
            );
            gaps.push(gap(&expected.serial, "what is on the card", &why));
        }
    }
}

fn unknown_token(serial: &str, known: &Known) -> Finding {
    let mut finding = Finding::new(
        Id::BaselineMismatch,
        format!("No baseline is known for token {serial}: there is none for it in {}.", known.place),
        "Nothing says what this token is meant to hold.".to_owned(),
    );
    finding.token = Some(serial.to_owned());
    let what = match Baseline::file_name(serial) {
        Some(name) => format!(
            "if the token belongs here, write its baseline (stalecard snapshot --baseline {} -o {}/{name}), review \
             and commit it",
            shell_option("--serial", serial),
            known.place
        ),
        None => "its serial number makes no file name: give its baseline as a file".to_owned(),
    };
    finding.fix.push(Remedy::by_hand(what));
    finding
}

fn another_token(expected: &Baseline, found: &[String], known: &Known) -> Finding {
    let mut finding = Finding::new(
        Id::BaselineMismatch,
        format!(
            "Token {} of the baseline {} is not there; the readers hold {}.",
            expected.serial,
            known.place,
            found.join(", ")
        ),
        "The keys of the baseline are out of reach here.".to_owned(),
    );
    finding.token = Some(expected.serial.clone());
    finding.fix.push(Remedy::by_hand("put the right token in, or name the right baseline"));
    finding
}

fn compare(
    expected: &Baseline,
    held: &TokenContent,
    dkek_asked: bool,
    findings: &mut Vec<Finding>,
    gaps: &mut Vec<Gap>,
) {
    let now = &held.now;
    let mut differs = |what: &str,
                       expected_value: &Option<String>,
                       value: &Option<String>,
                       known: bool,
                       consequence: &str| {
        let Some(wanted) = expected_value else { return };
        if value.as_ref() == Some(wanted) {
        } else if !known {
            gaps.push(gap(&now.serial, what, "the card has not told it"));
        } else {
            let value = value.as_deref().unwrap_or("none");
            let summary = format!("The {what} of the token is {value}; in the baseline it is {wanted}.");
            findings.push(finding(expected, None, summary, consequence));
        }
    };
    let again = "The token has been initialised again since the baseline was written.";
    // A name on a certificate is compared with that.
    if !held.named_by_certificate {
        differs("label", &expected.label, &now.label, true, again);
    }
    let exchanged = "The token was updated, or it is another one with the same serial number.";
    differs("firmware", &expected.firmware, &now.firmware, now.firmware.is_some(), exchanged);
    let keys = "Keys that were wrapped under the DKEK of the baseline cannot be restored to this token.";
    differs(
        "DKEK key check value",
        &expected.dkek_key_check_value,
        &now.dkek_key_check_value,
        dkek_asked,
        keys,
    );
    compare_keys(expected, held, findings, gaps);
}

/// Pairs the keys: first those that are the same, then by public key, then by ID.
fn compare_keys(expected: &Baseline, held: &TokenContent, findings: &mut Vec<Finding>, gaps: &mut Vec<Gap>) {
    let mut wanted: Vec<&Key> = expected.keys.iter().collect();
    let mut there: Vec<&Key> = held.now.keys.iter().collect();
    let mut pair = |same: &dyn Fn(&Key, &Key) -> bool| {
        let mut pairs = Vec::new();
        wanted.retain(|old| match there.iter().position(|new| same(old, new)) {
            Some(at) => {
                pairs.push((*old, there.remove(at)));
                false
            }
            None => true,
        });
        pairs
    };
    let same_key = |old: &Key, new: &Key| {
        old.public_key_sha256.is_some() && old.public_key_sha256 == new.public_key_sha256
    };
    let unchanged =
        pair(&|old, new| old.id == new.id && agrees(&old.public_key_sha256, &new.public_key_sha256));
    let renamed = pair(&same_key);
    let replaced = pair(&|old, new| old.id == new.id);
    for (old, new) in unchanged {
        attributes(expected, old, new, findings);
    }
    for (old, new) in renamed {
        findings.push(finding(
            expected,
            Some(new),
            format!("The ID of the {} is another: in the baseline it is {}.", words(new), old.id),
            "Programs that look for the ID of the baseline do not find the key.",
        ));
        attributes(expected, old, new, findings);
    }
    for (old, new) in replaced {
        let print = |key: &Key| key.public_key_sha256.clone().unwrap_or_else(|| "not known".to_owned());
        findings.push(finding(
            expected,
            Some(new),
            format!(
                "The key with ID {} was replaced: the SHA-256 of its public key is {}; in the baseline it is {}.",
                new.id,
                print(new),
                print(old)
            ),
            "Signatures do not verify with the public key of the baseline; certificates issued for it do not fit.",
        ));
    }
    for old in wanted {
        if held.unknown.is_empty() {
            findings.push(finding(
                expected,
                Some(old),
                format!("The {} is not on the card.", words(old)),
                "What was to be signed or decrypted with it cannot be.",
            ));
        } else {
            let why =
                format!("it was not found, but not everything could be read ({})", held.unknown.join("; "));
            gaps.push(Gap { asked_for: true, ..gap(&expected.serial, &format!("key {}", old.id), &why) });
        }
    }
    for new in there {
        findings.push(finding(
            expected,
            Some(new),
            format!("The {} is on the card, but not in the baseline.", words(new)),
            "It was generated or imported after the baseline was written.",
        ));
    }
}

/// What else may differ between a key and itself.
fn attributes(expected: &Baseline, old: &Key, new: &Key, findings: &mut Vec<Finding>) {
    let mut say =
        |summary: Prose, consequence| findings.push(finding(expected, Some(new), summary, consequence));
    let id = &new.id;
    if let (Some(old), Some(new)) = (&old.label, &new.label)
        && old != new
    {
        let said = format!("The label of key {id} is \"{new}\"; in the baseline it is \"{old}\".");
        say(said.into(), "Programs that look for the label of the baseline do not find the key.");
    }
    if let (Some(old), Some(new)) = (old.describe(), new.describe())
        && old != new
    {
        let said = format!("Key {id} is {new}; in the baseline it is {old}.");
        say(said.into(), "The description of the key on the card was changed.");
    }
    let old_way = "Whoever expects the certificate of the baseline meets another.";
    match (&old.certificate, &new.certificate) {
        (Some(old), Some(new)) if old.sha256 != new.sha256 => {
            let said = Prose::from(format!("Key {id} has another certificate: ")).then(&certificate(new));
            let said = said.and("; in the baseline it is ").then(&certificate(old)).and(".");
            say(said, old_way);
        }
        (Some(old), None) => {
            let said = format!("Key {id} has no certificate on the card; in the baseline it has ");
            let said = Prose::from(said).then(&certificate(old)).and(".");
            say(said, old_way);
        }
        (None, Some(new)) => {
            let said = Prose::from(format!("Key {id} has a certificate, ")).then(&certificate(new));
            let said = said.and("; in the baseline it has none.");
            say(said, "The certificate was put on the card after the baseline was written.");
        }
        _ => {}
    }
}

/// The certificates on the card that are no longer valid.
fn expired(now: &Baseline, taken_at: i64, findings: &mut Vec<Finding>) {
    let today = date(taken_at);
    for key in &now.keys {
        let end = key.certificate.as_ref().and_then(|certificate| certificate.not_after);
        if let Some(end) = end.filter(|end| day_and_time(*end) < today) {
            findings.push(finding(
                now,
                Some(key),
                Prose::from(format!("The certificate of key {} has expired: it was valid until ", key.id))
                    .then(&moment(end))
                    .and("."),
                "Whoever checks it refuses what the key signs.",
            ));
        }
    }
}

/// As the other dates are shown.
fn day_and_time(time: Datetime) -> String {
    time.to_string().replace('T', " ")
}

fn moment(time: Datetime) -> Prose {
    let text = day_and_time(time);
    match seconds(time) {
        Some(seconds) => Prose::default().moment(seconds, &text),
        None => text.into(),
    }
}

/// A value that a baseline leaves out agrees with anything.
fn agrees(expected: &Option<String>, value: &Option<String>) -> bool {
    expected.is_none() || expected == value
}

fn words(key: &Key) -> String {
    let label = key.label.as_ref().map(|label| format!(" \"{label}\"")).unwrap_or_default();
    let print = key.public_key_sha256.as_ref().map(|print| format!("SHA-256 {print}"));
    let known: Vec<String> = key.describe().into_iter().chain(print).collect();
    let known = if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
    format!("key with ID {}{label}{known}", key.id)
}

fn certificate(certificate: &Certificate) -> Prose {
    let named = Prose::from(format!("SHA-256 {}", certificate.sha256));
    match certificate.not_after {
        Some(end) => named.and(" (valid until ").then(&moment(end)).and(")"),
        None => named,
    }
}

fn finding(baseline: &Baseline, key: Option<&Key>, summary: impl Into<Prose>, consequence: &str) -> Finding {
    let mut finding = Finding::new(Id::BaselineMismatch, summary, consequence.to_owned());
    finding.token = Some(baseline.serial.clone());
    finding.object = key.and_then(|key| {
        Some(ObjectName {
            class: ObjectClass::PrivateKey,
            reference: key.reference,
            label: key.label.clone()?,
            id: Some(key.id.clone()),
            shown_id: None,
        })
    });
    finding.fix.push(Remedy::by_hand(
        "find out who changed the token; if that was meant, write the baseline anew (stalecard snapshot \
               --baseline), review the difference and commit it",
    ));
    finding
}

fn side(key: &Key) -> Side {
    Side {
        state: Some(SideState::Object(ObjectClass::PrivateKey)),
        id: Some(key.id.clone()),
        label: key.label.clone(),
        key: key.describe(),
        public_key: key.public_key_sha256.clone(),
        ..Side::default()
    }
}

fn gap(serial: &str, what: &str, why: &str) -> Gap {
    Gap::new(GapKind::Card, false, format!("baseline of token {serial}, {what}"), why.to_owned())
}
