//! What Recoup's tests share: contract suites that every implementation passes, fault injection, test
//! doubles, a busy database, odd databases, a sample application. Never published; panics are how it reports.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

pub mod apache;
pub mod busy;
pub mod contract;
pub mod cutting;
pub mod documented;
pub mod drive;
pub mod faults;
pub mod faulty;
pub mod hand_clock;
pub mod listener;
pub mod mail_sink;
pub mod matrix;
pub mod memory;
pub mod moto;
pub mod place;
pub mod policy;
pub mod postgres;
pub mod random;
pub mod refusing;
pub mod restoring;
pub mod s3rver;
pub mod sample;
pub mod sshd;
pub mod tree;
