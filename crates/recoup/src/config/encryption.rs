//! `encrypt = { … }` of a destination or a plan: what its backups are locked with. Files are only named here.
//!
//! Not here: keys and ciphers ([`crate::store`]).

use std::path::Path;

use serde_json::{Value, json};

use super::reader::Reader;
use super::walk::{At, Field};
use crate::error::Result;
use crate::model::channel::Secret;
use crate::model::encryption::Lock;

/// The table, and for every key a value without secrets.
#[derive(Debug)]
pub(super) struct Written {
    pub lock: Lock,
    pub values: Vec<At<Value>>,
}

/// Reads the table. Relative paths of files are meant from `base`.
pub(super) fn read(field: &Field<'_>, base: &Path) -> Result<Written> {
    if field.flag().is_ok() {
        return Err(field
            .wrong("is a table, and nothing that is encrypted can be made plain here")
            .hint("leave the key out where nothing shall be encrypted"));
    }
    let mut reader = Reader::new(field, base)?;
    let passphrase = reader.secret("passphrase", "passphrase_file")?;
    let old = match reader.take("old_passphrase_files") {
        None => Vec::new(),
        Some(field) => files(&mut reader, &field)?,
    };
    let recipients = match reader.take("recipients") {
        None => Vec::new(),
        Some(field) => {
            let texts = field.strings()?;
            for at in &texts {
                check_recipient(&field, &at.value)?;
            }
            let texts: Vec<String> = texts.into_iter().map(|at| at.value).collect();
            reader.note(&field, json!(texts));
            texts
        }
    };
    let identities = reader.take("identity_file").map(|field| reader.file(&field)).transpose()?;
    let lock = match (passphrase, recipients.is_empty() && identities.is_none()) {
        (Some(passphrase), true) => Lock::Passphrase { passphrase, old },
        (None, false) if old.is_empty() => Lock::Recipients { recipients, identities },
        (None, true) => {
            return Err(field.wrong("says nothing to encrypt with").hint(
                "encrypt = { passphrase_file = \"…\" }, or { recipients = [\"age1…\"], identity_file = \"…\" }",
            ));
        }
        _ => return Err(field.wrong("has a passphrase and recipients; one of them is meant")),
    };
    let values = std::mem::take(&mut reader.values);
    reader.table.finish()?;
    Ok(Written { lock, values })
}

fn files(reader: &mut Reader<'_>, field: &Field<'_>) -> Result<Vec<Secret>> {
    let paths: Vec<_> = field.strings()?.into_iter().map(|at| reader.base.join(at.value)).collect();
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    reader.note(field, json!(shown));
    Ok(paths.into_iter().map(Secret::file).collect())
}

/// The shape of a public key of age: `age1` and 58 characters of bech32 (BIP 173). The rest is told when it is used.
fn check_recipient(field: &Field<'_>, text: &str) -> Result<()> {
    let is_data = |c: char| "qpzry9x8gf2tvdw0s3jn54khce6mua7l".contains(c);
    if text.strip_prefix("age1").is_some_and(|data| data.len() == 58 && data.chars().all(is_data)) {
        return Ok(());
    }
    // A secret key that was put here by mistake is not repeated.
    let shown: String = text.chars().take(8).collect();
    Err(field.wrong(format!("not a public key of age: {shown}…")).hint("it reads age1…; recoup keys new makes one"))
}
