//! What the directory answers.

use yubin_types::{Refusal, limits};

use crate::keys::{self, Span};
use crate::kv::View;
use crate::query::{Answer, Query};
use crate::stop::Outcome;
use crate::table::{Read as _, go_on_while};

pub(super) fn answer<V: View>(view: &V, query: &Query) -> Outcome<Answer, V::Error> {
    match query {
        Query::ResolveDomain(name) => {
            let id = view.row(&keys::directory_name(name))?.ok_or(Refusal::NoSuchDomain)?;
            let domain = view.row(&keys::directory_domain(id))?.ok_or(Refusal::NoSuchDomain)?;
            Ok(Answer::DirectoryDomain(domain))
        }
        Query::Domains { after, limit } => {
            let mut names = keys::directory_names();
            if let Some(after) = after {
                names = names.after(keys::directory_name(after).bytes());
            }
            let limit = (*limit as usize).min(limits::PAGE_SIZE_MAX);
            let mut domains = Vec::new();
            for (_, id) in view.first_rows(&names, limit)? {
                domains.extend(view.row(&keys::directory_domain(id))?);
            }
            Ok(Answer::DirectoryDomains(domains))
        }
        Query::Nodes => {
            let nodes = all(view, &keys::nodes())?;
            Ok(Answer::Nodes(nodes.into_iter().flatten().collect()))
        }
        Query::Groups => Ok(Answer::Groups(all(view, &keys::groups())?)),
        Query::Plans => Ok(Answer::Plans(all(view, &keys::plans())?)),
        Query::Tokens => Ok(Answer::Tokens(all(view, &keys::tokens())?)),
        Query::Setting(key) => Ok(Answer::Setting(view.row(&keys::setting(key))?)),
        Query::QueueSuspensions => Ok(Answer::QueueSuspensions(all(view, &keys::queue_suspensions())?)),
        _ => Err(Refusal::Unsupported.into()),
    }
}

fn all<V: View, R: serde::de::DeserializeOwned>(view: &V, span: &Span<R>) -> Outcome<Vec<R>, V::Error> {
    let mut rows = Vec::new();
    view.each(span, |_, row| {
        rows.push(row);
        go_on_while(true)
    })?;
    Ok(rows)
}
