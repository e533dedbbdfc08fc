//! A certificate was renewed elsewhere: every kind of card, told by asking OpenSC, and cured.

use super::*;

/// Which entry is to blame is known by the card: the one whose bytes are the old certificate.
fn guilty(host: &Host, old: &[u8]) -> Vec<String> {
    let files = host.cache_files();
    files.into_iter().filter(|(_, content)| content.starts_with(old)).map(|(name, _)| name).collect()
}

#[test]
fn a_renewed_certificate_is_told_with_both_and_only_its_entry_goes() {
    // Those of a TCOS and of a CAC are right at first and turn later, if at all; of a JPKI card nothing is cached.
    for kind in kinds().filter(|kind| !matches!(kind, Kind::Tcos | Kind::Cac | Kind::Jpki)) {
        let (stand, mut card) = Stand::with_file_card(kind, &["one", "two"]);
        let host = host(&stand);
        host.caching("public");
        host.pkcs15_list();
        let (output, report) = check(&host, &[]);
        assert_eq!((output.code(), convicted(&report)), (0, BTreeMap::new()), "{kind:?}: healthy\n{output}");
        assert_eq!(gaps(&report), Vec::<String>::new(), "{kind:?}\n{output}");

        let before = card.certificate(0).clone();
        card.renew(0, 40);
        let after = card.certificate(0).clone();
        let guilty = guilty(&host, &before.der);
        assert_eq!(guilty.len(), 1, "{kind:?}");
        let entries = host.cache_files();
        let (output, report) = check(&host, &[]);
        assert_eq!(output.code(), 1, "{kind:?}\n{output}");
        assert_eq!(
            convicted(&report),
            BTreeMap::from([("stale-certificate".to_owned(), guilty.clone())]),
            "{kind:?}\n{output}"
        );
        assert_eq!(host.cache_files(), entries, "{kind:?}: nothing was written");
        let finding = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["id"] == "stale-certificate")
            .unwrap();
        let evidence = &finding["evidence"][0];
        for (side, certificate) in [("shown", &before), ("card", &after)] {
            let serial = data_encoding::HEXLOWER.encode(&certificate.serial());
            assert_eq!(evidence[side]["certificate_serial"], serial, "{kind:?} {finding:#}");
            let whole = stalecard::format::x509::decode(&certificate.der).unwrap();
            assert_eq!(evidence[side]["subject"], whole.subject(), "{kind:?}");
            let until = stalecard::text::rfc3339(whole.validity.unwrap().1);
            assert_eq!(evidence[side]["valid_until"], until, "{kind:?}");
        }
        assert!(report["verdict"]["state"] == "stale", "{report:#}");

        let flushed = ours(&host, &["flush", "--format", "json"]).ok();
        let report = document(&flushed);
        assert_eq!(report["verdict"]["state"], "done", "{kind:?}\n{flushed}");
        let left: Vec<String> = entries.keys().filter(|name| !guilty.contains(name)).cloned().collect();
        assert_eq!(host.cache_names(), left, "{kind:?}: exactly the guilty one went");
        assert_eq!(shown(&host.pkcs15_list()), real(&card), "{kind:?}: and the real tool shows the new one");
        check(&host, &[]).0.ok();
        ours(&host, &["flush"]).ok();
        assert_eq!(left_behind(&stand), Vec::<String>::new());
    }
}

/// An object more, an object less: the directory is old.
#[test]
fn what_came_and_went_is_told() {
    for kind in [Kind::Belpic, Kind::Starcos] {
        let (stand, mut card) = Stand::with_file_card(kind, &["one", "two"]);
        let host = host(&stand);
        host.caching("public");
        host.pkcs15_list();
        assert!(card.add("three"));
        let (output, report) = check(&host, &[]);
        let told = convicted(&report);
        assert_eq!(output.code(), 1, "{output}");
        assert!(
            told.contains_key("hidden-object") && !told.contains_key("ghost-object"),
            "{kind:?} {told:?}\n{output}"
        );
        ours(&host, &["fix"]).ok();
        assert_eq!(shown(&host.pkcs15_list()), real(&card), "{kind:?}");
        assert!(card.remove(2));
        let (output, report) = check(&host, &[]);
        let told = convicted(&report);
        assert!(
            told.contains_key("ghost-object") && !told.contains_key("hidden-object"),
            "{kind:?} {told:?}\n{output}"
        );
        let fixed = document(&ours(&host, &["fix", "--format", "json"]).ok());
        let results: Vec<&str> =
            fixed["repairs"].as_array().unwrap().iter().map(|one| one["result"].as_str().unwrap()).collect();
        assert!(results.iter().all(|result| *result == "cured"), "{results:?} {fixed:#}");
        assert_eq!(shown(&host.pkcs15_list()), real(&card), "{kind:?}");
    }
}

/// Off today, and old: it is told as that, and goes with a flush.
#[test]
fn what_nobody_reads_today_is_dormant() {
    let (stand, mut card) = Stand::with_file_card(Kind::Dnie, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    host.caching("no");
    card.renew(1, 0);
    let (output, report) = check(&host, &[]);
    assert_eq!((output.code(), convicted(&report)), (0, BTreeMap::new()), "{output}");
    let ids: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["dormant-stale-entry"], "{output}");
    let before = host.cache_names().len();
    ours(&host, &["flush"]).ok();
    assert_eq!(host.cache_names().len(), before - 1);
    host.caching("public");
    assert_eq!(shown(&host.pkcs15_list()), real(&card));
}

/// Since 0.24 nobody has to ask for it.
#[test]
fn without_any_configuration_a_renewed_certificate_is_told_where_opensc_caches_of_itself() {
    let version = stand::opensc_version();
    if version < Version::of(24) {
        return;
    }
    for kind in kinds().filter(|kind| {
        matches!(
            kind,
            Kind::Belpic | Kind::EstEid2018 | Kind::Itacns | Kind::Pteid | Kind::SeEid | Kind::MaskTech
        )
    }) {
        let (stand, mut card) = Stand::with_file_card(kind, &["one", "two"]);
        let host = host(&stand);
        host.configure("");
        host.pkcs15_list();
        check(&host, &[]).0.ok();
        card.renew_all(40);
        let (output, report) = check(&host, &[]);
        assert_eq!(convicted(&report)["stale-certificate"].len(), 2, "{kind:?}\n{output}");
        let on = report["programs"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|program| program["caching"] == "public")
            .count();
        assert!(on > 0, "{kind:?}: it is said that OpenSC caches this card\n{output}");
        ours(&host, &["flush"]).ok();
        assert_eq!(shown(&host.pkcs15_list()), real(&card), "{kind:?}");
    }
}

/// Today's certificate and some bytes more is damage, and no other certificate.
#[test]
fn a_certificate_with_something_behind_it_is_damaged() {
    let (stand, card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    let name = host.cache_names().into_iter().find(|name| name.ends_with("DF005038")).unwrap();
    let mut content = host.cache_files()[&name].clone();
    content.extend(b"junk");
    std::fs::write(host.cache().join(&name), content).unwrap();
    let (output, report) = check(&host, &[]);
    assert_eq!((output.code(), convicted(&report)), (0, BTreeMap::new()), "{output}");
    let findings = report["findings"].as_array().unwrap();
    let damaged = findings.iter().find(|one| one["id"] == "damaged-entry").unwrap();
    assert!(
        damaged["summary"].as_str().unwrap().contains("4 bytes behind the card's certificate"),
        "{output}"
    );
    ours(&host, &["flush"]).ok();
    assert_eq!(shown(&host.pkcs15_list()), real(&card));
    assert_eq!(ours(&host, &["check", "--format", "json"]).code(), 0);
}

/// One that is larger than what is read at all: the real tool answers from its beginning, and the cure is named.
#[test]
fn an_entry_that_is_too_large_to_be_read_goes_with_a_flush() {
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one", "two"]);
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    card.renew(0, 0);
    let name = host.cache_names().into_iter().find(|name| name.ends_with("DF005038")).unwrap();
    let mut content = host.cache_files()[&name].clone();
    content.resize(3_000_000, 0);
    std::fs::write(host.cache().join(&name), content).unwrap();
    let (output, report) = check(&host, &[]);
    assert_eq!(output.code(), 1, "{output}");
    assert_eq!(
        convicted(&report),
        BTreeMap::from([("damaged-entry".to_owned(), vec![name.clone()])]),
        "{output}"
    );
    assert_eq!(report["steps"][0]["command"], "stalecard flush", "{output}");
    assert!(gaps(&report).join("\n").contains("stalecard flush --serial"), "{output}");
    let flushed = ours(&host, &["flush"]).ok();
    assert!(flushed.stdout.starts_with("DONE"), "{flushed}");
    assert_eq!(shown(&host.pkcs15_list()), real(&card));
    check(&host, &[]).0.ok();
}

/// One more certificate in the file that holds the others: what is cached of it is the beginning of the file, and right; the
/// lists that do not tell of the new one are not.
#[test]
fn a_file_to_which_a_certificate_was_added_is_not_convicted() {
    if stand::opensc_version() < Version::of(24) {
        return;
    }
    let stand = Stand::of_files();
    let recipe = stand::Recipe::new(Kind::Belpic, 1, &["one", "two"]).unwrap();
    let mut card = stand.file_card_of("shared", stand::Recipe { layout: stand::Layout::OneFile, ..recipe });
    stand.card().insert(card.file());
    let host = host(&stand);
    host.caching("public");
    host.pkcs15_list();
    assert!(card.add("three"));
    let (output, report) = check(&host, &[]);
    let named: Vec<String> = convicted(&report).into_values().flatten().collect();
    let has = |end: &str| named.iter().any(|name| name.ends_with(end));
    assert!(has("5035") && has("5037") && !has("5038"), "{named:?}\n{output}");
    ours(&host, &["flush"]).ok();
    assert!(host.cache_names().iter().any(|name| name.ends_with("5038")));
    for _ in 0..3 {
        assert_eq!(shown(&host.pkcs15_list()), real(&card));
    }
    check(&host, &[]).0.ok();
}
