//! The profiles of a real process in the real `go tool pprof`, as a person at a terminal sees them.
//!
//! The test starts a copy of itself as the service. The copy writes two heap profiles, ends, and is
//! removed before `pprof` looks. A service's binary is often missing on the machine of the reader,
//! too.

#[path = "../support/command.rs"]
mod command;
#[path = "../support/roles.rs"]
mod roles;

use heaptide::Profile;
use heaptide_profile::testing::pprof_top::{KINDS, assert_diff_is_equal, assert_top_is_equal};
use std::{fs, hint::black_box, path::Path, process::Command, process::ExitCode, sync::Mutex};
use tempfile::TempDir;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();

/// A user's generic collection. pprof has to show its name whole.
struct Shelf<T>(Vec<T>);

impl<T: Clone> Extend<T> for Shelf<T> {
    #[inline(never)]
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for item in items {
            self.0.push(item.clone());
        }
    }
}

static LEAKED: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

#[inline(never)]
fn leak_requests(count: usize) {
    for _ in 0..count {
        let request = vec![1; 10_000]; // the leaking line
        LEAKED.lock().unwrap().push(black_box(request));
    }
}

#[inline(never)]
fn churn() {
    for _ in 0..20_000 {
        drop(black_box(vec![2u8; 5_000]));
    }
}

/// The role of the service, which writes its profiles to this folder.
fn serve(folder: &str) {
    let folder = Path::new(folder);
    let write = |name| heaptide::write_heap_profile(fs::File::create(folder.join(name)).unwrap());
    let mut shelf = Shelf(Vec::new());
    // 5,000 stay, which are 38 samples on average. The odds of none are one in 10^16.
    shelf.extend((0..20_000).map(|number| vec![number; 1_000]));
    leak_requests(2_000);
    churn();
    write("base.pb.gz").unwrap();
    leak_requests(4_000);
    churn();
    shelf.0.truncate(5_000);
    write("new.pb.gz").unwrap();
    black_box(&shelf.0);
}

/// The folder with the profiles of a service whose binary is gone.
fn served() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("service");
    // Another process copies the file. A fork of another test's thread would inherit it open for
    // writing, and the kernel runs no such file.
    let copied = Command::new("cp")
        .arg(std::env::current_exe().unwrap())
        .arg(&binary)
        .status();
    assert!(copied.unwrap().success());
    let role = roles::command(folder.path().to_str().unwrap());
    let output = Command::new(&binary)
        .envs(
            role.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    fs::remove_file(binary).unwrap();
    folder
}

/// The output of pprof, which must print nothing on stderr.
fn quiet_pprof(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("go")
        .args(["tool", "pprof"])
        .args(arguments)
        .arg(folder.join("new.pb.gz"))
        .env("HOME", folder)
        .env("PPROF_TMPDIR", folder)
        .env_remove("PPROF_BINARY_PATH")
        .output()
        .expect("`go` is in the path: install golang-go");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr, "", "no warning without the binary");
    String::from_utf8(output.stdout).unwrap()
}

fn top_and_diff_agree_with_pprof_to_the_unit() {
    let folder = served();
    let path = |name| {
        folder
            .path()
            .join(name)
            .into_os_string()
            .into_string()
            .unwrap()
    };
    let (base, new) = (path("base.pb.gz"), path("new.pb.gz"));
    assert_top_is_equal(command::heaptide(), &new);
    assert_diff_is_equal(command::heaptide(), &base, &new);
}

fn raw_shows_the_types_the_period_and_the_program_first() {
    let folder = served();
    let raw = quiet_pprof(folder.path(), &["-raw"]);
    let types = KINDS.map(|kind| {
        let unit = if kind.ends_with("space") {
            "bytes"
        } else {
            "count"
        };
        format!("{kind}/{unit}")
    });
    assert!(
        raw.contains(&format!("{}[dflt]\n", types.join(" "))),
        "{raw}"
    );
    assert!(
        raw.contains("PeriodType: space bytes\nPeriod: 524288\n"),
        "{raw}"
    );
    let mappings: Vec<&str> = raw.split("Mappings\n").nth(1).unwrap().lines().collect();
    assert!(mappings[0].starts_with("1: 0x"), "{mappings:#?}");
    assert!(mappings[0].contains("/service "), "{mappings:#?}");
    assert!(mappings[0].ends_with("[FN][FL][LN][IN]"), "{mappings:#?}");
    let id = mappings[0].split(' ').nth(3).unwrap();
    let readelf = Command::new("readelf")
        .arg("-n")
        .arg(std::env::current_exe().unwrap())
        .output()
        .expect("`readelf` is in the path: install binutils");
    let notes = String::from_utf8(readelf.stdout).unwrap();
    assert!(
        notes.contains(&format!("Build ID: {id}\n")),
        "{id} in {notes}"
    );
}

fn names_come_through_whole_and_the_leak_is_the_first_line() {
    let folder = served();
    let top = quiet_pprof(folder.path(), &["-top"]);
    let table: Vec<&str> = top
        .lines()
        .skip_while(|line| !line.contains("flat%"))
        .collect();
    assert!(
        table[1].ends_with(" interop_process::leak_requests"),
        "{top}"
    );
    let generic = " <interop_process::Shelf<T> as core::iter::traits::collect::Extend<T>>::extend";
    assert!(table.iter().any(|line| line.contains(generic)), "{top}");
}

fn list_shows_the_leaking_line() {
    let folder = served();
    let list = quiet_pprof(folder.path(), &["-list", "leak_requests"]);
    let line = list
        .lines()
        .find(|line| line.ends_with("// the leaking line"));
    let flat = line
        .and_then(|line| line.split_whitespace().next())
        .unwrap();
    assert!(flat.ends_with("MB"), "{list}");
    let megabytes: f64 = flat.trim_end_matches("MB").parse().unwrap();
    // 57.2 MiB in about 114 samples. The limit is 5 standard errors of 5.3 MiB.
    assert!((megabytes - 57.2).abs() < 27.0, "{list}");
}

/// The rules of all consumers, on a real profile.
fn a_real_profile_keeps_the_rules() {
    let folder = served();
    let profile = Profile::read(&fs::read(folder.path().join("new.pb.gz")).unwrap()).unwrap();
    profile.check().unwrap();
    assert_eq!(profile.sample_types.len(), 4);
    assert_eq!(&*profile.default_sample_type, "inuse_space");
    assert_eq!((profile.period, profile.duration_nanos), (524_288, 0));
    assert!(profile.time_nanos > 1_700_000_000_000_000_000);
    assert!(profile.mappings[0].file.ends_with("/service"));
    let mut addresses: Vec<u64> = profile.locations.iter().map(|l| l.address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(
        addresses.len(),
        profile.locations.len(),
        "one location per address"
    );
    for location in &profile.locations {
        let mapping = &profile.mappings[location.mapping.unwrap().index()];
        assert!((mapping.start..mapping.limit).contains(&location.address));
    }
    for function in &profile.functions {
        assert_ne!(function.name, function.system_name);
        let allocator_frames = [
            "__rust_",
            "alloc::alloc::",
            "alloc::raw_vec::",
            "heaptide::record",
        ];
        for sample in &profile.samples {
            let leaf = profile.frames(sample).next().unwrap().function;
            let name = &*leaf.unwrap().name;
            assert!(
                !allocator_frames
                    .iter()
                    .any(|p| name.trim_start_matches('<').starts_with(p)),
                "{name}"
            );
        }
    }
    for sample in &profile.samples {
        assert!(sample.values[0] >= sample.values[2] && sample.values[1] >= sample.values[3]);
        assert_eq!(&*sample.labels[0].key, "bytes");
    }
}

fn main() -> ExitCode {
    let tests = roles::tests![
        top_and_diff_agree_with_pprof_to_the_unit = "needs Go's pprof (Debian golang-go)",
        raw_shows_the_types_the_period_and_the_program_first =
            "needs Go's pprof (Debian golang-go)",
        names_come_through_whole_and_the_leak_is_the_first_line =
            "needs Go's pprof (Debian golang-go)",
        list_shows_the_leaking_line = "needs Go's pprof (Debian golang-go)",
        a_real_profile_keeps_the_rules,
    ];
    roles::main(serve, tests)
}
