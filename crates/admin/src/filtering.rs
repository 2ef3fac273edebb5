//! What a domain, or an account of it, wants done with mail from other servers (SHIN-11, SHIN-12, SONET-09, SONET-10): shown, set and cleared.

use tonic::Status;
use yubin_proto::r#gen::admin as api;
use yubin_proto::{Caller, StoreClient};
use yubin_state::command::DomainCommand;
use yubin_state::{Answer, Query};
use yubin_types::{
    DmarcHandling, Filtering, ReverseDnsRule, SenderPattern, SpamFilter, SpamHandling, SpamRules, SpamScore,
};

use crate::domains::{change, hosted};
use crate::request::RequestKey;
use crate::status::{failed, unexpected};
use crate::whose::Whose;

pub(crate) async fn get(client: &StoreClient, name: &str) -> Result<api::FilteringRules, Status> {
    show(client, &Whose::read(name)?).await
}

pub(crate) async fn set(
    client: &StoreClient,
    request: api::SetFilteringRequest,
    caller: &Caller,
) -> Result<api::FilteringRules, Status> {
    let (whose, key) = (Whose::read(&request.name)?, RequestKey::new(&request.request_id)?);
    let filtering = request.filtering.ok_or_else(|| Status::invalid_argument("filtering: missing"))?;
    put(client, &whose, Some(filtering_from(filtering)?), key, caller).await
}

pub(crate) async fn clear(
    client: &StoreClient,
    request: api::ClearFilteringRequest,
    caller: &Caller,
) -> Result<api::FilteringRules, Status> {
    let (whose, key) = (Whose::read(&request.name)?, RequestKey::new(&request.request_id)?);
    put(client, &whose, None, key, caller).await
}

async fn put(
    client: &StoreClient,
    whose: &Whose,
    rules: Option<Filtering>,
    key: RequestKey,
    caller: &Caller,
) -> Result<api::FilteringRules, Status> {
    let command = DomainCommand::SetFiltering { account: whose.account.clone(), rules: rules.map(Box::new) };
    change(client, &whose.domain, command, key, caller).await?;
    show(client, whose).await
}

async fn show(client: &StoreClient, whose: &Whose) -> Result<api::FilteringRules, Status> {
    let scope = hosted(client, &whose.domain).await?.scope();
    match client.query(scope, Query::Filtering(whose.account.clone())).await.map_err(failed)? {
        Answer::Filtering(rules) => Ok(api::FilteringRules {
            name: whose.to_string(),
            account: rules.account.map(filtering_to),
            domain: rules.domain.map(filtering_to),
            plan_reverse_dns: reverse_dns_to(rules.plan_reverse_dns).into(),
        }),
        other => Err(unexpected(&other)),
    }
}

fn filtering_to(Filtering { dmarc, spam, reverse_dns }: Filtering) -> api::Filtering {
    let dmarc = match dmarc {
        None => api::DmarcHandling::Unspecified,
        Some(DmarcHandling::Enforce) => api::DmarcHandling::Enforce,
        Some(DmarcHandling::Junk) => api::DmarcHandling::Junk,
        Some(DmarcHandling::Report) => api::DmarcHandling::Report,
    };
    api::Filtering { dmarc: dmarc.into(), spam: spam.map(spam_to), reverse_dns: reverse_dns_to(reverse_dns).into() }
}

fn filtering_from(filtering: api::Filtering) -> Result<Filtering, Status> {
    let dmarc = match filtering.dmarc() {
        api::DmarcHandling::Unspecified => None,
        api::DmarcHandling::Enforce => Some(DmarcHandling::Enforce),
        api::DmarcHandling::Junk => Some(DmarcHandling::Junk),
        api::DmarcHandling::Report => Some(DmarcHandling::Report),
    };
    let reverse_dns = reverse_dns_from(filtering.reverse_dns());
    Ok(Filtering { dmarc, spam: filtering.spam.map(spam_from).transpose()?, reverse_dns })
}

/// What hosts must be called; of plans, too.
pub(crate) const fn reverse_dns_to(rule: Option<ReverseDnsRule>) -> api::ReverseDnsRule {
    match rule {
        None => api::ReverseDnsRule::Unspecified,
        Some(ReverseDnsRule::Accept) => api::ReverseDnsRule::Accept,
        Some(ReverseDnsRule::Require) => api::ReverseDnsRule::Require,
    }
}

pub(crate) const fn reverse_dns_from(rule: api::ReverseDnsRule) -> Option<ReverseDnsRule> {
    match rule {
        api::ReverseDnsRule::Unspecified => None,
        api::ReverseDnsRule::Accept => Some(ReverseDnsRule::Accept),
        api::ReverseDnsRule::Require => Some(ReverseDnsRule::Require),
    }
}

fn spam_to(rules: SpamRules) -> api::SpamRules {
    let patterns = |patterns: &[SenderPattern]| patterns.iter().map(ToString::to_string).collect();
    api::SpamRules {
        off: rules.filter == SpamFilter::Off,
        score: rules.threshold.map_or(0, |score| u32::try_from(score.0 / 100).unwrap_or_default()),
        spam: handling_to(rules.spam).into(),
        certain: handling_to(rules.certain).into(),
        subject_tag: rules.subject_tag,
        allow: patterns(&rules.allow),
        deny: patterns(&rules.deny),
    }
}

fn spam_from(rules: api::SpamRules) -> Result<SpamRules, Status> {
    let default = SpamRules::default();
    let points = i32::try_from(rules.score).map_err(|_| Status::invalid_argument("score: too many points"))?;
    Ok(SpamRules {
        filter: if rules.off { SpamFilter::Off } else { SpamFilter::On },
        threshold: (points > 0).then(|| SpamScore::points(points)),
        spam: handling_from(rules.spam()).unwrap_or(default.spam),
        certain: handling_from(rules.certain()).unwrap_or(default.certain),
        allow: patterns_from("allow", &rules.allow)?,
        deny: patterns_from("deny", &rules.deny)?,
        subject_tag: rules.subject_tag,
    })
}

const fn handling_to(handling: SpamHandling) -> api::SpamHandling {
    match handling {
        SpamHandling::Inbox => api::SpamHandling::Inbox,
        SpamHandling::Junk => api::SpamHandling::Junk,
        SpamHandling::Reject => api::SpamHandling::Reject,
    }
}

const fn handling_from(handling: api::SpamHandling) -> Option<SpamHandling> {
    match handling {
        api::SpamHandling::Unspecified => None,
        api::SpamHandling::Inbox => Some(SpamHandling::Inbox),
        api::SpamHandling::Junk => Some(SpamHandling::Junk),
        api::SpamHandling::Reject => Some(SpamHandling::Reject),
    }
}

fn patterns_from(field: &str, texts: &[String]) -> Result<Vec<SenderPattern>, Status> {
    let pattern = |text: &String| {
        let words = format!("{field}: {text} is no sender; write abc@x.example, *@x.example or *@*.x.example");
        SenderPattern::parse(text).ok_or_else(|| Status::invalid_argument(words))
    };
    texts.iter().map(pattern).collect()
}
