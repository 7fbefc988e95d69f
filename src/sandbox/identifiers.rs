//! Owns identifiers: ULIDs with the API's prefixes, drawn from the seed, each
//! greater than the one before, so that their order is the order of creation.

use crate::clock;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::SystemTime;

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 26;

/// The source of identifiers.
#[derive(Debug)]
pub(crate) struct Identifiers {
    generator: StdRng,
    latest: u64,
    count: u64,
}

impl Identifiers {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            generator: StdRng::seed_from_u64(seed),
            latest: 0,
            count: 0,
        }
    }

    /// 48 bits of time, 40 of a counter, 40 that are drawn. The counter keeps
    /// them increasing within a millisecond, the greatest time so far when a
    /// clock goes back.
    pub(crate) fn next(&mut self, prefix: &str, now: SystemTime) -> String {
        self.latest = self.latest.max(clock::milliseconds(now));
        self.count += 1;
        let drawn = self.generator.next_u64() & 0xff_ffff_ffff;
        let mut rest = u128::from(self.latest & 0xffff_ffff_ffff) << 80
            | u128::from(self.count & 0xff_ffff_ffff) << 40
            | u128::from(drawn);
        let mut text = [b'0'; LENGTH];
        for digit in text.iter_mut().rev() {
            *digit = DIGITS[(rest & 31) as usize];
            rest >>= 5;
        }
        let mut identifier = String::with_capacity(prefix.len() + LENGTH);
        identifier.push_str(prefix);
        identifier.extend(text.iter().map(|digit| char::from(*digit)));
        identifier
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn identifiers_increase_even_when_the_clock_goes_back() {
        let mut identifiers = Identifiers::new(7);
        let times = [0, 0, 5, 3, 6, 1].map(|ms| clock::beginning() + Duration::from_millis(ms));
        let made: Vec<_> = times
            .iter()
            .map(|now| identifiers.next("user_", *now))
            .collect();
        assert!(
            made.windows(2).all(|pair| pair[0] < pair[1]),
            "{made:?} must increase"
        );
        assert!(made.iter().all(|id| id.len() == "user_".len() + LENGTH));
        assert!(made[0].starts_with("user_01"), "{} is no ULID", made[0]);
    }

    #[test]
    fn the_seed_decides() {
        let draw = |seed| Identifiers::new(seed).next("org_", clock::beginning());
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
