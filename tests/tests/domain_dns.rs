//! `yubin ctl domain dns` against a name server of the test: what is right, missing, wrong and not to be known.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::Ipv4Addr;

use serde_json::Value;
use yubin_tests::dns::{Record, Zone};
use yubin_tests::system::{System, Transport};

const DOMAIN: &str = "hosted.example";

struct World {
    system: System,
    zone: Zone,
    _folder: tempfile::TempDir,
}

impl World {
    /// With one domain, of which nothing is published yet.
    fn start() -> World {
        World::told("")
    }

    /// With more keys of the configuration.
    fn told(more: &str) -> World {
        let zone = Zone::default();
        let server = zone.serve().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let told = format!(
            "[dns]\nmx_hosts = [\"mx1.host.example\", \"mx2.host.example\"]\nspf = \"v=spf1 include:spf.host.example ~all\"\n\
             name_servers = [\"{server}\"]\n{more}"
        );
        let system = System::configured(Transport::Direct, folder.path(), &told).unwrap();
        system.admin.populate(DOMAIN, 0, "").unwrap();
        for host in ["mx1.host.example", "mx2.host.example"] {
            zone.publish(host, Record::A(Ipv4Addr::new(192, 0, 2, 1)));
        }
        zone.publish("spf.host.example", Record::Txt("v=spf1 ip4:192.0.2.0/24 -all".to_owned()));
        World { system, zone, _folder: folder }
    }

    /// Publishes what the owner is told to.
    fn publish_all(&self) {
        let told = self.system.admin.ctl(&["domain", "dns", DOMAIN, "--expected", "--json"], "").unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        for record in told["records"].as_array().unwrap() {
            let (name, value) = (record["name"].as_str().unwrap(), record["value"].as_str().unwrap());
            let record = match record["type"].as_str().unwrap() {
                "MX" => {
                    let (preference, host) = value.split_once(' ').unwrap();
                    Record::Mx(preference.parse().unwrap(), host.trim_end_matches('.').to_owned())
                }
                "TXT" => Record::Txt(value.to_owned()),
                other => panic!("{other}"),
            };
            self.zone.publish(name, record);
        }
    }

    /// The findings and the exit status.
    fn checked(&self) -> (Vec<Value>, i32) {
        let output = self.system.admin.ctl_output(&["domain", "dns", DOMAIN, "--json"], "").unwrap();
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        (shown["findings"].as_array().unwrap().clone(), output.status.code().unwrap())
    }
}

fn states(findings: &[Value], subject: &str) -> Vec<String> {
    let wanted = findings.iter().filter(|finding| finding["for"] == subject);
    wanted.map(|finding| finding["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_a_domain_has_published_is_looked_up_and_judged() {
    let world = World::start();
    let (nothing, status) = world.checked();
    assert_eq!(status, 3);
    for (subject, expected) in [("mx", vec!["missing"; 2]), ("spf", vec!["missing"]), ("dkim", vec!["missing"; 2])] {
        assert_eq!(states(&nothing, subject), expected, "{nothing:?}");
    }

    world.publish_all();
    let (all, status) = world.checked();
    assert_eq!(status, 0, "{all:?}");
    for (subject, count) in [("mx", 2), ("spf", 1), ("dkim", 2), ("dmarc", 1)] {
        assert_eq!(states(&all, subject), vec!["right"; count], "{subject}: {all:?}");
    }
    assert_eq!(
        (states(&all, "mta-sts"), states(&all, "tls-rpt")),
        (vec!["absent".to_owned()], vec!["absent".to_owned()])
    );

    // WEBL-05: one of two MX; another's MX; another's SPF record.
    world.zone.withdraw(DOMAIN);
    world.zone.publish(DOMAIN, Record::Mx(10, "mx1.host.example".to_owned()));
    world.zone.publish(DOMAIN, Record::Mx(5, "mx.old.example".to_owned()));
    world.zone.publish(DOMAIN, Record::Txt("v=spf1 a +all".to_owned()));
    let (amiss, status) = world.checked();
    assert_eq!(status, 3);
    assert_eq!(states(&amiss, "mx"), ["right", "missing", "wrong"], "what was mended or broken is seen at once");
    assert_eq!(states(&amiss, "spf"), ["wrong"]);
    let table = world.system.admin.ctl_output(&["domain", "dns", DOMAIN], "").unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    for line in [
        "Publish MX 20 mx2.host.example.",
        "Remove MX 5 mx.old.example.",
        "every host of the internet",
        "published: v=spf1 a +all",
    ] {
        assert!(table.contains(line), "{table}");
    }
}

/// A name server that fails is no sign that something is missing.
#[test]
fn a_failure_of_the_dns_is_said_as_such() {
    let world = World::start();
    world.publish_all();
    world.zone.withdraw(DOMAIN);
    world.zone.publish(DOMAIN, Record::Txt("v=spf1 include:spf.broken.example ~all".to_owned()));
    for host in ["mx1.host.example", "mx2.host.example"] {
        world.zone.publish(DOMAIN, Record::Mx(10, host.to_owned()));
    }
    let (findings, status) = world.checked();
    assert_eq!((states(&findings, "spf"), status), (vec!["unknown".to_owned()], 4), "{findings:?}");
    assert_eq!(states(&findings, "mx"), ["right", "right"]);
}

/// A slip in a TXT record is found before mail is signed that everybody takes for forged.
#[test]
fn keys_are_activated_when_their_records_can_be_seen() {
    let world = World::start();
    let ctl = |verb: &[&str]| world.system.admin.ctl_output(&[&["domain", "dkim"], verb].concat(), "").unwrap();
    assert!(ctl(&["rotate", DOMAIN]).status.success());
    let refused = ctl(&["activate", DOMAIN]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.contains("key is not published") && said.contains("--unchecked"),
        "{said}"
    );

    world.publish_all();
    let mistaken = "yubin2-rsa._domainkey.hosted.example";
    world.zone.withdraw(mistaken);
    world.zone.publish(mistaken, Record::Txt("v=DKIM1; k=rsa; p=QUFB".to_owned()));
    let said = String::from_utf8(ctl(&["activate", DOMAIN]).stderr).unwrap();
    assert!(said.contains(mistaken) && !said.contains("yubin2-ed25519"), "{said}");

    world.zone.withdraw(mistaken);
    world.publish_all();
    // The other records stand there twice now.
    let twice = ctl(&["activate", DOMAIN]);
    assert!(String::from_utf8(twice.stderr).unwrap().contains("Several TXT records"));
    let active = ctl(&["activate", DOMAIN, "--unchecked", "--json"]);
    let told: Value = serde_json::from_slice(&active.stdout).unwrap();
    let states = told["records"].as_array().unwrap().iter().filter_map(|record| record["state"].as_str());
    assert_eq!(states.collect::<Vec<_>>(), ["retiring", "retiring", "active", "active"]);
}

#[test]
fn published_keys_are_activated() {
    let world = World::start();
    assert!(world.system.admin.ctl_output(&["domain", "dkim", "rotate", DOMAIN], "").unwrap().status.success());
    world.publish_all();
    let active = world.system.admin.ctl_output(&["domain", "dkim", "activate", DOMAIN], "").unwrap();
    assert!(active.status.success(), "{active:?}");
}

/// Reports and policies that the operator asks for are among what owners are told, and missed where they are not.
#[test]
fn what_the_operator_configures_is_to_be_published() {
    let world = World::told(
        "dmarc_reports = \"dmarc@host.example\"\ntls_reports = \"tls@host.example\"\nmta_sts = \"testing\"\n",
    );
    let (nothing, _) = world.checked();
    for subject in ["dmarc", "mta-sts", "tls-rpt"] {
        assert_eq!(states(&nothing, subject), ["missing"], "{nothing:?}");
    }
    let told = world.system.admin.ctl(&["domain", "dns", DOMAIN, "--expected"], "").unwrap();
    for line in [
        "v=DMARC1; p=none; rua=mailto:dmarc@host.example",
        "hosted.example._report._dmarc.host.example",
        "v=TLSRPTv1; rua=mailto:tls@host.example",
        "v=STSv1; id=",
        "version: STSv1\nmode: testing\nmax_age: 604800\nmx: mx1.host.example\nmx: mx2.host.example\n",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    world.publish_all();
    let (all, _) = world.checked();
    assert_eq!((states(&all, "dmarc"), states(&all, "tls-rpt")), (vec!["right".to_owned()], vec!["right".to_owned()]));
    // Nobody serves the policy.
    assert_eq!(states(&all, "mta-sts"), ["wrong"], "{all:?}");
    let dmarc = all.iter().find(|finding| finding["for"] == "dmarc").unwrap();
    assert!(!dmarc.to_string().contains("has not agreed"), "{dmarc}");
}
