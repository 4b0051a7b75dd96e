//! How much memory may be used, and how much is: control groups, the limit on address space, or what the
//! machine has. Reads `/proc` and the mounted control groups under a root that tests make up.
//!
//! All limits that hold are read, each with the use that counts against it, and the fullest one is told:
//! a pod may be short of memory while its container is not.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Memory used, and the limit that it comes closest to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) used: u64,
    pub(super) limit: u64,
    /// What sets the limit, for people.
    pub(super) source: &'static str,
}

/// Reads the memory of this process.
#[derive(Debug)]
pub(super) struct MemoryReader {
    root: PathBuf,
    /// The process's group and those above it.
    groups: Vec<(PathBuf, Version)>,
}

/// The files of a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    limit: &'static str,
    used: &'static str,
    /// In `memory.stat`: what the kernel takes back before it kills.
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

    /// `None` if `/proc` cannot be read.
    pub(super) fn read(&self) -> Option<Memory> {
        let group = |(folder, version): &(PathBuf, Version)| read_group(folder, *version);
        let limits = self.groups.iter().filter_map(group);
        limits
            .chain(self.address_space())
            // The share used; of equal ones the innermost.
            .max_by_key(|memory| {
                let share = (u128::from(memory.used) << 32) / u128::from(memory.limit.max(1));
                (share, std::cmp::Reverse(memory.limit))
            })
            .or_else(|| self.machine())
    }

    /// The largest file that this process may write. The kernel kills who writes a larger one.
    pub(super) fn largest_file(&self) -> Option<u64> {
        self.soft_limit("Max file size")
    }

    fn address_space(&self) -> Option<Memory> {
        Some(Memory {
            limit: self.soft_limit("Max address space")?,
            used: self.status("VmSize:")?,
            source: "RLIMIT_AS",
        })
    }

    fn machine(&self) -> Option<Memory> {
        let text = fs::read_to_string(self.root.join("proc/meminfo")).ok()?;
        Some(Memory {
            limit: kilobytes(&text, "MemTotal:")?,
            used: self.status("VmRSS:")?,
            source: "physical memory",
        })
    }

    fn status(&self, key: &str) -> Option<u64> {
        let text = fs::read_to_string(self.root.join("proc/self/status")).ok()?;
        kilobytes(&text, key)
    }

    /// `None` if there is none, "unlimited".
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

fn read_group(folder: &Path, version: Version) -> Option<Memory> {
    let number = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        // "max" is no number, and no limit.
        text.trim().parse().ok()
    };
    let limit = number(version.limit).filter(|limit| *limit < NO_LIMIT)?;
    let used = number(version.used)?;
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let reclaimable = stat.lines().find_map(|line| {
        let value = line.strip_prefix(version.reclaimable)?.strip_prefix(' ')?;
        value.trim().parse().ok()
    });
    Some(Memory {
        used: used.saturating_sub(reclaimable.unwrap_or(0)),
        limit,
        source: version.source,
    })
}

/// The folders of the process's memory groups, innermost first.
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
        // Where only a part of the tree is mounted, or the path lies outside of this namespace, what is
        // mounted is as near as one gets.
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

/// Root and mount point of a line of `mountinfo`, if the memory groups of this version are mounted there:
/// `35 31 0:32 /root /mount/point rw,relatime - cgroup cgroup rw,memory`.
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

    /// A root with these files.
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

    fn with(files: &[(&str, &str)]) -> Option<Memory> {
        let root = root(&[&MACHINE[..], files].concat());
        MemoryReader::new(root.path()).read()
    }

    #[test]
    fn without_a_limit_the_machine_is_one() {
        let machine = Memory {
            used: 50 * MIB,
            limit: 1024 * MIB,
            source: "physical memory",
        };
        assert_eq!(with(&[]), Some(machine));
        let nothing = tempfile::tempdir().unwrap();
        let reader = MemoryReader::new(nothing.path());
        assert_eq!((reader.read(), reader.largest_file()), (None, None));
    }

    #[test]
    fn limits_on_the_process_are_read_from_their_table() {
        let limits = MACHINE[0].1.replace(
            "address space         unlimited            unlimited",
            "address space         536870912            unlimited",
        );
        let files = [("proc/self/limits", &*limits), MACHINE[1], MACHINE[2]];
        let root = root(&files);
        let reader = MemoryReader::new(root.path());
        let memory = reader.read().unwrap();
        assert_eq!((memory.used, memory.limit), (200 * MIB, 512 * MIB));
        assert_eq!(memory.source, "RLIMIT_AS");
        assert_eq!(reader.largest_file(), Some(MIB));
    }

    const V2_MOUNT: (&str, &str) = (
        "proc/self/mountinfo",
        "22 27 0:21 / /proc rw - proc proc rw\n\
         30 25 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
    );

    #[test]
    fn the_fullest_group_up_the_tree_counts_without_what_is_reclaimable() {
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
        let pod = Memory {
            used: 400 * MIB,
            limit: 500 * MIB,
            source: "control group",
        };
        assert_eq!(found, Some(pod));
        // The container's own, where the pod has none.
        let found = with(&[
            V2_MOUNT,
            ("proc/self/cgroup", "0::/pods/pod1/web\n"),
            ("sys/fs/cgroup/pods/pod1/web/memory.max", "1048576000\n"),
            ("sys/fs/cgroup/pods/pod1/web/memory.current", "104857600\n"),
            (
                "sys/fs/cgroup/pods/pod1/web/memory.stat",
                "anon 1\ninactive_file 4857600\n",
            ),
        ]);
        let own = found.map(|memory| (memory.used, memory.limit));
        assert_eq!(own, Some((100_000_000, 1_048_576_000)));
    }

    #[test]
    fn a_path_outside_of_what_is_mounted_falls_back_to_what_is() {
        for cgroup in ["0::/\n", "0::/../other\n", "0::/gone/away\n"] {
            let found = with(&[
                V2_MOUNT,
                ("proc/self/cgroup", cgroup),
                ("sys/fs/cgroup/memory.max", "209715200\n"),
                ("sys/fs/cgroup/memory.current", "104857600\n"),
            ]);
            let own = found.map(|memory| (memory.used, memory.limit));
            assert_eq!(own, Some((100 * MIB, 200 * MIB)), "{cgroup}");
        }
    }

    #[test]
    fn version_1_is_found_by_its_controller_where_its_part_is_mounted() {
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
        let memory = Memory {
            used: 50 * MIB,
            limit: 100 * MIB,
            source: "control group v1",
        };
        assert_eq!(with(&files), Some(memory));
    }
}
