//! The snapshotter in real processes, which the tests start: killed at random moments, short of memory, of
//! disk, of files, at their exit, in a panic, forked.

#![cfg(all(target_os = "linux", feature = "snapshotter", feature = "jemalloc"))]
#![expect(unsafe_code, reason = "sets limits, sends signals, forks")]
#![expect(
    clippy::exit,
    reason = "processes that the tests start end with their handlers"
)]

mod paths;

use heaptide::{Profile, Snapshotter};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    hint::black_box,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    panic,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();

const MIB: usize = 1 << 20;
const LIMIT: usize = 512 * MIB;

// ---- What is started. ------------------------------------------------------------------------------

/// One of the functions below, in a process of its own, with `HEAPTIDE_SNAPSHOTS` for its settings.
fn command(role: &str, settings: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env_remove("HEAPTIDE_SAMPLE_INTERVAL")
        .env("RUST_BACKTRACE", "0")
        .env("HEAPTIDE_SNAPSHOTS", settings)
        .env("ROLE", role);
    command
}

#[test]
#[ignore = "not a test: what the other tests start in a process of its own"]
fn child() {
    let role = std::env::var("ROLE").unwrap_or_default();
    let number = || role.rsplit(' ').next().and_then(|word| word.parse().ok());
    match role.split(' ').next().unwrap_or_default() {
        // Started by nobody, with all other tests.
        "" => {}
        "busy" => allocate_for_ever(),
        "leak" => leak_until_killed(number().unwrap()),
        "file-size" => lose_a_snapshot_to_the_file_size(),
        "full" => lose_a_snapshot_to_a_full_disk(),
        "vanished" => lose_snapshots_with_their_folder(),
        "ways" => die_in_every_way(),
        "fork" => fork_with_a_snapshotter(),
        "own-memory" => look_at_its_own_memory(),
        "growth" => print_times_from_growth_to_file(),
        _ => panic!("no role {role}"),
    }
}

fn start() -> Snapshotter {
    Snapshotter::from_env().unwrap().unwrap()
}

/// From a thousand call stacks, so that files are large enough to be hit half written.
fn allocate_for_ever() {
    let _snapshots = start();
    let mut kept = Vec::new();
    for round in 0.. {
        paths::walk(round, 10, &mut || kept.push(black_box(vec![1u8; 20_000])));
        if kept.len() == 2000 {
            kept.clear();
        }
    }
}

/// Leaks so many million bytes a second, or, if that is 0, as fast as there are files for what is used;
/// ends with its memory.
fn leak_until_killed(rate: u64) {
    const BLOCK: usize = 1 << 16;
    let folder = PathBuf::from(std::env::var_os("FOLDER").unwrap());
    let group = std::env::var_os("GROUP");
    if let Some(group) = &group {
        let process = std::process::id().to_string();
        fs::write(Path::new(group).join("cgroup.procs"), process).unwrap();
    } else {
        set_soft_limit(libc::RLIMIT_AS, Some(LIMIT as u64));
    }
    let _snapshots = start();
    let begun = Instant::now();
    let mut kept = Vec::new();
    for blocks in 0u64.. {
        if let Some(due) = (blocks * BLOCK as u64).checked_div(rate) {
            thread::sleep(Duration::from_micros(due).saturating_sub(begun.elapsed()));
        } else if blocks % 16 == 0 {
            let leaked = kept.len() * BLOCK;
            let used = if group.is_some() { leaked } else { mapped() };
            wait_for_share(&folder, used);
        }
        kept.push(black_box(vec![1u8; BLOCK]));
        if blocks % 16 == 15 {
            println!("leaked {} MiB", (blocks + 1) / 16);
        }
        if kept.len() * BLOCK > 2 * LIMIT {
            break;
        }
    }
    println!("not killed");
    // Neither an exit nor a panic: the parent must see that nothing ended it.
    // SAFETY: always valid to call.
    unsafe { libc::_exit(3) };
}

const SHARES: [(usize, &str); 4] = [
    (50, "limit50"),
    (80, "limit80"),
    (90, "limit90"),
    (95, "limit95"),
];

/// Waits for the file of the share of the limit that is used, or of a higher one.
fn wait_for_share(folder: &Path, used: usize) {
    let reached = SHARES
        .iter()
        .filter(|(share, _)| used * 100 >= share * LIMIT);
    if let Some(least) = reached.count().checked_sub(1) {
        let found = |reason: &String| SHARES[least..].iter().any(|(_, name)| name == reason);
        wait_for(|| reasons(folder).iter().any(found));
    }
}

/// The bytes that are mapped in this process.
fn mapped() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split(' ').next().unwrap().parse().unwrap();
    // SAFETY: always valid to call.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages * usize::try_from(page).unwrap()
}

fn lose_a_snapshot_to_the_file_size() {
    let snapshots = start();
    snapshots.take("before").unwrap();
    set_soft_limit(libc::RLIMIT_FSIZE, Some(100));
    let error = snapshots.take("during").unwrap_err();
    assert!(
        error.is_io() && error.to_string().contains("too large"),
        "{error}"
    );
    assert!(snapshots.take("again").unwrap_err().is_io());
    set_soft_limit(libc::RLIMIT_FSIZE, None);
    snapshots.take("after").unwrap();
    let counts = snapshots.counts();
    assert_eq!((counts.taken, counts.failed), (2, 2));
}

/// Its folder is a volume of its own, of 64 KiB.
fn lose_a_snapshot_to_a_full_disk() {
    let folder = PathBuf::from(std::env::var_os("FOLDER").unwrap());
    let snapshots = start();
    let first = snapshots.take("before").unwrap();
    let whole = fs::read(&first).unwrap();
    // All but a page that every file takes.
    let filler = folder.join("filler");
    let free = (64 << 10) - whole.len().next_multiple_of(4096) - 4096;
    fs::write(&filler, vec![0; free]).unwrap();
    assert!(whole.len() > 4096, "does not fit into what is left");
    for reason in ["full", "again"] {
        let error = snapshots.take(reason).unwrap_err();
        assert!(error.to_string().contains("No space left"), "{error}");
    }
    let names: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    assert_eq!(names.len(), 2, "nothing half written: {names:?}");
    assert_eq!(fs::read(&first).unwrap(), whole);
    fs::remove_file(&filler).unwrap();
    snapshots.take("after").unwrap();

    let remount = |options: &str| {
        let mut mount = Command::new("mount");
        let status = mount.args(["-o", options]).arg(&folder).status();
        assert!(status.expect("mount is there").success());
    };
    remount("remount,ro");
    let error = snapshots.take("read-only").unwrap_err();
    assert!(error.to_string().contains("Read-only"), "{error}");
    remount("remount,rw");
    snapshots.take("writable").unwrap();
    let counts = snapshots.counts();
    assert_eq!((counts.taken, counts.failed), (3, 3));
}

fn lose_snapshots_with_their_folder() {
    let folder = PathBuf::from(std::env::var_os("FOLDER").unwrap());
    let snapshots = start();
    snapshots.take("there").unwrap();
    fs::remove_dir_all(&folder).unwrap();
    for _ in 0..5 {
        assert!(snapshots.take("gone").unwrap_err().is_io());
    }
    assert!(!folder.exists(), "not made again in silence");
    fs::create_dir(&folder).unwrap();
    snapshots.take("back").unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(snapshots.take("gone").unwrap_err().is_io());
    fs::create_dir(&folder).unwrap();
    assert_eq!(snapshots.counts().failed, 6);
}

fn die_in_every_way() {
    let snapshots = start();
    let folder = PathBuf::from(std::env::var_os("FOLDER").unwrap());
    // SAFETY: always valid to call; the signal is listened to.
    assert_eq!(unsafe { libc::raise(libc::SIGUSR2) }, 0);
    wait_for(|| reasons(&folder).contains(&"signal".to_owned()));
    let panicked = thread::spawn(|| panic!("on purpose")).join();
    assert!(panicked.is_err());
    // The thread has waited for it.
    assert!(reasons(&folder).contains(&"panic".to_owned()));
    let again = thread::spawn(|| panic!("on purpose again")).join();
    assert!(again.is_err());
    let message = Snapshotter::builder().dir(&folder).start().unwrap_err();
    assert!(message.is_busy(), "one at a time: {message}");
    if std::env::var_os("DROP").is_some() {
        drop(snapshots);
        assert!(reasons(&folder).contains(&"exit".to_owned()));
        // Nor is there anything left of it: another one starts, and writes no exit.
        let again = Snapshotter::builder().dir(&folder).start().unwrap();
        again.take("second").unwrap();
        let _still = thread::spawn(|| panic!("on purpose once more")).join();
        return;
    }
    std::process::exit(0);
}

fn fork_with_a_snapshotter() {
    let folder = PathBuf::from(std::env::var_os("FOLDER").unwrap());
    let snapshots = start();
    snapshots.take("parent").unwrap();
    // SAFETY: the child does what this test is about, that it works there.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            assert!(snapshots.take("child").unwrap_err().is_inert());
            let panicked = panic::catch_unwind(|| panic!("on purpose"));
            assert!(panicked.is_err());
            drop(snapshots);
            let own = Snapshotter::builder().dir(&folder).start().unwrap();
            own.take("own").unwrap();
        }));
        // With handlers, of which the exit snapshot's is one.
        std::process::exit(i32::from(result.is_err()));
    }
    let mut status = 0;
    // Shorter than anybody waits for a snapshotter's thread, which the child does not have.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        // SAFETY: `pid` is a child of this process and `status` a local.
        let ended = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) };
        if ended == pid {
            break;
        }
        if Instant::now() > deadline {
            // SAFETY: our own child, not yet waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        thread::yield_now();
    }
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0);
    snapshots.take("parent-again").unwrap();
    assert_eq!(snapshots.counts().taken, 2);
}

fn look_at_its_own_memory() {
    let kept = black_box(vec![1u8; 1000]);
    let snapshots = start();
    let mut last = PathBuf::new();
    for _ in 0..5 {
        last = snapshots.take("look").unwrap();
    }
    let profile = Profile::read(&fs::read(last).unwrap()).unwrap();
    let has = |part: &&str| {
        let mut functions = profile.functions.iter();
        functions.any(|function| function.name.contains(*part))
    };
    let programs_own = "look_at_its_own_memory";
    let profilers_own = [
        "heaptide::snapshotter::",
        "heaptide::pprof::",
        "signal_hook",
    ];
    assert!(has(&programs_own), "it sees what this function allocates");
    let found: Vec<_> = profilers_own.into_iter().filter(has).collect();
    assert!(found.is_empty(), "{found:?}");
    drop(kept);
}

fn print_times_from_growth_to_file() {
    let folder = PathBuf::from(std::env::var_os("FOLDER").unwrap());
    let snapshots = start();
    let mut kept = Vec::new();
    for round in 1..=5 {
        // Growth is listened for again a second after the last snapshot.
        thread::sleep(Duration::from_millis(1500));
        let level = heaptide::stats().live_bytes + 64 * MIB as u64;
        while heaptide::stats().live_bytes < level {
            kept.push(black_box(vec![1u8; 100_000]));
        }
        let reached = SystemTime::now();
        wait_for(|| snapshots.counts().taken == round);
        let whole = reached.elapsed().unwrap();
        let file = self::snapshots(&folder).pop().unwrap();
        let bytes = fs::read(file).unwrap();
        let profile = Profile::read(&bytes).unwrap();
        let since_epoch = reached.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let begun = i128::from(profile.time_nanos) - since_epoch.as_nanos().cast_signed();
        println!(
            "begun after {} us, whole after {} us: {} bytes, {} samples",
            begun / 1000,
            whole.as_micros(),
            bytes.len(),
            heaptide::stats().live_samples
        );
    }
}

fn set_soft_limit(resource: libc::__rlimit_resource_t, soft: Option<u64>) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a local of the right type.
    assert_eq!(unsafe { libc::getrlimit(resource, &raw mut limit) }, 0);
    limit.rlim_cur = soft.unwrap_or(limit.rlim_max);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limit) }, 0);
}

// ---- What is looked at. ----------------------------------------------------------------------------

/// Waits for what has to come, and fails if it does not.
fn wait_for(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "never came");
        thread::yield_now();
    }
}

/// All names in a folder.
fn names(folder: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

/// The snapshots of a folder, oldest first.
fn snapshots(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| name(path).starts_with("heap-"));
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn reasons(folder: &Path) -> Vec<String> {
    let reason = |path: &PathBuf| {
        let name = name(path);
        let word = name.splitn(4, '-').nth(3).unwrap();
        word.strip_suffix(".pb.gz").unwrap().to_owned()
    };
    snapshots(folder).iter().map(reason).collect()
}

fn run(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// What the snapshotter said on stderr.
fn said(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().filter(|line| line.starts_with("heaptide: "));
    lines.map(str::to_owned).collect()
}

/// A number that any change of `seed` changes, below `below`.
fn scatter(seed: u64, below: u64) -> u64 {
    (seed + 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(31)
        % below
}

#[test]
fn whatever_is_killed_leaves_whole_files_only() {
    const KILLS: u64 = 40;
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "dir={},every=1ms,growth=1MiB,peak,keep=20",
        folder.path().display()
    );
    let mut kills_while_writing = 0;
    for kill in 0..KILLS {
        let before = snapshots(folder.path());
        let mut child: Child = command("busy", &settings)
            .env("HEAPTIDE_SAMPLE_INTERVAL", "4096")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(|| snapshots(folder.path()) != before);
        thread::sleep(Duration::from_micros(scatter(kill, 50_000)));
        // Every other one at once when there is a new name, of whatever kind.
        let names = names(folder.path());
        wait_for(|| kill % 2 == 0 || !names.is_superset(&self::names(folder.path())));
        let pid = child.id();
        child.kill().unwrap();
        child.wait().unwrap();
        let files = snapshots(folder.path());
        assert!(!files.is_empty());
        let mut processes = BTreeSet::new();
        // One more than is kept, if it was killed between a file and tidying up; and the peak.
        assert!(files.len() <= 20 + 20 + 1, "{}", files.len());
        for path in &files {
            let profile = Profile::read(&fs::read(path).unwrap());
            let profile = profile.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(profile.time_nanos > 0, "{}", path.display());
            processes.insert(profile.process().expect("it says which process it is of"));
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        // At least the process that was killed, and no more than have run.
        assert!(processes.iter().any(|process| process.pid == pid));
        assert!(
            processes.len() <= usize::try_from(kill).unwrap() + 1,
            "{processes:?}"
        );
        let left = fs::read_dir(folder.path()).unwrap().count() - files.len();
        // What the last one left is swept by the next.
        assert!(left <= 1, "{left} temporary files");
        kills_while_writing += left;
    }
    println!("{kills_while_writing} of {KILLS} kills hit a file being written");
}

/// What a file says of the memory when it was taken: mapped, in MiB.
fn mapped_mib(profile: &Profile) -> f64 {
    let mut comments = profile.comments.iter();
    let remark = comments.find(|comment| comment.starts_with("#heaptide snapshot: "));
    let mapped = remark
        .unwrap()
        .split("; ")
        .find_map(|part| part.strip_suffix(" used of 512.00 MiB (RLIMIT_AS, mapped)"));
    mapped
        .unwrap()
        .strip_suffix(" MiB")
        .unwrap()
        .parse()
        .unwrap()
}

fn live_mib(profile: &Profile) -> f64 {
    let index = profile.sample_index("inuse_space").unwrap();
    let live: i64 = profile
        .samples
        .iter()
        .map(|sample| sample.values[index])
        .sum();
    live as f64 / MIB as f64
}

/// What is left of a process that leaked until it ended.
struct Remains {
    status: ExitStatus,
    leaked_mib: f64,
    /// Oldest first.
    files: Vec<(String, Profile)>,
}

fn leak(rate: u64, group: Option<&Path>) -> Remains {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("dir={},limit=0.5:0.8:0.9:0.95", folder.path().display());
    let mut command = command(&format!("leak {rate}"), &settings);
    command.env("FOLDER", folder.path());
    if let Some(group) = group {
        command.env("GROUP", group);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut leaked = text.lines().filter_map(|line| line.strip_prefix("leaked "));
    let leaked = leaked.next_back().unwrap().strip_suffix(" MiB").unwrap();
    let files = snapshots(folder.path());
    let read = |path: &PathBuf| (name(path), Profile::read(&fs::read(path).unwrap()).unwrap());
    Remains {
        status: output.status,
        leaked_mib: leaked.parse().unwrap(),
        files: files.iter().map(read).collect(),
    }
}

/// Five standard errors at an interval of 512 KiB.
fn noise_mib(live_mib: f64) -> f64 {
    5.0 * (live_mib * 0.5).sqrt()
}

#[test]
fn a_leak_leaves_a_file_from_shortly_before_the_end_of_its_address_space() {
    let remains = leak(0, None);
    assert_eq!(remains.status.signal(), Some(libc::SIGABRT), "no memory");
    let (name, last) = remains.files.last().unwrap();
    let (mapped, live) = (mapped_mib(last), live_mib(last));
    let leaked = remains.leaked_mib;
    println!("{name}, {mapped} MiB mapped, {live} of {leaked} MiB live");
    assert!(mapped >= 0.8 * 512.0);
    // Of what there was in the end that is most: jemalloc maps ahead.
    assert!(live >= 0.6 * leaked - noise_mib(leaked));
}

#[test]
#[ignore = "a measurement, of how the disk keeps up with a leak: prints the last files and checks nothing"]
fn print_the_last_file_before_the_end_of_an_address_space() {
    for rate in [100, 1000] {
        print_remains(rate, &leak(rate, None));
    }
}

#[test]
#[ignore = "a measurement; needs root and a control group that may be made beside the own one"]
fn print_the_last_file_before_a_control_group_kills() {
    let group = MemoryGroup::new();
    for rate in [100, 1000] {
        print_remains(rate, &leak(rate, Some(&group.0)));
    }
}

fn print_remains(rate: u64, remains: &Remains) {
    let leaked = remains.leaked_mib;
    match remains.files.last() {
        None => println!("{rate} MB/s: no file of {leaked} MiB"),
        Some((name, last)) => {
            let live = live_mib(last);
            println!("{rate} MB/s: {name}, {live} of {leaked} MiB live");
        }
    }
}

#[test]
#[ignore = "needs root and a control group that may be made beside the own one"]
fn a_leak_leaves_a_file_from_shortly_before_its_control_group_kills_it() {
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

/// A control group of 512 MiB, of version 2 if memory is controlled there, or of version 1.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    fn new() -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let path_of = |key: &str| {
            let mut fields = own
                .lines()
                .map(|line| line.splitn(3, ':').collect::<Vec<_>>());
            let found = fields.find(|fields| fields[1] == key);
            found.map(|fields| fields[2].trim_start_matches('/').to_owned())
        };
        let v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let (top, key, limit) = if v2 {
            ("/sys/fs/cgroup", "", "memory.max")
        } else {
            ("/sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes")
        };
        let name = format!("heaptide-test-{}", std::process::id());
        // Version 2 has no processes in inner groups, so there it is a sister.
        let mut folder = Path::new(top).join(path_of(key).unwrap());
        if v2 && folder != Path::new(top) {
            folder.pop();
        }
        let folder = folder.join(name);
        fs::create_dir(&folder).unwrap();
        let group = Self(folder);
        fs::write(group.0.join(limit), LIMIT.to_string()).unwrap();
        // What is swapped out does not count against the limit, and nothing would be killed.
        let swap = group.0.join("memory.swap.max");
        if swap.exists() {
            fs::write(swap, "0").unwrap();
        }
        group
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // A panic here would hide what the test has to say.
        if let Err(error) = fs::remove_dir(&self.0) {
            eprintln!("{} is left over: {error}", self.0.display());
        }
    }
}

#[test]
#[ignore = "a measurement: prints times and checks nothing"]
fn print_times_of_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("dir={},growth=64MiB", folder.path().display());
    let mut command = command("growth", &settings);
    command.env("FOLDER", folder.path());
    print!("{}", String::from_utf8(run(command).stdout).unwrap());
}

#[test]
fn a_limit_on_file_sizes_costs_the_snapshot_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("dir={},every=1h", folder.path().display());
    let output = run(command("file-size", &settings));
    assert_eq!(reasons(folder.path()), ["before", "after"]);
    assert_eq!(said(&output).len(), 1, "{output:?}");
}

#[test]
#[ignore = "needs unshare and mount (util-linux, mount), and user namespaces or root"]
fn a_full_and_a_read_only_disk_cost_the_snapshots_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("dir={},every=1h", folder.path().display());
    let inner = command("full", &settings);
    let mut outer = Command::new("unshare");
    let script = r#"mount -t tmpfs -o size=64k tmpfs "$FOLDER" && exec "$@""#;
    outer.args([
        "--user",
        "--map-root-user",
        "--mount",
        "--",
        "sh",
        "-c",
        script,
        "sh",
    ]);
    outer.arg(inner.get_program()).args(inner.get_args());
    for (key, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(key, value),
            None => outer.env_remove(key),
        };
    }
    outer.env("FOLDER", folder.path());
    // With every allocation of the process a profile is larger than a page.
    outer.env("HEAPTIDE_SAMPLE_INTERVAL", "1");
    let output = run(outer);
    let said = said(&output);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("No space left") && said[1].contains("Read-only"));
}

#[test]
fn a_folder_that_vanishes_costs_the_snapshots_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("dumps");
    let settings = format!("dir={},every=1h", folder.display());
    let mut command = command("vanished", &settings);
    command.env("FOLDER", &folder);
    let said = said(&run(command));
    assert_eq!(said.len(), 2, "once each time it was gone: {said:?}");
    assert!(said[0].contains("could not write the snapshot"), "{said:?}");
}

#[test]
fn signals_panics_and_exits_leave_their_files() {
    for by_drop in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!("dir={},signal=USR2,exit,panic", folder.path().display());
        let mut command = command("ways", &settings);
        command.env("FOLDER", folder.path());
        if by_drop {
            command.env("DROP", "1");
        }
        let output = run(command);
        let mut expected = vec!["signal", "panic", "exit"];
        if by_drop {
            expected.push("second");
        }
        assert_eq!(reasons(folder.path()), expected);
        // The hook that was there before is called too.
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("on purpose again"), "{text}");
    }
}

#[test]
fn a_forked_child_leaves_the_snapshots_to_its_parent_and_may_start_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("dir={},exit,panic", folder.path().display());
    let mut command = command("fork", &settings);
    command.env("FOLDER", folder.path());
    run(command);
    let expected = ["parent", "own", "parent-again", "exit"];
    assert_eq!(reasons(folder.path()), expected);
    let paths = snapshots(folder.path());
    let pid = |path: &PathBuf| name(path).split('-').nth(2).unwrap().to_owned();
    let pids: Vec<String> = paths.iter().map(pid).collect();
    assert!(pids[0] == pids[2] && pids[0] == pids[3] && pids[0] != pids[1]);
}

#[test]
fn its_own_memory_is_not_in_what_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "dir={},every=1h,signal=USR1,symbolize",
        folder.path().display()
    );
    let mut command = command("own-memory", &settings);
    command.env("HEAPTIDE_SAMPLE_INTERVAL", "1");
    run(command);
}

#[test]
fn wrong_settings_name_the_variable_the_key_and_the_value() {
    let output = command("ways", "dir=/dumps,every=often").output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("HEAPTIDE_SNAPSHOTS: every=often: not a time"),
        "{text}"
    );
}
