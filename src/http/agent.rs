//! Agents: who asks, how patiently, and through which proxies.

use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectionDetails, Connector, DefaultConnector, Transport};
use ureq::{Agent, Error};

/// How often something is tried, and how long something may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Most attempts in a row that bring nothing.
    pub attempts: u32,
    /// Wait before the second one; it doubles.
    pub first_wait: Duration,
    /// The longest that a server may ask to wait.
    pub longest_wait: Duration,
    /// The longest that a connection may take to open.
    pub connect: Duration,
    /// The longest until an answer begins that takes no work.
    pub answer: Duration,
    /// The longest that a connection may be silent.
    pub silence: Duration,
    /// The longest between two parts of a stream.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(90),
            connect: Duration::from_secs(15),
            answer: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            pause: Duration::from_secs(30),
        }
    }
}

/// Through which proxies a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxies {
    /// Those that the environment names.
    OfEnvironment,
    /// None.
    None,
}

/// What opens connections. Agents that share it read the roots of trust once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<DefaultConnector>);

impl Connector for Connections {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        self.0.connect(details, chained)
    }
}

impl Connections {
    /// An agent with connections of its own, which follows no redirect and takes every status for an answer.
    pub(crate) fn agent(&self, patience: &Patience, proxies: Proxies) -> Agent {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let mut config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("logitscope/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence));
        if proxies == Proxies::None {
            config = config.proxy(None);
        }
        Agent::with_parts(config.build(), self.clone(), DefaultResolver::default())
    }
}
