//! Manifests: what goes out comes back, and damage is found.

use super::*;

fn sample() -> Manifest {
    let now = Timestamp::from_second(1_800_000_000).unwrap_or_default();
    Manifest {
        recoup_manifest: MANIFEST_VERSION,
        made_by: "recoup test".into(),
        id: BackupId::generate(now),
        plan: "shop".into(),
        kind: Kind::Manual,
        format: Format::Archive,
        label: None,
        created_at: now,
        duration_ms: 12,
        host: None,
        parts: vec![],
        objects: vec![Object { name: "x.zip".into(), bytes: 3, sha256: "00".into() }],
        verified: Some(Level::Integrity),
        warnings: vec![],
        audit: None,
        local_only: false,
        encryption: None,
        history: None,
        state: None,
        same_as: None,
    }
}

#[test]
fn a_manifest_comes_back_as_it_went_out() {
    let manifest = sample();
    let bytes = manifest.to_json().unwrap_or_default();
    assert_eq!(Manifest::parse(&bytes).ok(), Some(manifest));
}

#[test]
fn every_flipped_bit_of_a_manifest_is_found() {
    let bytes = sample().to_json().unwrap_or_default();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Manifest::parse(&damaged).is_err(), "bit {bit}");
    }
}

#[test]
fn a_sealed_manifest_with_names_that_lead_away_is_refused() {
    for name in ["../evil", "/etc/passwd", "", "..", "a/b", ".hidden", "a\nb"] {
        let mut manifest = sample();
        manifest.objects[0].name = name.into();
        let error = Manifest::parse(&manifest.to_json().unwrap_or_default()).err();
        assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Corrupted), "{name:?}");
        let manifest = Manifest { plan: name.into(), ..sample() };
        assert!(Manifest::parse(&manifest.to_json().unwrap_or_default()).is_err(), "{name:?}");
    }
}

#[test]
fn a_file_name_says_when_in_utc_and_which() {
    let manifest = sample();
    assert_eq!(manifest.file_stem(), format!("shop-20270115T080000Z-{}", manifest.id.tail()));
}
