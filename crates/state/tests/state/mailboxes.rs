//! CREATE, DELETE, RENAME and subscriptions.

use yubin_state::command::{Login, MailCommand, MaintenanceCommand, Subscription};
use yubin_state::reply::More;
use yubin_state::{Answer, Query, Reply};
use yubin_types::{MailboxName, Refusal, SpecialUse, Usage};

use crate::lab::{D1, How, Lab, name, refused, uids};

fn listed(lab: &Lab, login: Login) -> Vec<String> {
    match lab.ask(D1, &Query::Mailboxes(login)) {
        Answer::Mailboxes { mailboxes, .. } => mailboxes.iter().map(|mailbox| mailbox.name.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

fn subscribed(lab: &Lab, login: Login) -> Vec<MailboxName> {
    match lab.ask(D1, &Query::Mailboxes(login)) {
        Answer::Mailboxes { subscribed, .. } => subscribed,
        other => panic!("{other:?}"),
    }
}

fn delete(lab: &mut Lab, login: Login, mailbox: &str) -> Reply {
    lab.mail(MailCommand::DeleteMailbox { login, name: name(mailbox) })
}

fn rename(lab: &mut Lab, login: Login, from: &str, to: &str) -> Reply {
    lab.mail(MailCommand::RenameMailbox { login, from: name(from), to: name(to) })
}

const NEW: [&str; 6] = ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"];

#[test]
fn a_new_account_has_its_mailboxes_and_is_subscribed_to_them() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    assert_eq!(listed(&lab, ann), NEW);
    assert_eq!(subscribed(&lab, ann), NEW.map(name));
    assert_eq!(lab.select(ann, "Trash").mailbox.special_use, Some(SpecialUse::Trash));
    assert_eq!(lab.select(ann, "INBOX").mailbox.special_use, None);
}

#[test]
fn create_makes_missing_ancestors_once() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    assert!(matches!(lab.create(ann, "a/b/c"), Reply::Mailbox(_)));
    assert_eq!(listed(&lab, ann)[6..], ["a", "a/b", "a/b/c"]);
    for taken in ["a/b", "INBOX", "Sent"] {
        assert_eq!(refused(&lab.create(ann, taken)), &Refusal::MailboxExists);
    }
    let used = MailCommand::CreateMailbox { login: ann, name: name("bin"), special_use: Some(SpecialUse::Trash) };
    assert_eq!(refused(&lab.mail(used)), &Refusal::SpecialUseTaken);
}

#[test]
fn delete_protects_inbox_and_uses_and_asks_for_an_empty_tree() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.create(ann, "a/b");
    for protected in NEW {
        assert_eq!(refused(&delete(&mut lab, ann, protected)), &Refusal::MailboxProtected, "{protected}");
    }
    assert_eq!(refused(&delete(&mut lab, ann, "a")), &Refusal::MailboxHasChildren);
    assert_eq!(refused(&delete(&mut lab, ann, "x")), &Refusal::NoSuchMailbox);
    assert!(matches!(delete(&mut lab, ann, "a/b"), Reply::Progress { more: More::No, .. }));
    assert!(matches!(delete(&mut lab, ann, "a"), Reply::Progress { more: More::No, .. }));
    assert_eq!(listed(&lab, ann), NEW);
}

#[test]
fn a_deleted_mailbox_is_gone_at_once_however_large() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.create(ann, "big");
    for _ in 0..11 {
        lab.append(ann, "big", &[1; 100], &["x"]);
    }
    let (mailbox, old) = (lab.mailbox(ann, "big"), lab.select(ann, "big").mailbox.uid_validity);
    delete(&mut lab, ann, "big");
    assert_eq!(lab.usage("ann"), Usage::default());
    let late = MailCommand::Copy { login: ann, mailbox, uids: uids(&[1_100]), to: name("INBOX") };
    assert_eq!(refused(&lab.mail(late)), &Refusal::NoSuchMailbox);
    lab.create(ann, "big");
    assert!(lab.select(ann, "big").mailbox.uid_validity > old);
    assert_eq!(lab.select(ann, "big").mailbox.messages, 0);
    let reply = lab.maintain(MaintenanceCommand::PurgeVault);
    assert!(matches!(reply, Reply::Progress { more: More::No, .. }), "{reply:?}");
    assert_eq!(lab.vaulted(), 1_100);
}

#[test]
fn rename_takes_the_tree_along_and_keeps_uids_and_uidvalidity() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.create(ann, "a/b");
    lab.append(ann, "a/b", &[1, 2], &[]);
    let before = lab.select(ann, "a/b");
    assert!(matches!(rename(&mut lab, ann, "a", "x/y"), Reply::Mailbox(_)));
    assert_eq!(listed(&lab, ann)[6..], ["x", "x/y", "x/y/b"]);
    let after = lab.select(ann, "x/y/b");
    assert_eq!(after.uids, before.uids);
    assert_eq!(after.mailbox.uid_validity, before.mailbox.uid_validity);
    assert_eq!(
        refused(&rename(&mut lab, ann, "x", "x/y/z")),
        &Refusal::InvalidName { why: "a mailbox can't be moved below itself".to_owned() }
    );
    assert_eq!(refused(&rename(&mut lab, ann, "x", "INBOX")), &Refusal::MailboxExists);
    assert_eq!(refused(&rename(&mut lab, ann, "nope", "z")), &Refusal::NoSuchMailbox);
    let long = "n".repeat(998);
    assert!(matches!(refused(&rename(&mut lab, ann, "x", &long)), Refusal::InvalidName { .. }));
}

/// RFC 9051 §2.3.1.1: under one name UIDVALIDITY only grows.
#[test]
fn uidvalidity_of_a_name_never_goes_back() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    let validity = |lab: &Lab, mailbox| lab.select(ann, mailbox).mailbox.uid_validity;
    lab.create(ann, "old");
    lab.create(ann, "work");
    let work = validity(&lab, "work");
    delete(&mut lab, ann, "work");
    rename(&mut lab, ann, "old", "work");
    assert!(validity(&lab, "work") > work);
    let kept = validity(&lab, "work");
    rename(&mut lab, ann, "work", "elsewhere");
    rename(&mut lab, ann, "elsewhere", "work");
    assert_eq!(validity(&lab, "work"), kept);
}

#[test]
fn a_use_follows_its_mailbox() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    rename(&mut lab, ann, "Junk", "Spam");
    assert_eq!(lab.select(ann, "Spam").mailbox.special_use, Some(SpecialUse::Junk));
    assert_eq!(refused(&delete(&mut lab, ann, "Spam")), &Refusal::MailboxProtected);
    let mut junk = crate::lab::recipient("ann");
    junk.special_use = Some(SpecialUse::Junk);
    lab.run(D1, crate::lab::deliver_to(vec![junk], 1));
    assert_eq!(lab.rows(ann, "Spam").len(), 1);
}

#[test]
fn renaming_inbox_empties_it_into_a_new_mailbox() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.create(ann, "INBOX/sub");
    lab.append(ann, "INBOX", &[1, 2], &["\\Seen"]);
    let usage = lab.usage("ann");
    assert!(matches!(rename(&mut lab, ann, "INBOX", "kept/2026"), Reply::Mailbox(_)));
    assert_eq!((lab.rows(ann, "INBOX").len(), lab.rows(ann, "kept/2026").len()), (0, 2));
    assert_eq!(lab.usage("ann"), usage);
    assert!(listed(&lab, ann).contains(&"INBOX/sub".to_owned()));
    assert_eq!(refused(&rename(&mut lab, ann, "INBOX", "kept/2026")), &Refusal::MailboxExists);
    assert!(matches!(rename(&mut lab, ann, "INBOX", "empty"), Reply::Mailbox(_)));
}

/// What arrives while a large INBOX is being emptied stays there.
#[test]
fn a_large_inbox_is_emptied_in_steps() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    for _ in 0..11 {
        lab.append(ann, "INBOX", &[1; 100], &[]);
    }
    let reply = rename(&mut lab, ann, "INBOX", "old");
    assert!(matches!(reply, Reply::Progress { more: More::Yes, touched: 1_000, .. }), "{reply:?}");
    lab.delivered(&["ann"], 1);
    assert!(matches!(rename(&mut lab, ann, "INBOX", "old"), Reply::Mailbox(_)));
    assert_eq!((lab.rows(ann, "INBOX").len(), lab.rows(ann, "old").len()), (1, 1_100));
}

#[test]
fn a_subscription_needs_no_mailbox_and_outlives_it() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    let mut set = |mailbox: &str, subscription| {
        let command = MailCommand::SetSubscribed { login: ann, name: name(mailbox), subscription };
        assert_eq!(lab.mail(command), Reply::Done);
        subscribed(&lab, ann).contains(&name(mailbox))
    };
    assert!(set("later", Subscription::Subscribed));
    assert!(set("later", Subscription::Subscribed));
    assert!(!set("later", Subscription::Unsubscribed));
    assert!(!set("later", Subscription::Unsubscribed));
    lab.create(ann, "gone");
    let command = MailCommand::SetSubscribed { login: ann, name: name("gone"), subscription: Subscription::Subscribed };
    lab.mail(command);
    delete(&mut lab, ann, "gone");
    assert!(subscribed(&lab, ann).contains(&name("gone")));
}

#[test]
fn a_mailbox_that_moves_keeps_its_messages_reachable_by_id() {
    let mut lab = Lab::new();
    let ann = lab.account("ann");
    lab.create(ann, "a");
    lab.append(ann, "a", &[1], &[]);
    let id = lab.mailbox(ann, "a");
    rename(&mut lab, ann, "a", "b");
    assert_eq!(lab.mailbox(ann, "b"), id);
    assert!(matches!(lab.transfer(ann, "b", &[1], "INBOX", How::Move), Reply::Stored { .. }));
}
