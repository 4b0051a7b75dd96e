//! A profile in the format that was asked for.

use super::reply::{self, Reply, Result};
use crate::{
    Profile,
    report::{Text, Top, folded},
};
use ::http::StatusCode;

/// What `format=` may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// gzip'd `profile.proto`.
    #[default]
    Pprof,
    /// `root;...;leaf value`, a line each.
    Folded,
    /// A flame graph.
    Svg,
    /// The table of functions, for programs.
    Json,
    /// The table of functions, for people.
    Text,
}

impl Format {
    pub(super) fn read(value: Option<&str>) -> Result<Self> {
        match value {
            None | Some("pprof") => Ok(Self::Pprof),
            Some("folded") => Ok(Self::Folded),
            Some("svg") => Ok(Self::Svg),
            Some("json") => Ok(Self::Json),
            Some("text") => Ok(Self::Text),
            Some(_) => reply::bad_request(
                "invalid value for \"format\" - must be pprof, folded, svg, json or text",
            ),
        }
    }

    /// Refuses what this program cannot draw, before a profile is made for it.
    pub(super) fn check(self) -> Result<()> {
        if self == Self::Svg && !cfg!(feature = "flamegraph") {
            return no_flame_graph();
        }
        Ok(())
    }
}

/// The profile in this format, of the sample type `kind`; without one, of the profile's default. In `pprof`
/// all are there, and `kind` becomes the one that viewers open.
pub(super) fn render(
    mut profile: Profile,
    format: Format,
    kind: Option<&str>,
    disposition: &'static str,
) -> Result<Reply> {
    let index = profile.sample_index(kind.unwrap_or_default())?;
    match format {
        Format::Pprof => {
            if let Some(kind) = kind {
                profile.default_sample_type = kind.into();
            }
            let mut bytes = Vec::new();
            profile.write(&mut bytes)?;
            Ok(reply::attachment(disposition, bytes))
        }
        Format::Folded => Ok(reply::text(folded(&profile, index)?.to_string())),
        Format::Text => {
            let top = Top::new(&profile, index)?;
            Ok(reply::text(top.text(&Text::default().rows(0))))
        }
        Format::Json => {
            let top = Top::new(&profile, index)?;
            Ok(reply::new(StatusCode::OK, reply::JSON, top.to_json()))
        }
        Format::Svg => flame_graph(&profile, index),
    }
}

/// The drawing's own script and styles, and nothing from anywhere.
#[cfg(feature = "flamegraph")]
fn flame_graph(profile: &Profile, index: usize) -> Result<Reply> {
    use ::http::{HeaderValue, header};

    let mut svg = Vec::new();
    crate::report::write_flamegraph(profile, index, &mut svg)?;
    Ok(reply::with(
        reply::new(StatusCode::OK, reply::SVG, svg),
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'",
        ),
    ))
}

#[cfg(not(feature = "flamegraph"))]
fn flame_graph(_profile: &Profile, _index: usize) -> Result<Reply> {
    no_flame_graph()
}

fn no_flame_graph<T>() -> Result<T> {
    reply::refused(
        StatusCode::NOT_IMPLEMENTED,
        "flame graphs as SVG are not in this program: build heaptide with the feature `flamegraph`",
    )
}
