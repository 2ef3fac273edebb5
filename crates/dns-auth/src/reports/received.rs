//! Reports that others send about a hosted domain: DMARC aggregate reports and TLS reports, read with every bound that strangers need.
//!
//! The packed report is found by its first octets, in any part of the message: gzip, the first file of a zip archive, or plain. No more than
//! [`limits::REPORT_UNPACKED_BYTES_MAX`] are unpacked; XML with more elements or rows than a report has is refused before it is read, entities of its own
//! are never expanded. Sources beyond [`limits::REPORT_SOURCES_KEPT_MAX`] are summed up. Whether the sender is to be believed is for whoever calls.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr};

use flate2::read::{DeflateDecoder, GzDecoder};
use mail_auth::report::{self as library, tlsrpt};
use mail_parser::{MessageParser, PartType};
use memchr::memmem;
use yubin_types::report::{ReceivedAbout, ReceivedReport, ReceivedSource};
use yubin_types::{DomainName, limits};

/// Why a message holds no report that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing in it looks like one.
    #[error("there is no report in it")]
    Nothing,
    /// It can't be unpacked.
    #[error("it can't be unpacked: {0}")]
    Packing(String),
    /// It is longer than a report, or has more in it.
    #[error("it is too large")]
    TooLarge,
    /// It is not what its format asks for.
    #[error("it is malformed: {0}")]
    Malformed(String),
}

/// The report in a message, and the domain that it is about. Takes as long as unpacking does: not for threads that others wait for.
///
/// # Errors
/// See [`ReadError`].
pub fn read(message: &[u8]) -> Result<(DomainName, ReceivedReport), ReadError> {
    let parsed = MessageParser::new().parse(message).ok_or(ReadError::Nothing)?;
    let mut failed = ReadError::Nothing;
    for part in &parsed.parts {
        let content = match &part.body {
            PartType::Binary(content) | PartType::InlineBinary(content) => content.as_ref(),
            PartType::Text(text) => text.as_bytes(),
            _ => continue,
        };
        match unpacked(content).and_then(|text| parse(&text)) {
            Ok(report) => return Ok(report),
            Err(ReadError::Nothing) => {}
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// What was packed; the content itself if it looks like a report.
fn unpacked(content: &[u8]) -> Result<Vec<u8>, ReadError> {
    match content {
        [0x1f, 0x8b, ..] => bounded(GzDecoder::new(content)),
        [b'P', b'K', 3, 4, ..] => {
            let short = || ReadError::Packing("the archive is cut off".to_owned());
            // A local file header (APPNOTE.TXT 4.3.7): method at 8, lengths of name and extra field at 26 and 28.
            let number = |at: usize| {
                let bytes = content.get(at..at + 2)?;
                Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
            };
            let (name, extra) = number(26).zip(number(28)).ok_or_else(short)?;
            let file = content.get(30 + name + extra..).ok_or_else(short)?;
            match number(8) {
                Some(8) => bounded(DeflateDecoder::new(file)),
                method => Err(ReadError::Packing(format!("by method {method:?}"))),
            }
        }
        _ => {
            let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
            let plain = text.starts_with(b"<?xml") || text.starts_with(b"<feedback") || text.starts_with(b"{");
            if plain { bounded(text) } else { Err(ReadError::Nothing) }
        }
    }
}

fn bounded(packed: impl io::Read) -> Result<Vec<u8>, ReadError> {
    let most = limits::REPORT_UNPACKED_BYTES_MAX;
    let mut text = Vec::new();
    let read = packed.take(most as u64 + 1).read_to_end(&mut text);
    match read {
        Ok(_) if text.len() > most => Err(ReadError::TooLarge),
        Ok(_) => Ok(text),
        Err(error) => Err(ReadError::Packing(error.to_string())),
    }
}

fn parse(text: &[u8]) -> Result<(DomainName, ReceivedReport), ReadError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start();
    match text.first() {
        Some(b'<') => {
            let rows = memmem::find_iter(text, b"<record").count();
            let elements = memchr::memchr_iter(b'<', text).count();
            if rows > limits::REPORT_ROWS_MAX || elements > limits::REPORT_ELEMENTS_MAX {
                return Err(ReadError::TooLarge);
            }
            of_mail(library::Report::parse_xml(text).map_err(ReadError::Malformed)?)
        }
        Some(b'{') => {
            let objects = memchr::memchr_iter(b'{', text).count();
            if objects > limits::REPORT_ELEMENTS_MAX {
                return Err(ReadError::TooLarge);
            }
            let report = tlsrpt::TlsReport::parse_json(text);
            of_sessions(report.map_err(|error| ReadError::Malformed(format!("{error:?}")))?)
        }
        _ => Err(ReadError::Nothing),
    }
}

fn of_mail(report: library::Report) -> Result<(DomainName, ReceivedReport), ReadError> {
    let domain = domain(&report.policy_published.domain)?;
    let mut sources: BTreeMap<IpAddr, ReceivedSource> = BTreeMap::new();
    for record in &report.record {
        let address = record.row.source_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let new = || ReceivedSource { address: Some(address), passed: 0, failed: 0 };
        let source = sources.entry(address).or_insert_with(new);
        let evaluated = &record.row.policy_evaluated;
        let passed = [evaluated.dkim, evaluated.spf].contains(&library::DmarcResult::Pass);
        let count = if passed { &mut source.passed } else { &mut source.failed };
        *count = count.saturating_add(record.row.count.into());
    }
    let mut sources: Vec<ReceivedSource> = sources.into_values().collect();
    sources.sort_by_key(|source| std::cmp::Reverse((source.failed, source.passed)));
    if sources.len() > limits::REPORT_SOURCES_KEPT_MAX {
        let rest = sources.split_off(limits::REPORT_SOURCES_KEPT_MAX);
        let sum = |count: fn(&ReceivedSource) -> u64| rest.iter().map(count).fold(0, u64::saturating_add);
        sources.push(ReceivedSource {
            address: None,
            passed: sum(|rest| rest.passed),
            failed: sum(|rest| rest.failed),
        });
    }
    let metadata = report.report_metadata;
    let received = ReceivedReport {
        organization: short(&metadata.org_name),
        id: short(&metadata.report_id),
        begin_seconds: metadata.date_range.begin,
        end_seconds: metadata.date_range.end,
        about: ReceivedAbout::Mail(sources),
    };
    Ok((domain, received))
}

fn of_sessions(report: tlsrpt::TlsReport) -> Result<(DomainName, ReceivedReport), ReadError> {
    let first = report.policies.first().ok_or_else(|| ReadError::Malformed("it has no policy".to_owned()))?;
    let domain = domain(&first.policy.policy_domain)?;
    let (mut passed, mut failures) = (0_u64, BTreeMap::new());
    for policy in &report.policies {
        passed = passed.saturating_add(policy.summary.total_success.into());
        let mut told = 0_u64;
        for details in &policy.failure_details {
            let result = serde_json::to_value(details.result_type).ok();
            let result = result.and_then(|value| value.as_str().map(ToOwned::to_owned)).unwrap_or_default();
            let times: &mut u64 = failures.entry(result).or_default();
            *times = times.saturating_add(details.failed_session_count.into());
            told = told.saturating_add(details.failed_session_count.into());
        }
        let untold = u64::from(policy.summary.total_failure).saturating_sub(told);
        if untold > 0 {
            let times: &mut u64 = failures.entry("unknown".to_owned()).or_default();
            *times = times.saturating_add(untold);
        }
    }
    let seconds = |at: &mail_parser::DateTime| u64::try_from(at.to_timestamp()).unwrap_or(0);
    let received = ReceivedReport {
        organization: short(&report.organization_name.unwrap_or_default()),
        id: short(&report.report_id),
        begin_seconds: seconds(&report.date_range.start_datetime),
        end_seconds: seconds(&report.date_range.end_datetime),
        about: ReceivedAbout::Sessions { passed, failures: failures.into_iter().collect() },
    };
    Ok((domain, received))
}

fn domain(text: &str) -> Result<DomainName, ReadError> {
    DomainName::parse(text.trim()).map_err(|_| ReadError::Malformed("it is about no domain".to_owned()))
}

/// What is kept of a stranger's text: one line without control characters.
fn short(text: &str) -> String {
    let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.truncate(text.floor_char_boundary(limits::REPORT_NAME_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use base64::Engine as _;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder};
    use yubin_types::report::{ReceivedAbout, ReceivedSource};
    use yubin_types::{DomainName, limits};

    use super::{ReadError, read};

    const XML: &str = "<?xml version=\"1.0\"?>\n<feedback><report_metadata><org_name>Goo\u{7}gle</org_name><email>x@google.test</email>\
        <report_id>17</report_id><date_range><begin>100</begin><end>200</end></date_range></report_metadata>\
        <policy_published><domain>a.example</domain><p>none</p></policy_published>RECORDS</feedback>";
    const RECORD: &str = "<record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated><disposition>none\
        </disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row></record>";

    fn message(content: &[u8]) -> Vec<u8> {
        let packed = base64::engine::general_purpose::STANDARD.encode(content);
        format!(
            "From: x@google.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\
             text\r\n--b\r\nContent-Type: application/octet-stream; name=x\r\nContent-Transfer-Encoding: base64\r\n\r\n\
             {packed}\r\n--b--\r\n"
        )
        .into_bytes()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    fn zip(text: &[u8]) -> Vec<u8> {
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text).unwrap();
        let mut archive = b"PK\x03\x04\x14\0\0\0\x08\0".to_vec();
        archive.extend([0; 16]);
        archive.extend(b"\x05\0\0\0a.xml");
        archive.extend(packer.finish().unwrap());
        archive
    }

    fn xml(records: &str) -> Vec<u8> {
        XML.replace("RECORDS", records).into_bytes()
    }

    #[test]
    fn reports_are_read_however_they_are_packed() {
        let failing = RECORD.replace("pass", "fail").replace("<count>3", "<count>2");
        let other = RECORD.replace("192.0.2.1", "2001:db8::1");
        let text = xml(&[RECORD, &failing, &other].concat());
        for packed in [gzip(&text), zip(&text), text.clone()] {
            let (domain, report) = read(&message(&packed)).unwrap();
            assert_eq!(domain, DomainName::parse("a.example").unwrap());
            assert_eq!((report.organization.as_str(), report.id.as_str()), ("Google", "17"));
            assert_eq!((report.begin_seconds, report.end_seconds), (100, 200));
            let source =
                |address: &str, passed, failed| ReceivedSource { address: address.parse().ok(), passed, failed };
            let expected = vec![source("192.0.2.1", 3, 2), source("2001:db8::1", 3, 0)];
            assert_eq!(report.about, ReceivedAbout::Mail(expected));
        }
    }

    #[test]
    fn a_tls_report_is_read() {
        let json = br#"{"organization-name":"Far","report-id":"9","date-range":{"start-datetime":"1970-01-01T00:01:40Z",
            "end-datetime":"1970-01-01T00:03:20Z"},"policies":[{"policy":{"policy-type":"sts","policy-domain":"a.example"},
            "summary":{"total-successful-session-count":7,"total-failure-session-count":5},
            "failure-details":[{"result-type":"certificate-expired","failed-session-count":4}]}]}"#;
        let (domain, report) = read(&message(&gzip(json))).unwrap();
        assert_eq!((domain.as_str(), report.begin_seconds), ("a.example", 100));
        let failures = vec![("certificate-expired".to_owned(), 4), ("unknown".to_owned(), 1)];
        assert_eq!(report.about, ReceivedAbout::Sessions { passed: 7, failures });
    }

    #[test]
    fn hostile_reports_are_refused_within_bounds() {
        let bomb = gzip(&vec![b' '; limits::REPORT_UNPACKED_BYTES_MAX + 1]);
        assert_eq!(read(&message(&bomb)), Err(ReadError::TooLarge));
        assert_eq!(read(&message(&zip(&vec![b'<'; limits::REPORT_UNPACKED_BYTES_MAX + 1]))), Err(ReadError::TooLarge));
        let rows = xml(&"<record></record>".repeat(limits::REPORT_ROWS_MAX + 1));
        assert_eq!(read(&message(&gzip(&rows))), Err(ReadError::TooLarge));
        let elements = xml(&"<x/>".repeat(limits::REPORT_ELEMENTS_MAX));
        assert_eq!(read(&message(&gzip(&elements))), Err(ReadError::TooLarge));
        let laughs =
            b"<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><feedback>&b;</feedback>";
        assert!(read(&message(&gzip(laughs))).is_err());
        for junk in [
            &b"\x1f\x8b"[..],
            b"PK\x03\x04",
            b"PK\x03\x04\x14\0\0\0\x08\0",
            b"{",
            b"<?xml",
            b"<feedback>",
            b"{\"policies\":[]}",
        ] {
            assert!(read(&message(junk)).is_err(), "{junk:?}");
        }
        assert_eq!(read(&message(b"hello")), Err(ReadError::Nothing));
        assert_eq!(read(b""), Err(ReadError::Nothing));
        let nested = "{\"policies\":".to_owned() + &"[".repeat(100_000);
        assert!(read(&message(&gzip(nested.as_bytes()))).is_err());
    }

    #[test]
    fn many_sources_are_summed_up() {
        let record = |number: usize| RECORD.replace("192.0.2.1", &format!("10.0.{}.{}", number / 256, number % 256));
        let records: String = (0..limits::REPORT_SOURCES_KEPT_MAX + 5).map(record).collect();
        let (_, report) = read(&message(&gzip(&xml(&records)))).unwrap();
        let ReceivedAbout::Mail(sources) = report.about else { panic!("{report:?}") };
        assert_eq!(sources.len(), limits::REPORT_SOURCES_KEPT_MAX + 1);
        assert_eq!(sources.last().unwrap(), &ReceivedSource { address: None, passed: 15, failed: 0 });
    }
}
