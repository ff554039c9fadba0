//! Holding the application still: programs, HTTP calls or the embedding program's own code, before data is read or
//! replaced, and always after.
//!
//! Not here: when that is. Backup and restore begin and resume; the application never waits for compression or the
//! network.

mod http;
mod program;

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::model::Warning;
use crate::model::hook::{HookAction, HookSpec, Hooks};
use crate::progress::{Cancel, Context};

/// Around which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A backup.
    Backup,
    /// A restore.
    Restore,
}

impl Occasion {
    /// The word that hooks are told.
    pub fn word(self) -> &'static str {
        match self {
            Occasion::Backup => "backup",
            Occasion::Restore => "restore",
        }
    }
}

/// What a hook is told. Programs find it in `HOOK_OCCASION`, `HOOK_PLAN`, `HOOK_MOMENT` and `HOOK_OUTCOME`, HTTP servers in the
/// JSON body.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Around which run.
    pub occasion: Occasion,
    /// Its plan.
    pub plan: &'a str,
    /// After it: `good`, `warnings`, `failed` or `cancelled`.
    pub outcome: Option<&'a str>,
}

impl Event<'_> {
    fn moment(&self) -> &'static str {
        if self.outcome.is_some() { "after" } else { "before" }
    }
}

/// Something that holds the application still and lets it go on.
pub trait Hook: Send + Sync {
    /// For people: what it is. Never a secret.
    fn describe(&self) -> String;
    /// Holds the application still. An error stops the run before anything is read or changed.
    fn before(&self, event: &Event<'_>, context: &Context) -> Result<()>;
    /// Lets the application go on. Called whatever happened, also when `before` failed, and once more when it fails.
    fn after(&self, event: &Event<'_>, context: &Context) -> Result<()>;
}

/// The hooks of a plan around one kind of run, in the order in which [`Quiesced`] wants them.
pub fn of_plan(hooks: &Hooks, occasion: Occasion) -> Vec<Arc<dyn Hook>> {
    let (before, after) = match occasion {
        Occasion::Backup => (&hooks.before_backup, &hooks.after_backup),
        Occasion::Restore => (&hooks.before_restore, &hooks.after_restore),
    };
    // What comes after is done from the last to the first, so a list that is written forwards goes in backwards.
    let after = after.iter().rev().map(|spec| Step { spec: spec.clone(), before: false });
    let before = before.iter().map(|spec| Step { spec: spec.clone(), before: true });
    after.chain(before).map(|step| Arc::new(step) as Arc<dyn Hook>).collect()
}

/// One line of a configuration: done before or after.
struct Step {
    spec: HookSpec,
    before: bool,
}

impl Step {
    fn act(&self, event: &Event<'_>, context: &Context) -> Result<()> {
        let timeout = Duration::from_millis(self.spec.timeout_ms);
        match &self.spec.action {
            HookAction::Program(argv) => program::run(argv, event, timeout, context),
            HookAction::Http { url, method, headers, headers_file } => {
                let mut headers = headers.clone();
                headers.extend(headers_file.as_deref().map(http::headers_of).transpose()?.unwrap_or_default());
                http::call(url, method, &headers, event, timeout)
            }
        }
    }
}

impl Hook for Step {
    fn describe(&self) -> String {
        match &self.spec.action {
            // Arguments may hold passwords.
            HookAction::Program(argv) => argv.first().cloned().unwrap_or_default(),
            HookAction::Http { url, method, .. } => format!("{method} {}", http::shown(url)),
        }
    }

    fn before(&self, event: &Event<'_>, context: &Context) -> Result<()> {
        if self.before { self.act(event, context) } else { Ok(()) }
    }

    fn after(&self, event: &Event<'_>, context: &Context) -> Result<()> {
        if self.before { Ok(()) } else { self.act(event, context) }
    }
}

/// Holds the application still around `work`, which is handed what lets it go on: called as soon as that may be, it
/// returns the warnings; called again, or when `work` has not called it, nothing is done twice and nothing is forgotten.
///
/// An error of `work` carries what failed after it: there is no report that could.
pub fn around<T>(
    hooks: &[Arc<dyn Hook>],
    occasion: Occasion,
    plan: &str,
    context: &Context,
    work: impl FnOnce(&mut dyn FnMut() -> Vec<Warning>) -> Result<T>,
) -> Result<T> {
    let mut quiesced = Some(Quiesced::begin(hooks, occasion, plan, context)?);
    let mut told: Vec<Warning> = Vec::new();
    let done = work(&mut || {
        let warnings = quiesced.take().map(|quiesced| quiesced.resume("good")).unwrap_or_default();
        told.extend(warnings.iter().cloned());
        warnings
    });
    if let Some(quiesced) = quiesced {
        told.extend(quiesced.resume(Quiesced::outcome(&done)));
    }
    done.map_err(|error| with_warnings(error, &told))
}

/// An error that also says what failed after it: what it advised already stays.
pub fn with_warnings(error: Error, warnings: &[Warning]) -> Error {
    if warnings.is_empty() {
        return error;
    }
    let texts = error.hint_text().into_iter().chain(warnings.iter().map(|warning| warning.text.as_str()));
    let hint = texts.collect::<Vec<_>>().join("; ");
    error.hint(hint)
}

/// The application is held still. [`Quiesced::resume`] lets it go on; so does dropping this, when a run ends early.
pub struct Quiesced<'a> {
    hooks: &'a [Arc<dyn Hook>],
    occasion: Occasion,
    plan: &'a str,
    context: &'a Context,
    resumed: bool,
}

impl<'a> Quiesced<'a> {
    /// Runs every `before` in order. When one fails every `after` runs and the error says what failed.
    pub fn begin(hooks: &'a [Arc<dyn Hook>], occasion: Occasion, plan: &'a str, context: &'a Context) -> Result<Self> {
        let quiesced = Quiesced { hooks, occasion, plan, context, resumed: false };
        let event = Event { occasion, plan, outcome: None };
        for hook in hooks {
            if let Err(error) = hook.before(&event, context) {
                let outcome = if error.code() == "cancelled" { "cancelled" } else { "failed" };
                let later = quiesced.resume(outcome);
                let error = error.while_(format!("hook before the {}: {}", occasion.word(), hook.describe()));
                return Err(with_warnings(error, &later));
            }
        }
        Ok(quiesced)
    }

    /// Runs every `after`, the last hook's first. What failed twice is a warning: the application may still stand.
    pub fn resume(mut self, outcome: &str) -> Vec<Warning> {
        self.let_go(outcome)
    }

    /// The word of a result for [`Quiesced::resume`].
    pub fn outcome<T>(result: &Result<T>) -> &'static str {
        match result {
            Ok(_) => "good",
            Err(error) if error.code() == "cancelled" => "cancelled",
            Err(_) => "failed",
        }
    }

    fn let_go(&mut self, outcome: &str) -> Vec<Warning> {
        if std::mem::replace(&mut self.resumed, true) {
            return Vec::new();
        }
        // Whoever cancelled the run did not mean the application to stand still for ever.
        let context = Context { cancel: Cancel::default(), ..self.context.clone() };
        let event = Event { occasion: self.occasion, plan: self.plan, outcome: Some(outcome) };
        let mut warnings = Vec::new();
        for hook in self.hooks.iter().rev() {
            if let Err(error) = hook.after(&event, &context).or_else(|_| hook.after(&event, &context)) {
                warnings.push(not_resumed(hook.as_ref(), &error, self.occasion));
            }
        }
        warnings
    }
}

impl Drop for Quiesced<'_> {
    fn drop(&mut self) {
        let outcome = if self.context.cancel.is_cancelled() { "cancelled" } else { "failed" };
        for warning in self.let_go(outcome) {
            self.context.observer.note(&warning.text);
        }
    }
}

fn not_resumed(hook: &dyn Hook, error: &Error, occasion: Occasion) -> Warning {
    let why = if error.detail().is_empty() { error.to_string() } else { format!("{error}: {}", error.detail()) };
    let text = format!(
        "The hook after the {} failed, the application may still stand: {} ({why})",
        occasion.word(),
        hook.describe()
    );
    Warning::new("not_resumed", text)
}
