//! The text below the options in the help of the commands that write files.
//!
//! It is prose with examples, and is shown line by line.

pub(crate) const FETCH: &str = "\
Examples:
  heaptide fetch http://localhost:6060
  heaptide fetch -o before.pb.gz http://localhost:6060/debug/pprof/heap
  heaptide fetch --seconds 30 -o /dumps http://localhost:6060/debug/pprof/allocs

The file is named by what, when and where:
  heap-20261121T083455Z-localhost_6060.pb.gz
Its path is printed, so that
  heaptide top \"$(heaptide fetch http://localhost:6060)\"
works. A port forward (`kubectl port-forward`) or `curl -s https://... |
heaptide top -` reaches what is behind TLS.";

pub(crate) const SYMBOLIZE: &str = "\
Examples:
  heaptide symbolize raw.pb.gz -o heap.pb.gz
  heaptide symbolize raw.pb.gz --binary ./app -o heap.pb.gz
  heaptide symbolize raw.pb.gz --debug-dir /srv/symbols -o heap.pb.gz
  heaptide symbolize raw.pb.gz --debuginfod http://localhost:8002 -o - |
      heaptide top -

A file is used only if its build id is the one in the profile. Looked through,
in this order, until there is debug information: --binary; for each --debug-dir,
PPROF_BINARY_PATH and /usr/lib/debug the build-id layouts; the path in the
profile; what .gnu_debuglink names, if its check sum is right; debuginfod. Split
debug information (.dwp, .dwo) is looked for beside these files and in the
folders.

What could not be found is told, with the build id, and what it concerns. Exit
code 2 if nothing got a name; then nothing is written.";

pub(crate) const CONVERT: &str = "\
Examples:
  heaptide convert heap.pb.gz -o heap.speedscope.json
  heaptide convert heap.pb.gz -o heap.folded --sample-index alloc_space
  heaptide convert heap.pb.gz --to json -o - | jq '.samples | length'
  heaptide convert pod-1.pb.gz pod-2.pb.gz -o pods.pb.gz

--sample-index is for folded, which has room for one number. speedscope gets
them all, each as a profile of its own, with inlined calls as frames; JSON is
the whole profile, and docs/cli.md has its fields.";

pub(crate) const MERGE: &str = "\
Examples:
  heaptide merge pod-*.pb.gz -o pods.pb.gz
  heaptide merge /dumps -o all.pb.gz

One profile is read after the other, so memory does not grow with their number,
only with the stacks that are in them.

To be merged are profiles of different processes, or deltas of one (fetch
--seconds). Snapshots of one process are not: what lives on is in each of them
and would be counted as often, as would all that was ever allocated. Take the
newest (top), or compare two (diff).";

pub(crate) const COMPLETIONS: &str = "\
Examples:
  heaptide completions bash > ~/.local/share/bash-completion/completions/heaptide
  heaptide completions zsh > ~/.zfunc/_heaptide
  heaptide completions fish > ~/.config/fish/completions/heaptide.fish";

pub(crate) const MAN: &str = "\
Examples:
  heaptide man > ~/.local/share/man/man1/heaptide.1
  heaptide man | man -l -";
