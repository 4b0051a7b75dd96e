//! The source of the sample interval.
//!
//! The test starts itself anew with another environment.

#[path = "../support/roles.rs"]
mod roles;

use std::{alloc::System, process::ExitCode};

const BUILDER: u64 = 65_536;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(BUILDER);

/// The standard output and standard error of a process with this environment.
fn started_with(variable: Option<&str>) -> (String, String) {
    let mut command = roles::command("started");
    if let Some(value) = variable {
        command.env("HEAPTIDE_SAMPLE_INTERVAL", value);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

/// The role of the started process.
fn print_what_holds(_role: &str) {
    let kept: Vec<Vec<u8>> = (0..100).map(|_| vec![1; 777]).collect();
    let stats = heaptide::stats();
    let profile = heaptide::ProfileOptions::new().heap().unwrap();
    // The comments for people. One for machines is always there.
    let comments = profile.comments.iter().filter(|c| !c.starts_with('#'));
    println!(
        "interval={} ignored={} period={} comments={:?}",
        stats.sample_interval,
        stats.environment_ignored,
        profile.period,
        comments.collect::<Vec<_>>()
    );
    let exact: i64 = profile
        .samples
        .iter()
        .filter(|sample| sample.values[2] == 100 && sample.values[3] == 77_700)
        .map(|sample| sample.values[2])
        .sum();
    println!("exact={exact} samples={}", stats.samples);
    heaptide::set_sample_interval(1 << 20);
    println!("set={}", heaptide::sample_interval());
    drop(kept);
}

fn the_builder_holds_without_an_environment() {
    let (out, err) = started_with(None);
    assert!(
        out.contains("interval=65536 ignored=false period=65536 comments=[]"),
        "{out}"
    );
    assert!(
        out.contains("set=1048576"),
        "the setter has priority: {out}"
    );
    assert_eq!(err, "");
}

fn the_environment_is_stronger_and_exact_from_the_start_at_1() {
    let (out, err) = started_with(Some("1"));
    assert!(
        out.contains("interval=1 ignored=false period=1 comments=[]"),
        "{out}"
    );
    assert!(out.contains("exact=100"), "{out}");
    assert_eq!(err, "");
    let (out, _) = started_with(Some("256 KiB"));
    assert!(out.contains("interval=262144"), "{out}");
}

fn zero_records_nothing() {
    let (out, err) = started_with(Some("0"));
    assert!(out.contains("interval=0"), "{out}");
    assert!(out.contains("heaptide is not recording"), "{out}");
    assert!(out.contains("samples=0"), "{out}");
    assert_eq!(err, "");
}

fn an_unreadable_value_keeps_the_next_source_and_is_reported_three_times() {
    let (out, err) = started_with(Some("half a MiB"));
    assert!(out.contains("interval=65536 ignored=true"), "{out}");
    assert!(
        out.contains("heaptide ignored HEAPTIDE_SAMPLE_INTERVAL: not a number of bytes"),
        "{out}"
    );
    assert_eq!(
        err,
        "heaptide: ignoring HEAPTIDE_SAMPLE_INTERVAL=half a MiB: not a number of bytes such as \
         524288, 512KiB or 1MiB (0 = off)\n"
    );
}

fn main() -> ExitCode {
    let tests = roles::tests![
        the_builder_holds_without_an_environment,
        the_environment_is_stronger_and_exact_from_the_start_at_1,
        zero_records_nothing,
        an_unreadable_value_keeps_the_next_source_and_is_reported_three_times,
    ];
    roles::main(print_what_holds, tests)
}
