//! What Recoup's tests share: a busy database, contract suites, fault injection, a sample application.
//! Never published; panics are how a test fails.

pub mod busy;
