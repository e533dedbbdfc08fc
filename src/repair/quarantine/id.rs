//! The id of an operation: readable, unique, and sorting by the order in which runs began ([`Order`]), whatever the clock
//! says. No name in here comes from a cache.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// What operations sort by: the number of their run, which no clock has a say in; the stamp, for those from
/// before runs were numbered, when what follows it counted the operations of one second; and the number within
/// the run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::repair) struct Order {
    run: u64,
    stamp: String,
    part: u64,
}

/// One run has fewer operations.
const PARTS: u64 = 10_000;

const STAMP: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");

/// The id of a part (from 1) of a run that began at this time; `None` if there is no such number.
pub(super) fn of(began: OffsetDateTime, run: u64, part: u64) -> Option<String> {
    let count = run.checked_mul(PARTS)?.checked_add(part).filter(|_| part < PARTS)?;
    Some(format!("{}-{count}", began.format(STAMP).unwrap_or_default()))
}

/// What an id sorts by; `None` if it is no id. Before there were numbers, ids were a stamp and a count.
pub(in crate::repair) fn order(id: &str) -> Option<Order> {
    let (stamp, count) = id.split_once('-')?;
    let shape: String = stamp.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if shape != "00000000T000000Z" || count.starts_with(['0', '+']) {
        return None;
    }
    let count: u64 = count.parse().ok()?;
    Some(Order { run: count / PARTS, stamp: stamp.to_owned(), part: count % PARTS })
}

impl Order {
    /// The number of its run.
    pub(super) const fn run(&self) -> u64 {
        self.run
    }

    /// Whether both are of one run, as far as their names tell: those from before there were numbers do not.
    pub(in crate::repair) fn is_of_run(&self, other: &Self) -> bool {
        self.run != 0 && (self.run, &self.stamp) == (other.run, &other.stamp)
    }

    /// Whether the names tell nothing of their runs.
    pub(in crate::repair) const fn is_of_no_run(&self) -> bool {
        self.run == 0
    }

    /// When it began, by the clock of then.
    pub(in crate::repair) fn stamped(&self) -> Option<OffsetDateTime> {
        time::PrimitiveDateTime::parse(&self.stamp, STAMP).ok().map(time::PrimitiveDateTime::assume_utc)
    }
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn ids_sort_by_run_then_part_and_old_ones_by_their_stamp() {
        assert!(order("20261123T095012Z-2") < order("20261123T095012Z-10"));
        assert!(order("20261123T095012Z-10") < order("20261123T095013Z-1"));
        assert!(order("20991123T095013Z-7") < order("20261123T095012Z-10001"), "the clock has no say");
        assert!(order("20991123T095012Z-90001") < order("19700101T000000Z-100001"));
        assert!(order("19700101T000000Z-100009") < order("19700101T000000Z-100010"));
        for bad in [
            "lock",
            "20261123T095012Z",
            "20261123T095012Z-",
            "20261123T095012Z-+1",
            "x-1",
            "-",
            "20261123T095012Z-0",
            "20261123T095012Z-01",
            "20261123T095012Z-1-2",
            "20261123T095012Z-99999999999999999999999",
        ] {
            assert_eq!(order(bad), None, "{bad}");
        }
    }
}
