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
