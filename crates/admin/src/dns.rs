//! What a domain's owner publishes in the DNS, and the keys that sign its mail.
//!
//! Keys are made with the domain, one Ed25519 and one RSA key under selectors of one number; a domain that has none gets them when it is
//! first asked for its records. A rotation takes three steps, because the DNS is the customer's: new keys are made and wait; their records
//! are published; then they are put into use, and those before them retire. Only what this system keeps is named: no record speaks of
//! a service that it doesn't offer. What is published is looked up and judged by `dns-auth`, which is told here what to expect.

use std::sync::Arc;

use tonic::Status;
use yubin_dns_auth::dkim::{KeyAlgorithm, KeyError, KeyName, KeySealer, PrivateKey, RsaPool};
use yubin_dns_auth::published::{Advice, Expected, ExpectedKey, Inspector, OptionalRecords};
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, Scope, StoreClient};
use yubin_state::command::DomainCommand;
use yubin_state::record::{DkimKey, DkimKeyState, NewDkimKey};
use yubin_state::{Answer, Command, Query, Reply};
use yubin_types::{DomainName, Refusal, Secret, Timestamp};

use crate::convert::domain_name;
use crate::dns_check::finding_to;
use crate::domains::{change, hosted};
use crate::queue::now;
use crate::request::RequestKey;
use crate::status::{accepted, failed, unexpected};

/// What every hosted domain publishes alike.
#[derive(Clone, Debug)]
pub struct DnsSettings {
    /// Where mail for hosted domains goes, the preferred host first; never empty.
    pub mx_hosts: Vec<DomainName>,
    /// The SPF record (RFC 7208).
    pub spf: String,
    /// What else.
    pub optional: OptionalRecords,
}

/// Makes keys and says what to publish.
#[derive(Debug)]
pub(crate) struct Dns {
    settings: DnsSettings,
    inspector: Inspector,
    sealer: KeySealer,
    rsa_keys: Arc<RsaPool>,
}

impl Dns {
    pub(crate) fn new(settings: DnsSettings, inspector: Inspector, cluster_secret: &Secret) -> Self {
        Dns { settings, inspector, sealer: KeySealer::new(cluster_secret), rsa_keys: RsaPool::start() }
    }

    /// All records; makes keys for a domain without any.
    pub(crate) async fn records(
        &self,
        client: &StoreClient,
        name: &str,
        caller: &Caller,
    ) -> Result<api::DomainDns, Status> {
        let name = domain_name(name)?;
        self.ensure_keys(client, hosted(client, &name).await?.scope(), &name, caller).await?;
        self.published(client, &name).await
    }

    /// What is published of them, looked up now; makes keys for a domain without any.
    pub(crate) async fn check(
        &self,
        client: &StoreClient,
        name: &str,
        caller: &Caller,
    ) -> Result<api::DomainDnsCheck, Status> {
        let domain = domain_name(name)?;
        let scope = hosted(client, &domain).await?.scope();
        self.ensure_keys(client, scope, &domain, caller).await?;
        let (keys, now) = (keys(client, scope).await?, now());
        let expected = self.expected(domain, kept(&keys, now));
        let findings = Box::pin(self.inspector.check(&expected)).await;
        Ok(api::DomainDnsCheck { findings: findings.into_iter().map(finding_to).collect() })
    }

    /// Makes the keys that follow, unless some wait already.
    pub(crate) async fn rotate(
        &self,
        client: &StoreClient,
        request: api::RotateDkimRequest,
        caller: &Caller,
    ) -> Result<api::DomainDns, Status> {
        let (name, key) = (domain_name(&request.name)?, RequestKey::new(&request.request_id)?);
        let present = keys(client, hosted(client, &name).await?.scope()).await?;
        if !present.iter().any(|key| key.state == DkimKeyState::Pending) {
            let add = DomainCommand::AddDkimKeys(self.make(&name, &present).await?);
            change(client, &name, add, key, caller).await?;
        }
        self.published(client, &name).await
    }

    fn expected<'a>(&self, domain: DomainName, keys: impl Iterator<Item = &'a DkimKey>) -> Expected {
        let key = |key: &DkimKey| ExpectedKey { selector: key.selector.clone(), record: key.record.clone() };
        Expected {
            domain,
            mx_hosts: self.settings.mx_hosts.clone(),
            spf: self.settings.spf.clone(),
            keys: keys.map(key).collect(),
            optional: self.settings.optional.clone(),
        }
    }

    /// Signs with the keys that wait, whose records are looked up before, unless the caller knows better.
    pub(crate) async fn activate(
        &self,
        client: &StoreClient,
        request: api::ActivateDkimRequest,
        caller: &Caller,
    ) -> Result<api::DomainDns, Status> {
        let (name, key) = (domain_name(&request.name)?, RequestKey::new(&request.request_id)?);
        if !request.unchecked {
            self.are_published(client, &name).await?;
        }
        change(client, &name, DomainCommand::ActivateDkimKeys, key, caller).await?;
        self.published(client, &name).await
    }

    /// Can everybody see the keys that wait? Signatures by keys that nobody sees are taken for forged.
    async fn are_published(&self, client: &StoreClient, name: &DomainName) -> Result<(), Status> {
        let keys = keys(client, hosted(client, name).await?.scope()).await?;
        let pending = keys.iter().filter(|key| key.state == DkimKeyState::Pending);
        let findings = Box::pin(self.inspector.check_keys(&self.expected(name.clone(), pending))).await;
        let faults = findings.iter().flat_map(|finding| finding.faults.iter().map(move |fault| (&finding.name, fault)));
        let lines: Vec<String> = faults.map(|(name, Advice { what, mend })| format!("{name}: {what} {mend}")).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let lines = lines.join("\n");
        Err(Status::failed_precondition(format!(
            "the keys that wait can't be seen in the DNS, so none is activated:\n{lines}\nIf they are published all the same: --unchecked"
        )))
    }

    /// Forgets a key.
    pub(crate) async fn remove(
        &self,
        client: &StoreClient,
        request: api::RemoveDkimKeyRequest,
        caller: &Caller,
    ) -> Result<api::DomainDns, Status> {
        let (name, key) = (domain_name(&request.name)?, RequestKey::new(&request.request_id)?);
        let selector = domain_name(&request.selector)?;
        change(client, &name, DomainCommand::RemoveDkimKey(selector), key, caller).await?;
        self.published(client, &name).await
    }

    /// Makes a domain's first keys.
    pub(crate) async fn ensure_keys(
        &self,
        client: &StoreClient,
        scope: Scope,
        name: &DomainName,
        caller: &Caller,
    ) -> Result<(), Status> {
        if !keys(client, scope).await?.is_empty() {
            return Ok(());
        }
        let add = Command::Domain(DomainCommand::AddDkimKeys(self.make(name, &[]).await?));
        match client.propose_once(scope, &add, caller).await.map_err(failed)? {
            // Somebody else was faster.
            Reply::Refused(Refusal::NameTaken { .. }) => Ok(()),
            reply => accepted(reply).map(drop),
        }
    }

    /// One key of each kind, under the number that follows.
    async fn make(&self, domain: &DomainName, present: &[DkimKey]) -> Result<Vec<NewDkimKey>, Status> {
        let number = 1 + present.iter().filter_map(|key| number(&key.selector)).max().unwrap_or(0);
        let ed25519 = PrivateKey::generate(KeyAlgorithm::Ed25519).map_err(not_made)?;
        let rsa = self.rsa_keys.take().await.map_err(not_made)?;
        let mut made = Vec::with_capacity(2);
        for (kind, key) in [("ed25519", ed25519), ("rsa", rsa)] {
            let selector = domain_name(&format!("{SELECTOR}{number}-{kind}"))?;
            let sealed = self.sealer.seal(KeyName { domain, selector: &selector }, &key).map_err(not_made)?;
            made.push(NewDkimKey { selector, sealed: sealed.into(), record: key.record() });
        }
        Ok(made)
    }

    async fn published(&self, client: &StoreClient, name: &DomainName) -> Result<api::DomainDns, Status> {
        let keys = keys(client, hosted(client, name).await?.scope()).await?;
        let policy = self.settings.optional.mta_sts_policy(&self.settings.mx_hosts);
        let records = records(name, &self.settings, &keys, now());
        Ok(api::DomainDns { records, mta_sts_policy: policy.unwrap_or_default() })
    }
}

/// Selectors are this, a number, and the kind of key.
const SELECTOR: &str = "yubin";

fn number(selector: &DomainName) -> Option<u64> {
    selector.as_str().strip_prefix(SELECTOR)?.split_once('-')?.0.parse().ok()
}

fn not_made(error: KeyError) -> Status {
    Status::internal(error.to_string())
}

async fn keys(client: &StoreClient, scope: Scope) -> Result<Vec<DkimKey>, Status> {
    match client.query(scope, Query::DkimKeys).await.map_err(failed)? {
        Answer::DkimKeys(keys) => Ok(keys),
        other => Err(unexpected(&other)),
    }
}

/// Keys whose records stay published.
fn kept(keys: &[DkimKey], now: Timestamp) -> impl Iterator<Item = &DkimKey> {
    keys.iter().filter(move |key| key.retired_until().is_none_or(|until| now < until))
}

/// MX, SPF, DKIM, DMARC and what is optional, in the order in which they are best published.
fn records(name: &DomainName, settings: &DnsSettings, keys: &[DkimKey], now: Timestamp) -> Vec<api::DnsRecord> {
    let record = |name: String, kind: &str, value: String| api::DnsRecord {
        name,
        r#type: kind.to_owned(),
        value,
        dkim: api::DkimState::Unspecified.into(),
        selector: String::new(),
        keep_until_ms: None,
    };
    let mx = settings.mx_hosts.iter().zip(1_u32..);
    let mut records: Vec<_> =
        mx.map(|(host, place)| record(name.to_string(), "MX", format!("{} {host}.", place * 10))).collect();
    records.push(record(name.to_string(), "TXT", settings.spf.clone()));
    for key in kept(keys, now) {
        records.push(api::DnsRecord {
            dkim: state(key.state).into(),
            selector: key.selector.to_string(),
            keep_until_ms: key.retired_until().map(Timestamp::millis),
            ..record(format!("{}._domainkey.{name}", key.selector), "TXT", key.record.clone())
        });
    }
    let optional = settings.optional.records(name, &settings.mx_hosts);
    records.extend(optional.into_iter().map(|it| record(it.name, it.kind.as_str(), it.value)));
    records
}

fn state(state: DkimKeyState) -> api::DkimState {
    match state {
        DkimKeyState::Pending => api::DkimState::Pending,
        DkimKeyState::Active => api::DkimState::Active,
        DkimKeyState::Retiring => api::DkimState::Retiring,
    }
}

#[cfg(test)]
mod tests {
    use yubin_state::record::{DkimKey, DkimKeyState};
    use yubin_types::{DomainName, Timestamp, limits};

    use yubin_dns_auth::published::OptionalRecords;

    use super::{DnsSettings, number, records};

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    fn key(selector: &str, state: DkimKeyState) -> DkimKey {
        let since = Timestamp::from_seconds(1_000);
        DkimKey {
            selector: name(selector),
            sealed: vec![1_u8].into(),
            record: format!("v=DKIM1; p={selector}"),
            state,
            created: since,
            since,
        }
    }

    #[test]
    fn what_a_domain_publishes() {
        let settings = DnsSettings {
            mx_hosts: vec![name("mx1.host.example"), name("mx2.host.example")],
            spf: "v=spf1 mx ~all".into(),
            optional: OptionalRecords { client_host: Some(name("mail.host.example")), ..OptionalRecords::default() },
        };
        let keys = [key("yubin1-rsa", DkimKeyState::Retiring), key("yubin2-rsa", DkimKeyState::Active)];
        let text = |now| {
            let records = records(&name("example.jp"), &settings, &keys, now);
            records
                .iter()
                .map(|record| format!("{} {} {}", record.name, record.r#type, record.value))
                .collect::<Vec<_>>()
        };
        let while_retiring = text(Timestamp::from_seconds(2_000));
        assert_eq!(
            while_retiring,
            [
                "example.jp MX 10 mx1.host.example.",
                "example.jp MX 20 mx2.host.example.",
                "example.jp TXT v=spf1 mx ~all",
                "yubin1-rsa._domainkey.example.jp TXT v=DKIM1; p=yubin1-rsa",
                "yubin2-rsa._domainkey.example.jp TXT v=DKIM1; p=yubin2-rsa",
                "_dmarc.example.jp TXT v=DMARC1; p=none",
                "_submissions._tcp.example.jp SRV 0 1 465 mail.host.example.",
                "_imaps._tcp.example.jp SRV 0 1 993 mail.host.example.",
                "_pop3s._tcp.example.jp SRV 0 1 995 mail.host.example.",
            ]
        );
        let after = text(Timestamp::from_seconds(1_000 + limits::DKIM_RETIRING_SECONDS));
        assert!(!after.iter().any(|record| record.contains("yubin1")), "{after:?}");
    }

    #[test]
    fn numbers_of_selectors() {
        assert_eq!(number(&name("yubin12-ed25519")), Some(12));
        assert_eq!(number(&name("yubin-rsa")), None);
        assert_eq!(number(&name("other1-rsa")), None);
    }
}
