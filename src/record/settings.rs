//! The sample interval in force, and which source it came from.
//!
//! The sources, strongest first: the setter, the environment, the builder, the default. "Off" is a
//! flag beside the interval, since threads continue to draw gaps while nothing is recorded. So
//! recording starts at once when it is switched on.

use super::{
    size::parse_size,
    sync::{AtomicU8, AtomicU64, Ordering, const_unless_loom},
};

/// The default mean bytes between samples: the same as Go's, and as jemalloc's `lg_prof_sample:19`.
pub(super) const DEFAULT_INTERVAL: u64 = 512 << 10;

/// The environment variable that sets the interval.
pub(super) const VARIABLE: &core::ffi::CStr = c"HEAPTIDE_SAMPLE_INTERVAL";

/// The flag in the state word: nothing is recorded.
const OFF: u64 = 1 << 63;
/// The state word before the first allocation.
const NOT_CONFIGURED: u64 = 0;

/// The sample interval. All threads share it, and read it once per gap.
#[derive(Debug)]
pub(super) struct Settings {
    state: AtomicU64,
    /// 1 if the environment's value could not be read.
    environment_ignored: AtomicU8,
    /// 1 if an allocator of this process leaves small blocks unsampled.
    small_unsampled: AtomicU8,
}

// Relaxed throughout: one word that orders nothing else. A thread that sees it late uses the old
// interval in its weights too.
impl Settings {
    const_unless_loom! {
        pub(super) fn new() -> Self {
            Self {
                state: AtomicU64::new(NOT_CONFIGURED),
                environment_ignored: AtomicU8::new(0),
                small_unsampled: AtomicU8::new(0),
            }
        }
    }

    pub(super) fn is_configured(&self) -> bool {
        self.state.load(Ordering::Relaxed) != NOT_CONFIGURED
    }

    /// Sets the interval, unless a stronger source has done so. False if `environment` could not be
    /// read and was ignored. Only the first call reports this.
    pub(super) fn configure(&self, builder: Option<u64>, environment: Option<&[u8]>) -> bool {
        let from_environment = environment.map(parse_size);
        let interval = from_environment.flatten().or(builder);
        let state = interval.map_or(DEFAULT_INTERVAL, |bytes| encode(bytes, DEFAULT_INTERVAL));
        let first = self.state.compare_exchange(
            NOT_CONFIGURED,
            state,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        let unreadable = from_environment == Some(None);
        if unreadable {
            self.environment_ignored.store(1, Ordering::Relaxed);
        }
        !(unreadable && first.is_ok())
    }

    /// Sets the mean bytes between samples; 0 switches recording off.
    pub(super) fn set(&self, bytes: u64) {
        let last = self.drawing_interval();
        self.state.store(encode(bytes, last), Ordering::Relaxed);
    }

    /// The interval to draw gaps with, also while off. While off it is the last interval, but at
    /// least the default: "off" has to cost next to nothing, and after an interval of 1 every
    /// allocation would still take the slow path.
    pub(super) fn drawing_interval(&self) -> u64 {
        let state = self.state.load(Ordering::Relaxed);
        match state & !OFF {
            NOT_CONFIGURED => DEFAULT_INTERVAL,
            interval if state & OFF != 0 => interval.max(DEFAULT_INTERVAL),
            interval => interval,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.state.load(Ordering::Relaxed) & OFF == 0
    }

    /// Notes that an allocator of this process samples no small blocks.
    pub(super) fn leave_small_unsampled(&self) {
        // Reads first: the cache line is shared, and every slow path comes here.
        if !self.is_small_unsampled() {
            self.small_unsampled.store(1, Ordering::Relaxed);
        }
    }

    pub(super) fn is_small_unsampled(&self) -> bool {
        self.small_unsampled.load(Ordering::Relaxed) != 0
    }

    pub(super) fn is_environment_ignored(&self) -> bool {
        self.environment_ignored.load(Ordering::Relaxed) != 0
    }
}

fn encode(bytes: u64, last: u64) -> u64 {
    match bytes {
        0 => last | OFF,
        bytes => bytes.min(OFF - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stronger_source_wins() {
        for (builder, environment, interval, on) in [
            (None, None, DEFAULT_INTERVAL, true),
            (Some(7), None, 7, true),
            (Some(7), Some("9"), 9, true),
            (Some(7), Some("nonsense"), 7, true),
            (Some(7), Some("0"), DEFAULT_INTERVAL, false),
            (Some(0), None, DEFAULT_INTERVAL, false),
        ] {
            let settings = Settings::new();
            let fine = settings.configure(builder, environment.map(str::as_bytes));
            assert_eq!(fine, environment != Some("nonsense"));
            assert_eq!(settings.is_environment_ignored(), !fine);
            assert_eq!(settings.drawing_interval(), interval);
            assert_eq!(settings.is_on(), on);
            settings.set(11);
            settings.configure(builder, environment.map(str::as_bytes));
            assert_eq!(settings.drawing_interval(), 11, "the setter is stronger");
        }
    }

    #[test]
    fn the_largest_intervals_do_not_set_the_flag() {
        for bytes in [OFF - 1, OFF, OFF + 7, u64::MAX] {
            let settings = Settings::new();
            settings.set(bytes);
            assert!(settings.is_configured() && settings.is_on(), "{bytes}");
            assert_eq!(settings.drawing_interval(), OFF - 1, "{bytes}");
        }
    }

    #[test]
    fn off_continues_to_draw_gaps_but_rarely() {
        let settings = Settings::new();
        settings.set(1 << 20);
        settings.set(0);
        assert!(!settings.is_on());
        assert_eq!(settings.drawing_interval(), 1 << 20);
        settings.set(1);
        settings.set(0);
        assert_eq!(settings.drawing_interval(), DEFAULT_INTERVAL);
        settings.set(1);
        assert!(settings.is_on());
    }
}
