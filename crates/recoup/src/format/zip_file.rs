//! The file below a `ZipWriter`, made safe for one that is dropped unfinished: it then tries to finish the file,
//! and in debug builds asserts that the position never goes back. On a full disk it does, when bytes that were
//! taken could not be written, and the assertion is a panic in a destructor.
//!
//! After the first error, which is returned as always, this takes all bytes, counts them, writes none and stays at
//! the end.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

/// A buffered file that knows its position without asking, and stays broken once it is.
pub struct ZipFile {
    file: BufWriter<File>,
    position: u64,
    end: u64,
    broken: Option<(Option<i32>, io::ErrorKind)>,
}

impl ZipFile {
    /// Buffers `capacity` bytes before an empty file.
    pub fn new(capacity: usize, file: File) -> Self {
        ZipFile { file: BufWriter::with_capacity(capacity, file), position: 0, end: 0, broken: None }
    }

    /// The file with every byte handed to the system, or the error that there has been.
    pub fn into_file(self) -> io::Result<File> {
        match self.broken {
            Some((Some(code), _)) => Err(io::Error::from_raw_os_error(code)),
            Some((None, kind)) => Err(kind.into()),
            None => self.file.into_inner().map_err(|error| error.into_error()),
        }
    }

    fn tell<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.broken = Some((error.raw_os_error(), error.kind()));
            // It may have been on its way back to a header: nothing shall see that.
            self.position = self.end;
        }
        result
    }
}

impl Write for ZipFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = if self.broken.is_some() {
            bytes.len()
        } else {
            let written = self.file.write(bytes);
            self.tell(written)?
        };
        self.position += taken as u64;
        self.end = self.end.max(self.position);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.broken.is_some() {
            return Ok(());
        }
        let flushed = self.file.flush();
        self.tell(flushed)
    }
}

impl Seek for ZipFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if self.broken.is_some() {
            return Ok(self.position);
        }
        let wanted = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.end.checked_add_signed(offset),
        };
        let wanted = wanted.ok_or(io::ErrorKind::InvalidInput)?;
        let sought = self.file.seek(SeekFrom::Start(wanted));
        self.tell(sought)?;
        self.position = wanted;
        Ok(wanted)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn full(capacity: usize) -> ZipFile {
        ZipFile::new(capacity, File::options().write(true).open("/dev/full").unwrap())
    }

    #[test]
    fn an_unfinished_zip_on_a_full_disk_is_dropped_in_peace() {
        // A large buffer is first written when the end of a member goes back to its header.
        for (capacity, bytes) in [(16, 0), (16, 100), (16, 100_000), (1 << 20, 0), (1 << 20, 100_000)] {
            let mut zip = ZipWriter::new(full(capacity));
            let mut write = || -> io::Result<()> {
                zip.start_file("a", SimpleFileOptions::default())?;
                zip.write_all(&vec![7; bytes])?;
                zip.start_file("b", SimpleFileOptions::default())?;
                Ok(())
            };
            assert_eq!(write().unwrap_err().kind(), io::ErrorKind::StorageFull);
            drop(zip);
        }
    }

    #[test]
    fn an_error_is_not_forgotten() {
        let mut file = full(16);
        assert!(file.write_all(&[1; 100]).is_err());
        let before = file.stream_position().unwrap();
        file.write_all(&[1; 100]).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        assert_eq!(file.stream_position().unwrap(), before + 100);
        assert_eq!(file.into_file().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
