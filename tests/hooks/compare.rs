//! `compare`: hosts and users side by side.

use std::process::Command;

use super::stand::{Host, PIN, SO_PIN, Stand};
use super::{document, fixture, many_snapshots, stalecard, summaries, text};

const ID: &str = "hosts-disagree";

/// The seed in one command.
#[test]
fn the_seed_in_one_command() {
    let files = [fixture("seed-alpha-flushed.json"), fixture("seed-beta-stale.json")];
    let (code, said) = stalecard(&["compare", &files[0], &files[1]]);
    assert_eq!(code, 1, "{said}");
    text::readable(&said);
    let (old, new) = ("370f650bfd11e2f861814a046af0c4317718f968", "be24d3acfab60bc6fdc8bee24d1a37e6c8132cf0");
    // The verdict first, then who shows what.
    assert!(said.starts_with("STALE  OpenSC shows ca on ca-beta a key that is not on the card."), "{said}");
    assert!(said.contains("Do not delete by the ID shown: that would hit the new key."), "{said}");
    let (current, stale) = said.split_once("STALE: ").unwrap();
    assert!(current.contains(new) && current.contains("shown on ca-alpha"), "{said}");
    let table = stale.split("\n\n").next().unwrap();
    assert!(table.contains(old) && table.contains("shown on ca-beta"), "{said}");
    assert!(table.contains("since 2026-11-23 ") && table.contains("2 days ago"), "{said}");

    // Alpha flushed its cache and is not among the stale ones, whatever the order.
    for files in [[&files[0], &files[1]], [&files[1], &files[0]]] {
        let (code, said) = stalecard(&["compare", "--format", "json", files[0], files[1]]);
        let found = summaries(&document(&said), ID);
        assert_eq!((code, found.len()), (1, 1), "{said}");
        assert!(
            found[0].contains("ca-beta (ca), not read from the card since 2026-11-23 06:53 UTC"),
            "{said}"
        );
        assert!(!found[0].contains("ca-alpha"), "{said}");
    }
    // Nothing is wrong with it today, and the next change will not show.
    let (code, said) = stalecard(&["compare", &files[0]]);
    assert!(code == 0 && said.starts_with("RISK   Nobody shows anything else than the card"), "{said}");
    assert!(said.contains("disable-cache"), "{said}");
    assert_eq!(stalecard(&["compare", "--fail-on", "warning", &files[0]]).0, 1);
}

#[test]
fn one_bad_file_hides_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.json");
    std::fs::write(&bad, "{\"schema\": \"\u{1b}[2J\"").unwrap();
    let bad = bad.to_str().unwrap();
    let (code, said) = stalecard(&["compare", &fixture("seed-beta-stale.json"), bad]);
    assert!(code == 1 && said.contains(bad), "{said}");
    text::harmless(&said);
    let (code, said) = stalecard(&["compare", &fixture("seed-alpha-flushed.json"), bad, "/nonexistent"]);
    assert!(code == 3 && said.contains("/nonexistent"), "{said}");
    assert_eq!(stalecard(&["compare", bad]).0, 3);
    assert_eq!(stalecard(&["compare"]).0, 2);
}

#[test]
fn a_folder_of_snapshots_is_compared_like_its_files() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["seed-alpha-flushed.json", "seed-beta-stale.json"] {
        let host = folder.path().join(name.strip_suffix(".json").unwrap());
        std::fs::create_dir(&host).unwrap();
        std::fs::copy(fixture(name), host.join(name)).unwrap();
    }
    let files = ["seed-alpha-flushed.json", "seed-beta-stale.json"].map(fixture);
    let folder = folder.path().to_str().unwrap();
    assert_eq!(stalecard(&["compare", folder]), stalecard(&["compare", &files[0], &files[1]]));
    let empty = format!("{folder}/empty");
    std::fs::create_dir(&empty).unwrap();
    let (code, said) = stalecard(&["compare", &files[0], &empty]);
    assert!(code == 3 && said.contains(&empty), "{said}");
}

/// A host that was fresh when its snapshot was taken, one without a cache, one that is stale, and one whose card was not there.
#[test]
fn who_is_stale_depends_on_the_newest_reading() {
    let stand = Stand::start();
    let [alpha, beta, gamma, delta] = ["alpha", "beta", "gamma", "delta"].map(|name| stand.host(name));
    gamma.caching("no");
    let take = |host: &Host, name: &str, options: &[&str]| {
        let file = stand.dir().join(format!("{name}.json"));
        let file = file.to_str().unwrap().to_owned();
        host.stalecard(&[&["snapshot", "-o", &file], options].concat()).ok();
        // Each by its own name: it is one machine here.
        let renamed = std::fs::read_to_string(&file).unwrap();
        let host = renamed.split("\"host\": ").nth(1).unwrap().split('\n').next().unwrap().to_owned();
        std::fs::write(&file, renamed.replacen(&host, &format!("\"{name}\","), 1)).unwrap();
        file
    };
    alpha.initialize("HSM-H1", PIN, SO_PIN, None);
    let old = alpha.keypairgen("EC:prime256v1", &[]).id;
    alpha.pkcs15_list();
    delta.pkcs15_list();
    let alpha = take(&alpha, "alpha", &[]);
    let delta = take(&delta, "delta", &["--offline"]);
    let (code, said) = stalecard(&["compare", &alpha, &delta]);
    assert!(code == 0 && said.starts_with("RISK "), "{said}");

    beta.live().delete_object("privkey", &old);
    let new = beta.live().keypairgen("EC:prime256v1", &[]).id;
    beta.pkcs15_list();
    let (beta, gamma) = (take(&beta, "beta", &[]), take(&gamma, "gamma", &[]));
    let (code, said) = stalecard(&["compare", "--format", "json", &gamma, &alpha, &delta, &beta]);
    let report = document(&said);
    assert_eq!(code, 1, "{said}");
    let found = summaries(&report, ID);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("alpha (") && found[0].contains("delta ("), "{found:#?}");
    assert!(!found[0].contains("beta (") && !found[0].contains("gamma ("), "{found:#?}");
    let states = &report["comparison"]["tokens"][0]["slots"][0]["states"];
    assert_eq!((&states[0]["state"], &states[0]["private"]["id"]), (&"current".into(), &new.into()));
    assert_eq!((&states[1]["state"], &states[1]["private"]["id"]), (&"stale".into(), &old.clone().into()));
    assert_eq!(states[1]["shown_by"][0]["programs"], serde_json::json!(["pkcs15-tool", "opensc-pkcs11"]));

    // Nobody has read the card: nobody is called stale, but that is no all-clear, and where they differ somebody must be.
    let (code, said) = stalecard(&["compare", &delta]);
    assert!(code == 3 && said.starts_with("UNREAD "), "{said}");
    assert!(said.contains("a snapshot of a host that has the card in its reader"), "{said}");
    let cards = std::fs::read_to_string(&beta).unwrap();
    let mut unread: serde_json::Value = serde_json::from_str(&cards).unwrap();
    unread["cards"] = serde_json::json!([]);
    std::fs::write(&beta, unread.to_string()).unwrap();
    let (code, said) = stalecard(&["compare", "--format", "json", &delta, &beta]);
    let found = summaries(&document(&said), ID);
    assert_eq!((code, found.len()), (1, 1), "{said}");
    assert!(found[0].contains("different things are shown") && found[0].contains(&old), "{found:#?}");
}

/// Hosts with a card each: half of them stale, a quarter to come; one twice, the older time with another OpenSC; one without.
#[test]
fn a_fleet_is_told_on_one_screen_and_on_one_page() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = folder.path().join("fleet");
    many_snapshots::write(&fleet, 40);
    let at = |name: &str| fleet.join("000").join(name);
    let again = std::fs::read_to_string(at("00000.json")).unwrap();
    let again = again.replace("2026-11-25T08:00:00Z", "2026-11-24T08:00:00Z").replace("0.23.0", "0.22.0");
    std::fs::write(at("again.json"), again).unwrap();
    let bare = std::fs::read_to_string(at("00001.json")).unwrap();
    let mut bare: serde_json::Value = serde_json::from_str(&bare).unwrap();
    bare["host"] = "bare".into();
    for list in ["opensc", "cards", "caches"] {
        bare[list] = serde_json::json!([]);
    }
    std::fs::write(at("bare.json"), bare.to_string()).unwrap();
    let fleet = fleet.to_str().unwrap();

    let (code, said) = stalecard(&["compare", "--format", "json", fleet]);
    let report = document(&said);
    assert_eq!(code, 1, "{said}");
    let told = &report["comparison"]["fleet"];
    let number = |of: &serde_json::Value| of.as_array().unwrap().len();
    assert_eq!((&told["hosts"], &told["older"]), (&41.into(), &1.into()), "{told}");
    let of = |list: &str, host: &str| {
        told[list].as_array().unwrap().iter().filter(|user| user["host"] == host).count()
    };
    // Of four hosts in turn the first, the third and the fourth are stale, and the second is at risk.
    for (host, stale, next) in
        [("host00000", 1, 0), ("host00001", 0, 1), ("host00002", 1, 0), ("host00003", 1, 0)]
    {
        assert_eq!((of("stale", host), of("next", host)), (stale, next), "{host}: {told}");
    }
    // Caching is off on every tenth.
    assert_eq!((of("stale", "host00009"), of("next", "host00009")), (0, 0), "{told}");
    let first = &told["stale"][0];
    assert_eq!((&first["user"], &first["objects"]), (&"ca".into(), &1.into()), "{first}");
    assert!(first["since"].as_str().unwrap().ends_with('Z'), "{first}");
    let versions: i64 =
        told["opensc"].as_array().unwrap().iter().map(|one| one["hosts"].as_i64().unwrap()).sum();
    assert_eq!(versions, 41, "{told}");
    assert!(!told["opensc"].to_string().contains("0.22.0"), "{told}");
    assert!(told["opensc"].to_string().contains("\"none\""), "{told}");
    assert!(told["caching"].to_string().contains("\"no\""), "{told}");

    let (code, said) = stalecard(&["compare", fleet]);
    assert_eq!(code, 1, "{said}");
    text::readable(&said);
    assert!(said.starts_with("STALE  OpenSC shows "), "{said}");
    assert!(
        said.lines().last().unwrap().len() > 5 && said.contains("\nNext: on each host that is named"),
        "{said}"
    );
    assert!(said.lines().count() <= 40, "{said}");
    let users = format!("Stale: {} users of 41 hosts", number(&told["stale"]));
    let more = format!("and {} more", number(&told["stale"]) - 12);
    for words in [&users, &more, "Stale after the next change of the card:", "OpenSC: 0.2", "Caching: yes on"]
    {
        assert!(said.contains(words), "no {words} in {said}");
    }
    assert!(!said.contains("key reference 1"), "{said}");
    assert!(stalecard(&["compare", "-v", fleet]).1.contains("key reference 1"));

    let page = folder.path().join("fleet.html");
    let (code, said) = stalecard(&["report", "--output", page.to_str().unwrap(), fleet]);
    assert_eq!(code, 0, "{said}");
    let page = std::fs::read_to_string(page).unwrap();
    for words in ["The fleet", "Stale after the next change of a card", "host00001", "host00002"] {
        assert!(page.contains(words), "no {words}");
    }
}

/// What is kept of a snapshot is little, however large it is and however many there are.
#[test]
fn a_fleet_fits_into_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let small = ["seed-beta-stale.json", "five-keys.json"]
        .map(|name| std::fs::read_to_string(fixture(name)).unwrap());
    // A cache with much that is of no card: 200 KiB.
    let mut large: serde_json::Value = serde_json::from_str(&small[0]).unwrap();
    let entries = large["caches"][0]["entries"].as_array_mut().unwrap();
    for number in 0..700 {
        let mut entry = entries[1].clone();
        entry["name"] = format!("something else {number}").into();
        entry["content"] = serde_json::json!({ "withheld": "unknown" });
        entries.push(entry);
    }
    let large = serde_json::to_string_pretty(&large).unwrap();
    assert!(large.len() > 200 << 10);
    let write = |number: usize, text: &str| {
        let path = folder.path().join(format!("{number}.json"));
        std::fs::write(&path, text.replacen("\"ca-", &format!("\"host{number}-"), 1)).unwrap();
        path
    };
    let few: Vec<_> = (0..300).map(|number| write(number, &large)).collect();
    let many: Vec<_> = (1000..2000).map(|number| write(number, &small[number % 2])).collect();
    for (files, said) in [
        (
            few,
            [
                "300 snapshots of 1 token compared.",
                "ca on host0-beta since 2026-11-23",
                "297 others",
                "and 288 more",
            ],
        ),
        (
            many,
            [
                "1000 snapshots of 1 token compared.",
                "ca on host1000-beta since",
                "497 others",
                "and 488 more",
            ],
        ),
    ] {
        // 60 MiB of text, hardly less when parsed, do not fit into this address space, of which the unoptimised program itself
        // takes two thirds.
        let output = Command::new("sh")
            .args(["-c", "ulimit -v 64000; exec \"$0\" compare \"$@\"", env!("CARGO_BIN_EXE_stalecard")])
            .args(&files)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}{}", String::from_utf8_lossy(&output.stderr));
        // Wherever lines were broken.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in said {
            assert!(text.contains(said), "no {said} in {text}");
        }
    }
}
