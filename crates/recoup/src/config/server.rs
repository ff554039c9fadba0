//! `[server]`: where the daemon listens, keeps what is its own, and what people who use it may reach. Read and meant in
//! one place, because nothing else depends on it.
//!
//! Not here: what the command line and the catalog say beside it. What is absent here may be set there.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::walk::{At, Field, Table};
use crate::error::Result;
use crate::model::channel::Secret;
use crate::outbound::{Network, check_url};

/// Where the daemon listens when nobody says.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:7467";
/// The largest upload when nobody says: 10 GiB.
const DEFAULT_UPLOAD: u64 = 10 << 30;
/// Requests per second and address when nobody says.
const DEFAULT_RATE: u32 = 100;
/// Where Authelia, Authentik and oauth2-proxy say who somebody is.
const DEFAULT_USER_HEADER: &str = "remote-user";

/// `[server]` as meant.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Address and port.
    pub listen: SocketAddr,
    /// The daemon's folder, absolute.
    pub data: PathBuf,
    /// `postgres://…`; `None` is a SQLite file in `data`.
    pub catalog: Option<Secret>,
    /// Where people find it.
    pub public_url: Option<String>,
    /// Names that it answers to besides those of this machine's loopback and of `public_url`.
    pub hosts: Vec<String>,
    /// Folders that plans of people who are not admin may name, absolute. Admins may name everything.
    pub roots: Vec<PathBuf>,
    /// The largest upload, in bytes.
    pub upload_limit: u64,
    /// How often the plans are looked at; `None` leaves it to the catalog (60 s).
    pub check_interval: Option<Duration>,
    /// Runs at one time.
    pub concurrency: u32,
    /// How long a request to somebody else may take, 1 to 300 s; `None` leaves it to the catalog (10 s).
    pub outbound_timeout: Option<Duration>,
    /// Private addresses that webhooks of users may reach.
    pub private_targets: Vec<Network>,
    /// Requests per second and address; 0 does not count them.
    pub rate_limit: u32,
    /// Proxies that say who somebody is.
    pub trusted_proxies: Vec<Network>,
    /// The header in which they say it, in lower case.
    pub user_header: String,
    /// Whether `/metrics` answers without a token.
    pub open_metrics: bool,
    /// Whether `/api/docs` is there.
    pub docs: bool,
}

impl ServerSettings {
    /// What holds when the file does not have the table; `base` is the folder of the file.
    pub fn beside(base: &Path) -> Self {
        ServerSettings {
            listen: SocketAddr::from(([127, 0, 0, 1], 7467)),
            data: base.join("recoup-data"),
            catalog: None,
            public_url: None,
            hosts: Vec::new(),
            roots: Vec::new(),
            upload_limit: DEFAULT_UPLOAD,
            check_interval: None,
            concurrency: 2,
            outbound_timeout: None,
            private_targets: Vec::new(),
            rate_limit: DEFAULT_RATE,
            trusted_proxies: Vec::new(),
            user_header: DEFAULT_USER_HEADER.to_owned(),
            open_metrics: false,
            docs: true,
        }
    }
}

/// The table, and for every key a value without secrets.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub settings: ServerSettings,
    pub values: Vec<At<Value>>,
}

/// Reads `[server]`. Relative paths are meant from `base`.
pub(super) fn read(field: &Field<'_>, base: &Path) -> Result<Written> {
    let mut reader = Reader { table: field.table()?, values: Vec::new() };
    let mut settings = ServerSettings::beside(base);
    reader.places(&mut settings, base)?;
    reader.doors(&mut settings)?;
    reader.work(&mut settings)?;
    reader.table.finish()?;
    Ok(Written { settings, values: reader.values })
}

struct Reader<'a> {
    table: Table<'a>,
    values: Vec<At<Value>>,
}

impl<'a> Reader<'a> {
    fn note(&mut self, field: &Field<'_>, value: Value) {
        self.values.push(At { value, line: field.line, key: field.key.clone() });
    }

    /// Takes a key, reads it and notes what was read.
    fn each<T: serde::Serialize>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Field<'a>) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some(field) = self.table.take(key) else { return Ok(None) };
        let value = read(&field)?;
        self.note(&field, json!(value));
        Ok(Some(value))
    }

    fn places(&mut self, settings: &mut ServerSettings, base: &Path) -> Result<()> {
        let data = self.each("data", |field| Ok(base.join(field.string()?.value)))?;
        settings.data = data.unwrap_or_else(|| settings.data.clone());
        let roots = self.each("roots", |field| {
            Ok(field.strings()?.into_iter().map(|at| base.join(at.value)).collect::<Vec<_>>())
        })?;
        settings.roots = roots.unwrap_or_default();
        let (here, in_file) = (self.table.take("catalog"), self.table.take("catalog_file"));
        settings.catalog = match (here, in_file) {
            (None, None) => None,
            (Some(field), None) => {
                let url = field.string()?.value;
                if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                    return Err(field.wrong("is not a postgres:// URL").hint("leave it out for a SQLite file in data"));
                }
                // A URL may carry a password.
                self.note(&field, json!("(set)"));
                Some(Secret::value(url))
            }
            (None, Some(field)) => {
                let path = base.join(field.string()?.value);
                self.note(&field, json!(path));
                Some(Secret::file(path))
            }
            (Some(_), Some(field)) => return Err(field.wrong("is given beside catalog")),
        };
        Ok(())
    }

    fn doors(&mut self, settings: &mut ServerSettings) -> Result<()> {
        if let Some(field) = self.table.take("listen") {
            let text = field.string()?.value;
            settings.listen = text.parse().map_err(|_| {
                field.wrong("is not an address with a port").hint(format!("listen = \"{DEFAULT_LISTEN}\""))
            })?;
            self.note(&field, json!(text));
        }
        settings.public_url = self.each("public_url", |field| {
            let url = field.string()?.value;
            check_url(&url).map_err(|error| field.wrong(format!("is not a URL: {}", error.detail())))?;
            Ok(url.trim_end_matches('/').to_owned())
        })?;
        let hosts = self.each("hosts", |field| {
            let names: Vec<String> = field.strings()?.into_iter().map(|at| at.value).collect();
            match names.iter().find(|name| name.contains(['/', '*', '@', ' '])) {
                Some(name) => {
                    Err(field.wrong(format!("{name:?} is not a name")).hint("hosts = [\"backup.example.org\"]"))
                }
                None => Ok(names),
            }
        })?;
        settings.hosts = hosts.unwrap_or_default();
        let rate = self.each("rate_limit", |field| Ok(field.number()?.value))?;
        settings.rate_limit = rate.unwrap_or(DEFAULT_RATE);
        settings.open_metrics = self.each("open_metrics", |field| Ok(field.flag()?.value))?.unwrap_or(false);
        settings.docs = self.each("docs", |field| Ok(field.flag()?.value))?.unwrap_or(true);
        Ok(())
    }

    fn work(&mut self, settings: &mut ServerSettings) -> Result<()> {
        settings.upload_limit = self.each("upload_limit", bytes)?.unwrap_or(DEFAULT_UPLOAD);
        settings.check_interval =
            self.each("check_interval", |field| seconds(field, 1, 3600))?.map(Duration::from_secs);
        settings.outbound_timeout =
            self.each("outbound_timeout", |field| seconds(field, 1, 300))?.map(Duration::from_secs);
        let concurrency = self.each("concurrency", |field| match field.number()?.value {
            number @ 1..=64 => Ok(number),
            _ => Err(field.wrong("must be 1 to 64")),
        })?;
        settings.concurrency = concurrency.unwrap_or(2);
        settings.private_targets = self.networks("private_targets")?;
        settings.trusted_proxies = self.networks("trusted_proxies")?;
        let header = self.each("user_header", |field| {
            let name = field.string()?.value.to_ascii_lowercase();
            let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            let taken = ["authorization", "cookie", "host"].contains(&name.as_str());
            if fits && !taken { Ok(name) } else { Err(field.wrong("is not a header for names")) }
        })?;
        settings.user_header = header.unwrap_or_else(|| settings.user_header.clone());
        Ok(())
    }

    fn networks(&mut self, key: &'static str) -> Result<Vec<Network>> {
        let Some(field) = self.table.take(key) else { return Ok(Vec::new()) };
        let texts: Vec<String> = field.strings()?.into_iter().map(|at| at.value).collect();
        let found = texts.iter().map(|text| text.parse().map_err(|error| field.refused(&error))).collect();
        self.note(&field, json!(texts));
        found
    }
}

/// Whole seconds between two bounds.
fn seconds(field: &Field<'_>, least: u64, most: u64) -> Result<u64> {
    let length = field.duration()?.value;
    if length.subsec_nanos() != 0 || !(least..=most).contains(&length.as_secs()) {
        return Err(field.wrong(format!("must be {least} to {most} whole seconds")));
    }
    Ok(length.as_secs())
}

/// A number of bytes as `"10 GiB"`.
fn bytes(field: &Field<'_>) -> Result<u64> {
    const UNITS: [(&str, u64); 9] = [
        ("B", 1),
        ("kB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    let text = field.string()?.value;
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim())).map(|(_, factor)| *factor);
    let size = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    match size {
        Some(size) if size > 0 => Ok(size),
        _ => Err(field.wrong(format!("not a size: {text:?}")).hint("write it as \"500 MiB\" or \"10 GiB\"")),
    }
}
