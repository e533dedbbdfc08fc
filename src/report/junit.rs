//! A check as JUnit XML, as pipelines that provision tokens read it: a suite for each token and one for the host, a case
//! for each finding and for what could not be looked at; where there is nothing of the kind, one case that passed.
//!
//! What is at or above `--fail-on` is a failure, what is below passed with a remark; what was asked for and could not be read
//! is an error, what nobody asked for is skipped.

use std::fmt::Write;
use std::time::Duration;

use crate::finding::{Finding, Severity};
use crate::snapshot::Gap;
use crate::text::in_xml as escape;
use crate::verdict::Verdict;

/// One case.
struct Case {
    name: String,
    outcome: Outcome,
}

enum Outcome {
    Passed(Option<String>),
    Failure { kind: &'static str, message: String, text: String },
    Error(String),
    Skipped(String),
}

/// The whole document.
#[must_use]
pub fn suites(verdict: &Verdict, fail_on: Severity, host: &str, time: &str, took: Duration) -> String {
    let mut suites: Vec<(String, Vec<Case>)> = Vec::new();
    for token in &verdict.tokens {
        let Some(serial) = &token.serial else { continue };
        let findings = verdict.findings.iter().filter(|finding| finding.token.as_ref() == Some(serial));
        let mut cases: Vec<Case> = findings.map(|finding| of_finding(finding, fail_on)).collect();
        if cases.is_empty() {
            cases.push(Case {
                name: "OpenSC shows what is on the card".to_owned(),
                outcome: Outcome::Passed(None),
            });
        }
        suites.push((format!("token {serial}"), cases));
    }
    let is_here = |finding: &&Finding| {
        !verdict.tokens.iter().any(|token| token.serial.is_some() && token.serial == finding.token)
    };
    let mut cases: Vec<Case> =
        verdict.findings.iter().filter(is_here).map(|finding| of_finding(finding, fail_on)).collect();
    cases.extend(verdict.coverage.iter().map(of_gap));
    if cases.is_empty() {
        cases.push(Case { name: "nothing else is wrong".to_owned(), outcome: Outcome::Passed(None) });
    }
    suites.push((format!("host {host}"), cases));
    let all = || suites.iter().flat_map(|(_, cases)| cases);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"stalecard\" {} time=\"{:.3}\">\n",
        counts(all()),
        took.as_secs_f64()
    );
    for (name, cases) in &suites {
        let name = escape(name);
        let _ = writeln!(
            out,
            "<testsuite name=\"{name}\" {} skipped=\"{}\" time=\"0\" timestamp=\"{}\" hostname=\"{}\">",
            counts(cases.iter()),
            cases.iter().filter(|case| matches!(case.outcome, Outcome::Skipped(_))).count(),
            escape(time.trim_end_matches('Z')),
            escape(host)
        );
        cases.iter().for_each(|case| write_case(&mut out, &name, case));
        out.push_str("</testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn counts<'c>(cases: impl Iterator<Item = &'c Case>) -> String {
    let (mut tests, mut failures, mut errors) = (0, 0, 0);
    for case in cases {
        tests += 1;
        match case.outcome {
            Outcome::Failure { .. } => failures += 1,
            Outcome::Error(_) => errors += 1,
            Outcome::Passed(_) | Outcome::Skipped(_) => {}
        }
    }
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"")
}

fn of_finding(finding: &Finding, fail_on: Severity) -> Case {
    let object = finding.object.as_ref().map(|object| format!(": {}", object.label)).unwrap_or_default();
    let cures = finding.fix.iter().map(|fix| fix.command().unwrap_or_else(|| fix.what.clone()));
    let danger = finding.danger.as_ref().map(|danger| danger.text.clone());
    let said = [finding.summary.to_string(), finding.consequence.clone()];
    let parts = danger.into_iter().chain(said).chain(cures);
    let text = parts.collect::<Vec<_>>().join("\n");
    let outcome = if finding.severity >= fail_on {
        let message = finding.summary.to_string();
        Outcome::Failure { kind: finding.id.name(), message, text }
    } else {
        Outcome::Passed(Some(text))
    };
    Case { name: format!("{}{object}", finding.id.name()), outcome }
}

fn of_gap(gap: &Gap) -> Case {
    let outcome =
        if gap.asked_for { Outcome::Error(gap.why.clone()) } else { Outcome::Skipped(gap.why.clone()) };
    Case { name: gap.what.clone(), outcome }
}

fn write_case(out: &mut String, suite: &str, case: &Case) {
    let name = escape(&case.name);
    let inner = match &case.outcome {
        Outcome::Passed(None) => String::new(),
        Outcome::Passed(Some(text)) => format!("<system-out>{}</system-out>", escape(text)),
        Outcome::Failure { kind, message, text } => {
            format!("<failure type=\"{kind}\" message=\"{}\">{}</failure>", escape(message), escape(text))
        }
        Outcome::Error(why) => format!("<error type=\"not-read\" message=\"{}\"/>", escape(why)),
        Outcome::Skipped(why) => format!("<skipped message=\"{}\"/>", escape(why)),
    };
    let _ = writeln!(out, "<testcase name=\"{name}\" classname=\"{suite}\" time=\"0\">{inner}</testcase>");
}
