//! Any bytes as an archive, and any members in a well-formed one that is then damaged: the policy refuses or every
//! member reads as its directory says. Nothing else may come out.
#![no_main]

use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use recoup::ErrorKind;
use recoup::format::archive::policy::{Limits, Names};
use recoup::format::archive::reader::ArchiveReader;
use recoup::format::foreign;
use recoup::progress::Context;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn scratch() -> &'static PathBuf {
    static SCRATCH: OnceLock<PathBuf> = OnceLock::new();
    SCRATCH.get_or_init(|| {
        let folder = PathBuf::from(format!("/dev/shm/recoup-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder in memory");
        folder
    })
}

/// Bytes taken from the front.
fn take<'a>(data: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (head, rest) = data.split_at(n.min(data.len()));
    *data = rest;
    head
}

fn byte(data: &mut &[u8]) -> usize {
    take(data, 1).first().map_or(0, |byte| usize::from(*byte))
}

/// A well-formed archive of the members that the bytes describe, with up to three of its bytes changed.
fn built(mut data: &[u8]) -> Vec<u8> {
    let patches = byte(&mut data) % 4;
    let patches: Vec<&[u8]> = (0..patches).map(|_| take(&mut data, 3)).collect();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    while !data.is_empty() {
        let how = byte(&mut data);
        let known = ["database.db", "settings.json", "metadata.json", "RESTORE.txt"];
        let name = match how % 8 {
            n @ 0..4 => known[n].to_owned(),
            _ => {
                let length = byte(&mut data);
                format!("t/{}", String::from_utf8_lossy(take(&mut data, length)))
            }
        };
        let method = if how & 8 == 0 { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        let mode = if how & 16 == 0 { 0o644 } else { byte(&mut data) as u32 * 256 };
        let options = SimpleFileOptions::default().compression_method(method).unix_permissions(mode);
        if zip.start_file(name, options).is_err() {
            break;
        }
        let length = byte(&mut data) * if how & 32 == 0 { 1 } else { 64 };
        if zip.write_all(take(&mut data, length)).is_err() {
            break;
        }
    }
    let mut bytes = zip.finish().map(Cursor::into_inner).unwrap_or_default();
    for patch in patches {
        if let [high, low, value] = *patch
            && !bytes.is_empty()
        {
            let at = (usize::from(high) << 8 | usize::from(low)) % bytes.len();
            bytes[at] = value;
        }
    }
    bytes
}

fuzz_target!(|data: &[u8]| {
    let Some((mode, data)) = data.split_first() else { return };
    let path = scratch().join("archive.zip");
    let bytes = if mode & 1 == 0 { data.to_vec() } else { built(data) };
    fs::write(&path, &bytes).expect("a file in memory");
    let context = Context::quiet();
    for names in [Names::Sealed, Names::Foreign] {
        let limits = Limits { bytes: 8 << 20, names, ..Limits::upload() };
        let mut reader = match ArchiveReader::of_file(File::open(&path).expect("it is there"), &limits) {
            Ok(reader) => reader,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupted, "{error:?}");
                continue;
            }
        };
        let mut total = 0;
        for member in reader.members().collect::<Vec<_>>() {
            let member = member.expect("it was judged");
            let leads_away =
                member.name.split('/').any(|part| matches!(part, "." | "..")) || member.name.starts_with('/');
            assert!(!leads_away, "{:?}", member.name);
            match reader.read_member(&member.name, &context, &mut |chunk| Ok(total += chunk.len() as u64)) {
                Ok((length, _)) => assert_eq!(length, member.size),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupted, "{error:?}"),
            }
        }
        assert!(total <= limits.bytes);
    }
    let limits = Limits { bytes: 8 << 20, ..Limits::upload() };
    match foreign::open(&path, &limits, scratch(), &context) {
        Ok((mut reader, manifest)) => {
            assert_eq!(reader.check(&manifest, &context).expect("it reads again"), []);
            for part in manifest.parts.iter().filter(|part| part.directory.is_some()) {
                let to = scratch().join("tree");
                let done = reader.extract_part(part, &to, &context);
                let _ = fs::remove_dir_all(&to);
                // Names of our own archives may be longer than any file system takes.
                assert!(done.is_ok() || manifest.kind != recoup::model::Kind::Upload, "{done:?}");
            }
        }
        Err(error) => assert!(matches!(error.kind(), ErrorKind::Corrupted | ErrorKind::Unsupported), "{error:?}"),
    }
    let left = fs::read_dir(scratch()).expect("it is there").count();
    assert_eq!(left, 1, "something stayed in scratch");
});
