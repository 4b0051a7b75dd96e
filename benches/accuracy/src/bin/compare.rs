//! Prints how far estimates of live bytes and objects are from the truth, as a Markdown table.
//!
//! The table has the ratio of estimate to truth at each site, and the noise of such a ratio, which
//! follows from the sampling law. A larger deviation is bias.
//!
//! Every program runs 30 times, or as often as the first argument says, and the runs are summed.
//! The programs are those that were built together with this one.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use heaptide::Profile;
use heaptide_accuracy::{SITES, Site};

const INTERVAL: f64 = 512.0 * 1024.0;
const PEERS: [&str; 4] = ["heaptide", "go", "jemalloc", "pprof-alloc"];

fn main() {
    let runs: u32 = std::env::args()
        .nth(1)
        .map_or(30, |runs| runs.parse().expect("a number of runs"));
    let programs = std::env::current_exe().expect("a path");
    let programs = programs.parent().expect("a folder");
    let folder = programs.join("accuracy");
    std::fs::create_dir_all(&folder).expect("a folder");
    build_go(&folder.join("go"));

    // For each peer and site: objects, if the profile has them, and bytes.
    let mut sums = vec![vec![(None::<f64>, 0.0); SITES.len()]; PEERS.len()];
    for (peer, sums) in PEERS.iter().zip(&mut sums) {
        let program = if *peer == "go" {
            folder.join(peer)
        } else {
            programs.join(peer)
        };
        for _ in 0..runs {
            let file = folder.join(format!("{peer}.pb.gz"));
            run(Command::new(&program).arg(&file));
            let profile = read(&file);
            for (site, sum) in SITES.iter().zip(sums.iter_mut()) {
                if let Ok(index) = profile.sample_type("inuse_objects").map(|of| of.index()) {
                    *sum.0.get_or_insert(0.0) += of_site(&profile, index, site.name);
                }
                let index = profile
                    .sample_type("inuse_space")
                    .expect("live bytes")
                    .index();
                sum.1 += of_site(&profile, index, site.name);
            }
        }
    }

    println!("| site | value | noise | {} |", PEERS.join(" | "));
    println!("|---|---|---|{}", "---|".repeat(PEERS.len()));
    for (at, site) in SITES.iter().enumerate() {
        for (value, unit) in [("bytes", size as fn(f64) -> f64), ("objects", one)] {
            let (truth, noise) = law(site, unit, runs);
            let ratios: Vec<String> = sums
                .iter()
                .map(|sums| match (value, sums[at]) {
                    ("bytes", (_, bytes)) => format!("{:.3}", bytes / truth),
                    (_, (Some(objects), _)) => format!("{:.3}", objects / truth),
                    (_, (None, _)) => String::new(),
                })
                .collect();
            let name = site.name.trim_start_matches("site_").replace('_', " ");
            println!("| {name} | {value} | {noise:.3} | {} |", ratios.join(" | "));
        }
    }
}

fn size(size: f64) -> f64 {
    size
}

fn one(_: f64) -> f64 {
    1.0
}

/// The sum over all runs, and the relative standard deviation of an unbiased estimate of it.
fn law(site: &Site, unit: fn(f64) -> f64, runs: u32) -> (f64, f64) {
    let (mut truth, mut variance) = (0.0, 0.0);
    for (size, count) in site.blocks {
        let (size, count) = (*size as f64, *count as f64 * f64::from(runs));
        let p = -(-size / INTERVAL).exp_m1();
        truth += count * unit(size);
        variance += count * (1.0 - p) / p * unit(size) * unit(size);
    }
    (truth, variance.sqrt() / truth)
}

fn of_site(profile: &Profile, index: usize, name: &str) -> f64 {
    let is_name = |function: &str| {
        // `heaptide_accuracy::site_64` or `main.site_64`.
        function
            .strip_suffix(name)
            .is_some_and(|rest| rest.ends_with([':', '.']) || rest.is_empty())
    };
    let samples = profile.samples.iter().filter(|sample| {
        profile
            .frames(sample)
            .any(|frame| frame.function.is_some_and(|f| is_name(&f.name)))
    });
    samples.map(|sample| sample.values[index] as f64).sum()
}

fn read(file: &Path) -> Profile {
    Profile::read(&std::fs::read(file).expect("a profile")).expect("a profile")
}

fn build_go(program: &PathBuf) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go/main.go");
    run(Command::new("go")
        .arg("build")
        .arg("-o")
        .arg(program)
        .arg(source));
}

fn run(command: &mut Command) {
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
