//! The catalog keeps its promises on SQLite and on PostgreSQL: one suite for both, then what opening one can meet.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sqlite {
    recoup_testkit::catalog_contract!(recoup_testkit::contract::catalog::sqlite);
}

mod postgres {
    recoup_testkit::catalog_contract!(recoup_testkit::contract::catalog::postgres);
}
