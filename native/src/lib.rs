//! BMP to ClickHouse Native blocks. See `docs/explanation/decoder.md`.

#![warn(unsafe_op_in_unsafe_fn)]

mod abi;
#[forbid(unsafe_code)]
pub mod decode;
