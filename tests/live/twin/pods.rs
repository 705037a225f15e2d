//! What the twin knows of pods and claims, read from the API server a few times a second.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use db_engine::iotdb::sim::MemberKind;
use hyper::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

use super::Shared;
use super::order::Newcomers;

const PERIOD: Duration = Duration::from_millis(250);
const CLUSTER: &str = "tsinfra.dev/cluster";

/// What the API server shows.
#[derive(Default)]
pub(crate) struct Seen {
    /// Members whose process would run.
    pub(crate) ready: Vec<Member>,
    /// Namespace and name of every claim.
    pub(crate) claims: BTreeSet<(String, String)>,
}

/// A ConfigNode or DataNode, as its environment makes it one.
pub(crate) struct Member {
    /// Namespace and cluster.
    pub(crate) place: (String, String),
    pub(crate) kind: MemberKind,
    pub(crate) ip: IpAddr,
    pub(crate) uid: String,
    /// The address it registers with.
    pub(crate) address: String,
    pub(crate) seed: String,
    pub(crate) cluster_name: String,
    pub(crate) version: String,
    pub(crate) schema_replication: u32,
    pub(crate) data_replication: u32,
    pub(crate) claims: Vec<String>,
}

/// Reads pods and claims until the twin is stopped. An API server that does not answer changes
/// nothing: the processes it knew of would go on running.
pub(crate) fn follow(kubeconfig: &Path, shared: &Shared) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = client(kubeconfig).await;
        let mut newcomers = Newcomers::default();
        while !shared.is_stopped() {
            if let Some(seen) = look(&client, &mut newcomers).await {
                shared.update(&seen);
            }
            tokio::time::sleep(PERIOD).await;
        }
    });
}

async fn client(kubeconfig: &Path) -> Client {
    let file = Kubeconfig::read_from(kubeconfig).expect("the bed's kubeconfig");
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a configuration")).expect("a client")
}

async fn look(client: &Client, newcomers: &mut Newcomers) -> Option<Seen> {
    let mut seen = Seen::default();
    let pods = format!("/api/v1/pods?resourceVersion=0&labelSelector={CLUSTER}");
    let pods = items(client, &pods).await?;
    newcomers.meet(&pods);
    let runs = |pod: &Value| member(pod).is_some();
    let in_turn = pods.iter().filter(|pod| !newcomers.is_early(pod, &pods, runs));
    seen.ready.extend(in_turn.filter_map(member));
    for claim in items(client, "/api/v1/persistentvolumeclaims?resourceVersion=0").await? {
        let text = |name: &str| claim["metadata"][name].as_str().unwrap_or_default().to_owned();
        seen.claims.insert((text("namespace"), text("name")));
    }
    Some(seen)
}

async fn items(client: &Client, path: &str) -> Option<Vec<Value>> {
    let request = Request::get(path).body(Vec::new()).ok()?;
    let mut list: Value = client.request(request).await.ok()?;
    serde_json::from_value(list["items"].take()).ok()
}

/// The member a pod is, once its process would run.
fn member(pod: &Value) -> Option<Member> {
    let conditions = pod["status"]["conditions"].as_array()?;
    let ready = conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True");
    let metadata = &pod["metadata"];
    if !ready || !metadata["deletionTimestamp"].is_null() {
        return None;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let container = pod["spec"]["containers"].get(0)?;
    let env = environment(&container["env"], &text(&metadata["name"]));
    let set = |name: &str| env.get(name).cloned();
    let (kind, address) = match set("cn_internal_address") {
        Some(address) => (MemberKind::ConfigNode, address),
        None => (MemberKind::DataNode, set("dn_internal_address")?),
    };
    let seed = set("cn_seed_config_node").or_else(|| set("dn_seed_config_node"))?;
    let number = |name: &str| set(name).and_then(|text| text.parse().ok()).unwrap_or(1);
    let volumes = pod["spec"]["volumes"].as_array();
    let claims = volumes.into_iter().flatten();
    let claims = claims.filter_map(|it| it["persistentVolumeClaim"]["claimName"].as_str());
    Some(Member {
        place: (text(&metadata["namespace"]), text(&metadata["labels"][CLUSTER])),
        kind,
        ip: pod["status"]["podIP"].as_str()?.parse().ok()?,
        uid: text(&metadata["uid"]),
        address,
        seed: seed.split(':').next().unwrap_or_default().to_owned(),
        cluster_name: set("cluster_name").unwrap_or_default(),
        version: version(container["image"].as_str().unwrap_or_default()),
        schema_replication: number("schema_replication_factor"),
        data_replication: number("data_replication_factor"),
        claims: claims.map(str::to_owned).collect(),
    })
}

/// A container's environment as its process sees it: references to earlier variables replaced.
fn environment(env: &Value, pod: &str) -> BTreeMap<String, String> {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for variable in env.as_array().into_iter().flatten() {
        let name = variable["name"].as_str().unwrap_or_default().to_owned();
        let own_name = variable.pointer("/valueFrom/fieldRef/fieldPath");
        let value = match (variable["value"].as_str(), own_name.and_then(Value::as_str)) {
            (Some(text), _) => expanded(text, &known),
            (None, Some("metadata.name")) => pod.to_owned(),
            _ => continue,
        };
        known.insert(name, value);
    }
    known
}

/// `$(NAME)` is replaced if it is known, `$$` is a dollar.
fn expanded(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let reference = after.strip_prefix('(').and_then(|inside| inside.split_once(')'));
        match reference.and_then(|(name, after)| Some((known.get(name)?, after))) {
            Some((value, after)) => {
                result.push_str(value);
                rest = after;
            }
            None => {
                result.push('$');
                rest = after.strip_prefix('$').unwrap_or(after);
            }
        }
    }
    result + rest
}

/// `2.0.5` of `registry/apache/iotdb:2.0.5-standalone`.
fn version(image: &str) -> String {
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let end =
        ["-standalone", "-datanode", "-confignode"].iter().find_map(|end| tag.strip_suffix(end));
    end.unwrap_or(tag).to_owned()
}
