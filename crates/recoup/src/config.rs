//! `recoup.toml` and the environment as written, resolved to settings as meant.
