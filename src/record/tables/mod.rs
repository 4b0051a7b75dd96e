//! The tables of live samples and stacks, and the recorder that fills them.

pub(super) mod deferred_frees;
mod lazy_tables;
pub(super) mod live;
mod readout;
mod reallocation;
pub(super) mod recorder;
pub(super) mod reserved_memory;
mod shards;
pub(super) mod stacks;
mod transit;

pub(crate) use live::LiveSample;
pub(crate) use stacks::{Bucket, BucketId};
