//! How fast a destination fills, and when it would be full: a straight line through what it held at the end of each day.
//! Pure.

/// Days that the line is drawn through.
const LOOKED_AT: i64 = 30;
/// Fewer days than this tell nothing.
const FEWEST: usize = 3;
/// Beyond, nobody can say.
const FARTHEST: f64 = 3650.0;

/// What one day ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Days since 1970-01-01.
    pub day: i64,
    /// Bytes held.
    pub bytes: i64,
}

/// How it goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// Bytes more, or fewer, each day.
    pub bytes_a_day: f64,
    /// The day on which nothing is free any more, when it goes on like this for ten years or less.
    pub full_on: Option<i64>,
}

/// The line through the last days (least squares), and where it meets what is `free`. `None` with fewer than three days.
pub fn growth(days: &[Day], free: Option<i64>) -> Option<Growth> {
    let last = days.iter().map(|day| day.day).max()?;
    let recent: Vec<(f64, f64)> = days
        .iter()
        .filter(|day| last - day.day < LOOKED_AT)
        .map(|day| ((day.day - last) as f64, day.bytes as f64))
        .collect();
    if recent.len() < FEWEST {
        return None;
    }
    let count = recent.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| recent.iter().map(pick).sum::<f64>() / count;
    let (middle, level) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = recent.iter().map(|(x, _)| (x - middle).powi(2)).sum();
    if spread == 0.0 {
        return None;
    }
    let bytes_a_day = recent.iter().map(|(x, y)| (x - middle) * (y - level)).sum::<f64>() / spread;
    let left = free.filter(|_| bytes_a_day >= 1.0).map(|free| (free as f64 / bytes_a_day).max(0.0));
    let full_on = left.filter(|left| *left <= FARTHEST).map(|left| last + left.floor() as i64);
    Some(Growth { bytes_a_day, full_on })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(bytes: impl IntoIterator<Item = i64>) -> Vec<Day> {
        (20_000..).zip(bytes).map(|(day, bytes)| Day { day, bytes }).collect()
    }

    #[test]
    fn a_straight_line_meets_the_end_on_its_day() {
        let line = days((0..20).map(|n| 1_000 + 100 * n));
        let grown = growth(&line, Some(1_000)).map(|grown| (grown.bytes_a_day.round(), grown.full_on));
        assert_eq!(grown, Some((100.0, Some(20_019 + 10))));
        // Days without a look are no days without growth.
        let gaps: Vec<Day> = line.iter().copied().filter(|day| day.day % 3 != 0).collect();
        assert_eq!(growth(&gaps, Some(1_000)).and_then(|grown| grown.full_on), Some(gaps[gaps.len() - 1].day + 10));
    }

    #[test]
    fn nobody_is_told_a_date_that_nobody_knows() {
        assert_eq!(growth(&days([1, 2]), Some(10)), None);
        assert_eq!(growth(&days([5, 5, 5, 5]), Some(10)).and_then(|grown| grown.full_on), None);
        assert_eq!(growth(&days([9, 6, 3]), Some(10)).and_then(|grown| grown.full_on), None);
        assert_eq!(growth(&days([0, 10, 20]), None).and_then(|grown| grown.full_on), None);
        assert_eq!(growth(&days([0, 10, 20]), Some(i64::MAX)).and_then(|grown| grown.full_on), None);
        assert_eq!(growth(&days([0, 10, 20]), Some(0)).and_then(|grown| grown.full_on), Some(20_002));
    }
}
