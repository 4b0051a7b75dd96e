//! The profiler's own numbers: as JSON for `control`, and as the trailer of the text form.

use crate::{Stats, stats};
use heaptide_profile::internal::json::{object, string};

/// All of [`Stats`] by the names of its fields.
pub(super) fn json() -> String {
    let stats = stats();
    let overhead = stats.overhead_bytes.map(|bytes| bytes.to_string());
    let lost = [
        ("samples", stats.lost.samples),
        ("live", stats.lost.live),
        ("stacks", stats.lost.stacks),
        ("frees", stats.lost.frees),
    ];
    let lost = lost.map(|(name, count)| (name, count.to_string()));
    object([
        ("version", string(env!("CARGO_PKG_VERSION"))),
        ("installed", stats.installed.to_string()),
        ("sample_interval", stats.sample_interval.to_string()),
        ("samples", stats.samples.to_string()),
        ("live_samples", stats.live_samples.to_string()),
        ("live_bytes", stats.live_bytes.to_string()),
        ("stacks", stats.stacks.to_string()),
        ("overhead_bytes", overhead.unwrap_or("null".into())),
        ("lost", object(lost)),
        ("environment_ignored", stats.environment_ignored.to_string()),
        ("small_unsampled", stats.small_unsampled.to_string()),
    ])
}

/// Lines `# Name = value`, where Go has its memory statistics; the last one is Go's last one too.
pub(super) fn trailer() -> String {
    let status = std::fs::read_to_string("/proc/self/status");
    lines(&stats(), status.ok().and_then(|status| max_rss(&status)))
}

fn lines(stats: &Stats, max_rss: Option<u64>) -> String {
    let numbers = [
        ("SampleInterval", Some(stats.sample_interval)),
        ("LiveBytes", Some(stats.live_bytes)),
        ("Samples", Some(stats.samples)),
        ("LiveSamples", Some(stats.live_samples)),
        ("Stacks", Some(stats.stacks)),
        ("OverheadBytes", stats.overhead_bytes),
        ("LostSamples", Some(stats.lost.samples)),
        ("LostLive", Some(stats.lost.live)),
        ("LostStacks", Some(stats.lost.stacks)),
        ("LostFrees", Some(stats.lost.frees)),
        ("MaxRSS", max_rss),
    ];
    let line = |(name, value): (&str, Option<u64>)| Some(format!("# {name} = {}\n", value?));
    let lines = numbers.into_iter().filter_map(line);
    format!("# heaptide.Stats\n{}", lines.collect::<String>())
}

/// The most memory that was ever resident, in bytes: `ru_maxrss` of `getrusage`, `VmHWM` in
/// proc(5).
fn max_rss(status: &str) -> Option<u64> {
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_resident_size_is_read_from_proc() {
        assert_eq!(
            max_rss("VmPeak:\t 9 kB\nVmHWM:\t   1234 kB\n"),
            Some(1234 * 1024)
        );
        assert_eq!(max_rss("VmPeak:\t 9 kB\n"), None);
        assert_eq!(max_rss("VmHWM:\t many kB\n"), None);
    }

    #[test]
    fn an_unknown_number_has_no_line() {
        let mut stats = stats();
        stats.overhead_bytes = None;
        stats.lost.frees = 3;
        let text = lines(&stats, None);
        assert!(text.contains("\n# LostFrees = 3\n"), "{text}");
        assert!(
            !text.contains("Overhead") && !text.contains("MaxRSS"),
            "{text}"
        );
        assert!(lines(&stats, Some(7)).ends_with("# MaxRSS = 7\n"));
        assert!(text.lines().all(|line| line.starts_with("# ")), "{text}");
    }
}
