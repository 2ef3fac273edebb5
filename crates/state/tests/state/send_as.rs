//! In whose names accounts may send: granted, revoked, good for what the name stood for, gone with the account.

use yubin_state::command::DomainCommand;
use yubin_state::sending::{NameHolder, SendAsGrant, SenderRight, SendingCommand};
use yubin_state::{Answer, Query, Reply};
use yubin_types::{Address, DomainId, LocalPart, Refusal, SenderName, limits};

use crate::lab::{D1, D2, Lab, local, plan, verifiers};

const ELSEWHERE: DomainId = DomainId(99);

impl Lab {
    fn holder(&self, id: DomainId, name: Option<&str>) -> Answer {
        self.ask(id, &Query::NameHolder(name.map(local)))
    }

    /// As the administration does it: what the name stands for is asked first.
    fn grant(&mut self, account: &str, name: &str) -> Reply {
        let asked = match name.strip_suffix("@one.example") {
            Some("") => None,
            Some(local) => Some(local),
            None => panic!("{name} is not of the domain"),
        };
        let Answer::NameHolder(holder) = self.holder(D1, asked) else { panic!("{name} does not exist") };
        self.grant_held(account, name, (D1, holder))
    }

    fn grant_held(&mut self, account: &str, name: &str, (domain, holder): (DomainId, NameHolder)) -> Reply {
        let name = SenderName::parse(name).unwrap();
        let grant = SendingCommand::GrantSendAs { local: local(account), name, domain, holder };
        self.domain(DomainCommand::Sending(grant))
    }

    fn revoke(&mut self, account: &str, name: &str) -> Reply {
        let name = SenderName::parse(name).unwrap();
        self.domain(DomainCommand::Sending(SendingCommand::RevokeSendAs { local: local(account), name }))
    }

    fn grants(&self, account: &str) -> Vec<String> {
        match self.ask(D1, &Query::SendAs(local(account))) {
            Answer::SendAs(grants) => grants.iter().map(|grant| grant.name.to_string()).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn right(&self, account: &str, sender: &str) -> SenderRight {
        let sender = Some(Address::parse(sender).unwrap());
        match self.ask(D1, &Query::Sending { login: self.login(account), sender, now: self.now }) {
            Answer::Sending { right, .. } => right,
            other => panic!("{other:?}"),
        }
    }

    fn may(&self, account: &str, sender: &str) -> bool {
        self.right(account, sender) != SenderRight::Missing
    }

    fn alias(&mut self, name: &str, target: &str) {
        let put = DomainCommand::PutAlias { local: local(name), targets: vec![local(target)] };
        assert_eq!(self.domain(put), Reply::Done);
    }

    fn delete(&mut self, account: &str) {
        let gone = self.domain(DomainCommand::DeleteAccount { local: local(account) });
        assert!(matches!(gone, Reply::Progress { .. }), "{gone:?}");
    }
}

#[test]
fn a_right_is_to_one_name_or_to_a_whole_domain_and_ends_when_it_is_revoked() {
    let mut lab = Lab::new();
    lab.account("ann");
    lab.account("bob");
    lab.alias("info", "bob");
    for sender in ["bob@one.example", "info@one.example", "any@one.example"] {
        assert!(!lab.may("ann", sender), "{sender}");
    }
    assert_eq!(lab.grant("ann", "info@one.example"), Reply::Done);
    assert!(lab.may("ann", "Info@one.example") && !lab.may("ann", "info+x@one.example"));
    assert!(!lab.may("ann", "bob@one.example"));
    assert_eq!(lab.grant("ann", "@one.example"), Reply::Done);
    assert!(lab.may("ann", "any@one.example") && !lab.may("ann", "any@two.example"));
    assert_eq!(lab.right("ann", "ann@one.example"), SenderRight::Own(local("ann")), "its own needs no right");
    assert!(!lab.may("bob", "ann@one.example"), "nobody else has it");

    assert_eq!(lab.revoke("ann", "@ONE.example"), Reply::Done);
    assert_eq!(lab.grants("ann"), ["info@one.example"]);
    assert!(lab.may("ann", "info@one.example") && !lab.may("ann", "any@one.example"));
    assert_eq!(lab.revoke("ann", "INFO@one.example"), Reply::Done);
    assert!(!lab.may("ann", "info@one.example"));
    let missing = lab.revoke("ann", "info@one.example");
    assert!(matches!(missing, Reply::Refused(Refusal::NotFound { .. })), "{missing:?}");
    assert_eq!(
        lab.grant_held("nobody", "@one.example", (D1, NameHolder::Domain)),
        Reply::Refused(Refusal::NoSuchAccount)
    );
}

#[test]
fn a_right_to_a_name_that_is_gone_does_nothing_whoever_has_the_name_next() {
    let mut lab = Lab::new();
    lab.account("ann");
    lab.account("bob");
    lab.alias("info", "bob");
    lab.grant("ann", "bob@one.example");
    lab.grant("ann", "info@one.example");
    lab.delete("bob");
    assert!(!lab.may("ann", "bob@one.example"));
    assert!(lab.may("ann", "info@one.example"), "an alias is there as long as nobody removes it");
    lab.account("bob");
    assert!(!lab.may("ann", "bob@one.example"), "another account of the same name");
    assert_eq!(lab.domain(DomainCommand::RemoveAlias { local: local("info") }), Reply::Done);
    assert!(!lab.may("ann", "info@one.example"));
    lab.account("info");
    assert!(!lab.may("ann", "info@one.example"), "an account where there was an alias");
    assert_eq!(lab.grants("ann"), ["bob@one.example", "info@one.example"], "they are still shown");
    assert_eq!(lab.grant("ann", "bob@one.example"), Reply::Done);
    assert!(lab.may("ann", "bob@one.example"), "granted anew");
    assert_eq!(lab.grants("ann").len(), 2);

    lab.delete("ann");
    lab.account("ann");
    assert_eq!(lab.grants("ann"), [""; 0], "a new account has no right of an old one");
    assert!(!lab.may("ann", "bob@one.example"));
}

/// What it stands for is for that domain's group to say.
#[test]
fn a_right_in_another_domain_is_told_as_it_was_granted() {
    let mut lab = Lab::new();
    lab.account("ann");
    let held = (ELSEWHERE, NameHolder::Account(yubin_types::AccountId(7)));
    assert_eq!(lab.grant_held("ann", "info@two.example", held), Reply::Done);
    let SenderRight::Granted(grant) = lab.right("ann", "info@two.example") else { panic!() };
    let SendAsGrant { name, domain, holder, .. } = *grant;
    assert_eq!((name.to_string().as_str(), domain, holder), ("info@two.example", held.0, held.1));
    assert!(!lab.may("ann", "other@two.example"));
    // One to a domain of this name that was here before says nothing about this one.
    assert_eq!(lab.grant_held("ann", "@one.example", (ELSEWHERE, NameHolder::Domain)), Reply::Done);
    assert!(!lab.may("ann", "any@one.example"));
}

#[test]
fn a_domain_says_what_its_names_stand_for() {
    let mut lab = Lab::new();
    lab.create_domain(D2, "two.example", plan());
    lab.account_in(D2, "bob");
    let Answer::NameHolder(NameHolder::Account(_)) = lab.holder(D2, Some("Bob")) else { panic!() };
    assert_eq!(lab.holder(D2, None), Answer::NameHolder(NameHolder::Domain));
    for name in ["nobody", "bob+x"] {
        assert_eq!(lab.holder(D2, Some(name)), Answer::Refused(Refusal::NoSuchRecipient), "{name}");
    }
    let suspend = DomainCommand::Suspend { reason: "unpaid".to_owned() };
    assert_eq!(lab.run(D2, yubin_state::Command::Domain(suspend)), Reply::Done);
    for name in [Some("bob"), None] {
        let refused = lab.holder(D2, name);
        assert!(matches!(refused, Answer::Refused(Refusal::DomainSuspended { .. })), "{refused:?}");
    }
}

#[test]
fn rights_are_bounded() {
    let mut lab = Lab::new();
    lab.account("ann");
    let create = DomainCommand::CreateAccount { local: local("bob"), verifiers: verifiers(1), quota: None };
    lab.domain(create);
    for number in 0..limits::SEND_AS_MAX {
        let name = format!("n{number}@two.example");
        assert_eq!(lab.grant_held("ann", &name, (ELSEWHERE, NameHolder::Alias)), Reply::Done);
    }
    let more = lab.grant("ann", "bob@one.example");
    assert!(matches!(more, Reply::Refused(Refusal::TooMany { .. })), "{more:?}");
    assert_eq!(
        lab.grant_held("ann", "n0@two.example", (ELSEWHERE, NameHolder::Domain)),
        Reply::Done,
        "in place of one"
    );
    let own: LocalPart = local("bob");
    let Answer::NameHolder(holder) = lab.ask(D1, &Query::NameHolder(Some(own))) else { panic!() };
    let pointless = lab.grant_held("bob", "bob@one.example", (D1, holder));
    assert!(matches!(pointless, Reply::Refused(Refusal::InvalidValue { .. })), "{pointless:?}");
}
