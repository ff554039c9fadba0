//! The keys of one destination: finding them, opening them with what is configured, making one, changing it.
//!
//! ```text
//! recoup-keys/20270115T080000Z-9f86d081884c7d65.age                    a key, locked with the destination's passphrase
//! recoup-keys/20270115T080000Z-9f86d081884c7d65.20270301T090000Z.age   the same key, locked with a later one
//! recoup-keys/shop.20270115T080000Z-2c26b46b68ffc68f.age               a key of one plan
//! ```
//!
//! The newest key locks new backups. Every backup carries its locked key as well, so this folder can be lost. Not here:
//! ciphers ([`super::cipher`]) and what is encrypted ([`super::seal`]).

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::cipher::{self, Identity};
use super::key_name::{self, FOLDER, Named, named, stamp};
use super::name::{MANIFEST, StoredName};
use crate::destination::{Body, Destination};
use crate::error::{Error, ErrorKind, Result};
use crate::model::encryption::{Keys, Lock, Opening};
use crate::model::{Manifest, channel::Secret};
use crate::progress::Context;

/// The longest secret and the longest locked key that are read.
const LONGEST: u64 = 64 << 10;

/// What is configured for a destination, and what it opened so far.
pub struct Keyring {
    keys: Keys,
    scratch: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Whether the identity files have been read.
    read: bool,
    identities: Vec<Identity>,
    /// What could not be read of what is configured.
    problems: Vec<String>,
    /// Locked keys that no passphrase opens, by their SHA-256: trying costs a second.
    refused: HashSet<Vec<u8>>,
    /// Keys that nothing here opens.
    hopeless: HashSet<String>,
}

/// What a new backup is locked with.
#[derive(Clone)]
pub(super) struct Writer {
    /// Public keys.
    pub recipients: Vec<String>,
    /// Their fingerprints.
    pub keys: Vec<String>,
    /// The secret key, locked with the passphrase.
    pub locked_key: Option<String>,
    /// What opens it, where this machine has it.
    pub identity: Option<Identity>,
}

/// Where keys are kept, and when.
pub struct Place<'a> {
    /// The destination.
    pub destination: &'a dyn Destination,
    /// What time it is.
    pub now: Timestamp,
    /// Whom to tell.
    pub context: &'a Context,
}

/// What became of a change of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Fingerprint of the key before; `None` when there was none.
    pub before: Option<String>,
    /// Fingerprint of the key that locks new backups.
    pub now: String,
    /// Fingerprints of the earlier keys that the new passphrase opens too.
    pub relocked: Vec<String>,
}

impl Keyring {
    /// What is configured. `scratch` is where encrypted files are put together when the destination is not on this machine.
    pub fn new(keys: Keys, scratch: PathBuf) -> Self {
        Keyring { keys, scratch, known: Mutex::default() }
    }

    /// What is configured.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) fn scratch(&self) -> &Path {
        &self.scratch
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every passphrase, current ones first.
    fn passphrases(&self) -> impl Iterator<Item = &Secret> {
        let current = self.keys.all().filter_map(|lock| match lock {
            Lock::Passphrase { passphrase, .. } => Some(passphrase),
            Lock::Recipients { .. } => None,
        });
        let old = self.keys.all().flat_map(|lock| match lock {
            Lock::Passphrase { old, .. } => old.as_slice(),
            Lock::Recipients { .. } => &[],
        });
        current.chain(old)
    }

    /// Reads the identity files, once.
    fn read_files(&self) {
        let mut known = self.known();
        if std::mem::replace(&mut known.read, true) {
            return;
        }
        for lock in self.keys.all() {
            let Lock::Recipients { identities: Some(path), .. } = lock else { continue };
            match identities(path) {
                Ok(found) => known.identities.extend(found),
                Err(error) => known.problems.push(error.to_string()),
            }
        }
    }

    /// The key of one of these fingerprints. `locked` gives the locked forms of it that are known.
    pub(super) fn find(
        &self,
        fingerprints: &[String],
        locked: impl FnOnce() -> Vec<String>,
    ) -> std::result::Result<Identity, Opening> {
        if self.keys.is_empty() {
            return Err(Opening::NoKey);
        }
        self.read_files();
        let fits = |identity: &&Identity| fingerprints.contains(&identity.fingerprint());
        if let Some(found) = self.known().identities.iter().find(fits) {
            return Ok(found.clone());
        }
        // A listing asks for the same key again and again.
        let tried = fingerprints.iter().any(|key| self.known().hopeless.contains(key));
        if !tried && self.passphrases().next().is_some() {
            for text in locked() {
                match self.unlock(&text, self.passphrases()) {
                    Some(found) if fits(&&found) => return Ok(found),
                    _ => {}
                }
            }
            self.known().hopeless.extend(fingerprints.iter().cloned());
        }
        let known = self.known();
        let mut given: Vec<String> = known.identities.iter().map(|one| format!("key {}", one.fingerprint())).collect();
        given.extend(self.passphrases().map(|secret| match secret.path() {
            Some(path) => format!("the passphrase in {}", path.display()),
            None => "a passphrase".to_owned(),
        }));
        given.extend(known.problems.iter().cloned());
        given.dedup();
        if given.is_empty() {
            return Err(Opening::NoKey);
        }
        Err(Opening::Refused(format!("you gave {}", given.join(", "))))
    }

    /// Opens a locked key with one of the passphrases, and remembers it; and when none does.
    fn unlock<'a>(&self, text: &str, passphrases: impl Iterator<Item = &'a Secret>) -> Option<Identity> {
        let mut failed = Sha256::new();
        failed.update(text);
        let mut tried = Vec::new();
        for secret in passphrases {
            match reveal(secret) {
                Ok(passphrase) => {
                    failed.update(&passphrase);
                    tried.push(passphrase);
                }
                Err(error) => {
                    let (mut known, text) = (self.known(), error.to_string());
                    if !known.problems.contains(&text) {
                        known.problems.push(text);
                    }
                }
            }
        }
        let failed = failed.finalize().to_vec();
        if self.known().refused.contains(&failed) {
            return None;
        }
        // Damage of one locked form is no reason not to look at another.
        let opened = tried.iter().find_map(|passphrase| cipher::unlock(text, passphrase).ok().flatten());
        let mut known = self.known();
        match opened {
            Some(opened) => {
                known.identities.push(opened.clone());
                Some(opened)
            }
            None => {
                known.refused.insert(failed);
                None
            }
        }
    }

    /// The locked forms of a key that lie at the destination.
    pub(super) fn locked_at(&self, destination: &dyn Destination, fingerprints: &[String]) -> Vec<String> {
        let there = named(destination, None).unwrap_or_default();
        let of_it = there.into_iter().filter(|named| fingerprints.contains(&named.fingerprint));
        of_it.filter_map(|named| text_of(destination, &named.key).ok()).collect()
    }

    /// What new backups of a plan are locked with; `None` when they are not. Makes a key where there is none yet and proves
    /// that what is configured opens what it locks.
    ///
    /// Errors: `wrong_key` when the passphrase does not open the key that is at the destination, or the identities do not
    /// fit the recipients; and whatever hinders reading either.
    pub(super) fn writer(&self, place: &Place<'_>, plan: &str) -> Result<Option<Writer>> {
        let Some((lock, own)) = self.keys.of(plan) else { return Ok(None) };
        let scope = own.then_some(plan);
        let writer = match lock {
            Lock::Recipients { recipients, identities } => self.of_recipients(recipients, identities.as_deref())?,
            Lock::Passphrase { passphrase, old } => {
                let secret = reveal(passphrase)?;
                match self.current(place.destination, scope, passphrase, old)? {
                    Current::Opened(text, identity) => of_key(text, identity),
                    // The passphrase was changed where it is configured, or nobody needed one yet.
                    Current::OpenedByOld | Current::None => self.make(place, scope, &secret)?,
                }
            }
        };
        check(&writer)?;
        Ok(Some(writer))
    }

    /// Whether what is configured fits what is at the destination, without making anything. The fingerprints of the keys
    /// that lock new backups, those of plans included; none where the first backup will make one.
    pub fn check(&self, destination: &dyn Destination) -> Result<Vec<String>> {
        let mut keys = self.check_one(destination, None)?;
        for (plan, _) in &self.keys.plans {
            keys.extend(self.check_one(destination, Some(plan))?);
        }
        Ok(keys)
    }

    /// The destination's own lock, or that of a plan that has one.
    fn lock_of(&self, plan: Option<&str>) -> Option<&Lock> {
        plan.map_or(self.keys.lock.as_ref(), |plan| self.keys.of(plan).map(|(lock, _)| lock))
    }

    fn check_one(&self, destination: &dyn Destination, plan: Option<&str>) -> Result<Vec<String>> {
        let writer = match self.lock_of(plan) {
            None => return Ok(Vec::new()),
            Some(Lock::Recipients { recipients, identities }) => {
                self.of_recipients(recipients, identities.as_deref())?
            }
            Some(Lock::Passphrase { passphrase, old }) => {
                reveal(passphrase)?;
                match self.current(destination, plan, passphrase, old)? {
                    Current::Opened(text, identity) => of_key(text, identity),
                    Current::None | Current::OpenedByOld => return Ok(Vec::new()),
                }
            }
        };
        check(&writer)?;
        Ok(writer.keys)
    }

    /// Whether what a lock locks can be read here.
    pub(super) fn reads(&self, lock: &Lock) -> bool {
        match lock {
            Lock::Passphrase { .. } | Lock::Recipients { identities: Some(_), .. } => true,
            Lock::Recipients { recipients, identities: None } => {
                self.read_files();
                self.known().identities.iter().any(|identity| recipients.contains(&identity.recipient()))
            }
        }
    }

    /// With recipients nothing is kept at the destination.
    fn of_recipients(&self, recipients: &[String], path: Option<&Path>) -> Result<Writer> {
        let own = path.map(identities).transpose()?.unwrap_or_default();
        let recipients = match (recipients, own.last()) {
            ([], Some(last)) => vec![last.recipient()],
            _ => recipients.to_vec(),
        };
        let fits = |identity: &&Identity| recipients.contains(&identity.recipient());
        let keys: Vec<String> = recipients.iter().map(|recipient| cipher::fingerprint(recipient)).collect();
        if !own.is_empty() && !own.iter().any(|identity| fits(&identity)) {
            let given: Vec<String> = own.iter().map(Identity::fingerprint).collect();
            return Err(Error::new(ErrorKind::Denied, "wrong_key", "This key does not fit")
                .because(format!("backups are made with key {}, you gave {}", keys.join(", "), given.join(", ")))
                .hint("identity_file must hold the secret key of one of the recipients"));
        }
        self.read_files();
        let identity = own.iter().find(fits).cloned().or_else(|| self.known().identities.iter().find(fits).cloned());
        Ok(Writer { recipients, keys, locked_key: None, identity })
    }

    /// The newest key at the destination, opened.
    fn current(
        &self,
        destination: &dyn Destination,
        scope: Option<&str>,
        passphrase: &Secret,
        old: &[Secret],
    ) -> Result<Current> {
        let there = named(destination, Some(scope))?;
        let newest = there.last().map(|named| named.fingerprint.clone());
        let mut texts = Vec::new();
        for named in there.iter().filter(|named| Some(&named.fingerprint) == newest.as_ref()) {
            texts.push(text_of(destination, &named.key)?);
        }
        let made_with = match newest {
            Some(newest) => newest,
            None => match of_backups(destination, scope)? {
                Some((fingerprint, text)) => {
                    texts.push(text);
                    fingerprint
                }
                None => return Ok(Current::None),
            },
        };
        for text in texts.iter().rev() {
            if let Some(identity) = self.unlock(text, std::iter::once(passphrase)) {
                return Ok(Current::Opened(text.clone(), identity));
            }
        }
        if texts.iter().any(|text| self.unlock(text, old.iter()).is_some()) {
            return Ok(Current::OpenedByOld);
        }
        let mut error = Error::new(ErrorKind::Denied, "wrong_key", "This key does not fit");
        let opens = |named: &&Named| {
            let text = text_of(destination, &named.key).ok();
            named.fingerprint != made_with
                && text.is_some_and(|text| self.unlock(&text, std::iter::once(passphrase)).is_some())
        };
        let gave = match there.iter().rev().find(opens) {
            Some(other) => format!("you gave that of key {}", other.fingerprint),
            None => "the passphrase that you gave opens no key there".to_owned(),
        };
        error = error.because(format!("{} is made with key {made_with}, {gave}", destination.describe()));
        Err(error.hint("try another passphrase; recoup keys rotate makes a new key, given the one before"))
    }

    /// Makes a key and keeps it at the destination.
    fn make(&self, place: &Place<'_>, scope: Option<&str>, secret: &str) -> Result<Writer> {
        let Place { destination, now, context } = *place;
        let identity = Identity::generate()?;
        let fingerprint = identity.fingerprint();
        let stamp = later_than(destination, scope, now)?;
        let scope = scope.map(|plan| format!("{plan}.")).unwrap_or_default();
        let text = cipher::lock(&identity, secret, &format!("recoup key {fingerprint}, made {now}"))?;
        if cipher::unlock(&text, secret)?.is_none_or(|opened| opened.fingerprint() != fingerprint) {
            return Err(Error::new(ErrorKind::Failed, "key_check_failed", "The new key cannot be opened again"));
        }
        let key = format!("{FOLDER}{scope}{stamp}-{fingerprint}.age");
        destination.put(&key, Body::Bytes(text.as_bytes()), context)?;
        self.known().identities.push(identity.clone());
        context.observer.note(&format!(
            "Made key {fingerprint} for {}. Without its passphrase nobody opens these backups: keep it in another place \
             (recoup recovery-kit)",
            destination.describe()
        ));
        Ok(of_key(text, identity))
    }

    /// Makes a new key for new backups. With another passphrase, the keys there are locked with that one as well, so that
    /// it opens the backups of before; their own passphrase goes on opening them, because backups never change.
    ///
    /// Errors: `wrong_key` when what is configured does not open the key before; `no_passphrase` where keys are somebody
    /// else's.
    pub fn rotate(&self, place: &Place<'_>, plan: Option<&str>, new: Option<&Secret>) -> Result<Rotated> {
        let Place { destination, now, context } = *place;
        let Some(Lock::Passphrase { passphrase, old }) = self.lock_of(plan) else {
            return Err(Error::usage("no_passphrase", "There is no passphrase here to lock a new key with")
                .hint("recoup keys new makes a key; name its public key in recipients"));
        };
        let scope = plan;
        let before = match self.current(destination, scope, passphrase, old)? {
            Current::Opened(_, identity) => Some(identity.fingerprint()),
            Current::None => None,
            Current::OpenedByOld => named(destination, Some(scope))?.pop().map(|key| key.fingerprint),
        };
        let secret = reveal(new.unwrap_or(passphrase))?;
        let mut relocked = Vec::new();
        let there = named(destination, Some(scope))?;
        for named in there.iter().filter(|_| new.is_some()) {
            if relocked.contains(&named.fingerprint) {
                continue;
            }
            let text = text_of(destination, &named.key)?;
            let Some(identity) = self.unlock(&text, self.passphrases()) else { continue };
            let note = format!("recoup key {}, locked again {now}", named.fingerprint);
            let text = cipher::lock(&identity, &secret, &note)?;
            let first = named.key.trim_end_matches(".age");
            let first = named.relocked.as_ref().map_or(first, |at| first.trim_end_matches(at).trim_end_matches('.'));
            destination.put(&format!("{first}.{}.age", stamp(now)), Body::Bytes(text.as_bytes()), context)?;
            relocked.push(named.fingerprint.clone());
        }
        let made = self.make(place, scope, &secret)?;
        Ok(Rotated { before, now: made.keys.join(", "), relocked })
    }
}

/// The newest locked key of the backups there, when no key object is left.
fn of_backups(destination: &dyn Destination, scope: Option<&str>) -> Result<Option<(String, String)>> {
    let known: HashSet<String> = named(destination, None)?.into_iter().map(|named| named.fingerprint).collect();
    let prefix = scope.map(|plan| format!("{plan}/")).unwrap_or_default();
    let mut newest: Option<(Timestamp, String, String)> = None;
    for object in destination.list(&prefix)? {
        if StoredName::parse(&object.key).is_none_or(|stored| stored.extension != MANIFEST) {
            continue;
        }
        let mut bytes = Vec::new();
        let read = destination.get(&object.key, 0).map(|mut from| from.read_to_end(&mut bytes));
        let Ok(manifest) = read.and_then(|_| Manifest::parse(&bytes)) else { continue };
        let Some(encryption) = manifest.encryption else { continue };
        let (Some(key), Some(text)) = (encryption.keys.into_iter().next(), encryption.locked_key) else { continue };
        let later = newest.as_ref().is_none_or(|(at, ..)| *at < manifest.created_at);
        if later && !known.contains(&key) {
            newest = Some((manifest.created_at, key, text));
        }
    }
    Ok(newest.map(|(_, key, text)| (key, text)))
}

/// The stamp of a key that is made now: later than that of every other, whatever the clock says.
fn later_than(destination: &dyn Destination, scope: Option<&str>, now: Timestamp) -> Result<String> {
    let there = named(destination, Some(scope))?;
    let mut at = now;
    while there.last().is_some_and(|newest| newest.created >= stamp(at)) {
        let newest = there.last().and_then(|newest| key_name::at(&newest.created)).unwrap_or(at);
        at = newest.max(at).saturating_add(jiff::SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
    }
    Ok(stamp(at))
}

enum Current {
    /// There is none.
    None,
    /// The locked key, and the key.
    Opened(String, Identity),
    /// One of the earlier passphrases opens it.
    OpenedByOld,
}

fn of_key(text: String, identity: Identity) -> Writer {
    Writer {
        recipients: vec![identity.recipient()],
        keys: vec![identity.fingerprint()],
        locked_key: Some(text),
        identity: Some(identity),
    }
}

/// Encrypts a value and decrypts it again, where that can be done here.
fn check(writer: &Writer) -> Result<()> {
    let value = writer.keys.join(" ");
    let sealed = cipher::seal_text(value.as_bytes(), &writer.recipients)?;
    let Some(identity) = &writer.identity else { return Ok(()) };
    match cipher::open_text(&sealed, std::slice::from_ref(identity))? {
        Some(opened) if opened == value.as_bytes() => Ok(()),
        _ => Err(Error::new(ErrorKind::Failed, "key_check_failed", "The key does not open what it locks")),
    }
}

fn identities(path: &Path) -> Result<Vec<Identity>> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|e| Error::at("reading the keys in", path, e))?;
    file.take(LONGEST).read_to_string(&mut text).map_err(|e| Error::at("reading the keys in", path, e))?;
    Identity::read(&text, &path.display().to_string())
}

/// A passphrase. Blanks around what a file holds are not meant.
fn reveal(secret: &Secret) -> Result<String> {
    let text = secret.reveal(|path| {
        let text = std::fs::read_to_string(path).map_err(|e| Error::at("reading the passphrase in", path, e))?;
        let text = text.trim();
        if text.len() as u64 > LONGEST || text.chars().any(char::is_control) {
            return Err(Error::usage("bad_secret", format!("Not a single line: {}", path.display())));
        }
        Ok(text.to_owned())
    })?;
    match text.is_empty() {
        true => Err(Error::usage("bad_secret", "The passphrase is empty")),
        false => Ok(text),
    }
}

fn text_of(destination: &dyn Destination, key: &str) -> Result<String> {
    let mut text = String::new();
    let from = destination.get(key, 0)?;
    from.take(LONGEST).read_to_string(&mut text).map_err(|e| Error::io(format!("reading {key}"), e))?;
    Ok(text)
}
