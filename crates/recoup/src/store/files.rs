//! The `files` layout.
pub struct FilesStore;
