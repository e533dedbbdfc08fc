//! A card with more keys than the tools have room for: `pkcs15-tool -D` prints 32 of a class, the
//! PKCS#11 module makes 128 objects in all.

use crate::compare::{same, snapshot};
use crate::play::WORDS;
use crate::printed;
use crate::stand::{PIN, SO_PIN, Stand, opensc_version};
use stalecard::finding::Finding;
use stalecard::judge::{judge, tokens};

const KEYS: usize = 70;

#[test]
fn a_card_with_more_keys_than_the_tools_list() {
    let stand = Stand::start();
    let host = stand.host("alpha");
    host.initialize("HSM-H1", PIN, SO_PIN, None);
    for number in 0..KEYS {
        let id = format!("{number:04x}");
        if number < 60 {
            host.keypairgen("EC:prime256v1", &["--id", &id]);
        } else {
            // The module refuses to make a key that it has no room for.
            let kind = ["--generate-key", "ec/prime256v1", "--auth-id", "01", "--verify-pin", "--pin", PIN];
            host.run(&[&["pkcs15-init", "--id", &id], &kind[..]].concat()).ok();
        }
    }
    host.pkcs15_list();
    // The last key is one that neither tool lists: what is wrong with it is found all the same.
    let last = host.cache_names().into_iter().find(|name| name.ends_with(&format!("_CE{KEYS:02X}"))).unwrap();
    let other = host.cache_names().into_iter().find(|name| name.ends_with("_CE01")).unwrap();
    std::fs::copy(host.cache().join(other), host.cache().join(last)).unwrap();

    let observed = snapshot(&host).unwrap();
    let cases = tokens(&observed).cases;
    let live = &cases[0].live;
    let shown = &cases[0].cache_views.iter().find(|cache_view| cache_view.in_use()).unwrap().shown;
    assert_eq!(live.objects.len(), 2 * KEYS);
    for (view, host) in [(live, host.live()), (shown, host.clone())] {
        let listed = WORDS.run_pkcs15(&host.with_cache_copy(), None).unwrap();
        assert_eq!(listed.len(), 2 * 32);
        same("pkcs15-tool -D", &printed::expected_pkcs15(view, opensc_version()), &listed).unwrap();
        let listed = WORDS.run_pkcs11(&host.with_cache_copy(), true, None).unwrap();
        assert_eq!(listed.len(), 128);
        same("pkcs11-tool -O", &printed::expected_pkcs11(view, true, opensc_version()), &listed).unwrap();
    }
    // By its ID pkcs15-tool finds it, and shows it wrong; but it is in no list.
    let id = format!("{:04x}", KEYS - 1);
    assert_ne!(host.with_cache_copy().public_key(&id), host.live().public_key(&id));
    let of_entry = |found: Vec<Finding>, file: &str| -> Vec<Finding> {
        let about = |finding: &Finding| {
            let files = finding.evidence.iter().filter_map(|evidence| evidence.file.as_ref());
            files.into_iter().any(|known| known.path.ends_with(file))
        };
        found.into_iter().filter(about).collect()
    };
    let found = of_entry(judge(&observed).findings, &format!("_CE{KEYS:02X}"));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id.name(), found[0].program.len()), ("dormant-stale-entry", 0));
    assert!(found[0].consequence.contains("asked for its ID"), "{}", found[0].consequence);

    // Key 40 only applications list.
    let entry = |file: &str| {
        let name = host.cache_names().into_iter().find(|name| name.ends_with(file)).unwrap();
        host.cache().join(name)
    };
    std::fs::copy(entry("_CE01"), entry("_CE28")).unwrap();
    let found = of_entry(judge(&snapshot(&host).unwrap()).findings, "_CE28");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].id.name(), &found[0].program[..]),
        ("stale-public-key", &["opensc-pkcs11".to_owned()][..])
    );
    let printed = [host.live(), host.with_cache_copy()].map(|host| WORDS.run_pkcs15(&host, None).unwrap());
    assert_eq!(printed[0], printed[1]);
    let printed =
        [host.live(), host.with_cache_copy()].map(|host| WORDS.run_pkcs11(&host, true, None).unwrap());
    assert_ne!(printed[0], printed[1]);
    let said = host.stalecard(&["show", "0027"]).ok().stdout;
    assert_eq!(
        said.matches("not listed by pkcs15-tool: its list ends after 32 of a class").count(),
        2,
        "{said}"
    );
    assert!(said.contains("shown by opensc-pkcs11\n") && !said.contains("shown by pkcs15-tool"), "{said}");
    let said = host.stalecard(&["show", &id]).ok().stdout;
    assert_eq!(said.matches("read by pkcs15-tool, opensc-pkcs11").count(), 1, "{said}");
}
