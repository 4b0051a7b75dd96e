//! A part of a profile: some of its samples, or some of the frames of all.
//!
//! The rules are those of `pprof`'s options of the same names. A predicate takes the place of a
//! regular expression, so that the library needs none. The caller keeps the total that a part is a
//! share of.

use std::fmt;

use crate::{Label, Location, LocationId, Profile, Sample};

type OnText<'a> = Box<dyn Fn(&str) -> bool + 'a>;
type OnLabels<'a> = Box<dyn Fn(&[Label]) -> bool + 'a>;

/// Which samples and frames to look at; all of them by default.
///
/// A function of the caller matches names. It gets the function names and file names of a
/// location's lines and the file mapped there, one by one. The location matches if any of them
/// does.
///
/// # Examples
///
/// ```
/// use heaptide_profile::{Profile, Filter};
///
/// # let profile = Profile::default();
/// let of_the_cache = Filter::default().focus(|name| name.contains("cache::"));
/// let part = profile.filter(&of_the_cache);
/// assert_eq!(part.unmatched, ["focus"]); // an empty profile has no such function
/// ```
#[derive(Default)]
pub struct Filter<'a> {
    focus: Option<OnText<'a>>,
    ignore: Option<OnText<'a>>,
    hide: Option<OnText<'a>>,
    show: Option<OnText<'a>>,
    focus_labels: Option<OnLabels<'a>>,
    ignore_labels: Option<OnLabels<'a>>,
}

/// The part of a profile that a [`Filter`] leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filtered {
    /// The profile without the samples and frames that were left out. Its tables may have entries
    /// that no sample uses.
    pub profile: Profile,
    /// The names of the choices that matched nothing, which may be misspelled: `focus`, `ignore`,
    /// `hide`, `show`, `tagfocus`, `tagignore`.
    pub unmatched: Vec<&'static str>,
}

impl<'a> Filter<'a> {
    /// Keeps only the samples with a matching location on their stack.
    #[must_use]
    pub fn focus(mut self, matches: impl Fn(&str) -> bool + 'a) -> Self {
        self.focus = Some(Box::new(matches));
        self
    }

    /// Leaves out the samples with a matching location on their stack.
    #[must_use]
    pub fn ignore(mut self, matches: impl Fn(&str) -> bool + 'a) -> Self {
        self.ignore = Some(Box::new(matches));
        self
    }

    /// Takes matching frames off all stacks, and leaves out samples without any other frame. The
    /// value of a hidden leaf goes to its caller.
    #[must_use]
    pub fn hide(mut self, matches: impl Fn(&str) -> bool + 'a) -> Self {
        self.hide = Some(Box::new(matches));
        self
    }

    /// Takes all frames off the stacks except those that match, and leaves out samples without one.
    #[must_use]
    pub fn show(mut self, matches: impl Fn(&str) -> bool + 'a) -> Self {
        self.show = Some(Box::new(matches));
        self
    }

    /// Keeps only the samples whose labels match: `pprof`'s `tagfocus`.
    #[must_use]
    pub fn focus_labels(mut self, matches: impl Fn(&[Label]) -> bool + 'a) -> Self {
        self.focus_labels = Some(Box::new(matches));
        self
    }

    /// Leaves out the samples whose labels match: `pprof`'s `tagignore`.
    #[must_use]
    pub fn ignore_labels(mut self, matches: impl Fn(&[Label]) -> bool + 'a) -> Self {
        self.ignore_labels = Some(Box::new(matches));
        self
    }

    fn looks_at_names(&self) -> bool {
        [&self.focus, &self.ignore, &self.hide, &self.show]
            .iter()
            .any(|choice| choice.is_some())
    }
}

impl fmt::Debug for Filter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter")
            .field("focus", &self.focus.is_some())
            .field("ignore", &self.ignore.is_some())
            .field("hide", &self.hide.is_some())
            .field("show", &self.show.is_some())
            .field("focus_labels", &self.focus_labels.is_some())
            .field("ignore_labels", &self.ignore_labels.is_some())
            .finish()
    }
}

/// The choices that have matched anything so far.
#[derive(Default)]
struct Matched {
    focus: bool,
    ignore: bool,
    hide: bool,
    show: bool,
    focus_labels: bool,
    ignore_labels: bool,
}

/// The effect of a location on the samples that have it on their stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FocusMatch {
    /// Nothing.
    Nothing,
    /// They are kept, if no location is ignored.
    Focused,
    /// They are left out.
    Ignored,
}

impl Profile {
    /// The part of the profile that the filter leaves.
    ///
    /// A sample without a stack is left out by any filter on names, as in `pprof`. Values stay as
    /// they are, so the estimates of the part are those that its samples had in the whole. The
    /// total is no longer that of the program ([`View::out_of`](crate::report::View::out_of)).
    #[must_use]
    pub fn filter(&self, filter: &Filter<'_>) -> Filtered {
        let mut profile = self.clone();
        let mut matched = Matched::default();
        let judged: Vec<(FocusMatch, bool)> = profile
            .locations
            .iter_mut()
            .map(|location| self.judge(location, filter, &mut matched))
            .collect();
        let at = |id: &LocationId| judged.get(id.index()).copied();
        profile.samples.retain_mut(|sample| {
            if filter.looks_at_names() {
                let verdicts = || {
                    sample
                        .locations
                        .iter()
                        .filter_map(at)
                        .map(|judged| judged.0)
                };
                let is_kept = verdicts().any(|verdict| verdict == FocusMatch::Focused)
                    && verdicts().all(|verdict| verdict != FocusMatch::Ignored);
                if !is_kept {
                    return false;
                }
                let is_shown = |id: &LocationId| at(id).is_none_or(|judged| judged.1);
                sample.locations.retain(is_shown);
                if sample.locations.is_empty() {
                    return false;
                }
            }
            keeps_labels(sample, filter, &mut matched)
        });
        let choices = [
            ("focus", filter.focus.is_some(), matched.focus),
            ("ignore", filter.ignore.is_some(), matched.ignore),
            ("hide", filter.hide.is_some(), matched.hide),
            ("show", filter.show.is_some(), matched.show),
            (
                "tagfocus",
                filter.focus_labels.is_some(),
                matched.focus_labels,
            ),
            (
                "tagignore",
                filter.ignore_labels.is_some(),
                matched.ignore_labels,
            ),
        ];
        let unmatched = choices
            .into_iter()
            .filter(|(_, is_asked, has_matched)| *is_asked && !has_matched)
            .map(|(name, ..)| name)
            .collect();
        Filtered { profile, unmatched }
    }

    /// The effect of a location on its samples, and whether it is still shown. Its lines that are
    /// not shown are taken out.
    fn judge(
        &self,
        location: &mut Location,
        filter: &Filter<'_>,
        matched: &mut Matched,
    ) -> (FocusMatch, bool) {
        let any = |matches: &OnText<'_>, location: &Location| {
            self.file_matches(location, matches)
                || (0..location.lines.len()).any(|at| self.line_matches(location, at, matches))
        };
        let verdict = match (&filter.ignore, &filter.focus) {
            (Some(ignore), _) if any(ignore, location) => {
                matched.ignore = true;
                FocusMatch::Ignored
            }
            (_, Some(focus)) if !any(focus, location) => FocusMatch::Nothing,
            _ => {
                matched.focus = true;
                FocusMatch::Focused
            }
        };
        let mut is_shown = true;
        if let Some(hide) = &filter.hide
            && any(hide, location)
        {
            matched.hide = true;
            let whole = self.file_matches(location, hide);
            self.retain_lines(location, |hidden| !whole && !hidden, hide);
            is_shown = !location.lines.is_empty();
        }
        if let Some(show) = &filter.show {
            let whole = self.file_matches(location, show);
            self.retain_lines(location, |shown| whole || shown, show);
            is_shown &= !location.lines.is_empty();
            matched.show |= !location.lines.is_empty();
        }
        (verdict, is_shown)
    }

    fn retain_lines(
        &self,
        location: &mut Location,
        keep: impl Fn(bool) -> bool,
        matches: &OnText<'_>,
    ) {
        let kept = (0..location.lines.len())
            .filter(|&at| keep(self.line_matches(location, at, matches)))
            .filter_map(|at| location.lines.get(at).copied())
            .collect();
        location.lines = kept;
    }

    fn file_matches(&self, location: &Location, matches: &OnText<'_>) -> bool {
        let mapping = location
            .mapping
            .and_then(|id| self.mappings.get(id.index()));
        mapping.is_some_and(|mapping| matches(&mapping.file))
    }

    fn line_matches(&self, location: &Location, at: usize, matches: &OnText<'_>) -> bool {
        let line = location.lines.get(at);
        let function = line.and_then(|line| self.functions.get(line.function.index()));
        function.is_some_and(|function| {
            function.shown_name().is_some_and(|name| matches(name)) || matches(&function.file)
        })
    }
}

fn keeps_labels(sample: &Sample, filter: &Filter<'_>, matched: &mut Matched) -> bool {
    let judge = |choice: &Option<OnLabels<'_>>| choice.as_ref().map(|on| on(&sample.labels));
    let (focused, ignored) = (judge(&filter.focus_labels), judge(&filter.ignore_labels));
    matched.focus_labels |= focused == Some(true);
    matched.ignore_labels |= ignored == Some(true);
    focused != Some(false) && ignored != Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LabelValue, testing::example::profile};

    const SERVER: &str = "
        main / run / put // push = 9 900 4 400 tenant=blue bytes=100
        main / run / libz.so!inflate = 1 64 1 64 bytes=64
        main / 0x40 = 1 16 1 16 bytes=16
        main / log = 2 32 2 32 tenant=red bytes=16";

    /// The stacks that are left, root first.
    fn left(filter: &Filter<'_>) -> (Vec<String>, Vec<&'static str>) {
        let filtered = profile(SERVER, 0).filter(filter);
        filtered.profile.check().expect("a valid profile");
        let stack = |sample: &Sample| {
            let frames = filtered.profile.frames(sample);
            let mut names: Vec<&str> = frames
                .map(|f| f.function.map_or("?", |f| &f.name))
                .collect();
            names.reverse();
            names.join(" ")
        };
        let stacks = filtered.profile.samples.iter().map(stack).collect();
        (stacks, filtered.unmatched)
    }

    #[test]
    fn an_empty_filter_keeps_everything() {
        let whole = profile(SERVER, 0);
        let filtered = whole.filter(&Filter::default());
        assert_eq!(filtered.profile, whole);
        assert_eq!(filtered.unmatched, [""; 0]);
    }

    #[test]
    fn focus_and_ignore_choose_stacks() {
        let run = || Filter::default().focus(|name| name == "run");
        let expected = vec!["main run put push".into(), "main run inflate".into()];
        assert_eq!(left(&run()), (expected, vec![]));
        let no_push = run().ignore(|name| name == "push");
        assert_eq!(left(&no_push), (vec!["main run inflate".into()], vec![]));
        // The file mapped there counts too.
        let library = Filter::default().ignore(|name| name.ends_with("libz.so"));
        let expected = ["main run put push", "main ?", "main log"];
        assert_eq!(left(&library).0, expected);
    }

    #[test]
    fn hide_and_show_choose_frames() {
        let no_push = Filter::default().hide(|name| name == "push" || name == "log");
        let expected = ["main run put", "main run inflate", "main ?", "main"];
        let (stacks, unmatched) = left(&no_push);
        assert_eq!(stacks, expected);
        assert_eq!(unmatched, [""; 0]);
        let few = Filter::default().show(|name| name == "push" || name.ends_with("libz.so"));
        assert_eq!(left(&few), (vec!["push".into(), "inflate".into()], vec![]));
        // A bare address has no line that could match. It is hidden with its file.
        let server = Filter::default().hide(|name| name.ends_with("server"));
        assert_eq!(left(&server).0, ["inflate"]);
        let both = Filter::default()
            .show(|name| name == "run")
            .hide(|name| name == "run");
        assert_eq!(left(&both).0, [""; 0]);
    }

    #[test]
    fn labels_choose_samples_and_unmatched_choices_are_listed() {
        let tenant = |wanted: &'static str| {
            move |labels: &[Label]| {
                let text = LabelValue::Text(wanted.into());
                labels
                    .iter()
                    .any(|l| &*l.key == "tenant" && l.value == text)
            }
        };
        let (stacks, unmatched) = left(&Filter::default().focus_labels(tenant("blue")));
        assert_eq!(
            (stacks, unmatched),
            (vec!["main run put push".into()], vec![])
        );
        let (stacks, unmatched) = left(&Filter::default().ignore_labels(tenant("red")));
        assert_eq!((stacks.len(), unmatched), (3, vec![]));
        let nothing = Filter::default()
            .ignore(|name| name == "nobody")
            .hide(|name| name == "nobody")
            .ignore_labels(tenant("green"));
        let (stacks, unmatched) = left(&nothing);
        assert_eq!(
            (stacks.len(), unmatched),
            (4, vec!["ignore", "hide", "tagignore"])
        );
        let nothing = Filter::default()
            .focus(|_| false)
            .show(|_| false)
            .focus_labels(|_| true);
        assert_eq!(left(&nothing).1, ["focus", "show", "tagfocus"]);
    }
}
