//! The promises of [`Destination`], as tests. Use: `recoup_testkit::destination_contract!(fresh);` where
//! `fresh` makes an empty [`Fixture`].

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use recoup::destination::{Body, Destination, Staging};
use recoup::progress::{Cancel, Context, Observer};
use recoup::{Error, ErrorKind};
use sha2::{Digest, Sha256};

use super::Fixture;

#[macro_export]
macro_rules! destination_contract {
    ($fresh:expr) => {
        $crate::contract_cases! { destination, $fresh,
            an_object_comes_back_as_it_went_in
            an_object_can_be_read_from_any_offset
            a_file_comes_back_as_it_went_in
            a_staged_file_comes_back_as_it_went_in
            the_same_bytes_again_are_success
            other_bytes_are_refused_and_nothing_is_replaced
            the_list_is_complete_sorted_and_by_prefix
            a_put_cancelled_at_any_chunk_leaves_nothing
            a_put_that_cannot_read_its_file_leaves_nothing
            deleting_what_is_absent_is_success
            a_deleted_key_can_be_used_again
            what_is_absent_is_not_found
            a_key_never_leaves_the_destination
            a_sweep_keeps_what_is_finished
            a_sweep_leaves_a_working_put_alone
            of_many_puts_at_once_one_wins_and_the_same_bytes_all_succeed
            free_space_is_told_or_unknown
        }
    };
}

type Place = Fixture<dyn Destination>;

/// Bytes that do not compress and are never the same for two seeds.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(place: &Place, key: &str, from: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    place.subject.get(key, from)?.read_to_end(&mut bytes).unwrap();
    Ok(bytes)
}

fn keys(place: &Place, prefix: &str) -> Vec<String> {
    place.subject.list(prefix).unwrap().into_iter().map(|object| object.key).collect()
}

fn put(place: &Place, key: &str, bytes: &[u8]) {
    place.subject.put(key, Body::Bytes(bytes), &Context::quiet()).unwrap();
}

fn file_in(directory: &Path, bytes: &[u8]) -> std::path::PathBuf {
    let path = directory.join("body");
    std::fs::write(&path, bytes).unwrap();
    path
}

pub fn an_object_comes_back_as_it_went_in(place: &Place) {
    for (i, length) in [0, 1, 4095, 4096, (1 << 20) - 1, 1 << 20, (3 << 20) + 7].into_iter().enumerate() {
        let bytes = noise(i as u64 + 1, length);
        let key = format!("plan/object-{length}.zip");
        let stored = place.subject.put(&key, Body::Bytes(&bytes), &Context::quiet()).unwrap();
        assert_eq!((stored.bytes, stored.sha256), (length as u64, sha256(&bytes)));
        assert!(read(place, &key, 0).unwrap() == bytes, "{key}");
        if let Some(path) = place.subject.local_path(&key) {
            assert!(std::fs::read(path).unwrap() == bytes, "{key} in place");
        }
    }
}

pub fn an_object_can_be_read_from_any_offset(place: &Place) {
    let bytes = noise(7, 300_000);
    put(place, "a/b", &bytes);
    for from in [0, 1, 65_536, 299_999, 300_000, 300_001, 1 << 40] {
        let rest = bytes.get(from..).unwrap_or_default();
        assert!(read(place, "a/b", from as u64).unwrap() == rest, "from {from}");
    }
}

pub fn a_file_comes_back_as_it_went_in(place: &Place) {
    let outside = tempfile::tempdir().unwrap();
    let bytes = noise(3, (2 << 20) + 1);
    let path = file_in(outside.path(), &bytes);
    let stored = place.subject.put("a/b.db", Body::File(&path), &Context::quiet()).unwrap();
    assert_eq!((stored.bytes, stored.sha256), (bytes.len() as u64, sha256(&bytes)));
    assert!(read(place, "a/b.db", 0).unwrap() == bytes);
}

pub fn a_staged_file_comes_back_as_it_went_in(place: &Place) {
    let Some(root) = place.subject.staging_root() else { return };
    let staging = Staging::create(&root).unwrap();
    let bytes = noise(4, (2 << 20) + 1);
    let path = file_in(staging.path(), &bytes);
    let stored = place.subject.put("a/b.db", Body::File(&path), &Context::quiet()).unwrap();
    assert_eq!((stored.bytes, stored.sha256), (bytes.len() as u64, sha256(&bytes)));
    drop(staging);
    assert!(read(place, "a/b.db", 0).unwrap() == bytes);
}

pub fn the_same_bytes_again_are_success(place: &Place) {
    let outside = tempfile::tempdir().unwrap();
    let bytes = noise(5, 100_000);
    let first = place.subject.put("a/b", Body::Bytes(&bytes), &Context::quiet()).unwrap();
    let again = place.subject.put("a/b", Body::Bytes(&bytes), &Context::quiet()).unwrap();
    let path = file_in(outside.path(), &bytes);
    let file = place.subject.put("a/b", Body::File(&path), &Context::quiet()).unwrap();
    assert_eq!((&first, &first), (&again, &file));
    assert_eq!(keys(place, ""), ["a/b"]);
}

pub fn other_bytes_are_refused_and_nothing_is_replaced(place: &Place) {
    let outside = tempfile::tempdir().unwrap();
    let bytes = noise(6, 100_000);
    put(place, "a/b", &bytes);
    for other in [noise(8, 100_000), noise(6, 99_999), Vec::new()] {
        let path = file_in(outside.path(), &other);
        for body in [Body::Bytes(&other), Body::File(&path)] {
            let error = place.subject.put("a/b", body, &Context::quiet()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldOverwrite);
        }
    }
    assert!(read(place, "a/b", 0).unwrap() == bytes);
    assert_eq!(keys(place, ""), ["a/b"]);
    assert_eq!(place.subject.sweep().unwrap(), Vec::<String>::new());
}

pub fn the_list_is_complete_sorted_and_by_prefix(place: &Place) {
    let mut all: Vec<String> = (0..150).map(|i| format!("shop/{i:03}.zip")).collect();
    all.extend((0..20).map(|i| format!("shop-2/{i}.zip")));
    all.extend(["top", "deep/er/still/x", "shop.zip", "Shop/y", "sh\u{f6}p/\u{1f512} key"].map(String::from));
    for key in &all {
        put(place, key, key.as_bytes());
    }
    all.sort();
    assert_eq!(keys(place, ""), all);
    for prefix in ["shop/", "shop", "shop/1", "shop-2/", "deep/er/", "deep/e", "top", "nothing/", "shop/000.zip/"] {
        let expected: Vec<&String> = all.iter().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(keys(place, prefix).iter().collect::<Vec<_>>(), expected, "{prefix}");
    }
    for object in place.subject.list("").unwrap() {
        assert_eq!(object.bytes, object.key.len() as u64);
    }
}

/// Cancels when so many bytes have been reported.
struct CancelAt(Cancel, AtomicU64);
impl Observer for CancelAt {
    fn advance(&self, bytes: u64) {
        if self.1.fetch_sub(bytes.min(self.1.load(Ordering::Relaxed)), Ordering::Relaxed) <= bytes {
            self.0.cancel();
        }
    }
}

pub fn a_put_cancelled_at_any_chunk_leaves_nothing(place: &Place) {
    let bytes = noise(9, 3 << 20);
    let mut cancelled = 0;
    for at in (0..8).map(|chunk| chunk << 20) {
        let cancel = Cancel::default();
        let observer = Arc::new(CancelAt(cancel.clone(), AtomicU64::new(at)));
        let context = Context { observer, cancel: cancel.clone(), ..Context::quiet() };
        if at == 0 {
            cancel.cancel();
        }
        match place.subject.put("a/b", Body::Bytes(&bytes), &context) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Cancelled);
                assert_eq!(keys(place, ""), Vec::<String>::new(), "cancelled at {at}");
                cancelled += 1;
            }
            Ok(_) => place.subject.delete("a/b").unwrap(),
        }
    }
    assert!(cancelled > 0);
    assert_eq!(place.subject.sweep().unwrap(), Vec::<String>::new());
}

pub fn a_put_that_cannot_read_its_file_leaves_nothing(place: &Place) {
    let outside = tempfile::tempdir().unwrap();
    for path in [outside.path().join("absent"), outside.path().to_owned()] {
        assert!(place.subject.put("a/b", Body::File(&path), &Context::quiet()).is_err());
    }
    assert_eq!(keys(place, ""), Vec::<String>::new());
    assert_eq!(place.subject.sweep().unwrap(), Vec::<String>::new());
}

pub fn deleting_what_is_absent_is_success(place: &Place) {
    place.subject.delete("never/was").unwrap();
    put(place, "a/b", b"x");
    place.subject.delete("a/b").unwrap();
    place.subject.delete("a/b").unwrap();
    place.subject.delete("a").unwrap();
    assert_eq!(keys(place, ""), Vec::<String>::new());
}

pub fn a_deleted_key_can_be_used_again(place: &Place) {
    put(place, "a/b", b"one");
    place.subject.delete("a/b").unwrap();
    put(place, "a/b", b"two");
    assert_eq!(read(place, "a/b", 0).unwrap(), b"two");
}

pub fn what_is_absent_is_not_found(place: &Place) {
    put(place, "a/b", b"x");
    for key in ["a/c", "b", "a", "a/b/c"] {
        assert_eq!(place.subject.get(key, 0).err().map(|error| error.kind()), Some(ErrorKind::NotFound), "{key}");
    }
}

pub fn a_key_never_leaves_the_destination(place: &Place) {
    let keys =
        ["", "/", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", ".hidden", "a/.b", "a\0b", "a\nb", ".."];
    for key in keys {
        let error = place.subject.put(key, Body::Bytes(b"x"), &Context::quiet()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "put {key:?}");
        assert_eq!(place.subject.get(key, 0).err().map(|e| e.kind()), Some(ErrorKind::Usage), "get {key:?}");
        assert_eq!(place.subject.delete(key).unwrap_err().kind(), ErrorKind::Usage, "delete {key:?}");
        assert_eq!(place.subject.local_path(key), None, "{key:?}");
    }
    assert_eq!(place.subject.list("../").unwrap_err().kind(), ErrorKind::Usage);
}

pub fn a_sweep_keeps_what_is_finished(place: &Place) {
    put(place, "shop/x.zip", b"x");
    put(place, "y", b"y");
    assert_eq!(place.subject.sweep().unwrap(), Vec::<String>::new());
    assert_eq!(keys(place, ""), ["shop/x.zip", "y"]);
}

/// Sweeps whenever the put reports progress.
struct SweepAlways(Arc<dyn Destination>, AtomicU64);
impl Observer for SweepAlways {
    fn advance(&self, _: u64) {
        assert_eq!(self.0.sweep().unwrap(), Vec::<String>::new());
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

pub fn a_sweep_leaves_a_working_put_alone(place: &Place) {
    let observer = Arc::new(SweepAlways(place.subject.clone(), AtomicU64::new(0)));
    let context = Context { observer: observer.clone(), ..Context::quiet() };
    let bytes = noise(10, (2 << 20) + 5);
    place.subject.put("a/bytes", Body::Bytes(&bytes), &context).unwrap();
    assert!(read(place, "a/bytes", 0).unwrap() == bytes);
    if let Some(root) = place.subject.staging_root() {
        let staging = Staging::create(&root).unwrap();
        let path = file_in(staging.path(), &bytes);
        place.subject.put("a/staged", Body::File(&path), &context).unwrap();
        assert!(read(place, "a/staged", 0).unwrap() == bytes);
    }
    assert!(observer.1.load(Ordering::Relaxed) > 0);
}

pub fn of_many_puts_at_once_one_wins_and_the_same_bytes_all_succeed(place: &Place) {
    let same = noise(11, 200_000);
    let outcomes = |bytes: &(dyn Fn(u64) -> Vec<u8> + Sync), key: &str| -> Vec<bool> {
        std::thread::scope(|scope| {
            let put = |i| {
                let bytes = bytes(i);
                match place.subject.put(key, Body::Bytes(&bytes), &Context::quiet()) {
                    Ok(stored) => stored.sha256 == sha256(&bytes),
                    Err(error) if error.kind() == ErrorKind::WouldOverwrite => false,
                    Err(error) => panic!("{error}: {}", error.detail()),
                }
            };
            let threads: Vec<_> = (0..8).map(|i| scope.spawn(move || put(i))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    };
    assert_eq!(outcomes(&|_| same.clone(), "a/same"), [true; 8]);
    assert!(read(place, "a/same", 0).unwrap() == same);
    let different = |i| noise(100 + i, 200_000);
    let won = outcomes(&different, "a/different");
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let winner = won.iter().position(|won| *won).unwrap();
    assert!(read(place, "a/different", 0).unwrap() == different(winner as u64));
    assert_eq!(keys(place, ""), ["a/different", "a/same"]);
    assert_eq!(place.subject.sweep().unwrap(), Vec::<String>::new());
}

pub fn free_space_is_told_or_unknown(place: &Place) {
    assert_ne!(place.subject.free_bytes().unwrap(), Some(0));
}
