//! Reports to other domains: how mail in their names fared (DMARC, RFC 7489 §7.2, RFC 9990), and how TLS with their hosts went (RFC 8460).
//!
//! Front ends and workers say facts, the mail log keeps them ([`yubin_proto::report_facts`]); here they are read, added up and queued as mail, each report
//! once ([RFD 0016](../../../docs/rfd/0016-reports.md)).
//!
//! - [`reporter`]: what is due, in pages; `progress`: how far a period is done; `gathering`: facts of one domain.
//! - `letter`: a report as it is queued; `poster`: one that is posted. `metrics`: what is counted.
//!
//! What it doesn't do: the text of reports and who wants them (`dns-auth`), what time they are about ([`yubin_proto::report_periods`]), delivery and
//! signatures (`queue`).

mod gathering;
mod letter;
mod metrics;
mod poster;
mod progress;
pub mod reporter;

pub use metrics::Metrics;
pub use reporter::{Clock, Reporter, ReporterConfig};
