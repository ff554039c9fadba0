//! From what sources emit to finished files in staging, whatever the format: the archive takes entries as
//! they come, the single-database formats take the staged copy and export from it at the end.
//!
//! Not here: the bytes of each format; those are in the files named after them.

use std::path::{Path, PathBuf};

use super::archive::writer::{ArchiveWriter, PartBody};
use super::{Packed, csv, json};
use crate::error::{Error, Result};
use crate::model::{Content, Entry, Format, Manifest, PartKind, Sink};
use crate::progress::Context;

/// Takes the parts of one backup, one after the other.
pub struct Packer {
    directory: PathBuf,
    format: Format,
    queries: Vec<(String, String)>,
    context: Context,
    shape: Shape,
}

enum Shape {
    Archive { path: PathBuf, writer: Box<ArchiveWriter> },
    Single(Single),
}

/// The one staged database of `database`, `json`, `csv` and `both`.
#[derive(Default)]
struct Single {
    staged: Option<PathBuf>,
}

impl Packer {
    /// Starts in `directory` (private, in staging). `parts` are the kinds of what will come, so that a format
    /// that cannot hold them is refused before anything is read.
    pub fn create(
        format: Format,
        parts: &[PartKind],
        queries: &[(String, String)],
        directory: &Path,
        context: &Context,
    ) -> Result<Self> {
        let databases = parts.iter().filter(|kind| **kind == PartKind::Database).count();
        if !queries.is_empty() && !matches!(format, Format::Json | Format::Both) {
            return Err(Error::usage(
                "queries_need_json",
                format!("Queries make a curated JSON export, not '{format}'"),
            )
            .hint("set the plan's format to 'json', or remove its export"));
        }
        let shape = match format {
            Format::Archive => {
                let path = directory.join("archive.zip");
                let writer = ArchiveWriter::create(&path, databases == 1, context)?;
                Shape::Archive { path, writer: Box::new(writer) }
            }
            Format::Database | Format::Json | Format::Csv | Format::Both => {
                if databases != 1 || parts.len() != 1 {
                    return Err(Error::usage(
                        "format_holds_one_database",
                        format!("The format '{format}' holds exactly one database and nothing else"),
                    )
                    .hint("use the format 'archive' for several databases, directories, files or settings"));
                }
                Shape::Single(Single::default())
            }
        };
        Ok(Packer {
            directory: directory.to_owned(),
            format,
            queries: queries.to_vec(),
            context: context.clone(),
            shape,
        })
    }

    /// Writes without compressing, where the format allows it: for backups that somebody waits for.
    pub fn quick(mut self) -> Self {
        if let Shape::Archive { path, writer } = self.shape {
            self.shape = Shape::Archive { path, writer: Box::new(writer.quick()) };
        }
        self
    }

    /// Begins a part; its entries go to the returned sink.
    pub fn begin(&mut self, kind: PartKind, name: &str) -> Result<&mut dyn Sink> {
        match &mut self.shape {
            Shape::Archive { writer, .. } => {
                writer.begin_part(kind, name)?;
                Ok(writer.as_mut())
            }
            Shape::Single(single) => Ok(single),
        }
    }

    /// Ends a part. Outside of archives the body is what the object will be, and known only when it is stored.
    pub fn end(&mut self) -> Result<Option<PartBody>> {
        match &mut self.shape {
            Shape::Archive { writer, .. } => writer.end_part().map(Some),
            Shape::Single(_) => Ok(None),
        }
    }

    /// Finishes the files. `manifest` is complete but for its objects.
    pub fn finish(self, manifest: &Manifest) -> Result<Vec<Packed>> {
        let staged = match self.shape {
            Shape::Archive { path, writer } => {
                writer.finish(manifest)?;
                return Ok(vec![Packed { extension: ".zip", path }]);
            }
            Shape::Single(single) => single
                .staged
                .ok_or_else(|| Error::new(crate::ErrorKind::Failed, "source_empty", "The source gave no database"))?,
        };
        let mut packed = Vec::new();
        if matches!(self.format, Format::Json | Format::Both) {
            let path = self.directory.join("export.json");
            let part = manifest.parts.first();
            let header = json::ExportHeader {
                exported_at: manifest.created_at,
                backup_type: manifest.kind,
                name: part.map(|part| part.name.clone()).unwrap_or_default(),
                journal_mode: part.and_then(|part| part.database.as_ref()).map(|facts| facts.journal_mode.clone()),
            };
            json::export(&staged, &header, &self.queries, &path, &self.context)?;
            packed.push(Packed { extension: ".json", path });
        }
        if self.format == Format::Csv {
            let path = self.directory.join("export.csv.zip");
            csv::export(&staged, &path, &self.context)?;
            packed.push(Packed { extension: ".csv.zip", path });
        }
        if matches!(self.format, Format::Database | Format::Both) {
            packed.insert(0, Packed { extension: ".db", path: staged });
        }
        Ok(packed)
    }
}

impl Sink for Single {
    fn entry(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        match content {
            Content::Staged(path) if self.staged.is_none() => {
                self.staged = Some(path.to_owned());
                Ok(())
            }
            _ => Err(Error::usage("format_holds_one_database", format!("Unexpected entry {}", entry.path))),
        }
    }

    fn retract(&mut self) -> Result<()> {
        self.staged = None;
        Ok(())
    }
}
