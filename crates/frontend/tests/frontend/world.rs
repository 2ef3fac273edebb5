//! A front end on free ports over a store in memory, with two domains and a few accounts; and a client that speaks lines.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use yubin_frontend::{
    AuthorsConfig, ConnectionsConfig, ContentConfig, Frontend, FrontendConfig, GuessingRule, InboundConfig,
    IssuersConfig, ListenerConfig, ListenerTls, NetworkLimits, NetworkWidth, NetworksConfig, PlaintextLogin, Protocol,
    RunningFrontend, TlsSource,
};
use yubin_memory_store::{MemoryNode, create_domain};
use yubin_password::{Salts, derive};
use yubin_proto::{Caller, ClientSettings, Scope, StoreClient};
use yubin_state::command::{DirectoryCommand, DomainCommand};
use yubin_state::record::{Plan, Verifiers};
use yubin_state::{Command, Reply};
use yubin_types::{Address, DomainId, GroupNumber, Limit, LocalPart, Priority, Quota, Secret, UtcOffset};

/// The cluster's.
pub(crate) const SECRET: [u8; 32] = [7; 32];
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Everything that a test needs.
pub(crate) struct World {
    pub(crate) node: Arc<MemoryNode>,
    pub(crate) store: Arc<StoreClient>,
    pub(crate) frontend: RunningFrontend,
    pub(crate) registry: Registry,
    pub(crate) directory: tempfile::TempDir,
    domains: BTreeMap<&'static str, Scope>,
}

/// What a front end is told beside where it listens.
#[derive(Default)]
struct Rules {
    inbound: Option<InboundConfig>,
    content: Option<ContentConfig>,
    guessing: Option<GuessingRule>,
    issuers: Option<IssuersConfig>,
    authors: AuthorsConfig,
    postmaster: Option<Address>,
}

pub(crate) fn verifiers(password: &str) -> Verifiers {
    derive(&Secret::new(password), &Salts { argon2id: [1; 16], scram: [2; 16] }).unwrap()
}

pub(crate) fn plan() -> Plan {
    let domain_quota = Quota { bytes: Limit::AtMost(100 << 20), messages: Limit::Unlimited };
    Plan { domain_quota, ..yubin_memory_store::plan() }
}

fn listener(name: &str, protocol: Protocol, tls: ListenerTls, plaintext_login: PlaintextLogin) -> ListenerConfig {
    ListenerConfig { name: name.into(), protocol, address: "127.0.0.1:0".parse().unwrap(), tls, plaintext_login }
}

impl World {
    /// `example.jp` with alice, bob and the alias `info` of alice; `example.org` with carol.
    pub(crate) async fn new() -> World {
        World::ruled(Rules::default()).await
    }

    /// The same, with these issuers of tokens, and guessing suffered so.
    pub(crate) async fn trusting(issuers: IssuersConfig, guessing: Option<GuessingRule>) -> World {
        World::ruled(Rules { issuers: Some(issuers), guessing, ..Rules::default() }).await
    }

    /// The same, with mail from other servers verified so.
    pub(crate) async fn verifying(inbound: Option<InboundConfig>) -> World {
        World::ruled(Rules { inbound, ..Rules::default() }).await
    }

    /// The same, with the authors of what users send judged so.
    pub(crate) async fn with_authors(authors: AuthorsConfig) -> World {
        World::ruled(Rules { authors, ..Rules::default() }).await
    }

    /// The same, where this is the postmaster of whoever has none.
    pub(crate) async fn with_postmaster(postmaster: &str) -> World {
        World::ruled(Rules { postmaster: Some(Address::parse(postmaster).unwrap()), ..Rules::default() }).await
    }

    /// The same, with guessing suffered so.
    pub(crate) async fn guarded(guessing: GuessingRule) -> World {
        World::ruled(Rules { guessing: Some(guessing), ..Rules::default() }).await
    }

    /// The same, with mail from other servers verified, if it is, and its content looked at so.
    pub(crate) async fn assessing(inbound: Option<InboundConfig>, content: ContentConfig) -> World {
        World::ruled(Rules { inbound, content: Some(content), ..Rules::default() }).await
    }

    async fn ruled(rules: Rules) -> World {
        let node = MemoryNode::new();
        let settings = ClientSettings {
            call_timeout: Duration::from_millis(300),
            attempt_timeout: Duration::from_millis(200),
            retry_pause: Duration::from_millis(20),
        };
        let store = StoreClient::new(BTreeMap::from([(1, Arc::clone(&node) as Arc<_>)]), settings);
        let directory = tempfile::tempdir().unwrap();
        let config = FrontendConfig {
            hostname: "mx.yubin.test".into(),
            utc_offset: UtcOffset::UTC,
            listeners: vec![
                listener("mx", Protocol::Mx, ListenerTls::Upgrade, PlaintextLogin::Refuse),
                listener("submission", Protocol::Submission, ListenerTls::Upgrade, PlaintextLogin::Allow),
                listener("lmtp", Protocol::Lmtp, ListenerTls::Upgrade, PlaintextLogin::Refuse),
                listener("pop3", Protocol::Pop3, ListenerTls::Upgrade, PlaintextLogin::Allow),
                listener("imap", Protocol::Imap, ListenerTls::Upgrade, PlaintextLogin::Allow),
                listener("imaps", Protocol::Imap, ListenerTls::Implicit, PlaintextLogin::Refuse),
            ],
            tls: Some(TlsSource::SelfSigned {
                directory: directory.path().join("tls"),
                names: vec!["mx.yubin.test".into()],
            }),
            spool_directory: directory.path().join("spool"),
            spool_memory_bytes_max: 1 << 20,
            spool_file_bytes_max: 1 << 30,
            connections: ConnectionsConfig { smtp: 20, submission: 20, lmtp: 20, pop3: 20, imap: 20 },
            message_bytes_max: 20 << 20,
            proxies: Vec::new(),
            lmtp: vec!["127.0.0.0/8".parse().unwrap()],
            xclient: Vec::new(),
            authors: rules.authors,
            postmaster: rules.postmaster,
            priority_max: Priority::new(4).unwrap(),
            networks: NetworksConfig {
                width: NetworkWidth { ipv4_bits: 32, ipv6_bits: 64 },
                limits: NetworkLimits::default(),
                exempt: Vec::new(),
            },
            tarpit: None,
            inbound: rules.inbound,
            content: rules.content,
            countries: None,
            guessing: rules.guessing,
            issuers: rules.issuers,
        };
        let mut registry = Registry::default();
        let secret = Secret::new(SECRET);
        let frontend = Frontend::start(config, Arc::clone(&store), None, &secret, &mut registry).unwrap();
        let mut world = World { node, store, frontend, registry, directory, domains: BTreeMap::new() };
        let group = DirectoryCommand::PutGroup { group: GroupNumber(1), voters: vec![1] };
        assert_eq!(world.direct(group).await, Reply::Done);
        world.create_domain("example.jp").await;
        world.create_domain("example.org").await;
        for (domain, name) in [("example.jp", "alice"), ("example.jp", "bob"), ("example.org", "carol")] {
            let local = LocalPart::parse(name).unwrap();
            let command = DomainCommand::CreateAccount { local, verifiers: verifiers(PASSWORD), quota: None };
            assert!(matches!(world.change(domain, command).await, Reply::AccountCreated(_)));
        }
        let alias = DomainCommand::PutAlias {
            local: LocalPart::parse("info").unwrap(),
            targets: vec![LocalPart::parse("alice").unwrap()],
        };
        assert_eq!(world.change("example.jp", alias).await, Reply::Done);
        world
    }

    async fn create_domain(&mut self, name: &'static str) {
        let scope = create_domain(&self.store, name, GroupNumber(1), plan()).await;
        self.domains.insert(name, scope);
    }

    async fn direct(&self, command: DirectoryCommand) -> Reply {
        let caller = Caller::internal("test");
        self.store.propose_once(Scope::DIRECTORY, &Command::Directory(command), &caller).await.unwrap()
    }

    /// Administers a domain.
    pub(crate) async fn change(&self, domain: &str, command: DomainCommand) -> Reply {
        let caller = Caller::internal("test");
        self.store.propose_once(self.domains[domain], &Command::Domain(command), &caller).await.unwrap()
    }

    /// The id of a domain.
    pub(crate) fn domain(&self, name: &str) -> DomainId {
        self.domains[name].domain
    }

    pub(crate) fn address(&self, listener: &str) -> SocketAddr {
        self.frontend.addresses().iter().find(|(name, _)| name == listener).unwrap().1
    }

    /// Connects and reads the greeting.
    pub(crate) async fn connect(&self, listener: &str) -> Client<TcpStream> {
        let mut client = Client::on(TcpStream::connect(self.address(listener)).await.unwrap());
        client.line().await;
        client
    }

    /// Delivers a message over MX.
    pub(crate) async fn deliver(&self, to: &str, message: &str) -> String {
        let mut client = self.connect("mx").await;
        client.smtp("EHLO client.test").await;
        assert!(client.smtp("MAIL FROM:<sender@elsewhere.test>").await.starts_with("250"));
        assert!(client.smtp(&format!("RCPT TO:<{to}>")).await.starts_with("250"));
        assert!(client.smtp("DATA").await.starts_with("354"));
        client.send(&format!("{message}\r\n.")).await;
        client.reply().await
    }

    /// Logs in over IMAP.
    pub(crate) async fn imap(&self, user: &str) -> Client<TcpStream> {
        let mut client = self.connect("imap").await;
        let reply = client.imap(&format!("LOGIN {user} \"{PASSWORD}\"")).await;
        assert!(reply.contains("a OK"), "{reply}");
        client
    }
}

impl Client<TlsStream<TcpStream>> {
    /// What logins on this connection are bound to (RFC 9266).
    pub(crate) fn channel_binding(&self) -> [u8; 32] {
        let (_, connection) = self.stream.get_ref().get_ref();
        connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[])).unwrap()
    }
}

/// A client of any of the protocols.
pub(crate) struct Client<T> {
    stream: BufReader<T>,
}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Client<T> {
    pub(crate) fn on(stream: T) -> Self {
        Client { stream: BufReader::new(stream) }
    }

    pub(crate) fn into_inner(self) -> T {
        assert!(self.stream.buffer().is_empty());
        self.stream.into_inner()
    }

    pub(crate) async fn send(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// One line; empty at the end of the connection.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), self.stream.read_line(&mut line));
        read.await.expect("a line in time").unwrap();
        line
    }

    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).await.unwrap();
        rest
    }

    /// A whole SMTP reply.
    pub(crate) async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self.line().await;
            reply.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
        }
    }

    pub(crate) async fn smtp(&mut self, command: &str) -> String {
        self.send(command).await;
        self.reply().await
    }

    /// A POP3 command with an answer of one line.
    pub(crate) async fn pop3(&mut self, command: &str) -> String {
        self.send(command).await;
        self.line().await
    }

    /// A POP3 command with an answer of several lines, without the last one.
    pub(crate) async fn pop3_lines(&mut self, command: &str) -> String {
        let status = self.pop3(command).await;
        assert!(status.starts_with("+OK"), "{status}");
        self.until(".\r\n").await
    }

    /// Everything before the line.
    pub(crate) async fn until(&mut self, last: &str) -> String {
        let mut lines = String::new();
        loop {
            let line = self.line().await;
            if line == last {
                return lines;
            }
            assert!(!line.is_empty(), "the connection ended after: {lines}");
            lines.push_str(&line);
        }
    }

    /// An IMAP command and everything up to its tagged response.
    pub(crate) async fn imap(&mut self, command: &str) -> String {
        self.send(&format!("a {command}")).await;
        self.tagged().await
    }

    pub(crate) async fn tagged(&mut self) -> String {
        let mut lines = String::new();
        loop {
            let line = self.line().await;
            assert!(!line.is_empty(), "the connection ended after: {lines}");
            lines.push_str(&line);
            if line.starts_with("a ") {
                return lines;
            }
        }
    }
}
