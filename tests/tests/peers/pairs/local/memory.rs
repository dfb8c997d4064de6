//! npm `server-memory`, with a graph of the test's own.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Client, Local, Payload, Step, program};
use crate::pairs::{CROWD, marker};

#[derive(Debug)]
pub(crate) struct Memory {
    folder: TempDir,
}

impl Memory {
    /// Every mark has an entity in the graph, because processes that write one file at once would spoil it.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let entities = (0..CROWD).map(|n| Entity::new(&marker(n), json!(format!("of {} alone", marker(n)))));
        let lines = entities.map(|entity| entity.line());
        std::fs::write(folder.path().join("graph.jsonl"), lines.collect::<Vec<_>>().join("\n")).unwrap();
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("graph.jsonl")
    }
}

impl Local for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn says_it_is(&self) -> &'static str {
        "memory-server"
    }

    fn is_modern(&self) -> bool {
        false
    }

    fn command(&self) -> Vec<String> {
        vec![program("MEMORY")]
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("MEMORY_FILE_PATH", self.file().display().to_string())]
    }

    fn tools(&self, _: Client) -> Vec<&'static str> {
        vec![
            "add_observations",
            "create_entities",
            "create_relations",
            "delete_entities",
            "delete_observations",
            "delete_relations",
            "open_nodes",
            "read_graph",
            "search_nodes",
        ]
    }

    fn steps(&self, marker: &str, payloads: &[Payload]) -> Vec<Step> {
        let mut steps = vec![];
        for payload in payloads {
            let sent = Entity::new(&payload.name(), payload.argument());
            let kept = Entity::new(&payload.name(), json!(payload.text));
            steps.push(Step::says("create_entities", json!({"entities": [sent]}), pretty(&[&kept])));
            steps.push(Step::says("open_nodes", json!({"names": [payload.name()]}), graph(&kept)));
        }
        steps.extend(self.marked(marker));
        steps
    }

    fn gives(&self, payload: &Payload) -> Option<Step> {
        let kept = Entity::new(&payload.name(), json!(payload.text));
        let mut lines = std::fs::read_to_string(self.file()).unwrap();
        lines += &format!("\n{}", kept.line());
        std::fs::write(self.file(), lines).unwrap();
        Some(Step::says("open_nodes", json!({"names": [payload.name()]}), graph(&kept)))
    }

    fn marked(&self, marker: &str) -> Vec<Step> {
        let own = Entity::new(marker, json!(format!("of {marker} alone")));
        vec![
            Step::says("open_nodes", json!({"names": [marker]}), graph(&own)),
            Step::says("search_nodes", json!({"query": format!("of {marker}")}), graph(&own)),
        ]
    }
}

/// Members stand in the order in which the server writes them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entity {
    name: String,
    entity_type: &'static str,
    observations: [Value; 1],
}

impl Entity {
    fn new(name: &str, observation: Value) -> Self {
        Self { name: name.to_owned(), entity_type: "thing", observations: [observation] }
    }

    /// As the server keeps it.
    fn line(&self) -> String {
        let mut line = json!(self);
        line["type"] = "entity".into();
        line.to_string()
    }
}

fn graph(entity: &Entity) -> String {
    #[derive(Serialize)]
    struct Graph<'a> {
        entities: [&'a Entity; 1],
        relations: [(); 0],
    }
    pretty(&Graph { entities: [entity], relations: [] })
}

/// As `JSON.stringify(value, null, 2)` writes it.
fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}
