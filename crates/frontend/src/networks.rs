//! Which networks are connected to this front end: asked for every connection, before anything is spent on it.
//!
//! The rules are `policy`'s ([`yubin_policy::networks`]). Exempt networks are not counted, nor is LMTP, which only trusted networks
//! reach. One front end knows nothing of another's connections: a network has its share of each.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use yubin_policy::networks::{Denied, NetworkDenial, NetworkId, NetworkTable, Service};
use yubin_types::limits;

use crate::config::{NetworksConfig, Protocol, contains};
use crate::driver::now;

/// The networks of all connections of a process.
#[derive(Debug)]
pub(crate) struct Networks {
    config: NetworksConfig,
    table: Mutex<NetworkTable>,
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    networks: Arc<Networks>,
    counted: Option<(NetworkId, Service)>,
}

impl Networks {
    pub(crate) fn new(config: NetworksConfig) -> Arc<Networks> {
        let table = Mutex::new(NetworkTable::new(config.limits, limits::NETWORKS_REMEMBERED_MAX));
        Arc::new(Networks { config, table })
    }

    /// May this peer have another connection?
    ///
    /// # Errors
    /// Its network has its share.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr, protocol: Protocol) -> Result<Admitted, (NetworkId, Denied)> {
        let network = self.config.width.network_of(peer);
        let counted = service(protocol).filter(|_| !self.is_exempt(peer)).map(|service| (network, service));
        if let Some((network, service)) = counted {
            self.table.lock().open(network, service, now()).map_err(|denied| (network, denied))?;
        }
        Ok(Admitted { networks: Arc::clone(self), counted })
    }

    fn is_exempt(&self, peer: IpAddr) -> bool {
        contains(&self.config.exempt, peer)
    }
}

impl Admitted {
    /// Asked so often in vain since this was said last; who is exempt may.
    ///
    /// # Errors
    /// It was once too often.
    pub(crate) fn failed(&self, failures: u32) -> Result<(), (NetworkId, NetworkDenial)> {
        match self.counted {
            Some((network, Service::Smtp)) => {
                self.networks.table.lock().failed(network, failures, now()).map_err(|denial| (network, denial))
            }
            _ => Ok(()),
        }
    }

    /// Is it one of the networks that nothing is held against?
    pub(crate) const fn is_exempt(&self) -> bool {
        self.counted.is_none()
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some((network, service)) = self.counted {
            self.networks.table.lock().close(network, service);
        }
    }
}

const fn service(protocol: Protocol) -> Option<Service> {
    match protocol {
        Protocol::Mx => Some(Service::Smtp),
        Protocol::Submission => Some(Service::Submission),
        Protocol::Pop3 => Some(Service::Pop3),
        Protocol::Imap => Some(Service::Imap),
        Protocol::Lmtp => None,
    }
}
