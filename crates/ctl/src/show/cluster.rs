//! Nodes and groups, shown.

use serde_json::{Value, json};
use yubin_proto::r#gen::admin as api;

use super::Row;

impl Row for api::Node {
    const HEADS: &'static [&'static str] =
        &["NODE", "NAME", "STATE", "LEADS", "REPLICAS", "PEER ADDRESS", "STORE ADDRESS"];
    const LIST: &'static str = "nodes";

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.name.clone(),
            match (self.reachable, self.strange_disk, self.clock_ahead_ms) {
                (true, false, 0) => "up".to_owned(),
                (true, false, ahead) => format!("may not lead: set its clock, {ahead} ms ahead of the others"),
                (true, true, _) => format!("on another disk: yubin ctl node readmit {}", self.id),
                (false, ..) => format!("unreachable: {}", self.error),
            },
            self.leads.to_string(),
            self.replicas.to_string(),
            self.peer_address.clone(),
            self.store_address.clone(),
        ]
    }

    fn object(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "reachable": self.reachable,
            "error": self.error,
            "leads": self.leads,
            "replicas": self.replicas,
            "peer_address": self.peer_address,
            "store_address": self.store_address,
            "zone": self.zone,
            "strange_disk": self.strange_disk,
            "clock_ahead_ms": self.clock_ahead_ms,
        })
    }
}

impl Row for api::Group {
    const HEADS: &'static [&'static str] = &["GROUP", "LEADER", "TERM", "VOTERS", "DOMAINS", "NODE:APPLIED/LOG"];
    const LIST: &'static str = "groups";

    fn cells(&self) -> Vec<String> {
        let replica = |replica: &api::Replica| {
            let mark = if replica.faulted { " FAULTED" } else { "" };
            format!("{}:{}/{}{mark}", replica.node, replica.applied_index, replica.last_log_index)
        };
        vec![
            self.group.to_string(),
            self.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string()),
            self.term.to_string(),
            self.voters.iter().map(u64::to_string).collect::<Vec<_>>().join(","),
            self.domains.to_string(),
            self.replicas.iter().map(replica).collect::<Vec<_>>().join(" "),
        ]
    }

    fn object(&self) -> Value {
        let replica = |replica: &api::Replica| {
            json!({
                "node": replica.node,
                "applied_index": replica.applied_index,
                "last_log_index": replica.last_log_index,
                "faulted": replica.faulted,
            })
        };
        json!({
            "group": self.group,
            "leader": self.leader,
            "term": self.term,
            "voters": self.voters,
            "domains": self.domains,
            "replicas": self.replicas.iter().map(replica).collect::<Vec<_>>(),
        })
    }
}
