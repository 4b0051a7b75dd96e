//! Go's `/debug/pprof/` endpoints, and a page that shows the heap.
//!
//! One function turns a request into a response ([`Endpoints::respond`]); everything else carries
//! requests to it. So what a client gets does not depend on the way in:
//!
//! | where HTTP is served by | there is |
//! |---|---|
//! | nobody yet | [`serve`], on a thread of its own; [`serve_from_environment`] |
//! | axum | `router` to nest, with the feature `axum`; [`service`] for `nest_service` and `merge` |
//! | hyper, tonic, actix, anything with futures | [`service`] |
//! | anything else | [`Endpoints::respond`] |

mod builder;
mod caller;
mod connection;
mod connections;
mod control;
mod delta;
mod endpoints;
mod hosts;
mod index;
mod legacy_text;
mod limits;
#[cfg(feature = "axum")]
mod mount;
mod page;
mod profiles;
mod query;
mod render;
mod reply;
mod room;
mod route;
mod server;
mod server_builder;
mod service;
mod status;
mod symbol;
mod threads;
mod token;
mod turn;

pub use builder::EndpointsBuilder;
pub use endpoints::Endpoints;
#[cfg(feature = "axum")]
pub use mount::router;
pub use server::{Server, serve, serve_from_environment};
pub use server_builder::ServerBuilder;
pub use service::{ResponseFuture, Service, service};
