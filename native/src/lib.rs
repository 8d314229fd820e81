//! BMP to ClickHouse Native blocks. See `docs/explanation/decoder.md`.

#![warn(unsafe_op_in_unsafe_fn)]

mod abi;
#[forbid(unsafe_code)]
pub mod attributes;
#[forbid(unsafe_code)]
pub mod block;
#[forbid(unsafe_code)]
pub mod decoder;
#[forbid(unsafe_code)]
pub mod dictionary;
#[forbid(unsafe_code)]
pub mod groups;
#[forbid(unsafe_code)]
pub mod mrt;
#[forbid(unsafe_code)]
pub mod nlri;
#[forbid(unsafe_code)]
pub mod output;
#[forbid(unsafe_code)]
pub mod peers;
#[forbid(unsafe_code)]
pub mod reader;
#[forbid(unsafe_code)]
pub mod rows;
#[forbid(unsafe_code)]
pub mod text;
#[forbid(unsafe_code)]
pub mod watch;
