//! The analysis of profiles on heaptide's allocator, with every allocation sampled.

use heaptide_profile::{Profile, leak, report};
use std::{fs, path::Path};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<std::alloc::System> =
    heaptide::SamplingAllocator::with_inner(std::alloc::System).sample_interval(1);

#[test]
fn all_reports_of_profiles_from_other_profilers_work() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/heaptide-profile/tests/data");
    let files = fs::read_dir(data).unwrap().map(|file| file.unwrap().path());
    let profiles = files.filter(|path| path.extension().is_some_and(|end| end == "gz"));
    let mut reports = 0;
    for path in profiles {
        let bytes = fs::read(&path).unwrap();
        let profile = Profile::read(&bytes).unwrap();
        let mut written = Vec::new();
        profile.write(&mut written).unwrap();
        assert_eq!(
            Profile::read(&written).unwrap(),
            profile,
            "{}",
            path.display()
        );
        for index in 0..profile.sample_types.len() {
            let top = report::Top::new(profile.sample_type_at(index).unwrap());
            let graph = report::CallGraph::new(profile.sample_type_at(index).unwrap()).unwrap();
            assert_eq!(graph.nodes.len(), top.rows.len(), "{}", path.display());
            let difference =
                report::Diff::new(&profile, profile.sample_type_at(index).unwrap()).unwrap();
            assert_eq!(
                (difference.grown(), difference.shrunk()),
                (0, 0),
                "{}",
                path.display()
            );
            reports += 3;
        }
        let twice = [profile.clone(), profile];
        // Most pairs are not heaps of one process. Any answer is fine.
        let _ = leak::find(&twice);
    }
    assert!(reports > 50, "{reports}");
    let stats = heaptide::stats();
    assert!(stats.samples > 10_000, "{stats:?}");
    assert_eq!((stats.lost.stacks, stats.lost.frees), (0, 0), "{stats:?}");
}
