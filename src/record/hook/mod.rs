//! The `GlobalAlloc` hook: fast paths, slow paths, and how a sampled block is made and freed.

mod allocator;
mod blocks;
mod maybe_sampled;
mod realloc;
mod slow_path;

pub use allocator::{DefaultInner, SamplingAllocator};
