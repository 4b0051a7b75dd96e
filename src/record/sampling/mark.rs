//! The mark: the offset in the address of a sampled block, by which a free recognizes it.
//!
//! A sampled small block is allocated with alignment [`ALIGN`] and [`OFFSET`] bytes more, and
//! handed out at `raw + OFFSET`. So its address ends in `0x030`, `0x430`, `0x830` or `0xc30`. No
//! jemalloc size class above 112 bytes can produce such an address: a class hands out multiples of
//! its size, and an odd multiple of 16 is such a multiple only if the greatest common divisor of
//! the class and [`ALIGN`] is at most 16.
//!
//! Of the smaller classes, and of all of glibc's blocks, 0.8 to 3 % have such an address by chance
//! (`docs/overhead.md` has the shares). A [filter](super::filter::AddressFilter) identifies most of
//! these. Page alignment alone, jemalloc's own mark, would match every block of 4 KiB.
//!
//! Large and over-aligned blocks are not padded, since padding would cost a size class and growth
//! in place. `dealloc` is given the layout, so such blocks are recognized by it, and another
//! [filter](super::filter::AddressFilter) is asked.

use core::alloc::Layout;

/// Sampled blocks below this size are marked by their address.
const SMALL: usize = 64 << 10;
/// Larger alignments cannot be kept at `raw + OFFSET`.
const LARGEST_ALIGN: usize = 16;
/// Alignment of a marked block's raw address. With 4096 a quarter as many unsampled addresses would
/// match, and a live sample would waste four times as much memory. A match costs so little that on
/// churn no difference was measured.
const ALIGN: usize = 1024;
/// Distance from the raw address to the address that is handed out: an odd multiple of 16. Some
/// texts and `tests/allocator/mark_small.rs` repeat it: search for `0x30` and `0x3ff`.
pub(in crate::record) const OFFSET: usize = 0x30;

const _: () = assert!(OFFSET.is_multiple_of(LARGEST_ALIGN) && (OFFSET / 16) % 2 == 1);

/// Whether a sampled block of this layout is marked by its address.
#[inline(always)]
pub(in crate::record) fn is_markable(layout: Layout) -> bool {
    layout.size() < SMALL && layout.align() <= LARGEST_ALIGN
}

/// The address bits that show a mark. The lowest three are left out: the compiler turns a
/// comparison of all ten into one instruction more (and, compare) than this needs (add, test). The
/// same addresses match, since allocators align to 8.
const SIGNATURE: usize = (ALIGN - 1) & !0b111;

/// Whether an address looks like a marked block's. The layout has to be markable as well.
#[inline(always)]
pub(in crate::record) fn has_signature(address: usize) -> bool {
    address.wrapping_sub(OFFSET) & SIGNATURE == 0
}

/// The layout that a sampled block of a markable layout is allocated with.
#[inline]
pub(in crate::record) fn marked_layout(layout: Layout) -> Option<Layout> {
    let size = layout.size().checked_add(OFFSET)?;
    Layout::from_size_align(size, ALIGN).ok()
}

/// Bytes that a mark adds to the requested size, if the allocator rounds the size up to a multiple
/// of the alignment.
pub(in crate::record) fn padding(size: usize) -> usize {
    size.saturating_add(OFFSET)
        .next_multiple_of(ALIGN)
        .saturating_sub(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn small_blocks_are_markable_and_keep_their_alignment() {
        for (size, align, markable) in [
            (1, 1, true),
            (SMALL - 1, 16, true),
            (SMALL, 8, false),
            (24, 32, false),
            (1 << 30, 16, false),
        ] {
            assert_eq!(is_markable(layout(size, align)), markable, "{size} {align}");
            if markable {
                let marked = marked_layout(layout(size, align)).unwrap();
                assert!(marked.size() >= size + OFFSET);
                assert_eq!(OFFSET % align, 0);
            }
        }
    }

    #[test]
    fn padding_is_the_rest_up_to_the_alignment() {
        for (size, padded) in [(1, 1023), (976, 48), (977, 1071), (65_535, 1025)] {
            assert_eq!(padding(size), padded, "{size}");
        }
    }

    #[test]
    fn size_classes_above_112_bytes_never_carry_the_signature() {
        // jemalloc's classes up to 64 KiB: four to a doubling.
        let classes = (0..10).flat_map(|k| [5, 6, 7, 8].map(|q| (q * 16usize) << k));
        for class in classes.filter(|class| *class > 112) {
            let hit = (0..4096).any(|i| has_signature(i * class));
            assert!(!hit, "{class}");
        }
        assert!((0..4096).any(|i| has_signature(i * 48)), "48 can, and may");
    }
}
