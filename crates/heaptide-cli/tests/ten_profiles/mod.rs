//! The profiles on which reports are compared with `go tool pprof`.
//!
//! They are synthetic, random, or recorded by Go, jemalloc and heaptide.
//! `heaptide-profile/tests/data/README.md` says how the recorded ones were made.

use std::{fs, path::Path};

use heaptide_profile::*;

pub(crate) use heaptide_profile::testing::example;

/// Recursion, inlining in some and in all callers, generic names of Rust and Go, several files, one
/// function in two files, labels, values that are zero in some columns.
pub(crate) const SERVER: &str = "
    main / run = 1 16 1 16 bytes=16
    main / run / walk / walk / walk = 7 7168 3 3072 bytes=1024
    main / run / walk / step / walk // step / walk = 5 5120 5 5120 bytes=1024
    main / run // put // <alloc::vec::Vec<T,A> as core::ops::Index<I>>::index = 9 90000 4 40000 \
    bytes=10240
    main / put / <alloc::vec::Vec<T,A> as core::ops::Index<I>>::index = 3 30 0 0 bytes=10
    main / put // push<(u8, &str), impl Fn(u8) -> [u8; 4]> = 2 64 2 64 tenant=blue bytes=32
    main / put // push<(u8, &str), impl Fn(u8) -> [u8; 4]> = 2 64 1 32 tenant=red bytes=32
    main / run / libz.so!inflate // push = 11 720896 1 65536 bytes=65536
    main / run / libssl.so!read / libz.so!run / put = 1 100 1 100 bytes=112
    main / github.com/some/where/cache.(*LRU[...]).Add / runtime.mallocgc = 6 600 6 600 bytes=100
    main / run / twice // leaf / twice / leaf = 4 64 2 32 bytes=16
    main / run / again // again / again = 4 64 2 32 bytes=16
    main / run / freed = 40 4000 0 0 bytes=100";

/// The same program later: some functions grew, shrank, came or went, and one stayed the same.
pub(crate) const LATER: &str = "
    main / run = 1 16 1 16 bytes=16
    main / run / walk / walk / walk = 9 9216 1 1024 bytes=1024
    main / run / walk / step / walk // step / walk = 5 5120 5 5120 bytes=1024
    main / run / put // <alloc::vec::Vec<T,A> as core::ops::Index<I>>::index = 19 190000 4 40000 \
    bytes=10240
    main / put / <alloc::vec::Vec<T,A> as core::ops::Index<I>>::index = 3 30 0 0 bytes=10
    main / put // push<(u8, &str), impl Fn(u8) -> [u8; 4]> = 4 128 1 32 tenant=blue bytes=32
    main / run / libz.so!inflate // push = 31 2031616 2 131072 bytes=65536
    main / log // fmt = 1 4096 1 4096 bytes=4096
    main / run / freed = 45 4500 0 0 bytes=100";

pub(crate) fn write(folder: &Path, name: &str, profile: &Profile) -> String {
    let path = folder.join(name);
    let file = fs::File::create(&path).expect("a new file");
    profile.write(file).expect("a valid profile");
    path.into_os_string().into_string().expect("a path of text")
}

/// Many stacks over few functions, chosen by `seed`. So every function is leaf, caller, recursive
/// and inlined somewhere.
pub(crate) fn random(seed: u64, shift: u64) -> Profile {
    let mut state = seed;
    let mut below = move |limit: u64| {
        // Knuth's MMIX generator. Its low bits are poor.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let mut text = String::new();
    for _ in 0..400 {
        text.push_str("main");
        for _ in 0..=below(9) {
            let call = if below(3) == 0 { " // " } else { " / " };
            // An inlined call is in its caller's file.
            let file = if call == " / " && below(2) == 0 {
                "libz.so!"
            } else {
                ""
            };
            text.push_str(&format!("{call}{file}f{}", below(12)));
        }
        let count = below(50);
        let live = below(count + 1);
        let size = 16 << below(12);
        text.push_str(&format!(
            " = {count} {} {live} {} bytes={size}\n",
            count * size,
            live * size
        ));
    }
    example::profile(&text, shift)
}

/// All of them. The first ten are pairs that can be compared. The first three pairs are of one
/// program each, and the second profile is later.
pub(crate) fn profiles(folder: &Path) -> Vec<String> {
    let data = |name| {
        format!(
            "{}/../heaptide-profile/tests/data/{name}",
            env!("CARGO_MANIFEST_DIR")
        )
    };
    vec![
        write(folder, "server", &example::profile(SERVER, 0)),
        write(folder, "later", &example::profile(LATER, 0x5_3000)),
        write(folder, "first", &random(1, 0)),
        write(folder, "second", &random(2, 0x7000)),
        data("jemalloc-0.9-before.pb.gz"),
        data("jemalloc-0.9-after.pb.gz"),
        data("go-1.19-heap.pb.gz"),
        data("go-1.19-sampled.pb.gz"),
        data("go-1.19-calls.pb.gz"),
        data("heaptide-0.1.pb.gz"),
    ]
}

/// The names of a profile's sample types.
pub(crate) fn kinds(file: &str) -> Vec<String> {
    let profile = Profile::read(&fs::read(file).expect("the file")).expect("a profile");
    let types = profile.sample_types.iter();
    types.map(|one| one.kind.to_string()).collect()
}
