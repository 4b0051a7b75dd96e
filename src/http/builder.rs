//! [`EndpointsBuilder`]: what is served, to whom, and how much work a client may ask for.

use super::state::{EndpointSettings, EndpointState};
use super::{credential::Token, endpoints::Endpoints};
use std::time::Duration;

/// Settings of [`Endpoints`].
///
/// ```
/// use heaptide::http::Endpoints;
/// use std::time::Duration;
///
/// let endpoints = Endpoints::builder()
///     .token("a long random word")
///     .control()
///     .longest_delta(Duration::from_secs(60))
///     .build();
/// # let _ = endpoints;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is served before `build`"]
pub struct EndpointsBuilder {
    settings: EndpointSettings,
}

impl Endpoints {
    /// The default settings: there is no token, and what may show secrets or changes anything is off.
    pub fn builder() -> EndpointsBuilder {
        EndpointsBuilder::default()
    }
}

impl EndpointsBuilder {
    /// Requires this token of every request: as `Authorization: Bearer TOKEN`, or as the password of
    /// `Basic`. No request can carry an empty token, so that one refuses them all.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = Some(Token::new(token));
        self
    }

    /// Serves `cmdline`, the arguments the program was started with. They may hold secrets.
    pub fn command_line(mut self) -> Self {
        self.settings.shows_command_line = true;
        self
    }

    /// Serves `control`, which shows the state of the profiler and sets the sample interval. It needs
    /// a [`token`](Self::token) too, and answers 403 without one.
    pub fn control(mut self) -> Self {
        self.settings.has_control = true;
        self
    }

    /// The longest `seconds=N` that is accepted, in whole seconds; 5 minutes unless set.
    pub fn longest_delta(mut self, duration: Duration) -> Self {
        self.settings.longest_delta = Some(duration);
        self
    }

    /// How many requests may wait while a profile is made; 4 unless set. The others get status 429.
    pub fn waiting(mut self, requests: usize) -> Self {
        self.settings.max_waiting = Some(requests);
        self
    }

    /// The endpoints with these settings. They belong to this process: in a child that is forked from
    /// it they answer 503.
    #[must_use]
    pub fn build(self) -> Endpoints {
        Endpoints::new(EndpointState::new(self.settings))
    }
}
