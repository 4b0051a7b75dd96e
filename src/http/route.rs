//! What a path asks for. By its end only, so that it works under any prefix and where a router has taken the
//! prefix off.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Index,
    Heap,
    Allocs,
    /// The page, or what it loads: the path behind `ui`, without a slash at its start.
    Page(&'a str),
    Unknown,
}

impl<'a> Route<'a> {
    pub(super) fn of(path: &'a str) -> Self {
        if let Some((_, rest)) = path.rsplit_once("/ui") {
            if rest.is_empty() {
                return Route::Page("");
            }
            if let Some(asset) = rest.strip_prefix('/') {
                return Route::Page(asset);
            }
        }
        match path.rsplit_once('/').map_or(path, |(_, last)| last) {
            "" => Route::Index,
            "heap" => Route::Heap,
            "allocs" => Route::Allocs,
            _ => Route::Unknown,
        }
    }
}
