//! The parameters that say how a profile is written, and the profile written so.

use super::query::Query;
use super::reply::{self, Reply, ReplyResult};
use crate::report::{Text, Top, folded};
use crate::{Profile, ProfileOptions};
use ::http::{HeaderValue, StatusCode, header};

const BINARY: &str = "application/octet-stream";

/// What `format=` may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutputFormat {
    /// gzip'd `profile.proto`.
    Pprof,
    /// A line `root;...;leaf value` for each stack.
    Folded,
    /// A flame graph.
    #[cfg(feature = "flamegraph")]
    Svg,
    /// The table of functions, for programs.
    Json,
    /// The table of functions, for people.
    Text,
}

/// How the profile is written.
#[derive(Debug)]
pub(super) struct OutputParams<'a> {
    pub(super) options: ProfileOptions,
    format: OutputFormat,
    sample_type: Option<&'a str>,
}

impl<'a> OutputParams<'a> {
    pub(super) fn read(query: &'a Query<'_>) -> ReplyResult<Self> {
        const TYPES: &str = "alloc_objects, alloc_space, inuse_objects, inuse_space";
        let options = match query.get("symbolize") {
            None | Some("1") => ProfileOptions::new(),
            Some("0") => ProfileOptions::new().raw(),
            _ => return reply::bad_request("invalid value for \"symbolize\" - must be 0 or 1"),
        };
        let format = match query.get("format") {
            None | Some("pprof") => OutputFormat::Pprof,
            Some("folded") => OutputFormat::Folded,
            #[cfg(feature = "flamegraph")]
            Some("svg") => OutputFormat::Svg,
            #[cfg(not(feature = "flamegraph"))]
            Some("svg") => {
                let why = "flame graphs as SVG are not in this program: build heaptide with the feature \
                           `flamegraph`";
                return reply::refused(StatusCode::NOT_IMPLEMENTED, why);
            }
            Some("json") => OutputFormat::Json,
            Some("text") => OutputFormat::Text,
            Some(_) => {
                let why = "invalid value for \"format\" - must be pprof, folded, svg, json or text";
                return reply::bad_request(why);
            }
        };
        let sample_type = query.get("sample_index");
        if sample_type.is_some_and(|of| TYPES.split(", ").all(|known| known != of)) {
            let why = format!("invalid value for \"sample_index\" - must be {TYPES}");
            return reply::bad_request(&why);
        }
        Ok(Self {
            options,
            format,
            sample_type,
        })
    }

    /// The profile in this format, of one sample type: the profile's default unless one is named. The
    /// format `pprof` has all of them; there the named one becomes the default that viewers open. A
    /// browser saves it under the name.
    pub(super) fn render(&self, mut profile: Profile, name: &str) -> ReplyResult<Reply> {
        let index = profile.sample_index(self.sample_type.unwrap_or_default())?;
        Ok(match self.format {
            OutputFormat::Pprof => {
                if let Some(sample_type) = self.sample_type {
                    profile.default_sample_type = sample_type.into();
                }
                let mut reply = reply::new(StatusCode::OK, BINARY, encode(&profile)?);
                let disposition = format!("attachment; filename=\"{name}\"");
                if let Ok(disposition) = HeaderValue::try_from(disposition) {
                    reply
                        .headers_mut()
                        .insert(header::CONTENT_DISPOSITION, disposition);
                }
                reply
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
            // It runs its own script and styles, and fetches nothing.
            #[cfg(feature = "flamegraph")]
            OutputFormat::Svg => {
                let mut svg = Vec::new();
                crate::report::write_flamegraph(&profile, index, &mut svg)?;
                let reply = reply::new(StatusCode::OK, "image/svg+xml", svg);
                let policy =
                    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
                reply::with(reply, header::CONTENT_SECURITY_POLICY, policy)
            }
        })
    }
}

/// The profile as the bytes of a pprof file.
pub(super) fn encode(profile: &Profile) -> crate::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    profile.write(&mut bytes)?;
    Ok(bytes)
}
