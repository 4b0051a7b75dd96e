//! The allocator's frames as a regular expression of names, for profiles without symbols.
//!
//! Such a profile cannot be trimmed by line, so it states which frames to leave out once it has
//! names. It is separate from `frame_class`, which decides about lines whose paths are known. Here
//! are only names, as other programs print them.

/// For [`Profile::drop_frames`](crate::Profile::drop_frames) of a profile without symbols: the
/// names of the allocator's frames, as symbolizers print them for either mangling.
///
/// `pprof` puts it between `^(` and `)$`, and matches it with a name cut at its first `(`. It drops
/// a frame that matches together with everything below it. So the expression must match only
/// functions that never call back into user code: the allocator's frames, not the containers. A
/// profile that is symbolized when written is trimmed line by line instead, and needs none.
pub const DROP_FRAMES: &str = concat!(
    // A method of a type starts with one `<` in the new mangling, a nested one with two.
    r"<*(alloc::alloc::|alloc::raw_vec::|hashbrown::raw::alloc::|heaptide::record::).*",
    // Methods of any allocator, as the new mangling and the old write the header of an `impl`.
    r"|<.* as core::alloc::global::GlobalAlloc>::.*",
    r"|.*<impl core::alloc::global::GlobalAlloc for .*",
    r"|core::alloc::global::GlobalAlloc::.*",
    // Some symbolizers drop the path, and some show the crate's number.
    r"|(__rustc(\[[0-9a-f]*\])?::)?__(rust|rg|rdl)_(alloc|alloc_zeroed|realloc|dealloc)",
);

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use std::process::Command;

    /// The part of `profile.proto` that a list of named frames needs.
    #[derive(Message)]
    struct PprofProfile {
        #[prost(message, repeated, tag = "1")]
        sample_type: Vec<PprofValueType>,
        #[prost(message, repeated, tag = "2")]
        sample: Vec<PprofSample>,
        #[prost(message, repeated, tag = "4")]
        location: Vec<PprofLocation>,
        #[prost(message, repeated, tag = "5")]
        function: Vec<PprofFunction>,
        #[prost(string, repeated, tag = "6")]
        string_table: Vec<String>,
        #[prost(int64, tag = "7")]
        drop_frames: i64,
    }

    #[derive(Message)]
    struct PprofValueType {
        #[prost(int64, tag = "1")]
        kind: i64,
        #[prost(int64, tag = "2")]
        unit: i64,
    }

    #[derive(Message)]
    struct PprofSample {
        #[prost(uint64, repeated, tag = "1")]
        location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        value: Vec<i64>,
    }

    #[derive(Message)]
    struct PprofLocation {
        #[prost(uint64, tag = "1")]
        id: u64,
        #[prost(uint64, tag = "3")]
        address: u64,
        #[prost(message, repeated, tag = "4")]
        line: Vec<PprofLine>,
    }

    #[derive(Message)]
    struct PprofLine {
        #[prost(uint64, tag = "1")]
        function_id: u64,
    }

    #[derive(Message)]
    struct PprofFunction {
        #[prost(uint64, tag = "1")]
        id: u64,
        #[prost(int64, tag = "2")]
        name: i64,
        #[prost(int64, tag = "3")]
        system_name: i64,
    }

    /// One sample for each name: `leaf`, the name, `root`. If `pprof` drops the name, it drops
    /// `leaf` too.
    fn profile(names: &[&str]) -> PprofProfile {
        let mut profile = PprofProfile {
            sample_type: vec![PprofValueType { kind: 1, unit: 2 }],
            drop_frames: 3,
            string_table: ["", "inuse_space", "bytes", DROP_FRAMES]
                .map(Into::into)
                .into(),
            ..PprofProfile::default()
        };
        let all = ["leaf", "root"].iter().chain(names);
        for (id, name) in (1..).zip(all) {
            let at = i64::try_from(profile.string_table.len()).unwrap();
            profile.string_table.push((*name).into());
            // As a symbolizer of binaries leaves it: the symbol is in both fields.
            profile.function.push(PprofFunction {
                id,
                name: at,
                system_name: at,
            });
            profile.location.push(PprofLocation {
                id,
                address: 0x1000 + id,
                line: vec![PprofLine { function_id: id }],
            });
            if id > 2 {
                profile.sample.push(PprofSample {
                    location_id: vec![1, id, 2],
                    value: vec![i64::try_from(id).unwrap()],
                });
            }
        }
        profile
    }

    /// Whether `go tool pprof` drops each of the names, in order.
    fn dropped(names: &[&str]) -> Vec<bool> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("raw.pb");
        std::fs::write(&file, profile(names).encode_to_vec()).unwrap();
        let output = Command::new("go")
            .args(["tool", "pprof", "-unit=b", "-traces"])
            .arg(&file)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let text = text.split_once("---\n").unwrap().1;
        let traces: Vec<&str> = text.split("-+-").collect();
        (3..)
            .zip(names)
            .map(|(id, name)| {
                let start = format!("{id}B");
                let of_id = |t: &&&str| t.split_whitespace().any(|word| word == start);
                let trace = traces.iter().find(of_id);
                let trace = trace.unwrap_or_else(|| panic!("{name} is not in {text}"));
                assert!(trace.contains("root"), "{trace}");
                !trace.contains("leaf")
            })
            .collect()
    }

    #[test]
    #[ignore = "needs go tool pprof (golang-go)"]
    fn pprof_drops_the_allocator_and_nothing_else() {
        let table = [
            (true, "__rust_alloc"),
            (true, "__rustc::__rust_realloc"),
            (true, "__rustc[5224e6b81cd82a8f]::__rust_alloc_zeroed"),
            (true, "alloc::alloc::exchange_malloc"),
            (true, "core::alloc::global::GlobalAlloc::alloc_zeroed"),
            (true, "heaptide::record::recorder::sample"),
            (false, "alloc"),
            (false, "app::alloc::alloc::grow"),
            (false, "app::heaptide::record::sample"),
            (false, "alloc::vec::push"),
            (false, "app::__rust_alloc"),
            (false, "__rust_alloc_more"),
            (false, "malloc"),
            // Symbols. pprof demangles them before it matches.
            (true, "_RNvCsfLfy6EI15iL_7___rustc12___rust_alloc"),
            (
                true,
                "_RNvMs4_NtCslNYArtu3iFV_5alloc7raw_vecNtB5_11RawVecInner11finish_growB7_",
            ),
            (
                true,
                "_RNvMs3_NtCslNYArtu3iFV_5alloc7raw_vecINtB5_6RawVecNtNtB7_6string6StringE8grow_o\
                 neCsjrHSEGnQ3l9_3std",
            ),
            (
                true,
                "_RINvNvMs2_NtCslNYArtu3iFV_5alloc7raw_vecINtB8_11RawVecInnerpE7reserve21do_reser\
                 ve_and_handleNtNtBa_5alloc6GlobalEBa_",
            ),
            (
                true,
                "_ZN5alloc7raw_vec20RawVecInner$LT$A$GT$11finish_grow17h0bcea21800751cc9E",
            ),
            (
                true,
                "_ZN63_$LT$alloc..alloc..Global$u20$as$u20$core..alloc..Allocator$GT$8allocate17h\
                 0bcea21800751cc9E",
            ),
            (
                true,
                "_ZN63_$LT$scratch..A$u20$as$u20$core..alloc..global..GlobalAlloc$GT$5alloc17h0bc\
                 ea21800751cc9E",
            ),
            (
                true,
                "_ZN3std3sys5alloc4unix81_$LT$impl$u20$core..alloc..global..GlobalAlloc$u20$for$u\
                 20$std..alloc..System$GT$7realloc17hf709c03149773020E",
            ),
            (
                false,
                "_ZN5alloc3vec16Vec$LT$T$C$A$GT$4push17h0bcea21800751cc9E",
            ),
            (
                false,
                "_RNvMs_NtCslNYArtu3iFV_5alloc3vecINtB4_3VechE7reserveCsjrHSEGnQ3l9_3std",
            ),
        ];
        let names = table.map(|(_, name)| name);
        for ((expected, name), dropped) in table.into_iter().zip(dropped(&names)) {
            assert_eq!(dropped, expected, "{name}");
        }
    }
}
