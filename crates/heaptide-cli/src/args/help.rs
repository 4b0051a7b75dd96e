//! The text below the options in the help of the command itself.
//!
//! It is separate from `args` because it is prose. It is shown line by line, so lines are kept
//! within 80 columns by hand. The same holds for `report_help` and `file_help`.

pub(crate) const MAIN: &str = "\
Examples:
  heaptide top heap.pb.gz
  heaptide top --focus 'cache::' --lines heap.pb.gz
  heaptide diff before.pb.gz after.pb.gz
  heaptide list 'cache::put' heap.pb.gz
  heaptide leaks --fail-on leak /dumps
  heaptide flamegraph -o heap.svg http://localhost:6060

A PROFILE is a pprof file, gzipped or plain, of this profiler, of Go, or of any
other; or `-` for standard input, or an http:// URL (one without a path means
/debug/pprof/heap), or a folder of *.pb.gz snapshots.

Exit code: 0 fine, 1 found what --fail-on asks for, 2 anything that went wrong.";
