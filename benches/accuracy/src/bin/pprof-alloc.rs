//! The sites under pprof-alloc, at its default of 512 KiB.

#[global_allocator]
static GLOBAL: pprof_alloc::PprofAlloc = pprof_alloc::PprofAlloc::new().with_pprof();

fn main() {
    let kept = heaptide_accuracy::allocate();
    let profile = pprof_alloc::generate_pprof().expect("a profile");
    std::fs::write(heaptide_accuracy::output(), profile).expect("a file");
    drop(kept);
}
