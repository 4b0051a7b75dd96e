//! `control`: shows the profiler's state, and sets its sample interval.
//!
//! It is off unless the builder turns it on, and always needs a token.

use super::reply::{self, Reply, ReplyResult};
use super::{credential::Credential, query::Query, state::RequestContext, status};
use crate::{record::parse_size, set_sample_interval};
use ::http::Method;

pub(super) fn answer(
    context: &RequestContext<'_>,
    credential: Option<Credential>,
) -> ReplyResult<Reply> {
    let is_change = *context.request.method() == Method::POST;
    let refusal = match credential {
        _ if !context.state.settings.has_control => {
            "the profiler cannot be controlled over HTTP: enable it with \
             `EndpointsBuilder::control`"
        }
        None => {
            "the profiler is controlled with a token only: set one with `EndpointsBuilder::token`"
        }
        // Any page can make a browser send a password; only a program sends the other form.
        Some(Credential::Basic) if is_change => {
            "the profiler is changed with `Authorization: Bearer TOKEN` only, not with a password"
        }
        Some(_) => "",
    };
    if !refusal.is_empty() {
        return reply::forbidden(refusal);
    }
    if is_change {
        set(context)?;
    }
    Ok(reply::json(status::json() + "\n"))
}

/// Sets the interval from the query, or from a form's body.
fn set(context: &RequestContext<'_>) -> ReplyResult<()> {
    let query = context.query()?;
    let body = String::from_utf8_lossy(context.request.body());
    let form = Query::parse(body.trim_end())?;
    let name = "sample_interval";
    let Some(text) = query.get(name).or_else(|| form.get(name)) else {
        return reply::bad_request(
            "nothing to set: give \"sample_interval\", for example sample_interval=512KiB; \
             0 pauses",
        );
    };
    let Some(bytes) = parse_size(text.as_bytes()) else {
        return reply::bad_request(
            "invalid value for \"sample_interval\" - must be a number of bytes, or one with KiB, \
             MiB or GiB",
        );
    };
    set_sample_interval(bytes);
    Ok(())
}
