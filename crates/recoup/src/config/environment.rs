//! The environment as far as Recoup looks at it: its own `RECOUP_…` variables and `DATABASE_URL`. A variable
//! of ours that we do not know is an error, because a setting with a typing mistake must not be lost.

use std::ffi::OsString;
use std::path::Path;

use super::nearest::nearest;
use crate::error::{Error, Result};
use crate::model::Format;

/// Every variable of ours.
pub const VARIABLES: &[&str] =
    &["RECOUP_CONFIG", "RECOUP_DATABASE", "RECOUP_DATABASE_FILE", "RECOUP_DESTINATION", "RECOUP_FORMAT"];

/// What the environment says, each with the variable's name.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub database: Option<(&'static str, String)>,
    pub destination: Option<(&'static str, String)>,
    pub format: Option<(&'static str, Format)>,
}

impl Environment {
    /// Reads the variables. An empty one counts as not set.
    pub fn read(variables: &[(OsString, OsString)]) -> Result<Self> {
        for (name, _) in variables {
            let name = name.to_string_lossy();
            if name.starts_with("RECOUP_") && !VARIABLES.contains(&name.as_ref()) {
                let error = Error::usage("bad_environment", format!("Unknown environment variable: {name}"));
                return Err(match nearest(&name, VARIABLES.iter().copied()) {
                    Some(meant) => error.hint(format!("did you mean {meant}?")),
                    None => error.hint(format!("known: {}", VARIABLES.join(", "))),
                });
            }
        }
        let format = text(variables, "RECOUP_FORMAT")?.map(|format| format.parse::<Format>()).transpose();
        let database = match (text(variables, "RECOUP_DATABASE")?, text(variables, "RECOUP_DATABASE_FILE")?) {
            (Some(_), Some(_)) => {
                let text = "RECOUP_DATABASE and RECOUP_DATABASE_FILE are both set";
                return Err(Error::usage("bad_environment", text).hint("unset one of them"));
            }
            (Some(database), None) => Some(("RECOUP_DATABASE", database)),
            (None, Some(file)) => Some(("RECOUP_DATABASE_FILE", secret(Path::new(&file))?)),
            (None, None) => text(variables, "DATABASE_URL")?.map(|database| ("DATABASE_URL", database)),
        };
        Ok(Environment {
            database,
            destination: text(variables, "RECOUP_DESTINATION")?.map(|text| ("RECOUP_DESTINATION", text)),
            format: format.map_err(|error| error.while_("reading RECOUP_FORMAT"))?.map(|f| ("RECOUP_FORMAT", f)),
        })
    }
}

/// The first line of a file that holds a secret.
fn secret(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::at("reading", path, error).while_("following RECOUP_DATABASE_FILE"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn text(variables: &[(OsString, OsString)], name: &'static str) -> Result<Option<String>> {
    match variables.iter().find(|(known, _)| known == name) {
        None => Ok(None),
        Some((_, value)) => match value.to_str() {
            Some("") => Ok(None),
            Some(value) => Ok(Some(value.to_owned())),
            None => Err(Error::usage("bad_environment", format!("{name} is not UTF-8"))),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_with_a_typing_mistake_is_an_error_that_names_the_nearest() {
        let error = Environment::read(&[("RECOUP_DESTNATION".into(), "/b".into())]).map(|_| ()).unwrap_err();
        assert_eq!(error.message(), "Unknown environment variable: RECOUP_DESTNATION");
        assert_eq!(error.hint_text(), Some("did you mean RECOUP_DESTINATION?"));
    }

    #[test]
    fn our_own_variable_comes_before_the_applications() {
        let both = [("DATABASE_URL".into(), "sqlite:///a".into()), ("RECOUP_DATABASE".into(), "b.db".into())];
        assert_eq!(Environment::read(&both).unwrap().database, Some(("RECOUP_DATABASE", "b.db".to_owned())));
        let other = Environment::read(&both[..1]).unwrap().database;
        assert_eq!(other, Some(("DATABASE_URL", "sqlite:///a".to_owned())));
    }
}
