//! The manifests for Kubernetes say what the binary understands: their configuration works, their arguments exist, and the ports that
//! containers declare are the ports that are listened on. Whether they are manifests at all is the schemas' matter.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use yubin_tests::system::binary;

/// What a process takes at most after `drain_seconds`, as docs/configuration.md says.
const AFTER_DRAIN: u64 = 15;

#[test]
fn the_configuration_works() {
    let configurations = files("toml");
    assert!(configurations.len() >= 2, "{configurations:?}");
    for file in configurations {
        let checked = yubin(&["config", "check", "--config", file.to_str().unwrap()]);
        assert!(checked.contains("can work"), "{}: {checked}", file.display());
    }
}

#[test]
fn the_arguments_exist() {
    let help = yubin(&["run", "--help"]);
    let mut seen = BTreeSet::new();
    for manifest in manifests() {
        for line in manifest.lines().filter(|line| line.contains("args: [run,")) {
            seen.extend(line.split([' ', ',', '[', ']']).filter(|word| word.starts_with("--")).map(str::to_owned));
        }
    }
    assert!(seen.len() >= 4, "{seen:?}");
    for argument in seen {
        assert!(help.contains(&argument), "{argument} is unknown");
    }
}

#[test]
fn the_ports_are_listened_on() {
    let config = std::fs::read_to_string(folder().join("base/yubin.toml")).unwrap();
    let mut ports = 0;
    for manifest in manifests() {
        for line in manifest.lines().filter_map(|line| line.trim().strip_prefix("- { name: ")) {
            let Some((name, port)) = line.trim_end_matches(" }").split_once(", containerPort: ") else { continue };
            let key = if name == "peer" { "peer_listen" } else { name };
            let told = config.lines().find(|line| line.starts_with(&format!("{key} = "))).expect(name);
            assert!(
                told.contains(&format!(":{port}\"")),
                "{name} is {port} in a manifest, and {told} in the configuration"
            );
            ports += 1;
        }
    }
    assert!(ports >= 10, "{ports}");
}

/// A pod that is killed before it has recorded what it delivered delivers it twice.
#[test]
fn pods_are_given_the_time_to_end() {
    let seconds = |text: &str, key: &str| {
        let told = text.lines().filter_map(|line| line.trim().strip_prefix(key));
        told.map(|told| told.trim_matches(|end: char| !end.is_ascii_digit()).parse::<u64>().unwrap())
            .collect::<Vec<_>>()
    };
    let drains: Vec<u64> = files("toml")
        .iter()
        .flat_map(|file| seconds(&std::fs::read_to_string(file).unwrap(), "drain_seconds = "))
        .collect();
    let mut pods = 0;
    for manifest in manifests() {
        let pauses = seconds(&manifest, "command: [sleep, ");
        for grace in seconds(&manifest, "terminationGracePeriodSeconds: ") {
            let needed = drains.iter().max().unwrap() + AFTER_DRAIN + pauses.iter().max().unwrap_or(&0);
            assert!(needed < grace, "{needed} s of {grace} s:\n{manifest}");
            pods += 1;
        }
    }
    assert!(pods >= 5 && drains.len() >= 2, "{pods} pods, {drains:?}");
}

/// What is not named by a policy is refused: a pod that can't dial what its role needs starts, and does nothing.
#[test]
fn pods_may_dial_what_their_roles_need() {
    let text = std::fs::read_to_string(folder().join("base/network-policy.yaml")).unwrap();
    let policies: Vec<Policy> = text.split("\n---\n").map(Policy::parse).collect();
    let components = ["store", "mx", "clients", "queue", "admin"];
    let asks = components.map(|component| (component, None, "53"));
    let stores = components.map(|component| (component, Some("store"), "store"));
    let others = [
        ("store", Some("store"), "peer"),
        // Other mail servers, and the policies of MTA-STS.
        ("queue", None, "25"),
        ("queue", None, "443"),
        ("admin", None, "443"),
    ];
    for (from, to, port) in asks.into_iter().chain(stores).chain(others) {
        let leaves = policies.iter().filter(|policy| policy.selects(from)).flat_map(|policy| &policy.egress);
        assert!(leaves.into_iter().any(|rule| rule.allows(to, port)), "{from} may not dial {port} of {to:?}");
        let Some(to) = to else { continue };
        let enters = policies.iter().filter(|policy| policy.selects(to)).flat_map(|policy| &policy.ingress);
        assert!(enters.into_iter().any(|rule| rule.allows(Some(from), port)), "{to} does not let {from} in at {port}");
    }
    let served =
        [("mx", vec!["smtp"]), ("clients", vec!["submission", "submissions", "pop3", "pop3s", "imap", "imaps"])];
    for (component, ports) in served {
        for port in ports {
            let enters = policies.iter().filter(|policy| policy.selects(component)).flat_map(|policy| &policy.ingress);
            assert!(enters.into_iter().any(|rule| rule.allows(None, port)), "{component} lets nobody in at {port}");
        }
    }
}

/// A network policy, as far as the manifests use what there is.
struct Policy {
    /// The pods that it is for.
    pods: String,
    ingress: Vec<Rule>,
    egress: Vec<Rule>,
}

impl Policy {
    fn parse(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().starts_with('#')).collect();
        // The lines below a key of `spec`.
        let below = |key: &str| -> Vec<&str> {
            let rest = lines.iter().skip_while(|line| !line.starts_with(&format!("  {key}:")));
            rest.skip(1).take_while(|line| line.starts_with("   ")).copied().collect()
        };
        Policy {
            pods: below("podSelector").concat(),
            ingress: rules(&below("ingress")),
            egress: rules(&below("egress")),
        }
    }

    fn selects(&self, component: &str) -> bool {
        names(&self.pods, component)
    }
}

/// Does a selector take in the component's pods?
fn names(selector: &str, component: &str) -> bool {
    let Some((_, told)) = selector.split_once("component") else { return !selector.contains("yubin/admin-client") };
    told.split(|end: char| !end.is_ascii_alphabetic()).any(|word| word == component)
}

struct Rule {
    /// Whom it is about; empty: everybody.
    peer: String,
    ports: BTreeSet<String>,
}

fn rules(lines: &[&str]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for line in lines {
        if line.starts_with("    - ") {
            rules.push(Rule { peer: String::new(), ports: BTreeSet::new() });
        }
        let Some(rule) = rules.last_mut() else { continue };
        match line.split_once("port: ") {
            Some((_, port)) => drop(rule.ports.insert(port.trim_end_matches(" }").to_owned())),
            None if !line.trim_end().ends_with("ports:") => rule.peer.push_str(line),
            None => {}
        }
    }
    rules
}

impl Rule {
    /// To or from pods of this component, or anybody at all.
    fn allows(&self, peer: Option<&str>, port: &str) -> bool {
        let peers = match peer {
            Some(component) => self.peer.contains("podSelector") && names(&self.peer, component),
            None => self.peer.is_empty(),
        };
        peers && self.ports.contains(port)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/k8s")
}

fn manifests() -> Vec<String> {
    files("yaml").into_iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

/// The files of the base and of the overlays with this ending.
fn files(ending: &str) -> Vec<PathBuf> {
    let overlays = std::fs::read_dir(folder().join("overlays")).unwrap().map(|entry| entry.unwrap().path());
    let folders = overlays.chain([folder().join("base")]);
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|found| found == ending)).collect()
}

fn yubin(arguments: &[&str]) -> String {
    let output = Command::new(binary().unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
