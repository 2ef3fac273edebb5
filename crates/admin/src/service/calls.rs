//! The calls of the admin API: each checks its token, then goes to the module that knows it.

use tonic::{Request, Response, Status};
use yubin_proto::r#gen::admin as api;
use yubin_proto::r#gen::admin::admin_server::Admin;

use super::AdminService;
use crate::queue::{follow, watch};
use crate::{
    accounts, aliases, auto_reply, cluster, countries, domains, expunged, filtering, forward, mail_log, membership,
    plans, queue, reports, send_as, sending, tokens, usage,
};

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Admin for AdminService {
    type WatchQueuedStream = watch::Lines;

    async fn watch_queued(&self, request: Request<api::WatchQueuedRequest>) -> Reply<watch::Lines> {
        let (request, _) = self.open(request).await?;
        self.dialogue(&request).await.map(Response::new)
    }

    type WatchEventsStream = follow::Followed;

    async fn watch_events(&self, request: Request<api::WatchEventsRequest>) -> Reply<follow::Followed> {
        let (request, _) = self.open(request).await?;
        self.events(request).await.map(Response::new)
    }

    async fn create_domain(&self, request: Request<api::CreateDomainRequest>) -> Reply<api::Domain> {
        let (request, caller) = self.open(request).await?;
        domains::create(&self.client, &self.dns, request, &caller).await.map(Response::new)
    }

    async fn get_domain(&self, request: Request<api::GetDomainRequest>) -> Reply<api::Domain> {
        let (request, _) = self.open(request).await?;
        domains::get(&self.client, &request.name).await.map(Response::new)
    }

    async fn list_domains(&self, request: Request<api::ListDomainsRequest>) -> Reply<api::ListDomainsResponse> {
        let (request, _) = self.open(request).await?;
        domains::list(&self.client, request).await.map(Response::new)
    }

    async fn update_domain(&self, request: Request<api::UpdateDomainRequest>) -> Reply<api::Domain> {
        let (request, caller) = self.open(request).await?;
        domains::update(&self.client, request, &caller).await.map(Response::new)
    }

    async fn suspend_domain(&self, request: Request<api::SuspendDomainRequest>) -> Reply<api::Domain> {
        let (request, caller) = self.open(request).await?;
        domains::suspend(&self.client, request, &caller).await.map(Response::new)
    }

    async fn resume_domain(&self, request: Request<api::ResumeDomainRequest>) -> Reply<api::Domain> {
        let (request, caller) = self.open(request).await?;
        domains::resume(&self.client, request, &caller).await.map(Response::new)
    }

    async fn delete_domain(&self, request: Request<api::DeleteDomainRequest>) -> Reply<api::DeleteResponse> {
        let (request, caller) = self.open(request).await?;
        domains::delete(&self.client, request, &caller).await.map(Response::new)
    }

    async fn get_domain_dns(&self, request: Request<api::GetDomainDnsRequest>) -> Reply<api::DomainDns> {
        let (request, caller) = self.open(request).await?;
        self.dns.records(&self.client, &request.name, &caller).await.map(Response::new)
    }

    async fn check_domain_dns(&self, request: Request<api::CheckDomainDnsRequest>) -> Reply<api::DomainDnsCheck> {
        let (request, caller) = self.open(request).await?;
        self.dns.check(&self.client, &request.name, &caller).await.map(Response::new)
    }

    async fn rotate_dkim(&self, request: Request<api::RotateDkimRequest>) -> Reply<api::DomainDns> {
        let (request, caller) = self.open(request).await?;
        self.dns.rotate(&self.client, request, &caller).await.map(Response::new)
    }

    async fn activate_dkim(&self, request: Request<api::ActivateDkimRequest>) -> Reply<api::DomainDns> {
        let (request, caller) = self.open(request).await?;
        self.dns.activate(&self.client, request, &caller).await.map(Response::new)
    }

    async fn remove_dkim_key(&self, request: Request<api::RemoveDkimKeyRequest>) -> Reply<api::DomainDns> {
        let (request, caller) = self.open(request).await?;
        self.dns.remove(&self.client, request, &caller).await.map(Response::new)
    }

    async fn create_account(&self, request: Request<api::CreateAccountRequest>) -> Reply<api::Account> {
        let (request, caller) = self.open(request).await?;
        accounts::create(&self.client, request, &caller).await.map(Response::new)
    }

    async fn get_account(&self, request: Request<api::GetAccountRequest>) -> Reply<api::Account> {
        let (request, _) = self.open(request).await?;
        accounts::get(&self.client, &request.address).await.map(Response::new)
    }

    async fn list_accounts(&self, request: Request<api::ListAccountsRequest>) -> Reply<api::ListAccountsResponse> {
        let (request, _) = self.open(request).await?;
        accounts::list(&self.client, request).await.map(Response::new)
    }

    async fn set_password(&self, request: Request<api::SetPasswordRequest>) -> Reply<api::Account> {
        let (request, caller) = self.open(request).await?;
        accounts::set_password(&self.client, request, &caller).await.map(Response::new)
    }

    async fn set_account_quota(&self, request: Request<api::SetAccountQuotaRequest>) -> Reply<api::Account> {
        let (request, caller) = self.open(request).await?;
        accounts::set_quota(&self.client, request, &caller).await.map(Response::new)
    }

    async fn suspend_account(&self, request: Request<api::SuspendAccountRequest>) -> Reply<api::Account> {
        let (request, caller) = self.open(request).await?;
        accounts::suspend(&self.client, request, &caller).await.map(Response::new)
    }

    async fn resume_account(&self, request: Request<api::ResumeAccountRequest>) -> Reply<api::Account> {
        let (request, caller) = self.open(request).await?;
        accounts::resume(&self.client, request, &caller).await.map(Response::new)
    }

    async fn delete_account(&self, request: Request<api::DeleteAccountRequest>) -> Reply<api::DeleteResponse> {
        let (request, caller) = self.open(request).await?;
        accounts::delete(&self.client, request, &caller).await.map(Response::new)
    }

    async fn list_mailboxes(&self, request: Request<api::ListMailboxesRequest>) -> Reply<api::ListMailboxesResponse> {
        let (request, _) = self.open(request).await?;
        accounts::list_mailboxes(&self.client, request).await.map(Response::new)
    }

    async fn clear_mailbox(&self, request: Request<api::ClearMailboxRequest>) -> Reply<api::DeleteResponse> {
        let (request, caller) = self.open(request).await?;
        accounts::clear(&self.client, request, &caller).await.map(Response::new)
    }

    async fn list_expunged(&self, request: Request<api::ListExpungedRequest>) -> Reply<api::ListExpungedResponse> {
        let (request, _) = self.open(request).await?;
        expunged::list(&self.client, request).await.map(Response::new)
    }

    async fn restore_mail(&self, request: Request<api::RestoreMailRequest>) -> Reply<api::RestoreMailResponse> {
        let (request, caller) = self.open(request).await?;
        expunged::restore(&self.client, request, &caller).await.map(Response::new)
    }

    async fn get_forward(&self, request: Request<api::GetForwardRequest>) -> Reply<api::AccountForward> {
        let (request, _) = self.open(request).await?;
        forward::get(&self.client, &request.address).await.map(Response::new)
    }

    async fn set_forward(&self, request: Request<api::SetForwardRequest>) -> Reply<api::AccountForward> {
        let (request, caller) = self.open(request).await?;
        forward::set(&self.client, request, &caller).await.map(Response::new)
    }

    async fn clear_forward(&self, request: Request<api::ClearForwardRequest>) -> Reply<api::AccountForward> {
        let (request, caller) = self.open(request).await?;
        forward::clear(&self.client, request, &caller).await.map(Response::new)
    }

    async fn resume_forward(&self, request: Request<api::ResumeForwardRequest>) -> Reply<api::AccountForward> {
        let (request, caller) = self.open(request).await?;
        forward::resume(&self.client, request, &caller).await.map(Response::new)
    }

    async fn get_send_as(&self, request: Request<api::GetSendAsRequest>) -> Reply<api::SendAsGrants> {
        let (request, _) = self.open(request).await?;
        send_as::get(&self.client, &request.address).await.map(Response::new)
    }

    async fn grant_send_as(&self, request: Request<api::GrantSendAsRequest>) -> Reply<api::SendAsGrants> {
        let (request, caller) = self.open(request).await?;
        send_as::grant(&self.client, request, &caller).await.map(Response::new)
    }

    async fn revoke_send_as(&self, request: Request<api::RevokeSendAsRequest>) -> Reply<api::SendAsGrants> {
        let (request, caller) = self.open(request).await?;
        send_as::revoke(&self.client, request, &caller).await.map(Response::new)
    }

    async fn get_auto_reply(&self, request: Request<api::GetAutoReplyRequest>) -> Reply<api::AutoReply> {
        let (request, _) = self.open(request).await?;
        auto_reply::get(&self.client, &request.address).await.map(Response::new)
    }

    async fn set_auto_reply(&self, request: Request<api::SetAutoReplyRequest>) -> Reply<api::AutoReply> {
        let (request, caller) = self.open(request).await?;
        auto_reply::set(&self.client, request, &caller).await.map(Response::new)
    }

    async fn clear_auto_reply(&self, request: Request<api::ClearAutoReplyRequest>) -> Reply<api::AutoReply> {
        let (request, caller) = self.open(request).await?;
        auto_reply::clear(&self.client, request, &caller).await.map(Response::new)
    }

    async fn get_sending(&self, request: Request<api::GetSendingRequest>) -> Reply<api::AccountSending> {
        let (request, _) = self.open(request).await?;
        sending::get(&self.client, &request.address).await.map(Response::new)
    }

    async fn set_sending_limits(&self, request: Request<api::SetSendingLimitsRequest>) -> Reply<api::AccountSending> {
        let (request, caller) = self.open(request).await?;
        sending::set_limits(&self.client, request, &caller).await.map(Response::new)
    }

    async fn suspend_sending(&self, request: Request<api::SuspendSendingRequest>) -> Reply<api::AccountSending> {
        let (request, caller) = self.open(request).await?;
        sending::suspend(&self.client, request, &caller).await.map(Response::new)
    }

    async fn resume_sending(&self, request: Request<api::ResumeSendingRequest>) -> Reply<api::AccountSending> {
        let (request, caller) = self.open(request).await?;
        sending::resume(&self.client, request, &caller).await.map(Response::new)
    }

    async fn get_countries(&self, request: Request<api::GetCountriesRequest>) -> Reply<api::CountryRules> {
        let (request, _) = self.open(request).await?;
        countries::get(&self.client, &request.name).await.map(Response::new)
    }

    async fn set_countries(&self, request: Request<api::SetCountriesRequest>) -> Reply<api::CountryRules> {
        let (request, caller) = self.open(request).await?;
        countries::set(&self.client, request, &caller).await.map(Response::new)
    }

    async fn clear_countries(&self, request: Request<api::ClearCountriesRequest>) -> Reply<api::CountryRules> {
        let (request, caller) = self.open(request).await?;
        countries::clear(&self.client, request, &caller).await.map(Response::new)
    }

    async fn get_filtering(&self, request: Request<api::GetFilteringRequest>) -> Reply<api::FilteringRules> {
        let (request, _) = self.open(request).await?;
        filtering::get(&self.client, &request.name).await.map(Response::new)
    }

    async fn set_filtering(&self, request: Request<api::SetFilteringRequest>) -> Reply<api::FilteringRules> {
        let (request, caller) = self.open(request).await?;
        filtering::set(&self.client, request, &caller).await.map(Response::new)
    }

    async fn clear_filtering(&self, request: Request<api::ClearFilteringRequest>) -> Reply<api::FilteringRules> {
        let (request, caller) = self.open(request).await?;
        filtering::clear(&self.client, request, &caller).await.map(Response::new)
    }

    async fn put_alias(&self, request: Request<api::PutAliasRequest>) -> Reply<api::Alias> {
        let (request, caller) = self.open(request).await?;
        aliases::put(&self.client, request, &caller).await.map(Response::new)
    }

    async fn list_aliases(&self, request: Request<api::ListAliasesRequest>) -> Reply<api::ListAliasesResponse> {
        let (request, _) = self.open(request).await?;
        aliases::list(&self.client, request).await.map(Response::new)
    }

    async fn delete_alias(&self, request: Request<api::DeleteAliasRequest>) -> Reply<api::DeleteResponse> {
        let (request, caller) = self.open(request).await?;
        aliases::delete(&self.client, request, &caller).await.map(Response::new)
    }

    async fn put_plan(&self, request: Request<api::PutPlanRequest>) -> Reply<api::Plan> {
        let (request, caller) = self.open(request).await?;
        plans::put(&self.client, request, &caller).await.map(Response::new)
    }

    async fn list_plans(&self, request: Request<api::ListPlansRequest>) -> Reply<api::ListPlansResponse> {
        self.open(request).await?;
        plans::list(&self.client).await.map(Response::new)
    }

    async fn delete_plan(&self, request: Request<api::DeletePlanRequest>) -> Reply<api::DeleteResponse> {
        let (request, caller) = self.open(request).await?;
        plans::delete(&self.client, request, &caller).await.map(Response::new)
    }

    async fn get_usage(&self, request: Request<api::GetUsageRequest>) -> Reply<api::UsageReport> {
        let (request, _) = self.open(request).await?;
        usage::get(&self.client, &request.name).await.map(Response::new)
    }

    async fn verify_usage(&self, request: Request<api::GetUsageRequest>) -> Reply<api::VerifyUsageResponse> {
        let (request, _) = self.open(request).await?;
        usage::verify(&self.client, &request.name).await.map(Response::new)
    }

    async fn list_queue(&self, request: Request<api::ListQueueRequest>) -> Reply<api::ListQueueResponse> {
        let (request, _) = self.open(request).await?;
        queue::list(&self.client, request).await.map(Response::new)
    }

    async fn get_queued_message(&self, request: Request<api::GetQueuedMessageRequest>) -> Reply<api::QueuedMessage> {
        let (request, _) = self.open(request).await?;
        queue::get(&self.client, &request.id).await.map(Response::new)
    }

    async fn control_queue(&self, request: Request<api::ControlQueueRequest>) -> Reply<api::ControlQueueResponse> {
        let (request, caller) = self.open(request).await?;
        queue::control(&self.client, request, &caller).await.map(Response::new)
    }

    async fn summarize_queue(
        &self,
        request: Request<api::SummarizeQueueRequest>,
    ) -> Reply<api::SummarizeQueueResponse> {
        let (request, _) = self.open(request).await?;
        queue::summary(&self.client, request).await.map(Response::new)
    }

    async fn list_events(&self, request: Request<api::ListEventsRequest>) -> Reply<api::ListEventsResponse> {
        let (request, _) = self.open(request).await?;
        queue::events(&self.client, request).await.map(Response::new)
    }

    async fn search_mail_log(&self, request: Request<api::SearchMailLogRequest>) -> Reply<api::SearchMailLogResponse> {
        let (request, _) = self.open(request).await?;
        mail_log::search(&self.client, request).await.map(Response::new)
    }

    async fn list_received_reports(
        &self,
        request: Request<api::ListReceivedReportsRequest>,
    ) -> Reply<api::ListReceivedReportsResponse> {
        let (request, _) = self.open(request).await?;
        reports::received(&self.client, &request).await.map(Response::new)
    }

    async fn send_reports(&self, request: Request<api::SendReportsRequest>) -> Reply<api::SendReportsResponse> {
        let (_, caller) = self.open(request).await?;
        reports::send(&self.client, &caller).await.map(Response::new)
    }

    async fn suspend_queue(&self, request: Request<api::SuspendQueueRequest>) -> Reply<api::QueueSuspension> {
        let (request, caller) = self.open(request).await?;
        queue::suspensions::suspend(&self.client, request, &caller).await.map(Response::new)
    }

    async fn resume_queue(&self, request: Request<api::ResumeQueueRequest>) -> Reply<api::DeleteResponse> {
        let (request, caller) = self.open(request).await?;
        queue::suspensions::resume(&self.client, request, &caller).await.map(Response::new)
    }

    async fn list_queue_suspensions(
        &self,
        request: Request<api::ListQueueSuspensionsRequest>,
    ) -> Reply<api::ListQueueSuspensionsResponse> {
        self.open(request).await?;
        queue::suspensions::list(&self.client).await.map(Response::new)
    }

    async fn list_nodes(&self, request: Request<api::ListNodesRequest>) -> Reply<api::ListNodesResponse> {
        self.open(request).await?;
        cluster::nodes(&self.client).await.map(Response::new)
    }

    async fn list_groups(&self, request: Request<api::ListGroupsRequest>) -> Reply<api::ListGroupsResponse> {
        self.open(request).await?;
        cluster::groups(&self.client).await.map(Response::new)
    }

    async fn put_node(&self, request: Request<api::PutNodeRequest>) -> Reply<api::Node> {
        let (request, caller) = self.open(request).await?;
        membership::put_node(&self.client, request, &caller).await.map(Response::new)
    }

    async fn remove_node(&self, request: Request<api::RemoveNodeRequest>) -> Reply<api::DeleteResponse> {
        let (request, caller) = self.open(request).await?;
        membership::remove_node(&self.client, request, &caller).await.map(Response::new)
    }

    async fn move_replica(&self, request: Request<api::MoveReplicaRequest>) -> Reply<api::MembershipProgress> {
        let (request, caller) = self.open(request).await?;
        membership::move_replica(&self.client, request, &caller).await.map(Response::new)
    }

    async fn readmit_node(&self, request: Request<api::ReadmitNodeRequest>) -> Reply<api::MembershipProgress> {
        let (request, _) = self.open(request).await?;
        membership::readmit(&self.client, request.id).await.map(Response::new)
    }

    async fn list_tokens(&self, request: Request<api::ListTokensRequest>) -> Reply<api::ListTokensResponse> {
        self.open(request).await?;
        tokens::list(&self.client).await.map(Response::new)
    }

    async fn create_token(&self, request: Request<api::CreateTokenRequest>) -> Reply<api::CreateTokenResponse> {
        let (request, caller) = self.open(request).await?;
        tokens::create(&self.client, request, &caller).await.map(Response::new)
    }

    async fn revoke_token(&self, request: Request<api::RevokeTokenRequest>) -> Reply<api::RevokeTokenResponse> {
        let (request, caller) = self.open(request).await?;
        tokens::revoke(&self.client, request, &caller).await.map(Response::new)
    }
}
