//! The allocations: eight sites with known blocks, all kept until the profile is taken.
//!
//! Each peer is a program of its own (`src/bin`), since each is a global allocator. The Go program
//! in `go/` makes the same blocks. All sizes are size classes of all allocators, so it does not
//! matter whether a profiler counts requested or allocated bytes.

use std::{hint::black_box, path::PathBuf};

/// Blocks of a site, by size.
#[derive(Debug)]
pub struct Site {
    /// The name of its function in every program.
    pub name: &'static str,
    /// Sizes and their numbers of blocks, made in turns.
    pub blocks: &'static [(usize, usize)],
}

/// The sites, with 32 MiB and more each.
pub const SITES: &[Site] = &[
    Site {
        name: "site_64",
        blocks: &[(64, 512 << 10)],
    },
    Site {
        name: "site_1k",
        blocks: &[(1 << 10, 32 << 10)],
    },
    Site {
        name: "site_64k",
        blocks: &[(64 << 10, 512)],
    },
    Site {
        name: "site_512k",
        blocks: &[(512 << 10, 128)],
    },
    Site {
        name: "site_2m",
        blocks: &[(2 << 20, 32)],
    },
    Site {
        name: "site_64_and_256k",
        blocks: &[(64, 512 << 10), (256 << 10, 128)],
    },
    Site {
        name: "site_512_and_32k",
        blocks: &[(512, 64 << 10), (32 << 10, 1 << 10)],
    },
    Site {
        name: "site_1k_and_2m",
        blocks: &[(1 << 10, 32 << 10), (2 << 20, 16)],
    },
];

macro_rules! sites {
    ($($name:ident)*) => {
        $(#[inline(never)]
        fn $name(size: usize) -> Vec<u8> {
            // Makes the functions differ, so that the compiler does not merge them.
            black_box(stringify!($name));
            black_box(Vec::with_capacity(black_box(size)))
        })*

        const MAKERS: &[fn(usize) -> Vec<u8>] = &[$($name),*];
    };
}

// In the order of `SITES`.
sites! {
    site_64 site_1k site_64k site_512k site_2m site_64_and_256k site_512_and_32k site_1k_and_2m
}

/// Makes all blocks. If there are two sizes, the rarer one is spread evenly over the other.
#[must_use]
pub fn allocate() -> Vec<Vec<u8>> {
    let mut kept = Vec::with_capacity(SITES.iter().flat_map(|s| s.blocks).map(|b| b.1).sum());
    for (site, make) in SITES.iter().zip(MAKERS) {
        let most = site
            .blocks
            .iter()
            .map(|(_, count)| *count)
            .max()
            .unwrap_or(0);
        for turn in 0..most {
            for (size, count) in site.blocks {
                if (turn + 1) * count / most > turn * count / most {
                    kept.push(make(*size));
                }
            }
        }
    }
    kept
}

/// The file that a program writes its profile to, from its first argument.
///
/// # Panics
///
/// If there is no argument.
#[must_use]
pub fn output() -> PathBuf {
    std::env::args_os()
        .nth(1)
        .expect("a file to write the profile to")
        .into()
}
