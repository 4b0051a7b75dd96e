//! The verdict on heap profiles that Go's runtime wrote for a leaking Go program.

use heaptide_profile::Profile;
use heaptide_profile::leak::{LeakDetector, NotAccusedReason};
use std::{fs, process::Command};

#[test]
#[ignore = "needs go (Debian golang-go)"]
fn the_leak_of_a_go_program_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let ran = Command::new("go")
        .arg("run")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/go-leak.go"
        ))
        .arg(folder.path())
        .output()
        .expect("`go` is in the path: install golang-go");
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let mut detector = LeakDetector::new();
    for second in 0..16_i64 {
        let path = folder.path().join(format!("heap-{second:02}.pb.gz"));
        let mut profile = Profile::read(&fs::read(path).unwrap()).unwrap();
        // The program takes no time between its simulated seconds.
        profile.time_nanos = second * 1_000_000_000;
        detector.add(&profile).unwrap();
    }
    let verdict = detector.verdict().unwrap();
    println!("{verdict}");
    let [leak] = verdict.leaks.as_slice() else {
        panic!("{verdict}");
    };
    // The blamed function is the one that keeps the buffers, and not the one that makes them for
    // others too.
    assert_eq!(&*leak.blamed.name, "main.openSession");
    assert_eq!(&*leak.trend.site.name, "main.newBuffer");
    assert!(leak.blamed.file.ends_with("go-leak.go"));
    // 1 MiB in each of 15 seconds: 3,840 blocks, of which 63 % are sampled. A tenth is eight
    // errors.
    assert!(
        (leak.trend.rates.slope / 1_048_576.0 - 1.0).abs() < 0.1,
        "{verdict}"
    );
    let cache = verdict
        .not_accused
        .iter()
        .find(|a| &*a.trend.site.name == "main.cachePage");
    let churn = verdict.not_accused.iter().find(|a| {
        a.trend
            .stack
            .get(1)
            .is_some_and(|f| &*f.name == "main.answer")
    });
    assert_eq!(
        cache.map(|a| a.reason),
        Some(NotAccusedReason::LevelsOff),
        "{verdict}"
    );
    assert_eq!(
        churn.map(|a| a.reason),
        Some(NotAccusedReason::Churns),
        "{verdict}"
    );
}
