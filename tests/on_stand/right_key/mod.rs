//! Which of two public keys is right, the one in the cache or the one on the card: on the stand, with the real tools'
//! own work. No repair that is called safe leaves a host whose signatures fail, and none that does is called a cure.

mod native;
mod sc_hsm;

use crate::schema;
use crate::stand::{Host, Output};
use serde_json::Value;

fn document(output: &Output) -> Value {
    let value: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"));
    schema::is_output(&value);
    value
}

/// `check` with its exit code.
fn check(host: &Host, more: &[&str]) -> (i32, Value) {
    let output = host.stalecard(&[&["check", "--format", "json"], more].concat());
    (output.code(), document(&output))
}

/// Id, severity and safety of what is found at or above error, in the order of the report.
fn told(report: &Value) -> Vec<[String; 3]> {
    let findings = report["findings"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut told: Vec<_> =
        findings.iter().map(|f| [text(&f["id"]), text(&f["severity"]), text(&f["safety"])]).collect();
    told.retain(|[_, severity, _]| severity == "error" || severity == "critical");
    told
}

/// The finding with this id.
fn finding<'r>(report: &'r Value, id: &str) -> &'r Value {
    let all = report["findings"].as_array().unwrap();
    all.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("no {id} in {report:#}"))
}

/// What `fix` says became of each finding, by id.
fn results(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let repairs = report["repairs"].as_array().unwrap();
    repairs.iter().map(|repair| (text(&repair["id"]), text(&repair["result"]))).collect()
}

/// Does what a key signs through this host verify with the public key that this host shows for it? Asked of a copy,
/// because the tools fill the cache.
fn verifies(host: &Host, id: &str) -> bool {
    let copy = host.with_cache_copy();
    let signature = copy.sign(id, b"Sample Data");
    copy.openssl_verify(&copy.public_key(id), b"Sample Data", &signature)
}
