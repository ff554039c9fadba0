//! Any bytes as a manifest, and any bytes with a right seal: refused, or a manifest that comes back as it went out
//! and whose names lead nowhere.
#![no_main]

use data_encoding::HEXLOWER;
use libfuzzer_sys::fuzz_target;
use recoup::ErrorKind;
use recoup::model::Manifest;
use sha2::{Digest, Sha256};

fn look(bytes: &[u8]) {
    match Manifest::parse(bytes) {
        Ok(manifest) => {
            for name in
                manifest.parts.iter().map(|part| &part.name).chain(manifest.objects.iter().map(|object| &object.name))
            {
                assert!(!name.is_empty() && !name.contains('/') && !name.starts_with('.'), "{name:?}");
            }
            let again = manifest.to_json().expect("it can be written");
            assert_eq!(Manifest::parse(&again).expect("it can be read"), manifest);
        }
        Err(error) => assert!(matches!(error.kind(), ErrorKind::Corrupted | ErrorKind::Unsupported), "{error:?}"),
    }
}

fuzz_target!(|data: &[u8]| {
    look(data);
    // The seed's own seal is taken off, so that what is left of it is sealed anew.
    let seal = data.windows(20).rposition(|window| window == b"  \"manifest_sha256\":");
    let mut body = data[..seal.unwrap_or(data.len())].to_vec();
    let sha256 = HEXLOWER.encode(&Sha256::digest(&body));
    body.extend_from_slice(format!("  \"manifest_sha256\": \"{sha256}\"\n}}\n").as_bytes());
    look(&body);
});
