//! The parameters that say how a profile is written, and the profile written so.

use super::query::Query;
use super::reply::{self, Reply, ReplyResult};
use crate::{Profile, ProfileOptions};
use ::http::{HeaderValue, StatusCode, header};
use heaptide_profile::SampleType;
use heaptide_profile::report::{Text, Top, folded};

const BINARY: &str = "application/octet-stream";

const SAMPLE_TYPES: &str = "alloc_objects, alloc_space, inuse_objects, inuse_space";

/// How the profile is written.
#[derive(Debug)]
pub(super) struct OutputParams<'a> {
    pub(super) options: ProfileOptions,
    format: OutputFormat,
    sample_type: Option<&'a str>,
}

/// A table of functions is for programs as `Json`, for people as `Text`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutputFormat {
    Pprof,
    Folded,
    Svg,
    Json,
    Text,
}

impl<'a> OutputParams<'a> {
    pub(super) fn read(query: &'a Query<'_>) -> ReplyResult<Self> {
        let options = match query.get("symbolize") {
            None | Some("1") => ProfileOptions::new(),
            Some("0") => ProfileOptions::new().raw(),
            _ => return reply::bad_request("invalid value for \"symbolize\" - must be 0 or 1"),
        };
        let format = match query.get("format").unwrap_or("pprof") {
            "pprof" => OutputFormat::Pprof,
            "folded" => OutputFormat::Folded,
            "svg" if cfg!(feature = "flamegraph") => OutputFormat::Svg,
            "svg" => return reply::refused(StatusCode::NOT_IMPLEMENTED, NO_FLAME_GRAPH),
            "json" => OutputFormat::Json,
            "text" => OutputFormat::Text,
            _ => return reply::bad_request(NO_FORMAT),
        };
        let sample_type = query.get("sample_index");
        if sample_type.is_some_and(|of| SAMPLE_TYPES.split(", ").all(|known| known != of)) {
            let why = format!("invalid value for \"sample_index\" - must be {SAMPLE_TYPES}");
            return reply::bad_request(&why);
        }
        Ok(Self {
            options,
            format,
            sample_type,
        })
    }

    /// The profile in this format, of one sample type: the profile's default unless one is named.
    /// The format `pprof` has all of them; there the named one becomes the default that viewers
    /// open. A browser saves it under the name.
    pub(super) fn render(&self, mut profile: Profile, name: &str) -> ReplyResult<Reply> {
        let sample_type = profile.sample_type(self.sample_type.unwrap_or_default())?;
        Ok(match self.format {
            OutputFormat::Pprof => {
                if let Some(name) = self.sample_type {
                    profile.default_sample_type = name.into();
                }
                let mut reply = reply::new(StatusCode::OK, BINARY, encode(&profile)?);
                let to = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")).ok();
                let header = to.map(|to| (header::CONTENT_DISPOSITION, to));
                reply.headers_mut().extend(header);
                reply
            }
            OutputFormat::Folded => reply::text(folded(sample_type)?.to_string()),
            OutputFormat::Text => reply::text(Top::new(sample_type).text(&Text::default().rows(0))),
            OutputFormat::Json => reply::json(Top::new(sample_type).to_json()),
            OutputFormat::Svg => flame_graph(sample_type)?,
        })
    }
}

const NO_FORMAT: &str = "invalid value for \"format\" - must be pprof, folded, svg, json or text";

const NO_FLAME_GRAPH: &str = "flame graphs as SVG are not in this program: build heaptide with the \
    feature `flamegraph`";

/// The drawing runs its own script and styles, and fetches nothing.
#[cfg(feature = "flamegraph")]
fn flame_graph(sample_type: SampleType<'_>) -> ReplyResult<Reply> {
    const POLICY: &str =
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
    let mut svg = Vec::new();
    heaptide_profile::report::write_flamegraph(sample_type, &mut svg)?;
    let reply = reply::new(StatusCode::OK, "image/svg+xml", svg);
    Ok(reply::with(reply, header::CONTENT_SECURITY_POLICY, POLICY))
}

#[cfg(not(feature = "flamegraph"))]
fn flame_graph(_: SampleType<'_>) -> ReplyResult<Reply> {
    reply::refused(StatusCode::NOT_IMPLEMENTED, NO_FLAME_GRAPH)
}

/// The profile as the bytes of a pprof file.
pub(super) fn encode(profile: &Profile) -> crate::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    profile.write(&mut bytes)?;
    Ok(bytes)
}
