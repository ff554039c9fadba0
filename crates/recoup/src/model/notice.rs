//! What people are told: one event of one plan, with everything that a message about it may say. It is kept as JSON until
//! it was delivered, so fields are only ever added.
//!
//! Not here: who is told ([`super::channel`]) and how it is sent (`notify`).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::backup::{Level, Warning};
use super::job::RunKind;
use super::run::Outcome;
use crate::error::{self, Error, Result};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A run began.
    Start,
    /// It ended good, as the one before.
    Success,
    /// It ended with things to look at.
    Warnings,
    /// It failed, or a crash ended it.
    Failure,
    /// It ended good or with warnings, and the one before had failed.
    Recovery,
    /// There is no verified backup although there should be one by now.
    Overdue,
    /// A destination wants a person to sign in again.
    NeedsSignIn,
    /// The clock of the machine jumped.
    ClockAnomaly,
    /// Somebody tries the channel.
    Test,
}

impl Event {
    /// Every event and its word in configuration and API.
    pub const WORDS: [(Event, &'static str); 9] = [
        (Event::Start, "start"),
        (Event::Success, "success"),
        (Event::Warnings, "warnings"),
        (Event::Failure, "failure"),
        (Event::Recovery, "recovery"),
        (Event::Overdue, "overdue"),
        (Event::NeedsSignIn, "needs_sign_in"),
        (Event::ClockAnomaly, "clock_anomaly"),
        (Event::Test, "test"),
    ];

    /// The word in configuration and API.
    pub fn word(self) -> &'static str {
        Event::WORDS.iter().find(|(event, _)| *event == self).map_or("", |(_, word)| *word)
    }

    /// What the end of a run is told as; `previous` is how the last run ended that was not cancelled. Nothing when
    /// somebody cancelled it, who knows, or when it never began: that is for [`Event::Overdue`].
    pub fn of_run(outcome: Outcome, previous: Option<Outcome>) -> Option<Event> {
        let failed = matches!(previous, Some(Outcome::Failed | Outcome::Interrupted));
        match outcome {
            Outcome::Good | Outcome::Warnings if failed => Some(Event::Recovery),
            Outcome::Good => Some(Event::Success),
            Outcome::Warnings => Some(Event::Warnings),
            Outcome::Failed | Outcome::Interrupted => Some(Event::Failure),
            Outcome::Cancelled | Outcome::Missed => None,
        }
    }

    /// Whether somebody has to do something.
    pub fn is_trouble(self) -> bool {
        matches!(self, Event::Failure | Event::Warnings | Event::Overdue | Event::NeedsSignIn | Event::ClockAnomaly)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Event {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        if let Some((event, _)) = Event::WORDS.iter().find(|(_, word)| *word == text) {
            return Ok(*event);
        }
        let words: Vec<&str> = Event::WORDS.iter().map(|(_, word)| *word).collect();
        Err(Error::usage("bad_event", format!("Unknown event: {text}")).hint(format!("one of: {}", words.join(" "))))
    }
}

/// One event, with everything that a message about it may say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    pub event: Event,
    /// The plan it is about; empty when it is about the whole machine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan: String,
    /// What was done.
    #[serde(default = "backup")]
    pub work: RunKind,
    /// The machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Id of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// When it happened.
    pub at: Timestamp,
    /// How the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The backup that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupTold>,
    /// What to look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorTold>,
    /// The end of the run's log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log_tail: String,
    /// The page of the run, when the server has a public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Number and hash of the last audit event: whoever keeps messages can tell later that the log was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_head: Option<String>,
}

fn backup() -> RunKind {
    RunKind::Backup
}

/// A backup, as messages tell of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupTold {
    /// Its id.
    pub id: String,
    /// Its file name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// How much was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Level>,
    /// The destinations that hold it; none before it is there and verified.
    #[serde(default)]
    pub places: Vec<String>,
    /// Where it can be looked at, when one of them is a service with pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// An error, as messages tell of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorTold {
    /// The stable code.
    pub code: String,
    /// The sentence.
    pub message: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<&error::Error> for ErrorTold {
    fn from(error: &error::Error) -> Self {
        ErrorTold {
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail(),
            hint: error.hint_text().map(str::to_owned),
        }
    }
}

impl Notice {
    /// An event with nothing else told yet.
    pub fn new(event: Event, plan: impl Into<String>, at: Timestamp) -> Self {
        Notice {
            event,
            plan: plan.into(),
            work: backup(),
            host: None,
            run: None,
            at,
            outcome: None,
            backup: None,
            warnings: Vec::new(),
            error: None,
            log_tail: String::new(),
            link: None,
            audit_head: None,
        }
    }

    /// What the trouble is, so that the same is not told again and again: the code and sentence of the error, with figures
    /// left out, or the codes of the warnings. Empty when all is well.
    pub fn cause(&self) -> String {
        let mut cause = match (&self.error, self.event.is_trouble() || !self.warnings.is_empty()) {
            // Its figures are part of a name.
            (Some(error), _) if self.event == Event::NeedsSignIn => format!("{}: {}", error.code, error.message),
            (Some(error), _) => format!("{}: {}", error.code, without_figures(&error.message)),
            (None, true) => {
                let mut codes: Vec<&str> = self.warnings.iter().map(|warning| warning.code.as_str()).collect();
                codes.sort_unstable();
                codes.dedup();
                codes.join(" ")
            }
            (None, false) => String::new(),
        };
        shorten(&mut cause, 200);
        cause
    }

    /// One line, without control characters: a sign, the plan, what happened.
    pub fn title(&self) -> String {
        let work = match self.work {
            RunKind::Backup => "backup",
            RunKind::Verify => "verification",
            RunKind::Restore => "restore",
            RunKind::Prune => "prune",
            RunKind::Copy => "copy",
        };
        let what = match self.event {
            Event::Start => format!("{work} started"),
            Event::Success => format!("{work} good{}", self.size()),
            Event::Warnings => format!("{work} finished with warnings{}", self.size()),
            Event::Recovery if self.outcome == Some(Outcome::Warnings) => format!("{work} works again, with warnings"),
            Event::Recovery => format!("{work} works again{}", self.size()),
            Event::Failure if self.outcome == Some(Outcome::Interrupted) => format!("{work} was interrupted"),
            Event::Failure => format!("{work} failed"),
            Event::Overdue => format!("{work} is overdue"),
            Event::NeedsSignIn => "a destination needs you to sign in again".to_owned(),
            Event::ClockAnomaly => "the clock of this machine jumped".to_owned(),
            Event::Test => "this is a test message".to_owned(),
        };
        let sign = match self.event {
            Event::Success | Event::Recovery => "✓ ",
            Event::Failure | Event::Overdue => "✕ ",
            Event::Warnings | Event::NeedsSignIn | Event::ClockAnomaly => "! ",
            Event::Start | Event::Test => "",
        };
        let about = match (self.host.as_deref(), self.plan.as_str()) {
            (Some(host), "") => host.to_owned(),
            (Some(host), plan) => format!("{host}: {plan}"),
            (None, "") => "Recoup".to_owned(),
            (None, plan) => plan.to_owned(),
        };
        let why = match &self.error {
            Some(error) if self.event.is_trouble() => format!(" – {}", error.message),
            _ => String::new(),
        };
        let mut title = one_line(&format!("{sign}{about}: {what}{why}"));
        shorten(&mut title, 200);
        title
    }

    /// A few lines: what is in the title in full, where the backup is, what to do, where to look.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        if let Some(error) = &self.error {
            lines.push(error.message.clone());
            lines.extend(Some(&error.detail).filter(|detail| !detail.is_empty()).map(|why| format!("Why: {why}")));
            lines.extend(error.hint.as_ref().map(|hint| format!("Hint: {hint}")));
        }
        if let Some(backup) = &self.backup {
            let level = backup.verified.map_or("not verified".to_owned(), |level| format!("verified ({level})"));
            lines.push(format!("{}, {}, {level}", backup.name, size(backup.bytes)));
            if !backup.places.is_empty() {
                lines.push(format!("In: {}", backup.places.join(", ")));
            }
            lines.extend(backup.link.clone());
        }
        const SHOWN: usize = 5;
        lines.extend(self.warnings.iter().take(SHOWN).map(|warning| format!("Warning: {}", warning.text)));
        if self.warnings.len() > SHOWN {
            lines.push(format!("and {} more warnings", self.warnings.len() - SHOWN));
        }
        if self.event == Event::Test {
            lines.push("If you read this, Recoup can reach you.".to_owned());
        }
        lines.extend(self.link.clone());
        let lines: Vec<String> = lines.iter().map(|line| one_line(line)).collect();
        if lines.is_empty() { self.title() } else { lines.join("\n") }
    }

    fn size(&self) -> String {
        self.backup.as_ref().map_or(String::new(), |backup| format!(" ({})", size(backup.bytes)))
    }
}

/// Figures differ from run to run while the trouble is the same.
fn without_figures(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii_digit() {
            true if plain.ends_with('#') => {}
            true => plain.push('#'),
            false => plain.push(c),
        }
    }
    plain
}

/// Control characters, line separators and those that turn the direction of text become blanks: no forged lines, no
/// forged headers, nothing that reads differently from what it is.
pub fn one_line(text: &str) -> String {
    let turns = |c| matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect()
}

/// Cuts at a character, to at most so many bytes, the last of them an ellipsis.
pub fn shorten(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        let mut end = bytes.saturating_sub('…'.len_utf8());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
}

/// `812 B`, `4.1 MiB`.
pub(super) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if value < 1023.5 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    let digits = if unit == "B" || value >= 99.95 { 0 } else { 1 };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn notice(event: Event) -> Notice {
        Notice::new(event, "shop", "2026-05-01T03:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_notice_survives_being_kept_as_json() {
        let mut full = notice(Event::Failure);
        full.error = Some(ErrorTold::from(&Error::usage("x", "No").while_("trying").hint("do")));
        full.warnings = vec![Warning::new("left_out", "a pipe")];
        full.backup = Some(BackupTold {
            id: "01".into(),
            name: "shop.zip".into(),
            bytes: 5,
            verified: Some(Level::Restore),
            places: vec!["here".into()],
            link: None,
        });
        for one in [full, notice(Event::Start)] {
            let text = serde_json::to_string(&one).unwrap();
            assert_eq!(serde_json::from_str::<Notice>(&text).unwrap(), one, "{text}");
        }
    }

    #[test]
    fn a_message_says_what_happened_where_and_what_to_do() {
        let mut failed = notice(Event::Failure);
        failed.host = Some("home".into());
        failed.error = Some(ErrorTold {
            code: "database_missing".into(),
            message: "Database not found".into(),
            detail: "/srv/shop.db".into(),
            hint: Some("mount the disk".into()),
        });
        assert_eq!(failed.title(), "✕ home: shop: backup failed – Database not found");
        assert_eq!(failed.text(), "Database not found\nWhy: /srv/shop.db\nHint: mount the disk");
        let mut good = notice(Event::Success);
        good.backup = Some(BackupTold {
            id: "01".into(),
            name: "shop-20260501T030000Z-abcdef.zip".into(),
            bytes: 88_080_384,
            verified: Some(Level::Integrity),
            places: vec!["here".into(), "drive".into()],
            link: Some("https://drive.example/x".into()),
        });
        assert_eq!(good.title(), "✓ shop: backup good (84.0 MiB)");
        let lines = "shop-20260501T030000Z-abcdef.zip, 84.0 MiB, verified (integrity)\nIn: here, drive\nhttps://drive.example/x";
        assert_eq!(good.text(), lines);
    }

    #[test]
    fn no_text_of_others_makes_a_line_of_its_own() {
        let mut failed = notice(Event::Failure);
        failed.plan = "shop\r\nBcc: all@example.org".into();
        failed.error = Some(ErrorTold {
            code: "x".into(),
            message: "one\ntwo\u{2028}three\u{202e}".into(),
            detail: "a\r\nb\0".into(),
            hint: None,
        });
        assert!(!failed.title().contains(['\r', '\n', '\u{2028}', '\u{202e}']));
        assert_eq!(failed.text().lines().count(), 2);
        failed.plan = "ö".repeat(500);
        assert!(failed.title().len() <= 200 && failed.title().ends_with('…'));
    }

    #[test]
    fn the_same_trouble_with_other_figures_is_the_same_cause() {
        let cause = |message: &str| {
            let mut failed = notice(Event::Failure);
            failed.error =
                Some(ErrorTold { code: "x".into(), message: message.into(), detail: "y".into(), hint: None });
            failed.cause()
        };
        assert_eq!(cause("needs 123 MiB"), cause("needs 9 MiB"));
        assert_ne!(cause("needs 123 MiB"), cause("has 9 MiB"));
        assert_eq!(notice(Event::Success).cause(), "");
    }

    #[test]
    fn a_good_run_after_a_failed_one_is_a_recovery() {
        use Outcome::*;
        for (outcome, previous, told) in [
            (Good, None, Some(Event::Success)),
            (Good, Some(Good), Some(Event::Success)),
            (Good, Some(Failed), Some(Event::Recovery)),
            (Warnings, Some(Interrupted), Some(Event::Recovery)),
            (Warnings, Some(Good), Some(Event::Warnings)),
            (Failed, Some(Failed), Some(Event::Failure)),
            (Interrupted, None, Some(Event::Failure)),
            (Cancelled, Some(Failed), None),
            (Missed, Some(Good), None),
        ] {
            assert_eq!(Event::of_run(outcome, previous), told, "{outcome:?} after {previous:?}");
        }
    }
}
