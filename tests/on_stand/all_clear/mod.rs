//! When nothing is wrong, and when that would be wrongly said: on the stand, beside the real tools, which say nothing of
//! what a card holds and they do not list.

mod identity;
mod native;
mod openpgp;
mod piv;
mod sc_hsm;
mod settings;

use crate::schema;
use crate::stand::{Host, Output};
use serde_json::Value;

fn document(output: &Output) -> Value {
    let value: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"));
    schema::is_output(&value);
    value
}

/// The errors of `check`, each as id and object, and its exit code.
fn errors(host: &Host) -> (i32, Vec<String>) {
    let output = host.stalecard(&["check", "--format", "json"]);
    let report = document(&output);
    let findings = report["findings"].as_array().unwrap();
    let is_error = |finding: &&Value| finding["severity"] == "error" || finding["severity"] == "critical";
    let line = |finding: &Value| {
        let object = &finding["object"];
        let reference = object["reference"].as_u64().map(|number| format!(" {number}")).unwrap_or_default();
        format!("{} {}{reference}", finding["id"].as_str().unwrap(), object["class"].as_str().unwrap_or("-"))
    };
    (output.code(), findings.iter().filter(is_error).map(line).collect())
}

/// What `show` says that no program lists: what, and whether it is meant to be.
fn shown(host: &Host) -> Vec<(String, bool)> {
    let report = document(&host.stalecard(&["show", "--format", "json"]).ok());
    let unlisted = report["unlisted"].as_array().cloned().unwrap_or_default();
    let one = |one: &Value| (one["what"].as_str().unwrap().to_owned(), one["cure"].is_null());
    unlisted.iter().map(one).collect()
}

/// What a command prints, without its line breaks.
fn flat(output: &Output) -> String {
    output.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// IDs of the private keys that the tools list: `pkcs15-tool -D`, and `pkcs11-tool -O` after login.
fn listed(host: &Host) -> [Vec<String>; 2] {
    let ids = |ids: Vec<Option<String>>| ids.into_iter().flatten().collect::<Vec<_>>();
    let of_tool = host.pkcs15_list().private_keys().iter().map(|key| key.id.clone()).collect();
    let of_module = host.pkcs11_list_logged_in().private_keys().iter().map(|key| key.id.clone()).collect();
    [ids(of_tool), ids(of_module)]
}

fn bytes(hex: &str) -> Vec<u8> {
    data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap()
}
