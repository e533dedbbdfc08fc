//! Many signatures at a time: checking one takes longer than anything else that a check
//! computes, and those of a card with many keys do not depend on each other.

use std::thread;

/// On how many processors at most.
const MOST: usize = 4;
/// Bytes of stack for each thread: curves and long numbers take little of it.
const STACK: usize = 512 << 10;

/// What `f` gives for each of them, in their order.
pub fn each<T: Sync, R: Send>(of: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let share = of.len().div_ceil(MOST);
    if share == 0 || of.len() == 1 {
        return of.iter().map(f).collect();
    }
    let f = &f;
    thread::scope(|scope| {
        // The last share is our own.
        let (others, own) = of.split_at((of.len() - 1) / share * share);
        let begun: Vec<_> = others
            .chunks(share)
            .map(|share| {
                let work = move || share.iter().map(f).collect::<Vec<R>>();
                // Where there can be no further thread, there is this one.
                thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).map_err(|_| share)
            })
            .collect();
        let own: Vec<R> = own.iter().map(f).collect();
        let shares = begun.into_iter().map(|begun| match begun {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(share) => share.iter().map(f).collect(),
        });
        shares.chain([own]).flatten().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_comes_once_and_in_order() {
        for count in 0..40 {
            let of: Vec<usize> = (0..count).collect();
            assert_eq!(each(&of, |one| one * 3), of.iter().map(|one| one * 3).collect::<Vec<_>>());
        }
    }
}
