//! The fixtures of the findings: for each id of the catalogue a file that has it, and one (`.nearly`) that nearly
//! has it, with all that is found in them. No reader, no card and no OpenSC is needed.

use std::collections::BTreeSet;
use std::panic::catch_unwind;

use crate::finding_fixture::{Fixture, Signature, bytes, folder, read};
use crate::schema;
use serde_json::Value;
use stalecard::baseline::{Baseline, Known};
use stalecard::case::bare_signature;
use stalecard::case::token_content::absent_cards;
use stalecard::crypto::Signed;
use stalecard::crypto::given::public_key;
use stalecard::finding::{Finding, Id, Severity, Shows, Unasked};
use stalecard::judge::{mismatches, tokens};
use stalecard::listing::hosts::Comparison;
use stalecard::rules::signature::signed_by_other_key;
use stalecard::snapshot::{Gap, Snapshot};

/// What is found, and what could not be told.
type Said = (Vec<Finding>, Vec<Gap>);

/// What `check` says, with `--against` if there is a baseline.
fn check(snapshot: &Snapshot, baseline: Option<&str>) -> Said {
    let tokens = tokens(snapshot);
    let mut verdict = stalecard::judge::verdict(&tokens);
    stalecard::judge::judge_processes(snapshot, &mut verdict);
    if let Some(text) = baseline {
        let baselines = vec![Baseline::parse(text).unwrap()];
        let known = Known { place: "a baseline".to_owned(), single: true, left: None, baselines };
        let said = mismatches(&tokens, &absent_cards(snapshot), &known);
        stalecard::judge::hold_against(&mut verdict, &known, said);
    }
    (verdict.findings, verdict.coverage)
}

/// What `compare` says.
fn compare(snapshots: &[Snapshot]) -> Said {
    let mut comparison = Comparison::default();
    for snapshot in snapshots {
        comparison.add(snapshot, true);
    }
    let compared = comparison.conclude();
    (compared.findings, compared.coverage)
}

/// What `verify --data --signature --pubkey` says.
fn verify(snapshot: &Snapshot, signature: &Signature) -> Said {
    let key = public_key(&bytes(&signature.key), None).unwrap();
    let (data, made) = (bytes(&signature.data), bytes(&signature.signature));
    let given = [(signature.key.clone(), key)];
    let attribution = bare_signature::of_signature(&tokens(snapshot), &given, &Signed::message(&data), &made);
    (signed_by_other_key::finding(&attribution, true).into_iter().collect(), Vec::new())
}

/// What is said of a fixture: by which command, its members tell.
fn said(fixture: &Fixture) -> Said {
    match (fixture.snapshots().as_slice(), &fixture.signature) {
        ([snapshot], Some(signature)) => verify(snapshot, signature),
        ([snapshot], None) => check(snapshot, fixture.baseline.as_deref()),
        (snapshots, _) => compare(snapshots),
    }
}

/// A finding in a line: id, severity, and which object it is about.
fn line(finding: &Finding) -> String {
    let severity = serde_json::to_value(finding.severity).unwrap();
    let object = finding.object.as_ref().map(|object| match object.reference {
        Some(reference) => format!(": {} {reference}", object.class),
        None => format!(": {}", object.class),
    });
    format!("{} {}{}", finding.id.name(), severity.as_str().unwrap(), object.unwrap_or_default())
}

/// What is wrong with a fixture of a finding.
fn fault(id: Id, name: &str) -> Result<(), String> {
    let fixture = read(name)?;
    let is_nearly = name != id.name();
    if fixture.nearly.is_some() != is_nearly || fixture.origin.is_empty() {
        return Err(format!(
            "{name} has an `origin`, and says in `nearly` what it lacks if it lacks something"
        ));
    }
    if is_nearly && read(id.name())?.bases() != fixture.bases() {
        return Err(format!("{name} is too far away: it begins with other snapshots than {}", id.name()));
    }
    fixture.documents().iter().for_each(is_snapshot);
    let (found, gaps) = said(&fixture);
    if found.iter().any(|finding| finding.id == id) == is_nearly {
        let verb = if is_nearly { "has" } else { "has not" };
        return Err(format!("{name} {verb} what it is named after: {:#?}", lines(&found)));
    }
    let is_usual = |finding: &Finding| finding.id == id && finding.severity == id.severity();
    if !is_nearly && !found.iter().any(is_usual) {
        return Err(format!("{name} has it, but not with its usual severity: {:#?}", lines(&found)));
    }
    if lines(&found) != fixture.expected {
        return Err(format!("{name} expects {:#?}, found is {:#?}", fixture.expected, lines(&found)));
    }
    let gaps: Vec<String> = gaps.into_iter().map(|gap| gap.what).collect();
    if let Some(missing) = fixture.coverage.iter().find(|what| !gaps.contains(what)) {
        return Err(format!("{name} expects {missing:?} to be left open, which is only said of {gaps:#?}"));
    }
    // Nobody is left alone with a finding.
    let is_told = |finding: &&Finding| !finding.fix.is_empty() && !finding.consequence.is_empty();
    if let Some(finding) = found.iter().find(|finding| !is_told(finding)) {
        return Err(format!("{name}: a finding without consequence or cure: {finding:#?}"));
    }
    Ok(())
}

/// As it would stand in a file: the signatures that `verify` asks for are in none.
fn is_snapshot(document: &Value) {
    let mut document = document.clone();
    for card in document["cards"].as_array_mut().unwrap() {
        card.as_object_mut().unwrap().remove("trials");
    }
    schema::is_snapshot(&document);
}

fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(line).collect()
}

fn names(id: Id) -> [String; 2] {
    [id.name().to_owned(), format!("{}.nearly", id.name())]
}

/// Which fixtures a rule fails is told for all at once.
#[test]
fn every_finding_is_found_where_it_is_and_not_where_it_nearly_is() {
    let faults = Id::ALL.iter().flat_map(|&id| {
        names(id).into_iter().filter_map(move |name| {
            let fault = catch_unwind(|| fault(id, &name));
            fault.unwrap_or_else(|_| Err(format!("{name} cannot be judged: see above"))).err()
        })
    });
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "{} fixtures fail:\n{}", faults.len(), faults.join("\n"));
}

/// A journal has only the name of the finding for which an entry was taken: the catalogue has to know by it what the
/// finding's remedies say.
#[test]
fn what_a_flush_takes_is_known_by_its_name_to_be_stale() {
    let fixtures = Id::ALL.iter().map(|&id| (id, said(&read(id.name()).unwrap()).0));
    for (id, found) in fixtures {
        let taken: Vec<Id> = found
            .iter()
            .filter(|finding| finding.is_moved(Unasked::ByFlush))
            .map(|finding| finding.id)
            .collect();
        let unknown: Vec<&Id> = taken.iter().filter(|id| id.shows() == Shows::Other).collect();
        assert!(unknown.is_empty(), "{}: a flush takes what is of {unknown:?}", id.name());
        assert_eq!(taken.contains(&id), id.shows() != Shows::Other, "{}", id.name());
    }
}

/// Who reads that nobody shows anything else goes home: so of a host on which its own `check` finds an error, `compare`
/// names one, too. What is shown of keys the newest reading of their card decides.
#[test]
fn compare_says_no_better_of_a_host_than_its_own_check() {
    let mut number = 0;
    for name in Id::ALL.iter().flat_map(|&id| names(id)) {
        let fixture = read(&name).unwrap();
        if fixture.signature.is_some() || fixture.baseline.is_some() {
            continue;
        }
        for snapshot in fixture.snapshots() {
            let wrong = |said: &Said| said.0.iter().any(|finding| finding.severity >= Severity::Error);
            let (own, compared) = (check(&snapshot, None), compare(std::slice::from_ref(&snapshot)));
            assert!(!wrong(&own) || wrong(&compared), "{name}: {:#?}", lines(&own.0));
            number += usize::from(wrong(&own));
        }
    }
    assert!(number > 20, "{number}");
}

#[test]
fn every_fixture_is_named_after_a_finding() {
    let known: BTreeSet<String> =
        Id::ALL.iter().flat_map(|&id| names(id)).map(|name| format!("{name}.toml")).collect();
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_type().unwrap().is_file());
    let there: BTreeSet<String> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
    let strangers: Vec<&String> = there.difference(&known).collect();
    assert!(strangers.is_empty(), "no finding has the name of {strangers:?}");
}
