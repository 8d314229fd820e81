//! Octets to blocks. No unsafe code: see the attribute where this module is declared.

pub mod attributes;
pub mod block;
pub mod decoder;
pub mod dictionary;
pub mod groups;
pub mod mrt;
pub mod nlri;
pub mod output;
pub mod peers;
pub mod reader;
pub mod rows;
pub mod text;
pub mod watch;
