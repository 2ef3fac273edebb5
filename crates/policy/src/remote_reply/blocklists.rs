//! Public blocklists by the names they have in replies, and where an operator looks an address up (WEBL-10).
//!
//! A name counts wherever it stands in a reply: receivers cite the list's host name, its web page, or the operator's name.

/// A public blocklist or reputation service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocklist {
    /// Its operator's name for it.
    pub name: &'static str,
    /// Where addresses are looked up and removal is asked for.
    pub lookup_url: &'static str,
    /// What is on it.
    pub holds: Holds,
    /// How replies name it, in lower case.
    marks: &'static [&'static str],
}

/// What is on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Addresses that mail comes from.
    Addresses,
    /// Domains that messages name: another source address would fare no better.
    Domains,
}

const fn list(name: &'static str, lookup_url: &'static str, marks: &'static [&'static str]) -> Blocklist {
    Blocklist { name, lookup_url, holds: Holds::Addresses, marks }
}

const fn domains(name: &'static str, lookup_url: &'static str, marks: &'static [&'static str]) -> Blocklist {
    Blocklist { holds: Holds::Domains, ..list(name, lookup_url, marks) }
}

/// Special names first: Spamhaus runs several lists.
static LISTS: &[Blocklist] = &[
    list("Spamhaus PBL", "https://check.spamhaus.org/", &["pbl.spamhaus.org", "spamhaus.org/pbl"]),
    list("Spamhaus XBL", "https://check.spamhaus.org/", &["xbl.spamhaus.org", "cbl.abuseat.org"]),
    list(
        "Spamhaus SBL",
        "https://check.spamhaus.org/",
        &["//sbl.spamhaus.org", " sbl.spamhaus.org", "spamhaus.org/sbl"],
    ),
    domains("Spamhaus DBL", "https://check.spamhaus.org/", &["dbl.spamhaus.org", "spamhaus.org/dbl"]),
    list("Spamhaus", "https://check.spamhaus.org/", &["spamhaus"]),
    list("SpamCop", "https://www.spamcop.net/bl.shtml", &["spamcop"]),
    list("Barracuda", "https://www.barracudacentral.org/lookups", &["barracuda"]),
    list("Proofpoint", "https://ipcheck.proofpoint.com/", &["proofpoint.com", "ipcheck.proofpoint"]),
    list("Cloudmark CSI", "https://csi.cloudmark.com/en/reset/", &["cloudmark"]),
    list("Abusix", "https://lookup.abusix.com/", &["abusix"]),
    list("UCEPROTECT", "https://www.uceprotect.net/en/rblcheck.php", &["uceprotect"]),
    list(
        "Trend Micro ERS",
        "https://servicecentral.trendmicro.com/en-us/ers/ip-lookup/",
        &["mail-abuse.com", "trendmicro.com"],
    ),
    list(
        "Cisco Talos",
        "https://talosintelligence.com/reputation_center",
        &["talosintelligence", "senderbase", "ironport.com"],
    ),
    list("Validity", "https://senderscore.org/", &["senderscore", "returnpath", "validity.com"]),
    list("SpamRATS", "https://www.spamrats.com/lookup.php", &["spamrats"]),
    list("PSBL", "https://psbl.org/", &["psbl.surriel", "psbl.org"]),
    list("Mailspike", "https://mailspike.org/iplookup.html", &["mailspike"]),
    domains("SURBL", "https://surbl.org/surbl-analysis", &["surbl"]),
    list("invaluement", "https://www.invaluement.com/lookup/", &["invaluement"]),
    list("SORBS", "https://www.sorbs.net/", &["sorbs.net"]),
    list("0Spam", "https://0spam.org/", &["0spam"]),
    list("DroneBL", "https://dronebl.org/lookup", &["dronebl"]),
    list("Backscatterer", "https://www.backscatterer.org/", &["backscatterer"]),
    list(
        "NiX Spam",
        "https://www.heise.de/ix/NiX-Spam-DNSBL-and-blacklist-for-download-499637.html",
        &["ix.dnsbl.manitu", "nixspam"],
    ),
];

/// The list that a reply names; `text` in lower case.
pub(super) fn named_in(text: &str) -> Option<&'static Blocklist> {
    LISTS.iter().find(|list| list.marks.iter().any(|mark| text.contains(mark)))
}
