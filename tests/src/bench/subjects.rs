//! The systems that can be compared, each as a measurement sees it.
//!
//! What arrived is counted in the peer's mailboxes; with our own systems it is told by the usage that customers are
//! billed on.

use super::{ACCOUNTS, Subject};
use crate::crash::Target;
use crate::load::Protocol;
use crate::peer::{self, Dovecot, Peer};
use anyhow::Result;
use std::net::SocketAddr;

/// The domain of our own accounts.
const DOMAIN: &str = "bench.example";
/// The password of our own accounts.
const PASSWORD: &str = "correct horse battery";

/// Our own system: one process, or a cluster.
#[derive(Debug)]
pub struct Yubin<T> {
    name: &'static str,
    system: T,
    ids: Vec<u32>,
}

impl<T: Target> Yubin<T> {
    /// Takes a running system, whose processes have these ids, and makes its accounts.
    ///
    /// # Errors
    /// When an account can't be made.
    pub fn new(name: &'static str, system: T, ids: Vec<u32>) -> Result<Self> {
        system.admin().populate(DOMAIN, ACCOUNTS, PASSWORD)?;
        Ok(Self { name, system, ids })
    }
}

impl<T: Target> Subject for Yubin<T> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn targets(&self) -> Vec<SocketAddr> {
        self.system.smtp()
    }
    fn protocol(&self) -> Protocol {
        Protocol::Smtp
    }
    fn domain(&self) -> &str {
        DOMAIN
    }
    fn accounts(&self) -> usize {
        ACCOUNTS
    }
    fn ids(&self) -> Vec<u32> {
        self.ids.clone()
    }
    fn arrived(&self) -> Result<usize> {
        Ok(usize::try_from(self.system.admin().usage(DOMAIN)?.messages)?)
    }
}

/// Postfix in front of Dovecot.
impl Subject for Peer {
    fn name(&self) -> &'static str {
        "Postfix+Dovecot"
    }
    fn targets(&self) -> Vec<SocketAddr> {
        vec![self.smtp()]
    }
    fn protocol(&self) -> Protocol {
        Protocol::Smtp
    }
    fn domain(&self) -> &str {
        peer::DOMAIN
    }
    fn accounts(&self) -> usize {
        ACCOUNTS
    }
    fn ids(&self) -> Vec<u32> {
        self.ids()
    }
    fn arrived(&self) -> Result<usize> {
        Ok(self.stored())
    }
}

/// Dovecot alone, by LMTP.
impl Subject for Dovecot {
    fn name(&self) -> &'static str {
        "Dovecot LMTP"
    }
    fn targets(&self) -> Vec<SocketAddr> {
        vec![self.lmtp()]
    }
    fn protocol(&self) -> Protocol {
        Protocol::Lmtp
    }
    fn domain(&self) -> &str {
        peer::DOMAIN
    }
    fn accounts(&self) -> usize {
        ACCOUNTS
    }
    fn ids(&self) -> Vec<u32> {
        vec![self.id()]
    }
    fn arrived(&self) -> Result<usize> {
        Ok(self.stored())
    }
}
