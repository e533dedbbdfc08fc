//! What an asked check costs the card: at most two and a half times the commands of one list without a cache and one with.

use super::*;

#[test]
fn a_check_costs_at_most_two_and_a_half_times_what_both_lists_do() {
    for kind in [Kind::Belpic, Kind::Dnie, Kind::EstEid2018, Kind::Starcos, Kind::CardOs] {
        let (stand, mut card) = Stand::with_file_card(kind, &["one", "two", "three"]);
        let host = host(&stand);
        host.caching("public");
        host.pkcs15_list();
        let cost = |run: &dyn Fn()| {
            stand.card().reset_stats();
            run();
            stand.card().stats().apdus
        };
        let live = cost(&|| drop(host.live().pkcs15_list()));
        let cached = cost(&|| drop(host.with_cache_copy().pkcs15_list()));
        let healthy = cost(&|| drop(check(&host, &[]).0.ok()));
        card.renew(0, 40);
        let stale = cost(&|| drop(check(&host, &[]).0.exits(1)));
        println!("{kind:?}: live {live}, cached {cached}; a check {healthy}, of a stale card {stale}");
        // OpenSC 0.27 reads less of an Estonian card without a cache than with one, so both lists are asked for once more.
        let is_odd = kind == Kind::EstEid2018 && stand::opensc_version() >= Version::of(27);
        let most = if is_odd { 6 } else { 5 };
        for asked in [healthy, stale] {
            assert!(asked * 2 <= (live + cached) * most, "{kind:?}: {asked} for {live} and {cached}");
        }
    }
}
