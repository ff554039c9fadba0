//! Ctrl-C and SIGTERM: the first asks the run to stop and clean up, the second ends the process at once.

use std::thread;

use recoup::progress::Cancel;
use recoup::{Error, ErrorKind, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::output::Screen;

/// Cancels `cancel` on the first signal.
pub fn watch(cancel: &Cancel, screen: &Screen) -> Result<()> {
    let failed = |error| Error::new(ErrorKind::Failed, "signals", "Cannot watch for signals").because(error);
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let (cancel, screen) = (cancel.clone(), screen.clone());
    thread::spawn(move || {
        for signal in signals.forever() {
            if cancel.is_cancelled() {
                drop(emulate_default_handler(signal));
            }
            cancel.cancel();
            screen.aside("Stopping and cleaning up. Once more to stop at once.");
        }
    });
    Ok(())
}
