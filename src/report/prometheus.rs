//! Metrics for Prometheus' textfile collector, in its text format 0.0.4; names follow its
//! conventions (base units, no abbreviations), and `promtool check metrics` has nothing to say.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use time::OffsetDateTime;

use crate::finding::Severity;
use crate::verdict::Verdict;

/// The metrics of one check. `complete`: everything that was asked for was looked at.
#[must_use]
pub fn metrics(verdict: &Verdict, complete: bool, taken_at: OffsetDateTime, took: Duration) -> String {
    let mut out = String::new();
    let version = env!("CARGO_PKG_VERSION");
    family(
        &mut out,
        "stalecard_build_info",
        "Version of stalecard.",
        [(vec![("version", version)], "1".into())],
    );
    let now = taken_at.unix_timestamp().to_string();
    family(&mut out, "stalecard_check_timestamp_seconds", "When the last check was made.", [(vec![], now)]);
    let took = format!("{:.3}", took.as_secs_f64());
    family(&mut out, "stalecard_check_duration_seconds", "How long the last check took.", [(vec![], took)]);
    let complete = u8::from(complete).to_string();
    family(
        &mut out,
        "stalecard_check_complete",
        "Whether everything that was asked for could be looked at (1) or not (0).",
        [(vec![], complete)],
    );
    let gaps =
        |asked_for| verdict.coverage.iter().filter(|gap| gap.asked_for == asked_for).count().to_string();
    family(
        &mut out,
        "stalecard_coverage_gaps",
        "What could not be looked at, by whether it was asked for.",
        [(vec![("asked_for", "true")], gaps(true)), (vec![("asked_for", "false")], gaps(false))],
    );
    let number = |severity| verdict.findings.iter().filter(|finding| finding.severity == severity).count();
    family(
        &mut out,
        "stalecard_findings",
        "Findings of the last check by severity.",
        Severity::ALL.map(|severity| (vec![("severity", severity.word())], number(severity).to_string())),
    );
    let mut found: BTreeMap<_, usize> = BTreeMap::new();
    for finding in &verdict.findings {
        *found
            .entry((finding.id, finding.severity, finding.token.as_deref().unwrap_or_default()))
            .or_default() += 1;
    }
    family(
        &mut out,
        "stalecard_token_findings",
        "Findings of the last check by kind, severity and token; without a token those about the host.",
        found.iter().map(|((id, severity, token), number)| {
            let severity = severity.word();
            (vec![("finding", id.name()), ("severity", severity), ("token", *token)], number.to_string())
        }),
    );
    family(
        &mut out,
        "stalecard_token_info",
        "The tokens in the readers.",
        verdict.tokens.iter().map(|token| {
            let [serial, label] =
                [&token.serial, &token.label].map(|text| text.as_deref().unwrap_or_default());
            let mut labels = vec![
                ("reader", token.reader.as_str()),
                ("token", serial),
                ("label", label),
                ("family", &token.family),
            ];
            // Without it two applications of one card could be told apart by nothing.
            labels.extend(token.status.get("application").map(|name| ("application", name.as_str())));
            (labels, "1".to_owned())
        }),
    );
    family(
        &mut out,
        "stalecard_program_caching_info",
        "How programs cache the files of cards.",
        verdict.programs.iter().map(|program| {
            (vec![("program", program.name.as_str()), ("caching", program.caching.word())], "1".to_owned())
        }),
    );
    out
}

/// One metric with all its values; nothing if it has none.
fn family<'a>(
    out: &mut String,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, String)>,
) {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in values {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(out, "{name}{labels} {value}");
    }
}

/// A label value: backslash, quote and end of line are escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
