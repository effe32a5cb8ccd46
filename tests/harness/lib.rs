//! What the end-to-end tests share.

pub mod source_tree;
