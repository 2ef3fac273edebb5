//! How many deliveries to one recipient one core applies in memory, and how long SELECT takes on a large mailbox.
//!
//! `cargo run -p yubin-state --example apply_rate [deliveries]`

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement prints what its clock showed")]

use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;
use yubin_state::command::{DomainCommand, Login, MailCommand, NewMessage, Recipient};
use yubin_state::forward::Passage;
use yubin_state::memory::Memory;
use yubin_state::record::{Plan, ScramVerifier, Verifiers};
use yubin_state::{Actor, BodyRef, Command, DedupeClass, Encode as _, Entry, Envelope, Position, Query, answer, apply};
use yubin_types::{
    AccountId, AddressError, DomainId, DomainName, EmailId, Epoch, Limit, LocalPart, MailboxName, Quota, RequestId,
    ReversePath, Timestamp, TraceId,
};

const ACCOUNTS: u64 = 100;
const DOMAIN: DomainId = DomainId(1);

fn main() -> Result<(), AddressError> {
    let deliveries: u64 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let mut state = Memory::default();
    let mut index = 0;
    let mut run = |command: Command| {
        index += 1;
        let entry = entry(index, command);
        let body = BodyRef(SmallVec::from_slice(&index.to_be_bytes()));
        let bodies = if index > ACCOUNTS + 1 { vec![body] } else { Vec::new() };
        let Ok(applied) = apply(&mut state, Position { index, term: 1 }, &entry, &bodies);
        applied.reply.len()
    };
    run(Command::Domain(DomainCommand::Create { name: DomainName::parse("a.example")?, plan: plan(), quota: None }));
    for account in 0..ACCOUNTS {
        let local = LocalPart::parse(&format!("user{account}"))?;
        run(Command::Domain(DomainCommand::CreateAccount { local, verifiers: verifiers(), quota: None }));
    }
    let start = Instant::now();
    for number in 0..deliveries {
        run(deliver(LocalPart::parse(&format!("user{}", number % ACCOUNTS))?, number));
    }
    let took = start.elapsed();
    let rate = deliveries as f64 / took.as_secs_f64();
    println!("{deliveries} deliveries in {took:.2?}: {rate:.0} per second, {} rows", state.rows.len());
    let login = Login { account: AccountId(1), generation: 1 };
    let start = Instant::now();
    let Ok(_) = answer(&state, DOMAIN, Epoch(1), &Query::Select { login, name: MailboxName::inbox() });
    println!("SELECT of {} messages in {:.2?}", deliveries / ACCOUNTS, start.elapsed());
    Ok(())
}

fn deliver(local: LocalPart, number: u64) -> Command {
    let mut email_id = [0; 16];
    email_id[..8].copy_from_slice(&number.to_be_bytes());
    let recipient = Recipient {
        local,
        special_use: None,
        prefix: Bytes::from_static(b"Return-Path: <a@b.example>\r\n"),
        email_id: EmailId(email_id),
    };
    let message = NewMessage {
        body_bytes: 10_000,
        cold: Bytes::from_static(&[7; 600]),
        internal_date: Timestamp(1_800_000_000_000),
        body_ordinal: 0,
    };
    let (sender, recipients, passage) = (ReversePath::Null, vec![recipient], Passage::default());
    Command::Mail(MailCommand::Deliver { login: None, sender, recipients, message, passage })
}

fn entry(index: u64, command: Command) -> Vec<u8> {
    let mut request = [0; 16];
    request[..8].copy_from_slice(&index.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let envelope = Envelope {
        domain: DOMAIN,
        epoch: Epoch(1),
        request: RequestId(request),
        dedupe: DedupeClass::Delivery,
        stamp: Timestamp(1_800_000_000_000 + index),
        actor: Actor { principal: "mx".to_owned(), peer: None },
        trace: TraceId(request),
    };
    Entry { envelope, command }.encode()
}

fn plan() -> Plan {
    Plan {
        name: "standard".to_owned(),
        domain_quota: Quota { bytes: Limit::AtMost(1 << 50), messages: Limit::Unlimited },
        account_quota: Quota { bytes: Limit::AtMost(1 << 40), messages: Limit::Unlimited },
        message_bytes_max: 100 << 20,
        accounts_max: Limit::Unlimited,
        trash_expiry_seconds: Some(7 * 86_400),
        vault_seconds: 86_400,
        sending: Box::default(),
        retry: None,
        reverse_dns: None,
    }
}

fn verifiers() -> Verifiers {
    let scram_sha_256 = ScramVerifier { salt: [0; 16], iterations: 4_096, stored_key: [0; 32], server_key: [0; 32] };
    Verifiers { argon2id: String::new(), scram_sha_256 }
}
