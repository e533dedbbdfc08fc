//! Without any configuration: OpenSC caches by default from 0.24 on, for drivers that it lists.

use crate::stand::{Kind, Stand, opensc_version};
use crate::{kinds, peek, real, shown};
use stalecard::opensc::Version;

fn caches_by_default(kind: Kind) -> bool {
    let version = opensc_version();
    match kind {
        Kind::Starcos | Kind::CardOs | Kind::CardOs5 => false,
        // Until 0.26, because of what came of it.
        Kind::Dnie => (Version::of(24)..Version::of(27)).contains(&version),
        _ => version >= Version::of(24),
    }
}

#[test]
fn without_a_configuration_the_listed_drivers_cache() {
    for kind in kinds() {
        let (stand, mut card) = Stand::with_file_card(kind, &["one", "two"]);
        let host = stand.host("alpha");
        host.configure("");
        let old = real(&card);
        assert_eq!(shown(&host.pkcs15_list()), old, "{kind:?}");
        assert_eq!(!host.cache_names().is_empty(), caches_by_default(kind), "{kind:?}");
        card.renew(0, 40);
        let first = shown(&host.pkcs15_list());
        let expected = if caches_by_default(kind) { old.clone() } else { real(&card) };
        match kind {
            Kind::Tcos => {
                assert_eq!(first, real(&card), "{kind:?}: the first reading");
                assert_eq!(peek(&host), expected, "{kind:?}: the second");
            }
            _ => assert_eq!(first, expected, "{kind:?}"),
        }
    }
}
