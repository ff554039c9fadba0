//! Encrypted backups: objects, or the pieces of a history, are encrypted on their way to the destination and decrypted on
//! their way back, and the manifest keeps in the clear only what listing, checksums and retention need.
//!
//! Not here: ciphers ([`super::cipher`]) and keys ([`super::keyring`]).

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::cipher;
use super::files::FilesStore;
use super::keyring::{Place, Writer};
use super::reading::{create, write_out};
use super::{Store, name};
use crate::destination::Staging;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Packed;
use crate::model::backup::SEALED_VERSION;
use crate::model::encryption::{Encryption, Opening, Protection};
use crate::model::{Manifest, Object, Warning};
use crate::progress::{Context, Phase};

const CHUNK: usize = 256 << 10;

/// How an object of an opened manifest lies at the destination; `None` when it lies there as it is.
pub(super) fn stored_form<'a>(manifest: &'a Manifest, object: &Object) -> Option<&'a Object> {
    let name = format!("{}{}", object.name, name::SEALED);
    manifest.encryption.as_ref()?.stored.iter().find(|stored| stored.name == name)
}

impl FilesStore {
    /// What new backups of a plan are locked with.
    pub(super) fn writer(&self, plan: &str, context: &Context) -> Result<Option<Writer>> {
        let Some(keyring) = &self.keyring else { return Ok(None) };
        keyring.writer(&Place { destination: self.destination.as_ref(), now: self.clock.now(), context }, plan)
    }

    pub(super) fn sealing(&self, plan: &str) -> Protection {
        match self.keyring.as_ref().and_then(|keyring| keyring.keys().of(plan)) {
            None => Protection::Plain,
            Some((lock, _)) if self.keyring.as_ref().is_some_and(|keyring| keyring.reads(lock)) => Protection::Sealed,
            Some(_) => Protection::Blind,
        }
    }

    /// Encrypts and puts, and fills the manifest with what was put.
    pub(super) fn seal(
        &self,
        base: &str,
        packed: &[Packed],
        writer: &Writer,
        manifest: &mut Manifest,
        context: &Context,
    ) -> Result<()> {
        let mut plain = Vec::new();
        let stored = self.put_sealed(base, packed, writer, context, &mut plain);
        manifest.objects = plain;
        let opening = if writer.identity.is_some() { Opening::Open } else { Opening::NoKey };
        let (keys, locked_key) = (writer.keys.clone(), writer.locked_key.clone());
        let sealed = String::new();
        manifest.encryption = Some(Encryption { keys, locked_key, sealed, opening, stored: stored? });
        Ok(())
    }

    pub(super) fn key_checked(&self, plan: &str, context: &Context) -> Result<Vec<Warning>> {
        let Some(writer) = self.writer(plan, context)? else { return Ok(Vec::new()) };
        if writer.identity.is_some() {
            return Ok(Vec::new());
        }
        let same = |manifest: &Manifest| manifest.encryption.as_ref().is_some_and(|e| e.keys == writer.keys);
        if self.list(Some(plan))?.backups.iter().any(|listed| same(&listed.manifest)) {
            return Ok(Vec::new());
        }
        let text = format!(
            "Backups at {} are made with key {}, which this machine does not have: that it opens them cannot be proven here",
            self.destination.describe(),
            writer.keys.join(", ")
        );
        Ok(vec![Warning::new("key_not_here", text)])
    }

    /// Encrypts the files and puts them; fills `plain` with what they are before, and gives what lies there.
    fn put_sealed(
        &self,
        base: &str,
        packed: &[Packed],
        writer: &Writer,
        context: &Context,
        plain: &mut Vec<Object>,
    ) -> Result<Vec<Object>> {
        let elsewhere = self.keyring.as_ref().map(|keyring| keyring.scratch().to_owned()).unwrap_or_default();
        let staging = Staging::create(&self.destination.staging_root().unwrap_or(elsewhere))?;
        let mut stored = Vec::new();
        for packed in packed {
            context.check()?;
            let sealed = staging.path().join("sealed.age");
            let (bytes, sha256) = seal_file(&packed.path, &sealed, writer, context)?;
            if bytes == 0 {
                return Err(Error::corrupted("an empty file is no backup").while_("storing the backup"));
            }
            let extension = format!("{}{}", packed.extension, name::SEALED);
            let put = self.put_one(&format!("{base}{extension}"), &sealed, context)?;
            let _ = fs::remove_file(&sealed);
            let stem = name::stem_of(base);
            plain.push(Object { name: format!("{stem}{}", packed.extension), bytes, sha256 });
            stored.push(Object { name: format!("{stem}{extension}"), bytes: put.bytes, sha256: put.sha256 });
        }
        Ok(stored)
    }

    /// The manifest as it is stored: outer facts, and all of it sealed.
    pub(super) fn outer(plain: &Manifest, writer: Writer, stored: Vec<Object>) -> Result<Manifest> {
        let encryption = Encryption {
            sealed: cipher::seal_text(&plain.to_json()?, &writer.recipients)?,
            keys: writer.keys,
            locked_key: writer.locked_key,
            opening: Opening::NoKey,
            stored: Vec::new(),
        };
        Ok(Manifest {
            recoup_manifest: plain.recoup_manifest.max(SEALED_VERSION),
            label: None,
            host: None,
            audit: None,
            parts: Vec::new(),
            warnings: Vec::new(),
            objects: stored,
            history: None,
            state: None,
            encryption: Some(encryption),
            ..plain.clone()
        })
    }

    /// Opens a manifest that is encrypted, when there is a key for it.
    ///
    /// Errors: `backup_corrupted` when what is sealed in it is damaged or of another backup.
    pub(super) fn unsealed(&self, mut outer: Manifest) -> Result<Manifest> {
        let (Some(encryption), Some(keyring)) = (&mut outer.encryption, &self.keyring) else { return Ok(outer) };
        let locked = || {
            let mut all: Vec<String> = encryption.locked_key.iter().cloned().collect();
            all.extend(keyring.locked_at(self.destination.as_ref(), &encryption.keys));
            all
        };
        let identity = match keyring.find(&encryption.keys, locked) {
            Ok(identity) => identity,
            Err(opening) => {
                encryption.opening = opening;
                return Ok(outer);
            }
        };
        let Some(bytes) = cipher::open_text(&encryption.sealed, std::slice::from_ref(&identity))? else {
            encryption.opening = Opening::Refused(format!("key {} does not open it", identity.fingerprint()));
            return Ok(outer);
        };
        let inner = Manifest::parse(&bytes)?;
        let facts = |m: &Manifest| (m.id.clone(), m.plan.clone(), m.kind, m.format, m.created_at, m.verified);
        let objects = inner.unsealed().iter().map(|object| format!("{}{}", object.name, name::SEALED));
        if facts(&inner) != facts(&outer) || !objects.eq(outer.objects.iter().map(|object| object.name.clone())) {
            return Err(Error::corrupted("what is sealed in it describes another backup"));
        }
        let encryption = outer.encryption.map(|encryption| Encryption {
            opening: Opening::Open,
            stored: outer.objects,
            // It has done its work, and may be long.
            sealed: String::new(),
            ..encryption
        });
        Ok(Manifest { encryption, ..inner })
    }

    /// Downloads and decrypts one object, hashing what comes and what it holds.
    pub(super) fn fetch_sealed(
        &self,
        manifest: &Manifest,
        object: &Object,
        stored: &Object,
        scratch: &Path,
        context: &Context,
    ) -> Result<PathBuf> {
        let lost = || Error::new(ErrorKind::Denied, "key_needed", "A key is needed");
        let (encryption, keyring) = manifest.encryption.as_ref().zip(self.keyring.as_ref()).ok_or_else(lost)?;
        let identity = keyring.find(&encryption.keys, || encryption.locked_key.iter().cloned().collect());
        let identity = identity.map_err(|_| lost())?;
        let key = format!("{}/{}", manifest.plan, stored.name);
        let doing = format!("decrypting {key}");
        let from = self.destination.get(&key, 0)?;
        let mut hashed = Hashing { from, hash: Sha256::new(), bytes: 0 };
        let path = scratch.join(&object.name);
        let written = unseal(&mut hashed, &identity, &path, context).and_then(|found| {
            if (hashed.bytes, HEXLOWER.encode(&hashed.hash.finalize())) != (stored.bytes, stored.sha256.clone()) {
                return Err(Error::corrupted("its SHA-256 is not the manifest's"));
            }
            if found != (object.bytes, object.sha256.clone()) {
                return Err(Error::corrupted("what it holds does not have the SHA-256 of the manifest"));
            }
            Ok(())
        });
        if let Err(error) = written {
            let _ = fs::remove_file(&path);
            return Err(error.while_(doing));
        }
        Ok(path)
    }
}

/// Encrypts a file, and proves that it comes back where there is a key for that. Length and SHA-256 of what it holds.
fn seal_file(from: &Path, to: &Path, writer: &Writer, context: &Context) -> Result<(u64, String)> {
    context.observer.phase(Phase::Pack, "encryption", fs::metadata(from).ok().map(|meta| meta.len()));
    let file = File::open(from).map_err(|e| Error::at("opening", from, e))?;
    let mut plain = Hashing { from: Watched { from: file, context }, hash: Sha256::new(), bytes: 0 };
    let out = BufWriter::with_capacity(CHUNK, create(to)?);
    let out = cipher::encrypt(&writer.recipients, BufReader::with_capacity(CHUNK, &mut plain), out, "encrypting")?;
    out.into_inner().map_err(|e| Error::at("writing", to, e.into_error()))?;
    let found = (plain.bytes, HEXLOWER.encode(&plain.hash.finalize()));
    if let Some(identity) = &writer.identity {
        let file = File::open(to).map_err(|e| Error::at("opening", to, e))?;
        let back = cipher::decrypted(BufReader::with_capacity(CHUNK, file), std::slice::from_ref(identity))?;
        let mut back = Hashing { from: back.ok_or_else(unproven)?, hash: Sha256::new(), bytes: 0 };
        io::copy(&mut back, &mut io::sink()).map_err(|e| cipher::unreadable("decrypting", e))?;
        if found != (back.bytes, HEXLOWER.encode(&back.hash.finalize())) {
            return Err(unproven());
        }
    }
    Ok(found)
}

fn unproven() -> Error {
    Error::new(ErrorKind::Failed, "proof_failed", "The encrypted backup does not read back right")
        .hint("this is a fault of the disk, the memory or of recoup; nothing was published")
}

/// Decrypts into a new file; length and SHA-256 of what was in it. Reads to the very end.
fn unseal(from: &mut impl Read, identity: &cipher::Identity, to: &Path, context: &Context) -> Result<(u64, String)> {
    let mut buffered = BufReader::with_capacity(CHUNK, from);
    let refused = || Error::corrupted("its key is not that of its manifest");
    let mut reader = cipher::decrypted(&mut buffered, std::slice::from_ref(identity))?.ok_or_else(refused)?;
    let found = write_out(&mut reader, to, |e| cipher::unreadable("reading", e), context)?;
    drop(reader);
    io::copy(&mut buffered, &mut io::sink()).map_err(|e| Error::io("reading", e))?;
    Ok(found)
}

/// Hashes what passes.
struct Hashing<R> {
    from: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.hash.update(buffer.get(..n).unwrap_or_default());
        self.bytes += n as u64;
        Ok(n)
    }
}

/// Tells how far it is, and stops when it is asked to.
struct Watched<'a, R> {
    from: R,
    context: &'a Context,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.context.advance(n as u64)?;
        Ok(n)
    }
}
