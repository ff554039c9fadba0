//! Why one step did not work, whether it may pass, and trying again: the pause doubles, is a little different each time so
//! that many do not come back at once, and is what the other side asked for when it did (`Retry-After`, RFC 9110 10.2.3).

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::progress::Context;

/// The longest pause, whatever the other side asks for.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest pause that we choose.
const LONGEST_OF_OURS: Duration = Duration::from_secs(30);
/// Between two looks at whether somebody wants us to stop.
const SLICE: Duration = Duration::from_millis(50);

/// What one step gives.
pub(crate) type Step<T> = std::result::Result<T, Failure>;

/// Why a step did not work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// For people.
    pub error: Error,
    /// Trying again may help.
    pub passing: bool,
    /// How long the other side wants to be left alone.
    pub wait: Option<Duration>,
    /// Part of the work was done for good: a long piece of work over a bad line is not given up while it goes on.
    pub advanced: bool,
}

impl Failure {
    /// Trying again may help.
    pub fn passing(error: Error) -> Self {
        Failure { error, passing: true, wait: None, advanced: false }
    }

    /// Trying again will not help.
    pub fn lasting(error: Error) -> Self {
        Failure { error, passing: false, wait: None, advanced: false }
    }

    /// The other side wants to be left alone that long.
    pub fn after(mut self, wait: Option<Duration>) -> Self {
        self.wait = wait;
        self
    }

    /// Whether part of the work was done for good.
    pub fn having_advanced(mut self, advanced: bool) -> Self {
        self.advanced = advanced;
        self
    }
}

/// Who we are may add and not remove: what keeps objects from being removed is not ours to change.
pub(crate) fn kept(why: impl Into<Box<dyn std::error::Error + Send + Sync>>, what: &str) -> Failure {
    let text = "The destination does not let us remove objects";
    let hint = "whoever runs it removes them, or lets us; docs/destinations.md has what is needed";
    Failure::lasting(Error::new(ErrorKind::Denied, "destination_denied", text).because(why).while_(what).hint(hint))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Unreachable | ErrorKind::Busy => Failure::passing(error),
            _ => Failure::lasting(error),
        }
    }
}

/// Does a step, and again at most `attempts` times in a row while it fails in a way that may pass and gets nowhere.
/// `pause` is the first one.
pub(crate) fn attempt<T>(
    attempts: u32,
    pause: Duration,
    context: &Context,
    step: &mut dyn FnMut() -> Step<T>,
) -> Result<T> {
    let mut number = 0;
    loop {
        context.check()?;
        number += 1;
        let failure = match step() {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        if failure.advanced {
            number = 1;
        }
        if !failure.passing || number >= attempts {
            let error = failure.error;
            return Err(if number > 1 { error.while_(format!("trying {number} times")) } else { error });
        }
        let ours = pause.saturating_mul(1 << (number - 1).min(16)).min(LONGEST_OF_OURS);
        // Between three quarters and the whole of it.
        let less = u32::try_from(ulid::Ulid::generate().random() % 256).unwrap_or(0);
        let ours = ours - ours / 1024 * less;
        wait(failure.wait.map_or(ours, |asked| asked.min(LONGEST)), context)?;
    }
}

/// Waits, and stops waiting when asked to stop.
pub(crate) fn wait(mut length: Duration, context: &Context) -> Result<()> {
    while !length.is_zero() {
        context.check()?;
        let slice = length.min(SLICE);
        std::thread::sleep(slice);
        length -= slice;
    }
    Ok(())
}
