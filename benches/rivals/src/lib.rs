//! What the programs under test have in common, and what `compare` knows of them.
//!
//! The workloads themselves are not here: `workloads.rs` is a module of each program, beside its
//! allocator, so that the compiler may inline the allocator's fast path into them as it does in the code
//! of a service's own crate.

pub mod compare;
pub mod document;
pub mod frames;
pub mod program;
pub mod random;
pub mod service;
pub mod workload;
