//! `[smtp]`: how peers are treated; `[smtp.inbound]`: how mail from other servers is verified. What its content is worth: `spam`, `scan`.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use yubin_frontend::{ContentConfig, Tarpit};
use yubin_types::{Address, DomainName, Network, Priority, limits};

use super::countries::Countries;
use super::edge::networks;
use super::greylist::Greylisting;
use super::queue::Switch;
use super::scan::{Archives, Clamd, Milter, Rspamd};
use super::spam::Spam;
use super::submission::Submission;

/// What SMTP servers are told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Smtp {
    /// Own machines that may bring mail by LMTP.
    pub(crate) lmtp_networks: Vec<String>,
    /// Own machines that may say by XCLIENT whose client they speak for.
    pub(crate) xclient_networks: Vec<String>,
    /// Who gets mail for the postmaster of our name and of hosted domains that have none.
    pub(crate) postmaster: Option<String>,
    /// Highest priority that users may give their mail; -9 to 9.
    pub(crate) priority_max: Priority,
    /// How long each failure of a stranger waits for its reply, seconds; 0: not at all.
    pub(crate) tarpit_seconds: u64,
    /// Failures of a connection that are answered at once.
    pub(crate) tarpit_after: u32,
    /// Room for messages that are coming in, MiB.
    pub(crate) spool_mib: u32,
    /// What users may send.
    pub(crate) submission: Submission,
    /// Mail from other servers.
    pub(crate) inbound: Inbound,
    /// Strangers who are asked to come again.
    pub(crate) greylisting: Greylisting,
    /// From which countries logins to send may come.
    pub(crate) countries: Countries,
    /// What of it is spam.
    pub(crate) spam: Spam,
    /// Who finds spam.
    pub(crate) rspamd: Rspamd,
    /// Who finds viruses.
    pub(crate) clamd: Clamd,
    /// What archives may be like.
    pub(crate) archives: Archives,
    /// Filters of mail servers, in their order.
    pub(crate) milters: Vec<Milter>,
}

/// How mail from other servers is verified, and what follows from it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Inbound {
    /// Is it?
    pub(crate) verification: Switch,
    /// From these networks mail is taken as it is.
    pub(crate) exempt_networks: Vec<String>,
    /// Name servers to ask; empty: those of the system.
    pub(crate) name_servers: Vec<SocketAddr>,
    /// What is done with mail that fails DMARC.
    pub(crate) dmarc: DmarcHandling,
    /// What the sending host's name must be.
    pub(crate) reverse_dns: ReverseDns,
    /// Forwarders who are believed about mail that they changed: the domains that seal it (ARC).
    pub(crate) trusted_forwarders: Vec<String>,
    /// From this sum of scores on a host is refused.
    pub(crate) refuse_score: i32,
    /// From this sum of scores on a host's mail is junk.
    pub(crate) junk_score: i32,
    /// Lists in the DNS that hosts are looked up in.
    pub(crate) lists: Vec<List>,
    /// Rules of single hosted domains.
    pub(crate) domains: Vec<Domain>,
}

/// A list in the DNS.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    /// The domain below which hosts are listed.
    pub(crate) zone: String,
    /// What being listed adds to the sum; below zero for a list of trusted hosts.
    pub(crate) score: i32,
    /// The page where a host can be looked up, which the refusal names.
    pub(crate) lookup: String,
    /// Answers that count, of 127.0.0.0/8; empty: all by which lists list.
    #[serde(default)]
    pub(crate) answers: Vec<String>,
}

/// Rules of a hosted domain.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Domain {
    /// Its name.
    pub(crate) domain: String,
    /// As `dmarc`, for this domain.
    pub(crate) dmarc: DmarcHandling,
    /// As `reverse_dns`, for this domain.
    pub(crate) reverse_dns: ReverseDns,
}

/// What is done with mail that fails DMARC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DmarcHandling {
    /// What the author's domain wants.
    #[default]
    Enforce,
    /// It is filed as junk, never refused.
    Junk,
    /// Results are written down, and that is all.
    Report,
}

/// What the sending host's name must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReverseDns {
    /// Anything.
    #[default]
    Accept,
    /// One that leads back to its address.
    Require,
}

impl Default for Smtp {
    fn default() -> Self {
        Smtp {
            lmtp_networks: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
            xclient_networks: Vec::new(),
            postmaster: None,
            priority_max: Priority::new(4).unwrap_or_default(),
            tarpit_seconds: 0,
            tarpit_after: 5,
            spool_mib: 4_096,
            submission: Submission::default(),
            inbound: Inbound::default(),
            greylisting: Greylisting::default(),
            countries: Countries::default(),
            spam: Spam::default(),
            rspamd: Rspamd::default(),
            clamd: Clamd::default(),
            archives: Archives::default(),
            milters: Vec::new(),
        }
    }
}

impl Smtp {
    /// Refuses what can't work.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let most = limits::TARPIT_SECONDS_MAX;
        ensure!(self.tarpit_seconds <= most, "smtp.tarpit_seconds: at most {most}");
        let least = limits::SPOOL_MIB_MIN;
        ensure!(self.spool_mib >= least, "smtp.spool_mib: at least {least}");
        self.lmtp()?;
        self.xclient()?;
        self.postmaster()?;
        self.countries.settings()?;
        self.submission.authors()?;
        self.inbound.check()?;
        let greylists = self.greylisting.settings()?.is_some();
        let verifies = self.inbound.verification == Switch::On;
        ensure!(verifies || !greylists, "smtp.greylisting: needs smtp.inbound.verification");
        self.content().map(drop)
    }

    /// Who stands in for missing postmasters.
    pub(crate) fn postmaster(&self) -> anyhow::Result<Option<Address>> {
        self.postmaster.as_deref().map(Address::parse).transpose().context("smtp.postmaster")
    }

    /// How the content of messages is looked at.
    pub(crate) fn content(&self) -> anyhow::Result<ContentConfig> {
        let mut content = self.spam.settings(self.inbound.exempt()?)?;
        self.rspamd.tell(&mut content)?;
        self.clamd.tell(&mut content)?;
        self.archives.tell(&mut content);
        let most = limits::MILTERS_MAX;
        ensure!(self.milters.len() <= most, "smtp.milters: at most {most}");
        content.milters = self.milters.iter().map(Milter::settings).collect::<anyhow::Result<_>>()?;
        Ok(content)
    }

    /// Who may bring mail by LMTP.
    pub(crate) fn lmtp(&self) -> anyhow::Result<Vec<Network>> {
        networks(&self.lmtp_networks, "smtp.lmtp_networks")
    }

    /// Who may use XCLIENT.
    pub(crate) fn xclient(&self) -> anyhow::Result<Vec<Network>> {
        networks(&self.xclient_networks, "smtp.xclient_networks")
    }

    /// As a front end is told.
    pub(crate) const fn tarpit(&self) -> Option<Tarpit> {
        match self.tarpit_seconds {
            0 => None,
            seconds => Some(Tarpit { after: self.tarpit_after, seconds }),
        }
    }
}

impl Default for Inbound {
    fn default() -> Self {
        Inbound {
            verification: Switch::On,
            exempt_networks: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
            name_servers: Vec::new(),
            dmarc: DmarcHandling::Enforce,
            reverse_dns: ReverseDns::Accept,
            trusted_forwarders: Vec::new(),
            refuse_score: 10,
            junk_score: 5,
            lists: Vec::new(),
            domains: Vec::new(),
        }
    }
}

impl List {
    /// Answers that count.
    pub(crate) fn answers(&self) -> anyhow::Result<Vec<Network>> {
        let key = "smtp.inbound.lists: answers";
        for text in &self.answers {
            let address = text.split('/').next().and_then(|address| address.parse::<Ipv4Addr>().ok());
            ensure!(
                address.is_some_and(|it| it.is_loopback()),
                "{key}: {text} is not of 127.0.0.0/8, as all answers are"
            );
        }
        networks(&self.answers, key)
    }
}

impl Inbound {
    /// Refuses what can't work.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.exempt()?;
        domains(&self.trusted_forwarders, "smtp.inbound.trusted_forwarders")?;
        domains(self.lists.iter().map(|list| &list.zone), "smtp.inbound.lists: zone")?;
        self.lists.iter().try_for_each(|list| list.answers().map(drop))?;
        domains(self.domains.iter().map(|rules| &rules.domain), "smtp.inbound.domains: domain")?;
        ensure!(self.lists.len() <= limits::DNS_LISTS_MAX, "smtp.inbound.lists: at most {}", limits::DNS_LISTS_MAX);
        ensure!(self.junk_score > 0, "smtp.inbound.junk_score: above 0, since no list adds up to 0");
        ensure!(self.refuse_score >= self.junk_score, "smtp.inbound.refuse_score: at least junk_score");
        Ok(())
    }

    /// From where mail is taken as it is.
    pub(crate) fn exempt(&self) -> anyhow::Result<Vec<Network>> {
        self.exempt_networks.iter().map(|text| text.parse().context("smtp.inbound.exempt_networks")).collect()
    }
}

/// Names of domains, of this key.
pub(crate) fn domains<'a>(
    texts: impl IntoIterator<Item = &'a String>,
    key: &'static str,
) -> anyhow::Result<Vec<DomainName>> {
    let domain = |text: &String| DomainName::parse(text).with_context(|| format!("{key}: {text} is no domain name"));
    texts.into_iter().map(domain).collect()
}

#[cfg(test)]
mod tests {
    use super::Inbound;

    #[test]
    fn what_can_not_work_is_refused() {
        let inbound = |text: &str| toml::from_str::<Inbound>(text).unwrap();
        inbound("").check().unwrap();
        inbound("exempt_networks = []\nlists = [{ zone = 'bl.example', score = 10, lookup = '' }]").check().unwrap();
        let answers = |text: &str| {
            inbound(&format!("lists = [{{ zone = 'bl.example', score = 1, lookup = '', answers = [{text}] }}]")).check()
        };
        answers("'127.0.0.2', '127.0.0.4/30'").unwrap();
        for text in ["'192.0.2.1'", "'127.0.0.2/33'", "'::1'", "'2'"] {
            assert!(answers(text).is_err(), "{text}");
        }
        for text in [
            "exempt_networks = ['10.0.0.0/99']",
            "trusted_forwarders = ['a b']",
            "lists = [{ zone = '', score = 1, lookup = '' }]",
            "domains = [{ domain = '-', dmarc = 'junk', reverse_dns = 'accept' }]",
            "junk_score = 0",
            "junk_score = 11",
        ] {
            assert!(inbound(text).check().is_err(), "{text}");
        }
        assert!(toml::from_str::<Inbound>("dmarc = 'reject'").is_err());
    }
}
