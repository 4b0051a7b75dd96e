//! The function that is blamed for a leak.

use super::{GROW, MAIN, TestFrame, profile};
use crate::Profile;
use crate::leak::{StackFrame, find};

/// All callers make buffers in one function. If one caller keeps them, it is blamed; if all callers
/// keep them, the function is.
#[test]
fn the_caller_that_differs_is_to_blame() {
    let buffer: TestFrame = ("app::buffer", "src/buffer.rs", 5);
    let fold: TestFrame = ("core::iter::fold", "/rustc/1/library/core/src/iter.rs", 1);
    let keeper: TestFrame = ("app::keeper", "src/keeper.rs", 8);
    let other: TestFrame = ("app::other", "src/other.rs", 9);
    let judged = |kept_by_other: i64| {
        let profiles: Vec<Profile> = (1..=9)
            .map(|second| {
                let stacks: [(&[TestFrame], i64, i64); 2] = [
                    (
                        &[GROW, buffer, fold, keeper, MAIN],
                        10 * second,
                        10 * second,
                    ),
                    (
                        &[GROW, buffer, other, MAIN],
                        20 * second,
                        kept_by_other * second,
                    ),
                ];
                profile(second, &stacks)
            })
            .collect();
        find(&profiles).unwrap()
    };
    let verdict = judged(0);
    let leak = &verdict.leaks[0];
    assert_eq!((&*leak.blamed.name, leak.blamed.line), ("app::keeper", 8));
    assert_eq!(&*leak.trend.site.name, "app::buffer");
    assert!(
        verdict
            .to_string()
            .contains("intervals), allocated by app::buffer at src/buffer.rs:5\n"),
        "{verdict}"
    );
    let verdict = judged(15);
    let blamed = verdict.leaks.iter().map(|leak| &*leak.blamed.name);
    assert_eq!(blamed.collect::<Vec<_>>(), ["app::buffer", "app::buffer"]);
}

#[test]
fn a_stack_of_library_code_alone_keeps_its_leaf() {
    let profiles: Vec<Profile> = (1..=3)
        .map(|second| profile(second, &[(&[GROW], 50 * second, 50 * second), (&[], 1, 1)]))
        .collect();
    let verdict = find(&profiles).unwrap();
    let blamed = |frame: &StackFrame| frame.name.to_string();
    assert_eq!(
        verdict.leaks.first().map(|s| blamed(&s.blamed)).as_deref(),
        Some(GROW.0)
    );
    let other = verdict.not_accused.first().map(|a| blamed(&a.trend.site));
    assert_eq!(other.as_deref(), Some("[no stack]"));
}
