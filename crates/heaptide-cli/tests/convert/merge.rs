//! `heaptide merge`: sums, refusals, warnings, and memory.

use std::{fs, process::Command};

use heaptide_profile::testing::example;
use heaptide_profile::{Profile, ValueType, report};

use crate::{STACKS, assert_refused, folder, read, run, run_ok, save, text};

#[test]
fn a_merge_is_the_sum_and_rejects_profiles_that_do_not_fit() {
    let folder = folder();
    let path = folder.path();
    let profile = example::profile(STACKS, 0);
    let mut cpu = profile.clone();
    cpu.sample_types[3] = ValueType::new("cpu", "nanoseconds");
    save(&path.join("cpu.pb.gz"), &cpu);
    let mut fine_grained = profile.clone();
    fine_grained.period = 1;
    save(&path.join("fine.pb.gz"), &fine_grained);
    let mut unstated = profile.clone();
    unstated.period = 0;
    save(&path.join("unstated.pb.gz"), &unstated);
    fs::create_dir(path.join("pods")).expect("a new folder");
    let pods: Vec<Profile> = (0..3)
        .map(|pod| example::profile(STACKS, pod << 20))
        .collect();
    for (pod, profile) in pods.iter().enumerate() {
        save(&path.join(format!("pods/{pod}.pb.gz")), profile);
    }
    run_ok(path, "merge pods -o all.pb.gz");
    let all: Vec<&Profile> = pods.iter().collect();
    assert_eq!(
        read(&path.join("all.pb.gz")),
        Profile::merge(&all).expect("a sum")
    );

    let with_units = "alloc_objects/count, alloc_space/bytes, inuse_objects/count";
    let types = format!(
        "the profiles have different sample types: [{with_units}, inuse_space/bytes] and \
         [{with_units}, cpu/nanoseconds]"
    );
    assert_refused(
        path,
        "merge pods heap.pb.gz cpu.pb.gz -o x.pb.gz",
        &format!("pods/0.pb.gz and cpu.pb.gz: {types}"),
    );
    assert_refused(
        path,
        "merge heap.pb.gz unstated.pb.gz -o x.pb.gz",
        "heap.pb.gz and unstated.pb.gz: the profiles have different periods: 524288 and 0, so no \
         sample of the sum would say what it stands for",
    );
    assert!(!path.join("x.pb.gz").exists());
    // Each sample of a heap states the interval it was drawn at.
    run_ok(path, "merge fine.pb.gz heap.pb.gz -o x.pb.gz");
    let sum = read(&path.join("x.pb.gz"));
    let drawn = |sample| {
        sum.population(sample)
            .expect("a heap's sample")
            .interval_bytes
    };
    let drawn: Vec<i64> = sum.samples.iter().map(drawn).collect();
    assert_eq!(drawn, [1, 1, 1, 1, 524_288, 524_288, 524_288, 524_288]);
}

#[test]
fn merge_warns_of_snapshots_of_one_process() {
    let folder = folder();
    let path = folder.path();
    let mut later = example::profile(STACKS, 0x5555_0000_0000);
    save(&path.join("1.pb.gz"), &later);
    later.time_nanos += 1;
    save(&path.join("2.pb.gz"), &later);
    let warned = |command_line: &str| {
        let output = run(path, command_line);
        assert_eq!(output.status.code(), Some(0));
        text(&output.stderr).to_owned()
    };
    let warning = "heaptide: 1 of the 3 profiles is a further snapshot of a process that is in it \
    already: \
                   what lived on is counted in each of them\n";
    assert_eq!(
        warned("merge 1.pb.gz 2.pb.gz heap.pb.gz -o all.pb.gz"),
        warning
    );

    // At a fixed address too, if they state their process.
    for (name, pid) in [("a", 7), ("b", 7), ("c", 8)] {
        let mut fixed = example::profile(STACKS, 0);
        fixed.comments = vec![format!("#heaptide process: pid={pid} start=1700000000.12").into()];
        save(&path.join(format!("{name}.pb.gz")), &fixed);
    }
    assert_eq!(
        warned("merge a.pb.gz b.pb.gz c.pb.gz -o all.pb.gz"),
        warning
    );
    assert_eq!(warned("merge a.pb.gz c.pb.gz -o all.pb.gz"), "");
}

#[test]
#[cfg(target_os = "linux")]
fn a_merge_of_ten_thousand_fits_into_64_mib() {
    let folder = tempfile::tempdir().expect("a folder");
    let pods = folder.path().join("pods");
    fs::create_dir(&pods).expect("a new folder");
    // All at once they would take 150 MB.
    let stacks: String = (0..20)
        .map(|at| {
            format!(
                "main / run{} / of / depth / ten / or / so / handler{at} = 1 64 1 64 bytes=64\n",
                at % 7
            )
        })
        .collect();
    let profile = example::profile(&stacks, 0);
    let mut bytes = Vec::new();
    profile.write(&mut bytes).expect("a valid profile");
    for pod in 0..10_000 {
        fs::write(pods.join(format!("{pod}.pb.gz")), &bytes).expect("a new file");
    }
    // The limit is on the address space. Resident memory can only be smaller.
    let limited = format!(
        "ulimit -v {}; exec {} merge pods -o all.pb.gz",
        64 << 10,
        env!("CARGO_BIN_EXE_heaptide")
    );
    let output = Command::new("sh")
        .args(["-c", &limited])
        .current_dir(&folder)
        .output();
    let output = output.expect("sh starts");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let all = read(&folder.path().join("all.pb.gz"));
    assert_eq!(
        report::total(all.sample_type_at(0).unwrap()),
        10_000 * report::total(profile.sample_type_at(0).unwrap())
    );
}
