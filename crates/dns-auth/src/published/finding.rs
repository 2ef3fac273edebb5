//! What a check says of one record, as a value that is built up while it is looked at.
//!
//! A finding begins as right; what is wrong, missing or unknown is said to it. What is certainly wrong outweighs what is unknown. Faults come with what to do
//! about them; hints are advice about a record that works.

/// What a check says of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What the record is for.
    pub subject: Subject,
    /// Where it stands, without a final dot.
    pub name: String,
    /// Its type.
    pub kind: RecordType,
    /// What is to be published; empty if nothing of the kind is.
    pub expected: String,
    /// What is published there.
    pub found: Vec<String>,
    /// What follows.
    pub verdict: Verdict,
    /// What is wrong; empty if it is right or absent.
    pub faults: Vec<Advice>,
    /// What could be better.
    pub hints: Vec<Advice>,
}

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Where mail goes (RFC 5321 §5.1).
    Mx,
    /// Who may send (RFC 7208).
    Spf,
    /// A key that signs mail (RFC 6376).
    Dkim,
    /// What becomes of mail that is not the domain's (RFC 9989).
    Dmarc,
    /// That mail must come over TLS (RFC 8461).
    MtaSts,
    /// Where TLS failures are reported (RFC 8460).
    TlsRpt,
    /// Where users' programs connect to (RFC 6186).
    Service,
}

/// A record's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordType {
    /// MX
    Mx,
    /// TXT
    Txt,
    /// SRV
    Srv,
    /// CNAME
    Cname,
}

impl RecordType {
    /// As zone files write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RecordType::Mx => "MX",
            RecordType::Txt => "TXT",
            RecordType::Srv => "SRV",
            RecordType::Cname => "CNAME",
        }
    }
}

/// What a check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Published as it must be.
    Right,
    /// Not published, and needn't be.
    Absent,
    /// Nobody could say now.
    Unknown,
    /// Not published.
    Missing,
    /// Published otherwise, or what is published does not work.
    Wrong,
}

/// What is amiss, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What is amiss: a sentence.
    pub what: String,
    /// What to do: a sentence.
    pub mend: String,
}

impl Advice {
    pub(super) fn new(what: impl Into<String>, mend: impl Into<String>) -> Advice {
        Advice { what: what.into(), mend: mend.into() }
    }
}

impl Finding {
    pub(super) fn new(
        subject: Subject,
        name: impl Into<String>,
        kind: RecordType,
        expected: impl Into<String>,
    ) -> Finding {
        Finding {
            subject,
            name: name.into(),
            kind,
            expected: expected.into(),
            found: Vec::new(),
            verdict: Verdict::Right,
            faults: Vec::new(),
            hints: Vec::new(),
        }
    }

    pub(super) fn found(mut self, found: Vec<String>) -> Finding {
        self.found = found;
        self
    }

    pub(super) fn wrong(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        self.verdict = Verdict::Wrong;
        self.faults.push(Advice::new(what, mend));
    }

    pub(super) fn missing(mut self, what: impl Into<String>, mend: impl Into<String>) -> Finding {
        self.verdict = Verdict::Missing;
        self.faults.push(Advice::new(what, mend));
        self
    }

    pub(super) fn unknown(&mut self, cause: &str) {
        if self.verdict == Verdict::Right {
            self.verdict = Verdict::Unknown;
        }
        self.faults.push(Advice::new(
            format!("It can't be looked up now: {cause}."),
            "Nothing is known to be wrong; check again in a while.",
        ));
    }

    pub(super) fn absent(mut self, what: impl Into<String>, mend: impl Into<String>) -> Finding {
        self.verdict = Verdict::Absent;
        self.hints.push(Advice::new(what, mend));
        self
    }

    pub(super) fn hint(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        self.hints.push(Advice::new(what, mend));
    }
}
