//! A card with more keys than the tools have room for: `pkcs15-tool -D` prints 32 of a class, the
//! PKCS#11 module makes 128 objects in all.

use crate::compare::{same, snapshot};
use crate::play::WORDS;
use crate::printed;
use crate::stand::{PIN, SO_PIN, Stand, opensc_version};
use stalecard::rules::{cases, judge};

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
    let cases = cases(&observed);
    let live = &cases[0].live;
    let shown = &cases[0].lenses.iter().find(|lens| lens.in_use()).unwrap().shown;
    assert_eq!(live.objects.len(), 2 * KEYS);
    for (view, host) in [(live, host.live()), (shown, host.clone())] {
        let listed = WORDS.run_pkcs15(&host.with_cache_copy(), None).unwrap();
        assert_eq!(listed.len(), 2 * 32);
        same("pkcs15-tool -D", &printed::expected_pkcs15(view, opensc_version()), &listed).unwrap();
        let listed = WORDS.run_pkcs11(&host.with_cache_copy(), true, None).unwrap();
        assert_eq!(listed.len(), 128);
        same("pkcs11-tool -O", &printed::expected_pkcs11(view, true, opensc_version()), &listed).unwrap();
    }
    // By its ID pkcs15-tool finds it, and shows it wrong.
    let id = format!("{:04x}", KEYS - 1);
    assert_ne!(host.with_cache_copy().public_key(&id), host.live().public_key(&id));
    let found = judge(&observed).findings;
    let found: Vec<_> = found.iter().filter(|finding| finding.id.name() == "stale-public-key").collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].program, ["pkcs15-tool"]);
}
