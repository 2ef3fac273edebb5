//! One command: the calls it makes and what it prints.

use std::io::BufRead as _;

use anyhow::{Context as _, bail, ensure};
use yubin_proto::r#gen::admin as api;

use super::args::{
    AccountVerb, AliasVerb, Bytes, CtlArgs, DkimVerb, DomainVerb, MailboxVerb, Noun, PlanArgs, PlanVerb, QuotaVerb,
    QuotaWish, ReverseDns, UsageCheck,
};
use super::connection::{Connection, connect};
use super::pages::{self, PAGE_SIZE};
use super::show::{Form, Shown as _, dns_status};

/// What a command that was carried out has to say.
pub(crate) struct Printed {
    pub(crate) text: String,
    /// The process's exit status.
    pub(crate) status: u8,
}

impl From<String> for Printed {
    fn from(text: String) -> Printed {
        Printed { text, status: 0 }
    }
}

/// Carries out a command.
pub(crate) async fn call(args: CtlArgs) -> anyhow::Result<Printed> {
    let token = std::fs::read_to_string(&args.token_file).with_context(|| {
        format!("reading the token from {} (set --token-file or YUBIN_TOKEN_FILE)", args.token_file.display())
    })?;
    let api = connect(&args.server, token.trim())?;
    let form = if args.json { Form::Json } else { Form::Table };
    let outcome = match args.noun {
        Noun::Domain(verb) => return domain(api, verb, form).await.map_err(worded),
        Noun::Account(verb) => account(api, verb, form).await,
        Noun::Alias(verb) => alias(api, verb, form).await,
        Noun::Plan(verb) => plan(api, verb, form).await,
        Noun::Mailbox(verb) => mailbox(api, verb, form).await,
        Noun::Quota(verb) => quota(api, verb, form).await,
        Noun::Countries(verb) => super::countries::countries(api, verb, form).await,
        Noun::Filtering(verb) => super::filtering::filtering(api, verb, form).await,
        Noun::Usage { name, check } => usage(api, name, &check, form).await,
        Noun::Queue(verb) => super::queue::queue(api, verb, form).await,
        Noun::Reports(verb) => super::reports::reports(api, verb, form).await,
        Noun::Events(args) => super::events::events(api, args, form).await,
        Noun::Trace(args) => super::trace::trace(api, args, form).await,
        Noun::Node(verb) => super::membership::node(api, verb, form).await,
        Noun::Group(verb) => super::membership::group(api, verb, form).await,
        Noun::Token(verb) => super::tokens::token(api, verb, form).await,
    };
    outcome.map(Printed::from).map_err(worded)
}

fn worded(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<tonic::Status>() {
        Ok(status) => anyhow::anyhow!("{}", said(&status)),
        Err(error) => error,
    }
}

/// The server's words; where it has none, what happened to the connection.
fn said(status: &tonic::Status) -> String {
    match status.code() {
        tonic::Code::Unavailable => format!("the server can't be reached or has no quorum: {}", status.message()),
        _ => status.message().to_owned(),
    }
}

/// A new request's id.
pub(super) fn request_id() -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(uuid::Uuid::new_v4().as_bytes())
}

async fn domain(mut api: Connection, verb: DomainVerb, form: Form) -> anyhow::Result<Printed> {
    let request_id = request_id();
    let domain = match verb {
        DomainVerb::Create { name, quota, plan } => {
            let quota = quota.map(to_quota);
            api.create_domain(api::CreateDomainRequest { name, plan, quota, request_id }).await?
        }
        DomainVerb::Show { name } => api.get_domain(api::GetDomainRequest { name }).await?,
        DomainVerb::List => {
            let all = pages::all(async |page_token| {
                let request = api::ListDomainsRequest { page_size: PAGE_SIZE, page_token };
                let page = api.list_domains(request).await?.into_inner();
                Ok((page.domains, page.next_page_token))
            });
            return Ok(all.await?.shown(form).into());
        }
        DomainVerb::Update { name, plan, catch_all } => {
            ensure!(plan.is_some() || catch_all.is_some(), "nothing to change: give --plan or --catch-all");
            let update = api::UpdateDomainRequest { name, plan, quota: None, catch_all, request_id };
            api.update_domain(update).await?
        }
        DomainVerb::Suspend { name, reason } => {
            api.suspend_domain(api::SuspendDomainRequest { name, reason, request_id }).await?
        }
        DomainVerb::Resume { name } => api.resume_domain(api::ResumeDomainRequest { name, request_id }).await?,
        DomainVerb::Dns { name, expected: true } => {
            let dns = api.get_domain_dns(api::GetDomainDnsRequest { name }).await?;
            return Ok(dns.into_inner().shown(form).into());
        }
        DomainVerb::Dns { name, expected: false } => {
            let check = api.check_domain_dns(api::CheckDomainDnsRequest { name }).await?.into_inner();
            return Ok(Printed { text: check.shown(form), status: dns_status(&check) });
        }
        DomainVerb::Reports { name, days } => {
            let request = api::ListReceivedReportsRequest { name, days };
            return Ok(api.list_received_reports(request).await?.into_inner().shown(form).into());
        }
        DomainVerb::Dkim(verb) => return dkim(api, verb, form).await.map(Printed::from),
        DomainVerb::Delete { name, confirm } => {
            confirmed(&name, &confirm)?;
            let gone = api.delete_domain(api::DeleteDomainRequest { name, request_id }).await?;
            return Ok(gone.into_inner().shown(form).into());
        }
    };
    Ok(domain.into_inner().shown(form).into())
}

async fn dkim(mut api: Connection, verb: DkimVerb, form: Form) -> anyhow::Result<String> {
    let request_id = request_id();
    let dns = match verb {
        DkimVerb::Rotate { name } => api.rotate_dkim(api::RotateDkimRequest { name, request_id }).await?,
        DkimVerb::Activate { name, unchecked } => {
            api.activate_dkim(api::ActivateDkimRequest { name, request_id, unchecked }).await?
        }
        DkimVerb::Remove { name, selector } => {
            api.remove_dkim_key(api::RemoveDkimKeyRequest { name, selector, request_id }).await?
        }
    };
    Ok(dns.into_inner().shown(form))
}

async fn account(mut api: Connection, verb: AccountVerb, form: Form) -> anyhow::Result<String> {
    let request_id = request_id();
    let account = match verb {
        AccountVerb::Create { address, quota, password_stdin: _ } => {
            let (password, quota) = (password()?, quota.map(to_quota));
            api.create_account(api::CreateAccountRequest { address, password, quota, request_id }).await?
        }
        AccountVerb::Show { address } => api.get_account(api::GetAccountRequest { address }).await?,
        AccountVerb::List { domain } => {
            let all = pages::all(async |page_token| {
                let request = api::ListAccountsRequest { domain: domain.clone(), page_size: PAGE_SIZE, page_token };
                let page = api.list_accounts(request).await?.into_inner();
                Ok((page.accounts, page.next_page_token))
            });
            return Ok(all.await?.shown(form));
        }
        AccountVerb::SetPassword { address, password_stdin: _ } => {
            let password = password()?;
            api.set_password(api::SetPasswordRequest { address, password, request_id }).await?
        }
        AccountVerb::Suspend { address, reason } => {
            api.suspend_account(api::SuspendAccountRequest { address, reason, request_id }).await?
        }
        AccountVerb::Resume { address } => {
            api.resume_account(api::ResumeAccountRequest { address, request_id }).await?
        }
        AccountVerb::Limits { address } => {
            let sending = api.get_sending(api::GetSendingRequest { address }).await?;
            return Ok(sending.into_inner().shown(form));
        }
        AccountVerb::SetLimits(args) => {
            let limits = Some(args.limits());
            let set = api::SetSendingLimitsRequest { address: args.address, limits, request_id };
            return Ok(api.set_sending_limits(set).await?.into_inner().shown(form));
        }
        AccountVerb::SuspendSending { address, reason } => {
            let suspend = api::SuspendSendingRequest { address, reason, request_id };
            return Ok(api.suspend_sending(suspend).await?.into_inner().shown(form));
        }
        AccountVerb::ResumeSending { address } => {
            let resume = api::ResumeSendingRequest { address, request_id };
            return Ok(api.resume_sending(resume).await?.into_inner().shown(form));
        }
        AccountVerb::SendAs(verb) => return super::send_as::send_as(api, verb, form).await,
        AccountVerb::Forward(verb) => return super::forward::forward(api, verb, form).await,
        AccountVerb::AutoReply(verb) => return super::auto_reply::auto_reply(api, verb, form).await,
        AccountVerb::Delete { address, confirm } => {
            confirmed(&address, &confirm)?;
            let gone = api.delete_account(api::DeleteAccountRequest { address, request_id }).await?;
            return Ok(gone.into_inner().shown(form));
        }
    };
    Ok(account.into_inner().shown(form))
}

async fn alias(mut api: Connection, verb: AliasVerb, form: Form) -> anyhow::Result<String> {
    let request_id = request_id();
    match verb {
        AliasVerb::Put { address, targets } => {
            let alias = Some(api::Alias { address, targets });
            let put = api.put_alias(api::PutAliasRequest { alias, request_id }).await?;
            Ok(vec![put.into_inner()].shown(form))
        }
        AliasVerb::List { domain } => {
            let all = pages::all(async |page_token| {
                let request = api::ListAliasesRequest { domain: domain.clone(), page_size: PAGE_SIZE, page_token };
                let page = api.list_aliases(request).await?.into_inner();
                Ok((page.aliases, page.next_page_token))
            });
            Ok(all.await?.shown(form))
        }
        AliasVerb::Delete { address } => {
            let gone = api.delete_alias(api::DeleteAliasRequest { address, request_id }).await?;
            Ok(gone.into_inner().shown(form))
        }
    }
}

async fn plan(mut api: Connection, verb: PlanVerb, form: Form) -> anyhow::Result<String> {
    let request_id = request_id();
    match verb {
        PlanVerb::Put(args) => {
            let put = api.put_plan(api::PutPlanRequest { plan: Some(to_plan(*args)?), request_id }).await?;
            Ok(vec![put.into_inner()].shown(form))
        }
        PlanVerb::List => Ok(api.list_plans(api::ListPlansRequest {}).await?.into_inner().plans.shown(form)),
        PlanVerb::Delete { name } => {
            let gone = api.delete_plan(api::DeletePlanRequest { name, request_id }).await?;
            Ok(gone.into_inner().shown(form))
        }
    }
}

async fn mailbox(mut api: Connection, verb: MailboxVerb, form: Form) -> anyhow::Result<String> {
    match verb {
        MailboxVerb::List { address } => {
            let found = api.list_mailboxes(api::ListMailboxesRequest { address }).await?;
            Ok(found.into_inner().mailboxes.shown(form))
        }
        MailboxVerb::Expunged { name, time } => {
            let (from_time_ms, to_time_ms) = time.bounds();
            let found = api.list_expunged(api::ListExpungedRequest { name, from_time_ms, to_time_ms }).await?;
            Ok(found.into_inner().mail.shown(form))
        }
        MailboxVerb::Restore { address, from_account: account_uid, mailbox, into, time } => {
            let (from_time_ms, to_time_ms) = time.bounds();
            let request_id = request_id();
            let restore =
                api::RestoreMailRequest { address, account_uid, mailbox, from_time_ms, to_time_ms, into, request_id };
            Ok(api.restore_mail(restore).await?.into_inner().shown(form))
        }
        MailboxVerb::Clear { address, mailbox, confirm } => {
            confirmed(&address, &confirm)?;
            let clear = api::ClearMailboxRequest { address, mailbox, request_id: request_id() };
            Ok(api.clear_mailbox(clear).await?.into_inner().shown(form))
        }
    }
}

async fn quota(mut api: Connection, verb: QuotaVerb, form: Form) -> anyhow::Result<String> {
    let QuotaVerb::Set { name, quota } = verb;
    let request_id = request_id();
    if name.contains('@') {
        let quota = match quota {
            QuotaWish::Own(bytes) => Some(to_quota(bytes)),
            QuotaWish::Plan => None,
        };
        let set = api::SetAccountQuotaRequest { address: name, quota, request_id };
        return Ok(api.set_account_quota(set).await?.into_inner().shown(form));
    }
    let QuotaWish::Own(bytes) = quota else { bail!("a domain's quota is an amount or unlimited") };
    let change = api::QuotaChange { quota: Some(to_quota(bytes)) };
    let update = api::UpdateDomainRequest { name, quota: Some(change), request_id, ..Default::default() };
    Ok(api.update_domain(update).await?.into_inner().shown(form))
}

async fn usage(mut api: Connection, name: String, check: &UsageCheck, form: Form) -> anyhow::Result<String> {
    let request = api::GetUsageRequest { name };
    if check.verify {
        let verified = api.verify_usage(request).await?.into_inner();
        let sound = verified.counted == verified.kept && verified.differing.is_empty();
        let text = verified.shown(form);
        ensure!(sound, "the kept figures differ from the messages:\n{text}");
        return Ok(text);
    }
    Ok(api.get_usage(request).await?.into_inner().shown(form))
}

fn to_quota(bytes: Bytes) -> api::Quota {
    api::Quota { bytes: bytes.0, messages: None }
}

fn to_plan(args: PlanArgs) -> anyhow::Result<api::Plan> {
    Ok(api::Plan {
        name: args.name,
        domain_quota: Some(to_quota(args.domain_quota)),
        account_quota: Some(to_quota(args.account_quota)),
        message_bytes_max: args.message_size.0.context("--message-size: an amount")?,
        accounts_max: args.accounts,
        trash_expiry_seconds: Some(args.trash_expiry_seconds).filter(|seconds| *seconds > 0),
        vault_seconds: args.vault_seconds,
        sending: Some(args.sending.limits()),
        retry: args.retry.terms(),
        reverse_dns: ReverseDns::rule(args.reverse_dns).into(),
    })
}

fn confirmed(name: &str, confirm: &str) -> anyhow::Result<()> {
    ensure!(name == confirm, "--confirm must repeat {name}");
    Ok(())
}

/// The first line of standard input.
fn password() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("reading the password from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    ensure!(!password.is_empty(), "no password on standard input");
    Ok(password.to_owned())
}
