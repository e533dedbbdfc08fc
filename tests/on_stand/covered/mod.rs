//! "Nothing wrong" is said only of what was looked at: whose caches, which programs, and whether they see the card at all.
//! Each test is a case that somebody met, beside the real tool that shows what he saw.

mod agent;
mod label;
mod messages;
mod sudo;
mod visible;

use crate::schema;
use crate::stand::{Host, Output, PIN, SO_PIN};
use serde_json::Value;

/// A host whose cache is stale: its key was replaced elsewhere. The ID that is shown, and the card's.
pub fn stale(host: &Host) -> (String, String) {
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = host.keypairgen("EC:prime256v1", &[]);
    host.pkcs15_list();
    let live = host.live();
    live.delete_object("privkey", &old.id);
    (old.id, live.keypairgen("EC:prime256v1", &[]).id)
}

/// What was printed as JSON, held to its schema.
pub fn report(output: &Output) -> Value {
    let report = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output}"));
    schema::is_output(&report);
    report
}

/// The exit code of a check, and its report.
pub fn check(host: &Host, arguments: &[&str]) -> (i32, Value) {
    let output = host.stalecard(&[&["check", "--format", "json"], arguments].concat());
    (output.code(), report(&output))
}

/// The findings of this kind.
pub fn found<'r>(report: &'r Value, id: &str) -> Vec<&'r Value> {
    report["findings"].as_array().unwrap().iter().filter(|finding| finding["id"] == id).collect()
}

/// What a program printed, without its line breaks.
pub fn said(output: &Output) -> String {
    output.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}
