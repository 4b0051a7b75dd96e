//! The gate: bounds on heaptide's instructions relative to bare jemalloc's, on the same work.

use super::{
    build,
    contender::{BASELINE, HEAPTIDE},
    count,
};
use crate::workload::Workload;

/// The greatest allowed ratios of instructions.
///
/// They are the project's targets (docs/overhead.md), not the last measurements.
const MOST: [(Workload, f64); 5] = [
    (Workload::Churn, 1.12),
    (Workload::ChurnDeep, 1.13),
    (Workload::Json, 1.015),
    (Workload::CrossThread, 1.05),
    (Workload::GrowingVectors, 1.05),
];

/// Prints each figure beside its bound.
///
/// # Errors
///
/// When a run fails or a figure is above its bound.
pub fn gate(seeds: u64) -> Result<(), String> {
    build::build(&[BASELINE, HEAPTIDE])?;
    let workloads = MOST.map(|(workload, _)| workload);
    let counted = count::count(&[BASELINE, HEAPTIDE], &workloads, seeds)?;
    let mut failed = 0;
    println!("| work | jemalloc, per operation | heaptide, times that | at most | seeds |");
    println!("|---|---|---|---|---|");
    for (pair, (workload, most)) in counted.chunks_exact(2).zip(MOST) {
        let [base, heaptide] = pair else { continue };
        let [ratio, least, greatest] = heaptide.over(base);
        // A figure without seeds is not a number and must not pass.
        let holds = ratio <= most;
        let verdict = if holds { "" } else { " **exceeded**" };
        failed += usize::from(!holds);
        let (title, base) = (workload.title(), base.mean());
        println!(
            "| {title} | {base:.1} | {ratio:.4}{verdict} | {most} | {least:.4} to {greatest:.4} |"
        );
    }
    if failed == 0 {
        return Ok(());
    }
    Err(format!(
        "{failed} of {} figures are not within their bounds",
        MOST.len()
    ))
}
