//! What a repair does about the findings on the safety of a cache (`fixtures/findings/`; how they are found is told
//! there). They were written by hand, after what the tests in `tests/shared_host` make on a disk.

use crate::finding_fixture;
use stalecard::judge::judge;
use stalecard::repair::Safety;
use stalecard::repair::flush::fix_plan;

/// What was not made by OpenSC, and what a card needs, is in no plan; what is no use is.
#[test]
fn only_what_can_come_again_is_in_a_plan() {
    for (name, planned) in [
        ("unsafe-permissions", vec![]),
        ("symlinked-cache", vec![]),
        ("unexpected-file", vec![]),
        ("foreign-owner", vec![Safety::Guarded]),
        ("secret-in-cache", vec![Safety::Unsafe]),
    ] {
        let snapshot = &finding_fixture::read(name).unwrap().snapshots()[0];
        let plan = fix_plan(snapshot, &judge(snapshot), snapshot.user.uid);
        let levels: Vec<_> = plan.steps.iter().map(|step| step.safety).collect();
        assert_eq!(levels, planned, "{name}: {plan:#?}");
    }
}
