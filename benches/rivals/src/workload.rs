//! The list of the workloads: their names, descriptions and numbers of operations.

/// One kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    Churn,
    ChurnDeep,
    ChurnTwice,
    Json,
    CrossThread,
    GrowingVectors,
    Zeroed,
    Kept,
    Service,
}

impl Workload {
    pub const ALL: [Self; 9] = [
        Self::Churn,
        Self::ChurnDeep,
        Self::Json,
        Self::CrossThread,
        Self::GrowingVectors,
        Self::Zeroed,
        Self::ChurnTwice,
        Self::Kept,
        Self::Service,
    ];

    /// The name as the argument of a program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Churn => "churn",
            Self::ChurnDeep => "churn-deep",
            Self::ChurnTwice => "churn-twice",
            Self::Json => "json",
            Self::CrossThread => "cross-thread",
            Self::GrowingVectors => "growing-vectors",
            Self::Zeroed => "zeroed",
            Self::Kept => "kept",
            Self::Service => "service",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|workload| workload.name() == name)
    }

    /// The name in a table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Churn => "churn",
            Self::ChurnDeep => "churn under 40 frames",
            Self::ChurnTwice => "churn, 2 threads",
            Self::Json => "JSON",
            Self::CrossThread => "cross-thread free",
            Self::GrowingVectors => "growing vectors",
            Self::Zeroed => "zeroed buffers",
            Self::Kept => "2 GiB of kept blocks",
            Self::Service => "a service",
        }
    }

    /// The number of operations for the count under valgrind.
    ///
    /// The count is that of three times these operations, less that of one time. The difference
    /// removes the start of the program.
    pub fn operations(self) -> u64 {
        match self {
            Self::Churn | Self::ChurnDeep | Self::CrossThread => 1_000_000,
            Self::ChurnTwice | Self::Kept => 500_000,
            Self::Json | Self::Service => 300,
            Self::GrowingVectors => 100_000,
            Self::Zeroed => 100_000,
        }
    }

    /// Operations that take about a quarter of a second on jemalloc.
    pub fn timed_operations(self) -> u64 {
        match self {
            Self::Churn | Self::ChurnDeep | Self::ChurnTwice => 10_000_000,
            Self::CrossThread => 4_000_000,
            Self::Json => 1_000,
            Self::GrowingVectors => 2_000_000,
            Self::Zeroed => 400_000,
            // Of 271.5 bytes on average.
            Self::Kept => 7_910_000,
            Self::Service => 4_000,
        }
    }

    /// The number of threads that it keeps busy.
    pub fn threads(self) -> usize {
        match self {
            Self::CrossThread | Self::ChurnTwice | Self::Service => 2,
            _ => 1,
        }
    }
}
