//! Measures the share of unsampled blocks whose address looks like that of a sampled small block.
//!
//! Such an address has the signature of the mark, and the free of such a block reads a filter. The
//! table has the share by block size, allocator and alignment of the mark. heaptide's alignment is
//! 1024.
//!
//! ```text
//! cargo run --release --features jemalloc,mimalloc --bin signature-hits
//! ```

use std::alloc::{GlobalAlloc, Layout, System};

/// A marked block lies this far behind a multiple of the alignment, as in heaptide's
/// `src/record/sampling/mark.rs`.
const OFFSET: usize = 0x30;
const ALIGNMENTS: [usize; 3] = [512, 1024, 4096];
/// jemalloc's size classes up to 128, and some larger ones.
const SIZES: [usize; 17] = [
    8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 160, 256, 512, 1024, 4096, 5120, 32_768,
];

fn main() {
    println!("| block size | allocator | hits at 512 | at 1024 | at 4096 |");
    println!("|---|---|---|---|---|");
    for size in SIZES {
        let Ok(layout) = Layout::from_size_align(size, 8) else {
            continue;
        };
        let count = (64 << 20) / size.max(512);
        for (name, hits) in [
            (
                "jemalloc",
                hits(&tikv_jemallocator::Jemalloc, layout, count),
            ),
            ("mimalloc", hits(&mimalloc_pprof::MiMalloc, layout, count)),
            ("glibc", hits(&System, layout, count)),
        ] {
            let [a, b, c] = hits.map(|hits| 100.0 * hits as f64 / count as f64);
            println!("| {size} | {name} | {a:.2} % | {b:.2} % | {c:.2} % |");
        }
    }
}

/// Hits among `count` blocks that live at the same time, for each of `ALIGNMENTS`.
fn hits(allocator: &impl GlobalAlloc, layout: Layout, count: usize) -> [usize; 3] {
    // SAFETY: no size is 0.
    let allocate = |_| unsafe { allocator.alloc(layout) };
    let blocks: Vec<*mut u8> = (0..count).map(allocate).collect();
    let hits = ALIGNMENTS.map(|align| {
        let is_hit = |block: &&*mut u8| block.addr().wrapping_sub(OFFSET) & (align - 1) == 0;
        blocks.iter().filter(is_hit).count()
    });
    for block in blocks {
        // SAFETY: made above by this allocator with this layout.
        unsafe { allocator.dealloc(block, layout) };
    }
    hits
}
