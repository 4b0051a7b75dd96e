//! Which endpoint a path asks for.
//!
//! What follows `/pprof/` decides, or the end of the path if there is no such part. So the
//! endpoints work under any prefix, and behind a router that strips the prefix.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Index,
    Heap,
    Allocs,
    DeltaHeap,
    Symbol,
    CommandLine,
    Control,
    /// The page or one of its files: the path after `ui`, without a slash at its start.
    Page(&'a str),
    /// To the index, for a path without the slash at its end, as Go's mux does.
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
        if path == "ui" || path.ends_with("/ui") {
            return Route::Page("");
        }
        let file = path.rsplit_once("/ui/").map(|(_, file)| file);
        if let Some(file) = file.or_else(|| path.strip_prefix("ui/")) {
            return Route::Page(file);
        }
        match path.rsplit_once('/') {
            Some((folder, "")) => {
                let last = folder.rsplit('/').next().unwrap_or_default();
                if last.is_empty() || !is_endpoint(last) {
                    Route::Index
                } else {
                    Route::Unknown
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

/// Whether this or Go serves an endpoint of this name. Its path must not end in a slash.
fn is_endpoint(name: &str) -> bool {
    const ONLY_IN_GO: &str = "block goroutine goroutineleak mutex profile threadcreate trace";
    Route::named(name) != Route::Unknown || ONLY_IN_GO.split(' ').any(|only| only == name)
}

#[cfg(test)]
mod tests {
    use super::Route::{self, *};

    #[test]
    fn the_end_of_a_path_selects_the_endpoint() {
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
            // Behind a router that strips the prefix, or with another prefix.
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
            // Paths are not decoded: no name here needs it.
            ("/debug/pprof/%68eap", Unknown),
        ] {
            assert_eq!(Route::of(path), route, "{path:?}");
        }
    }
}
