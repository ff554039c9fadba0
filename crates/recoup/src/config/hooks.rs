//! `[plan.NAME.hooks]` as written, and what it means: four lists of programs and HTTP requests.
//!
//! Not here: carrying them out ([`crate::hooks`]).

use std::path::Path;

use super::walk::{At, Field};
use crate::error::Result;
use crate::model::hook::{HookAction, HookSpec, Hooks};
use crate::outbound::check_url;

/// How long a hook may take when nobody says.
const DEFAULT_TIMEOUT_MS: u64 = 60_000;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// The table, and for every list the key, line and a text without secrets.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub hooks: Hooks,
    pub values: Vec<At<Vec<String>>>,
}

/// Reads the table.
pub(super) fn read(field: &Field<'_>) -> Result<Written> {
    let mut table = field.table()?;
    let mut written = Written::default();
    let mut list = |name: &'static str| -> Result<Vec<HookSpec>> {
        let Some(field) = table.take(name) else { return Ok(Vec::new()) };
        let hooks = field.elements()?.iter().map(hook).collect::<Result<Vec<_>>>()?;
        let value = hooks.iter().map(shown).collect();
        written.values.push(At { value, line: field.line, key: field.key.clone() });
        Ok(hooks)
    };
    let hooks = Hooks {
        before_backup: list("before_backup")?,
        after_backup: list("after_backup")?,
        before_restore: list("before_restore")?,
        after_restore: list("after_restore")?,
    };
    written.hooks = hooks;
    table.finish()?;
    Ok(written)
}

/// Relative paths are meant from the folder of the configuration: a program with a `/` in it, a file of headers.
pub(super) fn based(mut hooks: Hooks, base: &Path) -> Hooks {
    let lists =
        [&mut hooks.before_backup, &mut hooks.after_backup, &mut hooks.before_restore, &mut hooks.after_restore];
    for spec in lists.into_iter().flatten() {
        match &mut spec.action {
            HookAction::Program(argv) => {
                if let Some(program) = argv.first_mut().filter(|program| program.contains('/')) {
                    *program = base.join(&program).to_string_lossy().into_owned();
                }
            }
            HookAction::Http { headers_file, .. } => {
                *headers_file = headers_file.take().map(|file| base.join(file));
            }
        }
    }
    hooks
}

/// An array of strings is a program; a table has `argv` or `http`.
fn hook(field: &Field<'_>) -> Result<HookSpec> {
    if field.is_array() {
        return Ok(HookSpec { action: program(field)?, timeout_ms: DEFAULT_TIMEOUT_MS });
    }
    let mut table = field.table()?;
    let timeout = table.take("timeout").map(|f| f.duration()).transpose()?;
    let timeout_ms = timeout.map_or(DEFAULT_TIMEOUT_MS, |at| u64::try_from(at.value.as_millis()).unwrap_or(u64::MAX));
    let (argv, http) = (table.take("argv"), table.take("http"));
    let action = match (argv, http) {
        (Some(argv), None) => program(&argv)?,
        (None, Some(http)) => {
            let url = http.string()?.value;
            check_url(&url).map_err(|error| http.wrong(format!("is not a URL to ask: {}", error.detail())))?;
            let method = match table.take("method") {
                None => "POST".to_owned(),
                Some(method) => {
                    let word = method.string()?.value.to_ascii_uppercase();
                    if !METHODS.contains(&word.as_str()) {
                        return Err(method.wrong("is not a method").hint(format!("one of: {}", METHODS.join(" "))));
                    }
                    word
                }
            };
            let headers = match table.take("headers") {
                None => Vec::new(),
                Some(headers) => {
                    let all = headers.table()?.take_all().into_iter();
                    all.map(|(name, value)| Ok((name, value.string()?.value))).collect::<Result<_>>()?
                }
            };
            let headers_file = table.take("headers_file").map(|file| file.string()).transpose()?;
            HookAction::Http { url, method, headers, headers_file: headers_file.map(|at| at.value.into()) }
        }
        _ => return Err(field.wrong("needs either argv or http")),
    };
    table.finish()?;
    Ok(HookSpec { action, timeout_ms })
}

fn program(field: &Field<'_>) -> Result<HookAction> {
    let argv: Vec<String> = field.strings()?.into_iter().map(|at| at.value).collect();
    if argv.is_empty() {
        return Err(field.wrong("needs a program").hint("[\"program\", \"argument\"]; there is no shell"));
    }
    Ok(HookAction::Program(argv))
}

/// Arguments and headers may be secret.
fn shown(hook: &HookSpec) -> String {
    match &hook.action {
        HookAction::Program(argv) => argv.first().cloned().unwrap_or_default(),
        HookAction::Http { url, method, .. } => {
            let place = url.split(['?', '#']).next().unwrap_or(url);
            format!("{method} {}", place.rsplit('@').next().unwrap_or(place))
        }
    }
}
