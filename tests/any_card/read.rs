//! What other commands make of asked cards: `ls`, `show`, `snapshot` and its judgement elsewhere.

use super::*;

#[test]
fn a_snapshot_of_an_asked_card_is_judged_elsewhere_alike() {
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    card.renew(0, 40);
    let (output, live) = check(&host, &[]);
    let file = host.home().join("snapshot.json");
    ours(&host, &["snapshot", "-o", file.to_str().unwrap()]).ok();
    let snapshot: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    schema::is_snapshot(&snapshot);
    stand.card().eject();
    let elsewhere = stand.host("elsewhere");
    let (judged, report) = check(&elsewhere, &["--snapshot", file.to_str().unwrap()]);
    assert_eq!((judged.code(), convicted(&report)), (output.code(), convicted(&live)), "{judged}");
    assert_eq!(report["tokens"], live["tokens"]);
    // Of what is no certificate no content is kept.
    let kept = snapshot["asks"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|ask| ask["files"].as_array().cloned().unwrap_or_default());
    for file in kept.filter(|file| !file["content"].is_null()) {
        assert!(file["content"].as_str().unwrap().starts_with("3082"), "{file}");
    }
    let serial = card.recipe().serial_text();
    let (judged, _) = check(&elsewhere, &["--snapshot", file.to_str().unwrap(), "--serial", &serial]);
    assert_eq!(judged.code(), 1, "{judged}");
}

#[test]
fn what_is_shown_and_listed_names_the_card() {
    let (stand, mut card) = Stand::with_file_card(Kind::EstEid2018, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    let text = ours(&host, &["check"]).ok();
    assert!(text.stdout.starts_with("OK") && text.stdout.contains(&card.recipe().serial_text()), "{text}");
    assert!(!text.stdout.contains("sound"), "{text}");
    card.renew(0, 40);
    let listed = document(&ours(&host, &["ls", "--format", "json"]).ok());
    let stale: Vec<&Value> = listed["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["findings"] != serde_json::json!([]))
        .collect();
    assert_eq!(stale.len(), 1, "{listed:#}");
    assert_eq!(stale[0]["state"], "in-use");
    assert!(stale[0]["object"].as_str().unwrap().starts_with("certificate "), "{listed:#}");
    let told = ours(&host, &["show"]).ok();
    assert!(told.stdout.contains("as OpenSC lists it"), "{told}");
}
