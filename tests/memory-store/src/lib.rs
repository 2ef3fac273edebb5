//! A store for tests of whoever calls one: the real state machine over its state in memory, and the first steps in it.
//!
//! [`MemoryNode`] is one node without replication, disk or network. It stamps a command, applies it and says what changed; what it
//! does not have (search in messages, membership, the mail log) it says is away. [`create_domain`] takes the steps that every test
//! begins with, through a client of any store.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod node;

use yubin_proto::{Caller, Scope, StoreClient};
use yubin_state::command::{DirectoryCommand, DomainCommand};
use yubin_state::record::Plan;
use yubin_state::{Command, Reply};
use yubin_types::{DomainName, GroupNumber, Limit, Quota};

pub use node::MemoryNode;

/// A plan that limits nothing but messages, to 10 MiB.
#[must_use]
pub fn plan() -> Plan {
    Plan {
        name: "standard".to_owned(),
        domain_quota: Quota::default(),
        account_quota: Quota::default(),
        message_bytes_max: 10 << 20,
        accounts_max: Limit::Unlimited,
        trash_expiry_seconds: None,
        vault_seconds: 0,
        sending: Box::default(),
        retry: None,
        reverse_dns: None,
    }
}

/// Reserves a name, creates the domain in its group, and says in the directory that it is there.
///
/// # Panics
/// When the store refuses or does not answer.
pub async fn create_domain(client: &StoreClient, name: &str, group: GroupNumber, plan: Plan) -> Scope {
    let name = DomainName::parse(name).unwrap();
    let reserve = Command::Directory(DirectoryCommand::ReserveDomain { name: name.clone(), group });
    let reply = propose(client, Scope::DIRECTORY, reserve).await;
    let Reply::DomainPlaced { id, placement } = reply else { panic!("{reply:?}") };
    let scope = Scope { group: placement.group, domain: id, epoch: placement.epoch };
    let create = Command::Domain(DomainCommand::Create { name, plan, quota: None });
    assert_eq!(propose(client, scope, create).await, Reply::Done);
    let activate = Command::Directory(DirectoryCommand::ActivateDomain(id));
    assert_eq!(propose(client, Scope::DIRECTORY, activate).await, Reply::Done);
    scope
}

async fn propose(client: &StoreClient, scope: Scope, command: Command) -> Reply {
    client.propose_once(scope, &command, &Caller::internal("test")).await.unwrap()
}
