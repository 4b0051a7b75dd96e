//! Cuts the allocator's own frames, and those of containers, from the leaf of every stack.
//!
//! The stack of a sampled allocation begins inside the allocator. People look for the code that
//! asked for the memory. As in Go, only the leading frames go: a container further up the stack
//! stays, and a stack that would vanish is kept whole. `frame_class` decides which lines count.

use super::frame_class;
use crate::{FunctionId, Label, LocationId, Profile, Sample};
use std::collections::{HashMap, hash_map::Entry};

/// Which frames are left out at the leaf of each stack of a symbolized profile.
///
/// Frames in the middle and at the root stay, with one exception. If a call of this kind was
/// inlined into a function, and stands innermost in its line, it is left out everywhere. Values
/// never change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trim {
    /// None: every stack begins inside the allocator.
    Nothing,
    /// The allocator's frames: this crate, the functions made by `#[global_allocator]`, and the
    /// standard library's `alloc` functions and raw buffers. Stacks begin in `Vec::push`,
    /// `Box::new`, `HashMap::insert`.
    Allocator,
    /// The allocator's frames, and the containers above them: functions in `alloc`, `core`,
    /// `std::collections` and hashbrown. Stacks begin in the function that used the container. The
    /// rest of `std` stays, so a stack may begin in `std::fs::read`, as one of Go begins in
    /// `io.ReadAll`.
    #[default]
    Containers,
}

/// Cuts the leading run of such lines from every sample.
///
/// A stack that consists of nothing else is kept whole.
///
/// The cut may end inside a location, between inlined calls and the function they were inlined
/// into. Then those calls go from that location everywhere, also further up other stacks. There are
/// two reasons:
///
/// - All samples share the location, and other programs know it by its address. So it cannot be cut
///   in one stack and whole in another.
/// - The cut must not depend on what else was sampled. If `collect` vanished from a stack only once
///   a later profile has it at a leaf, two profiles of one process would not line up.
///
/// Samples whose stacks and labels became equal are summed. Entries that nothing refers to any more
/// are removed, and the rest is renumbered.
pub fn trim(profile: &mut Profile, level: Trim) {
    if level == Trim::Nothing {
        return;
    }
    let is_cut: Vec<bool> = profile
        .functions
        .iter()
        .map(|f| frame_class::is_cut(f, level))
        .collect();
    let leading: Vec<Leading> = profile
        .locations
        .iter()
        .map(|location| {
            let cut = |id: FunctionId| is_cut.get(id.index()).copied().unwrap_or(false);
            let lines = location
                .lines
                .iter()
                .take_while(|line| cut(line.function))
                .count();
            Leading {
                lines,
                is_all: lines > 0 && lines == location.lines.len(),
            }
        })
        .collect();

    for sample in &mut profile.samples {
        let is_all = |id: &LocationId| leading.get(id.index()).is_some_and(|l| l.is_all);
        if let Some(end) = sample.locations.iter().position(|id| !is_all(id)) {
            sample.locations.drain(..end);
        }
    }
    for (location, leading) in profile.locations.iter_mut().zip(&leading) {
        if !leading.is_all {
            location.lines.drain(..leading.lines);
        }
    }
    sum_equal(&mut profile.samples);
    remove_unused(profile);
}

/// Sums samples of equal stacks and labels, at the position of the first of them.
fn sum_equal(samples: &mut Vec<Sample>) {
    let mut places: HashMap<(Vec<LocationId>, Vec<Label>), usize> = HashMap::new();
    let mut summed: Vec<Sample> = Vec::with_capacity(samples.len());
    for sample in samples.drain(..) {
        let key = (sample.locations.clone(), sample.labels.clone());
        match places.entry(key) {
            Entry::Vacant(place) => {
                place.insert(summed.len());
                summed.push(sample);
            }
            Entry::Occupied(place) => {
                if let Some(first) = summed.get_mut(*place.get()) {
                    for (sum, value) in first.values.iter_mut().zip(sample.values) {
                        *sum = sum.saturating_add(value);
                    }
                }
            }
        }
    }
    *samples = summed;
}

/// The part of a location that the cut takes.
struct Leading {
    /// The number of its innermost lines.
    lines: usize,
    /// Whether these are all of its lines. A location without lines ends the cut.
    is_all: bool,
}

/// Removes locations without a sample and functions without a location. The order of the rest
/// stays.
fn remove_unused(profile: &mut Profile) {
    let mut is_used = vec![false; profile.locations.len()];
    for id in profile.samples.iter().flat_map(|sample| &sample.locations) {
        mark(&mut is_used, id.index());
    }
    let ids = renumber(&mut profile.locations, &is_used, LocationId::new);
    for id in profile.samples.iter_mut().flat_map(|s| &mut s.locations) {
        *id = ids.get(id.index()).copied().flatten().unwrap_or(*id);
    }

    let mut is_used = vec![false; profile.functions.len()];
    for line in profile.locations.iter().flat_map(|l| &l.lines) {
        mark(&mut is_used, line.function.index());
    }
    let ids = renumber(&mut profile.functions, &is_used, FunctionId::new);
    for line in profile.locations.iter_mut().flat_map(|l| &mut l.lines) {
        let id = ids.get(line.function.index()).copied().flatten();
        line.function = id.unwrap_or(line.function);
    }
}

fn mark(is_used: &mut [bool], at: usize) {
    if let Some(used) = is_used.get_mut(at) {
        *used = true;
    }
}

/// Keeps the used entries of a table, and returns the new id of each old position.
fn renumber<T, Id>(
    table: &mut Vec<T>,
    is_used: &[bool],
    id: impl Fn(usize) -> Option<Id>,
) -> Vec<Option<Id>> {
    let mut kept = 0;
    let ids = is_used
        .iter()
        .map(|&used| {
            let new = used.then(|| id(kept)).flatten();
            kept += usize::from(used);
            new
        })
        .collect();
    let mut used = is_used.iter().copied();
    table.retain(|_| used.next().unwrap_or(true));
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Function, Line, Location, Mapping, Sample};

    /// One letter for each function: `p` and `q` are the allocator's, `v` and `w` containers,
    /// others the user's. A location is a word of them, innermost first. `-` is a location without
    /// lines.
    fn profile(stacks: &[&str]) -> Profile {
        let mut profile = Profile {
            mappings: vec![Mapping::default()],
            ..Profile::default()
        };
        let mut words: Vec<&str> = vec![];
        let mut letters: Vec<char> = vec![];
        for stack in stacks {
            let mut locations = vec![];
            for word in stack.split_whitespace() {
                let at = words.iter().position(|w| w == &word).unwrap_or_else(|| {
                    words.push(word);
                    let mut lines = vec![];
                    for letter in word.chars().filter(|&c| c != '-') {
                        let at = letters.iter().position(|&l| l == letter);
                        let at = at.unwrap_or_else(|| {
                            letters.push(letter);
                            profile.functions.push(function(letter));
                            letters.len() - 1
                        });
                        lines.push(Line {
                            function: FunctionId::new(at).unwrap(),
                            line: 1,
                            column: 0,
                        });
                    }
                    profile.locations.push(Location {
                        address: words.len() as u64,
                        lines,
                        ..Location::default()
                    });
                    words.len() - 1
                });
                locations.push(LocationId::new(at).unwrap());
            }
            profile.samples.push(Sample {
                locations,
                values: vec![1],
                labels: vec![],
            });
        }
        profile
    }

    fn function(letter: char) -> Function {
        let file = match letter {
            'p' => "/rustc/ab/library/alloc/src/alloc.rs",
            'q' => "/rustc/ab/library/alloc/src/raw_vec/mod.rs",
            'v' => "/rustc/ab/library/alloc/src/vec/mod.rs",
            'w' => "/rust/deps/hashbrown-0.16.1/src/map.rs",
            _ => "/home/u/app/src/main.rs",
        };
        Function {
            name: letter.to_string().into(),
            file: file.into(),
            ..Function::default()
        }
    }

    fn stacks(profile: &Profile) -> Vec<String> {
        let word = |id: &LocationId| {
            let lines = &profile.locations[id.index()].lines;
            let names = lines
                .iter()
                .map(|l| &*profile.functions[l.function.index()].name);
            let word: String = names.collect();
            if word.is_empty() { "-".into() } else { word }
        };
        let stack = |s: &Sample| {
            s.locations
                .iter()
                .map(word)
                .collect::<Vec<String>>()
                .join(" ")
        };
        profile.samples.iter().map(stack).collect()
    }

    #[track_caller]
    fn check(level: Trim, before: &[&str], after: &[&str]) -> Profile {
        let mut profile = profile(before);
        trim(&mut profile, level);
        assert_eq!(stacks(&profile), after);
        // Every entry is used by something. Every id is in range, or `stacks` would have failed.
        for at in 0..profile.locations.len() {
            let id = LocationId::new(at).unwrap();
            assert!(
                profile.samples.iter().any(|s| s.locations.contains(&id)),
                "location {at}"
            );
        }
        for at in 0..profile.functions.len() {
            let id = FunctionId::new(at).unwrap();
            let mut lines = profile.locations.iter().flat_map(|l| &l.lines);
            assert!(lines.any(|l| l.function == id), "function {at}");
        }
        profile
    }

    #[test]
    fn the_leading_frames_of_a_stack_are_cut() {
        check(Trim::Containers, &["pq v a b"], &["a b"]);
        check(Trim::Containers, &["pqva b"], &["a b"]);
        check(Trim::Containers, &["p qv wva b"], &["a b"]);
        check(Trim::Allocator, &["p qv wva b"], &["v wva b"]);
        check(Trim::Allocator, &["pqva b"], &["va b"]);
        check(Trim::Nothing, &["pqva b"], &["pqva b"]);
        assert_eq!(Trim::default(), Trim::Containers);
    }

    #[test]
    fn frames_behind_the_leading_ones_stay() {
        check(Trim::Containers, &["p a v p b"], &["a v p b"]);
        check(Trim::Containers, &["pavb c"], &["avb c"]);
        check(Trim::Containers, &["a p b"], &["a p b"]);
    }

    #[test]
    fn a_stack_that_would_vanish_is_kept_whole() {
        check(Trim::Containers, &["pq v w", "p a"], &["pq v w", "a"]);
        check(Trim::Allocator, &["p q"], &["p q"]);
        check(Trim::Containers, &[""], &[""]);
    }

    #[test]
    fn a_location_without_lines_ends_the_cut() {
        check(Trim::Containers, &["- v a"], &["- v a"]);
        check(Trim::Containers, &["p - v a"], &["- v a"]);
    }

    #[test]
    fn the_cut_of_a_location_does_not_depend_on_other_samples() {
        // `va` ends the cut of the first sample, and calls back into `c` in the second.
        let both = ["p va b", "p c va b"];
        check(Trim::Containers, &both, &["a b", "c a b"]);
        check(Trim::Containers, &both[..1], &["a b"]);
        check(Trim::Containers, &both[1..], &["c a b"]);
        // The same in one recursive stack.
        check(Trim::Containers, &["p va b va"], &["a b a"]);
        // A location that is cut whole at a leaf stays in other places.
        check(Trim::Containers, &["v a", "c v a"], &["a", "c v a"]);
    }

    #[test]
    fn equal_stacks_are_summed_and_locations_keep_their_addresses() {
        let profile = check(
            Trim::Containers,
            &["p v a b", "p b", "v a b"],
            &["a b", "b"],
        );
        assert_eq!(profile.mappings.len(), 1);
        let values: Vec<i64> = profile.samples.iter().map(|s| s.values[0]).collect();
        assert_eq!(values, [2, 1]);
        let addresses: Vec<u64> = profile.locations.iter().map(|l| l.address).collect();
        assert_eq!(addresses, [3, 4]);
    }

    #[test]
    fn equal_stacks_with_different_labels_stay_separate() {
        let mut profile = profile(&["p a", "v a"]);
        profile.samples[1].labels.push(Label {
            key: "bytes".into(),
            value: crate::LabelValue::Text("8".into()),
        });
        trim(&mut profile, Trim::Containers);
        assert_eq!(stacks(&profile), ["a", "a"]);
    }
}
