//! Go's `/debug/pprof/` endpoints, and a page that shows the heap.
//!
//! One function turns a request into a response ([`Endpoints::respond`]); everything else carries
//! requests to it. So the answer does not depend on the way that a request comes:
//!
//! | HTTP is served by | use |
//! |---|---|
//! | nobody yet | [`serve`] or [`serve_from_env`], on a thread; [`Server::builder`] |
//! | axum | [`service`], in `Router::nest_service` |
//! | hyper, tonic, actix, anything with futures | [`service`] |
//! | anything else | [`Endpoints::respond`] |

mod cancellation;
mod connection;
mod control;
mod credential;
mod delta;
mod endpoints;
mod hosts;
mod index;
mod legacy_text;
mod limits;
mod page;
mod profile_queue;
mod profiles;
mod query;
mod quota;
mod render;
mod reply;
mod route;
mod server;
mod service;
mod state;
mod status;
mod symbol;

pub use endpoints::{Endpoints, EndpointsBuilder};
pub use server::{Server, ServerBuilder, serve, serve_from_env};
pub use service::{Service, service};
