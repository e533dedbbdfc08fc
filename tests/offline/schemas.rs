//! The committed schemas are what the types give, and let nothing else through. `SNAPSHOTS=overwrite` writes them anew:
//! read the difference before you commit it, for it may only add.

use std::path::Path;

use crate::schema;
use schemars::Schema;
use serde_json::{Value, json};
use snapbox::data::DataFormat;
use snapbox::{Assert, Data};

#[test]
fn the_schema_of_a_snapshot_is_derived() {
    is_committed(&stalecard::schema::snapshot(), "stalecard-snapshot-1.json");
}

#[test]
fn the_schema_of_the_output_is_derived() {
    is_committed(&stalecard::schema::output(), "stalecard-1.json");
}

#[track_caller]
fn is_committed(derived: &Schema, name: &str) {
    let text = serde_json::to_string_pretty(derived).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schema").join(name);
    let committed = Data::try_read_from(&path, Some(DataFormat::Text)).unwrap();
    Assert::new().action_env("SNAPSHOTS").eq(text, committed.raw());
}

#[test]
fn no_object_of_a_committed_document_takes_an_unknown_member() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/snapshots");
    let mut kinds = [0, 0];
    for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let mut document: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let is_output = document["schema"] == stalecard::report::json::SCHEMA;
        kinds[usize::from(is_output)] += 1;
        // The last: whose members have names of their own.
        let (name, maps): (_, &[&str]) = if is_output {
            ("stalecard-1.json", &["status", "numbers"])
        } else {
            ("stalecard-snapshot-1.json", &["env", "executables"])
        };
        let closed = schema::load(name);
        let mut objects = Vec::new();
        below(&document, "", maps, &mut objects);
        assert!(objects.len() > 5, "{}", file.display());
        for object in objects {
            document.pointer_mut(&object).unwrap()["unknown"] = json!(1);
            assert!(!closed.is_valid(&document), "{} takes another member in {object:?}", file.display());
            document.pointer_mut(&object).unwrap().as_object_mut().unwrap().remove("unknown");
        }
        assert!(closed.is_valid(&document), "{}", file.display());
    }
    assert!(kinds.iter().all(|&count| count > 5), "{kinds:?}");
}

/// Whoever reads documents by the schema of earlier days still can: only ever something is added.
#[test]
fn every_committed_document_holds_under_the_first_schemas() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let first = |name: &str| {
        let packed = std::fs::read(root.join("schema/before").join(name)).unwrap();
        let schema: Value = serde_json::from_reader(flate2::read::GzDecoder::new(&*packed)).unwrap();
        jsonschema::draft202012::new(&schema).unwrap()
    };
    let (of_output, of_snapshot) = (first("stalecard-1.json.gz"), first("stalecard-snapshot-1.json.gz"));
    let mut kinds = [0, 0];
    for file in walkdir::WalkDir::new(&root).into_iter().map(|file| file.unwrap().into_path()) {
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let mut document: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let is_output = document["schema"] == stalecard::report::json::SCHEMA;
        if !is_output && document["schema"] != stalecard::snapshot::SCHEMA {
            continue;
        }
        kinds[usize::from(is_output)] += 1;
        let schema = if is_output { &of_output } else { &of_snapshot };
        let errors: Vec<String> = schema
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {}", file.display(), errors.join("\n"));
        // They are not so open that they let everything through.
        document.as_object_mut().unwrap().remove("coverage").unwrap();
        assert!(!schema.is_valid(&document), "{}", file.display());
    }
    assert!(kinds[0] > 10 && kinds[1] > 5, "{kinds:?}");
}

/// The objects of a value but for these maps, of each list those in the first few places.
fn below(value: &Value, at: &str, maps: &[&str], found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.push(at.to_owned());
            for (name, value) in members.iter().filter(|(name, _)| !maps.contains(&name.as_str())) {
                below(value, &format!("{at}/{name}"), maps, found);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().take(3).enumerate() {
                below(item, &format!("{at}/{n}"), maps, found);
            }
        }
        _ => {}
    }
}
