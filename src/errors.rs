//! The errors of a program that does not record.

use heaptide_profile::Error;

#[cold]
pub(crate) fn not_installed() -> Error {
    Error::not_installed(
        "heaptide is not this program's global allocator: add `#[global_allocator] static GLOBAL: \
         heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();` to the binary",
    )
}

#[cold]
pub(crate) fn unsupported() -> Error {
    Error::unsupported(
        "heaptide does not record on this target: it samples on 64-bit Linux for x86-64 and \
         aarch64, and elsewhere only forwards allocations",
    )
}
