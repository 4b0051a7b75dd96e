//! Go's `/debug/pprof/` endpoints, and a page that shows the heap.
//!
//! One function turns a request into a response ([`Endpoints::respond`]); everything else carries
//! requests to it. So what a client gets does not depend on the way in.

mod builder;
mod caller;
mod control;
mod delta;
mod endpoints;
mod index;
mod page;
mod profiles;
mod query;
mod render;
mod reply;
mod route;
mod status;
mod symbol;
mod token;
mod turn;

pub use builder::EndpointsBuilder;
pub use endpoints::Endpoints;
