//! The admin service over the state machine in memory: groups without replication, domains, and mail put into their queues.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prost::bytes::Bytes;
use yubin_admin::{AdminService, DnsSettings, auth};
use yubin_dns_auth::mta_sts::FetchConfig;
use yubin_dns_auth::published::{Inspector, OptionalRecords};
use yubin_dns_auth::tls::system_roots;
use yubin_dns_auth::{AddressScope, NameServers};
use yubin_memory_store::{MemoryNode, create_domain, plan};
use yubin_proto::{Body, Caller, ClientSettings, Scope, StoreClient, StoreNode};
use yubin_state::command::DirectoryCommand;
use yubin_state::queue::{Handling, NewDelivery, NewQueued, NewQueuedRecipient, QueueSource};
use yubin_state::{Command, Reply};
use yubin_types::{
    Address, DestinationName, DomainName, GroupNumber, LocalPart, NotifySet, QueueId, RequestId, ReversePath, Secret,
    Timestamp,
};

/// The cluster's.
pub(crate) const SECRET: [u8; 32] = [7; 32];

/// Everything that a test needs.
pub(crate) struct World {
    pub(crate) client: Arc<StoreClient>,
    pub(crate) service: AdminService,
    pub(crate) token: String,
    pub(crate) domains: BTreeMap<&'static str, Scope>,
}

impl World {
    /// With these domains in these groups.
    pub(crate) async fn new(domains: &[(&'static str, u32)]) -> World {
        let settings = ClientSettings {
            call_timeout: Duration::from_millis(500),
            attempt_timeout: Duration::from_millis(200),
            retry_pause: Duration::from_millis(20),
        };
        let node: Arc<dyn StoreNode> = MemoryNode::new();
        let client = StoreClient::new(BTreeMap::from([(1, node)]), settings);
        let token = auth::mint();
        auth::register(&client, &token, now()).await.unwrap();
        let mx_hosts = vec![DomainName::parse("mx.host.example").unwrap()];
        let dns = DnsSettings { mx_hosts, spf: "v=spf1 mx ~all".to_owned(), optional: OptionalRecords::default() };
        let service = AdminService::new(Arc::clone(&client), dns, inspector(), &Secret::new(SECRET));
        let mut world = World { client, service, token, domains: BTreeMap::new() };
        for (name, group) in domains {
            let group = GroupNumber(*group);
            let put = DirectoryCommand::PutGroup { group, voters: vec![1] };
            assert_eq!(world.propose(Scope::DIRECTORY, Command::Directory(put)).await, Reply::Done);
            let scope = create_domain(&world.client, name, group, plan()).await;
            world.domains.insert(name, scope);
        }
        world
    }

    async fn propose(&self, scope: Scope, command: Command) -> Reply {
        self.client.propose_once(scope, &command, &Caller::internal("test")).await.unwrap()
    }

    /// Puts a message into a domain's queue.
    pub(crate) async fn enqueue(&self, domain: &str, message: NewQueued) {
        let (request, caller) = (RequestId(message.id.0), Caller::internal("test"));
        let bodies = vec![Body::Inline(Bytes::from_static(b"hello world"))];
        self.client.enqueue(self.domains[domain], None, vec![message], (request, &caller), bodies).await.unwrap();
    }
}

/// Asks a port where nobody answers.
fn inspector() -> Inspector {
    let roots = Arc::new(system_roots());
    let fetch = FetchConfig { roots, port: 443, scope: AddressScope::Public };
    Inspector::new(NameServers::Addresses(vec![([127, 0, 0, 1], 1).into()]), fetch).unwrap()
}

/// A message of 11 bytes; the empty sender is the null one.
pub(crate) fn message(number: u8, sender: &str, recipients: &[&str]) -> NewQueued {
    let mut deliveries: Vec<NewDelivery> = Vec::new();
    for address in recipients {
        let (local, domain) = address.rsplit_once('@').unwrap();
        let destination = DestinationName::parse(domain).unwrap();
        let local = LocalPart::parse(local).unwrap();
        let recipient = NewQueuedRecipient { local, notify: NotifySet::default(), orcpt: None };
        match deliveries.iter_mut().find(|delivery| delivery.destination == destination) {
            Some(delivery) => delivery.recipients.push(recipient),
            None => deliveries.push(NewDelivery { destination, recipients: vec![recipient] }),
        }
    }
    let sender = match sender {
        "" => ReversePath::Null,
        address => ReversePath::Address(Address::parse(address).unwrap()),
    };
    NewQueued {
        id: QueueId([number; 16]),
        sender,
        source: QueueSource::Returned,
        message_id: Some(format!("<{number}@a.example>")),
        body_ordinal: 0,
        body_bytes: 11,
        prefix: Bytes::new(),
        content: Default::default(),
        dsn: Default::default(),
        handling: Handling::default(),
        lifetime_seconds: 86_400,
        deliveries,
    }
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp(now.as_millis().try_into().unwrap())
}
