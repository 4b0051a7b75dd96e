//! `control`: the state of the profiler, and the one thing about it that can be changed from outside, the
//! sample interval. Off unless the builder turns it on, and never without a token.

use super::{
    builder::Shared,
    query::Query,
    reply::{self, Reply, Result},
    status,
    token::Shown,
};
use crate::{record::parse_size, set_sample_interval};
use ::http::{Method, Request, StatusCode};
use bytes::Bytes;

pub(super) fn answer(shared: &Shared, request: &Request<Bytes>, shown: Shown) -> Result<Reply> {
    if !shared.has_control {
        return reply::refused(
            StatusCode::FORBIDDEN,
            "the profiler cannot be controlled over HTTP: enable it with `EndpointsBuilder::control`",
        );
    }
    if shown == Shown::Nothing {
        return reply::refused(
            StatusCode::FORBIDDEN,
            "the profiler is controlled with a token only: set one with `EndpointsBuilder::token`",
        );
    }
    if *request.method() == Method::POST {
        // A browser adds a password to what any page makes it send; the other form only a program adds.
        if shown != Shown::Bearer {
            return reply::refused(
                StatusCode::FORBIDDEN,
                "the profiler is changed with `Authorization: Bearer TOKEN` only, not with a password",
            );
        }
        set(request)?;
    }
    Ok(reply::new(
        StatusCode::OK,
        reply::JSON,
        status::json() + "\n",
    ))
}

/// From the query, or from a form's body.
fn set(request: &Request<Bytes>) -> Result<()> {
    let query = Query::parse(request.uri().query().unwrap_or_default())?;
    let body = String::from_utf8_lossy(request.body());
    let form = Query::parse(body.trim_end())?;
    let name = "sample_interval";
    let Some(text) = query.get(name).or_else(|| form.get(name)) else {
        return reply::bad_request(
            "nothing to set: give \"sample_interval\", for example sample_interval=512KiB; 0 pauses",
        );
    };
    match parse_size(text.as_bytes()) {
        Some(bytes) => {
            set_sample_interval(bytes);
            Ok(())
        }
        None => reply::bad_request(
            "invalid value for \"sample_interval\" - must be a number of bytes, or one with KiB, MiB or GiB",
        ),
    }
}
