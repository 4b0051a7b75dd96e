//! Go's `/debug/pprof/` endpoints, and a page that shows the heap.
//!
//! One function turns a request into a response ([`Endpoints::respond`]); everything else carries
//! requests to it. So what a client gets does not depend on the way in.

mod caller;
mod endpoints;
mod page;
mod reply;
mod route;

pub use endpoints::{Endpoints, EndpointsBuilder};
