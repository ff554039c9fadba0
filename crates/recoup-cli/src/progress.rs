//! The progress bar on a terminal: phase, bytes, rate, remaining time. Remaining time is told only once it
//! can be known, and never as zero.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use recoup::progress::{Observer, Phase};

use crate::words;

/// One bar that changes with the phase.
pub struct Bar {
    bar: ProgressBar,
    shown: AtomicBool,
}

impl Bar {
    /// A bar on standard error, not drawn before the first phase.
    pub fn new() -> Self {
        Bar { bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()), shown: AtomicBool::new(false) }
    }

    /// Prints something without tearing the bar.
    pub fn suspend(&self, mut print: impl FnMut()) {
        if self.shown.load(Ordering::Relaxed) { self.bar.suspend(print) } else { print() }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if self.shown.swap(false, Ordering::Relaxed) {
            self.bar.disable_steady_tick();
            self.bar.finish_and_clear();
        }
    }
}

impl Observer for Bar {
    fn phase(&self, phase: Phase, what: &str, total: Option<u64>) {
        self.shown.store(true, Ordering::Relaxed);
        let total = total.filter(|total| *total > 0);
        // First, or the bar is drawn once in a style of its own.
        self.bar.set_style(style(total.is_some()));
        self.bar.reset();
        match total {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
        self.bar.set_prefix(phase.words());
        self.bar.set_message(crate::table::printable(what));
        self.bar.enable_steady_tick(Duration::from_millis(120));
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn note(&self, text: &str) {
        self.suspend(|| {
            let line = format!("{}\n", crate::table::printable(text));
            drop(std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()));
        });
    }
}

fn style(known: bool) -> ProgressStyle {
    let template = if known {
        "{spinner} {prefix} {wide_msg} {bar:20} {percent:>3}% of {size} {speed}{left}"
    } else {
        "{spinner} {prefix} {wide_msg} {done} {speed}"
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style
        .progress_chars("━━─")
        .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
        .with_key("size", |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&words::size(state.len().unwrap_or(0)));
        })
        .with_key("done", |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&words::size(state.pos()));
        })
        .with_key("speed", |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{}/s", words::size(state.per_sec() as u64));
        })
        .with_key("left", |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&left(state.elapsed(), state.fraction(), state.eta()));
        })
}

/// Remaining time: hidden for three seconds and two percent, then rounded, then `finishing`.
fn left(elapsed: Duration, fraction: f32, eta: Duration) -> String {
    if elapsed < Duration::from_secs(3) || fraction < 0.02 {
        return String::new();
    }
    match eta.as_secs() {
        0 => " finishing".to_owned(),
        s @ 1..60 => format!(" {s} s left"),
        s @ 60..3600 => format!(" about {} min left", (s + 30) / 60),
        s => format!(" about {} h {} min left", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remaining_time_is_told_late_and_never_as_zero() {
        let s = Duration::from_secs;
        assert_eq!(left(s(2), 0.5, s(2)), "");
        assert_eq!(left(s(30), 0.01, s(900)), "");
        assert_eq!(left(s(4), 0.5, s(4)), " 4 s left");
        assert_eq!(left(s(60), 0.5, s(100)), " about 2 min left");
        assert_eq!(left(s(60), 0.999, s(0)), " finishing");
    }
}
