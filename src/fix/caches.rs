//! The loop that `flush` and `fix` have in common: for one user after the other look, plan, act, fill anew, look again.

use std::collections::BTreeMap;

use super::proof::{proven, without};
use super::refill::{self, Filler};
use crate::error::Error;
use crate::host::Caller;
use crate::judge::{Tally, judge_processes};
use crate::observe::{
    Asking, CacheOwners, Cards, Each, ObserveOptions, Progress, ask_again, holders, observe_again,
    observe_each, selecting,
};
use crate::patience;
use crate::repair::{self, Applied, Consent, Outcome, Plan, Refilled, Run, StateDir, Step, StepResult};
use crate::snapshot::{ByteString, Inode, Snapshot};
use crate::verdict::Verdict;

/// A program that is just writing an entry is done with it by then.
const TRIES: usize = 3;

/// What the caller agreed to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Agreed {
    /// Nothing is done; it is said what would be.
    pub dry_run: bool,
    /// To what, besides what is safe.
    pub consent: Consent,
    /// What OpenSC itself would write in place of what was moved is put there.
    pub refill: bool,
}

/// Whose caches, and with which cards.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// What to observe.
    pub wish: ObserveOptions<'a>,
    /// Whose caches.
    pub whose: CacheOwners,
    /// Only what concerns the card with this serial number.
    pub serial: Option<&'a str>,
}

impl Subject<'_> {
    /// Is no card to be read?
    #[must_use]
    pub const fn is_offline(&self) -> bool {
        matches!(self.wish.cards, Cards::None)
    }

    /// Observes the host and hands over each user's caches, what is selected of them.
    pub(super) fn each(&self, each: Each<'_>) -> Result<Snapshot, Error> {
        let each = &mut selecting(self.serial, self.is_offline(), each);
        observe_each(&self.wish, &self.whose, each)
    }
}

/// A repair of the caches of several users: one run, so that one undo takes it back.
pub struct Repair {
    caller: Caller,
    agreed: Agreed,
    /// Whether OpenSC is asked again beside other programs.
    asking: Asking,
    /// Who is told what is waited for.
    progress: Progress,
    /// What `undo` takes back together.
    run: Run,
    tally: Tally,
    /// What was done.
    results: Vec<Applied>,
    /// What was put in place of what was moved, if that was asked for.
    refilled: Refilled,
}

/// What came of all users' caches.
pub struct Ended {
    /// What was done.
    pub operations: Vec<Applied>,
    /// What was put in place of it, if that was asked for.
    pub refilled: Option<Refilled>,
    /// What is found afterwards.
    pub after: Verdict,
    /// What `undo` takes back together.
    pub run: Run,
}

/// What came of one user's caches.
pub struct Done {
    /// What was found first.
    pub before: Verdict,
    /// What each step came to in the end.
    pub steps: Vec<Ending>,
    /// What is found now; the same as before if nothing was to be done.
    pub after: Verdict,
}

/// How one step ended: its directory, its name there, and its outcome.
type Ending = (ByteString, ByteString, Outcome);

type Planner<'a> = &'a dyn Fn(&Snapshot, &Verdict, u32) -> Plan;

/// What of it is left to a person, with the reason.
type ByHand<'a> = &'a dyn Fn(&Snapshot, &Verdict, u32) -> Vec<(Step, String)>;

impl Repair {
    /// Of the calling user.
    ///
    /// # Errors
    /// When the process runs set-user-ID.
    pub fn new(agreed: Agreed, asking: Asking, progress: Progress) -> Result<Self, Error> {
        let caller = Caller::current()?;
        let tally = Tally::new(Some(caller.user.uid));
        Ok(Self {
            caller,
            agreed,
            asking,
            progress,
            run: Run::begin(),
            tally,
            results: Vec::new(),
            refilled: Refilled::default(),
        })
    }

    /// Repairs the caches of one user as `planner` says; what is found afterwards has to be given to
    /// [`Repair::add`].
    pub fn user(&mut self, snapshot: &mut Snapshot, planner: Planner<'_>) -> Result<Done, Error> {
        let before = self.tally.judge(snapshot);
        let plan = planner(snapshot, &before, self.caller.user.uid);
        let (plan, refused) = proven(snapshot, plan, self.asking, self.progress);
        self.repair(snapshot, planner, (before, plan, refused))
    }

    /// The same of what was named: it is taken whether that cures anything or not; with what a person has to do of it, and
    /// why it is not done.
    pub(super) fn named(
        &mut self,
        snapshot: &mut Snapshot,
        planner: Planner<'_>,
        by_hand: ByHand<'_>,
    ) -> Result<Done, Error> {
        let before = self.tally.judge(snapshot);
        let plan = planner(snapshot, &before, self.caller.user.uid);
        let left = by_hand(snapshot, &before, self.caller.user.uid);
        self.repair(snapshot, planner, (before, plan, left))
    }

    fn repair(
        &mut self,
        snapshot: &mut Snapshot,
        planner: Planner<'_>,
        (before, mut plan, refused): (Verdict, Plan, Vec<(Step, String)>),
    ) -> Result<Done, Error> {
        let mut after = None;
        let mut steps: Vec<(ByteString, ByteString, Outcome)> = Vec::new();
        let refused = self.refuse(refused);
        steps.extend(refused);
        let mut planned: BTreeMap<refill::Entry, Inode> = BTreeMap::new();
        for attempt in 1.. {
            planned.extend(refill::planned(snapshot, &plan));
            let results = self.act(plan)?;
            let now = results.iter().flat_map(|applied| &applied.steps);
            let now: Vec<_> =
                now.map(|step| (step.directory.clone(), step.name.clone(), step.outcome.clone())).collect();
            steps.retain(|(dir, name, _)| !now.iter().any(|(d, n, _)| (d, n) == (dir, name)));
            let swapped = now.iter().any(|(.., outcome)| matches!(outcome, Outcome::Changed(_)));
            steps.extend(now);
            let changed = results.iter().any(|applied| applied.changed);
            self.keep(results);
            if self.agreed.dry_run || !(changed || swapped) {
                if changed {
                    self.rehearse_refill(snapshot, &steps, &planned);
                }
                break;
            }
            patience::anew();
            // What cannot be looked at again is not said to be cured.
            let Some(again) = observe_again(snapshot) else { break };
            snapshot.caches = again;
            if self.refill(snapshot, &steps, &planned) {
                let Some(again) = observe_again(snapshot) else { break };
                snapshot.caches = again;
            }
            // Nor is what OpenSC does not tell again.
            if !ask_again(snapshot, self.asking, self.progress) {
                // Who has the card now is told beside what was known before.
                let new = snapshot.coverage.iter().filter(|gap| !before.coverage.contains(gap));
                let mut known = before.clone();
                known.coverage.extend(new.cloned());
                after = Some(known);
                break;
            }
            let verdict = self.tally.judge(snapshot);
            // What somebody wrote at that very moment is judged anew, and may well be right now.
            let again = planner(snapshot, &verdict, self.caller.user.uid);
            plan = Plan { steps: again.steps.into_iter().filter(|step| is_swapped(&steps, step)).collect() };
            after = Some(verdict);
            if plan.steps.is_empty() || attempt == TRIES {
                let left = |dir: &ByteString, name: &ByteString| {
                    plan.steps.iter().any(|step| (&step.directory, &step.name) == (dir, name))
                };
                steps.retain(|(dir, name, outcome)| {
                    !matches!(outcome, Outcome::Changed(_)) || left(dir, name)
                });
                break;
            }
        }
        let after = after.unwrap_or_else(|| before.clone());
        Ok(Done { before, steps, after })
    }

    /// Adds what is found of a user in the end to what is said of the host.
    pub fn add(&mut self, snapshot: &Snapshot, after: Verdict) {
        self.tally.add(snapshot, after);
    }

    /// Whether anything changed, or would.
    pub fn changed(&self) -> bool {
        self.results.iter().any(|applied| applied.changed)
    }

    /// What was done, and what is found afterwards.
    pub fn end(self) -> Ended {
        Ended {
            operations: self.results,
            refilled: self.agreed.refill.then_some(self.refilled),
            after: self.tally.verdict().0,
            run: self.run,
        }
    }

    /// Puts in place of what was moved what OpenSC would write there, if that was asked for; says whether anything was.
    fn refill(
        &mut self,
        snapshot: &Snapshot,
        steps: &[Ending],
        planned: &BTreeMap<refill::Entry, Inode>,
    ) -> bool {
        if !self.agreed.refill {
            return false;
        }
        let Agreed { dry_run, consent, .. } = self.agreed;
        let filler = Filler { caller: &self.caller, consent, dry_run, progress: self.progress, planned };
        let refilled = filler.refill(snapshot, &refill::moved(planned, steps), &mut self.run);
        let is_any = refilled.placed() > 0;
        self.refilled.join(refilled);
        is_any
    }

    /// The same on a copy of the facts without what would be moved.
    fn rehearse_refill(
        &mut self,
        snapshot: &Snapshot,
        steps: &[Ending],
        planned: &BTreeMap<refill::Entry, Inode>,
    ) {
        if self.agreed.refill {
            let mut trial = snapshot.clone();
            let gone = refill::moved(planned, steps).into_iter();
            without(&mut trial, &gone.map(|(dir, name)| (dir, name.bytes().clone())).collect());
            self.refill(&trial, steps, planned);
        }
    }

    /// Keeps what is not done because it would not cure.
    fn refuse(&mut self, refused: Vec<(Step, String)>) -> Vec<(ByteString, ByteString, Outcome)> {
        let result = |(step, why): (Step, String)| {
            let Step { directory, name, action, reason, .. } = step;
            StepResult { directory, name, action, reason, outcome: Outcome::Failed(why) }
        };
        let steps: Vec<StepResult> = refused.into_iter().map(result).collect();
        let of = |step: &StepResult| (step.directory.clone(), step.name.clone(), step.outcome.clone());
        let told = steps.iter().map(of).collect();
        self.keep(vec![Applied { operation: None, changed: false, steps }]);
        told
    }

    fn act(&mut self, plan: Plan) -> Result<Vec<Applied>, Error> {
        let consent = self.agreed.consent;
        let mut results: Vec<Applied> = Vec::new();
        for (owner, plan) in plan.by_owner() {
            let state = StateDir::of(&self.caller, owner)?;
            repair::is_there(&state).map_err(|why| Error::Overdue { what: "the quarantine", why })?;
            let applied = if self.agreed.dry_run {
                repair::rehearse_in(&plan, &consent, &state)
            } else {
                repair::apply_in(&plan, &consent, &state, &mut self.run)
            };
            results.push(match applied {
                Ok(applied) => applied,
                // What was done before has to be told all the same.
                Err(error) if self.changed() || results.iter().any(|applied| applied.changed) => {
                    let failed = |Step { directory, name, action, reason, .. }| {
                        let outcome = Outcome::Failed(error.to_string());
                        StepResult { directory, name, action, reason, outcome }
                    };
                    let steps = plan.steps.into_iter().map(failed).collect();
                    Applied { operation: None, changed: false, steps }
                }
                Err(error) => return Err(error.into()),
            });
        }
        Ok(results)
    }

    /// Later tries of a step replace what its first try came to.
    fn keep(&mut self, results: Vec<Applied>) {
        for new in results.into_iter().filter(|applied| !applied.steps.is_empty()) {
            for old in &mut self.results {
                old.steps.retain(|step| {
                    !matches!(step.outcome, Outcome::Changed(_))
                        || !new.steps.iter().any(|n| (&n.directory, &n.name) == (&step.directory, &step.name))
                });
            }
            self.results.push(new);
        }
    }
}

fn is_swapped(steps: &[(ByteString, ByteString, Outcome)], step: &Step) -> bool {
    steps.iter().any(|(dir, name, outcome)| {
        (dir, name) == (&step.directory, &step.name) && matches!(outcome, Outcome::Changed(_))
    })
}

/// Adds to what is found after a repair which processes still hold the view from before it.
pub(super) fn look_for_holders(snapshot: &mut Snapshot, after: &mut Verdict) -> Result<(), Error> {
    let gaps = holders::look_beside(after, snapshot)?;
    after.coverage.extend(gaps);
    judge_processes(snapshot, after);
    Ok(())
}
