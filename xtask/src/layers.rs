//! The crate graph against the architecture: who may import whom.
//!
//! The table below is the architecture's picture as data. Two things are checked from `cargo metadata`: each house
//! crate imports only what its row allows (tests and build scripts included), and what the pure crates reach, through
//! any number of steps, holds no runtime, no disk, no network and no randomness. A crate without a row is an error,
//! so a new crate must take its place here first.

use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// House crate, and the house crates it may import.
const ALLOWED: [(&str, &[&str]); 21] = [
    ("yubin-types", &[]),
    ("yubin-message", &["yubin-types", "yubin-corpus"]),
    ("yubin-session", &["yubin-types", "yubin-message"]),
    ("yubin-policy", &["yubin-types"]),
    ("yubin-state", &["yubin-types"]),
    ("yubin-password", &["yubin-types", "yubin-state"]),
    ("yubin-dns-auth", &["yubin-types"]),
    // Its test of generated code runs the generator.
    ("yubin-proto", &["yubin-types", "yubin-state", "yubin-proto-gen"]),
    ("yubin-proto-gen", &[]),
    ("yubin-consensus", &[]),
    (
        "yubin-store",
        &["yubin-types", "yubin-state", "yubin-message", "yubin-proto", "yubin-consensus", "yubin-memory-store"],
    ),
    (
        "yubin-frontend",
        &[
            "yubin-types",
            "yubin-message",
            "yubin-session",
            "yubin-policy",
            "yubin-password",
            "yubin-dns-auth",
            "yubin-state",
            "yubin-proto",
            // Its tests run against a store in memory.
            "yubin-memory-store",
        ],
    ),
    (
        "yubin-admin",
        &[
            "yubin-types",
            "yubin-message",
            "yubin-policy",
            "yubin-password",
            "yubin-dns-auth",
            "yubin-state",
            "yubin-proto",
            // Its tests run against a store in memory.
            "yubin-memory-store",
        ],
    ),
    (
        "yubin-queue",
        &[
            "yubin-types",
            "yubin-message",
            "yubin-session",
            "yubin-policy",
            "yubin-state",
            "yubin-proto",
            "yubin-dns-auth",
            // Its tests run against a real store.
            "yubin-store",
        ],
    ),
    (
        "yubin-reports",
        &[
            "yubin-types",
            "yubin-message",
            "yubin-state",
            "yubin-proto",
            "yubin-dns-auth",
            // Its tests run against a real store.
            "yubin-store",
        ],
    ),
    ("yubin-ctl", &["yubin-types", "yubin-message", "yubin-proto"]),
    (
        "yubin",
        &[
            "yubin-types",
            "yubin-message",
            "yubin-session",
            "yubin-policy",
            "yubin-state",
            "yubin-proto",
            "yubin-consensus",
            "yubin-store",
            "yubin-frontend",
            "yubin-queue",
            "yubin-reports",
            "yubin-dns-auth",
            "yubin-admin",
            "yubin-ctl",
        ],
    ),
    // Tests drive the system from outside, as a client would; they may share the domain's words and the contract.
    ("yubin-tests", &["yubin-types", "yubin-proto", "yubin-corpus"]),
    // Messages to test with.
    ("yubin-corpus", &[]),
    // A store to test with.
    ("yubin-memory-store", &["yubin-types", "yubin-state", "yubin-proto"]),
    ("xtask", &[]),
];

/// Crates that read no clock, no disk and no network.
const PURE: [&str; 5] = ["yubin-types", "yubin-message", "yubin-session", "yubin-policy", "yubin-state"];

/// What pure crates must not reach, even through others.
const IMPURE: [&str; 8] = ["tokio", "tonic", "hyper", "rocksdb", "librocksdb-sys", "openraft", "rand", "getrandom"];

/// What nobody may reach: other TLS stacks beside rustls on ring.
const BANNED: [&str; 3] = ["openssl-sys", "aws-lc-sys", "native-tls"];

/// Checks the graph and prints each import that is not allowed.
///
/// # Errors
/// When cargo fails, or an import is not allowed.
pub(crate) fn layers() -> Result<()> {
    let graph = Graph::read(&shell::metadata()?)?;
    let mut faults = graph.imports();
    faults.extend(graph.reach());
    for fault in &faults {
        eprintln!("layers: {fault}");
    }
    if !faults.is_empty() {
        bail!("{} imports are not allowed; the table is in xtask/src/layers.rs", faults.len());
    }
    eprintln!("layers: {} crates keep to the table", graph.house.len());
    Ok(())
}

/// The part of cargo's metadata that matters here. Keys are package ids.
struct Graph {
    /// Package id to name, for every package.
    names: BTreeMap<String, String>,
    /// House crates: name to package id.
    house: BTreeMap<String, String>,
    /// House crates: name to the names of everything declared, of any kind.
    declared: BTreeMap<String, BTreeSet<String>>,
    /// Package id to the ids it is linked with (not for its tests or its build script).
    linked: BTreeMap<String, Vec<String>>,
}

impl Graph {
    fn read(metadata: &Value) -> Result<Self> {
        let members: BTreeSet<&str> = list(metadata, "workspace_members").filter_map(Value::as_str).collect();
        let mut graph =
            Self { names: BTreeMap::new(), house: BTreeMap::new(), declared: BTreeMap::new(), linked: BTreeMap::new() };
        for package in list(metadata, "packages") {
            let (id, name) = (text(package, "id")?, text(package, "name")?);
            if members.contains(id.as_str()) {
                let declared = list(package, "dependencies").filter_map(|dependency| text(dependency, "name").ok());
                graph.declared.insert(name.clone(), declared.collect());
                graph.house.insert(name.clone(), id.clone());
            }
            graph.names.insert(id, name);
        }
        let resolve = metadata.get("resolve").context("cargo metadata resolved nothing")?;
        for node in list(resolve, "nodes") {
            let linked = list(node, "deps").filter(|dependency| {
                // A null kind is a plain dependency; "dev" and "build" are not linked into the crate.
                list(dependency, "dep_kinds").any(|kind| kind.get("kind").is_none_or(Value::is_null))
            });
            let ids = linked.filter_map(|dependency| text(dependency, "pkg").ok()).collect();
            graph.linked.insert(text(node, "id")?, ids);
        }
        Ok(graph)
    }

    /// Imports between house crates that the table does not allow.
    fn imports(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, declared) in &self.declared {
            let Some((_, allowed)) = ALLOWED.iter().find(|(row, _)| row == name) else {
                faults.push(format!("{name} has no row in the table"));
                continue;
            };
            let house = declared.iter().filter(|import| self.house.contains_key(*import));
            let wrong = house.filter(|import| !allowed.contains(&import.as_str()));
            faults.extend(wrong.map(|import| format!("{name} must not import {import}")));
        }
        faults
    }

    /// What pure crates reach and must not, and what nobody may reach, each with the way there.
    fn reach(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, id) in &self.house {
            let ways = self.ways(id);
            for (reached, way) in &ways {
                let impure = PURE.contains(&name.as_str()) && IMPURE.contains(&reached.as_str());
                if impure || BANNED.contains(&reached.as_str()) {
                    faults.push(format!("{name} must not reach {reached}: {way}"));
                }
            }
        }
        faults
    }

    /// Every package linked into `start`, by name, with one shortest way to it.
    fn ways(&self, start: &str) -> BTreeMap<String, String> {
        let mut ways = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([(start.to_owned(), String::new())]);
        let mut seen = BTreeSet::from([start.to_owned()]);
        while let Some((id, before)) = queue.pop_front() {
            let name = self.names.get(&id).cloned().unwrap_or_default();
            let way = if before.is_empty() { name.clone() } else { format!("{before} -> {name}") };
            for next in self.linked.get(&id).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    queue.push_back((next.clone(), way.clone()));
                }
            }
            ways.entry(name).or_insert(way);
        }
        ways
    }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, key: &str) -> Result<String> {
    let found = value.get(key).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("cargo metadata lacks \"{key}\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, imports: &[&str]) -> Value {
        let dependencies: Vec<Value> = imports.iter().map(|import| json!({ "name": import })).collect();
        json!({ "id": name, "name": name, "dependencies": dependencies })
    }

    fn node(name: &str, links: &[(&str, Value)]) -> Value {
        let deps: Vec<Value> =
            links.iter().map(|(to, kind)| json!({ "pkg": to, "dep_kinds": [{ "kind": kind }] })).collect();
        json!({ "id": name, "deps": deps })
    }

    fn graph(members: &[&str], packages: Vec<Value>, nodes: Vec<Value>) -> Graph {
        let metadata = json!({ "workspace_members": members, "packages": packages, "resolve": { "nodes": nodes } });
        Graph::read(&metadata).unwrap()
    }

    #[test]
    fn an_import_outside_the_table_is_a_fault() {
        let graph = graph(
            &["yubin-policy", "yubin-store"],
            vec![package("yubin-policy", &["yubin-store"]), package("yubin-store", &[])],
            vec![],
        );
        assert_eq!(graph.imports(), ["yubin-policy must not import yubin-store"]);
    }

    #[test]
    fn a_crate_without_a_row_is_a_fault() {
        let graph = graph(&["yubin-new"], vec![package("yubin-new", &[])], vec![]);
        assert_eq!(graph.imports(), ["yubin-new has no row in the table"]);
    }

    #[test]
    fn a_pure_crate_that_reaches_a_runtime_is_a_fault_but_not_through_its_tests() {
        let packages = || vec![package("yubin-types", &["a"]), package("a", &[]), package("tokio", &[])];
        let linked = vec![node("yubin-types", &[("a", Value::Null)]), node("a", &[("tokio", Value::Null)])];
        let faults = graph(&["yubin-types"], packages(), linked).reach();
        assert_eq!(faults, ["yubin-types must not reach tokio: yubin-types -> a -> tokio"]);
        let tests_only = vec![node("yubin-types", &[("a", json!("dev"))]), node("a", &[("tokio", Value::Null)])];
        assert!(graph(&["yubin-types"], packages(), tests_only).reach().is_empty());
    }
}
