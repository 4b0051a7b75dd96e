//! Memory limits and memory use: control groups, the limit on address space, or the machine.
//!
//! Reads `/proc` and the mounted control groups below a root, which is a made-up folder in tests.
//! All limits in force are read, each with the use that counts against it: a pod may be short of
//! memory while its container is not. No library serves here: `procfs` does not read the memory
//! files of a control group, and `cgroups-rs` brings dozens of packages.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A limit on memory and the use that counts against it, both in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// Identifies the limit; it has the same number at each reading.
    pub(super) number: usize,
    pub(super) used: u64,
    pub(super) limit: u64,
    /// What sets the limit, as text for people.
    pub(super) source: &'static str,
}

/// Reads the memory of this process.
#[derive(Debug)]
pub(super) struct MemoryReader {
    root: PathBuf,
    /// The process's group and the groups above it.
    groups: Vec<(PathBuf, Version)>,
}

/// The file names of a control group, which depend on its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    limit: &'static str,
    used: &'static str,
    /// The key in `memory.stat` of the memory that the kernel takes back before it kills.
    reclaimable: &'static str,
    source: &'static str,
}

const V2: Version = Version {
    limit: "memory.max",
    used: "memory.current",
    reclaimable: "inactive_file",
    source: "control group",
};
const V1: Version = Version {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file",
    source: "control group v1",
};

/// Version 1 writes "no limit" as the largest multiple of a page.
const NO_LIMIT: u64 = 1 << 60;

impl MemoryReader {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let groups = find_groups(&root).unwrap_or_default();
        Self { root, groups }
    }

    /// The limits, the fullest first; empty if `/proc` cannot be read.
    pub(super) fn read(&self) -> Vec<Memory> {
        let groups = self.groups.iter().zip(0..);
        let groups =
            groups.filter_map(|((folder, version), number)| read_group(folder, *version, number));
        let mut limits: Vec<Memory> = groups.chain(self.address_space()).collect();
        if limits.is_empty() {
            limits.extend(self.machine());
        }
        let share =
            |memory: &Memory| (u128::from(memory.used) << 32) / u128::from(memory.limit.max(1));
        limits.sort_by_key(|memory| (std::cmp::Reverse(share(memory)), memory.number));
        limits
    }

    /// The largest file that this process may write; the kernel kills a process that exceeds it.
    pub(super) fn largest_file(&self) -> Option<u64> {
        self.soft_limit("Max file size")
    }

    /// The limit on address space, once with the mapped bytes and once with the resident bytes.
    ///
    /// Allocators map ahead, in ever larger pieces. After their mappings have reached the limit,
    /// they still use mapped memory for long. Only the resident bytes show how much of it is left.
    fn address_space(&self) -> impl Iterator<Item = Memory> {
        let limit = self.soft_limit("Max address space");
        let uses = [
            ("VmSize:", "RLIMIT_AS, mapped"),
            ("VmRSS:", "RLIMIT_AS, resident"),
        ];
        let first = self.groups.len();
        uses.into_iter()
            .zip(first..)
            .filter_map(move |((key, source), number)| {
                Some(Memory {
                    number,
                    limit: limit?,
                    used: self.status(key)?,
                    source,
                })
            })
    }

    fn machine(&self) -> Option<Memory> {
        let text = fs::read_to_string(self.root.join("proc/meminfo")).ok()?;
        Some(Memory {
            number: usize::MAX,
            limit: kilobytes(&text, "MemTotal:")?,
            used: self.status("VmRSS:")?,
            source: "physical memory, resident",
        })
    }

    fn status(&self, key: &str) -> Option<u64> {
        let text = fs::read_to_string(self.root.join("proc/self/status")).ok()?;
        kilobytes(&text, key)
    }

    /// A limit from the table in `/proc/self/limits`; `None` if it is "unlimited".
    fn soft_limit(&self, name: &str) -> Option<u64> {
        let text = fs::read_to_string(self.root.join("proc/self/limits")).ok()?;
        let values = text.lines().find_map(|line| line.strip_prefix(name))?;
        values.split_whitespace().next()?.parse().ok()
    }
}

/// The value of a line such as `MemTotal:  24684080 kB`.
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

fn read_group(folder: &Path, version: Version, number: usize) -> Option<Memory> {
    let bytes = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        // "max" is not a number and means that there is no limit.
        text.trim().parse().ok()
    };
    let limit = bytes(version.limit).filter(|limit| *limit < NO_LIMIT)?;
    let used = bytes(version.used)?;
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let reclaimable = stat.lines().find_map(|line| {
        let value = line.strip_prefix(version.reclaimable)?.strip_prefix(' ')?;
        value.trim().parse().ok()
    });
    Some(Memory {
        number,
        used: used.saturating_sub(reclaimable.unwrap_or(0)),
        limit,
        source: version.source,
    })
}

/// The folders of the process's memory groups, the innermost first.
fn find_groups(root: &Path) -> Option<Vec<(PathBuf, Version)>> {
    let member = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    let mut groups = Vec::new();
    for line in member.lines() {
        // `0::/path` in version 2, `4:memory:/path` in version 1.
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let version = if controllers.is_empty() {
            V2
        } else if controllers.split(',').any(|name| name == "memory") {
            V1
        } else {
            continue;
        };
        let mount = mounts.lines().find_map(|line| mounted(line, version));
        let Some((mount_root, mount_point)) = mount else {
            continue;
        };
        // If only a part of the tree is mounted, or the path lies outside of this namespace, the
        // top of the mounted part is the nearest group that can be read.
        let below = Path::new(path).strip_prefix(mount_root);
        let below = below.ok().filter(|path| !path.starts_with(".."));
        let top = root.join(mount_point.trim_start_matches('/'));
        let innermost = top.join(below.unwrap_or(Path::new("")));
        let tree = innermost.ancestors();
        let tree = tree.take_while(|folder| folder.starts_with(&top));
        groups.extend(tree.map(|folder| (folder.to_owned(), version)));
    }
    Some(groups)
}

/// Root and mount point of a line of `mountinfo`, if it mounts memory groups of this version.
///
/// Such a line is `35 31 0:32 /root /mount/point rw,relatime - cgroup cgroup rw,memory`.
fn mounted(line: &str, version: Version) -> Option<(&str, &str)> {
    let (place, kind) = line.split_once(" - ")?;
    let mut kind = kind.split(' ');
    let (file_system, options) = (kind.next()?, kind.nth(1)?);
    let fits = if version == V2 {
        file_system == "cgroup2"
    } else {
        file_system == "cgroup" && options.split(',').any(|option| option == "memory")
    };
    let mut place = place.split(' ').skip(3);
    fits.then_some((place.next()?, place.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A temporary root folder with these files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MACHINE: [(&str, &str); 3] = [
        (
            "proc/self/limits",
            "Limit                     Soft Limit           Hard Limit           Units     \n\
             Max file size             1048576              unlimited            bytes     \n\
             Max address space         unlimited            unlimited            bytes     \n",
        ),
        (
            "proc/self/status",
            "VmSize:\t  204800 kB\nVmRSS:\t  51200 kB\n",
        ),
        (
            "proc/meminfo",
            "MemTotal:       1048576 kB\nMemFree: 1 kB\n",
        ),
    ];

    fn with(files: &[(&str, &str)]) -> Vec<Memory> {
        let root = root(&[&MACHINE[..], files].concat());
        MemoryReader::new(root.path()).read()
    }

    fn numbers(limits: &[Memory]) -> Vec<(u64, u64, &'static str)> {
        let numbers = |memory: &Memory| (memory.used, memory.limit, memory.source);
        limits.iter().map(numbers).collect()
    }

    #[test]
    fn without_a_limit_the_memory_of_the_machine_is_the_limit() {
        let machine = Memory {
            number: usize::MAX,
            used: 50 * MIB,
            limit: 1024 * MIB,
            source: "physical memory, resident",
        };
        assert_eq!(with(&[]), [machine]);
        let nothing = tempfile::tempdir().unwrap();
        let reader = MemoryReader::new(nothing.path());
        assert_eq!((reader.read(), reader.largest_file()), (vec![], None));
    }

    #[test]
    fn limits_on_the_process_are_read_from_proc() {
        let limits = MACHINE[0].1.replace(
            "address space         unlimited            unlimited",
            "address space         536870912            unlimited",
        );
        let files = [("proc/self/limits", &*limits), MACHINE[1], MACHINE[2]];
        let root = root(&files);
        let reader = MemoryReader::new(root.path());
        let (mapped, resident) = ("RLIMIT_AS, mapped", "RLIMIT_AS, resident");
        let read = numbers(&reader.read());
        assert_eq!(
            read,
            [
                (200 * MIB, 512 * MIB, mapped),
                (50 * MIB, 512 * MIB, resident)
            ]
        );
        assert_eq!(reader.largest_file(), Some(MIB));
    }

    const V2_MOUNT: (&str, &str) = (
        "proc/self/mountinfo",
        "22 27 0:21 / /proc rw - proc proc rw\n\
         30 25 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
    );

    #[test]
    fn every_group_up_the_tree_counts_without_reclaimable_memory() {
        let found = with(&[
            V2_MOUNT,
            ("proc/self/cgroup", "0::/pods/pod1/web\n"),
            ("sys/fs/cgroup/pods/pod1/web/memory.max", "1048576000\n"),
            ("sys/fs/cgroup/pods/pod1/web/memory.current", "104857600\n"),
            (
                "sys/fs/cgroup/pods/pod1/web/memory.stat",
                "anon 1\ninactive_file_x 5\ninactive_file 4857600\n",
            ),
            ("sys/fs/cgroup/pods/pod1/memory.max", "524288000\n"),
            ("sys/fs/cgroup/pods/pod1/memory.current", "419430400\n"),
            ("sys/fs/cgroup/pods/memory.max", "max\n"),
            ("sys/fs/cgroup/pods/memory.current", "999999999999\n"),
        ]);
        // The fullest first.
        let pod = (400 * MIB, 500 * MIB, "control group");
        let own = (100_000_000, 1_048_576_000, "control group");
        assert_eq!(numbers(&found), [pod, own]);
        assert_eq!((found[0].number, found[1].number), (1, 0));
    }

    #[test]
    fn a_path_outside_of_the_mounted_tree_falls_back_to_its_top() {
        for cgroup in ["0::/\n", "0::/../other\n", "0::/gone/away\n"] {
            let found = with(&[
                V2_MOUNT,
                ("proc/self/cgroup", cgroup),
                ("sys/fs/cgroup/memory.max", "209715200\n"),
                ("sys/fs/cgroup/memory.current", "104857600\n"),
            ]);
            let own = (100 * MIB, 200 * MIB, "control group");
            assert_eq!(numbers(&found), [own], "{cgroup}");
        }
    }

    #[test]
    fn version_1_is_found_by_its_controller_in_a_partly_mounted_tree() {
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let files = [
            ("proc/self/mountinfo", mounts),
            (
                "proc/self/cgroup",
                "5:cpu:/docker/abc\n4:memory:/docker/abc/inner\n0::/\n",
            ),
            (
                "sys/fs/cgroup/memory/inner/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("sys/fs/cgroup/memory/inner/memory.usage_in_bytes", "1000\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "62914560\n"),
            (
                "sys/fs/cgroup/memory/memory.stat",
                "inactive_file 1\ntotal_inactive_file 10485760\n",
            ),
        ];
        let own = (50 * MIB, 100 * MIB, "control group v1");
        assert_eq!(numbers(&with(&files)), [own]);
    }
}
