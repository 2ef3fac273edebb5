//! A cluster on one machine: three store nodes and two front ends of the built binary, and two queue workers where mail leaves.
//!
//! Each store node has an address of its own (127.0.0.11, .12, .13) and a data folder of its own; the front ends and the workers hold
//! no mail. Every process can be killed and comes back as itself, on the same ports and data. The first front end
//! serves the administration as well.

use crate::crash::{self, Target};
use crate::process::{self, Running};
use crate::system::{self, Admin, Ports, Program};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// Store nodes of a cluster.
pub const NODES: usize = 3;
/// Store nodes that a cluster may grow to.
const NODES_MAX: usize = 4;
/// Front ends of a cluster.
pub const FRONT_ENDS: usize = 2;
/// Queue workers of a cluster that has any.
const WORKERS: usize = 2;
/// Memory for the buffers and caches of a node: the three share what a process alone has.
const MEMORY_MIB: u32 = 85;
/// The id that all nodes of the cluster are told.
const CLUSTER_ID: &str = "6d61696c6d61696c6d61696c6d61696c";
/// What a front end offers to clients.
const CLIENTS: [&str; 7] = ["smtp", "submission", "submissions", "pop3", "pop3s", "imap", "imaps"];

/// A process of the cluster, and how it is started.
#[derive(Debug)]
pub struct Member {
    /// The name of its host.
    pub host: String,
    /// How it is started, again and again.
    pub program: Program,
    /// The process.
    pub running: Running,
    /// What it bound.
    pub ports: Ports,
}

impl Member {
    fn start((host, program): (String, Program)) -> Result<Self> {
        let (running, ports) = program.start()?;
        Ok(Self { host, program, running, ports })
    }

    /// Starts it again on the same ports and data.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> Result<()> {
        let (running, ports) = self.program.start()?;
        self.running = running;
        self.ports = ports;
        Ok(())
    }

    /// Where a service listens.
    ///
    /// # Errors
    /// When the process did not bind it.
    pub fn port(&self, name: &str) -> Result<SocketAddr> {
        self.ports.get(name).copied().with_context(|| format!("{} has no port {name}", self.program.name))
    }
}

/// Three store nodes and two front ends, running.
#[derive(Debug)]
pub struct Cluster {
    // Front ends end first, then workers.
    /// The front ends.
    pub front_ends: Vec<Member>,
    /// Those that deliver queued mail.
    pub workers: Vec<Member>,
    /// The store nodes.
    pub nodes: Vec<Member>,
    admin: Admin,
    places: Places,
}

impl Cluster {
    /// Starts all five below `folder`.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_all(folder, "", None)
    }

    /// [`Cluster::start`], with more lines of each store node's table `store`.
    ///
    /// # Errors
    /// When one does not start.
    pub fn with_stores(folder: &Path, store: &str) -> Result<Self> {
        Self::start_all(folder, store, None)
    }

    /// [`Cluster::start`], with two processes that deliver queued mail: the lines are the rest of the configuration's `[queue]`.
    ///
    /// # Errors
    /// When one does not start.
    pub fn with_workers(folder: &Path, queue: &str) -> Result<Self> {
        Self::start_all(folder, "", Some(queue))
    }

    fn start_all(folder: &Path, store: &str, queue: Option<&str>) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let secret = folder.join("cluster-secret");
        if !secret.exists() {
            std::fs::write(&secret, format!("{}\n", "5a".repeat(32)))?;
        }
        let places = Places::find(store)?;
        let programs: Vec<_> = (0..NODES).map(|index| places.node(index, folder)).collect::<Result<_>>()?;
        // A node tells its ports when it serves, which takes a majority: all must be started before one is waited for.
        let starts: Vec<_> =
            programs.into_iter().map(|program| std::thread::spawn(|| Member::start(program))).collect();
        let nodes: Vec<Member> = starts
            .into_iter()
            .map(|start| start.join().map_err(|_| anyhow::anyhow!("a node's start failed"))?)
            .collect::<Result<_>>()?;
        let front_ends: Vec<Member> =
            (0..FRONT_ENDS).map(|index| Member::start(places.front_end(index, folder)?)).collect::<Result<_>>()?;
        let workers = match queue {
            Some(queue) => (0..WORKERS)
                .map(|index| Member::start(places.worker(index, folder, queue)?))
                .collect::<Result<Vec<_>>>()?,
            None => Vec::new(),
        };
        let first = front_ends.first().context("no front end")?;
        let admin = Admin { address: first.port("admin")?, token: first.program.data().join("admin-token") };
        Ok(Self { front_ends, workers, nodes, admin, places })
    }

    /// Starts one more store node, which waits to be added, and gives its id, its peer address and its store address.
    ///
    /// # Errors
    /// When it does not start.
    pub fn join(&mut self, folder: &Path) -> Result<(usize, String, String)> {
        let index = self.nodes.len();
        let program = self.places.node(index, folder)?;
        self.nodes.push(Member::start(program)?);
        let [peer, store] = [&self.places.peers, &self.places.stores].map(|places| places.get(index).cloned());
        Ok((index + 1, peer.context("no such place")?, store.context("no such place")?))
    }

    /// Where other nodes connect to a store node, the first one being 0.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn peer(&self, node: usize) -> Result<SocketAddr> {
        Ok(self.places.peers.get(node).context("no such node")?.parse()?)
    }

    /// Starts a node that was killed, on an empty disk.
    ///
    /// # Errors
    /// When it does not start.
    pub fn revive_empty(&mut self, victim: usize) -> Result<()> {
        let node = self.nodes.get(victim).context("no such node")?;
        std::fs::remove_dir_all(node.program.data())?;
        std::fs::create_dir_all(node.program.data())?;
        self.revive(victim)
    }

    /// The ids of all processes.
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        self.nodes.iter().chain(&self.workers).chain(&self.front_ends).map(|member| member.running.id()).collect()
    }
}

/// The addresses of all nodes that there may be. Every process is told those of the first [`NODES`].
#[derive(Debug)]
struct Places {
    peers: Vec<String>,
    stores: Vec<String>,
    /// What else store nodes are told of their store.
    told: String,
}

impl Places {
    fn find(told: &str) -> Result<Self> {
        let mut places = Self { peers: Vec::new(), stores: Vec::new(), told: told.to_owned() };
        for index in 0..NODES_MAX {
            let address = format!("127.0.0.1{}", index + 1);
            places.peers.push(format!("{address}:{}", process::free_port(&address)?));
            places.stores.push(format!("{address}:{}", process::free_port(&address)?));
        }
        Ok(places)
    }

    fn members(&self) -> String {
        let mut text = String::new();
        for (index, (peer, store)) in self.peers.iter().zip(&self.stores).enumerate().take(NODES) {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n[[store.members]]\nid = {}\npeer = \"{peer}\"\nstore = \"{store}\"\n", index + 1);
        }
        text
    }

    fn node(&self, index: usize, folder: &Path) -> Result<(String, Program)> {
        let peer = self.peers.get(index).context("no such node")?;
        let store = self.stores.get(index).context("no such node")?;
        let address = format!("127.0.0.1{}", index + 1);
        let config = format!(
            "hostname = \"node{number}.cluster.example\"\nroles = [\"store\"]\n\n[listen]\n{listen}store = [\"{store}\"]\n\n\
             [store]\nnode = {number}\ncluster_id = \"{CLUSTER_ID}\"\npeer_listen = \"{peer}\"\n\
             memory_mib = {MEMORY_MIB}\n{told}\n{members}\n\
             [secrets]\ncluster_secret = \"{secret}\"\n",
            number = index + 1,
            listen = system::listen(&address, &["http"])?,
            told = self.told,
            members = self.members(),
            secret = folder.join("cluster-secret").display(),
        );
        let program = Program::new(&format!("node{}", index + 1), folder, &config)?;
        Ok((format!("node{}.cluster.example", index + 1), program))
    }

    fn front_end(&self, index: usize, folder: &Path) -> Result<(String, Program)> {
        let mut services = [CLIENTS.as_slice(), &["http"]].concat();
        let mut roles = "\"frontend\"".to_owned();
        if index == 0 {
            services.push("admin");
            roles.push_str(", \"admin\"");
        }
        let host = format!("mx{}.cluster.example", index + 1);
        let name = format!("frontend{}", index + 1);
        let program = Program::new(&name, folder, &self.without_mail(&host, &roles, &services, folder)?)?;
        Ok((host, program))
    }

    fn worker(&self, index: usize, folder: &Path, queue: &str) -> Result<(String, Program)> {
        let name = |index: usize| format!("worker{}", index + 1);
        let names: Vec<String> = (0..WORKERS).map(name).collect();
        let (name, host) = (name(index), format!("out{}.cluster.example", index + 1));
        let config = self.without_mail(&host, "\"queue\"", &["http"], folder)?;
        let config = format!("{config}[queue]\nworker = \"{name}\"\nworkers = {names:?}\n{queue}");
        Ok((host, Program::new(&name, folder, &config)?))
    }

    /// The configuration of a process that holds no mail.
    fn without_mail(&self, host: &str, roles: &str, services: &[&str], folder: &Path) -> Result<String> {
        Ok(format!(
            "hostname = \"{host}\"\nroles = [{roles}]\n\n[listen]\n{listen}\n\
             [store]\ncluster_id = \"{CLUSTER_ID}\"\n{members}\n[secrets]\ncluster_secret = \"{secret}\"\n",
            listen = system::listen("127.0.0.1", services)?,
            members = self.members(),
            secret = folder.join("cluster-secret").display(),
        ))
    }
}

impl Target for Cluster {
    fn smtp(&self) -> Vec<SocketAddr> {
        self.front_ends.iter().filter_map(|member| member.port("smtp").ok()).collect()
    }

    fn pop3s(&self) -> Result<SocketAddr> {
        self.front_ends.first().context("no front end")?.port("pop3s")
    }

    fn admin(&self) -> Admin {
        self.admin.clone()
    }

    fn victims(&self) -> usize {
        self.nodes.len()
    }

    fn leader(&self) -> Option<usize> {
        crash::leader(&self.admin)
    }

    fn kill(&mut self, victim: usize) -> Result<String> {
        let member = self.nodes.get_mut(victim).context("no such node")?;
        member.running.kill()?;
        Ok(member.program.name.clone())
    }

    fn revive(&mut self, victim: usize) -> Result<()> {
        self.nodes.get_mut(victim).context("no such node")?.start_again()
    }
}
