//! Who is compared: the program, the build it comes from, and the environment it is configured by.

/// An allocator with its settings.
#[derive(Clone, Copy, Debug)]
pub struct Contender {
    /// As the table shows it.
    pub title: &'static str,
    /// One of the binaries of this package.
    pub program: &'static str,
    /// The features of its build, which is also its folder.
    pub features: &'static str,
    /// What its documentation says to set.
    pub environment: &'static [(&'static str, &'static str)],
    /// The same for jemalloc, whose settings are all in one variable.
    pub jemalloc: &'static str,
    /// By how much less work it is given, as it is so slow. Figures are per operation.
    pub slowness: u64,
}

const fn new(title: &'static str, program: &'static str, features: &'static str) -> Contender {
    Contender {
        title,
        program,
        features,
        environment: &[],
        jemalloc: "",
        slowness: 1,
    }
}

/// What all others are measured against.
pub const BASELINE: Contender = new("jemalloc", "jemalloc", "heaptide");

/// As it is when nobody sets anything.
pub const HEAPTIDE: Contender = Contender {
    environment: &[("HEAPTIDE_SAMPLE_INTERVAL", "512KiB")],
    ..new("heaptide", "heaptide", "heaptide")
};

/// The native profiler at its default of 512 KiB.
pub const NATIVE: Contender = Contender {
    jemalloc: "prof:true,lg_prof_sample:19",
    ..new("jemalloc's own profiler", "jemalloc-prof", "jemalloc-prof")
};

/// All, in the order of the table.
pub const ALL: &[Contender] = &[BASELINE, HEAPTIDE, NATIVE];
