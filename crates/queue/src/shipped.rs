//! Profiles of receivers that ship with the program: what they publish, and careful guesses where they publish nothing.
//!
//! Numbers with a source are the receiver's own words. Deliveries at a time, per minute and pauses have none unless it is named: receivers keep
//! them to themselves and let them depend on a sender's reputation. They are set low enough for a sender that nobody knows yet; who has a
//! name there raises them in the configuration. No published bound is exceeded by any of them.

use yubin_types::DomainName;

use crate::profile::{Family, KnownBy, Profile};

/// A profile as data.
#[derive(Debug)]
pub(crate) struct Shipped {
    pub(crate) name: &'static str,
    pub(crate) domains: &'static [&'static str],
    pub(crate) mx_hosts: &'static [&'static str],
    deliveries_max: u32,
    per_minute_max: u32,
    recipients_per_transaction_max: usize,
    transactions_per_connection_max: u32,
    pause_seconds: u64,
    pause_seconds_max: u64,
}

/// All of them.
pub(crate) const SHIPPED: &[Shipped] = &[
    Shipped {
        name: "docomo",
        domains: &["docomo.ne.jp"],
        mx_hosts: &["docomo.ne.jp"],
        // "An appropriate number of SMTP sessions", "a few messages at a time": no numbers.
        // https://www.docomo.ne.jp/service/imode_mail/notice/mass_send/
        deliveries_max: 4,
        per_minute_max: 300,
        // Same page: at most 100 recipients per SMTP session; with more, 554 and the end of the session. One transaction with 100, or ten
        // with 10: the session is what counts.
        recipients_per_transaction_max: 10,
        transactions_per_connection_max: 10,
        pause_seconds: 300,
        pause_seconds_max: 3_600,
    },
    Shipped {
        name: "au",
        domains: &["au.com", "ezweb.ne.jp", "biz.au.com", "uqmobile.jp"],
        mx_hosts: &["au.com", "ezweb.ne.jp"],
        // Forbidden: many sessions at once, sessions held for long, very many messages in a short time. No thresholds are told, on purpose:
        // https://www.au.com/mobile/service/attention/faq/
        deliveries_max: 4,
        per_minute_max: 300,
        // At most 100 recipients per message: https://www.au.com/mobile/service/attention/specification/
        recipients_per_transaction_max: 100,
        transactions_per_connection_max: 10,
        // A congested server answers with a TCP reset (same page).
        pause_seconds: 300,
        pause_seconds_max: 3_600,
    },
    Shipped {
        name: "softbank",
        domains: &["softbank.ne.jp", "i.softbank.jp", "vodafone.ne.jp", "ymobile.ne.jp", "ymobile1.ne.jp"],
        mx_hosts: &["softbank.ne.jp", "softbank.jp"],
        // "Take time when sending"; many unknown recipients block a sender for a while. No numbers:
        // https://www.softbank.jp/mobile/support/antispam/wrestle/
        deliveries_max: 4,
        per_minute_max: 300,
        // At most 100 RCPT per message ("Notes on sending" of the operator's technical pages, since 2005).
        recipients_per_transaction_max: 100,
        transactions_per_connection_max: 10,
        pause_seconds: 300,
        pause_seconds_max: 3_600,
    },
    Shipped {
        name: "yahoo-japan",
        domains: &["yahoo.co.jp", "ybb.ne.jp"],
        mx_hosts: &["yahoo.co.jp"],
        // Nothing is published. Its former namesake ends a connection after 20 messages; that is kept to here, too.
        deliveries_max: 5,
        per_minute_max: 600,
        recipients_per_transaction_max: 50,
        transactions_per_connection_max: 20,
        pause_seconds: 300,
        pause_seconds_max: 7_200,
    },
    Shipped {
        name: "gmail",
        domains: &["gmail.com", "googlemail.com"],
        // Google Workspace: a customer's domain points here.
        mx_hosts: &["google.com", "googlemail.com"],
        // No fixed rates: they follow from the reputation of address and domain; "start low, slow down when 4.7.28 comes":
        // https://support.google.com/a/answer/81126
        deliveries_max: 10,
        per_minute_max: 1_200,
        recipients_per_transaction_max: 50,
        transactions_per_connection_max: 50,
        pause_seconds: 120,
        pause_seconds_max: 3_600,
    },
    Shipped {
        name: "microsoft",
        domains: &["outlook.com", "outlook.jp", "hotmail.com", "hotmail.co.jp", "live.com", "live.jp", "msn.com"],
        // Exchange Online: a customer's domain points to mail.protection.outlook.com or mx.microsoft.
        mx_hosts: &["protection.outlook.com", "mx.microsoft"],
        // "No more than 500 simultaneous connections" (policies of Outlook.com's postmaster page, https://sendersupport.olc.protection.outlook.com/pm/).
        // A sender without history is throttled far below that (4.7.650 to 4.7.652).
        deliveries_max: 10,
        per_minute_max: 1_200,
        recipients_per_transaction_max: 100,
        transactions_per_connection_max: 50,
        pause_seconds: 120,
        pause_seconds_max: 3_600,
    },
];

impl From<&Shipped> for Profile {
    fn from(shipped: &Shipped) -> Profile {
        let names = |names: &[&str]| names.iter().filter_map(|name| DomainName::parse(name).ok()).collect();
        Profile {
            name: shipped.name.to_owned(),
            domains: names(shipped.domains),
            mx_hosts: names(shipped.mx_hosts),
            deliveries_max: shipped.deliveries_max,
            per_minute_max: shipped.per_minute_max,
            recipients_per_transaction_max: shipped.recipients_per_transaction_max,
            transactions_per_connection_max: shipped.transactions_per_connection_max,
            pause_seconds: shipped.pause_seconds,
            pause_seconds_max: shipped.pause_seconds_max,
            prefers: Family::V4,
            known_by: KnownBy::Profile,
        }
    }
}
