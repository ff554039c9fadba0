//! `recoup plan …`: one file per word.

mod next;

use recoup::Result;

use crate::args::Plan;
use crate::output::Reply;
use crate::session::Session;

pub fn run(args: &Plan, session: &Session) -> Result<Reply> {
    match args {
        Plan::Next(args) => next::run(args, session),
    }
}
