//! Owns lists of spans of time that stay short, however long a run is.

use std::ops::Sub;

use serde::{Deserialize, Serialize};

/// So many are kept apart.
const MOST: usize = 100;

/// From when to when, in order. What overlaps is one span; of more than a hundred, those that are nearest to each other
/// become one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spans<Time>(Vec<(Time, Time)>);

impl<Time> Default for Spans<Time> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<Time: Copy + Ord + Sub<Output: Ord>> Spans<Time> {
    /// Adds one that does not begin before all of those that are there have ended, or overlaps the last of them.
    pub fn add(&mut self, from: Time, until: Time) {
        let mut added = (from, until.max(from));
        while let Some(last) = self.0.pop_if(|last| last.1 >= added.0) {
            added = (last.0.min(added.0), last.1.max(added.1));
        }
        self.0.push(added);
        if self.0.len() > MOST {
            self.join_nearest();
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Time, Time)> + '_ {
        self.0.iter().copied()
    }

    fn join_nearest(&mut self) {
        let gaps = self.0.windows(2).enumerate();
        let nearest = gaps.min_by_key(|(_, pair)| pair[1].0 - pair[0].1);
        if let Some((place, _)) = nearest {
            let (_, until) = self.0.remove(place + 1);
            self.0[place].1 = until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_one_and_the_nearest_are_joined() {
        let mut spans = Spans::default();
        for (from, until) in [(0, 10), (5, 8), (9, 12), (20, 21), (11, 30)] {
            spans.add(from, until);
        }
        assert_eq!(spans.iter().collect::<Vec<_>>(), [(0, 30)]);
        let mut spans = Spans::default();
        for place in 0..MOST as i64 {
            spans.add(place * 100, place * 100 + 10);
        }
        assert_eq!(spans.iter().count(), MOST);
        let last = (MOST as i64 - 1) * 100 + 10;
        spans.add(last + 5, last + 7);
        assert_eq!(spans.iter().count(), MOST);
        assert_eq!(spans.iter().last(), Some((last - 10, last + 7)));
    }
}
