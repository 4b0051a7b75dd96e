//! A leaking process leaves a file from shortly before its memory limit ends it.

use crate::leaking::{MemoryGroup, leak, live_mib, mapped_mib};
use std::os::unix::process::ExitStatusExt;

/// Five standard errors at an interval of 512 KiB.
fn noise_mib(live_mib: f64) -> f64 {
    5.0 * (live_mib * 0.5).sqrt()
}

pub(crate) fn a_leak_leaves_a_file_from_shortly_before_the_end_of_its_address_space() {
    let remains = leak(0, None);
    assert_eq!(remains.status.signal(), Some(libc::SIGABRT), "no memory");
    let (name, last) = remains.files.last().unwrap();
    let (mapped, live) = (mapped_mib(last), live_mib(last));
    let leaked = remains.leaked_mib;
    println!("{name}, {mapped} MiB mapped, {live} of {leaked} MiB live");
    assert!(mapped >= 0.8 * 512.0);
    // The file holds most of the leaked memory. Not all: jemalloc maps ahead.
    assert!(live >= 0.6 * leaked - noise_mib(leaked));
}

pub(crate) fn a_leak_leaves_a_file_from_shortly_before_its_control_group_kills_it() {
    let group = MemoryGroup::new();
    let remains = leak(0, Some(&group.0));
    assert_eq!(
        remains.status.signal(),
        Some(libc::SIGKILL),
        "out of memory"
    );
    let (name, last) = remains.files.last().unwrap();
    let (live, leaked) = (live_mib(last), remains.leaked_mib);
    println!("{name}, {live} of {leaked} MiB live");
    let percent: f64 = name.split("limit").nth(1).unwrap()[..2].parse().unwrap();
    assert!(percent >= 80.0, "{name}");
    assert!(live >= 0.8 * leaked - noise_mib(leaked));
}
