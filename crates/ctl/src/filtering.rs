//! `yubin ctl filtering`: what a domain or an account wants done with mail from other servers.

use yubin_proto::r#gen::admin as api;

use super::args::{Dmarc, FilteringVerb, Handling, ReverseDns, SetFilteringArgs, SpamArgs};
use super::call::request_id;
use super::connection::Connection;
use super::show::{Form, Shown as _};

/// Carries out a verb and returns what to print: the rules as they are now.
pub(super) async fn filtering(mut api: Connection, verb: FilteringVerb, form: Form) -> anyhow::Result<String> {
    let request_id = request_id();
    let rules = match verb {
        FilteringVerb::Show { name } => api.get_filtering(api::GetFilteringRequest { name }).await?,
        FilteringVerb::Clear { name } => api.clear_filtering(api::ClearFilteringRequest { name, request_id }).await?,
        FilteringVerb::Set(SetFilteringArgs { name, dmarc, reverse_dns, spam }) => {
            let spam = spam.is_given().then(|| spam_rules(spam));
            let reverse_dns = ReverseDns::rule(reverse_dns).into();
            let filtering = Some(api::Filtering { dmarc: dmarc_to(dmarc).into(), spam, reverse_dns });
            api.set_filtering(api::SetFilteringRequest { name, filtering, request_id }).await?
        }
    };
    Ok(rules.into_inner().shown(form))
}

fn spam_rules(args: SpamArgs) -> api::SpamRules {
    let SpamArgs { off, score, spam, certain, subject_tag, allow, deny } = args;
    api::SpamRules {
        off,
        score: score.unwrap_or_default(),
        spam: handling_to(spam).into(),
        certain: handling_to(certain).into(),
        subject_tag: subject_tag.unwrap_or_default(),
        allow,
        deny,
    }
}

const fn dmarc_to(dmarc: Option<Dmarc>) -> api::DmarcHandling {
    match dmarc {
        None => api::DmarcHandling::Unspecified,
        Some(Dmarc::Enforce) => api::DmarcHandling::Enforce,
        Some(Dmarc::Junk) => api::DmarcHandling::Junk,
        Some(Dmarc::Report) => api::DmarcHandling::Report,
    }
}

const fn handling_to(handling: Option<Handling>) -> api::SpamHandling {
    match handling {
        None => api::SpamHandling::Unspecified,
        Some(Handling::Inbox) => api::SpamHandling::Inbox,
        Some(Handling::Junk) => api::SpamHandling::Junk,
        Some(Handling::Reject) => api::SpamHandling::Reject,
    }
}
