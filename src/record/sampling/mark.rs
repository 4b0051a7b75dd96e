//! How a free recognizes a sampled block from its address and layout alone, without a lookup.
//!
//! A sampled small block is allocated with alignment [`ALIGN`] and [`OFFSET`] bytes more, and handed out
//! at `raw + OFFSET`. So its address ends in `0x030`, `0x430`, `0x830` or `0xc30`, which no jemalloc size
//! class above 112 bytes can produce: a class hands out multiples of its size, and an odd multiple of 16
//! is such a multiple only for classes whose greatest common divisor with [`ALIGN`] is 16 or less. Of the
//! smaller classes, and of all of glibc's blocks, 0.8 to 3 % look so by chance, and a
//! [filter](super::filter::AddressFilter) tells them apart (`docs/overhead.md` has the shares). Page alignment
//! alone, jemalloc's own mark, would hit every block of 4 KiB.
//!
//! Large and over-aligned blocks are not padded, since that would cost a size class and growth in
//! place; `dealloc` is told the layout, so they are known by it and ask the
//! [filter](super::filter::AddressFilter).

use core::alloc::Layout;

/// Blocks below this are marked by their address if they are sampled.
const SMALL: usize = 64 << 10;
/// Larger alignments cannot be kept at `raw + OFFSET`.
const LARGEST_ALIGN: usize = 16;
/// Alignment of a marked block's raw address. 4096 would divide the hits by four, which cost so little
/// that on churn no difference was measured, and multiply by four what a live sample wastes.
const ALIGN: usize = 1024;
/// Distance from the raw address to the one handed out: an odd multiple of 16.
pub(in crate::record) const OFFSET: usize = 0x30;

const _: () = assert!(OFFSET.is_multiple_of(LARGEST_ALIGN) && (OFFSET / 16) % 2 == 1);

/// Whether a sampled block of this layout is marked by its address.
#[inline(always)]
pub(in crate::record) fn is_markable(layout: Layout) -> bool {
    layout.size() < SMALL && layout.align() <= LARGEST_ALIGN
}

/// The address bits that a mark is known by. The lowest three are left out because the compiler turns
/// a comparison of all ten into one instruction more (and, compare) than this needs (add, test). The
/// hits are the same: allocators align to 8.
const SIGNATURE: usize = (ALIGN - 1) & !0b111;

/// Whether an address looks like a marked block's. The layout has to be markable as well.
#[inline(always)]
pub(in crate::record) fn has_signature(address: usize) -> bool {
    address.wrapping_sub(OFFSET) & SIGNATURE == 0
}

/// The layout a markable block is really allocated with when it is sampled.
#[inline]
pub(in crate::record) fn marked_layout(layout: Layout) -> Option<Layout> {
    let size = layout.size().checked_add(OFFSET)?;
    Layout::from_size_align(size, ALIGN).ok()
}

/// Bytes that marking costs beyond what was asked for, if the allocator takes the size up to a multiple of
/// the alignment.
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
    fn padding_is_the_rest_of_what_alignment_takes() {
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
