//! A process that leaks until its memory limit ends it.

use crate::common::{MIB, command, name, reasons, set_soft_limit, snapshots, start, wait_for};
use heaptide::Profile;
use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::ExitStatus,
    thread,
    time::{Duration, Instant},
};

const LIMIT: usize = 512 * MIB;

/// Leaks `rate` million bytes a second until the memory limit ends the process.
///
/// If `rate` is 0, it leaks as fast as the files for the used memory are written.
pub(crate) fn leak_until_killed(rate: u64) {
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
    // Neither exits nor panics: the parent must see that no limit ended the process.
    // SAFETY: always valid to call.
    unsafe { libc::_exit(3) };
}

const SHARES: [(usize, &str); 4] = [
    (50, "limit50"),
    (80, "limit80"),
    (90, "limit90"),
    (95, "limit95"),
];

/// Waits for the file of the highest share of the limit that is used, or of a higher share.
fn wait_for_share(folder: &Path, used: usize) {
    let reached = SHARES
        .iter()
        .filter(|(share, _)| used * 100 >= share * LIMIT);
    if let Some(least) = reached.count().checked_sub(1) {
        let found = |reason: &String| SHARES[least..].iter().any(|(_, name)| name == reason);
        wait_for(|| reasons(folder).iter().any(found));
    }
}

/// The mapped bytes of this process.
fn mapped() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split(' ').next().unwrap().parse().unwrap();
    // SAFETY: always valid to call.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages * usize::try_from(page).unwrap()
}

/// The mapped memory when the snapshot was taken, in MiB, from the comment in the file.
pub(crate) fn mapped_mib(profile: &Profile) -> f64 {
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

pub(crate) fn live_mib(profile: &Profile) -> f64 {
    let index = profile.sample_type("inuse_space").unwrap().index();
    let live: i64 = profile
        .samples
        .iter()
        .map(|sample| sample.values[index])
        .sum();
    live as f64 / MIB as f64
}

/// The outcome of a process that leaked until it ended.
pub(crate) struct Remains {
    pub(crate) status: ExitStatus,
    pub(crate) leaked_mib: f64,
    /// The oldest first.
    pub(crate) files: Vec<(String, Profile)>,
}

pub(crate) fn leak(rate: u64, group: Option<&Path>) -> Remains {
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

/// A control group of 512 MiB, of version 2 if memory is controlled there, or of version 1.
pub(crate) struct MemoryGroup(pub(crate) PathBuf);

impl MemoryGroup {
    pub(crate) fn new() -> Self {
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
        // Version 2 allows no processes in inner groups, so the new group is a sibling there.
        let mut folder = Path::new(top).join(path_of(key).unwrap());
        if v2 && folder != Path::new(top) {
            folder.pop();
        }
        let folder = folder.join(name);
        fs::create_dir(&folder).unwrap();
        let group = Self(folder);
        fs::write(group.0.join(limit), LIMIT.to_string()).unwrap();
        // Swapped memory does not count against the limit, so with swap no process would be killed.
        let swap = group.0.join("memory.swap.max");
        if swap.exists() {
            fs::write(swap, "0").unwrap();
        }
        group
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // A panic here would hide the result of the test.
        if let Err(error) = fs::remove_dir(&self.0) {
            eprintln!("{} is left over: {error}", self.0.display());
        }
    }
}
