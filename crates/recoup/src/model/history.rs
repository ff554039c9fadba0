//! A history as values: the pieces that a backup is made of, and which one a new backup continues.
//!
//! Not here: the bytes of a piece ([`crate::format::history`]) and when one may go ([`crate::store`]).

use serde::{Deserialize, Serialize};

use super::backup::Object;

/// After so many backups one continues the chain from further back, so that chains stay short.
pub const STRIDE: u64 = 32;

/// What a manifest says about its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The number of the last piece; the first of a chain is 0.
    pub number: u64,
    /// The pieces, the one without a past first. The last one is this backup's own, unless nothing had changed.
    pub pieces: Vec<Object>,
}

impl History {
    /// The numbers of the pieces that a backup with this number is made of, ascending.
    pub fn numbers(number: u64) -> Vec<u64> {
        let mut numbers = vec![number];
        let mut at = number;
        while let Some(before) = before(at) {
            numbers.push(before);
            at = before;
        }
        numbers.reverse();
        numbers
    }

    /// Whether it names as many pieces as its number asks for.
    pub fn is_whole(&self) -> bool {
        History::numbers(self.number).len() == self.pieces.len()
    }

    /// The pieces that the next backup continues; `None` when it begins a chain of its own: because this one is not what it
    /// should be, or because what changed since its beginning takes more than the beginning itself.
    pub fn continued(&self) -> Option<&[Object]> {
        let numbers = History::numbers(self.number);
        let parent = before(self.number.checked_add(1)?)?;
        let end = numbers.iter().position(|number| *number == parent)?;
        let pieces = self.pieces.get(..=end).filter(|_| self.is_whole())?;
        let (first, changes) = pieces.split_first()?;
        (changes.iter().map(|piece| piece.bytes).sum::<u64>() <= first.bytes).then_some(pieces)
    }
}

/// The number that a number continues: the one before, but of multiples of 32 the multiple before, of multiples of 1,024
/// that one's, and so on. A chain of a million has at most 4 × 31 + 1 pieces.
fn before(number: u64) -> Option<u64> {
    if number == 0 {
        return None;
    }
    let mut step = 1;
    while number.is_multiple_of(step * STRIDE) {
        step *= STRIDE;
    }
    Some(number - step)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn pieces(bytes: impl IntoIterator<Item = u64>) -> Vec<Object> {
        let piece = |(n, bytes)| Object { name: format!("{n}"), bytes, sha256: String::new() };
        bytes.into_iter().enumerate().map(piece).collect()
    }

    #[test]
    fn every_number_continues_one_that_its_predecessor_has() {
        for number in 0..70_000 {
            let numbers = History::numbers(number);
            assert!(numbers.len() <= 1 + 31 * 4, "{number}: {}", numbers.len());
            assert_eq!((numbers[0], *numbers.last().unwrap()), (0, number));
            assert!(numbers.contains(&before(number + 1).unwrap()), "{number}");
        }
        assert_eq!(History::numbers(34), [0, 32, 33, 34]);
    }

    #[test]
    fn a_chain_ends_when_its_changes_outweigh_its_beginning() {
        let history = |number, bytes: &[u64]| History { number, pieces: pieces(bytes.iter().copied()) };
        assert_eq!(history(2, &[100, 50, 50]).continued().unwrap().len(), 3);
        assert_eq!(history(2, &[100, 50, 51]).continued(), None);
        assert_eq!(history(1, &[100]).continued(), None, "a piece is missing");
        // The thirty-second continues the first one, whatever lies between.
        let many = History { number: 31, pieces: pieces(std::iter::repeat_n(100, 32)) };
        assert_eq!(many.continued().unwrap().len(), 1);
    }
}
