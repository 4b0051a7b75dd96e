//! Compares every stack that the allocator captures with libgcc's: `walks [comparisons]`.
//!
//! It ends after the given number of comparisons. It fails at the first difference, and if it
//! compared no stacks or too few different ones. Build it with
//! `RUSTFLAGS='--cfg heaptide_compare'`, which makes each capture check itself.

mod work;

use std::{alloc::System, env, process::ExitCode, thread};

// At this interval most allocations are sampled, so most blocks are freed as sampled ones too.
#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(64);

fn main() -> ExitCode {
    let wanted: usize = match env::args().nth(1).map(|count| count.parse()) {
        None => 600_000,
        Some(Ok(count)) => count,
        Some(Err(error)) => {
            eprintln!("how many comparisons? {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = || heaptide::comparison().compared >= wanted;
    thread::scope(|scope| {
        for worker in 0..2 {
            scope.spawn(move || {
                for seed in (worker..).step_by(2).take_while(|_| !done()) {
                    work::everything(seed);
                }
            });
        }
        while !done() {
            work::serve(20);
        }
    });

    let found = heaptide::comparison();
    println!(
        "{} stacks compared, {} different ones or more, {} frames each on average, {} not by the \
         fast \
         walk, {} without room for a walk, {} mismatches",
        found.compared,
        found.shapes,
        found.frames / found.compared.max(1),
        found.not_fast,
        found.no_room,
        found.mismatches
    );
    if let Some([own, libgcc]) = &found.first {
        println!("own:\n{}\nlibgcc:\n{}", names(own), names(libgcc));
    }
    // No stack of the work needs libgcc; the bound of one in ten thousand allows for stacks of a C
    // library. In a static program no loader gives the tables, so all stacks need libgcc.
    let is_static = cfg!(target_feature = "crt-static");
    let fast = is_static || found.not_fast * 10_000 <= found.compared;
    let lost = heaptide::stats().lost;
    println!("lost: {lost:?}");
    if found.compared >= wanted
        && wanted > 0
        && found.mismatches == 0
        && found.shapes > 5_000
        && fast
    {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn names(stack: &[usize]) -> String {
    let mut text = String::new();
    for address in stack {
        let mut name = None;
        backtrace::resolve(*address as *mut _, |symbol| {
            name = symbol.name().map(|name| format!("{name:#}"));
        });
        text += &format!("  {address:#x} {}\n", name.unwrap_or_default());
    }
    text
}
