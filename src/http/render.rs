//! Writes a profile in the format that the query asks for.

use super::reply::{self, Reply, ReplyResult};
use crate::{
    Profile,
    report::{Text, Top, folded},
};
use ::http::StatusCode;

/// What `format=` may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputFormat {
    /// gzip'd `profile.proto`.
    Pprof,
    /// A line `root;...;leaf value` for each stack.
    Folded,
    /// A flame graph.
    Svg,
    /// The table of functions, for programs.
    Json,
    /// The table of functions, for people.
    Text,
}

impl OutputFormat {
    pub(super) fn read(value: Option<&str>) -> ReplyResult<Self> {
        match value {
            None | Some("pprof") => Ok(Self::Pprof),
            Some("folded") => Ok(Self::Folded),
            // Refused before a profile is made for it.
            Some("svg") if !cfg!(feature = "flamegraph") => no_flame_graph(),
            Some("svg") => Ok(Self::Svg),
            Some("json") => Ok(Self::Json),
            Some("text") => Ok(Self::Text),
            Some(_) => reply::bad_request(
                "invalid value for \"format\" - must be pprof, folded, svg, json or text",
            ),
        }
    }
}

/// The profile in this format, of one sample type: the profile's default unless one is named. The
/// format `pprof` has all sample types; there the named one becomes the default that viewers open.
pub(super) fn render(
    mut profile: Profile,
    format: OutputFormat,
    sample_type: Option<&str>,
    disposition: &'static str,
) -> ReplyResult<Reply> {
    let index = profile.sample_index(sample_type.unwrap_or_default())?;
    Ok(match format {
        OutputFormat::Pprof => {
            if let Some(sample_type) = sample_type {
                profile.default_sample_type = sample_type.into();
            }
            reply::attachment(disposition, encode(&profile)?)
        }
        OutputFormat::Folded => reply::text(folded(&profile, index)?.to_string()),
        OutputFormat::Text => {
            let top = Top::new(&profile, index)?;
            reply::text(top.text(&Text::default().rows(0)))
        }
        OutputFormat::Json => {
            let top = Top::new(&profile, index)?;
            reply::new(StatusCode::OK, reply::JSON, top.to_json())
        }
        OutputFormat::Svg => return flame_graph(&profile, index),
    })
}

/// The profile as the bytes of a pprof file.
pub(super) fn encode(profile: &Profile) -> crate::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    profile.write(&mut bytes)?;
    Ok(bytes)
}

/// The drawing runs its own script and styles, and fetches nothing.
#[cfg(feature = "flamegraph")]
fn flame_graph(profile: &Profile, index: usize) -> ReplyResult<Reply> {
    use ::http::{HeaderValue, header::CONTENT_SECURITY_POLICY};

    let mut svg = Vec::new();
    crate::report::write_flamegraph(profile, index, &mut svg)?;
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
    let reply = reply::new(StatusCode::OK, reply::SVG, svg);
    let policy = HeaderValue::from_static(policy);
    Ok(reply::with(reply, CONTENT_SECURITY_POLICY, policy))
}

#[cfg(not(feature = "flamegraph"))]
fn flame_graph(_profile: &Profile, _index: usize) -> ReplyResult<Reply> {
    no_flame_graph()
}

fn no_flame_graph<T>() -> ReplyResult<T> {
    reply::refused(
        StatusCode::NOT_IMPLEMENTED,
        "flame graphs as SVG are not in this program: build heaptide with the feature `flamegraph`",
    )
}
