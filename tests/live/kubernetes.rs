//! A real control plane as a stage.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use hyper::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tsinfra::live::{Live, LiveOptions};
use tsinfra::object::{Kind, LABEL_HOSTNAME, Labels, ObjectKey};
use tsinfra::observed::{List, LiveObject, Observed, Scope};
use tsinfra::world::World;

use crate::bed::bed;
use crate::stage::{Driver, Stage, lock};
use crate::twin::Twin;

/// How long the control plane's controllers get to follow what another manager did.
const SETTLE: Duration = Duration::from_secs(4);

/// The control plane of this test process, entered by the calling thread.
pub(crate) struct KubernetesStage {
    folder: TempDir,
    kubeconfig: PathBuf,
    twin: &'static Twin,
}

impl KubernetesStage {
    /// Enters it; the twin of the databases is started with the first.
    pub(crate) fn enter() -> Self {
        static TWIN: OnceLock<Twin> = OnceLock::new();
        let bed = bed();
        bed.enter();
        let twin = TWIN.get_or_init(|| Twin::start(&bed.kubeconfig));
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, kubeconfig: bed.kubeconfig.clone(), twin }
    }

    /// The same place, for a user who may do nothing.
    pub(crate) fn without_rights(self) -> Self {
        Self { kubeconfig: bed().operator_kubeconfig.clone(), ..self }
    }

    /// The same place, for the administrator whose writes the API server writes down.
    pub(crate) fn audited(self) -> Self {
        Self { kubeconfig: bed().audited_kubeconfig.clone(), ..self }
    }

    /// Sets the number of members as `kubectl scale` does.
    pub(crate) fn scale_as(&self, manager: &str, set: &ObjectKey, replicas: u32) {
        let scale = json!({ "spec": { "replicas": replicas } });
        let path = path(set) + "/scale";
        runtime().block_on(patch(&bed().kubeconfig, manager, &path, &scale));
    }

    /// The way to it.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The product's own door to it.
    fn world(&self) -> Live {
        Live::open(LiveOptions { kubeconfig: Some(self.kubeconfig.clone()), context: None })
    }

    /// The twin of the databases.
    pub(crate) fn twin(&self) -> &Twin {
        self.twin
    }

    /// Makes an object as somebody else would.
    pub(crate) fn create(&self, collection: &str, manifest: &Value) {
        let request = Request::post(collection)
            .header("content-type", "application/json")
            .body(manifest.to_string().into_bytes())
            .expect("a request");
        runtime().block_on(async {
            let client = client(&self.kubeconfig).await;
            let _: Value = client.request(request).await.expect("a creation");
        });
    }
}

async fn client(kubeconfig: &Path) -> Client {
    let file = Kubeconfig::read_from(kubeconfig).expect("the bed's kubeconfig");
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a configuration")).expect("a client")
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The path of an object in the API.
fn path(object: &ObjectKey) -> String {
    let version = object.kind.api_version();
    let root = if version.contains('/') { "apis" } else { "api" };
    let plural = object.kind.plural();
    match &object.namespace {
        Some(namespace) => {
            format!("/{root}/{version}/namespaces/{namespace}/{plural}/{}", object.name)
        }
        None => format!("/{root}/{version}/{plural}/{}", object.name),
    }
}

async fn patch(kubeconfig: &Path, manager: &str, path: &str, patch: &Value) {
    let client = client(kubeconfig).await;
    let request = Request::patch(format!("{path}?fieldManager={manager}"))
        .header("content-type", "application/merge-patch+json")
        .body(patch.to_string().into_bytes())
        .expect("a request");
    let _: Value = client.request(request).await.expect("an edit");
    tokio::time::sleep(SETTLE).await;
}

/// How often it is looked whether something is gone, a moment apart.
const LOOKS_MAX: u32 = 240;

/// Waits until an object is gone, which a busy machine may take long for.
async fn gone(client: &Client, path: &str) {
    for _ in 0..LOOKS_MAX {
        let request = Request::get(path).body(Vec::new()).expect("a request");
        match client.request::<Value>(request).await {
            Err(kube::Error::Api(status)) if status.code == 404 => return,
            _ => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
    panic!("{path} does not go");
}

impl Stage for KubernetesStage {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn target(&self) -> Vec<String> {
        vec!["--kubeconfig".to_owned(), self.kubeconfig.display().to_string()]
    }

    fn edit_as(&self, manager: &str, object: &ObjectKey, merge: &Value) {
        runtime().block_on(patch(&self.kubeconfig, manager, &path(object), merge));
    }

    fn orphan(&self, set: &ObjectKey) {
        let request = Request::delete(path(set))
            .header("content-type", "application/json")
            .body(json!({ "propagationPolicy": "Orphan" }).to_string().into_bytes())
            .expect("a request");
        runtime().block_on(async {
            let client = client(&self.kubeconfig).await;
            let _: Value = client.request(request).await.expect("a deletion");
            gone(&client, &path(set)).await;
        });
    }

    fn driver(&self, volume: &ObjectKey, does: Driver) {
        let word = match does {
            Driver::Slow => json!("slow"),
            Driver::Failing => json!("failing"),
            Driver::Mended => json!(null),
        };
        let annotations = json!({ "bed.tsinfra.dev/deletion": word });
        self.edit_as("csi", volume, &json!({ "metadata": { "annotations": annotations } }));
    }

    fn joins(&self, node: &str) {
        let room = json!({ "cpu": "32", "memory": "128Gi", "pods": "110" });
        let key = ObjectKey::global(Kind::Node, node);
        self.create(
            "/api/v1/nodes",
            &json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": node,
                    "annotations": { "kwok.x-k8s.io/node": "fake" },
                    "labels": { LABEL_HOSTNAME: node, "kubernetes.io/os": "linux" },
                },
                "status": { "capacity": room, "allocatable": room },
            }),
        );
        runtime().block_on(async {
            for _ in 0..LOOKS_MAX {
                let scope = Scope { gets: vec![key.clone()], ..Scope::default() };
                let seen = self.world().look(&scope).await.expect("a look");
                let is_free = |node: &LiveObject| node.value.pointer("/spec/taints").is_none();
                if seen.objects.get(&key).is_some_and(|node| node.is_ready() && is_free(node)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            panic!("{node} does not become ready");
        });
    }

    fn loses(&self, node: &str) {
        self.delete(&[ObjectKey::global(Kind::Node, node)]);
        let list = List { kind: Kind::Pod, namespace: None, labels: Labels::new() };
        let scope = Scope { lists: vec![list], ..Scope::default() };
        runtime().block_on(async {
            // Kubernetes waits some 40 s before it believes it.
            for _ in 0..LOOKS_MAX {
                let seen = self.world().look(&scope).await.expect("a look");
                let mut pods = seen.of_kind(Kind::Pod);
                if !pods.any(|(_, pod)| pod.text("/spec/nodeName") == Some(node)) {
                    tokio::time::sleep(SETTLE).await;
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            panic!("pods are still on {node}");
        });
    }

    fn delete(&self, objects: &[ObjectKey]) {
        runtime().block_on(async {
            let client = client(&self.kubeconfig).await;
            for object in objects {
                let request = Request::delete(path(object)).body(Vec::new()).expect("a request");
                let _: Value = client.request(request).await.expect("a deletion");
            }
            for object in objects {
                gone(&client, &path(object)).await;
            }
            tokio::time::sleep(SETTLE).await;
        });
    }

    fn lock_as(&self, holder: &str, namespace: &str, stack: &str) {
        runtime().block_on(lock(&self.world(), holder, namespace, stack));
    }

    fn look(&self, scope: &Scope) -> Observed {
        runtime().block_on(self.world().look(scope)).expect("a look")
    }
}
