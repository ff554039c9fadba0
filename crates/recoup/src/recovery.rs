//! The recovery kit: one page with this installation's values that tells how to get everything back on an empty machine.
//! Its blocks of shell are meant to be typed as they stand.
//!
//! Not here: looking at destinations; what was found there is handed in.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::Timestamp;

use crate::config::{DestinationSettings, Settings};
use crate::error::{Error, Result};
use crate::model::channel::Secret;
use crate::model::destination::{Address, Layout};
use crate::model::encryption::Lock;
use crate::model::{Format, Kind, Manifest};
use crate::store::{Listed, Listing, in_pieces};

/// A destination, and what was found there.
pub struct Found {
    /// The destination.
    pub settings: DestinationSettings,
    /// The newest backup of each plan.
    pub newest: Vec<Manifest>,
    /// Fingerprints of the keys that its backups are locked with.
    pub keys: Vec<String>,
    /// Why it could not be looked at.
    pub problem: Option<String>,
}

impl Found {
    /// What a listing of a destination tells, or why there is none.
    pub fn new(settings: DestinationSettings, listing: Result<Listing>) -> Self {
        let (backups, problem) = match listing {
            Ok(listing) => (listing.backups, None),
            Err(error) => (Vec::new(), Some(format!("{error}: {}", error.detail()))),
        };
        let good = |listed: &&Listed| listed.manifest.kind != Kind::PreRestore && listed.missing.is_empty();
        let mut newest: Vec<Manifest> = Vec::new();
        for listed in backups.iter().filter(good) {
            if !newest.iter().any(|known| known.plan == listed.manifest.plan) {
                newest.push(listed.manifest.clone());
            }
        }
        let all = backups.iter().filter_map(|listed| listed.manifest.encryption.as_ref());
        let keys: BTreeSet<String> = all.flat_map(|encryption| encryption.keys.clone()).collect();
        Found { settings, newest, keys: keys.into_iter().collect(), problem }
    }
}

/// Something that is needed and that the page names without telling it.
struct Needed {
    /// The file that the commands expect.
    file: String,
    what: &'static str,
    /// Where it is kept on this machine.
    kept: String,
    secret: Secret,
}

/// The page, in Markdown. With `with_secrets` it holds passphrases and credentials.
///
/// Errors: those of reading files of secrets.
pub fn kit(
    settings: &Settings,
    found: &[Found],
    host: Option<&str>,
    with_secrets: bool,
    now: Timestamp,
) -> Result<String> {
    let mut page = String::new();
    let names: Vec<String> = (1..=found.len()).map(|n| name_of(&found[n - 1].settings, n)).collect();
    let mut needed = Vec::new();
    let tables: Vec<String> =
        found.iter().zip(&names).map(|(found, name)| table(&found.settings, name, &mut needed)).collect();
    let on = host.map(|host| format!(" on {host}")).unwrap_or_default();
    let _ = writeln!(
        page,
        "# Recovery kit\n\nMade {} by recoup {}{on}. Print it, and keep it where that machine and its disks are not. It tells \
         how to get\neverything back on an empty machine.",
        now.strftime("%Y-%m-%d %H:%M UTC"),
        env!("CARGO_PKG_VERSION"),
    );
    if with_secrets {
        page.push_str("\n**It holds passphrases and credentials. Keep it in a safe.**\n");
    }
    what_there_is(&mut page, settings, found, &names);
    page.push_str(
        "\n## 1. Install recoup\n\nAny Linux machine will do. Put the one program `recoup` of this or a later version on the \
         path; `recoup --version` tells\nwhich it is. Nothing else is needed.\n",
    );
    if !needed.is_empty() {
        page.push_str("\n## 2. What you need to have\n\n");
        for needed in &needed {
            let _ = writeln!(page, "- {}: as the file `{}`. It was kept {}.", needed.what, needed.file, needed.kept);
        }
        page.push_str(match with_secrets {
            true => "\nThe commands below write these files.\n",
            false => "\nPut these files into an empty folder, and go on there.\n",
        });
    }
    page.push_str("\n## 3. Say where the backups are\n\nIn an empty folder:\n\n```sh\numask 077\n");
    if with_secrets {
        for needed in &needed {
            let text = needed
                .secret
                .reveal(|path| std::fs::read_to_string(path).map_err(|e| Error::at("reading a secret in", path, e)))?;
            let _ = writeln!(page, "cat > {} <<'END OF FILE'\n{}\nEND OF FILE", needed.file, text.trim_end());
        }
    }
    let _ = writeln!(page, "cat > recoup.toml <<'END OF FILE'\n{}END OF FILE\n```", tables.join("\n"));
    for (found, name) in found.iter().zip(&names) {
        if let Address::Directory { path, .. } = &found.settings.address {
            let _ = writeln!(page, "\nThe disk of `{name}` must be mounted so that `{}` is there.", path.display());
        }
        if let Address::Drive(drive) = &found.settings.address
            && drive.service_account.is_none()
        {
            let _ = writeln!(page, "\nSign in to Google Drive again:\n\n    recoup drive connect {name} --device");
        }
    }
    page.push_str(
        "\n## 4. Get everything back\n\nEach destination alone is enough. The newest backup, into a new folder:\n",
    );
    for (found, name) in
        found.iter().zip(&names).filter(|(found, _)| found.problem.is_some() || !found.newest.is_empty())
    {
        let _ = writeln!(page, "\n### From {name}\n\n```sh\nrecoup list --at {name}");
        let plans: Vec<&Manifest> = found.newest.iter().collect();
        match plans.as_slice() {
            [] | [_] => {
                let _ = writeln!(page, "recoup restore latest --at {name} --to restored-{name}");
            }
            several => {
                for manifest in several {
                    let (id, plan) = (manifest.id.tail(), &manifest.plan);
                    let _ = writeln!(page, "recoup restore {id} --at {name} --to restored-{name}-{plan}");
                }
            }
        }
        page.push_str("```\n");
    }
    page.push_str(
        "\nWithout `--to` it goes to where it came from, after a preview and a question. For a daemon with an empty catalog,\n\
         `recoup adopt DESTINATION` lists what is there.\n",
    );
    by_hand(&mut page, found);
    Ok(page)
}

fn what_there_is(page: &mut String, settings: &Settings, found: &[Found], names: &[String]) {
    page.push_str("\n## What there is\n\n");
    for plan in &settings.plans {
        let sources: Vec<&str> = plan.sources.iter().map(|source| source.name()).collect();
        let _ = writeln!(page, "- Plan {}: {}; to {}", plan.name, sources.join(", "), plan.destinations.join(", "));
    }
    for (found, name) in found.iter().zip(names) {
        let _ = writeln!(page, "- Destination {name}: {}", place(&found.settings));
        let keys = &found.keys;
        match (keys.as_slice(), &found.settings.keys.lock) {
            ([], None) => page.push_str("  - not encrypted\n"),
            ([], Some(_)) => page.push_str("  - encrypted from the next backup on\n"),
            (keys, _) => {
                let _ = writeln!(page, "  - encrypted, key {}", keys.join(", "));
            }
        }
        for manifest in &found.newest {
            let files: Vec<&str> = match manifest.stored() {
                [_, ..] if in_pieces(manifest) => vec!["of several pieces, which its manifest names"],
                stored => stored.iter().map(|object| object.name.as_str()).collect(),
            };
            let (plan, made) = (&manifest.plan, manifest.created_at.strftime("%Y-%m-%d %H:%M UTC"));
            let _ = writeln!(page, "  - newest of {plan}: {made}, {}", files.join(", "));
        }
        if let Some(problem) = &found.problem {
            let _ = writeln!(page, "  - could not be looked at: {problem}");
        }
    }
}

/// A name for `recoup.toml`.
fn name_of(settings: &DestinationSettings, number: usize) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !settings.name.is_empty() && settings.name.chars().all(fits) {
        true => settings.name.clone(),
        false => format!("place-{number}"),
    }
}

fn place(settings: &DestinationSettings) -> String {
    match &settings.address {
        Address::Directory { path, .. } => format!("the folder {}", path.display()),
        Address::S3(s3) => {
            let endpoint = s3.endpoint.as_deref().unwrap_or("Amazon");
            format!("the bucket {} at {endpoint}, below {:?}; with an access key", s3.bucket, s3.prefix)
        }
        Address::Sftp(sftp) => {
            let with = if sftp.key.is_some() { "a private key" } else { "a password" };
            format!("{} on {} port {} by SFTP, as {} with {with}", sftp.path, sftp.host, sftp.port, sftp.user)
        }
        Address::WebDav(dav) => match &dav.user {
            Some(user) => format!("{} by WebDAV, as {user} with a password", dav.url),
            None => format!("{} by WebDAV", dav.url),
        },
        Address::Drive(drive) => {
            let whose = if drive.service_account.is_some() { "a service account" } else { "the Google account" };
            format!("the folder {} in Google Drive of {whose}", drive.folder)
        }
    }
}

/// `[destination.NAME]`, with secrets in files beside it.
fn table(settings: &DestinationSettings, name: &str, needed: &mut Vec<Needed>) -> String {
    let mut table = Table { text: format!("[destination.{name}]\n"), name, needed };
    match &settings.address {
        Address::Directory { path, marker } => {
            table.text("path", &path.display().to_string());
            if *marker {
                table.line("marker", "true");
            }
        }
        Address::S3(s3) => {
            table.text("type", "s3");
            table.text("bucket", &s3.bucket);
            table.some("prefix", Some(s3.prefix.as_str()).filter(|prefix| !prefix.is_empty()));
            table.text("region", &s3.region);
            table.some("endpoint", s3.endpoint.as_deref());
            table.line("path_style", if s3.path_style { "true" } else { "false" });
            table.secret("access_key_file", "access-key", "the access key", &s3.access_key);
            table.secret("secret_key_file", "secret-key", "the secret access key", &s3.secret_key);
            table.file("ca_file", "ca.pem", "the certificate that is trusted", s3.ca_file.as_ref());
        }
        Address::Sftp(sftp) => {
            table.text("type", "sftp");
            table.text("host", &sftp.host);
            table.line("port", &sftp.port.to_string());
            table.text("user", &sftp.user);
            table.text("path", &sftp.path);
            table.text("host_key", &sftp.host_key);
            table.maybe("key_file", "ssh-key", "the private key of SSH", sftp.key.as_ref());
            table.maybe(
                "key_passphrase_file",
                "ssh-passphrase",
                "what it is locked with",
                sftp.key_passphrase.as_ref(),
            );
            table.maybe("password_file", "password", "the password", sftp.password.as_ref());
        }
        Address::WebDav(dav) => {
            table.text("type", "webdav");
            table.text("url", &dav.url);
            table.some("user", dav.user.as_deref());
            table.maybe("password_file", "password", "the password", dav.password.as_ref());
            table.file("ca_file", "ca.pem", "the certificate that is trusted", dav.ca_file.as_ref());
        }
        Address::Drive(drive) => {
            table.text("type", "drive");
            table.text("folder", &drive.folder);
            table.some("shared_drive", drive.shared_drive.as_deref());
            table.some("client_id", drive.client_id.as_deref());
            table.maybe("client_secret_file", "client-secret", "the client's secret", drive.client_secret.as_ref());
            let account = drive.service_account.as_ref();
            table.maybe("service_account_file", "service-account.json", "the key of the service account", account);
            table.text("endpoint", &drive.endpoint);
            table.text("auth_endpoint", &drive.auth_endpoint);
            table.text("token_endpoint", &drive.token_endpoint);
        }
    }
    if settings.layout != Layout::default() {
        table.text("layout", settings.layout.word());
    }
    let locks: Vec<&Lock> = settings.keys.all().collect();
    table.encrypt(&locks);
    table.text
}

struct Table<'a> {
    text: String,
    name: &'a str,
    needed: &'a mut Vec<Needed>,
}

impl Table<'_> {
    fn line(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.text, "{key} = {value}");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.line(key, &toml::Value::String(value.to_owned()).to_string());
    }

    fn some(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn need(&mut self, file: &str, what: &'static str, secret: &Secret) -> String {
        let file = format!("{}.{file}", self.name);
        let kept = match secret.path() {
            Some(path) => format!("in {}", path.display()),
            None => "in recoup.toml itself".to_owned(),
        };
        self.needed.push(Needed { file: file.clone(), what, kept, secret: secret.clone() });
        file
    }

    fn secret(&mut self, key: &str, file: &str, what: &'static str, secret: &Secret) {
        let file = self.need(file, what, secret);
        self.text(key, &file);
    }

    fn maybe(&mut self, key: &str, file: &str, what: &'static str, secret: Option<&Secret>) {
        if let Some(secret) = secret {
            self.secret(key, file, what, secret);
        }
    }

    fn file(&mut self, key: &str, file: &str, what: &'static str, path: Option<&std::path::PathBuf>) {
        self.maybe(key, file, what, path.cloned().map(Secret::file).as_ref());
    }

    /// Every passphrase, or every file of keys, that may open what is there.
    fn encrypt(&mut self, locks: &[&Lock]) {
        let mut passphrases: Vec<&Secret> = Vec::new();
        let mut files = Vec::new();
        for lock in locks {
            match lock {
                Lock::Passphrase { passphrase, old } => passphrases.extend(std::iter::once(passphrase).chain(old)),
                Lock::Recipients { identities, .. } => files.extend(identities.clone()),
            }
        }
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        if let Some((first, others)) = passphrases.split_first() {
            let first = self.need("passphrase", "the passphrase of the backups", first);
            let named = others.iter().enumerate().map(|(n, other)| {
                let file = format!("passphrase-{}", n + 2);
                quoted(&self.need(&file, "another passphrase of the backups", other))
            });
            let named: Vec<String> = named.collect();
            let old = if named.is_empty() {
                String::new()
            } else {
                format!(", old_passphrase_files = [{}]", named.join(", "))
            };
            self.line("encrypt", &format!("{{ passphrase_file = {}{old} }}", quoted(&first)));
        } else if let Some(path) = files.first() {
            let file = self.need("identity", "the secret keys of the backups", &Secret::file(path));
            self.line("encrypt", &format!("{{ identity_file = {} }}", quoted(&file)));
        } else if !locks.is_empty() {
            self.text.push_str("# The secret key is not on the machine that made this page. Name the file with it:\n");
            self.text.push_str("# encrypt = { identity_file = \"…\" }\n");
        }
    }
}

fn by_hand(page: &mut String, found: &[Found]) {
    page.push_str(
        "\n## Without recoup\n\nFetch the newest `.manifest.json` of a plan, and the file beside it that has the same name.\n",
    );
    let all = || found.iter().flat_map(|found| &found.newest);
    if let Some(manifest) = all().find(|manifest| in_pieces(manifest)) {
        pieces_by_hand(page, manifest);
    }
    let sealed = all().find(|manifest| manifest.encryption.is_some() && !in_pieces(manifest));
    if let Some(manifest) = sealed {
        let locked = manifest.encryption.as_ref().is_some_and(|encryption| encryption.locked_key.is_some());
        let stem = manifest.file_stem();
        let stored = manifest.stored().first().map(|object| object.name.clone()).unwrap_or_default();
        let plain = stored.trim_end_matches(".age");
        page.push_str("\nWith the tools `age` and `jq`, which every distribution has:\n\n");
        if locked {
            let _ = writeln!(page, "    jq -r .encryption.locked_key {stem}.manifest.json > key.age");
            let _ = writeln!(page, "    age -d -i key.age {stored} > {plain}      # asks for the passphrase");
        } else {
            let _ = writeln!(page, "    age -d -i FILE-WITH-THE-SECRET-KEY {stored} > {plain}");
        }
    }
    if all().any(|manifest| manifest.format == Format::Archive) {
        page.push_str(
            "\nA `.zip` is unpacked by `unzip -d by-hand FILE.zip`; `by-hand/RESTORE.txt` tells the rest. A `.db` is the \
             database.\n",
        );
    }
}

/// Puts a history together with Python alone; `docs/restore-by-hand.md` has the same.
const PIECES: &str = include_str!("recovery_history.sh");

fn pieces_by_hand(page: &mut String, manifest: &Manifest) {
    let stem = manifest.file_stem();
    page.push_str(
        "\nWhere a manifest names `.history` files, fetch all that it names. This needs Python and its zstd (`python3-zstandard`), \
         and an empty folder in `SCRATCH`; what comes out is a `.zip` or a `.db`:\n\n",
    );
    let _ = writeln!(page, "    MANIFEST={stem}.manifest.json SCRATCH=by-hand; mkdir \"$SCRATCH\"");
    if let Some(encryption) = &manifest.encryption {
        match encryption.locked_key {
            Some(_) => {
                page.push_str("    jq -r .encryption.locked_key \"$MANIFEST\" > key.age\n");
                page.push_str(
                    "    age -d key.age > key.txt      # asks for the passphrase; remove key.txt afterwards\n",
                );
                page.push_str("    IDENTITY=key.txt\n");
            }
            None => page.push_str("    IDENTITY=FILE-WITH-THE-SECRET-KEY\n"),
        }
    }
    let _ = write!(page, "\n```\n{PIECES}```\n");
}
