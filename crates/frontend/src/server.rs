//! The front end as a whole: starts its listeners, stops them in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use yubin_policy::srs::SrsKey;
use yubin_proto::{Courier, StoreClient};
use yubin_types::{Address, AddressError, Secret, limits};

use crate::auth::Authenticator;
use crate::config::{FrontendConfig, ListenerConfig, ListenerTls};
use crate::connection::{Service, Shared};
use crate::countries::{Countries, CountriesError};
use crate::listener::{Acceptance, Entrance, accept, bind};
use crate::metrics::Metrics;
use crate::networks::Networks;
use crate::places::{Places, ServicePlaces};
use crate::refusals::RefusalLog;
use crate::scan::Scanners;
use crate::signing::Signers;
use crate::spool::Spooler;
use crate::tls::{Tls, TlsError};

/// Why a front end does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be listened on.
    #[error("listener {name} on {address}: {error}")]
    Listen {
        /// The listener.
        name: String,
        /// Its address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The spool directory can't be made or written.
    #[error("spool directory: {0}")]
    Spool(std::io::Error),
    /// Certificates can't be loaded.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The database of countries can't be read.
    #[error(transparent)]
    Countries(#[from] CountriesError),
    /// The host name is none.
    #[error("host name {0}: {1}")]
    Hostname(String, AddressError),
    /// A listener needs TLS and no certificate is configured.
    #[error("listener {name} needs a certificate")]
    NoCertificate {
        /// The listener.
        name: String,
    },
}

/// Listeners, TLS and sessions of one process.
#[derive(Debug)]
pub struct Frontend;

/// A front end at work.
#[derive(Debug)]
pub struct RunningFrontend {
    addresses: Vec<(String, SocketAddr)>,
    acceptance: Acceptance,
    background: TaskTracker,
    refusals: Arc<RefusalLog>,
}

impl Frontend {
    /// Starts all listeners; when this returns they accept connections. `cluster_secret` keys fast verifiers, opens DKIM keys and
    /// knows bounces of forwarded mail; it is the same on all front ends of a cluster, where keys are made and where mail is sent.
    /// `courier` delivers queued mail in this process, if somebody does. To be called within a runtime.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running.
    pub fn start(
        config: FrontendConfig,
        store: Arc<StoreClient>,
        courier: Option<Arc<dyn Courier>>,
        cluster_secret: &Secret,
        registry: &mut Registry,
    ) -> Result<RunningFrontend, StartError> {
        prepare_spool(&config).map_err(StartError::Spool)?;
        let tls = config.tls.as_ref().map(Tls::load).transpose()?;
        let acceptance = Acceptance {
            turned_away: Arc::new(Semaphore::new(limits::CONNECTIONS_TURNED_AWAY_MAX)),
            connections: TaskTracker::new(),
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
        };
        let (listeners, places) = (config.listeners.clone(), ServicePlaces::new(config.connections));
        let refusals = Arc::new(RefusalLog::new(Arc::clone(&store), config.hostname.clone(), config.networks.width));
        let shared = Arc::new(Shared {
            authenticator: Authenticator::new(Arc::clone(&store), cluster_secret, &config),
            countries: config.countries.clone().map(Countries::load).transpose()?,
            signers: Signers::new(Arc::clone(&store), cluster_secret),
            srs_key: SrsKey::derive(cluster_secret),
            store,
            courier,
            spooler: Spooler::new(
                config.spool_directory.clone(),
                config.spool_memory_bytes_max,
                config.spool_file_bytes_max,
            ),
            scanners: Scanners::new(config.content.as_ref()),
            postmaster: postmaster(&config.hostname)?,
            metrics: Metrics::register(registry),
            networks: Networks::new(config.networks.clone()),
            refusals: Arc::clone(&refusals),
            drain: acceptance.drain.clone(),
            config,
        });
        let mut bound = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let places = places.of(listener.protocol).clone();
            let service = service(listener, places, tls.as_ref().map(|(tls, _)| tls), &shared)?;
            bound.push((listen(&service.listener)?, service));
        }
        let background = TaskTracker::new();
        let mut addresses = Vec::with_capacity(bound.len());
        for ((socket, address), service) in bound {
            let name = service.listener.name.clone();
            tracing::info!(listener = name, %address, protocol = service.listener.protocol.name(), "listening");
            addresses.push((name.clone(), address));
            let (acceptance, entrance) = (acceptance.clone(), Entrance { name, places: service.places.clone() });
            background.spawn(async move {
                accept(socket, entrance, acceptance, |accepted| Arc::clone(&service).serve(accepted)).await;
            });
        }
        if let Some((tls, stamp)) = tls {
            background.spawn(tls.keep_fresh(stamp, acceptance.drain.clone()));
        }
        background.spawn(Arc::clone(&refusals).keep(acceptance.drain.clone()));
        Ok(RunningFrontend { addresses, acceptance, background, refusals })
    }
}

impl RunningFrontend {
    /// Each listener's name and the address that it was given, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// Stops accepting, lets sessions finish what they accepted, and ends those that have not after `grace`.
    pub async fn shutdown(self, grace: Duration) {
        self.acceptance.drain.cancel();
        self.background.close();
        self.background.wait().await;
        self.acceptance.connections.close();
        if tokio::time::timeout(grace, self.acceptance.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.acceptance.connections.len(), "connections are cut off");
            self.acceptance.abort.cancel();
            self.acceptance.connections.wait().await;
        }
        self.refusals.finish();
    }
}

/// That of our own name.
fn postmaster(hostname: &str) -> Result<Address, StartError> {
    Address::parse(&format!("postmaster@{hostname}")).map_err(|error| StartError::Hostname(hostname.to_owned(), error))
}

fn prepare_spool(config: &FrontendConfig) -> std::io::Result<()> {
    std::fs::create_dir_all(&config.spool_directory)?;
    // Said now rather than at the first large message.
    tempfile::tempfile_in(&config.spool_directory).map(drop)
}

fn service(
    listener: ListenerConfig,
    places: Places,
    tls: Option<&Tls>,
    shared: &Arc<Shared>,
) -> Result<Arc<Service>, StartError> {
    let acceptor = match (listener.tls, tls) {
        (ListenerTls::Off, _) => None,
        (_, Some(tls)) => Some(tls.acceptor(listener.protocol)?),
        (_, None) => return Err(StartError::NoCertificate { name: listener.name }),
    };
    Ok(Arc::new(Service { listener, tls: acceptor, places, shared: Arc::clone(shared) }))
}

fn listen(listener: &ListenerConfig) -> Result<(tokio::net::TcpListener, SocketAddr), StartError> {
    let bound = bind(listener.address).and_then(|socket| socket.local_addr().map(|address| (socket, address)));
    bound.map_err(|error| StartError::Listen { name: listener.name.clone(), address: listener.address, error })
}
