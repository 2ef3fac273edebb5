//! `yubin ctl reports`: reports to other domains.

use yubin_proto::r#gen::admin as api;

use super::args::ReportsVerb;
use super::connection::Connection;
use super::show::{Form, Shown as _};

/// Carries out a verb and returns what to print.
pub(super) async fn reports(mut api: Connection, verb: ReportsVerb, form: Form) -> anyhow::Result<String> {
    match verb {
        ReportsVerb::Send => Ok(api.send_reports(api::SendReportsRequest {}).await?.into_inner().shown(form)),
    }
}
