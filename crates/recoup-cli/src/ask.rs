//! Questions to the person at the terminal. Without a terminal nothing is asked and nothing is assumed.

use std::io::{self, BufRead, IsTerminal, Write};

use recoup::{Error, Result};

use crate::output::Screen;

/// Whether somebody is there to answer.
pub fn somebody(screen: &Screen) -> bool {
    screen.for_people() && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a yes-or-no question; only `y` and `yes` are yes. Fails when there is nobody to ask.
pub fn confirm(screen: &Screen, question: &str) -> Result<()> {
    if !somebody(screen) {
        let error = Error::usage("confirm_required", "Nobody could be asked, so nothing was done");
        return Err(error
            .because(format!("the question is: {question}"))
            .hint("answer it with --yes, or at a terminal"));
    }
    let failed = |error| Error::io("asking", error);
    write!(io::stderr(), "{question} [y/N] ").and_then(|()| io::stderr().flush()).map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Error::cancelled().hint("nothing was changed")),
    }
}
