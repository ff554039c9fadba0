//! What is printed, where. Standard output carries the answer (for people, `--json`, `--quiet`); standard
//! error carries everything else. A reader who went away (`recoup list | head`) is no error.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use recoup::model::{Outcome, Warning};
use recoup::{Error, Result};
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit;
use crate::progress::Bar;
use crate::table::printable;

/// The answer of a command, in every shape.
#[derive(Debug)]
pub struct Reply {
    /// For `--json`.
    pub json: Value,
    /// For people; may be empty when the command said everything while it worked.
    pub text: String,
    /// For `--quiet`.
    pub quiet: String,
    /// The exit code.
    pub exit: u8,
}

impl Reply {
    /// A good end.
    pub fn good(json: Value, text: impl Into<String>, quiet: impl Into<String>) -> Self {
        Reply { json, text: text.into(), quiet: quiet.into(), exit: exit::GOOD }
    }
}

/// Standard output and standard error, as this call wants them.
#[derive(Clone)]
pub struct Screen {
    shape: Shape,
    colour: bool,
    bar: Option<Arc<Bar>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    People,
    Json,
    Quiet,
}

impl Screen {
    /// Looks at the options and at what the streams are.
    pub fn new(global: &Global) -> Self {
        let shape = match (global.json, global.quiet) {
            (true, _) => Shape::Json,
            (_, true) => Shape::Quiet,
            _ => Shape::People,
        };
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let bar = (shape == Shape::People && io::stderr().is_terminal()).then(|| Arc::new(Bar::new()));
        Screen { shape, colour: !plain && io::stdout().is_terminal(), bar }
    }

    /// The progress bar, on a terminal.
    pub fn bar(&self) -> Option<Arc<Bar>> {
        self.bar.clone()
    }

    /// Whether people read this.
    pub fn for_people(&self) -> bool {
        self.shape == Shape::People
    }

    /// Says something to people now, on standard output.
    pub fn say(&self, text: impl AsRef<str>) {
        if self.for_people() {
            self.write(&mut io::stdout(), &format!("{}\n", text.as_ref()));
        }
    }

    /// Says something beside the answer to people, on standard error.
    pub fn aside(&self, text: impl AsRef<str>) {
        if self.for_people() {
            self.write(&mut io::stderr(), &format!("{}\n", text.as_ref()));
        }
    }

    /// Asks a person for something, on standard error, whatever the answer looks like.
    pub fn ask(&self, text: &str) {
        self.write(&mut io::stderr(), &format!("{text}\n"));
    }

    /// Prints the answer. A reader who went away is no error; an answer that could not be written is.
    pub fn reply(&self, reply: &Reply) -> Result<()> {
        if let Some(bar) = &self.bar {
            bar.clear();
        }
        let text = match self.shape {
            Shape::People => reply.text.clone(),
            Shape::Json => format!("{:#}", reply.json),
            Shape::Quiet => reply.quiet.clone(),
        };
        if text.is_empty() {
            return Ok(());
        }
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let mut out = io::stdout();
        match out.write_all(format!("{text}{end}").as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::io("writing the answer", error)),
            _ => Ok(()),
        }
    }

    /// Prints an error: what happened, why, what to do.
    pub fn error(&self, error: &Error) {
        if let Some(bar) = &self.bar {
            bar.clear();
        }
        match self.shape {
            Shape::Json => self.write(&mut io::stdout(), &format!("{:#}\n", error_document(error))),
            Shape::People | Shape::Quiet => self.write(&mut io::stderr(), &format!("{}\n", error_text(error))),
        }
    }

    /// A mark before a line: its word says the same, colour is only decoration.
    pub fn mark(&self, mark: Mark) -> String {
        let (sign, colour) = match mark {
            Mark::Good => ("✓", 32),
            Mark::Warning => ("!", 33),
            Mark::Bad => ("✗", 31),
        };
        if self.colour { format!("\u{1b}[{colour}m{sign}\u{1b}[0m") } else { sign.to_owned() }
    }

    /// Text in bold on a terminal.
    pub fn bold(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Text that may be overlooked.
    pub fn dim(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn write(&self, stream: &mut dyn Write, text: &str) {
        // What is said on the way is not the answer; the exit code still says how it went.
        let mut write = || drop(stream.write_all(text.as_bytes()).and_then(|()| stream.flush()));
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// How a line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Good,
    Warning,
    Bad,
}

/// `{error: {code, message, hint}}`; `detail` says why.
pub fn error_document(error: &Error) -> Value {
    let detail = Some(error.detail()).filter(|detail| !detail.is_empty());
    let (code, message, hint) = (error.code(), error.message(), error.hint_text());
    json!({ "error": { "code": code, "message": message, "hint": hint, "detail": detail } })
}

/// An error in one line: the sentence and why.
pub fn error_line(error: &Error) -> String {
    let detail = error.detail();
    let text = if detail.is_empty() { error.message().to_owned() } else { format!("{} ({detail})", error.message()) };
    printable(&text)
}

fn error_text(error: &Error) -> String {
    let mut text = format!("Error: {}", printable(error.message()));
    let detail = error.detail();
    if !detail.is_empty() {
        text.push_str(&format!("\n  Why:  {}", printable(&detail)));
    }
    if let Some(hint) = error.hint_text() {
        text.push_str(&format!("\n  Hint: {}", printable(hint)));
    }
    text
}

/// The end of a command that changed what it could reach: `warnings` say where it could not.
pub fn reached(screen: &Screen, mut json: Value, list: &[Warning], quiet: String) -> Reply {
    let lines = list.iter().map(|warning| format!("{} {}\n", screen.mark(Mark::Warning), warning.text));
    let text = lines.collect();
    json["warnings"] = warnings(list);
    let exit = if list.is_empty() { exit::GOOD } else { exit::WARNINGS };
    Reply { json, text, quiet, exit }
}

/// Warnings for `--json`.
pub fn warnings(list: &[Warning]) -> Value {
    list.iter().map(|warning| json!({ "code": warning.code, "text": warning.text })).collect()
}

/// The word of an outcome.
pub fn outcome(outcome: Outcome) -> Value {
    serde_json::to_value(outcome).unwrap_or(Value::Null)
}
