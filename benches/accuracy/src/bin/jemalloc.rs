//! The sites under jemalloc's own profiler, read through jemalloc_pprof, at 512 KiB.

#[global_allocator]
static GLOBAL: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[expect(unsafe_code, reason = "jemalloc reads its settings from a symbol")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static CONFIGURATION: &[u8; 50] = b"prof:true,prof_active:true,lg_prof_sample:19\0\0\0\0\0\0";

fn main() {
    let kept = heaptide_accuracy::allocate();
    let control = jemalloc_pprof::PROF_CTL
        .as_ref()
        .expect("a jemalloc with its profiler");
    let profile = control
        .try_lock()
        .expect("nobody else")
        .dump_pprof()
        .expect("a profile");
    std::fs::write(heaptide_accuracy::output(), profile).expect("a file");
    drop(kept);
}
