//! Where the storm rages: one process with every role, or a cluster with workers of their own. Whoever is hit comes back on its data.

use super::{Ground, Kill, Victim};
use crate::cluster::{Cluster, Member, NODES};
use crate::crash::Target as _;
use crate::flaky::Flaky;
use crate::system::{Admin, System, Transport};
use anyhow::{Context, Result};
use rand::Rng;
use rand::rngs::StdRng;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The name in EHLO of a process that was given none.
const UNNAMED: &str = "localhost";
/// How long a process that was killed stays away at most, in milliseconds.
const AWAY_MS_MAX: u64 = 500;

/// The system that is hit.
pub(super) enum Field {
    Single(Box<System>),
    Cluster(Box<Cluster>),
}

impl Field {
    /// Starts it; the lines are the rest of the configuration's `[queue]`.
    pub(super) fn start(ground: Ground, folder: &Path, queue: &str) -> Result<Self> {
        Ok(match ground {
            Ground::Single => {
                let queue = format!("[queue]\n{queue}");
                Self::Single(Box::new(System::configured(Transport::Direct, folder, &queue)?))
            }
            Ground::Cluster => Self::Cluster(Box::new(Cluster::with_workers(folder, queue)?)),
        })
    }

    pub(super) fn admin(&self) -> Admin {
        match self {
            Self::Single(system) => system.admin(),
            Self::Cluster(cluster) => cluster.admin(),
        }
    }

    /// Every port of this name that clients use.
    pub(super) fn ports(&self, name: &str) -> Result<Vec<SocketAddr>> {
        match self {
            Self::Single(system) => Ok(vec![system.port(name)?]),
            Self::Cluster(cluster) => cluster.front_ends.iter().map(|member| member.port(name)).collect(),
        }
    }

    /// The first of [`Field::ports`].
    pub(super) fn port(&self, name: &str) -> Result<SocketAddr> {
        self.ports(name)?.first().copied().context("nobody is there")
    }

    /// Kills whose turn it is, leaves it dead for a moment, and starts it again.
    pub(super) fn strike(&mut self, turn: u32, random: &mut StdRng, server: &Flaky) -> Result<Kill> {
        let away = Duration::from_millis(random.random_range(0..AWAY_MS_MAX));
        let (victim, member) = match self {
            Self::Single(system) => {
                system.running.kill()?;
                let kill = Kill { at: server.now(), victim: Victim::Process, host: UNNAMED.to_owned() };
                std::thread::sleep(away);
                system.start_again().context("it does not start again")?;
                return Ok(kill);
            }
            Self::Cluster(cluster) => choose(cluster, turn, random)?,
        };
        member.running.kill()?;
        let kill = Kill { at: server.now(), victim, host: member.host.clone() };
        std::thread::sleep(away);
        member.start_again().with_context(|| format!("{} does not start again", member.program.name))?;
        Ok(kill)
    }
}

/// Workers have every other turn, since what they were doing is what is at stake.
fn choose<'a>(cluster: &'a mut Cluster, turn: u32, random: &mut StdRng) -> Result<(Victim, &'a mut Member)> {
    let victim = match turn % 6 {
        1 => Victim::Leader,
        3 => Victim::Node,
        5 => Victim::FrontEnd,
        _ => Victim::Worker,
    };
    let leader = cluster.leader().unwrap_or_default();
    let mut one_of = |members: &'a mut Vec<Member>| {
        let count = members.len().max(1);
        members.get_mut(random.random_range(0..count))
    };
    let member = match victim {
        Victim::Leader => cluster.nodes.get_mut(leader % NODES),
        Victim::Node => one_of(&mut cluster.nodes),
        Victim::FrontEnd => one_of(&mut cluster.front_ends),
        Victim::Worker | Victim::Process => one_of(&mut cluster.workers),
    };
    Ok((victim, member.context("no such process")?))
}
