//! The text below the options in the help of the reports.
//!
//! It is prose with examples and how to read the output, shown line by line.

pub(crate) const TOP: &str = "\
Examples:
  heaptide top heap.pb.gz
  heaptide top --sample-index alloc_objects -n 50 heap.pb.gz
  heaptide top --lines --focus 'cache::' --hide '^alloc::' heap.pb.gz
  heaptide top --tagfocus bytes=1MiB: http://localhost:6060
  heaptide top --exact -n 0 pod-1.pb.gz pod-2.pb.gz > top.txt

Columns: flat is what the function itself holds, cum what it and all it calls
hold; sum% adds up flat% from the top. ± is one standard error of sampling; the
truth lies within two of it 95 times in 100 where samples are many. Shares are
of the whole profile, whatever is filtered. The numbers are those of
`go tool pprof -top -nodefraction=0`, and so is their order.";

pub(crate) const DIFF: &str = "\
Examples:
  heaptide diff before.pb.gz after.pb.gz
  heaptide diff --stacks --short-names before.pb.gz after.pb.gz
  heaptide diff /dumps
  heaptide diff --sample-index inuse_objects -n 0 before.pb.gz after.pb.gz
  heaptide diff before.pb.gz http://localhost:6060/debug/pprof/heap

Growth is positive. (new) is what the base has nothing of, (gone) what only the
base has. Percentages are of the base's total. ± is one standard error of
sampling, for two profiles of one process. The numbers are those of
`go tool pprof -top -nodefraction=0 -diff_base BASE NEW`.";

pub(crate) const TREE: &str = "\
Examples:
  heaptide tree heap.pb.gz
  heaptide tree --focus 'cache::' --cum -n 20 heap.pb.gz
  heaptide tree --nodecount 0 --nodefraction 0 --edgefraction 0 heap.pb.gz
  heaptide tree --diff-base before.pb.gz after.pb.gz

Above each function its callers (from), below it what it calls (to): what each
call carries, and its share of the function's cum. (indirect): functions that
were left out lie between. Below the report is the command that shows the same
with pprof.";

pub(crate) const PEEK: &str = "\
Examples:
  heaptide peek 'Vec<.*>::push' heap.pb.gz
  heaptide peek --lines --sample-index alloc_space 'cache::put' heap.pb.gz
  heaptide peek --diff-base before.pb.gz '^server::track$' after.pb.gz

The same as `heaptide tree`, of the functions that match, with all their callers
and callees. If none matches, the command fails.";

pub(crate) const TRACES: &str = "\
Examples:
  heaptide traces heap.pb.gz
  heaptide traces --focus 'cache::put' --lines heap.pb.gz
  heaptide traces --tagfocus bytes=1MiB: heap.pb.gz

Each sample with its labels, its value, and its call stack, the innermost call
first. (inline): the compiler has put this call into the next one.";

pub(crate) const LIST: &str = "\
Examples:
  heaptide list 'cache::put' heap.pb.gz
  heaptide list --source-path ~/src/server 'cache::' heap.pb.gz
  heaptide list --trim-path /rustc/$(rustc -vV | sed -n 's/commit-hash: //p') \\
      --source-path $(rustc --print sysroot)/lib/rustlib/src/rust \\
      'Vec.*::push' heap.pb.gz

A source file is looked for by its path without what --trim-path names, in the
folders of --source-path and above them. Without --trim-path all up to the name
of such a folder goes: /build/server/src/db.rs is src/db.rs in ~/src/server. A
path that still begins with / has to exist as it is. Whether a file has changed
since the program was built is not noticed.";

pub(crate) const LEAKS: &str = "\
Examples:
  heaptide leaks /dumps
  heaptide leaks 09.pb.gz 10.pb.gz 11.pb.gz
  heaptide leaks --fail-on leak /dumps   # exits 1 if there is one, for CI
  heaptide leaks --json /dumps | jq '.leaks[].function'

Snapshots are put in order of the time they state. Two can show growth only;
from ten or so on a leak is told from a cache that fills.";

pub(crate) const FLAMEGRAPH: &str = "\
Examples:
  heaptide flamegraph -o heap.svg heap.pb.gz
  heaptide flamegraph --base before.pb.gz -o grown.svg after.pb.gz
  heaptide flamegraph --sample-index alloc_space --ignore '^tokio::' \\
      heap.pb.gz > allocs.svg

With --base the widths are those of the profile, red is what has grown since the
base and blue what has shrunk.";

pub(crate) const WATCH: &str = "\
Examples:
  heaptide watch http://localhost:6060
  heaptide watch --every 30s --sample-index inuse_objects /dumps
  heaptide watch --count 13 --every 5m http://localhost:6060 > growth.txt

The first profile is the base; what has grown since is shown, most first. If the
process was restarted the base is taken anew. A look that fails is told and
tried again. Ctrl-C ends it.";

pub(crate) const INFO: &str = "\
Examples:
  heaptide info heap.pb.gz
  heaptide info http://localhost:6060

Says what the profile is of, what is in it and what is missing, with a way out.";
