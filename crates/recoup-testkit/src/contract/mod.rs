//! Contract suites: one per trait, run on every implementation.

pub mod catalog;
pub mod destination;
pub mod source;
pub mod store;

use std::any::Any;
use std::sync::Arc;

/// A fresh implementation and whatever must live as long as it.
pub struct Fixture<T: ?Sized> {
    pub subject: Arc<T>,
    pub keep: Box<dyn Any + Send + Sync>,
}

/// Makes one `#[test]` of every case of a suite.
#[macro_export]
macro_rules! contract_cases {
    ($suite:ident, $fresh:expr, $($case:ident)+) => {
        $(#[test] fn $case() { $crate::contract::$suite::$case(&$fresh()); })+
    };
}
