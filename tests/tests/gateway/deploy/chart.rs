//! The chart as Helm itself renders it, with several sets of values.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use culvert_tests::peers::{if_any, peer};
use serde_json::{Value, json};

use super::{content, folder};

/// Renders it with these values. `None`: there is no Helm for this machine.
fn helm(values: &Value) -> Option<Output> {
    let library = if_any("HELM_LIBRARY")?;
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("values.json");
    fs::write(&file, values.to_string()).unwrap();
    let script = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/helm.py"));
    let mut python = Command::new(peer("DEPLOY_PYTHON"));
    python.args(["-I", "-B"]).arg(script).arg(library).arg(folder().join("helm/culvert")).arg(&file);
    Some(python.output().unwrap())
}

/// What is in the cluster then, each of Kubernetes' own form.
pub(super) fn rendered(values: &Value) -> Option<Vec<Value>> {
    let output = helm(values)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let resources: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    for (number, resource) in resources.iter().enumerate() {
        let file = scratch.path().join(format!("{number}.json"));
        fs::write(&file, resource.to_string()).unwrap();
        content(Command::new(peer("KUBERNETES_VALIDATE")).arg("--strict").arg(file));
    }
    Some(resources)
}

fn of_kind<'a>(resources: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is_it = |resource: &&Value| resource["kind"] == kind && resource["metadata"]["name"] == name;
    resources.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {name} in {resources:#?}"))
}

fn configuration(resources: &[Value]) -> Value {
    let text = of_kind(resources, "ConfigMap", "demo")["data"]["culvert.yaml"].as_str().unwrap();
    serde_saphyr::from_str(text).unwrap()
}

fn refused(values: &Value, why: &str) {
    let Some(output) = helm(values) else { return };
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && words.contains(why), "{values} should be refused: {words}");
}

#[test]
fn as_it_comes_it_is_one_tunnel_of_a_fixed_name() {
    let Some(resources) = rendered(&json!({})) else { return };
    let kinds: Vec<_> = resources.iter().map(|resource| resource["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Secret", "ConfigMap", "Deployment"], "and no gateway");
    let deployment = &of_kind(&resources, "Deployment", "demo")["spec"];
    assert_eq!(deployment["replicas"], 1);
    assert_eq!(deployment["strategy"]["rollingUpdate"], json!({"maxSurge": 1, "maxUnavailable": 0}));
    let pod = &deployment["template"]["spec"];
    assert_eq!(pod["containers"][0]["resources"]["limits"], json!({"memory": "256Mi", "cpu": "100m"}));
    assert_eq!(pod["initContainers"][0]["args"][0], "doctor");
    assert_eq!(pod["automountServiceAccountToken"], false);
    let configuration = configuration(&resources);
    assert_eq!(configuration["server_name"], "demo");
    assert_eq!(configuration["token"], "file:/run/secrets/culvert/token");
}

#[test]
fn several_replicas_are_a_stateful_set_and_each_has_its_own_name() {
    let Some(resources) = rendered(&json!({"client": {"replicas": 3, "doctor": false}})) else { return };
    let set = &of_kind(&resources, "StatefulSet", "demo")["spec"];
    assert_eq!((&set["replicas"], &set["serviceName"]), (&json!(3), &json!("demo")));
    assert!(set["template"]["spec"]["initContainers"].is_null());
    assert_eq!(of_kind(&resources, "Service", "demo")["spec"]["clusterIP"], "None");
    assert_eq!(configuration(&resources)["server_name"], "{env:POD_NAME}");
    let named = &set["template"]["spec"]["containers"][0]["env"][1];
    assert_eq!(named["name"], "POD_NAME");
    assert_eq!(named["valueFrom"]["fieldRef"]["fieldPath"], "metadata.name");
}

#[test]
fn all_that_can_be_said_is_taken() {
    let values = json!({
        "nameOverride": "edge",
        "client": {
            "serverName": "git {hostname}",
            "strategy": "Recreate",
            "token": {"existingSecret": "vault", "key": "bearer"},
            "image": {"repository": "registry.example.com/servers", "tag": "7", "pullPolicy": "Always"},
            "healthPort": 9999,
            "extraEnv": [{"name": "GIT_AUTHOR", "value": "me"}],
            "extraVolumes": [{"name": "data", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "data", "mountPath": "/data"}],
            "podAnnotations": {"team": "blue"},
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "edge", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
        },
        "gateway": {
            "enabled": true,
            "publicUrl": "https://mcp.example.com:8443/team",
            "extraArgs": ["--grace=60"],
            "persistence": {"storageClass": "fast"},
            "podAnnotations": {"team": "blue"},
            "nodeSelector": {"disk": "fast"},
        },
    });
    let Some(resources) = rendered(&values) else { return };
    let client = &of_kind(&resources, "Deployment", "edge")["spec"];
    assert_eq!(client["strategy"], json!({"type": "Recreate"}));
    let pod = &client["template"]["spec"];
    assert_eq!(pod["volumes"][1]["secret"]["secretName"], "vault");
    assert_eq!(pod["volumes"][1]["secret"]["items"], json!([{"key": "bearer", "path": "token"}]));
    assert_eq!(pod["containers"][0]["image"], "registry.example.com/servers:7");
    assert_eq!((&pod["nodeSelector"]["disk"], &pod["tolerations"][0]["key"]), (&json!("fast"), &json!("edge")));
    assert!(resources.iter().all(|resource| resource["kind"] != "Secret"), "the one that is there is enough");

    let gateway = &of_kind(&resources, "Deployment", "edge-gateway")["spec"];
    assert_eq!(gateway["strategy"]["type"], "Recreate", "the state is one process's");
    let args = gateway["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
    assert!(
        args.contains(&json!("--public-url=https://mcp.example.com:8443/team")) && args.contains(&json!("--grace=60"))
    );
    assert_eq!(of_kind(&resources, "PersistentVolumeClaim", "edge-gateway")["spec"]["storageClassName"], "fast");
    let ingress = &of_kind(&resources, "Ingress", "edge-gateway");
    assert_eq!(ingress["spec"]["rules"][0]["host"], "mcp.example.com");
    assert_eq!(ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-buffering"], "off");
}

#[test]
fn what_makes_no_sense_is_refused() {
    refused(&json!({"client": {"replicas": 0}}), "minimum");
    refused(&json!({"client": {"replica": 2}}), "replica");
    refused(&json!({"client": {"config": {"token": "literal"}}}), "config");
    refused(&json!({"gateway": {"enabled": true, "publicUrl": "gw"}}), "publicUrl");
    let two_of_a_name = json!({"replicas": 2, "config": {"local_stdio": null, "servers": [{"name": "git"}]}});
    refused(&json!({"client": two_of_a_name}), "POD_NAME");
}
