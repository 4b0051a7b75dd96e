//! The common code of the programs under test, and the list of them for `compare`.
//!
//! The workloads are not here: `workloads.rs` is a module of each program, beside its allocator. So
//! the compiler may inline the allocator's fast path into them, as in the crate of a service.

pub mod compare;
pub mod document;
pub mod frames;
pub mod program;
pub mod random;
pub mod service;
pub mod workload;
