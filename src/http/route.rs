//! What a path asks for: by what stands behind `/pprof/`, or by its end where there is no such part, so that
//! it works under any prefix and where a router has taken the prefix off.

/// The endpoints by name, and what Go serves beside them: where a path may not end in a slash.
const NAMES: [&str; 14] = [
    "allocs",
    "block",
    "cmdline",
    "control",
    "delta_heap",
    "goroutine",
    "goroutineleak",
    "heap",
    "mutex",
    "profile",
    "symbol",
    "threadcreate",
    "trace",
    "ui",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Index,
    Heap,
    Allocs,
    DeltaHeap,
    Symbol,
    CommandLine,
    Control,
    /// The page, or what it loads: the path behind `ui`, without a slash at its start.
    Page(&'a str),
    /// Go's mux sends who leaves out the last slash to where it is.
    Redirect,
    Unknown,
}

impl<'a> Route<'a> {
    pub(super) fn of(path: &'a str) -> Self {
        if let Some((_, name)) = path.rsplit_once("/pprof/") {
            return Self::named(name);
        }
        if path.ends_with("/pprof") {
            return Route::Redirect;
        }
        if let Some(asset) = behind_ui(path) {
            return Route::Page(asset);
        }
        match path.rsplit_once('/') {
            Some((before, "")) => {
                let last = before.rsplit_once('/').map_or(before, |(_, last)| last);
                if NAMES.contains(&last) {
                    Route::Unknown
                } else {
                    Route::Index
                }
            }
            Some((_, name)) => Self::named(name),
            None => Self::named(path),
        }
    }

    fn named(name: &'a str) -> Self {
        match name {
            "" => Route::Index,
            "heap" => Route::Heap,
            "allocs" => Route::Allocs,
            "delta_heap" => Route::DeltaHeap,
            "symbol" => Route::Symbol,
            "cmdline" => Route::CommandLine,
            "control" => Route::Control,
            "ui" => Route::Page(""),
            _ => name.strip_prefix("ui/").map_or(Route::Unknown, Route::Page),
        }
    }
}

/// What follows the last part of a path that is `ui` and nothing else.
fn behind_ui(path: &str) -> Option<&str> {
    if path == "ui" || path.ends_with("/ui") {
        return Some("");
    }
    path.rsplit_once("/ui/")
        .map(|(_, asset)| asset)
        .or_else(|| path.strip_prefix("ui/"))
}

#[cfg(test)]
mod tests {
    use super::Route::{self, *};

    #[test]
    fn the_end_of_a_path_decides() {
        for (path, route) in [
            ("/debug/pprof/", Index),
            ("/debug/pprof/heap", Heap),
            ("/a/b/debug/pprof/allocs", Allocs),
            ("/pprof/pprof/delta_heap", DeltaHeap),
            ("/debug/pprof", Redirect),
            ("/debug/pprof/ui", Page("")),
            ("/debug/pprof/ui/", Page("")),
            ("/debug/pprof/ui/app.js", Page("app.js")),
            ("/debug/pprof/ui/a/ui/b", Page("a/ui/b")),
            ("/debug/pprof/heap/", Unknown),
            ("/debug/pprof/nope", Unknown),
            ("/debug/pprof/nope/heap", Unknown),
            ("/debug/pprof//heap", Unknown),
            // Where a router has taken the prefix off, or has another.
            ("", Index),
            ("/", Index),
            ("heap", Heap),
            ("/heap", Heap),
            ("/symbol", Symbol),
            ("/memory/", Index),
            ("/memory/cmdline", CommandLine),
            ("/memory/control", Control),
            ("/heap/", Unknown),
            ("/goroutine/", Unknown),
            ("/ui", Page("")),
            ("ui", Page("")),
            ("/ui/app.css", Page("app.css")),
            ("ui/app.css", Page("app.css")),
            ("/gui/heap", Heap),
            ("/pproof", Unknown),
            // Not decoded: nothing here has a name that needs it.
            ("/debug/pprof/%68eap", Unknown),
        ] {
            assert_eq!(Route::of(path), route, "{path:?}");
        }
    }
}
