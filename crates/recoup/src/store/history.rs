//! The `history` layout: a backup is made of pieces, of which only the last is its own.
//!
//! ```text
//! <plan>/<stem>.history         what this backup adds to the pieces of others
//! <plan>/<stem>.manifest.json   names every piece that it is made of, with SHA-256
//! ```
//!
//! Pieces are never changed and never moved. A piece goes when no manifest of its plan names it any more ([`super::pieces`]).
//!
//! Not here: the bytes of a piece ([`crate::format::history`]), which one continues which ([`crate::model::history`]), and
//! what is kept here of the last backup ([`super::last`]).

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::files::FilesStore;
use super::keyring::Writer;
use super::last::{self, Captured};
use super::name::{self, PIECES, SEALED};
use super::reading::{base_of, create};
use super::seal::stored_form;
use super::{Listed, Store};
use crate::destination::Staging;
use crate::error::{Error, ErrorKind, Result};
use crate::format::history::{Chain, Encoded, Past, write};
use crate::format::{Packed, proof};
use crate::model::history::History;
use crate::model::{Manifest, Object};
use crate::progress::{Context, Phase};

/// How a store makes histories.
pub(super) struct Histories {
    /// A folder of this machine for the run, where the destination is not here.
    pub scratch: PathBuf,
}

/// The backup that is continued.
struct Parent {
    listed: Listed,
    /// Its pieces that are continued: all of them, or the first ones.
    pieces: Vec<Object>,
    /// Those are all.
    whole: bool,
}

impl FilesStore {
    /// Encodes what was packed, puts what is new of it and fills the manifest.
    pub(super) fn put_piece(
        &self,
        histories: &Histories,
        base: &str,
        packed: &[Packed],
        writer: Option<&Writer>,
        manifest: &mut Manifest,
        context: &Context,
    ) -> Result<Option<Captured>> {
        let root = self.destination.staging_root();
        let staging = Staging::create(root.as_deref().unwrap_or(&histories.scratch))?;
        let piece = staging.path().join("piece");
        let parent = self.parent(&manifest.plan, writer)?;
        let blind = writer.is_some_and(|writer| writer.identity.is_none());
        // What cannot be read back here is not continued either.
        let folder = self.kept_in(&manifest.plan, writer.is_some()).filter(|_| !blind);
        let sources: Vec<(&str, &Path)> = packed.iter().map(|one| (one.extension, one.path.as_path())).collect();
        let (encoded, parent) = self.encode(&piece, &sources, parent, folder.as_deref(), &staging, context)?;

        let stem = name::stem_of(base);
        let object = |(one, encoded): (&Packed, &Encoded)| Object {
            name: format!("{stem}{}", one.extension),
            bytes: encoded.bytes,
            sha256: encoded.sha256.clone(),
        };
        let objects: Vec<Object> = packed.iter().zip(&encoded).map(object).collect();
        if let Some(empty) = objects.iter().find(|object| object.bytes == 0) {
            let text = format!("an empty file is no backup: {}", empty.name);
            return Err(Error::corrupted(text).while_("storing the backup"));
        }
        let unchanged = parent.as_ref().is_some_and(|parent| parent.whole && parent.listed.manifest.holds(&objects));
        let own = Packed { extension: self.free_name(base)?, path: piece };
        let put: &[Packed] = if unchanged { &[] } else { std::slice::from_ref(&own) };
        self.put_plain(base, put, writer, manifest, context)?;

        let own = std::mem::replace(&mut manifest.objects, objects);
        let number = parent.as_ref().and_then(|parent| parent.listed.manifest.history.as_ref()).map(|last| last.number);
        let number = number.map_or(0, |number| number + u64::from(!unchanged));
        let before = parent.as_ref().map(|parent| parent.pieces.clone()).unwrap_or_default();
        if let Some(encryption) = &mut manifest.encryption {
            let stored = before.iter().filter_map(|piece| stored_form(&parent.as_ref()?.listed.manifest, piece));
            encryption.stored = stored.cloned().chain(encryption.stored.drain(..)).collect();
        }
        manifest.history = Some(History { number, pieces: before.into_iter().chain(own).collect() });
        let ours = root.is_some_and(|root| packed.iter().all(|one| one.path.starts_with(&root)));
        let files = packed.iter().zip(encoded).map(|(one, encoded)| (one.extension, one.path.clone(), encoded));
        let files = files.collect();
        Ok(folder.map(|folder| Captured::Now { folder, files, ours }))
    }

    /// Puts a backup of the same bytes as another one: it is made of the same pieces, and nothing is added to them.
    pub(super) fn put_pieces_of(
        &self,
        before: &Manifest,
        base: &str,
        writer: Option<&Writer>,
        manifest: &mut Manifest,
        context: &Context,
    ) -> Result<Captured> {
        let history = before.history.as_ref().filter(|_| same_lock(before, writer));
        let history = history.ok_or_else(|| Error::corrupted("it is not made of pieces that can be used again"))?;
        self.put_plain(base, &[], writer, manifest, context)?;
        let (old, new) = (before.file_stem(), name::stem_of(base));
        let renamed = |object: &Object| {
            let extension = object.name.strip_prefix(&old).unwrap_or_default();
            Object { name: format!("{new}{extension}"), ..object.clone() }
        };
        manifest.objects = before.objects.iter().map(renamed).collect();
        if let Some(encryption) = &mut manifest.encryption {
            encryption.stored = history.pieces.iter().filter_map(|piece| stored_form(before, piece)).cloned().collect();
        }
        manifest.history = Some(history.clone());
        let folder = self.kept_in(&before.plan, writer.is_some()).unwrap_or_default();
        Ok(Captured::Before { folder, id: before.id.clone() })
    }

    /// Writes the piece: against the capture that is kept, else against the pieces at the destination, else whole. Nothing
    /// that is damaged is continued.
    fn encode(
        &self,
        piece: &Path,
        sources: &[(&str, &Path)],
        parent: Option<Parent>,
        folder: Option<&Path>,
        staging: &Staging,
        context: &Context,
    ) -> Result<(Vec<Encoded>, Option<Parent>)> {
        let total = sources.iter().filter_map(|(_, path)| Some(fs::metadata(path).ok()?.len())).sum();
        let go = |past: Option<&mut dyn Past>| {
            let _ = fs::remove_file(piece);
            context.observer.phase(Phase::Pack, "history", Some(total));
            write(piece, sources, past, context)
        };
        let Some(parent) = parent else { return Ok((go(None)?, None)) };
        let is_damage = |error: &Error| matches!(error.kind(), ErrorKind::Corrupted | ErrorKind::NotFound);
        if parent.whole
            && let Some(mut kept) = folder.and_then(|folder| last::kept(folder, &parent.listed.manifest.id, sources))
        {
            match go(Some(&mut kept)) {
                Err(error) if is_damage(&error) => {
                    context.observer.note(&format!("The last capture is not used: {error}: {}", error.detail()));
                }
                other => return Ok((other?, Some(parent))),
            }
        }
        let chain = self.pieces_here(&parent.listed.manifest, &parent.pieces, staging.path(), context);
        let written = chain.and_then(|paths| {
            let mut chain = Chain::open(paths.iter().map(PathBuf::as_path))?;
            go(Some(&mut chain))
        });
        match written {
            Err(error) if is_damage(&error) => {
                let text =
                    format!("A new history begins, because the last one is damaged: {error}: {}", error.detail());
                context.observer.note(&text);
                Ok((go(None)?, None))
            }
            other => Ok((other?, Some(parent))),
        }
    }

    /// An extension that no piece of this backup has: of a damaged copy that is replaced the piece may still be needed.
    fn free_name(&self, base: &str) -> Result<&'static str> {
        let there = self.destination.list(base)?;
        let is_free = |extension: &&&str| {
            let key = format!("{base}{extension}");
            !there.iter().any(|object| object.key == key || object.key == format!("{key}{SEALED}"))
        };
        let taken = || {
            let text = format!("Too many pieces are called {}", name::stem_of(base));
            Error::new(ErrorKind::WouldOverwrite, "would_overwrite", text)
        };
        PIECES.iter().find(is_free).copied().ok_or_else(taken)
    }

    /// The newest backup of the plan that a new one can continue.
    fn parent(&self, plan: &str, writer: Option<&Writer>) -> Result<Option<Parent>> {
        let listing = self.list(Some(plan))?;
        let newest = listing.backups.into_iter().find(|listed| {
            let manifest = &listed.manifest;
            manifest.history.is_some() && listed.missing.is_empty() && same_lock(manifest, writer)
        });
        let Some(listed) = newest else { return Ok(None) };
        let Some(history) = &listed.manifest.history else { return Ok(None) };
        let Some(pieces) = history.continued().map(<[Object]>::to_vec) else { return Ok(None) };
        let whole = pieces.len() == history.pieces.len();
        Ok(Some(Parent { pieces, whole, listed }))
    }

    /// Makes one object of a backup from its pieces.
    pub(super) fn rebuild(
        &self,
        manifest: &Manifest,
        object: &Object,
        scratch: &Path,
        context: &Context,
    ) -> Result<PathBuf> {
        let base = base_of(manifest)?;
        let extension = object.name.strip_prefix(name::stem_of(&base)).unwrap_or_default();
        let history = manifest.history.as_ref().filter(|history| history.is_whole());
        let pieces = history.map(|history| history.pieces.as_slice());
        let pieces = pieces.ok_or_else(|| Error::corrupted("it names another number of pieces than it has"))?;
        let folder = scratch.join(format!(".pieces-{}", object.name));
        let doing = |e| Error::at("making", &folder, e);
        fs::DirBuilder::new().mode(0o700).recursive(true).create(&folder).map_err(doing)?;
        let path = scratch.join(&object.name);
        let made = self.pieces_here_unproven(manifest, pieces, &folder, context).and_then(|paths| {
            let mut chain = Chain::open(paths.iter().map(PathBuf::as_path))?;
            let file = create(&path)?;
            let mut file = std::io::BufWriter::with_capacity(1 << 20, file);
            let found = chain.extract(extension, &mut file, context)?;
            file.into_inner().map_err(|e| Error::at("writing", &path, e.into_error()))?;
            if found != (object.bytes, object.sha256.clone()) {
                return Err(Error::corrupted("what its pieces give does not have the SHA-256 of the manifest"));
            }
            Ok(())
        });
        let _ = fs::remove_dir_all(&folder);
        if let Err(error) = made {
            let _ = fs::remove_file(&path);
            // The next backup shall look at the pieces themselves.
            if error.kind() == ErrorKind::Corrupted {
                self.forget_capture(manifest);
            }
            return Err(error.while_(format!("putting {} together", object.name)));
        }
        Ok(path)
    }

    /// Pieces as files on this machine, each what the manifest says.
    fn pieces_here(
        &self,
        manifest: &Manifest,
        pieces: &[Object],
        folder: &Path,
        context: &Context,
    ) -> Result<Vec<PathBuf>> {
        let paths = self.pieces_here_unproven(manifest, pieces, folder, context)?;
        // What was fetched into the folder has been compared on the way.
        for (path, piece) in paths.iter().zip(pieces).filter(|(path, _)| !path.starts_with(folder)) {
            proof::is_object(path, piece, context)?;
        }
        Ok(paths)
    }

    /// Pieces as files on this machine. What was downloaded has been compared; what lies here has not.
    fn pieces_here_unproven(
        &self,
        manifest: &Manifest,
        pieces: &[Object],
        folder: &Path,
        context: &Context,
    ) -> Result<Vec<PathBuf>> {
        pieces.iter().map(|piece| self.fetch(manifest, piece, folder, context)).collect()
    }
}

/// Whether a backup can be opened here, and what it is locked with is what a new one is.
pub(super) fn same_lock(manifest: &Manifest, writer: Option<&Writer>) -> bool {
    let keys = writer.map(|writer| writer.keys.as_slice()).unwrap_or_default();
    let locked = manifest.encryption.as_ref().map(|encryption| encryption.keys.as_slice()).unwrap_or_default();
    manifest.opened().is_ok() && locked == keys
}
