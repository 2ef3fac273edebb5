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

over_both_transports! {
    domains_hear_how_their_mail_and_their_tls_fared,
    what_others_report_is_read_and_shown,
}

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

/// A report of another organization on the hosted domain, as Python packs it; `name` tells the kind by its end.
fn packed(name: &str, report: &str) -> String {
    const PACK: &str = "
import gzip, sys, zipfile, io, email.message
name, text = sys.argv[1], sys.stdin.buffer.read()
packed = io.BytesIO()
if name.endswith('.zip'):
    with zipfile.ZipFile(packed, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('report.xml', text)
else:
    packed.write(gzip.compress(text))
message = email.message.EmailMessage()
message['From'], message['Subject'] = 'reports@good.example', 'Report domain: host.example Submitter: good.example'
message.set_content('Here it is.')
message.add_attachment(packed.getvalue(), maintype='application', subtype='octet-stream', filename=name)
sys.stdout.write(message.as_bytes().replace(b'\\n', b'\\r\\n').decode())
";
    python(PACK, &[name], report.as_bytes()).unwrap()
}

fn what_others_report_is_read_and_shown(transport: Transport) {
    let world = World::start(transport);
    let deliver = |author: &str, message: &str| {
        let message = message.replace("reports@good.example", author);
        let mut session = Smtp::hello(world.system.port("smtp").unwrap()).unwrap();
        session.send(author, &format!("u0@{HOST}"), message.as_bytes()).unwrap()
    };
    let row = |address: &str, count: u32, result: &str| {
        format!(
            "<record><row><source_ip>{address}</source_ip><count>{count}</count><policy_evaluated><disposition>none\
             </disposition><dkim>fail</dkim><spf>{result}</spf></policy_evaluated></row></record>"
        )
    };
    let xml = |id: &str, rows: &str| {
        format!(
            "<?xml version=\"1.0\"?><feedback><report_metadata><org_name>Good Mail</org_name><email>x@good.example</email>\
             <report_id>{id}</report_id><date_range><begin>86400</begin><end>172799</end></date_range></report_metadata>\
             <policy_published><domain>{HOST}</domain><p>none</p></policy_published>{rows}</feedback>"
        )
    };
    let json = format!(
        r#"{{"organization-name":"Good Mail","report-id":"t","date-range":{{"start-datetime":"1970-01-02T00:00:00Z",
        "end-datetime":"1970-01-02T23:59:59Z"}},"policies":[{{"policy":{{"policy-type":"sts","policy-domain":"{HOST}"}},
        "summary":{{"total-successful-session-count":9,"total-failure-session-count":2}},
        "failure-details":[{{"result-type":"certificate-expired","failed-session-count":2}}]}}]}}"#
    );
    let one = packed("good.xml.gz", &xml("1", &[row("192.0.2.1", 5, "pass"), row("198.51.100.9", 2, "fail")].concat()));
    let two = packed("good.zip", &xml("2", &row("198.51.100.9", 1, "fail")));
    // The same one again, one that nobody vouches for, and one that is none: all are delivered, and no more.
    let forged = packed("shy.xml.gz", &xml("3", &row("192.0.2.66", 99, "pass")));
    let broken = packed("good.xml.gz", "<feedback><record>");
    for (author, message) in [
        ("reports@good.example", &one),
        ("reports@good.example", &two),
        ("reports@good.example", &packed("good.json.gz", &json)),
        ("reports@good.example", &one),
        ("reports@nobody.example", &forged),
        ("reports@good.example", &broken),
    ] {
        let taken = deliver(author, message);
        assert!(taken.starts_with("250"), "{taken}");
    }
    let read = || -> Value {
        let told = world.system.admin.ctl(&["domain", "reports", HOST, "--json"], PASSWORD).unwrap();
        serde_json::from_str(&told).unwrap()
    };
    wait_until(REPORTED_WITHIN, || read()["reports"].as_array().unwrap().len() >= 3).unwrap();
    let told = read();
    let reports = told["reports"].as_array().unwrap();
    assert_eq!(reports.len(), 3, "{told}");
    let of = |id: &str| reports.iter().find(|report| report["id"] == id).unwrap_or_else(|| panic!("no {id} in {told}"));
    assert_eq!((&of("1")["reporter"], &of("1")["organization"]), (&json!("good.example"), &json!("Good Mail")));
    assert_eq!(of("1")["from_time_ms"], 86_400_000);
    let expected = json!([
        { "address": "198.51.100.9", "passed": 0, "failed": 2 },
        { "address": "192.0.2.1", "passed": 5, "failed": 0 },
    ]);
    assert_eq!(of("1")["sources"], expected);
    let failures = json!([{ "result": "certificate-expired", "sessions": 2 }]);
    assert_eq!(of("t")["sessions"], json!({ "passed": 9, "failures": failures }));
    let table = world.system.admin.ctl(&["domain", "reports", HOST], PASSWORD).unwrap();
    let sums = table.lines().find(|line| line.starts_with("198.51.100.9")).unwrap();
    assert_eq!(sums.split_whitespace().collect::<Vec<_>>(), ["198.51.100.9", "0", "3"], "{table}");
    assert_eq!(world.system.admin.usage(&format!("u0@{HOST}")).unwrap().messages, 6);
}
