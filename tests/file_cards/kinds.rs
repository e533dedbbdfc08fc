//! Driver, objects and names in the cache of each kind.

use crate::stand::{Kind, Stand};
use crate::{kinds, real, shown};

/// What `opensc-tool -n` calls a card of this kind.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Belpic => "Belpic cards",
        Kind::Dnie => "dnie",
        Kind::Starcos => "STARCOS",
        Kind::EstEid2018 => "EstEID 2018",
        Kind::Tcos => "TCOS",
        Kind::Itacns => "CNS card",
        Kind::Pteid | Kind::SeEid => "GemSAFE V1",
        Kind::MaskTech => "MaskTech Smart Card",
        Kind::CardOs | Kind::CardOs5 => "Atos CardOS",
        Kind::Dtrust => "D-TRUST Card 4.1 Std. RSA 2ca",
    }
}

/// Paths in the names of what is cached of a card with two certificates.
fn cached(kind: Kind) -> &'static [&'static str] {
    const DF5015: &[&str] = &["50155034", "50155035", "50155037", "50155038", "50155039"];
    match kind {
        Kind::Belpic => &["DF005034", "DF005035", "DF005037", "DF005038", "DF005039"],
        Kind::EstEid2018 => &["ADF13401", "ADF2341F"],
        Kind::Tcos => &["8000DF01C000", "800082008220"],
        Kind::Itacns => &["10001003", "11001101", "11001102", "12001201", "14009010"],
        Kind::Pteid => &[
            "0003", "4F005034", "4F005035", "4F005037", "4F005038", "4F005039", "5F00EF02", "5F00EF06",
            "5F00EF07",
        ],
        Kind::Dtrust => &[
            "E828BD080FA000000167455349474E_5034",
            "E828BD080FA000000167455349474E_5035",
            "E828BD080FA000000167455349474E_5037",
            "E828BD080FA000000167455349474E_5038",
            "E828BD080FA000000167455349474E_5039",
        ],
        _ => DF5015,
    }
}

#[test]
fn each_is_taken_for_what_it_is_and_cached_as_its_driver_does() {
    for kind in kinds() {
        let (stand, card) = Stand::with_file_card(kind, &["one", "two"]);
        let host = stand.host("alpha");
        host.caching("public");
        assert_eq!(host.run(&["opensc-tool", "-n"]).ok().stdout.trim_end(), name(kind), "{kind:?}");
        let live = host.live().pkcs15_list();
        assert_eq!(shown(&live), real(&card), "{kind:?}");
        let cold = host.pkcs15_list();
        assert_eq!(cold, live, "{kind:?}: OpenSC fills its cache");
        let serial = card.recipe().serial_text();
        let mut names: Vec<_> = cached(kind).iter().map(|path| format!("{serial}_NODATE_{path}")).collect();
        names.sort();
        assert_eq!(host.cache_names(), names, "{kind:?}");
        assert_eq!(host.pkcs15_list(), live, "{kind:?}: from the cache");
    }
}
