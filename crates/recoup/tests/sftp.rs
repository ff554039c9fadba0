//! The SFTP destination against OpenSSH: the contracts of destinations and stores, who is let in and who is believed, what
//! it leaves on the server, limits of the server. Lines that break: `sftp_cuts.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use recoup::destination::{Body, Destination, open};
use recoup::model::channel::Secret;
use recoup::model::destination::{Address, DestinationSettings, Sftp};
use recoup::progress::Context;
use recoup::store::{FilesStore, Store};
use recoup::{Error, ErrorKind};
use recoup_testkit::contract::Fixture;
use recoup_testkit::contract::destination::{noise, sha256};
use recoup_testkit::sshd::{PASSPHRASE, PASSWORD, Sshd, is_root};
use recoup_testkit::tree::tree;

fn settings() -> (Arc<Sshd>, DestinationSettings) {
    let server = Sshd::shared();
    let settings = server.settings(&format!("{}/root", ulid::Ulid::generate()));
    (server, settings)
}

mod destination {
    use super::*;
    fn fresh() -> Fixture<dyn Destination> {
        let (server, settings) = settings();
        Fixture { subject: open(&settings, true).unwrap(), keep: Box::new(server) }
    }
    recoup_testkit::destination_contract!(fresh);
}

mod store {
    use super::*;
    fn fresh() -> Fixture<dyn Store> {
        let (server, settings) = settings();
        let store = FilesStore::new(open(&settings, true).unwrap());
        Fixture { subject: Arc::new(store), keep: Box::new(server) }
    }
    recoup_testkit::store_contract!(fresh);
}
