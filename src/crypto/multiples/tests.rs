//! Multiples against the crates' own arithmetic.

use sha2::{Digest, Sha512};

use super::super::ecdsa::{ALL, leftmost};
use super::*;

/// Numbers that fit a key are had without a private one: by recovery, which the crates do.
#[test]
fn whatever_fits_by_recovery_fits_by_multiples_on_every_curve() {
    for arithmetic in ALL {
        let length = arithmetic.curve.order.len();
        let mut found = 0;
        for number in 0_u8..=255 {
            let part = |what: u8| Sha512::digest([what, number]).to_vec();
            let cut = |bytes: Vec<u8>| bytes.into_iter().take(length).collect::<Vec<u8>>();
            let (r, mut s) = (cut(part(0)), cut(part(1)));
            let mut digest = part(2);
            match number % 8 {
                0 => s = vec![1],
                1 => digest.fill(0),
                2 => digest.fill(0xFF),
                3 => s = vec![0x80],
                _ => {}
            }
            let digest = leftmost(&digest, arithmetic.curve).into_owned();
            let numbers = Numbers { digest: &digest, r: &r, s: &s };
            for point in (arithmetic.recover)(&numbers) {
                let Some(quick) = (arithmetic.quick)(&point) else { continue };
                assert!(quick(&numbers), "{} {number}", arithmetic.curve.name);
                let other = leftmost(&part(3), arithmetic.curve).into_owned();
                assert!(!quick(&Numbers { digest: &other, ..numbers }), "{}", arithmetic.curve.name);
                found += 1;
            }
            if found >= 3 {
                break;
            }
        }
        assert!(found >= 3, "{}: {found}", arithmetic.curve.name);
    }
}

#[test]
fn only_so_many_keys_have_multiples_and_only_after_some_use() {
    let yes = || -> Option<Quick> { Some(Box::new(|_| true)) };
    let keys: Vec<Kept> = (0..3 * MOST).map(|_| Kept::default()).collect();
    let mut with = 0;
    for key in &keys {
        assert!((0..USES).all(|_| key.quick(yes).is_none()));
        with += usize::from(key.quick(yes).is_some());
    }
    assert_eq!(with, MOST);
    drop(keys);
    assert_eq!(HELD.load(Ordering::Relaxed), 0);
}
