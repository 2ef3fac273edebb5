//! Reports to other domains through the real binary: mail comes in and goes out, an operator sends reports, and Python reads them at their addresses.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use yubin_tests::dns::{Record, Zone};
use yubin_tests::over_both_transports;
use yubin_tests::process::{output, python, wait_until};
use yubin_tests::receiver::{Receiver, Taken};
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{System, Transport};

over_both_transports!(domains_hear_how_their_mail_and_their_tls_fared);

const HOST: &str = "host.example";
const PASSWORD: &str = "correct horse battery";
/// How long reports may be on their way on a busy machine.
const REPORTED_WITHIN: Duration = Duration::from_secs(60);

/// What Python makes of a report: the message's fields, and the rows of the XML or the JSON.
const PROGRAM: &str = "
import email, email.policy, json, sys, zlib, xml.etree.ElementTree as ET
message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
told = {name: str(message[name]) for name in ['From', 'To', 'Subject', 'Auto-Submitted'] if message[name]}
told['defects'] = [str(d) for part in message.walk() for d in part.defects]
part = next(part for part in message.walk() if part.get_filename())
told['file'] = part.get_filename()
told['type'] = part.get_content_type()
text = zlib.decompress(part.get_content(), 16 + zlib.MAX_WBITS)
if told['file'].endswith('.json.gz'):
    told['report'] = json.loads(text)
else:
    root = ET.fromstring(text)
    space = '{urn:ietf:params:xml:ns:dmarc-2.0}'
    def tree(element):
        if len(element) == 0:
            return element.text or ''
        return [[child.tag.replace(space, ''), tree(child)] for child in element]
    told['report'] = dict((name, value) for name, value in tree(root) if name != 'record')
    told['records'] = [tree(record) for record in root.findall(space + 'record')]
print(json.dumps(told))
";

struct World {
    system: System,
    receiver: Receiver,
    _folder: tempfile::TempDir,
}

/// `good.example` sends from this machine; nobody sends for the others. Everybody's mail goes to one server.
fn zone() -> Zone {
    let zone = Zone::default();
    let txt = |name: &str, text: &str| zone.publish(name, Record::Txt(text.to_owned()));
    txt("good.example", "v=spf1 ip4:127.0.0.1 -all");
    txt("_dmarc.good.example", "v=DMARC1; p=reject; rua=mailto:good@reports.example");
    txt("good.example._report._dmarc.reports.example", "v=DMARC1");
    txt("bank.example", "v=spf1 -all");
    txt("_dmarc.bank.example", "v=DMARC1; p=reject; adkim=s; rua=mailto:dmarc@bank.example!10m");
    // Nobody at reports.example wants to hear of this one.
    txt("shy.example", "v=spf1 ip4:127.0.0.1 -all");
    txt("_dmarc.shy.example", "v=DMARC1; p=none; rua=mailto:shy@reports.example");
    txt("_smtp._tls.far.example", "v=TLSRPTv1; rua=mailto:tls@far.example");
    for domain in ["reports.example", "bank.example", "far.example"] {
        zone.publish(domain, Record::Mx(10, "mx.example".to_owned()));
    }
    zone.publish("mx.example", Record::A(Ipv4Addr::LOCALHOST));
    zone
}

impl World {
    fn start(transport: Transport) -> World {
        let (server, receiver) = (zone().serve().unwrap(), Receiver::start().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[smtp.inbound]\nexempt_networks = []\nname_servers = [\"{server}\"]\n\
             [queue]\nname_servers = [\"{server}\"]\ndnssec = \"off\"\nnetworks = [\"127.0.0.0/8\"]\nport = {}\n\
             [reports]\nfrom = \"dmarc@{HOST}\"\norganization = \"Host & Sons\"\n",
            receiver.address().port()
        );
        let system = System::configured(transport, folder.path(), &config).unwrap();
        system.admin.populate(HOST, 1, PASSWORD).unwrap();
        World { system, receiver, _folder: folder }
    }

    /// A message of another server.
    fn receive(&self, author: &str, subject: &str) -> String {
        let message = format!("From: {author}\r\nSubject: {subject}\r\n\r\nhello\r\n");
        let mut session = Smtp::hello(self.system.port("smtp").unwrap()).unwrap();
        session.send(author, &format!("u0@{HOST}"), message.as_bytes()).unwrap()
    }

    /// A message of a user to somewhere else.
    fn submit(&self, to: &str) {
        let (user, port) = (format!("u0@{HOST}"), self.system.port("submissions").unwrap().port().to_string());
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", "127.0.0.1", "--port", &port, "--tls-on-connect", "--auth", "PLAIN"]);
        swaks.args(["--auth-user", &user, "--auth-password", PASSWORD, "--from", &user, "--to", to]);
        output(&mut swaks).unwrap();
    }

    /// Has reports sent and waits until there are so many in all; what they are about.
    fn reported(&self, reports: usize) -> Value {
        let told = self.system.admin.ctl(&["reports", "send", "--json"], PASSWORD).unwrap();
        wait_until(REPORTED_WITHIN, || self.reports().len() >= reports).unwrap();
        serde_json::from_str(&told).unwrap()
    }

    fn reports(&self) -> Vec<Taken> {
        self.receiver.taken().into_iter().filter(|taken| taken.sender.is_empty()).collect()
    }

    /// The latest report to this address, read by Python.
    fn report_to(&self, address: &str) -> Value {
        let taken = self.reports().into_iter().rev().find(|taken| taken.recipients == [address]);
        let taken = taken.unwrap_or_else(|| panic!("nothing for {address}"));
        assert!(taken.text.starts_with("DKIM-Signature: "), "{}", taken.text);
        assert!(taken.text.contains(&format!(" d={HOST};")), "{}", taken.text);
        let told: Value = serde_json::from_str(&python(PROGRAM, &[], taken.text.as_bytes()).unwrap()).unwrap();
        assert_eq!((&told["defects"], &told["Auto-Submitted"]), (&json!([]), &json!("auto-generated")), "{told}");
        assert_eq!(told["From"], "Host & Sons <dmarc@host.example>");
        told
    }
}

/// The value at the end of these names.
fn at<'a>(tree: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(tree, |tree, name| {
        let child = tree.as_array().unwrap().iter().find(|child| child[0] == *name);
        child.map_or(&Value::Null, |child| &child[1])
    })
}

fn seconds(value: &Value) -> u64 {
    value.as_u64().unwrap() / 1_000
}

fn domains_hear_how_their_mail_and_their_tls_fared(transport: Transport) {
    let world = World::start(transport);
    for author in ["ann@good.example", "tim@good.example", "ann@shy.example"] {
        let taken = world.receive(author, "hello");
        assert!(taken.starts_with("250"), "{taken}");
    }
    // A report of theirs is no reason for one of ours.
    let report = world.receive("reports@good.example", "Report Domain: host.example Submitter: good.example");
    assert!(report.starts_with("250"), "{report}");
    let refused = world.receive("ann@bank.example", "Report Domain: forged");
    assert!(refused.starts_with("550 5.7.1"), "{refused}");
    world.submit("somebody@far.example");
    wait_until(REPORTED_WITHIN, || !world.receiver.taken().is_empty()).unwrap();

    let period = world.reported(3);
    let good = world.report_to("good@reports.example");
    let (begin, end) = (seconds(&period["from_time_ms"]), (period["to_time_ms"].as_u64().unwrap() - 1) / 1_000);
    assert_eq!(good["file"], format!("host.example!good.example!{begin}!{end}.xml.gz"));
    let subject = good["Subject"].as_str().unwrap();
    assert!(subject.starts_with("Report Domain: good.example Submitter: host.example Report-ID: <"), "{subject}");
    let metadata = &good["report"]["report_metadata"];
    assert_eq!(
        (at(metadata, &["org_name"]), at(metadata, &["email"])),
        (&json!("Host & Sons"), &json!("dmarc@host.example"))
    );
    assert_eq!(*at(&good["report"]["policy_published"], &["p"]), json!("reject"));
    let [row] = &good["records"].as_array().unwrap()[..] else { panic!("{good}") };
    for (path, expected) in [
        (&["row", "source_ip"][..], "127.0.0.1"),
        (&["row", "count"], "2"),
        (&["row", "policy_evaluated", "disposition"], "none"),
        (&["row", "policy_evaluated", "dkim"], "fail"),
        (&["row", "policy_evaluated", "spf"], "pass"),
        (&["identifiers", "envelope_from"], "good.example"),
        (&["identifiers", "header_from"], "good.example"),
        (&["auth_results", "spf", "domain"], "good.example"),
        (&["auth_results", "spf", "result"], "pass"),
    ] {
        assert_eq!(*at(row, path), json!(expected), "{path:?} of {row}");
    }

    let bank = world.report_to("dmarc@bank.example");
    assert_eq!(*at(&bank["report"]["policy_published"], &["adkim"]), json!("s"));
    let [row] = &bank["records"].as_array().unwrap()[..] else { panic!("{bank}") };
    assert_eq!(*at(row, &["row", "count"]), json!("1"), "what is forged is told, even as a report");
    assert_eq!(*at(row, &["row", "policy_evaluated", "disposition"]), json!("reject"));
    assert_eq!(*at(row, &["auth_results", "spf", "result"]), json!("fail"));

    let far = world.report_to("tls@far.example");
    assert_eq!(far["type"], "application/tlsrpt+gzip");
    let policies = &far["report"]["policies"];
    assert_eq!(policies[0]["policy"], json!({ "policy-type": "no-policy-found", "policy-domain": "far.example" }));
    let summary = json!({ "total-successful-session-count": 0, "total-failure-session-count": 1 });
    assert_eq!(policies[0]["summary"], summary);
    let failure = &policies[0]["failure-details"][0];
    assert_eq!(
        (&failure["result-type"], &failure["receiving-mx-hostname"]),
        (&json!("starttls-not-supported"), &json!("mx.example"))
    );

    // The next report begins where the last one ended, and nothing is told twice; nor did anybody get what nobody wants.
    world.receive("ann@good.example", "once more");
    let next = world.reported(4);
    assert_eq!(next["from_time_ms"], period["to_time_ms"]);
    let good = world.report_to("good@reports.example");
    assert_eq!(*at(&good["records"][0], &["row", "count"]), json!("1"), "{good}");
    assert_eq!(world.reports().len(), 4, "{:?}", world.reports());
}
