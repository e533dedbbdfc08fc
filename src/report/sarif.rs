//! Findings on configuration files as SARIF 2.1.0 (OASIS), for code scanning: places are files with lines and columns.
//!
//! What could not be looked at is a notification of the invocation, which then was not successful.

use serde_json::{Value, json};

use crate::finding::{Finding, Severity, SourceLine};
use crate::snapshot::Gap;

/// The log of one run. `page` is the manual of a finding, by its id; its first line is what it is in short.
#[must_use]
pub fn log(findings: &[Finding], coverage: &[Gap], page: impl Fn(&Finding) -> String) -> Value {
    let mut ids: Vec<&Finding> = Vec::new();
    for finding in findings {
        if !ids.iter().any(|known| known.id == finding.id) {
            ids.push(finding);
        }
    }
    let rules: Vec<Value> = ids
        .iter()
        .map(|finding| {
            let page = page(finding);
            let short = page.lines().next().unwrap_or_default();
            let short = short.split_once(": ").map_or(short, |(_, short)| short);
            json!({
                "id": finding.id.name(),
                "shortDescription": { "text": short },
                "fullDescription": { "text": page },
                "defaultConfiguration": { "level": level(finding.id.severity()) },
            })
        })
        .collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let rule = ids.iter().position(|known| known.id == finding.id);
            let places: Vec<Value> =
                finding.evidence.iter().filter_map(|evidence| evidence.source.as_ref()).map(place).collect();
            json!({
                "ruleId": finding.id.name(),
                "ruleIndex": rule,
                "level": level(finding.severity),
                "message": { "text": format!("{} {}", finding.summary, finding.consequence) },
                "locations": places,
            })
        })
        .collect();
    let missing: Vec<Value> = coverage
        .iter()
        .map(|gap| {
            let level = if gap.asked_for { "error" } else { "note" };
            json!({ "level": level, "message": { "text": format!("{}: {}", gap.what, gap.why) } })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "stalecard", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": !coverage.iter().any(|gap| gap.asked_for),
                "toolExecutionNotifications": missing,
            }],
            "results": results,
        }],
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// Columns count characters there, and bytes with us; of a line that is too long to be kept our column stands.
fn place(line: &SourceLine) -> Value {
    let is_whole = line.before.len() + 1 == line.column;
    let start = if is_whole { line.before.chars().count() + 1 } else { line.column };
    let end = start + line.marked.chars().count().max(1);
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&line.file) },
            "region": {
                "startLine": line.line,
                "startColumn": start,
                "endColumn": end,
                "snippet": { "text": format!("{}{}{}", line.before, line.marked, line.after) },
            },
        },
        "message": { "text": line.note },
    })
}

/// A path as RFC 3986 takes it: absolute as `file://`, others relative to where it ran.
fn uri(path: &str) -> String {
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
