//! Several files of one backup as one ZIP, to be handed out. No backup is kept like this.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::fresh_file::FreshFile;
use super::zip_file::ZipFile;
use crate::error::{Error, Result};
use crate::progress::Context;

/// Bytes that are copied at once.
const CHUNK: u64 = 1 << 20;

/// Writes the files, under their names, to the new file `to` (0600).
pub fn write(to: &Path, files: &[(String, PathBuf)], context: &Context) -> Result<()> {
    let (fresh, file) = FreshFile::create(to)?;
    let writing = |error: zip::result::ZipError| Error::at("writing", to, io::Error::from(error));
    let mut zip = ZipWriter::new(ZipFile::new(1 << 18, file));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .unix_permissions(0o600)
        .large_file(true);
    for (name, path) in files {
        zip.start_file(name, options).map_err(writing)?;
        let mut from = File::open(path).map_err(|e| Error::at("opening", path, e))?;
        loop {
            let n = io::copy(&mut (&mut from).take(CHUNK), &mut zip).map_err(|e| Error::at("packing", path, e))?;
            if n == 0 {
                break;
            }
            context.advance(n)?;
        }
    }
    let file = zip.finish().map_err(writing)?;
    file.into_file().map_err(|e| Error::at("writing", to, e))?;
    fresh.keep();
    Ok(())
}
