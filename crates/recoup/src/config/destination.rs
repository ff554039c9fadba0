//! `[destination.NAME]`: a place as written, and what it means. Files of secrets are only named here; they are read when
//! the destination is reached.
//!
//! Not here: which plan uses which destination ([`super::meant`]), and reaching it ([`crate::destination`]).

use std::path::Path;

use serde_json::json;

use super::encryption;
use super::reader::Reader;
use super::walk::{At, Field};
use crate::error::Result;
use crate::model::channel::Secret;
use crate::model::destination::{Address, Drive, Layout, Limits, S3, Sftp, WebDav};
use crate::outbound;

/// What a destination can be.
const TYPES: &str = "directory s3 sftp webdav drive";
/// Where Google answers.
const DRIVE: &str = "https://www.googleapis.com";
const DRIVE_AUTH: &str = "https://accounts.google.com/o/oauth2/v2/auth";
const DRIVE_TOKEN: &str = "https://oauth2.googleapis.com/token";

/// The table.
#[derive(Debug)]
pub(super) struct Written {
    pub name: At<String>,
    pub place: Place,
    pub encrypt: Option<encryption::Written>,
    pub layout: Option<At<Layout>>,
}

/// What it says.
#[derive(Debug)]
pub(super) enum Place {
    /// A directory, not resolved yet.
    Directory { path: At<String>, marker: Option<At<bool>> },
    /// Something in the network, and for every key a value without secrets.
    Remote { address: Box<Address>, limits: Limits, values: Vec<At<serde_json::Value>> },
}

/// Reads `[destination.NAME]`. Relative paths of files are meant from `base`.
pub(super) fn read(name: At<String>, field: &Field<'_>, base: &Path) -> Result<Written> {
    let mut reader = Reader::new(field, base)?;
    let encrypt = reader.take("encrypt").map(|field| encryption::read(&field, base)).transpose()?;
    let layout = reader.take("layout").map(|field| layout(&field)).transpose()?;
    let kind = match reader.take("type") {
        None => "directory".to_owned(),
        Some(field) => {
            let word = field.string()?.value;
            if !TYPES.split(' ').any(|known| known == word) {
                return Err(field.wrong("is no kind of destination").hint(format!("one of: {TYPES}")));
            }
            reader.note(&field, json!(word));
            word
        }
    };
    if kind == "directory" {
        let place = Place::Directory {
            path: reader.table.need("path")?.string()?,
            marker: reader.take("marker").map(|f| f.flag()).transpose()?,
        };
        reader.table.finish()?;
        return Ok(Written { name, place, encrypt, layout });
    }
    let address = match kind.as_str() {
        "s3" => Address::S3(reader.s3()?),
        "sftp" => Address::Sftp(reader.sftp(field)?),
        "webdav" => Address::WebDav(reader.webdav(field)?),
        _ => Address::Drive(reader.drive(field, &name.value)?),
    };
    let limits = reader.limits()?;
    reader.table.finish()?;
    let place = Place::Remote { address: Box::new(address), limits, values: reader.values };
    Ok(Written { name, place, encrypt, layout })
}

fn layout(field: &Field<'_>) -> Result<At<Layout>> {
    let word = field.string()?;
    let known = || field.wrong("is no layout").hint(format!("one of: {}", Layout::WORDS.join(" ")));
    Ok(At { value: Layout::of(&word.value).ok_or_else(known)?, line: word.line, key: word.key })
}

impl Reader<'_> {
    fn need(&mut self, key: &'static str) -> Result<String> {
        let field = self.table.need(key)?;
        let text = field.string()?.value;
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(field.wrong("must be some text"));
        }
        self.note(&field, json!(text));
        Ok(text)
    }

    fn need_secret(&mut self, here: &'static str, in_file: &'static str) -> Result<Secret> {
        match self.secret(here, in_file)? {
            Some(secret) => Ok(secret),
            None => Err(self.table.missing(here).hint(format!("{in_file} = \"…\" names a file with it"))),
        }
    }

    fn url_of(&mut self, key: &'static str) -> Result<Option<String>> {
        let Some(field) = self.take(key) else { return Ok(None) };
        let url = field.string()?.value;
        outbound::check_url(&url).map_err(|error| field.wrong(format!("is not a URL: {}", error.detail())))?;
        if url.contains(['?', '#']) || url.contains('@') {
            return Err(field
                .wrong("is a URL with more in it than a place")
                .hint("user and password have their own keys"));
        }
        self.note(&field, json!(url));
        Ok(Some(url.trim_end_matches('/').to_owned()))
    }

    fn s3(&mut self) -> Result<S3> {
        let endpoint = self.url_of("endpoint")?;
        let path_style = match self.take("path_style") {
            // Servers at home seldom have a name for every bucket.
            None => endpoint.is_some(),
            Some(field) => {
                self.note(&field, json!(field.flag()?.value));
                field.flag()?.value
            }
        };
        Ok(S3 {
            bucket: self.need("bucket")?,
            prefix: self.text("prefix")?.unwrap_or_default().trim_matches('/').to_owned(),
            region: self.text("region")?.unwrap_or_else(|| "us-east-1".to_owned()),
            endpoint,
            path_style,
            access_key: self.need_secret("access_key", "access_key_file")?,
            secret_key: self.need_secret("secret_key", "secret_key_file")?,
            ca_file: self.take("ca_file").map(|field| self.file(&field)).transpose()?,
        })
    }

    fn sftp(&mut self, table: &Field<'_>) -> Result<Sftp> {
        let port = match self.take("port") {
            None => 22,
            Some(field) => {
                let number = field.number()?.value;
                self.note(&field, json!(number));
                u16::try_from(number).map_err(|_| field.wrong("is not a port"))?
            }
        };
        let sftp = Sftp {
            host: self.need("host")?,
            port,
            user: self.need("user")?,
            path: self.need("path")?,
            host_key: self.need("host_key")?,
            key: self.take("key_file").map(|field| self.file(&field)).transpose()?.map(Secret::file),
            key_passphrase: self.secret("key_passphrase", "key_passphrase_file")?,
            password: self.secret("password", "password_file")?,
        };
        if sftp.key.is_some() == sftp.password.is_some() {
            return Err(table
                .wrong("needs either key_file or password")
                .hint("password_file = \"…\" names a file with it"));
        }
        Ok(sftp)
    }

    fn webdav(&mut self, table: &Field<'_>) -> Result<WebDav> {
        let url = self.url_of("url")?.ok_or_else(|| self.table.missing("url"))?;
        let user = self.text("user")?;
        let password = self.secret("password", "password_file")?;
        if user.is_some() != password.is_some() {
            return Err(table
                .wrong("user and password belong together")
                .hint("password_file = \"…\" names a file with it"));
        }
        Ok(WebDav { url, user, password, ca_file: self.take("ca_file").map(|field| self.file(&field)).transpose()? })
    }

    fn drive(&mut self, table: &Field<'_>, name: &str) -> Result<Drive> {
        let client_id = self.text("client_id")?;
        let service_account = self.take("service_account_file").map(|field| self.file(&field)).transpose()?;
        if client_id.is_some() == service_account.is_some() {
            return Err(table.wrong("needs either client_id or service_account_file"));
        }
        let token_file = match self.take("token_file") {
            Some(field) => self.file(&field)?,
            None => self.base.join(format!("{name}.drive-token")),
        };
        // Empty: in the daemon's folder, which is known when everything has been read.
        let token_key = self.take("token_key_file").map(|field| self.file(&field)).transpose()?.unwrap_or_default();
        Ok(Drive {
            folder: self.text("folder")?.unwrap_or_else(|| "Recoup".to_owned()),
            shared_drive: self.text("shared_drive")?,
            client_id,
            client_secret: self.secret("client_secret", "client_secret_file")?,
            service_account: service_account.map(Secret::file),
            token_file,
            token_key,
            endpoint: self.url_of("endpoint")?.unwrap_or_else(|| DRIVE.to_owned()),
            auth_endpoint: self.url_of("auth_endpoint")?.unwrap_or_else(|| DRIVE_AUTH.to_owned()),
            token_endpoint: self.url_of("token_endpoint")?.unwrap_or_else(|| DRIVE_TOKEN.to_owned()),
        })
    }

    fn limits(&mut self) -> Result<Limits> {
        let mut limits = Limits::default();
        if let Some(field) = self.take("timeout") {
            limits.timeout = field.duration()?.value;
            self.note(&field, json!(limits.timeout.as_secs()));
        }
        if let Some(field) = self.take("bandwidth") {
            limits.bandwidth = Some(u64::from(field.number()?.value));
            if limits.bandwidth == Some(0) {
                return Err(field
                    .wrong("must be more than nothing")
                    .hint("bytes per second; leave it out for no limit"));
            }
            self.note(&field, json!(limits.bandwidth));
        }
        if let Some(field) = self.take("attempts") {
            limits.attempts = field.number()?.value.clamp(1, 20);
            self.note(&field, json!(limits.attempts));
        }
        Ok(limits)
    }
}
