//! Whom the From field of a user's message names, and whether the login may send as them ([`yubin_policy::author`]).
//!
//! Their domains are those in whose names the message is signed, so that it is aligned (RFC 7489 §3.1) whatever its envelope says.
//!
//! Asked when the whole message has come, whoever it goes to and whatever the envelope sender is, the null one included. An author that is
//! the envelope sender costs no question. A header that is longer than what other servers may send is refused: nobody reads it to its end.

use yubin_message::{OriginatorError, Originators};
use yubin_policy::author::{self, AuthorDenial, AuthorRule, AuthorStanding};
use yubin_policy::refusal_text;
use yubin_session::smtp::Listener;
use yubin_types::{Address, DomainName, SmtpReply};

use super::deliver::Complete;
use super::{SmtpRim, Transaction, edit, unavailable};
use crate::auth::Identity;

impl SmtpRim {
    /// May the login send a message with these authors? The domains of those that it may send as.
    pub(super) async fn admit_authors(
        &self,
        transaction: &Transaction,
        complete: &Complete,
    ) -> Result<Vec<DomainName>, SmtpReply> {
        let config = &self.connection.shared.config.authors;
        let Some(identity) = self.identity.as_ref().filter(|_| self.listener == Listener::Submission) else {
            return Ok(Vec::new());
        };
        if config.rule == AuthorRule::Off || config.exempt.iter().any(|name| name.covers(&identity.address)) {
            return Ok(Vec::new());
        }
        let named = Originators::read(&edit::open(&complete.spooled).await?.header);
        let (judged, usable) = self.judge(config.rule, identity, transaction, &named).await?;
        let Err(denial) = judged else { return Ok(usable) };
        if config.rule == AuthorRule::Sender
            && matches!(denial, AuthorDenial::NotOwned(_))
            && self.is_sent_for(identity, transaction, &named).await?
        {
            return Ok(usable);
        }
        self.connection.shared.metrics.reject("author");
        tracing::info!(user = %identity.address, result = ?denial, "message refused for its authors");
        Err(refusal_text::author(&denial, &identity.address))
    }

    /// The verdict, and the domains of authors that the login may send as.
    async fn judge(
        &self,
        rule: AuthorRule,
        identity: &Identity,
        transaction: &Transaction,
        named: &Originators,
    ) -> Result<(Result<(), AuthorDenial>, Vec<DomainName>), SmtpReply> {
        let nobody = |judged| Ok((judged, Vec::new()));
        let authors = match named.from.as_slice() {
            [] if named.sender.is_none() => return nobody(author::admit_anonymous(rule)),
            [] => return nobody(Err(AuthorDenial::Missing)),
            [Ok(authors)] if !authors.is_empty() => authors,
            [Ok(_) | Err(OriginatorError::Unreadable)] => return nobody(Err(AuthorDenial::Unreadable)),
            [Err(OriginatorError::TooMany)] => return nobody(Err(AuthorDenial::TooMany)),
            [_, _, ..] => return nobody(Err(AuthorDenial::Several)),
        };
        let mut standings = Vec::with_capacity(authors.len());
        for author in authors {
            standings.push((author.clone(), self.standing(identity, transaction, author).await?));
        }
        let usable = standings.iter().filter(|(_, standing)| *standing == AuthorStanding::Usable);
        let domains = usable.map(|(author, _)| author.domain.clone()).collect();
        Ok((author::admit(rule, &standings), domains))
    }

    /// Does the login say itself that it sends for the author?
    async fn is_sent_for(
        &self,
        identity: &Identity,
        transaction: &Transaction,
        named: &Originators,
    ) -> Result<bool, SmtpReply> {
        let Some(Ok(senders)) = &named.sender else { return Ok(false) };
        for sender in senders {
            if self.standing(identity, transaction, sender).await? != AuthorStanding::Usable {
                return Ok(false);
            }
        }
        Ok(!senders.is_empty())
    }

    async fn standing(
        &self,
        identity: &Identity,
        transaction: &Transaction,
        author: &Address,
    ) -> Result<AuthorStanding, SmtpReply> {
        let is = |other: &Address| other.domain == author.domain && other.local.key() == author.local.key();
        if transaction.sender.path().address().is_some_and(is) {
            return Ok(AuthorStanding::Usable);
        }
        let hosted = self.connection.shared.store.resolve_destination(&author.domain).await;
        if hosted.map_err(|error| unavailable(&error))?.is_none() {
            return Ok(AuthorStanding::Elsewhere);
        }
        let usable = self.may_send_as(identity, author).await?;
        Ok(if usable { AuthorStanding::Usable } else { AuthorStanding::NotOwned })
    }
}
