//! What is done with mail from other servers: set for domains and accounts, told with each recipient, gone with its account.

use yubin_state::command::DomainCommand;
use yubin_state::record::Plan;
use yubin_state::{Answer, Query, Reply};
use yubin_types::{
    DmarcHandling, Filtering, FilteringRules, Refusal, ReverseDnsRule, SenderPattern, SpamFilter, SpamHandling,
    SpamRules,
};

use crate::lab::{D1, Lab, local, plan};

fn spam(handling: SpamHandling) -> SpamRules {
    SpamRules { spam: handling, ..SpamRules::default() }
}

impl Lab {
    fn set_filtering(&mut self, account: Option<&str>, rules: Option<Filtering>) -> Reply {
        self.domain(DomainCommand::SetFiltering { account: account.map(local), rules: rules.map(Box::new) })
    }

    fn filtering(&self, account: Option<&str>) -> FilteringRules {
        match self.ask(D1, &Query::Filtering(account.map(local))) {
            Answer::Filtering(rules) => *rules,
            other => panic!("{other:?}"),
        }
    }

    fn filtering_of_recipient(&self, name: &str) -> Option<Filtering> {
        match self.ask(D1, &Query::Recipient { local: local(name), bytes: None }) {
            Answer::Recipient(facts) => facts.filtering.map(|filtering| *filtering),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_recipient_tells_the_rules_of_its_account_or_else_of_its_domain() {
    let mut lab = Lab::new();
    lab.account("ann");
    lab.account("bob");
    let targets = vec![local("ann"), local("bob")];
    lab.domain(DomainCommand::PutAlias { local: local("all"), targets });
    lab.domain(DomainCommand::PutAlias { local: local("anna"), targets: vec![local("ann")] });
    assert_eq!(lab.filtering_of_recipient("ann"), None);
    let nothing = Filtering::default();
    let of_domain =
        Filtering { dmarc: Some(DmarcHandling::Junk), spam: Some(spam(SpamHandling::Reject)), ..nothing.clone() };
    let deny = vec![SenderPattern::parse("x.example").unwrap()];
    let own = SpamRules { filter: SpamFilter::Off, deny, ..spam(SpamHandling::Inbox) };
    let of_ann = Filtering { spam: Some(own.clone()), ..nothing };
    assert_eq!(lab.set_filtering(None, Some(of_domain.clone())), Reply::Done);
    assert_eq!(lab.set_filtering(Some("ann"), Some(of_ann.clone())), Reply::Done);
    lab.check();
    let both = FilteringRules { account: Some(of_ann), domain: Some(of_domain.clone()), plan_reverse_dns: None };
    assert_eq!(lab.filtering(Some("ann")), both);
    assert_eq!(lab.filtering(None), FilteringRules { account: None, ..both });
    let in_force = Filtering { spam: Some(own), ..of_domain.clone() };
    assert_eq!(lab.filtering_of_recipient("ann"), Some(in_force.clone()));
    assert_eq!(lab.filtering_of_recipient("ANNA"), Some(in_force));
    assert_eq!(lab.filtering_of_recipient("bob"), Some(of_domain.clone()));
    assert_eq!(lab.filtering_of_recipient("all"), Some(of_domain.clone()), "several accounts");

    assert!(matches!(lab.domain(DomainCommand::DeleteAccount { local: local("ann") }), Reply::Progress { .. }));
    lab.account("ann");
    assert_eq!(lab.filtering_of_recipient("ann"), Some(of_domain), "a new account has no rules of an old one");
    assert_eq!(lab.set_filtering(None, None), Reply::Done);
    assert_eq!((lab.filtering(None), lab.filtering_of_recipient("ann")), (FilteringRules::default(), None));
    lab.check();
}

#[test]
fn rules_that_can_not_be_are_refused() {
    let mut lab = Lab::new();
    lab.account("ann");
    let tagged = SpamRules { subject_tag: " tag ".to_owned(), ..SpamRules::default() };
    let nothing = Filtering::default();
    let dmarc = Filtering { dmarc: Some(DmarcHandling::Report), ..nothing.clone() };
    for (account, rules) in [(None, Filtering { spam: Some(tagged), ..nothing }), (Some("ann"), dmarc.clone())] {
        let refused = lab.set_filtering(account, Some(rules));
        assert!(matches!(refused, Reply::Refused(Refusal::InvalidValue { .. })), "{refused:?}");
    }
    assert_eq!(lab.set_filtering(Some("nobody"), None), Reply::Refused(Refusal::NoSuchAccount));
    assert_eq!(lab.set_filtering(None, Some(dmarc)), Reply::Done);
}

/// SONET-09, SONET-10: by account, domain and plan, each before the one after it.
#[test]
fn a_recipient_tells_what_hosts_must_be_called() {
    use ReverseDnsRule::{Accept, Require};
    let mut lab = Lab::with_plan(Plan { reverse_dns: Some(Require), ..plan() });
    lab.account("ann");
    let rule = |lab: &Lab| lab.filtering_of_recipient("ann").and_then(|filtering| filtering.reverse_dns);
    let rules = |rule| Some(Filtering { reverse_dns: Some(rule), ..Filtering::default() });
    assert_eq!(rule(&lab), Some(Require));
    assert_eq!(lab.filtering(None).plan_reverse_dns, Some(Require));
    lab.set_filtering(None, rules(Accept));
    assert_eq!(rule(&lab), Some(Accept));
    lab.set_filtering(Some("ann"), rules(Require));
    assert_eq!(rule(&lab), Some(Require));
    lab.set_filtering(Some("ann"), None);
    lab.set_filtering(None, None);
    let update = DomainCommand::Update { plan: Some(plan()), quota: None, catch_all: None };
    assert_eq!(lab.domain(update), Reply::Done);
    assert_eq!(rule(&lab), None, "another plan says nothing");
}
