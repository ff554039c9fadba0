//! The S3 destination against moto: the contracts of destinations and stores, what it asks for, what it says when it is
//! refused. Lines that break and large objects: `s3_hardship.rs`.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Read;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use recoup::ErrorKind;
use recoup::destination::{Body, Destination, open};
use recoup::model::channel::Secret;
use recoup::model::destination::{Address, DestinationSettings, S3};
use recoup::progress::Context;
use recoup::store::{FilesStore, Store};
use recoup_testkit::contract::Fixture;
use recoup_testkit::contract::destination::{noise, sha256};
use recoup_testkit::faulty::{Asked, Fault, Faulty};
use recoup_testkit::moto::{ACCESS_KEY, Moto, SECRET_KEY};

fn fresh_destination() -> Fixture<dyn Destination> {
    let server = Moto::shared();
    let settings = server.settings(&server.bucket(), server.port());
    Fixture { subject: open(&settings, true).unwrap(), keep: Box::new(server) }
}

mod destination {
    use super::*;
    fn fresh() -> Fixture<dyn Destination> {
        fresh_destination()
    }
    recoup_testkit::destination_contract!(fresh);
}

mod store {
    use super::*;
    fn fresh() -> Fixture<dyn Store> {
        let destination = fresh_destination();
        Fixture { subject: Arc::new(FilesStore::new(destination.subject.clone())), keep: Box::new(destination.keep) }
    }
    recoup_testkit::store_contract!(fresh);
}

/// A proxy in front of a bucket that nobody used before.
fn behind(rule: impl FnMut(&Asked) -> Fault + Send + 'static) -> (Arc<Moto>, Faulty, DestinationSettings) {
    let server = Moto::shared();
    let proxy = Faulty::to_port(server.port(), rule);
    let settings = server.settings(&server.bucket(), proxy.port());
    (server, proxy, settings)
}

fn address(settings: &mut DestinationSettings) -> &mut S3 {
    match &mut settings.address {
        Address::S3(to) => to,
        _ => panic!("not S3"),
    }
}

fn put(destination: &dyn Destination, key: &str, bytes: &[u8]) -> recoup::Result<()> {
    destination.put(key, Body::Bytes(bytes), &Context::quiet()).map(drop)
}

fn get(destination: &dyn Destination, key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    destination.get(key, 0).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn keys(destination: &dyn Destination) -> Vec<String> {
    destination.list("").unwrap().into_iter().map(|object| object.key).collect()
}
