//! What Recoup's tests share. Never published.

pub mod matrix;
