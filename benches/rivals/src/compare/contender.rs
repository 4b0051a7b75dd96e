//! The contenders: the program, the build and the environment of each.

/// An allocator with its settings.
#[derive(Clone, Copy, Debug)]
pub struct Contender {
    /// The name in the table.
    pub title: &'static str,
    /// One of the binaries of this package.
    pub program: &'static str,
    /// The features of its build, which is also its folder.
    pub features: &'static str,
    /// Whether its documentation asks for a build with frame pointers.
    pub frame_pointers: bool,
    /// The environment variables that its documentation recommends.
    pub environment: &'static [(&'static str, &'static str)],
    /// The settings for jemalloc, which are all in one variable.
    pub jemalloc: &'static str,
    /// The divisor of its work, for slow contenders. Figures are per operation.
    pub slowness: u64,
}

const fn new(title: &'static str, program: &'static str, features: &'static str) -> Contender {
    Contender {
        title,
        program,
        features,
        frame_pointers: false,
        environment: &[],
        jemalloc: "",
        slowness: 1,
    }
}

const fn named(title: &'static str, contender: Contender) -> Contender {
    Contender { title, ..contender }
}

/// The baseline that all others are measured against.
pub const BASELINE: Contender = new("jemalloc", "jemalloc", "heaptide");

/// The defaults, with no settings.
pub const HEAPTIDE: Contender = Contender {
    environment: &[("HEAPTIDE_SAMPLE_INTERVAL", "512KiB")],
    ..new("heaptide", "heaptide", "heaptide")
};

/// Each contender as its documentation sets it up for production.
///
/// The interval is 512 KiB for those that have one.
pub const ALL: &[Contender] = &[
    BASELINE,
    HEAPTIDE,
    Contender {
        environment: &[("HEAPTIDE_SAMPLE_INTERVAL", "0")],
        ..named("heaptide, off", HEAPTIDE)
    },
    Contender {
        jemalloc: "prof:true,lg_prof_sample:19",
        ..new("jemalloc's own profiler", "jemalloc-prof", "jemalloc-prof")
    },
    Contender {
        frame_pointers: true,
        ..new("jemalloc, built for dial9", "jemalloc", "dial9")
    },
    Contender {
        frame_pointers: true,
        slowness: 4,
        ..new("dial9 with its live set", "dial9", "dial9")
    },
    Contender {
        frame_pointers: true,
        environment: &[
            ("PPROF_ALLOC_ALLOCATOR", "jemalloc"),
            ("PPROF_ALLOC_BACKEND", "wrapper"),
        ],
        slowness: 10,
        ..new("pprof-alloc's sampler", "pprof-alloc", "pprof-alloc")
    },
    new("mimalloc", "mimalloc", "mimalloc"),
    Contender {
        frame_pointers: true,
        environment: &[("MIMALLOC_PROF", "1")],
        ..new("mimalloc-pprof", "mimalloc", "mimalloc-pprof")
    },
    new("glibc", "glibc", "heaptide"),
    Contender {
        environment: HEAPTIDE.environment,
        ..new("heaptide on glibc", "heaptide-glibc", "heaptide")
    },
    Contender {
        environment: &[("HEAPTIDE_SAMPLE_INTERVAL", "1")],
        slowness: 20,
        ..named("heaptide, every allocation", HEAPTIDE)
    },
    Contender {
        slowness: 100,
        ..new("dhat, every allocation", "dhat", "dhat")
    },
];
