//! Blocks for Docker, Compose and Kubernetes: the environment and the command line that they would give a container.

use std::collections::BTreeMap;

use culvert_tests::CulvertCommand;
use serde::Deserialize;

use super::Surroundings;
use super::manifest::{self, Entry, Kind};

/// What one container would be started with.
#[derive(Debug)]
pub(super) struct Service {
    environment: BTreeMap<String, String>,
    command: Vec<String>,
}

/// The services of one block.
pub(super) fn services(entry: &Entry) -> Vec<Service> {
    let text = manifest::text(&entry.block);
    match entry.kind {
        Kind::Dockerfile => vec![dockerfile(&text)],
        Kind::Compose => compose(&text),
        Kind::Kubernetes => vec![kubernetes(&text)],
        other => panic!("{other:?} starts no container"),
    }
}

/// Starts a service as its container would and waits until it is registered.
pub(super) async fn run(around: &Surroundings, service: &Service) {
    let (python, arguments) = service.command.split_at(3);
    assert_eq!(python, ["python", "-m", "mcpgateway.reverse_proxy"], "the command that becomes `culvert run`");
    let mut command = around.prepare(CulvertCommand::bare()).arg("run").args(arguments);
    for (name, value) in &service.environment {
        command = command.env(name, around.map(value));
    }
    let before = around.links();
    around.registers(command.start(), before, [1, 0, 0]).await;
    let state = around.gateways[0].state().look();
    assert_eq!(
        state.links[before[0]].request.bearer(),
        service.environment.get("REVERSE_PROXY_TOKEN").map(String::as_str)
    );
}

fn dockerfile(text: &str) -> Service {
    let (mut environment, mut command) = (BTreeMap::new(), vec![]);
    for line in text.replace("\\\n", " ").lines() {
        match line.split_once(' ') {
            Some(("ENV", pair)) => {
                let (name, value) = pair.split_once('=').unwrap();
                environment.insert(name.to_owned(), value.to_owned());
            }
            Some(("CMD", list)) => command = serde_json::from_str(list).unwrap(),
            _ => {}
        }
    }
    Service { environment, command }
}

fn compose(text: &str) -> Vec<Service> {
    #[derive(Deserialize)]
    struct File {
        services: BTreeMap<String, Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        environment: BTreeMap<String, String>,
        command: String,
    }
    // What Compose itself fills in from its own environment.
    let file: File = serde_saphyr::from_str(&text.replace("${TOKEN}", "compose-token")).unwrap();
    assert_eq!(file.services.len(), 2);
    let services = file.services.into_values();
    services
        .map(|item| Service { environment: item.environment, command: shell_words::split(&item.command).unwrap() })
        .collect()
}

fn kubernetes(text: &str) -> Service {
    #[derive(Deserialize)]
    struct Deployment {
        spec: Spec,
    }
    #[derive(Deserialize)]
    struct Spec {
        template: Template,
    }
    #[derive(Deserialize)]
    struct Template {
        spec: Pod,
    }
    #[derive(Deserialize)]
    struct Pod {
        containers: Vec<Container>,
    }
    #[derive(Deserialize)]
    struct Container {
        env: Vec<Variable>,
        command: Vec<String>,
        args: Vec<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Variable {
        name: String,
        value: Option<String>,
        value_from: Option<serde_json::Value>,
    }
    let mut deployment: Deployment = serde_saphyr::from_str(text).unwrap();
    let container = deployment.spec.template.spec.containers.remove(0);
    let variables = container.env.into_iter().map(|variable| {
        // What the cluster fills in from its secret.
        let secret = variable.value_from.map(|_| "cluster-token".to_owned());
        (variable.name, variable.value.or(secret).unwrap())
    });
    Service { environment: variables.collect(), command: [container.command, container.args].concat() }
}
